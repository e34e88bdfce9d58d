/* SPDX-License-Identifier: MIT */
/*
 * A fault in several acts, for leases: whoever leads is left behind as soon as a successor could be elected, and goes on talking to clients.
 *
 *      act        what happens                                          what must save the lease's word
 *      QUIET      clients only read, so that all logs are alike
 *      DEAF       one follower does not hear the leader, and stands     those that hear it ignore who stands
 *      FORGETFUL  then the others are killed and are back at once,      who has just been started votes for nobody for an
 *                 and the leader is cut off                             election timeout
 *      ALONE      or when somebody gives the deaf one its vote          (nobody has)
 *                 the leader is cut off
 *
 * Some clients stay with the leader and read, the others go to the deaf one and write: for as long as the lease lasts.
 */
#include "../../src/node_state.h"
#include "sim.h"

enum { DEAF_TIMEOUTS = 5, LOOK_US = 2000, QUIET_US = 100000, SOON_MS_MIN = 50, SOON_MS_MAX = 150 };

static enum act { NONE, QUIET, DEAF, FORGETFUL, ALONE } act;
static struct sim_node *leader, *deaf;
static uint64_t act_at, deaf_until;
static bool forgetful; /* the others are to be killed */

static void begin(enum act next, uint64_t within_us) {
    act = next;
    act_at = sim->now + within_us;
    sim_trace("deaf: act %d", (int)next);
}

static void cut(const struct sim_node *node, bool is_cut) {
    sim->blocked[leader->host][node->host] = sim->blocked[node->host][leader->host] = is_cut;
}

bool deaf_runs(void) {
    return act != NONE;
}

uint64_t deaf_next(void) {
    return act == NONE ? UINT64_MAX : act_at;
}

void deaf_stop(void) {
    if (act == NONE)
        return;
    for (size_t i = 0; i < sim->node_count; i++)
        cut(&sim->nodes[i], false);
    network_heal();
    load_quiet(0);
    act = NONE;
}

void deaf_begin(struct sim_node *node) {
    size_t up = 0;
    for (size_t i = 0; i < sim->node_count; i++)
        up += sim->nodes[i].node && !sim->nodes[i].crash_by;
    bool set = sim->node_count >= 3 && up > sim->node_count / 2 + 1 && !faults_move_members();
    if (!set || act != NONE || !node->node || node->node->raft_status.role != RAFT_LEADER)
        return;
    leader = node;
    deaf = &sim->nodes[((size_t)node->host + 1 + sim_below(sim->node_count - 1)) % sim->node_count];
    forgetful = sim_chance(60);
    deaf_until = sim->now + QUIET_US + DEAF_TIMEOUTS * (uint64_t)1000 * sim->election_ms;
    load_quiet(deaf_until);
    begin(QUIET, QUIET_US);
}

/* From here on there are two that may believe that they lead. */
static void leave_alone(enum act next) {
    for (size_t i = 0; i < sim->node_count; i++)
        if (&sim->nodes[i] != leader)
            cut(&sim->nodes[i], true);
    begin(next, 2 * (uint64_t)1000 * sim->election_ms);
    load_quiet(0);
    load_divide(leader->host, deaf->host, act_at);
    sim_cover(COVER_LEFT_ALONE, 1);
}

void deaf_votes(void) {
    if (act == DEAF)
        leave_alone(ALONE);
}

/* The deaf one asks for votes now and then: next when those that are killed now are back. */
static bool will_ask_soon(void) {
    uint64_t at_ms = raft_deadline(deaf->node->raft), now_ms = world_instant(deaf).mono_us / 1000;
    return deaf->node->raft_status.leader == 0 && at_ms >= now_ms + SOON_MS_MIN &&
           at_ms <= now_ms + SOON_MS_MAX;
}

void deaf_work(void) {
    if (act == NONE || act_at > sim->now)
        return;
    if (act > DEAF || deaf_until <= sim->now || !leader->node || !deaf->node ||
        leader->node->raft_status.role != RAFT_LEADER) {
        deaf_stop();
        return;
    }
    if (act == QUIET) {
        cut(deaf, true);
        begin(DEAF, LOOK_US);
        return;
    }
    act_at = sim->now + LOOK_US;
    if (!forgetful || !will_ask_soon())
        return;
    leave_alone(FORGETFUL);
    for (size_t i = 0; i < sim->node_count; i++)
        if (&sim->nodes[i] != leader && &sim->nodes[i] != deaf && sim->nodes[i].node) {
            world_crash(&sim->nodes[i], sim_chance(50));
            sim->nodes[i].restart_at = sim->now + 1 + sim_below(10000);
        }
}
