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
 *
 * An answer from one more than a majority is worth nothing, and costs two messages, and two processes their sleep. So only as many are asked
 * as are needed, first those who answered last. Whoever keeps silent (it hangs, or the message is lost) is found out after a tenth of a
 * heartbeat: then all are asked, and those who answered are preferred from then on.
 *
 * Members that share a machine (raft_hold) have one round under way at a time, and what comes meanwhile shares the next: a read waits for half
 * a round more, which there is less than what the messages of another would take from all who read. Between machines a round is
 * mostly the way there and back, and each begins at once.
 */
#include <string.h>

#include "internal.h"

void raft_readindex_reset(struct raft *raft) {
    struct raft_read_queue *reads = &raft->reads;
    reads->head = 0;
    reads->count = 0;
    reads->unassigned = 0;
    reads->round = 0;
    reads->late_ms = 0;
    reads->late = false;
    raft->filling->reads.count = 0; /* one that was not handed out yet is forgotten like the others */
}

enum raft_result raft_read(struct raft *raft, uint64_t token) {
    if (raft->role != RAFT_LEADER)
        return RAFT_NOT_LEADER;
    raft_readindex_add(raft, 0, token);
    return RAFT_OK;
}

void raft_readindex_add(struct raft *raft, raft_id from, uint64_t token) {
    struct raft_read_queue *reads = &raft->reads;
    assert(raft->role == RAFT_LEADER);
    if (reads->head > reads->count) {
        memmove(reads->at, reads->at + reads->head, reads->count * sizeof *reads->at);
        reads->head = 0;
    }
    raft_index commit = raft->log.commit;
    reads->at = raft_grow(reads->at, &reads->capacity, reads->head + reads->count + 1, sizeof *reads->at);
    reads->at[reads->head + reads->count++] = (struct raft_waiting_read){
        .token = token,
        .index = commit > raft->noop_index ? commit : raft->noop_index,
        .from = from,
    };
    reads->unassigned++;
}

static bool waits(const struct raft_read_queue *reads) {
    return reads->count > reads->unassigned;
}

static uint64_t patience_ms(const struct raft *raft) {
    return raft->config.heartbeat_ms / 10 + 1;
}

void raft_readindex_begin(struct raft *raft) {
    struct raft_read_queue *reads = &raft->reads;
    if (reads->unassigned == 0 || (waits(reads) && raft->config.hold_ms > 0))
        return;
    if (!waits(reads))
        reads->late_ms = raft->now_ms + patience_ms(raft);
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

static uint64_t round_acked(const struct raft *raft, const struct raft_progress *peer) {
    return peer == raft->self ? raft->reads.round : peer->round_acked;
}

static void hand_out(struct raft *raft, const struct raft_waiting_read *read) {
    assert(read->round > 0 && read->index <= raft->log.commit);
    if (read->from == 0) {
        raft_outbox_read(raft->filling, read->token, read->index);
        return;
    }
    raft_emit(raft, &(struct raft_message){
                        .type = RAFT_READ_INDEX_REPLY,
                        .to = read->from,
                        .term = raft->hard.term,
                        .index = read->index,
                        .round = read->token,
                    });
}

void raft_readindex_release(struct raft *raft) {
    struct raft_read_queue *reads = &raft->reads;
    if (reads->count == reads->unassigned || raft->log.commit < raft->noop_index)
        return;
    uint64_t confirmed = raft_member_reached(raft, round_acked);
    size_t before = reads->count;
    while (waits(reads) && reads->at[reads->head].round <= confirmed) {
        hand_out(raft, &reads->at[reads->head]);
        reads->head++;
        reads->count--;
    }
    if (reads->count == before)
        return;
    reads->late = false;
    reads->late_ms = waits(reads) ? raft->now_ms + patience_ms(raft) : 0;
}

/* ---- who is asked ------------------------------------------------------------------------------------------ */

void raft_readindex_tick(struct raft *raft) {
    struct raft_read_queue *reads = &raft->reads;
    if (reads->late_ms != 0 && raft->now_ms >= reads->late_ms)
        reads->late = true;
}

uint64_t raft_readindex_deadline(const struct raft *raft) {
    const struct raft_read_queue *reads = &raft->reads;
    return reads->late_ms != 0 && !reads->late ? reads->late_ms : UINT64_MAX;
}

/* A probe takes its own time (replicate.c); beside a snapshot a follower answers as ever. */
static bool can_answer(const struct raft_progress *peer) {
    return !peer->probing || raft_progress_takes_snapshot(peer);
}

static bool is_better(const struct raft_progress *one, const struct raft_progress *other) {
    if (!other || one->probing != other->probing)
        return !other || !one->probing;
    return one->round_acked > other->round_acked;
}

struct raft_progress *raft_readindex_next(struct raft *raft) {
    const struct raft_read_queue *reads = &raft->reads;
    struct raft_progress *best = NULL;
    size_t voters = 0, asked = 0;
    if (!waits(reads))
        return NULL;
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct raft_progress *peer = &raft->peers[i];
        if (peer->kind != RAFT_VOTER)
            continue;
        voters++;
        if (peer == raft->self || (can_answer(peer) && peer->round_sent >= reads->round))
            asked++;
        else if (can_answer(peer) && is_better(peer, best))
            best = peer;
    }
    return asked < raft_quorum(voters) || reads->late ? best : NULL;
}
