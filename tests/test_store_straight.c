/* SPDX-License-Identifier: MIT */
/*
 * Commits that go past the system's cache: that they do, that nothing beside them changes, and what becomes of a disk or a file system
 * that does not take them. The calls of the real layers below come here first.
 */
#define _GNU_SOURCE
#include "straight_world.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>

static struct {
    long straight;
    _Atomic long parts, syncs, reads; /* the keeper's as well */
    int error;                        /* straight writes fail with it */
    size_t most;                      /* ... or take so many bytes; 0: all */
} calls;
static _Thread_local long past_the_cache; /* straight writes and parts, not the keeper's */

ssize_t pwritev2(int fd, const struct iovec *pieces, int count, off_t at, int flags) {
    struct iovec piece = pieces[0];

    assert_int_equal(count, 1);
    assert_true(flags == 0 || flags == RWF_DSYNC);
    assert_true(fcntl(fd, F_GETFL) & O_DIRECT);
    past_the_cache++;
    if (flags == 0) {
        calls.parts++;
        return syscall(SYS_pwritev2, fd, &piece, 1, at, 0L, flags);
    }
    calls.straight++;
    if (calls.error != 0) {
        errno = calls.error;
        return -1;
    }
    if (calls.most > 0 && piece.iov_len > calls.most)
        piece.iov_len = calls.most;
    return syscall(SYS_pwritev2, fd, &piece, 1, at, 0L, flags);
}

ssize_t pread64(int fd, void *bytes, size_t length, off64_t at) {
    calls.reads++;
    return syscall(SYS_pread64, fd, bytes, length, at);
}

int fdatasync(int fd) {
    calls.syncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd) {
    calls.syncs++;
    return (int)syscall(SYS_fsync, fd);
}

static raft_index first; /* of the log */

/* A log in a segment that is used again, at its beginning. */
static raft_index go_round(struct world *world) {
    memset(&calls, 0, sizeof(calls));
    world_open(world);
    return log_go_round(world, &past_the_cache, &first);
}

static void must_hold(struct world *world, raft_index last) {
    for (raft_index index = first; index <= last; index++) {
        struct store_job *job = job_read(index, index, SIZE_MAX);

        run_one(world, job);
        assert_false(job->failed);
        assert_int_equal(job->entries.count, 1);
        struct raft_entry expected = entry_make(index, 1, job->entries.at[0].data->length);
        assert_memory_equal(job->entries.at[0].data->bytes, expected.data->bytes, expected.data->length);
        raft_blob_unref(expected.data);
        store_job_free(job);
    }
}

#define NEED_STRAIGHT(world)                                                                                 \
    do {                                                                                                     \
        if (!disk_can(world)) {                                                                              \
            print_message("this file system takes no O_DIRECT\n");                                           \
            skip();                                                                                          \
        }                                                                                                    \
    } while (0)

static void over_written_blocks_a_commit_is_one_call(void **state) {
    struct world *world = *state;
    raft_index last;

    NEED_STRAIGHT(world);
    last = go_round(world);
    for (size_t length = 1; length < 20000; length = length * 3 + 1) {
        long straight = calls.straight, syncs = calls.syncs;

        save_bytes(world, &last, length);
        assert_int_equal(calls.straight, straight + 1);
        assert_int_equal(calls.syncs, syncs);
    }
    world_reopen(world);
    assert_int_equal(world->boot.raft.last_index, last);
    must_hold(world, last);
}

/* Many rows in one transaction, some MB: SQLite keeps all of it until the commit, and goes back to nothing that it has written. */
static void a_large_commit_goes_in_few_parts_and_is_synced_once(void **state) {
    enum { ENTRIES = 120 };
    struct world *world = *state;
    raft_index last;
    int in_parts = 0;

    NEED_STRAIGHT(world);
    last = go_round(world);
    store_log_segments(world->log, 16 * 1024 * 1024);
    for (int i = 0; i < 16; i++) {
        struct store_job *job = job_save(0, 0);
        long parts = calls.parts, syncs = calls.syncs, reads = calls.reads;

        for (int entry = 0; entry < ENTRIES; entry++)
            job_add(job, entry_make(++last, 1, 66000));
        run_well(world, job);
        assert_in_range(calls.syncs - syncs, 1, 2); /* the header's, too, where a segment begins */
        assert_in_range(calls.parts - parts, 0, 6);
        assert_in_range(calls.reads - reads, 0, 100);
        in_parts += calls.parts - parts > 2;
        first = last - ENTRIES + 1;
        compact_through(world, last - ENTRIES);
    }
    assert_true(in_parts >= 6); /* the others have lengthened a segment */
    world_reopen(world);
    must_hold(world, last);
}

/* The keeper writes them, beside the log: soon after a start, for the segment that is there grows; later when the one before is half full. */
static void a_new_segments_blocks_are_written_before_it_is_used(void **state) {
    enum { BYTES = 128 * 1024 };
    static const char *const next[] = {"raft-1.db-wal", "raft-2.db-wal"};
    struct world *world = *state;
    raft_index last = 0;

    NEED_STRAIGHT(world);
    memset(&calls, 0, sizeof(calls));
    first = 1;
    world_open(world);
    store_log_segments(world->log, BYTES);
    assert_true(store_log_thread(world->log));
    run_well(world, job_save(1, 1));
    for (size_t i = 0; i < 2; i++) {
        char path[2 * WORLD_PATH_MAX];
        struct stat status = {0};
        raft_index until = last + (i == 0 ? 1 : 14);

        while (last < until)
            save_bytes(world, &last, 5000);
        world_path(world, next[i], path);
        for (int wait = 0; wait < 5000 && status.st_size < BYTES; wait++) {
            usleep(1000);
            if (stat(path, &status) != 0)
                status.st_size = 0;
        }
        assert_int_equal(status.st_size, BYTES);
        usleep(50000); /* it is opened, too */
        assert_true(calls.straight == 0 || i == 1);
    }
    while (last < 40)
        save_bytes(world, &last, 5000);
    assert_true(calls.straight > 15);
    world_reopen(world);
    must_hold(world, last);
}

/* Many short runs of a node make no heap of segments. */
static void a_log_of_many_segments_fills_the_one_it_has(void **state) {
    enum { BYTES = 128 * 1024, STARTS = 20, SEGMENTS_MAX = 12 };
    struct world *world = *state;
    char path[2 * WORLD_PATH_MAX];
    raft_index last = 0;
    unsigned segments = 0;

    first = 1;
    for (int i = 0; i < STARTS; i++) {
        world_open(world);
        store_log_segments(world->log, BYTES);
        assert_true(store_log_thread(world->log));
        if (i == 0)
            run_well(world, job_save(1, 1));
        for (int wait = 0; wait < 20; wait++) {
            save_bytes(world, &last, 200);
            usleep(1000);
        }
        must_hold(world, last);
        world_close(world);
    }
    world_open(world);
    must_hold(world, last);
    for (unsigned slot = 0; slot < STARTS; slot++) {
        char name[32];

        snprintf(name, sizeof(name), slot == 0 ? "raft.db" : "raft-%u.db", slot);
        world_path(world, name, path);
        segments += access(path, F_OK) == 0;
    }
    assert_in_range(segments, 1, SEGMENTS_MAX);
}

/* What the process shows to nobody any more, the files have: nothing of a commit waits in memory. */
static void what_is_committed_is_in_the_file(void **state) {
    struct world *world = *state, other;
    raft_index last;
    char command[4 * WORLD_PATH_MAX];

    NEED_STRAIGHT(world);
    last = go_round(world);
    for (int i = 0; i < 50; i++)
        save_bytes(world, &last, (size_t)i * 37);
    memset(&other, 0, sizeof(other));
    world_make(&other);
    snprintf(command, sizeof(command), "cp %s/* %s/", world->dir, other.dir);
    assert_int_equal(system(command), 0);
    world_open(&other);
    assert_int_equal(other.boot.raft.last_index, last);
    must_hold(&other, last);
    world_close(&other);
    world_remove(&other);
}

static void a_disk_that_takes_a_part_is_given_the_rest(void **state) {
    struct world *world = *state;
    raft_index last;
    long straight;

    NEED_STRAIGHT(world);
    last = go_round(world);
    calls.most = 4096;
    straight = calls.straight;
    save_bytes(world, &last, 15000);
    assert_true(calls.straight >= straight + 4);
    calls.most = 0;
    world_reopen(world);
    must_hold(world, last);
}

static void an_error_is_the_end_of_the_log(void **state) {
    static const int errors[] = {EIO, ENOSPC};

    NEED_STRAIGHT(*state);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct world *world = *state;
        struct store_job *job = job_save(0, 0);
        raft_index last;
        long syncs;

        last = go_round(world);
        calls.error = errors[i];
        syncs = calls.syncs;
        job_add(job, entry_make(last + 1, 1, 100));
        run_one(world, job);
        assert_true(job->failed);
        store_job_free(job);
        calls.error = 0;
        job = job_save(0, 0);
        job_add(job, entry_make(last + 1, 1, 100));
        run_one(world, job);
        assert_true(job->failed); /* for ever */
        assert_int_equal(calls.syncs, syncs);
        store_job_free(job);
        world_reopen(world);
        assert_int_equal(world->boot.raft.last_index, last);
        world_close(world);
        world_empty(world);
    }
}

static void a_file_system_that_refuses_is_written_in_the_ordinary_way(void **state) {
    struct world *world = *state;
    raft_index last;

    NEED_STRAIGHT(world);
    last = go_round(world);
    calls.error = EINVAL;
    for (int i = 0; i < 20; i++) {
        long straight = calls.straight, syncs = calls.syncs;

        save_bytes(world, &last, 500);
        assert_int_equal(calls.straight, straight + (i == 0)); /* asked once */
        assert_true(calls.syncs > syncs);
    }
    world_reopen(world);
    assert_int_equal(world->boot.raft.last_index, last);
    must_hold(world, last);
}

int main(void) {
#define STRAIGHT_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        STRAIGHT_TEST(over_written_blocks_a_commit_is_one_call),
        STRAIGHT_TEST(a_large_commit_goes_in_few_parts_and_is_synced_once),
        STRAIGHT_TEST(a_new_segments_blocks_are_written_before_it_is_used),
        STRAIGHT_TEST(a_log_of_many_segments_fills_the_one_it_has),
        STRAIGHT_TEST(what_is_committed_is_in_the_file),
        STRAIGHT_TEST(a_disk_that_takes_a_part_is_given_the_rest),
        STRAIGHT_TEST(an_error_is_the_end_of_the_log),
        STRAIGHT_TEST(a_file_system_that_refuses_is_written_in_the_ordinary_way),
    };

    return cmocka_run_group_tests_name("store_straight", tests, NULL, NULL);
}
