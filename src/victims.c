/* SPDX-License-Identifier: MIT */
/*
 * The key that was not used for longest cannot be told without keeping all of them in that order, which would cost each of them
 * two pointers. So a few keys are drawn at random, and the best of them go into a pool that is kept from one
 * choice to the next; the best of the pool is the victim:
 *
 *     all keys     . . a . . . b . . . . c . . . d . . e . .       maxmemory-samples of them, drawn
 *                      \       \         \       \     \
 *     pool         [ score 3 | score 9 | 9 | 17 | 40 | ... ]  -->  the last is the victim
 *
 * Keys lie in a dense array, and those with a deadline in an order that knows ranks, so that each draw is fair. The score is the time
 * since the last use, or how far the frequency is below the highest; whoever was used while in the pool is dropped
 * from it. volatile-ttl needs no pool: the first in the order of deadlines is known. The two random policies
 * take the first that is drawn.
 *
 * A victim lives on until its entry is applied, and several entries are on their way at a time. So the fingerprints of those under way
 * are kept, in a table with four places for each value of some of their bits. A key that finds no place is not
 * chosen; one that has another's fingerprint isn't either: it is a choice, and another key is as good.
 */
#include "victims.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    POOL = 16,
    ROUNDS_MAX = 16, /* of draws for one choice */
    PLACES = 4,
    BUCKETS = 4096,
    LOOKS_MAX = 256, /* along the deadlines, for one choice */
    DRAWS = KEYSPACE_EXPECT_MAX,
    NO_SLOT = -1,
};

struct candidate {
    uint64_t score, fingerprint, version;
    char *key;           /* owned */
    size_t length, slot; /* where it lay, or NO_SLOT */
    unsigned db;
};

struct mark {
    uint64_t fingerprint, number;
};

struct victims {
    uint64_t random;
    uint64_t first, next;        /* numbers: those below `first` are through, `next` is the next choice's */
    struct candidate pool[POOL]; /* by ascending score */
    size_t count;
    enum conf_eviction policy; /* that the pool was filled by */
    size_t *ranks;             /* volatile-ttl: where to look on, in each database; NULL: at the beginning */
    struct mark marks[BUCKETS][PLACES];
};

struct victims *victims_new(uint64_t seed) {
    struct victims *victims = calloc(1, sizeof *victims);
    if (!victims)
        abort();
    victims->random = seed | 1;
    victims->first = victims->next = 1;
    return victims;
}

static void empty_pool(struct victims *victims) {
    while (victims->count > 0)
        free(victims->pool[--victims->count].key);
}

void victims_free(struct victims *victims) {
    if (!victims)
        return;
    empty_pool(victims);
    free(victims->ranks);
    free(victims);
}

void victims_settle(struct victims *victims, uint64_t first) {
    assert(first >= victims->first && first <= victims->next);
    victims->first = first;
    free(victims->ranks);
    victims->ranks = NULL;
}

/* ---- what is under way --- */

/* The place of a fingerprint that is under way; else one that is free for it; NULL when there is neither. */
static struct mark *mark_of(struct victims *victims, uint64_t fingerprint) {
    struct mark *bucket = victims->marks[fingerprint % BUCKETS], *free_one = NULL;
    for (size_t i = 0; i < PLACES; i++)
        if (bucket[i].number < victims->first)
            free_one = &bucket[i];
        else if (bucket[i].fingerprint == fingerprint)
            return &bucket[i];
    return free_one;
}

static bool may_be_chosen(struct victims *victims, uint64_t fingerprint) {
    const struct mark *mark = mark_of(victims, fingerprint);
    return mark && mark->number < victims->first;
}

static void choose(struct victims *victims, struct item *item, unsigned db, uint64_t fingerprint,
                   struct victim *victim) {
    struct mark *mark = mark_of(victims, fingerprint);
    assert(mark && mark->number < victims->first);
    *victim = (struct victim){item, db, victims->next++};
    *mark = (struct mark){fingerprint, victim->number};
}

/* ---- drawing --- */

/* xorshift64* (Marsaglia, Vigna). */
static uint64_t below(struct victims *victims, uint64_t bound) {
    uint64_t word = victims->random;
    word ^= word >> 12;
    word ^= word << 25;
    word ^= word >> 27;
    victims->random = word;
    return (uint64_t)((unsigned __int128)(word * 0x2545f4914f6cdd1d) * bound >> 64);
}

static bool only_volatile(enum conf_eviction policy) {
    return policy == CONF_VOLATILE_LRU || policy == CONF_VOLATILE_LFU || policy == CONF_VOLATILE_RANDOM ||
           policy == CONF_VOLATILE_TTL;
}

static size_t eligible_in(const struct keyspace *keyspace, unsigned db, bool with_deadline) {
    return with_deadline ? keyspace_deadlines(keyspace, db) : keyspace_slots(keyspace, db);
}

static size_t eligible(const struct keyspace *keyspace, bool with_deadline) {
    size_t sum = 0;
    for (unsigned db = 0; db < keyspace_databases(keyspace); db++)
        sum += eligible_in(keyspace, db, with_deadline);
    return sum;
}

size_t victims_eligible(const struct keyspace *keyspace, enum conf_eviction policy) {
    size_t sum = 0;
    if (only_volatile(policy))
        return eligible(keyspace, true);
    for (unsigned db = 0; db < keyspace_databases(keyspace); db++)
        sum += keyspace_size(keyspace, db);
    return sum;
}

/* Some of `sum`, all of them as likely; an item is NULL when it is gone already. What will be read of them is fetched for all at once:
 * they lie anywhere in memory, and waiting for them one by one is most of what a choice takes. */
struct draws {
    size_t count;
    struct keyspace_place at[DRAWS];
    struct item *items[DRAWS];
};

static void draw(struct victims *victims, struct keyspace *keyspace, bool with_deadline, size_t sum,
                 struct draws *draws, size_t count) {
    assert(count > 0 && count <= DRAWS);
    draws->count = count;
    for (size_t i = 0; i < count; i++) {
        struct keyspace_place *place = &draws->at[i];
        size_t here;
        *place = (struct keyspace_place){0, (size_t)below(victims, sum)};
        for (; place->slot >= (here = eligible_in(keyspace, place->db, with_deadline)); place->db++)
            place->slot -= here;
    }
    if (!with_deadline && count > 1)
        keyspace_expect_at(keyspace, draws->at, count);
    for (size_t i = 0; i < count; i++) {
        struct keyspace_place *place = &draws->at[i];
        if (!with_deadline) {
            draws->items[i] = keyspace_at(keyspace, place->db, place->slot);
            continue;
        }
        draws->items[i] = keyspace_by_deadline(keyspace, place->db, place->slot);
        place->slot = (size_t)NO_SLOT;
        __builtin_prefetch(draws->items[i]);
    }
}

static bool choose_any(struct victims *victims, struct keyspace *keyspace, bool with_deadline, size_t sum,
                       struct victim *victim) {
    for (size_t i = 0; i < ROUNDS_MAX * PLACES; i++) {
        struct draws draws;
        draw(victims, keyspace, with_deadline, sum, &draws, 1);
        struct item *item = draws.items[0];
        uint64_t fingerprint = item ? item_fingerprint(item, draws.at[0].db) : 0;
        if (!item || !may_be_chosen(victims, fingerprint))
            continue;
        choose(victims, item, draws.at[0].db, fingerprint, victim);
        return true;
    }
    return false;
}

/* ---- the pool --- */

static uint64_t score_of(const struct keyspace *keyspace, const struct item *item) {
    return keyspace_use(keyspace)->frequency ? 255 - item_frequency(keyspace, item)
                                             : item_idle_s(keyspace, item);
}

static bool in_pool(const struct victims *victims, uint64_t fingerprint) {
    for (size_t i = 0; i < victims->count; i++)
        if (victims->pool[i].fingerprint == fingerprint)
            return true;
    return false;
}

/* When the pool is full, the worst in it makes room. */
static void put_in_pool(struct victims *victims, const struct item *item, const struct keyspace_place *place,
                        uint64_t score, uint64_t fingerprint) {
    struct candidate *pool = victims->pool;
    struct resp_arg key = item_key(item);
    if (victims->count == POOL) {
        free(pool[0].key);
        memmove(&pool[0], &pool[1], (POOL - 1) * sizeof *pool);
        victims->count--;
    }
    size_t at = victims->count++;
    for (; at > 0 && pool[at - 1].score > score; at--)
        pool[at] = pool[at - 1];
    pool[at] = (struct candidate){.score = score,
                                  .fingerprint = fingerprint,
                                  .version = item_version(item),
                                  .key = malloc(key.length + 1),
                                  .length = key.length,
                                  .slot = place->slot,
                                  .db = place->db};
    if (!pool[at].key)
        abort();
    memcpy(pool[at].key, key.bytes, key.length);
}

static void fill_pool(struct victims *victims, struct keyspace *keyspace, bool with_deadline, size_t sum,
                      size_t samples) {
    struct draws draws;
    for (; samples > 0; samples -= draws.count) {
        draw(victims, keyspace, with_deadline, sum, &draws, samples < DRAWS ? samples : DRAWS);
        for (size_t i = 0; i < draws.count; i++) {
            const struct item *item = draws.items[i];
            if (!item)
                continue;
            uint64_t score = score_of(keyspace, item);
            if (victims->count == POOL && score <= victims->pool[0].score)
                continue;
            uint64_t fingerprint = item_fingerprint(item, draws.at[i].db);
            if (!in_pool(victims, fingerprint) && may_be_chosen(victims, fingerprint))
                put_in_pool(victims, item, &draws.at[i], score, fingerprint);
        }
    }
}

/* Mostly where it lay when it was drawn, which spares the look-up. */
static struct item *find_candidate(struct keyspace *keyspace, const struct candidate *candidate) {
    const struct resp_arg key = {.bytes = candidate->key, .length = candidate->length};
    if (candidate->slot < keyspace_slots(keyspace, candidate->db)) {
        struct item *item = keyspace_at(keyspace, candidate->db, candidate->slot);
        struct resp_arg there = item ? item_key(item) : (struct resp_arg){.length = 0};
        if (item && there.length == key.length && memcmp(there.bytes, key.bytes, key.length) == 0)
            return item;
    }
    return keyspace_find(keyspace, candidate->db, &key);
}

/* Takes the best out of the pool; its item, if it is still as it was and was not used since, else NULL. */
static struct item *take_from_pool(struct victims *victims, struct keyspace *keyspace,
                                   struct candidate *best) {
    *best = victims->pool[--victims->count];
    struct item *item = find_candidate(keyspace, best);
    free(best->key);
    bool same = item && item_version(item) == best->version && score_of(keyspace, item) >= best->score &&
                may_be_chosen(victims, best->fingerprint);
    return same ? item : NULL;
}

static bool choose_by_use(struct victims *victims, struct keyspace *keyspace, bool with_deadline, size_t sum,
                          size_t samples, struct victim *victim) {
    for (size_t round = 0; round < ROUNDS_MAX; round++) {
        fill_pool(victims, keyspace, with_deadline, sum, samples);
        while (victims->count > 0) {
            struct candidate best;
            struct item *item = take_from_pool(victims, keyspace, &best);
            if (!item)
                continue;
            choose(victims, item, best.db, best.fingerprint, victim);
            return true;
        }
    }
    return false;
}

/* ---- the order of deadlines --- */

/* The first that may be chosen from a database's rank on; NULL when there is none, or none soon. */
static struct item *soonest(struct victims *victims, struct keyspace *keyspace, unsigned db) {
    size_t count = keyspace_deadlines(keyspace, db);
    for (size_t looks = 0; looks < LOOKS_MAX && victims->ranks[db] < count; looks++, victims->ranks[db]++) {
        struct item *item = keyspace_by_deadline(keyspace, db, victims->ranks[db]);
        if (may_be_chosen(victims, item_fingerprint(item, db)))
            return item;
    }
    return NULL;
}

static bool choose_soonest(struct victims *victims, struct keyspace *keyspace, struct victim *victim) {
    struct item *best = NULL;
    unsigned best_db = 0;
    if (!victims->ranks)
        victims->ranks = calloc(keyspace_databases(keyspace), sizeof *victims->ranks);
    if (!victims->ranks)
        abort();
    for (unsigned db = 0; db < keyspace_databases(keyspace); db++) {
        struct item *item = soonest(victims, keyspace, db);
        if (item && (!best || item_deadline(item) < item_deadline(best))) {
            best = item;
            best_db = db;
        }
    }
    if (!best)
        return false;
    choose(victims, best, best_db, item_fingerprint(best, best_db), victim);
    return true;
}

bool victims_choose(struct victims *victims, struct keyspace *keyspace, enum conf_eviction policy,
                    size_t samples, struct victim *victim) {
    assert(policy != CONF_NOEVICTION && samples > 0);
    bool with_deadline = only_volatile(policy);
    size_t sum = eligible(keyspace, with_deadline);
    if (policy != victims->policy)
        empty_pool(victims);
    victims->policy = policy;
    if (sum == 0)
        return false;
    switch (policy) {
    case CONF_VOLATILE_TTL:
        return choose_soonest(victims, keyspace, victim);
    case CONF_VOLATILE_RANDOM:
    case CONF_ALLKEYS_RANDOM:
        return choose_any(victims, keyspace, with_deadline, sum, victim);
    default:
        return choose_by_use(victims, keyspace, with_deadline, sum, samples, victim);
    }
}
