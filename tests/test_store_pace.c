/* SPDX-License-Identifier: MIT */
/* A checkpoint's way to the disk, and a backup's: in small pieces, and no faster than it is told. */
#include "data_world.h"

#include <pthread.h>
#include <time.h>

#include "../src/store/internal.h"

enum {
    PAGES = 2000,
    PAGE_BYTES = DATA_PAGE_BYTES,
    PIECE_MAX = 1024 * 1024, /* half of it, and what SQLite writes at once */
};

static uint64_t now_us(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void run(struct data_world *world, struct store_data_job *job) {
    data_run(world, job);
    if (job->failed)
        fail_msg("%s", job->why);
    store_data_job_free(job);
}

/* 8 MB, written to the WAL, committed, and moved into the file. */
static void write_checkpoint(struct data_world *world) {
    struct store_data_job *job;

    data_put_pages(world, PAGES);
    job = job_of(world, STORE_DATA_COMMIT);
    job->meta = twin_meta(world->checkpoint);
    run(world, job);
}

static void no_sync_carries_more_than_a_piece(void **state) {
    struct data_world *world = *state;

    disk_watch();
    data_open(world);
    disk.wrote = disk.waiting_max = 0;
    for (int i = 0; i < 3; i++)
        write_checkpoint(world);
    assert_true(disk.wrote > 3L * 2 * PAGES * PAGE_BYTES); /* to the WAL, and to the file */
    print_message("%.1f MB written, at most %.2f MB for a sync\n", (double)disk.wrote / 1e6,
                  (double)disk.waiting_max / 1e6);
    assert_true(disk.waiting_max > 0 && disk.waiting_max < PIECE_MAX);
    disk_watch_no_more();
}

static void put_one(struct store_data_job *job, uint32_t at, size_t length) {
    static char bytes[PAGE_BYTES];

    fill(bytes, 64, at);
    store_pages_add(&job->pages, 1, at, bytes, length);
}

/* Two rows of one page of SQLite's, of which the second comes when the first has left the cache. */
static void nor_when_a_page_is_written_twice(void **state) {
    enum { SHORT = 1000, MANY = 5000 /* more than the cache holds */ };
    struct data_world *world = *state;
    struct store_data_job *job;

    disk_watch();
    data_open(world);
    disk.wrote = disk.waiting_max = 0;
    world->checkpoint++;
    job = job_of(world, STORE_DATA_PAGES);
    put_one(job, 0, SHORT);
    for (uint32_t at = 2; at < MANY; at++)
        put_one(job, at, PAGE_BYTES);
    put_one(job, 1, SHORT);
    for (uint32_t at = MANY; at < 2 * MANY; at++)
        put_one(job, at, PAGE_BYTES);
    run(world, job);
    job = job_of(world, STORE_DATA_COMMIT);
    job->meta = twin_meta(world->checkpoint);
    disk.syncs = 0;
    run(world, job);
    print_message("%ld syncs, at most %.2f MB for one\n", disk.syncs, (double)disk.waiting_max / 1e6);
    assert_true(disk.waiting_max > 0 && disk.waiting_max < PIECE_MAX);
    /* Frames summed up anew, and moved. */
    assert_true(disk.syncs >= 2L * (2 * MANY * PAGE_BYTES / STORE_PIECE_BYTES));
    disk_watch_no_more();
}

/* A machine that is busy makes it slower, never faster. */
static void it_is_written_and_moved_at_the_rate(void **state) {
    enum { RATE = 20 * 1000 * 1000 };
    struct data_world *world = *state;
    const double at_least_s = 0.8 * 2 * PAGES * PAGE_BYTES / RATE;
    uint64_t begun;
    double took_s;

    data_open(world);
    store_data_set_rate(world->data, RATE);
    begun = now_us();
    write_checkpoint(world);
    took_s = (double)(now_us() - begun) / 1e6;
    print_message("%.2f s, at least %.2f\n", took_s, at_least_s);
    assert_true(took_s > at_least_s);
}

static void *let_go(void *context) {
    worker_rest(100 * 1000);
    store_data_set_rate(context, 0);
    return NULL;
}

static void a_rate_that_is_taken_away_holds_nobody_any_more(void **state) {
    enum { RATE = 100 * 1000 }; /* a minute and more for the WAL alone */
    struct data_world *world = *state;
    uint64_t begun;
    pthread_t thread;

    data_open(world);
    store_data_set_rate(world->data, RATE);
    begun = now_us();
    assert_int_equal(pthread_create(&thread, NULL, let_go, world->data), 0);
    write_checkpoint(world);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(now_us() - begun < 30 * 1000 * 1000);
}

/* The simulated death and its like are test_store_data.c's: here only that nothing of the pace is left over. */
static void what_was_written_at_a_rate_comes_back(void **state) {
    struct data_world *world = *state;
    struct store_data_job *job;
    size_t pages = 0;
    bool more = true;

    data_open(world);
    store_data_set_rate(world->data, 50 * 1000 * 1000);
    write_checkpoint(world);
    data_close(world);
    data_open(world);
    for (bool rewind = true; more; rewind = false) {
        job = store_data_job_new(STORE_DATA_LOAD);
        job->rewind = rewind;
        job->bytes_max = 1 << 20;
        data_run(world, job);
        assert_false(job->failed);
        pages += job->pages.count;
        more = job->more;
        store_data_job_free(job);
    }
    assert_int_equal(pages, PAGES);
}

static struct store_copy_job *back_up(struct data_world *world) {
    struct store_copy_job *job = store_copy_job_new(STORE_COPY_BACKUP);

    job->backup_dir = strdup(world->dir);
    job->generation = STORE_DATA_FIRST;
    strcpy(job->name, "backup.db");
    copy_run(world, job);
    return job;
}

static void a_backup_grows_in_pieces_at_the_rate(void **state) {
    enum { RATE = 20 * 1000 * 1000 };
    struct data_world *world = *state;
    const double at_least_s = 0.8 * PAGES * PAGE_BYTES / RATE;
    struct store_copy_job *job;
    uint64_t begun;
    double took_s;

    data_open(world);
    write_checkpoint(world);
    store_copy_set_rate(world->copy, RATE);
    disk_watch();
    begun = now_us();
    job = back_up(world);
    took_s = (double)(now_us() - begun) / 1e6;
    if (job->failed)
        fail_msg("%s", job->why);
    print_message("%.2f s, at least %.2f; %ld syncs of %.1f MB\n", took_s, at_least_s, disk.syncs,
                  (double)disk.wrote / 1e6);
    assert_true(took_s > at_least_s);
    assert_true(disk.wrote > (long)PAGES * PAGE_BYTES && disk.syncs > disk.wrote / PIECE_MAX);
    disk_watch_no_more();
    store_copy_job_free(job);
}

static void *give_up(void *context) {
    worker_rest(100 * 1000);
    store_copy_give_up(context);
    return NULL;
}

static void a_backup_that_is_given_up_does_not_rest(void **state) {
    enum { RATE = 100 * 1000 };
    struct data_world *world = *state;
    struct store_copy_job *job;
    uint64_t begun;
    pthread_t thread;

    data_open(world);
    write_checkpoint(world);
    store_copy_set_rate(world->copy, RATE);
    begun = now_us();
    assert_int_equal(pthread_create(&thread, NULL, give_up, world->copy), 0);
    job = back_up(world);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(job->failed && now_us() - begun < 3 * 1000 * 1000); /* a piece would rest for 5 s */
    store_copy_job_free(job);
}

#define DATA_TEST(name) cmocka_unit_test_setup_teardown(name, data_setup, data_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        DATA_TEST(no_sync_carries_more_than_a_piece),
        DATA_TEST(nor_when_a_page_is_written_twice),
        DATA_TEST(it_is_written_and_moved_at_the_rate),
        DATA_TEST(a_rate_that_is_taken_away_holds_nobody_any_more),
        DATA_TEST(what_was_written_at_a_rate_comes_back),
        DATA_TEST(a_backup_grows_in_pieces_at_the_rate),
        DATA_TEST(a_backup_that_is_given_up_does_not_rest),
    };

    return cmocka_run_group_tests_name("store_pace", tests, NULL, NULL);
}
