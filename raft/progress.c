/* SPDX-License-Identifier: MIT */
/*
 * What a leader knows of one follower.
 *
 *      probing       "does your log fit here?": one empty append, then wait; a refusal brings a hint and the next
 *                    probe at once, silence brings the same one again with the next heartbeat
 *      pipelining    entries go out without waiting for answers, as far as the window allows
 *
 *                      first contact               the probe fits
 *                     ---------------> probing -------------------> pipelining
 *                                         ^                             |
 *                                         +-----------------------------+
 *                             a refusal, an unreachable peer, a window that nobody acknowledges
 *
 *      1 ......... match ......... next ......... last
 *       it has these   in flight       not sent
 *
 * Where the log does not go back that far (next <= base) there is nothing to probe with: the follower needs a snapshot. One
 * that was lost from sight is first asked at the base, it may have more than we know:
 *
 *      refused at the base, or                ready.snapshots            raft_snapshot_sent
 *      the log was cut past next  --> wanted ----------------> asked --------------------> sent --> probing at the snapshot's
 *                                       ^                        | not ok                            index: refusals mean
 *                                       +---- heartbeat ---- failed                                 "not in place yet"
 *
 * Meanwhile it hears heartbeats (at 0, which fits everywhere). Whatever way it comes to have the base or more, it is through.
 *
 * Answers may be late, doubled and out of order, so: match never goes back within a term, next never goes to or below
 * match, and a refusal counts only if it answers something that could still be in flight. Each refusal that counts
 * lowers next, hence looking for the place ends.
 */
#include "internal.h"

struct raft_progress *raft_progress_find(const struct raft *raft, raft_id id) {
    for (size_t i = 0; i < raft->peer_count; i++)
        if (raft->peers[i].id == id)
            return &raft->peers[i];
    return NULL;
}

static void empty_window(struct raft_progress *peer) {
    peer->window_head = 0;
    peer->window_count = 0;
    peer->window_bytes = 0;
}

void raft_progress_lead(struct raft *raft, struct raft_progress *peer) {
    peer->active_ms = raft->now_ms; /* it has the whole timeout to answer */
    peer->match = 0;
    peer->match_turn = 0;
    peer->hold_until_ms = 0;
    peer->next = raft->log.last + 1;
    peer->probing = true;
    peer->probe_sent = false;
    peer->heartbeat_due = false;
    peer->commit_sent = 0;
    peer->round_sent = 0;
    peer->round_acked = 0;
    peer->confirmed_ms = 0;
    peer->snapshot = RAFT_SNAPSHOT_NONE;
    peer->behind_ms = raft->now_ms;
    empty_window(peer);
}

void raft_progress_probe(const struct raft *raft, struct raft_progress *peer) {
    if (!peer->probing)
        peer->next = (peer->match > raft->log.base ? peer->match : raft->log.base) + 1;
    peer->probing = true;
    peer->probe_sent = false;
    empty_window(peer);
}

void raft_progress_want_snapshot(struct raft_progress *peer) {
    peer->snapshot = RAFT_SNAPSHOT_WANTED;
    peer->probing = true;
    empty_window(peer);
}

bool raft_progress_takes_snapshot(const struct raft_progress *peer) {
    return peer->snapshot != RAFT_SNAPSHOT_NONE && peer->snapshot != RAFT_SNAPSHOT_SENT;
}

size_t raft_progress_room(const struct raft *raft, const struct raft_progress *peer) {
    const struct raft_config *config = &raft->config;
    if (peer->probing || peer->fetching || peer->window_count == config->window_messages_max ||
        peer->window_bytes >= config->window_bytes_max)
        return 0;
    size_t room = config->window_bytes_max - peer->window_bytes;
    return room < config->append_bytes_max ? room : config->append_bytes_max;
}

void raft_progress_sent(struct raft *raft, struct raft_progress *peer, raft_index last, size_t bytes) {
    size_t capacity = raft->config.window_messages_max;
    assert(!peer->probing && last >= peer->next && peer->window_count < capacity);
    if (peer->window_count == 0)
        peer->window_since_ms = raft->now_ms;
    peer->window[(peer->window_head + peer->window_count) % capacity] = (struct raft_flight){last, bytes};
    peer->window_count++;
    peer->window_bytes += bytes;
    peer->next = last + 1;
}

static void drop_acknowledged(struct raft *raft, struct raft_progress *peer) {
    while (peer->window_count && peer->window[peer->window_head].last <= peer->match) {
        peer->window_bytes -= peer->window[peer->window_head].bytes;
        peer->window_head = (peer->window_head + 1) % raft->config.window_messages_max;
        peer->window_count--;
        peer->window_since_ms = raft->now_ms;
    }
}

bool raft_progress_accepted(struct raft *raft, struct raft_progress *peer, raft_index index) {
    bool moved = index > peer->match;
    if (moved)
        peer->match = index;
    bool found = peer->snapshot == RAFT_SNAPSHOT_NONE || peer->snapshot == RAFT_SNAPSHOT_SENT
                     ? index + 1 >= peer->next
                     : peer->match >= raft->log.base;
    if (peer->probing && found) {
        peer->probing = false;
        peer->snapshot = RAFT_SNAPSHOT_NONE;
        peer->next = peer->match + 1;
    }
    if (peer->next <= peer->match)
        peer->next = peer->match + 1;
    drop_acknowledged(raft, peer);
    return moved;
}

bool raft_progress_rejected(struct raft *raft, struct raft_progress *peer, raft_index rejected,
                            raft_index hint, raft_term hint_term) {
    bool in_flight = peer->probing ? rejected + 1 == peer->next : rejected < peer->next;
    bool in_place = hint >= peer->snapshot_index; /* and the log was cut past it meanwhile */
    bool asks =
        peer->snapshot == RAFT_SNAPSHOT_NONE ||
        (peer->snapshot == RAFT_SNAPSHOT_SENT && (in_place || raft->now_ms >= peer->snapshot_until_ms));
    if (!in_flight || rejected <= peer->match || !asks)
        return false;
    raft_index fits = raft_log_floor(&raft->log, hint < rejected ? hint : rejected - 1, hint_term);
    raft_progress_probe(raft, peer);
    peer->next = (fits > peer->match ? fits : peer->match) + 1;
    assert(peer->next <= rejected);
    if (peer->next <= raft->log.base)
        raft_progress_want_snapshot(peer);
    return true;
}

bool raft_progress_stuck(const struct raft *raft, const struct raft_progress *peer) {
    uint64_t patience_ms = raft->config.election_timeout_ms;
    if (peer->id == raft->transferee)
        patience_ms = raft->config.heartbeat_ms; /* everybody waits for it */
    return peer->window_count && raft->now_ms - peer->window_since_ms >= patience_ms;
}
