/* SPDX-License-Identifier: MIT */
/*
 * Hashes. Fields are shown in the dense order of collection.h, the same on every node.
 *
 * What counts as compact, and so what OBJECT ENCODING says, is part of the replicated state; until entries can change
 * it, it is what Redis has by default.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "../data/collection.h"
#include "../data/finder.h"
#include "draw.h"
#include "families.h"
#include "float.h"
#include "lookup.h"
#include "notify.h"
#include "scan.h"

static const struct collection_limits limits = {.entries = 512, .bytes = 64};

static bool lookup_hash(struct call *call, struct item **item) {
    return lookup_type(call, &call->args[1], VALUE_HASH, item);
}

static void open_hash(struct call *call, struct collection *hash) {
    collection_open(hash, call->keyspace, call->db, &call->args[1], VALUE_HASH, &limits);
}

static void set_one(struct call *call, const struct resp_arg *field, const struct resp_arg *value,
                    const char *event) {
    struct collection hash;
    open_hash(call, &hash);
    (void)hash_set(&hash, field, value);
    (void)collection_close(&hash, call->version);
    notify(call, EVENT_HASH, event, &call->args[1]);
}

static void reply_value(struct resp_out *reply, const struct member *member) {
    resp_bulk(reply, member->value.bytes, member->value.length);
}

static void reply_field(struct call *call, bool there, const struct member *member) {
    if (there)
        reply_value(call->reply, member);
    else
        resp_null(call->reply);
}

/* ---- reading a field --- */

void cmd_hget(struct call *call) {
    struct item *item;
    struct member member;
    if (lookup_hash(call, &item))
        reply_field(call, item && collection_find(item, &call->args[2], &member), &member);
}

void cmd_hmget(struct call *call) {
    struct item *item;
    if (!lookup_hash(call, &item))
        return;
    struct finder finder;
    struct member member;
    resp_array(call->reply, call->count - 2);
    finder_open(&finder, item, call->count - 2, call->seed);
    for (size_t i = 2; i < call->count; i++)
        reply_field(call, finder_find(&finder, &call->args[i], &member), &member);
    finder_close(&finder);
}

void cmd_hlen(struct call *call) {
    struct item *item;
    if (lookup_hash(call, &item))
        resp_integer(call->reply, item ? (int64_t)collection_count(item) : 0);
}

void cmd_hexists(struct call *call) {
    struct item *item;
    if (lookup_hash(call, &item))
        resp_integer(call->reply, item && collection_find(item, &call->args[2], NULL));
}

void cmd_hstrlen(struct call *call) {
    struct item *item;
    struct member member;
    if (!lookup_hash(call, &item))
        return;
    bool there = item && collection_find(item, &call->args[2], &member);
    resp_integer(call->reply, there ? (int64_t)member.value.length : 0);
}

/* ---- reading all of them --- */

static void reply_all(struct call *call, bool fields, bool values) {
    struct item *item;
    struct collection_walk walk;
    struct member member;
    if (!lookup_hash(call, &item))
        return;
    size_t count = item ? collection_count(item) : 0;
    if (fields && values)
        resp_map(call->reply, count);
    else
        resp_array(call->reply, count);
    if (!item)
        return;
    collection_walk_begin(&walk, item);
    while (collection_walk_next(&walk, &member)) {
        if (fields)
            resp_bulk(call->reply, member.key.bytes, member.key.length);
        if (values)
            reply_value(call->reply, &member);
    }
}

void cmd_hkeys(struct call *call) {
    reply_all(call, true, false);
}

void cmd_hvals(struct call *call) {
    reply_all(call, false, true);
}

void cmd_hgetall(struct call *call) {
    reply_all(call, true, true);
}

void cmd_hscan(struct call *call) {
    scan_members(call, VALUE_HASH, reply_value);
}

/* HRANDFIELD key [count [WITHVALUES]] */
void cmd_hrandfield(struct call *call) {
    struct item *item;
    int64_t count = 0;
    if (call->count > 2 && !lookup_within(call, &call->args[2], -INT64_MAX, INT64_MAX, NULL, &count))
        return;
    bool values = call->count == 4 && resp_arg_is(&call->args[3], "withvalues");
    if (call->count > 3 && !values) {
        lookup_syntax_error(call);
        return;
    }
    if (values && (count < -INT64_MAX / 2 || count > INT64_MAX / 2)) {
        resp_error(call->reply, "ERR value is out of range");
        return;
    }
    if (!lookup_hash(call, &item))
        return;
    if (call->count == 2)
        draw_one(call, item);
    else
        draw_several(call, item, count, values ? reply_value : NULL);
}

/* ---- changing --- */

/* Sets the pairs among the arguments; returns how many fields are new, -1 after an error. */
static int64_t set_pairs(struct call *call) {
    struct item *item;
    struct collection hash;
    int64_t added = 0;
    if (call->count % 2 == 1) {
        resp_error(call->reply, "ERR wrong number of arguments for '%s' command", call->command->name);
        return -1;
    }
    if (!lookup_hash(call, &item))
        return -1;
    open_hash(call, &hash);
    for (size_t i = 2; i < call->count; i += 2)
        added += hash_set(&hash, &call->args[i], &call->args[i + 1]);
    (void)collection_close(&hash, call->version);
    notify(call, EVENT_HASH, "hset", &call->args[1]);
    return added;
}

void cmd_hset(struct call *call) {
    int64_t added = set_pairs(call);
    if (added >= 0)
        resp_integer(call->reply, added);
}

void cmd_hmset(struct call *call) {
    if (set_pairs(call) >= 0)
        resp_status(call->reply, "OK");
}

void cmd_hsetnx(struct call *call) {
    struct item *item;
    if (!lookup_hash(call, &item))
        return;
    bool there = item && collection_find(item, &call->args[2], NULL);
    if (!there)
        set_one(call, &call->args[2], &call->args[3], "hset");
    resp_integer(call->reply, !there);
}

void cmd_hdel(struct call *call) {
    struct item *item;
    struct collection hash;
    int64_t deleted = 0;
    if (!lookup_hash(call, &item))
        return;
    if (item) {
        open_hash(call, &hash);
        for (size_t i = 2; i < call->count; i++)
            deleted += collection_remove(&hash, &call->args[i]);
        bool left = collection_close(&hash, call->version);
        if (deleted > 0)
            notify_left(call, EVENT_HASH, "hdel", &call->args[1], left);
    }
    resp_integer(call->reply, deleted);
}

/* ---- counting --- */

void cmd_hincrby(struct call *call) {
    char digits[24];
    int64_t value = 0, amount;
    struct item *item;
    struct member member;
    if (!lookup_integer(call, &call->args[3], &amount) || !lookup_hash(call, &item))
        return;
    bool there = item && collection_find(item, &call->args[2], &member);
    if (there && !resp_arg_integer(&member.value, &value)) {
        resp_error(call->reply, "ERR hash value is not an integer");
        return;
    }
    if (__builtin_add_overflow(value, amount, &value)) {
        resp_error(call->reply, "ERR increment or decrement would overflow");
        return;
    }
    struct resp_arg text = resp_arg_digits(value, digits);
    set_one(call, &call->args[2], &text, "hincrby");
    resp_integer(call->reply, value);
}

void cmd_hincrbyfloat(struct call *call) {
    char text[FLOAT_TEXT_MAX];
    long double value = 0, amount;
    struct item *item;
    struct member member;
    if (!float_read(call, &call->args[3], "value is not a valid float", &amount))
        return;
    if (isinf(amount)) {
        resp_error(call->reply, "ERR value is NaN or Infinity");
        return;
    }
    if (!lookup_hash(call, &item))
        return;
    bool there = item && collection_find(item, &call->args[2], &member);
    if (there && !float_read(call, &member.value, "hash value is not a float", &value))
        return;
    size_t length = float_sum(call, value, amount, text);
    if (length == 0)
        return;
    set_one(call, &call->args[2], &(struct resp_arg){text, length}, "hincrbyfloat");
    resp_bulk(call->reply, text, length);
}
