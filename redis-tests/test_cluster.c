/* SPDX-License-Identifier: MIT */
/*
 * What the nodes tell of themselves, on three of them: who leads, where to go, RAFT.INFO in every state; passwords and
 * connection limits. All answers must come from one known leader: a client that is sent away asks the node that
 * sent it where to go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/expect.h"
#include "harness/fields.h"

enum { WIRE_MS = 10000, SETTLE_MS = 15000 };

static struct cluster *cluster; /* shared; every test finds all its nodes running */
static struct info info;

static int cluster_up(void **state) {
    (void)state;
    cluster = cluster_new(3, NULL);
    cluster->shared = true;
    cluster_wait_equal(cluster);
    return 0;
}

static int cluster_down(void **state) {
    (void)state;
    cluster_free(cluster);
    return 0;
}

static struct wire *open_node(const struct cluster *of, size_t at) {
    struct wire *wire = wire_open(of->nodes[at].port, harness_scaled_ms(WIRE_MS));
    assert_non_null(wire);
    return wire;
}

/* Waits until a node's RAFT.INFO shows a value. */
static void wait_field(const struct cluster *of, size_t at, const char *field, const char *value) {
    cluster_wait_field(of, at, field, value, harness_scaled_ms(SETTLE_MS), &info);
}

/* ---- where to go ----------------------------------------------------------------------------------------- */

static void a_follower_sends_keyed_commands_to_the_leader_with_their_slot(void **state) {
    static const struct {
        const char *request;
        unsigned slot;
    } rows[] = {
        {"GET foo", 12182},    {"SET foo 1", 12182}, {"SET {foo}x 1", 12182}, {"DEL hello foo", 866},
        {"MGET hello a", 866}, {"INCR bar", 5061},   {"EXPIRE bar 1", 5061},  {"FLUSHALL", 0},
    };
    (void)state;
    size_t leader = cluster_wait_equal(cluster);
    for (size_t at = 0; at < cluster->count; at++) {
        if (at == leader)
            continue;
        struct wire *wire = open_node(cluster, at);
        for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
            char expected[128];
            snprintf(expected, sizeof(expected), "-MOVED %u 127.0.0.1:%u", rows[i].slot,
                     cluster->nodes[leader].port);
            assert_string_equal(wire_ask(wire, rows[i].request), expected);
        }
        assert_string_equal(wire_ask(wire, "PING"), "+PONG");
        wire_close(wire);
    }
}

static void errors_of_the_command_itself_come_from_any_node(void **state) {
    static const struct exchange exchanges[] = {
        {"GET", "-ERR wrong number of arguments for 'get' command"},
        {"NOTHING", "-ERR unknown command 'NOTHING', with args beginning with: "},
        {"SELECT 16", "-ERR DB index is out of range"},
        {"SELECT 1", "+OK"},
        {"ECHO here", "$4 here"},
        {"CONFIG GET databases", "*2 $9 databases $2 16"},
        {"COMMAND COUNT", ":*"},
    };
    (void)state;
    for (size_t at = 0; at < cluster->count; at++) {
        struct wire *wire = open_node(cluster, at);
        EXPECT(wire, exchanges);
        wire_close(wire);
    }
}

static void cluster_slots_is_one_range_with_the_leader_first(void **state) {
    (void)state;
    size_t leader = cluster_wait_equal(cluster);
    char expected[128], first[4096] = "", port[32];
    snprintf(expected, sizeof(expected), "*1 *5 :0 :16383 *4 $9 127.0.0.1 :%u $40 ",
             cluster->nodes[leader].port);
    for (size_t at = 0; at < cluster->count; at++) {
        struct wire *wire = open_node(cluster, at);
        const char *slots = wire_ask(wire, "CLUSTER SLOTS");
        if (strncmp(slots, expected, strlen(expected)) != 0)
            harness_fail("node %zu says %s instead of %s", at + 1, slots, expected);
        for (size_t other = 0; other < cluster->count; other++) {
            snprintf(port, sizeof(port), ":%u ", cluster->nodes[other].port);
            assert_non_null(strstr(slots, port));
        }
        if (at == 0)
            snprintf(first, sizeof(first), "%s", slots);
        assert_string_equal(slots, first);
        wire_close(wire);
    }
}

/* A line of CLUSTER NODES, by its port. */
static void nodes_line(struct wire *wire, unsigned port, char *line, size_t size) {
    char at[32];
    const char *bytes, *found;
    size_t length;
    snprintf(at, sizeof(at), " 127.0.0.1:%u@", port);
    assert_true(wire_send_words(wire, "CLUSTER NODES"));
    assert_int_equal(wire_read(wire, &bytes, &length), WIRE_OK);
    char *text = strndup(bytes, length);
    found = strstr(text, at);
    if (found == NULL)
        harness_fail("CLUSTER NODES lacks%s:\n%s", at, text);
    while (found > text && found[-1] != '\n')
        found--;
    snprintf(line, size, "%.*s", (int)strcspn(found, "\n"), found);
    free(text);
}

static void cluster_nodes_agrees_with_slots_and_names_itself_once(void **state) {
    (void)state;
    size_t leader = cluster_wait_equal(cluster);
    char ids[CLUSTER_NODES_MAX][64];
    for (size_t at = 0; at < cluster->count; at++) {
        struct wire *wire = open_node(cluster, at);
        for (size_t of = 0; of < cluster->count; of++) {
            char line[512], id[64], flags[64];
            nodes_line(wire, cluster->nodes[of].port, line, sizeof(line));
            assert_int_equal(sscanf(line, "%63s %*s %63s", id, flags), 2);
            assert_int_equal(strlen(id), 40);
            if (at == 0)
                strcpy(ids[of], id);
            assert_string_equal(id, ids[of]);
            assert_true((strstr(flags, "myself") != NULL) == (of == at));
            assert_true((strstr(flags, "master") != NULL) == (of == leader));
            assert_true((strstr(flags, "slave") != NULL) == (of != leader));
            assert_true((strstr(line, " connected 0-16383") != NULL) == (of == leader));
        }
        char myid[64];
        snprintf(myid, sizeof(myid), "$40 %s", ids[at]);
        assert_string_equal(wire_ask(wire, "CLUSTER MYID"), myid);
        assert_non_null(strstr(wire_ask(wire, "CLUSTER SLOTS"), ids[leader]));
        assert_non_null(strstr(wire_ask(wire, "CLUSTER SHARDS"), ids[leader]));
        wire_close(wire);
    }
}

static void the_other_cluster_commands_answer(void **state) {
    static const struct exchange exchanges[] = {
        {"CLUSTER KEYSLOT foo", ":12182"},
        {"CLUSTER KEYSLOT {foo}bar", ":12182"},
        {"FLUSHALL", "+OK"},
        {"MSET foo 1 {foo}2 1 bar 1", "+OK"},
        {"CLUSTER COUNTKEYSINSLOT 12182", ":2"},
        {"CLUSTER COUNTKEYSINSLOT 16384", "-ERR Invalid slot"},
        {"CLUSTER NOTHING", "-ERR unknown subcommand 'NOTHING'. Try CLUSTER HELP."},
        {"CLUSTER", "-ERR wrong number of arguments for 'cluster' command"},
    };
    (void)state;
    size_t leader = cluster_wait_leader(cluster);
    struct wire *wire = open_node(cluster, leader);
    EXPECT(wire, exchanges);
    const char *text = wire_ask(wire, "CLUSTER INFO");
    assert_non_null(strstr(text, "cluster_state:ok"));
    assert_non_null(strstr(text, "cluster_slots_assigned:16384"));
    assert_non_null(strstr(text, "cluster_known_nodes:3"));
    assert_non_null(strstr(text, "cluster_size:1"));
    assert_non_null(strstr(text, "cluster_raft_"));
    wire_close(wire);
}

static void info_calls_only_the_leader_a_master(void **state) {
    (void)state;
    size_t leader = cluster_wait_equal(cluster);
    for (size_t at = 0; at < cluster->count; at++) {
        struct wire *wire = open_node(cluster, at);
        const char *text = wire_ask(wire, "INFO");
        assert_true((strstr(text, "role:master") != NULL) == (at == leader));
        assert_true((strstr(text, "role:slave") != NULL) == (at != leader));
        assert_non_null(strstr(text, "redis_version:7."));
        assert_non_null(strstr(text, "cluster_enabled:1"));
        assert_non_null(strstr(wire_ask(wire, "INFO raft"), "current_term:"));
        wire_close(wire);
    }
}

/* ---- RAFT.INFO ------------------------------------------------------------------------------------------- */

static void check_fields(void) {
    char value[1024];
    for (size_t i = 0; i < RAFT_INFO_FIELDS; i++) {
        if (!info_text(&info, raft_info_fields[i], value, sizeof(value)))
            harness_fail("RAFT.INFO lacks %s:\n%s", raft_info_fields[i], info.text);
    }
    static const char *const members[] = {
        "id=", "address=", "voting=", "link=", "match_index=", "lag=", "last_contact_ms="};
    assert_true(info_text(&info, "node2", value, sizeof(value)));
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        if (strstr(value, members[i]) == NULL)
            harness_fail("node2:%s lacks %s", value, members[i]);
    }
    assert_non_null(strstr(info.text, "fsync"));
    assert_non_null(strstr(info.text, "p99"));
}

static void raft_info_tells_the_same_story_on_every_node(void **state) {
    (void)state;
    size_t leader = cluster_wait_equal(cluster);
    char id[64] = "", other[64], address[64];
    snprintf(address, sizeof(address), "127.0.0.1:%u", cluster->nodes[leader].port);
    for (size_t at = 0; at < cluster->count; at++) {
        assert_true(cluster_info(cluster, at, &info));
        check_fields();
        assert_int_equal(info_number(&info, "node_id"), at + 1);
        assert_int_equal(info_number(&info, "leader_id"), leader + 1);
        assert_true(info_is(&info, "leader_address", address));
        assert_true(info_is(&info, "state", "up"));
        assert_true(info_is(&info, "quorum", "ok"));
        assert_true(info_is(&info, "role", at == leader ? "leader" : "follower"));
        assert_int_equal(info_number(&info, "num_nodes"), 3);
        assert_int_equal(info_number(&info, "num_voting_nodes"), 3);
        assert_true(info_text(&info, "cluster_id", other, sizeof(other)));
        if (at == 0)
            strcpy(id, other);
        assert_string_equal(other, id);
    }
    wait_field(cluster, leader, "health", "ok");
    assert_int_equal(info_number(&info, "failures_tolerated"), 1);
}

static void raft_info_says_that_a_member_is_missing_and_when_it_is_back(void **state) {
    (void)state;
    size_t leader = cluster_wait_equal(cluster), gone = (leader + 1) % cluster->count;
    cluster_kill(cluster, gone);
    wait_field(cluster, leader, "health", "degraded");
    assert_int_equal(info_number(&info, "failures_tolerated"), 0);
    assert_true(info_is(&info, "quorum", "ok"));
    cluster_spawn(cluster, gone);
    wait_field(cluster, leader, "health", "ok");
    cluster_wait_equal(cluster);
}

/* Those that stayed have long stopped dialling it often; that it dials them tells them. By chance they would do so in time for
 * once, not three times. */
static void a_member_that_was_away_for_long_is_with_the_others_at_once(void **state) {
    enum { AWAY_MS = 3500, AT_ONCE_MS = 300, TRIALS = 3 };
    (void)state;
    for (int i = 0; i < TRIALS; i++) {
        size_t leader = cluster_wait_equal(cluster), gone = (leader + 1) % cluster->count;
        cluster_kill(cluster, gone);
        harness_sleep_ms(AWAY_MS);
        cluster_spawn(cluster, gone);
        while (!cluster_info(cluster, gone, &info))
            harness_sleep_ms(1);
        uint64_t since = harness_now_ms();
        wait_field(cluster, leader, "health", "ok");
        uint64_t took = harness_now_ms() - since;
        harness_say("in touch %llu ms after it could be asked", (unsigned long long)took);
        assert_true(took < harness_scaled_ms(AT_ONCE_MS));
    }
}

static void raft_info_answers_before_the_cluster_has_formed(void **state) {
    (void)state;
    struct cluster *forming = cluster_prepare(3, NULL, NULL);
    cluster_spawn(forming, 0);
    wait_field(forming, 0, "state", "joining");
    check_fields();
    assert_true(info_is(&info, "health", "down"));
    assert_false(info_is(&info, "role", "leader"));
    cluster_spawn_all(forming);
    size_t leader = cluster_wait_leader(forming);
    wait_field(forming, leader, "health", "ok");
    cluster_free(forming);
}

/* ---- a single node --------------------------------------------------------------------------------------- */

static void a_single_node_leads_itself_and_keeps_what_it_acknowledged(void **state) {
    static const struct exchange before[] = {
        {"SET a 1", "+OK"}, {"SELECT 9", "+OK"},   {"SET b 2 EX 1000", "+OK"},
        {"INCR b", ":3"},   {"DEL nothing", ":0"},
    };
    static const struct exchange after[] = {
        {"GET a", "$1 1"}, {"SELECT 9", "+OK"}, {"GET b", "$1 3"}, {"EXPIRE b 10", ":1"}, {"DBSIZE", ":1"},
    };
    (void)state;
    struct cluster *single = cluster_new(1, NULL);
    struct wire *wire = open_node(single, 0);
    EXPECT(wire, before);
    wire_close(wire);
    cluster_kill(single, 0);
    cluster_spawn(single, 0);
    cluster_wait_leader(single);
    wire = open_node(single, 0);
    EXPECT(wire, after);
    wire_close(wire);
    assert_int_equal(cluster_end(single, 0), 0);
    cluster_spawn(single, 0);
    cluster_wait_leader(single);
    cluster_free(single);
}

/* ---- passwords, limits ----------------------------------------------------------------------------------- */

static void a_password_is_asked_for_and_peers_need_none(void **state) {
    static const char *const options[] = {"--requirepass", "secret-word", NULL};
    static const struct exchange exchanges[] = {
        {"GET a", "-NOAUTH Authentication required."},
        {"PING", "-NOAUTH Authentication required."},
        {"HELLO 3", "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
                    "AUTH <user> <pass> option can be used *"},
        {"AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled."},
        {"AUTH default wrong", "-WRONGPASS invalid username-password pair or user is disabled."},
    };
    static const struct exchange right[] = {
        {"AUTH default secret-word", "+OK"}, {"SET a 1", "+OK"}, {"GET a", "$1 1"}};
    (void)state;
    struct cluster *closed = cluster_prepare(3, options, NULL);
    closed->password = "secret-word";
    cluster_spawn_all(closed);
    size_t leader = cluster_wait_equal(closed);
    struct wire *wire = open_node(closed, leader);
    EXPECT(wire, exchanges);
    EXPECT(wire, right);
    wire_close(wire);
    cluster_free(closed);
}

/* Connections that were closed make room for others, soon. */
static void wait_for_place(const struct cluster *of, size_t at) {
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(5000);
    bool served = false;
    while (!served && harness_now_ms() < deadline) {
        struct wire *wire = open_node(of, at);
        served = strcmp(wire_ask(wire, "PING"), "+PONG") == 0;
        wire_close(wire);
    }
    assert_true(served);
}

static void beyond_maxclients_a_connection_is_told_so(void **state) {
    static const char *const options[] = {"--maxclients", "20", NULL};
    (void)state;
    struct cluster *small = cluster_new(3, options);
    size_t leader = cluster_wait_equal(small);
    struct wire *wires[30];
    int served = 0, refused = 0;
    for (size_t i = 0; i < 30; i++) {
        wires[i] = open_node(small, leader);
        const char *reply = wire_ask(wires[i], "PING");
        served += strcmp(reply, "+PONG") == 0;
        refused += strcmp(reply, "-ERR max number of clients reached") == 0;
    }
    assert_int_equal(served, 20);
    assert_int_equal(refused, 10);
    assert_string_equal(wire_ask(wires[0], "SET a 1"), "+OK");
    for (size_t i = 0; i < 30; i++)
        wire_close(wires[i]);
    wait_for_place(small, leader);
    cluster_free(small);
}

static void an_idle_client_is_closed_after_timeout(void **state) {
    static const char *const options[] = {"--timeout", "1", NULL};
    (void)state;
    struct cluster *impatient = cluster_new(3, options);
    size_t leader = cluster_wait_equal(impatient);
    struct wire *idle = open_node(impatient, leader), *busy = open_node(impatient, leader);
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(2500);
    while (harness_now_ms() < deadline) {
        assert_string_equal(wire_ask(busy, "PING"), "+PONG");
        harness_sleep_ms(50);
    }
    assert_string_equal(wire_ask(idle, "PING"), "closed");
    assert_string_equal(wire_ask(busy, "SET a 1"), "+OK");
    wire_close(idle);
    wire_close(busy);
    cluster_free(impatient);
}

/* Each read comes after a write that was acknowledged by the leader, on another connection to another node. */
static void a_follower_that_is_asked_for_linearizable_reads_never_answers_from_the_past(void **state) {
    (void)state;
    struct cluster *own = cluster_new(3, NULL);
    size_t leader = cluster_wait_equal(own), follower = (leader + 1) % own->count;
    struct wire *writer = wire_open(own->nodes[leader].port, harness_scaled_ms(5000));
    struct wire *reader = wire_open(own->nodes[follower].port, harness_scaled_ms(5000));
    char words[64], expected[64];
    assert_string_equal(wire_ask(reader, "READONLY"), "+OK");
    assert_string_equal(wire_ask(reader, "RAFT.CONSISTENCY linearizable"), "+OK");
    for (int i = 0; i < 500; i++) {
        snprintf(words, sizeof words, "SET newest %d", i + 1000);
        snprintf(expected, sizeof expected, "$4 %d", i + 1000);
        assert_string_equal(wire_ask(writer, words), "+OK");
        assert_string_equal(wire_ask(reader, "GET newest"), expected);
    }
    cluster_kill(own, leader);
    wire_close(writer);
    size_t next = cluster_wait_other_leader(own, leader);
    writer = wire_open(own->nodes[next].port, harness_scaled_ms(5000));
    assert_string_equal(wire_ask(writer, "SET newest after"), "+OK");
    assert_string_equal(wire_ask(reader, "GET newest"), "$5 after");
    wire_close(writer);
    wire_close(reader);
    cluster_free(own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_follower_that_is_asked_for_linearizable_reads_never_answers_from_the_past,
                                  cluster_teardown),
        cmocka_unit_test(a_follower_sends_keyed_commands_to_the_leader_with_their_slot),
        cmocka_unit_test(errors_of_the_command_itself_come_from_any_node),
        cmocka_unit_test(cluster_slots_is_one_range_with_the_leader_first),
        cmocka_unit_test(cluster_nodes_agrees_with_slots_and_names_itself_once),
        cmocka_unit_test(the_other_cluster_commands_answer),
        cmocka_unit_test(info_calls_only_the_leader_a_master),
        cmocka_unit_test(raft_info_tells_the_same_story_on_every_node),
        cmocka_unit_test(raft_info_says_that_a_member_is_missing_and_when_it_is_back),
        cmocka_unit_test(a_member_that_was_away_for_long_is_with_the_others_at_once),
        cmocka_unit_test_teardown(raft_info_answers_before_the_cluster_has_formed, cluster_teardown),
        cmocka_unit_test_teardown(a_single_node_leads_itself_and_keeps_what_it_acknowledged,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_password_is_asked_for_and_peers_need_none, cluster_teardown),
        cmocka_unit_test_teardown(beyond_maxclients_a_connection_is_told_so, cluster_teardown),
        cmocka_unit_test_teardown(an_idle_client_is_closed_after_timeout, cluster_teardown),
    };
    return cmocka_run_group_tests_name("cluster", tests, cluster_up, cluster_down);
}
