/* SPDX-License-Identifier: MIT */
/* What moves raft.db's WAL beside the commits: it is waited for by nobody but a WAL that has grown too long, and its failure is the log's. */
#include "store_world.h"

#include <pthread.h>
#include <sqlite3.h>

#include "../src/store/internal.h"

enum { COMMIT = 30000, DEADLOCK_S = 60, HELD_MS = 300, WAL_MOST = 4 * 1024 * 1024 };

/* ---- the mover's file: one that can be held up, and can fail -------------------------------------------------- */

static struct {
    sqlite3_vfs *real, vfs;
    const sqlite3_io_methods *own;
    sqlite3_io_methods methods;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held, fails; /* under lock, as is what follows */
    int writes, syncs, after_failure;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int meet(int *count) {
    pthread_mutex_lock(&disk.lock);
    while (disk.held)
        pthread_cond_wait(&disk.changed, &disk.lock);
    bool fails = disk.fails;
    disk.after_failure += fails;
    ++*count;
    pthread_mutex_unlock(&disk.lock);
    return fails ? SQLITE_IOERR : SQLITE_OK;
}

static int watched_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset) {
    int result = meet(&disk.writes);
    return result == SQLITE_OK ? disk.own->xWrite(file, bytes, length, offset) : result;
}

static int watched_sync(sqlite3_file *file, int flags) {
    int result = meet(&disk.syncs);
    return result == SQLITE_OK ? disk.own->xSync(file, flags) : result;
}

/* Of the layer without locks: SQLite's own connection has another. */
static int watched_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out) {
    int result = disk.real->xOpen(disk.real, name, file, flags, out);
    (void)vfs;
    if (result != SQLITE_OK || !(flags & SQLITE_OPEN_MAIN_DB) || !(flags & SQLITE_OPEN_READWRITE))
        return result;
    disk.own = file->pMethods;
    disk.methods = *file->pMethods;
    disk.methods.xWrite = watched_write;
    disk.methods.xSync = watched_sync;
    file->pMethods = &disk.methods;
    return result;
}

static void hold(bool held) {
    pthread_mutex_lock(&disk.lock);
    disk.held = held;
    pthread_cond_broadcast(&disk.changed);
    pthread_mutex_unlock(&disk.lock);
}

static int count_of(const int *count) {
    pthread_mutex_lock(&disk.lock);
    int now = *count;
    pthread_mutex_unlock(&disk.lock);
    return now;
}

static int setup(void **state) {
    disk.real = sqlite3_vfs_find(STORE_VFS_UNLOCKED);
    disk.vfs = *disk.real;
    disk.vfs.xOpen = watched_open;
    disk.vfs.pNext = NULL;
    sqlite3_vfs_register(&disk.vfs, 0);
    disk.held = disk.fails = false;
    disk.writes = disk.syncs = disk.after_failure = 0;
    alarm(DEADLOCK_S);
    return world_setup(state);
}

static int teardown(void **state) {
    int result;
    hold(false);
    result = world_teardown(state);
    alarm(0);
    sqlite3_vfs_unregister(&disk.vfs);
    sqlite3_vfs_register(disk.real, 0);
    return result;
}

static void open_with_thread(struct world *world) {
    world_open(world);
    assert_true(store_log_thread(world->log));
    run_well(world, job_save(1, 1));
}

static struct store_job *next_save(raft_index *last, size_t length) {
    struct store_job *job = job_save(0, 0);
    job_add(job, entry_make(++*last, 1, length));
    return job;
}

static off_t wal_size(const struct world *world) {
    char path[2 * WORLD_PATH_MAX];
    struct stat status;
    world_path(world, "raft.db-wal", path);
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static void must_hold(struct world *world, raft_index first, raft_index last) {
    assert_int_equal(world->boot.raft.last_index, last);
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

/* ---- the tests ---------------------------------------------------------------------------------------------- */

static void commits_go_on_while_it_is_held_up(void **state) {
    struct world *world = *state;
    raft_index last = 0;
    open_with_thread(world);
    hold(true);
    while (wal_size(world) < WAL_MOST / 2) /* or the alarm ends it */
        run_well(world, next_save(&last, COMMIT));
    assert_int_equal(count_of(&disk.syncs), 0);
    hold(false);
    for (int i = 0; i < 100; i++)
        run_well(world, next_save(&last, COMMIT));
    assert_true(count_of(&disk.writes) > 100);
    assert_true(count_of(&disk.syncs) > 0);
    world_reopen(world);
    must_hold(world, 1, last);
}

static void *let_go(void *nothing) {
    const struct timespec held = {.tv_nsec = HELD_MS * 1000000l};
    nanosleep(&held, NULL);
    hold(false);
    return nothing;
}

static void a_wal_that_is_too_long_waits(void **state) {
    struct world *world = *state;
    raft_index last = 0;
    pthread_t thread;
    open_with_thread(world);
    hold(true);
    assert_int_equal(pthread_create(&thread, NULL, let_go, NULL), 0);
    for (int i = 0; i < 3 * WAL_MOST / COMMIT; i++)
        run_well(world, next_save(&last, COMMIT));
    pthread_join(thread, NULL);
    assert_in_range(wal_size(world), 0, WAL_MOST + WAL_MOST / 20); /* the frames' own headers, and a commit */
    world_reopen(world);
    must_hold(world, 1, last);
}

/* What was acknowledged stays, nothing more is, and nobody writes. */
static void its_failure_is_the_logs(void **state) {
    struct world *world = *state;
    raft_index last = 0, acknowledged = 0;
    open_with_thread(world);
    pthread_mutex_lock(&disk.lock);
    disk.fails = true;
    pthread_mutex_unlock(&disk.lock);
    for (bool failed = false; !failed;) {
        struct store_job *job = next_save(&last, COMMIT);
        run_one(world, job);
        failed = job->failed;
        if (failed)
            assert_non_null(strstr(job->why, "move the WAL into the file"));
        else
            acknowledged = last;
        store_job_free(job);
        assert_true(wal_size(world) < WAL_MOST / 2);
    }
    assert_int_equal(count_of(&disk.after_failure), 1); /* the failure */
    struct bytes before = bytes_read(world, "raft.db");
    world_close(world);
    struct bytes after = bytes_read(world, "raft.db");
    assert_true(bytes_equal(before, after));
    free(before.at);
    free(after.at);
    world_open(world);
    must_hold(world, 1, acknowledged);
}

/* The log's beginning goes behind it: pages are free, and written again, before and after they were moved. */
static void what_it_moves_is_what_was_committed(void **state) {
    struct world *world = *state;
    raft_index last = 0, first = 1;
    uint64_t seed = 5;
    world_open(world);
    run_well(world, job_save(1, 1));
    for (int life = 0; life < 4; life++) {
        assert_true(store_log_thread(world->log));
        for (int i = 0; i < 600; i++) {
            struct store_job *jobs[2] = {next_save(&last, 1 + random_below(&seed, 12000)), NULL};
            jobs[1] = store_job_new(STORE_COMPACT);
            jobs[1]->through = last > 200 ? last - 200 : 0;
            run_batch(world, jobs, random_below(&seed, 3) == 0 ? 1 : 2);
            assert_false(jobs[0]->failed || jobs[1]->failed);
            store_job_free(jobs[0]);
            store_job_free(jobs[1]);
        }
        world_reopen(world);
        assert_true(world->boot.first_index > first);
        first = world->boot.first_index;
        must_hold(world, first, last);
    }
    assert_true(count_of(&disk.syncs) > 20);
}

int main(void) {
#define MOVER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        MOVER_TEST(commits_go_on_while_it_is_held_up),
        MOVER_TEST(a_wal_that_is_too_long_waits),
        MOVER_TEST(its_failure_is_the_logs),
        MOVER_TEST(what_it_moves_is_what_was_committed),
    };

    return cmocka_run_group_tests_name("store_mover", tests, NULL, NULL);
}
