/* SPDX-License-Identifier: MIT */
/*
 * A WAL is moved into its file at a pace.
 *
 * SQLite writes all that a WAL holds into the file and syncs it once. After a checkpoint of 400 MB that one sync keeps every other
 * on the same disk waiting, those of raft.db's commits too. So, for the length of that call, the file's own write is
 * replaced by one that syncs whenever 4 MB have been written: the disk has the same to do, and others get their turn in between.
 *
 * The table of the file's functions belongs to its connection, which nobody else uses meanwhile; what runs below it (the
 * system's layer, or a simulated one) sees the file with its own table again.
 */
#include "internal.h"

#include <errno.h>

enum { PACE_BYTES = 4 * 1024 * 1024 };

struct pace {
    const sqlite3_io_methods *own;
    sqlite3_io_methods paced;
    int64_t unsynced; /* bytes */
};

/* SQLite hands over no context but the file. */
static _Thread_local struct pace *pacing;

static int paced_write(sqlite3_file *file, const void *bytes, int length, sqlite3_int64 offset) {
    struct pace *pace = pacing;
    int result;

    file->pMethods = pace->own;
    result = pace->own->xWrite(file, bytes, length, offset);
    pace->unsynced += length;
    if (result == SQLITE_OK && pace->unsynced >= PACE_BYTES) {
        pace->unsynced = 0;
        result = pace->own->xSync(file, SQLITE_SYNC_NORMAL);
    }
    file->pMethods = &pace->paced;
    return result;
}

int store_sql_move_wal(sqlite3 *db, int *moved) {
    sqlite3_file *file = NULL;
    struct pace pace = {0};
    int frames, result = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

    if (result != SQLITE_OK)
        return result;
    pace.own = file->pMethods;
    pace.paced = *pace.own;
    pace.paced.xWrite = paced_write;
    pacing = &pace;
    file->pMethods = &pace.paced;
    errno = 0;
    result = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, moved);
    file->pMethods = pace.own;
    pacing = NULL;
    return result;
}
