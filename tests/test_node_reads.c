/* SPDX-License-Identifier: MIT */
/*
 * What reads stand on: a round, a lease, nothing. Three nodes in one process, some of which stand still; and a clock of the test's
 * own, which can jump between two looks at it as it does for a process that is stopped in between.
 */
#include <sys/stat.h>

#include "../src/node_state.h"
#include "../src/patience.h"
#include "node_world.h"

/* In the place of src/instant.c. The log's threads look, too, whenever a write has ended: only the loop's looks count. */
static _Thread_local uint64_t jump_us; /* what the fresh clock is ahead of the turns', once it has jumped */
static _Thread_local unsigned jump_in; /* looks until then; 0: now */
static _Thread_local const uint64_t
    *jump_after; /* or once this has changed: a turn may look for reasons of its own */
static _Thread_local uint64_t jump_from;

static bool has_jumped(void) {
    if (jump_after)
        return *jump_after != jump_from;
    return jump_in == 0 || --jump_in == 0;
}

uint64_t instant_mono_us(void) {
    return world_us(CLOCK_BOOTTIME) + (has_jumped() ? jump_us : 0);
}

struct instant instant_now(void) {
    return (struct instant){.mono_us = world_us(CLOCK_BOOTTIME), .wall_us = world_us(CLOCK_REALTIME)};
}

uint64_t instant_cpu_us(void) {
    return world_us(CLOCK_THREAD_CPUTIME_ID);
}

enum { ELECTION_MS = 600 };

static struct world *world;
static size_t leader;
static int fd; /* a client of the leader */

/* Time enough for heartbeats, and for a lease if there can be one. */
static void turn_a_while(void) {
    for (unsigned i = 0; i < 50; i++)
        world_turn_all(world);
}

/* The leader has a lease: all members have told it what they promise, and a majority has heard it. */
static void await_lease(void) {
    static char text[WORLD_HEARD_MAX];
    const char *field = "";
    for (unsigned tries = 0; tries < 1000 && atoi(field) < ELECTION_MS / 2; tries++) {
        world_say(fd, "RAFT.INFO\r\n", 11);
        size_t length = 0;
        while (length == 0 || text[length - 1] != '\n')
            length += world_hear(world, fd, text + length, 1);
        world_hear(world, fd, text, (size_t)atoi(text + 1) + 2);
        field = strstr(text, "\nlease_remaining_ms:");
        assert_non_null(field);
        field += strlen("\nlease_remaining_ms:");
    }
    assert_true(atoi(field) > 0);
}

static void begin_as(const char *first, const char *second, const char *third) {
    const char *const extra[] = {first, second, third};
    jump_us = jump_in = 0;
    jump_after = NULL;
    world = world_new_as(3, extra);
    leader = world_leader(world);
    fd = world_dial(world, leader);
    world_ask(world, fd, "SET k 1\r\n", "+OK\r\n");
}

static int begin_lease(void **state) {
    static const char lease[] = "raft-read-consistency lease\n";
    (void)state;
    begin_as(lease, lease, lease);
    await_lease();
    return 0;
}

static int begin(void **state) {
    (void)state;
    begin_as("", "", "");
    return 0;
}

static int end(void **state) {
    (void)state;
    close(fd);
    world_free(world);
    return 0;
}

static void say(int to, const char *text) {
    world_say(to, text, strlen(text));
}

static void others_sleep(bool asleep) {
    for (size_t i = 0; i < world->count; i++)
        if (i != leader)
            world->nodes[i].asleep = asleep;
}

/* ---- on a lease ---------------------------------------------------------------------------------------------------- */

static void a_read_on_a_lease_needs_nobody(void **state) {
    (void)state;
    others_sleep(true);
    world_ask(world, fd, "GET k\r\nDBSIZE\r\n", "$1\r\n1\r\n:1\r\n");
}

static void a_read_that_asks_for_a_round_waits_for_the_others(void **state) {
    (void)state;
    others_sleep(true);
    say(fd, "GET k\r\nRAFT.CONSISTENCY linearizable\r\nGET k\r\n");
    world_expect(world, fd, "$1\r\n1\r\n+OK\r\n"); /* this far on the lease */
    world_expect_silence(world, fd);
    others_sleep(false);
    world_expect(world, fd, "$1\r\n1\r\n");
}

static void without_the_promise_of_one_member_there_is_no_lease(void **state) {
    (void)state;
    begin_as("raft-leases yes\n", "raft-leases yes\n", "");
    world_ask(world, fd, "RAFT.CONSISTENCY lease\r\nGET k\r\n", "+OK\r\n$1\r\n1\r\n");
    turn_a_while();
    others_sleep(true);
    say(fd, "GET k\r\n");
    world_expect_silence(world, fd);
    others_sleep(false);
    world_expect(world, fd, "$1\r\n1\r\n");
    end(NULL);
}

/* Node 1 is elected first: it waits for a shorter time, and its lease is as short. Node 2 would count on more than node 1 promises. */
static void a_promise_shorter_than_the_leaders_timeout_is_none(void **state) {
    static const char patient[] = "raft-leases yes\nraft-election-timeout 1500\n";
    (void)state;
    begin_as("raft-leases yes\n", patient, patient);
    if (leader != 0) {
        world_ask(world, fd, "RAFT.TRANSFER_LEADER 1\r\n", "+OK\r\n");
        close(fd);
        fd = world_dial(world, leader = 0);
    }
    await_lease();
    others_sleep(true);
    world_ask(world, fd, "RAFT.CONSISTENCY lease\r\nGET k\r\n", "+OK\r\n$1\r\n1\r\n");
    others_sleep(false);
    world_ask(world, fd, "RAFT.TRANSFER_LEADER 2\r\n", "+OK\r\n");
    close(fd);
    leader = 1;
    fd = world_dial(world, leader);
    world_ask(world, fd, "RAFT.CONSISTENCY lease\r\nGET k\r\n", "+OK\r\n$1\r\n1\r\n");
    turn_a_while();
    others_sleep(true);
    say(fd, "GET k\r\n");
    world_expect_silence(world, fd);
    end(NULL);
}

/* The process is held up for longer than the lease: before it is asked for, or after the read was executed. */
static void a_clock_that_has_passed_the_end_of_the_lease_tells_nothing(void **state) {
    (void)state;
    others_sleep(true);
    jump_us = ELECTION_MS * 1000;
    jump_in = (unsigned)(uintptr_t)*state;
    say(fd, "GET k\r\n");
    world_expect_silence(world, fd);
}

static int begin_jump_before(void **state) {
    begin_lease(state);
    *state = (void *)1;
    return 0;
}

static int begin_jump_after(void **state) {
    begin_lease(state);
    *state = (void *)2;
    return 0;
}

/* Of two reads the first is told, then the lease ends: the second asks the others, and comes behind the first. */
static void a_lease_that_ends_between_two_reads_loses_neither(void **state) {
    (void)state;
    others_sleep(true);
    jump_us = ELECTION_MS * 1000;
    jump_after = &world->nodes[leader].node->statistics.lease_reads;
    jump_from = *jump_after;
    say(fd, "GET k\r\nDBSIZE\r\nPING\r\n");
    world_expect(world, fd, "$1\r\n1\r\n");
    world_expect_silence(world, fd);
    jump_us = 0;
    others_sleep(false);
    world_expect(world, fd, ":1\r\n+PONG\r\n");
}

/* It reads on its lease, stands still; the others elect and write; it wakes with a question in its socket. */
static void a_leader_that_stood_still_tells_no_old_value(void **state) {
    char reply[16];
    (void)state;
    world_ask(world, fd, "GET k\r\n", "$1\r\n1\r\n");
    world->nodes[leader].asleep = true;
    size_t successor = world_leader(world);
    int there = world_dial(world, successor);
    world_ask(world, there, "SET k 2\r\n", "+OK\r\n");
    say(fd, "GET k\r\n");
    world->nodes[leader].asleep = false;
    world_turns(world, leader, 5); /* alone at first */
    world_hear(world, fd, reply, 5);
    assert_string_equal(reply, "-MOVE");
    close(there);
}

/* Whoever was told to stand goes past everybody's patience. */
static void a_leader_that_hands_over_has_no_lease(void **state) {
    (void)state;
    int asker = world_dial(world, leader);
    others_sleep(true);
    say(asker, "RAFT.TRANSFER_LEADER\r\n");
    world_turns(world, leader, 5);
    say(fd, "GET k\r\n");
    world_expect_silence(world, fd);
    close(asker);
}

/* ---- on nothing ---------------------------------------------------------------------------------------------------- */

static void a_stale_read_is_answered_from_what_is_here(void **state) {
    (void)state;
    others_sleep(true);
    world_ask(world, fd, "RAFT.CONSISTENCY stale\r\nGET k\r\n", "+OK\r\n$1\r\n1\r\n");
}

static void a_stale_reader_sees_what_it_wrote_itself(void **state) {
    (void)state;
    world_ask(world, fd, "RAFT.CONSISTENCY stale\r\nSET k 2\r\nGET k\r\nINCR k\r\nGET k\r\n",
              "+OK\r\n+OK\r\n$1\r\n2\r\n:3\r\n$1\r\n3\r\n");
}

static void a_follower_answers_a_stale_reader_after_readonly_alone(void **state) {
    char moved[64];
    (void)state;
    snprintf(moved, sizeof moved, "+OK\r\n-MOVED 7629 127.0.0.1:%u\r\n", world->nodes[leader].port);
    turn_a_while(); /* it learns of the commit with the next heartbeat */
    int there = world_dial(world, (leader + 1) % 3);
    world_ask(world, there, "RAFT.CONSISTENCY stale\r\nGET k\r\n", moved);
    world_ask(world, there, "READONLY\r\nGET k\r\n", "+OK\r\n$1\r\n1\r\n");
    close(there);
}

/* ---- all of them --------------------------------------------------------------------------------------------------- */

static void levels_may_change_within_a_pipeline_and_order_holds(void **state) {
    static const char said[] =
        "GET k\r\nRAFT.CONSISTENCY lease\r\nGET k\r\nSET k 2\r\nGET k\r\n"
        "RAFT.CONSISTENCY stale\r\nGET k\r\nINCR k\r\nGET k\r\nRAFT.CONSISTENCY lease\r\n"
        "GET k\r\nPING\r\nRAFT.CONSISTENCY linearizable\r\nGET k\r\nGET k\r\n"
        "RAFT.CONSISTENCY default\r\nGET k\r\nSET k 1\r\n";
    static const char heard[] = "$1\r\n1\r\n+OK\r\n$1\r\n1\r\n+OK\r\n$1\r\n2\r\n"
                                "+OK\r\n$1\r\n2\r\n:3\r\n$1\r\n3\r\n+OK\r\n"
                                "$1\r\n3\r\n+PONG\r\n+OK\r\n$1\r\n3\r\n$1\r\n3\r\n+OK\r\n$1\r\n3\r\n+OK\r\n";
    (void)state;
    for (size_t cut = 1; cut < sizeof said - 1; cut += 7) {
        world_say(fd, said, cut);
        world_turns(world, leader, (unsigned)(cut % 3));
        world_say(fd, said + cut, sizeof said - 1 - cut);
        world_expect(world, fd, heard);
    }
}

/* What it asked for in one round is stalled and taken while what it asked for in the next one still waits. */
static void replies_that_were_stalled_keep_their_place_before_later_rounds(void **state) {
    enum { BIG = 700 * 1000, ASKED = 300, TAKES = 256 * 1024 };
    static char big[BIG], heard[TAKES];
    size_t sent = 0, due = 0, taken = 0;
    uint64_t seed = 7;
    char head[32];
    (void)state;
    memset(big, 'b', sizeof big);
    say(fd, "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$700000\r\n");
    for (size_t at = 0; at < sizeof big;) {
        ssize_t more = send(fd, big + at, sizeof big - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        at += more > 0 ? (size_t)more : 0;
        world_turn_all(world);
    }
    world_ask(world, fd, "\r\n", "+OK\r\n");
    due = (size_t)snprintf(head, sizeof head, "$%d\r\n", BIG) + BIG + 2;
    for (unsigned turns = 0; taken < ASKED * due && turns < 1000000; turns++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned draw = (unsigned)(seed >> 33);
        if (sent < ASKED && draw % 3 != 0)
            say(fd, "GET big\r\n"), sent++;
        if (draw / 3 % 4 != 0)
            world_turn(world, leader);
        else
            world_turn_all(world);
        for (unsigned i = 0; i < draw / 12 % 8; i++) {
            ssize_t more = recv(fd, heard, sizeof heard, MSG_DONTWAIT);
            taken += more > 0 ? (size_t)more : 0;
        }
    }
    assert_int_equal(taken, ASKED * due);
    world_ask(world, fd, "PING\r\n", "+PONG\r\n");
}

static void the_level_of_all_can_be_changed_while_it_runs(void **state) {
    (void)state;
    world_ask(world, fd, "CONFIG SET raft-read-consistency stale\r\n", "+OK\r\n");
    others_sleep(true);
    world_ask(world, fd, "GET k\r\n", "$1\r\n1\r\n");
    world_ask(world, fd, "CONFIG SET raft-read-consistency linearizable\r\n", "+OK\r\n");
    say(fd, "GET k\r\n");
    world_expect_silence(world, fd);
}

/* ---- the promise, across restarts ------------------------------------------------------------------------------------ */

static void a_promise_is_raised_and_never_lowered(void **state) {
    char dir[] = "/tmp/redraft-patience-XXXXXX", path[64], why[PATIENCE_WHY_MAX];
    uint32_t promised_ms = 7;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/patience", dir);
    assert_true(patience_open(dir, 0, &promised_ms, why));
    assert_int_equal(promised_ms, 0);
    assert_int_equal(access(path, F_OK), -1); /* nothing is promised, nothing is written */
    assert_true(patience_open(dir, 600, &promised_ms, why));
    assert_int_equal(promised_ms, 0);
    assert_true(patience_open(dir, 300, &promised_ms, why));
    assert_int_equal(promised_ms, 600);
    assert_true(patience_open(dir, 0, &promised_ms, why));
    assert_int_equal(promised_ms, 600);
    assert_int_equal(truncate(path, 0), 0);
    assert_false(patience_open(dir, 0, &promised_ms, why));
    assert_non_null(strstr(why, "patience is damaged"));
    unlink(path);
    assert_int_equal(chmod(dir, 0500), 0);
    if (geteuid() != 0)
        assert_false(patience_open(dir, 600, &promised_ms, why));
    chmod(dir, 0700);
    world_remove(dir);
}

static void restart(size_t at) {
    struct world_node *node = &world->nodes[at];
    node_free(node->node);
    char path[160];
    snprintf(path, sizeof path, "%s/patience", node->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("1500\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    struct instant now = world_now(world);
    node->node = node_new(node->loop, &node->conf, NULL, &now);
    assert_non_null(node->node);
}

/* Two of the three are started again, without leases now, and could elect one of themselves. But an earlier run has promised
 * the third, which they can't hear, to wait. */
static void what_an_earlier_run_promised_is_kept_whatever_the_configuration_says(void **state) {
    (void)state;
    world->nodes[leader].asleep = true;
    size_t first = (leader + 1) % 3, second = (leader + 2) % 3;
    uint64_t begun_us = world_us(CLOCK_BOOTTIME);
    restart(first);
    restart(second);
    size_t successor = world_leader(world);
    assert_true(successor == first || successor == second);
    assert_true(world_us(CLOCK_BOOTTIME) - begun_us >= 1500 * 1000);
}

/* One is started again, and another, which no longer hears the leader either, asks it for its vote. */
static void who_was_started_again_gives_no_vote_before_its_promise_has_ended(void **state) {
    (void)state;
    world->nodes[leader].asleep = true;
    uint64_t begun_us = world_us(CLOCK_BOOTTIME);
    restart((leader + 1) % 3);
    assert_int_not_equal(world_leader(world), leader);
    assert_true(world_us(CLOCK_BOOTTIME) - begun_us >= 1500 * 1000);
}

#define TEST(name)  cmocka_unit_test_setup_teardown(name, begin, end)
#define LEASE(name) cmocka_unit_test_setup_teardown(name, begin_lease, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        LEASE(a_read_on_a_lease_needs_nobody),
        LEASE(a_read_that_asks_for_a_round_waits_for_the_others),
        cmocka_unit_test(without_the_promise_of_one_member_there_is_no_lease),
        cmocka_unit_test(a_promise_shorter_than_the_leaders_timeout_is_none),
        cmocka_unit_test_setup_teardown(a_clock_that_has_passed_the_end_of_the_lease_tells_nothing,
                                        begin_jump_before, end),
        cmocka_unit_test_setup_teardown(a_clock_that_has_passed_the_end_of_the_lease_tells_nothing,
                                        begin_jump_after, end),
        LEASE(a_lease_that_ends_between_two_reads_loses_neither),
        LEASE(a_leader_that_stood_still_tells_no_old_value),
        LEASE(a_leader_that_hands_over_has_no_lease),
        TEST(a_stale_read_is_answered_from_what_is_here),
        TEST(a_stale_reader_sees_what_it_wrote_itself),
        TEST(a_follower_answers_a_stale_reader_after_readonly_alone),
        LEASE(levels_may_change_within_a_pipeline_and_order_holds),
        TEST(replies_that_were_stalled_keep_their_place_before_later_rounds),
        TEST(the_level_of_all_can_be_changed_while_it_runs),
        cmocka_unit_test(a_promise_is_raised_and_never_lowered),
        TEST(what_an_earlier_run_promised_is_kept_whatever_the_configuration_says),
        TEST(who_was_started_again_gives_no_vote_before_its_promise_has_ended),
    };
    return cmocka_run_group_tests_name("node: reads", tests, NULL, NULL);
}
