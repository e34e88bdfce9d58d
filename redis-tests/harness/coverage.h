/* SPDX-License-Identifier: MIT */
/* Which commands of the two servers' tables were sent, and how they ended: alone, between MULTI and EXEC, called by a script. */
#ifndef COVERAGE_H
#define COVERAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "sequence.h"

struct coverage;

/* Asks both servers for their tables. */
struct coverage *coverage_new(unsigned redis_port, unsigned redraft_port);
void coverage_free(struct coverage *coverage);
/* The command's place in the table, -1 when it is in neither. */
int coverage_find(const struct coverage *coverage, const struct sequence *sequence, size_t at);
/* A command ended, with an error or without. A place of -1 counts for nothing. */
void coverage_note(struct coverage *coverage, int place, bool error, bool in_transaction);
/* The same of what a script called, if the command is a script that says so. */
void coverage_note_script(struct coverage *coverage, const struct sequence *sequence, size_t at, bool error);
/* Says what was never done and never refused. Returns how many of redraft's commands over data were never done. */
size_t coverage_tell(const struct coverage *coverage);

#endif
