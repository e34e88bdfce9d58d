/* SPDX-License-Identifier: MIT */
/*
 * MULTI, EXEC, DISCARD, WATCH, UNWATCH: what they say about themselves. What is queued, and what becomes of it, is src/transaction.c's: an
 * EXEC that carries out anything does not come here.
 */
#include "lookup.h"
#include "sessions.h"
#include "transactions.h"

void session_multi(struct session_call *call) {
    struct session_multi *multi = &call->session->multi;

    if (multi->open) {
        resp_error(call->reply, "ERR MULTI calls can not be nested");
        return;
    }
    *multi = (struct session_multi){.open = true};
    resp_status(call->reply, "OK");
}

void session_exec(struct session_call *call) {
    if (!call->session->multi.open) {
        resp_error(call->reply, "ERR EXEC without MULTI");
        return;
    }
    call->wishes->discard = true;
    resp_error(call->reply, "EXECABORT Transaction discarded because of previous errors.");
}

void session_discard(struct session_call *call) {
    if (!call->session->multi.open) {
        resp_error(call->reply, "ERR DISCARD without MULTI");
        return;
    }
    call->wishes->discard = true;
    resp_status(call->reply, "OK");
}

void session_unwatch(struct session_call *call) {
    call->wishes->unwatch = true;
    resp_status(call->reply, "OK");
}

/* Looks whether one of them is due, so that it is watched as it is by the clock. */
void cmd_watch(struct call *call) {
    for (size_t i = 1; i < call->count; i++)
        (void)lookup(call, &call->args[i]);
    call->hits = call->misses = 0;
    resp_status(call->reply, "OK");
}
