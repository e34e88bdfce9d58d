/* SPDX-License-Identifier: MIT */
/*
 * Collections as values of keys: hashes, sets, sorted sets; lists.h has the lists. Members lie in a dense
 * order that the log alone determines, the same on every node; collection.c has the essay.
 *
 * Reading needs an item only. A change goes through a collection that is opened and closed again:
 *
 *     struct collection c;
 *     collection_open(&c, keyspace, db, &key, VALUE_HASH, limits);   makes an empty one where there is none
 *     added += hash_set(&c, &field, &value);                         any number of changes
 *     there = collection_close(&c, version);                         false: it is empty, and the key is gone
 *
 * Between open and close nothing else may change the keyspace; c.item is good for reading. A collection that
 * was not changed keeps its version. Bytes that are passed in may be another key's, but not
 * this one's.
 */
#ifndef COLLECTION_H
#define COLLECTION_H

#include "keyspace.h"

struct collection {
    struct item *item;
    /* private */
    struct keyspace *keyspace;
    unsigned db;
    size_t slot;
    struct collection_limits limits;
    bool changed;
};

/* A member as it is read; holds until the next change of the keyspace. Not to be copied: the arguments may
 * point into `digits`. */
struct member {
    size_t place;          /* in the dense order; not set by what goes by rank */
    struct resp_arg key;   /* the field or member */
    struct resp_arg value; /* of a hash; else empty */
    double score;          /* of a sorted set; else 0 */
    char digits[2][24];
};

/* ---- all types --- */

/* The key must be of that type, or not be there. Without `limits` there are none. */
void collection_open(struct collection *collection, struct keyspace *keyspace, unsigned db,
                     const struct resp_arg *key, enum value_type type,
                     const struct collection_limits *limits);
bool collection_close(struct collection *collection, uint64_t version);

/* It is so small that it may become another order at any change: a scan shows all of it in one call. What is
 * not small never becomes so again. */
bool collection_is_small(const struct item *item);
/* It has outgrown the limits that it was opened with. */
bool collection_is_wide(const struct item *item);
/* As OBJECT ENCODING says: listpack or hashtable, intset or hashtable, listpack or skiplist, quicklist, stream. Once
 * it has become the second it stays so. */
const char *collection_encoding(const struct item *item);

/* ---- hashes, sets, sorted sets --- */

/* False: it is not there. `member` may be NULL. */
bool collection_find(const struct item *item, const struct resp_arg *key, struct member *member);
/* The member in a place, 0 .. count-1. A removal moves others to lower places only: go downward to miss
 * none. */
void collection_at(const struct item *item, size_t place, struct member *member);
/* A walk over the places upward, a step in O(1). No change may come between. */
struct collection_walk {
    /* private */
    const struct item *item;
    size_t place;
    const char *at;
};
void collection_walk_begin(struct collection_walk *walk, const struct item *item);
/* From that place on, which may be the count. */
void collection_walk_from(struct collection_walk *walk, const struct item *item, size_t place);
/* The next member; false at the end. */
bool collection_walk_next(struct collection_walk *walk, struct member *member);
/* Each returns whether the member is new. */
bool hash_set(struct collection *hash, const struct resp_arg *field, const struct resp_arg *value);
bool set_add(struct collection *set, const struct resp_arg *member);
/* One that is known not to be in it. */
void set_add_new(struct collection *set, const struct resp_arg *member);
bool zset_set(struct collection *zset, const struct resp_arg *member, double score); /* not a NaN */
/* False: it was not there. */
bool collection_remove(struct collection *collection, const struct resp_arg *key);
void collection_remove_at(struct collection *collection, size_t place);

/* ---- sorted sets in their order: by score, then by bytes; ranks count from 0 --- */

/* False: it is not there. `score` may be NULL. */
bool zset_rank(const struct item *item, const struct resp_arg *member, size_t *rank, double *score);
void zset_at_rank(const struct item *item, size_t rank, struct member *member);
/* How many have a score below `score`; with `through`, also those that have it. */
size_t zset_rank_of_score(const struct item *item, double score, bool through);
/* The same by bytes; means something when all scores are the same. */
size_t zset_rank_of_bytes(const struct item *item, const struct resp_arg *bytes, bool through);
/* Removes the ranks from .. to-1. */
void zset_remove_ranks(struct collection *zset, size_t from, size_t to);

/* A walk along the order, up or down, a step in O(1). No change may come between. */
struct zset_walk {
    /* private */
    const struct item *item;
    size_t rank, within;
    const void *at;
};
void zset_walk_begin(struct zset_walk *walk, const struct item *item, size_t rank);
/* The member at the walk's rank, then one up (or down). False at the end. */
bool zset_walk_up(struct zset_walk *walk, struct member *member);
bool zset_walk_down(struct zset_walk *walk, struct member *member);

#endif
