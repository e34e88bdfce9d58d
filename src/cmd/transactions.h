/* SPDX-License-Identifier: MIT */
/* MULTI and what belongs to it, for the command table and for src/transaction.c. */
#ifndef TRANSACTIONS_H
#define TRANSACTIONS_H

struct call;
struct session_call;

void session_multi(struct session_call *call);
void session_exec(
    struct session_call *call); /* one that carries out nothing: there is no MULTI, or it failed */
void session_discard(struct session_call *call);
void session_unwatch(struct session_call *call);
void cmd_watch(struct call *call);

#endif
