/* SPDX-License-Identifier: MIT */
/* The rule by which the level is raised, and the node's part in it: see level.h. */
#include "level.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>

#include "node_state.h"

unsigned level_offered(unsigned max) {
    return max != 0 && max < LEVEL_NEWEST ? max : LEVEL_NEWEST;
}

unsigned level_agreed(unsigned now, const unsigned *offers, size_t count) {
    unsigned least = count > 0 ? UINT_MAX : now;
    for (size_t i = 0; i < count; i++)
        least = offers[i] < least ? offers[i] : least;
    return least > now ? least : now;
}

/* ---- the leader's part -------------------------------------------------------------------------------------------- */

/* Every member counts, also one that does not vote, and one that is away: what it offered last is what it will come back with. One that
 * was removed counts while it is linked: it must live to read so in the log. */
static unsigned agreed(struct node *node) {
    const struct roster *members = &node->membership.newest;
    unsigned offers[RAFT_MEMBERS_MAX + NODE_PEERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < members->count; i++) {
        const struct member *member = &members->at[i];
        const struct peer *peer = peers_find(node, member->id);
        if (member->kind == RAFT_REMOVED && !(peer && peer->open))
            continue;
        assert(count < sizeof offers / sizeof *offers);
        offers[count++] = member->id == node->admission.identity.node ? node->admission.offers
                          : peer                                      ? peer->offers
                                                                      : 0;
    }
    return level_agreed(node->admission.level, offers, count);
}

static void propose(struct node *node, unsigned level) {
    struct level_raise *raise = &node->level_raise;
    struct entry_builder builder = {0};
    struct resp_buf raw = {0};
    resp_request(&raw, 2);
    resp_request_text(&raw, "RAFT.LEVEL");
    resp_request_unsigned(&raw, level);
    const struct resp_command mark = {
        .count = 2, .raw = resp_buf_bytes(&raw), .raw_length = resp_buf_length(&raw)};
    entry_add(&builder, 0, &mark);
    struct raft_blob *blob = entry_close(&builder, node->admission.level,
                                         clock_tell(&node->clock, node_wall_ms(node), node->now_ms));
    if (raft_propose(node->raft, blob, &raise->index, &raise->term) == RAFT_OK)
        log_notice(node->logger, "all members offer feature level %u: raising it from %u", level,
                   node->admission.level);
    raft_blob_unref(blob);
    entry_builder_close(&builder);
    resp_buf_close(&raw);
}

void level_turn(struct node *node) {
    const struct raft_status *status = &node->raft_status;
    const struct level_raise *raise = &node->level_raise;
    bool on_its_way = raise->term == status->term && raise->index > status->applied;
    if (node->admission.offers <= node->admission.level || !status->serving || on_its_way ||
        handover_holds(node))
        return;
    unsigned level = agreed(node);
    if (level > node->admission.level)
        propose(node, level);
}

/* ---- everybody's part ---------------------------------------------------------------------------------------------- */

bool level_known(struct node *node, const char *what, uint64_t index, uint64_t level) {
    if (level <= node->admission.offers)
        return true;
    node_fail(node,
              "%s %llu is of feature level %llu, and this node goes up to %u: start a redraft that knows it, "
              "or with a higher raft-feature-level-max, on %s; nothing of it was applied",
              what, (unsigned long long)index, (unsigned long long)level, node->admission.offers,
              node->conf->dir);
    return false;
}

void level_set(struct node *node, uint64_t level) {
    assert(level <= node->admission.offers);
    if (level > node->admission.level)
        node->admission.level = (unsigned)level;
}

bool level_is(const struct resp_command *command) {
    return command->count == 2 && resp_arg_is(&command->args[0], "RAFT.LEVEL");
}

void level_applied(struct node *node, raft_index index, const struct resp_command *command) {
    int64_t level;
    bool is_number = resp_arg_integer(&command->args[1], &level);
    unsigned before = node->admission.level;
    assert(is_number && level > 0);
    if (!is_number || !level_known(node, "what follows entry", index, (uint64_t)level))
        return;
    level_set(node, (uint64_t)level);
    if (node->admission.level != before)
        log_notice(node->logger, "the feature level is %u from entry %llu on; it was %u",
                   node->admission.level, (unsigned long long)index, before);
}
