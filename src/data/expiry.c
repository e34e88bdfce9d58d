/* SPDX-License-Identifier: MIT */
/*
 * When keys go.
 *
 * Nobody may see a key whose deadline is at or before the keyspace's clock, and everybody must agree on it:
 * the leader, a follower, a replay. So the clock is the log's, existence is a comparison of two numbers, and
 * freeing is a separate matter that can wait. There is no sampling and no timer a key:
 *
 *                          clock
 *                            v
 *     deadlines   9  9  12  15 | 16  20  20  31 ...
 *                 '---- due --'
 *                 invisible        visible
 *                 freed N at a time, from the left
 *
 * What is asked of the order: how many are due (the count of keys less that is DBSIZE, exact at once when a
 * million go in the same millisecond), the first one behind the clock (when to propose the next clock entry),
 * the first of all (what to free next), and to add and take out any. A B+ tree whose inner nodes count what
 * is below them answers each in O(log n), a few cache lines each, and takes about 24 bytes a deadline, none
 * for a key that has none:
 *
 *     inner    [ low keys node | low keys node | ... ]    low: first entry below, keys: how many
 *                    |               '--------.
 *     leaf     [ deadline item | ... ]   [ deadline item | ... ]
 *
 * Entries with the same deadline are ordered by key. The order then follows from what is there, not from how
 * it came about: a node that loaded a checkpoint frees the same keys in the same slice as one that never
 * stopped, and so keeps the same dense order (dict.c).
 *
 * `low` is a copy of an entry in a leaf. Each change goes down to its leaf and refreshes `low` and `keys` on
 * the way back up, so that no copy outlives the item it names. Items that change their address are replaced
 * while the old one can still be read.
 *
 * Deadlines mostly come in ascending order, so a node that overflows at its end keeps nearly everything and
 * starts the next one nearly empty; nodes stay about full then. A node that has become thin is merged with a
 * neighbour when both fit into one with room to spare. One that does not fit stays thin: its neighbour is
 * full enough for two.
 */
#include "expiry.h"

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
    uint64_t deadline;
    struct item *item;
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

static void *node_new(struct expiry *expiry, size_t size) {
    void *node = malloc(size);
    if (!node)
        abort();
    *expiry->memory += size;
    return node;
}

static void node_free(struct expiry *expiry, void *node, unsigned height) {
    *expiry->memory -= height == 0 ? sizeof(struct leaf) : sizeof(struct inner);
    free(node);
}

static int compare(uint64_t deadline, const struct resp_arg *key, const struct entry *entry) {
    if (deadline != entry->deadline)
        return deadline < entry->deadline ? -1 : 1;
    struct resp_arg other = item_key(entry->item);
    size_t common = key->length < other.length ? key->length : other.length;
    int order = common ? memcmp(key->bytes, other.bytes, common) : 0;
    if (order != 0)
        return order;
    return key->length < other.length ? -1 : key->length > other.length;
}

/* The first entry of a leaf that is not before (deadline, key); `equal` says whether it is that one. */
static size_t leaf_place(const struct leaf *leaf, uint64_t deadline, const struct resp_arg *key,
                         bool *equal) {
    size_t low = 0, high = leaf->count;
    *equal = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare(deadline, key, &leaf->at[middle]);
        if (order == 0) {
            *equal = true;
            return middle;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* The child below which (deadline, key) belongs: the last one whose low is not behind it, else the first. */
static size_t inner_place(const struct inner *inner, uint64_t deadline, const struct resp_arg *key) {
    size_t low = 1, high = inner->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(deadline, key, &inner->at[middle].low) < 0)
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
static void *leaf_add(struct expiry *expiry, struct leaf *leaf, const struct entry *entry,
                      const struct resp_arg *key) {
    bool equal;
    struct leaf *right = NULL, *into = leaf;
    size_t place = leaf_place(leaf, entry->deadline, key, &equal);
    assert(!equal);
    if (leaf->count == LEAF_MAX) {
        size_t stay = split_point(place, LEAF_MAX);
        right = node_new(expiry, sizeof *right);
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
static void *inner_add(struct expiry *expiry, struct inner *inner, size_t place, const struct child *child) {
    struct inner *right = NULL, *into = inner;
    if (inner->count == INNER_MAX) {
        size_t stay = split_point(place, INNER_MAX);
        right = node_new(expiry, sizeof *right);
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

static void *node_add(struct expiry *expiry, void *node, unsigned height, const struct entry *entry,
                      const struct resp_arg *key) {
    if (height == 0)
        return leaf_add(expiry, node, entry, key);
    struct inner *inner = node;
    size_t i = inner_place(inner, entry->deadline, key);
    void *right = node_add(expiry, inner->at[i].node, height - 1, entry, key);
    inner->at[i] = describe(inner->at[i].node, height - 1);
    if (!right)
        return NULL;
    struct child child = describe(right, height - 1);
    return inner_add(expiry, inner, i + 1, &child);
}

void expiry_init(struct expiry *expiry, size_t *memory) {
    *expiry = (struct expiry){.memory = memory};
}

void expiry_add(struct expiry *expiry, struct item *item) {
    struct entry entry = {item_deadline(item), item};
    struct resp_arg key = item_key(item);
    assert(entry.deadline != KEYSPACE_NO_DEADLINE);
    if (!expiry->root) {
        struct leaf *leaf = node_new(expiry, sizeof *leaf);
        leaf->count = 0;
        expiry->root = leaf;
        expiry->height = 0;
    }
    void *right = node_add(expiry, expiry->root, expiry->height, &entry, &key);
    if (right) {
        struct inner *root = node_new(expiry, sizeof *root);
        root->count = 2;
        root->at[0] = describe(expiry->root, expiry->height);
        root->at[1] = describe(right, expiry->height);
        expiry->root = root;
        expiry->height++;
    }
    expiry->count++;
}

/* ---- removing --- */

static void leaf_remove(struct leaf *leaf, uint64_t deadline, const struct resp_arg *key) {
    bool equal;
    size_t place = leaf_place(leaf, deadline, key, &equal);
    assert(equal);
    leaf->count--;
    memmove(leaf->at + place, leaf->at + place + 1, (leaf->count - place) * sizeof *leaf->at);
}

static void inner_drop(struct inner *inner, size_t place) {
    inner->count--;
    memmove(inner->at + place, inner->at + place + 1, (inner->count - place) * sizeof *inner->at);
}

/* Moves everything of child i+1 into child i when that leaves room for more. */
static bool merge(struct expiry *expiry, struct inner *inner, size_t i, unsigned child_height) {
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
    node_free(expiry, right, child_height);
    inner_drop(inner, i + 1);
    inner->at[i] = describe(left, child_height);
    return true;
}

/* After something went from child i: forgets it when it is empty, merges it when it is thin. */
static void mend(struct expiry *expiry, struct inner *inner, size_t i, unsigned child_height) {
    void *node = inner->at[i].node;
    size_t count = node_count(node, child_height);
    if (count == 0) {
        node_free(expiry, node, child_height);
        inner_drop(inner, i);
        return;
    }
    inner->at[i] = describe(node, child_height);
    if (count >= (child_height == 0 ? (size_t)LEAF_THIN : (size_t)INNER_THIN))
        return;
    if (i + 1 < inner->count && merge(expiry, inner, i, child_height))
        return;
    if (i > 0)
        merge(expiry, inner, i - 1, child_height);
}

static void node_remove(struct expiry *expiry, void *node, unsigned height, uint64_t deadline,
                        const struct resp_arg *key) {
    if (height == 0) {
        leaf_remove(node, deadline, key);
        return;
    }
    struct inner *inner = node;
    size_t i = inner_place(inner, deadline, key);
    node_remove(expiry, inner->at[i].node, height - 1, deadline, key);
    mend(expiry, inner, i, height - 1);
}

/* A root that is empty goes; one with a single child gives its place to it. */
static void mend_root(struct expiry *expiry) {
    while (expiry->root && expiry->height > 0 && node_count(expiry->root, expiry->height) == 1) {
        struct inner *root = expiry->root;
        expiry->root = root->at[0].node;
        node_free(expiry, root, expiry->height);
        expiry->height--;
    }
    if (expiry->root && node_count(expiry->root, expiry->height) == 0) {
        node_free(expiry, expiry->root, expiry->height);
        expiry->root = NULL;
        expiry->height = 0;
    }
}

void expiry_remove(struct expiry *expiry, struct item *item) {
    assert(expiry->count > 0);
    struct resp_arg key = item_key(item);
    node_remove(expiry, expiry->root, expiry->height, item_deadline(item), &key);
    expiry->count--;
    mend_root(expiry);
    assert((expiry->root == NULL) == (expiry->count == 0));
}

static void node_replace(void *node, unsigned height, const struct entry *entry, const struct resp_arg *key) {
    if (height == 0) {
        bool equal;
        struct leaf *leaf = node;
        size_t place = leaf_place(leaf, entry->deadline, key, &equal);
        assert(equal);
        leaf->at[place] = *entry;
        return;
    }
    struct inner *inner = node;
    size_t i = inner_place(inner, entry->deadline, key);
    node_replace(inner->at[i].node, height - 1, entry, key);
    inner->at[i] = describe(inner->at[i].node, height - 1);
}

void expiry_replace(struct expiry *expiry, struct item *old, struct item *item) {
    struct entry entry = {item_deadline(item), item};
    struct resp_arg key = item_key(old);
    assert(item_deadline(old) == entry.deadline);
    node_replace(expiry->root, expiry->height, &entry, &key);
}

/* ---- asking --- */

struct item *expiry_first(const struct expiry *expiry) {
    if (!expiry->root)
        return NULL;
    if (expiry->height > 0)
        return ((const struct inner *)expiry->root)->at[0].low.item;
    return ((const struct leaf *)expiry->root)->at[0].item;
}

/* The number of entries of a leaf at or before the clock. */
static size_t leaf_due(const struct leaf *leaf, uint64_t clock_ms) {
    size_t low = 0, high = leaf->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (leaf->at[middle].deadline <= clock_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Walks down along the border between what is due and what is not: counts what lies left of it, notes the
 * first right of it. */
static size_t border(const struct expiry *expiry, uint64_t clock_ms, uint64_t *next) {
    size_t due = 0;
    const void *node = expiry->root;
    *next = KEYSPACE_NO_DEADLINE;
    for (unsigned height = expiry->height; node && height > 0; height--) {
        const struct inner *inner = node;
        size_t i = 0;
        for (; i + 1 < inner->count && inner->at[i + 1].low.deadline <= clock_ms; i++)
            due += inner->at[i].keys;
        if (i + 1 < inner->count)
            *next = inner->at[i + 1].low.deadline;
        node = inner->at[i].node;
    }
    if (node) {
        const struct leaf *leaf = node;
        size_t place = leaf_due(leaf, clock_ms);
        if (place < leaf->count)
            *next = leaf->at[place].deadline;
        due += place;
    }
    return due;
}

size_t expiry_due(const struct expiry *expiry, uint64_t clock_ms) {
    uint64_t next;
    return border(expiry, clock_ms, &next);
}

uint64_t expiry_next(const struct expiry *expiry, uint64_t clock_ms) {
    uint64_t next;
    border(expiry, clock_ms, &next);
    return next;
}

/* ---- freeing --- */

/* Frees one node, the last leaf or an inner node that has lost its children; true when it was `node`. */
static bool free_last(struct expiry *expiry, void *node, unsigned height) {
    struct inner *inner = node;
    if (height == 0 || inner->count == 0) {
        node_free(expiry, node, height);
        return true;
    }
    struct child *last = &inner->at[inner->count - 1];
    if (free_last(expiry, last->node, height - 1))
        inner->count--;
    return false;
}

size_t expiry_free_some(struct expiry *expiry, size_t count) {
    size_t freed = 0;
    while (freed < count && expiry->root) {
        if (free_last(expiry, expiry->root, expiry->height))
            *expiry = (struct expiry){.memory = expiry->memory};
        freed++;
    }
    return freed;
}
