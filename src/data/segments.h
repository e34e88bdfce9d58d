/* SPDX-License-Identifier: MIT */
/* A large list: an object whose pages are segments of entries. Private to src/data; segments.c has the essay. */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include "collection.h"
#include "item.h"
#include "pack.h"

struct segment {
    struct segment *previous, *next;
    uint32_t number;           /* of its page */
    uint32_t count;            /* entries */
    uint32_t length, capacity; /* bytes */
    uint64_t digest;           /* of the entries, in their order */
    char bytes[];              /* packed entries */
};

struct segments {
    struct object object;
    struct segment *head, *tail;
    struct segment **at; /* by number; NULL: a number that is free */
    size_t room;         /* of `at` */
    size_t used;         /* one more than the largest number in use */
    size_t free_from;    /* no number below it is free */
    size_t count;        /* elements */
    size_t memory;       /* what is counted for it in the keyspace's memory, but for the bits */
};

struct segments *segments_of(const struct item *item);
/* An empty one that is no object yet; it is filled before it becomes one. */
struct segments *segments_new(size_t *memory);
void segments_fill(struct segments *segments, const char *entry, size_t *memory);

/* The segment of an element; `index` becomes the one in it, `at` its place in the bytes. */
struct segment *segments_seek(const struct segments *segments, size_t *index, size_t *at);

/* Changes of a settled object. `segment` NULL: behind the last element. */
void segments_insert(struct collection *list, struct segment *segment, size_t at,
                     const struct pack_value *value);
/* Replaces the entry at `at`; false, and nothing is changed, when the new one does not fit there. */
bool segments_replace(struct collection *list, struct segment *segment, size_t at,
                      const struct pack_value *value);
/* Removes one entry at an end of the list. */
void segments_pop(struct collection *list, bool head);
/* Removes `count` elements from the one at `at` on. */
void segments_remove(struct collection *list, struct segment *segment, size_t at, size_t count);
/* Removes up to `count` elements equal to `value`, beginning at an end. Returns how many. */
size_t segments_remove_equal(struct collection *list, const struct pack_value *value, size_t count,
                             bool head);

#endif
