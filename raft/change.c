/* SPDX-License-Identifier: MIT */
/*
 * Changing the members: what a leader accepts, and promoting learners by itself. Why it refuses: member.c.
 */
#include <stdlib.h>

#include "internal.h"

/* Heard within an election timeout. (When it has answered this term's appends is another matter: at the term's start all
 * are given the benefit of the doubt.) */
static bool is_live(const struct raft *raft, const struct raft_progress *peer) {
    bool heard = peer->heard_ms && raft->now_ms - peer->heard_ms < raft->config.election_timeout_ms;
    return peer == raft->self || heard;
}

/* Whether those who answer now are a majority of the voters without this one. (A promotion can't lose it: a learner that keeps
 * up answers.) */
static bool keeps_quorum_without(const struct raft *raft, raft_id id) {
    size_t voters = 0, live = 0;
    for (size_t i = 0; i < raft->peer_count; i++) {
        const struct raft_progress *peer = &raft->peers[i];
        if (peer->id == id || peer->kind != RAFT_VOTER)
            continue;
        voters++;
        live += is_live(raft, peer);
    }
    return voters > 0 && live >= raft_quorum(voters);
}

static bool keeps_up(const struct raft *raft, const struct raft_progress *peer) {
    return is_live(raft, peer) && peer->match > 0 &&
           peer->match + raft->config.promote_lag_max >= raft->log.last;
}

static enum raft_result judge(const struct raft *raft, const struct raft_change *change,
                              enum raft_member_kind kind) {
    switch (change->type) {
    case RAFT_ADD:
        if (kind != RAFT_STRANGER)
            return RAFT_ID_USED;
        return raft_member_count(raft, RAFT_VOTER) + raft_member_count(raft, RAFT_LEARNER) < RAFT_MEMBERS_MAX
                   ? RAFT_OK
                   : RAFT_TOO_MANY;
    case RAFT_PROMOTE:
        if (kind != RAFT_LEARNER)
            return RAFT_NO_MEMBER;
        return keeps_up(raft, raft_progress_find(raft, change->id)) ? RAFT_OK : RAFT_BEHIND;
    case RAFT_REMOVE:
        if (kind != RAFT_VOTER && kind != RAFT_LEARNER)
            return RAFT_NO_MEMBER;
        if (kind == RAFT_VOTER && raft_member_count(raft, RAFT_VOTER) == 1)
            return RAFT_LAST_VOTER;
        return kind == RAFT_LEARNER || keeps_quorum_without(raft, change->id) ? RAFT_OK
                                                                              : RAFT_WOULD_LOSE_QUORUM;
    case RAFT_SET:
        return kind == RAFT_VOTER || kind == RAFT_LEARNER ? RAFT_OK : RAFT_NO_MEMBER;
    }
    abort();
}

/* The member as it will be. */
static struct raft_member changed(const struct raft_change *change, struct raft_member member) {
    if (change->type == RAFT_ADD || change->type == RAFT_SET) {
        member.data = change->data;
        member.length = change->length;
    }
    if (change->type == RAFT_ADD)
        member.kind = RAFT_LEARNER;
    if (change->type == RAFT_PROMOTE)
        member.kind = RAFT_VOTER;
    if (change->type == RAFT_REMOVE)
        member = (struct raft_member){.id = member.id, .kind = RAFT_REMOVED};
    return member;
}

static struct raft_blob *changed_list(const struct raft *raft, const struct raft_change *change) {
    raft_index index;
    const struct raft_blob *list = raft_members(raft, &index);
    struct raft_member member, other, *members = NULL;
    size_t count = 0, capacity = 0;
    raft_members_find(list, change->id, &member);
    member = changed(change, member);
    bool placed = false;
    for (size_t offset = 0; raft_members_next(list, &offset, &other);) {
        members = raft_grow(members, &capacity, count + 2, sizeof *members);
        if (!placed && other.id >= member.id) {
            members[count++] = member;
            placed = true;
        }
        if (other.id != member.id)
            members[count++] = other;
    }
    members = raft_grow(members, &capacity, count + 1, sizeof *members);
    if (!placed)
        members[count++] = member;
    struct raft_blob *blob = raft_members_encode(members, count);
    free(members);
    return blob;
}

static void trace_change(struct raft *raft, const struct raft_change *change, raft_index index) {
    static const char *const names[] = {
        [RAFT_ADD] = "add",
        [RAFT_PROMOTE] = "promote",
        [RAFT_REMOVE] = "remove",
        [RAFT_SET] = "set",
    };
    raft_trace(raft, "members: %s %llu by entry %llu", names[change->type], (unsigned long long)change->id,
               (unsigned long long)index);
}

enum raft_result raft_change(struct raft *raft, uint64_t now_ms, const struct raft_change *change,
                             raft_index *index, raft_term *term) {
    struct raft_member member;
    raft_index since;
    assert(change->id != 0 && change->length <= RAFT_MEMBER_DATA_MAX);
    raft_pass_time(raft, now_ms);
    if (raft->role != RAFT_LEADER)
        return RAFT_NOT_LEADER;
    if (raft->transferee)
        return RAFT_TRANSFERRING;
    if (raft->log.commit < raft->noop_index)
        return RAFT_NOT_READY;
    const struct raft_blob *list = raft_members(raft, &since);
    if (since > raft->log.commit)
        return RAFT_CHANGING;
    raft_members_find(list, change->id, &member);
    enum raft_result result = judge(raft, change, member.kind);
    if (result != RAFT_OK)
        return result;
    *index = raft->log.last + 1;
    *term = raft->hard.term;
    struct raft_entry entry = {*index, *term, RAFT_ENTRY_MEMBERS, changed_list(raft, change)};
    raft_log_append(&raft->log, &entry);
    raft_member_appended(raft, &entry);
    raft_blob_unref(entry.data);
    trace_change(raft, change, *index);
    raft_check(raft);
    return RAFT_OK;
}

void raft_change_tick(struct raft *raft) {
    raft_index index;
    raft_term term;
    for (size_t i = 0; i < raft->peer_count && raft->config.promote_lag_max; i++) {
        struct raft_progress *peer = &raft->peers[i];
        if (peer->kind != RAFT_LEARNER || !keeps_up(raft, peer)) {
            peer->behind_ms = raft->now_ms;
            continue;
        }
        const struct raft_change change = {.type = RAFT_PROMOTE, .id = peer->id};
        if (raft->now_ms - peer->behind_ms >= raft->config.election_timeout_ms &&
            raft_change(raft, raft->now_ms, &change, &index, &term) == RAFT_OK)
            return;
    }
}

void raft_change_leave(struct raft *raft) {
    if (raft->role != RAFT_LEADER || !raft_member_is_removed(raft, raft->config.self))
        return;
    struct raft_progress *heir = raft_transfer_best(raft);
    if (heir)
        raft_emit(raft, &(struct raft_message){
                            .type = RAFT_TIMEOUT_NOW,
                            .to = heir->id,
                            .term = raft->hard.term,
                        });
    raft_election_follow(raft, raft->hard.term, 0);
}
