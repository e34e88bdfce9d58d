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

#endif
