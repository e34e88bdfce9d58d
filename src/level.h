/* SPDX-License-Identifier: MIT */
/*
 * The feature level: what an entry may hold. Members that run different versions of this program apply the same log, so nothing may be in
 * it that one of them would read otherwise, or not at all. Hence everything that changes what entries mean has a level of its own:
 *
 *      node 1   offers 1 ---- restarted: offers 2 ------------------------------------------
 *      node 2   offers 1 --------------------- restarted: offers 2 -------------------------
 *      node 3   offers 1 -------------------------------------- restarted: offers 2 --------
 *      log      [1] [1] [1] [1] [1] [1] [1] [1] [1] [1] [1] [1] [1] [1] [1 RAFT.LEVEL 2] [2] [2]
 *                                                                      all offer it: the leader raises it
 *
 * The level is replicated state: it begins with LEVEL_FIRST, an entry raises it, nothing lowers it; checkpoints, snapshots and backups have
 * it. What a node offers is the highest level that its program knows, or less (raft-feature-level-max); the handshake says it. Each
 * entry is headed by the level at which it was proposed, and whoever applies it does as that level says, whatever it knows beyond. A
 * leader proposes nothing of a level before it has applied the entry that raises to it, so levels never fall along the log. A node that
 * meets a higher level than it offers, in an entry, in its data file, in a snapshot or in another member's handshake, ends, and says so.
 */
#ifndef LEVEL_H
#define LEVEL_H

#include <stddef.h>

enum {
    LEVEL_FIRST = 1,            /* with which a cluster begins */
    LEVEL_AUDIT = 2,            /* entries may hold the mark of an audit (audit.c) */
    LEVEL_NEWEST = LEVEL_AUDIT, /* the highest that this program knows */
};

/* What a node offers under this cap; 0: there is none. */
unsigned level_offered(unsigned max);
/* What the level should be, when it is `now` and the members offer these; an offer of 0 is not known. Never below `now`. */
unsigned level_agreed(unsigned now, const unsigned *offers, size_t count);

#endif
