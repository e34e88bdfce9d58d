/* SPDX-License-Identifier: MIT */
/*
 * Lists as values of keys. Opened and closed for a change as other collections are (collection.h). Pushing
 * and popping at either end is O(1); in the middle a change costs a walk over the list's segments, some
 * thousands of bytes each. Indexes count from 0 at the head.
 */
#ifndef LISTS_H
#define LISTS_H

#include "collection.h"

enum list_end { LIST_HEAD, LIST_TAIL };

/* A walk over the elements, also while they change: only by the two calls below. */
struct list_walk {
    struct resp_arg value; /* of the element that the walk is at; not to be copied */
    size_t index;
    /* private */
    const struct item *item;
    void *segment;
    size_t at;
    char digits[24];
};

/* The element at an index below the count. */
void list_at(const struct item *item, size_t index, struct list_walk *walk);
/* The neighbour toward the tail, the head; false when there is none. No change may come between. */
bool list_next(struct list_walk *walk);
bool list_previous(struct list_walk *walk);

void list_push(struct collection *list, enum list_end end, const struct resp_arg *value);
void list_pop(struct collection *list, enum list_end end); /* of a list that is not empty */
void list_set(struct collection *list, size_t index, const struct resp_arg *value);
/* Before the element at `index`; at the count: behind the last. */
void list_insert(struct collection *list, size_t index, const struct resp_arg *value);
/* Removes `count` elements from `index` on. */
void list_remove(struct collection *list, size_t index, size_t count);
/* Removes up to `count` elements equal to `value`, the first ones as seen from `end`. Returns how many. */
size_t list_remove_equal(struct collection *list, const struct resp_arg *value, size_t count,
                         enum list_end end);

#endif
