/* SPDX-License-Identifier: MIT */
/*
 * Which keys go when memory is short: a leader's choice, one at a time, by the policy. What is chosen is under way until
 * its number is told to be through, and is not chosen again before. Changes no key; victims.c has the essay.
 */
#ifndef VICTIMS_H
#define VICTIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "data/keyspace.h"

struct victims;

struct victim {
    struct item *item; /* holds until the next change of the keyspace */
    unsigned db;
    uint64_t number; /* they count from 1 */
};

struct victims *victims_new(uint64_t seed);
void victims_free(struct victims *victims);
/* To be said before the next choice whenever the keyspace may have changed. Those with a number below `first` are through. */
void victims_settle(struct victims *victims, uint64_t first);
/* False when none was found: there is none, all are under way, or chance would have it so. */
bool victims_choose(struct victims *victims, struct keyspace *keyspace, enum conf_eviction policy,
                    size_t samples, struct victim *victim);
/* How many keys the policy may take, in all databases. */
size_t victims_eligible(const struct keyspace *keyspace, enum conf_eviction policy);

#endif
