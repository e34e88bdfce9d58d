/* SPDX-License-Identifier: MIT */
/*
 * Looking ahead. A keyspace that the caches do not hold makes nearly everything wait for memory: a key for its places in the index and in
 * the dense array, then for itself; a member of a large collection the same once more. What is known to be read soon is fetched here,
 * step by step for all of it at once, so that the waits overlap.
 */
#include <assert.h>
#include <string.h>

#include "internal.h"
#include "members.h"

static bool is_same(const struct keyspace_key *a, const struct keyspace_key *b) {
    return a->db == b->db && a->key.length == b->key.length &&
           memcmp(a->key.bytes, b->key.bytes, a->key.length) == 0;
}

/* What a large hash, set or sorted set has behind this key; NULL when it is none. */
static const struct members *large(const struct dict *dict, const struct keyspace_key *key, uint32_t hash) {
    size_t slot;
    const struct item *item = dict_find(dict, &key->key, hash, &slot);
    if (!item || !item_object(item))
        return NULL;
    enum value_type type = item_type(item);
    return type == VALUE_HASH || type == VALUE_SET || type == VALUE_ZSET ? members_of(item) : NULL;
}

/* The next word; but what adds to a sorted set has a score before the member. A wrong guess is a look-up in vain. */
static const struct resp_arg *member_word(const struct members *members, const struct keyspace_key *key) {
    return &key->behind[members->object.type == VALUE_ZSET && key->behind_count > 1];
}

/* The keys themselves are in the caches by now. */
static void expect_members(const struct dict *const *dicts, const uint32_t *hashes,
                           const struct keyspace_key *keys, size_t count) {
    const struct dict *of[KEYSPACE_EXPECT_MAX];
    uint32_t member_hashes[KEYSPACE_EXPECT_MAX];
    const struct keyspace_key *last = NULL;
    const struct members *members = NULL;
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (keys[i].behind_count == 0)
            continue;
        if (!last || !is_same(last, &keys[i])) /* a pipeline often goes to one key */
            members = large(dicts[i], &keys[i], hashes[i]);
        last = &keys[i];
        if (!members)
            continue;
        of[found] = &members->dict;
        member_hashes[found++] = dict_hash(&members->dict, member_word(members, &keys[i]));
    }
    dict_expect(of, member_hashes, found, NULL);
}

static void expect_values(const void *const *items, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (items[i])
            item_expect(items[i], DICT_EXPECT_BYTES);
}

void keyspace_expect(struct keyspace *keyspace, const struct keyspace_key *keys, size_t count) {
    const struct dict *dicts[KEYSPACE_EXPECT_MAX];
    uint32_t hashes[KEYSPACE_EXPECT_MAX];
    const void *things[KEYSPACE_EXPECT_MAX];
    assert(count <= KEYSPACE_EXPECT_MAX);
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        dicts[i] = &database_of(keyspace, keys[i].db)->keys;
        hashes[i] = dict_hash(dicts[i], &keys[i].key);
    }
    dict_expect(dicts, hashes, count, things);
    expect_values(things, count);
    expect_members(dicts, hashes, keys, count);
}

void keyspace_expect_at(struct keyspace *keyspace, const struct keyspace_place *places, size_t count) {
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(dict_place(&database_of(keyspace, places[i].db)->keys, places[i].slot));
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(*dict_place(&database_of(keyspace, places[i].db)->keys, places[i].slot));
}
