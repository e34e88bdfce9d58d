/* SPDX-License-Identifier: MIT */
/*
 * Breakages that are known from other systems of this kind, each found there by an independent test. For each the tests that would find
 * it here; where none is named, it is in this file.
 *
 *      an applied entry is proposed again          what_is_applied_is_never_proposed_again; sim plants apply-twice, apply-early
 *      all data gone after a fail-over             after_a_fail_over_all_data_is_there; test_failover a_killed_leader_takes_no_...,
 *                                                  test_checkpoint nothing_is_lost_between_checkpoints_and_kills
 *      two leaders through concurrent removals     of_removals_at_once_one_is_made_at_a_time,
 *                                                  removals_without_a_majority_make_no_second_leader; test_raft_change
 *                                                  one_change_at_a_time, no_change_before_an_entry_of_the_own_term_is_committed
 *      empty reads after a restart                 no_read_is_empty_after_a_restart
 *      stale reads before the no-op                test_raft_flow a_read_before_the_no_op_is_committed_waits_for_it_and_sees_it;
 *                                                  sim plant read-before-noop; the histories of chaos
 *      client traffic blocks the peers' link       heavy_traffic_of_clients_costs_no_election
 *      a definite error for a committed write      load_must_hold in test_failover, test_members, test_disk; the histories of chaos;
 *                                                  sim plant doubt-denied
 *      DISCARD fails and MULTI stays               test_transactions discard_and_reset_forget_what_is_queued_and_watched
 *      a client gets another's reply               every_client_gets_its_own_replies_across_fail_overs; the ECHOs of chaos and sim
 *      members revived by loading an old log       removed_members_do_not_come_back_with_an_old_log
 *      the index cut at the switch of snapshot     indexes_go_on_behind_a_snapshot; test_raft_snapshot a_snapshot_that_the_log_holds_...;
 *                                                  test_store_compact a_reset_keeps_what_follows_...; sim plant cut-blindly
 *      log and snapshot that don't fit at start    test_store_data a_state_that_does_not_fit_the_log_is_refused
 *      a second-generation snapshot lacks members  a_snapshot_of_a_node_that_began_with_one_has_the_members
 *      a crash in clean-up at a half-open link     a_node_is_removed_while_its_link_is_half_open
 *      term and vote lost in a crash               term_and_vote_survive_a_crash; sim plant vote-lost
 *      a paused leader                             test_failover a_stopped_leader_never_serves_a_stale_read; test_node_reads
 *                                                  a_leader_that_stood_still_tells_no_old_value; the SIGSTOPs of chaos
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

enum { WIRE_MS = 10000, SETTLE_MS = 20000, REPLY_MAX = 4096 };

static struct info info;
static const char *const silent[] = {"--raft-audit-interval", "0", NULL}; /* nothing but clients' entries */

/* ---- asking ------------------------------------------------------------------------------------------------------------- */

static const char *ask(const struct cluster *cluster, size_t at, const char *words) {
    static char reply[REPLY_MAX];
    struct wire *wire = wire_open(cluster->nodes[at].port, harness_scaled_ms(WIRE_MS));
    snprintf(reply, sizeof reply, "%s", wire ? wire_ask(wire, words) : "closed");
    wire_close(wire);
    return reply;
}

/* The leader's reply; again while it is certainly not done, and only for a moment. */
static const char *ask_leader(const struct cluster *cluster, const char *words) {
    static const char *const passing[] = {"-MOVED", "-CLUSTERDOWN", "-LOADING", "try again", "closed"};
    uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS);
    for (;;) {
        const char *reply = ask(cluster, cluster_wait_leader(cluster), words);
        bool passes = false;
        for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
            passes = passes || strstr(reply, passing[i]);
        if (!passes || harness_now_ms() > until)
            return reply;
        harness_sleep_ms(20);
    }
}

static void must_say(const struct cluster *cluster, const char *words, const char *expected) {
    const char *reply = ask_leader(cluster, words);
    if (strcmp(reply, expected) != 0)
        harness_fail("%s: %s, expected %s", words, reply, expected);
}

static uint64_t number_of(const struct cluster *cluster, size_t at, const char *field) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS);
    while (!cluster_info(cluster, at, &info)) {
        if (harness_now_ms() > until)
            harness_fail("node %u does not answer RAFT.INFO", cluster->nodes[at].id);
        harness_sleep_ms(10);
    }
    return info_number(&info, field);
}

static void wait_field(const struct cluster *cluster, size_t at, const char *field, const char *value) {
    cluster_wait_field(cluster, at, field, value, harness_scaled_ms(SETTLE_MS), &info);
}

/* The first `founders` nodes found the cluster and run; the others are to join it. */
static struct cluster *found(size_t founders, size_t count, const char *const *options) {
    static char lines[CLUSTER_NODES_MAX][64], join[64];
    static const char *members[CLUSTER_NODES_MAX + 1];
    static const char *const nobody[] = {NULL}, *const joins[] = {"--raft-join", join, NULL};
    struct cluster *cluster = cluster_prepare(count, options, NULL);
    for (size_t i = 0; i < founders; i++) {
        snprintf(lines[i], sizeof lines[i], "%u 127.0.0.1:%u", cluster->nodes[i].id, cluster->nodes[i].port);
        members[i] = lines[i];
    }
    members[founders] = NULL;
    snprintf(join, sizeof join, "127.0.0.1:%u", cluster->nodes[0].port);
    for (size_t i = 0; i < count; i++) {
        cluster->nodes[i].members = i < founders ? members : nobody;
        cluster->nodes[i].options = i < founders ? NULL : joins;
        if (i < founders)
            cluster_spawn(cluster, i);
    }
    cluster_wait_leader(cluster);
    return cluster;
}

static void take_in(struct cluster *cluster, size_t at) {
    char words[64], voters[16];
    wait_field(cluster, cluster_wait_leader(cluster), "quorum", "ok");
    snprintf(voters, sizeof voters, "%llu", (unsigned long long)info_number(&info, "num_voting_nodes") + 1);
    cluster_spawn(cluster, at);
    snprintf(words, sizeof words, "RAFT.NODE ADD %u 127.0.0.1:%u", cluster->nodes[at].id,
             cluster->nodes[at].port);
    must_say(cluster, words, "+OK");
    wait_field(cluster, at, "num_voting_nodes", voters);
    wait_field(cluster, at, "state", "up");
}

static void remove_node(const struct cluster *cluster, size_t at) {
    char words[64];
    snprintf(words, sizeof words, "RAFT.NODE REMOVE %u", cluster->nodes[at].id);
    must_say(cluster, words, "+OK");
}

/* ---- data --------------------------------------------------------------------------------------------------------------- */

/* The log grows by one entry for each command and for each leadership, whoever starts and applies all of it again. */
static void what_is_applied_is_never_proposed_again(void **state) {
    enum { ADDS = 200 };
    char expected[32];
    (void)state;
    struct cluster *cluster = cluster_new(3, silent);
    size_t leader = cluster_wait_equal(cluster);
    struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
    uint64_t index = number_of(cluster, leader, "last_log_index");
    for (int i = 1; i <= ADDS; i++) {
        snprintf(expected, sizeof expected, ":%d", i);
        assert_string_equal(wire_ask(wire, "INCR counter"), expected);
    }
    wire_close(wire);
    assert_int_equal(number_of(cluster, leader, "last_log_index"), index + ADDS);
    cluster_kill(cluster, (leader + 1) % 3);
    cluster_spawn(cluster, (leader + 1) % 3);
    cluster_wait_equal(cluster);
    assert_int_equal(number_of(cluster, leader, "last_log_index"), index + ADDS);
    uint64_t term = number_of(cluster, leader, "current_term");
    cluster_kill_all(cluster);
    cluster_spawn_all(cluster);
    leader = cluster_wait_equal(cluster);
    uint64_t leaderships = number_of(cluster, leader, "current_term") - term;
    assert_in_range(number_of(cluster, leader, "last_log_index"), index + ADDS + 1,
                    index + ADDS + leaderships);
    snprintf(expected, sizeof expected, "$3 %d", ADDS);
    must_say(cluster, "GET counter", expected);
    cluster_free(cluster);
}

/* Each node in turn leads, having got all it has by log or by snapshot. */
static void after_a_fail_over_all_data_is_there(void **state) {
    static const char *const often[] = {"--raft-checkpoint-entries", "100", NULL};
    enum { KEYS = 1000 };
    char words[64], size[32];
    (void)state;
    struct cluster *cluster = cluster_new(3, often);
    struct wire *wire =
        wire_open(cluster->nodes[cluster_wait_leader(cluster)].port, harness_scaled_ms(WIRE_MS));
    for (int i = 0; i < KEYS; i++) {
        snprintf(words, sizeof words, "SET key:%d value:%d", i, i);
        assert_string_equal(wire_ask(wire, words), "+OK");
    }
    wire_close(wire);
    snprintf(size, sizeof size, ":%d", KEYS);
    for (int round = 0; round < 4; round++) {
        size_t leader = cluster_wait_leader(cluster);
        cluster_kill(cluster, leader);
        must_say(cluster, "DBSIZE", size);
        cluster_spawn(cluster, leader);
        cluster_wait_equal(cluster);
    }
    cluster_free(cluster);
}

/* From the first answer on: what was there is there, on every node, for readers who take what is old too. */
static void no_read_is_empty_after_a_restart(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    must_say(cluster, "SET there yes", "+OK");
    cluster_wait_equal(cluster);
    for (int round = 0; round < 5; round++) {
        size_t answers = 0;
        cluster_kill_all(cluster);
        cluster_spawn_all(cluster);
        for (uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS); answers < 30;) {
            for (size_t at = 0; at < 3; at++) {
                struct wire *wire = wire_open(cluster->nodes[at].port, harness_scaled_ms(WIRE_MS));
                if (wire && answers % 2 == 1)
                    wire_ask(wire, "READONLY");
                const char *reply = wire ? wire_ask(wire, "GET there") : "closed";
                answers += strcmp(reply, "$3 yes") == 0;
                if (reply[0] == '$' && strcmp(reply, "$3 yes") != 0)
                    harness_fail("node %zu after a restart: %s", at + 1, reply);
                wire_close(wire);
            }
            if (harness_now_ms() > until)
                harness_fail("the nodes do not answer after a restart");
        }
    }
    cluster_free(cluster);
}

static void indexes_go_on_behind_a_snapshot(void **state) {
    static const char *const often[] = {"--raft-checkpoint-entries", "100", "--raft-audit-interval", "0",
                                        NULL};
    char expected[32];
    (void)state;
    struct cluster *cluster = cluster_new(3, often);
    size_t leader = cluster_wait_equal(cluster), away = (leader + 1) % 3;
    struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
    cluster_kill(cluster, away);
    uint64_t had = number_of(cluster, leader, "last_log_index"), grown = 0;
    while (number_of(cluster, leader, "log_first_index") <= had + 10) {
        snprintf(expected, sizeof expected, ":%llu", (unsigned long long)++grown);
        assert_string_equal(wire_ask(wire, "APPEND grown x"), expected);
    }
    uint64_t index = number_of(cluster, leader, "last_log_index");
    assert_int_equal(index, had + grown);
    cluster_spawn(cluster, away);
    cluster_wait_equal(cluster);
    assert_true(number_of(cluster, away, "snapshots_received") > 0);
    assert_int_equal(info_number(&info, "last_applied_index"), index);
    assert_int_equal(info_number(&info, "last_log_index"), index);
    snprintf(expected, sizeof expected, ":%llu", (unsigned long long)grown + 1);
    assert_string_equal(wire_ask(wire, "APPEND grown x"), expected);
    cluster_wait_equal(cluster);
    assert_int_equal(number_of(cluster, away, "last_log_index"), index + 1);
    wire_close(wire);
    cluster_free(cluster);
}

/* ---- members ------------------------------------------------------------------------------------------------------------ */

/* Who led which term, as told by the nodes themselves: nobody may contradict. */
struct leaders {
    uint64_t of_term[256];
};

static void note_leaders(const struct cluster *cluster, struct leaders *leaders) {
    for (size_t at = 0; at < cluster->count; at++) {
        if (!cluster_info(cluster, at, &info) || !info_is(&info, "role", "leader"))
            continue;
        uint64_t term = info_number(&info, "current_term") % 256;
        if (leaders->of_term[term] != 0 && leaders->of_term[term] != at + 1)
            harness_fail("nodes %llu and %zu both lead term %llu", (unsigned long long)leaders->of_term[term],
                         at + 1, (unsigned long long)term);
        leaders->of_term[term] = at + 1;
    }
}

/* Two clients, at the same moment, each another node: of five, three remain, and any two of them are a majority. */
static void of_removals_at_once_one_is_made_at_a_time(void **state) {
    struct leaders leaders = {{0}};
    char words[2][64], removed[16];
    (void)state;
    struct cluster *cluster = cluster_new(5, NULL);
    struct load *load = load_start(cluster, "gone", 2, 1000);
    size_t leader = cluster_wait_equal(cluster), victims[2] = {(leader + 1) % 5, (leader + 2) % 5};
    struct wire *wires[2];
    for (int i = 0; i < 2; i++) {
        wires[i] = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
        snprintf(words[i], sizeof words[i], "RAFT.NODE REMOVE %u", cluster->nodes[victims[i]].id);
    }
    for (int i = 0; i < 2; i++)
        assert_true(wire_send_words(wires[i], words[i]));
    const char *replies[2] = {wire_next(wires[0]), wire_next(wires[1])};
    size_t made = 0;
    for (int i = 0; i < 2; i++) {
        bool one = strcmp(replies[i], "+OK") == 0;
        if (!one && !strstr(replies[i], "not committed yet; not executed, try again"))
            harness_fail("two removals at once: %s, %s", replies[0], replies[1]);
        made += one;
    }
    assert_true(made > 0);
    note_leaders(cluster, &leaders);
    for (int i = 0; i < 2; i++) {
        if (strcmp(replies[i], "+OK") != 0)
            must_say(cluster, words[i], "+OK");
        wire_close(wires[i]);
    }
    snprintf(removed, sizeof removed, "%u,%u",
             cluster->nodes[victims[0] < victims[1] ? victims[0] : victims[1]].id,
             cluster->nodes[victims[0] < victims[1] ? victims[1] : victims[0]].id);
    cluster_kill(cluster, leader); /* two of three go on; the removed ones elect nobody */
    for (int i = 0; i < 40; i++, harness_sleep_ms(50))
        note_leaders(cluster, &leaders);
    for (size_t at = 0; at < 5; at++)
        if (at == victims[0] || at == victims[1])
            wait_field(cluster, at, "state", "removed");
        else if (at != leader)
            wait_field(cluster, at, "removed_nodes", removed);
    cluster_spawn(cluster, leader);
    wait_field(cluster, leader, "removed_nodes", removed);
    note_leaders(cluster, &leaders);
    load_stop(load);
    load_must_hold(load, "after two removals at once");
    load_free(load);
    cluster_free(cluster);
}

/* A leader whom nobody hears is told to remove all the others, at once. If each list held as soon as the one before it is in its own log, it
 * would be a majority of one in the end, and the others would elect another. */
static void removals_without_a_majority_make_no_second_leader(void **state) {
    enum { OTHERS = 4, ANSWER_MS = 3000 };
    struct leaders leaders = {{0}};
    struct wire *wires[OTHERS + 1];
    char words[64];
    (void)state;
    struct cluster *cluster = cluster_new(5, NULL);
    size_t leader = cluster_wait_equal(cluster);
    for (size_t i = 0; i <= OTHERS; i++)
        wires[i] = wire_open(cluster->nodes[leader].port, harness_scaled_ms(ANSWER_MS));
    for (size_t i = 1; i <= OTHERS; i++)
        cluster_pause(cluster, (leader + i) % 5, true);
    for (size_t i = 1; i <= OTHERS; i++) {
        snprintf(words, sizeof words, "RAFT.NODE REMOVE %u", cluster->nodes[(leader + i) % 5].id);
        assert_true(wire_send_words(wires[i - 1], words));
    }
    assert_true(wire_send_words(wires[OTHERS], "SET by nobody"));
    for (size_t i = 0; i <= OTHERS; i++) {
        const char *reply = wire_next(wires[i]);
        if (reply[0] == '+')
            harness_fail("%s: from a leader that nobody hears: %s", i < OTHERS ? "a removal" : "a write",
                         reply);
        wire_close(wires[i]);
    }
    note_leaders(cluster, &leaders);
    for (size_t i = 1; i <= OTHERS; i++)
        cluster_pause(cluster, (leader + i) % 5, false);
    for (int i = 0; i < 20; i++, harness_sleep_ms(50))
        note_leaders(cluster, &leaders);
    must_say(cluster, "SET by all", "+OK");
    size_t next = cluster_wait_leader(cluster), voters = number_of(cluster, next, "num_voting_nodes");
    assert_in_range(voters, 4, 5); /* the first removal may have been made now; then the others hold as one */
    for (size_t at = 0; at < 5 && voters == 4; at++) {
        char id[16];
        snprintf(id, sizeof id, "%u", cluster->nodes[at].id);
        if (!cluster_info(cluster, next, &info) || !info_is(&info, "removed_nodes", id))
            continue;
        wait_field(cluster, at, "state", "removed");
        assert_int_equal(cluster_end(cluster, at), 0);
    }
    cluster_wait_equal(cluster);
    cluster_free(cluster);
}

/* The log still begins with the list of the founders: what was said of them later holds from the start on. */
static void removed_members_do_not_come_back_with_an_old_log(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(5, NULL);
    size_t leader = cluster_wait_equal(cluster), gone[2] = {(leader + 1) % 5, (leader + 2) % 5};
    for (int i = 0; i < 2; i++) {
        remove_node(cluster, gone[i]);
        wait_field(cluster, gone[i], "state", "removed");
    }
    must_say(cluster, "SET still here", "+OK");
    cluster_kill_all(cluster);
    for (size_t at = 0; at < 5; at++)
        if (at != gone[0] && at != gone[1] && at != leader)
            cluster_spawn(cluster, at); /* two of three, not two of five */
    leader = cluster_wait_leader(cluster);
    must_say(cluster, "GET still", "$4 here");
    wait_field(cluster, leader, "num_voting_nodes", "3");
    uint64_t term = number_of(cluster, leader, "current_term");
    cluster_spawn_all(cluster);
    for (int i = 0; i < 2; i++)
        wait_field(cluster, gone[i], "state", "removed");
    cluster_wait_leader(cluster);
    assert_int_equal(number_of(cluster, leader, "current_term"), term); /* nobody stood against it */
    cluster_free(cluster);
}

/* 1 and 2 are founders, 3 begins with a snapshot of theirs, 4 with one of 3's. */
static void a_snapshot_of_a_node_that_began_with_one_has_the_members(void **state) {
    static const char *const often[] = {"--raft-checkpoint-entries", "100", NULL};
    (void)state;
    struct cluster *cluster = found(2, 4, often);
    struct load *load = load_start(cluster, "second", 2, 0);
    for (size_t at = 2; at < 4; at++) {
        size_t leader = at == 2 ? cluster_wait_leader(cluster) : 2;
        cluster_make_leader(cluster, leader);
        while (number_of(cluster, leader, "log_first_index") <
               1000) /* no list of members is in the log any more */
            harness_sleep_ms(20);
        take_in(cluster, at);
        assert_true(number_of(cluster, at, "snapshots_received") > 0);
    }
    load_stop(load);
    cluster_kill_all(cluster);
    cluster_spawn_all(cluster);
    cluster_wait_equal(cluster);
    for (size_t at = 0; at < 4; at++) {
        wait_field(cluster, at, "num_voting_nodes", "4");
        wait_field(cluster, at, "num_nodes", "4");
    }
    cluster_make_leader(cluster, 3);
    load_must_hold(load, "with a node leading that began with a snapshot of a snapshot");
    load_free(load);
    cluster_free(cluster);
}

/* Stopped, its kernel still takes connections and bytes; gone, its address answers nothing; back, it finds closed links everywhere. */
static void a_node_is_removed_while_its_link_is_half_open(void **state) {
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct cluster *cluster = cluster_new(3, NULL);
        struct load *load = load_start(cluster, "half", 2, 1000);
        size_t leader = cluster_wait_equal(cluster), victim = (leader + 1) % 3;
        if (how == 0) { /* half open from our side: it never reads */
            cluster_pause(cluster, victim, true);
        } else if (how == 1) { /* it comes back in the midst of it */
            cluster_kill(cluster, victim);
            cluster_spawn(cluster, victim);
        } else { /* strangers hold its links' other ends */
            cluster_kill(cluster, victim);
        }
        remove_node(cluster, victim);
        harness_sleep_ms(how == 0 ? 3 * cluster_election_timeout_ms(cluster) : 300);
        if (how == 0)
            cluster_pause(cluster, victim, false);
        else if (how == 2)
            cluster_spawn(cluster, victim);
        wait_field(cluster, victim, "state", "removed");
        if (load_wait_ack(load, harness_now_us(), harness_scaled_ms(SETTLE_MS)) == 0)
            harness_fail("no write is acknowledged any more");
        load_stop(load);
        load_must_hold(load, "after a removal at a half-open link");
        load_free(load);
        cluster_free(cluster); /* every node ends in order: none has crashed */
    }
}

/* ---- elections ---------------------------------------------------------------------------------------------------------- */

/* Clients that write and read large values as fast as they can; the leader's heartbeats pass between. */
struct heavy {
    pthread_t thread;
    unsigned port;
    atomic_bool *ending;
    uint64_t replies;
};

static void *be_heavy(void *argument) {
    enum { BYTES = 256 * 1024, PIPELINE = 8 };
    struct heavy *heavy = argument;
    struct wire *wire = wire_open(heavy->port, harness_scaled_ms(WIRE_MS));
    char *command = malloc(BYTES + 128);
    const char *bytes;
    size_t length;
    int head =
        snprintf(command, 128, "*3\r\n$3\r\nSET\r\n$9\r\nheavy:%03u\r\n$%d\r\n", heavy->port % 1000, BYTES);
    memset(command + head, 'x', BYTES);
    memcpy(command + head + BYTES, "\r\n", 2);
    while (wire && !atomic_load(heavy->ending)) {
        for (int i = 0; i < PIPELINE; i++)
            wire_send(wire, command, (size_t)head + BYTES + 2);
        for (int i = 0; i < PIPELINE; i++)
            heavy->replies += wire_read(wire, &bytes, &length) == WIRE_OK && bytes[0] == '+';
    }
    wire_close(wire);
    free(command);
    return NULL;
}

static void heavy_traffic_of_clients_costs_no_election(void **state) {
    enum { CLIENTS = 6, SECONDS = 4 };
    struct heavy heavies[CLIENTS];
    atomic_bool ending = false;
    uint64_t replies = 0;
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    size_t leader = cluster_wait_equal(cluster);
    uint64_t term = number_of(cluster, leader, "current_term");
    for (size_t i = 0; i < CLIENTS; i++) {
        heavies[i] = (struct heavy){.port = cluster->nodes[leader].port, .ending = &ending};
        assert_int_equal(pthread_create(&heavies[i].thread, NULL, be_heavy, &heavies[i]), 0);
    }
    harness_sleep_ms(SECONDS * 1000);
    atomic_store(&ending, true);
    for (size_t i = 0; i < CLIENTS; i++) {
        pthread_join(heavies[i].thread, NULL);
        replies += heavies[i].replies;
    }
    harness_say("%llu values of 256 KB in %d s", (unsigned long long)replies, SECONDS);
    assert_true(replies > 0);
    assert_int_equal(cluster_wait_equal(cluster), leader);
    assert_int_equal(number_of(cluster, leader, "current_term"), term);
    cluster_free(cluster);
}

/* Alone it elects nobody and learns nothing: what it says then is what its disk kept. */
static void term_and_vote_survive_a_crash(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    for (int round = 0; round < 4; round++) {
        uint64_t terms[3], votes[3];
        cluster_kill(cluster, cluster_wait_leader(cluster));
        cluster_wait_leader(cluster); /* votes were given a moment ago */
        for (size_t at = 0; at < 3; at++) {
            if (cluster->nodes[at].pid == 0) {
                terms[at] = votes[at] = 0;
                continue;
            }
            terms[at] = number_of(cluster, at, "current_term");
            votes[at] = info_number(&info, "voted_for");
            assert_true(terms[at] > (uint64_t)round);
        }
        cluster_kill_all(cluster);
        for (size_t at = 0; at < 3; at++) {
            cluster_spawn(cluster, at);
            uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS);
            while (number_of(cluster, at, "last_log_index") == 0 && harness_now_ms() < until)
                harness_sleep_ms(10); /* it answers before it has looked at its disk */
            uint64_t term = info_number(&info, "current_term");
            if (term < terms[at] || (term == terms[at] && info_number(&info, "voted_for") != votes[at]))
                harness_fail("node %zu had term %llu and vote %llu, and has after a crash\n%s", at + 1,
                             (unsigned long long)terms[at], (unsigned long long)votes[at], info.text);
            if (term > terms[at] && terms[at] > 0)
                harness_fail("node %zu alone has come from term %llu to %llu", at + 1,
                             (unsigned long long)terms[at], (unsigned long long)term);
            cluster_kill(cluster, at);
        }
        cluster_spawn_all(cluster);
        cluster_wait_equal(cluster);
    }
    cluster_free(cluster);
}

/* ---- replies ------------------------------------------------------------------------------------------------------------ */

struct teller {
    pthread_t thread;
    const struct cluster *cluster;
    atomic_bool *ending;
    unsigned number;
    uint64_t replies;
    char wrong[128];
};

/* Of one pipeline: a GETSET tells what this client wrote before, or nothing; an ECHO what was just said. False: no more will come. */
static bool hear(struct teller *teller, struct wire *wire, unsigned round, int i) {
    char expected[64];
    const char *reply = wire_next(wire), *text = strchr(reply, ' ');
    snprintf(expected, sizeof expected, "%u.%u.%d", teller->number, round, i);
    if (strcmp(reply, "closed") == 0 || strcmp(reply, "timeout") == 0)
        return false;
    if (i % 2 == 0 && reply[0] == '-')
        return true;
    bool value = reply[0] == '$' && text;
    bool own = i % 2 ? value && strcmp(text + 1, expected) == 0
                     : strcmp(reply, "$-1") == 0 || (value && strtoul(text, NULL, 10) == teller->number);
    if (!own)
        snprintf(teller->wrong, sizeof teller->wrong, "%.50s in place of %.50s", reply, expected);
    teller->replies += own && value;
    return own;
}

static void *tell_own(void *argument) {
    enum { PIPELINE = 8, IMPATIENT_MS = 500 };
    struct teller *teller = argument;
    char words[64];
    for (unsigned round = 0; !atomic_load(teller->ending) && !teller->wrong[0];) {
        const struct node *node = &teller->cluster->nodes[(teller->number + round) % teller->cluster->count];
        struct wire *wire = wire_open(node->port, IMPATIENT_MS);
        bool open = wire != NULL;
        for (int pipeline = 0; open && pipeline < 50 && !atomic_load(teller->ending); pipeline++) {
            round++;
            for (int i = 0; i < PIPELINE && open; i++) {
                if (i % 2)
                    snprintf(words, sizeof words, "ECHO %u.%u.%d", teller->number, round, i);
                else
                    snprintf(words, sizeof words, "GETSET own:%u %u.%u.%d", teller->number, teller->number,
                             round, i);
                open = wire_send_words(wire, words);
            }
            for (int i = 0; i < PIPELINE && open; i++)
                open = hear(teller, wire, round, i);
        }
        wire_close(wire);
        round++;
        harness_sleep_ms(5);
    }
    return NULL;
}

static void every_client_gets_its_own_replies_across_fail_overs(void **state) {
    enum { TELLERS = 12 };
    static struct teller tellers[TELLERS];
    atomic_bool ending = false;
    uint64_t replies = 0;
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    for (unsigned i = 0; i < TELLERS; i++) {
        tellers[i] = (struct teller){.cluster = cluster, .ending = &ending, .number = i};
        assert_int_equal(pthread_create(&tellers[i].thread, NULL, tell_own, &tellers[i]), 0);
    }
    for (int round = 0; round < 3; round++) {
        size_t leader = cluster_wait_leader(cluster);
        harness_sleep_ms(300);
        if (round == 1)
            cluster_pause(cluster, leader, true);
        else
            cluster_kill(cluster, leader);
        cluster_wait_other_leader(cluster, leader);
        harness_sleep_ms(200);
        if (round == 1)
            cluster_pause(cluster, leader, false);
        else
            cluster_spawn(cluster, leader);
    }
    atomic_store(&ending, true);
    for (unsigned i = 0; i < TELLERS; i++) {
        pthread_join(tellers[i].thread, NULL);
        replies += tellers[i].replies;
    }
    for (unsigned i = 0; i < TELLERS; i++)
        if (tellers[i].wrong[0])
            harness_fail("client %u got %s", i, tellers[i].wrong);
    assert_true(replies > 100 * TELLERS);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_is_applied_is_never_proposed_again, load_teardown),
        cmocka_unit_test_teardown(after_a_fail_over_all_data_is_there, load_teardown),
        cmocka_unit_test_teardown(no_read_is_empty_after_a_restart, load_teardown),
        cmocka_unit_test_teardown(indexes_go_on_behind_a_snapshot, load_teardown),
        cmocka_unit_test_teardown(of_removals_at_once_one_is_made_at_a_time, load_teardown),
        cmocka_unit_test_teardown(removals_without_a_majority_make_no_second_leader, load_teardown),
        cmocka_unit_test_teardown(removed_members_do_not_come_back_with_an_old_log, load_teardown),
        cmocka_unit_test_teardown(a_snapshot_of_a_node_that_began_with_one_has_the_members, load_teardown),
        cmocka_unit_test_teardown(a_node_is_removed_while_its_link_is_half_open, load_teardown),
        cmocka_unit_test_teardown(heavy_traffic_of_clients_costs_no_election, load_teardown),
        cmocka_unit_test_teardown(term_and_vote_survive_a_crash, load_teardown),
        cmocka_unit_test_teardown(every_client_gets_its_own_replies_across_fail_overs, load_teardown),
    };
    return cmocka_run_group_tests_name("known breaks", tests, NULL, NULL);
}
