/* SPDX-License-Identifier: MIT */
/*
 * net.h without sockets: connections as pairs of byte flows through simulated time.
 *
 *      opener (a link, a dial, or a load's client)             acceptor (a node's struct client)
 *           |  up:    segments, each with the time it is due  ---->  |
 *           |  <----  down: the same                                 |
 *
 * They are TCP's streams. Bytes keep their order within a connection and none is lost while it lives. What a partition holds up
 * arrives after it, unless the connection falls first; nothing is ordered between two connections, so what an old one still
 * carries may arrive after a new one's first bytes. An end that closes may still have bytes on their way (then the
 * end of file follows them), or resets the connection and they are lost.
 *
 * A machine without power says nothing: the other end is half open and learns of it when what it sends stays unacknowledged
 * (links: TCP_USER_TIMEOUT), or is answered with a reset by the machine's next life.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"

enum {
    DELAY_US_MIN = 50,
    DELAY_US_MAX = 1500,
    UNACKNOWLEDGED_US = 5000000,
};

/* ---- flows ------------------------------------------------------------------------------------------------ */

static struct flow *flows;

static uint64_t lag(int from, int to) {
    uint64_t grown = (sim->now - sim->lag_from) / 2;
    if (sim->lag_us == 0 || to != sim->lag_host || from >= SIM_NODES_MAX)
        return 0;
    return grown < sim->lag_us ? grown : sim->lag_us;
}

uint64_t network_delay(int from, int to) {
    uint64_t times = sim->slow[from][to] ? sim->slow[from][to] : 1;
    return sim_between(DELAY_US_MIN, DELAY_US_MAX) * times + lag(from, to);
}

bool flow_is_cut(const struct flow *stream) {
    return sim->blocked[stream->opener][stream->acceptor] || sim->blocked[stream->acceptor][stream->opener];
}

static void pipe_init(struct pipe *pipe) {
    pipe->end = &pipe->first;
}

static void pipe_drop(struct pipe *pipe) {
    while (pipe->first) {
        struct segment *segment = pipe->first;
        pipe->first = segment->next;
        free(segment);
    }
    pipe->end = &pipe->first;
}

void pipe_put(struct pipe *pipe, int from, int to, const void *bytes, size_t length) {
    if (length == 0 || pipe->closes_at)
        return;
    struct segment *segment = malloc(sizeof *segment + length);
    if (!segment)
        abort();
    uint64_t due = sim->now + network_delay(from, to);
    segment->next = NULL;
    segment->due = due > pipe->last_due ? due : pipe->last_due;
    segment->length = length;
    memcpy(segment->bytes, bytes, length);
    pipe->last_due = segment->due;
    *pipe->end = segment;
    pipe->end = &segment->next;
}

void pipe_close(struct pipe *pipe, int from, int to, bool reset) {
    if (pipe->closes_at)
        return;
    pipe->closes_at = sim->now + network_delay(from, to);
    pipe->reset = reset;
    if (reset)
        pipe_drop(pipe);
    else if (pipe->closes_at < pipe->last_due)
        pipe->closes_at = pipe->last_due;
}

static uint64_t pipe_next(const struct pipe *pipe) {
    if (pipe->first)
        return pipe->first->due;
    return pipe->closes_at && !pipe->ended ? pipe->closes_at : UINT64_MAX;
}

/* A partition is over: what it held up is sent again, some time later. */
static void pipe_hold(struct pipe *pipe, uint64_t until) {
    for (struct segment *segment = pipe->first; segment; segment = segment->next)
        if (segment->due < until)
            segment->due = until;
    if (pipe->last_due < until)
        pipe->last_due = until;
    if (pipe->closes_at && !pipe->ended && pipe->closes_at < pipe->last_due)
        pipe->closes_at = pipe->last_due;
}

struct flow *flow_new(int opener, int acceptor) {
    struct flow *stream = calloc(1, sizeof *stream), **end = &flows;
    if (!stream)
        abort();
    stream->opener = opener;
    stream->acceptor = acceptor;
    stream->port = acceptor < SIM_NODES_MAX ? world_port(acceptor) : 0;
    stream->arrives_at = sim->now + network_delay(opener, acceptor);
    pipe_init(&stream->up);
    pipe_init(&stream->down);
    while (*end)
        end = &(*end)->next;
    *end = stream;
    return stream;
}

void flow_leave(struct flow *stream, bool reset) {
    stream->link = NULL;
    stream->dial = NULL;
    stream->client = false;
    pipe_close(&stream->up, stream->opener, stream->acceptor, reset);
    pipe_drop(&stream->down);
}

void flow_note_unheard(struct flow *stream) {
    if (!stream->unheard && (flow_is_cut(stream) || stream->deaf))
        stream->unheard = sim->now;
}

bool network_has_news(int host) {
    struct sim_net *own = network_nodes[host];
    return own && (!chain_alone(&own->net.news) || !chain_alone(&own->net.link_news) ||
                   !chain_alone(&own->net.dial_news));
}

static bool dark(int host) {
    return host < (int)sim->node_count && sim->nodes[host].dark;
}

/* ---- delivery --------------------------------------------------------------------------------------------------- */

/* The machine is there, but nobody has the connection: it answers with a reset. */
static void reset_opener(struct flow *stream, bool refused) {
    stream->down.refused = refused;
    pipe_close(&stream->down, stream->acceptor, stream->opener, true);
}

static void deliver_open(struct flow *stream) {
    struct sim_net *own = network_nodes[stream->acceptor];
    stream->arrives_at = 0;
    if (dark(stream->acceptor)) {
        stream->deaf = true;
        flow_note_unheard(stream);
        return;
    }
    if (!own || !own->listening || stream->port != world_port(stream->acceptor)) {
        reset_opener(stream, true);
        return;
    }
    client_take_flow(&own->net, stream);
    world_poke(stream->acceptor);
    stream->up_at = sim->now + network_delay(stream->acceptor, stream->opener);
}

static void deliver_up_end(struct flow *stream) {
    struct client_io *io = stream->io;
    stream->up.ended = true;
    if (!io)
        return;
    if (stream->up.reset) {
        client_lose(io, "Connection reset by peer");
    } else {
        io->client.ended = true;
        chain_push(&io->net->news, &io->news);
    }
    world_poke(stream->acceptor);
}

static void deliver_up(struct flow *stream) {
    struct client_io *io = stream->io;
    struct segment *segment = stream->up.first;
    if (!segment) {
        deliver_up_end(stream);
        return;
    }
    sim->trace = sim_hash(sim->trace, segment->bytes, segment->length);
    stream->up.first = segment->next;
    if (!segment->next)
        stream->up.end = &stream->up.first;
    if (io && !io->client.gone && !io->freed) {
        resp_buf_append(&io->client.in, segment->bytes, segment->length);
        io->net->counters.bytes_in += segment->length;
        chain_push(&io->net->news, &io->news);
        world_poke(stream->acceptor);
    } else if (!dark(stream->acceptor)) {
        reset_opener(stream, false);
    }
    free(segment);
}

static void deliver_down_end(struct flow *stream) {
    const char *why = stream->down.refused ? "Connection refused"
                      : stream->down.reset ? "Connection reset by peer"
                                           : "the peer closed the connection";
    stream->down.ended = true;
    stream->gone = true;
    if (stream->link)
        link_fall(stream->link, stream->down.refused, why);
    if (stream->dial)
        dial_fall(stream->dial, why);
}

static void deliver_down(struct flow *stream) {
    struct segment *segment = stream->down.first;
    if (!segment) {
        deliver_down_end(stream);
        return;
    }
    sim->trace = sim_hash(sim->trace, segment->bytes, segment->length);
    stream->down.first = segment->next;
    if (!segment->next)
        stream->down.end = &stream->down.first;
    struct link *link = stream->link;
    if (link && !link->fallen && link->reader) {
        reply_feed(&link->reply, link->reader, segment->bytes, segment->length);
        chain_push(&link->net->link_news, &link->news);
        world_poke(stream->opener);
    } else if (stream->dial) {
        dial_take(stream->dial, segment->bytes, segment->length);
    } else if (stream->client) {
        resp_buf_append(&stream->in, segment->bytes, segment->length);
    } else if (!link && stream->io && !dark(stream->opener)) {
        pipe_drop(&stream->up);
        client_lose(stream->io, "Connection reset by peer");
        world_poke(stream->acceptor);
    }
    free(segment);
}

static bool up_is_paused(const struct flow *stream) {
    return stream->io && stream->io->paused && stream->up.first;
}

static bool down_is_paused(const struct flow *stream) {
    return stream->dial && stream->dial->paused && !stream->down.reset;
}

static uint64_t earlier(uint64_t left, uint64_t right) {
    return left < right ? left : right;
}

static uint64_t flow_next(const struct flow *stream) {
    bool to = sim->blocked[stream->opener][stream->acceptor],
         from = sim->blocked[stream->acceptor][stream->opener];
    uint64_t next = UINT64_MAX;
    if (stream->arrives_at && !to)
        next = stream->arrives_at;
    if (!stream->arrives_at && !to && !up_is_paused(stream))
        next = earlier(next, pipe_next(&stream->up));
    if (stream->up_at && !from)
        next = earlier(next, stream->up_at);
    if (!stream->up_at && !from && !down_is_paused(stream))
        next = earlier(next, pipe_next(&stream->down));
    if (stream->unheard &&
        ((stream->link && !stream->link->fallen) || (stream->dial && !stream->dial->dial.gone)))
        next = earlier(next, stream->unheard + UNACKNOWLEDGED_US);
    if (stream->link && stream->link->state == LINK_CONNECTING && !stream->link->fallen)
        next = earlier(next, stream->link->give_up_at);
    return next;
}

static void flow_up(struct flow *stream) {
    stream->up_at = 0;
    if (stream->link && !stream->link->fallen)
        link_rise(stream->link);
    if (stream->dial)
        dial_rise(stream->dial);
}

static void flow_work(struct flow *stream) {
    bool to = sim->blocked[stream->opener][stream->acceptor],
         from = sim->blocked[stream->acceptor][stream->opener];
    if (stream->unheard && !flow_is_cut(stream) && !stream->deaf)
        stream->unheard = 0;
    if (stream->arrives_at && !to && stream->arrives_at <= sim->now)
        deliver_open(stream);
    while (!stream->arrives_at && !to && !up_is_paused(stream) && pipe_next(&stream->up) <= sim->now)
        deliver_up(stream);
    if (stream->up_at && !from && stream->up_at <= sim->now)
        flow_up(stream);
    while (!stream->up_at && !from && !down_is_paused(stream) && pipe_next(&stream->down) <= sim->now)
        deliver_down(stream);
    struct link *link = stream->link;
    if (link && stream->unheard && stream->unheard + UNACKNOWLEDGED_US <= sim->now)
        link_fall(link, false, "Connection timed out");
    else if (link && link->state == LINK_CONNECTING && link->give_up_at <= sim->now)
        link_fall(link, false, "no answer in time");
    if (stream->dial && stream->unheard && stream->unheard + UNACKNOWLEDGED_US <= sim->now)
        dial_fall(stream->dial, "Connection timed out");
}

static bool over(const struct flow *stream) {
    return !flow_has_opener(stream) && !stream->io && !stream->arrives_at && !stream->up.first;
}

static void flow_free(struct flow **at) {
    struct flow *stream = *at;
    *at = stream->next;
    if (stream->io)
        stream->io->stream = NULL;
    pipe_drop(&stream->up);
    pipe_drop(&stream->down);
    resp_buf_close(&stream->in);
    free(stream);
}

uint64_t network_next(void) {
    uint64_t next = UINT64_MAX;
    for (const struct flow *stream = flows; stream; stream = stream->next)
        next = earlier(next, flow_next(stream));
    for (size_t i = 0; i < sim->node_count; i++)
        for (struct chain *at = network_nodes[i] ? network_nodes[i]->net.links.next : NULL;
             at && at != &network_nodes[i]->net.links; at = at->next)
            if (link_of(at)->state == LINK_WAITING && !link_of(at)->freed)
                next = earlier(next, link_of(at)->dial_at);
    for (size_t i = 0; i < sim->node_count; i++)
        if (network_nodes[i])
            next = earlier(next, dials_next(&network_nodes[i]->net));
    return next;
}

void network_work(void) {
    for (size_t i = 0; i < sim->node_count; i++)
        for (struct chain *at = network_nodes[i] ? network_nodes[i]->net.links.next : NULL;
             at && at != &network_nodes[i]->net.links; at = at->next)
            if (link_of(at)->state == LINK_WAITING && !link_of(at)->freed && link_of(at)->dial_at <= sim->now)
                link_dial(link_of(at));
    for (size_t i = 0; i < sim->node_count; i++)
        if (network_nodes[i])
            dials_work(&network_nodes[i]->net);
    for (struct flow **at = &flows; *at;) {
        flow_work(*at);
        if (over(*at))
            flow_free(at);
        else
            at = &(*at)->next;
    }
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

/* Called before the node is freed: from here on nothing it holds leads anywhere. */
void network_crash(int host, bool power) {
    for (struct flow *stream = flows; stream; stream = stream->next) {
        if (stream->opener == host && flow_has_opener(stream)) {
            if (stream->link)
                stream->link->stream = NULL;
            if (stream->dial)
                stream->dial->stream = NULL;
            stream->link = NULL;
            stream->dial = NULL;
            pipe_drop(&stream->down);
            if (power) {
                pipe_drop(&stream->up); /* the other end hears nothing more */
                sim_cover(COVER_HALF_OPEN, 1);
            } else {
                pipe_close(&stream->up, stream->opener, stream->acceptor, sim_chance(50));
            }
        }
        if (stream->acceptor == host && stream->io) {
            stream->io->stream = NULL;
            stream->io = NULL;
            if (power) {
                pipe_drop(&stream->down);
                stream->deaf = true;
                stream->unheard = sim->now;
            } else {
                pipe_close(&stream->down, stream->acceptor, stream->opener, sim_chance(50));
            }
        }
    }
}

/* After a partition: what it held up is sent again, soon or late. */
void network_heal(void) {
    for (struct flow *stream = flows; stream; stream = stream->next) {
        if (stream->up.first && stream->up.first->due <= sim->now)
            pipe_hold(&stream->up, sim->now + sim_below(400000));
        if (stream->down.first && stream->down.first->due <= sim->now)
            pipe_hold(&stream->down, sim->now + sim_below(400000));
    }
}

/* One of the open connections, by chance. What is on its way may be lost. */
void network_fall(void) {
    size_t count = 0;
    for (struct flow *stream = flows; stream; stream = stream->next)
        count += stream->io && flow_has_opener(stream);
    if (count == 0)
        return;
    size_t chosen = (size_t)sim_below(count);
    struct flow *stream = flows;
    for (;; stream = stream->next)
        if (stream->io && flow_has_opener(stream) && chosen-- == 0)
            break;
    sim_trace("the connection %d -> %d falls", stream->opener + 1, stream->acceptor + 1);
    sim_cover(COVER_FALLS, 1);
    pipe_close(&stream->up, stream->opener, stream->acceptor, sim_chance(70));
    pipe_close(&stream->down, stream->acceptor, stream->opener, sim_chance(70));
}

/* ---- the load's clients --------------------------------------------------------------------------------------------- */

struct flow *flow_open(int client_host, int node_host) {
    struct flow *stream = flow_new(client_host, node_host);
    stream->client = true;
    return stream;
}

void flow_send(struct flow *stream, const void *bytes, size_t length) {
    pipe_put(&stream->up, stream->opener, stream->acceptor, bytes, length);
    flow_note_unheard(stream);
}

struct resp_buf *flow_in(struct flow *stream) {
    return &stream->in;
}

int flow_to(const struct flow *stream) {
    return stream->acceptor;
}

bool flow_gone(const struct flow *stream) {
    return stream->gone;
}

void flow_close(struct flow *stream) {
    flow_leave(stream, sim_chance(50));
}

void network_close(void) {
    while (flows)
        flow_free(&flows);
}
