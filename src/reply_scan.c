/* SPDX-License-Identifier: MIT */
/*
 * A reply is a tree, written depth first. To find its end no stack is needed: it is enough to count the elements that are still to come.
 *
 *     *2            1 to come, which announces two:           2
 *     $3 abc        one of them                               1
 *     %1            another, which announces a pair:          2
 *     +k  :1                                                  1, 0: the reply ends here
 *
 * An attribute ("|1" and a pair) stands before the element it belongs to, and is none itself.
 */
#include "reply_scan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_MAX = 1 << 30 };

static bool is_count(const char *digits) {
    size_t length = strspn(*digits == '-' ? digits + 1 : digits, "0123456789");
    return length > 0 && length <= 10 && digits[length + (*digits == '-')] == 0;
}

/* The number of elements that an aggregate's line announces, of a bulk the number of bytes; -1: null. -2: neither. */
static int64_t count_of(const char *digits) {
    if (!is_count(digits))
        return -2;
    long long count = atoll(digits);
    return count < -1 || count > COUNT_MAX ? -2 : count;
}

/* A whole line: what it announces is added to what is to come. */
static void take_line(struct reply_scan *scan) {
    char type = scan->line[0];
    scan->line_length = 0;
    if (type != 0 && strchr("+-:,#(_", type)) {
        scan->elements--;
        return;
    }
    int64_t count = type != 0 && strchr("$=!*~>%|", type) ? count_of(scan->line + 1) : -2;
    if (count == -2) {
        scan->bad = true;
        return;
    }
    uint64_t more = count > 0 ? (uint64_t)count : 0;
    if (strchr("$=!", type) && count >= 0)
        scan->bulk = more + 2;
    else if (type == '|')
        scan->elements += 2 * more;
    else
        scan->elements += (type == '%' ? 2 * more : strchr("$=!", type) ? 0 : more) - 1;
}

static void keep(struct reply_scan *scan, const char *bytes, size_t length) {
    size_t room = sizeof scan->line - 1 - scan->line_length;
    memcpy(scan->line + scan->line_length, bytes, length < room ? length : room);
    scan->line_length += length < room ? length : room;
    scan->line[scan->line_length] = 0;
}

/* Up to the line's end, or all that is there. */
static size_t read_line(struct reply_scan *scan, const char *bytes, size_t length) {
    const char *end = memchr(bytes, '\n', length);
    size_t used = end ? (size_t)(end - bytes) + 1 : length;
    keep(scan, bytes, used);
    if (!end)
        return used;
    scan->line[strcspn(scan->line, "\r\n")] = 0;
    if (!scan->headed) {
        memcpy(scan->head, scan->line, REPLY_SCAN_HEAD);
        scan->head[REPLY_SCAN_HEAD] = 0;
        scan->headed = true;
    }
    take_line(scan);
    return used;
}

static size_t pass_bulk(struct reply_scan *scan, size_t length) {
    size_t used = scan->bulk < length ? (size_t)scan->bulk : length;
    scan->bulk -= used;
    if (scan->bulk == 0)
        scan->elements--;
    return used;
}

size_t reply_scan(struct reply_scan *scan, const char *bytes, size_t length, bool *whole) {
    size_t at = 0;
    *whole = false;
    if (scan->elements == 0 && length > 0 && !scan->bad) {
        scan->elements = 1;
        scan->headed = false;
        scan->head[0] = bytes[0];
    }
    while (at < length && scan->elements > 0 && !scan->bad)
        at += scan->bulk > 0 ? pass_bulk(scan, length - at) : read_line(scan, bytes + at, length - at);
    *whole = at > 0 && scan->elements == 0 && !scan->bad;
    assert(!*whole || scan->bulk == 0);
    return at;
}

bool reply_scan_is_push(const struct reply_scan *scan) {
    return scan->head[0] == '>';
}

bool reply_scan_is_null(const struct reply_scan *scan) {
    return scan->headed &&
           (strcmp(scan->head, "_") == 0 || strcmp(scan->head, "*-1") == 0 || strcmp(scan->head, "$-1") == 0);
}

bool reply_scan_begins(const struct reply_scan *scan, const char *text) {
    return scan->headed && strncmp(scan->head, text, strlen(text)) == 0;
}
