/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../harness/load.h"
#include "../harness/wire.h"
#include "plan.h"

enum { KILLS_MAX = 1000, VALUE_BYTES = 100, FILL_BATCH = 500, RESTART_MS = 600000 };

/* ---- fail-over ------------------------------------------------------------------------------------------- */

static int order_numbers(const void *a, const void *b) {
    const uint64_t *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

/* From kill -9 to the next acknowledged write, by writers that try all nodes. */
void measure_failover(void) {
    static uint64_t gaps[KILLS_MAX];
    uint64_t kills = harness_setting("REDRAFT_KILLS", 50);
    struct cluster *cluster = cluster_prepare(3, NULL, "build");
    cluster_spawn_all(cluster);
    cluster_wait_equal(cluster);
    struct load *load = load_start(cluster, "bench", 6, 2000);
    kills = kills < 1 ? 1 : kills > KILLS_MAX ? KILLS_MAX : kills;
    for (uint64_t i = 0; i < kills; i++) {
        size_t leader = cluster_wait_equal(cluster);
        harness_sleep_ms(500 + i * 37 % 200);
        uint64_t killed_us = harness_now_us();
        cluster_kill(cluster, leader);
        uint64_t acked_us = load_wait_ack(load, harness_now_us(), 20000);
        if (acked_us == 0)
            harness_fail("no write was acknowledged within 20 s of a kill");
        gaps[i] = acked_us - killed_us;
        cluster_spawn(cluster, leader);
    }
    load_stop(load);
    qsort(gaps, kills, sizeof(*gaps), order_numbers);
    say("\nFail-over, kill -9 of the leader to the next acknowledged write, %llu times: median %.0f ms, "
        "worst %.0f ms "
        "(bars: 600 and 1200 ms)\n",
        (unsigned long long)kills, (double)gaps[kills / 2] / 1000, (double)gaps[kills - 1] / 1000);
    load_must_hold(load, "after the kills");
    load_free(load);
    cluster_free(cluster);
}

/* ---- memory, restart --------------------------------------------------------------------------------------- */

void fill_keys(unsigned port, uint64_t keys) {
    struct wire *wire = wire_open(port, 60000);
    char *bytes = malloc((size_t)FILL_BATCH * 256), value[VALUE_BYTES + 1];
    memset(value, 'v', VALUE_BYTES);
    value[VALUE_BYTES] = '\0';
    for (uint64_t key = 0; key < keys;) {
        size_t used = 0, sent = 0;
        for (; sent < FILL_BATCH && key < keys; sent++, key++)
            used += (size_t)sprintf(bytes + used, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012llu\r\n$%d\r\n%s\r\n",
                                    (unsigned long long)key, VALUE_BYTES, value);
        if (wire == NULL || !wire_send(wire, bytes, used))
            harness_fail("port %u does not take writes", port);
        for (size_t i = 0; i < sent; i++) {
            const char *reply = wire_next(wire);
            if (strcmp(reply, "+OK") != 0)
                harness_fail("port %u answers a SET with %s", port, reply);
        }
    }
    free(bytes);
    wire_close(wire);
}

/* used_memory, of INFO; 0 when it does not tell. */
static double used_megabytes(unsigned port) {
    struct wire *wire = wire_open(port, 10000);
    const char *text = wire == NULL ? "" : wire_ask(wire, "INFO memory"), *at = strstr(text, "used_memory:");
    double bytes = at == NULL ? 0 : strtod(at + strlen("used_memory:"), NULL);
    wire_close(wire);
    return bytes / 1048576;
}

static bool serves(unsigned port) {
    struct wire *wire = wire_open(port, 1000);
    const char *reply = wire ? wire_ask(wire, "GET key:000000000001") : "";
    bool there = reply[0] == '$';
    wire_close(wire);
    return there;
}

double until_served_s(unsigned port, uint64_t since_us) {
    while (!serves(port)) {
        if (harness_now_us() - since_us > (uint64_t)RESTART_MS * 1000)
            harness_fail("port %u does not serve again", port);
        harness_sleep_ms(5);
    }
    return (double)(harness_now_us() - since_us) / 1e6;
}

static double resident_mb(pid_t pid) {
    return (double)process_bytes(pid, "VmRSS") / 1048576;
}

static void say_one(const char *who, unsigned port, pid_t pid) {
    say("%-18s %12.1f %12.1f", who, used_megabytes(port), resident_mb(pid));
}

static void compare_redis(uint64_t keys) {
    struct system redis;
    system_start(&redis, SYSTEM_EVERYSEC, "build/bench", 0);
    fill_keys(redis.ports[0], keys);
    say_one("redis-server", redis.ports[0], redis.pids[0]);
    char port[16];
    snprintf(port, sizeof port, "%u", redis.ports[0]);
    const char *const argv[] = {"redis-server",
                                "--port",
                                port,
                                "--dir",
                                redis.dir,
                                "--appenddirname",
                                "append0",
                                "--dbfilename",
                                "dump0",
                                "--save",
                                "",
                                "--appendonly",
                                "yes",
                                NULL};
    process_kill(redis.pids[0]);
    uint64_t begun_us = harness_now_us();
    redis.pids[0] = process_start(argv, NULL);
    say(" %12.2f\n", until_served_s(redis.ports[0], begun_us));
    system_stop(&redis);
}

/* The whole cluster is killed, with a checkpoint and what came after it on disk as it happened to be. */
static void compare_cluster(uint64_t keys) {
    struct cluster *cluster = cluster_prepare(3, NULL, "build/bench");
    cluster_spawn_all(cluster);
    size_t leader = cluster_wait_equal(cluster);
    fill_keys(cluster->nodes[leader].port, keys);
    leader = cluster_wait_equal(cluster);
    size_t follower = (leader + 1) % cluster->count;
    say_one("redraft follower", cluster->nodes[follower].port, cluster->nodes[follower].pid);
    say("\n");
    say_one("redraft leader", cluster->nodes[leader].port, cluster->nodes[leader].pid);
    cluster_kill_all(cluster);
    uint64_t begun_us = harness_now_us();
    cluster_spawn_all(cluster);
    leader = cluster_wait_leader(cluster);
    say(" %12.2f\n", until_served_s(cluster->nodes[leader].port, begun_us));
    cluster_free(cluster);
}

void compare_restart(uint64_t keys) {
    say("\n%llu keys of %d bytes: memory in MB, seconds from the start after a kill -9 to the first read "
        "served (redis-server: one "
        "process;\nredraft: three at once, on the same cores)\n\n",
        (unsigned long long)keys, VALUE_BYTES);
    say("%-18s %12s %12s %12s\n", "", "used_memory", "resident", "restart");
    compare_redis(keys);
    compare_cluster(keys);
}
