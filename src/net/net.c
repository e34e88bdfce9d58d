/* SPDX-License-Identifier: MIT */
/*
 * The context, its limits, and the end of a turn.
 *
 * Between two polls there is one turn, and whoever has news must be heard in it. Callbacks run while the
 * loop polls, the node takes the news in the turn, the flush ends it. News that arises in the turn itself (a
 * write failed, a client was put back with client_again) belongs to the next one; `awake`, an idle watcher,
 * keeps the loop from sleeping before.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

static const double tick_s = 0.25;

static void on_awake(struct ev_loop *loop, struct ev_idle *watcher, int events) {
    (void)loop, (void)watcher, (void)events;
}

/* Of a lower priority than all that a poll brings. */
static void on_polled(struct ev_loop *loop, struct ev_idle *watcher, int events) {
    (void)loop, (void)events;
    clients_read(watcher->data);
    dials_read(watcher->data);
}

void net_poll_ends(struct net *net) {
    ev_feed_event(net->loop, &net->polled, EV_CUSTOM);
}

static void decide_batch(struct net *net) {
    batch_free(net->batch);
    net->batch =
        net->options.io_uring == NET_RING_NO ? NULL : batch_new(net->options.io_uring == NET_RING_AUTO);
    net->counters.io_uring = net->batch != NULL;
}

static void on_tick(struct ev_loop *loop, struct ev_timer *watcher, int events) {
    (void)loop, (void)events;
    struct net *net = watcher->data;
    net->ticked = true;
}

/* Raises the process's limit of descriptors so that clients_max fits, else lowers clients_max so that it
 * fits the limit. */
static void fit_descriptors(struct net *net) {
    size_t reserve = (size_t)net->options.peers_reserved + NET_FILES_RESERVED + net->options.extra_files;
    size_t each = net->options.files_per_client > 1 ? net->options.files_per_client : 1;
    rlim_t wanted = net->options.clients_max * each + reserve;
    struct rlimit limit;
    net->counters.clients_max = net->options.clients_max;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    rlim_t hard = limit.rlim_max;
    limit = (struct rlimit){.rlim_cur = wanted, .rlim_max = hard > wanted ? hard : wanted};
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        return;
    limit = (struct rlimit){.rlim_cur = hard, .rlim_max = hard};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < wanted)
        net->counters.clients_max = limit.rlim_cur > reserve + each ? (limit.rlim_cur - reserve) / each : 1;
}

struct net *net_new(struct ev_loop *loop, const struct net_options *options) {
    assert(loop && options);
    struct net *net = calloc(1, sizeof *net);
    if (!net)
        abort();
    net->loop = loop;
    net->options = *options;
    if (getrandom(&net->random, sizeof net->random, GRND_NONBLOCK) != sizeof net->random)
        net->random = (unsigned)(uintptr_t)net;
    ev_idle_init(&net->awake, on_awake);
    ev_idle_init(&net->polled, on_polled);
    ev_set_priority(&net->polled, EV_MINPRI);
    net->polled.data = net;
    ev_init(&net->tick, on_tick);
    net->tick.repeat = tick_s;
    net->tick.data = net;
    fit_descriptors(net);
    decide_batch(net);
    listeners_init(net);
    clients_init(net);
    links_init(net);
    dials_init(net);
    return net;
}

void net_free(struct net *net) {
    listeners_close(net);
    links_close(net);
    dials_close(net);
    clients_close(net);
    ev_idle_stop(net->loop, &net->awake);
    ev_timer_stop(net->loop, &net->tick);
    batch_free(net->batch);
    free(net);
}

void net_set_options(struct net *net, const struct net_options *options) {
    bool other_ring = options->io_uring != net->options.io_uring;
    net->options = *options;
    if (other_ring)
        decide_batch(net);
    fit_descriptors(net);
    listeners_set_keepalive(net);
}

void net_counters(const struct net *net, struct net_counters *counters) {
    *counters = net->counters;
}

void net_flush_clients(struct net *net, struct client *const *clients, size_t count) {
    links_send(net); /* as at the end of the turn: first */
    clients_flush_some(net, clients, count);
}

void net_flush(struct net *net, uint64_t now_ms) {
    net->now_ms = now_ms;
    listeners_resume(net);
    links_flush(net); /* first: a slow client never delays a heartbeat */
    dials_flush(net);
    clients_flush(net);

    if (chain_alone(&net->waiting))
        ev_timer_stop(net->loop, &net->tick);
    else if (!ev_is_active(&net->tick))
        ev_timer_again(net->loop, &net->tick);
    if (chain_alone(&net->news) && chain_alone(&net->touched) && chain_alone(&net->link_news) &&
        chain_alone(&net->dial_news))
        ev_idle_stop(net->loop, &net->awake);
    else
        ev_idle_start(net->loop, &net->awake);
    assert(chain_alone(&net->later) && chain_alone(&net->freed));
}
