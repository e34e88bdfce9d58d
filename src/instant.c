/* SPDX-License-Identifier: MIT */
#include "instant.h"

#include <time.h>

static uint64_t clock_us(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t instant_mono_us(void) {
    return clock_us(CLOCK_BOOTTIME);
}

uint64_t instant_cpu_us(void) {
    return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

struct instant instant_now(void) {
    return (struct instant){.mono_us = instant_mono_us(), .wall_us = clock_us(CLOCK_REALTIME)};
}
