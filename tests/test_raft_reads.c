/* SPDX-License-Identifier: MIT */
/* Linearizable reads: rounds, who is asked, what confirms them, on the leader's side and the follower's. */
#include "raft_lone.h"

static struct lone lone;

static void round_reply(raft_id from, uint64_t round) {
    lone_step(&lone,
              (struct raft_message){
                  .type = RAFT_ROUND_REPLY, .from = from, .term = lone_status(&lone).term, .round = round});
}

/* ---- reads ----------------------------------------------------------------------------------------------- */

static void a_read_is_answered_when_a_majority_has_heard_a_round_begun_after_it(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    assert_int_equal(raft_read(lone.raft, 77), RAFT_OK);
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 0);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->round, 1);
    round_reply(2, 1);
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 1);
    assert_int_equal(lone.reads[0].token, 77);
    assert_int_equal(lone.reads[0].index, 1);
    lone_close(&lone);
}

static void a_late_answer_to_an_older_round_confirms_nothing_newer(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    raft_read(lone.raft, 1);
    lone_settle(&lone);
    raft_read(lone.raft, 2); /* after round 1 had gone out */
    lone_settle(&lone);
    raft_read(lone.raft, 3); /* not in a round yet */
    round_reply(2, 1);
    lone_collect(&lone);
    assert_int_equal(lone.read_count, 1);
    assert_int_equal(lone.reads[0].token, 1);
    round_reply(2, 2);
    lone_collect(&lone);
    assert_int_equal(lone.read_count, 2);
    assert_int_equal(lone.reads[1].token, 2);
    lone_ack(&lone, 2, 1); /* an answer without a round */
    lone_collect(&lone);
    assert_int_equal(lone.read_count, 2);
    lone_close(&lone);
}

static void an_answer_of_another_term_confirms_nothing(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    raft_read(lone.raft, 1);
    lone_settle(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_ROUND_REPLY, .from = 2, .term = 0, .round = 1});
    lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 2, .term = 1, .round = 1});
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 0);
    lone_close(&lone);
}

static void no_more_are_asked_for_a_round_than_a_majority_needs(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    raft_read(lone.raft, 1);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 1);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 3), 0);
    lone_propose(&lone, "x"); /* the next round rides on it, to both */
    raft_read(lone.raft, 2);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 2);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 3), 1);
    lone_close(&lone);
}

static void a_late_round_is_asked_of_all_and_who_answered_is_asked_first_from_then_on(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    raft_read(lone.raft, 1);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 3), 0);
    assert_true(raft_deadline(lone.raft) <= lone.now_ms + LONE_HEARTBEAT_MS / 10 + 1);
    lone_wait(&lone, LONE_HEARTBEAT_MS / 10 + 1);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 1);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 3), 1);
    raft_read(lone.raft, 2); /* 2 has not said anything yet */
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 2);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 3), 2);
    round_reply(3, 2);
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 2);
    raft_read(lone.raft, 3);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 2);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 3), 3);
    lone_close(&lone);
}

static void another_is_asked_at_once_when_the_one_that_was_asked_is_lost_from_sight(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    raft_read(lone.raft, 1);
    lone_settle(&lone);
    raft_unreachable(lone.raft, 2);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->round, 1);
    round_reply(3, 1);
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 1);
    lone_close(&lone);
}

static void all_reads_between_two_readies_share_a_round(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    for (uint64_t token = 0; token < 50; token++)
        raft_read(lone.raft, token);
    lone_settle(&lone);
    assert_int_equal(lone.sent_count, 1);
    round_reply(2, 1);
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 50);
    for (size_t i = 0; i < 50; i++)
        assert_int_equal(lone.reads[i].token, i);
    lone_close(&lone);
}

static void on_one_machine_what_comes_during_a_round_shares_the_next(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){.hold_ms = 5});
    raft_read(lone.raft, 1);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->round, 1);
    for (uint64_t token = 2; token < 5; token++) {
        raft_read(lone.raft, token);
        lone_settle(&lone);
        assert_int_equal(lone.sent_count, 1);
    }
    round_reply(2, 1);
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 1);
    assert_int_equal(lone.sent_count, 2);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->round, 2);
    raft_hold(lone.raft, 0);
    raft_read(lone.raft, 5); /* elsewhere it goes at once */
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->round, 3);
    round_reply(2, 2);
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 4);
    round_reply(2, 3);
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 5);
    lone_close(&lone);
}

static void a_round_rides_on_appends_that_go_out_anyway(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    lone_propose(&lone, "x");
    raft_read(lone.raft, 1);
    lone_settle(&lone);
    assert_int_equal(lone.sent_count, 2);
    assert_int_equal(lone.sent[0].entries.count, 1);
    assert_int_equal(lone.sent[0].round, 1);
    lone_step(&lone,
              (struct raft_message){.type = RAFT_APPEND_REPLY, .from = 2, .term = 1, .index = 2, .round = 1});
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 1); /* the append's own answer counts too */
    assert_int_equal(lone.reads[0].index, 1);
    lone_close(&lone);
}

static void without_reads_no_round_begins(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    for (int i = 0; i < 5; i++) {
        lone_propose(&lone, "x");
        lone_settle(&lone);
        lone_ack(&lone, 2, 2 + i);
    }
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->round, 0);
    lone_close(&lone);
}

static void a_read_before_the_no_op_is_committed_waits_for_it_and_sees_it(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1 1"});
    lone_lead(&lone);
    raft_read(lone.raft, 1);
    lone_settle(&lone);
    lone_step(&lone, (struct raft_message){
                         .type = RAFT_APPEND_REPLY, .from = 2, .term = 2, .index = 2}); /* the probe */
    lone_settle(&lone);
    round_reply(2, 1);
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 0);
    lone_ack(&lone, 2, 3);
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 1);
    assert_int_equal(lone.reads[0].index, 3);
    lone_close(&lone);
}

static void a_refused_append_confirms_a_round_as_well(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    raft_read(lone.raft, 1);
    lone_settle(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 2,
                                           .term = 1,
                                           .rejected = true,
                                           .rejected_index = 1,
                                           .round = 1});
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 1);
    lone_close(&lone);
}

static void reads_are_forgotten_with_the_leadership(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    raft_read(lone.raft, 1);
    lone_settle(&lone);
    raft_read(lone.raft, 2);
    lone_append(&lone, (struct raft_message){.from = 3, .term = 2, .index = 1, .log_term = 1}, "2");
    assert_int_equal(raft_read(lone.raft, 3), RAFT_NOT_LEADER);
    lone_settle(&lone);
    lone_lead(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_APPEND_REPLY, .from = 2, .term = 3, .index = 2});
    lone_settle(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_APPEND_REPLY, .from = 2, .term = 3, .index = 3});
    lone_settle(&lone);
    assert_true(lone_status(&lone).serving);
    assert_int_equal(lone.read_count, 0);
    lone_close(&lone);
}

static void a_read_that_was_confirmed_and_not_yet_handed_out_is_forgotten_too(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    raft_read(lone.raft, 1);
    lone_settle(&lone);
    round_reply(2, 1);
    lone_append(&lone, (struct raft_message){.from = 3, .term = 2, .index = 1, .log_term = 1}, "2");
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 0);
    lone_close(&lone);
}

static void a_single_voter_confirms_reads_at_once(void **state) {
    (void)state;
    struct raft_ready ready;
    lone_open(&lone, (struct lone_start){.voters = 1});
    lone_wait(&lone, 0);
    lone_settle(&lone);
    assert_int_equal(raft_read(lone.raft, 9), RAFT_OK);
    assert_true(raft_ready(lone.raft, &ready));
    assert_int_equal(ready.reads.count, 1);
    lone_close(&lone);
}

static void a_follower_answers_a_new_round_at_once_while_the_entries_wait_for_its_disk(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1"});
    struct raft_message append = {.from = 2, .term = 1, .index = 1, .log_term = 1, .round = 5};
    lone_append(&lone, append, "1");
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 1);
    assert_int_equal(lone.sent[0].type, RAFT_ROUND_REPLY);
    assert_int_equal(lone.sent[0].round, 5);
    assert_int_equal(lone.promised[0].round, 5);
    lone_forget(&lone);
    append.index = 2;
    lone_append(&lone, append, "1"); /* the same round again */
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 0);
    assert_int_equal(lone.promised_count, 1);
    lone_close(&lone);
}

static void a_follower_answers_a_round_once_when_its_disk_has_everything(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1"});
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1, .round = 5},
                "");
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 1);
    assert_int_equal(lone.sent[0].type, RAFT_APPEND_REPLY);
    assert_int_equal(lone.sent[0].round, 5);
    lone_close(&lone);
}

static void a_round_in_a_term_that_is_not_durable_waits_for_the_term(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1"});
    lone_append(&lone, (struct raft_message){.from = 2, .term = 2, .index = 1, .log_term = 1, .round = 5},
                "2");
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 0);
    assert_int_equal(lone.promised_count, 1);
    assert_int_equal(lone.promised[0].round, 5);
    lone_close(&lone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_is_answered_when_a_majority_has_heard_a_round_begun_after_it),
        cmocka_unit_test(a_late_answer_to_an_older_round_confirms_nothing_newer),
        cmocka_unit_test(an_answer_of_another_term_confirms_nothing),
        cmocka_unit_test(no_more_are_asked_for_a_round_than_a_majority_needs),
        cmocka_unit_test(a_late_round_is_asked_of_all_and_who_answered_is_asked_first_from_then_on),
        cmocka_unit_test(another_is_asked_at_once_when_the_one_that_was_asked_is_lost_from_sight),
        cmocka_unit_test(all_reads_between_two_readies_share_a_round),
        cmocka_unit_test(on_one_machine_what_comes_during_a_round_shares_the_next),
        cmocka_unit_test(a_round_rides_on_appends_that_go_out_anyway),
        cmocka_unit_test(without_reads_no_round_begins),
        cmocka_unit_test(a_read_before_the_no_op_is_committed_waits_for_it_and_sees_it),
        cmocka_unit_test(a_refused_append_confirms_a_round_as_well),
        cmocka_unit_test(reads_are_forgotten_with_the_leadership),
        cmocka_unit_test(a_read_that_was_confirmed_and_not_yet_handed_out_is_forgotten_too),
        cmocka_unit_test(a_single_voter_confirms_reads_at_once),
        cmocka_unit_test(a_follower_answers_a_new_round_at_once_while_the_entries_wait_for_its_disk),
        cmocka_unit_test(a_follower_answers_a_round_once_when_its_disk_has_everything),
        cmocka_unit_test(a_round_in_a_term_that_is_not_durable_waits_for_the_term),
    };
    return cmocka_run_group_tests_name("raft_reads", tests, NULL, NULL);
}
