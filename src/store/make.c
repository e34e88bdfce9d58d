/* SPDX-License-Identifier: MIT */
/*
 * A new raft.db. It is made under another name, whole and durable, and gets its own in one step: raft.db is there or it is
 * not, and a start that is interrupted anywhere is simply begun again. A node that forgot its vote is dangerous, so
 * none is made where something says that there was one.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum store_result store_refuse_io(char why[STORE_WHY_MAX], const char *path, const char *doing, int error) {
    snprintf(why, STORE_WHY_MAX, "%s: %s: %s", path, doing, strerror(error));
    return STORE_IO;
}

static int remove_fresh(const struct store_paths *paths) {
    static const char *const suffixes[] = {"-wal", "-journal", ""};
    int result = SQLITE_OK;

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]) && result == SQLITE_OK; i++) {
        char *path = sqlite3_mprintf("%s%s", paths->fresh, suffixes[i]);

        if (path == NULL)
            abort();
        result = store_file_remove(path);
        sqlite3_free(path);
    }
    return result;
}

static int make_tables(sqlite3 *db, raft_id node, const char *incarnation) {
    struct store_identity identity = {.node = node};
    struct store_state state = {.log_start = 1, .data = STORE_DATA_FIRST, .save = 1};
    sqlite3_stmt *put = NULL;
    int result = store_sql_exec(db, "BEGIN");

    snprintf(identity.incarnation, sizeof(identity.incarnation), "%s", incarnation);
    for (size_t i = 0; i < STORE_TABLE_COUNT && result == SQLITE_OK; i++)
        result = store_sql_exec(db, store_tables[i].sql);
    if (result == SQLITE_OK)
        result = store_identity_put(db, &identity, state.save);
    if (result == SQLITE_OK)
        result = sqlite3_prepare_v2(db, STORE_SQL_STATE_PUT, -1, &put, NULL);
    if (result == SQLITE_OK)
        result = store_state_put(put, &state);
    sqlite3_finalize(put);
    return result == SQLITE_OK ? store_sql_exec(db, "COMMIT") : result;
}

static int fill_fresh(sqlite3 *db, raft_id node, const char *incarnation) {
    char *sql =
        sqlite3_mprintf("PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = %d; PRAGMA application_id = %d; "
                        "PRAGMA user_version = %d; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
                        STORE_PAGE_BYTES, STORE_APPLICATION_ID, STORE_FORMAT);
    int result;

    if (sql == NULL)
        abort();
    result = store_sql_exec(db, sql);
    sqlite3_free(sql);
    if (result == SQLITE_OK)
        result = make_tables(db, node, incarnation);
    return result == SQLITE_OK ? store_sql_checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE) : result;
}

/* Makes the file under another name, whole and durable, and gives it its own in one step: raft.db is there or it is not. */
static enum store_result make_file(const struct store_paths *paths, raft_id node, const char *incarnation,
                                   char *why) {
    sqlite3 *db = NULL;
    int error, result = remove_fresh(paths);

    if (result == SQLITE_OK)
        result = store_sql_open(paths->fresh, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db);
    if (result == SQLITE_OK)
        result = fill_fresh(db, node, incarnation);
    if (result != SQLITE_OK) {
        store_sql_why(why, paths->db, "make", db, result);
        sqlite3_close(db);
        return STORE_IO;
    }
    sqlite3_close(db);
    error = store_file_rename(paths->dir, paths->fresh, paths->db);
    return error == 0 ? STORE_OK : store_refuse_io(why, paths->db, "make", error);
}

enum store_result store_make(const struct store_paths *paths, raft_id node, const char *incarnation,
                             bool *created, char why[STORE_WHY_MAX]) {
    const char *witness = store_file_exists(paths->mark)  ? paths->mark
                          : store_file_exists(paths->wal) ? paths->wal
                                                          : NULL;

    *created = false;
    if (store_file_exists(paths->db))
        return STORE_OK;
    if (witness != NULL) {
        snprintf(why, STORE_WHY_MAX,
                 "%s is gone, but %s is there; nothing was changed. Put it back, or replace this node: move "
                 "%s aside, "
                 "remove node %" PRIu64 " from the cluster and add it again",
                 paths->db, witness, paths->dir, node);
        return STORE_DAMAGED;
    }
    *created = true;
    return make_file(paths, node, incarnation, why);
}
