/* SPDX-License-Identifier: MIT */
/*
 * The leadership given away among three nodes in one process: nothing that was taken is lost or wrongly refused, whoever asked
 * for it is told how it ended, and a node that is to end hands over first.
 */
#include "handover_world.h"

enum { ELECTION_MS = 600 };

/* One line. */
static const char *hear_line(int from) {
    static char line[1024];
    size_t length = 0;
    while (length < sizeof line - 1 && (length == 0 || line[length - 1] != '\n')) {
        if (world_hear(world, from, line + length, 1) == 0)
            break;
        length++;
    }
    line[length] = '\0';
    return line;
}

static void turn_leader(unsigned turns) {
    world_turns(world, leader, turns);
}

/* ---- asked for --------------------------------------------------------------------------------------------------- */

static void whoever_asks_is_answered_when_the_other_leads(void **state) {
    (void)state;
    world_ask(world, fd, "SET k 1\r\n", "+OK\r\n");
    say_transfer(fd, successor());
    world_expect(world, fd, "+OK\r\n");
    world_ask(world, fd, "GET k\r\n", moved_to(successor(), 7629));
    int there = world_dial(world, successor());
    world_ask(world, there, "GET k\r\n", "$1\r\n1\r\n");
    close(there);
}

/* Slot 7629 is that of "k". */
static void a_pipeline_around_it_is_answered_in_order(void **state) {
    char expected[256];
    (void)state;
    char line[256];
    snprintf(line, sizeof line, "SET k 1\r\nGET k\r\nRAFT.TRANSFER_LEADER %zu\r\nSET k 2\r\nPING\r\n",
             successor() + 1);
    say(fd, line);
    snprintf(expected, sizeof expected, "+OK\r\n$1\r\n1\r\n+OK\r\n%s+PONG\r\n", moved_to(successor(), 7629));
    world_expect(world, fd, expected);
    int there = world_dial(world, successor());
    world_ask(world, there, "GET k\r\n", "$1\r\n1\r\n");
    close(there);
}

/* Its answer may come long after the request; what was asked before is answered before it begins. */
static void it_begins_when_nothing_is_owed_to_its_asker(void **state) {
    (void)state;
    sleep_others(true);
    say(fd, "GET k\r\nRAFT.TRANSFER_LEADER\r\n");
    turn_leader(5);
    world_ask(world, other, "FAILOVER ABORT\r\n", "-ERR No failover in progress.\r\n");
    sleep_others(false);
    world_expect(world, fd, "$-1\r\n+OK\r\n");
}

/* A write that comes while the leadership goes over is neither refused nor lost: it waits, and is sent on. */
static void a_write_meanwhile_waits_and_is_sent_on(void **state) {
    (void)state;
    world->nodes[successor()].asleep = true;
    say_transfer(fd, successor());
    turn_leader(5);
    say(other, "SET k 1\r\n");
    world_expect_silence(world, other);
    world->nodes[successor()].asleep = false;
    world_expect(world, fd, "+OK\r\n");
    world_expect(world, other, moved_to(successor(), 7629));
}

static void reads_go_on_meanwhile(void **state) {
    (void)state;
    world_ask(world, fd, "SET k 1\r\n", "+OK\r\n");
    world->nodes[successor()].asleep = true;
    say_transfer(fd, successor());
    turn_leader(5);
    world_ask(world, other, "GET k\r\n", "$1\r\n1\r\n");
}

/* The target stands still: after an election timeout this node leads on, says so, and takes the write that waited. */
static void a_failed_one_says_so_and_the_write_that_waited_is_done(void **state) {
    char expected[128];
    (void)state;
    world->nodes[successor()].asleep = true;
    say_transfer(fd, successor());
    turn_leader(5);
    say(other, "INCR n\r\n");
    snprintf(expected, sizeof expected,
             "-ERR node %zu did not take over within 600 ms; this node leads on\r\n", successor() + 1);
    world_expect(world, fd, expected);
    world_expect(world, other, ":1\r\n");
    world_ask(world, fd, "GET n\r\n", "$1\r\n1\r\n");
}

static void a_second_one_meanwhile_is_refused(void **state) {
    (void)state;
    world->nodes[successor()].asleep = true;
    say_transfer(fd, successor());
    turn_leader(5);
    world_ask(world, other, "RAFT.TRANSFER_LEADER\r\n",
              "-ERR the leadership is being handed over already\r\n");
    world_ask(world, other, "FAILOVER\r\n", "-ERR FAILOVER already in progress.\r\n");
}

static void an_aborted_one_leaves_the_leader_where_it_was(void **state) {
    (void)state;
    world->nodes[successor()].asleep = true;
    say_transfer(fd, successor());
    turn_leader(5);
    int writer = world_dial(world, leader);
    say(writer, "SET k 1\r\n");
    turn_leader(5);
    world_ask(world, other, "FAILOVER ABORT\r\n", "+OK\r\n");
    world_expect(world, fd, "-ERR Failover manually aborted\r\n");
    world_expect(world, writer, "+OK\r\n");
    world_ask(world, other, "FAILOVER ABORT\r\n", "-ERR No failover in progress.\r\n");
    close(writer);
}

static void a_failover_ends_at_its_own_timeout(void **state) {
    char line[128];
    (void)state;
    world->nodes[successor()].asleep = true;
    snprintf(line, sizeof line, "FAILOVER TO 127.0.0.1 %u TIMEOUT 50\r\n", world->nodes[successor()].port);
    uint64_t begun_us = world_us(CLOCK_MONOTONIC);
    world_ask(world, fd, line, "-ERR not done within 50 ms; this node leads on\r\n");
    assert_true(world_us(CLOCK_MONOTONIC) - begun_us < ELECTION_MS * 1000);
    world_ask(world, fd, "INCR n\r\n", ":1\r\n");
}

/* Its asker hangs up: the hand-over goes on, and nobody is answered. */
static void an_asker_that_is_gone_is_not_missed(void **state) {
    (void)state;
    world->nodes[successor()].asleep = true;
    int asker = world_dial(world, leader);
    say_transfer(asker, successor());
    turn_leader(5);
    close(asker);
    turn_leader(5);
    world->nodes[successor()].asleep = false;
    say(other, "SET k 1\r\n");
    world_expect(world, other, moved_to(successor(), 7629));
}

/* Keys that are due go by an entry, which cannot be proposed now. Readers of such a key wait for the end like writers. */
static void a_read_of_a_key_that_is_due_meanwhile_is_sent_on(void **state) {
    (void)state;
    world_ask(world, fd, "SET k 1 PX 30\r\n", "+OK\r\n");
    world->nodes[successor()].asleep = true;
    say_transfer(fd, successor());
    turn_leader(40);
    say(other, "GET k\r\n");
    world_expect_silence(world, other);
    world->nodes[successor()].asleep = false;
    world_expect(world, fd, "+OK\r\n");
    assert_memory_equal(hear_line(other), "-MOVED", 6);
}

/* ---- before the end ------------------------------------------------------------------------------------------------ */

/* Turns everybody but node `at`, and node `at` until it has ended: how many milliseconds that took. */
static uint64_t turn_to_the_end(size_t at) {
    uint64_t begun_us = world_us(CLOCK_MONOTONIC);
    while (node_ended(world->nodes[at].node) == NODE_RUNNING) {
        struct instant now = world_now(world);
        ev_run(world->nodes[at].loop, EVRUN_ONCE);
        node_turn(world->nodes[at].node, &now);
        for (size_t i = 0; i < world->count; i++)
            if (i != at && !world->nodes[i].asleep)
                world_turn(world, i);
        assert_true(world_us(CLOCK_MONOTONIC) - begun_us < WORLD_PATIENCE_MS * 1000);
    }
    assert_int_equal(node_ended(world->nodes[at].node), NODE_STOPPED);
    world->nodes[at].asleep = true;
    return (world_us(CLOCK_MONOTONIC) - begun_us) / 1000;
}

static void a_leader_that_is_to_end_hands_over_and_sends_its_clients_on(void **state) {
    (void)state;
    world_ask(world, fd, "SET k 1\r\n", "+OK\r\n");
    node_stop(world->nodes[leader].node);
    turn_leader(2);
    say(other, "SET k 2\r\n");
    turn_to_the_end(leader);
    assert_memory_equal(hear_line(other), "-MOVED 7629 127.0.0.1:", 22);
    size_t next = world_leader(world);
    int there = world_dial(world, next);
    world_ask(world, there, "GET k\r\n", "$1\r\n1\r\n");
    close(there);
}

static void a_follower_ends_at_once(void **state) {
    (void)state;
    node_stop(world->nodes[successor()].node);
    assert_true(turn_to_the_end(successor()) < ELECTION_MS);
    world_ask(world, fd, "INCR n\r\n", ":1\r\n");
}

static void a_leader_alone_does_not_wait_for_anybody(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++)
        if (i != leader) {
            node_stop(world->nodes[i].node);
            turn_to_the_end(i);
            node_free(world->nodes[i].node);
            struct instant now = world_now(world);
            world->nodes[i].port = world_free_port();
            world->nodes[i].conf.port = world->nodes[i].port; /* whoever dials the old one is refused */
            world->nodes[i].node = node_new(world->nodes[i].loop, &world->nodes[i].conf, NULL, &now);
        }
    turn_leader(10);
    node_stop(world->nodes[leader].node);
    assert_true(turn_to_the_end(leader) < ELECTION_MS);
}

static void shutdown_now_hands_nothing_over(void **state) {
    (void)state;
    say(fd, "SHUTDOWN NOW\r\n");
    assert_true(turn_to_the_end(leader) < ELECTION_MS);
    int there = world_dial(world, successor()); /* its sockets are open still: nobody has missed it */
    world_ask(world, there, "SET k 1\r\n", moved_to(leader, 7629));
    close(there);
}

static void a_shutdown_can_be_taken_back(void **state) {
    (void)state;
    sleep_others(true);
    say(fd, "SHUTDOWN\r\nGET k\r\n");
    turn_leader(5);
    world_ask(world, other, "SHUTDOWN ABORT\r\n", "+OK\r\n");
    sleep_others(false);
    world_expect(world, fd, "-ERR Errors trying to SHUTDOWN. Check logs.\r\n");
    assert_non_null(strchr("$-", hear_line(fd)[0])); /* who was told to stand may have done so since */
    world_leader(world);
}

/* ---- when something stands still ------------------------------------------------------------------------------------- */

static void a_leader_whose_loop_stood_still_hands_over(void **state) {
    (void)state;
    world_ask(world, fd, "CONFIG SET raft-stall-timeout 1000\r\n", "+OK\r\n");
    node_stalled(world->nodes[leader].node, 900 * 1000);
    world_ask(world, fd, "SET k 1\r\n", "+OK\r\n");
    node_stalled(world->nodes[leader].node, 1100 * 1000);
    turn_leader(2);
    say(fd, "SET k 2\r\n");
    assert_memory_equal(hear_line(fd), "-MOVED", 6);
}

static void with_a_limit_of_0_it_does_not(void **state) {
    (void)state;
    world_ask(world, fd, "CONFIG SET raft-stall-timeout 1000\r\n", "+OK\r\n");
    world_ask(world, fd, "CONFIG SET raft-stall-timeout 0\r\n", "+OK\r\n");
    node_stalled(world->nodes[leader].node, 60ull * 1000 * 1000);
    turn_leader(2);
    world_ask(world, fd, "SET k 2\r\n", "+OK\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(whoever_asks_is_answered_when_the_other_leads),
        TEST(a_pipeline_around_it_is_answered_in_order),
        TEST(it_begins_when_nothing_is_owed_to_its_asker),
        TEST(a_write_meanwhile_waits_and_is_sent_on),
        TEST(reads_go_on_meanwhile),
        TEST(a_failed_one_says_so_and_the_write_that_waited_is_done),
        TEST(a_second_one_meanwhile_is_refused),
        TEST(an_aborted_one_leaves_the_leader_where_it_was),
        TEST(a_failover_ends_at_its_own_timeout),
        TEST(an_asker_that_is_gone_is_not_missed),
        TEST(a_read_of_a_key_that_is_due_meanwhile_is_sent_on),
        TEST(a_leader_that_is_to_end_hands_over_and_sends_its_clients_on),
        TEST(a_follower_ends_at_once),
        TEST(a_leader_alone_does_not_wait_for_anybody),
        TEST(shutdown_now_hands_nothing_over),
        TEST(a_shutdown_can_be_taken_back),
        TEST(a_leader_whose_loop_stood_still_hands_over),
        TEST(with_a_limit_of_0_it_does_not),
    };
    return cmocka_run_group_tests_name("node: handover", tests, NULL, NULL);
}
