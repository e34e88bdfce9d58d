/* SPDX-License-Identifier: MIT */
/*
 * Records in the order of their keys, and a head of a few numbers: what a stream consists of. An object whose pages are leaves of records.
 * Private to src/data; records.c has the essay.
 */
#ifndef RECORDS_H
#define RECORDS_H

#include "collection.h"
#include "item.h"

enum { RECORDS_HEAD = 7 }; /* numbers in the head; what they mean is the stream's business */

struct leaf;

struct records {
    struct object object;
    uint64_t head[RECORDS_HEAD];
    struct leaf **order; /* by key: order[first] .. order[first + count - 1] */
    size_t first, count, room;
    struct leaf **at; /* by number; NULL: a number that is free */
    size_t used;      /* one more than the largest number in use */
    size_t at_room;
    size_t free_from; /* no number below it is free */
    size_t memory;    /* what is counted for it in the keyspace's memory, but for the bits */
};

/* A place between two records, or before the one there. Holds until the next change. */
struct records_place {
    size_t leaf, at;
};

struct record {
    struct resp_arg key, value;
};

struct records *records_of(const struct item *item);
/* An empty one that is no object yet. */
struct records *records_new(size_t *memory);

/* ---- reading --- */

/* The place of a key: that of the first record whose key is not before it. True: that is the key. */
bool records_find(const struct records *records, const struct resp_arg *key, struct records_place *place);
void records_begin(const struct records *records, struct records_place *place);
/* The record behind a place, which moves on; false at the end. The same for the one before it, and back. */
bool records_next(const struct records *records, struct records_place *place, struct record *record);
bool records_previous(const struct records *records, struct records_place *place, struct record *record);

/* ---- changes of a settled object --- */

void records_set_head(struct collection *stream, const uint64_t head[RECORDS_HEAD]);
/* The key is not there. */
void records_add(struct collection *stream, const struct resp_arg *key, const struct resp_arg *value);
/* Puts another value of the same length to a key that is there. The value's bytes lie elsewhere. */
void records_replace(struct collection *stream, const struct resp_arg *key, const struct resp_arg *value);
/* False: it was not there. */
bool records_remove(struct collection *stream, const struct resp_arg *key);
/* Removes those with from <= key < to, leaf by leaf. Returns how many. */
size_t records_remove_range(struct collection *stream, const struct resp_arg *from,
                            const struct resp_arg *to);

#endif
