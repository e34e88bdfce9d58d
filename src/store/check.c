/* SPDX-License-Identifier: MIT */
/*
 * Is this file ours, and whole? Asked before anything may change it.
 *
 *      1  the -wal's frames            wal.c, without SQLite, which ends a damaged WAL silently
 *      2  the header, the length       every page is in the file or in a committed frame
 *      3  what the tables say          check_log.c, check_data.c: each row's checksum and what the rows are to each other
 *      4  the structure                pages used twice or by nobody, lists of free pages: of what is going to be written
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

void store_remedy(char remedy[STORE_REMEDY_MAX], const char *dir, raft_id node) {
    snprintf(remedy, STORE_REMEDY_MAX,
             "Replace this node: move %.300s aside, remove node %" PRIu64
             " from the cluster and add it again",
             dir, node);
}

/* ---- refusing -------------------------------------------------------------------------------------------- */

/* What is wrong, then what to do about a damaged file. */
enum store_result store_damaged(struct store_check *check, const char *path, const char *format, ...) {
    char what[STORE_WHY_MAX / 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    snprintf(check->why, STORE_WHY_MAX, "%s: %s; nothing was changed. %s", path, what, check->remedy);
    return STORE_DAMAGED;
}

enum store_result store_foreign(struct store_check *check, const char *format, ...) {
    char what[STORE_WHY_MAX / 2];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    snprintf(check->why, STORE_WHY_MAX, "%s: %s; nothing was changed", check->db, what);
    return STORE_FOREIGN;
}

/* SQLite itself has found something. */
enum store_result store_refused(struct store_check *check, const char *doing, int result) {
    if ((result & 0xff) == SQLITE_CORRUPT || (result & 0xff) == SQLITE_NOTADB)
        return store_damaged(check, check->db, "%s: %s", doing, store_sql_words(check->view, result));
    store_sql_why(check->why, check->db, doing, check->view, result);
    return STORE_IO;
}

/* ---- the file -------------------------------------------------------------------------------------------- */

enum { HEADER_BYTES = 100 };

/* The header that counts: page 1 as the last commit left it. False when there is none. */
static bool read_header(struct store_check *check, struct store_file *db, uint8_t header[HEADER_BYTES]) {
    struct store_file wal;
    bool read;

    if (check->wal.first_page == 0)
        return store_file_read(db, header, HEADER_BYTES, 0);
    if (store_file_open(&wal, check->wal_path, SQLITE_OPEN_READONLY | SQLITE_OPEN_WAL) != SQLITE_OK)
        return false;
    read = store_file_read(&wal, header, HEADER_BYTES, check->wal.first_page);
    store_file_close(&wal);
    return read;
}

/* The fields that tell whose file it is come before those that damage may have changed. */
static enum store_result check_header(struct store_check *check, const uint8_t header[HEADER_BYTES]) {
    static const struct {
        unsigned at;
        unsigned size;
        uint32_t value;
    } fields[] = {
        {20, 1, 0}, {21, 1, 64}, {22, 1, 32}, {23, 1, 32}, /* reserved bytes, payload fractions */
        {44, 4, 4}, {52, 4, 0},  {56, 4, 1},  {64, 4, 0},  /* schema format, no vacuum, UTF-8 */
    };
    uint32_t application = store_big(header + 68), format = store_big(header + 60);
    uint32_t page_bytes = store_big(header + 16) >> 16;

    if (memcmp(header, "SQLite format 3", 16) != 0)
        return store_foreign(check, "not a database of redraft (nor of SQLite); is dir right?");
    if (application != check->kind->application)
        return store_foreign(check, "a database of another program (application id 0x%08x); is dir right?",
                             application);
    if (format == 0)
        return store_damaged(check, check->db, "the header says format 0, which never was");
    if (format != check->kind->format)
        return store_foreign(check,
                             "written by %s redraft (format %u, this one knows %u): use that one, or replace "
                             "the node",
                             format > check->kind->format ? "a newer" : "an older", format,
                             check->kind->format);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const uint8_t *at = header + fields[i].at;
        uint32_t value = store_big(at) >> (32 - 8 * fields[i].size);

        if (value != fields[i].value)
            return store_damaged(check, check->db, "the header's byte %u is %u, must be %u", fields[i].at,
                                 value, fields[i].value);
    }
    if ((page_bytes != check->kind->page_bytes && page_bytes != STORE_PAGE_BYTES) ||
        (check->wal.page_bytes != 0 && check->wal.page_bytes != page_bytes))
        return store_damaged(check, check->db, "the header's bytes 16 and 17 say pages of %u bytes",
                             page_bytes);
    check->page_bytes = page_bytes;
    if (header[18] != (check->rollback ? 1 : 2) || header[19] != header[18]) /* to write, to read */
        return store_damaged(check, check->db, "the header's bytes 18 and 19 are %u and %u, must be %d",
                             header[18], header[19], check->rollback ? 1 : 2);
    if (store_big(header + 24) != store_big(header + 92))
        return store_damaged(check, check->db, "the header's change counters differ");
    return STORE_OK;
}

/* Each page is in a committed frame of the WAL, or whole in the file; but the first one, of which SQLite wants to see something in the file:
 * beside an empty one it removes the WAL. */
static enum store_result check_length(struct store_check *check, uint32_t pages, int64_t size) {
    if (size < check->page_bytes)
        return store_damaged(check, check->db, "cut short: %" PRId64 " bytes, must be at least %" PRIu32,
                             size, check->page_bytes);
    for (uint32_t page = pages; page > 0; page--)
        if (!store_wal_covers(&check->wal, page)) {
            int64_t needed = (int64_t)page * check->page_bytes;

            if (size < needed)
                return store_damaged(check, check->db,
                                     "cut short: %" PRId64 " bytes, must be at least %" PRId64, size, needed);
            break; /* the pages before it end earlier */
        }
    return STORE_OK;
}

static enum store_result check_file(struct store_check *check) {
    uint8_t header[HEADER_BYTES];
    struct store_file db;
    enum store_result result;
    int64_t size;
    bool read;
    int opened = store_file_open(&db, check->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB);

    if (opened != SQLITE_OK) {
        store_sql_why(check->why, check->db, "open", NULL, opened);
        return STORE_IO;
    }
    size = store_file_size(&db);
    read = size >= 0 && read_header(check, &db, header);
    store_file_close(&db);
    if (size < 0) {
        store_sql_why(check->why, check->db, "read", NULL, SQLITE_IOERR);
        return STORE_IO;
    }
    if (!read)
        return store_damaged(check, check->db, "cut short: %" PRId64 " bytes hold no header", size);
    result = check_header(check, header);
    if (result != STORE_OK)
        return result;
    return check_length(check, check->wal.pages != 0 ? check->wal.pages : store_big(header + 28), size);
}

/* ---- the tables ------------------------------------------------------------------------------------------ */

/* Every byte of the path that could mean something in a URI is written as %XX. */
static char *view_uri(const struct store_check *check) {
    const char *path = check->db;
    char *uri = malloc(3 * strlen(path) + 64), *at = uri;

    if (uri == NULL)
        abort();
    at += sprintf(at, "file:");
    for (; *path != '\0'; path++)
        at += sprintf(at, "%%%02X", (unsigned char)*path);
    sprintf(at, "?mode=ro&vfs=" STORE_VFS_SWEEP_UNLOCKED "%s", check->wal.frames == 0 ? "&immutable=1" : "");
    return uri;
}

static enum store_result open_view(struct store_check *check) {
    char *uri = view_uri(check);
    int result = store_sql_open_to_sweep(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, &check->view);

    free(uri);
    if (result == SQLITE_OK)
        result =
            store_sql_exec(check->view, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY; "
                                        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; BEGIN");
    if (result == SQLITE_OK) /* or its closing moves the WAL into the file, as far as the system lets it */
        result = sqlite3_db_config(check->view, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return result == SQLITE_OK ? STORE_OK : store_refused(check, "open", result);
}

bool store_sql_is(sqlite3_stmt *row, int column, const char *expected) {
    const unsigned char *text = sqlite3_column_text(row, column);
    size_t length = strlen(expected);

    return text != NULL && (size_t)sqlite3_column_bytes(row, column) == length &&
           memcmp(text, expected, length) == 0;
}

static enum store_result check_schema(struct store_check *check) {
    sqlite3_stmt *get;
    size_t count = 0;
    int result = sqlite3_prepare_v2(
        check->view, "SELECT name, sql, type, tbl_name FROM sqlite_schema ORDER BY rowid", -1, &get, NULL);

    if (result != SQLITE_OK)
        return store_refused(check, "read the schema", result);
    while ((result = sqlite3_step(get)) == SQLITE_ROW) {
        const struct store_table *table = &check->kind->tables[count];

        if (count == check->kind->table_count || !store_sql_is(get, 0, table->name) ||
            !store_sql_is(get, 1, table->sql) || !store_sql_is(get, 2, "table") ||
            !store_sql_is(get, 3, table->name))
            break;
        count++;
    }
    sqlite3_finalize(get);
    if (result == SQLITE_ROW || (result == SQLITE_DONE && count != check->kind->table_count))
        return store_damaged(check, check->db, "the tables are not those of format %u", check->kind->format);
    return result == SQLITE_DONE ? STORE_OK : store_refused(check, "read the schema", result);
}

/* Pages used twice or by nobody, lists of free pages: what no row shows, and what the next write would stumble over. */
enum store_result store_check_structure(struct store_check *check) {
    enum store_result checked = STORE_OK;
    sqlite3_stmt *get;
    int result = sqlite3_prepare_v2(check->view, "PRAGMA quick_check(1)", -1, &get, NULL);

    if (result != SQLITE_OK)
        return store_refused(check, "check the structure", result);
    result = sqlite3_step(get);
    if (result != SQLITE_ROW)
        checked = store_refused(check, "check the structure", result);
    else if (!store_sql_is(get, 0, "ok"))
        checked = store_damaged(check, check->db, "%s", (const char *)sqlite3_column_text(get, 0));
    sqlite3_finalize(get);
    return checked;
}

/* ---- all of it ------------------------------------------------------------------------------------------- */

static enum store_result check_wal(struct store_check *check) {
    char what[STORE_WHY_MAX];
    enum store_result result;

    if (store_file_exists(check->journal_path))
        return store_foreign(check, "another program has written to it and left %s; is dir right?",
                             check->journal_path);
    result = store_wal_walk(check->wal_path, check->recycled, &check->wal, what);
    if (result == STORE_DAMAGED)
        return store_damaged(check, check->wal_path, "%.256s", what);
    if (result == STORE_IO)
        snprintf(check->why, STORE_WHY_MAX, "%s: %.256s", check->wal_path, what);
    return result;
}

enum store_result store_check_open(struct store_check *check) {
    static enum store_result (*const steps[])(struct store_check *) = {check_wal, check_file, open_view,
                                                                       check_schema};
    enum store_result result = STORE_OK;

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == STORE_OK; i++)
        result = steps[i](check);
    assert(result == STORE_OK || check->why[0] != '\0');
    return result;
}

void store_check_close(struct store_check *check) {
    sqlite3_close(check->view);
    check->view = NULL;
    store_wal_close(&check->wal);
}
