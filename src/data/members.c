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
 *
 * The values of a hash may be long, and then one that changes must not cost the 63 others. So each page of a
 * hash is followed by the numbers of one page for each of its places, in which a value of more than
 * LARGE_VALUE bytes lies, and its entry says so:
 *
 *     number    0             1 .. 64                   65            66 .. 129
 *     page      places 0-63   a large value in each     places 64-127   ...
 *               or none
 *
 * In such a page comes '+' and the value. Where there was one and is none any more there is a '-'.
 */
#include "members.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "small.h"

enum { LARGE_VALUE = 1024, GROUP = 1 + MEMBER_PLACES };

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
    heap_ahead();
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

/* Adds a member whose digest is still to be. */
static size_t append_bare(struct members *members, const struct member *member) {
    size_t place = members->dict.count;
    struct cell *cell = cell_new(members->object.type, member, &members->memory);
    dict_add(&members->dict, cell, dict_hash(&members->dict, &member->key));
    return place;
}

static size_t append(struct members *members, const struct member *member) {
    size_t place = append_bare(members, member);
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

static bool is_large(const struct members *members, size_t place) {
    return members->object.type == VALUE_HASH && value_length(dict_at(&members->dict, place)) > LARGE_VALUE;
}

static size_t page_of_place(const struct members *members, size_t place) {
    return place / MEMBER_PLACES * (members->object.type == VALUE_HASH ? GROUP : 1);
}

static size_t own_page(size_t place) {
    return place / MEMBER_PLACES * GROUP + 1 + place % MEMBER_PLACES;
}

/* Which pages of a place change: the one it shares, its own. */
struct concern {
    size_t place;
    bool shared, own;
};

static void write_place(const struct members *members, size_t place, struct resp_buf *out) {
    struct member member;
    struct small_value value;
    members_at(members, place, &member);
    small_value(&value, members->object.type, &member.key, &member.value, member.score);
    if (is_large(members, place))
        value.entry[1] = pack_elsewhere();
    (void)small_value_put(resp_buf_reserve(out, small_value_size(&value)), &value);
    resp_buf_commit(out, small_value_size(&value));
}

/* One of a page that holds 64. */
static void touch_place(struct keyspace *keyspace, struct members *members, size_t place) {
    struct resp_buf *scratch = &keyspace->checkpoint.scratch;
    const struct object_place at = {page_of_place(members, place), place / MEMBER_PLACES,
                                    place % MEMBER_PLACES};
    size_t count = members->dict.count, pages = (count + MEMBER_PLACES - 1) / MEMBER_PLACES;
    struct object_kept *kept = object_touch_place(keyspace, &members->object, &at, count, pages);
    if (!kept || place >= kept->frozen)
        return;
    resp_buf_truncate(scratch, 0);
    write_place(members, place, scratch);
    kept_add(keyspace, &kept->kept, at.kept_page, at.place,
             &(struct resp_arg){resp_buf_bytes(scratch), resp_buf_length(scratch)});
}

static void touch(struct collection *collection, struct members *members, const struct concern *concern) {
    if (concern->shared)
        touch_place(collection->keyspace, members, concern->place);
    if (concern->own)
        object_touch(collection->keyspace, &members->object, own_page(concern->place));
}

static void mark_page(struct collection *collection, struct members *members, size_t page) {
    struct database *database = database_of(collection->keyspace, collection->db);
    object_mark(collection->keyspace, database, &members->object, page, page + 1);
}

static void mark(struct collection *collection, struct members *members, const struct concern *concern) {
    if (concern->shared)
        mark_page(collection, members, page_of_place(members, concern->place));
    if (concern->own)
        mark_page(collection, members, own_page(concern->place));
}

/* The place opens a page that may have been on the disk before the hash became shorter. Large values that were
 * there then are told to be none. */
static void reopen(struct collection *collection, struct members *members, size_t place) {
    const struct object *object = &members->object;
    size_t page = page_of_place(members, place);
    if (object->type != VALUE_HASH || place % MEMBER_PLACES != 0 ||
        (page >= object->stored && page >= object->frozen))
        return;
    struct database *database = database_of(collection->keyspace, collection->db);
    object_mark(collection->keyspace, database, &members->object, page + 1, page + GROUP);
}

void members_add(struct collection *collection, const struct member *member) {
    struct members *members = members_of(collection->item);
    bool large = members->object.type == VALUE_HASH && member->value.length > LARGE_VALUE;
    struct concern concern = {members->dict.count, true, large};
    size_t before = members->memory;
    touch(collection, members, &concern);
    order(members, append(members, member));
    mark(collection, members, &concern);
    reopen(collection, members, concern.place);
    collection->keyspace->memory += members->memory - before;
    collection->changed = true;
}

void members_replace(struct collection *collection, const struct member *member) {
    struct members *members = members_of(collection->item);
    unsigned type = members->object.type;
    size_t before = members->memory, place = member->place;
    struct cell *old = dict_at(&members->dict, place);
    struct cell *cell = cell_new(type, member, &members->memory);
    bool was = is_large(members, place), is = type == VALUE_HASH && member->value.length > LARGE_VALUE;
    struct concern concern = {place, !was || !is, was || is};
    touch(collection, members, &concern);
    if (type == VALUE_ZSET)
        order_remove(&members->order, members_number(score_of(old)), old);
    members->object.digest -= digest_of(members, place);
    dict_replace(&members->dict, place, cell);
    cell_free(type, old, &members->memory);
    members->object.digest += digest_of(members, place);
    order(members, place);
    mark(collection, members, &concern);
    collection->keyspace->memory += members->memory - before;
    collection->changed = true;
}

void members_remove(struct collection *collection, size_t place) {
    struct members *members = members_of(collection->item);
    size_t before = members->memory, last = members->dict.count - 1;
    struct cell *cell = dict_at(&members->dict, place);
    struct resp_arg key = members->dict.kind->key_of(cell);
    struct concern hole = {place, true, is_large(members, place) || is_large(members, last)};
    struct concern end = {last, true, is_large(members, last)};
    touch(collection, members, &hole);
    touch(collection, members, &end);
    members->object.digest -= digest_of(members, place) + (last != place ? digest_of(members, last) : 0);
    if (members->object.type == VALUE_ZSET)
        order_remove(&members->order, members_number(score_of(cell)), cell);
    dict_remove(&members->dict, place, dict_hash(&members->dict, &key));
    cell_free(members->object.type, cell, &members->memory);
    if (place != last)
        members->object.digest += digest_of(members, place);
    mark(collection, members, &hole);
    mark(collection, members, &end);
    collection->keyspace->memory += members->memory - before;
    collection->changed = true;
}

/* ---- as an object --- */

static size_t pages(const struct object *object) {
    const struct members *members = const_members_in(object);
    return page_of_place(members, members->dict.count + MEMBER_PLACES - 1);
}

static void mark_all(struct keyspace *keyspace, struct database *database, struct object *object) {
    const struct members *members = const_members_in(object);
    for (size_t place = 0; place < members->dict.count; place++) {
        size_t shared = page_of_place(members, place), own = own_page(place);
        if (place % MEMBER_PLACES == 0)
            object_mark(keyspace, database, object, shared, shared + 1);
        if (is_large(members, place))
            object_mark(keyspace, database, object, own, own + 1);
    }
}

static size_t bytes(const struct object *object) {
    return const_members_in(object)->memory;
}

static void write_own(const struct members *members, size_t place, struct resp_buf *out) {
    struct member member;
    if (place >= members->dict.count || !is_large(members, place)) {
        resp_buf_append(out, "-", 1);
        return;
    }
    members_at(members, place, &member);
    resp_buf_append(out, "+", 1);
    resp_buf_append(out, member.value.bytes, member.value.length);
}

/* As it was at the freeze. */
static void write_shared(const struct members *members, size_t from, struct resp_buf *out) {
    size_t frozen = object_frozen(&members->object, members->dict.count), left = frozen - from;
    size_t count = left < MEMBER_PLACES ? left : MEMBER_PLACES;
    struct resp_arg kept[MEMBER_PLACES] = {{NULL, 0}};
    assert(from < frozen);
    object_read_kept(&members->object, from / MEMBER_PLACES, kept);
    for (size_t i = 0; i < count; i++)
        if (!kept[i].bytes)
            __builtin_prefetch(dict_at(&members->dict, from + i));
    for (size_t i = 0; i < count; i++)
        if (kept[i].bytes)
            resp_buf_append(out, kept[i].bytes, kept[i].length);
        else
            write_place(members, from + i, out);
}

static size_t kept_page(const struct object *object, size_t number) {
    if (object->type != VALUE_HASH)
        return number;
    return number % GROUP == 0 ? number / GROUP : SIZE_MAX;
}

static void write_page(const struct object *object, size_t number, struct resp_buf *out) {
    const struct members *members = const_members_in(object);
    if (object->type != VALUE_HASH)
        write_shared(members, number * MEMBER_PLACES, out);
    else if (number % GROUP == 0)
        write_shared(members, number / GROUP * MEMBER_PLACES, out);
    else
        write_own(members, number / GROUP * MEMBER_PLACES + number % GROUP - 1, out);
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

/* ---- loading: extra[0] has a bit for each place of the last page whose value has not come yet --- */

static bool load_reference(const struct awaited *awaited) {
    return awaited->extra[0] == 0 && awaited->extra[1] == 0;
}

/* A member whose entries begin at `at`; false when it cannot be. */
static bool load_member(struct awaited *awaited, struct members *members, const char **at) {
    struct member member = {.place = members->dict.count};
    struct pack_value value = {.is_elsewhere = false};
    (void)pack_read(*at, &value);
    if (value.is_elsewhere)
        return false;
    *at = pack_text(*at, &member.key, member.digits[0]);
    if (members->object.type == VALUE_HASH) {
        (void)pack_read(*at, &value);
        *at = pack_text(*at, &member.value, member.digits[1]);
    } else if (members->object.type == VALUE_ZSET) {
        if (!small_read_score(*at, &member.score))
            return false;
        *at = pack_next(*at);
    }
    if (member.value.length > LARGE_VALUE || members_find(members, &member.key, NULL))
        return false;
    if (value.is_elsewhere)
        awaited->extra[0] |= UINT64_C(1) << append_bare(members, &member) % MEMBER_PLACES;
    else
        (void)append(members, &member);
    return true;
}

static bool load_shared(struct awaited *awaited, struct members *members, const void *loaded, size_t length) {
    bool hash = members->object.type == VALUE_HASH;
    size_t entries, left = awaited->length - members->dict.count;
    size_t count = left < MEMBER_PLACES ? left : MEMBER_PLACES;
    if (awaited->extra[0] != 0 || count == 0 || !pack_is_sound(loaded, length, hash, &entries) ||
        entries != count * (members->object.type == VALUE_SET ? 1 : 2))
        return false;
    const char *at = loaded;
    for (size_t i = 0; i < count; i++)
        if (!load_member(awaited, members, &at))
            return false;
    awaited->loaded++;
    return true;
}

static bool load_own(struct awaited *awaited, struct members *members, size_t place, const char *loaded,
                     size_t length) {
    uint64_t bit = UINT64_C(1) << place % MEMBER_PLACES;
    if (length == 1 && loaded[0] == '-')
        return true;
    if (length <= 1 + LARGE_VALUE || loaded[0] != '+' || !(awaited->extra[0] & bit))
        return false;
    struct cell *bare = dict_at(&members->dict, place);
    struct member member = {.key = hash_key_of(bare), .value = {loaded + 1, length - 1}};
    dict_replace(&members->dict, place, cell_new(VALUE_HASH, &member, &members->memory));
    cell_free(VALUE_HASH, bare, &members->memory);
    members->object.digest += digest_of(members, place);
    awaited->extra[0] &= ~bit;
    return true;
}

static bool load_page(struct keyspace *keyspace, struct awaited *awaited, uint64_t number, const void *loaded,
                      size_t length) {
    unsigned type = awaited->item->type;
    size_t group = type == VALUE_HASH ? GROUP : 1, shared = number / group;
    bool own = number % group != 0;
    if (shared != awaited->loaded - own || length == 0)
        return false;
    if (!item_object(awaited->item))
        item_put_object(awaited->item, &members_new(type, &keyspace->hash_key, &keyspace->memory)->object);
    struct members *members = members_of(awaited->item);
    size_t before = members->memory;
    bool fits = own ? load_own(awaited, members, shared * MEMBER_PLACES + number % group - 1, loaded, length)
                    : load_shared(awaited, members, loaded, length);
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
    if (count != awaited->length || awaited->extra[0] != 0)
        return false;
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

const struct object_kind object_members = {
    .pages = pages,
    .mark = mark_all,
    .write_page = write_page,
    .kept_page = kept_page,
    .bytes = bytes,
    .free_some = free_some,
    .copy = copy,
    .reference = reference,
    .load_reference = load_reference,
    .load_page = load_page,
    .load_end = load_end,
};
