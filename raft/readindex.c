/* SPDX-License-Identifier: MIT */
/*
 * Linearizable reads without a log entry (section 6.4).
 *
 * A read may be answered from the state at `index` if everything that was acknowledged before it began is in that state,
 * for which two things must be known. That `index`, our commit index when the read began, is the greatest of all: true if
 * we still were the leader after it began, and our term's first entry is committed (before that a predecessor may have
 * committed more than we know). And that we still were: a majority has heard us in this term, in answer to something
 * that we sent after the read began.
 *
 * Hence rounds. Appends carry the number of the newest round, answers echo it. A read belongs to the first round that
 * begins after it came:
 *
 *      read a  read b | round 8 begins (a, b) | read c | an answer to 7 arrives | an answer to 8 | round 9 (c)
 *                                                        means nothing to a, b    confirms a and b, not c
 *
 * That answer to 7 may have been under way while another leader was elected and wrote; to count it would be a stale read.
 */
#include <string.h>

#include "internal.h"

void raft_readindex_reset(struct raft *raft) {
    struct raft_read_queue *reads = &raft->reads;
    reads->head = 0;
    reads->count = 0;
    reads->unassigned = 0;
    reads->round = 0;
    raft->filling->reads.count = 0; /* one that was not handed out yet is forgotten like the others */
}

enum raft_result raft_read(struct raft *raft, uint64_t token) {
    struct raft_read_queue *reads = &raft->reads;
    if (raft->role != RAFT_LEADER)
        return RAFT_NOT_LEADER;
    if (reads->head > reads->count) {
        memmove(reads->at, reads->at + reads->head, reads->count * sizeof *reads->at);
        reads->head = 0;
    }
    raft_index commit = raft->log.commit;
    reads->at = raft_grow(reads->at, &reads->capacity, reads->head + reads->count + 1, sizeof *reads->at);
    reads->at[reads->head + reads->count++] = (struct raft_waiting_read){
        .token = token,
        .index = commit > raft->noop_index ? commit : raft->noop_index,
    };
    reads->unassigned++;
    return RAFT_OK;
}

void raft_readindex_begin(struct raft *raft) {
    struct raft_read_queue *reads = &raft->reads;
    if (reads->unassigned == 0)
        return;
    reads->round++;
    raft_lease_begin(raft);
    for (size_t i = reads->count - reads->unassigned; i < reads->count; i++)
        reads->at[reads->head + i].round = reads->round;
    reads->unassigned = 0;
    raft_readindex_release(raft); /* a single voter is its own majority */
}

void raft_readindex_renew(struct raft *raft) {
    raft->reads.round++;
    raft_lease_begin(raft);
}

static uint64_t confirmed_round(struct raft *raft) {
    for (size_t i = 0; i < raft->peer_count; i++)
        raft->scratch[i] = &raft->peers[i] == raft->self ? raft->reads.round : raft->peers[i].round_acked;
    return raft_quorum_reached(raft->scratch, raft->peer_count);
}

void raft_readindex_release(struct raft *raft) {
    struct raft_read_queue *reads = &raft->reads;
    if (reads->count == reads->unassigned || raft->log.commit < raft->noop_index)
        return;
    uint64_t confirmed = confirmed_round(raft);
    while (reads->count > reads->unassigned && reads->at[reads->head].round <= confirmed) {
        const struct raft_waiting_read *read = &reads->at[reads->head];
        assert(read->round > 0 && read->index <= raft->log.commit);
        raft_outbox_read(raft->filling, read->token, read->index);
        reads->head++;
        reads->count--;
    }
}
