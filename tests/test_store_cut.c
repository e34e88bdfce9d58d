/* SPDX-License-Identifier: MIT */
/*
 * What is given back to the file system is given back in steps, or a disk that is told of it at once does nothing else meanwhile; and of a WAL
 * that was being cut a death leaves nothing that counts: its first commits alone are not a state that ever was.
 */
#include "data_world.h"

#include <limits.h>
#include <sys/mman.h>

#include "../src/store/internal.h"

enum {
    MB = 1024 * 1024,
    PAGES = 900,          /* fewer than housekeeping waits for; twice as many are more */
    LAST_OPERATIONS = 14, /* more than cutting 8 MB takes */
};

/* ---- a data file's WAL ------------------------------------------------------------------------------------------ */

/* All pages anew. Without housekeeping, the commit stays in the WAL. */
static void write_checkpoint(struct data_world *world) {
    struct store_data_job *job;

    data_put_pages(world, PAGES);
    job = job_of(world, STORE_DATA_COMMIT);
    job->meta = twin_meta(world->checkpoint);
    store_data_run(world->data, &job->job);
    assert_false(job->failed);
    store_data_job_free(job);
}

/* Two commits over the same pages, and from then on what a housekeeping does to the disk is counted. */
static void write_two(struct data_world *world) {
    disk_watch();
    data_open(world);
    write_checkpoint(world);
    write_checkpoint(world);
    assert_true(data_file_size(world, "data-1.db-wal") > 2L * PAGES * DATA_PAGE_BYTES);
    disk.count = 0;
}

static void pages_must_be_newest(struct data_world *world) {
    struct store_data_job *job = store_data_job_new(STORE_DATA_LOAD);

    assert_int_equal(world->meta->applied, 2);
    world->checkpoint = 2; /* the child's was */
    job->rewind = true;
    job->bytes_max = 100 * MB;
    data_run(world, job);
    if (job->failed)
        fail_msg("%s", job->why);
    assert_int_equal(job->pages.count, PAGES);
    for (uint32_t at = 0; at < PAGES; at++)
        assert_memory_equal(job->pages.bytes.at + job->pages.at[at].offset, data_page(world, at, PAGES),
                            DATA_PAGE_BYTES);
    store_data_job_free(job);
}

static void a_wal_is_cut_off_by_a_megabyte_at_a_time(void **state) {
    struct data_world *world = *state;

    write_two(world);
    store_data_run(world->data, NULL);
    assert_int_equal(data_file_size(world, "data-1.db-wal"), 0);
    assert_in_range(disk.cut_max, 1, MB);
    data_close(world);
    disk_watch_no_more();
    data_open(world);
    pages_must_be_newest(world);
}

/* A life that ends at the n-th thing that a housekeeping does to the disk. Returns false when it did less. */
static bool live_until(struct data_world *world, long n, long *operations) {
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        write_two(world);
        disk.fault = DISK_DEATH;
        disk.at = n;
        store_data_run(world->data, NULL);
        *operations = disk.count;
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 0;
}

static void a_death_while_it_is_cut_leaves_the_newest_state(void **state) {
    long *operations =
        mmap(NULL, sizeof(*operations), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct data_world *world = *state;
    bool part_was_left = false;
    void *again;

    assert_ptr_not_equal(operations, MAP_FAILED);
    assert_false(live_until(world, LONG_MAX, operations));
    for (long n = *operations - LAST_OPERATIONS; n <= *operations; n++) {
        data_setup(&again);
        world = again;
        assert_true(live_until(world, n, operations));
        off_t left = data_file_size(world, "data-1.db-wal");
        part_was_left |= left > 0 && left < PAGES * DATA_PAGE_BYTES;
        data_open(world);
        pages_must_be_newest(world);
        data_teardown(&again);
    }
    assert_true(part_was_left); /* less than the first commit */
    munmap(operations, sizeof(*operations));
}

/* ---- a segment ---------------------------------------------------------------------------------------------------- */

static uint64_t frames_of(const struct store_segment *segment) {
    struct store_wal wal;
    char why[STORE_WHY_MAX];
    uint64_t frames;

    if (store_wal_walk(segment->paths.wal, true, &wal, why) != STORE_OK)
        fail_msg("%s", why);
    frames = wal.frames;
    store_wal_close(&wal);
    return frames;
}

/* A log of one segment, with 4 MB in it. */
static struct store_segment *write_segment(struct world *world) {
    raft_index last = 0;

    world_open(world);
    run_well(world, job_save(1, 1));
    for (int i = 0; i < 16; i++)
        save_bytes(world, &last, MB / 4);
    world_close(world);
    return store_segment_new(world->dir, 0);
}

static void a_segment_goes_by_a_megabyte_at_a_time(void **state) {
    struct world *world = as_world(*state);
    struct store_segment *segment = write_segment(world);

    disk_watch();
    assert_int_equal(store_segment_remove(segment), SQLITE_OK);
    assert_in_range(disk.cut_max, 1, MB);
    disk_watch_no_more();
    assert_false(store_file_exists(segment->paths.wal));
    assert_false(store_file_exists(segment->paths.db));
    store_segment_close(segment);
}

static void what_a_death_leaves_of_it_is_all_or_nothing(void **state) {
    int deaths = 0;

    (void)state;
    for (bool died = true; died; deaths++) {
        void *again;

        data_setup(&again);
        struct store_segment *segment = write_segment(as_world(again));
        uint64_t frames = frames_of(segment), left;
        pid_t child = fork();
        int status;

        assert_true(child >= 0 && frames > 0);
        if (child == 0) {
            disk_watch();
            disk.fault = DISK_DEATH;
            disk.at = deaths + 1;
            store_segment_remove(segment);
            _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        died = WEXITSTATUS(status) == 0;
        left = frames_of(segment);
        assert_true(left == 0 || left == frames);
        store_segment_close(segment);
        data_teardown(&again);
    }
    assert_in_range(deaths, 4 + 3, 20);
}

#define DATA_TEST(name) cmocka_unit_test_setup_teardown(name, data_setup, data_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        DATA_TEST(a_wal_is_cut_off_by_a_megabyte_at_a_time),
        DATA_TEST(a_death_while_it_is_cut_leaves_the_newest_state),
        DATA_TEST(a_segment_goes_by_a_megabyte_at_a_time),
        DATA_TEST(what_a_death_leaves_of_it_is_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
