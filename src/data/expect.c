/* SPDX-License-Identifier: MIT */
/*
 * Looking ahead. A keyspace that the caches do not hold makes nearly everything wait for memory: a key for its places in the index and in
 * the dense array, then for itself. What is known to be read soon is fetched here, step by step for all of it at
 * once, so that the waits overlap.
 */
#include <assert.h>

#include "internal.h"

void keyspace_expect(struct keyspace *keyspace, const struct keyspace_key *keys, size_t count) {
    const struct dict *dicts[KEYSPACE_EXPECT_MAX];
    uint32_t hashes[KEYSPACE_EXPECT_MAX];
    assert(count <= KEYSPACE_EXPECT_MAX);
    for (size_t i = 0; i < count; i++) {
        dicts[i] = &database_of(keyspace, keys[i].db)->keys;
        hashes[i] = dict_hash(dicts[i], &keys[i].key);
    }
    dict_expect(dicts, hashes, count);
}

void keyspace_expect_at(struct keyspace *keyspace, const struct keyspace_place *places, size_t count) {
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(dict_place(&database_of(keyspace, places[i].db)->keys, places[i].slot));
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(*dict_place(&database_of(keyspace, places[i].db)->keys, places[i].slot));
}
