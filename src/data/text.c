/* SPDX-License-Identifier: MIT */
/*
 * Long strings: their memory, their pages, their digest.
 *
 * The digest is a sum over chunks much smaller than a page, so that a byte appended costs what it adds and not
 * what is there. They are the places that a checkpoint keeps, too (page.c).
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum {
    CHUNK = 256, /* divides PAGE_BYTES */
    PAGE_CHUNKS = PAGE_BYTES / CHUNK,
    MANY_CHUNKS = PAGE_CHUNKS / 4, /* whoever changes so many of a page might as well copy all of it */
};

/* ---- memory --- */

static struct text *text_resize(struct text *old, size_t capacity, size_t *memory) {
    size_t size = allocation_of(sizeof *old + capacity);
    if (old)
        *memory -= allocation_of(sizeof *old + old->capacity) + ALLOCATION_HEADER;
    struct text *text = realloc(old, size);
    if (!text)
        abort();
    heap_ahead();
    if (!old)
        *text = (struct text){.object.type = VALUE_STRING};
    text->capacity = size - sizeof *text;
    *memory += size + ALLOCATION_HEADER;
    return text;
}

void text_free(struct text *text, size_t *memory) {
    object_close(&text->object, memory);
    *memory -= allocation_of(sizeof *text + text->capacity) + ALLOCATION_HEADER;
    free(text);
}

struct text *text_for(struct text *text, size_t length, size_t *memory) {
    if (text && (length > text->capacity || length < text->capacity / 2)) {
        text_free(text, memory);
        text = NULL;
    }
    return text ? text : text_resize(NULL, length, memory);
}

/* It grows by a quarter at least, so that each byte is copied a few times at most, however it comes in. */
static struct text *text_grow(struct text *text, size_t length, size_t *memory) {
    return length > text->capacity ? text_resize(text, length + length / 4, memory) : text;
}

struct text *text_extend(struct text *text, const void *bytes, size_t length, size_t *memory) {
    text = text_grow(text, text->length + length, memory);
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
    return text;
}

/* ---- pages --- */

static struct text *text_of(struct object *object) {
    assert(object->type == VALUE_STRING);
    return (struct text *)object;
}

static const struct text *const_text_of(const struct object *object) {
    assert(object->type == VALUE_STRING);
    return (const struct text *)object;
}

static size_t pages(const struct object *object) {
    return pages_of_bytes(const_text_of(object)->length);
}

static void mark_all(struct keyspace *keyspace, struct database *database, struct object *object) {
    object_mark(keyspace, database, object, 0, pages(object));
}

static void write_page(const struct object *object, size_t number, struct resp_buf *out) {
    const struct text *text = const_text_of(object);
    size_t from = number * PAGE_BYTES, left = object_frozen(object, text->length) - from;
    size_t length = left < PAGE_BYTES ? left : PAGE_BYTES;
    struct resp_arg kept[PAGE_CHUNKS] = {{NULL, 0}};
    assert(left > 0);
    char *page = resp_buf_reserve(out, length);
    memcpy(page, text->bytes + from, length);
    object_read_kept(object, number, kept);
    for (size_t i = 0; i * CHUNK < length; i++)
        if (kept[i].bytes)
            memcpy(page + i * CHUNK, kept[i].bytes, kept[i].length);
    resp_buf_commit(out, length);
}

static size_t kept_page(const struct object *object, size_t number) {
    (void)object;
    return number;
}

static size_t bytes(const struct object *object) {
    return allocation_of(sizeof(struct text) + const_text_of(object)->capacity) + ALLOCATION_HEADER;
}

static size_t free_some(struct object *object, size_t count, size_t *memory) {
    if (count == 0)
        return 0;
    text_free(text_of(object), memory);
    return 0;
}

static struct object *copy(const struct object *object, struct keyspace *keyspace) {
    const struct text *text = const_text_of(object);
    struct text *other = text_for(NULL, text->length, &keyspace->memory);
    memcpy(other->bytes, text->bytes, text->length);
    other->length = text->length;
    other->object.digest = object->digest;
    return &other->object;
}

/* ---- digest --- */

static uint64_t digest_of(const struct text *text, size_t from, size_t to) {
    uint64_t digest = 0;
    assert(from % CHUNK == 0 && to <= text->length);
    for (size_t at = from; at < to; at += CHUNK)
        digest += digest_bytes(text->bytes + at, to - at < CHUNK ? to - at : CHUNK, at / CHUNK);
    return digest;
}

/* ---- changes --- */

void text_adopt(struct keyspace *keyspace, struct database *database, struct item *item,
                struct object_name name) {
    struct text *text = item_text(item);
    if (!text) {
        assert(name.id == 0);
        return;
    }
    text->object.digest = digest_of(text, 0, text->length);
    object_enter(keyspace, database, &text->object, name);
    mark_all(keyspace, database, &text->object);
}

static size_t chunk_start(size_t at) {
    return at / CHUNK * CHUNK;
}

/* What is in a chunk may change, or come behind its bytes. */
static void touch_chunk(struct keyspace *keyspace, struct text *text, size_t chunk) {
    size_t page = chunk / PAGE_CHUNKS, from = chunk * CHUNK;
    const struct object_place at = {page, page, chunk % PAGE_CHUNKS};
    struct object_kept *kept =
        object_touch_place(keyspace, &text->object, &at, text->length, pages_of_bytes(text->length));
    if (!kept || from >= kept->frozen)
        return;
    size_t left = kept->frozen - from;
    kept_add(keyspace, &kept->kept, page, at.place,
             &(struct resp_arg){text->bytes + from, left < CHUNK ? left : CHUNK});
}

/* The same of `from` to `to`, of one page. */
static void touch_page(struct keyspace *keyspace, struct text *text, size_t from, size_t to) {
    size_t first = from / CHUNK, last = to > from ? (to - 1) / CHUNK : first;
    if (last - first >= MANY_CHUNKS) {
        object_touch(keyspace, &text->object, from / PAGE_BYTES);
        return;
    }
    for (size_t chunk = first; chunk <= last; chunk++)
        touch_chunk(keyspace, text, chunk);
}

static size_t chunk_end(const struct text *text, size_t at) {
    size_t end = chunk_start(at + CHUNK - 1);
    return end < text->length ? end : text->length;
}

/* Lets the bytes between `from` and `to` change, and what is behind them come. */
static void open_range(struct keyspace *keyspace, struct database *database, struct text *text, size_t from,
                       size_t to) {
    assert(from <= to && to <= text->length);
    object_settle(keyspace, database, &text->object);
    for (size_t page = from / PAGE_BYTES; page < pages_of_bytes(to); page++) {
        size_t begin = page * PAGE_BYTES, behind = begin + PAGE_BYTES;
        touch_page(keyspace, text, begin > from ? begin : from, behind < to ? behind : to);
    }
    text->object.digest -= digest_of(text, chunk_start(from), chunk_end(text, to));
}

static void shut_range(struct keyspace *keyspace, struct database *database, struct text *text, size_t from,
                       size_t to) {
    object_moved(database, &text->object);
    text->object.digest += digest_of(text, chunk_start(from), chunk_end(text, to));
    object_mark(keyspace, database, &text->object, from / PAGE_BYTES, pages_of_bytes(to));
}

struct item *text_append(struct keyspace *keyspace, struct database *database, struct item *item,
                         const void *added, size_t length) {
    struct text *text = item_text(item);
    size_t before = text->length;
    if (length == 0)
        return item;
    open_range(keyspace, database, text, chunk_start(before), before);
    item = item_extend(item, added, length, &keyspace->memory);
    shut_range(keyspace, database, item_text(item), chunk_start(before), before + length);
    return item;
}

void text_write(struct keyspace *keyspace, struct database *database, struct item *item, size_t offset,
                const void *written, size_t length) {
    struct text *text = item_text(item);
    assert(offset + length <= text->length);
    open_range(keyspace, database, text, offset, offset + length);
    memcpy(text->bytes + offset, written, length);
    shut_range(keyspace, database, text, offset, offset + length);
}

/* ---- loading --- */

static bool load_reference(const struct awaited *awaited) {
    return awaited->length > ITEM_SHORT_MAX;
}

/* Room is made for what has come, twice as much each time: a length that is a lie costs no more than that. */
static bool load_page(struct keyspace *keyspace, struct awaited *awaited, uint64_t number, const void *loaded,
                      size_t length) {
    struct text *text = item_text(awaited->item);
    size_t before = text ? text->length : 0, total = awaited->length, left = total - before;
    size_t needed = before + length;
    if (number != awaited->loaded++ || left == 0 || length != (left < PAGE_BYTES ? left : PAGE_BYTES))
        return false;
    if (!text || needed > text->capacity)
        text = text_resize(text, 2 * needed < total ? 2 * needed : total, &keyspace->memory);
    memcpy(text->bytes + before, loaded, length);
    text->length = needed;
    text->object.digest += digest_of(text, before, needed);
    item_put_object(awaited->item, &text->object);
    return true;
}

static bool load_end(struct keyspace *keyspace, struct awaited *awaited) {
    const struct text *text = item_text(awaited->item);
    (void)keyspace;
    return text && text->length == awaited->length;
}

static size_t reference(const struct object *object, uint64_t numbers[OBJECT_NUMBERS]) {
    numbers[0] = const_text_of(object)->length;
    return 1;
}

const struct object_kind object_text = {
    .pages = pages,
    .mark = mark_all,
    .write_page = write_page,
    .kept_page = kept_page,
    .bytes = bytes,
    .free_some = free_some,
    .copy = copy,
    .reference = reference,
    .load_reference = load_reference,
    .load_page = load_page,
    .load_end = load_end,
};
