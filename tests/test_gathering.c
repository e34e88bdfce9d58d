/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../src/gathering.h"

enum { COMMIT_US = 800, BOUND_US = 600, MOST_US = 10000, START_US = 1000000 };

/* All of it at one time, or so: nobody comes close together. */
static void answered(struct gathering *gathering, size_t writes, uint64_t took_us) {
    gathering_answered(gathering, writes, took_us, START_US);
}

/* What commits take is settled. */
static struct gathering settled(void) {
    struct gathering gathering = {0};
    for (unsigned i = 0; i < 200; i++)
        answered(&gathering, 0, COMMIT_US);
    gathering.commit_us = COMMIT_US; /* but for what the mean's divisions leave */
    return gathering;
}

static bool holds(struct gathering *gathering, size_t writes, uint64_t now_us) {
    return gathering_holds(gathering, writes, MOST_US, now_us);
}

/* `count` are answered, and write again one by one, the last so long after the first; each is proposed at once. */
static void come_back(struct gathering *gathering, size_t count, uint64_t spread_us, unsigned times) {
    static uint64_t now_us = START_US;
    for (; times > 0; times--) {
        answered(gathering, count, COMMIT_US);
        gathering->commit_us = COMMIT_US;
        now_us += COMMIT_US;
        for (size_t i = 0; i < count; i++) {
            uint64_t at_us = now_us + (count > 1 ? spread_us * i / (count - 1) : 0);
            (void)gathering_holds(gathering, 1, MOST_US, at_us);
            (void)gathering_ends(gathering, 1, at_us);
        }
        now_us += spread_us;
    }
}

/* After these, would one of two be held? */
static bool would_hold(struct gathering gathering) {
    answered(&gathering, 2, COMMIT_US);
    return holds(&gathering, 1, START_US);
}

static void nobody_is_waited_for_who_was_not_seen_to_come_back(void **state) {
    (void)state;
    struct gathering gathering = settled();
    assert_false(would_hold(gathering));
    come_back(&gathering, 10, BOUND_US - 1, 4);
    assert_false(would_hold(gathering));
    come_back(&gathering, 10, BOUND_US - 1, 1);
    assert_true(would_hold(gathering));
}

static void who_comes_back_too_late_is_not_waited_for_any_more(void **state) {
    (void)state;
    struct gathering gathering = settled();
    come_back(&gathering, 10, 10, 8);
    come_back(&gathering, 10, BOUND_US, 3);
    assert_true(would_hold(gathering));
    come_back(&gathering, 10, BOUND_US, 1);
    assert_false(would_hold(gathering));
    come_back(&gathering, 10, 10, 4);
    assert_false(would_hold(gathering));
    come_back(&gathering, 10, 10, 1);
    assert_true(would_hold(gathering));
}

static void it_is_held_until_all_have_come(void **state) {
    (void)state;
    struct gathering gathering = settled();
    come_back(&gathering, 10, 10, 8);
    answered(&gathering, 10, COMMIT_US);
    assert_false(holds(&gathering, 0, START_US)); /* there is nothing to hold */
    assert_true(holds(&gathering, 1, START_US));
    assert_true(holds(&gathering, 9, START_US + 50));
    assert_int_equal(gathering.until_us, START_US + BOUND_US);
    assert_false(holds(&gathering, 10, START_US + 60));
    assert_int_equal(gathering.until_us, 0);
    assert_int_equal(gathering_ends(&gathering, 10, START_US + 60), 60);
    assert_int_equal(gathering.owed, 0);
    assert_false(holds(&gathering, 1, START_US + 70));
    assert_int_equal(gathering_ends(&gathering, 1, START_US + 70), 0);
}

/* Those of two commits, where the first's are still coming when the second is answered. */
static void who_is_answered_meanwhile_is_waited_for_as_well(void **state) {
    (void)state;
    struct gathering gathering = settled();
    come_back(&gathering, 10, 10, 8);
    answered(&gathering, 10, COMMIT_US);
    assert_true(holds(&gathering, 9, START_US));
    answered(&gathering, 5, COMMIT_US);
    assert_true(holds(&gathering, 10, START_US + 10));
    assert_false(holds(&gathering, 15, START_US + 20));
}

static void who_writes_alone_is_never_held(void **state) {
    (void)state;
    struct gathering gathering = settled();
    come_back(&gathering, 10, 10, 8);
    for (uint64_t now_us = START_US; now_us < START_US + 100 * COMMIT_US; now_us += COMMIT_US) {
        answered(&gathering, 1, COMMIT_US);
        assert_false(holds(&gathering, 1, now_us));
        assert_int_equal(gathering_ends(&gathering, 1, now_us), 0);
    }
}

/* ... and teaches nothing about others. */
static void who_comes_back_alone_does_not_count(void **state) {
    (void)state;
    struct gathering gathering = settled();
    come_back(&gathering, 1, 0, 8);
    assert_false(would_hold(gathering));
}

/* A clock's entry, or one of victims. */
static void an_entry_without_writes_teaches_nothing(void **state) {
    (void)state;
    struct gathering gathering = settled();
    come_back(&gathering, 10, 10, 8);
    answered(&gathering, 2, COMMIT_US);
    assert_int_equal(gathering_ends(&gathering, 0, START_US), 0);
    assert_true(holds(&gathering, 1, START_US + BOUND_US));
    assert_false(holds(&gathering, 2, START_US + BOUND_US + 10));
    assert_int_equal(gathering_ends(&gathering, 2, START_US + BOUND_US + 10), 10);
    assert_int_equal(gathering.recent, UINT8_MAX);
}

static void it_is_held_no_longer_than_the_bound_and_who_is_late_is_forgotten(void **state) {
    (void)state;
    struct gathering gathering = settled();
    come_back(&gathering, 10, 10, 8);
    answered(&gathering, 10, COMMIT_US);
    assert_true(holds(&gathering, 4, START_US));
    assert_true(holds(&gathering, 4, START_US + BOUND_US - 1));
    assert_false(holds(&gathering, 4, START_US + BOUND_US));
    assert_int_equal(gathering_ends(&gathering, 4, START_US + BOUND_US), BOUND_US);
    assert_int_equal(gathering.owed, 0);

    answered(&gathering, 4, COMMIT_US);
    gathering.commit_us = COMMIT_US;
    assert_true(gathering_holds(&gathering, 1, 100, START_US)); /* the configured one is shorter */
    assert_true(gathering_holds(&gathering, 1, 100, START_US + 99));
    assert_false(gathering_holds(&gathering, 1, 100, START_US + 100));
}

/* As many in the time of a commit as one answers, at even intervals, whoever they are of. */
static void who_comes_by_the_clock_is_not_waited_for(void **state) {
    enum { A_COMMIT = 8 };
    (void)state;
    struct gathering gathering = settled();
    size_t writes = 0;
    come_back(&gathering, 10, 10, 8);
    for (unsigned came = 0; came < 20 * A_COMMIT; came++) {
        uint64_t now_us = START_US + came * (COMMIT_US / A_COMMIT);
        if (came % A_COMMIT == 0)
            gathering_answered(&gathering, A_COMMIT, COMMIT_US, now_us);
        gathering.commit_us = COMMIT_US;
        writes++;
        if (holds(&gathering, writes, now_us))
            continue;
        (void)gathering_ends(&gathering, writes, now_us);
        writes = 0;
    }
    assert_false(would_hold(gathering));
}

/* ---- those that come close together ------------------------------------------------------------------------------- */

enum { CROWD = 200, CYCLE_US = 2000, SPREAD_US = 1200 }; /* 1.5 commits */

/* As many as were answered come back within `spread_us`, at even intervals, and a cycle takes so long; the entry goes when it is not held any
 * more. Returns how many entries were made, all in all. */
static unsigned go_round(struct gathering *gathering, uint64_t cycle_us, uint64_t spread_us, unsigned times) {
    unsigned entries = 0;
    uint64_t begun_us = START_US;
    for (; times > 0; times--, begun_us += cycle_us) {
        size_t writes = 0;
        gathering_answered(gathering, CROWD, COMMIT_US, begun_us);
        gathering->commit_us = COMMIT_US;
        for (size_t i = 0; i < CROWD; i++) {
            uint64_t now_us = begun_us + spread_us * i / (CROWD - 1);
            writes++;
            if (holds(gathering, writes, now_us))
                continue;
            (void)gathering_ends(gathering, writes, now_us);
            entries++;
            writes = 0;
        }
    }
    return entries;
}

static void a_crowd_is_waited_for_beyond_the_bound(void **state) {
    (void)state;
    struct gathering gathering = settled();
    (void)go_round(&gathering, CYCLE_US, SPREAD_US, 20);
    assert_int_equal(gathering.recent, UINT8_MAX);
    assert_int_equal(go_round(&gathering, CYCLE_US, SPREAD_US, 10), 10);
}

/* Over the whole cycle, as by the clock, or so that they are a third closer and no more. */
static void but_not_one_that_does_not_come_close_together(void **state) {
    static const uint64_t spreads_us[] = {CYCLE_US, CYCLE_US * 3 / 4};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct gathering gathering = settled();
        (void)go_round(&gathering, CYCLE_US, spreads_us[i], 20);
        assert_int_equal(gathering.recent, 0);
        assert_int_equal(go_round(&gathering, CYCLE_US, spreads_us[i], 1), CROWD);
    }
}

static void nor_for_longer_than_two_commits(void **state) {
    (void)state;
    struct gathering gathering = settled();
    (void)go_round(&gathering, 2 * CYCLE_US, SPREAD_US, 20);
    uint64_t begun_us = START_US + 40 * CYCLE_US;
    gathering_answered(&gathering, CROWD, COMMIT_US, begun_us);
    gathering.commit_us = COMMIT_US;
    assert_true(holds(&gathering, 1, begun_us));
    assert_true(holds(&gathering, CROWD - 1, begun_us + 2 * COMMIT_US - 1));
    assert_false(holds(&gathering, CROWD - 1, begun_us + 2 * COMMIT_US));
}

/* Half of them came, and the others do not. */
static void who_stops_coming_is_waited_for_no_longer_than_they_came_close_together(void **state) {
    (void)state;
    struct gathering gathering = settled();
    (void)go_round(&gathering, CYCLE_US, SPREAD_US, 20);
    uint64_t begun_us = START_US + 20 * CYCLE_US;
    gathering_answered(&gathering, CROWD, COMMIT_US, begun_us);
    gathering.commit_us = COMMIT_US;
    assert_true(holds(&gathering, 1, begun_us));
    assert_true(holds(&gathering, CROWD / 2, begun_us + SPREAD_US / 2));
    assert_in_range(gathering.until_us, begun_us + CYCLE_US / 3 - CYCLE_US / 50,
                    begun_us + CYCLE_US / 3 + CYCLE_US / 50);
    assert_false(holds(&gathering, CROWD / 2, gathering.until_us));
}

static void where_nothing_is_to_be_held_nothing_is(void **state) {
    (void)state;
    struct gathering gathering = settled();
    come_back(&gathering, 10, 10, 8);
    answered(&gathering, 10, COMMIT_US);
    assert_true(holds(&gathering, 1, START_US));
    assert_false(gathering_holds(&gathering, 1, 0, START_US + 1)); /* ... from now on */
    assert_int_equal(gathering.until_us, 0);
}

static void a_commit_that_takes_long_for_once_moves_the_bound_a_little(void **state) {
    (void)state;
    struct gathering gathering = settled();
    answered(&gathering, 0, 9 * COMMIT_US);
    (void)holds(&gathering, 1, START_US);
    assert_in_range(gathering.bound_us, 2 * BOUND_US - BOUND_US / 10, 2 * BOUND_US);
    for (unsigned i = 0; i < 40; i++)
        answered(&gathering, 0, COMMIT_US);
    (void)holds(&gathering, 1, START_US);
    assert_in_range(gathering.bound_us, BOUND_US - BOUND_US / 10, BOUND_US + BOUND_US / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_waited_for_who_was_not_seen_to_come_back),
        cmocka_unit_test(who_comes_back_too_late_is_not_waited_for_any_more),
        cmocka_unit_test(it_is_held_until_all_have_come),
        cmocka_unit_test(who_is_answered_meanwhile_is_waited_for_as_well),
        cmocka_unit_test(who_writes_alone_is_never_held),
        cmocka_unit_test(who_comes_back_alone_does_not_count),
        cmocka_unit_test(an_entry_without_writes_teaches_nothing),
        cmocka_unit_test(it_is_held_no_longer_than_the_bound_and_who_is_late_is_forgotten),
        cmocka_unit_test(who_comes_by_the_clock_is_not_waited_for),
        cmocka_unit_test(a_crowd_is_waited_for_beyond_the_bound),
        cmocka_unit_test(but_not_one_that_does_not_come_close_together),
        cmocka_unit_test(nor_for_longer_than_two_commits),
        cmocka_unit_test(who_stops_coming_is_waited_for_no_longer_than_they_came_close_together),
        cmocka_unit_test(where_nothing_is_to_be_held_nothing_is),
        cmocka_unit_test(a_commit_that_takes_long_for_once_moves_the_bound_a_little),
    };
    return cmocka_run_group_tests_name("gathering", tests, NULL, NULL);
}
