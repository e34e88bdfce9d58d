/* SPDX-License-Identifier: MIT */
/*
 * Queues as job servers use them, through leaders that are killed or stopped and leaderships that are given away: producers push,
 * workers wait for several queues at once with a time-out, or move each job to a list of their own.
 *
 *     a job has a number of its own and is pushed once; its outcome is remembered
 *     at the end: no job is anywhere twice; none is there whose push was refused
 *     moved jobs: every one whose push was acknowledged is in exactly one list
 *     popped jobs: every one whose push was acknowledged was given to a worker or is still there, except as many as pops have an
 *                  unknown outcome: of those a worker may not have seen the reply
 *
 * REDRAFT_KILLS sets how many leaders are killed, and how many stopped (4).
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/client.h"
#include "harness/disturb.h"
#include "harness/wire.h"

enum {
    PRODUCERS = 3,
    POPPERS = 4,
    MOVERS = 4,
    JOBS_MAX = 400000, /* of all producers */
    ATTEMPT_MS = 8000,
    PAUSE_US = 1500,
    KILLS = 4,
    STEADY_MS = 500,
    ASK_MS = 20000,
};

/* What became of a job, in `fate`. */
enum { PUSH_NONE, PUSH_ACKNOWLEDGED, PUSH_REFUSED, PUSH_UNKNOWN };

static struct cluster *cluster;
static atomic_bool ending, producing;
static atomic_uint next_job;
static atomic_ulong unknown_pops, time_outs;
static unsigned char pushed[JOBS_MAX];
static bool to_movers[JOBS_MAX];
static atomic_uchar found[JOBS_MAX]; /* how often */
static pthread_t threads[PRODUCERS + POPPERS + MOVERS];
static size_t thread_count;

static const char *const queues[] = {"high", "default", "low"};

/* ---- producers --------------------------------------------------------------------------------------------------- */

static void push(struct client *client, uint64_t *seed) {
    static const unsigned char fates[] = {[OUTCOME_DONE] = PUSH_ACKNOWLEDGED,
                                          [OUTCOME_NOT_DONE] = PUSH_REFUSED,
                                          [OUTCOME_UNKNOWN] = PUSH_UNKNOWN};
    unsigned job = atomic_fetch_add(&next_job, 1);
    if (job >= JOBS_MAX)
        return;
    to_movers[job] = harness_random(seed) % 2;
    const char *queue = to_movers[job] ? "moved" : queues[harness_random(seed) % 3];
    pushed[job] = fates[client_try(client, NULL, "RPUSH %s %u", queue, job)];
}

static void *produce(void *number) {
    uint64_t seed = (uintptr_t)number;
    struct client client;
    client_init(&client, cluster, harness_scaled_ms(ATTEMPT_MS));
    while (atomic_load(&producing)) {
        push(&client, &seed);
        struct timespec pause = {.tv_nsec = PAUSE_US * 1000};
        nanosleep(&pause, NULL);
    }
    client_close(&client);
    return NULL;
}

/* ---- workers ----------------------------------------------------------------------------------------------------- */

static void note(const char *text) {
    unsigned long job = strtoul(text, NULL, 10);
    if (job < JOBS_MAX)
        atomic_fetch_add(&found[job], 1);
}

static void *pop(void *unused) {
    struct client client;
    client_init(&client, cluster, harness_scaled_ms(ATTEMPT_MS));
    while (!atomic_load(&ending)) {
        redisReply *reply = NULL;
        enum outcome outcome = client_try(&client, &reply, "BLPOP high default low 0.3");
        if (outcome == OUTCOME_UNKNOWN)
            atomic_fetch_add(&unknown_pops, 1);
        if (outcome == OUTCOME_NOT_DONE)
            harness_sleep_ms(5);
        if (outcome != OUTCOME_DONE)
            continue;
        if (reply->type == REDIS_REPLY_ARRAY)
            note(reply->element[1]->str);
        else
            atomic_fetch_add(&time_outs, 1);
        freeReplyObject(reply);
    }
    client_close(&client);
    (void)unused;
    return NULL;
}

/* What it was told must be in its list; whether it is there twice is counted at the end. */
static void *move(void *number) {
    struct client client;
    client_init(&client, cluster, harness_scaled_ms(ATTEMPT_MS));
    while (!atomic_load(&ending))
        if (client_try(&client, NULL, "BLMOVE moved held:%u LEFT RIGHT 0.3", (unsigned)(uintptr_t)number) ==
            OUTCOME_NOT_DONE)
            harness_sleep_ms(5);
    client_close(&client);
    return NULL;
}

static void start(void *(*run)(void *), size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[thread_count++], NULL, run, (void *)(uintptr_t)(i + 1)), 0);
}

static int teardown(void **state) {
    atomic_store(&ending, true);
    atomic_store(&producing, false);
    while (thread_count > 0)
        pthread_join(threads[--thread_count], NULL);
    return cluster_teardown(state);
}

/* ---- the count --------------------------------------------------------------------------------------------------- */

static redisReply *ask(struct client *client, const char *format, const char *key) {
    redisReply *reply = client_ask(client, harness_scaled_ms(ASK_MS), format, key);
    if (reply == NULL)
        harness_fail("%s: %s", key, client->why);
    return reply;
}

static void note_list(struct client *client, const char *key) {
    redisReply *reply = ask(client, "LRANGE %s 0 -1", key);
    for (size_t i = 0; i < reply->elements; i++)
        note(reply->element[i]->str);
    freeReplyObject(reply);
}

static void note_lists(void) {
    struct client client;
    char held[32];
    client_init(&client, cluster, harness_scaled_ms(ATTEMPT_MS));
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++)
        note_list(&client, queues[i]);
    note_list(&client, "moved");
    for (unsigned i = 1; i <= MOVERS; i++) {
        snprintf(held, sizeof held, "held:%u", i);
        note_list(&client, held);
    }
    client_close(&client);
}

static void count(unsigned jobs) {
    unsigned long acknowledged = 0, unknown = 0, lost_pops = 0;
    for (unsigned job = 0; job < jobs; job++) {
        unsigned char times = atomic_load(&found[job]);
        if (times > 1)
            harness_fail("job %u is there %u times", job, times);
        if (pushed[job] == PUSH_REFUSED && times > 0)
            harness_fail("job %u is there, and its push was refused", job);
        acknowledged += pushed[job] == PUSH_ACKNOWLEDGED;
        unknown += pushed[job] == PUSH_UNKNOWN;
        if (pushed[job] != PUSH_ACKNOWLEDGED || times == 1)
            continue;
        if (to_movers[job])
            harness_fail("job %u is lost: its push was acknowledged, and it is in no list", job);
        lost_pops++;
    }
    harness_say(
        "%u jobs: %lu acknowledged, %lu unknown; %lu not seen, %lu pops of unknown outcome, %lu time-outs",
        jobs, acknowledged, unknown, lost_pops, (unsigned long)atomic_load(&unknown_pops),
        (unsigned long)atomic_load(&time_outs));
    assert_true(lost_pops <= atomic_load(&unknown_pops));
    assert_true(acknowledged > jobs / 2);
}

static void no_job_is_lost_or_given_twice_while_leaders_die(void **state) {
    (void)state;
    cluster = cluster_new(3, NULL);
    atomic_store(&producing, true);
    start(pop, POPPERS);
    start(move, MOVERS);
    start(produce, PRODUCERS);
    for (uint64_t rounds = harness_setting("REDRAFT_KILLS", KILLS); rounds > 0; rounds--) {
        disturb_lose_leader(cluster, STEADY_MS);
        disturb_stop_leader(cluster);
    }
    atomic_store(&producing, false);
    harness_sleep_ms(1000);
    atomic_store(&ending, true);
    while (thread_count > 0)
        pthread_join(threads[--thread_count], NULL);
    note_lists();
    count(atomic_load(&next_job) < JOBS_MAX ? atomic_load(&next_job) : JOBS_MAX);
    cluster_free(cluster);
}

/* ---- ends ---------------------------------------------------------------------------------------------------------- */

/* A node that ends hands over first: who waits is sent on, as if it had sent its command just now. */
static void a_leader_that_ends_sends_on_those_that_wait(void **state) {
    (void)state;
    cluster = cluster_new(3, NULL);
    size_t leader = cluster_wait_leader(cluster);
    struct wire *waiter = wire_open(cluster->nodes[leader].port, harness_scaled_ms(ATTEMPT_MS));
    assert_true(wire_send_words(waiter, "BLPOP high low 0"));
    harness_sleep_ms(200);
    assert_int_equal(cluster_end(cluster, leader), 0);
    const char *reply = wire_next(waiter);
    if (strncmp(reply, "-MOVED ", 7) != 0)
        harness_fail("who waited was told: %s", reply);
    wire_close(waiter);
    cluster_spawn(cluster, leader);
    cluster_wait_equal(cluster);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(no_job_is_lost_or_given_twice_while_leaders_die, teardown),
        cmocka_unit_test_teardown(a_leader_that_ends_sends_on_those_that_wait, teardown),
    };
    return cmocka_run_group_tests_name("blocking", tests, NULL, NULL);
}
