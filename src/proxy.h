/* SPDX-License-Identifier: MIT */
/*
 * A follower as a proxy (raft-follower-mode proxy), for clients that never follow -MOVED: proxy.c tells how. Only proxy.c, proxy_replies.c,
 * proxy_settle.c and upstream.c look into struct proxy; the node's other files know the functions.
 */
#ifndef PROXY_H
#define PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../raft/raft.h"
#include "../resp/resp.h"
#include "gate.h"
#include "origin.h"
#include "reply_scan.h"

struct admission_exchange;
struct command;
struct connection;
struct dial;
struct node;
struct report;
struct wait;

enum proxy_phase {
    PROXY_CLOSED,     /* there is no upstream, and nobody asks for one */
    PROXY_WAITING,    /* for its turn to dial */
    PROXY_CONNECTING, /* the socket */
    PROXY_GREETING,   /* RAFT.HELLO is answered next */
    PROXY_PROVING,    /* RAFT.AUTH, then RAFT.CLIENT */
    PROXY_OPEN,
    PROXY_LOST, /* it is gone; what it had been sent and not answered is still to be settled */
};

enum { PROXY_BUCKETS = 1024 };

enum proxy_item_flag {
    PROXY_OURS = 1 << 0,       /* RAFT.CLIENT: its answer is not the client's */
    PROXY_QUIET = 1 << 1,      /* CLIENT REPLY OFF or SKIP */
    PROXY_SKIPPED = 1 << 2,    /* SKIP it was */
    PROXY_READS = 1 << 3,      /* it changes nothing: it may be asked again */
    PROXY_REPEATABLE = 1 << 4, /* once refused it may go to another leader */
    PROXY_EXEC = 1 << 5,
    PROXY_ENDLESS = 1 << 6,    /* it may wait for ever */
    PROXY_BLOCKS = 1 << 7,     /* for an element, with a time-out */
    PROXY_MULTI = 1 << 8,      /* begins a transaction */
    PROXY_QUEUED = 1 << 9,     /* between MULTI and EXEC */
    PROXY_DISCARD = 1 << 10,   /* ends one */
    PROXY_WATCH = 1 << 11,     /* */
    PROXY_UNWATCH = 1 << 12,   /* */
    PROXY_UNCOUNTED = 1 << 13, /* it has no number in its upstream */
    PROXY_CHANGES = 1 << 14,   /* it may change data: not certainly undone while it is unanswered */
    PROXY_DONE = 1 << 15,      /* it has: its entry is applied here */
    PROXY_UNKNOWN = 1 << 16,   /* its entry may be in a state that came here whole */
};

/* What was said between MULTI and EXEC. */
struct proxy_transaction {
    struct resp_buf queue;
    size_t count;
    bool plain;     /* nothing over the session: its reply can be made here */
    bool forgotten; /* it is larger than an entry may be: the queue is empty */
};

/* A request that was handed to the upstream, until its answer. */
struct proxy_item {
    size_t length;
    unsigned flags;
    uint64_t begun_ms;                     /* PROXY_BLOCKS: it waits since then */
    struct proxy_transaction *transaction; /* EXEC, DISCARD: what it ends; or NULL */
    struct resp_buf *reply; /* PROXY_DONE: as applying made it here; NULL: it could not be made */
};

/* One client's way to the leader. */
struct proxy {
    struct proxy *next, *previous; /* all of them */
    struct proxy *next_waiting;
    struct proxy *next_in_bucket; /* of those with an upstream, by its number */
    struct connection *connection;
    enum proxy_phase phase;
    struct dial *dial; /* from PROXY_CONNECTING on */
    raft_id to;
    raft_term term;                      /* in which that leads: the upstream is for this one */
    uint64_t upstream;                   /* its number; 0: there is none */
    uint64_t requests;                   /* that were numbered in it */
    uint64_t dial_by_ms;                 /* while it is not open */
    uint64_t estranged_ms;               /* since when it is not the leader's that we know; 0: it is */
    struct admission_exchange *exchange; /* while it is not open */
    struct resp_buf told;                /* the RAFT.CLIENT it was told last */
    bool retell;                         /* the session may have changed since */
    struct proxy_item *items;            /* a ring of `capacity` */
    size_t first, count, capacity;       /* the first `refused` of them were */
    size_t refused;                      /* by a node that does not lead; they wait to go elsewhere */
    struct reply_scan scan;
    size_t scanned;   /* bytes of the reply in hand that were read; they are still in dial->in, unless ... */
    bool passing;     /* the reply in hand is long: its beginning is with the client already */
    bool paused;      /* the client has not taken its replies */
    bool doubted;     /* the leader cannot tell what became of a request */
    uint64_t lost_ms; /* PROXY_LOST: since when */
    struct resp_buf unanswered;     /* PROXY_LOST: the items' bytes */
    bool multi, watching;           /* the upstream's session has this, as of the last request */
    bool multi_there, watch_there;  /* as of the last answer */
    struct proxy_transaction *open; /* while `multi` */
    bool restore;                   /* it was lost with its upstream: the next one is told it first */
    int64_t multi_db;               /* SELECT was said in the transaction; -1: it was not */
    bool wrote;                     /* its reads must see that, so this node's own state will not do */
    bool wrote_before;              /* by an upstream before this one */
    char why[160];                  /* the last dial failed because */
};

struct proxies {
    struct proxy *first;
    struct proxy *waiting, *waiting_last;
    struct proxy *buckets[PROXY_BUCKETS];
    uint64_t last_upstream;
    size_t count, open, dialling, paused, lost, restoring;
    raft_id not_leader; /* said so itself, in this term: not asked again */
    raft_term not_leader_term;
    uint64_t rest_until_ms; /* a dial failed: none is begun before */
    unsigned rest_ms;
    uint64_t look_ms;
    uint64_t dialled, requests, repeated, settled, in_doubt; /* since the start */
    const struct command *multi, *exec, *discard, *watch, *unwatch, *wait, *reset;
};

/* ---- serve.c and node.c ask ------------------------------------------------------------------------------------ */

void proxy_open(struct node *node); /* at start */
/* What becomes of a command of this connection when a proxy may stand in between. */
enum gate_verdict proxy_judge(struct node *node, struct connection *connection, const struct command *row,
                              const struct resp_command *command, enum gate_verdict verdict);
/* Hands it to the leader, or answers that nobody can be reached. False: it stays in the input, and the connection is held. */
bool proxy_take(struct node *node, struct connection *connection, const struct command *row,
                const struct resp_command *command);
/* This node does not lead any more, and is a proxy: the command that waits is its client's next again. False: it is to be told. */
bool proxy_takes_wait(struct node *node, const struct wait *wait);
/* This node does not lead any more: reads whose round was not confirmed are asked for at the leader instead, and answered here. */
void proxy_keep_reads(struct node *node);
/* It waits for answers of the leader: nothing may be answered before. */
bool proxy_pending(const struct connection *connection);
/* Through another leader, before this node was one: in which entry is not known. */
bool proxy_has_written(const struct connection *connection);
/* It waits for something that may never come. */
bool proxy_is_endless(const struct connection *connection);
/* A connection in HOLD_UPSTREAM may go on. */
bool proxy_may_go_on(const struct node *node, const struct connection *connection);
/* The connection is about to be closed, by either side: nothing is waited for any more. */
void proxy_leave(struct node *node, struct connection *connection);
/* The same, and it is forgotten. */
void proxy_free(struct node *node, struct connection *connection);
void proxy_turn(struct node *node);        /* what the upstreams have said */
void proxy_settle_turn(struct node *node); /* what was lost, when enough has been applied */
void proxy_flushed(struct node *node);     /* at the end of a turn: clients may have taken their replies */
bool proxy_busy(const struct node *node);  /* requests are with the leader */
void proxy_end(struct node *node);         /* whoever waits is told that the outcome is unknown */
void proxy_report(const struct node *node, struct report *report);

/* An entry is applied here that has a command of one of our clients, who has no answer yet. */
struct proxy_claim {
    struct proxy *proxy;
    struct proxy_item *item;
};
bool proxy_claims(struct node *node, const struct origin *origin, struct proxy_claim *claim);
/* Where its reply is to go; NULL: nowhere. */
struct resp_buf *proxy_claim_begin(const struct proxy_claim *claim);
/* It has been carried out; or it has not, for there was nothing to take. */
void proxy_claim_end(struct node *node, const struct proxy_claim *claim, bool done);
/* What was said between its MULTI and EXEC; NULL: the reply cannot be made here. */
const struct proxy_transaction *proxy_claim_transaction(const struct proxy_claim *claim);
/* The state was replaced: which entries it holds is not known. */
void proxy_replaced(struct node *node);

/* RAFT.CLIENT from a member, on the leader's side: false when it may not say that (proxied.c). */
bool proxied_command(struct node *node, struct connection *connection, const struct resp_command *command);
/* It came for a term that is over, to a leader that is one again: nothing that it asks may be proposed. */
bool proxied_is_stale(const struct node *node, const struct connection *connection);
/* Writes what a session is, for the leader. */
void proxied_write(struct resp_buf *out, const struct node *node, const struct connection *connection);

/* ---- between proxy.c, proxy_replies.c, proxy_settle.c and upstream.c ------------------------------------------- */

struct proxy_item *proxy_item_at(const struct proxy *proxy, size_t i);
struct proxy_item *proxy_add_item(struct proxy *proxy, size_t length, unsigned flags);
/* The oldest is answered, or given up: its bytes go. */
struct proxy_item proxy_drop_item(struct node *node, struct proxy *proxy);
struct proxy_transaction *proxy_transaction_new(void);
/* A command between MULTI and EXEC is kept, so that it can be said again to another leader. */
void proxy_queue(const struct node *node, struct proxy *proxy, const struct command *row,
                 const struct resp_command *command);
/* A transaction or a watch is with the upstream. */
bool proxy_is_stateful(const struct proxy *proxy);
/* Answers a request that had these flags with an error. */
void proxy_tell(struct node *node, struct proxy *proxy, unsigned flags, const char *error);
/* Answers the oldest with -INDOUBT, and drops it. */
void proxy_tell_doubt(struct node *node, struct proxy *proxy, const char *why);
/* Answers the oldest: it is certainly not done; and drops it. */
void proxy_tell_not_done(struct node *node, struct proxy *proxy);
/* Nothing more will come from there: every request gets its answer, or goes back into the client's input; at once, or when it
 * is known what became of it. */
void proxy_lose(struct node *node, struct proxy *proxy, const char *why);
void proxy_settle(struct node *node, struct proxy *proxy); /* of one that is lost */
/* The transaction that was lost begins again: with the upstream. */
void proxy_send_restored(struct node *node, struct proxy *proxy);
/* The transaction that was begun here goes on with the leader. */
void proxy_take_over(struct node *node, struct proxy *proxy);
void proxy_forget_transaction(struct node *node, struct proxy *proxy);
void proxy_take_news(struct node *node, struct proxy *proxy); /* of one that is open */

void upstream_open(struct node *node); /* at start */
/* Wants one to the present leader. */
void upstream_want(struct node *node, struct proxy *proxy);
void upstream_close(struct node *node, struct proxy *proxy);
/* Closes the socket; the requests are still to be settled. */
void upstream_lose(struct node *node, struct proxy *proxy);
/* Dials for those that wait. */
void upstream_turn(struct node *node);
/* Gives up one that has been dialling for too long. */
void upstream_look(struct node *node, struct proxy *proxy);
/* News of one that is not open yet. */
void upstream_step(struct node *node, struct proxy *proxy);

#endif
