/* SPDX-License-Identifier: MIT */
/* What stands below raft.db's connection: few calls, the same bytes; and files with pages of another size. */
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

static int teardown(void **state) {
    struct world *world = *state;

    store_log_close(world->log);
    world_remove(world);
    free(world);
    return 0;
}

static void save(struct world *world, raft_index *last, size_t length) {
    struct store_job *job = job_save(0, 0);

    job_add(job, entry_make(++*last, 1, length));
    run_well(world, job);
}

/* The frames of the WAL, and the number in the mark: whatever a commit's size, once the WAL has been round. */
static void a_commit_is_two_writes_and_one_sync(void **state) {
    static const size_t lengths[] = {10, 1000, 4000, 20000};
    struct world *world = *state;
    raft_index last = 0;

    disk_watch();
    world_open(world);
    run_well(world, job_save(1, 1));
    while (last < 100)
        save(world, &last, 10000);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct store_job *job = job_save(0, 0);

        save(world, &last, 1); /* the one that begins the WAL, perhaps */
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

/* More than is held of the WAL, in one transaction that SQLite's cache cannot hold either. */
static void an_entry_larger_than_what_is_held_comes_back(void **state) {
    struct world *world = *state;
    raft_index last = 0;

    world_open(world);
    run_well(world, job_save(1, 1));
    for (int round = 0; round < 3; round++) {
        save(world, &last, 20 * 1024 * 1024 + (size_t)round);
        save(world, &last, 3000000);
        for (int i = 0; i < 300; i++)
            save(world, &last, 5000);
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
    struct twin *twin = malloc(sizeof(*twin));
    uint64_t seed = 7;

    assert_non_null(twin);
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
#define GATHER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        GATHER_TEST(a_commit_is_two_writes_and_one_sync),
        GATHER_TEST(an_entry_larger_than_what_is_held_comes_back),
        GATHER_TEST(a_log_with_the_larger_pages_of_an_older_one_goes_on),
        GATHER_TEST(pages_that_never_were_are_refused),
    };

    return cmocka_run_group_tests_name("store_gather", tests, NULL, NULL);
}
