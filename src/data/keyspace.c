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
 *
 * Whatever changes what is in a place stands between forget(), which lets a checkpoint keep the page as it was
 * and takes the place out of the digest, and remember(), which puts it back.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "small.h"

/* Where a key is, if it is there. */
struct place {
    struct item *item; /* NULL: nowhere */
    uint32_t hash;
    size_t slot;
};

/* ---- life --- */

static struct resp_arg key_of(const void *item) {
    return item_key(item);
}

static void free_thing(void *item, size_t *memory) {
    item_free(item, memory);
}

static const struct dict_kind items = {key_of, free_thing};

static void database_init(struct keyspace *keyspace, struct database *database) {
    *database = (struct database){.next = KEYSPACE_NO_DEADLINE};
    dict_init(&database->keys, &items, &keyspace->hash_key, &keyspace->memory);
    expiry_init(&database->deadlines, &keyspace->memory);
}

/* Items first: the expiry's nodes are freed without looking at them. Fewer than `count`: all is freed. */
static size_t database_free_some(struct keyspace *keyspace, struct database *database, size_t count) {
    struct dict *keys = &database->keys;
    for (size_t i = 0; i < count && i < keys->count; i++)
        object_bury(keyspace, dict_at(keys, keys->count - 1 - i));
    size_t freed = dict_free_some(keys, count);
    if (freed < count)
        freed += expiry_free_some(&database->deadlines, count - freed);
    if (freed < count) {
        page_set_close(&database->pages, &keyspace->memory);
        kept_close(keyspace, &database->kept);
        objects_close(&database->objects, &keyspace->memory);
    }
    return freed;
}

struct keyspace *keyspace_new(unsigned visible) {
    unsigned databases = visible + 1;
    assert(visible > 0 && visible <= KEYSPACE_DATABASES_MAX);
    struct keyspace *keyspace = calloc(1, sizeof *keyspace + databases * sizeof keyspace->db[0]);
    if (!keyspace)
        abort();
    keyspace->rows = calloc(databases, sizeof *keyspace->rows);
    if (!keyspace->rows)
        abort();
    keyspace->order = calloc(databases, sizeof *keyspace->order);
    if (!keyspace->order)
        abort();
    for (unsigned i = 0; i < databases; i++)
        keyspace->order[i] = i;
    keyspace->count = databases;
    keyspace->next_object = OBJECT_FIRST;
    keyspace->last_grave = &keyspace->graves;
    keyspace->compact = (struct keyspace_compact){{512, 64}, {512, SIZE_MAX}, {128, 64}};
    for (unsigned i = 0; i < databases; i++)
        database_init(keyspace, &keyspace->db[i]);
    return keyspace;
}

void keyspace_set_compact(struct keyspace *keyspace, const struct keyspace_compact *compact) {
    keyspace->compact = *compact;
}

const struct keyspace_compact *keyspace_compact(const struct keyspace *keyspace) {
    return &keyspace->compact;
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
    load_free(keyspace);
    if (keyspace->checkpoint.active)
        keyspace_checkpoint_end(keyspace, false);
    for (unsigned i = 0; i < keyspace->count; i++)
        keyspace_flush(keyspace, i);
    while (keyspace->graves || keyspace->dying)
        keyspace_reclaim_flushed(keyspace, SIZE_MAX);
    for (unsigned i = 0; i < keyspace->count; i++)
        database_free_some(keyspace, &keyspace->db[i], SIZE_MAX);
    checkpoint_close(keyspace);
    assert(keyspace->memory == 0);
    ready_close(keyspace);
    free(keyspace->rows);
    free(keyspace->order);
    free(keyspace);
}

unsigned keyspace_databases(const struct keyspace *keyspace) {
    return keyspace->count - 1;
}

unsigned keyspace_hidden(const struct keyspace *keyspace) {
    return keyspace->count - 1;
}

size_t keyspace_memory(const struct keyspace *keyspace) {
    return keyspace->memory;
}

static const struct database *database_seen(const struct keyspace *keyspace, unsigned db) {
    assert(db < keyspace->count);
    return &keyspace->db[keyspace->order[db]];
}

void keyspace_set_events(struct keyspace *keyspace, struct events *events) {
    keyspace->events = events;
}

struct events *keyspace_events(const struct keyspace *keyspace) {
    return keyspace->events;
}

/* To whoever wants to know. Databases are exchanged by their numbers, so that of one is looked for. */
static void tell(struct keyspace *keyspace, const struct database *database, enum event_class class,
                 const char *name, const struct resp_arg *key) {
    if (!keyspace->events || !(keyspace->events->wanted & class))
        return;
    unsigned db = 0;
    while (&keyspace->db[keyspace->order[db]] != database)
        db++;
    if (db != keyspace_hidden(keyspace))
        events_add_key(keyspace->events, class, name, db, key);
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

/* Before what is in a place changes, or moves. */
static void forget(struct keyspace *keyspace, struct database *database, size_t slot) {
    page_touch(keyspace, database, slot);
    database->digest -= place_digest(dict_at(&database->keys, slot), slot);
}

/* After it. */
static void remember(struct database *database, size_t slot) {
    database->digest += place_digest(dict_at(&database->keys, slot), slot);
}

/* Puts an item behind the last one; the caller remembers the place that is returned. */
static size_t add(struct keyspace *keyspace, struct database *database, struct item *item, uint32_t hash) {
    size_t slot = database->keys.count;
    struct resp_arg key = item_key(item);
    page_touch(keyspace, database, slot);
    dict_add(&database->keys, item, hash);
    tell(keyspace, database, EVENT_NEW, "new", &key);
    return slot;
}

/* Takes an item out of its place and the deadlines; it is the caller's. */
static void unlink_place(struct keyspace *keyspace, struct database *database, const struct place *place) {
    size_t last = database->keys.count - 1;
    forget(keyspace, database, place->slot);
    if (place->slot != last)
        forget(keyspace, database, last);
    deadline_removed(keyspace, database, place->item);
    dict_remove(&database->keys, place->slot, place->hash);
    if (place->slot != last)
        remember(database, place->slot);
}

static void free_item(struct keyspace *keyspace, struct database *database, struct item *item) {
    object_release(keyspace, database, item, 0);
    item_free(item, &keyspace->memory);
}

static void take_out(struct keyspace *keyspace, struct database *database, const struct place *place) {
    change_leave_mark(keyspace, place->item);
    unlink_place(keyspace, database, place);
    free_item(keyspace, database, place->item);
}

/* As find_any, but an item that is gone is taken out on the way. */
static struct place find_for_write(struct keyspace *keyspace, struct database *database,
                                   const struct resp_arg *key) {
    struct place place = find_any(database, key);
    if (place.item && gone(keyspace, place.item)) {
        tell(keyspace, database, EVENT_EXPIRED, "expired", key);
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

struct item *keyspace_find_any(struct keyspace *keyspace, unsigned db, const struct resp_arg *key) {
    return find_any(database_of(keyspace, db), key).item;
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

/* Gives the item in a place another string. */
static struct item *change_string(struct keyspace *keyspace, struct database *database, size_t slot,
                                  struct item *item, const void *bytes, size_t length) {
    struct object_name name = object_release(keyspace, database, item, length);
    struct item *written = item_write(item, bytes, length, &keyspace->memory);
    item = settle(keyspace, database, slot, item, written, item_deadline(item) != 0);
    text_adopt(keyspace, database, item, name);
    return item;
}

struct item *keyspace_set_string(struct keyspace *keyspace, unsigned db, const struct resp_arg *key,
                                 const void *bytes, size_t length, bool keep_deadline, uint64_t version) {
    struct database *database = database_of(keyspace, db);
    struct place place = find_for_write(keyspace, database, key);
    struct item *item = place.item;
    if (!item) {
        item = item_new(key, bytes, length, &keyspace->memory);
        item_set_use(item, keyspace->use_now);
        place.slot = add(keyspace, database, item, place.hash);
        text_adopt(keyspace, database, item, (struct object_name){.id = 0});
    } else {
        item_touch(keyspace, item);
        forget(keyspace, database, place.slot);
        if (!keep_deadline)
            item = change_deadline(keyspace, database, place.slot, item, KEYSPACE_NO_DEADLINE);
        item = change_string(keyspace, database, place.slot, item, bytes, length);
    }
    item->version = version;
    remember(database, place.slot);
    change_tell(keyspace, db, item);
    return item;
}

bool keyspace_delete(struct keyspace *keyspace, unsigned db, const struct resp_arg *key) {
    struct database *database = database_of(keyspace, db);
    struct place place = find_for_write(keyspace, database, key);
    if (!place.item)
        return false;
    change_tell(keyspace, db, place.item);
    take_out(keyspace, database, &place);
    return true;
}

bool keyspace_evict(struct keyspace *keyspace, unsigned db, const struct resp_arg *key) {
    if (!keyspace_delete(keyspace, db, key))
        return false;
    tell(keyspace, database_of(keyspace, db), EVENT_EVICTED, "evicted", key);
    return true;
}

/* Puts an item under its key, whatever was there. An existing key keeps its place in the dense order: a scan
 * that has not come to it must still find it. */
static void put_item(struct keyspace *keyspace, unsigned db, struct item *item, uint64_t version) {
    struct database *database = database_of(keyspace, db);
    struct resp_arg key = item_key(item);
    struct place place = find_for_write(keyspace, database, &key);
    if (place.item) {
        forget(keyspace, database, place.slot);
        deadline_removed(keyspace, database, place.item);
        dict_replace(&database->keys, place.slot, item);
        tell(keyspace, database, EVENT_NEW, "new", &key);
        free_item(keyspace, database, place.item);
    } else {
        place.slot = add(keyspace, database, item, place.hash);
    }
    if (item_deadline(item) != KEYSPACE_NO_DEADLINE)
        deadline_added(keyspace, database, item);
    item->version = version;
    remember(database, place.slot);
    change_tell(keyspace, db, item);
}

void keyspace_rename(struct keyspace *keyspace, unsigned db, const struct resp_arg *from,
                     const struct resp_arg *to, uint64_t version) {
    struct database *database = database_of(keyspace, db);
    (void)find_for_write(keyspace, database, to);
    struct place source = find_for_write(keyspace, database, from);
    assert(source.item);
    struct resp_arg own = item_key(source.item);
    if (own.length == to->length && (own.length == 0 || memcmp(own.bytes, to->bytes, own.length) == 0))
        return;
    change_tell(keyspace, db, source.item);
    change_leave_mark(keyspace, source.item);
    struct item *renamed = item_with_key(source.item, to, &keyspace->memory);
    unlink_place(keyspace, database, &source);
    item_release(source.item, &keyspace->memory);
    put_item(keyspace, db, renamed, version);
    ready_note(keyspace, db, renamed);
}

void keyspace_copy(struct keyspace *keyspace, unsigned from_db, const struct resp_arg *from, unsigned to_db,
                   const struct resp_arg *to, uint64_t version) {
    struct database *database = database_of(keyspace, to_db);
    struct item *source = keyspace_find(keyspace, from_db, from);
    assert(source && keyspace_find(keyspace, to_db, to) != source);
    struct object *object = item_object(source);
    struct item *copy = item_with_key(source, to, &keyspace->memory);
    item_set_use(copy, keyspace->use_now);
    if (object) {
        object = object_kind(object)->copy(object, keyspace);
        item_put_object(copy, object);
        object_enter_whole(keyspace, database, object);
    }
    put_item(keyspace, to_db, copy, version);
    ready_note(keyspace, to_db, copy);
}

void keyspace_move(struct keyspace *keyspace, unsigned from_db, const struct resp_arg *key, unsigned to_db,
                   uint64_t version) {
    struct database *from = database_of(keyspace, from_db), *to = database_of(keyspace, to_db);
    struct place place = find_for_write(keyspace, from, key);
    assert(place.item && from != to && !keyspace_find(keyspace, to_db, key));
    struct object *object = item_object(place.item);
    change_tell(keyspace, from_db, place.item);
    change_leave_mark(keyspace, place.item);
    unlink_place(keyspace, from, &place);
    if (object) {
        object_settle(keyspace, from, object);
        object_transfer(keyspace, from, to, object);
    }
    put_item(keyspace, to_db, place.item, version);
    ready_note(keyspace, to_db, place.item);
}

void keyspace_swap(struct keyspace *keyspace, unsigned db, unsigned other) {
    assert(db < keyspace->count && other < keyspace->count);
    if (keyspace->watches && db != other)
        watches_replaced(keyspace->watches, keyspace, db, other);
    keyspace->upheavals += db != other;
    unsigned place = keyspace->order[db];
    keyspace->order[db] = keyspace->order[other];
    keyspace->order[other] = place;
    ready_note_all(keyspace, db);
    ready_note_all(keyspace, other);
}

size_t keyspace_size(const struct keyspace *keyspace, unsigned db) {
    const struct database *database = database_seen(keyspace, db);
    return database->keys.count - database->due;
}

size_t keyspace_deadlines(const struct keyspace *keyspace, unsigned db) {
    const struct database *database = database_seen(keyspace, db);
    return database->deadlines.order.count - database->due;
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

struct item *keyspace_by_deadline(struct keyspace *keyspace, unsigned db, size_t n) {
    struct database *database = database_of(keyspace, db);
    assert(n < keyspace_deadlines(keyspace, db));
    size_t within;
    const void *block = order_seek(&database->deadlines.order, database->due + n, &within);
    return order_in(block, within);
}

/* ---- one item --- */

struct item *item_set_deadline(struct keyspace *keyspace, unsigned db, struct item *item,
                               uint64_t deadline_ms, uint64_t version) {
    struct database *database = database_of(keyspace, db);
    struct place place = place_of(database, item);
    forget(keyspace, database, place.slot);
    item = change_deadline(keyspace, database, place.slot, item, deadline_ms);
    item->version = version;
    remember(database, place.slot);
    change_tell(keyspace, db, item);
    return item;
}

/* As item_extend of a short string. */
static struct item *append_short(struct keyspace *keyspace, struct database *database, size_t slot,
                                 struct item *item, const void *bytes, size_t length) {
    struct item *extended = item_extend(item, bytes, length, &keyspace->memory);
    item = settle(keyspace, database, slot, item, extended, item_deadline(item) != 0);
    text_adopt(keyspace, database, item, (struct object_name){.id = 0});
    return item;
}

struct item *item_append(struct keyspace *keyspace, unsigned db, struct item *item, const void *bytes,
                         size_t length, uint64_t version) {
    struct database *database = database_of(keyspace, db);
    struct place place = place_of(database, item);
    forget(keyspace, database, place.slot);
    if (item_text(item))
        item = text_append(keyspace, database, item, bytes, length);
    else
        item = append_short(keyspace, database, place.slot, item, bytes, length);
    item->version = version;
    remember(database, place.slot);
    change_tell(keyspace, db, item);
    return item;
}

void item_overwrite(struct keyspace *keyspace, unsigned db, struct item *item, size_t offset,
                    const void *bytes, size_t length, uint64_t version) {
    struct database *database = database_of(keyspace, db);
    struct place place = place_of(database, item);
    assert(offset + length <= item_string(item).length);
    forget(keyspace, database, place.slot);
    if (length > 0 && item_text(item))
        text_write(keyspace, database, item, offset, bytes, length);
    else if (length > 0)
        item_patch(item, offset, bytes, length);
    item->version = version;
    remember(database, place.slot);
    change_tell(keyspace, db, item);
}

/* ---- places that are open for a change --- */

struct item *keyspace_open_place(struct keyspace *keyspace, unsigned db, const struct resp_arg *key,
                                 enum value_type type, size_t *slot) {
    struct database *database = database_of(keyspace, db);
    struct place place = find_for_write(keyspace, database, key);
    if (place.item) {
        assert(place.item->type == type);
        forget(keyspace, database, place.slot);
    } else {
        place.item = item_new_small(key, type, SMALL_HEADER, &keyspace->memory);
        memset(item_small_bytes(place.item), 0, SMALL_HEADER);
        item_set_use(place.item, keyspace->use_now);
        place.slot = add(keyspace, database, place.item, place.hash);
    }
    *slot = place.slot;
    return place.item;
}

struct item *keyspace_settle(struct keyspace *keyspace, unsigned db, size_t slot, struct item *old,
                             struct item *item) {
    struct database *database = database_of(keyspace, db);
    return settle(keyspace, database, slot, old, item, item_deadline(item) != 0);
}

void keyspace_shut_place(struct keyspace *keyspace, unsigned db, size_t slot, bool changed, bool remove) {
    struct database *database = database_of(keyspace, db);
    remember(database, slot);
    if (changed)
        change_tell(keyspace, db, dict_at(&database->keys, slot));
    if (!remove)
        return;
    struct place place = place_of(database, dict_at(&database->keys, slot));
    take_out(keyspace, database, &place);
}

/* ---- loading --- */

void keyspace_place_loaded(struct keyspace *keyspace, struct database *database, struct item *item) {
    page_set_grow(&database->pages, database->keys.count / PAGE_PLACES, &keyspace->memory);
    item_set_use(item, keyspace->use_now);
    dict_append(&database->keys, item);
}

void keyspace_deadline_loaded(struct keyspace *keyspace, struct database *database, struct item *item) {
    deadline_added(keyspace, database, item);
}

/* ---- freeing --- */

/* What so many keys take, if they are like the rest. */
static size_t memory_of_keys(const struct keyspace *keyspace, size_t count) {
    size_t keys = 0, aside = keyspace->leaving + keyspace->checkpoint.kept;
    for (unsigned i = 0; i < keyspace->count; i++)
        keys += keyspace->db[i].keys.count;
    assert(count <= keys && keys > 0);
    size_t all = keyspace->memory > aside ? keyspace->memory - aside : 0;
    return (size_t)((double)all * (double)count / (double)keys);
}

size_t keyspace_memory_lasting(const struct keyspace *keyspace) {
    size_t due = 0, aside = keyspace->leaving + keyspace->checkpoint.kept;
    for (unsigned i = 0; i < keyspace->count; i++)
        due += keyspace->db[i].due;
    if (due > 0)
        aside += memory_of_keys(keyspace, due);
    return keyspace->memory > aside ? keyspace->memory - aside : 0;
}

void keyspace_flush(struct keyspace *keyspace, unsigned db) {
    struct database *database = database_of(keyspace, db);
    if (database->keys.count == 0)
        return;
    if (keyspace->watches)
        watches_replaced(keyspace->watches, keyspace, db, db);
    keyspace->upheavals++;
    ready_note_all(keyspace, db);
    struct grave *grave = malloc(sizeof *grave);
    if (!grave)
        abort();
    *grave = (struct grave){NULL, keyspace->order[db], *database};
    keyspace->leaving += memory_of_keys(keyspace, database->keys.count);
    *keyspace->last_grave = grave;
    keyspace->last_grave = &grave->next;
    set_next(keyspace, database, KEYSPACE_NO_DEADLINE);
    database_init(keyspace, database);
}

/* A checkpoint that needs the grave comes first. */
static bool pinned(const struct keyspace *keyspace, const struct grave *grave) {
    return keyspace->checkpoint.active && (grave->database.pages.todo || grave->database.objects.set.todo);
}

static size_t reclaim_grave(struct keyspace *keyspace, size_t count) {
    struct grave *grave = keyspace->graves;
    size_t freed = database_free_some(keyspace, &grave->database, count);
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
            tell(keyspace, database, EVENT_EXPIRED, "expired", &key);
            take_out(keyspace, database, &place);
        }
    }
    return freed;
}

size_t keyspace_reclaim_flushed(struct keyspace *keyspace, size_t count) {
    size_t before = keyspace->memory;
    size_t freed = object_reclaim(keyspace, count);
    while (freed < count && keyspace->graves && !pinned(keyspace, keyspace->graves))
        freed += reclaim_grave(keyspace, count - freed);
    size_t less = before > keyspace->memory ? before - keyspace->memory : 0;
    keyspace->leaving -= less < keyspace->leaving ? less : keyspace->leaving;
    if (!keyspace->graves && !keyspace->dying)
        keyspace->leaving = 0;
    return freed;
}

size_t keyspace_reclaim(struct keyspace *keyspace, size_t count) {
    size_t freed = keyspace_reclaim_due(keyspace, count);
    return freed + keyspace_reclaim_flushed(keyspace, count - freed);
}
