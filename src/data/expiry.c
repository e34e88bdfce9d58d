/* SPDX-License-Identifier: MIT */
/*
 * Items by deadline. The number 0, that says "no deadline" here and "none behind" in the order, is never in
 * it.
 */
#include "expiry.h"

#include <assert.h>

static struct resp_arg key_of(const void *item) {
    return item_key(item);
}

void expiry_init(struct expiry *expiry, size_t *memory) {
    order_init(&expiry->order, key_of, memory);
}

void expiry_add(struct expiry *expiry, struct item *item) {
    assert(item_deadline(item) != KEYSPACE_NO_DEADLINE);
    order_add(&expiry->order, item_deadline(item), item);
}

void expiry_remove(struct expiry *expiry, struct item *item) {
    order_remove(&expiry->order, item_deadline(item), item);
}

void expiry_replace(struct expiry *expiry, struct item *old, struct item *item) {
    assert(item_deadline(old) == item_deadline(item));
    order_replace(&expiry->order, item_deadline(item), old, item);
}

struct item *expiry_first(const struct expiry *expiry) {
    return order_first(&expiry->order);
}

size_t expiry_due(const struct expiry *expiry, uint64_t clock_ms) {
    return order_rank_of_number(&expiry->order, clock_ms, true, NULL);
}

uint64_t expiry_next(const struct expiry *expiry, uint64_t clock_ms) {
    uint64_t next;
    order_rank_of_number(&expiry->order, clock_ms, true, &next);
    return next;
}

size_t expiry_free_some(struct expiry *expiry, size_t count) {
    return order_free_some(&expiry->order, count);
}
