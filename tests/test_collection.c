/* SPDX-License-Identifier: MIT */
/*
 * Hashes, sets and sorted sets against a stupid twin: an array of members that is searched from front to back
 * and sorted when its order is asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/data/collection.h"

enum { MEMBERS = 3000, KEY_MAX = 300, VALUE_SIZE = 1500 };

struct twin_member {
    size_t key_length, value_length;
    char key[KEY_MAX], value[VALUE_SIZE];
    double score;
};

struct fixture {
    struct keyspace *keyspace;
    enum value_type type;
    struct twin_member *twin;
    size_t count;
    uint64_t seed;
    uint64_t names;
};

static const struct resp_arg key_c = {"c", 1}, key_d = {"d", 1};

static uint64_t draw(struct fixture *f, uint64_t below) {
    f->seed = f->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (f->seed >> 33) % below;
}

static struct resp_arg arg(const char *text) {
    return (struct resp_arg){text, strlen(text)};
}

/* ---- the twin --- */

static struct resp_arg twin_key(const struct twin_member *member) {
    return (struct resp_arg){member->key, member->key_length};
}

static bool same(const struct resp_arg *a, const struct resp_arg *b) {
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static struct twin_member *twin_find(struct fixture *f, const struct resp_arg *key) {
    for (size_t i = 0; i < f->count; i++) {
        struct resp_arg own = twin_key(&f->twin[i]);
        if (same(&own, key))
            return &f->twin[i];
    }
    return NULL;
}

static bool twin_put(struct fixture *f, const struct twin_member *member) {
    struct resp_arg key = twin_key(member);
    struct twin_member *found = twin_find(f, &key);
    *(found ? found : &f->twin[f->count++]) = *member;
    return !found;
}

static bool twin_remove(struct fixture *f, const struct resp_arg *key) {
    struct twin_member *found = twin_find(f, key);
    if (!found)
        return false;
    memmove(found, found + 1, (size_t)(f->twin + --f->count - found) * sizeof *found);
    return true;
}

static int by_score(const void *a, const void *b) {
    const struct twin_member *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    size_t common = x->key_length < y->key_length ? x->key_length : y->key_length;
    int difference = memcmp(x->key, y->key, common);
    return difference ? difference : (x->key_length > y->key_length) - (x->key_length < y->key_length);
}

/* ---- comparing --- */

static void assert_member(const struct fixture *f, const struct member *member,
                          const struct twin_member *twin) {
    assert_int_equal(member->key.length, twin->key_length);
    assert_memory_equal(member->key.bytes, twin->key, twin->key_length);
    if (f->type == VALUE_HASH) {
        assert_int_equal(member->value.length, twin->value_length);
        assert_memory_equal(member->value.bytes, twin->value, twin->value_length);
    }
    if (f->type == VALUE_ZSET)
        assert_memory_equal(&member->score, &twin->score, sizeof twin->score);
}

static void assert_found(struct fixture *f, const struct item *item) {
    char seen[MEMBERS] = {0};
    for (size_t i = 0; i < f->count; i++) {
        struct resp_arg key = twin_key(&f->twin[i]);
        struct member member, at;
        assert_true(collection_find(item, &key, &member));
        assert_member(f, &member, &f->twin[i]);
        assert_true(member.place < f->count && !seen[member.place]++);
        collection_at(item, member.place, &at);
        assert_int_equal(at.place, member.place);
        assert_member(f, &at, &f->twin[i]);
    }
}

static void assert_borders(struct fixture *f, const struct item *item) {
    for (int i = 0; i < 20; i++) {
        double score = draw(f, 2) && f->count ? f->twin[draw(f, f->count)].score : (double)draw(f, 100) - 50;
        size_t below = 0, through = 0;
        for (size_t j = 0; j < f->count; j++) {
            below += f->twin[j].score < score;
            through += f->twin[j].score <= score;
        }
        assert_int_equal(zset_rank_of_score(item, score, false), below);
        assert_int_equal(zset_rank_of_score(item, score, true), through);
    }
}

static void assert_order(struct fixture *f, const struct item *item) {
    struct member member;
    struct zset_walk walk;
    qsort(f->twin, f->count, sizeof *f->twin, by_score);
    zset_walk_begin(&walk, item, 0);
    for (size_t rank = 0; rank < f->count; rank++) {
        struct resp_arg key = twin_key(&f->twin[rank]);
        size_t own;
        double score;
        assert_true(zset_rank(item, &key, &own, &score));
        assert_int_equal(own, rank);
        assert_true(score == f->twin[rank].score);
        zset_at_rank(item, rank, &member);
        assert_member(f, &member, &f->twin[rank]);
        assert_true(zset_walk_up(&walk, &member));
        assert_member(f, &member, &f->twin[rank]);
    }
    assert_false(zset_walk_up(&walk, &member));
    zset_walk_begin(&walk, item, f->count - 1);
    for (size_t rank = f->count; rank-- > 0;) {
        assert_true(zset_walk_down(&walk, &member));
        assert_member(f, &member, &f->twin[rank]);
    }
    assert_false(zset_walk_down(&walk, &member));
    assert_borders(f, item);
}

static void assert_all(struct fixture *f) {
    const struct item *item = keyspace_find(f->keyspace, 0, &key_c);
    assert_int_equal(item != NULL, f->count > 0);
    if (!item)
        return;
    assert_int_equal(item_type(item), f->type);
    assert_int_equal(collection_count(item), f->count);
    assert_found(f, item);
    if (f->type == VALUE_ZSET)
        assert_order(f, item);
    char text[16];
    for (int i = 0; i < 20; i++) {
        struct resp_arg key = {text, (size_t)snprintf(text, sizeof text, "none%d", i)};
        assert_false(collection_find(item, &key, NULL));
    }
}

/* ---- random changes of both --- */

static void random_member(struct fixture *f, struct twin_member *member) {
    static const char *const formats[] = {"%llu", "-%llu", "%llu000000000", "key:%llu", "%llux", "0%llu"};
    unsigned long long name = draw(f, f->names);
    member->key_length = (size_t)snprintf(member->key, KEY_MAX, formats[name % 6], name);
    if (name % 50 == 0) { /* lengths that need more than one byte */
        memset(member->key + member->key_length, 'x', 100 + name % 150);
        member->key_length += 100 + name % 150;
    }
    member->value_length = draw(f, 10) ? (size_t)draw(f, 20) : (size_t)draw(f, VALUE_SIZE);
    for (size_t i = 0; i < member->value_length; i++)
        member->value[i] = (char)('0' + draw(f, draw(f, 3) ? 10 : 200));
    static const double scores[] = {0.0, 1.0 / 3, 1e300, -1e-300, 9007199254740993.0, 0.1};
    member->score = draw(f, 4) ? (double)draw(f, 100) - 50 : scores[draw(f, 6)];
}

static bool change(struct fixture *f, struct collection *c, const struct twin_member *member) {
    struct resp_arg key = twin_key(member), value = {member->value, member->value_length};
    if (f->type == VALUE_HASH)
        return hash_set(c, &key, &value);
    if (f->type == VALUE_SET)
        return set_add(c, &key);
    return zset_set(c, &key, member->score);
}

static void remove_ranks(struct fixture *f, struct collection *c) {
    size_t from = (size_t)draw(f, f->count), to = from + (size_t)draw(f, 5);
    to = to < f->count ? to : f->count;
    qsort(f->twin, f->count, sizeof *f->twin, by_score);
    zset_remove_ranks(c, from, to);
    memmove(f->twin + from, f->twin + to, (f->count - to) * sizeof *f->twin);
    f->count -= to - from;
}

static void step(struct fixture *f, struct collection *c, uint64_t growth) {
    struct twin_member member;
    random_member(f, &member);
    struct resp_arg key = twin_key(&member);
    if (draw(f, 100) < growth && f->count < MEMBERS) {
        bool is_new = twin_put(f, &member);
        assert_int_equal(change(f, c, &member), is_new);
    } else if (f->type == VALUE_ZSET && f->count > 0 && draw(f, 30) == 0) {
        remove_ranks(f, c);
    } else if (draw(f, 2) && f->count > 0) {
        struct member at;
        char copy[KEY_MAX];
        collection_at(c->item, (size_t)draw(f, f->count), &at);
        struct resp_arg own = {memcpy(copy, at.key.bytes, at.key.length), at.key.length};
        collection_remove_at(c, at.place);
        assert_true(twin_remove(f, &own));
    } else {
        assert_int_equal(collection_remove(c, &key), twin_remove(f, &key));
    }
}

/* What is looked up ahead changes nothing, whatever is there and whatever words stand behind the key. */
static void expect(struct fixture *f) {
    struct twin_member members[2];
    struct resp_arg words[2];
    struct keyspace_key keys[KEYSPACE_EXPECT_MAX];
    size_t count = (size_t)draw(f, KEYSPACE_EXPECT_MAX + 1);
    for (size_t i = 0; i < 2; i++) {
        random_member(f, &members[i]);
        words[i] = twin_key(&members[i]);
    }
    for (size_t i = 0; i < count; i++)
        keys[i] = (struct keyspace_key){
            .key = draw(f, 4) ? key_c : key_d, .behind = words, .behind_count = (size_t)draw(f, 3)};
    keyspace_expect(f->keyspace, keys, count);
}

static void run(enum value_type type, uint64_t seed, uint64_t names) {
    struct fixture f = {keyspace_new(1), type, calloc(MEMBERS, sizeof(struct twin_member)), 0, seed, names};
    assert_non_null(f.twin);
    keyspace_set_hash_key(f.keyspace, seed, ~seed);
    for (uint64_t round = 0; round < 60; round++) {
        uint64_t growth = round < 30 ? 80 : 30;
        for (uint64_t i = draw(&f, names / 4); i > 0; i--) {
            struct collection c;
            expect(&f);
            collection_open(&c, f.keyspace, 0, &key_c, type, NULL);
            for (uint64_t changes = draw(&f, 4); changes > 0; changes--)
                step(&f, &c, growth);
            assert_int_equal(collection_close(&c, i), f.count > 0);
        }
        assert_all(&f);
        if (draw(&f, 10) == 0 && f.count > 0) {
            keyspace_rename(f.keyspace, 0, &key_c, &key_d, 1);
            keyspace_rename(f.keyspace, 0, &key_d, &key_c, 1);
        }
    }
    keyspace_free(f.keyspace);
    free(f.twin);
}

static void random_changes_of_a_hash_give_what_the_twin_gives(void **state) {
    (void)state;
    run(VALUE_HASH, 1, 30);
    run(VALUE_HASH, 2, 1000);
}

static void random_changes_of_a_set_give_what_the_twin_gives(void **state) {
    (void)state;
    run(VALUE_SET, 1, 50);
    run(VALUE_SET, 2, 1000);
}

static void random_changes_of_a_sorted_set_give_what_the_twin_gives(void **state) {
    (void)state;
    run(VALUE_ZSET, 1, 50);
    run(VALUE_ZSET, 2, 1000);
}

/* ---- single rules --- */

static const char *encoding(struct keyspace *keyspace) {
    return collection_encoding(keyspace_find(keyspace, 0, &key_c));
}

static void a_collection_tells_of_its_limits_by_its_encoding_and_never_goes_back(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    struct collection_limits limits = {2, 5};
    struct collection c;
    keyspace_set_compact(keyspace, &(struct keyspace_compact){limits, limits, limits});
    struct resp_arg a = arg("a"), b = arg("b"), d = arg("d"), is_long = arg("abcdef");
    collection_open(&c, keyspace, 0, &key_c, VALUE_HASH, &limits);
    hash_set(&c, &a, &b);
    hash_set(&c, &b, &b);
    assert_true(collection_close(&c, 1));
    assert_string_equal(encoding(keyspace), "listpack");
    collection_open(&c, keyspace, 0, &key_c, VALUE_HASH, &limits);
    hash_set(&c, &d, &b);
    collection_remove(&c, &d);
    assert_true(collection_close(&c, 2));
    assert_string_equal(encoding(keyspace), "hashtable");
    keyspace_delete(keyspace, 0, &key_c);
    collection_open(&c, keyspace, 0, &key_c, VALUE_ZSET, &limits);
    zset_set(&c, &a, 1);
    assert_true(collection_close(&c, 3));
    assert_string_equal(encoding(keyspace), "listpack");
    collection_open(&c, keyspace, 0, &key_c, VALUE_ZSET, &limits);
    zset_set(&c, &is_long, 1);
    assert_true(collection_close(&c, 4));
    assert_string_equal(encoding(keyspace), "skiplist");
    keyspace_free(keyspace);
}

/* What a node's directives call a collection is its own affair. */
static void what_counts_as_compact_shows_in_the_name_and_not_in_the_digest(void **state) {
    (void)state;
    static const struct collection_limits by_default = {512, 64};
    const struct keyspace_compact little = {{1, 64}, {1, 64}, {1, 64}};
    struct keyspace *keyspaces[] = {keyspace_new(1), keyspace_new(1)};
    struct resp_arg a = arg("a"), b = arg("b");
    keyspace_set_compact(keyspaces[1], &little);
    for (int i = 0; i < 2; i++) {
        struct collection c;
        collection_open(&c, keyspaces[i], 0, &key_c, VALUE_HASH, &by_default);
        hash_set(&c, &a, &b);
        hash_set(&c, &b, &b);
        assert_true(collection_close(&c, 1));
        assert_string_equal(encoding(keyspaces[i]), i == 0 ? "listpack" : "hashtable");
        assert_false(collection_is_wide(keyspace_find(keyspaces[i], 0, &key_c)));
    }
    assert_true(keyspace_digest(keyspaces[0]) == keyspace_digest(keyspaces[1]));
    for (int i = 0; i < 2; i++)
        keyspace_free(keyspaces[i]);
}

static void a_set_of_integers_is_an_intset_until_another_member_comes(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    struct collection_limits limits = {512, 0};
    struct collection c;
    struct resp_arg number = arg("-12"), almost = arg("012");
    collection_open(&c, keyspace, 0, &key_c, VALUE_SET, &limits);
    assert_true(set_add(&c, &number));
    assert_true(collection_close(&c, 1));
    assert_string_equal(encoding(keyspace), "intset");
    collection_open(&c, keyspace, 0, &key_c, VALUE_SET, &limits);
    assert_true(set_add(&c, &almost));
    assert_true(collection_remove(&c, &almost));
    assert_true(collection_close(&c, 2));
    assert_string_equal(encoding(keyspace), "hashtable");
    keyspace_free(keyspace);
}

static void a_collection_without_members_is_no_key(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    struct collection c;
    struct resp_arg a = arg("a");
    collection_open(&c, keyspace, 0, &key_c, VALUE_SET, NULL);
    assert_false(collection_close(&c, 1));
    assert_int_equal(keyspace_size(keyspace, 0), 0);
    collection_open(&c, keyspace, 0, &key_c, VALUE_SET, NULL);
    set_add(&c, &a);
    assert_true(collection_close(&c, 1));
    collection_open(&c, keyspace, 0, &key_c, VALUE_SET, NULL);
    collection_remove(&c, &a);
    assert_false(collection_close(&c, 2));
    assert_null(keyspace_find(keyspace, 0, &key_c));
    keyspace_free(keyspace);
}

static void a_version_changes_with_the_members_and_only_then(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    struct collection c;
    struct resp_arg a = arg("a"), b = arg("b");
    collection_open(&c, keyspace, 0, &key_c, VALUE_ZSET, NULL);
    zset_set(&c, &a, 1);
    assert_true(collection_close(&c, 7));
    uint64_t digest = keyspace_digest(keyspace);
    collection_open(&c, keyspace, 0, &key_c, VALUE_ZSET, NULL);
    zset_set(&c, &a, 1);
    collection_remove(&c, &b);
    assert_true(collection_close(&c, 8));
    assert_int_equal(item_version(keyspace_find(keyspace, 0, &key_c)), 7);
    assert_true(keyspace_digest(keyspace) == digest);
    collection_open(&c, keyspace, 0, &key_c, VALUE_ZSET, NULL);
    zset_set(&c, &a, 2);
    assert_true(collection_close(&c, 9));
    assert_int_equal(item_version(keyspace_find(keyspace, 0, &key_c)), 9);
    assert_true(keyspace_digest(keyspace) != digest);
    keyspace_free(keyspace);
}

static void a_large_collection_that_went_is_freed_in_slices(void **state) {
    (void)state;
    enum { COUNT = 10000 };
    struct keyspace *keyspace = keyspace_new(1);
    struct collection c;
    char text[16];
    collection_open(&c, keyspace, 0, &key_c, VALUE_ZSET, NULL);
    for (int i = 0; i < COUNT; i++) {
        struct resp_arg member = {text, (size_t)snprintf(text, sizeof text, "m%d", i)};
        assert_true(zset_set(&c, &member, i));
    }
    assert_true(collection_close(&c, 1));
    size_t full = keyspace_memory(keyspace);
    assert_true(full > COUNT * 40);
    keyspace_delete(keyspace, 0, &key_c);
    assert_true(keyspace_memory(keyspace) > full * 9 / 10);
    size_t slices = 0;
    while (keyspace_reclaim_flushed(keyspace, 100) == 100)
        slices++;
    assert_true(slices >= COUNT / 100 - 1);
    assert_true(keyspace_memory(keyspace) < 10000);
    keyspace_free(keyspace);
}

static void a_string_set_over_a_collection_leaves_nothing_of_it(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    struct collection c;
    char text[16];
    keyspace_set_string(keyspace, 0, &key_c, "plain", 5, false, 2);
    keyspace_delete(keyspace, 0, &key_c); /* its mark is there from the beginning */
    for (int members = 3; members < 3000; members *= 30) {
        collection_open(&c, keyspace, 0, &key_c, VALUE_HASH, &(struct collection_limits){1, 1});
        for (int i = 0; i < members; i++) {
            struct resp_arg field = {text, (size_t)snprintf(text, sizeof text, "field:%d", i)};
            hash_set(&c, &field, &field);
        }
        assert_true(collection_close(&c, 1));
        struct item *item = keyspace_set_string(keyspace, 0, &key_c, "plain", 5, false, 2);
        assert_int_equal(item_type(item), VALUE_STRING);
        assert_int_equal(item_string(item).length, 5);
        assert_memory_equal(item_string(item).bytes, "plain", 5);
        uint64_t digest = keyspace_digest(keyspace);
        keyspace_delete(keyspace, 0, &key_c);
        keyspace_set_string(keyspace, 0, &key_c, "plain", 5, false, 2);
        assert_true(keyspace_digest(keyspace) == digest);
        keyspace_delete(keyspace, 0, &key_c);
    }
    keyspace_free(keyspace);
}

static void members_of_one_score_have_ranks_by_bytes(void **state) {
    (void)state;
    for (int count = 5; count < 3000; count *= 20) {
        struct keyspace *keyspace = keyspace_new(1);
        struct collection c;
        char text[16];
        collection_open(&c, keyspace, 0, &key_c, VALUE_ZSET, NULL);
        for (int i = 0; i < count; i++) {
            struct resp_arg member = {text, (size_t)snprintf(text, sizeof text, "m%06d", i * 2)};
            zset_set(&c, &member, 0);
        }
        assert_true(collection_close(&c, 1));
        const struct item *item = keyspace_find(keyspace, 0, &key_c);
        for (int i = 0; i < 2 * count; i++) {
            struct resp_arg bytes = {text, (size_t)snprintf(text, sizeof text, "m%06d", i)};
            assert_int_equal(zset_rank_of_bytes(item, &bytes, false), (i + 1) / 2);
            assert_int_equal(zset_rank_of_bytes(item, &bytes, true), i / 2 + 1);
        }
        keyspace_free(keyspace);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_of_a_hash_give_what_the_twin_gives),
        cmocka_unit_test(random_changes_of_a_set_give_what_the_twin_gives),
        cmocka_unit_test(random_changes_of_a_sorted_set_give_what_the_twin_gives),
        cmocka_unit_test(a_collection_tells_of_its_limits_by_its_encoding_and_never_goes_back),
        cmocka_unit_test(what_counts_as_compact_shows_in_the_name_and_not_in_the_digest),
        cmocka_unit_test(a_set_of_integers_is_an_intset_until_another_member_comes),
        cmocka_unit_test(a_collection_without_members_is_no_key),
        cmocka_unit_test(a_version_changes_with_the_members_and_only_then),
        cmocka_unit_test(a_large_collection_that_went_is_freed_in_slices),
        cmocka_unit_test(a_string_set_over_a_collection_leaves_nothing_of_it),
        cmocka_unit_test(members_of_one_score_have_ranks_by_bytes),
    };
    return cmocka_run_group_tests_name("collection", tests, NULL, NULL);
}
