/* SPDX-License-Identifier: MIT */
/* Raft's state as lines `field:value`, for RAFT.INFO and, with a prefix, INFO and CLUSTER INFO. */
#ifndef RAFT_LINES_H
#define RAFT_LINES_H

#include "../../resp/resp.h"
#include "health.h"
#include "report.h"

/* Adds the lines, each with `prefix` before its field's name. */
void raft_lines(struct resp_buf *text, const struct report *report, const struct health *health,
                const char *prefix);

#endif
