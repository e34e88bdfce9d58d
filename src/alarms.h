/* SPDX-License-Identifier: MIT */
/* Times at which something is to happen: setting or taking back one of N costs log N, asking for the earliest nothing. */
#ifndef ALARMS_H
#define ALARMS_H

#include <stddef.h>
#include <stdint.h>

/* Embedded in what it is the alarm of. All zeros: it is not set. */
struct alarm {
    uint64_t at_ms;
    size_t place; /* 1 + where it lies in the heap; 0: it is not set */
    void *owner;
};

/* All zeros: none is set. */
struct alarms {
    struct alarm **heap; /* each no later than the two at twice its place */
    size_t count, room;
};

/* One that is not set. */
void alarm_set(struct alarms *alarms, struct alarm *alarm, uint64_t at_ms, void *owner);
/* Takes it back; nothing when it is not set. */
void alarm_unset(struct alarms *alarms, struct alarm *alarm);
/* The earliest; NULL: none is set. */
struct alarm *alarms_first(const struct alarms *alarms);
void alarms_close(struct alarms *alarms); /* none is set */

#endif
