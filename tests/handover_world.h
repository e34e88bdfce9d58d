/* SPDX-License-Identifier: MIT */
/* Three nodes, of which the leader has two clients, and what the tests say and hear when its leadership goes to another. */
#ifndef HANDOVER_WORLD_H
#define HANDOVER_WORLD_H

#include "node_world.h"

static struct world *world;
static size_t leader;
static int fd, other; /* two clients of the leader */

static inline int begin(void **state) {
    (void)state;
    world = world_new(3);
    leader = world_leader(world);
    fd = world_dial(world, leader);
    other = world_dial(world, leader);
    return 0;
}

static inline int end(void **state) {
    (void)state;
    close(fd);
    close(other);
    world_free(world);
    return 0;
}

static inline size_t successor(void) {
    return (leader + 1) % 3;
}

static inline void sleep_others(bool asleep) {
    world->nodes[successor()].asleep = world->nodes[(leader + 2) % 3].asleep = asleep;
}

static inline void say(int to, const char *text) {
    world_say(to, text, strlen(text));
}

/* Asks the leader to hand over to node `to`. */
static inline void say_transfer(int from, size_t to) {
    char line[64];
    snprintf(line, sizeof line, "RAFT.TRANSFER_LEADER %zu\r\n", to + 1);
    say(from, line);
}

static inline const char *moved_to(size_t at, unsigned slot) {
    static char text[64];
    snprintf(text, sizeof text, "-MOVED %u 127.0.0.1:%u\r\n", slot, world->nodes[at].port);
    return text;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
