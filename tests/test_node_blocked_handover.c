/* SPDX-License-Identifier: MIT */
/*
 * Clients that wait, among three nodes: what becomes of them when the leadership is given away or lost, and of the elements that were
 * on their way to them. And WAIT, which asks where the others are.
 */
#include "handover_world.h"

#include "../src/node_state.h"

enum { JOBS_SLOT = 9631 }; /* that of "jobs" */

/* What came before it is applied, however slow the disk is: the wait is all that is left. */
static void wait_for(int who, const char *request) {
    const struct raft_status *status = &world->nodes[leader].node->raft_status;
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000;
    say(who, request);
    world_expect_silence(world, who);
    while (status->applied < status->last_index && world_us(CLOCK_MONOTONIC) < until_us)
        world_turn_all(world);
    world_expect_silence(world, who);
}

/* ---- the leadership goes ---------------------------------------------------------------------------------------------- */

static void one_that_waits_is_sent_to_the_new_leader_and_served_there(void **state) {
    (void)state;
    wait_for(fd, "BLPOP jobs mails 0\r\nPING\r\n");
    say_transfer(other, successor());
    world_expect(world, other, "+OK\r\n");
    world_expect(world, fd, moved_to(successor(), JOBS_SLOT));
    world_expect(world, fd, "+PONG\r\n");
    int there = world_dial(world, successor()), writer = world_dial(world, successor());
    wait_for(there, "BLPOP jobs 0\r\n");
    world_ask(world, writer, "RPUSH jobs 1\r\n", ":1\r\n");
    world_expect(world, there, "*2\r\n$4\r\njobs\r\n$1\r\n1\r\n");
    close(there);
    close(writer);
}

/* The hand-over fails: those that wait have noticed nothing, and get what came meanwhile. */
static void a_hand_over_that_fails_leaves_the_places_as_they_are(void **state) {
    (void)state;
    char expected[128];
    int second = world_dial(world, leader);
    wait_for(fd, "BLPOP jobs 0\r\n");
    wait_for(second, "BLPOP jobs 0\r\n");
    world->nodes[successor()].asleep = true;
    say_transfer(other, successor());
    world_turns(world, leader, 5);
    int writer = world_dial(world, leader);
    say(writer, "RPUSH jobs 1 2\r\n");
    snprintf(expected, sizeof expected,
             "-ERR node %zu did not take over within 600 ms; this node leads on\r\n", successor() + 1);
    world_expect(world, other, expected);
    world_expect(world, writer, ":2\r\n");
    world_expect(world, fd, "*2\r\n$4\r\njobs\r\n$1\r\n1\r\n");
    world_expect(world, second, "*2\r\n$4\r\njobs\r\n$1\r\n2\r\n");
    close(second);
    close(writer);
}

/* The others go on without the leader, which stands still. When it wakes, it knows of another and says so. */
static void a_leader_that_was_away_sends_on_those_that_wait(void **state) {
    (void)state;
    wait_for(fd, "BLPOP jobs 0\r\n");
    wait_for(other, "WAIT 3 0\r\n");
    size_t old = leader;
    world->nodes[old].asleep = true;
    leader = world_leader(world);
    world->nodes[old].asleep = false;
    world_expect(world, fd, moved_to(leader, JOBS_SLOT));
    world_expect(world, other,
                 "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> "
                 "replica?)\r\n");
    world_expect_end(world, other);
}

/* Nobody can lead: after the patience that every request has, those that wait are told that nothing was done. */
static void without_a_quorum_the_wait_ends_in_a_definite_error(void **state) {
    (void)state;
    char line[256];
    wait_for(fd, "BLPOP jobs 0\r\n");
    sleep_others(true);
    world_hear(world, fd, line, 13);
    assert_string_equal(line, "-CLUSTERDOWN ");
    size_t got = 0;
    while (got == 0 || line[got - 1] != '\n')
        got += world_hear(world, fd, line + got, 1);
    assert_non_null(strstr(line, "; not executed\r\n"));
    sleep_others(false);
}

/* Its push is committed and answered; its pop is proposed in the leader's next turn, and nobody else hears of it. */
static void push_and_sleep(void) {
    say(other, "RPUSH jobs 1\r\n");
    world_expect(world, other, ":1\r\n");
    sleep_others(true);
    world_turns(world, leader, 10);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_PEEK), -1);
}

/* The others have it in their sockets when they wake without this leader. */
static void a_pop_that_the_next_leader_commits_is_answered_by_the_old_one(void **state) {
    (void)state;
    wait_for(fd, "BLPOP jobs 0\r\n");
    push_and_sleep();
    size_t old = leader;
    sleep_others(false);
    world->nodes[old].asleep = true;
    leader = world_leader(world);
    int writer = world_dial(world, leader);
    world_ask(world, writer, "LPOP jobs\r\n", "$-1\r\n");
    world->nodes[old].asleep = false;
    world_expect(world, fd, "*2\r\n$4\r\njobs\r\n$1\r\n1\r\n");
    close(writer);
}

/* A pop under way outlives the end of its time, for only its outcome can say what the reply is. */
static void time_that_ends_during_a_pop_waits_for_its_outcome(void **state) {
    (void)state;
    wait_for(fd, "BLPOP jobs 0.1\r\n");
    push_and_sleep();
    for (uint64_t until_us = world_us(CLOCK_MONOTONIC) + 150000; world_us(CLOCK_MONOTONIC) < until_us;)
        world_turn(world, leader);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, MSG_PEEK), -1);
    sleep_others(false);
    world_expect(world, fd, "*2\r\n$4\r\njobs\r\n$1\r\n1\r\n");
    world_ask(world, other, "EXISTS jobs\r\n", ":0\r\n");
}

/* Nobody confirms it, and nobody says that it did not happen. */
static void a_pop_of_unknown_outcome_is_told_as_such(void **state) {
    (void)state;
    char line[256];
    wait_for(fd, "BLPOP jobs 0\r\n");
    push_and_sleep();
    world_hear(world, fd, line, 9);
    assert_string_equal(line, "-INDOUBT ");
    sleep_others(false);
}

/* ---- followers -------------------------------------------------------------------------------------------------------- */

static void a_follower_sends_on_at_once(void **state) {
    (void)state;
    int follower = world_dial(world, successor());
    world_ask(world, follower, "BLPOP jobs 0\r\n", moved_to(leader, JOBS_SLOT));
    say(follower, "WAIT 0 0\r\n");
    world_expect(world, follower, "-ERR WAIT cannot be used with replica instances.");
    close(follower);
}

/* ---- WAIT ------------------------------------------------------------------------------------------------------------- */

static void wait_is_answered_when_so_many_have_the_last_write(void **state) {
    (void)state;
    world_ask(world, fd, "SET k 1\r\nWAIT 2 0\r\n", "+OK\r\n:2\r\n");
    world_ask(world, fd, "WAIT 0 0\r\n", ":2\r\n");
    world->nodes[successor()].asleep = true;
    world_ask(world, fd, "SET k 2\r\nWAIT 1 0\r\n", "+OK\r\n:1\r\n");
    world_ask(world, fd, "WAIT 2 50\r\n", ":1\r\n");
    wait_for(fd, "WAIT 2 0\r\nPING\r\n");
    world_ask(world, other, "WAIT 2 50\r\n", ":2\r\n"); /* it has written nothing */
    world->nodes[successor()].asleep = false;
    world_expect(world, fd, ":2\r\n+PONG\r\n");
}

static void a_later_write_of_another_connection_is_not_waited_for(void **state) {
    (void)state;
    world_ask(world, fd, "SET k 1\r\nWAIT 2 0\r\n", "+OK\r\n:2\r\n");
    world->nodes[successor()].asleep = true;
    world_ask(world, other, "SET k 2\r\n", "+OK\r\n");
    world_ask(world, fd, "WAIT 2 0\r\n", ":2\r\n");
    world_ask(world, other, "WAIT 2 20\r\n", ":1\r\n");
    world_ask(world, other, "WAIT 100 20\r\n", ":1\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(one_that_waits_is_sent_to_the_new_leader_and_served_there),
        TEST(a_hand_over_that_fails_leaves_the_places_as_they_are),
        TEST(a_leader_that_was_away_sends_on_those_that_wait),
        TEST(without_a_quorum_the_wait_ends_in_a_definite_error),
        TEST(a_pop_that_the_next_leader_commits_is_answered_by_the_old_one),
        TEST(time_that_ends_during_a_pop_waits_for_its_outcome),
        TEST(a_pop_of_unknown_outcome_is_told_as_such),
        TEST(a_follower_sends_on_at_once),
        TEST(wait_is_answered_when_so_many_have_the_last_write),
        TEST(a_later_write_of_another_connection_is_not_waited_for),
    };
    return cmocka_run_group_tests_name("node_blocked_handover", tests, NULL, NULL);
}
