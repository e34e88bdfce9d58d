/* SPDX-License-Identifier: MIT */
/*
 * Lists. While a command that writes is applied, a key that is due is already gone, so writes look keys up as reads do.
 * A list is opened for a change only when it is known to change, for opening makes one where there is none.
 */
#include "../data/lists.h"

#include <assert.h>
#include <string.h>

#include "blocking.h"
#include "families.h"
#include "lookup.h"
#include "notify.h"

/* ---- what they share --- */

static bool lookup_list(struct call *call, const struct resp_arg *key, struct item **item) {
    return lookup_type(call, key, VALUE_LIST, item);
}

static void open_list(struct call *call, const struct resp_arg *key, struct collection *list) {
    collection_open(list, call->keyspace, call->db, key, VALUE_LIST, NULL);
}

static void reply_element(struct call *call, const struct resp_arg *value) {
    resp_bulk(call->reply, value->bytes, value->length);
}

/* `count` elements from the one at `index` on, toward the tail or the head. */
static void reply_elements(struct call *call, const struct item *item, size_t index, size_t count,
                           bool toward_head) {
    struct list_walk walk;
    resp_array(call->reply, count);
    if (count == 0)
        return;
    list_at(item, index, &walk);
    for (size_t left = count; left > 0; left--) {
        reply_element(call, &walk.value);
        bool more = toward_head ? list_previous(&walk) : list_next(&walk);
        assert(more || left == 1);
    }
}

/* An index that may count from the end, -1 being the last, made one from the head; false: it is outside. */
static bool index_inside(int64_t wanted, size_t count, size_t *index) {
    if (wanted < 0)
        wanted += (int64_t)count;
    *index = (size_t)wanted;
    return wanted >= 0 && *index < count;
}

struct span {
    size_t from, count;
};

/* What lies between two such indexes, both of them included. */
static struct span span_inside(int64_t from, int64_t to, size_t count) {
    int64_t length = (int64_t)count;
    from = from < 0 ? from + length : from;
    to = to < 0 ? to + length : to;
    from = from < 0 ? 0 : from;
    to = to >= length ? length - 1 : to;
    if (from > to)
        return (struct span){0, 0};
    return (struct span){(size_t)from, (size_t)(to - from + 1)};
}

static bool parse_end(struct call *call, const struct resp_arg *arg, enum list_end *end) {
    if (resp_arg_is(arg, "left"))
        *end = LIST_HEAD;
    else if (resp_arg_is(arg, "right"))
        *end = LIST_TAIL;
    else {
        lookup_syntax_error(call);
        return false;
    }
    return true;
}

/* By the end. */
static const char *const push_events[] = {[LIST_HEAD] = "lpush", [LIST_TAIL] = "rpush"};
static const char *const pop_events[] = {[LIST_HEAD] = "lpop", [LIST_TAIL] = "rpop"};

/* ---- pushing --- */

static void push(struct call *call, enum list_end end, bool must_exist) {
    struct collection list;
    struct item *item;
    if (!lookup_list(call, &call->args[1], &item))
        return;
    if (must_exist && !item) {
        resp_integer(call->reply, 0);
        return;
    }
    open_list(call, &call->args[1], &list);
    for (size_t i = 2; i < call->count; i++)
        list_push(&list, end, &call->args[i]);
    resp_integer(call->reply, (int64_t)collection_count(list.item));
    collection_close(&list, call->version);
    notify(call, EVENT_LIST, push_events[end], &call->args[1]);
}

void cmd_lpush(struct call *call) {
    push(call, LIST_HEAD, false);
}

void cmd_rpush(struct call *call) {
    push(call, LIST_TAIL, false);
}

void cmd_lpushx(struct call *call) {
    push(call, LIST_HEAD, true);
}

void cmd_rpushx(struct call *call) {
    push(call, LIST_TAIL, true);
}

static bool find_first(const struct item *item, const struct resp_arg *value, struct list_walk *walk) {
    list_at(item, 0, walk);
    do {
        if (walk->value.length == value->length &&
            (value->length == 0 || memcmp(walk->value.bytes, value->bytes, value->length) == 0))
            return true;
    } while (list_next(walk));
    return false;
}

void cmd_linsert(struct call *call) {
    bool after = resp_arg_is(&call->args[2], "after");
    struct collection list;
    struct list_walk walk;
    struct item *item;
    if (!after && !resp_arg_is(&call->args[2], "before")) {
        lookup_syntax_error(call);
        return;
    }
    if (!lookup_list(call, &call->args[1], &item))
        return;
    if (!item || !find_first(item, &call->args[3], &walk)) {
        resp_integer(call->reply, item ? -1 : 0);
        return;
    }
    open_list(call, &call->args[1], &list);
    list_insert(&list, walk.index + after, &call->args[4]);
    resp_integer(call->reply, (int64_t)collection_count(list.item));
    collection_close(&list, call->version);
    notify(call, EVENT_LIST, "linsert", &call->args[1]);
}

/* ---- popping --- */

/* Replies with up to `count` elements from one end, as an array, and takes them away. */
static void pop_many(struct call *call, const struct resp_arg *key, const struct item *item,
                     enum list_end end, uint64_t count) {
    struct collection list;
    size_t length = collection_count(item), popped = count < length ? (size_t)count : length;
    reply_elements(call, item, end == LIST_HEAD ? 0 : length - 1, popped, end == LIST_TAIL);
    if (popped == 0)
        return;
    open_list(call, key, &list);
    list_remove(&list, end == LIST_HEAD ? 0 : length - popped, popped);
    notify_left(call, EVENT_LIST, pop_events[end], key, collection_close(&list, call->version));
}

static void pop_one(struct call *call, const struct resp_arg *key, const struct item *item,
                    enum list_end end) {
    struct collection list;
    struct list_walk walk;
    list_at(item, end == LIST_HEAD ? 0 : collection_count(item) - 1, &walk);
    reply_element(call, &walk.value);
    open_list(call, key, &list);
    list_pop(&list, end);
    notify_left(call, EVENT_LIST, pop_events[end], key, collection_close(&list, call->version));
}

/* A number of at least `min`; `error` is the answer to anything else. */
static bool parse_number(struct call *call, const struct resp_arg *arg, int64_t min, const char *error,
                         int64_t *value) {
    if (resp_arg_integer(arg, value) && *value >= min)
        return true;
    resp_error(call->reply, "ERR %s", error);
    return false;
}

static void pop(struct call *call, enum list_end end) {
    bool many = call->count == 3;
    int64_t count = 1;
    struct item *item;
    if (call->count > 3) {
        resp_error(call->reply, "ERR wrong number of arguments for '%s' command", call->command->name);
        return;
    }
    if (many && !parse_number(call, &call->args[2], 0, "value is out of range, must be positive", &count))
        return;
    if (!lookup_list(call, &call->args[1], &item))
        return;
    if (item && many)
        pop_many(call, &call->args[1], item, end, (uint64_t)count);
    else if (item)
        pop_one(call, &call->args[1], item, end);
    else if (many)
        resp_null_array(call->reply);
    else
        resp_null(call->reply);
}

void cmd_lpop(struct call *call) {
    pop(call, LIST_HEAD);
}

void cmd_rpop(struct call *call) {
    pop(call, LIST_TAIL);
}

struct multi_pop {
    size_t first, keys; /* args[first] and so on */
    enum list_end end;
    int64_t count;
};

/* args[at] says how many keys there are. */
static bool parse_multi_pop(struct call *call, size_t at, struct multi_pop *asked) {
    int64_t announced;
    if (!parse_number(call, &call->args[at], 1, "numkeys should be greater than 0", &announced))
        return false;
    if ((uint64_t)announced > call->count - at - 2) {
        lookup_syntax_error(call);
        return false;
    }
    *asked = (struct multi_pop){.first = at + 1, .keys = (size_t)announced, .count = 1};
    at += asked->keys + 1;
    if (!parse_end(call, &call->args[at++], &asked->end))
        return false;
    if (at == call->count)
        return true;
    if (!resp_arg_is(&call->args[at], "count") || at + 1 == call->count) {
        lookup_syntax_error(call);
        return false;
    }
    if (!parse_number(call, &call->args[at + 1], 1, "count should be greater than 0", &asked->count))
        return false;
    if (at + 2 < call->count)
        lookup_syntax_error(call);
    return at + 2 == call->count;
}

static void multi_pop(struct call *call, const struct multi_pop *asked) {
    const struct resp_arg *key;
    struct item *item;
    if (!blocking_find(call, VALUE_LIST, asked->first, asked->keys, &key, &item))
        return;
    resp_array(call->reply, 2);
    reply_element(call, key);
    pop_many(call, key, item, asked->end, (uint64_t)asked->count);
}

void cmd_lmpop(struct call *call) {
    struct multi_pop asked;
    if (parse_multi_pop(call, 1, &asked))
        multi_pop(call, &asked);
}

void cmd_blmpop(struct call *call) {
    struct multi_pop asked;
    if (parse_multi_pop(call, 2, &asked) && blocking_timeout(call, 1))
        multi_pop(call, &asked);
}

static void pop_first(struct call *call, enum list_end end) {
    const struct resp_arg *key;
    struct item *item;
    if (!blocking_timeout(call, call->count - 1) ||
        !blocking_find(call, VALUE_LIST, 1, call->count - 2, &key, &item))
        return;
    resp_array(call->reply, 2);
    reply_element(call, key);
    pop_one(call, key, item, end);
}

void cmd_blpop(struct call *call) {
    pop_first(call, LIST_HEAD);
}

void cmd_brpop(struct call *call) {
    pop_first(call, LIST_TAIL);
}

/* ---- from one list to another --- */

/* The element is another key's when it is pushed; of one list that moves its own it must be copied. */
static void rotate(struct call *call, const struct item *item, enum list_end from, enum list_end to) {
    struct collection list;
    struct list_walk walk;
    struct resp_buf copy = {0};
    list_at(item, from == LIST_HEAD ? 0 : collection_count(item) - 1, &walk);
    reply_element(call, &walk.value);
    resp_buf_append(&copy, walk.value.bytes, walk.value.length);
    struct resp_arg value = {copy.bytes ? copy.bytes : "", walk.value.length};
    open_list(call, &call->args[1], &list);
    list_pop(&list, from);
    list_push(&list, to, &value);
    collection_close(&list, call->version);
    notify(call, EVENT_LIST, push_events[to], &call->args[1]);
    notify(call, EVENT_LIST, pop_events[from], &call->args[1]);
    resp_buf_close(&copy);
}

static void move(struct call *call, enum list_end from, enum list_end to) {
    struct item *source, *target;
    struct collection list;
    struct list_walk walk;
    if (!lookup_list(call, &call->args[1], &source))
        return;
    if (!source) {
        call->end = CALL_BLOCKS;
        resp_null(call->reply);
        return;
    }
    if (blocking_looks(call) || !lookup_list(call, &call->args[2], &target))
        return;
    if (source == target) {
        rotate(call, source, from, to);
        return;
    }
    list_at(source, from == LIST_HEAD ? 0 : collection_count(source) - 1, &walk);
    open_list(call, &call->args[2], &list);
    list_push(&list, to, &walk.value);
    collection_close(&list, call->version);
    notify(call, EVENT_LIST, push_events[to], &call->args[2]);
    pop_one(call, &call->args[1], source, from);
}

void cmd_lmove(struct call *call) {
    enum list_end from, to;
    if (parse_end(call, &call->args[3], &from) && parse_end(call, &call->args[4], &to))
        move(call, from, to);
}

void cmd_blmove(struct call *call) {
    enum list_end from, to;
    if (parse_end(call, &call->args[3], &from) && parse_end(call, &call->args[4], &to) &&
        blocking_timeout(call, 5))
        move(call, from, to);
}

void cmd_rpoplpush(struct call *call) {
    move(call, LIST_TAIL, LIST_HEAD);
}

void cmd_brpoplpush(struct call *call) {
    if (blocking_timeout(call, 3))
        move(call, LIST_TAIL, LIST_HEAD);
}

/* ---- reading --- */

void cmd_llen(struct call *call) {
    struct item *item;
    if (lookup_list(call, &call->args[1], &item))
        resp_integer(call->reply, item ? (int64_t)collection_count(item) : 0);
}

void cmd_lindex(struct call *call) {
    struct item *item;
    struct list_walk walk;
    int64_t wanted;
    size_t index;
    if (!lookup_list(call, &call->args[1], &item))
        return;
    if (!item) {
        resp_null(call->reply);
        return;
    }
    if (!lookup_integer(call, &call->args[2], &wanted))
        return;
    if (!index_inside(wanted, collection_count(item), &index)) {
        resp_null(call->reply);
        return;
    }
    list_at(item, index, &walk);
    reply_element(call, &walk.value);
}

void cmd_lrange(struct call *call) {
    int64_t from, to;
    struct item *item;
    if (!lookup_integer(call, &call->args[2], &from) || !lookup_integer(call, &call->args[3], &to) ||
        !lookup_list(call, &call->args[1], &item))
        return;
    struct span span = span_inside(from, to, item ? collection_count(item) : 0);
    reply_elements(call, item, span.from, span.count, false);
}

/* ---- changing --- */

void cmd_lset(struct call *call) {
    struct collection list;
    struct item *item;
    int64_t wanted;
    size_t index;
    if (!lookup_list(call, &call->args[1], &item))
        return;
    if (!item) {
        resp_error(call->reply, "ERR no such key");
        return;
    }
    if (!lookup_integer(call, &call->args[2], &wanted))
        return;
    if (!index_inside(wanted, collection_count(item), &index)) {
        resp_error(call->reply, "ERR index out of range");
        return;
    }
    open_list(call, &call->args[1], &list);
    list_set(&list, index, &call->args[3]);
    collection_close(&list, call->version);
    notify(call, EVENT_LIST, "lset", &call->args[1]);
    resp_status(call->reply, "OK");
}

/* A negative count: so many, but from the tail. 0: all. */
void cmd_lrem(struct call *call) {
    struct collection list;
    struct item *item;
    int64_t wanted;
    if (!lookup_integer(call, &call->args[2], &wanted) || !lookup_list(call, &call->args[1], &item))
        return;
    if (!item) {
        resp_integer(call->reply, 0);
        return;
    }
    uint64_t count = wanted < 0 ? 0 - (uint64_t)wanted : (uint64_t)wanted;
    open_list(call, &call->args[1], &list);
    size_t removed = list_remove_equal(&list, &call->args[3], wanted == 0 ? SIZE_MAX : (size_t)count,
                                       wanted < 0 ? LIST_TAIL : LIST_HEAD);
    bool left = collection_close(&list, call->version);
    if (removed > 0)
        notify_left(call, EVENT_LIST, "lrem", &call->args[1], left);
    resp_integer(call->reply, (int64_t)removed);
}

void cmd_ltrim(struct call *call) {
    struct collection list;
    struct item *item;
    int64_t from, to;
    if (!lookup_integer(call, &call->args[2], &from) || !lookup_integer(call, &call->args[3], &to) ||
        !lookup_list(call, &call->args[1], &item))
        return;
    if (item) {
        size_t length = collection_count(item);
        struct span kept = span_inside(from, to, length);
        open_list(call, &call->args[1], &list);
        list_remove(&list, kept.from + kept.count, length - kept.from - kept.count);
        list_remove(&list, 0, kept.from);
        notify_left(call, EVENT_LIST, "ltrim", &call->args[1], collection_close(&list, call->version));
    }
    resp_status(call->reply, "OK");
}
