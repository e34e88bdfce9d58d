/* SPDX-License-Identifier: MIT */
/* What holds clients up or follows them: CLIENT PAUSE, UNPAUSE, MONITOR; and tracking, which there is none of. */
#include "command.h"
#include "sessions.h"

/* ---- CLIENT PAUSE timeout [WRITE | ALL] --- */

void session_client_pause(struct session_call *call) {
    bool all = call->count == 3 || resp_arg_is(&call->args[3], "ALL");
    int64_t ms;

    if (call->count > 4)
        resp_error(call->reply,
                   "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try CLIENT HELP.",
                   (int)call->args[1].length, call->args[1].bytes);
    else if (!all && !resp_arg_is(&call->args[3], "WRITE"))
        resp_error(call->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
    else if (!resp_arg_integer(&call->args[2], &ms))
        resp_error(call->reply, "ERR timeout is not an integer or out of range");
    else if (ms < 0)
        resp_error(call->reply, "ERR timeout is negative");
    else {
        call->wishes->pause = true;
        call->wishes->pause_all = all;
        call->wishes->pause_ms = (uint64_t)ms;
        resp_status(call->reply, "OK");
    }
}

void session_client_unpause(struct session_call *call) {
    call->wishes->unpause = true;
    resp_status(call->reply, "OK");
}

/* ---- MONITOR --- */

void session_monitor(struct session_call *call) {
    if (call->session->multi.running) {
        resp_error(call->reply, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return;
    }
    call->wishes->monitor = true;
    resp_status(call->reply, "OK");
}

/* ---- tracking: what a client caches is its own business --- */

void session_client_tracking(struct session_call *call) {
    if (call->count == 3 && resp_arg_is(&call->args[2], "OFF"))
        resp_status(call->reply, "OK");
    else if (resp_arg_is(&call->args[2], "ON"))
        resp_error(call->reply, "ERR CLIENT TRACKING ON is not supported: this server does not tell clients "
                                "what to drop from their caches");
    else
        resp_error(call->reply, "ERR syntax error");
}

void session_client_caching(struct session_call *call) {
    resp_error(call->reply, "ERR CLIENT CACHING can be called only when the client is in tracking mode with "
                            "OPTIN or OPTOUT mode enabled");
}

void session_client_getredir(struct session_call *call) {
    resp_integer(call->reply, -1);
}

void session_client_trackinginfo(struct session_call *call) {
    resp_map(call->reply, 3);
    resp_bulk_text(call->reply, "flags");
    resp_set(call->reply, 1);
    resp_bulk_text(call->reply, "off");
    resp_bulk_text(call->reply, "redirect");
    resp_integer(call->reply, -1);
    resp_bulk_text(call->reply, "prefixes");
    resp_array(call->reply, 0);
}
