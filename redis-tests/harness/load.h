/* SPDX-License-Identifier: MIT */
/*
 * A steady load of SETs from several clients, each attempt to a key of its own, so that its outcome can be held against
 * what is found later: what was acknowledged must be there, what got a definite error must not be, the rest may be either.
 */
#ifndef LOAD_H
#define LOAD_H

#include "client.h"

struct load;

/* Starts writers, each with `pause_us` between two attempts. Keys begin with `prefix`. */
struct load *load_start(const struct cluster *cluster, const char *prefix, size_t writers, unsigned pause_us);
/* Ends the writers; counts and outcomes stay. */
void load_stop(struct load *load);
void load_free(struct load *load);
/* A cmocka teardown: ends the writers that a failed test left, then cluster_teardown. */
int load_teardown(void **state);

struct load_totals {
    uint64_t acknowledged, refused, unknown;
    uint64_t longest_pause_us; /* between two acknowledgements, whichever writers' */
    uint64_t last_ack_us;      /* when the last came: harness_now_us() */
    char refusal[256]; /* the last definite error other than MOVED, CLUSTERDOWN, LOADING; "" when none */
};
/* At any time. */
void load_totals(struct load *load, struct load_totals *totals);
/* Waits for an acknowledgement that came after `since_us`: when it came, or 0 when none did in time. */
uint64_t load_wait_ack(struct load *load, uint64_t since_us, uint64_t timeout_ms);

struct load_audit {
    uint64_t acknowledged, found; /* of those acknowledged, with the right value */
    uint64_t refused, appeared;   /* of those with a definite error, there nevertheless */
    uint64_t unknown, happened;   /* of those unknown, there */
    char example[128];            /* the first key that is wrong; "" when none */
};
/* Reads every key back through whoever leads. False when the cluster did not answer in time. */
bool load_audit(struct load *load, uint64_t timeout_ms, struct load_audit *audit);
/* The audit with its verdict: fails the test when something acknowledged is lost or something refused is there. */
void load_must_hold(struct load *load, const char *when);

#endif
