/* SPDX-License-Identifier: MIT */
/*
 * The promise that leases stand on, across restarts.
 *
 * A leader reads without asking because a majority has promised to elect nobody for an election timeout after it has heard it
 * (raft/lease.c). A member that is started again has forgotten whom it heard, so it must be patient once more, for as long as it
 * had promised before: not for what its configuration says now, which may have been changed meanwhile. Hence a file.
 *
 *      <dir>/patience      one line, "<milliseconds>\n"; no file: nothing was ever promised
 *
 * It is raised, durably, before a longer promise is made, and never lowered: a promise that is remembered for too long costs a
 * wait at start, one that is forgotten costs a stale read.
 *
 * The other half is the handshake: each member says what it promises now, 0 for nothing, and a leader uses its lease only while
 * every other member has promised at least its own election timeout. Acknowledgements come over the connection that the handshake
 * began, so a leader knows what a restarted member promises before it counts one of them. Thus neither the members' directives
 * nor the order in which they are changed need agree: where they don't, reads ask a majority.
 */
#ifndef PATIENCE_H
#define PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

enum { PATIENCE_WHY_MAX = 1024 };

/* What was promised so far, made durable as at least `wanted_ms`. False, with the reason, when the file cannot be used. */
bool patience_open(const char *dir, uint32_t wanted_ms, uint32_t *promised_ms, char why[PATIENCE_WHY_MAX]);

#endif
