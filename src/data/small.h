/* SPDX-License-Identifier: MIT */
/*
 * Small collections: packed into their items, searched from front to back. Private to src/data.
 *
 *     offset   size   what
 *     0        2      how many members, little-endian
 *     2        ..     packed entries (pack.h): of a hash field and value, of a sorted set member and score,
 *                     of a set or list just the member
 *
 * A hash, set or list has them in the order in which they came; a sorted set in its order. A score that is a
 * whole number of 53 bits is an integer entry, any other one a string of its 8 bytes, little-endian.
 */
#ifndef SMALL_H
#define SMALL_H

#include "collection.h"
#include "item.h"
#include "pack.h"

enum { SMALL_HEADER = 2, SMALL_COUNT_MAX = UINT16_MAX };

bool small_is_sound(enum value_type type, const struct resp_arg *bytes);
size_t small_count(const struct item *item);
/* Where the entries begin and end. */
const char *small_begin(const struct item *item);
const char *small_end(const struct item *item);
/* Where a member's entries begin; `place` may be the count. */
const char *small_place(const struct item *item, size_t place);
/* The entries of a key; NULL when it is not there. */
const char *small_find(const struct item *item, const struct resp_arg *key, size_t *place);
/* How many members of a sorted set lie before (score, key). */
size_t small_rank(const struct item *item, double score, const struct resp_arg *key);
/* Reads a member at `at`, returns the next one. */
const char *small_read(const struct item *item, const char *at, struct member *member);
/* The same without reading it; of a sorted set, with its score. */
const char *small_next(const struct item *item, const char *at);
const char *small_next_score(const char *at, double *score);

/* A member's value beside its key, by type: of a set nothing. */
struct small_value {
    struct pack_value entry[2];
    size_t entries;
    char score[8];
};
void small_value(struct small_value *value, enum value_type type, const struct resp_arg *key,
                 const struct resp_arg *bytes, double score);
size_t small_value_size(const struct small_value *value);
char *small_value_put(char *to, const struct small_value *value);
/* A score as an entry; `bytes` is its room. Back from an entry. */
struct pack_value small_score(double score, char bytes[8]);
bool small_read_score(const char *at, double *score);

/* Replaces `removed` bytes at `at` by as many as `value` has (NULL: none), if there is room for them; `count`
 * is how many members there are then. The item may have moved. */
bool small_splice(struct collection *collection, const char *at, size_t removed,
                  const struct small_value *value, size_t count);

#endif
