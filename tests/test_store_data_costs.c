/* SPDX-License-Identifier: MIT */
/* What a checkpoint and a start cost: bytes written, and how fast a state is loaded. */
#include "data_world.h"

#include <time.h>

#include "../src/store/internal.h"

static uint64_t now_us(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* A checkpoint that is not committed yet. */
static void put_many(struct data_world *world, uint32_t pages, uint32_t length) {
    static char bytes[STORE_PAGE_FIT];

    world->checkpoint++;
    for (uint32_t at = 0; at < pages;) {
        struct store_data_job *job = job_of(world, STORE_DATA_PAGES);
        for (int i = 0; i < 256 && at < pages; i++, at++) {
            fill(bytes, 64, at);
            store_pages_add(&job->pages, 1, at, bytes, length);
        }
        data_run(world, job);
        assert_false(job->failed);
        store_data_job_free(job);
    }
}

static void commit_many(struct data_world *world) {
    struct store_data_job *job = job_of(world, STORE_DATA_COMMIT);

    job->meta = twin_meta(1);
    data_run(world, job);
    assert_false(job->failed);
    store_data_job_free(job);
}

/* A start writes again what a kill has left in the WAL, but no more than was committed, and moves it only when all is loaded. */
static void a_start_leaves_what_was_not_committed(void **state) {
    struct data_world *world = *state;
    enum { COMMITTED = 500, LENGTH = 4000, MB = 1024 * 1024 };
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        data_open(world);
        put_many(world, COMMITTED, LENGTH);
        commit_many(world);
        put_many(world, 20 * COMMITTED, LENGTH);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(data_file_size(world, "data-1.db-wal") > 20 * MB);
    disk_watch();
    data_open(world);
    assert_in_range(disk.wrote, COMMITTED * LENGTH, COMMITTED * LENGTH + MB);
    assert_int_equal(world->meta->pages, COMMITTED);
    assert_in_range(data_file_size(world, "data-1.db-wal"), COMMITTED * LENGTH, COMMITTED * LENGTH + MB);
    data_close(world);
    disk_watch_no_more();
}

static void run_without_housekeeping(struct data_world *world, struct store_data_job *job) {
    job->job.next = NULL;
    store_data_run(world->data, &job->job);
    assert_false(job->failed);
}

/* Bytes of all pages. */
static uint64_t load_all(struct data_world *world) {
    uint64_t bytes = 0;
    bool more = true;

    for (bool rewind = true; more; rewind = false) {
        struct store_data_job *job = store_data_job_new(STORE_DATA_LOAD);

        job->rewind = rewind;
        job->bytes_max = 256 * 1024;
        run_without_housekeeping(world, job);
        bytes += job->pages.bytes.length;
        more = job->more;
        store_data_job_free(job);
    }
    return bytes;
}

/* What is in the WAL is read six times, a stretch at a time: for its checksums, by SQLite for the last commit, twice for the tree, to
 * be written again, and to be loaded; not once more by SQLite, for another connection. */
static void a_start_reads_a_wal_with_few_calls(void **state) {
    struct data_world *world = *state;
    enum { PAGES = 8000, STRETCH = 64 * 1024 };
    pid_t child = fork();
    long before, stretches;

    assert_true(child >= 0);
    if (child == 0) {
        struct store_data_job *job;

        data_open(world);
        put_many(world, PAGES, 4000);
        job = job_of(world, STORE_DATA_COMMIT);
        job->meta = twin_meta(1);
        run_without_housekeeping(world, job);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    stretches = data_file_size(world, "data-1.db-wal") / STRETCH;
    assert_true(stretches > PAGES * 4000 / STRETCH);
    before = read_calls();
    data_open(world);
    assert_int_equal(load_all(world), 4000ull * PAGES);
    assert_in_range(read_calls() - before, 5 * stretches, 6 * stretches + stretches / 2);
}

/* 1,000,000 keys of 100 bytes are 30,000 pages. DATA_PAGES in the environment makes it more. */
static void the_bytes_written_follow_the_change_and_a_load_is_fast(void **state) {
    struct data_world *world = *state;
    uint32_t pages = getenv("DATA_PAGES") != NULL ? (uint32_t)atol(getenv("DATA_PAGES")) : 30000;
    uint64_t seed = 1, started, bytes;
    static char page[4000];
    long before;

    disk_watch();
    data_open(world);
    started = now_us();
    put_many(world, pages, 4000);
    commit_many(world);
    assert_int_equal(data_file_size(world, "data-1.db-wal"), 0); /* moved, and cut off */
    print_message("%u pages written in %.2f s, %.2f bytes for each\n", pages,
                  (double)(now_us() - started) / 1e6, (double)disk.wrote / (4000.0 * pages));
    before = disk.wrote;
    for (int round = 0; round < 50; round++) {
        struct store_data_job *job;

        world->checkpoint++;
        job = job_of(world, STORE_DATA_PAGES);
        for (int i = 0; i < 200; i++)
            store_pages_add(&job->pages, 1, (uint32_t)random_below(&seed, pages), page, sizeof(page));
        data_run(world, job);
        store_data_job_free(job);
        job = job_of(world, STORE_DATA_COMMIT);
        job->meta = twin_meta(2);
        data_run(world, job);
        assert_false(job->failed);
        store_data_job_free(job);
        assert_true(data_file_size(world, "data-1.db-wal") < 6 * 1024 * 1024);
    }
    print_message("50 checkpoints of 200 pages: %.2f bytes written for each byte changed\n",
                  (double)(disk.wrote - before) / (50.0 * 200 * 4000));
    assert_true(disk.wrote - before < 3.0 * 50 * 200 * 4000);
    data_close(world);
    disk_watch_no_more();
    started = now_us();
    data_open(world);
    print_message("opened in %.2f s\n", (double)(now_us() - started) / 1e6);
    started = now_us();
    bytes = load_all(world);
    print_message("loaded at %.0f MB/s\n", (double)bytes / (double)(now_us() - started));
    assert_int_equal(bytes, 4000ull * pages);
}

int main(void) {
#define DATA_TEST(name) cmocka_unit_test_setup_teardown(name, data_setup, data_teardown)
    const struct CMUnitTest tests[] = {
        DATA_TEST(a_start_leaves_what_was_not_committed),
        DATA_TEST(a_start_reads_a_wal_with_few_calls),
        DATA_TEST(the_bytes_written_follow_the_change_and_a_load_is_fast),
    };

    return cmocka_run_group_tests_name("store_data_costs", tests, NULL, NULL);
}
