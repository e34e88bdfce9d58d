/* SPDX-License-Identifier: MIT */
/*
 * How redraft grows: with keys (one node, beside one redis-server), with connections and with nodes. Loads as elsewhere; each table changes one
 * number only, so that a cliff would show as a row that is out of line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../harness/wire.h"
#include "plan.h"

enum { VALUE_BYTES = 100, KEYS_FIRST = 10000, KEYS_USUAL = 10000000, FEW_KEYS = 100000, FILES = 16384 };

static uint64_t run_ms(void) {
    return harness_setting("REDRAFT_RUN_MS", 2000);
}

static void drive_or_fail(const struct speaker *speaker, unsigned port, const struct drive_load *load,
                          struct drive_result *result) {
    char why[256];
    if (!drive(speaker, port, load, run_ms(), 0, result, why))
        harness_fail("%s with %u connections: %s", drive_names[load->kind], load->connections, why);
}

static void tell(unsigned port, const char *words) {
    struct wire *wire = wire_open(port, 60000);
    const char *reply = wire ? wire_ask(wire, words) : "nothing";
    if (strncmp(reply, "+OK", 3) != 0)
        harness_fail("%s is answered with %.100s", words, reply);
    wire_close(wire);
}

/* With patience: after a load of very many a node may have some of it before it still. */
static double loop_max_ms(const struct cluster *cluster, size_t at) {
    struct wire *wire = wire_open(cluster->nodes[at].port, 60000);
    const char *text = wire ? wire_ask(wire, "RAFT.INFO") : "", *pause = strstr(text, "loop_max_us:");
    if (!pause)
        harness_fail("node %zu does not answer", at + 1);
    double ms = strtod(pause + strlen("loop_max_us:"), NULL) / 1000;
    wire_close(wire);
    return ms;
}

static double resident(pid_t pid) {
    return (double)process_bytes(pid, "VmRSS");
}

/* ---- keys ------------------------------------------------------------------------------------------------ */

struct kept {
    double fill_per_s, empty_bytes, bytes, restart_s;
};

static void fill_timed(unsigned port, pid_t pid, uint64_t keys, struct kept *kept) {
    kept->empty_bytes = resident(pid);
    uint64_t begun_us = harness_now_us();
    fill_keys(port, keys);
    kept->fill_per_s = (double)keys * 1e6 / (double)(harness_now_us() - begun_us);
    kept->bytes = resident(pid);
}

/* redis-server writes no log here: what is compared is memory. */
static void keep_in_redis(uint64_t keys, struct kept *kept) {
    char port[16];
    snprintf(port, sizeof port, "%u", cluster_free_port());
    const char *const argv[] = {"redis-server", "--port", port, "--save", "", "--appendonly", "no", NULL};
    pid_t pid = process_start(argv, NULL);
    unsigned number = (unsigned)strtoul(port, NULL, 10);
    struct wire *wire = NULL;
    while (!(wire = wire_open(number, 1000)))
        harness_sleep_ms(20);
    wire_close(wire);
    fill_timed(number, pid, keys, kept);
    process_kill(pid);
}

static void say_load(const struct cluster *cluster, const struct drive_load *load) {
    struct drive_result result;
    unsigned port = cluster->nodes[0].port;
    tell(port, "CONFIG RESETSTAT");
    drive_or_fail(&speak_redis, port, load, &result);
    say(" | %8.0f %7.2f %7.2f %7.1f", (double)result.requests / result.seconds, result.p50_ms, result.p99_ms,
        loop_max_ms(cluster, 0));
}

static void say_keys(uint64_t keys) {
    struct drive_load set = {DRIVE_SET, 50, 16, VALUE_BYTES, keys},
                      get = {DRIVE_GET, 50, 16, VALUE_BYTES, keys};
    struct kept redis, kept;
    keep_in_redis(keys, &redis);
    struct cluster *cluster = cluster_prepare(1, NULL, "build/bench");
    cluster_spawn_all(cluster);
    cluster_wait_leader(cluster);
    fill_timed(cluster->nodes[0].port, cluster->nodes[0].pid, keys, &kept);
    say("%9llu | %8.0f", (unsigned long long)keys, kept.fill_per_s);
    say_load(cluster, &set);
    say_load(cluster, &get);
    double disk = directory_bytes(cluster->nodes[0].dir);
    cluster_kill(cluster, 0);
    uint64_t begun_us = harness_now_us();
    cluster_spawn(cluster, 0);
    double restart_s = until_served_s(cluster->nodes[0].port, begun_us);
    double again = resident(cluster->nodes[0].pid);
    say(" | %7.0f %7.0f %7.0f | %7.0f %7.2f\n", (kept.bytes - kept.empty_bytes) / (double)keys,
        (again - kept.empty_bytes) / (double)keys, (redis.bytes - redis.empty_bytes) / (double)keys,
        disk / 1e6, restart_s);
    cluster_free(cluster);
}

static void scale_keys(void) {
    uint64_t most = harness_setting("REDRAFT_KEYS", KEYS_USUAL);
    say("\nKeys of %d bytes, one node; SET and GET 50 x 16: per second, p50 and p99 ms, longest pause of the "
        "loop in ms; resident bytes a key as filled, as "
        "loaded again, and redis-server's;\nMB on disk; seconds from the start after a kill -9 to the first "
        "read served\n\n",
        VALUE_BYTES);
    say("%9s | %8s | %8s %7s %7s %7s | %8s %7s %7s %7s | %7s %7s %7s | %7s %7s\n", "keys", "fill/s", "SET/s",
        "p50", "p99", "pause", "GET/s", "p50", "p99", "pause", "filled", "loaded", "redis", "disk",
        "restart");
    for (uint64_t keys = KEYS_FIRST; keys <= most; keys *= 10)
        say_keys(keys);
}

/* ---- connections ------------------------------------------------------------------------------------------- */

static void allow_files(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur >= FILES)
        return;
    rlim_t hard = limit.rlim_max;
    limit = (struct rlimit){FILES, hard > FILES ? hard : FILES};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        say("(no more than %llu descriptors are allowed here)\n", (unsigned long long)hard);
}

static double cpu_us(const struct cluster *cluster, size_t at) {
    return 1e6 * process_cpu_s(cluster->nodes[at].pid);
}

static void say_crowd(struct cluster *cluster, size_t leader, unsigned connections) {
    static const enum drive_kind kinds[] = {DRIVE_SET, DRIVE_GET};
    double before = resident(cluster->nodes[leader].pid);
    say("%9u", connections);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct drive_load load = {kinds[i], connections, 1, VALUE_BYTES, FEW_KEYS};
        struct drive_result result;
        tell(cluster->nodes[leader].port, "CONFIG RESETSTAT");
        double used_us = cpu_us(cluster, leader);
        drive_or_fail(&speak_redis, cluster->nodes[leader].port, &load, &result);
        used_us = (cpu_us(cluster, leader) - used_us) / (double)(result.requests ? result.requests : 1);
        say(" | %8.0f %7.2f %7.2f %7.2f %6.1f %7.1f", (double)result.requests / result.seconds, result.p50_ms,
            result.p99_ms, result.max_ms, used_us, loop_max_ms(cluster, leader));
    }
    double peak = (double)process_bytes(cluster->nodes[leader].pid, "VmHWM");
    say(" | %7.1f\n", (peak - before) / 1e6);
}

static void scale_connections(void) {
    static const char *const crowded[] = {"--maxclients", "10100", "--raft-stall-timeout", "0", NULL};
    static const struct drive_load fill = {DRIVE_SET, 50, 16, VALUE_BYTES, FEW_KEYS};
    static const unsigned counts[] = {1, 10, 100, 1000, 10000};
    struct drive_result result;
    allow_files();
    struct cluster *cluster = cluster_prepare(3, crowded, "build/bench");
    cluster_spawn_all(cluster);
    size_t leader = cluster_wait_equal(cluster);
    drive_or_fail(&speak_redis, cluster->nodes[leader].port, &fill, &result);
    say("\nConnections, three nodes; SET and GET, no pipeline: per second, ms, CPU of the leader in us a "
        "request, longest pause of its loop in ms; MB by which the leader was larger at its peak\n\n");
    say("%9s | %8s %7s %7s %7s %6s %7s | %8s %7s %7s %7s %6s %7s | %7s\n", "clients", "SET/s", "p50", "p99",
        "max", "CPU", "pause", "GET/s", "p50", "p99", "max", "CPU", "pause", "more");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        say_crowd(cluster, leader, counts[i]);
    cluster_free(cluster);
}

/* ---- nodes -------------------------------------------------------------------------------------------------- */

static void say_members(size_t count) {
    static const struct drive_load loads[] = {{DRIVE_SET, 1, 1, VALUE_BYTES, FEW_KEYS},
                                              {DRIVE_SET, 50, 1, VALUE_BYTES, FEW_KEYS},
                                              {DRIVE_SET, 50, 16, VALUE_BYTES, FEW_KEYS},
                                              {DRIVE_GET, 50, 16, VALUE_BYTES, FEW_KEYS}};
    static const char *const stays[] = {"--raft-stall-timeout", "0", NULL}; /* on a disk that stands still */
    struct cluster *cluster = cluster_prepare(count, stays, "build/bench");
    cluster_spawn_all(cluster);
    size_t leader = cluster_wait_equal(cluster);
    say("%9zu", count);
    for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
        struct drive_result result;
        size_t other = (leader + 1) % count;
        double leads = cpu_us(cluster, leader), follows = cpu_us(cluster, other);
        drive_or_fail(&speak_redis, cluster->nodes[leader].port, &loads[i], &result);
        double requests = (double)(result.requests ? result.requests : 1);
        leads = (cpu_us(cluster, leader) - leads) / requests;
        follows = count > 1 ? (cpu_us(cluster, other) - follows) / requests : 0;
        say(" | %8.0f %7.2f %6.2f %6.2f", requests / result.seconds, result.p99_ms, leads, follows);
    }
    say("\n");
    cluster_free(cluster);
}

static void scale_nodes(void) {
    say("\nNodes, all on the same cores: per second, p99 ms, CPU in us a request of the leader and of one "
        "follower\n\n%9s | %-30s | %-30s | %-30s | %-30s\n",
        "nodes", "SET 1", "SET 50", "SET 50 x 16", "GET 50 x 16");
    for (size_t count = 1; count <= 7; count += 2)
        say_members(count);
}

void measure_scale(void) {
    scale_keys();
    scale_connections();
    scale_nodes();
}
