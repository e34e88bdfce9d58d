/* SPDX-License-Identifier: MIT */
/*
 * Who waits for which key, first come, first served.
 *
 *      queue (db 0, list, "jobs")    A ---- B ---- C
 *                                    |
 *      queue (db 0, list, "mails")   A ---- D
 *
 * A queue is there while somebody is in it. Who waits for several keys stands in several queues; one for lists and one for sorted sets
 * of the same name are two, for an element of one is nothing to those who want the other.
 *
 * Marked queues are to be looked at: something has happened to the key, or to the order of the queue. What a look costs follows the
 * marks, never the number of those who wait.
 */
#ifndef QUEUE_H
#define QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data/hash.h"
#include "data/keyspace.h"

struct wait; /* who waits; only its owner looks inside */

/* A place in a queue; it belongs to who waits. */
struct queue_place {
    struct queue *queue; /* NULL: none */
    struct wait *wait;
    struct queue_place *next, *previous;
};

struct queue {
    struct queue_place *first, *last;
    /* private */
    struct queue *chained;                       /* of the same bucket */
    struct queue *next_marked, *previous_marked; /* its neighbours among the marked */
    bool marked;
    uint64_t hash;
    unsigned db;
    enum value_type type;
    struct resp_arg key; /* its bytes are behind the struct */
};

struct queues {
    struct queue **buckets;
    size_t count, room; /* queues; buckets, a power of two */
    struct hash_key hash_key;
    struct queue *first_marked, *last_marked;
};

void queues_init(struct queues *queues, uint64_t k0,
                 uint64_t k1);            /* random numbers that clients do not know */
void queues_close(struct queues *queues); /* nobody waits any more */

/* NULL: nobody waits for that. */
struct queue *queue_find(const struct queues *queues, unsigned db, enum value_type type,
                         const struct resp_arg *key);
/* To the end of the queue. False: who waits is in it already, and nothing is done; only who has entered it last of all may ask twice. */
bool queue_enter(struct queues *queues, unsigned db, enum value_type type, const struct resp_arg *key,
                 struct wait *wait, struct queue_place *place);
/* The queue may be gone then. */
void queue_leave(struct queues *queues, struct queue_place *place);

void queue_mark(struct queues *queues, struct queue *queue);
void queue_unmark(struct queues *queues, struct queue *queue);
/* All, or those of one database: costs as much as there are queues. */
void queues_mark_all(struct queues *queues);
void queues_mark_database(struct queues *queues, unsigned db);
/* The first marked; NULL: none is. */
struct queue *queues_marked(const struct queues *queues);

#endif
