/* SPDX-License-Identifier: MIT */
/*
 * Clients that wait, beside a real redis-server 7.0: the same commands of several connections, one after another, to both. The same
 * connections must be served by the same commands, with the same replies. One thing differs on purpose: a command that stores a list or
 * a sorted set in the place of a value of another type wakes nobody in Redis 7.0 (later ones do), so such a value is deleted first.
 *
 * REDRAFT_STEPS sets how many commands (4000), REDRAFT_SEED which (1).
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/wire.h"

enum { WAITERS = 7, WIRE_MS = 20000, WORDS_MAX = 256, STEPS = 4000 };

struct server {
    struct wire *writer, *waiters[WAITERS];
};

static struct cluster *cluster;
static struct server redis, redraft;
static pid_t redis_process;
static bool waits[WAITERS];
static char said[WAITERS][WORDS_MAX];
static uint64_t seed;

/* ---- the two servers ------------------------------------------------------------------------------------------- */

static bool has_redis(void) {
    static const char *const version[] = {"redis-server", "--version", NULL};
    struct process_result result;
    process_run(version, NULL, 0, 10000, &result);
    bool there = result.in_time && result.status == 0 && strstr(result.output, "v=7.0.") != NULL;
    free(result.output);
    return there;
}

static void dial(struct server *server, unsigned port) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(WIRE_MS);
    while ((server->writer = wire_open(port, harness_scaled_ms(WIRE_MS))) == NULL)
        if (harness_now_ms() > until)
            harness_fail("nobody listens on port %u", port);
        else
            harness_sleep_ms(10);
    for (size_t i = 0; i < WAITERS; i++) {
        server->waiters[i] = wire_open(port, harness_scaled_ms(WIRE_MS));
        assert_non_null(server->waiters[i]);
        assert_string_equal(wire_ask(server->waiters[i], "PING"), "+PONG");
    }
}

static void hang_up(struct server *server) {
    wire_close(server->writer);
    for (size_t i = 0; i < WAITERS; i++)
        wire_close(server->waiters[i]);
}

static void start(void) {
    char port[16];
    unsigned redis_port = cluster_free_port();
    snprintf(port, sizeof port, "%u", redis_port);
    const char *const argv[] = {"redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", NULL};
    redis_process = process_start(argv, NULL);
    dial(&redis, redis_port);
    cluster = cluster_new(1, NULL);
    dial(&redraft, cluster->nodes[cluster_wait_leader(cluster)].port);
}

/* ---- what is said ------------------------------------------------------------------------------------------------ */

static uint64_t below(uint64_t limit) {
    return harness_random(&seed) % limit;
}

static const char *a_key(void) {
    static const char *const keys[] = {"a", "b", "c", "d"};
    return keys[below(4)];
}

static const char *an_end(void) {
    return below(2) ? "LEFT" : "RIGHT";
}

static void wait_words(char *words) {
    char keys[16];
    size_t count = 1 + (size_t)below(3);
    snprintf(keys, sizeof keys, "%s", a_key());
    for (size_t i = 1; i < count; i++)
        strcat(strcat(keys, " "), a_key());
    switch (below(10)) {
    case 0:
    case 1:
        snprintf(words, WORDS_MAX, "BLPOP %s 0", keys);
        break;
    case 2:
    case 3:
        snprintf(words, WORDS_MAX, "BRPOP %s 0", keys);
        break;
    case 4:
        snprintf(words, WORDS_MAX, "BLMOVE %s %s %s %s 0", a_key(), a_key(), an_end(), an_end());
        break;
    case 5:
        snprintf(words, WORDS_MAX, "BRPOPLPUSH %s %s 0", a_key(), a_key());
        break;
    case 6:
        snprintf(words, WORDS_MAX, "BLMPOP 0 %zu %s %s COUNT %d", count, keys, an_end(), 1 + (int)below(3));
        break;
    case 7:
        snprintf(words, WORDS_MAX, "BZPOPMIN %s 0", keys);
        break;
    case 8:
        snprintf(words, WORDS_MAX, "BZPOPMAX %s 0", keys);
        break;
    default:
        snprintf(words, WORDS_MAX, "BZMPOP 0 %zu %s %s COUNT %d", count, keys, below(2) ? "MIN" : "MAX",
                 1 + (int)below(3));
    }
}

static void push_words(char *words, const char *command) {
    static unsigned number;
    size_t length = (size_t)snprintf(words, WORDS_MAX, "%s %s", command, a_key());
    for (uint64_t count = 1 + below(below(3) ? 2 : 6); count > 0; count--) {
        number++;
        if (strcmp(command, "ZADD") == 0)
            length += (size_t)snprintf(words + length, WORDS_MAX - length, " %u", (unsigned)below(10));
        length += (size_t)snprintf(words + length, WORDS_MAX - length, " e%u", number);
    }
}

static void writer_words(char *words) {
    static const char *const ones[] = {"DEL", "LPOP", "RPOP", "LLEN", "ZPOPMIN", "TYPE", "PERSIST", "ZCARD"};
    static const char *const twos[] = {"RENAME", "RENAMENX", "COPY", "RPOPLPUSH", "ZRANGESTORE"};
    uint64_t kind = below(20);
    if (kind < 4)
        push_words(words, "RPUSH");
    else if (kind < 7)
        push_words(words, "LPUSH");
    else if (kind < 11)
        push_words(words, "ZADD");
    else if (kind < 14)
        snprintf(words, WORDS_MAX, "%s %s", ones[below(8)], a_key());
    else if (kind < 15)
        snprintf(words, WORDS_MAX, "SET %s x", a_key());
    else if (kind < 16)
        snprintf(words, WORDS_MAX, "DEL %s %s", a_key(), a_key());
    else if (kind < 17)
        snprintf(words, WORDS_MAX, "SORT %s ALPHA STORE %s", a_key(), a_key());
    else if (kind < 18)
        snprintf(words, WORDS_MAX, "ZUNIONSTORE %s 2 %s %s", a_key(), a_key(), a_key());
    else {
        size_t which = (size_t)below(5);
        snprintf(words, WORDS_MAX, "%s %s %s%s", twos[which], a_key(), a_key(), which == 4 ? " 0 -1" : "");
    }
}

/* ---- what is heard ----------------------------------------------------------------------------------------------- */

static bool has_reply(struct wire *wire) {
    struct pollfd readable = {.fd = wire_descriptor(wire), .events = POLLIN};
    return wire_waiting(wire) > 0 || poll(&readable, 1, 0) == 1;
}

static char *next_reply(struct wire *wire) {
    return strdup(wire_next(wire));
}

/* Redis serves those that wait in the turn of the command that filled their key: a second turn later their replies have left. Here
 * they come when they come. */
static void compare_served(unsigned long long step, const char *words) {
    assert_string_equal(wire_ask(redis.writer, "PING"), "+PONG");
    assert_string_equal(wire_ask(redis.writer, "PING"), "+PONG");
    for (size_t i = 0; i < WAITERS; i++) {
        if (!waits[i] || !has_reply(redis.waiters[i]))
            continue;
        char *theirs = next_reply(redis.waiters[i]), *ours = next_reply(redraft.waiters[i]);
        if (strcmp(theirs, ours) != 0)
            harness_fail("step %llu: %s\n    serves %zu: %s\n    redis:   %s\n    redraft: %s", step, words,
                         i, said[i], theirs, ours);
        free(theirs);
        free(ours);
        waits[i] = false;
    }
    for (size_t i = 0; i < WAITERS; i++)
        if (waits[i] && has_reply(redraft.waiters[i]))
            harness_fail("step %llu: %s\n    serves %zu: %s\n    only in redraft: %s", step, words, i,
                         said[i], wire_next(redraft.waiters[i]));
}

static void step_words(unsigned long long step, const char *words) {
    char *theirs = strdup(wire_ask(redis.writer, words));
    const char *ours = wire_ask(redraft.writer, words);
    if (strcmp(theirs, ours) != 0)
        harness_fail("step %llu: %s\n    redis:   %s\n    redraft: %s", step, words, theirs, ours);
    free(theirs);
    compare_served(step, words);
}

static void step_writer(unsigned long long step) {
    char words[WORDS_MAX], before[WORDS_MAX + 8], target[WORDS_MAX];
    writer_words(words);
    const char *stores = strstr(words, "STORE ");
    if (stores && sscanf(stores, "STORE %s", target) == 1) {
        snprintf(before, sizeof before, "DEL %s", target);
        step_words(step, before);
    }
    step_words(step, words);
}

static void step_waiter(unsigned long long step, size_t i) {
    wait_words(said[i]);
    assert_true(wire_send_words(redis.waiters[i], said[i]));
    assert_true(wire_send_words(redraft.waiters[i], said[i]));
    waits[i] = true;
    assert_string_equal(wire_ask(redraft.writer, "PING"), "+PONG"); /* it has come by then */
    compare_served(step, said[i]);
}

static void the_same_clients_are_served_with_the_same_elements_as_by_redis(void **state) {
    (void)state;
    if (!has_redis()) {
        harness_say("no redis-server 7.0 here: nothing to compare with");
        skip();
    }
    uint64_t steps = harness_setting("REDRAFT_STEPS", STEPS), served = 0;
    seed = harness_setting("REDRAFT_SEED", 1);
    harness_say("REDRAFT_SEED=%llu REDRAFT_STEPS=%llu", (unsigned long long)seed, (unsigned long long)steps);
    start();
    for (uint64_t step = 0; step < steps; step++) {
        size_t i = (size_t)below(2 * WAITERS);
        if (i < WAITERS && !waits[i])
            step_waiter(step, i);
        else
            step_writer(step);
        for (i = 0; i < WAITERS; i++)
            served += !waits[i];
    }
    assert_true(served > 0);
    hang_up(&redis);
    hang_up(&redraft);
    process_kill(redis_process);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_same_clients_are_served_with_the_same_elements_as_by_redis,
                                  cluster_teardown),
    };
    return cmocka_run_group_tests_name("blocking_order", tests, NULL, NULL);
}
