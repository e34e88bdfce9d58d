/* SPDX-License-Identifier: MIT */
/* A data file's making and its check; the same check for a snapshot that has come in, and for a backup. */
#define _GNU_SOURCE /* asprintf */
#include "internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct store_kind store_data_kind = {STORE_DATA_APPLICATION_ID, STORE_DATA_FORMAT, STORE_PAGE_BYTES,
                                           store_data_tables, STORE_DATA_TABLE_COUNT};

/* ---- paths ----------------------------------------------------------------------------------------------- */

static char *join(const char *dir, const char *name, const char *suffix) {
    char *path = NULL;

    if (asprintf(&path, "%s/%s%s", dir, name, suffix) < 0)
        abort();
    return path;
}

void store_data_paths_init(struct store_data_paths *paths, const char *dir, const char *name) {
    paths->dir = strdup(dir);
    if (paths->dir == NULL)
        abort();
    paths->db = join(dir, name, "");
    paths->wal = join(dir, name, "-wal");
    paths->journal = join(dir, name, "-journal");
    paths->fresh = join(dir, name, ".tmp");
}

void store_data_paths_init_generation(struct store_data_paths *paths, const char *dir, uint64_t generation) {
    char name[STORE_NAME_MAX];

    assert(generation != 0);
    snprintf(name, sizeof(name), "data-%" PRIu64 ".db", generation);
    store_data_paths_init(paths, dir, name);
}

void store_data_paths_close(struct store_data_paths *paths) {
    free(paths->dir);
    free(paths->db);
    free(paths->wal);
    free(paths->journal);
    free(paths->fresh);
    *paths = (struct store_data_paths){0};
}

/* ---- making ---------------------------------------------------------------------------------------------- */

static int fill(sqlite3 *db, const void *context) {
    return store_meta_put(db, context);
}

enum store_result store_data_make(const struct store_data_paths *paths, const struct store_meta *meta,
                                  char why[STORE_WHY_MAX]) {
    struct store_making making = {paths->dir, paths->fresh, paths->db, &store_data_kind, fill, meta};

    assert(meta->pages == 0 && meta->bytes == 0 && meta->sum == 0);
    return store_make_file(&making, why);
}

/* ---- checking -------------------------------------------------------------------------------------------- */

static enum store_result check_meta(struct store_check *check, const struct store_data_check *asked,
                                    struct store_meta **meta) {
    const char *cluster = asked->cluster;
    int result = store_meta_get(check->view, meta);
    const char *found;

    if (result != SQLITE_OK && result != STORE_ROW_BAD)
        return store_refused(check, "read what it is the state of", result);
    if (result == STORE_ROW_BAD)
        return store_damaged(check, check->db, "the row that says what it is the state of: checksum differs");
    found = (*meta)->cluster;
    if (cluster[0] != '\0' && found[0] != '\0' && strcmp(cluster, found) != 0)
        return store_foreign(check, "the state of another cluster (%s, this one is %s); is dir right?", found,
                             cluster);
    if (asked->level_max != 0 && (*meta)->feature_level > asked->level_max)
        return store_foreign(check,
                             "the state is of feature level %" PRIu64 ", and up to %u is offered here: use a "
                             "redraft that knows that level, or a higher raft-feature-level-max",
                             (*meta)->feature_level, asked->level_max);
    return STORE_OK;
}

/* Every page, and what they add up to. */
static enum store_result check_pages(struct store_check *check, const struct store_meta *meta) {
    uint64_t pages = 0, bytes = 0, sum = 0;
    enum store_result checked = STORE_OK;
    struct store_page_row page;
    sqlite3_stmt *get;
    int result =
        sqlite3_prepare_v2(check->view, "SELECT id, checksum, data FROM pages ORDER BY id", -1, &get, NULL);

    if (result != SQLITE_OK)
        return store_refused(check, "read the pages", result);
    while (checked == STORE_OK && (result = sqlite3_step(get)) == SQLITE_ROW) {
        if (!store_page_get(get, &page))
            checked =
                store_damaged(check, check->db, "page %" PRIu64 " of object %" PRIu64 ": checksum differs",
                              page.id & ((1u << STORE_NUMBER_BITS) - 1), page.id >> STORE_NUMBER_BITS);
        pages++;
        bytes += page.length;
        sum += page.checksum;
    }
    sqlite3_finalize(get);
    if (checked != STORE_OK)
        return checked;
    if (result != SQLITE_DONE)
        return store_refused(check, "read the pages", result);
    if (pages != meta->pages || bytes != meta->bytes || sum != meta->sum)
        return store_damaged(check, check->db,
                             "%" PRIu64 " pages of %" PRIu64 " bytes, must be %" PRIu64 " of %" PRIu64
                             ", or some are old",
                             pages, bytes, meta->pages, meta->bytes);
    return STORE_OK;
}

enum store_result store_data_check(const struct store_data_paths *paths, const struct store_data_check *asked,
                                   struct store_meta **meta, struct store_data_view *view,
                                   char why[STORE_WHY_MAX]) {
    struct store_check check = {
        .kind = &store_data_kind,
        .db = paths->db,
        .wal_path = paths->wal,
        .journal_path = paths->journal,
        .rollback = asked->rollback,
        .remedy = asked->remedy,
        .why = why,
    };
    enum store_result result = store_check_open(&check);

    *meta = NULL;
    if (result == STORE_OK)
        result = check_meta(&check, asked, meta);
    if (result == STORE_OK)
        result = store_check_structure(&check);
    if (result == STORE_OK && asked->every_page)
        result = check_pages(&check, *meta);
    if (view != NULL && result == STORE_OK) {
        *view = (struct store_data_view){check.view, store_wal_length(&check.wal)};
        check.view = NULL;
    }
    store_check_close(&check);
    if (result != STORE_OK) {
        store_meta_free(*meta);
        *meta = NULL;
    }
    return result;
}
