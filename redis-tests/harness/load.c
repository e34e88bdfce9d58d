/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WRITERS_MAX = 64, AUDIT_BATCH = 200, ATTEMPT_MS = 3000, VALUE_BYTES = 64, AUDIT_MS = 60000 };

struct writer {
    struct load *load;
    size_t number;
    pthread_t thread;
    unsigned char *outcomes; /* of attempt 0, 1, 2 ...: enum outcome */
    size_t count, capacity;
};

struct load {
    const struct cluster *cluster;
    char prefix[32];
    unsigned pause_us;
    size_t writer_count;
    struct writer writers[WRITERS_MAX];
    atomic_bool ending;
    bool ended;
    pthread_mutex_t mutex; /* guards totals */
    struct load_totals totals;
    struct load *next; /* those not yet freed */
};

static struct load *loads; /* not yet freed */

/* The key says which attempt it is, the value follows from the key. */
static void attempt_key(const struct writer *writer, size_t attempt, char key[128]) {
    snprintf(key, 128, "%s:%zu:%zu", writer->load->prefix, writer->number, attempt);
}

static void attempt_value(const char *key, char value[VALUE_BYTES + 1]) {
    size_t length = (size_t)snprintf(value, VALUE_BYTES + 1, "value of %s ", key);
    for (; length < VALUE_BYTES; length++)
        value[length] = (char)('a' + length % 26);
    value[VALUE_BYTES] = '\0';
}

static void count_outcome(struct load *load, enum outcome outcome, const char *why) {
    static const char *const expected[] = {"MOVED", "CLUSTERDOWN", "LOADING", "refused", "reset"};
    bool known = false;
    for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
        known = known || strstr(why, expected[i]) != NULL;
    pthread_mutex_lock(&load->mutex);
    struct load_totals *totals = &load->totals;
    uint64_t now = harness_now_us();
    if (outcome == OUTCOME_DONE) {
        if (totals->last_ack_us != 0 && now - totals->last_ack_us > totals->longest_pause_us)
            totals->longest_pause_us = now - totals->last_ack_us;
        totals->last_ack_us = now;
        totals->acknowledged++;
    } else if (outcome == OUTCOME_UNKNOWN) {
        totals->unknown++;
    } else {
        totals->refused++;
        if (!known)
            snprintf(totals->refusal, sizeof(totals->refusal), "%s", why);
    }
    pthread_mutex_unlock(&load->mutex);
}

static void remember(struct writer *writer, enum outcome outcome) {
    if (writer->count == writer->capacity) {
        writer->capacity = writer->capacity * 2 + 4096;
        writer->outcomes = realloc(writer->outcomes, writer->capacity);
    }
    writer->outcomes[writer->count++] = (unsigned char)outcome;
}

static void *write_on(void *argument) {
    struct writer *writer = argument;
    struct load *load = writer->load;
    struct client client;
    client_init(&client, load->cluster, harness_scaled_ms(ATTEMPT_MS));
    client.node = writer->number % load->cluster->count;
    while (!atomic_load(&load->ending)) {
        char key[128], value[VALUE_BYTES + 1];
        attempt_key(writer, writer->count, key);
        attempt_value(key, value);
        enum outcome outcome = client_try(&client, NULL, "SET %s %b", key, value, (size_t)VALUE_BYTES);
        remember(writer, outcome);
        count_outcome(load, outcome, outcome == OUTCOME_NOT_DONE ? client.why : "");
        if (outcome != OUTCOME_DONE)
            harness_sleep_ms(2);
        else if (load->pause_us > 0)
            usleep(load->pause_us);
    }
    client_close(&client);
    return NULL;
}

struct load *load_start(const struct cluster *cluster, const char *prefix, size_t writers,
                        unsigned pause_us) {
    struct load *load = calloc(1, sizeof(*load));
    if (writers > WRITERS_MAX)
        harness_fail("more than %d writers", WRITERS_MAX);
    load->cluster = cluster;
    snprintf(load->prefix, sizeof(load->prefix), "%s", prefix);
    load->pause_us = pause_us;
    load->writer_count = writers;
    pthread_mutex_init(&load->mutex, NULL);
    for (size_t i = 0; i < writers; i++) {
        load->writers[i] = (struct writer){.load = load, .number = i};
        if (pthread_create(&load->writers[i].thread, NULL, write_on, &load->writers[i]) != 0)
            harness_fail("no thread for a writer");
    }
    load->next = loads;
    loads = load;
    return load;
}

void load_stop(struct load *load) {
    if (load->ended)
        return;
    atomic_store(&load->ending, true);
    for (size_t i = 0; i < load->writer_count; i++)
        pthread_join(load->writers[i].thread, NULL);
    load->ended = true;
}

void load_free(struct load *load) {
    load_stop(load);
    for (size_t i = 0; i < load->writer_count; i++)
        free(load->writers[i].outcomes);
    pthread_mutex_destroy(&load->mutex);
    struct load **link = &loads;
    while (*link != load)
        link = &(*link)->next;
    *link = load->next;
    free(load);
}

int load_teardown(void **state) {
    while (loads != NULL)
        load_free(loads);
    return cluster_teardown(state);
}

void load_totals(struct load *load, struct load_totals *totals) {
    pthread_mutex_lock(&load->mutex);
    *totals = load->totals;
    pthread_mutex_unlock(&load->mutex);
}

uint64_t load_wait_ack(struct load *load, uint64_t since_us, uint64_t timeout_ms) {
    uint64_t deadline = harness_now_ms() + timeout_ms;
    for (;;) {
        struct load_totals totals;
        load_totals(load, &totals);
        if (totals.last_ack_us > since_us)
            return totals.last_ack_us;
        if (harness_now_ms() >= deadline)
            return 0;
        harness_sleep_ms(1);
    }
}

/* ---- what is there --------------------------------------------------------------------------------------- */

static void judge(struct writer *writer, size_t attempt, const redisReply *reply, struct load_audit *audit) {
    char key[128], value[VALUE_BYTES + 1];
    attempt_key(writer, attempt, key);
    attempt_value(key, value);
    bool there = reply->type == REDIS_REPLY_STRING;
    bool right = there && (size_t)reply->len == VALUE_BYTES && memcmp(reply->str, value, VALUE_BYTES) == 0;
    bool wrong = there && !right;
    switch ((enum outcome)writer->outcomes[attempt]) {
    case OUTCOME_DONE:
        audit->acknowledged++;
        audit->found += right;
        wrong = !right;
        break;
    case OUTCOME_NOT_DONE:
        audit->refused++;
        audit->appeared += there;
        wrong = there;
        break;
    case OUTCOME_UNKNOWN:
        audit->unknown++;
        audit->happened += there;
        break;
    }
    if (wrong && audit->example[0] == '\0')
        snprintf(audit->example, sizeof(audit->example), "%s", key);
}

/* One pipeline of GETs; false when it has to be sent again, perhaps elsewhere. Judges only when all have answered. */
static bool audit_batch(struct client *client, struct writer *writer, size_t first, size_t count,
                        struct load_audit *audit) {
    redisReply *pong = client_ask(client, ATTEMPT_MS, "EXISTS harness:no-such-key");
    if (pong == NULL)
        return false;
    freeReplyObject(pong);
    for (size_t i = 0; i < count; i++) {
        char key[128];
        attempt_key(writer, first + i, key);
        redisAppendCommand(client->context, "GET %s", key);
    }
    redisReply *replies[AUDIT_BATCH] = {NULL};
    bool whole = true;
    for (size_t i = 0; i < count && whole; i++) {
        void *reply = NULL;
        whole = redisGetReply(client->context, &reply) == REDIS_OK;
        replies[i] = reply;
        whole = whole && replies[i]->type != REDIS_REPLY_ERROR;
    }
    for (size_t i = 0; i < count; i++) {
        if (whole)
            judge(writer, first + i, replies[i], audit);
        if (replies[i] != NULL)
            freeReplyObject(replies[i]);
    }
    if (!whole)
        client_close(client);
    return whole;
}

bool load_audit(struct load *load, uint64_t timeout_ms, struct load_audit *audit) {
    uint64_t deadline = harness_now_ms() + timeout_ms;
    struct client client;
    bool answered = true;
    load_stop(load);
    *audit = (struct load_audit){.acknowledged = 0};
    client_init(&client, load->cluster, harness_scaled_ms(ATTEMPT_MS));
    for (size_t w = 0; w < load->writer_count && answered; w++) {
        struct writer *writer = &load->writers[w];
        for (size_t first = 0; first < writer->count && answered;) {
            size_t count = writer->count - first < AUDIT_BATCH ? writer->count - first : AUDIT_BATCH;
            if (audit_batch(&client, writer, first, count, audit))
                first += count;
            else
                answered = harness_now_ms() < deadline;
        }
    }
    client_close(&client);
    return answered;
}

void load_must_hold(struct load *load, const char *when) {
    struct load_audit audit;
    if (!load_audit(load, harness_scaled_ms(AUDIT_MS), &audit))
        harness_fail("%s: the cluster does not answer", when);
    if (audit.found != audit.acknowledged)
        harness_fail("%s: %llu of %llu acknowledged writes are lost, %s for one", when,
                     (unsigned long long)(audit.acknowledged - audit.found),
                     (unsigned long long)audit.acknowledged, audit.example);
    if (audit.appeared != 0)
        harness_fail("%s: %llu writes took effect that had got a definite error, %s for one", when,
                     (unsigned long long)audit.appeared, audit.example);
    if (audit.example[0] != '\0')
        harness_fail("%s: %s has a value that nobody wrote", when, audit.example);
}
