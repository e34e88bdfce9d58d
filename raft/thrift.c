/* SPDX-License-Identifier: MIT */
/*
 * Whom the leader sends its entries at once, and whom a moment later.
 *
 * A majority makes an entry durable; the copies beyond it make the next loss bearable, and nobody waits for them. Sent along with the
 * others, each of them costs the leader a message and an answer, and its receiver two wake-ups and an fsync, for every single batch.
 * A moment later one message carries several batches, and one fsync covers them. (Moraru, Andersen and Kaminsky, "There Is More
 * Consensus in Egalitarian Parliaments", SOSP 2013, call a leader that asks only a quorum thrifty. There the others get nothing
 * unless somebody fails; here they get everything, only in larger parts.)
 *
 *      leader      a   b   c   d   e       needed: as many voters as make a majority with the leader, those whose logs are longest
 *      needed      a   b   c   d   e       held:   the rest, learners among them
 *      held                abc        de   `hold_ms` after the first of them, or as soon as they fill a message
 *
 * That is for members that share a disk and its cores. On machines of their own, if all are asked at once, the others hide whoever is slow
 * at the moment; the caller knows which it is (raft_hold).
 *
 * What is acknowledged is on a majority as ever. But the price must not be paid by whoever waits:
 *
 *      a needed one is slow, or hangs      after hold_ms the others have everything and acknowledge it; then their logs are the longest, and
 *                                          they are the needed ones. Whom we know to be out of reach (probing, a full window) is none.
 *      it is slower by less than that      with each heartbeat comes a race: the next entries go to all at once. Who is first to acknowledge
 *                                          has the longest log when the entries after it go out.
 *      a read on a held one waits          it asks us for the read point, and by that for what it lacks
 *      somebody asks for more copies       raft_hurry
 *      the leadership is handed over       to all at once, until that is over
 *      the leader dies                     a held one that stands first is refused by those whose logs are longer; that it asks tells them
 *                                          to stand themselves, soon (election.c)
 *
 * So it is with what is to be carried out. A cluster that was started as a whole has its log before it: until the leader is through with what it
 * found there nobody is served, and followers that carry out the same meanwhile take its machine's cores. They are told of the commits when it
 * is through. That can only make them late: what is committed is, whoever knows of it.
 */
#include "internal.h"

static bool lacks_some(const struct raft *raft, const struct raft_progress *peer) {
    return peer != raft->self && !peer->probing && peer->next <= raft->log.last;
}

static bool can_take(const struct raft *raft, const struct raft_progress *peer) {
    bool has_all = peer->next > raft->log.last;
    return peer->kind == RAFT_VOTER && peer != raft->self && !peer->probing &&
           (has_all || raft_progress_room(raft, peer) > 0);
}

static bool is_ahead(const struct raft_progress *one, const struct raft_progress *other) {
    if (one->match != other->match)
        return one->match > other->match;
    return one->match_turn != other->match_turn ? one->match_turn < other->match_turn : one < other;
}

/* A majority can't do without it, as far as we know. */
static bool is_needed(const struct raft *raft, const struct raft_progress *peer) {
    size_t voters = 0, ahead = 0;
    if (!can_take(raft, peer))
        return false;
    for (size_t i = 0; i < raft->peer_count; i++) {
        const struct raft_progress *other = &raft->peers[i];
        voters += other->kind == RAFT_VOTER;
        ahead += other != peer && can_take(raft, other) && is_ahead(other, peer);
    }
    return ahead < raft_quorum(voters) - (raft->self->kind == RAFT_VOTER);
}

/* As much as one append takes is not held. */
static bool fills_a_message(const struct raft *raft, const struct raft_progress *peer) {
    const struct raft_log *log = &raft->log;
    size_t bytes;
    if (peer->next < log->first)
        return true; /* far behind */
    return raft_log_fit(log, peer->next, log->last, raft->config.append_bytes_max, &bytes) <
               log->last + 1 - peer->next ||
           bytes >= raft->config.append_bytes_max;
}

void raft_thrift_choose(struct raft *raft) {
    struct raft_thrift *thrift = &raft->thrift;
    bool fresh = raft->log.handed < raft->log.last;
    bool all = raft->config.hold_ms == 0 || raft->transferee != 0 || (thrift->race && fresh);
    if (fresh)
        thrift->race = false;
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct raft_progress *peer = &raft->peers[i];
        bool may_wait = !all && lacks_some(raft, peer) && !peer->heartbeat_due;
        if (!may_wait || is_needed(raft, peer) || fills_a_message(raft, peer)) {
            peer->hold_until_ms = 0;
            continue;
        }
        if (peer->hold_until_ms == 0)
            peer->hold_until_ms = raft->now_ms + raft->config.hold_ms;
        else if (raft->now_ms >= peer->hold_until_ms)
            peer->hold_until_ms = 0;
    }
}

bool raft_thrift_holds(const struct raft_progress *peer) {
    return peer->hold_until_ms != 0;
}

raft_index raft_thrift_commit(const struct raft *raft, const struct raft_progress *peer) {
    bool behind = raft->log.applied < raft->noop_index;
    return raft->thrift.shared && behind && raft->transferee == 0 ? peer->commit_sent : raft->log.commit;
}

void raft_share(struct raft *raft, bool shared) {
    raft->thrift.shared = shared;
}

void raft_thrift_race(struct raft *raft) {
    raft->thrift.race = true;
}

void raft_thrift_hurry(const struct raft *raft, struct raft_progress *peer) {
    if (peer->hold_until_ms > raft->now_ms)
        peer->hold_until_ms = raft->now_ms;
}

void raft_hold(struct raft *raft, uint32_t hold_ms) {
    raft->config.hold_ms = hold_ms;
}

void raft_hurry(struct raft *raft) {
    for (size_t i = 0; i < raft->peer_count; i++)
        raft_thrift_hurry(raft, &raft->peers[i]);
}

void raft_thrift_accepted(struct raft *raft, struct raft_progress *peer) {
    peer->match_turn = ++raft->thrift.turns;
}

uint64_t raft_thrift_deadline(const struct raft *raft) {
    uint64_t deadline = UINT64_MAX;
    for (size_t i = 0; i < raft->peer_count; i++)
        if (raft->peers[i].hold_until_ms != 0 && raft->peers[i].hold_until_ms < deadline)
            deadline = raft->peers[i].hold_until_ms;
    return deadline;
}
