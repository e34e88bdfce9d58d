/* SPDX-License-Identifier: MIT */
/* A net with a link, and a peer that is a bare socket, so that it can do what no honest peer would. */
#ifndef NET_LINK_WORLD_H
#define NET_LINK_WORLD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../src/net/internal.h"

enum { TIMEOUT_MS = 2000, LOG_MAX = 1 << 16 };

struct fixture {
    struct ev_loop *loop;
    struct net *net;
    struct link *link;
    struct ev_timer wake;
    int listener; /* the peer's */
    unsigned port;
    bool connected;
    bool open; /* each link that comes up is said to be open */
    bool drop; /* each reply is answered with link_drop */
    unsigned ups, downs, refusals;
    uint64_t down_ms;  /* when the last down was taken */
    char log[LOG_MAX]; /* events in words, one after the other */
    size_t logged;
};

static inline uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void on_wake(struct ev_loop *loop, struct ev_timer *watcher, int events) {
    (void)loop, (void)watcher, (void)events;
}

static inline void listen_at(struct fixture *f, int family, unsigned port, int backlog) {
    struct sockaddr_in6 six = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_loopback};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct sockaddr *address = family == AF_INET6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
    socklen_t length = family == AF_INET6 ? sizeof six : sizeof four;
    int on = 1;
    f->listener = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (f->listener < 0)
        return;
    setsockopt(f->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(f->listener, address, length) != 0 || listen(f->listener, backlog) != 0) {
        close(f->listener);
        f->listener = -1;
        return;
    }
    getsockname(f->listener, address, &length);
    f->port = ntohs(family == AF_INET6 ? six.sin6_port : four.sin_port);
}

static inline struct fixture *start(void) {
    static const struct net_options options = {.clients_max = 10, .backlog = 10, .keepalive_s = 300};
    struct fixture *f = calloc(1, sizeof *f);
    f->loop = ev_loop_new(EVFLAG_AUTO);
    f->net = net_new(f->loop, &options);
    listen_at(f, AF_INET, 0, 16);
    assert_true(f->listener >= 0);
    ev_timer_init(&f->wake, on_wake, 0.01, 0.01);
    ev_timer_start(f->loop, &f->wake);
    return f;
}

static inline struct fixture *start_link(const char *host) {
    struct fixture *f = start();
    f->link = link_new(f->net, host, f->port, TIMEOUT_MS);
    link_set_owner(f->link, f);
    return f;
}

static inline void stop(struct fixture *f) {
    net_free(f->net);
    if (f->listener >= 0)
        close(f->listener);
    ev_timer_stop(f->loop, &f->wake);
    ev_loop_destroy(f->loop);
    free(f);
}

static inline void note(struct fixture *f, const char *bytes, size_t length) {
    assert_true(f->logged + length < LOG_MAX);
    memcpy(f->log + f->logged, bytes, length);
    f->logged += length;
    f->log[f->logged] = '\0';
}

/* "*(a b _)": a null is an underscore. */
static inline void note_reply(struct fixture *f, const struct link_event *event) {
    note(f, &event->kind, 1);
    note(f, "(", 1);
    for (size_t i = 0; i < event->count; i++) {
        const struct resp_arg *arg = &event->args[i];
        note(f, " ", i > 0);
        note(f, arg->bytes ? arg->bytes : "_", arg->bytes ? arg->length : 1);
    }
    note(f, ")", 1);
}

static inline void take(struct fixture *f, const struct link_event *event) {
    switch (event->type) {
    case LINK_UP:
        assert_false(f->connected);
        f->connected = true;
        f->ups++;
        assert_int_equal(link_state(f->link), LINK_CONNECTED);
        note(f, "up ", 3);
        if (f->open)
            link_open(f->link);
        break;
    case LINK_REPLY:
        assert_true(f->connected);
        note_reply(f, event);
        if (f->drop)
            link_drop(f->link, "not liked");
        break;
    case LINK_DOWN:
        f->connected = false;
        f->downs++;
        f->refusals += event->refused;
        f->down_ms = now_ms();
        assert_true(strlen(event->why) > 0);
        assert_string_equal(event->why, link_last_error(f->link));
        note(f, "down ", 5);
        break;
    }
}

static inline void turn(struct fixture *f) {
    for (struct link *link; (link = net_take_link(f->net)) != NULL;) {
        assert_ptr_equal(link, f->link);
        assert_ptr_equal(link_owner(link), f);
        for (struct link_event event; link_take(link, &event);)
            take(f, &event);
    }
    net_flush(f->net, now_ms());
    ev_run(f->loop, EVRUN_ONCE);
}

static inline void turns(struct fixture *f, int count) {
    while (count-- > 0)
        turn(f);
}

#define TURNS_UNTIL(f, condition)                                                                            \
    do {                                                                                                     \
        for (uint64_t until_ = now_ms() + 8000; !(condition) && now_ms() < until_;)                          \
            turn(f);                                                                                         \
        assert_true(condition);                                                                              \
    } while (0)

static inline int peer_accept(struct fixture *f) {
    int fd = -1;
    for (uint64_t until = now_ms() + 8000; fd < 0 && now_ms() < until;) {
        turn(f);
        fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    assert_true(fd >= 0);
    return fd;
}

/* Accepts, and waits until the link knows. */
static inline int peer_up(struct fixture *f) {
    unsigned before = f->ups;
    int fd = peer_accept(f);
    TURNS_UNTIL(f, f->ups == before + 1);
    return fd;
}

static inline void peer_says(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static inline void peer_stops_listening(struct fixture *f) {
    close(f->listener);
    f->listener = -1;
}

static inline size_t peer_hears(struct fixture *f, int fd, char *bytes, size_t length) {
    size_t got = 0;
    for (uint64_t until = now_ms() + 8000; got < length && now_ms() < until;) {
        ssize_t more = recv(fd, bytes + got, length - got, 0);
        if (more == 0)
            break;
        got += more > 0 ? (size_t)more : 0;
        if (more < 0)
            turn(f);
    }
    return got;
}

static inline void count_release(void *owner) {
    ++*(int *)owner;
}

#endif
