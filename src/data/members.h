/* SPDX-License-Identifier: MIT */
/*
 * The members of a large hash, set or sorted set: an object whose pages hold MEMBER_PLACES of them each.
 * Private to src/data; members.c has the essay.
 */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "collection.h"
#include "dict.h"
#include "item.h"
#include "order.h"

struct members {
    struct object object;
    struct dict dict;
    struct order order; /* of a sorted set */
    size_t memory;      /* what is counted for it in the keyspace's memory, but for the bits */
};

struct members *members_of(const struct item *item);

/* An empty one that is no object yet; its first members are added before it becomes one. */
struct members *members_new(enum value_type type, const struct hash_key *hash_key, size_t *memory);
void members_fill(struct members *members, const struct member *member, size_t *memory);

bool members_find(const struct members *members, const struct resp_arg *key, struct member *member);
void members_at(const struct members *members, size_t place, struct member *member);
/* Reads what the dict and the order hold, all but the place. */
void members_read(const struct members *members, const void *thing, struct member *member);

/* Changes of a settled object. `member->place` says which one is replaced or removed; the bytes must not be
 * its own. */
void members_add(struct collection *collection, const struct member *member);
void members_replace(struct collection *collection, const struct member *member);
void members_remove(struct collection *collection, size_t place);

/* What the order counts by: ascends as the scores do. */
uint64_t members_number(double score);
size_t members_rank(const struct members *members, const struct resp_arg *key);

#endif
