/* SPDX-License-Identifier: MIT */
/* A net with clients on the loopback, and the smallest thing that answers them in the place of the node. */
#ifndef NET_CLIENT_WORLD_H
#define NET_CLIENT_WORLD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../src/net/net.h"

struct fixture {
    struct ev_loop *loop;
    struct net *net;
    struct ev_timer wake; /* so that no wait is for ever */
    unsigned port;
    uint64_t skip_ms;    /* added to the clock that the flush is told */
    bool deaf;           /* clients' input is left where it is */
    bool keep_gone;      /* gone clients are not freed */
    bool all_peers;      /* clients are let in as peers */
    unsigned takes;      /* clients taken */
    unsigned gone_count; /* clients that were seen to be gone */
    char why[128];       /* why the last one was */
};

static inline uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void on_wake(struct ev_loop *loop, struct ev_timer *watcher, int events) {
    (void)loop, (void)watcher, (void)events;
}

static const struct net_options usual = {.clients_max = 2000,
                                         .peers_reserved = 8,
                                         .backlog = 511,
                                         .keepalive_s = 300,
                                         .io_uring = NET_RING_YES,
                                         .in_bytes_max = 1 << 20};

static inline struct fixture *start(const struct net_options *options) {
    char why[NET_WHY_MAX] = "";
    struct fixture *f = calloc(1, sizeof *f);
    f->loop = ev_loop_new(EVFLAG_AUTO);
    f->net = net_new(f->loop, options);
    if (!net_listen(f->net, "127.0.0.1", 0, why))
        fail_msg("%s", why);
    f->port = net_port(f->net);
    ev_timer_init(&f->wake, on_wake, 0.02, 0.02);
    ev_timer_start(f->loop, &f->wake);
    return f;
}

static inline void stop(struct fixture *f) {
    net_free(f->net);
    ev_timer_stop(f->loop, &f->wake);
    ev_loop_destroy(f->loop);
    free(f);
}

/* The answers to the whole lines in `in`; true when the client was freed. */
static inline bool answer(struct client *client) {
    for (;;) {
        size_t length = resp_buf_length(&client->in);
        const char *line = length > 0 ? resp_buf_bytes(&client->in) : "";
        const char *end = length > 0 ? memchr(line, '\n', length) : NULL;
        if (!end)
            return false;
        size_t whole = (size_t)(end - line) + 1;
        resp_buf_append(&client->out, "+", 1);
        resp_buf_append(&client->out, line, whole);
        client_touch(client);
        if (whole >= 5 && memcmp(line, "hold", 4) == 0)
            client_hold(client, true);
        if (whole >= 6 && memcmp(line, "close", 5) == 0)
            client_close_after_flush(client);
        if (whole >= 5 && memcmp(line, "free", 4) == 0) {
            client_free(client);
            return true;
        }
        resp_buf_consume(&client->in, whole, 64 * 1024);
    }
}

static inline void node_turn(struct fixture *f) {
    for (struct client *client; (client = net_take_client(f->net)) != NULL;) {
        f->takes++;
        client->peer = f->all_peers;
        if (!f->deaf && answer(client))
            continue;
        if (!client->gone)
            continue;
        f->gone_count++;
        snprintf(f->why, sizeof f->why, "%s", client->why);
        if (!f->keep_gone)
            client_free(client);
    }
}

static inline void turn(struct fixture *f) {
    node_turn(f);
    net_flush(f->net, now_ms() + f->skip_ms);
    ev_run(f->loop, EVRUN_ONCE);
}

static inline void turns(struct fixture *f, int count) {
    while (count-- > 0)
        turn(f);
}

static inline struct net_counters counters(const struct fixture *f) {
    struct net_counters counters;
    net_counters(f->net, &counters);
    return counters;
}

/* Turns until the condition holds; 5 s at most. */
#define TURNS_UNTIL(f, condition)                                                                            \
    do {                                                                                                     \
        for (uint64_t until_ = now_ms() + 5000; !(condition) && now_ms() < until_;)                          \
            turn(f);                                                                                         \
        assert_true(condition);                                                                              \
    } while (0)

/* ---- the other end ------------------------------------------------------------------------------------- */

static inline int dial(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static inline void say(int fd, const char *text) {
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What comes until `length` bytes are there, the other end closes, or 5 s are over; terminated. */
static inline size_t hear(struct fixture *f, int fd, char *bytes, size_t length) {
    size_t got = 0;
    for (uint64_t until = now_ms() + 5000; got < length && now_ms() < until;) {
        ssize_t more = recv(fd, bytes + got, length - got, 0);
        if (more == 0 || (more < 0 && errno != EAGAIN))
            break;
        got += more > 0 ? (size_t)more : 0;
        if (more < 0)
            turn(f);
    }
    bytes[got] = '\0';
    return got;
}

static inline void assert_heard(struct fixture *f, int fd, const char *expected) {
    char heard[4096];
    hear(f, fd, heard, strlen(expected));
    assert_string_equal(heard, expected);
}

/* Nothing more comes, then the end. */
static inline void assert_closed(struct fixture *f, int fd) {
    char byte = '?';
    ssize_t got = -1;
    for (uint64_t until = now_ms() + 5000; got < 0 && now_ms() < until; turn(f)) {
        got = recv(fd, &byte, 1, 0);
        if (got < 0 && errno != EAGAIN)
            got = 0;
    }
    assert_int_equal(got, 0);
}

static inline struct client *only_client(struct fixture *f) {
    TURNS_UNTIL(f, net_first_client(f->net) != NULL);
    struct client *client = net_first_client(f->net);
    assert_null(net_next_client(client));
    return client;
}

#endif
