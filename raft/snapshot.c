/* SPDX-License-Identifier: MIT */
/*
 * The log's beginning: where it was cut after a checkpoint, and what replaces it on a node that needs what was cut
 * (chapter 5). The state itself is not our business: it travels and is checked outside; here are its index, its term and
 * its members.
 *
 *      base: its term is known        next <= base: the follower needs a snapshot at least as new,
 *              |                      heartbeats go on (progress.c)
 *      ( gone )4  5  6  7  8  9       next >  base: appends
 *
 * A snapshot that has arrived is one of three things:
 *
 *      at or below our commit index       nothing: we have it all
 *      our log has its (index, term)      news that all up to there is committed, and no more: what follows in our log was
 *                                         acknowledged, the leader may have counted it; to drop it loses committed writes
 *      neither                            our log can't be continued: state, members and log are replaced, by one job
 *
 * In any case the leader is told how far we have its log: it waits for that.
 *
 * While that job is on its way to the disk, what is durable is the old log as far as it was committed, which is true
 * for ever, and everything that we promise waits for the job (saves.c). Nothing is applied until the caller says that its state
 * machine holds the new state: base > applied until then.
 */
#include "internal.h"

enum { SETTLE_TIMEOUTS = 4 }; /* so many election timeouts to put a snapshot in place, then another is sent */

void raft_compact(struct raft *raft, raft_index index) {
    struct raft_log *log = &raft->log;
    assert(index <= log->applied && index <= log->saved);
    if (index <= log->base)
        return;
    raft_log_compact(log, index);
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct raft_progress *peer = &raft->peers[i];
        bool probes = peer->snapshot == RAFT_SNAPSHOT_NONE || peer->snapshot == RAFT_SNAPSHOT_SENT;
        if (raft->role == RAFT_LEADER && peer->probing && probes && peer->next <= index) {
            peer->next = index + 1; /* there is nothing to ask with before that */
            peer->probe_sent = false;
        }
    }
    raft_check(raft);
}

void raft_snapshot_sent(struct raft *raft, raft_id to, raft_index index, bool ok) {
    struct raft_progress *peer = raft_progress_find(raft, to);
    if (raft->role != RAFT_LEADER || !peer || peer->snapshot != RAFT_SNAPSHOT_ASKED)
        return;
    assert(!ok || index <= raft->log.commit);
    raft_index through = index > peer->match ? index : peer->match;
    peer->snapshot = ok ? RAFT_SNAPSHOT_SENT : RAFT_SNAPSHOT_FAILED;
    if (ok) {
        peer->snapshot_index = through;
        peer->next = (through > raft->log.base ? through : raft->log.base) + 1;
        peer->probe_sent = false;
        peer->snapshot_until_ms = raft->now_ms + SETTLE_TIMEOUTS * raft->config.election_timeout_ms;
    }
    raft_trace(raft, "snapshot %llu to %llu: %s", (unsigned long long)index, (unsigned long long)to,
               ok ? "sent" : "failed");
    raft_check(raft);
}

raft_index raft_needed(const struct raft *raft) {
    raft_index needed = UINT64_MAX;
    for (size_t i = 0; raft->role == RAFT_LEADER && i < raft->peer_count; i++) {
        const struct raft_progress *peer = &raft->peers[i];
        bool live = raft->now_ms - peer->active_ms < raft->config.election_timeout_ms;
        raft_index at = UINT64_MAX;
        if (peer->snapshot == RAFT_SNAPSHOT_SENT && (live || raft->now_ms < peer->snapshot_until_ms))
            at = peer->snapshot_index;
        else if (peer->snapshot == RAFT_SNAPSHOT_NONE && live && peer != raft->self)
            at = peer->match;
        if (at >= raft->log.base && at < needed) /* else it is not to be helped by what is still there */
            needed = at;
    }
    return needed;
}

static void replace(struct raft *raft, raft_index index, raft_term term, struct raft_blob *members) {
    struct raft_outbox *box = raft->filling;
    box->promise.messages.count = 0; /* some may tell of entries that go now */
    raft_saves_clip(&raft->saves, raft->log.commit);
    raft_log_reset(&raft->log, index, term);
    raft_member_restore(raft, index, members);
    raft->self->fetching = false; /* what was to be applied is in the new state; a late answer does no harm */
    box->apply = (struct raft_entries){NULL, 0}; /* the new state has them */
    raft_outbox_restore(box, index, term, members);
    raft_trace(raft, "state and log replaced by a snapshot of %llu, term %llu", (unsigned long long)index,
               (unsigned long long)term);
}

static void tell_leader(struct raft *raft, raft_index index) {
    if (raft->leader)
        raft_emit(raft, &(struct raft_message){
                            .type = RAFT_APPEND_REPLY,
                            .to = raft->leader,
                            .term = raft->hard.term,
                            .index = index,
                        });
}

bool raft_restore(struct raft *raft, uint64_t now_ms, raft_index index, raft_term term,
                  struct raft_blob *members) {
    struct raft_log *log = &raft->log;
    assert(index > 0 && term > 0 && raft_members_valid(members));
    raft_pass_time(raft, now_ms);
    if (raft->role == RAFT_LEADER)
        return false;
    if (term > raft->hard.term)
        raft_election_follow(raft, term, 0);
    bool have = index <= log->commit, continues = have || raft_log_term_at(log, index) == term;
    if (!continues) {
        replace(raft, index, term, members);
    } else if (!have) {
        raft_log_commit(log, index);
        raft_member_committed(raft);
    }
    tell_leader(raft, index);
    raft_check(raft);
    return !continues;
}
