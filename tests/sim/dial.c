/* SPDX-License-Identifier: MIT */
/*
 * A node's dials (net.h): the connections that a proxy opens to the leader, one for each of its clients, on the streams of net.c.
 *
 * What the kernel's buffers do shows here in two ways: a send may take a part only, and the rest when there is room again; and what a
 * paused dial is not reading stays on its way.
 */
#include <assert.h>
#include <stdlib.h>

#include "flow.h"

enum { FULL_PERCENT = 10, FULL_US = 5000, OUT_KEPT = 64 * 1024 };

static struct dial_io *of_all(struct chain *node) {
    return CHAIN_ENTRY(node, struct dial_io, all);
}

static void has_news(struct dial_io *io) {
    chain_push(&io->net->dial_news, &io->news);
    world_poke(io->host);
}

void dials_init(struct net *net) {
    chain_init(&net->dials);
    chain_init(&net->dial_news);
    chain_init(&net->dials_touched);
}

/* ---- what the stream says ---------------------------------------------------------------------------------------- */

void dial_rise(struct dial_io *io) {
    if (io->dial.gone || io->freed)
        return;
    io->dial.up = true;
    has_news(io);
}

void dial_take(struct dial_io *io, const void *bytes, size_t length) {
    if (io->dial.gone || io->freed)
        return;
    resp_buf_append(&io->dial.in, bytes, length);
    has_news(io);
}

void dial_fall(struct dial_io *io, const char *why) {
    if (io->dial.gone || io->freed)
        return;
    io->dial.gone = true;
    io->dial.why = why;
    has_news(io);
}

/* ---- sending -------------------------------------------------------------------------------------------------------- */

static void send_out(struct dial_io *io) {
    struct dial *dial = &io->dial;
    size_t left = resp_buf_length(&dial->out) - dial->sent;
    bool full = sim_chance(FULL_PERCENT);
    size_t length = full ? (size_t)sim_below(left) : left;
    pipe_put(&io->stream->up, io->stream->opener, io->stream->acceptor,
             resp_buf_bytes(&dial->out) + dial->sent, length);
    flow_note_unheard(io->stream);
    dial->sent += length;
    io->room_at = full ? sim->now + 1 + sim_below(FULL_US) : 0;
}

uint64_t dials_next(const struct net *net) {
    uint64_t next = UINT64_MAX;
    for (struct chain *at = net->dials.next; at != &net->dials; at = at->next)
        if (of_all(at)->room_at != 0 && of_all(at)->room_at < next)
            next = of_all(at)->room_at;
    return next;
}

void dials_work(struct net *net) {
    for (struct chain *at = net->dials.next; at != &net->dials; at = at->next) {
        struct dial_io *io = of_all(at);
        if (io->room_at == 0 || io->room_at > sim->now)
            continue;
        io->room_at = 0;
        dial_touch(&io->dial);
        world_poke(io->host);
    }
}

static void reclaim(struct dial_io *io) {
    if (io->stream && !sim->crashing)
        flow_leave(io->stream, sim_chance(50));
    chain_remove(&io->all);
    chain_remove(&io->news);
    chain_remove(&io->touched);
    resp_buf_close(&io->dial.in);
    resp_buf_close(&io->dial.out);
    free(io);
}

void dials_flush(struct net *net) {
    for (struct chain *at; (at = chain_pop(&net->dials_touched)) != NULL;) {
        struct dial_io *io = CHAIN_ENTRY(at, struct dial_io, touched);
        struct dial *dial = &io->dial;
        if (io->freed)
            reclaim(io);
        else if (dial->up && !dial->gone && io->room_at == 0 && dial->sent < resp_buf_length(&dial->out))
            send_out(io);
    }
}

void dials_close(struct net *net) {
    while (net->dials.next != &net->dials)
        reclaim(of_all(net->dials.next));
}

/* ---- what the owner asks for ----------------------------------------------------------------------------------- */

struct dial *dial_new(struct net *net, const char *address, unsigned port) {
    struct dial_io *io = calloc(1, sizeof *io);
    if (!io)
        abort();
    (void)address;
    io->net = net;
    io->host = sim->current->host;
    io->dial.io = io;
    chain_init(&io->all);
    chain_init(&io->news);
    chain_init(&io->touched);
    chain_push(&net->dials, &io->all);
    io->stream = flow_new(io->host, world_host(port));
    io->stream->port = port;
    io->stream->dial = io;
    return &io->dial;
}

void dial_free(struct dial *dial) {
    assert(!dial->io->freed);
    dial->io->freed = true;
    chain_remove(&dial->io->news);
    dial_touch(dial);
}

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
}

void dial_drop(struct dial *dial, size_t length) {
    assert(length <= resp_buf_length(&dial->out));
    dial->sent = dial->sent > length ? dial->sent - length : 0;
    resp_buf_consume(&dial->out, length, OUT_KEPT);
}
