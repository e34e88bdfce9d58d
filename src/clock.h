/* SPDX-License-Identifier: MIT */
/*
 * The cluster's wall clock as one node sees it: what a leader stamps on its entries and tells TTL and TIME.
 *
 * One machine whose clock runs a year ahead for a second must not expire everything for ever, and a clock that is set back must
 * not stop time. So, of the machine's wall clock w, its monotonic clock, and the clocks that the members' messages carry:
 *
 *      w' = the larger of w and (what was told last + the monotonic time since)      never slower than the monotonic clock
 *      w" = w' held within the median of the members' clocks ± the skew allowed      one wrong machine is outvoted
 *      told = the larger of w" and what was told or applied last                     never backwards
 *
 * The median is of this node's clock and those of the members heard lately. Of two that disagree the lower is believed: the one that
 * expires less. A node that hears nobody has nobody to be held by: its monotonic clock carries it over a wall clock that was set back.
 *
 * A clock is remembered as its distance from our monotonic clock, which nobody sets: were it the distance from our wall clock, then
 * a wall clock that jumps would take all the others along until each has been heard again, and no vote would hold it.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLOCK_PEERS_MAX = 64, CLOCK_HEARD_MS = 10000 };

struct clock_peer {
    uint64_t id;
    int64_t base_ms;        /* its wall clock less our monotonic clock, when it was heard last */
    uint64_t heard_mono_ms; /* 0: never */
};

struct clock {
    uint32_t skew_max_ms;
    uint64_t told_ms;      /* the last answer, or a later floor */
    uint64_t told_mono_ms; /* when that was */
    int64_t base_ms;       /* our wall clock less our monotonic clock, as last seen */
    size_t peer_count;
    struct clock_peer peers[CLOCK_PEERS_MAX];
};

void clock_init(struct clock *clock, uint32_t skew_max_ms);
/* A message from `peer` says that its wall clock is at peer_ms; ours is at wall_ms. */
void clock_heard(struct clock *clock, uint64_t peer, uint64_t peer_ms, uint64_t wall_ms, uint64_t mono_ms);
/* An entry with this clock was applied: nothing earlier will be told. */
void clock_floor(struct clock *clock, uint64_t clock_ms, uint64_t mono_ms);
/* The cluster's time, Unix milliseconds. */
uint64_t clock_tell(struct clock *clock, uint64_t wall_ms, uint64_t mono_ms);
/* The same for whoever only asks: nothing is bound to it, so a node that is cut off with a wrong clock does not keep it. */
uint64_t clock_look(const struct clock *clock, uint64_t wall_ms, uint64_t mono_ms);
/* The median of the members' clocks less ours; 0 when nobody else was heard lately. */
int64_t clock_median_offset(const struct clock *clock, uint64_t mono_ms);
/* Whether our clock is within the skew allowed of the median: a node outside should not lead. */
bool clock_agrees(const struct clock *clock, uint64_t mono_ms);
/* A member's clock less ours; false when it was not heard lately. */
bool clock_peer_offset(const struct clock *clock, uint64_t peer, uint64_t mono_ms, int64_t *offset_ms);

#endif
