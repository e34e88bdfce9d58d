/* SPDX-License-Identifier: MIT */
/*
 * What commands made happen, as values: messages published, and changes of keys that somebody wants to be told of. The keyspace and
 * the commands add to the list while they run; whoever ran them tells the subscribers and empties it. Classes that nobody
 * wants are not kept, so that a list without listeners costs a test of one word.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "../../resp/resp.h"

/* Classes of events, as notify-keyspace-events names them. */
enum event_class {
    EVENT_GENERIC = 1 << 0,    /* g: DEL, EXPIRE, RENAME ... */
    EVENT_STRING = 1 << 1,     /* $ */
    EVENT_LIST = 1 << 2,       /* l */
    EVENT_SET = 1 << 3,        /* s */
    EVENT_HASH = 1 << 4,       /* h */
    EVENT_ZSET = 1 << 5,       /* z */
    EVENT_EXPIRED = 1 << 6,    /* x: its time had come */
    EVENT_EVICTED = 1 << 7,    /* e: for maxmemory */
    EVENT_STREAM = 1 << 8,     /* t */
    EVENT_MODULE = 1 << 9,     /* d */
    EVENT_KEY_MISS = 1 << 10,  /* m: a read found no key; not among all */
    EVENT_NEW = 1 << 11,       /* n: a key that was not there; not among all */
    EVENT_ALL = (1 << 10) - 1, /* A */

    EVENT_TO_KEYSPACE = 1 << 16, /* K: published for the key */
    EVENT_TO_KEYEVENT = 1 << 17, /* E: published for the event */

    EVENT_MESSAGE = 1 << 20,       /* PUBLISH */
    EVENT_SHARD_MESSAGE = 1 << 21, /* SPUBLISH */
};

struct event {
    enum event_class class;
    const char *name; /* static: what happened to the key; of a message NULL */
    unsigned db;
    size_t at, key_length, value_length; /* in the list's bytes: the key or channel, then the message */
};

/* All zeros is an empty list that keeps nothing. */
struct events {
    unsigned wanted; /* classes that are kept */
    struct resp_buf bytes;
    struct event *list;
    size_t count, capacity;
};

/* `events` may be NULL. `name` is static. */
void events_add_key(struct events *events, enum event_class class, const char *name, unsigned db,
                    const struct resp_arg *key);
void events_add_message(struct events *events, enum event_class class, const struct resp_arg *channel,
                        const struct resp_arg *message);
/* How many there are, for events_cut. */
size_t events_count(const struct events *events);
/* Forgets all but the first `count`. */
void events_cut(struct events *events, size_t count);
/* Frees what the list owns. */
void events_close(struct events *events);

struct resp_arg event_key(const struct events *events, const struct event *event);
struct resp_arg event_message(const struct events *events, const struct event *event);

#endif
