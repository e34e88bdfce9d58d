/* SPDX-License-Identifier: MIT */
/*
 * A dense array with a hash index beside it, neither of which ever moves as a whole.
 *
 *     directory (2^depth)        segments (open addressing)          chunks (the dense array)
 *
 *     000 --------------------> [ hash slot | hash slot | ... ]      [ item item item ... 1024 ]
 *     001 ----.                                                      [ item item item ... 1024 ]
 *     010 --. '---------------> [ ... ]          slot = 1025 ------> [ item item ]  <- count
 *     011 --'-----------------> [ ... ]
 *
 * The array. Items lie in the order in which the log made them. A removal moves the last one into the hole,
 * so that there is never a gap, the n-th key is found in O(1), and the order depends on nothing but the log:
 * the same on every node. That is also why a scan runs downward: what moves goes from the end to a lower
 * place, so that what was not yet visited stays among what is still to be visited. Chunks are added and
 * dropped at the end.
 *
 * The index. Extendible hashing (Fagin and others, 1979): the upper bits of the hash choose a segment through
 * the directory, the segment is a small table with linear probing. A full segment grows by itself up to
 * SEGMENT_SPLIT entries, then splits in two by the next bit of the hash. So the dearest single step is to
 * deal out about a thousand entries, and, at each doubling of the directory, to copy eight bytes for about
 * each 700 keys; there is no phase in which two tables have to be asked, and no table of hundreds of
 * megabytes to clear or give back.
 *
 * An entry keeps 32 bits of the hash beside the 4-byte place: growing and removing look at no item, and a
 * look-up looks at an item's key only when the hash says that it is very likely the one. Load is between 2/3
 * and 4/5: about 11 bytes a key, and 8 for the array.
 *
 * Where all things are there before the first is looked for, the index is made last (dict_index): the segments are counted out first,
 * so none is ever rebuilt or split, and no thing is looked at but those of equal hashes.
 *
 * The last 16 bits pick the home within the segment after a multiplication, because the directory uses up the
 * upper bits.
 */
#include "dict.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SEGMENT_SPLIT = 1024, /* entries at which a segment splits instead of growing */
    SEGMENT_DEALT = 640,  /* about so many entries, or half of them, when all are dealt out at once */
    INDEX_AHEAD = 12,     /* entries whose memory is on its way meanwhile */
    SEGMENT_SLACK = 8,
    FIRST_ROOM = 16, /* places; divides DICT_CHUNK */
    DEPTH_MAX =
        22, /* beyond it segments only grow: 2^22 of a thousand entries are all the places there are */
};

struct dict_entry {
    uint32_t hash;
    uint32_t slot; /* EMPTY: none */
};

#define EMPTY UINT32_MAX

struct dict_segment {
    uint32_t capacity;
    uint32_t used;  /* < capacity: probing ends at an empty entry */
    uint32_t depth; /* bits of the hash that all entries share */
    struct dict_entry at[];
};

static void *allocate(size_t length, size_t *memory) {
    void *block = malloc(length);
    if (!block)
        abort();
    *memory += length;
    return block;
}

static void release(void *block, size_t length, size_t *memory) {
    *memory -= length;
    free(block);
}

/* ---- one segment --- */

static size_t segment_size(uint32_t capacity) {
    return sizeof(struct dict_segment) + capacity * sizeof(struct dict_entry);
}

static struct dict_segment *segment_new(uint32_t used, uint32_t depth, size_t *memory) {
    uint32_t capacity = used + used / 2 + SEGMENT_SLACK;
    struct dict_segment *segment = allocate(segment_size(capacity), memory);
    segment->capacity = capacity;
    segment->used = 0;
    segment->depth = depth;
    memset(segment->at, 0xff, capacity * sizeof(struct dict_entry));
    return segment;
}

static void segment_free(struct dict_segment *segment, size_t *memory) {
    release(segment, segment_size(segment->capacity), memory);
}

static inline uint32_t home(const struct dict_segment *segment, uint32_t hash) {
    uint64_t mixed = (hash * UINT32_C(0x9e3779b1)) >> 16;
    return (uint32_t)((mixed * segment->capacity) >> 16);
}

static inline uint32_t after(const struct dict_segment *segment, uint32_t i) {
    return i + 1 == segment->capacity ? 0 : i + 1;
}

static void segment_put(struct dict_segment *segment, uint32_t hash, uint32_t slot) {
    uint32_t i = home(segment, hash);
    while (segment->at[i].slot != EMPTY)
        i = after(segment, i);
    segment->at[i] = (struct dict_entry){hash, slot};
    segment->used++;
    assert(segment->used < segment->capacity);
}

/* The entry of an item that is known to be there. */
static uint32_t segment_entry(const struct dict_segment *segment, uint32_t hash, uint32_t slot) {
    uint32_t i = home(segment, hash);
    while (segment->at[i].slot != slot) {
        assert(segment->at[i].slot != EMPTY);
        i = after(segment, i);
    }
    assert(segment->at[i].hash == hash);
    return i;
}

/* Empties an entry and moves back those behind it that would no longer be found: an entry may fill the hole
 * unless its home lies, going round, behind the hole. */
static void segment_drop(struct dict_segment *segment, uint32_t hole) {
    for (uint32_t i = after(segment, hole); segment->at[i].slot != EMPTY; i = after(segment, i)) {
        uint32_t from_home = (i + segment->capacity - home(segment, segment->at[i].hash)) % segment->capacity;
        uint32_t from_hole = (i + segment->capacity - hole) % segment->capacity;
        if (from_home >= from_hole) {
            segment->at[hole] = segment->at[i];
            hole = i;
        }
    }
    segment->at[hole] = (struct dict_entry){EMPTY, EMPTY};
    segment->used--;
}

/* ---- the directory --- */

static inline size_t directory_index(const struct dict *dict, uint32_t hash) {
    return (size_t)((uint64_t)hash >> (32 - dict->depth));
}

/* Lets every directory pointer in [from, to) of the hashes that start with `hash`'s first `depth` bits show
 * `segment`. */
static void directory_point(struct dict *dict, uint32_t hash, unsigned depth, struct dict_segment *segment) {
    size_t span = (size_t)1 << (dict->depth - depth);
    size_t first = directory_index(dict, hash) / span * span;
    for (size_t i = first; i < first + span; i++)
        dict->segments[i] = segment;
}

static void directory_double(struct dict *dict) {
    size_t length = dict->directory_length;
    struct dict_segment **wider = allocate(2 * length * sizeof *wider, dict->memory);
    for (size_t i = 0; i < length; i++)
        wider[2 * i] = wider[2 * i + 1] = dict->segments[i];
    release(dict->segments, length * sizeof *wider, dict->memory);
    dict->segments = wider;
    dict->directory_length = 2 * length;
    dict->depth++;
}

/* The same entries in a fresh segment with the right amount of room. */
static void segment_rebuild(struct dict *dict, struct dict_segment *old, uint32_t hash) {
    struct dict_segment *segment = segment_new(old->used, old->depth, dict->memory);
    for (uint32_t i = 0; i < old->capacity; i++)
        if (old->at[i].slot != EMPTY)
            segment_put(segment, old->at[i].hash, old->at[i].slot);
    assert(segment->used == old->used);
    directory_point(dict, hash, segment->depth, segment);
    segment_free(old, dict->memory);
}

static void segment_split(struct dict *dict, struct dict_segment *old, uint32_t hash) {
    if (old->depth == dict->depth)
        directory_double(dict);
    uint32_t bit = UINT32_C(1) << (31 - old->depth), ones = 0;
    for (uint32_t i = 0; i < old->capacity; i++)
        ones += old->at[i].slot != EMPTY && (old->at[i].hash & bit);
    struct dict_segment *zero = segment_new(old->used - ones, old->depth + 1, dict->memory);
    struct dict_segment *one = segment_new(ones, old->depth + 1, dict->memory);
    for (uint32_t i = 0; i < old->capacity; i++)
        if (old->at[i].slot != EMPTY)
            segment_put((old->at[i].hash & bit) ? one : zero, old->at[i].hash, old->at[i].slot);
    assert(zero->used + one->used == old->used);
    directory_point(dict, hash & ~bit, zero->depth, zero);
    directory_point(dict, hash | bit, one->depth, one);
    segment_free(old, dict->memory);
}

static void index_add(struct dict *dict, uint32_t hash, uint32_t slot) {
    for (;;) {
        struct dict_segment *segment = dict->segments[directory_index(dict, hash)];
        if ((uint64_t)(segment->used + 1) * 5 <= (uint64_t)segment->capacity * 4) {
            segment_put(segment, hash, slot);
            return;
        }
        if (segment->used >= SEGMENT_SPLIT && segment->depth < DEPTH_MAX)
            segment_split(dict, segment, hash);
        else
            segment_rebuild(dict, segment, hash);
    }
}

static void index_remove(struct dict *dict, uint32_t hash, uint32_t slot) {
    struct dict_segment *segment = dict->segments[directory_index(dict, hash)];
    segment_drop(segment, segment_entry(segment, hash, slot));
    if (segment->used < segment->capacity / 4 && segment->capacity > 4 * SEGMENT_SLACK)
        segment_rebuild(dict, segment, hash);
}

/* ---- the dense array --- */

/* The first chunk starts small: most collections are. */
static void chunk_grow_first(struct dict *dict) {
    size_t room = dict->first_room ? 2 * dict->first_room : FIRST_ROOM;
    dict->chunks[0] = realloc(dict->chunks[0], room * sizeof(void *));
    if (!dict->chunks[0])
        abort();
    *dict->memory += (room - dict->first_room) * sizeof(void *);
    dict->first_room = room;
}

static void chunk_add(struct dict *dict) {
    if (dict->chunk_count == dict->chunk_room) {
        size_t room = dict->chunk_room ? 2 * dict->chunk_room : 1;
        dict->chunks = realloc(dict->chunks, room * sizeof *dict->chunks);
        if (!dict->chunks)
            abort();
        *dict->memory += (room - dict->chunk_room) * sizeof *dict->chunks;
        dict->chunk_room = room;
    }
    if (dict->chunk_count == 0) {
        dict->chunks[dict->chunk_count++] = NULL;
        chunk_grow_first(dict);
    } else {
        dict->chunks[dict->chunk_count++] = allocate(DICT_CHUNK * sizeof(void *), dict->memory);
    }
}

/* Room for one more. */
static void chunk_reserve(struct dict *dict) {
    if (dict->count == dict->chunk_count * DICT_CHUNK)
        chunk_add(dict);
    else if (dict->count == dict->first_room && dict->chunk_count == 1)
        chunk_grow_first(dict);
}

static void chunk_drop(struct dict *dict) {
    size_t last = --dict->chunk_count;
    release(dict->chunks[last], (last ? (size_t)DICT_CHUNK : dict->first_room) * sizeof(void *),
            dict->memory);
    dict->first_room = last ? dict->first_room : 0;
}

/* Keeps one spare, so that a key that comes and goes at a chunk's edge costs nothing. */
static void chunk_trim(struct dict *dict) {
    while (dict->chunk_count * DICT_CHUNK >= dict->count + 2 * DICT_CHUNK)
        chunk_drop(dict);
}

/* ---- the dict --- */

void dict_init(struct dict *dict, const struct dict_kind *kind, const struct hash_key *hash_key,
               size_t *memory) {
    *dict = (struct dict){.kind = kind, .hash_key = *hash_key, .memory = memory};
    dict->directory_length = 1;
    dict->segments = allocate(sizeof *dict->segments, memory);
    dict->segments[0] = segment_new(0, 0, memory);
}

/* Frees the last segment of the directory, with every pointer to it. */
static void segment_free_last(struct dict *dict) {
    struct dict_segment *last = dict->segments[dict->directory_length - 1];
    while (dict->directory_length > 0 && dict->segments[dict->directory_length - 1] == last)
        dict->directory_length--;
    segment_free(last, dict->memory);
}

size_t dict_free_some(struct dict *dict, size_t count) {
    size_t freed = 0;
    for (; freed < count && dict->count > 0; freed++) {
        dict->kind->free(dict_at(dict, dict->count - 1), dict->memory);
        dict->count--;
        chunk_trim(dict);
    }
    for (; freed < count && dict->count == 0 && dict->directory_length > 0; freed++)
        segment_free_last(dict);
    if (dict->directory_length > 0 || !dict->segments)
        return freed;
    release(dict->segments, ((size_t)1 << dict->depth) * sizeof *dict->segments, dict->memory);
    while (dict->chunk_count > 0)
        chunk_drop(dict);
    release(dict->chunks, dict->chunk_room * sizeof *dict->chunks, dict->memory);
    *dict = (struct dict){.kind = dict->kind, .memory = dict->memory};
    return freed;
}

uint32_t dict_hash(const struct dict *dict, const struct resp_arg *key) {
    return (uint32_t)(hash_bytes(&dict->hash_key, key->bytes, key->length) >> 32);
}

static bool has_key(const struct dict *dict, const void *thing, const struct resp_arg *key) {
    struct resp_arg own = dict->kind->key_of(thing);
    return own.length == key->length && (own.length == 0 || memcmp(own.bytes, key->bytes, own.length) == 0);
}

void *dict_find(const struct dict *dict, const struct resp_arg *key, uint32_t hash, size_t *slot) {
    const struct dict_segment *segment = dict->segments[directory_index(dict, hash)];
    for (uint32_t i = home(segment, hash); segment->at[i].slot != EMPTY; i = after(segment, i)) {
        if (segment->at[i].hash != hash)
            continue;
        void *thing = dict_at(dict, segment->at[i].slot);
        if (has_key(dict, thing, key)) {
            *slot = segment->at[i].slot;
            return thing;
        }
    }
    return NULL;
}

/* ---- look-ups to come --- */

/*
 * A look-up in a large dict waits for memory four times, each time for what the one before has told: segment, entry, place, thing. Those
 * of several look-ups do not depend on each other, so step by step all of them wait together.
 */
static const void *expect_entry(const struct dict_segment *segment, uint32_t hash) {
    return &segment->at[home(segment, hash)];
}

/* The place of the first whose hash it is: another look-up's wait if it is not the one. */
static void *const *expect_place(const struct dict *dict, const struct dict_segment *segment, uint32_t hash) {
    for (uint32_t i = home(segment, hash); segment->at[i].slot != EMPTY; i = after(segment, i))
        if (segment->at[i].hash == hash)
            return &dict->chunks[segment->at[i].slot / DICT_CHUNK][segment->at[i].slot % DICT_CHUNK];
    return NULL;
}

void dict_expect(const struct dict *const *dicts, const uint32_t *hashes, size_t count, const void **things) {
    const struct dict_segment *segments[DICT_EXPECT_MAX];
    void *const *places[DICT_EXPECT_MAX];
    assert(count <= DICT_EXPECT_MAX);
    for (size_t i = 0; i < count; i++) {
        segments[i] = dicts[i]->segments[directory_index(dicts[i], hashes[i])];
        __builtin_prefetch(segments[i]);
    }
    for (size_t i = 0; i < count; i++)
        __builtin_prefetch(expect_entry(segments[i], hashes[i]));
    for (size_t i = 0; i < count; i++)
        if ((places[i] = expect_place(dicts[i], segments[i], hashes[i])))
            __builtin_prefetch(places[i]);
    for (size_t i = 0; i < count; i++) {
        const char *thing = places[i] ? *places[i] : NULL;
        if (thing)
            for (int at = 0; at < DICT_EXPECT_BYTES; at += 64)
                __builtin_prefetch(thing + at);
        if (things)
            things[i] = thing;
    }
}

void dict_append(struct dict *dict, void *thing) {
    assert(dict->count < EMPTY);
    chunk_reserve(dict);
    size_t slot = dict->count++;
    dict->chunks[slot / DICT_CHUNK][slot % DICT_CHUNK] = thing;
}

void dict_add(struct dict *dict, void *thing, uint32_t hash) {
    dict_append(dict, thing);
    index_add(dict, hash, (uint32_t)(dict->count - 1));
}

/* ---- an index at once --- */

/* Empty segments of the right sizes. */
static void index_lay_out(struct dict *dict, const uint32_t *hashes) {
    unsigned depth = 0;
    while (dict->count >> depth > SEGMENT_DEALT && depth < DEPTH_MAX)
        depth++;
    size_t length = (size_t)1 << depth;
    uint32_t *used = calloc(length, sizeof *used);
    if (!used)
        abort();
    assert(dict->directory_length == 1 && dict->segments[0]->used == 0);
    segment_free(dict->segments[0], dict->memory);
    release(dict->segments, sizeof *dict->segments, dict->memory);
    dict->segments = allocate(length * sizeof *dict->segments, dict->memory);
    dict->directory_length = length;
    dict->depth = depth;
    for (size_t i = 0; i < dict->count; i++)
        used[directory_index(dict, hashes[i])]++;
    for (size_t i = 0; i < length; i++)
        dict->segments[i] = segment_new(used[i], depth, dict->memory);
    free(used);
}

/* segment_put that looks at those in front of it. */
static bool segment_put_new(const struct dict *dict, struct dict_segment *segment, uint32_t hash,
                            uint32_t slot) {
    for (uint32_t i = home(segment, hash); segment->at[i].slot != EMPTY; i = after(segment, i)) {
        if (segment->at[i].hash != hash)
            continue;
        struct resp_arg key = dict->kind->key_of(dict_at(dict, slot));
        if (has_key(dict, dict_at(dict, segment->at[i].slot), &key))
            return false;
    }
    segment_put(segment, hash, slot);
    return true;
}

bool dict_index(struct dict *dict, const uint32_t *hashes) {
    index_lay_out(dict, hashes);
    for (size_t slot = 0; slot < dict->count; slot++) {
        if (slot + INDEX_AHEAD < dict->count) {
            uint32_t hash = hashes[slot + INDEX_AHEAD];
            __builtin_prefetch(expect_entry(dict->segments[directory_index(dict, hash)], hash), 1);
        }
        if (!segment_put_new(dict, dict->segments[directory_index(dict, hashes[slot])], hashes[slot],
                             (uint32_t)slot))
            return false;
    }
    return true;
}

void dict_replace(struct dict *dict, size_t slot, void *thing) {
    assert(slot < dict->count);
    dict->chunks[slot / DICT_CHUNK][slot % DICT_CHUNK] = thing;
}

void dict_remove(struct dict *dict, size_t slot, uint32_t hash) {
    assert(slot < dict->count);
    size_t last = dict->count - 1;
    index_remove(dict, hash, (uint32_t)slot);
    if (slot != last) {
        void *moved = dict_at(dict, last);
        struct resp_arg key = dict->kind->key_of(moved);
        uint32_t moved_hash = dict_hash(dict, &key);
        struct dict_segment *segment = dict->segments[directory_index(dict, moved_hash)];
        segment->at[segment_entry(segment, moved_hash, (uint32_t)last)].slot = (uint32_t)slot;
        dict_replace(dict, slot, moved);
    }
    dict->count--;
    chunk_trim(dict);
}
