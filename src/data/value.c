/* SPDX-License-Identifier: MIT */
/*
 * Items and the values in them: layout and allocation. item.h draws it.
 *
 * Sizes are rounded up to what the allocator would hand out anyway, so that the room an item has follows from
 * what it holds: a counter that grows by a digit, or a value that is set to another of about its size, stays
 * where it is.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum {
    EXPECT_MAX = 2048
}; /* bytes of an item: with KEYSPACE_EXPECT_MAX of them, 32 KB, as a core has next to it */

static void *allocate(size_t length) {
    void *block = malloc(length);
    if (!block)
        abort();
    heap_ahead();
    return block;
}

/* ---- layout --- */

static size_t key_offset(unsigned flags) {
    return sizeof(struct item) + ((flags & ITEM_DEADLINE) ? 8 : 0) + ((flags & ITEM_LONG) ? 8 : 0);
}

static size_t item_allocation(unsigned flags, size_t key_length, size_t short_length) {
    return allocation_of(key_offset(flags) + key_length + short_length);
}

static char *key_bytes(struct item *item) {
    return (char *)item + key_offset(item->flags);
}

struct object *item_object(const struct item *item) {
    struct object *object = NULL;
    if (item->flags & ITEM_LONG)
        memcpy(&object, &item->words[(item->flags & ITEM_DEADLINE) ? 1 : 0], sizeof object);
    return object;
}

struct text *item_text(const struct item *item) {
    assert(item->type == VALUE_STRING);
    return (struct text *)item_object(item);
}

void item_put_object(struct item *item, struct object *object) {
    assert(item->flags & ITEM_LONG);
    memcpy(&item->words[(item->flags & ITEM_DEADLINE) ? 1 : 0], &object, sizeof object);
}

enum value_type item_type(const struct item *item) {
    return item->type;
}

struct resp_arg item_key(const struct item *item) {
    const char *bytes = (const char *)item + key_offset(item->flags);
    return (struct resp_arg){bytes, item->key_length};
}

uint64_t item_fingerprint(const struct item *item, unsigned db) {
    struct resp_arg key = item_key(item);
    return digest_bytes(key.bytes, key.length, db);
}

uint64_t item_deadline(const struct item *item) {
    return (item->flags & ITEM_DEADLINE) ? item->words[0] : KEYSPACE_NO_DEADLINE;
}

uint64_t item_version(const struct item *item) {
    return item->version;
}

void item_expect(const struct item *item, size_t from) {
    size_t end = key_offset(item->flags) + item->key_length + item->short_length;
    for (size_t at = from; at < end && at < EXPECT_MAX; at += 64)
        __builtin_prefetch((const char *)item + at);
}

size_t item_memory(const struct item *item) {
    const struct object *object = item_object(item);
    return item_allocation(item->flags, item->key_length, item->short_length) + ALLOCATION_HEADER +
           (object ? object_kind(object)->bytes(object) : 0);
}

size_t item_index_share(const struct item *item) {
    return DICT_BYTES + (item->flags & ITEM_DEADLINE ? ORDER_BYTES : 0);
}

struct resp_arg item_string(const struct item *item) {
    assert(item->type == VALUE_STRING);
    const struct text *text = item_text(item);
    if (text)
        return (struct resp_arg){text->bytes, text->length};
    const char *bytes = (const char *)item + key_offset(item->flags) + item->key_length;
    return (struct resp_arg){bytes, item->short_length};
}

/* ---- life --- */

static struct item *shell_new(const struct resp_arg *key, unsigned flags, size_t short_length,
                              size_t *memory) {
    assert(key->length <= UINT32_MAX);
    assert(short_length <= ITEM_SMALL_MAX);
    size_t size = item_allocation(flags, key->length, short_length);
    struct item *item = allocate(size);
    item->version = 0;
    item_set_use(item, 0);
    item->key_length = (uint32_t)key->length;
    item->short_length = (uint16_t)short_length;
    item->type = VALUE_STRING;
    item->flags = flags & 0xf;
    if (key->length)
        memcpy(key_bytes(item), key->bytes, key->length);
    *memory += size + ALLOCATION_HEADER;
    return item;
}

void item_release(struct item *item, size_t *memory) {
    *memory -= item_allocation(item->flags, item->key_length, item->short_length) + ALLOCATION_HEADER;
    free(item);
}

void item_free(struct item *item, size_t *memory) {
    struct object *object = item_object(item);
    assert(!object || object->type == VALUE_STRING); /* others are freed in slices */
    if (object)
        text_free(item_text(item), memory);
    item_release(item, memory);
}

static struct text *text_with(struct text *text, const void *bytes, size_t length, size_t *memory) {
    text = text_for(text, length, memory);
    memcpy(text->bytes, bytes, length);
    text->length = length;
    return text;
}

struct item *item_new(const struct resp_arg *key, const void *bytes, size_t length, size_t *memory) {
    if (length > ITEM_SHORT_MAX) {
        struct item *item = shell_new(key, ITEM_LONG, 0, memory);
        item_put_object(item, &text_with(NULL, bytes, length, memory)->object);
        return item;
    }
    struct item *item = shell_new(key, 0, length, memory);
    if (length)
        memcpy(key_bytes(item) + item->key_length, bytes, length);
    return item;
}

/* ---- change --- */

/* Gives the item other flags and room for a short value of another length, keeping its key and as much of a
 * short value as stays. Its deadline and text are to be put again by the caller when it keeps them. */
static struct item *reshape(struct item *item, unsigned flags, size_t short_length, size_t *memory) {
    size_t kept = short_length < item->short_length ? short_length : item->short_length;
    size_t size = item_allocation(flags, item->key_length, short_length);
    if (size == item_allocation(item->flags, item->key_length, item->short_length)) {
        memmove((char *)item + key_offset(flags), key_bytes(item), item->key_length + kept);
        item->flags = flags & 0xf;
        item->short_length = (uint16_t)short_length;
        return item;
    }
    struct resp_arg key = item_key(item);
    struct item *other = shell_new(&key, flags, short_length, memory);
    if (kept)
        memcpy(key_bytes(other) + other->key_length, key_bytes(item) + item->key_length, kept);
    other->version = item->version;
    item_set_use(other, item_use(item));
    other->type = item->type;
    return other;
}

/* reshape that keeps the deadline; `object` is what the item shall have when `flags` say that it has one. */
static struct item *reshape_value(struct item *item, unsigned flags, size_t short_length,
                                  struct object *object, size_t *memory) {
    uint64_t deadline = item_deadline(item);
    item = reshape(item, (item->flags & ITEM_DEADLINE) | flags, short_length, memory);
    if (deadline)
        item->words[0] = deadline;
    if (flags & ITEM_LONG)
        item_put_object(item, object);
    return item;
}

/* What was there is a string, or a collection of which nothing is left but the item. */
struct item *item_write(struct item *item, const void *bytes, size_t length, size_t *memory) {
    struct text *text = (struct text *)item_object(item);
    assert(!text || item->type == VALUE_STRING);
    if (length > ITEM_SHORT_MAX) {
        text = text_with(text, bytes, length, memory);
        item = reshape_value(item, ITEM_LONG, 0, &text->object, memory);
    } else {
        if (text)
            text_free(text, memory);
        item = reshape_value(item, 0, length, NULL, memory);
        if (length)
            memcpy(key_bytes(item) + item->key_length, bytes, length);
    }
    item->type = VALUE_STRING;
    return item;
}

struct item *item_extend(struct item *item, const void *bytes, size_t length, size_t *memory) {
    struct text *text = item_text(item);
    size_t before = item->short_length, total = before + length;
    if (length == 0)
        return item;
    if (text) {
        item_put_object(item, &text_extend(text, bytes, length, memory)->object);
        return item;
    }
    if (total <= ITEM_SHORT_MAX) {
        item = reshape_value(item, 0, total, NULL, memory);
        memcpy(key_bytes(item) + item->key_length + before, bytes, length);
        return item;
    }
    text = text_for(NULL, total, memory);
    memcpy(text->bytes, key_bytes(item) + item->key_length, before);
    memcpy(text->bytes + before, bytes, length);
    text->length = total;
    return reshape_value(item, ITEM_LONG, 0, &text->object, memory);
}

void item_patch(struct item *item, size_t offset, const void *bytes, size_t length) {
    assert(item->type == VALUE_STRING && !(item->flags & ITEM_LONG));
    assert(offset + length <= item->short_length);
    memcpy(key_bytes(item) + item->key_length + offset, bytes, length);
}

struct item *item_note_deadline(struct item *item, uint64_t deadline_ms, size_t *memory) {
    struct object *object = item_object(item);
    unsigned flags = (item->flags & ~(unsigned)ITEM_DEADLINE) | (deadline_ms ? ITEM_DEADLINE : 0u);
    item = reshape(item, flags, item->short_length, memory);
    if (deadline_ms)
        item->words[0] = deadline_ms;
    if (flags & ITEM_LONG)
        item_put_object(item, object);
    assert(item_deadline(item) == deadline_ms);
    return item;
}

/* ---- collections --- */

struct item *item_new_small(const struct resp_arg *key, enum value_type type, size_t length, size_t *memory) {
    struct item *item = shell_new(key, 0, length, memory);
    item->type = type & 0xf;
    return item;
}

struct resp_arg item_small(const struct item *item) {
    assert(!(item->flags & ITEM_LONG));
    return (struct resp_arg){(const char *)item + key_offset(item->flags) + item->key_length,
                             item->short_length};
}

char *item_small_bytes(struct item *item) {
    assert(!(item->flags & ITEM_LONG));
    return key_bytes(item) + item->key_length;
}

struct item *item_resize_small(struct item *item, size_t length, size_t *memory) {
    assert(!(item->flags & ITEM_LONG));
    return reshape_value(item, item->flags & ITEM_WIDTHS, length, NULL, memory);
}

struct item *item_give_object(struct item *item, struct object *object, size_t *memory) {
    assert(!(item->flags & ITEM_LONG));
    return reshape_value(item, (item->flags & ITEM_WIDTHS) | ITEM_LONG, 0, object, memory);
}

struct item *item_with_key(struct item *item, const struct resp_arg *key, size_t *memory) {
    struct item *other = shell_new(key, item->flags, item->short_length, memory);
    memcpy(other->words, item->words, key_offset(item->flags) - sizeof *item);
    if (item->short_length)
        memcpy(key_bytes(other) + other->key_length, key_bytes(item) + item->key_length, item->short_length);
    other->version = item->version;
    item_set_use(other, item_use(item));
    other->type = item->type;
    return other;
}

/* ---- digest, checkpoint --- */

/* Key and short value lie one behind the other. */
uint64_t item_digest(const struct item *item) {
    const struct object *object = item_object(item);
    const char *bytes = (const char *)item + key_offset(item->flags);
    uint64_t kind = (uint64_t)item->key_length << 16 | (uint64_t)item->type << 8 |
                    (item->flags & (ITEM_LONG | ITEM_WIDE));
    uint64_t digest = digest_bytes(bytes, (size_t)item->key_length + item->short_length, kind);
    digest = digest_mix(digest, digest_mix(item->version, item_deadline(item)));
    if (object)
        digest = digest_mix(digest, digest_mix(object->digest, object->id));
    return digest;
}

struct item *item_load(const struct resp_arg *key, enum value_type type, unsigned flags, uint64_t deadline_ms,
                       uint64_t version, const struct resp_arg *value, size_t *memory) {
    flags |= (value ? 0u : ITEM_LONG) | (deadline_ms ? ITEM_DEADLINE : 0u);
    struct item *item = shell_new(key, flags, value ? value->length : 0, memory);
    item->version = version;
    item->type = type & 0xf;
    if (deadline_ms)
        item->words[0] = deadline_ms;
    if (!value)
        item_put_object(item, NULL);
    else if (value->length)
        memcpy(key_bytes(item) + item->key_length, value->bytes, value->length);
    return item;
}
