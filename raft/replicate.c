/* SPDX-License-Identifier: MIT */
/*
 * The leader's side of the log: sending entries, counting who has them, committing.
 *
 * A leader sends while its own disk is still writing (section 10.2.1): the leader is one voter of many, and its own copy
 * counts when raft_saved says so, not before.
 *
 * An entry of an earlier term is never committed by counting its copies (section 3.6.2, figure 3.7), because a
 * majority that holds it can still be outvoted:
 *
 *            index 1 2 3
 *      S1 term     1 2 .     led term 2, index 2 is on S1 and S2; crashed; leads term 4 and copies index 2 to S3:
 *      S2          1 2       a majority has it, and yet
 *      S3          1 (2)
 *      S4          1
 *      S5          1 3       S5 can be elected by S2, S3, S4 (its last term, 3, is greater) and replace it
 *
 * With an entry of term 4 on a majority S5 can't win, and index 2 is committed along with it. So each leader begins with
 * an entry of its own, the no-op.
 *
 * An append without entries is a heartbeat. It goes out at `match`, where it can't be refused, however much of the
 * pipeline has been lost: a refusal would stop the pipelining for nothing.
 */
#include "internal.h"

/* A follower learns of a commit with the next append. If none is on its way, it is told after a tenth of a heartbeat: soon
 * enough for its readers, late enough for a busy leader not to send twice as many messages. */
static uint64_t announce_delay_ms(const struct raft *raft) {
    return raft->config.heartbeat_ms / 10 + 1;
}

static void send_append(struct raft *raft, struct raft_progress *peer, raft_index before,
                        struct raft_entries entries) {
    raft_index end = before + entries.count, commit = raft_thrift_commit(raft, peer);
    peer->heartbeat_due = false;
    peer->round_sent = raft->reads.round;
    if (!peer->probing)
        peer->commit_sent = commit < end ? commit : end;
    raft_emit(raft, &(struct raft_message){
                        .type = RAFT_APPEND,
                        .to = peer->id,
                        .term = raft->hard.term,
                        .index = before,
                        .log_term = raft_log_term_at(&raft->log, before),
                        .commit = commit,
                        .round = raft->reads.round,
                        .entries = entries,
                    });
}

/* Where the log does not go back to `before` it goes out at 0, which fits everywhere. */
static void send_empty(struct raft *raft, struct raft_progress *peer, raft_index before) {
    send_append(raft, peer, before >= raft->log.base ? before : 0, (struct raft_entries){NULL, 0});
}

static void fetch_for(struct raft *raft, struct raft_progress *peer, size_t room) {
    peer->fetching = true;
    raft_outbox_fetch(raft->filling, &(struct raft_fetch){
                                         .for_peer = peer->id,
                                         .from = peer->next,
                                         .to = raft->log.first - 1,
                                         .bytes_max = room,
                                     });
}

/* As much as the window takes, but not all at once: a follower that has caught up with what is in memory would have the caller copy a whole
 * window, while nobody else is served. The next ready goes on. False when nothing went out. */
static bool send_entries(struct raft *raft, struct raft_progress *peer) {
    struct raft_log *log = &raft->log;
    size_t sent = 0;
    bool any = false;
    while (peer->next <= log->last && sent < raft->config.ready_bytes_max) {
        size_t bytes, room = raft_progress_room(raft, peer);
        if (room == 0)
            break;
        if (peer->next < log->first) {
            fetch_for(raft, peer, room);
            break;
        }
        size_t count = raft_log_fit(log, peer->next, log->last, room, &bytes);
        if (bytes > room && peer->window_count)
            break; /* a big one: it goes alone */
        struct raft_entries entries = raft_outbox_slice(raft->filling, log, peer->next, count);
        send_append(raft, peer, peer->next - 1, entries);
        raft_progress_sent(raft, peer, peer->next + count - 1, bytes);
        sent += bytes;
        any = true;
    }
    return any;
}

static void send_beside_snapshot(struct raft *raft, struct raft_progress *peer) {
    if (peer->snapshot == RAFT_SNAPSHOT_WANTED) {
        peer->snapshot = RAFT_SNAPSHOT_ASKED;
        raft_outbox_snapshot(raft->filling, peer->id);
        raft_trace(raft, "follower %llu needs a snapshot: its log ends before %llu, ours begins after %llu",
                   (unsigned long long)peer->id, (unsigned long long)peer->next,
                   (unsigned long long)raft->log.base);
    }
    if (peer->heartbeat_due)
        send_empty(raft, peer, 0);
}

static void send_to(struct raft *raft, struct raft_progress *peer) {
    if (!peer->probing && peer->next <= raft->log.base)
        raft_progress_want_snapshot(peer);
    if (raft_progress_takes_snapshot(peer)) {
        send_beside_snapshot(raft, peer);
        return;
    }
    if (peer->probing) {
        if (!peer->probe_sent)
            send_empty(raft, peer, peer->next - 1);
        peer->probe_sent = true;
        return;
    }
    if (raft_thrift_holds(peer))
        return;
    if (!send_entries(raft, peer) && peer->heartbeat_due)
        send_empty(raft, peer, peer->match);
}

/* A round rides on what goes out anyhow; for the rest of a majority it goes by itself. */
static void send_round(struct raft *raft) {
    for (struct raft_progress *peer; (peer = raft_readindex_next(raft));)
        send_empty(raft, peer, raft_progress_takes_snapshot(peer) ? 0 : peer->match);
}

void raft_replicate_send(struct raft *raft) {
    assert(raft->role == RAFT_LEADER);
    raft_thrift_choose(raft);
    for (size_t i = 0; i < raft->peer_count; i++)
        if (&raft->peers[i] != raft->self)
            send_to(raft, &raft->peers[i]);
    send_round(raft);
}

void raft_replicate_lead(struct raft *raft) {
    for (size_t i = 0; i < raft->peer_count; i++)
        raft_progress_lead(raft, &raft->peers[i]);
    raft->noop_index = raft->log.last + 1;
    raft->heartbeat_at_ms = raft->now_ms + raft->config.heartbeat_ms;
    raft->announce_at_ms = 0;
    raft_readindex_reset(raft);
    raft_lease_reset(raft);
    raft_transfer_end(raft);
    raft_log_append(&raft->log, &(struct raft_entry){
                                    .index = raft->noop_index,
                                    .term = raft->hard.term,
                                    .type = RAFT_ENTRY_NOOP,
                                });
}

static uint64_t saved_by(const struct raft *raft, const struct raft_progress *peer) {
    return peer == raft->self ? raft->log.saved : peer->match;
}

static void announce_soon(struct raft *raft) {
    if (raft->announce_at_ms == 0 && raft->peer_count > 1)
        raft->announce_at_ms = raft->now_ms + announce_delay_ms(raft);
}

void raft_replicate_commit(struct raft *raft) {
    struct raft_log *log = &raft->log;
    raft_index reached = raft_member_reached(raft, saved_by);
    if (reached <= log->commit || raft_log_term_at(log, reached) != raft->hard.term)
        return;
    raft_log_commit(log, reached);
    raft_member_committed(raft);
    announce_soon(raft);
    raft_readindex_release(raft); /* some may have waited for the no-op */
}

/* What was found in the log is carried out: who has waited is told (thrift.c). */
void raft_replicate_applied(struct raft *raft, raft_index before) {
    if (raft->role == RAFT_LEADER && before < raft->noop_index && raft->log.applied >= raft->noop_index)
        announce_soon(raft);
}

static uint64_t active_ms(const struct raft *raft, const struct raft_progress *peer) {
    return peer == raft->self ? raft->now_ms : peer->active_ms;
}

uint64_t raft_replicate_quorum_ms(const struct raft *raft) {
    return raft_member_reached(raft, active_ms);
}

static void heartbeat(struct raft *raft) {
    raft->heartbeat_at_ms = raft->now_ms + raft->config.heartbeat_ms;
    raft->transfer_due = true;
    raft_thrift_race(raft);
    if (raft->config.leases)
        raft_readindex_renew(raft);
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct raft_progress *peer = &raft->peers[i];
        if (raft_progress_stuck(raft, peer))
            raft_progress_probe(raft, peer);
        if (peer->snapshot == RAFT_SNAPSHOT_FAILED)
            peer->snapshot = RAFT_SNAPSHOT_WANTED;
        peer->heartbeat_due = true;
        peer->probe_sent = false;
    }
}

static void announce(struct raft *raft) {
    raft->announce_at_ms = 0;
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct raft_progress *peer = &raft->peers[i];
        if (peer->commit_sent < raft_thrift_commit(raft, peer) && peer->commit_sent < peer->match)
            peer->heartbeat_due = true;
    }
}

void raft_replicate_tick(struct raft *raft) {
    if (raft->peer_count == 1)
        return;
    uint64_t quorum_ms = raft_replicate_quorum_ms(raft);
    if (raft->now_ms - quorum_ms >= raft->config.election_timeout_ms) {
        raft_trace(raft, "stepping down from term %llu: no quorum for %llu ms",
                   (unsigned long long)raft->hard.term, (unsigned long long)(raft->now_ms - quorum_ms));
        raft_election_follow(raft, raft->hard.term, 0);
        return;
    }
    raft_transfer_tick(raft);
    raft_readindex_tick(raft);
    if (raft->now_ms >= raft->heartbeat_at_ms)
        heartbeat(raft);
    if (raft->announce_at_ms && raft->now_ms >= raft->announce_at_ms)
        announce(raft);
    raft_change_tick(raft);
    raft_member_sweep(raft);
}

uint64_t raft_replicate_deadline(const struct raft *raft) {
    if (raft->peer_count == 1)
        return UINT64_MAX;
    uint64_t deadline = raft_replicate_quorum_ms(raft) + raft->config.election_timeout_ms;
    if (raft->heartbeat_at_ms < deadline)
        deadline = raft->heartbeat_at_ms;
    if (raft->announce_at_ms && raft->announce_at_ms < deadline)
        deadline = raft->announce_at_ms;
    if (raft->transferee && raft->transfer_until_ms < deadline)
        deadline = raft->transfer_until_ms;
    uint64_t late = raft_readindex_deadline(raft), held = raft_thrift_deadline(raft);
    if (held < deadline)
        deadline = held;
    return late < deadline ? late : deadline;
}

/* It follows us: counts for the quorum, and for reads. */
static struct raft_progress *answered(struct raft *raft, const struct raft_message *message) {
    struct raft_progress *peer = raft_progress_find(raft, message->from);
    peer->active_ms = raft->now_ms;
    if (message->round > peer->round_acked) {
        peer->round_acked = message->round;
        raft_lease_acknowledged(raft, peer);
        raft_readindex_release(raft);
    }
    return peer;
}

void raft_replicate_append_reply(struct raft *raft, const struct raft_message *message) {
    if (raft->role != RAFT_LEADER)
        return;
    struct raft_progress *peer = answered(raft, message);
    if (!message->rejected) {
        if (raft_progress_accepted(raft, peer, message->index)) {
            raft_thrift_accepted(raft, peer);
            raft_replicate_commit(raft);
        }
    } else if (raft_progress_rejected(raft, peer, message->rejected_index, message->index,
                                      message->log_term)) {
        raft_trace(raft, "follower %llu rejected %llu, trying %llu", (unsigned long long)peer->id,
                   (unsigned long long)message->rejected_index, (unsigned long long)(peer->next - 1));
    }
}

void raft_replicate_round_reply(struct raft *raft, const struct raft_message *message) {
    if (raft->role == RAFT_LEADER)
        answered(raft, message);
}

void raft_replicate_fetched(struct raft *raft, struct raft_progress *peer,
                            const struct raft_entries *entries) {
    if (raft->role != RAFT_LEADER || entries->at[0].index != peer->next ||
        raft_progress_room(raft, peer) == 0)
        return; /* it has moved on; what it needs now is asked for again */
    size_t bytes = 0;
    for (size_t i = 0; i < entries->count; i++)
        bytes += entries->at[i].data ? entries->at[i].data->length : 0;
    send_append(raft, peer, peer->next - 1, raft_outbox_copy(raft->filling, entries->at, entries->count));
    raft_progress_sent(raft, peer, peer->next + entries->count - 1, bytes);
}
