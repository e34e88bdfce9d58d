/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the store share: a temporary directory with a store in it, a stupid twin that remembers in memory
 * what the store must remember on the disk, a seeded history that both live through, and the files' bytes.
 *
 * The history is a function of its seed: a child process lives through it and dies without closing; the parent
 * lets a twin live through the same and knows what must come back.
 */
#ifndef STORE_WORLD_H
#define STORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../src/store/store.h"

#define WORLD_INCARNATION "0123456789abcdef0123456789abcdef01234567"
#define WORLD_PATH_MAX    256

struct world {
    char dir[WORLD_PATH_MAX];
    struct store_log *log;
    struct store_boot boot;
    enum store_result result;
    char why[STORE_WHY_MAX];
    char told[STORE_WHY_MAX]; /* by a job that went well; "" */
};

/* ---- chance ---------------------------------------------------------------------------------------------- */

static inline uint64_t random_next(uint64_t *seed) { /* splitmix64 */
    uint64_t z = *seed += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static inline uint64_t random_below(uint64_t *seed, uint64_t limit) {
    return random_next(seed) % limit;
}

/* ---- directories, files ---------------------------------------------------------------------------------- */

static inline void world_make_in(struct world *world, const char *otherwise) {
    const char *tmp = getenv("TMPDIR");

    memset(world, 0, sizeof(*world));
    snprintf(world->dir, sizeof(world->dir), "%s/redraft-store-XXXXXX", tmp != NULL ? tmp : otherwise);
    assert_non_null(mkdtemp(world->dir));
}

static inline void world_make(struct world *world) {
    world_make_in(world, "/tmp");
}

/* Where a sync costs nothing: for tests that write files by the thousand and to whom the disk does not matter. */
static inline void world_make_in_memory(struct world *world) {
    world_make_in(world, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

/* How often a test that tries at random tries: REDRAFT_FLIPS=1000 in the environment makes it ten times as often. */
static inline int tries(int count) {
    const char *percent = getenv("REDRAFT_FLIPS");

    return percent != NULL ? (int)((long)count * atol(percent) / 100) : count;
}

static inline void world_path(const struct world *world, const char *name, char path[2 * WORLD_PATH_MAX]) {
    snprintf(path, 2 * WORLD_PATH_MAX, "%s/%s", world->dir, name);
}

/* Removes the directory's files; returns how many there were. */
static inline int world_empty(const struct world *world) {
    DIR *dir = opendir(world->dir);
    struct dirent *entry;
    char path[2 * WORLD_PATH_MAX];
    int count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.') {
            world_path(world, entry->d_name, path);
            assert_int_equal(unlink(path), 0);
            count++;
        }
    closedir(dir);
    return count;
}

static inline void world_remove(const struct world *world) {
    world_empty(world);
    assert_int_equal(rmdir(world->dir), 0);
}

struct bytes {
    uint8_t *at; /* NULL: no such file */
    size_t length;
};

static inline struct bytes bytes_read(const struct world *world, const char *name) {
    struct bytes bytes = {0};
    char path[2 * WORLD_PATH_MAX];
    struct stat status;
    FILE *file;

    world_path(world, name, path);
    file = fopen(path, "rb");
    if (file == NULL)
        return bytes;
    assert_int_equal(fstat(fileno(file), &status), 0);
    bytes.length = (size_t)status.st_size;
    bytes.at = malloc(bytes.length + 1);
    assert_non_null(bytes.at);
    assert_int_equal(fread(bytes.at, 1, bytes.length, file), bytes.length);
    fclose(file);
    return bytes;
}

static inline void bytes_write(const struct world *world, const char *name, struct bytes bytes) {
    char path[2 * WORLD_PATH_MAX];
    FILE *file;

    if (bytes.at == NULL)
        return;
    world_path(world, name, path);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.at, 1, bytes.length, file), bytes.length);
    assert_int_equal(fclose(file), 0);
}

static inline struct bytes bytes_copy(struct bytes from) {
    struct bytes copy = {malloc(from.length + 1), from.length};

    assert_non_null(copy.at);
    memcpy(copy.at, from.at, from.length);
    return copy;
}

static inline bool bytes_equal(struct bytes a, struct bytes b) {
    if (a.at == NULL || b.at == NULL)
        return a.at == b.at;
    return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

enum { FILE_DB, FILE_WAL, FILE_MARK, FILE_COUNT };
static const char *const file_names[FILE_COUNT] = {"raft.db", "raft.db-wal", "raft.db-acked"};

/* All that a node leaves behind. */
struct image {
    struct bytes files[FILE_COUNT];
};

static inline struct image image_read(const struct world *world) {
    struct image image;

    for (int i = 0; i < FILE_COUNT; i++)
        image.files[i] = bytes_read(world, file_names[i]);
    return image;
}

static inline void image_write(const struct world *world, const struct image *image) {
    world_empty(world);
    for (int i = 0; i < FILE_COUNT; i++)
        bytes_write(world, file_names[i], image->files[i]);
}

static inline void image_free(struct image *image) {
    for (int i = 0; i < FILE_COUNT; i++)
        free(image->files[i].at);
}

/* The directory holds exactly these files, bit for bit, and nothing beside them. */
static inline void image_must_stand(const struct world *world, const struct image *image) {
    struct image now = image_read(world);
    int expected = 0, count = 0;
    DIR *dir = opendir(world->dir);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.';
    closedir(dir);
    for (int i = 0; i < FILE_COUNT; i++) {
        assert_true(bytes_equal(now.files[i], image->files[i]));
        expected += image->files[i].at != NULL;
    }
    assert_int_equal(count, expected);
    image_free(&now);
}

/* Reads that the process has asked the system for. */
static inline long read_calls(void) {
    char text[512] = "";
    FILE *file = fopen("/proc/self/io", "r");
    size_t length = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
    const char *at = strstr(text, "syscr: ");

    assert_true(length > 0 && at != NULL);
    fclose(file);
    return strtol(at + 7, NULL, 10);
}

/* ---- opening --------------------------------------------------------------------------------------------- */

static inline enum store_result world_open_as(struct world *world, raft_id node) {
    world->result =
        store_log_open(world->dir, node, WORLD_INCARNATION, &world->log, &world->boot, world->why);
    return world->result;
}

static inline void world_open(struct world *world) {
    if (world_open_as(world, 1) != STORE_OK)
        fail_msg("%s", world->why);
}

static inline void world_close(struct world *world) {
    store_log_close(world->log);
    world->log = NULL;
}

static inline void world_reopen(struct world *world) {
    world_close(world);
    world_open(world);
}

/* For a test of one log: the directory is there, the log is not open yet. */
static inline int world_setup(void **state) {
    struct world *world = malloc(sizeof(*world));

    assert_non_null(world);
    world_make(world);
    *state = world;
    return 0;
}

static inline int world_teardown(void **state) {
    struct world *world = *state;

    store_log_close(world->log);
    world_remove(world);
    free(world);
    return 0;
}

/* ---- jobs ------------------------------------------------------------------------------------------------ */

static inline void fill(char *bytes, size_t length, uint64_t seed) {
    for (size_t i = 0; i < length; i++) {
        if (i % 8 == 0)
            random_next(&seed);
        bytes[i] = (char)(seed >> (i % 8 * 8));
    }
}

static inline struct raft_entry entry_make(raft_index index, raft_term term, size_t length) {
    struct raft_entry entry = {index, term, RAFT_ENTRY_COMMAND, raft_blob_new(length)};

    fill(entry.data->bytes, length, index * 1000003 + term);
    return entry;
}

static inline void job_add(struct store_job *job, struct raft_entry entry) {
    job->entries.at = realloc(job->entries.at, (job->entries.count + 1) * sizeof(entry));
    assert_non_null(job->entries.at);
    job->entries.at[job->entries.count++] = entry;
}

static inline struct store_job *job_save(raft_term term, raft_id vote) {
    struct store_job *job = store_job_new(STORE_SAVE);

    job->has_vote = term != 0;
    job->vote = (struct raft_vote){term, vote};
    return job;
}

static inline struct store_job *job_read(raft_index from, raft_index to, size_t bytes_max) {
    struct store_job *job = store_job_new(STORE_READ);

    job->fetch = (struct raft_fetch){.from = from, .to = to, .bytes_max = bytes_max};
    return job;
}

/* Runs jobs as one batch, then housekeeping, as a worker does. */
static inline void run_batch(struct world *world, struct store_job **jobs, size_t count) {
    for (size_t i = 0; i < count; i++)
        jobs[i]->job.next = i + 1 < count ? &jobs[i + 1]->job : NULL;
    store_log_run(world->log, &jobs[0]->job);
    store_log_run(world->log, NULL);
}

static inline void run_one(struct world *world, struct store_job *job) {
    run_batch(world, &job, 1);
}

/* Runs it, which must work, and frees it. */
static inline void run_well(struct world *world, struct store_job *job) {
    run_one(world, job);
    if (job->failed)
        fail_msg("%s", job->why);
    if (job->why[0] != '\0')
        strcpy(world->told, job->why);
    store_job_free(job);
}

static inline void save_bytes(struct world *world, raft_index *last, size_t length) {
    struct store_job *job = job_save(0, 0);

    job_add(job, entry_make(++*last, 1, length));
    run_well(world, job);
}

static inline void compact_through(struct world *world, raft_index through) {
    struct store_job *job = store_job_new(STORE_COMPACT);

    job->through = through;
    run_well(world, job);
}

/* Writes until each segment (of 1 MB) has been used before, and another has just been begun: its first commit syncs the WAL's header, too. Returns the log's
 * last entry; *first: its first one. */
static inline raft_index log_go_round(struct world *world, const long *syncs, raft_index *first) {
    raft_index last = 0;

    store_log_segments(world->log, 1024 * 1024);
    run_well(world, job_save(1, 1));
    while (last < 500) {
        save_bytes(world, &last, 10000);
        if (last % 50 == 0)
            compact_through(world, last - 10);
    }
    *first = last - 9;
    for (long before = *syncs; *syncs < before + 2;) {
        before = *syncs;
        save_bytes(world, &last, 1);
    }
    return last;
}

/* ---- the twin -------------------------------------------------------------------------------------------- */

enum { TWIN_ENTRIES_MAX = 4096 };

/* Entries are remembered by what makes them: see entry_make. A term is what it was made with. */
struct twin {
    raft_term term;
    raft_id vote;
    size_t count;
    raft_term terms[TWIN_ENTRIES_MAX + 1]; /* at the entry's index */
    size_t lengths[TWIN_ENTRIES_MAX + 1];
    struct store_identity identity;
};

static inline void twin_init(struct twin *twin) {
    memset(twin, 0, sizeof(*twin));
    twin->identity.node = 1;
    snprintf(twin->identity.incarnation, sizeof(twin->identity.incarnation), "%s", WORLD_INCARNATION);
}

/* It is large. Free it. */
static inline struct twin *twin_new(void) {
    struct twin *twin = malloc(sizeof(*twin));

    assert_non_null(twin);
    twin_init(twin);
    return twin;
}

static inline void twin_obey(struct twin *twin, const struct store_job *job) {
    if (job->type == STORE_IDENTITY)
        twin->identity = *job->identity;
    if (job->has_vote) {
        twin->term = job->vote.term;
        twin->vote = job->vote.vote;
    }
    for (size_t i = 0; i < job->entries.count; i++) {
        const struct raft_entry *entry = &job->entries.at[i];

        assert_true(entry->index <= TWIN_ENTRIES_MAX);
        twin->count = (size_t)entry->index;
        twin->terms[entry->index] = entry->term;
        twin->lengths[entry->index] = entry->data->length;
    }
}

static inline void entry_must_be(const struct raft_entry *entry, raft_index index, const struct twin *twin) {
    struct raft_entry expected = entry_make(index, twin->terms[index], twin->lengths[index]);

    assert_int_equal(entry->index, index);
    assert_int_equal(entry->term, expected.term);
    assert_int_equal(entry->type, RAFT_ENTRY_COMMAND);
    assert_non_null(entry->data);
    assert_int_equal(entry->data->length, expected.data->length);
    assert_true(memcmp(entry->data->bytes, expected.data->bytes, expected.data->length) == 0);
    raft_blob_unref(expected.data);
}

/* The table of terms says of every entry what the twin says. */
static inline void terms_must_be(const struct raft_boot *boot, const struct twin *twin) {
    size_t row = 0;

    for (raft_index index = 1; index <= twin->count; index++) {
        while (row + 1 < boot->term_count && boot->terms[row + 1].first_index <= index)
            row++;
        assert_true(row < boot->term_count && boot->terms[row].first_index <= index);
        assert_int_equal(boot->terms[row].term, twin->terms[index]);
    }
    assert_true(twin->count > 0 || boot->term_count == 0);
}

static inline void identity_must_be(const struct store_identity *identity,
                                    const struct store_identity *expected) {
    assert_int_equal(identity->node, expected->node);
    assert_string_equal(identity->incarnation, expected->incarnation);
    assert_string_equal(identity->cluster, expected->cluster);
    assert_int_equal(identity->member_count, expected->member_count);
    for (size_t i = 0; i < expected->member_count; i++) {
        assert_int_equal(identity->members[i].id, expected->members[i].id);
        assert_string_equal(identity->members[i].address, expected->members[i].address);
        assert_string_equal(identity->members[i].incarnation, expected->members[i].incarnation);
    }
}

static inline bool boot_is(const struct store_boot *boot, const struct twin *twin) {
    return boot->raft.term == twin->term && boot->raft.vote == twin->vote &&
           boot->raft.last_index == twin->count;
}

/* A store that was just opened holds what the twin does, to the last byte. */
static inline void world_must_be(struct world *world, const struct twin *twin) {
    struct store_job *job = job_read(1, UINT64_MAX, SIZE_MAX);
    uint64_t bytes = 0;

    assert_true(boot_is(&world->boot, twin));
    assert_int_equal(world->boot.raft.applied, 0);
    assert_int_equal(world->boot.first_index, twin->count > 0 ? 1 : 0);
    identity_must_be(&world->boot.identity, &twin->identity);
    terms_must_be(&world->boot.raft, twin);
    run_one(world, job);
    assert_false(job->failed);
    assert_int_equal(job->entries.count, twin->count);
    for (size_t i = 0; i < twin->count; i++) {
        entry_must_be(&job->entries.at[i], i + 1, twin);
        bytes += twin->lengths[i + 1];
    }
    assert_int_equal(world->boot.log_bytes, bytes);
    assert_int_equal(job->log_bytes, bytes);
    store_job_free(job);
}

/* ---- the history ----------------------------------------------------------------------------------------- */

static inline struct store_job *history_identity(const struct twin *twin, uint64_t *seed) {
    struct store_job *job = store_job_new(STORE_IDENTITY);

    job->identity = malloc(sizeof(*job->identity));
    assert_non_null(job->identity);
    *job->identity = twin->identity;
    snprintf(job->identity->cluster, sizeof(job->identity->cluster), "%040llx",
             (unsigned long long)random_next(seed));
    job->identity->member_count = 3;
    for (size_t i = 0; i < 3; i++) {
        struct store_member *member = &job->identity->members[i];

        memset(member, 0, sizeof(*member));
        member->id = i + 1;
        snprintf(member->address, sizeof(member->address), "10.0.0.%zu:710%zu", i + 1, i + 1);
        snprintf(member->incarnation, sizeof(member->incarnation), "%040llx",
                 (unsigned long long)random_next(seed));
    }
    return job;
}

/* Mostly appends; now and then a new term, and an end of the log that is overwritten in it. */
static inline struct store_job *history_save(const struct twin *twin, uint64_t *seed) {
    bool elected = twin->term == 0 || random_below(seed, 12) == 0;
    raft_term term = twin->term + elected;
    struct store_job *job = job_save(elected ? term : 0, elected ? random_below(seed, 4) : 0);
    raft_index index = twin->count + 1;
    size_t count = random_below(seed, 5);

    if (elected && twin->count > 0) {
        uint64_t cut = random_below(seed, twin->count < 20 ? twin->count : 20);

        index -= cut;
        count += cut > 0; /* a log gets shorter only by being overwritten */
    }
    if (!elected && count == 0)
        count = 1;
    for (size_t i = 0; i < count; i++) {
        size_t length = random_below(seed, 10) == 0 ? random_below(seed, 9000) : random_below(seed, 300);

        job_add(job, entry_make(index + i, term, length));
    }
    return job;
}

/* One batch: obeyed by the twin, and by the store when there is one. */
static inline void history_step(struct world *world, struct twin *twin, uint64_t *seed) {
    struct store_job *jobs[3];
    size_t count = 1 + random_below(seed, 3);

    for (size_t i = 0; i < count; i++) {
        jobs[i] = random_below(seed, 40) == 0 ? history_identity(twin, seed) : history_save(twin, seed);
        twin_obey(twin, jobs[i]);
    }
    if (world != NULL)
        run_batch(world, jobs, count);
    for (size_t i = 0; i < count; i++) {
        assert_false(jobs[i]->failed);
        store_job_free(jobs[i]);
    }
}

static inline void history_live(struct world *world, struct twin *twin, uint64_t seed, size_t steps) {
    twin_init(twin);
    for (size_t i = 0; i < steps; i++)
        history_step(world, twin, &seed);
}

/* A child lives through it and dies without closing. */
static inline void history_die(struct world *world, uint64_t seed, size_t steps) {
    struct twin *twin;
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        twin = malloc(sizeof(*twin));
        if (twin == NULL || world_open_as(world, 1) != STORE_OK)
            _exit(1);
        history_live(world, twin, seed, steps);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
