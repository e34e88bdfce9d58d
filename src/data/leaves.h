/* SPDX-License-Identifier: MIT */
/* The leaves that records lie in (records.c has the essay): for records.c and its neighbours only. */
#ifndef LEAVES_H
#define LEAVES_H

#include <assert.h>

#include "records.h"

enum { LEAF_BYTES = 4096 };

struct leaf {
    uint32_t number;           /* of its page, less one */
    uint32_t count;            /* records */
    uint32_t length, capacity; /* bytes */
    uint32_t last;             /* where the last record begins */
    uint64_t digest;           /* the sum over the records */
    char bytes[];              /* packed records */
};

/* The leaf of that index in the order of keys. */
static inline struct leaf *leaf_at(const struct records *records, size_t index) {
    assert(index < records->count);
    return records->order[records->first + index];
}

/* ---- one leaf --- */

/* Another leaf, or room for more in one, which may move. */
struct leaf *leaf_alloc(struct records *records, struct leaf *old, size_t capacity);
void leaf_free(struct records *records, struct leaf *leaf);
/* Room for `length` bytes in the leaf of that index. */
struct leaf *leaf_reserve(struct records *records, size_t index, size_t length);
/* Counts the records of a leaf again. */
void leaf_recount(struct leaf *leaf);
/* Of a record that begins there. */
size_t leaf_record_size(const char *at);
uint64_t leaf_record_digest(const char *at, size_t size);
struct resp_arg leaf_key(const char *at);

/* ---- numbers --- */

/* The lowest free one; takes it; gives one back. */
size_t leaves_next_number(struct records *records);
uint32_t leaves_take_number(struct records *records);
void leaves_give_number(struct records *records, uint32_t number);

/* ---- the order --- */

void leaves_insert(struct records *records, size_t index, struct leaf *leaf);
void leaves_remove(struct records *records, size_t index);
/* An array of pointers to leaves gets longer. */
struct leaf **leaves_grow(struct records *records, struct leaf **array, size_t *room);

/* ---- both --- */

int records_compare(const struct resp_arg *a, const struct resp_arg *b);
uint64_t records_head_digest(const struct records *records);

#endif
