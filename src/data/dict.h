/* SPDX-License-Identifier: MIT */
/*
 * The keys of one database, or the members of one collection: a dense array of things in the order of the
 * log, and a hash index beside it by their keys. Private to src/data; dict.c has the essay. Nothing that a caller sees depends on the hash.
 */
#ifndef DICT_H
#define DICT_H

#include "hash.h"
#include "item.h"

struct dict_segment;

/* What is in a dict: items, or members of a collection. */
struct dict_kind {
    struct resp_arg (*key_of)(const void *thing);
    void (*free)(void *thing, size_t *memory);
};

struct dict {
    const struct dict_kind *kind;
    void ***chunks;    /* the dense array, DICT_CHUNK places each */
    size_t first_room; /* places allocated for the first chunk, which grows to its size */
    size_t chunk_count, chunk_room;
    size_t count;                   /* things; they lie in places 0 .. count-1 */
    struct dict_segment **segments; /* the directory: 2^depth pointers, several of which may be the same */
    size_t directory_length;
    unsigned depth;
    struct hash_key hash_key;
    size_t *memory; /* the keyspace's counter */
};

enum {
    DICT_BYTES = 20, /* a thing, about */
    DICT_CHUNK = 1024,
    DICT_EXPECT_MAX = KEYSPACE_EXPECT_MAX,
    DICT_EXPECT_BYTES = 192,
};

void dict_init(struct dict *dict, const struct dict_kind *kind, const struct hash_key *hash_key,
               size_t *memory);
/* Frees up to `count` things from the back, then as many segments, then the rest. Returns how many; when fewer
 * than `count`, all is freed. The dict is good for nothing else afterwards. */
size_t dict_free_some(struct dict *dict, size_t count);

uint32_t dict_hash(const struct dict *dict, const struct resp_arg *key);
/* The thing of a key and its place; NULL when there is none. */
void *dict_find(const struct dict *dict, const struct resp_arg *key, uint32_t hash, size_t *slot);
static inline void **dict_place(const struct dict *dict, size_t slot) {
    return &dict->chunks[slot / DICT_CHUNK][slot % DICT_CHUNK];
}
static inline void *dict_at(const struct dict *dict, size_t slot) {
    return *dict_place(dict, slot);
}
/* Look-ups of these hashes come soon: brings what they will read into the cache, all of them at once; of a thing the first
 * DICT_EXPECT_BYTES. `things`, unless NULL, are told where they lie: that each is the one looked for is likely, not certain. */
void dict_expect(const struct dict *const *dicts, const uint32_t *hashes, size_t count, const void **things);
/* Adds a thing whose key is not there, at the end. */
void dict_add(struct dict *dict, void *thing, uint32_t hash);
/* Adds a thing at the end that is not to be found yet: when all are there, dict_index makes the index of a dict that was only appended
 * to, at once. hashes: of the things, by place. False when two have the same key. */
void dict_append(struct dict *dict, void *thing);
bool dict_index(struct dict *dict, const uint32_t *hashes);
/* Puts another thing with the same key into a place. */
void dict_replace(struct dict *dict, size_t slot, void *thing);
/* Takes out the thing in a place: the last one moves there. The thing itself is the caller's. */
void dict_remove(struct dict *dict, size_t slot, uint32_t hash);

#endif
