/* SPDX-License-Identifier: MIT */
#include "scan.h"

#include "../data/glob.h"
#include "lookup.h"

bool scan_is_star(const struct resp_arg *pattern) {
    return pattern->length == 1 && pattern->bytes[0] == '*';
}

/* Takes what strtoul takes: a sign, leading zeros, nothing at all. */
static bool parse_cursor(const struct resp_arg *arg, uint64_t *cursor) {
    size_t i = 0;
    bool negative = false;
    *cursor = 0;
    if (arg->length == 0)
        return true;
    if (arg->bytes[0] == '-' || arg->bytes[0] == '+')
        negative = arg->bytes[i++] == '-';
    if (i == arg->length)
        return false;
    for (; i < arg->length; i++) {
        unsigned digit = (unsigned char)arg->bytes[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(*cursor, UINT64_C(10), cursor) ||
            __builtin_add_overflow(*cursor, (uint64_t)digit, cursor))
            return false;
    }
    if (negative)
        *cursor = 0 - *cursor;
    return true;
}

bool scan_cursor(struct call *call, const struct resp_arg *arg, struct scan *scan) {
    *scan = (struct scan){.count = 10};
    if (parse_cursor(arg, &scan->cursor))
        return true;
    resp_error(call->reply, "ERR invalid cursor");
    return false;
}

bool scan_options(struct call *call, size_t from, bool types, struct scan *scan) {
    for (size_t i = from; i < call->count; i += 2) {
        const struct resp_arg *option = &call->args[i], *value = option + 1;
        bool counts = resp_arg_is(option, "count");
        bool has_value = i + 1 < call->count;
        if (has_value && counts && !lookup_integer(call, value, &scan->count))
            return false;
        if (has_value && resp_arg_is(option, "match")) {
            scan->pattern = scan_is_star(value) ? NULL : value;
        } else if (has_value && types && resp_arg_is(option, "type")) {
            scan->type = value;
        } else if (!has_value || !counts || scan->count < 1) {
            lookup_syntax_error(call);
            return false;
        }
    }
    return true;
}

void scan_range(const struct scan *scan, size_t places, size_t *from, size_t *end) {
    *from = scan->cursor == 0 || scan->cursor > places ? places : (size_t)scan->cursor;
    *end = *from > (uint64_t)scan->count ? *from - (size_t)scan->count : 0;
}

/* ---- members --- */

static size_t reply_member(struct call *call, const struct scan *scan, const struct member *member,
                           scan_value *value) {
    if (scan->pattern && !glob_match(scan->pattern, &member->key))
        return 0;
    resp_bulk(call->reply, member->key.bytes, member->key.length);
    if (!value)
        return 1;
    value(call->reply, member);
    return 2;
}

/* A small collection has no places that last: all of it comes at once, whatever the count says. */
static void reply_small(struct call *call, const struct scan *scan, const struct item *item,
                        scan_value *value) {
    struct collection_walk walk;
    struct member member;
    resp_bulk_text(call->reply, "0");
    size_t mark = resp_array_open(call->reply), found = 0;
    collection_walk_begin(&walk, item);
    while (collection_walk_next(&walk, &member))
        found += reply_member(call, scan, &member, value);
    resp_array_close(call->reply, mark, found);
}

static void reply_step(struct call *call, const struct scan *scan, const struct item *item,
                       scan_value *value) {
    size_t from, end, found = 0;
    scan_range(scan, collection_count(item), &from, &end);
    resp_bulk_format(call->reply, "%zu", end);
    size_t mark = resp_array_open(call->reply);
    for (size_t place = from; place-- > end;) {
        struct member member;
        collection_at(item, place, &member);
        found += reply_member(call, scan, &member, value);
    }
    resp_array_close(call->reply, mark, found);
}

void scan_members(struct call *call, enum value_type type, scan_value *value) {
    struct scan scan;
    struct item *item;
    if (!scan_cursor(call, &call->args[2], &scan) || !lookup_type(call, &call->args[1], type, &item))
        return;
    if (item && !scan_options(call, 3, false, &scan))
        return;
    resp_array(call->reply, 2);
    if (!item) { /* the options do not matter then, as in Redis */
        resp_bulk_text(call->reply, "0");
        resp_array(call->reply, 0);
    } else if (collection_is_small(item)) {
        reply_small(call, &scan, item, value);
    } else {
        reply_step(call, &scan, item, value);
    }
}
