/* SPDX-License-Identifier: MIT */
/*
 * Clients that misbehave: garbage, half commands, huge lengths, thousands that only sit there, one that never reads.
 * Each costs itself its connection at most; all the while another client is served promptly and no node is hurt.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/wire.h"

enum { WIRE_MS = 10000, PROMPT_MS = 1000, IDLE_CLIENTS = 10000, ROUNDS = 2000 };

static struct info info;

/* A well-behaved client beside the others, and the longest that it had to wait. */
struct witness {
    struct wire *wire;
    unsigned long long count;
    uint64_t worst_us;
};

static void witness_open(struct witness *witness, const struct cluster *cluster, size_t at) {
    *witness = (struct witness){.wire = wire_open(cluster->nodes[at].port, harness_scaled_ms(WIRE_MS))};
    assert_non_null(witness->wire);
    assert_string_equal(wire_ask(witness->wire, "DEL witness"), ":0");
}

/* A write and a read, both right and prompt. */
static void witness_asks(struct witness *witness) {
    char expected[32];
    uint64_t since = harness_now_us();
    snprintf(expected, sizeof(expected), ":%llu", ++witness->count);
    assert_string_equal(wire_ask(witness->wire, "INCR witness"), expected);
    const char *reply = wire_ask(witness->wire, "GET witness");
    assert_string_equal(strchr(reply, ' ') + 1, expected + 1);
    uint64_t took_us = harness_now_us() - since;
    witness->worst_us = took_us > witness->worst_us ? took_us : witness->worst_us;
}

static void witness_close(struct witness *witness) {
    wire_close(witness->wire);
    harness_say("beside it, %llu writes and reads, the slowest pair in %.1f ms", witness->count,
                (double)witness->worst_us / 1000);
    if (witness->worst_us / 1000 > harness_scaled_ms(PROMPT_MS))
        harness_fail("another client waited %llu ms", (unsigned long long)witness->worst_us / 1000);
}

/* The same processes as at the start, with the same leader, all of them up. */
static void nobody_is_hurt(const struct cluster *cluster, size_t leader) {
    assert_int_equal(cluster_wait_equal(cluster), leader);
    for (size_t at = 0; at < cluster->count; at++) {
        assert_true(cluster_info(cluster, at, &info));
        assert_int_equal(info_number(&info, "current_term"), 1);
    }
}

static void garbage_costs_its_sender_the_connection_and_nobody_else_anything(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    size_t leader = cluster_wait_equal(cluster);
    struct witness witness;
    uint64_t seed = harness_setting("REDRAFT_SEED", harness_now_us());
    harness_say("REDRAFT_SEED=%llu", (unsigned long long)seed);
    witness_open(&witness, cluster, leader);
    for (int round = 0; round < ROUNDS; round++) {
        static const char *const starts[] = {"",     "*",         "*3\r\n$3\r\nSET\r\n",      "$", "*1\r\n$",
                                             "\r\n", "RAFT.MSG ", "*2\r\n$8\r\nRAFT.MSG\r\n$"};
        char bytes[700];
        struct wire *wire = wire_open(cluster->nodes[round % 3].port, harness_scaled_ms(WIRE_MS));
        assert_non_null(wire);
        size_t length = (size_t)snprintf(bytes, sizeof(bytes), "%s", starts[harness_random(&seed) % 8]);
        for (size_t more = harness_random(&seed) % 600; more > 0; more--)
            bytes[length++] = (char)harness_random(&seed);
        wire_send(wire, bytes, length);
        if (harness_random(&seed) % 2 ==
            0) { /* half of them half-close, wait and read on; the rest just vanish */
            shutdown(wire_descriptor(wire), SHUT_WR);
            const char *reply = "";
            while (strcmp(reply, "closed") != 0 && strcmp(reply, "timeout") != 0)
                reply = wire_next(wire);
            assert_string_equal(reply, "closed");
        }
        wire_close(wire);
        if (round % 10 == 0)
            witness_asks(&witness);
    }
    nobody_is_hurt(cluster, leader);
    witness_close(&witness);
    cluster_free(cluster);
}

/* Lengths that are announced and never kept must not be paid for in advance. */
static void huge_lengths_cost_no_memory(void **state) {
    enum { LIARS = 100, LIES_MAX = 256 * 1024 * 1024 };
    static const char *const lies[] = {
        "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$536870912\r\nx",
        "*1048576\r\n$4\r\n",
        "*1048576\r\n$1048576\r\nx",
    };
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    size_t leader = cluster_wait_equal(cluster);
    struct witness witness;
    struct wire *wires[LIARS];
    witness_open(&witness, cluster, leader);
    size_t before = process_bytes(cluster->nodes[leader].pid, "VmRSS");
    for (int i = 0; i < LIARS; i++) {
        wires[i] = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
        assert_non_null(wires[i]);
        assert_true(wire_send(wires[i], lies[i % 3], strlen(lies[i % 3])));
        witness_asks(&witness);
    }
    size_t after = process_bytes(cluster->nodes[leader].pid, "VmHWM");
    harness_say("%d announcements of half a gigabyte or a million arguments: %.1f MB more in memory", LIARS,
                ((double)after - (double)before) / 1048576);
    assert_true(after < before + LIES_MAX);
    for (int i = 0; i < LIARS; i++)
        wire_close(wires[i]);
    nobody_is_hurt(cluster, leader);
    witness_close(&witness);
    cluster_free(cluster);
}

static void thousands_of_idle_connections_are_no_burden(void **state) {
    static const char *const options[] = {"--maxclients", "10100", NULL};
    struct rlimit limit;
    (void)state;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    size_t count = IDLE_CLIENTS;
    if (limit.rlim_cur < IDLE_CLIENTS + 300) {
        count = limit.rlim_cur > 600 ? limit.rlim_cur - 300 : 300;
        harness_say("RLIMIT_NOFILE is %llu: only %zu idle connections instead of %d",
                    (unsigned long long)limit.rlim_cur, count, IDLE_CLIENTS);
    }
    struct cluster *cluster = cluster_new(3, options);
    size_t leader = cluster_wait_equal(cluster);
    struct witness witness;
    struct wire **wires = calloc(count, sizeof(*wires));
    witness_open(&witness, cluster, leader);
    for (size_t i = 0; i < count; i++) {
        wires[i] = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
        if (wires[i] == NULL)
            harness_fail("connection %zu of %zu is refused: %s", i, count, strerror(errno));
        if (i % 100 == 0)
            witness_asks(&witness);
    }
    for (int i = 0; i < 500; i++)
        witness_asks(&witness);
    for (size_t i = 0; i < count; i += count / 50)
        assert_string_equal(wire_ask(wires[i], "PING"), "+PONG");
    harness_say("%zu idle connections", count);
    for (size_t i = 0; i < count; i++)
        wire_close(wires[i]);
    free(wires);
    nobody_is_hurt(cluster, leader);
    witness_close(&witness);
    cluster_free(cluster);
}

static void send_set(struct wire *wire, size_t value_length) {
    char *request = malloc(value_length + 100);
    size_t length = (size_t)sprintf(request, "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%zu\r\n", value_length);
    memset(request + length, 'x', value_length);
    memcpy(request + length + value_length, "\r\n", 2);
    assert_true(wire_send(wire, request, length + value_length + 2));
    free(request);
}

enum { BIG = 1024 * 1024, BIG_REPLY = BIG + sizeof("$1048576\r\n\r\n") - 1, GROWTH_MAX = 400 * 1024 * 1024 };

/* A connection to the leader behind which lies a value of a megabyte. */
static struct wire *open_with_big_value(const struct cluster *cluster, size_t leader) {
    struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
    assert_non_null(wire);
    send_set(wire, BIG);
    assert_string_equal(wire_next(wire), "+OK");
    return wire;
}

static size_t most_bytes(const struct cluster *cluster, size_t at) {
    return process_bytes(cluster->nodes[at].pid, "VmHWM");
}

/* Asks for 4 GB in all and reads nothing. What piles up for it is bounded: by its output limit, which closes it, or because it is served no
 * further. */
static void a_client_that_never_reads_costs_little_and_delays_nobody(void **state) {
    enum { ASKED = 4096 };
    static const char *const options[] = {"--client-output-buffer-limit", "normal", "64mb", "0", "0", NULL};
    (void)state;
    struct cluster *cluster = cluster_new(3, options);
    size_t leader = cluster_wait_equal(cluster);
    struct witness witness;
    witness_open(&witness, cluster, leader);
    struct wire *wire = open_with_big_value(cluster, leader);
    size_t before = most_bytes(cluster, leader);
    char *requests = malloc(ASKED * 9);
    for (int i = 0; i < ASKED; i++)
        memcpy(requests + 9 * i, "GET big\r\n", 9);
    assert_int_equal(send(wire_descriptor(wire), requests, ASKED * 9, MSG_NOSIGNAL), ASKED * 9);
    for (int i = 0; i < 300; i++)
        witness_asks(&witness);
    size_t most = most_bytes(cluster, leader);
    harness_say("4 GB asked for and not read: at most %.1f MB more in memory",
                ((double)most - (double)before) / 1048576);
    assert_true(most < before + GROWTH_MAX);
    free(requests);
    wire_close(wire);
    nobody_is_hurt(cluster, leader);
    witness_close(&witness);
    cluster_free(cluster);
}

/* A pipeline whose replies are large, from a client that reads them: it gets every one, and the others theirs meanwhile. */
static void a_pipeline_of_large_replies_is_served_whole_and_delays_nobody(void **state) {
    enum { ASKED = 400 };
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    size_t leader = cluster_wait_equal(cluster);
    struct witness witness;
    witness_open(&witness, cluster, leader);
    struct wire *wire = open_with_big_value(cluster, leader);
    size_t before = most_bytes(cluster, leader);
    for (int i = 0; i < ASKED; i++)
        assert_true(wire_send(wire, "GET big\r\n", 9));
    for (int i = 0; i < ASKED; i++) {
        const char *bytes;
        size_t length;
        enum wire_result result = wire_read(wire, &bytes, &length);
        if (result != WIRE_OK || length != BIG_REPLY)
            harness_fail("reply %d of %d: %s", i, ASKED,
                         result == WIRE_CLOSED ? "closed" : "not what was asked for");
        if (i % 10 == 0)
            witness_asks(&witness);
    }
    size_t most = most_bytes(cluster, leader);
    harness_say("400 MB asked for at once and read: at most %.1f MB more in memory",
                ((double)most - (double)before) / 1048576);
    assert_true(most < before + GROWTH_MAX);
    wire_close(wire);
    nobody_is_hurt(cluster, leader);
    witness_close(&witness);
    cluster_free(cluster);
}

/* ---- too large for the log ------------------------------------------------------------------------------- */

static void a_value_too_large_for_the_log_gets_a_definite_error(void **state) {
    static const char *const options[] = {"--raft-entry-max-size", "2mb", NULL};
    (void)state;
    struct cluster *cluster = cluster_new(3, options);
    size_t leader = cluster_wait_equal(cluster);
    struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
    send_set(wire, 1024 * 1024);
    assert_string_equal(wire_next(wire), "+OK");
    for (int i = 0; i < 10; i++) {
        send_set(wire, 3 * 1024 * 1024);
        const char *reply = wire_next(wire);
        if (strncmp(reply, "-ERR ", 5) != 0)
            harness_fail("a value beyond the limit is answered with %.100s", reply);
        if (i == 0)
            harness_say("told: %s", reply);
        assert_string_equal(wire_ask(wire, "STRLEN big"), ":1048576");
    }
    /* Many that fit one by one make more than one entry. */
    for (int i = 0; i < 20; i++)
        send_set(wire, 1024 * 1024 + (size_t)i);
    for (int i = 0; i < 20; i++)
        assert_string_equal(wire_next(wire), "+OK");
    assert_string_equal(wire_ask(wire, "STRLEN big"), ":1048595");
    wire_close(wire);
    nobody_is_hurt(cluster, leader);
    cluster_free(cluster);
}

/* By the limits as they are by default, and bytes enough to fill every queue on the way. Three nodes on one busy machine may take longer
 * than the default election timeout to move them: the timers are not what is tried here. */
static void large_values_pass_through_all_nodes(void **state) {
    enum { LARGE = 48 * 1024 * 1024 };
    static const char *const options[] = {"--raft-election-timeout", "5000", "--raft-outcome-timeout",
                                          "60000", NULL};
    (void)state;
    struct cluster *cluster = cluster_new(3, options);
    size_t leader = cluster_wait_equal(cluster);
    struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(6 * WIRE_MS));
    const char *bytes;
    size_t length;
    for (int done = 0, tries = 0; done < 2; tries++) {
        send_set(wire, LARGE);
        const char *reply = wire_next(wire);
        if (strcmp(reply, "+OK") == 0) {
            done++;
        } else if (strncmp(reply, "-MOVED", 6) == 0 && tries < 5) { /* not done: a busy machine */
            wire_close(wire);
            leader = cluster_wait_equal(cluster);
            wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(6 * WIRE_MS));
        } else {
            harness_fail("a value of 48 MB is answered with %.100s", reply);
        }
    }
    cluster_wait_equal(cluster);
    assert_true(wire_send_words(wire, "GET big"));
    assert_int_equal(wire_read(wire, &bytes, &length), WIRE_OK);
    assert_int_equal(length, LARGE + strlen("$50331648\r\n\r\n"));
    assert_int_equal(bytes[length - 3], 'x');
    wire_close(wire);
    cluster_kill(cluster, leader);
    size_t next = cluster_wait_other_leader(cluster, leader);
    wire = wire_open(cluster->nodes[next].port, harness_scaled_ms(6 * WIRE_MS));
    assert_string_equal(wire_ask(wire, "STRLEN big"), ":50331648");
    wire_close(wire);
    cluster_spawn(cluster, leader);
    cluster_wait_equal(cluster);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(garbage_costs_its_sender_the_connection_and_nobody_else_anything,
                                  cluster_teardown),
        cmocka_unit_test_teardown(huge_lengths_cost_no_memory, cluster_teardown),
        cmocka_unit_test_teardown(thousands_of_idle_connections_are_no_burden, cluster_teardown),
        cmocka_unit_test_teardown(a_client_that_never_reads_costs_little_and_delays_nobody, cluster_teardown),
        cmocka_unit_test_teardown(a_pipeline_of_large_replies_is_served_whole_and_delays_nobody,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_value_too_large_for_the_log_gets_a_definite_error, cluster_teardown),
        cmocka_unit_test_teardown(large_values_pass_through_all_nodes, cluster_teardown),
    };
    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
