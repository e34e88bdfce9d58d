/* SPDX-License-Identifier: MIT */
/*
 * Every write can be told from every other: the value of a SET and what an APPEND adds hold the operation's number, no two
 * increments are the same. An ECHO in every pipeline shows that replies come in their order, and to whom they belong.
 *
 *      reply                                outcome of a write
 *      a value                              OP_DONE: it took effect between its call and its reply
 *      -MOVED -CLUSTERDOWN -LOADING ...     OP_NEVER: it must not have taken effect, ever
 *      -INDOUBT, the connection fell        OP_MAYBE: at any time after its call, or never
 *
 * The order of events of all threads is one counter's: taken before an operation is sent, and after its reply was read. A key takes
 * OPS_PER_KEY operations, then another takes its place, for the time to judge a history grows fast with its length.
 */
#include "clients.h"

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLOTS = 10,
    OPS_PER_KEY = 52, /* less than 64, with the last read */
    PIPELINE_MAX = 6,
    WANDERS_PERCENT = 2,
    LAST_BATCH = 100,
    LAST_MS = 2000,
};

struct client_thread {
    pthread_t thread;
    size_t number, target;
    uint64_t random, patience_ms, think_ms;
    bool reader; /* reads only, through whatever node */
    redisContext *context;
};

static struct {
    const struct cluster *cluster;
    struct client_thread threads[CLIENTS_MAX];
    size_t thread_count;
    bool started;
    struct op *ops; /* ops_max, and as much again for the last reads */
    struct origin {
        uint8_t client, node;
    } * origins; /* of each operation */
    size_t ops_max;
    atomic_size_t op_count;
    atomic_uint_fast64_t event, last_ack_us;
    atomic_uint_fast64_t acknowledged, reads, follower_reads, refused, unknown, doubted;
    atomic_bool ending;
    pthread_mutex_t mutex; /* guards what follows */
    struct {
        unsigned generation, used;
    } slots[SLOTS];
    char complaint[COMPLAINT_MAX];
} load = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *format, ...) {
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&load.mutex);
    if (!load.complaint[0])
        vsnprintf(load.complaint, sizeof load.complaint, format, args);
    pthread_mutex_unlock(&load.mutex);
    va_end(args);
}

void clients_complaint(char complaint[COMPLAINT_MAX]) {
    pthread_mutex_lock(&load.mutex);
    memcpy(complaint, load.complaint, COMPLAINT_MAX);
    pthread_mutex_unlock(&load.mutex);
}

static bool chance(struct client_thread *client, unsigned percent) {
    return harness_random(&client->random) % 100 < percent;
}

/* ---- operations ---------------------------------------------------------------------------------------------------- */

static bool op_new(int slot, unsigned generation, enum op_kind kind, bool small, size_t *number) {
    *number = atomic_fetch_add(&load.op_count, 1);
    if (*number >= load.ops_max) {
        atomic_store(&load.op_count, load.ops_max);
        return false;
    }
    load.ops[*number] = (struct op){
        .kind = kind,
        .slot = slot,
        .generation = generation,
        .amount = small ? 1 : (int64_t)*number + 2,
        .invoked = atomic_fetch_add(&load.event, 1) + 1,
        .ended = UINT64_MAX,
    };
    return true;
}

static bool some_op(struct client_thread *client, size_t *number) {
    uint64_t dice = harness_random(&client->random) % 100;
    int slot = (int)(harness_random(&client->random) % SLOTS);
    bool counter = slot % 3 == 2;
    enum op_kind kind = client->reader || dice < 40 ? OP_GET
                        : dice < 46                 ? OP_DEL
                        : counter                   ? OP_INCR
                        : dice < 52                 ? OP_SET_PX
                        : dice < 75                 ? OP_SET
                                                    : OP_APPEND;
    pthread_mutex_lock(&load.mutex);
    if (++load.slots[slot].used > OPS_PER_KEY) {
        load.slots[slot].generation++;
        load.slots[slot].used = 1;
    }
    unsigned generation = load.slots[slot].generation;
    pthread_mutex_unlock(&load.mutex);
    return op_new(slot, generation, kind, dice % 5 == 0, number);
}

static void append_op(struct client_thread *client, size_t number) {
    const struct op *op = &load.ops[number];
    load.origins[number] = (struct origin){(uint8_t)client->number, (uint8_t)client->target};
    redisContext *context = client->context;
    char key[32], token[32];
    snprintf(key, sizeof key, "k%d.%u", op->slot, op->generation);
    snprintf(token, sizeof token, "%c%zu,", op->kind == OP_APPEND ? 'a' : 't', number);
    switch (op->kind) {
    case OP_SET:
        redisAppendCommand(context, "SET %s %s", key, token);
        break;
    case OP_SET_PX:
        redisAppendCommand(context, "SET %s %s PX %d", key, token,
                           20 + (int)(harness_random(&client->random) % 1500));
        break;
    case OP_GET:
        redisAppendCommand(context, "GET %s", key);
        break;
    case OP_APPEND:
        redisAppendCommand(context, "APPEND %s %s", key, token);
        break;
    case OP_DEL:
        redisAppendCommand(context, "DEL %s", key);
        break;
    case OP_INCR:
        redisAppendCommand(context, "INCRBY %s %lld", key, (long long)op->amount);
        break;
    default:
        abort(); /* the others are the simulator's */
    }
}

/* ---- outcomes ------------------------------------------------------------------------------------------------------- */

static void op_ends(struct op *op, enum op_outcome outcome) {
    bool write = op->kind != OP_GET;
    op->outcome = outcome;
    op->ended_at = harness_now_us();
    if (outcome == OP_DONE)
        op->ended = atomic_fetch_add(&load.event, 1) + 1;
    if (outcome == OP_DONE && write)
        atomic_store(&load.last_ack_us, op->ended_at);
    atomic_fetch_add(outcome == OP_NEVER   ? &load.refused
                     : outcome == OP_MAYBE ? &load.unknown
                     : write               ? &load.acknowledged
                                           : &load.reads,
                     1);
}

static void op_lost(size_t number) {
    struct op *op = &load.ops[number];
    op_ends(op, op->kind == OP_GET ? OP_NEVER : OP_MAYBE);
}

static void op_value(size_t number, const redisReply *reply) {
    struct op *op = &load.ops[number];
    bool fits = op->kind == OP_GET ? reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_NIL
                : op->kind == OP_SET || op->kind == OP_SET_PX ? reply->type == REDIS_REPLY_STATUS
                                                              : reply->type == REDIS_REPLY_INTEGER;
    if (!fits) {
        complain("operation %zu got the reply of another: type %d %s", number, reply->type,
                 reply->str ? reply->str : "");
        return;
    }
    op->null = reply->type == REDIS_REPLY_NIL;
    op->number = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
    if (reply->type == REDIS_REPLY_STRING) {
        op->text = strdup(reply->str);
        op->length = reply->len;
    }
    op_ends(op, OP_DONE);
}

static bool begins(const redisReply *reply, const char *word) {
    return strncmp(reply->str, word, strlen(word)) == 0;
}

/* True when the next operation should go elsewhere: then the client's target is set. */
static bool op_error(struct client_thread *client, size_t number, const redisReply *reply) {
    static const char *const definite[] = {"MOVED ", "CLUSTERDOWN ", "LOADING ", "TRYAGAIN ", "MISCONF "};
    struct op *op = &load.ops[number];
    const char *colon = strrchr(reply->str, ':');
    bool known = false;
    if (begins(reply, "INDOUBT ")) {
        if (op->kind == OP_GET)
            complain("a read is answered with -%s", reply->str);
        op_ends(op, OP_MAYBE);
        atomic_fetch_add(&load.doubted, 1);
        return false;
    }
    for (size_t i = 0; i < sizeof definite / sizeof *definite; i++)
        known = known || begins(reply, definite[i]);
    if (!known)
        complain("operation %zu got -%s", number, reply->str);
    op_ends(op, OP_NEVER);
    client->target = harness_random(&client->random) % load.cluster->count;
    for (size_t i = 0; begins(reply, "MOVED ") && colon && i < load.cluster->count; i++)
        if (load.cluster->nodes[i].port == strtoul(colon + 1, NULL, 10))
            client->target = i;
    return true;
}

/* ---- a client ------------------------------------------------------------------------------------------------------- */

static void disconnect(struct client_thread *client) {
    if (client->context)
        redisFree(client->context);
    client->context = NULL;
}

static bool says_ok(struct client_thread *client, const char *words) {
    redisReply *reply = redisCommand(client->context, words);
    bool ok = reply && reply->type == REDIS_REPLY_STATUS;
    if (reply)
        freeReplyObject(reply);
    return ok;
}

static bool connect_to(struct client_thread *client, size_t target, uint64_t timeout_ms) {
    struct timeval timeout = {.tv_sec = (time_t)(timeout_ms / 1000),
                              .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    const struct node *node = &load.cluster->nodes[target];
    disconnect(client);
    client->target = target;
    client->context = redisConnectWithTimeout(node->host, (int)node->port, timeout);
    if (!client->context || client->context->err || redisSetTimeout(client->context, timeout) != REDIS_OK) {
        disconnect(client);
        return false;
    }
    if (client->reader && (!says_ok(client, "READONLY") || !says_ok(client, "RAFT.CONSISTENCY linearizable")))
        disconnect(client);
    return client->context != NULL;
}

/* One reply; false when the connection is lost. */
static bool take_reply(struct client_thread *client, size_t number, bool *moves) {
    void *answer;
    if (redisGetReply(client->context, &answer) != REDIS_OK)
        return false;
    redisReply *reply = answer;
    if (reply->type == REDIS_REPLY_ERROR) {
        *moves = op_error(client, number, reply) || *moves;
    } else {
        op_value(number, reply);
        atomic_fetch_add(&load.follower_reads, client->reader);
    }
    freeReplyObject(reply);
    return true;
}

static bool take_echo(struct client_thread *client, uint64_t token) {
    void *answer;
    char text[32];
    if (redisGetReply(client->context, &answer) != REDIS_OK)
        return false;
    redisReply *reply = answer;
    snprintf(text, sizeof text, "e%d.%llu", (int)client->number, (unsigned long long)token);
    if (reply->type != REDIS_REPLY_STRING || strcmp(reply->str, text) != 0)
        complain("client %zu got %s in place of %s: it is another's reply, or another command's",
                 client->number, reply->str ? reply->str : "?", text);
    freeReplyObject(reply);
    return true;
}

/* A pipeline with an ECHO at a place in it. */
static void converse(struct client_thread *client) {
    size_t numbers[PIPELINE_MAX], count = 1, made = 0, answered = 0;
    uint64_t token = harness_random(&client->random);
    bool moves = false, alive = true;
    if (chance(client, 50))
        count += harness_random(&client->random) % PIPELINE_MAX;
    for (; made < count && made < PIPELINE_MAX && some_op(client, &numbers[made]); made++) {
        if (made == 0)
            redisAppendCommand(client->context, "ECHO e%d.%llu", (int)client->number,
                               (unsigned long long)token);
        append_op(client, numbers[made]);
    }
    alive = made == 0 || take_echo(client, token);
    for (; answered < made && alive; answered += alive)
        alive = take_reply(client, numbers[answered], &moves);
    for (; answered < made; answered++)
        op_lost(numbers[answered]);
    if (!alive)
        client->target = harness_random(&client->random) % load.cluster->count;
    if (!alive || moves)
        disconnect(client);
}

static void *client_run(void *argument) {
    struct client_thread *client = argument;
    while (!atomic_load(&load.ending)) {
        if (chance(client, client->reader ? 5 * WANDERS_PERCENT : WANDERS_PERCENT)) {
            disconnect(client);
            client->target = harness_random(&client->random) % load.cluster->count;
        }
        if (client->context || connect_to(client, client->target, client->patience_ms))
            converse(client);
        else
            client->target = (client->target + 1) % load.cluster->count;
        harness_sleep_ms(client->context ? harness_random(&client->random) % client->think_ms : 10);
    }
    disconnect(client);
    return NULL;
}

/* ---- all of them ----------------------------------------------------------------------------------------------------- */

void clients_start(const struct cluster *cluster, size_t count, size_t operations_max, uint64_t seed) {
    clients_free();
    load.cluster = cluster;
    load.thread_count = count;
    load.ops_max = operations_max;
    load.ops = calloc(2 * operations_max, sizeof *load.ops);
    load.origins = calloc(2 * operations_max, sizeof *load.origins);
    if (!load.ops || !load.origins)
        harness_fail("no memory for a history of %zu operations", operations_max);
    load.started = true;
    for (size_t i = 0; i < count; i++) {
        struct client_thread *client = &load.threads[i];
        *client = (struct client_thread){.number = i, .random = seed + i, .reader = i % 4 == 3};
        client->target = harness_random(&client->random) % cluster->count;
        client->patience_ms = 150 + harness_random(&client->random) % (i % 2 ? 400 : 6000);
        client->think_ms = 2 + harness_random(&client->random) % 12;
        if (pthread_create(&client->thread, NULL, client_run, client) != 0)
            harness_fail("no thread for a client");
    }
}

void clients_stop(void) {
    if (!load.started)
        return;
    atomic_store(&load.ending, true);
    for (size_t i = 0; i < load.thread_count; i++)
        pthread_join(load.threads[i].thread, NULL);
    load.started = false;
}

void clients_free(void) {
    clients_stop();
    size_t count = atomic_load(&load.op_count);
    for (size_t i = 0; load.ops && i < count && i < load.ops_max; i++)
        free(load.ops[i].text);
    free(load.ops);
    free(load.origins);
    load.ops = NULL;
    load.origins = NULL;
    atomic_store(&load.op_count, 0);
    atomic_store(&load.event, 0);
    atomic_store(&load.acknowledged, 0);
    atomic_store(&load.reads, 0);
    atomic_store(&load.follower_reads, 0);
    atomic_store(&load.refused, 0);
    atomic_store(&load.unknown, 0);
    atomic_store(&load.doubted, 0);
    atomic_store(&load.ending, false);
    memset(load.slots, 0, sizeof load.slots);
    load.complaint[0] = 0;
}

/* Reads keys from *slot.*generation on, in one pipeline; moves on when all were answered. */
static void read_some(struct client_thread *client, int *slot, unsigned *generation) {
    size_t numbers[LAST_BATCH], count = 0, answered = 0;
    int to_slot = *slot;
    unsigned to = *generation;
    bool moves = false, alive = true;
    while (count < LAST_BATCH && to_slot < SLOTS && op_new(to_slot, to, OP_GET, false, &numbers[count])) {
        append_op(client, numbers[count++]);
        if (++to > load.slots[to_slot].generation) {
            to_slot++;
            to = 0;
        }
    }
    for (; answered < count && alive; answered += alive)
        alive = take_reply(client, numbers[answered], &moves);
    for (size_t i = answered; i < count; i++)
        op_lost(numbers[i]);
    if (!alive || moves) {
        disconnect(client);
        client->target = moves ? client->target : (client->target + 1) % load.cluster->count;
        harness_sleep_ms(20);
        return;
    }
    *slot = count > 0 ? to_slot : SLOTS;
    *generation = to;
}

bool clients_read_all(uint64_t timeout_ms) {
    struct client_thread client = {.random = 1};
    uint64_t until = harness_now_ms() + timeout_ms;
    unsigned generation = 0;
    int slot = 0;
    clients_stop();
    load.ops_max *= 2;
    while (slot < SLOTS && harness_now_ms() < until) {
        if (client.context || connect_to(&client, client.target, harness_scaled_ms(LAST_MS)))
            read_some(&client, &slot, &generation);
        else
            client.target = (client.target + 1) % load.cluster->count;
    }
    disconnect(&client);
    return slot == SLOTS;
}

void clients_totals(struct clients_totals *totals) {
    *totals = (struct clients_totals){
        .operations = atomic_load(&load.op_count),
        .acknowledged = atomic_load(&load.acknowledged),
        .reads = atomic_load(&load.reads),
        .follower_reads = atomic_load(&load.follower_reads),
        .refused = atomic_load(&load.refused),
        .unknown = atomic_load(&load.unknown),
        .doubted = atomic_load(&load.doubted),
    };
}

uint64_t clients_last_ack_us(void) {
    return atomic_load(&load.last_ack_us);
}

void clients_judge(struct checker_report *report) {
    char line[CHECKER_LINE_MAX];
    checker_run(load.ops, atomic_load(&load.op_count), report);
    if (report->count == 0)
        return;
    for (size_t i = 0; i < report->count; i++) {
        size_t number = (size_t)(report->history[i] - load.ops);
        struct origin origin = load.origins[number];
        checker_tell(report->history[i], number, line);
        harness_say("client %d%s, node %d: %s", origin.client,
                    load.threads[origin.client].reader ? " (reads only)" : "", origin.node + 1, line);
    }
    harness_fail("k%d.%u: what its clients saw has no order (%zu operations)", report->history[0]->slot,
                 report->history[0]->generation, report->count);
}
