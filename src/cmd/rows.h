/* SPDX-License-Identifier: MIT */
/* The rows of the command table, for table.c, which finds them. */
#ifndef ROWS_H
#define ROWS_H

#include "command.h"

/* Ended by a row without a name. */
extern const struct command command_rows[];
/* Of the containers, likewise (rows_parts.c). */
extern const struct command rows_of_client[], rows_of_raft_node[], rows_of_cluster[], rows_of_command[],
    rows_of_config[], rows_of_latency[], rows_of_slowlog[], rows_of_memory[], rows_of_object[],
    rows_of_pubsub[], rows_of_xgroup[], rows_of_xinfo[];

#endif
