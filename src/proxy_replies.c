/* SPDX-License-Identifier: MIT */
/* A proxy's requests until they are answered: the replies on their way back, and what is told or done when there are none (proxy.c). */
#include "proxy.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum { PIECE_BYTES = 256 * 1024 }; /* a reply longer than this is passed on in pieces */

static const char text_lost[] = "the leader was lost before it answered";

/* ---- the ring of requests -------------------------------------------------------------------------------------- */

struct proxy_item *proxy_item_at(const struct proxy *proxy, size_t i) {
    assert(i < proxy->count);
    return &proxy->items[(proxy->first + i) % proxy->capacity];
}

void proxy_add_item(struct proxy *proxy, size_t length, unsigned flags) {
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
    *proxy_item_at(proxy, proxy->count - 1) = (struct proxy_item){.length = length, .flags = flags};
}

/* The oldest is answered, or given up: its bytes go. */
struct proxy_item proxy_drop_item(struct node *node, struct proxy *proxy) {
    struct proxy_item item = *proxy_item_at(proxy, 0);
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

static void tell_not_done(struct node *node, struct proxy *proxy) {
    char text[128];
    unsigned flags = proxy_item_at(proxy, 0)->flags;
    snprintf(text, sizeof text, "CLUSTERDOWN node %llu does not lead any more; not executed",
             (unsigned long long)proxy->to);
    proxy_tell(node, proxy, flags, text);
    proxy_drop_item(node, proxy);
}

void proxy_tell_doubt(struct node *node, struct proxy *proxy, const char *why) {
    char text[160];
    unsigned flags = proxy_item_at(proxy, 0)->flags;
    if (flags & PROXY_READS) {
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

/* ---- what is certainly not done goes back ---------------------------------------------------------------------- */

/* All requests that are left, to the front of the client's input. */
static void give_back(struct node *node, struct proxy *proxy) {
    struct connection *connection = proxy->connection;
    struct resp_buf *in = &connection->client->in, whole = {0};
    resp_buf_reserve(&whole, resp_buf_length(&proxy->dial->out) + resp_buf_length(in) + 1);
    if (proxy->count > 0 && (proxy_item_at(proxy, 0)->flags & PROXY_SKIPPED))
        connection->session.reply_mode = REPLY_SKIP_NEXT;
    while (proxy->count > 0) {
        const struct proxy_item *item = proxy_item_at(proxy, 0);
        if (!(item->flags & PROXY_OURS)) {
            resp_buf_append(&whole, resp_buf_bytes(&proxy->dial->out), item->length);
            node->proxies.repeated++;
        }
        proxy_drop_item(node, proxy);
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
        const struct proxy_item *item = proxy_item_at(proxy, i);
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
void proxy_lose(struct node *node, struct proxy *proxy, const char *why) {
    bool must_close = proxy->passing || proxy_is_stateful(proxy);
    log_verbose(node->logger, "lost the way to node %llu for %s: %s; %zu requests unanswered",
                (unsigned long long)proxy->to, proxy->connection->session.address, why, proxy->count);
    if (proxy->passing)
        while (proxy->count > 0)
            proxy_drop_item(node, proxy);
    for (size_t doubtful = count_doubtful(proxy); doubtful > 0; doubtful--)
        if (proxy->refused > 0) {
            proxy->refused--;
            tell_not_done(node, proxy);
        } else {
            proxy_tell_doubt(node, proxy, text_lost);
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
    if (proxy_item_at(proxy, proxy->refused)->flags & PROXY_REPEATABLE) {
        proxy->refused++;
        return;
    }
    tell_refused(node, proxy);
    bool closes = proxy_is_stateful(proxy);
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
    bool in_pieces =
        proxy->connection->session.protocol == 2; /* in RESP3 a push may come, and not within a reply */
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
    struct client *client = proxy->connection->client;
    if (resp_buf_length(&dial->in) > 0 && !read_replies(node, proxy)) {
        log_warning(node->logger, "node %llu answers a proxy with what is no reply",
                    (unsigned long long)proxy->to);
        proxy_lose(node, proxy, "what it answers is no reply");
        return;
    }
    if (dial->gone) {
        proxy_lose(node, proxy, dial->why);
        return;
    }
    if (proxy->refused > 0 && proxy->refused == proxy->count) {
        proxy_lose(node, proxy, "it does not lead any more");
        return;
    }
    bool full = resp_buf_length(&client->out) > NODE_OUT_PATIENCE_BYTES;
    if (full && !proxy->paused) {
        proxy->paused = true;
        node->proxies.paused++;
        dial_pause(dial, true);
    }
}
