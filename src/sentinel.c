/* SPDX-License-Identifier: MIT */
/*
 * The Sentinel port: a small server beside the node's own, in the same turn of the same loop, on a network context of its own.
 *
 *     node's turn:    clients, peers, Raft ...    who leads?
 *                                                   |  it is another one than last time
 *     Sentinel's:     requests, replies             +--> +switch-master <name> <old host> <old port> <new host> <new port>
 *
 * Subscribers hear of a new leader when this node does, on every node. Clients in pools keep their connections to the old leader until
 * they hear it, and some beyond; Sentinel cuts them off with CLIENT KILL when it makes a master a replica. So does a leader here
 * that has lost the leadership: once all that a client has sent is answered its connection is closed, unless it said READONLY, or this
 * node is a proxy.
 */
#include "sentinel.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/text.h"
#include "data/glob.h"
#include "node_state.h"
#include "version.h"

enum { IN_KEPT_BYTES = 4096, SUBSCRIPTIONS_MAX = 1000 };

static const struct resp_limits limits = {.bulk_max = 64 * 1024, .args_max = 1024, .inline_max = 64 * 1024};

/* Channels, or patterns. */
struct names {
    struct resp_buf *at;
    size_t count, capacity;
};

struct visitor {
    struct visitor *next, *previous;
    struct client *client;
    struct session session;
    struct resp_parser *parser;
    struct names *channels, *patterns; /* NULL: none */
    bool denied;
};

struct sentinel {
    struct net *net;
    struct conf conf; /* the node's, with the Sentinel port's password in place of requirepass */
    struct visitor *visitors;
    raft_id master; /* as subscribers know it; 0: there was none yet */
    char host[REPORT_HOST_MAX];
    unsigned port;
    bool down;    /* nobody leads */
    bool leading; /* this node, when last looked at */
};

/* ---- subscriptions ----------------------------------------------------------------------------------------------- */

static struct resp_arg name_at(const struct names *names, size_t i) {
    return (struct resp_arg){resp_buf_bytes(&names->at[i]), resp_buf_length(&names->at[i])};
}

static size_t subscriptions(const struct visitor *visitor) {
    return (visitor->channels ? visitor->channels->count : 0) +
           (visitor->patterns ? visitor->patterns->count : 0);
}

static size_t find_name(const struct names *names, const struct resp_arg *name) {
    size_t at = 0;
    for (; names && at < names->count; at++) {
        const struct resp_arg have = name_at(names, at);
        if (have.length == name->length &&
            (name->length == 0 || memcmp(have.bytes, name->bytes, name->length) == 0))
            break;
    }
    return at;
}

static void add_name(struct names **names, const struct resp_arg *name) {
    if (!*names && !(*names = calloc(1, sizeof **names)))
        abort();
    if (find_name(*names, name) < (*names)->count)
        return;
    if ((*names)->count == (*names)->capacity) {
        (*names)->capacity = (*names)->capacity ? 2 * (*names)->capacity : 4;
        (*names)->at = realloc((*names)->at, (*names)->capacity * sizeof *(*names)->at);
        if (!(*names)->at)
            abort();
    }
    struct resp_buf *at = &(*names)->at[(*names)->count++];
    *at = (struct resp_buf){0};
    resp_buf_reserve(at, name->length + 1);
    if (name->length > 0)
        resp_buf_append(at, name->bytes, name->length);
}

static void remove_name(struct names *names, size_t at) {
    resp_buf_close(&names->at[at]);
    names->at[at] = names->at[--names->count];
    names->at[names->count] = (struct resp_buf){0};
}

static void free_names(struct names *names) {
    while (names && names->count > 0)
        remove_name(names, names->count - 1);
    if (names)
        free(names->at);
    free(names);
}

static void tell_subscription(struct visitor *visitor, struct resp_out *out, const char *what,
                              const struct resp_arg *name) {
    resp_push(out, 3);
    resp_bulk_text(out, what);
    if (name)
        resp_bulk(out, name->bytes, name->length);
    else
        resp_null(out);
    resp_integer(out, (int64_t)subscriptions(visitor));
}

static void subscribe(struct visitor *visitor, const struct resp_command *command, struct resp_out *out,
                      struct names **names, const char *what) {
    for (size_t i = 1; i < command->count; i++)
        if (*names && (*names)->count == SUBSCRIPTIONS_MAX &&
            find_name(*names, &command->args[i]) == SUBSCRIPTIONS_MAX) {
            resp_error(out, "ERR too many subscriptions: a Sentinel takes %d", SUBSCRIPTIONS_MAX);
        } else {
            add_name(names, &command->args[i]);
            tell_subscription(visitor, out, what, &command->args[i]);
        }
}

static void unsubscribe(struct visitor *visitor, const struct resp_command *command, struct resp_out *out,
                        struct names *names, const char *what) {
    for (size_t i = 1; i < command->count; i++) {
        size_t at = find_name(names, &command->args[i]);
        if (names && at < names->count)
            remove_name(names, at);
        tell_subscription(visitor, out, what, &command->args[i]);
    }
    if (command->count > 1)
        return;
    if (!names || names->count == 0)
        tell_subscription(visitor, out, what, NULL);
    while (names && names->count > 0) {
        struct resp_buf name = names->at[0];
        const struct resp_arg arg = name_at(names, 0);
        names->at[0] = (struct resp_buf){0};
        remove_name(names, 0);
        tell_subscription(visitor, out, what, &arg);
        resp_buf_close(&name);
    }
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static void publish(struct sentinel *sentinel, const char *channel, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void publish(struct sentinel *sentinel, const char *channel, const char *format, ...) {
    char text[2 * REPORT_HOST_MAX + 2 * CONF_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const struct resp_arg name = {channel, strlen(channel)};
    for (struct visitor *visitor = sentinel->visitors; visitor; visitor = visitor->next) {
        struct resp_out out = {.buf = &visitor->client->out, .protocol = visitor->session.protocol};
        if (visitor->channels && find_name(visitor->channels, &name) < visitor->channels->count) {
            resp_push(&out, 3);
            resp_bulk_text(&out, "message");
            resp_bulk_text(&out, channel);
            resp_bulk_text(&out, text);
        }
        for (size_t i = 0; visitor->patterns && i < visitor->patterns->count; i++) {
            const struct resp_arg pattern = name_at(visitor->patterns, i);
            if (!glob_match(&pattern, &name))
                continue;
            resp_push(&out, 4);
            resp_bulk_text(&out, "pmessage");
            resp_bulk(&out, pattern.bytes, pattern.length);
            resp_bulk_text(&out, channel);
            resp_bulk_text(&out, text);
        }
        client_touch(visitor->client);
    }
}

static void publish_replicas(struct node *node, const struct report *report) {
    struct sentinel *sentinel = node->sentinel;
    for (size_t i = 0; i < report->member_count; i++) {
        const struct report_member *member = &report->members[i];
        if (member->id != sentinel->master)
            publish(sentinel, "+slave", "slave %s:%u %s %u @ %s %s %u", member->host, member->port,
                    member->host, member->port, node->conf->sentinel_master_name, sentinel->host,
                    sentinel->port);
    }
}

/* The master that subscribers know is another one, or nobody leads, or somebody does again. */
static void look(struct node *node) {
    struct sentinel *sentinel = node->sentinel;
    const char *name = node->conf->sentinel_master_name;
    bool down = node->raft_status.leader == 0 || !node->raft;
    if (down != sentinel->down && sentinel->master != 0 && (down || node->known_leader == sentinel->master))
        publish(sentinel, down ? "+sdown" : "-sdown", "master %s %s %u", name, sentinel->host,
                sentinel->port);
    sentinel->down = down;
    if (node->known_leader == 0 || node->known_leader == sentinel->master)
        return;
    struct report report;
    status_report(node, &report);
    const struct report_member *leader = report_known_leader(&report);
    if (leader) {
        if (sentinel->master != 0)
            publish(sentinel, "+switch-master", "%s %s %u %s %u", name, sentinel->host, sentinel->port,
                    leader->host, leader->port);
        bool was = sentinel->master != 0;
        sentinel->master = leader->id;
        sentinel->port = leader->port;
        snprintf(sentinel->host, sizeof sentinel->host, "%s", leader->host);
        if (was)
            publish_replicas(node, &report);
    }
    status_report_free(&report);
}

/* The leadership is lost: who came for the leader is to look for the next one. */
static void dismiss(struct node *node) {
    struct sentinel *sentinel = node->sentinel;
    bool leading = node->raft && node->raft_status.role == RAFT_LEADER;
    bool lost = sentinel->leading && !leading && node->conf->follower_mode == CONF_REDIRECT;
    sentinel->leading = leading;
    for (struct client *client = net_first_client(node->net); lost && client;
         client = net_next_client(client)) {
        struct connection *connection = client->owner;
        if (!connection || connection->peer || connection->session.readonly)
            continue;
        connection->dismissed = true;
        connection_queue(node, connection);
    }
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

/* Of the node's own commands those over the session that say nothing of its data. */
static bool is_common(const struct command *row) {
    static const char *const names[] = {"ping", "hello", "auth", "quit", "reset"};
    if (!row || !row->session)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(row->name, names[i]) == 0)
            return true;
    return strncmp(row->name, "client|", 7) == 0;
}

static struct session **sessions_of(const struct sentinel *sentinel, size_t *count) {
    *count = 0;
    for (struct visitor *visitor = sentinel->visitors; visitor; visitor = visitor->next)
        ++*count;
    struct session **sessions = calloc(*count + 1, sizeof *sessions);
    if (!sessions)
        abort();
    *count = 0;
    for (struct visitor *visitor = sentinel->visitors; visitor; visitor = visitor->next) {
        visitor->session.in_bytes = resp_buf_length(&visitor->client->in);
        visitor->session.out_bytes = resp_buf_length(&visitor->client->out);
        visitor->session.memory = sizeof *visitor + client_memory(visitor->client);
        sessions[(*count)++] = &visitor->session;
    }
    return sessions;
}

static void run_common(struct node *node, struct visitor *visitor, const struct command *row,
                       const struct resp_command *command, const struct report *report,
                       struct resp_out *out) {
    struct wishes wishes = {0};
    struct session_call call = {
        .session = &visitor->session,
        .conf = &node->sentinel->conf,
        .report = report,
        .slowlog = node->slowlog,
        .spikes = &node->spikes,
        .command = row,
        .args = command->args,
        .count = command->count,
        .now_ms = node_wall_ms(node),
        .reply = out,
        .wishes = &wishes,
    };
    call.sessions = sessions_of(node->sentinel, &call.session_count);
    row->session(&call);
    free(call.sessions);
    if (strcmp(row->name, "reset") == 0) {
        free_names(visitor->channels);
        free_names(visitor->patterns);
        visitor->channels = visitor->patterns = NULL;
    }
}

static void info(const struct sentinel_call *call) {
    struct resp_buf text = {0};
    const struct report *report = call->report;
    size_t clients = 0;
    for (struct visitor *visitor = call->node->sentinel->visitors; visitor; visitor = visitor->next)
        clients++;
    bool only = call->count > 1 && resp_arg_is(&call->args[1], "sentinel");
    if (!only) {
        text_add(&text,
                 "# Server\r\nredis_version:" REDRAFT_REDIS_VERSION
                 "\r\nserver_name:redraft\r\nredraft_version:%s\r\n"
                 "redis_mode:sentinel\r\nos:%s\r\narch_bits:%zu\r\nprocess_id:%" PRId64 "\r\nrun_id:%s\r\n",
                 report->version, report->os, sizeof(void *) * 8, report->process_id, report->run_id);
        text_add(&text, "tcp_port:%u\r\nuptime_in_seconds:%" PRIu64 "\r\nuptime_in_days:%" PRIu64 "\r\n",
                 call->node->conf->sentinel_port, report->uptime_s, report->uptime_s / 86400);
        text_add(&text, "\r\n# Clients\r\nconnected_clients:%zu\r\nblocked_clients:0\r\n\r\n", clients);
        text_add(&text, "# CPU\r\nused_cpu_sys:%.6f\r\nused_cpu_user:%.6f\r\n\r\n", report->cpu_sys_s,
                 report->cpu_user_s);
    }
    text_add(&text,
             "# Sentinel\r\nsentinel_masters:%d\r\nsentinel_tilt:0\r\nsentinel_tilt_since_seconds:-1\r\n"
             "sentinel_running_scripts:0\r\nsentinel_scripts_queue_length:0\r\n"
             "sentinel_simulate_failure_flags:0\r\n",
             report_known_leader(report) != NULL);
    sentinel_info_line(call, &text);
    text_reply(&text, call->reply);
}

static void role(const struct sentinel_call *call) {
    bool known = report_known_leader(call->report) != NULL;
    resp_array(call->reply, 2);
    resp_bulk_text(call->reply, "sentinel");
    resp_array(call->reply, known);
    if (known)
        resp_bulk_text(call->reply, call->node->conf->sentinel_master_name);
}

static void refuse_publish(const struct sentinel_call *call) {
    resp_error(call->reply, "ERR Only HELLO messages are accepted by Sentinel instances.");
}

/* name, arguments with the name (-n: at least n), what it does */
static const struct own_command {
    const char *name;
    int arity;
    void (*run)(const struct sentinel_call *call);
} own_commands[] = {
    {"sentinel", -2, sentinel_words}, {"info", -1, info},         {"role", 1, role},
    {"publish", 3, refuse_publish},   {"subscribe", -2, NULL},    {"unsubscribe", -1, NULL},
    {"psubscribe", -2, NULL},         {"punsubscribe", -1, NULL},
};

static const struct own_command *own_command(const struct resp_arg *name) {
    for (size_t i = 0; i < sizeof own_commands / sizeof own_commands[0]; i++)
        if (resp_arg_is(name, own_commands[i].name))
            return &own_commands[i];
    return NULL;
}

/* True: it was one of the four. */
static bool run_subscription(struct visitor *visitor, const struct resp_command *command,
                             struct resp_out *out) {
    const struct resp_arg *name = &command->args[0];
    if (resp_arg_is(name, "subscribe"))
        subscribe(visitor, command, out, &visitor->channels, "subscribe");
    else if (resp_arg_is(name, "psubscribe"))
        subscribe(visitor, command, out, &visitor->patterns, "psubscribe");
    else if (resp_arg_is(name, "unsubscribe"))
        unsubscribe(visitor, command, out, visitor->channels, "unsubscribe");
    else if (resp_arg_is(name, "punsubscribe"))
        unsubscribe(visitor, command, out, visitor->patterns, "punsubscribe");
    else
        return false;
    return true;
}

/* In RESP2 a connection that has subscribed may say little else. True: it has been told. */
static bool is_out_of_context(const struct visitor *visitor, const struct command *row,
                              const struct own_command *own, const struct resp_command *command,
                              struct resp_out *out) {
    char name[64];
    sentinel_command_name(row ? row->name : own->name, command, name);
    if (visitor->session.protocol != 2 || subscriptions(visitor) == 0 || (own && !own->run) ||
        strcmp(name, "quit") == 0 || strcmp(name, "reset") == 0)
        return false;
    if (strcmp(name, "ping") == 0 && command->count <= 2) {
        resp_array(out, 2);
        resp_bulk_text(out, "pong");
        resp_bulk(out, command->count == 2 ? command->args[1].bytes : "",
                  command->count == 2 ? command->args[1].length : 0);
        return true;
    }
    resp_error(out,
               "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
               "allowed in this context",
               name);
    return true;
}

static bool is_refused(struct visitor *visitor, const struct command *row, const struct own_command *own,
                       const struct resp_command *command, struct resp_out *out) {
    if (visitor->denied) {
        gate_refuse(GATE_DENIED, NULL, row, command->args, command->count, out);
        visitor->session.close = true;
        return true;
    }
    if (!own && (!row || !is_common(row))) {
        command_unknown(out, command->args, command->count);
        return true;
    }
    bool fits =
        own ? (own->arity < 0 ? (int)command->count >= -own->arity : (int)command->count == own->arity)
            : command_arity_ok(row, command->count);
    if (!fits) {
        resp_error(out, "ERR wrong number of arguments for '%s' command", own ? own->name : row->name);
        return true;
    }
    if (!visitor->session.authenticated && (own || !(row->flags & COMMAND_NO_AUTH))) {
        resp_error(out, "NOAUTH Authentication required.");
        return true;
    }
    return is_out_of_context(visitor, own ? NULL : row, own, command, out);
}

static void run(struct node *node, struct visitor *visitor, const struct resp_command *command) {
    struct session *session = &visitor->session;
    struct resp_out out = {.buf = &visitor->client->out, .protocol = session->protocol};
    const struct own_command *own = own_command(&command->args[0]);
    const struct command *row = own ? NULL : command_find(command->args, command->count);
    bool quiet = session->reply_mode != REPLY_ON;
    if (session->reply_mode == REPLY_SKIP_NEXT)
        session->reply_mode = REPLY_ON;
    size_t mark = resp_buf_length(out.buf);
    session->commands++;
    session->last = row ? row : session->last;
    if (!is_refused(visitor, row, own, command, &out) && !(own && run_subscription(visitor, command, &out))) {
        struct report report;
        status_report(node, &report);
        const struct sentinel_call call = {
            .node = node, .report = &report, .args = command->args, .count = command->count, .reply = &out};
        if (own)
            own->run(&call);
        else if (row) /* it is: is_refused has seen to that */
            run_common(node, visitor, row, command, &report, &out);
        status_report_free(&report);
    }
    if ((quiet && session->reply_mode != REPLY_ON) ||
        (quiet && row && strcmp(row->name, "client|reply") != 0))
        resp_buf_truncate(out.buf, mark);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

static struct visitor *admit(struct node *node, struct client *client) {
    struct sentinel *sentinel = node->sentinel;
    struct visitor *visitor = calloc(1, sizeof *visitor);
    if (!visitor)
        abort();
    visitor->client = client;
    visitor->parser = resp_parser_new();
    struct session *session = &visitor->session;
    session->id = client->id;
    session->protocol = 2;
    session->sentinel = true;
    session->authenticated = sentinel->conf.requirepass[0] == 0;
    session->fd = client->fd;
    session->created_ms = session->active_ms = node_wall_ms(node);
    snprintf(session->address, sizeof session->address, "%s", client->address);
    snprintf(session->local_address, sizeof session->local_address, "%s", client->local_address);
    visitor->denied = node->conf->protected_mode && node->conf->requirepass[0] == 0 &&
                      session->authenticated && !client->loopback;
    visitor->next = sentinel->visitors;
    if (visitor->next)
        visitor->next->previous = visitor;
    sentinel->visitors = visitor;
    client->owner = visitor;
    return visitor;
}

static void leave(struct sentinel *sentinel, struct visitor *visitor) {
    if (visitor->previous)
        visitor->previous->next = visitor->next;
    else
        sentinel->visitors = visitor->next;
    if (visitor->next)
        visitor->next->previous = visitor->previous;
    resp_parser_free(visitor->parser);
    free_names(visitor->channels);
    free_names(visitor->patterns);
    client_free(visitor->client);
    free(visitor);
}

static void serve(struct node *node, struct visitor *visitor) {
    struct client *client = visitor->client;
    size_t done = 0;
    visitor->session.active_ms = node_wall_ms(node);
    while (!visitor->session.close && resp_buf_length(&client->in) > done) {
        struct resp_command command;
        enum resp_outcome outcome = resp_parse(
            visitor->parser, resp_buf_bytes(&client->in) + done, resp_buf_length(&client->in) - done,
            visitor->session.authenticated ? &limits : &resp_limits_anonymous, &command);
        if (outcome == RESP_INCOMPLETE)
            break;
        if (outcome == RESP_INVALID) {
            struct resp_out out = {.buf = &client->out, .protocol = 2};
            resp_error(&out, "%s", resp_parser_error(visitor->parser));
            visitor->session.close = true;
            break;
        }
        if (command.count > 0)
            run(node, visitor, &command);
        done += command.consumed;
    }
    if (done > 0)
        resp_buf_consume(&client->in, done, IN_KEPT_BYTES);
    client_touch(client);
}

void sentinel_turn(struct node *node) {
    struct sentinel *sentinel = node->sentinel;
    if (!sentinel)
        return;
    look(node);
    dismiss(node);
    for (struct client *client; (client = net_take_client(sentinel->net));) {
        struct visitor *visitor = client->owner ? client->owner : admit(node, client);
        serve(node, visitor);
        if (client->gone)
            leave(sentinel, visitor);
    }
    for (struct visitor *visitor = sentinel->visitors; visitor; visitor = visitor->next)
        if (visitor->session.close)
            client_close_after_flush(visitor->client); /* said QUIT, or was killed by another */
    net_flush(sentinel->net, node_wall_ms(node));
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static bool listen_all(struct node *node) {
    const struct conf *conf = node->conf;
    char why[NET_WHY_MAX];
    for (size_t i = 0; i < conf->bind_count; i++) {
        bool optional = conf->bind[i][0] == '-';
        if (net_listen(node->sentinel->net, conf->bind[i] + optional, conf->sentinel_port, why))
            continue;
        log_warning(node->logger, "sentinel-port: cannot listen: %s", why);
        if (!optional)
            return false;
    }
    return true;
}

bool sentinel_open(struct node *node) {
    const struct conf *conf = node->conf;
    if (conf->sentinel_port == 0)
        return true;
    struct sentinel *sentinel = node->sentinel = calloc(1, sizeof *sentinel);
    if (!sentinel)
        abort();
    sentinel->conf = *conf;
    memcpy(sentinel->conf.requirepass, conf->sentinel_requirepass, sizeof sentinel->conf.requirepass);
    const struct net_options options = {
        .clients_max = SENTINEL_CLIENTS_MAX,
        .backlog = (int)conf->tcp_backlog,
        .io_uring = start_ring(conf),
        .keepalive_s = (unsigned)conf->tcp_keepalive_s,
        .in_bytes_max = 1024 * 1024,
        .out_bytes_max = conf->output_pubsub.hard_bytes,
        .out_soft_bytes = conf->output_pubsub.soft_bytes,
        .out_soft_s = (unsigned)conf->output_pubsub.soft_s,
    };
    sentinel->net = net_new(node->loop, &options);
    if (!listen_all(node))
        return false;
    log_notice(node->logger, "answers Sentinel's protocol on port %u, with %s as the master's name",
               conf->sentinel_port, conf->sentinel_master_name);
    return true;
}

void sentinel_close(struct node *node) {
    struct sentinel *sentinel = node->sentinel;
    if (!sentinel)
        return;
    while (sentinel->visitors)
        leave(sentinel, sentinel->visitors);
    net_free(sentinel->net);
    free(sentinel);
    node->sentinel = NULL;
}
