/* SPDX-License-Identifier: MIT */
/*
 * Rows and the values they hold.
 *
 * SQLite keeps no checksums, so each row carries one over everything in it, its place included: a row that a flipped
 * bit has changed, or that stands where another belongs, is known. The sum is CRC-32C, numbers as 8 bytes, least
 * significant first, texts and data after their length:
 *
 *      log       index, part, term, type, bytes of the entry, 1 when the entry has no data, save, data of the part
 *      state     the node's incarnation, term, vote, log start, base term, generation of the data file, end of older segments, save
 *      identity  node, incarnation, cluster, save, number of members; of each: id, address, incarnation
 *
 * `save` is the number of the transaction that wrote the row. Each transaction writes a row of log, state or identity, one
 * that cuts the log's end puts new rows there, and one that cuts its beginning writes the state, so the largest among the identity, the state and the
 * segment's last row of the log is the number of its last transaction, and the segment with the largest is the one that was written last. mark.c and
 * check_log.c live on that.
 */
#include "internal.h"

#include <assert.h>
#include <string.h>

const struct store_table store_tables[STORE_TABLE_COUNT] = {
    {"identity",
     "CREATE TABLE identity (id INTEGER PRIMARY KEY, node INTEGER, incarnation TEXT, cluster TEXT, "
     "save INTEGER, checksum INTEGER)"},
    {"members",
     "CREATE TABLE members (position INTEGER PRIMARY KEY, id INTEGER, address TEXT, incarnation TEXT)"},
    {"state",
     "CREATE TABLE state (id INTEGER PRIMARY KEY, term INTEGER, vote INTEGER, log_start INTEGER, "
     "base_term INTEGER, data INTEGER, old_end INTEGER, old_save INTEGER, save INTEGER, checksum INTEGER)"},
    {"log",
     "CREATE TABLE log (id INTEGER PRIMARY KEY, term INTEGER, type INTEGER, bytes INTEGER, save INTEGER, "
     "checksum INTEGER, data BLOB)"},
};

/* ---- log ------------------------------------------------------------------------------------------------- */

unsigned store_part_count(uint64_t bytes) {
    return bytes == 0 ? 1 : (unsigned)((bytes - 1) / STORE_ROW_BYTES_MAX) + 1;
}

size_t store_part_length(uint64_t bytes, unsigned part) {
    uint64_t before = (uint64_t)part * STORE_ROW_BYTES_MAX;

    assert(part < store_part_count(bytes));
    return bytes - before < STORE_ROW_BYTES_MAX ? (size_t)(bytes - before) : STORE_ROW_BYTES_MAX;
}

static uint32_t part_checksum(const struct store_part *part) {
    uint32_t crc = store_crc32c_number(0, part->index);

    crc = store_crc32c_number(crc, part->part);
    crc = store_crc32c_number(crc, part->term);
    crc = store_crc32c_number(crc, part->type);
    crc = store_crc32c_number(crc, part->bytes);
    crc = store_crc32c_number(crc, part->no_data);
    crc = store_crc32c_number(crc, part->save);
    return part->length > 0 ? store_crc32c(crc, part->data, part->length) : crc;
}

int store_part_put(sqlite3_stmt *put, const struct store_part *part) {
    int result;

    assert(part->part < store_part_count(part->bytes));
    assert(part->length == store_part_length(part->bytes, part->part));
    sqlite3_bind_int64(put, 1, (int64_t)(part->index * STORE_PARTS_MAX + part->part));
    sqlite3_bind_int64(put, 2, (int64_t)part->term);
    sqlite3_bind_int64(put, 3, part->type);
    sqlite3_bind_int64(put, 4, (int64_t)part->bytes);
    sqlite3_bind_int64(put, 5, (int64_t)part->save);
    sqlite3_bind_int64(put, 6, part_checksum(part));
    if (part->no_data)
        sqlite3_bind_null(put, 7);
    else if (part->length == 0)
        sqlite3_bind_zeroblob(put, 7, 0);
    else
        sqlite3_bind_blob(put, 7, part->data, (int)part->length, SQLITE_STATIC);
    result = store_sql_run(put);
    sqlite3_bind_null(put, 7); /* the data is the caller's */
    return result;
}

bool store_part_get(sqlite3_stmt *row, struct store_part *part) {
    int64_t id = sqlite3_column_int64(row, 0);
    int64_t type = sqlite3_column_int64(row, 2);
    int data_type = sqlite3_column_type(row, 6);

    part->index = (raft_index)id / STORE_PARTS_MAX;
    part->part = (unsigned)((raft_index)id % STORE_PARTS_MAX);
    part->term = (raft_term)sqlite3_column_int64(row, 1);
    part->type = (uint8_t)type;
    part->bytes = (uint64_t)sqlite3_column_int64(row, 3);
    part->save = (uint64_t)sqlite3_column_int64(row, 4);
    part->no_data = data_type == SQLITE_NULL;
    part->data = sqlite3_column_blob(row, 6);
    part->length = (size_t)sqlite3_column_bytes(row, 6);
    return id >= STORE_PARTS_MAX && type == part->type && (part->no_data || data_type == SQLITE_BLOB) &&
           part->bytes <= STORE_ENTRY_BYTES_MAX && part->part < store_part_count(part->bytes) &&
           part->length == store_part_length(part->bytes, part->part) &&
           sqlite3_column_int64(row, 5) == part_checksum(part);
}

const char *store_part_misfit(const struct store_part *part, const struct store_part *before,
                              raft_term term) {
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
    if (part->term < before->term || part->term == 0 || part->term > term)
        return "its term does not fit";
    return part->save >= before->save ? NULL : "older than the entry before it";
}

/* ---- state ----------------------------------------------------------------------------------------------- */

static uint32_t state_checksum(const struct store_state *state, const char *incarnation) {
    uint32_t crc = store_crc32c_text(0, incarnation);

    crc = store_crc32c_number(crc, state->term);
    crc = store_crc32c_number(crc, state->vote);
    crc = store_crc32c_number(crc, state->log_start);
    crc = store_crc32c_number(crc, state->base_term);
    crc = store_crc32c_number(crc, state->data);
    crc = store_crc32c_number(crc, state->old_end);
    crc = store_crc32c_number(crc, state->old_save);
    return store_crc32c_number(crc, state->save);
}

int store_state_put(sqlite3_stmt *put, const struct store_state *state, const char *incarnation) {
    sqlite3_bind_int64(put, 1, (int64_t)state->term);
    sqlite3_bind_int64(put, 2, (int64_t)state->vote);
    sqlite3_bind_int64(put, 3, (int64_t)state->log_start);
    sqlite3_bind_int64(put, 4, (int64_t)state->base_term);
    sqlite3_bind_int64(put, 5, (int64_t)state->data);
    sqlite3_bind_int64(put, 6, (int64_t)state->old_end);
    sqlite3_bind_int64(put, 7, (int64_t)state->old_save);
    sqlite3_bind_int64(put, 8, (int64_t)state->save);
    sqlite3_bind_int64(put, 9, state_checksum(state, incarnation));
    return store_sql_run(put);
}

int store_state_get(sqlite3 *db, const char *incarnation, struct store_state *state) {
    sqlite3_stmt *get;
    int result = sqlite3_prepare_v2(db,
                                    "SELECT term, vote, log_start, base_term, data, old_end, old_save, save, "
                                    "checksum FROM state WHERE id = 1",
                                    -1, &get, NULL);

    if (result != SQLITE_OK)
        return result;
    result = sqlite3_step(get);
    if (result == SQLITE_ROW) {
        state->term = (raft_term)sqlite3_column_int64(get, 0);
        state->vote = (raft_id)sqlite3_column_int64(get, 1);
        state->log_start = (raft_index)sqlite3_column_int64(get, 2);
        state->base_term = (raft_term)sqlite3_column_int64(get, 3);
        state->data = (uint64_t)sqlite3_column_int64(get, 4);
        state->old_end = (raft_index)sqlite3_column_int64(get, 5);
        state->old_save = (uint64_t)sqlite3_column_int64(get, 6);
        state->save = (uint64_t)sqlite3_column_int64(get, 7);
        result =
            sqlite3_column_int64(get, 8) == state_checksum(state, incarnation) ? SQLITE_OK : STORE_ROW_BAD;
    } else if (result == SQLITE_DONE) {
        result = STORE_ROW_BAD;
    }
    sqlite3_finalize(get);
    return result;
}

/* ---- identity -------------------------------------------------------------------------------------------- */

static uint32_t identity_checksum(const struct store_identity *identity, uint64_t save) {
    uint32_t crc = store_crc32c_number(0, identity->node);

    crc = store_crc32c_text(crc, identity->incarnation);
    crc = store_crc32c_text(crc, identity->cluster);
    crc = store_crc32c_number(crc, save);
    crc = store_crc32c_number(crc, identity->member_count);
    for (size_t i = 0; i < identity->member_count; i++) {
        crc = store_crc32c_number(crc, identity->members[i].id);
        crc = store_crc32c_text(crc, identity->members[i].address);
        crc = store_crc32c_text(crc, identity->members[i].incarnation);
    }
    return crc;
}

static int members_put(sqlite3 *db, const struct store_identity *identity) {
    sqlite3_stmt *put;
    int result = store_sql_exec(db, "DELETE FROM members");

    if (result != SQLITE_OK)
        return result;
    result = sqlite3_prepare_v2(
        db, "INSERT INTO members (position, id, address, incarnation) VALUES (?, ?, ?, ?)", -1, &put, NULL);
    for (size_t i = 0; i < identity->member_count && result == SQLITE_OK; i++) {
        sqlite3_bind_int64(put, 1, (int64_t)i);
        sqlite3_bind_int64(put, 2, (int64_t)identity->members[i].id);
        sqlite3_bind_text(put, 3, identity->members[i].address, -1, SQLITE_STATIC);
        sqlite3_bind_text(put, 4, identity->members[i].incarnation, -1, SQLITE_STATIC);
        result = store_sql_run(put);
    }
    sqlite3_finalize(put);
    return result;
}

int store_identity_put(sqlite3 *db, const struct store_identity *identity, uint64_t save) {
    sqlite3_stmt *put;
    int result;

    assert(identity->member_count <= STORE_MEMBERS_MAX);
    assert(strlen(identity->incarnation) <= STORE_ID_LENGTH && strlen(identity->cluster) <= STORE_ID_LENGTH);
    result = sqlite3_prepare_v2(db,
                                "REPLACE INTO identity (id, node, incarnation, cluster, save, checksum) "
                                "VALUES (1, ?, ?, ?, ?, ?)",
                                -1, &put, NULL);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_int64(put, 1, (int64_t)identity->node);
    sqlite3_bind_text(put, 2, identity->incarnation, -1, SQLITE_STATIC);
    sqlite3_bind_text(put, 3, identity->cluster, -1, SQLITE_STATIC);
    sqlite3_bind_int64(put, 4, (int64_t)save);
    sqlite3_bind_int64(put, 5, identity_checksum(identity, save));
    result = store_sql_run(put);
    sqlite3_finalize(put);
    return result == SQLITE_OK ? members_put(db, identity) : result;
}

static bool member_get(sqlite3_stmt *row, struct store_identity *identity) {
    struct store_member *member = &identity->members[identity->member_count];

    if (identity->member_count == STORE_MEMBERS_MAX ||
        !store_sql_text(row, 1, member->address, STORE_ADDRESS_MAX - 1) ||
        !store_sql_text(row, 2, member->incarnation, STORE_ID_LENGTH))
        return false;
    member->id = (raft_id)sqlite3_column_int64(row, 0);
    identity->member_count++;
    return true;
}

static int members_get(sqlite3 *db, struct store_identity *identity) {
    sqlite3_stmt *get;
    int result = sqlite3_prepare_v2(db, "SELECT id, address, incarnation FROM members ORDER BY position", -1,
                                    &get, NULL);

    if (result != SQLITE_OK)
        return result;
    while ((result = sqlite3_step(get)) == SQLITE_ROW)
        if (!member_get(get, identity)) {
            result = STORE_ROW_BAD;
            break;
        }
    sqlite3_finalize(get);
    return result == SQLITE_DONE ? SQLITE_OK : result;
}

int store_identity_get(sqlite3 *db, struct store_identity *identity, uint64_t *save) {
    int64_t checksum = -1;
    sqlite3_stmt *get;
    int result = sqlite3_prepare_v2(
        db, "SELECT node, incarnation, cluster, save, checksum FROM identity WHERE id = 1", -1, &get, NULL);

    memset(identity, 0, sizeof(*identity));
    if (result != SQLITE_OK)
        return result;
    result = sqlite3_step(get);
    if (result == SQLITE_ROW && store_sql_text(get, 1, identity->incarnation, STORE_ID_LENGTH) &&
        store_sql_text(get, 2, identity->cluster, STORE_ID_LENGTH)) {
        identity->node = (raft_id)sqlite3_column_int64(get, 0);
        *save = (uint64_t)sqlite3_column_int64(get, 3);
        checksum = sqlite3_column_int64(get, 4);
        result = members_get(db, identity);
    } else if (result == SQLITE_ROW || result == SQLITE_DONE) {
        result = STORE_ROW_BAD;
    }
    sqlite3_finalize(get);
    return result == SQLITE_OK && checksum != identity_checksum(identity, *save) ? STORE_ROW_BAD : result;
}
