/* SPDX-License-Identifier: MIT */
/*
 * A connection's life: opened when somebody connects, on the list of those held while its next command must wait, closed when either
 * side wants to. What it has under way goes on without it; it is forgotten with its last answer.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

struct connection *connection_open(struct node *node, struct client *client) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        abort();
    connection->client = client;
    connection->parser = resp_parser_new();
    struct session *session = &connection->session;
    session->id = client->id;
    session->protocol = 2;
    session->authenticated = node->conf->requirepass[0] == 0;
    session->fd = client->fd;
    session->created_ms = session->active_ms = node_wall_ms(node);
    snprintf(session->address, sizeof session->address, "%s", client->address);
    snprintf(session->local_address, sizeof session->local_address, "%s", client->local_address);
    connection->denied = node->conf->protected_mode && session->authenticated && !client->loopback;
    client->owner = connection;
    node->connections++;
    return connection;
}

void connection_unhold(struct node *node, struct connection *connection) {
    if (connection->hold == HOLD_NONE)
        return;
    if (connection->held_previous)
        connection->held_previous->held_next = connection->held_next;
    else
        node->held = connection->held_next;
    if (connection->held_next)
        connection->held_next->held_previous = connection->held_previous;
    connection->held_next = connection->held_previous = NULL;
    node->held_unread -= connection->hold == HOLD_UNREAD;
    connection->hold = HOLD_NONE;
}

void connection_hold(struct node *node, struct connection *connection, enum hold why) {
    if (connection->hold == HOLD_NONE) {
        connection->held_next = node->held;
        if (node->held)
            node->held->held_previous = connection;
        node->held = connection;
    }
    node->held_unread -= connection->hold == HOLD_UNREAD;
    node->held_unread += why == HOLD_UNREAD;
    connection->hold = why;
}

bool connection_is_unread(const struct connection *connection) {
    return connection->client && resp_buf_length(&connection->client->out) > NODE_OUT_PATIENCE_BYTES;
}

/* Among those that serve_commands looks at next. */
void connection_queue(struct node *node, struct connection *connection) {
    if (connection->to_serve)
        return;
    connection->to_serve = true;
    connection->serve_next = NULL;
    if (node->serve_last)
        node->serve_last->serve_next = connection;
    else
        node->serve_first = connection;
    node->serve_last = connection;
}

void connection_forget(struct node *node, struct connection *connection) {
    assert(!connection->client && connection->pending == 0 && !connection->to_serve);
    deliver_forget(node, connection);
    monitor_forget(node, connection);
    resp_parser_free(connection->parser);
    wire_pieces_close(&connection->pieces);
    resp_buf_close(&connection->transaction.queue);
    free(connection->exchange);
    free(connection);
    node->connections--;
}

/* Closes the socket. What the connection has under way goes on; it is forgotten with its last answer. */
void connection_close(struct node *node, struct connection *connection) {
    struct client *client = connection->client;
    if (!client)
        return;
    connection_unhold(node, connection);
    block_forget(node, connection);
    proxy_free(node, connection);
    handover_forget(node, connection);
    membership_forget(node, connection);
    struct peer *peer = peers_find(node, connection->peer);
    if (peer && peer->visits > 0)
        peer->visits--;
    backup_forget(node, connection);
    snapshot_in_left(node, connection);
    transaction_drop(node, connection);
    deliver_forget(node, connection);
    client->owner = NULL;
    connection->client = NULL;
    client_free(client);
    if (connection->pending == 0 && !connection->to_serve)
        connection_forget(node, connection);
}

void connection_answered(struct node *node, struct connection *connection) {
    assert(connection->pending > 0);
    if (--connection->pending > 0)
        return;
    connection->lane = NULL;
    connection->rider_bytes = 0;
    transaction_answered(node, connection);
    if (!connection->client && !connection->to_serve)
        connection_forget(node, connection);
    else if (connection->client &&
             (connection->hold == HOLD_ORDER || connection->session.close || connection->dismissed ||
              connection->client->ended || connection->client->gone))
        connection_queue(node, connection);
}

void connection_conclude(struct node *node, struct connection *connection, bool quiet, const char *error) {
    connection->awaits = false;
    struct resp_out out = {.buf = &connection->client->out, .protocol = connection->session.protocol};
    size_t mark = resp_buf_length(out.buf);
    if (error)
        resp_error(&out, "%s", error);
    else
        resp_status(&out, "OK");
    connection_count_reply(node, NULL, &out, mark);
    if (quiet)
        resp_buf_truncate(out.buf, mark);
    client_touch(connection->client);
    connection_queue(node, connection);
}

size_t connection_waiting(const struct node *node) {
    size_t count = 0;
    for (const struct connection *connection = node->held; connection; connection = connection->held_next)
        count++;
    for (const struct lane *lane = node->writes.first; lane; lane = lane->next)
        count += lane->writes;
    return count;
}

struct resp_out connection_out(const struct pending_item *item) {
    struct client *client = item->connection->client;
    if (!client || item->quiet)
        return (struct resp_out){.protocol = item->protocol};
    client_touch(client);
    return (struct resp_out){.buf = &client->out, .protocol = item->protocol};
}

static void count_error(struct node *node, const char *text, size_t length) {
    struct statistics *statistics = &node->statistics;
    statistics->errors++;
    size_t word = 0;
    while (word < length && word < REPORT_ERROR_CODE_MAX - 1 && text[word] != ' ' && text[word] != '\r')
        word++;
    for (size_t i = 0; i < statistics->error_code_count; i++) {
        struct report_error *error = &statistics->error_codes[i];
        if (strlen(error->code) == word && memcmp(error->code, text, word) == 0) {
            error->count++;
            return;
        }
    }
    if (statistics->error_code_count == NODE_ERROR_CODES_MAX)
        return;
    struct report_error *error = &statistics->error_codes[statistics->error_code_count++];
    memcpy(error->code, text, word);
    error->code[word] = 0;
    error->count = 1;
}

void connection_count_reply(struct node *node, const struct command *command, const struct resp_out *out,
                            size_t mark) {
    node->statistics.commands++;
    if (!out->buf || resp_buf_length(out->buf) == mark)
        return;
    const char *reply = resp_buf_bytes(out->buf) + mark;
    if (*reply != '-')
        return;
    count_error(node, reply + 1, resp_buf_length(out->buf) - mark - 1);
    struct command_statistics *statistics = command ? apply_statistics(node, command) : NULL;
    if (statistics)
        statistics->failed++;
}
