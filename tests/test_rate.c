/* SPDX-License-Identifier: MIT */
/* What is done at a pace: a checkpoint, by what presses; looks at the allocator, by what they take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../src/node_state.h"
#include "../src/rate.h"

enum { BASE = 1000000, MAX = 4000 };

static const struct rate_strain calm = {.kept_max = MAX, .grown_max = MAX, .entries_max = MAX};

static void while_nothing_presses_it_is_what_is_wanted(void **state) {
    (void)state;
    assert_int_equal(rate_of(BASE, &calm), BASE);
}

/* Each of the three alone. */
static uint64_t rate_under(int which, uint64_t part) {
    struct rate_strain strain = calm;
    *(which == 0 ? &strain.kept : which == 1 ? &strain.grown : &strain.entries) = part;
    return rate_of(BASE, &strain);
}

static void it_grows_with_whichever_is_nearest_to_its_bound(void **state) {
    (void)state;
    for (int which = 0; which < 3; which++) {
        uint64_t before = BASE;
        for (uint64_t part = 100; part < MAX * 3 / 4; part += 100) {
            uint64_t rate = rate_under(which, part);
            assert_true(rate > before && rate < 9 * BASE);
            before = rate;
        }
        assert_true(before > 8 * BASE);
    }
    struct rate_strain strain = {500, MAX, 2000, MAX, 1000, MAX, false};
    assert_int_equal(rate_of(BASE, &strain), rate_under(1, 2000));
}

static void near_to_a_bound_and_beyond_there_is_none(void **state) {
    (void)state;
    for (int which = 0; which < 3; which++) {
        assert_int_equal(rate_under(which, MAX * 3 / 4), 0);
        assert_int_equal(rate_under(which, MAX), 0);
        assert_int_equal(rate_under(which, UINT64_MAX), 0);
    }
}

static void nor_when_it_hurries_or_none_is_wanted(void **state) {
    (void)state;
    struct rate_strain strain = calm;
    strain.hurry = true;
    assert_int_equal(rate_of(BASE, &strain), 0);
    assert_int_equal(rate_of(0, &calm), 0);
    assert_int_equal(rate_of(UINT64_MAX / 2, &calm), 0);
}

static void bounds_of_any_size_are_none_of_its_concern(void **state) {
    (void)state;
    const struct rate_strain huge = {UINT64_MAX / 4, UINT64_MAX / 2, 0, UINT64_MAX, 0, UINT64_MAX, false};
    uint64_t rate = rate_of(BASE, &huge);
    assert_true(rate > 6 * BASE && rate < 7 * BASE);
    const struct rate_strain none = {0, 0, 0, 0, 0, 0, false};
    assert_int_equal(rate_of(BASE, &none), 0);
}

static void one_begins_at_a_bound_and_later_while_the_node_catches_up(void **state) {
    (void)state;
    struct rate_strain strain = calm;
    strain.kept = 10 * MAX;
    assert_false(rate_is_due(&strain, false));
    for (int which = 0; which < 2; which++) {
        uint64_t *part = which == 0 ? &strain.grown : &strain.entries;
        *part = MAX - 1;
        assert_false(rate_is_due(&strain, false));
        *part = MAX;
        assert_true(rate_is_due(&strain, false));
        *part = 2 * MAX - 1;
        assert_false(rate_is_due(&strain, true));
        *part = 2 * MAX;
        assert_true(rate_is_due(&strain, true));
        *part = 0;
    }
}

static void the_longer_a_look_at_the_allocator_takes_the_less_of_the_time(void **state) {
    (void)state;
    assert_int_equal(memory_rest_us(0), 0);
    assert_int_equal(memory_rest_us(100), 100 * 1000);
    for (uint64_t us = 1000; us < 1000 * 1000;
         us *= 2) /* of turns that are too long there is one in many seconds */
        assert_true(memory_rest_us(us) >= 5 * 1000 * us && memory_rest_us(2 * us) > 3 * memory_rest_us(us));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_nothing_presses_it_is_what_is_wanted),
        cmocka_unit_test(it_grows_with_whichever_is_nearest_to_its_bound),
        cmocka_unit_test(near_to_a_bound_and_beyond_there_is_none),
        cmocka_unit_test(nor_when_it_hurries_or_none_is_wanted),
        cmocka_unit_test(bounds_of_any_size_are_none_of_its_concern),
        cmocka_unit_test(one_begins_at_a_bound_and_later_while_the_node_catches_up),
        cmocka_unit_test(the_longer_a_look_at_the_allocator_takes_the_less_of_the_time),
    };
    return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
