/* SPDX-License-Identifier: MIT */
/* What the benchmark's parts share: its report, and those parts. */
#ifndef PLAN_H
#define PLAN_H

#include "figures.h"

/* To standard output and the report. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_open(const char *path);
void report_close(void);
/* The commit, the machine, the disk, the peers' versions. */
void report_machine(char *title, size_t size);
/* machine.c: a line on what bounds the ratios here. */
void say_ceilings(void);

/* What figures can be compared with those of: the processors' number and name, as a file may be called. */
void report_kind(char *kind, size_t size);

/* aside.c: what no load shows. Each makes its own clusters below build/. */
void measure_failover(void);
void compare_restart(uint64_t keys);
/* steady.c: what a checkpoint does to writes at a steady rate. */
void measure_checkpoints(uint64_t keys);

/* collections.c: likewise. */
void compare_memory(void);
void measure_collections(void);

/* Keys from 0 on, of 100 bytes, by one connection; seconds until a read of one of them is answered. */
void fill_keys(unsigned port, uint64_t keys);
double until_served_s(unsigned port, uint64_t since_us);

/* bench.c: drives it; *before is what it had used until then. A leader whose disk stands still for a second hands over: that is told, and
 * the run is made again. Fails when it is no use. */
void run_load(struct system *system, const struct drive_load *load, uint64_t run_ms, double rate,
              struct drive_result *result, struct system_use *before);

/* turns.c: lists with commas between, its head has what stands in them. */
void measure_turns(const char *loads, const char *who);

/* scale.c, sustained.c, day.c */
void measure_scale(void);
void measure_sustained(void);
bool measure_day(uint64_t minutes); /* false: something outgrew its bound */

double directory_bytes(const char *path); /* what its files take up on the disk */

/* counters.c: what a command costs, counted, beside what `path` says. 1 when something has grown by more than a tenth. */
int counters_check(const char *path);

#endif
