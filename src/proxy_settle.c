/* SPDX-License-Identifier: MIT */
/*
 * What becomes of a proxy's requests when their leader is lost before it has answered.
 *
 *     upstream of term 5     INCR a | GET b | BLPOP q 9 | INCR c          sent, not answered; then the leader dies
 *     the log of term 5        |                            |
 *     applied here           done :7                      not there
 *     term 6, applied here   nothing of term 5 can come any more (origin.h), so it is settled:
 *
 *         INCR a        :7, as applying has made it here
 *         GET b         goes to the next leader, like everything behind the last that is done
 *         BLPOP q 9     the same, with what is left of its time
 *         INCR c        the same
 *
 * What stands before one that is done cannot be done any more in its order: it is refused, -CLUSTERDOWN. When nothing of a later term is
 * applied in time, and where a state came here whole instead of its entries, what may have changed data is -INDOUBT.
 *
 * The upstream's session is lost too. What had been queued in an open transaction is known here, and is queued again at the next
 * leader, or here, if this node has become it; the client has its +QUEUED already, so those replies are dropped. A watch cannot be had
 * back. But an EXEC that stood on it and is certainly not done may answer nil, which is what a watch is for.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

static const struct resp_limits stored = {
    .bulk_max = SIZE_MAX / 4, .args_max = SIZE_MAX / 4, .inline_max = SIZE_MAX / 4};

/* ---- what is applied here ---------------------------------------------------------------------------------------- */

bool proxy_claims(struct node *node, const struct origin *origin, struct proxy_claim *claim) {
    if (origin->node == 0 || origin->node != node->conf->raft_id)
        return false;
    struct proxy *proxy = node->proxies.buckets[origin->upstream % PROXY_BUCKETS];
    while (proxy && proxy->upstream != origin->upstream)
        proxy = proxy->next_in_bucket;
    if (!proxy || origin->request >= proxy->requests || proxy->requests - origin->request > proxy->count)
        return false;
    size_t at = proxy->count - (size_t)(proxy->requests - origin->request);
    *claim = (struct proxy_claim){.proxy = proxy, .item = proxy_item_at(proxy, at)};
    return (claim->item->flags & PROXY_CHANGES) && !(claim->item->flags & PROXY_DONE);
}

struct resp_buf *proxy_claim_begin(const struct proxy_claim *claim) {
    struct proxy_item *item = claim->item;
    if (item->flags & PROXY_QUIET)
        return NULL;
    item->reply = calloc(1, sizeof *item->reply);
    if (!item->reply)
        abort();
    return item->reply;
}

void proxy_claim_end(struct node *node, const struct proxy_claim *claim, bool done) {
    struct proxy_item *item = claim->item;
    (void)node;
    if (done) {
        item->flags |= PROXY_DONE;
    } else if (item->reply) {
        resp_buf_close(item->reply);
        free(item->reply);
        item->reply = NULL;
    }
}

const struct proxy_transaction *proxy_claim_transaction(const struct proxy_claim *claim) {
    const struct proxy_transaction *transaction = claim->item->transaction;
    bool known = transaction && transaction->plain && !transaction->forgotten && claim->proxy->multi_db < 0;
    return known ? transaction : NULL;
}

void proxy_replaced(struct node *node) {
    for (struct proxy *proxy = node->proxies.first; proxy; proxy = proxy->next)
        for (size_t i = 0; i < proxy->count; i++)
            if (proxy_item_at(proxy, i)->flags & PROXY_CHANGES)
                proxy_item_at(proxy, i)->flags |= PROXY_UNKNOWN;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void close_client(struct node *node, struct proxy *proxy) {
    proxy->connection->session.close = true;
    connection_queue(node, proxy->connection);
}

static struct resp_out out_of(const struct proxy *proxy, unsigned flags) {
    struct client *client = proxy->connection->client;
    bool told = client && !client->gone && !(flags & (PROXY_QUIET | PROXY_OURS));
    if (told)
        client_touch(client);
    return (struct resp_out){.buf = told ? &client->out : NULL,
                             .protocol = proxy->connection->session.protocol};
}

/* The reply that applying has made. */
static void tell_done(struct node *node, struct proxy *proxy) {
    const struct proxy_item *item = proxy_item_at(proxy, 0);
    struct resp_out out = out_of(proxy, item->flags);
    if (!item->reply && !(item->flags & PROXY_QUIET)) {
        proxy_tell_doubt(node, proxy, "the leader was lost with the reply: this has taken effect");
        return;
    }
    if (out.buf && item->reply)
        resp_buf_append(out.buf, resp_buf_bytes(item->reply), resp_buf_length(item->reply));
    node->proxies.settled++;
    proxy_drop_item(node, proxy);
}

/* What the leader says to a command of a transaction before EXEC. */
static void tell_taken(struct node *node, struct proxy *proxy) {
    unsigned flags = proxy_item_at(proxy, 0)->flags;
    struct resp_out out = out_of(proxy, flags);
    resp_status(&out, flags & PROXY_QUEUED ? "QUEUED" : "OK");
    proxy_drop_item(node, proxy);
}

/* The EXEC or DISCARD that ends the transaction whose part the request is, from `at` on; SIZE_MAX: it is none, or not ended yet. */
static size_t end_of(const struct proxy *proxy, size_t at) {
    enum { ENDS = PROXY_EXEC | PROXY_DISCARD, PARTS = PROXY_MULTI | PROXY_QUEUED };
    if (!(proxy_item_at(proxy, at)->flags & (ENDS | PARTS)))
        return SIZE_MAX;
    while (at < proxy->count && !(proxy_item_at(proxy, at)->flags & ENDS))
        at++;
    return at < proxy->count ? at : SIZE_MAX;
}

static bool is_open(const struct proxy_item *item, bool decided) {
    return (item->flags & PROXY_CHANGES) && !(item->flags & PROXY_DONE) &&
           (!decided || (item->flags & PROXY_UNKNOWN));
}

/* The first, which stands before one that is done or may be, or is that. */
static void tell_first(struct node *node, struct proxy *proxy, bool decided) {
    const struct proxy_item *item = proxy_item_at(proxy, 0);
    size_t end = end_of(proxy, 0);
    bool taken = end != SIZE_MAX && end > 0 && (proxy_item_at(proxy, end)->flags & PROXY_DONE);
    if (item->flags & PROXY_DONE)
        tell_done(node, proxy);
    else if (taken)
        tell_taken(node, proxy);
    else if (is_open(item, decided) || (item->flags & PROXY_READS))
        proxy_tell_doubt(node, proxy, "the leader was lost before it answered");
    else
        proxy_tell_not_done(node, proxy);
}

/* The watch is lost, so an EXEC that stood on it fails as if a key had changed. False: it has not come yet. */
static bool fail_watched(struct node *node, struct proxy *proxy) {
    enum { ENDS = PROXY_EXEC | PROXY_DISCARD | PROXY_UNWATCH };
    size_t at = 0;
    while (at < proxy->count && !(proxy_item_at(proxy, at)->flags & ENDS))
        at++;
    if (at == proxy->count)
        return false;
    if (!(proxy_item_at(proxy, at)->flags & PROXY_EXEC))
        return true;
    for (; at > 0; at--)
        if (proxy_item_at(proxy, 0)->flags & (PROXY_MULTI | PROXY_QUEUED))
            tell_taken(node, proxy);
        else
            proxy_tell_not_done(node, proxy);
    struct resp_out out = out_of(proxy, proxy_item_at(proxy, 0)->flags);
    resp_null_array(&out);
    node->proxies.settled++;
    proxy_drop_item(node, proxy);
    return true;
}

/* ---- what goes back into the client's input ---------------------------------------------------------------------- */

static void append_timeout(struct resp_buf *request, uint64_t ms, bool in_ms) {
    char text[40];
    snprintf(text, sizeof text, "%" PRIu64 ".%03u", ms / 1000, (unsigned)(ms % 1000));
    if (in_ms)
        resp_request_unsigned(request, ms);
    else
        resp_request_text(request, text);
}

/* A command that waits, with what is left of its time; false: it is sent on as it is. */
static bool append_rest(struct node *node, const char *bytes, size_t length, uint64_t begun_ms,
                        struct resp_buf *request) {
    struct resp_command command;
    struct command_wait wanted;
    resp_parser_reset(node->item_parser);
    if (resp_parse(node->item_parser, bytes, length, &stored, &command) != RESP_COMMAND)
        return false;
    const struct command *row = command_find(command.args, command.count);
    if (!row || !command_waits(command.args, command.count, row, &wanted) || wanted.timeout_ms == 0 ||
        wanted.timeout_at == 0)
        return false;
    uint64_t waited_ms = node->now_ms - begun_ms;
    resp_request(request, command.count);
    for (size_t i = 0; i < command.count; i++)
        if (i == wanted.timeout_at)
            append_timeout(request, wanted.timeout_ms > waited_ms ? wanted.timeout_ms - waited_ms : 1,
                           wanted.in_ms);
        else
            resp_request_bulk(request, command.args[i].bytes, command.args[i].length);
    return true;
}

static void put_before(struct node *node, struct connection *connection, struct resp_buf *requests) {
    struct resp_buf *in = &connection->client->in;
    if (resp_buf_length(in) > 0)
        resp_buf_append(requests, resp_buf_bytes(in), resp_buf_length(in));
    resp_buf_close(in);
    *in = *requests;
    resp_parser_reset(connection->parser);
    connection_queue(node, connection);
}

/* All requests that are left, to the front of the client's input. */
static void give_back(struct node *node, struct proxy *proxy) {
    struct connection *connection = proxy->connection;
    struct resp_buf whole = {0};
    resp_buf_reserve(&whole,
                     resp_buf_length(&proxy->unanswered) + resp_buf_length(&connection->client->in) + 1);
    if (proxy->count > 0 && (proxy_item_at(proxy, 0)->flags & PROXY_SKIPPED))
        connection->session.reply_mode = REPLY_SKIP_NEXT;
    while (proxy->count > 0) {
        const struct proxy_item *item = proxy_item_at(proxy, 0);
        const char *bytes = resp_buf_bytes(&proxy->unanswered);
        if (!(item->flags & PROXY_BLOCKS) || !append_rest(node, bytes, item->length, item->begun_ms, &whole))
            resp_buf_append(&whole, bytes, item->length);
        node->proxies.repeated++;
        proxy_drop_item(node, proxy);
    }
    put_before(node, connection, &whole);
}

bool proxy_takes_wait(struct node *node, const struct wait *wait) {
    struct connection *connection = wait->connection;
    const struct raft_status *status = &node->raft_status;
    bool elsewhere = status->leader != 0 && status->role != RAFT_LEADER;
    if (node->conf->follower_mode != CONF_PROXY || connection->via != 0 || !elsewhere || node->stopping)
        return false;
    struct resp_buf request = {0};
    const char *bytes = resp_buf_bytes(&wait->request);
    size_t length = resp_buf_length(&wait->request);
    if (!append_rest(node, bytes, length, wait->begun_ms, &request))
        resp_buf_append(&request, bytes, length);
    if (wait->quiet && connection->session.reply_mode == REPLY_ON)
        connection->session.reply_mode = REPLY_SKIP_NEXT;
    put_before(node, connection, &request);
    return true;
}

/* ---- the transaction that is lost with the upstream -------------------------------------------------------------- */

struct proxy_transaction *proxy_transaction_new(void) {
    struct proxy_transaction *open = calloc(1, sizeof *open);
    if (!open)
        abort();
    open->plain = true;
    return open;
}

void proxy_queue(const struct node *node, struct proxy *proxy, const struct command *row,
                 const struct resp_command *command) {
    struct proxy_transaction *open = proxy->open;
    int64_t db;
    open->count++;
    open->plain &= row && !row->session;
    open->forgotten |= resp_buf_length(&open->queue) + command->raw_length > node->conf->entry_bytes_max;
    if (open->forgotten)
        resp_buf_close(&open->queue);
    else
        resp_buf_append(&open->queue, command->raw, command->raw_length);
    if (row && strcmp(row->name, "select") == 0 && command->count == 2 &&
        resp_arg_integer(&command->args[1], &db) && db >= 0 && db < (int64_t)node->conf->databases)
        proxy->multi_db = db;
}

static void free_transaction(struct proxy_transaction *transaction) {
    if (transaction)
        resp_buf_close(&transaction->queue);
    free(transaction);
}

void proxy_forget_transaction(struct node *node, struct proxy *proxy) {
    free_transaction(proxy->open);
    proxy->open = NULL;
    proxy->multi = false;
    proxy->multi_db = -1;
    node->proxies.restoring -= proxy->restore;
    proxy->restore = false;
}

/* The first commands of it alone. */
static void cut(struct node *node, struct proxy_transaction *transaction, size_t count) {
    struct resp_command command;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        resp_parser_reset(node->item_parser);
        enum resp_outcome outcome = resp_parse(node->item_parser, resp_buf_bytes(&transaction->queue) + at,
                                               resp_buf_length(&transaction->queue) - at, &stored, &command);
        assert(outcome == RESP_COMMAND);
        (void)outcome;
        at += command.consumed;
    }
    resp_buf_truncate(&transaction->queue, at);
    transaction->count = count;
}

/* What was queued and answered, of the transaction in which the first of the requests stands. False: that is not known. */
static bool keep_transaction(struct node *node, struct proxy *proxy) {
    struct proxy_transaction *lost = proxy->open;
    size_t unanswered = 0;
    for (size_t i = 0; i < proxy->count; i++) {
        struct proxy_item *item = proxy_item_at(proxy, i);
        if (item->transaction) {
            free_transaction(proxy->open);
            lost = proxy->open = item->transaction;
            item->transaction = NULL;
            break;
        }
        unanswered += (item->flags & PROXY_QUEUED) != 0;
    }
    assert(lost && lost->count >= unanswered);
    if (lost->forgotten)
        return false;
    cut(node, lost, lost->count - unanswered);
    node->proxies.restoring += !proxy->restore;
    proxy->restore = proxy->multi = true;
    return true;
}

/* Their answers are nobody's: what was said again to an upstream that is lost too is said once more. */
static void drop_ours(struct node *node, struct proxy *proxy) {
    while (proxy->count > 0 && (proxy_item_at(proxy, 0)->flags & PROXY_OURS)) {
        proxy->refused -= proxy->refused > 0;
        proxy_drop_item(node, proxy);
    }
}

void proxy_send_restored(struct node *node, struct proxy *proxy) {
    enum { FLAGS = PROXY_OURS | PROXY_REPEATABLE };
    struct dial *dial = proxy->dial;
    const struct resp_buf *queue = &proxy->open->queue;
    size_t before = resp_buf_length(&dial->out);
    resp_request(&dial->out, 1);
    resp_request_text(&dial->out, "MULTI");
    proxy_add_item(proxy, resp_buf_length(&dial->out) - before, FLAGS | PROXY_MULTI);
    for (size_t i = 0; i < proxy->open->count; i++)
        proxy_add_item(proxy, i == 0 ? resp_buf_length(queue) : 0, FLAGS | PROXY_QUEUED);
    if (resp_buf_length(queue) > 0)
        resp_buf_append(&dial->out, resp_buf_bytes(queue), resp_buf_length(queue));
    dial_touch(dial);
    node->proxies.restoring--;
    proxy->restore = false;
}

void proxy_take_over(struct node *node, struct proxy *proxy) {
    static const char unknown[] = "*1\r\n$12\r\nRAFT.REFUSED\r\n";
    static const struct resp_command refusal = {.raw = unknown, .raw_length = sizeof unknown - 1};
    struct connection *connection = proxy->connection;
    struct resp_buf *queue = &connection->transaction.queue;
    assert(proxy->count == 0 && connection->pending == 0);
    upstream_close(node, proxy);
    proxy->open = proxy_transaction_new();
    for (struct resp_command command; resp_buf_length(queue) > 0;) {
        resp_parser_reset(node->item_parser);
        if (resp_parse(node->item_parser, resp_buf_bytes(queue), resp_buf_length(queue), &stored, &command) !=
            RESP_COMMAND)
            abort();
        proxy_queue(node, proxy, command_find(command.args, command.count), &command);
        resp_buf_consume(queue, command.consumed, 0);
    }
    if (connection->session.multi.failed)
        proxy_queue(node, proxy, NULL, &refusal);
    transaction_drop(node, connection);
    proxy->multi = proxy->restore = true;
    node->proxies.restoring++;
}

/* This node leads now: the transaction goes on here. */
static void go_on_here(struct node *node, struct proxy *proxy) {
    struct connection *connection = proxy->connection;
    struct session_multi *multi = &connection->session.multi;
    struct resp_buf *queue = &proxy->open->queue;
    assert(!multi->open && proxy->count == 0);
    multi->open = true;
    while (resp_buf_length(queue) > 0) {
        struct resp_command command;
        resp_parser_reset(node->item_parser);
        if (resp_parse(node->item_parser, resp_buf_bytes(queue), resp_buf_length(queue), &stored, &command) !=
            RESP_COMMAND)
            abort();
        const struct command *row = command_find(command.args, command.count);
        if (row && command_arity_ok(row, command.count) && (row->run || row->session))
            transaction_queue(connection, row, &command);
        else
            multi->failed = true;
        resp_buf_consume(queue, command.consumed, 0);
    }
    proxy_forget_transaction(node, proxy);
    upstream_close(node, proxy);
    connection_queue(node, connection);
}

/* ---- settling ---------------------------------------------------------------------------------------------------- */

/* So many of the first are answered here: none behind them is done, or may be. */
static size_t count_told(const struct proxy *proxy, bool decided) {
    size_t told = 0;
    for (size_t i = 0; i < proxy->count; i++) {
        const struct proxy_item *item = proxy_item_at(proxy, i);
        if ((item->flags & PROXY_DONE) || is_open(item, decided))
            told = i + 1;
    }
    return told;
}

static bool is_undecided(const struct proxy *proxy) {
    for (size_t i = 0; i < proxy->count; i++)
        if (is_open(proxy_item_at(proxy, i), false))
            return true;
    return false;
}

void proxy_settle(struct node *node, struct proxy *proxy) {
    bool decided = node->applied_term > proxy->term;
    bool overdue = node->stopping || node->now_ms - proxy->lost_ms > node->conf->outcome_timeout_ms;
    assert(proxy->phase == PROXY_LOST);
    drop_ours(node, proxy);
    if (!decided && !overdue && is_undecided(proxy))
        return;
    for (size_t told = count_told(proxy, decided); told > 0; told--)
        tell_first(node, proxy, decided);
    bool failed = proxy->watch_there && !fail_watched(node, proxy);
    bool inside = proxy->multi_there;
    failed |= inside && !failed && !keep_transaction(node, proxy);
    while (failed && proxy->count > 0)
        proxy_tell_not_done(node, proxy);
    if (!inside || failed)
        proxy_forget_transaction(node, proxy);
    if (proxy->count > 0)
        give_back(node, proxy);
    upstream_close(node, proxy);
    if (failed)
        close_client(node, proxy);
}

/* What was not sent to its last byte, or was refused, is certainly not done. */
static void sort_out(struct proxy *proxy) {
    size_t end = 0;
    for (size_t i = 0; i < proxy->count; i++) {
        struct proxy_item *item = proxy_item_at(proxy, i);
        end += item->length;
        if (end > proxy->dial->sent || i < proxy->refused)
            item->flags &= ~(unsigned)PROXY_CHANGES;
    }
    proxy->refused = 0;
}

void proxy_lose(struct node *node, struct proxy *proxy, const char *why) {
    log_verbose(node->logger, "lost the way to node %llu for %s: %s; %zu requests unanswered",
                (unsigned long long)proxy->to, proxy->connection->session.address, why, proxy->count);
    bool in_part = proxy->passing;
    sort_out(proxy);
    while (in_part && proxy->count > 0)
        proxy_drop_item(node, proxy);
    upstream_lose(node, proxy);
    if (in_part) {
        proxy_leave(node, proxy->connection);
        close_client(node, proxy);
    } else {
        proxy_settle(node, proxy);
    }
}

void proxy_settle_turn(struct node *node) {
    struct proxies *proxies = &node->proxies;
    bool leads = node->raft_status.role == RAFT_LEADER && node->raft_status.serving;
    if (proxies->lost == 0 && (proxies->restoring == 0 || !leads))
        return;
    for (struct proxy *proxy = proxies->first; proxy; proxy = proxy->next) {
        if (proxy->phase == PROXY_LOST)
            proxy_settle(node, proxy);
        if (proxy->restore && leads && proxy->connection->client)
            go_on_here(node, proxy);
    }
}
