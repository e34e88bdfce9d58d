/* SPDX-License-Identifier: MIT */
/*
 * Databases of keys under one clock. What a caller may see is decided here, once: find_any sees what is in
 * memory, keyspace_find sees what exists. dict.c keeps the keys, expiry.c their deadlines, value.c what is in
 * them.
 *
 * A key that is gone stays in its place until keyspace_reclaim takes it out, or until somebody makes a key of
 * that name: then it is taken out first and the new key is a new key. A flushed database goes to the graves
 * as a whole and is taken apart there.
 *
 * An item moves when it grows, and three things point to it: its place in the dict, its entry in the expiry,
 * and the caller. settle() corrects the first two, a return value the third.
 */
#include "keyspace.h"

#include <assert.h>
#include <stdlib.h>

#include "dict.h"
#include "expiry.h"
#include "item.h"

struct database {
    struct dict keys;
    struct expiry deadlines;
    size_t due;    /* of the keys, those that are gone: deadline <= clock */
    uint64_t next; /* the earliest deadline behind the clock, or KEYSPACE_NO_DEADLINE */
};

/* A flushed database. */
struct grave {
    struct grave *next;
    struct dict keys;
    struct expiry deadlines;
};

struct keyspace {
    uint64_t clock;
    uint64_t next; /* the earliest of the databases' */
    size_t memory; /* bytes allocated for items, values, dicts and expiries */
    struct hash_key hash_key;
    struct grave *graves, **last_grave;
    unsigned *order; /* where each database lies in db[]: keyspace_swap exchanges two of these */
    unsigned count;
    struct database db[];
};

/* Where a key is, if it is there. */
struct place {
    struct item *item; /* NULL: nowhere */
    uint32_t hash;
    size_t slot;
};

/* ---- life --- */

static void database_init(struct keyspace *keyspace, struct database *database) {
    *database = (struct database){.due = 0, .next = KEYSPACE_NO_DEADLINE};
    dict_init(&database->keys, &keyspace->hash_key, &keyspace->memory);
    expiry_init(&database->deadlines, &keyspace->memory);
}

struct keyspace *keyspace_new(unsigned databases) {
    assert(databases > 0);
    struct keyspace *keyspace = calloc(1, sizeof *keyspace + databases * sizeof keyspace->db[0]);
    if (!keyspace)
        abort();
    keyspace->order = calloc(databases, sizeof *keyspace->order);
    if (!keyspace->order)
        abort();
    for (unsigned i = 0; i < databases; i++)
        keyspace->order[i] = i;
    keyspace->count = databases;
    keyspace->last_grave = &keyspace->graves;
    for (unsigned i = 0; i < databases; i++)
        database_init(keyspace, &keyspace->db[i]);
    return keyspace;
}

void keyspace_set_hash_key(struct keyspace *keyspace, uint64_t k0, uint64_t k1) {
    keyspace->hash_key = (struct hash_key){k0, k1};
    for (unsigned i = 0; i < keyspace->count; i++) {
        assert(keyspace->db[i].keys.count == 0);
        keyspace->db[i].keys.hash_key = keyspace->hash_key;
    }
}

void keyspace_free(struct keyspace *keyspace) {
    if (!keyspace)
        return;
    for (unsigned i = 0; i < keyspace->count; i++)
        keyspace_flush(keyspace, i);
    while (keyspace->graves)
        keyspace_reclaim_flushed(keyspace, SIZE_MAX);
    for (unsigned i = 0; i < keyspace->count; i++) {
        dict_free_some(&keyspace->db[i].keys, SIZE_MAX);
        expiry_free_some(&keyspace->db[i].deadlines, SIZE_MAX);
    }
    assert(keyspace->memory == 0);
    free(keyspace->order);
    free(keyspace);
}

unsigned keyspace_databases(const struct keyspace *keyspace) {
    return keyspace->count;
}

size_t keyspace_memory(const struct keyspace *keyspace) {
    return keyspace->memory;
}

static struct database *database_of(struct keyspace *keyspace, unsigned db) {
    assert(db < keyspace->count);
    return &keyspace->db[keyspace->order[db]];
}

static const struct database *database_seen(const struct keyspace *keyspace, unsigned db) {
    assert(db < keyspace->count);
    return &keyspace->db[keyspace->order[db]];
}

static bool gone(const struct keyspace *keyspace, const struct item *item) {
    uint64_t deadline = item_deadline(item);
    return deadline != KEYSPACE_NO_DEADLINE && deadline <= keyspace->clock;
}

/* ---- deadlines --- */

static bool before(uint64_t a, uint64_t b) {
    return a != KEYSPACE_NO_DEADLINE && (b == KEYSPACE_NO_DEADLINE || a < b);
}

static void set_next(struct keyspace *keyspace, struct database *database, uint64_t next) {
    uint64_t was = database->next;
    if (was == next)
        return;
    database->next = next;
    if (was != keyspace->next) {
        if (before(next, keyspace->next))
            keyspace->next = next;
        return;
    }
    keyspace->next = KEYSPACE_NO_DEADLINE;
    for (unsigned i = 0; i < keyspace->count; i++)
        if (before(keyspace->db[i].next, keyspace->next))
            keyspace->next = keyspace->db[i].next;
}

static void deadline_added(struct keyspace *keyspace, struct database *database, struct item *item) {
    uint64_t deadline = item_deadline(item);
    expiry_add(&database->deadlines, item);
    if (deadline <= keyspace->clock)
        database->due++;
    else if (before(deadline, database->next))
        set_next(keyspace, database, deadline);
}

/* Takes an item out of the deadlines, if it is in them; it still shows its own. */
static void deadline_removed(struct keyspace *keyspace, struct database *database, struct item *item) {
    uint64_t deadline = item_deadline(item);
    if (deadline == KEYSPACE_NO_DEADLINE)
        return;
    expiry_remove(&database->deadlines, item);
    if (deadline <= keyspace->clock)
        database->due--;
    else if (deadline == database->next)
        set_next(keyspace, database, expiry_next(&database->deadlines, keyspace->clock));
}

uint64_t keyspace_clock(const struct keyspace *keyspace) {
    return keyspace->clock;
}

uint64_t keyspace_next_deadline(const struct keyspace *keyspace) {
    return keyspace->next;
}

void keyspace_advance(struct keyspace *keyspace, uint64_t clock_ms) {
    if (clock_ms <= keyspace->clock)
        return;
    keyspace->clock = clock_ms;
    if (keyspace->next == KEYSPACE_NO_DEADLINE || keyspace->next > clock_ms)
        return;
    for (unsigned i = 0; i < keyspace->count; i++) {
        struct database *database = &keyspace->db[i];
        if (database->next == KEYSPACE_NO_DEADLINE || database->next > clock_ms)
            continue;
        database->due = expiry_due(&database->deadlines, clock_ms);
        set_next(keyspace, database, expiry_next(&database->deadlines, clock_ms));
    }
    assert(keyspace->next == KEYSPACE_NO_DEADLINE || keyspace->next > clock_ms);
}

/* ---- keys --- */

static struct place find_any(struct database *database, const struct resp_arg *key) {
    struct place place = {.hash = dict_hash(&database->keys, key)};
    place.item = dict_find(&database->keys, key, place.hash, &place.slot);
    return place;
}

static void take_out(struct keyspace *keyspace, struct database *database, const struct place *place) {
    deadline_removed(keyspace, database, place->item);
    dict_remove(&database->keys, place->slot, place->hash);
    item_free(place->item, &keyspace->memory);
}

/* As find_any, but an item that is gone is taken out on the way. */
static struct place find_for_write(struct keyspace *keyspace, struct database *database,
                                   const struct resp_arg *key) {
    struct place place = find_any(database, key);
    if (place.item && gone(keyspace, place.item)) {
        take_out(keyspace, database, &place);
        place.item = NULL;
    }
    return place;
}

/* `item` has taken over from `old`, which lay at `slot`; `listed`: and is among the deadlines. */
static struct item *settle(struct keyspace *keyspace, struct database *database, size_t slot,
                           struct item *old, struct item *item, bool listed) {
    if (item == old)
        return item;
    dict_replace(&database->keys, slot, item);
    if (listed)
        expiry_replace(&database->deadlines, old, item);
    item_release(old, &keyspace->memory);
    return item;
}

/* The place of an item that the caller holds. */
static struct place place_of(struct database *database, const struct item *item) {
    struct resp_arg key = item_key(item);
    struct place place = find_any(database, &key);
    assert(place.item == item);
    return place;
}

struct item *keyspace_find(struct keyspace *keyspace, unsigned db, const struct resp_arg *key) {
    struct place place = find_any(database_of(keyspace, db), key);
    return place.item && !gone(keyspace, place.item) ? place.item : NULL;
}

/* Gives an item a deadline, another one, or none. */
static struct item *change_deadline(struct keyspace *keyspace, struct database *database, size_t slot,
                                    struct item *item, uint64_t deadline_ms) {
    if (item_deadline(item) == deadline_ms)
        return item;
    deadline_removed(keyspace, database, item);
    struct item *noted = item_note_deadline(item, deadline_ms, &keyspace->memory);
    item = settle(keyspace, database, slot, item, noted, false);
    if (deadline_ms != KEYSPACE_NO_DEADLINE)
        deadline_added(keyspace, database, item);
    return item;
}

struct item *keyspace_set_string(struct keyspace *keyspace, unsigned db, const struct resp_arg *key,
                                 const void *bytes, size_t length, bool keep_deadline, uint64_t version) {
    struct database *database = database_of(keyspace, db);
    struct place place = find_for_write(keyspace, database, key);
    struct item *item = place.item;
    if (!item) {
        item = item_new(key, bytes, length, &keyspace->memory);
        dict_add(&database->keys, item, place.hash);
    } else {
        if (!keep_deadline)
            item = change_deadline(keyspace, database, place.slot, item, KEYSPACE_NO_DEADLINE);
        struct item *written = item_write(item, bytes, length, &keyspace->memory);
        item = settle(keyspace, database, place.slot, item, written, item_deadline(item) != 0);
    }
    item->version = version;
    return item;
}

bool keyspace_delete(struct keyspace *keyspace, unsigned db, const struct resp_arg *key) {
    struct database *database = database_of(keyspace, db);
    struct place place = find_for_write(keyspace, database, key);
    if (!place.item)
        return false;
    take_out(keyspace, database, &place);
    return true;
}

/* An existing `to` keeps its place in the dense order: a scan that has not come to it must still find it. */
void keyspace_rename(struct keyspace *keyspace, unsigned db, const struct resp_arg *from,
                     const struct resp_arg *to, uint64_t version) {
    struct database *database = database_of(keyspace, db);
    (void)find_for_write(keyspace, database, to);
    struct place source = find_for_write(keyspace, database, from);
    assert(source.item);
    struct place target = find_any(database, to);
    if (source.item == target.item)
        return;

    struct item *renamed = item_with_key(source.item, to, &keyspace->memory);
    deadline_removed(keyspace, database, source.item);
    dict_remove(&database->keys, source.slot, source.hash);
    item_release(source.item, &keyspace->memory);
    if (target.item) {
        target = place_of(database, target.item);
        deadline_removed(keyspace, database, target.item);
        dict_replace(&database->keys, target.slot, renamed);
        item_free(target.item, &keyspace->memory);
    } else {
        dict_add(&database->keys, renamed, target.hash);
    }
    if (item_deadline(renamed) != KEYSPACE_NO_DEADLINE)
        deadline_added(keyspace, database, renamed);
    renamed->version = version;
}

size_t keyspace_size(const struct keyspace *keyspace, unsigned db) {
    const struct database *database = database_seen(keyspace, db);
    return database->keys.count - database->due;
}

size_t keyspace_deadlines(const struct keyspace *keyspace, unsigned db) {
    const struct database *database = database_seen(keyspace, db);
    return database->deadlines.count - database->due;
}

size_t keyspace_slots(const struct keyspace *keyspace, unsigned db) {
    return database_seen(keyspace, db)->keys.count;
}

struct item *keyspace_at(struct keyspace *keyspace, unsigned db, size_t slot) {
    struct database *database = database_of(keyspace, db);
    assert(slot < database->keys.count);
    struct item *item = dict_at(&database->keys, slot);
    return gone(keyspace, item) ? NULL : item;
}

/* ---- one item --- */

struct item *item_set_deadline(struct keyspace *keyspace, unsigned db, struct item *item,
                               uint64_t deadline_ms, uint64_t version) {
    struct database *database = database_of(keyspace, db);
    struct place place = place_of(database, item);
    item = change_deadline(keyspace, database, place.slot, item, deadline_ms);
    item->version = version;
    return item;
}

struct item *item_append(struct keyspace *keyspace, unsigned db, struct item *item, const void *bytes,
                         size_t length, uint64_t version) {
    struct database *database = database_of(keyspace, db);
    struct item *extended = item_extend(item, bytes, length, &keyspace->memory);
    if (extended != item) {
        struct place place = place_of(database, item);
        item = settle(keyspace, database, place.slot, item, extended, item_deadline(item) != 0);
    }
    item->version = version;
    return item;
}

/* ---- freeing --- */

void keyspace_flush(struct keyspace *keyspace, unsigned db) {
    struct database *database = database_of(keyspace, db);
    if (database->keys.count == 0)
        return;
    struct grave *grave = malloc(sizeof *grave);
    if (!grave)
        abort();
    *grave = (struct grave){NULL, database->keys, database->deadlines};
    *keyspace->last_grave = grave;
    keyspace->last_grave = &grave->next;
    set_next(keyspace, database, KEYSPACE_NO_DEADLINE);
    database_init(keyspace, database);
}

/* Items first: the expiry's nodes are freed without looking at them. */
static size_t reclaim_grave(struct keyspace *keyspace, size_t count) {
    struct grave *grave = keyspace->graves;
    size_t freed = dict_free_some(&grave->keys, count);
    if (freed < count)
        freed += expiry_free_some(&grave->deadlines, count - freed);
    if (freed < count) {
        keyspace->graves = grave->next;
        if (!keyspace->graves)
            keyspace->last_grave = &keyspace->graves;
        free(grave);
    }
    return freed;
}

size_t keyspace_reclaim_due(struct keyspace *keyspace, size_t count) {
    size_t freed = 0;
    for (unsigned i = 0; i < keyspace->count; i++) {
        struct database *database = &keyspace->db[i];
        for (; freed < count && database->due > 0; freed++) {
            struct resp_arg key = item_key(expiry_first(&database->deadlines));
            struct place place = find_any(database, &key);
            assert(place.item && gone(keyspace, place.item));
            take_out(keyspace, database, &place);
        }
    }
    return freed;
}

size_t keyspace_reclaim_flushed(struct keyspace *keyspace, size_t count) {
    size_t freed = 0;
    while (freed < count && keyspace->graves)
        freed += reclaim_grave(keyspace, count - freed);
    return freed;
}

size_t keyspace_reclaim(struct keyspace *keyspace, size_t count) {
    size_t freed = keyspace_reclaim_due(keyspace, count);
    return freed + keyspace_reclaim_flushed(keyspace, count - freed);
}

/* ---- between databases, within values --- */

void keyspace_copy(struct keyspace *keyspace, unsigned from_db, const struct resp_arg *from, unsigned to_db,
                   const struct resp_arg *to, uint64_t version) {
    struct item *source = keyspace_find(keyspace, from_db, from);
    assert(source);
    struct resp_arg value = item_string(source);
    uint64_t deadline = item_deadline(source);
    struct item *target = keyspace_set_string(keyspace, to_db, to, value.bytes, value.length, false, version);
    assert(target != source);
    if (deadline != KEYSPACE_NO_DEADLINE)
        item_set_deadline(keyspace, to_db, target, deadline, version);
}

void keyspace_move(struct keyspace *keyspace, unsigned from_db, const struct resp_arg *key, unsigned to_db,
                   uint64_t version) {
    assert(from_db != to_db);
    keyspace_copy(keyspace, from_db, key, to_db, key, version);
    keyspace_delete(keyspace, from_db, key);
}

void keyspace_swap(struct keyspace *keyspace, unsigned db, unsigned other) {
    assert(db < keyspace->count && other < keyspace->count);
    unsigned place = keyspace->order[db];
    keyspace->order[db] = keyspace->order[other];
    keyspace->order[other] = place;
}

void item_overwrite(struct keyspace *keyspace, unsigned db, struct item *item, size_t offset,
                    const void *bytes, size_t length, uint64_t version) {
    assert(db < keyspace->count);
    item_patch(item, offset, bytes, length);
    item->version = version;
}
