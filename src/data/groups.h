/* SPDX-License-Identifier: MIT */
/*
 * Groups of consumers of a stream. A group and a consumer are read as values; what happens to pending entries keeps the counts in them
 * up to date, and they are written back once all is done:
 *
 *     group_find(stream.item, &name, &group);
 *     consumer_find(stream.item, &group, &reader, &consumer);
 *     pending_add(&stream, &group, &consumer, &pending);           any number of changes
 *     consumer_save(&stream, &group, &reader, &consumer);
 *     group_save(&stream, &name, &group);
 */
#ifndef GROUPS_H
#define GROUPS_H

#include "stream.h"

enum { GROUP_READ_UNKNOWN = -1 };

struct group {
    uint64_t number;       /* nothing that a caller should show */
    struct stream_id last; /* of the last entry that was delivered */
    int64_t read;          /* entries up to that one that there ever were, or GROUP_READ_UNKNOWN */
    uint64_t pending, consumers;
};

struct consumer {
    uint64_t number;
    uint64_t seen_ms; /* when it asked last */
    uint64_t pending;
};

/* An entry that was delivered, and not acknowledged. */
struct pending {
    struct stream_id id;
    uint64_t consumer; /* its number */
    uint64_t delivered_ms;
    uint64_t times; /* that it was delivered */
};

/* ---- groups --- */

bool group_find(const struct item *item, const struct resp_arg *name, struct group *group);
/* One that is not there yet. */
void group_create(struct collection *stream, const struct resp_arg *name, const struct stream_id *last,
                  int64_t read);
void group_save(struct collection *stream, const struct resp_arg *name, const struct group *group);
/* With its consumers, and what is pending. */
void group_destroy(struct collection *stream, const struct resp_arg *name, const struct group *group);
size_t groups_count(const struct item *item);

/* A walk over groups, or the consumers of one, by their names' bytes; or over pending entries by their ids. No change may come between. */
struct group_walk {
    /* private */
    const struct item *item;
    size_t leaf, at;
    uint64_t group, consumer;
};
void groups_begin(struct group_walk *walk, const struct item *item);
bool groups_next(struct group_walk *walk, struct resp_arg *name, struct group *group);

/* ---- consumers --- */

bool consumer_find(const struct item *item, const struct group *group, const struct resp_arg *name,
                   struct consumer *consumer);
/* The one with a number. */
void consumer_by_number(const struct item *item, const struct group *group, uint64_t number,
                        struct resp_arg *name, struct consumer *consumer);
void consumer_create(struct collection *stream, struct group *group, const struct resp_arg *name,
                     uint64_t seen_ms, struct consumer *consumer);
void consumer_save(struct collection *stream, const struct group *group, const struct resp_arg *name,
                   const struct consumer *consumer);
/* With what is pending. */
void consumer_delete(struct collection *stream, struct group *group, const struct resp_arg *name,
                     const struct consumer *consumer);
void consumers_begin(struct group_walk *walk, const struct item *item, const struct group *group);
bool consumers_next(struct group_walk *walk, struct resp_arg *name, struct consumer *consumer);

/* ---- pending entries --- */

bool pending_find(const struct item *item, const struct group *group, const struct stream_id *id,
                  struct pending *pending);
/* One that is not pending yet; the consumer's number is put into it. */
void pending_add(struct collection *stream, struct group *group, struct consumer *consumer,
                 struct pending *pending);
/* Delivered again, to the same consumer. */
void pending_save(struct collection *stream, const struct group *group, const struct pending *pending);
/* From a consumer to another; which of both counts are written back is the caller's matter. */
void pending_move(struct collection *stream, const struct group *group, struct consumer *from,
                  struct consumer *to, struct pending *pending);
void pending_remove(struct collection *stream, struct group *group, struct consumer *consumer,
                    const struct stream_id *id);
/* Of a group, from `low` on; of one consumer, unless it is NULL. */
void pending_begin(struct group_walk *walk, const struct item *item, const struct group *group,
                   const struct consumer *consumer, const struct stream_id *low);
bool pending_next(struct group_walk *walk, struct pending *pending);
/* The last one; false when there is none. */
bool pending_last(const struct item *item, const struct group *group, struct pending *pending);

#endif
