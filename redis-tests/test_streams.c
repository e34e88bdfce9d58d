/* SPDX-License-Identifier: MIT */
/*
 * A stream as a queue with acknowledgements, through leaders that are killed or stopped and leaderships that are given away:
 *
 *     producers   XADD a job each
 *     workers     XREADGROUP BLOCK what is new, and XACK it; one of them never does, and goes away
 *     a sweeper   XAUTOCLAIM what others have left pending, and XACK it
 *     a follower  XREAD BLOCK from where it has come to
 *
 *     every job whose addition was acknowledged is delivered to somebody, and in the end nothing is pending
 *     nothing is delivered twice by ">", and nothing again that was acknowledged
 *     none is there whose addition was refused; the follower has seen all that is there, in its order
 *
 * REDRAFT_KILLS sets how many leaders are killed, and how many stopped (2).
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
    PRODUCERS = 2,
    WORKERS = 4,
    THREADS = PRODUCERS + WORKERS + 3,
    JOBS_MAX = 200000, /* of all producers */
    ATTEMPT_MS = 8000,
    PAUSE_US = 2000,
    LEFT_MS = 700, /* pending for so long: whoever got it will not acknowledge it */
    KILLS = 2,
    STEADY_MS = 300,
    ASK_MS = 20000,
};

/* What became of a job, in `added`. */
enum { ADD_NONE, ADD_ACKNOWLEDGED, ADD_REFUSED, ADD_UNKNOWN };

static struct cluster *cluster;
static atomic_bool ending, producing, dying;
static atomic_uint next_job;
static atomic_ulong again, unknown_reads, claimed;
static unsigned char added[JOBS_MAX];
static atomic_uchar delivered[JOBS_MAX]; /* by ">": how often */
static atomic_uchar seen[JOBS_MAX];      /* by whatever command */
static atomic_bool acknowledged[JOBS_MAX];
static atomic_uint followed; /* entries */
static unsigned char tailed[JOBS_MAX];
static pthread_t threads[THREADS];
static size_t thread_count;

/* ---- producers --------------------------------------------------------------------------------------------------- */

static void *produce(void *unused) {
    static const unsigned char fates[] = {
        [OUTCOME_DONE] = ADD_ACKNOWLEDGED, [OUTCOME_NOT_DONE] = ADD_REFUSED, [OUTCOME_UNKNOWN] = ADD_UNKNOWN};
    struct client client;
    client_init(&client, cluster, harness_scaled_ms(ATTEMPT_MS));
    while (atomic_load(&producing)) {
        unsigned job = atomic_fetch_add(&next_job, 1);
        if (job < JOBS_MAX)
            added[job] = fates[client_try(&client, NULL, "XADD jobs * job %u", job)];
        struct timespec pause = {.tv_nsec = PAUSE_US * 1000};
        nanosleep(&pause, NULL);
    }
    client_close(&client);
    (void)unused;
    return NULL;
}

/* ---- workers ----------------------------------------------------------------------------------------------------- */

static unsigned job_of(const redisReply *entry) {
    unsigned long job = strtoul(entry->element[1]->element[1]->str, NULL, 10);
    if (job >= JOBS_MAX)
        harness_fail("job %lu was never added", job);
    return (unsigned)job;
}

/* It must not have been acknowledged before it was told of. */
static void note(const redisReply *entry, bool acknowledged_before) {
    unsigned job = job_of(entry);
    atomic_fetch_add(&seen[job], 1);
    if (acknowledged_before)
        atomic_fetch_add(&again, 1);
}

static void acknowledge(struct client *client, const redisReply *entry) {
    redisReply *reply = NULL;
    const char *id = entry->element[0]->str;
    unsigned job = job_of(entry);
    if (client_try(client, &reply, "XACK jobs crew %s", id) == OUTCOME_DONE) {
        atomic_store(&acknowledged[job], true);
        freeReplyObject(reply);
    }
}

/* The entries of the one stream that was read. */
static void work_on(struct client *client, const redisReply *reply, bool acknowledges) {
    if (reply->type != REDIS_REPLY_ARRAY)
        return;
    const redisReply *entries = reply->element[0]->element[1];
    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *entry = entries->element[i];
        if (atomic_fetch_add(&delivered[job_of(entry)], 1) > 0)
            atomic_fetch_add(&again, 1);
        note(entry, atomic_load(&acknowledged[job_of(entry)]));
        if (acknowledges)
            acknowledge(client, entry);
    }
}

static void work(unsigned number, bool acknowledges, atomic_bool *until) {
    struct client client;
    client_init(&client, cluster, harness_scaled_ms(ATTEMPT_MS));
    while (!atomic_load(until)) {
        redisReply *reply = NULL;
        enum outcome outcome = client_try(
            &client, &reply, "XREADGROUP GROUP crew worker:%u COUNT 3 BLOCK 300 STREAMS jobs >", number);
        if (outcome == OUTCOME_UNKNOWN)
            atomic_fetch_add(&unknown_reads, 1);
        if (outcome == OUTCOME_NOT_DONE)
            harness_sleep_ms(5);
        if (outcome != OUTCOME_DONE)
            continue;
        work_on(&client, reply, acknowledges);
        freeReplyObject(reply);
    }
    client_close(&client);
}

static void *worker(void *number) {
    work((unsigned)(uintptr_t)number, true, &ending);
    return NULL;
}

static void *lazy_worker(void *number) {
    work(1000 + (unsigned)(uintptr_t)number, false, &dying);
    return NULL;
}

/* What is acknowledged while the reply is on its way may be told once more, but not what was so before it was asked. */
static void *sweep(void *unused) {
    static bool before[JOBS_MAX];
    struct client client;
    client_init(&client, cluster, harness_scaled_ms(ATTEMPT_MS));
    while (!atomic_load(&ending)) {
        unsigned jobs = atomic_load(&next_job) < JOBS_MAX ? atomic_load(&next_job) : JOBS_MAX;
        redisReply *reply = NULL;
        for (unsigned job = 0; job < jobs; job++)
            before[job] = atomic_load(&acknowledged[job]);
        if (client_try(&client, &reply, "XAUTOCLAIM jobs crew sweeper %d 0 COUNT 50",
                       (int)harness_scaled_ms(LEFT_MS)) == OUTCOME_DONE) {
            const redisReply *entries = reply->element[1];
            atomic_fetch_add(&claimed, entries->elements);
            for (size_t i = 0; i < entries->elements; i++) {
                note(entries->element[i], before[job_of(entries->element[i])]);
                acknowledge(&client, entries->element[i]);
            }
            freeReplyObject(reply);
        }
        harness_sleep_ms(50);
    }
    client_close(&client);
    (void)unused;
    return NULL;
}

/* ---- the follower ------------------------------------------------------------------------------------------------- */

static void follow_entries(const redisReply *reply, char last[64]) {
    const redisReply *entries = reply->element[0]->element[1];
    for (size_t i = 0; i < entries->elements; i++) {
        snprintf(last, 64, "%s", entries->element[i]->element[0]->str);
        tailed[job_of(entries->element[i])]++;
        atomic_fetch_add(&followed, 1);
    }
}

static void *follow(void *unused) {
    struct client client;
    char last[64] = "0-0";
    client_init(&client, cluster, harness_scaled_ms(ATTEMPT_MS));
    while (!atomic_load(&ending)) {
        redisReply *reply = NULL;
        if (client_try(&client, &reply, "XREAD BLOCK 300 STREAMS jobs %s", last) != OUTCOME_DONE) {
            harness_sleep_ms(5);
            continue;
        }
        if (reply->type == REDIS_REPLY_ARRAY)
            follow_entries(reply, last);
        freeReplyObject(reply);
    }
    client_close(&client);
    (void)unused;
    return NULL;
}

static void start(void *(*run)(void *), size_t count) {
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_create(&threads[thread_count++], NULL, run, (void *)(uintptr_t)(i + 1)), 0);
}

static int teardown(void **state) {
    atomic_store(&ending, true);
    atomic_store(&dying, true);
    atomic_store(&producing, false);
    while (thread_count > 0)
        pthread_join(threads[--thread_count], NULL);
    return cluster_teardown(state);
}

/* ---- the count --------------------------------------------------------------------------------------------------- */

static long long ask_integer(struct client *client, const char *command, size_t element) {
    redisReply *reply = client_ask(client, harness_scaled_ms(ASK_MS), command);
    if (reply == NULL)
        harness_fail("%s: %s", command, client->why);
    const redisReply *number = reply->type == REDIS_REPLY_ARRAY ? reply->element[element] : reply;
    assert_int_equal(number->type, REDIS_REPLY_INTEGER);
    long long value = number->integer;
    freeReplyObject(reply);
    return value;
}

/* Until nothing is pending, and the follower has seen all. */
static void wait_until_done(struct client *client) {
    uint64_t until = harness_now_us() + harness_scaled_ms(ASK_MS) * 1000;
    while (ask_integer(client, "XPENDING jobs crew", 0) > 0 ||
           ask_integer(client, "XLEN jobs", 0) > atomic_load(&followed)) {
        if (harness_now_us() > until)
            harness_fail("%lld entries are still pending; of %lld the follower has seen %u",
                         ask_integer(client, "XPENDING jobs crew", 0), ask_integer(client, "XLEN jobs", 0),
                         atomic_load(&followed));
        harness_sleep_ms(50);
    }
}

static void count(unsigned jobs) {
    unsigned long there = 0, unknown = 0;
    for (unsigned job = 0; job < jobs; job++) {
        if (added[job] == ADD_REFUSED && (seen[job] > 0 || tailed[job] > 0))
            harness_fail("job %u is there, and its addition was refused", job);
        if (added[job] == ADD_ACKNOWLEDGED && seen[job] == 0)
            harness_fail("job %u was delivered to nobody", job);
        if (tailed[job] > 1 || (added[job] == ADD_ACKNOWLEDGED && tailed[job] == 0))
            harness_fail("the follower has seen job %u %u times", job, tailed[job]);
        there += added[job] == ADD_ACKNOWLEDGED;
        unknown += added[job] == ADD_UNKNOWN;
    }
    harness_say("%u jobs: %lu added, %lu unknown; %lu claimed from others, %lu reads of unknown outcome",
                jobs, there, unknown, (unsigned long)atomic_load(&claimed),
                (unsigned long)atomic_load(&unknown_reads));
    assert_int_equal(atomic_load(&again), 0);
    assert_true(there > jobs / 2);
    assert_true(atomic_load(&claimed) > 0);
}

static void every_entry_is_delivered_and_none_again_while_leaders_die(void **state) {
    (void)state;
    struct client client;
    cluster = cluster_new(3, NULL);
    client_init(&client, cluster, harness_scaled_ms(ATTEMPT_MS));
    redisReply *made = client_ask(&client, harness_scaled_ms(ASK_MS), "XGROUP CREATE jobs crew $ MKSTREAM");
    assert_non_null(made);
    freeReplyObject(made);
    atomic_store(&producing, true);
    start(worker, WORKERS);
    start(lazy_worker, 1);
    start(sweep, 1);
    start(follow, 1);
    start(produce, PRODUCERS);
    for (uint64_t rounds = harness_setting("REDRAFT_KILLS", KILLS); rounds > 0; rounds--) {
        disturb_lose_leader(cluster, STEADY_MS);
        atomic_store(&dying, true);
        disturb_stop_leader(cluster);
    }
    atomic_store(&producing, false);
    harness_sleep_ms(300);
    wait_until_done(&client);
    atomic_store(&ending, true);
    while (thread_count > 0)
        pthread_join(threads[--thread_count], NULL);
    cluster_wait_equal(cluster);
    count(atomic_load(&next_job) < JOBS_MAX ? atomic_load(&next_job) : JOBS_MAX);
    client_close(&client);
    cluster_free(cluster);
}

/* ---- ends ---------------------------------------------------------------------------------------------------------- */

/* A node that ends hands over first: who waits is sent on, as if it had sent its command just now. */
static void a_leader_that_ends_sends_on_those_that_wait(void **state) {
    (void)state;
    static const char *const waits[] = {"XREAD BLOCK 0 STREAMS s $",
                                        "XREADGROUP GROUP g c BLOCK 0 STREAMS s >"};
    enum { WAITS = sizeof waits / sizeof waits[0] };
    struct wire *waiters[WAITS];
    cluster = cluster_new(3, NULL);
    size_t leader = cluster_wait_leader(cluster);
    struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(ATTEMPT_MS));
    assert_string_equal(wire_ask(wire, "XGROUP CREATE s g $ MKSTREAM"), "+OK");
    for (size_t i = 0; i < WAITS; i++) {
        waiters[i] = wire_open(cluster->nodes[leader].port, harness_scaled_ms(ATTEMPT_MS));
        assert_true(wire_send_words(waiters[i], waits[i]));
    }
    harness_sleep_ms(200);
    assert_int_equal(cluster_end(cluster, leader), 0);
    for (size_t i = 0; i < WAITS; i++) {
        const char *reply = wire_next(waiters[i]);
        if (strncmp(reply, "-MOVED ", 7) != 0)
            harness_fail("%s was told: %s", waits[i], reply);
        wire_close(waiters[i]);
    }
    wire_close(wire);
    cluster_spawn(cluster, leader);
    cluster_wait_equal(cluster);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_entry_is_delivered_and_none_again_while_leaders_die, teardown),
        cmocka_unit_test_teardown(a_leader_that_ends_sends_on_those_that_wait, teardown),
    };
    return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
