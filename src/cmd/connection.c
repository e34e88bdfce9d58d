/* SPDX-License-Identifier: MIT */
/* What a connection says about itself: greeting, password, database, name. */
#include "command.h"

#include <assert.h>
#include <string.h>

#include "../conf.h"
#include "../version.h"
#include "health.h"
#include "names.h"
#include "sessions.h"

static const char text_wrongpass[] = "WRONGPASS invalid username-password pair or user is disabled.";

void session_ping(struct session_call *call) {
    if (call->count > 2)
        resp_error(call->reply, "ERR wrong number of arguments for 'ping' command");
    else if (call->session->protocol == 2 && subscriber_listens(&call->session->subscriber)) {
        /* Shaped as a message, which is all that such a connection expects. */
        resp_array(call->reply, 2);
        resp_bulk_text(call->reply, "pong");
        resp_bulk(call->reply, call->count == 2 ? call->args[1].bytes : "",
                  call->count == 2 ? call->args[1].length : 0);
    } else if (call->count == 2)
        resp_bulk(call->reply, call->args[1].bytes, call->args[1].length);
    else
        resp_status(call->reply, "PONG");
}

void session_echo(struct session_call *call) {
    resp_bulk(call->reply, call->args[1].bytes, call->args[1].length);
}

void session_quit(struct session_call *call) {
    call->session->close = true;
    resp_status(call->reply, "OK");
}

void session_select(struct session_call *call) {
    int64_t db;

    if (!resp_arg_integer(&call->args[1], &db))
        resp_error(call->reply, "ERR value is not an integer or out of range");
    else if (db < INT32_MIN || db > INT32_MAX)
        resp_error(call->reply, "ERR value is out of range, value must between %d and %d", INT32_MIN,
                   INT32_MAX);
    else if (db < 0 || db >= (int64_t)call->conf->databases)
        resp_error(call->reply, "ERR DB index is out of range");
    else {
        call->session->db = (unsigned)db;
        resp_status(call->reply, "OK");
    }
}

/* Takes as long for a near miss as for a far one: its time depends on what was sent alone. */
static bool password_is(const struct resp_arg *sent, const char *password) {
    size_t length = strlen(password);
    unsigned difference = sent->length != length;

    for (size_t at = 0; at < sent->length; at++)
        difference |= (unsigned char)sent->bytes[at] ^ (unsigned char)password[at % (length + 1)];
    return difference == 0;
}

/* There is one user, "default", who has the password of the configuration or none. */
static bool user_may(const struct conf *conf, const struct resp_arg *user, const struct resp_arg *password) {
    static const char name[] = "default";
    bool known = !user || (user->length == sizeof name - 1 && memcmp(user->bytes, name, user->length) == 0);
    bool right = conf->requirepass[0] == '\0' || password_is(password, conf->requirepass);

    return known && right;
}

void session_auth(struct session_call *call) {
    const struct resp_arg *user = call->count == 3 ? &call->args[1] : NULL;

    if (call->count > 3)
        resp_error(call->reply, "ERR syntax error");
    else if (!user && call->conf->requirepass[0] == '\0')
        resp_error(call->reply,
                   "ERR AUTH <password> called without any password configured for the default user. "
                   "Are you sure your configuration is correct?");
    else if (!user_may(call->conf, user, &call->args[call->count - 1]))
        resp_error(call->reply, "%s", text_wrongpass);
    else {
        call->session->authenticated = true;
        resp_status(call->reply, "OK");
    }
}

/* What HELLO asks for, before any of it is done. */
struct hello {
    int protocol;
    const struct resp_arg *user, *password, *name;
};

static bool hello_parse(struct session_call *call, struct hello *hello) {
    int64_t protocol;

    if (call->count > 1) {
        if (!resp_arg_integer(&call->args[1], &protocol)) {
            resp_error(call->reply, "ERR Protocol version is not an integer or out of range");
            return false;
        }
        if (protocol < 2 || protocol > 3) {
            resp_error(call->reply, "NOPROTO unsupported protocol version");
            return false;
        }
        hello->protocol = (int)protocol;
    }
    for (size_t at = 2; at < call->count; at++) {
        size_t more = call->count - 1 - at;
        if (resp_arg_is(&call->args[at], "AUTH") && more >= 2) {
            hello->user = &call->args[++at];
            hello->password = &call->args[++at];
        } else if (resp_arg_is(&call->args[at], "SETNAME") && more >= 1)
            hello->name = &call->args[++at];
        else {
            resp_error(call->reply, "ERR Syntax error in HELLO option '%.*s'", (int)call->args[at].length,
                       call->args[at].bytes);
            return false;
        }
    }
    return true;
}

/* Does what was asked, or nothing. */
static bool hello_carry_out(struct session_call *call, const struct hello *hello) {
    struct session *session = call->session;

    if (hello->user && !user_may(call->conf, hello->user, hello->password)) {
        resp_error(call->reply, "%s", text_wrongpass);
        return false;
    }
    if (hello->name && !name_check(call->reply, hello->name))
        return false;
    if (!hello->user && !session->authenticated) {
        resp_error(call->reply,
                   "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
                   "HELLO AUTH <user> <pass> option can be used to authenticate the client and select "
                   "the RESP protocol version at the same time");
        return false;
    }
    session->authenticated = true;
    if (hello->name)
        name_set(session->name, hello->name);
    session->protocol = call->reply->protocol = hello->protocol;
    return true;
}

void session_hello(struct session_call *call) {
    struct hello hello = {.protocol = call->session->protocol};
    struct health health;

    assert(call->report);
    if (!hello_parse(call, &hello) || !hello_carry_out(call, &hello))
        return;
    health_judge(call->report, &health);
    resp_map(call->reply, call->session->sentinel ? 6 : 7);
    resp_bulk_text(call->reply, "server");
    resp_bulk_text(call->reply, "redis");
    resp_bulk_text(call->reply, "version");
    resp_bulk_text(call->reply, REDRAFT_REDIS_VERSION);
    resp_bulk_text(call->reply, "proto");
    resp_integer(call->reply, call->session->protocol);
    resp_bulk_text(call->reply, "id");
    resp_integer(call->reply, (int64_t)call->session->id);
    resp_bulk_text(call->reply, "mode");
    resp_bulk_text(call->reply, call->session->sentinel ? "sentinel" : "cluster");
    if (!call->session->sentinel) {
        resp_bulk_text(call->reply, "role");
        resp_bulk_text(call->reply, health.master ? "master" : "replica");
    }
    resp_bulk_text(call->reply, "modules");
    resp_array(call->reply, 0);
}

void session_reset(struct session_call *call) {
    struct session *session = call->session;

    session->db = 0;
    session->protocol = call->reply->protocol = 2;
    session->authenticated = call->conf->requirepass[0] == '\0';
    session->readonly = session->asking = session->no_evict = session->no_touch = session->monitor = false;
    audience_leave_all(call->audience, &session->subscriber);
    session->reply_mode = REPLY_ON;
    session->consistency = 0;
    session->name[0] = '\0';
    call->wishes->discard = true;
    resp_status(call->reply, "RESET");
}
