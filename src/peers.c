/* SPDX-License-Identifier: MIT */
/*
 * Peers: each node dials each other node, says who it is, and sends its Raft messages over that link; the other's messages come over the
 * connection that the other dialled. Messages are one-way, so no answer waits behind another.
 *
 *     node 1                                     node 2
 *     link to 2  --- RAFT.MSG (appends) -------> connection, admitted as 1
 *     connection, admitted as 2 <-- RAFT.MSG ---- link to 1      (acknowledgements)
 *
 * A link that falls or refuses tells Raft: stop pipelining there; and, when the process is known to be gone, that its leader is.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum {
    CONNECT_TIMEOUT_MS = 1000,
    NEXT_ADDRESS_MS = 2000,
    ASK_AGAIN_MS = 2000,
    SHARED_MIN = 4096, /* bytes of an entry: to remember where fewer are costs as much as to copy them */
};

struct peer *peers_find(struct node *node, raft_id id) {
    for (size_t i = 0; id != 0 && i < node->peer_count; i++)
        if (node->peers[i].id == id)
            return &node->peers[i];
    return NULL;
}

/* ---- who there is ------------------------------------------------------------------------------------------------ */

static void dial(struct node *node, struct peer *peer, enum peer_address which) {
    char host[CONF_HOST_MAX];
    unsigned port;
    if (!member_split_address(peer->addresses[which], host, sizeof host, &port))
        return;
    peer->dialled = which;
    peer->dialled_ms = node->now_ms;
    link_set_address(peer->link, host, port);
}

/* Nobody answers where it was dialled: another address may be right. */
static void dial_next(struct node *node, struct peer *peer) {
    if (node->now_ms - peer->dialled_ms < NEXT_ADDRESS_MS)
        return;
    for (unsigned i = 1; i < PEER_ADDRESSES; i++) {
        enum peer_address which = (enum peer_address)((peer->dialled + i) % PEER_ADDRESSES);
        if (peer->addresses[which][0] == 0)
            continue;
        dial(node, peer, which);
        return;
    }
}

void peers_link(struct node *node, struct peer *peer, const char *host, unsigned port) {
    assert(!peer->link && !peer->exchange);
    peer->exchange = calloc(1, sizeof *peer->exchange);
    if (!peer->exchange)
        abort();
    peer->link = link_new(node->net, host, port, CONNECT_TIMEOUT_MS);
    link_set_owner(peer->link, peer);
}

void peers_unlink(struct peer *peer) {
    if (peer->link)
        link_free(peer->link);
    free(peer->exchange);
    peer->link = NULL;
    peer->exchange = NULL;
}

struct peer *peers_add(struct node *node, raft_id id, enum peer_address which, const char *address) {
    char host[CONF_HOST_MAX];
    unsigned port;
    size_t at = 0;
    assert(id != 0 && !peers_find(node, id));
    while (at < node->peer_count && node->peers[at].id != 0)
        at++;
    if (at == NODE_PEERS_MAX || !member_split_address(address, host, sizeof host, &port))
        return NULL;
    node->peer_count += at == node->peer_count;
    struct peer *peer = &node->peers[at];
    *peer = (struct peer){.id = id, .dialled = which, .dialled_ms = node->now_ms, .port = port};
    strcpy(peer->host, host);
    snprintf(peer->addresses[which], sizeof peer->addresses[which], "%s", address);
    peers_link(node, peer, host, port);
    return peer;
}

void peers_set_address(struct node *node, struct peer *peer, enum peer_address which, const char *address) {
    if (strcmp(peer->addresses[which], address) == 0)
        return;
    snprintf(peer->addresses[which], sizeof peer->addresses[which], "%s", address);
    if (!peer->open)
        dial(node, peer, which);
    if (peer->version[0] == 0)
        member_split_address(address, peer->host, sizeof peer->host, &peer->port);
}

void peers_drop(struct node *node, struct peer *peer) {
    for (struct client *client = net_first_client(node->net); client; client = net_next_client(client)) {
        struct connection *connection = client->owner;
        if (!connection || connection->peer != peer->id)
            continue;
        connection->session.close = true;
        connection_queue(node, connection);
    }
    log_notice(node->logger, "no links with node %llu any more", (unsigned long long)peer->id);
    peers_unlink(peer);
    *peer = (struct peer){0};
}

bool peers_address(struct node *node, raft_id id, char host[CONF_HOST_MAX], unsigned *port) {
    const struct peer *peer = peers_find(node, id);
    return peer && member_split_address(peer->addresses[peer->dialled], host, CONF_HOST_MAX, port);
}

void peers_close(struct node *node) {
    for (size_t i = 0; i < node->peer_count; i++)
        if (node->peers[i].id != 0)
            peers_unlink(&node->peers[i]);
    peers_unlink(&node->host);
    node->peer_count = 0;
}

/* ---- proven ------------------------------------------------------------------------------------------------------ */

/* host:port, or host:port@sentinel-port */
static void take_announced(struct peer *peer, const char *announced) {
    char address[STORE_ADDRESS_MAX], host[CONF_HOST_MAX];
    unsigned port;
    size_t length = strcspn(announced, "@");
    snprintf(address, sizeof address, "%.*s", (int)length, announced);
    peer->sentinel_port = announced[length] ? (unsigned)strtoul(announced + length + 1, NULL, 10) : 0;
    if (!member_split_address(address, host, sizeof host, &port))
        return;
    memcpy(peer->host, host, sizeof host);
    peer->port = port;
}

static struct peer *meet(struct node *node, const struct admission_facts *theirs) {
    struct peer *peer = peers_find(node, theirs->from);
    if (!peer && theirs->address[0] && node->membership.removed_ms == 0) {
        peer = peers_add(node, theirs->from, PEER_SAYS, theirs->address); /* by a list that is not here yet */
        node->membership.sweeping = true;
    }
    if (!peer)
        return NULL;
    snprintf(peer->version, sizeof peer->version, "%s", theirs->version);
    peer->offers = theirs->offers;
    take_announced(peer, theirs->announced);
    peer->refusal[0] = 0;
    membership_met(node, theirs);
    if (admission_meet(&node->admission, theirs))
        start_form(node);
    return peer;
}

static void refuse(struct node *node, struct peer *peer, const char *why) {
    if (peer && strcmp(peer->refusal, why) != 0) {
        log_warning(node->logger, "no link with node %llu: %s", (unsigned long long)peer->id, why);
        snprintf(peer->refusal, sizeof peer->refusal, "%s", why);
    }
}

/* ---- links: we dialled ------------------------------------------------------------------------------------------- */

static void link_up(struct node *node, struct peer *peer) {
    admission_hello(&node->admission, peer->id, peer->exchange, link_out(peer->link));
    link_touch(peer->link);
}

static void link_down(struct node *node, struct peer *peer, const struct link_event *event) {
    if (peer->open)
        log_notice(node->logger, "the link to node %llu fell: %s", (unsigned long long)peer->id, event->why);
    if (!peer->open)
        dial_next(node, peer);
    peer->open = false;
    if (!node->raft)
        return;
    raft_unreachable(node->raft, peer->id);
    if (event->refused && node->now_ms >= node->patient_until_ms)
        raft_leader_gone(node->raft, node->now_ms, peer->id);
}

static void drop(struct node *node, struct peer *peer, const char *why) {
    refuse(node, peer, why);
    link_drop(peer->link, why);
}

static void end_if_outdated(struct node *node, const struct admission_exchange *exchange, const char *why) {
    if (exchange->outdated && node->membership.removed_ms == 0)
        node_fail(node, "this node cannot be a member as it is: %s", why);
}

static void link_opened(struct node *node, struct peer *peer, const struct link_event *event) {
    peer->open = true;
    peer->opened_ms = node->now_ms;
    peer->local = link_is_local(peer->link);
    status_watch_machines(node); /* before anything is sent to it */
    peer->sent_bytes = peer->credited_bytes = 0;
    link_open(peer->link);
    if (!peer->asks_again)
        log_notice(node->logger, "linked to node %llu (%s:%u, redraft %s)", (unsigned long long)peer->id,
                   peer->host, peer->port, peer->exchange->theirs.version);
    peer->asks_again = false;
    meet(node, &peer->exchange->theirs);
    if (event->count > 0 && admission_told(&node->admission, &peer->exchange->theirs, &event->args[0]))
        start_form(node);
}

void peers_ask_again(struct node *node) {
    const struct store_identity *identity = &node->admission.identity;
    for (size_t i = 0; i < node->peer_count && !identity->cluster[0] && identity->member_count > 0; i++) {
        struct peer *peer = &node->peers[i];
        if (!peer->open || node->now_ms - peer->opened_ms < ASK_AGAIN_MS)
            continue;
        peer->open = false;
        peer->asks_again = true;
        link_drop(peer->link, "it may have met all members meanwhile");
    }
}

static void link_reply(struct node *node, struct peer *peer, const struct link_event *event) {
    char why[ADMISSION_WHY_MAX];
    int64_t credited;
    if (event->kind == '-') {
        const char *text = event->count > 0 ? event->args[0].bytes : "";
        int length = event->count > 0 ? (int)event->args[0].length : 0;
        snprintf(why, sizeof why, "it says: %.*s", length, text);
        if (strncmp(text, "LOADING", 7) == 0 || strncmp(text, "WAIT", 4) == 0)
            link_drop(peer->link, why); /* it, or this node, will soon be ready */
        else
            drop(node, peer, why);
        if (strncmp(text, "REMOVED", 7) == 0 && peer->exchange->proven)
            membership_dismissed(node, peer->id);
    } else if (peer->open) {
        if (event->kind == ':' && event->count == 1 && resp_arg_integer(event->args, &credited)) {
            peer->credited_bytes = (uint64_t)credited;
            if (node->raft)
                raft_heard(node->raft, node->now_ms, peer->id);
        } else
            drop(node, peer, "it answers a message with something else than a credit");
    } else if (event->kind == '*') {
        if (admission_prove(&node->admission, event->args, event->count, peer->exchange, link_out(peer->link),
                            why))
            link_touch(peer->link);
        else
            drop(node, peer, why);
        end_if_outdated(node, peer->exchange, why);
    } else if (event->kind == '+' && peer->exchange->theirs.from == peer->id) {
        link_opened(node, peer, event);
    } else {
        drop(node, peer, "it answers the handshake with something else");
    }
}

void peers_take(struct node *node) {
    for (struct link *link; (link = net_take_link(node->net));) {
        struct peer *peer = link_owner(link);
        if (peer == &node->host) {
            join_take(node);
            continue;
        }
        for (struct link_event event; link_take(link, &event);) {
            if (snapshot_out_event(node, link, &event))
                continue;
            if (event.type == LINK_UP)
                link_up(node, peer);
            else if (event.type == LINK_DOWN)
                link_down(node, peer, &event);
            else if (link_state(link) == LINK_CONNECTED)
                link_reply(node, peer, &event);
        }
    }
}

/* ---- messages out ------------------------------------------------------------------------------------------------ */

static void release_blob(void *blob) {
    raft_blob_unref(blob);
}

/* A part of an entry's bytes goes out from where they are: a follower that is far behind would have megabytes of them copied. */
static void share(struct peer *peer, struct raft_blob *data, size_t at, size_t length) {
    link_send_shared(peer->link, data->bytes + at, length, release_blob, raft_blob_ref(data));
    resp_buf_append(link_out(peer->link), "\r\n", 2);
}

static void send_whole(struct peer *peer, const struct raft_message *message, uint64_t clock_ms) {
    struct resp_buf *out = link_out(peer->link);
    wire_write_head(out, message, clock_ms);
    for (size_t i = 0; i < message->entries.count; i++) {
        const struct raft_entry *entry = &message->entries.at[i];
        if (!entry->data || entry->data->length < SHARED_MIN) {
            wire_write_entry(out, entry);
            continue;
        }
        wire_write_entry_head(out, entry);
        share(peer, entry->data, 0, entry->data->length);
    }
}

/* A request with an entry too large for one message goes in pieces: what comes before the entry's bytes, the bytes, CRLF. */
static size_t send_pieces(struct peer *peer, const struct raft_message *message, uint64_t clock_ms) {
    assert(message->entries.count == 1 && message->entries.at[0].data);
    struct raft_blob *data = message->entries.at[0].data;
    struct resp_buf head = {0}, *out = link_out(peer->link);
    wire_write_head(&head, message, clock_ms);
    wire_write_entry_head(&head, &message->entries.at[0]);
    size_t head_length = resp_buf_length(&head), whole = head_length + data->length + 2;
    wire_write_piece_head(out, whole, 0, head_length);
    resp_buf_append(out, resp_buf_bytes(&head), head_length);
    resp_buf_append(out, "\r\n", 2);
    resp_buf_close(&head);
    for (size_t at = 0, length; at < data->length; at += length) {
        length = data->length - at < WIRE_MESSAGE_MAX ? data->length - at : WIRE_MESSAGE_MAX;
        wire_write_piece_head(out, whole, head_length + at, length);
        share(peer, data, at, length);
    }
    wire_write_piece_head(out, whole, whole - 2, 2);
    resp_buf_append(out, "\r\n\r\n", 4);
    return whole;
}

static void send_one(struct node *node, const struct raft_message *message) {
    struct peer *peer = peers_find(node, message->to);
    if (!peer || !peer->open)
        return; /* lost, as any message may be */
    if (peer->sent_bytes - peer->credited_bytes > WIRE_WINDOW_BYTES) {
        raft_unreachable(node->raft, peer->id);
        return;
    }
    size_t size = wire_size(message);
    if (size > WIRE_MESSAGE_MAX && message->entries.count == 1)
        size = send_pieces(peer, message, node_wall_ms(node));
    else
        send_whole(peer, message, node_wall_ms(node));
    peer->sent_bytes += size;
    node->statistics.peer_out++;
    node->statistics.peer_bytes_out += size;
    link_touch(peer->link);
}

void peers_send(struct node *node, const struct raft_messages *messages) {
    for (size_t i = 0; i < messages->count; i++)
        send_one(node, &messages->at[i]);
}

/* ---- messages in ------------------------------------------------------------------------------------------------- */

static void credit(struct connection *connection, size_t bytes) {
    connection->taken_bytes += bytes;
    if (connection->taken_bytes - connection->credited_bytes < WIRE_CREDIT_BYTES || !connection->client)
        return;
    connection->credited_bytes = connection->taken_bytes;
    struct resp_out out = {.buf = &connection->client->out, .protocol = 2};
    resp_integer(&out, (int64_t)connection->taken_bytes);
    client_touch(connection->client);
}

static bool take_message(struct node *node, struct connection *connection, const struct resp_arg *args,
                         size_t count) {
    struct raft_message message;
    uint64_t peer_ms;
    if (!wire_read(args, count, &message, &peer_ms))
        return false;
    bool honest = message.from == connection->peer && message.to == node->admission.identity.node;
    if (honest) {
        struct peer *peer = peers_find(node, message.from);
        if (peer)
            peer->heard_mono_ms = node->now_ms;
        clock_heard(&node->clock, message.from, peer_ms, node_wall_ms(node), node->now_ms);
        node->statistics.peer_in++;
        node->statistics.peer_bytes_in += wire_size(&message);
        bool asks_for_vote = message.type == RAFT_PRE_VOTE || message.type == RAFT_VOTE;
        if (node->raft && !(asks_for_vote && node->now_ms < node->patient_until_ms))
            raft_step(node->raft, node->now_ms, &message);
    }
    wire_free(&message);
    return honest;
}

static bool take_whole(struct node *node, struct connection *connection) {
    static const struct resp_limits limits = {
        .bulk_max = SIZE_MAX / 4, .args_max = 1024 * 1024, .inline_max = 64 * 1024};
    struct resp_command whole;
    resp_parser_reset(node->item_parser);
    const struct resp_buf *buf = &connection->pieces.buf;
    bool good = resp_parse(node->item_parser, resp_buf_bytes(buf), resp_buf_length(buf), &limits, &whole) ==
                    RESP_COMMAND &&
                whole.count > 0 && take_message(node, connection, whole.args, whole.count);
    wire_pieces_close(&connection->pieces);
    return good;
}

static bool take_piece(struct node *node, struct connection *connection, const struct resp_command *command) {
    size_t whole_max = (size_t)node->conf->entry_bytes_max + 2 * WIRE_MESSAGE_MAX;
    if (node->raft)
        raft_heard(node->raft, node->now_ms, connection->peer);
    if (command->count == 4)
        credit(connection, command->args[3].length);
    switch (wire_piece(&connection->pieces, command->args, command->count, whole_max)) {
    case WIRE_PIECE_MORE:
        return true;
    case WIRE_PIECE_WHOLE:
        return take_whole(node, connection);
    default:
        return false;
    }
}

static bool take_request(struct node *node, struct connection *connection,
                         const struct resp_command *command) {
    credit(connection, wire_request_size(command->args, command->count));
    return take_message(node, connection, command->args, command->count);
}

/* ---- connections: they dialled ----------------------------------------------------------------------------------- */

static void hello(struct node *node, struct connection *connection, const struct resp_command *command) {
    char why[ADMISSION_WHY_MAX];
    struct resp_out out = {.buf = &connection->client->out, .protocol = 2};
    client_touch(connection->client);
    if (node->admission.identity.node == 0) {
        resp_error(&out, "LOADING node %llu opens its data directory",
                   (unsigned long long)node->conf->raft_id);
        connection->session.close = true;
        return;
    }
    if (!connection->exchange)
        connection->exchange = malloc(sizeof *connection->exchange);
    if (!connection->exchange)
        abort();
    if (admission_answer(&node->admission, command->args, command->count, connection->exchange, out.buf, why))
        return;
    refuse(node, peers_find(node, connection->exchange->theirs.from), why);
    connection->session.close = true;
}

static void auth(struct node *node, struct connection *connection, const struct resp_command *command) {
    char why[ADMISSION_WHY_MAX];
    client_touch(connection->client);
    if (!admission_proved(&node->admission, command->args, command->count, connection->exchange,
                          &connection->client->out, why)) {
        end_if_outdated(node, connection->exchange, why);
        if (connection->exchange->claims)
            membership_met(node, &connection->exchange->theirs);
        else
            refuse(node, peers_find(node, connection->exchange->theirs.from), why);
        connection->session.close = true;
        return;
    }
    connection->peer = connection->exchange->theirs.from;
    connection->session.peer = true;
    connection->client->peer = true;
    struct peer *peer = meet(node, &connection->exchange->theirs);
    if (peer) {
        link_hurry(peer->link);
        peer->visits++;
        peer->patience_ms = connection->exchange->theirs.patience_ms;
    }
    free(connection->exchange);
    connection->exchange = NULL;
}

bool peers_command(struct node *node, struct connection *connection, const struct resp_command *command) {
    const struct resp_arg *name = &command->args[0];
    if (name->length < 8 || name->length > 11 || (name->bytes[0] | 32) != 'r' || name->bytes[4] != '.')
        return false;
    if (resp_arg_is(name, "RAFT.CLIENT"))
        return proxied_command(node, connection, command);
    if (connection->peer && resp_arg_is(name, "RAFT.SNAP")) {
        if (!snapshot_in_command(node, connection, command)) {
            log_warning(node->logger, "node %llu sent a malformed snapshot; its connection is closed",
                        (unsigned long long)connection->peer);
            connection->session.close = true;
        }
        return true;
    }
    if (connection->peer && (resp_arg_is(name, "RAFT.STATE") || resp_arg_is(name, "RAFT.RIGHT"))) {
        if (!audit_command(node, connection->peer, command))
            connection->session.close = true;
        return true;
    }
    if (connection->peer) {
        if (resp_arg_is(name, "RAFT.MSG")
                ? !take_request(node, connection, command)
                : resp_arg_is(name, "RAFT.PART") && !take_piece(node, connection, command)) {
            log_warning(node->logger, "node %llu sent a malformed message; its connection is closed",
                        (unsigned long long)connection->peer);
            connection->session.close = true;
        }
        return resp_arg_is(name, "RAFT.MSG") || resp_arg_is(name, "RAFT.PART");
    }
    if (connection->pending > 0)
        return false; /* a client that turns into a peer would answer out of order: it stays a client */
    if (resp_arg_is(name, "RAFT.HELLO")) {
        hello(node, connection, command);
        return true;
    }
    if (connection->exchange && resp_arg_is(name, "RAFT.AUTH")) {
        auth(node, connection, command);
        return true;
    }
    return false;
}
