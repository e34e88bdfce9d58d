/* SPDX-License-Identifier: MIT */
/*
 * Where the log begins, and how what was before it goes.
 *
 *      rows of log     1 2 3 4 5 6 7 | 8 9 10 11 ...
 *                      leftovers     ^ state.log_start: from here on the log exists
 *
 * Deleting in bulk is expensive: rows are found, pages are read and put on the list of free ones (which the appends after it take again,
 * so the file stops growing). So the log's beginning is a number in the state's row that moves at once, whatever lies
 * before it, and the rows follow in steps: 500 rows or 256 KB at most, in the transaction of whatever else is to be saved, which
 * waits some tenths of a millisecond for it; where more was saved since a step that left some, twice as much, or the log would not
 * shrink. A row of 1 MB takes 1 ms, and is a step (an entry of 512 MB goes in 512). Nobody reads what is left over: not the check at
 * start, not the reading back of entries.
 *
 * The table of terms has a row where each term begins in the log; its first row moves with the log's beginning.
 */
#include "internal.h"

#include <assert.h>

/* Prepares `sql` with its first two parameters; a failure shows when it is stepped, as a NULL. */
static sqlite3_stmt *prepare(sqlite3 *db, const char *sql, uint64_t first, uint64_t second, int *result) {
    sqlite3_stmt *statement = NULL;

    *result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (*result == SQLITE_OK) {
        sqlite3_bind_int64(statement, 1, (int64_t)first);
        sqlite3_bind_int64(statement, 2, (int64_t)second);
    }
    return statement;
}

static int run(sqlite3 *db, const char *sql, uint64_t first, uint64_t second) {
    int result;
    sqlite3_stmt *statement = prepare(db, sql, first, second, &result);

    if (result == SQLITE_OK)
        result = store_sql_run(statement);
    sqlite3_finalize(statement);
    return result;
}

int store_log_term_at(sqlite3 *db, raft_index index, raft_term *term) {
    int result;
    sqlite3_stmt *get = prepare(db, "SELECT term FROM log WHERE id = ?", index * STORE_PARTS_MAX, 0, &result);

    *term = 0;
    if (result != SQLITE_OK)
        return result;
    result = sqlite3_step(get);
    if (result == SQLITE_ROW)
        *term = (raft_term)sqlite3_column_int64(get, 0);
    sqlite3_finalize(get);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

/* The entries' bytes are in each of their rows, before the data: none of it is read. */
int store_log_pass(sqlite3 *db, struct store_state *state, raft_index through, struct store_step step,
                   uint64_t *bytes) {
    uint64_t rows = 0;
    int result;
    sqlite3_stmt *get =
        prepare(db, "SELECT id, term, bytes FROM log WHERE id BETWEEN ? AND ? ORDER BY id",
                state->log_start * STORE_PARTS_MAX, through * STORE_PARTS_MAX + STORE_PARTS_MAX - 1, &result);

    *bytes = 0;
    if (result != SQLITE_OK)
        return result;
    while ((result = sqlite3_step(get)) == SQLITE_ROW) {
        uint64_t id = (uint64_t)sqlite3_column_int64(get, 0);

        if (id % STORE_PARTS_MAX != 0)
            continue;
        if (rows > 0 && (rows >= step.rows || *bytes >= step.bytes))
            break;
        assert(id / STORE_PARTS_MAX == state->log_start);
        state->log_start++;
        state->base_term = (raft_term)sqlite3_column_int64(get, 1);
        *bytes += (uint64_t)sqlite3_column_int64(get, 2);
        rows += store_part_count((uint64_t)sqlite3_column_int64(get, 2));
    }
    sqlite3_finalize(get);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

int store_log_delete_before(sqlite3 *db, raft_index index, struct store_step step, bool *more) {
    uint64_t last = 0, rows = 0, bytes = 0;
    int result;
    sqlite3_stmt *get = prepare(db, "SELECT id, length(data) FROM log WHERE id < ? ORDER BY id",
                                index * STORE_PARTS_MAX, 0, &result);

    *more = false;
    if (result != SQLITE_OK)
        return result;
    while (!*more && (result = sqlite3_step(get)) == SQLITE_ROW) {
        bytes += (uint64_t)sqlite3_column_int64(get, 1);
        if (rows > 0 && (rows == step.rows || bytes > step.bytes)) {
            *more = true;
        } else {
            last = (uint64_t)sqlite3_column_int64(get, 0);
            rows++;
        }
    }
    sqlite3_finalize(get);
    if (result != SQLITE_ROW && result != SQLITE_DONE)
        return result;
    return rows > 0 ? run(db, "DELETE FROM log WHERE id <= ?", last, 0) : SQLITE_OK;
}

int store_terms_begin(sqlite3 *db, raft_index index) {
    raft_term term;
    int result = store_log_term_at(db, index, &term);

    if (result == SQLITE_OK)
        result = run(db, "DELETE FROM terms WHERE first_index < ?", index, 0);
    if (result == SQLITE_OK && term != 0)
        result = run(db, "REPLACE INTO terms (first_index, term) VALUES (?, ?)", index, term);
    return result;
}
