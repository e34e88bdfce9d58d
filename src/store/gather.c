/* SPDX-License-Identifier: MIT */
/*
 * Fewer and larger system calls below SQLite, for the -wal of a segment.
 *
 * SQLite writes a frame of its WAL by two calls, 24 bytes and a page. On a commit's way to the disk that is more than the disk itself. So the
 * open WAL of a segment's connection gets a table of functions that stands before its own: a write goes into memory, and from there to
 * the file in one piece, at the sync.
 *
 *      file      ... in the file ...|
 *      memory                   [ block | unwritten ---->          ]
 *                               base    written         end         held_max
 *
 * Where the file was written before (the zeros of a new segment, the frames of one that begins again), a commit goes straight to the disk, in
 * whole blocks (straight.c): what stands before it in its first block is kept in memory and written over with itself, what stands behind it in the
 * last one means nothing, for a WAL ends with its last commit. What is written for the first time goes through the system's cache, block by
 * block: the system caches a large write as one large piece, and afterwards calls all of it dirty, and counts it as written, for each byte
 * that changes in it.
 *
 * A commit that is larger than the memory goes straight in parts, the whole blocks of each, and a sync follows the last one.
 *
 * SQLite goes on where it stopped, but for one case: a transaction that is larger than what its cache may become writes a page twice, goes
 * back to the first of them and sums up all frames from there on. What does not go on is written to its place at once, and such a commit
 * takes the ordinary way, for there something stands behind it.
 *
 * What a crash leaves is what it left before: between two syncs the system may write what it likes in any order, and a write that waits
 * here has merely not come yet. Everything is written before a sync, and a sync with nothing to make durable is none: the
 * system would flush the disk for it all the same. A write that fails shows at the sync, and fails the commit.
 */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    WRITE_MAX = 64 * 1024,        /* SQLite's file layer writes less than 128 KB at once */
    BLOCK = STORE_STRAIGHT_BYTES, /* of the system's cache, too */
};

struct store_gather {
    sqlite3_io_methods methods; /* first: the file's pMethods is the layer */
    const sqlite3_io_methods *own;
    uint8_t *held;                   /* bytes [base, end) of the file; NULL: sealed, all calls go through */
    int64_t held_max;                /* there is room for so many */
    int64_t base;                    /* a block's */
    int64_t written, end;            /* what is before `written` is in the file, what is before `end` waits */
    int64_t reached;                 /* as far as the file was ever written */
    int64_t top;                     /* as far as it was written through this layer */
    bool unsynced;                   /* written to the file, and not synced since */
    struct store_straight *straight; /* the way past the system's cache; NULL: there is none */
    sqlite3_file *file;
};

static struct store_gather *gather_of(sqlite3_file *file) {
    return (struct store_gather *)(uintptr_t)file->pMethods;
}

/* ---- what waits -------------------------------------------------------------------------------------------- */

static int64_t block_of(int64_t at) {
    return at - at % BLOCK;
}

/* Forgets what is in the file, but for the block that the rest begins in. */
static void slide(struct store_gather *gather) {
    int64_t base = block_of(gather->written);

    memmove(gather->held, gather->held + (base - gather->base), (size_t)(gather->end - base));
    gather->base = base;
}

/* How much of what waits goes at once through the system's cache. */
static int64_t part_of(const struct store_gather *gather) {
    int64_t at = gather->written, left = gather->end - at;
    int64_t most = at < gather->reached ? gather->reached - at : BLOCK - at % BLOCK;

    if (most > WRITE_MAX)
        most = WRITE_MAX;
    return left < most ? left : most;
}

/* Writes what waits. */
static int flush(struct store_gather *gather) {
    int result = SQLITE_OK;

    if (gather->written == gather->end)
        return SQLITE_OK;
    gather->unsynced = true;
    while (gather->written < gather->end && result == SQLITE_OK) {
        int64_t part = part_of(gather);

        result = gather->own->xWrite(gather->file, gather->held + (gather->written - gather->base), (int)part,
                                     gather->written);
        gather->written += part;
    }
    gather->written = gather->end; /* what failed is not tried again: the commit has failed */
    if (gather->end > gather->reached)
        gather->reached = gather->end;
    slide(gather);
    return result;
}

/* What is there as far as `end` was written before, and nothing of this transaction stands behind what waits. */
static bool can_go_straight(const struct store_gather *gather, int64_t end) {
    return gather->straight != NULL && end <= gather->reached && gather->end >= gather->top;
}

/* What waits, durably: by this write, if it is all that is to be. SQLITE_NOTFOUND: not that way. */
static int flush_straight(struct store_gather *gather) {
    int64_t begin = block_of(gather->written), end = block_of(gather->end + BLOCK - 1);
    int result;

    if (gather->written == gather->end || !can_go_straight(gather, end))
        return SQLITE_NOTFOUND;
    memset(gather->held + (gather->end - gather->base), 0, (size_t)(end - gather->end));
    result = (gather->unsynced ? store_straight_put : store_straight_write)(
        gather->straight, gather->held + (begin - gather->base), (size_t)(end - begin), begin);
    if (result == SQLITE_NOTFOUND)
        return result;
    gather->written = gather->end;
    slide(gather);
    return result;
}

/* The whole blocks of what waits, with more to come. SQLITE_NOTFOUND: not that way. */
static int flush_blocks(struct store_gather *gather) {
    int64_t begin = block_of(gather->written), end = block_of(gather->end);
    int result;

    if (begin == end || !can_go_straight(gather, end))
        return SQLITE_NOTFOUND;
    result = store_straight_put(gather->straight, gather->held + (begin - gather->base),
                                (size_t)(end - begin), begin);
    if (result == SQLITE_NOTFOUND)
        return result;
    gather->unsynced = true;
    gather->written = end;
    slide(gather);
    return result;
}

static int make_room(struct store_gather *gather) {
    int result = flush_blocks(gather);

    return result == SQLITE_NOTFOUND ? flush(gather) : result;
}

/* What is written next stands at `at`: what is before it in its block comes from the file. */
static int go_to(struct store_gather *gather, int64_t at) {
    int result = flush(gather);

    gather->base = block_of(at);
    if (result == SQLITE_OK && at > gather->base)
        result = gather->own->xRead(gather->file, gather->held, (int)(at - gather->base), gather->base);
    gather->written = at;
    gather->end = at;
    return result == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : result; /* the rest is zeros */
}

/* ---- the layer --------------------------------------------------------------------------------------------- */

static int gather_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at) {
    struct store_gather *gather = gather_of(file);
    int result = SQLITE_OK;

    if (gather->held == NULL)
        return gather->own->xWrite(file, bytes, length, at);
    if (at != gather->end)
        result = go_to(gather, at);
    else if (at + length > gather->base + gather->held_max - BLOCK)
        result = make_room(gather);
    if (result != SQLITE_OK)
        return result;
    memcpy(gather->held + (at - gather->base), bytes, (size_t)length);
    gather->end = at + length;
    if (gather->end > gather->top)
        gather->top = gather->end;
    return SQLITE_OK;
}

static int gather_read(sqlite3_file *file, void *bytes, int length, sqlite3_int64 at) {
    struct store_gather *gather = gather_of(file);
    int result = SQLITE_OK;

    if (gather->held != NULL && at >= gather->base && at + length <= gather->end) {
        memcpy(bytes, gather->held + (at - gather->base), (size_t)length);
        return SQLITE_OK;
    }
    if (gather->held != NULL)
        result = flush(gather);
    return result == SQLITE_OK ? gather->own->xRead(file, bytes, length, at) : result;
}

static int gather_sync(sqlite3_file *file, int flags) {
    struct store_gather *gather = gather_of(file);
    int result = gather->held != NULL ? flush_straight(gather) : SQLITE_NOTFOUND;

    if (result == SQLITE_NOTFOUND)
        result = gather->held != NULL ? flush(gather) : SQLITE_OK;
    if (result == SQLITE_OK && gather->unsynced)
        result = gather->own->xSync(file, flags);
    if (result == SQLITE_OK)
        gather->unsynced = false;
    return result;
}

static int gather_cut(sqlite3_file *file, sqlite3_int64 size) {
    struct store_gather *gather = gather_of(file);
    int result = gather->held != NULL ? go_to(gather, 0) : SQLITE_OK;

    gather->unsynced = true;
    if (result == SQLITE_OK)
        result = gather->own->xTruncate(file, size);
    if (gather->reached > size)
        gather->reached = size;
    if (gather->top > size)
        gather->top = size;
    return result;
}

static int gather_size(sqlite3_file *file, sqlite3_int64 *size) {
    struct store_gather *gather = gather_of(file);
    int result = gather->held != NULL ? flush(gather) : SQLITE_OK;

    return result == SQLITE_OK ? gather->own->xFileSize(file, size) : result;
}

static int own_lock(sqlite3_file *file, int lock) {
    return gather_of(file)->own->xLock(file, lock);
}

static int own_unlock(sqlite3_file *file, int lock) {
    return gather_of(file)->own->xUnlock(file, lock);
}

static int own_check_lock(sqlite3_file *file, int *reserved) {
    return gather_of(file)->own->xCheckReservedLock(file, reserved);
}

static int own_control(sqlite3_file *file, int what, void *argument) {
    return gather_of(file)->own->xFileControl(file, what, argument);
}

static int own_sector_size(sqlite3_file *file) {
    return gather_of(file)->own->xSectorSize(file);
}

static int own_characteristics(sqlite3_file *file) {
    return gather_of(file)->own->xDeviceCharacteristics(file);
}

/* Of version 1: no shared memory (the connection is exclusive), no map. */
static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xRead = gather_read,
    .xWrite = gather_write,
    .xTruncate = gather_cut,
    .xSync = gather_sync,
    .xFileSize = gather_size,
    .xLock = own_lock,
    .xUnlock = own_unlock,
    .xCheckReservedLock = own_check_lock,
    .xFileControl = own_control,
    .xSectorSize = own_sector_size,
    .xDeviceCharacteristics = own_characteristics,
};

int store_gather_open(sqlite3 *db, const char *wal_path, int64_t held_max, struct store_gather **opened) {
    sqlite3_file *file = NULL;
    struct store_gather *gather;
    int result = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
    sqlite3_int64 size = 0;

    *opened = NULL;
    if (result != SQLITE_OK)
        return result;
    assert(file->pMethods != NULL); /* it is open: the connection has read */
    result = file->pMethods->xFileSize(file, &size);
    if (result != SQLITE_OK)
        return result;
    gather = calloc(1, sizeof(*gather));
    if (gather == NULL)
        abort();
    assert(held_max % BLOCK == 0 && held_max >= STORE_GATHER_MIN);
    gather->held_max = held_max;
    gather->held = aligned_alloc(BLOCK, (size_t)held_max); /* what is not touched takes no memory */
    if (gather->held == NULL)
        abort();
    gather->methods = methods;
    gather->own = file->pMethods;
    gather->file = file;
    gather->reached = size;
    gather->unsynced = true; /* what was before is not known */
    gather->straight = store_straight_open(wal_path);
    gather->methods.xClose = file->pMethods->xClose; /* what no sync has followed need not come */
    file->pMethods = &gather->methods;
    *opened = gather;
    return SQLITE_OK;
}

void store_gather_seal(struct store_gather *gather) {
    assert(gather->written == gather->end);
    store_straight_close(gather->straight);
    gather->straight = NULL;
    free(gather->held);
    gather->held = NULL;
}

void store_gather_close(struct store_gather *gather) {
    if (gather == NULL)
        return;
    store_straight_close(gather->straight);
    free(gather->held);
    free(gather);
}
