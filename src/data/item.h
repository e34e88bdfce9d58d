/* SPDX-License-Identifier: MIT */
/*
 * One key with its value, in one allocation. Private to src/data; commands see the item_* calls of
 * keyspace.h.
 *
 *     offset   size            what
 *     0        6               version: at a million entries a second, enough for nine years
 *     6        2               how it is used, the upper 16 bits (use.c)
 *     8        4               length of the key
 *     12       2               length of a short value; 0 of an object
 *     14       1               how it is used, the lower 8 bits
 *     15       1               enum value_type, enum item_flag: 4 bits each
 *     16       8               the deadline, only with ITEM_DEADLINE
 *     ..       8               pointer to struct object, only with ITEM_LONG
 *     ..       key_length      the key
 *     ..       short_length    a short value
 *
 * So a key without a deadline pays nothing for not having one, and a short value needs no second allocation.
 * A long value lies outside: giving the key a deadline must not copy it.
 *
 * A call that changes an item does it in place when the allocation's size stays what it is, and otherwise
 * returns another item that has taken the value over. The one passed in then still shows its key, so that
 * what points to it can be found and corrected, and has to be given to item_release.
 */
#ifndef ITEM_H
#define ITEM_H

#include "keyspace.h"

enum {
    ITEM_SHORT_MAX = 1024, /* of a string */
    ITEM_SMALL_MAX = 4096, /* of a collection */
};

/* A bit for each of 64 pages; page.c says what they mean. */
struct page_bits {
    uint64_t dirty, frozen, todo;
};

/*
 * A value that is too long to lie in its item, as the checkpoint and the digest see it: pages under an id.
 * object.c keeps it; the first member of what it is the object of (a text, members, a list). All zeros:
 * nothing yet.
 */
struct object {
    uint64_t id;            /* 0: it has none yet */
    uint64_t digest;        /* of what is in it: a sum over its parts */
    uint32_t slot;          /* in the database's table of objects */
    uint32_t seen;          /* the number of the checkpoint that `frozen` and `todo` belong to; 0: of none */
    uint32_t stored;        /* no page at or behind it is on the disk */
    uint32_t frozen;        /* pages that there were at the freeze; 0: it is not that old */
    struct page_bits first; /* of its first 64 pages */
    struct page_bits *more; /* owned; of those behind them */
    struct object_kept *kept; /* NULL: no place that a checkpoint needs has changed */
    uint32_t more_count;      /* words in `more` */
    uint32_t cursor;          /* no page is to do in the words before it */
    uint8_t type;             /* enum value_type */
    bool cut;                 /* that there are no pages behind `frozen` is still to be told */
};

/* A string that is an object. */
struct text {
    struct object object;
    size_t length;
    size_t capacity; /* length <= capacity */
    char bytes[];
};

enum item_flag {
    ITEM_DEADLINE = 1 << 0,
    ITEM_LONG = 1 << 1, /* the value is an object */
    /* Of a collection: it has outgrown what Redis keeps compact by default; how it keeps a negative zero follows from that. */
    ITEM_WIDE = 1 << 2,
    ITEM_NAMED_WIDE = 1 << 3, /* ... and what this node's directives call compact. No part of the state */
    ITEM_WIDTHS = ITEM_WIDE | ITEM_NAMED_WIDE,
};

struct item {
    uint64_t version : 48;
    uint64_t use_upper : 16;
    uint32_t key_length;
    uint16_t short_length;
    uint8_t use_lower;
    uint8_t type : 4;
    uint8_t flags : 4;
    uint64_t words[];
};

static inline uint32_t item_use(const struct item *item) {
    return (uint32_t)item->use_upper << 8 | item->use_lower;
}

static inline void item_set_use(struct item *item, uint32_t use) {
    item->use_upper = use >> 8 & 0xffff;
    item->use_lower = use & 0xff;
}

/* `memory` is the counter of bytes allocated that all of a keyspace shares. */
struct item *item_new(const struct resp_arg *key, const void *bytes, size_t length, size_t *memory);
/* Frees the item and its value. */
void item_free(struct item *item, size_t *memory);
/* Frees an item whose value another has taken over. */
void item_release(struct item *item, size_t *memory);

struct item *item_write(struct item *item, const void *bytes, size_t length, size_t *memory);
struct item *item_extend(struct item *item, const void *bytes, size_t length, size_t *memory);
/* Writes into a short string, within what is there. */
void item_patch(struct item *item, size_t offset, const void *bytes, size_t length);
/* KEYSPACE_NO_DEADLINE takes it away. */
struct item *item_note_deadline(struct item *item, uint64_t deadline_ms, size_t *memory);
/* Always another item. */
struct item *item_with_key(struct item *item, const struct resp_arg *key, size_t *memory);

/* A small collection: its packed bytes (pack.h). With another length it may be another item, which has as
 * much of them as stays. */
struct item *item_new_small(const struct resp_arg *key, enum value_type type, size_t length, size_t *memory);
struct resp_arg item_small(const struct item *item);
char *item_small_bytes(struct item *item);
struct item *item_resize_small(struct item *item, size_t length, size_t *memory);
/* An object instead of what was in the item. */
struct item *item_give_object(struct item *item, struct object *object, size_t *memory);

/* The value's object; NULL when it lies in the item. */
struct object *item_object(const struct item *item);
struct text *item_text(const struct item *item); /* of a string */
/* Puts another object there, or none: the item is then good only to be written to or freed. */
void item_put_object(struct item *item, struct object *object);
/* Brings what lies behind its first `from` bytes into the cache: a short value soon to be read, for what it adds to the digest or for a reply. */
void item_expect(const struct item *item, size_t from);
/* Of key, deadline, version and value (of an object: its id and digest). */
uint64_t item_digest(const struct item *item);

/* An item as a checkpoint tells of it. `value` NULL: an object, not there yet. */
struct item *item_load(const struct resp_arg *key, enum value_type type, unsigned flags, uint64_t deadline_ms,
                       uint64_t version, const struct resp_arg *value, size_t *memory);

/* What the allocator hands out when `length` bytes are asked of it, and what it costs beside them. */
enum { ALLOCATION_STEP = 16, ALLOCATION_HEADER = 8 };
static inline size_t allocation_of(size_t length) {
    return (length + ALLOCATION_HEADER + ALLOCATION_STEP - 1) / ALLOCATION_STEP * ALLOCATION_STEP -
           ALLOCATION_HEADER;
}

/* ---- text.c --- */

/* A text that holds `length` bytes; `text` (or NULL) gives its place for it if it fits. */
struct text *text_for(struct text *text, size_t length, size_t *memory);
struct text *text_extend(struct text *text, const void *bytes, size_t length, size_t *memory);
void text_free(struct text *text, size_t *memory);

#endif
