/* SPDX-License-Identifier: MIT */
/*
 * Whole nodes in one process: real sockets on the loopback, real logs in a directory of their own. Each has a loop of its own
 * and is turned only when a test says so; a node that is not turned is a machine that stands still.
 */
#ifndef NODE_WORLD_H
#define NODE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../src/conf.h"
#include "../src/node.h"

enum { WORLD_NODES_MAX = 3, WORLD_HEARD_MAX = 1 << 16, WORLD_PATIENCE_MS = 10000 };

struct world_node {
    struct ev_loop *loop;
    struct ev_timer wake; /* so that no poll is for ever */
    struct conf conf;
    struct node *node;
    char dir[128];
    unsigned port;
    bool asleep; /* left out where everybody is turned */
};

struct world {
    size_t count;
    int64_t wall_shift_ms; /* added to everybody's wall clock */
    struct world_node nodes[WORLD_NODES_MAX];
};

static inline uint64_t world_us(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline struct instant world_now(const struct world *world) {
    struct instant now = instant_now();
    now.wall_us += (uint64_t)world->wall_shift_ms * 1000;
    return now;
}

/* One poll, of a millisecond at most, and one turn. */
static inline void world_turn(struct world *world, size_t at) {
    struct world_node *node = &world->nodes[at];
    ev_run(node->loop, EVRUN_ONCE);
    struct instant now = world_now(world);
    node_turn(node->node, &now);
    assert_int_equal(node_ended(node->node), NODE_RUNNING);
}

static inline void world_turns(struct world *world, size_t at, unsigned turns) {
    for (; turns > 0; turns--)
        world_turn(world, at);
}

static inline void world_turn_all(struct world *world) {
    for (size_t i = 0; i < world->count; i++)
        if (!world->nodes[i].asleep)
            world_turn(world, i);
}

/* ---- life ---------------------------------------------------------------------------------------------------- */

static inline void world_on_wake(struct ev_loop *loop, struct ev_timer *watcher, int events) {
    (void)loop, (void)watcher, (void)events;
}

/* A port that nobody listens on, below those that the kernel gives to whoever dials at this moment. */
static inline unsigned world_free_port(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (unsigned tries = 0; tries < 100; tries++) {
        unsigned port =
            20000 + (unsigned)(world_us(CLOCK_MONOTONIC) * 7 + (unsigned)getpid() * 101 + tries * 13) % 10000;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        address.sin_port = htons((uint16_t)port);
        bool is_free = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
        if (is_free)
            return port;
    }
    fail_msg("no free port");
    return 0;
}

static inline void world_configure(struct world *world, size_t at, const char *extra) {
    struct world_node *node = &world->nodes[at];
    char text[4096], path[160], why[CONF_WHY_MAX];
    size_t length = (size_t)snprintf(text, sizeof text,
                                     "port %u\nbind 127.0.0.1\ndir %s\nraft-id %zu\n"
                                     "raft-stall-timeout 0\n", /* the machine's disk moves no leadership */
                                     node->port, node->dir, at + 1);
    for (size_t i = 0; i < world->count; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "raft-node %zu 127.0.0.1:%u\n", i + 1,
                                   world->nodes[i].port);
    snprintf(text + length, sizeof text - length, "%s", extra);
    snprintf(path, sizeof path, "%s/redraft.conf", node->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    conf_init(&node->conf);
    if (!conf_load(&node->conf, path, 0, NULL, why))
        fail_msg("%s", why);
}

/* Lines of configuration that each node has beside the usual ones: `extra` holds one for each, or is NULL. */
static inline struct world *world_new_as(size_t count, const char *const *extra) {
    struct world *world = calloc(1, sizeof *world);
    signal(SIGPIPE, SIG_IGN);
    world->count = count;
    for (size_t i = 0; i < count; i++)
        do
            world->nodes[i].port = world_free_port();
        while (i > 0 && (world->nodes[i].port == world->nodes[0].port ||
                         world->nodes[i].port == world->nodes[i - 1].port));
    for (size_t i = 0; i < count; i++) {
        struct world_node *node = &world->nodes[i];
        strcpy(node->dir, "/tmp/redraft-node-XXXXXX");
        assert_non_null(mkdtemp(node->dir));
        world_configure(world, i, extra ? extra[i] : "");
        node->loop = ev_loop_new(EVFLAG_AUTO);
        ev_timer_init(&node->wake, world_on_wake, 0.001, 0.001);
        ev_timer_start(node->loop, &node->wake);
        struct instant now = world_now(world);
        node->node = node_new(node->loop, &node->conf, NULL, &now);
        assert_non_null(node->node);
    }
    return world;
}

/* Ends a node and starts it again with what its directory holds. */
static inline void world_restart(struct world *world, size_t at) {
    struct world_node *node = &world->nodes[at];
    struct instant now = world_now(world);
    node_free(node->node);
    node->node = node_new(node->loop, &node->conf, NULL, &now);
    assert_non_null(node->node);
}

static inline struct world *world_new(size_t count) {
    return world_new_as(count, NULL);
}

static inline void world_remove(const char *dir) {
    char path[512];
    DIR *open = opendir(dir);
    for (struct dirent *entry; (entry = readdir(open)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        unlink(path);
    }
    closedir(open);
    rmdir(dir);
}

static inline void world_free(struct world *world) {
    for (size_t i = 0; i < world->count; i++) {
        struct world_node *node = &world->nodes[i];
        node_free(node->node);
        ev_timer_stop(node->loop, &node->wake);
        ev_loop_destroy(node->loop);
        world_remove(node->dir);
    }
    free(world);
}

/* ---- clients ------------------------------------------------------------------------------------------------- */

static inline int world_dial(const struct world *world, size_t at) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)world->nodes[at].port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline void world_say(int fd, const char *bytes, size_t length) {
    assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
}

/* Reads what comes, turning everybody, until `length` bytes are there, the other end closes, or patience ends. Terminated. */
static inline size_t world_hear(struct world *world, int fd, char *bytes, size_t length) {
    size_t got = 0;
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000;
    while (got < length && world_us(CLOCK_MONOTONIC) < until_us) {
        ssize_t more = recv(fd, bytes + got, length - got, 0);
        if (more == 0 || (more < 0 && errno != EAGAIN))
            break;
        got += more > 0 ? (size_t)more : 0;
        if (more < 0)
            world_turn_all(world);
    }
    bytes[got] = '\0';
    return got;
}

/* Exactly this comes. */
static inline void world_expect(struct world *world, int fd, const char *expected) {
    static char heard[WORLD_HEARD_MAX];
    assert_true(strlen(expected) < sizeof heard);
    world_hear(world, fd, heard, strlen(expected));
    assert_string_equal(heard, expected);
}

/* Nothing more comes while everybody is turned. */
static inline void world_expect_silence(struct world *world, int fd) {
    char byte;
    for (unsigned i = 0; i < 20; i++)
        world_turn_all(world);
    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
}

static inline void world_expect_end(struct world *world, int fd) {
    char byte[2];
    assert_int_equal(world_hear(world, fd, byte, 1), 0);
    assert_int_equal(recv(fd, byte, 1, 0), 0);
}

static inline void world_ask(struct world *world, int fd, const char *request, const char *expected) {
    world_say(fd, request, strlen(request));
    world_expect(world, fd, expected);
}

/* Waits until somebody serves; returns which. */
static inline size_t world_leader(struct world *world) {
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000;
    while (world_us(CLOCK_MONOTONIC) < until_us)
        for (size_t i = 0; i < world->count; i++) {
            char reply[64];
            if (world->nodes[i].asleep)
                continue;
            int fd = world_dial(world, i);
            world_say(fd, "GET leader?\r\n", 13);
            world_hear(world, fd, reply, 5);
            close(fd);
            if (strcmp(reply, "$-1\r\n") == 0)
                return i;
        }
    fail_msg("nobody leads");
    return 0;
}

#endif
