/* SPDX-License-Identifier: MIT */
/*
 * How fast a checkpoint is written: as slowly as it may, for the log's commits wait behind what the disk is given, and as fast as it must.
 *
 * What must stay bounded while it is written is the memory of what is kept for it (kept), and the log, which cannot be cut before (grown).
 * Each has a bound; the rate follows whichever is nearest to its own:
 *
 *      rate
 *      whatever the disk takes          ,-------
 *      9 x                             '
 *                             .-'
 *      1 x  ...........-'
 *           0                     3/4          1  of its bound
 *
 * When one begins is a matter of the same bounds. A node that catches up after its start has other work to do, and whoever was
 * started with it too: it lets the log grow to twice its bound (one that never catches up is not to fill the disk).
 */
#ifndef RATE_H
#define RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate_strain {
    uint64_t kept, kept_max; /* bytes */
    uint64_t grown,
        grown_max; /* bytes of the entries since the one under way began; that begin the next one */
    uint64_t entries, entries_max; /* the same as a number */
    bool hurry;                    /* the disk is nearly full, or this node ends */
};

/* Bytes a second, when `base` is what is wanted; 0: as fast as the disk takes them. */
uint64_t rate_of(uint64_t base, const struct rate_strain *strain);

/* Whether the next checkpoint is to begin; `strain` is that of the log since the last one. */
bool rate_is_due(const struct rate_strain *strain, bool catching_up);

#endif
