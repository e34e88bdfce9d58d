/* SPDX-License-Identifier: MIT */
/*
 * Entries in the order of (number, key), so that what is asked of an order can be answered without a walk: of
 * deadlines, how many are due (the count of keys less that is DBSIZE, exact at once when a million go in the
 * same millisecond), the first one behind the clock (when to propose the next clock entry), the first of all
 * (what to free next); of a sorted set, the rank of a member and the member of a rank; and to add and take out
 * any. A B+ tree whose inner nodes count what is below them answers each in O(log n), a few cache lines each,
 * and takes about 24 bytes an entry, none for a key that has no deadline:
 *
 *     inner    [ low keys node | low keys node | ... ]    low: first entry below, keys: how many
 *                    |               '--------.
 *     leaf     [ number at | ... ]   [ number at | ... ]
 *
 * Entries with the same number are ordered by key. The order then follows from what is there, not from how it
 * came about: a node that loaded a checkpoint frees the same keys in the same slice as one that never stopped,
 * and so keeps the same dense order (dict.c).
 *
 * `low` is a copy of an entry in a leaf. Each change goes down to its leaf and refreshes `low` and `keys` on
 * the way back up, so that no copy outlives the thing it points to. Things that change their address are
 * replaced while the old one can still be read.
 *
 * Numbers mostly come in ascending order, so a node that overflows at its end keeps nearly everything and
 * starts the next one nearly empty; nodes stay about full then. A node that has become thin is merged with a
 * neighbour when both fit into one with room to spare. One that does not fit stays thin: its neighbour is full
 * enough for two.
 */
#include "order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEAF_MAX = 64,
    INNER_MAX = 32,
    LEAF_THIN = LEAF_MAX / 4,
    INNER_THIN = INNER_MAX / 4,
};

struct entry {
    uint64_t number;
    void *thing;
};

struct leaf {
    size_t count; /* at least 1, in the root too */
    struct entry at[LEAF_MAX];
};

struct child {
    struct entry low;
    size_t keys;
    void *node;
};

struct inner {
    size_t count;
    struct child at[INNER_MAX];
};

/* ---- nodes --- */

static void *node_new(struct order *order, size_t size) {
    void *node = malloc(size);
    if (!node)
        abort();
    *order->memory += size;
    return node;
}

static void node_free(struct order *order, void *node, unsigned height) {
    *order->memory -= height == 0 ? sizeof(struct leaf) : sizeof(struct inner);
    free(node);
}

/* A place in the order, and how to read the keys of those that lie around it. */
struct target {
    uint64_t number;
    struct resp_arg key;
    struct resp_arg (*key_of)(const void *thing);
};

static struct target target_of(const struct order *order, uint64_t number, const void *thing) {
    return (struct target){number, order->key_of(thing), order->key_of};
}

static int compare(const struct target *target, const struct entry *entry) {
    if (target->number != entry->number)
        return target->number < entry->number ? -1 : 1;
    struct resp_arg key = target->key, other = target->key_of(entry->thing);
    size_t common = key.length < other.length ? key.length : other.length;
    int difference = common ? memcmp(key.bytes, other.bytes, common) : 0;
    if (difference != 0)
        return difference;
    return key.length < other.length ? -1 : key.length > other.length;
}

/* The first entry of a leaf that is not before (number, key); `equal` says whether it is that one. */
static size_t leaf_place(const struct leaf *leaf, const struct target *target, bool *equal) {
    size_t low = 0, high = leaf->count;
    *equal = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int difference = compare(target, &leaf->at[middle]);
        if (difference == 0) {
            *equal = true;
            return middle;
        }
        if (difference < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The child below which (number, key) belongs: the last one whose low is not behind it, else the first. */
static size_t inner_place(const struct inner *inner, const struct target *target) {
    size_t low = 1, high = inner->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(target, &inner->at[middle].low) < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low - 1;
}

static size_t node_count(const void *node, unsigned height) {
    return height == 0 ? ((const struct leaf *)node)->count : ((const struct inner *)node)->count;
}

static struct child describe(void *node, unsigned height) {
    if (height == 0) {
        const struct leaf *leaf = node;
        return (struct child){leaf->at[0], leaf->count, node};
    }
    const struct inner *inner = node;
    struct child child = {inner->at[0].low, 0, node};
    for (size_t i = 0; i < inner->count; i++)
        child.keys += inner->at[i].keys;
    return child;
}

/* ---- adding --- */

/* How many stay in a full node that splits because of an insertion at `place`. */
static size_t split_point(size_t place, size_t max) {
    return place == max ? max - 1 : max / 2;
}

/* Adds to a leaf; returns the new right neighbour when it had to split, else NULL. */
static void *leaf_add(struct order *order, struct leaf *leaf, const struct entry *entry,
                      const struct target *target) {
    bool equal;
    struct leaf *right = NULL, *into = leaf;
    size_t place = leaf_place(leaf, target, &equal);
    assert(!equal);
    if (leaf->count == LEAF_MAX) {
        size_t stay = split_point(place, LEAF_MAX);
        right = node_new(order, sizeof *right);
        right->count = LEAF_MAX - stay;
        memcpy(right->at, leaf->at + stay, right->count * sizeof *right->at);
        leaf->count = stay;
        if (place > stay) {
            into = right;
            place -= stay;
        }
    }
    memmove(into->at + place + 1, into->at + place, (into->count - place) * sizeof *into->at);
    into->at[place] = *entry;
    into->count++;
    return right;
}

/* Adds a child to an inner node; as leaf_add. */
static void *inner_add(struct order *order, struct inner *inner, size_t place, const struct child *child) {
    struct inner *right = NULL, *into = inner;
    if (inner->count == INNER_MAX) {
        size_t stay = split_point(place, INNER_MAX);
        right = node_new(order, sizeof *right);
        right->count = INNER_MAX - stay;
        memcpy(right->at, inner->at + stay, right->count * sizeof *right->at);
        inner->count = stay;
        if (place > stay) {
            into = right;
            place -= stay;
        }
    }
    memmove(into->at + place + 1, into->at + place, (into->count - place) * sizeof *into->at);
    into->at[place] = *child;
    into->count++;
    return right;
}

static void *node_add(struct order *order, void *node, unsigned height, const struct entry *entry,
                      const struct target *target) {
    if (height == 0)
        return leaf_add(order, node, entry, target);
    struct inner *inner = node;
    size_t i = inner_place(inner, target);
    void *right = node_add(order, inner->at[i].node, height - 1, entry, target);
    inner->at[i] = describe(inner->at[i].node, height - 1);
    if (!right)
        return NULL;
    struct child child = describe(right, height - 1);
    return inner_add(order, inner, i + 1, &child);
}

void order_init(struct order *order, struct resp_arg (*key_of)(const void *thing), size_t *memory) {
    *order = (struct order){.key_of = key_of, .memory = memory};
}

void order_add(struct order *order, uint64_t number, void *thing) {
    struct entry entry = {number, thing};
    struct target target = target_of(order, number, thing);
    if (!order->root) {
        struct leaf *leaf = node_new(order, sizeof *leaf);
        leaf->count = 0;
        order->root = leaf;
        order->height = 0;
    }
    void *right = node_add(order, order->root, order->height, &entry, &target);
    if (right) {
        struct inner *root = node_new(order, sizeof *root);
        root->count = 2;
        root->at[0] = describe(order->root, order->height);
        root->at[1] = describe(right, order->height);
        order->root = root;
        order->height++;
    }
    order->count++;
}

/* ---- removing --- */

static void leaf_remove(struct leaf *leaf, const struct target *target) {
    bool equal;
    size_t place = leaf_place(leaf, target, &equal);
    assert(equal);
    leaf->count--;
    memmove(leaf->at + place, leaf->at + place + 1, (leaf->count - place) * sizeof *leaf->at);
}

static void inner_drop(struct inner *inner, size_t place) {
    inner->count--;
    memmove(inner->at + place, inner->at + place + 1, (inner->count - place) * sizeof *inner->at);
}

/* Moves everything of child i+1 into child i when that leaves room for more. */
static bool merge(struct order *order, struct inner *inner, size_t i, unsigned child_height) {
    size_t max = child_height == 0 ? LEAF_MAX : INNER_MAX;
    void *left = inner->at[i].node, *right = inner->at[i + 1].node;
    if (node_count(left, child_height) + node_count(right, child_height) > max * 3 / 4)
        return false;
    if (child_height == 0) {
        struct leaf *to = left, *from = right;
        memcpy(to->at + to->count, from->at, from->count * sizeof *to->at);
        to->count += from->count;
    } else {
        struct inner *to = left, *from = right;
        memcpy(to->at + to->count, from->at, from->count * sizeof *to->at);
        to->count += from->count;
    }
    node_free(order, right, child_height);
    inner_drop(inner, i + 1);
    inner->at[i] = describe(left, child_height);
    return true;
}

/* After something went from child i: forgets it when it is empty, merges it when it is thin. */
static void mend(struct order *order, struct inner *inner, size_t i, unsigned child_height) {
    void *node = inner->at[i].node;
    size_t count = node_count(node, child_height);
    if (count == 0) {
        node_free(order, node, child_height);
        inner_drop(inner, i);
        return;
    }
    inner->at[i] = describe(node, child_height);
    if (count >= (child_height == 0 ? (size_t)LEAF_THIN : (size_t)INNER_THIN))
        return;
    if (i + 1 < inner->count && merge(order, inner, i, child_height))
        return;
    if (i > 0)
        merge(order, inner, i - 1, child_height);
}

static void node_remove(struct order *order, void *node, unsigned height, const struct target *target) {
    if (height == 0) {
        leaf_remove(node, target);
        return;
    }
    struct inner *inner = node;
    size_t i = inner_place(inner, target);
    node_remove(order, inner->at[i].node, height - 1, target);
    mend(order, inner, i, height - 1);
}

/* A root that is empty goes; one with a single child gives its place to it. */
static void mend_root(struct order *order) {
    while (order->root && order->height > 0 && node_count(order->root, order->height) == 1) {
        struct inner *root = order->root;
        order->root = root->at[0].node;
        node_free(order, root, order->height);
        order->height--;
    }
    if (order->root && node_count(order->root, order->height) == 0) {
        node_free(order, order->root, order->height);
        order->root = NULL;
        order->height = 0;
    }
}

void order_remove(struct order *order, uint64_t number, const void *thing) {
    struct target target = target_of(order, number, thing);
    assert(order->count > 0);
    node_remove(order, order->root, order->height, &target);
    order->count--;
    mend_root(order);
    assert((order->root == NULL) == (order->count == 0));
}

static void node_replace(void *node, unsigned height, const struct entry *entry,
                         const struct target *target) {
    if (height == 0) {
        bool equal;
        struct leaf *leaf = node;
        size_t place = leaf_place(leaf, target, &equal);
        assert(equal);
        leaf->at[place] = *entry;
        return;
    }
    struct inner *inner = node;
    size_t i = inner_place(inner, target);
    node_replace(inner->at[i].node, height - 1, entry, target);
    inner->at[i] = describe(inner->at[i].node, height - 1);
}

void order_replace(struct order *order, uint64_t number, const void *old, void *thing) {
    struct entry entry = {number, thing};
    struct target target = target_of(order, number, old);
    node_replace(order->root, order->height, &entry, &target);
}

/* ---- asking --- */

void *order_first(const struct order *order) {
    if (!order->root)
        return NULL;
    if (order->height > 0)
        return ((const struct inner *)order->root)->at[0].low.thing;
    return ((const struct leaf *)order->root)->at[0].thing;
}

/* Walks down along the border between what lies before the target and what does not: counts what lies left of
 * it, notes the first right of it. `before` says whether an entry lies before the target; with `through`: or
 * at it. */
static size_t border(const struct order *order, const struct target *target, bool through,
                     bool (*before)(const struct target *target, bool through, const struct entry *entry),
                     const struct entry **next) {
    size_t rank = 0;
    const void *node = order->root;
    *next = NULL;
    for (unsigned height = order->height; node && height > 0; height--) {
        const struct inner *inner = node;
        size_t low = 0, high = inner->count - 1; /* of the children behind the first, how many start left */
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (before(target, through, &inner->at[middle + 1].low))
                low = middle + 1;
            else
                high = middle;
        }
        for (size_t i = 0; i < low; i++)
            rank += inner->at[i].keys;
        if (low + 1 < inner->count)
            *next = &inner->at[low + 1].low;
        node = inner->at[low].node;
    }
    if (!node)
        return rank;
    const struct leaf *leaf = node;
    size_t low = 0, high = leaf->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (before(target, through, &leaf->at[middle]))
            low = middle + 1;
        else
            high = middle;
    }
    if (low < leaf->count)
        *next = &leaf->at[low];
    return rank + low;
}

static bool before_number(const struct target *target, bool through, const struct entry *entry) {
    return through ? entry->number <= target->number : entry->number < target->number;
}

static bool before_place(const struct target *target, bool through, const struct entry *entry) {
    int difference = compare(target, entry);
    return through ? difference >= 0 : difference > 0;
}

static bool before_key(const struct target *target, bool through, const struct entry *entry) {
    struct entry same = {target->number, entry->thing};
    return before_place(target, through, &same);
}

size_t order_rank_of_number(const struct order *order, uint64_t number, bool through, uint64_t *next) {
    struct target target = {.number = number};
    const struct entry *behind;
    size_t rank = border(order, &target, through, before_number, &behind);
    if (next)
        *next = behind ? behind->number : 0;
    return rank;
}

size_t order_rank_of_key(const struct order *order, const struct resp_arg *key, bool through) {
    struct target target = {0, *key, order->key_of};
    const struct entry *behind;
    return border(order, &target, through, before_key, &behind);
}

size_t order_rank(const struct order *order, uint64_t number, const void *thing) {
    struct target target = target_of(order, number, thing);
    const struct entry *entry;
    size_t rank = border(order, &target, false, before_place, &entry);
    assert(entry && entry->thing == thing);
    return rank;
}

const void *order_seek(const struct order *order, size_t rank, size_t *within) {
    const void *node = order->root;
    assert(rank < order->count);
    for (unsigned height = order->height; height > 0; height--) {
        const struct inner *inner = node;
        size_t i = 0;
        for (; rank >= inner->at[i].keys; i++)
            rank -= inner->at[i].keys;
        node = inner->at[i].node;
    }
    *within = rank;
    return node;
}

void *order_in(const void *place, size_t within) {
    const struct leaf *leaf = place;
    return within < leaf->count ? leaf->at[within].thing : NULL;
}

/* ---- freeing --- */

/* Frees one node, the last leaf or an inner node that has lost its children; true when it was `node`. */
static bool free_last(struct order *order, void *node, unsigned height) {
    struct inner *inner = node;
    if (height == 0 || inner->count == 0) {
        node_free(order, node, height);
        return true;
    }
    struct child *last = &inner->at[inner->count - 1];
    if (free_last(order, last->node, height - 1))
        inner->count--;
    return false;
}

size_t order_free_some(struct order *order, size_t count) {
    size_t freed = 0;
    while (freed < count && order->root) {
        if (free_last(order, order->root, order->height))
            order_init(order, order->key_of, order->memory);
        freed++;
    }
    return freed;
}
