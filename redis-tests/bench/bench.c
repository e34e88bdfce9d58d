/* SPDX-License-Identifier: MIT */
/*
 * Side by side on one machine and one disk, in turns, medians of at least three rounds: three redraft nodes; redis-server that fsyncs
 * every write; the same with two replicas and WAIT 1; redis-server that fsyncs every second; three nodes of etcd; and a yardstick that is none of
 * them (bare.c). One generator drives them all (drive.c), on the same cores. Then all that once more on a slow disk (slowdisk.c), and what no load shows.
 *
 *      bench                 the whole, into build/bench/: report.txt, figures.csv, figures.svg
 *      bench --aside         only what no load shows: fail-over, memory, restart, checkpoints
 *      bench --collections   memory of small and large collections, and large ones that are written to
 *      bench --checkpoints   of that only the checkpoints
 *      bench --scale         how it grows with keys, connections and nodes
 *      bench --sustained     writes at full speed that go on: the slowest second
 *      bench --day MINUTES   mixed load with checkpoints, evictions and expiry: 1 when memory or disk outgrew its bound
 *      bench --check DIR     a few loads, and their ratios to the peers beside those recorded in DIR for this kind of machine: 1 when one fell by more
 *                            than a fifth
 *      bench --turns LOADS WHO   builds and settings beside one another (turns.c)
 *      bench --count FILE    what a command costs, counted, beside FILE: 1 when something grew by more than a tenth
 *
 * REDRAFT_ROUNDS (3), REDRAFT_RUN_MS (2000, of one run), REDRAFT_KILLS (50), REDRAFT_KEYS (1000000, for memory and restart),
 * REDRAFT_SLOW_MS (4; 0: no slow disk), REDRAFT_STEADY_MS (10000, of one period beside checkpoints; 30000, of writes that go on), REDRAFT_NODES (3) and
 * REDRAFT_RATE (20000, SETs a second) of that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plan.h"

enum { KEYS = 100000, VALUE = 100, FILL_MS = 3000, LOADS_MAX = 64, MOVES_MAX = 10 };

#define SOME(kind) (1U << (kind))
enum {
    WRITES = SOME(SYSTEM_REDRAFT) | SOME(SYSTEM_ALWAYS) | SOME(SYSTEM_EVERYSEC) | SOME(SYSTEM_REPLICAS) |
             SOME(SYSTEM_BARE),
    READS = SOME(SYSTEM_REDRAFT) | SOME(SYSTEM_REDRAFT_LEASE) | SOME(SYSTEM_ALWAYS),
    SHORT = SOME(SYSTEM_REDRAFT) | SOME(SYSTEM_ALWAYS),
    ETCD = SOME(SYSTEM_ETCD),
};

/* A load, who is compared under it, and the least ratios that redraft is to reach there; 0: none is set. */
struct row {
    struct drive_load load;
    unsigned systems;
    double bars
        [SYSTEM_KINDS]; /* redraft's ratio to that system; at SYSTEM_REDRAFT_LEASE: that one's to redis-server */
};

#define BARS(always, everysec, replicas, etcd)                                                               \
    {                                                                                                        \
        [SYSTEM_ALWAYS] = (always), [SYSTEM_EVERYSEC] = (everysec), [SYSTEM_REPLICAS] = (replicas),          \
        [SYSTEM_ETCD] = (etcd)                                                                               \
    }
#define READ_BARS(redis, lease)                                                                              \
    { [SYSTEM_ALWAYS] = (redis), [SYSTEM_REDRAFT_LEASE] = (lease) }

static const struct row whole[] = {
    {{DRIVE_SET, 1, 1, VALUE, KEYS}, WRITES | ETCD, BARS(0.7, 0, 1.5, 2.5)},
    {{DRIVE_SET, 50, 1, VALUE, KEYS}, WRITES | ETCD, BARS(1, 0.55, 2.5, 8)},
    {{DRIVE_SET, 200, 1, VALUE, KEYS}, WRITES | ETCD, BARS(1, 0.55, 2, 10)},
    {{DRIVE_SET, 1000, 1, VALUE, KEYS}, WRITES, {0}},
    {{DRIVE_SET, 50, 16, VALUE, KEYS}, WRITES | ETCD, BARS(1, 0.35, 2, 20)},
    {{DRIVE_SET, 50, 100, VALUE, KEYS}, WRITES, {0}},
    {{DRIVE_SET, 50, 1, 1024, KEYS}, WRITES, {0}},
    {{DRIVE_SET, 50, 1, 10240, KEYS / 10}, WRITES, {0}},
    {{DRIVE_GET, 1, 1, VALUE, KEYS}, READS | ETCD, READ_BARS(0.6, 0.95)},
    {{DRIVE_GET, 50, 1, VALUE, KEYS}, READS | ETCD, READ_BARS(0.8, 0.95)},
    {{DRIVE_GET, 200, 1, VALUE, KEYS}, READS | ETCD, READ_BARS(0.9, 0.95)},
    {{DRIVE_GET, 1000, 1, VALUE, KEYS}, READS, {0}},
    {{DRIVE_GET, 50, 16, VALUE, KEYS}, READS | ETCD, READ_BARS(0.8, 0.95)},
    {{DRIVE_GET, 50, 100, VALUE, KEYS}, READS, {0}},
    {{DRIVE_MIX, 50, 1, VALUE, KEYS}, SHORT, {0}},
    {{DRIVE_MIX, 50, 16, VALUE, KEYS}, SHORT, {0}},
    {{DRIVE_INCR, 50, 1, VALUE, KEYS}, SHORT, {0}},
    {{DRIVE_INCR, 50, 16, VALUE, KEYS}, SHORT, {0}},
    {{DRIVE_MSET, 50, 1, VALUE, KEYS}, SHORT, {0}},
    {{DRIVE_HSET, 50, 1, VALUE, KEYS}, SHORT, {0}},
    {{DRIVE_HSET, 50, 16, VALUE, KEYS}, SHORT, {0}},
    {{DRIVE_LPUSH, 50, 1, VALUE, KEYS}, SHORT, {0}},
    {{DRIVE_LPUSH, 50, 16, VALUE, KEYS}, SHORT, {0}},
    {{DRIVE_ZADD, 50, 1, VALUE, KEYS}, SHORT, {0}},
    {{DRIVE_ZADD, 50, 16, VALUE, KEYS}, SHORT, {0}},
};

static const struct row on_a_slow_disk[] = {
    {{DRIVE_SET, 1, 1, VALUE, KEYS}, WRITES | ETCD, {0}},
    {{DRIVE_SET, 50, 1, VALUE, KEYS}, WRITES | ETCD, {0}},
    {{DRIVE_SET, 200, 1, VALUE, KEYS}, WRITES | ETCD, {0}},
    {{DRIVE_SET, 50, 16, VALUE, KEYS}, WRITES | ETCD, {0}},
};

static const struct row gate[] = {
    {{DRIVE_SET, 1, 1, VALUE, KEYS}, SHORT, {0}},   {{DRIVE_SET, 50, 1, VALUE, KEYS}, SHORT, {0}},
    {{DRIVE_SET, 50, 16, VALUE, KEYS}, SHORT, {0}}, {{DRIVE_GET, 50, 1, VALUE, KEYS}, SHORT, {0}},
    {{DRIVE_GET, 50, 16, VALUE, KEYS}, SHORT, {0}},
};

#define ROWS(table) (sizeof(table) / sizeof *(table))

static struct system systems[SYSTEM_KINDS];
static bool there[SYSTEM_KINDS];

void run_load(struct system *system, const struct drive_load *load, uint64_t run_ms, double rate,
              struct drive_result *result, struct system_use *before) {
    const char *name = system_names[system->kind];
    char why[256];
    for (unsigned moves = 0; moves < MOVES_MAX; moves++) {
        system_use(system, before);
        if (drive(system->speaker, system->ports[system->leader], load, run_ms, rate, result, why))
            return;
        if (!system_moved(system, why))
            break;
        say("(%s: another node leads; %s with %u connections again)\n", name, drive_names[load->kind],
            load->connections);
    }
    harness_fail("%s, %s with %u connections: %s", name, drive_names[load->kind], load->connections, why);
}

static void start_all(const struct row *rows, size_t count, unsigned slow_ms) {
    static const struct drive_load fill = {DRIVE_SET, 50, 64, VALUE, KEYS},
                                   fill_etcd = {DRIVE_SET, 50, 1, VALUE, KEYS};
    unsigned wanted = 0;
    struct drive_result result;
    struct system_use before;
    for (size_t i = 0; i < count; i++)
        wanted |= rows[i].systems;
    for (enum system_kind kind = 0; kind < SYSTEM_KINDS; kind++) {
        there[kind] = (wanted & SOME(kind)) && system_start(&systems[kind], kind, "build/bench", slow_ms);
        if (there[kind])
            run_load(&systems[kind], kind == SYSTEM_ETCD ? &fill_etcd : &fill, FILL_MS, 0, &result, &before);
    }
}

static void stop_all(void) {
    for (enum system_kind kind = 0; kind < SYSTEM_KINDS; kind++)
        if (there[kind])
            system_stop(&systems[kind]);
}

static void run_one(enum system_kind kind, const struct drive_load *load, unsigned round, unsigned slow_ms) {
    struct drive_result result;
    struct system_use before, after;
    run_load(&systems[kind], load, harness_setting("REDRAFT_RUN_MS", 2000), 0, &result, &before);
    system_use(&systems[kind], &after);
    double requests = (double)(result.requests ? result.requests : 1);
    figures_add(&(struct figure){
        .slow_ms = slow_ms,
        .round = round,
        .load = *load,
        .system = kind,
        .per_s = (double)result.requests / result.seconds,
        .p50_ms = result.p50_ms,
        .p99_ms = result.p99_ms,
        .p999_ms = result.p999_ms,
        .max_ms = result.max_ms,
        .leader_us = 1e6 * (after.leader_cpu_s - before.leader_cpu_s) / requests,
        .follower_us = 1e6 * (after.follower_cpu_s - before.follower_cpu_s) / requests,
        .written = (after.leader_written - before.leader_written) / requests,
    });
}

static void run_row(const struct row *row, unsigned slow_ms) {
    unsigned rounds = (unsigned)harness_setting("REDRAFT_ROUNDS", 3);
    for (unsigned round = 0; round < rounds; round++)
        for (enum system_kind kind = 0; kind < SYSTEM_KINDS; kind++)
            if (there[kind] && (row->systems & SOME(kind)))
                run_one(kind, &row->load, round, slow_ms);
}

/* ---- tables ---------------------------------------------------------------------------------------------------------- */

static void name_load(const struct drive_load *load, char name[64]) {
    char pipeline[16] = "", bytes[24] = "";
    if (load->pipeline > 1)
        snprintf(pipeline, sizeof pipeline, " x %u", load->pipeline);
    if (load->value_bytes != VALUE)
        snprintf(bytes, sizeof bytes, ", %u B", load->value_bytes);
    snprintf(name, 64, "%s %u%s%s", drive_names[load->kind], load->connections, pipeline, bytes);
}

/* Nothing where no bar is set. */
static void mark_bar(double ratio, double bar, char mark[16]) {
    mark[0] = '\0';
    if (bar > 0)
        snprintf(mark, 16, "%s%g", ratio < bar ? "!" : ">=", bar);
}

static void say_cell(const struct row *row, enum system_kind kind, unsigned slow_ms) {
    double per_s = figures_median(slow_ms, &row->load, kind, FIGURE_FIELD(per_s));
    double ratio = kind == SYSTEM_REDRAFT_LEASE ? figures_ratio(slow_ms, &row->load, kind, SYSTEM_ALWAYS)
                                                : figures_ratio(slow_ms, &row->load, SYSTEM_REDRAFT, kind);
    char mark[16];
    mark_bar(ratio, row->bars[kind], mark);
    if (per_s == 0)
        say(" | %21s", "");
    else if (kind == SYSTEM_REDRAFT)
        say(" | %8.0f", per_s);
    else
        say(" | %8.0f %6.2f %-5s", per_s, ratio, mark);
}

static void say_row(const struct row *row, unsigned slow_ms) {
    char name[64];
    name_load(&row->load, name);
    say("%-18s", name);
    for (enum system_kind kind = 0; kind < SYSTEM_KINDS; kind++)
        say_cell(row, kind, slow_ms);
    say("\n");
}

static void run_table(const struct row *rows, size_t count, unsigned slow_ms) {
    start_all(rows, count, slow_ms);
    say("\nRequests per second%s, medians; the ratio of redraft to each (of redraft lease to redis always), "
        "median of the rounds'; the bar where one is set\n\n",
        slow_ms ? ", each fsync begins some ms later" : "");
    say("%-18s | %8s", "", "redraft");
    for (enum system_kind kind = SYSTEM_REDRAFT + 1; kind < SYSTEM_KINDS; kind++)
        say(" | %-21s", system_names[kind]);
    say("\n");
    for (size_t i = 0; i < count; i++) {
        run_row(&rows[i], slow_ms);
        say_row(&rows[i], slow_ms);
    }
}

static bool has_bars(const struct row *row) {
    for (enum system_kind kind = 0; kind < SYSTEM_KINDS; kind++)
        if (row->bars[kind] > 0)
            return row->systems & SOME(SYSTEM_BARE);
    return false;
}

/* The bars once more, with the yardstick in redraft's place: what falls short here no server reaches on this machine. */
static void say_yardstick(const struct row *rows, size_t count) {
    static const enum system_kind peers[] = {SYSTEM_ALWAYS, SYSTEM_EVERYSEC, SYSTEM_REPLICAS, SYSTEM_ETCD};
    say("\nThe least that two copies cost here (bare.c), as a ratio to each, median of the rounds'; "
        "redraft's bar\n\n");
    say("%-18s", "");
    for (size_t peer = 0; peer < ROWS(peers); peer++)
        say(" | %-14s", system_names[peers[peer]]);
    say("\n");
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        char name[64];
        if (!has_bars(row))
            continue;
        name_load(&row->load, name);
        say("%-18s", name);
        for (size_t peer = 0; peer < ROWS(peers); peer++) {
            double ratio = figures_ratio(0, &row->load, SYSTEM_BARE, peers[peer]);
            char mark[16];
            mark_bar(ratio, row->bars[peers[peer]], mark);
            say(" | %6.2f %-7s", ratio, mark);
        }
        say("\n");
    }
}

static void say_costs(const struct row *rows, size_t count) {
    say("\nOf one request: CPU of leader and follower in us, bytes the leader hands to the disk; latency in "
        "ms at full load\n\n");
    say("%-18s %-15s %8s %8s %9s | %8s %8s %8s %8s\n", "", "", "leader", "follower", "written", "p50", "p99",
        "p99.9", "max");
    for (size_t i = 0; i < count; i++)
        for (enum system_kind kind = 0; kind < SYSTEM_KINDS; kind++) {
            const struct drive_load *load = &rows[i].load;
            char name[64];
            name_load(load, name);
            if (!there[kind] || !(rows[i].systems & SOME(kind)))
                continue;
            say("%-18s %-15s %8.2f %8.2f %9.0f | %8.2f %8.2f %8.2f %8.2f\n", name, system_names[kind],
                figures_median(0, load, kind, FIGURE_FIELD(leader_us)),
                figures_median(0, load, kind, FIGURE_FIELD(follower_us)),
                figures_median(0, load, kind, FIGURE_FIELD(written)),
                figures_median(0, load, kind, FIGURE_FIELD(p50_ms)),
                figures_median(0, load, kind, FIGURE_FIELD(p99_ms)),
                figures_median(0, load, kind, FIGURE_FIELD(p999_ms)),
                figures_median(0, load, kind, FIGURE_FIELD(max_ms)));
        }
}

/* Each at half of what it can do itself. */
static void say_half_load(void) {
    static const struct drive_load loads[] = {{DRIVE_SET, 200, 1, VALUE, KEYS},
                                              {DRIVE_GET, 200, 1, VALUE, KEYS}};
    say("\nLatency in ms at half of each one's own peak, requests due at even intervals\n\n");
    say("%-18s %-15s %10s | %8s %8s %8s %8s\n", "", "", "per second", "p50", "p99", "p99.9", "max");
    for (size_t i = 0; i < ROWS(loads); i++)
        for (enum system_kind kind = 0; kind < SYSTEM_KINDS; kind++) {
            double peak = figures_median(0, &loads[i], kind, FIGURE_FIELD(per_s));
            struct drive_result result;
            struct system_use before;
            char name[64];
            name_load(&loads[i], name);
            if (!there[kind] || peak == 0 || kind == SYSTEM_BARE) /* that waits for all of its clients */
                continue;
            run_load(&systems[kind], &loads[i], 2 * harness_setting("REDRAFT_RUN_MS", 2000), peak / 2,
                     &result, &before);
            say("%-18s %-15s %10.0f | %8.2f %8.2f %8.2f %8.2f\n", name, system_names[kind],
                (double)result.requests / result.seconds, result.p50_ms, result.p99_ms, result.p999_ms,
                result.max_ms);
        }
}

static int check(char **arguments) {
    const char *directory = arguments[0];
    int fallen = 0;
    char kind[80], recorded[256];
    report_kind(kind, sizeof kind);
    snprintf(recorded, sizeof recorded, "%s/%s/figures.csv", directory, kind);
    if (access(recorded, R_OK) != 0)
        harness_fail("no figures of such a machine: make bench, and put build/bench/figures.csv there as %s",
                     recorded);
    figures_open("build/bench/check.csv");
    start_all(gate, ROWS(gate), 0);
    for (size_t i = 0; i < ROWS(gate); i++) {
        const struct drive_load *load = &gate[i].load;
        run_row(&gate[i], 0);
        double now = figures_ratio(0, load, SYSTEM_REDRAFT, SYSTEM_ALWAYS);
        double then = figures_recorded_ratio(recorded, load, SYSTEM_REDRAFT, SYSTEM_ALWAYS);
        char name[64];
        name_load(load, name);
        if (then == 0)
            harness_fail("%s has no figures of %s", recorded, name);
        say("%-18s to redis always: %.2f, recorded %.2f%s\n", name, now, then,
            now < 0.8 * then ? "  FALLEN" : "");
        fallen += now < 0.8 * then;
    }
    stop_all();
    figures_close();
    return fallen > 0;
}

static void compare_loads(const char *title) {
    unsigned slow_ms = (unsigned)harness_setting("REDRAFT_SLOW_MS", 4);
    figures_open("build/bench/figures.csv");
    run_table(whole, ROWS(whole), 0);
    say_yardstick(whole, ROWS(whole));
    say_costs(whole, ROWS(whole));
    say_half_load();
    stop_all();
    if (slow_ms) {
        run_table(on_a_slow_disk, ROWS(on_a_slow_disk), slow_ms);
        stop_all();
    }
    figures_plot("build/bench/figures.svg", title);
    figures_close();
}

static int aside(char **arguments) {
    (void)arguments;
    measure_failover();
    compare_restart(harness_setting("REDRAFT_KEYS", 1000000));
    measure_checkpoints(harness_setting("REDRAFT_KEYS", 1000000));
    return 0;
}

static int whole_of(const char *title) {
    compare_loads(title);
    return aside(NULL);
}

static int checkpoints(char **arguments) {
    (void)arguments;
    measure_checkpoints(harness_setting("REDRAFT_KEYS", 1000000));
    return 0;
}

static int collections(char **arguments) {
    (void)arguments;
    compare_memory();
    measure_collections();
    return 0;
}

static int scale(char **arguments) {
    (void)arguments;
    measure_scale();
    return 0;
}

static int sustained(char **arguments) {
    (void)arguments;
    measure_sustained();
    return 0;
}

static int day(char **arguments) {
    return !measure_day(strtoul(arguments[0], NULL, 10));
}

static int turns(char **arguments) {
    measure_turns(arguments[0], arguments[1]);
    return 0;
}

static int count(char **arguments) {
    return counters_check(arguments[0]);
}

static const struct part {
    const char *option;
    int words; /* of the command line */
    const char *report;
    int (*measure)(char **arguments);
} parts[] = {
    {"--aside", 2, "build/bench/part.txt", aside},
    {"--checkpoints", 2, "build/bench/part.txt", checkpoints},
    {"--collections", 2, "build/bench/collections.txt", collections},
    {"--scale", 2, "build/bench/scale.txt", scale},
    {"--sustained", 2, "build/bench/sustained.txt", sustained},
    {"--day", 3, "build/bench/day.txt", day},
    {"--check", 3, "build/bench/part.txt", check},
    {"--turns", 4, "build/bench/turns.txt", turns},
    {"--count", 3, "build/bench/part.txt", count},
};

static const struct part *part_of(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < sizeof parts / sizeof parts[0]; i++)
        if (strcmp(argv[1], parts[i].option) == 0 && argc == parts[i].words)
            return &parts[i];
    return NULL;
}

int main(int argc, char **argv) {
    char title[128];
    const struct part *part = part_of(argc, argv);
    if (argc > 1 && !part) {
        fputs("bench: see the head of redis-tests/bench/bench.c\n", stderr);
        return 2;
    }
    mkdir("build", 0755);
    mkdir("build/bench", 0755);
    report_open(part ? part->report : "build/bench/report.txt");
    report_machine(title, sizeof title);
    int failed = part ? part->measure(argv + 2) : whole_of(title);
    report_close();
    return failed;
}
