/* SPDX-License-Identifier: MIT */
/*
 * Items and the values in them: layout and allocation. item.h draws it.
 *
 * Sizes are rounded up to what the allocator would hand out anyway, so that the room an item has follows from
 * what it holds: a counter that grows by a digit, or a value that is set to another of about its size, stays
 * where it is.
 */
#include "item.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"

enum { ALLOCATION_STEP = 16, ALLOCATION_HEADER = 8 };

static size_t allocation(size_t length) {
    return (length + ALLOCATION_HEADER + ALLOCATION_STEP - 1) / ALLOCATION_STEP * ALLOCATION_STEP -
           ALLOCATION_HEADER;
}

static void *allocate(void *old, size_t length) {
    void *block = realloc(old, length);
    if (!block)
        abort();
    return block;
}

/* ---- layout --- */

static size_t key_offset(unsigned flags) {
    return sizeof(struct item) + ((flags & ITEM_DEADLINE) ? 8 : 0) + ((flags & ITEM_LONG) ? 8 : 0);
}

static size_t item_allocation(unsigned flags, size_t key_length, size_t short_length) {
    return allocation(key_offset(flags) + key_length + short_length);
}

static char *key_bytes(struct item *item) {
    return (char *)item + key_offset(item->flags);
}

struct text *item_text(const struct item *item) {
    struct text *text = NULL;
    if (item->flags & ITEM_LONG)
        memcpy(&text, &item->words[(item->flags & ITEM_DEADLINE) ? 1 : 0], sizeof text);
    return text;
}

static void put_text(struct item *item, struct text *text) {
    assert(item->flags & ITEM_LONG);
    memcpy(&item->words[(item->flags & ITEM_DEADLINE) ? 1 : 0], &text, sizeof text);
}

struct text *item_take_text(struct item *item) {
    struct text *text = item_text(item);
    assert(text);
    put_text(item, NULL);
    return text;
}

enum value_type item_type(const struct item *item) {
    return item->type;
}

struct resp_arg item_key(const struct item *item) {
    const char *bytes = (const char *)item + key_offset(item->flags);
    return (struct resp_arg){bytes, item->key_length};
}

uint64_t item_deadline(const struct item *item) {
    return (item->flags & ITEM_DEADLINE) ? item->words[0] : KEYSPACE_NO_DEADLINE;
}

uint64_t item_version(const struct item *item) {
    return item->version;
}

struct resp_arg item_string(const struct item *item) {
    assert(item->type == VALUE_STRING);
    const struct text *text = item_text(item);
    if (text)
        return (struct resp_arg){text->bytes, text->length};
    const char *bytes = (const char *)item + key_offset(item->flags) + item->key_length;
    return (struct resp_arg){bytes, item->short_length};
}

/* ---- long values --- */

static struct text *text_resize(struct text *old, size_t capacity, size_t *memory) {
    size_t size = allocation(sizeof *old + capacity);
    if (old)
        *memory -= allocation(sizeof *old + old->capacity) + ALLOCATION_HEADER;
    struct text *text = allocate(old, size);
    if (!old)
        *text = (struct text){.length = 0};
    text->capacity = size - sizeof *text;
    *memory += size + ALLOCATION_HEADER;
    return text;
}

void text_free(struct text *text, size_t *memory) {
    assert(!text->object.more);
    *memory -= allocation(sizeof *text + text->capacity) + ALLOCATION_HEADER;
    free(text);
}

/* The text that holds `length` bytes, none of which need survive. */
static struct text *text_for(struct text *text, size_t length, size_t *memory) {
    if (text && (length > text->capacity || length < text->capacity / 2)) {
        text_free(text, memory);
        text = NULL;
    }
    return text ? text : text_resize(NULL, length, memory);
}

/* ---- life --- */

static struct item *shell_new(const struct resp_arg *key, unsigned flags, size_t short_length,
                              size_t *memory) {
    assert(key->length <= UINT32_MAX);
    assert(short_length <= ITEM_SHORT_MAX);
    size_t size = item_allocation(flags, key->length, short_length);
    struct item *item = allocate(NULL, size);
    item->version = 0;
    item->key_length = (uint32_t)key->length;
    item->short_length = (uint16_t)short_length;
    item->type = VALUE_STRING;
    item->flags = (uint8_t)flags;
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
    struct text *text = item_text(item);
    if (text)
        text_free(text, memory);
    item_release(item, memory);
}

struct item *item_new(const struct resp_arg *key, const void *bytes, size_t length, size_t *memory) {
    struct item *item = shell_new(key, 0, 0, memory);
    struct item *written = item_write(item, bytes, length, memory);
    if (written != item)
        item_release(item, memory);
    return written;
}

/* ---- change --- */

/* Gives the item other flags and room for a short value of another length, keeping its key and as much of a
 * short value as stays. Its deadline and text are to be put again by the caller when it keeps them. */
static struct item *reshape(struct item *item, unsigned flags, size_t short_length, size_t *memory) {
    size_t kept = short_length < item->short_length ? short_length : item->short_length;
    size_t size = item_allocation(flags, item->key_length, short_length);
    if (size == item_allocation(item->flags, item->key_length, item->short_length)) {
        memmove((char *)item + key_offset(flags), key_bytes(item), item->key_length + kept);
        item->flags = (uint8_t)flags;
        item->short_length = (uint16_t)short_length;
        return item;
    }
    struct resp_arg key = item_key(item);
    struct item *other = shell_new(&key, flags, short_length, memory);
    if (kept)
        memcpy(key_bytes(other) + other->key_length, key_bytes(item) + item->key_length, kept);
    other->version = item->version;
    other->type = item->type;
    return other;
}

/* reshape that keeps the deadline; `text` is what the item shall have when `flags` say that it has one. */
static struct item *reshape_value(struct item *item, unsigned long_flag, size_t short_length,
                                  struct text *text, size_t *memory) {
    uint64_t deadline = item_deadline(item);
    item = reshape(item, (item->flags & ITEM_DEADLINE) | long_flag, short_length, memory);
    if (deadline)
        item->words[0] = deadline;
    if (long_flag)
        put_text(item, text);
    return item;
}

struct item *item_write(struct item *item, const void *bytes, size_t length, size_t *memory) {
    struct text *text = item_text(item);
    if (length > ITEM_SHORT_MAX) {
        text = text_for(text, length, memory);
        memcpy(text->bytes, bytes, length);
        text->length = length;
        return reshape_value(item, ITEM_LONG, 0, text, memory);
    }
    if (text)
        text_free(text, memory);
    item = reshape_value(item, 0, length, NULL, memory);
    if (length)
        memcpy(key_bytes(item) + item->key_length, bytes, length);
    return item;
}

/* A long value grows by a quarter at least, so that each byte is copied a few times at most, however it comes
 * in. */
static struct text *text_extend(struct text *text, const void *bytes, size_t length, size_t *memory) {
    size_t total = text->length + length;
    if (total > text->capacity)
        text = text_resize(text, total + total / 4, memory);
    memcpy(text->bytes + text->length, bytes, length);
    text->length = total;
    return text;
}

struct item *item_extend(struct item *item, const void *bytes, size_t length, size_t *memory) {
    struct text *text = item_text(item);
    size_t before = item->short_length, total = before + length;
    if (length == 0)
        return item;
    if (text) {
        put_text(item, text_extend(text, bytes, length, memory));
        return item;
    }
    if (total <= ITEM_SHORT_MAX) {
        item = reshape_value(item, 0, total, NULL, memory);
        memcpy(key_bytes(item) + item->key_length + before, bytes, length);
        return item;
    }
    text = text_resize(NULL, total, memory);
    memcpy(text->bytes, key_bytes(item) + item->key_length, before);
    memcpy(text->bytes + before, bytes, length);
    text->length = total;
    return reshape_value(item, ITEM_LONG, 0, text, memory);
}

struct item *item_note_deadline(struct item *item, uint64_t deadline_ms, size_t *memory) {
    struct text *text = item_text(item);
    unsigned flags = (item->flags & ITEM_LONG) | (deadline_ms ? ITEM_DEADLINE : 0u);
    item = reshape(item, flags, item->short_length, memory);
    if (deadline_ms)
        item->words[0] = deadline_ms;
    if (flags & ITEM_LONG)
        put_text(item, text);
    assert(item_deadline(item) == deadline_ms);
    return item;
}

struct item *item_with_key(struct item *item, const struct resp_arg *key, size_t *memory) {
    struct item *other = shell_new(key, item->flags, item->short_length, memory);
    memcpy(other->words, item->words, key_offset(item->flags) - sizeof *item);
    if (item->short_length)
        memcpy(key_bytes(other) + other->key_length, key_bytes(item) + item->key_length, item->short_length);
    other->version = item->version;
    other->type = item->type;
    return other;
}

/* ---- digest, checkpoint --- */

/* Key and short value lie one behind the other. */
uint64_t item_digest(const struct item *item) {
    const struct text *text = item_text(item);
    const char *bytes = (const char *)item + key_offset(item->flags);
    uint64_t kind = (uint64_t)item->key_length << 16 | (uint64_t)item->type << 8 | (text != NULL);
    uint64_t digest = digest_bytes(bytes, (size_t)item->key_length + item->short_length, kind);
    digest = digest_mix(digest, digest_mix(item->version, item_deadline(item)));
    if (text)
        digest =
            digest_mix(digest_mix(digest, text->object.digest), digest_mix(text->object.id, text->length));
    return digest;
}

struct item *item_load(const struct resp_arg *key, uint64_t deadline_ms, uint64_t version,
                       const struct resp_arg *value, size_t *memory) {
    unsigned flags = (value ? 0u : ITEM_LONG) | (deadline_ms ? ITEM_DEADLINE : 0u);
    struct item *item = shell_new(key, flags, value ? value->length : 0, memory);
    item->version = version;
    if (deadline_ms)
        item->words[0] = deadline_ms;
    if (!value)
        put_text(item, NULL);
    else if (value->length)
        memcpy(key_bytes(item) + item->key_length, value->bytes, value->length);
    return item;
}

/* Room is made for what has come, twice as much each time: a length that is a lie costs no more than that. */
void item_load_bytes(struct item *item, const void *bytes, size_t length, size_t total, size_t *memory) {
    struct text *text = item_text(item);
    size_t needed = length + (text ? text->length : 0);
    assert(needed <= total);
    if (!text || needed > text->capacity)
        text = text_resize(text, 2 * needed < total ? 2 * needed : total, memory);
    memcpy(text->bytes + text->length, bytes, length);
    text->length = needed;
    put_text(item, text);
}

void item_patch(struct item *item, size_t offset, const void *bytes, size_t length) {
    struct text *text = item_text(item);
    char *start = text ? text->bytes : key_bytes(item) + item->key_length;
    assert(item->type == VALUE_STRING);
    assert(offset + length <= (text ? text->length : item->short_length));
    if (length)
        memcpy(start + offset, bytes, length);
}

size_t item_memory(const struct item *item) {
    const struct text *text = item_text(item);
    size_t size = item_allocation(item->flags, item->key_length, item->short_length) + ALLOCATION_HEADER;
    return size + (text ? allocation(sizeof *text + text->capacity) + ALLOCATION_HEADER : 0);
}
