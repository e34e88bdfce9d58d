/* SPDX-License-Identifier: MIT */
/* CLIENT: connections, one's own and the others'. */
#include "command.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "names.h"
#include "sessions.h"
#include "text.h"

static const char text_syntax[] = "ERR syntax error";

/* ---- names --- */

bool name_valid(const struct resp_arg *name) {
    for (size_t at = 0; at < name->length; at++)
        if (name->bytes[at] < '!' || name->bytes[at] > '~')
            return false;
    return true;
}

static bool name_fits(struct resp_out *reply, const struct resp_arg *name, const char *what) {
    if (name->length < SESSION_NAME_MAX)
        return true;
    resp_error(reply, "ERR %s cannot be longer than %d bytes", what, SESSION_NAME_MAX - 1);
    return false;
}

bool name_check(struct resp_out *reply, const struct resp_arg *name) {
    if (name_valid(name))
        return name_fits(reply, name, "Client names");
    resp_error(reply, "ERR Client names cannot contain spaces, newlines or special characters.");
    return false;
}

void name_set(char to[SESSION_NAME_MAX], const struct resp_arg *name) {
    assert(name->length < SESSION_NAME_MAX);
    if (name->length)
        memcpy(to, name->bytes, name->length);
    to[name->length] = '\0';
}

void session_client_getname(struct session_call *call) {
    if (call->session->name[0])
        resp_bulk_text(call->reply, call->session->name);
    else
        resp_null(call->reply);
}

void session_client_setname(struct session_call *call) {
    if (!name_check(call->reply, &call->args[2]))
        return;
    name_set(call->session->name, &call->args[2]);
    resp_status(call->reply, "OK");
}

void session_client_setinfo(struct session_call *call) {
    const struct resp_arg *option = &call->args[2], *value = &call->args[3];
    bool name = resp_arg_is(option, "lib-name");

    if (!name && !resp_arg_is(option, "lib-ver")) {
        resp_error(call->reply, "ERR Unrecognized option '%.*s'", (int)option->length, option->bytes);
        return;
    }
    if (!name_valid(value)) {
        resp_error(call->reply, "ERR %.*s cannot contain spaces, newlines or special characters.",
                   (int)option->length, option->bytes);
        return;
    }
    if (!name_fits(call->reply, value, name ? "lib-name" : "lib-ver"))
        return;
    name_set(name ? call->session->lib_name : call->session->lib_version, value);
    resp_status(call->reply, "OK");
}

static struct session *session_by_id(const struct session_call *call, int64_t id) {
    for (size_t at = 0; at < call->session_count; at++)
        if (id > 0 && call->sessions[at]->id == (uint64_t)id)
            return call->sessions[at];
    return NULL;
}

/* ---- this connection --- */

void session_client_id(struct session_call *call) {
    resp_integer(call->reply, (int64_t)call->session->id);
}

/* The caller drops what a connection in another mode than REPLY_ON would be sent. */
void session_client_reply(struct session_call *call) {
    struct session *session = call->session;

    if (resp_arg_is(&call->args[2], "ON")) {
        session->reply_mode = REPLY_ON;
        resp_status(call->reply, "OK");
    } else if (resp_arg_is(&call->args[2], "OFF"))
        session->reply_mode = REPLY_OFF;
    else if (resp_arg_is(&call->args[2], "SKIP")) {
        if (session->reply_mode != REPLY_OFF)
            session->reply_mode = REPLY_SKIP_NEXT;
    } else
        resp_error(call->reply, "%s", text_syntax);
}

void session_client_no_evict(struct session_call *call) {
    bool on = resp_arg_is(&call->args[2], "ON");

    if (!on && !resp_arg_is(&call->args[2], "OFF")) {
        resp_error(call->reply, "%s", text_syntax);
        return;
    }
    call->session->no_evict = on;
    resp_status(call->reply, "OK");
}

void session_client_no_touch(struct session_call *call) {
    bool on = resp_arg_is(&call->args[2], "ON");

    if (!on && !resp_arg_is(&call->args[2], "OFF")) {
        resp_error(call->reply, "%s", text_syntax);
        return;
    }
    call->session->no_touch = on;
    resp_status(call->reply, "OK");
}

void session_client_unblock(struct session_call *call) {
    int64_t id;

    if (call->count > 4)
        resp_error(call->reply,
                   "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try CLIENT HELP.",
                   (int)call->args[1].length, call->args[1].bytes);
    else if (call->count == 4 && !resp_arg_is(&call->args[3], "TIMEOUT") &&
             !resp_arg_is(&call->args[3], "ERROR"))
        resp_error(call->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    else if (!resp_arg_integer(&call->args[2], &id))
        resp_error(call->reply, "ERR value is not an integer or out of range");
    else {
        const struct session *session = session_by_id(call, id);
        bool waits = session && session->blocked;
        call->wishes->unblock_id = waits ? session->id : 0;
        call->wishes->unblock_error = call->count == 4 && resp_arg_is(&call->args[3], "ERROR");
        resp_integer(call->reply, waits);
    }
}

/* ---- types, as CLIENT LIST and CLIENT KILL tell connections apart --- */

enum client_type { TYPE_NORMAL, TYPE_REPLICA, TYPE_PUBSUB, TYPE_MASTER, TYPE_ANY };

static bool type_parse(struct resp_out *reply, const struct resp_arg *word, enum client_type *type) {
    static const struct {
        const char *name;
        enum client_type type;
    } types[] = {{"normal", TYPE_NORMAL},
                 {"slave", TYPE_REPLICA},
                 {"replica", TYPE_REPLICA},
                 {"pubsub", TYPE_PUBSUB},
                 {"master", TYPE_MASTER}};

    for (size_t at = 0; at < sizeof types / sizeof types[0]; at++)
        if (resp_arg_is(word, types[at].name)) {
            *type = types[at].type;
            return true;
        }
    resp_error(reply, "ERR Unknown client type '%.*s'", (int)word->length, word->bytes);
    return false;
}

static enum client_type type_of(const struct session *session) {
    if (session->peer)
        return TYPE_REPLICA;
    return subscriber_listens(&session->subscriber) ? TYPE_PUBSUB : TYPE_NORMAL;
}

/* ---- a line of CLIENT LIST --- */

static void flags_of(const struct session *session, char flags[16]) {
    size_t length = 0;

    if (session->peer)
        flags[length++] = 'S';
    if (session->multi.open)
        flags[length++] = 'x';
    if (session->multi.touched)
        flags[length++] = 'd';
    if (session->blocked)
        flags[length++] = 'b';
    if (session->monitor)
        flags[length++] = 'O';
    if (subscriber_listens(&session->subscriber))
        flags[length++] = 'P';
    if (session->close)
        flags[length++] = 'c';
    if (session->readonly)
        flags[length++] = 'r';
    if (session->no_evict)
        flags[length++] = 'e';
    if (session->no_touch)
        flags[length++] = 'T';
    if (length == 0)
        flags[length++] = 'N';
    flags[length] = '\0';
}

static uint64_t seconds_since(uint64_t now_ms, uint64_t then_ms) {
    return now_ms > then_ms ? (now_ms - then_ms) / 1000 : 0;
}

static void add_line(struct resp_buf *text, const struct session_call *call, const struct session *session) {
    const struct command *last = session == call->session ? call->command : session->last;
    char flags[16];

    flags_of(session, flags);
    text_add(text,
             "id=%" PRIu64 " addr=%s laddr=%s fd=%d name=%s age=%" PRIu64 " idle=%" PRIu64 " flags=%s db=%u",
             session->id, session->address, session->local_address, session->fd, session->name,
             seconds_since(call->now_ms, session->created_ms),
             seconds_since(call->now_ms, session->active_ms), flags, session->db);
    const size_t *listens = session->subscriber.count;
    text_add(text, " sub=%zu psub=%zu ssub=%zu", listens[AUDIENCE_CHANNEL], listens[AUDIENCE_PATTERN],
             listens[AUDIENCE_SHARD]);
    text_add(text, " multi=%d qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=%zu rbs=0 rbp=0",
             session->multi.open ? (int)session->multi.count : -1, session->in_bytes, session->in_free,
             session->multi.bytes);
    text_add(text, " obl=0 oll=%d omem=%zu tot-mem=%zu events=%s cmd=%s user=default redir=-1 resp=%d",
             session->out_bytes > 0, session->out_bytes, session->memory, session->out_bytes ? "rw" : "r",
             last ? last->name : "NULL", session->protocol);
    if (session->via)
        text_add(text, " via=%" PRIu64, session->via);
    text_add(text, "\n");
}

void session_client_info(struct session_call *call) {
    struct resp_buf text = {0};

    add_line(&text, call, call->session);
    text_reply(&text, call->reply);
}

/* ---- CLIENT LIST [TYPE type] [ID id ...] --- */

static void list_type(struct session_call *call, enum client_type type) {
    struct resp_buf text = {0};

    for (size_t at = 0; at < call->session_count; at++)
        if (type == TYPE_ANY || type_of(call->sessions[at]) == type)
            add_line(&text, call, call->sessions[at]);
    text_reply(&text, call->reply);
}

static void list_ids(struct session_call *call) {
    struct resp_buf text = {0};

    for (size_t at = 3; at < call->count; at++) {
        int64_t id;
        if (!resp_arg_integer(&call->args[at], &id)) {
            resp_error(call->reply, "ERR Invalid client ID");
            resp_buf_close(&text);
            return;
        }
        const struct session *session = session_by_id(call, id);
        if (session)
            add_line(&text, call, session);
    }
    text_reply(&text, call->reply);
}

void session_client_list(struct session_call *call) {
    enum client_type type = TYPE_ANY;

    if (call->count == 4 && resp_arg_is(&call->args[2], "TYPE")) {
        if (type_parse(call->reply, &call->args[3], &type))
            list_type(call, type);
    } else if (call->count > 3 && resp_arg_is(&call->args[2], "ID"))
        list_ids(call);
    else if (call->count == 2)
        list_type(call, TYPE_ANY);
    else
        resp_error(call->reply, "%s", text_syntax);
}

/* ---- CLIENT KILL --- */

/* Which connections: all that is set must match. */
struct kill_filter {
    int64_t id; /* 0: any */
    enum client_type type;
    const struct resp_arg *address, *local_address;
    bool skip_self;
};

static bool address_is(const struct resp_arg *wanted, const char *address) {
    return !wanted ||
           (wanted->length == strlen(address) && memcmp(wanted->bytes, address, wanted->length) == 0);
}

/* A member of the cluster is never killed, whatever was asked for. */
static bool kill_matches(const struct kill_filter *filter, const struct session *session,
                         const struct session *self) {
    if (session->peer || session->close || (filter->skip_self && session == self))
        return false;
    return (filter->id == 0 || session->id == (uint64_t)filter->id) &&
           (filter->type == TYPE_ANY || type_of(session) == filter->type) &&
           address_is(filter->address, session->address) &&
           address_is(filter->local_address, session->local_address);
}

static size_t kill_all(struct session_call *call, const struct kill_filter *filter) {
    size_t killed = 0;

    for (size_t at = 0; at < call->session_count; at++) {
        struct session *session = call->sessions[at];
        if (!kill_matches(filter, session, call->session))
            continue;
        session->close = true;
        if (session == call->session)
            call->wishes->killed_self = session;
        killed++;
    }
    return killed;
}

/* One pair of CLIENT KILL's; false with the error as the reply. */
static bool kill_option(struct session_call *call, size_t at, struct kill_filter *filter) {
    const struct resp_arg *option = &call->args[at], *value = &call->args[at + 1];

    if (resp_arg_is(option, "ID")) {
        if (resp_arg_integer(value, &filter->id) && filter->id > 0)
            return true;
        resp_error(call->reply, "ERR client-id should be greater than 0");
        return false;
    }
    if (resp_arg_is(option, "TYPE"))
        return type_parse(call->reply, value, &filter->type);
    if (resp_arg_is(option, "USER")) {
        if (address_is(value, "default"))
            return true;
        resp_error(call->reply, "ERR No such user '%.*s'", (int)value->length, value->bytes);
        return false;
    }
    if (resp_arg_is(option, "ADDR"))
        filter->address = value;
    else if (resp_arg_is(option, "LADDR"))
        filter->local_address = value;
    else if (resp_arg_is(option, "SKIPME") && (resp_arg_is(value, "YES") || resp_arg_is(value, "NO")))
        filter->skip_self = resp_arg_is(value, "YES");
    else {
        resp_error(call->reply, "%s", text_syntax);
        return false;
    }
    return true;
}

void session_client_kill(struct session_call *call) {
    struct kill_filter filter = {.type = TYPE_ANY, .skip_self = true};

    assert(call->sessions && call->wishes);
    if (call->count == 3) {
        filter = (struct kill_filter){.type = TYPE_ANY, .address = &call->args[2]};
        if (kill_all(call, &filter))
            resp_status(call->reply, "OK");
        else
            resp_error(call->reply, "ERR No such client");
        return;
    }
    for (size_t at = 2; at < call->count; at += 2) {
        if (at + 1 == call->count) {
            resp_error(call->reply, "%s", text_syntax);
            return;
        }
        if (!kill_option(call, at, &filter))
            return;
    }
    resp_integer(call->reply, (int64_t)kill_all(call, &filter));
}
