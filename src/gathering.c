/* SPDX-License-Identifier: MIT */
#include "gathering.h"

enum {
    IN_TIME = 5,          /* of the last eight */
    MEAN_OF = 8,          /* commits, about */
    PAUSE_US = 10 * 1000, /* whoever writes no more than that is in no hurry */
};

static void note_pace(struct gathering *gathering, size_t writes, uint64_t now_us) {
    uint64_t us = gathering->answered_us ? now_us - gathering->answered_us : 0;
    gathering->answered_us = now_us;
    gathering->pace_us += (us < PAUSE_US ? us : PAUSE_US) - gathering->pace_us / MEAN_OF;
    gathering->pace_writes += writes - gathering->pace_writes / MEAN_OF;
}

/* For how long so many writes are waited for. */
static uint64_t allowed_us(const struct gathering *gathering, size_t writes) {
    uint64_t mean_us = gathering->pace_writes ? writes * gathering->pace_us / gathering->pace_writes : 0;
    uint64_t close_us = mean_us - mean_us / 3;
    if (close_us > gathering->crowd_us)
        close_us = gathering->crowd_us;
    return close_us > gathering->bound_us ? close_us : gathering->bound_us;
}

void gathering_answered(struct gathering *gathering, size_t writes, uint64_t took_us, uint64_t now_us) {
    gathering->commit_us += took_us / MEAN_OF - gathering->commit_us / MEAN_OF;
    note_pace(gathering, writes, now_us);
    gathering->owed += writes;
    if (gathering->watched == 0 && gathering->owed >= 2) {
        gathering->watched = gathering->watched_all = gathering->owed;
        gathering->watched_us = 0;
    }
}

static bool pays(const struct gathering *gathering) {
    return __builtin_popcount(gathering->recent) >= IN_TIME;
}

bool gathering_holds(struct gathering *gathering, size_t writes, uint64_t most_us, uint64_t now_us) {
    uint64_t bound_us = gathering->commit_us - gathering->commit_us / 4;
    gathering->bound_us = bound_us < most_us ? bound_us : most_us;
    gathering->crowd_us = 2 * gathering->commit_us < most_us ? 2 * gathering->commit_us : most_us;
    gathering->until_us = 0;
    if (most_us == 0 || writes == 0 || writes >= gathering->owed ||
        (gathering->held_us == 0 && !pays(gathering)))
        return false;
    if (gathering->held_us == 0)
        gathering->held_us = now_us;
    gathering->until_us = gathering->held_us + allowed_us(gathering, writes);
    return now_us < gathering->until_us;
}

static void learn(struct gathering *gathering, bool in_time) {
    gathering->recent = (uint8_t)(gathering->recent << 1 | in_time);
    gathering->watched = 0;
    if (!in_time)
        gathering->owed = 0;
}

uint64_t gathering_ends(struct gathering *gathering, size_t writes, uint64_t now_us) {
    uint64_t held_us = gathering->held_us ? now_us - gathering->held_us : 0;
    gathering->held_us = gathering->until_us = 0;
    if (writes == 0)
        return held_us; /* nobody came: the node's own */
    if (gathering->watched > 0 && gathering->watched_us == 0)
        gathering->watched_us = now_us - held_us;
    size_t come = gathering->watched_all - gathering->watched + writes;
    bool in_time = now_us - gathering->watched_us < allowed_us(gathering, come);
    if (gathering->watched > writes && in_time)
        gathering->watched -= writes;
    else if (gathering->watched > 0)
        learn(gathering, in_time);
    gathering->owed -= writes < gathering->owed ? writes : gathering->owed;
    return held_us;
}
