/* SPDX-License-Identifier: MIT */
/*
 * A file layer that reads ahead. SQLite reads a page at a time; a start reads whole files, from front to back, the state's twice, and
 * half of what it took were system calls.
 *
 *      file     | . . . . | p q r s | . . . .
 *                           ^         ^
 *                           |         who comes here has read on from the stretch: the next is read at once
 *                           the stretch in memory
 *
 * A read that goes on behind the stretch (or behind a single page) fetches the next stretch with one call; others, of the
 * tree's inner nodes, pass by and leave it alone. SQLite's check of a tree goes from its end to its beginning: the same the other way
 * round, but only for the very next page, since the check of long rows jumps back as well. What is written or cut through the same file
 * drops the stretch, and so does the beginning of a transaction: within one, no other connection may change what it reads of the file or of
 * its WAL's frames (SQLite's locks see to that, or, in the checks, the directory's).
 *
 * A WAL is read like that, too. SQLite reads all its frames to find the last commit, and then, in the rows' order, the pages in them; of the
 * log's a leaf, which was written again with each of its rows and stands ahead, and those rows. So there only the very next page goes on.
 *
 * An error of a stretch is none: the page that is wanted is read by itself, so that only what is needed can fail.
 *
 * It stands on the layer below, whichever has that name when a file is opened, and passes all else on.
 */
#include "internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    STRETCH_BYTES = 64 * 1024, /* SQLite's own layer takes less than 128 KB at once */
    PAGE_BYTES_MIN = 512,      /* whatever is shorter is no page: SQLite reads parts of the header alone */
};

struct sweep_file {
    sqlite3_file file; /* first */
    sqlite3_file *below;
    uint8_t *stretch; /* NULL before the first */
    bool swept;       /* others are not read like that */
    int64_t
        gap;    /* from a page's end to the next page: in a WAL a frame's header, unless it is read as well */
    int64_t at; /* where the stretch begins */
    int64_t length;        /* 0: there is none */
    int64_t next, by_page; /* behind the stretch; behind the last page that passed it by */
};

static sqlite3_file *below(sqlite3_file *file) {
    return ((struct sweep_file *)file)->below;
}

/* ---- reading ahead --------------------------------------------------------------------------------------- */

/* It is the first one behind the stretch; in a WAL it may begin in it. */
static bool goes_on(const struct sweep_file *sweep, int64_t offset, int length) {
    if (sweep->gap > 0)
        return offset > sweep->next - length && offset <= sweep->next + sweep->gap;
    return offset >= sweep->next && offset < sweep->next + STRETCH_BYTES;
}

/* It is the very next one before the stretch; in a WAL it may end in it. */
static bool goes_back(const struct sweep_file *sweep, int64_t offset, int length) {
    return sweep->length > 0 && offset < sweep->at && offset + length + sweep->gap >= sweep->at;
}

/* Where the stretch begins that is to be read for this page, of so many bytes; -1: none is. */
static int64_t stretch_for(const struct sweep_file *sweep, int64_t offset, int length) {
    int64_t behind = offset + length;

    if (goes_on(sweep, offset, length) || (offset >= sweep->by_page && offset <= sweep->by_page + sweep->gap))
        return offset;
    if (goes_back(sweep, offset, length) || behind + sweep->gap == sweep->by_page - length)
        return behind > STRETCH_BYTES ? behind - STRETCH_BYTES : 0;
    return -1;
}

/* As far as the file goes. */
static void fetch(struct sweep_file *sweep, int64_t begin) {
    sqlite3_file *file = sweep->below;
    sqlite3_int64 size = 0;

    sweep->length = 0;
    if (file->pMethods->xFileSize(file, &size) != SQLITE_OK || size <= begin)
        return;
    if (sweep->stretch == NULL && (sweep->stretch = malloc(STRETCH_BYTES)) == NULL)
        abort();
    size = size - begin < STRETCH_BYTES ? size - begin : STRETCH_BYTES;
    if (file->pMethods->xRead(file, sweep->stretch, (int)size, begin) != SQLITE_OK)
        return;
    sweep->at = begin;
    sweep->length = size;
    sweep->next = begin + size;
}

static bool holds(const struct sweep_file *sweep, int64_t offset, int64_t length) {
    return offset >= sweep->at && offset + length <= sweep->at + sweep->length;
}

static int sweep_read(sqlite3_file *file, void *bytes, int length, sqlite3_int64 offset) {
    struct sweep_file *sweep = (struct sweep_file *)file;

    if (sweep->swept && length >= PAGE_BYTES_MIN) {
        int64_t begin = holds(sweep, offset, length) ? -1 : stretch_for(sweep, offset, length);

        if (begin >= 0)
            fetch(sweep, begin);
        if (holds(sweep, offset, length)) {
            memcpy(bytes, sweep->stretch + (offset - sweep->at), (size_t)length);
            return SQLITE_OK;
        }
        sweep->by_page = offset + length;
    }
    return sweep->below->pMethods->xRead(sweep->below, bytes, length, offset);
}

static int sweep_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset) {
    ((struct sweep_file *)file)->length = 0;
    return below(file)->pMethods->xWrite(below(file), bytes, length, offset);
}

static int sweep_truncate(sqlite3_file *file, sqlite3_int64 size) {
    ((struct sweep_file *)file)->length = 0;
    return below(file)->pMethods->xTruncate(below(file), size);
}

/* ---- passing on ------------------------------------------------------------------------------------------ */

static int sweep_close(sqlite3_file *file) {
    struct sweep_file *sweep = (struct sweep_file *)file;
    int result = sweep->below->pMethods->xClose(sweep->below);

    free(sweep->below);
    free(sweep->stretch);
    return result;
}

static int sweep_sync(sqlite3_file *file, int flags) {
    return below(file)->pMethods->xSync(below(file), flags);
}

static int sweep_size(sqlite3_file *file, sqlite3_int64 *size) {
    return below(file)->pMethods->xFileSize(below(file), size);
}

static int sweep_lock(sqlite3_file *file, int level) {
    ((struct sweep_file *)file)->length = 0;
    return below(file)->pMethods->xLock(below(file), level);
}

static int sweep_unlock(sqlite3_file *file, int level) {
    return below(file)->pMethods->xUnlock(below(file), level);
}

static int sweep_reserved(sqlite3_file *file, int *reserved) {
    return below(file)->pMethods->xCheckReservedLock(below(file), reserved);
}

static int sweep_control(sqlite3_file *file, int what, void *argument) {
    return below(file)->pMethods->xFileControl(below(file), what, argument);
}

static int sweep_sector(sqlite3_file *file) {
    return below(file)->pMethods->xSectorSize(below(file));
}

static int sweep_device(sqlite3_file *file) {
    return below(file)->pMethods->xDeviceCharacteristics(below(file));
}

static int sweep_shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **at) {
    return below(file)->pMethods->xShmMap(below(file), region, size, extend, at);
}

/* A transaction begins so: another connection may have moved a -wal into the file since the one before. */
static int sweep_shm_lock(sqlite3_file *file, int offset, int count, int flags) {
    if (flags & SQLITE_SHM_LOCK)
        ((struct sweep_file *)file)->length = 0;
    return below(file)->pMethods->xShmLock(below(file), offset, count, flags);
}

static void sweep_shm_barrier(sqlite3_file *file) {
    below(file)->pMethods->xShmBarrier(below(file));
}

static int sweep_shm_unmap(sqlite3_file *file, int delete) {
    return below(file)->pMethods->xShmUnmap(below(file), delete);
}

/* By the version of what is below; maps of the file (version 3) are not for us. */
#define METHODS(version)                                                                                     \
    {                                                                                                        \
        version, sweep_close, sweep_read, sweep_write, sweep_truncate, sweep_sync, sweep_size, sweep_lock,   \
            sweep_unlock, sweep_reserved, sweep_control, sweep_sector, sweep_device, sweep_shm_map,          \
            sweep_shm_lock, sweep_shm_barrier, sweep_shm_unmap, NULL, NULL                                   \
    }
static const sqlite3_io_methods methods[] = {METHODS(1), METHODS(2)};

/* ---- the layer ------------------------------------------------------------------------------------------- */

static sqlite3_vfs *base(const sqlite3_vfs *vfs) {
    return sqlite3_vfs_find(vfs->pAppData);
}

static int sweep_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out) {
    struct sweep_file *sweep = (struct sweep_file *)file;
    sqlite3_vfs *real = base(vfs);
    int result;

    *sweep = (struct sweep_file){.swept = flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL),
                                 .gap = flags & SQLITE_OPEN_WAL ? STORE_FRAME_HEADER_BYTES : 0,
                                 .by_page = INT64_MIN / 2};
    sweep->below = calloc(1, (size_t)real->szOsFile);
    if (sweep->below == NULL)
        abort();
    result = real->xOpen(real, name, sweep->below, flags, out);
    if (sweep->below->pMethods != NULL)
        file->pMethods = &methods[sweep->below->pMethods->iVersion > 1];
    else
        free(sweep->below);
    return result;
}

static int sweep_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    return base(vfs)->xDelete(base(vfs), name, sync);
}

static int sweep_access(sqlite3_vfs *vfs, const char *name, int flags, int *result) {
    return base(vfs)->xAccess(base(vfs), name, flags, result);
}

static int sweep_full_path(sqlite3_vfs *vfs, const char *name, int length, char *path) {
    return base(vfs)->xFullPathname(base(vfs), name, length, path);
}

static int sweep_randomness(sqlite3_vfs *vfs, int length, char *bytes) {
    return base(vfs)->xRandomness(base(vfs), length, bytes);
}

static int sweep_sleep(sqlite3_vfs *vfs, int microseconds) {
    return base(vfs)->xSleep(base(vfs), microseconds);
}

static int sweep_time(sqlite3_vfs *vfs, double *julian) {
    return base(vfs)->xCurrentTime(base(vfs), julian);
}

static int sweep_last_error(sqlite3_vfs *vfs, int length, char *text) {
    return base(vfs)->xGetLastError(base(vfs), length, text);
}

#define LAYER(name, below)                                                                                   \
    {                                                                                                        \
        .iVersion = 1, .szOsFile = sizeof(struct sweep_file), .mxPathname = 512, .zName = (name),            \
        .pAppData = (below), .xOpen = sweep_open, .xDelete = sweep_delete, .xAccess = sweep_access,          \
        .xFullPathname = sweep_full_path, .xRandomness = sweep_randomness, .xSleep = sweep_sleep,            \
        .xCurrentTime = sweep_time, .xGetLastError = sweep_last_error                                        \
    }

static char unlocked[] = STORE_VFS_UNLOCKED;
static sqlite3_vfs layers[] = {LAYER(STORE_VFS_SWEEP, NULL), LAYER(STORE_VFS_SWEEP_UNLOCKED, unlocked)};

static void add_layers(void) {
    sqlite3_vfs_register(&layers[0], 0);
    sqlite3_vfs_register(&layers[1], 0);
}

void store_sweep_register(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int result = pthread_once(&once, add_layers);

    assert(result == 0);
    (void)result;
}
