/* SPDX-License-Identifier: MIT */
/*
 * A real redis-server and a cluster of redraft that are sent the same commands, over the same two connections each; and what happens
 * when their replies differ: the sequence is cut down to the commands that matter.
 */
#ifndef TWINS_H
#define TWINS_H

#include <stdbool.h>
#include <stddef.h>

#include "cluster.h"
#include "compare.h"
#include "coverage.h"
#include "sequence.h"
#include "wire.h"

enum { TWINS_QUEUED_MAX = 4096 };

/* One connection to each server, in one protocol, and how what it has queued will be compared. */
struct pair {
    struct wire *redis, *redraft;
    size_t queued;
    struct {
        enum comparison comparison;
        int place; /* in the coverage */
    } queue[TWINS_QUEUED_MAX];
};

/* Changes what redraft replied to a command, as a fault would; so that tests see what becomes of one. */
typedef void twins_plant(const struct sequence *sequence, size_t at, struct reply *ours);

struct twins {
    unsigned redis_port;
    struct cluster *cluster;
    struct pair pairs[SEQUENCE_CONNECTIONS];
    struct coverage *coverage; /* or NULL */
    twins_plant *plant;        /* or NULL */
    bool broken;               /* a connection of redraft's was closed, or silent */
};

/* Which of the commands that were played, and both replies as text. */
struct difference {
    size_t at; /* SIZE_MAX: none */
    char theirs[512], ours[512];
};

struct wire *twins_open_port(unsigned port);
struct wire *twins_open_redraft(const struct twins *twins);
/* Connections anew. */
void twins_open(struct twins *twins);
void twins_close(struct twins *twins);
/* No data, no scripts, connections anew; a cluster of which a node has ended, or is silent, begins anew. */
void twins_reset(struct twins *twins);

/* Sends sequence->commands[kept[0]], [kept[1]] ... (kept NULL: the first `count`) to both, up to the first whose replies differ. Returns
 * true when there is one: difference->at is its place among these. */
bool twins_play(struct twins *twins, const struct sequence *sequence, const size_t *kept, size_t count,
                struct difference *difference);

/* What is left of a sequence: commands kept[0] .. kept[count - 1]. */
struct remains {
    size_t *kept; /* free it */
    size_t count, tries;
    struct difference difference; /* of the last of them */
};

/* From the sequence, which may go on behind the command that fails, to those that matter. It may also change which connection they are sent on. False: it does
 * not fail when it is played again. */
bool twins_cut(struct twins *twins, struct sequence *sequence, struct remains *remains);
/* Prints them as lines for redis-cli, and saves them. */
void twins_tell(const struct sequence *sequence, const struct remains *remains, const char *path);

#endif
