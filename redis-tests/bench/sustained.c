/* SPDX-License-Identifier: MIT */
/*
 * Writes at full speed that go on, each second by itself: what the bursts of the other tables are too short to meet, checkpoints that
 * follow one another and what changes meanwhile. A mean says little of a server that stands still for a second; so the
 * slowest second is shown, and the longest that anybody waited.
 */
#include <stdlib.h>

#include "plan.h"

enum { VALUE_BYTES = 100, KEYS_FIRST = 1000000, KEYS_USUAL = 10000000, SECONDS_MAX = 3600 };

struct course {
    double sum, least, p99_ms, max_ms; /* p99_ms: that of the worst second */
};

static void add_second(struct course *course, const struct drive_result *result) {
    double rate = (double)result->requests / result->seconds;
    course->sum += rate;
    if (course->least == 0 || rate < course->least)
        course->least = rate;
    if (result->p99_ms > course->p99_ms)
        course->p99_ms = result->p99_ms;
    if (result->max_ms > course->max_ms)
        course->max_ms = result->max_ms;
}

static void drive_on(const struct system *system, const struct drive_load *load, unsigned seconds) {
    struct course course = {0};
    struct drive_result result;
    char why[256];
    for (unsigned second = 0; second < seconds; second++) {
        drive_seed(second + 1);
        if (!drive(system->speaker, system->ports[system->leader], load, 1000, 0, &result, why))
            harness_fail("%s: %s", system_names[system->kind], why);
        add_second(&course, &result);
    }
    say("%9llu | %-4s | %-14s | %9.0f %9.0f | %9.1f %9.1f\n", (unsigned long long)load->keys,
        drive_names[load->kind], system_names[system->kind], course.sum / seconds, course.least,
        course.p99_ms, course.max_ms);
}

static void compare(enum drive_kind kind, uint64_t keys, unsigned seconds) {
    static const enum system_kind kinds[] = {SYSTEM_REDRAFT, SYSTEM_ALWAYS};
    const struct drive_load load = {kind, 50, 16, VALUE_BYTES, keys};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct system system;
        if (!system_start(&system, kinds[i], "build/bench", 0))
            harness_fail("%s is not installed", system_names[kinds[i]]);
        fill_keys(system.ports[system.leader], keys);
        drive_on(&system, &load, seconds);
        system_stop(&system);
    }
}

void measure_sustained(void) {
    uint64_t seconds = harness_setting("REDRAFT_STEADY_MS", 30000) / 1000,
             most = harness_setting("REDRAFT_KEYS", KEYS_USUAL);
    if (seconds == 0 || seconds > SECONDS_MAX)
        harness_fail("REDRAFT_STEADY_MS: 1000 to %d000", SECONDS_MAX);
    say("\nWrites 50 x 16 that go on for %llu s after so many keys of %d bytes were written, all over them "
        "(HSET: one hash of so many "
        "fields beside them): a second at the mean, in the slowest second; p99 of the worst second and the "
        "longest wait, ms\n\n",
        (unsigned long long)seconds, VALUE_BYTES);
    say("%9s | %-4s | %-14s | %9s %9s | %9s %9s\n", "keys", "", "", "a second", "slowest", "p99", "longest");
    for (uint64_t keys = KEYS_FIRST; keys <= most; keys *= 10)
        compare(DRIVE_SET, keys, (unsigned)seconds);
    compare(DRIVE_HSET, KEYS_FIRST, (unsigned)seconds);
}
