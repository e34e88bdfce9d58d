/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "wire.h"

enum { CLOCKS_APART_MS = 3000 };

static int order_replies(const void *a, const void *b) {
    const struct reply *one = a, *other = b;
    size_t shorter = one->length < other->length ? one->length : other->length;
    int order = memcmp(one->bytes, other->bytes, shorter);
    return order != 0 ? order : (one->length > other->length) - (one->length < other->length);
}

/* As `pairs`: two by two, unless they are arrays themselves. */
static size_t elements_by(struct reply reply, bool pairs, struct reply *elements, struct reply *head) {
    size_t at = (size_t)((const char *)memchr(reply.bytes, '\n', reply.length) - reply.bytes) + 1;
    long count = strtol(reply.bytes + 1, NULL, 10);
    if (count == 2 && at < reply.length && reply.bytes[at] == '$') {
        size_t cursor = (size_t)wire_reply_length(reply.bytes + at, reply.length - at);
        if (at + cursor < reply.length && reply.bytes[at + cursor] == '*') {
            at += cursor;
            count = strtol(reply.bytes + at + 1, NULL, 10);
            at += (size_t)((const char *)memchr(reply.bytes + at, '\n', reply.length - at) - reply.bytes) +
                  1 - at;
        }
    }
    *head = (struct reply){reply.bytes, at};
    bool is_map = reply.bytes[0] == '%',
         by_two = is_map || (pairs && at < reply.length && reply.bytes[at] != '*');
    size_t found = 0, number = by_two && !is_map ? (size_t)count / 2 : (size_t)count;
    for (; found < number && found < COMPARE_ELEMENTS_MAX; found++) {
        elements[found].bytes = reply.bytes + at;
        for (int part = 0; part <= by_two; part++)
            at += (size_t)wire_reply_length(reply.bytes + at, reply.length - at);
        elements[found].length = (size_t)(reply.bytes + at - elements[found].bytes);
    }
    qsort(elements, found, sizeof(*elements), order_replies);
    return found;
}

size_t compare_elements(struct reply reply, struct reply *elements, struct reply *head) {
    return elements_by(reply, false, elements, head);
}

bool compare_bytes(struct reply one, struct reply other) {
    return one.length == other.length && memcmp(one.bytes, other.bytes, one.length) == 0;
}

static bool is_several(struct reply reply) {
    return strchr("*~%", reply.bytes[0]) != NULL;
}

static bool equal_elements(struct reply one, struct reply other, bool pairs) {
    static struct reply ones[COMPARE_ELEMENTS_MAX], others[COMPARE_ELEMENTS_MAX];
    struct reply head, other_head;
    if (!is_several(one) || !is_several(other))
        return compare_bytes(one, other);
    size_t count = elements_by(one, pairs, ones, &head);
    if (elements_by(other, pairs, others, &other_head) != count || !compare_bytes(head, other_head))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!compare_bytes(ones[i], others[i]))
            return false;
    }
    return true;
}

static bool equal_in_any_order(struct reply one, struct reply other) {
    return equal_elements(one, other, false);
}

static bool equal_in_pairs(struct reply one, struct reply other) {
    return equal_elements(one, other, true);
}

static bool equal_in_time(struct reply one, struct reply other) {
    long long a = strtoll(one.bytes + 1, NULL, 10), b = strtoll(other.bytes + 1, NULL, 10);
    if (one.bytes[0] != ':' || other.bytes[0] != ':' || a <= 0 || b <= 0)
        return compare_bytes(one, other);
    return llabs(a - b) <= (long long)harness_scaled_ms(CLOCKS_APART_MS);
}

static struct reply line_of(struct reply reply, size_t at) {
    const char *end = memchr(reply.bytes + at, '\n', reply.length - at);
    return (struct reply){reply.bytes + at, end ? (size_t)(end - reply.bytes) + 1 - at : reply.length - at};
}

static bool equal_in_times(struct reply one, struct reply other) {
    size_t a = 0, b = 0;
    while (a < one.length && b < other.length) {
        struct reply line = line_of(one, a), twin = line_of(other, b);
        bool numbers = line.bytes[0] == ':' && twin.bytes[0] == ':';
        long long apart = llabs(strtoll(line.bytes + 1, NULL, 10) - strtoll(twin.bytes + 1, NULL, 10));
        if (numbers ? apart > (long long)harness_scaled_ms(CLOCKS_APART_MS) : !compare_bytes(line, twin))
            return false;
        a += line.length;
        b += twin.length;
    }
    return a == one.length && b == other.length;
}

/* Types line by line; a bulk's bytes do not count. */
static bool equal_in_shape(struct reply one, struct reply other) {
    if (one.bytes[0] != other.bytes[0] || one.bytes[0] == '-')
        return compare_bytes(one, other);
    if (is_several(one)) {
        static struct reply ones[COMPARE_ELEMENTS_MAX], others[COMPARE_ELEMENTS_MAX];
        struct reply head;
        return compare_elements(one, ones, &head) == compare_elements(other, others, &head);
    }
    return (one.bytes[1] == '-') == (other.bytes[1] == '-');
}

/* What APPEND, SETRANGE, SETBIT ... leave behind Redis calls raw, and INCRBYFLOAT's sums it never calls int; a sorted set that was
 * sorted it calls a skiplist. */
static bool equal_in_encoding(struct reply one, struct reply other) {
    static const char raw[] = "$3\r\nraw\r\n", embstr[] = "$6\r\nembstr\r\n", number[] = "$3\r\nint\r\n";
    static const char skiplist[] = "$8\r\nskiplist\r\n", listpack[] = "$8\r\nlistpack\r\n";
    bool is_raw = compare_bytes(one, (struct reply){raw, strlen(raw)});
    bool is_embstr = compare_bytes(one, (struct reply){embstr, strlen(embstr)});
    return compare_bytes(one, other) ||
           (compare_bytes(one, (struct reply){skiplist, strlen(skiplist)}) &&
            compare_bytes(other, (struct reply){listpack, strlen(listpack)})) ||
           (is_raw && compare_bytes(other, (struct reply){embstr, strlen(embstr)})) ||
           ((is_raw || is_embstr) && compare_bytes(other, (struct reply){number, strlen(number)}));
}

static bool (*const equal[])(struct reply one, struct reply other) = {
    [COMPARE_BYTES] = compare_bytes,        [COMPARE_ANY_ORDER] = equal_in_any_order,
    [COMPARE_TIME] = equal_in_time,         [COMPARE_SHAPE] = equal_in_shape,
    [COMPARE_ENCODING] = equal_in_encoding, [COMPARE_PAIRS] = equal_in_pairs,
    [COMPARE_TIMES] = equal_in_times,
};

bool compare_replies(enum comparison how, struct reply one, struct reply other) {
    return equal[how](one, other);
}

struct reply compare_next(struct reply *rest) {
    struct reply element = {rest->bytes, (size_t)wire_reply_length(rest->bytes, rest->length)};
    rest->bytes += element.length;
    rest->length -= element.length;
    return element;
}

void compare_skip_header(struct reply *rest) {
    const char *end = (const char *)memchr(rest->bytes, '\n', rest->length) + 1;
    rest->length -= (size_t)(end - rest->bytes);
    rest->bytes = end;
}
