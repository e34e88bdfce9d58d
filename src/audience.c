/* SPDX-License-Identifier: MIT */
#include "audience.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "data/glob.h"
#include "data/hash.h"

/* ---- a hash of what is linked into it ------------------------------------------------------------------------- */

struct link_in {
    struct link_in *next;
    uint64_t hash;
};

/* Chains in as many buckets as a power of two says. */
struct table {
    struct link_in **buckets;
    size_t size, count;
};

enum { TABLE_SIZE_MIN = 16 };

static void *checked(void *memory) {
    if (!memory)
        abort();
    return memory;
}

static struct link_in *table_first(const struct table *table, uint64_t hash) {
    return table->size > 0 ? table->buckets[hash & (table->size - 1)] : NULL;
}

static void link_add(struct table *table, struct link_in *link) {
    struct link_in **bucket = &table->buckets[link->hash & (table->size - 1)];
    link->next = *bucket;
    *bucket = link;
}

static void table_resize(struct table *table, size_t size) {
    struct table old = *table;
    table->buckets = checked(calloc(size, sizeof *table->buckets));
    table->size = size;
    for (size_t at = 0; at < old.size; at++)
        for (struct link_in *link = old.buckets[at], *next; link; link = next) {
            next = link->next;
            link_add(table, link);
        }
    free(old.buckets);
}

static void table_add(struct table *table, struct link_in *link) {
    if (table->count == table->size)
        table_resize(table, table->size ? 2 * table->size : TABLE_SIZE_MIN);
    link_add(table, link);
    table->count++;
}

static void table_remove(struct table *table, const struct link_in *link) {
    struct link_in **at = &table->buckets[link->hash & (table->size - 1)];
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    table->count--;
    if (table->size > TABLE_SIZE_MIN && table->count * 8 < table->size)
        table_resize(table, table->size / 2);
}

/* ---- topics and subscriptions ---------------------------------------------------------------------------------- */

/* Each begins with its link, so that one points to the other. */
struct topic_entry {
    struct link_in link;
    struct topic topic;
    char name[];
};

struct subscription_entry {
    struct link_in link;
    struct subscription subscription;
};

struct audience {
    struct hash_key key;
    struct table topics, subscriptions;
    struct topic *first[AUDIENCE_KINDS], *last[AUDIENCE_KINDS];
    size_t count[AUDIENCE_KINDS];
};

#define ENTRY(pointer, type, field) ((type *)(void *)((char *)(pointer)-offsetof(type, field)))

struct audience *audience_new(uint64_t k0, uint64_t k1) {
    struct audience *audience = checked(calloc(1, sizeof *audience));
    audience->key = (struct hash_key){k0, k1};
    return audience;
}

void audience_free(struct audience *audience) {
    if (!audience)
        return;
    assert(audience_is_empty(audience));
    free(audience->topics.buckets);
    free(audience->subscriptions.buckets);
    free(audience);
}

static uint64_t topic_hash(const struct audience *audience, enum audience_kind kind,
                           const struct resp_arg *name) {
    return hash_bytes(&audience->key, name->bytes, name->length) + kind;
}

static struct topic_entry *find_topic(const struct audience *audience, enum audience_kind kind,
                                      const struct resp_arg *name, uint64_t hash) {
    for (struct link_in *link = table_first(&audience->topics, hash); link; link = link->next) {
        struct topic_entry *entry = ENTRY(link, struct topic_entry, link);
        if (link->hash == hash && entry->topic.kind == kind && entry->topic.name.length == name->length &&
            (name->length == 0 || memcmp(entry->name, name->bytes, name->length) == 0))
            return entry;
    }
    return NULL;
}

static struct topic *add_topic(struct audience *audience, enum audience_kind kind,
                               const struct resp_arg *name, uint64_t hash) {
    struct topic_entry *entry = checked(calloc(1, sizeof *entry + name->length + 1));
    struct topic *topic = &entry->topic;
    entry->link.hash = hash;
    if (name->length > 0)
        memcpy(entry->name, name->bytes, name->length);
    entry->name[name->length] = '\0';
    *topic = (struct topic){.kind = kind, .name = {entry->name, name->length}};
    topic->previous = audience->last[kind];
    *(topic->previous ? &topic->previous->next : &audience->first[kind]) = topic;
    audience->last[kind] = topic;
    audience->count[kind]++;
    table_add(&audience->topics, &entry->link);
    return topic;
}

static void remove_topic(struct audience *audience, struct topic *topic) {
    struct topic_entry *entry = ENTRY(topic, struct topic_entry, topic);
    enum audience_kind kind = topic->kind;
    assert(topic->count == 0);
    *(topic->previous ? &topic->previous->next : &audience->first[kind]) = topic->next;
    *(topic->next ? &topic->next->previous : &audience->last[kind]) = topic->previous;
    audience->count[kind]--;
    table_remove(&audience->topics, &entry->link);
    free(entry);
}

static uint64_t subscription_hash(const struct audience *audience, const struct topic *topic,
                                  const struct subscriber *subscriber) {
    const uintptr_t both[] = {(uintptr_t)topic, (uintptr_t)subscriber};
    return hash_bytes(&audience->key, both, sizeof both);
}

static struct subscription *find_subscription(const struct audience *audience, const struct topic *topic,
                                              const struct subscriber *subscriber, uint64_t hash) {
    for (struct link_in *link = table_first(&audience->subscriptions, hash); link; link = link->next) {
        struct subscription *found = &ENTRY(link, struct subscription_entry, link)->subscription;
        if (found->topic == topic && found->subscriber == subscriber)
            return found;
    }
    return NULL;
}

static void remove_subscription(struct audience *audience, struct subscription *subscription) {
    struct subscription_entry *entry = ENTRY(subscription, struct subscription_entry, subscription);
    struct topic *topic = subscription->topic;
    struct subscriber *subscriber = subscription->subscriber;
    struct subscription *next = subscription->next_of_topic, *previous = subscription->previous_of_topic;
    *(previous ? &previous->next_of_topic : &topic->first) = next;
    *(next ? &next->previous_of_topic : &topic->last) = previous;
    next = subscription->next_of_subscriber, previous = subscription->previous_of_subscriber;
    *(previous ? &previous->next_of_subscriber : &subscriber->first[topic->kind]) = next;
    *(next ? &next->previous_of_subscriber : &subscriber->last[topic->kind]) = previous;
    subscriber->count[topic->kind]--;
    table_remove(&audience->subscriptions, &entry->link);
    free(entry);
    if (--topic->count == 0)
        remove_topic(audience, topic);
}

bool audience_join(struct audience *audience, struct subscriber *subscriber, enum audience_kind kind,
                   const struct resp_arg *name) {
    uint64_t hash = topic_hash(audience, kind, name);
    struct topic_entry *known = find_topic(audience, kind, name, hash);
    struct topic *topic = known ? &known->topic : add_topic(audience, kind, name, hash);
    hash = subscription_hash(audience, topic, subscriber);
    if (known && find_subscription(audience, topic, subscriber, hash))
        return false;
    struct subscription_entry *entry = checked(calloc(1, sizeof *entry));
    struct subscription *subscription = &entry->subscription;
    entry->link.hash = hash;
    *subscription = (struct subscription){.topic = topic,
                                          .subscriber = subscriber,
                                          .previous_of_topic = topic->last,
                                          .previous_of_subscriber = subscriber->last[kind]};
    *(topic->last ? &topic->last->next_of_topic : &topic->first) = subscription;
    topic->last = subscription;
    *(subscriber->last[kind] ? &subscriber->last[kind]->next_of_subscriber : &subscriber->first[kind]) =
        subscription;
    subscriber->last[kind] = subscription;
    topic->count++;
    subscriber->count[kind]++;
    table_add(&audience->subscriptions, &entry->link);
    return true;
}

bool audience_leave(struct audience *audience, struct subscriber *subscriber, enum audience_kind kind,
                    const struct resp_arg *name) {
    struct topic_entry *entry = find_topic(audience, kind, name, topic_hash(audience, kind, name));
    if (!entry)
        return false;
    struct topic *topic = &entry->topic;
    struct subscription *subscription =
        find_subscription(audience, topic, subscriber, subscription_hash(audience, topic, subscriber));
    if (subscription)
        remove_subscription(audience, subscription);
    return subscription != NULL;
}

void audience_leave_all(struct audience *audience, struct subscriber *subscriber) {
    for (unsigned kind = 0; kind < AUDIENCE_KINDS; kind++)
        while (subscriber->first[kind])
            remove_subscription(audience, subscriber->first[kind]);
    assert(!subscriber_listens(subscriber));
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

const struct topic *audience_find(const struct audience *audience, enum audience_kind kind,
                                  const struct resp_arg *name) {
    struct topic_entry *entry = find_topic(audience, kind, name, topic_hash(audience, kind, name));
    return entry ? &entry->topic : NULL;
}

const struct topic *audience_first(const struct audience *audience, enum audience_kind kind) {
    return audience->first[kind];
}

size_t audience_topics(const struct audience *audience, enum audience_kind kind) {
    return audience->count[kind];
}

bool audience_is_empty(const struct audience *audience) {
    return audience->topics.count == 0;
}

size_t audience_receivers(const struct audience *audience, enum audience_kind kind,
                          const struct resp_arg *channel) {
    assert(kind != AUDIENCE_PATTERN);
    const struct topic *topic = audience_find(audience, kind, channel);
    size_t receivers = topic ? topic->count : 0;
    if (kind == AUDIENCE_CHANNEL)
        for (topic = audience->first[AUDIENCE_PATTERN]; topic; topic = topic->next)
            if (glob_match(&topic->name, channel))
                receivers += topic->count;
    return receivers;
}

bool subscriber_listens(const struct subscriber *subscriber) {
    for (unsigned kind = 0; kind < AUDIENCE_KINDS; kind++)
        if (subscriber->count[kind] > 0)
            return true;
    return false;
}
