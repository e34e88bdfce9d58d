/* SPDX-License-Identifier: MIT */
#include "draw.h"

#include <assert.h>
#include <stdlib.h>

#include "chance.h"

/* Draws with repeats have no natural end: from this size on they are refused, but for a single one. */
enum { REPLY_MAX = 64 * 1024 * 1024 };

static void reply_member(struct call *call, const struct member *member, draw_value *value) {
    if (value && call->reply->protocol > 2)
        resp_array(call->reply, 2);
    resp_bulk(call->reply, member->key.bytes, member->key.length);
    if (value)
        value(call->reply, member);
}

static void reply_header(struct call *call, size_t count, draw_value *value) {
    resp_array(call->reply, value && call->reply->protocol == 2 ? 2 * count : count);
}

void draw_one(struct call *call, const struct item *item) {
    struct member member;
    uint64_t state = call->seed;
    if (!item) {
        resp_null(call->reply);
        return;
    }
    collection_at(item, chance_below(&state, collection_count(item)), &member);
    resp_bulk(call->reply, member.key.bytes, member.key.length);
}

static void reply_all(struct call *call, const struct item *item, draw_value *value) {
    struct collection_walk walk;
    struct member member;
    reply_header(call, collection_count(item), value);
    collection_walk_begin(&walk, item);
    while (collection_walk_next(&walk, &member))
        reply_member(call, &member, value);
}

static void reply_different(struct call *call, const struct item *item, size_t count, draw_value *value) {
    uint64_t state = call->seed;
    size_t *places = chance_choose(&state, collection_count(item), count);
    reply_header(call, count, value);
    for (size_t i = 0; i < count; i++) {
        struct member member;
        collection_at(item, places[i], &member);
        reply_member(call, &member, value);
    }
    free(places);
}

static void reply_repeats(struct call *call, const struct item *item, size_t count, draw_value *value) {
    struct resp_buf *buf = call->reply->buf;
    size_t members = collection_count(item), begin = buf ? resp_buf_length(buf) : 0;
    uint64_t state = call->seed;
    reply_header(call, count, value);
    for (size_t i = 0; buf && i < count; i++) {
        struct member member;
        if (i > 0 && resp_buf_length(buf) - begin > REPLY_MAX) {
            resp_buf_truncate(buf, begin);
            resp_error(call->reply, "ERR value is out of range");
            return;
        }
        collection_at(item, chance_below(&state, members), &member);
        reply_member(call, &member, value);
    }
}

void draw_several(struct call *call, const struct item *item, int64_t count, draw_value *value) {
    assert(count != INT64_MIN);
    if (!item || count == 0)
        resp_array(call->reply, 0);
    else if (count < 0)
        reply_repeats(call, item, (size_t)-count, value);
    else if ((uint64_t)count >= collection_count(item))
        reply_all(call, item, value);
    else
        reply_different(call, item, (size_t)count, value);
}
