/* SPDX-License-Identifier: MIT */
/*
 * Who is a member (chapter 4). The whole list is an entry of the log, and holds from the moment it is appended (section 4.1),
 * committed or not; where the log is cut, the list before it holds again:
 *
 *      log        1  2  [3: 1 2 3]  4  5  [6: 1 2 3 4]  7
 *                                   |                   |
 *                              committed            last           rows: (3: 1 2 3) (6: 1 2 3 4)
 *
 * Kept are the newest list that is applied (it belongs to the next checkpoint) and those after it. A committed list can't go
 * away again, nor can one before it come back.
 *
 * One change at a time, by one member. Then every majority of the old list and every majority of the new one have a node in
 * common, and no two leaders can be elected beside each other; with two changes under way they could. A change is refused
 * while
 *
 *      another is not committed                          the two would be one change by two members
 *      no entry of this term is committed                a change of an older leader, which we don't know, may still be
 *                                                        committed: the same two at a time, over two terms (removals too)
 *
 * A new member is a learner first: it gets the log and counts for nothing. When it keeps up, it is promoted. A removed one is
 * still sent the log until its removal is committed and it has been told so. It may even be needed until then: whoever was
 * a voter by the newest committed list may stand, and a leader that removes itself leads until the end, counts only
 * the others, and then tells the best of them to stand (section 4.2.2). Ids of removed members stay in the list for ever, so that
 * nobody comes back under them with an empty log and a vote.
 *
 * Requests are heard from anybody: a candidate or leader may be a member by a list that we don't have yet. Answers count only
 * from voters by our own list. A removed one that asks for votes is told that it is removed.
 *
 * A list, as bytes; members ascend by id; numbers are little-endian:
 *
 *      offset  size  meaning                              example: voter 2 with "b"
 *      0       8     id                                   02 00 00 00 00 00 00 00
 *      8       1     kind: 1 voter, 2 learner, 3 removed  01
 *      9       4     length of data                       01 00 00 00
 *      13      n     data: the caller's                   62
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { ROW_BYTES = 13 };

/* ---- lists ----------------------------------------------------------------------------------------------- */

static void put(char *at, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        at[i] = (char)(value >> (8 * i));
}

static uint64_t get(const char *at, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)(unsigned char)at[i] << (8 * i);
    return value;
}

struct raft_blob *raft_members_encode(const struct raft_member *members, size_t count) {
    size_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += ROW_BYTES + members[i].length;
    struct raft_blob *list = raft_blob_new(length);
    char *at = list->bytes;
    for (size_t i = 0; i < count; i++) {
        assert(members[i].id > (i ? members[i - 1].id : 0) && members[i].length <= RAFT_MEMBER_DATA_MAX);
        put(at, members[i].id, 8);
        put(at + 8, members[i].kind, 1);
        put(at + 9, members[i].length, 4);
        if (members[i].length)
            memcpy(at + ROW_BYTES, members[i].data, members[i].length);
        at += ROW_BYTES + members[i].length;
    }
    return list;
}

bool raft_members_next(const struct raft_blob *list, size_t *offset, struct raft_member *member) {
    if (*offset + ROW_BYTES > list->length)
        return false;
    const char *at = list->bytes + *offset;
    *member = (struct raft_member){
        .id = get(at, 8),
        .kind = (enum raft_member_kind)get(at + 8, 1),
        .data = at + ROW_BYTES,
        .length = get(at + 9, 4),
    };
    *offset += ROW_BYTES + member->length;
    return *offset <= list->length;
}

bool raft_members_valid(const struct raft_blob *list) {
    struct raft_member member;
    size_t offset = 0, alive = 0, voters = 0;
    raft_id last = 0;
    while (raft_members_next(list, &offset, &member)) {
        if (member.id <= last || member.kind < RAFT_VOTER || member.kind > RAFT_REMOVED ||
            member.length > RAFT_MEMBER_DATA_MAX)
            return false;
        last = member.id;
        alive += member.kind != RAFT_REMOVED;
        voters += member.kind == RAFT_VOTER;
    }
    return offset == list->length && voters > 0 && alive <= RAFT_MEMBERS_MAX;
}

bool raft_members_find(const struct raft_blob *list, raft_id id, struct raft_member *member) {
    size_t offset = 0;
    while (raft_members_next(list, &offset, member))
        if (member->id == id)
            return true;
    *member = (struct raft_member){.id = id, .kind = RAFT_STRANGER};
    return false;
}

static enum raft_member_kind kind_in(const struct raft_blob *list, raft_id id) {
    struct raft_member member;
    raft_members_find(list, id, &member);
    return member.kind;
}

/* ---- the rows -------------------------------------------------------------------------------------------- */

static const struct raft_members_at *newest(const struct raft *raft) {
    return &raft->membership.at[raft->membership.count - 1];
}

const struct raft_blob *raft_members(const struct raft *raft, raft_index *index) {
    *index = newest(raft)->index;
    return newest(raft)->list;
}

static void push(struct raft *raft, raft_index index, struct raft_blob *list) {
    struct raft_membership *rows = &raft->membership;
    assert(rows->count == 0 || newest(raft)->index < index);
    rows->at = raft_grow(rows->at, &rows->capacity, rows->count + 1, sizeof *rows->at);
    rows->at[rows->count++] = (struct raft_members_at){index, raft_blob_ref(list)};
}

static struct raft_progress *add_peer(struct raft *raft, raft_id id) {
    raft->peers = raft_grow(raft->peers, &raft->peer_capacity, raft->peer_count + 1, sizeof *raft->peers);
    size_t place = raft->peer_count++;
    for (; place > 0 && raft->peers[place - 1].id > id; place--)
        raft->peers[place] = raft->peers[place - 1];
    struct raft_progress *peer = &raft->peers[place];
    *peer = (struct raft_progress){.id = id, .behind_ms = raft->now_ms};
    peer->window = raft_alloc(raft->config.window_messages_max, sizeof *peer->window);
    free(raft->scratch);
    raft->scratch = raft_alloc(raft->peer_count, sizeof *raft->scratch);
    if (raft->role == RAFT_LEADER)
        raft_progress_lead(raft, peer);
    return peer;
}

static void drop_peer(struct raft *raft, size_t i) {
    free(raft->peers[i].window);
    raft->peer_count--;
    memmove(&raft->peers[i], &raft->peers[i + 1], (raft->peer_count - i) * sizeof *raft->peers);
}

void raft_member_sweep(struct raft *raft) {
    bool leads = raft->role == RAFT_LEADER;
    for (size_t i = raft->peer_count; i > 0; i--) {
        struct raft_progress *peer = &raft->peers[i - 1];
        bool for_good = leads && peer->kind == RAFT_REMOVED && raft->log.commit >= peer->leave_index;
        if (for_good && peer->leave_at_ms == 0)
            peer->leave_at_ms = raft->now_ms + raft->config.election_timeout_ms;
        bool told = peer->commit_sent >= peer->leave_index || raft->now_ms >= peer->leave_at_ms;
        if (peer->id != raft->config.self && peer->kind == RAFT_REMOVED && (!leads || (for_good && told)))
            drop_peer(raft, i - 1);
    }
    raft->self = raft_progress_find(raft, raft->config.self);
}

/* The newest list is the one that counts. */
static void use(struct raft *raft) {
    const struct raft_members_at *row = newest(raft);
    for (size_t i = 0; i < raft->peer_count; i++) {
        struct raft_progress *peer = &raft->peers[i];
        bool leaves = peer->kind != RAFT_REMOVED;
        peer->kind = kind_in(row->list, peer->id);
        if (peer->kind == RAFT_VOTER || peer->kind == RAFT_LEARNER || peer->id == raft->config.self)
            continue;
        peer->kind = RAFT_REMOVED;
        if (leaves) {
            peer->leave_index = row->index;
            peer->leave_at_ms = 0;
        }
    }
    struct raft_member member;
    for (size_t offset = 0; raft_members_next(row->list, &offset, &member);)
        if (member.kind != RAFT_REMOVED && !raft_progress_find(raft, member.id))
            add_peer(raft, member.id)->kind = member.kind;
    raft_member_sweep(raft);
}

void raft_member_init(struct raft *raft, const struct raft_boot *boot) {
    const struct raft_config *config = &raft->config;
    struct raft_member members[RAFT_MEMBERS_MAX];
    assert(config->voter_count <= RAFT_MEMBERS_MAX);
    add_peer(raft, config->self);
    if (boot->members) {
        assert(boot->members->length == 0 || raft_members_valid(boot->members));
        push(raft, boot->applied, boot->members);
    } else {
        for (size_t i = 0; i < config->voter_count; i++) {
            size_t place = i;
            for (; place > 0 && members[place - 1].id > config->voters[i]; place--)
                members[place] = members[place - 1];
            members[place] = (struct raft_member){.id = config->voters[i], .kind = RAFT_VOTER};
        }
        struct raft_blob *list = raft_members_encode(members, config->voter_count);
        push(raft, 0, list);
        raft_blob_unref(list);
    }
    for (size_t i = 0; i < boot->change_count; i++) {
        const struct raft_members_at *row = &boot->changes[i];
        assert(row->index <= boot->last_index && raft_members_valid(row->list));
        if (row->index > newest(raft)->index)
            push(raft, row->index, row->list);
    }
    raft_member_applied(raft);
    use(raft);
    raft_member_committed(raft);
}

void raft_member_close(struct raft *raft) {
    for (size_t i = 0; i < raft->membership.count; i++)
        raft_blob_unref(raft->membership.at[i].list);
    for (size_t i = 0; i < raft->peer_count; i++)
        free(raft->peers[i].window);
    free(raft->membership.at);
    free(raft->peers);
    free(raft->scratch);
}

void raft_member_appended(struct raft *raft, const struct raft_entry *entry) {
    if (entry->type != RAFT_ENTRY_MEMBERS)
        return;
    push(raft, entry->index, entry->data);
    use(raft);
}

void raft_member_cut(struct raft *raft, raft_index from) {
    struct raft_membership *rows = &raft->membership;
    bool any = false;
    for (; rows->count > 1 && newest(raft)->index >= from; any = true)
        raft_blob_unref(rows->at[--rows->count].list);
    assert(newest(raft)->index < from);
    if (any)
        use(raft);
}

/* The newest that is committed, or the oldest when we don't know of any. */
static const struct raft_members_at *committed(const struct raft *raft) {
    const struct raft_membership *rows = &raft->membership;
    size_t i = 0;
    while (i + 1 < rows->count && rows->at[i + 1].index <= raft->log.commit)
        i++;
    return &rows->at[i];
}

void raft_member_committed(struct raft *raft) {
    if (raft->membership.removed || !raft_member_is_removed(raft, raft->config.self))
        return;
    raft->membership.removed = true;
    raft_trace(raft, "removed by entry %llu: this node is no member any more",
               (unsigned long long)committed(raft)->index);
}

void raft_member_applied(struct raft *raft) {
    struct raft_membership *rows = &raft->membership;
    size_t old = 0;
    while (old + 1 < rows->count && rows->at[old + 1].index <= raft->log.applied)
        raft_blob_unref(rows->at[old++].list);
    rows->count -= old;
    memmove(rows->at, rows->at + old, rows->count * sizeof *rows->at);
}

void raft_member_told(struct raft *raft, const struct raft_message *message) {
    if (raft->role == RAFT_LEADER || raft->membership.removed)
        return;
    raft->membership.removed = true;
    raft_trace(raft, "removed, says node %llu: this node is no member any more",
               (unsigned long long)message->from);
    if (raft->role != RAFT_FOLLOWER)
        raft_election_follow(raft, raft->hard.term, 0);
}

void raft_member_restore(struct raft *raft, raft_index index, struct raft_blob *list) {
    struct raft_membership *rows = &raft->membership;
    raft_blob_ref(list); /* it may be one of ours */
    while (rows->count)
        raft_blob_unref(rows->at[--rows->count].list);
    push(raft, index, list);
    raft_blob_unref(list);
    use(raft);
    raft_member_committed(raft);
}

/* ---- questions ------------------------------------------------------------------------------------------- */

bool raft_member_is_removed(const struct raft *raft, raft_id id) {
    const struct raft_members_at *row = committed(raft);
    return row->index <= raft->log.commit && kind_in(row->list, id) == RAFT_REMOVED;
}

bool raft_member_may_stand(const struct raft *raft) {
    const struct raft_membership *rows = &raft->membership;
    if (rows->removed)
        return false;
    for (const struct raft_members_at *row = committed(raft); row < rows->at + rows->count; row++)
        if (kind_in(row->list, raft->config.self) == RAFT_VOTER)
            return true;
    return false;
}

/* A member that was removed may have led, and read by its lease until the end: it is waited for as others are (lease.c). */
bool raft_member_is_alone(const struct raft *raft) {
    struct raft_member member;
    for (size_t offset = 0; raft_members_next(newest(raft)->list, &offset, &member);)
        if (member.id != raft->config.self &&
            (member.kind == RAFT_VOTER || (member.kind == RAFT_REMOVED && raft->config.leases)))
            return false;
    return raft->self->kind == RAFT_VOTER;
}

struct raft_blob *raft_members_applied(const struct raft *raft) {
    return raft->membership.at[0].list;
}

size_t raft_member_count(const struct raft *raft, enum raft_member_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < raft->peer_count; i++)
        count += raft->peers[i].kind == kind;
    return count;
}

uint64_t raft_member_reached(const struct raft *raft,
                             uint64_t (*value)(const struct raft *, const struct raft_progress *)) {
    size_t count = 0;
    for (size_t i = 0; i < raft->peer_count; i++)
        if (raft->peers[i].kind == RAFT_VOTER)
            raft->scratch[count++] = value(raft, &raft->peers[i]);
    return count ? raft_quorum_reached(raft->scratch, count) : 0;
}
