/* SPDX-License-Identifier: MIT */
/*
 * A new node of a backup. raft.db is made last: without it nothing of this counts, and with it all of it is there.
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct restore {
    struct store_data_paths from, to;
    struct store_paths log;
    const struct store_identity *identity;
    const struct store_bytes *members;
    struct store_meta *meta; /* of the backup */
    unsigned level_max;
    char *why;
};

static enum store_result verify_backup(struct restore *restore) {
    struct store_data_check asked = {.rollback = true,
                                     .every_page = true,
                                     .cluster = "",
                                     .level_max = restore->level_max,
                                     .remedy = "Take another backup"};

    return store_data_check(&restore->from, &asked, &restore->meta, NULL, restore->why);
}

static enum store_result is_there(struct restore *restore, const char *dir, const char *name) {
    snprintf(restore->why, STORE_WHY_MAX,
             "%s%s%s is there: a backup is restored into a directory of its own; nothing was changed", dir,
             dir[0] != '\0' ? "/" : "", name);
    return STORE_FOREIGN;
}

static enum store_result verify_directory(struct restore *restore) {
    const char *const there[] = {restore->log.db, restore->log.mark, restore->to.db, restore->to.wal};

    char **segments;
    enum store_result result = STORE_OK;
    int error;

    for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++)
        if (store_file_exists(there[i]))
            return is_there(restore, "", there[i]);
    error = store_segment_names(restore->log.dir, &segments);
    if (error != 0)
        return error == ENOENT ? STORE_OK
                               : store_refuse_io(restore->why, restore->log.dir, "read the directory", error);
    if (segments[0] != NULL)
        result = is_there(restore, restore->log.dir, segments[0]);
    store_names_free(segments);
    return result;
}

/* The copy becomes the state of another cluster. */
static enum store_result make_data(struct restore *restore) {
    struct store_meta *meta = restore->meta;

    memcpy(meta->cluster, restore->identity->cluster, sizeof(meta->cluster));
    memcpy(meta->incarnation, restore->identity->incarnation, sizeof(meta->incarnation));
    if (restore->members != NULL)
        store_bytes_set(&meta->members, restore->members->at, restore->members->length);
    return store_data_adopt(&restore->from, &restore->to, meta, restore->why);
}

static enum store_result make_log(struct restore *restore) {
    struct store_first first = {
        .identity = *restore->identity,
        .state = {.term = restore->meta->applied_term,
                  .log_start = restore->meta->applied + 1,
                  .base_term = restore->meta->applied_term,
                  .data = STORE_DATA_FIRST,
                  .old_end = restore->meta->applied + 1,
                  .save = 1},
    };

    return store_make_log(&restore->log, &first, restore->why);
}

static enum store_result run_steps(struct restore *restore) {
    static enum store_result (*const steps[])(struct restore *) = {verify_directory, verify_backup, make_data,
                                                                   make_log};
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
                                const struct store_bytes *members, unsigned level_max,
                                char why[STORE_WHY_MAX]) {
    struct restore restore = {.identity = identity, .members = members, .level_max = level_max, .why = why};
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
