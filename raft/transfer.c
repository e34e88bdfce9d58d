/* SPDX-License-Identifier: MIT */
/*
 * Handing the leadership over (section 3.10), so that a planned stop costs one round trip and not an election timeout.
 *
 *      1. no more proposals: the log's end stands still (reads go on, they are confirmed by rounds as ever)
 *      2. the target gets what it lacks, as any follower does
 *      3. it has everything: the lease is dropped, it is told to stand (TimeoutNow), again with each heartbeat
 *      4. it stands without a pre-vote; its requests say that the leader wants it, nobody is sticky against them
 *      5. we see its term and follow; or an election timeout has passed, and we take proposals again
 *
 * The lease does not come back with 5. A TimeoutNow may be on its way for any time; the campaign that it starts goes past
 * everybody's patience, which is what a lease stands on. The next term's leader, even if it is us, has a lease again: the
 * old message is of no use in that term, and those who won it have no second vote in it.
 */
#include "internal.h"

static struct raft_progress *best_target(struct raft *raft) {
    struct raft_progress *best = NULL;
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct raft_progress *peer = &raft->peers[i];
        bool live = raft->now_ms - peer->active_ms < raft->config.election_timeout_ms;
        if (peer != raft->self && live && (!best || peer->match > best->match))
            best = peer;
    }
    return best;
}

enum raft_result raft_transfer(struct raft *raft, uint64_t now_ms, raft_id to) {
    raft_pass_time(raft, now_ms);
    if (raft->role != RAFT_LEADER)
        return RAFT_NOT_LEADER;
    if (raft->transferee)
        return to == 0 || to == raft->transferee ? RAFT_OK : RAFT_TRANSFERRING;
    struct raft_progress *target = to ? raft_progress_find(raft, to) : best_target(raft);
    if (!target || target == raft->self)
        return RAFT_NO_TARGET;
    raft->transferee = target->id;
    raft->transfer_due = true;
    raft->transfer_until_ms = raft->now_ms + raft->config.election_timeout_ms;
    raft_trace(raft, "handing term %llu over to %llu", (unsigned long long)raft->hard.term,
               (unsigned long long)target->id);
    raft_check(raft);
    return RAFT_OK;
}

void raft_transfer_end(struct raft *raft) {
    raft->transferee = 0;
}

void raft_transfer_abort(struct raft *raft) {
    if (raft->transferee == 0)
        return;
    raft_trace(raft, "leading term %llu on: not handed over to %llu", (unsigned long long)raft->hard.term,
               (unsigned long long)raft->transferee);
    raft_transfer_end(raft);
    raft_check(raft);
}

void raft_transfer_tick(struct raft *raft) {
    if (raft->transferee == 0 || raft->now_ms < raft->transfer_until_ms)
        return;
    raft_trace(raft, "node %llu did not take over term %llu: leading on",
               (unsigned long long)raft->transferee, (unsigned long long)raft->hard.term);
    raft_transfer_end(raft);
}

void raft_transfer_send(struct raft *raft) {
    struct raft_progress *target = raft->transferee ? raft_progress_find(raft, raft->transferee) : NULL;
    if (!target || !raft->transfer_due || target->match < raft->log.last)
        return;
    raft->transfer_due = false;
    raft->lease.dropped = true;
    raft_emit(raft, &(struct raft_message){
                        .type = RAFT_TIMEOUT_NOW,
                        .to = target->id,
                        .term = raft->hard.term,
                    });
}
