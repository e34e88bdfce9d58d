/* SPDX-License-Identifier: MIT */
/*
 * Is this file ours, and whole? Asked before anything may change it.
 *
 *      1  the -wal's frames            wal.c, without SQLite, which ends a damaged WAL silently
 *      2  the header, the length       every page is in the file or in a committed frame
 *      3  what the tables say          each row's checksum, dense indexes, the terms, the structure
 *      4  the mark                     mark.c: nothing that was acknowledged is missing
 *
 * SQLite reads the tables without changing a bit: the file is opened read-only, through the file layer that takes no locks, in
 * exclusive mode, which keeps the WAL's index on the heap instead of in a -shm file; a database without a WAL is declared
 * immutable, or an empty -wal would be made beside it. The directory's lock keeps everybody else away meanwhile.
 */
#include "internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
    const struct store_paths *paths;
    raft_id node;
    struct store_wal wal;
    sqlite3 *db; /* the view */
    struct store_found *found;
    char *why;
};

/* ---- refusing -------------------------------------------------------------------------------------------- */

/* What is wrong, then what to do about a damaged file. */
__attribute__((format(printf, 3, 4))) static enum store_result damaged(struct check *check, const char *path,
                                                                       const char *format, ...) {
    char what[STORE_WHY_MAX / 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    snprintf(check->why, STORE_WHY_MAX,
             "%s: %s; nothing was changed. Replace this node: move %s aside, remove node %" PRIu64
             " from the cluster and add it again",
             path, what, check->paths->dir, check->node);
    return STORE_DAMAGED;
}

__attribute__((format(printf, 2, 3))) static enum store_result foreign(struct check *check,
                                                                       const char *format, ...) {
    char what[STORE_WHY_MAX / 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    snprintf(check->why, STORE_WHY_MAX, "%s: %s; nothing was changed", check->paths->db, what);
    return STORE_FOREIGN;
}

/* SQLite itself has found something. */
static enum store_result refused_by_sqlite(struct check *check, const char *doing, int result) {
    if ((result & 0xff) == SQLITE_CORRUPT || (result & 0xff) == SQLITE_NOTADB)
        return damaged(check, check->paths->db, "%s: %s", doing, store_sql_words(check->db, result));
    store_sql_why(check->why, check->paths->db, doing, check->db, result);
    return STORE_IO;
}

/* ---- the file -------------------------------------------------------------------------------------------- */

static uint32_t number_at(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

enum { HEADER_BYTES = 100 };

/* The header that counts: page 1 as the last commit left it. False when there is none. */
static bool read_header(struct check *check, struct store_file *db, uint8_t header[HEADER_BYTES]) {
    struct store_file wal;
    bool read;

    if (check->wal.first_page == 0)
        return store_file_read(db, header, HEADER_BYTES, 0);
    if (store_file_open(&wal, check->paths->wal, SQLITE_OPEN_READONLY | SQLITE_OPEN_WAL) != SQLITE_OK)
        return false;
    read = store_file_read(&wal, header, HEADER_BYTES, check->wal.first_page);
    store_file_close(&wal);
    return read;
}

/* The fields that tell whose file it is come before those that damage may have changed. */
static enum store_result check_header(struct check *check, const uint8_t header[HEADER_BYTES]) {
    static const struct {
        unsigned at;
        unsigned size;
        uint32_t value;
    } fields[] = {
        {16, 2, STORE_PAGE_BYTES},
        {18, 1, 2},
        {19, 1, 2}, /* WAL, to write and to read */
        {20, 1, 0},
        {21, 1, 64},
        {22, 1, 32},
        {23, 1, 32}, /* reserved bytes, payload fractions */
        {44, 4, 4},
        {52, 4, 0},
        {56, 4, 1},
        {64, 4, 0}, /* schema format, no vacuum, UTF-8 */
    };
    uint32_t application = number_at(header + 68), format = number_at(header + 60);

    if (memcmp(header, "SQLite format 3", 16) != 0)
        return foreign(check, "not a database of redraft (nor of SQLite); is dir right?");
    if (application != STORE_APPLICATION_ID)
        return foreign(check, "a database of another program (application id 0x%08x); is dir right?",
                       application);
    if (format > STORE_FORMAT)
        return foreign(check, "written by a newer redraft (format %u, this one knows %d); use that one",
                       format, STORE_FORMAT);
    if (format < STORE_FORMAT)
        return damaged(check, check->paths->db, "the header says format %u, which never was", format);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const uint8_t *at = header + fields[i].at;
        uint32_t value = number_at(at) >> (32 - 8 * fields[i].size);

        if (value != fields[i].value)
            return damaged(check, check->paths->db, "the header's byte %u is %u, must be %u", fields[i].at,
                           value, fields[i].value);
    }
    if (number_at(header + 24) != number_at(header + 92))
        return damaged(check, check->paths->db, "the header's change counters differ");
    return STORE_OK;
}

/* Each page is in a committed frame of the WAL, or whole in the file. */
static enum store_result check_length(struct check *check, uint32_t pages, int64_t size) {
    for (uint32_t page = pages; page > 0; page--)
        if (!store_wal_covers(&check->wal, page)) {
            int64_t needed = (int64_t)page * STORE_PAGE_BYTES;

            if (size < needed)
                return damaged(check, check->paths->db,
                               "cut short: %" PRId64 " bytes, must be at least %" PRId64, size, needed);
            break; /* the pages before it end earlier */
        }
    return STORE_OK;
}

static enum store_result check_file(struct check *check) {
    uint8_t header[HEADER_BYTES];
    struct store_file db;
    enum store_result result;
    int64_t size;
    bool read;
    int opened = store_file_open(&db, check->paths->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB);

    if (opened != SQLITE_OK) {
        store_sql_why(check->why, check->paths->db, "open", NULL, opened);
        return STORE_IO;
    }
    size = store_file_size(&db);
    read = size >= 0 && read_header(check, &db, header);
    store_file_close(&db);
    if (size < 0) {
        store_sql_why(check->why, check->paths->db, "read", NULL, SQLITE_IOERR);
        return STORE_IO;
    }
    if (!read)
        return damaged(check, check->paths->db, "cut short: %" PRId64 " bytes hold no header", size);
    result = check_header(check, header);
    if (result != STORE_OK)
        return result;
    return check_length(check, check->wal.pages != 0 ? check->wal.pages : number_at(header + 28), size);
}

/* ---- the tables ------------------------------------------------------------------------------------------ */

/* Every byte of the path that could mean something in a URI is written as %XX. */
static char *view_uri(const struct check *check) {
    const char *path = check->paths->db;
    char *uri = malloc(3 * strlen(path) + 64), *at = uri;

    if (uri == NULL)
        abort();
    at += sprintf(at, "file:");
    for (; *path != '\0'; path++)
        at += sprintf(at, "%%%02X", (unsigned char)*path);
    sprintf(at, "?mode=ro&vfs=" STORE_VFS_UNLOCKED "%s", check->wal.frames == 0 ? "&immutable=1" : "");
    return uri;
}

static enum store_result open_view(struct check *check) {
    char *uri = view_uri(check);
    int result = store_sql_open(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, &check->db);

    free(uri);
    if (result == SQLITE_OK)
        result = store_sql_exec(check->db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY; "
                                           "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; BEGIN");
    if (result == SQLITE_OK) /* or its closing moves the WAL into the file, as far as the system lets it */
        result = sqlite3_db_config(check->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return result == SQLITE_OK ? STORE_OK : refused_by_sqlite(check, "open", result);
}

static bool column_is(sqlite3_stmt *row, int column, const char *expected) {
    const unsigned char *text = sqlite3_column_text(row, column);
    size_t length = strlen(expected);

    return text != NULL && (size_t)sqlite3_column_bytes(row, column) == length &&
           memcmp(text, expected, length) == 0;
}

static enum store_result check_schema(struct check *check) {
    sqlite3_stmt *get;
    int count = 0;
    int result = sqlite3_prepare_v2(
        check->db, "SELECT name, sql, type, tbl_name FROM sqlite_schema ORDER BY rowid", -1, &get, NULL);

    if (result != SQLITE_OK)
        return refused_by_sqlite(check, "read the schema", result);
    while ((result = sqlite3_step(get)) == SQLITE_ROW) {
        const struct store_table *table = &store_tables[count];

        if (count == STORE_TABLE_COUNT || !column_is(get, 0, table->name) || !column_is(get, 1, table->sql) ||
            !column_is(get, 2, "table") || !column_is(get, 3, table->name))
            break;
        count++;
    }
    sqlite3_finalize(get);
    if (result == SQLITE_ROW || (result == SQLITE_DONE && count != STORE_TABLE_COUNT))
        return damaged(check, check->paths->db, "the tables are not those of format %d", STORE_FORMAT);
    return result == SQLITE_DONE ? STORE_OK : refused_by_sqlite(check, "read the schema", result);
}

static enum store_result check_identity(struct check *check) {
    struct store_found *found = check->found;
    int result = store_identity_get(check->db, &found->identity, &found->save);

    if (result != SQLITE_OK && result != STORE_ROW_BAD)
        return refused_by_sqlite(check, "read the identity", result);
    if (result == STORE_ROW_BAD)
        return damaged(check, check->paths->db, "the identity: checksum differs");
    if (found->identity.node != check->node)
        return foreign(check, "belongs to node %" PRIu64 ", this node is %" PRIu64 " (wrong dir or raft-id?)",
                       found->identity.node, check->node);
    return STORE_OK;
}

static enum store_result check_state(struct check *check) {
    struct store_found *found = check->found;
    int result = store_state_get(check->db, &found->state);

    if (result != SQLITE_OK && result != STORE_ROW_BAD)
        return refused_by_sqlite(check, "read term and vote", result);
    if (result == STORE_ROW_BAD)
        return damaged(check, check->paths->db, "term and vote: checksum differs");
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
        return damaged(check, check->paths->db,
                       "row %" PRIu64 " of the log (entry %" PRIu64 ", term %" PRIu64 "): %s",
                       part.index * STORE_PARTS_MAX + part.part, part.index, part.term, wrong);
    if (part.part == 0) {
        if (part.term != before->term)
            add_term(found, part.term, part.index);
        found->log_bytes += part.bytes;
        found->last_index = part.index;
    }
    *before = part;
    return STORE_OK;
}

static enum store_result check_log(struct check *check) {
    struct store_found *found = check->found;
    struct store_part before = {.index = found->state.log_start - 1};
    enum store_result checked = STORE_OK;
    sqlite3_stmt *get;
    int result = sqlite3_prepare_v2(check->db, "SELECT " STORE_SQL_PART_COLUMNS " FROM log ORDER BY id", -1,
                                    &get, NULL);

    if (result != SQLITE_OK)
        return refused_by_sqlite(check, "read the log", result);
    while (checked == STORE_OK && (result = sqlite3_step(get)) == SQLITE_ROW)
        checked = check_part(check, get, &before);
    sqlite3_finalize(get);
    if (checked != STORE_OK)
        return checked;
    if (result != SQLITE_DONE)
        return refused_by_sqlite(check, "read the log", result);
    if (before.part + 1 < store_part_count(before.bytes))
        return damaged(check, check->paths->db, "entry %" PRIu64 ": its last rows are missing", before.index);
    found->first_index = found->last_index != 0 ? found->state.log_start : 0;
    if (before.save > found->save)
        found->save = before.save;
    return STORE_OK;
}

static enum store_result check_terms(struct check *check) {
    const struct store_found *found = check->found;
    size_t count = 0;
    sqlite3_stmt *get;
    int result = sqlite3_prepare_v2(check->db, "SELECT first_index, term FROM terms ORDER BY first_index", -1,
                                    &get, NULL);

    if (result != SQLITE_OK)
        return refused_by_sqlite(check, "read the terms", result);
    while ((result = sqlite3_step(get)) == SQLITE_ROW) {
        if (count == found->term_count ||
            (raft_index)sqlite3_column_int64(get, 0) != found->terms[count].first_index ||
            (raft_term)sqlite3_column_int64(get, 1) != found->terms[count].term)
            break;
        count++;
    }
    sqlite3_finalize(get);
    if (result == SQLITE_ROW || (result == SQLITE_DONE && count != found->term_count))
        return damaged(check, check->paths->db, "the table of terms differs from the log");
    return result == SQLITE_DONE ? STORE_OK : refused_by_sqlite(check, "read the terms", result);
}

/* Pages used twice or by nobody, lists of free pages: what no row shows, and what the next write would stumble over. */
static enum store_result check_structure(struct check *check) {
    enum store_result checked = STORE_OK;
    sqlite3_stmt *get;
    int result = sqlite3_prepare_v2(check->db, "PRAGMA quick_check(1)", -1, &get, NULL);

    if (result != SQLITE_OK)
        return refused_by_sqlite(check, "check the structure", result);
    result = sqlite3_step(get);
    if (result != SQLITE_ROW)
        checked = refused_by_sqlite(check, "check the structure", result);
    else if (!column_is(get, 0, "ok"))
        checked = damaged(check, check->paths->db, "%s", (const char *)sqlite3_column_text(get, 0));
    sqlite3_finalize(get);
    return checked;
}

static enum store_result check_mark(struct check *check) {
    const struct store_found *found = check->found;
    uint64_t save;

    if (!store_mark_read(check->paths->mark, found->identity.incarnation, &save) || save <= found->save)
        return STORE_OK;
    return damaged(check, check->paths->db,
                   "it ends with transaction %" PRIu64 ", but %" PRIu64
                   " was acknowledged (%s): the file or its -wal was "
                   "cut, damaged or put back from an older copy",
                   found->save, save, check->paths->mark);
}

/* ---- all of it ------------------------------------------------------------------------------------------- */

static enum store_result check_wal(struct check *check) {
    char what[STORE_WHY_MAX];
    enum store_result result;

    if (store_file_exists(check->paths->journal))
        return foreign(check, "another program has written to it and left %s", check->paths->journal);
    result = store_wal_walk(check->paths->wal, &check->wal, what);
    if (result == STORE_DAMAGED)
        return damaged(check, check->paths->wal, "%.256s", what);
    if (result == STORE_IO)
        snprintf(check->why, STORE_WHY_MAX, "%s: %.256s", check->paths->wal, what);
    return result;
}

enum store_result store_check(const struct store_paths *paths, raft_id node, struct store_found *found,
                              char why[STORE_WHY_MAX]) {
    static enum store_result (*const steps[])(struct check *) = {
        check_wal,   check_file, open_view,   check_schema,    check_identity,
        check_state, check_log,  check_terms, check_structure, check_mark,
    };
    struct check check = {.paths = paths, .node = node, .found = found, .why = why};
    enum store_result result = STORE_OK;

    memset(found, 0, sizeof(*found));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == STORE_OK; i++)
        result = steps[i](&check);
    sqlite3_close(check.db);
    store_wal_close(&check.wal);
    assert(result == STORE_OK || why[0] != '\0');
    return result;
}

void store_found_close(struct store_found *found) {
    free(found->terms);
    found->terms = NULL;
}
