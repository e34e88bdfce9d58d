/* SPDX-License-Identifier: MIT */
/*
 * Three nodes in one process, of which some stand still while others go on: the order of one connection's commands holds across
 * turns, and a leader that stood still tells nothing that is no longer true.
 */
#include "node_world.h"

#include "../raft/internal.h"
#include "../src/node_state.h"

static struct world *world;
static size_t leader;
static int fd; /* a client of the leader */

static int begin(void **state) {
    (void)state;
    world = world_new(3);
    leader = world_leader(world);
    fd = world_dial(world, leader);
    return 0;
}

static int end(void **state) {
    (void)state;
    close(fd);
    world_free(world);
    return 0;
}

static void say(const char *text) {
    world_say(fd, text, strlen(text));
}

/* The followers take what the leader has sent, and their answers wait in its sockets. */
static void turn_followers(unsigned turns) {
    for (; turns > 0; turns--)
        for (size_t i = 0; i < world->count; i++)
            if (i != leader)
                world_turn(world, i);
}

static void a_pipeline_on_the_leader_is_answered_in_order(void **state) {
    (void)state;
    world_ask(world, fd, "GET k\r\nSET k 1\r\nGET k\r\nINCR k\r\nPING\r\nGET k\r\nDEL k\r\nEXISTS k\r\n",
              "$-1\r\n+OK\r\n$1\r\n1\r\n:2\r\n+PONG\r\n$1\r\n2\r\n:1\r\n:0\r\n");
}

/*
 * 1. a read is asked for: its round goes out;
 * 2. the same connection sends a read and a write: the write's entry goes out;
 * 3. the followers acknowledge both at once.
 * The first read must neither see the write nor be answered behind it.
 */
static void a_write_does_not_overtake_a_read_of_an_earlier_turn(void **state) {
    (void)state;
    world_ask(world, fd, "SET k old\r\n", "+OK\r\n");
    for (unsigned i = 0; i < 10; i++) {
        say("GET k\r\n");
        world_turns(world, leader, 3);
        say("GET k\r\nECHO between\r\nSET k new\r\nGET k\r\n");
        world_turns(world, leader, 10 * (i % 3));
        turn_followers(30);
        world_expect(world, fd, "$3\r\nold\r\n$3\r\nold\r\n$7\r\nbetween\r\n+OK\r\n$3\r\nnew\r\n");
        world_ask(world, fd, "SET k old\r\n", "+OK\r\n");
    }
}

/*
 * 1. a read is asked for, and its round is acknowledged;
 * 2. meanwhile its key has become due: it is to be asked again, beside an entry;
 * 3. the same connection's next read waits for a round of its own;
 * 4. the same connection writes, into that entry.
 * The read of step 3 comes before the write.
 */
static void a_write_does_not_overtake_a_read_behind_one_that_is_asked_again(void **state) {
    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        world_ask(world, fd, "SET t v PX 20\r\nSET k old\r\n", "+OK\r\n+OK\r\n");
        say("GET t\r\n");
        world_turns(world, leader, 3);
        turn_followers(30);
        usleep(20000);
        say("GET k\r\n");
        world_turns(world, leader, 1 + i % 3);
        say("ECHO between\r\nSET k new\r\nGET k\r\n");
        world_turns(world, leader, 5);
        turn_followers(30);
        world_expect(world, fd, "$-1\r\n$3\r\nold\r\n$7\r\nbetween\r\n+OK\r\n$3\r\nnew\r\n");
    }
}

static void reads_and_writes_of_many_turns_are_answered_in_order_when_the_followers_are_slow(void **state) {
    static char expected[WORLD_HEARD_MAX];
    size_t length = 0;
    uint64_t random_state = 77;
    (void)state;
    world_ask(world, fd, "SET n 0\r\n", "+OK\r\n");
    for (unsigned i = 0, n = 0; i < 300; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        bool write = (random_state >> 40) % 3 == 0;
        char number[16];
        snprintf(number, sizeof number, "%u", n);
        if (write)
            length += (size_t)snprintf(expected + length, sizeof expected - length, ":%u\r\n", ++n);
        else
            length += (size_t)snprintf(expected + length, sizeof expected - length, "$%zu\r\n%s\r\n",
                                       strlen(number), number);
        say(write ? "INCR n\r\n" : "GET n\r\n");
        if ((random_state >> 33) % 2)
            world_turns(world, leader, 1);
        if ((random_state >> 50) % 8 == 0)
            turn_followers(3);
    }
    world_expect(world, fd, expected);
}

/* The others elect and write while it sleeps; what it answers to a question that it finds on waking is never the old value. */
static void a_leader_that_stood_still_tells_no_old_value(void **state) {
    (void)state;
    world_ask(world, fd, "SET k old\r\n", "+OK\r\n");
    world_ask(world, fd, "GET k\r\n", "$3\r\nold\r\n");
    world->nodes[leader].asleep = true;
    size_t successor = world_leader(world);
    int other = world_dial(world, successor);
    world_ask(world, other, "SET k new\r\n", "+OK\r\n");
    say("GET k\r\n");
    world->nodes[leader].asleep = false;
    char reply[64];
    world_turns(world, leader, 5); /* alone at first */
    world_hear(world, fd, reply, 5);
    assert_string_equal(reply, "-MOVE");
    world_ask(world, other, "GET k\r\n", "$3\r\nnew\r\n");
    close(other);
}

static void expect_hold(unsigned ms) {
    uint64_t until = world_us(CLOCK_MONOTONIC) + 5000000;
    const struct raft *raft = world->nodes[leader].node->raft;
    while (raft->config.hold_ms != ms && world_us(CLOCK_MONOTONIC) < until)
        world_turn_all(world);
    assert_int_equal(raft->config.hold_ms, ms);
}

static void fsyncs_took(struct node *node, uint64_t us) {
    for (int i = 0; i < 10000; i++)
        latency_add(&node->fsync, node->now_ms, us);
}

static void entries_are_held_back_only_while_all_members_are_on_one_machine_with_a_quick_disk(void **state) {
    (void)state;
    struct node *node = world->nodes[leader].node;
    fsyncs_took(node, 100);
    expect_hold(20);
    node->peers[0].local = false;
    expect_hold(0);
    node->peers[0].local = true;
    world_ask(world, fd, "CONFIG SET raft-hold-time 10\r\n", "+OK\r\n");
    expect_hold(10);
    fsyncs_took(node, 1300);
    fsyncs_took(node, 1300);
    expect_hold(0);
    for (int i = 0; i < 4; i++)
        fsyncs_took(node, 1200);
    expect_hold(10);
    world_ask(world, fd, "CONFIG SET raft-hold-time 0\r\n", "+OK\r\n");
    expect_hold(0);
}

/* ---- after a start --------------------------------------------------------------------------------------------- */

/* One of the two that are turned leads; the other has voted for it, and has heard no more. */
static size_t elected_of(size_t first, size_t second) {
    const size_t both[2] = {first, second};
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000;
    while (world_us(CLOCK_MONOTONIC) < until_us)
        for (int i = 0; i < 2; i++) {
            world_turn(world, both[i]);
            if (world->nodes[both[i]].node->raft_status.role == RAFT_LEADER)
                return both[i];
        }
    fail_msg("neither leads");
    return 0;
}

/* What its checkpoint holds it knows to be committed, and what came after only once an entry of its own term is. */
static void a_leader_has_caught_up_when_it_knows_what_is_committed(void **state) {
    (void)state;
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000;
    world_ask(world, fd, "SET k in-the-checkpoint\r\n", "+OK\r\n");
    for (size_t i = 0; i < world->count; i++) {
        struct node *node = world->nodes[i].node;
        int admin = world_dial(world, i);
        world_ask(world, admin, "RAFT.SNAPSHOT\r\n", "+OK\r\n");
        close(admin);
        while (node->checkpoint.done_index == 0 && world_us(CLOCK_MONOTONIC) < until_us)
            world_turn_all(world);
        assert_true(node->checkpoint.done_index > 0);
    }
    world_ask(world, fd, "SET k after-it\r\n", "+OK\r\n");
    for (size_t i = 0; i < world->count; i++)
        world_restart(world, i);
    size_t elected = elected_of(0, 1);
    const struct node *node = world->nodes[elected].node;
    world_turns(world, elected, 20);
    assert_true(node->raft_status.commit > 0 && node->raft_status.applied == node->raft_status.commit);
    assert_true(node->raft_status.last_index > node->raft_status.commit);
    assert_false(node->caught_up);
    while (!node->caught_up && world_us(CLOCK_MONOTONIC) < until_us)
        world_turn_all(world);
    assert_true(node->caught_up);
}

/* ---- behind ---------------------------------------------------------------------------------------------------- */

/* A few bytes of log, and each entry is work for a millisecond or so. */
static void who_was_behind_applies_in_parts_and_its_loop_turns_between_them(void **state) {
    enum { ENTRIES = 40, AT_ONCE_MAX = ENTRIES / 3 };
    size_t behind = (leader + 1) % world->count;
    const struct raft_status *status = &world->nodes[behind].node->raft_status;
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000, most = 0;
    raft_index last, before;
    (void)state;
    world->nodes[behind].asleep = true;
    for (int i = 0; i < ENTRIES; i++)
        world_ask(world, fd, "EVAL 'for i = 1, 300000 do end return 1' 0\r\n", ":1\r\n");
    last = world->nodes[leader].node->raft_status.applied;
    assert_true(last >= status->applied + ENTRIES);
    world->nodes[behind].asleep = false;
    while (status->applied < last && world_us(CLOCK_MONOTONIC) < until_us) {
        before = status->applied;
        world_turn_all(world);
        if (status->applied - before > most)
            most = status->applied - before;
    }
    assert_true(status->applied >= last);
    assert_in_range(most, 1, AT_ONCE_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_pipeline_on_the_leader_is_answered_in_order),
        TEST(a_write_does_not_overtake_a_read_of_an_earlier_turn),
        TEST(a_write_does_not_overtake_a_read_behind_one_that_is_asked_again),
        TEST(reads_and_writes_of_many_turns_are_answered_in_order_when_the_followers_are_slow),
        TEST(a_leader_that_stood_still_tells_no_old_value),
        TEST(entries_are_held_back_only_while_all_members_are_on_one_machine_with_a_quick_disk),
        TEST(a_leader_has_caught_up_when_it_knows_what_is_committed),
        TEST(who_was_behind_applies_in_parts_and_its_loop_turns_between_them),
    };
    return cmocka_run_group_tests_name("node: cluster", tests, NULL, NULL);
}
