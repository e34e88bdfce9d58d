/* SPDX-License-Identifier: MIT */
/*
 * Where a reply ends. A proxy passes replies on as bytes; all that it must know of one is its first line and its end. The scanner reads
 * every byte once, in pieces of any size, and keeps nothing of what it has read but a few numbers.
 */
#ifndef REPLY_SCAN_H
#define REPLY_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPLY_SCAN_HEAD = 24 };

/* All zeros stands between two replies. */
struct reply_scan {
    uint64_t elements; /* of the reply in hand that are still to be read; 0: there is no reply in hand */
    uint64_t bulk;     /* bytes of a bulk, its CRLF included, that are still to be passed over */
    char line[32];     /* the element's line as far as it is kept */
    size_t line_length;
    char head[REPLY_SCAN_HEAD + 1]; /* how the reply in hand begins: its first line, cut, without CRLF */
    bool headed;                    /* head is whole */
    bool bad;                       /* this is no reply: nothing more can be read */
};

/* Reads bytes up to the end of the reply in hand, or all of them. Returns how many; `*whole`: the reply ends there. */
size_t reply_scan(struct reply_scan *scan, const char *bytes, size_t length, bool *whole);
/* The reply in hand, or the one that just ended: */
bool reply_scan_is_push(const struct reply_scan *scan); /* it answers no request */
bool reply_scan_is_null(const struct reply_scan *scan);
bool reply_scan_begins(const struct reply_scan *scan, const char *text);

#endif
