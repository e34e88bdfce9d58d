/* SPDX-License-Identifier: MIT */
/*
 * A follower as a proxy (raft-follower-mode proxy), for clients that never follow -MOVED: proxy.c tells how. Only proxy.c, proxy_replies.c and
 * upstream.c look into struct proxy; the node's other files know the functions.
 */
#ifndef PROXY_H
#define PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../raft/raft.h"
#include "../resp/resp.h"
#include "gate.h"
#include "reply_scan.h"

struct admission_exchange;
struct connection;
struct dial;
struct node;
struct report;

enum proxy_phase {
    PROXY_CLOSED,     /* there is no upstream, and nobody asks for one */
    PROXY_WAITING,    /* for its turn to dial */
    PROXY_CONNECTING, /* the socket */
    PROXY_GREETING,   /* RAFT.HELLO is answered next */
    PROXY_PROVING,    /* RAFT.AUTH, then RAFT.CLIENT */
    PROXY_OPEN,
};

enum { PROXY_ENDLESS_MAX = 9 };

enum proxy_item_flag {
    PROXY_OURS = 1 << 0,       /* RAFT.CLIENT: its answer is not the client's */
    PROXY_QUIET = 1 << 1,      /* CLIENT REPLY OFF or SKIP */
    PROXY_SKIPPED = 1 << 2,    /* SKIP it was */
    PROXY_READS = 1 << 3,      /* it changes nothing: it may be asked again */
    PROXY_REPEATABLE = 1 << 4, /* once refused it may go to another leader: it is no part of a transaction */
    PROXY_EXEC = 1 << 5,
    PROXY_ENDLESS = 1 << 6, /* it may wait for ever */
};

/* A request that was handed to the upstream, until its answer. */
struct proxy_item {
    size_t length;
    unsigned flags;
};

/* One client's way to the leader. */
struct proxy {
    struct proxy *next, *previous; /* all of them */
    struct proxy *next_waiting;
    struct connection *connection;
    enum proxy_phase phase;
    struct dial *dial; /* from PROXY_CONNECTING on */
    raft_id to;
    uint64_t dial_by_ms;                 /* while it is not open */
    uint64_t estranged_ms;               /* since when it is not the leader's that we know; 0: it is */
    struct admission_exchange *exchange; /* while it is not open */
    struct resp_buf told;                /* the RAFT.CLIENT it was told last */
    bool retell;                         /* the session may have changed since */
    struct proxy_item *items;            /* a ring of `capacity` */
    size_t first, count, capacity;       /* the first `refused` of them were */
    size_t refused;                      /* by a node that does not lead; they wait to go elsewhere */
    struct reply_scan scan;
    size_t scanned; /* bytes of the reply in hand that were read; they are still in dial->in, unless ... */
    bool passing;   /* the reply in hand is long: its beginning is with the client already */
    bool paused;    /* the client has not taken its replies */
    bool multi, watching; /* the upstream's session has this, as of the last request */
    int64_t multi_db;     /* SELECT was said in the transaction; -1: it was not */
    bool wrote;           /* its reads must see that, so this node's own state will not do */
    char why[160];        /* the last dial failed because */
};

struct proxies {
    struct proxy *first;
    struct proxy *waiting, *waiting_last;
    size_t count, open, dialling, paused;
    raft_id not_leader; /* said so itself, in this term: not asked again */
    raft_term not_leader_term;
    uint64_t rest_until_ms; /* a dial failed: none is begun before */
    unsigned rest_ms;
    uint64_t look_ms;
    uint64_t dialled, requests, repeated, in_doubt; /* since the start */
    const struct command *multi, *exec, *discard, *watch, *unwatch, *wait, *reset;
    const struct command *endless[PROXY_ENDLESS_MAX]; /* commands that may wait for ever */
};

/* ---- serve.c and node.c ask ------------------------------------------------------------------------------------ */

void proxy_open(struct node *node); /* at start */
/* What becomes of a command of this connection when a proxy may stand in between. */
enum gate_verdict proxy_judge(struct node *node, struct connection *connection, const struct command *row,
                              const struct resp_command *command, enum gate_verdict verdict);
/* Hands it to the leader, or answers that nobody can be reached. False: it stays in the input, and the connection is held. */
bool proxy_take(struct node *node, struct connection *connection, const struct command *row,
                const struct resp_command *command);
/* This node does not lead any more: reads whose round was not confirmed are asked for at the leader instead, and answered here. */
void proxy_keep_reads(struct node *node);
/* It waits for answers of the leader: nothing may be answered before. */
bool proxy_pending(const struct connection *connection);
/* It waits for something that may never come. */
bool proxy_is_endless(const struct connection *connection);
/* A connection in HOLD_UPSTREAM may go on. */
bool proxy_may_go_on(const struct node *node, const struct connection *connection);
/* The connection is about to be closed, by either side: nothing is waited for any more. */
void proxy_leave(struct node *node, struct connection *connection);
/* The same, and it is forgotten. */
void proxy_free(struct node *node, struct connection *connection);
void proxy_turn(struct node *node);       /* what the upstreams have said */
void proxy_flushed(struct node *node);    /* at the end of a turn: clients may have taken their replies */
bool proxy_busy(const struct node *node); /* requests are with the leader */
void proxy_end(struct node *node);        /* whoever waits is told that the outcome is unknown */
void proxy_report(const struct node *node, struct report *report);

/* RAFT.CLIENT from a member, on the leader's side: false when it may not say that (proxied.c). */
bool proxied_command(struct node *node, struct connection *connection, const struct resp_command *command);
/* Writes what a session is, for the leader. */
void proxied_write(struct resp_buf *out, const struct node *node, const struct connection *connection);

/* ---- between proxy.c, proxy_replies.c and upstream.c ----------------------------------------------------------- */

struct proxy_item *proxy_item_at(const struct proxy *proxy, size_t i);
void proxy_add_item(struct proxy *proxy, size_t length, unsigned flags);
/* The oldest is answered, or given up: its bytes go. */
struct proxy_item proxy_drop_item(struct node *node, struct proxy *proxy);
/* A transaction or a watch is with the upstream. */
bool proxy_is_stateful(const struct proxy *proxy);
/* Answers a request that had these flags with an error. */
void proxy_tell(struct node *node, struct proxy *proxy, unsigned flags, const char *error);
/* Answers the oldest with -INDOUBT, and drops it. */
void proxy_tell_doubt(struct node *node, struct proxy *proxy, const char *why);
/* Nothing more will come from there: every request gets its answer, or goes back into the client's input. */
void proxy_lose(struct node *node, struct proxy *proxy, const char *why);
void proxy_take_news(struct node *node, struct proxy *proxy); /* of one that is open */

/* Wants one to the present leader. */
void upstream_want(struct node *node, struct proxy *proxy);
void upstream_close(struct node *node, struct proxy *proxy);
/* Dials for those that wait. */
void upstream_turn(struct node *node);
/* Gives up one that has been dialling for too long. */
void upstream_look(struct node *node, struct proxy *proxy);
/* News of one that is not open yet. */
void upstream_step(struct node *node, struct proxy *proxy);

#endif
