/* SPDX-License-Identifier: MIT */
/*
 * An ordered map from bytes to bytes, cut into pages.
 *
 * Records lie packed in leaves of up to LEAF_BYTES (one that is longer has a leaf to itself), and the leaves in an array that
 * is sorted by their keys. A leaf is a page, under a number that it keeps for life:
 *
 *     order    [ leaf 2: a b c ] [ leaf 0: d e f g ] [ leaf 3: h ] ..       number 1 is free
 *
 * So a change of a record changes one page, an addition splits a page at most, and nothing is ever renumbered. A new leaf
 * gets the lowest free number, which follows from those in use: a node that loaded the records goes on as one that never
 * stopped. What is added behind the last record of a full leaf begins another one, so that records which come in order fill their leaves; a leaf that fits
 * into half a leaf together with a neighbour is joined to it.
 *
 * The array costs a pointer a leaf. A leaf is put into it or taken out by moving the shorter side: cutting records off at either end costs nothing.
 *
 * Pages
 *
 *     page 0       the head: RECORDS_HEAD strings of 8 bytes, little-endian
 *     page n + 1   leaf n: for each record two strings, the key and the value
 *                  a number that is free, below one that is not: the integer -1 and nothing else. (One behind all others
 *                  has none; but it may have been below one at a freeze, and is then written as that.)
 *
 * all as packed entries (pack.h). Which leaf follows which is not said: the keys tell.
 *
 * The digest is a sum over the records and one over the head: it says what is in the map, not in which leaf.
 */
#include "records.h"

#include <string.h>

#include "internal.h"
#include "leaves.h"
#include "pack.h"

enum { LEAF_FIRST = 64 }; /* bytes that a leaf begins with */

struct records *records_of(const struct item *item) {
    struct object *object = item_object(item);
    assert(object->type == VALUE_STREAM);
    return (struct records *)object;
}

/* ---- reading --- */

static int compare_at(const char *at, const struct resp_arg *key) {
    struct resp_arg there = leaf_key(at);
    return records_compare(&there, key);
}

/* The place of a key in a leaf. */
static bool find_in(const struct leaf *leaf, const struct resp_arg *key, size_t *at) {
    int order = compare_at(leaf->bytes + leaf->last, key);
    *at = order < 0 ? leaf->length : leaf->last;
    if (order <= 0)
        return order == 0;
    for (*at = 0; *at < leaf->last; *at += leaf_record_size(leaf->bytes + *at)) {
        order = compare_at(leaf->bytes + *at, key);
        if (order >= 0)
            return order == 0;
    }
    return false;
}

bool records_find(const struct records *records, const struct resp_arg *key, struct records_place *place) {
    size_t low = 0, high = records->count; /* the leaf is the last whose first key is not behind it */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_at(leaf_at(records, middle)->bytes, key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    *place = (struct records_place){low > 0 ? low - 1 : 0, 0};
    return low > 0 && find_in(leaf_at(records, low - 1), key, &place->at);
}

void records_begin(const struct records *records, struct records_place *place) {
    (void)records;
    *place = (struct records_place){0, 0};
}

static const char *read_record(const char *at, struct record *record) {
    struct pack_value key, value;
    const char *next = pack_read(pack_read(at, &key), &value);
    *record = (struct record){key.text, value.text};
    return next;
}

bool records_next(const struct records *records, struct records_place *place, struct record *record) {
    if (place->leaf < records->count && place->at == leaf_at(records, place->leaf)->length)
        *place = (struct records_place){place->leaf + 1, 0};
    if (place->leaf >= records->count)
        return false;
    const struct leaf *leaf = leaf_at(records, place->leaf);
    place->at = (size_t)(read_record(leaf->bytes + place->at, record) - leaf->bytes);
    return true;
}

bool records_previous(const struct records *records, struct records_place *place, struct record *record) {
    if (place->at == 0 || place->leaf >= records->count) {
        if (place->leaf == 0)
            return false;
        place->leaf--;
        place->at = leaf_at(records, place->leaf)->length;
    }
    const struct leaf *leaf = leaf_at(records, place->leaf);
    const char *at = pack_previous(pack_previous(leaf->bytes + place->at));
    (void)read_record(at, record);
    place->at = (size_t)(at - leaf->bytes);
    return true;
}

/* ---- changes --- */

struct change {
    struct collection *stream;
    struct records *records;
    size_t before; /* memory */
};

static struct change begin(struct collection *stream) {
    struct records *records = records_of(stream->item);
    return (struct change){stream, records, records->memory};
}

static void end(struct change *change) {
    change->stream->keyspace->memory += change->records->memory - change->before;
    change->stream->changed = true;
}

static void touch(struct change *change, size_t number) {
    object_touch(change->stream->keyspace, &change->records->object, 1 + number);
}

static void mark(struct change *change, size_t number) {
    struct keyspace *keyspace = change->stream->keyspace;
    object_mark(keyspace, database_of(keyspace, change->stream->db), &change->records->object, 1 + number,
                2 + number);
}

void records_set_head(struct collection *stream, const uint64_t head[RECORDS_HEAD]) {
    struct records *records = records_of(stream->item);
    if (memcmp(records->head, head, sizeof records->head) == 0)
        return;
    object_touch(stream->keyspace, &records->object, 0);
    records->object.digest -= records_head_digest(records);
    memcpy(records->head, head, sizeof records->head);
    records->object.digest += records_head_digest(records);
    object_mark(stream->keyspace, database_of(stream->keyspace, stream->db), &records->object, 0, 1);
    stream->changed = true;
}

/* An empty leaf of that index. */
static void insert_leaf(struct change *change, size_t index) {
    struct records *records = change->records;
    touch(change, leaves_next_number(records));
    struct leaf *leaf = leaf_alloc(records, NULL, LEAF_FIRST);
    leaf->number = leaves_take_number(records);
    records->at[leaf->number] = leaf;
    leaves_insert(records, index, leaf);
}

/* A leaf whose digest is no longer counted, and that nobody looks into any more. */
static void drop_leaf(struct change *change, size_t index) {
    struct records *records = change->records;
    struct leaf *leaf = leaf_at(records, index);
    uint32_t number = leaf->number;
    leaves_remove(records, index);
    leaf_free(records, leaf);
    leaves_give_number(records, number);
    mark(change, number);
}

/* ---- adding --- */

static bool has_room(const struct records *records, size_t index, size_t size) {
    return index < records->count && leaf_at(records, index)->length + size <= LEAF_BYTES;
}

/* Cuts a leaf in two: what is at `at` and behind it goes to a new one. */
static void split(struct change *change, size_t index, size_t at) {
    struct records *records = change->records;
    insert_leaf(change, index + 1);
    struct leaf *leaf = leaf_at(records, index);
    size_t length = leaf->length - at;
    struct leaf *second = leaf_reserve(records, index + 1, length);
    touch(change, leaf->number);
    memcpy(second->bytes, leaf->bytes + at, length);
    second->length = (uint32_t)length;
    leaf->length = (uint32_t)at;
    leaf_recount(leaf);
    leaf_recount(second);
    mark(change, leaf->number);
    mark(change, second->number);
}

/* Chooses where a record of that size that belongs to `place` is to lie, and makes a place there. */
static void make_place(struct change *change, struct records_place *place, size_t size) {
    struct records *records = change->records;
    if (records->count == 0)
        insert_leaf(change, 0);
    struct leaf *leaf = leaf_at(records, place->leaf);
    if (leaf->length == 0 || has_room(records, place->leaf, size))
        return;
    if (place->at > 0 && place->at < leaf->length)
        split(change, place->leaf, place->at);
    if (place->at == 0 || has_room(records, place->leaf, size)) {
        if (place->at == 0)
            insert_leaf(change, place->leaf);
        return;
    }
    *place = (struct records_place){place->leaf + 1, 0};
    if (!has_room(records, place->leaf, size))
        insert_leaf(change, place->leaf);
}

void records_add(struct collection *stream, const struct resp_arg *key, const struct resp_arg *value) {
    struct change change = begin(stream);
    struct records_place place;
    struct pack_value entries[2] = {pack_raw(key->bytes, key->length), pack_raw(value->bytes, value->length)};
    size_t size = pack_size(&entries[0]) + pack_size(&entries[1]);
    bool there = records_find(change.records, key, &place);
    assert(!there);
    make_place(&change, &place, size);
    struct leaf *leaf = leaf_at(change.records, place.leaf);
    touch(&change, leaf->number);
    leaf = leaf_reserve(change.records, place.leaf, leaf->length + size);
    char *at = leaf->bytes + place.at;
    memmove(at + size, at, leaf->length - place.at);
    (void)pack_put(pack_put(at, &entries[0]), &entries[1]);
    leaf->last = place.at == leaf->length ? (uint32_t)place.at : leaf->last + (uint32_t)size;
    leaf->length += (uint32_t)size;
    leaf->count++;
    uint64_t digest = leaf_record_digest(at, size);
    leaf->digest += digest;
    change.records->object.digest += digest;
    mark(&change, leaf->number);
    end(&change);
}

void records_replace(struct collection *stream, const struct resp_arg *key, const struct resp_arg *value) {
    struct change change = begin(stream);
    struct records_place place;
    struct record record;
    bool there = records_find(change.records, key, &place);
    assert(there);
    struct leaf *leaf = leaf_at(change.records, place.leaf);
    char *at = leaf->bytes + place.at;
    size_t size = (size_t)(read_record(at, &record) - at);
    assert(record.value.length == value->length);
    touch(&change, leaf->number);
    uint64_t digest = leaf_record_digest(at, size);
    if (value->length)
        memcpy(leaf->bytes + (record.value.bytes - leaf->bytes), value->bytes, value->length);
    digest = leaf_record_digest(at, size) - digest;
    leaf->digest += digest;
    change.records->object.digest += digest;
    mark(&change, leaf->number);
    end(&change);
}

/* ---- removing --- */

/* Joins the leaf behind that of `index` to it if both fit into half of one. */
static void join(struct change *change, size_t index) {
    struct records *records = change->records;
    if (index + 1 >= records->count)
        return;
    struct leaf *leaf = leaf_at(records, index), *next = leaf_at(records, index + 1);
    size_t length = leaf->length + (size_t)next->length;
    if (length > LEAF_BYTES / 2)
        return;
    touch(change, leaf->number);
    touch(change, next->number);
    leaf = leaf_reserve(records, index, length);
    memcpy(leaf->bytes + leaf->length, next->bytes, next->length);
    leaf->last = leaf->length + next->last;
    leaf->length = (uint32_t)length;
    leaf->count += next->count;
    leaf->digest += next->digest;
    mark(change, leaf->number);
    drop_leaf(change, index + 1);
}

/* Removes the records of a leaf from `at` to before `to`; the leaf goes if none is left. Returns how many. */
static size_t cut(struct change *change, size_t index, size_t at, size_t to) {
    struct leaf *leaf = leaf_at(change->records, index);
    size_t before = leaf->count;
    assert(at < to && to <= leaf->length);
    touch(change, leaf->number);
    if (to - at == leaf->length) {
        change->records->object.digest -= leaf->digest;
        drop_leaf(change, index);
        return before;
    }
    uint64_t digest = 0;
    size_t removed = 0, previous = leaf->last;
    for (size_t i = at, size; i < to; i += size, removed++) {
        size = leaf_record_size(leaf->bytes + i);
        digest += leaf_record_digest(leaf->bytes + i, size);
    }
    if (to == leaf->length)
        previous = (size_t)(pack_previous(pack_previous(leaf->bytes + at)) - leaf->bytes);
    else
        previous -= to - at;
    memmove(leaf->bytes + at, leaf->bytes + to, leaf->length - to);
    leaf->length -= (uint32_t)(to - at);
    leaf->last = (uint32_t)previous;
    leaf->count -= (uint32_t)removed;
    leaf->digest -= digest;
    change->records->object.digest -= digest;
    mark(change, leaf->number);
    return removed;
}

/* Around the place where something was removed. */
static void join_around(struct change *change, size_t index) {
    join(change, index);
    if (index > 0)
        join(change, index - 1);
}

bool records_remove(struct collection *stream, const struct resp_arg *key) {
    struct change change = begin(stream);
    struct records_place place;
    if (!records_find(change.records, key, &place))
        return false;
    const char *at = leaf_at(change.records, place.leaf)->bytes + place.at;
    (void)cut(&change, place.leaf, place.at, place.at + leaf_record_size(at));
    join_around(&change, place.leaf);
    end(&change);
    return true;
}

size_t records_remove_range(struct collection *stream, const struct resp_arg *from,
                            const struct resp_arg *to) {
    struct change change = begin(stream);
    struct records *records = change.records;
    struct records_place place;
    size_t removed = 0;
    (void)records_find(records, from, &place);
    while (place.leaf < records->count) {
        const struct leaf *leaf = leaf_at(records, place.leaf);
        size_t length = leaf->length, stop;
        (void)find_in(leaf, to, &stop);
        bool last = stop < length;
        if (place.at < stop) {
            removed += cut(&change, place.leaf, place.at, stop);
            place.leaf += place.at > 0; /* if none was left it is the next one that is there now */
        } else {
            place.leaf++;
        }
        place.at = 0;
        if (last)
            break;
    }
    if (removed > 0) {
        join_around(&change, place.leaf < records->count ? place.leaf : records->count);
        end(&change);
    }
    return removed;
}
