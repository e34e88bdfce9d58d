/* SPDX-License-Identifier: MIT */
/*
 * Groups as records of their stream (stream_keys.h says which). What is pending is there twice: by id, with everything, and by consumer and id, with
 * nothing: so both lists of it can be walked in their order. Groups and consumers go by numbers in all other records, so that these are
 * short whatever the names are; a number is never given twice in a stream.
 */
#include "groups.h"

#include "internal.h"
#include "stream_keys.h"

enum { GROUP_BYTES = 48, CONSUMER_BYTES = 24, PENDING_BYTES = 24 };

/* ---- keys --- */

static struct stream_key key_of(char space, uint64_t group) {
    struct stream_key key = stream_key(space);
    stream_key_number(&key, group);
    return key;
}

static struct stream_key pending_key(uint64_t group, const struct stream_id *id) {
    struct stream_key key = key_of(SPACE_PENDING, group);
    stream_key_id(&key, id);
    return key;
}

static struct stream_key pending_of_key(uint64_t group, uint64_t consumer, const struct stream_id *id) {
    struct stream_key key = key_of(SPACE_PENDING_OF, group);
    stream_key_number(&key, consumer);
    stream_key_id(&key, id);
    return key;
}

/* A key that ends with a name. */
static struct resp_arg named_key(const struct stream_key *prefix, const struct resp_arg *name,
                                 struct resp_buf *room) {
    resp_buf_append(room, prefix->bytes, prefix->length);
    resp_buf_append(room, name->bytes, name->length);
    return (struct resp_arg){resp_buf_bytes(room), resp_buf_length(room)};
}

static bool find_value(const struct item *item, const struct resp_arg *key, struct resp_arg *value) {
    struct records_place place;
    struct record record;
    if (!records_find(records_of(item), key, &place) || !records_next(records_of(item), &place, &record))
        return false;
    *value = record.value;
    return true;
}

static bool find_named(const struct item *item, const struct stream_key *prefix, const struct resp_arg *name,
                       struct resp_arg *value) {
    struct resp_buf room = {0};
    struct resp_arg key = named_key(prefix, name, &room);
    bool found = find_value(item, &key, value);
    resp_buf_close(&room);
    return found;
}

typedef void change_record(struct collection *stream, const struct resp_arg *key,
                           const struct resp_arg *value);

static void put_named(struct collection *stream, change_record *change, const struct stream_key *prefix,
                      const struct resp_arg *name, const char *bytes, size_t length) {
    struct resp_buf room = {0};
    struct resp_arg key = named_key(prefix, name, &room), value = {bytes, length};
    change(stream, &key, &value);
    resp_buf_close(&room);
}

static void remove_named(struct collection *stream, const struct stream_key *prefix,
                         const struct resp_arg *name) {
    struct resp_buf room = {0};
    struct resp_arg key = named_key(prefix, name, &room);
    bool removed = records_remove(stream, &key);
    assert(removed);
    resp_buf_close(&room);
}

/* Removes the records whose keys begin so, the last number of it being `last`. */
static void remove_prefix(struct collection *stream, const struct stream_key *parent, uint64_t last) {
    struct stream_key low = *parent, high = *parent;
    stream_key_number(&low, last);
    stream_key_number(&high, last + 1);
    struct resp_arg from = stream_key_arg(&low), to = stream_key_arg(&high);
    (void)records_remove_range(stream, &from, &to);
}

static uint64_t take_number(struct collection *stream) {
    struct stream_head head = stream_head(stream->item);
    head.numbers++;
    stream_set_head(stream, &head);
    return head.numbers;
}

/* ---- groups --- */

static void read_group(const struct resp_arg *value, struct group *group) {
    uint64_t read;
    const char *at = value->bytes;
    assert(value->length == GROUP_BYTES);
    at = stream_get(at, &group->number, 8);
    at = stream_get(at, &group->last.ms, 8);
    at = stream_get(at, &group->last.seq, 8);
    at = stream_get(at, &read, 8);
    at = stream_get(at, &group->pending, 8);
    (void)stream_get(at, &group->consumers, 8);
    group->read = (int64_t)read;
}

static void write_group(struct collection *stream, change_record *change, const struct resp_arg *name,
                        const struct group *group) {
    struct stream_key prefix = stream_key(SPACE_GROUP);
    char bytes[GROUP_BYTES], *at = bytes;
    at = stream_put(at, group->number, 8);
    at = stream_put(at, group->last.ms, 8);
    at = stream_put(at, group->last.seq, 8);
    at = stream_put(at, (uint64_t)group->read, 8);
    at = stream_put(at, group->pending, 8);
    (void)stream_put(at, group->consumers, 8);
    put_named(stream, change, &prefix, name, bytes, sizeof bytes);
}

bool group_find(const struct item *item, const struct resp_arg *name, struct group *group) {
    struct stream_key prefix = stream_key(SPACE_GROUP);
    struct resp_arg value;
    if (!find_named(item, &prefix, name, &value))
        return false;
    read_group(&value, group);
    return true;
}

void group_create(struct collection *stream, const struct resp_arg *name, const struct stream_id *last,
                  int64_t read) {
    struct group group = {.number = take_number(stream), .last = *last, .read = read};
    write_group(stream, records_add, name, &group);
}

void group_save(struct collection *stream, const struct resp_arg *name, const struct group *group) {
    write_group(stream, records_replace, name, group);
}

void group_destroy(struct collection *stream, const struct resp_arg *name, const struct group *group) {
    static const char spaces[] = {SPACE_CONSUMER, SPACE_CONSUMER_NAME, SPACE_PENDING, SPACE_PENDING_OF};
    struct stream_key prefix = stream_key(SPACE_GROUP);
    for (size_t i = 0; i < sizeof spaces; i++) {
        struct stream_key space = stream_key(spaces[i]);
        remove_prefix(stream, &space, group->number);
    }
    remove_named(stream, &prefix, name);
}

/* ---- walks --- */

static void walk_begin(struct group_walk *walk, const struct item *item, const struct stream_key *from) {
    struct resp_arg key = stream_key_arg(from);
    struct records_place place;
    (void)records_find(records_of(item), &key, &place);
    *walk = (struct group_walk){.item = item, .leaf = place.leaf, .at = place.at};
}

/* The next record whose key begins with the walk's prefix. */
static bool walk_next(struct group_walk *walk, const struct stream_key *prefix, struct record *record) {
    struct records_place place = {walk->leaf, walk->at};
    if (!records_next(records_of(walk->item), &place, record) || record->key.length < prefix->length ||
        memcmp(record->key.bytes, prefix->bytes, prefix->length) != 0)
        return false;
    walk->leaf = place.leaf;
    walk->at = place.at;
    return true;
}

void groups_begin(struct group_walk *walk, const struct item *item) {
    struct stream_key prefix = stream_key(SPACE_GROUP);
    walk_begin(walk, item, &prefix);
}

bool groups_next(struct group_walk *walk, struct resp_arg *name, struct group *group) {
    struct stream_key prefix = stream_key(SPACE_GROUP);
    struct record record;
    if (!walk_next(walk, &prefix, &record))
        return false;
    *name = (struct resp_arg){record.key.bytes + prefix.length, record.key.length - prefix.length};
    read_group(&record.value, group);
    return true;
}

size_t groups_count(const struct item *item) {
    struct group_walk walk;
    struct resp_arg name;
    struct group group;
    size_t count = 0;
    for (groups_begin(&walk, item); groups_next(&walk, &name, &group);)
        count++;
    return count;
}

/* ---- consumers --- */

static void read_consumer(const struct resp_arg *value, struct consumer *consumer) {
    const char *at = value->bytes;
    assert(value->length == CONSUMER_BYTES);
    at = stream_get(at, &consumer->number, 8);
    at = stream_get(at, &consumer->seen_ms, 8);
    (void)stream_get(at, &consumer->pending, 8);
}

static void write_consumer(struct collection *stream, change_record *change, const struct group *group,
                           const struct resp_arg *name, const struct consumer *consumer) {
    struct stream_key prefix = key_of(SPACE_CONSUMER, group->number);
    char bytes[CONSUMER_BYTES], *at = bytes;
    at = stream_put(at, consumer->number, 8);
    at = stream_put(at, consumer->seen_ms, 8);
    (void)stream_put(at, consumer->pending, 8);
    put_named(stream, change, &prefix, name, bytes, sizeof bytes);
}

bool consumer_find(const struct item *item, const struct group *group, const struct resp_arg *name,
                   struct consumer *consumer) {
    struct stream_key prefix = key_of(SPACE_CONSUMER, group->number);
    struct resp_arg value;
    if (!find_named(item, &prefix, name, &value))
        return false;
    read_consumer(&value, consumer);
    return true;
}

static struct stream_key consumer_name_key(const struct group *group, uint64_t number) {
    struct stream_key key = key_of(SPACE_CONSUMER_NAME, group->number);
    stream_key_number(&key, number);
    return key;
}

void consumer_by_number(const struct item *item, const struct group *group, uint64_t number,
                        struct resp_arg *name, struct consumer *consumer) {
    struct stream_key key = consumer_name_key(group, number);
    struct resp_arg arg = stream_key_arg(&key);
    bool found = find_value(item, &arg, name) && consumer_find(item, group, name, consumer);
    assert(found);
}

void consumer_create(struct collection *stream, struct group *group, const struct resp_arg *name,
                     uint64_t seen_ms, struct consumer *consumer) {
    *consumer = (struct consumer){.number = take_number(stream), .seen_ms = seen_ms};
    struct stream_key key = consumer_name_key(group, consumer->number);
    struct resp_arg arg = stream_key_arg(&key);
    records_add(stream, &arg, name);
    write_consumer(stream, records_add, group, name, consumer);
    group->consumers++;
}

void consumer_save(struct collection *stream, const struct group *group, const struct resp_arg *name,
                   const struct consumer *consumer) {
    write_consumer(stream, records_replace, group, name, consumer);
}

/* All that is pending of a consumer. A walk does not survive a change: some are gathered, and then removed. */
static void remove_all(struct collection *stream, struct group *group, const struct consumer *consumer) {
    enum { SOME = 256 };
    struct stream_id ids[SOME];
    struct consumer left = *consumer;
    struct group_walk walk;
    struct pending pending;
    size_t count;
    do {
        pending_begin(&walk, stream->item, group, consumer, &STREAM_ID_MIN);
        for (count = 0; count < SOME && pending_next(&walk, &pending); count++)
            ids[count] = pending.id;
        for (size_t i = 0; i < count; i++)
            pending_remove(stream, group, &left, &ids[i]);
    } while (count == SOME);
}

void consumer_delete(struct collection *stream, struct group *group, const struct resp_arg *name,
                     const struct consumer *consumer) {
    struct stream_key key = consumer_name_key(group, consumer->number);
    struct stream_key prefix = key_of(SPACE_CONSUMER, group->number);
    struct resp_arg arg = stream_key_arg(&key);
    remove_all(stream, group, consumer);
    (void)records_remove(stream, &arg);
    remove_named(stream, &prefix, name);
    group->consumers--;
}

void consumers_begin(struct group_walk *walk, const struct item *item, const struct group *group) {
    struct stream_key prefix = key_of(SPACE_CONSUMER, group->number);
    walk_begin(walk, item, &prefix);
    walk->group = group->number;
}

bool consumers_next(struct group_walk *walk, struct resp_arg *name, struct consumer *consumer) {
    struct stream_key prefix = key_of(SPACE_CONSUMER, walk->group);
    struct record record;
    if (!walk_next(walk, &prefix, &record))
        return false;
    *name = (struct resp_arg){record.key.bytes + prefix.length, record.key.length - prefix.length};
    read_consumer(&record.value, consumer);
    return true;
}

/* ---- pending entries --- */

static void read_pending(const struct resp_arg *value, struct pending *pending) {
    const char *at = value->bytes;
    assert(value->length == PENDING_BYTES);
    at = stream_get(at, &pending->consumer, 8);
    at = stream_get(at, &pending->delivered_ms, 8);
    (void)stream_get(at, &pending->times, 8);
}

static void write_pending(struct collection *stream, change_record *change, const struct group *group,
                          const struct pending *pending) {
    struct stream_key key = pending_key(group->number, &pending->id);
    struct resp_arg arg = stream_key_arg(&key);
    char bytes[PENDING_BYTES], *at = bytes;
    at = stream_put(at, pending->consumer, 8);
    at = stream_put(at, pending->delivered_ms, 8);
    (void)stream_put(at, pending->times, 8);
    struct resp_arg value = {bytes, sizeof bytes};
    change(stream, &arg, &value);
}

bool pending_find(const struct item *item, const struct group *group, const struct stream_id *id,
                  struct pending *pending) {
    struct stream_key key = pending_key(group->number, id);
    struct resp_arg arg = stream_key_arg(&key), value;
    if (!find_value(item, &arg, &value))
        return false;
    pending->id = *id;
    read_pending(&value, pending);
    return true;
}

static void list_for(struct collection *stream, const struct group *group, const struct consumer *consumer,
                     const struct stream_id *id) {
    struct stream_key key = pending_of_key(group->number, consumer->number, id);
    struct resp_arg arg = stream_key_arg(&key), nothing = {"", 0};
    records_add(stream, &arg, &nothing);
}

static void unlist_for(struct collection *stream, const struct group *group, const struct consumer *consumer,
                       const struct stream_id *id) {
    struct stream_key key = pending_of_key(group->number, consumer->number, id);
    struct resp_arg arg = stream_key_arg(&key);
    bool removed = records_remove(stream, &arg);
    assert(removed);
}

void pending_add(struct collection *stream, struct group *group, struct consumer *consumer,
                 struct pending *pending) {
    pending->consumer = consumer->number;
    write_pending(stream, records_add, group, pending);
    list_for(stream, group, consumer, &pending->id);
    group->pending++;
    consumer->pending++;
}

void pending_save(struct collection *stream, const struct group *group, const struct pending *pending) {
    write_pending(stream, records_replace, group, pending);
}

void pending_move(struct collection *stream, const struct group *group, struct consumer *from,
                  struct consumer *to, struct pending *pending) {
    assert(pending->consumer == from->number && from->number != to->number);
    unlist_for(stream, group, from, &pending->id);
    list_for(stream, group, to, &pending->id);
    pending->consumer = to->number;
    pending_save(stream, group, pending);
    from->pending--;
    to->pending++;
}

void pending_remove(struct collection *stream, struct group *group, struct consumer *consumer,
                    const struct stream_id *id) {
    struct stream_key key = pending_key(group->number, id);
    struct resp_arg arg = stream_key_arg(&key);
    bool removed = records_remove(stream, &arg);
    assert(removed);
    unlist_for(stream, group, consumer, id);
    group->pending--;
    consumer->pending--;
}

void pending_begin(struct group_walk *walk, const struct item *item, const struct group *group,
                   const struct consumer *consumer, const struct stream_id *low) {
    struct stream_key from =
        consumer ? pending_of_key(group->number, consumer->number, low) : pending_key(group->number, low);
    walk_begin(walk, item, &from);
    walk->group = group->number;
    walk->consumer = consumer ? consumer->number : 0;
}

bool pending_next(struct group_walk *walk, struct pending *pending) {
    struct stream_key prefix = key_of(walk->consumer ? SPACE_PENDING_OF : SPACE_PENDING, walk->group);
    struct record record;
    if (walk->consumer)
        stream_key_number(&prefix, walk->consumer);
    if (!walk_next(walk, &prefix, &record))
        return false;
    pending->id = stream_read_id(record.key.bytes + prefix.length);
    if (walk->consumer) {
        struct group group = {.number = walk->group};
        bool found = pending_find(walk->item, &group, &pending->id, pending);
        assert(found);
    } else {
        read_pending(&record.value, pending);
    }
    return true;
}

bool pending_last(const struct item *item, const struct group *group, struct pending *pending) {
    struct stream_key key = key_of(SPACE_PENDING, group->number + 1);
    struct stream_key prefix = key_of(SPACE_PENDING, group->number);
    struct resp_arg arg = stream_key_arg(&key);
    struct records_place place;
    struct record record;
    (void)records_find(records_of(item), &arg, &place);
    if (!records_previous(records_of(item), &place, &record) || record.key.length < prefix.length ||
        memcmp(record.key.bytes, prefix.bytes, prefix.length) != 0)
        return false;
    pending->id = stream_read_id(record.key.bytes + prefix.length);
    read_pending(&record.value, pending);
    return true;
}
