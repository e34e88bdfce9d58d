/* SPDX-License-Identifier: MIT */
/*
 * Fewer and larger system calls below SQLite, for raft.db.
 *
 * SQLite writes a frame of its WAL by two calls, 24 bytes and a page; reads each back by one, to write it into the file by another. On
 * a commit's way to the disk that is more than the disk itself. So the two open files of raft.db's connection get
 * tables of functions that stand before their own:
 *
 *      WAL     its beginning is in memory, in full. A write goes there, and from there to the file in one piece, at the sync. What
 *              SQLite reads of it comes from memory.
 *
 *                  0                 written to    put to    known                    WAL_HELD_MAX
 *                  |-- in the file ------|--- unwritten --|... an earlier round ...|      |
 *
 *      file    writes within a block of the system's cache wait for one another; a read brings what stands around it, for
 *              entries are read and deleted in the order of the file. Pages that mover.c has brought there are not written again.
 *
 * What is written for the first time goes block by block: the system caches a large write as one large piece, and afterwards calls
 * all of it dirty, and counts it as written, for each byte that changes in it. Where the WAL has been round, a commit goes
 * straight to the disk, in whole blocks (straight.c): what stands before and behind it in its first and last block is
 * known, and is written over with itself.
 *
 * What a crash leaves is what it left before: between two syncs the system may write what it likes in any order, and a write that waits
 * here has merely not come yet. Everything is written before a sync, and a sync with nothing to make durable is none: the
 * system would flush the disk for it all the same. A write that fails shows at the sync, and fails the commit.
 *
 * The files belong to one connection that one thread uses. Nobody but mover.c writes them beside it (store_dir_lock), and that only pages
 * which the connection takes from the WAL.
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    WAL_HELD_MAX =
        8 * 1024 * 1024, /* more than a WAL has (log.c moves it from 4 MB on), but for entries of megabytes */
    WRITE_MAX = 64 * 1024,        /* SQLite's file layer writes less than 128 KB at once */
    BLOCK = STORE_STRAIGHT_BYTES, /* of the system's cache, too */
    AROUND = 16 * 1024,           /* a read of the file brings so much */
};

/* Bytes [at, at + length) of a file. */
struct span {
    int64_t at, length;
};

struct store_gather {
    sqlite3_io_methods methods; /* first: a file's pMethods is the layer */
    const sqlite3_io_methods *own;
    uint8_t *held;                   /* WAL: the file's beginning; file: what waits, from waiting.at on */
    int64_t known;                   /* WAL: so many bytes of `held` are the file's; file: its size */
    struct span waiting;             /* to be written; length 0: nothing is */
    int64_t reached;                 /* WAL: as far as the file was ever written; file: 0 */
    bool unsynced;                   /* written to the file, and not synced since */
    struct store_straight *straight; /* WAL: the way past the system's cache; NULL: there is none */
    uint8_t *around;                 /* file: what has been read; NULL: the WAL */
    struct span around_span;         /* ... and where it stands */
    bool spares;                     /* file: only pages of `rest` are written */
    uint32_t *rest;                  /* in order */
    size_t rest_count;
    int64_t page_bytes; /* of `rest` */
    sqlite3_file *file;
};

static struct store_gather *gather_of(sqlite3_file *file) {
    return (struct store_gather *)(uintptr_t)file->pMethods;
}

/* ---- both -------------------------------------------------------------------------------------------------- */

/* How much of what waits goes at once, from `at` on. */
static int64_t part_of(const struct store_gather *gather, int64_t at, int64_t left) {
    int64_t most = at < gather->reached ? gather->reached - at : BLOCK - at % BLOCK;

    if (most > WRITE_MAX)
        most = WRITE_MAX;
    return left < most ? left : most;
}

/* Writes what waits. Of the WAL `reached` moves with it. */
static int flush(struct store_gather *gather, sqlite3_file *file) {
    struct span waiting = gather->waiting;
    const uint8_t *bytes = gather->held + (gather->around != NULL ? 0 : waiting.at);
    int result = SQLITE_OK;

    if (waiting.length == 0)
        return SQLITE_OK;
    gather->unsynced = true;
    gather->waiting.length = 0;
    for (int64_t done = 0, part; done < waiting.length && result == SQLITE_OK; done += part) {
        part = part_of(gather, waiting.at + done, waiting.length - done);
        result = gather->own->xWrite(file, bytes + done, (int)part, waiting.at + done);
    }
    if (gather->around == NULL && waiting.at + waiting.length > gather->reached)
        gather->reached = waiting.at + waiting.length;
    return result;
}

/* SQLITE_NOTFOUND: not that way. */
static int flush_straight(struct store_gather *gather) {
    struct span waiting = gather->waiting;
    int64_t begin = waiting.at - waiting.at % BLOCK;
    int64_t end = (waiting.at + waiting.length + BLOCK - 1) / BLOCK * BLOCK;
    int result;

    if (waiting.length == 0 || gather->straight == NULL || end > gather->known || end > gather->reached)
        return SQLITE_NOTFOUND;
    result = store_straight_write(gather->straight, gather->held + begin, (size_t)(end - begin), begin);
    if (result != SQLITE_NOTFOUND)
        gather->waiting.length = 0;
    return result;
}

static int gather_sync(sqlite3_file *file, int flags) {
    struct store_gather *gather = gather_of(file);
    int result = flush_straight(gather);

    if (result == SQLITE_NOTFOUND)
        result = flush(gather, file);
    if (result == SQLITE_OK && gather->unsynced)
        result = gather->own->xSync(file, flags);
    if (result == SQLITE_OK)
        gather->unsynced = false;
    return result;
}

static int gather_cut(sqlite3_file *file, sqlite3_int64 size) {
    struct store_gather *gather = gather_of(file);
    sqlite3_int64 now = -1;
    int result = flush(gather, file);

    gather->around_span.length = 0;
    if (result == SQLITE_OK && gather->own->xFileSize(file, &now) == SQLITE_OK && now == size)
        return SQLITE_OK;
    gather->unsynced = true;
    if (result == SQLITE_OK)
        result = gather->own->xTruncate(file, size);
    if (gather->known > size)
        gather->known = size;
    if (gather->reached > size)
        gather->reached = size;
    return result;
}

static int gather_size(sqlite3_file *file, sqlite3_int64 *size) {
    struct store_gather *gather = gather_of(file);
    int result = flush(gather, file);

    return result == SQLITE_OK ? gather->own->xFileSize(file, size) : result;
}

/* ---- the WAL ----------------------------------------------------------------------------------------------- */

static int wal_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at) {
    struct store_gather *gather = gather_of(file);
    struct span *waiting = &gather->waiting;
    int64_t end = at + length;
    int result = SQLITE_OK;

    if (waiting->length > 0 && (at < waiting->at || at > waiting->at + waiting->length || end > WAL_HELD_MAX))
        result = flush(gather, file);
    if (result != SQLITE_OK)
        return result;
    if (at > gather->known || end > WAL_HELD_MAX) {
        if (at < gather->known)
            gather->known = at;
        gather->unsynced = true;
        return gather->own->xWrite(file, bytes, length, at);
    }
    memcpy(gather->held + at, bytes, (size_t)length);
    if (waiting->length == 0)
        *waiting = (struct span){at, length};
    else if (end > waiting->at + waiting->length)
        waiting->length = end - waiting->at;
    if (end > gather->known)
        gather->known = end;
    assert(waiting->at + waiting->length <= gather->known);
    return SQLITE_OK;
}

static int wal_read(sqlite3_file *file, void *bytes, int length, sqlite3_int64 at) {
    struct store_gather *gather = gather_of(file);
    int result;

    if (at + length <= gather->known) {
        memcpy(bytes, gather->held + at, (size_t)length);
        return SQLITE_OK;
    }
    result = flush(gather, file);
    return result == SQLITE_OK ? gather->own->xRead(file, bytes, length, at) : result;
}

enum { WAL_PAGE_BYTES_AT = 8 }; /* in its header */

static const uint8_t *frame_at(const struct store_frames *frames, uint32_t frame) {
    assert(frame >= frames->begin && frame < frames->end);
    return frames->wal + STORE_WAL_HEADER_BYTES +
           (size_t)frame * (STORE_FRAME_HEADER_BYTES + frames->page_bytes);
}

uint32_t store_frame_page(const struct store_frames *frames, uint32_t frame) {
    return store_big(frame_at(frames, frame));
}

const uint8_t *store_frame_bytes(const struct store_frames *frames, uint32_t frame) {
    return frame_at(frames, frame) + STORE_FRAME_HEADER_BYTES;
}

bool store_gather_frames(const struct store_gather *wal, uint32_t begin, uint32_t end,
                         struct store_frames *frames) {
    if (wal->known < STORE_WAL_HEADER_BYTES)
        return false;
    *frames = (struct store_frames){wal->held, store_big(wal->held + WAL_PAGE_BYTES_AT), begin, end};
    return STORE_WAL_HEADER_BYTES + (int64_t)end * (STORE_FRAME_HEADER_BYTES + frames->page_bytes) <=
           wal->known;
}

/* ---- the file ---------------------------------------------------------------------------------------------- */

static int by_number(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

    return a < b ? -1 : a > b;
}

void store_gather_spare(struct store_gather *gather, const struct store_frames *rest) {
    sqlite3_int64 size;

    gather->spares = rest != NULL;
    if (rest == NULL)
        return;
    gather->page_bytes = rest->page_bytes;
    gather->rest_count = rest->end - rest->begin;
    gather->rest = realloc(gather->rest, (gather->rest_count + 1) * sizeof(*gather->rest));
    if (gather->rest == NULL)
        abort();
    for (size_t i = 0; i < gather->rest_count; i++)
        gather->rest[i] = store_frame_page(rest, rest->begin + (uint32_t)i);
    qsort(gather->rest, gather->rest_count, sizeof(*gather->rest), by_number);
    gather->around_span.length = 0;
    gather->own->xFileControl(gather->file, STORE_FILE_CHANGED, NULL);
    if (gather->own->xFileSize(gather->file, &size) == SQLITE_OK && size > gather->known)
        gather->known = size; /* it has grown below this layer */
}

static bool is_spared(const struct store_gather *gather, int64_t at) {
    uint32_t page = (uint32_t)(at / gather->page_bytes) + 1;

    return bsearch(&page, gather->rest, gather->rest_count, sizeof(page), by_number) == NULL;
}

static int file_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 at) {
    struct store_gather *gather = gather_of(file);
    struct span *waiting = &gather->waiting;
    int result = SQLITE_OK;

    assert(length <= WRITE_MAX); /* a page */
    gather->around_span.length = 0;
    if (gather->spares && is_spared(gather, at))
        return SQLITE_OK;
    if (at != waiting->at + waiting->length || waiting->length + length > WRITE_MAX)
        result = flush(gather, file);
    if (result != SQLITE_OK)
        return result;
    if (waiting->length == 0)
        waiting->at = at;
    memcpy(gather->held + waiting->length, bytes, (size_t)length);
    waiting->length += length;
    if (at + length > gather->known)
        gather->known = at + length;
    return SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *bytes, int length, sqlite3_int64 at) {
    struct store_gather *gather = gather_of(file);
    struct span *around = &gather->around_span;
    int result = flush(gather, file);

    if (result != SQLITE_OK)
        return result;
    if (at < around->at || at + length > around->at + around->length) {
        around->length = 0;
        if (at % AROUND + length > AROUND || at + length > gather->known)
            return gather->own->xRead(file, bytes, length, at);
        around->at = at - at % AROUND;
        around->length = gather->known - around->at < AROUND ? gather->known - around->at : AROUND;
        result = gather->own->xRead(file, gather->around, (int)around->length, around->at);
        if (result != SQLITE_OK) {
            around->length = 0;
            return gather->own->xRead(file, bytes, length, at);
        }
    }
    memcpy(bytes, gather->around + (at - around->at), (size_t)length);
    return SQLITE_OK;
}

/* ---- the layers -------------------------------------------------------------------------------------------- */

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
static const sqlite3_io_methods common = {
    .iVersion = 1,
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

static uint8_t *room(size_t bytes) {
    uint8_t *at = aligned_alloc(BLOCK, bytes); /* what is not touched takes no memory */

    if (at == NULL)
        abort();
    return at;
}

static struct store_gather *stand_before(sqlite3_file *file) {
    struct store_gather *gather = calloc(1, sizeof(*gather));

    if (gather == NULL)
        abort();
    gather->methods = common;
    gather->own = file->pMethods;
    gather->file = file;
    gather->methods.xClose = file->pMethods->xClose; /* what no sync has followed need not come */
    gather->unsynced = true;                         /* what was before is not known */
    file->pMethods = &gather->methods;
    return gather;
}

int store_gather_open(sqlite3 *db, const char *wal_path, struct store_gather **wal,
                      struct store_gather **main) {
    sqlite3_file *file = NULL, *wal_file = NULL;
    sqlite3_int64 size = 0;
    int result = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

    if (result == SQLITE_OK)
        result = sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal_file);
    if (result == SQLITE_OK)
        result = file->pMethods->xFileSize(file, &size);
    if (result != SQLITE_OK)
        return result;
    assert(wal_file->pMethods != NULL); /* it is open: the connection has moved it */
    *main = stand_before(file);
    (*main)->methods.xRead = file_read;
    (*main)->methods.xWrite = file_write;
    (*main)->held = room(WRITE_MAX);
    (*main)->around = room(AROUND);
    (*main)->known = size;
    *wal = stand_before(wal_file);
    (*wal)->methods.xRead = wal_read;
    (*wal)->methods.xWrite = wal_write;
    (*wal)->held = room(WAL_HELD_MAX);
    (*wal)->straight = store_straight_open(wal_path);
    return SQLITE_OK;
}

void store_gather_close(struct store_gather *gather) {
    if (gather == NULL)
        return;
    store_straight_close(gather->straight);
    free(gather->held);
    free(gather->around);
    free(gather->rest);
    free(gather);
}
