/* SPDX-License-Identifier: MIT */
/* Sorted sets, member by member. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "../data/finder.h"
#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "scan.h"
#include "zsets.h"

#define NOT_A_FLOAT "value is not a valid float"

/* ---- ZADD, ZINCRBY --- */

enum {
    ADD_NX = 1 << 0,
    ADD_XX = 1 << 1,
    ADD_GT = 1 << 2,
    ADD_LT = 1 << 3,
    ADD_CH = 1 << 4,
    ADD_INCR = 1 << 5,
};

static unsigned option_of(const struct resp_arg *arg) {
    static const struct {
        const char *word;
        unsigned option;
    } options[] = {
        {"nx", ADD_NX}, {"xx", ADD_XX}, {"gt", ADD_GT}, {"lt", ADD_LT}, {"ch", ADD_CH}, {"incr", ADD_INCR},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (resp_arg_is(arg, options[i].word))
            return options[i].option;
    return 0;
}

static bool options_ok(struct call *call, unsigned options, size_t first) {
    unsigned alone = (options & ADD_NX ? 1 : 0) + (options & ADD_GT ? 1 : 0) + (options & ADD_LT ? 1 : 0);
    if (first >= call->count || (call->count - first) % 2)
        lookup_syntax_error(call);
    else if ((options & ADD_NX) && (options & ADD_XX))
        resp_error(call->reply, "ERR XX and NX options at the same time are not compatible");
    else if (alone > 1)
        resp_error(call->reply, "ERR GT, LT, and/or NX options at the same time are not compatible");
    else if ((options & ADD_INCR) && call->count - first > 2)
        resp_error(call->reply, "ERR INCR option supports a single increment-element pair");
    else
        return true;
    return false;
}

/* All scores, before anything is changed; NULL, with the error as the reply, when one is none. The caller frees them. */
static double *read_scores(struct call *call, size_t first) {
    double *scores = malloc((call->count - first) / 2 * sizeof *scores);
    if (!scores)
        abort();
    for (size_t at = first; at < call->count; at += 2)
        if (!zsets_score(call, &call->args[at], NOT_A_FLOAT, &scores[(at - first) / 2])) {
            free(scores);
            return NULL;
        }
    return scores;
}

enum outcome {
    OUTCOME_REFUSED, /* by an option */
    OUTCOME_NAN,     /* inf and -inf make no sum */
    OUTCOME_SAME,    /* the score is what it was */
    OUTCOME_CHANGED,
    OUTCOME_ADDED,
};

/* One member. `score` is what it has afterwards. */
static enum outcome add(struct collection *zset, unsigned options, const struct resp_arg *member,
                        double *score) {
    struct member found;
    if (!collection_find(zset->item, member, &found)) {
        if (options & ADD_XX)
            return OUTCOME_REFUSED;
        zsets_put(zset, member, *score);
        return OUTCOME_ADDED;
    }
    if (options & ADD_NX)
        return OUTCOME_REFUSED;
    if (options & ADD_INCR)
        *score += found.score;
    if (isnan(*score))
        return OUTCOME_NAN;
    if (((options & ADD_LT) && *score >= found.score) || ((options & ADD_GT) && *score <= found.score))
        return OUTCOME_REFUSED;
    if (*score == found.score)
        return OUTCOME_SAME;
    zsets_put(zset, member, *score);
    return OUTCOME_CHANGED;
}

static void add_one(struct call *call, unsigned options, const struct resp_arg *member, double score) {
    struct collection zset;
    zsets_open(call, &call->args[1], &zset);
    enum outcome outcome = add(&zset, options, member, &score);
    (void)collection_close(&zset, call->version);
    if (outcome == OUTCOME_ADDED || outcome == OUTCOME_CHANGED)
        notify(call, EVENT_ZSET, "zincr", &call->args[1]);
    if (outcome == OUTCOME_NAN)
        resp_error(call->reply, "ERR resulting score is not a number (NaN)");
    else if (outcome == OUTCOME_REFUSED)
        resp_null(call->reply);
    else
        resp_double(call->reply, score);
}

static void add_all(struct call *call, unsigned options, size_t first, double *scores) {
    struct collection zset;
    int64_t added = 0, changed = 0;
    zsets_open(call, &call->args[1], &zset);
    for (size_t at = first; at < call->count; at += 2) {
        enum outcome outcome = add(&zset, options, &call->args[at + 1], &scores[(at - first) / 2]);
        assert(outcome != OUTCOME_NAN);
        added += outcome == OUTCOME_ADDED;
        changed += outcome == OUTCOME_CHANGED;
    }
    (void)collection_close(&zset, call->version);
    if (added + changed > 0)
        notify(call, EVENT_ZSET, "zadd", &call->args[1]);
    resp_integer(call->reply, options & ADD_CH ? added + changed : added);
}

static void add_pairs(struct call *call, unsigned options, size_t first) {
    struct item *item;
    double *scores = read_scores(call, first);
    if (!scores)
        return;
    if (lookup_type(call, &call->args[1], VALUE_ZSET, &item)) {
        if (!item && (options & ADD_XX)) {
            if (options & ADD_INCR)
                resp_null(call->reply);
            else
                resp_integer(call->reply, 0);
        } else if (options & ADD_INCR)
            add_one(call, options, &call->args[first + 1], scores[0]);
        else
            add_all(call, options, first, scores);
    }
    free(scores);
}

void cmd_zadd(struct call *call) {
    unsigned options = 0, option;
    size_t first = 2;
    for (; first < call->count && (option = option_of(&call->args[first])); first++)
        options |= option;
    if (options_ok(call, options, first))
        add_pairs(call, options, first);
}

void cmd_zincrby(struct call *call) {
    add_pairs(call, ADD_INCR, 2);
}

/* ---- ZREM --- */

void cmd_zrem(struct call *call) {
    struct collection zset;
    struct item *item;
    int64_t removed = 0;
    if (!lookup_type(call, &call->args[1], VALUE_ZSET, &item))
        return;
    if (item) {
        zsets_open(call, &call->args[1], &zset);
        for (size_t i = 2; i < call->count; i++)
            removed += collection_remove(&zset, &call->args[i]);
        bool left = collection_close(&zset, call->version);
        if (removed > 0)
            notify_left(call, EVENT_ZSET, "zrem", &call->args[1], left);
    }
    resp_integer(call->reply, removed);
}

/* ---- reading --- */

void cmd_zcard(struct call *call) {
    struct item *item;
    if (lookup_type(call, &call->args[1], VALUE_ZSET, &item))
        resp_integer(call->reply, item ? (int64_t)collection_count(item) : 0);
}

static void reply_score(struct call *call, bool there, const struct member *found) {
    if (there)
        resp_double(call->reply, found->score);
    else
        resp_null(call->reply);
}

void cmd_zscore(struct call *call) {
    struct item *item;
    struct member found;
    if (lookup_type(call, &call->args[1], VALUE_ZSET, &item))
        reply_score(call, item && collection_find(item, &call->args[2], &found), &found);
}

void cmd_zmscore(struct call *call) {
    struct item *item;
    struct finder finder;
    struct member found;
    if (!lookup_type(call, &call->args[1], VALUE_ZSET, &item))
        return;
    resp_array(call->reply, call->count - 2);
    finder_open(&finder, item, call->count - 2, call->seed);
    for (size_t i = 2; i < call->count; i++)
        reply_score(call, finder_find(&finder, &call->args[i], &found), &found);
    finder_close(&finder);
}

static void reply_rank(struct call *call, bool from_top) {
    struct item *item;
    size_t rank;
    if (!lookup_type(call, &call->args[1], VALUE_ZSET, &item))
        return;
    if (!item || !zset_rank(item, &call->args[2], &rank, NULL))
        resp_null(call->reply);
    else
        resp_integer(call->reply, (int64_t)(from_top ? collection_count(item) - 1 - rank : rank));
}

void cmd_zrank(struct call *call) {
    reply_rank(call, false);
}

void cmd_zrevrank(struct call *call) {
    reply_rank(call, true);
}

/* A score is a string here, in RESP3 too. */
static void scan_score(struct resp_out *reply, const struct member *member) {
    resp_bulk_format(reply, "%.17g", member->score);
}

/* Redis's compact form keeps a whole number as an integer, and shows it so. */
static void scan_compact_score(struct resp_out *reply, const struct member *member) {
    const double integer_max = 4611686018427387904.0; /* 2^62 */
    if (fabs(member->score) <= integer_max && member->score == (double)(int64_t)member->score)
        resp_bulk_integer(reply, (int64_t)member->score);
    else
        scan_score(reply, member);
}

void cmd_zscan(struct call *call) {
    const struct item *item = keyspace_find(call->keyspace, call->db, &call->args[1]);
    bool is_compact = item && item_type(item) == VALUE_ZSET && zsets_is_compact(item);
    scan_members(call, VALUE_ZSET, is_compact ? scan_compact_score : scan_score);
}
