/* SPDX-License-Identifier: MIT */
/*
 * Entries of streams. A stream is a map of records (records.c); stream_keys.h says which there are.
 *
 * Redis keeps entries in nodes of up to 100, or 4096 bytes in its own packing, and a trim that need not be exact removes whole nodes only. What is left then
 * can be seen, so the nodes are kept track of: a record says under the id of its first entry how many there are, how many were deleted, and how many bytes
 * Redis would have used. An entry belongs to the last node whose id is not behind its own:
 *
 *     nodes      n 5-0 {3 entries, 1 deleted, names a b}             n 9-0 {2 entries, names a}
 *     entries    x 5-0 {1 2}   x 6-0 {3 4}   x 8-0 {c d ..}          x 9-0 {1}   x 9-1 {2}
 *
 * The node keeps the names of the first entry's fields too, and one with the same names has only its values: they need not lie in the same page.
 */
#include "stream.h"

#include <stdlib.h>

#include "internal.h"
#include "pack.h"
#include "stream_keys.h"

enum { NODE_ENTRIES = 100, NODE_BYTES = 4096 }; /* stream-node-max-entries, stream-node-max-bytes */

_Static_assert(sizeof(struct stream_head) == RECORDS_HEAD * sizeof(uint64_t), "the head is numbers only");

/* ---- ids --- */

int stream_id_compare(const struct stream_id *a, const struct stream_id *b) {
    if (a->ms != b->ms)
        return a->ms > b->ms ? 1 : -1;
    return (a->seq > b->seq) - (a->seq < b->seq);
}

bool stream_id_next(struct stream_id *id) {
    if (id->ms == UINT64_MAX && id->seq == UINT64_MAX)
        return false;
    if (++id->seq == 0)
        id->ms++;
    return true;
}

bool stream_id_previous(struct stream_id *id) {
    if (id->ms == 0 && id->seq == 0)
        return false;
    if (id->seq-- == 0)
        id->ms--;
    return true;
}

/* ---- the head, opening, closing --- */

struct stream_head stream_head(const struct item *item) {
    struct stream_head head;
    memcpy(&head, records_of(item)->head, sizeof head);
    return head;
}

void stream_set_head(struct collection *stream, const struct stream_head *head) {
    uint64_t numbers[RECORDS_HEAD];
    memcpy(numbers, head, sizeof numbers);
    records_set_head(stream, numbers);
}

static void make(struct collection *stream) {
    struct keyspace *keyspace = stream->keyspace;
    struct records *records = records_new(&keyspace->memory);
    struct item *item = item_give_object(stream->item, &records->object, &keyspace->memory);
    stream->item = keyspace_settle(keyspace, stream->db, stream->slot, stream->item, item);
    object_enter_whole(keyspace, database_of(keyspace, stream->db), &records->object);
    stream->changed = true;
}

void stream_open(struct collection *stream, struct keyspace *keyspace, unsigned db,
                 const struct resp_arg *key) {
    *stream = (struct collection){.keyspace = keyspace, .db = db};
    stream->item = keyspace_open_place(keyspace, db, key, VALUE_STREAM, &stream->slot);
    if (item_object(stream->item))
        object_settle(keyspace, database_of(keyspace, db), item_object(stream->item));
    else
        make(stream);
}

void stream_close(struct collection *stream, uint64_t version) {
    if (stream->changed) {
        stream->item->version = version;
        ready_note(stream->keyspace, stream->db, stream->item);
    }
    keyspace_shut_place(stream->keyspace, stream->db, stream->slot, stream->changed, false);
    stream->item = NULL;
}

/* ---- nodes --- */

struct node {
    uint64_t entries, deleted, bytes;
    struct stream_id last; /* of the last entry that there was */
    uint64_t fields;
};

enum { NODE_FIXED = 4 + 4 + 8 + 16 + 4 };

static const char *read_node(const struct resp_arg *value, struct node *node) {
    const char *at = value->bytes;
    assert(value->length >= NODE_FIXED);
    at = stream_get(at, &node->entries, 4);
    at = stream_get(at, &node->deleted, 4);
    at = stream_get(at, &node->bytes, 8);
    at = stream_get(at, &node->last.ms, 8);
    at = stream_get(at, &node->last.seq, 8);
    return stream_get(at, &node->fields, 4);
}

static void write_node(const struct node *node, char *at) {
    at = stream_put(at, node->entries, 4);
    at = stream_put(at, node->deleted, 4);
    at = stream_put(at, node->bytes, 8);
    at = stream_put(at, node->last.ms, 8);
    at = stream_put(at, node->last.seq, 8);
    (void)stream_put(at, node->fields, 4);
}

/* The last node whose id is not behind this one; its id too. */
static bool find_node(const struct records *records, const struct stream_id *id, struct stream_id *node_id,
                      struct record *record) {
    struct stream_key key = stream_key_of_id(SPACE_NODE, id);
    struct resp_arg arg = stream_key_arg(&key);
    struct records_place place;
    bool there = records_find(records, &arg, &place);
    bool found = there ? records_next(records, &place, record) : records_previous(records, &place, record);
    if (!found || record->key.bytes[0] != SPACE_NODE)
        return false;
    *node_id = stream_read_id(record->key.bytes + 1);
    return true;
}

/* The first node whose id is not before this one. */
static bool find_node_from(const struct records *records, const struct stream_id *id,
                           struct stream_id *node_id, struct record *record) {
    struct stream_key key = stream_key_of_id(SPACE_NODE, id);
    struct resp_arg arg = stream_key_arg(&key);
    struct records_place place;
    (void)records_find(records, &arg, &place);
    if (!records_next(records, &place, record) || record->key.bytes[0] != SPACE_NODE)
        return false;
    *node_id = stream_read_id(record->key.bytes + 1);
    return true;
}

/* Puts other numbers into a node's record. */
static void change_node(struct collection *stream, const struct stream_id *id, const struct record *record,
                        const struct node *node) {
    struct stream_key key = stream_key_of_id(SPACE_NODE, id);
    struct resp_arg arg = stream_key_arg(&key);
    struct resp_buf value = {0};
    resp_buf_append(&value, record->value.bytes, record->value.length);
    write_node(node, value.bytes + value.start);
    struct resp_arg bytes = {resp_buf_bytes(&value), resp_buf_length(&value)};
    records_replace(stream, &arg, &bytes);
    resp_buf_close(&value);
}

size_t stream_nodes(const struct item *item) {
    const struct records *records = records_of(item);
    struct stream_key key = stream_key(SPACE_NODE);
    struct resp_arg arg = stream_key_arg(&key);
    struct records_place place;
    struct record record;
    size_t count = 0;
    (void)records_find(records, &arg, &place);
    while (records_next(records, &place, &record) && record.key.bytes[0] == SPACE_NODE)
        count++;
    return count;
}

/* ---- what an entry takes in Redis --- */

static uint64_t listpack_integer(int64_t value) {
    static const struct {
        int64_t low, high;
        unsigned size; /* with the byte that tells it to who reads backward */
    } sizes[] = {
        {0, 127, 2},
        {-4096, 4095, 3},
        {INT16_MIN, INT16_MAX, 4},
        {-8388608, 8388607, 5},
        {INT32_MIN, INT32_MAX, 6},
        {INT64_MIN, INT64_MAX, 10},
    };
    size_t i = 0;
    while (value < sizes[i].low || value > sizes[i].high)
        i++;
    return sizes[i].size;
}

static uint64_t listpack_value(const struct pack_value *value) {
    if (value->is_integer)
        return listpack_integer(value->integer);
    uint64_t length = value->text.length, size = length + (length < 64 ? 1 : length < 4096 ? 2 : 5);
    return size + (size <= 127 ? 1 : size < 16383 ? 2 : size < 2097151 ? 3 : size < 268435455 ? 4 : 5);
}

/* Every step-th argument, or all. */
static uint64_t listpack_args(const struct resp_arg *args, size_t count, size_t step) {
    uint64_t bytes = 0;
    for (size_t i = step - 1; i < count; i += step) {
        struct pack_value value = pack_value(&args[i]);
        bytes += listpack_value(&value);
    }
    return bytes;
}

static uint64_t listpack_node(const struct resp_arg *args, size_t count) {
    enum { FRAME = 7, COUNTS = 4, END = 2 };
    uint64_t bytes = FRAME + COUNTS + listpack_integer((int64_t)count / 2) + END;
    for (size_t i = 0; i < count; i += 2)
        bytes += listpack_args(&args[i], 1, 1);
    return bytes;
}

static uint64_t listpack_entry(const struct stream_id *node_id, const struct stream_id *id,
                               const struct resp_arg *args, size_t count, bool own_names) {
    enum { FLAGS = 2 };
    int64_t fields = (int64_t)count / 2;
    uint64_t bytes = FLAGS + listpack_integer((int64_t)(id->ms - node_id->ms)) +
                     listpack_integer((int64_t)(id->seq - node_id->seq));
    if (own_names)
        return bytes + listpack_integer(fields) + listpack_args(args, count, 1) +
               listpack_integer(fields * 2 + 4);
    return bytes + listpack_args(args, count, 2) + listpack_integer(fields + 3);
}

/* ---- adding --- */

static bool same_names(const char *names, uint64_t fields, const struct resp_arg *args, size_t count) {
    if (fields != count / 2)
        return false;
    for (size_t i = 0; i < count; i += 2, names = pack_next(names)) {
        struct pack_value name = pack_value(&args[i]);
        if (!pack_equal(names, &name))
            return false;
    }
    return true;
}

static void add_node(struct collection *stream, const struct stream_id *id, const struct resp_arg *args,
                     size_t count) {
    struct stream_key key = stream_key_of_id(SPACE_NODE, id);
    struct node node = {.entries = 1, .last = *id, .fields = count / 2};
    struct resp_arg arg = stream_key_arg(&key);
    struct resp_buf value = {0};
    char fixed[NODE_FIXED];
    node.bytes = listpack_node(args, count) + listpack_entry(id, id, args, count, false);
    write_node(&node, fixed);
    resp_buf_append(&value, fixed, sizeof fixed);
    for (size_t i = 0; i < count; i += 2) {
        struct pack_value name = pack_value(&args[i]);
        pack_append(&value, &name);
    }
    struct resp_arg bytes = {resp_buf_bytes(&value), resp_buf_length(&value)};
    records_add(stream, &arg, &bytes);
    resp_buf_close(&value);
}

/* Whether the node takes another entry; its names may serve it. */
static bool node_takes(const struct node *node, const struct resp_arg *args, size_t count) {
    uint64_t bytes = node->bytes;
    for (size_t i = 0; i < count; i++)
        bytes += args[i].length;
    return bytes < NODE_BYTES && node->entries + node->deleted < NODE_ENTRIES;
}

/* Counts the entry in the last node, or in a new one. Returns whether it has its own names. */
static bool enter_node(struct collection *stream, const struct stream_id *id, const struct resp_arg *args,
                       size_t count) {
    struct records *records = records_of(stream->item);
    struct stream_id node_id;
    struct record record;
    struct node node;
    bool there = find_node(records, &STREAM_ID_MAX, &node_id, &record);
    const char *names = there ? read_node(&record.value, &node) : NULL;
    if (!there || !node_takes(&node, args, count)) {
        add_node(stream, id, args, count);
        return false;
    }
    bool own_names = !same_names(names, node.fields, args, count);
    node.entries++;
    node.bytes += listpack_entry(&node_id, id, args, count, own_names);
    node.last = *id;
    change_node(stream, &node_id, &record, &node);
    return own_names;
}

void stream_add(struct collection *stream, const struct stream_id *id, const struct resp_arg *args,
                size_t count) {
    struct stream_head head = stream_head(stream->item);
    struct stream_key key = stream_key_of_id(SPACE_ENTRY, id);
    struct resp_arg arg = stream_key_arg(&key);
    struct resp_buf value = {0};
    assert(count > 0 && count % 2 == 0 && stream_id_compare(id, &head.last) > 0);
    bool own_names = enter_node(stream, id, args, count);
    struct pack_value first = pack_integer(own_names ? (int64_t)count / 2 : -1);
    pack_append(&value, &first);
    for (size_t i = own_names ? 0 : 1; i < count; i += own_names ? 1 : 2) {
        struct pack_value part = pack_value(&args[i]);
        pack_append(&value, &part);
    }
    struct resp_arg bytes = {resp_buf_bytes(&value), resp_buf_length(&value)};
    records_add(stream, &arg, &bytes);
    resp_buf_close(&value);
    head.length++;
    head.added++;
    head.last = *id;
    stream_set_head(stream, &head);
}

/* ---- removing --- */

bool stream_delete(struct collection *stream, const struct stream_id *id) {
    struct records *records = records_of(stream->item);
    struct stream_key key = stream_key_of_id(SPACE_ENTRY, id), node_key;
    struct resp_arg arg = stream_key_arg(&key);
    struct stream_id node_id;
    struct record record;
    struct node node;
    if (!records_remove(stream, &arg))
        return false;
    bool there = find_node(records, id, &node_id, &record);
    assert(there);
    (void)read_node(&record.value, &node);
    if (node.entries > 1) {
        node.entries--;
        node.deleted++;
        change_node(stream, &node_id, &record, &node);
    } else {
        node_key = stream_key_of_id(SPACE_NODE, &node_id);
        arg = stream_key_arg(&node_key);
        (void)records_remove(stream, &arg);
    }
    struct stream_head head = stream_head(stream->item);
    head.length--;
    if (stream_id_compare(id, &head.erased) > 0)
        head.erased = *id;
    stream_set_head(stream, &head);
    return true;
}

/* Removes the entries with from <= id < to. */
static uint64_t remove_entries(struct collection *stream, const struct stream_id *from,
                               const struct stream_id *to) {
    struct stream_key low = stream_key_of_id(SPACE_ENTRY, from);
    struct stream_key high = to ? stream_key_of_id(SPACE_ENTRY, to) : stream_key(SPACE_ENTRY + 1);
    struct resp_arg low_arg = stream_key_arg(&low), high_arg = stream_key_arg(&high);
    return records_remove_range(stream, &low_arg, &high_arg);
}

static void remove_node(struct collection *stream, const struct stream_id *id) {
    struct stream_key key = stream_key_of_id(SPACE_NODE, id);
    struct resp_arg arg = stream_key_arg(&key);
    struct stream_id behind = *id, next;
    struct record record;
    bool last =
        !stream_id_next(&behind) || !find_node_from(records_of(stream->item), &behind, &next, &record);
    (void)remove_entries(stream, id, last ? NULL : &next);
    (void)records_remove(stream, &arg);
}

/* The first entry of a node that is to stay. */
static struct stream_id first_to_stay(const struct collection *stream, const struct stream_id *node_id,
                                      const struct stream_trim *trim, uint64_t length) {
    struct stream_walk walk;
    struct stream_entry entry = {.id = *node_id};
    if (trim->by_id)
        return trim->id;
    stream_walk_begin(&walk, stream->item, node_id, &STREAM_ID_MAX, false);
    for (uint64_t left = length - trim->length + 1; left > 0; left--)
        if (!stream_walk_next(&walk, &entry))
            break;
    return entry.id;
}

/* Removes a part of the first node. */
static uint64_t trim_node(struct collection *stream, const struct stream_id *node_id, uint64_t length,
                          const struct stream_trim *trim) {
    struct stream_id stays = first_to_stay(stream, node_id, trim, length), id;
    struct record record;
    struct node node;
    if (stream_id_compare(&stays, node_id) <= 0)
        return 0;
    /* What was asked for may lie behind the node, when it has had entries that are deleted. */
    struct stream_id behind = *node_id, next;
    if (stream_id_next(&behind) && find_node_from(records_of(stream->item), &behind, &next, &record) &&
        stream_id_compare(&next, &stays) < 0)
        stays = next;
    uint64_t removed = remove_entries(stream, node_id, &stays);
    bool there = find_node(records_of(stream->item), node_id, &id, &record);
    assert(there);
    (void)read_node(&record.value, &node);
    node.entries -= removed;
    node.deleted += removed;
    if (removed > 0)
        change_node(stream, node_id, &record, &node);
    return removed;
}

uint64_t stream_trim(struct collection *stream, const struct stream_trim *trim) {
    struct stream_head head = stream_head(stream->item);
    uint64_t removed = 0;
    struct stream_id id;
    struct record record;
    struct node node;
    while ((trim->by_id || head.length > trim->length) &&
           find_node_from(records_of(stream->item), &STREAM_ID_MIN, &id, &record)) {
        (void)read_node(&record.value, &node);
        if (trim->limit > 0 && removed + node.entries > trim->limit)
            break;
        bool goes = trim->by_id ? stream_id_compare(&node.last, &trim->id) < 0
                                : head.length - trim->length >= node.entries;
        uint64_t count = node.entries;
        if (goes)
            remove_node(stream, &id);
        else
            count = trim->whole_nodes ? 0 : trim_node(stream, &id, head.length, trim);
        head.length -= count;
        removed += count;
        if (!goes)
            break;
    }
    stream_set_head(stream, &head);
    return removed;
}

/* ---- reading --- */

void stream_entry_field(struct stream_entry *entry, struct stream_field *field) {
    if (entry->own_names) {
        entry->values = pack_text(entry->values, &field->name, field->digits[0]);
    } else {
        entry->names = pack_text(entry->names, &field->name, field->digits[0]);
    }
    entry->values = pack_text(entry->values, &field->value, field->digits[1]);
}

void stream_walk_begin(struct stream_walk *walk, const struct item *item, const struct stream_id *low,
                       const struct stream_id *high, bool backward) {
    struct stream_id from = backward ? *high : *low;
    bool all = backward && !stream_id_next(&from); /* backward the place is behind the first one */
    struct stream_key key = all ? stream_key(SPACE_ENTRY + 1) : stream_key_of_id(SPACE_ENTRY, &from);
    struct resp_arg arg = stream_key_arg(&key);
    struct records_place place;
    (void)records_find(records_of(item), &arg, &place);
    *walk = (struct stream_walk){.item = item, .leaf = place.leaf, .at = place.at, .backward = backward};
    walk->low = *low;
    walk->high = *high;
}

/* The names of the node that an entry belongs to. */
static void learn_names(struct stream_walk *walk, const struct stream_id *id) {
    const struct records *records = records_of(walk->item);
    struct record record;
    struct node node;
    if (walk->names && stream_id_compare(id, &walk->node) >= 0 && stream_id_compare(id, &walk->behind) <= 0)
        return;
    bool there = find_node(records, id, &walk->node, &record);
    assert(there);
    walk->names = read_node(&record.value, &node);
    walk->fields = node.fields;
    walk->behind = node.last;
}

bool stream_walk_next(struct stream_walk *walk, struct stream_entry *entry) {
    struct records_place place = {walk->leaf, walk->at};
    const struct records *records = records_of(walk->item);
    struct record record;
    bool there =
        walk->backward ? records_previous(records, &place, &record) : records_next(records, &place, &record);
    if (!there || record.key.bytes[0] != SPACE_ENTRY)
        return false;
    *entry = (struct stream_entry){.id = stream_read_id(record.key.bytes + 1)};
    if (walk->backward ? stream_id_compare(&entry->id, &walk->low) < 0
                       : stream_id_compare(&entry->id, &walk->high) > 0)
        return false;
    walk->leaf = place.leaf;
    walk->at = place.at;
    struct pack_value first;
    entry->values = pack_read(record.value.bytes, &first);
    entry->own_names = first.integer >= 0;
    entry->fields = (size_t)first.integer;
    if (!entry->own_names) {
        learn_names(walk, &entry->id);
        entry->names = walk->names;
        entry->fields = walk->fields;
    }
    return true;
}

bool stream_find(const struct item *item, const struct stream_id *id, struct stream_entry *entry) {
    struct stream_walk walk;
    stream_walk_begin(&walk, item, id, id, false);
    return stream_walk_next(&walk, entry);
}

bool stream_edge(const struct item *item, bool last, struct stream_entry *entry) {
    struct stream_walk walk;
    stream_walk_begin(&walk, item, &STREAM_ID_MIN, &STREAM_ID_MAX, last);
    return stream_walk_next(&walk, entry);
}
