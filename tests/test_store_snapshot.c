/* SPDX-License-Identifier: MIT */
/* Snapshots: made while checkpoints go on, sent in fragments, resumed, verified, installed with the log's new beginning; backups. */
#include "data_world.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>

#include "../src/store/internal.h"

static struct data_twin twin, other;

/* The node that a snapshot is sent to: a raft.db, a data file, a copier. */
struct receiver {
    struct world log;
    struct data_world data;
};

static void receiver_open(struct receiver *receiver) {
    world_open(&receiver->log);
    receiver->data.wants = store_data_wants(&receiver->log.boot);
    data_open(&receiver->data);
    if (store_clean(receiver->log.dir, receiver->data.wants.generation, receiver->log.why) != STORE_OK)
        fail_msg("%s", receiver->log.why);
    receiver->data.copy = store_copy_new(receiver->log.dir, &receiver->data.wants);
}

static void receiver_close(struct receiver *receiver) {
    store_copy_free(receiver->data.copy);
    receiver->data.copy = NULL;
    data_close(&receiver->data);
    world_close(&receiver->log);
}

static void receiver_make(struct receiver *receiver) {
    memset(receiver, 0, sizeof(*receiver));
    world_make_in_memory(&receiver->log);
    memcpy(receiver->data.dir, receiver->log.dir, sizeof(receiver->data.dir));
    receiver_open(receiver);
}

static void receiver_remove(struct receiver *receiver) {
    receiver_close(receiver);
    store_meta_free(receiver->data.meta);
    world_remove(&receiver->log);
}

static struct store_copy_job *copy_job(enum store_copy_type type, const char *id) {
    struct store_copy_job *job = store_copy_job_new(type);

    snprintf(job->id, sizeof(job->id), "%s", id);
    job->generation = 1;
    return job;
}

static struct store_copy_job *run_copy(struct data_world *world, struct store_copy_job *job) {
    copy_run(world, job);
    return job;
}

static struct store_copy_job *make_snapshot(struct data_world *world) {
    struct store_copy_job *job = run_copy(world, copy_job(STORE_COPY_SNAPSHOT, ""));

    if (job->failed)
        fail_msg("%s", job->why);
    return job;
}

static uint64_t begin(struct data_world *to, const char *id) {
    struct store_copy_job *job = run_copy(to, copy_job(STORE_COPY_BEGIN, id));
    uint64_t offset = job->offset;

    if (job->failed)
        fail_msg("%s", job->why);
    store_copy_job_free(job);
    return offset;
}

/* Sends one fragment; false when it failed. *offset: how far the other side has come. */
static bool send_fragment(struct data_world *from, struct data_world *to, raft_index index, const char *id,
                          uint64_t *offset, size_t length) {
    struct store_copy_job *read = copy_job(STORE_COPY_READ, ""), *write = copy_job(STORE_COPY_WRITE, id);
    bool sent;

    read->index = index;
    read->offset = *offset;
    read->length = length;
    copy_run(from, read);
    assert_false(read->failed);
    write->offset = *offset;
    write->crc = read->crc;
    write->fragment = read->fragment;
    read->fragment = (struct store_bytes){0};
    store_copy_job_free(read);
    copy_run(to, write);
    sent = !write->failed;
    *offset = write->offset;
    store_copy_job_free(write);
    return sent;
}

static bool send_rest(struct data_world *from, struct data_world *to, const struct store_copy_job *snapshot,
                      const char *id, uint64_t offset, size_t length) {
    while (offset < snapshot->size)
        if (!send_fragment(from, to, snapshot->index, id, &offset, length))
            return false;
    return true;
}

static struct store_copy_job *install(struct data_world *to, const struct store_copy_job *snapshot,
                                      const char *id, uint64_t generation) {
    struct store_copy_job *job = copy_job(STORE_COPY_INSTALL, id);

    job->generation = generation;
    job->size = snapshot->size;
    job->crc = snapshot->crc;
    return run_copy(to, job);
}

/* The whole way, as a node goes it. Returns false at the first failure. */
static bool receive(struct data_world *from, struct receiver *to, const struct store_copy_job *snapshot) {
    struct store_copy_job *job = run_copy(&to->data, copy_job(STORE_COPY_BEGIN, "s1"));
    struct store_job *jobs[2];
    bool worked = !job->failed && send_rest(from, &to->data, snapshot, "s1", job->offset, 50000);

    store_copy_job_free(job);
    if (!worked)
        return false;
    job = install(&to->data, snapshot, "s1", 2);
    worked = !job->failed;
    if (worked)
        meta_must_be(job->meta, &twin);
    store_copy_job_free(job);
    if (!worked)
        return false;
    jobs[0] = job_save(snapshot->meta->applied_term, 0);
    jobs[1] = store_job_new(STORE_RESET);
    jobs[1]->reset.index = snapshot->meta->applied;
    jobs[1]->reset.term = snapshot->meta->applied_term;
    jobs[1]->reset.data = 2;
    run_batch(&to->log, jobs, 2);
    worked = !jobs[0]->failed;
    store_job_free(jobs[0]);
    store_job_free(jobs[1]);
    return worked;
}

/* A start after whatever happened: the old state (nothing) or the new one, whole, and nothing left over. */
static bool must_be_old_or_new(struct receiver *receiver) {
    bool is_new;
    DIR *dir;
    struct dirent *entry;

    receiver_open(receiver);
    is_new = receiver->log.boot.data == 2;
    memset(&other, 0, sizeof(other));
    meta_must_be(receiver->data.meta, is_new ? &twin : &other);
    data_must_be(&receiver->data, is_new ? &twin : &other, 100000);
    assert_int_equal(receiver->log.boot.base_index, is_new ? twin.applied : 0);
    dir = opendir(receiver->log.dir);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        assert_false(strncmp(entry->d_name, is_new ? "data-1" : "data-2", 6) == 0);
        assert_false(strncmp(entry->d_name, "snapshot", 8) == 0);
    }
    closedir(dir);
    return is_new;
}

static void a_snapshot_travels_and_becomes_the_other_nodes_state(void **state) {
    struct data_world *world = *state;
    struct receiver receiver;
    struct store_copy_job *snapshot, *job;

    data_open(world);
    data_live(world, &twin, 1, 7);
    snapshot = make_snapshot(world);
    assert_int_equal(snapshot->index, 7);
    meta_must_be(snapshot->meta, &twin);
    receiver_make(&receiver);
    assert_true(receive(world, &receiver, snapshot));
    data_close(&receiver.data);
    receiver.data.wants = store_data_wants_next(&receiver.data.wants, 2, snapshot->meta, 7);
    data_open(&receiver.data); /* without a restart */
    meta_must_be(receiver.data.meta, &twin);
    data_must_be(&receiver.data, &twin, 100000);
    receiver_close(&receiver);
    assert_true(must_be_old_or_new(&receiver));
    job = copy_job(STORE_COPY_CLEAN, "");
    job->generation = 2;
    copy_run(&receiver.data, job);
    assert_false(job->failed);
    store_copy_job_free(job);
    data_must_be(&receiver.data, &twin, 100000);
    receiver_remove(&receiver);

    job = copy_job(STORE_COPY_DROP, "");
    job->index = snapshot->index;
    copy_run(world, job);
    assert_false(job->failed);
    store_copy_job_free(job);
    job = copy_job(STORE_COPY_READ, "");
    job->index = snapshot->index;
    job->length = 10;
    copy_run(world, job);
    assert_true(job->failed);
    store_copy_job_free(job);
    store_copy_job_free(snapshot);
}

/* On a thread of its own, while checkpoints are written: each copy is the state of one of them. */
static void *make_snapshots(void *context) {
    struct data_world *world = context;

    for (int i = 0; i < 12; i++) {
        struct store_copy_job *job = make_snapshot(world);
        struct data_twin *then = malloc(sizeof(*then));

        assert_non_null(then);
        assert_true(job->index >= 3);
        twin_live(then, 2, job->index);
        meta_must_be(job->meta, then); /* its pages were verified against its sums */
        free(then);
        store_copy_job_free(job);
    }
    return NULL;
}

static void a_snapshot_is_the_last_checkpoint_whatever_is_being_written(void **state) {
    struct data_world *world = *state;
    struct store_copy_job *snapshot;
    struct store_data_job *job;
    uint64_t seed = 2, since = 77;
    pthread_t thread;

    data_open(world);
    memset(&twin, 0, sizeof(twin));
    for (int i = 0; i < 3; i++)
        live_checkpoint(world, &twin, &seed, history_jobs(&seed), NULL);
    world->checkpoint++;
    other = twin;
    job = job_of(world, STORE_DATA_PAGES);
    for (int i = 0; i < 300; i++)
        twin_write(&other, job, &since);
    data_run(world, job);
    assert_false(job->failed);
    store_data_job_free(job);
    snapshot = make_snapshot(world); /* while that transaction is open */
    assert_int_equal(snapshot->index, 3);
    meta_must_be(snapshot->meta, &twin);
    store_copy_job_free(snapshot);
    job = job_of(world, STORE_DATA_ABORT);
    data_run(world, job);
    store_data_job_free(job);

    assert_int_equal(pthread_create(&thread, NULL, make_snapshots, world), 0);
    for (int i = 0; i < 60; i++)
        assert_true(live_checkpoint(world, &twin, &seed, history_jobs(&seed), NULL));
    pthread_join(thread, NULL);
    data_must_be(world, &twin, 100000);
}

static void a_transfer_goes_on_where_it_was_interrupted(void **state) {
    struct data_world *world = *state;
    struct receiver receiver;
    struct store_copy_job *snapshot, *job;
    uint64_t offset, before;

    data_open(world);
    data_live(world, &twin, 1, 4);
    snapshot = make_snapshot(world);
    receiver_make(&receiver);
    assert_int_equal(begin(&receiver.data, "first-1"), 0);
    offset = 0;
    for (int i = 0; i < 3; i++)
        assert_true(send_fragment(world, &receiver.data, snapshot->index, "first-1", &offset, 10007));
    assert_int_equal(offset, 30021);

    offset = 20014; /* one that was there already, one that comes too early */
    assert_false(send_fragment(world, &receiver.data, snapshot->index, "first-1", &offset, 10007));
    assert_int_equal(offset, 30021);
    offset = 40000;
    assert_false(send_fragment(world, &receiver.data, snapshot->index, "first-1", &offset, 10007));
    assert_int_equal(offset, 30021);
    job = copy_job(STORE_COPY_WRITE, "first-1"); /* one that the way has changed */
    job->offset = 30021;
    store_bytes_set(&job->fragment, "fragment", 8);
    copy_run(&receiver.data, job);
    assert_true(job->failed && !job->spoiled);
    assert_non_null(strstr(job->why, "another checksum"));
    store_copy_job_free(job);
    job = install(&receiver.data, snapshot, "first-1", 2); /* too early */
    assert_true(job->failed && !job->spoiled);
    store_copy_job_free(job);

    receiver_close(&receiver);
    receiver_open(&receiver); /* a restart */
    before = begin(&receiver.data, "first-1");
    assert_int_equal(before, 30021);
    assert_true(send_rest(world, &receiver.data, snapshot, "first-1", before, STORE_FRAGMENT_MAX));
    job = install(&receiver.data, snapshot, "first-1", 2);
    assert_false(job->failed);
    meta_must_be(job->meta, &twin);
    store_copy_job_free(job);

    assert_int_equal(begin(&receiver.data, "second"),
                     0); /* another snapshot takes the place of what came before */
    offset = 0;
    assert_true(send_fragment(world, &receiver.data, snapshot->index, "second", &offset, 5000));
    assert_int_equal(begin(&receiver.data, "third"), 0);
    assert_int_equal(begin(&receiver.data, "second"), 0);
    job = run_copy(&receiver.data, copy_job(STORE_COPY_BEGIN, "../raft"));
    assert_true(job->failed);
    store_copy_job_free(job);
    receiver_remove(&receiver);
    store_copy_job_free(snapshot);
}

static void what_came_damaged_is_not_installed(void **state) {
    struct data_world *world = *state;
    struct receiver receiver;
    struct store_copy_job *snapshot, *job;
    uint64_t seed = 1;

    data_open(world);
    data_live(world, &twin, 1, 4);
    snapshot = make_snapshot(world);
    receiver_make(&receiver);
    for (int round = 0; round < 40; round++) {
        struct bytes file;
        uint64_t generation = 2 + (uint64_t)round;
        bool lie = round % 2; /* the sender's checksum is of what has come */

        assert_true(
            send_rest(world, &receiver.data, snapshot, "s", begin(&receiver.data, "s"), STORE_FRAGMENT_MAX));
        file = bytes_read(&receiver.log, "incoming-s.db.tmp");
        assert_int_equal(file.length, snapshot->size);
        assert_true(file.length > 0);
        file.at[random_below(&seed, file.length)] ^= (uint8_t)(1u << random_below(&seed, 8));
        bytes_write(&receiver.log, "incoming-s.db.tmp", file);
        if (lie) {
            struct store_copy_job bent = *snapshot;

            bent.crc = store_crc32c(0, file.at, file.length);
            job = install(&receiver.data, &bent, "s", generation);
        } else {
            job = install(&receiver.data, snapshot, "s", generation);
            assert_true(job->spoiled);
        }
        assert_true(job->failed == job->spoiled);
        if (job->spoiled)
            assert_int_equal(begin(&receiver.data, "s"), 0);
        free(file.at);
        store_copy_job_free(job);
    }
    strcpy(receiver.data.wants.cluster, "another");
    store_copy_free(receiver.data.copy);
    receiver.data.copy = store_copy_new(receiver.data.dir, &receiver.data.wants);
    assert_true(
        send_rest(world, &receiver.data, snapshot, "s", begin(&receiver.data, "s"), STORE_FRAGMENT_MAX));
    job = install(&receiver.data, snapshot, "s", 99);
    assert_true(job->failed && job->spoiled);
    assert_non_null(strstr(job->why, "another cluster"));
    store_copy_job_free(job);
    receiver_remove(&receiver);
    store_copy_job_free(snapshot);
}

/* ---- between any two steps ------------------------------------------------------------------------------- */

static void a_death_while_a_snapshot_comes_in_leaves_the_old_state_or_the_new(void **state) {
    struct data_world *world = *state;
    struct receiver receiver;
    struct store_copy_job *snapshot;
    int olds = 0, news = 0, status = 0;

    data_open(world);
    data_live(world, &twin, 1, 5);
    snapshot = make_snapshot(world);
    receiver_make(&receiver);
    receiver_close(&receiver);
    disk_watch();
    for (long at = 1; status == 0; at++) {
        pid_t child;

        disk_set(DISK_FINE, 0, false);
        world_empty(&receiver.log);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            disk_set(DISK_FINE, 0, false);
            receiver_open(&receiver);
            disk_set(DISK_DEATH, at, false);
            if (!receive(world, &receiver, snapshot))
                _exit(43);
            receiver_close(&receiver);
            _exit(42);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        status = WEXITSTATUS(status);
        assert_true(status == 0 || status == 42);
        if (must_be_old_or_new(&receiver)) {
            news++;
        } else {
            olds++;
            assert_true(receive(world, &receiver, snapshot)); /* what was begun is gone on with */
        }
        receiver_close(&receiver);
        assert_true(must_be_old_or_new(&receiver));
        receiver_close(&receiver);
    }
    disk_watch_no_more();
    print_message("%d deaths left the old state, %d the new\n", olds, news);
    assert_true(olds > 10 && news > 2);
    receiver_open(&receiver);
    receiver_remove(&receiver);
    store_copy_job_free(snapshot);
}

/* Whatever interrupted work has left goes at the start; what is nobody's leftover, and what was coming in, stays. */
static void leftovers_are_removed_at_start(void **state) {
    static const char *const goes[] = {"data-2.db",         "data-2.db-wal",        "data-2.db-shm",
                                       "data-11.db",        "data-1.db.tmp",        "data-1.db.tmp-wal",
                                       "data-2.db.tmp",     "snapshot-7.db",        "snapshot-new.db.tmp",
                                       "snapshot-7.db.tmp", "data-1.db.tmp-journal"};
    static const char *const stays[] = {"incoming-a-1.db.tmp", "notes", "data", "data-.db", "data-old.db"};
    struct data_world *world = *state;
    char path[2 * WORLD_PATH_MAX], why[STORE_WHY_MAX];
    struct bytes byte = {(uint8_t *)strdup("x"), 1};

    data_open(world);
    data_live(world, &twin, 1, 3);
    for (size_t i = 0; i < sizeof(goes) / sizeof(goes[0]); i++)
        bytes_write(as_world(world), goes[i], byte);
    for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++)
        bytes_write(as_world(world), stays[i], byte);
    assert_int_equal(store_clean(world->dir, 1, why), STORE_OK);
    for (size_t i = 0; i < sizeof(goes) / sizeof(goes[0]); i++) {
        world_path(as_world(world), goes[i], path);
        if (access(path, F_OK) == 0)
            fail_msg("%s is still there", path);
    }
    for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++) {
        world_path(as_world(world), stays[i], path);
        if (access(path, F_OK) != 0)
            fail_msg("%s is gone", path);
    }
    data_must_be(world, &twin, 100000);
    free(byte.at);
}

static void whatever_fails_once_the_copy_succeeds_next_time(void **state) {
    static const enum disk_fault faults[] = {DISK_EIO, DISK_FULL};
    struct data_world *world = *state;
    struct store_copy_job *job;
    int failures = 0, worked = 0;

    data_open(world);
    data_live(world, &twin, 1, 3);
    disk_watch();
    for (long at = 1; worked < 2; at += 1 + at / 10) {
        disk_set(faults[at % 2], at, false);
        job = run_copy(world, copy_job(STORE_COPY_SNAPSHOT, ""));
        if (disk.count < at)
            worked++;
        failures += job->failed;
        assert_true(!job->failed || strstr(job->why, world->dir) != NULL);
        disk_set(DISK_FINE, 0, false);
        assert_true(job->failed || disk.count < at || job->meta != NULL);
        store_copy_job_free(job);
        job = make_snapshot(world);
        meta_must_be(job->meta, &twin);
        store_copy_job_free(job);
    }
    assert_true(failures > 5);
    disk_watch_no_more();
    data_must_be(world, &twin, 100000);
}

static void a_failed_fragment_is_sent_again(void **state) {
    static const enum disk_fault faults[] = {DISK_EIO, DISK_FULL};
    struct data_world *world = *state;
    struct receiver receiver;
    struct store_copy_job *snapshot;

    data_open(world);
    data_live(world, &twin, 1, 3);
    snapshot = make_snapshot(world);
    disk_watch();
    for (int i = 0; i < 2; i++) {
        int failures = 0;
        bool met = true;

        receiver_make(&receiver);
        for (long at = 1; met; at++) {
            disk_set(faults[i], at, false);
            failures += !receive(world, &receiver, snapshot);
            met = disk.count >= at;
            disk_set(DISK_FINE, 0, false);
            receiver_close(&receiver);
            if (!must_be_old_or_new(&receiver))
                assert_true(receive(world, &receiver, snapshot));
            receiver_close(&receiver);
            world_empty(&receiver.log);
            receiver_open(&receiver);
        }
        assert_true(failures > 10);
        receiver_remove(&receiver);
    }
    disk_watch_no_more();
    store_copy_job_free(snapshot);
}

/* Leaves so many bytes of the file system that is mounted there. */
static void leave_free(const struct data_world *world, uint64_t bytes) {
    uint64_t free_bytes, total;
    char options[64];

    assert_true(store_disk_free(world->dir, &free_bytes, &total));
    snprintf(options, sizeof(options), "size=%lluk", (unsigned long long)(total - free_bytes + bytes) / 1024);
    assert_int_equal(mount("tmpfs", world->dir, "tmpfs", MS_REMOUNT, options), 0);
}

static void a_full_disk_fails_the_copy_and_says_so(void **state) {
    struct data_world *world = *state;
    struct store_copy_job *job;
    uint64_t before, after, total;

    if (mount("tmpfs", world->dir, "tmpfs", 0, "size=64m,mode=700") != 0) {
        print_message("skipped: a small file system cannot be mounted here: %s\n", strerror(errno));
        skip();
    }
    data_open(world);
    data_live(world, &twin, 1, 14);
    leave_free(world, 1000000);
    assert_true(store_disk_free(world->dir, &before, &total));
    job = run_copy(world, copy_job(STORE_COPY_SNAPSHOT, ""));
    assert_true(job->failed);
    assert_non_null(strstr(job->why, "the disk is full"));
    assert_non_null(strstr(job->why, world->dir));
    store_copy_job_free(job);
    assert_true(store_disk_free(world->dir, &after, &total));
    assert_in_range(after, before - 100000, before); /* nothing is left lying about */
    leave_free(world, 64000000);
    store_copy_job_free(make_snapshot(world));
    data_close(world);
    assert_int_equal(umount(world->dir), 0);
}

/* ---- backups --------------------------------------------------------------------------------------------- */

static struct store_copy_job *run_backup(struct data_world *world, const char *name) {
    struct store_copy_job *job = copy_job(STORE_COPY_BACKUP, "");

    job->backup_dir = strdup(world->dir);
    snprintf(job->name, sizeof(job->name), "%s", name);
    return run_copy(world, job);
}

static void a_backup_is_a_file_that_any_sqlite_reads(void **state) {
    static const char *const bad[] = {"", ".", "..", "a/b", "../a", ".hidden", "a b", "ä"};
    struct data_world *world = *state;
    struct store_copy_job *job;
    struct bytes before, after;
    char path[2 * WORLD_PATH_MAX];
    int64_t pages = 0;
    sqlite3 *db;

    data_open(world);
    data_live(world, &twin, 1, 3);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        job = run_backup(world, bad[i]);
        assert_true(job->failed);
        assert_non_null(strstr(job->why, "no name for a backup"));
        store_copy_job_free(job);
    }
    job = run_backup(world, "today-1.db");
    assert_false(job->failed);
    meta_must_be(job->meta, &twin);
    world_path(as_world(world), "today-1.db", path);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(store_sql_number(db, "SELECT count(*) FROM pages", &pages), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(pages, job->meta->pages);
    store_copy_job_free(job);
    before = bytes_read(as_world(world), "today-1.db");
    job = run_backup(world, "today-1.db");
    assert_true(job->failed);
    assert_non_null(strstr(job->why, "is there already"));
    store_copy_job_free(job);
    after = bytes_read(as_world(world), "today-1.db");
    assert_true(bytes_equal(before, after));
    free(before.at);
    free(after.at);
    job = copy_job(STORE_COPY_BACKUP, "");
    job->backup_dir = strdup("/nowhere/at/all");
    strcpy(job->name, "x");
    copy_run(world, job);
    assert_true(job->failed);
    assert_non_null(strstr(job->why, "/nowhere/at/all/x"));
    store_copy_job_free(job);
}

static void a_backup_becomes_a_new_cluster(void **state) {
    struct data_world *world = *state;
    struct receiver receiver;
    struct store_identity identity = {.node = 1, .member_count = 1};
    char path[2 * WORLD_PATH_MAX], why[STORE_WHY_MAX];
    struct store_bytes members = {(uint8_t *)strdup("me"), 2};
    struct store_job *job;

    strcpy(identity.cluster, "new");
    strcpy(identity.incarnation, WORLD_INCARNATION);
    identity.members[0].id = 1;
    data_open(world);
    data_live(world, &twin, 1, 9);
    store_copy_job_free(run_backup(world, "b.db"));
    world_path(as_world(world), "b.db", path);
    memset(&receiver, 0, sizeof(receiver));
    world_make_in_memory(&receiver.log);
    memcpy(receiver.data.dir, receiver.log.dir, sizeof(receiver.data.dir));
    assert_int_equal(store_restore(path, receiver.log.dir, &identity, &members, 0, why), STORE_OK);
    receiver_open(&receiver);
    assert_string_equal(receiver.log.boot.identity.cluster, "new");
    assert_int_equal(receiver.log.boot.base_index, 9);
    assert_int_equal(receiver.log.boot.raft.last_index, 9);
    assert_string_equal(receiver.data.meta->cluster, "new");
    assert_int_equal(receiver.data.meta->applied, 9);
    assert_int_equal(receiver.data.meta->members.length, 2);
    data_must_be(&receiver.data, &twin, 100000);
    job = job_save(4, 1); /* and its log goes on */
    job_add(job, entry_make(10, 4, 10));
    run_well(&receiver.log, job);
    receiver_close(&receiver);
    assert_int_equal(store_restore(path, receiver.log.dir, &identity, &members, 0, why), STORE_FOREIGN);
    assert_non_null(strstr(why, "raft.db is there"));
    receiver_open(&receiver);
    assert_int_equal(receiver.log.boot.raft.last_index, 10);
    receiver_close(&receiver);

    world_empty(&receiver.log); /* a damaged one */
    {
        struct bytes file = bytes_read(as_world(world), "b.db");

        assert_non_null(file.at);
        file.at[file.length / 2] ^= 1;
        bytes_write(as_world(world), "b.db", file);
        free(file.at);
    }
    assert_int_equal(store_restore(path, receiver.log.dir, &identity, NULL, 0, why), STORE_DAMAGED);
    assert_non_null(strstr(why, "b.db"));
    assert_int_equal(world_empty(&receiver.log), 0);
    receiver_open(&receiver);
    receiver_remove(&receiver);
    free(members.at);
}

int main(void) {
#define DATA_TEST(name) cmocka_unit_test_setup_teardown(name, data_setup, data_teardown)
    const struct CMUnitTest tests[] = {
        DATA_TEST(a_snapshot_travels_and_becomes_the_other_nodes_state),
        DATA_TEST(a_snapshot_is_the_last_checkpoint_whatever_is_being_written),
        DATA_TEST(a_transfer_goes_on_where_it_was_interrupted),
        DATA_TEST(what_came_damaged_is_not_installed),
        DATA_TEST(a_death_while_a_snapshot_comes_in_leaves_the_old_state_or_the_new),
        DATA_TEST(leftovers_are_removed_at_start),
        DATA_TEST(whatever_fails_once_the_copy_succeeds_next_time),
        DATA_TEST(a_failed_fragment_is_sent_again),
        DATA_TEST(a_full_disk_fails_the_copy_and_says_so),
        DATA_TEST(a_backup_is_a_file_that_any_sqlite_reads),
        DATA_TEST(a_backup_becomes_a_new_cluster),
    };

    return cmocka_run_group_tests_name("store_snapshot", tests, NULL, NULL);
}
