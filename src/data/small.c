/* SPDX-License-Identifier: MIT */
#include "small.h"

#include <assert.h>
#include <endian.h>
#include <math.h>
#include <string.h>

#include "internal.h"

static unsigned entries_of(enum value_type type) {
    return type == VALUE_HASH || type == VALUE_ZSET ? 2 : 1;
}

static size_t count_in(const char *bytes) {
    const unsigned char *at = (const unsigned char *)bytes;
    return at[0] | (size_t)at[1] << 8;
}

/* ---- scores --- */

struct pack_value small_score(double score, char bytes[8]) {
    bool whole = score >= -9007199254740992.0 && score <= 9007199254740992.0 && score == floor(score) &&
                 !(score == 0 && signbit(score));
    if (whole)
        return pack_integer((int64_t)score);
    uint64_t bits;
    memcpy(&bits, &score, sizeof bits);
    bits = htole64(bits);
    memcpy(bytes, &bits, sizeof bits);
    return pack_raw(bytes, 8);
}

bool small_read_score(const char *at, double *score) {
    struct pack_value value;
    (void)pack_read(at, &value);
    if (value.is_integer) {
        *score = (double)value.integer;
        return true;
    }
    uint64_t bits;
    if (value.text.length != sizeof bits)
        return false;
    memcpy(&bits, value.text.bytes, sizeof bits);
    bits = le64toh(bits);
    memcpy(score, &bits, sizeof bits);
    return !isnan(*score);
}

static double read_score(const char *at) {
    double score = 0;
    bool sound = small_read_score(at, &score);
    assert(sound);
    (void)sound;
    return score;
}

/* ---- reading --- */

bool small_is_sound(enum value_type type, const struct resp_arg *bytes) {
    size_t entries;
    if (bytes->length <= SMALL_HEADER ||
        !pack_is_sound(bytes->bytes + SMALL_HEADER, bytes->length - SMALL_HEADER, false, &entries) ||
        entries != count_in(bytes->bytes) * entries_of(type))
        return false;
    const char *at = bytes->bytes + SMALL_HEADER;
    for (size_t i = 0; type == VALUE_ZSET && i < entries / 2; i++) {
        double score;
        at = pack_next(at);
        if (!small_read_score(at, &score))
            return false;
        at = pack_next(at);
    }
    return true;
}

size_t small_count(const struct item *item) {
    return count_in(item_small(item).bytes);
}

const char *small_begin(const struct item *item) {
    return item_small(item).bytes + SMALL_HEADER;
}

const char *small_end(const struct item *item) {
    struct resp_arg bytes = item_small(item);
    return bytes.bytes + bytes.length;
}

const char *small_place(const struct item *item, size_t place) {
    size_t count = small_count(item), per_member = entries_of(item_type(item));
    assert(place <= count);
    const char *at = place <= count / 2 ? small_begin(item) : small_end(item);
    if (place <= count / 2)
        for (size_t left = place * per_member; left > 0; left--)
            at = pack_next(at);
    else
        for (size_t left = (count - place) * per_member; left > 0; left--)
            at = pack_previous(at);
    return at;
}

const char *small_find(const struct item *item, const struct resp_arg *key, size_t *place) {
    struct pack_value value = pack_value(key);
    return pack_find(small_begin(item), small_end(item), entries_of(item_type(item)), &value, place);
}

const char *small_read(const struct item *item, const char *at, struct member *member) {
    at = pack_text(at, &member->key, member->digits[0]);
    member->value = (struct resp_arg){"", 0};
    member->score = 0;
    if (item_type(item) == VALUE_HASH)
        return pack_text(at, &member->value, member->digits[1]);
    if (item_type(item) != VALUE_ZSET)
        return at;
    member->score = read_score(at);
    return pack_next(at);
}

const char *small_next(const struct item *item, const char *at) {
    at = pack_next(at);
    return entries_of(item_type(item)) == 2 ? pack_next(at) : at;
}

const char *small_next_score(const char *at, double *score) {
    at = pack_next(at);
    *score = read_score(at);
    return pack_next(at);
}

static int compare(const struct resp_arg *a, const struct resp_arg *b) {
    size_t common = a->length < b->length ? a->length : b->length;
    int difference = common ? memcmp(a->bytes, b->bytes, common) : 0;
    return difference ? difference : (a->length > b->length) - (a->length < b->length);
}

/* Whether the member at `at` lies before that one; `next` becomes the one behind it. */
static bool is_before(const char *at, double score, const struct resp_arg *key, const char **next) {
    struct resp_arg own;
    char digits[PACK_DIGITS];
    double other;
    *next = small_next_score(at, &other);
    if (other != score)
        return other < score;
    (void)pack_text(at, &own, digits);
    return compare(&own, key) < 0;
}

/* Where members come in their order, the last one tells. */
size_t small_rank(const struct item *item, double score, const struct resp_arg *key) {
    const char *at = small_begin(item), *end = small_end(item), *next;
    size_t rank = 0;
    if (at < end && is_before(pack_previous(pack_previous(end)), score, key, &next))
        return small_count(item);
    for (; at < end && is_before(at, score, key, &next); at = next)
        rank++;
    return rank;
}

/* ---- changing --- */

void small_value(struct small_value *value, enum value_type type, const struct resp_arg *key,
                 const struct resp_arg *bytes, double score) {
    value->entries = entries_of(type);
    value->entry[0] = pack_value(key);
    if (type == VALUE_HASH)
        value->entry[1] = pack_value(bytes);
    else if (type == VALUE_ZSET)
        value->entry[1] = small_score(score, value->score);
}

size_t small_value_size(const struct small_value *value) {
    size_t size = 0;
    for (size_t i = 0; i < value->entries; i++)
        size += pack_size(&value->entry[i]);
    return size;
}

char *small_value_put(char *to, const struct small_value *value) {
    for (size_t i = 0; i < value->entries; i++)
        to = pack_put(to, &value->entry[i]);
    return to;
}

bool small_splice(struct collection *collection, const char *at, size_t removed,
                  const struct small_value *value, size_t count) {
    struct item *item = collection->item;
    struct resp_arg is = item_small(item);
    size_t offset = (size_t)(at - is.bytes), added = value ? small_value_size(value) : 0;
    size_t length = is.length - removed + added, behind = is.length - offset - removed;
    if (length > ITEM_SMALL_MAX || count > SMALL_COUNT_MAX)
        return false;
    if (added < removed)
        memmove(item_small_bytes(item) + offset + added, at + removed, behind);
    struct item *resized = item_resize_small(item, length, &collection->keyspace->memory);
    item = keyspace_settle(collection->keyspace, collection->db, collection->slot, item, resized);
    char *bytes = item_small_bytes(item);
    if (added > removed)
        memmove(bytes + offset + added, bytes + offset + removed, behind);
    if (value)
        (void)small_value_put(bytes + offset, value);
    bytes[0] = (char)(count & 0xff);
    bytes[1] = (char)(count >> 8);
    collection->item = item;
    collection->changed = true;
    return true;
}
