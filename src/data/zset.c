/* SPDX-License-Identifier: MIT */
/* Sorted sets in their order. A small one lies in it; a large one has it beside (order.c). */
#include <string.h>

#include "internal.h"
#include "members.h"
#include "small.h"

static bool is_small(const struct item *item) {
    assert(item_type(item) == VALUE_ZSET);
    return !(item->flags & ITEM_LONG);
}

bool zset_rank(const struct item *item, const struct resp_arg *key, size_t *rank, double *score) {
    struct member found;
    if (!collection_find(item, key, &found))
        return false;
    *rank = is_small(item) ? found.place : members_rank(members_of(item), key);
    if (score)
        *score = found.score;
    return true;
}

void zset_at_rank(const struct item *item, size_t rank, struct member *member) {
    struct zset_walk walk;
    zset_walk_begin(&walk, item, rank);
    bool there = zset_walk_up(&walk, member);
    assert(there);
}

/* ---- borders --- */

static int compare(const struct resp_arg *a, const struct resp_arg *b) {
    size_t common = a->length < b->length ? a->length : b->length;
    int difference = common ? memcmp(a->bytes, b->bytes, common) : 0;
    return difference ? difference : (a->length > b->length) - (a->length < b->length);
}

size_t zset_rank_of_score(const struct item *item, double score, bool through) {
    if (!is_small(item))
        return order_rank_of_number(&members_of(item)->order, members_number(score), through, NULL);
    size_t rank = 0;
    for (const char *at = small_begin(item), *end = small_end(item); at < end; rank++) {
        double other;
        at = small_next_score(at, &other);
        if (through ? other > score : other >= score)
            break;
    }
    return rank;
}

size_t zset_rank_of_bytes(const struct item *item, const struct resp_arg *bytes, bool through) {
    if (!is_small(item))
        return order_rank_of_key(&members_of(item)->order, bytes, through);
    size_t rank = 0;
    for (const char *at = small_begin(item), *end = small_end(item); at < end; rank++) {
        struct member member;
        at = small_read(item, at, &member);
        int difference = compare(&member.key, bytes);
        if (through ? difference > 0 : difference >= 0)
            break;
    }
    return rank;
}

void zset_remove_ranks(struct collection *zset, size_t from, size_t to) {
    size_t count = collection_count(zset->item);
    assert(from <= to && to <= count);
    if (is_small(zset->item) && from < to) {
        const char *at = small_place(zset->item, from), *end = small_place(zset->item, to);
        bool fits = small_splice(zset, at, (size_t)(end - at), NULL, count - (to - from));
        assert(fits);
        return;
    }
    while (to > from) {
        struct member member;
        zset_at_rank(zset->item, --to, &member);
        bool removed = collection_remove(zset, &member.key);
        assert(removed);
    }
}

/* ---- walks --- */

/* In the small form `at` is the member's entries; in the large one the block of the order that it is in. */
static void seek(struct zset_walk *walk) {
    if (walk->rank >= collection_count(walk->item))
        return;
    if (is_small(walk->item))
        walk->at = small_place(walk->item, walk->rank);
    else
        walk->at = order_seek(&members_of(walk->item)->order, walk->rank, &walk->within);
}

void zset_walk_begin(struct zset_walk *walk, const struct item *item, size_t rank) {
    *walk = (struct zset_walk){.item = item, .rank = rank};
    seek(walk);
}

static bool read(const struct zset_walk *walk, struct member *member) {
    if (walk->rank >= collection_count(walk->item))
        return false;
    if (is_small(walk->item))
        (void)small_read(walk->item, walk->at, member);
    else
        members_read(members_of(walk->item), order_in(walk->at, walk->within), member);
    return true;
}

bool zset_walk_up(struct zset_walk *walk, struct member *member) {
    if (!read(walk, member))
        return false;
    walk->rank++;
    if (is_small(walk->item))
        walk->at = pack_next(pack_next(walk->at));
    else if (!order_in(walk->at, ++walk->within))
        seek(walk);
    return true;
}

/* Below rank 0 comes the largest of all numbers, which is no rank. */
bool zset_walk_down(struct zset_walk *walk, struct member *member) {
    if (!read(walk, member))
        return false;
    walk->rank--;
    if (walk->rank == SIZE_MAX)
        return true;
    if (is_small(walk->item))
        walk->at = pack_previous(pack_previous(walk->at));
    else if (walk->within-- == 0)
        seek(walk);
    return true;
}
