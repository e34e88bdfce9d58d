/* SPDX-License-Identifier: MIT */
/* A proxy's requests until they are answered: the replies on their way back, and what is told or done when there are none (proxy.c). */
#include "proxy.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum { PIECE_BYTES = 256 * 1024 }; /* a reply longer than this is passed on in pieces */

/* ---- the ring of requests -------------------------------------------------------------------------------------- */

struct proxy_item *proxy_item_at(const struct proxy *proxy, size_t i) {
    assert(i < proxy->count);
    return &proxy->items[(proxy->first + i) % proxy->capacity];
}

struct proxy_item *proxy_add_item(struct proxy *proxy, size_t length, unsigned flags) {
    if (proxy->count == proxy->capacity) {
        size_t capacity = proxy->capacity ? 2 * proxy->capacity : 16;
        struct proxy_item *items = calloc(capacity, sizeof *items);
        if (!items)
            abort();
        for (size_t i = 0; i < proxy->count; i++)
            items[i] = *proxy_item_at(proxy, i);
        free(proxy->items);
        proxy->items = items;
        proxy->capacity = capacity;
        proxy->first = 0;
    }
    proxy->count++;
    proxy->requests += !(flags & PROXY_UNCOUNTED);
    struct proxy_item *item = proxy_item_at(proxy, proxy->count - 1);
    *item = (struct proxy_item){.length = length, .flags = flags};
    return item;
}

static void close_item(struct proxy_item *item) {
    if (item->transaction)
        resp_buf_close(&item->transaction->queue);
    free(item->transaction);
    if (item->reply)
        resp_buf_close(item->reply);
    free(item->reply);
    item->transaction = NULL;
    item->reply = NULL;
}

/* What the upstream's session holds now. */
static void follow_answer(struct proxy *proxy, unsigned flags) {
    if (flags & PROXY_MULTI)
        proxy->multi_there = true;
    if (flags & PROXY_WATCH)
        proxy->watch_there = true;
    if (flags & (PROXY_EXEC | PROXY_DISCARD))
        proxy->multi_there = proxy->watch_there = false;
    if (flags & PROXY_UNWATCH)
        proxy->watch_there = false;
}

/* The oldest is answered, or given up: its bytes go. */
struct proxy_item proxy_drop_item(struct node *node, struct proxy *proxy) {
    struct proxy_item item = *proxy_item_at(proxy, 0);
    close_item(&item);
    follow_answer(proxy, item.flags);
    if (proxy->dial)
        dial_drop(proxy->dial, item.length);
    else
        resp_buf_consume(&proxy->unanswered, item.length, 0);
    proxy->first = (proxy->first + 1) % proxy->capacity;
    proxy->count--;
    if (!(item.flags & PROXY_OURS))
        connection_answered(node, proxy->connection);
    return item;
}

bool proxy_pending(const struct connection *connection) {
    return connection->proxy && connection->proxy->count > 0;
}

bool proxy_is_stateful(const struct proxy *proxy) {
    return proxy->multi || proxy->watching;
}

/* ---- answers that are made here -------------------------------------------------------------------------------- */

void proxy_tell(struct node *node, struct proxy *proxy, unsigned flags, const char *error) {
    struct client *client = proxy->connection->client;
    if (!client || (flags & (PROXY_QUIET | PROXY_OURS)))
        return;
    struct resp_out out = {.buf = &client->out, .protocol = proxy->connection->session.protocol};
    size_t mark = resp_buf_length(out.buf);
    resp_error(&out, "%s", error);
    connection_count_reply(node, NULL, &out, mark);
    client_touch(client);
}

void proxy_tell_not_done(struct node *node, struct proxy *proxy) {
    char text[128];
    unsigned flags = proxy_item_at(proxy, 0)->flags;
    snprintf(text, sizeof text, "CLUSTERDOWN node %llu does not lead any more; not executed",
             (unsigned long long)proxy->to);
    proxy_tell(node, proxy, flags, text);
    proxy_drop_item(node, proxy);
}

/* What is queued may take effect with the EXEC behind it; a read of somebody who watches is asked of no other leader, but changes nothing. */
void proxy_tell_doubt(struct node *node, struct proxy *proxy, const char *why) {
    char text[160];
    unsigned flags = proxy_item_at(proxy, 0)->flags;
    if (!(flags & (PROXY_CHANGES | PROXY_MULTI | PROXY_QUEUED))) {
        snprintf(text, sizeof text, "CLUSTERDOWN %s this read; not executed", why);
    } else {
        snprintf(text, sizeof text, "INDOUBT %s; the command may or may not have taken effect", why);
        if (!(flags & PROXY_OURS)) {
            node->statistics.in_doubt++;
            node->proxies.in_doubt++;
        }
    }
    proxy_tell(node, proxy, flags, text);
    proxy_drop_item(node, proxy);
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
        proxy_tell_not_done(node, proxy);
}

/* -MOVED: whoever answers there does not lead. The request waits to go elsewhere, or its sender is told. */
static void take_refusal(struct node *node, struct proxy *proxy) {
    if (proxy->to == node->raft_status.leader && proxy->term == node->raft_status.term) {
        node->proxies.not_leader = proxy->to;
        node->proxies.not_leader_term = node->raft_status.term;
    }
    if (proxy_item_at(proxy, proxy->refused)->flags & PROXY_REPEATABLE) {
        proxy->refused++;
        return;
    }
    tell_refused(node, proxy);
    proxy_tell_not_done(node, proxy);
}

/* It waits for an element at a leader that has lost its quorum and gives up; another has one. */
static bool is_given_up(const struct node *node, const struct proxy *proxy) {
    raft_id leader = node->raft_status.leader;
    return (proxy_item_at(proxy, proxy->refused)->flags & PROXY_BLOCKS) && leader != 0 &&
           leader != proxy->to && reply_scan_begins(&proxy->scan, "-CLUSTERDOWN ");
}

/* The EXEC of a transaction of which something was refused. */
static bool is_refused_exec(const struct proxy *proxy) {
    size_t at = proxy->refused;
    return at > 0 && (proxy_item_at(proxy, at)->flags & PROXY_EXEC) &&
           (proxy_item_at(proxy, at - 1)->flags & PROXY_QUEUED) &&
           reply_scan_begins(&proxy->scan, "-EXECABORT ");
}

static bool is_refusal(const struct node *node, const struct proxy *proxy) {
    return !proxy->passing && !reply_scan_is_push(&proxy->scan) &&
           (reply_scan_begins(&proxy->scan, "-MOVED ") || is_refused_exec(proxy) || is_given_up(node, proxy));
}

/* The leader does not know; the log will. */
static bool is_doubt(const struct proxy *proxy) {
    return !proxy->passing && !reply_scan_is_push(&proxy->scan) &&
           (proxy_item_at(proxy, proxy->refused)->flags & PROXY_CHANGES) &&
           reply_scan_begins(&proxy->scan, "-INDOUBT ");
}

/* A whole reply was read. False: its bytes are not for the client. */
static bool take_reply(struct node *node, struct proxy *proxy) {
    if (reply_scan_is_push(&proxy->scan))
        return true;
    if (is_refusal(node, proxy)) {
        take_refusal(node, proxy);
        return false;
    }
    tell_refused(node, proxy);
    struct proxy_item item = proxy_drop_item(node, proxy);
    if (item.flags & PROXY_EXEC)
        follow_select(proxy);
    return !(item.flags & (PROXY_QUIET | PROXY_OURS));
}

/* Of a long reply, what is there. */
static void pass_piece(struct node *node, struct proxy *proxy, const char *bytes, size_t length) {
    if (!reply_scan_is_push(&proxy->scan))
        tell_refused(node, proxy);
    bool wanted = reply_scan_is_push(&proxy->scan) ||
                  !(proxy_item_at(proxy, proxy->refused)->flags & (PROXY_QUIET | PROXY_OURS));
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
        if (waits && is_doubt(proxy)) {
            proxy->doubted = true;
            break;
        }
        if ((waits && is_refusal(node, proxy)) ||
            proxy->refused > 0) { /* something is said here in between */
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
    const struct session *session =
        &proxy->connection->session; /* one that listens may be told between replies */
    bool in_pieces = session->protocol == 2 || !subscriber_listens(&session->subscriber);
    if ((in_pieces && proxy->scanned > PIECE_BYTES) || (proxy->passing && proxy->scanned > 0)) {
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

void proxy_take_news(struct node *node, struct proxy *proxy) {
    struct dial *dial = proxy->dial;
    if (resp_buf_length(&dial->in) > 0 && !read_replies(node, proxy)) {
        log_warning(node->logger, "node %llu answers a proxy with what is no reply",
                    (unsigned long long)proxy->to);
        proxy_lose(node, proxy, "what it answers is no reply");
        return;
    }
    if (dial->gone || proxy->doubted) {
        proxy_lose(node, proxy, dial->gone ? dial->why : "it cannot tell what became of a request");
        return;
    }
    if (proxy->refused > 0 && proxy->refused == proxy->count) {
        proxy_lose(node, proxy, "it does not lead any more");
        return;
    }
    if (connection_is_unread(proxy->connection) && !proxy->paused) {
        proxy->paused = true;
        node->proxies.paused++;
        dial_pause(dial, true);
    }
}
