/* SPDX-License-Identifier: MIT */
/*
 * The keyspace against a stupid twin: an array of keys a database, searched from front to back, in which a
 * removal moves the last key into the hole and existence is asked of each key anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/data/keyspace.h"

enum { DATABASES = 3, NAMES = 300, VALUE_MAX = 5000 };

struct twin_key {
    int name;
    uint64_t deadline, version;
    size_t length;
    char value[VALUE_MAX];
};

struct twin {
    struct twin_key keys[DATABASES][NAMES];
    size_t count[DATABASES];
    uint64_t clock;
};

struct fixture {
    struct keyspace *keyspace;
    struct twin twin;
    uint64_t seed, version;
    char name[16], other[16], bytes[VALUE_MAX];
};

static uint64_t draw(struct fixture *f, uint64_t below) {
    f->seed = f->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (f->seed >> 33) % below;
}

static struct resp_arg name_of(char text[16], int name) {
    return (struct resp_arg){text, (size_t)snprintf(text, 16, "k%d", name)};
}

/* ---- the twin --- */

static bool twin_gone(const struct twin *twin, const struct twin_key *key) {
    return key->deadline && key->deadline <= twin->clock;
}

static struct twin_key *twin_any(struct twin *twin, unsigned db, int name) {
    for (size_t i = 0; i < twin->count[db]; i++)
        if (twin->keys[db][i].name == name)
            return &twin->keys[db][i];
    return NULL;
}

static void twin_remove(struct twin *twin, unsigned db, struct twin_key *key) {
    struct twin_key *last = &twin->keys[db][--twin->count[db]];
    if (key != last)
        *key = *last;
}

/* The key as a writer finds it: one that is gone makes room. */
static struct twin_key *twin_find(struct twin *twin, unsigned db, int name) {
    struct twin_key *key = twin_any(twin, db, name);
    if (key && twin_gone(twin, key)) {
        twin_remove(twin, db, key);
        return NULL;
    }
    return key;
}

static struct twin_key *twin_make(struct twin *twin, unsigned db, int name) {
    struct twin_key *key = &twin->keys[db][twin->count[db]++];
    key->name = name;
    key->deadline = 0;
    key->length = 0;
    return key;
}

static bool twin_reclaim_one(struct twin *twin) {
    for (unsigned db = 0; db < DATABASES; db++) {
        struct twin_key *first = NULL;
        char a[16], b[16];
        for (size_t i = 0; i < twin->count[db]; i++) {
            struct twin_key *key = &twin->keys[db][i];
            if (!twin_gone(twin, key))
                continue;
            name_of(a, key->name);
            if (first)
                name_of(b, first->name);
            if (!first || key->deadline < first->deadline ||
                (key->deadline == first->deadline && strcmp(a, b) < 0))
                first = key;
        }
        if (first) {
            twin_remove(twin, db, first);
            return true;
        }
    }
    return false;
}

/* ---- comparing --- */

static void assert_item(struct fixture *f, struct item *item, const struct twin_key *key) {
    char text[16];
    struct resp_arg name = name_of(text, key->name), own = item_key(item), value = item_string(item);
    (void)f;
    assert_int_equal(own.length, name.length);
    assert_memory_equal(own.bytes, name.bytes, name.length);
    assert_int_equal(value.length, key->length);
    assert_memory_equal(value.bytes, key->value, key->length);
    assert_int_equal(item_deadline(item), key->deadline);
    assert_int_equal(item_version(item), key->version);
}

static void assert_counts(struct fixture *f) {
    uint64_t next = 0;
    for (unsigned db = 0; db < DATABASES; db++) {
        size_t there = 0, deadlines = 0;
        for (size_t i = 0; i < f->twin.count[db]; i++) {
            const struct twin_key *key = &f->twin.keys[db][i];
            if (twin_gone(&f->twin, key))
                continue;
            there++;
            deadlines += key->deadline != 0;
            if (key->deadline && (!next || key->deadline < next))
                next = key->deadline;
        }
        assert_int_equal(keyspace_size(f->keyspace, db), there);
        assert_int_equal(keyspace_deadlines(f->keyspace, db), deadlines);
        assert_int_equal(keyspace_slots(f->keyspace, db), f->twin.count[db]);
    }
    assert_int_equal(keyspace_next_deadline(f->keyspace), next);
}

static void assert_everything(struct fixture *f) {
    for (unsigned db = 0; db < DATABASES; db++)
        for (size_t i = 0; i < f->twin.count[db]; i++) {
            const struct twin_key *key = &f->twin.keys[db][i];
            char text[16];
            struct resp_arg name = name_of(text, key->name);
            struct item *item = keyspace_at(f->keyspace, db, i);
            assert_ptr_equal(keyspace_find(f->keyspace, db, &name), item);
            assert_int_equal(item == NULL, twin_gone(&f->twin, key));
            if (item)
                assert_item(f, item, key);
        }
}

/* ---- one random step on both --- */

/* Mostly short, sometimes about the length at which a value moves out of its item. */
static size_t random_bytes(struct fixture *f, size_t max) {
    static const uint64_t bounds[] = {8, 40, 200, 1100, VALUE_MAX};
    size_t length = (size_t)draw(f, bounds[draw(f, 5)]);
    length = length < max ? length : max;
    for (size_t i = 0; i < length; i++)
        f->bytes[i] = (char)draw(f, 256);
    return length;
}

static void step_set(struct fixture *f, unsigned db, int name) {
    bool keep = draw(f, 2);
    size_t length = random_bytes(f, VALUE_MAX);
    struct resp_arg key = name_of(f->name, name);
    struct twin_key *twin = twin_find(&f->twin, db, name);
    if (!twin)
        twin = twin_make(&f->twin, db, name);
    twin->deadline = keep ? twin->deadline : 0;
    twin->version = ++f->version;
    twin->length = length;
    memcpy(twin->value, f->bytes, length);
    assert_item(f, keyspace_set_string(f->keyspace, db, &key, f->bytes, length, keep, f->version), twin);
}

static void step_append(struct fixture *f, unsigned db, int name) {
    struct resp_arg key = name_of(f->name, name);
    struct twin_key *twin = twin_any(&f->twin, db, name);
    struct item *item = keyspace_find(f->keyspace, db, &key);
    if (!item)
        return;
    size_t length = random_bytes(f, VALUE_MAX - twin->length);
    memcpy(twin->value + twin->length, f->bytes, length);
    twin->length += length;
    twin->version = ++f->version;
    assert_item(f, item_append(f->keyspace, db, item, f->bytes, length, f->version), twin);
}

static void step_deadline(struct fixture *f, unsigned db, int name) {
    struct resp_arg key = name_of(f->name, name);
    struct twin_key *twin = twin_any(&f->twin, db, name);
    struct item *item = keyspace_find(f->keyspace, db, &key);
    if (!item)
        return;
    uint64_t deadline = draw(f, 4) ? f->twin.clock - draw(f, 2) + 1 + draw(f, 60) : 0;
    twin->deadline = deadline;
    twin->version = ++f->version;
    assert_item(f, item_set_deadline(f->keyspace, db, item, deadline, f->version), twin);
}

static void step_delete(struct fixture *f, unsigned db, int name) {
    struct resp_arg key = name_of(f->name, name);
    struct twin_key *twin = twin_find(&f->twin, db, name);
    assert_int_equal(keyspace_delete(f->keyspace, db, &key), twin != NULL);
    if (twin)
        twin_remove(&f->twin, db, twin);
}

static void step_rename(struct fixture *f, unsigned db, int name, int to) {
    struct resp_arg from_key = name_of(f->name, name), to_key = name_of(f->other, to);
    if (!keyspace_find(f->keyspace, db, &from_key))
        return;
    keyspace_rename(f->keyspace, db, &from_key, &to_key, f->version + 1);
    if (name == to)
        return;
    struct twin_key *target = twin_find(&f->twin, db, to);
    struct twin_key moved = *twin_any(&f->twin, db, name);
    twin_remove(&f->twin, db, twin_any(&f->twin, db, name));
    target = target ? twin_any(&f->twin, db, to) : twin_make(&f->twin, db, to);
    moved.name = to;
    moved.version = ++f->version;
    *target = moved;
}

static void step_advance(struct fixture *f) {
    uint64_t clock = f->twin.clock + draw(f, 12) - 2;
    keyspace_advance(f->keyspace, clock);
    f->twin.clock = clock > f->twin.clock ? clock : f->twin.clock;
    assert_int_equal(keyspace_clock(f->keyspace), f->twin.clock);
}

static void step_reclaim(struct fixture *f) {
    size_t count = (size_t)draw(f, 4);
    keyspace_reclaim(f->keyspace, count);
    for (size_t i = 0; i < count && twin_reclaim_one(&f->twin); i++)
        ;
}

/* Changes nothing, whatever is there. */
static void step_expect(struct fixture *f) {
    char texts[KEYSPACE_EXPECT_MAX][16];
    struct keyspace_key keys[KEYSPACE_EXPECT_MAX];
    size_t count = (size_t)draw(f, KEYSPACE_EXPECT_MAX + 1);
    for (size_t i = 0; i < count; i++)
        keys[i] = (struct keyspace_key){.db = (unsigned)draw(f, DATABASES),
                                        .key = name_of(texts[i], (int)draw(f, NAMES))};
    keyspace_expect(f->keyspace, keys, count);
}

static void step(struct fixture *f) {
    if (draw(f, 10) == 0)
        step_expect(f);
    unsigned db = (unsigned)draw(f, DATABASES);
    int name = (int)draw(f, NAMES);
    uint64_t what = draw(f, 1000);
    if (what < 350)
        step_set(f, db, name);
    else if (what < 500)
        step_append(f, db, name);
    else if (what < 750)
        step_deadline(f, db, name);
    else if (what < 820)
        step_delete(f, db, name);
    else if (what < 900)
        step_rename(f, db, name, (int)draw(f, NAMES));
    else if (what < 950)
        step_advance(f);
    else if (what < 998)
        step_reclaim(f);
    else {
        keyspace_flush(f->keyspace, db);
        f->twin.count[db] = 0;
    }
}

static struct fixture *fixture_new(uint64_t seed) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->seed = seed;
    f->twin.clock = 1000;
    f->keyspace = keyspace_new(DATABASES);
    keyspace_set_hash_key(f->keyspace, seed, ~seed);
    keyspace_advance(f->keyspace, 1000);
    return f;
}

static void fixture_free(struct fixture *f) {
    keyspace_free(f->keyspace);
    free(f);
}

static void random_operations_give_what_the_twin_gives(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct fixture *f = fixture_new(seed);
        for (int i = 0; i < 15000; i++) {
            step(f);
            assert_counts(f);
            if (i % 100 == 0)
                assert_everything(f);
        }
        assert_everything(f);
        fixture_free(f);
    }
}

/* ---- single facts --- */

static const struct resp_arg key_a = {"a", 1}, key_b = {"b", 1};

static void a_key_is_gone_at_its_deadline_to_the_millisecond(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    keyspace_advance(keyspace, 100);
    struct item *item = keyspace_set_string(keyspace, 0, &key_a, "v", 1, false, 1);
    item_set_deadline(keyspace, 0, item, 200, 2);
    assert_int_equal(keyspace_next_deadline(keyspace), 200);
    keyspace_advance(keyspace, 199);
    assert_non_null(keyspace_find(keyspace, 0, &key_a));
    keyspace_advance(keyspace, 200);
    assert_null(keyspace_find(keyspace, 0, &key_a));
    assert_null(keyspace_at(keyspace, 0, 0));
    assert_int_equal(keyspace_size(keyspace, 0), 0);
    assert_int_equal(keyspace_next_deadline(keyspace), 0);
    assert_false(keyspace_delete(keyspace, 0, &key_a));
    keyspace_free(keyspace);
}

static void a_clock_that_goes_back_is_ignored(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    keyspace_advance(keyspace, 100);
    keyspace_advance(keyspace, 50);
    assert_int_equal(keyspace_clock(keyspace), 100);
    keyspace_free(keyspace);
}

static void a_key_made_where_one_is_gone_has_nothing_of_it(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    item_set_deadline(keyspace, 0, keyspace_set_string(keyspace, 0, &key_a, "old", 3, false, 1), 5, 1);
    keyspace_advance(keyspace, 10);
    struct item *item = keyspace_set_string(keyspace, 0, &key_a, "new", 3, true, 2);
    assert_int_equal(item_deadline(item), 0);
    assert_int_equal(keyspace_size(keyspace, 0), 1);
    assert_int_equal(keyspace_slots(keyspace, 0), 1);
    assert_int_equal(keyspace_reclaim(keyspace, 10), 0);
    keyspace_free(keyspace);
}

static void keys_are_reclaimed_by_deadline_then_by_key_and_no_more_than_asked(void **state) {
    (void)state;
    static const struct {
        const char *key;
        uint64_t deadline;
    } rows[] = {{"d", 7}, {"c", 5}, {"b", 7}, {"a", 7}, {"e", 90}};
    static const char *const order[] = {"c", "a", "b", "d"};
    struct keyspace *keyspace = keyspace_new(1);
    for (size_t i = 0; i < 5; i++) {
        struct resp_arg key = {rows[i].key, 1};
        struct item *item = keyspace_set_string(keyspace, 0, &key, "v", 1, false, 1);
        item_set_deadline(keyspace, 0, item, rows[i].deadline, 1);
    }
    keyspace_advance(keyspace, 50);
    assert_int_equal(keyspace_size(keyspace, 0), 1);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(keyspace_slots(keyspace, 0), 5 - i);
        assert_int_equal(keyspace_reclaim(keyspace, 1), 1);
        struct resp_arg key = {order[i], 1};
        keyspace_set_string(keyspace, 0, &key, "v", 1, false,
                            1); /* takes another place only when the old one was freed */
        assert_int_equal(keyspace_slots(keyspace, 0), 5 - i);
        assert_true(keyspace_delete(keyspace, 0, &key));
    }
    assert_int_equal(keyspace_reclaim(keyspace, 1), 0);
    keyspace_free(keyspace);
}

static void a_flushed_database_is_empty_at_once_and_freed_in_slices(void **state) {
    (void)state;
    enum { KEYS = 5000 };
    struct keyspace *keyspace = keyspace_new(2);
    size_t empty = keyspace_memory(keyspace);
    char text[16];
    for (int i = 0; i < KEYS; i++) {
        struct resp_arg key = name_of(text, i);
        struct item *item = keyspace_set_string(keyspace, 1, &key, "value", 5, false, 1);
        item_set_deadline(keyspace, 1, item, 1000 + (uint64_t)i, 1);
    }
    size_t full = keyspace_memory(keyspace);
    keyspace_flush(keyspace, 1);
    assert_int_equal(keyspace_size(keyspace, 1), 0);
    assert_int_equal(keyspace_slots(keyspace, 1), 0);
    assert_int_equal(keyspace_next_deadline(keyspace), 0);
    assert_true(keyspace_memory(keyspace) >= full);
    keyspace_set_string(keyspace, 1, &key_a, "v", 1, false, 2);
    assert_int_equal(keyspace_reclaim_due(keyspace, 100), 0);
    assert_int_equal(keyspace_reclaim_flushed(keyspace, 100), 100);
    assert_true(keyspace_memory(keyspace) > full / 2);
    while (keyspace_reclaim(keyspace, 100) == 100)
        ;
    assert_int_equal(keyspace_size(keyspace, 1), 1);
    assert_true(keyspace_delete(keyspace, 1, &key_a));
    assert_true(keyspace_memory(keyspace) < empty + 20000); /* a chunk or two that the dense order keeps */
    keyspace_free(keyspace);
}

static void appending_a_byte_at_a_time_moves_a_long_value_seldom(void **state) {
    (void)state;
    enum { LENGTH = 1000000 };
    struct keyspace *keyspace = keyspace_new(1);
    struct item *item = keyspace_set_string(keyspace, 0, &key_a, "", 0, false, 1);
    unsigned moves = 0;
    const char *was = NULL;
    for (int i = 0; i < LENGTH; i++) {
        char byte = (char)i;
        item = item_append(keyspace, 0, item, &byte, 1, 1);
        struct resp_arg value = item_string(item);
        moves += value.length > 2000 && value.bytes != was;
        was = value.bytes;
    }
    struct resp_arg value = item_string(item);
    assert_int_equal(value.length, LENGTH);
    for (int i = 0; i < LENGTH; i++)
        assert_int_equal(value.bytes[i], (char)i);
    assert_true(moves < 60);
    assert_true(keyspace_memory(keyspace) < LENGTH + LENGTH / 3);
    keyspace_free(keyspace);
}

static void a_counter_stays_where_it_is_while_it_counts(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    struct item *item = keyspace_set_string(keyspace, 0, &key_b, "100", 3, false, 1);
    item = item_set_deadline(keyspace, 0, item, 1000, 1);
    size_t memory = keyspace_memory(keyspace);
    for (int i = 101; i < 1000; i++) {
        char digits[8];
        int length = snprintf(digits, sizeof digits, "%d", i);
        assert_ptr_equal(keyspace_set_string(keyspace, 0, &key_b, digits, (size_t)length, true, 2), item);
    }
    assert_int_equal(keyspace_memory(keyspace), memory);
    assert_int_equal(item_deadline(item), 1000);
    keyspace_free(keyspace);
}

static void a_deadline_does_not_copy_a_long_value(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    static char bytes[100000];
    struct item *item = keyspace_set_string(keyspace, 0, &key_a, bytes, sizeof bytes, false, 1);
    const char *was = item_string(item).bytes;
    item = item_set_deadline(keyspace, 0, item, 1000, 1);
    assert_ptr_equal(item_string(item).bytes, was);
    keyspace_rename(keyspace, 0, &key_a, &key_b, 2);
    item = keyspace_find(keyspace, 0, &key_b);
    assert_ptr_equal(item_string(item).bytes, was);
    assert_int_equal(item_deadline(item), 1000);
    keyspace_free(keyspace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_give_what_the_twin_gives),
        cmocka_unit_test(a_key_is_gone_at_its_deadline_to_the_millisecond),
        cmocka_unit_test(a_clock_that_goes_back_is_ignored),
        cmocka_unit_test(a_key_made_where_one_is_gone_has_nothing_of_it),
        cmocka_unit_test(keys_are_reclaimed_by_deadline_then_by_key_and_no_more_than_asked),
        cmocka_unit_test(a_flushed_database_is_empty_at_once_and_freed_in_slices),
        cmocka_unit_test(appending_a_byte_at_a_time_moves_a_long_value_seldom),
        cmocka_unit_test(a_counter_stays_where_it_is_while_it_counts),
        cmocka_unit_test(a_deadline_does_not_copy_a_long_value),
    };
    return cmocka_run_group_tests_name("keyspace", tests, NULL, NULL);
}
