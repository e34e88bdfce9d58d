/* SPDX-License-Identifier: MIT */
/*
 * How commands meet the keyspace, so that each of them keeps one rule: a read that meets a key which is there
 * by the log's clock but not by the wall's must be done again behind a later clock (command.h, `due`).
 */
#ifndef LOOKUP_H
#define LOOKUP_H

#include "command.h"

/* The item of a key, or NULL. Says `due` where it must; while applying, the two clocks are the same. */
struct item *lookup(struct call *call, const struct resp_arg *key);
/* The same, and it counts as no use of the key. */
struct item *lookup_quietly(struct call *call, const struct resp_arg *key);
/* As lookup, for a command that wants one type; answers with an error and returns false when it is another. */
bool lookup_type(struct call *call, const struct resp_arg *key, enum value_type type, struct item **item);
/* The same for a string. */
bool lookup_string(struct call *call, const struct resp_arg *key, struct item **item);
/* Before a read of all keys: says `due` when any key is. */
void lookup_all(struct call *call);

/* A decimal argument; answers with an error and returns false when it is none. */
bool lookup_integer(struct call *call, const struct resp_arg *arg, int64_t *value);
/* The number of a database; answers with an error and returns false when there is none of that number. */
bool lookup_database(struct call *call, const struct resp_arg *arg, unsigned *db);
/* One in low..high. Without `error` the words are Redis's usual ones. */
bool lookup_within(struct call *call, const struct resp_arg *arg, int64_t low, int64_t high,
                   const char *error, int64_t *value);
void lookup_syntax_error(struct call *call);
void lookup_wrong_type(struct call *call);

#endif
