/* SPDX-License-Identifier: MIT */
/*
 * Who waits for an element. The wait belongs to the connection, and so to the leader; the pop belongs to the log.
 *
 *      BLPOP q 5
 *        |  in line at once (queue.h), so that whoever comes later is behind
 *        |-- nobody is before it ------> proposed as it came --- applied: there is an element: the reply
 *        |                                                   \-- applied: there is none: waits
 *        \-- others are before it -----> looks, as a read does: a key of another type is an error; else waits
 *
 *      waits ---- the key was changed (keyspace_next_ready), or the one before it has gone: the queue is marked
 *        ^        end of the turn: for each marked queue as many pops are proposed as there are elements
 *        |              |
 *        |              |------ applied: there is an element: the reply
 *        \-- nothing ---/       (somebody else has taken it: the place in the queue was kept)
 *
 * So an element leaves its key in one entry of the log, which makes one reply, and there is no other way out of a list: it cannot be
 * given twice, and is lost only with the connection that it was given to. While a pop is under way neither the end of the wait's time nor
 * CLIENT UNBLOCK end it: its outcome comes first. When that cannot be known the reply is -INDOUBT, as for any write.
 *
 * Nothing is told that is not true at some point of the log behind the command's arrival: a wait that ends without an element has
 * asked the log, or looked behind a confirmed round, at least once.
 *
 * When this node no longer leads, those whose pop is under way learn its outcome as others do (outcome.c); the rest certainly took
 * nothing, and are sent on as soon as another leads: -MOVED. If this node is elected again before that, they have kept their places.
 */
#include "block.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

/* ---- begin and end of a wait -------------------------------------------------------------------------------------- */

void block_open(struct node *node) {
    queues_init(&node->block.queues, admission_random(), admission_random());
}

void block_close(struct node *node) {
    assert(node->block.count == 0);
    queues_close(&node->block.queues);
    alarms_close(&node->block.alarms);
}

void block_add(struct node *node, struct wait *wait, struct connection *connection, uint64_t timeout_ms) {
    struct block *block = &node->block;
    assert(!connection->wait);
    wait->connection = connection;
    wait->next = block->first;
    if (block->first)
        block->first->previous = wait;
    block->first = wait;
    block->count++;
    connection->wait = wait;
    connection->session.blocked = true;
    if (timeout_ms > 0 && timeout_ms < UINT64_MAX - node->now_ms)
        alarm_set(&block->alarms, &wait->alarm, node->now_ms + timeout_ms, wait);
}

/* Those behind it are looked at: they may be the first now, or what it was to get may be for them. */
static void leave_queues(struct block *block, struct wait *wait) {
    for (size_t i = 0; i < wait->count; i++) {
        struct queue *queue = wait->places[i].queue;
        if (queue->first != queue->last)
            queue_mark(&block->queues, queue);
        queue_leave(&block->queues, &wait->places[i]);
    }
}

static void leave(struct node *node, struct wait *wait) {
    struct block *block = &node->block;
    leave_queues(block, wait);
    if (wait->members > 0)
        acks_leave(node, wait);
    alarm_unset(&block->alarms, &wait->alarm);
    if (wait->previous)
        wait->previous->next = wait->next;
    else
        block->first = wait->next;
    if (wait->next)
        wait->next->previous = wait->previous;
    wait->connection->wait = NULL;
    wait->connection->session.blocked = false;
    resp_buf_close(&wait->request);
    free(wait);
    if (--block->count == 0)
        keyspace_note_ready(node->keyspace, false);
}

void block_forget(struct node *node, struct connection *connection) {
    if (connection->wait)
        leave(node, connection->wait);
}

void block_finish(struct node *node, struct wait *wait) {
    struct connection *connection = wait->connection;
    leave(node, wait);
    if (connection->client)
        connection_queue(node, connection);
}

/* ---- replies that are not made by applying ------------------------------------------------------------------------ */

static void write_verdict(struct node *node, const struct wait *wait, enum wait_verdict verdict,
                          struct resp_out *out) {
    if (verdict == WAIT_UNBLOCKED)
        resp_error(out, "UNBLOCKED client unblocked via CLIENT UNBLOCK");
    else if (verdict == WAIT_KEY_GONE)
        resp_error(out, "UNBLOCKED the stream key no longer exists");
    else if (wait->members > 0)
        resp_integer(out, (int64_t)acks_count(node, wait->index));
    else
        resp_null_array(out);
}

void block_parse_bytes(struct node *node, const struct resp_buf *request, struct resp_command *command) {
    static const struct resp_limits taken = {
        .bulk_max = SIZE_MAX / 4, .args_max = SIZE_MAX / 4, .inline_max = SIZE_MAX / 4};
    resp_parser_reset(node->item_parser);
    enum resp_outcome outcome =
        resp_parse(node->item_parser, resp_buf_bytes(request), resp_buf_length(request), &taken, command);
    assert(outcome == RESP_COMMAND);
    (void)outcome;
}

void block_parse(struct node *node, const struct wait *wait, struct resp_command *command) {
    block_parse_bytes(node, &wait->request, command);
}

/* Nobody here will serve it. WAIT has nowhere to go: what it asks about was written through this node. */
static void write_elsewhere(struct node *node, struct wait *wait, struct resp_out *out) {
    struct resp_command command;
    if (wait->members > 0) {
        resp_error(out, "UNBLOCKED force unblock from blocking operation, instance state changed (master -> "
                        "replica?)");
        wait->connection->session.close = true;
        return;
    }
    block_parse(node, wait, &command);
    outcome_refuse(node, wait->connection, &command, out);
}

/* `verdict` WAIT_GOES_ON: but not here. */
void block_conclude(struct node *node, struct wait *wait, enum wait_verdict verdict) {
    struct connection *connection = wait->connection;
    struct client *client = connection->client;
    assert(client);
    struct resp_out out = {.buf = wait->quiet ? NULL : &client->out,
                           .protocol = connection->session.protocol};
    size_t mark = resp_buf_length(&client->out);
    if (verdict == WAIT_GOES_ON)
        write_elsewhere(node, wait, &out);
    else
        write_verdict(node, wait, verdict, &out);
    node->statistics.commands--; /* it was counted when it came */
    connection_count_reply(node, NULL, &out, mark);
    client_touch(client);
    block_finish(node, wait);
}

/* Its time is over, or somebody wants it to end. */
static void end_or_note(struct node *node, struct wait *wait, enum wait_verdict verdict) {
    alarm_unset(&node->block.alarms, &wait->alarm);
    if (wait->connection->pending == 0)
        block_conclude(node, wait, verdict);
    else if (wait->verdict == WAIT_GOES_ON)
        wait->verdict = verdict;
}

void block_unblock(struct node *node, uint64_t id, bool error) {
    struct wait *wait = node->block.first;
    while (wait && wait->connection->session.id != id)
        wait = wait->next;
    if (wait)
        end_or_note(node, wait, error ? WAIT_UNBLOCKED : WAIT_TIMED_OUT);
}

/* ---- the first request -------------------------------------------------------------------------------------------- */

bool block_is_first(const struct node *node, unsigned db, const struct resp_command *command,
                    const struct command_wait *wanted) {
    for (size_t i = 0; node->block.queues.count > 0 && i < wanted->keys; i++)
        if (queue_find(&node->block.queues, db, wanted->type, &command->args[wanted->first_key + i]))
            return false;
    return true;
}

void block_begin(struct node *node, struct connection *connection, const struct resp_command *command,
                 const struct command_wait *wanted) {
    struct wait *wait = calloc(1, sizeof *wait + wanted->keys * sizeof wait->places[0]);
    if (!wait)
        abort();
    const struct lane *lane = connection->lane;
    assert(lane->items[lane->count - 1].connection == connection);
    wait->quiet = lane->items[lane->count - 1].quiet;
    wait->db = connection->session.db;
    wait->wanted = *wanted;
    resp_buf_append(&wait->request, command->raw, command->raw_length);
    for (size_t i = 0; i < wanted->keys; i++)
        wait->count += queue_enter(&node->block.queues, wait->db, wanted->type,
                                   &command->args[wanted->first_key + i], wait, &wait->places[wait->count]);
    block_add(node, wait, connection, wanted->timeout_ms);
    keyspace_note_ready(node->keyspace, true);
}

/* ---- what requests come to ---------------------------------------------------------------------------------------- */

/* There was nothing for it. Marks that came while it was asking have passed it by. */
static void stay(struct node *node, struct wait *wait) {
    wait->asked = true;
    if (wait->verdict != WAIT_GOES_ON) {
        block_conclude(node, wait, wait->verdict);
        return;
    }
    for (size_t i = 0; i < wait->count; i++)
        queue_mark(&node->block.queues, wait->places[i].queue);
}

void block_apply(struct node *node, const struct pending_item *item, const struct command *command,
                 struct call *call) {
    struct connection *connection = item->connection;
    struct wait *wait = connection->wait;
    struct resp_buf *buf = call->reply->buf;
    size_t mark = buf ? resp_buf_length(buf) : 0;
    apply_call(node, command, call, &connection->session);
    if (connection->pending > 1)
        return; /* it was sent before the one that waits */
    if (wait->asked)
        apply_uncount(node, command);
    if (call->end != CALL_BLOCKS) {
        block_finish(node, wait);
        return;
    }
    if (buf)
        resp_buf_truncate(buf, mark);
    stay(node, wait);
}

/* Before anything is waited for: "what comes from now on" is put in plain words. */
static void settle(struct wait *wait, const struct call *call) {
    struct resp_buf request = {0};
    if (command_settle(call, &request)) {
        resp_buf_close(&wait->request);
        wait->request = request;
    }
}

void block_looked(struct node *node, struct connection *connection, const struct call *call) {
    struct wait *wait = connection->wait;
    if (!wait || connection->pending > 1)
        return; /* its connection is gone, or it was sent before the one that waits */
    if (call->end == CALL_DONE) {
        block_finish(node, wait);
        return;
    }
    if (!wait->asked && call->end == CALL_BLOCKS)
        settle(wait, call);
    stay(node, wait);
}

bool block_failed(struct node *node, struct connection *connection, bool undone) {
    struct wait *wait = connection->wait;
    if (!undone || !wait->asked) {
        block_finish(node, wait);
        return false;
    }
    stay(node, wait);
    return true;
}

/* ---- the next requests -------------------------------------------------------------------------------------------- */

/* Which of its keys this one is. */
static size_t key_index(const struct resp_command *command, const struct command_wait *wanted,
                        const struct resp_arg *key) {
    size_t i = 0;
    for (; i + 1 < wanted->keys; i++) {
        const struct resp_arg *other = &command->args[wanted->first_key + i];
        if (other->length == key->length &&
            (key->length == 0 || memcmp(other->bytes, key->bytes, key->length) == 0))
            break;
    }
    return i;
}

void block_request(struct node *node, const struct wait *wait, const struct resp_arg *key,
                   struct resp_buf *request) {
    const struct command_wait *wanted = &wait->wanted;
    struct resp_command command;
    block_parse(node, wait, &command);
    size_t behind = wanted->first_key + wanted->keys, id = behind + key_index(&command, wanted, key);
    resp_request(request, command.count - (wanted->keys - 1) * (wanted->ids ? 2 : 1));
    for (size_t i = 0; i < command.count; i++) {
        const struct resp_arg *arg = &command.args[i];
        if (wanted->ids && i >= behind && i != id)
            continue;
        if (wanted->count_at && i == wanted->count_at)
            resp_request_text(request, "1");
        else if (i == wanted->first_key)
            resp_request_bulk(request, key->bytes, key->length);
        else if (i < wanted->first_key || i >= behind)
            resp_request_bulk(request, arg->bytes, arg->length);
    }
}

bool block_ask(struct node *node, struct wait *wait, const struct resp_arg *key) {
    struct resp_buf request = {0};
    const struct resp_buf *sent = &wait->request;
    if (wait->wanted.keys > 1) {
        block_request(node, wait, key, &request);
        sent = &request;
    }
    struct resp_command command = {
        .count = 1, .raw = resp_buf_bytes(sent), .raw_length = resp_buf_length(sent)};
    bool taken = serve_again(node, wait->connection, wait->db, &command, wait->quiet);
    resp_buf_close(&request);
    return taken;
}

bool block_is_there(const struct wait *wait) {
    const struct client *client = wait->connection->client;
    return client && !client->gone && !client->ended && !wait->connection->session.close;
}

/* As many as there are elements for, from the first on. Those that are asking are to get what they ask for. False: no room. */
static bool serve_queue(struct node *node, struct queue *queue) {
    struct item *item = keyspace_find(node->keyspace, queue->db, &queue->key);
    uint64_t left = item && item_type(item) == queue->type ? collection_count(item) : 0;
    for (struct queue_place *place = queue->first; place && left > 0; place = place->next) {
        struct wait *wait = place->wait;
        if (!block_is_there(wait))
            continue;
        if (wait->connection->pending == 0 && !block_ask(node, wait, &queue->key))
            return false;
        left -= wait->wanted.takes < left ? wait->wanted.takes : left;
    }
    return true;
}

static void serve_marked(struct node *node) {
    struct block *block = &node->block;
    if (block->term != node->raft_status.term) { /* whatever happened meanwhile */
        block->term = node->raft_status.term;
        queues_mark_all(&block->queues);
    }
    for (struct queue *queue; (queue = queues_marked(&block->queues));) {
        bool stream = queue->type == VALUE_STREAM;
        if (stream) /* which may be gone then, or marked again */
            queue_unmark(&block->queues, queue);
        if (!(stream ? block_streams_serve : serve_queue)(node, queue)) {
            queue_mark(&block->queues, queue);
            return;
        }
        if (!stream)
            queue_unmark(&block->queues, queue);
    }
}

static void mark_ready(struct node *node) {
    struct queues *queues = &node->block.queues;
    struct keyspace_ready ready;
    while (keyspace_next_ready(node->keyspace, &ready)) {
        static const enum value_type types[] = {VALUE_LIST, VALUE_ZSET, VALUE_STREAM};
        if (ready.whole)
            queues_mark_database(queues, ready.db);
        for (size_t i = 0; !ready.whole && i < sizeof types / sizeof types[0]; i++) {
            struct queue *queue = queue_find(queues, ready.db, types[i], &ready.key);
            if (queue)
                queue_mark(queues, queue);
        }
    }
}

/* ---- who leads ---------------------------------------------------------------------------------------------------- */

static void send_on(struct node *node) {
    for (struct wait *wait = node->block.first, *next; wait; wait = next) {
        next = wait->next;
        if (wait->connection->pending == 0 && wait->connection->client)
            block_conclude(node, wait, WAIT_GOES_ON);
    }
}

void block_end_all(struct node *node) {
    send_on(node);
}

/* True when those that wait are served here, now or soon. */
static bool is_served(struct node *node) {
    const struct raft_status *status = &node->raft_status;
    struct block *block = &node->block;
    bool elsewhere = node->stopping || node->state == REPORT_REMOVED ||
                     (status->role != RAFT_LEADER && status->leader != 0);
    if (!elsewhere && status->serving && !node->audit.differs) {
        block->lost_ms = 0;
        return true;
    }
    if (block->lost_ms == 0)
        block->lost_ms = node->now_ms;
    if (elsewhere || node->now_ms - block->lost_ms > 2ull * node->conf->election_timeout_ms)
        send_on(node);
    return false;
}

/* ---- the turn's part ---------------------------------------------------------------------------------------------- */

void block_turn(struct node *node) {
    struct block *block = &node->block;
    if (block->count == 0)
        return;
    keyspace_note_ready(node->keyspace, block->queues.count > 0); /* another may have taken its place */
    mark_ready(node);
    bool served = is_served(node);
    if (served && !handover_holds(node) && !checkpoint_is_behind(node))
        serve_marked(node);
    if (served && block->for_members > 0)
        acks_turn(node);
    for (struct alarm *alarm; (alarm = alarms_first(&block->alarms)) && alarm->at_ms <= node->now_ms;)
        end_or_note(node, alarm->owner, WAIT_TIMED_OUT);
}

uint64_t block_deadline_ms(const struct node *node) {
    const struct alarm *first = alarms_first(&node->block.alarms);
    return first ? first->at_ms : UINT64_MAX;
}
