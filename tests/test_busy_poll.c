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

/* A wait that began at `now_us` and found so much time gone between two looks. */
static void gap(struct busy_poll *poll, uint64_t now_us, uint64_t gap_us, bool at_a_look) {
    busy_poll_begin(poll, BUSY_POLL_ANY, now_us, 10 * MOST);
    assert_true(busy_poll_pays(poll, now_us));
    if (at_a_look)
        (void)busy_poll_pays(poll, now_us + gap_us);
    (void)busy_poll_end(poll, now_us + gap_us);
    waits_of(poll, BUSY_POLL_ANY, 0, 8);
}

static void who_was_kept_from_the_cpu_sleeps_for_a_while(void **state) {
    (void)state;
    for (int at_a_look = 0; at_a_look < 2; at_a_look++) {
        struct busy_poll poll = {0};
        waits_of(&poll, BUSY_POLL_ANY, 10, 8);
        gap(&poll, 1000000, 10000, at_a_look);
        assert_true(would_pay_at(&poll, 1010000));
        gap(&poll, 2000000, 10001, at_a_look);
        assert_false(would_pay_at(&poll, 2010001));
        assert_false(would_pay_at(&poll, 2110000));
        assert_true(would_pay_at(&poll, 2110001));
    }
}

static void who_is_kept_from_it_again_sleeps_for_longer(void **state) {
    static const uint64_t ms[] = {100, 200, 400, 800, 1600, 3200, 6400, 12800, 12800};
    struct busy_poll poll = {0};
    uint64_t now = 2000000;

    (void)state;
    waits_of(&poll, BUSY_POLL_ANY, 10, 8);
    for (unsigned i = 0; i < sizeof ms / sizeof ms[0]; i++) {
        gap(&poll, now, 50000, true);
        assert_false(would_pay_at(&poll, now + 50000 + 1000 * ms[i] - 1));
        now += 50000 + 1000 * ms[i];
        assert_true(would_pay_at(&poll, now));
    }
    now += 12800000 + 1000000; /* as long as the last rest and a second, without a gap */
    gap(&poll, now, 50000, true);
    assert_true(would_pay_at(&poll, now + 50000 + 100000));
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
        cmocka_unit_test(who_was_kept_from_the_cpu_sleeps_for_a_while),
        cmocka_unit_test(who_is_kept_from_it_again_sleeps_for_longer),
        cmocka_unit_test(who_sleeps_for_long_may_stay_awake_at_once),
        cmocka_unit_test(with_no_time_for_it_all_waits_are_long),
    };

    return cmocka_run_group_tests_name("busy polling", tests, NULL, NULL);
}
