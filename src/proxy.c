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
 *     sent and not answered          the log tells, as soon as this node has applied an entry of a later term: the reply that applying
 *                                    it made, or certainly not done (proxy_settle.c); when that does not come in time, -INDOUBT
 *     answered in part               the connection is closed: there is no way to say anything after half a reply
 *
 * A transaction that is lost with its upstream is begun again on the next. A lost watch closes the client's connection, after such
 * answers as are owed: its next command would mean something else. Nothing here grows: what a client sends without reading replies stays
 * in the kernel's buffers, and so does what the leader answers to a client that does not read.
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
    LOOK_MS = 100,
};

/* ---- requests -------------------------------------------------------------------------------------------------- */

static const struct command *row_named(const char *text) {
    const struct resp_arg name = {text, strlen(text)};
    return command_find_name(&name);
}

void proxy_open(struct node *node) {
    upstream_open(node);
    static const struct {
        const char *name;
        size_t field;
    } names[] = {
        {"multi", offsetof(struct proxies, multi)},     {"exec", offsetof(struct proxies, exec)},
        {"discard", offsetof(struct proxies, discard)}, {"watch", offsetof(struct proxies, watch)},
        {"unwatch", offsetof(struct proxies, unwatch)}, {"wait", offsetof(struct proxies, wait)},
        {"reset", offsetof(struct proxies, reset)},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct command **row =
            (const struct command **)(void *)((char *)&node->proxies + names[i].field);
        *row = row_named(names[i].name);
    }
}

/* Not over the keyspace, and yet the leader's. */
static bool is_leaders(const struct proxies *proxies, const struct command *row) {
    return row == proxies->multi || row == proxies->exec || row == proxies->discard ||
           row == proxies->watch || row == proxies->unwatch || row == proxies->wait;
}

static bool is_one_of(const struct command *row, const char *const *names) {
    while (*names && strcmp(row->name, *names) != 0)
        names++;
    return *names != NULL;
}

/* In a transaction everything is queued there, but what takes effect at once, or is between nodes. */
static bool stays_here(const struct command *row, const struct resp_command *command) {
    static const char *const names[] = {"quit", "reset", "shutdown", NULL};
    const struct resp_arg *name = &command->args[0];
    return row ? strncmp(row->name, "raft.", 5) == 0 || is_one_of(row, names)
               : name->length > 5 && strncasecmp(name->bytes, "RAFT.", 5) == 0;
}

/* It would change how the replies of the upstream are to be read. */
static bool is_refused_in_transaction(const struct command *row) {
    static const char *const names[] = {"hello", "auth", "client|reply", "monitor", NULL};
    return row && (is_one_of(row, names) || ((row->flags & COMMAND_PUBSUB) && row->session));
}

static bool leader_is_elsewhere(const struct node *node) {
    const struct raft_status *status = &node->raft_status;
    return node->raft && status->leader != 0 && status->role != RAFT_LEADER && !node->stopping &&
           node->state != REPORT_REMOVED;
}

/* Over the keyspace, and not refused for good. */
static bool is_over_data(const struct command *row, enum gate_verdict verdict) {
    return row->run && (verdict == GATE_WRITE || verdict == GATE_READ || verdict == GATE_WAIT ||
                        verdict == GATE_ELSEWHERE || verdict == GATE_LOADING ||
                        (verdict == GATE_LOCAL && (row->flags & COMMAND_READONLY)));
}

static enum gate_verdict judge(const struct node *node, const struct connection *connection,
                               const struct command *row, const struct resp_command *command,
                               enum gate_verdict verdict) {
    const struct proxy *proxy = connection->proxy;
    bool watching = proxy && proxy->watching, elsewhere = leader_is_elsewhere(node);
    if (connection->session.multi.open || connection->transaction.watcher.count > 0)
        return verdict; /* a watch that was begun while this node led ends here too */
    if (proxy && proxy->multi && verdict != GATE_NOAUTH && verdict != GATE_DENIED)
        return stays_here(row, command) ? verdict : GATE_PROXY;
    if (!row)
        return verdict;
    if (is_leaders(&node->proxies, row) && (verdict == GATE_SESSION || is_over_data(row, verdict)))
        return watching || elsewhere                         ? GATE_PROXY
               : node->raft_status.serving || node->stopping ? verdict
                                                             : GATE_WAIT;
    if (!is_over_data(row, verdict))
        return verdict;
    bool local = verdict == GATE_LOCAL || verdict == GATE_READ;
    return watching || (elsewhere && (!local || (proxy && proxy->wrote))) ? GATE_PROXY : verdict;
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

/* A transaction that was begun while this node led, and looks at nothing that only this node knows. */
static bool is_left_behind(const struct node *node, const struct connection *connection) {
    const struct transaction *transaction = &connection->transaction;
    return connection->session.multi.open && transaction->watcher.count == 0 && transaction->asked == 0 &&
           leader_is_elsewhere(node) && (!connection->proxy || connection->proxy->count == 0);
}

enum gate_verdict proxy_judge(struct node *node, struct connection *connection, const struct command *row,
                              const struct resp_command *command, enum gate_verdict verdict) {
    struct proxy *proxy = connection->proxy;
    bool stateful = proxy && proxy_is_stateful(proxy);
    if (connection->peer || connection->via || (node->conf->follower_mode != CONF_PROXY && !stateful))
        return verdict;
    if (is_left_behind(node, connection) && !stays_here(row, command) && verdict != GATE_NOAUTH &&
        verdict != GATE_DENIED) {
        if (connection->lane)
            return GATE_PROXY; /* in its order: it waits */
        proxy_take_over(node, proxy = proxy_of(node, connection));
    }
    verdict = judge(node, connection, row, command, verdict);
    if (proxy && verdict != GATE_PROXY)
        proxy->retell = true; /* it may change what the session is */
    if (stateful && row == node->proxies.reset && row && proxy->count == 0)
        proxy_leave(node, connection); /* its state goes with the upstream */
    return verdict;
}

static bool skip_now(struct session *session) {
    bool skip = session->reply_mode == REPLY_SKIP_NEXT;
    if (skip)
        session->reply_mode = REPLY_ON;
    return skip;
}

/* What it does to the transaction and the watch of the upstream's session. */
static unsigned follow_transaction(struct node *node, struct proxy *proxy, const struct command *row,
                                   const struct resp_command *command) {
    const struct proxies *proxies = &node->proxies;
    bool multi = proxy->multi;
    if (row && (row == proxies->exec || row == proxies->discard)) {
        proxy->multi = proxy->watching = false;
        return !multi ? 0 : row == proxies->exec ? PROXY_EXEC | PROXY_CHANGES : PROXY_DISCARD;
    }
    if (row == proxies->multi || row == proxies->watch) {
        if (multi || (int)command->count < 2 - (row == proxies->multi))
            return 0; /* it is an error, and changes nothing */
        proxy->watching |= row == proxies->watch;
        proxy->multi = row == proxies->multi;
        if (proxy->multi)
            proxy->open = proxy_transaction_new();
        return proxy->multi ? PROXY_MULTI : PROXY_WATCH;
    }
    if (multi) {
        proxy_queue(node, proxy, row, command);
        return PROXY_QUEUED;
    }
    proxy->watching &= row != proxies->unwatch;
    return row == proxies->unwatch ? PROXY_UNWATCH : 0;
}

/* What the request does to the upstream's session, and what that says about the request. */
static unsigned follow(struct node *node, struct proxy *proxy, const struct command *row,
                       const struct resp_command *command) {
    const struct proxies *proxies = &node->proxies;
    bool in_transaction =
        proxy_is_stateful(proxy) || (row && is_leaders(proxies, row) && row != proxies->wait);
    bool reads = row && (row->flags & COMMAND_READONLY) && !(row->flags & COMMAND_WRITE);
    bool queued = proxy->multi;
    unsigned flags = PROXY_REPEATABLE | (reads && !in_transaction ? PROXY_READS : 0u);
    flags |= follow_transaction(node, proxy, row, command);
    if (!row)
        return flags;
    proxy->wrote |= !reads;
    if (queued)
        return flags;
    bool blocks = row->flags & COMMAND_BLOCKING;
    return flags | (!reads && !is_leaders(proxies, row) ? PROXY_CHANGES : 0u) | (blocks ? PROXY_BLOCKS : 0u) |
           (blocks || row == proxies->wait ? PROXY_ENDLESS : 0u);
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
    proxy_add_item(proxy, length, PROXY_OURS | PROXY_UNCOUNTED);
    return true;
}

/* Nobody could be reached for too long. */
static void refuse(struct node *node, struct connection *connection, struct proxy *proxy) {
    char text[256];
    bool skip = skip_now(&connection->session) || connection->session.reply_mode == REPLY_OFF;
    snprintf(text, sizeof text,
             "CLUSTERDOWN node %llu leads and cannot be reached from here%s%s; not executed",
             (unsigned long long)node->raft_status.leader, proxy->why[0] ? ": " : "", proxy->why);
    proxy_tell(node, proxy, skip ? PROXY_QUIET : 0, text);
    connection->session.close |= proxy->multi; /* what was queued is not there any more */
    upstream_close(node, proxy);
}

/* An upstream to the present leader, or where its state is. False: there is none; then `*held` or the request has been refused. */
static bool upstream_is_there(struct node *node, struct connection *connection, struct proxy *proxy,
                              bool *held) {
    *held = true;
    const struct raft_status *status = &node->raft_status;
    bool stays = proxy_is_stateful(proxy) && !proxy->restore;
    if (proxy->phase == PROXY_OPEN && proxy->to == status->leader && proxy->term != status->term &&
        proxy->count == 0) {
        proxy->term = status->term; /* elected again */
        proxy->retell = true;
    }
    if (proxy->phase == PROXY_OPEN && (proxy->to == status->leader ? proxy->term == status->term : stays))
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

/* The transaction is to fail as if its leader had refused the command: it gets one that it does not know. */
static void refuse_in_transaction(struct node *node, struct proxy *proxy) {
    struct resp_buf unknown = {0};
    proxy_tell(node, proxy, proxy->connection->session.reply_mode == REPLY_ON ? 0 : PROXY_QUIET,
               "ERR Command not allowed inside a transaction");
    resp_request(&unknown, 1);
    resp_request_text(&unknown, "RAFT.REFUSED");
    size_t length = resp_buf_length(&unknown);
    const struct resp_command refusal = {.raw = resp_buf_bytes(&unknown), .raw_length = length};
    proxy_queue(node, proxy, NULL, &refusal);
    resp_buf_append(&proxy->dial->out, resp_buf_bytes(&unknown), length);
    resp_buf_close(&unknown);
    proxy_add_item(proxy, length, PROXY_OURS | PROXY_REPEATABLE | PROXY_QUEUED);
    dial_touch(proxy->dial);
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
    bool refused = proxy->multi && is_refused_in_transaction(row);
    if (proxy->refused > 0 || dial->gone || (proxy->retell && !retell(node, proxy))) {
        connection_hold(node, connection, HOLD_ORDER);
        return false;
    }
    if (proxy->restore)
        proxy_send_restored(node, proxy);
    if (refused && proxy->count > 0) {
        connection_hold(node, connection, HOLD_ORDER);
        return false;
    }
    if (resp_buf_length(&dial->out) >= WINDOW_BYTES || proxy->count >= WINDOW_REQUESTS) {
        connection_hold(node, connection, HOLD_ROOM);
        return false;
    }
    if (refused) {
        refuse_in_transaction(node, proxy);
        return true;
    }
    bool skip = skip_now(&connection->session);
    unsigned quiet = skip || connection->session.reply_mode == REPLY_OFF ? PROXY_QUIET : 0;
    struct proxy_transaction *open = proxy->open;
    unsigned flags = follow(node, proxy, row, command) | quiet | (skip ? PROXY_SKIPPED : 0u);
    struct proxy_item *item = proxy_add_item(proxy, command->raw_length, flags);
    item->begun_ms = node->now_ms;
    if (flags & (PROXY_EXEC | PROXY_DISCARD)) {
        item->transaction = open;
        proxy->open = NULL;
    }
    resp_buf_append(&dial->out, command->raw, command->raw_length);
    dial_touch(dial);
    connection->pending++;
    node->proxies.requests++;
    return true;
}

void proxy_keep_reads(struct node *node) {
    for (struct lane *lane = node->reads.first; lane; lane = lane->next)
        if (!lane->confirmed && !lane->through) {
            lane->through = true;
            lane->term = 0;
        }
}

bool proxy_may_go_on(const struct node *node, const struct connection *connection) {
    const struct proxy *proxy = connection->proxy;
    return proxy->phase == PROXY_OPEN || proxy->phase == PROXY_CLOSED ||
           node->now_ms >= connection->hold_until_ms || !leader_is_elsewhere(node);
}

/* ---- the end of one -------------------------------------------------------------------------------------------- */

void proxy_leave(struct node *node, struct connection *connection) {
    struct proxy *proxy = connection->proxy;
    if (!proxy)
        return;
    proxy_forget_transaction(node, proxy);
    if (proxy->phase == PROXY_CLOSED && proxy->count == 0)
        return;
    bool told = connection->client && !connection->client->gone && !proxy->passing;
    while (proxy->count > 0)
        if (told && proxy->refused == 0)
            proxy_tell_doubt(node, proxy,
                             node->stopping ? "this node ends before the leader has answered"
                                            : "the connection was closed before the leader answered");
        else
            proxy_drop_item(node, proxy);
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

bool proxy_has_written(const struct connection *connection) {
    return connection->proxy && connection->proxy->wrote;
}

bool proxy_is_endless(const struct connection *connection) {
    const struct proxy *proxy = connection->proxy;
    bool endless = false;
    for (size_t i = 0; proxy && i < proxy->count; i++)
        endless |= proxy_item_at(proxy, i)->flags & PROXY_ENDLESS;
    return endless;
}

bool proxy_busy(const struct node *node) {
    for (const struct proxy *proxy = node->proxies.first; proxy; proxy = proxy->next)
        for (size_t i = 0; i < proxy->count; i++)
            if (!(proxy_item_at(proxy, i)->flags & PROXY_ENDLESS))
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
        if (proxy->phase == PROXY_LOST)
            continue;
        if (proxy->phase != PROXY_OPEN) {
            upstream_look(node, proxy);
            continue;
        }
        if (proxy->to == node->raft_status.leader)
            proxy->estranged_ms = 0;
        else if (proxy->estranged_ms == 0)
            proxy->estranged_ms = node->now_ms;
        else if ((proxy->count > 0 && node->applied_term > proxy->term) ||
                 node->now_ms - proxy->estranged_ms > node->conf->outcome_timeout_ms)
            proxy_lose(node, proxy, "another node leads, and this one is silent");
    }
}

void proxy_turn(struct node *node) {
    for (struct dial *dial; (dial = net_take_dial(node->net));) {
        struct proxy *proxy = dial->owner;
        if (proxy->phase == PROXY_OPEN)
            proxy_take_news(node, proxy);
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
        if (!proxy->paused || connection_is_unread(proxy->connection))
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
    report->proxied_settled = node->proxies.settled;
    report->proxied_in_doubt = node->proxies.in_doubt;
    report->proxy_dials = node->proxies.dialled;
}
