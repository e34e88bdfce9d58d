/* SPDX-License-Identifier: MIT */
/*
 * What goes wrong, from a deck that is shuffled again and again, so that every kind has its turn in a short run too:
 *
 *      processes    kill -9 of a node, of the leader, of all at once; SIGSTOP for longer and shorter than an election; SIGTERM
 *      network      cut in two; a leader alone whom its clients still reach; one direction only, from or to a node; a node in the middle whom
 *                   both halves reach; a ring; a cable that is out
 *      disks        full; EIO at some write, sync, truncation or read of the log or the state, from then on; slow syncs
 *      members      a node is removed, or its disk is lost and it comes back empty and is refused; another takes its place under a new id
 *      office       the leadership is handed over; a checkpoint is asked for
 *
 * One fault a node and one cut at a time, but a cut, faults of nodes and a change of members go together. Mostly a minority is struck; now
 * and then more, for safety does not depend on a majority.
 *
 *      STEADY --kill--> DEAD --time--> STEADY          STEADY --stop--> STOPPED --time--> STEADY
 *      STEADY --disk fault--> SICK (it may end by itself) --time: mended, started if it has ended--> STEADY
 *      STEADY --SIGTERM--> ENDING --it ends with 0--> STEADY
 *
 * A change of members is a walk of its own, each step tried until it is done: REMOVE id, empty disk, start to join, ADD new id, it votes.
 */
#include "faults.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../harness/wire.h"
#include "disks.h"
#include "network.h"

enum {
    ASK_MS = 700,
    REPLY_MAX = 512,
    CHANGE_EVERY_MS = 150,
    END_MS = 20000,
    EXCUSED_MS = 5000, /* after its disk is mended: it may be on its way to its end */
    CHANGES_MAX = 40,  /* ids of removed members are kept for ever */
    MAJORITY_PERCENT = 12,
    OPTIONS_MAX = 8,
};

enum slot_state { STEADY, DEAD, STOPPED, SICK, ENDING };

struct slot {
    enum slot_state state;
    uint64_t until_ms, excused_until_ms;
    char join[64];
    const char *options[OPTIONS_MAX];
};

enum change_stage { NO_CHANGE, LOST, REMOVING, ADDING, WAITING };

typedef bool matrix[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX];

struct kind {
    const char *name;
    bool (*begin)(void); /* false: not now, try another */
    bool wants_network, wants_disk;
    uint64_t count;
};

static struct {
    struct cluster *cluster;
    struct faults_means means;
    uint64_t random;
    struct slot slots[CLUSTER_NODES_MAX];
    uint64_t cut_until_ms; /* 0: the network is whole */
    uint64_t next_ms;
    struct {
        enum change_stage stage;
        size_t at;
        uint64_t next_ms, lost_until_ms;
    } change;
    unsigned next_id;
    size_t changes;
    size_t deck[FAULT_KINDS_MAX], left;
} world;

static uint64_t below(uint64_t bound) {
    return harness_random(&world.random) % bound;
}

static uint64_t soon(uint64_t low_ms, uint64_t high_ms) {
    return harness_now_ms() + low_ms + below(high_ms - low_ms + 1);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------------ */

static size_t struck(void) {
    size_t count = world.change.stage == LOST || world.change.stage == ADDING;
    for (size_t at = 0; at < world.cluster->count; at++)
        count += world.slots[at].state != STEADY;
    return count;
}

static int leader(void) {
    return cluster_leader(world.cluster);
}

/* A node that can be struck; the leader as often as all others together. -1: none. */
static int victim(void) {
    size_t minority = (world.cluster->count - 1) / 2;
    if (struck() >= minority && below(100) >= MAJORITY_PERCENT)
        return -1;
    int at = below(2) ? leader() : (int)below(world.cluster->count);
    bool free = at >= 0 && world.slots[at].state == STEADY && world.cluster->nodes[at].pid != 0;
    return free && (world.change.stage == NO_CHANGE || world.change.at != (size_t)at) ? at : -1;
}

static void spawn(size_t at) {
    struct slot *slot = &world.slots[at];
    if (world.cluster->nodes[at].pid == 0)
        cluster_spawn(world.cluster, at);
    slot->state = STEADY;
}

static void put_off(size_t at, enum slot_state state, uint64_t until_ms) {
    world.slots[at].state = state;
    world.slots[at].until_ms = until_ms;
}

static void mend(size_t at) {
    struct slot *slot = &world.slots[at];
    disks_mend(world.cluster, at);
    if (slot->state == STOPPED)
        cluster_pause(world.cluster, at, false);
    if (slot->state == SICK)
        slot->excused_until_ms = harness_now_ms() + harness_scaled_ms(EXCUSED_MS);
    spawn(at);
}

/* Who ended by itself had a reason to. */
static void watch(size_t at) {
    struct slot *slot = &world.slots[at];
    int status;
    uint64_t now = harness_now_ms();
    if (slot->state == ENDING && slot->until_ms <= now)
        harness_fail("node %u still runs long after SIGTERM", world.cluster->nodes[at].id);
    if (world.cluster->nodes[at].pid == 0 || slot->state == STOPPED ||
        !cluster_wait_end(world.cluster, at, 0, &status))
        return;
    if (slot->state == SICK && status == 1)
        return;
    bool told = status == 0 || status == 128 + SIGTERM; /* the latter: it had only just begun to start */
    bool excused = (slot->state == ENDING && told) || (slot->excused_until_ms > now && status == 1);
    if (!excused)
        harness_fail("node %u ended by itself, with status %d", world.cluster->nodes[at].id, status);
    put_off(at, DEAD, soon(0, 500));
}

static const char *ask(size_t at, const char *words) {
    static char reply[REPLY_MAX];
    const struct node *node = &world.cluster->nodes[at];
    struct wire *wire = wire_open_at(node->host, node->port, harness_scaled_ms(ASK_MS));
    snprintf(reply, sizeof reply, "%s", wire ? wire_ask(wire, words) : "closed");
    wire_close(wire);
    return reply;
}

/* ---- processes ---------------------------------------------------------------------------------------------------------- */

static bool kill_one(void) {
    int at = victim();
    if (at < 0)
        return false;
    cluster_kill(world.cluster, (size_t)at);
    put_off((size_t)at, DEAD, soon(0, 1500));
    return true;
}

static bool kill_leader(void) {
    int at = leader();
    if (at < 0 || world.slots[at].state != STEADY || (world.change.stage && world.change.at == (size_t)at))
        return false;
    cluster_kill(world.cluster, (size_t)at);
    put_off((size_t)at, DEAD, soon(0, 2500));
    return true;
}

static bool kill_all(void) {
    for (size_t at = 0; at < world.cluster->count; at++)
        if (world.slots[at].state != STEADY)
            return false;
    if (world.change.stage != NO_CHANGE)
        return false;
    cluster_kill_all(world.cluster);
    for (size_t at = 0; at < world.cluster->count; at++)
        put_off(at, DEAD, soon(0, 400));
    return true;
}

static bool stop_one(void) {
    int at = victim();
    if (at < 0)
        return false;
    cluster_pause(world.cluster, (size_t)at, true);
    put_off((size_t)at, STOPPED, below(2) ? soon(50, 500) : soon(800, 2500));
    return true;
}

static bool end_one(void) {
    int at = victim();
    if (at < 0)
        return false;
    kill(world.cluster->nodes[at].pid, SIGTERM);
    put_off((size_t)at, ENDING, harness_now_ms() + harness_scaled_ms(END_MS));
    return true;
}

/* ---- network ---------------------------------------------------------------------------------------------------------------- */

static bool cut(matrix blocked) {
    network_block(world.cluster, blocked);
    world.cut_until_ms = below(3) ? soon(800, 3500) : soon(100, 600);
    return true;
}

static bool cut_in_two(void) {
    matrix blocked = {{false}};
    size_t count = world.cluster->count, sides[CLUSTER_NODES_MAX];
    for (size_t at = 0; at < count; at++)
        sides[at] = below(2);
    for (size_t from = 0; from < count; from++)
        for (size_t to = 0; to < count; to++)
            blocked[from][to] = sides[from] != sides[to];
    return cut(blocked);
}

/* In both directions, or in one. Its clients still reach it. */
static bool cut_off(int at, bool out, bool in) {
    matrix blocked = {{false}};
    if (at < 0)
        return false;
    for (size_t other = 0; other < world.cluster->count; other++) {
        blocked[at][other] = out && other != (size_t)at;
        blocked[other][at] = in && other != (size_t)at;
    }
    return cut(blocked);
}

static bool leader_alone(void) {
    return cut_off(leader(), true, true);
}

static bool leader_mute(void) {
    return cut_off(leader(), true, false);
}

static bool leader_deaf(void) {
    return cut_off(leader(), false, true);
}

static bool one_way(void) {
    matrix blocked = {{false}};
    for (size_t from = 0; from < world.cluster->count; from++)
        for (size_t to = 0; to < world.cluster->count; to++)
            blocked[from][to] = below(3) == 0;
    return cut(blocked);
}

/* Of five, everybody reaches its neighbours only; of three, only the next one. */
static bool ring(void) {
    matrix blocked = {{false}};
    size_t count = world.cluster->count;
    for (size_t from = 0; from < count; from++)
        for (size_t to = 0; to < count; to++) {
            size_t ahead = (to + count - from) % count;
            blocked[from][to] = ahead > 1 && (count == 3 || ahead < count - 1);
        }
    return cut(blocked);
}

/* Both halves reach the node in the middle, and not each other. */
static bool bridge(void) {
    matrix blocked = {{false}};
    size_t count = world.cluster->count, middle = below(count);
    for (size_t from = 0; from < count; from++)
        for (size_t to = 0; to < count; to++) {
            size_t one = (from + count - middle) % count, other = (to + count - middle) % count;
            blocked[from][to] = one > 0 && other > 0 && (one <= count / 2) != (other <= count / 2);
        }
    return cut(blocked);
}

static bool cable_out(void) {
    int at = below(2) ? leader() : (int)below(world.cluster->count);
    if (at < 0)
        return false;
    network_plug(world.cluster, (size_t)at, false);
    world.cut_until_ms = soon(300, 3000);
    return true;
}

/* ---- disks ---------------------------------------------------------------------------------------------------------------- */

static bool disk_full(void) {
    int at = victim();
    if (at < 0)
        return false;
    disks_fill(world.cluster, (size_t)at);
    put_off((size_t)at, SICK, soon(300, 2500));
    return true;
}

static bool disk_fails(uint32_t where) {
    static const uint32_t whats[] = {FAULT_WRITE, FAULT_SYNC, FAULT_WRITE | FAULT_TRUNCATE,
                                     FAULT_WRITE | FAULT_SYNC | FAULT_TRUNCATE | FAULT_READ};
    int at = victim();
    if (at < 0)
        return false;
    struct disk_faults *faults = disks_faults((size_t)at);
    atomic_store(&faults->where, where);
    atomic_store(&faults->full, below(3) == 0);
    atomic_store(&faults->after, below(10));
    atomic_store(&faults->what, whats[below(sizeof whats / sizeof *whats)]);
    put_off((size_t)at, SICK, soon(500, 2500));
    if (where == FAULT_DATA)
        (void)ask((size_t)at, "RAFT.SNAPSHOT");
    return true;
}

static bool log_fails(void) {
    return disk_fails(FAULT_LOG);
}

static bool state_fails(void) {
    return disk_fails(FAULT_DATA);
}

static bool disk_slow(void) {
    int at = victim();
    if (at < 0)
        return false;
    atomic_store(&disks_faults((size_t)at)->sync_us, (uint32_t)(1000 << below(11)));
    put_off((size_t)at, SICK, soon(500, 2500));
    return true;
}

/* ---- office ---------------------------------------------------------------------------------------------------------------- */

static bool hand_over(void) {
    int at = leader();
    return at >= 0 && strcmp(ask((size_t)at, "RAFT.TRANSFER_LEADER"), "+OK") == 0;
}

static bool checkpoint(void) {
    size_t at = below(world.cluster->count);
    return world.slots[at].state == STEADY && strcmp(ask(at, "RAFT.SNAPSHOT"), "+OK") == 0;
}

/* ---- members ------------------------------------------------------------------------------------------------------------------ */

static bool begin_change(bool lost) {
    int at = victim();
    if (at < 0 || world.change.stage != NO_CHANGE || world.changes == CHANGES_MAX)
        return false;
    world.changes++;
    world.change.at = (size_t)at;
    world.change.stage = lost ? LOST : REMOVING;
    world.change.lost_until_ms = soon(300, 1500);
    if (!lost)
        return true;
    cluster_kill(world.cluster, (size_t)at);
    disks_wipe(world.cluster, (size_t)at);
    spawn((size_t)at);
    return true;
}

static bool replace_member(void) {
    return begin_change(false);
}

static bool lose_disk(void) {
    return begin_change(true);
}

/* The others refuse it: it must not come up. */
static void must_be_refused(size_t at) {
    static struct info info;
    if (cluster_info(world.cluster, at, &info) && info_is(&info, "state", "up"))
        harness_fail("node %u has lost its disk, and is taken for the member it was",
                     world.cluster->nodes[at].id);
}

static const char *ask_leader(const char *format, unsigned id, const struct node *node) {
    char words[128];
    int at = leader();
    snprintf(words, sizeof words, format, id, node->host, node->port);
    return at < 0 ? "no leader" : ask((size_t)at, words);
}

/* Under a new id, with nothing on its disk. */
static void start_anew(size_t at) {
    struct cluster *cluster = world.cluster;
    static const char *const nobody[] = {NULL};
    struct slot *slot = &world.slots[at];
    size_t host = (at + 1 + below(cluster->count - 1)) % cluster->count;
    cluster_kill(cluster, at);
    disks_wipe(cluster, at);
    cluster->nodes[at].id = world.next_id++;
    cluster->nodes[at].members = nobody;
    snprintf(slot->join, sizeof slot->join, "%s:%u", cluster->nodes[host].host, cluster->nodes[host].port);
    slot->options[2] = "--raft-join";
    slot->options[3] = slot->join;
    spawn(at);
}

static bool votes(size_t at) {
    static struct info info;
    char field[32], line[1024];
    snprintf(field, sizeof field, "node%u", world.cluster->nodes[at].id);
    return cluster_info(world.cluster, at, &info) && info_is(&info, "state", "up") &&
           info_text(&info, field, line, sizeof line) && strstr(line, "voting=yes");
}

static void go_on_with_change(void) {
    size_t at = world.change.at;
    struct node *node = &world.cluster->nodes[at];
    const char *reply;
    if (world.change.stage == NO_CHANGE || harness_now_ms() < world.change.next_ms)
        return;
    world.change.next_ms = harness_now_ms() + CHANGE_EVERY_MS;
    switch (world.change.stage) {
    case LOST:
        must_be_refused(at);
        if (harness_now_ms() >= world.change.lost_until_ms)
            world.change.stage = REMOVING;
        break;
    case REMOVING:
        reply = ask_leader("RAFT.NODE REMOVE %u", node->id, node);
        if (strcmp(reply, "+OK") == 0 || strstr(reply, "there is no node")) {
            start_anew(at);
            world.change.stage = ADDING;
        }
        break;
    case ADDING:
        reply = ask_leader("RAFT.NODE ADD %u %s:%u", node->id, node);
        if (strcmp(reply, "+OK") == 0 || strstr(reply, "is a member, or was one"))
            world.change.stage = WAITING;
        break;
    case WAITING:
        if (votes(at))
            world.change.stage = NO_CHANGE;
        break;
    case NO_CHANGE:
        break;
    }
}

/* ---- the deck ------------------------------------------------------------------------------------------------------------------ */

static struct kind kinds[] = {
    {"kill -9 of a node", kill_one, false, false, 0},
    {"kill -9 of the leader", kill_leader, false, false, 0},
    {"kill -9 of all", kill_all, false, false, 0},
    {"SIGSTOP", stop_one, false, false, 0},
    {"SIGTERM", end_one, false, false, 0},
    {"cut in two", cut_in_two, true, false, 0},
    {"leader cut off", leader_alone, true, false, 0},
    {"leader mute", leader_mute, true, false, 0},
    {"leader deaf", leader_deaf, true, false, 0},
    {"cut one way", one_way, true, false, 0},
    {"ring", ring, true, false, 0},
    {"bridge", bridge, true, false, 0},
    {"cable out", cable_out, true, false, 0},
    {"disk full", disk_full, false, true, 0},
    {"log's disk fails", log_fails, false, false, 0},
    {"state's disk fails", state_fails, false, false, 0},
    {"disk slow", disk_slow, false, false, 0},
    {"member replaced", replace_member, false, false, 0},
    {"disk lost", lose_disk, false, false, 0},
    {"leadership handed over", hand_over, false, false, 0},
    {"checkpoint", checkpoint, false, false, 0},
};
enum { KINDS = sizeof kinds / sizeof *kinds };
static bool seen[KINDS]; /* in this run, or in an earlier one of this process */

static bool permitted(const struct kind *kind) {
    return (!kind->wants_network || (world.means.networks && world.cut_until_ms == 0)) &&
           (!kind->wants_disk || world.means.disks);
}

/* What has not happened in this process yet lies on top: where the machine is busy, short runs together see what none sees alone. */
static void shuffle(void) {
    for (world.left = 0; world.left < KINDS; world.left++) {
        size_t other = below(world.left + 1);
        world.deck[world.left] = world.deck[other];
        world.deck[other] = world.left;
    }
    for (size_t at = KINDS, top = KINDS; at-- > 0;)
        if (!seen[world.deck[at]]) {
            size_t unseen = world.deck[at];
            world.deck[at] = world.deck[--top];
            world.deck[top] = unseen;
        }
}

/* The first of what is left in the deck that can begin now. */
static void begin_next(void) {
    if (world.left == 0)
        shuffle();
    for (size_t i = world.left; i-- > 0;) {
        struct kind *kind = &kinds[world.deck[i]];
        bool never =
            (kind->wants_network && !world.means.networks) || (kind->wants_disk && !world.means.disks);
        bool begun = permitted(kind) && kind->begin();
        if (!begun && !never)
            continue;
        kind->count += begun;
        seen[world.deck[i]] = seen[world.deck[i]] || begun;
        world.deck[i] = world.deck[--world.left];
        if (begun)
            return;
    }
}

void faults_open(struct cluster *cluster, struct faults_means means, uint64_t seed) {
    memset(&world, 0, sizeof world);
    world.cluster = cluster;
    world.means = means;
    world.random = seed;
    world.next_id = (unsigned)cluster->count + 1;
    world.next_ms = soon(200, 600);
    for (size_t i = 0; i < KINDS; i++)
        kinds[i].count = 0;
    for (size_t at = 0; at < cluster->count; at++) {
        world.slots[at].options[0] = "--test-disk-faults";
        world.slots[at].options[1] = disks_path(at);
        cluster->nodes[at].options = world.slots[at].options;
    }
}

void faults_work(void) {
    uint64_t now = harness_now_ms();
    for (size_t at = 0; at < world.cluster->count; at++) {
        watch(at);
        if (world.slots[at].state != STEADY && world.slots[at].state != ENDING &&
            world.slots[at].until_ms <= now)
            mend(at);
    }
    if (world.cut_until_ms != 0 && world.cut_until_ms <= now) {
        network_heal(world.cluster);
        world.cut_until_ms = 0;
    }
    go_on_with_change();
    if (world.next_ms <= now) {
        begin_next();
        world.next_ms = soon(50, 700);
    }
}

bool faults_heal(void) {
    if (world.means.networks)
        network_heal(world.cluster);
    world.cut_until_ms = 0;
    for (size_t at = 0; at < world.cluster->count; at++) {
        for (watch(at); world.slots[at].state == ENDING; watch(at))
            harness_sleep_ms(10);
        mend(at);
    }
    return world.change.stage == NO_CHANGE;
}

bool faults_settle(void) {
    for (size_t at = 0; at < world.cluster->count; at++) {
        watch(at);
        if (world.slots[at].state == DEAD)
            mend(at);
    }
    go_on_with_change();
    return world.change.stage == NO_CHANGE;
}

size_t faults_count(const char *names[FAULT_KINDS_MAX], uint64_t counts[FAULT_KINDS_MAX]) {
    for (size_t i = 0; i < KINDS; i++) {
        names[i] = kinds[i].name;
        counts[i] = kinds[i].count;
    }
    return KINDS;
}
