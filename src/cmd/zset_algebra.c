/* SPDX-License-Identifier: MIT */
/*
 * Unions, intersections and differences of sorted sets and sets. A member of a set has the score 1.
 *
 * What comes of it is a pile of members that belongs to no key, in the order of a sorted set: written as the reply, or put into a
 * key. A sum of floats depends on its order, so the sources are taken as Redis takes them: the smallest first, equal ones in the
 * order in which they were named.
 *
 *     union          all members of all sources in the pile, sorted by their bytes and then by source; neighbours
 *                    that are the same become one
 *     intersection   the members of the smallest source that all others have
 *     difference     the members of the first source that no other has
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../data/finder.h"
#include "families.h"
#include "lookup.h"
#include "zsets.h"

enum operation { UNION, INTERSECTION, DIFFERENCE };
enum aggregate { SUM, LEAST, MOST };

struct source {
    const struct item *item; /* NULL: there is none */
    size_t count;            /* members */
    size_t order;            /* as it was named */
    double weight;
    struct finder finder; /* while it is looked into */
};

struct algebra {
    enum operation operation;
    size_t counted; /* place of the number of keys among the arguments; the keys are behind it */
    bool store;     /* into args[1] */
    bool cardinality;
    bool with_scores;
    enum aggregate aggregate;
    int64_t limit; /* of the cardinality; 0: none */
    struct source *sources;
    size_t count;
};

/* ---- arguments --- */

static bool read_sources(struct call *call, struct algebra *algebra) {
    int64_t count;
    if (!lookup_integer(call, &call->args[algebra->counted], &count))
        return false;
    if (count < 1) {
        resp_error(call->reply, "ERR at least 1 input key is needed for '%s' command", call->command->name);
        return false;
    }
    if ((uint64_t)count > call->count - algebra->counted - 1) {
        lookup_syntax_error(call);
        return false;
    }
    algebra->count = (size_t)count;
    if (!(algebra->sources = calloc(algebra->count, sizeof *algebra->sources)))
        abort();
    for (size_t i = 0; i < algebra->count; i++) {
        const struct item *item = lookup(call, &call->args[algebra->counted + 1 + i]);
        if (item && item_type(item) != VALUE_ZSET && item_type(item) != VALUE_SET) {
            lookup_wrong_type(call);
            return false;
        }
        algebra->sources[i] = (struct source){
            .item = item, .count = item ? collection_count(item) : 0, .order = i, .weight = 1};
    }
    return true;
}

static bool read_weights(struct call *call, struct algebra *algebra, size_t at) {
    for (size_t i = 0; i < algebra->count; i++)
        if (!zsets_score(call, &call->args[at + i], "weight value is not a float",
                         &algebra->sources[i].weight))
            return false;
    return true;
}

static bool read_aggregate(struct call *call, const struct resp_arg *arg, enum aggregate *aggregate) {
    static const char *const words[] = {[SUM] = "sum", [LEAST] = "min", [MOST] = "max"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (resp_arg_is(arg, words[i])) {
            *aggregate = (enum aggregate)i;
            return true;
        }
    lookup_syntax_error(call);
    return false;
}

/* Returns how many arguments the option takes; 0, with an error as the reply, when it is none. */
static size_t read_option(struct call *call, struct algebra *algebra, size_t at) {
    const struct resp_arg *option = &call->args[at];
    size_t behind = call->count - at - 1;
    bool combines = algebra->operation != DIFFERENCE && !algebra->cardinality;
    if (combines && behind >= algebra->count && resp_arg_is(option, "weights"))
        return read_weights(call, algebra, at + 1) ? 1 + algebra->count : 0;
    if (combines && behind > 0 && resp_arg_is(option, "aggregate"))
        return read_aggregate(call, option + 1, &algebra->aggregate) ? 2 : 0;
    if (algebra->cardinality && behind > 0 && resp_arg_is(option, "limit"))
        return lookup_within(call, option + 1, 0, INT64_MAX, "ERR LIMIT can't be negative", &algebra->limit)
                   ? 2
                   : 0;
    if (!algebra->store && !algebra->cardinality && resp_arg_is(option, "withscores")) {
        algebra->with_scores = true;
        return 1;
    }
    lookup_syntax_error(call);
    return 0;
}

static bool read_options(struct call *call, struct algebra *algebra) {
    for (size_t at = algebra->counted + 1 + algebra->count, taken; at < call->count; at += taken)
        if ((taken = read_option(call, algebra, at)) == 0)
            return false;
    return true;
}

/* ---- scores --- */

/* inf and -inf, or inf times 0, make zero. */
static double sound(double score) {
    return isnan(score) ? 0 : score;
}

static double combine(enum aggregate aggregate, double one, double other) {
    switch (aggregate) {
    case SUM:
        return sound(one + other);
    case LEAST:
        return other < one ? other : one;
    default:
        return other > one ? other : one;
    }
}

static double score_in(const struct source *source, const struct member *member) {
    return item_type(source->item) == VALUE_SET ? 1 : member->score;
}

/* ---- the three operations --- */

static int smaller_first(const void *a, const void *b) {
    const struct source *one = a, *other = b;
    if (one->count != other->count)
        return one->count < other->count ? -1 : 1;
    return (one->order > other->order) - (one->order < other->order);
}

static int compare_bytes(const struct resp_arg *one, const struct resp_arg *other) {
    size_t common = one->length < other->length ? one->length : other->length;
    int difference = common ? memcmp(one->bytes, other->bytes, common) : 0;
    return difference ? difference : (one->length > other->length) - (one->length < other->length);
}

static int by_bytes(const void *a, const void *b) {
    const struct zsets_entry *one = a, *other = b;
    int difference = compare_bytes(&one->member, &other->member);
    return difference ? difference : (one->order > other->order) - (one->order < other->order);
}

static int by_score(const void *a, const void *b) {
    const struct zsets_entry *one = a, *other = b;
    if (one->score != other->score)
        return one->score < other->score ? -1 : 1;
    return by_bytes(a, b);
}

/* Neighbours that are the same become one. */
static void fold(struct zsets_pile *pile, enum aggregate aggregate) {
    size_t kept = 0;
    for (size_t i = 0; i < pile->count; i++) {
        const struct zsets_entry *entry = &pile->entries[i];
        struct zsets_entry *last = kept > 0 ? &pile->entries[kept - 1] : NULL;
        if (last && compare_bytes(&last->member, &entry->member) == 0)
            last->score = combine(aggregate, last->score, entry->score);
        else
            pile->entries[kept++] = *entry;
    }
    pile->count = kept;
}

static void unite(const struct algebra *algebra, struct zsets_pile *pile) {
    for (size_t i = 0; i < algebra->count; i++) {
        const struct source *source = &algebra->sources[i];
        struct collection_walk walk;
        struct member member;
        if (!source->item)
            continue;
        collection_walk_begin(&walk, source->item);
        while (collection_walk_next(&walk, &member))
            zsets_pile_add(pile, &member.key, sound(source->weight * score_in(source, &member)), i);
    }
    zsets_pile_settle(pile);
    if (pile->count)
        qsort(pile->entries, pile->count, sizeof *pile->entries, by_bytes);
    fold(pile, algebra->aggregate);
}

/* To look for the members of the first in all others. */
static void finders_open(const struct algebra *algebra, uint64_t seed) {
    for (size_t i = 1; i < algebra->count; i++)
        finder_open(&algebra->sources[i].finder, algebra->sources[i].item, algebra->sources[0].count, seed);
}

static void finders_close(const struct algebra *algebra) {
    for (size_t i = 1; i < algebra->count; i++)
        finder_close(&algebra->sources[i].finder);
}

/* Whether all sources but the first have the member; `score` becomes what they make of it. */
static bool all_have(const struct algebra *algebra, const struct resp_arg *key, double *score) {
    for (size_t i = 1; i < algebra->count; i++) {
        const struct source *source = &algebra->sources[i];
        struct member found;
        if (!finder_find(&source->finder, key, &found))
            return false;
        *score = combine(algebra->aggregate, *score, source->weight * score_in(source, &found));
    }
    return true;
}

static void intersect(const struct algebra *algebra, struct zsets_pile *pile) {
    const struct source *smallest = &algebra->sources[0];
    struct collection_walk walk;
    struct member member;
    if (!smallest->item)
        return;
    collection_walk_begin(&walk, smallest->item);
    while (collection_walk_next(&walk, &member)) {
        double score = sound(smallest->weight * score_in(smallest, &member));
        if (!all_have(algebra, &member.key, &score))
            continue;
        zsets_pile_add(pile, &member.key, score, 0);
        if (algebra->limit > 0 && pile->count == (uint64_t)algebra->limit)
            return;
    }
}

static bool another_has(const struct algebra *algebra, const struct resp_arg *key) {
    for (size_t i = 1; i < algebra->count; i++)
        if (finder_find(&algebra->sources[i].finder, key, NULL))
            return true;
    return false;
}

static void subtract(const struct algebra *algebra, struct zsets_pile *pile) {
    const struct source *first = &algebra->sources[0];
    struct collection_walk walk;
    struct member member;
    if (!first->item)
        return;
    collection_walk_begin(&walk, first->item);
    while (collection_walk_next(&walk, &member))
        if (!another_has(algebra, &member.key))
            zsets_pile_add(pile, &member.key, score_in(first, &member), 0);
}

/* ---- what comes of it --- */

static void reply_pile(struct call *call, const struct zsets_pile *pile, bool with_scores) {
    zsets_reply_header(call, pile->count, with_scores);
    for (size_t i = 0; i < pile->count; i++) {
        const struct zsets_entry *entry = &pile->entries[i];
        zsets_reply_member(call, &entry->member, entry->score, with_scores);
    }
}

static void operate(struct call *call, struct algebra *algebra) {
    struct zsets_pile pile = {0};
    if (algebra->operation != DIFFERENCE)
        qsort(algebra->sources, algebra->count, sizeof *algebra->sources, smaller_first);
    if (algebra->operation != UNION)
        finders_open(algebra, call->seed);
    if (algebra->operation == UNION)
        unite(algebra, &pile);
    else if (algebra->operation == INTERSECTION)
        intersect(algebra, &pile);
    else
        subtract(algebra, &pile);
    finders_close(algebra);
    if (algebra->cardinality) {
        resp_integer(call->reply, (int64_t)pile.count);
    } else {
        zsets_pile_settle(&pile);
        if (pile.count)
            qsort(pile.entries, pile.count, sizeof *pile.entries, by_score);
        if (algebra->store)
            zsets_pile_store(call, &call->args[1], &pile, zsets_pile_is_wide(&pile));
        else
            reply_pile(call, &pile, algebra->with_scores);
    }
    zsets_pile_close(&pile);
}

static void run_algebra(struct call *call, struct algebra algebra) {
    assert(algebra.counted == (algebra.store ? 2 : 1));
    if (read_sources(call, &algebra) && read_options(call, &algebra))
        operate(call, &algebra);
    free(algebra.sources);
}

void cmd_zunion(struct call *call) {
    run_algebra(call, (struct algebra){.operation = UNION, .counted = 1});
}

void cmd_zinter(struct call *call) {
    run_algebra(call, (struct algebra){.operation = INTERSECTION, .counted = 1});
}

void cmd_zdiff(struct call *call) {
    run_algebra(call, (struct algebra){.operation = DIFFERENCE, .counted = 1});
}

void cmd_zintercard(struct call *call) {
    run_algebra(call, (struct algebra){.operation = INTERSECTION, .counted = 1, .cardinality = true});
}

void cmd_zunionstore(struct call *call) {
    run_algebra(call, (struct algebra){.operation = UNION, .counted = 2, .store = true});
}

void cmd_zinterstore(struct call *call) {
    run_algebra(call, (struct algebra){.operation = INTERSECTION, .counted = 2, .store = true});
}

void cmd_zdiffstore(struct call *call) {
    run_algebra(call, (struct algebra){.operation = DIFFERENCE, .counted = 2, .store = true});
}
