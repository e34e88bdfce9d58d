/* SPDX-License-Identifier: MIT */
/*
 * No further replies are made for a client that has a megabyte of them to take (src/reads.c). One that takes them is served on at once: a
 * socket that has taken all there was tells nobody so, and the next command waited for the next tick of a timer, 100 ms for each
 * megabyte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/wire.h"

enum { WIRE_MS = 60000, VALUE_BYTES = 10000, REQUESTS = 6000, TOOK_MS = 1000 };

static struct cluster *cluster;

static void set_value(size_t leader) {
    static char command[VALUE_BYTES + 32];
    const char *reply;
    size_t length;
    struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(WIRE_MS));
    assert_non_null(wire);
    memset(command, 'v', sizeof command);
    memcpy(command, "SET value ", 10);
    memcpy(command + 10 + VALUE_BYTES, "\r\n", 2);
    assert_true(wire_send(wire, command, 10 + VALUE_BYTES + 2));
    assert_int_equal(wire_read(wire, &reply, &length), WIRE_OK);
    assert_memory_equal(reply, "+OK", 3);
    wire_close(wire);
}

/* 60 MB of replies to requests of 100 KB that are all sent at once: 3 s and more at a megabyte or two a tick. */
static void assert_is_served_on(size_t node, const char *level) {
    static const char request[] = "GET value\r\n";
    enum { EACH = sizeof request - 1 };
    struct wire *wire = wire_open(cluster->nodes[node].port, harness_scaled_ms(WIRE_MS));
    const char *reply;
    static char all[REQUESTS * EACH];
    size_t length;
    assert_non_null(wire);
    assert_string_equal(wire_ask(wire, level), "+OK");
    for (size_t i = 0; i < REQUESTS; i++)
        memcpy(all + i * EACH, request, EACH);
    uint64_t begun_ms = harness_now_ms();
    assert_true(wire_send(wire, all, sizeof all));
    for (size_t i = 0; i < REQUESTS; i++) {
        assert_int_equal(wire_read(wire, &reply, &length), WIRE_OK);
        assert_true(reply[0] == '$' && length > VALUE_BYTES);
    }
    assert_in_range(harness_now_ms() - begun_ms, 0, harness_scaled_ms(TOOK_MS));
    wire_close(wire);
}

static void who_takes_its_replies_is_served_on_at_once(void **state) {
    static const char *const proxies[] = {"--raft-follower-mode", "proxy", NULL};
    (void)state;
    cluster = cluster_new(3, proxies);
    size_t leader = cluster_wait_equal(cluster);
    set_value(leader);
    assert_is_served_on(leader, "RAFT.CONSISTENCY linearizable");
    assert_is_served_on(leader, "RAFT.CONSISTENCY lease");
    assert_is_served_on(leader, "RAFT.CONSISTENCY stale");
    assert_is_served_on((leader + 1) % 3, "RAFT.CONSISTENCY stale");
    assert_is_served_on((leader + 1) % 3, "RAFT.CONSISTENCY linearizable");
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(who_takes_its_replies_is_served_on_at_once, cluster_teardown),
    };
    return cmocka_run_group_tests_name("unread", tests, NULL, NULL);
}
