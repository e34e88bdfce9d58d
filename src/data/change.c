/* SPDX-License-Identifier: MIT */
/* What is known of changes: marks of keys that went, who watches, and the digest of it all. watch.c has the essay. */
#include "internal.h"

static uint64_t *mark_of(struct keyspace *keyspace, const struct resp_arg *key) {
    return &keyspace->marks[digest_bytes(key->bytes, key->length, 0) % KEYSPACE_MARKS];
}

void change_leave_mark(struct keyspace *keyspace, const struct item *item) {
    struct resp_arg key = item_key(item);
    uint64_t *mark = mark_of(keyspace, &key);
    if (*mark < item_version(item))
        *mark = item_version(item);
}

void change_tell(struct keyspace *keyspace, unsigned db, const struct item *item) {
    struct resp_arg key = item_key(item);
    if (item_type(item) == VALUE_STREAM)
        ready_note(keyspace, db, item);
    if (__builtin_expect(keyspace->watches != NULL && watches_count(keyspace->watches) > 0, 0))
        watches_changed(keyspace->watches, db, &key);
}

void keyspace_set_watches(struct keyspace *keyspace, struct watches *watches) {
    keyspace->watches = watches;
}

uint64_t keyspace_upheavals(const struct keyspace *keyspace) {
    return keyspace->upheavals;
}

bool keyspace_unchanged(struct keyspace *keyspace, unsigned db, const struct resp_arg *key, bool present,
                        uint64_t since) {
    bool there = keyspace_find(keyspace, db, key) != NULL;
    const struct item *any = keyspace_find_any(keyspace, db, key);
    if (there != present || (any && item_version(any) > since))
        return false;
    return present || *mark_of(keyspace, key) <= since;
}

uint64_t keyspace_digest(const struct keyspace *keyspace) {
    uint64_t digest = digest_mix(digest_mix(keyspace->clock, keyspace->next_object), keyspace->count);
    for (unsigned i = 0; i < keyspace->count; i++) {
        const struct database *database = &keyspace->db[keyspace->order[i]];
        if (database->keys.count > 0)
            digest += digest_mix(digest_mix(database->digest, database->keys.count), i);
    }
    digest = digest_mix(digest, keyspace->upheavals);
    for (size_t i = 0; i < KEYSPACE_MARKS; i++)
        digest = digest_mix(digest, keyspace->marks[i]);
    return digest;
}
