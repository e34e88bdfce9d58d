/* SPDX-License-Identifier: MIT */
/* What the commands on sorted sets share. */
#ifndef ZSETS_H
#define ZSETS_H

#include "../data/collection.h"
#include "command.h"

/* ---- numbers --- */

/* All of the argument must be a number, which may be infinite; answers with `error` and returns false when it is none. */
bool zsets_score(struct call *call, const struct resp_arg *arg, const char *error, double *score);
/* As strtod reads it, up to the first zero byte, if there is one; false when anything follows the number. */
bool zsets_loose_score(const char *bytes, size_t length, double *score);

/* ---- changing --- */

/* It counts as a listpack. */
bool zsets_is_compact(const struct item *item);
void zsets_open(struct call *call, const struct resp_arg *key, struct collection *zset);
/* Sets a member's score. Redis's compact form knows no negative zero: it becomes zero while the set counts as compact. */
void zsets_put(struct collection *zset, const struct resp_arg *member, double score);

/* ---- replies --- */

/* The header of `count` members; with their scores they are pairs in RESP3, and twice as many in RESP2. */
void zsets_reply_header(struct call *call, size_t count, bool with_scores);
void zsets_reply_member(struct call *call, const struct resp_arg *member, double score, bool with_score);

/* ---- members that belong to no key --- */

struct zsets_entry {
    struct resp_arg member; /* its bytes are known once the pile is settled */
    size_t offset;          /* of them, in the pile's */
    size_t order;           /* the caller's */
    double score;
};

/* All zeros is an empty one. */
struct zsets_pile {
    struct zsets_entry *entries;
    size_t count, capacity;
    struct resp_buf bytes;
};

void zsets_pile_add(struct zsets_pile *pile, const struct resp_arg *member, double score, size_t order);
/* Nothing is added any more: the bytes stay where they are. */
void zsets_pile_settle(struct zsets_pile *pile);
void zsets_pile_close(struct zsets_pile *pile);
/* Puts the members of a settled pile, no one twice, into a key, whatever was there; none: deletes it. `wide`: the set is not compact from the
 * beginning. Replies with their number. */
void zsets_pile_store(struct call *call, const struct resp_arg *key, const struct zsets_pile *pile,
                      bool wide);
/* A set of all these members is not compact. */
bool zsets_pile_is_wide(const struct zsets_pile *pile);

#endif
