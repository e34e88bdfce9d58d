/* SPDX-License-Identifier: MIT */
/*
 * Whether a leader holds the entry that it is filling until those whom it has just answered have written again.
 *
 * A commit answers all its writers at once, and those who wait for one answer before they write again come back within a fraction of the
 * time that a commit takes, but not in the same instant: each must run, and the kernel hands over their writes in twos and threes. A leader
 * that proposes what has come when it looks sends the first three on their way, and the other forty-seven wait until the disks are done with
 * those:
 *
 *      answered 50 . 1 . 3 . 2 . 4 . ...         what comes after it, turn by turn
 *                    |   |   |   |
 *      at once       1   3   2   4               as many entries, messages, system calls; most of them commit one commit later
 *      held          ------------- 50            one of each, and all commit at once
 *
 * So what was answered is owed: while the entry has fewer writes than are owed, it is held. That pays only where the writers do come back,
 * all of them and soon, and it is learned from what they did, whether they were waited for or not:
 *
 *      the last eight times that two or more were owed      a a - a a - a a      a: all came, the last within the bound after the first
 *      five or more: hold the next, for the bound at most; fewer: propose at once
 *
 * The bound is three quarters of what a commit took lately, and never more than the configured one (raft-gather-time). Less than the whole,
 * because of writers that come by the clock and not because they were answered: during a commit there come as many as one answers, so fewer
 * come within the bound, and nobody waits for them. Who writes alone is never held: there is nobody else to wait for.
 *
 * Two hundred that were answered need longer than that to come back, for each must run. But they come closer together than writes do at the
 * mean, commits included, and those that come by the clock don't:
 *
 *      answered                |..........|                            ||||||||||||||||            200 in 700 us, of 1,400
 *      by the clock            | | | | | | | | | | | | | | | | | | | | | | | | | | | | | |
 *
 * So while what has come is half as much again as comes in such a time at the mean, the bound is up to two commits.
 *
 * Who has not come within the bound is not waited for again. (PostgreSQL's commit_delay with commit_siblings and MySQL's
 * binlog_group_commit_sync_delay wait for a time that is set, and for a number that is set.)
 */
#ifndef GATHERING_H
#define GATHERING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zeros at the beginning: nobody came back yet. */
struct gathering {
    uint8_t recent; /* the last times: a bit is set when all came back in time; newest lowest */
    size_t owed;    /* writes that were answered, and whose next has not been proposed */
    size_t watched; /* of those, for how many it is still watched whether they come; 0: that is not watched */
    size_t watched_all;            /* ... and for how many it was at first */
    uint64_t watched_us;           /* when the first of them came; 0: none has */
    uint64_t commit_us;            /* what a commit took lately, at the mean */
    uint64_t answered_us;          /* when writes were answered last; 0: never */
    uint64_t pace_us, pace_writes; /* lately so many were answered in so long */
    uint64_t bound_us, crowd_us;   /* at the last look; crowd_us: for those that come close together */
    uint64_t held_us;              /* since when the entry is held; 0: it is not */
    uint64_t until_us;             /* for how long at most; 0: it is not held on */
};

/* So many writes were answered at once at `now_us` (not 0), `took_us` after their entry was proposed. */
void gathering_answered(struct gathering *gathering, size_t writes, uint64_t took_us, uint64_t now_us);
/* Whether the entry, which has so many writes, is to be held at `now_us` (not 0); `most_us`: the configured bound, 0: never. */
bool gathering_holds(struct gathering *gathering, size_t writes, uint64_t most_us, uint64_t now_us);
/* The entry is proposed with so many writes, asked about or not. For how long it was held, in us. */
uint64_t gathering_ends(struct gathering *gathering, size_t writes, uint64_t now_us);

#endif
