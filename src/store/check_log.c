/* SPDX-License-Identifier: MIT */
/*
 * What the log's segments say: whose they are, each row's checksum, and that together they are a log: dense indexes, terms that grow, and
 * nothing missing that was acknowledged (mark.c).
 *
 * The segment with the largest transaction is the newest, and says identity and state. Of each older one the rows before `old_end` of all
 * that are newer count, of each its own only from its own old_end on. Rows before the log's beginning are not looked at. A segment that has lost
 * its last commit may still look whole, with entries that had been overwritten: so the one that follows says which transaction was its last.
 */
#include "internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A segment that is looked at. */
struct look {
    struct store_check file;
    struct store_segment *segment; /* its names, and what it holds */
    struct store_identity identity;
    struct store_state state;
    uint64_t save; /* of its last transaction; 0: it is empty */
    raft_index count_from, count_end;
};

struct check {
    const struct store_paths *paths;
    raft_id node;
    struct store_found *found;
    char remedy[STORE_REMEDY_MAX];
    char *why;
    struct look *looks; /* in the order of their writing */
    size_t count;
};

const struct store_kind store_log_kind = {STORE_APPLICATION_ID, STORE_FORMAT, STORE_LOG_PAGE_BYTES,
                                          store_tables, STORE_TABLE_COUNT};

/* ---- one by itself ----------------------------------------------------------------------------------------- */

static enum store_result look_at_identity(struct check *check, struct look *look) {
    int result = store_identity_get(look->file.view, &look->identity, &look->save);

    if (result != SQLITE_OK && result != STORE_ROW_BAD)
        return store_refused(&look->file, "read the identity", result);
    if (result == STORE_ROW_BAD)
        return store_damaged(&look->file, look->segment->paths.db, "the identity: checksum differs");
    if (look->identity.node != check->node)
        return store_foreign(&look->file,
                             "belongs to node %" PRIu64 ", this node is %" PRIu64 " (wrong dir or raft-id?)",
                             look->identity.node, check->node);
    return STORE_OK;
}

static enum store_result look_at_state(struct look *look) {
    int result = store_state_get(look->file.view, look->identity.incarnation, &look->state);

    if (result != SQLITE_OK && result != STORE_ROW_BAD)
        return store_refused(&look->file, "read term and vote", result);
    if (result == STORE_ROW_BAD)
        return store_damaged(&look->file, look->segment->paths.db, "term and vote: checksum differs");
    if (look->state.save > look->save)
        look->save = look->state.save;
    return STORE_OK;
}

static enum store_result look_at_last_row(struct look *look) {
    int64_t save = 0;
    int result = store_sql_number(
        look->file.view, "SELECT coalesce((SELECT save FROM log ORDER BY id DESC LIMIT 1), 0)", &save);

    if (result != SQLITE_OK)
        return store_refused(&look->file, "read the log", result);
    if ((uint64_t)save > look->save)
        look->save = (uint64_t)save;
    return STORE_OK;
}

static enum store_result look_at(struct check *check, struct look *look) {
    int64_t rows = 0;
    enum store_result result = store_check_open(&look->file);
    int read;

    if (result != STORE_OK)
        return result;
    look->segment->page_bytes = look->file.page_bytes;
    look->segment->frames = (uint32_t)look->file.wal.frames;
    read = store_sql_number(look->file.view,
                            "SELECT (SELECT count(*) FROM identity) + (SELECT count(*) FROM state) + "
                            "(SELECT count(*) FROM (SELECT 1 FROM log LIMIT 1))",
                            &rows);
    if (read != SQLITE_OK)
        return store_refused(&look->file, "read the tables", read);
    if (rows == 0)
        return STORE_OK; /* empty: it was never begun, or all of it was taken away */
    result = look_at_identity(check, look);
    if (result == STORE_OK)
        result = look_at_state(look);
    return result == STORE_OK ? look_at_last_row(look) : result;
}

/* ---- all together -------------------------------------------------------------------------------------------- */

static int by_slot(const void *one, const void *other) {
    const struct look *a = one, *b = other;

    return a->segment->slot < b->segment->slot ? -1 : a->segment->slot > b->segment->slot;
}

static int by_save(const void *one, const void *other) {
    const struct look *a = one, *b = other;

    if (a->save != b->save)
        return a->save < b->save ? -1 : 1;
    return by_slot(one, other);
}

static void add_look(struct check *check, unsigned slot) {
    struct store_segment *segment = store_segment_new(check->paths->dir, slot);

    check->looks = realloc(check->looks, (check->count + 1) * sizeof(*check->looks));
    if (check->looks == NULL)
        abort();
    check->looks[check->count++] = (struct look){
        .file = {.kind = &store_log_kind,
                 .db = segment->paths.db,
                 .wal_path = segment->paths.wal,
                 .journal_path = segment->paths.journal,
                 .recycled = true,
                 .remedy = check->remedy,
                 .why = check->why},
        .segment = segment,
    };
}

static enum store_result find_segments(struct check *check) {
    char **names;
    int error = store_segment_names(check->paths->dir, &names);
    enum store_result result = STORE_OK;
    unsigned slot;

    if (error != 0)
        return store_refuse_io(check->why, check->paths->dir, "read the directory", error);
    for (size_t i = 0; names[i] != NULL; i++)
        if (store_segment_slot(names[i], &slot))
            add_look(check, slot);
    store_names_free(names);
    qsort(check->looks, check->count, sizeof(*check->looks), by_slot);
    for (size_t i = 0; i < check->count && result == STORE_OK; i++)
        result = look_at(check, &check->looks[i]);
    qsort(check->looks, check->count, sizeof(*check->looks), by_save);
    return result;
}

/* Who this is, and which rows count. */
static enum store_result check_newest(struct check *check) {
    struct look *newest = check->count > 0 ? &check->looks[check->count - 1] : NULL, *newer = NULL;
    raft_index end = INT64_MAX / STORE_PARTS_MAX;

    if (newest == NULL || newest->save == 0) {
        snprintf(check->why, STORE_WHY_MAX, "%s: all segments of the log are empty; nothing was changed. %s",
                 check->paths->dir, check->remedy);
        return STORE_DAMAGED;
    }
    check->found->identity = newest->identity;
    check->found->state = newest->state;
    check->found->save = newest->save;
    for (size_t i = check->count; i-- > 0;) {
        struct look *look = &check->looks[i];

        if (look->save != 0 && strcmp(look->identity.incarnation, newest->identity.incarnation) != 0)
            return store_foreign(&look->file, "it and %s are not of one node", newest->segment->paths.db);
        look->count_from =
            look->state.old_end > newest->state.log_start ? look->state.old_end : newest->state.log_start;
        look->count_end = look->save != 0 ? end : 0;
        if (look->save != 0 && look->count_from < look->count_end) {
            if (newer != NULL && look->save != newer->state.old_save)
                return store_damaged(&look->file, look->segment->paths.db,
                                     "it ends with transaction %" PRIu64
                                     ", and %s says that there were %" PRIu64,
                                     look->save, newer->segment->paths.db, newer->state.old_save);
            newer = look;
        }
        if (look->save != 0 && look->state.old_end < end)
            end = look->state.old_end;
    }
    return STORE_OK;
}

/* A list of members, part by part. */
static void add_change(struct store_found *found, const struct store_part *part) {
    size_t count = found->change_count;

    if (part->part == 0) {
        found->changes = realloc(found->changes, (count + 1) * sizeof(*found->changes));
        if (found->changes == NULL)
            abort();
        found->changes[count] = (struct raft_members_at){part->index, raft_blob_new((size_t)part->bytes)};
        found->change_count = ++count;
    }
    if (part->length > 0)
        memcpy(found->changes[count - 1].list->bytes + (size_t)part->part * STORE_ROW_BYTES_MAX, part->data,
               part->length);
}

static enum store_result check_part(struct check *check, struct look *look, sqlite3_stmt *row,
                                    struct store_part *before) {
    struct store_found *found = check->found;
    struct store_part part;
    const char *wrong =
        store_part_get(row, &part) ? store_part_misfit(&part, before, found->state.term) : "checksum differs";

    if (wrong != NULL)
        return store_damaged(&look->file, look->segment->paths.db,
                             "row %" PRIu64 " of the log (entry %" PRIu64 ", term %" PRIu64 "): %s",
                             part.index * STORE_PARTS_MAX + part.part, part.index, part.term, wrong);
    if (part.part == 0) {
        store_terms_add(&found->terms, part.term, part.index);
        store_segment_add(look->segment, part.index, part.bytes);
        found->log_bytes += part.bytes;
        found->last_index = part.index;
    }
    if (part.type == RAFT_ENTRY_MEMBERS && !part.no_data)
        add_change(found, &part);
    *before = part;
    return STORE_OK;
}

static enum store_result check_rows(struct check *check, struct look *look, struct store_part *before) {
    enum store_result checked = STORE_OK;
    sqlite3_stmt *get;
    int result;

    store_segment_begin(look->segment, before->index + 1);
    if (look->count_from >= look->count_end)
        return STORE_OK;
    result = sqlite3_prepare_v2(
        look->file.view, "SELECT " STORE_SQL_PART_COLUMNS " FROM log WHERE id >= ? AND id < ? ORDER BY id",
        -1, &get, NULL);
    if (result != SQLITE_OK)
        return store_refused(&look->file, "read the log", result);
    sqlite3_bind_int64(get, 1, (int64_t)(look->count_from * STORE_PARTS_MAX));
    sqlite3_bind_int64(get, 2, (int64_t)(look->count_end * STORE_PARTS_MAX));
    while (checked == STORE_OK && (result = sqlite3_step(get)) == SQLITE_ROW)
        checked = check_part(check, look, get, before);
    sqlite3_finalize(get);
    if (checked == STORE_OK && result != SQLITE_DONE)
        return store_refused(&look->file, "read the log", result);
    if (checked == STORE_OK && before->part + 1 < store_part_count(before->bytes))
        return store_damaged(&look->file, look->segment->paths.db,
                             "entry %" PRIu64 ": its last rows are missing", before->index);
    return checked;
}

static enum store_result check_log(struct check *check) {
    struct store_found *found = check->found;
    struct store_part before = {.index = found->state.log_start - 1, .term = found->state.base_term};
    enum store_result result = STORE_OK;

    for (size_t i = 0; i < check->count && result == STORE_OK; i++)
        result = check_rows(check, &check->looks[i], &before);
    if (result != STORE_OK)
        return result;
    /* Whatever the newest one has, its next entry follows the log's last. */
    found->first_index = found->last_index != 0 ? found->state.log_start : 0;
    if (before.index + 1 < found->state.old_end)
        return store_damaged(&check->looks[check->count - 1].file, check->paths->dir,
                             "the log ends with entry %" PRIu64 ", and %s says that there were %" PRIu64,
                             before.index, check->looks[check->count - 1].segment->paths.db,
                             found->state.old_end - 1);
    return STORE_OK;
}

/* Of the newest one, which is written to. Of the others nothing is used but the rows, and each of those was read; one that is used again is
 * checked then (segment.c). */
static enum store_result check_structure(struct check *check) {
    return store_check_structure(&check->looks[check->count - 1].file);
}

static enum store_result check_mark(struct check *check) {
    const struct store_found *found = check->found;
    struct look *newest = &check->looks[check->count - 1];
    uint64_t save;

    if (!store_mark_read(check->paths->mark, found->identity.incarnation, &save) || save <= found->save)
        return STORE_OK;
    return store_damaged(&newest->file, newest->segment->paths.db,
                         "it ends with transaction %" PRIu64 ", but %" PRIu64
                         " was acknowledged (%s): the file or its -wal was "
                         "cut, damaged or put back from an older copy",
                         found->save, save, check->paths->mark);
}

/* What was looked at goes on to the caller. */
static void hand_over(struct check *check) {
    struct store_found *found = check->found;

    found->segments = calloc(check->count + 1, sizeof(*found->segments));
    if (found->segments == NULL)
        abort();
    found->segment_count = check->count;
    for (size_t i = 0; i < check->count; i++) {
        struct look *look = &check->looks[i];

        found->segments[i] =
            (struct store_found_segment){look->segment, look->save, store_wal_length(&look->file.wal)};
        look->segment->db = look->file.view;
        look->file.view = NULL;
        store_check_close(&look->file);
    }
    free(check->looks);
}

enum store_result store_check_log(const struct store_paths *paths, raft_id node, struct store_found *found,
                                  char why[STORE_WHY_MAX]) {
    static enum store_result (*const steps[])(struct check *) = {
        find_segments, check_newest, check_log, check_structure, check_mark,
    };
    struct check check = {.paths = paths, .node = node, .found = found, .why = why};
    enum store_result result = STORE_OK;

    store_remedy(check.remedy, paths->dir, node);
    memset(found, 0, sizeof(*found));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == STORE_OK; i++)
        result = steps[i](&check);
    hand_over(&check);
    assert(result == STORE_OK || why[0] != '\0');
    return result;
}

void store_found_close(struct store_found *found) {
    store_terms_free(&found->terms);
    for (size_t i = 0; i < found->change_count; i++)
        raft_blob_unref(found->changes[i].list);
    free(found->changes);
    for (size_t i = 0; i < found->segment_count; i++)
        store_segment_close(found->segments[i].segment);
    free(found->segments);
    *found = (struct store_found){0};
}
