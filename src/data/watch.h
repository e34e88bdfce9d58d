/* SPDX-License-Identifier: MIT */
/*
 * Keys that somebody on this node watches (watch.c has the essay). The keyspace tells of each change that the log
 * makes; who watches is known to this node only, and nothing in the keyspace depends on it.
 */
#ifndef WATCH_H
#define WATCH_H

#include "keyspace.h"

struct watches; /* all of a node */

/* What one connection watches. All zeros is nothing. */
struct watcher {
    struct watch *first;
    size_t count;
    bool touched; /* one of them has changed since it was added */
};

/* One key, for those that look through a watcher's. */
struct watch {
    struct watch *next, *previous; /* in its bucket */
    struct watch *next_own;        /* of its watcher */
    struct watcher *watcher;
    uint64_t hash;
    unsigned db;
    bool present; /* the key was there */
    size_t length;
    char key[];
};

struct watches *watches_new(void);
void watches_free(struct watches *watches); /* nobody watches any more */
size_t watches_count(const struct watches *watches);
/* Adds a key as it is now; a key that is watched already stays as it was. */
void watcher_add(struct watches *watches, struct watcher *watcher, struct keyspace *keyspace, unsigned db,
                 const struct resp_arg *key);
void watcher_clear(struct watches *watches, struct watcher *watcher);
/* Bytes that it takes. */
size_t watcher_memory(const struct watcher *watcher);
static inline struct resp_arg watch_key(const struct watch *watch) {
    return (struct resp_arg){watch->key, watch->length};
}

/* The keyspace says: this key has changed. */
void watches_changed(struct watches *watches, unsigned db, const struct resp_arg *key);
/* The keyspace says: this database is about to be emptied, or exchanged for the other, as keys that are there are about to change. */
void watches_replaced(struct watches *watches, struct keyspace *keyspace, unsigned db, unsigned other);
/* Nobody can tell what has changed: the keyspace is another one. */
void watches_all_changed(struct watches *watches);

#endif
