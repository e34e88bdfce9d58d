/* SPDX-License-Identifier: MIT */
/*
 * Who may be a peer: a wrong secret, a wrong cluster name, lists of members that differ, a disk that was wiped. Each is refused in
 * words, on both sides where both can know, and whoever is refused never counts for a majority. And strangers who pretend to
 * be peers neither get in nor keep the real ones out.
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
#include "harness/wire.h"

enum { WIRE_MS = 20000, SAID_MS = 15000, PATH = CLUSTER_PATH_MAX };

static struct info info;

static const char *ask(const struct cluster *cluster, size_t at, const char *words, char reply[256]) {
    struct wire *wire = wire_open(cluster->nodes[at].port, harness_scaled_ms(WIRE_MS));
    snprintf(reply, 256, "%s", wire == NULL ? "refused" : wire_ask(wire, words));
    wire_close(wire);
    return reply;
}

static void must_say(const struct cluster *cluster, size_t at, const char *text) {
    if (!cluster_wait_said(cluster, at, text, harness_scaled_ms(SAID_MS)))
        harness_fail("node %zu never says \"%s\"", at + 1, text);
}

/* A node that was just started listens. */
static void wait_answers(const struct cluster *cluster, size_t at) {
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(SAID_MS);
    while (!cluster_info(cluster, at, &info)) {
        if (harness_now_ms() > deadline)
            harness_fail("node %zu does not answer RAFT.INFO", at + 1);
        harness_sleep_ms(10);
    }
}

/* `outcast` runs and is not let in: the other two serve; with one of those down nothing is served, although two run. */
static void must_not_count(struct cluster *cluster, size_t outcast) {
    char reply[256];
    size_t leader = cluster_wait_leader(cluster), third = 3 - leader - outcast;
    assert_int_not_equal(leader, outcast);
    assert_string_equal(ask(cluster, leader, "SET served yes", reply), "+OK");
    wait_answers(cluster, outcast);
    ask(cluster, outcast, "GET served", reply);
    if (reply[0] != '-')
        harness_fail("who was not let in answers a GET with %s", reply);
    cluster_kill(cluster, third);
    ask(cluster, leader, "SET served no", reply);
    if (reply[0] != '-')
        harness_fail("with a majority only by one that was not let in, a SET is answered with %s", reply);
    cluster_spawn(cluster, third);
    leader = cluster_wait_leader(cluster);
    assert_int_not_equal(leader, outcast);
}

/* A leader other than node 3, so that node 3 can be taken down and come back as an outcast. */
static void lead_without_third(struct cluster *cluster) {
    if (cluster_wait_equal(cluster) == 2)
        cluster_make_leader(cluster, 0);
}

static void a_node_with_another_secret_is_not_let_in(void **state) {
    char right[PATH + 16], wrong[PATH + 16], reply[256];
    (void)state;
    struct cluster *cluster = cluster_prepare(3, NULL, NULL);
    snprintf(right, sizeof(right), "%s/right", cluster->dir);
    snprintf(wrong, sizeof(wrong), "%s/wrong", cluster->dir);
    file_write(right, "a secret of more than sixteen bytes\n", 36);
    file_write(wrong, "another secret of that many bytes..\n", 36);
    const char *const good[] = {"--raft-secret-file", right, NULL}, *const bad[] = {"--raft-secret-file",
                                                                                    wrong, NULL};
    for (size_t at = 0; at < 3; at++)
        cluster->nodes[at].options = good;
    cluster_spawn_all(cluster);
    lead_without_third(cluster);
    cluster_kill(cluster, 2);
    cluster->nodes[2].options = bad;
    cluster_spawn(cluster, 2);
    must_say(cluster, 2, "raft-secret");
    must_say(cluster, cluster_wait_leader(cluster), "raft-secret");
    must_not_count(cluster, 2);
    cluster_kill(cluster, 2);
    cluster->nodes[2].options = NULL; /* none at all */
    cluster_spawn(cluster, 2);
    must_not_count(cluster, 2);
    cluster_kill(cluster, 2);
    cluster->nodes[2].options = good;
    cluster_spawn(cluster, 2);
    size_t leader = cluster_wait_equal(cluster);
    assert_string_equal(ask(cluster, leader, "EXISTS served", reply), ":1");
    cluster_free(cluster);
}

static void a_node_with_another_cluster_name_is_not_let_in(void **state) {
    static const char *const name[] = {"--raft-cluster-name", "bakery", NULL};
    static const char *const other[] = {"--raft-cluster-name", "brewery", NULL};
    (void)state;
    struct cluster *cluster = cluster_prepare(3, NULL, NULL);
    for (size_t at = 0; at < 3; at++)
        cluster->nodes[at].options = name;
    cluster_spawn_all(cluster);
    lead_without_third(cluster);
    cluster_kill(cluster, 2);
    cluster->nodes[2].options = other;
    cluster_spawn(cluster, 2);
    for (size_t at = 0; at < 3; at += 2) {
        must_say(cluster, at, "brewery");
        must_say(cluster, at, "bakery");
    }
    must_not_count(cluster, 2);
    cluster_free(cluster);
}

static void lists_of_members_that_differ_are_named_on_both_sides(void **state) {
    char lines[4][64], both[2][16];
    (void)state;
    struct cluster *cluster = cluster_prepare(3, NULL, NULL);
    for (unsigned at = 0; at < 3; at++)
        snprintf(lines[at], sizeof(lines[at]), "%u 127.0.0.1:%u", at + 1, cluster->nodes[at].port);
    unsigned stray = cluster_free_port();
    snprintf(lines[3], sizeof(lines[3]), "4 127.0.0.1:%u", stray);
    const char *const members[] = {lines[0], lines[1], lines[2], lines[3], NULL};
    cluster->nodes[2].members = members;
    cluster_spawn_all(cluster);
    snprintf(both[0], sizeof(both[0]), "raft-node");
    snprintf(both[1], sizeof(both[1]), ":%u", stray);
    for (size_t at = 0; at < 3; at += 2) {
        must_say(cluster, at, both[0]);
        must_say(cluster, at, both[1]);
        assert_true(cluster_info(cluster, at, &info));
        assert_true(info_is(&info, "state", "joining"));
        assert_false(info_is(&info, "role", "leader"));
    }
    /* Nothing has formed: with the same lines everywhere it does. */
    assert_int_equal(cluster_end(cluster, 2), 0);
    cluster->nodes[2].members = NULL;
    cluster_spawn(cluster, 2);
    cluster_wait_equal(cluster);
    cluster_free(cluster);
}

/* It has forgotten votes that it gave and entries that it acknowledged. */
static void a_node_with_a_wiped_disk_is_refused_and_told_why(void **state) {
    char reply[256];
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    lead_without_third(cluster);
    cluster_kill(cluster, 2);
    directory_remove(cluster->nodes[2].dir);
    assert_int_equal(mkdir(cluster->nodes[2].dir, 0755), 0);
    cluster_spawn(cluster, 2);
    must_say(cluster, 2, "data directory is new");
    size_t leader = cluster_wait_leader(cluster);
    must_say(cluster, leader, "data directory is new");
    must_say(cluster, leader, "remove the node");
    assert_true(cluster_info(cluster, leader, &info));
    assert_int_equal(info_number(&info, "failures_tolerated"), 0);
    assert_true(info_is(&info, "health", "degraded"));
    must_not_count(cluster, 2);
    assert_true(cluster_info(cluster, 2, &info));
    assert_false(info_is(&info, "health", "ok"));
    leader = cluster_wait_leader(cluster);
    assert_string_equal(ask(cluster, leader, "SET served again", reply), "+OK");
    cluster_free(cluster);
}

/* ---- strangers --------------------------------------------------------------------------------------------- */

static void what_strangers_say_to_peers_is_refused(void **state) {
    static const char *const words[] = {
        "RAFT.HELLO",
        "RAFT.HELLO 1 2 1 redraft - 0000000000000000000000000000000000000000 x 1 0 x y",
        "RAFT.HELLO 1 2 1 redraft - short x 1 0 x 00000000000000000000000000000000",
        "RAFT.HELLO 99 2 1 redraft - 0000000000000000000000000000000000000000 x 1 0 x "
        "00000000000000000000000000000000",
        "RAFT.AUTH x",
        "RAFT.AUTH",
        "RAFT.MSG 5 2 1 99 0 0 0 0 0 0 0",
        "RAFT.MSG",
        "RAFT.PART 100 0 x",
    };
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    size_t leader = cluster_wait_equal(cluster);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
            char reply[256];
            ask(cluster, (size_t)round % 3, words[i], reply);
            if (reply[0] != '-' && strcmp(reply, "closed") != 0)
                harness_fail("a stranger's %s is answered with %s", words[i], reply);
        }
    }
    assert_int_equal(cluster_wait_equal(cluster), leader);
    assert_true(cluster_info(cluster, leader, &info));
    assert_int_equal(info_number(&info, "current_term"), 1);
    cluster_free(cluster);
}

/* All places taken by clients, and by pretenders who begin to say hello and never end: a node that comes back gets in all the same. */
static void strangers_do_not_keep_peers_out(void **state) {
    enum { CLIENTS = 40, PRETENDERS = 300 };
    static const char *const options[] = {"--maxclients", "40", NULL};
    (void)state;
    struct cluster *cluster = cluster_new(3, options);
    struct wire *wires[CLIENTS + PRETENDERS];
    size_t leader = cluster_wait_equal(cluster), other = (leader + 1) % 3, kept = 0;
    struct wire *client = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
    assert_string_equal(wire_ask(client, "SET a 1"), "+OK");
    cluster_kill(cluster, other);
    for (int i = 0; i < CLIENTS + PRETENDERS; i++) {
        struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(1000));
        if (wire == NULL)
            continue;
        const char *hello = "*12\r\n$10\r\nRAFT.HELLO\r\n$1\r\n1\r\n";
        if (i >= CLIENTS)
            wire_send(wire, hello, strlen(hello) - (size_t)i % 8);
        wires[kept++] = wire;
    }
    cluster_spawn(cluster, other);
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(15000);
    char words[64], line[1024] = "";
    snprintf(words, sizeof(words), "node%zu", other + 1);
    /* The harness itself gets no connection any more: the client that has one asks. */
    while (strstr(line, "link=up") == NULL && harness_now_ms() < deadline) {
        const char *bytes;
        size_t length;
        assert_true(wire_send_words(client, "RAFT.INFO"));
        assert_int_equal(wire_read(client, &bytes, &length), WIRE_OK);
        snprintf(info.text, sizeof(info.text), "%.*s", (int)length, bytes);
        assert_true(info_text(&info, words, line, sizeof(line)));
        harness_sleep_ms(20);
    }
    if (strstr(line, "link=up") == NULL)
        harness_fail("the leader does not reach node %zu again: %s", other + 1, line);
    /* And the other way: it follows. */
    bool follows = false;
    while (!follows && harness_now_ms() < deadline) {
        follows = cluster_info(cluster, other, &info) && info_number(&info, "leader_id") == leader + 1 &&
                  info_is(&info, "state", "up");
        harness_sleep_ms(20);
    }
    assert_true(follows);
    assert_string_equal(wire_ask(client, "INCR a"), ":2");
    size_t third = 3 - leader - other;
    cluster_kill(cluster, third);
    assert_string_equal(wire_ask(client, "INCR a"), ":3"); /* the one that came back makes the majority */
    for (size_t i = 0; i < kept; i++)
        wire_close(wires[i]);
    wire_close(client);
    cluster_free(cluster);
}

/* ---- new ones ------------------------------------------------------------------------------------------------- */

/* Of the addresses that it knows one is nobody's, and one a process's that is stopped: it takes connections, and says nothing. */
static void a_new_node_asks_one_member_after_the_other(void **state) {
    static char lines[3][64], stopped_at[64], up_at[64], words[96], reply[256];
    static const char *const members[] = {lines[0], lines[1], lines[2], NULL}, *const nobody[] = {NULL};
    static const char *const joins[] = {"--raft-join", "127.0.0.1:1", "--raft-join", stopped_at,
                                        "--raft-join", up_at,         NULL};
    (void)state;
    struct cluster *cluster = cluster_prepare(4, NULL, NULL);
    for (size_t i = 0; i < 3; i++) {
        snprintf(lines[i], sizeof(lines[i]), "%u 127.0.0.1:%u", cluster->nodes[i].id, cluster->nodes[i].port);
        cluster->nodes[i].members = members;
    }
    for (size_t i = 0; i < 3; i++)
        cluster_spawn(cluster, i);
    size_t leader = cluster_wait_leader(cluster), stopped = (leader + 1) % 3;
    snprintf(stopped_at, sizeof(stopped_at), "127.0.0.1:%u", cluster->nodes[stopped].port);
    snprintf(up_at, sizeof(up_at), "127.0.0.1:%u", cluster->nodes[(leader + 2) % 3].port);
    cluster_pause(cluster, stopped, true);
    cluster->nodes[3].members = nobody;
    cluster->nodes[3].options = joins;
    cluster_spawn(cluster, 3);
    snprintf(words, sizeof(words), "RAFT.NODE ADD %u 127.0.0.1:%u", cluster->nodes[3].id,
             cluster->nodes[3].port);
    assert_string_equal(ask(cluster, cluster_wait_leader(cluster), words, reply), "+OK");
    must_say(cluster, 3, "takes this node into cluster");
    cluster_pause(cluster, stopped, false);
    cluster_wait_equal(cluster);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_node_with_another_secret_is_not_let_in, cluster_teardown),
        cmocka_unit_test_teardown(a_node_with_another_cluster_name_is_not_let_in, cluster_teardown),
        cmocka_unit_test_teardown(lists_of_members_that_differ_are_named_on_both_sides, cluster_teardown),
        cmocka_unit_test_teardown(a_node_with_a_wiped_disk_is_refused_and_told_why, cluster_teardown),
        cmocka_unit_test_teardown(what_strangers_say_to_peers_is_refused, cluster_teardown),
        cmocka_unit_test_teardown(strangers_do_not_keep_peers_out, cluster_teardown),
        cmocka_unit_test_teardown(a_new_node_asks_one_member_after_the_other, cluster_teardown),
    };
    return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
