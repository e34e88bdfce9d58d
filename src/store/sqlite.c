/* SPDX-License-Identifier: MIT */
/* Small helpers on SQLite. */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an operator should read first: SQLite says "database or disk is full" and "disk I/O error" for much. */
static const char *plainly(int result, int error) {
    switch (result & 0xff) {
    case SQLITE_FULL:
        return "the disk is full: ";
    case SQLITE_BUSY:
        return "another program has it open: ";
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return "it cannot be written: ";
    default:
        break;
    }
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return "the disk is full: ";
    case EFBIG:
        return "the file has reached the largest size allowed (ulimit -f): ";
    default:
        return "";
    }
}

const char *store_sql_words(sqlite3 *db, int result) {
    bool last = db != NULL && (sqlite3_errcode(db) & 0xff) == (result & 0xff);

    return last ? sqlite3_errmsg(db) : sqlite3_errstr(result);
}

void store_sql_why(char why[STORE_WHY_MAX], const char *path, const char *doing, sqlite3 *db, int result) {
    int last_errno = errno; /* SQLite keeps none of a failed commit; each call here begins by clearing it */
    int code = db != NULL ? sqlite3_extended_errcode(db) : result;
    bool io = (result & 0xff) == SQLITE_IOERR || (result & 0xff) == SQLITE_CANTOPEN;
    int error = db != NULL && sqlite3_system_errno(db) != 0 ? sqlite3_system_errno(db) : io ? last_errno : 0;

    assert(result != SQLITE_OK);
    if ((code & 0xff) != (result & 0xff)) /* a later call has cleared it */
        code = result;
    snprintf(why, STORE_WHY_MAX, "%s: %s: %s%s (SQLite %d%s%s)", path, doing, plainly(result, error),
             store_sql_words(db, result), code, error != 0 ? "; " : "", error != 0 ? strerror(error) : "");
}

static int open_on(const char *path, int flags, const char *layer, sqlite3 **db) {
    int result;

    errno = 0;
    result = sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, layer);
    if (*db == NULL)
        abort();
    return result;
}

int store_sql_open(const char *path, int flags, sqlite3 **db) {
    return open_on(path, flags, NULL, db);
}

int store_sql_open_to_sweep(const char *path, int flags, sqlite3 **db) {
    store_sweep_register();
    return open_on(path, flags, STORE_VFS_SWEEP, db);
}

int store_sql_exec(sqlite3 *db, const char *sql) {
    errno = 0;
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int store_sql_number(sqlite3 *db, const char *sql, int64_t *number) {
    sqlite3_stmt *statement;
    int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

    if (result != SQLITE_OK)
        return result;
    result = sqlite3_step(statement);
    if (result == SQLITE_ROW) {
        *number = sqlite3_column_int64(statement, 0);
        result = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return result;
}

int store_sql_run(sqlite3_stmt *statement) {
    int result;

    errno = 0;
    result = sqlite3_step(statement);
    assert(result != SQLITE_ROW);
    sqlite3_reset(statement);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

int store_sql_checkpoint(sqlite3 *db, int mode) {
    int frames, moved;
    int result;

    errno = 0;
    result = sqlite3_wal_checkpoint_v2(db, NULL, mode, &frames, &moved);
    if (result == SQLITE_OK && frames != moved)
        result = SQLITE_BUSY; /* nobody else may have it open */
    return result;
}

bool store_sql_text(sqlite3_stmt *statement, int column, char *text, size_t max) {
    const void *bytes;
    size_t length;

    if (sqlite3_column_type(statement, column) != SQLITE_TEXT)
        return false;
    bytes = sqlite3_column_text(statement, column);
    length = (size_t)sqlite3_column_bytes(statement, column);
    if (bytes == NULL || length > max || memchr(bytes, '\0', length) != NULL)
        return false;
    memcpy(text, bytes, length);
    text[length] = '\0';
    return true;
}
