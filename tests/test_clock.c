/* SPDX-License-Identifier: MIT */
/* The cluster's clock: machines that are ahead, set back, drifting; the median; and that time only goes forward. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/clock.h"

enum { SKEW_MS = 500, SECOND = 1000, HOUR = 3600 * SECOND };
static const uint64_t T0 = 1700000000000, YEAR = 365ull * 24 * HOUR;

/* A machine: its clock, its wall clock's error, and the monotonic moment (never 0: that is "never heard"). */
static struct clock clock_;
static uint64_t mono_ms;
static int64_t wrong_ms;

static int begin(void **state) {
    (void)state;
    clock_init(&clock_, SKEW_MS);
    mono_ms = 5000;
    wrong_ms = 0;
    return 0;
}

/* True time. */
static uint64_t now_ms(void) {
    return T0 + mono_ms;
}

static uint64_t wall_ms(void) {
    return now_ms() + (uint64_t)wrong_ms;
}

static uint64_t tell(void) {
    return clock_tell(&clock_, wall_ms(), mono_ms);
}

/* Node `peer` is heard, its wall clock wrong by `error_ms`. */
static void hear(uint64_t peer, int64_t error_ms) {
    clock_heard(&clock_, peer, now_ms() + (uint64_t)error_ms, wall_ms(), mono_ms);
}

static void assert_within(uint64_t value, uint64_t expected, uint64_t by) {
    assert_in_range(value, expected - by, expected + by);
}

/* ---- alone ------------------------------------------------------------------------------------------------ */

static void a_node_alone_tells_its_wall_clock(void **state) {
    (void)state;
    assert_int_equal(tell(), now_ms());
    mono_ms += 12345;
    assert_int_equal(tell(), now_ms());
    wrong_ms = 200; /* set right by a little, forward */
    assert_int_equal(tell(), now_ms() + 200);
}

static void a_node_alone_whose_clock_is_set_back_goes_on_at_the_pace_of_its_monotonic_clock(void **state) {
    (void)state;
    assert_int_equal(tell(), now_ms());
    wrong_ms = -HOUR;
    for (unsigned i = 0; i < 100; i++) {
        mono_ms += 70;
        assert_int_equal(tell(), now_ms());
    }
}

static void a_slow_wall_clock_is_carried_by_the_monotonic_one(void **state) {
    (void)state;
    tell();
    for (unsigned i = 0; i < 1000; i++) {
        mono_ms += 100;
        wrong_ms -= 1; /* 1% slow */
        assert_int_equal(tell(), now_ms());
    }
}

/* ---- outvoted ---------------------------------------------------------------------------------------------- */

static void a_year_ahead_for_a_second_moves_time_by_the_skew_at_most(void **state) {
    (void)state;
    hear(2, 0);
    hear(3, 0);
    assert_int_equal(tell(), now_ms());
    mono_ms += 50;
    wrong_ms = (int64_t)YEAR; /* nobody has been heard since */
    assert_int_equal(tell(), now_ms() + SKEW_MS);
    for (unsigned i = 0; i < 10; i++) {
        mono_ms += 100;
        if (i % 2)
            hear(2, 0);
        if (i == 4)
            hear(3, 0);
        assert_int_equal(tell(), now_ms() + SKEW_MS);
    }
    wrong_ms = 0;
    mono_ms += 100;
    assert_within(tell(), now_ms(), SKEW_MS);
}

static void a_peer_a_year_ahead_changes_nothing(void **state) {
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        mono_ms += 100;
        hear(2, i == 7 ? (int64_t)YEAR : 0);
        hear(3, 0);
        assert_int_equal(tell(), now_ms());
    }
}

static void a_node_that_is_set_back_is_held_up_by_the_others(void **state) {
    (void)state;
    hear(2, 0);
    hear(3, 0);
    tell();
    wrong_ms = -HOUR;
    mono_ms += 10;
    assert_int_equal(tell(), now_ms()); /* its own monotonic clock */
    clock_init(&clock_, SKEW_MS);       /* started anew it has no memory of that, and is told */
    hear(2, 0);
    hear(3, 0);
    assert_int_equal(tell(), now_ms() - SKEW_MS);
}

static void of_two_clocks_that_disagree_the_one_that_expires_less_is_believed(void **state) {
    (void)state;
    hear(2, HOUR);
    assert_int_equal(tell(), now_ms());
    clock_init(&clock_, SKEW_MS);
    hear(2, -HOUR);
    assert_int_equal(tell(), now_ms() - HOUR + SKEW_MS);
}

static void a_clock_not_heard_lately_has_no_vote(void **state) {
    (void)state;
    hear(2, -HOUR);
    hear(3, -HOUR);
    mono_ms += CLOCK_HEARD_MS;
    assert_int_equal(tell(), now_ms() - HOUR + SKEW_MS);
    mono_ms += 1;
    assert_int_equal(tell(), now_ms());
}

static void more_peers_than_there_is_room_for_are_not_counted(void **state) {
    (void)state;
    for (uint64_t peer = 2; peer < 2 + CLOCK_PEERS_MAX; peer++)
        hear(peer, 100);
    hear(1000, -HOUR);
    int64_t offset;
    assert_false(clock_peer_offset(&clock_, 1000, mono_ms, &offset));
    assert_true(clock_peer_offset(&clock_, 2, mono_ms, &offset));
    assert_int_equal(clock_median_offset(&clock_, mono_ms), 100);
}

/* ---- the median, and who agrees -------------------------------------------------------------------------- */

static void the_median_of_one_to_five_clocks_is_the_lower_middle(void **state) {
    static const struct {
        int64_t offsets[4];
        size_t count;
        int64_t median;
    } rows[] = {
        {{0}, 0, 0},
        {{7}, 1, 0},
        {{-7}, 1, -7},
        {{5, 9}, 2, 5},
        {{-5, 9}, 2, 0},
        {{-5, -9}, 2, -5},
        {{1, 2, 3}, 3, 1},
        {{3, -1, 2}, 3, 0},
        {{-3, -1, -2}, 3, -2},
        {{4, 3, 2, 1}, 4, 2},
        {{-4, 3, -2, 1}, 4, 0},
        {{-1, -2, -3, -4}, 4, -2},
        {{1000000, 1000000, 1, -1000000}, 4, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        clock_init(&clock_, SKEW_MS);
        for (size_t j = 0; j < rows[i].count; j++)
            hear(2 + j, rows[i].offsets[j]);
        assert_int_equal(clock_median_offset(&clock_, mono_ms), rows[i].median);
    }
}

static void a_node_agrees_when_the_median_is_within_the_skew(void **state) {
    static const struct {
        int64_t others;
        bool agrees;
    } rows[] = {{0, true},    {SKEW_MS, true}, {-SKEW_MS, true}, {SKEW_MS + 1, false}, {-SKEW_MS - 1, false},
                {HOUR, false}};
    (void)state;
    assert_true(clock_agrees(&clock_, mono_ms)); /* with nobody */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        hear(2, rows[i].others);
        hear(3, rows[i].others);
        assert_int_equal(clock_agrees(&clock_, mono_ms), rows[i].agrees);
    }
    mono_ms += CLOCK_HEARD_MS + 1;
    assert_true(clock_agrees(&clock_, mono_ms));
}

static void a_node_whose_clock_jumps_no_longer_agrees_though_nobody_was_heard_since(void **state) {
    (void)state;
    hear(2, 0);
    hear(3, 0);
    assert_true(clock_agrees(&clock_, mono_ms));
    wrong_ms = HOUR;
    tell();
    assert_false(clock_agrees(&clock_, mono_ms));
    assert_int_equal(clock_median_offset(&clock_, mono_ms), -HOUR);
    wrong_ms = 0;
    tell();
    assert_true(clock_agrees(&clock_, mono_ms));
}

static void the_offset_of_a_peer_is_that_of_its_last_message(void **state) {
    int64_t offset = 99;
    (void)state;
    assert_false(clock_peer_offset(&clock_, 2, mono_ms, &offset));
    hear(2, -30);
    hear(3, 40);
    assert_true(clock_peer_offset(&clock_, 2, mono_ms, &offset));
    assert_int_equal(offset, -30);
    hear(2, 31);
    assert_true(clock_peer_offset(&clock_, 2, mono_ms + CLOCK_HEARD_MS, &offset));
    assert_int_equal(offset, 31);
    assert_false(clock_peer_offset(&clock_, 2, mono_ms + CLOCK_HEARD_MS + 1, &offset));
}

/* ---- never backwards --------------------------------------------------------------------------------------- */

static void an_applied_clock_is_a_floor(void **state) {
    (void)state;
    tell();
    clock_floor(&clock_, now_ms() + 300, mono_ms);
    assert_int_equal(tell(), now_ms() + 300);
    mono_ms += 50;
    assert_int_equal(tell(), now_ms() + 300); /* it goes on from there */
    clock_floor(&clock_, now_ms() - HOUR, mono_ms);
    assert_int_equal(tell(), now_ms() + 300);
}

/* A leader that is gone has stamped an entry far ahead: time waits for the others to come up to it. */
static void a_floor_beyond_the_skew_is_waited_for(void **state) {
    (void)state;
    uint64_t floor = now_ms() + 10 * SECOND;
    clock_floor(&clock_, floor, mono_ms);
    for (unsigned i = 0; i < 120; i++) {
        mono_ms += 100;
        hear(2, 0);
        hear(3, 0);
        uint64_t highest = now_ms() + SKEW_MS;
        assert_int_equal(tell(), highest > floor ? highest : floor);
    }
    assert_true(now_ms() + SKEW_MS > floor);
}

static uint64_t random_state;

static int64_t random_below(int64_t bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)(random_state >> 33) % bound;
}

/* Five clocks, of which two are as wrong as they like, this node's among them at times. */
static void whatever_a_minority_does_time_goes_forward_and_stays_near_the_truth(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        begin(NULL);
        random_state = seed;
        bool self_wrong = seed % 2;
        uint64_t last = 0;
        for (uint64_t peer = 2; peer <= 5; peer++)
            hear(peer, 0);
        for (unsigned step = 0; step < 500; step++) {
            mono_ms += (uint64_t)random_below(150);
            if (self_wrong && random_below(10) == 0)
                wrong_ms = random_below(3) ? random_below(2 * HOUR) - HOUR : (int64_t)YEAR;
            for (uint64_t peer = 2; peer <= 5; peer++)
                if (random_below(3) || step % 20 == 0)
                    hear(peer, peer == 2 || (peer == 3 && !self_wrong) ? random_below(2 * HOUR) - HOUR
                                                                       : random_below(61) - 30);
            uint64_t told = tell();
            assert_true(told >= last);
            assert_within(told, now_ms(), SKEW_MS + 30);
            last = told;
        }
    }
}

static void whatever_comes_time_never_goes_backwards(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        begin(NULL);
        random_state = seed;
        uint64_t last = 0;
        for (unsigned step = 0; step < 500; step++) {
            mono_ms += (uint64_t)random_below(random_below(20) ? 300 : 30000);
            if (random_below(8) == 0)
                wrong_ms = random_below(2 * HOUR) - HOUR;
            if (random_below(2))
                hear((uint64_t)(2 + random_below(4)), random_below(2 * HOUR) - HOUR);
            if (random_below(10) == 0) {
                uint64_t floor = now_ms() + (uint64_t)(random_below(2 * HOUR) - HOUR);
                clock_floor(&clock_, floor, mono_ms);
                last = floor > last ? floor : last;
            }
            uint64_t told = tell();
            assert_true(told >= last);
            last = told;
        }
    }
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_node_alone_tells_its_wall_clock),
        TEST(a_node_alone_whose_clock_is_set_back_goes_on_at_the_pace_of_its_monotonic_clock),
        TEST(a_slow_wall_clock_is_carried_by_the_monotonic_one),
        TEST(a_year_ahead_for_a_second_moves_time_by_the_skew_at_most),
        TEST(a_peer_a_year_ahead_changes_nothing),
        TEST(a_node_that_is_set_back_is_held_up_by_the_others),
        TEST(of_two_clocks_that_disagree_the_one_that_expires_less_is_believed),
        TEST(a_clock_not_heard_lately_has_no_vote),
        TEST(more_peers_than_there_is_room_for_are_not_counted),
        TEST(the_median_of_one_to_five_clocks_is_the_lower_middle),
        TEST(a_node_agrees_when_the_median_is_within_the_skew),
        TEST(a_node_whose_clock_jumps_no_longer_agrees_though_nobody_was_heard_since),
        TEST(the_offset_of_a_peer_is_that_of_its_last_message),
        TEST(an_applied_clock_is_a_floor),
        TEST(a_floor_beyond_the_skew_is_waited_for),
        TEST(whatever_a_minority_does_time_goes_forward_and_stays_near_the_truth),
        TEST(whatever_comes_time_never_goes_backwards),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
