/* SPDX-License-Identifier: MIT */
/*
 * Who listens to what on this node: channels, patterns and shard channels with their subscribers. A subscriber is a part of a session;
 * all that is known here is how to find those who want a message, and what each of them has asked for.
 *
 *     topics          a hash by (kind, name); a list for each kind
 *        |
 *     subscriptions   a list for each topic, in the order in which they were made; a list for each subscriber;
 *        |            a hash by (topic, subscriber), so that leaving is as quick as joining
 *     subscribers
 */
#ifndef AUDIENCE_H
#define AUDIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../resp/resp.h"

enum audience_kind { AUDIENCE_CHANNEL, AUDIENCE_PATTERN, AUDIENCE_SHARD, AUDIENCE_KINDS };

struct audience;

/* One who listens. All zeros listens to nothing; it must not move while it listens to anything. */
struct subscriber {
    struct subscription *first[AUDIENCE_KINDS], *last[AUDIENCE_KINDS];
    size_t count[AUDIENCE_KINDS];
};

/* What is listened to; there while anybody does. */
struct topic {
    struct topic *next, *previous; /* of its kind, the oldest first */
    enum audience_kind kind;
    struct resp_arg name;              /* a zero byte follows */
    struct subscription *first, *last; /* the oldest first */
    size_t count;
};

struct subscription {
    struct topic *topic;
    struct subscriber *subscriber;
    struct subscription *next_of_topic, *previous_of_topic;
    struct subscription *next_of_subscriber, *previous_of_subscriber;
};

/* The two words are random and known to nobody else: clients choose the names. */
struct audience *audience_new(uint64_t k0, uint64_t k1);
void audience_free(struct audience *audience);
/* Each returns whether that changed anything. */
bool audience_join(struct audience *audience, struct subscriber *subscriber, enum audience_kind kind,
                   const struct resp_arg *name);
bool audience_leave(struct audience *audience, struct subscriber *subscriber, enum audience_kind kind,
                    const struct resp_arg *name);
void audience_leave_all(struct audience *audience, struct subscriber *subscriber);
/* NULL when nobody listens to it. */
const struct topic *audience_find(const struct audience *audience, enum audience_kind kind,
                                  const struct resp_arg *name);
/* The oldest topic of a kind; NULL when there is none. */
const struct topic *audience_first(const struct audience *audience, enum audience_kind kind);
size_t audience_topics(const struct audience *audience, enum audience_kind kind);
/* Nobody listens to anything. */
bool audience_is_empty(const struct audience *audience);
/* How many times a message on a channel (AUDIENCE_CHANNEL, with the patterns that match, or AUDIENCE_SHARD) would be delivered. */
size_t audience_receivers(const struct audience *audience, enum audience_kind kind,
                          const struct resp_arg *channel);
/* Listens to anything at all. */
bool subscriber_listens(const struct subscriber *subscriber);

#endif
