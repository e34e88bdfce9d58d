/* SPDX-License-Identifier: MIT */
/*
 * Sentinel's protocol on a port of its own (sentinel-port), so that clients that know Redis Sentinel find the leader unchanged. Every
 * node is one Sentinel; what they all tell comes from the same known leader as MOVED, CLUSTER, ROLE and INFO.
 */
#ifndef SENTINEL_H
#define SENTINEL_H

#include <stdbool.h>
#include <stddef.h>

#include "../resp/resp.h"
#include "cmd/command.h"

struct node;
struct report;

/* At start, once the other listeners stand. False, with the reason logged, when the port cannot be had. */
bool sentinel_open(struct node *node);
/* Takes and answers what has come; says to subscribers what has changed. */
void sentinel_turn(struct node *node);
void sentinel_close(struct node *node);

/* ---- sentinel_words.c: what is told of the master, its replicas and the other Sentinels ------------------------- */

struct sentinel_call {
    struct node *node;
    const struct report *report;
    const struct resp_arg *args;
    size_t count;
    struct resp_out *reply;
};

/* SENTINEL <subcommand> ... */
void sentinel_words(const struct sentinel_call *call);
/* A command's name in full: of SENTINEL with its subcommand, "sentinel|masters". */
void sentinel_command_name(const char *name, const struct resp_command *command, char full[64]);
/* The line on the master in INFO's section Sentinel. */
void sentinel_info_line(const struct sentinel_call *call, struct resp_buf *text);

#endif
