/* SPDX-License-Identifier: MIT */
/* raft.db on a real disk: what was saved comes back; what could not be saved is said, once and for all. */
#include "store_world.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* ---- what comes back ------------------------------------------------------------------------------------- */

static void a_new_node_has_nothing_but_its_identity(void **state) {
    struct world *world = *state;
    struct twin twin;
    struct stat status;

    twin_init(&twin);
    world_open(world);
    assert_true(world->boot.created);
    world_must_be(world, &twin);
    world_reopen(world);
    assert_false(world->boot.created);
    world_must_be(world, &twin);

    assert_int_equal(rmdir(world->dir), -1);
    world_close(world);
    world_empty(world);
    assert_int_equal(rmdir(world->dir), 0);
    world_open(world); /* makes the directory too */
    assert_int_equal(stat(world->dir, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
}

static void directories_are_made_up_to_the_last(void **state) {
    struct world *world = *state;
    struct world deep;
    char path[2 * WORLD_PATH_MAX];

    memset(&deep, 0, sizeof(deep));
    snprintf(deep.dir, sizeof(deep.dir), "%.200s/a/b c?#%%/", world->dir);
    world_open(&deep);
    run_well(&deep, job_save(3, 2));
    world_reopen(&deep);
    assert_int_equal(deep.boot.raft.term, 3);
    world_close(&deep);
    world_remove(&deep);
    world_path(world, "a", path);
    assert_int_equal(rmdir(path), 0);
}

static void everything_saved_comes_back_after_a_restart(void **state) {
    struct world *world = *state;
    struct twin *twin = twin_new();

    for (uint64_t seed = 1; seed <= 8; seed++) {
        world_empty(world);
        world_open(world);
        history_live(world, twin, seed, 80);
        world_reopen(world);
        world_must_be(world, twin);
        world_close(world);
    }
    free(twin);
}

static void everything_saved_comes_back_after_a_death(void **state) {
    struct world *world = *state;
    struct twin *twin = twin_new();

    for (uint64_t seed = 11; seed <= 18; seed++) {
        world_empty(world);
        history_die(world, seed, 80);
        history_live(NULL, twin, seed, 80);
        world_open(world);
        world_must_be(world, twin);
        world_close(world);
    }
    free(twin);
}

static void entries_are_not_the_less_for_their_size(void **state) {
    static const size_t lengths[] = {0,
                                     1,
                                     4095,
                                     STORE_ROW_BYTES_MAX - 1,
                                     STORE_ROW_BYTES_MAX,
                                     STORE_ROW_BYTES_MAX + 1,
                                     5 * STORE_ROW_BYTES_MAX};
    enum { COUNT = sizeof(lengths) / sizeof(lengths[0]) };
    struct world *world = *state;
    struct twin *twin = twin_new();
    struct store_job *job = job_save(7, 1);

    world_open(world);
    for (size_t i = 0; i < COUNT; i++)
        job_add(job, entry_make(i + 1, 7, lengths[i]));
    twin_obey(twin, job);
    run_well(world, job);
    for (int round = 0; round < 2; round++) {
        world_reopen(world);
        world_must_be(world, twin);
    }
    job = job_save(8, 1); /* over the large ones */
    job_add(job, entry_make(5, 8, 2 * STORE_ROW_BYTES_MAX + 7));
    twin_obey(twin, job);
    run_well(world, job);
    world_reopen(world);
    world_must_be(world, twin);
    free(twin);
}

static void an_entry_without_data_is_not_an_empty_one(void **state) {
    struct world *world = *state;
    struct store_job *job = job_save(1, 1);

    world_open(world);
    job_add(job, (struct raft_entry){1, 1, RAFT_ENTRY_NOOP, NULL});
    job_add(job, entry_make(2, 1, 0));
    run_well(world, job);
    world_reopen(world);
    job = job_read(1, 2, 100);
    run_one(world, job);
    assert_int_equal(job->entries.count, 2);
    assert_int_equal(job->entries.at[0].type, RAFT_ENTRY_NOOP);
    assert_null(job->entries.at[0].data);
    assert_int_equal(job->entries.at[1].type, RAFT_ENTRY_COMMAND);
    assert_non_null(job->entries.at[1].data);
    assert_int_equal(job->entries.at[1].data->length, 0);
    store_job_free(job);
}

static void what_overwrites_takes_the_old_end_with_it(void **state) {
    struct world *world = *state;
    struct twin *twin = twin_new();
    struct store_job *job;

    world_open(world);
    for (raft_term term = 1; term <= 4; term++) {
        job = job_save(term, 1);
        for (raft_index index = 5 * (term - 1) + 1; index <= 5 * term; index++)
            job_add(job, entry_make(index, term, 100));
        twin_obey(twin, job);
        run_well(world, job);
    }
    assert_int_equal(twin->count, 20);
    job = job_save(9, 2); /* three terms' entries go at once */
    job_add(job, entry_make(7, 9, 50));
    twin_obey(twin, job);
    run_well(world, job);
    world_reopen(world);
    world_must_be(world, twin);
    assert_int_equal(world->boot.raft.last_index, 7);
    assert_int_equal(world->boot.raft.term_count, 3);

    job = job_save(10, 2); /* all of them */
    job_add(job, entry_make(1, 10, 50));
    twin_obey(twin, job);
    run_well(world, job);
    world_reopen(world);
    world_must_be(world, twin);
    free(twin);
}

static void the_identity_comes_back_whole(void **state) {
    struct world *world = *state;
    struct store_job *job = store_job_new(STORE_IDENTITY);
    struct store_identity expected;

    memset(&expected, 0, sizeof(expected));
    world_open(world);
    expected.node = 1;
    memset(expected.incarnation, 'a', STORE_ID_LENGTH);
    memset(expected.cluster, 'b', STORE_ID_LENGTH);
    expected.member_count = STORE_MEMBERS_MAX;
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
        expected.members[i].id = 64 - i;
        memset(expected.members[i].address, 'c', i % 2 ? STORE_ADDRESS_MAX - 1 : i);
        if (i % 3)
            memset(expected.members[i].incarnation, 'd', STORE_ID_LENGTH);
    }
    job->identity = malloc(sizeof(expected));
    assert_non_null(job->identity);
    *job->identity = expected;
    run_well(world, job);
    world_reopen(world);
    identity_must_be(&world->boot.identity, &expected);

    expected.member_count = 1; /* one that knows fewer takes the others away */
    job = store_job_new(STORE_IDENTITY);
    job->identity = malloc(sizeof(expected));
    assert_non_null(job->identity);
    *job->identity = expected;
    run_well(world, job);
    world_reopen(world);
    identity_must_be(&world->boot.identity, &expected);
}

/* The lists of members that the log holds are Raft's at start: each whole, and none that was overwritten. */
static void the_logs_lists_of_members_come_back(void **state) {
    static const struct {
        raft_index index;
        size_t length;
    } lists[] = {{2, 40}, {4, 3 * STORE_ROW_BYTES_MAX + 7}, {6, 1}};
    struct world *world = *state;
    world_open(world);
    struct store_job *job = job_save(1, 1);
    for (raft_index index = 1; index <= 7; index++)
        job_add(job, entry_make(index, 1, 10));
    for (size_t i = 0; i < 3; i++) {
        raft_blob_unref(job->entries.at[lists[i].index - 1].data);
        job->entries.at[lists[i].index - 1] = entry_make(lists[i].index, 1, lists[i].length);
        job->entries.at[lists[i].index - 1].type = RAFT_ENTRY_MEMBERS;
    }
    run_well(world, job);
    world_reopen(world);
    const struct raft_boot *boot = &world->boot.raft;
    assert_int_equal(boot->change_count, 3);
    for (size_t i = 0; i < 3; i++) {
        struct raft_entry expected = entry_make(lists[i].index, 1, lists[i].length);
        assert_int_equal(boot->changes[i].index, lists[i].index);
        assert_int_equal(boot->changes[i].list->length, lists[i].length);
        assert_memory_equal(boot->changes[i].list->bytes, expected.data->bytes, lists[i].length);
        raft_blob_unref(expected.data);
    }
    job = job_save(2, 1);
    job_add(job, entry_make(4, 2, 10));
    run_well(world, job);
    world_reopen(world);
    assert_int_equal(world->boot.raft.change_count, 1);
    assert_int_equal(world->boot.raft.changes[0].index, 2);
}

/* ---- batches --------------------------------------------------------------------------------------------- */

static void a_read_sees_what_its_batch_wrote_before_it_and_not_what_comes_after(void **state) {
    struct world *world = *state;
    struct store_job *jobs[5];

    world_open(world);
    jobs[0] = job_save(1, 1);
    job_add(jobs[0], entry_make(1, 1, 10));
    job_add(jobs[0], entry_make(2, 1, 10));
    jobs[1] = job_read(1, 9, 1000);
    jobs[2] = job_save(2, 1);
    job_add(jobs[2], entry_make(2, 2, 30));
    jobs[3] = job_read(2, 2, 1000);
    jobs[4] = job_read(3, 9, 1000);
    run_batch(world, jobs, 5);
    assert_int_equal(jobs[1]->entries.count, 2);
    assert_int_equal(jobs[1]->entries.at[1].term, 1);
    assert_int_equal(jobs[3]->entries.count, 1);
    assert_int_equal(jobs[3]->entries.at[0].term, 2);
    assert_int_equal(jobs[3]->entries.at[0].data->length, 30);
    assert_int_equal(jobs[4]->entries.count, 0);
    for (size_t i = 0; i < 5; i++) {
        assert_false(jobs[i]->failed);
        assert_int_equal(jobs[i]->batch_jobs, i == 0 ? 5 : 0);
        assert_int_equal(jobs[i]->batch_synced, i == 0);
        assert_int_equal(jobs[i]->log_bytes, 40);
        assert_int_equal(jobs[i]->first_index, 1);
        store_job_free(jobs[i]);
    }
}

static void a_read_keeps_to_its_bytes_but_gives_at_least_one(void **state) {
    static const struct {
        raft_index from, to;
        size_t bytes_max, count;
    } rows[] = {
        {1, 10, 1000, 10}, {1, 10, 999, 9}, {1, 10, 100, 1}, {1, 10, 0, 1},    {3, 3, 5000, 1},
        {8, 99, 5000, 3},  {9, 8, 5000, 0}, {11, 99, 1, 0},  {0, 10, 5000, 0}, {10, UINT64_MAX, 5000, 1},
    };
    struct world *world = *state;
    struct store_job *job = job_save(1, 1);

    world_open(world);
    for (raft_index index = 1; index <= 10; index++)
        job_add(job, entry_make(index, 1, 100));
    run_well(world, job);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        job = job_read(rows[i].from, rows[i].to, rows[i].bytes_max);
        run_one(world, job);
        assert_false(job->failed);
        assert_int_equal(job->entries.count, rows[i].count);
        for (size_t at = 0; at < job->entries.count; at++)
            assert_int_equal(job->entries.at[at].index, rows[i].from + at);
        store_job_free(job);
    }
}

static void a_full_segment_is_followed_by_another(void **state) {
    struct world *world = *state;
    char path[2 * WORLD_PATH_MAX];
    struct stat status;
    off_t largest = 0;

    world_open(world);
    store_log_segments(world->log, 1024 * 1024);
    world_path(world, "raft.db-wal", path);
    run_well(world, job_save(1, 1));
    for (raft_index index = 1; index <= 300; index++) {
        struct store_job *job = job_save(0, 0);

        job_add(job, entry_make(index, 1, 60000));
        run_well(world, job);
        assert_int_equal(stat(path, &status), 0);
        largest = status.st_size > largest ? status.st_size : largest;
    }
    assert_in_range(largest, 1000000, 1200000);
    world_path(world, "raft-15.db-wal", path);
    assert_int_equal(stat(path, &status), 0);
}

static void the_wal_has_its_blocks_before_it_needs_them(void **state) {
    struct world *world = *state;
    char path[2 * WORLD_PATH_MAX];
    struct stat status;

    world_open(world);
    store_log_segments(world->log, 4 * 1024 * 1024);
    world_path(world, "raft.db-wal", path);
    run_well(world, job_save(1, 1));
    assert_int_equal(stat(path, &status), 0);
    assert_true(status.st_size < 100000);
    assert_true(status.st_blocks * 512 >= 4 * 1024 * 1024);
}

static void behind_a_worker_jobs_share_commits_and_come_back_in_order(void **state) {
    enum { COUNT = 3000 };
    struct world *world = *state;
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct worker *worker;
    uint64_t back = 0, batches = 0, jobs = 0;

    world_open(world);
    worker = worker_new(loop, "log", store_log_run, world->log);
    for (uint64_t sequence = 1; sequence <= COUNT; sequence++) {
        raft_index written = sequence - sequence / 10; /* each tenth job reads */
        struct store_job *job =
            sequence % 10 == 0 ? job_read(written - 1, written, 1000) : job_save(sequence == 1, 1);

        job->sequence = sequence;
        if (job->type == STORE_SAVE)
            job_add(job, entry_make(written, 1, 100));
        worker_submit(worker, &job->job);
    }
    while (back < COUNT) {
        struct store_job *job = (struct store_job *)worker_take(worker);

        if (job == NULL) {
            ev_run(loop, EVRUN_ONCE);
            continue;
        }
        assert_false(job->failed);
        assert_int_equal(job->sequence, ++back);
        assert_true(job->type != STORE_READ || job->entries.count == 2);
        batches += job->batch_jobs > 0;
        jobs += job->batch_jobs;
        store_job_free(job);
    }
    assert_int_equal(jobs, COUNT);
    assert_true(batches < COUNT / 2);
    worker_stop(worker);
    worker_free(worker);
    ev_loop_destroy(loop);
    world_reopen(world);
    assert_int_equal(world->boot.raft.last_index, COUNT - COUNT / 10);
}

/* ---- syncs: a file layer that counts them, and fails when told to ----------------------------------------- */

static struct {
    const sqlite3_io_methods *real; /* of the -wal */
    const sqlite3_io_methods *real_main;
    sqlite3_io_methods counting, watching;
    int syncs, writes; /* of the -wal */
    bool syncs_fail;
    int failed; /* syncs */
    int writes_after_failure;
} disk;

static sqlite3_vfs *real_vfs;
static sqlite3_vfs counting_vfs;

static int counting_sync(sqlite3_file *file, int flags) {
    disk.syncs++;
    if (disk.syncs_fail) {
        disk.failed++;
        return SQLITE_IOERR_FSYNC;
    }
    return disk.real->xSync(file, flags);
}

static int counting_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset) {
    disk.writes++;
    disk.writes_after_failure += disk.failed > 0;
    return disk.real->xWrite(file, bytes, length, offset);
}

static int watching_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset) {
    disk.writes_after_failure += disk.failed > 0;
    return disk.real_main->xWrite(file, bytes, length, offset);
}

static int counting_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out) {
    int result = real_vfs->xOpen(real_vfs, name, file, flags, out);

    (void)vfs;
    if (result == SQLITE_OK && (flags & SQLITE_OPEN_WAL)) {
        disk.real = file->pMethods;
        disk.counting = *file->pMethods;
        disk.counting.xSync = counting_sync;
        disk.counting.xWrite = counting_write;
        file->pMethods = &disk.counting;
    }
    if (result == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB)) {
        disk.real_main = file->pMethods;
        disk.watching = *file->pMethods;
        disk.watching.xWrite = watching_write;
        file->pMethods = &disk.watching;
    }
    return result;
}

static void count_syncs(void) {
    memset(&disk, 0, sizeof(disk));
    real_vfs = sqlite3_vfs_find(NULL);
    counting_vfs = *real_vfs;
    counting_vfs.zName = "counting";
    counting_vfs.xOpen = counting_open;
    counting_vfs.pNext = NULL;
    assert_int_equal(sqlite3_vfs_register(&counting_vfs, 1), SQLITE_OK);
}

static void count_no_more(void) {
    sqlite3_vfs_unregister(&counting_vfs);
    sqlite3_vfs_register(real_vfs, 1);
}

static void a_batch_is_one_sync_and_reads_are_none(void **state) {
    struct world *world = *state;
    struct store_job *jobs[20];

    count_syncs();
    world_open(world);
    run_well(world, job_save(1, 1));
    for (raft_index index = 1; index <= 100; index += 20) {
        int before = disk.syncs, written;

        for (size_t i = 0; i < 20; i++) {
            jobs[i] = job_save(0, 0);
            job_add(jobs[i], entry_make(index + i, 1, 500));
        }
        run_batch(world, jobs, 20);
        assert_int_equal(disk.syncs, before + 1);
        assert_true(jobs[0]->batch_synced);
        for (size_t i = 0; i < 20; i++)
            store_job_free(jobs[i]);

        before = disk.syncs;
        written = disk.writes;
        jobs[0] = job_read(1, index, 1000000);
        jobs[1] = job_save(0, 0); /* with nothing in it */
        run_batch(world, jobs, 2);
        assert_int_equal(disk.syncs, before);
        assert_int_equal(disk.writes, written);
        assert_false(jobs[0]->batch_synced);
        store_job_free(jobs[0]);
        store_job_free(jobs[1]);
    }
    world_close(world);
    count_no_more();
}

static void after_a_failed_sync_nothing_is_written_any_more(void **state) {
    struct world *world = *state;
    struct twin *twin = twin_new();
    struct store_job *job, *jobs[2];

    count_syncs();
    world_open(world);
    history_live(world, twin, 5, 20);
    disk.syncs_fail = true;
    jobs[0] = job_save(twin->term + 1, 3);
    jobs[1] = job_read(1, 1, 1);
    run_batch(world, jobs, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(jobs[i]->failed);
        assert_non_null(strstr(jobs[i]->why, world->dir));
        assert_non_null(strstr(jobs[i]->why, "commit: disk I/O error"));
        assert_false(jobs[i]->batch_synced);
        store_job_free(jobs[i]);
    }
    assert_int_equal(disk.failed, 1);

    disk.syncs_fail = false; /* as after a real one: the next sync has nothing to complain about */
    job = job_save(twin->term + 2, 3);
    run_one(world, job);
    assert_true(job->failed);
    assert_non_null(strstr(job->why, "commit: disk I/O error"));
    store_job_free(job);
    job = job_read(1, 1, 1);
    run_one(world, job);
    assert_true(job->failed);
    store_job_free(job);
    world_close(world);
    assert_int_equal(disk.writes_after_failure, 0);
    count_no_more();

    world_open(world); /* what was acknowledged is there; what was not may be */
    assert_true(world->boot.raft.term == twin->term || world->boot.raft.term == twin->term + 1);
    twin->term = world->boot.raft.term;
    twin->vote = world->boot.raft.vote;
    world_must_be(world, twin);
    free(twin);
}

/* ---- no room --------------------------------------------------------------------------------------------- */

/* Appends until a batch fails; the twin has what was acknowledged. Returns the failed job. */
static struct store_job *append_until_it_fails(struct world *world, struct twin *twin, size_t length) {
    for (size_t i = 0; i < 1000; i++) {
        struct store_job *job = job_save(twin->term == 0, 1);

        job_add(job, entry_make(twin->count + 1, 1, length));
        run_one(world, job);
        if (job->failed)
            return job;
        twin_obey(twin, job);
        store_job_free(job);
    }
    fail_msg("the disk never was full");
    return NULL;
}

/* It stays failed, though there may be room again, and what was acknowledged comes back. */
static void must_stay_failed(struct world *world, struct twin *twin, void (*make_room)(void)) {
    struct store_job *job;

    make_room();
    job = job_save(99, 1);
    run_one(world, job);
    assert_true(job->failed);
    assert_true(job->why[0] != '\0');
    store_job_free(job);
    world_reopen(world);
    world_must_be(world, twin);
}

static void lift_limit(void) {
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_file_that_may_not_grow_fails_the_job_with_the_reason(void **state) {
    struct world *world = *state;
    struct twin *twin = twin_new();
    struct rlimit limit;
    struct store_job *job;

    world_open(world);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = 400 * 1024;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    job = append_until_it_fails(world, twin, 20000);
    lift_limit();
    assert_non_null(strstr(job->why, world->dir));
    assert_non_null(strstr(job->why, "the largest size allowed"));
    assert_non_null(strstr(job->why, strerror(EFBIG)));
    store_job_free(job);
    assert_true(twin->count > 3);
    must_stay_failed(world, twin, lift_limit);
    signal(SIGXFSZ, SIG_DFL);
    free(twin);
}

static char full_disk[WORLD_PATH_MAX];

static void make_the_disk_larger(void) {
    assert_int_equal(mount("tmpfs", full_disk, "tmpfs", MS_REMOUNT, "size=16m"), 0);
}

static void a_full_disk_fails_the_job_and_says_so(void **state) {
    struct world *world = *state;
    struct twin *twin;
    struct store_job *job;
    struct world small;

    if (mount("tmpfs", world->dir, "tmpfs", 0, "size=1m,mode=700") != 0) {
        print_message("skipped: a small file system cannot be mounted here: %s\n", strerror(errno));
        skip();
    }
    twin = twin_new();
    small = *world;
    snprintf(full_disk, sizeof(full_disk), "%s", world->dir);
    world_open(&small);
    job = append_until_it_fails(&small, twin, 30000);
    assert_non_null(strstr(job->why, small.dir));
    assert_non_null(strstr(job->why, "the disk is full"));
    store_job_free(job);
    assert_true(twin->count > 3);
    must_stay_failed(&small, twin, make_the_disk_larger);
    world_close(&small);
    assert_int_equal(umount(world->dir), 0);
    free(twin);
}

/* In a child that is nobody, because nothing is read-only to root. */
static void a_directory_that_cannot_be_written_is_refused_with_the_reason(void **state) {
    struct world *world = *state;
    int ends[2], status;
    char why[STORE_WHY_MAX] = "";
    pid_t child;

    assert_int_equal(chmod(world->dir, 0555), 0);
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(2);
        world_open_as(world, 1);
        if (write(ends[1], world->why, sizeof(world->why)) < 0)
            _exit(3);
        _exit(world->result == STORE_IO ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(read(ends[0], why, sizeof(why)), sizeof(why));
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(chmod(world->dir, 0700), 0);
    assert_non_null(strstr(why, world->dir));
    assert_non_null(strstr(why, "raft.db"));
    assert_int_equal(world_empty(world), 0);
}

static void a_path_that_is_no_directory_is_refused_with_the_reason(void **state) {
    struct world *world = *state;
    struct world inside = *world;
    struct bytes text = {(uint8_t *)strdup("text"), 4};

    bytes_write(world, "file", text);
    snprintf(inside.dir, sizeof(inside.dir), "%.200s/file", world->dir);
    assert_int_equal(world_open_as(&inside, 1), STORE_IO);
    assert_non_null(strstr(inside.why, strerror(ENOTDIR)));
    snprintf(inside.dir, sizeof(inside.dir), "%.200s/file/below", world->dir);
    assert_int_equal(world_open_as(&inside, 1), STORE_IO);
    assert_non_null(strstr(inside.why, strerror(ENOTDIR)));
    free(text.at);
}

int main(void) {
#define STORE_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(a_new_node_has_nothing_but_its_identity),
        STORE_TEST(directories_are_made_up_to_the_last),
        STORE_TEST(everything_saved_comes_back_after_a_restart),
        STORE_TEST(everything_saved_comes_back_after_a_death),
        STORE_TEST(entries_are_not_the_less_for_their_size),
        STORE_TEST(an_entry_without_data_is_not_an_empty_one),
        STORE_TEST(what_overwrites_takes_the_old_end_with_it),
        STORE_TEST(the_identity_comes_back_whole),
        STORE_TEST(the_logs_lists_of_members_come_back),
        STORE_TEST(a_read_sees_what_its_batch_wrote_before_it_and_not_what_comes_after),
        STORE_TEST(a_read_keeps_to_its_bytes_but_gives_at_least_one),
        STORE_TEST(a_full_segment_is_followed_by_another),
        STORE_TEST(the_wal_has_its_blocks_before_it_needs_them),
        STORE_TEST(behind_a_worker_jobs_share_commits_and_come_back_in_order),
        STORE_TEST(a_batch_is_one_sync_and_reads_are_none),
        STORE_TEST(after_a_failed_sync_nothing_is_written_any_more),
        STORE_TEST(a_file_that_may_not_grow_fails_the_job_with_the_reason),
        STORE_TEST(a_full_disk_fails_the_job_and_says_so),
        STORE_TEST(a_directory_that_cannot_be_written_is_refused_with_the_reason),
        STORE_TEST(a_path_that_is_no_directory_is_refused_with_the_reason),
    };

    return cmocka_run_group_tests_name("store_log", tests, NULL, NULL);
}
