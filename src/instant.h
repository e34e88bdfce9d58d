/* SPDX-License-Identifier: MIT */
/*
 * Reading the clocks: the one seam to time. Everybody else gets it as an argument, except who must know the time afresh because
 * the turn's may be old: a read that stands on a lease. The simulator puts a clock of its own in the place of instant.c.
 */
#ifndef INSTANT_H
#define INSTANT_H

#include <stdint.h>

/* A moment, on both clocks. */
struct instant {
    uint64_t mono_us; /* CLOCK_BOOTTIME, microseconds: never set, and it goes on while the machine sleeps */
    uint64_t wall_us; /* Unix time, microseconds */
};

struct instant instant_now(void);
/* The first of the two alone. */
uint64_t instant_mono_us(void);
/* CPU that this thread has used. Costs half a microsecond, twenty times what the others do. */
uint64_t instant_cpu_us(void);

#endif
