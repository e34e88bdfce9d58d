/* SPDX-License-Identifier: MIT */
/*
 * What the tests of data files share: a directory with a raft.db, a data file and a copier in it; a stupid twin that
 * remembers pages by what makes them; a disk that fails or ends the process at its n-th operation.
 *
 * The history is a function of its seed: the state after checkpoint n is known to whoever has lived through n of them.
 */
#ifndef DATA_WORLD_H
#define DATA_WORLD_H

#include "store_world.h"

#include <sqlite3.h>

#include "../src/store/data.h"

#define WORLD_CLUSTER "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1"

struct data_world {
    char dir[WORLD_PATH_MAX];
    struct store_data_wants wants;
    struct store_data *data;
    struct store_meta *meta;
    struct store_copy *copy;
    enum store_result result;
    char why[STORE_WHY_MAX];
    uint64_t checkpoint; /* number of the last attempt */
};

static inline struct world *as_world(struct data_world *world) { /* for its directory's helpers */
    static struct world named;

    memcpy(named.dir, world->dir, sizeof(named.dir));
    return &named;
}

static inline int data_setup(void **state) {
    struct data_world *world = calloc(1, sizeof(*world));
    struct world made;

    assert_non_null(world);
    world_make_in_memory(&made);
    memcpy(world->dir, made.dir, sizeof(world->dir));
    world->wants = (struct store_data_wants){.node = 1, .generation = 1, .last_index = UINT64_MAX};
    strcpy(world->wants.cluster, WORLD_CLUSTER);
    strcpy(world->wants.incarnation, WORLD_INCARNATION);
    world->copy = store_copy_new(world->dir, &world->wants);
    *state = world;
    return 0;
}

static inline enum store_result data_try_open(struct data_world *world) {
    assert_null(world->data);
    store_meta_free(world->meta);
    world->result = store_data_open(world->dir, &world->wants, &world->data, &world->meta, world->why);
    return world->result;
}

static inline void data_open(struct data_world *world) {
    if (data_try_open(world) != STORE_OK)
        fail_msg("%s", world->why);
}

static inline void data_close(struct data_world *world) {
    store_data_close(world->data);
    world->data = NULL;
}

static inline int data_teardown(void **state) {
    struct data_world *world = *state;

    store_data_close(world->data);
    store_meta_free(world->meta);
    store_copy_free(world->copy);
    world_remove(as_world(world));
    free(world);
    return 0;
}

static inline void data_run(struct data_world *world, struct store_data_job *job) {
    job->job.next = NULL;
    store_data_run(world->data, &job->job);
    store_data_run(world->data, NULL);
}

/* -1: there is none. */
static inline off_t data_file_size(struct data_world *world, const char *name) {
    char path[2 * WORLD_PATH_MAX];
    struct stat status;

    world_path(as_world(world), name, path);
    return stat(path, &status) == 0 ? status.st_size : -1;
}

static inline void copy_run(struct data_world *world, struct store_copy_job *job) {
    job->job.next = NULL;
    store_copy_run(world->copy, &job->job);
    store_copy_run(world->copy, NULL);
}

/* ---- the twin -------------------------------------------------------------------------------------------- */

enum { TWIN_OBJECTS = 6, TWIN_NUMBERS = 400 };

struct data_twin {
    uint64_t applied; /* checkpoints lived through */
    struct {
        uint64_t seed; /* of the bytes; 0: there is no such page */
        uint32_t length;
    } cells[TWIN_OBJECTS][TWIN_NUMBERS];
};

/* Spread over the ids that there can be. */
static inline uint64_t twin_object(size_t at) {
    static const uint64_t objects[TWIN_OBJECTS] = {0, 1, 2, 77, 1ull << 30, (1ull << STORE_OBJECT_BITS) - 1};

    return objects[at];
}

static inline uint32_t twin_number(size_t at) {
    return at + 1 == TWIN_NUMBERS ? (1u << STORE_NUMBER_BITS) - 1 : (uint32_t)at;
}

static inline void twin_write(struct data_twin *twin, struct store_data_job *job, uint64_t *seed) {
    static char bytes[20000];
    size_t object = random_below(seed, TWIN_OBJECTS), number = random_below(seed, TWIN_NUMBERS);
    uint32_t length = (uint32_t)(random_below(seed, 20) == 0 ? random_below(seed, sizeof(bytes))
                                                             : random_below(seed, STORE_PAGE_FIT + 1));

    twin->cells[object][number].seed = random_next(seed) | 1;
    twin->cells[object][number].length = length;
    if (job == NULL)
        return;
    fill(bytes, length, twin->cells[object][number].seed);
    store_pages_add(&job->pages, twin_object(object), twin_number(number), bytes, length);
}

static inline void twin_delete(struct data_twin *twin, struct store_data_job *job, uint64_t *seed) {
    size_t object = random_below(seed, TWIN_OBJECTS), number = random_below(seed, TWIN_NUMBERS);
    size_t last = number + random_below(seed, TWIN_NUMBERS - number);

    for (size_t at = number; at <= last; at++)
        twin->cells[object][at].seed = 0;
    if (job != NULL)
        store_data_job_add_delete(job, (struct store_range){twin_object(object), twin_object(object),
                                                            twin_number(number), twin_number(last)});
}

static inline struct store_meta *twin_meta(uint64_t applied) {
    struct store_meta *meta = store_meta_new();
    uint64_t seed = applied;
    char bytes[3000];

    strcpy(meta->cluster, WORLD_CLUSTER);
    strcpy(meta->incarnation, WORLD_INCARNATION);
    meta->applied = applied;
    meta->applied_term = 1 + applied / 4;
    for (uint64_t term = 1; term <= meta->applied_term; term++)
        store_meta_add_term(meta, term, term == 1 ? 1 : 4 * (term - 1));
    meta->clock_ms = random_next(&seed);
    meta->feature_level = applied % 3;
    fill(bytes, sizeof(bytes), applied);
    store_bytes_set(&meta->members, bytes, applied % 300);
    store_bytes_set(&meta->head, bytes, random_below(&seed, sizeof(bytes)));
    store_bytes_set(&meta->digest, bytes, 32);
    return meta;
}

static inline void bytes_must_be(const struct store_bytes *a, const struct store_bytes *b) {
    assert_int_equal(a->length, b->length);
    assert_true(a->length == 0 || memcmp(a->at, b->at, a->length) == 0);
}

/* What a meta that was read says is what was written at that checkpoint. */
static inline void meta_must_be(const struct store_meta *meta, const struct data_twin *twin) {
    struct store_meta *expected = twin_meta(twin->applied);
    uint64_t pages = 0, bytes = 0;

    for (size_t object = 0; object < TWIN_OBJECTS; object++)
        for (size_t number = 0; number < TWIN_NUMBERS; number++)
            if (twin->cells[object][number].seed != 0) {
                pages++;
                bytes += twin->cells[object][number].length;
            }
    assert_int_equal(meta->pages, pages);
    assert_int_equal(meta->bytes, bytes);
    assert_int_equal(meta->applied, twin->applied);
    if (twin->applied > 0) { /* before, it is nobody's but its maker's */
        assert_string_equal(meta->cluster, expected->cluster);
        assert_string_equal(meta->incarnation, expected->incarnation);
        assert_int_equal(meta->applied_term, expected->applied_term);
        assert_int_equal(meta->term_count, expected->term_count);
        assert_memory_equal(meta->terms, expected->terms, meta->term_count * sizeof(*meta->terms));
        assert_int_equal(meta->clock_ms, expected->clock_ms);
        assert_int_equal(meta->feature_level, expected->feature_level);
        bytes_must_be(&meta->members, &expected->members);
        bytes_must_be(&meta->head, &expected->head);
        bytes_must_be(&meta->digest, &expected->digest);
    }
    store_meta_free(expected);
}

static inline struct store_data_job *job_of(struct data_world *world, enum store_data_type type) {
    struct store_data_job *job = store_data_job_new(type);

    job->checkpoint = world->checkpoint;
    return job;
}

/* The pages 0 to `count` - 1 of one object, in jobs of a hundred, for the checkpoint that is begun by it; data_page says what is in one. */
enum { DATA_PAGE_BYTES = 4000, DATA_PAGES_A_JOB = 100 };

static inline const char *data_page(const struct data_world *world, uint32_t number, uint32_t count) {
    static char bytes[DATA_PAGE_BYTES];

    fill(bytes, sizeof(bytes), number + world->checkpoint * count);
    return bytes;
}

static inline void data_put_pages(struct data_world *world, uint32_t count) {
    world->checkpoint++;
    for (uint32_t at = 0; at < count;) {
        struct store_data_job *job = job_of(world, STORE_DATA_PAGES);

        for (int i = 0; i < DATA_PAGES_A_JOB && at < count; i++, at++)
            store_pages_add(&job->pages, 1, at, data_page(world, at, count), DATA_PAGE_BYTES);
        data_run(world, job);
        if (job->failed)
            fail_msg("%s", job->why);
        store_data_job_free(job);
    }
}

static size_t live_writes = 60; /* pages of one job of a checkpoint, at most */
static _Thread_local struct data_twin
    live_next; /* what the last checkpoint was to become, whether it did or not */

/*
 * One checkpoint of so many jobs: lived through by the twin, and by the world when there is one. Returns whether it was
 * committed; then, and without a world, the twin has changed.
 */
static inline bool live_checkpoint(struct data_world *world, struct data_twin *twin, uint64_t *seed,
                                   size_t jobs, char why[STORE_WHY_MAX]) {
    struct data_twin *next = &live_next;
    struct store_data_job *job;
    bool failed = false;

    *next = *twin;
    if (world != NULL)
        world->checkpoint++;
    for (size_t i = 0; i < jobs; i++) {
        size_t writes = 1 + random_below(seed, live_writes);

        job = world != NULL ? job_of(world, STORE_DATA_PAGES) : NULL;
        if (random_below(seed, 4) == 0)
            twin_delete(next, job, seed);
        for (size_t write = 0; write < writes; write++)
            twin_write(next, job, seed);
        if (world == NULL)
            continue;
        data_run(world, job);
        failed = failed || job->failed;
        store_data_job_free(job);
    }
    next->applied = twin->applied + 1;
    if (world != NULL) {
        job = job_of(world, STORE_DATA_COMMIT);
        job->meta = twin_meta(next->applied);
        data_run(world, job);
        assert_true(job->failed || !failed); /* a checkpoint of which a job has failed never commits */
        failed = job->failed;
        if (why != NULL)
            memcpy(why, job->why, STORE_WHY_MAX);
        store_data_job_free(job);
    }
    if (!failed)
        *twin = *next;
    return !failed;
}

static inline size_t history_jobs(uint64_t *seed) {
    return 1 + random_below(seed, 5);
}

/* The state after so many checkpoints. */
static inline void twin_live(struct data_twin *twin, uint64_t seed, uint64_t checkpoints) {
    memset(twin, 0, sizeof(*twin));
    while (twin->applied < checkpoints) {
        size_t jobs = history_jobs(&seed);

        live_checkpoint(NULL, twin, &seed, jobs, NULL);
    }
}

static inline void data_live(struct data_world *world, struct data_twin *twin, uint64_t seed,
                             uint64_t checkpoints) {
    memset(twin, 0, sizeof(*twin));
    while (twin->applied < checkpoints) {
        size_t jobs = history_jobs(&seed);

        if (!live_checkpoint(world, twin, &seed, jobs, world->why))
            fail_msg("%s", world->why);
    }
}

static inline void page_must_be(const struct store_pages *pages, size_t at, const struct data_twin *twin,
                                size_t object, size_t number) {
    const struct store_page *page = &pages->at[at];
    char *bytes = malloc(page->length + 1);

    assert_non_null(bytes);
    assert_int_equal(page->object, twin_object(object));
    assert_int_equal(page->number, twin_number(number));
    assert_int_equal(page->length, twin->cells[object][number].length);
    fill(bytes, page->length, twin->cells[object][number].seed);
    assert_true(page->length == 0 || memcmp(bytes, pages->bytes.at + page->offset, page->length) == 0);
    free(bytes);
}

/* What is loaded is what the twin remembers, in its order, to the last byte. */
static inline void data_must_be(struct data_world *world, const struct data_twin *twin, size_t slice) {
    struct store_data_job *job = NULL;
    size_t at = 0;

    for (size_t object = 0; object < TWIN_OBJECTS; object++)
        for (size_t number = 0; number < TWIN_NUMBERS; number++) {
            if (twin->cells[object][number].seed == 0)
                continue;
            if (job == NULL || at == job->pages.count) {
                bool rewind = job == NULL;

                assert_true(rewind || job->more);
                store_data_job_free(job);
                job = store_data_job_new(STORE_DATA_LOAD);
                job->rewind = rewind;
                job->bytes_max = slice;
                data_run(world, job);
                if (job->failed)
                    fail_msg("%s", job->why);
                assert_true(job->pages.count == 1 || job->pages.bytes.length <= slice);
                assert_true(job->pages.count > 0);
                at = 0;
            }
            page_must_be(&job->pages, at++, twin, object, number);
        }
    assert_true(job == NULL || (at == job->pages.count && !job->more));
    store_data_job_free(job);
}

/* ---- a disk that fails ----------------------------------------------------------------------------------- */

enum disk_fault { DISK_FINE, DISK_EIO, DISK_FULL, DISK_DEATH };

/* Operations that change the disk (writes, syncs, truncations, removals) are counted; the one at `at` meets the fault; those
 * after it too while `stays`. */
static struct {
    enum disk_fault fault;
    bool stays;
    bool main_only; /* only what goes to databases counts, not to their -wal */
    long count, at;
    long wrote; /* bytes */
    long syncs;
    struct {
        sqlite3_file *file;
        long bytes; /* of the blocks written since its last sync; of one behind the other each once */
        sqlite3_int64 last_block;
    } waiting[16];
    long waiting_max; /* bytes that a sync had to carry, or would have had to */
    long cut_max;     /* bytes by which a file was cut at once */
    sqlite3_vfs *real[2], shim[2];
    struct {
        const sqlite3_io_methods *real;
        sqlite3_io_methods shim;
        bool main;
    } methods[8];
} disk;

static inline size_t disk_kind(sqlite3_file *file) {
    size_t i = 0;

    /* By a function that nobody replaces: what is above may have put a table of its own over this one. */
    while (i < 8 && (disk.methods[i].real == NULL || file->pMethods->xClose != disk.methods[i].real->xClose))
        i++;
    assert_true(i < 8);
    return i;
}

/* file: NULL when it is a name that goes. */
/* Its place among those that were written to; the first free one if it was not yet. */
static inline size_t disk_file(sqlite3_file *file) {
    size_t i = 0;

    while (i < 15 && disk.waiting[i].file != file && disk.waiting[i].file != NULL)
        i++;
    disk.waiting[i].file = file;
    return i;
}

static inline int disk_meets(sqlite3_file *file) {
    if (disk.main_only && (file == NULL || !disk.methods[disk_kind(file)].main))
        return SQLITE_OK;
    disk.count++;
    if (disk.fault == DISK_FINE || disk.count < disk.at || (disk.count > disk.at && !disk.stays))
        return SQLITE_OK;
    if (disk.fault == DISK_DEATH)
        _exit(0);
    return disk.fault == DISK_EIO ? SQLITE_IOERR : SQLITE_FULL;
}

static inline const sqlite3_io_methods *disk_real(sqlite3_file *file) {
    return disk.methods[disk_kind(file)].real;
}

static inline long disk_blocks(size_t file, sqlite3_int64 offset, int length) {
    const int block = 4096;
    sqlite3_int64 first = offset / block, last = (offset + length - 1) / block;
    long count =
        (long)(last - first) + (first != disk.waiting[file].last_block || disk.waiting[file].bytes == 0);

    disk.waiting[file].last_block = last;
    return count * block;
}

/* What dies while it writes has written half. */
static inline int disk_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset) {
    int result;

    if (disk.fault != DISK_FINE && disk.count + 1 == disk.at && length > 1)
        disk_real(file)->xWrite(file, bytes, length / 2, offset);
    result = disk_meets(file);
    disk.wrote += length;
    disk.waiting[disk_file(file)].bytes += disk_blocks(disk_file(file), offset, length);
    if (disk.waiting[disk_file(file)].bytes > disk.waiting_max)
        disk.waiting_max = disk.waiting[disk_file(file)].bytes;
    return result != SQLITE_OK ? result : disk_real(file)->xWrite(file, bytes, length, offset);
}

static inline int disk_sync(sqlite3_file *file, int flags) {
    int result = disk_meets(file);

    disk.syncs++;
    disk.waiting[disk_file(file)].bytes = 0;
    return result != SQLITE_OK ? (result == SQLITE_FULL ? SQLITE_FULL : SQLITE_IOERR_FSYNC)
                               : disk_real(file)->xSync(file, flags);
}

static inline int disk_truncate(sqlite3_file *file, sqlite3_int64 size) {
    int result = disk_meets(file);
    sqlite3_int64 before = 0;

    disk_real(file)->xFileSize(file, &before);
    if (before - size > disk.cut_max)
        disk.cut_max = (long)(before - size);
    return result != SQLITE_OK ? SQLITE_IOERR_TRUNCATE : disk_real(file)->xTruncate(file, size);
}

static inline int disk_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                            int *out) {
    sqlite3_vfs *real = disk.real[vfs == &disk.shim[1]];
    int result = real->xOpen(real, name, file, flags, out);
    size_t i = 0;

    if (result != SQLITE_OK || file->pMethods == NULL)
        return result;
    while (disk.methods[i].real != NULL && disk.methods[i].real != file->pMethods)
        i++;
    assert_true(i < 8);
    disk.methods[i].real = file->pMethods;
    disk.methods[i].shim = *file->pMethods;
    disk.methods[i].shim.xWrite = disk_write;
    disk.methods[i].shim.xSync = disk_sync;
    disk.methods[i].shim.xTruncate = disk_truncate;
    disk.methods[i].main = vfs == &disk.shim[0] && (flags & SQLITE_OPEN_MAIN_DB);
    file->pMethods = &disk.methods[i].shim;
    return SQLITE_OK;
}

static inline int disk_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    sqlite3_vfs *real = disk.real[vfs == &disk.shim[1]];
    int result = disk_meets(NULL);

    return result != SQLITE_OK ? SQLITE_IOERR_DELETE : real->xDelete(real, name, sync);
}

static inline void disk_watch_no_more(void) {
    sqlite3_vfs_unregister(&disk.shim[1]);
    sqlite3_vfs_unregister(&disk.shim[0]);
    sqlite3_vfs_register(disk.real[0], 1);
    assert_ptr_equal(sqlite3_vfs_find("unix-none"), disk.real[1]);
}

static inline void disk_watch(void) {
    static const char *const names[2] = {NULL, "unix-none"};

    if (sqlite3_vfs_find(NULL) == &disk.shim[0])
        disk_watch_no_more(); /* a test has failed in between */
    memset(&disk, 0, sizeof(disk));
    for (int i = 0; i < 2; i++) {
        disk.real[i] = sqlite3_vfs_find(names[i]);
        disk.shim[i] = *disk.real[i];
        disk.shim[i].xOpen = disk_open;
        disk.shim[i].xDelete = disk_delete;
        disk.shim[i].pNext = NULL;
    }
    disk.shim[0].zName = "watched";
    assert_int_equal(sqlite3_vfs_register(&disk.shim[0], 1), SQLITE_OK);
    assert_int_equal(sqlite3_vfs_register(&disk.shim[1], 0), SQLITE_OK);
    assert_ptr_equal(sqlite3_vfs_find("unix-none"), &disk.shim[1]);
}

/* From now on: the operation `at` operations ahead (1: the next) meets the fault. */
static inline void disk_set(enum disk_fault fault, long at, bool stays) {
    disk.fault = fault;
    disk.count = 0;
    disk.at = at;
    disk.stays = stays;
    disk.main_only = false;
}

#endif
