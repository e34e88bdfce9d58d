/* SPDX-License-Identifier: MIT */
/*
 * Connections that we open on behalf of one client each: to the leader, when this node is a proxy. A dial is the plainest of the
 * three kinds. It connects once, never again; its bytes are raw both ways; and what was sent stays in `out` until the
 * owner drops it, since only the owner knows when a request is answered and need not be sent a second time:
 *
 *     out    | sent, not answered | not sent yet |
 *            ^ dial_drop          ^ sent
 *
 * Callbacks only note, as everywhere in the network: the owner takes the news in its turn.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { UNACKNOWLEDGED_MAX_MS = 5000, OUT_KEPT = 64 * 1024 };

struct dial_io {
    struct dial dial; /* first: what the owner holds is what the network holds */
    struct net *net;
    int fd; /* -1: there is none */
    struct ev_io readable, writable;
    struct chain all, ready, news, touched;
    bool paused, blocked, freed;
};

void dials_init(struct net *net) {
    chain_init(&net->dials);
    chain_init(&net->dials_readable);
    chain_init(&net->dial_news);
    chain_init(&net->dials_touched);
}

static void has_news(struct dial_io *io) {
    chain_push(&io->net->dial_news, &io->news);
}

static void watch_reads(struct dial_io *io) {
    if (io->dial.up && !io->dial.gone && !io->paused && !io->freed)
        ev_io_start(io->net->loop, &io->readable);
    else
        ev_io_stop(io->net->loop, &io->readable);
}

static void lose(struct dial_io *io, const char *why) {
    if (io->dial.gone || io->freed)
        return;
    io->dial.gone = true;
    io->dial.why = why;
    watch_reads(io);
    ev_io_stop(io->net->loop, &io->writable);
    has_news(io);
}

/* ---- connecting ------------------------------------------------------------------------------------------ */

static int open_socket(const char *address, unsigned port, int *error) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *info = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    *error = EADDRNOTAVAIL;
    if (getaddrinfo(address, service, &hints, &info) != 0)
        return -1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    unsigned unacknowledged_ms = UNACKNOWLEDGED_MAX_MS;
    *error = 0;
    if (fd >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
    }
    if (fd < 0 || (connect(fd, info->ai_addr, info->ai_addrlen) != 0 && errno != EINPROGRESS))
        *error = errno;
    freeaddrinfo(info);
    return fd;
}

static void finish_connect(struct dial_io *io) {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        error = errno;
    if (error) {
        lose(io, strerrordesc_np(error));
        return;
    }
    io->dial.up = true;
    watch_reads(io);
    has_news(io);
}

/* ---- bytes ----------------------------------------------------------------------------------------------- */

static void on_writable(struct ev_loop *loop, struct ev_io *watcher, int events) {
    (void)events;
    struct dial_io *io = watcher->data;
    ev_io_stop(loop, watcher);
    io->blocked = false;
    if (!io->dial.up)
        finish_connect(io);
    else
        dial_touch(&io->dial);
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events) {
    (void)loop, (void)events;
    struct dial_io *io = watcher->data;
    chain_push(&io->net->dials_readable, &io->ready);
    net_poll_ends(io->net);
}

static void take_read(struct dial_io *io, const struct batch_call *call) {
    if (call->result > 0) {
        io->net->counters.bytes_in += (uint64_t)call->result;
        resp_buf_append(&io->dial.in, call->bytes, (size_t)call->result);
        has_news(io);
    } else if (call->result == 0) {
        lose(io, "closed by the other end");
    } else if (call->result != -EAGAIN && call->result != -EINTR) {
        lose(io, strerrordesc_np((int)-call->result));
    }
}

/* One has the scratch for itself; what of many does not fit into their shares is shown by the next poll. */
void dials_read(struct net *net) {
    struct dial_io *whose[BATCH_MAX];
    struct batch_call calls[BATCH_MAX];
    while (!chain_alone(&net->dials_readable)) {
        size_t count = 0;
        for (struct chain *at; count < BATCH_MAX && (at = chain_pop(&net->dials_readable)) != NULL; count++) {
            whose[count] = CHAIN_ENTRY(at, struct dial_io, ready);
            calls[count] = (struct batch_call){.fd = whose[count]->fd,
                                               .bytes = net->shares + count * NET_SHARE_STEP,
                                               .length = NET_SHARE_BYTES};
        }
        if (count == 1)
            calls[0] =
                (struct batch_call){.fd = whose[0]->fd, .bytes = net->scratch, .length = NET_SCRATCH_BYTES};
        batch_run(net->batch, calls, count);
        for (size_t i = 0; i < count; i++)
            take_read(whose[i], &calls[i]);
    }
}

static bool has_to_send(const struct dial_io *io) {
    const struct dial *dial = &io->dial;
    return dial->up && !dial->gone && !io->blocked && dial->sent < resp_buf_length(&dial->out);
}

static void take_sent(struct dial_io *io, ssize_t sent) {
    struct dial *dial = &io->dial;
    if (sent < 0 && sent != -EAGAIN && sent != -EINTR) {
        lose(io, strerrordesc_np((int)-sent));
        return;
    }
    if (sent > 0) {
        io->net->counters.bytes_out += (uint64_t)sent;
        dial->sent += (size_t)sent;
    }
    if (dial->sent < resp_buf_length(&dial->out)) {
        io->blocked = true;
        ev_io_start(io->net->loop, &io->writable);
    }
}

/* ---- life ------------------------------------------------------------------------------------------------ */

struct dial *dial_new(struct net *net, const char *address, unsigned port) {
    assert(port > 0 && port <= UINT16_MAX);
    struct dial_io *io = calloc(1, sizeof *io);
    if (!io)
        abort();
    io->net = net;
    io->dial.io = io;
    chain_init(&io->all);
    chain_init(&io->ready);
    chain_init(&io->news);
    chain_init(&io->touched);
    int error;
    io->fd = open_socket(address, port, &error);
    ev_io_init(&io->readable, on_readable, io->fd, EV_READ);
    ev_io_init(&io->writable, on_writable, io->fd, EV_WRITE);
    io->readable.data = io->writable.data = io;
    chain_push(&net->dials, &io->all);
    if (error)
        lose(io, strerrordesc_np(error));
    else
        ev_io_start(net->loop, &io->writable);
    return &io->dial;
}

/* Only the flush reclaims: until then libev's callbacks and the owner's pointers may still meet it. */
void dial_free(struct dial *dial) {
    struct dial_io *io = dial->io;
    assert(!io->freed);
    io->freed = true;
    watch_reads(io);
    ev_io_stop(io->net->loop, &io->writable);
    chain_remove(&io->ready);
    chain_remove(&io->news);
    chain_push(&io->net->dials_touched, &io->touched);
}

static void reclaim(struct dial_io *io) {
    if (io->fd >= 0)
        close(io->fd);
    chain_remove(&io->all);
    chain_remove(&io->news);
    chain_remove(&io->touched);
    resp_buf_close(&io->dial.in);
    resp_buf_close(&io->dial.out);
    free(io);
}

static void flush_some(struct net *net) {
    struct dial_io *whose[BATCH_MAX];
    struct batch_call calls[BATCH_MAX];
    size_t count = 0;
    for (struct chain *at; count < BATCH_MAX && (at = chain_pop(&net->dials_touched)) != NULL;) {
        struct dial_io *io = CHAIN_ENTRY(at, struct dial_io, touched);
        struct dial *dial = &io->dial;
        if (io->freed) {
            reclaim(io);
            continue;
        }
        if (resp_buf_length(&dial->in) == 0)
            resp_buf_close(&dial->in);
        if (!has_to_send(io))
            continue;
        whose[count] = io;
        calls[count++] = (struct batch_call){.fd = io->fd,
                                             .sends = true,
                                             .bytes = dial->out.bytes + dial->out.start + dial->sent,
                                             .length = resp_buf_length(&dial->out) - dial->sent};
    }
    batch_run(net->batch, calls, count);
    for (size_t i = 0; i < count; i++)
        take_sent(whose[i], calls[i].result);
}

void dials_flush(struct net *net) {
    while (!chain_alone(&net->dials_touched))
        flush_some(net);
}

void dials_close(struct net *net) {
    for (struct chain *at = net->dials.next, *next; at != &net->dials; at = next) {
        struct dial_io *io = CHAIN_ENTRY(at, struct dial_io, all);
        next = at->next;
        if (!io->freed)
            dial_free(&io->dial);
        reclaim(io);
    }
}

/* ---- what the owner asks for ----------------------------------------------------------------------------- */

struct dial *net_take_dial(struct net *net) {
    struct chain *node = chain_pop(&net->dial_news);
    if (!node)
        return NULL;
    struct dial_io *io = CHAIN_ENTRY(node, struct dial_io, news);
    dial_touch(&io->dial);
    return &io->dial;
}

void dial_touch(struct dial *dial) {
    chain_push(&dial->io->net->dials_touched, &dial->io->touched);
}

void dial_pause(struct dial *dial, bool paused) {
    dial->io->paused = paused;
    watch_reads(dial->io);
}

void dial_drop(struct dial *dial, size_t length) {
    assert(length <= resp_buf_length(&dial->out));
    dial->sent = dial->sent > length ? dial->sent - length : 0;
    resp_buf_consume(&dial->out, length, OUT_KEPT);
}
