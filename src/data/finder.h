/* SPDX-License-Identifier: MIT */
/*
 * Looking for many members in one collection that does not change meanwhile, as an intersection does.
 *
 * A small collection is searched from front to back, up to 4 KB of it, in which may be a thousand integers: to look for a thousand in it
 * that way takes a million steps, milliseconds in which the loop serves nobody. So where both are many a table is made first:
 *
 *      member's hash --> slots: place of its entries in the item's bytes, 0: none;  as many slots as twice the members, or more
 *
 * A large collection has such a table of its own, and is asked.
 */
#ifndef FINDER_H
#define FINDER_H

#include "collection.h"
#include "hash.h"

struct finder {
    /* private */
    const struct item *item;
    struct hash_key key;
    uint16_t *slots; /* NULL: it is not worth it */
    size_t mask;
};

/* For about so many lookups in a hash, set or sorted set; of no item (NULL) nothing is found. The collection, and the place of its item,
 * stay as they are until it is closed. Who does not know the seed cannot choose members that share slots. */
void finder_open(struct finder *finder, const struct item *item, size_t lookups, uint64_t seed);
void finder_close(struct finder *finder);
/* As collection_find (collection.h), but the place is not set. */
bool finder_find(const struct finder *finder, const struct resp_arg *key, struct member *member);

#endif
