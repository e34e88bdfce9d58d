/* SPDX-License-Identifier: MIT */
/* Records as an object: their pages, and how they come back from them. records.c has the essay and the format. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "leaves.h"
#include "pack.h"

enum { PAGE_FREE = -1 };

static struct records *records_in(struct object *object) {
    assert(object->type == VALUE_STREAM);
    return (struct records *)object;
}

static const struct records *const_records_in(const struct object *object) {
    assert(object->type == VALUE_STREAM);
    return (const struct records *)object;
}

/* ---- as an object --- */

static size_t pages(const struct object *object) {
    return 1 + const_records_in(object)->used;
}

static size_t bytes(const struct object *object) {
    return const_records_in(object)->memory;
}

static void mark_all(struct keyspace *keyspace, struct database *database, struct object *object) {
    object_mark(keyspace, database, object, 0, pages(object));
}

static void write_head(const struct records *records, struct resp_buf *out) {
    for (size_t i = 0; i < RECORDS_HEAD; i++) {
        char bytes_of[8];
        for (size_t byte = 0; byte < 8; byte++)
            bytes_of[byte] = (char)(records->head[i] >> 8 * byte);
        struct pack_value value = pack_raw(bytes_of, sizeof bytes_of);
        pack_append(out, &value);
    }
}

static void write_page(const struct object *object, size_t number, struct resp_buf *out) {
    const struct records *records = const_records_in(object);
    if (number == 0) {
        write_head(records, out);
        return;
    }
    const struct leaf *leaf = number - 1 < records->used ? records->at[number - 1] : NULL;
    struct pack_value none = pack_integer(PAGE_FREE);
    if (leaf)
        resp_buf_append(out, leaf->bytes, leaf->length);
    else
        pack_append(out, &none);
}

struct records *records_new(size_t *memory) {
    struct records *records = calloc(1, sizeof *records);
    if (!records)
        abort();
    records->object.type = VALUE_STREAM;
    records->object.digest = records_head_digest(records);
    records->memory = allocation_of(sizeof *records) + ALLOCATION_HEADER;
    *memory += records->memory;
    return records;
}

static size_t free_some(struct object *object, size_t count, size_t *memory) {
    struct records *records = records_in(object);
    size_t freed = 0, before = records->memory;
    for (; freed < count && records->used > 0; freed++) {
        struct leaf *leaf = records->at[--records->used];
        if (leaf)
            leaf_free(records, leaf);
    }
    *memory -= before - records->memory;
    if (freed < count) {
        *memory -= records->memory;
        free(records->order);
        free(records->at);
        free(records);
    }
    return freed;
}

static struct object *copy(const struct object *object, struct keyspace *keyspace) {
    const struct records *records = const_records_in(object);
    struct records *other = records_new(&keyspace->memory);
    size_t before = other->memory;
    memcpy(other->head, records->head, sizeof other->head);
    for (size_t i = 0; i < records->count; i++) {
        const struct leaf *leaf = leaf_at(records, i);
        struct leaf *twin = leaf_alloc(other, NULL, leaf->length);
        size_t capacity = twin->capacity;
        memcpy(twin, leaf, sizeof *leaf + leaf->length);
        twin->capacity = (uint32_t)capacity;
        twin->number = leaves_take_number(other);
        other->at[twin->number] = twin;
        leaves_insert(other, i, twin);
    }
    other->object.digest = object->digest;
    keyspace->memory += other->memory - before;
    return &other->object;
}

static size_t reference(const struct object *object, uint64_t numbers[OBJECT_NUMBERS]) {
    numbers[0] = pages(object);
    return 1;
}

/* ---- loading --- */

static bool load_reference(const struct awaited *awaited) {
    return awaited->length > 0 && awaited->length < UINT32_MAX;
}

static bool load_head(struct records *records, const char *at, size_t entries) {
    if (entries != RECORDS_HEAD)
        return false;
    for (size_t i = 0; i < RECORDS_HEAD; i++) {
        struct pack_value value;
        at = pack_read(at, &value);
        if (value.is_integer || value.text.length != 8)
            return false;
        records->head[i] = 0;
        for (size_t byte = 8; byte-- > 0;)
            records->head[i] = records->head[i] << 8 | (unsigned char)value.text.bytes[byte];
    }
    return true;
}

static bool load_leaf(struct records *records, const char *from, size_t length, size_t entries) {
    struct pack_value value;
    records->free_from = records->used;
    uint32_t number = leaves_take_number(records);
    records->at[number] = NULL;
    if (entries == 1)
        return pack_read(from, &value), value.is_integer && value.integer == PAGE_FREE;
    for (const char *at = from; at < from + length;) {
        at = pack_read(at, &value);
        if (value.is_integer)
            return false;
    }
    struct leaf *leaf = leaf_alloc(records, NULL, length);
    memcpy(leaf->bytes, from, length);
    leaf->number = number;
    leaf->length = (uint32_t)length;
    leaf_recount(leaf);
    records->at[number] = leaf;
    return entries % 2 == 0;
}

static bool load_page(struct keyspace *keyspace, struct awaited *awaited, uint64_t number, const void *loaded,
                      size_t length) {
    size_t entries;
    if (number != awaited->loaded++ || number >= awaited->length || length == 0 || length > UINT32_MAX ||
        !pack_is_sound(loaded, length, false, &entries))
        return false;
    if (!item_object(awaited->item))
        item_put_object(awaited->item, &records_new(&keyspace->memory)->object);
    struct records *records = records_of(awaited->item);
    size_t before = records->memory;
    bool is_good =
        number == 0 ? load_head(records, loaded, entries) : load_leaf(records, loaded, length, entries);
    keyspace->memory += records->memory - before;
    return is_good;
}

static int compare_leaves(const void *a, const void *b) {
    const struct leaf *const *left = a, *const *right = b;
    struct resp_arg own = leaf_key((*left)->bytes), key = leaf_key((*right)->bytes);
    return records_compare(&own, &key);
}

/* Puts the leaves into their order. */
static void load_order(struct records *records) {
    size_t there = 0;
    for (size_t i = 0; i < records->used; i++)
        there += records->at[i] != NULL;
    while (records->room < there)
        records->order = leaves_grow(records, records->order, &records->room);
    for (size_t i = 0; i < records->used; i++)
        if (records->at[i])
            records->order[records->count++] = records->at[i];
    if (records->count > 1)
        qsort(records->order, records->count, sizeof(struct leaf *), compare_leaves);
}

static bool load_end(struct keyspace *keyspace, struct awaited *awaited) {
    struct records *records = records_of(awaited->item);
    struct records_place place;
    struct record record, before = {.key = {NULL, 0}};
    size_t memory = records->memory;
    if (awaited->loaded != awaited->length || (records->used > 0 && !records->at[records->used - 1]))
        return false;
    load_order(records);
    keyspace->memory += records->memory - memory;
    records->object.digest = records_head_digest(records);
    for (size_t i = 0; i < records->count; i++)
        records->object.digest += leaf_at(records, i)->digest;
    for (records_begin(records, &place); records_next(records, &place, &record); before = record)
        if (before.key.bytes && records_compare(&before.key, &record.key) >= 0)
            return false;
    records->free_from = 0;
    return true;
}

const struct object_kind object_stream = {
    .pages = pages,
    .mark = mark_all,
    .write_page = write_page,
    .bytes = bytes,
    .free_some = free_some,
    .copy = copy,
    .reference = reference,
    .load_reference = load_reference,
    .load_page = load_page,
    .load_end = load_end,
};
