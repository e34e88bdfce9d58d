/* SPDX-License-Identifier: MIT */
/*
 * Every single run goes to a file of comma-separated values; the tables and the plot are made of their medians. Two systems are compared
 * round by round, the median is of the ratios: the runs of one round follow each other within seconds, so that what else the machine does
 * falls on both; between rounds its speed may change by more than what is to be seen.
 */
#ifndef FIGURES_H
#define FIGURES_H

#include "systems.h"

enum { FIGURES_MAX = 8192, FIGURES_ROUNDS_MAX = 64 };

struct figure {
    unsigned slow_ms, round;
    struct drive_load load;
    enum system_kind system;
    double per_s, p50_ms, p99_ms, p999_ms, max_ms, leader_us, follower_us /* of CPU, a request */,
        written /* bytes a request */;
};

void figures_open(const char *path);
void figures_add(const struct figure *figure);
void figures_close(void);

/* What a part of the values is below (0.5: the median); sorts them. 0 of none. */
double figures_quantile(double *values, size_t found, double part);

/* The median over the rounds of one field; 0 when nothing was run. */
double figures_median(unsigned slow_ms, const struct drive_load *load, enum system_kind system, size_t field);
#define FIGURE_FIELD(name) offsetof(struct figure, name)

/* The median over the rounds of the ratio of one's requests per second to the other's; 0 when they were not run. */
double figures_ratio(unsigned slow_ms, const struct drive_load *load, enum system_kind ours,
                     enum system_kind theirs);

/* Ratios of redraft's requests per second to each other system's, a bar each, to a logarithmic scale. */
void figures_plot(const char *path, const char *title);

/* The same, as a file of earlier figures has it; 0 when it is not there. */
double figures_recorded_ratio(const char *path, const struct drive_load *load, enum system_kind ours,
                              enum system_kind theirs);

#endif
