/* SPDX-License-Identifier: MIT */
/*
 * The log's beginning goes when a checkpoint holds it, less a tail: a follower that is a little behind gets entries, which is
 * cheaper for all than a snapshot. What live followers still need stays too: those that lag, those that are getting a snapshot or putting
 * it in place (were the log cut past it by then, they would need the next at once, and never catch up with a busy leader). That has a
 * bound: one that takes for ever must not fill the disk. When what it needs of the log is more than the state itself, a newer snapshot is
 * the shorter way.
 *
 *      |--------- entries -------------------------------------------|
 *                 ^ cut here       ^ checkpoint                      last
 *                 |<--- a tail --->|
 *
 * The log's part of it is one row of its state (store/ring.c).
 */
#include "node_state.h"

enum {
    TAIL_MAX = 4096, /* entries of the tail, at most ... */
    TAIL_PART = 4,   /* ... and about this part of the bytes that begin a checkpoint */
    NEED_FACTOR =
        4, /* followers keep at most so many times what begins a checkpoint, or as much as the data file has */
    STEP_ENTRIES = 1000,
    TURN_US = 500,  /* after so long the next turn goes on */
    WORTH_PART = 8, /* less than this part of the entries is not cut */
};

static raft_index tail_entries(const struct node *node) {
    raft_index entries = node->raft_status.saved_index - node->raft_status.base_index;
    uint64_t each = entries > 0 ? node->log_bytes / entries + 1 : 1;
    uint64_t fit = node->conf->checkpoint_log_bytes / TAIL_PART / each;
    return fit < TAIL_MAX ? fit : TAIL_MAX;
}

static uint64_t needs_bound(const struct node *node) {
    uint64_t bound = NEED_FACTOR * node->conf->checkpoint_log_bytes;
    return bound > node->checkpoint.file_bytes ? bound : node->checkpoint.file_bytes;
}

static raft_index wanted(const struct node *node) {
    raft_index done = node->checkpoint.done_index, tail = tail_entries(node);
    raft_index to = done > tail ? done - tail : 0;
    raft_index sent = snapshot_out_needs(node), lag = raft_needed(node->raft),
               needed = sent < lag ? sent : lag;
    if (needed < to && node->log_bytes < needs_bound(node))
        to = needed;
    return to < node->raft_status.saved_index ? to : node->raft_status.saved_index;
}

/* A cut is a transaction that the next entries wait for, and where it would be moves with each of them: entries that grow make the tail
 * shorter, a follower that lags goes on. So less than a part of all stays until it is more. */
static bool is_worth_it(const struct node *node, raft_index to) {
    raft_index base = node->raft_status.base_index;
    return to > base && (to - base) * WORTH_PART >= node->raft_status.saved_index - base;
}

static void submit(struct node *node) {
    struct store_job *job = store_job_new(STORE_COMPACT);
    job->through = node->compact_to;
    node->compacting = true;
    worker_submit(node->log_worker, &job->job);
}

/* From memory, where there may be hundreds of thousands of them. True: up to `to`. */
static bool cut_some(struct node *node, raft_index to) {
    const struct checkpoint_pause begun = checkpoint_stopwatch();
    raft_index at = node->raft_status.base_index;
    do {
        at = to - at > STEP_ENTRIES ? at + STEP_ENTRIES : to;
        raft_compact(node->raft, at);
    } while (at < to && instant_mono_us() - begun.us < TURN_US);
    raft_status(node->raft, &node->raft_status);
    checkpoint_spent(node, &begun);
    return at == to;
}

bool compact_turn(struct node *node) {
    if (node->compacting || node->snapshot_in.phase >= SNAPSHOT_IN_RESETTING)
        return false;
    /* While one is being cut what is wanted is not asked again. */
    if (node->compact_to <= node->raft_status.base_index) {
        raft_index to = node->checkpoint.done_index > 0 ? wanted(node) : 0;
        if (!is_worth_it(node, to))
            return false;
        node->compact_to = to;
    }
    if (!cut_some(node, node->compact_to))
        return true;
    submit(node);
    return false;
}

void compact_taken(struct node *node) {
    node->compacting = false;
}
