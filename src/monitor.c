/* SPDX-License-Identifier: MIT */
/*
 * MONITOR: every command of this node's clients, shown to those who asked for it, in the order in which this node takes them.
 *
 *     +1700000000.123456 [0 127.0.0.1:40001] "set" "key" "a\x00b"
 *
 * Commands that were refused before they began are not shown, nor those that administer the server; passwords are left out.
 * What monitors have not read is bounded as for every client, and they are closed beyond it.
 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

void monitor_begin(struct node *node, struct connection *connection) {
    if (connection->session.monitor)
        return;
    struct monitors *monitors = &node->monitors;
    if (monitors->count == monitors->capacity) {
        monitors->capacity = monitors->capacity ? 2 * monitors->capacity : 4;
        monitors->at = realloc(monitors->at, monitors->capacity * sizeof *monitors->at);
        if (!monitors->at)
            abort();
    }
    monitors->at[monitors->count++] = connection;
    connection->session.monitor = true;
}

void monitor_forget(struct node *node, const struct connection *connection) {
    struct monitors *monitors = &node->monitors;
    for (size_t i = 0; i < monitors->count; i++)
        if (monitors->at[i] == connection) {
            monitors->count--;
            memmove(&monitors->at[i], &monitors->at[i + 1], (monitors->count - i) * sizeof *monitors->at);
            return;
        }
}

void monitor_close(struct node *node) {
    free(node->monitors.at);
    node->monitors = (struct monitors){0};
}

/* As Redis quotes: what cannot be printed as an escape. */
static void add_quoted(struct resp_buf *line, const struct resp_arg *arg) {
    static const char plain[] = "\\\"\n\r\t\a\b", letters[] = "\\\"nrtab";
    resp_buf_append(line, " \"", 2);
    for (size_t i = 0; i < arg->length; i++) {
        char byte = arg->bytes[i], text[8];
        const char *special = byte ? strchr(plain, byte) : NULL;
        if (special)
            snprintf(text, sizeof text, "\\%c", letters[special - plain]);
        else if (byte >= ' ' && byte <= '~')
            snprintf(text, sizeof text, "%c", byte);
        else
            snprintf(text, sizeof text, "\\x%02x", (unsigned char)byte);
        resp_buf_append(line, text, strlen(text));
    }
    resp_buf_append(line, "\"", 1);
}

/* Passwords; of HELLO only what stands behind AUTH. */
static bool is_secret(const struct command *row, const struct resp_command *command, size_t at) {
    size_t from = status_secret_from(row);
    if (from == 0 || at < from)
        return false;
    return strcmp(row->name, "hello") != 0 || resp_arg_is(&command->args[at - 1], "auth") ||
           resp_arg_is(&command->args[at - 2], "auth");
}

static void write_line(struct resp_buf *line, const struct node *node, const struct session *session,
                       const struct command *row, const struct resp_command *command) {
    static const struct resp_arg secret = {"(redacted)", sizeof "(redacted)" - 1};
    char head[SESSION_ADDRESS_MAX + 64];
    int length =
        snprintf(head, sizeof head, "+%llu.%06llu [%u %s]", (unsigned long long)(node->now.wall_us / 1000000),
                 (unsigned long long)(node->now.wall_us % 1000000), session->db, session->address);
    assert(length > 0 && (size_t)length < sizeof head);
    resp_buf_append(line, head, (size_t)length);
    for (size_t i = 0; i < command->count; i++)
        add_quoted(line, is_secret(row, command, i) ? &secret : &command->args[i]);
    resp_buf_append(line, "\r\n", 2);
}

/* Those that said RESET are no monitors any more. */
static void drop_ended(struct monitors *monitors) {
    size_t kept = 0;
    for (size_t i = 0; i < monitors->count; i++)
        if (monitors->at[i]->session.monitor)
            monitors->at[kept++] = monitors->at[i];
    monitors->count = kept;
}

void monitor_show(struct node *node, const struct session *session, const struct command *row,
                  const struct resp_command *command) {
    struct resp_buf line = {0};
    if (row->flags & (COMMAND_ADMIN | COMMAND_SKIP_MONITOR))
        return;
    drop_ended(&node->monitors);
    if (node->monitors.count == 0)
        return;
    write_line(&line, node, session, row, command);
    for (size_t i = 0; i < node->monitors.count; i++) {
        struct client *client = node->monitors.at[i]->client;
        if (!client || client->gone)
            continue;
        resp_buf_append(&client->out, resp_buf_bytes(&line), resp_buf_length(&line));
        client_touch(client);
        client_check_output(client);
    }
    resp_buf_close(&line);
}
