/* SPDX-License-Identifier: MIT */
/*
 * A new log: its first segment, raft.db. It is made under another name, whole and durable, and gets its own in one step: raft.db is there or it is
 * not, and a start that is interrupted anywhere is simply begun again. A node that forgot its vote is dangerous, so
 * none is made where something says that there was one.
 */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WITNESS_MAX = STORE_WHY_MAX / 3 };

enum store_result store_refuse_io(char why[STORE_WHY_MAX], const char *path, const char *doing, int error) {
    snprintf(why, STORE_WHY_MAX, "%s: %s: %s", path, doing, strerror(error));
    return STORE_IO;
}

int store_remove_fresh(const char *fresh) {
    static const char *const suffixes[] = {"-wal", "-journal", ""};
    int result = SQLITE_OK;

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]) && result == SQLITE_OK; i++) {
        char *path = sqlite3_mprintf("%s%s", fresh, suffixes[i]);

        if (path == NULL)
            abort();
        result = store_file_remove(path);
        sqlite3_free(path);
    }
    return result;
}

static int set_up(sqlite3 *db, const struct store_kind *kind) {
    char *sql =
        sqlite3_mprintf("PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = %d; PRAGMA application_id = %d; "
                        "PRAGMA user_version = %d; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
                        (int)kind->page_bytes, (int)kind->application, (int)kind->format);
    int result;

    if (sql == NULL)
        abort();
    result = store_sql_exec(db, sql);
    sqlite3_free(sql);
    if (result == SQLITE_OK)
        result = store_sql_exec(db, "BEGIN");
    for (size_t i = 0; i < kind->table_count && result == SQLITE_OK; i++)
        result = store_sql_exec(db, kind->tables[i].sql);
    return result;
}

/* Makes the file under another name, whole and durable, and gives it its own in one step: it is there or it is not. */
enum store_result store_make_file(const struct store_making *making, char why[STORE_WHY_MAX]) {
    sqlite3 *db = NULL;
    int error, result = store_remove_fresh(making->fresh);

    if (result == SQLITE_OK)
        result = store_sql_open(making->fresh, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &db);
    if (result == SQLITE_OK)
        result = set_up(db, making->kind);
    if (result == SQLITE_OK)
        result = making->fill(db, making->context);
    if (result == SQLITE_OK)
        result = store_sql_exec(db, "COMMIT");
    if (result == SQLITE_OK)
        result = store_sql_checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE);
    if (result != SQLITE_OK) {
        store_sql_why(why, making->path, "make", db, result);
        sqlite3_close(db);
        return STORE_IO;
    }
    sqlite3_close(db);
    error = store_file_rename(making->dir, making->fresh, making->path);
    return error == 0 ? STORE_OK : store_refuse_io(why, making->path, "make", error);
}

int store_fill_nothing(sqlite3 *db, const void *context) {
    (void)db;
    (void)context;
    return SQLITE_OK;
}

static int fill_log(sqlite3 *db, const void *context) {
    const struct store_first *first = context;
    sqlite3_stmt *put = NULL;
    int result = store_identity_put(db, &first->identity, first->state.save);

    if (result == SQLITE_OK)
        result = sqlite3_prepare_v2(db, STORE_SQL_STATE_PUT, -1, &put, NULL);
    if (result == SQLITE_OK)
        result = store_state_put(put, &first->state, first->identity.incarnation);
    sqlite3_finalize(put);
    return result;
}

enum store_result store_make_log(const struct store_paths *paths, const struct store_first *first,
                                 char why[STORE_WHY_MAX]) {
    struct store_making making = {paths->dir, paths->fresh, paths->db, &store_log_kind, fill_log, first};

    return store_make_file(&making, why);
}

/* What says that a log was here; "": nothing does. 0 or errno. */
static int find_witness(const struct store_paths *paths, char witness[WITNESS_MAX]) {
    char **names;
    int error;

    witness[0] = '\0';
    if (store_file_exists(paths->mark)) {
        snprintf(witness, WITNESS_MAX, "%s", paths->mark);
        return 0;
    }
    error = store_segment_names(paths->dir, &names);
    if (error != 0)
        return error;
    if (names[0] != NULL)
        snprintf(witness, WITNESS_MAX, "%s/%s", paths->dir, names[0]);
    store_names_free(names);
    return 0;
}

enum store_result store_make(const struct store_paths *paths, raft_id node, const char *incarnation,
                             bool *created, char why[STORE_WHY_MAX]) {
    struct store_first first = {.identity = {.node = node},
                                .state = {.log_start = 1, .data = STORE_DATA_FIRST, .old_end = 1, .save = 1}};
    char witness[WITNESS_MAX];
    int error;

    *created = false;
    if (store_file_exists(paths->db))
        return STORE_OK;
    error = find_witness(paths, witness);
    if (error != 0)
        return store_refuse_io(why, paths->dir, "read the directory", error);
    if (witness[0] != '\0') {
        snprintf(why, STORE_WHY_MAX,
                 "%s is gone, but %s is there; nothing was changed. Put it back, or replace this node: move "
                 "%s aside, "
                 "remove node %" PRIu64 " from the cluster and add it again",
                 paths->db, witness, paths->dir, node);
        return STORE_DAMAGED;
    }
    *created = true;
    snprintf(first.identity.incarnation, sizeof(first.identity.incarnation), "%s", incarnation);
    return store_make_log(paths, &first, why);
}
