/* SPDX-License-Identifier: MIT */
/* Sets. Members are shown, and taken at random, by their places in the dense order of collection.h: the same on every node. */
#include <string.h>

#include "../data/collection.h"
#include "../data/finder.h"
#include "chance.h"
#include "draw.h"
#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "scan.h"
#include "sets.h"

const struct collection_limits set_limits = {.entries = 512, .bytes = SIZE_MAX};

static bool lookup_set(struct call *call, struct item **item) {
    return lookup_type(call, &call->args[1], VALUE_SET, item);
}

static void open_set(struct call *call, const struct resp_arg *key, struct collection *set) {
    collection_open(set, call->keyspace, call->db, key, VALUE_SET, &set_limits);
}

/* ---- reading --- */

void set_reply(struct call *call, const struct item *item) {
    struct collection_walk walk;
    struct member member;
    resp_set(call->reply, item ? collection_count(item) : 0);
    if (!item)
        return;
    collection_walk_begin(&walk, item);
    while (collection_walk_next(&walk, &member))
        resp_bulk(call->reply, member.key.bytes, member.key.length);
}

void cmd_smembers(struct call *call) {
    struct item *item;
    if (lookup_set(call, &item))
        set_reply(call, item);
}

void cmd_scard(struct call *call) {
    struct item *item;
    if (lookup_set(call, &item))
        resp_integer(call->reply, item ? (int64_t)collection_count(item) : 0);
}

void cmd_sismember(struct call *call) {
    struct item *item;
    if (lookup_set(call, &item))
        resp_integer(call->reply, item && collection_find(item, &call->args[2], NULL));
}

void cmd_smismember(struct call *call) {
    struct item *item;
    if (!lookup_set(call, &item))
        return;
    struct finder finder;
    resp_array(call->reply, call->count - 2);
    finder_open(&finder, item, call->count - 2, call->seed);
    for (size_t i = 2; i < call->count; i++)
        resp_integer(call->reply, finder_find(&finder, &call->args[i], NULL));
    finder_close(&finder);
}

void cmd_sscan(struct call *call) {
    scan_members(call, VALUE_SET, NULL);
}

void cmd_srandmember(struct call *call) {
    struct item *item;
    int64_t count = 0;
    if (call->count > 3) {
        lookup_syntax_error(call);
        return;
    }
    if (call->count == 3 && !lookup_within(call, &call->args[2], -INT64_MAX, INT64_MAX, NULL, &count))
        return;
    if (!lookup_set(call, &item))
        return;
    if (call->count == 2)
        draw_one(call, item);
    else
        draw_several(call, item, count, NULL);
}

/* ---- changing --- */

void cmd_sadd(struct call *call) {
    struct item *item;
    struct collection set;
    int64_t added = 0;
    if (!lookup_set(call, &item))
        return;
    open_set(call, &call->args[1], &set);
    for (size_t i = 2; i < call->count; i++)
        added += set_add(&set, &call->args[i]);
    (void)collection_close(&set, call->version);
    if (added > 0)
        notify(call, EVENT_SET, "sadd", &call->args[1]);
    resp_integer(call->reply, added);
}

/* How many of these members were there. The item is gone afterwards, or may have moved. */
static int64_t remove_members(struct call *call, const struct resp_arg *members, size_t count) {
    struct collection set;
    int64_t removed = 0;
    open_set(call, &call->args[1], &set);
    for (size_t i = 0; i < count; i++)
        removed += collection_remove(&set, &members[i]);
    bool left = collection_close(&set, call->version);
    if (removed > 0)
        notify_left(call, EVENT_SET, "srem", &call->args[1], left);
    return removed;
}

void cmd_srem(struct call *call) {
    struct item *item;
    if (lookup_set(call, &item))
        resp_integer(call->reply, item ? remove_members(call, &call->args[2], call->count - 2) : 0);
}

void cmd_smove(struct call *call) {
    const struct resp_arg *member = &call->args[3];
    struct item *from, *to;
    struct collection set;
    if (!lookup_set(call, &from))
        return;
    if (!from) { /* whatever the other key is, as in Redis */
        resp_integer(call->reply, 0);
        return;
    }
    if (!lookup_type(call, &call->args[2], VALUE_SET, &to))
        return;
    bool there = collection_find(from, member, NULL);
    if (there && from != to) {
        (void)remove_members(call, member, 1);
        open_set(call, &call->args[2], &set);
        bool added = set_add(&set, member);
        (void)collection_close(&set, call->version);
        if (added)
            notify(call, EVENT_SET, "sadd", &call->args[2]);
    }
    resp_integer(call->reply, there);
}

/* ---- SPOP --- */

/* Replies with `count` members drawn one after the other, and removes them; there are more than that. */
static void pop_members(struct call *call, size_t count) {
    struct collection set;
    uint64_t state = call->seed;
    open_set(call, &call->args[1], &set);
    for (size_t i = 0; i < count; i++) {
        struct member member;
        collection_at(set.item, chance_below(&state, collection_count(set.item)), &member);
        resp_bulk(call->reply, member.key.bytes, member.key.length);
        collection_remove_at(&set, member.place);
    }
    notify_left(call, EVENT_SET, "spop", &call->args[1], collection_close(&set, call->version));
}

/* SPOP key [count] */
void cmd_spop(struct call *call) {
    struct item *item;
    int64_t count = 1;
    if (call->count > 3) {
        lookup_syntax_error(call);
        return;
    }
    if (call->count == 3 && !lookup_within(call, &call->args[2], 0, INT64_MAX,
                                           "ERR value is out of range, must be positive", &count))
        return;
    if (!lookup_set(call, &item))
        return;
    if (call->count == 2 && !item) {
        resp_null(call->reply);
    } else if (call->count == 2) {
        pop_members(call, 1);
    } else if (!item || (uint64_t)count >= collection_count(item)) {
        set_reply(call, item);
        if (keyspace_delete(call->keyspace, call->db, &call->args[1]))
            notify_left(call, EVENT_SET, "spop", &call->args[1], false);
    } else {
        resp_set(call->reply, (size_t)count);
        if (count > 0)
            pop_members(call, (size_t)count);
    }
}
