/* SPDX-License-Identifier: MIT */
/*
 * Ranges of sorted sets.
 *
 * A range is said by ranks, by scores or by bytes, from either end. Whatever its kind, it comes down to ranks from .. to-1 in the
 * order upward, found in O(log N); from there on counting, removing, replying and storing know one kind only.
 *
 *     ranks     0     1     2     3     4             ZRANGEBYSCORE k (1 3: the borders are those behind all 1s
 *     scores    1     1     2     3     4             and behind all 3s: ranks 2 .. 3
 *                           ^from       ^to
 */
#include <string.h>

#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "zsets.h"

enum by { BY_UNSAID, BY_RANK, BY_SCORE, BY_BYTES };
enum direction { DIRECTION_UNSAID, UPWARD, DOWNWARD };

/* ---- bounds --- */

struct score_bound {
    double score;
    bool excluded;
};

struct bytes_bound {
    enum { BELOW_ALL, AT_BYTES, ABOVE_ALL } at;
    struct resp_arg bytes;
    bool excluded;
};

struct bounds {
    enum by by;
    int64_t start, stop; /* ranks as they are said: from -1 downward they count from the other end */
    struct score_bound least, most;
    struct bytes_bound first, last;
};

static bool parse_score_bound(const struct resp_arg *arg, struct score_bound *bound) {
    bound->excluded = arg->length > 0 && arg->bytes[0] == '(';
    return zsets_loose_score(arg->bytes + bound->excluded, arg->length - bound->excluded, &bound->score);
}

static bool parse_bytes_bound(const struct resp_arg *arg, struct bytes_bound *bound) {
    char kind = arg->length > 0 ? arg->bytes[0] : '\0';
    *bound = (struct bytes_bound){.at = AT_BYTES};
    if (kind == '-' || kind == '+') {
        bound->at = kind == '-' ? BELOW_ALL : ABOVE_ALL;
        return arg->length == 1;
    }
    if (kind != '(' && kind != '[')
        return false;
    bound->excluded = kind == '(';
    bound->bytes = (struct resp_arg){arg->bytes + 1, arg->length - 1};
    return true;
}

/* Answers with an error and returns false when they are none. */
static bool parse_bounds(struct call *call, enum by by, const struct resp_arg *low,
                         const struct resp_arg *high, struct bounds *bounds) {
    *bounds = (struct bounds){.by = by};
    switch (by) {
    case BY_SCORE:
        if (parse_score_bound(low, &bounds->least) && parse_score_bound(high, &bounds->most))
            return true;
        resp_error(call->reply, "ERR min or max is not a float");
        return false;
    case BY_BYTES:
        if (parse_bytes_bound(low, &bounds->first) && parse_bytes_bound(high, &bounds->last))
            return true;
        resp_error(call->reply, "ERR min or max not valid string range item");
        return false;
    default:
        return lookup_integer(call, low, &bounds->start) && lookup_integer(call, high, &bounds->stop);
    }
}

/* ---- ranks --- */

/* from .. to-1, upward; none when they are the same. */
struct ranks {
    size_t from, to;
};

static struct ranks ranks_said(const struct bounds *bounds, int64_t count, enum direction direction) {
    int64_t start = bounds->start < 0 ? bounds->start + count : bounds->start;
    int64_t stop = bounds->stop < 0 ? bounds->stop + count : bounds->stop;
    start = start < 0 ? 0 : start;
    stop = stop >= count ? count - 1 : stop;
    if (start > stop)
        return (struct ranks){0, 0};
    if (direction == DOWNWARD)
        return (struct ranks){(size_t)(count - 1 - stop), (size_t)(count - start)};
    return (struct ranks){(size_t)start, (size_t)stop + 1};
}

static size_t rank_of_bytes(const struct item *item, const struct bytes_bound *bound, bool through) {
    if (bound->at == AT_BYTES)
        return zset_rank_of_bytes(item, &bound->bytes, through);
    return bound->at == BELOW_ALL ? 0 : collection_count(item);
}

static struct ranks ranks_of(const struct item *item, const struct bounds *bounds, enum direction direction) {
    struct ranks ranks;
    if (bounds->by == BY_RANK)
        return ranks_said(bounds, (int64_t)collection_count(item), direction);
    if (bounds->by == BY_SCORE) {
        ranks.from = zset_rank_of_score(item, bounds->least.score, bounds->least.excluded);
        ranks.to = zset_rank_of_score(item, bounds->most.score, !bounds->most.excluded);
    } else {
        ranks.from = rank_of_bytes(item, &bounds->first, bounds->first.excluded);
        ranks.to = rank_of_bytes(item, &bounds->last, !bounds->last.excluded);
    }
    if (ranks.to < ranks.from)
        ranks.to = ranks.from;
    return ranks;
}

/* LIMIT. A negative offset leaves none, a negative limit all. */
static void limit_ranks(struct ranks *ranks, enum direction direction, int64_t offset, int64_t limit) {
    size_t count = ranks->to - ranks->from;
    size_t skipped = offset < 0 || (uint64_t)offset > count ? count : (size_t)offset;
    size_t taken = limit < 0 || (uint64_t)limit > count - skipped ? count - skipped : (size_t)limit;
    if (direction == DOWNWARD)
        ranks->from = (ranks->to -= skipped) - taken;
    else
        ranks->to = (ranks->from += skipped) + taken;
}

/* ---- counting, removing --- */

static void count_range(struct call *call, enum by by) {
    struct bounds bounds;
    struct ranks ranks = {0, 0};
    struct item *item;
    if (!parse_bounds(call, by, &call->args[2], &call->args[3], &bounds) ||
        !lookup_type(call, &call->args[1], VALUE_ZSET, &item))
        return;
    if (item)
        ranks = ranks_of(item, &bounds, UPWARD);
    resp_integer(call->reply, (int64_t)(ranks.to - ranks.from));
}

void cmd_zcount(struct call *call) {
    count_range(call, BY_SCORE);
}

void cmd_zlexcount(struct call *call) {
    count_range(call, BY_BYTES);
}

static void remove_range(struct call *call, enum by by) {
    struct bounds bounds;
    struct collection zset;
    struct ranks ranks = {0, 0};
    struct item *item;
    if (!parse_bounds(call, by, &call->args[2], &call->args[3], &bounds) ||
        !lookup_type(call, &call->args[1], VALUE_ZSET, &item))
        return;
    if (item)
        ranks = ranks_of(item, &bounds, UPWARD);
    if (ranks.to > ranks.from) {
        zsets_open(call, &call->args[1], &zset);
        zset_remove_ranks(&zset, ranks.from, ranks.to);
        notify_left(call, EVENT_ZSET, call->command->name, &call->args[1],
                    collection_close(&zset, call->version));
    }
    resp_integer(call->reply, (int64_t)(ranks.to - ranks.from));
}

void cmd_zremrangebyrank(struct call *call) {
    remove_range(call, BY_RANK);
}

void cmd_zremrangebyscore(struct call *call) {
    remove_range(call, BY_SCORE);
}

void cmd_zremrangebylex(struct call *call) {
    remove_range(call, BY_BYTES);
}

/* ---- ZRANGE and its kin --- */

struct range {
    size_t key; /* place of the key among the arguments; the bounds and options come behind it */
    bool store; /* into args[1] */
    enum by by; /* BY_UNSAID: an option may say it */
    enum direction direction;
    bool with_scores;
    int64_t offset, limit; /* a limit of -1: none was said */
    struct bounds bounds;
};

/* Returns how many arguments the option takes; 0, with an error as the reply, when there is no such option. */
static size_t parse_option(struct call *call, struct range *range, size_t at) {
    const struct resp_arg *option = &call->args[at];
    if (!range->store && resp_arg_is(option, "withscores"))
        range->with_scores = true;
    else if (resp_arg_is(option, "limit") && at + 2 < call->count) {
        bool numbers = lookup_integer(call, option + 1, &range->offset) &&
                       lookup_integer(call, option + 2, &range->limit);
        return numbers ? 3 : 0;
    } else if (range->direction == DIRECTION_UNSAID && resp_arg_is(option, "rev"))
        range->direction = DOWNWARD;
    else if (range->by == BY_UNSAID && resp_arg_is(option, "bylex"))
        range->by = BY_BYTES;
    else if (range->by == BY_UNSAID && resp_arg_is(option, "byscore"))
        range->by = BY_SCORE;
    else {
        lookup_syntax_error(call);
        return 0;
    }
    return 1;
}

static bool parse_options(struct call *call, struct range *range) {
    range->offset = 0;
    range->limit = -1;
    for (size_t at = range->key + 3, taken; at < call->count; at += taken)
        if ((taken = parse_option(call, range, at)) == 0)
            return false;
    if (range->by == BY_UNSAID)
        range->by = BY_RANK;
    if (range->direction == DIRECTION_UNSAID)
        range->direction = UPWARD;
    if (range->limit != -1 && range->by == BY_RANK)
        resp_error(call->reply,
                   "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    else if (range->with_scores && range->by == BY_BYTES)
        resp_error(call->reply, "ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    else
        return true;
    return false;
}

/* Downward the higher bound comes first, but of ranks: those count from the top then. */
static bool parse_range(struct call *call, struct range *range) {
    if (!parse_options(call, range))
        return false;
    const struct resp_arg *first = &call->args[range->key + 1], *second = first + 1;
    bool swapped = range->direction == DOWNWARD && range->by != BY_RANK;
    return parse_bounds(call, range->by, swapped ? second : first, swapped ? first : second, &range->bounds);
}

static struct ranks ranks_in(const struct item *item, const struct range *range) {
    struct ranks ranks = ranks_of(item, &range->bounds, range->direction);
    if (range->by != BY_RANK)
        limit_ranks(&ranks, range->direction, range->offset, range->limit);
    return ranks;
}

typedef bool walk_step(struct zset_walk *walk, struct member *member);

static walk_step *walk_range(struct zset_walk *walk, const struct item *item, struct ranks ranks,
                             enum direction direction) {
    zset_walk_begin(walk, item, direction == DOWNWARD ? ranks.to - 1 : ranks.from);
    return direction == DOWNWARD ? zset_walk_down : zset_walk_up;
}

static void reply_range(struct call *call, const struct range *range, const struct item *item) {
    struct zset_walk walk;
    struct member member;
    struct ranks ranks = ranks_in(item, range);
    size_t count = ranks.to - ranks.from;
    zsets_reply_header(call, count, range->with_scores);
    if (count == 0)
        return;
    walk_step *step = walk_range(&walk, item, ranks, range->direction);
    while (count-- > 0 && step(&walk, &member))
        zsets_reply_member(call, &member.key, member.score, range->with_scores);
}

static void store_range(struct call *call, const struct range *range, const struct item *item) {
    struct zsets_pile pile = {0};
    struct zset_walk walk;
    struct member member;
    struct ranks ranks = item ? ranks_in(item, range) : (struct ranks){0, 0};
    size_t count = ranks.to - ranks.from;
    if (count > 0) {
        walk_step *step = walk_range(&walk, item, ranks, range->direction);
        while (count-- > 0 && step(&walk, &member))
            zsets_pile_add(&pile, &member.key, member.score, 0);
    }
    zsets_pile_settle(&pile);
    zsets_pile_store(call, &call->args[1], &pile, false);
    zsets_pile_close(&pile);
}

static void run_range(struct call *call, struct range range) {
    struct item *item;
    if (!parse_range(call, &range) || !lookup_type(call, &call->args[range.key], VALUE_ZSET, &item))
        return;
    if (range.store)
        store_range(call, &range, item);
    else if (item)
        reply_range(call, &range, item);
    else
        resp_array(call->reply, 0);
}

void cmd_zrange(struct call *call) {
    run_range(call, (struct range){.key = 1});
}

void cmd_zrangestore(struct call *call) {
    run_range(call, (struct range){.key = 2, .store = true});
}

void cmd_zrevrange(struct call *call) {
    run_range(call, (struct range){.key = 1, .by = BY_RANK, .direction = DOWNWARD});
}

void cmd_zrangebyscore(struct call *call) {
    run_range(call, (struct range){.key = 1, .by = BY_SCORE, .direction = UPWARD});
}

void cmd_zrevrangebyscore(struct call *call) {
    run_range(call, (struct range){.key = 1, .by = BY_SCORE, .direction = DOWNWARD});
}

void cmd_zrangebylex(struct call *call) {
    run_range(call, (struct range){.key = 1, .by = BY_BYTES, .direction = UPWARD});
}

void cmd_zrevrangebylex(struct call *call) {
    run_range(call, (struct range){.key = 1, .by = BY_BYTES, .direction = DOWNWARD});
}
