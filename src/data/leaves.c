/* SPDX-License-Identifier: MIT */
/* Leaves of records: their memory, their numbers, their order. records.c has the essay. */
#include "leaves.h"

#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "pack.h"

/* ---- digests --- */

uint64_t leaf_record_digest(const char *at, size_t size) {
    return digest_mix(digest_bytes(at, size, size), UINT64_C(0x7ca3b1d9e5f60843));
}

uint64_t records_head_digest(const struct records *records) {
    return digest_mix(digest_bytes(records->head, sizeof records->head, RECORDS_HEAD),
                      UINT64_C(0x3c91e4d7a5b20f68));
}

size_t leaf_record_size(const char *at) {
    return (size_t)(pack_next(pack_next(at)) - at);
}

/* Counts the records of a leaf again. */
void leaf_recount(struct leaf *leaf) {
    leaf->count = leaf->last = 0;
    leaf->digest = 0;
    for (size_t at = 0, size; at < leaf->length; at += size) {
        size = leaf_record_size(leaf->bytes + at);
        leaf->digest += leaf_record_digest(leaf->bytes + at, size);
        leaf->last = (uint32_t)at;
        leaf->count++;
    }
}

struct resp_arg leaf_key(const char *at) {
    struct pack_value value;
    (void)pack_read(at, &value);
    return value.text;
}

int records_compare(const struct resp_arg *a, const struct resp_arg *b) {
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = shorter ? memcmp(a->bytes, b->bytes, shorter) : 0;
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* ---- leaves --- */

static size_t leaf_size(size_t capacity) {
    return allocation_of(sizeof(struct leaf) + capacity);
}

/* Another leaf, or room for more in one, which may move. */
struct leaf *leaf_alloc(struct records *records, struct leaf *old, size_t capacity) {
    if (old)
        records->memory -= leaf_size(old->capacity) + ALLOCATION_HEADER;
    size_t size = leaf_size(capacity);
    struct leaf *leaf = realloc(old, size);
    if (!leaf)
        abort();
    heap_ahead();
    if (!old)
        *leaf = (struct leaf){.length = 0};
    leaf->capacity = (uint32_t)(size - sizeof *leaf);
    records->memory += leaf_size(leaf->capacity) + ALLOCATION_HEADER;
    return leaf;
}

void leaf_free(struct records *records, struct leaf *leaf) {
    records->memory -= leaf_size(leaf->capacity) + ALLOCATION_HEADER;
    free(leaf);
}

/* Room for `length` bytes in the leaf of that index. */
struct leaf *leaf_reserve(struct records *records, size_t index, size_t length) {
    struct leaf *leaf = leaf_at(records, index);
    if (length <= leaf->capacity)
        return leaf;
    size_t capacity = leaf->capacity + sizeof *leaf;
    while (capacity < length + sizeof *leaf)
        capacity *= 2;
    capacity -= sizeof *leaf;
    if (length <= LEAF_BYTES && capacity > LEAF_BYTES)
        capacity = LEAF_BYTES;
    else if (length > LEAF_BYTES)
        capacity = length;
    leaf = leaf_alloc(records, leaf, capacity);
    records->order[records->first + index] = leaf;
    records->at[leaf->number] = leaf;
    return leaf;
}

struct leaf **leaves_grow(struct records *records, struct leaf **array, size_t *room) {
    size_t larger = *room ? 2 * *room : 2;
    array = realloc(array, larger * sizeof(struct leaf *));
    if (!array)
        abort();
    records->memory += (larger - *room) * sizeof(struct leaf *);
    *room = larger;
    return array;
}

/* ---- numbers --- */

size_t leaves_next_number(struct records *records) {
    size_t number = records->free_from;
    while (number < records->used && records->at[number])
        number++;
    records->free_from = number;
    return number;
}

uint32_t leaves_take_number(struct records *records) {
    size_t number = leaves_next_number(records);
    records->free_from = number + 1;
    if (number == records->at_room)
        records->at = leaves_grow(records, records->at, &records->at_room);
    if (number == records->used)
        records->used++;
    assert(records->used < UINT32_MAX - 1);
    return (uint32_t)number;
}

void leaves_give_number(struct records *records, uint32_t number) {
    records->at[number] = NULL;
    records->free_from = number < records->free_from ? number : records->free_from;
    while (records->used > 0 && !records->at[records->used - 1])
        records->used--;
    records->free_from = records->free_from < records->used ? records->free_from : records->used;
}

/* ---- the order --- */

/* The array is full at the side that is to move: its middle gets free, or it gets longer. */
static void order_make_room(struct records *records) {
    if (records->count == records->room || records->count > records->room / 4 * 3)
        records->order = leaves_grow(records, records->order, &records->room);
    size_t first = records->count < 4 ? 0 : (records->room - records->count) / 2;
    memmove(records->order + first, records->order + records->first, records->count * sizeof(struct leaf *));
    records->first = first;
}

void leaves_insert(struct records *records, size_t index, struct leaf *leaf) {
    assert(index <= records->count);
    bool forward = index < records->count / 2; /* those before it move */
    if (forward ? records->first == 0 : records->first + records->count == records->room) {
        order_make_room(records);
        forward = forward && records->first > 0;
        assert(forward || records->first + records->count < records->room);
    }
    struct leaf **begin = records->order + records->first;
    if (forward) {
        memmove(begin - 1, begin, index * sizeof *begin);
        records->first--;
    } else {
        memmove(begin + index + 1, begin + index, (records->count - index) * sizeof *begin);
    }
    records->order[records->first + index] = leaf;
    records->count++;
}

void leaves_remove(struct records *records, size_t index) {
    struct leaf **begin = records->order + records->first;
    assert(index < records->count);
    if (index < records->count / 2) {
        memmove(begin + 1, begin, index * sizeof *begin);
        records->first++;
    } else {
        memmove(begin + index, begin + index + 1, (records->count - index - 1) * sizeof *begin);
    }
    records->count--;
}
