/* SPDX-License-Identifier: MIT */
/*
 * A follower as a proxy: for clients that never follow -MOVED, each gets a connection of its own to the leader.
 *
 *     client ---> in   | command | command | ...          judged here as ever: unknown, arity, password, size
 *                          |
 *                  out | sent, not answered | not sent |  ---> leader     upstream.c opens it, proxied.c answers there
 *                          |
 *     client <--- out  | reply | reply | ...  <--- in     bytes, in whole replies; a long one in pieces
 *
 * Whole requests and whole replies are passed on as they are, so nothing need be known of most commands: a transaction, a watch or a
 * wait is the upstream's session's. What a connection says about itself (AUTH, HELLO, SELECT, CLIENT ...) stays here; the
 * leader is told the result. A command that is answered here waits until everything before it is answered there.
 *
 * What happened to a request? It stays in the dial's `out` until it is answered, so that it can be told for each:
 *
 *     not sent to its last byte      certainly not done: goes back into the client's input, unparsed, and is judged anew. It then goes to
 *                                    the next leader, waits for one, or runs here, when this node has become it
 *     refused with -MOVED            the same, if all behind it are certainly not done either, else their order would be another
 *     sent and not answered          unknown: -INDOUBT, and never sent again. Only a read is, for it changes nothing
 *     answered in part               the connection is closed: there is no way to say anything after half a reply
 *
 * A transaction or a watch that is lost with its upstream closes the client's connection, after such answers as are owed: its
 * next command would mean something else. Nothing here grows: what a client sends without reading replies stays in the kernel's buffers,
 * and so does what the leader answers to a client that does not read.
 */
#include "proxy.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum {
    WINDOW_BYTES = 1024 * 1024, /* of requests with the leader, not answered; one request may be larger */
    WINDOW_REQUESTS = 16 * 1024,
    PIECE_BYTES = 256 * 1024, /* a reply longer than this is passed on in pieces */
    LOOK_MS = 100,
};

static const char text_lost[] = "the leader was lost before it answered";

/* ---- the ring of requests -------------------------------------------------------------------------------------- */

static struct proxy_item *item_at(const struct proxy *proxy, size_t i) {
    assert(i < proxy->count);
    return &proxy->items[(proxy->first + i) % proxy->capacity];
}

static void add_item(struct proxy *proxy, size_t length, unsigned flags) {
    if (proxy->count == proxy->capacity) {
        size_t capacity = proxy->capacity ? 2 * proxy->capacity : 16;
        struct proxy_item *items = calloc(capacity, sizeof *items);
        if (!items)
            abort();
        for (size_t i = 0; i < proxy->count; i++)
            items[i] = *item_at(proxy, i);
        free(proxy->items);
        proxy->items = items;
        proxy->capacity = capacity;
        proxy->first = 0;
    }
    proxy->count++;
    *item_at(proxy, proxy->count - 1) = (struct proxy_item){.length = length, .flags = flags};
}

/* The oldest is answered, or given up: its bytes go. */
static struct proxy_item drop_item(struct node *node, struct proxy *proxy) {
    struct proxy_item item = *item_at(proxy, 0);
    dial_drop(proxy->dial, item.length);
    proxy->first = (proxy->first + 1) % proxy->capacity;
    proxy->count--;
    if (!(item.flags & PROXY_OURS))
        connection_answered(node, proxy->connection);
    return item;
}

bool proxy_pending(const struct connection *connection) {
    return connection->proxy && connection->proxy->count > 0;
}

static bool is_stateful(const struct proxy *proxy) {
    return proxy->multi || proxy->watching;
}

/* ---- answers that are made here -------------------------------------------------------------------------------- */

static void tell(struct node *node, struct proxy *proxy, unsigned flags, const char *error) {
    struct client *client = proxy->connection->client;
    if (!client || (flags & (PROXY_QUIET | PROXY_OURS)))
        return;
    struct resp_out out = {.buf = &client->out, .protocol = proxy->connection->session.protocol};
    size_t mark = resp_buf_length(out.buf);
    resp_error(&out, "%s", error);
    connection_count_reply(node, NULL, &out, mark);
    client_touch(client);
}

static void tell_not_done(struct node *node, struct proxy *proxy) {
    char text[128];
    unsigned flags = item_at(proxy, 0)->flags;
    snprintf(text, sizeof text, "CLUSTERDOWN node %llu does not lead any more; not executed",
             (unsigned long long)proxy->to);
    tell(node, proxy, flags, text);
    drop_item(node, proxy);
}

static void tell_doubt(struct node *node, struct proxy *proxy, const char *why) {
    char text[160];
    unsigned flags = item_at(proxy, 0)->flags;
    if (flags & PROXY_READS) {
        snprintf(text, sizeof text, "CLUSTERDOWN %s this read; not executed", why);
    } else {
        snprintf(text, sizeof text, "INDOUBT %s; the command may or may not have taken effect", why);
        if (!(flags & PROXY_OURS)) {
            node->statistics.in_doubt++;
            node->proxies.in_doubt++;
        }
    }
    tell(node, proxy, flags, text);
    drop_item(node, proxy);
}

/* ---- what is certainly not done goes back ---------------------------------------------------------------------- */

/* All requests that are left, to the front of the client's input. */
static void give_back(struct node *node, struct proxy *proxy) {
    struct connection *connection = proxy->connection;
    struct resp_buf *in = &connection->client->in, whole = {0};
    resp_buf_reserve(&whole, resp_buf_length(&proxy->dial->out) + resp_buf_length(in) + 1);
    if (proxy->count > 0 && (item_at(proxy, 0)->flags & PROXY_SKIPPED))
        connection->session.reply_mode = REPLY_SKIP_NEXT;
    while (proxy->count > 0) {
        const struct proxy_item *item = item_at(proxy, 0);
        if (!(item->flags & PROXY_OURS)) {
            resp_buf_append(&whole, resp_buf_bytes(&proxy->dial->out), item->length);
            node->proxies.repeated++;
        }
        drop_item(node, proxy);
    }
    if (resp_buf_length(in) > 0)
        resp_buf_append(&whole, resp_buf_bytes(in), resp_buf_length(in));
    resp_buf_close(in);
    *in = whole;
    proxy->refused = 0;
    resp_parser_reset(connection->parser);
    connection_queue(node, connection);
}

/* The requests whose last byte was sent, and that were not refused: they may be done. */
static size_t count_doubtful(const struct proxy *proxy) {
    size_t end = 0, doubtful = 0;
    for (size_t i = 0; i < proxy->count; i++) {
        const struct proxy_item *item = item_at(proxy, i);
        end += item->length;
        if (end <= proxy->dial->sent && i >= proxy->refused && !(item->flags & (PROXY_OURS | PROXY_READS)))
            doubtful = i + 1;
    }
    return doubtful;
}

static void close_client(struct node *node, struct proxy *proxy) {
    proxy->connection->session.close = true;
    connection_queue(node, proxy->connection);
}

/* Nothing more will come from there. */
static void lose(struct node *node, struct proxy *proxy, const char *why) {
    bool must_close = proxy->passing || is_stateful(proxy);
    log_verbose(node->logger, "lost the way to node %llu for %s: %s; %zu requests unanswered",
                (unsigned long long)proxy->to, proxy->connection->session.address, why, proxy->count);
    if (proxy->passing)
        while (proxy->count > 0)
            drop_item(node, proxy);
    for (size_t doubtful = count_doubtful(proxy); doubtful > 0; doubtful--)
        if (proxy->refused > 0) {
            proxy->refused--;
            tell_not_done(node, proxy);
        } else {
            tell_doubt(node, proxy, text_lost);
        }
    while (must_close && proxy->count > 0)
        tell_not_done(node, proxy);
    if (!must_close)
        give_back(node, proxy);
    proxy->refused = 0;
    upstream_close(node, proxy);
    if (must_close)
        close_client(node, proxy);
}

/* ---- replies --------------------------------------------------------------------------------------------------- */

static void pass(struct proxy *proxy, const char *bytes, size_t length) {
    struct client *client = proxy->connection->client;
    if (length == 0)
        return;
    resp_buf_append(&client->out, bytes, length);
    client_touch(client);
}

/* All that is there goes on at once: the buffers change hands. */
static bool pass_buffer(struct proxy *proxy, size_t length) {
    struct client *client = proxy->connection->client;
    struct resp_buf *in = &proxy->dial->in, mine = client->out;
    if (length != resp_buf_length(in) || resp_buf_length(&client->out) > 0)
        return false;
    client->out = *in;
    *in = mine;
    client_touch(client);
    return true;
}

/* A transaction was run that said SELECT: the session here follows. */
static void follow_select(struct proxy *proxy) {
    if (proxy->multi_db >= 0 && reply_scan_begins(&proxy->scan, "*") && !reply_scan_is_null(&proxy->scan)) {
        proxy->connection->session.db = (unsigned)proxy->multi_db;
        proxy->retell = true;
    }
    proxy->multi_db = -1;
}

/* A later one is done, so those that were refused cannot be any more, in their order. */
static void tell_refused(struct node *node, struct proxy *proxy) {
    for (; proxy->refused > 0; proxy->refused--)
        tell_not_done(node, proxy);
}

/* -MOVED: whoever answers there does not lead. The request waits to go elsewhere, or its sender is told. */
static void take_refusal(struct node *node, struct proxy *proxy) {
    if (proxy->to == node->raft_status.leader) {
        node->proxies.not_leader = proxy->to;
        node->proxies.not_leader_term = node->raft_status.term;
    }
    if (item_at(proxy, proxy->refused)->flags & PROXY_REPEATABLE) {
        proxy->refused++;
        return;
    }
    tell_refused(node, proxy);
    bool closes = is_stateful(proxy);
    tell_not_done(node, proxy);
    if (closes)
        close_client(node, proxy);
}

/* A whole reply was read. False: its bytes are not for the client. */
static bool take_reply(struct node *node, struct proxy *proxy) {
    if (reply_scan_is_push(&proxy->scan))
        return true;
    if (reply_scan_begins(&proxy->scan, "-MOVED ") && !proxy->passing) {
        take_refusal(node, proxy);
        return false;
    }
    tell_refused(node, proxy);
    struct proxy_item item = drop_item(node, proxy);
    if (item.flags & PROXY_EXEC)
        follow_select(proxy);
    return !(item.flags & (PROXY_QUIET | PROXY_OURS));
}

/* Of a long reply, what is there. */
static void pass_piece(struct node *node, struct proxy *proxy, const char *bytes, size_t length) {
    if (!reply_scan_is_push(&proxy->scan))
        tell_refused(node, proxy);
    bool wanted = reply_scan_is_push(&proxy->scan) ||
                  !(item_at(proxy, proxy->refused)->flags & (PROXY_QUIET | PROXY_OURS));
    proxy->passing = true;
    if (wanted)
        pass(proxy, bytes, length);
}

/* Reads what came: [from, at) is for the client and not yet with it, [at, at + scanned) the reply in hand. False: the upstream is
 * not to be trusted. */
static bool read_replies(struct node *node, struct proxy *proxy) {
    struct resp_buf *in = &proxy->dial->in;
    const char *bytes = resp_buf_bytes(in);
    size_t length = resp_buf_length(in), from = 0, at = 0;
    while (at + proxy->scanned < length) {
        bool whole, waits = proxy->count > proxy->refused;
        if (!waits && proxy->scan.elements == 0 && bytes[at] != '>')
            return false;
        proxy->scanned +=
            reply_scan(&proxy->scan, bytes + at + proxy->scanned, length - at - proxy->scanned, &whole);
        if (proxy->scan.bad || (whole && !waits && !reply_scan_is_push(&proxy->scan)))
            return false;
        if (!whole)
            break;
        size_t end = at + proxy->scanned;
        bool is_refusal = reply_scan_begins(&proxy->scan, "-MOVED ") && !proxy->passing;
        if (is_refusal || proxy->refused > 0) { /* something is said here in between */
            pass(proxy, bytes + from, at - from);
            from = at;
        }
        if (!take_reply(node, proxy)) {
            pass(proxy, bytes + from, at - from);
            from = end;
        }
        at = end;
        proxy->scanned = 0;
        proxy->passing = false;
    }
    if (proxy->scanned > PIECE_BYTES || (proxy->passing && proxy->scanned > 0)) {
        pass(proxy, bytes + from, at - from);
        pass_piece(node, proxy, bytes + at, proxy->scanned);
        at += proxy->scanned;
        from = at;
        proxy->scanned = 0;
    }
    if (from == 0 && at > 0 && pass_buffer(proxy, at))
        return true;
    pass(proxy, bytes + from, at - from);
    resp_buf_consume(in, at, 0);
    return true;
}

static void take_news(struct node *node, struct proxy *proxy) {
    struct dial *dial = proxy->dial;
    struct client *client = proxy->connection->client;
    if (resp_buf_length(&dial->in) > 0 && !read_replies(node, proxy)) {
        log_warning(node->logger, "node %llu answers a proxy with what is no reply",
                    (unsigned long long)proxy->to);
        lose(node, proxy, "what it answers is no reply");
        return;
    }
    if (dial->gone) {
        lose(node, proxy, dial->why);
        return;
    }
    if (proxy->refused > 0 && proxy->refused == proxy->count) {
        lose(node, proxy, "it does not lead any more");
        return;
    }
    bool full = resp_buf_length(&client->out) > NODE_OUT_PATIENCE_BYTES;
    if (full && !proxy->paused) {
        proxy->paused = true;
        node->proxies.paused++;
        dial_pause(dial, true);
    }
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

void proxy_open(struct node *node) {
    static const struct {
        const char *name;
        size_t field;
    } names[] = {
        {"multi", offsetof(struct proxies, multi)},     {"exec", offsetof(struct proxies, exec)},
        {"discard", offsetof(struct proxies, discard)}, {"watch", offsetof(struct proxies, watch)},
        {"unwatch", offsetof(struct proxies, unwatch)}, {"wait", offsetof(struct proxies, wait)},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct resp_arg name = {names[i].name, strlen(names[i].name)};
        const struct command **row =
            (const struct command **)(void *)((char *)&node->proxies + names[i].field);
        *row = command_find_name(&name);
    }
}

/* Not over the keyspace, and yet the leader's. */
static bool is_leaders(const struct proxies *proxies, const struct command *row) {
    return row == proxies->multi || row == proxies->exec || row == proxies->discard ||
           row == proxies->watch || row == proxies->unwatch || row == proxies->wait;
}

/* In a transaction everything is queued there, but what would change how its replies are to be read. */
static bool stays_here(const struct command *row, const struct resp_command *command) {
    static const char *const names[] = {"hello",        "auth",     "quit",   "reset",
                                        "client|reply", "shutdown", "monitor"};
    if (!row)
        return command->args[0].length > 5 && strncasecmp(command->args[0].bytes, "RAFT.", 5) == 0;
    if (strncmp(row->name, "raft.", 5) == 0 || ((row->flags & COMMAND_PUBSUB) && !row->run))
        return true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(row->name, names[i]) == 0)
            return true;
    return false;
}

static bool leader_is_elsewhere(const struct node *node) {
    const struct raft_status *status = &node->raft_status;
    return node->raft && status->leader != 0 && status->role != RAFT_LEADER && !node->stopping &&
           node->state != REPORT_REMOVED;
}

static enum gate_verdict judge(const struct node *node, const struct connection *connection,
                               const struct command *row, const struct resp_command *command,
                               enum gate_verdict verdict) {
    const struct proxy *proxy = connection->proxy;
    bool refused = verdict >= GATE_UNKNOWN && verdict != GATE_LOADING && verdict != GATE_FULL &&
                   verdict != GATE_DISK_LOW;
    if (proxy && proxy->multi && verdict != GATE_NOAUTH && verdict != GATE_DENIED)
        return stays_here(row, command) ? verdict : GATE_PROXY;
    if (!row || refused)
        return verdict;
    bool watching = proxy && proxy->watching;
    if (is_leaders(&node->proxies, row) && !watching && !leader_is_elsewhere(node))
        return node->raft_status.serving || node->stopping ? verdict : GATE_WAIT;
    if (is_leaders(&node->proxies, row))
        return GATE_PROXY;
    if (!row->run || !(row->flags & (COMMAND_WRITE | COMMAND_READONLY)))
        return verdict;
    if (watching)
        return GATE_PROXY;
    bool local = verdict == GATE_LOCAL || verdict == GATE_READ;
    return leader_is_elsewhere(node) && (!local || (proxy && proxy->wrote)) ? GATE_PROXY : verdict;
}

enum gate_verdict proxy_judge(struct node *node, struct connection *connection, const struct command *row,
                              const struct resp_command *command, enum gate_verdict verdict) {
    struct proxy *proxy = connection->proxy;
    bool stateful = proxy && is_stateful(proxy);
    if (connection->peer || connection->via || (node->conf->follower_mode != CONF_PROXY && !stateful))
        return verdict;
    verdict = judge(node, connection, row, command, verdict);
    if (proxy && verdict != GATE_PROXY)
        proxy->retell = true; /* it may change what the session is */
    return verdict;
}

static struct proxy *proxy_of(struct node *node, struct connection *connection) {
    if (connection->proxy)
        return connection->proxy;
    struct proxy *proxy = calloc(1, sizeof *proxy);
    if (!proxy)
        abort();
    proxy->connection = connection;
    proxy->multi_db = -1;
    proxy->next = node->proxies.first;
    if (proxy->next)
        proxy->next->previous = proxy;
    node->proxies.first = proxy;
    node->proxies.count++;
    return connection->proxy = proxy;
}

static bool skip_now(struct session *session) {
    bool skip = session->reply_mode == REPLY_SKIP_NEXT;
    if (skip)
        session->reply_mode = REPLY_ON;
    return skip;
}

/* What the request does to the upstream's session, and what that says about the request. */
static unsigned follow(struct node *node, struct proxy *proxy, const struct command *row,
                       const struct resp_command *command) {
    const struct proxies *proxies = &node->proxies;
    bool in_transaction = is_stateful(proxy) || (row && is_leaders(proxies, row) && row != proxies->wait);
    bool reads = row && (row->flags & COMMAND_READONLY) && !(row->flags & COMMAND_WRITE);
    unsigned flags = in_transaction ? 0 : PROXY_REPEATABLE | (reads ? PROXY_READS : 0u);
    int64_t db;
    if (!row)
        return flags;
    if (proxy->multi && strcmp(row->name, "select") == 0 && command->count == 2 &&
        resp_arg_integer(&command->args[1], &db) && db >= 0 && db < (int64_t)node->conf->databases)
        proxy->multi_db = db;
    if (row == proxies->exec || row == proxies->discard)
        proxy->multi = proxy->watching = false;
    else if (row == proxies->multi && command->count == 1)
        proxy->multi = true;
    else if (row == proxies->watch && !proxy->multi && command->count > 1)
        proxy->watching = true;
    else if (row == proxies->unwatch && !proxy->multi)
        proxy->watching = false;
    proxy->wrote |= !reads;
    return flags | (row == proxies->exec ? PROXY_EXEC : 0u) | (row == proxies->wait ? PROXY_ENDLESS : 0u);
}

/* The leader learns what the session has become, when nothing is under way. False: something is. */
static bool retell(struct node *node, struct proxy *proxy) {
    struct resp_buf now = {0};
    proxied_write(&now, node, proxy->connection);
    size_t length = resp_buf_length(&now);
    bool same = length == resp_buf_length(&proxy->told) &&
                memcmp(resp_buf_bytes(&now), resp_buf_bytes(&proxy->told), length) == 0;
    if (same || proxy->count > 0) {
        resp_buf_close(&now);
        proxy->retell = !same;
        return same;
    }
    resp_buf_close(&proxy->told);
    proxy->told = now;
    proxy->retell = false;
    resp_buf_append(&proxy->dial->out, resp_buf_bytes(&now), length);
    add_item(proxy, length, PROXY_OURS);
    return true;
}

/* Nobody could be reached for too long. */
static void refuse(struct node *node, struct connection *connection, struct proxy *proxy) {
    char text[256];
    bool skip = skip_now(&connection->session) || connection->session.reply_mode == REPLY_OFF;
    snprintf(text, sizeof text,
             "CLUSTERDOWN node %llu leads and cannot be reached from here%s%s; not executed",
             (unsigned long long)node->raft_status.leader, proxy->why[0] ? ": " : "", proxy->why);
    tell(node, proxy, skip ? PROXY_QUIET : 0, text);
    upstream_close(node, proxy);
}

/* An upstream to the present leader, or where its state is. False: there is none; then `*held` or the request has been refused. */
static bool upstream_is_there(struct node *node, struct connection *connection, struct proxy *proxy,
                              bool *held) {
    *held = true;
    if (proxy->phase == PROXY_OPEN && (proxy->to == node->raft_status.leader || is_stateful(proxy)))
        return true;
    if (proxy->count > 0) {
        connection_hold(node, connection, HOLD_ORDER); /* the last one has not answered everything */
        return false;
    }
    if (proxy->phase == PROXY_OPEN)
        upstream_close(node, proxy);
    if (connection->hold_until_ms == 0)
        connection->hold_until_ms = node->now_ms + 2ull * node->conf->election_timeout_ms;
    if (node->now_ms >= connection->hold_until_ms) {
        refuse(node, connection, proxy);
        *held = false;
        return false;
    }
    upstream_want(node, proxy);
    connection_hold(node, connection, HOLD_UPSTREAM);
    return false;
}

bool proxy_take(struct node *node, struct connection *connection, const struct command *row,
                const struct resp_command *command) {
    bool held;
    if (connection->lane) { /* of when this node led */
        connection_hold(node, connection, HOLD_ORDER);
        return false;
    }
    struct proxy *proxy = proxy_of(node, connection);
    if (!upstream_is_there(node, connection, proxy, &held))
        return !held;
    struct dial *dial = proxy->dial;
    if (proxy->refused > 0 || dial->gone || (proxy->retell && !retell(node, proxy))) {
        connection_hold(node, connection, HOLD_ORDER);
        return false;
    }
    if (resp_buf_length(&dial->out) >= WINDOW_BYTES || proxy->count >= WINDOW_REQUESTS) {
        connection_hold(node, connection, HOLD_ROOM);
        return false;
    }
    bool skip = skip_now(&connection->session);
    unsigned quiet = skip || connection->session.reply_mode == REPLY_OFF ? PROXY_QUIET : 0;
    add_item(proxy, command->raw_length,
             follow(node, proxy, row, command) | quiet | (skip ? PROXY_SKIPPED : 0u));
    resp_buf_append(&dial->out, command->raw, command->raw_length);
    dial_touch(dial);
    connection->pending++;
    node->proxies.requests++;
    return true;
}

bool proxy_may_go_on(const struct node *node, const struct connection *connection) {
    const struct proxy *proxy = connection->proxy;
    return proxy->phase == PROXY_OPEN || proxy->phase == PROXY_CLOSED ||
           node->now_ms >= connection->hold_until_ms || !leader_is_elsewhere(node);
}

/* ---- the end of one -------------------------------------------------------------------------------------------- */

void proxy_leave(struct node *node, struct connection *connection) {
    struct proxy *proxy = connection->proxy;
    if (!proxy || (proxy->phase == PROXY_CLOSED && proxy->count == 0))
        return;
    bool told = connection->client && !connection->client->gone && !proxy->passing;
    while (proxy->count > 0)
        if (told && proxy->refused == 0)
            tell_doubt(node, proxy,
                       node->stopping ? "this node ends before the leader has answered"
                                      : "the connection was closed before the leader answered");
        else
            drop_item(node, proxy);
    proxy->refused = 0;
    upstream_close(node, proxy);
}

void proxy_free(struct node *node, struct connection *connection) {
    struct proxy *proxy = connection->proxy;
    if (!proxy)
        return;
    proxy_leave(node, connection);
    if (proxy->previous)
        proxy->previous->next = proxy->next;
    else
        node->proxies.first = proxy->next;
    if (proxy->next)
        proxy->next->previous = proxy->previous;
    node->proxies.count--;
    free(proxy->items);
    free(proxy);
    connection->proxy = NULL;
}

bool proxy_busy(const struct node *node) {
    for (const struct proxy *proxy = node->proxies.first; proxy; proxy = proxy->next)
        for (size_t i = 0; i < proxy->count; i++)
            if (!(item_at(proxy, i)->flags & PROXY_ENDLESS))
                return true;
    return false;
}

void proxy_end(struct node *node) {
    for (struct proxy *proxy = node->proxies.first; proxy; proxy = proxy->next)
        proxy_leave(node, proxy->connection);
}

/* ---- the turn's part ------------------------------------------------------------------------------------------- */

/* Requests are with a node that does not lead any more, and it says nothing: it may be cut off, or stand still. */
static void look(struct node *node) {
    for (struct proxy *proxy = node->proxies.first, *next; proxy; proxy = next) {
        next = proxy->next;
        if (proxy->phase != PROXY_OPEN) {
            upstream_look(node, proxy);
            continue;
        }
        if (proxy->to == node->raft_status.leader)
            proxy->estranged_ms = 0;
        else if (proxy->estranged_ms == 0)
            proxy->estranged_ms = node->now_ms;
        else if (node->now_ms - proxy->estranged_ms > node->conf->outcome_timeout_ms)
            lose(node, proxy, "another node leads, and this one is silent");
    }
}

void proxy_turn(struct node *node) {
    for (struct dial *dial; (dial = net_take_dial(node->net));) {
        struct proxy *proxy = dial->owner;
        if (proxy->phase == PROXY_OPEN)
            take_news(node, proxy);
        else
            upstream_step(node, proxy);
    }
    if (node->now_ms >= node->proxies.look_ms) {
        node->proxies.look_ms = node->now_ms + LOOK_MS;
        look(node);
    }
    if (node->proxies.waiting)
        upstream_turn(node);
}

void proxy_flushed(struct node *node) {
    for (struct proxy *proxy = node->proxies.first; proxy && node->proxies.paused > 0; proxy = proxy->next) {
        struct client *client = proxy->connection->client;
        if (!proxy->paused || resp_buf_length(&client->out) > NODE_OUT_PATIENCE_BYTES)
            continue;
        proxy->paused = false;
        node->proxies.paused--;
        dial_pause(proxy->dial, false);
    }
}

void proxy_report(const struct node *node, struct report *report) {
    report->proxies = node->conf->follower_mode == CONF_PROXY;
    report->proxied_clients = node->proxies.open;
    report->proxied_requests = node->proxies.requests;
    report->proxied_repeated = node->proxies.repeated;
    report->proxied_in_doubt = node->proxies.in_doubt;
    report->proxy_dials = node->proxies.dialled;
}
