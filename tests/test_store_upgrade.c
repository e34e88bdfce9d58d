/* SPDX-License-Identifier: MIT */
/*
 * A raft.db of format 2, which held everything in one file, becomes segments: with all that it held, wherever a start was interrupted; and not at
 * all when it is damaged or another's.
 */
#include "store_world.h"

#include <signal.h>
#include <sqlite3.h>

#include "../src/store/internal.h"

enum { FIRST = 30, LAST = 90, LARGE = 60, TERM_CHANGES = 50, MEMBERS = 70, SAVE_LAST = 400 };

static int setup(void **state) {
    struct world *world = malloc(sizeof(*world));

    assert_non_null(world);
    world_make_in_memory(world);
    *state = world;
    return 0;
}

/* ---- what the older program left ------------------------------------------------------------------------------- */

static const char old_tables[] =
    "CREATE TABLE identity (id INTEGER PRIMARY KEY, node INTEGER, incarnation TEXT, cluster TEXT, "
    "save INTEGER, checksum INTEGER);"
    "CREATE TABLE members (position INTEGER PRIMARY KEY, id INTEGER, address TEXT, incarnation TEXT);"
    "CREATE TABLE state (id INTEGER PRIMARY KEY, term INTEGER, vote INTEGER, log_start INTEGER, "
    "base_term INTEGER, data INTEGER, save INTEGER, checksum INTEGER);"
    "CREATE TABLE log (id INTEGER PRIMARY KEY, term INTEGER, type INTEGER, bytes INTEGER, save INTEGER, "
    "checksum INTEGER, data BLOB);"
    "CREATE TABLE terms (first_index INTEGER PRIMARY KEY, term INTEGER);";

static raft_term term_of(raft_index index) {
    return index < TERM_CHANGES ? 3 : 5;
}

static size_t length_of(raft_index index) {
    return index == LARGE ? 2 * STORE_ROW_BYTES_MAX + 500 : 100 + (size_t)index * 7;
}

static void put_state(sqlite3 *db) {
    uint64_t numbers[] = {6, 2, FIRST, 3, 4, SAVE_LAST}; /* term, vote, log start, base term, data, save */
    uint32_t crc = 0;
    char sql[256];

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        crc = store_crc32c_number(crc, numbers[i]);
    snprintf(sql, sizeof(sql), "INSERT INTO state VALUES (1, 6, 2, %d, 3, 4, %d, %u)", FIRST, SAVE_LAST, crc);
    assert_int_equal(store_sql_exec(db, sql), SQLITE_OK);
}

static void put_entry(sqlite3 *db, raft_index index) {
    struct raft_entry entry = entry_make(index, term_of(index), length_of(index));
    struct store_part part = {.index = index,
                              .term = term_of(index),
                              .type = index == MEMBERS ? RAFT_ENTRY_MEMBERS : RAFT_ENTRY_COMMAND,
                              .bytes = length_of(index),
                              .save = 100 + index};
    sqlite3_stmt *put;

    assert_int_equal(sqlite3_prepare_v2(db, STORE_SQL_PART_PUT, -1, &put, NULL), SQLITE_OK);
    for (; part.part < store_part_count(part.bytes); part.part++) {
        part.length = store_part_length(part.bytes, part.part);
        part.data = entry.data->bytes + (size_t)part.part * STORE_ROW_BYTES_MAX;
        assert_int_equal(store_part_put(put, &part), SQLITE_OK);
    }
    sqlite3_finalize(put);
    raft_blob_unref(entry.data);
}

static struct store_identity identity_made(void) {
    struct store_identity identity = {.node = 1, .incarnation = WORLD_INCARNATION, .cluster = "c0ffee"};

    identity.member_count = 2;
    identity.members[0] = (struct store_member){.id = 1, .address = "10.0.0.1:1"};
    identity.members[1] = (struct store_member){.id = 2, .address = "10.0.0.2:1"};
    return identity;
}

static void put_mark(const struct world *world, uint64_t save) {
    char path[2 * WORLD_PATH_MAX];
    struct store_file mark;

    world_path(world, "raft.db-acked", path);
    assert_int_equal(store_mark_open(&mark, path), SQLITE_OK);
    store_mark_write(&mark, WORLD_INCARNATION, save);
    store_file_close(&mark);
}

/* Rows up to `moved` stand in the file, the rest in its -wal. */
static void make_old(const struct world *world, int page_bytes, raft_index moved) {
    struct store_identity identity = identity_made();
    char path[2 * WORLD_PATH_MAX], sql[256];
    sqlite3 *db;

    world_empty(world);
    world_path(world, "raft.db", path);
    assert_int_equal(store_sql_open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    snprintf(sql, sizeof(sql),
             "PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = %d; PRAGMA application_id = %d; "
             "PRAGMA user_version = 2; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
             page_bytes, STORE_APPLICATION_ID);
    assert_int_equal(store_sql_exec(db, sql), SQLITE_OK);
    assert_int_equal(store_sql_exec(db, "PRAGMA wal_autocheckpoint = 0"), SQLITE_OK);
    assert_int_equal(store_sql_exec(db, old_tables), SQLITE_OK);
    assert_int_equal(store_identity_put(db, &identity, 5), SQLITE_OK);
    put_state(db);
    assert_int_equal(store_sql_exec(db, "INSERT INTO terms VALUES (30, 3), (50, 5)"), SQLITE_OK);
    for (raft_index index = FIRST - 10; index <= LAST; index++) { /* ten are left over */
        put_entry(db, index);
        if (index == moved)
            assert_int_equal(store_sql_checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE), SQLITE_OK);
    }
    if (moved == 0)
        assert_int_equal(store_sql_checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE), SQLITE_OK);
    sqlite3_close(db);
    put_mark(world, SAVE_LAST);
}

/* ---- what must come of it ----------------------------------------------------------------------------------------- */

static void must_be_there(struct world *world, raft_index last) {
    struct store_identity identity = identity_made();
    struct store_job *job = job_read(FIRST, UINT64_MAX, SIZE_MAX);

    assert_int_equal(world->boot.raft.term, 6);
    assert_int_equal(world->boot.raft.vote, 2);
    assert_int_equal(world->boot.base_index, FIRST - 1);
    assert_int_equal(world->boot.base_term, 3);
    assert_int_equal(world->boot.data, 4);
    assert_int_equal(world->boot.raft.last_index, last);
    assert_int_equal(world->boot.raft.term_count, 2 + (last > LAST));
    assert_int_equal(world->boot.raft.terms[1].first_index, TERM_CHANGES);
    assert_int_equal(world->boot.raft.change_count, 1);
    assert_int_equal(world->boot.raft.changes[0].index, MEMBERS);
    identity_must_be(&world->boot.identity, &identity);
    run_one(world, job);
    assert_false(job->failed);
    assert_int_equal(job->entries.count, last - FIRST + 1);
    for (raft_index index = FIRST; index <= LAST; index++) {
        struct raft_entry expected = entry_make(index, term_of(index), length_of(index));
        const struct raft_entry *entry = &job->entries.at[index - FIRST];

        assert_int_equal(entry->term, term_of(index));
        assert_int_equal(entry->data->length, length_of(index));
        assert_memory_equal(entry->data->bytes, expected.data->bytes, expected.data->length);
        raft_blob_unref(expected.data);
    }
    store_job_free(job);
}

static void an_older_log_goes_on_as_segments(void **state) {
    static const struct {
        int page_bytes;
        raft_index moved;
    } olds[] = {{1024, 0}, {1024, 55}, {1024, FIRST - 10}, {4096, 0}, {4096, 70}};
    struct world *world = *state;

    for (size_t i = 0; i < sizeof(olds) / sizeof(olds[0]); i++) {
        raft_index last = LAST;

        make_old(world, olds[i].page_bytes, olds[i].moved);
        world_open(world);
        assert_false(world->boot.created);
        must_be_there(world, LAST);
        world_reopen(world);
        must_be_there(world, LAST);
        struct store_job *job = job_save(0, 0);
        job_add(job, entry_make(++last, 6, 77));
        run_well(world, job);
        world_reopen(world);
        must_be_there(world, last);
        world_close(world);
    }
}

static void what_it_was_made_of_goes_when_its_entries_do(void **state) {
    struct world *world = *state;
    raft_index last = LAST;
    char path[2 * WORLD_PATH_MAX];
    struct stat status;

    make_old(world, 1024, 0);
    world_open(world);
    store_log_segments(world->log, 64 * 1024);
    world_path(world, "raft-1.db", path);
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size > 2 * STORE_ROW_BYTES_MAX);
    for (int i = 0; i < 400; i++) {
        struct store_job *job = job_save(0, 0);

        job_add(job, entry_make(++last, 6, 3000));
        run_well(world, job);
        if (i % 20 == 19)
            compact_through(world, last - 5);
    }
    assert_true(stat(path, &status) != 0 || status.st_size < 64 * 1024);
    world_reopen(world);
    assert_int_equal(world->boot.raft.last_index, last);
}

/* A small one's file is used again with the rows that are in it. */
static void what_overwrites_all_of_it_may_come_into_its_slot(void **state) {
    struct world *world = *state;
    raft_index last = 3;
    sqlite3 *db;
    char path[2 * WORLD_PATH_MAX];
    struct store_job *job;

    make_old(world, 1024, 0);
    world_path(world, "raft.db", path);
    assert_int_equal(store_sql_open(path, SQLITE_OPEN_READWRITE, &db), SQLITE_OK);
    assert_int_equal(
        store_sql_exec(db, "DELETE FROM log WHERE id >= 35 * 1024; DELETE FROM terms WHERE term = 5; VACUUM"),
        SQLITE_OK);
    sqlite3_close(db);
    world_open(world);
    store_log_segments(world->log, 16 * 1024);
    assert_int_equal(world->boot.raft.last_index, 34);
    for (raft_term term = 7; term < 200; term++) { /* each time all of the log */
        job = job_save(term, 1);
        for (last = FIRST; last < FIRST + 5; last++)
            job_add(job, entry_make(last, term, 500));
        run_well(world, job);
    }
    world_reopen(world);
    assert_int_equal(world->boot.raft.last_index, FIRST + 4);
    assert_int_equal(world->boot.raft.terms[0].term, 199);
}

/* ---- interrupted ------------------------------------------------------------------------------------------------- */

static void a_start_that_was_interrupted_is_begun_again(void **state) {
    struct world *world = *state;
    struct image old;
    struct bytes made;

    make_old(world, 1024, 55);
    old = image_read(world);
    world_open(world);
    world_close(world);
    made = bytes_read(world, "raft-1.db");

    image_write(world, &old); /* while raft-1.db was made */
    bytes_write(world, "raft-1.db.tmp", (struct bytes){made.at, made.length / 2});
    world_open(world);
    must_be_there(world, LAST);
    world_close(world);
    image_write(world, &old); /* when it was there */
    bytes_write(world, "raft-1.db", made);
    world_open(world);
    must_be_there(world, LAST);
    world_close(world);
    make_old(world, 1024, 0); /* ... and the WAL moved, and raft.db's heir half made */
    bytes_write(world, "raft-1.db", made);
    bytes_write(world, "raft.db.new", (struct bytes){made.at, 3000});
    world_open(world);
    must_be_there(world, LAST);
    world_close(world);
    free(made.at);
    image_free(&old);
}

/* Killed anywhere. */
static void a_start_that_is_killed_loses_nothing(void **state) {
    struct world *world = *state;
    uint64_t seed = 1;

    for (int round = 0; round < tries(40); round++) {
        pid_t child;

        if (round % 4 == 0)
            make_old(world, 1024, round % 8 == 0 ? 55 : 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            world_open_as(world, 1);
            _exit(0);
        }
        usleep((useconds_t)random_below(&seed, 20000));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        if (round % 4 == 3) {
            world_open(world);
            must_be_there(world, LAST);
            world_close(world);
        }
    }
}

/* ---- refused ------------------------------------------------------------------------------------------------------ */

static void must_refuse(struct world *world, raft_id node, enum store_result result, const char *words) {
    struct image image = image_read(world);

    assert_int_equal(world_open_as(world, node), result);
    if (strstr(world->why, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", world->why, words);
    image_must_stand(world, &image);
    image_free(&image);
}

static void change(const struct world *world, const char *sql) {
    char path[2 * WORLD_PATH_MAX];
    sqlite3 *db;

    world_path(world, "raft.db", path);
    assert_int_equal(store_sql_open(path, SQLITE_OPEN_READWRITE, &db), SQLITE_OK);
    assert_int_equal(store_sql_exec(db, sql), SQLITE_OK);
    sqlite3_close(db);
}

static const char *mark_path(const struct world *world) {
    static char path[2 * WORLD_PATH_MAX];

    world_path(world, "raft.db-acked", path);
    return path;
}

static void one_that_is_damaged_or_anothers_is_left_as_it_is(void **state) {
    static const struct {
        const char *sql, *words;
    } changes[] = {
        {"UPDATE log SET data = zeroblob(length(data)) WHERE id = 40960",
         "row 40960 of the log: checksum differs"},
        {"UPDATE state SET vote = 1", "term and vote: checksum differs"},
        {"UPDATE members SET address = 'x'", "the identity: checksum differs"},
        {"DELETE FROM log WHERE id = 40960", "entries are missing before it"},
        {"DROP TABLE terms", "the tables are not those of format 2"},
    };
    struct world *world = *state;
    struct bytes wal;

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        make_old(world, 1024, 0);
        change(world, changes[i].sql);
        must_refuse(world, 1, STORE_DAMAGED, changes[i].words);
    }
    make_old(world, 1024, 55);
    must_refuse(world, 2, STORE_FOREIGN, "belongs to node 1, this node is 2");
    put_mark(world, SAVE_LAST + 1);
    must_refuse(world, 1, STORE_DAMAGED, "was acknowledged");
    make_old(world, 1024, 55);
    wal = bytes_read(world, "raft.db-wal");
    wal.at[5000] ^= 1;
    bytes_write(world, "raft.db-wal", wal);
    must_refuse(world, 1, STORE_DAMAGED, "is damaged, and durable commits stand behind it");
    free(wal.at);
    make_old(world, 1024, 55); /* of a WAL that was moved, zeros mean nothing good */
    wal = bytes_read(world, "raft.db-wal");
    memset(wal.at, 0, STORE_WAL_HEADER_BYTES);
    bytes_write(world, "raft.db-wal", wal);
    free(wal.at);
    assert_int_equal(unlink(mark_path(world)), 0);
    must_refuse(world, 1, STORE_DAMAGED, "the header is damaged");
}

int main(void) {
#define UPGRADE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        UPGRADE_TEST(an_older_log_goes_on_as_segments),
        UPGRADE_TEST(what_it_was_made_of_goes_when_its_entries_do),
        UPGRADE_TEST(what_overwrites_all_of_it_may_come_into_its_slot),
        UPGRADE_TEST(a_start_that_was_interrupted_is_begun_again),
        UPGRADE_TEST(a_start_that_is_killed_loses_nothing),
        UPGRADE_TEST(one_that_is_damaged_or_anothers_is_left_as_it_is),
    };

    return cmocka_run_group_tests_name("store_upgrade", tests, NULL, NULL);
}
