/* SPDX-License-Identifier: MIT */
/*
 * What the files of the network share and nobody else sees.
 *
 *     net.c        the context: options, the end of a turn
 *     listener.c   accepting, and what to do when descriptors run out       holder.c   who holds a taken port
 *     client.c     connections that somebody opened to us
 *     link.c       connections that we open: dial, fall, back off, dial again
 *     dial.c       connections that we open once, for one client each
 *     batch.c      what a turn has to read and to write, in one system call
 *     outbox.c     what a link sends      reply.c   what it reads      resolve.c   where its name leads
 */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

#include <ev.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "net.h"

/* ---- chains: doubly linked rings, the link embedded in what it links ----------------------------------- */

struct chain {
    struct chain *next, *previous; /* itself when it stands alone */
};

#define CHAIN_ENTRY(node, type, field) ((type *)(void *)((char *)(node)-offsetof(type, field)))

static inline void chain_init(struct chain *chain) {
    chain->next = chain->previous = chain;
}
static inline bool chain_alone(const struct chain *chain) {
    return chain->next == chain;
}
static inline void chain_remove(struct chain *node) {
    node->previous->next = node->next;
    node->next->previous = node->previous;
    chain_init(node);
}
/* To the end of the chain; stays where it is when it stands in one already. */
static inline void chain_push(struct chain *chain, struct chain *node) {
    if (!chain_alone(node))
        return;
    node->next = chain;
    node->previous = chain->previous;
    chain->previous->next = node;
    chain->previous = node;
}
/* NULL when the chain is empty. */
static inline struct chain *chain_pop(struct chain *chain) {
    struct chain *node = chain->next;
    if (node == chain)
        return NULL;
    chain_remove(node);
    return node;
}
/* All of `from` to the end of `to`. */
static inline void chain_move(struct chain *to, struct chain *from) {
    for (struct chain *node; (node = chain_pop(from)) != NULL;)
        chain_push(to, node);
}

/* ---- batch.c: reads and writes that do not wait, in one system call where the kernel can --------------- */

enum { BATCH_MAX = 64 };

struct batch_call {
    int fd;
    bool sends;
    char *bytes;
    size_t length;
    ssize_t result; /* bytes; 0, of a read: the end; below 0: the error, turned about */
};

struct batch; /* NULL: one call each */

/* NULL when the kernel refuses it, or when it is wanted only where it pays, and does not here. */
struct batch *batch_new(bool where_it_pays);
void batch_free(struct batch *batch);
/* At most BATCH_MAX. In their order, and all have their results when it returns. */
void batch_run(struct batch *batch, struct batch_call *calls, size_t count);

/* ---- the context --------------------------------------------------------------------------------------- */

enum {
    NET_SCRATCH_BYTES = 64 * 1024,             /* read at once when nobody has asked for more */
    NET_SHARE_BYTES = 4 * 1024,                /* and where many are read from, for each of them at first */
    NET_SHARE_STEP = NET_SHARE_BYTES + 5 * 64, /* so that their beginnings do not share lines of a cache */
    NET_FILES_RESERVED = 128, /* descriptors kept for databases, logs, listeners, links and the loop */
};

struct net {
    struct ev_loop *loop;
    struct net_options options;
    struct net_counters counters;
    uint64_t now_ms; /* as the last flush was told */

    struct ev_idle awake; /* active while somebody has news that nobody took: the loop must not sleep on it */
    struct ev_idle polled; /* never active: fed to the loop, to be heard behind the callbacks of a poll */
    struct ev_timer tick;  /* active while outputs wait */
    bool ticked;

    struct chain listeners;
    struct ev_timer pause; /* active while no connection can be accepted */
    bool pause_over;
    int spare_fd; /* given up for a moment to tell a connection that there is none for it; -1: lost */

    struct chain clients;  /* all of them, in order of their ids; the freed ones too until the turn ends */
    struct chain readable; /* clients that are read from when the poll's callbacks have all run */
    struct chain news;     /* clients that net_take_client is to return */
    struct chain later;    /* the same, in the next turn */
    struct chain touched;  /* clients that the flush must look at */
    struct chain waiting;  /* clients whose socket takes no more */
    struct chain freed;    /* clients that are reclaimed at the end of the turn */
    uint64_t last_id;
    uint64_t round;      /* clients are read from once in each; it may last several turns */
    size_t round_reads;  /* clients read from in this turn */
    bool round_left;     /* in this turn some were not */
    size_t turn_written; /* clients written to, or looked at for that, in this turn */

    struct chain links;     /* all of them, the freed ones too until they can be reclaimed */
    struct chain link_news; /* links with events */
    bool links_stepped;     /* in this turn */

    struct chain dials;          /* all of them, the freed ones too until the turn ends */
    struct chain dial_news;      /* dials that net_take_dial is to return */
    struct chain dials_readable; /* dials that are read from when the poll's callbacks have all run */
    struct chain dials_touched;  /* dials that the flush must look at */

    unsigned random; /* for the jitter */

    struct batch *batch; /* NULL: calls are made one by one, as they come */
    char scratch[NET_SCRATCH_BYTES];
    char shares[BATCH_MAX * NET_SHARE_STEP]; /* beside one another while many are read from */
};

/* net.c */
/* Somebody can be read from: clients_read and dials_read are called when all that the poll brought is known. */
void net_poll_ends(struct net *net);

/* listener.c */
void listeners_init(struct net *net);
void listeners_resume(struct net *net); /* at the end of a turn: accepts again when the pause is over */
void listeners_set_keepalive(struct net *net);
void listeners_close(struct net *net);
/* keepalive_s 0 turns it off. */
void socket_set_keepalive(int fd, unsigned keepalive_s);

/* holder.c */
/* " by PID NAME" of the process that listens on the port, "" when it cannot be told. */
void port_holder(unsigned port, char text[NET_WHY_MAX]);

/* client.c */
void clients_init(struct net *net);
void client_accept(struct net *net, int fd, const struct sockaddr *address, bool probation);
/* Says that there is no room and closes. */
void client_reject(struct net *net, int fd);
void clients_read(struct net *net);
void clients_flush(struct net *net);
void clients_flush_some(struct net *net, struct client *const *clients, size_t count); /* who is touched */
void clients_close(struct net *net);

/* link.c */
void links_init(struct net *net);
void links_flush(struct net *net);
void links_send(struct net *net); /* what they have: nothing else of the turn's end */
void links_close(struct net *net);

/* dial.c */
void dials_init(struct net *net);
void dials_read(struct net *net);
void dials_flush(struct net *net);
void dials_close(struct net *net);

/* ---- resolve.c: a name to addresses -------------------------------------------------------------------- */

enum { ADDRESSES_MAX = 8 };

struct addresses {
    char text[ADDRESSES_MAX][NET_ADDRESS_MAX]; /* numeric, in order of preference */
    size_t count;
};

/* True when the host is an address already; never asks anybody. */
bool addresses_from_numeric(const char *host, struct addresses *addresses);

struct resolver; /* one name at a time, on a thread of its own */

struct resolver *resolver_new(struct ev_loop *loop);
/* Waits for a look-up that is under way. */
void resolver_free(struct resolver *resolver);
/* Only when it is not busy. */
void resolver_ask(struct resolver *resolver, const char *host);
bool resolver_busy(const struct resolver *resolver);
/* The answer, once: for which host, the addresses (none: why). False while there is none. */
bool resolver_take(struct resolver *resolver, char host[NET_HOST_MAX], struct addresses *addresses,
                   const char **why);

/* ---- outbox.c: bytes on their way out, own and shared, in one order ------------------------------------ */

struct outbox_shared {
    uint64_t at; /* stands after this many own bytes, counted since the outbox was empty for the first time */
    const char *bytes;
    size_t length;
    void (*release)(void *owner);
    void *owner;
};

struct outbox {
    struct resp_buf own;
    uint64_t own_sent; /* own bytes sent so far: the position of own's first byte */
    struct outbox_shared *shared;
    size_t first, end, capacity; /* shared[first, end) are to be sent, oldest first */
    size_t first_sent;           /* bytes of shared[first] that have gone */
    size_t shared_bytes;         /* of all, not yet sent */
};

void outbox_share(struct outbox *outbox, const void *bytes, size_t length, void (*release)(void *owner),
                  void *owner);
size_t outbox_length(const struct outbox *outbox);
/* The front of what is to be sent as at most `max` parts; returns their number. */
size_t outbox_parts(const struct outbox *outbox, struct iovec *parts, size_t max);
/* `length` bytes have gone: releases what went with them. */
void outbox_sent(struct outbox *outbox, size_t length);
/* Drops and releases all, gives back the memory. */
void outbox_close(struct outbox *outbox);

/* ---- reply.c: replies, flattened while hiredis reads them ---------------------------------------------- */

struct redisReader;

struct reply {
    char kind;
    struct resp_arg *args;  /* of a whole reply; owned */
    size_t count, capacity; /* of args */
    struct resp_buf text;   /* what args point into */
    size_t fed;             /* bytes given to the reader since the last whole reply */
    bool whole;             /* shown to the owner: cleared before the next one */
};

enum reply_outcome { REPLY_NONE, REPLY_WHOLE, REPLY_BAD };

/* Makes the reader hand its objects to `reply`; both start empty. */
void reply_start(struct reply *reply, struct redisReader *reader);
void reply_feed(struct reply *reply, struct redisReader *reader, const char *bytes, size_t length);
/* The next whole reply into kind, args and count. REPLY_BAD: garbage, or too long; *why says what, until
 * the reader is freed. */
enum reply_outcome reply_next(struct reply *reply, struct redisReader *reader, const char **why);
void reply_close(struct reply *reply);

#endif
