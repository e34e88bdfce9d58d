/* SPDX-License-Identifier: MIT */
/*
 * Members and majorities: what must hold while they change.
 *
 *      a list of members     differs by one member from the one committed before it; is the same wherever the state is that after the
 *                            same entry; somebody asked for it
 *      an entry committed    lies on the disks of a majority of the voters by its leader's list
 *      a leader              has the votes of a majority of the voters by its own list
 *      no two lists          could elect two leaders of one term
 *
 * The last one looks at what is durable, for after a crash of all nodes at once that is all there is:
 *
 *      log   1  2  3  4        A, B, C, D vote by all logs but A's, which holds the list A B C D E; so does E's
 *      A     x  x  x  +E
 *      E     x  x  x  +E       A can win the votes of A, D, E: none of them has a newer log than A
 *      B     x  x  x  -A       B can win the votes of B, C: the same, by its list B C D
 *      C     x  x  x  -A
 *      D     x  x  x           {A D E} and {B C} have nobody in common: two leaders, and one of the changes was wrong
 *
 * Whose log is the newer (by term, then by length) never changes back, so what can be found this way can happen, and what cannot be
 * found cannot happen any more.
 */
#include <stdlib.h>
#include <string.h>

#include "../../raft/internal.h"
#include "../../src/node_state.h"
#include "sim.h"

struct list {
    raft_id voters[SIM_NODES_MAX + SIM_OPERATORS];
    size_t count;
    uint64_t hash;
};

/* What is durable on each member's disk. */
static struct durable {
    raft_term term; /* of its last entry */
    raft_index index;
    struct list list; /* the newest that its log holds */
} durables[SIM_IDS_MAX];

static struct raft_blob *committed; /* the newest list; NULL: nobody has changed the founders' */
static uint64_t founders;           /* their list; 0: not seen yet */
static struct {
    raft_index from;
    uint64_t hash;
} * changes; /* each committed list */
static size_t change_count, change_capacity;

/* ---- lists ----------------------------------------------------------------------------------------------------------- */

static uint64_t hash_of(const struct raft_blob *list) {
    return sim_hash(1, list->bytes, list->length);
}

static struct list list_of(const struct raft_blob *blob) {
    struct list list = {.hash = hash_of(blob)};
    struct raft_member member;
    for (size_t offset = 0; raft_members_next(blob, &offset, &member);)
        if (member.kind == RAFT_VOTER && list.count < sizeof list.voters / sizeof *list.voters)
            list.voters[list.count++] = member.id;
    return list;
}

static bool votes_by(const struct list *list, raft_id id) {
    for (size_t i = 0; i < list->count; i++)
        if (list->voters[i] == id)
            return true;
    return false;
}

enum raft_member_kind quorums_kind(raft_id id) {
    struct raft_member member;
    if (!committed)
        return id > 0 && id <= sim->founder_count ? RAFT_VOTER : RAFT_STRANGER;
    raft_members_find(committed, id, &member);
    return member.kind;
}

size_t quorums_voters(void) {
    return committed ? list_of(committed).count : sim->founder_count;
}

bool quorums_knows(raft_id id, const char *address) {
    struct raft_member member;
    struct roster roster = {0};
    if (!committed || !raft_members_find(committed, id, &member))
        return id <= sim->founder_count && committed == NULL && sim->nodes[id - 1].moves == 0;
    roster_read(&roster, committed);
    bool knows = strcmp(roster_find(&roster, id)->address, address) == 0;
    roster_close(&roster);
    return knows;
}

/* ---- what is committed --------------------------------------------------------------------------------------------------- */

static enum raft_member_kind kind_in(const struct raft_blob *list, raft_id id) {
    struct raft_member member;
    raft_members_find(list, id, &member);
    return member.kind;
}

void quorums_committed(const struct raft_entry *entry) {
    enum raft_member_kind kinds[SIM_IDS_MAX];
    size_t differences = 0;
    if (entry->type != RAFT_ENTRY_MEMBERS)
        return;
    for (raft_id id = 1; id < SIM_IDS_MAX; id++)
        kinds[id] = quorums_kind(id);
    if (committed)
        raft_blob_unref(committed);
    committed = raft_blob_ref(entry->data);
    if (change_count == change_capacity) {
        change_capacity = change_capacity ? 2 * change_capacity : 64;
        changes = realloc(changes, change_capacity * sizeof *changes);
        if (!changes)
            abort();
    }
    changes[change_count].from = entry->index;
    changes[change_count++].hash = hash_of(committed);
    for (raft_id id = 1; id < SIM_IDS_MAX; id++) {
        enum raft_member_kind kind = kind_in(committed, id);
        if (kind == kinds[id])
            continue;
        if (kinds[id] == RAFT_REMOVED)
            sim_fail("members: the removed node %d is one again by entry %llu", (int)id,
                     (unsigned long long)entry->index);
        differences++;
        operator_sees(id, kind);
    }
    if (differences > 1)
        sim_fail("members: entry %llu changes %zu members at once", (unsigned long long)entry->index,
                 differences);
}

/* The list that belongs to the state. */
void quorums_applied(struct sim_node *node, raft_index index) {
    const struct raft_blob *list = node->node->raft->membership.at[0].list;
    struct raft_status status;
    raft_status(node->node->raft, &status);
    if (status.base_index > index || status.applied != index || list->length == 0)
        return; /* a new node has none before it is told */
    uint64_t hash = hash_of(list), expected = founders;
    for (size_t i = 0; i < change_count && changes[i].from <= index; i++)
        expected = changes[i].hash;
    if (expected == 0)
        expected = founders = hash;
    if (hash != expected)
        sim_fail("members: node %d has another list at entry %llu than was committed", (int)node->id,
                 (unsigned long long)index);
}

/* ---- what is durable ----------------------------------------------------------------------------------------------------- */

static bool newer(const struct durable *left, const struct durable *right) {
    return left->term != right->term ? left->term > right->term : left->index > right->index;
}

/* Which of the voters by its own list would vote for it, as they are: a set. */
static uint64_t would_vote(raft_id candidate) {
    const struct durable *log = &durables[candidate];
    uint64_t set = 0;
    for (size_t i = 0; i < log->list.count; i++) {
        raft_id id = log->list.voters[i];
        if (!sim->destroyed[id] && !newer(&durables[id], log))
            set |= (uint64_t)1 << id;
    }
    return set;
}

static size_t size_of(uint64_t set) {
    return (size_t)__builtin_popcountll(set);
}

static bool may_win(raft_id id) {
    const struct list *list = &durables[id].list;
    return list->count > 0 && !sim->destroyed[id] && votes_by(list, id) &&
           size_of(would_vote(id)) >= raft_quorum(list->count);
}

static void see_pair(raft_id a, raft_id b) {
    const struct list *left = &durables[a].list, *right = &durables[b].list;
    size_t both = raft_quorum(left->count) + raft_quorum(right->count);
    if (left->hash == right->hash || !may_win(b) || size_of(would_vote(a) | would_vote(b)) < both)
        return;
    sim_fail("members: nodes %d and %d could be elected beside each other, by lists of %zu and %zu voters",
             (int)a, (int)b, left->count, right->count);
}

static void see_all_pairs(void) {
    for (raft_id a = 1; a <= sim->last_id; a++)
        for (raft_id b = a + 1; b <= sim->last_id && may_win(a); b++)
            see_pair(a, b);
}

void quorums_saved(struct sim_node *node) {
    const struct raft *raft = node->node->raft;
    const struct raft_membership *rows = &raft->membership;
    struct durable now = {.term = raft_term_at(raft, raft->log.saved), .index = raft->log.saved};
    struct durable *known = &durables[node->id];
    if (newer(known, &now))
        return; /* it was cut, and what takes the place is not there yet */
    size_t row = rows->count - 1;
    while (row > 0 && rows->at[row].index > now.index)
        row--;
    now.list = list_of(rows->at[row].list);
    *known = now;
    see_all_pairs();
}

/* ---- majorities ------------------------------------------------------------------------------------------------------------ */

void __real_raft_log_commit(struct raft_log *log, raft_index index);
void __wrap_raft_log_commit(struct raft_log *log, raft_index index);
void __real_raft_member_cut(struct raft *raft, raft_index from);
void __wrap_raft_member_cut(struct raft *raft, raft_index from);

void __wrap_raft_log_commit(struct raft_log *log, raft_index index) {
    const struct raft *raft = sim->current->node ? sim->current->node->raft : NULL;
    raft_index before = log->commit, at;
    __real_raft_log_commit(log, index);
    if (!raft || &raft->log != log || raft->role != RAFT_LEADER || log->commit == before)
        return;
    struct list list = list_of(raft_members(raft, &at));
    size_t holders = 0;
    for (size_t i = 0; i < list.count; i++)
        holders += list.voters[i] == sim->current->id ? log->saved >= log->commit
                                                      : durables[list.voters[i]].index >= log->commit;
    if (holders < raft_quorum(list.count))
        sim_fail("members: node %d commits entry %llu, which is on %zu of %zu disks", (int)sim->current->id,
                 (unsigned long long)log->commit, holders, list.count);
}

void __wrap_raft_member_cut(struct raft *raft, raft_index from) {
    size_t before = raft->membership.count;
    __real_raft_member_cut(raft, from);
    sim_cover(COVER_CHANGES_UNDONE, before - raft->membership.count);
}

void quorums_leads(struct sim_node *node, raft_term term) {
    raft_index at;
    struct list list = list_of(raft_members(node->node->raft, &at));
    size_t votes = invariants_votes(term, node->id, list.voters, list.count);
    if (votes < raft_quorum(list.count))
        sim_fail("members: node %d leads term %llu with %zu votes of %zu", (int)node->id,
                 (unsigned long long)term, votes, list.count);
}

void quorums_open(void) {
    memset(durables, 0, sizeof durables);
    committed = NULL;
    founders = 0;
    change_count = 0;
}

void quorums_close(void) {
    if (committed)
        raft_blob_unref(committed);
    free(changes);
    committed = NULL;
    changes = NULL;
    change_count = change_capacity = 0;
}
