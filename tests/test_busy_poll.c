/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../src/busy_poll.h"

enum { MOST = 300 };

/* One wait of `kind`, of so many us; what is said to have been spent awake. */
static uint64_t wait_of(struct busy_poll *poll, enum busy_poll_kind kind, uint64_t us) {
    uint64_t since = 1000000;
    busy_poll_begin(poll, kind, since, MOST);
    (void)busy_poll_pays(poll, since);
    return busy_poll_end(poll, since + us);
}

static void waits_of(struct busy_poll *poll, enum busy_poll_kind kind, uint64_t us, unsigned count) {
    for (unsigned i = 0; i < count; i++)
        (void)wait_of(poll, kind, us);
}

static bool would_pay(struct busy_poll *poll, enum busy_poll_kind kind) {
    busy_poll_begin(poll, kind, 0, MOST);
    return busy_poll_pays(poll, 0);
}

static bool would_pay_at(struct busy_poll *poll, uint64_t now_us) {
    busy_poll_begin(poll, BUSY_POLL_ANY, now_us, MOST);
    return busy_poll_pays(poll, now_us);
}

static void it_begins_asleep_and_learns_by_it(void **state) {
    (void)state;
    struct busy_poll poll = {0};
    for (unsigned i = 0; i < 2; i++) {
        assert_false(would_pay(&poll, BUSY_POLL_ANY));
        assert_int_equal(wait_of(&poll, BUSY_POLL_ANY, MOST), 0);
    }
    assert_true(would_pay(&poll, BUSY_POLL_ANY));
}

static void seven_long_ones_of_eight_are_too_many(void **state) {
    (void)state;
    struct busy_poll poll = {0};
    waits_of(&poll, BUSY_POLL_ANY, 10, 8);
    waits_of(&poll, BUSY_POLL_ANY, MOST + 1, 6);
    assert_true(would_pay(&poll, BUSY_POLL_ANY));
    waits_of(&poll, BUSY_POLL_ANY, MOST + 1, 1);
    assert_false(would_pay(&poll, BUSY_POLL_ANY));
    waits_of(&poll, BUSY_POLL_ANY, MOST + 1, 1);
    waits_of(&poll, BUSY_POLL_ANY, 10, 1);
    assert_false(would_pay(&poll, BUSY_POLL_ANY));
    waits_of(&poll, BUSY_POLL_ANY, 10, 1);
    assert_true(would_pay(&poll, BUSY_POLL_ANY));
}

/* A thousand commands a second: each answer comes soon, each next command late. */
static void the_kinds_learn_apart(void **state) {
    (void)state;
    struct busy_poll poll = {0};
    for (unsigned i = 0; i < 20; i++) {
        (void)wait_of(&poll, BUSY_POLL_EXPECTS, 200);
        (void)wait_of(&poll, BUSY_POLL_ANY, 800);
    }
    assert_true(would_pay(&poll, BUSY_POLL_EXPECTS));
    assert_false(would_pay(&poll, BUSY_POLL_ANY));
}

static void nobody_stays_awake_for_longer_than_that(void **state) {
    (void)state;
    struct busy_poll poll = {0};
    waits_of(&poll, BUSY_POLL_ANY, 10, 8);
    busy_poll_begin(&poll, BUSY_POLL_ANY, 5000, MOST);
    assert_true(busy_poll_pays(&poll, 5000 + MOST - 1));
    assert_false(busy_poll_pays(&poll, 5000 + MOST));
    assert_int_equal(busy_poll_end(&poll, 5000 + 100 * MOST), MOST);
    assert_int_equal(wait_of(&poll, BUSY_POLL_ANY, 70), 70);
}

/* A wait that found so many us gone between two looks, and whether the next one, so many us after its end, is awake. */
static bool next_pays(uint64_t gap_us, uint64_t after_us, bool at_a_look) {
    struct busy_poll poll = {0};
    waits_of(&poll, BUSY_POLL_ANY, 10, 8);
    busy_poll_begin(&poll, BUSY_POLL_ANY, 5000, 100000);
    assert_true(busy_poll_pays(&poll, 5000));
    if (at_a_look)
        (void)busy_poll_pays(&poll, 5000 + gap_us);
    (void)busy_poll_end(&poll, 5000 + gap_us);
    busy_poll_begin(&poll, BUSY_POLL_ANY, 5000 + gap_us + after_us, MOST);
    return busy_poll_pays(&poll, 5000 + gap_us + after_us);
}

static void who_was_kept_from_the_cpu_sleeps_for_ten_seconds(void **state) {
    (void)state;
    for (int at_a_look = 0; at_a_look < 2; at_a_look++) {
        assert_true(next_pays(10000, 0, at_a_look));
        assert_false(next_pays(10001, 0, at_a_look));
        assert_false(next_pays(10001, 9999999, at_a_look));
        assert_true(next_pays(10001, 10000000, at_a_look));
    }
}

/* It is not kept from anything. */
static void who_sleeps_for_long_may_stay_awake_at_once(void **state) {
    (void)state;
    struct busy_poll poll = {0};
    waits_of(&poll, BUSY_POLL_ANY, 10, 8);
    busy_poll_begin(&poll, BUSY_POLL_ANY, 0, MOST);
    assert_true(busy_poll_pays(&poll, 0));
    assert_false(busy_poll_pays(&poll, MOST));
    (void)busy_poll_end(&poll, 5000000);
    assert_true(would_pay_at(&poll, 5000000));
}

static void with_no_time_for_it_all_waits_are_long(void **state) {
    (void)state;
    struct busy_poll poll = {0};
    for (unsigned i = 0; i < 20; i++) {
        busy_poll_begin(&poll, BUSY_POLL_ANY, 0, 0);
        assert_false(busy_poll_pays(&poll, 0));
        assert_int_equal(busy_poll_end(&poll, 1), 0);
    }
    assert_false(would_pay(&poll, BUSY_POLL_ANY));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_begins_asleep_and_learns_by_it),
        cmocka_unit_test(seven_long_ones_of_eight_are_too_many),
        cmocka_unit_test(the_kinds_learn_apart),
        cmocka_unit_test(nobody_stays_awake_for_longer_than_that),
        cmocka_unit_test(who_was_kept_from_the_cpu_sleeps_for_ten_seconds),
        cmocka_unit_test(who_sleeps_for_long_may_stay_awake_at_once),
        cmocka_unit_test(with_no_time_for_it_all_waits_are_long),
    };

    return cmocka_run_group_tests_name("busy polling", tests, NULL, NULL);
}
