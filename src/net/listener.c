/* SPDX-License-Identifier: MIT */
/*
 * Accepting connections, and what to do when no descriptor is left.
 *
 * A listening socket stays readable as long as a connection waits in its backlog. Without a descriptor
 * accept() fails, the connection stays, and the loop would spin. So one descriptor is kept in reserve:
 *
 *     accept -> EMFILE -> close the spare -> accept -> say that it is full -> close -> open the spare
 *
 * Whoever knocks is told and the backlog drains. If even that fails (another thread took the descriptor, or
 * the whole machine has none), the listeners rest for 100 ms.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ACCEPT_MAX = 128 }; /* connections taken from one listener in one poll */

static const double pause_s = 0.1;

struct listener {
    struct net *net;
    struct chain all; /* net->listeners */
    struct ev_io readable;
    unsigned port;
};

static struct listener *listener_of(struct chain *node) {
    return CHAIN_ENTRY(node, struct listener, all);
}

static void spare_open(struct net *net) {
    net->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void pause_all(struct net *net) {
    for (struct chain *at = net->listeners.next; at != &net->listeners; at = at->next)
        ev_io_stop(net->loop, &listener_of(at)->readable);
    net->pause_over = false;
    ev_timer_set(&net->pause, pause_s, 0);
    ev_timer_start(net->loop, &net->pause);
}

static void on_pause_over(struct ev_loop *loop, struct ev_timer *watcher, int events) {
    (void)loop, (void)events;
    struct net *net = watcher->data;
    net->pause_over = true;
}

void listeners_init(struct net *net) {
    chain_init(&net->listeners);
    ev_init(&net->pause, on_pause_over);
    net->pause.data = net;
    spare_open(net);
}

void listeners_resume(struct net *net) {
    if (!net->pause_over)
        return;
    net->pause_over = false;
    if (net->spare_fd < 0)
        spare_open(net);
    for (struct chain *at = net->listeners.next; at != &net->listeners; at = at->next)
        ev_io_start(net->loop, &listener_of(at)->readable);
}

static bool out_of_descriptors(int error) {
    return error == EMFILE || error == ENFILE;
}

/* The connection in hand is lost, the next one may be fine. */
static bool is_passing(int error) {
    static const int passing[] = {EINTR,    ECONNABORTED, EPROTO,       ENOPROTOOPT, EHOSTDOWN, ENONET,
                                  ENETDOWN, ENETUNREACH,  EHOSTUNREACH, EPERM,       ETIMEDOUT};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (passing[i] == error)
            return true;
    return false;
}

/* Tells the connection at the front of the backlog, with the spare descriptor. False when that is
 * impossible too. */
static bool turn_away(struct net *net, int listening_fd) {
    net->counters.descriptors_short++;
    if (net->spare_fd < 0)
        return false;
    close(net->spare_fd);
    int fd = accept4(listening_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int error = errno;
    if (fd >= 0)
        client_reject(net, fd);
    spare_open(net);
    return fd >= 0 ? net->spare_fd >= 0 : !out_of_descriptors(error);
}

static void admit(struct net *net, int fd, const struct sockaddr *address) {
    size_t ordinary = net->counters.clients - net->counters.peers;
    if (ordinary >= net->counters.clients_max + net->options.peers_reserved)
        client_reject(net, fd);
    else
        client_accept(net, fd, address, ordinary >= net->counters.clients_max);
}

static void on_readable(struct ev_loop *loop, struct ev_io *watcher, int events) {
    (void)loop, (void)events;
    struct listener *listener = watcher->data;
    struct net *net = listener->net;
    for (int i = 0; i < ACCEPT_MAX; i++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        int fd = accept4(watcher->fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(net, fd, (struct sockaddr *)&address);
        } else if (errno == EAGAIN) {
            return;
        } else if (out_of_descriptors(errno) ? !turn_away(net, watcher->fd) : !is_passing(errno)) {
            pause_all(net);
            return;
        }
    }
}

void socket_set_keepalive(int fd, unsigned keepalive_s) {
    int on = keepalive_s > 0, idle = (int)keepalive_s, probes = 3;
    int interval = idle / probes > 0 ? idle / probes : 1;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (!on)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

void listeners_set_keepalive(struct net *net) {
    for (struct chain *at = net->listeners.next; at != &net->listeners; at = at->next)
        socket_set_keepalive(listener_of(at)->readable.fd, net->options.keepalive_s);
}

/* Accepted sockets inherit these options on Linux: four calls less for each connection. */
static void set_options(struct net *net, int fd, int family) {
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    socket_set_keepalive(fd, net->options.keepalive_s);
}

static unsigned port_of(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &length);
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&address)->sin6_port
                                               : ((struct sockaddr_in *)(void *)&address)->sin_port);
}

static void add(struct net *net, int fd) {
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        abort();
    listener->net = net;
    listener->port = port_of(fd);
    chain_init(&listener->all);
    chain_push(&net->listeners, &listener->all);
    ev_io_init(&listener->readable, on_readable, fd, EV_READ);
    listener->readable.data = listener;
    if (!ev_is_active(&net->pause))
        ev_io_start(net->loop, &listener->readable);
}

/* In words a user can act on. */
static void explain(const char *host, unsigned port, int error, char why[NET_WHY_MAX]) {
    const char *colon = strchr(host, ':');
    const char *open = colon ? "[" : "", *end = colon ? "]" : "";
    char holder[NET_WHY_MAX] = "";
    if (error == EADDRINUSE)
        port_holder(port, holder);
    if (error == EADDRINUSE)
        snprintf(why, NET_WHY_MAX, "%s%.64s%s:%u is taken%.128s", open, host, end, port, holder);
    else if (error == EADDRNOTAVAIL)
        snprintf(why, NET_WHY_MAX, "%s%.64s%s:%u: this machine has no such address", open, host, end, port);
    else if (error == EACCES)
        snprintf(why, NET_WHY_MAX, "%s%.64s%s:%u: not permitted (ports below 1024 need privileges)", open,
                 host, end, port);
    else
        snprintf(why, NET_WHY_MAX, "%s%.64s%s:%u: %s", open, host, end, port, strerror(error));
}

static const char *numeric_host(const char *host) {
    return strcmp(host, "*") == 0 ? "0.0.0.0" : strcmp(host, "::*") == 0 ? "::" : host;
}

bool net_listen(struct net *net, const char *host, unsigned port, char why[NET_WHY_MAX]) {
    assert(port <= UINT16_MAX);
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *info = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    host = numeric_host(host);
    if (getaddrinfo(host, service, &hints, &info) != 0) {
        snprintf(why, NET_WHY_MAX, "%.64s is not a numeric address", host);
        return false;
    }
    int error = 0;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        set_options(net, fd, info->ai_family);
    if (fd < 0 || bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, net->options.backlog) != 0)
        error = errno;
    freeaddrinfo(info);
    if (!error) {
        add(net, fd);
        return true;
    }
    if (fd >= 0)
        close(fd);
    explain(host, port, error, why);
    return false;
}

unsigned net_port(const struct net *net) {
    return chain_alone(&net->listeners) ? 0 : listener_of(net->listeners.previous)->port;
}

void net_stop_listening(struct net *net) {
    for (struct chain *at; (at = chain_pop(&net->listeners)) != NULL;) {
        struct listener *listener = listener_of(at);
        ev_io_stop(net->loop, &listener->readable);
        close(listener->readable.fd);
        free(listener);
    }
}

void listeners_close(struct net *net) {
    net_stop_listening(net);
    ev_timer_stop(net->loop, &net->pause);
    if (net->spare_fd >= 0)
        close(net->spare_fd);
}
