/* SPDX-License-Identifier: MIT */
/*
 * SQLite above the layer that gathers: what a connection has committed is what another one, without the layer, reads in the files; which
 * calls come below it, and what becomes of a commit when one of them fails.
 */
#define _GNU_SOURCE
#include "straight_world.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../src/store/internal.h"

/* ---- what is below --------------------------------------------------------------------------------------------- */

enum { BLOCK = STORE_STRAIGHT_BYTES, ROWS = 400, ROW_MAX = 40000, WAL_BYTES = 8 * 1024 * 1024 };

/* Stands between the layer and the WAL. */
static struct {
    sqlite3_io_methods methods; /* first */
    const sqlite3_io_methods *own;
    long reads, writes, syncs, straight, parts;
    long backwards, crossing;   /* writes before the end of the one before; over a block's end */
    int64_t end;                /* of the last write */
    long fail_write, fail_sync; /* this one, and those after it; 0: none */
    int straight_error;         /* of the way past the cache; 0: none */
    long fail_part;             /* this part, and those after it; 0: none */
    bool no_straight;           /* it is refused */
} below;

ssize_t pwritev2(int fd, const struct iovec *pieces, int count, off_t at, int flags) {
    assert_true(flags == 0 || flags == RWF_DSYNC);
    if (below.no_straight || below.straight_error != 0) {
        errno = below.no_straight ? EINVAL : below.straight_error;
        return -1;
    }
    (*(flags == 0 ? &below.parts : &below.straight))++;
    if (below.fail_part != 0 && below.parts >= below.fail_part) {
        errno = EIO;
        return -1;
    }
    assert_int_equal(at % BLOCK, 0);
    assert_int_equal(pieces[0].iov_len % BLOCK, 0);
    return syscall(SYS_pwritev2, fd, pieces, count, at, 0L, flags);
}

static int below_read(sqlite3_file *file, void *bytes, int length, sqlite3_int64 at) {
    below.reads++;
    return below.own->xRead(file, bytes, length, at);
}

static int below_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at) {
    below.writes++;
    if (below.fail_write != 0 && below.writes >= below.fail_write)
        return SQLITE_IOERR_WRITE;
    below.backwards += at < below.end;
    below.crossing += at / BLOCK != (at + length - 1) / BLOCK;
    below.end = at + length;
    return below.own->xWrite(file, bytes, length, at);
}

static int below_sync(sqlite3_file *file, int flags) {
    below.syncs++;
    if (below.fail_sync != 0 && below.syncs >= below.fail_sync)
        return SQLITE_IOERR_FSYNC;
    return below.own->xSync(file, flags);
}

/* ---- a database, and what must be in it -------------------------------------------------------------------------- */

struct base {
    struct world world;
    sqlite3 *db;
    struct store_gather *gather;
    sqlite3_file *wal;
    int64_t held_max;
    uint64_t seeds[ROWS]; /* of the bytes of each row; 0: it is not there */
    size_t lengths[ROWS];
};

static int base_setup(void **state) {
    struct base *base = calloc(1, sizeof(*base));

    assert_non_null(base);
    world_make(&base->world);
    base->held_max = STORE_GATHER_MAX;
    memset(&below, 0, sizeof(below));
    *state = base;
    return 0;
}

static void base_close(struct base *base) {
    sqlite3_close(base->db);
    store_gather_close(base->gather);
    base->db = NULL;
    base->gather = NULL;
}

static int base_teardown(void **state) {
    struct base *base = *state;

    base_close(base);
    world_remove(&base->world);
    free(base);
    return 0;
}

/* As a segment is opened; a cache that is full soon. */
static void base_open(struct base *base) {
    char path[2 * WORLD_PATH_MAX], wal[2 * WORLD_PATH_MAX];
    int64_t count;

    world_path(&base->world, "base", path);
    world_path(&base->world, "base-wal", wal);
    assert_int_equal(store_sql_open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &base->db), SQLITE_OK);
    sqlite3_db_config(base->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    assert_int_equal(
        store_sql_exec(base->db,
                       "PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = 1024; PRAGMA journal_mode = WAL; "
                       "PRAGMA synchronous = FULL; PRAGMA cache_size = -64; PRAGMA wal_autocheckpoint = 0; "
                       "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, data BLOB)"),
        SQLITE_OK);
    assert_int_equal(store_sql_number(base->db, "SELECT count(*) FROM t", &count), SQLITE_OK);
    sqlite3_file_control(base->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &base->wal);
    below.own = base->wal->pMethods;
    below.methods = *below.own;
    below.methods.xRead = below_read;
    below.methods.xWrite = below_write;
    below.methods.xSync = below_sync;
    base->wal->pMethods = &below.methods;
    assert_int_equal(store_gather_open(base->db, wal, base->held_max, &base->gather), SQLITE_OK);
}

/* The WAL's blocks are there and written, and what it holds is in front of them. */
static void base_lengthen(const struct base *base) {
    struct bytes wal = bytes_read(&base->world, "base-wal");

    wal.at = realloc(wal.at, wal.length + WAL_BYTES);
    assert_non_null(wal.at);
    memset(wal.at + wal.length, 0, WAL_BYTES);
    wal.length += WAL_BYTES;
    bytes_write(&base->world, "base-wal", wal);
    free(wal.at);
}

static void base_put(struct base *base, size_t row, uint64_t seed, size_t length) {
    static char bytes[ROW_MAX];
    sqlite3_stmt *put;

    fill(bytes, length, seed);
    base->seeds[row] = seed;
    base->lengths[row] = length;
    assert_int_equal(sqlite3_prepare_v2(base->db, "REPLACE INTO t VALUES (?, ?)", -1, &put, NULL), SQLITE_OK);
    sqlite3_bind_int64(put, 1, (int64_t)row);
    sqlite3_bind_blob(put, 2, bytes, (int)length, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(put), SQLITE_DONE);
    sqlite3_finalize(put);
}

static void rows_must_be(sqlite3 *db, const struct base *base) {
    static char bytes[ROW_MAX];
    sqlite3_stmt *get;
    size_t row = 0;

    assert_int_equal(sqlite3_prepare_v2(db, "SELECT id, data FROM t ORDER BY id", -1, &get, NULL), SQLITE_OK);
    while (sqlite3_step(get) == SQLITE_ROW) {
        while (row < ROWS && base->seeds[row] == 0)
            row++;
        assert_true(row < ROWS);
        assert_int_equal(sqlite3_column_int64(get, 0), row);
        assert_int_equal(sqlite3_column_bytes(get, 1), base->lengths[row]);
        fill(bytes, base->lengths[row], base->seeds[row]);
        if (base->lengths[row] > 0)
            assert_memory_equal(sqlite3_column_blob(get, 1), bytes, base->lengths[row]);
        row++;
    }
    while (row < ROWS && base->seeds[row] == 0)
        row++;
    assert_int_equal(row, ROWS);
    sqlite3_finalize(get);
}

/* Of a copy of the files, by a connection that has no layer. */
static void files_must_hold(const struct base *base, const struct base *expected) {
    static const char *const names[] = {"base", "base-wal"};
    struct world copy;
    char path[2 * WORLD_PATH_MAX];
    sqlite3 *db = NULL;
    int64_t sound = 0;

    world_make_in_memory(&copy);
    for (size_t i = 0; i < 2; i++) {
        struct bytes bytes = bytes_read(&base->world, names[i]);

        bytes_write(&copy, names[i], bytes);
        free(bytes.at);
    }
    world_path(&copy, "base", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    rows_must_be(db, expected);
    assert_int_equal(
        store_sql_number(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'",
                         &sound),
        SQLITE_OK);
    assert_int_equal(sound, 1);
    sqlite3_close(db);
    world_remove(&copy);
}

/* Rows that are new, longer, shorter, gone; the same ones more than once. */
static void base_change(struct base *base, uint64_t *seed, size_t count) {
    char sql[64];

    for (size_t i = 0; i < count; i++) {
        size_t row = random_below(seed, ROWS);

        if (random_below(seed, 6) != 0) {
            base_put(base, row, random_next(seed) | 1,
                     random_below(seed, random_below(seed, 10) == 0 ? ROW_MAX : 2000));
            continue;
        }
        snprintf(sql, sizeof(sql), "DELETE FROM t WHERE id = %zu", row);
        assert_int_equal(store_sql_exec(base->db, sql), SQLITE_OK);
        base->seeds[row] = 0;
    }
}

static void base_commit(struct base *base, uint64_t *seed, size_t count) {
    assert_int_equal(store_sql_exec(base->db, "BEGIN"), SQLITE_OK);
    base_put(base, 0, random_next(seed) | 1, 1 + random_below(seed, 100)); /* something, in any case */
    base_change(base, seed, count);
    assert_int_equal(store_sql_exec(base->db, "COMMIT"), SQLITE_OK);
}

/* ---- the tests ----------------------------------------------------------------------------------------------------- */

/* The WAL begins anew: its size stays. */
static void begin_again(struct base *base) {
    base_close(base);
    base_open(base);
    assert_int_equal(sqlite3_wal_checkpoint_v2(base->db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL),
                     SQLITE_OK);
}

static void what_is_committed_is_what_others_read(void **state) {
    struct base *base = *state;

    for (uint64_t round = 1; round <= (uint64_t)tries(4); round++) {
        uint64_t seed = round;

        below.no_straight = round % 2 == 0;
        base->held_max = round % 4 < 2 ? STORE_GATHER_MAX : STORE_GATHER_MIN;
        base_open(base);
        for (int i = 0; i < 60; i++) {
            base_commit(base, &seed, i % 15 == 14 ? 600 : 1 + random_below(&seed, 20));
            if (i % 4 == 0 || i % 15 == 14)
                files_must_hold(base, base);
            if (i % 10 == 9) { /* its end is anywhere in a block */
                base_close(base);
                if (i == 19)
                    base_lengthen(base);
                base_open(base);
                rows_must_be(base->db, base);
            }
            if (i == 39)
                begin_again(base);
        }
        files_must_hold(base, base);
        base_close(base);
    }
    assert_true(below.backwards > 0 && (below.straight > 0) == disk_can(&base->world));
}

/* Larger than SQLite's cache and than what is held; pages that left the cache are written again, and all frames from there on summed up anew. */
static void a_transaction_that_writes_its_pages_twice_is_whole(void **state) {
    struct base *base = *state;
    uint64_t seed = 3;

    for (int straight = 0; straight < 2; straight++) {
        base_open(base);
        for (int again = 0; again < 3; again++) {
            long backwards = below.backwards;

            assert_int_equal(store_sql_exec(base->db, "BEGIN"), SQLITE_OK);
            for (int i = 0; i < 2; i++)
                for (size_t row = 0; row < 100; row++)
                    base_put(base, row, random_next(&seed) | 1, 25000 + (size_t)again);
            assert_int_equal(store_sql_exec(base->db, "COMMIT"), SQLITE_OK);
            assert_true(below.backwards > backwards);
            files_must_hold(base, base);
            base_commit(base, &seed, 1); /* goes on behind it */
            files_must_hold(base, base);
        }
        base_close(base);
        base_lengthen(base);
    }
}

static void what_is_written_for_the_first_time_goes_block_by_block(void **state) {
    struct base *base = *state;
    uint64_t seed = 5;

    base_open(base);
    for (int i = 0; i < 40; i++)
        base_commit(base, &seed, 3);
    assert_true(below.writes > 100);
    assert_int_equal(below.crossing, 0);
    assert_int_equal(below.straight, 0);
    files_must_hold(base, base);
}

static void over_written_blocks_a_commit_is_one_write_past_the_cache(void **state) {
    struct base *base = *state;
    uint64_t seed = 6;

    base_open(base);
    base_commit(base, &seed, 1);
    base_close(base);
    base_lengthen(base);
    base_open(base);
    base_commit(base, &seed, 1);
    if (!disk_can(&base->world)) {
        print_message("this file system takes no O_DIRECT\n");
        skip();
    }
    for (int i = 0; i < 40; i++) {
        long writes = below.writes, syncs = below.syncs, straight = below.straight;

        base_put(base, (size_t)i, (uint64_t)i + 1, 50 * (size_t)i);
        assert_int_equal(below.straight, straight + 1);
        assert_int_equal(below.writes, writes);
        assert_int_equal(below.syncs, syncs);
        files_must_hold(base, base);
    }
}

/* With a cache as large as a segment's may become. */
static void open_for_parts(struct base *base) {
    uint64_t seed = 12;

    base->held_max = STORE_GATHER_MIN;
    base_open(base);
    base_commit(base, &seed, 1);
    base_close(base);
    base_lengthen(base);
    base_open(base);
    assert_int_equal(store_sql_exec(base->db, "PRAGMA cache_spill = 10000"), SQLITE_OK);
    base_commit(base, &seed, 1); /* the first one syncs in any case */
    if (!disk_can(&base->world)) {
        print_message("this file system takes no O_DIRECT\n");
        skip();
    }
}

static void put_many(struct base *base, uint64_t *seed) {
    assert_int_equal(store_sql_exec(base->db, "BEGIN"), SQLITE_OK);
    for (size_t row = 0; row < 30; row++)
        base_put(base, row, random_next(seed) | 1, 20000 + random_below(seed, 5000));
}

static void a_commit_larger_than_what_is_held_goes_past_the_cache_in_parts_and_is_synced(void **state) {
    struct base *base = *state;
    uint64_t seed = 13;

    open_for_parts(base);
    for (int i = 0; i < 8; i++) {
        long writes = below.writes, syncs = below.syncs, straight = below.straight, parts = below.parts;
        long backwards = below.backwards;

        put_many(base, &seed);
        assert_int_equal(below.parts, parts); /* nothing before the commit */
        assert_int_equal(store_sql_exec(base->db, "COMMIT"), SQLITE_OK);
        assert_true(below.parts - parts > 30 * 20000 / STORE_GATHER_MIN);
        assert_int_equal(below.syncs, syncs + 1);
        assert_int_equal(below.straight, straight);
        assert_int_equal(below.writes, writes);
        assert_int_equal(below.backwards, backwards);
        files_must_hold(base, base);
        base_put(base, 31, random_next(&seed) | 1, 500); /* goes on behind it, durable by itself again */
        assert_int_equal(below.straight, straight + 1);
        assert_int_equal(below.syncs, syncs + 1);
        files_must_hold(base, base);
    }
}

static void a_part_that_fails_fails_the_commit(void **state) {
    struct base *base = *state;
    uint64_t seed = 14;

    open_for_parts(base);
    for (long at = 1; at <= 20; at++) {
        struct base *before = malloc(sizeof(*before));
        bool sync = at % 4 == 0; /* that fails: all of it is written, and there is no power cut */

        assert_non_null(before);
        *before = *base;
        put_many(base, &seed);
        *(sync ? &below.fail_sync : &below.fail_part) = sync ? below.syncs + 1 : below.parts + at;
        assert_int_not_equal(store_sql_exec(base->db, "COMMIT"), SQLITE_OK);
        below.fail_part = below.fail_sync = 0;
        if (!sync) {
            files_must_hold(base, before);
            memcpy(base->seeds, before->seeds, sizeof(base->seeds));
            memcpy(base->lengths, before->lengths, sizeof(base->lengths));
        }
        free(before);
        base_close(base);
        base_open(base);
        rows_must_be(base->db, base);
        assert_int_equal(store_sql_exec(base->db, "PRAGMA cache_spill = 10000"), SQLITE_OK);
        base_commit(base, &seed, 3);
        files_must_hold(base, base);
    }
}

static void a_sync_with_nothing_to_make_durable_is_none(void **state) {
    struct base *base = *state;
    uint64_t seed = 7;
    long syncs;

    base_open(base);
    base_commit(base, &seed, 1);
    syncs = below.syncs;
    for (int i = 0; i < 3; i++)
        assert_int_equal(base->wal->pMethods->xSync(base->wal, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_int_equal(below.syncs, syncs);
    base_commit(base, &seed, 1);
    assert_true(below.syncs > syncs);
    base_close(base);
    base_open(base); /* whether what is there is durable is not known */
    syncs = below.syncs;
    assert_int_equal(base->wal->pMethods->xSync(base->wal, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_int_equal(below.syncs, syncs + 1);
}

/* The commit says so, and the files hold what they did. */
static void must_fail(struct base *base, uint64_t *seed, size_t count) {
    struct base *before = malloc(sizeof(*before));
    int result = SQLITE_OK;

    assert_non_null(before);
    *before = *base;
    assert_int_equal(store_sql_exec(base->db, "BEGIN"), SQLITE_OK);
    for (size_t i = 0; i < count && result == SQLITE_OK; i++) {
        char sql[128];

        snprintf(sql, sizeof(sql), "REPLACE INTO t VALUES (%d, randomblob(%d))",
                 (int)random_below(seed, ROWS), (int)random_below(seed, ROW_MAX));
        result = store_sql_exec(base->db, sql);
    }
    if (result == SQLITE_OK)
        result = store_sql_exec(base->db, "COMMIT");
    assert_int_not_equal(result, SQLITE_OK);
    files_must_hold(base, before);
    below.fail_write = below.fail_sync = 0;
    below.straight_error = 0;
    base_close(base);
    base_open(base);
    rows_must_be(base->db, before);
    free(before);
}

static void a_write_that_fails_fails_the_commit(void **state) {
    struct base *base = *state;
    uint64_t seed = 8;

    base_open(base);
    for (long at = 1; at <= 30; at++) {
        base_commit(base, &seed, 3);
        below.fail_write = below.writes + at;
        must_fail(base, &seed, at == 30 ? 300 : 10);
    }
    base_close(base);
    base_lengthen(base);
    base_open(base);
    base_commit(base, &seed, 3);
    if (!disk_can(&base->world))
        skip();
    for (int i = 0; i < 2; i++) {
        below.straight_error = i == 0 ? EIO : ENOSPC;
        must_fail(base, &seed, 2);
        base_commit(base, &seed, 3);
        files_must_hold(base, base);
    }
}

/* What was written may be there, but the commit says that it is not known to be. */
static void a_sync_that_fails_fails_the_commit(void **state) {
    struct base *base = *state;
    uint64_t seed = 9;

    base_open(base);
    base_commit(base, &seed, 3);
    below.fail_sync = below.syncs + 1;
    assert_int_not_equal(store_sql_exec(base->db, "INSERT INTO t VALUES (1000, 'a')"), SQLITE_OK);
    assert_int_equal(below.syncs, below.fail_sync);
}

static void what_was_sealed_is_read(void **state) {
    struct base *base = *state;
    uint64_t seed = 10;
    long reads;

    base_open(base);
    for (int i = 0; i < 30; i++)
        base_commit(base, &seed, 20);
    store_gather_seal(base->gather);
    sqlite3_db_release_memory(base->db);
    reads = below.reads;
    rows_must_be(base->db, base);
    assert_true(below.reads > reads);
    files_must_hold(base, base);
}

int main(void) {
#define BASE_TEST(name) cmocka_unit_test_setup_teardown(name, base_setup, base_teardown)
    const struct CMUnitTest tests[] = {
        BASE_TEST(what_is_committed_is_what_others_read),
        BASE_TEST(a_transaction_that_writes_its_pages_twice_is_whole),
        BASE_TEST(what_is_written_for_the_first_time_goes_block_by_block),
        BASE_TEST(over_written_blocks_a_commit_is_one_write_past_the_cache),
        BASE_TEST(a_commit_larger_than_what_is_held_goes_past_the_cache_in_parts_and_is_synced),
        BASE_TEST(a_part_that_fails_fails_the_commit),
        BASE_TEST(a_sync_with_nothing_to_make_durable_is_none),
        BASE_TEST(a_write_that_fails_fails_the_commit),
        BASE_TEST(a_sync_that_fails_fails_the_commit),
        BASE_TEST(what_was_sealed_is_read),
    };

    return cmocka_run_group_tests_name("store_gather_sqlite", tests, NULL, NULL);
}
