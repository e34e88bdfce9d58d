/* SPDX-License-Identifier: MIT */
/*
 * A new node of a backup. raft.db is made last: without it nothing of this counts, and with it all of it is there.
 */
#include "internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COPY_BYTES = 1024 * 1024 };

struct restore {
    struct store_data_paths from, to;
    struct store_paths log;
    const struct store_identity *identity;
    const struct store_bytes *members;
    struct store_meta *meta; /* of the backup */
    char *why;
};

static enum store_result refuse_sql(struct restore *restore, const char *path, const char *doing, sqlite3 *db,
                                    int result) {
    store_sql_why(restore->why, path, doing, db, result);
    return STORE_IO;
}

static enum store_result verify_backup(struct restore *restore) {
    struct store_data_check asked = {
        .rollback = true, .every_page = true, .cluster = "", .remedy = "Take another backup"};

    return store_data_check(&restore->from, &asked, &restore->meta, restore->why);
}

static enum store_result verify_directory(struct restore *restore) {
    const char *const there[] = {restore->log.db, restore->log.mark, restore->log.wal, restore->to.db,
                                 restore->to.wal};

    for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
        if (store_file_exists(there[i])) {
            snprintf(restore->why, STORE_WHY_MAX,
                     "%s is there: a backup is restored into a directory of its own; nothing was changed",
                     there[i]);
            return STORE_FOREIGN;
        }
    return STORE_OK;
}

static int copy_bytes(struct store_file *from, struct store_file *to) {
    uint8_t *bytes = malloc(COPY_BYTES);
    int64_t size = store_file_size(from), at = 0;
    int result = size < 0 ? SQLITE_IOERR_FSTAT : SQLITE_OK;

    if (bytes == NULL)
        abort();
    while (result == SQLITE_OK && at < size) {
        size_t part = size - at < COPY_BYTES ? (size_t)(size - at) : COPY_BYTES;

        result = store_file_read(from, bytes, part, at) ? store_file_write(to, bytes, part, at)
                                                        : SQLITE_IOERR_READ;
        at += (int64_t)part;
    }
    free(bytes);
    return result;
}

static enum store_result copy_file(struct restore *restore) {
    struct store_file from, to = {0};
    int result = store_remove_fresh(restore->to.fresh);

    if (result == SQLITE_OK)
        result = store_file_open(&from, restore->from.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB);
    if (result != SQLITE_OK)
        return refuse_sql(restore, restore->from.db, "open", NULL, result);
    result = store_file_open(&to, restore->to.fresh,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB);
    if (result == SQLITE_OK)
        result = copy_bytes(&from, &to);
    store_file_close(&from);
    store_file_close(&to);
    return result == SQLITE_OK ? STORE_OK : refuse_sql(restore, restore->to.fresh, "copy", NULL, result);
}

/* The copy becomes the state of another cluster. */
static enum store_result take_over(struct restore *restore) {
    struct store_meta *meta = restore->meta;
    sqlite3 *db = NULL;
    int result = store_sql_open(restore->to.fresh, SQLITE_OPEN_READWRITE, &db);

    memcpy(meta->cluster, restore->identity->cluster, sizeof(meta->cluster));
    memcpy(meta->incarnation, restore->identity->incarnation, sizeof(meta->incarnation));
    if (restore->members != NULL)
        store_bytes_set(&meta->members, restore->members->at, restore->members->length);
    if (result == SQLITE_OK)
        result = store_sql_exec(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; "
                                    "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF");
    if (result == SQLITE_OK)
        result = store_meta_put(db, meta);
    if (result == SQLITE_OK)
        result = store_sql_checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE);
    if (result != SQLITE_OK)
        refuse_sql(restore, restore->to.fresh, "write", db, result);
    sqlite3_close(db);
    return result == SQLITE_OK ? STORE_OK : STORE_IO;
}

static enum store_result name_data(struct restore *restore) {
    int error, result = store_file_seal(restore->to.fresh, 2);

    if (result != SQLITE_OK)
        return refuse_sql(restore, restore->to.fresh, "make it durable", NULL, result);
    error = store_file_rename(restore->to.dir, restore->to.fresh, restore->to.db);
    return error == 0 ? STORE_OK : store_refuse_io(restore->why, restore->to.db, "make", error);
}

static enum store_result make_log(struct restore *restore) {
    struct store_first first = {
        .identity = *restore->identity,
        .state = {.term = restore->meta->applied_term,
                  .log_start = restore->meta->applied + 1,
                  .base_term = restore->meta->applied_term,
                  .data = STORE_DATA_FIRST,
                  .save = 1},
    };

    return store_make_log(&restore->log, &first, restore->why);
}

static enum store_result run_steps(struct restore *restore) {
    static enum store_result (*const steps[])(struct restore *) = {verify_directory, verify_backup, copy_file,
                                                                   take_over,        name_data,     make_log};
    enum store_result result = STORE_OK;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == STORE_OK; i++)
        result = steps[i](restore);
    return result;
}

static void split_path(struct store_data_paths *paths, const char *path) {
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path));

    if (dir == NULL)
        abort();
    store_data_paths_init(paths, dir, slash == NULL ? path : slash + 1);
    free(dir);
}

enum store_result store_restore(const char *backup, const char *dir, const struct store_identity *identity,
                                const struct store_bytes *members, char why[STORE_WHY_MAX]) {
    struct restore restore = {.identity = identity, .members = members, .why = why};
    enum store_result result = STORE_IO;
    int error = store_dir_make(dir), lock;

    assert(identity->node != 0 && identity->cluster[0] != '\0' && identity->incarnation[0] != '\0');
    why[0] = '\0';
    if (error != 0)
        return store_refuse_io(why, dir, "make the directory", error);
    lock = store_dir_lock(dir, why);
    if (lock < 0)
        return STORE_IO;
    split_path(&restore.from, backup);
    store_data_paths_init_generation(&restore.to, dir, STORE_DATA_FIRST);
    store_paths_init(&restore.log, dir);
    result = run_steps(&restore);
    store_meta_free(restore.meta);
    store_data_paths_close(&restore.from);
    store_data_paths_close(&restore.to);
    store_paths_close(&restore.log);
    store_dir_unlock(lock);
    assert((result == STORE_OK) == (why[0] == '\0'));
    return result;
}
