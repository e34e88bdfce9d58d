/* SPDX-License-Identifier: MIT */
/*
 * A day's load in small: three nodes with a small maxmemory under a mix of everything (DRIVE_DAY), filled to the limit first, so
 * that keys expire and are evicted and checkpoints are written all the time. Every ten seconds a row goes into day.csv. What may not grow
 * is bounded by what was configured:
 *
 *      resident    what an empty node takes, and a quarter more than MEMORY (keys and values) + CACHE (the log's end in memory) + KEPT (what
 *                  has changed before a checkpoint has written it), for what the allocator cannot give back; the pages that are with
 *                  the checkpoint's worker; SQLite's caches. What the filling has left is given back before the day begins
 *      on disk     the log: four times CHECKPOINT, which is as long as a live follower may make it; the data file: a page of it
 *                  takes two blocks at most; its -wal, as long as the largest checkpoint; what both -wals keep
 *
 * A leader whose disk stands still for a second hands over: that is told, and the load goes on with the next one. Those ten seconds have no row.
 *
 * REDRAFT_DAY_RATE (4000): requests a second.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../harness/wire.h"
#include "plan.h"

enum {
    NODES = 3,
    MB = 1024 * 1024,
    MEMORY_MB = 96,
    CACHE_MB = 16,
    KEPT_MB = 32,
    CHECKPOINT_MB = 24, /* of log: about a minute's */
    WORKER_MB = 8,
    SQLITE_MB = 24, /* three connections */
    WAL_MB = 32,
    SAMPLE_MS = 10000,
    KEYS = 1000000, /* three times what fits */
    VALUE_BYTES = 200,
    CONNECTIONS = 50,
    PIPELINE = 4,
};

static const char *const options[] = {"--maxmemory",
                                      "96mb",
                                      "--maxmemory-policy",
                                      "allkeys-lru",
                                      "--raft-log-cache-size",
                                      "16mb",
                                      "--raft-checkpoint-log-size",
                                      "24mb",
                                      NULL};

struct seen {
    double resident, disk, used, pause_ms;
};

struct day {
    struct cluster *cluster;
    double empty; /* resident bytes of a node without data */
    double memory_bound, disk_bound;
    struct seen most, early,
        late; /* at any node; medians would hide what they are for: the first and the last half */
    double worst_p99_ms, worst_ms;
    uint64_t requests, expired, evicted, checkpoints, moves;
    FILE *csv;
};

double directory_bytes(const char *path) {
    char name[CLUSTER_PATH_MAX + 300];
    double bytes = 0;
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat status;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] != '.' && stat(name, &status) == 0)
            bytes += (double)status.st_blocks * 512;
    }
    if (dir)
        closedir(dir);
    return bytes;
}

static double field(const char *text, const char *name) {
    const char *at = strstr(text, name);
    return at ? strtod(at + strlen(name), NULL) : 0;
}

static void larger(struct seen *most, const struct seen *seen) {
    most->resident = seen->resident > most->resident ? seen->resident : most->resident;
    most->disk = seen->disk > most->disk ? seen->disk : most->disk;
    most->used = seen->used > most->used ? seen->used : most->used;
    most->pause_ms = seen->pause_ms > most->pause_ms ? seen->pause_ms : most->pause_ms;
}

/* One node's row. Its counters begin anew with each, so that a pause is that of these ten seconds. */
static struct seen look(struct day *day, size_t at, bool leads, const struct drive_result *result,
                        uint64_t second) {
    static struct info info;
    const struct node *node = &day->cluster->nodes[at];
    struct wire *wire = wire_open(node->port, 60000);
    if (!wire || !cluster_info(day->cluster, at, &info))
        harness_fail("node %zu does not answer", at + 1);
    const char *text = wire_ask(wire, "INFO everything");
    struct seen seen = {.resident = (double)process_bytes(node->pid, "VmRSS"),
                        .disk = directory_bytes(node->dir),
                        .used = field(text, " used_memory:") - field(text, "mem_not_counted_for_evict:"),
                        .pause_ms = (double)info_number(&info, "loop_max_us") / 1000};
    double expired = field(text, " expired_keys:"), evicted = field(text, " evicted_keys:");
    if (leads) {
        day->expired += (uint64_t)expired;
        day->evicted += (uint64_t)evicted;
        day->checkpoints = info_number(&info, "checkpoint_count");
    }
    fprintf(day->csv, "%llu,%zu,%d,%.1f,%.1f,%.1f,%.2f,%.1f,%.0f,%.0f,%llu,%.0f,%.2f,%.2f,%.2f\n",
            (unsigned long long)second, at + 1, leads, seen.resident / MB, seen.disk / MB, seen.used / MB,
            seen.pause_ms, (double)info_number(&info, "log_bytes") / MB, expired, evicted,
            (unsigned long long)info_number(&info, "checkpoint_count"),
            (double)result->requests / result->seconds, result->p50_ms, result->p99_ms, result->max_ms);
    if (strncmp(wire_ask(wire, "CONFIG RESETSTAT"), "+OK", 3) != 0)
        harness_fail("node %zu does not begin its counters anew", at + 1);
    wire_close(wire);
    return seen;
}

static void sample(struct day *day, uint64_t second, uint64_t seconds) {
    static const struct drive_load load = {DRIVE_DAY, CONNECTIONS, PIPELINE, VALUE_BYTES, KEYS};
    struct drive_result result;
    char why[256];
    size_t leader = cluster_wait_leader(day->cluster);
    drive_seed(second + 1);
    if (!drive(&speak_redis, day->cluster->nodes[leader].port, &load, SAMPLE_MS,
               (double)harness_setting("REDRAFT_DAY_RATE", 4000), &result, why)) {
        if (!strstr(why, "-MOVED"))
            harness_fail("after %llu s: %s", (unsigned long long)second, why);
        day->moves++;
        return;
    }
    for (size_t at = 0; at < NODES; at++) {
        struct seen seen = look(day, at, at == leader, &result, second);
        larger(&day->most, &seen);
        larger(second < seconds / 2 ? &day->early : &day->late, &seen);
    }
    fflush(day->csv);
    day->requests += result.requests;
    day->worst_p99_ms = result.p99_ms > day->worst_p99_ms ? result.p99_ms : day->worst_p99_ms;
    day->worst_ms = result.max_ms > day->worst_ms ? result.max_ms : day->worst_ms;
}

static bool evicts(unsigned port) {
    struct wire *wire = wire_open(port, 60000);
    bool begun = wire && field(wire_ask(wire, "INFO stats"), " evicted_keys:") > 0;
    wire_close(wire);
    return begun;
}

static void give_back(unsigned port) {
    struct wire *wire = wire_open(port, 60000);
    if (!wire || strcmp(wire_ask(wire, "MEMORY PURGE"), "+OK") != 0)
        harness_fail("memory is not given back");
    wire_close(wire);
}

static void begin(struct day *day) {
    static const struct drive_load fill = {DRIVE_SET, 50, 16, VALUE_BYTES, KEYS};
    struct drive_result result;
    char why[256];
    uint64_t seed = 1u << 20;
    day->cluster = cluster_prepare(NODES, options, "build/bench");
    cluster_spawn_all(day->cluster);
    size_t leader = cluster_wait_equal(day->cluster);
    day->empty = (double)process_bytes(day->cluster->nodes[leader].pid, "VmRSS");
    day->memory_bound =
        day->empty + 1.25 * (MEMORY_MB + CACHE_MB + KEPT_MB) * MB + (WORKER_MB + SQLITE_MB) * (double)MB;
    day->disk_bound = (4.0 * CHECKPOINT_MB + 2 * MEMORY_MB + 2 * MEMORY_MB + WAL_MB) * MB;
    do {
        leader = cluster_wait_leader(day->cluster);
        if (!drive(&speak_redis, day->cluster->nodes[leader].port, &fill, SAMPLE_MS, 0, &result, why))
            harness_fail("filling: %s", why);
        drive_seed(++seed);
    } while (!evicts(day->cluster->nodes[leader].port));
    for (size_t at = 0; at < NODES; at++)
        give_back(day->cluster->nodes[at].port);
    day->csv = fopen("build/bench/day.csv", "w");
    if (!day->csv)
        harness_fail("cannot write build/bench/day.csv");
    fprintf(day->csv,
            "second,node,leads,resident_mb,disk_mb,used_mb,pause_ms,log_mb,expired,evicted,checkpoints,"
            "per_s,p50_ms,p99_ms,max_ms\n");
}

static bool say_bound(const char *what, double most, double early, double late, double bound) {
    say("%-28s %8.1f MB at most, bound %8.1f: %s (%.1f in the first half, %.1f in the second)\n", what,
        most / MB, bound / MB, most <= bound ? "holds" : "BROKEN", early / MB, late / MB);
    return most <= bound;
}

bool measure_day(uint64_t minutes) {
    static struct day day;
    uint64_t seconds = minutes * 60, second = 0;
    begin(&day);
    for (uint64_t begun_ms = harness_now_ms(); second < seconds;) {
        sample(&day, second, seconds);
        second = (harness_now_ms() - begun_ms) / 1000;
    }
    say("\n%llu s of mixed load on three nodes, maxmemory %d MB, allkeys-lru: %llu requests, %llu keys "
        "expired, "
        "%llu evicted, %llu checkpoints\n\n",
        (unsigned long long)second, MEMORY_MB, (unsigned long long)day.requests,
        (unsigned long long)day.expired, (unsigned long long)day.evicted,
        (unsigned long long)day.checkpoints);
    bool holds =
        say_bound("keys and values", day.most.used, day.early.used, day.late.used, 1.01 * MEMORY_MB * MB);
    holds &=
        say_bound("resident", day.most.resident, day.early.resident, day.late.resident, day.memory_bound);
    holds &= say_bound("on disk", day.most.disk, day.early.disk, day.late.disk, day.disk_bound);
    say("longest pause of a loop %.1f ms; latencies of ten seconds: worst p99 %.1f ms, longest %.1f ms\n",
        day.most.pause_ms, day.worst_p99_ms, day.worst_ms);
    say("leaderships that moved: %llu\n", (unsigned long long)day.moves);
    say("verdict: %s\n", !holds ? "FAILED"
                         : day.evicted && day.expired && day.checkpoints
                             ? "passed"
                             : "FAILED: nothing expired, was evicted or went into a checkpoint");
    fclose(day.csv);
    cluster_free(day.cluster);
    return holds && day.evicted && day.expired && day.checkpoints;
}
