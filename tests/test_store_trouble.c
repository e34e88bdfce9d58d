/* SPDX-License-Identifier: MIT */
/*
 * Disks that are full or fail, at each of their operations in turn (write, sync, truncation, removal), until one run meets no
 * fault any more. After each: the words name the file and the reason, and what is on the disk is the state before or the state
 * after, never between.
 *
 *      raft.db        the first failure is the last: nothing is written any more, the next start is right
 *      a data file    the checkpoint fails whole, the next one succeeds
 *      copies         nothing is left lying about, the next one succeeds
 *
 * And that nothing grows without bound.
 */
#include "data_world.h"

#include "../src/store/internal.h"

static const enum disk_fault faults[] = {DISK_EIO, DISK_FULL};
static struct data_twin twin, perhaps; /* large */

/* What is not a write fails on a full disk too, and says only that it failed. */
static void must_tell(const char *why, const char *dir, enum disk_fault fault) {
    bool reason =
        strstr(why, "I/O error") != NULL || (fault == DISK_FULL && strstr(why, "the disk is full") != NULL);

    if (strstr(why, dir) == NULL || !reason)
        fail_msg("\"%s\" does not say which file, or why", why);
}

static int setup(void **state) {
    int result = data_setup(state);

    live_writes = 4;
    disk_watch();
    return result;
}

static int teardown(void **state) {
    disk_watch_no_more();
    return data_teardown(state);
}

/* ---- the log --------------------------------------------------------------------------------------------- */

/* Entries from `base` on are what the twin remembers. */
static void log_must_be(struct world *world, const struct twin *expected) {
    struct store_job *job = job_read(world->boot.base_index + 1, UINT64_MAX, SIZE_MAX);
    raft_index index = world->boot.base_index;

    assert_true(boot_is(&world->boot, expected));
    run_one(world, job);
    assert_false(job->failed);
    assert_int_equal(job->entries.count, expected->count - index);
    for (size_t i = 0; i < job->entries.count; i++)
        entry_must_be(&job->entries.at[i], ++index, expected);
    store_job_free(job);
}

static struct store_job *trouble_job(const struct twin *now, size_t step, size_t length) {
    struct store_job *job;

    if (step % 4 == 3 && now->count > 4) {
        job = store_job_new(STORE_COMPACT);
        job->through = now->count - 4;
        return job;
    }
    job = job_save(step % 3 == 0 ? now->term + 1 : 0, 1);
    for (raft_index i = 0; i < 2; i++)
        job_add(job, entry_make(now->count + 1 + i - (step % 3 == 0 && now->count > 2),
                                now->term + (step % 3 == 0), length));
    return job;
}

/* Lives through steps until one fails. before: what was acknowledged; after: with what was not. */
static bool live_until_failure(struct world *world, struct twin *before, struct twin *after, size_t length,
                               enum disk_fault fault) {
    *before = *after;
    for (size_t step = 0; step < 12; step++) {
        struct store_job *job = trouble_job(after, step, length);
        bool failed;

        twin_obey(after, job);
        run_one(world, job);
        failed = job->failed;
        if (failed)
            must_tell(job->why, world->dir, fault);
        store_job_free(job);
        if (failed)
            return true;
        *before = *after;
    }
    return false;
}

static void fail_the_log(struct world *world, enum disk_fault fault, size_t length, long step) {
    struct twin *before = twin_new(), *after = twin_new();
    int failures = 0, olds = 0, news = 0;
    bool met = true;

    for (long at = 1; met; at += 1 + at / step) {
        struct store_job *job;
        bool failed;

        world_empty(world);
        world_open(world);
        twin_init(after);
        job = job_save(1, 1);
        twin_obey(after, job);
        run_well(world, job);
        disk_set(fault, at, true); /* for good */
        failed = live_until_failure(world, before, after, length, fault);
        met = disk.count >= at;
        if (failed) {
            long count = disk.count;

            failures++;
            job = job_save(after->term + 1, 2);
            run_one(world, job); /* the same words again */
            assert_true(job->failed);
            must_tell(job->why, world->dir, fault);
            store_job_free(job);
            world_close(world);
            assert_int_equal(disk.count, count); /* nothing was even tried */
        } else {
            world_close(world);
        }
        disk_set(DISK_FINE, 0, false);
        world_open(world);
        olds += failed && boot_is(&world->boot, before);
        news += failed && !boot_is(&world->boot, before);
        log_must_be(world, boot_is(&world->boot, before) ? before : after);
        world_close(world);
    }
    print_message("%d failures left %d times what was acknowledged, %d times more\n", failures, olds, news);
    assert_true(failures > 40 && olds > 30);
    free(before);
    free(after);
}

static void the_first_failure_of_the_log_is_its_last_and_loses_nothing(void **state) {
    struct world world = *as_world(*state);

    for (size_t i = 0; i < 2; i++) {
        fail_the_log(&world, faults[i], 500, 1000000);
        fail_the_log(&world, faults[i], 700000, 8); /* the WAL is moved into the file meanwhile */
    }
}

/* Made for the first time, and opened with a WAL. */
static void an_opening_that_fails_can_be_tried_again(void **state) {
    struct world world = *as_world(*state);
    struct twin *lived = twin_new();
    struct image image;

    history_die(&world, 3, 30);
    history_live(NULL, lived, 3, 30);
    image = image_read(&world);
    assert_true(image.files[FILE_WAL].length > 0);
    for (int i = 0; i < 4; i++) {
        int failures = 0;
        bool met = true;

        for (long at = 1; met; at++) {
            world_empty(&world);
            if (i >= 2)
                image_write(&world, &image);
            disk_set(faults[i % 2], at, true);
            if (world_open_as(&world, 1) != STORE_OK) {
                failures++;
                assert_int_equal(world.result, STORE_IO);
                must_tell(world.why, world.dir, faults[i % 2]);
            }
            met = disk.count >= at;
            world_close(&world);
            disk_set(DISK_FINE, 0, false);
            world_open(&world);
            if (i >= 2)
                world_must_be(&world, lived);
            else
                assert_int_equal(world.boot.raft.last_index, 0);
            world_close(&world);
        }
        assert_true(failures > (i >= 2 ? 3 : 10));
    }
    image_free(&image);
    free(lived);
}

/* ---- data files ------------------------------------------------------------------------------------------ */

/* Fails once: the next checkpoint succeeds. Fails for good: the file's state stays. The closing may fail as well; then the first
 * that failed may be there after all, whole: its commit was written, only its sync has failed, and nothing could be taken back. */
static void fail_checkpoints(struct data_world *world, enum disk_fault fault, bool stays) {
    int failures = 0, rounds = 0, news = 0;
    bool met = true;

    for (long at = 1; met; at++, rounds++) {
        uint64_t seed = 9;
        char why[STORE_WHY_MAX];
        int failed = 0;

        world_empty(as_world(world));
        world->checkpoint = 0;
        data_open(world);
        data_live(world, &twin, 5, 2);
        disk_set(fault, at, stays);
        for (int i = 0; i < 3; i++)
            if (!live_checkpoint(world, &twin, &seed, 2, why)) {
                if (failed++ == 0)
                    perhaps = live_next;
                must_tell(why, world->dir, fault);
            }
        assert_true(stays || failed <= 1);
        failures += failed;
        met = disk.count >= at;
        if (rounds % 2 == 0) { /* else it is closed on a bad disk */
            disk_set(DISK_FINE, 0, false);
            data_must_be(world, &twin, 100000);
        }
        data_close(world);
        disk_set(DISK_FINE, 0, false);
        data_open(world);
        if (world->meta->applied != twin.applied) {
            assert_true(stays && failed > 0);
            twin = perhaps;
            news++;
        }
        meta_must_be(world->meta, &twin);
        data_must_be(world, &twin, 100000);
        world->checkpoint = 0;
        assert_true(live_checkpoint(world, &twin, &seed, 2, why));
        data_must_be(world, &twin, 100000);
        data_close(world);
    }
    print_message("%d moments, %d checkpoints failed, %d of them were there after a restart\n", rounds,
                  failures, news);
    assert_true(news < 5);
    assert_true(failures > rounds / 2);
}

static void a_checkpoint_fails_whole_and_the_next_one_succeeds(void **state) {
    for (size_t i = 0; i < 4; i++)
        fail_checkpoints(*state, faults[i % 2], i >= 2);
}

/* Acknowledged, but never in the file itself: the -wal would grow for ever. */
static void a_wal_that_cannot_be_moved_is_told_by_the_next_checkpoint(void **state) {
    struct data_world *world = *state;
    char why[STORE_WHY_MAX];
    uint64_t seed = 3;
    int worked = 0;

    live_writes = 60;
    data_open(world);
    data_live(world, &twin, 5, 2);
    disk_set(DISK_EIO, 1, true);
    disk.main_only = true;
    while (live_checkpoint(world, &twin, &seed, 10, why))
        worked++;
    assert_true(worked > 0 && worked < 20);
    assert_non_null(strstr(why, "move the WAL into the file"));
    must_tell(why, world->dir, DISK_EIO);
    assert_false(live_checkpoint(world, &twin, &seed, 10, why));
    data_must_be(world, &twin, 100000); /* all that was acknowledged */
    disk_set(DISK_FINE, 0, false);
    assert_true(live_checkpoint(world, &twin, &seed, 10, why));
    data_must_be(world, &twin, 100000);
    data_close(world);
    data_open(world);
    meta_must_be(world->meta, &twin);
    data_must_be(world, &twin, 100000);
}

/* One sync of all of it would keep every other on that disk waiting. */
static void a_large_wal_is_moved_with_a_sync_every_half_a_megabyte(void **state) {
    static char page[4000];
    struct data_world *world = *state;
    struct store_data_job *job;
    long syncs;

    data_open(world);
    world->checkpoint++;
    for (uint32_t number = 0; number < 10000;) {
        job = job_of(world, STORE_DATA_PAGES);
        for (int i = 0; i < 250; i++)
            store_pages_add(&job->pages, 1, number++, page, sizeof(page));
        data_run(world, job);
        assert_false(job->failed);
        store_data_job_free(job);
    }
    assert_in_range(disk.syncs, 60, 110); /* of 40 MB in the -wal, the making before included */
    job = job_of(world, STORE_DATA_COMMIT);
    job->meta = twin_meta(1);
    job->job.next = NULL;
    store_data_run(world->data, &job->job);
    assert_false(job->failed);
    store_data_job_free(job);
    syncs = disk.syncs;
    store_data_run(world->data, NULL);
    assert_in_range(disk.syncs - syncs, 70, 100);
}

/* Made for the first time, and opened with a WAL. */
static void a_data_file_whose_opening_fails_can_be_opened_again(void **state) {
    struct data_world *world = *state;
    struct bytes db, wal;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        data_open(world);
        data_live(world, &twin, 5, 3);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    db = bytes_read(as_world(world), "data-1.db");
    wal = bytes_read(as_world(world), "data-1.db-wal");
    assert_true(wal.length > 0);
    for (int i = 0; i < 4; i++) {
        bool met = true;
        int failures = 0;

        twin_live(&twin, 5, i >= 2 ? 3 : 0);
        for (long at = 1; met; at++) {
            world_empty(as_world(world));
            if (i >= 2) {
                bytes_write(as_world(world), "data-1.db", db);
                bytes_write(as_world(world), "data-1.db-wal", wal);
            }
            disk_set(faults[i % 2], at, true);
            if (data_try_open(world) != STORE_OK) {
                failures++;
                assert_int_equal(world->result, STORE_IO);
                must_tell(world->why, world->dir, faults[i % 2]);
            }
            met = disk.count >= at;
            data_close(world);
            disk_set(DISK_FINE, 0, false);
            data_open(world);
            meta_must_be(world->meta, &twin);
            data_must_be(world, &twin, 100000);
            data_close(world);
        }
        assert_true(failures > (i >= 2 ? 3 : 10));
    }
    free(db.at);
    free(wal.at);
}

/* ---- copies ---------------------------------------------------------------------------------------------- */

/* Every name in the directory, and a checksum of it all: what was there is there, and nothing else. */
static uint32_t directory_sum(struct data_world *world) {
    DIR *dir = opendir(world->dir);
    struct dirent *entry;
    uint32_t sum = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.' && strstr(entry->d_name, "-shm") == NULL) {
            struct bytes file = bytes_read(as_world(world), entry->d_name);

            sum += store_crc32c_text(store_crc32c(0, file.at, file.length), entry->d_name);
            free(file.at);
        }
    closedir(dir);
    return sum;
}

static struct store_copy_job *run_copy(struct data_world *world, enum store_copy_type type) {
    struct store_copy_job *job = store_copy_job_new(type);

    job->generation = 1;
    job->backup_dir = strdup(world->dir);
    strcpy(job->name, "backup.db");
    strcpy(job->id, "s1");
    copy_run(world, job);
    return job;
}

static void remove_one(struct data_world *world, const char *name) {
    char path[2 * WORLD_PATH_MAX];

    world_path(as_world(world), name, path);
    assert_int_equal(unlink(path), 0);
}

static void fail_copies(struct data_world *world, enum store_copy_type type, const char *made,
                        enum disk_fault fault, bool stays) {
    uint32_t before = directory_sum(world);
    bool met = true;
    int failures = 0;

    for (long at = 1; met; at++) {
        struct store_copy_job *job;

        disk_set(fault, at, stays);
        job = run_copy(world, type);
        met = disk.count >= at;
        disk_set(DISK_FINE, 0, false);
        if (job->failed) {
            failures++;
            must_tell(job->why, world->dir, fault);
            if (!stays) /* on a disk that does nothing any more not even a name goes: the next copy removes it */
                assert_int_equal(directory_sum(world), before);
        } else {
            meta_must_be(job->meta, &twin);
            remove_one(world, made);
        }
        store_copy_job_free(job);
        job = run_copy(world, type);
        if (job->failed)
            fail_msg("%s", job->why);
        meta_must_be(job->meta, &twin);
        store_copy_job_free(job);
        remove_one(world, made);
        assert_int_equal(directory_sum(world), before);
    }
    assert_true(failures > 5);
}

static void a_copy_that_fails_leaves_nothing_and_the_next_one_succeeds(void **state) {
    struct data_world *world = *state;

    data_open(world);
    data_live(world, &twin, 1, 5);
    for (size_t i = 0; i < 4; i++) {
        fail_copies(world, STORE_COPY_SNAPSHOT, "snapshot-5.db", faults[i % 2], i >= 2);
        fail_copies(world, STORE_COPY_BACKUP, "backup.db", faults[i % 2], i >= 2);
    }
    data_must_be(world, &twin, 100000);
}

/* ---- nothing grows for ever ------------------------------------------------------------------------------ */

static off_t size_of(const struct world *world, const char *name) {
    char path[2 * WORLD_PATH_MAX];
    struct stat status;

    world_path(world, name, path);
    return stat(path, &status) == 0 ? status.st_size : 0;
}

/* All segments. */
static off_t size_of_log(const struct world *world) {
    off_t bytes = 0;
    char name[64];

    bytes += size_of(world, "raft.db") + size_of(world, "raft.db-wal");
    for (int slot = 1; slot < 100; slot++) {
        snprintf(name, sizeof(name), "raft-%d.db", slot);
        bytes += size_of(world, name);
        snprintf(name, sizeof(name), "raft-%d.db-wal", slot);
        bytes += size_of(world, name);
    }
    return bytes;
}

/* As a node does it: whatever the entries' sizes, when the log is at its limit a checkpoint comes and all but a tail goes. */
static void twenty_times_the_logs_limit_needs_the_space_of_one(void **state) {
    enum { LIMIT = 2 * 1024 * 1024, TAIL = 100 };
    struct world world = *as_world(*state);
    uint64_t written = 0, log_bytes = 0, seed = 1;
    off_t largest = 0;
    raft_index index = 0;
    int compactions = 0;

    world_open(&world);
    store_log_segments(world.log, LIMIT / 8);
    run_well(&world, job_save(1, 1));
    while (written < 20 * (uint64_t)LIMIT) {
        struct store_job *job = job_save(0, 0);

        for (uint64_t i = random_below(&seed, 20); i < 20; i++) {
            size_t length =
                random_below(&seed, 50) == 0 ? random_below(&seed, 100000) : random_below(&seed, 500);

            job_add(job, entry_make(++index, 1, length));
            written += length;
        }
        run_one(&world, job);
        assert_false(job->failed);
        log_bytes = job->log_bytes;
        store_job_free(job);
        if (log_bytes > LIMIT) {
            job = store_job_new(STORE_COMPACT);
            job->through = index - TAIL;
            run_one(&world, job);
            assert_false(job->failed);
            assert_true(job->log_bytes < LIMIT);
            compactions++;
            store_job_free(job);
        }
        if (size_of_log(&world) > largest)
            largest = size_of_log(&world);
    }
    print_message("%.1f MB in a log of at most %.1f MB, %d times compacted: the files had %.1f MB at most\n",
                  (double)written / 1e6, LIMIT / 1e6, compactions, (double)largest / 1e6);
    assert_true(compactions > 10);
    /* The log, the pages that its rows do not fill, a segment that is not free yet, and two that are. */
    assert_true(largest < 2 * LIMIT + 3 * LIMIT / 8);
    world_close(&world);
}

/* The same pages in ever new contents, deleted and written: as many as there are now, plus one checkpoint's. */
static void checkpoints_without_end_need_the_space_of_the_state(void **state) {
    struct data_world *world = *state;
    uint64_t seed = 7, written = 0;
    off_t largest = 0;

    live_writes = 60;
    data_open(world);
    memset(&twin, 0, sizeof(twin));
    for (int i = 0; i < 300; i++) {
        long before = disk.wrote;

        assert_true(live_checkpoint(world, &twin, &seed, 5, NULL));
        written += (uint64_t)(disk.wrote - before);
        if (size_of(as_world(world), "data-1.db") + size_of(as_world(world), "data-1.db-wal") > largest)
            largest = size_of(as_world(world), "data-1.db") + size_of(as_world(world), "data-1.db-wal");
    }
    data_close(world);
    data_open(world);
    meta_must_be(world->meta, &twin);
    print_message("%.1f MB written to a state of %.1f MB: the files had %.1f MB at most\n",
                  (double)written / 1e6, (double)world->meta->bytes / 1e6, (double)largest / 1e6);
    assert_true(written > 20 * world->meta->bytes);
    /* A state has 2,400 pages at most, each in a block, some in five; a WAL of 4 MB and a checkpoint's. */
    assert_true(largest < 2400 * 5000 + 4 * 1024 * 1024 + 300 * 5000 * 2);
}

static void the_disk_says_how_much_it_has(void **state) {
    struct data_world *world = *state;
    uint64_t free_bytes = 0, total = 0;

    assert_true(store_disk_free(world->dir, &free_bytes, &total));
    assert_true(free_bytes > 0 && free_bytes <= total);
    assert_false(store_disk_free("/nowhere/at/all", &free_bytes, &total));
}

int main(void) {
#define TROUBLE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TROUBLE_TEST(the_first_failure_of_the_log_is_its_last_and_loses_nothing),
        TROUBLE_TEST(an_opening_that_fails_can_be_tried_again),
        TROUBLE_TEST(a_checkpoint_fails_whole_and_the_next_one_succeeds),
        TROUBLE_TEST(a_wal_that_cannot_be_moved_is_told_by_the_next_checkpoint),
        TROUBLE_TEST(a_large_wal_is_moved_with_a_sync_every_half_a_megabyte),
        TROUBLE_TEST(a_data_file_whose_opening_fails_can_be_opened_again),
        TROUBLE_TEST(a_copy_that_fails_leaves_nothing_and_the_next_one_succeeds),
        TROUBLE_TEST(twenty_times_the_logs_limit_needs_the_space_of_one),
        TROUBLE_TEST(checkpoints_without_end_need_the_space_of_the_state),
        TROUBLE_TEST(the_disk_says_how_much_it_has),
    };

    return cmocka_run_group_tests_name("store_trouble", tests, NULL, NULL);
}
