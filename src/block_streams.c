/* SPDX-License-Identifier: MIT */
/*
 * Who waits for entries of a stream. An entry that comes is read by all who wait with XREAD; of each group one consumer gets it.
 *
 * XREAD is answered from what has been applied: the entry came while it waited, so the answer is true at a point of the log behind the command's arrival,
 * and nobody need be asked for that. XREADGROUP goes through the log as a pop of a list does: as many are proposed as there are entries for their groups.
 */
#include "block.h"

#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum { LOOK_AHEAD = 1024 }; /* entries that are counted for a group in one turn */

/* What is left for a group in this turn, once those before have got what they asked for. */
struct share {
    struct resp_arg group; /* in a request that waits */
    uint64_t left;
};

struct shares {
    struct share *list;
    size_t count, room;
};

static struct share *share_of(struct shares *shares, const struct resp_arg *group) {
    for (size_t i = 0; i < shares->count; i++)
        if (shares->list[i].group.length == group->length &&
            (group->length == 0 || memcmp(shares->list[i].group.bytes, group->bytes, group->length) == 0))
            return &shares->list[i];
    return NULL;
}

static struct share *share_add(struct shares *shares, const struct resp_arg *group, uint64_t left) {
    if (shares->count == shares->room) {
        shares->room = shares->room ? 2 * shares->room : 8;
        shares->list = realloc(shares->list, shares->room * sizeof *shares->list);
        if (!shares->list)
            abort();
    }
    shares->list[shares->count] = (struct share){*group, left};
    return &shares->list[shares->count++];
}

static struct call call_of(struct node *node, const struct wait *wait, const struct resp_command *command,
                           struct resp_out *out) {
    return (struct call){
        .keyspace = node->keyspace,
        .command = command_find(command->args, command->count),
        .args = command->args,
        .count = command->count,
        .db = wait->db,
        .wall_ms = keyspace_clock(node->keyspace),
        .reply = out,
    };
}

/* Answers if there is anything. */
static void read_now(struct node *node, struct wait *wait, const struct resp_arg *key) {
    struct connection *connection = wait->connection;
    struct resp_buf *buf = &connection->client->out, request = {0};
    struct resp_out out = {.buf = wait->quiet ? NULL : buf, .protocol = connection->session.protocol};
    struct resp_command command;
    size_t mark = resp_buf_length(buf);
    block_request(node, wait, key, &request);
    block_parse_bytes(node, &request, &command);
    struct call call = call_of(node, wait, &command, &out);
    deliver_listen(node, false);
    deliver_before(node, out.buf);
    apply_call(node, call.command, &call, &connection->session);
    apply_uncount(node, call.command); /* it was counted when it came */
    if (call.end == CALL_BLOCKS) {
        resp_buf_truncate(buf, mark);
    } else {
        client_touch(connection->client);
        block_finish(node, wait);
    }
    resp_buf_close(&request);
}

/* Proposes it if there are entries left for its group. */
static bool take_turn(struct node *node, struct wait *wait, const struct queue *queue,
                      struct shares *shares) {
    struct resp_command command;
    block_parse(node, wait, &command);
    struct resp_out nowhere = {0};
    struct call call = call_of(node, wait, &command, &nowhere);
    const struct resp_arg *group = &command.args[wait->wanted.group];
    struct share *share = share_of(shares, group);
    if (!share)
        share = share_add(shares, group, command_finds(&call, &wait->wanted, &queue->key, LOOK_AHEAD));
    if (share->left == 0)
        return true;
    if (wait->connection->pending == 0 && !block_ask(node, wait, &queue->key))
        return false;
    share->left -= wait->wanted.takes < share->left ? wait->wanted.takes : share->left;
    return true;
}

bool block_streams_serve(struct node *node, struct queue *queue) {
    struct item *item = keyspace_find(node->keyspace, queue->db, &queue->key);
    bool there = item && item_type(item) == VALUE_STREAM, room = true;
    struct shares shares = {0};
    for (struct queue_place *place = queue->first, *next; place && room; place = next) {
        struct wait *wait = place->wait;
        next = place->next;
        if (!block_is_there(wait) || wait->verdict != WAIT_GOES_ON)
            continue;
        if (wait->wanted.reads && wait->connection->pending == 0 && there)
            read_now(node, wait, &queue->key);
        else if (!wait->wanted.reads && there)
            room = take_turn(node, wait, queue, &shares);
        else if (!wait->wanted.reads && wait->connection->pending == 0)
            block_conclude(node, wait, WAIT_KEY_GONE);
    }
    free(shares.list);
    return room;
}
