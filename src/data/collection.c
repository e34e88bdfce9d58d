/* SPDX-License-Identifier: MIT */
/*
 * Collections in their two forms.
 *
 * A small one is packed into its item (small.c): up to ITEM_SMALL_MAX bytes, searched from front to back. One
 * that outgrows this becomes an object with an index, whose pages a checkpoint writes one by one (members.c,
 * list.c), and stays one until it is empty. Which of both it is follows from bytes alone, never from a
 * directive. What OBJECT ENCODING shows, on the other hand, follows from limits, as it does in Redis: one bit in the
 * item, set once a limit of this node's directives was passed. A second bit is the same by Redis's default limits,
 * on every node alike.
 *
 * The dense order: in the small form that of the packed entries, where a removal closes the gap and a sorted
 * set is sorted; in the large form that of members.c. Both depend on the log alone.
 */
#include "collection.h"

#include <math.h>
#include <string.h>

#include "internal.h"
#include "members.h"
#include "segments.h"
#include "small.h"
#include "stream.h"

static bool is_small(const struct item *item) {
    return !(item->flags & ITEM_LONG);
}

bool collection_is_small(const struct item *item) {
    return is_small(item);
}

/* ---- opening and closing --- */

static const struct collection_limits *named_limits(const struct collection *collection) {
    static const struct collection_limits none = {SIZE_MAX, SIZE_MAX};
    const struct keyspace_compact *compact = keyspace_compact(collection->keyspace);
    switch (item_type(collection->item)) {
    case VALUE_HASH:
        return &compact->hash;
    case VALUE_SET:
        return &compact->set;
    case VALUE_ZSET:
        return &compact->zset;
    default:
        return &none;
    }
}

static void note_length(struct collection *collection, size_t length) {
    struct item *item = collection->item;
    if (length > collection->limits.bytes)
        item->flags |= ITEM_WIDE;
    if (length > named_limits(collection)->bytes)
        item->flags |= ITEM_NAMED_WIDE;
}

/* As a limit: it counts even if more is removed before the end. */
static void note_count(struct collection *collection) {
    struct item *item = collection->item;
    size_t count = collection_count(item);
    if (count > collection->limits.entries)
        item->flags |= ITEM_WIDE;
    if (count > named_limits(collection)->entries)
        item->flags |= ITEM_NAMED_WIDE;
}

void collection_open(struct collection *collection, struct keyspace *keyspace, unsigned db,
                     const struct resp_arg *key, enum value_type type,
                     const struct collection_limits *limits) {
    static const struct collection_limits none = {SIZE_MAX, SIZE_MAX};
    assert(type != VALUE_STRING);
    *collection = (struct collection){
        .keyspace = keyspace, .db = db, .limits = limits ? *limits : none, .changed = false};
    collection->item = keyspace_open_place(keyspace, db, key, type, &collection->slot);
    if (!is_small(collection->item))
        object_settle(keyspace, database_of(keyspace, db), item_object(collection->item));
}

bool collection_close(struct collection *collection, uint64_t version) {
    size_t count = collection_count(collection->item);
    note_count(collection);
    if (collection->changed)
        collection->item->version = version;
    if (collection->changed && count > 0)
        ready_note(collection->keyspace, collection->db, collection->item);
    keyspace_shut_place(collection->keyspace, collection->db, collection->slot, collection->changed,
                        count == 0);
    collection->item = NULL;
    return count > 0;
}

size_t collection_count(const struct item *item) {
    if (item_type(item) == VALUE_STREAM)
        return (size_t)stream_head(item).length;
    if (is_small(item))
        return small_count(item);
    return item_type(item) == VALUE_LIST ? segments_of(item)->count : members_of(item)->dict.count;
}

const char *collection_encoding(const struct item *item) {
    static const char *const names[][2] = {
        [VALUE_HASH] = {"listpack", "hashtable"}, [VALUE_SET] = {"intset", "hashtable"},
        [VALUE_ZSET] = {"listpack", "skiplist"},  [VALUE_LIST] = {"quicklist", "quicklist"},
        [VALUE_STREAM] = {"stream", "stream"},
    };
    assert(item_type(item) != VALUE_STRING);
    return names[item_type(item)][(item->flags & ITEM_NAMED_WIDE) != 0];
}

bool collection_is_wide(const struct item *item) {
    return item->flags & ITEM_WIDE;
}

/* ---- reading --- */

bool collection_find(const struct item *item, const struct resp_arg *key, struct member *member) {
    if (!is_small(item))
        return members_find(members_of(item), key, member);
    size_t place;
    const char *at = small_find(item, key, &place);
    if (!at)
        return false;
    if (member) {
        (void)small_read(item, at, member);
        member->place = place;
    }
    return true;
}

void collection_at(const struct item *item, size_t place, struct member *member) {
    assert(place < collection_count(item));
    if (!is_small(item)) {
        members_at(members_of(item), place, member);
        return;
    }
    (void)small_read(item, small_place(item, place), member);
    member->place = place;
}

void collection_walk_from(struct collection_walk *walk, const struct item *item, size_t place) {
    assert(item_type(item) != VALUE_LIST);
    *walk = (struct collection_walk){
        .item = item, .place = place, .at = is_small(item) ? small_place(item, place) : NULL};
}

void collection_walk_begin(struct collection_walk *walk, const struct item *item) {
    collection_walk_from(walk, item, 0);
}

bool collection_walk_next(struct collection_walk *walk, struct member *member) {
    if (walk->place == collection_count(walk->item))
        return false;
    if (walk->at)
        walk->at = small_read(walk->item, walk->at, member);
    else
        members_at(members_of(walk->item), walk->place, member);
    member->place = walk->place++;
    return true;
}

/* ---- changing --- */

/* The small collection becomes an object. */
static void grow_up(struct collection *collection) {
    struct keyspace *keyspace = collection->keyspace;
    struct item *item = collection->item;
    struct members *members = members_new(item_type(item), &keyspace->hash_key, &keyspace->memory);
    for (const char *at = small_begin(item), *end = small_end(item); at < end;) {
        struct member member;
        at = small_read(item, at, &member);
        members_fill(members, &member, &keyspace->memory);
    }
    struct item *grown = item_give_object(item, &members->object, &keyspace->memory);
    collection->item = keyspace_settle(keyspace, collection->db, collection->slot, item, grown);
    object_enter_whole(keyspace, database_of(keyspace, collection->db), &members->object);
}

/* A member that is new. In a sorted set that is small its place is its rank. */
static void add(struct collection *collection, const struct member *member) {
    struct item *item = collection->item;
    size_t count = collection_count(item);
    if (is_small(item)) {
        struct small_value value;
        small_value(&value, item_type(item), &member->key, &member->value, member->score);
        const char *at = item_type(item) == VALUE_ZSET
                             ? small_place(item, small_rank(item, member->score, &member->key))
                             : small_end(item);
        if (small_splice(collection, at, 0, &value, count + 1))
            return;
        grow_up(collection);
    }
    members_add(collection, member);
}

/* Of a hash: another value for the member in that place. */
static void replace(struct collection *collection, const struct member *member) {
    struct item *item = collection->item;
    if (is_small(item)) {
        struct small_value value;
        const char *at = small_place(item, member->place);
        small_value(&value, item_type(item), &member->key, &member->value, 0);
        if (small_splice(collection, at, (size_t)(pack_next(pack_next(at)) - at), &value, small_count(item)))
            return;
        grow_up(collection);
    }
    members_replace(collection, member);
}

bool hash_set(struct collection *hash, const struct resp_arg *field, const struct resp_arg *value) {
    struct member found, member = {.key = *field, .value = *value};
    assert(item_type(hash->item) == VALUE_HASH);
    note_length(hash, field->length);
    note_length(hash, value->length);
    bool is_new = !collection_find(hash->item, field, &found);
    if (is_new) {
        add(hash, &member);
        note_count(hash);
    } else {
        member.place = found.place;
        replace(hash, &member);
    }
    return is_new;
}

void set_add_new(struct collection *set, const struct resp_arg *member) {
    assert(item_type(set->item) == VALUE_SET);
    if (!pack_value(member).is_integer)
        set->item->flags |= ITEM_WIDTHS;
    add(set, &(struct member){.key = *member});
    note_count(set);
}

bool set_add(struct collection *set, const struct resp_arg *member) {
    if (collection_find(set->item, member, NULL))
        return false;
    set_add_new(set, member);
    return true;
}

bool zset_set(struct collection *zset, const struct resp_arg *key, double score) {
    struct member found, member = {.key = *key, .score = score};
    assert(item_type(zset->item) == VALUE_ZSET && !isnan(score));
    if (!collection_find(zset->item, key, &found)) {
        note_length(zset, key->length);
        add(zset, &member);
        note_count(zset);
        return true;
    }
    if (found.score == score)
        return false;
    member.place = found.place;
    if (is_small(zset->item)) {
        collection_remove_at(zset, found.place);
        add(zset, &member);
    } else {
        members_replace(zset, &member);
    }
    return false;
}

void collection_remove_at(struct collection *collection, size_t place) {
    struct item *item = collection->item;
    assert(place < collection_count(item) && item_type(item) != VALUE_LIST);
    if (!is_small(item)) {
        members_remove(collection, place);
        return;
    }
    const char *at = small_place(item, place), *end = pack_next(at);
    if (item_type(item) != VALUE_SET)
        end = pack_next(end);
    bool fits = small_splice(collection, at, (size_t)(end - at), NULL, small_count(item) - 1);
    assert(fits);
}

bool collection_remove(struct collection *collection, const struct resp_arg *key) {
    struct member found;
    if (!collection_find(collection->item, key, &found))
        return false;
    collection_remove_at(collection, found.place);
    return true;
}
