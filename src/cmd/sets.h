/* SPDX-License-Identifier: MIT */
/* What the commands on sets share. */
#ifndef SETS_H
#define SETS_H

#include "../data/collection.h"
#include "command.h"

/* What counts as compact, and so what OBJECT ENCODING says, is part of the replicated state; until entries can
 * change it, it is what Redis has by default. */
extern const struct collection_limits set_limits;

/* The members of a set as a reply; of no item none. */
void set_reply(struct call *call, const struct item *item);

#endif
