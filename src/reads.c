/* SPDX-License-Identifier: MIT */
/*
 * From a confirmed round, or a lease, to the replies.
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
    return node->turn_reply_bytes > TURN_REPLY_BYTES || connection_is_unread(connection);
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

/* The item's read was executed and its reply, unless it is due, written behind `before`. */
static void finish(struct node *node, struct lane *lane, struct pending_item *item, bool due, size_t before) {
    struct connection *connection = item->connection;
    const struct client *client = connection->client;
    if (due) {
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

static void answer(struct node *node, struct lane *lane, struct pending_item *item, uint64_t wall_ms) {
    const struct client *client = item->connection->client;
    size_t before = client ? resp_buf_length(&client->out) : 0;
    finish(node, lane, item, item->kind == PENDING_READ && apply_read(node, lane, item, wall_ms, 0), before);
}

static struct pending_word word_of(const struct resp_command *command, size_t number) {
    const struct resp_arg *word = &command->args[number];
    return (struct pending_word){(uint32_t)(word->bytes - command->raw), (uint32_t)word->length};
}

void reads_note_words(struct pending_item *item, const struct command *row,
                      const struct resp_command *command) {
    size_t key = row->first_key > 0 ? (size_t)row->first_key : 0;
    if (key == 0 || key >= command->count)
        return;
    item->key = word_of(command, key);
    if (row->categories & (CATEGORY_HASH | CATEGORY_SET | CATEGORY_SORTEDSET) && key + 1 < command->count)
        item->member = word_of(command, key + 1);
}

/* Of so many items at a time, the keys and members are looked up together: the first does not wait for memory, then the second. */
static void look_ahead(const struct node *node, const struct lane *lane, size_t at) {
    enum { WORTH = 4 };
    struct keyspace_key keys[KEYSPACE_EXPECT_MAX];
    struct resp_arg members[KEYSPACE_EXPECT_MAX];
    size_t count = 0;
    if (at % KEYSPACE_EXPECT_MAX != 0)
        return;
    for (; at < lane->count && count < KEYSPACE_EXPECT_MAX; at++) {
        const struct pending_item *item = &lane->items[at];
        if (item->kind != PENDING_READ || item->key.length == 0)
            continue;
        keys[count] = (struct keyspace_key){.db = item->db, .key = lane_word(lane, item, item->key)};
        if (item->member.length > 0) {
            members[count] = lane_word(lane, item, item->member);
            keys[count].behind = &members[count];
            keys[count].behind_count = 1;
        }
        count++;
    }
    if (count >= WORTH)
        keyspace_expect(node->keyspace, keys, count);
}

static void answer_lane(struct node *node, struct lane *lane, uint64_t wall_ms) {
    node->call_ended_us = 0;
    for (size_t i = 0; i < lane->count; i++) {
        struct pending_item *item = &lane->items[i];
        look_ahead(node, lane, i);
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

/* ---- on a lease -------------------------------------------------------------------------------------------------- */

uint64_t reads_lease_until_ms(const struct node *node) {
    for (size_t i = 0; i < node->peer_count; i++)
        if (node->peers[i].listed && node->peers[i].patience_ms < node->conf->election_timeout_ms)
            return 0; /* it does not wait, or not for as long as our lease lasts */
    return node->raft && node->leases ? raft_lease_until(node->raft) : 0;
}

struct lane *reads_lane(struct node *node, bool lease) {
    bool leased = lease && (node->leasing || reads_lease_until_ms(node) > node->now_ms);
    struct lane **lane = leased ? &node->leasing : &node->reading;
    if (!*lane) {
        *lane = lane_new();
        (*lane)->token = ++node->next_token;
    }
    return *lane;
}

/* It could not be answered: it asks a majority, with what its connection sent after it. */
static void ask_instead(struct node *node, struct lane *from, struct connection *connection) {
    struct lane *to = reads_lane(node, false);
    lane_take_along(from, to, connection);
    connection->lane = to;
}

/* False when the lease has ended meanwhile: then nothing was told. */
static bool answer_leased(struct node *node, struct lane *lane, struct pending_item *item, uint64_t wall_ms,
                          uint64_t until_ms) {
    struct connection *connection = item->connection;
    const struct client *client = connection->client;
    size_t before = client ? resp_buf_length(&client->out) : 0;
    bool due = item->kind == PENDING_READ && apply_read(node, lane, item, wall_ms, 0);
    if (item->kind == PENDING_READ && instant_mono_us() / 1000 >= until_ms) {
        if (client)
            resp_buf_truncate(&connection->client->out, before);
        return false;
    }
    node->statistics.lease_reads += item->kind == PENDING_READ && !due;
    finish(node, lane, item, due, before);
    return true;
}

/* This turn's reads that stand on the lease. The clock is read after each was executed: whatever held this process up before then,
 * nobody else could have written by that time. */
static void answer_leasing(struct node *node, uint64_t wall_ms) {
    struct lane *lane = node->leasing;
    raft_index index = 0;
    uint64_t until_ms = reads_lease_until_ms(node);
    if (!lane)
        return;
    node->leasing = NULL;
    bool holds = until_ms != 0 && raft_read_lease(node->raft, instant_mono_us() / 1000, &index) == RAFT_OK &&
                 index <= node->raft_status.applied;
    for (size_t i = 0; i < lane->count; i++) {
        struct pending_item *item = &lane->items[i];
        look_ahead(node, lane, i);
        if (item->kind == PENDING_MOVED)
            continue;
        struct connection *connection = item->connection;
        if (connection->lane != lane)
            lane_take_along(lane, connection->lane, connection);
        else if (!holds || must_stall(node, connection))
            ask_instead(node, lane, connection);
        else if (!(holds = answer_leased(node, lane, item, wall_ms, until_ms)))
            ask_instead(node, lane, connection);
    }
    lane_free(lane);
}

/* ---- after a round ----------------------------------------------------------------------------------------------- */

/* Where the last of what a connection waits for is, the stalled lane aside; `otherwise` when it waits for nothing else. */
static struct lane *lane_of_last(const struct node *node, const struct connection *connection,
                                 struct lane *otherwise) {
    struct lane *last = otherwise;
    for (struct lane *lane = node->reads.first; lane; lane = lane->next)
        if (lane_holds(lane, connection))
            last = lane;
    if (node->reading && lane_holds(node->reading, connection))
        last = node->reading;
    return last;
}

/* Those whose clients have taken their replies. What still waits moves to a fresh lane, so that the lane does not grow for ever. */
static void answer_stalled(struct node *node, uint64_t wall_ms) {
    struct lane *lane = node->stalled;
    if (!lane)
        return;
    const struct connection *seen = NULL;
    node->stalled = NULL;
    node->call_ended_us = 0;
    for (size_t i = 0; i < lane->count; i++) {
        struct pending_item *item = &lane->items[i];
        if (item->kind == PENDING_MOVED)
            continue;
        struct connection *connection = item->connection;
        if (connection->lane == lane &&
            connection != seen) /* which goes; what it sent later may wait for a later round */
            connection->lane = lane_of_last(node, connection, lane);
        seen = connection;
        assert(connection->lane->token != 0); /* it waits for reads only */
        if (must_stall(node, connection))
            stall(node, lane, connection);
        else
            answer(node, lane, item, wall_ms);
    }
    lane_free(lane);
}

bool reads_answer(struct node *node) {
    /* A follower's readers see the keys as the log's clock has them: only a leader can ask for a later one. */
    uint64_t wall_ms = node->raft_status.role == RAFT_LEADER
                           ? clock_tell(&node->clock, node_wall_ms(node), node->now_ms)
                           : keyspace_clock(node->keyspace);
    node->turn_reply_bytes = 0;
    answer_leasing(node, wall_ms);
    answer_stalled(node, wall_ms);
    while (node->reads.first && node->reads.first->confirmed &&
           node->reads.first->index <= node->raft_status.applied) {
        struct lane *lane = lanes_take_first(&node->reads);
        answer_lane(node, lane, wall_ms);
        lane_free(lane);
    }
    return node->turn_reply_bytes > TURN_REPLY_BYTES;
}

bool reads_may_go_on(const struct node *node) {
    const struct lane *lane = node->stalled;
    for (size_t i = 0; lane && i < lane->count; i++)
        if (lane->items[i].kind != PENDING_MOVED && !connection_is_unread(lane->items[i].connection))
            return true;
    return false;
}
