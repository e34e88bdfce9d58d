/* SPDX-License-Identifier: MIT */
/*
 * Streams as values of keys: entries in the order of their ids. streams.h has their groups. Opened and closed for a change as other
 * collections are (collection.h), but by the calls here: a stream that is empty stays.
 */
#ifndef STREAM_H
#define STREAM_H

#include "collection.h"

struct stream_id {
    uint64_t ms, seq;
};

#define STREAM_ID_MIN ((struct stream_id){0, 0})
#define STREAM_ID_MAX ((struct stream_id){UINT64_MAX, UINT64_MAX})

int stream_id_compare(const struct stream_id *a, const struct stream_id *b);
/* The next one, the one before; false, and nothing is changed, when there is none. */
bool stream_id_next(struct stream_id *id);
bool stream_id_previous(struct stream_id *id);

struct stream_head {
    uint64_t length;         /* entries that are there */
    struct stream_id last;   /* the largest id that it ever had, or was told to have had */
    struct stream_id erased; /* the largest one of an entry that was deleted by its id */
    uint64_t added;          /* entries that there ever were */
    uint64_t numbers;        /* of its groups and consumers: the last one that was given */
};

struct stream_head stream_head(const struct item *item);
/* How many nodes of entries it counts as: see stream_trim. */
size_t stream_nodes(const struct item *item);

/* ---- reading --- */

struct stream_entry {
    struct stream_id id;
    size_t fields; /* pairs of a name and a value */
    /* private */
    const char *names, *values;
    bool own_names;
};

/* Not to be copied. */
struct stream_field {
    struct resp_arg name, value;
    char digits[2][24];
};

/* The next field of an entry; at most entry->fields times. */
void stream_entry_field(struct stream_entry *entry, struct stream_field *field);

/* A walk over the entries from `low` to `high`, both included. No change may come between. */
struct stream_walk {
    /* private */
    const struct item *item;
    size_t leaf, at;
    struct stream_id low, high, node, behind;
    const char *names;
    size_t fields;
    bool backward;
};
void stream_walk_begin(struct stream_walk *walk, const struct item *item, const struct stream_id *low,
                       const struct stream_id *high, bool backward);
bool stream_walk_next(struct stream_walk *walk, struct stream_entry *entry);
bool stream_find(const struct item *item, const struct stream_id *id, struct stream_entry *entry);
/* The first entry, the last one; false when there is none. */
bool stream_edge(const struct item *item, bool last, struct stream_entry *entry);

/* ---- changing --- */

/* The key must be a stream's, or not be there. */
void stream_open(struct collection *stream, struct keyspace *keyspace, unsigned db,
                 const struct resp_arg *key);
void stream_close(struct collection *stream, uint64_t version);
void stream_set_head(struct collection *stream, const struct stream_head *head);

/* An entry with an id that is larger than all before it: `count` arguments, a name and a value in turn. */
void stream_add(struct collection *stream, const struct stream_id *id, const struct resp_arg *args,
                size_t count);
/* False: it was not there. */
bool stream_delete(struct collection *stream, const struct stream_id *id);

struct stream_trim {
    bool by_id; /* removes what is before `id`; else what is more than `length` */
    uint64_t length;
    struct stream_id id;
    bool whole_nodes; /* removes only entries whose whole node goes, */
    uint64_t limit;   /* and at most so many; 0: any number */
};
/* Returns how many entries were removed. */
uint64_t stream_trim(struct collection *stream, const struct stream_trim *trim);

#endif
