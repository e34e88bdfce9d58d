/* SPDX-License-Identifier: MIT */
/* A leader holds an entry for writers who are on their way back (src/gathering.h): for whom, how long, and what ends it at once. */
#include "../src/node_state.h"
#include "handover_world.h"

enum { LONG_US = 60 * 1000 * 1000, SHORT_US = 20 * 1000 };

/* As if two clients had been answered, who always come back within `us`. */
static void expect_two(unsigned us) {
    struct node *node = world->nodes[leader].node;
    world->nodes[leader].conf.gather_us = us;
    node->gathering =
        (struct gathering){.recent = UINT8_MAX, .owed = 2, .watched = 2, .commit_us = UINT64_C(2) * us};
}

static uint64_t held_until_us(void) {
    return node_holds_until_us(world->nodes[leader].node);
}

static void it_is_held_until_the_other_has_come(void **state) {
    (void)state;
    expect_two(LONG_US);
    uint64_t now_us = world_now(world).mono_us;
    say(fd, "SET a 1\r\nGET a\r\n");
    world_expect_silence(world, fd);
    assert_in_range(held_until_us(), now_us + LONG_US, now_us + 2 * LONG_US);
    world_ask(world, other, "SET a 2\r\n", "+OK\r\n");
    world_expect(world, fd, "+OK\r\n$1\r\n1\r\n");
    assert_int_equal(held_until_us(), 0);
    assert_int_equal(world->nodes[leader].node->statistics.gathered, 1);
}

static void it_goes_when_the_time_is_over(void **state) {
    (void)state;
    expect_two(SHORT_US);
    struct node *node = world->nodes[leader].node;
    say(fd, "SET a 1\r\n");
    while (!held_until_us())
        world_turn(world, leader);
    uint64_t until_us = held_until_us();
    assert_in_range(node_deadline_ms(node), 0,
                    until_us / 1000 + 1); /* who calls it then needs to know no more */
    while (node->writing)
        world_turn(world, leader);
    assert_true(world_now(world).mono_us >= until_us);
    world_expect(world, fd, "+OK\r\n");
    assert_in_range(node->statistics.gathered_us, SHORT_US, LONG_US);
    world_ask(world, fd, "SET a 2\r\n", "+OK\r\n"); /* the other is not owed any more */
    assert_int_equal(node->statistics.gathered, 1);
}

static void a_read_of_another_waits_for_nothing(void **state) {
    (void)state;
    expect_two(LONG_US);
    say(fd, "SET a 1\r\n");
    world_expect_silence(world, fd);
    world_ask(world, other, "GET a\r\n", "$-1\r\n");
    assert_true(held_until_us() > 0);
}

static void nothing_is_held_where_it_is_turned_off(void **state) {
    (void)state;
    expect_two(LONG_US);
    world->nodes[leader].conf.gather_us = 0;
    world_ask(world, fd, "SET a 1\r\n", "+OK\r\n");

    expect_two(LONG_US);
    world->nodes[leader].conf.busy_poll_us = 0;
    world_ask(world, fd, "SET a 2\r\n", "+OK\r\n");
    assert_int_equal(world->nodes[leader].node->statistics.gathered, 0);
}

static void what_is_held_goes_before_the_leadership_does(void **state) {
    (void)state;
    expect_two(LONG_US);
    say(fd, "SET a 1\r\n");
    world_expect_silence(world, fd);
    say_transfer(other, successor());
    world_expect(world, fd, "+OK\r\n");
}

/* The leadership goes at once, and the entry was not proposed in time: until it is known who leads next, nobody is told anything. */
static void what_is_held_waits_between_two_leaders_and_is_sent_on(void **state) {
    size_t next = successor();
    struct node *node = world->nodes[leader].node;
    (void)state;
    world_ask(world, fd, "CONFIG SET raft-stall-timeout 1000\r\n", "+OK\r\n");
    expect_two(LONG_US);
    say(fd, "SET a 1\r\n");
    world_expect_silence(world, fd);
    sleep_others(true);
    node_stalled(node, 1100 * 1000);
    world_turns(world, leader, 2);
    for (int i = 0; i < 50 && node->raft_status.role == RAFT_LEADER; i++) {
        world_turns(world, next, 1);
        world_turns(world, leader, 1);
    }
    assert_int_equal(node->raft_status.role, RAFT_FOLLOWER);
    assert_int_equal(node->raft_status.leader, 0);
    world_expect_silence(world, fd);
    sleep_others(false);
    world_expect(world, fd, "-MOVED");
}

static void what_is_held_goes_before_the_node_ends(void **state) {
    (void)state;
    expect_two(LONG_US);
    say(fd, "SET a 1\r\n");
    world_expect_silence(world, fd);
    node_stop(world->nodes[leader].node);
    world_turn(world, leader);
    assert_null(world->nodes[leader].node->writing);
    world_expect(world, fd, "+OK\r\n");
}

static void victims_go_at_once(void **state) {
    (void)state;
    world_ask(world, fd, "SET victim 1\r\n", "+OK\r\n");
    expect_two(LONG_US);
    say(fd, "SET a 1\r\n");
    world_expect_silence(world, fd);
    assert_null(world->nodes[leader].node->writes.first);
    world->nodes[leader].node->writing->victims = 1; /* as if eviction.c had added one */
    world_expect(world, fd, "+OK\r\n");
}

/* What was owed is not held against a later leadership: the entry is for nobody to propose. */
static void who_does_not_lead_any_more_holds_nothing(void **state) {
    (void)state;
    expect_two(LONG_US);
    say(fd, "SET a 1\r\n");
    world_expect_silence(world, fd);
    raft_tick(world->nodes[leader].node->raft, world->nodes[leader].node->now_ms + 3600 * 1000);
    char line[256];
    world_hear(world, fd, line, 6);
    assert_string_not_equal(line, "+OK\r\n");
    assert_int_equal(held_until_us(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_is_held_until_the_other_has_come),
        TEST(it_goes_when_the_time_is_over),
        TEST(a_read_of_another_waits_for_nothing),
        TEST(nothing_is_held_where_it_is_turned_off),
        TEST(what_is_held_goes_before_the_leadership_does),
        TEST(what_is_held_waits_between_two_leaders_and_is_sent_on),
        TEST(what_is_held_goes_before_the_node_ends),
        TEST(victims_go_at_once),
        TEST(who_does_not_lead_any_more_holds_nothing),
    };
    return cmocka_run_group_tests_name("node: gathering", tests, NULL, NULL);
}
