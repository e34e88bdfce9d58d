/* SPDX-License-Identifier: MIT */
/*
 * SORT and SORT_RO: the elements of a list, set or sorted set, ordered by themselves or by other keys.
 *
 *      load      the elements, copied: what is stored in the end may take the place of what was sorted
 *      weigh     what each of them is ordered by: a number or bytes, its own or those of the key that BY names
 *      order     ascending; DESC turns the whole around
 *      emit      those within LIMIT, or for each of them what GET names: to the client, or into STORE's list
 *
 * BY and GET name a key by a pattern: the first '*' in it becomes the element, and what follows "->" behind that is a field
 * of the hash under the key. A BY without '*' leaves the elements as they are, and only those within LIMIT are loaded.
 *
 * The order is total, so that all nodes come to the same one: what weighs the same is ordered by the bytes of the
 * elements or, if it was weighed by the bytes of other keys, stays in the order in which it was.
 */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../data/lists.h"
#include "families.h"
#include "lookup.h"
#include "notify.h"

struct pattern {
    bool element;                          /* "#": the element itself */
    bool fixed;                            /* no '*': names nothing */
    struct resp_arg before, behind, field; /* field: length 0: the key is a string */
};

struct element {
    struct resp_arg value;
    double score;
    struct resp_arg weight; /* with BY and ALPHA; bytes NULL: there is no such key */
    size_t tie;             /* decides when all else is equal */
};

struct sort {
    bool alpha, descending;
    bool unsorted; /* BY a pattern without '*' was said, whatever another BY says */
    const struct resp_arg *by, *store;
    int64_t limit_start, limit_count;
    struct pattern *gets; /* owned */
    size_t get_count;
    struct element *elements; /* owned */
    size_t count;             /* of elements loaded */
    struct resp_buf bytes;    /* of their values, each with a zero behind it */
    struct resp_buf weights;
    struct resp_buf name; /* of the key that is being looked up */
};

/* A value that a pattern led to; not to be copied. */
struct found {
    struct resp_arg value;
    struct member member;
};

static struct resp_arg part(const struct resp_arg *arg, size_t from, size_t to) {
    assert(from <= to && to <= arg->length);
    return (struct resp_arg){arg->bytes + from, to - from};
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        abort();
    return memory;
}

/* ---- patterns --- */

static struct pattern pattern_of(const struct resp_arg *arg) {
    const char *star = arg->length ? memchr(arg->bytes, '*', arg->length) : NULL;
    struct pattern pattern = {.element = arg->length == 1 && arg->bytes[0] == '#', .fixed = !star};
    if (!star)
        return pattern;
    size_t at = (size_t)(star - arg->bytes), arrow = at + 1;
    while (arrow + 2 < arg->length && memcmp(arg->bytes + arrow, "->", 2) != 0)
        arrow++;
    bool has_field = arrow + 2 < arg->length;
    pattern.before = part(arg, 0, at);
    pattern.behind = part(arg, at + 1, has_field ? arrow : arg->length);
    pattern.field = part(arg, has_field ? arrow + 2 : arg->length, arg->length);
    return pattern;
}

static bool follow(struct call *call, struct resp_buf *name, const struct pattern *pattern,
                   const struct resp_arg *element, struct found *found) {
    found->value = *element;
    if (pattern->element || pattern->fixed)
        return pattern->element;
    resp_buf_truncate(name, 0);
    resp_buf_append(name, pattern->before.bytes, pattern->before.length);
    resp_buf_append(name, element->bytes, element->length);
    resp_buf_append(name, pattern->behind.bytes, pattern->behind.length);
    struct resp_arg key = {resp_buf_length(name) ? resp_buf_bytes(name) : "", resp_buf_length(name)};
    const struct item *item = lookup(call, &key);
    if (!item || item_type(item) != (pattern->field.length ? VALUE_HASH : VALUE_STRING))
        return false;
    if (!pattern->field.length) {
        found->value = item_string(item);
        return true;
    }
    if (!collection_find(item, &pattern->field, &found->member))
        return false;
    found->value = found->member.value;
    return true;
}

/* ---- options --- */

/* Reads the option at `*at` and goes behind it. */
static bool parse_option(struct call *call, struct sort *sort, size_t *at, bool may_store) {
    const struct resp_arg *option = &call->args[*at], *value = option + 1;
    size_t values = call->count - *at - 1;
    *at += 1;
    if (resp_arg_is(option, "asc") || resp_arg_is(option, "desc")) {
        sort->descending = resp_arg_is(option, "desc");
        return true;
    }
    if (resp_arg_is(option, "alpha")) {
        sort->alpha = true;
        return true;
    }
    if (resp_arg_is(option, "limit") && values >= 2) {
        *at += 2;
        return lookup_integer(call, value, &sort->limit_start) &&
               lookup_integer(call, value + 1, &sort->limit_count);
    }
    *at += 1;
    if (values >= 1 && may_store && resp_arg_is(option, "store")) {
        sort->store = value;
    } else if (values >= 1 && resp_arg_is(option, "by")) {
        sort->by = value;
        sort->unsorted = sort->unsorted || pattern_of(value).fixed;
    } else if (values >= 1 && resp_arg_is(option, "get")) {
        sort->gets[sort->get_count++] = pattern_of(value);
    } else {
        lookup_syntax_error(call);
        return false;
    }
    return true;
}

static bool parse(struct call *call, struct sort *sort, bool may_store) {
    for (size_t at = 2; at < call->count;)
        if (!parse_option(call, sort, &at, may_store))
            return false;
    return true;
}

/* ---- loading --- */

static void load_value(struct sort *sort, const struct resp_arg *value) {
    sort->elements[sort->count++].value.length = value->length;
    resp_buf_append(&sort->bytes, value->bytes, value->length);
    resp_buf_append(&sort->bytes, "", 1);
}

static void load_list(struct sort *sort, const struct item *item, size_t from, size_t count, bool backward) {
    struct list_walk walk;
    list_at(item, backward ? collection_count(item) - 1 - from : from, &walk);
    do
        load_value(sort, &walk.value);
    while (sort->count < count && (backward ? list_previous(&walk) : list_next(&walk)));
}

static void load_ranks(struct sort *sort, const struct item *item, size_t from, size_t count, bool backward) {
    struct zset_walk walk;
    struct member member;
    zset_walk_begin(&walk, item, backward ? collection_count(item) - 1 - from : from);
    while (sort->count < count && (backward ? zset_walk_down(&walk, &member) : zset_walk_up(&walk, &member)))
        load_value(sort, &member.key);
}

static void load_members(struct sort *sort, const struct item *item, size_t from, size_t count) {
    struct collection_walk walk;
    struct member member;
    collection_walk_from(&walk, item, from);
    while (sort->count < count && collection_walk_next(&walk, &member))
        load_value(sort, &member.key);
}

/* `count` elements from that place on; of those that are told as they are, DESC goes backward. A set has no order to
 * turn around. */
static void load(struct sort *sort, const struct item *item, size_t from, size_t count) {
    bool backward = sort->unsorted && sort->descending;
    sort->elements = allocate(count, sizeof *sort->elements);
    if (count == 0)
        return;
    if (item_type(item) == VALUE_LIST)
        load_list(sort, item, from, count, backward);
    else if (item_type(item) == VALUE_ZSET && sort->unsorted)
        load_ranks(sort, item, from, count, backward);
    else
        load_members(sort, item, from, count);
    assert(sort->count == count);
    const char *at = resp_buf_bytes(&sort->bytes);
    for (size_t i = 0; i < count; i++) {
        sort->elements[i].value.bytes = at;
        at += sort->elements[i].value.length + 1;
    }
}

/* ---- weighing and ordering --- */

/* As far as the first zero, as Redis reads numbers here. */
static bool read_score(const char *text, double *score) {
    char *end;
    errno = 0;
    *score = strtod(text, &end);
    return *end == '\0' && errno != ERANGE && !isnan(*score);
}

/* False: one of them is no number. What has no key to be weighed by weighs 0. */
static bool weigh_by_score(struct call *call, struct sort *sort, const struct pattern *by) {
    struct found found;
    bool all = true;
    for (size_t i = 0; i < sort->count; i++) {
        struct element *element = &sort->elements[i];
        const char *text = element->value.bytes;
        if (by) {
            if (!follow(call, &sort->name, by, &element->value, &found))
                continue;
            resp_buf_truncate(&sort->weights, 0);
            resp_buf_append(&sort->weights, found.value.bytes, found.value.length);
            resp_buf_append(&sort->weights, "", 1);
            text = resp_buf_bytes(&sort->weights);
        }
        all = read_score(text, &element->score) && all;
    }
    return all;
}

static void weigh_by_bytes(struct call *call, struct sort *sort, const struct pattern *by) {
    struct found found;
    for (size_t i = 0; i < sort->count; i++) {
        struct element *element = &sort->elements[i];
        if (!follow(call, &sort->name, by, &element->value, &found))
            continue;
        element->weight = (struct resp_arg){"", found.value.length};
        resp_buf_append(&sort->weights, found.value.bytes, found.value.length);
    }
    const char *at = resp_buf_bytes(&sort->weights);
    for (size_t i = 0; i < sort->count; i++) {
        struct resp_arg *weight = &sort->elements[i].weight;
        if (weight->length) {
            weight->bytes = at;
            at += weight->length;
        }
    }
}

static int compare_bytes(const struct resp_arg *a, const struct resp_arg *b) {
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = shorter ? memcmp(a->bytes, b->bytes, shorter) : 0;
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_ties(const struct element *a, const struct element *b) {
    return (a->tie > b->tie) - (a->tie < b->tie);
}

static int compare_values(const void *one, const void *other) {
    const struct element *a = one, *b = other;
    int order = compare_bytes(&a->value, &b->value);
    return order ? order : compare_ties(a, b);
}

static int compare_scores(const void *one, const void *other) {
    const struct element *a = one, *b = other;
    int order = (a->score > b->score) - (a->score < b->score);
    return order ? order : compare_values(a, b);
}

/* What has no weight comes first. */
static int compare_weights(const void *one, const void *other) {
    const struct element *a = one, *b = other;
    int order = (a->weight.bytes != NULL) - (b->weight.bytes != NULL);
    if (order == 0 && a->weight.bytes)
        order = compare_bytes(&a->weight, &b->weight);
    return order ? order : compare_ties(a, b);
}

static void turn_around(struct sort *sort) {
    for (size_t i = 0, j = sort->count; i + 1 < j; i++) {
        struct element element = sort->elements[i];
        sort->elements[i] = sort->elements[--j];
        sort->elements[j] = element;
    }
}

/* False: they cannot be ordered as numbers. */
static bool order(struct call *call, struct sort *sort) {
    struct pattern by;
    if (sort->by)
        by = pattern_of(sort->by);
    if (sort->alpha && sort->by)
        weigh_by_bytes(call, sort, &by);
    else if (!sort->alpha && !weigh_by_score(call, sort, sort->by ? &by : NULL))
        return false;
    for (size_t i = 0; i < sort->count; i++)
        sort->elements[i].tie = sort->descending ? sort->count - 1 - i : i;
    qsort(sort->elements, sort->count, sizeof *sort->elements,
          !sort->alpha ? compare_scores
          : sort->by   ? compare_weights
                       : compare_values);
    if (sort->descending)
        turn_around(sort);
    return true;
}

/* ---- emitting --- */

/* The value that a place of the output has: of each element as many as there are GETs. False: there is none. */
static bool output(struct call *call, struct sort *sort, const struct element *elements, size_t place,
                   struct found *found) {
    size_t width = sort->get_count ? sort->get_count : 1;
    const struct element *element = &elements[place / width];
    found->value = element->value;
    return sort->get_count == 0 ||
           follow(call, &sort->name, &sort->gets[place % width], &element->value, found);
}

static void reply_output(struct call *call, struct sort *sort, const struct element *elements, size_t count) {
    struct found found;
    resp_array(call->reply, count);
    for (size_t place = 0; place < count; place++)
        if (output(call, sort, elements, place, &found))
            resp_bulk(call->reply, found.value.bytes, found.value.length);
        else
            resp_null(call->reply);
}

/* What is not there is stored as an empty string. All is read before the list takes its place: it may be one of the keys read. */
static void store_output(struct call *call, struct sort *sort, const struct element *elements, size_t count) {
    struct found found;
    struct collection list;
    struct resp_buf bytes = {0};
    size_t *lengths = allocate(count, sizeof *lengths);
    for (size_t place = 0; place < count; place++)
        if (output(call, sort, elements, place, &found)) {
            lengths[place] = found.value.length;
            resp_buf_append(&bytes, found.value.bytes, found.value.length);
        }
    bool there = keyspace_delete(call->keyspace, call->db, sort->store);
    size_t events = events_count(keyspace_events(call->keyspace));
    if (count > 0) {
        struct resp_arg value = {resp_buf_length(&bytes) ? resp_buf_bytes(&bytes) : "", 0};
        collection_open(&list, call->keyspace, call->db, sort->store, VALUE_LIST, NULL);
        for (size_t place = 0; place < count; place++) {
            value.length = lengths[place];
            list_push(&list, LIST_TAIL, &value);
            value.bytes += value.length;
        }
        collection_close(&list, call->version);
        if (there)
            events_cut(keyspace_events(call->keyspace), events); /* it is no new key */
        notify(call, EVENT_LIST, "sortstore", sort->store);
    } else if (there)
        notify(call, EVENT_GENERIC, "del", sort->store);
    resp_integer(call->reply, (int64_t)count);
    free(lengths);
    resp_buf_close(&bytes);
}

/* ---- the commands --- */

static bool sortable(struct call *call, const struct item *item) {
    if (!item || item_type(item) == VALUE_LIST || item_type(item) == VALUE_SET ||
        item_type(item) == VALUE_ZSET)
        return true;
    lookup_wrong_type(call);
    return false;
}

static void run(struct call *call, struct sort *sort, const struct item *item) {
    size_t length = item ? collection_count(item) : 0;
    uint64_t start = sort->limit_start > 0 ? (uint64_t)sort->limit_start : 0;
    if (sort->unsorted && sort->store && item && item_type(item) == VALUE_SET) {
        sort->unsorted = false; /* what is stored has an order, so the set gets one */
        sort->alpha = true;
        sort->by = NULL;
    }
    size_t from = start < length ? (size_t)start : length, count = length - from;
    if (sort->limit_count >= 0 && (uint64_t)sort->limit_count < count)
        count = (size_t)sort->limit_count;
    load(sort, item, sort->unsorted ? from : 0, sort->unsorted ? count : length);
    if (!sort->unsorted && !order(call, sort)) {
        resp_error(call->reply, "ERR One or more scores can't be converted into double");
        return;
    }
    const struct element *elements = sort->elements + (sort->unsorted ? 0 : from);
    size_t places = count * (sort->get_count ? sort->get_count : 1);
    if (sort->store)
        store_output(call, sort, elements, places);
    else
        reply_output(call, sort, elements, places);
}

static void sort_key(struct call *call, bool may_store) {
    struct sort sort = {.limit_count = -1, .gets = allocate(call->count, sizeof *sort.gets)};
    if (parse(call, &sort, may_store)) {
        const struct item *item = lookup(call, &call->args[1]);
        if (sortable(call, item))
            run(call, &sort, item);
    }
    free(sort.gets);
    free(sort.elements);
    resp_buf_close(&sort.bytes);
    resp_buf_close(&sort.weights);
    resp_buf_close(&sort.name);
}

/* ---- what it would store --- */

enum { LOOKS = 256, ENTRY_BYTES = 8 };

/* What GET leads to for one element. */
static size_t output_bytes(struct call *call, struct sort *sort, const struct resp_arg *element) {
    size_t bytes = 0;
    struct found found;
    for (size_t i = 0; i < sort->get_count; i++)
        bytes += ENTRY_BYTES +
                 (follow(call, &sort->name, &sort->gets[i], element, &found) ? found.value.length : 0);
    return bytes;
}

/* Of LOOKS elements, as evenly as they can be taken; for all of them what those need on average. */
static size_t stored_bytes(struct call *call, struct sort *sort, const struct item *item) {
    size_t bytes = 0, length = collection_count(item), looks = length < LOOKS ? length : LOOKS;
    for (size_t i = 0; i < looks; i++) {
        size_t place = (size_t)((double)i * (double)length / (double)looks);
        struct list_walk walk;
        struct member member;
        if (item_type(item) == VALUE_LIST)
            list_at(item, place, &walk);
        else
            collection_at(item, place, &member);
        bytes += output_bytes(call, sort, item_type(item) == VALUE_LIST ? &walk.value : &member.key);
    }
    if (sort->limit_count >= 0 && (uint64_t)sort->limit_count < length)
        length = (size_t)sort->limit_count;
    return looks ? (size_t)((double)bytes / (double)looks * (double)length) : 0;
}

size_t command_sort_stores(struct call *call) {
    size_t bytes = 0;
    struct sort sort = {.limit_count = -1, .gets = allocate(call->count, sizeof *sort.gets)};
    if (parse(call, &sort, true) && sort.store && sort.get_count > 0) {
        const struct item *item = lookup(call, &call->args[1]);
        if (item && sortable(call, item))
            bytes = stored_bytes(call, &sort, item);
    }
    free(sort.gets);
    resp_buf_close(&sort.name);
    return bytes;
}

void cmd_sort(struct call *call) {
    sort_key(call, true);
}

void cmd_sort_ro(struct call *call) {
    sort_key(call, false);
}
