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

enum { TERM_AT, PASS, OLDEST, DELETE_THROUGH, TERMS_BEFORE, TERM_BEGINS };
_Static_assert(TERM_BEGINS + 1 == STORE_BEGINNING_STATEMENTS, "as many as there are names");

static const char *const statement_sql[STORE_BEGINNING_STATEMENTS] = {
    [TERM_AT] = "SELECT term FROM log WHERE id = ?",
    [PASS] = "SELECT id, term, bytes FROM log WHERE id BETWEEN ? AND ? ORDER BY id",
    [OLDEST] = "SELECT id, length(data) FROM log WHERE id < ? ORDER BY id",
    [DELETE_THROUGH] = "DELETE FROM log WHERE id <= ?",
    [TERMS_BEFORE] = "DELETE FROM terms WHERE first_index < ?",
    [TERM_BEGINS] = "REPLACE INTO terms (first_index, term) VALUES (?, ?)",
};

int store_beginning_open(sqlite3 *db, struct store_beginning *beginning) {
    int result = SQLITE_OK;

    for (int i = 0; i < STORE_BEGINNING_STATEMENTS && result == SQLITE_OK; i++)
        result = sqlite3_prepare_v3(db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &beginning->statements[i], NULL);
    return result;
}

void store_beginning_close(struct store_beginning *beginning) {
    for (int i = 0; i < STORE_BEGINNING_STATEMENTS; i++)
        sqlite3_finalize(beginning->statements[i]);
}

static sqlite3_stmt *with(struct store_beginning *beginning, int which, uint64_t first) {
    sqlite3_bind_int64(beginning->statements[which], 1, (int64_t)first);
    return beginning->statements[which];
}

static sqlite3_stmt *with_two(struct store_beginning *beginning, int which, uint64_t first, uint64_t second) {
    sqlite3_bind_int64(beginning->statements[which], 2, (int64_t)second);
    return with(beginning, which, first);
}

/* Ends a statement of rows, of which `result` is the last word: an open one would hold the WAL's frames. */
static int ended(sqlite3_stmt *get, int result) {
    sqlite3_reset(get);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

int store_log_term_at(struct store_beginning *beginning, raft_index index, raft_term *term) {
    sqlite3_stmt *get = with(beginning, TERM_AT, index * STORE_PARTS_MAX);
    int result = sqlite3_step(get);

    *term = result == SQLITE_ROW ? (raft_term)sqlite3_column_int64(get, 0) : 0;
    return ended(get, result);
}

/* The entries' bytes are in each of their rows, before the data: none of it is read. */
int store_log_pass(struct store_beginning *beginning, struct store_state *state, raft_index through,
                   struct store_step step, uint64_t *bytes) {
    uint64_t rows = 0;
    int result;
    sqlite3_stmt *get = with_two(beginning, PASS, state->log_start * STORE_PARTS_MAX,
                                 through * STORE_PARTS_MAX + STORE_PARTS_MAX - 1);

    *bytes = 0;
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
    return ended(get, result);
}

int store_log_delete_before(struct store_beginning *beginning, raft_index index, struct store_step step,
                            bool *more) {
    uint64_t last = 0, rows = 0, bytes = 0;
    sqlite3_stmt *get = with(beginning, OLDEST, index * STORE_PARTS_MAX);
    int result = SQLITE_OK;

    *more = false;
    while (!*more && (result = sqlite3_step(get)) == SQLITE_ROW) {
        bytes += (uint64_t)sqlite3_column_int64(get, 1);
        if (rows > 0 && (rows == step.rows || bytes > step.bytes)) {
            *more = true;
        } else {
            last = (uint64_t)sqlite3_column_int64(get, 0);
            rows++;
        }
    }
    result = ended(get, result);
    return result == SQLITE_OK && rows > 0 ? store_sql_run(with(beginning, DELETE_THROUGH, last)) : result;
}

int store_terms_begin(struct store_beginning *beginning, raft_index index) {
    raft_term term;
    int result = store_log_term_at(beginning, index, &term);

    if (result == SQLITE_OK)
        result = store_sql_run(with(beginning, TERMS_BEFORE, index));
    if (result == SQLITE_OK && term != 0)
        result = store_sql_run(with_two(beginning, TERM_BEGINS, index, term));
    return result;
}
