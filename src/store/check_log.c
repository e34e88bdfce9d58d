/* SPDX-License-Identifier: MIT */
/*
 * What the tables of raft.db say: whose they are, each row's checksum, dense indexes, the terms; and that nothing which was
 * acknowledged is missing (mark.c).
 */
#include "internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
    struct store_check file;
    const struct store_paths *paths;
    raft_id node;
    struct store_found *found;
};

const struct store_kind store_log_kind = {STORE_APPLICATION_ID, STORE_FORMAT, STORE_LOG_PAGE_BYTES,
                                          store_tables, STORE_TABLE_COUNT};

static enum store_result check_identity(struct check *check) {
    struct store_found *found = check->found;
    int result = store_identity_get(check->file.view, &found->identity, &found->save);

    if (result != SQLITE_OK && result != STORE_ROW_BAD)
        return store_refused(&check->file, "read the identity", result);
    if (result == STORE_ROW_BAD)
        return store_damaged(&check->file, check->paths->db, "the identity: checksum differs");
    if (found->identity.node != check->node)
        return store_foreign(&check->file,
                             "belongs to node %" PRIu64 ", this node is %" PRIu64 " (wrong dir or raft-id?)",
                             found->identity.node, check->node);
    return STORE_OK;
}

static enum store_result check_state(struct check *check) {
    struct store_found *found = check->found;
    int result = store_state_get(check->file.view, &found->state);

    if (result != SQLITE_OK && result != STORE_ROW_BAD)
        return store_refused(&check->file, "read term and vote", result);
    if (result == STORE_ROW_BAD)
        return store_damaged(&check->file, check->paths->db, "term and vote: checksum differs");
    if (found->state.save > found->save)
        found->save = found->state.save;
    return STORE_OK;
}

static void add_term(struct store_found *found, raft_term term, raft_index index) {
    size_t count = found->term_count;

    if ((count & (count - 1)) == 0) { /* full at each power of two */
        found->terms = realloc(found->terms, (count == 0 ? 1 : 2 * count) * sizeof(*found->terms));
        if (found->terms == NULL)
            abort();
    }
    found->terms[found->term_count++] = (struct raft_term_start){term, index};
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

/* What of a row does not fit the one before it; NULL when it does. */
static const char *misfit(const struct check *check, const struct store_part *part,
                          const struct store_part *before) {
    if (before->part + 1 < store_part_count(before->bytes)) {
        if (part->index != before->index || part->part != before->part + 1)
            return "the rest of the entry before it is missing";
        return part->term == before->term && part->type == before->type && part->bytes == before->bytes &&
                       part->save == before->save && part->no_data == before->no_data
                   ? NULL
                   : "not a part of the entry that it stands in";
    }
    if (part->part != 0 || part->index != before->index + 1)
        return "entries are missing before it";
    if (part->term < before->term || part->term == 0 || part->term > check->found->state.term)
        return "its term does not fit";
    return part->save >= before->save ? NULL : "older than the entry before it";
}

static enum store_result check_part(struct check *check, sqlite3_stmt *row, struct store_part *before) {
    struct store_found *found = check->found;
    struct store_part part;
    const char *wrong = store_part_get(row, &part) ? misfit(check, &part, before) : "checksum differs";

    if (wrong != NULL)
        return store_damaged(&check->file, check->paths->db,
                             "row %" PRIu64 " of the log (entry %" PRIu64 ", term %" PRIu64 "): %s",
                             part.index * STORE_PARTS_MAX + part.part, part.index, part.term, wrong);
    if (part.part == 0) {
        if (part.term != before->term || found->term_count == 0)
            add_term(found, part.term, part.index);
        found->log_bytes += part.bytes;
        found->last_index = part.index;
    }
    if (part.type == RAFT_ENTRY_MEMBERS && !part.no_data)
        add_change(found, &part);
    *before = part;
    return STORE_OK;
}

static enum store_result check_log(struct check *check) {
    struct store_found *found = check->found;
    struct store_part before = {.index = found->state.log_start - 1, .term = found->state.base_term};
    enum store_result checked = STORE_OK;
    sqlite3_stmt *get;
    int result = sqlite3_prepare_v2(check->file.view,
                                    "SELECT " STORE_SQL_PART_COLUMNS " FROM log WHERE id >= ? ORDER BY id",
                                    -1, &get, NULL);

    if (result != SQLITE_OK)
        return store_refused(&check->file, "read the log", result);
    sqlite3_bind_int64(get, 1, (int64_t)(found->state.log_start * STORE_PARTS_MAX));
    while (checked == STORE_OK && (result = sqlite3_step(get)) == SQLITE_ROW)
        checked = check_part(check, get, &before);
    sqlite3_finalize(get);
    if (checked != STORE_OK)
        return checked;
    if (result != SQLITE_DONE)
        return store_refused(&check->file, "read the log", result);
    if (before.part + 1 < store_part_count(before.bytes))
        return store_damaged(&check->file, check->paths->db, "entry %" PRIu64 ": its last rows are missing",
                             before.index);
    found->first_index = found->last_index != 0 ? found->state.log_start : 0;
    if (before.save > found->save)
        found->save = before.save;
    return STORE_OK;
}

static enum store_result check_terms(struct check *check) {
    const struct store_found *found = check->found;
    size_t count = 0;
    sqlite3_stmt *get;
    int result = sqlite3_prepare_v2(
        check->file.view, "SELECT first_index, term FROM terms ORDER BY first_index", -1, &get, NULL);

    if (result != SQLITE_OK)
        return store_refused(&check->file, "read the terms", result);
    while ((result = sqlite3_step(get)) == SQLITE_ROW) {
        if (count == found->term_count ||
            (raft_index)sqlite3_column_int64(get, 0) != found->terms[count].first_index ||
            (raft_term)sqlite3_column_int64(get, 1) != found->terms[count].term)
            break;
        count++;
    }
    sqlite3_finalize(get);
    if (result == SQLITE_ROW || (result == SQLITE_DONE && count != found->term_count))
        return store_damaged(&check->file, check->paths->db, "the table of terms differs from the log");
    return result == SQLITE_DONE ? STORE_OK : store_refused(&check->file, "read the terms", result);
}

static enum store_result check_mark(struct check *check) {
    const struct store_found *found = check->found;
    uint64_t save;

    if (!store_mark_read(check->paths->mark, found->identity.incarnation, &save) || save <= found->save)
        return STORE_OK;
    return store_damaged(&check->file, check->paths->db,
                         "it ends with transaction %" PRIu64 ", but %" PRIu64
                         " was acknowledged (%s): the file or its -wal was "
                         "cut, damaged or put back from an older copy",
                         found->save, save, check->paths->mark);
}

/* Rows of entries before the log's beginning: not looked at, only whether there are any. */
static enum store_result check_leftovers(struct check *check) {
    struct store_found *found = check->found;
    int64_t first = 0;
    int result = store_sql_number(check->file.view,
                                  "SELECT coalesce((SELECT id FROM log ORDER BY id LIMIT 1), -1)", &first);

    if (result != SQLITE_OK)
        return store_refused(&check->file, "read the log", result);
    found->leftovers = first >= 0 && (uint64_t)first < found->state.log_start * STORE_PARTS_MAX;
    return STORE_OK;
}

static enum store_result check_structure(struct check *check) {
    return store_check_structure(&check->file);
}

static enum store_result open_file(struct check *check) {
    return store_check_open(&check->file);
}

enum store_result store_check_log(const struct store_paths *paths, raft_id node, struct store_found *found,
                                  char why[STORE_WHY_MAX]) {
    static enum store_result (*const steps[])(struct check *) = {
        open_file,   check_identity,  check_state,     check_log,
        check_terms, check_leftovers, check_structure, check_mark,
    };
    char remedy[STORE_REMEDY_MAX];
    struct check check = {
        .file = {.kind = &store_log_kind,
                 .db = paths->db,
                 .wal_path = paths->wal,
                 .journal_path = paths->journal,
                 .remedy = remedy,
                 .why = why},
        .paths = paths,
        .node = node,
        .found = found,
    };
    enum store_result result = STORE_OK;

    store_remedy(remedy, paths->dir, node);
    memset(found, 0, sizeof(*found));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == STORE_OK; i++)
        result = steps[i](&check);
    found->wal_length = store_wal_length(&check.file.wal);
    store_check_close(&check.file);
    assert(result == STORE_OK || why[0] != '\0');
    return result;
}

void store_found_close(struct store_found *found) {
    free(found->terms);
    found->terms = NULL;
    for (size_t i = 0; i < found->change_count; i++)
        raft_blob_unref(found->changes[i].list);
    free(found->changes);
    found->changes = NULL;
    found->change_count = 0;
}
