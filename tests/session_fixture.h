/* SPDX-License-Identifier: MIT */
/* What the tests of a session's commands share: a world for each test, and what a command must answer in it. */
#ifndef SESSION_FIXTURE_H
#define SESSION_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session_world.h"

static struct world world; /* the running test's */

static inline int open_world(void **state) {
    (void)state;
    world_open(&world);
    return 0;
}

static inline int close_world(void **state) {
    (void)state;
    world_close(&world);
    return 0;
}

static inline void assert_reply(const char *command, const char *reply) {
    const char *got = world_ask(&world, command, NULL);

    if (strcmp(got, reply) != 0)
        fail_msg("%s\nwanted: %s\ngot:    %s", command, reply, got);
}

static inline void assert_holds(const char *command, const char *part) {
    const char *got = world_ask(&world, command, NULL);

    if (!strstr(got, part))
        fail_msg("%s\nwanted in it: %s\ngot:    %s", command, part, got);
}

/* A node that is not the leader: node 1 follows node 2. */
static inline void follow(void) {
    world.report.role = REPORT_FOLLOWER;
    world.report.serving = false;
    world.report.leader_id = world.report.known_leader_id = 2;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

#endif
