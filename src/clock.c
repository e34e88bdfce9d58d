/* SPDX-License-Identifier: MIT */
#include "clock.h"

#include <assert.h>

void clock_init(struct clock *clock, uint32_t skew_max_ms) {
    *clock = (struct clock){.skew_max_ms = skew_max_ms};
}

static bool heard_lately(const struct clock_peer *peer, uint64_t mono_ms) {
    return peer->heard_mono_ms != 0 && mono_ms - peer->heard_mono_ms <= CLOCK_HEARD_MS;
}

void clock_heard(struct clock *clock, uint64_t peer, uint64_t peer_ms, uint64_t wall_ms, uint64_t mono_ms) {
    size_t at = 0;
    while (at < clock->peer_count && clock->peers[at].id != peer)
        at++;
    if (at == CLOCK_PEERS_MAX) /* members come and go: one that is silent makes room */
        for (at = 0; at < CLOCK_PEERS_MAX && heard_lately(&clock->peers[at], mono_ms);)
            at++;
    if (at == CLOCK_PEERS_MAX)
        return;
    clock->peers[at].id = peer;
    if (at == clock->peer_count)
        clock->peer_count++;
    clock->base_ms = (int64_t)(wall_ms - mono_ms);
    clock->peers[at].base_ms = (int64_t)(peer_ms - mono_ms);
    clock->peers[at].heard_mono_ms = mono_ms;
}

/* The median of the clocks, as a distance from the monotonic one; *heard others are among them. */
static int64_t median_base(const struct clock *clock, uint64_t mono_ms, size_t *heard) {
    int64_t sorted[CLOCK_PEERS_MAX + 1] = {clock->base_ms};
    size_t count = 1;
    for (size_t i = 0; i < clock->peer_count; i++) {
        if (!heard_lately(&clock->peers[i], mono_ms))
            continue;
        size_t at = count++;
        for (; at > 0 && sorted[at - 1] > clock->peers[i].base_ms; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = clock->peers[i].base_ms;
    }
    *heard = count - 1;
    return sorted[(count - 1) / 2];
}

int64_t clock_median_offset(const struct clock *clock, uint64_t mono_ms) {
    size_t heard;
    return median_base(clock, mono_ms, &heard) - clock->base_ms;
}

bool clock_agrees(const struct clock *clock, uint64_t mono_ms) {
    int64_t offset = clock_median_offset(clock, mono_ms);
    return offset <= (int64_t)clock->skew_max_ms && -offset <= (int64_t)clock->skew_max_ms;
}

bool clock_peer_offset(const struct clock *clock, uint64_t peer, uint64_t mono_ms, int64_t *offset_ms) {
    for (size_t i = 0; i < clock->peer_count; i++) {
        if (clock->peers[i].id != peer)
            continue;
        *offset_ms = clock->peers[i].base_ms - clock->base_ms;
        return heard_lately(&clock->peers[i], mono_ms);
    }
    return false;
}

void clock_floor(struct clock *clock, uint64_t clock_ms, uint64_t mono_ms) {
    if (clock_ms > clock->told_ms) {
        clock->told_ms = clock_ms;
        clock->told_mono_ms = mono_ms;
    }
}

/* `now`, held within what the members' clocks allow. */
static uint64_t held(const struct clock *clock, uint64_t now, uint64_t mono_ms) {
    size_t heard;
    int64_t median = (int64_t)mono_ms + median_base(clock, mono_ms, &heard);
    int64_t lowest = median - (int64_t)clock->skew_max_ms, highest = median + (int64_t)clock->skew_max_ms;
    if (heard == 0)
        return now;
    if ((int64_t)now < lowest)
        return (uint64_t)lowest;
    if ((int64_t)now > highest)
        return highest > 0 ? (uint64_t)highest : 0;
    return now;
}

uint64_t clock_tell(struct clock *clock, uint64_t wall_ms, uint64_t mono_ms) {
    uint64_t now = wall_ms;
    clock->base_ms = (int64_t)(wall_ms - mono_ms);
    if (clock->told_ms != 0) {
        assert(mono_ms >= clock->told_mono_ms);
        uint64_t steady = clock->told_ms + (mono_ms - clock->told_mono_ms);
        if (steady > now)
            now = steady;
    }
    clock_floor(clock, held(clock, now, mono_ms), mono_ms);
    return clock->told_ms;
}

uint64_t clock_look(const struct clock *clock, uint64_t wall_ms, uint64_t mono_ms) {
    struct clock copy = *clock;
    return clock_tell(&copy, wall_ms, mono_ms);
}
