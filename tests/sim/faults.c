/* SPDX-License-Identifier: MIT */
/*
 * What goes wrong, and when. Faults come at random intervals. Which kinds may come at all is drawn anew for each seed: a run with
 * crashes only goes deeper into crashes than one in which everything happens at once.
 */
#include <string.h>

#include "../../src/node_state.h"
#include "sim.h"

enum {
    MOVES_MAX = 20,
    ARMED_US = 2000000
}; /* a crash that is to happen in the middle of a batch waits so long for one */

enum fault {
    FAULT_KILL,
    FAULT_POWER,
    FAULT_INSIDE, /* a disk job */
    FAULT_ALL_POWER,
    FAULT_SPLIT,
    FAULT_ISOLATE, /* the leader */
    FAULT_ONE_WAY,
    FAULT_RING,
    FAULT_FALL,
    FAULT_STALL,
    FAULT_CLOCK,
    FAULT_SLOW_DISK,
    FAULT_SLOW_LINKS,
    FAULT_BAD_DISK,
    FAULT_FULL_DISK,
    FAULT_STOP,
    FAULT_MOVE,
    FAULT_LATE_ACKS,
    FAULT_FIGURE_8,
    FAULT_DEAF,
    FAULT_YOUNG_LEADERS, /* these two: at an election */
    FAULT_VOTERS,
    FAULT_MEMBERS, /* operator.c; and at a change of theirs */
    FAULT_COUNT,
};

static bool enabled[FAULT_COUNT], only_young_leaders, only_deaf, formed;
static unsigned change_percent; /* of changes of members that something happens to */
static uint64_t fault_every, fault_at, heal_at, quicken_at;
static uint64_t
    deafen_at; /* a leader's words reach nobody from then on, and old answers are still on their way to it */

bool faults_move_clocks(void) {
    return enabled[FAULT_CLOCK];
}

bool faults_move_members(void) {
    return enabled[FAULT_MEMBERS];
}

/* A fault in several acts is on. */
static bool staged(void) {
    return figure8_runs() || deaf_runs();
}

static struct sim_node *some_node(void) {
    return &sim->nodes[sim_below(sim->node_count)];
}

static bool leads(const struct sim_node *node) {
    return node->node && node->node->raft_status.role == RAFT_LEADER;
}

static struct sim_node *some_leader(void) {
    for (size_t i = 0; i < sim->node_count; i++)
        if (leads(&sim->nodes[i]) && sim_chance(80))
            return &sim->nodes[i];
    return some_node();
}

static struct sim_node *victim(void) {
    return sim_chance(60) ? some_leader() : some_node();
}

static void crash_if_up(struct sim_node *node, bool power) {
    if (node->node)
        world_crash(node, power);
}

static void crash_inside(struct sim_node *node) {
    if (!node->node || node->crash_by)
        return;
    node->crash_power = sim_chance(80);
    node->crash_by = sim->now + sim_below(ARMED_US);
    disk_arm(node->disk, 1 + sim_below(30), false);
}

static void fail_disk(struct sim_node *node) {
    if (!node->node || node->crash_by)
        return;
    node->expect_failure = true;
    disk_arm(node->disk, 1 + sim_below(30), true);
}

static void fill_disk(struct sim_node *node) {
    uint64_t spare = sim_chance(50) ? sim_below(16384) : sim_below(2 * sim->disk_reserve + 1);
    disk_fill(node->disk, spare);
    node->expect_failure = true;
    node->full_until = sim->now + sim_between(200000, sim_chance(30) ? 12000000 : 3000000);
    quicken_at = node->full_until > quicken_at ? node->full_until : quicken_at;
}

static void fill_disks(void) {
    bool all = sim_chance(25);
    if (!all)
        fill_disk(victim());
    for (size_t i = 0; all && i < sim->node_count; i++)
        fill_disk(&sim->nodes[i]);
}

static void make_room(void) {
    for (size_t i = 0; i < sim->node_count; i++) {
        struct sim_node *node = &sim->nodes[i];
        if (!node->full_until || node->full_until > sim->now)
            continue;
        disk_clear(node->disk);
        node->full_until = 0;
    }
}

static void block(int from, int to) {
    sim->blocked[from][to] = true;
    sim_trace("%d -> %d is cut", from + 1, to + 1);
}

static void partition_begins(void) {
    sim_cover(COVER_PARTITIONS, 1);
    heal_at = sim->now + sim_between(100000, sim_chance(30) ? 12000000 : 2500000);
}

/* Clients are on either side, or on both. */
static void split(uint64_t side) {
    partition_begins();
    for (int i = 0; i < SIM_HOSTS_MAX; i++)
        for (int j = 0; j < SIM_HOSTS_MAX; j++) {
            bool both_nodes = i < SIM_NODES_MAX && j < SIM_NODES_MAX;
            if ((side >> i & 1) != (side >> j & 1) && (both_nodes || sim_chance(30)))
                sim->blocked[i][j] = sim->blocked[j][i] = true;
        }
    sim_trace("partition, sides %llx", (unsigned long long)side);
}

static void one_way(void) {
    partition_begins();
    for (int i = 0; i < (int)sim->node_count; i++)
        for (int j = 0; j < (int)sim->node_count; j++)
            if (i != j && sim_chance(25))
                block(i, j);
}

static void ring(void) {
    int count = (int)sim->node_count;
    partition_begins();
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++)
            if (i != j && (i + 1) % count != j && (j + 1) % count != i)
                block(i, j);
}

static void heal(void) {
    sim->peace_from = sim->now;
    memset(sim->blocked, 0, sizeof sim->blocked);
    heal_at = sim->lag_us = 0;
    network_heal();
    sim_trace("all is connected again");
}

static void jump_clock(struct sim_node *node) {
    static const int64_t reach_us[] = {1000, 300000, 2000000, 3600000000, 31536000000000};
    int64_t reach = reach_us[sim_below(5)];
    node->wall_offset_us = (int64_t)sim_below((uint64_t)(2 * reach)) - reach;
    sim_cover(COVER_CLOCK_JUMPS, 1);
    sim_trace("node %d: the clock is off by %lld us", (int)node->id, (long long)node->wall_offset_us);
}

static void quicken(void) {
    memset(sim->slow, 0, sizeof sim->slow);
    for (size_t i = 0; i < sim->node_count; i++)
        sim->nodes[i].fsync_slow = 1;
    quicken_at = 0;
}

static void slow_links(void) {
    for (int i = 0; i < SIM_HOSTS_MAX; i++)
        for (int j = 0; j < SIM_HOSTS_MAX; j++)
            sim->slow[i][j] = sim_chance(40) ? sim_between(2, 120) : 1;
    quicken_at = sim->now + sim_between(200000, 4000000);
}

/* A leader hears answers that were given long ago, and believes that it is still followed. They become later bit by bit, or
 * it would miss them. */
static void late_acks(struct sim_node *leader) {
    if (deafen_at || heal_at || sim->lag_us || !leads(leader))
        return;
    sim->lag_host = leader->host;
    sim->lag_from = sim->now;
    sim->lag_us = sim->election_ms * sim_between(1500, 5000);
    deafen_at = sim->now + 2 * sim->lag_us + sim_below(300000);
    fault_at = deafen_at + sim->lag_us + 2000 * (uint64_t)sim->election_ms; /* nothing else meanwhile */
    sim_trace("what node %d is told comes ever later, up to %llu us", (int)leader->id,
              (unsigned long long)sim->lag_us);
}

static void deafen(void) {
    deafen_at = 0;
    sim_cover(COVER_LATE_ACKS, 1);
    partition_begins();
    heal_at += sim->lag_us;
    for (int i = 0; i < (int)sim->node_count; i++)
        if (i != sim->lag_host)
            block(sim->lag_host, i);
    load_divide(sim->lag_host, (sim->lag_host + 1) % (int)sim->node_count, heal_at);
}

static void dies_soon(struct sim_node *node, uint64_t within_us) {
    if (!node->node || node->crash_by)
        return;
    node->crash_power = sim_chance(50);
    node->crash_by = sim->now + 1 + sim_below(within_us);
    node->returns_soon = sim_chance(70);
}

/* Most leaders live long enough to hide what becomes of those that don't: entries of several terms, on few nodes each. So some
 * reach one other node at most, and some die with their first commit. */
void faults_leads(struct sim_node *node) {
    figure8_leads(node);
    if (sim->calm || staged() || !enabled[FAULT_YOUNG_LEADERS] || sim_chance(only_young_leaders ? 5 : 30))
        return;
    node->dies_young = true;
    dies_soon(node, sim_chance(50) ? 5000 : 50000);
    if (heal_at || deafen_at || sim_chance(only_young_leaders ? 5 : 30))
        return;
    int friend = sim_chance(50) ? node->host : some_node()->host;
    for (int i = 0; i < (int)sim->node_count; i++)
        if (i != node->host && i != friend)
            sim->blocked[node->host][i] = sim->blocked[i][node->host] = true;
    heal_at = sim->now + sim_between(5000, 100000);
}

void faults_commits(struct sim_node *node, raft_index index) {
    figure8_commits(node, index);
    if (!node->dies_young || !leads(node) || sim_chance(60))
        return;
    node->crash_by = sim->now + 1;
    node->crash_power = true;
}

void faults_votes(struct sim_node *node) {
    deaf_votes();
    if (!sim->calm && !staged() && enabled[FAULT_VOTERS] && sim_chance(20))
        dies_soon(node, 2000);
}

/* Whoever begins a change dies with it, or is alone with it, in some runs often: else it is committed before anything happens. */
void faults_changes(struct sim_node *node) {
    if (sim->calm || staged() || heal_at || deafen_at || !sim_chance(change_percent))
        return;
    if (sim_chance(50)) {
        dies_soon(node, 4000);
        return;
    }
    split((uint64_t)1 << node->host | (sim_chance(40) ? (uint64_t)1 << some_node()->host : 0));
}

bool faults_cut_off(const struct sim_node *node, uint64_t for_us) {
    if (sim->calm || staged() || heal_at || deafen_at)
        return false;
    partition_begins();
    heal_at = sim->now + for_us;
    for (int i = 0; i < (int)sim->node_count; i++)
        if (i != node->host)
            sim->blocked[node->host][i] = sim->blocked[i][node->host] = true;
    return true;
}

static void stall(struct sim_node *node) {
    node->stalled_to = sim->now + sim_between(10000, sim_chance(40) ? 4000000 : 700000);
    quicken_at = node->stalled_to > quicken_at ? node->stalled_to : quicken_at;
    sim_cover(COVER_STALLS, 1);
    sim_trace("node %d gets no time until %llu", (int)node->id, (unsigned long long)node->stalled_to);
}

static void stop(struct sim_node *node) {
    if (!node->node || node->stopping)
        return;
    sim->current = node;
    node_stop(node->node);
    node->stopping = true;
    sim->current = NULL;
    world_poke(node->host);
}

/* Until all founders have met, their files must say the same. */
static bool has_formed(void) {
    for (size_t i = 0; i < sim->founder_count && !formed; i++)
        if (!sim->nodes[i].node || sim->nodes[i].node->raft_status.applied == 0)
            return false;
    return formed = true;
}

static bool moving(void) {
    for (size_t i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].moving)
            return true;
    return false;
}

/* It comes back at another address. The next only once the list has that: two that are not where the other dials, and whose files name
 * neither, would not find each other again. */
static void move(struct sim_node *node) {
    if (!has_formed() || node->standing != STANDING_MEMBER || node->moves >= MOVES_MAX || moving() ||
        operator_misplaced())
        return;
    crash_if_up(node, sim_chance(20));
    node->moving = true;
}

static void do_fault(enum fault fault) {
    switch (fault) {
    case FAULT_KILL:
        crash_if_up(victim(), false);
        break;
    case FAULT_POWER:
        crash_if_up(victim(), true);
        break;
    case FAULT_INSIDE:
        crash_inside(victim());
        break;
    case FAULT_ALL_POWER:
        for (size_t i = 0; i < sim->node_count; i++)
            crash_if_up(&sim->nodes[i], sim_chance(90));
        break;
    case FAULT_SPLIT:
        split(sim_random());
        break;
    case FAULT_ISOLATE:
        split((uint64_t)1 << some_leader()->host);
        break;
    case FAULT_ONE_WAY:
        one_way();
        break;
    case FAULT_RING:
        ring();
        break;
    case FAULT_FALL:
        network_fall();
        break;
    case FAULT_STALL:
        stall(victim());
        break;
    case FAULT_CLOCK:
        jump_clock(some_node());
        break;
    case FAULT_SLOW_DISK:
        victim()->fsync_slow = sim_between(2, 150);
        quicken_at = sim->now + sim_between(200000, 4000000);
        break;
    case FAULT_SLOW_LINKS:
        slow_links();
        break;
    case FAULT_BAD_DISK:
        fail_disk(victim());
        break;
    case FAULT_FULL_DISK:
        fill_disks();
        break;
    case FAULT_STOP:
        stop(victim());
        break;
    case FAULT_MOVE:
        move(some_node());
        break;
    case FAULT_LATE_ACKS:
        late_acks(some_leader());
        break;
    case FAULT_FIGURE_8:
        if (!heal_at && !deafen_at)
            figure8_begin(some_leader());
        break;
    case FAULT_DEAF:
        if (!heal_at && !deafen_at)
            deaf_begin(some_leader());
        break;
    case FAULT_YOUNG_LEADERS:
    case FAULT_VOTERS:
    case FAULT_MEMBERS:
    case FAULT_COUNT:
        break;
    }
}

void faults_work(void) {
    if (heal_at && heal_at <= sim->now)
        heal();
    if (quicken_at && quicken_at <= sim->now)
        quicken();
    if (deafen_at && deafen_at <= sim->now)
        deafen();
    make_room();
    figure8_work();
    deaf_work();
    if (sim->calm || fault_at > sim->now)
        return;
    fault_at = sim->now + 1 + sim_below(2 * fault_every);
    enum fault fault = (enum fault)sim_below(FAULT_COUNT);
    if (only_deaf && sim_chance(80))
        fault = FAULT_DEAF;
    else if (enabled[FAULT_FIGURE_8] && sim_chance(20))
        fault = FAULT_FIGURE_8; /* its stage is seldom set */
    else if (enabled[FAULT_DEAF] && sim_chance(15))
        fault = FAULT_DEAF;
    if (!enabled[fault] || staged())
        return;
    do_fault(fault);
    sim->peace_from = heal_at > quicken_at ? heal_at : quicken_at;
    if (sim->peace_from < sim->now)
        sim->peace_from = sim->now;
}

uint64_t faults_next(void) {
    uint64_t next = sim->calm ? UINT64_MAX : fault_at;
    if (figure8_next() < next)
        next = figure8_next();
    if (deaf_next() < next)
        next = deaf_next();
    for (size_t i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].full_until && sim->nodes[i].full_until < next)
            next = sim->nodes[i].full_until;
    if (heal_at && heal_at < next)
        next = heal_at;
    if (quicken_at && quicken_at < next)
        next = quicken_at;
    if (deafen_at && deafen_at < next)
        next = deafen_at;
    return next;
}

void faults_open(void) {
    for (size_t i = 0; i < FAULT_COUNT; i++)
        enabled[i] = sim_chance(i < FAULT_YOUNG_LEADERS || i == FAULT_MEMBERS ? 50 : 25);
    enabled[FAULT_DEAF] &= sim->leases;
    change_percent = (unsigned)sim_below(60);
    only_young_leaders = sim_chance(10);
    if (only_young_leaders) {
        memset(enabled, 0, sizeof enabled);
        enabled[FAULT_YOUNG_LEADERS] = true;
        sim->append_bytes = sim->appends_max = 1;
    }
    sim->only_bad_disks = !only_young_leaders && sim_chance(12);
    if (sim->only_bad_disks) {
        memset(enabled, 0, sizeof enabled);
        enabled[FAULT_BAD_DISK] = true;
    }
    only_deaf = sim->leases && !only_young_leaders && !sim->only_bad_disks && sim_chance(20);
    if (only_deaf) {
        memset(enabled, 0, sizeof enabled);
        enabled[FAULT_DEAF] = enabled[FAULT_LATE_ACKS] = true;
        sim->all_lease = true;
    }
    fault_every = sim->only_bad_disks ? 30000 : sim_between(50000, 900000);
    fault_at = sim_between(200000, 1500000);
    heal_at = quicken_at = deafen_at = 0;
    formed = false;
}

void faults_end(void) {
    deaf_stop();
    figure8_stop();
    deafen_at = 0;
    heal();
    quicken();
}
