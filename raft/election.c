/* SPDX-License-Identifier: MIT */
/*
 * Who leads: roles, votes, the election timer.
 *
 *                         silence                a majority would           a majority did
 *      follower ----------------> pre-candidate ----------------> candidate --------------> leader
 *          ^                            |                              |                       |
 *          +----------------------------+------------------------------+-----------------------+
 *                  a leader is heard, a newer term is seen, or (a leader) no majority has answered for a timeout
 *
 * Pre-vote (section 9.6): before it raises its term a node asks whether it would be elected. One that was cut off, and
 * comes back, therefore brings no higher term with it and does not unseat a working leader.
 *
 * Stickiness (section 4.2.3) together with check-quorum (section 6.2): who has heard from a live leader within the election
 * timeout ignores requests for (pre-)votes, higher term or not; a leader steps down when no majority has answered it for
 * that long. So a leader lasts as long as a majority is with it, and no longer.
 *
 * A vote is two promises. The others' votes are announced to us when they are durable there. Our own is one vote like the
 * others: it counts when raft_saved says that it is durable. A candidate that counts a vote it has not saved can vote twice.
 *
 * Two things go past both rules. A leader that hands over (section 3.10) tells its successor to stand at once: no pre-vote, and
 * the requests for votes say so and are heard by everybody, the leader included. And with leases (lease.c) patience is a promise
 * that a leader counts on: it outlives the term and the name of the leader, and a start, after which we don't know what we promised.
 *
 * Learners have the timer too, but don't stand: member.c says who may, and whose vote counts. They ask all the same, once each
 * time: if they have been removed meanwhile, that is how they learn of it.
 *
 * The timer: a follower waits for the election timeout and up to half as much again, at random. The spread has to be wide
 * against what a campaign takes (a few round trips and one fsync, some 10 ms) so that the first to wake is elected
 * before the second wakes; with a timeout of a second, half a second does it. A wider spread would only lengthen the time
 * without a leader. Nobody waits less than the timeout itself, or the others, still sticky, would ignore the campaign.
 *
 * After a start nobody is known to have led, and where all were started at once nobody is sticky. There the first wait is short,
 * and the voters stand in the order of their ids, each in a span of its own (start_wait_ms; chance alone would let two stand together
 * in every tenth start). If only this node was started, the others ignore what it asks until the leader is heard. With leases
 * the others' promises outlive their starts, so asking earlier would be in vain.
 *
 *      started  . . . |--1--|. . . |--2--|. . . |--3--|        of three, with a start wait of 200 ms: 50-83, 116-150, 183-216 ms
 */
#include <stdio.h>

#include "internal.h"

void raft_election_reset_timer(struct raft *raft) {
    uint64_t timeout = raft->config.election_timeout_ms;
    raft->silent_since_ms = raft->now_ms;
    raft->election_timeout_ms = timeout + raft_random_below(&raft->random, timeout / 2);
}

/* How many voters have a smaller id. */
static size_t rank(const struct raft *raft) {
    size_t before = 0;
    for (size_t i = 0; i < raft->peer_count; i++)
        before += raft->peers[i].kind == RAFT_VOTER && raft->peers[i].id < raft->self->id;
    return before;
}

void raft_election_begin(struct raft *raft) {
    uint64_t wait = raft->config.start_wait_ms;
    size_t voters = raft_member_count(raft, RAFT_VOTER);
    raft_election_reset_timer(raft);
    if (raft_member_is_alone(raft))
        raft->election_timeout_ms = 0; /* there is nobody to wait for */
    else if (wait > 0 && voters > 0 && 2 * wait < raft->election_timeout_ms && !raft->config.leases)
        raft->election_timeout_ms =
            wait / 4 + rank(raft) * wait / voters + raft_random_below(&raft->random, wait / (2 * voters) + 1);
}

/* Whoever waits for a promise of an older term has no use for it any more. */
static void enter_term(struct raft *raft, raft_term term, raft_id vote) {
    assert(term > raft->hard.term);
    raft->hard = (struct raft_vote){term, vote};
    raft->answered_round = 0;
    raft->filling->promise.messages.count = 0;
    raft_forward_forget(raft);
}

static void leader_is(struct raft *raft, raft_id leader) {
    raft->leader = leader;
    if (leader == 0 || raft->leader_term == raft->hard.term)
        return;
    raft->leader_term = raft->hard.term; /* a term has one leader: this one was not known yet */
    raft->leader_since_ms = raft->now_ms;
    raft->leader_changes++;
}

void raft_election_follow(struct raft *raft, raft_term term, raft_id leader) {
    assert(term >= raft->hard.term && leader != raft->self->id);
    if (raft->role == RAFT_LEADER) {
        raft_readindex_reset(raft);
        raft_transfer_end(raft);
    }
    if (raft->role != RAFT_FOLLOWER || leader)
        raft_election_reset_timer(
            raft); /* a candidate that brings a newer term and gets no vote earns no patience */
    if (term > raft->hard.term)
        enter_term(raft, term, 0);
    bool led = raft->role == RAFT_LEADER;
    raft->role = RAFT_FOLLOWER;
    leader_is(raft, leader);
    if (led)
        raft_member_sweep(raft);
    if (leader)
        raft_trace(raft, "following %llu in term %llu", (unsigned long long)leader, (unsigned long long)term);
}

/* Asks those who have not said yes. Before a campaign learners are asked too: their word does not count, but they may know that we
 * are removed, and may be all that is left of the members that we know. */
static void request(struct raft *raft, enum raft_message_type type, raft_term term, bool transfer) {
    raft->ask_again_ms = raft->now_ms + raft->config.heartbeat_ms;
    for (size_t i = 0; i < raft->peer_count; i++)
        if (&raft->peers[i] != raft->self && !raft->peers[i].granted &&
            (raft->peers[i].kind == RAFT_VOTER || type == RAFT_PRE_VOTE))
            raft_emit(raft, &(struct raft_message){
                                .type = type,
                                .to = raft->peers[i].id,
                                .term = term,
                                .index = raft->log.last,
                                .log_term = raft_log_last_term(&raft->log),
                                .transfer = transfer,
                            });
}

static void forget_votes(struct raft *raft) {
    for (size_t i = 0; i < raft->peer_count; i++)
        raft->peers[i].granted = false;
}

static bool majority_granted(const struct raft *raft) {
    size_t granted = 0;
    for (size_t i = 0; i < raft->peer_count; i++)
        granted += raft->peers[i].granted && raft->peers[i].kind == RAFT_VOTER;
    return granted >= raft_quorum(raft_member_count(raft, RAFT_VOTER));
}

static void campaign(struct raft *raft, bool transfer) {
    enter_term(raft, raft->hard.term + 1, raft->self->id);
    raft->role = RAFT_CANDIDATE;
    raft->transfer_campaign = transfer;
    leader_is(raft, 0);
    raft->elections++;
    raft_election_reset_timer(raft);
    forget_votes(raft); /* our own too: it is not durable */
    raft_trace(raft, "standing for term %llu", (unsigned long long)raft->hard.term);
    request(raft, RAFT_VOTE, raft->hard.term, transfer);
}

static void pre_campaign(struct raft *raft) {
    raft->role = RAFT_PRE_CANDIDATE;
    leader_is(raft, 0);
    raft_election_reset_timer(raft);
    forget_votes(raft);
    raft->self->granted = true;
    if (majority_granted(raft))
        campaign(raft, false);
    else
        request(raft, RAFT_PRE_VOTE, raft->hard.term + 1, false);
}

static void lead(struct raft *raft) {
    char voters[128] = "";
    size_t length = 0;
    for (size_t i = 0; i < raft->peer_count; i++)
        if (raft->peers[i].granted && length < sizeof voters - 24)
            length += (size_t)snprintf(voters + length, sizeof voters - length, "%s%llu", length ? "," : "",
                                       (unsigned long long)raft->peers[i].id);
    raft_trace(raft, "leading term %llu, votes %s", (unsigned long long)raft->hard.term, voters);
    raft->role = RAFT_LEADER;
    leader_is(raft, raft->self->id);
    raft_replicate_lead(raft);
}

static void tally(struct raft *raft) {
    assert(raft->role == RAFT_CANDIDATE && raft->hard.vote == raft->self->id);
    if (raft->self->granted && majority_granted(raft))
        lead(raft);
}

void raft_election_saved(struct raft *raft) {
    if (raft->role != RAFT_CANDIDATE || raft->saved.term != raft->hard.term)
        return;
    assert(raft->saved.vote == raft->self->id);
    raft->self->granted = true;
    tally(raft);
}

/* ---- time ------------------------------------------------------------------------------------------------ */

static void trace_silence(struct raft *raft) {
    uint64_t silent_ms = raft->now_ms - raft->silent_since_ms;
    char who[40] = "no leader";
    if (raft->leader)
        snprintf(who, sizeof who, "node %llu silent", (unsigned long long)raft->leader);
    if (raft_member_may_stand(raft))
        raft_trace(raft, "%s for %llu ms (limit %llu): pre-candidate for term %llu", who,
                   (unsigned long long)silent_ms, (unsigned long long)raft->election_timeout_ms,
                   (unsigned long long)raft->hard.term + 1);
    else if (raft->leader)
        raft_trace(raft, "%s for %llu ms: waiting for a leader, no voter", who,
                   (unsigned long long)silent_ms);
}

/* The election timer has run out. */
static void lose_patience(struct raft *raft) {
    trace_silence(raft);
    if (raft_member_may_stand(raft)) {
        pre_campaign(raft);
        return;
    }
    raft->role = RAFT_FOLLOWER;
    leader_is(raft, 0);
    raft_election_reset_timer(raft);
    if (raft->self->kind != RAFT_STRANGER && !raft->membership.removed)
        request(raft, RAFT_PRE_VOTE, raft->hard.term + 1, false); /* the answer may be that we are removed */
}

/* A request may be lost, or have come a moment before its receiver lost patience with the old leader. */
static void ask_again(struct raft *raft) {
    if (raft->role == RAFT_PRE_CANDIDATE)
        request(raft, RAFT_PRE_VOTE, raft->hard.term + 1, false);
    else
        request(raft, RAFT_VOTE, raft->hard.term, raft->transfer_campaign);
}

void raft_election_tick(struct raft *raft) {
    assert(raft->role != RAFT_LEADER);
    bool waits = raft->role == RAFT_CANDIDATE && raft->saved.term != raft->hard.term;
    bool expired = raft->now_ms - raft->silent_since_ms >= raft->election_timeout_ms;
    if (waits || (expired && raft->held_back)) {
        raft_election_reset_timer(raft); /* a slow disk of our own: another term would only add to its work */
        raft->ask_again_ms = raft->now_ms + raft->config.heartbeat_ms;
    } else if (expired) {
        lose_patience(raft);
    } else if (raft->role != RAFT_FOLLOWER && raft->now_ms >= raft->ask_again_ms) {
        ask_again(raft);
    }
}

uint64_t raft_election_deadline(const struct raft *raft) {
    uint64_t deadline = raft->silent_since_ms + raft->election_timeout_ms;
    return raft->role != RAFT_FOLLOWER && raft->ask_again_ms < deadline ? raft->ask_again_ms : deadline;
}

void raft_hold_back(struct raft *raft, bool held_back) {
    raft->held_back = held_back;
}

/* After at most so much time, if it would not anyhow. */
static void stand_within(struct raft *raft, uint64_t limit_ms) {
    uint64_t wait_ms = raft_random_below(&raft->random, limit_ms + 1);
    if (raft->silent_since_ms + raft->election_timeout_ms > raft->now_ms + wait_ms) {
        raft->silent_since_ms = raft->now_ms;
        raft->election_timeout_ms = wait_ms;
    }
}

void raft_leader_gone(struct raft *raft, uint64_t now_ms, raft_id peer) {
    raft_pass_time(raft, now_ms);
    if (raft->role != RAFT_FOLLOWER || peer == 0 || raft->leader != peer || raft->config.leases)
        return;
    leader_is(raft, 0);
    stand_within(raft, raft->config.heartbeat_ms);
    raft_trace(raft, "leader %llu of term %llu is gone", (unsigned long long)peer,
               (unsigned long long)raft->hard.term);
    raft_check(raft);
}

/* ---- requests and answers -------------------------------------------------------------------------------- */

bool raft_election_ignores(const struct raft *raft, const struct raft_message *message) {
    if (message->type != RAFT_PRE_VOTE && message->type != RAFT_VOTE)
        return false;
    if (raft_lease_holds_back(raft))
        return true;
    if (message->transfer)
        return false; /* the leader wants it */
    if (raft->role == RAFT_LEADER)
        return true; /* check-quorum ends it, not a candidate */
    bool heard = raft->leader_heard_ms && (raft->leader || raft->config.leases);
    return heard && raft->now_ms - raft->leader_heard_ms < raft->config.election_timeout_ms;
}

/* Section 3.6.1: the later last term, or the same and a log at least as long. */
static bool up_to_date(const struct raft *raft, const struct raft_message *message) {
    raft_term term = raft_log_last_term(&raft->log);
    return message->log_term > term || (message->log_term == term && message->index >= raft->log.last);
}

void raft_election_pre_vote(struct raft *raft, const struct raft_message *message) {
    bool granted = message->term > raft->hard.term && up_to_date(raft, message);
    raft_emit(raft, &(struct raft_message){
                        .type = RAFT_PRE_VOTE_REPLY,
                        .to = message->from,
                        .term = granted ? message->term : raft->hard.term,
                        .rejected = !granted,
                    });
    /* It has lost the leader, and so may we have. With less of the log than we have (thrift.c) it can't win; we can. */
    if (raft->role == RAFT_FOLLOWER && message->term > raft->hard.term && !up_to_date(raft, message))
        stand_within(raft, raft->config.heartbeat_ms / 4);
}

void raft_election_pre_vote_reply(struct raft *raft, const struct raft_message *message) {
    if (raft->role != RAFT_PRE_CANDIDATE || message->rejected || message->term != raft->hard.term + 1)
        return;
    raft_progress_find(raft, message->from)->granted = true;
    if (majority_granted(raft))
        campaign(raft, false);
}

void raft_election_vote(struct raft *raft, const struct raft_message *message) {
    assert(message->term == raft->hard.term);
    bool is_free = raft->hard.vote == 0 || raft->hard.vote == message->from;
    bool granted = is_free && up_to_date(raft, message);
    if (granted) {
        raft->hard.vote = message->from;
        raft->role = RAFT_FOLLOWER; /* a pre-candidate has found a better one */
        raft_election_reset_timer(raft);
    }
    raft_emit(raft, &(struct raft_message){
                        .type = RAFT_VOTE_REPLY,
                        .to = message->from,
                        .term = raft->hard.term,
                        .rejected = !granted,
                    });
}

void raft_election_vote_reply(struct raft *raft, const struct raft_message *message) {
    if (raft->role != RAFT_CANDIDATE || message->rejected)
        return;
    raft_progress_find(raft, message->from)->granted = true;
    tally(raft);
}

void raft_election_timeout_now(struct raft *raft, const struct raft_message *message) {
    if (raft->role != RAFT_FOLLOWER || raft->leader != message->from || raft->held_back ||
        !raft_member_may_stand(raft))
        return;
    raft_trace(raft, "leader %llu of term %llu hands over", (unsigned long long)message->from,
               (unsigned long long)raft->hard.term);
    campaign(raft, true);
}
