/* SPDX-License-Identifier: MIT */
/*
 * The network: bytes in, bytes out, nothing of what they mean. libev's callbacks only move bytes between
 * sockets and buffers and note who has something new; the node takes what is new once per turn of the loop
 * and answers it:
 *
 *     poll -> callbacks fill client->in, link replies      (here)
 *     node_turn: net_take_client, net_take_link, commands, client->out, link_send   (above)
 *     net_flush: one write per connection that has something to say, many in one system call    (here)
 *                (net_flush_clients: for some of them before, while the node goes on answering)
 *
 * A client that was accepted lives until the node frees it: the network marks it `gone` and never pulls it
 * from under anybody's feet.
 */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../resp/resp.h"

struct ev_loop;
struct client;
struct net;

enum { NET_ADDRESS_MAX = 128, NET_HOST_MAX = 256, NET_WHY_MAX = 256 };
enum { NET_TURN_CLIENTS = 1024 }; /* that are read from in one turn, peers aside, and written to */

/* What a turn reads and writes in one system call. */
enum net_ring {
    NET_RING_AUTO, /* where the kernel allows it, and a system call costs enough */
    NET_RING_YES,  /* where the kernel allows it */
    NET_RING_NO,
};

struct net_options {
    size_t clients_max; /* maxclients: beyond it a connection is told so and closed; peers have reserve */
    unsigned
        peers_reserved; /* connections beyond clients_max that are let in until their first bytes show that
                                they are no peer's */
    int backlog;
    enum net_ring io_uring;
    unsigned keepalive_s;  /* tcp-keepalive; 0: off */
    size_t in_bytes_max;   /* client-query-buffer-limit: an unconsumed input beyond it closes the client */
    size_t out_bytes_max;  /* client-output-buffer-limit, hard; 0: none */
    size_t out_soft_bytes; /* soft limit, for out_soft_s seconds; 0: none */
    unsigned out_soft_s;
    size_t listener_bytes_max, listener_soft_bytes; /* the same for clients that are listeners */
    unsigned listener_soft_s;
    unsigned files_per_client; /* descriptors: 2 when there is a dial for each; 0 is 1 */
    size_t extra_files;        /* descriptors that others in this process need */
};

struct net_counters {
    uint64_t connections, rejected, bytes_in, bytes_out;
    uint64_t descriptors_short; /* times that no descriptor was left for a connection: worth a log line */
    size_t clients;             /* connected now, peers included */
    size_t peers;               /* of these, let in as peers */
    bool io_uring;              /* a ring is there */
    size_t clients_max; /* in force: lower than asked for when RLIMIT_NOFILE cannot be raised that far */
};

struct net *net_new(struct ev_loop *loop, const struct net_options *options);
/* Closes every socket and frees all clients and links. */
void net_free(struct net *net);
/* Takes up changed limits (CONFIG SET). */
void net_set_options(struct net *net, const struct net_options *options);
void net_counters(const struct net *net, struct net_counters *counters);
/* Listens on host (a numeric address) and port. False, with the reason (for a taken port: its number),
 * when it cannot. */
bool net_listen(struct net *net, const char *host, unsigned port, char why[NET_WHY_MAX]);
/* The port that the last net_listen got (it may have asked for port 0); 0 when nothing listens. */
unsigned net_port(const struct net *net);
/* Stops accepting; connections go on. */
void net_stop_listening(struct net *net);
/* Sends what is in every buffer that changed since the last flush, one writev each; what does not go now
 * goes when the socket takes it. Call at the end of every turn. `now_ms`: Unix milliseconds, for the soft
 * limit. */
void net_flush(struct net *net, uint64_t now_ms);
/* Within a turn: what these clients (64 at most) have, if they are to be flushed, goes now; before it what is in the links. Those that were
 * freed are left out. */
void net_flush_clients(struct net *net, struct client *const *clients, size_t count);

/* ---- clients: connections that somebody opened to us --------------------------------------------------- */

struct client {
    int fd;
    uint64_t id;                                                   /* 1, 2, 3 ...: CLIENT ID */
    char address[NET_ADDRESS_MAX], local_address[NET_ADDRESS_MAX]; /* ip:port */
    bool loopback;       /* the other end's address is a loopback address */
    struct resp_buf in;  /* filled by the network, consumed by the node; no more is read while it is paused */
    struct resp_buf out; /* filled by the node, then client_touch; consumed by the network */
    bool gone;           /* end of file, error, over a limit (see why): nothing more will come or go */
    bool peer;           /* the node let it in as a peer: exempt from clients_max and output limits */
    bool listener;       /* it listens to channels: other output limits */
    const char *why;     /* when gone: in words, for the log; a static string */
    bool ended;          /* the other end will send nothing more; it may still read: see client_hold */
    void *owner;         /* the node's */
    uint64_t last_in_ms; /* Unix milliseconds of the last byte that came */
    struct client_io *io; /* the network's own */
};

/* The next client with something new: just accepted, more input, or gone. NULL when there is none. Each is
 * returned once per news. */
struct client *net_take_client(struct net *net);
/* Puts it among those that net_take_client returns: the node has work left for it (in a later turn:
 * net_take_client never returns it again within the same run until net_flush). */
void client_again(struct client *client);
/* out has grown: it is to be flushed. */
void client_touch(struct client *client);
/* out has grown a lot, maybe: makes it gone when that is over the hard limit. */
void client_check_output(struct client *client);
/* Stops or resumes reading from the socket (back-pressure: the kernel's buffer fills, then the sender
 * waits). */
void client_pause(struct client *client, bool paused);
/* Sends what is in out as far as the socket takes it now, then closes and frees. The client may be gone
 * already. */
void client_free(struct client *client);
/*
 * Held: replies are still to come, so an end of file does not make it gone yet. Without it a client is gone
 * as soon as the other end has ended, what it sent was handed over, nothing in `out` is left and nobody
 * asked for it again: `printf 'SET k v\r\n' | nc` gets its answer only when the node holds the client while
 * its write is under way. A client that waits for something that may never come (a blocking pop) is not
 * held.
 */
void client_hold(struct client *client, bool held);
/* After what is in out has been sent (or `out` cannot be sent for a second), marks it gone: the node then
 * frees it. */
void client_close_after_flush(struct client *client);
/* It was accepted beyond clients_max, for it may be a peer, and has not shown that it is one. */
bool client_on_probation(const struct client *client);
/* All clients: the first, and the one after; NULL at the end. Freeing during the walk is allowed only for
 * the one in hand. */
struct client *net_first_client(struct net *net);
struct client *net_next_client(struct client *client);
/* Bytes that the connection occupies: the struct and both buffers. */
size_t client_memory(const struct client *client);

/* ---- links: connections that we open to a peer --------------------------------------------------------- */

/*
 * A link dials, redials with back-off (50 ms doubling to 2 s, with jitter), and carries requests one way;
 * the peer's answers come back as values. Names are resolved on a worker; hiredis opens and reads
 * (redisConnectNonBlock, its reader), writes are our own writev. Nothing that a peer sends can end the
 * process.
 *
 * Every attempt ends in exactly one LINK_DOWN, whether it came up before or not, and also after link_drop;
 * the next dial waits until that event was taken. What is put into a link that is not connected is dropped
 * (and released) in silence.
 */
struct link;

enum link_state {
    LINK_RESOLVING,
    LINK_CONNECTING,
    LINK_CONNECTED, /* bytes can be sent: the owner shakes hands, then calls link_open */
    LINK_WAITING,   /* backing off */
};

enum link_event_type {
    LINK_UP,    /* just connected */
    LINK_REPLY, /* a reply: see args */
    LINK_DOWN,  /* closed or could not connect: see why and refused */
};

struct link_event {
    enum link_event_type type;
    char kind; /* of a reply: '+' '-' ':' '$' '*'; a null of either sort is a '$' */
    const struct resp_arg
        *args; /* of a reply: its text, or an array's elements as text, nested ones in line; a null
                                    has bytes == NULL; hold until the next link_take */
    size_t count;
    bool refused;    /* of a down: the connection was refused: no process listens there */
    const char *why; /* of a down: in words; holds until the next link_take */
};

/* `host` may be a name. connect_timeout_ms bounds a connect and a name look-up together. */
struct link *link_new(struct net *net, const char *host, unsigned port, unsigned connect_timeout_ms);
void link_free(struct link *link); /* frees at the end of the turn: safe from anywhere */
/* Dials another address from now on; drops the connection there is when it differs. */
void link_set_address(struct link *link, const char *host, unsigned port);
/* The next link with events, and its next event: take until false. */
struct link *net_take_link(struct net *net);
bool link_take(struct link *link, struct link_event *event);
/* Room at the back of what is to be sent; link_touch afterwards. Only when connected. */
struct resp_buf *link_out(struct link *link);
/* Sends bytes from where they are after what is in link_out so far: `release(owner)` is called on the loop
 * when they have gone or the link fell. */
void link_send_shared(struct link *link, const void *bytes, size_t length, void (*release)(void *owner),
                      void *owner);
void link_touch(struct link *link);
/* Bytes not yet taken by the socket. */
size_t link_backlog(const struct link *link);
/* Drops the connection (bad handshake): backs off, dials again. `why` for the log and link_last_error. */
void link_drop(struct link *link, const char *why);
/* Somebody is known to be there: dials now, whatever the back-off says. Nothing unless it waits to dial. */
void link_hurry(struct link *link);
/* The handshake succeeded: back-off starts anew from its shortest at the next failure. */
void link_open(struct link *link);
enum link_state link_state(const struct link *link);
const char *link_last_error(const struct link *link); /* "" when none; stays after recovery */
uint64_t link_connects(const struct link *link);
void *link_owner(const struct link *link);
void link_set_owner(struct link *link, void *owner);
/* The numeric address that it is connected to; "" while it is not. */
const char *link_address(const struct link *link);
/* It is connected, and both ends have the same address: they are on one machine. */
bool link_is_local(const struct link *link);

/* ---- dials: connections that we open on behalf of one client ------------------------------------------- */

struct dial {
    struct resp_buf in;  /* filled by the network, consumed by the owner */
    struct resp_buf out; /* filled by the owner, then dial_touch; what has been sent stays until dial_drop */
    size_t sent;         /* bytes at the front of out that have gone */
    bool up;             /* it is connected, or was */
    bool gone;           /* nothing more will come or go; what came until then is in `in` */
    const char *why;     /* when gone: in words; a static string */
    void *owner;
    struct dial_io *io; /* the network's own */
};

/* Connects to a numeric address, once. Every dial's first news is `up` or `gone`. */
struct dial *dial_new(struct net *net, const char *address, unsigned port);
void dial_free(struct dial *dial); /* closes; it is reclaimed at the end of the turn */
/* The next dial with news; NULL when there is none. */
struct dial *net_take_dial(struct net *net);
void dial_touch(struct dial *dial); /* out has grown: it is to be flushed */
/* Stops or resumes reading from the socket. */
void dial_pause(struct dial *dial, bool paused);
/* Drops bytes from the front of out. */
void dial_drop(struct dial *dial, size_t length);

#endif
