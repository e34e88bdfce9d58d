/* SPDX-License-Identifier: MIT */
/*
 * One key with its value, in one allocation. Private to src/data; commands see the item_* calls of
 * keyspace.h.
 *
 *     offset   size            what
 *     0        8               version
 *     8        4               length of the key
 *     12       2               length of a short value; 0 for a long one
 *     14       1               enum value_type
 *     15       1               ITEM_DEADLINE, ITEM_LONG
 *     16       8               the deadline, only with ITEM_DEADLINE
 *     ..       8               pointer to struct text, only with ITEM_LONG
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

enum { ITEM_SHORT_MAX = 1024 };

/* A bit for each of 64 pages; page.c says what they mean. */
struct page_bits {
    uint64_t dirty, frozen, todo;
};

/* What the checkpoint and the digest know of a long value; object.c keeps it. All zeros: nothing yet. */
struct object {
    uint64_t id;            /* 0: it has none yet */
    uint64_t digest;        /* of the bytes: the sum over their chunks */
    uint32_t slot;          /* in the database's table of objects */
    uint32_t seen;          /* the number of the checkpoint that `frozen` and `todo` belong to; 0: of none */
    struct page_bits first; /* of its first 64 pages */
    struct page_bits *more; /* owned; of those behind them */
    uint32_t more_count;    /* words in `more` */
    bool stored;            /* pages of it have been handed to a checkpoint: they may be on the disk */
};

/* A value too long to lie in its item. */
struct text {
    size_t length;
    size_t capacity; /* length <= capacity */
    struct object object;
    char bytes[];
};

enum item_flag {
    ITEM_DEADLINE = 1 << 0,
    ITEM_LONG = 1 << 1,
};

struct item {
    uint64_t version;
    uint32_t key_length;
    uint16_t short_length;
    uint8_t type;
    uint8_t flags;
    uint64_t words[];
};

/* `memory` is the counter of bytes allocated that all of a keyspace shares. */
struct item *item_new(const struct resp_arg *key, const void *bytes, size_t length, size_t *memory);
/* Frees the item and its value. */
void item_free(struct item *item, size_t *memory);
/* Frees an item whose value another has taken over. */
void item_release(struct item *item, size_t *memory);

struct item *item_write(struct item *item, const void *bytes, size_t length, size_t *memory);
struct item *item_extend(struct item *item, const void *bytes, size_t length, size_t *memory);
/* Other bytes in the place of some that are there. */
void item_patch(struct item *item, size_t offset, const void *bytes, size_t length);
/* KEYSPACE_NO_DEADLINE takes it away. */
struct item *item_note_deadline(struct item *item, uint64_t deadline_ms, size_t *memory);
/* Always another item. */
struct item *item_with_key(struct item *item, const struct resp_arg *key, size_t *memory);

/* The long value; NULL when the value is short. */
struct text *item_text(const struct item *item);
/* Takes the long value away; it is the caller's, and the item good only to be written to or freed. */
struct text *item_take_text(struct item *item);
void text_free(struct text *text, size_t *memory);
/* Of key, deadline, version and value (of a long one: its object's id, digest and length). */
uint64_t item_digest(const struct item *item);

/* An item as a checkpoint tells of it. `value` NULL: a long one, which item_load_bytes brings piece by piece. */
struct item *item_load(const struct resp_arg *key, uint64_t deadline_ms, uint64_t version,
                       const struct resp_arg *value, size_t *memory);
/* Adds bytes to a long value that is to have `total` in the end. */
void item_load_bytes(struct item *item, const void *bytes, size_t length, size_t total, size_t *memory);

#endif
