/* SPDX-License-Identifier: MIT */
/* One run: a cluster under load and faults for so long, then mended and judged. run.c opens with what must hold. */
#ifndef RUN_H
#define RUN_H

#include "faults.h"

struct run {
    size_t nodes;
    uint64_t seconds, seed;
};

/* Over all runs of this process: rare things that must have happened, or what passes proves little. */
struct run_seen {
    struct faults_means means;
    uint64_t kinds[FAULT_KINDS_MAX], disk_failures, refused, unknown, follower_reads;
};

/* Once, first: takes what this machine permits, and says what it does not. */
struct faults_means run_open(void);
/* From the first node's start to the directory's end; fails the test when anything does not hold. */
void run_whole(const struct run *run);
/* Its parts, for tests of the tools: a cluster that serves, without load; and its end. */
struct cluster *run_begin(const struct run *run);
void run_end(void);
/* The run that goes on is mended and judged now. In a signal's handler too. */
void run_break_off(void);
const struct run_seen *run_seen(void);
/* A cmocka teardown. */
int run_teardown(void **state);

#endif
