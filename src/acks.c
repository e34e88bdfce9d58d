/* SPDX-License-Identifier: MIT */
/*
 * WAIT: until so many other members have the connection's last write on their disks. The write itself was acknowledged by a majority
 * when its reply was sent; this asks for more than that, or for those who ask it of every server.
 *
 * Those that wait for as many members stand in one list, by the index that they wait for. So a turn looks at the first of each list,
 * however many they are.
 */
#include <assert.h>
#include <stdlib.h>

#include "node_state.h"

static const char not_leading[] =
    "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is "
    "configured to be writable (which is not the default) writes to replicas are just local and are not "
    "propagated.";

static bool match_of(const struct node *node, const struct peer *peer, raft_index *match) {
    struct raft_peer_status status;
    if (peer->id == 0 || !peer->listed || !raft_peer_status(node->raft, peer->id, &status))
        return false;
    *match = status.match;
    return true;
}

size_t acks_count(const struct node *node, raft_index index) {
    size_t count = 0;
    raft_index match;
    for (size_t i = 0; i < node->peer_count; i++)
        count += match_of(node, &node->peers[i], &match) && match >= index;
    return count;
}

void acks_leave(struct node *node, struct wait *wait) {
    struct block *block = &node->block;
    if (wait->next_later)
        wait->next_later->next_earlier = wait->next_earlier;
    else
        block->latest[wait->members] = wait->next_earlier;
    if (wait->next_earlier)
        wait->next_earlier->next_later = wait->next_later;
    else
        block->earliest[wait->members] = wait->next_later;
    block->for_members--;
}

/* Nearly always behind the latest. */
static void enter(struct block *block, struct wait *wait) {
    struct wait *before = block->latest[wait->members];
    while (before && before->index > wait->index)
        before = before->next_earlier;
    struct wait *after = before ? before->next_later : block->earliest[wait->members];
    wait->next_earlier = before;
    wait->next_later = after;
    if (before)
        before->next_later = wait;
    else
        block->earliest[wait->members] = wait;
    if (after)
        after->next_earlier = wait;
    else
        block->latest[wait->members] = wait;
    block->for_members++;
}

void acks_begin(struct node *node, struct connection *connection, int64_t members, uint64_t timeout_ms,
                bool quiet, struct resp_out *out) {
    if (!node->raft || node->raft_status.role != RAFT_LEADER) {
        resp_error(out, "%s", not_leading);
        return;
    }
    raft_index written = proxy_has_written(connection) ? node->raft_status.last_index : connection->written;
    size_t have = acks_count(node, written);
    if (members <= (int64_t)have || connection->session.multi.running) {
        resp_integer(out, (int64_t)have);
        return;
    }
    struct wait *wait = calloc(1, sizeof *wait);
    if (!wait)
        abort();
    wait->members = members < BLOCK_MEMBERS_MAX ? (size_t)members : BLOCK_MEMBERS_MAX;
    wait->index = written;
    wait->quiet = quiet;
    enter(&node->block, wait);
    raft_hurry(node->raft);
    block_add(node, wait, connection, timeout_ms);
}

static int descending(const void *left, const void *right) {
    raft_index a = *(const raft_index *)left, b = *(const raft_index *)right;
    return (a < b) - (a > b);
}

void acks_turn(struct node *node) {
    struct block *block = &node->block;
    raft_index matches[NODE_PEERS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < node->peer_count; i++)
        count += match_of(node, &node->peers[i], &matches[count]);
    qsort(matches, count, sizeof matches[0], descending);
    for (size_t members = 1; members <= count && members < BLOCK_MEMBERS_MAX; members++)
        for (struct wait *wait; (wait = block->earliest[members]) && wait->index <= matches[members - 1];)
            block_conclude(node, wait, WAIT_TIMED_OUT);
}
