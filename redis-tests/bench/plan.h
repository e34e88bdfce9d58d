/* SPDX-License-Identifier: MIT */
/* What the benchmark's parts share: its report, and those parts. */
#ifndef PLAN_H
#define PLAN_H

#include "figures.h"

/* To standard output and the report. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_open(const char *path);
void report_close(void);
/* The commit, the machine, the disk and its fdatasync, the peers' versions. */
void report_machine(char *title, size_t size);

/* aside.c: what no load shows. Each makes its own clusters below build/. */
void measure_failover(void);
void compare_restart(uint64_t keys);
void measure_checkpoints(uint64_t keys);

/* counters.c: what a command costs, counted, beside what `path` says. 1 when something has grown by more than a tenth. */
int counters_check(const char *path);

#endif
