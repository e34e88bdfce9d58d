/* SPDX-License-Identifier: MIT */
/* The dict against a stupid twin: an array of names that is searched from front to back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/data/dict.h"

enum { NAMES = 30000, NAME_SIZE = 16 };

struct twin {
    int names[NAMES]; /* in the dense order */
    size_t count;
};

static struct resp_arg key_of(const void *item) {
    return item_key(item);
}

static void free_thing(void *item, size_t *memory) {
    item_free(item, memory);
}

static const struct dict_kind items = {key_of, free_thing};

static uint64_t draw(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static struct resp_arg name_of(int name, char bytes[NAME_SIZE]) {
    int length = snprintf(bytes, NAME_SIZE, "%d", name);
    return (struct resp_arg){bytes, (size_t)length};
}

static void add(struct dict *dict, int name) {
    char bytes[NAME_SIZE];
    struct resp_arg key = name_of(name, bytes);
    dict_add(dict, item_new(&key, "v", 1, dict->memory), dict_hash(dict, &key));
}

static struct item *find(struct dict *dict, int name, size_t *slot) {
    char bytes[NAME_SIZE];
    struct resp_arg key = name_of(name, bytes);
    return dict_find(dict, &key, dict_hash(dict, &key), slot);
}

static void drop(struct dict *dict, int name) {
    char bytes[NAME_SIZE];
    size_t slot;
    struct resp_arg key = name_of(name, bytes);
    struct item *item = find(dict, name, &slot);
    assert_non_null(item);
    dict_remove(dict, slot, dict_hash(dict, &key));
    item_free(item, dict->memory);
}

static void assert_same(struct dict *dict, const struct twin *twin) {
    assert_int_equal(dict->count, twin->count);
    for (size_t i = 0; i < twin->count; i++) {
        size_t slot;
        char bytes[NAME_SIZE];
        struct resp_arg want = name_of(twin->names[i], bytes), have = item_key(dict_at(dict, i));
        assert_int_equal(have.length, want.length);
        assert_memory_equal(have.bytes, want.bytes, want.length);
        assert_ptr_equal(find(dict, twin->names[i], &slot), dict_at(dict, i));
        assert_int_equal(slot, i);
    }
}

static void free_all(struct dict *dict) {
    while (dict_free_some(dict, 100) == 100)
        ;
    assert_int_equal(*dict->memory, 0);
}

/* One step: removes the name when it is there, adds it when it is not. `bias` of 10 steps add rather than
 * remove. */
static void step(struct dict *dict, struct twin *twin, bool *there, uint64_t *seed, unsigned bias) {
    bool adds = draw(seed) % 10 < bias;
    if (adds || twin->count == 0) {
        int name = (int)(draw(seed) % NAMES);
        size_t slot;
        assert_int_equal(find(dict, name, &slot) != NULL, there[name]);
        if (there[name])
            return;
        add(dict, name);
        there[name] = true;
        twin->names[twin->count++] = name;
    } else {
        size_t at = (size_t)(draw(seed) % twin->count);
        int name = twin->names[at];
        drop(dict, name);
        there[name] = false;
        twin->names[at] = twin->names[--twin->count];
    }
}

static void keys_are_found_and_keep_the_dense_order_through_growth_and_shrinking(void **state) {
    (void)state;
    static struct twin twin;
    static bool there[NAMES];
    static const unsigned biases[] = {9, 5, 8, 2, 9, 1, 1, 1};
    size_t memory = 0, most = 0;
    uint64_t seed = 1;
    struct dict dict;
    dict_init(&dict, &items, &(struct hash_key){7, 9}, &memory);
    for (size_t phase = 0; phase < sizeof biases / sizeof biases[0]; phase++) {
        for (int i = 0; i < 20000; i++)
            step(&dict, &twin, there, &seed, biases[phase]);
        most = twin.count > most ? twin.count : most;
        assert_same(&dict, &twin);
    }
    assert_true(most > 10000);
    assert_true(twin.count < 1000);
    free_all(&dict);
}

static void the_order_does_not_depend_on_the_hash(void **state) {
    (void)state;
    size_t memory = 0;
    struct dict one, two;
    uint64_t seed = 5;
    dict_init(&one, &items, &(struct hash_key){1, 2}, &memory);
    dict_init(&two, &items, &(struct hash_key){3, 4}, &memory);
    for (int i = 0; i < 5000; i++) {
        add(&one, i);
        add(&two, i);
    }
    for (int i = 0; i < 4000; i++) {
        struct resp_arg key = item_key(dict_at(&one, (size_t)(draw(&seed) % one.count)));
        int name = (int)strtol(key.bytes, NULL, 10);
        drop(&one, name);
        drop(&two, name);
    }
    for (size_t i = 0; i < one.count; i++) {
        struct resp_arg a = item_key(dict_at(&one, i)), b = item_key(dict_at(&two, i));
        assert_int_equal(a.length, b.length);
        assert_memory_equal(a.bytes, b.bytes, a.length);
    }
    while (dict_free_some(&one, 64) == 64)
        ;
    free_all(&two);
}

static void keys_that_collide_altogether_are_told_apart(void **state) {
    (void)state;
    enum { COLLIDING = 900 };
    size_t memory = 0, slot;
    struct dict dict;
    dict_init(&dict, &items, &(struct hash_key){0, 0}, &memory);
    for (int i = 0; i < COLLIDING; i++) {
        char bytes[NAME_SIZE];
        struct resp_arg key = name_of(i, bytes);
        dict_add(&dict, item_new(&key, "", 0, &memory), 42);
    }
    for (int i = 0; i < COLLIDING; i += 2) {
        char bytes[NAME_SIZE];
        struct resp_arg key = name_of(i, bytes);
        assert_non_null(dict_find(&dict, &key, 42, &slot));
        assert_int_equal(slot, i);
    }
    assert_null(dict_find(&dict, &(struct resp_arg){"x", 1}, 42, &slot));
    free_all(&dict);
}

static void an_index_entry_and_a_place_cost_about_twenty_bytes_a_key(void **state) {
    (void)state;
    enum { KEYS = 300000 };
    size_t memory = 0, in_items = 0;
    struct dict dict;
    dict_init(&dict, &items, &(struct hash_key){11, 12}, &memory);
    for (int i = 0; i < KEYS; i++) {
        char bytes[NAME_SIZE];
        struct resp_arg key = name_of(i, bytes);
        size_t before = memory;
        struct item *item = item_new(&key, "", 0, &memory);
        in_items += memory - before;
        dict_add(&dict, item, dict_hash(&dict, &key));
    }
    assert_true(memory - in_items < (size_t)22 * KEYS);
    free_all(&dict);
}

/* Of the bytes 00 01 02 .. under the key 00 .. 0f, as the reference's own vectors are made. */
static void append(struct dict *dict, int name, uint32_t *hashes) {
    char bytes[NAME_SIZE];
    struct resp_arg key = name_of(name, bytes);
    hashes[dict->count] = dict_hash(dict, &key);
    dict_append(dict, item_new(&key, "v", 1, dict->memory));
}

/* At every size around those at which there is a segment more, and at the largest. */
static void an_index_made_at_once_is_as_good_as_one_that_grew(void **state) {
    (void)state;
    static uint32_t hashes[NAMES];
    static const int sizes[] = {0, 1, 640, 641, 1280, 1281, 5000, NAMES};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct dict dict;
        size_t memory = 0, slot;
        dict_init(&dict, &items, &(struct hash_key){i, 7}, &memory);
        for (int name = 0; name < sizes[i]; name++)
            append(&dict, name, hashes);
        assert_true(dict_index(&dict, hashes));
        for (int name = 0; name < sizes[i]; name++) {
            assert_non_null(find(&dict, name, &slot));
            assert_int_equal(slot, name);
        }
        assert_null(find(&dict, sizes[i], &slot));
        for (int name = sizes[i]; name < 2 * sizes[i]; name++) /* it grows on, and shrinks */
            add(&dict, name);
        for (int name = 0; name < 2 * sizes[i]; name++)
            drop(&dict, name);
        assert_int_equal(dict.count, 0);
        dict_free_some(&dict, SIZE_MAX);
        assert_int_equal(memory, 0);
    }
}

static void an_index_made_at_once_finds_keys_that_are_there_twice(void **state) {
    (void)state;
    static uint32_t hashes[3000];
    for (int twice = 0; twice < 2; twice++) {
        struct dict dict;
        size_t memory = 0;
        dict_init(&dict, &items, &(struct hash_key){1, 7}, &memory);
        for (int name = 0; name < 2999; name++) {
            append(&dict, name, hashes);
            hashes[name] &= 0xfff00000; /* many are of one hash */
        }
        append(&dict, twice ? 1234 : 2999, hashes);
        hashes[2999] &= 0xfff00000;
        assert_int_equal(dict_index(&dict, hashes), !twice);
        dict_free_some(&dict, SIZE_MAX);
        assert_int_equal(memory, 0);
    }
}

static void the_hash_is_siphash_1_3(void **state) {
    (void)state;
    static const struct {
        size_t length;
        uint64_t hash;
    } rows[] = {
        {0, UINT64_C(0xabac0158050fc4dc)},
        {1, UINT64_C(0xc9f49bf37d57ca93)},
        {8, UINT64_C(0x369095118d299a8e)},
        {15, UINT64_C(0xd320d86d2a519956)},
    };
    unsigned char bytes[15];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    struct hash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_true(hash_bytes(&key, bytes, rows[i].length) == rows[i].hash);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_and_keep_the_dense_order_through_growth_and_shrinking),
        cmocka_unit_test(the_order_does_not_depend_on_the_hash),
        cmocka_unit_test(keys_that_collide_altogether_are_told_apart),
        cmocka_unit_test(an_index_entry_and_a_place_cost_about_twenty_bytes_a_key),
        cmocka_unit_test(an_index_made_at_once_is_as_good_as_one_that_grew),
        cmocka_unit_test(an_index_made_at_once_finds_keys_that_are_there_twice),
        cmocka_unit_test(the_hash_is_siphash_1_3),
    };
    return cmocka_run_group_tests_name("dict", tests, NULL, NULL);
}
