/* SPDX-License-Identifier: MIT */
/*
 * A connection that we open to a peer, for as long as the peer is one.
 *
 *                    name            address
 *     WAITING ---> RESOLVING ---> CONNECTING ---> CONNECTED
 *        ^             |               |              |
 *        +-------------+-- LINK_DOWN --+--------------+     (the owner takes the event, then it waits)
 *
 * Callbacks only note: the socket is ready, bytes came, time is over. The states change in step(), which
 * runs when the owner asks for news and once more in the flush: a timer that expired beside a connect that
 * succeeded in the same poll therefore finds it connected.
 *
 * A fall in two moments. The socket fails first (`fallen`: watchers stop, the link has news); what was read
 * until then is still delivered, then LINK_DOWN, and only there the connection is closed, everything shared
 * is released, and the next dial is set. So each LINK_UP has its LINK_DOWN, in order, whatever happens in
 * between.
 *
 * When to dial again. A link that was open (the handshake had succeeded) dials at once: a refusal is the
 * fastest proof that the peer's process is gone, and a passing fault is over soonest. Anything else backs
 * off, until the owner knows better: a peer that has come back dials us, and we it at once (link_hurry). A
 * name is looked up for each dial but that first one; addresses that were good once serve while the name
 * server is silent.
 *
 * TCP_USER_TIMEOUT bounds how long sent bytes may stay unacknowledged. Without it a link over a healed
 * partition would wait for the next retransmission, which may be minutes away, while a new connection works
 * at once.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BACKOFF_MIN_MS = 50,
    BACKOFF_MAX_MS = 2000,
    UNACKNOWLEDGED_MAX_MS = 5000,
    READ_BYTES = 16 * 1024,
    PARTS_MAX = 256,
};

struct link {
    struct net *net;
    struct chain all, news;
    void *owner;
    char host[NET_HOST_MAX];
    unsigned port;
    unsigned connect_timeout_ms;
    enum link_state state;
    bool freed;

    /* Dialling. */
    struct resolver *resolver; /* NULL until a name has to be looked up */
    struct addresses addresses;
    size_t next_address;   /* of addresses: to be tried next */
    size_t tried;          /* addresses tried in this dial */
    bool all_refused;      /* all of them, because nobody listens */
    struct ev_timer timer; /* WAITING: the back-off; RESOLVING, CONNECTING: the deadline */
    bool time_over;
    unsigned backoff_ms;
    bool dial_at_once; /* no back-off after the fall in hand */
    bool dial_known;   /* the next dial needs no look-up */

    /* The connection: context is NULL when there is none. */
    redisContext *context;
    struct ev_io readable, writable;
    bool socket_ready; /* CONNECTING: succeeded or failed */
    bool blocked;      /* the socket took less than there was */
    bool touched;      /* there is something new to send */
    bool opened;
    double connected_s; /* when, on the loop's clock */
    uint64_t connects;
    struct outbox outbox;
    struct reply reply;

    /* News. */
    bool came_up;
    bool fallen;
    bool dropped; /* what was read before the fall is not wanted */
    bool refused;
    char why[NET_WHY_MAX];        /* of the fall in hand */
    char last_error[NET_WHY_MAX]; /* of the last one */
};

static struct link *of_all(struct chain *node) {
    return CHAIN_ENTRY(node, struct link, all);
}

void links_init(struct net *net) {
    chain_init(&net->links);
    chain_init(&net->link_news);
}

/* ---- falling ------------------------------------------------------------------------------------------- */

static void stop_timer(struct link *link) {
    ev_timer_stop(link->net->loop, &link->timer);
    link->time_over = false;
}

static void start_timer(struct link *link, unsigned after_ms) {
    stop_timer(link);
    double stale_s = ev_time() - ev_now(link->net->loop); /* of a turn that took long */
    ev_timer_set(&link->timer, after_ms / 1000.0 + (stale_s > 0 ? stale_s : 0), 0);
    ev_timer_start(link->net->loop, &link->timer);
}

static void close_context(struct link *link) {
    ev_io_stop(link->net->loop, &link->readable);
    ev_io_stop(link->net->loop, &link->writable);
    link->socket_ready = link->blocked = false;
    if (link->context)
        redisFree(link->context);
    link->context = NULL;
}

static void fall(struct link *link, bool refused, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fall(struct link *link, bool refused, const char *format, ...) {
    if (link->fallen || link->freed)
        return;
    assert(link->state != LINK_WAITING);
    va_list args;
    va_start(args, format);
    vsnprintf(link->why, sizeof link->why, format, args);
    va_end(args);
    memcpy(link->last_error, link->why, sizeof link->why);
    link->fallen = true;
    link->refused = refused;
    ev_io_stop(link->net->loop, &link->readable);
    ev_io_stop(link->net->loop, &link->writable);
    stop_timer(link);
    chain_push(&link->net->link_news, &link->news);
}

/* 3/4 to 5/4 of the back-off, which doubles: nodes that fell together do not dial together. */
static unsigned next_backoff_ms(struct link *link) {
    unsigned base = link->backoff_ms;
    unsigned delay = base * 3 / 4 + (unsigned)rand_r(&link->net->random) % (base / 2 + 1);
    link->backoff_ms = base * 2 < BACKOFF_MAX_MS ? base * 2 : BACKOFF_MAX_MS;
    return delay < BACKOFF_MAX_MS ? delay : BACKOFF_MAX_MS;
}

/* At once when an open link fell by itself; but never more often than the shortest back-off. */
static unsigned redial_delay_ms(struct link *link) {
    if (link->dial_at_once)
        return 0;
    if (link->state != LINK_CONNECTED || !link->opened || link->dropped)
        return next_backoff_ms(link);
    double lasted_ms = (ev_now(link->net->loop) - link->connected_s) * 1000;
    link->dial_known = true;
    return lasted_ms >= 0 && lasted_ms < BACKOFF_MIN_MS ? (unsigned)(BACKOFF_MIN_MS - lasted_ms) : 0;
}

static void wait_to_dial(struct link *link) {
    unsigned delay_ms = redial_delay_ms(link);
    close_context(link);
    outbox_close(&link->outbox);
    link->state = LINK_WAITING;
    link->fallen = link->dropped = link->opened = link->dial_at_once = link->touched = false;
    if (delay_ms > 0)
        start_timer(link, delay_ms);
    else
        link->time_over = true;
}

/* ---- dialling ------------------------------------------------------------------------------------------ */

/* False, with errno-like knowledge in `refused` and words in `why`, when not even the attempt could be
 * made. */
static bool open_context(struct link *link, const char *address, char why[NET_WHY_MAX], bool *refused) {
    redisContext *context = redisConnectNonBlock(address, (int)link->port);
    if (!context)
        abort();
    *refused = context->err && strstr(context->errstr, strerror(ECONNREFUSED));
    if (context->err) {
        snprintf(why, NET_WHY_MAX, "%s port %u: %s", address, link->port, context->errstr);
        redisFree(context);
        return false;
    }
    unsigned unacknowledged_ms = UNACKNOWLEDGED_MAX_MS;
    fcntl(context->fd, F_SETFD, FD_CLOEXEC);
    setsockopt(context->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
    socket_set_keepalive(context->fd, link->net->options.keepalive_s);
    link->context = context;
    reply_start(&link->reply, context->reader);
    ev_io_set(&link->readable, context->fd, EV_READ);
    ev_io_set(&link->writable, context->fd, EV_WRITE);
    ev_io_start(link->net->loop, &link->writable);
    return true;
}

/* The addresses of this dial that were not tried yet, in turn; when there is none left the dial has
 * failed. */
static void connect_next(struct link *link, const char *why) {
    char failure[NET_WHY_MAX];
    snprintf(failure, sizeof failure, "%s", why);
    link->state = LINK_CONNECTING;
    while (link->tried < link->addresses.count) {
        const char *address = link->addresses.text[link->next_address % link->addresses.count];
        bool refused = false;
        link->next_address++;
        link->tried++;
        if (open_context(link, address, failure, &refused))
            return;
        link->all_refused &= refused;
    }
    fall(link, link->all_refused, "%s", failure);
}

static void dial(struct link *link) {
    struct net *net = link->net;
    assert(link->state == LINK_WAITING && !link->context && !link->fallen);
    bool known = link->dial_known || (link->resolver && resolver_busy(link->resolver));
    link->dial_known = false;
    link->tried = 0;
    link->all_refused = true;
    start_timer(link, link->connect_timeout_ms);
    if (addresses_from_numeric(link->host, &link->addresses) || (known && link->addresses.count > 0)) {
        connect_next(link, "");
        return;
    }
    link->state = LINK_RESOLVING;
    if (!link->resolver)
        link->resolver = resolver_new(net->loop);
    if (!resolver_busy(link->resolver))
        resolver_ask(link->resolver, link->host);
}

/* The name server has answered, perhaps too late or for a host that has changed since. */
static void take_addresses(struct link *link) {
    char host[NET_HOST_MAX];
    struct addresses found;
    const char *why;
    if (!link->resolver || !resolver_take(link->resolver, host, &found, &why))
        return;
    bool asked = link->state == LINK_RESOLVING && !link->fallen && !link->freed;
    if (strcmp(host, link->host) != 0) {
        if (asked)
            resolver_ask(link->resolver, link->host);
        return;
    }
    if (found.count > 0 && memcmp(&found, &link->addresses, sizeof found) != 0) {
        link->addresses = found;
        link->next_address = 0;
    }
    if (asked && link->addresses.count > 0)
        connect_next(link, "");
    else if (asked)
        fall(link, false, "%s: %s", link->host, why);
}

/* The two ends of a connection; false when they cannot be told. */
static bool ends_of(int fd, struct sockaddr_storage *here, struct sockaddr_storage *there) {
    socklen_t here_length = sizeof *here, there_length = sizeof *there;
    memset(here, 0, sizeof *here);
    memset(there, 0, sizeof *there);
    return getsockname(fd, (struct sockaddr *)here, &here_length) == 0 &&
           getpeername(fd, (struct sockaddr *)there, &there_length) == 0;
}

static void forget_port(struct sockaddr_storage *address) {
    if (address->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_port = 0;
    else
        ((struct sockaddr_in *)address)->sin_port = 0;
}

/* A socket may be given the very port that it dials, and then connects to itself. It is closed without the
 * usual wait, which would keep the port from the peer. */
static bool is_itself(int fd) {
    struct linger at_once = {.l_onoff = 1};
    struct sockaddr_storage here, there;
    return ends_of(fd, &here, &there) && memcmp(&here, &there, sizeof here) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0;
}

static void finish_connect(struct link *link) {
    int error = 0;
    socklen_t length = sizeof error;
    link->socket_ready = false;
    if (getsockopt(link->context->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        error = errno;
    else if (error == 0 && is_itself(link->context->fd))
        error = ECONNREFUSED;
    if (error) {
        char why[NET_WHY_MAX];
        const char *address = link->context->tcp.host;
        snprintf(why, sizeof why, "%.100s port %u: %s", address ? address : link->host, link->port,
                 strerror(error));
        link->all_refused &= error == ECONNREFUSED;
        close_context(link);
        connect_next(link, why);
        return;
    }
    stop_timer(link);
    link->state = LINK_CONNECTED;
    link->next_address += link->addresses.count - 1; /* the same one again next time */
    link->connected_s = ev_now(link->net->loop);
    link->connects++;
    link->came_up = true;
    ev_io_start(link->net->loop, &link->readable);
    chain_push(&link->net->link_news, &link->news);
}

static void step(struct link *link) {
    take_addresses(link);
    if (link->fallen || link->freed)
        return;
    if (link->socket_ready)
        finish_connect(link);
    if (!link->time_over || link->fallen)
        return;
    link->time_over = false;
    if (link->state == LINK_WAITING)
        dial(link);
    else if (link->state == LINK_RESOLVING)
        fall(link, false, "%s: the name server did not answer within %u ms", link->host,
             link->connect_timeout_ms);
    else if (link->state == LINK_CONNECTING)
        fall(link, false, "%s port %u: no answer within %u ms", link->host, link->port,
             link->connect_timeout_ms);
}

/* ---- bytes --------------------------------------------------------------------------------------------- */

static void on_time(struct ev_loop *loop, struct ev_timer *watcher, int events) {
    (void)loop, (void)events;
    struct link *link = watcher->data;
    link->time_over = true;
}

static void on_writable(struct ev_loop *loop, struct ev_io *watcher, int events) {
    (void)events;
    struct link *link = watcher->data;
    ev_io_stop(loop, watcher);
    if (link->state == LINK_CONNECTING)
        link->socket_ready = true;
    link->blocked = false;
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events) {
    (void)loop, (void)events;
    struct link *link = watcher->data;
    struct net *net = link->net;
    ssize_t got = recv(watcher->fd, net->scratch, READ_BYTES, 0);
    if (got > 0) {
        net->counters.bytes_in += (uint64_t)got;
        reply_feed(&link->reply, link->context->reader, net->scratch, (size_t)got);
        chain_push(&net->link_news, &link->news);
    } else if (got == 0) {
        fall(link, false, "the peer closed the connection");
    } else if (errno != EAGAIN && errno != EINTR) {
        fall(link, false, "%s", strerror(errno));
    }
}

static void send_out(struct link *link) {
    struct iovec parts[PARTS_MAX];
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = outbox_parts(&link->outbox, parts, PARTS_MAX)};
    link->touched = false;
    if (message.msg_iovlen == 0)
        return;
    ssize_t sent = sendmsg(link->context->fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        fall(link, false, "%s", strerror(errno));
        return;
    }
    if (sent > 0) {
        link->net->counters.bytes_out += (uint64_t)sent;
        outbox_sent(&link->outbox, (size_t)sent);
    }
    if (outbox_length(&link->outbox) > 0) {
        link->touched = link->blocked = true;
        ev_io_start(link->net->loop, &link->writable);
    }
}

/* ---- life ---------------------------------------------------------------------------------------------- */

static void reclaim(struct link *link) {
    assert(link->freed && chain_alone(&link->news) && !link->context);
    if (link->resolver)
        resolver_free(link->resolver);
    reply_close(&link->reply);
    chain_remove(&link->all);
    free(link);
}

static bool has_to_send(const struct link *link) {
    return !link->freed && link->state == LINK_CONNECTED && !link->fallen && link->touched && !link->blocked;
}

void links_send(struct net *net) {
    for (struct chain *at = net->links.next; at != &net->links; at = at->next)
        if (has_to_send(of_all(at)))
            send_out(of_all(at));
}

void links_flush(struct net *net) {
    for (struct chain *at = net->links.next, *next; at != &net->links; at = next) {
        struct link *link = of_all(at);
        next = at->next;
        step(link);
        if (link->freed) {
            close_context(link);
            outbox_close(&link->outbox);
            if (!link->resolver || !resolver_busy(link->resolver))
                reclaim(link);
        } else if (link->state != LINK_CONNECTED) {
            outbox_close(&link->outbox);
        } else if (has_to_send(link)) {
            send_out(link);
        }
    }
    net->links_stepped = false;
}

void links_close(struct net *net) {
    for (struct chain *at = net->links.next, *next; at != &net->links; at = next) {
        struct link *link = of_all(at);
        next = at->next;
        if (!link->freed)
            link_free(link);
        close_context(link);
        outbox_close(&link->outbox);
        reclaim(link);
    }
}

struct link *link_new(struct net *net, const char *host, unsigned port, unsigned connect_timeout_ms) {
    assert(strlen(host) < NET_HOST_MAX && port > 0 && port <= UINT16_MAX && connect_timeout_ms > 0);
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        abort();
    link->net = net;
    strcpy(link->host, host);
    link->port = port;
    link->connect_timeout_ms = connect_timeout_ms;
    link->state = LINK_WAITING;
    link->time_over = true;
    link->backoff_ms = BACKOFF_MIN_MS;
    chain_init(&link->all);
    chain_init(&link->news);
    ev_init(&link->timer, on_time);
    ev_init(&link->readable, on_readable);
    ev_init(&link->writable, on_writable);
    link->timer.data = link->readable.data = link->writable.data = link;
    chain_push(&net->links, &link->all);
    return link;
}

void link_free(struct link *link) {
    assert(!link->freed);
    ev_io_stop(link->net->loop, &link->readable);
    ev_io_stop(link->net->loop, &link->writable);
    stop_timer(link);
    chain_remove(&link->news);
    link->freed = true;
}

void link_set_address(struct link *link, const char *host, unsigned port) {
    assert(strlen(host) < NET_HOST_MAX && port > 0 && port <= UINT16_MAX);
    if (strcmp(host, link->host) == 0 && port == link->port)
        return;
    strcpy(link->host, host);
    link->port = port;
    link->addresses = (struct addresses){0};
    link->next_address = 0;
    link->backoff_ms = BACKOFF_MIN_MS;
    if (link->state == LINK_WAITING) {
        stop_timer(link);
        link->time_over = true;
        return;
    }
    link->dropped = link->dial_at_once = true;
    fall(link, false, "the peer's address is now %s port %u", host, port);
}

void link_drop(struct link *link, const char *why) {
    if (link->state == LINK_WAITING) {
        snprintf(link->last_error, sizeof link->last_error, "%s", why);
        return;
    }
    link->dropped = true;
    fall(link, false, "%s", why);
}

void link_open(struct link *link) {
    link->opened = true;
    link->backoff_ms = BACKOFF_MIN_MS;
}

/* ---- what the owner takes and gives -------------------------------------------------------------------- */

struct link *net_take_link(struct net *net) {
    if (!net->links_stepped) {
        net->links_stepped = true;
        for (struct chain *at = net->links.next; at != &net->links; at = at->next)
            step(of_all(at));
    }
    struct chain *node = chain_pop(&net->link_news);
    return node ? CHAIN_ENTRY(node, struct link, news) : NULL;
}

static bool take_reply(struct link *link, struct link_event *event) {
    const char *why = "";
    enum reply_outcome outcome = reply_next(&link->reply, link->context->reader, &why);
    if (outcome == REPLY_BAD) {
        link->dropped = true;
        fall(link, false, "the peer sent what is no reply: %s", why);
    }
    if (outcome != REPLY_WHOLE)
        return false;
    *event = (struct link_event){
        .type = LINK_REPLY, .kind = link->reply.kind, .args = link->reply.args, .count = link->reply.count};
    return true;
}

bool link_take(struct link *link, struct link_event *event) {
    if (link->freed)
        return false;
    if (link->came_up) {
        link->came_up = false;
        *event = (struct link_event){.type = LINK_UP};
        return true;
    }
    if (link->state == LINK_CONNECTED && !link->dropped && take_reply(link, event))
        return true;
    if (!link->fallen)
        return false;
    *event = (struct link_event){.type = LINK_DOWN, .refused = link->refused, .why = link->why};
    wait_to_dial(link);
    return true;
}

struct resp_buf *link_out(struct link *link) {
    return &link->outbox.own;
}

void link_send_shared(struct link *link, const void *bytes, size_t length, void (*release)(void *owner),
                      void *owner) {
    if (link->freed || link->fallen || link->state != LINK_CONNECTED) {
        release(owner);
        return;
    }
    link->touched = true;
    outbox_share(&link->outbox, bytes, length, release, owner);
}

void link_hurry(struct link *link) {
    if (link->freed || link->fallen || link->state != LINK_WAITING)
        return;
    stop_timer(link);
    link->backoff_ms = BACKOFF_MIN_MS;
    link->time_over = true;
}

void link_touch(struct link *link) {
    link->touched = true;
}

size_t link_backlog(const struct link *link) {
    return outbox_length(&link->outbox);
}

enum link_state link_state(const struct link *link) {
    return link->state;
}

const char *link_last_error(const struct link *link) {
    return link->last_error;
}

uint64_t link_connects(const struct link *link) {
    return link->connects;
}

void *link_owner(const struct link *link) {
    return link->owner;
}

void link_set_owner(struct link *link, void *owner) {
    link->owner = owner;
}

bool link_is_local(const struct link *link) {
    struct sockaddr_storage here, there;
    if (link->state != LINK_CONNECTED || !ends_of(link->context->fd, &here, &there))
        return false;
    forget_port(&here);
    forget_port(&there);
    return memcmp(&here, &there, sizeof here) == 0;
}

const char *link_address(const struct link *link) {
    return link->state == LINK_CONNECTED && link->context && link->context->tcp.host ? link->context->tcp.host
                                                                                     : "";
}
