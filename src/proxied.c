/* SPDX-License-Identifier: MIT */
/*
 * The leader's side of a proxy: a member's connection becomes that of one of its clients.
 *
 *     RAFT.CLIENT <address> <name> <lib-name> <lib-ver> <db> <protocol> <consistency> <flags> <upstream> <term>
 *
 *     address       of the client, as the member sees it: CLIENT LIST here shows it
 *     consistency   1 + enum conf_consistency, what its reads stand on; the member's configuration decides what its default is
 *     flags         1 no-evict, 2 no-touch, 4: it has written by other upstreams before
 *     upstream      this connection's number, for the log (origin.h)
 *     term          of the leader that the proxy wants: what changes data is done in this term or not at all
 *
 * The member has checked its password. It is sent again whenever one of these has changed, before the next command. From the first on the
 * connection is a client's: it counts as one, and may be killed; but what it asks is never passed on to a third node.
 */
#include <stdio.h>
#include <string.h>

#include "node_state.h"

enum { ARGS = 11, NO_EVICT = 1, NO_TOUCH = 2, WROTE = 4, FLAGS = 7 };

bool proxied_is_stale(const struct node *node, const struct connection *connection) {
    const struct raft_status *status = &node->raft_status;
    return connection->via != 0 && status->role == RAFT_LEADER && status->term != connection->origin_term;
}

void proxied_write(struct resp_buf *out, const struct node *node, const struct connection *connection) {
    const struct session *session = &connection->session;
    const struct proxy *proxy = connection->proxy;
    resp_request(out, ARGS);
    resp_request_text(out, "RAFT.CLIENT");
    resp_request_text(out, session->address);
    resp_request_text(out, session->name);
    resp_request_text(out, session->lib_name);
    resp_request_text(out, session->lib_version);
    resp_request_unsigned(out, session->db);
    resp_request_unsigned(out, (unsigned)session->protocol);
    resp_request_unsigned(out,
                          session->consistency ? session->consistency : 1u + node->conf->read_consistency);
    resp_request_unsigned(out, (session->no_evict ? NO_EVICT : 0u) | (session->no_touch ? NO_TOUCH : 0u) |
                                   (proxy->wrote_before ? WROTE : 0u));
    resp_request_unsigned(out, proxy->upstream);
    resp_request_unsigned(out, proxy->term);
}

static bool take_text(const struct resp_arg *arg, char *text, size_t size) {
    if (arg->length >= size || (arg->length > 0 && memchr(arg->bytes, 0, arg->length)))
        return false;
    snprintf(text, size, "%.*s", (int)arg->length, arg->length > 0 ? arg->bytes : "");
    return true;
}

static bool take_number(const struct resp_arg *arg, int64_t min, int64_t max, int64_t *number) {
    return resp_arg_integer(arg, number) && *number >= min && *number <= max;
}

static bool take_session(struct node *node, struct connection *connection, const struct resp_arg *args) {
    struct session *session = &connection->session;
    int64_t db, protocol, consistency, flags, upstream, term;
    if (!take_text(&args[1], session->address, sizeof session->address) ||
        !take_text(&args[2], session->name, sizeof session->name) ||
        !take_text(&args[3], session->lib_name, sizeof session->lib_name) ||
        !take_text(&args[4], session->lib_version, sizeof session->lib_version) ||
        !take_number(&args[5], 0, (int64_t)node->conf->databases - 1, &db) ||
        !take_number(&args[6], 2, 3, &protocol) || !take_number(&args[7], 1, 1 + CONF_STALE, &consistency) ||
        !take_number(&args[8], 0, FLAGS, &flags) || !take_number(&args[9], 0, INT64_MAX, &upstream) ||
        !take_number(&args[10], 1, INT64_MAX, &term))
        return false;
    session->db = (unsigned)db;
    session->protocol = (int)protocol;
    session->consistency = (unsigned)consistency;
    session->no_evict = flags & NO_EVICT;
    session->no_touch = flags & NO_TOUCH;
    connection->origin.upstream = (uint64_t)upstream;
    connection->origin_term = (raft_term)term;
    if ((flags & WROTE) && connection->written == 0)
        connection->written = node->raft_status.last_index; /* what it wrote is among this: WAIT counts it */
    return true;
}

/* One more client would be too many. The network counts peers when a turn ends, so near the limit they are counted here. */
static bool is_full(const struct node *node, const struct client *newcomer) {
    struct net_counters counters;
    net_counters(node->net, &counters);
    if (counters.clients - counters.peers < counters.clients_max)
        return false;
    size_t others = 0;
    for (struct client *client = net_first_client(node->net); client; client = net_next_client(client))
        others += !client->peer && client != newcomer;
    return others >= counters.clients_max;
}

/* The member's connection is a client's from now on; false when there are too many. */
static bool become_client(struct node *node, struct connection *connection) {
    if (is_full(node, connection->client))
        return false;
    struct peer *peer = peers_find(node, connection->peer);
    if (peer && peer->visits > 0)
        peer->visits--;
    connection->via = connection->session.via = connection->origin.node = connection->peer;
    connection->peer = 0;
    connection->session.peer = connection->client->peer = false;
    connection->session.authenticated = true;
    connection->denied = false;
    return true;
}

bool proxied_command(struct node *node, struct connection *connection, const struct resp_command *command) {
    struct resp_out out = {.buf = &connection->client->out, .protocol = 2};
    if (connection->peer == 0 && connection->via == 0)
        return false;
    client_touch(connection->client);
    if (command->count != ARGS || !take_session(node, connection, command->args)) {
        resp_error(&out, "ERR RAFT.CLIENT is malformed");
        connection->session.close = true;
    } else if (connection->peer != 0 && !become_client(node, connection)) {
        resp_error(&out, "ERR max number of clients reached");
        connection->session.close = true;
    } else {
        resp_status(&out, "OK");
    }
    return true;
}
