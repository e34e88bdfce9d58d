/* SPDX-License-Identifier: MIT */
/*
 * One segment of the log: a database of SQLite's, of which only the -wal is ever written.
 *
 *      raft-3.db       empty tables                                       made once
 *      raft-3.db-wal   | header | commit | commit | commit |  zeros ...   written from its beginning, never moved into the file
 *
 * A log is written once, hardly read, and deleted from its beginning. SQLite's usual way with a WAL, to move its pages into the file and to
 * begin it again, writes each entry twice, and its way of deleting rows reads and writes a third time what nobody wants. So a WAL stays
 * where it is until nothing in it counts any more; then 32 bytes of zeros over its header take all of it away at once (SQLite reads a WAL
 * without a header as an empty one; what it writes there next has other salts, and what remains behind that is not taken for frames). They are
 * synced before anything else is written there: of a first block that is torn, zeros may stand behind the old header, and look like damage.
 * The blocks are there and written: a commit over them goes straight to the disk (gather.c, straight.c).
 *
 * A row is a part of an entry, its id is index * 1024 + part, so that entries are read and cut in the order of the tree and an appended
 * one touches its last page only. How long each entry is, is known in memory: four bytes each.
 *
 * SQLite's settings, and why:
 *
 *      synchronous FULL      a commit returns when the WAL is on the disk. That is what this file is for.
 *      locking EXCLUSIVE     the WAL's index is on the heap: no -shm file, and no other program gets in between.
 *      page size 1024        a commit writes whole pages: that of the last row, those behind it, and the first one when the file grows.
 *      journal_size_limit    none: the blocks are kept.
 *      cache 1 MB, no mmap   the log is appended to, hardly read; through a map an I/O error would be a signal without words.
 *      cache_spill 32 MB     so far the cache grows with a transaction, and is given back behind it. One that is larger leaves it page by page; the
 *                            pages that change once more, a few of each row's, have all frames behind them read and summed up again.
 *      secure_delete off     Debian's default writes zeros over all that is deleted.
 *      no checkpoints        not even when the connection is closed.
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECYCLE_MAX = 64 * 1024, /* a file that is larger holds rows: it was made of an older raft.db */
    FILL_BYTES = 64 * 1024,
};

static const char *const statement_sql[STORE_SEGMENT_STATEMENTS] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_STATE_PUT] = STORE_SQL_STATE_PUT,
    [STORE_PART_PUT] = STORE_SQL_PART_PUT,
    [STORE_CUT] = "DELETE FROM log WHERE id >= ?",
    [STORE_PARTS_GET] = "SELECT " STORE_SQL_PART_COLUMNS " FROM log WHERE id BETWEEN ? AND ? ORDER BY id",
};

/* ---- names ------------------------------------------------------------------------------------------------- */

void store_segment_name(unsigned slot, char name[STORE_SEGMENT_NAME_MAX]) {
    if (slot == 0)
        snprintf(name, STORE_SEGMENT_NAME_MAX, "raft.db");
    else
        snprintf(name, STORE_SEGMENT_NAME_MAX, "raft-%u.db", slot);
}

bool store_segment_slot(const char *name, unsigned *slot) {
    char again[STORE_SEGMENT_NAME_MAX];

    *slot = 0;
    if (strcmp(name, "raft.db") != 0 && sscanf(name, "raft-%9u.db", slot) != 1)
        return false;
    store_segment_name(*slot, again);
    return strcmp(name, again) == 0;
}

/* It is a segment's, or its -wal's. */
static bool is_segments(const char *name) {
    char segment[STORE_SEGMENT_NAME_MAX];
    const char *wal = strstr(name, "-wal");
    unsigned slot;

    if (wal == NULL || wal[4] != '\0')
        return store_segment_slot(name, &slot);
    snprintf(segment, sizeof(segment), "%.*s", (int)(wal - name), name);
    return store_segment_slot(segment, &slot);
}

int store_segment_names(const char *dir, char ***segments) {
    char **names = store_dir_names(dir);
    size_t kept = 0;

    *segments = names;
    if (names == NULL)
        return errno;
    for (size_t i = 0; names[i] != NULL; i++)
        if (is_segments(names[i]))
            names[kept++] = names[i];
        else
            free(names[i]);
    names[kept] = NULL;
    return 0;
}

struct store_segment *store_segment_new(const char *dir, unsigned slot) {
    struct store_segment *segment = calloc(1, sizeof(*segment));
    char name[STORE_SEGMENT_NAME_MAX];

    if (segment == NULL)
        abort();
    segment->slot = slot;
    store_segment_name(slot, name);
    store_data_paths_init(&segment->paths, dir, name);
    return segment;
}

/* ---- a connection ------------------------------------------------------------------------------------------ */

static int wal_grew(void *context, sqlite3 *db, const char *name, int frames) {
    struct store_segment *segment = context;

    (void)db;
    (void)name;
    segment->frames = (uint32_t)frames;
    return SQLITE_OK;
}

static int prepare(struct store_segment *segment, int first) {
    int result = SQLITE_OK;

    for (int i = first; i < STORE_SEGMENT_STATEMENTS && result == SQLITE_OK; i++)
        result = sqlite3_prepare_v3(segment->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &segment->statements[i], NULL);
    return result;
}

int store_segment_open(struct store_segment *segment) {
    int64_t synchronous = 0, count;
    int result = store_sql_open(segment->paths.db, SQLITE_OPEN_READWRITE, &segment->db);

    if (result == SQLITE_OK) /* first of all: or its closing moves the WAL into the file */
        result = sqlite3_db_config(segment->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (result == SQLITE_OK)
        result = store_sql_exec(segment->db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; "
                                             "PRAGMA temp_store = MEMORY; PRAGMA secure_delete = OFF; "
                                             "PRAGMA cache_size = -1024; PRAGMA cache_spill = 32768; "
                                             "PRAGMA journal_size_limit = -1; "
                                             "PRAGMA trusted_schema = OFF");
    if (result == SQLITE_OK)
        result = store_sql_number(segment->db, "PRAGMA synchronous", &synchronous);
    assert(result != SQLITE_OK || synchronous == 2);
    if (result == SQLITE_OK)
        result = store_sql_number(segment->db, "PRAGMA page_size", &segment->page_bytes);
    if (result == SQLITE_OK) /* opens the WAL */
        result = store_sql_number(segment->db, "SELECT count(*) FROM identity", &count);
    if (result == SQLITE_OK)
        result = store_gather_open(segment->db, segment->paths.wal, STORE_GATHER_MAX, &segment->wal);
    if (result == SQLITE_OK) {
        sqlite3_wal_hook(segment->db, wal_grew, segment); /* in place of SQLite's own, which moves the WAL */
        result = prepare(segment, 0);
    }
    return result;
}

/* What is only read, by one follower at a time, needs few pages; there may be many segments. */
static int shrink(struct store_segment *segment) {
    sqlite3_db_release_memory(segment->db);
    return store_sql_exec(segment->db, "PRAGMA cache_size = -128");
}

int store_segment_view(struct store_segment *segment, sqlite3 *view) {
    int result;

    segment->db = view;
    result = shrink(segment);
    return result == SQLITE_OK ? prepare(segment, STORE_PARTS_GET) : result;
}

int store_segment_seal(struct store_segment *segment) {
    for (int i = 0; i < STORE_PARTS_GET; i++) {
        sqlite3_finalize(segment->statements[i]);
        segment->statements[i] = NULL;
    }
    store_gather_seal(segment->wal);
    return shrink(segment);
}

void store_segment_close(struct store_segment *segment) {
    if (segment == NULL)
        return;
    for (int i = 0; i < STORE_SEGMENT_STATEMENTS; i++)
        sqlite3_finalize(segment->statements[i]);
    sqlite3_close(segment->db);
    store_gather_close(segment->wal);
    store_data_paths_close(&segment->paths);
    free(segment->lengths);
    free(segment);
}

/* ---- entries ----------------------------------------------------------------------------------------------- */

sqlite3_stmt *store_segment_with(struct store_segment *segment, enum store_segment_statement which,
                                 uint64_t number) {
    sqlite3_bind_int64(segment->statements[which], 1, (int64_t)number);
    return segment->statements[which];
}

void store_segment_begin(struct store_segment *segment, raft_index first) {
    segment->first = first;
    segment->end = first;
}

void store_segment_add(struct store_segment *segment, raft_index index, uint64_t bytes) {
    size_t at = (size_t)(index - segment->first);

    assert(index == segment->end && bytes <= STORE_ENTRY_BYTES_MAX);
    if (at == segment->lengths_max) {
        segment->lengths_max = 2 * segment->lengths_max + 64;
        segment->lengths = realloc(segment->lengths, segment->lengths_max * sizeof(*segment->lengths));
        if (segment->lengths == NULL)
            abort();
    }
    segment->lengths[at] = (uint32_t)bytes;
    segment->end++;
}

uint64_t store_segment_sum(const struct store_segment *segment, raft_index from, raft_index end) {
    uint64_t bytes = 0;

    for (raft_index at = from > segment->first ? from : segment->first; at < end && at < segment->end; at++)
        bytes += segment->lengths[at - segment->first];
    return bytes;
}

int64_t store_segment_wal_bytes(const struct store_segment *segment) {
    return (int64_t)segment->frames * (segment->page_bytes + STORE_FRAME_HEADER_BYTES);
}

/* ---- to be used again -------------------------------------------------------------------------------------- */

/* Its size; -1: it is not there. */
static int64_t size_of(const char *path, int flags) {
    struct store_file file;
    int64_t size;

    if (!store_file_exists(path) || store_file_open(&file, path, SQLITE_OPEN_READONLY | flags) != SQLITE_OK)
        return -1;
    size = store_file_size(&file);
    store_file_close(&file);
    return size;
}

int store_segment_empty(const struct store_segment *segment) {
    static const uint8_t zeros[STORE_WAL_HEADER_BYTES];
    struct store_file wal;
    int result;

    if (size_of(segment->paths.wal, SQLITE_OPEN_WAL) < STORE_WAL_HEADER_BYTES)
        return SQLITE_OK;
    result = store_file_open(&wal, segment->paths.wal, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL);
    if (result != SQLITE_OK)
        return result;
    result = store_file_write(&wal, zeros, sizeof(zeros), 0);
    if (result == SQLITE_OK)
        result = store_file_sync(&wal);
    store_file_close(&wal);
    return result;
}

int store_segment_remove(const struct store_segment *segment) {
    int result = store_segment_empty(segment); /* its beginning alone would be a log */

    if (result == SQLITE_OK)
        result = store_file_cut_and_remove(segment->paths.wal);
    return result == SQLITE_OK ? store_file_remove(segment->paths.db) : result;
}

/* What transactions are going to be written upon. No start has seen it: the WAL's pages lay over it. */
static bool is_sound(const struct store_segment *segment) {
    char why[STORE_WHY_MAX];
    struct store_check check = {.kind = &store_log_kind,
                                .db = segment->paths.db,
                                .wal_path = segment->paths.wal,
                                .journal_path = segment->paths.journal,
                                .recycled = true,
                                .remedy = "",
                                .why = why};
    bool sound = store_check_open(&check) == STORE_OK && store_check_structure(&check) == STORE_OK;

    store_check_close(&check);
    return sound;
}

int store_segment_renew(const struct store_segment *segment, char why[STORE_WHY_MAX]) {
    const struct store_data_paths *paths = &segment->paths;
    struct store_making making = {paths->dir,      paths->fresh,       paths->db,
                                  &store_log_kind, store_fill_nothing, NULL};
    int64_t size = size_of(paths->db, SQLITE_OPEN_MAIN_DB);
    bool again = size >= 0 && size <= RECYCLE_MAX;
    int result = again ? store_segment_empty(segment) : SQLITE_OK;

    if (result == SQLITE_OK && again && is_sound(segment))
        return SQLITE_OK;
    if (result == SQLITE_OK)
        result = store_file_remove(paths->wal);
    if (result != SQLITE_OK)
        store_sql_why(why, paths->wal, "take away what it holds", NULL, result);
    else if (store_make_file(&making, why) != STORE_OK)
        result = SQLITE_IOERR;
    return result;
}

/* In pieces, so that commits do not stand behind much of it. */
static int fill(struct store_straight *straight, int64_t at, int64_t end) {
    uint8_t *zeros = aligned_alloc(STORE_STRAIGHT_BYTES, FILL_BYTES);
    int result = SQLITE_OK;

    if (zeros == NULL)
        abort();
    memset(zeros, 0, FILL_BYTES);
    for (int64_t part; at < end && result == SQLITE_OK; at += part) {
        part = end - at < FILL_BYTES ? end - at : FILL_BYTES;
        result = store_straight_put(straight, zeros, (size_t)part, at);
    }
    free(zeros);
    return result == SQLITE_NOTFOUND ? SQLITE_OK : result;
}

int store_segment_fill(const struct store_segment *segment, int64_t bytes) {
    int64_t at = size_of(segment->paths.wal, SQLITE_OPEN_WAL);
    struct store_straight *straight;
    struct store_file wal;
    int result;

    assert(bytes % STORE_STRAIGHT_BYTES == 0);
    at = at < 0 ? 0 : at - at % STORE_STRAIGHT_BYTES;
    if (at >= bytes)
        return SQLITE_OK;
    result = store_file_open(&wal, segment->paths.wal,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_WAL);
    if (result != SQLITE_OK)
        return result;
    straight = store_straight_open(segment->paths.wal);
    if (straight != NULL) {
        store_file_reserve(segment->paths.wal, bytes);
        result = fill(straight, at, bytes);
        if (result == SQLITE_OK)
            result = store_file_sync(&wal);
    }
    store_straight_close(straight);
    store_file_close(&wal);
    return result;
}
