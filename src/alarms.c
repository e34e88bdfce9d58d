/* SPDX-License-Identifier: MIT */
#include "alarms.h"

#include <assert.h>
#include <stdlib.h>

/* Places count from 1: above `place` is place / 2, below it are 2 * place and the one after. */
static struct alarm *at(const struct alarms *alarms, size_t place) {
    return alarms->heap[place - 1];
}

static void put(struct alarms *alarms, size_t place, struct alarm *alarm) {
    alarms->heap[place - 1] = alarm;
    alarm->place = place;
}

static void rise(struct alarms *alarms, size_t place, struct alarm *alarm) {
    for (; place > 1 && at(alarms, place / 2)->at_ms > alarm->at_ms; place /= 2)
        put(alarms, place, at(alarms, place / 2));
    put(alarms, place, alarm);
}

static void sink(struct alarms *alarms, size_t place, struct alarm *alarm) {
    for (size_t below; (below = 2 * place) <= alarms->count; place = below) {
        if (below < alarms->count && at(alarms, below + 1)->at_ms < at(alarms, below)->at_ms)
            below++;
        if (at(alarms, below)->at_ms >= alarm->at_ms)
            break;
        put(alarms, place, at(alarms, below));
    }
    put(alarms, place, alarm);
}

void alarm_set(struct alarms *alarms, struct alarm *alarm, uint64_t at_ms, void *owner) {
    assert(alarm->place == 0);
    if (alarms->count == alarms->room) {
        alarms->room = alarms->room > 0 ? 2 * alarms->room : 16;
        alarms->heap = realloc(alarms->heap, alarms->room * sizeof(struct alarm *));
        if (!alarms->heap)
            abort();
    }
    alarm->at_ms = at_ms;
    alarm->owner = owner;
    rise(alarms, ++alarms->count, alarm);
}

void alarm_unset(struct alarms *alarms, struct alarm *alarm) {
    size_t place = alarm->place;
    if (place == 0)
        return;
    struct alarm *last = at(alarms, alarms->count--);
    alarm->place = 0;
    if (last == alarm)
        return;
    if (last->at_ms < alarm->at_ms)
        rise(alarms, place, last);
    else
        sink(alarms, place, last);
}

struct alarm *alarms_first(const struct alarms *alarms) {
    return alarms->count > 0 ? at(alarms, 1) : NULL;
}

void alarms_close(struct alarms *alarms) {
    assert(alarms->count == 0);
    free(alarms->heap);
    *alarms = (struct alarms){0};
}
