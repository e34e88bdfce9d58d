/* SPDX-License-Identifier: MIT */
/* Sorted sets from their ends, and at random: ZPOPMIN, ZPOPMAX, ZMPOP, ZRANDMEMBER. */
#include <stdlib.h>

#include "blocking.h"
#include "chance.h"
#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "zsets.h"

/* ---- from an end --- */

static void reply_end(struct call *call, const struct item *item, size_t count, bool from_top, bool pairs) {
    struct zset_walk walk;
    struct member member;
    zset_walk_begin(&walk, item, from_top ? collection_count(item) - 1 : 0);
    while (count-- > 0 && (from_top ? zset_walk_down : zset_walk_up)(&walk, &member)) {
        if (pairs)
            resp_array(call->reply, 2);
        resp_bulk(call->reply, member.key.bytes, member.key.length);
        resp_double(call->reply, member.score);
    }
}

static void take(struct call *call, const struct resp_arg *key, const struct item *item, size_t count,
                 bool from_top, bool pairs) {
    struct collection zset;
    size_t all = collection_count(item);
    reply_end(call, item, count, from_top, pairs);
    zsets_open(call, key, &zset);
    zset_remove_ranks(&zset, from_top ? all - count : 0, from_top ? all : count);
    notify_left(call, EVENT_ZSET, from_top ? "zpopmax" : "zpopmin", key,
                collection_close(&zset, call->version));
}

/* `pairs`: each member in an array with its score. `count` may be more than there are. */
static void pop(struct call *call, const struct resp_arg *key, const struct item *item, int64_t count,
                bool from_top, bool pairs) {
    size_t all = collection_count(item), popped = count < (int64_t)all ? (size_t)count : all;
    resp_array(call->reply, pairs ? popped : popped * 2);
    take(call, key, item, popped, from_top, pairs);
}

static void pop_one_key(struct call *call, bool from_top) {
    int64_t count = 1;
    struct item *item;
    if (call->count > 3) {
        lookup_syntax_error(call);
        return;
    }
    if (call->count == 3 && !lookup_within(call, &call->args[2], 0, INT64_MAX,
                                           "ERR value is out of range, must be positive", &count))
        return;
    if (!lookup_type(call, &call->args[1], VALUE_ZSET, &item))
        return;
    if (item && count > 0)
        pop(call, &call->args[1], item, count, from_top, call->count == 3 && call->reply->protocol == 3);
    else
        resp_array(call->reply, 0);
}

void cmd_zpopmin(struct call *call) {
    pop_one_key(call, false);
}

void cmd_zpopmax(struct call *call) {
    pop_one_key(call, true);
}

/* ---- from the first of several keys that is there --- */

struct multi_pop {
    size_t first, keys; /* args[first] and so on */
    int64_t count;
    bool from_top;
};

/* args[at] says how many keys there are. */
static bool parse_multi_pop(struct call *call, size_t at, struct multi_pop *asked) {
    int64_t keys;
    *asked = (struct multi_pop){.first = at + 1, .count = 1};
    if (!lookup_within(call, &call->args[at], 1, INT64_MAX, "ERR numkeys should be greater than 0", &keys))
        return false;
    size_t where = asked->first + (size_t)keys;
    asked->keys = (size_t)keys;
    if (where < call->count && resp_arg_is(&call->args[where], "max"))
        asked->from_top = true;
    else if (where >= call->count || !resp_arg_is(&call->args[where], "min")) {
        lookup_syntax_error(call);
        return false;
    }
    bool counted = call->count > where + 2 && resp_arg_is(&call->args[where + 1], "count");
    if (counted && !lookup_within(call, &call->args[where + 2], 1, INT64_MAX,
                                  "ERR count should be greater than 0", &asked->count))
        return false;
    size_t end = where + (counted ? 3 : 1);
    if (call->count != end)
        lookup_syntax_error(call);
    return call->count == end;
}

static void multi_pop(struct call *call, const struct multi_pop *asked) {
    const struct resp_arg *key;
    struct item *item;
    if (!blocking_find(call, VALUE_ZSET, asked->first, asked->keys, &key, &item))
        return;
    resp_array(call->reply, 2);
    resp_bulk(call->reply, key->bytes, key->length);
    pop(call, key, item, asked->count, asked->from_top, true);
}

void cmd_zmpop(struct call *call) {
    struct multi_pop asked;
    if (parse_multi_pop(call, 1, &asked))
        multi_pop(call, &asked);
}

void cmd_bzmpop(struct call *call) {
    struct multi_pop asked;
    if (parse_multi_pop(call, 2, &asked) && blocking_timeout(call, 1))
        multi_pop(call, &asked);
}

static void pop_first(struct call *call, bool from_top) {
    const struct resp_arg *key;
    struct item *item;
    if (!blocking_timeout(call, call->count - 1) ||
        !blocking_find(call, VALUE_ZSET, 1, call->count - 2, &key, &item))
        return;
    resp_array(call->reply, 3);
    resp_bulk(call->reply, key->bytes, key->length);
    take(call, key, item, 1, from_top, false);
}

void cmd_bzpopmin(struct call *call) {
    pop_first(call, false);
}

void cmd_bzpopmax(struct call *call) {
    pop_first(call, true);
}

/* ---- at random --- */

/* As many as are drawn with repetition at most: each costs a part of the reply, which must fit into memory. */
enum { DRAWS_MAX = 1 << 24 };

static void reply_place(struct call *call, const struct item *item, size_t place, bool with_scores) {
    struct member member;
    collection_at(item, place, &member);
    zsets_reply_member(call, &member.key, member.score, with_scores);
}

static void draw_again_and_again(struct call *call, const struct item *item, int64_t count,
                                 bool with_scores) {
    uint64_t state = call->seed;
    if (count > DRAWS_MAX) {
        resp_error(call->reply, "ERR value is out of range");
        return;
    }
    zsets_reply_header(call, (size_t)count, with_scores);
    while (count-- > 0)
        reply_place(call, item, chance_below(&state, collection_count(item)), with_scores);
}

static void draw_different(struct call *call, const struct item *item, size_t count, bool with_scores) {
    uint64_t state = call->seed;
    size_t *places = chance_choose(&state, collection_count(item), count);
    zsets_reply_header(call, count, with_scores);
    for (size_t i = 0; i < count; i++)
        reply_place(call, item, places[i], with_scores);
    free(places);
}

static void reply_all(struct call *call, const struct item *item, bool with_scores) {
    struct collection_walk walk;
    struct member member;
    zsets_reply_header(call, collection_count(item), with_scores);
    collection_walk_begin(&walk, item);
    while (collection_walk_next(&walk, &member))
        zsets_reply_member(call, &member.key, member.score, with_scores);
}

static void random_members(struct call *call, const struct item *item, int64_t count, bool with_scores) {
    if (!item || count == 0)
        resp_array(call->reply, 0);
    else if (count < 0)
        draw_again_and_again(call, item, -count, with_scores);
    else if ((uint64_t)count >= collection_count(item))
        reply_all(call, item, with_scores);
    else
        draw_different(call, item, (size_t)count, with_scores);
}

static bool parse_random(struct call *call, int64_t *count) {
    if (!lookup_within(call, &call->args[2], -INT64_MAX, INT64_MAX, NULL, count))
        return false;
    if (call->count > 4 || (call->count == 4 && !resp_arg_is(&call->args[3], "withscores"))) {
        lookup_syntax_error(call);
        return false;
    }
    if (call->count == 4 && (*count < -INT64_MAX / 2 || *count > INT64_MAX / 2)) {
        resp_error(call->reply, "ERR value is out of range");
        return false;
    }
    return true;
}

void cmd_zrandmember(struct call *call) {
    struct item *item;
    int64_t count;
    if (call->count > 2 && !parse_random(call, &count))
        return;
    if (!lookup_type(call, &call->args[1], VALUE_ZSET, &item))
        return;
    if (call->count > 2) {
        random_members(call, item, count, call->count == 4);
        return;
    }
    if (!item) {
        resp_null(call->reply);
        return;
    }
    uint64_t state = call->seed;
    reply_place(call, item, chance_below(&state, collection_count(item)), false);
}
