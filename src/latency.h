/* SPDX-License-Identifier: MIT */
/*
 * How long things took during the last minute: six histograms of ten seconds each, the oldest dropped as time goes on. A
 * histogram's buckets are powers of two cut in eight, so a figure read from it is at most an eighth too high.
 */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>

enum {
    LATENCY_BUCKETS = 256,
    LATENCY_SLICES = 6,
    LATENCY_SLICE_MS = 10000,
};

/* All zeros has seen nothing. */
struct latency {
    uint32_t counts[LATENCY_SLICES][LATENCY_BUCKETS];
    uint64_t max_us[LATENCY_SLICES];
    uint64_t slice; /* now_ms / LATENCY_SLICE_MS of the newest */
};

struct latency_figures {
    uint64_t count, p50_us, p99_us, p999_us, max_us;
};

/* One thing took `us` microseconds and ended at `now_ms` (monotonic). */
void latency_add(struct latency *latency, uint64_t now_ms, uint64_t us);
void latency_read(struct latency *latency, uint64_t now_ms, struct latency_figures *figures);

#endif
