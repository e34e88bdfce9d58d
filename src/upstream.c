/* SPDX-License-Identifier: MIT */
/*
 * A proxy's connection to the leader, until it is open.
 *
 *     follower                                  leader
 *     RAFT.HELLO ...              ->
 *                                 <-  its answer, with its proof
 *     RAFT.AUTH, RAFT.CLIENT ...  ->
 *                                 <-  +OK +OK                          from here on: the client's commands
 *
 * It begins as a peer's does (admission.h): both sides prove that they know the cluster's secret. Then RAFT.CLIENT makes it the
 * connection of one client, whom the follower has let in itself; the client's password never travels on.
 *
 * When a leader is lost all clients of a proxy want a new upstream at once. Only so many are under way at a time, the others
 * wait in a row; and when a dial fails all rest for a while, which doubles.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum { DIALLING_MAX = 32, REST_MIN_MS = 20, REST_MAX_MS = 500, DIAL_MS = 1000 };

/* ---- the row of those that wait -------------------------------------------------------------------------------- */

static void wait_in_row(struct node *node, struct proxy *proxy) {
    struct proxies *proxies = &node->proxies;
    proxy->phase = PROXY_WAITING;
    proxy->next_waiting = NULL;
    if (proxies->waiting_last)
        proxies->waiting_last->next_waiting = proxy;
    else
        proxies->waiting = proxy;
    proxies->waiting_last = proxy;
}

static void leave_row(struct node *node, struct proxy *proxy) {
    struct proxies *proxies = &node->proxies;
    struct proxy **at = &proxies->waiting, *before = NULL;
    while (*at != proxy) {
        before = *at;
        at = &(*at)->next_waiting;
    }
    *at = proxy->next_waiting;
    if (proxies->waiting_last == proxy)
        proxies->waiting_last = before;
    proxy->phase = PROXY_CLOSED;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

void upstream_want(struct node *node, struct proxy *proxy) {
    if (proxy->phase == PROXY_CLOSED)
        wait_in_row(node, proxy);
}

static void number_upstream(struct proxies *proxies, struct proxy *proxy) {
    proxy->upstream = ++proxies->last_upstream;
    proxy->requests = 0;
    struct proxy **bucket = &proxies->buckets[proxy->upstream % PROXY_BUCKETS];
    proxy->next_in_bucket = *bucket;
    *bucket = proxy;
}

static void forget_number(struct proxies *proxies, struct proxy *proxy) {
    struct proxy **at = &proxies->buckets[proxy->upstream % PROXY_BUCKETS];
    while (*at != proxy)
        at = &(*at)->next_in_bucket;
    *at = proxy->next_in_bucket;
    proxy->upstream = 0;
}

static void close_dial(struct node *node, struct proxy *proxy) {
    node->proxies.paused -= proxy->paused;
    proxy->paused = proxy->passing = proxy->doubted = false;
    proxy->scan = (struct reply_scan){0};
    proxy->scanned = 0;
    proxy->estranged_ms = 0;
    dial_free(proxy->dial);
    proxy->dial = NULL;
    free(proxy->exchange);
    proxy->exchange = NULL;
    resp_buf_close(&proxy->told);
    proxy->wrote_before = proxy->wrote;
}

void upstream_lose(struct node *node, struct proxy *proxy) {
    assert(proxy->phase == PROXY_OPEN);
    proxy->unanswered = proxy->dial->out;
    proxy->dial->out = (struct resp_buf){.bytes = NULL};
    close_dial(node, proxy);
    node->proxies.open--;
    node->proxies.lost++;
    proxy->lost_ms = node->now_ms;
    proxy->phase = PROXY_LOST;
}

void upstream_close(struct node *node, struct proxy *proxy) {
    struct proxies *proxies = &node->proxies;
    if (proxy->phase == PROXY_WAITING)
        leave_row(node, proxy);
    if (proxy->phase == PROXY_CLOSED)
        return;
    if (proxy->phase == PROXY_OPEN)
        proxies->open--;
    else if (proxy->phase == PROXY_LOST)
        proxies->lost--;
    else
        proxies->dialling--;
    if (proxy->dial)
        close_dial(node, proxy);
    resp_buf_close(&proxy->unanswered);
    forget_number(proxies, proxy);
    proxy->multi_there = proxy->watch_there = proxy->watching = false;
    if (!proxy->restore)
        proxy_forget_transaction(node, proxy);
    proxy->phase = PROXY_CLOSED;
}

/* Its client goes on waiting, and asks again, until its patience is over. */
static void fail(struct node *node, struct proxy *proxy, const char *why) {
    struct proxies *proxies = &node->proxies;
    snprintf(proxy->why, sizeof proxy->why, "%.*s", (int)strcspn(why, "\r"), why);
    proxies->rest_ms = proxies->rest_ms == 0                ? REST_MIN_MS
                       : 2 * proxies->rest_ms > REST_MAX_MS ? REST_MAX_MS
                                                            : 2 * proxies->rest_ms;
    proxies->rest_until_ms = node->now_ms + proxies->rest_ms;
    log_verbose(node->logger, "no way to node %llu for %s: %s", (unsigned long long)proxy->to,
                proxy->connection->session.address, proxy->why);
    upstream_close(node, proxy);
    wait_in_row(node, proxy);
}

/* False: not now. */
static bool dial(struct node *node, struct proxy *proxy) {
    raft_id leader = node->raft_status.leader;
    char host[CONF_HOST_MAX];
    unsigned port;
    const struct peer *peer = peers_find(node, leader);
    if (!peer || !peers_address(node, leader, host, &port))
        return false;
    const char *address = link_address(peer->link);
    if (!address[0])
        return false;
    leave_row(node, proxy);
    proxy->phase = PROXY_CONNECTING;
    proxy->to = leader;
    proxy->term = node->raft_status.term;
    number_upstream(&node->proxies, proxy);
    proxy->dial = dial_new(node->net, address, port);
    proxy->dial->owner = proxy;
    proxy->dial_by_ms = node->now_ms + DIAL_MS;
    node->proxies.dialling++;
    node->proxies.dialled++;
    return true;
}

/* Numbers begin anywhere: what an earlier run of this node has left in the log is not to be taken for this one's. */
void upstream_open(struct node *node) {
    node->proxies.last_upstream = admission_random() >> 17;
}

void upstream_turn(struct node *node) {
    struct proxies *proxies = &node->proxies;
    const struct raft_status *status = &node->raft_status;
    bool known = node->raft && status->leader != 0 && status->role != RAFT_LEADER &&
                 !(status->leader == proxies->not_leader && status->term == proxies->not_leader_term);
    while (known && proxies->waiting && proxies->dialling < DIALLING_MAX &&
           node->now_ms >= proxies->rest_until_ms && dial(node, proxies->waiting))
        continue;
}

void upstream_look(struct node *node, struct proxy *proxy) {
    if (proxy->dial && proxy->phase != PROXY_OPEN && node->now_ms >= proxy->dial_by_ms)
        fail(node, proxy, "no answer in time");
}

/* ---- the handshake --------------------------------------------------------------------------------------------- */

static void greet(struct node *node, struct proxy *proxy) {
    proxy->exchange = malloc(sizeof *proxy->exchange);
    if (!proxy->exchange)
        abort();
    admission_hello(&node->admission, proxy->to, proxy->exchange, &proxy->dial->out);
    dial_touch(proxy->dial);
    proxy->phase = PROXY_GREETING;
}

/* The answer's arguments stand in the form of a request. */
static void prove(struct node *node, struct proxy *proxy) {
    static const struct resp_limits limits = {.bulk_max = 64 * 1024, .args_max = 64, .inline_max = 1024};
    struct resp_buf *in = &proxy->dial->in, *out = &proxy->dial->out;
    struct resp_command answer;
    char why[ADMISSION_WHY_MAX] = "it answers the handshake with something else";
    resp_parser_reset(node->item_parser);
    enum resp_outcome outcome =
        resp_parse(node->item_parser, resp_buf_bytes(in), resp_buf_length(in), &limits, &answer);
    if (outcome == RESP_INCOMPLETE)
        return;
    if (outcome != RESP_COMMAND ||
        !admission_prove(&node->admission, answer.args, answer.count, proxy->exchange, out, why)) {
        fail(node, proxy, why);
        return;
    }
    resp_buf_consume(in, answer.consumed, 0);
    proxied_write(&proxy->told, node, proxy->connection);
    resp_buf_append(out, resp_buf_bytes(&proxy->told), resp_buf_length(&proxy->told));
    dial_touch(proxy->dial);
    proxy->retell = false;
    proxy->phase = PROXY_PROVING;
}

static void opened(struct node *node, struct proxy *proxy) {
    assert(proxy->dial->sent == resp_buf_length(&proxy->dial->out));
    resp_buf_consume(&proxy->dial->in, resp_buf_length(&proxy->dial->in), 0);
    dial_drop(proxy->dial, proxy->dial->sent);
    free(proxy->exchange);
    proxy->exchange = NULL;
    proxy->why[0] = 0;
    proxy->phase = PROXY_OPEN;
    node->proxies.dialling--;
    node->proxies.open++;
    node->proxies.rest_ms = 0;
    connection_queue(node, proxy->connection);
}

void upstream_step(struct node *node, struct proxy *proxy) {
    static const char welcome[] = "+OK\r\n+OK\r\n";
    struct dial *dial = proxy->dial;
    if (proxy->phase == PROXY_CONNECTING && dial->up)
        greet(node, proxy);
    const char *bytes = resp_buf_bytes(&dial->in);
    size_t length = resp_buf_length(&dial->in);
    const char *refusal = length > 0 && *bytes == '-' ? bytes : NULL;
    if (!refusal && length > 5 && bytes[0] == '+' && bytes[5] == '-')
        refusal = bytes + 5; /* let in, but not as this client */
    const char *line_end = refusal ? memchr(refusal, '\r', length - (size_t)(refusal - bytes)) : NULL;
    if (line_end)
        fail(node, proxy, refusal + 1); /* up to the line's end */
    else if (dial->gone)
        fail(node, proxy, dial->why);
    else if (proxy->phase == PROXY_GREETING && length > 0 && !refusal)
        prove(node, proxy);
    else if (proxy->phase == PROXY_PROVING && length >= sizeof welcome - 1 && !refusal) {
        if (length == sizeof welcome - 1 && memcmp(bytes, welcome, length) == 0 &&
            dial->sent == resp_buf_length(&dial->out))
            opened(node, proxy);
        else
            fail(node, proxy, "it answers the handshake with something else");
    }
}
