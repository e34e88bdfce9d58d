/* SPDX-License-Identifier: MIT */
#include "spikes.h"

#include <assert.h>
#include <string.h>

const char *spikes_name(enum spike_event event) {
    static const char *const names[] = {
        [SPIKE_COMMAND] = "command", [SPIKE_FAST_COMMAND] = "fast-command",
        [SPIKE_COMMIT] = "commit",   [SPIKE_FSYNC] = "fsync",
        [SPIKE_LOOP] = "loop",
    };
    assert(event < SPIKE_EVENTS);
    return names[event];
}

void spikes_add(struct spikes *spikes, enum spike_event event, uint64_t time_s, uint64_t us,
                uint64_t threshold_ms) {
    uint64_t ms = us / 1000;
    if (threshold_ms == 0 || ms < threshold_ms)
        return;
    assert(event < SPIKE_EVENTS);
    struct spikes_of *of = &spikes->events[event];
    struct spike *last = of->count ? &of->at[(of->count - 1) % SPIKES_KEPT] : NULL;
    if (ms > of->max_ms)
        of->max_ms = ms;
    if (!last || last->time_s != time_s)
        of->at[of->count++ % SPIKES_KEPT] = (struct spike){time_s, ms};
    else if (ms > last->ms)
        last->ms = ms;
}

size_t spikes_count(const struct spikes *spikes, enum spike_event event) {
    assert(event < SPIKE_EVENTS);
    size_t count = spikes->events[event].count;
    return count < SPIKES_KEPT ? count : SPIKES_KEPT;
}

struct spike spikes_at(const struct spikes *spikes, enum spike_event event, size_t i) {
    const struct spikes_of *of = &spikes->events[event];
    size_t kept = spikes_count(spikes, event);
    assert(i < kept);
    return of->at[(of->count - kept + i) % SPIKES_KEPT];
}

void spikes_reset(struct spikes *spikes, enum spike_event event) {
    assert(event < SPIKE_EVENTS);
    memset(&spikes->events[event], 0, sizeof spikes->events[event]);
}
