/* SPDX-License-Identifier: MIT */
/*
 * A replica corrupted on purpose: a byte of its log is another one, and the row's checksum is right. Nothing but the comparison of
 * the states can find that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "harness/cluster.h"
#include "harness/expect.h"
#include "harness/wire.h"

enum { KEYS = 50, WIRE_MS = 20000, SEEN_MS = 15000 };

static const char *const every_second[] = {"--raft-audit-interval", "1", NULL};
static struct info info;

static void wait_field(struct cluster *cluster, size_t at, const char *field, const char *value) {
    cluster_wait_field(cluster, at, field, value, harness_scaled_ms(SEEN_MS), &info);
}

static void wait_right(struct cluster *cluster, size_t at, uint64_t index) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(SEEN_MS);
    while (!cluster_info(cluster, at, &info) || info_number(&info, "audit_index") <= index)
        if (harness_now_ms() > until)
            harness_fail("node %zu is not found right after entry %llu", at + 1, (unsigned long long)index);
        else
            harness_sleep_ms(20);
}

/* ---- the corruption ------------------------------------------------------------------------------------------------------ */

static uint32_t crc32c(uint32_t crc, const unsigned char *bytes, size_t length) {
    crc = ~crc;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (0x82f63b78 & -(crc & 1));
    }
    return ~crc;
}

static uint32_t crc32c_number(uint32_t crc, uint64_t number) {
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    return crc32c(crc, bytes, 8);
}

/* The row's checksum as the store makes it: over index, part, term, type, bytes, "no data", save, then the data. */
static uint32_t row_checksum(sqlite3_stmt *row, const unsigned char *data, size_t length) {
    uint64_t id = (uint64_t)sqlite3_column_int64(row, 0);
    uint32_t crc = crc32c_number(crc32c_number(0, id / 1024), id % 1024);
    for (int column = 1; column <= 3; column++)
        crc = crc32c_number(crc, (uint64_t)sqlite3_column_int64(row, column));
    crc = crc32c_number(crc32c_number(crc, 0), (uint64_t)sqlite3_column_int64(row, 4));
    return crc32c(crc, data, length);
}

static void put_row(sqlite3 *db, int64_t id, uint32_t checksum, const void *data, size_t length) {
    sqlite3_stmt *put;
    assert_int_equal(
        sqlite3_prepare_v2(db, "UPDATE log SET checksum = ?, data = ? WHERE id = ?", -1, &put, NULL),
        SQLITE_OK);
    sqlite3_bind_int64(put, 1, checksum);
    sqlite3_bind_blob(put, 2, data, (int)length, SQLITE_STATIC);
    sqlite3_bind_int64(put, 3, id);
    assert_int_equal(sqlite3_step(put), SQLITE_DONE);
    sqlite3_finalize(put);
}

/* In the entry that has `from` in it, which is of the same length as `to`. */
static void corrupt(const char *dir, const char *from, const char *to) {
    char path[CLUSTER_PATH_MAX + 16];
    sqlite3 *db;
    sqlite3_stmt *row;
    bool found = false;
    snprintf(path, sizeof path, "%s/raft.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT id, term, type, bytes, save, checksum, data FROM log", -1, &row, NULL),
        SQLITE_OK);
    while (!found && sqlite3_step(row) == SQLITE_ROW) {
        size_t length = (size_t)sqlite3_column_bytes(row, 6);
        unsigned char *data = malloc(length + 1);
        if (length > 0)
            memcpy(data, sqlite3_column_blob(row, 6), length);
        data[length] = 0;
        char *at = strstr((char *)data, from);
        found = at != NULL;
        if (found) {
            assert_int_equal(row_checksum(row, data, length), sqlite3_column_int64(row, 5));
            memcpy(at, to, strlen(to));
            put_row(db, sqlite3_column_int64(row, 0), row_checksum(row, data, length), data, length);
        }
        free(data);
    }
    sqlite3_finalize(row);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    if (!found)
        harness_fail("%s has no entry with %s", path, from);
}

static void a_replica_that_was_corrupted_is_found_and_serves_nobody(void **state) {
    char words[64];
    (void)state;
    struct cluster *cluster = cluster_new(3, every_second);
    size_t leader = cluster_wait_leader(cluster), victim = (leader + 1) % 3, other = (leader + 2) % 3;
    struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
    for (int i = 0; i < KEYS; i++) {
        snprintf(words, sizeof words, "SET key:%d value:%d", i, i);
        expect_start(wire, words, "+OK");
    }
    cluster_wait_equal(cluster);
    for (size_t at = 0; at < 3; at++)
        wait_right(cluster, at, 0);
    assert_int_equal(cluster_end(cluster, victim), 0);
    corrupt(cluster->nodes[victim].dir, "value:17", "value:71");
    cluster_spawn(cluster, victim);
    wait_field(cluster, victim, "state_differs", "yes");
    assert_true(info_is(&info, "state", "failed"));
    assert_true(info_is(&info, "health", "down"));
    assert_true(
        cluster_said(cluster, victim, "STATES DIFFER: the state of this node is not that of the others"));
    snprintf(words, sizeof words, "STATES DIFFER: node %u has digest", cluster->nodes[victim].id);
    leader = (size_t)cluster_leader(cluster);
    assert_true(cluster_wait_said(cluster, leader, words, harness_scaled_ms(SEEN_MS)));

    struct wire *wrong = wire_open(cluster->nodes[victim].port, harness_scaled_ms(WIRE_MS));
    expect_start(wrong, "READONLY", "+OK");
    expect_start(wrong, "GET key:17", "-MOVED");
    wire_close(wrong);
    expect_start(wire, "GET key:17", "$8 value:17");
    expect_start(wire, "SET key:17 new", "+OK"); /* two of three are right, and take writes */
    assert_true(cluster_info(cluster, other, &info));
    uint64_t index = info_number(&info, "last_applied_index");
    wait_right(cluster, other, index);
    assert_true(info_is(&info, "state_differs", "no"));
    wire_close(wire);

    assert_int_equal(cluster_end(cluster, victim),
                     0); /* a restart makes nothing better, and nothing is forgotten */
    cluster_spawn(cluster, victim);
    wait_field(cluster, victim, "state_differs", "yes");
    assert_true(cluster_said(cluster, victim, "STATES DIFFER: so it was found before its last start"));
    wrong = wire_open(cluster->nodes[victim].port, harness_scaled_ms(WIRE_MS));
    expect_start(wrong, "READONLY", "+OK");
    expect_start(wrong, "GET key:18", "-");
    wire_close(wrong);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_replica_that_was_corrupted_is_found_and_serves_nobody, cluster_teardown),
    };
    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
