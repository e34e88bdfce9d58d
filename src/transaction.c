/* SPDX-License-Identifier: MIT */
/*
 * MULTI: what is queued, what is watched, and how it is carried out as one.
 *
 * Between MULTI and EXEC a connection's commands are judged as if they were to run now (so that a follower says -MOVED to the first that it cannot
 * serve) and kept as they came. EXEC takes them all the way that the most demanding of them would go alone:
 *
 *     one is a write          into the log: one unit of one entry, which is never split
 *     reads, or a watch       to a linearizable point, and all of them there
 *     the session's only      nowhere: it is carried out at once
 *
 * Of a unit in the log only the writes are there, for these are what other nodes must repeat. The sender's node has the whole queue in its
 * lane, walks it when the entry is applied, and takes from the entry when it comes to a write:
 *
 *     queue     GET a    SET b 1    SELECT 3    INCR c    PING
 *     entry     MULTI 2             SET b 1     SELECT 3  INCR c
 *
 * What is over the session is done there too, in its order. It may change what later commands of the connection mean (SELECT, HELLO),
 * so these stay in the input until EXEC is answered: the fence.
 *
 * Watching is in data/watch.c. WATCH is a read: it takes effect where a read would. An EXEC that looks back at what is watched waits
 * until everything before it is answered, so that it knows what that was.
 */
#include <assert.h>
#include <string.h>

#include "cmd/transactions.h"
#include "node_state.h"

enum { SELECT_BYTES = 64, WATCH_BYTES = 64, QUEUE_KEPT_BYTES = 16 * 1024 };

static const struct resp_limits stored = {
    .bulk_max = SIZE_MAX / 4, .args_max = SIZE_MAX / 4, .inline_max = SIZE_MAX / 4};

/* ---- what is queued -------------------------------------------------------------------------------------------- */

static bool is_exec(const struct command *row) {
    return row && row->session == session_exec;
}

bool transaction_is(const struct connection *connection, const struct command *row) {
    return is_exec(row) && connection->session.multi.open && !connection->session.multi.failed;
}

static bool goes_on(enum gate_verdict verdict) {
    return verdict == GATE_WRITE || verdict == GATE_READ || verdict == GATE_LOCAL || verdict == GATE_SESSION;
}

static bool watching(const struct transaction *transaction) {
    return transaction->watcher.count > 0 || transaction->asked > transaction->unwanted;
}

size_t transaction_size(const struct connection *connection) {
    const struct transaction *transaction = &connection->transaction;
    return resp_buf_length(&transaction->queue) + connection->session.multi.count * SELECT_BYTES +
           watcher_memory(&transaction->watcher) + transaction->watcher.count * WATCH_BYTES;
}

static enum gate_verdict judge_queued(const struct connection *connection, const struct gate *gate,
                                      const struct command *row, const struct resp_command *command,
                                      enum gate_verdict verdict) {
    if (!goes_on(verdict))
        return verdict;
    assert(row); /* or it would not go on */
    bool later = (row->flags & COMMAND_LATER) && !(row->flags & (COMMAND_PUSH | COMMAND_QUEUEABLE));
    if (later || (row->flags & COMMAND_NO_MULTI))
        return GATE_NO_MULTI;
    size_t size = transaction_size(connection) + command->raw_length + SELECT_BYTES + ENTRY_OVERHEAD_MAX;
    return size > gate->entry_bytes_max ? GATE_TOO_LARGE : GATE_QUEUE;
}

/* EXEC goes where a command would that does all that is queued. */
static enum gate_verdict judge_exec(const struct connection *connection, const struct gate *gate) {
    const struct transaction *transaction = &connection->transaction;
    struct command all = {.name = "exec", .arity = 1, .run = cmd_watch};
    all.flags = transaction->flags & (COMMAND_OVER_DATA | COMMAND_DENYOOM);
    if (watching(transaction)) {
        if (connection->pending > 0 || transaction->watcher.touched)
            return GATE_LOCAL; /* it waits, or the answer is known */
        all.flags |= COMMAND_LOOKS;
    }
    if (!(all.flags & COMMAND_OVER_DATA))
        return GATE_LOCAL;
    return gate_judge(gate, &all, &connection->session, 1, transaction_size(connection));
}

enum gate_verdict transaction_judge(const struct connection *connection, const struct gate *gate,
                                    const struct command *row, const struct resp_command *command,
                                    enum gate_verdict verdict) {
    if (!row || !(row->flags & COMMAND_UNQUEUED))
        return judge_queued(connection, gate, row, command, verdict);
    if (row->run == cmd_watch && goes_on(verdict))
        return GATE_NO_WATCH;
    if (verdict == GATE_SESSION && transaction_is(connection, row))
        return judge_exec(connection, gate);
    return verdict;
}

void transaction_queue(struct connection *connection, const struct command *row,
                       const struct resp_command *command) {
    struct transaction *transaction = &connection->transaction;
    struct session_multi *multi = &connection->session.multi;
    resp_buf_append(&transaction->queue, command->raw, command->raw_length);
    transaction->flags |= row->flags;
    transaction->sessions |= row->session != NULL;
    multi->count++;
    multi->bytes = resp_buf_length(&transaction->queue);
}

/* Nothing is queued any more, and MULTI may be said again. */
static void close_queue(struct connection *connection) {
    struct transaction *transaction = &connection->transaction;
    resp_buf_consume(&transaction->queue, resp_buf_length(&transaction->queue), QUEUE_KEPT_BYTES);
    transaction->flags = 0;
    transaction->sessions = false;
    connection->session.multi = (struct session_multi){.open = false};
}

void transaction_unwatch(struct node *node, struct connection *connection) {
    struct transaction *transaction = &connection->transaction;
    watcher_clear(node->watches, &transaction->watcher);
    transaction->unwanted = transaction->asked;
}

void transaction_drop(struct node *node, struct connection *connection) {
    close_queue(connection);
    transaction_unwatch(node, connection);
}

/* Redis's words for an EXEC that is refused: it is told why, without the code of a plain error. */
static void abort_exec(struct resp_out *out, size_t mark) {
    char why[512];
    const char *error = resp_buf_bytes(out->buf) + mark + 1;
    size_t length = resp_buf_length(out->buf) - mark - 3;
    if (length >= 4 && memcmp(error, "ERR ", 4) == 0) {
        error += 4;
        length -= 4;
    }
    length = length < sizeof why ? length : sizeof why - 1;
    memcpy(why, error, length);
    resp_buf_truncate(out->buf, mark);
    resp_error(out, "EXECABORT Transaction discarded because of: %.*s", (int)length, why);
}

void transaction_refused(struct node *node, struct connection *connection, const struct command *row,
                         enum gate_verdict verdict, struct resp_out *out, size_t mark) {
    struct session_multi *multi = &connection->session.multi;
    if (!is_exec(row)) {
        multi->failed |= multi->open && verdict != GATE_NO_WATCH;
        return;
    }
    if (verdict != GATE_ELSEWHERE)
        abort_exec(out, mark);
    transaction_drop(node, connection);
}

/* ---- walking what is queued -------------------------------------------------------------------------------------- */

/* A walk, and where its commands take effect. */
struct walk {
    struct node *node;
    struct connection *connection;
    const char *bytes;
    size_t length;
    struct resp_out *out;
    unsigned db;
    uint64_t wall_ms, version;
    const struct entry_reader *reader; /* of the entry that has the writes; NULL: there are none */
    size_t *position;                  /* in it */
    bool local;                        /* from this node's keyspace, at once */
    bool looks_only;                   /* reads only, to see whether one is due */
    bool due;
};

static bool next_queued(struct walk *walk, struct resp_command *command) {
    struct resp_parser *parser = walk->node->item_parser;
    if (walk->length == 0)
        return false;
    resp_parser_reset(parser);
    enum resp_outcome outcome = resp_parse(parser, walk->bytes, walk->length, &stored, command);
    assert(outcome == RESP_COMMAND);
    (void)outcome;
    walk->bytes += command->consumed;
    walk->length -= command->consumed;
    return true;
}

bool transaction_first(struct node *node, const struct connection *connection, struct resp_command *command) {
    const struct resp_buf *queue = &connection->transaction.queue;
    struct walk walk = {.node = node, .bytes = resp_buf_bytes(queue), .length = resp_buf_length(queue)};
    while (next_queued(&walk, command)) {
        const struct command *row = command_find(command->args, command->count);
        if (command_first_key(row, command->args, command->count))
            return true;
    }
    return false;
}

static void walk_session(struct walk *walk, const struct command *row, const struct resp_command *command) {
    struct session *session = &walk->connection->session;
    if (walk->looks_only)
        return;
    struct resp_buf aside = {0};
    struct resp_out out = {.buf = walk->out->buf ? walk->out->buf : &aside, .protocol = walk->out->protocol};
    session->multi.running = true;
    serve_session(walk->node, walk->connection, row, command, &out, walk->out->buf == NULL);
    session->multi.running = false;
    resp_buf_close(&aside);
    walk->out->protocol = session->protocol;
    walk->db = session->db;
}

static void walk_write(struct walk *walk) {
    const struct ahead_command *command = apply_next(walk->node, (raft_index)walk->version);
    if (command)
        apply_command(walk->node, walk->reader, command, (raft_index)walk->version, walk->position, walk->out,
                      &walk->connection->session);
}

static void walk_read(struct walk *walk, const struct command *row, const struct resp_command *command) {
    uint64_t wall_ms = walk->local ? serve_local_ms(walk->node, row) : walk->wall_ms;
    struct resp_out nowhere = {.protocol = walk->out->protocol};
    walk->due |= apply_look(walk->node, command, walk->db, wall_ms, walk->version,
                            walk->looks_only ? &nowhere : walk->out, &walk->connection->session);
}

/* All of it, or up to the first that is due. */
static void walk_all(struct walk *walk) {
    struct resp_command command;
    while (!walk->due && walk->node->end != NODE_FAILED && next_queued(walk, &command)) {
        const struct command *row = command_find(command.args, command.count);
        assert(row && command_arity_ok(row, command.count));
        if (row->session)
            walk_session(walk, row, &command);
        else if (row->flags & COMMAND_THROUGH_LOG)
            walk_write(walk);
        else
            walk_read(walk, row, &command);
    }
}

/* ---- through the log --------------------------------------------------------------------------------------------- */

/* The database that a SELECT will choose; a wrong one changes nothing. */
static unsigned db_after(const struct node *node, const struct command *row,
                         const struct resp_command *command, unsigned db) {
    int64_t chosen;
    if (strcmp(row->name, "select") == 0 && resp_arg_integer(&command->args[1], &chosen) && chosen >= 0 &&
        chosen < (int64_t)node->conf->databases)
        return (unsigned)chosen;
    return db;
}

static size_t count_writes(struct node *node, const struct resp_buf *queue) {
    struct walk walk = {.node = node, .bytes = resp_buf_bytes(queue), .length = resp_buf_length(queue)};
    struct resp_command command;
    size_t count = 0;
    while (next_queued(&walk, &command))
        count += (command_find(command.args, command.count)->flags & COMMAND_THROUGH_LOG) != 0;
    return count;
}

size_t transaction_growth(struct node *node, const struct connection *connection) {
    const struct resp_buf *queue = &connection->transaction.queue;
    struct walk walk = {.node = node, .bytes = resp_buf_bytes(queue), .length = resp_buf_length(queue)};
    struct resp_command command;
    unsigned db = connection->session.db;
    size_t growth = 0;
    if (node->conf->maxmemory == 0)
        return 0;
    while (next_queued(&walk, &command)) {
        const struct command *row = command_find(command.args, command.count);
        if (row->flags & COMMAND_THROUGH_LOG)
            growth += eviction_growth(node, db, row, &command);
        db = db_after(node, row, &command, db);
    }
    return growth;
}

static void add_head(struct node *node, const struct connection *connection) {
    const struct transaction *transaction = &connection->transaction;
    const struct entry_transaction head = {
        .commands = count_writes(node, &transaction->queue),
        .since = node->raft_status.applied,
        .upheavals = keyspace_upheavals(node->keyspace),
        .watched = transaction->watcher.count,
    };
    if (connection->via)
        entry_add_origin(&node->batch, &connection->origin);
    entry_add_transaction(&node->batch, &head);
    for (const struct watch *watch = transaction->watcher.first; watch; watch = watch->next_own) {
        struct resp_arg key = watch_key(watch);
        entry_add_watch(&node->batch, watch->db, watch->present, &key);
    }
}

static void add_writes(struct node *node, const struct resp_buf *queue, unsigned db) {
    struct walk walk = {.node = node, .bytes = resp_buf_bytes(queue), .length = resp_buf_length(queue)};
    struct resp_command command;
    while (next_queued(&walk, &command)) {
        const struct command *row = command_find(command.args, command.count);
        if (row->flags & COMMAND_THROUGH_LOG)
            entry_add(&node->batch, db, &command);
        db = db_after(node, row, &command, db);
    }
}

/* Puts the queue into a lane, and takes it from the connection. */
static struct pending_item *send_queue(struct connection *connection, struct lane *lane,
                                       enum pending_kind kind) {
    struct transaction *transaction = &connection->transaction;
    const struct resp_buf *queue = &transaction->queue;
    struct pending_item *item =
        lane_add_bytes(lane, connection, kind, resp_buf_bytes(queue), resp_buf_length(queue));
    item->queued = 1 + (uint32_t)connection->session.multi.count;
    transaction->fence = transaction->sessions;
    close_queue(connection);
    return item;
}

struct pending_item *transaction_write(struct node *node, struct connection *connection, struct lane *lane) {
    struct transaction *transaction = &connection->transaction;
    assert(!transaction->watcher.touched);
    add_head(node, connection);
    add_writes(node, &transaction->queue, connection->session.db);
    struct pending_item *item = send_queue(connection, lane, PENDING_WRITE);
    transaction_unwatch(node, connection);
    return item;
}

static bool conditions_hold(struct node *node, const struct entry_transaction *head) {
    if (head->watched > 0 && head->upheavals != keyspace_upheavals(node->keyspace))
        return false;
    for (size_t i = 0; i < head->watched; i++) {
        const struct resp_arg *key;
        unsigned db;
        bool present;
        entry_watch(head, i, &db, &present, &key);
        if (db >= keyspace_databases(node->keyspace) ||
            !keyspace_unchanged(node->keyspace, db, key, present, head->since))
            return false;
    }
    return true;
}

/* Without its sender: only the writes, or none of them. */
static void apply_alone(struct node *node, const struct entry_reader *reader, size_t commands,
                        raft_index index, size_t *position, bool holds) {
    const struct ahead_command *command;
    struct resp_out nowhere = {.protocol = 2};
    for (size_t i = 0; i < commands && (command = apply_next(node, index)); i++)
        if (holds)
            apply_command(node, reader, command, index, position, &nowhere, NULL);
}

void transaction_apply(struct node *node, const struct entry_reader *reader,
                       const struct entry_transaction *head, raft_index index, size_t *position,
                       const struct lane *lane, const struct pending_item *item) {
    size_t commands = head->commands; /* what else the head says goes with the next command */
    bool holds = conditions_hold(node, head);
    if (!item || !item->connection->client || !holds)
        apply_alone(node, reader, commands, index, position, holds);
    if (!item || !item->connection->client)
        return;
    struct resp_out out = connection_out(item);
    if (!holds) {
        resp_null_array(&out);
        return;
    }
    struct walk walk = {
        .node = node,
        .connection = item->connection,
        .bytes = lane_bytes(lane, item),
        .length = item->length,
        .out = &out,
        .db = item->db,
        .wall_ms = keyspace_clock(node->keyspace),
        .version = index,
        .reader = reader,
        .position = position,
    };
    resp_array(&out, item->queued - 1);
    walk_all(&walk);
}

/* ---- reads ------------------------------------------------------------------------------------------------------- */

struct pending_item *transaction_read(struct connection *connection, struct lane *lane) {
    struct pending_item *item = send_queue(connection, lane, PENDING_READ);
    connection->transaction.looks_back = watching(&connection->transaction);
    connection->transaction.fence |= connection->transaction.looks_back;
    return item;
}

/* Whether a watched key has changed, or has gone with its deadline. `due`: one is about to. */
static bool touched(struct node *node, const struct watcher *watcher, uint64_t wall_ms, bool *due) {
    for (const struct watch *watch = watcher->first; watch; watch = watch->next_own) {
        struct resp_arg key = watch_key(watch);
        const struct item *item = keyspace_find(node->keyspace, watch->db, &key);
        if (watch->present && !item)
            return true;
        if (item && item_deadline(item) != KEYSPACE_NO_DEADLINE && item_deadline(item) <= wall_ms)
            *due = true;
    }
    return watcher->touched;
}

/* Whether any of it is due. What is over the session can be done only once: so this is known before. */
static bool is_due(const struct walk *walk) {
    struct walk ahead = *walk;
    ahead.looks_only = true;
    walk_all(&ahead);
    return ahead.due;
}

bool transaction_answer(struct node *node, const struct lane *lane, const struct pending_item *item,
                        uint64_t wall_ms, uint64_t version) {
    struct connection *connection = item->connection;
    struct transaction *transaction = &connection->transaction;
    if (!connection->client)
        return false;
    struct resp_out out = connection_out(item);
    deliver_listen(node, false);
    deliver_before(node, out.buf);
    size_t mark = out.buf ? resp_buf_length(out.buf) : 0;
    struct walk walk = {
        .node = node,
        .connection = connection,
        .bytes = lane_bytes(lane, item),
        .length = item->length,
        .out = &out,
        .db = item->db,
        .wall_ms = wall_ms,
        .version = version,
    };
    bool due = false;
    if (transaction->looks_back && touched(node, &transaction->watcher, wall_ms, &due)) {
        resp_null_array(&out);
        return false;
    }
    if (due || (transaction->fence && is_due(&walk)))
        return true;
    resp_array(&out, item->queued - 1);
    walk_all(&walk);
    if (walk.due && out.buf)
        resp_buf_truncate(out.buf, mark);
    return walk.due;
}

void transaction_run(struct node *node, struct connection *connection, struct resp_out *out) {
    struct transaction *transaction = &connection->transaction;
    struct resp_buf queue = transaction->queue;
    size_t count = connection->session.multi.count;
    bool due = false, is_touched = touched(node, &transaction->watcher, 0, &due);
    struct walk walk = {
        .node = node,
        .connection = connection,
        .bytes = resp_buf_bytes(&queue),
        .length = resp_buf_length(&queue),
        .out = out,
        .db = connection->session.db,
        .local = true,
    };
    transaction->queue = (struct resp_buf){.bytes = NULL};
    transaction_drop(node, connection);
    if (is_touched) {
        resp_null_array(out);
    } else {
        resp_array(out, count);
        walk_all(&walk);
    }
    resp_buf_close(&queue);
}

/* ---- watching ---------------------------------------------------------------------------------------------------- */

void transaction_watch_asked(struct connection *connection) {
    connection->transaction.asked++;
}

void transaction_watch(struct node *node, struct connection *connection, unsigned db,
                       const struct resp_command *command) {
    struct transaction *transaction = &connection->transaction;
    assert(transaction->asked > 0);
    transaction->asked--;
    if (transaction->unwanted > 0) {
        transaction->unwanted--;
        return;
    }
    for (size_t i = 1; connection->client && i < command->count; i++)
        watcher_add(node->watches, &transaction->watcher, node->keyspace, db, &command->args[i]);
}

void transaction_answered(struct node *node, struct connection *connection) {
    struct transaction *transaction = &connection->transaction;
    transaction->fence = false;
    transaction->asked = transaction->unwanted = 0;
    if (transaction->looks_back) {
        transaction->looks_back = false;
        watcher_clear(node->watches, &transaction->watcher);
    }
}

void transaction_report(struct connection *connection) {
    connection->session.multi.touched = connection->transaction.watcher.touched;
    connection->session.multi.watched = connection->transaction.watcher.count;
}
