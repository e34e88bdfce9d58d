/* SPDX-License-Identifier: MIT */
/*
 * A raft.db of format 2 becomes segments.
 *
 * It held everything in one file, into which its WAL was moved.
 *
 *      before    raft.db (format 2), raft.db-wal          all is there
 *      made      raft-1.db: the same identity, state and entries, as a segment
 *      then      raft.db: an empty segment                its name changes hands in one step
 *
 * Until the last step raft.db counts, and whatever else is there is made again; from there on it is an empty segment. Its format keeps an older
 * program away. What raft-1.db holds is checked as a segment's rows are, at once; its WAL is like another's. Its file is made anew when its entries are gone, or,
 * if it is small, used again without its rows.
 */
#include "internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct store_table moved_tables[] = {
    {"identity",
     "CREATE TABLE identity (id INTEGER PRIMARY KEY, node INTEGER, incarnation TEXT, cluster TEXT, "
     "save INTEGER, checksum INTEGER)"},
    {"members",
     "CREATE TABLE members (position INTEGER PRIMARY KEY, id INTEGER, address TEXT, incarnation TEXT)"},
    {"state", "CREATE TABLE state (id INTEGER PRIMARY KEY, term INTEGER, vote INTEGER, log_start INTEGER, "
              "base_term INTEGER, data INTEGER, save INTEGER, checksum INTEGER)"},
    {"log",
     "CREATE TABLE log (id INTEGER PRIMARY KEY, term INTEGER, type INTEGER, bytes INTEGER, save INTEGER, "
     "checksum INTEGER, data BLOB)"},
    {"terms", "CREATE TABLE terms (first_index INTEGER PRIMARY KEY, term INTEGER)"},
};
static const struct store_kind moved_kind = {STORE_APPLICATION_ID, STORE_FORMAT_MOVED, STORE_LOG_PAGE_BYTES,
                                             moved_tables, sizeof(moved_tables) / sizeof(moved_tables[0])};

/* The state's row as it was. */
static int moved_state_get(sqlite3 *db, struct store_state *state) {
    sqlite3_stmt *get;
    uint32_t crc = 0;
    uint64_t numbers[6];
    int result = sqlite3_prepare_v2(
        db, "SELECT term, vote, log_start, base_term, data, save, checksum FROM state WHERE id = 1", -1, &get,
        NULL);

    if (result != SQLITE_OK)
        return result;
    result = sqlite3_step(get);
    if (result == SQLITE_ROW) {
        for (int i = 0; i < 6; i++) {
            numbers[i] = (uint64_t)sqlite3_column_int64(get, i);
            crc = store_crc32c_number(crc, numbers[i]);
        }
        *state = (struct store_state){.term = numbers[0],
                                      .vote = numbers[1],
                                      .log_start = numbers[2],
                                      .base_term = numbers[3],
                                      .data = numbers[4],
                                      .old_end = numbers[2],
                                      .save = numbers[5]};
        result = sqlite3_column_int64(get, 6) == crc ? SQLITE_OK : STORE_ROW_BAD;
    } else if (result == SQLITE_DONE) {
        result = STORE_ROW_BAD;
    }
    sqlite3_finalize(get);
    return result;
}

static int copy_entries(sqlite3 *from, sqlite3 *to, raft_index log_start) {
    sqlite3_stmt *get = NULL, *put = NULL;
    int result = sqlite3_prepare_v2(
        from, "SELECT " STORE_SQL_PART_COLUMNS " FROM log WHERE id >= ? ORDER BY id", -1, &get, NULL);

    if (result == SQLITE_OK)
        result = sqlite3_prepare_v2(to, STORE_SQL_PART_PUT, -1, &put, NULL);
    if (result == SQLITE_OK) {
        sqlite3_bind_int64(get, 1, (int64_t)(log_start * STORE_PARTS_MAX));
        while ((result = sqlite3_step(get)) == SQLITE_ROW) {
            for (int i = 0; i < sqlite3_column_count(get); i++)
                sqlite3_bind_value(put, i + 1, sqlite3_column_value(get, i));
            result = store_sql_run(put);
            if (result != SQLITE_OK)
                break;
        }
        if (result == SQLITE_DONE)
            result = SQLITE_OK;
    }
    sqlite3_finalize(get);
    sqlite3_finalize(put);
    return result;
}

/* Rows, each with the checksum that it has: they are checked in their new place. */
static int fill(sqlite3 *db, const void *context) {
    sqlite3 *view = *(sqlite3 *const *)context;
    struct store_identity *identity = calloc(1, sizeof(*identity));
    struct store_state state;
    sqlite3_stmt *put = NULL;
    uint64_t save = 0;
    int result;

    if (identity == NULL)
        abort();
    result = store_identity_get(view, identity, &save);
    if (result == SQLITE_OK)
        result = store_identity_put(db, identity, save);
    if (result == SQLITE_OK)
        result = moved_state_get(view, &state);
    if (result == SQLITE_OK)
        result = sqlite3_prepare_v2(db, STORE_SQL_STATE_PUT, -1, &put, NULL);
    if (result == SQLITE_OK)
        result = store_state_put(put, &state, identity->incarnation);
    sqlite3_finalize(put);
    if (result == SQLITE_OK)
        result = copy_entries(view, db, state.log_start);
    free(identity);
    return result;
}

/* ---- what is there ----------------------------------------------------------------------------------------- */

enum { FORMAT_AT = 60 }; /* in SQLite's header; it was written when the file was made, and never again */

static bool is_moved(const char *path) {
    uint8_t format[4];
    struct store_file file;
    bool read;

    if (store_file_open(&file, path, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB) != SQLITE_OK)
        return false;
    read = store_file_read(&file, format, sizeof(format), FORMAT_AT);
    store_file_close(&file);
    return read && store_big(format) == STORE_FORMAT_MOVED;
}

/* Each row is what was written. *last_save: of the last transaction. */
static enum store_result verify_rows(struct store_check *check, const struct store_state *state,
                                     uint64_t *last_save) {
    enum store_result checked = STORE_OK;
    struct store_part part, before = {.index = state->log_start - 1, .term = state->base_term};
    sqlite3_stmt *get;
    int result = sqlite3_prepare_v2(
        check->view, "SELECT " STORE_SQL_PART_COLUMNS " FROM log WHERE id >= ? ORDER BY id", -1, &get, NULL);

    if (result != SQLITE_OK)
        return store_refused(check, "read the log", result);
    sqlite3_bind_int64(get, 1, (int64_t)(state->log_start * STORE_PARTS_MAX));
    while (checked == STORE_OK && (result = sqlite3_step(get)) == SQLITE_ROW) {
        const char *wrong =
            store_part_get(get, &part) ? store_part_misfit(&part, &before, state->term) : "checksum differs";

        if (wrong != NULL)
            checked = store_damaged(check, check->db, "row %lld of the log: %s",
                                    (long long)sqlite3_column_int64(get, 0), wrong);
        else if (part.save > *last_save)
            *last_save = part.save;
        before = part;
    }
    sqlite3_finalize(get);
    if (checked == STORE_OK && result != SQLITE_DONE)
        return store_refused(check, "read the log", result);
    if (checked == STORE_OK && before.part + 1 < store_part_count(before.bytes))
        return store_damaged(check, check->db, "entry %llu: its last rows are missing",
                             (unsigned long long)before.index);
    return checked;
}

static enum store_result verify(struct store_check *check, const struct store_paths *paths, raft_id node) {
    struct store_identity *identity = calloc(1, sizeof(*identity));
    struct store_state state = {0};
    uint64_t save = 0, marked;
    enum store_result result;

    if (identity == NULL)
        abort();
    if (store_identity_get(check->view, identity, &save) != SQLITE_OK)
        result = store_damaged(check, check->db, "the identity: checksum differs");
    else if (identity->node != node)
        result = store_foreign(check, "belongs to node %llu, this node is %llu (wrong dir or raft-id?)",
                               (unsigned long long)identity->node, (unsigned long long)node);
    else if (moved_state_get(check->view, &state) != SQLITE_OK)
        result = store_damaged(check, check->db, "term and vote: checksum differs");
    else
        result = store_check_structure(check);
    if (state.save > save)
        save = state.save;
    if (result == STORE_OK)
        result = verify_rows(check, &state, &save);
    if (result == STORE_OK && store_mark_read(paths->mark, identity->incarnation, &marked) && marked > save)
        result = store_damaged(
            check, check->db,
            "it ends with transaction %llu, but %llu was acknowledged (%s): the file or its -wal "
            "was cut, damaged or put back from an older copy",
            (unsigned long long)save, (unsigned long long)marked, paths->mark);
    free(identity);
    return result;
}

/* ---- the step ------------------------------------------------------------------------------------------------ */

/* All of it is in the file, durably. */
static int move_wal(const struct store_paths *paths, int64_t wal_length) {
    sqlite3 *db = NULL;
    int result = store_file_renew(paths->wal, wal_length);

    if (result != SQLITE_OK)
        return result;
    result = store_sql_open(paths->db, SQLITE_OPEN_READWRITE, &db);
    if (result == SQLITE_OK)
        result = store_sql_exec(db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL");
    if (result == SQLITE_OK)
        result = store_sql_checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE);
    sqlite3_close(db); /* removes the WAL, and does not wait until that is durable */
    if (result == SQLITE_OK)
        result = store_file_remove(paths->wal);
    return result == SQLITE_OK && store_dir_sync(paths->dir) != 0 ? SQLITE_IOERR_DIR_FSYNC : result;
}

static enum store_result make_segment(const struct store_paths *paths, sqlite3 *view, char *why) {
    struct store_segment *segment = store_segment_new(paths->dir, 1);
    struct store_making making = {
        segment->paths.dir, segment->paths.fresh, segment->paths.db, &store_log_kind, fill, &view};
    int removed = store_segment_remove(segment);
    enum store_result result = STORE_IO;

    if (removed == SQLITE_OK)
        result = store_make_file(&making, why);
    else
        store_sql_why(why, segment->paths.db, "remove what an interrupted start left", NULL, removed);
    store_segment_close(segment);
    return result;
}

static enum store_result take_over(const struct store_paths *paths, int64_t wal_length, char *why) {
    struct store_making making = {paths->dir,      paths->fresh,       paths->db,
                                  &store_log_kind, store_fill_nothing, NULL};
    int moved = move_wal(paths, wal_length);

    if (moved == SQLITE_OK)
        return store_make_file(&making, why);
    store_sql_why(why, paths->db, "move its -wal into it", NULL, moved);
    return STORE_IO;
}

enum store_result store_upgrade(const struct store_paths *paths, raft_id node, char why[STORE_WHY_MAX]) {
    char remedy[STORE_REMEDY_MAX];
    struct store_check check = {
        .kind = &moved_kind,
        .db = paths->db,
        .wal_path = paths->wal,
        .journal_path = paths->journal,
        .remedy = remedy,
        .why = why,
    };
    enum store_result result;
    int64_t wal_length;

    if (!is_moved(paths->db))
        return STORE_OK;
    store_remedy(remedy, paths->dir, node);
    result = store_check_open(&check);
    if (result == STORE_OK)
        result = verify(&check, paths, node);
    if (result == STORE_OK)
        result = make_segment(paths, check.view, why);
    wal_length = store_wal_length(&check.wal);
    store_check_close(&check);
    return result == STORE_OK ? take_over(paths, wal_length, why) : result;
}
