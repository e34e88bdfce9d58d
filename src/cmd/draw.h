/* SPDX-License-Identifier: MIT */
/* Members at random, for HRANDFIELD and SRANDMEMBER, and ZRANDMEMBER alike. */
#ifndef DRAW_H
#define DRAW_H

#include "../data/collection.h"
#include "command.h"

/* Writes what goes with a member. */
typedef void draw_value(struct resp_out *reply, const struct member *member);

/* Replies with one of the members, or with null when there is no item. */
void draw_one(struct call *call, const struct item *item);
/* Replies with `count` different members, or all if there are no more; below zero: with as many draws, each from
 * all. With `value`: pairs, each an array of its own in RESP3. */
void draw_several(struct call *call, const struct item *item, int64_t count, draw_value *value);

#endif
