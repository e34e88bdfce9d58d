/* SPDX-License-Identifier: MIT */
/*
 * Reads that stand on time instead of on a round (section 6.4.1).
 *
 * Who has heard a leader gives no vote for an election timeout. So while a majority is patient there is no other leader, and
 * our state is the newest. We don't know when they heard us, only when we began to speak, which was before:
 *
 *      leader        round 7 begins                                lease ends            (our clock)
 *                    |-------- election timeout x (1 - drift) --------|
 *      follower           hears round 7                                       may vote   (its clock)
 *                         |-------- election timeout ----------------------------|
 *
 * The lease is counted from the beginning of the newest round that a majority has acknowledged (each counts for itself, by
 * the members as they are now), and is shorter than their patience by as much as clocks may differ in speed. What it needs
 * of the others, all of it in election.c: patience that survives a newer term and the loss of the leader's name; no
 * vote for an election timeout after a start, because what was heard before it is forgotten; no hint that a leader is gone.
 * What ends it early: TimeoutNow (transfer.c).
 *
 * When rounds began is noted for some of them: a leader with many reads begins thousands. An acknowledgement counts for the
 * newest noted round that is not after it, which can only make the lease shorter.
 */
#include "internal.h"

void raft_lease_reset(struct raft *raft) {
    raft->lease = (struct raft_lease){.count = 0};
}

static struct raft_lease_mark *mark(struct raft_lease *lease, size_t i) {
    assert(i < lease->count);
    return &lease->marks[(lease->head + i) % RAFT_LEASE_MARKS];
}

void raft_lease_begin(struct raft *raft) {
    struct raft_lease *lease = &raft->lease;
    uint64_t apart_ms = raft->config.election_timeout_ms / RAFT_LEASE_MARKS + 1;
    if (!raft->config.leases ||
        (lease->count && raft->now_ms - mark(lease, lease->count - 1)->began_ms < apart_ms))
        return;
    if (lease->count == RAFT_LEASE_MARKS) { /* older than a timeout: it would give no lease */
        lease->head = (lease->head + 1) % RAFT_LEASE_MARKS;
        lease->count--;
    }
    lease->count++;
    *mark(lease, lease->count - 1) = (struct raft_lease_mark){raft->reads.round, raft->now_ms};
}

void raft_lease_acknowledged(struct raft *raft, struct raft_progress *peer) {
    struct raft_lease *lease = &raft->lease;
    for (size_t i = lease->count; i > 0; i--)
        if (mark(lease, i - 1)->round <= peer->round_acked) {
            peer->confirmed_ms = mark(lease, i - 1)->began_ms;
            return;
        }
}

bool raft_lease_holds_back(const struct raft *raft) {
    return raft->config.leases && raft->now_ms - raft->started_ms < raft->config.election_timeout_ms;
}

uint64_t raft_lease_until(const struct raft *raft) {
    const struct raft_config *config = &raft->config;
    if (!config->leases || raft->role != RAFT_LEADER || raft->lease.dropped ||
        raft->log.commit < raft->noop_index)
        return 0;
    for (size_t i = 0; i < raft->peer_count; i++)
        raft->scratch[i] = &raft->peers[i] == raft->self ? raft->now_ms : raft->peers[i].confirmed_ms;
    uint64_t since_ms = raft_quorum_reached(raft->scratch, raft->peer_count);
    uint64_t length_ms = (uint64_t)config->election_timeout_ms * (1000 - config->clock_drift_permille) / 1000;
    return since_ms ? since_ms + length_ms : 0;
}

enum raft_result raft_read_lease(struct raft *raft, uint64_t now_ms, raft_index *index) {
    raft_pass_time(raft, now_ms);
    if (raft->role != RAFT_LEADER)
        return RAFT_NOT_LEADER;
    if (raft->now_ms >= raft_lease_until(raft))
        return RAFT_NO_LEASE;
    *index = raft->log.commit;
    return RAFT_OK;
}
