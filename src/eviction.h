/* SPDX-License-Identifier: MIT */
/* maxmemory and its policy: what a growing write asks before it is proposed, and what becomes of victims (eviction.c has the essay). */
#ifndef EVICTION_H
#define EVICTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../resp/resp.h"
#include "cmd/command.h"
#include "cmd/report.h"

struct node;
struct victims;

struct eviction {
    struct victims *victims;
    struct resp_buf raw;  /* a victim's command */
    uint64_t last_number; /* of the last victim */

    /* of this turn */
    bool looked;                     /* the four below are known */
    size_t used;                     /* memory that counts */
    size_t growth, freed, under_way; /* by entries that are not applied yet: bytes, bytes, victims */
    size_t turn_victims, turn_names;
    bool barren; /* no key may be evicted */
    bool again;  /* there is more to do at once */

    uint64_t over_since_ms, over_ms; /* over the limit: since when, or 0; how long in all, before */
};

/* Whether a write that may grow the data is refused now, with -OOM: before the log, not when it is applied. */
bool eviction_full(struct node *node);
/* Bytes that a command may add, about and from above; 0: it adds none, or there is no limit. */
size_t eviction_growth(struct node *node, unsigned db, const struct command *row,
                       const struct resp_command *command);
/* Whether writes that add so much may go into the entry that is being filled, behind the victims that this puts there. If so, the
 * caller adds the growth to the lane. False: they must wait, and ask again next turn. */
bool eviction_admit(struct node *node, size_t growth);
/* Before the turn's commands. True: there is more to do at once. */
bool eviction_turn(struct node *node);
/* A victim in an entry; it goes, if it has not changed since. */
enum { EVICTION_KEY = 1 }; /* which of its words names it */
bool eviction_is(const struct resp_command *command);
void eviction_apply(struct node *node, unsigned db, const struct resp_command *command);
/* How the keyspace is to note uses, now. */
struct keyspace_use eviction_use(const struct node *node);
void eviction_report(const struct node *node, struct report *report);
void eviction_close(struct node *node);

#endif
