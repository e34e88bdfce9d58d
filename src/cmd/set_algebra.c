/* SPDX-License-Identifier: MIT */
/*
 * Intersections, unions, differences of sets.
 *
 * What needs memory of what it has seen, or is to be stored, is gathered in a set of its own: under a name that no key has when it
 * is to be stored, renamed to the destination in the end; in a keyspace of its own when it is only to be told. So a
 * destination may be one of the sources, and keeps its place for a scan that is under way. What comes without repeats and is only
 * told goes into the reply at once.
 *
 *     sources --> struct result --+--> count
 *                                 +--> reply
 *                                 +--> set --+--> reply
 *                                            +--> destination
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../data/collection.h"
#include "../data/finder.h"
#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "sets.h"

/* ---- sources --- */

/* Found anew after each change of the keyspace. */
struct sources {
    const struct resp_arg *keys;
    size_t count, missing;
    const struct item **items; /* NULL: not there */
    struct finder *finders;    /* of the items, while they are looked into */
    uint64_t seed;
};

static void sources_find(struct call *call, struct sources *sources) {
    for (size_t i = 0; i < sources->count; i++)
        sources->items[i] = keyspace_find(call->keyspace, call->db, &sources->keys[i]);
}

static void sources_close(struct sources *sources) {
    free(sources->items);
    free(sources->finders);
}

/* False, with the error as the reply, when one of them is no set. */
static bool sources_open(struct call *call, struct sources *sources, const struct resp_arg *keys,
                         size_t count) {
    *sources = (struct sources){.keys = keys, .count = count, .seed = call->seed};
    sources->items = calloc(count, sizeof *sources->items);
    sources->finders = calloc(count, sizeof *sources->finders);
    if (!sources->items || !sources->finders)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct item *item;
        if (!lookup_type(call, &keys[i], VALUE_SET, &item)) {
            sources_close(sources);
            return false;
        }
        sources->items[i] = item;
        sources->missing += item == NULL;
    }
    return true;
}

static size_t size_of(const struct item *item) {
    return item ? collection_count(item) : 0;
}

/* To look for the members of the first in all others. */
static void finders_open(struct sources *sources) {
    for (size_t i = 1; i < sources->count; i++)
        finder_open(&sources->finders[i], sources->items[i], size_of(sources->items[0]), sources->seed);
}

static void finders_close(struct sources *sources) {
    for (size_t i = 1; i < sources->count; i++)
        finder_close(&sources->finders[i]);
}

static int smaller_first(const void *a, const void *b) {
    size_t one = size_of(*(const struct item *const *)a), other = size_of(*(const struct item *const *)b);
    return (one > other) - (one < other);
}

static int larger_first(const void *a, const void *b) {
    return smaller_first(b, a);
}

/* ---- result --- */

enum result_kind { RESULT_COUNT, RESULT_REPLY, RESULT_SET };

struct result {
    enum result_kind kind;
    size_t count, count_max;   /* of RESULT_COUNT and RESULT_REPLY; stops at count_max */
    struct resp_buf replies;   /* of RESULT_REPLY */
    struct keyspace *keyspace; /* of RESULT_SET: the call's, or one of its own */
    unsigned db;
    struct resp_buf name;
    struct collection set;
};

static struct resp_arg result_key(const struct result *result) {
    return (struct resp_arg){resp_buf_bytes(&result->name), resp_buf_length(&result->name)};
}

static void result_open_set(struct result *result) {
    struct resp_arg key = result_key(result);
    result->kind = RESULT_SET;
    collection_open(&result->set, result->keyspace, result->db, &key, VALUE_SET, &set_limits);
}

/* To be stored: beside the destination, under a name that no key has. */
static void result_beside(struct call *call, struct result *result, const struct resp_arg *destination) {
    *result = (struct result){.keyspace = call->keyspace, .db = call->db, .count_max = SIZE_MAX};
    resp_buf_append(&result->name, destination->bytes, destination->length);
    struct resp_arg key;
    do {
        resp_buf_append(&result->name, "'", 1);
        key = result_key(result);
    } while (keyspace_find(call->keyspace, call->db, &key));
    size_t events = events_count(keyspace_events(call->keyspace));
    result_open_set(result);
    events_cut(keyspace_events(call->keyspace), events); /* nobody need know that name */
}

/* To be told. Nobody but this call sees the hash index, and its seed is not known outside. */
static void result_apart(struct call *call, struct result *result) {
    *result = (struct result){.keyspace = keyspace_new(1), .count_max = SIZE_MAX};
    keyspace_set_hash_key(result->keyspace, call->seed, ~call->seed);
    resp_buf_append(&result->name, "'", 1);
    result_open_set(result);
}

/* One that is not in it yet. False: it wants no more. */
static bool result_add(struct result *result, const struct resp_arg *member) {
    if (result->kind == RESULT_SET) {
        set_add_new(&result->set, member);
        return true;
    }
    if (result->kind == RESULT_REPLY)
        resp_bulk(&(struct resp_out){.buf = &result->replies}, member->bytes, member->length);
    return ++result->count < result->count_max;
}

static void result_reply(struct call *call, struct result *result) {
    if (result->kind == RESULT_SET) {
        set_reply(call, result->set.item);
        (void)collection_close(&result->set, 0);
        keyspace_free(result->keyspace);
    } else {
        resp_set(call->reply, result->count);
        if (result->count > 0 && call->reply->buf)
            resp_buf_append(call->reply->buf, resp_buf_bytes(&result->replies),
                            resp_buf_length(&result->replies));
    }
    resp_buf_close(&result->replies);
    resp_buf_close(&result->name);
}

static void result_store(struct call *call, struct result *result, const struct resp_arg *destination) {
    size_t count = collection_count(result->set.item);
    struct resp_arg key = result_key(result);
    assert(result->kind == RESULT_SET && result->keyspace == call->keyspace);
    if (collection_close(&result->set, call->version)) {
        bool there = keyspace_find(call->keyspace, call->db, destination);
        size_t events = events_count(keyspace_events(call->keyspace));
        keyspace_rename(call->keyspace, call->db, &key, destination, call->version);
        if (there)
            events_cut(keyspace_events(call->keyspace), events); /* it is no new key */
        notify(call, EVENT_SET, call->command->name, destination);
    } else if (keyspace_delete(call->keyspace, call->db, destination))
        notify(call, EVENT_GENERIC, "del", destination);
    resp_buf_close(&result->name);
    resp_integer(call->reply, (int64_t)count);
}

/* ---- the three --- */

/* The first of the smallest comes to the front: the order of what is stored follows from it, so no sort may choose among equals.
 * Behind it, where only speed depends on the order, they ascend. */
static void put_smallest_first(struct sources *sources) {
    size_t smallest = 0;
    for (size_t i = 1; i < sources->count; i++)
        if (size_of(sources->items[i]) < size_of(sources->items[smallest]))
            smallest = i;
    const struct item *item = sources->items[smallest];
    sources->items[smallest] = sources->items[0];
    sources->items[0] = item;
    qsort(sources->items + 1, sources->count - 1, sizeof(struct item *), smaller_first);
}

/* Goes through the smallest one; all others are there. */
static void intersect(struct sources *sources, struct result *result) {
    struct collection_walk walk;
    struct member member;
    bool more = sources->missing == 0;
    if (!more)
        return;
    put_smallest_first(sources);
    finders_open(sources);
    collection_walk_begin(&walk, sources->items[0]);
    while (more && collection_walk_next(&walk, &member)) {
        size_t i = 1;
        while (i < sources->count && finder_find(&sources->finders[i], &member.key, NULL))
            i++;
        if (i == sources->count)
            more = result_add(result, &member.key);
    }
    finders_close(sources);
}

/* Of the second, those that the first has not are new. Behind them the result is asked, which is seldom small any more. */
static void unite(struct sources *sources, struct result *result) {
    const struct item *first = NULL;
    size_t there = 0;
    assert(result->kind == RESULT_SET);
    for (size_t i = 0; i < sources->count; i++) {
        struct collection_walk walk;
        struct member member;
        struct finder finder;
        const struct item *item = sources->items[i];
        if (!item)
            continue;
        finder_open(&finder, there == 1 ? first : NULL, collection_count(item), sources->seed);
        collection_walk_begin(&walk, item);
        while (collection_walk_next(&walk, &member))
            if (there < 2 ? !finder_find(&finder, &member.key, NULL)
                          : !collection_find(result->set.item, &member.key, NULL))
                (void)result_add(result, &member.key);
        finder_close(&finder);
        first = there++ == 0 ? item : first;
    }
}

/* Whether looking up each member of the first in the others is less work than taking all of the others' away. The rule is Redis's,
 * as the encoding of what is stored follows from it. */
static bool subtract_by_lookup(const struct sources *sources) {
    size_t first = size_of(sources->items[0]), lookups = 0, removals = 0;
    for (size_t i = 0; i < sources->count; i++)
        if (sources->items[i]) {
            lookups += first;
            removals += size_of(sources->items[i]);
        }
    return lookups / 2 <= removals;
}

static void subtract_lookup(struct sources *sources, struct result *result) {
    struct collection_walk walk;
    struct member member;
    qsort(sources->items + 1, sources->count - 1, sizeof(struct item *), larger_first);
    finders_open(sources);
    collection_walk_begin(&walk, sources->items[0]);
    while (collection_walk_next(&walk, &member)) {
        size_t i = 1;
        while (i < sources->count && !finder_find(&sources->finders[i], &member.key, NULL))
            i++;
        if (i == sources->count)
            (void)result_add(result, &member.key);
    }
    finders_close(sources);
}

static void subtract_remove(struct sources *sources, struct result *result) {
    struct collection_walk walk;
    struct member member;
    assert(result->kind == RESULT_SET);
    collection_walk_begin(&walk, sources->items[0]);
    while (collection_walk_next(&walk, &member))
        (void)result_add(result, &member.key);
    for (size_t i = 1; i < sources->count; i++) {
        if (!sources->items[i])
            continue;
        collection_walk_begin(&walk, sources->items[i]);
        while (collection_count(result->set.item) > 0 && collection_walk_next(&walk, &member))
            (void)collection_remove(&result->set, &member.key);
    }
}

static void subtract(struct sources *sources, struct result *result) {
    if (!sources->items[0])
        return;
    if (subtract_by_lookup(sources))
        subtract_lookup(sources, result);
    else
        subtract_remove(sources, result);
}

/* ---- commands --- */

typedef void combine(struct sources *sources, struct result *result);

static void store(struct call *call, combine *how) {
    struct sources sources;
    struct result result;
    if (!sources_open(call, &sources, &call->args[2], call->count - 2))
        return;
    result_beside(call, &result, &call->args[1]);
    sources_find(call, &sources);
    how(&sources, &result);
    sources_close(&sources);
    result_store(call, &result, &call->args[1]);
}

void cmd_sinterstore(struct call *call) {
    store(call, intersect);
}

void cmd_sunionstore(struct call *call) {
    store(call, unite);
}

void cmd_sdiffstore(struct call *call) {
    store(call, subtract);
}

void cmd_sinter(struct call *call) {
    struct sources sources;
    struct result result = {.kind = RESULT_REPLY, .count_max = SIZE_MAX};
    if (!sources_open(call, &sources, &call->args[1], call->count - 1))
        return;
    intersect(&sources, &result);
    sources_close(&sources);
    result_reply(call, &result);
}

void cmd_sunion(struct call *call) {
    struct sources sources;
    struct result result;
    if (!sources_open(call, &sources, &call->args[1], call->count - 1))
        return;
    result_apart(call, &result);
    unite(&sources, &result);
    sources_close(&sources);
    result_reply(call, &result);
}

void cmd_sdiff(struct call *call) {
    struct sources sources;
    struct result result = {.kind = RESULT_REPLY, .count_max = SIZE_MAX};
    if (!sources_open(call, &sources, &call->args[1], call->count - 1))
        return;
    if (!subtract_by_lookup(&sources))
        result_apart(call, &result);
    subtract(&sources, &result);
    sources_close(&sources);
    result_reply(call, &result);
}

/* SINTERCARD numkeys key [key ...] [LIMIT limit] */
void cmd_sintercard(struct call *call) {
    struct sources sources;
    int64_t keys, limit = 0;
    if (!lookup_within(call, &call->args[1], 1, INT64_MAX, "ERR numkeys should be greater than 0", &keys))
        return;
    if ((uint64_t)keys > call->count - 2) {
        resp_error(call->reply, "ERR Number of keys can't be greater than number of args");
        return;
    }
    for (size_t i = 2 + (size_t)keys; i < call->count; i += 2) {
        if (!resp_arg_is(&call->args[i], "limit") || i + 1 == call->count) {
            lookup_syntax_error(call);
            return;
        }
        if (!lookup_within(call, &call->args[i + 1], 0, INT64_MAX, "ERR LIMIT can't be negative", &limit))
            return;
    }
    if (!sources_open(call, &sources, &call->args[2], (size_t)keys))
        return;
    struct result result = {.kind = RESULT_COUNT, .count_max = limit ? (size_t)limit : SIZE_MAX};
    intersect(&sources, &result);
    sources_close(&sources);
    resp_integer(call->reply, (int64_t)result.count);
}
