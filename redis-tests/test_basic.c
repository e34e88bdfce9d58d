/* SPDX-License-Identifier: MIT */
/*
 * Every command over the wire, on a cluster of three: replies in both protocols, order on a connection, what followers say,
 * what the nodes tell of themselves. Deep comparison with Redis is test_oracle's; here is what must hold at a glance.
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
#include "harness/wire.h"

enum { WIRE_MS = 10000 };

static struct cluster *cluster; /* three nodes, shared by all tests here that do not say otherwise */
static size_t leader;

static int cluster_up(void **state) {
    (void)state;
    cluster = cluster_new(3, NULL);
    cluster->shared = true;
    leader = cluster_wait_equal(cluster);
    return 0;
}

static int cluster_down(void **state) {
    (void)state;
    cluster_free(cluster);
    return 0;
}

static struct wire *open_node(size_t at) {
    struct wire *wire = wire_open(cluster->nodes[at].port, harness_scaled_ms(WIRE_MS));
    assert_non_null(wire);
    return wire;
}

/* A connection to the leader; everything is empty. */
static struct wire *open_leader(void) {
    leader = cluster_wait_leader(cluster);
    struct wire *wire = open_node(leader);
    assert_string_equal(wire_ask(wire, "FLUSHALL"), "+OK");
    return wire;
}

/* ---- replies --------------------------------------------------------------------------------------------- */

static void strings_answer_as_redis_does(void **state) {
    static const struct exchange exchanges[] = {
        {"SET a 1", "+OK"},
        {"GET a", "$1 1"},
        {"GET nothing", "$-1"},
        {"SET a 2 NX", "$-1"},
        {"SET a 2 XX GET", "$1 1"},
        {"SET b 2 XX", "$-1"},
        {"SET b 2 NX GET", "$-1"},
        {"GET b", "$1 2"},
        {"SET a 3 EX 100", "+OK"},
        {"TTL a", ":100"},
        {"SET a 4 KEEPTTL", "+OK"},
        {"TTL a", ":100"},
        {"SET a 5 PX 200000", "+OK"},
        {"TTL a", ":200"},
        {"SET a 5 EXAT 9999999999", "+OK"},
        {"EXPIRETIME a", ":9999999999"},
        {"SET a 5 PXAT 9999999999000", "+OK"},
        {"PEXPIRETIME a", ":9999999999000"},
        {"SET a 5", "+OK"},
        {"TTL a", ":-1"},
        {"SET a 5 EX 0", "-ERR invalid expire time in 'set' command"},
        {"SET a 5 EX 5 PX 5", "-ERR syntax error"},
        {"SET a 5 NX XX", "-ERR syntax error"},
        {"SET a", "-ERR wrong number of arguments for 'set' command"},
        {"INCR a", ":6"},
        {"INCRBY a 10", ":16"},
        {"DECR a", ":15"},
        {"DECRBY a 20", ":-5"},
        {"INCRBY a x", "-ERR value is not an integer or out of range"},
        {"SET a 9223372036854775807", "+OK"},
        {"INCR a", "-ERR increment or decrement would overflow"},
        {"APPEND s hello", ":5"},
        {"APPEND s _world", ":11"},
        {"STRLEN s", ":11"},
        {"STRLEN nothing", ":0"},
        {"INCR s", "-ERR value is not an integer or out of range"},
        {"MSET k1 v1 k2 v2", "+OK"},
        {"MSET k1 v1 k2", "-ERR wrong number of arguments for 'mset' command"},
        {"MGET k1 nothing k2", "*3 $2 v1 $-1 $2 v2"},
        {"SETNX k1 x", ":0"},
        {"SETNX k3 x", ":1"},
        {"GETSET k3 y", "$1 x"},
        {"GETDEL k3", "$1 y"},
        {"GETDEL k3", "$-1"},
    };
    (void)state;
    struct wire *wire = open_leader();
    EXPECT(wire, exchanges);
    wire_close(wire);
}

static void keys_answer_as_redis_does(void **state) {
    static const struct exchange exchanges[] = {
        {"MSET a 1 b 2 c 3", "+OK"},
        {"EXISTS a b a nothing", ":3"},
        {"DEL a nothing", ":1"},
        {"UNLINK b b", ":1"},
        {"DBSIZE", ":1"},
        {"TYPE c", "+string"},
        {"TYPE nothing", "+none"},
        {"KEYS *", "*1 $1 c"},
        {"KEYS [^c]", "*0"},
        {"RANDOMKEY", "$1 c"},
        {"SCAN 0", "*2 $1 0 *1 $1 c"},
        {"SCAN x", "-ERR invalid cursor"},
        {"RENAME c d", "+OK"},
        {"RENAME c d", "-ERR no such key"},
        {"EXPIRE d 100", ":1"},
        {"EXPIRE nothing 100", ":0"},
        {"TTL d", ":100"},
        {"PERSIST d", ":1"},
        {"PERSIST d", ":0"},
        {"PEXPIRE d 100000", ":1"},
        {"TTL d", ":100"},
        {"EXPIREAT d 9999999999", ":1"},
        {"PEXPIRETIME d", ":9999999999000"},
        {"PEXPIREAT d 9999999999123", ":1"},
        {"EXPIRETIME d", ":9999999999"},
        {"PTTL nothing", ":-2"},
        {"TTL nothing", ":-2"},
        {"EXPIRETIME nothing", ":-2"},
        {"EXPIRE d -1", ":1"},
        {"EXISTS d", ":0"},
        {"RANDOMKEY", "$-1"},
        {"FLUSHDB", "+OK"},
        {"FLUSHALL ASYNC", "+OK"},
        {"FLUSHALL NOW", "-ERR syntax error"},
    };
    (void)state;
    struct wire *wire = open_leader();
    EXPECT(wire, exchanges);
    wire_close(wire);
}

static void connections_answer_as_redis_does(void **state) {
    static const struct exchange exchanges[] = {
        {"PING", "+PONG"},
        {"PING there", "$5 there"},
        {"ECHO words", "$5 words"},
        {"ECHO", "-ERR wrong number of arguments for 'echo' command"},
        {"CLIENT SETNAME tester", "+OK"},
        {"CLIENT GETNAME", "$6 tester"},
        {"CLIENT SETINFO LIB-NAME test", "+OK"},
        {"CLIENT ID", ":*"},
        {"CLIENT LIST", "$*"},
        {"CLIENT NO-EVICT on", "+OK"},
        {"CLIENT MAINT_NOTIFICATIONS ON", "-ERR *"},
        {"CLIENT REPLY ON", "+OK"},
        {"COMMAND COUNT", ":*"},
        {"COMMAND INFO get", "*1 *10 $3 get :2 *2 +readonly +fast :1 :1 :1 *"},
        {"COMMAND INFO nothing", "*1 $-1"},
        {"COMMAND DOCS get", "*2 $3 get *"},
        {"CONFIG GET databases", "*2 $9 databases $2 16"},
        {"CONFIG SET maxclients 5000", "+OK"},
        {"CONFIG GET maxclients", "*2 $10 maxclients $4 5000"},
        {"CONFIG SET nothing 1", "-ERR Unknown option or number of arguments for CONFIG SET - 'nothing'"},
        {"TIME", "*2 $10 *"},
        {"NOTHING a b", "-ERR unknown command 'NOTHING', with args beginning with: 'a' 'b' "},
        {"SENTINEL masters", "-ERR unknown command 'SENTINEL', with args beginning with: 'masters' "},
        {"AUTH word",
         "-ERR AUTH <password> called without any password configured for the default user. Are you "
         "sure your configuration is correct?"},
        {"READONLY", "+OK"},
        {"READWRITE", "+OK"},
        {"ASKING", "+OK"},
        {"HELLO 4", "-NOPROTO unsupported protocol version"},
        {"QUIT", "+OK"},
        {"PING", "closed"},
    };
    (void)state;
    struct wire *wire = open_leader();
    EXPECT(wire, exchanges);
    wire_close(wire);
}

static void resp3_types_are_spoken_after_hello_3(void **state) {
    static const struct exchange exchanges[] = {
        {"HELLO 3", "%7 $6 server *"},
        {"GET nothing", "_"},
        {"SET a 1 GET", "_"},
        {"MGET a nothing", "*2 $1 1 _"},
        {"CONFIG GET databases", "%1 $9 databases $2 16"},
        {"RANDOMKEY", "$1 a"},
        {"EXPIRE a 100", ":1"},
        {"INFO server", "=*"},
        {"CLUSTER NODES", "=*"},
        {"CLUSTER SHARDS", "*1 %2 *"},
        {"COMMAND INFO get", "*1 *10 $3 get :2 ~2 +readonly +fast :1 :1 :1 ~*"},
        {"CLIENT LIST", "=*"},
        {"HELLO 2", "*14 $6 server *"},
        {"GET nothing", "$-1"},
    };
    (void)state;
    struct wire *wire = open_leader();
    EXPECT(wire, exchanges);
    wire_close(wire);
}

static void sixteen_databases_are_apart(void **state) {
    (void)state;
    struct wire *wire = open_leader();
    char words[64], reply[64];
    for (int db = 0; db < 16; db++) {
        snprintf(words, sizeof(words), "SELECT %d", db);
        assert_string_equal(wire_ask(wire, words), "+OK");
        snprintf(words, sizeof(words), "SET number %d", db);
        assert_string_equal(wire_ask(wire, words), "+OK");
    }
    for (int db = 0; db < 16; db++) {
        snprintf(words, sizeof(words), "SELECT %d", db);
        assert_string_equal(wire_ask(wire, words), "+OK");
        snprintf(reply, sizeof(reply), "$%d %d", db < 10 ? 1 : 2, db);
        assert_string_equal(wire_ask(wire, "GET number"), reply);
        assert_string_equal(wire_ask(wire, "DBSIZE"), ":1");
    }
    assert_string_equal(wire_ask(wire, "SELECT 16"), "-ERR DB index is out of range");
    assert_string_equal(wire_ask(wire, "FLUSHDB"), "+OK");
    assert_string_equal(wire_ask(wire, "DBSIZE"), ":0");
    assert_string_equal(wire_ask(wire, "SELECT 3"), "+OK");
    assert_string_equal(wire_ask(wire, "DBSIZE"), ":1");
    wire_close(wire);
}

/* ---- order ----------------------------------------------------------------------------------------------- */

/* Requests in one send; their replies must come in this order. */
static void a_pipelined_read_sees_the_state_before_the_write_behind_it(void **state) {
    (void)state;
    struct wire *wire = open_leader();
    assert_string_equal(wire_ask(wire, "SET a 0"), "+OK");
    for (int round = 0; round < 200; round++) {
        char request[512], before[16], after[16];
        int length = snprintf(request, sizeof(request), "GET a\r\nSET a %d\r\nGET a\r\nINCR a\r\nGET a\r\n",
                              round * 2 + 1);
        assert_true(wire_send(wire, request, (size_t)length));
        snprintf(before, sizeof(before), "%d", round * 2);
        snprintf(after, sizeof(after), "%d", round * 2 + 1);
        assert_string_equal(strchr(wire_next(wire), ' ') + 1, before);
        assert_string_equal(wire_next(wire), "+OK");
        assert_string_equal(strchr(wire_next(wire), ' ') + 1, after);
        snprintf(after, sizeof(after), ":%d", round * 2 + 2);
        assert_string_equal(wire_next(wire), after);
        assert_string_equal(strchr(wire_next(wire), ' ') + 1, after + 1);
    }
    wire_close(wire);
}

static void a_long_pipeline_is_answered_in_order(void **state) {
    enum { COMMANDS = 20000 };
    (void)state;
    struct wire *wire = open_leader();
    char *requests = malloc(COMMANDS * 64);
    size_t length = 0;
    for (int i = 0; i < COMMANDS; i++)
        length += (size_t)sprintf(requests + length, i % 2 == 0 ? "INCR n\r\n" : "ECHO %d\r\n", i);
    assert_true(wire_send(wire, requests, length));
    for (int i = 0; i < COMMANDS; i++) {
        char expected[32];
        snprintf(expected, sizeof(expected), i % 2 == 0 ? ":%d" : "%d", i % 2 == 0 ? i / 2 + 1 : i);
        const char *reply = wire_next(wire);
        assert_string_equal(i % 2 == 0 ? reply : strchr(reply, ' ') + 1, expected);
    }
    free(requests);
    wire_close(wire);
}

static void binary_keys_and_values_come_back_as_they_were(void **state) {
    static const char set[] = "*3\r\n$3\r\nSET\r\n$5\r\na\0\r\nb\r\n$7\r\n\0\xff\r\n$1\n\r\n";
    static const char get[] = "*2\r\n$3\r\nGET\r\n$5\r\na\0\r\nb\r\n";
    static const char value[] = "$7\r\n\0\xff\r\n$1\n\r\n";
    const char *bytes;
    size_t length;
    (void)state;
    struct wire *wire = open_leader();
    assert_true(wire_send(wire, set, sizeof(set) - 1));
    assert_string_equal(wire_next(wire), "+OK");
    assert_true(wire_send(wire, get, sizeof(get) - 1));
    assert_int_equal(wire_read(wire, &bytes, &length), WIRE_OK);
    assert_int_equal(length, sizeof(value) - 1);
    assert_memory_equal(bytes, value, length);
    wire_close(wire);
}

static void what_one_connection_was_told_every_other_sees(void **state) {
    (void)state;
    struct wire *writer = open_leader(), *reader = open_node(leader);
    for (int i = 1; i <= 300; i++) {
        char expected[32];
        snprintf(expected, sizeof(expected), ":%d", i);
        assert_string_equal(wire_ask(writer, "INCR n"), expected);
        assert_string_equal(strchr(wire_ask(reader, "GET n"), ' ') + 1, expected + 1);
    }
    wire_close(writer);
    wire_close(reader);
}

static bool commits_were_timed(void) {
    static struct info info;
    assert_true(cluster_info(cluster, leader, &info));
    return info_number(&info, "commit_max_us") > 0;
}

/* A clock entry may come in between: then once more. */
static void latencies_begin_anew_with_the_other_statistics(void **state) {
    (void)state;
    struct wire *wire = open_leader();
    int tries = 0;
    assert_string_equal(wire_ask(wire, "SET a 1"), "+OK");
    assert_true(commits_were_timed());
    do
        assert_string_equal(wire_ask(wire, "CONFIG RESETSTAT"), "+OK");
    while (commits_were_timed() && ++tries < 10);
    assert_true(tries < 10);
    wire_close(wire);
}

static void a_client_may_ask_for_silence(void **state) {
    (void)state;
    struct wire *wire = open_leader();
    assert_true(wire_send_words(wire, "CLIENT REPLY SKIP"));
    assert_true(wire_send_words(wire, "SET a 1"));
    assert_string_equal(wire_ask(wire, "GET a"), "$1 1");
    assert_true(wire_send_words(wire, "CLIENT REPLY OFF"));
    assert_true(wire_send_words(wire, "INCR a"));
    assert_true(wire_send_words(wire, "GET a"));
    assert_string_equal(wire_ask(wire, "CLIENT REPLY ON"), "+OK");
    assert_string_equal(wire_ask(wire, "GET a"), "$1 2");
    wire_close(wire);
}

static void a_client_can_be_killed_by_its_id(void **state) {
    (void)state;
    struct wire *victim = open_leader(), *other = open_node(leader);
    char words[64];
    snprintf(words, sizeof(words), "CLIENT KILL ID %s", wire_ask(victim, "CLIENT ID") + 1);
    assert_string_equal(wire_ask(other, words), ":1");
    assert_string_equal(wire_ask(victim, "PING"), "closed");
    assert_string_equal(wire_ask(other, words), ":0");
    wire_close(victim);
    wire_close(other);
}

/* ---- expiry ---------------------------------------------------------------------------------------------- */

static void a_key_is_gone_when_its_time_is_over(void **state) {
    (void)state;
    struct wire *wire = open_leader();
    uint64_t before = harness_now_ms();
    assert_string_equal(wire_ask(wire, "SET a 1 PX 300"), "+OK");
    assert_string_equal(wire_ask(wire, "SET b 1"), "+OK");
    uint64_t since = harness_now_ms();
    while (strcmp(wire_ask(wire, "GET a"), "$1 1") == 0 && harness_now_ms() < since + 5000) {}
    uint64_t now = harness_now_ms();
    assert_string_equal(wire_ask(wire, "GET a"), "$-1");
    assert_string_equal(wire_ask(wire, "PTTL a"), ":-2");
    assert_string_equal(wire_ask(wire, "EXISTS a"), ":0");
    assert_string_equal(wire_ask(wire, "DBSIZE"), ":1");
    assert_string_equal(wire_ask(wire, "KEYS *"), "*1 $1 b");
    assert_in_range(now - before, 298, harness_scaled_ms(600));
    wire_close(wire);
}

static void nobody_needs_to_look_for_keys_to_expire(void **state) {
    (void)state;
    struct wire *wire = open_leader();
    char words[64];
    for (int i = 0; i < 100; i++) {
        snprintf(words, sizeof(words), "SET key%d 1 PX %d", i, 100 + i);
        assert_string_equal(wire_ask(wire, words), "+OK");
    }
    harness_sleep_ms(harness_scaled_ms(500));
    assert_string_equal(wire_ask(wire, "DBSIZE"), ":0");
    wire_close(wire);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_answer_as_redis_does),
        cmocka_unit_test(keys_answer_as_redis_does),
        cmocka_unit_test(connections_answer_as_redis_does),
        cmocka_unit_test(resp3_types_are_spoken_after_hello_3),
        cmocka_unit_test(sixteen_databases_are_apart),
        cmocka_unit_test(a_pipelined_read_sees_the_state_before_the_write_behind_it),
        cmocka_unit_test(a_long_pipeline_is_answered_in_order),
        cmocka_unit_test(binary_keys_and_values_come_back_as_they_were),
        cmocka_unit_test(what_one_connection_was_told_every_other_sees),
        cmocka_unit_test(latencies_begin_anew_with_the_other_statistics),
        cmocka_unit_test(a_client_may_ask_for_silence),
        cmocka_unit_test(a_client_can_be_killed_by_its_id),
        cmocka_unit_test(a_key_is_gone_when_its_time_is_over),
        cmocka_unit_test(nobody_needs_to_look_for_keys_to_expire),
    };
    return cmocka_run_group_tests_name("basic", tests, cluster_up, cluster_down);
}
