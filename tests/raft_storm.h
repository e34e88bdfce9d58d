/* SPDX-License-Identifier: MIT */
/*
 * What test_raft_random.c knows of its cluster: the faults that are in force, what it has seen, and the properties, which it checks
 * after every step.
 */
#ifndef RAFT_STORM_H
#define RAFT_STORM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raft_world.h"

enum {
    READS_MAX = 4000,
    TERMS_MAX = 2000,
};

struct committed {
    raft_term term;
    raft_term known_in; /* it was committed in this term or before: whoever saw it first was in it */
};

struct read {
    raft_index committed; /* anywhere, when it was asked */
    bool answered;
};

/* What must have happened somewhere in all the runs, or they prove nothing. */
struct rare {
    size_t elections, commits, overwritten, reads, crashes, torn, fetches, fetched_to_apply, busy, step_downs,
        doubled, handed_over, lease_reads, follower_reads, changes, promotions, removed, dismissed,
        rolled_back, checkpoints, compactions, snapshots, restores, ignored, torn_restores;
};

static const struct {
    size_t at;
    const char *name;
} storm_rare_names[] = {
    {offsetof(struct rare, elections), "elections"},
    {offsetof(struct rare, commits), "entries committed"},
    {offsetof(struct rare, overwritten), "saved entries overwritten"},
    {offsetof(struct rare, reads), "reads answered"},
    {offsetof(struct rare, crashes), "crashes"},
    {offsetof(struct rare, torn), "crashes with part of the queue written"},
    {offsetof(struct rare, fetches), "fetches"},
    {offsetof(struct rare, fetched_to_apply), "fetches to apply"},
    {offsetof(struct rare, busy), "proposals refused as too many"},
    {offsetof(struct rare, step_downs), "leaders that stepped down"},
    {offsetof(struct rare, doubled), "messages doubled"},
    {offsetof(struct rare, handed_over), "told to take over"},
    {offsetof(struct rare, lease_reads), "reads under a lease"},
    {offsetof(struct rare, follower_reads), "reads through a follower"},
    {offsetof(struct rare, changes), "changes of members begun"},
    {offsetof(struct rare, promotions), "promotions"},
    {offsetof(struct rare, removed), "nodes that saw their removal"},
    {offsetof(struct rare, dismissed), "answers that a node is removed"},
    {offsetof(struct rare, rolled_back), "lists rolled back"},
    {offsetof(struct rare, checkpoints), "checkpoints"},
    {offsetof(struct rare, compactions), "logs cut"},
    {offsetof(struct rare, snapshots), "snapshots asked for"},
    {offsetof(struct rare, restores), "states replaced"},
    {offsetof(struct rare, ignored), "snapshots of nothing new"},
    {offsetof(struct rare, torn_restores), "states replaced on disk, and a crash before anybody knew"},
};
enum { STORM_RARE_COUNT = sizeof storm_rare_names / sizeof *storm_rare_names };

static inline size_t *storm_rare(struct rare *rare, size_t i) {
    return (size_t *)(void *)((char *)rare + storm_rare_names[i].at);
}

struct storm {
    struct world world;
    uint64_t random;
    uint64_t now_ms;
    double speed[WORLD_NODES_MAX];
    double clock_ms[WORLD_NODES_MAX];
    bool blocked[WORLD_NODES_MAX][WORLD_NODES_MAX]; /* from, to: what arrives is lost */
    bool held[WORLD_NODES_MAX][WORLD_NODES_MAX];    /* from, to: what is sent arrives much later */
    bool stalled[WORLD_NODES_MAX];
    unsigned loss, doubling, trouble, asking, prompt, keeping, cutting; /* of this seed, in percent */
    unsigned changing;                                                  /* in thousandths */
    raft_id leaders[TERMS_MAX];
    struct committed *committed; /* entry i is at i - 1 */
    size_t committed_count, committed_capacity;
    struct read reads[READS_MAX];
    size_t read_count, proposals;
    raft_index seen_last[WORLD_NODES_MAX];
    raft_term seen_term[WORLD_NODES_MAX];
    raft_index seen_commit[WORLD_NODES_MAX];
    raft_index seen_members[WORLD_NODES_MAX];
    bool seen_committed[WORLD_NODES_MAX]; /* those members */
    uint64_t gone;                        /* ids that a committed list has removed, as bits */
    enum raft_role seen_role[WORLD_NODES_MAX];
    bool verbose;
    struct rare rare;
};

static inline uint64_t storm_any(struct storm *storm, uint64_t bound) {
    uint64_t mixed = storm->random += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % bound;
}

static inline bool storm_chance(struct storm *storm, unsigned percent) {
    return storm_any(storm, 100) < percent;
}

static inline struct world_node *storm_any_node(struct storm *storm) {
    return &storm->world.nodes[storm_any(storm, storm->world.count)];
}

/* ---- properties ------------------------------------------------------------------------------------------ */

static inline void storm_check_matching(struct storm *storm, const struct world_node *a,
                                        const struct world_node *b) {
    struct raft_status sa, sb;
    raft_status(a->raft, &sa);
    raft_status(b->raft, &sb);
    raft_index index = sa.last_index < sb.last_index ? sa.last_index : sb.last_index;
    raft_index base = sa.base_index > sb.base_index ? sa.base_index : sb.base_index;
    while (index > base && raft_term_at(a->raft, index) != raft_term_at(b->raft, index))
        index--;
    for (; index > base; index--)
        WORLD_CHECK(&storm->world, raft_term_at(a->raft, index) == raft_term_at(b->raft, index),
                    "log matching");
}

static inline void storm_check_commit(struct storm *storm, const struct world_node *node,
                                      const struct raft_status *status) {
    for (raft_index index = storm->seen_commit[node->id - 1] + 1; index <= status->commit; index++) {
        raft_term term = raft_term_at(node->raft, index);
        if (index <= storm->committed_count) {
            WORLD_CHECK(&storm->world, index < status->base_index || storm->committed[index - 1].term == term,
                        "two entries committed at one index");
            continue;
        }
        WORLD_CHECK(&storm->world, term, "committed in a snapshot, and nowhere before");
        if (storm->committed_count == storm->committed_capacity) {
            storm->committed_capacity = storm->committed_capacity ? storm->committed_capacity * 2 : 256;
            storm->committed =
                realloc(storm->committed, storm->committed_capacity * sizeof *storm->committed);
        }
        storm->committed[storm->committed_count++] = (struct committed){term, status->term};
        storm->rare.commits++;
    }
}

static inline void storm_check_leader(struct storm *storm, const struct world_node *node,
                                      const struct raft_status *status) {
    WORLD_CHECK(&storm->world, status->term < TERMS_MAX, "terms grow without end");
    raft_id *leader = &storm->leaders[status->term];
    WORLD_CHECK(&storm->world, *leader == 0 || *leader == node->id, "two leaders in one term");
    *leader = node->id;
    if (storm->seen_role[node->id - 1] == RAFT_LEADER)
        return;
    storm->rare.elections++;
    /* A leader of an older term may come late; what later terms commit is not its business. */
    for (size_t i = 0; i < storm->committed_count; i++)
        if (storm->committed[i].known_in < status->term && i + 1 >= status->base_index)
            WORLD_CHECK(&storm->world, raft_term_at(node->raft, i + 1) == storm->committed[i].term,
                        "leader completeness");
}

static inline void storm_check_members(struct storm *storm, const struct world_node *node,
                                       const struct raft_status *status) {
    raft_index index;
    size_t n = node->id - 1, offset = 0;
    struct raft_member member;
    const struct raft_blob *list = raft_members(node->raft, &index);
    storm->rare.rolled_back += index < storm->seen_members[n];
    bool known = index == storm->seen_members[n] && storm->seen_committed[n];
    storm->seen_members[n] = index;
    storm->seen_committed[n] = index <= status->commit;
    if (known && !status->removed)
        return;
    /* A list that is not committed may be of a branch that is lost; an old one, from before the removal. */
    bool newest = index <= status->commit && status->commit == storm->committed_count;
    while (raft_members_next(list, &offset, &member)) {
        bool gone = storm->gone >> member.id & 1;
        if (index <= status->commit && member.kind == RAFT_REMOVED)
            storm->gone |= UINT64_C(1) << member.id;
        WORLD_CHECK(&storm->world, !gone || member.kind == RAFT_REMOVED || !newest, "a removed id came back");
    }
    WORLD_CHECK(&storm->world, !status->removed || storm->gone >> node->id & 1,
                "a member takes itself for removed");
}

static inline void storm_check(struct storm *storm, struct world_node *node) {
    struct raft_status status;
    size_t n = node->id - 1;
    raft_status(node->raft, &status);
    if (status.last_index != storm->seen_last[n] || status.last_term != storm->seen_term[n]) {
        for (size_t i = 0; i < storm->world.count; i++)
            if (i != n && storm->world.nodes[i].raft)
                storm_check_matching(storm, node, &storm->world.nodes[i]);
        storm->seen_last[n] = status.last_index;
        storm->seen_term[n] = status.last_term;
    }
    if (status.role == RAFT_LEADER)
        storm_check_leader(storm, node, &status);
    else if (storm->seen_role[n] == RAFT_LEADER)
        storm->rare.step_downs++;
    storm->seen_role[n] = status.role;
    WORLD_CHECK(&storm->world, status.commit >= storm->seen_commit[n], "a commit index went back");
    if (status.commit > storm->seen_commit[n])
        storm_check_commit(storm, node, &status);
    storm->seen_commit[n] = status.commit;
    storm_check_members(storm, node, &status);
}

static inline void storm_tell(struct world *world) {
    for (size_t i = 0; i < world->count; i++) {
        struct raft_status status = {.role = RAFT_FOLLOWER};
        if (world->nodes[i].raft)
            raft_status(world->nodes[i].raft, &status);
        fprintf(stderr, "%zu %s, term %llu, saved %llu, commit %llu, log", i + 1,
                world->nodes[i].raft ? raft_role_name(status.role) : "down", (unsigned long long)status.term,
                (unsigned long long)status.saved_index, (unsigned long long)status.commit);
        if (status.base_index)
            fprintf(stderr, " (base %llu)", (unsigned long long)status.base_index);
        for (raft_index index = status.base_index + 1; index <= status.last_index; index++)
            fprintf(stderr, " %llu", (unsigned long long)raft_term_at(world->nodes[i].raft, index));
        fprintf(stderr, "; members");
        struct raft_member member;
        raft_index index = 0;
        const struct raft_blob *list =
            world->nodes[i].raft ? raft_members(world->nodes[i].raft, &index) : NULL;
        for (size_t offset = 0; list && raft_members_next(list, &offset, &member);)
            fprintf(stderr, " %llu%c", (unsigned long long)member.id, " vlr"[member.kind]);
        fprintf(stderr, " by %llu\n", (unsigned long long)index);
    }
}

static inline void storm_watch(struct world *world, struct world_node *node, const struct raft_ready *ready) {
    struct storm *storm = world->context;
    if (storm->verbose && ready->trace[0])
        printf("%6llu  %llu: %s", (unsigned long long)storm->now_ms, (unsigned long long)node->id,
               ready->trace);
    for (size_t i = 0; i < ready->reads.count; i++) {
        struct read *read = &storm->reads[ready->reads.at[i].token];
        WORLD_CHECK(world, !read->answered, "a read was answered twice");
        WORLD_CHECK(world, ready->reads.at[i].index >= read->committed, "a stale read");
        read->answered = true;
        storm->rare.reads++;
        storm->rare.follower_reads += storm->seen_role[node->id - 1] == RAFT_FOLLOWER;
    }
    for (size_t i = 0; i < ready->send.count; i++) {
        storm->rare.handed_over += ready->send.at[i].type == RAFT_TIMEOUT_NOW;
        storm->rare.dismissed += ready->send.at[i].type == RAFT_DISMISSED;
    }
    storm->rare.snapshots += ready->snapshots.count;
    storm->rare.restores += ready->restore != NULL;
    storm->rare.promotions += strstr(ready->trace, "members: promote") != NULL;
    storm->rare.removed += strstr(ready->trace, "removed by entry") != NULL;
    for (size_t i = 0; i < ready->fetch.count; i++) {
        storm->rare.fetches++;
        storm->rare.fetched_to_apply += ready->fetch.at[i].for_peer == 0;
    }
}

#endif
