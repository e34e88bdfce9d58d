/* SPDX-License-Identifier: MIT */
/*
 * The slices of CPU time that the calling thread asks for.
 *
 * Who waits awake (busy_poll.h) yields between two looks. Where others want the CPU that is dear for a thread that has long slices: each
 * yield puts it back by a whole one (1.4 ms on two CPUs, 2.8 ms on eight and more). A loop that looked for an answer in vain a few times
 * then waits when the answer has come. With short slices it is put back by little, and when it is woken it comes before those that have
 * long ones (the scheduler takes the earliest deadline; how long a slice is says nothing of how much CPU one gets in all). The price is
 * that others cut in as often: who sleeps, or does much at a time, has the usual ones.
 *
 *      src/main.c, src/worker.c -> slice.h -> sched_setattr(2), of a thread of the usual class; Linux before 6.12 has one length for all,
 *                                             and there, or where it is forbidden, nothing changes
 */
#ifndef SLICE_H
#define SLICE_H

#include <stdbool.h>

/* Slices of 0.1 ms, or of the system's length, as at the beginning. A thread that one with short slices makes has the usual ones, unless
 * the process runs with a niceness below 0. */
void slice_short(bool wanted);

#endif
