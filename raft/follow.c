/* SPDX-License-Identifier: MIT */
/*
 * The follower's side of the log: taking over what the leader has (section 3.5).
 *
 * Entries that are there already are skipped, not written again: an old append, delayed by the network, must not cut off
 * what a newer one has added. Only an entry that contradicts ours cuts the log, and never at or below the
 * commit index: a leader that asks for that proves that two majorities have decided differently, and then the process
 * dies rather than spread it.
 *
 * When the entry before the new ones is missing, the refusal carries a hint, the last place at or before it where our term
 * is no greater than the leader's there. The leader does the same with its own log; together they skip a whole term at a
 * time, and both stay at or above our commit index, because up to there the two logs are the same:
 *
 *      index      1 2 3 4 5 6 7 8 9         the leader asks for 9 of term 6
 *      leader     1 1 1 4 4 6 6 6 6         hint: our 7 of term 3 (not greater than 6)
 *      follower   1 1 1 3 3 3 3             the leader's last with a term of at most 3 is index 3: the next probe fits
 */
#include "internal.h"

static void emit_reply(struct raft *raft, enum raft_message_type type, raft_id to) {
    raft_emit(raft, &(struct raft_message){
                        .type = type,
                        .to = to,
                        .term = raft->hard.term,
                        .rejected = true,
                    });
}

/* So that the sender learns of the newer term. */
void raft_follow_stale(struct raft *raft, const struct raft_message *message) {
    static const enum raft_message_type replies[] = {
        [RAFT_PRE_VOTE] = RAFT_PRE_VOTE_REPLY,
        [RAFT_VOTE] = RAFT_VOTE_REPLY,
        [RAFT_APPEND] = RAFT_APPEND_REPLY,
        [RAFT_TIMEOUT_NOW] = 0,
    };
    assert(message->term < raft->hard.term);
    if (replies[message->type])
        emit_reply(raft, replies[message->type], message->from);
}

static void reject(struct raft *raft, const struct raft_message *message) {
    raft_index hint = raft_log_floor(&raft->log, message->index, message->log_term);
    assert(hint >= raft->log.commit);
    raft_emit(raft, &(struct raft_message){
                        .type = RAFT_APPEND_REPLY,
                        .to = message->from,
                        .term = raft->hard.term,
                        .index = hint,
                        .log_term = raft_log_term_at(&raft->log, hint),
                        .rejected_index = message->index,
                        .round = message->round,
                        .rejected = true,
                    });
}

static void cut(struct raft *raft, raft_index from, const struct raft_message *message) {
    struct raft_log *log = &raft->log;
    assert(from > log->commit && "a leader contradicts what is committed: safety is broken");
    raft_trace(raft, "truncated %llu..%llu, term %llu, replaced from %llu in term %llu",
               (unsigned long long)from, (unsigned long long)log->last,
               (unsigned long long)raft_log_term_at(log, from), (unsigned long long)message->from,
               (unsigned long long)raft->hard.term);
    raft_log_truncate(log, from);
    raft_saves_clip(&raft->saves, from - 1);
}

static void take_over(struct raft *raft, const struct raft_message *message) {
    struct raft_log *log = &raft->log;
    for (size_t i = 0; i < message->entries.count; i++) {
        const struct raft_entry *entry = &message->entries.at[i];
        if (raft_log_term_at(log, entry->index) == entry->term)
            continue;
        if (entry->index <= log->last)
            cut(raft, entry->index, message);
        raft_log_append(log, entry);
    }
}

static void accept(struct raft *raft, const struct raft_message *message, bool new_round) {
    struct raft_log *log = &raft->log;
    raft_index end = message->index + message->entries.count;
    raft_index commit = message->commit < end ? message->commit : end;
    take_over(raft, message);
    if (commit > log->commit)
        raft_log_commit(log, commit);
    struct raft_message reply = {
        .type = RAFT_APPEND_REPLY,
        .to = message->from,
        .term = raft->hard.term,
        .index = end,
        .round = message->round,
    };
    bool waits = raft_emit(raft, &reply);
    if (!waits || !new_round || raft->saved.term != raft->hard.term)
        return;
    /* The entries wait for our disk, a read on the leader need not. */
    reply.type = RAFT_ROUND_REPLY;
    reply.index = 0;
    raft_emit(raft, &reply);
}

void raft_follow_append(struct raft *raft, const struct raft_message *message) {
    assert(message->term == raft->hard.term);
    assert(raft->role != RAFT_LEADER && "another leads our term: safety is broken");
    assert((!raft->leader || raft->leader == message->from) && "two lead one term: safety is broken");
    if (raft->role != RAFT_FOLLOWER || raft->leader == 0)
        raft_election_follow(raft, message->term, message->from);
    raft->leader_heard_ms = raft->now_ms;
    raft_election_reset_timer(raft);

    bool new_round = message->round > raft->answered_round;
    if (new_round)
        raft->answered_round = message->round;

    bool fits =
        message->index <= raft->log.last && raft_log_term_at(&raft->log, message->index) == message->log_term;
    assert((fits || message->index > raft->log.commit) &&
           "a leader lacks what is committed: safety is broken");
    if (fits)
        accept(raft, message, new_round);
    else
        reject(raft, message);
}
