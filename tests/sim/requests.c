/* SPDX-License-Identifier: MIT */
/* The load's operations in words: clients.c has the essay. */
#include <stdio.h>

#include "load.h"

uint64_t load_px_ms_max;

void load_request(struct resp_buf *out, size_t count, const char *const *words) {
    resp_request(out, count);
    for (size_t i = 0; i < count; i++)
        resp_request_text(out, words[i]);
}

/* Of one kind or the other: a transaction, a script. */
static void write_transfer(struct load_client *client, struct resp_buf *out, const struct op *op) {
    static const char script[] = "return {redis.call('INCRBY', KEYS[1], ARGV[1]), "
                                 "redis.call('INCRBY', KEYS[2], -ARGV[1])}";
    char to[40], from[40], amount[24], negative[24];
    snprintf(to, sizeof to, "{k%d.%u}to", op->slot, op->generation);
    snprintf(from, sizeof from, "{k%d.%u}from", op->slot, op->generation);
    snprintf(amount, sizeof amount, "%lld", (long long)op->amount);
    snprintf(negative, sizeof negative, "%lld", -(long long)op->amount);
    /* A disk that is nearly full stops a script in the middle, by an error in its place of the log. */
    if (sim->disk_reserve == 0 && sim_chance(40)) {
        load_request(out, 6, (const char *[]){"EVAL", script, "2", to, from, amount});
        sim_cover(COVER_SCRIPTS, 1);
        return;
    }
    load_request(out, 1, (const char *[]){"MULTI"});
    load_request(out, 3, (const char *[]){"INCRBY", to, amount});
    load_request(out, 3, (const char *[]){"INCRBY", from, negative});
    load_request(out, 1, (const char *[]){"EXEC"});
    client->wanted[client->owed++] = (struct wanted){.what = WANT_OK};
    client->wanted[client->owed++] = (struct wanted){.what = WANT_QUEUED};
    client->wanted[client->owed++] = (struct wanted){.what = WANT_QUEUED};
    sim_cover(COVER_TRANSACTIONS, 1);
}

static void write_pop(struct resp_buf *out, const char *key) {
    char timeout[24];
    if (sim_chance(40)) {
        load_request(out, 2, (const char *[]){"LPOP", key});
        return;
    }
    snprintf(timeout, sizeof timeout, "0.%03u", (unsigned)sim_between(1, 400));
    load_request(out, 3, (const char *[]){"BLPOP", key, timeout});
    sim_cover(COVER_WAITS, 1);
}

static void write_get_pair(struct resp_buf *out, const struct op *op) {
    char to[40], from[40];
    snprintf(to, sizeof to, "{k%d.%u}to", op->slot, op->generation);
    snprintf(from, sizeof from, "{k%d.%u}from", op->slot, op->generation);
    load_request(out, 3, (const char *[]){"MGET", to, from});
}

void load_write_op(struct load_client *client, struct resp_buf *out, size_t number) {
    const struct op *op = &ops[number];
    char key[32], token[32], px[16];
    snprintf(key, sizeof key, "k%d.%u", op->slot, op->generation);
    snprintf(px, sizeof px, "%llu", (unsigned long long)sim_between(5, load_px_ms_max));
    switch (op->kind) {
    case OP_SET:
    case OP_SET_PX:
        snprintf(token, sizeof token, "t%zu,", number);
        load_request(out, op->kind == OP_SET ? 3 : 5, (const char *[]){"SET", key, token, "PX", px});
        break;
    case OP_GET:
        load_request(out, 2, (const char *[]){"GET", key});
        break;
    case OP_GET_LIST:
        load_request(out, 4, (const char *[]){"LRANGE", key, "0", "-1"});
        break;
    case OP_GET_PAIR:
        write_get_pair(out, op);
        break;
    case OP_TRANSFER:
        write_transfer(client, out, op);
        break;
    case OP_PUSH:
        snprintf(token, sizeof token, "p%zu,", number);
        load_request(out, 3, (const char *[]){"RPUSH", key, token});
        break;
    case OP_POP:
        write_pop(out, key);
        break;
    case OP_APPEND:
        snprintf(token, sizeof token, "a%zu,", number);
        load_request(out, 3, (const char *[]){"APPEND", key, token});
        break;
    case OP_DEL:
        snprintf(token, sizeof token, "d%zu,", number); /* no key has this name */
        load_request(out, 3, (const char *[]){"DEL", key, token});
        break;
    case OP_SWAP:
        snprintf(token, sizeof token, "t%zu,", number);
        load_request(out, 1, (const char *[]){"MULTI"});
        load_request(out, 3, (const char *[]){"SET", key, token});
        load_request(out, 1, (const char *[]){"EXEC"});
        client->wanted[client->owed++] = (struct wanted){.what = WANT_OK};
        client->wanted[client->owed++] = (struct wanted){.what = WANT_QUEUED};
        break;
    case OP_INCR:
        snprintf(token, sizeof token, "%lld", (long long)op->amount);
        if (op->amount == 1)
            load_request(out, 2, (const char *[]){"INCR", key});
        else
            load_request(out, 3, (const char *[]){"INCRBY", key, token});
        break;
    }
}
