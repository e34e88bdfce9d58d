/* SPDX-License-Identifier: MIT */
/*
 * Nodes die, stop and come back while clients write. Afterwards every acknowledged write is there, on every node, and
 * nothing is there that got a definite error. "On every node" is asked of each node while it leads.
 *
 * REDRAFT_KILLS sets how often the leader is killed (5).
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/load.h"
#include "harness/wire.h"

enum {
    WRITERS = 6,
    WRITE_PAUSE_US = 1000,
    RESUME_MS = 1500, /* from the kill to the next acknowledged write, with default timers */
    RETURN_MS = 15000,
    STEADY_MS = 500,
    WIRE_MS = 20000,
};

static struct info info;

static void wait_ack(struct load *load, const char *when) {
    if (load_wait_ack(load, harness_now_us(), harness_scaled_ms(RETURN_MS)) == 0)
        harness_fail("%s: no write was acknowledged within %d ms", when, RETURN_MS);
}

/* Each node leads once, and each time everything is there. */
static void must_hold_on_every_node(struct cluster *cluster, struct load *load) {
    for (size_t at = 0; at < cluster->count; at++) {
        char when[64];
        snprintf(when, sizeof(when), "with node %zu leading", at + 1);
        cluster_make_leader(cluster, at);
        load_must_hold(load, when);
    }
}

static void say_totals(struct load *load) {
    struct load_totals totals;
    load_totals(load, &totals);
    harness_say("%llu acknowledged, %llu refused, %llu unknown, longest pause %llu ms",
                (unsigned long long)totals.acknowledged, (unsigned long long)totals.refused,
                (unsigned long long)totals.unknown, (unsigned long long)totals.longest_pause_us / 1000);
    if (totals.refusal[0] != '\0')
        harness_fail("a write was refused with an unexpected error: %s", totals.refusal);
    assert_true(totals.acknowledged > 100);
}

static void a_killed_leader_takes_no_acknowledged_write_with_it(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    uint64_t kills = harness_setting("REDRAFT_KILLS", 5);
    struct load *load = load_start(cluster, "kill", WRITERS, WRITE_PAUSE_US);
    for (uint64_t i = 0; i < kills; i++) {
        size_t leader = cluster_wait_equal(cluster);
        wait_ack(load, "before a kill");
        harness_sleep_ms(STEADY_MS);
        uint64_t killed_us = harness_now_us();
        cluster_kill(cluster, leader);
        uint64_t acked_us = load_wait_ack(load, harness_now_us(), harness_scaled_ms(RETURN_MS));
        uint64_t gap_ms = acked_us == 0 ? RETURN_MS : (acked_us - killed_us) / 1000;
        harness_say("leader %zu killed: next write acknowledged after %llu ms", leader + 1,
                    (unsigned long long)gap_ms);
        if (gap_ms > harness_scaled_ms(RESUME_MS))
            harness_fail("writes went on %llu ms after the kill", (unsigned long long)gap_ms);
        cluster_spawn(cluster, leader);
    }
    load_stop(load);
    say_totals(load);
    must_hold_on_every_node(cluster, load);
    load_free(load);
    cluster_free(cluster);
}

static void killing_all_nodes_at_once_loses_nothing(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    struct load *load = load_start(cluster, "all", WRITERS, WRITE_PAUSE_US);
    for (int i = 0; i < 3; i++) {
        wait_ack(load, "before killing all");
        harness_sleep_ms(STEADY_MS);
        cluster_kill_all(cluster);
        cluster_spawn_all(cluster);
        wait_ack(load, "after killing all");
    }
    load_stop(load);
    say_totals(load);
    must_hold_on_every_node(cluster, load);
    load_free(load);
    cluster_free(cluster);
}

static void a_leader_that_is_told_to_stop_loses_nothing(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    struct load *load = load_start(cluster, "term", WRITERS, WRITE_PAUSE_US);
    for (int i = 0; i < 3; i++) {
        size_t leader = cluster_wait_equal(cluster);
        wait_ack(load, "before SIGTERM");
        harness_sleep_ms(STEADY_MS);
        assert_int_equal(cluster_end(cluster, leader), 0);
        wait_ack(load, "after SIGTERM");
        cluster_spawn(cluster, leader);
    }
    load_stop(load);
    say_totals(load);
    must_hold_on_every_node(cluster, load);
    load_free(load);
    cluster_free(cluster);
}

/* From the very first start on: files half made, elections under way, a log being read. */
static void a_cluster_that_is_killed_while_it_starts_always_starts(void **state) {
    enum { ROUNDS = 24 };
    (void)state;
    struct cluster *cluster = cluster_prepare(3, NULL, NULL);
    uint64_t seed = harness_setting("REDRAFT_SEED", harness_now_us());
    struct load *load = NULL;
    harness_say("REDRAFT_SEED=%llu", (unsigned long long)seed);
    for (int round = 0; round < ROUNDS; round++) {
        cluster_spawn_all(cluster);
        if (round == ROUNDS / 2) {
            cluster_wait_leader(cluster);
            load = load_start(cluster, "start", WRITERS, WRITE_PAUSE_US);
            wait_ack(load, "half-way through");
        }
        harness_sleep_ms(harness_random(&seed) % (round % 4 == 3 ? harness_scaled_ms(1500) : 120));
        cluster_kill_all(cluster);
    }
    cluster_spawn_all(cluster);
    wait_ack(load, "at last");
    load_stop(load);
    say_totals(load);
    must_hold_on_every_node(cluster, load);
    load_free(load);
    cluster_free(cluster);
}

/* ---- two of three down ----------------------------------------------------------------------------------- */

static bool tells_no_value(const char *reply) {
    return strncmp(reply, "-CLUSTERDOWN ", 13) == 0 || strncmp(reply, "-INDOUBT", 8) == 0 ||
           strncmp(reply, "-MOVED ", 7) == 0;
}

static void with_two_nodes_down_nothing_is_served_until_one_returns(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    uint64_t timeout_ms = cluster_election_timeout_ms(cluster);
    struct load *load = load_start(cluster, "two", WRITERS, WRITE_PAUSE_US);
    wait_ack(load, "with three nodes");
    harness_sleep_ms(STEADY_MS);
    size_t leader = cluster_wait_equal(cluster);
    struct wire *reader = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
    struct wire *writer = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
    assert_string_equal(wire_ask(writer, "SET seen yes"), "+OK");
    assert_string_equal(wire_ask(reader, "GET seen"), "$3 yes");
    for (size_t at = 0; at < cluster->count; at++) {
        if (at != leader)
            cluster_kill(cluster, at);
    }
    uint64_t since = harness_now_ms();
    assert_true(wire_send_words(writer, "SET seen no"));
    for (int i = 0; i < 3; i++) {
        const char *reply = wire_ask(reader, "GET seen");
        if (!tells_no_value(reply))
            harness_fail("alone, the node answers a GET with %s", reply);
        if (i == 2 && strncmp(reply, "-CLUSTERDOWN ", 13) != 0)
            harness_fail("alone for long, the node answers a GET with %s", reply);
    }
    uint64_t waited_ms = harness_now_ms() - since;
    harness_say("three reads refused within %llu ms (election timeout %llu ms)",
                (unsigned long long)waited_ms, (unsigned long long)timeout_ms);
    assert_true(waited_ms <= 3 * harness_scaled_ms(4 * timeout_ms));
    const char *reply = wire_next(writer);
    if (!tells_no_value(reply))
        harness_fail("alone, the node answers a SET with %s", reply);
    bool uncertain = strncmp(reply, "-INDOUBT", 8) == 0;

    assert_true(cluster_info(cluster, leader, &info));
    assert_true(info_is(&info, "quorum", "lost"));
    assert_true(info_is(&info, "health", "down"));
    assert_false(info_is(&info, "role", "leader"));

    cluster_spawn(cluster, (leader + 1) % cluster->count);
    wait_ack(load, "with two nodes");
    size_t now = cluster_wait_leader(cluster);
    wire_close(reader);
    reader = wire_open(cluster->nodes[now].port, harness_scaled_ms(WIRE_MS));
    reply = wire_ask(reader, "GET seen");
    assert_true(strcmp(reply, "$3 yes") == 0 || (uncertain && strcmp(reply, "$2 no") == 0));
    cluster_spawn(cluster, (leader + 2) % cluster->count);
    wire_close(reader);
    wire_close(writer);
    load_stop(load);
    say_totals(load);
    must_hold_on_every_node(cluster, load);
    load_free(load);
    cluster_free(cluster);
}

/* ---- a stopped leader ------------------------------------------------------------------------------------ */

/* One writer counts upward through whoever leads. Every value that it was told is a floor for every read that
 * begins later. */
static struct counter {
    const struct cluster *cluster; /* NULL: it does not count */
    pthread_t thread;
    atomic_bool ending;
    atomic_ullong floor;
} counter;

static void *count_on(void *argument) {
    (void)argument;
    struct client client;
    client_init(&client, counter.cluster, harness_scaled_ms(1000));
    while (!atomic_load(&counter.ending)) {
        redisReply *reply;
        if (client_try(&client, &reply, "INCR counter") != OUTCOME_DONE) {
            harness_sleep_ms(2);
            continue;
        }
        atomic_store(&counter.floor, (unsigned long long)reply->integer);
        freeReplyObject(reply);
    }
    client_close(&client);
    return NULL;
}

static void counter_start(const struct cluster *cluster) {
    counter.cluster = cluster;
    atomic_store(&counter.ending, false);
    atomic_store(&counter.floor, 0);
    assert_int_equal(pthread_create(&counter.thread, NULL, count_on, NULL), 0);
}

static void counter_stop(void) {
    atomic_store(&counter.ending, true);
    if (counter.cluster != NULL)
        pthread_join(counter.thread, NULL);
    counter.cluster = NULL;
}

enum { READERS = 16 };

/* A reader of the stopped leader: its connection, and the floor when it asked. */
struct reader {
    struct wire *wire;
    unsigned long long floor;
};

struct tally {
    unsigned served, refused, closed;
};

static void check_read(struct reader *reader, struct tally *tally) {
    const char *reply = wire_next(reader->wire);
    if (reply[0] == '$' && strchr(reply, ' ') != NULL) {
        unsigned long long value = strtoull(strchr(reply, ' ') + 1, NULL, 10);
        tally->served++;
        if (value < reader->floor)
            harness_fail("a stale read: %llu, when %llu had been acknowledged before it was asked for", value,
                         reader->floor);
    } else if (reply[0] == '-') {
        tally->refused++;
    } else if (strcmp(reply, "closed") == 0) {
        tally->closed++;
    } else {
        harness_fail("the stopped leader answers a GET with %s", reply);
    }
}

static void open_readers(const struct cluster *cluster, size_t at, struct reader *readers) {
    for (int i = 0; i < READERS; i++) {
        readers[i].wire = wire_open(cluster->nodes[at].port, harness_scaled_ms(WIRE_MS));
        assert_non_null(readers[i].wire);
        wire_ask(readers[i].wire, "GET counter");
    }
}

/* Stops the leader, lets the count go on elsewhere, asks the stopped one, wakes it, and asks on. */
static void stop_and_ask(struct cluster *cluster, uint64_t stop_ms, struct tally *tally) {
    struct reader readers[READERS];
    size_t leader = cluster_wait_equal(cluster);
    open_readers(cluster, leader, readers);
    unsigned long long before = atomic_load(&counter.floor);
    cluster_pause(cluster, leader, true);
    harness_sleep_ms(stop_ms);
    cluster_wait_other_leader(cluster, leader);
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(10000);
    while (atomic_load(&counter.floor) < before + 50 && harness_now_ms() < deadline)
        harness_sleep_ms(1);
    assert_true(atomic_load(&counter.floor) >= before + 50);
    for (int i = 0; i < READERS; i++) {
        readers[i].floor = atomic_load(&counter.floor);
        assert_true(wire_send_words(readers[i].wire, "GET counter"));
    }
    cluster_pause(cluster, leader, false);
    for (int i = 0; i < READERS; i++)
        check_read(&readers[i], tally);
    deadline = harness_now_ms() + 300;
    for (int i = 0; harness_now_ms() < deadline; i = (i + 1) % READERS) {
        readers[i].floor = atomic_load(&counter.floor);
        if (wire_send_words(readers[i].wire, "GET counter"))
            check_read(&readers[i], tally);
    }
    for (int i = 0; i < READERS; i++)
        wire_close(readers[i].wire);
}

static void a_stopped_leader_never_serves_a_stale_read(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    struct tally tally = {.served = 0};
    uint64_t timeout_ms = cluster_election_timeout_ms(cluster);
    counter_start(cluster);
    for (int i = 0; i < 3; i++)
        stop_and_ask(cluster, (uint64_t)(i + 2) * timeout_ms, &tally);
    counter_stop();
    harness_say("asked of the stopped leader: %u served, %u refused, %u closed", tally.served, tally.refused,
                tally.closed);
    assert_true(tally.served + tally.refused + tally.closed >= 3 * READERS);
    cluster_free(cluster);
}

static int after_each(void **state) {
    counter_stop();
    return load_teardown(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_killed_leader_takes_no_acknowledged_write_with_it, after_each),
        cmocka_unit_test_teardown(killing_all_nodes_at_once_loses_nothing, after_each),
        cmocka_unit_test_teardown(a_leader_that_is_told_to_stop_loses_nothing, after_each),
        cmocka_unit_test_teardown(a_cluster_that_is_killed_while_it_starts_always_starts, after_each),
        cmocka_unit_test_teardown(with_two_nodes_down_nothing_is_served_until_one_returns, after_each),
        cmocka_unit_test_teardown(a_stopped_leader_never_serves_a_stale_read, after_each),
    };
    return cmocka_run_group_tests_name("failover", tests, NULL, NULL);
}
