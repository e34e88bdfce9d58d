/* SPDX-License-Identifier: MIT */
/* The judgement over a report: what is healthy, what degraded, what down, and how many failures are left. */
#include "../src/cmd/health.h"
#include "session_fixture.h"

static struct health judge(void) {
    struct health health;

    health_judge(&world.report, &health);
    return health;
}

static void a_voter_that_falls_away_degrades(void **state) {
    (void)state;
    assert_int_equal(judge().state, HEALTH_OK);
    assert_int_equal(judge().failures_tolerated, 1);
    world.members[1].link = REPORT_LINK_DOWN;
    strcpy(world.members[1].link_error, "connection refused");
    struct health health = judge();
    assert_int_equal(health.state, HEALTH_DEGRADED);
    assert_string_equal(health.reason, "node 2 unreachable: connection refused");
    assert_int_equal(health.failures_tolerated, 0);
    assert_int_equal(health.voters_reachable, 2);
    assert_true(health.master);
}

/* A stopped process keeps its connections: a leader must not count on it. */
static void a_follower_that_falls_silent_is_not_reachable(void **state) {
    (void)state;
    world.members[1].last_contact_ms = 2001;
    assert_int_equal(judge().failures_tolerated, 0);
    assert_string_equal(judge().reason, "node 2 unreachable");
    follow();
    world.members[1].last_contact_ms = 10;
    world.members[2].last_contact_ms = -1; /* followers do not talk to each other */
    assert_int_equal(judge().state, HEALTH_OK);
    assert_int_equal(judge().failures_tolerated, 1);
}

static void one_node_alone_is_healthy_and_tolerates_nothing(void **state) {
    (void)state;
    world.report.member_count = 1;
    assert_int_equal(judge().state, HEALTH_OK);
    assert_int_equal(judge().failures_tolerated, 0);
}

static void a_learner_does_not_count(void **state) {
    (void)state;
    world.members[2].voting = false;
    struct health health = judge();
    assert_int_equal(health.nodes, 3);
    assert_int_equal(health.voters, 2);
    assert_int_equal(health.failures_tolerated, 0);
}

static void an_election_is_told_from_a_lost_quorum(void **state) {
    (void)state;
    follow();
    world.report.leader_id = 0;
    world.report.quorum = false;
    assert_int_equal(judge().state, HEALTH_DOWN);
    assert_string_equal(judge().reason, "no leader (3 of 3 voters reachable)");
}

static void lag_clock_disk_and_stalls_are_named_together(void **state) {
    (void)state;
    world.report.last_index = 50000;
    world.members[2].match_index = 45000;
    world.members[2].clock_offset_ms = -501;
    world.report.fsync.p99_us = 600000;
    world.report.turn.max_us = 700000;
    struct health health = judge();
    assert_int_equal(health.state, HEALTH_DEGRADED);
    assert_string_equal(
        health.reason,
        "node 2 is 49890 entries behind; the clock of node 3 differs by -501 ms; slow disk: one fsync in a "
        "hundred takes 600 ms; the loop stood still for 700 ms");
}

static void a_long_reason_is_cut_not_overrun(void **state) {
    static struct report_member many[60];
    (void)state;

    for (size_t i = 0; i < 60; i++) {
        world_member(&many[i], i + 1);
        many[i].link = REPORT_LINK_DOWN;
        memset(many[i].link_error, 'x', sizeof many[i].link_error - 1);
    }
    world.report.members = many;
    world.report.member_count = 60;
    assert_true(strlen(judge().reason) < HEALTH_REASON_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
        TEST(a_voter_that_falls_away_degrades),
        TEST(a_follower_that_falls_silent_is_not_reachable),
        TEST(one_node_alone_is_healthy_and_tolerates_nothing),
        TEST(a_learner_does_not_count),
        TEST(an_election_is_told_from_a_lost_quorum),
        TEST(lag_clock_disk_and_stalls_are_named_together),
        TEST(a_long_reason_is_cut_not_overrun),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
