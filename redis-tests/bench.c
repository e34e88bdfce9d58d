/* SPDX-License-Identifier: MIT */
/*
 * Side by side on one machine and one disk: three redraft nodes, and a redis-server that fsyncs every write
 * (appendonly yes, appendfsync always). The same redis-benchmark, in turns, at least three rounds, medians. Then fail-over
 * times and memory. Everything printed goes to build/bench.txt too.
 *
 * REDRAFT_ROUNDS (3), REDRAFT_RUN_MS (2000, of one run), REDRAFT_KILLS (20), REDRAFT_KEYS (1000000, for the memory).
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/cluster.h"
#include "harness/load.h"
#include "harness/wire.h"

enum {
    LIMIT_S = 590,
    ROUNDS_MAX = 15,
    KILLS_MAX = 1000,
    RUN_LIMIT_MS = 60000,
    VALUE_BYTES = 100,
    FILL_BATCH = 500
};

static FILE *report;

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    va_start(args, format);
    vfprintf(report, format, args);
    va_end(args);
    fflush(stdout);
    fflush(report);
}

/* ---- the machine ----------------------------------------------------------------------------------------- */

/* The first line of what a command says; "?" when it fails. */
static void first_line(const char *const *argv, char *line, size_t size) {
    struct process_result result;
    process_run(argv, NULL, 0, 10000, &result);
    bool there = result.in_time && result.status == 0;
    snprintf(line, size, "%.*s", there ? (int)strcspn(result.output, "\n") : 1, there ? result.output : "?");
    free(result.output);
}

static void describe_machine(void) {
    static const char *const commit[] = {"git", "log", "-1", "--format=%h of %cs: %s", NULL};
    static const char *const changed[] = {"git", "status", "--short", "--untracked-files=no", NULL};
    static const char *const kernel[] = {"uname", "-srm", NULL};
    static const char *const processor[] = {"sh", "-c",
                                            "sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1", NULL};
    static const char *const memory[] = {"sh", "-c", "sed -n 's/MemTotal: *//p' /proc/meminfo", NULL};
    static const char *const disk[] = {"sh", "-c",
                                       "df -T build | sed -n '2s/ .*% / on /p;2s/  */ /gp' | head -1", NULL};
    static const char *const redis[] = {"redis-server", "--version", NULL};
    char line[256];
    first_line(commit, line, sizeof(line));
    say("commit     %s\n", line);
    first_line(changed, line, sizeof(line));
    if (line[0] != '\0' && line[0] != '?')
        say("           with uncommitted changes\n");
    first_line(kernel, line, sizeof(line));
    say("machine    %s, ", line);
    first_line(processor, line, sizeof(line));
    say("%ld x %s, ", sysconf(_SC_NPROCESSORS_ONLN), line);
    first_line(memory, line, sizeof(line));
    say("%s\n", line);
    first_line(disk, line, sizeof(line));
    say("disk       %s\n", line);
    first_line(redis, line, sizeof(line));
    if (line[0] == '?')
        harness_fail("no redis-server here: apt-get install redis-server");
    say("beside     %s\n", line);
}

/* ---- redis-server ---------------------------------------------------------------------------------------- */

struct redis {
    pid_t pid;
    unsigned port;
    char dir[CLUSTER_PATH_MAX];
};

static void redis_start(struct redis *redis, const char *where, const char *appendonly) {
    char port[16];
    snprintf(redis->dir, sizeof(redis->dir), "%.200s/redis", where);
    if (mkdir(redis->dir, 0755) != 0)
        harness_fail("cannot make %s: %s", redis->dir, strerror(errno));
    redis->port = cluster_free_port();
    snprintf(port, sizeof(port), "%u", redis->port);
    const char *const argv[] = {"redis-server", "--port",        port,     "--bind", "127.0.0.1",
                                "--dir",        redis->dir,      "--save", "",       "--appendonly",
                                appendonly,     "--appendfsync", "always", NULL};
    redis->pid = process_start(argv, NULL);
    for (int i = 0; i < 500; i++) {
        struct wire *wire = wire_open(redis->port, 1000);
        bool up = wire != NULL && strcmp(wire_ask(wire, "PING"), "+PONG") == 0;
        wire_close(wire);
        if (up)
            return;
        harness_sleep_ms(10);
    }
    harness_fail("redis-server does not start");
}

static void redis_stop(struct redis *redis) {
    process_kill(redis->pid);
    directory_remove(redis->dir);
}

/* ---- throughput ------------------------------------------------------------------------------------------ */

/* What is run; the ratio to redis-server that is the bar, 0 where there is none. */
static const struct workload {
    const char *test;
    unsigned connections, pipeline;
    double bar;
} workloads[] = {
    {"SET", 1, 1, 0}, {"SET", 50, 1, 0.6}, {"SET", 200, 1, 0}, {"SET", 50, 16, 0.3},
    {"GET", 1, 1, 0}, {"GET", 50, 1, 0.5}, {"GET", 200, 1, 0}, {"GET", 50, 16, 0},
};
enum { WORKLOADS = sizeof(workloads) / sizeof(*workloads) };

struct run {
    double per_s, p99_ms;
};

static struct run run_benchmark(unsigned port, const struct workload *workload, uint64_t requests) {
    char text[5][32];
    snprintf(text[0], 32, "%u", port);
    snprintf(text[1], 32, "%llu", (unsigned long long)requests);
    snprintf(text[2], 32, "%u", workload->connections);
    snprintf(text[3], 32, "%u", workload->pipeline);
    snprintf(text[4], 32, "%c%c%c", tolower(workload->test[0]), tolower(workload->test[1]),
             tolower(workload->test[2]));
    const char *const argv[] = {
        "redis-benchmark", "-p", text[0], "-n", text[1],  "-c",    text[2], "-P", text[3], "-t",
        text[4],           "-d", "100",   "-r", "100000", "--csv", NULL};
    struct process_result result;
    struct run run = {0, 0};
    process_run(argv, NULL, 0, RUN_LIMIT_MS, &result);
    const char *row = strstr(result.output, workload->test);
    if (!result.in_time || result.status != 0 || row == NULL ||
        sscanf(row + 4, ",\"%lf\",\"%*f\",\"%*f\",\"%*f\",\"%*f\",\"%lf\"", &run.per_s, &run.p99_ms) != 2)
        harness_fail("redis-benchmark, %s with %u connections: status %d\n%s", workload->test,
                     workload->connections, result.status, result.output);
    free(result.output);
    return run;
}

static uint64_t requests_for(const struct run *probe, uint64_t run_ms) {
    uint64_t requests = (uint64_t)(probe->per_s * (double)run_ms / 1000);
    return requests < 1000 ? 1000 : requests;
}

static int order_runs(const void *a, const void *b) {
    const struct run *one = a, *other = b;
    return (one->per_s > other->per_s) - (one->per_s < other->per_s);
}

static uint64_t fsyncs(const struct cluster *cluster, size_t leader) {
    static struct info info;
    if (!cluster_info(cluster, leader, &info))
        harness_fail("the leader does not answer RAFT.INFO");
    return info_number(&info, "fsync_count");
}

static void compare_workload(const struct cluster *cluster, size_t leader, const struct redis *redis,
                             const struct workload *workload) {
    struct run theirs[ROUNDS_MAX], ours[ROUNDS_MAX];
    uint64_t rounds = harness_setting("REDRAFT_ROUNDS", 3), run_ms = harness_setting("REDRAFT_RUN_MS", 2000);
    uint64_t writes = 0, synced = 0, probe = workload->connections == 1 ? 500 : 5000;
    unsigned port = cluster->nodes[leader].port;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    struct run first = run_benchmark(redis->port, workload, probe);
    uint64_t their_requests = requests_for(&first, run_ms);
    first = run_benchmark(port, workload, probe);
    uint64_t our_requests = requests_for(&first, run_ms);
    for (uint64_t round = 0; round < rounds; round++) {
        theirs[round] = run_benchmark(redis->port, workload, their_requests);
        uint64_t before = fsyncs(cluster, leader);
        ours[round] = run_benchmark(port, workload, our_requests);
        synced += fsyncs(cluster, leader) - before;
        writes += our_requests;
    }
    qsort(theirs, rounds, sizeof(*theirs), order_runs);
    qsort(ours, rounds, sizeof(*ours), order_runs);
    struct run their = theirs[rounds / 2], our = ours[rounds / 2];
    char load[32], bar[16] = "", batch[16] = "";
    snprintf(load, sizeof(load), workload->pipeline > 1 ? "%u x %u" : "%u", workload->connections,
             workload->pipeline);
    if (workload->bar > 0)
        snprintf(bar, sizeof(bar), ">= %.1f%s", workload->bar,
                 our.per_s < workload->bar * their.per_s ? " !" : "");
    if (strcmp(workload->test, "SET") == 0 && synced > 0)
        snprintf(batch, sizeof(batch), "%.1f", (double)writes / (double)synced);
    say("%s  %-8s %10.0f %10.0f   %5.2f  %-8s %9.2f %9.2f   %8s\n", workload->test, load, their.per_s,
        our.per_s, our.per_s / their.per_s, bar, their.p99_ms, our.p99_ms, batch);
}

static void compare_throughput(void) {
    struct redis redis;
    struct cluster *cluster = cluster_prepare(3, NULL, "build");
    cluster_spawn_all(cluster);
    size_t leader = cluster_wait_equal(cluster);
    redis_start(&redis, cluster->dir, "yes");
    const struct workload fill = {"SET", 50, 64, 0};
    run_benchmark(redis.port, &fill, 500000);
    run_benchmark(cluster->nodes[leader].port, &fill, 500000);
    say("\nRequests per second, values of 100 bytes, 100000 keys; medians\n\n");
    say("%-13s %10s %10s   %5s  %-8s %9s %9s   %8s\n", "connections", "redis", "redraft", "ratio", "bar",
        "p99 ms", "p99 ms", "writes");
    say("%-13s %10s %10s   %5s  %-8s %9s %9s   %8s\n", "(x pipeline)", "", "(3 nodes)", "", "", "redis",
        "redraft", "/fsync");
    for (size_t i = 0; i < WORKLOADS; i++)
        compare_workload(cluster, leader, &redis, &workloads[i]);
    if (cluster_wait_leader(cluster) != leader)
        say("(the leader has changed meanwhile)\n");
    redis_stop(&redis);
    cluster_free(cluster);
}

/* ---- fail-over ------------------------------------------------------------------------------------------- */

static int order_numbers(const void *a, const void *b) {
    const uint64_t *one = a, *other = b;
    return (*one > *other) - (*one < *other);
}

/* From kill -9 to the next acknowledged write, by writers that try all nodes. */
static void measure_failover(void) {
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

/* ---- memory ---------------------------------------------------------------------------------------------- */

static void fill_keys(unsigned port, uint64_t keys) {
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

static void compare_memory(void) {
    struct redis redis;
    uint64_t keys = harness_setting("REDRAFT_KEYS", 1000000);
    struct cluster *cluster = cluster_prepare(3, NULL, "build");
    cluster_spawn_all(cluster);
    size_t leader = cluster_wait_equal(cluster);
    redis_start(&redis, cluster->dir, "no");
    fill_keys(redis.port, keys);
    fill_keys(cluster->nodes[leader].port, keys);
    leader = cluster_wait_equal(cluster);
    say("\nMemory at %llu keys of %d bytes, MB\n\n", (unsigned long long)keys, VALUE_BYTES);
    say("%-18s %12s %12s\n", "", "used_memory", "resident");
    say("%-18s %12.1f %12.1f\n", "redis-server", used_megabytes(redis.port),
        (double)process_bytes(redis.pid, "VmRSS") / 1048576);
    for (size_t at = 0; at < cluster->count; at++)
        say("redraft %-10s %12.1f %12.1f\n", at == leader ? "leader" : "follower",
            used_megabytes(cluster->nodes[at].port),
            (double)process_bytes(cluster->nodes[at].pid, "VmRSS") / 1048576);
    redis_stop(&redis);
    cluster_free(cluster);
}

static void out_of_time(int number) {
    static const char text[] = "bench: not done within its limit; ended\n";
    (void)number;
    ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(written < 0 ? 2 : 1); /* the servers die with us */
}

int main(void) {
    signal(SIGALRM, out_of_time);
    alarm(LIMIT_S);
    mkdir("build", 0755);
    report = fopen("build/bench.txt", "w");
    if (report == NULL)
        harness_fail("cannot write build/bench.txt: %s", strerror(errno));
    describe_machine();
    compare_throughput();
    measure_failover();
    compare_memory();
    fclose(report);
    return 0;
}
