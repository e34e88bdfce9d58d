/* SPDX-License-Identifier: MIT */
/* RAFT.TRANSFER_LEADER, FAILOVER, SHUTDOWN and RAFT.CONSISTENCY as they are asked: what is refused, and what becomes a wish. */
#include "session_fixture.h"

/* Refused: nothing is wished. */
static void assert_refused(const char *command, const char *reply) {
    assert_reply(command, reply);
    assert_false(world.wishes.handover || world.wishes.handover_abort || world.wishes.shutdown);
}

/* Not answered yet: wished. */
static void assert_wish(const char *command, uint64_t to, uint64_t timeout_ms) {
    assert_reply(command, "");
    assert_true(world.wishes.handover);
    assert_int_equal(world.wishes.handover_to, to);
    assert_int_equal(world.wishes.handover_ms, timeout_ms);
}

static void a_transfer_is_wished_by_whoever_leads(void **state) {
    (void)state;
    assert_wish("RAFT.TRANSFER_LEADER", 0, 0);
    assert_wish("RAFT.TRANSFER_LEADER 2", 2, 0);
    assert_refused("RAFT.TRANSFER_LEADER 1", "-ERR node 1 leads already\r\n");
    assert_refused("RAFT.TRANSFER_LEADER 9", "-ERR there is no node 9\r\n");
    assert_refused("RAFT.TRANSFER_LEADER 0", "-ERR a node's id is a positive integer\r\n");
    assert_refused("RAFT.TRANSFER_LEADER x", "-ERR a node's id is a positive integer\r\n");
    assert_refused("RAFT.TRANSFER_LEADER 1 2",
                   "-ERR wrong number of arguments for 'raft.transfer_leader' command\r\n");
}

static void a_transfer_to_who_cannot_lead_is_refused(void **state) {
    (void)state;
    world.members[1].link = REPORT_LINK_DOWN;
    assert_refused("RAFT.TRANSFER_LEADER 2", "-ERR node 2 is not reachable\r\n");
    assert_wish("RAFT.TRANSFER_LEADER", 0, 0);
    world.members[2].voting = false;
    assert_refused("RAFT.TRANSFER_LEADER 3", "-ERR node 3 is no voter\r\n");
    assert_refused("RAFT.TRANSFER_LEADER", "-ERR no other voter is reachable\r\n");
    world.members[2].voting = true;
    world.members[2].last_contact_ms = 100000; /* its process stands still */
    assert_refused("RAFT.TRANSFER_LEADER 3", "-ERR node 3 is not reachable\r\n");
    assert_refused("FAILOVER", "-ERR FAILOVER requires connected replicas.\r\n");
}

static void who_does_not_lead_says_who_does(void **state) {
    (void)state;
    world.report.role = REPORT_FOLLOWER;
    world.report.leader_id = 2;
    assert_refused("RAFT.TRANSFER_LEADER", "-MOVED 0 127.0.0.1:7102\r\n");
    assert_refused("RAFT.TRANSFER_LEADER 3", "-MOVED 0 127.0.0.1:7102\r\n");
    assert_refused("FAILOVER", "-ERR FAILOVER is not valid when server is a replica.\r\n");
    world.report.leader_id = 0;
    assert_refused("RAFT.TRANSFER_LEADER", "-CLUSTERDOWN there is no leader to hand over; not executed\r\n");
}

/* The replies were taken from Redis 7.0, where it has the case. */
static void failover_is_understood_and_refused_in_redis_words(void **state) {
    (void)state;
    assert_wish("FAILOVER", 0, 0);
    assert_wish("FAILOVER TO 127.0.0.1 7103", 3, 0);
    assert_wish("FAILOVER TO 127.0.0.1 7203", 3, 0); /* as its peers call it */
    assert_wish("failover timeout 250 to 127.0.0.1 7102", 2, 250);
    assert_refused("FAILOVER TO h", "-ERR syntax error\r\n");
    assert_refused("FAILOVER TO h x", "-ERR value is not an integer or out of range\r\n");
    assert_refused("FAILOVER TIMEOUT 0", "-ERR FAILOVER timeout must be greater than 0\r\n");
    assert_refused("FAILOVER TIMEOUT a", "-ERR value is not an integer or out of range\r\n");
    assert_refused("FAILOVER TIMEOUT", "-ERR syntax error\r\n");
    assert_refused("FAILOVER TIMEOUT 5 TIMEOUT 6", "-ERR syntax error\r\n");
    assert_refused("FAILOVER TO h 1 TO h 2", "-ERR syntax error\r\n");
    assert_refused("FAILOVER ABORT TIMEOUT 3", "-ERR syntax error\r\n");
    assert_refused("FAILOVER BOGUS", "-ERR syntax error\r\n");
    assert_refused("FAILOVER ABORT", "-ERR No failover in progress.\r\n");
    assert_refused("FAILOVER TO 127.0.0.1 9999", "-ERR FAILOVER target HOST and PORT is not a replica.\r\n");
    assert_refused("FAILOVER TO 127.0.0.1 7101", "-ERR FAILOVER target HOST and PORT is not a replica.\r\n");
    assert_refused("FAILOVER FORCE", "-ERR FAILOVER with force option requires both a timeout and target "
                                     "HOST and IP.\r\n");
    assert_refused("FAILOVER TO 127.0.0.1 7102 FORCE TIMEOUT 5",
                   "-ERR FAILOVER cannot FORCE: a node that lacks acknowledged writes is never elected\r\n");
    world.members[1].link = REPORT_LINK_DOWN;
    assert_refused("FAILOVER TO 127.0.0.1 7102", "-ERR FAILOVER target replica is not online.\r\n");
}

static void one_hand_over_at_a_time_and_it_can_be_aborted(void **state) {
    (void)state;
    world.report.handing_over = true;
    assert_refused("RAFT.TRANSFER_LEADER 2", "-ERR the leadership is being handed over already\r\n");
    assert_refused("FAILOVER", "-ERR FAILOVER already in progress.\r\n");
    assert_reply("FAILOVER ABORT", "+OK\r\n");
    assert_true(world.wishes.handover_abort);
}

static void shutdown_hands_over_unless_told_now_and_can_be_taken_back_until_another_leads(void **state) {
    (void)state;
    assert_reply("SHUTDOWN", "");
    assert_true(world.wishes.shutdown && !world.wishes.shutdown_now);
    assert_reply("SHUTDOWN NOSAVE FORCE", "");
    assert_true(world.wishes.shutdown && !world.wishes.shutdown_now);
    assert_reply("SHUTDOWN SAVE NOW", "");
    assert_true(world.wishes.shutdown && world.wishes.shutdown_now);
    assert_refused("SHUTDOWN ABORT NOW", "-ERR syntax error\r\n");
    assert_refused("SHUTDOWN ABORT", "-ERR No shutdown in progress.\r\n");
    world.report.stop = REPORT_LEAVING;
    assert_reply("SHUTDOWN ABORT", "+OK\r\n");
    assert_true(world.wishes.shutdown_abort);
    world.report.stop = REPORT_STOPPING;
    assert_reply("SHUTDOWN ABORT", "-ERR Too late to abort: another node leads and this one ends.\r\n");
    assert_false(world.wishes.shutdown_abort);
}

static void a_connection_chooses_what_its_reads_stand_on(void **state) {
    static const char *const levels[] = {"default", "LINEARIZABLE", "lease", "Stale"};
    char line[64];
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        snprintf(line, sizeof line, "RAFT.CONSISTENCY %s", levels[i]);
        assert_reply(line, "+OK\r\n");
        assert_int_equal(world.session.consistency, i);
    }
    assert_reply("RAFT.CONSISTENCY eventual", "-ERR RAFT.CONSISTENCY must be one of the following: "
                                              "linearizable, lease, stale, default\r\n");
    assert_int_equal(world.session.consistency, 3);
    assert_reply("RESET", "+RESET\r\n");
    assert_int_equal(world.session.consistency, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_transfer_is_wished_by_whoever_leads),
        TEST(a_transfer_to_who_cannot_lead_is_refused),
        TEST(who_does_not_lead_says_who_does),
        TEST(failover_is_understood_and_refused_in_redis_words),
        TEST(one_hand_over_at_a_time_and_it_can_be_aborted),
        TEST(shutdown_hands_over_unless_told_now_and_can_be_taken_back_until_another_leads),
        TEST(a_connection_chooses_what_its_reads_stand_on),
    };
    return cmocka_run_group_tests_name("handover commands", tests, NULL, NULL);
}
