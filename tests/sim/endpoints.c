/* SPDX-License-Identifier: MIT */
/*
 * A node's ends of the streams: net.h's clients and links. They behave towards the node as src/net's do, and use its parser of
 * replies, its outbox and its chains.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"

enum { BACKOFF_MIN_US = 50000, BACKOFF_MAX_US = 2000000 };

/* ---- a node's clients ---------------------------------------------------------------------------------------- */

static int host_of(const struct net *net) {
    return ((const struct sim_net *)(const void *)net)->host;
}

static struct client_io *of_all(struct chain *node) {
    return CHAIN_ENTRY(node, struct client_io, all);
}

void client_lose(struct client_io *io, const char *why) {
    if (io->client.gone || io->freed)
        return;
    io->client.gone = true;
    io->client.why = why;
    chain_push(&io->net->news, &io->news);
}

void client_take_flow(struct net *net, struct flow *stream) {
    struct client_io *io = calloc(1, sizeof *io);
    if (!io)
        abort();
    io->net = net;
    io->stream = stream;
    io->client.io = io;
    io->client.fd = 100 + (int)++net->last_id;
    io->client.id = net->last_id;
    io->client.loopback = true;
    snprintf(io->client.address, NET_ADDRESS_MAX, "127.0.0.1:%d", 20000 + stream->opener);
    snprintf(io->client.local_address, NET_ADDRESS_MAX, "127.0.0.1:%u", world_port(stream->acceptor));
    chain_init(&io->all);
    chain_init(&io->news);
    chain_init(&io->touched);
    net->counters.connections++;
    net->counters.clients++;
    chain_push(&net->clients, &io->all);
    chain_push(&net->news, &io->news);
    stream->io = io;
}

struct client *net_take_client(struct net *net) {
    struct chain *node = chain_pop(&net->news);
    if (!node)
        return NULL;
    struct client_io *io = CHAIN_ENTRY(node, struct client_io, news);
    client_touch(&io->client);
    return &io->client;
}

void client_again(struct client *client) {
    chain_push(&client->io->net->later, &client->io->news);
}

void client_touch(struct client *client) {
    chain_push(&client->io->net->touched, &client->io->touched);
}

/* No client here listens to what others say, so none has output that it has not asked for. */
void client_check_output(struct client *client) {
    assert(!client->listener);
}

void client_pause(struct client *client, bool paused) {
    client->io->paused = paused;
    client_touch(client);
}

void client_hold(struct client *client, bool held) {
    client->io->held = held;
    client_touch(client);
}

void client_close_after_flush(struct client *client) {
    client->io->closing = true;
    client_touch(client);
}

static void count_peer(struct client_io *io) {
    if (io->counted_peer == io->client.peer)
        return;
    io->counted_peer = io->client.peer;
    io->net->counters.peers += io->client.peer ? 1 : (size_t)-1;
}

void client_free(struct client *client) {
    struct client_io *io = client->io;
    struct net *net = io->net;
    assert(!io->freed);
    client->peer = false;
    count_peer(io);
    net->counters.clients--;
    io->freed = true;
    chain_remove(&io->news);
    chain_remove(&io->touched);
    chain_push(&net->freed, &io->touched);
}

static struct client *first_living(struct net *net, struct chain *at) {
    while (at != &net->clients && of_all(at)->freed)
        at = at->next;
    return at == &net->clients ? NULL : &of_all(at)->client;
}

struct client *net_first_client(struct net *net) {
    return first_living(net, net->clients.next);
}

struct client *net_next_client(struct client *client) {
    return first_living(client->io->net, client->io->all.next);
}

bool client_on_probation(const struct client *client) {
    (void)client;
    return false; /* there is room for all */
}

size_t client_memory(const struct client *client) {
    return sizeof(struct client_io) + client->in.capacity + client->out.capacity;
}

static void client_send(struct client_io *io) {
    struct resp_buf *out = &io->client.out;
    struct flow *stream = io->stream;
    if (stream && !sim->crashing)
        pipe_put(&stream->down, stream->acceptor, stream->opener, resp_buf_bytes(out), resp_buf_length(out));
    resp_buf_consume(out, resp_buf_length(out), 0);
}

static void client_flush(struct client_io *io) {
    struct client *client = &io->client;
    count_peer(io);
    if (!client->gone)
        client_send(io);
    if (client->gone)
        return;
    if (io->closing)
        client_lose(io, "closed by us");
    else if (client->ended && !io->held && !io->paused && chain_alone(&io->news))
        client_lose(io, "closed by the other end");
}

static void client_reclaim(struct client_io *io) {
    if (!io->client.gone)
        client_send(io);
    if (io->stream) {
        if (!sim->crashing)
            pipe_close(&io->stream->down, io->stream->acceptor, io->stream->opener, false);
        io->stream->io = NULL;
    }
    resp_buf_close(&io->client.in);
    resp_buf_close(&io->client.out);
    chain_remove(&io->all);
    free(io);
}

/* ---- a node's links ------------------------------------------------------------------------------------------- */

void link_fall(struct link *link, bool refused, const char *why) {
    if (link->fallen || link->freed || link->state == LINK_WAITING)
        return;
    link->fallen = true;
    link->refused = refused;
    snprintf(link->why, sizeof link->why, "%s", why);
    snprintf(link->last_error, sizeof link->last_error, "%s", why);
    chain_push(&link->net->link_news, &link->news);
    world_poke(host_of(link->net));
}

static void link_let_go(struct link *link) {
    if (link->stream && !sim->crashing)
        flow_leave(link->stream, sim_chance(50));
    link->stream = NULL;
    if (link->reader)
        redisReaderFree(link->reader);
    link->reader = NULL;
    outbox_close(&link->outbox);
}

static void wait_to_dial(struct link *link) {
    uint64_t wait = 0;
    if (link->state != LINK_CONNECTED || !link->opened || link->dropped) {
        wait = link->backoff_us / 2 + sim_below(link->backoff_us);
        link->backoff_us = link->backoff_us * 2 < BACKOFF_MAX_US ? link->backoff_us * 2 : BACKOFF_MAX_US;
    } else if (sim->now - link->connected_at < BACKOFF_MIN_US) {
        wait = BACKOFF_MIN_US - (sim->now - link->connected_at);
    }
    link_let_go(link);
    link->state = LINK_WAITING;
    link->fallen = link->dropped = link->opened = link->touched = false;
    link->dial_at = sim->now + (link->dial_at_once ? 0 : wait);
    link->dial_at_once = false;
}

void link_dial(struct link *link) {
    int host = host_of(link->net);
    link->state = LINK_CONNECTING;
    link->stream = flow_new(host, world_host(link->port));
    link->stream->port = link->port;
    link->stream->link = link;
    link->give_up_at = sim->now + link->timeout_us;
}

void link_rise(struct link *link) {
    link->state = LINK_CONNECTED;
    link->reader = redisReaderCreate();
    reply_start(&link->reply, link->reader);
    link->connected_at = sim->now;
    link->connects++;
    link->came_up = true;
    chain_push(&link->net->link_news, &link->news);
    world_poke(host_of(link->net));
}

struct link *link_new(struct net *net, const char *host, unsigned port, unsigned connect_timeout_ms) {
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        abort();
    (void)host;
    link->net = net;
    link->port = port;
    link->timeout_us = connect_timeout_ms * (uint64_t)1000;
    link->state = LINK_WAITING;
    link->dial_at = sim->now;
    link->backoff_us = BACKOFF_MIN_US;
    chain_init(&link->all);
    chain_init(&link->news);
    chain_push(&net->links, &link->all);
    return link;
}

void link_free(struct link *link) {
    assert(!link->freed);
    chain_remove(&link->news);
    link->freed = true;
}

static void link_reclaim(struct link *link) {
    link_let_go(link);
    reply_close(&link->reply);
    chain_remove(&link->all);
    free(link);
}

void link_set_address(struct link *link, const char *host, unsigned port) {
    (void)host;
    if (port == link->port)
        return;
    link->port = port;
    link->backoff_us = BACKOFF_MIN_US;
    if (link->state == LINK_WAITING) {
        link->dial_at = sim->now;
        return;
    }
    link->dropped = link->dial_at_once = true;
    link_fall(link, false, "another address");
}

void link_drop(struct link *link, const char *why) {
    snprintf(link->last_error, sizeof link->last_error, "%s", why);
    link->dropped = link->state != LINK_WAITING;
    link_fall(link, false, why);
}

void link_open(struct link *link) {
    link->opened = true;
    link->backoff_us = BACKOFF_MIN_US;
}

bool link_is_local(const struct link *link) {
    return link->state == LINK_CONNECTED;
}

struct link *net_take_link(struct net *net) {
    struct chain *node = chain_pop(&net->link_news);
    return node ? CHAIN_ENTRY(node, struct link, news) : NULL;
}

bool link_take(struct link *link, struct link_event *event) {
    const char *why = "";
    if (link->freed)
        return false;
    if (link->came_up) {
        link->came_up = false;
        *event = (struct link_event){.type = LINK_UP};
        return true;
    }
    if (link->state == LINK_CONNECTED && !link->dropped) {
        enum reply_outcome outcome = reply_next(&link->reply, link->reader, &why);
        if (outcome == REPLY_BAD)
            sim_fail("a peer's reply was garbage: %s", why);
        if (outcome == REPLY_WHOLE) {
            *event = (struct link_event){.type = LINK_REPLY,
                                         .kind = link->reply.kind,
                                         .args = link->reply.args,
                                         .count = link->reply.count};
            return true;
        }
    }
    if (!link->fallen)
        return false;
    *event = (struct link_event){.type = LINK_DOWN, .refused = link->refused, .why = link->why};
    wait_to_dial(link);
    return true;
}

const char *link_address(const struct link *link) {
    return link->state == LINK_CONNECTED ? "127.0.0.1" : "";
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
    link->backoff_us = BACKOFF_MIN_US;
    link->dial_at = sim->now;
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

static void link_send(struct link *link) {
    struct iovec parts[64];
    struct flow *stream = link->stream;
    link->touched = false;
    for (size_t count; (count = outbox_parts(&link->outbox, parts, 64)) > 0;) {
        size_t length = 0;
        for (size_t i = 0; i < count; i++) {
            pipe_put(&stream->up, stream->opener, stream->acceptor, parts[i].iov_base, parts[i].iov_len);
            length += parts[i].iov_len;
        }
        outbox_sent(&link->outbox, length);
    }
    flow_note_unheard(stream);
}

static bool link_has_to_send(const struct link *link) {
    return !link->freed && link->state == LINK_CONNECTED && !link->fallen && link->touched;
}

static void links_send_all(struct net *net) {
    for (struct chain *at = net->links.next; at != &net->links; at = at->next)
        if (link_has_to_send(link_of(at)))
            link_send(link_of(at));
}

static void links_flush_all(struct net *net) {
    for (struct chain *at = net->links.next, *next; at != &net->links; at = next) {
        struct link *link = link_of(at);
        next = at->next;
        if (link->freed)
            link_reclaim(link);
        else if (link->state != LINK_CONNECTED)
            outbox_close(&link->outbox);
        else if (link_has_to_send(link))
            link_send(link);
    }
}

/* ---- a node's network ------------------------------------------------------------------------------------------ */

struct sim_net *network_nodes[SIM_NODES_MAX];

struct net *net_new(struct ev_loop *loop, const struct net_options *options) {
    struct sim_net *own = calloc(1, sizeof *own);
    (void)loop;
    if (!own)
        abort();
    own->host = sim->current->host;
    own->net.options = *options;
    own->net.counters.clients_max = options->clients_max;
    chain_init(&own->net.clients);
    chain_init(&own->net.news);
    chain_init(&own->net.later);
    chain_init(&own->net.touched);
    chain_init(&own->net.freed);
    chain_init(&own->net.links);
    chain_init(&own->net.link_news);
    dials_init(&own->net);
    network_nodes[own->host] = own;
    return &own->net;
}

static void reclaim_freed(struct net *net) {
    for (struct chain *at; (at = chain_pop(&net->freed)) != NULL;)
        client_reclaim(CHAIN_ENTRY(at, struct client_io, touched));
}

void net_free(struct net *net) {
    network_nodes[host_of(net)] = NULL;
    dials_close(net);
    for (struct chain *at = net->links.next, *next; at != &net->links; at = next) {
        next = at->next;
        link_reclaim(link_of(at));
    }
    for (struct chain *at = net->clients.next; at != &net->clients; at = at->next)
        if (!of_all(at)->freed)
            client_free(&of_all(at)->client);
    reclaim_freed(net);
    assert(net->counters.clients == 0 && net->counters.peers == 0);
    free(net);
}

void net_set_options(struct net *net, const struct net_options *options) {
    net->options = *options;
}

void net_counters(const struct net *net, struct net_counters *counters) {
    *counters = net->counters;
}

bool net_listen(struct net *net, const char *host, unsigned port, char why[NET_WHY_MAX]) {
    (void)host, (void)why;
    assert(port == world_port(host_of(net)));
    ((struct sim_net *)(void *)net)->listening = true;
    return true;
}

unsigned net_port(const struct net *net) {
    return world_port(host_of(net));
}

void net_stop_listening(struct net *net) {
    ((struct sim_net *)(void *)net)->listening = false;
}

void net_flush_clients(struct net *net, struct client *const *clients, size_t count) {
    links_send_all(net);
    for (size_t i = 0; i < count; i++) {
        struct client_io *io = clients[i]->io;
        if (io->freed || chain_alone(&io->touched))
            continue;
        chain_remove(&io->touched);
        client_flush(io);
    }
}

void net_flush(struct net *net, uint64_t now_ms) {
    net->now_ms = now_ms;
    links_flush_all(net);
    dials_flush(net);
    for (struct chain *at; (at = chain_pop(&net->touched)) != NULL;)
        client_flush(CHAIN_ENTRY(at, struct client_io, touched));
    reclaim_freed(net);
    chain_move(&net->news, &net->later);
}
