/* SPDX-License-Identifier: MIT */
/* Checkpoints on a real disk: what was committed comes back whole; what failed never was, and the next may succeed. */
#include "data_world.h"

#include <errno.h>
#include <signal.h>
#include <sys/mount.h>

#include "../src/store/internal.h"

static struct data_twin twin; /* large */

/* ---- what comes back ------------------------------------------------------------------------------------- */

static void a_new_file_is_the_state_before_the_first_entry(void **state) {
    struct data_world *world = *state;

    memset(&twin, 0, sizeof(twin));
    for (int round = 0; round < 2; round++) {
        data_open(world);
        meta_must_be(world->meta, &twin);
        assert_string_equal(world->meta->cluster, WORLD_CLUSTER);
        assert_string_equal(world->meta->incarnation, WORLD_INCARNATION);
        data_must_be(world, &twin, 1000);
        data_close(world);
    }
}

static void a_copy_of_a_meta_is_its_own(void **state) {
    struct store_meta *meta = twin_meta(23), *copy = store_meta_copy(meta);

    (void)state;
    meta->pages = meta->bytes = 0;
    copy->pages = copy->bytes = 0;
    memset(&twin, 0, sizeof(twin));
    twin.applied = 23;
    store_meta_add_term(meta, 1000, 1000);
    store_bytes_set(&meta->members, "x", 1);
    store_meta_free(meta);
    meta_must_be(copy, &twin);
    store_meta_add_term(copy, 1000, 1000);
    assert_int_equal(copy->terms[copy->term_count - 1].term, 1000);
    store_meta_free(copy);
}

static void a_meta_knows_the_term_of_each_entry_it_holds(void **state) {
    struct store_meta *meta = store_meta_new();

    (void)state;
    assert_int_equal(store_meta_term_at(meta, 1), 0);
    store_meta_add_term(meta, 3, 5); /* what came before is forgotten */
    store_meta_add_term(meta, 4, 6);
    store_meta_add_term(meta, 9, 20);
    meta->applied = 25;
    assert_int_equal(store_meta_term_at(meta, 4), 0);
    assert_int_equal(store_meta_term_at(meta, 5), 3);
    assert_int_equal(store_meta_term_at(meta, 6), 4);
    assert_int_equal(store_meta_term_at(meta, 19), 4);
    assert_int_equal(store_meta_term_at(meta, 20), 9);
    assert_int_equal(store_meta_term_at(meta, 25), 9);
    assert_int_equal(store_meta_term_at(meta, 26), 0);
    store_meta_free(meta);
}

static void everything_committed_comes_back_after_a_restart(void **state) {
    struct data_world *world = *state;

    for (uint64_t seed = 1; seed <= 4; seed++) {
        world_empty(as_world(world));
        world->checkpoint = 0;
        data_open(world);
        data_live(world, &twin, seed, 12);
        data_close(world);
        data_open(world);
        meta_must_be(world->meta, &twin);
        data_must_be(world, &twin, seed == 1 ? 1 : seed == 2 ? 1000000000 : 30000);
        data_close(world);
    }
}

/* Killed at any moment of any checkpoint: the state of the last one acknowledged, or of the one that was under way. */
static void a_death_leaves_the_old_state_or_the_new(void **state) {
    struct data_world *world = *state;
    uint64_t chance = 8;

    for (int round = 0; round < tries(15); round++) {
        uint64_t acknowledged = 0, seed = 100;
        int ends[2];
        pid_t child;

        world_empty(as_world(world));
        assert_int_equal(pipe(ends), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            data_open(world);
            memset(&twin, 0, sizeof(twin));
            while (live_checkpoint(world, &twin, &seed, history_jobs(&seed), NULL))
                if (write(ends[1], &twin.applied, sizeof(twin.applied)) < 0)
                    break;
            _exit(0);
        }
        usleep((useconds_t)(3000 + random_below(&chance, 60000)));
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        close(ends[1]);
        while (read(ends[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged)) {}
        close(ends[0]);
        data_open(world);
        assert_in_range(world->meta->applied, acknowledged, acknowledged + 1);
        twin_live(&twin, 100, world->meta->applied);
        meta_must_be(world->meta, &twin);
        data_must_be(world, &twin, 100000);
        data_close(world);
    }
}

/* More than SQLite's cache holds, as one checkpoint; not committed. */
static void write_much(struct data_world *world) {
    static const char page[4000];
    struct store_data_job *job;

    world->checkpoint++;
    for (uint32_t at = 0; at < 6000; at += 100) {
        job = job_of(world, STORE_DATA_PAGES);
        for (uint32_t number = at; number < at + 100; number++)
            store_pages_add(&job->pages, 3, number, page, sizeof(page));
        data_run(world, job);
        assert_false(job->failed);
        store_data_job_free(job);
    }
}

static void a_checkpoint_given_up_never_was(void **state) {
    struct data_world *world = *state;
    uint64_t seed = 3;

    data_open(world);
    data_live(world, &twin, 1, 3);
    for (int round = 0; round < 3; round++) {
        struct store_data_job *job;

        write_much(world);
        assert_true(data_file_size(world, "data-1.db-wal") > 4000000);
        job = job_of(world, STORE_DATA_ABORT);
        data_run(world, job);
        assert_false(job->failed);
        store_data_job_free(job);
        assert_true(data_file_size(world, "data-1.db-wal") < 4000000); /* its space is there again */
        data_must_be(world, &twin, 100000);
        assert_true(live_checkpoint(world, &twin, &seed, 2, NULL));
        data_must_be(world, &twin, 100000);
    }
    data_close(world);
    data_open(world);
    meta_must_be(world->meta, &twin);
    data_must_be(world, &twin, 100000);
}

/* ---- failures -------------------------------------------------------------------------------------------- */

/* The n-th operation on the disk fails, for each n: the job says so, and the next checkpoint succeeds. */
static void fail_everywhere(struct data_world *world, enum disk_fault fault) {
    int failures = 0, rounds = 0;
    bool met = true;

    for (long at = 1; met; at += 1 + at / 4, rounds++) {
        uint64_t seed = 9;
        char why[STORE_WHY_MAX];

        world_empty(as_world(world));
        disk_set(DISK_FINE, 0, false);
        data_open(world);
        data_live(world, &twin, 5, 2);
        disk_set(fault, at, false);
        for (int i = 0; i < 6; i++)
            if (!live_checkpoint(world, &twin, &seed, 3, why)) {
                failures++;
                assert_non_null(strstr(why, world->dir));
                assert_non_null(strstr(why, fault == DISK_EIO ? "I/O" : "full"));
            }
        met = disk.count >= at;
        data_must_be(world, &twin, 100000);
        data_close(world);
        data_open(world);
        meta_must_be(world->meta, &twin);
        data_must_be(world, &twin, 100000);
        data_close(world);
    }
    print_message("failed at each of %d moments: %d checkpoints failed\n", rounds, failures);
    assert_true(failures > 10 && failures < rounds + 1); /* one each: the next one succeeds */
}

static void whatever_fails_once_the_next_checkpoint_succeeds(void **state) {
    disk_watch();
    fail_everywhere(*state, DISK_EIO);
    fail_everywhere(*state, DISK_FULL);
    disk_watch_no_more();
}

/* The process ends at its n-th operation, half of a write done, for each n; also while it opens. */
static void whenever_it_dies_the_state_is_whole(void **state) {
    struct data_world *world = *state;
    bool died = true;
    int deaths = 0;

    disk_watch();
    for (long at = 1; died; at += 1 + at / 8, deaths++) {
        int ends[2];
        pid_t child;
        uint64_t acknowledged = 0;

        world_empty(as_world(world));
        assert_int_equal(pipe(ends), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            uint64_t seed = 5;

            disk_set(DISK_DEATH, at, false);
            data_open(world);
            memset(&twin, 0, sizeof(twin));
            while (twin.applied < 8) {
                live_checkpoint(world, &twin, &seed, history_jobs(&seed), NULL);
                if (write(ends[1], &twin.applied, sizeof(twin.applied)) < 0)
                    _exit(1);
            }
            data_close(world);
            _exit(42);
        }
        assert_int_equal(close(ends[1]), 0);
        while (read(ends[0], &acknowledged, sizeof(acknowledged)) == sizeof(acknowledged)) {}
        close(ends[0]);
        {
            int status;

            assert_int_equal(waitpid(child, &status, 0), child);
            died = WIFEXITED(status) && WEXITSTATUS(status) == 0;
            assert_true(died || (WIFEXITED(status) && WEXITSTATUS(status) == 42));
        }
        disk_set(DISK_FINE, 0, false);
        data_open(world);
        assert_in_range(world->meta->applied, acknowledged, acknowledged + 1);
        twin_live(&twin, 5, world->meta->applied);
        meta_must_be(world->meta, &twin);
        data_must_be(world, &twin, 100000);
        data_close(world);
    }
    disk_watch_no_more();
    assert_true(deaths > 30);
}

static void a_full_disk_fails_the_checkpoint_and_the_retry_succeeds(void **state) {
    struct data_world *world = *state;
    char why[STORE_WHY_MAX], remount[64];
    uint64_t seed = 4, free_bytes, total;
    int failures = 0;

    if (mount("tmpfs", world->dir, "tmpfs", 0, "size=5m,mode=700") != 0) {
        print_message("skipped: a small file system cannot be mounted here: %s\n", strerror(errno));
        skip();
    }
    data_open(world);
    data_live(world, &twin, 2, 1);
    assert_true(store_disk_free(world->dir, &free_bytes, &total));
    assert_true(free_bytes <= 5 * 1024 * 1024 && total == 5 * 1024 * 1024);
    for (int i = 0; i < 20; i++)
        failures += !live_checkpoint(world, &twin, &seed, 8, why);
    assert_true(failures > 5);
    assert_non_null(strstr(why, "the disk is full"));
    data_must_be(world, &twin, 100000);
    snprintf(remount, sizeof(remount), "size=64m");
    assert_int_equal(mount("tmpfs", world->dir, "tmpfs", MS_REMOUNT, remount), 0);
    assert_true(live_checkpoint(world, &twin, &seed, 8, why));
    data_must_be(world, &twin, 100000);
    data_close(world);
    data_open(world);
    meta_must_be(world->meta, &twin);
    data_must_be(world, &twin, 100000);
    data_close(world);
    assert_int_equal(umount(world->dir), 0);
}

/* ---- refusals -------------------------------------------------------------------------------------------- */

static void must_refuse(struct data_world *world, enum store_result result, const char *words) {
    assert_int_equal(data_try_open(world), result);
    assert_null(world->data);
    if (strstr(world->why, words) == NULL || strstr(world->why, world->dir) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", world->why, words);
}

static void a_state_that_does_not_fit_the_log_is_refused(void **state) {
    struct data_world *world = *state;

    data_open(world);
    data_live(world, &twin, 1, 5); /* entry 5, of term 2 */
    data_close(world);
    world->wants.base_index = 6;
    world->wants.base_term = 2;
    must_refuse(world, STORE_DAMAGED, "the log begins after entry 6");
    world->wants.base_index = 5;
    world->wants.base_term = 3;
    must_refuse(world, STORE_DAMAGED, "of term 3");
    world->wants.base_index = 0;
    world->wants.base_term = 0;
    world->wants.last_index = 4;
    must_refuse(world, STORE_DAMAGED, "the log ends with entry 4");
    world->wants.last_index = 5;
    world->wants.cluster[0] = 'd';
    must_refuse(world, STORE_FOREIGN, "another cluster");
    world->wants.cluster[0] = 'c';
    data_open(world);
    data_close(world);
    world->wants.generation = 2;
    must_refuse(world, STORE_DAMAGED, "is gone");
    world->wants.generation = 1;
    world_empty(as_world(world));
    world->wants.base_index = 1;
    must_refuse(world, STORE_DAMAGED, "is gone");
}

static void a_state_of_a_higher_level_is_refused(void **state) {
    struct data_world *world = *state;
    struct bytes before, after;

    data_open(world);
    data_live(world, &twin, 1, 5); /* which has it at level 2 */
    data_close(world);
    world->wants.level_max = 1;
    before = bytes_read(as_world(world), "data-1.db");
    must_refuse(world, STORE_FOREIGN, "the state is of feature level 2, and up to 1 is offered here");
    after = bytes_read(as_world(world), "data-1.db");
    assert_true(bytes_equal(before, after));
    free(before.at);
    free(after.at);
    world->wants.level_max = 2;
    data_open(world);
    assert_int_equal(world->meta->feature_level, 2);
}

static void another_programs_file_is_refused(void **state) {
    struct data_world *world = *state;
    char path[2 * WORLD_PATH_MAX];
    struct bytes before, after;
    sqlite3 *db;

    world_path(as_world(world), "data-1.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (x)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    before = bytes_read(as_world(world), "data-1.db");
    must_refuse(world, STORE_FOREIGN, "another program");
    after = bytes_read(as_world(world), "data-1.db");
    assert_true(bytes_equal(before, after));
    free(before.at);
    free(after.at);
}

/* The words name the file and say what to do. */
static void must_advise(const struct data_world *world, const char *why) {
    static const char *const advice[] = {"Replace this node: move", "is dir right?", "or replace the node"};
    bool advised = false;

    for (size_t i = 0; i < sizeof(advice) / sizeof(advice[0]); i++)
        advised = advised || strstr(why, advice[i]) != NULL;
    if (!advised || strstr(why, "data-1.db") == NULL || strstr(why, world->dir) == NULL ||
        strstr(why, "nothing was changed") == NULL)
        fail_msg("\"%s\" does not say which file, or what to do", why);
}

/* True when the load, or the opening, has found it, and changed nothing; else what was loaded must be right. */
static bool finds_damage(struct data_world *world, struct bytes file) {
    bool more = true, found = false, rewind = true;
    struct bytes after;

    world_empty(as_world(world));
    bytes_write(as_world(world), "data-1.db", file);
    if (data_try_open(world) != STORE_OK) {
        must_advise(world, world->why);
        after = bytes_read(as_world(world), "data-1.db");
        assert_true(bytes_equal(file, after));
        free(after.at);
        assert_int_equal(world_empty(as_world(world)), 1);
        return true;
    }
    while (more && !found) {
        struct store_data_job *job = store_data_job_new(STORE_DATA_LOAD);

        job->rewind = rewind;
        job->bytes_max = 100000;
        data_run(world, job);
        more = job->more;
        found = job->failed;
        rewind = false;
        assert_true(found == job->damaged);
        if (found)
            must_advise(world, job->why);
        store_data_job_free(job);
    }
    if (!found)
        data_must_be(world, &twin, 100000);
    data_close(world);
    after = bytes_read(as_world(world), "data-1.db");
    assert_true(!found || bytes_equal(file, after));
    free(after.at);
    return found;
}

static void a_flip_anywhere_is_found_or_harmless(void **state) {
    struct data_world *world = *state;
    struct bytes whole;
    uint64_t seed = 6;
    int found = 0;

    data_open(world);
    data_live(world, &twin, 1, 3);
    data_close(world);
    whole = bytes_read(as_world(world), "data-1.db");
    for (int round = 0; round < tries(300); round++) {
        struct bytes bent = bytes_copy(whole);

        if (round % 10 == 9)
            bent.length = random_below(&seed, bent.length - 1);
        else
            bent.at[random_below(&seed, round % 3 == 0 ? 8192 : bent.length)] ^=
                (uint8_t)(1u << random_below(&seed, 8));
        found += finds_damage(world, bent);
        free(bent.at);
    }
    print_message("%d of %d found\n", found, tries(300));
    assert_true(found > tries(300) / 3);
    free(whole.at);
}

/* A write that the disk has dropped leaves an old block, whole in itself. */
static void an_old_block_is_found(void **state) {
    struct data_world *world = *state;
    struct bytes old, new;
    uint64_t seed = 6;
    int tried = 0, found = 0;

    data_open(world);
    data_live(world, &twin, 1, 6);
    data_close(world);
    old = bytes_read(as_world(world), "data-1.db");
    data_open(world);
    assert_true(live_checkpoint(world, &twin, &seed, 3, NULL));
    data_close(world);
    new = bytes_read(as_world(world), "data-1.db");
    for (size_t at = STORE_PAGE_BYTES; at + STORE_PAGE_BYTES <= old.length && at < new.length;
         at += STORE_PAGE_BYTES) {
        struct bytes bent;

        if (memcmp(old.at + at, new.at + at, STORE_PAGE_BYTES) == 0)
            continue;
        bent = bytes_copy(new);
        memcpy(bent.at + at, old.at + at, STORE_PAGE_BYTES);
        found += finds_damage(world,
                              bent); /* or what is loaded is right: a block that holds nothing that counts */
        free(bent.at);
        tried++;
    }
    print_message("%d of %d found\n", found, tried);
    assert_true(found > 30);
    free(old.at);
    free(new.at);
}

/* ---- the -wal -------------------------------------------------------------------------------------------- */

enum { WAL_HEADER = 32, WAL_FRAME = 24 + STORE_PAGE_BYTES };

/* What a process leaves that dies after so many checkpoints: the file and its -wal. */
struct remains {
    struct bytes db, wal;
    size_t frames;      /* committed */
    size_t last_commit; /* frames before the last checkpoint's */
};

static struct remains live_and_die(struct data_world *world, uint64_t checkpoints) {
    struct remains remains = {0};
    pid_t child;

    world_empty(as_world(world));
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        data_open(world);
        data_live(world, &twin, 5, checkpoints);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    remains.db = bytes_read(as_world(world), "data-1.db");
    remains.wal = bytes_read(as_world(world), "data-1.db-wal");
    assert_true(remains.wal.length > WAL_HEADER);
    for (size_t at = 1; WAL_HEADER + at * WAL_FRAME <= remains.wal.length; at++) {
        const uint8_t *frame = remains.wal.at + WAL_HEADER + (at - 1) * WAL_FRAME;

        if (memcmp(frame + 8, remains.wal.at + 16, 8) != 0)
            break; /* of an earlier round */
        if (memcmp(frame + 4, "\0\0\0\0", 4) != 0) {
            remains.last_commit = remains.frames;
            remains.frames = at;
        }
    }
    assert_true(remains.last_commit > 0 && remains.frames > remains.last_commit + 10);
    return remains;
}

static void put_back(struct data_world *world, const struct remains *remains, struct bytes wal) {
    world_empty(as_world(world));
    bytes_write(as_world(world), "data-1.db", remains->db);
    bytes_write(as_world(world), "data-1.db-wal", wal);
}

/* What it holds is in no other file. */
static void a_wal_that_a_start_finds_outlives_a_checkpoint_that_is_given_up(void **state) {
    struct data_world *world = *state;
    struct remains remains = live_and_die(world, 3);
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        struct store_data_job *job;

        data_open(world);
        write_much(world);
        job = job_of(world, STORE_DATA_ABORT);
        data_run(world, job);
        _exit(job->failed);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(data_file_size(world, "data-1.db-wal"), WAL_HEADER + remains.frames * WAL_FRAME);
    twin_live(&twin, 5, 3);
    data_open(world);
    meta_must_be(world->meta, &twin);
    data_must_be(world, &twin, 100000);
    free(remains.db.at);
    free(remains.wal.at);
}

/* A start waits for what it loads, and nobody for the moving. */
static void a_wal_that_a_start_finds_is_moved_when_all_is_loaded(void **state) {
    struct data_world *world = *state;
    struct store_data_job *job;
    off_t length;
    int slices = 0, status;
    bool more = true;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        data_open(world);
        write_much(world);
        job = job_of(world, STORE_DATA_COMMIT);
        job->meta = twin_meta(1);
        job->job.next = NULL;
        store_data_run(world->data, &job->job);
        _exit(job->failed);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    length = data_file_size(world, "data-1.db-wal");
    assert_true(length > 6000 * WAL_FRAME);
    data_open(world);
    for (; more; slices++) {
        assert_int_equal(data_file_size(world, "data-1.db-wal"), length);
        job = store_data_job_new(STORE_DATA_LOAD);
        job->rewind = slices == 0;
        job->bytes_max = 1 << 20;
        data_run(world, job);
        assert_false(job->failed);
        more = job->more;
        store_data_job_free(job);
    }
    assert_true(slices > 20);
    assert_int_equal(data_file_size(world, "data-1.db-wal"), 0);
}

/* The machine stops in the last checkpoint's sync: any of its blocks may be missing, or its end. */
static void a_torn_wal_is_the_checkpoint_before(void **state) {
    struct data_world *world = *state;
    struct remains remains = live_and_die(world, 3);
    size_t from = WAL_HEADER + remains.last_commit * WAL_FRAME, to = WAL_HEADER + remains.frames * WAL_FRAME;
    uint64_t seed = 1, olds = 0;

    for (int round = 0; round < tries(60); round++) {
        struct bytes wal = bytes_copy(remains.wal);

        if (round % 3 == 0)
            wal.length = from + random_below(&seed, to - from);
        else
            for (size_t at = from; at < to; at += 512)
                if (random_below(&seed, 8) == 0)
                    memset(wal.at + at, 0, at + 512 < to ? 512 : to - at);
        put_back(world, &remains, wal);
        free(wal.at);
        data_open(world);
        assert_in_range(world->meta->applied, 2, 3);
        olds += world->meta->applied == 2;
        twin_live(&twin, 5, world->meta->applied);
        meta_must_be(world->meta, &twin);
        data_must_be(world, &twin, 100000);
        data_close(world);
    }
    assert_true(olds > (uint64_t)tries(60) / 2);
    free(remains.db.at);
    free(remains.wal.at);
}

/* Nothing that a machine's stop leaves looks like this: later commits stand behind it. */
static void a_wal_damaged_before_its_last_commit_is_refused(void **state) {
    struct data_world *world = *state;
    struct remains remains = live_and_die(world, 3);
    uint64_t seed = 1;

    for (int round = 0; round < tries(60); round++) {
        struct bytes wal = bytes_copy(remains.wal), after;

        wal.at[random_below(&seed, WAL_HEADER + remains.last_commit * WAL_FRAME)] ^=
            (uint8_t)(1u << random_below(&seed, 8));
        put_back(world, &remains, wal);
        assert_int_equal(data_try_open(world), STORE_DAMAGED);
        must_advise(world, world->why);
        assert_non_null(strstr(world->why, "data-1.db-wal: "));
        after = bytes_read(as_world(world), "data-1.db-wal");
        assert_true(bytes_equal(wal, after));
        free(after.at);
        after = bytes_read(as_world(world), "data-1.db");
        assert_true(bytes_equal(remains.db, after));
        free(after.at);
        free(wal.at);
        assert_int_equal(world_empty(as_world(world)), 2);
    }
    free(remains.db.at);
    free(remains.wal.at);
}

int main(void) {
#define DATA_TEST(name) cmocka_unit_test_setup_teardown(name, data_setup, data_teardown)
    const struct CMUnitTest tests[] = {
        DATA_TEST(a_new_file_is_the_state_before_the_first_entry),
        DATA_TEST(a_copy_of_a_meta_is_its_own),
        DATA_TEST(a_meta_knows_the_term_of_each_entry_it_holds),
        DATA_TEST(everything_committed_comes_back_after_a_restart),
        DATA_TEST(a_death_leaves_the_old_state_or_the_new),
        DATA_TEST(a_checkpoint_given_up_never_was),
        DATA_TEST(whatever_fails_once_the_next_checkpoint_succeeds),
        DATA_TEST(whenever_it_dies_the_state_is_whole),
        DATA_TEST(a_full_disk_fails_the_checkpoint_and_the_retry_succeeds),
        DATA_TEST(a_state_that_does_not_fit_the_log_is_refused),
        DATA_TEST(a_state_of_a_higher_level_is_refused),
        DATA_TEST(another_programs_file_is_refused),
        DATA_TEST(a_flip_anywhere_is_found_or_harmless),
        DATA_TEST(an_old_block_is_found),
        DATA_TEST(a_wal_that_a_start_finds_outlives_a_checkpoint_that_is_given_up),
        DATA_TEST(a_wal_that_a_start_finds_is_moved_when_all_is_loaded),
        DATA_TEST(a_torn_wal_is_the_checkpoint_before),
        DATA_TEST(a_wal_damaged_before_its_last_commit_is_refused),
    };

    return cmocka_run_group_tests_name("store_data", tests, NULL, NULL);
}
