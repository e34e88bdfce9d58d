/* SPDX-License-Identifier: MIT */
/* What the two halves of the network share: the streams (net.c), and a node's ends of them (endpoints.c). */
#ifndef SIM_FLOW_H
#define SIM_FLOW_H

#include <hiredis/hiredis.h>

#include "../../src/net/internal.h"
#include "sim.h"

struct segment {
    struct segment *next;
    uint64_t due;
    size_t length;
    char bytes[];
};

struct pipe {
    struct segment *first, **end;
    uint64_t last_due;
    uint64_t closes_at; /* after the last segment: end of file, or with `reset` at once; 0: it goes on */
    bool reset, refused;
    bool ended; /* the receiver knows */
};

struct flow {
    struct flow *next; /* of all */
    int opener, acceptor;
    unsigned port; /* that was dialled */
    struct pipe up, down;
    uint64_t arrives_at;  /* the opening request; 0: it has */
    uint64_t up_at;       /* the opener knows that it is open; 0: it does */
    uint64_t unheard;     /* the opener's bytes stay unacknowledged since then; 0: they do not */
    struct link *link;    /* the opener; NULL: it has gone, or is another */
    struct dial_io *dial; /* the opener; NULL: the same */
    bool client;          /* the opener is a load's client, and still there */
    bool gone;            /* ... and has been told that this is over */
    struct resp_buf in;   /* ... what came for it */
    struct client_io *io;
    bool deaf; /* the acceptor's machine went off: it answers nothing, and its next life with a reset */
};

/* ---- a node's ends ------------------------------------------------------------------------------------------ */

struct client_io {
    struct client client; /* first */
    struct net *net;
    struct flow *stream; /* NULL: the other end is out of reach for ever */
    struct chain all, news, touched;
    bool paused, held, closing, freed, counted_peer;
};

struct dial_io {
    struct dial dial; /* first */
    struct net *net;
    int host;
    struct flow *stream; /* NULL: the node is being torn down */
    struct chain all, news, touched;
    bool paused, freed;
    uint64_t room_at; /* the kernel's buffer is full until then; 0: it is not */
};

struct sim_net {
    struct net net; /* first */
    int host;
    bool listening;
};

struct link {
    struct net *net;
    struct chain all, news;
    void *owner;
    unsigned port;
    uint64_t timeout_us;
    enum link_state state;
    bool dial_at_once, freed, opened, dropped, came_up, fallen, refused, touched;
    uint64_t dial_at;    /* while it waits */
    uint64_t give_up_at; /* while it connects */
    uint64_t backoff_us, connected_at, connects;
    char why[NET_WHY_MAX], last_error[NET_WHY_MAX];
    struct flow *stream;
    redisReader *reader;
    struct reply reply;
    struct outbox outbox;
};

/* net.c */
uint64_t network_delay(int from, int to);
void pipe_put(struct pipe *pipe, int from, int to, const void *bytes, size_t length);
void pipe_close(struct pipe *pipe, int from, int to, bool reset);
struct flow *flow_new(int opener, int acceptor);
/* The opener lets go. What it sent may still arrive. */
void flow_leave(struct flow *stream, bool reset);
bool flow_is_cut(const struct flow *stream);
/* What the opener has sent does not arrive: since when? */
void flow_note_unheard(struct flow *stream);

static inline bool flow_has_opener(const struct flow *stream) {
    return stream->link || stream->dial || stream->client;
}

/* dial.c */
void dial_rise(struct dial_io *io);
void dial_take(struct dial_io *io, const void *bytes, size_t length);
void dial_fall(struct dial_io *io, const char *why);
uint64_t dials_next(const struct net *net); /* when a buffer has room again; UINT64_MAX: none is full */
void dials_work(struct net *net);

/* endpoints.c */
extern struct sim_net *network_nodes[SIM_NODES_MAX]; /* NULL: down */
void client_take_flow(struct net *net, struct flow *stream);
void client_lose(struct client_io *io, const char *why);
void link_fall(struct link *link, bool refused, const char *why);
void link_rise(struct link *link);
void link_dial(struct link *link);
static inline struct link *link_of(struct chain *node) {
    return CHAIN_ENTRY(node, struct link, all);
}

#endif
