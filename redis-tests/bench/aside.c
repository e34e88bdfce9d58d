/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
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
    uint64_t kills = harness_setting("REDRAFT_KILLS", 20);
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
        "(bar: median <= 800 ms)\n",
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

/* ---- checkpoints under load ------------------------------------------------------------------------------------ */

enum {
    TEXT_BYTES = 100 * 1000 * 1000,
    TEXT_PART = 1000 * 1000,
    STEADY_RATE = 20000, /* writes a second */
    CHANGE_EVERY_MS = 5, /* a place of the long string */
};

static void ask_ok(struct wire *wire, const char *words, const char *expected) {
    const char *reply = wire ? wire_ask(wire, words) : "nothing";
    if (strncmp(reply, expected, strlen(expected)) != 0)
        harness_fail("%.60s is answered with %.200s", words, reply);
}

static void make_text(struct wire *wire) {
    char *words = malloc(TEXT_PART + 64);
    size_t head = (size_t)sprintf(words, "APPEND a-text ");
    memset(words + head, 't', TEXT_PART);
    words[head + TEXT_PART] = '\0';
    for (size_t length = 0; length < TEXT_BYTES; length += TEXT_PART)
        ask_ok(wire, words, ":");
    free(words);
}

struct changing {
    unsigned port;
    volatile bool ends;
};

static void *change_text(void *context) {
    struct changing *changing = context;
    struct wire *wire = wire_open(changing->port, 60000);
    char words[128];
    for (uint64_t chance = 1; !changing->ends && wire; harness_sleep_ms(CHANGE_EVERY_MS)) {
        snprintf(words, sizeof words, "SETRANGE a-text %llu %s",
                 (unsigned long long)(harness_random(&chance) % (TEXT_BYTES - 100)), "some-other-bytes");
        if (wire_ask(wire, words)[0] != ':')
            break;
    }
    wire_close(wire);
    return NULL;
}

static void run_steady(const struct cluster *cluster, size_t leader, const char *name, uint64_t keys,
                       bool checkpoint) {
    static struct info info;
    struct drive_load load = {DRIVE_SET, 50, 1, VALUE_BYTES, keys};
    struct drive_result result;
    struct wire *wire = wire_open(cluster->nodes[leader].port, 60000);
    char why[256];
    ask_ok(wire, "CONFIG RESETSTAT", "+OK");
    size_t before = process_bytes(cluster->nodes[leader].pid, "VmRSS");
    if (checkpoint)
        ask_ok(wire, "RAFT.SNAPSHOT", "+OK");
    if (!drive(&speak_redis, cluster->nodes[leader].port, &load, 5000, STEADY_RATE, &result, why))
        harness_fail("%s: %s", name, why);
    while (checkpoint && cluster_info(cluster, leader, &info) && info_number(&info, "checkpoint_in_progress"))
        harness_sleep_ms(20);
    size_t after = process_bytes(cluster->nodes[leader].pid, "VmRSS");
    if (!cluster_info(cluster, leader, &info))
        harness_fail("the leader does not answer");
    say("%-34s %8.0f %8.2f %8.2f %8.2f | %8.2f %8.2f | %8llu %8.1f %8.1f | %6.0f %6.0f\n", name,
        (double)result.requests / result.seconds, result.p99_ms, result.p999_ms, result.max_ms,
        (double)info_number(&info, "loop_p999_us") / 1000, (double)info_number(&info, "loop_max_us") / 1000,
        (unsigned long long)(checkpoint ? info_number(&info, "checkpoint_last_pages") : 0),
        checkpoint ? (double)info_number(&info, "checkpoint_last_bytes") / 1e6 : 0,
        checkpoint ? (double)info_number(&info, "checkpoint_last_ms") / 1000 : 0, (double)before / 1048576,
        (double)after / 1048576);
    wire_close(wire);
}

void measure_checkpoints(uint64_t keys) {
    static const char *const by_hand[] = {"--raft-checkpoint-log-size", "100gb", "--raft-checkpoint-entries",
                                          "1000000000", NULL};
    struct cluster *cluster = cluster_prepare(3, by_hand, "build/bench");
    cluster_spawn_all(cluster);
    size_t leader = cluster_wait_equal(cluster);
    struct changing changing = {.port = cluster->nodes[leader].port};
    pthread_t thread;
    struct wire *wire = wire_open(changing.port, 60000);
    fill_keys(changing.port, keys);
    make_text(wire);
    say("\nCheckpoints: %llu keys of %d bytes, a string of %d MB of which a place changes every %d ms, %d "
        "SETs a second\n\n",
        (unsigned long long)keys, VALUE_BYTES, TEXT_BYTES / 1000000, CHANGE_EVERY_MS, STEADY_RATE);
    say("%-34s %8s %8s %8s %8s | %8s %8s | %8s %8s %8s | %6s %6s\n", "", "SETs/s", "p99 ms", "p99.9", "max",
        "loop99.9", "max ms", "pages", "MB", "seconds", "RSS", "after");
    pthread_create(&thread, NULL, change_text, &changing);
    run_steady(cluster, leader, "no checkpoint", keys, false);
    run_steady(cluster, leader, "the first, of all there is", keys, true);
    run_steady(cluster, leader, "no checkpoint", keys, false);
    run_steady(cluster, leader, "the second, of what has changed", keys, true);
    changing.ends = true;
    pthread_join(thread, NULL);
    wire_close(wire);
    cluster_free(cluster);
}
