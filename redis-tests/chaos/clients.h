/* SPDX-License-Identifier: MIT */
/*
 * The load, and the history that it leaves, for the simulator's checker: threads with real sockets that follow MOVED, send small
 * pipelines, lose patience, and write down what they asked and what they were told. Some only read, through whatever node.
 */
#ifndef CLIENTS_H
#define CLIENTS_H

#include "../../tests/sim/checker.h"
#include "../harness/cluster.h"

enum { CLIENTS_MAX = 16, COMPLAINT_MAX = 512 };

struct clients_totals {
    uint64_t operations, acknowledged, reads, follower_reads, refused, unknown;
    uint64_t doubted; /* of those unknown: told so */
};

/* One load at a time in a process. */
void clients_start(const struct cluster *cluster, size_t count, size_t operations_max, uint64_t seed);
/* No new operations; what is under way is waited for. */
void clients_stop(void);
/* Reads every key once more; false when that was not answered in time. */
bool clients_read_all(uint64_t timeout_ms);
/* Something that no checker needs to judge: an answer that is none. "" when there was none. */
void clients_complaint(char complaint[COMPLAINT_MAX]);
/* Fails the test when a history has no order. */
void clients_judge(struct checker_report *report);
void clients_totals(struct clients_totals *totals);
/* When the last write was acknowledged: harness_now_us(). */
uint64_t clients_last_ack_us(void);
/* Stopped, and nothing is left of it. May be called when there is nothing. */
void clients_free(void);

#endif
