/* SPDX-License-Identifier: MIT */
/*
 * A load on one server: so many connections, on each a pipeline of so many requests at a time; the next leaves when the last reply of the
 * one before has come. The same generator drives every system, so that what differs is theirs.
 *
 * A pipeline's latency is the time to its last reply. With a rate, pipelines are due at even intervals, and one's latency begins when it
 * was due, not when a connection was free for it: a server that stands still is seen to stand still by all that had been due meanwhile.
 */
#ifndef DRIVE_H
#define DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum drive_kind {
    DRIVE_SET,
    DRIVE_GET,
    DRIVE_MIX, /* nine GETs, a SET */
    DRIVE_INCR,
    DRIVE_MSET, /* of ten */
    DRIVE_HSET,
    DRIVE_LPUSH,
    DRIVE_ZADD,
    DRIVE_DAY, /* of everything a little, keys that expire among it */
    DRIVE_KINDS
};
extern const char *const drive_names[DRIVE_KINDS];

struct drive_load {
    enum drive_kind kind;
    unsigned connections, pipeline, value_bytes;
    uint64_t keys;
};

/* The loads after it draw other keys than with another seed (0 at first). */
void drive_seed(uint64_t seed);

struct speaker; /* a protocol */
extern const struct speaker speak_redis, speak_redis_wait /* each pipeline with writes ends in WAIT 1 0 */,
    speak_etcd;

struct drive_result {
    uint64_t requests; /* answered; a WAIT is none */
    double seconds;
    double p50_ms, p99_ms, p999_ms, max_ms;
};

/* Runs for `run_ms`; `rate`: requests a second, 0: as many as there can be. False with `why` when the server refuses something or
 * goes away. */
bool drive(const struct speaker *speaker, unsigned port, const struct drive_load *load, uint64_t run_ms,
           double rate, struct drive_result *result, char why[256]);

/* ---- what a protocol is ------------------------------------------------------------------------------------------ */

struct speaker {
    /* One connection's. */
    void *(*open)(const struct drive_load *load, uint64_t seed);
    void (*close)(void *state);
    /* The bytes of the next pipeline, to be sent whole; they hold until the next call. */
    const char *(*next)(void *state, size_t *length);
    /* Bytes have come. How many requests they complete; -1 with `why`: one was refused, or that is no reply. */
    int (*take)(void *state, const char *bytes, size_t length, char why[256]);
    /* What the protocol itself has to say (window updates); NULL: nothing. */
    const char *(*also)(void *state, size_t *length);
};

#endif
