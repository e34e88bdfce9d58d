/* SPDX-License-Identifier: MIT */
/*
 * Leaders that die, stand still or hand over while clients are at a proxy. Who came to a node that stays does not notice: no reply is
 * lost, none is in doubt, and nothing is done twice: counters tell.
 *
 * REDRAFT_KILLS sets how often the leader is killed (3).
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/proxies.h"

enum {
    COUNTERS = 6,
    DEPTH_MAX = 8,
    STEADY_MS = 400,
    RETURN_MS = 15000,
};

/* The leadership is handed to this node, and nobody ends. */
static void hand_to(struct cluster *cluster, size_t at) {
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(RETURN_MS);
    for (size_t leader; (leader = cluster_wait_equal(cluster)) != at;) {
        struct wire *wire = proxies_dial(cluster, leader);
        char words[64];
        snprintf(words, sizeof words, "RAFT.TRANSFER_LEADER %zu", at + 1);
        wire_ask(wire, words);
        wire_close(wire);
        if (harness_now_ms() >= deadline)
            harness_fail("node %zu does not become the leader", at + 1);
    }
}

/* ---- counters through the loss of leaders ---------------------------------------------------------------- */

/* Counts on a key of its own, always through the same node, a few requests at a time and a read behind them. */
struct counter {
    pthread_t thread;
    unsigned port, number, depth;
    atomic_bool stop;
    atomic_ullong done;
    uint64_t unknown, doubted, refused, lost; /* unknown: doubted, or with the connections that were lost */
    uint64_t value, slack;                    /* the newest; how much more the next may be than one more */
    char bad[160];
};

static void take(struct counter *counter, const char *reply) {
    if (reply[0] == '$') {
        uint64_t value = strtoull(strchr(reply, ' ') ? strchr(reply, ' ') : "0", NULL, 10);
        if (value < counter->value || value > counter->value + counter->slack)
            snprintf(counter->bad, sizeof counter->bad, "%llu read after %llu, with %llu unknown",
                     (unsigned long long)value, (unsigned long long)counter->value,
                     (unsigned long long)counter->slack);
    } else if (reply[0] == ':') {
        uint64_t value = strtoull(reply + 1, NULL, 10);
        if (value <= counter->value || value > counter->value + 1 + counter->slack)
            snprintf(counter->bad, sizeof counter->bad, "%llu after %llu, with %llu unknown",
                     (unsigned long long)value, (unsigned long long)counter->value,
                     (unsigned long long)counter->slack);
        counter->slack -=
            value - counter->value - 1 < counter->slack ? value - counter->value - 1 : counter->slack;
        counter->value = value;
        counter->done++;
    } else if (strncmp(reply, "-INDOUBT ", 9) == 0) {
        counter->doubted++;
        counter->unknown++;
        counter->slack++;
    } else if (strncmp(reply, "-CLUSTERDOWN ", 13) == 0 || strncmp(reply, "-LOADING ", 9) == 0) {
        counter->refused++;
    } else {
        snprintf(counter->bad, sizeof counter->bad, "%s", reply);
    }
}

static void *count(void *context) {
    struct counter *counter = context;
    struct wire *wire = NULL;
    char words[64], read[64];
    snprintf(words, sizeof words, "INCR counter:%u", counter->number);
    snprintf(read, sizeof read, "GET counter:%u", counter->number);
    while (!counter->stop && counter->bad[0] == 0) {
        if (wire == NULL && (wire = wire_open(counter->port, harness_scaled_ms(PROXIES_WIRE_MS))) == NULL) {
            harness_sleep_ms(20);
            continue;
        }
        bool whole = true;
        unsigned asked = 0;
        while (asked <= counter->depth && wire_send_words(wire, asked < counter->depth ? words : read))
            asked++;
        for (unsigned i = 0; i < asked && whole; i++) {
            const char *reply = wire_next(wire);
            whole = strcmp(reply, "closed") != 0;
            if (whole) {
                take(counter, reply);
                continue;
            }
            unsigned writes = asked < counter->depth ? asked : counter->depth;
            counter->unknown += writes > i ? writes - i : 0;
            counter->slack += writes > i ? writes - i : 0;
            counter->lost++;
        }
        if (!whole || asked <= counter->depth) {
            wire_close(wire);
            wire = NULL;
        }
        usleep(1000);
    }
    wire_close(wire);
    return NULL;
}

static void start_counters(struct cluster *cluster, struct counter counters[COUNTERS], size_t only) {
    memset(counters, 0, COUNTERS * sizeof *counters);
    for (unsigned i = 0; i < COUNTERS; i++) {
        size_t at = only < cluster->count ? only : i % cluster->count;
        counters[i].number = i;
        counters[i].port = cluster->nodes[at].port;
        counters[i].depth = 1 + i % DEPTH_MAX;
        assert_int_equal(pthread_create(&counters[i].thread, NULL, count, &counters[i]), 0);
    }
}

static void stop_counters(struct counter counters[COUNTERS]) {
    for (size_t i = 0; i < COUNTERS; i++)
        counters[i].stop = true;
    for (size_t i = 0; i < COUNTERS; i++)
        pthread_join(counters[i].thread, NULL);
}

/* Every one of them has counted on. */
static void wait_counters(struct counter counters[COUNTERS], const char *when) {
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(RETURN_MS);
    for (size_t i = 0; i < COUNTERS; i++) {
        uint64_t done = counters[i].done;
        while (counters[i].done < done + 2 && counters[i].bad[0] == 0) {
            if (harness_now_ms() >= deadline) {
                stop_counters(counters);
                harness_fail("%s: counter %zu stands still", when, i);
            }
            harness_sleep_ms(5);
        }
    }
}

/* What is there is what was acknowledged, and some of what was in doubt; nothing else. */
static void must_add_up(struct cluster *cluster, struct counter counters[COUNTERS], uint64_t *unknown,
                        uint64_t *lost) {
    struct wire *wire = proxies_dial(cluster, cluster_wait_equal(cluster));
    uint64_t done = 0, refused = 0;
    *unknown = *lost = 0;
    for (unsigned i = 0; i < COUNTERS; i++) {
        char words[64];
        snprintf(words, sizeof words, "GET counter:%u", i);
        const char *reply = wire_ask(wire, words);
        uint64_t value = strtoull(strchr(reply, ' ') ? strchr(reply, ' ') : "0", NULL, 10);
        if (counters[i].bad[0] != 0)
            harness_fail("counter %u on port %u: %s", i, counters[i].port, counters[i].bad);
        if (value < counters[i].done || value > counters[i].done + counters[i].unknown)
            harness_fail("counter %u: %llu, with %llu acknowledged and %llu unknown", i,
                         (unsigned long long)value, (unsigned long long)counters[i].done,
                         (unsigned long long)counters[i].unknown);
        done += counters[i].done;
        refused += counters[i].refused;
        *unknown += counters[i].unknown;
        *lost += counters[i].lost;
    }
    harness_say("%llu acknowledged, %llu refused, %llu unknown, %llu connections lost",
                (unsigned long long)done, (unsigned long long)refused, (unsigned long long)*unknown,
                (unsigned long long)*lost);
    wire_close(wire);
}

static void a_killed_leader_is_survived_and_nothing_is_done_twice(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    struct counter counters[COUNTERS];
    uint64_t unknown, lost;
    start_counters(cluster, counters, SIZE_MAX);
    for (uint64_t i = 0; i < harness_setting("REDRAFT_KILLS", 3); i++) {
        size_t leader = cluster_wait_equal(cluster);
        wait_counters(counters, "before a kill");
        harness_sleep_ms(STEADY_MS);
        cluster_kill(cluster, leader);
        harness_sleep_ms(STEADY_MS);
        cluster_spawn(cluster, leader);
        wait_counters(counters, "after a kill");
    }
    stop_counters(counters);
    must_add_up(cluster, counters, &unknown, &lost);
    assert_true(unknown > 0); /* of those who had come to the killed node itself */
    for (size_t i = 0; i < COUNTERS; i++)
        assert_int_equal(counters[i].doubted, 0);
    cluster_free(cluster);
}

/* ---- those who come to nodes that stay -------------------------------------------------------------------- */

enum { WORKERS = 3, JOBS_MAX = 1 << 20 };

/* Transactions, and a queue with its workers: each only ever hears what it would if nobody was killed. */
struct shop {
    unsigned ports[2];
    atomic_bool stop, closed; /* closed: no more jobs */
    atomic_ullong rounds, jobs, taken;
    atomic_uchar times[JOBS_MAX];
    char bad[3][160];
};

static bool hears(struct shop *shop, size_t who, const char *reply, const char *wanted) {
    if (strcmp(reply, wanted) != 0 && shop->bad[who][0] == 0)
        snprintf(shop->bad[who], sizeof shop->bad[who], "%.70s, and not %.70s", reply, wanted);
    return shop->bad[who][0] == 0;
}

static void *deal(void *context) {
    struct shop *shop = context;
    struct wire *wire = wire_open(shop->ports[0], harness_scaled_ms(PROXIES_WIRE_MS));
    char words[64];
    while (!shop->stop && shop->bad[0][0] == 0) {
        bool watched = shop->rounds % 2 == 0; /* in one go, or step by step */
        snprintf(words, sizeof words, "*2 :%llu +OK", (unsigned long long)shop->rounds + 1);
        if (!watched) {
            static const char all[] = "MULTI\r\nINCR deals\r\nSET last deal\r\nEXEC\r\n";
            wire_send(wire, all, sizeof all - 1);
            hears(shop, 0, wire_next(wire), "+OK");
            hears(shop, 0, wire_next(wire), "+QUEUED");
            hears(shop, 0, wire_next(wire), "+QUEUED");
            hears(shop, 0, wire_next(wire), words);
        } else if (hears(shop, 0, wire_ask(wire, "MULTI"), "+OK") &&
                   hears(shop, 0, wire_ask(wire, "INCR deals"), "+QUEUED") &&
                   hears(shop, 0, wire_ask(wire, "SET last deal"), "+QUEUED")) {
            hears(shop, 0, wire_ask(wire, "EXEC"), words);
        }
        shop->rounds++;
    }
    wire_close(wire);
    return NULL;
}

static void *produce(void *context) {
    struct shop *shop = context;
    struct wire *wire = wire_open(shop->ports[1], harness_scaled_ms(PROXIES_WIRE_MS));
    char words[64];
    while (!shop->stop && shop->bad[1][0] == 0 && shop->jobs < JOBS_MAX) {
        snprintf(words, sizeof words, "RPUSH jobs %llu", (unsigned long long)shop->jobs);
        const char *reply = wire_ask(wire, words);
        if (reply[0] != ':')
            hears(shop, 1, reply, "a number");
        shop->jobs++;
        usleep(500);
    }
    shop->closed = true;
    wire_close(wire);
    return NULL;
}

static void *work(void *context) {
    struct shop *shop = context;
    struct wire *wire = wire_open(shop->ports[0], harness_scaled_ms(PROXIES_WIRE_MS));
    unsigned long long job;
    int length;
    while (shop->bad[2][0] == 0 && !(shop->closed && shop->taken >= shop->jobs)) {
        const char *reply = wire_ask(wire, "BLPOP jobs 1");
        if (sscanf(reply, "*2 $4 jobs $%d %llu", &length, &job) == 2 && job < JOBS_MAX) {
            shop->times[job]++;
            shop->taken++;
        } else if (strcmp(reply, "*-1") != 0) {
            hears(shop, 2, reply, "a job");
        }
    }
    wire_close(wire);
    return NULL;
}

static void open_shop(struct shop *shop, pthread_t threads[2 + WORKERS]) {
    assert_int_equal(pthread_create(&threads[0], NULL, deal, shop), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, produce, shop), 0);
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[2 + i], NULL, work, shop), 0);
}

static void close_shop(struct shop *shop, pthread_t threads[2 + WORKERS]) {
    shop->stop = true;
    for (size_t i = 0; i < 2 + WORKERS; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < 3; i++)
        if (shop->bad[i][0] != 0)
            harness_fail("%s: %s", i == 0 ? "deal" : i == 1 ? "produce" : "work", shop->bad[i]);
    for (size_t job = 0; job < shop->jobs; job++)
        assert_int_equal(shop->times[job], 1);
    harness_say("%llu transactions, %llu jobs, each taken once", (unsigned long long)shop->rounds,
                (unsigned long long)shop->jobs);
}

static void a_killed_leader_is_not_noticed_behind_a_proxy_that_stays(void **state) {
    (void)state;
    static struct shop shop;
    struct cluster *cluster = proxies_new();
    struct counter counters[COUNTERS];
    pthread_t threads[2 + WORKERS];
    uint64_t unknown, lost;
    hand_to(cluster, 0);
    shop.ports[0] = cluster->nodes[1].port;
    shop.ports[1] = cluster->nodes[2].port;
    start_counters(cluster, counters, 1);
    open_shop(&shop, threads);
    for (uint64_t i = 0; i < harness_setting("REDRAFT_KILLS", 3); i++) {
        wait_counters(counters, "before a kill");
        harness_sleep_ms(STEADY_MS);
        cluster_kill(cluster, 0);
        harness_sleep_ms(STEADY_MS);
        cluster_spawn(cluster, 0);
        wait_counters(counters, "after a kill");
        hand_to(cluster, 0);
    }
    stop_counters(counters);
    close_shop(&shop, threads);
    must_add_up(cluster, counters, &unknown, &lost);
    assert_int_equal(unknown + lost, 0);
    harness_say("%llu answers from the log",
                (unsigned long long)(proxies_number(cluster, 1, "proxied_settled") +
                                     proxies_number(cluster, 2, "proxied_settled")));
    assert_int_equal(
        proxies_number(cluster, 1, "proxied_in_doubt") + proxies_number(cluster, 2, "proxied_in_doubt"), 0);
    cluster_free(cluster);
}

/* Whoever leads is told to end. Those who count through a node that stays never hear of it. */
static void a_leader_that_hands_over_is_not_noticed_behind_a_proxy(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    struct counter counters[COUNTERS];
    uint64_t unknown, lost, refused = 0;
    size_t stays = proxies_follower(cluster);
    start_counters(cluster, counters, stays);
    for (int i = 0; i < 20; i++) {
        size_t leader = cluster_wait_equal(cluster);
        wait_counters(counters, "before the leader ends");
        if (leader == stays || i % 3 != 0) {
            struct wire *wire = proxies_dial(cluster, leader);
            assert_string_equal(wire_ask(wire, "RAFT.TRANSFER_LEADER"), "+OK");
            wire_close(wire);
        } else {
            assert_int_equal(cluster_end(cluster, leader), 0);
            cluster_spawn(cluster, leader);
        }
        wait_counters(counters, "after the leader ended");
    }
    stop_counters(counters);
    must_add_up(cluster, counters, &unknown, &lost);
    for (size_t i = 0; i < COUNTERS; i++)
        refused += counters[i].refused;
    assert_int_equal(unknown + refused + lost, 0);
    assert_true(proxies_number(cluster, stays, "proxied_repeated") > 0);
    cluster_free(cluster);
}

/* It says nothing and closes nothing; when another leads, what it had been sent is settled, and never done when it goes on. */
static void a_leader_that_stands_still_is_left_and_what_it_was_sent_is_done_once(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    size_t leader = cluster_wait_equal(cluster), follower = (leader + 1) % 3;
    struct wire *wire = proxies_dial(cluster, follower);
    assert_string_equal(wire_ask(wire, "INCR n"), ":1");
    cluster_pause(cluster, leader, true);
    assert_true(wire_send_words(wire, "INCR n"));
    assert_true(wire_send_words(wire, "GET n"));
    assert_string_equal(wire_next(wire), ":2");
    assert_string_equal(wire_next(wire), "$1 2");
    cluster_pause(cluster, leader, false);
    cluster_wait_equal(cluster);
    hand_to(cluster, leader);
    assert_string_equal(wire_ask(wire, "INCR n"), ":3");
    wire_close(wire);
    cluster_free(cluster);
}

/* ---- what the upstream's session holds -------------------------------------------------------------------- */

/* Their connections come to both other nodes: one of these becomes the leader. */
static void a_transaction_that_was_begun_goes_on_at_the_next_leader(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    size_t leader = cluster_wait_equal(cluster);
    struct wire *wires[2], *wrong[2], *queues[2];
    for (size_t i = 0; i < 2; i++) {
        wires[i] = proxies_dial(cluster, (leader + 1 + i) % 3);
        wrong[i] = proxies_dial(cluster, (leader + 1 + i) % 3);
        queues[i] = proxies_dial(cluster, (leader + 1 + i) % 3);
        assert_string_equal(wire_ask(wires[i], "MULTI"), "+OK");
        assert_string_equal(wire_ask(wires[i], "SELECT 3"), "+QUEUED");
        assert_string_equal(wire_ask(wires[i], "INCR n"), "+QUEUED");
        assert_string_equal(wire_ask(wrong[i], "MULTI"), "+OK");
        assert_string_equal(wire_ask(wrong[i], "INCR n"), "+QUEUED");
        assert_int_equal(strncmp(wire_ask(wrong[i], "NONSENSE"), "-ERR unknown command", 20), 0);
        assert_string_equal(wire_ask(queues[i], "MULTI"), "+OK");
        assert_string_equal(wire_ask(queues[i], "INCR m"), "+QUEUED");
    }
    cluster_kill(cluster, leader);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(wire_ask(wires[i], "GET n"), "+QUEUED");
        assert_string_equal(wire_ask(wires[i], "EXEC"), i == 0 ? "*3 +OK :1 $1 1" : "*3 +OK :2 $1 2");
        assert_string_equal(wire_ask(wires[i], "GET n"), i == 0 ? "$1 1" : "$1 2"); /* SELECT 3 holds */
        assert_string_equal(wire_ask(wrong[i], "EXEC"),
                            "-EXECABORT Transaction discarded because of previous errors.");
        assert_string_equal(wire_ask(queues[i], "DISCARD"), "+OK");
        assert_string_equal(wire_ask(queues[i], "INCR m"), i == 0 ? ":1" : ":2");
        wire_close(wires[i]);
        wire_close(wrong[i]);
        wire_close(queues[i]);
    }
    cluster_free(cluster);
}

static void a_transaction_that_was_begun_at_the_leader_goes_on_when_another_is(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    size_t leader = cluster_wait_equal(cluster);
    struct wire *wire = proxies_dial(cluster, leader), *wrong = proxies_dial(cluster, leader);
    assert_string_equal(wire_ask(wire, "MULTI"), "+OK");
    assert_string_equal(wire_ask(wire, "SELECT 3"), "+QUEUED");
    assert_string_equal(wire_ask(wire, "INCR n"), "+QUEUED");
    assert_string_equal(wire_ask(wrong, "MULTI"), "+OK");
    assert_string_equal(wire_ask(wrong, "INCR n"), "+QUEUED");
    assert_int_equal(strncmp(wire_ask(wrong, "NONSENSE"), "-ERR unknown command", 20), 0);
    hand_to(cluster, (leader + 1) % 3);
    assert_string_equal(wire_ask(wire, "GET n"), "+QUEUED");
    assert_string_equal(wire_ask(wire, "EXEC"), "*3 +OK :1 $1 1");
    assert_string_equal(wire_ask(wire, "GET n"), "$1 1"); /* SELECT 3 holds */
    assert_string_equal(wire_ask(wrong, "EXEC"),
                        "-EXECABORT Transaction discarded because of previous errors.");
    wire_close(wire);
    wire_close(wrong);
    cluster_free(cluster);
}

static void an_exec_whose_watch_is_lost_answers_nil_or_what_it_did(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    size_t leader = cluster_wait_equal(cluster);
    struct wire *watching = proxies_dial(cluster, (leader + 1) % 3),
                *plain = proxies_dial(cluster, (leader + 1) % 3);
    assert_string_equal(wire_ask(watching, "WATCH n"), "+OK");
    assert_string_equal(wire_ask(watching, "MULTI"), "+OK");
    assert_string_equal(wire_ask(watching, "INCR n"), "+QUEUED");
    assert_string_equal(wire_ask(plain, "MULTI"), "+OK");
    assert_string_equal(wire_ask(plain, "INCR m"), "+QUEUED");
    cluster_pause(cluster, leader, true);
    assert_true(wire_send_words(watching, "EXEC"));
    assert_true(wire_send_words(watching, "GET n"));
    assert_true(wire_send_words(plain, "EXEC"));
    assert_string_equal(wire_next(watching), "*-1");
    assert_string_equal(wire_next(watching), "$-1");
    assert_string_equal(wire_next(plain), "*1 :1");
    cluster_pause(cluster, leader, false);
    cluster_wait_equal(cluster);
    assert_string_equal(wire_ask(watching, "GET n"), "$-1");
    assert_string_equal(wire_ask(plain, "GET m"), "$1 1");
    wire_close(watching);
    wire_close(plain);
    cluster_free(cluster);
}

static void a_watch_that_is_lost_closes_the_connection(void **state) {
    (void)state;
    size_t leader;
    struct wire *watching;
    struct cluster *cluster = proxies_new_dialled(&leader, &watching);
    struct wire *done = proxies_dial(cluster, (leader + 1) % 3);
    assert_string_equal(wire_ask(watching, "WATCH n"), "+OK");
    assert_string_equal(wire_ask(done, "WATCH n"), "+OK");
    assert_string_equal(wire_ask(done, "MULTI"), "+OK");
    assert_string_equal(wire_ask(done, "INCR n"), "+QUEUED");
    assert_string_equal(wire_ask(done, "EXEC"), "*1 :1");
    cluster_kill(cluster, leader);
    assert_string_equal(wire_next(watching), "closed");
    assert_string_equal(wire_ask(done, "INCR n"), ":2");
    wire_close(watching);
    wire_close(done);
    cluster_free(cluster);
}

/* One of the clients' nodes becomes the leader; the dead one has nothing new. */
static void wait_counts_what_was_written_through_the_leader_before(void **state) {
    (void)state;
    struct cluster *cluster = proxies_new();
    size_t leader = cluster_wait_equal(cluster);
    struct wire *wires[2];
    for (size_t i = 0; i < 2; i++) {
        wires[i] = proxies_dial(cluster, (leader + 1 + i) % 3);
        assert_string_equal(wire_ask(wires[i], "INCR n"), i == 0 ? ":1" : ":2");
    }
    cluster_kill(cluster, leader);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(wire_ask(wires[i], "GET n"), "$1 2");
        assert_string_equal(wire_ask(wires[i], "WAIT 1 5000"), ":1");
        assert_string_equal(wire_ask(wires[i], "WAIT 2 100"), ":1");
        wire_close(wires[i]);
    }
    cluster_free(cluster);
}

static void a_wait_goes_on_at_the_next_leader_with_what_is_left_of_its_time(void **state) {
    (void)state;
    size_t leader;
    struct wire *wire;
    struct cluster *cluster = proxies_new_dialled(&leader, &wire);
    struct wire *other = proxies_dial(cluster, (leader + 2) % 3),
                *late = proxies_dial(cluster, (leader + 1) % 3);
    uint64_t begun = harness_now_ms();
    assert_true(wire_send_words(wire, "BLPOP none 0"));
    assert_true(wire_send_words(late, "BZPOPMIN never nothing 4"));
    harness_sleep_ms(2000);
    cluster_kill(cluster, leader);
    assert_string_equal(wire_ask(other, "RPUSH none a"), ":1");
    assert_string_equal(wire_next(wire), "*2 $4 none $1 a");
    assert_string_equal(wire_ask(wire, "INCR n"), ":1");
    assert_string_equal(wire_next(late), "*-1");
    assert_true(harness_now_ms() - begun >= 4000 && harness_now_ms() - begun < 6000);
    wire_close(wire);
    wire_close(late);
    wire_close(other);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_killed_leader_is_survived_and_nothing_is_done_twice, cluster_teardown),
        cmocka_unit_test_teardown(a_leader_that_hands_over_is_not_noticed_behind_a_proxy, cluster_teardown),
        cmocka_unit_test_teardown(a_killed_leader_is_not_noticed_behind_a_proxy_that_stays, cluster_teardown),
        cmocka_unit_test_teardown(a_leader_that_stands_still_is_left_and_what_it_was_sent_is_done_once,
                                  cluster_teardown),
        cmocka_unit_test_teardown(a_transaction_that_was_begun_goes_on_at_the_next_leader, cluster_teardown),
        cmocka_unit_test_teardown(a_transaction_that_was_begun_at_the_leader_goes_on_when_another_is,
                                  cluster_teardown),
        cmocka_unit_test_teardown(an_exec_whose_watch_is_lost_answers_nil_or_what_it_did, cluster_teardown),
        cmocka_unit_test_teardown(a_watch_that_is_lost_closes_the_connection, cluster_teardown),
        cmocka_unit_test_teardown(wait_counts_what_was_written_through_the_leader_before, cluster_teardown),
        cmocka_unit_test_teardown(a_wait_goes_on_at_the_next_leader_with_what_is_left_of_its_time,
                                  cluster_teardown),
    };
    return cmocka_run_group_tests_name("proxy lost", tests, NULL, NULL);
}
