/* SPDX-License-Identifier: MIT */
/* LPOS key element [RANK rank] [COUNT matches] [MAXLEN length]: where an element lies in a list. */
#include <string.h>

#include "../data/lists.h"
#include "families.h"
#include "lookup.h"

struct search {
    const struct resp_arg *value;
    uint64_t rank; /* the first match that is told; 1 is the first there is */
    bool from_tail;
    bool many;       /* the reply is an array: COUNT was said */
    uint64_t count;  /* of matches told; 0: all */
    uint64_t length; /* of elements looked at; 0: all */
};

static bool parse_rank(struct call *call, const struct resp_arg *arg, struct search *search) {
    int64_t rank;
    if (!lookup_integer(call, arg, &rank))
        return false;
    if (rank == INT64_MIN)
        resp_error(call->reply, "ERR value is out of range, value must between %lld and %lld",
                   (long long)-INT64_MAX, (long long)INT64_MAX);
    else if (rank == 0)
        resp_error(call->reply,
                   "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
                   "or use negative to start from the end of the list");
    else {
        search->from_tail = rank < 0;
        search->rank = (uint64_t)(rank < 0 ? -rank : rank);
        return true;
    }
    return false;
}

static bool parse_natural(struct call *call, const struct resp_arg *arg, const char *name, uint64_t *value) {
    int64_t number;
    if (!resp_arg_integer(arg, &number) || number < 0) {
        resp_error(call->reply, "ERR %s can't be negative", name);
        return false;
    }
    *value = (uint64_t)number;
    return true;
}

static bool parse_option(struct call *call, const struct resp_arg *option, const struct resp_arg *value,
                         struct search *search) {
    if (resp_arg_is(option, "rank"))
        return parse_rank(call, value, search);
    if (resp_arg_is(option, "maxlen"))
        return parse_natural(call, value, "MAXLEN", &search->length);
    if (resp_arg_is(option, "count")) {
        search->many = true;
        return parse_natural(call, value, "COUNT", &search->count);
    }
    lookup_syntax_error(call);
    return false;
}

static bool parse(struct call *call, struct search *search) {
    *search = (struct search){.value = &call->args[2], .rank = 1, .count = 1};
    for (size_t i = 3; i + 1 < call->count; i += 2)
        if (!parse_option(call, &call->args[i], &call->args[i + 1], search))
            return false;
    if (call->count % 2 == 0)
        lookup_syntax_error(call);
    return call->count % 2 == 1;
}

/* Replies with the index of each match that is asked for; returns how many there were. */
static uint64_t tell_matches(struct call *call, const struct search *search, const struct item *item) {
    struct list_walk walk;
    uint64_t matches = 0, told = 0, looked_at = 0;
    bool more = true;
    for (list_at(item, search->from_tail ? collection_count(item) - 1 : 0, &walk);
         more && (search->length == 0 || looked_at < search->length);
         more = search->from_tail ? list_previous(&walk) : list_next(&walk), looked_at++) {
        if (walk.value.length != search->value->length ||
            (walk.value.length && memcmp(walk.value.bytes, search->value->bytes, walk.value.length) != 0) ||
            ++matches < search->rank)
            continue;
        resp_integer(call->reply, (int64_t)walk.index);
        if (++told == search->count)
            break;
    }
    return told;
}

void cmd_lpos(struct call *call) {
    struct search search;
    struct item *item;
    if (!parse(call, &search) || !lookup_type(call, &call->args[1], VALUE_LIST, &item))
        return;
    size_t mark = search.many ? resp_array_open(call->reply) : 0;
    uint64_t told = item ? tell_matches(call, &search, item) : 0;
    if (search.many)
        resp_array_close(call->reply, mark, (size_t)told);
    else if (told == 0)
        resp_null(call->reply);
}
