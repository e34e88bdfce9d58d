/* SPDX-License-Identifier: MIT */
/*
 * Members come and go while clients write: nodes are added, removed (the leader too), replaced when their disk is lost, moved to another
 * address. Nothing acknowledged is lost, who is removed says so and disturbs nobody, and what would lose the quorum is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/load.h"
#include "harness/wire.h"

enum {
    WRITERS = 4,
    WRITE_PAUSE_US = 1000,
    STEADY_MS = 500,
    SETTLE_MS = 20000,
    WIRE_MS = 10000,
    REPLY_MAX = 4096,
};

static struct info info;

/* ---- clusters that grow ---------------------------------------------------------------------------------------- */

/* The first `founders` nodes found the cluster, the others join it; nothing runs. */
static struct cluster *prepare(size_t founders, size_t count, const char *const *options) {
    static char lines[CLUSTER_NODES_MAX][64], join[64];
    static const char *members[CLUSTER_NODES_MAX + 1];
    static const char *const nobody[] = {NULL};
    static const char *const joins[] = {"--raft-join", join, NULL};
    struct cluster *cluster = cluster_prepare(count, options, NULL);
    for (size_t i = 0; i < founders; i++) {
        snprintf(lines[i], sizeof(lines[i]), "%u 127.0.0.1:%u", cluster->nodes[i].id, cluster->nodes[i].port);
        members[i] = lines[i];
    }
    members[founders] = NULL;
    snprintf(join, sizeof(join), "127.0.0.1:%u", cluster->nodes[0].port);
    for (size_t i = 0; i < count; i++) {
        cluster->nodes[i].members = i < founders ? members : nobody;
        cluster->nodes[i].options = i < founders ? NULL : joins;
    }
    return cluster;
}

static struct cluster *found(size_t founders, size_t count, const char *const *options) {
    struct cluster *cluster = prepare(founders, count, options);
    for (size_t i = 0; i < founders; i++)
        cluster_spawn(cluster, i);
    cluster_wait_leader(cluster);
    return cluster;
}

/* ---- questions ------------------------------------------------------------------------------------------------- */

/* One node's reply. Holds until the next call. */
static const char *ask(const struct cluster *cluster, size_t at, const char *words) {
    static char reply[REPLY_MAX];
    struct wire *wire = wire_open(cluster->nodes[at].port, harness_scaled_ms(WIRE_MS));
    snprintf(reply, sizeof(reply), "%s", wire == NULL ? "closed" : wire_ask(wire, words));
    wire_close(wire);
    return reply;
}

/* Definitely not done, and for a moment only. */
static bool passes(const char *reply) {
    static const char *const words[] = {"-MOVED", "-CLUSTERDOWN", "-LOADING", "try again", "handed over"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strstr(reply, words[i]) != NULL)
            return true;
    return false;
}

/* The leader's reply. */
static const char *ask_leader(const struct cluster *cluster, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static const char *ask_leader(const struct cluster *cluster, const char *format, ...) {
    char words[256];
    va_list args;
    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS);
    const char *reply;
    while (passes(reply = ask(cluster, cluster_wait_leader(cluster), words)) && harness_now_ms() < until)
        harness_sleep_ms(20);
    return reply;
}

static void add(const struct cluster *cluster, size_t at) {
    assert_string_equal(
        ask_leader(cluster, "RAFT.NODE ADD %u 127.0.0.1:%u", cluster->nodes[at].id, cluster->nodes[at].port),
        "+OK");
}

static void remove_node(const struct cluster *cluster, size_t at) {
    assert_string_equal(ask_leader(cluster, "RAFT.NODE REMOVE %u", cluster->nodes[at].id), "+OK");
}

static void assert_says(const char *reply, const char *text) {
    if (strstr(reply, text) == NULL)
        harness_fail("%s does not say: %s", reply, text);
}

static void wait_field(const struct cluster *cluster, size_t at, const char *field, const char *value) {
    cluster_wait_field(cluster, at, field, value, harness_scaled_ms(SETTLE_MS), &info);
}

/* A node's line about a member has this in it. */
static void wait_line(const struct cluster *cluster, size_t at, unsigned id, const char *text) {
    char field[32], line[1024] = "";
    snprintf(field, sizeof(field), "node%u", id);
    uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS);
    while (!cluster_info(cluster, at, &info) || !info_text(&info, field, line, sizeof(line)) ||
           strstr(line, text) == NULL) {
        if (harness_now_ms() > until)
            harness_fail("node %u never said %s of node %u, but: %s", cluster->nodes[at].id, text, id, line);
        harness_sleep_ms(10);
    }
}

static uint64_t number_of(const struct cluster *cluster, size_t at, const char *field) {
    if (!cluster_info(cluster, at, &info))
        harness_fail("node %u does not answer RAFT.INFO", cluster->nodes[at].id);
    return info_number(&info, field);
}

static void wait_votes(const struct cluster *cluster, size_t at) {
    wait_field(cluster, at, "state", "up");
    wait_line(cluster, at, cluster->nodes[at].id, "voting=yes");
}

static void wait_list(const struct cluster *cluster, size_t at, const char *text) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS);
    while (strstr(ask(cluster, at, "RAFT.NODE LIST"), text) == NULL)
        if (harness_now_ms() > until)
            harness_fail("node %zu has not heard of %s: %s", at + 1, text,
                         ask(cluster, at, "RAFT.NODE LIST"));
}

static void must_be_written(struct load *load) {
    if (load_wait_ack(load, harness_now_us(), harness_scaled_ms(SETTLE_MS)) == 0)
        harness_fail("no write is acknowledged any more");
}

static void wipe(const struct cluster *cluster, size_t at) {
    directory_remove(cluster->nodes[at].dir);
    assert_int_equal(mkdir(cluster->nodes[at].dir, 0755), 0);
}

/* ---- coming -------------------------------------------------------------------------------------------------- */

static void a_node_is_taken_in_under_load_and_votes(void **state) {
    (void)state;
    struct cluster *cluster = found(3, 4, NULL);
    struct load *load = load_start(cluster, "grow", WRITERS, WRITE_PAUSE_US);
    harness_sleep_ms(STEADY_MS);
    cluster_spawn(cluster, 3);
    wait_field(cluster, 3, "state", "joining");
    assert_true(cluster_wait_said(cluster, 3, "RAFT.NODE ADD 4", harness_scaled_ms(SETTLE_MS)));
    assert_says(ask(cluster, 3, "SET a 1"), "-CLUSTERDOWN this node is new and not taken in yet");
    wait_field(cluster, 0, "num_nodes", "3");
    add(cluster, 3);
    wait_votes(cluster, 3);
    for (size_t at = 0; at < cluster->count; at++) {
        wait_field(cluster, at, "num_voting_nodes", "4");
        wait_line(cluster, at, 4, at == 3 ? "link=self" : "link=up");
    }
    must_be_written(load);
    cluster_kill(cluster,
                 cluster_wait_leader(cluster)); /* three of four are a majority: the new one is among them */
    must_be_written(load);
    cluster_kill_all(cluster);
    cluster->nodes[3].options = NULL; /* once taken in it needs no raft-join */
    cluster_spawn_all(cluster);
    cluster_wait_equal(cluster);
    wait_field(cluster, 3, "num_voting_nodes", "4");
    assert_false(cluster_said(cluster, 3, "raft-node 4 is not a member")); /* its own line */
    must_be_written(load);
    load_stop(load);
    cluster_make_leader(cluster, 3);
    load_must_hold(load, "with the new node leading");
    load_free(load);
    cluster_free(cluster);
}

static void a_single_node_becomes_three(void **state) {
    (void)state;
    struct cluster *cluster = found(1, 3, NULL);
    struct load *load = load_start(cluster, "one", WRITERS, WRITE_PAUSE_US);
    for (size_t at = 1; at < 3; at++) {
        cluster_spawn(cluster, at);
        add(cluster, at);
        wait_votes(cluster, at);
    }
    must_be_written(load);
    cluster_kill(cluster, 0);
    cluster_wait_leader(cluster);
    must_be_written(load);
    cluster_spawn(cluster, 0);
    cluster_wait_equal(cluster);
    load_stop(load);
    load_must_hold(load, "after the first node was killed");
    load_free(load);
    cluster_free(cluster);
}

static void a_new_node_gets_the_state_where_the_log_was_cut(void **state) {
    static const char *const often[] = {"--raft-checkpoint-log-size", "32kb", NULL};
    (void)state;
    struct cluster *cluster = found(3, 4, often);
    struct load *load = load_start(cluster, "cut", WRITERS, WRITE_PAUSE_US);
    size_t leader = cluster_wait_leader(cluster);
    uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS);
    while (number_of(cluster, leader, "last_saved_index") < info_number(&info, "log_entries") + 100)
        if (harness_now_ms() > until)
            harness_fail("the log is never cut");
    cluster_spawn(cluster, 3);
    add(cluster, 3);
    wait_votes(cluster, 3);
    assert_true(cluster_said(cluster, 3, "the snapshot of"));
    wait_field(cluster, 3, "num_voting_nodes", "4");
    for (uint64_t index = number_of(cluster, 0, "last_log_index");
         number_of(cluster, 0, "checkpoint_index") < index + 1500;)
        must_be_written(load); /* until the log before holds no list any more */
    load_stop(load);
    for (size_t at = 0; at < 4; at += 3) {
        cluster_kill(cluster, at);
        cluster_spawn(cluster, at); /* now the list is in its checkpoint */
        cluster_wait_equal(cluster);
        wait_field(cluster, at, "num_voting_nodes", "4");
    }
    cluster_make_leader(cluster, 3);
    load_must_hold(load, "with a node leading that began with a snapshot");
    load_free(load);
    cluster_free(cluster);
}

static void a_join_that_never_comes_counts_for_nothing(void **state) {
    (void)state;
    struct cluster *cluster = found(3, 3, NULL);
    struct load *load = load_start(cluster, "never", WRITERS, WRITE_PAUSE_US);
    unsigned nowhere = cluster_free_port();
    assert_string_equal(ask_leader(cluster, "RAFT.NODE ADD 9 127.0.0.1:%u", nowhere), "+OK");
    for (size_t at = 0; at < cluster->count; at++) {
        wait_line(cluster, at, 9, "voting=no");
        wait_field(cluster, at, "num_voting_nodes", "3");
    }
    size_t leader = cluster_wait_leader(cluster);
    cluster_kill(cluster, leader); /* two of three, not two of four */
    must_be_written(load);
    cluster_spawn(cluster, leader);
    cluster_wait_equal(cluster);
    assert_string_equal(ask_leader(cluster, "RAFT.NODE REMOVE 9"), "+OK");
    wait_field(cluster, 0, "removed_nodes", "9");
    assert_says(ask_leader(cluster, "RAFT.NODE ADD 9 127.0.0.1:%u", nowhere), "ids are not used again");
    load_stop(load);
    load_must_hold(load, "after a join that never came");
    load_free(load);
    cluster_free(cluster);
}

/* ---- going --------------------------------------------------------------------------------------------------- */

static void a_removed_node_says_so_and_disturbs_nobody(void **state) {
    (void)state;
    struct cluster *cluster = found(3, 3, NULL);
    struct load *load = load_start(cluster, "gone", WRITERS, WRITE_PAUSE_US);
    harness_sleep_ms(STEADY_MS);
    size_t leader = cluster_wait_equal(cluster), victim = (leader + 1) % 3, other = (leader + 2) % 3;
    char id[16];
    snprintf(id, sizeof(id), "%u", cluster->nodes[victim].id);
    remove_node(cluster, victim);
    wait_field(cluster, victim, "state", "removed");
    assert_true(cluster_said(cluster, victim, "removed from the cluster"));
    assert_says(ask(cluster, victim, "SET a 1"), "-CLUSTERDOWN node");
    assert_says(ask(cluster, victim, "GET a"), "was removed from the cluster");
    assert_string_equal(ask(cluster, victim, "PING"), "+PONG");
    assert_says(ask(cluster, victim, "RAFT.NODE REMOVE 1"), "was removed from the cluster");
    for (size_t at = 0; at < 3; at++)
        wait_field(cluster, at, "removed_nodes", id);
    wait_field(cluster, leader, "num_nodes", "2");
    wait_field(cluster, leader, "health", "ok");
    char text[64];
    snprintf(text, sizeof(text), "no links with node %s any more", id);
    assert_true(cluster_wait_said(cluster, leader, text, harness_scaled_ms(SETTLE_MS)));
    assert_true(cluster_wait_said(cluster, other, text, harness_scaled_ms(SETTLE_MS)));
    uint64_t term = number_of(cluster, leader, "current_term");
    cluster_kill(cluster, victim);
    cluster_spawn(cluster, victim); /* it asks again, and is told again */
    wait_field(cluster, victim, "state", "removed");
    harness_sleep_ms(2 * cluster_election_timeout_ms(cluster));
    assert_int_equal(number_of(cluster, leader, "current_term"), term);
    assert_int_equal(number_of(cluster, other, "current_term"), term);
    must_be_written(load);
    load_stop(load);
    cluster_end(cluster, victim);
    load_must_hold(load, "after a node was removed");
    load_free(load);
    cluster_free(cluster);
}

static void who_was_down_when_it_was_removed_is_told_when_it_comes_back(void **state) {
    (void)state;
    struct cluster *cluster = found(3, 5, NULL);
    cluster_wait_equal(cluster);
    cluster_kill(cluster, 2);
    cluster_spawn(cluster, 3); /* and by then it knows none of those who decide */
    add(cluster, 3);
    wait_votes(cluster, 3);
    cluster_spawn(cluster, 4);
    add(cluster, 4);
    wait_votes(cluster, 4);
    remove_node(cluster, 2);
    uint64_t term = number_of(cluster, cluster_wait_leader(cluster), "current_term");
    cluster_spawn(cluster, 2);
    wait_field(cluster, 2, "state", "removed");
    assert_int_equal(number_of(cluster, cluster_wait_leader(cluster), "current_term"), term);
    cluster_free(cluster);
}

/* All founders are replaced while one of them sleeps: it must follow nodes that it has never heard of. */
static void a_node_that_was_away_follows_members_it_does_not_know(void **state) {
    (void)state;
    struct cluster *cluster = found(3, 5, NULL);
    cluster_wait_equal(cluster);
    cluster_kill(cluster, 2);
    for (size_t at = 3; at < 5; at++) {
        cluster_spawn(cluster, at);
        add(cluster, at);
        wait_votes(cluster, at);
    }
    for (size_t at = 0; at < 2; at++) {
        remove_node(cluster, at);
        cluster_kill(cluster, at);
        cluster_wait_leader(cluster);
        wait_field(cluster, 3, "removed_nodes", at == 0 ? "1" : "1,2");
    }
    assert_string_equal(ask_leader(cluster, "SET seen yes"), "+OK");
    cluster_spawn(cluster, 2);
    cluster_wait_equal(cluster);
    wait_votes(cluster, 2);
    wait_field(cluster, 2, "removed_nodes", "1,2");
    assert_string_equal(ask_leader(cluster, "GET seen"), "$3 yes");
    cluster_free(cluster);
}

static void the_leader_can_be_removed(void **state) {
    (void)state;
    struct cluster *cluster = found(3, 3, NULL);
    struct load *load = load_start(cluster, "head", WRITERS, WRITE_PAUSE_US);
    harness_sleep_ms(STEADY_MS);
    size_t leader = cluster_wait_equal(cluster);
    remove_node(cluster, leader);
    wait_field(cluster, leader, "state", "removed");
    size_t next = cluster_wait_other_leader(cluster, leader);
    must_be_written(load);
    struct load_totals totals;
    load_totals(load, &totals);
    harness_say("the leader was removed: longest pause %llu ms, %llu in doubt",
                (unsigned long long)totals.longest_pause_us / 1000, (unsigned long long)totals.unknown);
    wait_field(cluster, next, "num_voting_nodes", "2");
    load_stop(load);
    cluster_end(cluster, leader);
    load_must_hold(load, "after the leader was removed");
    load_free(load);
    cluster_free(cluster);
}

static void a_removal_that_would_lose_the_quorum_is_refused(void **state) {
    (void)state;
    struct cluster *cluster = found(3, 3, NULL);
    size_t leader = cluster_wait_equal(cluster), dead = (leader + 1) % 3, alive = (leader + 2) % 3;
    char text[64];
    cluster_kill(cluster, dead);
    harness_sleep_ms(2 * cluster_election_timeout_ms(cluster));
    snprintf(text, sizeof(text), "silent: %u", cluster->nodes[dead].id);
    const char *reply = ask_leader(cluster, "RAFT.NODE REMOVE %u", cluster->nodes[alive].id);
    assert_says(reply, "the quorum would be lost");
    assert_says(reply, text);
    wait_field(cluster, leader, "num_voting_nodes", "3");
    remove_node(cluster, dead);
    remove_node(cluster, alive);
    assert_says(ask_leader(cluster, "RAFT.NODE REMOVE %u", cluster->nodes[leader].id), "the last voter");
    assert_string_equal(ask_leader(cluster, "SET still here"), "+OK");
    cluster_free(cluster);
}

/* ---- replaced ------------------------------------------------------------------------------------------------ */

static void a_wiped_node_is_refused_until_it_is_removed_and_added_anew(void **state) {
    (void)state;
    struct cluster *cluster = found(3, 3, NULL);
    struct load *load = load_start(cluster, "wipe", WRITERS, WRITE_PAUSE_US);
    harness_sleep_ms(STEADY_MS);
    size_t leader = cluster_wait_equal(cluster), victim = (leader + 1) % 3;
    unsigned id = cluster->nodes[victim].id;
    cluster_kill(cluster, victim);
    wipe(cluster, victim);
    cluster_spawn(cluster, victim);
    assert_true(
        cluster_wait_said(cluster, leader, "its data directory is new", harness_scaled_ms(SETTLE_MS)));
    assert_true(
        cluster_wait_said(cluster, victim, "its data directory is new", harness_scaled_ms(SETTLE_MS)));
    wait_line(cluster, leader, id, "link=down");
    wait_field(cluster, victim, "state", "joining");
    remove_node(cluster, victim);
    assert_says(ask_leader(cluster, "RAFT.NODE ADD %u 127.0.0.1:%u", id, cluster->nodes[victim].port),
                "ids are not used again");
    assert_true(cluster_wait_said(cluster, victim, "was removed from the cluster, and ids are not used again",
                                  harness_scaled_ms(SETTLE_MS)));
    cluster_kill(cluster, victim);
    wipe(cluster, victim);
    static char join[64];
    static const char *const joins[] = {"--raft-join", join, NULL}, *const nobody[] = {NULL};
    snprintf(join, sizeof(join), "127.0.0.1:%u", cluster->nodes[leader].port);
    cluster->nodes[victim].id = 4;
    cluster->nodes[victim].options = joins;
    cluster->nodes[victim].members = nobody;
    cluster_spawn(cluster, victim);
    add(cluster, victim);
    wait_votes(cluster, victim);
    must_be_written(load);
    load_stop(load);
    cluster_wait_equal(cluster);
    cluster_make_leader(cluster, victim);
    load_must_hold(load, "with the replacement leading");
    load_free(load);
    cluster_free(cluster);
}

/* A learner that comes back without its disk before it was ever promoted is another one, too. */
static void a_joined_node_that_was_wiped_is_refused(void **state) {
    (void)state;
    struct cluster *cluster = found(1, 2, NULL);
    cluster_spawn(cluster, 1);
    add(cluster, 1);
    wait_votes(cluster, 1);
    assert_string_equal(ask_leader(cluster, "SET a 1"), "+OK");
    cluster_kill(cluster, 1);
    wipe(cluster, 1);
    cluster_spawn(cluster, 1); /* with its raft-join: it asks, as a new node would */
    assert_true(cluster_wait_said(cluster, 1, "its data directory is new", harness_scaled_ms(SETTLE_MS)));
    harness_sleep_ms(STEADY_MS);
    wait_field(cluster, 1, "state", "joining");
    cluster_free(cluster);
}

/* ---- moved --------------------------------------------------------------------------------------------------- */

static void an_address_that_a_member_announces_is_taken_up(void **state) {
    static char lines[3][64];
    static const char *moved[4];
    (void)state;
    struct cluster *cluster = found(3, 3, NULL);
    struct load *load = load_start(cluster, "move", WRITERS, WRITE_PAUSE_US);
    size_t leader = cluster_wait_equal(cluster), mover = (leader + 1) % 3;
    unsigned id = cluster->nodes[mover].id;
    char text[64];
    cluster_kill(cluster, mover);
    cluster->nodes[mover].port = cluster_free_port();
    for (size_t i = 0; i < 3; i++) {
        snprintf(lines[i], sizeof(lines[i]), "%u 127.0.0.1:%u", cluster->nodes[i].id, cluster->nodes[i].port);
        moved[i] = lines[i];
    }
    cluster->nodes[mover].members = moved; /* the others' files still say where it was */
    cluster_spawn(cluster, mover);
    cluster_wait_equal(cluster);
    snprintf(text, sizeof(text), "127.0.0.1:%u", cluster->nodes[mover].port);
    for (size_t at = 0; at < 3; at++)
        wait_list(cluster, at, text);
    cluster_kill_all(cluster);
    cluster_spawn_all(cluster);
    cluster_wait_equal(cluster);
    for (size_t at = 0; at < 3; at++)
        if (at != mover)
            wait_line(cluster, at, id, "link=up");
    load_stop(load);
    load_must_hold(load, "after a member moved");
    load_free(load);
    cluster_free(cluster);
}

/* Each knows from its own file only where it is itself; where the other is, its file says wrongly, and the list says it. */
static void two_that_moved_find_each_other_by_the_list(void **state) {
    static char lines[2][3][64];
    static const char *moved[2][4];
    (void)state;
    struct cluster *cluster = found(3, 3, NULL);
    cluster_wait_equal(cluster);
    for (size_t mover = 0; mover < 2; mover++)
        for (size_t i = 0; i < 3; i++)
            snprintf(lines[mover][i], sizeof(lines[mover][i]), "%u 127.0.0.1:%u", cluster->nodes[i].id,
                     cluster->nodes[i].port);
    for (size_t mover = 0; mover < 2; mover++) {
        cluster_kill(cluster, mover);
        cluster->nodes[mover].port = cluster_free_port();
        snprintf(lines[mover][mover], sizeof(lines[mover][mover]), "%zu 127.0.0.1:%u", mover + 1,
                 cluster->nodes[mover].port);
        for (size_t i = 0; i < 3; i++)
            moved[mover][i] = lines[mover][i];
        cluster->nodes[mover].members = moved[mover];
        cluster_spawn(cluster, mover);
        cluster_wait_equal(cluster);
        char text[64];
        snprintf(text, sizeof(text), "127.0.0.1:%u", cluster->nodes[mover].port);
        for (size_t at = 0; at < 3; at++)
            wait_list(cluster, at, text);
    }
    cluster_wait_equal(cluster);
    cluster_kill_all(cluster);
    cluster_spawn_all(cluster);
    wait_line(cluster, 0, 2, "link=up");
    wait_line(cluster, 1, 1, "link=up");
    cluster_free(cluster);
}

/* Nobody is where the list says: then the raft-node lines help. */
static void a_cluster_that_moved_as_a_whole_finds_itself_by_its_raft_node_lines(void **state) {
    (void)state;
    struct cluster *cluster = found(3, 3, NULL);
    assert_string_equal(ask_leader(cluster, "SET a 1"), "+OK");
    cluster_wait_equal(cluster);
    cluster_kill_all(cluster);
    for (size_t i = 0; i < 3; i++) {
        cluster->nodes[i].port = cluster_free_port();
        cluster->nodes[i].members = NULL; /* the harness writes lines with the new ports */
    }
    cluster_spawn_all(cluster);
    cluster_wait_equal(cluster);
    assert_string_equal(ask_leader(cluster, "GET a"), "$1 1");
    for (size_t at = 0; at < 3; at++)
        for (size_t other = 0; other < 3; other++) {
            char text[64];
            snprintf(text, sizeof(text), "127.0.0.1:%u", cluster->nodes[other].port);
            wait_list(cluster, at, text);
        }
    cluster_free(cluster);
}

static void raft_node_set_says_where_a_member_will_be(void **state) {
    static char line[64];
    static const char *own[4];
    (void)state;
    struct cluster *cluster = found(3, 3, NULL);
    size_t leader = cluster_wait_equal(cluster), mover = (leader + 1) % 3;
    unsigned id = cluster->nodes[mover].id, port = cluster_free_port();
    assert_says(ask_leader(cluster, "RAFT.NODE SET %u 127.0.0.1:%u", id, port), "says of itself");
    assert_says(ask_leader(cluster, "RAFT.NODE SET %u 127.0.0.1:%u", id, cluster->nodes[leader].port),
                "is the address of node");
    assert_says(ask_leader(cluster, "RAFT.NODE SET 8 127.0.0.1:%u", port), "there is no node 8");
    cluster_kill(cluster, mover);
    cluster->nodes[mover].port = port;
    uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS);
    const char *reply;
    while (strcmp(reply = ask_leader(cluster, "RAFT.NODE SET %u 127.0.0.1:%u", id, port), "+OK") != 0)
        if (harness_now_ms() > until)
            harness_fail("not set: %s", reply);
    snprintf(line, sizeof(line), "%u 127.0.0.1:%u", id, port);
    own[0] = line;
    char others[2][64];
    for (size_t i = 0, at = 1; i < 3; i++)
        if (i != mover) {
            snprintf(others[at - 1], sizeof(others[0]), "%u 127.0.0.1:%u", cluster->nodes[i].id,
                     cluster->nodes[i].port);
            own[at] = others[at - 1];
            at++;
        }
    cluster->nodes[mover].members = own;
    cluster_spawn(cluster, mover);
    cluster_wait_equal(cluster);
    wait_line(cluster, cluster_wait_leader(cluster), id, "link=up");
    cluster_free(cluster);
}

/* ---- words --------------------------------------------------------------------------------------------------- */

static void changes_are_asked_of_the_leader_and_the_list_of_anybody(void **state) {
    static const struct {
        const char *words, *reply;
    } rows[] = {
        {"RAFT.NODE ADD 4", "-ERR wrong number of arguments"},
        {"RAFT.NODE ADD 0 127.0.0.1:7", "-ERR a node's id is a positive integer"},
        {"RAFT.NODE ADD x 127.0.0.1:7", "-ERR a node's id is a positive integer"},
        {"RAFT.NODE ADD 4 nowhere", "-ERR a node's address must be"},
        {"RAFT.NODE ADD 4 127.0.0.1:0", "-ERR a node's address must be"},
        {"RAFT.NODE ADD 4 10.1.2.3:7000", "-ERR 10.1.2.3 is not on this machine: raft-secret-file is needed"},
        {"RAFT.NODE ADD 2 127.0.0.1:7", "-ERR node 2 is a member, or was one"},
        {"RAFT.NODE REMOVE 77", "-ERR there is no node 77"},
        {"RAFT.NODE LOSE 1", "-ERR unknown subcommand"},
    };
    (void)state;
    struct cluster *cluster = found(3, 3, NULL);
    size_t leader = cluster_wait_equal(cluster);
    char moved[64];
    snprintf(moved, sizeof(moved), "-MOVED 0 127.0.0.1:%u", cluster->nodes[leader].port);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_says(ask(cluster, leader, rows[i].words), rows[i].reply);
    for (size_t at = 0; at < 3; at++) {
        assert_says(ask(cluster, at, "RAFT.NODE LIST"), "$4 kind $5 voter $7 address");
        assert_int_equal(strncmp(ask(cluster, at, "RAFT.NODE LIST"), "*3 ", 3), 0);
        if (at == leader)
            continue;
        assert_string_equal(ask(cluster, at, "RAFT.NODE ADD 4 127.0.0.1:7"), moved);
        assert_string_equal(ask(cluster, at, "RAFT.NODE REMOVE 1"), moved);
        assert_string_equal(ask(cluster, at, "RAFT.NODE SET 1 127.0.0.1:7"), moved);
    }
    cluster_free(cluster);
}

/* The leader alone in the log, with nobody to confirm it. */
static void a_change_that_nobody_confirms_is_in_doubt(void **state) {
    static const char *const soon[] = {"--raft-outcome-timeout", "300", "--raft-election-timeout", "5000",
                                       NULL};
    (void)state;
    struct cluster *cluster = found(3, 3, soon);
    size_t leader = cluster_wait_equal(cluster);
    for (size_t at = 0; at < 3; at++)
        if (at != leader)
            cluster_pause(cluster, at, true);
    assert_says(ask(cluster, leader, "RAFT.NODE ADD 4 127.0.0.1:7"),
                "-INDOUBT no majority has confirmed the change");
    assert_says(ask(cluster, leader, "RAFT.NODE ADD 5 127.0.0.1:8"),
                "another change of members is not committed");
    for (size_t at = 0; at < 3; at++)
        if (at != leader)
            cluster_pause(cluster, at, false);
    cluster_wait_equal(cluster);
    cluster_free(cluster);
}

/* The change is in one log only, and that log is cut. */
static void a_change_that_was_overtaken_is_certainly_not_made(void **state) {
    static const char *const late[] = {"--raft-outcome-timeout", "60000", NULL};
    (void)state;
    struct cluster *cluster = found(3, 3, late);
    size_t leader = cluster_wait_equal(cluster);
    for (size_t at = 0; at < 3; at++)
        if (at != leader)
            cluster_kill(cluster, at);
    struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(SETTLE_MS));
    assert_non_null(wire);
    assert_true(wire_send_words(wire, "RAFT.NODE ADD 4 127.0.0.1:7"));
    assert_true(cluster_wait_said(cluster, leader, "members: add 4", harness_scaled_ms(SETTLE_MS)));
    cluster_pause(cluster, leader, true);
    cluster_spawn_all(cluster);
    size_t next = cluster_wait_other_leader(cluster, leader);
    assert_string_equal(ask(cluster, next, "SET a 1"), "+OK");
    cluster_pause(cluster, leader, false);
    assert_says(wire_next(wire),
                "-CLUSTERDOWN the leadership was lost before the change was made; not executed");
    wire_close(wire);
    cluster_wait_equal(cluster);
    for (size_t at = 0; at < 3; at++)
        assert_int_equal(strncmp(ask(cluster, at, "RAFT.NODE LIST"), "*3 ", 3), 0);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(changes_are_asked_of_the_leader_and_the_list_of_anybody, cluster_teardown),
        cmocka_unit_test_teardown(a_change_that_nobody_confirms_is_in_doubt, cluster_teardown),
        cmocka_unit_test_teardown(a_change_that_was_overtaken_is_certainly_not_made, cluster_teardown),
        cmocka_unit_test_teardown(a_node_is_taken_in_under_load_and_votes, load_teardown),
        cmocka_unit_test_teardown(a_single_node_becomes_three, load_teardown),
        cmocka_unit_test_teardown(a_new_node_gets_the_state_where_the_log_was_cut, load_teardown),
        cmocka_unit_test_teardown(a_join_that_never_comes_counts_for_nothing, load_teardown),
        cmocka_unit_test_teardown(a_removed_node_says_so_and_disturbs_nobody, load_teardown),
        cmocka_unit_test_teardown(who_was_down_when_it_was_removed_is_told_when_it_comes_back,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_node_that_was_away_follows_members_it_does_not_know, cluster_teardown),
        cmocka_unit_test_teardown(the_leader_can_be_removed, load_teardown),
        cmocka_unit_test_teardown(a_removal_that_would_lose_the_quorum_is_refused, cluster_teardown),
        cmocka_unit_test_teardown(a_wiped_node_is_refused_until_it_is_removed_and_added_anew, load_teardown),
        cmocka_unit_test_teardown(a_joined_node_that_was_wiped_is_refused, cluster_teardown),
        cmocka_unit_test_teardown(an_address_that_a_member_announces_is_taken_up, load_teardown),
        cmocka_unit_test_teardown(a_cluster_that_moved_as_a_whole_finds_itself_by_its_raft_node_lines,
                                  cluster_teardown),
        cmocka_unit_test_teardown(two_that_moved_find_each_other_by_the_list, cluster_teardown),
        cmocka_unit_test_teardown(raft_node_set_says_where_a_member_will_be, cluster_teardown),
    };
    cmocka_set_test_filter(getenv("REDRAFT_TEST_ONLY")); /* a pattern; NULL: all */
    return cmocka_run_group_tests_name("members", tests, NULL, NULL);
}
