/* SPDX-License-Identifier: MIT */
/*
 * Things in the order of (number, key): the deadlines of a database's keys, the members of a sorted set.
 * Private to src/data; order.c has the essay.
 */
#ifndef ORDER_H
#define ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../resp/resp.h"

enum { ORDER_BYTES = 24 }; /* a thing, about */

struct order {
    void *root;                                   /* NULL: empty */
    unsigned height;                              /* of the root: 0 is a leaf */
    size_t count;                                 /* things in it */
    struct resp_arg (*key_of)(const void *thing); /* no two of the same number have the same */
    size_t *memory;                               /* the keyspace's counter */
};

void order_init(struct order *order, struct resp_arg (*key_of)(const void *thing), size_t *memory);
void order_add(struct order *order, uint64_t number, void *thing);
void order_remove(struct order *order, uint64_t number, const void *thing);
/* `thing` has taken the place of `old`, whose key still shows. */
void order_replace(struct order *order, uint64_t number, const void *old, void *thing);
/* NULL when empty. */
void *order_first(const struct order *order);
/* How many things have a number below `number`; `through`: or that number. `next` (or NULL): the number of the
 * first one that is not counted, 0 when there is none. */
size_t order_rank_of_number(const struct order *order, uint64_t number, bool through, uint64_t *next);
/* How many have a key before `key`, when all have the same number; `through`: or that key. */
size_t order_rank_of_key(const struct order *order, const struct resp_arg *key, bool through);
/* The rank of a thing that is there. */
size_t order_rank(const struct order *order, uint64_t number, const void *thing);
/* Where the thing of a rank lies: the n-th in a block. Holds until the next change. */
const void *order_seek(const struct order *order, size_t rank, size_t *within);
/* The thing in a block; NULL behind the block's last. */
void *order_in(const void *block, size_t within);
/* Frees up to `count` nodes, looking at no thing. Returns how many; when fewer than `count`, all is freed. */
size_t order_free_some(struct order *order, size_t count);

#endif
