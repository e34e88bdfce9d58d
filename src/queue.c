/* SPDX-License-Identifier: MIT */
#include "queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 16 };

static void *allocate(size_t size) {
    void *bytes = calloc(1, size);
    if (!bytes)
        abort();
    return bytes;
}

void queues_init(struct queues *queues, uint64_t k0, uint64_t k1) {
    *queues = (struct queues){.hash_key = {k0, k1}};
}

void queues_close(struct queues *queues) {
    assert(queues->count == 0 && !queues->first_marked);
    free(queues->buckets);
    queues->buckets = NULL;
    queues->room = 0;
}

/* ---- the table ---------------------------------------------------------------------------------------------------- */

static struct queue **bucket_of(const struct queues *queues, uint64_t hash) {
    return &queues->buckets[hash & (queues->room - 1)];
}

static void resize(struct queues *queues, size_t room) {
    struct queue **old = queues->buckets;
    size_t old_room = queues->room;
    queues->buckets = allocate(room * sizeof(struct queue *));
    queues->room = room;
    for (size_t i = 0; i < old_room; i++)
        for (struct queue *queue = old[i], *next; queue; queue = next) {
            struct queue **bucket = bucket_of(queues, queue->hash);
            next = queue->chained;
            queue->chained = *bucket;
            *bucket = queue;
        }
    free(old);
}

static uint64_t hash_of(const struct queues *queues, unsigned db, enum value_type type,
                        const struct resp_arg *key) {
    uint64_t hash = hash_bytes(&queues->hash_key, key->bytes, key->length);
    return hash ^ ((uint64_t)db * 2 + (type == VALUE_ZSET)) * 0x9e3779b97f4a7c15;
}

static struct queue *find(const struct queues *queues, unsigned db, enum value_type type,
                          const struct resp_arg *key, uint64_t hash) {
    struct queue *queue = queues->room > 0 ? *bucket_of(queues, hash) : NULL;
    for (; queue; queue = queue->chained)
        if (queue->hash == hash && queue->db == db && queue->type == type &&
            queue->key.length == key->length &&
            (key->length == 0 || memcmp(queue->key.bytes, key->bytes, key->length) == 0))
            return queue;
    return NULL;
}

struct queue *queue_find(const struct queues *queues, unsigned db, enum value_type type,
                         const struct resp_arg *key) {
    return queues->count > 0 ? find(queues, db, type, key, hash_of(queues, db, type, key)) : NULL;
}

static struct queue *add(struct queues *queues, unsigned db, enum value_type type, const struct resp_arg *key,
                         uint64_t hash) {
    if (queues->count >= queues->room)
        resize(queues, queues->room > 0 ? queues->room * 2 : ROOM_MIN);
    struct queue *queue = allocate(sizeof *queue + key->length);
    char *bytes = (char *)(queue + 1);
    if (key->length > 0)
        memcpy(bytes, key->bytes, key->length);
    queue->hash = hash;
    queue->db = db;
    queue->type = type;
    queue->key = (struct resp_arg){bytes, key->length};
    struct queue **bucket = bucket_of(queues, hash);
    queue->chained = *bucket;
    *bucket = queue;
    queues->count++;
    return queue;
}

static void take_out(struct queues *queues, struct queue *queue) {
    struct queue **at = bucket_of(queues, queue->hash);
    while (*at != queue)
        at = &(*at)->chained;
    *at = queue->chained;
    queue_unmark(queues, queue);
    free(queue);
    queues->count--;
    if (queues->room > ROOM_MIN && queues->count * 8 < queues->room)
        resize(queues, queues->room / 2);
}

/* ---- places ------------------------------------------------------------------------------------------------------- */

bool queue_enter(struct queues *queues, unsigned db, enum value_type type, const struct resp_arg *key,
                 struct wait *wait, struct queue_place *place) {
    uint64_t hash = hash_of(queues, db, type, key);
    struct queue *queue = find(queues, db, type, key, hash);
    if (!queue)
        queue = add(queues, db, type, key, hash);
    else if (queue->last->wait == wait)
        return false;
    *place = (struct queue_place){.queue = queue, .wait = wait, .previous = queue->last};
    if (queue->last)
        queue->last->next = place;
    else
        queue->first = place;
    queue->last = place;
    return true;
}

void queue_leave(struct queues *queues, struct queue_place *place) {
    struct queue *queue = place->queue;
    assert(queue);
    if (place->next)
        place->next->previous = place->previous;
    else
        queue->last = place->previous;
    if (place->previous)
        place->previous->next = place->next;
    else
        queue->first = place->next;
    place->queue = NULL;
    if (!queue->first)
        take_out(queues, queue);
}

/* ---- marks -------------------------------------------------------------------------------------------------------- */

void queue_mark(struct queues *queues, struct queue *queue) {
    if (queue->marked)
        return;
    queue->marked = true;
    queue->next_marked = NULL;
    queue->previous_marked = queues->last_marked;
    if (queues->last_marked)
        queues->last_marked->next_marked = queue;
    else
        queues->first_marked = queue;
    queues->last_marked = queue;
}

void queue_unmark(struct queues *queues, struct queue *queue) {
    if (!queue->marked)
        return;
    queue->marked = false;
    if (queue->next_marked)
        queue->next_marked->previous_marked = queue->previous_marked;
    else
        queues->last_marked = queue->previous_marked;
    if (queue->previous_marked)
        queue->previous_marked->next_marked = queue->next_marked;
    else
        queues->first_marked = queue->next_marked;
}

static void mark_some(struct queues *queues, bool all, unsigned db) {
    for (size_t i = 0; i < queues->room; i++)
        for (struct queue *queue = queues->buckets[i]; queue; queue = queue->chained)
            if (all || queue->db == db)
                queue_mark(queues, queue);
}

void queues_mark_all(struct queues *queues) {
    mark_some(queues, true, 0);
}

void queues_mark_database(struct queues *queues, unsigned db) {
    mark_some(queues, false, db);
}

struct queue *queues_marked(const struct queues *queues) {
    return queues->first_marked;
}
