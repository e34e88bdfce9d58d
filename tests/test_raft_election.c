/* SPDX-License-Identifier: MIT */
/*
 * Campaigns: what a candidate repeats, and to whom.
 */
#include "raft_lone.h"

static struct lone lone;

static void stand_for_pre_vote(size_t voters) {
    lone_open(&lone, (struct lone_start){.voters = voters, .term = 4, .log = "1"});
    lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
    lone_collect(&lone);
    assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE);
    lone_forget(&lone);
}

static void a_pre_candidate_asks_again_with_each_heartbeats_time(void **state) {
    (void)state;
    stand_for_pre_vote(3);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(raft_deadline(lone.raft), lone.now_ms + LONE_HEARTBEAT_MS);
        lone_wait(&lone, LONE_HEARTBEAT_MS - 1);
        lone_collect(&lone);
        assert_int_equal(lone.sent_count, 0);
        lone_wait(&lone, 1);
        lone_collect(&lone);
        assert_int_equal(lone_count(&lone, RAFT_PRE_VOTE, 2), 1);
        assert_int_equal(lone_count(&lone, RAFT_PRE_VOTE, 3), 1);
        assert_int_equal(lone.sent[0].term, 5);
        lone_forget(&lone);
    }
    lone_close(&lone);
}

/* When that voter would stand, after a start with this wait. */
static uint64_t first_wait(raft_id self, uint32_t start_wait_ms, size_t voters, bool leases, uint64_t seed) {
    lone_open(&lone, (struct lone_start){
                         .voters = voters,
                         .term = 4,
                         .log = "1",
                         .seed = seed,
                         .config = {.self = self, .start_wait_ms = start_wait_ms, .leases = leases}});
    uint64_t wait_ms = raft_deadline(lone.raft) - lone.now_ms;
    lone_close(&lone);
    return wait_ms;
}

static void after_a_start_voters_stand_soon_and_in_turn_unless_a_promise_forbids_it(void **state) {
    (void)state;
    uint32_t wait_ms = LONE_TIMEOUT_MS / 4;
    for (uint64_t seed = 1; seed < 100; seed++) {
        for (raft_id self = 1; self <= 3; self++) {
            uint64_t from_ms = wait_ms / 4 + (self - 1) * wait_ms / 3;
            assert_in_range(first_wait(self, wait_ms, 3, false, seed), from_ms, from_ms + wait_ms / 6);
        }
        assert_true(first_wait(1, wait_ms, 3, true, seed) >= LONE_TIMEOUT_MS);
        assert_true(first_wait(1, LONE_TIMEOUT_MS, 3, false, seed) >= LONE_TIMEOUT_MS);
        assert_true(first_wait(1, 0, 3, false, seed) >= LONE_TIMEOUT_MS);
        assert_int_equal(first_wait(1, wait_ms, 1, false, seed), 0);
    }
}

static void who_has_said_yes_is_not_asked_again(void **state) {
    (void)state;
    stand_for_pre_vote(5);
    lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 3, .term = 5});
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 3);
    assert_int_equal(lone_count(&lone, RAFT_PRE_VOTE, 3), 0);
    lone_close(&lone);
}

static void a_candidate_asks_again_once_its_own_vote_is_durable(void **state) {
    (void)state;
    stand_for_pre_vote(5);
    lone_stand(&lone);
    lone_collect(&lone);
    lone_forget(&lone);
    lone_wait(&lone, 3 * LONE_HEARTBEAT_MS);
    lone_collect(&lone);
    assert_int_equal(lone.sent_count + lone.promised_count, 0);
    raft_saved(lone.raft, lone.now_ms, lone.sequence);
    lone_step(&lone, (struct raft_message){.type = RAFT_VOTE_REPLY, .from = 2, .term = 5});
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 3);
    assert_int_equal(lone.promised_count, 0);
    assert_int_equal(lone.sent[0].type, RAFT_VOTE);
    assert_int_equal(lone.sent[0].term, 5);
    lone_close(&lone);
}

static void asking_again_does_not_put_off_the_next_attempt(void **state) {
    (void)state;
    stand_for_pre_vote(3);
    lone_stand(&lone);
    lone_settle(&lone);
    uint64_t begun = lone.now_ms;
    while (lone_role(&lone) == RAFT_CANDIDATE)
        lone_wait(&lone, LONE_HEARTBEAT_MS / 2);
    assert_in_range(lone.now_ms - begun, LONE_TIMEOUT_MS, LONE_TIMEOUT_MS * 3 / 2 + LONE_HEARTBEAT_MS / 2);
    lone_close(&lone);
}

static void a_follower_asks_nobody(void **state) {
    (void)state;
    stand_for_pre_vote(3);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 4, .index = 1, .log_term = 1}, "");
    lone_collect(&lone);
    lone_forget(&lone);
    lone_wait(&lone, 3 * LONE_HEARTBEAT_MS);
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 0);
    assert_true(raft_deadline(lone.raft) > lone.now_ms);
    lone_close(&lone);
}

static void a_leader_that_yields_to_a_newer_term_says_to_whom(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .term = 4, .log = "1"});
    lone_lead(&lone);
    lone_forget(&lone);
    lone_append(&lone, (struct raft_message){.from = 3, .term = 7, .index = 1, .log_term = 1}, "");
    lone_collect(&lone);
    assert_string_equal(lone.trace, "stepping down from term 5: 3 is in term 7\nfollowing 3 in term 7\n");
    lone_close(&lone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pre_candidate_asks_again_with_each_heartbeats_time),
        cmocka_unit_test(after_a_start_voters_stand_soon_and_in_turn_unless_a_promise_forbids_it),
        cmocka_unit_test(who_has_said_yes_is_not_asked_again),
        cmocka_unit_test(a_candidate_asks_again_once_its_own_vote_is_durable),
        cmocka_unit_test(asking_again_does_not_put_off_the_next_attempt),
        cmocka_unit_test(a_follower_asks_nobody),
        cmocka_unit_test(a_leader_that_yields_to_a_newer_term_says_to_whom),
    };
    return cmocka_run_group_tests_name("raft_election", tests, NULL, NULL);
}
