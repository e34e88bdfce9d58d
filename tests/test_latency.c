/* SPDX-License-Identifier: MIT */
/* Figures of the last minute, against a sorted array; and what has become too old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/latency.h"

enum { VALUES_MAX = 5000 };

static struct latency latency;

static int begin(void **state) {
    (void)state;
    memset(&latency, 0, sizeof latency);
    return 0;
}

static struct latency_figures read_at(uint64_t now_ms) {
    struct latency_figures figures;
    latency_read(&latency, now_ms, &figures);
    return figures;
}

static uint64_t random_state;

static uint64_t random_bits(void) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 33;
}

static int by_value(const void *left, const void *right) {
    uint64_t one = *(const uint64_t *)left, other = *(const uint64_t *)right;
    return one < other ? -1 : one > other;
}

/* At least the true value, and at most an eighth more. */
static void assert_figure(uint64_t figure, uint64_t expected) {
    assert_in_range(figure, expected, expected + expected / 8);
}

static void nothing_seen_is_all_zeros(void **state) {
    (void)state;
    struct latency_figures figures = read_at(123456);
    assert_int_equal(figures.count, 0);
    assert_int_equal(figures.p50_us, 0);
    assert_int_equal(figures.p99_us, 0);
    assert_int_equal(figures.max_us, 0);
}

static void one_value_is_every_figure_exactly(void **state) {
    static const uint64_t values[] = {0,  1,    7,    8,    9,    15,        16,
                                      17, 1000, 4095, 4096, 4097, 123456789, 1ull << 33};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        begin(NULL);
        latency_add(&latency, 1000, values[i]);
        struct latency_figures figures = read_at(1000);
        assert_int_equal(figures.count, 1);
        assert_int_equal(figures.p50_us, values[i]);
        assert_int_equal(figures.p99_us, values[i]);
        assert_int_equal(figures.max_us, values[i]);
    }
}

/* Every value below 5000, and those around each power of two: in the median's place, with a larger one above. */
static void a_figure_is_never_below_the_value_nor_more_than_an_eighth_above_it(void **state) {
    (void)state;
    for (uint64_t value = 0; value < 1ull << 34; value += value < 5000 ? 1 : value / 64 + 1) {
        begin(NULL);
        latency_add(&latency, 0, value);
        latency_add(&latency, 0, value);
        latency_add(&latency, 0, UINT64_MAX);
        assert_figure(read_at(0).p50_us, value);
    }
}

static void random_values_give_the_quantiles_of_the_sorted_array_within_an_eighth(void **state) {
    static uint64_t values[VALUES_MAX];
    (void)state;
    random_state = 3;
    for (unsigned round = 0; round < 200; round++) {
        size_t count = 1 + random_bits() % VALUES_MAX;
        begin(NULL);
        for (size_t i = 0; i < count; i++) {
            values[i] = random_bits() >> (random_bits() % 31);
            latency_add(&latency, 7000 + random_bits() % 50000, values[i]);
        }
        qsort(values, count, sizeof *values, by_value);
        struct latency_figures figures = read_at(57000);
        assert_int_equal(figures.count, count);
        assert_figure(figures.p50_us, values[count / 2]);
        assert_figure(figures.p99_us, values[count * 99 / 100]);
        assert_int_equal(figures.max_us, values[count - 1]);
    }
}

static void one_slow_thing_in_fifty_shows_in_the_99th_and_not_in_the_50th(void **state) {
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        latency_add(&latency, 5, i % 50 == 0 ? 90000 : 100);
    struct latency_figures figures = read_at(5);
    assert_figure(figures.p50_us, 100);
    assert_figure(figures.p99_us, 90000);
    assert_int_equal(figures.max_us, 90000);
}

/* Ten seconds at a time are forgotten: a value is there for 50 s at least and is gone after 60. */
static void what_is_older_than_a_minute_is_forgotten(void **state) {
    (void)state;
    for (uint64_t begun = 0; begun < 3 * LATENCY_SLICE_MS; begun += 777) {
        begin(NULL);
        latency_add(&latency, begun, 5000000);
        latency_add(&latency, begun + 20000, 100);
        for (uint64_t now = begun + 20000; now < begun + 90000; now += 333) {
            struct latency_figures figures = read_at(now);
            uint64_t age = now - begun, younger = age - 20000;
            if (age <= 50000)
                assert_int_equal(figures.max_us, 5000000);
            if (age >= 60000 && younger <= 50000) {
                assert_int_equal(figures.max_us, 100);
                assert_int_equal(figures.count, 1);
            }
            if (younger >= 60000)
                assert_int_equal(figures.count, 0);
        }
    }
}

static void a_long_silence_forgets_everything_also_when_it_is_whole_minutes(void **state) {
    static const uint64_t silences[] = {60000, 61000, 70000, 120000, 600000, 1ull << 40};
    (void)state;
    for (size_t i = 0; i < sizeof silences / sizeof *silences; i++) {
        begin(NULL);
        for (uint64_t now = 100000; now < 160000; now += 1000)
            latency_add(&latency, now, 777);
        latency_add(&latency, 160000 + silences[i], 5);
        struct latency_figures figures = read_at(160000 + silences[i]);
        assert_int_equal(figures.count, 1);
        assert_int_equal(figures.max_us, 5);
    }
}

static void reading_does_not_change_what_is_read(void **state) {
    (void)state;
    latency_add(&latency, 10000, 50);
    latency_add(&latency, 20000, 60);
    struct latency_figures first = read_at(30000), second = read_at(30000);
    assert_memory_equal(&first, &second, sizeof first);
    assert_int_equal(first.count, 2);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nothing_seen_is_all_zeros),
        TEST(one_value_is_every_figure_exactly),
        TEST(a_figure_is_never_below_the_value_nor_more_than_an_eighth_above_it),
        TEST(random_values_give_the_quantiles_of_the_sorted_array_within_an_eighth),
        TEST(one_slow_thing_in_fifty_shows_in_the_99th_and_not_in_the_50th),
        TEST(what_is_older_than_a_minute_is_forgotten),
        TEST(a_long_silence_forgets_everything_also_when_it_is_whole_minutes),
        TEST(reading_does_not_change_what_is_read),
    };
    return cmocka_run_group_tests_name("latency", tests, NULL, NULL);
}
