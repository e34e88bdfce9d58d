/* SPDX-License-Identifier: MIT */
/*
 * Rows of a data file and the values they hold; each carries a CRC-32C over everything in it, numbers as 8 bytes, least
 * significant first, texts and bytes after their length:
 *
 *      pages     id = object << 24 | number, data
 *      meta      cluster, incarnation, applied, applied term, terms, clock, feature level, members, head, digest,
 *                pages, bytes, sum
 *
 * A page's own checksum does not tell that it is old (a write that the disk dropped), missing or too many. So the one row of
 * meta has the number of pages, of the bytes in them, and the sum of their checksums, kept up to date with every page written
 * or deleted: a load that comes to other numbers has found damage.
 *
 *      offset size  of meta.terms, for each term
 *        0      8   term, least significant byte first
 *        8      8   index of its first entry
 */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

const struct store_table store_data_tables[STORE_DATA_TABLE_COUNT] = {
    {"meta",
     "CREATE TABLE meta (id INTEGER PRIMARY KEY, cluster TEXT, incarnation TEXT, applied INTEGER, "
     "applied_term INTEGER, terms BLOB, clock INTEGER, feature_level INTEGER, members BLOB, head BLOB, "
     "digest BLOB, pages INTEGER, bytes INTEGER, sum INTEGER, checksum INTEGER)"},
    {"pages", "CREATE TABLE pages (id INTEGER PRIMARY KEY, checksum INTEGER, data BLOB)"},
};

enum { TERM_ROW_BYTES = 16, META_BYTES_MAX = 64 * 1024 * 1024, PAGES_BYTES_MIN = 4096 };

/* ---- values ---------------------------------------------------------------------------------------------- */

static void *grown(void *at, size_t count, size_t size) {
    at = realloc(at, count * size);
    if (at == NULL)
        abort();
    return at;
}

void store_bytes_set(struct store_bytes *bytes, const void *from, size_t length) {
    free(bytes->at);
    *bytes = (struct store_bytes){NULL, length};
    if (length == 0)
        return;
    bytes->at = grown(NULL, length, 1);
    memcpy(bytes->at, from, length);
}

static void make_room(struct store_pages *pages, size_t length) {
    size_t room = pages->bytes_room > 0 ? pages->bytes_room : PAGES_BYTES_MIN;

    while (room < pages->bytes.length + length)
        room *= 2;
    if (room > pages->bytes_room)
        pages->bytes.at = grown(pages->bytes.at, pages->bytes_room = room, 1);
}

static void add_page(struct store_pages *pages, uint64_t object, uint32_t number, size_t length) {
    assert(object < 1ull << STORE_OBJECT_BITS && number < 1u << STORE_NUMBER_BITS &&
           length <= STORE_PAGE_MAX);
    if (pages->count == pages->room)
        pages->at = grown(pages->at, pages->room = 2 * pages->room + 1, sizeof(*pages->at));
    pages->at[pages->count++] = (struct store_page){object, number, (uint32_t)length, pages->bytes.length};
}

void store_pages_take(struct store_pages *pages, uint64_t object, uint32_t number, void *bytes,
                      size_t length) {
    assert(pages->count == 0 && pages->bytes.at == NULL && length > 0);
    add_page(pages, object, number, length);
    pages->bytes = (struct store_bytes){bytes, length};
    pages->bytes_room = length;
}

void store_pages_add(struct store_pages *pages, uint64_t object, uint32_t number, const void *bytes,
                     size_t length) {
    add_page(pages, object, number, length);
    if (length == 0)
        return;
    make_room(pages, length);
    memcpy(pages->bytes.at + pages->bytes.length, bytes, length);
    pages->bytes.length += length;
}

void store_pages_clear(struct store_pages *pages) {
    pages->count = 0;
    pages->bytes.length = 0;
}

void store_pages_close(struct store_pages *pages) {
    free(pages->at);
    free(pages->bytes.at);
    *pages = (struct store_pages){0};
}

struct store_meta *store_meta_new(void) {
    struct store_meta *meta = calloc(1, sizeof(*meta));

    if (meta == NULL)
        abort();
    return meta;
}

void store_meta_free(struct store_meta *meta) {
    if (meta == NULL)
        return;
    free(meta->terms);
    free(meta->members.at);
    free(meta->head.at);
    free(meta->digest.at);
    free(meta);
}

/* A copy's terms have the room that store_meta_add_term expects. */
struct store_meta *store_meta_copy(const struct store_meta *meta) {
    struct store_meta *copy = store_meta_new();

    *copy = *meta;
    copy->terms = NULL;
    copy->term_count = 0;
    copy->members = copy->head = copy->digest = (struct store_bytes){0};
    for (size_t i = 0; i < meta->term_count; i++)
        store_meta_add_term(copy, meta->terms[i].term, meta->terms[i].first_index);
    store_bytes_set(&copy->members, meta->members.at, meta->members.length);
    store_bytes_set(&copy->head, meta->head.at, meta->head.length);
    store_bytes_set(&copy->digest, meta->digest.at, meta->digest.length);
    return copy;
}

void store_meta_add_term(struct store_meta *meta, raft_term term, raft_index first_index) {
    size_t count = meta->term_count;

    assert(count == 0 ||
           (meta->terms[count - 1].term < term && meta->terms[count - 1].first_index < first_index));
    if ((count & (count - 1)) == 0)
        meta->terms = grown(meta->terms, count == 0 ? 1 : 2 * count, sizeof(*meta->terms));
    meta->terms[meta->term_count++] = (struct raft_term_start){term, first_index};
}

raft_term store_meta_term_at(const struct store_meta *meta, raft_index index) {
    size_t i = meta->term_count;

    if (index > meta->applied)
        return 0;
    while (i > 0 && meta->terms[i - 1].first_index > index)
        i--;
    return i > 0 ? meta->terms[i - 1].term : 0;
}

/* ---- meta ------------------------------------------------------------------------------------------------ */

static uint32_t bytes_checksum(uint32_t crc, const struct store_bytes *bytes) {
    crc = store_crc32c_number(crc, bytes->length);
    return bytes->length > 0 ? store_crc32c(crc, bytes->at, bytes->length) : crc;
}

static uint32_t meta_checksum(const struct store_meta *meta) {
    uint32_t crc = store_crc32c_text(0, meta->cluster);

    crc = store_crc32c_text(crc, meta->incarnation);
    crc = store_crc32c_number(crc, meta->applied);
    crc = store_crc32c_number(crc, meta->applied_term);
    crc = store_crc32c_number(crc, meta->term_count);
    for (size_t i = 0; i < meta->term_count; i++) {
        crc = store_crc32c_number(crc, meta->terms[i].term);
        crc = store_crc32c_number(crc, meta->terms[i].first_index);
    }
    crc = store_crc32c_number(crc, meta->clock_ms);
    crc = store_crc32c_number(crc, meta->feature_level);
    crc = bytes_checksum(crc, &meta->members);
    crc = bytes_checksum(crc, &meta->head);
    crc = bytes_checksum(crc, &meta->digest);
    crc = store_crc32c_number(crc, meta->pages);
    crc = store_crc32c_number(crc, meta->bytes);
    return store_crc32c_number(crc, meta->sum);
}

static void put_number(uint8_t *at, uint64_t number) {
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(number >> (8 * i));
}

static uint64_t get_number(const uint8_t *at) {
    uint64_t number = 0;

    for (int i = 0; i < 8; i++)
        number |= (uint64_t)at[i] << (8 * i);
    return number;
}

static void bind_terms(sqlite3_stmt *put, int column, const struct store_meta *meta) {
    size_t length = meta->term_count * TERM_ROW_BYTES;
    uint8_t *terms = grown(NULL, length + 1, 1);

    for (size_t i = 0; i < meta->term_count; i++) {
        put_number(terms + i * TERM_ROW_BYTES, meta->terms[i].term);
        put_number(terms + i * TERM_ROW_BYTES + 8, meta->terms[i].first_index);
    }
    sqlite3_bind_blob64(put, column, terms, length, free);
}

static void bind_bytes(sqlite3_stmt *put, int column, const struct store_bytes *bytes) {
    assert(bytes->length <= META_BYTES_MAX && (bytes->at == NULL) == (bytes->length == 0));
    if (bytes->length == 0)
        sqlite3_bind_zeroblob(put, column, 0);
    else
        sqlite3_bind_blob64(put, column, bytes->at, bytes->length, SQLITE_STATIC);
}

int store_meta_put(sqlite3 *db, const struct store_meta *meta) {
    sqlite3_stmt *put;
    int result = sqlite3_prepare_v2(
        db, "REPLACE INTO meta VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -1, &put, NULL);

    assert(strlen(meta->cluster) <= STORE_ID_LENGTH && strlen(meta->incarnation) <= STORE_ID_LENGTH);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_text(put, 1, meta->cluster, -1, SQLITE_STATIC);
    sqlite3_bind_text(put, 2, meta->incarnation, -1, SQLITE_STATIC);
    sqlite3_bind_int64(put, 3, (int64_t)meta->applied);
    sqlite3_bind_int64(put, 4, (int64_t)meta->applied_term);
    bind_terms(put, 5, meta);
    sqlite3_bind_int64(put, 6, (int64_t)meta->clock_ms);
    sqlite3_bind_int64(put, 7, (int64_t)meta->feature_level);
    bind_bytes(put, 8, &meta->members);
    bind_bytes(put, 9, &meta->head);
    bind_bytes(put, 10, &meta->digest);
    sqlite3_bind_int64(put, 11, (int64_t)meta->pages);
    sqlite3_bind_int64(put, 12, (int64_t)meta->bytes);
    sqlite3_bind_int64(put, 13, (int64_t)meta->sum);
    sqlite3_bind_int64(put, 14, meta_checksum(meta));
    result = store_sql_run(put);
    sqlite3_finalize(put);
    return result;
}

static bool get_bytes(sqlite3_stmt *row, int column, struct store_bytes *bytes) {
    if (sqlite3_column_type(row, column) != SQLITE_BLOB)
        return false;
    store_bytes_set(bytes, sqlite3_column_blob(row, column), (size_t)sqlite3_column_bytes(row, column));
    return true;
}

static bool get_terms(sqlite3_stmt *row, int column, struct store_meta *meta) {
    const uint8_t *terms = sqlite3_column_blob(row, column);
    size_t length = (size_t)sqlite3_column_bytes(row, column);

    if (sqlite3_column_type(row, column) != SQLITE_BLOB || length % TERM_ROW_BYTES != 0)
        return false;
    meta->term_count = length / TERM_ROW_BYTES;
    if (meta->term_count == 0)
        return true;
    /* Room as store_meta_add_term makes it. */
    size_t room = 1;
    while (room < meta->term_count)
        room *= 2;
    meta->terms = grown(meta->terms, room, sizeof(*meta->terms));
    for (size_t i = 0; i < meta->term_count; i++)
        meta->terms[i] = (struct raft_term_start){get_number(terms + i * TERM_ROW_BYTES),
                                                  get_number(terms + i * TERM_ROW_BYTES + 8)};
    return true;
}

static bool get_meta(sqlite3_stmt *row, struct store_meta *meta) {
    if (!store_sql_text(row, 0, meta->cluster, STORE_ID_LENGTH) ||
        !store_sql_text(row, 1, meta->incarnation, STORE_ID_LENGTH) || !get_terms(row, 4, meta) ||
        !get_bytes(row, 7, &meta->members) || !get_bytes(row, 8, &meta->head) ||
        !get_bytes(row, 9, &meta->digest))
        return false;
    meta->applied = (raft_index)sqlite3_column_int64(row, 2);
    meta->applied_term = (raft_term)sqlite3_column_int64(row, 3);
    meta->clock_ms = (uint64_t)sqlite3_column_int64(row, 5);
    meta->feature_level = (uint64_t)sqlite3_column_int64(row, 6);
    meta->pages = (uint64_t)sqlite3_column_int64(row, 10);
    meta->bytes = (uint64_t)sqlite3_column_int64(row, 11);
    meta->sum = (uint64_t)sqlite3_column_int64(row, 12);
    return sqlite3_column_int64(row, 13) == meta_checksum(meta);
}

int store_meta_get(sqlite3 *db, struct store_meta **meta) {
    sqlite3_stmt *get;
    int result =
        sqlite3_prepare_v2(db,
                           "SELECT cluster, incarnation, applied, applied_term, terms, clock, feature_level, "
                           "members, head, digest, pages, bytes, sum, checksum FROM meta WHERE id = 1",
                           -1, &get, NULL);

    *meta = NULL;
    if (result != SQLITE_OK)
        return result;
    result = sqlite3_step(get);
    if (result == SQLITE_ROW) {
        *meta = store_meta_new();
        result = get_meta(get, *meta) ? SQLITE_OK : STORE_ROW_BAD;
    } else if (result == SQLITE_DONE) {
        result = STORE_ROW_BAD;
    }
    sqlite3_finalize(get);
    if (result != SQLITE_OK) {
        store_meta_free(*meta);
        *meta = NULL;
    }
    return result;
}

/* ---- pages ----------------------------------------------------------------------------------------------- */

uint64_t store_page_id(uint64_t object, uint32_t number) {
    assert(object < 1ull << STORE_OBJECT_BITS && number < 1u << STORE_NUMBER_BITS);
    return object << STORE_NUMBER_BITS | number;
}

uint32_t store_page_checksum(uint64_t id, const void *bytes, size_t length) {
    uint32_t crc = store_crc32c_number(0, id);

    crc = store_crc32c_number(crc, length);
    return length > 0 ? store_crc32c(crc, bytes, length) : crc;
}

bool store_page_get(sqlite3_stmt *row, struct store_page_row *page) {
    page->id = (uint64_t)sqlite3_column_int64(row, 0);
    page->checksum = (uint32_t)sqlite3_column_int64(row, 1);
    page->data = sqlite3_column_blob(row, 2);
    page->length = (size_t)sqlite3_column_bytes(row, 2);
    return sqlite3_column_type(row, 2) == SQLITE_BLOB && page->length <= STORE_PAGE_MAX &&
           sqlite3_column_int64(row, 0) >= 0 &&
           sqlite3_column_int64(row, 1) == store_page_checksum(page->id, page->data, page->length);
}
