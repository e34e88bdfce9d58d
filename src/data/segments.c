/* SPDX-License-Identifier: MIT */
/*
 * Large lists. Entries lie packed in segments of up to SEGMENT_BYTES (one that is longer has a segment to
 * itself), and these in a chain:
 *
 *     head                                                  tail
 *     [ 4: a b c ] <-> [ 0: d e ... ] <-> [ 1: ... ] <-> [ 2: x y ]       number 3 is free
 *
 * A segment is a page, under a number that it keeps for life, and the page names the next one's number. So a
 * push or pop at either end changes the last segment there and, when that overflows or runs empty, its
 * neighbour; an insertion in the middle changes one segment or splits it in two; and nothing is ever
 * renumbered. A new segment gets the lowest free number: which one that is follows from those in use, so a
 * node that loaded the list goes on as one that never stopped.
 *
 * A page is packed entries (pack.h): the number of the next segment, or -1 in the last one, then the elements.
 * A number that is free, below one that is not, has a page too: -2 and nothing else. (One behind all others
 * has none; but it may have been below one at a freeze, and is then written as that.)
 *
 * The digest is a sum over the segments, of their number, the next one's and a digest of the entries that
 * grows and shrinks at both ends in O(1): with h(e) the hash of an entry and B an odd number,
 *
 *     D = h(e0) + h(e1) B + h(e2) B^2 + ...      modulo 2^64, where an odd number has an inverse
 *
 * Removals in the middle leave thin segments; one that fits into half a segment together with its neighbour
 * is joined to it.
 */
#include "segments.h"

#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum {
    SEGMENT_BYTES = 8192,
    SEGMENT_FIRST = 64, /* bytes that a segment begins with */
    NEXT_NONE = -1,
    NEXT_FREE = -2,
};

/* ---- digests --- */

#define BASE         UINT64_C(0x9e3779b97f4a7c15)
#define BASE_INVERSE UINT64_C(0xf1de83e19937733d)

static uint64_t power(size_t exponent) {
    uint64_t result = 1, square = BASE;
    for (; exponent; exponent >>= 1, square *= square)
        if (exponent & 1)
            result *= square;
    return result;
}

static uint64_t entry_digest(const char *at, size_t size) {
    return digest_bytes(at, size, size);
}

static uint64_t entries_digest(const struct segment *segment) {
    uint64_t digest = 0, factor = 1;
    for (size_t at = 0, size; at < segment->length; at += size, factor *= BASE) {
        size = (size_t)(pack_next(segment->bytes + at) - (segment->bytes + at));
        digest += entry_digest(segment->bytes + at, size) * factor;
    }
    return digest;
}

/* What a segment adds to the list's digest. */
static uint64_t term(const struct segment *segment) {
    uint64_t next = segment->next ? segment->next->number : UINT32_MAX;
    return digest_mix(digest_mix(segment->digest, segment->count), (uint64_t)segment->number << 32 | next);
}

/* ---- segments --- */

static size_t segment_size(size_t capacity) {
    return allocation_of(sizeof(struct segment) + capacity);
}

static struct segment *segment_alloc(struct segments *segments, struct segment *old, size_t capacity) {
    if (old)
        segments->memory -= segment_size(old->capacity) + ALLOCATION_HEADER;
    size_t size = segment_size(capacity);
    struct segment *segment = realloc(old, size);
    if (!segment)
        abort();
    heap_ahead();
    if (!old)
        *segment = (struct segment){.length = 0};
    segment->capacity = (uint32_t)(size - sizeof *segment);
    segments->memory += segment_size(segment->capacity) + ALLOCATION_HEADER;
    return segment;
}

/* Lets those that point to a segment do so. */
static void segment_linked(struct segments *segments, struct segment *segment) {
    *(segment->previous ? &segment->previous->next : &segments->head) = segment;
    *(segment->next ? &segment->next->previous : &segments->tail) = segment;
    segments->at[segment->number] = segment;
}

/* Room for `length` bytes; the segment may move. */
static struct segment *segment_reserve(struct segments *segments, struct segment *segment, size_t length) {
    if (length <= segment->capacity)
        return segment;
    size_t capacity = segment->capacity + sizeof *segment;
    while (capacity < length + sizeof *segment)
        capacity *= 2;
    capacity -= sizeof *segment;
    if (length <= SEGMENT_BYTES && capacity > SEGMENT_BYTES)
        capacity = SEGMENT_BYTES;
    else if (length > SEGMENT_BYTES)
        capacity = length;
    segment = segment_alloc(segments, segment, capacity);
    segment_linked(segments, segment);
    return segment;
}

/* The lowest free number. */
static size_t next_number(struct segments *segments) {
    size_t number = segments->free_from;
    while (number < segments->used && segments->at[number])
        number++;
    segments->free_from = number;
    return number;
}

static uint32_t take_number(struct segments *segments) {
    size_t number = next_number(segments);
    segments->free_from = number + 1;
    if (number == segments->room) {
        size_t room = segments->room ? 2 * segments->room : 4;
        segments->at = realloc(segments->at, room * sizeof(struct segment *));
        if (!segments->at)
            abort();
        segments->memory += (room - segments->room) * sizeof(struct segment *);
        segments->room = room;
    }
    if (number == segments->used)
        segments->used++;
    assert(segments->used < UINT32_MAX);
    return (uint32_t)number;
}

static void give_number(struct segments *segments, uint32_t number) {
    segments->at[number] = NULL;
    segments->free_from = number < segments->free_from ? number : segments->free_from;
    while (segments->used > 0 && !segments->at[segments->used - 1])
        segments->used--;
    segments->free_from = segments->free_from < segments->used ? segments->free_from : segments->used;
}

/* An empty segment behind `before`, at the head if that is NULL. */
static struct segment *segment_new(struct segments *segments, struct segment *before, size_t capacity) {
    struct segment *segment = segment_alloc(segments, NULL, capacity);
    segment->number = take_number(segments);
    segment->previous = before;
    segment->next = before ? before->next : segments->head;
    segment_linked(segments, segment);
    return segment;
}

static void segment_free(struct segments *segments, struct segment *segment) {
    segments->memory -= segment_size(segment->capacity) + ALLOCATION_HEADER;
    free(segment);
}

/* ---- the whole --- */

static struct segments *segments_in(struct object *object) {
    assert(object->type == VALUE_LIST);
    return (struct segments *)object;
}

static const struct segments *const_segments_in(const struct object *object) {
    assert(object->type == VALUE_LIST);
    return (const struct segments *)object;
}

struct segments *segments_of(const struct item *item) {
    return segments_in(item_object(item));
}

struct segments *segments_new(size_t *memory) {
    struct segments *segments = calloc(1, sizeof *segments);
    if (!segments)
        abort();
    segments->object.type = VALUE_LIST;
    segments->memory = sizeof *segments;
    *memory += segments->memory;
    return segments;
}

static bool has_room(const struct segment *segment, size_t size) {
    return segment && segment->length + size <= SEGMENT_BYTES;
}

/* Adds an entry at the end of a segment, which may move. */
static struct segment *put_last(struct segments *segments, struct segment *segment, const char *entry,
                                size_t size) {
    segment = segment_reserve(segments, segment, segment->length + size);
    memcpy(segment->bytes + segment->length, entry, size);
    segment->digest += entry_digest(entry, size) * power(segment->count);
    segment->length += (uint32_t)size;
    segment->count++;
    segments->count++;
    return segment;
}

static size_t first_capacity(size_t size) {
    return size < SEGMENT_FIRST ? (size_t)SEGMENT_FIRST : size;
}

void segments_fill(struct segments *segments, const char *entry, size_t *memory) {
    size_t before = segments->memory, size = (size_t)(pack_next(entry) - entry);
    struct segment *tail = segments->tail;
    if (tail)
        segments->object.digest -= term(tail);
    if (!has_room(tail, size)) {
        struct segment *added = segment_new(segments, tail, first_capacity(size));
        if (tail)
            segments->object.digest += term(tail);
        tail = added;
    }
    tail = put_last(segments, tail, entry, size);
    segments->object.digest += term(tail);
    *memory += segments->memory - before;
}

/* From the nearer end, over the segments and then in the segment. */
struct segment *segments_seek(const struct segments *segments, size_t *index, size_t *at) {
    struct segment *segment = segments->head;
    assert(*index < segments->count);
    if (*index < segments->count / 2) {
        for (; *index >= segment->count; segment = segment->next)
            *index -= segment->count;
    } else {
        size_t behind = segments->count - *index; /* this many from the element to the end */
        for (segment = segments->tail; behind > segment->count; segment = segment->previous)
            behind -= segment->count;
        *index = segment->count - behind;
    }
    const char *entry = segment->bytes;
    if (*index <= segment->count / 2) {
        for (size_t i = 0; i < *index; i++)
            entry = pack_next(entry);
    } else {
        entry += segment->length;
        for (size_t i = segment->count; i > *index; i--)
            entry = pack_previous(entry);
    }
    *at = (size_t)(entry - segment->bytes);
    return segment;
}

/* ---- changes: a segment is opened, changed, and shut --- */

struct change {
    struct collection *list;
    struct segments *segments;
    size_t before; /* memory */
};

static struct change begin(struct collection *list) {
    struct segments *segments = segments_of(list->item);
    return (struct change){list, segments, segments->memory};
}

static void end(struct change *change) {
    change->list->keyspace->memory += change->segments->memory - change->before;
    change->list->changed = true;
}

static void open(struct change *change, struct segment *segment) {
    object_touch(change->list->keyspace, &change->segments->object, segment->number);
    change->segments->object.digest -= term(segment);
}

static void mark(struct change *change, uint32_t number) {
    struct keyspace *keyspace = change->list->keyspace;
    object_mark(keyspace, database_of(keyspace, change->list->db), &change->segments->object, number,
                number + 1);
}

static void shut(struct change *change, struct segment *segment) {
    change->segments->object.digest += term(segment);
    mark(change, segment->number);
}

/* A new segment behind `before`, which is not open. It is open. */
static struct segment *insert_segment(struct change *change, struct segment *before, size_t size) {
    struct segments *segments = change->segments;
    if (before)
        open(change, before);
    object_touch(change->list->keyspace, &segments->object, next_number(segments));
    struct segment *segment = segment_new(segments, before, first_capacity(size));
    if (before)
        shut(change, before);
    return segment;
}

/* Takes an open segment out of the chain. */
static void drop_segment(struct change *change, struct segment *segment) {
    struct segments *segments = change->segments;
    struct segment *previous = segment->previous, *next = segment->next;
    uint32_t number = segment->number;
    if (previous)
        open(change, previous);
    *(previous ? &previous->next : &segments->head) = next;
    *(next ? &next->previous : &segments->tail) = previous;
    if (previous)
        shut(change, previous);
    give_number(segments, number);
    mark(change, number);
    segment_free(segments, segment);
}

/* Replaces bytes in the middle of an open segment, which may move. `count`: how many entries more. */
static struct segment *splice(struct change *change, struct segment *segment, size_t at, size_t removed,
                              const struct pack_value *value, int count) {
    size_t added = value ? pack_size(value) : 0, length = segment->length - removed + added;
    segment = segment_reserve(change->segments, segment, length);
    memmove(segment->bytes + at + added, segment->bytes + at + removed, segment->length - at - removed);
    if (value)
        (void)pack_put(segment->bytes + at, value);
    segment->length = (uint32_t)length;
    segment->count = (uint32_t)((int)segment->count + count);
    change->segments->count += (size_t)(ptrdiff_t)count;
    return segment;
}

/* ---- inserting --- */

/* Cuts a segment in two before `at`; returns the second one. Neither is open. */
static struct segment *split(struct change *change, struct segment *segment, size_t at) {
    struct segment *second = insert_segment(change, segment, segment->length - at);
    size_t length = segment->length - at;
    open(change, segment);
    second = segment_reserve(change->segments, second, length);
    memcpy(second->bytes, segment->bytes + at, length);
    second->length = (uint32_t)length;
    for (size_t i = 0; i < length; i = (size_t)(pack_next(second->bytes + i) - second->bytes))
        second->count++;
    segment->length = (uint32_t)at;
    segment->count -= second->count;
    segment->digest = entries_digest(segment);
    second->digest = entries_digest(second);
    shut(change, segment);
    shut(change, second);
    return second;
}

/* Puts an entry into a segment that has room for it, or is empty and open. */
static void put(struct change *change, struct segment *segment, size_t at, const struct pack_value *value) {
    bool first = at == 0, last = at == segment->length;
    size_t size = pack_size(value), index = segment->count;
    segment = splice(change, segment, at, 0, value, 1);
    uint64_t digest = entry_digest(segment->bytes + at, size);
    if (last)
        segment->digest += digest * power(index);
    else if (first)
        segment->digest = segment->digest * BASE + digest;
    else
        segment->digest = entries_digest(segment);
    shut(change, segment);
}

/* Before `segment`, at its beginning; at the list's end if NULL. */
static void insert_between(struct change *change, struct segment *segment, const struct pack_value *value) {
    struct segment *previous = segment ? segment->previous : change->segments->tail;
    size_t size = pack_size(value);
    if (has_room(previous, size)) {
        open(change, previous);
        put(change, previous, previous->length, value);
    } else if (has_room(segment, size)) {
        open(change, segment);
        put(change, segment, 0, value);
    } else {
        put(change, insert_segment(change, previous, size), 0, value);
    }
}

void segments_insert(struct collection *list, struct segment *segment, size_t at,
                     const struct pack_value *value) {
    struct change change = begin(list);
    if (segment && at > 0 && !has_room(segment, pack_size(value))) {
        segment = split(&change, segment, at);
        at = 0;
    }
    if (segment && at > 0) {
        open(&change, segment);
        put(&change, segment, at, value);
    } else {
        insert_between(&change, segment, value);
    }
    end(&change);
}

bool segments_replace(struct collection *list, struct segment *segment, size_t at,
                      const struct pack_value *value) {
    size_t removed = (size_t)(pack_next(segment->bytes + at) - (segment->bytes + at));
    if (segment->length - removed + pack_size(value) > SEGMENT_BYTES && segment->count > 1)
        return false;
    struct change change = begin(list);
    open(&change, segment);
    segment = splice(&change, segment, at, removed, value, 0);
    segment->digest = entries_digest(segment);
    shut(&change, segment);
    end(&change);
    return true;
}

/* ---- removing --- */

/* Joins a segment, that is not open, with the one behind it if both are thin. */
static void join(struct change *change, struct segment *segment) {
    struct segment *next = segment ? segment->next : NULL;
    if (!next || segment->length + next->length > SEGMENT_BYTES / 2)
        return;
    open(change, segment);
    open(change, next);
    segment = segment_reserve(change->segments, segment, segment->length + next->length);
    memcpy(segment->bytes + segment->length, next->bytes, next->length);
    segment->digest += next->digest * power(segment->count);
    segment->length += next->length;
    segment->count += next->count;
    shut(change, segment);
    drop_segment(change, next);
}

/* Shuts a segment from which something was removed. */
static void shut_less(struct change *change, struct segment *segment) {
    struct segment *previous = segment->previous;
    if (segment->count == 0) {
        drop_segment(change, segment);
        join(change, previous);
        return;
    }
    shut(change, segment);
    join(change, segment);
    join(change, previous);
}

void segments_pop(struct collection *list, bool head) {
    struct change change = begin(list);
    struct segment *segment = head ? change.segments->head : change.segments->tail;
    assert(segment);
    const char *from = head ? segment->bytes : pack_previous(segment->bytes + segment->length);
    size_t at = (size_t)(from - segment->bytes), size = (size_t)(pack_next(from) - from);
    uint64_t digest = entry_digest(from, size);
    open(&change, segment);
    segment = splice(&change, segment, at, size, NULL, -1);
    segment->digest =
        head ? (segment->digest - digest) * BASE_INVERSE : segment->digest - digest * power(segment->count);
    if (segment->count == 0)
        drop_segment(&change, segment);
    else
        shut(&change, segment);
    end(&change);
}

void segments_remove(struct collection *list, struct segment *segment, size_t at, size_t count) {
    struct change change = begin(list);
    while (count > 0) {
        struct segment *next = segment->next;
        size_t to = at, removed = 0;
        for (; removed < count && to < segment->length; removed++)
            to = (size_t)(pack_next(segment->bytes + to) - segment->bytes);
        open(&change, segment);
        segment = splice(&change, segment, at, to - at, NULL, -(int)removed);
        segment->digest = entries_digest(segment);
        count -= removed;
        at = 0;
        if (segment->count == 0)
            drop_segment(&change, segment);
        else
            shut(&change, segment);
        if (count == 0)
            join(&change, next ? next->previous : NULL);
        segment = next;
    }
    end(&change);
}

/* Removes from one segment what equals `value`; returns how many were removed. */
static size_t remove_equal(struct change *change, struct segment *segment, const struct pack_value *value,
                           size_t count, bool head) {
    size_t removed = 0, at = head ? 0 : segment->length;
    while (removed < count && (head ? at < segment->length : at > 0)) {
        const char *entry = segment->bytes + at;
        entry = head ? entry : pack_previous(entry);
        size_t from = (size_t)(entry - segment->bytes), size = (size_t)(pack_next(entry) - entry);
        bool equal = pack_equal(entry, value);
        if (equal && removed++ == 0)
            open(change, segment);
        if (equal)
            segment = splice(change, segment, from, size, NULL, -1);
        at = head && !equal ? from + size : from;
    }
    if (removed > 0) {
        segment->digest = entries_digest(segment);
        shut_less(change, segment);
    }
    return removed;
}

size_t segments_remove_equal(struct collection *list, const struct pack_value *value, size_t count,
                             bool head) {
    struct change change = begin(list);
    struct segments *segments = change.segments;
    size_t removed = 0, left = segments->count; /* elements not looked at yet */
    while (removed < count && left > 0) {
        size_t index = head ? segments->count - left : left - 1, at;
        struct segment *segment = segments_seek(segments, &index, &at);
        size_t looked = head ? segment->count - index : index + 1;
        left -= looked;
        (void)at;
        removed += remove_equal(&change, segment, value, count - removed, head);
    }
    if (removed > 0)
        end(&change);
    return removed;
}

/* ---- as an object --- */

static size_t pages(const struct object *object) {
    return const_segments_in(object)->used;
}

static size_t bytes(const struct object *object) {
    return const_segments_in(object)->memory;
}

static void mark_all(struct keyspace *keyspace, struct database *database, struct object *object) {
    object_mark(keyspace, database, object, 0, pages(object));
}

static void write_page(const struct object *object, size_t number, struct resp_buf *out) {
    const struct segments *segments = const_segments_in(object);
    const struct segment *segment = number < segments->used ? segments->at[number] : NULL;
    int64_t next = !segment ? NEXT_FREE : segment->next ? (int64_t)segment->next->number : NEXT_NONE;
    struct pack_value value = pack_integer(next);
    pack_append(out, &value);
    if (segment)
        resp_buf_append(out, segment->bytes, segment->length);
}

static size_t free_some(struct object *object, size_t count, size_t *memory) {
    struct segments *segments = segments_in(object);
    size_t freed = 0, before = segments->memory;
    for (; freed < count && segments->used > 0; freed++) {
        struct segment *segment = segments->at[--segments->used];
        if (segment)
            segment_free(segments, segment);
    }
    *memory -= before - segments->memory;
    if (freed < count) {
        *memory -= segments->memory;
        assert(segments->memory == sizeof *segments + segments->room * sizeof(struct segment *));
        free(segments->at);
        free(segments);
    }
    return freed;
}

static struct object *copy(const struct object *object, struct keyspace *keyspace) {
    const struct segments *segments = const_segments_in(object);
    struct segments *other = segments_new(&keyspace->memory);
    for (const struct segment *segment = segments->head; segment; segment = segment->next) {
        const char *last = segment->bytes + segment->length;
        for (const char *at = segment->bytes; at < last; at = pack_next(at))
            segments_fill(other, at, &keyspace->memory);
    }
    return &other->object;
}

static size_t reference(const struct object *object, uint64_t numbers[OBJECT_NUMBERS]) {
    const struct segments *segments = const_segments_in(object);
    numbers[0] = segments->count;
    numbers[1] = segments->used;
    numbers[2] = segments->head ? segments->head->number : 0;
    return 3;
}

/* ---- loading --- */

/*
 * The pages come by number, not in the order of the chain. Until the last one has come, `previous` of a
 * segment is unused and `next` waits in `digest` as a number.
 */
static bool load_reference(const struct awaited *awaited) {
    return awaited->extra[0] > 0 && awaited->extra[0] < UINT32_MAX && awaited->extra[1] < awaited->extra[0];
}

static bool load_page(struct keyspace *keyspace, struct awaited *awaited, uint64_t number_of,
                      const void *loaded, size_t length) {
    size_t entries;
    struct pack_value next;
    if (number_of != awaited->loaded++ || number_of >= awaited->extra[0] || length == 0 ||
        !pack_is_sound(loaded, length, false, &entries))
        return false;
    const char *at = pack_read(loaded, &next);
    length -= (size_t)(at - (const char *)loaded);
    if (!next.is_integer || (next.integer == NEXT_FREE) != (entries == 1) || length > UINT32_MAX)
        return false;
    if (!item_object(awaited->item))
        item_put_object(awaited->item, &segments_new(&keyspace->memory)->object);
    struct segments *segments = segments_of(awaited->item);
    size_t before = segments->memory;
    segments->free_from = segments->used;
    uint32_t number = take_number(segments);
    segments->at[number] = NULL;
    if (next.integer != NEXT_FREE) {
        struct segment *segment = segment_alloc(segments, NULL, length);
        memcpy(segment->bytes, at, length);
        segment->number = number;
        segment->count = (uint32_t)entries - 1;
        segment->length = (uint32_t)length;
        segment->digest = (uint64_t)next.integer;
        segments->at[number] = segment;
    }
    keyspace->memory += segments->memory - before;
    return true;
}

/* Follows the chain; false when it is none. */
static bool load_chain(struct segments *segments, size_t number, size_t *there) {
    struct segment *segment = segments->at[number], *previous = NULL;
    segments->head = segment;
    for (; segment; --*there) {
        int64_t next = (int64_t)segment->digest;
        if (*there == 0 || next < NEXT_NONE || next >= (int64_t)segments->used)
            return false;
        segment->previous = previous;
        segment->next = next == NEXT_NONE ? NULL : segments->at[next];
        if (next != NEXT_NONE && !segment->next)
            return false;
        segments->count += segment->count;
        previous = segment;
        segment = segment->next;
    }
    segments->tail = previous;
    return previous != NULL;
}

static bool load_end(struct keyspace *keyspace, struct awaited *awaited) {
    struct segments *segments = segments_of(awaited->item);
    size_t there = 0, left;
    (void)keyspace;
    if (awaited->loaded != awaited->extra[0])
        return false;
    for (size_t i = 0; i < segments->used; i++)
        there += segments->at[i] != NULL;
    left = there;
    if (!segments->at[segments->used - 1] || !load_chain(segments, (size_t)awaited->extra[1], &left) ||
        left != 0 || segments->count != awaited->length)
        return false;
    for (struct segment *segment = segments->head; segment; segment = segment->next)
        segment->digest = entries_digest(segment);
    for (struct segment *segment = segments->head; segment; segment = segment->next)
        segments->object.digest += term(segment);
    segments->free_from = 0;
    return true;
}

const struct object_kind object_list = {
    .pages = pages,
    .mark = mark_all,
    .write_page = write_page,
    .bytes = bytes,
    .free_some = free_some,
    .copy = copy,
    .reference = reference,
    .load_reference = load_reference,
    .load_page = load_page,
    .load_end = load_end,
};
