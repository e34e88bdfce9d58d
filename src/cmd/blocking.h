/* SPDX-License-Identifier: MIT */
/*
 * What commands that block have in common. Run, such a command never waits: it takes what is there, or says CALL_BLOCKS; whoever waits
 * is the connection, and the flow runs the command again when there is something.
 */
#ifndef BLOCKING_H
#define BLOCKING_H

#include "command.h"

/* Whether args[at] is a time-out; answers with an error when it is none. */
bool blocking_timeout(struct call *call, size_t at);
/* The first of the keys, args[first] and so on, that is there, and its item. False: the reply is written, or there is to be none. */
bool blocking_find(struct call *call, enum value_type type, size_t first, size_t keys,
                   const struct resp_arg **key, struct item **item);
/* There is something to take. True: it is to be left. */
bool blocking_looks(struct call *call);

#endif
