/* SPDX-License-Identifier: MIT */
/*
 * Linearizable reads on a follower: the leader is asked for the read point, the follower answers from its own state when that
 * has come so far (section 6.4).
 *
 *      follower    read a, b | batch 7 --->                      | read c | batch 8 ---> ...
 *      leader                     a read like its own: a round, an index
 *      follower                                <--- batch 7: index; a, b are answered when applied >= index
 *
 * An answer holds for all reads up to its batch, for it was asked for after they came. It belongs to its term: the next leader
 * knows nothing of it, so when the term changes everything is forgotten, and the caller asks anew. Without an answer the newest
 * batch, as a new one, is asked for again after a heartbeat's time.
 *
 * An answer to a former self would be as old as that: 1. batch 7 is asked for; 2. we crash, start, and come to 7 again in the
 * same term; 3. the first answer arrives, with an index from before reads that were asked after our start. So batches begin at
 * a random number, and answers outside of what was asked in this term are nobody's.
 */
#include <string.h>

#include "internal.h"

void raft_forward_init(struct raft *raft) {
    uint64_t random = raft->config.seed;
    raft->forward.batch = raft_random_below(&random, UINT64_C(1) << 61);
    raft->forward.batch_first = raft->forward.batch + 1;
}

void raft_forward_forget(struct raft *raft) {
    struct raft_forward *forward = &raft->forward;
    forward->count = 0;
    forward->unassigned = 0;
    forward->batch_first = forward->batch + 1;
    forward->due = false;
}

enum raft_result raft_read_through(struct raft *raft, uint64_t now_ms, uint64_t token) {
    struct raft_forward *forward = &raft->forward;
    raft_pass_time(raft, now_ms);
    if (raft->role == RAFT_LEADER)
        return raft_read(raft, token);
    if (raft->leader == 0)
        return RAFT_NO_LEADER;
    forward->at = raft_grow(forward->at, &forward->capacity, forward->count + 1, sizeof *forward->at);
    forward->at[forward->count++] = (struct raft_forwarded_read){.token = token};
    forward->unassigned++;
    return RAFT_OK;
}

void raft_forward_tick(struct raft *raft) {
    struct raft_forward *forward = &raft->forward;
    if (forward->count > forward->unassigned && raft->now_ms >= forward->again_ms)
        forward->due = true;
}

uint64_t raft_forward_deadline(const struct raft *raft) {
    const struct raft_forward *forward = &raft->forward;
    bool waits = raft->leader && !forward->due && forward->count > forward->unassigned;
    return waits ? forward->again_ms : UINT64_MAX;
}

void raft_forward_send(struct raft *raft) {
    struct raft_forward *forward = &raft->forward;
    assert(raft->role != RAFT_LEADER);
    if (raft->leader == 0 || (forward->unassigned == 0 && !forward->due))
        return;
    forward->batch++;
    for (size_t i = forward->count - forward->unassigned; i < forward->count; i++)
        forward->at[i].batch = forward->batch;
    forward->unassigned = 0;
    forward->due = false;
    forward->again_ms = raft->now_ms + raft->config.heartbeat_ms;
    raft_emit(raft, &(struct raft_message){
                        .type = RAFT_READ_INDEX,
                        .to = raft->leader,
                        .term = raft->hard.term,
                        .round = forward->batch,
                    });
}

void raft_forward_request(struct raft *raft, const struct raft_message *message) {
    if (raft->role != RAFT_LEADER)
        return;
    raft_readindex_add(raft, message->from, message->round);
    raft_thrift_hurry(raft, raft_progress_find(raft, message->from));
}

void raft_forward_reply(struct raft *raft, const struct raft_message *message) {
    struct raft_forward *forward = &raft->forward;
    if (message->round < forward->batch_first || message->round > forward->batch)
        return;
    size_t asked = forward->count - forward->unassigned, answered = 0;
    for (; answered < asked && forward->at[answered].batch <= message->round; answered++)
        raft_outbox_read(raft->filling, forward->at[answered].token, message->index);
    forward->count -= answered;
    memmove(forward->at, forward->at + answered, forward->count * sizeof *forward->at);
    if (forward->count == forward->unassigned)
        forward->due = false;
}
