/* SPDX-License-Identifier: MIT */
/*
 * From a confirmed round to the replies.
 *
 * A read whose round is confirmed and whose index is applied may be executed at any later moment: the state only becomes newer. So replies
 * are made no faster than their clients take them: reads of a client that has not taken its replies yet wait in one lane, the stalled
 * one, and so does what would make one turn too long. Sixty-four requests of thirty bytes for a value of a megabyte cost one reply's memory, not
 * sixty-four.
 *
 * A read that meets a key which is due by the leader's clock, though not yet by the log's, is asked again behind an entry with a later
 * clock: riding beside it. What its connection sent after it goes along, also out of later lanes: all of that arrived before the entry
 * is proposed, so it may ride beside it too.
 */
#include <assert.h>

#include "node_state.h"

enum { TURN_REPLY_BYTES = 8 * 1024 * 1024 }; /* replies to reads that one turn makes */

static bool must_stall(const struct node *node, const struct connection *connection) {
    const struct client *client = connection->client;
    return node->turn_reply_bytes > TURN_REPLY_BYTES ||
           (client && resp_buf_length(&client->out) > NODE_OUT_PATIENCE_BYTES);
}

static void stall(struct node *node, struct lane *from, struct connection *connection) {
    if (!node->stalled) {
        node->stalled = lane_new();
        node->stalled->token = ++node->next_token; /* it is a lane of reads */
    }
    lane_take_along(from, node->stalled, connection);
    connection->lane = node->stalled;
}

/* All that its connection waits for goes along at once: a write that comes later must find it all before itself. */
static void ask_again(struct node *node, struct lane *from, struct connection *connection) {
    struct lane *writing = serve_writing(node);
    size_t taken = lane_take_along(from, writing, connection);
    for (struct lane *lane = node->reads.first; lane && taken < connection->pending; lane = lane->next)
        taken += lane_take_along(lane, writing, connection);
    if (node->reading && taken < connection->pending)
        taken += lane_take_along(node->reading, writing, connection);
    assert(taken == connection->pending);
    connection->lane = writing;
}

static void answer(struct node *node, struct lane *lane, struct pending_item *item, uint64_t wall_ms) {
    struct connection *connection = item->connection;
    const struct client *client = connection->client;
    size_t before = client ? resp_buf_length(&client->out) : 0;
    if (item->kind == PENDING_READ && apply_read(node, lane, item, wall_ms, 0)) {
        ask_again(node, lane, connection);
        return;
    }
    if (item->kind == PENDING_REPLY)
        apply_reply(lane, item);
    if (client)
        node->turn_reply_bytes += resp_buf_length(&client->out) - before;
    item->kind = PENDING_MOVED;
    connection_answered(node, connection);
}

static void answer_lane(struct node *node, struct lane *lane, uint64_t wall_ms) {
    for (size_t i = 0; i < lane->count; i++) {
        struct pending_item *item = &lane->items[i];
        if (item->kind == PENDING_MOVED)
            continue;
        struct connection *connection = item->connection;
        assert(connection->lane->token != 0); /* it waits for reads only */
        if (connection->lane == node->stalled || must_stall(node, connection))
            stall(node, lane, connection);
        else
            answer(node, lane, item, wall_ms);
    }
}

/* Those whose clients have taken their replies. What still waits moves to a fresh lane, so that the lane does not grow for ever. */
static void answer_stalled(struct node *node, uint64_t wall_ms) {
    struct lane *lane = node->stalled;
    if (!lane)
        return;
    node->stalled = NULL;
    for (size_t i = 0; i < lane->count; i++) {
        struct pending_item *item = &lane->items[i];
        if (item->kind == PENDING_MOVED)
            continue;
        struct connection *connection = item->connection;
        assert(connection->lane->token != 0); /* it waits for reads only */
        if (must_stall(node, connection))
            stall(node, lane, connection);
        else
            answer(node, lane, item, wall_ms);
    }
    lane_free(lane);
}

bool reads_answer(struct node *node) {
    uint64_t wall_ms = clock_tell(&node->clock, node_wall_ms(node), node->now_ms);
    node->turn_reply_bytes = 0;
    answer_stalled(node, wall_ms);
    while (node->reads.first && node->reads.first->confirmed &&
           node->reads.first->index <= node->raft_status.applied) {
        struct lane *lane = lanes_take_first(&node->reads);
        answer_lane(node, lane, wall_ms);
        lane_free(lane);
    }
    return node->turn_reply_bytes > TURN_REPLY_BYTES;
}
