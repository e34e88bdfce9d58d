/* SPDX-License-Identifier: MIT */
/*
 * Clients of Redis Sentinel find the leader, hear when it is another, and are told the same by every node, in the words and shapes of
 * a real Sentinel: redis-server --sentinel stands beside and is asked the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/wire.h"

enum { WIRE_MS = 10000, RETURN_MS = 15000, NODES = 3 };

static char ports[NODES][16];
static const char *node_options[NODES][3];

static struct cluster *sentinel_cluster(const char *const *options) {
    struct cluster *cluster = cluster_prepare(NODES, options, NULL);
    for (size_t i = 0; i < NODES; i++) {
        snprintf(ports[i], sizeof ports[i], "%u", cluster_free_port());
        node_options[i][0] = "--sentinel-port";
        node_options[i][1] = ports[i];
        node_options[i][2] = NULL;
        cluster->nodes[i].options = node_options[i];
    }
    cluster_spawn_all(cluster);
    cluster_wait_equal(cluster);
    return cluster;
}

static struct wire *open_port(const char *port) {
    struct wire *wire = wire_open((unsigned)strtoul(port, NULL, 10), harness_scaled_ms(WIRE_MS));
    if (wire == NULL)
        harness_fail("nobody listens on port %s", port);
    return wire;
}

/* The value of a field in a reply as wire_text has it. */
static void value_of(const char *reply, const char *name, char value[64]) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, " %s $", name);
    const char *at = strstr(reply, wanted);
    if (at == NULL)
        harness_fail("no field %s in %s", name, reply);
    at = strchr(at + strlen(wanted), ' ') + 1;
    snprintf(value, 64, "%.*s", (int)strcspn(at, " "), at);
}

static void wait_for_links(struct cluster *cluster) {
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(RETURN_MS);
    for (size_t i = 0; i < cluster->count; i++) {
        struct wire *wire = open_port(ports[i]);
        while (strncmp(wire_ask(wire, "SENTINEL SENTINELS mymaster"), "*2 ", 3) != 0) {
            if (harness_now_ms() >= deadline)
                harness_fail("node %zu does not know the other Sentinels", i + 1);
            harness_sleep_ms(10);
        }
        wire_close(wire);
    }
}

static void every_node_tells_the_same_leader_who_says_so_itself(void **state) {
    (void)state;
    struct cluster *cluster = sentinel_cluster(NULL);
    size_t leader = cluster_wait_equal(cluster);
    char address[64], port[16], value[64];
    wait_for_links(cluster);
    snprintf(port, sizeof port, "%u", cluster->nodes[leader].port);
    snprintf(address, sizeof address, "*2 $9 127.0.0.1 $%zu %s", strlen(port), port);
    for (size_t i = 0; i < NODES; i++) {
        struct wire *wire = open_port(ports[i]), *data = wire_open(cluster->nodes[i].port, WIRE_MS);
        assert_string_equal(wire_ask(wire, "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster"), address);
        const char *reply = wire_ask(wire, "SENTINEL MASTERS");
        value_of(reply, "port", value);
        assert_string_equal(value, port);
        value_of(reply, "flags", value);
        assert_string_equal(value, "master");
        value_of(reply, "num-other-sentinels", value);
        assert_string_equal(value, "2");
        assert_int_equal(strncmp(wire_ask(wire, "SENTINEL REPLICAS mymaster"), "*2 ", 3), 0);
        assert_string_equal(wire_ask(wire, "SENTINEL CKQUORUM mymaster"),
                            "+OK 3 usable Sentinels. Quorum and failover authorization can be reached");
        reply = wire_ask(data, "ROLE");
        assert_int_equal(strncmp(reply, i == leader ? "*3 $6 master " : "*5 $5 slave ", 12), 0);
        reply = wire_ask(data, "INFO replication");
        assert_non_null(strstr(reply, i == leader ? "role:master" : "role:slave"));
        assert_int_equal(strncmp(wire_ask(data, "SENTINEL MASTERS"), "-ERR unknown command 'SENTINEL'", 31),
                         0);
        wire_close(wire);
        wire_close(data);
    }
    cluster_free(cluster);
}

/* ---- a real one beside ------------------------------------------------------------------------------------ */

/* Only what does not depend on the group: bulks that are names of fields, kinds, errors. A value, which follows its field's
 * name, is left out. */
static void shape_of(const char *reply, char *shape, size_t size) {
    size_t length = 0;
    bool in_map = strchr("*%", reply[0]) && strstr(reply, " down-after-milliseconds ") != NULL;
    bool value = false;
    char copy[16384];
    snprintf(copy, sizeof copy, "%s", reply);
    shape[0] = 0;
    if (!in_map) {
        snprintf(shape, size, "%s", reply);
        return;
    }
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        if (strchr("*%$", word[0]))
            continue; /* counts, lengths */
        if (!value)
            length += (size_t)snprintf(shape + length, length < size ? size - length : 0, "%s ", word);
        value = !value;
    }
}

/* One entry of a list is enough; the others repeat it. */
static void first_entry(char *shape) {
    char *second = strstr(shape + 1, " name ");
    if (second)
        second[1] = 0;
}

struct real {
    pid_t pids[4];
    unsigned master, replica, sentinels[2];
    char dir[CLUSTER_PATH_MAX];
};

static void start_real(struct real *real) {
    char port[16], master[16], text[256], path[CLUSTER_PATH_MAX + 16];
    snprintf(real->dir, sizeof real->dir, "/tmp/redraft-sentinel-XXXXXX");
    assert_non_null(mkdtemp(real->dir));
    real->master = cluster_free_port();
    real->replica = cluster_free_port();
    snprintf(master, sizeof master, "%u", real->master);
    const char *const first[] = {"redis-server", "--port", master, "--save", "", "--dir", real->dir, NULL};
    real->pids[0] = process_start(first, NULL);
    snprintf(port, sizeof port, "%u", real->replica);
    const char *const second[] = {"redis-server", "--port",      port,        "--save", "",  "--dir",
                                  real->dir,      "--replicaof", "127.0.0.1", master,   NULL};
    real->pids[1] = process_start(second, NULL);
    for (int i = 0; i < 2; i++) {
        real->sentinels[i] = cluster_free_port();
        snprintf(path, sizeof path, "%s/s%d.conf", real->dir, i);
        int length =
            snprintf(text, sizeof text, "port %u\ndir %s\nsentinel monitor mymaster 127.0.0.1 %u 1\n",
                     real->sentinels[i], real->dir, real->master);
        file_write(path, text, (size_t)length);
        const char *const argv[] = {"redis-server", path, "--sentinel", NULL};
        real->pids[2 + i] = process_start(argv, NULL);
    }
}

static void wait_real(const struct real *real) {
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(30000);
    for (;; harness_sleep_ms(50)) {
        struct wire *wire = wire_open(real->sentinels[0], 500);
        bool found = wire && strncmp(wire_ask(wire, "SENTINEL REPLICAS mymaster"), "*1 ", 3) == 0 &&
                     strncmp(wire_ask(wire, "SENTINEL SENTINELS mymaster"), "*1 ", 3) == 0 &&
                     strstr(wire_ask(wire, "SENTINEL REPLICAS mymaster"), " flags $5 slave ") != NULL &&
                     strstr(wire_ask(wire, "SENTINEL REPLICAS mymaster"), " runid $40 ") != NULL;
        wire_close(wire);
        if (found)
            return;
        if (harness_now_ms() >= deadline)
            harness_fail("the real Sentinel finds nobody");
    }
}

static void the_replies_have_the_shape_of_a_real_sentinels(void **state) {
    (void)state;
    static const char *const commands[] = {
        "SENTINEL MASTERS",
        "SENTINEL MASTER mymaster",
        "SENTINEL MASTER x",
        "SENTINEL GET-MASTER-ADDR-BY-NAME x",
        "SENTINEL SLAVES mymaster",
        "SENTINEL REPLICAS mymaster",
        "SENTINEL REPLICAS x",
        "SENTINEL SENTINELS mymaster",
        "SENTINEL SENTINELS x",
        "SENTINEL CKQUORUM x",
        "SENTINEL FAILOVER x",
        "SENTINEL",
        "SENTINEL FOO",
        "SENTINEL MASTER",
        "SENTINEL MASTER a b",
        "SENTINEL PENDING-SCRIPTS",
        "PING",
        "PING x",
        "PING x y",
        "ROLE",
        "ROLE x",
        "SUBSCRIBE a b",
        "PSUBSCRIBE c*",
        "PING",
        "PING x",
        "ROLE",
        "SENTINEL MASTERS",
        "GET x",
        "SUBSCRIBE",
        "UNSUBSCRIBE z",
        "UNSUBSCRIBE a",
        "PUNSUBSCRIBE",
        "UNSUBSCRIBE",
        "UNSUBSCRIBE",
        "PUNSUBSCRIBE",
        "GET x",
        "SELECT 0",
        "ECHO x",
        "PUBLISH a b",
        "PUBLISH a",
        "AUTH x",
        "CLIENT SETNAME joe",
        "CLIENT GETNAME",
        "SENTINEL IS-MASTER-DOWN-BY-ADDR 127.0.0.1 1 0 *",
        "HELLO 4",
        "CLIENT NONSENSE",
    };
    static char ours_shape[16384], theirs_shape[16384];
    struct real real;
    struct cluster *cluster = sentinel_cluster(NULL);
    wait_for_links(cluster);
    start_real(&real);
    wait_real(&real);
    char port[16];
    snprintf(port, sizeof port, "%u", real.sentinels[0]);
    for (int protocol = 2; protocol <= 3; protocol++) {
        struct wire *ours = open_port(ports[1]), *theirs = open_port(port);
        char hello[16];
        snprintf(hello, sizeof hello, "HELLO %d", protocol);
        assert_int_equal(strncmp(wire_ask(ours, hello), protocol == 2 ? "*12 " : "%6 ", 3), 0);
        assert_int_equal(strncmp(wire_ask(theirs, hello), protocol == 2 ? "*12 " : "%6 ", 3), 0);
        for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
            shape_of(wire_ask(ours, commands[i]), ours_shape, sizeof ours_shape);
            shape_of(wire_ask(theirs, commands[i]), theirs_shape, sizeof theirs_shape);
            first_entry(ours_shape);
            first_entry(theirs_shape);
            if (strcmp(ours_shape, theirs_shape) != 0)
                harness_fail("RESP%d %s:\n  ours   %s\n  theirs %s", protocol, commands[i], ours_shape,
                             theirs_shape);
            while (strcmp(commands[i], "SUBSCRIBE a b") == 0 ||
                   strncmp(commands[i], "UNSUBSCRIBE", 12) == 0) {
                harness_sleep_ms(50);
                if (wire_waiting(theirs) == 0)
                    break;
                shape_of(wire_next(theirs), theirs_shape, sizeof theirs_shape);
                assert_string_equal(wire_next(ours), theirs_shape);
            }
        }
        wire_close(ours);
        wire_close(theirs);
    }
    for (int i = 0; i < 4; i++)
        process_kill(real.pids[i]);
    directory_remove(real.dir);
    cluster_free(cluster);
}

/* ---- changes of the leader -------------------------------------------------------------------------------- */

static void must_hear(struct wire *wire, const struct cluster *cluster, size_t old) {
    char text[128];
    size_t now = cluster_wait_other_leader(cluster, old);
    for (;;) {
        const char *reply = wire_next(wire);
        if (strncmp(reply, "*3 $7 message $14 +switch-master ", 33) != 0)
            harness_fail("no +switch-master, but %s", reply);
        snprintf(text, sizeof text, "%s", strchr(reply + 33, ' ') + 1);
        char expected[128];
        snprintf(expected, sizeof expected, "mymaster 127.0.0.1 %u 127.0.0.1 %u", cluster->nodes[old].port,
                 cluster->nodes[now].port);
        if (strcmp(text, expected) == 0)
            return;
        harness_say("on the way: %s", text); /* one that led for a moment */
        old = cluster->nodes[0].port == strtoul(strrchr(text, ' '), NULL, 10)   ? 0
              : cluster->nodes[1].port == strtoul(strrchr(text, ' '), NULL, 10) ? 1
                                                                                : 2;
    }
}

static void every_node_says_when_another_one_leads(void **state) {
    (void)state;
    struct cluster *cluster = sentinel_cluster(NULL);
    struct wire *wires[NODES], *patterns;
    char flags[64];
    size_t leader = cluster_wait_equal(cluster), follower = (leader + 1) % NODES;
    for (size_t i = 0; i < NODES; i++) {
        wires[i] = open_port(ports[i]);
        assert_string_equal(wire_ask(wires[i], "SUBSCRIBE +switch-master"),
                            "*3 $9 subscribe $14 +switch-master :1");
    }
    patterns = open_port(ports[follower]);
    assert_string_equal(wire_ask(patterns, "PSUBSCRIBE *"), "*3 $10 psubscribe $1 * :1");
    struct wire *asks = open_port(ports[follower]);
    cluster_kill(cluster, leader);
    for (size_t i = 0; i < NODES; i++)
        if (i != leader)
            must_hear(wires[i], cluster, leader);
    bool down = false, replica = false, switched = false;
    while (!switched || !replica) {
        const char *reply = wire_next(patterns);
        assert_int_equal(strncmp(reply, "*4 $8 pmessage $1 * ", 20), 0);
        down |= strstr(reply, " +sdown ") != NULL;
        replica |= strstr(reply, " +slave ") != NULL;
        switched |= strstr(reply, " +switch-master ") != NULL;
    }
    assert_true(down);
    value_of(wire_ask(asks, "SENTINEL MASTERS"), "flags", flags);
    assert_string_equal(flags, "master");
    wire_close(wires[leader]);
    cluster_spawn(cluster, leader);
    /* nobody leads: the last leader is still told, marked */
    size_t now = cluster_wait_equal(cluster), left = now == follower ? (now + 1) % NODES : now;
    cluster_kill(cluster, left);
    cluster_kill(cluster, 3 - left - follower);
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(RETURN_MS);
    do {
        assert_true(harness_now_ms() < deadline);
        value_of(wire_ask(asks, "SENTINEL MASTERS"), "flags", flags);
    } while (strcmp(flags, "s_down,o_down,master") != 0);
    assert_int_equal(strncmp(wire_ask(asks, "SENTINEL CKQUORUM mymaster"), "-NOQUORUM ", 10), 0);
    wire_close(asks);
    wire_close(patterns);
    for (size_t i = 0; i < NODES; i++)
        if (i != leader)
            wire_close(wires[i]);
    cluster_free(cluster);
}

static void a_failover_on_request_closes_the_old_leaders_clients_after_their_answers(void **state) {
    (void)state;
    struct cluster *cluster = sentinel_cluster(NULL);
    size_t leader = cluster_wait_equal(cluster);
    struct wire *client = wire_open(cluster->nodes[leader].port, WIRE_MS),
                *reader = wire_open(cluster->nodes[leader].port, WIRE_MS),
                *sentinel = open_port(ports[leader]), *other = open_port(ports[(leader + 1) % NODES]);
    assert_string_equal(wire_ask(client, "SET a 1"), "+OK");
    assert_string_equal(wire_ask(reader, "READONLY"), "+OK");
    assert_int_equal(strncmp(wire_ask(other, "SENTINEL FAILOVER mymaster"), "-ERR only the leader", 20), 0);
    assert_string_equal(wire_ask(sentinel, "SUBSCRIBE +switch-master"),
                        "*3 $9 subscribe $14 +switch-master :1");
    struct wire *asks = open_port(ports[leader]);
    assert_string_equal(wire_ask(asks, "SENTINEL FAILOVER mymaster"), "+OK");
    must_hear(sentinel, cluster, leader);
    assert_string_equal(wire_next(client), "closed");
    assert_string_equal(wire_ask(reader, "PING"), "+PONG");
    wire_close(client);
    wire_close(reader);
    wire_close(sentinel);
    wire_close(other);
    wire_close(asks);
    cluster_free(cluster);
}

static void the_port_may_have_a_password_of_its_own(void **state) {
    (void)state;
    static const char *const options[] = {
        "--requirepass", "data", "--sentinel-requirepass", "sentinel", "--sentinel-master-name",
        "cache",         NULL};
    struct cluster *cluster = cluster_prepare(1, options, NULL);
    snprintf(ports[0], sizeof ports[0], "%u", cluster_free_port());
    const char *const own[] = {"--sentinel-port", ports[0], NULL};
    cluster->nodes[0].options = own;
    cluster->password = "data";
    cluster_spawn_all(cluster);
    cluster_wait_leader(cluster);
    struct wire *wire = open_port(ports[0]);
    assert_string_equal(wire_ask(wire, "SENTINEL MASTERS"), "-NOAUTH Authentication required.");
    assert_int_equal(strncmp(wire_ask(wire, "AUTH data"), "-WRONGPASS ", 11), 0);
    assert_string_equal(wire_ask(wire, "AUTH sentinel"), "+OK");
    assert_int_equal(
        strncmp(wire_ask(wire, "SENTINEL GET-MASTER-ADDR-BY-NAME cache"), "*2 $9 127.0.0.1 ", 16), 0);
    assert_string_equal(wire_ask(wire, "SENTINEL GET-MASTER-ADDR-BY-NAME mymaster"), "*-1");
    assert_string_equal(wire_ask(wire, "SENTINEL FAILOVER cache"),
                        "-NOGOODSLAVE No suitable replica to promote");
    wire_close(wire);
    cluster_free(cluster);
}

/* ---- redis-py --------------------------------------------------------------------------------------------- */

static const char python[] = "/usr/bin/python3"; /* Debian's, which sees Debian's modules */

static bool redis_py_is_there(void) {
    static const char *const argv[] = {python, "-c", "import redis.sentinel", NULL};
    struct process_result result;
    process_run(argv, NULL, 0, harness_scaled_ms(20000), &result);
    free(result.output);
    return result.status == 0;
}

static void redis_py_counts_on_through_the_loss_of_leaders(void **state) {
    (void)state;
    if (!redis_py_is_there()) {
        harness_say("SKIPPED: python3 has no module redis (Debian: python3-redis)");
        skip();
    }
    struct cluster *cluster = sentinel_cluster(NULL);
    char output[CLUSTER_PATH_MAX + 16], stop[CLUSTER_PATH_MAX + 16];
    snprintf(output, sizeof output, "%.200s/python", cluster->dir);
    snprintf(stop, sizeof stop, "%.200s/stop", cluster->dir);
    const char *const argv[] = {
        python, "redis-tests/clients/sentinel.py", stop, "mymaster", ports[0], ports[1], ports[2], NULL};
    pid_t pid = process_start(argv, output);
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(RETURN_MS);
    char *said;
    while ((said = file_read(output, NULL)) == NULL || strstr(said, "counting") == NULL) {
        if (harness_now_ms() >= deadline)
            harness_fail("redis-py does not count: %s", said ? said : "it says nothing");
        free(said);
        harness_sleep_ms(20);
    }
    free(said);
    for (int i = 0; i < 2; i++) {
        size_t leader = cluster_wait_equal(cluster);
        harness_sleep_ms(700);
        cluster_kill(cluster, leader);
        cluster_wait_leader(cluster);
        harness_sleep_ms(700);
        cluster_spawn(cluster, leader);
    }
    for (int i = 0; i < 2; i++) { /* and in order */
        size_t leader = cluster_wait_equal(cluster);
        assert_int_equal(cluster_end(cluster, leader), 0);
        cluster_spawn(cluster, leader);
        harness_sleep_ms(700);
    }
    cluster_wait_equal(cluster);
    file_write(stop, "", 0);
    int status;
    assert_true(process_wait(pid, harness_scaled_ms(40000), &status));
    said = file_read(output, NULL);
    const char *end = strstr(said, "end ");
    unsigned long long done, unknown, refused, pause_ms, value, replicas;
    if (end == NULL || sscanf(end, "end %llu %llu %llu %llu %llu %llu", &done, &unknown, &refused, &pause_ms,
                              &value, &replicas) != 6)
        harness_fail("redis-py says: %s", said);
    harness_say("redis-py: %llu acknowledged, %llu unknown, %llu refused, longest pause %llu ms", done,
                unknown, refused, pause_ms);
    assert_true(done > 100 && value >= done && value <= done + unknown);
    assert_true(pause_ms < harness_scaled_ms(6000));
    assert_int_equal(replicas, 2);
    free(said);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_node_tells_the_same_leader_who_says_so_itself, cluster_teardown),
        cmocka_unit_test_teardown(the_replies_have_the_shape_of_a_real_sentinels, cluster_teardown),
        cmocka_unit_test_teardown(every_node_says_when_another_one_leads, cluster_teardown),
        cmocka_unit_test_teardown(a_failover_on_request_closes_the_old_leaders_clients_after_their_answers,
                                  cluster_teardown),
        cmocka_unit_test_teardown(the_port_may_have_a_password_of_its_own, cluster_teardown),
        cmocka_unit_test_teardown(redis_py_counts_on_through_the_loss_of_leaders, cluster_teardown),
    };
    return cmocka_run_group_tests_name("sentinel", tests, NULL, NULL);
}
