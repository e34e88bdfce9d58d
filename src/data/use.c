/* SPDX-License-Identifier: MIT */
/*
 * How keys are used: what the choice of victims goes by when memory is short. A key has 24 bits for it, in
 * one of two readings; which of them is the same for all keys at a time.
 *
 *     by time         second of the last use, modulo 2^24 (half a year)
 *     by frequency    minute of the last change, modulo 2^16 | counter
 *
 * The counter is the logarithm of a number of uses (Morris, 1978): the more there were, the less likely is one
 * more to be counted, 1 / (log_factor * (counter - NEW_COUNTER) + 1). With a factor of 10, some hundred uses make
 * it 10 and a million make it 255. It loses one for every decay_minutes that pass, so that what was popular once does not
 * stay for ever. A new key starts at NEW_COUNTER, not at 0: it must live long enough to be used a second time.
 *
 * When the reading changes on a running server, what is noted means something else at once; it takes some time
 * until enough keys were used again. Nothing of this is in the digest or in a checkpoint: reads are not in the
 * log, so that each node knows only the uses that it has seen. That is also why the random numbers, drawn from a small
 * generator (xorshift64*, Marsaglia, Vigna) that starts the same everywhere, need not be the same anywhere.
 */
#include "internal.h"

enum {
    NEW_COUNTER = 5,
    COUNTER_MAX = 255,
    MINUTES_MASK = 0xffff,
    SECONDS_MASK = 0xffffff,
};

static uint32_t minutes(const struct keyspace *keyspace) {
    return (uint32_t)(keyspace->use.now_s / 60) & MINUTES_MASK;
}

void keyspace_set_use(struct keyspace *keyspace, const struct keyspace_use *use) {
    keyspace->use = *use;
    keyspace->use_now =
        use->frequency ? minutes(keyspace) << 8 | NEW_COUNTER : (uint32_t)use->now_s & SECONDS_MASK;
    if (keyspace->use_random == 0)
        keyspace->use_random = 1;
}

const struct keyspace_use *keyspace_use(const struct keyspace *keyspace) {
    return &keyspace->use;
}

uint64_t item_idle_s(const struct keyspace *keyspace, const struct item *item) {
    return ((uint32_t)keyspace->use.now_s - item_use(item)) & SECONDS_MASK;
}

unsigned item_frequency(const struct keyspace *keyspace, const struct item *item) {
    unsigned counter = item_use(item) & COUNTER_MAX;
    uint32_t passed = (minutes(keyspace) - (item_use(item) >> 8)) & MINUTES_MASK;
    uint64_t lost = keyspace->use.decay_minutes ? passed / keyspace->use.decay_minutes : 0;
    return lost < counter ? counter - (unsigned)lost : 0;
}

/* True with a likelihood of 1 / n. */
static bool one_in(struct keyspace *keyspace, uint64_t n) {
    uint64_t word = keyspace->use_random;
    word ^= word >> 12;
    word ^= word << 25;
    word ^= word >> 27;
    keyspace->use_random = word;
    return (unsigned __int128)(word * 0x2545f4914f6cdd1d) * n >> 64 == 0;
}

static void count_use(struct keyspace *keyspace, struct item *item) {
    unsigned counter = item_frequency(keyspace, item);
    uint64_t above = counter > NEW_COUNTER ? counter - NEW_COUNTER : 0;
    if (counter < COUNTER_MAX && one_in(keyspace, above * keyspace->use.log_factor + 1))
        counter++;
    item_set_use(item, minutes(keyspace) << 8 | counter);
}

void item_touch(struct keyspace *keyspace, struct item *item) {
    if (keyspace->use.frequency)
        count_use(keyspace, item);
    else
        item_set_use(item, keyspace->use_now);
}
