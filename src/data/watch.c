/* SPDX-License-Identifier: MIT */
/*
 * How a watched key is found changed. A transaction that watches is proposed by one node and applied by all, and all must
 * decide alike whether it is carried out; so the decision falls into two halves:
 *
 *      WATCH            proposed                          applied
 *     ---|------------------|---------------------------------|-------> log
 *        '--- this node ----'------- every node --------------'
 *
 *     until it is proposed    the node that has the client applies every entry, and the keyspace tells it of each change of a watched
 *                             key (here). If there was one, nothing is proposed: the answer is known. So nothing that changes
 *                             and changes back is missed, and nothing else is taken for a change.
 *     from then on            the entry names the keys, whether each was there, and the last entry applied before it was proposed.
 *                             Who applies it compares with what is replicated: a key that is there has its version, the index of its last
 *                             change (keyspace_unchanged).
 *
 * A key that was absent at both ends may have been made and deleted between. Deleting leaves nothing to compare, so the keyspace keeps a
 * small table of marks, one for each of so many hashes of keys: the highest version among the keys of that hash that went. If it is
 * later than the proposal, the transaction is taken for touched. Another key of the same hash may have left the mark; but only one that was
 * changed, and went, in the few entries between the proposal and its place in the log. Then a client tries once more for nothing,
 * which is what it is ready for. The same holds for a database that is emptied, or exchanged, just then.
 */
#include "watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"
#include "item.h"

enum { BUCKETS = 1024 }; /* a power of two */

struct watches {
    size_t count;
    struct watch *buckets[BUCKETS];
};

struct watches *watches_new(void) {
    struct watches *watches = calloc(1, sizeof *watches);
    if (!watches)
        abort();
    return watches;
}

void watches_free(struct watches *watches) {
    assert(!watches || watches->count == 0);
    free(watches);
}

size_t watches_count(const struct watches *watches) {
    return watches->count;
}

static uint64_t hash_of(unsigned db, const struct resp_arg *key) {
    return digest_bytes(key->bytes, key->length, db);
}

static bool is_key(const struct watch *watch, uint64_t hash, unsigned db, const struct resp_arg *key) {
    return watch->hash == hash && watch->db == db && watch->length == key->length &&
           (key->length == 0 || memcmp(watch->key, key->bytes, key->length) == 0);
}

static bool watched_already(const struct watcher *watcher, uint64_t hash, unsigned db,
                            const struct resp_arg *key) {
    for (const struct watch *watch = watcher->first; watch; watch = watch->next_own)
        if (is_key(watch, hash, db, key))
            return true;
    return false;
}

void watcher_add(struct watches *watches, struct watcher *watcher, struct keyspace *keyspace, unsigned db,
                 const struct resp_arg *key) {
    uint64_t hash = hash_of(db, key);
    if (watched_already(watcher, hash, db, key))
        return;
    struct watch *watch = malloc(sizeof *watch + key->length);
    if (!watch)
        abort();
    struct watch **bucket = &watches->buckets[hash % BUCKETS];
    *watch = (struct watch){.next = *bucket,
                            .next_own = watcher->first,
                            .watcher = watcher,
                            .hash = hash,
                            .db = db,
                            .present = keyspace_find(keyspace, db, key) != NULL,
                            .length = key->length};
    if (key->length > 0)
        memcpy(watch->key, key->bytes, key->length);
    if (*bucket)
        (*bucket)->previous = watch;
    *bucket = watch;
    watcher->first = watch;
    watcher->count++;
    watches->count++;
}

void watcher_clear(struct watches *watches, struct watcher *watcher) {
    for (struct watch *watch = watcher->first, *next; watch; watch = next) {
        next = watch->next_own;
        if (watch->previous)
            watch->previous->next = watch->next;
        else
            watches->buckets[watch->hash % BUCKETS] = watch->next;
        if (watch->next)
            watch->next->previous = watch->previous;
        free(watch);
        watches->count--;
    }
    *watcher = (struct watcher){.first = NULL};
}

size_t watcher_memory(const struct watcher *watcher) {
    size_t bytes = 0;
    for (const struct watch *watch = watcher->first; watch; watch = watch->next_own)
        bytes += sizeof *watch + watch->length;
    return bytes;
}

void watches_changed(struct watches *watches, unsigned db, const struct resp_arg *key) {
    uint64_t hash = hash_of(db, key);
    for (struct watch *watch = watches->buckets[hash % BUCKETS]; watch; watch = watch->next)
        if (is_key(watch, hash, db, key))
            watch->watcher->touched = true;
}

static bool there_in_either(struct keyspace *keyspace, const struct watch *watch, unsigned db,
                            unsigned other) {
    struct resp_arg key = watch_key(watch);
    return keyspace_find(keyspace, db, &key) || keyspace_find(keyspace, other, &key);
}

void watches_replaced(struct watches *watches, struct keyspace *keyspace, unsigned db, unsigned other) {
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct watch *watch = watches->buckets[i]; watch; watch = watch->next)
            if ((watch->db == db || watch->db == other) && there_in_either(keyspace, watch, db, other))
                watch->watcher->touched = true;
}

void watches_all_changed(struct watches *watches) {
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct watch *watch = watches->buckets[i]; watch; watch = watch->next)
            watch->watcher->touched = true;
}
