/* SPDX-License-Identifier: MIT */
/* Which keys go first, by each policy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/victims.h"

enum { CLOCK = 1000000, KEYS = 1000 };

struct fixture {
    struct keyspace *keyspace;
    struct victims *victims;
    struct victim victim; /* the last choice */
};

static void set_use(struct fixture *f, bool frequency, uint64_t now_s) {
    keyspace_set_use(f->keyspace, &(struct keyspace_use){frequency, 10, 1, now_s});
}

static struct fixture fixture_new(bool frequency) {
    struct fixture f = {.keyspace = keyspace_new(4), .victims = victims_new(1)};
    keyspace_advance(f.keyspace, CLOCK);
    set_use(&f, frequency, 0);
    return f;
}

static void fixture_close(struct fixture *f) {
    victims_free(f->victims);
    keyspace_free(f->keyspace);
}

static struct resp_arg name_of(size_t number, char text[32]) {
    return (struct resp_arg){text, (size_t)snprintf(text, 32, "%zu", number)};
}

static void put(struct fixture *f, unsigned db, size_t number, uint64_t deadline) {
    char text[32];
    struct resp_arg key = name_of(number, text);
    struct item *item = keyspace_set_string(f->keyspace, db, &key, "v", 1, false, 1);
    if (deadline)
        item_set_deadline(f->keyspace, db, item, deadline, 1);
}

/* Keys 0 to KEYS - 1, written a second after each other. */
static void put_all(struct fixture *f) {
    for (size_t i = 0; i < KEYS; i++) {
        set_use(f, keyspace_use(f->keyspace)->frequency, i);
        put(f, 0, i, 0);
    }
}

static bool choose(struct fixture *f, enum conf_eviction policy, size_t samples) {
    return victims_choose(f->victims, f->keyspace, policy, samples, &f->victim);
}

/* The number that the key of the last choice is. */
static size_t chosen(const struct fixture *f) {
    struct resp_arg key = item_key(f->victim.item);
    int64_t number;
    assert_true(resp_arg_integer(&key, &number));
    return (size_t)number;
}

static void evict(struct fixture *f) {
    struct resp_arg key = item_key(f->victim.item);
    char text[64];
    memcpy(text, key.bytes, key.length);
    assert_true(keyspace_delete(f->keyspace, f->victim.db, &(struct resp_arg){text, key.length}));
    victims_settle(f->victims, f->victim.number + 1);
}

/* ---- by use --- */

static void the_more_are_drawn_the_nearer_it_comes_to_the_order_of_last_uses(void **state) {
    (void)state;
    static const struct {
        size_t samples, rank_max; /* on average: where the victim is among those that are left */
    } rows[] = {{1, 400}, {5, 100}, {10, 50}, {1000, 2}};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        struct fixture f = fixture_new(false);
        bool gone[KEYS] = {false};
        size_t sum = 0;
        put_all(&f);
        for (size_t i = 0; i < KEYS / 2; i++) {
            assert_true(choose(&f, CONF_ALLKEYS_LRU, rows[row].samples));
            size_t number = chosen(&f);
            for (size_t older = 0; older < number; older++)
                sum += !gone[older];
            gone[number] = true;
            evict(&f);
        }
        assert_in_range(sum / (KEYS / 2), 0, rows[row].rank_max);
        fixture_close(&f);
    }
}

static void what_is_used_often_stays(void **state) {
    (void)state;
    struct fixture f = fixture_new(true);
    char text[32];
    put_all(&f);
    for (size_t i = 0; i < KEYS; i += 2) {
        struct resp_arg key = name_of(i, text);
        for (size_t uses = 0; uses < 200; uses++)
            item_touch(f.keyspace, keyspace_find(f.keyspace, 0, &key));
    }
    for (size_t i = 0; i < KEYS / 4; i++) {
        assert_true(choose(&f, CONF_ALLKEYS_LFU, 10));
        assert_int_equal(chosen(&f) % 2, 1);
        evict(&f);
    }
    fixture_close(&f);
}

static void who_is_used_while_in_the_pool_leaves_it(void **state) {
    (void)state;
    struct fixture f = fixture_new(false);
    put_all(&f);
    assert_true(choose(&f, CONF_ALLKEYS_LRU, KEYS)); /* the pool is full of the oldest */
    evict(&f);
    set_use(&f, false, 2 * KEYS);
    for (size_t i = 0; i < 100; i++) {
        char text[32];
        struct resp_arg key = name_of(i, text);
        struct item *item = keyspace_find(f.keyspace, 0, &key);
        if (item)
            item_touch(f.keyspace, item);
    }
    for (size_t i = 0; i < 20; i++) {
        assert_true(choose(&f, CONF_ALLKEYS_LRU, KEYS));
        assert_in_range(chosen(&f), 100, 200);
        evict(&f);
    }
    fixture_close(&f);
}

/* ---- by deadline --- */

static void the_nearest_deadline_goes_first_across_databases(void **state) {
    (void)state;
    struct fixture f = fixture_new(false);
    for (size_t i = 0; i < KEYS; i++)
        put(&f, (unsigned)(i * 7 % 4), i, i % 3 == 0 ? 0 : CLOCK + 10 + i);
    for (size_t i = 1; i < KEYS; i++) {
        if (i % 3 == 0)
            continue;
        assert_true(choose(&f, CONF_VOLATILE_TTL, 5));
        assert_int_equal(chosen(&f), i);
        assert_int_equal(f.victim.db, i * 7 % 4);
        if (i % 5 != 0)
            continue;
        for (size_t number = 1; number < i; number++) { /* those before were under way until now */
            char text[32];
            struct resp_arg key = name_of(number, text);
            if (number % 3 != 0)
                keyspace_delete(f.keyspace, (unsigned)(number * 7 % 4), &key);
        }
        evict(&f);
    }
    fixture_close(&f);
}

static void keys_without_a_deadline_are_spared_by_volatile_policies(void **state) {
    (void)state;
    static const enum conf_eviction policies[] = {CONF_VOLATILE_LRU, CONF_VOLATILE_LFU, CONF_VOLATILE_RANDOM,
                                                  CONF_VOLATILE_TTL};
    for (size_t policy = 0; policy < 4; policy++) {
        struct fixture f = fixture_new(policies[policy] == CONF_VOLATILE_LFU);
        for (size_t i = 0; i < KEYS; i++)
            put(&f, (unsigned)(i % 2), i, i % 10 == 0 ? CLOCK + 1000 : 0);
        for (size_t left = KEYS / 10; left > 0; left--) {
            assert_int_equal(victims_eligible(f.keyspace, policies[policy]), left);
            assert_true(choose(&f, policies[policy], 5));
            assert_int_equal(chosen(&f) % 10, 0);
            evict(&f);
        }
        assert_false(choose(&f, policies[policy], 5));
        assert_int_equal(victims_eligible(f.keyspace, policies[policy]), 0);
        assert_int_equal(victims_eligible(f.keyspace, CONF_ALLKEYS_LRU), KEYS - KEYS / 10);
        fixture_close(&f);
    }
}

static void a_key_that_is_gone_is_no_victim(void **state) {
    (void)state;
    for (enum conf_eviction policy = 0; policy < CONF_NOEVICTION; policy++) {
        struct fixture f = fixture_new(false);
        put(&f, 1, 1, CLOCK + 10);
        put(&f, 1, 2, CLOCK + 20);
        keyspace_advance(f.keyspace, CLOCK + 10);
        for (size_t tries = 0; tries < 10; tries++)
            if (choose(&f, policy, 5)) {
                assert_int_equal(chosen(&f), 2);
                victims_settle(f.victims, f.victim.number + 1);
            }
        keyspace_advance(f.keyspace, CLOCK + 20);
        assert_false(choose(&f, policy, 5));
        assert_int_equal(victims_eligible(f.keyspace, policy), 0);
        fixture_close(&f);
    }
}

/* ---- under way --- */

static void nobody_is_chosen_twice_before_the_first_time_is_through(void **state) {
    (void)state;
    for (enum conf_eviction policy = 0; policy < CONF_NOEVICTION; policy++) {
        struct fixture f = fixture_new(false);
        bool seen[KEYS] = {false};
        size_t count = 0;
        for (size_t i = 0; i < KEYS; i++)
            put(&f, (unsigned)(i % 3), i, CLOCK + 1000 + i);
        while (count < KEYS * 3 / 4 && choose(&f, policy, 5)) {
            assert_false(seen[chosen(&f)]);
            seen[chosen(&f)] = true;
            assert_int_equal(f.victim.number, ++count);
        }
        assert_int_equal(count, KEYS * 3 / 4);
        victims_settle(f.victims, count + 1); /* none was evicted after all */
        bool again = false;
        for (size_t i = 0; i < KEYS / 2; i++) {
            assert_true(choose(&f, policy, 5));
            again |= seen[chosen(&f)];
        }
        assert_true(again);
        fixture_close(&f);
    }
}

static void chance_takes_all_alike(void **state) {
    (void)state;
    struct fixture f = fixture_new(false);
    size_t low = 0, small_db = 0;
    put_all(&f);
    for (size_t i = 0; i < KEYS; i++)
        put(&f, 3, KEYS + i, 0);
    for (size_t i = 0; i < 4000; i++) {
        assert_true(choose(&f, CONF_ALLKEYS_RANDOM, 5));
        low += chosen(&f) % KEYS < KEYS / 2;
        small_db += f.victim.db == 3;
        victims_settle(f.victims, f.victim.number + 1);
    }
    assert_in_range(low, 1800, 2200);
    assert_in_range(small_db, 1800, 2200);
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_more_are_drawn_the_nearer_it_comes_to_the_order_of_last_uses),
        cmocka_unit_test(what_is_used_often_stays),
        cmocka_unit_test(who_is_used_while_in_the_pool_leaves_it),
        cmocka_unit_test(the_nearest_deadline_goes_first_across_databases),
        cmocka_unit_test(keys_without_a_deadline_are_spared_by_volatile_policies),
        cmocka_unit_test(a_key_that_is_gone_is_no_victim),
        cmocka_unit_test(nobody_is_chosen_twice_before_the_first_time_is_through),
        cmocka_unit_test(chance_takes_all_alike),
    };
    return cmocka_run_group_tests_name("victims", tests, NULL, NULL);
}
