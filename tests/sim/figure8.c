/* SPDX-License-Identifier: MIT */
/*
 * A fault in five acts: figure 8 of Ongaro and Ousterhout's paper (2014), for three nodes A, B, C.
 *
 *      act           what is on the disks
 *      ALONE         A leads and is cut off: its entries x go nowhere; it is killed      A x       B         C
 *      SUCCESSOR     one that leads next is cut off with its first entry, and killed     A x       B y       C
 *      RETURN        A is back, alone with C, and leads                                  A x z     B y       C
 *      COUNTING      it dies with its first commit                                       A x z     B y       C x
 *      LAST          B is back: its y is newer than C's x. May it replace x?             A x z     B y       C y
 *
 * It may, and it does. So A must not have called x committed, though a majority held it: only z, of its own term, would have made
 * it so (section 5.4.2).
 */
#include <string.h>

#include "../../src/node_state.h"
#include "sim.h"

enum { ACT_US_MAX = 5000000, LOOK_US = 1000, LOOKS_MAX = 100 };

static enum act { NONE, ALONE, SUCCESSOR, SECOND_FALLS, RETURN, COUNTING, LAST } act;
static struct sim_node *first, *second;
static uint64_t act_at;   /* the act goes on, or the play is given up */
static raft_index y;      /* index of the entry that only `second` has */
static unsigned patience; /* looks left for what an act waits for */

static void begin(enum act next, uint64_t within_us) {
    act = next;
    act_at = sim->now + within_us;
    patience = LOOKS_MAX;
    sim_trace("figure 8: act %d", (int)next);
}

static void cut_off(const struct sim_node *node, bool cut) {
    for (int i = 0; i < SIM_NODES_MAX; i++)
        if (i != node->host)
            sim->blocked[node->host][i] = sim->blocked[i][node->host] = cut;
    if (!cut)
        network_heal();
}

static void fells(struct sim_node *node, bool power) {
    if (node->node)
        world_crash(node, power);
    node->restart_at = UINT64_MAX; /* until its next scene */
}

static void returns(struct sim_node *node) {
    if (node && !node->node && node->restart_at == UINT64_MAX)
        node->restart_at = sim->now + 1 + sim_below(20000);
}

void figure8_stop(void) {
    if (act == NONE)
        return;
    cut_off(first, false);
    if (second)
        cut_off(second, false);
    returns(first);
    returns(second);
    act = NONE;
}

bool figure8_runs(void) {
    return act != NONE;
}

void figure8_begin(struct sim_node *leader) {
    bool all_up = sim->node_count == 3 && !faults_move_members();
    for (size_t i = 0; i < sim->node_count; i++)
        all_up &= sim->nodes[i].node && !sim->nodes[i].crash_by;
    if (!all_up || act != NONE || leader->node->raft_status.role != RAFT_LEADER)
        return;
    first = leader;
    second = NULL;
    sim->append_bytes = sim->appends_max = 1; /* from their next lives on, each entry travels alone */
    cut_off(first, true);
    begin(ALONE, LOOK_US);
}

void figure8_leads(struct sim_node *node) {
    if (act == SUCCESSOR && node != first) {
        second = node;
        cut_off(second, true);
        begin(SECOND_FALLS, LOOK_US);
    } else if (act == RETURN && node == first) {
        begin(COUNTING, ACT_US_MAX);
    } else if (act == RETURN) {
        figure8_stop();
    }
}

/* Within a turn: it dies after it. */
void figure8_commits(struct sim_node *node, raft_index index) {
    if (act != COUNTING || node != first || index < y)
        return;
    node->crash_by = sim->now + 1;
    node->crash_power = true;
    begin(LAST, 2);
}

/* Whether the one that is cut off has made an entry durable that nobody else has; if not yet, looks again later. */
static bool holds_its_own(const struct sim_node *node) {
    const struct raft_status *status = node->node ? &node->node->raft_status : NULL;
    if (status && status->role == RAFT_LEADER && status->saved_index > status->commit)
        return true;
    act_at = sim->now + LOOK_US;
    if (!status || patience-- == 0)
        figure8_stop();
    return false;
}

void figure8_work(void) {
    if (act == NONE || act_at > sim->now)
        return;
    if ((act == ALONE && !holds_its_own(first)) || (act == SECOND_FALLS && !holds_its_own(second)))
        return;
    if (act == ALONE) {
        fells(first, false);
        cut_off(first, false);
        begin(SUCCESSOR, ACT_US_MAX);
    } else if (act == SECOND_FALLS) {
        y = second->node->raft_status.saved_index;
        fells(second, false);
        cut_off(second, false);
        returns(first);
        begin(RETURN, ACT_US_MAX);
    } else if (act == LAST && !first->node && first->restart_at != UINT64_MAX) {
        first->restart_at = UINT64_MAX;
        returns(second);
        sim_cover(COVER_FIGURE_8, 1);
        begin(LAST, ACT_US_MAX);
    } else {
        figure8_stop();
    }
}

uint64_t figure8_next(void) {
    return act == NONE ? UINT64_MAX : act_at;
}
