/* SPDX-License-Identifier: MIT */
/*
 * Time, steps, and the nodes that live through them.
 *
 * Everything that happens is due at some microsecond; a step goes to the earliest and does what is due then.
 *
 *      | form | faults, load ................................ | calm: all is mended | last reads | judgement |
 *                                                               a write must commit within a bound
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "../../src/logger.h"
#include "../../src/node_state.h"
#include "sim.h"

enum {
    LIVE_WITHIN_US = 15000000,   /* after the last fault a write commits within so long */
    FINISH_WITHIN_US = 60000000, /* ... and the last reads are answered */
    STUCK_STEPS = 10000,
    DRIFT_PPM_MAX = 9900, /* two clocks differ in speed by less than a lease allows for: 2 % */
    WALL_US = 1700000000, /* seconds, at the start */
    EVICTS_OF = 9,        /* in two of so many seeds maxmemory is small */
};

static const unsigned hold_ms[] = {5, 0, 50};  /* of a seed's nodes, in turns */
static const unsigned gather_us[] = {0, 1000}; /* ... of every three seeds */

struct sim *sim;

const char *const coverage_names[COVER_COUNT] = {
    [COVER_RUNS] = "runs",
    [COVER_STEPS] = "steps",
    [COVER_WRITES] = "writes acknowledged",
    [COVER_READS] = "reads answered",
    [COVER_CRASHES] = "crashes",
    [COVER_MID_BATCH] = "crashes inside a disk job",
    [COVER_RESTARTS] = "restarts",
    [COVER_LOST_WRITES] = "files that lost unsynced writes",
    [COVER_TORN_WALS] = "torn WALs at a restart",
    [COVER_STRAIGHT] = "commits written past the system's cache",
    [COVER_TORN_STRAIGHT] = "... that did not come to their end",
    [COVER_STRAIGHT_PARTS] = "parts of commits, and first commits, that a sync followed",
    [COVER_SYNC_ERRORS] = "failed syncs",
    [COVER_FULL] = "writes to a full disk",
    [COVER_DISK_LOW] = "commands refused while the disk was nearly full",
    [COVER_PARTITIONS] = "partitions",
    [COVER_FALLS] = "connections that fell",
    [COVER_HALF_OPEN] = "half-open connections",
    [COVER_STALLS] = "stalled processes",
    [COVER_CLOCK_JUMPS] = "clock jumps",
    [COVER_LEADER_CHANGES] = "leaders",
    [COVER_DEPOSED] = "leaders that did not know of their successor",
    [COVER_DEPOSED_READS] = "reads asked of them",
    [COVER_LEASE_READS] = "reads on a lease",
    [COVER_FOLLOWER_READS] = "linearizable reads that followers answered",
    [COVER_NO_PROMISES] = "starts without the promises of the others",
    [COVER_LEFT_ALONE] = "leaders left alone while another stood",
    [COVER_TRANSACTIONS] = "transactions sent",
    [COVER_SCRIPTS] = "scripts sent",
    [COVER_WAITS] = "waits for an element",
    [COVER_LATE_ACKS] = "leaders cut off while old answers were on their way",
    [COVER_FIGURE_8] = "figures 8, played to the end",
    [COVER_TRUNCATED] = "persisted entries truncated",
    [COVER_JOINED] = "new members that became voters",
    [COVER_REMOVED] = "members removed",
    [COVER_REMOVED_LEADERS] = "leaders that removed themselves",
    [COVER_TOLD_REMOVED] = "nodes that learnt of their removal",
    [COVER_MOVED] = "members that came back at another address",
    [COVER_TOLD_MOVED] = "addresses that an operator set",
    [COVER_LOST_DISKS] = "members that came back without their disk",
    [COVER_CHANGES_REFUSED] = "changes of members refused",
    [COVER_IDS_REFUSED] = "used ids refused",
    [COVER_CHANGE_ELECTIONS] = "elections during a change of members",
    [COVER_CHANGES_UNDONE] = "changes of members taken back",
    [COVER_TRANSFERS] = "leaderships handed over on request",
    [COVER_TRANSFERS_FAILED] = "leaderships not handed over",
    [COVER_SHARED_BATCHES] = "transactions shared by jobs",
    [COVER_FETCHES] = "entries read back from the disk",
    [COVER_CHECKPOINTS] = "checkpoints",
    [COVER_SNAPSHOTS] = "snapshots put in place",
    [COVER_LOADS] = "starts from a checkpoint",
    [COVER_OLD] = "starts of an older program",
    [COVER_LEVELS] = "feature levels raised",
    [COVER_SEGMENTS_READY] = "segments made or used again",
    [COVER_SEGMENTS_EMPTIED] = "asked to empty segments",
    [COVER_SEGMENTS_REMOVED] = "segments removed",
    [COVER_OLDER_CUT] = "entries cut in older segments",
    [COVER_RIDERS] = "reads that rode beside an entry",
    [COVER_DUE_RETRIES] = "reads asked again for a due key",
    [COVER_AMBIGUOUS] = "writes of unknown outcome",
    [COVER_INDOUBT] = "replies -INDOUBT",
    [COVER_LATE_ANSWERS] = "real answers after a step-down",
    [COVER_DOUBTED_HEALED] = "doubts while it followed the next leader, of what was applied",
    [COVER_DONE_ELSEWHERE] = "doubts of what came applied in a snapshot",
    [COVER_DOUBTED_IN_PEACE] = "doubts long after all was mended, of what was applied",
    [COVER_LATE_REFUSALS] = "definite refusals of replaced entries",
    [COVER_DEFINITE] = "definite errors",
    [COVER_EXPIRED] = "keys seen to expire",
    [COVER_EVICTED] = "keys seen to be evicted",
    [COVER_GATHERED] = "entries held for who was answered",
    [COVER_PROXIED] = "writes acknowledged by way of a proxy",
    [COVER_SETTLED] = "requests of a lost upstream that the log has answered",
    [COVER_SWAPS] = "watched keys changed by who watched them",
    [COVER_SWAPS_ABORTED] = "transactions that a watched key has stopped",
    [COVER_HISTORIES] = "histories judged",
    [COVER_UNDECIDED] = "histories too hard to judge",
};

/* ---- chance, time, words ------------------------------------------------------------------------------------------ */

uint64_t sim_mix(uint64_t word) { /* SplitMix64 */
    word += 0x9e3779b97f4a7c15;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
    word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
    return word ^ (word >> 31);
}

uint64_t sim_random(void) {
    return sim_mix(sim->random++);
}

uint64_t sim_below(uint64_t bound) {
    return bound ? sim_random() % bound : 0;
}

uint64_t sim_between(uint64_t low, uint64_t high) {
    return low + sim_below(high - low + 1);
}

bool sim_chance(unsigned percent) {
    return sim_below(100) < percent;
}

uint64_t sim_hash(uint64_t hash, const void *bytes, size_t length) { /* FNV-1a, mixed */
    const unsigned char *at = bytes;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 0x100000001b3;
    return sim_mix(hash ^ length);
}

void sim_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length =
        snprintf(sim->verdict, SIM_VERDICT_MAX, "step %llu, %llu us: ", (unsigned long long)sim->step,
                 (unsigned long long)sim->now);
    vsnprintf(sim->verdict + length, SIM_VERDICT_MAX - (size_t)length, format, arguments);
    va_end(arguments);
    sim_trace("FAILED: %s", sim->verdict);
    fflush(NULL);
    _exit(1);
}

void sim_trace(const char *format, ...) {
    if (!sim->verbose)
        return;
    printf("%8llu %12llu  ", (unsigned long long)sim->step, (unsigned long long)sim->now);
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

struct instant world_instant(const struct sim_node *node) {
    uint64_t mono = world_local(node->mono_base, node->drift_ppm, sim->now - node->born);
    return (struct instant){
        .mono_us = mono,
        .wall_us = (uint64_t)((int64_t)(WALL_US * (uint64_t)1000000 + sim->now) + node->wall_offset_us)};
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static bool lease_by_default;
static unsigned drift_ppm_max;
static unsigned heartbeat_ms, outcome_ms, cache_bytes, uncommitted_bytes, checkpoint_entries,
    checkpoint_bytes;

/* In every second run the founders are upgraded, each at its first, second or third start. */
static unsigned long level_max(const struct sim_node *node) {
    bool old = sim->seed % 2 != 0 && node->id <= sim->founder_count &&
               node->starts < sim_mix(sim->seed ^ (uint64_t)node->host) % 3;
    sim_cover(COVER_OLD, old);
    return old ? LEVEL_FIRST : 0;
}

static char *word(const char *text) {
    return (char *)(uintptr_t)text;
}

unsigned world_port(int host) {
    return (unsigned)SIM_PORT + (unsigned)host + sim->nodes[host].moves * SIM_PORTS;
}

int world_host(unsigned port) {
    return (int)(port - SIM_PORT) % SIM_PORTS;
}

/* Who moves is told where the others are now; else its file is what it was when it was written. */
static void write_file(struct sim_node *node) {
    if (node->starts > 0 && !node->moving)
        return;
    sim_cover(COVER_MOVED, node->moving);
    node->moves += node->moving;
    node->moving = false;
    for (size_t i = 0; i < sim->node_count; i++)
        node->known_moves[i] = sim->nodes[i].moves;
}

/* Who founds a cluster knows all founders; who joins one knows the address of one member, and its own or not even that. */
static int add_members(const struct sim_node *node, char **argv, int argc) {
    static char nodes[SIM_NODES_MAX][2][64];
    bool founder = node->id <= sim->founder_count;
    for (size_t i = 0; i < sim->node_count; i++) {
        bool own = (int)i == node->host;
        if (founder ? i >= sim->founder_count : !own || node->id % 2 == 0)
            continue;
        snprintf(nodes[i][0], sizeof nodes[i][0], "%zu", founder ? i + 1 : (size_t)node->id);
        snprintf(nodes[i][1], sizeof nodes[i][1], "127.0.0.1:%zu",
                 SIM_PORT + i + node->known_moves[i] * SIM_PORTS);
        argv[argc++] = word("--raft-node");
        argv[argc++] = nodes[i][0];
        argv[argc++] = nodes[i][1];
    }
    if (founder)
        return argc;
    static char join[64];
    int via = (int)sim_below(sim->node_count);
    for (size_t i = 0; i < sim->node_count && sim->nodes[via].standing != STANDING_MEMBER; i++)
        via = (via + 1) % (int)sim->node_count;
    snprintf(join, sizeof join, "127.0.0.1:%u", world_port(via));
    argv[argc++] = word("--raft-join");
    argv[argc++] = join;
    return argc;
}

/* Each has its own, for the leader's counts; and only what has a deadline may go, for the other keys' histories are judged. */
static const char *policy_of(const struct sim_node *node) {
    static const char *const policies[] = {"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"};
    return sim->maxmemory == 0 ? "noeviction" : policies[(sim->seed + (uint64_t)node->host) / EVICTS_OF % 4];
}

/* In every second of those seeds most nodes are. */
static bool is_proxy(const struct sim_node *node) {
    return sim->maxmemory > 0 && sim->seed / EVICTS_OF % 2 == 0 &&
           (sim->seed + (uint64_t)node->host) % 4 != 0;
}

static void load_conf(struct sim_node *node) {
    char words[16][64], why[CONF_WHY_MAX];
    char *argv[64];
    int argc = 0;
    write_file(node);
    const struct {
        const char *name;
        unsigned long value;
    } numbers[] = {
        {"--port", world_port(node->host)},
        {"--raft-id", (unsigned long)node->id},
        {"--raft-election-timeout", sim->election_ms},
        {"--raft-heartbeat-interval", heartbeat_ms},
        {"--raft-hold-time", hold_ms[sim->seed % 3]},
        {"--raft-gather-time", gather_us[sim->seed / 3 % 2]},
        {"--raft-outcome-timeout", outcome_ms},
        {"--raft-log-cache-size", cache_bytes},
        {"--raft-checkpoint-entries", checkpoint_entries},
        {"--raft-checkpoint-log-size", checkpoint_bytes},
        {"--raft-entry-max-size", 4096},
        {"--raft-uncommitted-max-size", uncommitted_bytes},
        {"--raft-feature-level-max", level_max(node)},
        {"--raft-disk-reserve", sim->disk_reserve},
        {"--maxmemory", sim->maxmemory},
    };
    size_t count = sizeof numbers / sizeof *numbers;
    for (size_t i = 0; i < count; i++) {
        snprintf(words[i], sizeof words[i], "%lu", numbers[i].value);
        argv[argc++] = word(numbers[i].name);
        argv[argc++] = words[i];
    }
    snprintf(words[count], sizeof words[count], "/sim/%d", node->host + 1);
    argv[argc++] = word("--dir");
    argv[argc++] = words[count];
    bool promises = sim->leases && (sim->all_lease || !sim_chance(8));
    sim_cover(COVER_NO_PROMISES, sim->leases && !promises);
    argv[argc++] = word("--raft-leases");
    argv[argc++] = word(promises ? "yes" : "no");
    argv[argc++] = word("--raft-read-consistency");
    argv[argc++] = word(promises && (lease_by_default || sim->all_lease) ? "lease" : "linearizable");
    argv[argc++] = word("--raft-follower-mode");
    argv[argc++] = word(is_proxy(node) ? "proxy" : "redirect");
    argv[argc++] = word("--maxmemory-policy");
    argv[argc++] = word(policy_of(node));
    argc = add_members(node, argv, argc);
    if (!conf_load(&node->conf, NULL, argc, argv, why))
        sim_fail("the configuration is refused: %s", why);
}

static void start(struct sim_node *node) {
    sim->current = node;
    load_conf(node);
    node->born = sim->now;
    node->mono_base = 1000000 + sim_below(1000000000);
    node->drift_ppm = (int64_t)sim_below(2 * drift_ppm_max + 1) - drift_ppm_max;
    node->restart_at = node->crash_by = 0;
    if (node->doomed && !sim->calm) {
        node->crash_power = true;
        node->crash_by = sim->now + sim_below(1000000);
    }
    node->doomed = false;
    node->dark = node->stopping = false;
    node->expect_failure = disk_bounded(node->disk);
    node->applied = node->read_at = 0;
    node->led = 0;
    node->stalled_to = node->wakes_at = 0;
    sim->peace_from = sim->now > sim->peace_from ? sim->now : sim->peace_from;
    sim_trace("node %d starts", (int)node->id);
    sim_cover(COVER_RESTARTS, node->starts > 0);
    node->starts++;
    struct instant now = world_instant(node);
    node->node = node_new(NULL, &node->conf, NULL, &now);
    if (!node->node)
        sim_fail("node %d does not start", (int)node->id);
    node->turn_at = sim->now + 1;
    invariants_started(node);
    plants_started(node);
    sim->current = NULL;
}

static void gone(struct sim_node *node) {
    node->node = NULL;
    node->turn_at = node->crash_by = 0;
    node->restart_at = sim->now + sim_between(10000, node->returns_soon ? 100000
                                                     : sim_chance(30)   ? 6000000
                                                                        : 800000);
    node->returns_soon = node->dies_young = false;
    sim->current = NULL;
}

void world_crash(struct sim_node *node, bool power) {
    sim_trace("node %d %s", (int)node->id, power ? "loses power" : "is killed");
    sim_cover(COVER_CRASHES, 1);
    disk_stop(node->disk);
    network_crash(node->host, power);
    sim->current = node;
    sim->crashing = true;
    node_free(node->node);
    sim->crashing = false;
    disk_crash(node->disk, power);
    node->dark = power;
    gone(node);
}

void world_empty_disk(struct sim_node *node) {
    disk_free(node->disk);
    node->disk = disk_new(node->host);
    node->doomed = false;
    sim->destroyed[node->id] = true;
    sim_trace("node %d: its disk is an empty one", (int)node->id);
}

/* It was removed before it was upgraded, and has not heard of it: the others speak of levels that it does not know. */
static bool is_left_behind(const struct sim_node *node) {
    enum raft_member_kind kind = quorums_kind(node->id);
    return node->node->conf->feature_level_max == LEVEL_FIRST && kind != RAFT_VOTER && kind != RAFT_LEARNER;
}

static void end(struct sim_node *node) {
    if (node_ended(node->node) == NODE_FAILED && !node->expect_failure && !is_left_behind(node))
        sim_fail("node %d ends: %s", (int)node->id, node->node->failure);
    sim_trace("node %d has ended", (int)node->id);
    node->doomed = node_ended(node->node) == NODE_FAILED && (sim->only_bad_disks || sim_chance(50));
    sim->current = node;
    node_free(node->node);
    disk_crash(node->disk, disk_stopped(node->disk) && node->crash_power); /* it may die while it ends */
    gone(node);
}

void world_poke(int host) {
    struct sim_node *node = &sim->nodes[host];
    if (host >= (int)sim->node_count || !node->node)
        return;
    uint64_t at = sim->now + sim_below(100);
    if (node->turn_at == 0 || node->turn_at > at)
        node->turn_at = at;
}

static void turn(struct sim_node *node) {
    struct instant now = world_instant(node);
    sim->current = node;
    node->turn_at = 0;
    bool more = node_turn(node->node, &now);
    invariants_turned(node);
    uint64_t deadline = node_deadline_ms(node->node), now_ms = now.mono_us / 1000;
    node->wakes_at = sim->now + (deadline > now_ms ? (deadline - now_ms) * 1000 : 0) + 1 + sim_below(1000);
    sim->current = NULL;
    if (more || network_has_news(node->host))
        node->turn_at = sim->now + 1 + sim_below(50);
    if (node_ended(node->node) != NODE_RUNNING)
        end(node);
}

static uint64_t node_next(const struct sim_node *node) {
    if (!node->node)
        return node->restart_at;
    if (disk_stopped(node->disk))
        return sim->now;
    uint64_t next = node->wakes_at;
    if (node->turn_at && (node->turn_at < next || next == 0))
        next = node->turn_at;
    if (next < node->stalled_to)
        next = node->stalled_to;
    return node->crash_by && node->crash_by < next ? node->crash_by : next;
}

static void node_work(struct sim_node *node) {
    if (node_next(node) > sim->now)
        return;
    if (!node->node) {
        start(node);
    } else if (disk_stopped(node->disk)) {
        sim_cover(COVER_MID_BATCH, 1);
        world_crash(node, node->crash_power);
    } else if (node->crash_by && node->crash_by <= sim->now) {
        world_crash(node, node->crash_power);
    } else {
        turn(node);
    }
}

static void calm_down(void) {
    sim->calm = true;
    faults_end();
    for (size_t i = 0; i < sim->node_count; i++) {
        struct sim_node *node = &sim->nodes[i];
        node->stalled_to = node->full_until = 0;
        disk_clear(node->disk);
        if (node->node && disk_broken(node->disk))
            world_crash(node,
                        false); /* it may have nothing to write, and so not know: its disk is replaced */
        if (!disk_stopped(node->disk))
            disk_arm(node->disk, 0, false);
        if (node->node && node->crash_by && !disk_stopped(node->disk))
            node->crash_by = 0;
        node->wall_offset_us = (int64_t)sim_below(100000);
        if (!node->node && node->standing != STANDING_EMPTY)
            node->restart_at = sim->now + 1 + sim_below(500000);
    }
    sim_trace("calm");
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static uint64_t next_event(void) {
    uint64_t candidates[] = {worker_next(), network_next(), load_next(), faults_next(), operator_next()},
             next = UINT64_MAX;
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++)
        if (candidates[i] < next)
            next = candidates[i];
    for (size_t i = 0; i < sim->node_count; i++)
        if (node_next(&sim->nodes[i]) < next)
            next = node_next(&sim->nodes[i]);
    return next;
}

static unsigned stuck; /* steps since time went on */

static void step(void) {
    uint64_t next = next_event();
    if (next == UINT64_MAX)
        sim_fail("nothing will ever happen again");
    stuck = next > sim->now ? 0 : stuck + 1;
    if (stuck > STUCK_STEPS)
        sim_fail("time does not go on");
    if (next > sim->now)
        sim->now = next;
    sim->step++;
    sim->trace = sim_mix(sim->trace ^ sim->now) + sim->random;
    worker_work();
    network_work();
    load_work();
    operator_work();
    for (size_t i = 0; i < sim->node_count; i++)
        node_work(&sim->nodes[i]);
    faults_work();
}

static void draw_shape(void) {
    static const size_t sizes[] = {3, 3, 3, 3, 5, 5, 5, 1, 3, 5};
    sim->founder_count = sim->node_count = sizes[sim_below(10)];
    sim->client_count = 2 + (size_t)sim_below(SIM_CLIENTS_MAX - 1);
    sim->election_ms = (unsigned)sim_between(100, 600);
    heartbeat_ms = sim->election_ms / (unsigned)sim_between(5, 10);
    outcome_ms = (unsigned)sim_between(500, 5000);
    checkpoint_entries = 1 + (unsigned)sim_below(sim_chance(50) ? 20 : 200);
    checkpoint_bytes = 4096 + (unsigned)sim_below(sim_chance(70) ? 4096 : 65536);
    cache_bytes = sim_chance(60) ? 4096 : 65536;
    sim->append_bytes = (size_t)(sim_chance(40) ? sim_between(1, 400) : 1 << 20);
    sim->appends_max = (size_t)(sim_chance(30) ? sim_between(1, 4) : 256);
    sim->leases = sim_chance(50);
    lease_by_default = sim_chance(50);
    drift_ppm_max = sim_chance(50) ? 1000 : DRIFT_PPM_MAX;
    sim->disk_reserve = sim_chance(50) ? 0 : sim_between(4096, 131072);
    uncommitted_bytes = sim_chance(30) ? 4096 : 1 << 20;
    if ((sim->seed + 1) % EVICTS_OF <
        2) /* not drawn: the other seeds' worlds are what they would be without */
        sim->maxmemory = sim_between(40000, 200000);
}

static void make_nodes(void) {
    for (size_t i = 0; i < sim->node_count; i++) {
        sim->nodes[i].host = (int)i;
        sim->nodes[i].disk = disk_new((int)i);
        sim->nodes[i].fsync_slow = 1;
        sim->nodes[i].wall_offset_us = (int64_t)sim_below(200000) - 100000;
        sim->nodes[i].restart_at = i < sim->founder_count ? 1 + sim_below(300000) : UINT64_MAX;
        sim->nodes[i].standing = i < sim->founder_count ? STANDING_MEMBER : STANDING_EMPTY;
        sim->nodes[i].id = i < sim->founder_count ? i + 1 : 0;
    }
}

static void run_out(bool (*done)(void), uint64_t within_us, const char *what) {
    uint64_t by = sim->now + within_us;
    while (!done()) {
        step();
        if (sim->now > by)
            sim_fail("%s within %llu ms after the faults ended", what, (unsigned long long)within_us / 1000);
    }
}

static uint64_t writes_before;

static bool lives(void) {
    return load_writes() > writes_before;
}

static bool settled(void) {
    for (size_t i = 0; i < sim->node_count; i++) {
        const struct sim_node *node = &sim->nodes[i];
        bool member = node->standing == STANDING_MEMBER && quorums_kind(node->id) != RAFT_REMOVED;
        if (member && (!node->node || node->read_at < invariants_committed()))
            return false;
    }
    return true;
}

static void close_all(void) {
    for (size_t i = 0; i < sim->node_count; i++) {
        struct sim_node *node = &sim->nodes[i];
        sim->current = node;
        node->stopping = true;
        if (node->node)
            node_free(node->node);
        disk_free(node->disk);
    }
    sim->current = NULL;
    load_close();
    operator_close();
    network_close();
    quorums_close();
    invariants_close();
}

uint64_t world_run(uint64_t seed, uint64_t steps, enum plant plant, bool verbose, uint64_t *covers,
                   char *verdict) {
    static struct sim world;
    world = (struct sim){.seed = seed,
                         .random = sim_mix(seed),
                         .verbose = verbose,
                         .plant = plant,
                         .steps = steps,
                         .covers = covers,
                         .verdict = verdict,
                         .now = 1};
    sim = &world;
    vfs_register();
    draw_shape();
    faults_open();
    operator_open();
    make_nodes();
    invariants_open();
    quorums_open();
    plants_forget();
    load_open();
    while (sim->step < steps)
        step();
    calm_down();
    writes_before = load_writes();
    run_out(lives, LIVE_WITHIN_US, "no write was acknowledged");
    run_out(operator_done, FINISH_WITHIN_US, "a change of members was not made");
    load_finish();
    run_out(load_finished, FINISH_WITHIN_US, "not all was answered");
    run_out(settled, FINISH_WITHIN_US, "not all nodes have applied all");
    run_out(invariants_bounded, FINISH_WITHIN_US, "maxmemory is not kept");
    invariants_end();
    load_judge();
    sim_cover(COVER_RUNS, 1);
    sim_cover(COVER_STEPS, sim->step);
    close_all();
    return sim->trace;
}
