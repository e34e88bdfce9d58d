/* SPDX-License-Identifier: MIT */
/*
 * Large hashes, sets and sorted sets. As the keys of a database, the members lie in a dense array with a hash
 * index beside it (dict.c): a new one goes to the end, a removal moves the last one into the hole. A sorted
 * set has an order beside it too (order.c), which no page tells of: loading builds it again.
 *
 *     page 0        page 1                        a member is one allocation:
 *     [ 64 places | 64 places | ... ]             [ key's length | value's length or score | key | value ]
 *
 * So one field changed in a hash of a million costs a page of 64, an added member costs the last page, and a
 * removed one its own and the last. The digest is a sum over the places.
 *
 * A page is packed entries (pack.h): for each place the key, then a hash's value or a sorted set's score.
 */
#include "members.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "small.h"

/* ---- one member --- */

/* The first of these is the length of the key; then comes what `extra_of` the type says; then the bytes. */
struct cell {
    uint32_t key_length;
    char bytes[];
};

static size_t extra_of(unsigned type) {
    return type == VALUE_HASH ? sizeof(uint32_t) : type == VALUE_ZSET ? sizeof(double) : 0;
}

static struct resp_arg key_behind(const void *thing, size_t extra) {
    const struct cell *cell = thing;
    return (struct resp_arg){cell->bytes + extra, cell->key_length};
}

static struct resp_arg hash_key_of(const void *thing) {
    return key_behind(thing, sizeof(uint32_t));
}

static struct resp_arg set_key_of(const void *thing) {
    return key_behind(thing, 0);
}

static struct resp_arg zset_key_of(const void *thing) {
    return key_behind(thing, sizeof(double));
}

static uint32_t value_length(const struct cell *cell) {
    uint32_t length;
    memcpy(&length, cell->bytes, sizeof length);
    return length;
}

static double score_of(const struct cell *cell) {
    double score;
    memcpy(&score, cell->bytes, sizeof score);
    return score;
}

static size_t cell_size(unsigned type, const struct cell *cell) {
    size_t length = extra_of(type) + cell->key_length + (type == VALUE_HASH ? value_length(cell) : 0);
    return allocation_of(sizeof *cell + length);
}

static struct cell *cell_new(unsigned type, const struct member *member, size_t *memory) {
    struct resp_arg key = member->key, value = type == VALUE_HASH ? member->value : (struct resp_arg){"", 0};
    size_t extra = extra_of(type);
    size_t size = allocation_of(sizeof(struct cell) + extra + key.length + value.length);
    struct cell *cell = malloc(size);
    if (!cell)
        abort();
    *memory += size + ALLOCATION_HEADER;
    cell->key_length = (uint32_t)key.length;
    uint32_t length = (uint32_t)value.length;
    if (type == VALUE_HASH)
        memcpy(cell->bytes, &length, sizeof length);
    else if (type == VALUE_ZSET)
        memcpy(cell->bytes, &member->score, sizeof member->score);
    if (key.length)
        memcpy(cell->bytes + extra, key.bytes, key.length);
    if (value.length)
        memcpy(cell->bytes + extra + key.length, value.bytes, value.length);
    return cell;
}

static void cell_free(unsigned type, struct cell *cell, size_t *memory) {
    *memory -= cell_size(type, cell) + ALLOCATION_HEADER;
    free(cell);
}

static void hash_free(void *thing, size_t *memory) {
    cell_free(VALUE_HASH, thing, memory);
}

static void set_free(void *thing, size_t *memory) {
    cell_free(VALUE_SET, thing, memory);
}

static void zset_free(void *thing, size_t *memory) {
    cell_free(VALUE_ZSET, thing, memory);
}

static const struct dict_kind kinds[] = {
    [VALUE_HASH] = {hash_key_of, hash_free},
    [VALUE_SET] = {set_key_of, set_free},
    [VALUE_ZSET] = {zset_key_of, zset_free},
};

uint64_t members_number(double score) {
    uint64_t bits;
    score = score == 0 ? 0 : score; /* there are two zeros */
    memcpy(&bits, &score, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static uint64_t digest_of(const struct members *members, size_t place) {
    const struct cell *cell = dict_at(&members->dict, place);
    unsigned type = members->object.type;
    size_t length = cell->key_length + (type == VALUE_HASH ? value_length(cell) : 0);
    uint64_t digest = digest_bytes(cell->bytes + extra_of(type), length, cell->key_length);
    uint64_t bits = 0;
    if (type == VALUE_ZSET)
        memcpy(&bits, cell->bytes, sizeof bits);
    return digest_mix(digest_mix(digest, bits), place);
}

/* ---- all of them --- */

static struct members *members_in(struct object *object) {
    return (struct members *)object;
}

static const struct members *const_members_in(const struct object *object) {
    return (const struct members *)object;
}

struct members *members_of(const struct item *item) {
    assert(item_type(item) != VALUE_STRING && item_type(item) != VALUE_LIST);
    return members_in(item_object(item));
}

struct members *members_new(enum value_type type, const struct hash_key *hash_key, size_t *memory) {
    struct members *members = calloc(1, sizeof *members);
    if (!members)
        abort();
    members->object.type = (uint8_t)type;
    members->memory = sizeof *members;
    dict_init(&members->dict, &kinds[type], hash_key, &members->memory);
    order_init(&members->order, kinds[type].key_of, &members->memory);
    *memory += members->memory;
    return members;
}

static size_t append(struct members *members, const struct member *member) {
    size_t place = members->dict.count;
    struct cell *cell = cell_new(members->object.type, member, &members->memory);
    dict_add(&members->dict, cell, dict_hash(&members->dict, &member->key));
    members->object.digest += digest_of(members, place);
    return place;
}

static void order(struct members *members, size_t place) {
    struct cell *cell = dict_at(&members->dict, place);
    if (members->object.type == VALUE_ZSET)
        order_add(&members->order, members_number(score_of(cell)), cell);
}

void members_fill(struct members *members, const struct member *member, size_t *memory) {
    size_t before = members->memory;
    order(members, append(members, member));
    *memory += members->memory - before;
}

/* ---- reading --- */

void members_read(const struct members *members, const void *thing, struct member *member) {
    const struct cell *cell = thing;
    unsigned type = members->object.type;
    member->key = key_behind(cell, extra_of(type));
    member->value = (struct resp_arg){"", 0};
    member->score = 0;
    if (type == VALUE_HASH)
        member->value = (struct resp_arg){member->key.bytes + cell->key_length, value_length(cell)};
    else if (type == VALUE_ZSET)
        member->score = score_of(cell);
}

bool members_find(const struct members *members, const struct resp_arg *key, struct member *member) {
    const struct dict *dict = &members->dict;
    size_t place;
    const void *thing = dict_find(dict, key, dict_hash(dict, key), &place);
    if (!thing)
        return false;
    if (member) {
        members_read(members, thing, member);
        member->place = place;
    }
    return true;
}

void members_at(const struct members *members, size_t place, struct member *member) {
    assert(place < members->dict.count);
    members_read(members, dict_at(&members->dict, place), member);
    member->place = place;
}

size_t members_rank(const struct members *members, const struct resp_arg *key) {
    const struct dict *dict = &members->dict;
    size_t place;
    const struct cell *cell = dict_find(dict, key, dict_hash(dict, key), &place);
    assert(cell);
    return order_rank(&members->order, members_number(score_of(cell)), cell);
}

/* ---- changing --- */

static void touch(struct collection *collection, struct members *members, size_t place) {
    object_touch(collection->keyspace, &members->object, place / MEMBER_PLACES);
}

static void mark(struct collection *collection, struct members *members, size_t place) {
    size_t page = place / MEMBER_PLACES;
    object_mark(collection->keyspace, database_of(collection->keyspace, collection->db), &members->object,
                page, page + 1);
}

void members_add(struct collection *collection, const struct member *member) {
    struct members *members = members_of(collection->item);
    size_t before = members->memory;
    touch(collection, members, members->dict.count);
    size_t place = append(members, member);
    order(members, place);
    mark(collection, members, place);
    collection->keyspace->memory += members->memory - before;
    collection->changed = true;
}

void members_replace(struct collection *collection, const struct member *member) {
    struct members *members = members_of(collection->item);
    unsigned type = members->object.type;
    size_t before = members->memory, place = member->place;
    struct cell *old = dict_at(&members->dict, place);
    struct cell *cell = cell_new(type, member, &members->memory);
    touch(collection, members, place);
    if (type == VALUE_ZSET)
        order_remove(&members->order, members_number(score_of(old)), old);
    members->object.digest -= digest_of(members, place);
    dict_replace(&members->dict, place, cell);
    cell_free(type, old, &members->memory);
    members->object.digest += digest_of(members, place);
    order(members, place);
    mark(collection, members, place);
    collection->keyspace->memory += members->memory - before;
    collection->changed = true;
}

void members_remove(struct collection *collection, size_t place) {
    struct members *members = members_of(collection->item);
    size_t before = members->memory, last = members->dict.count - 1;
    struct cell *cell = dict_at(&members->dict, place);
    struct resp_arg key = members->dict.kind->key_of(cell);
    touch(collection, members, place);
    touch(collection, members, last);
    members->object.digest -= digest_of(members, place) + (last != place ? digest_of(members, last) : 0);
    if (members->object.type == VALUE_ZSET)
        order_remove(&members->order, members_number(score_of(cell)), cell);
    dict_remove(&members->dict, place, dict_hash(&members->dict, &key));
    cell_free(members->object.type, cell, &members->memory);
    if (place != last)
        members->object.digest += digest_of(members, place);
    mark(collection, members, place);
    mark(collection, members, last);
    collection->keyspace->memory += members->memory - before;
    collection->changed = true;
}

/* ---- as an object --- */

static size_t pages_of_count(size_t count) {
    return (count + MEMBER_PLACES - 1) / MEMBER_PLACES;
}

static size_t pages(const struct object *object) {
    return pages_of_count(const_members_in(object)->dict.count);
}

static size_t bytes(const struct object *object) {
    return const_members_in(object)->memory;
}

static void write_page(const struct object *object, size_t number, struct resp_buf *out) {
    const struct members *members = const_members_in(object);
    size_t from = number * MEMBER_PLACES, count = members->dict.count;
    size_t to = from + MEMBER_PLACES < count ? from + MEMBER_PLACES : count;
    assert(from < count);
    for (size_t place = from; place < to; place++)
        __builtin_prefetch(dict_at(&members->dict, place));
    for (size_t place = from; place < to; place++) {
        struct member member;
        struct small_value value;
        members_at(members, place, &member);
        small_value(&value, object->type, &member.key, &member.value, member.score);
        char *end = small_value_put(resp_buf_reserve(out, small_value_size(&value)), &value);
        (void)end;
        resp_buf_commit(out, small_value_size(&value));
    }
}

static size_t free_some(struct object *object, size_t count, size_t *memory) {
    struct members *members = members_in(object);
    size_t before = members->memory;
    size_t freed = dict_free_some(&members->dict, count);
    if (freed < count)
        freed += order_free_some(&members->order, count - freed);
    *memory -= before - members->memory;
    if (freed < count) {
        assert(members->memory == sizeof *members);
        *memory -= sizeof *members;
        free(members);
    }
    return freed;
}

static struct object *copy(const struct object *object, struct keyspace *keyspace) {
    const struct members *members = const_members_in(object);
    struct members *other = members_new(object->type, &keyspace->hash_key, &keyspace->memory);
    for (size_t place = 0; place < members->dict.count; place++) {
        struct member member;
        members_at(members, place, &member);
        members_fill(other, &member, &keyspace->memory);
    }
    assert(other->object.digest == object->digest);
    return &other->object;
}

static size_t reference(const struct object *object, uint64_t numbers[OBJECT_NUMBERS]) {
    numbers[0] = const_members_in(object)->dict.count;
    return 1;
}

/* ---- loading --- */

static bool load_reference(struct awaited *awaited) {
    awaited->pages = pages_of_count(awaited->length);
    return true;
}

/* A member whose entries begin at `at`; false when its score is none. */
static bool load_member(struct members *members, const char **at) {
    struct member member;
    *at = pack_text(*at, &member.key, member.digits[0]);
    if (members->object.type == VALUE_HASH) {
        *at = pack_text(*at, &member.value, member.digits[1]);
    } else if (members->object.type == VALUE_ZSET) {
        if (!small_read_score(*at, &member.score))
            return false;
        *at = pack_next(*at);
    }
    if (members_find(members, &member.key, NULL))
        return false;
    (void)append(members, &member);
    return true;
}

static bool load_page(struct keyspace *keyspace, struct awaited *awaited, const void *loaded, size_t length) {
    unsigned type = awaited->item->type;
    size_t entries, left = awaited->length - awaited->loaded * MEMBER_PLACES;
    size_t count = left < MEMBER_PLACES ? left : MEMBER_PLACES;
    if (!pack_is_sound(loaded, length, &entries) || entries != count * (type == VALUE_SET ? 1 : 2))
        return false;
    if (!item_object(awaited->item))
        item_put_object(awaited->item, &members_new(type, &keyspace->hash_key, &keyspace->memory)->object);
    struct members *members = members_of(awaited->item);
    size_t before = members->memory;
    const char *at = loaded;
    bool fits = true;
    for (size_t i = 0; fits && i < count; i++)
        fits = load_member(members, &at);
    keyspace->memory += members->memory - before;
    return fits;
}

static int by_score_and_key(const void *a, const void *b) {
    const struct cell *x = *(const struct cell *const *)a, *y = *(const struct cell *const *)b;
    uint64_t first = members_number(score_of(x)), second = members_number(score_of(y));
    if (first != second)
        return first < second ? -1 : 1;
    struct resp_arg p = zset_key_of(x), q = zset_key_of(y);
    size_t common = p.length < q.length ? p.length : q.length;
    int difference = common ? memcmp(p.bytes, q.bytes, common) : 0;
    return difference ? difference : (p.length > q.length) - (p.length < q.length);
}

/* Added in their order, they fill the order's nodes one after the other. */
static bool load_end(struct keyspace *keyspace, struct awaited *awaited) {
    struct members *members = members_of(awaited->item);
    size_t count = members->dict.count, before = members->memory;
    assert(count == awaited->length);
    if (members->object.type != VALUE_ZSET)
        return true;
    struct cell **cells = malloc(count * sizeof(struct cell *));
    if (!cells)
        abort();
    for (size_t i = 0; i < count; i++)
        cells[i] = dict_at(&members->dict, i);
    qsort(cells, count, sizeof(struct cell *), by_score_and_key);
    for (size_t i = 0; i < count; i++)
        order_add(&members->order, members_number(score_of(cells[i])), cells[i]);
    free(cells);
    keyspace->memory += members->memory - before;
    return true;
}

const struct object_kind object_members = {pages,     write_page,     bytes,     free_some, copy,
                                           reference, load_reference, load_page, load_end};
