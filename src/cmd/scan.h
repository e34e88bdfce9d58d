/* SPDX-License-Identifier: MIT */
/*
 * SCAN and its kin over one collection.
 *
 * The cursor is a place in the dense order: those below it are still to be visited. Removals only move what lies at the end
 * to lower places, so whatever was there and is not visited yet stays below the cursor, clamped to the length. 0 as the start means
 * the end, and as the answer that nothing is left.
 */
#ifndef SCAN_H
#define SCAN_H

#include "../data/collection.h"
#include "command.h"

struct scan {
    uint64_t cursor;
    int64_t count;
    const struct resp_arg *pattern; /* NULL: all */
    const struct resp_arg *type;    /* NULL: any */
};

/* Both answer with an error and return false when the arguments are wrong. The cursor comes first; the options begin at `from`. */
bool scan_cursor(struct call *call, const struct resp_arg *arg, struct scan *scan);
bool scan_options(struct call *call, size_t from, bool types, struct scan *scan);
bool scan_is_star(const struct resp_arg *pattern);
/* The places of this step, of `places` in all: from-1 down to end. `end` is the next cursor. */
void scan_range(const struct scan *scan, size_t places, size_t *from, size_t *end);

/* HSCAN, SSCAN, ZSCAN as a whole. `value` writes what goes with a member, NULL: nothing does. */
typedef void scan_value(struct resp_out *reply, const struct member *member);
void scan_members(struct call *call, enum value_type type, scan_value *value);

#endif
