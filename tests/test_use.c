/* SPDX-License-Identifier: MIT */
/* How keys are used: what is noted of it, and what it costs nothing of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/data/collection.h"
#include "../src/data/internal.h"

enum { CLOCK = 1000000 };

static struct resp_arg arg(const char *text) {
    return (struct resp_arg){text, strlen(text)};
}

static struct keyspace *keyspace_with(bool frequency, uint64_t now_s) {
    struct keyspace *keyspace = keyspace_new(2);
    keyspace_advance(keyspace, CLOCK);
    keyspace_set_use(
        keyspace,
        &(struct keyspace_use){.frequency = frequency, .log_factor = 10, .decay_minutes = 1, .now_s = now_s});
    return keyspace;
}

static void pass(struct keyspace *keyspace, uint64_t seconds) {
    struct keyspace_use use = *keyspace_use(keyspace);
    use.now_s += seconds;
    keyspace_set_use(keyspace, &use);
}

static struct item *put(struct keyspace *keyspace, const char *key, const char *value) {
    struct resp_arg name = arg(key);
    return keyspace_set_string(keyspace, 0, &name, value, strlen(value), false, 1);
}

static struct item *find(struct keyspace *keyspace, const char *key) {
    struct resp_arg name = arg(key);
    struct item *item = keyspace_find(keyspace, 0, &name);
    assert_non_null(item);
    return item;
}

static void the_use_of_a_key_takes_no_room(void **state) {
    (void)state;
    assert_int_equal(sizeof(struct item), 16);
}

static void a_key_is_idle_since_its_last_use(void **state) {
    (void)state;
    const uint64_t starts[] = {0, 5, (1 << 24) - 3, 1ull << 40};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        struct keyspace *keyspace = keyspace_with(false, starts[i]);
        put(keyspace, "a", "1");
        assert_int_equal(item_idle_s(keyspace, find(keyspace, "a")), 0);
        pass(keyspace, 100);
        put(keyspace, "b", "1");
        assert_int_equal(item_idle_s(keyspace, find(keyspace, "a")), 100);
        assert_int_equal(item_idle_s(keyspace, find(keyspace, "b")), 0);
        pass(keyspace, 16000000);
        assert_int_equal(item_idle_s(keyspace, find(keyspace, "a")), 16000100);
        item_touch(keyspace, find(keyspace, "a"));
        assert_int_equal(item_idle_s(keyspace, find(keyspace, "a")), 0);
        pass(keyspace, 7);
        put(keyspace, "a", "2");
        assert_int_equal(item_idle_s(keyspace, find(keyspace, "a")), 0);
        keyspace_free(keyspace);
    }
}

static void what_is_noted_stays_when_the_key_lies_elsewhere(void **state) {
    (void)state;
    char longer[3000];
    struct keyspace *keyspace = keyspace_with(false, 10);
    struct resp_arg from = arg("a"), to = arg("another name, a longer one");
    memset(longer, 'x', sizeof longer);
    put(keyspace, "a", "1");
    pass(keyspace, 50);
    struct item *item = item_append(keyspace, 0, find(keyspace, "a"), longer, 500, 2);
    item = item_append(keyspace, 0, item, longer, sizeof longer, 3);
    item = item_set_deadline(keyspace, 0, item, CLOCK + 1000, 4);
    item_set_deadline(keyspace, 0, item, KEYSPACE_NO_DEADLINE, 5);
    keyspace_rename(keyspace, 0, &from, &to, 6);
    keyspace_move(keyspace, 0, &to, 1, 7);
    item = keyspace_find(keyspace, 1, &to);
    assert_int_equal(item_idle_s(keyspace, item), 50);
    keyspace_copy(keyspace, 1, &to, 0, &from, 8);
    assert_int_equal(item_idle_s(keyspace, find(keyspace, "a")), 0); /* a copy is a new key */
    keyspace_free(keyspace);
}

static void the_digest_knows_nothing_of_it(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_with(false, 10);
    put(keyspace, "a", "1");
    uint64_t digest = keyspace_digest(keyspace);
    pass(keyspace, 50);
    item_touch(keyspace, find(keyspace, "a"));
    assert_true(keyspace_digest(keyspace) == digest);
    struct keyspace *other = keyspace_with(true, 123456);
    put(other, "a", "1");
    assert_true(keyspace_digest(other) == digest);
    keyspace_free(other);
    keyspace_free(keyspace);
}

static void touch_often(struct keyspace *keyspace, size_t times) {
    struct item *item = find(keyspace, "a");
    for (size_t i = 0; i < times; i++)
        item_touch(keyspace, item);
}

static void the_frequency_is_the_logarithm_of_uses(void **state) {
    (void)state;
    static const struct {
        unsigned factor;
        size_t uses;
        unsigned low, high;
    } rows[] = {
        {10, 0, 5, 5},      {10, 100, 6, 14},        {10, 1000, 13, 24}, {10, 100000, 120, 165},
        {0, 200, 205, 205}, {10, 1500000, 255, 255}, {0, 300, 255, 255}, {2147483647, 100000, 6, 6},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct keyspace *keyspace = keyspace_with(true, 60);
        pass(keyspace, 0);
        struct keyspace_use use = *keyspace_use(keyspace);
        use.log_factor = rows[i].factor;
        keyspace_set_use(keyspace, &use);
        put(keyspace, "a", "1");
        touch_often(keyspace, rows[i].uses);
        assert_in_range(item_frequency(keyspace, find(keyspace, "a")), rows[i].low, rows[i].high);
        keyspace_free(keyspace);
    }
}

static void a_frequency_falls_with_time_and_stays_when_written_to(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_with(true, 0xffff * 60ull - 30);
    put(keyspace, "a", "1");
    touch_often(keyspace, 5000);
    unsigned frequency = item_frequency(keyspace, find(keyspace, "a"));
    assert_in_range(frequency, 20, 60);
    pass(keyspace, 10 * 60);
    assert_int_equal(item_frequency(keyspace, find(keyspace, "a")), frequency - 10);
    put(keyspace, "a", "2");
    assert_in_range(item_frequency(keyspace, find(keyspace, "a")), frequency - 10, frequency - 9);
    struct keyspace_use use = *keyspace_use(keyspace);
    use.decay_minutes = 0;
    keyspace_set_use(keyspace, &use);
    pass(keyspace, 100 * 60);
    assert_in_range(item_frequency(keyspace, find(keyspace, "a")), frequency - 10, frequency - 9);
    use = *keyspace_use(keyspace);
    use.decay_minutes = 1;
    keyspace_set_use(keyspace, &use);
    assert_int_equal(item_frequency(keyspace, find(keyspace, "a")), 0);
    keyspace_free(keyspace);
}

/* ---- memory that lasts --- */

static void fill(struct keyspace *keyspace, unsigned db, size_t count) {
    char name[32], value[100] = {0};
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "key:%zu", i);
        struct resp_arg key = arg(name);
        keyspace_set_string(keyspace, db, &key, value, sizeof value, false, 1);
    }
}

static void what_is_flushed_counts_no_more_though_it_takes_time_to_free(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_with(false, 1);
    fill(keyspace, 0, 30000);
    fill(keyspace, 1, 10000);
    size_t all = keyspace_memory(keyspace);
    assert_int_equal(keyspace_memory_lasting(keyspace), all);
    keyspace_flush(keyspace, 0);
    assert_in_range(keyspace_memory_lasting(keyspace), all / 5, all * 3 / 10);
    while (keyspace_reclaim_flushed(keyspace, 1000) == 1000)
        assert_in_range(keyspace_memory_lasting(keyspace), all / 6, all / 3);
    assert_int_equal(keyspace_memory_lasting(keyspace), keyspace_memory(keyspace));
    keyspace_free(keyspace);
}

static void keys_that_are_due_count_no_more(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_with(false, 1);
    fill(keyspace, 0, 10000);
    for (size_t slot = 0; slot < 9000; slot++)
        item_set_deadline(keyspace, 0, keyspace_at(keyspace, 0, slot), CLOCK + 10, 1);
    size_t all = keyspace_memory(keyspace);
    assert_int_equal(keyspace_memory_lasting(keyspace), all);
    keyspace_advance(keyspace, CLOCK + 10);
    assert_in_range(keyspace_memory_lasting(keyspace), all / 20, all / 8);
    while (keyspace_reclaim_due(keyspace, 256) == 256)
        assert_in_range(keyspace_memory_lasting(keyspace), all / 20, all / 8);
    assert_int_equal(keyspace_memory_lasting(keyspace), keyspace_memory(keyspace));
    keyspace_free(keyspace);
}

static void a_large_value_that_was_deleted_counts_no_more(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_with(false, 1);
    struct resp_arg key = arg("set");
    struct collection set;
    size_t empty = keyspace_memory_lasting(keyspace);
    collection_open(&set, keyspace, 0, &key, VALUE_SET, NULL);
    for (size_t i = 0; i < 50000; i++) {
        char text[32];
        snprintf(text, sizeof text, "member:%zu", i);
        struct resp_arg member = arg(text);
        set_add(&set, &member);
    }
    collection_close(&set, 1);
    size_t all = keyspace_memory(keyspace);
    assert_true(all > 1000000);
    assert_true(keyspace_delete(keyspace, 0, &key));
    assert_true(keyspace_memory(keyspace) > all / 2); /* still there */
    assert_in_range(keyspace_memory_lasting(keyspace), empty, all / 5);
    while (keyspace_reclaim_flushed(keyspace, 1000) == 1000)
        assert_in_range(keyspace_memory_lasting(keyspace), empty, all / 5);
    assert_int_equal(keyspace_memory_lasting(keyspace), keyspace_memory(keyspace));
    keyspace_free(keyspace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_use_of_a_key_takes_no_room),
        cmocka_unit_test(a_key_is_idle_since_its_last_use),
        cmocka_unit_test(what_is_noted_stays_when_the_key_lies_elsewhere),
        cmocka_unit_test(the_digest_knows_nothing_of_it),
        cmocka_unit_test(the_frequency_is_the_logarithm_of_uses),
        cmocka_unit_test(a_frequency_falls_with_time_and_stays_when_written_to),
        cmocka_unit_test(what_is_flushed_counts_no_more_though_it_takes_time_to_free),
        cmocka_unit_test(keys_that_are_due_count_no_more),
        cmocka_unit_test(a_large_value_that_was_deleted_counts_no_more),
    };
    return cmocka_run_group_tests_name("use", tests, NULL, NULL);
}
