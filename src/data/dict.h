/* SPDX-License-Identifier: MIT */
/*
 * The keys of one database: a dense array of items in the order of the log, and a hash index beside it.
 * Private to src/data; dict.c has the essay. Nothing that a caller sees depends on the hash.
 */
#ifndef DICT_H
#define DICT_H

#include "hash.h"
#include "item.h"

struct dict_segment;

struct dict {
    struct item ***chunks; /* the dense array, DICT_CHUNK places each */
    size_t chunk_count, chunk_room;
    size_t count;                   /* items; they lie in places 0 .. count-1 */
    struct dict_segment **segments; /* the directory: 2^depth pointers, several of which may be the same */
    size_t directory_length;
    unsigned depth;
    struct hash_key hash_key;
    size_t *memory; /* the keyspace's counter */
};

enum { DICT_CHUNK = 1024 };

void dict_init(struct dict *dict, const struct hash_key *hash_key, size_t *memory);
/* Frees up to `count` items from the back, then as many segments, then the rest. Returns how many; when fewer
 * than `count`, all is freed. The dict is good for nothing else afterwards. */
size_t dict_free_some(struct dict *dict, size_t count);

uint32_t dict_hash(const struct dict *dict, const struct resp_arg *key);
/* The item of a key and its place; NULL when there is none. */
struct item *dict_find(const struct dict *dict, const struct resp_arg *key, uint32_t hash, size_t *slot);
static inline struct item *dict_at(const struct dict *dict, size_t slot) {
    return dict->chunks[slot / DICT_CHUNK][slot % DICT_CHUNK];
}
/* Adds an item whose key is not there, at the end. */
void dict_add(struct dict *dict, struct item *item, uint32_t hash);
/* Puts another item with the same key into a place. */
void dict_replace(struct dict *dict, size_t slot, struct item *item);
/* Takes out the item in a place: the last one moves there. The item itself is the caller's. */
void dict_remove(struct dict *dict, size_t slot, uint32_t hash);

#endif
