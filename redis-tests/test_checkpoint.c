/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints while clients write and nodes die. The limits are tiny, so that hundreds of them are made in a few seconds; afterwards
 * every acknowledged write is there, on every node, whatever of it came from a data file and whatever from the log.
 */
#include <setjmp.h>
#include <stdarg.h>
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
    WRITE_PAUSE_US = 500,
    STEADY_MS = 700,
    RETURN_MS = 15000,
    WIRE_MS = 20000,
    KEYS = 2000,
    LARGE_KEYS = 128,
    LARGE_BYTES = 512 * 1024
};

static const char *const often[] = {"--raft-checkpoint-log-size", "32kb", NULL};

static struct info info;

static uint64_t number_of(struct cluster *cluster, size_t at, const char *field) {
    if (!cluster_info(cluster, at, &info))
        harness_fail("node %zu does not answer RAFT.INFO", at + 1);
    return info_number(&info, field);
}

static void wait_checkpoint(struct cluster *cluster, size_t at, uint64_t index) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(RETURN_MS);
    while (number_of(cluster, at, "checkpoint_index") < index)
        if (harness_now_ms() > until)
            harness_fail("node %zu has made no checkpoint at %llu or later", at + 1,
                         (unsigned long long)index);
        else
            harness_sleep_ms(10);
}

static void a_node_starts_with_its_checkpoint_and_what_came_after(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(1, NULL);
    struct wire *wire = wire_open(cluster->nodes[0].port, harness_scaled_ms(WIRE_MS));
    char words[64], expected[64];
    for (int i = 0; i < KEYS; i++) {
        snprintf(words, sizeof words, "SET key:%d value:%d", i, i);
        assert_string_equal(wire_ask(wire, words), "+OK");
    }
    assert_string_equal(wire_ask(wire, "EXPIRE key:7 100000"), ":1");
    uint64_t index = number_of(cluster, 0, "last_applied_index");
    assert_string_equal(wire_ask(wire, "RAFT.SNAPSHOT"), "+OK");
    wait_checkpoint(cluster, 0, index);
    assert_string_equal(wire_ask(wire, "DEL key:1 key:2"), ":2");
    assert_string_equal(wire_ask(wire, "APPEND key:3 +more"), ":12");
    assert_string_equal(wire_ask(wire, "RENAME key:4 key:renamed"), "+OK");
    wire_close(wire);

    cluster_kill(cluster, 0);
    cluster_spawn(cluster, 0);
    cluster_wait_leader(cluster);
    assert_true(cluster_said(cluster, 0, "loaded the checkpoint at"));
    wire = wire_open(cluster->nodes[0].port, harness_scaled_ms(WIRE_MS));
    snprintf(expected, sizeof expected, ":%d", KEYS - 2);
    assert_string_equal(wire_ask(wire, "DBSIZE"), expected);
    assert_string_equal(wire_ask(wire, "EXISTS key:1 key:2 key:4"), ":0");
    assert_string_equal(wire_ask(wire, "GET key:3"), "$12 value:3+more");
    assert_string_equal(wire_ask(wire, "GET key:renamed"), "$7 value:4");
    assert_string_equal(wire_ask(wire, "GET key:1999"), "$10 value:1999");
    assert_true(atol(wire_ask(wire, "TTL key:7") + 1) > 99000);
    wire_close(wire);
    cluster_free(cluster);
}

static void nothing_is_lost_between_checkpoints_and_kills(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, often);
    struct load *load = load_start(cluster, "check", WRITERS, WRITE_PAUSE_US);
    uint64_t made = 0;
    for (size_t round = 0; round < 4; round++) {
        harness_sleep_ms(STEADY_MS);
        size_t victim = round % 2 ? cluster_wait_leader(cluster) : round % cluster->count;
        made += number_of(cluster, victim, "checkpoint_count");
        cluster_kill(cluster, victim);
        harness_sleep_ms(STEADY_MS / 2);
        cluster_spawn(cluster, victim);
        cluster_wait_equal(cluster);
    }
    if (load_wait_ack(load, harness_now_us(), harness_scaled_ms(RETURN_MS)) == 0)
        harness_fail("no write was acknowledged after the last kill");
    cluster_kill_all(cluster);
    cluster_spawn_all(cluster);
    cluster_wait_equal(cluster);
    load_stop(load);
    harness_say("%llu checkpoints made by nodes before they were killed", (unsigned long long)made);
    assert_true(made >= 4);
    for (size_t at = 0; at < cluster->count; at++) {
        char when[64];
        snprintf(when, sizeof when, "with node %zu leading", at + 1);
        cluster_make_leader(cluster, at);
        load_must_hold(load, when);
    }
    load_free(load);
    cluster_free(cluster);
}

static uint64_t last_index(struct cluster *cluster) {
    return number_of(cluster, cluster_wait_leader(cluster), "last_log_index");
}

/* Whoever has the log up to here has no use for it any more. */
static void wait_cut(struct cluster *cluster, uint64_t reached) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(RETURN_MS);
    while (number_of(cluster, cluster_wait_leader(cluster), "log_first_index") <= reached + 1)
        if (harness_now_ms() > until)
            harness_fail("the log was not cut");
        else
            harness_sleep_ms(20);
}

/* The log goes back only a few entries: who was away for longer gets the state. */
/* A commit of one small entry takes a whole page there. */
static void a_checkpoint_comes_by_what_the_log_takes_on_the_disk_too(void **state) {
    static const char *const megabyte[] = {"--raft-checkpoint-log-size", "1mb", NULL};
    (void)state;
    struct cluster *cluster = cluster_new(1, megabyte);
    struct wire *wire = wire_open(cluster->nodes[0].port, harness_scaled_ms(WIRE_MS));
    for (int i = 0; i < KEYS; i++)
        assert_string_equal(wire_ask(wire, "SET a b"), "+OK");
    assert_true(number_of(cluster, 0, "log_bytes") < 512 * 1024);
    wait_checkpoint(cluster, 0, 1);
    wire_close(wire);
    cluster_free(cluster);
}

static void a_follower_that_was_away_while_the_log_was_cut_comes_back_by_itself(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, often);
    size_t leader = cluster_wait_leader(cluster), away = (leader + 1) % cluster->count;
    struct load *load = load_start(cluster, "away", WRITERS, WRITE_PAUSE_US);
    for (int round = 0; round < 3; round++) {
        cluster_kill(cluster, away);
        wait_cut(cluster, last_index(cluster)); /* it was no further when it died */
        cluster_spawn(cluster, away);
        cluster_wait_equal(cluster);
        assert_true(number_of(cluster, away, "snapshots_received") >= 1);
    }
    load_stop(load);
    cluster_make_leader(cluster, away);
    load_must_hold(load, "with the one that was away leading");
    load_free(load);
    cluster_free(cluster);
}

static void fill_large(struct cluster *cluster, size_t leader, char mark) {
    struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
    char *words = malloc(LARGE_BYTES + 64);
    assert_non_null(words);
    for (int i = 0; i < LARGE_KEYS; i++) {
        int head = sprintf(words, "SET large:%d ", i);
        memset(words + head, mark, LARGE_BYTES);
        words[head + LARGE_BYTES] = 0;
        assert_string_equal(wire_ask(wire, words), "+OK");
    }
    free(words);
    wire_close(wire);
}

/* Its own state, as large as the one that comes, is of no use as soon as that has come whole. */
static void a_follower_that_takes_a_snapshot_has_memory_for_one_state(void **state) {
    static const char *const options[] = {"--raft-checkpoint-log-size", "1mb", "--raft-log-cache-size", "1mb",
                                          NULL};
    (void)state;
    struct cluster *cluster = cluster_new(3, options);
    size_t leader = cluster_wait_leader(cluster), away = (leader + 1) % cluster->count;
    fill_large(cluster, leader, 'a');
    cluster_wait_equal(cluster);
    uint64_t reached = last_index(cluster);
    wait_checkpoint(cluster, away, reached - 3); /* one for two of these, or more */
    cluster_kill(cluster, away);
    fill_large(cluster, leader = cluster_wait_leader(cluster), 'b');
    wait_checkpoint(cluster, leader, last_index(cluster) - 3);
    wait_cut(cluster, reached);
    cluster_spawn(cluster, away);
    cluster_wait_equal(cluster);
    assert_int_equal(number_of(cluster, away, "snapshots_received"), 1);
    size_t most = process_bytes(cluster->nodes[away].pid, "VmHWM");
    const char *sanitize = getenv("SANITIZE"); /* they keep what was freed for a while */
    harness_say("a state of %d MB in the place of another: %.0f MB in memory at most",
                LARGE_KEYS * LARGE_BYTES >> 20, (double)most / 1048576);
    if (!sanitize || !sanitize[0])
        assert_true(most < 2 * LARGE_KEYS * (size_t)LARGE_BYTES);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_node_starts_with_its_checkpoint_and_what_came_after, cluster_teardown),
        cmocka_unit_test_teardown(a_checkpoint_comes_by_what_the_log_takes_on_the_disk_too, cluster_teardown),
        cmocka_unit_test_teardown(a_follower_that_was_away_while_the_log_was_cut_comes_back_by_itself,
                                  load_teardown),
        cmocka_unit_test_teardown(a_follower_that_takes_a_snapshot_has_memory_for_one_state,
                                  cluster_teardown),
        cmocka_unit_test_teardown(nothing_is_lost_between_checkpoints_and_kills, load_teardown),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
