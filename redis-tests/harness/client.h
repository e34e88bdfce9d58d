/* SPDX-License-Identifier: MIT */
/*
 * A cautious client on hiredis: one command, one attempt, one outcome. It follows MOVED and lost connections for the
 * *next* attempt and never sends anything twice by itself. Nothing here fails a test; use a client from one thread.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <hiredis/hiredis.h>

#include "cluster.h"

/* What the outcome contract lets a client conclude from one attempt. */
enum outcome {
    OUTCOME_DONE,     /* a reply other than an error */
    OUTCOME_NOT_DONE, /* a definite error, or it was never sent */
    OUTCOME_UNKNOWN,  /* -INDOUBT, or the connection was lost or silent after sending */
};

struct client {
    const struct cluster *cluster;
    uint64_t timeout_ms; /* of a connect, and of a reply */
    size_t node;         /* the next attempt goes there */
    redisContext *context;
    char why[256]; /* of the last attempt that was not DONE */
};

void client_init(struct client *client, const struct cluster *cluster, uint64_t timeout_ms);
void client_close(struct client *client);
/* One attempt, in hiredis's format (%s, %b ...). *reply (may be NULL) is set for OUTCOME_DONE: free it. */
enum outcome client_try(struct client *client, redisReply **reply, const char *format, ...);
/* Attempts until one is DONE, for commands that may be repeated; NULL when the time is over. */
redisReply *client_ask(struct client *client, uint64_t timeout_ms, const char *format, ...);

#endif
