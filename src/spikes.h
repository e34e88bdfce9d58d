/* SPDX-License-Identifier: MIT */
/*
 * When things took longer than latency-monitor-threshold, as LATENCY tells it: for each kind of event its last moments, one for
 * each second in which there was one.
 */
#ifndef SPIKES_H
#define SPIKES_H

#include <stddef.h>
#include <stdint.h>

enum { SPIKES_KEPT = 160 };

enum spike_event {
    SPIKE_COMMAND,      /* one command, of those that may take long */
    SPIKE_FAST_COMMAND, /* of those that should not */
    SPIKE_COMMIT,       /* a write, from being proposed to being applied */
    SPIKE_FSYNC,        /* making a batch of the log durable */
    SPIKE_LOOP,         /* one turn of the event loop */
    SPIKE_EVENTS,
};

struct spike {
    uint64_t time_s; /* Unix seconds */
    uint64_t ms;     /* the longest of that second */
};

struct spikes_of {
    struct spike at[SPIKES_KEPT];
    size_t count; /* ever added; the last SPIKES_KEPT are there */
    uint64_t max_ms;
};

/* All zeros has seen nothing. */
struct spikes {
    struct spikes_of events[SPIKE_EVENTS];
};

/* Notes what took `us` microseconds if that is `threshold_ms` or more; 0: nothing is noted. */
void spikes_add(struct spikes *spikes, enum spike_event event, uint64_t time_s, uint64_t us,
                uint64_t threshold_ms);
size_t spikes_count(const struct spikes *spikes, enum spike_event event);
/* Of those kept, from the oldest on. */
struct spike spikes_at(const struct spikes *spikes, enum spike_event event, size_t i);
void spikes_reset(struct spikes *spikes, enum spike_event event);
const char *spikes_name(enum spike_event event);

#endif
