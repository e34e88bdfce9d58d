/* SPDX-License-Identifier: MIT */
/* Lists: a small one is packed into its item, a large one lies in segments (segments.c). */
#include "lists.h"

#include <string.h>

#include "internal.h"
#include "segments.h"
#include "small.h"

static bool is_small(const struct item *item) {
    assert(item_type(item) == VALUE_LIST);
    return !(item->flags & ITEM_LONG);
}

/* ---- walks --- */

/* In the large form `at` is a place in the segment's bytes, in the small one in all bytes. */
static const char *bytes_of(const struct list_walk *walk) {
    const struct segment *segment = walk->segment;
    return segment ? segment->bytes : small_begin(walk->item);
}

static void read(struct list_walk *walk) {
    (void)pack_text(bytes_of(walk) + walk->at, &walk->value, walk->digits);
}

void list_at(const struct item *item, size_t index, struct list_walk *walk) {
    assert(index < collection_count(item));
    walk->item = item;
    walk->index = index;
    walk->segment = NULL;
    if (is_small(item))
        walk->at = (size_t)(small_place(item, index) - small_begin(item));
    else
        walk->segment = segments_seek(segments_of(item), &index, &walk->at);
    read(walk);
}

bool list_next(struct list_walk *walk) {
    const char *bytes = bytes_of(walk);
    if (walk->index + 1 >= collection_count(walk->item))
        return false;
    walk->index++;
    walk->at = (size_t)(pack_next(bytes + walk->at) - bytes);
    struct segment *segment = walk->segment;
    if (segment && walk->at == segment->length) {
        walk->segment = segment->next;
        walk->at = 0;
    }
    read(walk);
    return true;
}

bool list_previous(struct list_walk *walk) {
    struct segment *segment = walk->segment;
    if (walk->index == 0)
        return false;
    walk->index--;
    if (segment && walk->at == 0) {
        walk->segment = segment = segment->previous;
        walk->at = segment->length;
    }
    const char *bytes = bytes_of(walk);
    walk->at = (size_t)(pack_previous(bytes + walk->at) - bytes);
    read(walk);
    return true;
}

/* ---- changing --- */

static void grow_up(struct collection *list) {
    struct keyspace *keyspace = list->keyspace;
    struct item *item = list->item;
    struct segments *segments = segments_new(&keyspace->memory);
    for (const char *at = small_begin(item), *end = small_end(item); at < end; at = pack_next(at))
        segments_fill(segments, at, &keyspace->memory);
    struct item *grown = item_give_object(item, &segments->object, &keyspace->memory);
    list->item = keyspace_settle(keyspace, list->db, list->slot, item, grown);
    object_enter_whole(keyspace, database_of(keyspace, list->db), &segments->object);
}

void list_insert(struct collection *list, size_t index, const struct resp_arg *bytes) {
    size_t count = collection_count(list->item), at;
    assert(index <= count);
    if (is_small(list->item)) {
        struct small_value value;
        small_value(&value, VALUE_LIST, bytes, NULL, 0);
        if (small_splice(list, small_place(list->item, index), 0, &value, count + 1))
            return;
        grow_up(list);
    }
    struct pack_value value = pack_value(bytes);
    struct segment *segment = NULL;
    if (index < count)
        segment = segments_seek(segments_of(list->item), &index, &at);
    segments_insert(list, segment, segment ? at : 0, &value);
}

void list_push(struct collection *list, enum list_end end, const struct resp_arg *value) {
    list_insert(list, end == LIST_HEAD ? 0 : collection_count(list->item), value);
}

void list_set(struct collection *list, size_t index, const struct resp_arg *bytes) {
    size_t count = collection_count(list->item), within = index, at;
    assert(index < count);
    if (is_small(list->item)) {
        struct small_value value;
        const char *entry = small_place(list->item, index);
        small_value(&value, VALUE_LIST, bytes, NULL, 0);
        if (small_splice(list, entry, (size_t)(pack_next(entry) - entry), &value, count))
            return;
        grow_up(list);
    }
    struct pack_value value = pack_value(bytes);
    struct segment *segment = segments_seek(segments_of(list->item), &within, &at);
    if (segments_replace(list, segment, at, &value))
        return;
    list_insert(list, index, bytes);
    list_remove(list, index + 1, 1);
}

void list_pop(struct collection *list, enum list_end end) {
    size_t count = collection_count(list->item);
    assert(count > 0);
    if (is_small(list->item))
        list_remove(list, end == LIST_HEAD ? 0 : count - 1, 1);
    else
        segments_pop(list, end == LIST_HEAD);
}

void list_remove(struct collection *list, size_t index, size_t count) {
    size_t is = collection_count(list->item), at;
    assert(index <= is && count <= is - index);
    if (count == 0)
        return;
    if (!is_small(list->item)) {
        struct segment *segment = segments_seek(segments_of(list->item), &index, &at);
        segments_remove(list, segment, at, count);
        return;
    }
    const char *from = small_place(list->item, index), *to = small_place(list->item, index + count);
    bool fits = small_splice(list, from, (size_t)(to - from), NULL, is - count);
    assert(fits);
}

/* Marks nothing and moves nothing until it has found one. */
static size_t remove_equal_small(struct collection *list, const struct pack_value *value, size_t count,
                                 bool head) {
    size_t removed = 0, left = item_small(list->item).length - SMALL_HEADER; /* bytes not looked at yet */
    while (removed < count && left > 0) {
        const char *end = small_end(list->item), *at = head ? end - left : small_begin(list->item) + left;
        const char *entry = head ? at : pack_previous(at), *next = head ? pack_next(at) : at;
        size_t size = (size_t)(next - entry);
        left -= size;
        if (pack_equal(entry, value)) {
            bool fits = small_splice(list, entry, size, NULL, small_count(list->item) - 1);
            assert(fits);
            (void)fits;
            removed++;
        }
    }
    return removed;
}

size_t list_remove_equal(struct collection *list, const struct resp_arg *bytes, size_t count,
                         enum list_end end) {
    struct pack_value value = pack_value(bytes);
    if (is_small(list->item))
        return remove_equal_small(list, &value, count, end == LIST_HEAD);
    return segments_remove_equal(list, &value, count, end == LIST_HEAD);
}
