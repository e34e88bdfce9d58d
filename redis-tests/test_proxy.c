/* SPDX-License-Identifier: MIT */
/*
 * Followers as proxies: plain clients, which never follow -MOVED, on whatever node. They see one server, whoever leads; what
 * becomes of a request when the leader is lost: test_proxy_lost.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/proxies.h"

enum {
    RETURN_MS = 15000,
    LARGE = 8 * 1024 * 1024,
};

static void wait_field(const struct cluster *cluster, size_t at, const char *name, uint64_t value) {
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(RETURN_MS);
    while (proxies_number(cluster, at, name) != value) {
        if (harness_now_ms() >= deadline)
            harness_fail("%s of node %zu is %llu, not %llu", name, at + 1,
                         (unsigned long long)proxies_number(cluster, at, name), (unsigned long long)value);
        harness_sleep_ms(10);
    }
}

/* ---- what passes ----------------------------------------------------------------------------------------- */

static void a_follower_answers_as_the_leader_does(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    size_t follower = proxies_follower(cluster), leader = cluster_wait_equal(cluster);
    struct wire *wire = proxies_dial(cluster, follower), *other = proxies_dial(cluster, leader);
    assert_string_equal(wire_ask(wire, "SET a 1"), "+OK");
    assert_string_equal(wire_ask(wire, "INCR a"), ":2");
    assert_string_equal(wire_ask(wire, "GET a"), "$1 2");
    assert_string_equal(wire_ask(other, "GET a"), "$1 2");
    assert_string_equal(wire_ask(wire, "LPUSH a x"),
                        "-WRONGTYPE Operation against a key holding the wrong kind of value");
    assert_string_equal(wire_ask(wire, "GET"), "-ERR wrong number of arguments for 'get' command");
    assert_string_equal(wire_ask(wire, "PING"), "+PONG");
    /* what the connection says about itself goes along */
    assert_string_equal(wire_ask(wire, "SELECT 3"), "+OK");
    assert_string_equal(wire_ask(wire, "SET here 3"), "+OK");
    assert_string_equal(wire_ask(other, "EXISTS here"), ":0");
    assert_string_equal(wire_ask(other, "SELECT 3"), "+OK");
    assert_string_equal(wire_ask(other, "GET here"), "$1 3");
    assert_string_equal(wire_ask(wire, "GET none"), "$-1");
    wire_ask(wire, "HELLO 3");
    assert_string_equal(wire_ask(wire, "GET none"), "_");
    assert_string_equal(wire_ask(wire, "CLIENT SETNAME joe"), "+OK");
    assert_string_equal(wire_ask(wire, "DEL none"), ":0");
    const char *list = wire_ask(other, "CLIENT LIST");
    assert_non_null(strstr(list, " name=joe "));
    char via[32];
    snprintf(via, sizeof via, " via=%zu", follower + 1);
    assert_non_null(strstr(strstr(list, " name=joe "), via));
    assert_int_equal(proxies_number(cluster, leader, "clients_via_members"), 1);
    assert_int_equal(proxies_number(cluster, follower, "proxied_clients"), 1);
    wire_close(wire);
    wait_field(cluster, leader, "clients_via_members", 0);
    wire_close(other);
    cluster_free(cluster);
}

static void a_pipeline_keeps_its_order_whoever_answers(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    struct wire *wire = proxies_dial(cluster, proxies_follower(cluster));
    static const char text[] =
        "SET p 1\r\nECHO one\r\nINCR p\r\n*2\r\n$3\r\nGET\r\n$1\r\np\r\nSELECT 1\r\nGET p\r\n"
        "CLIENT REPLY SKIP\r\nSET p 7\r\nGET p\r\nNONSENSE\r\nSELECT 0\r\n"
        "CLIENT REPLY OFF\r\nINCR p\r\nPING\r\nCLIENT REPLY ON\r\nGET p\r\nQUIT\r\n";
    static const char *const replies[] = {
        "+OK",   "$3 one", ":2",   "$1 2",
        "+OK",   "$-1",    "$1 7", "-ERR unknown command 'NONSENSE', with args beginning with: ",
        "+OK",   "+OK",    "$1 3", "+OK",
        "closed"};
    assert_true(wire_send(wire, text, sizeof text - 1));
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++)
        assert_string_equal(wire_next(wire), replies[i]);
    wire_close(wire);

    wire = proxies_dial(cluster, proxies_follower(cluster));
    enum { MANY = 20000 };
    char *many = malloc(MANY * 16);
    size_t length = 0;
    for (int i = 0; i < MANY; i++)
        length += (size_t)sprintf(many + length, "INCR many\r\n");
    assert_true(wire_send(wire, many, length));
    for (int i = 1; i <= MANY; i++) {
        char expected[16];
        snprintf(expected, sizeof expected, ":%d", i);
        assert_string_equal(wire_next(wire), expected);
    }
    free(many);
    wire_close(wire);
    cluster_free(cluster);
}

static char *large_set(size_t *length) {
    char *bytes = malloc(LARGE + 64);
    size_t at = (size_t)sprintf(bytes, "*3\r\n$3\r\nSET\r\n$5\r\nlarge\r\n$%d\r\n", LARGE);
    for (size_t i = 0; i < LARGE; i++)
        bytes[at + i] = (char)(i * 2654435761u >> 13);
    memcpy(bytes + at + LARGE, "\r\n", 2);
    *length = at + LARGE + 2;
    return bytes;
}

/* The sanitizers keep what was freed for a while. */
static size_t little(void) {
    const char *sanitize = getenv("SANITIZE");
    return (sanitize && sanitize[0] ? 64 : 16) * 1024 * 1024;
}

static void large_values_pass_and_a_client_that_does_not_read_costs_little(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    size_t follower = proxies_follower(cluster), length, got;
    struct wire *wire = proxies_dial(cluster, follower);
    char *set = large_set(&length);
    const char *bytes;
    assert_true(wire_send(wire, set, length));
    assert_string_equal(wire_next(wire), "+OK");
    assert_true(wire_send_words(wire, "GET large"));
    assert_int_equal(wire_read(wire, &bytes, &got), WIRE_OK);
    char head[32];
    size_t head_length = (size_t)snprintf(head, sizeof head, "$%d\r\n", LARGE);
    assert_int_equal(got, head_length + LARGE + 2);
    assert_memory_equal(bytes, head, head_length);
    assert_memory_equal(bytes + head_length, set + length - LARGE - 2, LARGE + 2);
    free(set);
    wire_close(wire);

    enum { ASKED = 40 };
    size_t before = process_bytes(cluster->nodes[follower].pid, "VmRSS");
    wire = proxies_dial(cluster, follower);
    for (int i = 0; i < ASKED; i++)
        assert_true(wire_send_words(wire, "GET large"));
    harness_sleep_ms(1500);
    size_t after = process_bytes(cluster->nodes[follower].pid, "VmRSS");
    harness_say("a client that asked for %d MB and reads nothing costs its proxy %zu kB", ASKED * LARGE >> 20,
                after > before ? (after - before) / 1024 : 0);
    assert_true(after < before + little());
    for (int i = 0; i < ASKED; i++) {
        assert_int_equal(wire_read(wire, &bytes, &got), WIRE_OK);
        assert_int_equal(got, head_length + LARGE + 2);
    }
    wire_close(wire);
    cluster_free(cluster);
}

static void a_password_is_asked_for_here_and_stays_here(void **state) {
    (void)state;
    static const char *const options[] = {"--raft-follower-mode", "proxy", "--requirepass", "sesame", NULL};
    struct cluster *cluster = cluster_prepare(3, options, NULL);
    cluster->password = "sesame";
    cluster_spawn_all(cluster);
    cluster_wait_leader(cluster);
    size_t follower = proxies_follower(cluster), leader = cluster_wait_equal(cluster);
    struct wire *wire = proxies_dial(cluster, follower);
    assert_string_equal(wire_ask(wire, "SET a 1"), "-NOAUTH Authentication required.");
    assert_string_equal(wire_ask(wire, "AUTH wrong"),
                        "-WRONGPASS invalid username-password pair or user is disabled.");
    assert_string_equal(wire_ask(wire, "AUTH sesame"), "+OK");
    assert_string_equal(wire_ask(wire, "SET a 1"), "+OK");
    wire_close(wire);
    /* who is no member cannot say that it speaks for a client */
    wire = proxies_dial(cluster, leader);
    assert_non_null(strstr(wire_ask(wire, "RAFT.CLIENT 127.0.0.1:1 a b c 0 2 1 0"), "-ERR unknown command"));
    assert_string_equal(wire_ask(wire, "GET a"), "-NOAUTH Authentication required.");
    assert_string_equal(wire_ask(wire, "AUTH sesame"), "+OK");
    assert_non_null(strstr(wire_ask(wire, "RAFT.CLIENT 127.0.0.1:1 a b c 0 2 1 0"), "-ERR unknown command"));
    wire_close(wire);
    cluster_free(cluster);
}

static void reads_that_may_be_old_are_answered_here_until_the_client_writes(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    size_t follower = proxies_follower(cluster), leader = cluster_wait_equal(cluster);
    struct wire *wire = proxies_dial(cluster, follower);
    assert_string_equal(wire_ask(wire, "READONLY"), "+OK");
    assert_string_equal(wire_ask(wire, "GET a"), "$-1");
    assert_int_equal(proxies_number(cluster, follower, "proxied_requests"), 0);
    for (int i = 1; i <= 200; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, ":%d", i);
        assert_string_equal(wire_ask(wire, "INCR a"), expected);
        snprintf(expected, sizeof expected, "$%d %d", i < 10 ? 1 : i < 100 ? 2 : 3, i);
        assert_string_equal(wire_ask(wire, "GET a"), expected);
    }
    assert_true(proxies_number(cluster, follower, "proxied_requests") >= 400);
    wire_close(wire);
    (void)leader;
    cluster_free(cluster);
}

static void the_leaders_maxclients_holds_for_those_who_come_by_a_proxy(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    size_t follower = proxies_follower(cluster), leader = cluster_wait_equal(cluster);
    struct wire *own = proxies_dial(cluster, leader), *first = proxies_dial(cluster, follower),
                *second = proxies_dial(cluster, follower);
    assert_string_equal(wire_ask(own, "CONFIG SET maxclients 2"), "+OK");
    assert_string_equal(wire_ask(first, "SET a 1"), "+OK");
    const char *refusal = wire_ask(second, "SET a 2");
    assert_int_equal(strncmp(refusal, "-CLUSTERDOWN ", 13), 0);
    assert_non_null(strstr(refusal, "max number of clients reached; not executed"));
    assert_string_equal(wire_ask(first, "GET a"), "$1 1");
    wire_close(first);
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(RETURN_MS);
    while (strcmp(wire_ask(second, "SET a 3"), "+OK") != 0)
        assert_true(harness_now_ms() < deadline);
    wire_close(second);
    assert_string_equal(wire_ask(own, "CONFIG SET maxclients 10000"), "+OK");
    wire_close(own);
    cluster_free(cluster);
}

static void without_a_leader_a_request_waits_and_is_then_refused(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    size_t leader = cluster_wait_equal(cluster), follower = (leader + 1) % 3, third = (leader + 2) % 3;
    struct wire *wire = proxies_dial(cluster, follower);
    assert_string_equal(wire_ask(wire, "INCR n"), ":1");
    cluster_kill(cluster, third);
    cluster_kill(cluster, leader);
    uint64_t begun = harness_now_ms();
    const char *reply = wire_ask(wire, "INCR n");
    assert_int_equal(strncmp(reply, "-CLUSTERDOWN ", 13), 0);
    assert_non_null(strstr(reply, "not executed"));
    assert_true(harness_now_ms() - begun < harness_scaled_ms(6000));
    cluster_spawn_all(cluster);
    cluster_wait_equal(cluster);
    assert_string_equal(wire_ask(wire, "INCR n"), ":2");
    wire_close(wire);
    cluster_free(cluster);
}

static void a_node_that_becomes_the_leader_serves_its_clients_itself(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    size_t follower = proxies_follower(cluster);
    struct wire *wire = proxies_dial(cluster, follower);
    assert_string_equal(wire_ask(wire, "SELECT 2"), "+OK");
    assert_string_equal(wire_ask(wire, "INCR n"), ":1");
    cluster_make_leader(cluster, follower);
    uint64_t proxied = proxies_number(cluster, follower, "proxied_requests");
    assert_string_equal(wire_ask(wire, "INCR n"), ":2");
    assert_string_equal(wire_ask(wire, "GET n"), "$1 2");
    assert_int_equal(proxies_number(cluster, follower, "proxied_requests"), proxied);
    cluster_make_leader(cluster, (follower + 1) % 3);
    assert_string_equal(wire_ask(wire, "INCR n"), ":3");
    wire_close(wire);
    cluster_free(cluster);
}

/* ---- what the upstream's session holds -------------------------------------------------------------------- */

static void a_transaction_is_the_leaders(void **state) {
    (void)state;
    size_t leader;
    struct wire *wire;
    struct cluster *cluster = proxies_new_dialled(&leader, &wire);
    struct wire *other = proxies_dial(cluster, leader);
    static const char text[] = "MULTI\r\nSET t 1\r\nSELECT 4\r\nINCR t\r\nPING\r\nEXEC\r\nGET t\r\n";
    static const char *const replies[] = {
        "+OK", "+QUEUED", "+QUEUED", "+QUEUED", "+QUEUED", "*4 +OK +OK :1 +PONG", "$1 1"};
    assert_true(wire_send(wire, text, sizeof text - 1));
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++)
        assert_string_equal(wire_next(wire), replies[i]);
    assert_string_equal(wire_ask(wire, "GET t"), "$1 1"); /* SELECT 4 holds */
    assert_string_equal(wire_ask(wire, "SELECT 0"), "+OK");
    assert_string_equal(wire_ask(wire, "WATCH t"), "+OK");
    assert_string_equal(wire_ask(other, "SET t 5"), "+OK");
    assert_string_equal(wire_ask(wire, "MULTI"), "+OK");
    assert_string_equal(wire_ask(wire, "SET t 6"), "+QUEUED");
    assert_string_equal(wire_ask(wire, "EXEC"), "*-1");
    assert_string_equal(wire_ask(wire, "GET t"), "$1 5");
    assert_string_equal(wire_ask(wire, "MULTI"), "+OK");
    assert_int_equal(strncmp(wire_ask(wire, "NONSENSE"), "-ERR unknown command", 20), 0);
    assert_string_equal(wire_ask(wire, "EXEC"),
                        "-EXECABORT Transaction discarded because of previous errors.");
    assert_string_equal(wire_ask(wire, "MULTI"), "+OK");
    assert_string_equal(wire_ask(wire, "HELLO 3"), "-ERR Command not allowed inside a transaction");
    assert_string_equal(wire_ask(wire, "SET t 7"), "+QUEUED");
    assert_string_equal(wire_ask(wire, "EXEC"),
                        "-EXECABORT Transaction discarded because of previous errors.");
    assert_string_equal(wire_ask(wire, "MULTI"), "+OK");
    assert_string_equal(wire_ask(wire, "RESET"), "+RESET");
    assert_string_equal(wire_ask(wire, "GET t"), "$1 5");
    wire_close(wire);
    wire_close(other);
    cluster_free(cluster);
}

static void a_wait_is_the_leaders_and_ends_with_its_client(void **state) {
    (void)state;
    size_t leader;
    struct wire *wire;
    struct cluster *cluster = proxies_new_dialled(&leader, &wire);
    struct wire *other = proxies_dial(cluster, (leader + 2) % 3);
    assert_true(wire_send_words(wire, "BLPOP q 0"));
    assert_true(wire_send_words(wire, "INCR n"));
    wait_field(cluster, leader, "clients_via_members", 1);
    harness_sleep_ms(100);
    assert_string_equal(wire_ask(other, "RPUSH q a"), ":1");
    assert_string_equal(wire_next(wire), "*2 $1 q $1 a");
    assert_string_equal(wire_next(wire), ":1");
    assert_true(wire_send_words(wire, "BLPOP q 0"));
    harness_sleep_ms(100);
    wire_close(wire);
    wait_field(cluster, leader, "clients_via_members", 1);
    assert_string_equal(wire_ask(other, "RPUSH q b"), ":1");
    assert_string_equal(wire_ask(other, "LLEN q"), ":1"); /* nobody waits for it any more */
    wire = proxies_dial(cluster, (leader + 1) % 3);
    wire_close(wire);
    wire_close(other);
    cluster_free(cluster);
}

static void who_listens_at_a_proxy_hears_on_when_the_leader_is_lost(void **state) {
    (void)state;
    size_t leader;
    struct wire *wire;
    struct cluster *cluster = proxies_new_dialled(&leader, &wire);
    struct wire *other = proxies_dial(cluster, (leader + 2) % 3);
    assert_string_equal(wire_ask(wire, "SET before 1"), "+OK");
    assert_string_equal(wire_ask(wire, "SUBSCRIBE news"), "*3 $9 subscribe $4 news :1");
    assert_int_equal(wire_ask(other, "PUBLISH news one")[0], ':');
    assert_string_equal(wire_next(wire), "*3 $7 message $4 news $3 one");
    cluster_kill(cluster, leader);
    const char *reply;
    do
        reply = wire_ask(other, "PUBLISH news two");
    while (reply[0] != ':');
    assert_string_equal(wire_next(wire), "*3 $7 message $4 news $3 two");
    wire_close(wire);
    wire_close(other);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_follower_answers_as_the_leader_does, cluster_teardown),
        cmocka_unit_test_teardown(a_pipeline_keeps_its_order_whoever_answers, cluster_teardown),
        cmocka_unit_test_teardown(large_values_pass_and_a_client_that_does_not_read_costs_little,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_password_is_asked_for_here_and_stays_here, cluster_teardown),
        cmocka_unit_test_teardown(reads_that_may_be_old_are_answered_here_until_the_client_writes,
                                  cluster_teardown),
        cmocka_unit_test_teardown(the_leaders_maxclients_holds_for_those_who_come_by_a_proxy,
                                  cluster_teardown),
        cmocka_unit_test_teardown(without_a_leader_a_request_waits_and_is_then_refused, cluster_teardown),
        cmocka_unit_test_teardown(a_node_that_becomes_the_leader_serves_its_clients_itself, cluster_teardown),
        cmocka_unit_test_teardown(a_transaction_is_the_leaders, cluster_teardown),
        cmocka_unit_test_teardown(a_wait_is_the_leaders_and_ends_with_its_client, cluster_teardown),
        cmocka_unit_test_teardown(who_listens_at_a_proxy_hears_on_when_the_leader_is_lost, cluster_teardown),
    };
    return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
