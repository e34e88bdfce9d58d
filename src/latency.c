/* SPDX-License-Identifier: MIT */
#include "latency.h"

#include <string.h>

/* Values 0..7 have a bucket each; above, the three bits behind the leading one choose among eight. */
static unsigned bucket_of(uint64_t us) {
    if (us < 8)
        return (unsigned)us;
    unsigned log2 = 63 - (unsigned)__builtin_clzll(us);
    unsigned bucket = (log2 - 2) * 8 + (unsigned)((us >> (log2 - 3)) & 7);
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_top(unsigned bucket) {
    if (bucket < 8)
        return bucket;
    unsigned log2 = bucket / 8 + 2;
    return ((uint64_t)(8 + bucket % 8 + 1) << (log2 - 3)) - 1;
}

static void turn_to(struct latency *latency, uint64_t now_ms) {
    uint64_t slice = now_ms / LATENCY_SLICE_MS;
    if (slice <= latency->slice)
        return;
    uint64_t passed = slice - latency->slice;
    for (uint64_t i = 1; i <= passed && i <= LATENCY_SLICES; i++) {
        unsigned at = (unsigned)((latency->slice + i) % LATENCY_SLICES);
        memset(latency->counts[at], 0, sizeof latency->counts[at]);
        latency->max_us[at] = 0;
    }
    if (passed > LATENCY_SLICES) {
        memset(latency->counts, 0, sizeof latency->counts);
        memset(latency->max_us, 0, sizeof latency->max_us);
    }
    latency->slice = slice;
}

void latency_add(struct latency *latency, uint64_t now_ms, uint64_t us) {
    turn_to(latency, now_ms);
    unsigned at = (unsigned)(latency->slice % LATENCY_SLICES);
    latency->counts[at][bucket_of(us)]++;
    if (us > latency->max_us[at])
        latency->max_us[at] = us;
}

static uint64_t quantile(const uint64_t *sums, uint64_t rank) {
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        seen += sums[bucket];
        if (seen > rank)
            return bucket_top(bucket);
    }
    return 0;
}

void latency_read(struct latency *latency, uint64_t now_ms, struct latency_figures *figures) {
    turn_to(latency, now_ms);
    *figures = (struct latency_figures){0};
    uint64_t sums[LATENCY_BUCKETS] = {0};
    for (unsigned slice = 0; slice < LATENCY_SLICES; slice++) {
        for (unsigned bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
            sums[bucket] += latency->counts[slice][bucket];
            figures->count += latency->counts[slice][bucket];
        }
        if (latency->max_us[slice] > figures->max_us)
            figures->max_us = latency->max_us[slice];
    }
    if (figures->count == 0)
        return;
    uint64_t *const wanted[] = {&figures->p50_us, &figures->p99_us, &figures->p999_us};
    static const unsigned per_thousand[] = {500, 990, 999};
    for (size_t i = 0; i < 3; i++) {
        uint64_t us = quantile(sums, figures->count * per_thousand[i] / 1000);
        *wanted[i] = us < figures->max_us ? us : figures->max_us;
    }
}
