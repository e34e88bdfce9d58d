/* SPDX-License-Identifier: MIT */
/* What stands below a segment's connection: few calls, the same bytes; and files with pages of another size. */
#include "data_world.h"

#include <sqlite3.h>

#include "../src/store/internal.h"

static int setup(void **state) {
    struct world *world = malloc(sizeof(*world));

    assert_non_null(world);
    world_make_in_memory(world);
    *state = world;
    return 0;
}

/* The frames of the WAL, and the number in the mark: whatever a commit's size, where a segment is used again. */
static void a_commit_is_two_writes_and_one_sync(void **state) {
    static const size_t lengths[] = {10, 1000, 4000, 20000};
    struct world *world = *state;
    raft_index first, last;

    disk_watch();
    world_open(world);
    last = log_go_round(world, &disk.syncs, &first);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct store_job *job = job_save(0, 0);

        job_add(job, entry_make(++last, 1, lengths[i]));
        disk_set(DISK_FINE, 0, false);
        disk.syncs = 0;
        store_log_run(world->log, &job->job);
        assert_false(job->failed);
        assert_int_equal(disk.syncs, 1);
        assert_int_equal(disk.count, 3);
        store_job_free(job);
    }
    world_close(world);
    disk_watch_no_more();
}

/* After a failed sync the system may show what the disk does not have. And behind the last commit nothing stays that a crash has left. */
static void an_opening_makes_durable_what_it_shows_and_cuts_off_the_rest(void **state) {
    struct world *world = *state;
    struct bytes wal, now;
    raft_index last = 0;
    size_t length;

    disk_watch();
    world_open(world);
    run_well(world, job_save(1, 1));
    for (int i = 0; i < 100; i++)
        save_bytes(world, &last, 3000);
    world_close(world);
    wal = bytes_read(world, "raft.db-wal");
    length = wal.length;
    wal.at = realloc(wal.at, length + 10000);
    assert_non_null(wal.at);
    memset(wal.at + length, 0x5a, 10000);
    wal.length += 10000;
    bytes_write(world, "raft.db-wal", wal);
    disk_set(DISK_FINE, 0, false);
    disk.wrote = disk.syncs = 0;
    world_open(world);
    assert_true(disk.wrote >= (long)length);
    assert_int_equal(disk.syncs, 1);
    assert_int_equal(world->boot.raft.last_index, last);
    now = bytes_read(world, "raft.db-wal");
    assert_int_equal(now.length, length);
    assert_memory_equal(now.at, wal.at, length);
    free(now.at);
    free(wal.at);
    world_close(world);
    disk_watch_no_more();
}

/* More than is held of the WAL, in one transaction that SQLite's cache cannot hold either. */
static void an_entry_larger_than_what_is_held_comes_back(void **state) {
    struct world *world = *state;
    raft_index last = 0;

    world_open(world);
    run_well(world, job_save(1, 1));
    for (int round = 0; round < 3; round++) {
        save_bytes(world, &last, 20 * 1024 * 1024 + (size_t)round);
        save_bytes(world, &last, 3000000);
        for (int i = 0; i < 300; i++)
            save_bytes(world, &last, 5000);
    }
    for (int again = 0; again < 2; again++) {
        for (raft_index index = 1; index <= last; index++) {
            struct store_job *job = job_read(index, index, SIZE_MAX);
            struct raft_entry expected;

            run_one(world, job);
            assert_false(job->failed);
            assert_int_equal(job->entries.count, 1);
            expected = entry_make(index, 1, job->entries.at[0].data->length);
            assert_memory_equal(job->entries.at[0].data->bytes, expected.data->bytes, expected.data->length);
            raft_blob_unref(expected.data);
            store_job_free(job);
        }
        world_reopen(world);
        assert_int_equal(world->boot.raft.last_index, last);
    }
}

/* ---- the layer itself, beside a stupid twin ------------------------------------------------------------------ */

enum { TWIN_FILE_MAX = 5 * 1024 * 1024, TWIN_STEPS = 4000, WROTE_MAX = 3000 };

struct file_twin {
    sqlite3_file *file;
    const char *name;
    char *bytes;
    int64_t size;
    int64_t next;     /* behind the last write */
    int unit;         /* offsets and lengths are multiples of it */
    bool long_by_now; /* its beginning is held, and more is behind */
};

static int64_t near_the_end_of_what_is_held(const struct file_twin *f, uint64_t *seed) {
    return (2 * 1024 * 1024 - 8000 + (int64_t)random_below(seed, 9000)) / f->unit * f->unit;
}

static void write_some(struct file_twin *f, uint64_t *seed) {
    char bytes[WROTE_MAX];
    int length = f->unit * (1 + (int)random_below(seed, (uint64_t)(WROTE_MAX / f->unit)));
    int64_t at = f->next;

    if (random_below(seed, 10) == 0)
        at = (int64_t)random_below(seed, (uint64_t)f->size + 1) / f->unit * f->unit;
    if (random_below(seed, 50) == 0)
        at = 0; /* another round */
    if (f->long_by_now && random_below(seed, 100) == 0)
        at = (f->size + (int64_t)random_below(seed, 20000)) / f->unit * f->unit; /* behind the end */
    if (f->long_by_now && random_below(seed, 5) == 0)
        at = near_the_end_of_what_is_held(f, seed);
    if (at + length > TWIN_FILE_MAX)
        at = 0;
    fill(bytes, (size_t)length, random_next(seed));
    assert_int_equal(f->file->pMethods->xWrite(f->file, bytes, length, at), SQLITE_OK);
    memcpy(f->bytes + at, bytes, (size_t)length);
    f->next = at + length;
    if (f->next > f->size)
        f->size = f->next;
}

static void read_some(struct file_twin *f, uint64_t *seed) {
    char bytes[WROTE_MAX];
    int length = f->unit * (1 + (int)random_below(seed, (uint64_t)(WROTE_MAX / f->unit)));
    int64_t at = (int64_t)random_below(seed, (uint64_t)f->size) / f->unit * f->unit;

    if (random_below(seed, 5) == 0)
        at = near_the_end_of_what_is_held(f, seed);
    if (at + length > f->size)
        return;
    assert_int_equal(f->file->pMethods->xRead(f->file, bytes, length, at), SQLITE_OK);
    assert_memory_equal(bytes, f->bytes + at, length);
}

static void sync_and_look(const struct world *world, struct file_twin *f) {
    struct bytes found;
    sqlite3_int64 size = -1;

    assert_int_equal(f->file->pMethods->xSync(f->file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_int_equal(f->file->pMethods->xFileSize(f->file, &size), SQLITE_OK);
    assert_int_equal(size, f->size);
    found = bytes_read(world, f->name);
    assert_int_equal(found.length, f->size);
    assert_true(memcmp(found.at, f->bytes, found.length) == 0);
    free(found.at);
}

static void cut_some(struct file_twin *f, uint64_t *seed) {
    int64_t size = (int64_t)random_below(seed, (uint64_t)f->size + 1) / f->unit * f->unit;

    assert_int_equal(f->file->pMethods->xTruncate(f->file, size), SQLITE_OK);
    memset(f->bytes + size, 0, (size_t)(f->size - size));
    f->size = size;
}

static void live_with_twin(const struct world *world, struct file_twin *f, uint64_t seed) {
    f->bytes = calloc(1, TWIN_FILE_MAX);
    assert_non_null(f->bytes);
    assert_int_equal(f->file->pMethods->xTruncate(f->file, 0), SQLITE_OK);
    f->long_by_now = false;
    for (int step = 0; step < TWIN_STEPS; step++) {
        for (; step == TWIN_STEPS / 2 && f->size < 4 * 1024 * 1024 + 5000; f->next = f->size)
            write_some(f, &seed);
        f->long_by_now = step >= TWIN_STEPS / 2;
        uint64_t chance = random_below(&seed, 1000);

        if (chance < 600 || f->size == 0)
            write_some(f, &seed);
        else if (chance < 900)
            read_some(f, &seed);
        else if (chance < 999)
            sync_and_look(world, f);
        else
            cut_some(f, &seed);
    }
    sync_and_look(world, f);
    free(f->bytes);
}

static void what_is_written_is_read_and_in_the_file_after_a_sync(void **state) {
    struct world *world = *state;
    struct file_twin wal = {.name = "twin-wal", .unit = 1};
    struct store_gather *gather = NULL;
    char path[2 * WORLD_PATH_MAX], wal_path[2 * WORLD_PATH_MAX];
    sqlite3 *db = NULL;

    world_path(world, "twin", path);
    world_path(world, "twin-wal", wal_path);
    assert_int_equal(store_sql_open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db), SQLITE_OK);
    assert_int_equal(
        store_sql_exec(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; CREATE TABLE t (a)"),
        SQLITE_OK);
    assert_int_equal(store_gather_open(db, wal_path, STORE_GATHER_MAX, &gather), SQLITE_OK);
    sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal.file);
    for (uint64_t seed = 1; seed <= 8; seed++) {
        live_with_twin(world, &wal, seed);
        wal.size = wal.next = 0;
    }
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(db);
    store_gather_close(gather);
}

/* ---- pages of another size ----------------------------------------------------------------------------------- */

static void turn_into_pages_of(const struct world *world, int bytes) {
    char path[2 * WORLD_PATH_MAX], sql[128];
    sqlite3 *db = NULL;
    int64_t now = 0;

    world_path(world, "raft.db", path);
    snprintf(sql, sizeof(sql),
             "PRAGMA journal_mode = DELETE; PRAGMA page_size = %d; VACUUM; PRAGMA journal_mode = WAL", bytes);
    assert_int_equal(store_sql_open(path, SQLITE_OPEN_READWRITE, &db), SQLITE_OK);
    assert_int_equal(store_sql_exec(db, sql), SQLITE_OK);
    assert_int_equal(store_sql_number(db, "PRAGMA page_size", &now), SQLITE_OK);
    assert_int_equal(now, bytes);
    sqlite3_close(db);
}

static void a_log_with_the_larger_pages_of_an_older_one_goes_on(void **state) {
    struct world *world = *state;
    struct twin *twin = twin_new();
    uint64_t seed = 7;

    world_open(world);
    history_live(world, twin, seed, 60);
    world_close(world);
    turn_into_pages_of(world, STORE_PAGE_BYTES);
    world_open(world);
    world_must_be(world, twin);
    for (int i = 0; i < 60; i++)
        history_step(world, twin, &seed);
    world_reopen(world);
    world_must_be(world, twin);
    free(twin);
}

static void pages_that_never_were_are_refused(void **state) {
    struct world *world = *state;

    world_open(world);
    world_close(world);
    turn_into_pages_of(world, 2048);
    assert_int_equal(world_open_as(world, 1), STORE_DAMAGED);
    assert_non_null(strstr(world->why, "pages of 2048 bytes"));
}

int main(void) {
#define GATHER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)
    const struct CMUnitTest tests[] = {
        GATHER_TEST(a_commit_is_two_writes_and_one_sync),
        GATHER_TEST(an_opening_makes_durable_what_it_shows_and_cuts_off_the_rest),
        GATHER_TEST(what_is_written_is_read_and_in_the_file_after_a_sync),
        GATHER_TEST(an_entry_larger_than_what_is_held_comes_back),
        GATHER_TEST(a_log_with_the_larger_pages_of_an_older_one_goes_on),
        GATHER_TEST(pages_that_never_were_are_refused),
    };

    return cmocka_run_group_tests_name("store_gather", tests, NULL, NULL);
}
