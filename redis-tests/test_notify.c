/* SPDX-License-Identifier: MIT */
/*
 * Keyspace notifications: the same commands to a real redis-server 7.0 and to a cluster of three, and what those are told who
 * listen, on every node.
 *
 * REDRAFT_COMMANDS sets how many (10000), REDRAFT_SEED which (1). What differs on purpose: "expired" comes when a key's time
 * has come by the log's clock, so it is not compared; nor is what a value got a deadline in the past makes of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/generate.h"
#include "harness/redis.h"
#include "harness/wire.h"

enum { BATCH = 32, WIRE_MS = 30000, NODES = 3, SHOWN = 300, TOLD_MAX = 4096 };

static struct cluster *cluster;
static unsigned redis_port;

static int both_up(void **state) {
    (void)state;
    redis_port = redis_start();
    if (redis_port == 0)
        return 0;
    cluster = cluster_new(NODES, NULL);
    cluster->shared = true;
    return 0;
}

static int both_down(void **state) {
    (void)state;
    if (cluster != NULL)
        cluster_free(cluster);
    redis_end();
    return 0;
}

static struct wire *open_port(unsigned port) {
    struct wire *wire = wire_open(port, harness_scaled_ms(WIRE_MS));
    assert_non_null(wire);
    return wire;
}

/* ---- one who listens ---------------------------------------------------------------------------------------- */

struct listener {
    struct wire *wire;
    char *told[TOLD_MAX]; /* in the order in which it came */
    size_t count;
};

static void listen(struct listener *listener, unsigned port, const char *flags, const char *pattern) {
    char words[128];
    struct wire *wire = open_port(port);
    snprintf(words, sizeof(words), "CONFIG SET notify-keyspace-events %s", flags);
    assert_string_equal(wire_ask(wire, words), "+OK");
    snprintf(words, sizeof(words), "PSUBSCRIBE %s", pattern);
    assert_int_equal(wire_ask(wire, words)[0], '*');
    *listener = (struct listener){.wire = wire};
}

static void forget(struct listener *listener) {
    for (size_t i = 0; i < listener->count; i++)
        free(listener->told[i]);
    listener->count = 0;
}

static void listener_close(struct listener *listener) {
    forget(listener);
    wire_close(listener->wire);
}

/* Everything up to the answer to a PING that is sent now. */
static void hear(struct listener *listener) {
    assert_true(wire_send_words(listener->wire, "PING"));
    for (;;) {
        const char *bytes;
        size_t length;
        if (wire_read(listener->wire, &bytes, &length) != WIRE_OK)
            harness_fail("one who listens hears nothing more");
        char *text = wire_text(bytes, length);
        if (strncmp(text, "*2 $4 pong", 10) == 0) {
            free(text);
            return;
        }
        if (strstr(text, "$7 expired") != NULL || strstr(text, "__:expired ") != NULL) {
            free(text);
            continue;
        }
        assert_true(listener->count < TOLD_MAX);
        listener->told[listener->count++] = text;
    }
}

/* ---- the sequence ---------------------------------------------------------------------------------------- */

struct batch {
    char *bytes;
    size_t used, count;
};

static void batch_fill(struct batch *batch, uint64_t *seed) {
    static struct request request;
    batch->used = 0;
    for (batch->count = 0; batch->count < BATCH; batch->count++) {
        (void)generate_request(seed, &request);
        batch->used += generate_encode(&request, false, batch->bytes + batch->used);
    }
}

static void run(struct wire *wire, const struct batch *batch) {
    const char *bytes;
    size_t length;
    assert_true(wire_send(wire, batch->bytes, batch->used));
    for (size_t i = 0; i < batch->count; i++)
        assert_int_equal(wire_read(wire, &bytes, &length), WIRE_OK);
}

static const char *at(const struct listener *listener, size_t i) {
    return i < listener->count ? listener->told[i] : "(nothing more)";
}

static void compare(const struct listener *theirs, const struct listener *ours, const struct batch *batch,
                    uint64_t number) {
    size_t longer = theirs->count > ours->count ? theirs->count : ours->count;
    for (size_t i = 0; i < longer; i++)
        if (strcmp(at(theirs, i), at(ours, i)) != 0)
            harness_fail("commands from %llu on, event %zu\n  redis    %.*s\n  redraft  %.*s\nof %s",
                         (unsigned long long)number, i, SHOWN, at(theirs, i), SHOWN, at(ours, i),
                         wire_text(batch->bytes, batch->used));
}

/* Followers may be behind: what they still lack is told to their listeners soon. */
static void hear_all(struct listener *listener, size_t count) {
    for (int i = 0; i < 1000; i++) {
        hear(listener);
        if (listener->count >= count)
            return;
        harness_sleep_ms(10);
    }
}

static void every_node_tells_the_events_that_redis_tells(void **state) {
    (void)state;
    if (cluster == NULL)
        skip();
    static struct listener redis, nodes[NODES];
    uint64_t count = harness_setting("REDRAFT_COMMANDS", 10000), told = 0;
    uint64_t first = harness_setting("REDRAFT_SEED", 1), seed = first;
    struct batch batch = {.bytes = malloc(BATCH * (4 * 100000 + 64 * GENERATE_ARGS_MAX))};
    size_t leader = cluster_wait_leader(cluster);
    struct wire *theirs = open_port(redis_port), *ours = open_port(cluster->nodes[leader].port);
    harness_say("REDRAFT_SEED=%llu REDRAFT_COMMANDS=%llu", (unsigned long long)first,
                (unsigned long long)count);
    listen(&redis, redis_port, "KEAn", "__key*");
    for (size_t i = 0; i < NODES; i++)
        listen(&nodes[i], cluster->nodes[i].port, "KEAn", "__key*");
    for (uint64_t number = 0; number < count; number += BATCH) {
        batch_fill(&batch, &seed);
        run(theirs, &batch);
        run(ours, &batch);
        hear(&redis);
        told += redis.count;
        for (size_t i = 0; i < NODES; i++) {
            hear_all(&nodes[i], redis.count);
            compare(&redis, &nodes[i], &batch, number);
            forget(&nodes[i]);
        }
        forget(&redis);
    }
    harness_say("%llu events compared on %d nodes", (unsigned long long)told, NODES);
    free(batch.bytes);
    wire_close(theirs);
    wire_close(ours);
    listener_close(&redis);
    for (size_t i = 0; i < NODES; i++)
        listener_close(&nodes[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_tells_the_events_that_redis_tells),
    };
    return cmocka_run_group_tests_name("notify", tests, both_up, both_down);
}
