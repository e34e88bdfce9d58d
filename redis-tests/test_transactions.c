/* SPDX-License-Identifier: MIT */
/*
 * Transactions and scripts while leaders are killed: money is moved between accounts, under WATCH or by a script, with a mark at each end.
 * Whoever looks sees the same sum at any moment. Afterwards both marks of a transaction are there or none is; both, when its EXEC was
 * answered with what it did; none, when it was answered with an error that says that it was not done, or with nil.
 *
 * REDRAFT_KILLS sets how often the leader is killed (5).
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

#include "harness/cluster.h"
#include "harness/wire.h"

enum {
    MOVERS = 4,
    ACCOUNTS = 6,
    MONEY = 1000, /* in each at the beginning */
    MOVES_MAX = 100000,
    WIRE_MS = 5000,
    STEADY_MS = 700,
    PAUSE_US = 1000,
};

enum outcome { DONE, NOT_DONE, TOUCHED, UNKNOWN };

struct mover {
    const struct cluster *cluster;
    unsigned number;
    pthread_t thread;
    struct wire *wire;
    size_t at; /* node that it talks to */
    uint64_t seed;
    size_t moves;
    enum outcome *outcomes;
    size_t counts[UNKNOWN + 1];
    size_t looks, wrong_sums;
    char strange[256]; /* an answer that says nothing known; "" when there was none */
};

static atomic_bool stopping;

/* The answer to a command; "closed" when the connection is lost, which is then opened to the next node. */
static const char *ask(struct mover *mover, const char *words) {
    if (mover->wire == NULL) {
        mover->at = (mover->at + 1) % mover->cluster->count;
        mover->wire = wire_open(mover->cluster->nodes[mover->at].port, WIRE_MS);
        if (mover->wire == NULL) {
            harness_sleep_ms(10);
            return "closed";
        }
    }
    return wire_ask(mover->wire, words);
}

/* Elsewhere, or nowhere yet: another connection. */
static bool must_leave(struct mover *mover, const char *answer) {
    if (answer[0] != '-' && strcmp(answer, "closed") != 0 && strcmp(answer, "timeout") != 0)
        return false;
    wire_close(mover->wire);
    mover->wire = NULL;
    return true;
}

static enum outcome outcome_of(struct mover *mover, const char *answer) {
    static const char *const definite[] = {"-MOVED ", "-CLUSTERDOWN ", "-EXECABORT ", "-LOADING ",
                                           "-TRYAGAIN "};
    if (strncmp(answer, "*4 ", 3) == 0)
        return DONE;
    if (strcmp(answer, "*-1") == 0)
        return TOUCHED;
    for (size_t i = 0; i < sizeof(definite) / sizeof(*definite); i++)
        if (strncmp(answer, definite[i], strlen(definite[i])) == 0)
            return NOT_DONE;
    if (strncmp(answer, "-INDOUBT ", 9) != 0 && strcmp(answer, "closed") != 0 &&
        strcmp(answer, "timeout") != 0)
        snprintf(mover->strange, sizeof(mover->strange), "%s", answer);
    return UNKNOWN;
}

/* One command of a transaction that is being prepared; false: it is given up. */
static bool prepare(struct mover *mover, const char *words) {
    return !must_leave(mover, ask(mover, words));
}

/* The same as one script. */
static void move_by_script(struct mover *mover, unsigned from, unsigned to, long sum) {
    char words[512];
    snprintf(words, sizeof(words),
             "EVAL redis.call('set',KEYS[1],1)redis.call('decrby',KEYS[2],ARGV[1])"
             "redis.call('incrby',KEYS[3],ARGV[1])redis.call('set',KEYS[4],1)return{1,2,3,4} 4 "
             "first:%u:%zu account%u account%u last:%u:%zu %ld",
             mover->number, mover->moves, from, to, mover->number, mover->moves, sum);
    const char *answer = ask(mover, words);
    enum outcome outcome = outcome_of(mover, answer);
    must_leave(mover, answer);
    mover->outcomes[mover->moves++] = outcome;
    mover->counts[outcome]++;
}

static void move(struct mover *mover) {
    unsigned from = (unsigned)(harness_random(&mover->seed) % ACCOUNTS),
             to = (from + 1 + (unsigned)(harness_random(&mover->seed) % (ACCOUNTS - 1))) % ACCOUNTS;
    long sum = 1 + (long)(harness_random(&mover->seed) % 20);
    if (harness_random(&mover->seed) % 3 == 0) {
        move_by_script(mover, from, to, sum);
        return;
    }
    char words[6][96];
    size_t number = mover->moves;
    snprintf(words[0], sizeof(words[0]), "WATCH account%u", from);
    snprintf(words[1], sizeof(words[1]), "MULTI");
    snprintf(words[2], sizeof(words[2]), "SET first:%u:%zu 1", mover->number, number);
    snprintf(words[3], sizeof(words[3]), "DECRBY account%u %ld", from, sum);
    snprintf(words[4], sizeof(words[4]), "INCRBY account%u %ld", to, sum);
    snprintf(words[5], sizeof(words[5]), "SET last:%u:%zu 1", mover->number, number);
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (!prepare(mover, words[i]))
            return;
    const char *answer = ask(mover, "EXEC");
    enum outcome outcome = outcome_of(mover, answer);
    must_leave(mover, answer);
    mover->outcomes[mover->moves++] = outcome;
    mover->counts[outcome]++;
}

/* All accounts at one moment. */
static void look(struct mover *mover) {
    char words[64];
    if (!prepare(mover, "MULTI"))
        return;
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        snprintf(words, sizeof(words), "GET account%u", i);
        if (!prepare(mover, words))
            return;
    }
    const char *answer = ask(mover, "EXEC");
    long sum = 0;
    if (must_leave(mover, answer))
        return;
    const char *at = strchr(answer, ' ');
    for (unsigned i = 0; i < ACCOUNTS && at != NULL; i++) {
        at = strchr(at + 1, ' '); /* behind the length */
        sum += at == NULL ? 0 : strtol(at + 1, NULL, 10);
        at = at == NULL ? NULL : strchr(at + 1, ' ');
    }
    mover->looks++;
    mover->wrong_sums += sum != (long)ACCOUNTS * MONEY;
}

static void *run_mover(void *argument) {
    struct mover *mover = argument;
    while (!atomic_load(&stopping) && mover->moves < MOVES_MAX) {
        move(mover);
        if (harness_random(&mover->seed) % 4 == 0)
            look(mover);
        harness_sleep_ms(PAUSE_US / 1000);
    }
    wire_close(mover->wire);
    return NULL;
}

static void start_movers(struct cluster *cluster, struct mover movers[MOVERS]) {
    struct wire *wire = wire_open(cluster->nodes[cluster_wait_leader(cluster)].port, WIRE_MS);
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        char words[64];
        snprintf(words, sizeof(words), "SET account%u %d", i, MONEY);
        assert_string_equal(wire_ask(wire, words), "+OK");
    }
    wire_close(wire);
    atomic_store(&stopping, false);
    for (unsigned i = 0; i < MOVERS; i++) {
        movers[i] = (struct mover){.cluster = cluster, .number = i, .seed = 77 + i};
        movers[i].outcomes = calloc(MOVES_MAX, sizeof(*movers[i].outcomes));
        assert_int_equal(pthread_create(&movers[i].thread, NULL, run_mover, &movers[i]), 0);
    }
}

static void stop_movers(struct mover movers[MOVERS]) {
    atomic_store(&stopping, true);
    for (unsigned i = 0; i < MOVERS; i++)
        pthread_join(movers[i].thread, NULL);
}

static void check_move(struct wire *wire, const struct mover *mover, size_t number) {
    char words[96];
    snprintf(words, sizeof(words), "EXISTS first:%u:%zu last:%u:%zu", mover->number, number, mover->number,
             number);
    const char *found = wire_ask(wire, words);
    enum outcome outcome = mover->outcomes[number];
    if (strcmp(found, ":1") == 0)
        harness_fail("transaction %u:%zu was carried out by half", mover->number, number);
    if (outcome == DONE ? strcmp(found, ":2") != 0 : outcome != UNKNOWN && strcmp(found, ":0") != 0)
        harness_fail("transaction %u:%zu: outcome %d, marks %s", mover->number, number, outcome, found);
}

static void check_movers(struct cluster *cluster, const struct mover movers[MOVERS]) {
    size_t counts[UNKNOWN + 1] = {0}, looks = 0;
    struct wire *wire = wire_open(cluster->nodes[cluster_wait_leader(cluster)].port, WIRE_MS);
    for (unsigned i = 0; i < MOVERS; i++) {
        if (movers[i].strange[0] != '\0')
            harness_fail("EXEC was answered: %s", movers[i].strange);
        if (movers[i].wrong_sums > 0)
            harness_fail("%zu times the accounts did not hold what they should", movers[i].wrong_sums);
        for (size_t j = 0; j < movers[i].moves; j++)
            check_move(wire, &movers[i], j);
        for (size_t j = 0; j <= UNKNOWN; j++)
            counts[j] += movers[i].counts[j];
        looks += movers[i].looks;
    }
    wire_close(wire);
    harness_say("%zu transactions done, %zu refused, %zu touched, %zu unknown; %zu looks", counts[DONE],
                counts[NOT_DONE], counts[TOUCHED], counts[UNKNOWN], looks);
    assert_true(counts[DONE] > 100 && counts[TOUCHED] > 0 && looks > 20);
}

static void a_transaction_is_carried_out_whole_or_not_at_all(void **state) {
    static struct mover movers[MOVERS];
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    uint64_t kills = harness_setting("REDRAFT_KILLS", 5);
    start_movers(cluster, movers);
    for (uint64_t i = 0; i < kills; i++) {
        size_t leader = cluster_wait_equal(cluster);
        harness_sleep_ms(STEADY_MS);
        cluster_kill(cluster, leader);
        cluster_wait_other_leader(cluster, leader);
        harness_sleep_ms(STEADY_MS);
        cluster_spawn(cluster, leader);
    }
    stop_movers(movers);
    for (size_t at = 0; at < cluster->count; at++) {
        cluster_make_leader(cluster, at);
        check_movers(cluster, movers);
    }
    for (unsigned i = 0; i < MOVERS; i++)
        free(movers[i].outcomes);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_transaction_is_carried_out_whole_or_not_at_all, cluster_teardown),
    };
    return cmocka_run_group_tests_name("transactions", tests, NULL, NULL);
}
