/* SPDX-License-Identifier: MIT */
/* What follows from a report: the only place where judgements are made, for RAFT.INFO, INFO, CLUSTER, ROLE and HELLO alike. */
#ifndef HEALTH_H
#define HEALTH_H

#include <stdbool.h>
#include <stddef.h>

#include "report.h"

enum { HEALTH_REASON_MAX = 512 };

enum health_state {
    HEALTH_OK,
    HEALTH_DEGRADED, /* serves, but something needs attention: see reason */
    HEALTH_DOWN,     /* cannot serve */
};

struct health {
    enum health_state state;
    char reason[HEALTH_REASON_MAX]; /* "" when ok; several are parted by "; " */
    bool quorum;                    /* up, and the group can decide as far as this node knows */
    bool master;                    /* what role:master says: a leader that serves and has its quorum */
    size_t nodes, voters;
    size_t voters_reachable;   /* itself included */
    size_t failures_tolerated; /* further voters that may fail before the quorum is lost */
};

void health_judge(const struct report *report, struct health *health);
/* A member that this node hears; itself always. */
bool health_reachable(const struct report *report, const struct report_member *member);
const char *health_name(enum health_state state); /* "ok" "degraded" "down" */

#endif
