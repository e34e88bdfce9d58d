/* SPDX-License-Identifier: MIT */
/*
 * A checkpoint's bytes go to the disk at a pace.
 *
 * What a checkpoint writes is in nobody's way as long as the disk has little of it at a time: a commit of raft.db waits for
 * whatever its disk is busy with. SQLite would write as fast as it can and sync once: the -wal at the COMMIT, hundreds of MB, and then
 * the same again when the WAL is moved into the file. So, for the length of such a call, the files' own write is replaced by one that,
 * whenever STORE_PIECE_BYTES have been written, syncs them, and then rests until they have taken as long as the rate says:
 *
 *      write write write sync ....rest.... write write write sync ....rest....
 *                             ^ raft.db's commits find the disk idle
 *
 * What counts is blocks, not bytes. When a page is written twice by one transaction (a row came between those that were
 * there, or to one that shares the page, and the page had left the cache meanwhile), SQLite writes over its frame, and at the COMMIT sums up all frames behind it anew: 24 bytes
 * each, and every block of the -wal goes to the disk once more.
 *
 * The rate comes from the loop, may change at any time, and counts within REST_US_MAX. Without one there are no rests, and the syncs
 * stay. What the rests cost is time; that a checkpoint has enough of it is for who sets the rate to see to (src/rate.h).
 *
 * A disk of 250 MB/s, on which a commit of 8 KB takes 0.2 ms, p99 1.7: beside pieces of 8 MB without rests p99 was 5.6 ms and the
 * longest took 15; beside 32 MB a second in pieces of 8 MB 2.2 and 21 ms; of 512 KB 1.3 and 4 ms.
 *
 * What is given back to the file system, a WAL that has been moved, is cut off in steps (file.c).
 *
 * A backup's file belongs to a connection of SQLite's own: it is synced, and rests, between SQLite's steps (copy.c).
 *
 * The table of the files' functions belongs to their connection, which nobody else uses meanwhile; what runs below it (the
 * system's layer, or a simulated one) sees the file with its own table again.
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

enum { REST_US_MAX = 10000 };

/* SQLite hands over no context but the file. */
static _Thread_local struct store_pace *pacing;

static uint64_t now_us(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void store_pace_rest(struct store_pace *pace, uint64_t bytes) {
    uint64_t passed_us = now_us() - pace->rested_us, rate;

    while ((rate = atomic_load(&pace->rate)) > 0) {
        uint64_t due_us = bytes * 1000000 / rate;

        if (passed_us >= due_us)
            break;
        unsigned us = due_us - passed_us < REST_US_MAX ? (unsigned)(due_us - passed_us) : REST_US_MAX;
        worker_rest(us);
        passed_us += us;
    }
    pace->rested_us = now_us();
}

/* Of what is written one behind the other each block counts once. */
static int blocks_written(struct store_paced *paced, sqlite3_int64 offset, int length) {
    int64_t first = offset / STORE_STRAIGHT_BYTES, last = (offset + length - 1) / STORE_STRAIGHT_BYTES;
    int64_t count = last - first + (first != paced->last_block);

    paced->last_block = last;
    return (int)(count * STORE_STRAIGHT_BYTES);
}

static int paced_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset) {
    struct store_pace *pace = pacing;
    struct store_paced *paced = &pace->files[file == pace->files[0].file ? 0 : 1];
    int result;

    assert(paced->file == file);
    file->pMethods = paced->own;
    result = paced->own->xWrite(file, bytes, length, offset);
    paced->unsynced += blocks_written(paced, offset, length);
    if (result == SQLITE_OK && paced->unsynced >= STORE_PIECE_BYTES) {
        paced->unsynced = 0;
        result = paced->own->xSync(file, SQLITE_SYNC_NORMAL);
        store_pace_rest(pace, STORE_PIECE_BYTES);
    }
    file->pMethods = &paced->methods;
    return result;
}

/*
 * A WAL of which nothing counts any more, for all of it is in the file. Cut from its end on, what is left of it when the power goes would be
 * its first commits alone: pages as they were, to be read in place of those in the file. So none of it must count before.
 */
static int void_wal(sqlite3_file *file) {
    uint8_t header[STORE_WAL_HEADER_BYTES];
    int result = file->pMethods->xRead(file, header, sizeof(header), 0);

    if (result != SQLITE_OK || !store_wal_next_header(header))
        return result == SQLITE_IOERR_SHORT_READ ? SQLITE_OK : result;
    result = file->pMethods->xWrite(file, header, sizeof(header), 0);
    return result == SQLITE_OK ? file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) : result;
}

static int paced_cut(sqlite3_file *file, sqlite3_int64 size) {
    bool is_wal = file == pacing->files[1].file;
    struct store_paced *paced = &pacing->files[is_wal];
    int result = SQLITE_OK;

    assert(paced->file == file && (!is_wal || size == 0));
    file->pMethods = paced->own;
    if (is_wal)
        result = void_wal(file);
    if (result == SQLITE_OK)
        result = store_cut(file, size);
    file->pMethods = &paced->methods;
    return result;
}

static void take(struct store_paced *paced, sqlite3 *db, int which) {
    sqlite3_file *file = NULL;

    paced->file = NULL;
    if (sqlite3_file_control(db, "main", which, &file) != SQLITE_OK || file == NULL || file->pMethods == NULL)
        return;
    paced->file = file;
    paced->own = file->pMethods;
    paced->methods = *paced->own;
    paced->methods.xWrite = paced_write;
    paced->methods.xTruncate = paced_cut;
    file->pMethods = &paced->methods;
}

void store_pace_begin(struct store_pace *pace, sqlite3 *db) {
    assert(pacing == NULL);
    pacing = pace;
    take(&pace->files[0], db, SQLITE_FCNTL_FILE_POINTER);
    take(&pace->files[1], db, SQLITE_FCNTL_JOURNAL_POINTER);
}

void store_pace_end(struct store_pace *pace) {
    assert(pacing == pace);
    for (size_t i = 0; i < STORE_PACED_FILES; i++)
        if (pace->files[i].file != NULL && pace->files[i].file->pMethods == &pace->files[i].methods)
            pace->files[i].file->pMethods = pace->files[i].own;
    pacing = NULL;
}

int store_sql_move_wal(sqlite3 *db, struct store_pace *pace, int *moved) {
    int frames, result;

    store_pace_begin(pace, db);
    errno = 0;
    result = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, moved);
    store_pace_end(pace);
    return result;
}
