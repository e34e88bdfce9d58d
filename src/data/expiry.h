/* SPDX-License-Identifier: MIT */
/*
 * The deadlines of one database's keys, in (deadline, key) order. Private to src/data; order.c has the
 * essay.
 */
#ifndef EXPIRY_H
#define EXPIRY_H

#include "item.h"
#include "order.h"

struct expiry {
    struct order order;
};

void expiry_init(struct expiry *expiry, size_t *memory);
/* Adds an item, by its deadline and key; removes it; says that `item` has taken the place of `old`, whose key
 * still shows. */
void expiry_add(struct expiry *expiry, struct item *item);
void expiry_remove(struct expiry *expiry, struct item *item);
void expiry_replace(struct expiry *expiry, struct item *old, struct item *item);
/* The earliest; NULL when empty. */
struct item *expiry_first(const struct expiry *expiry);
/* How many deadlines are at or before the clock. */
size_t expiry_due(const struct expiry *expiry, uint64_t clock_ms);
/* The earliest deadline behind the clock; KEYSPACE_NO_DEADLINE when there is none. */
uint64_t expiry_next(const struct expiry *expiry, uint64_t clock_ms);
/* Frees up to `count` nodes, looking at no item. Returns how many; when fewer than `count`, all is freed. */
size_t expiry_free_some(struct expiry *expiry, size_t count);

#endif
