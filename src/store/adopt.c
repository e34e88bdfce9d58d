/* SPDX-License-Identifier: MIT */
/* Files copied whole, and a copied state that becomes another cluster's. */
#include "internal.h"

#include <stdlib.h>

enum { COPY_BYTES = 1024 * 1024 };

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

int store_file_copy(const char *from, const char *to) {
    struct store_file source = {0}, target = {0};
    int result = store_file_open(&source, from, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB);

    if (result == SQLITE_OK)
        result =
            store_file_open(&target, to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB);
    if (result == SQLITE_OK)
        result = copy_bytes(&source, &target);
    if (result == SQLITE_OK)
        result = store_file_sync(&target);
    store_file_close(&source);
    store_file_close(&target);
    return result;
}

static enum store_result refuse_sql(char *why, const char *path, const char *doing, sqlite3 *db, int result) {
    store_sql_why(why, path, doing, db, result);
    return STORE_IO;
}

static enum store_result say_whose(const char *path, const struct store_meta *meta, char *why) {
    sqlite3 *db = NULL;
    int result = store_sql_open(path, SQLITE_OPEN_READWRITE, &db);

    if (result == SQLITE_OK)
        result = store_sql_exec(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; "
                                    "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF");
    if (result == SQLITE_OK)
        result = store_meta_put(db, meta);
    if (result == SQLITE_OK)
        result = store_sql_checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE);
    if (result != SQLITE_OK)
        refuse_sql(why, path, "write", db, result);
    sqlite3_close(db);
    return result == SQLITE_OK ? STORE_OK : STORE_IO;
}

static enum store_result name_data(const struct store_data_paths *to, char *why) {
    int error, result = store_file_seal(to->fresh, 2);

    if (result != SQLITE_OK)
        return refuse_sql(why, to->fresh, "make it durable", NULL, result);
    error = store_file_rename(to->dir, to->fresh, to->db);
    return error == 0 ? STORE_OK : store_refuse_io(why, to->db, "make", error);
}

enum store_result store_data_adopt(const struct store_data_paths *from, const struct store_data_paths *to,
                                   const struct store_meta *meta, char why[STORE_WHY_MAX]) {
    enum store_result adopted = STORE_OK;
    int result = store_remove_fresh(to->fresh);

    if (result == SQLITE_OK)
        result = store_file_copy(from->db, to->fresh);
    if (result != SQLITE_OK)
        adopted = refuse_sql(why, to->fresh, "copy", NULL, result);
    if (adopted == STORE_OK)
        adopted = say_whose(to->fresh, meta, why);
    if (adopted == STORE_OK)
        adopted = name_data(to, why);
    if (adopted != STORE_OK)
        (void)store_remove_fresh(to->fresh);
    return adopted;
}
