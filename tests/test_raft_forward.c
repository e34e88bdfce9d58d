/* SPDX-License-Identifier: MIT */
/*
 * Reads through a follower: what it asks, what its leader answers, which answers count.
 */
#include "raft_lone.h"

static struct lone lone;

/* Core 1 follows 2 in term 1. */
static void follow(void) {
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1", .applied = 1});
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, "");
    lone_settle(&lone);
    lone_forget(&lone);
}

static void ask(uint64_t token) {
    assert_int_equal(raft_read_through(lone.raft, lone.now_ms, token), RAFT_OK);
}

/* The number of the batch that has just been sent. */
static uint64_t batch(void) {
    lone_collect(&lone);
    assert_int_equal(lone_count(&lone, RAFT_READ_INDEX, 2), 1);
    uint64_t round = lone_last(&lone, RAFT_READ_INDEX, 2)->round;
    lone_forget(&lone);
    return round;
}

static void answer(raft_term term, uint64_t round, raft_index index) {
    lone_step(&lone,
              (struct raft_message){
                  .type = RAFT_READ_INDEX_REPLY, .from = 2, .term = term, .round = round, .index = index});
    lone_collect(&lone);
}

/* ---- the follower ---------------------------------------------------------------------------------------- */

static void all_reads_of_a_ready_are_one_question(void **state) {
    (void)state;
    follow();
    ask(10);
    ask(11);
    ask(12);
    uint64_t round = batch();
    answer(1, round, 5);
    assert_int_equal(lone.read_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(lone.reads[i].token, 10 + i);
        assert_int_equal(lone.reads[i].index, 5);
    }
    lone_close(&lone);
}

static void an_answer_holds_for_what_was_asked_before_it_and_for_nothing_later(void **state) {
    (void)state;
    follow();
    ask(10);
    uint64_t first = batch();
    ask(11);
    uint64_t second = batch();
    ask(12);
    answer(1, first, 5);
    assert_int_equal(lone.read_count, 1);
    uint64_t third = lone_last(&lone, RAFT_READ_INDEX, 2)->round;
    lone_forget(&lone);
    answer(1, third, 8);
    assert_int_equal(lone.read_count, 2); /* the second's answer was lost: the third's holds for it too */
    assert_int_equal(lone.reads[0].token, 11);
    answer(1, second, 6);
    answer(1, third, 8);
    assert_int_equal(lone.read_count, 2);
    lone_close(&lone);
}

static void a_question_without_an_answer_is_asked_again_after_a_heartbeats_time(void **state) {
    (void)state;
    follow();
    ask(10);
    uint64_t first = batch();
    assert_int_equal(raft_deadline(lone.raft), lone.now_ms + LONE_HEARTBEAT_MS);
    lone_wait(&lone, LONE_HEARTBEAT_MS - 1);
    lone_collect(&lone);
    assert_int_equal(lone_count(&lone, RAFT_READ_INDEX, 2), 0);
    lone_wait(&lone, 1);
    uint64_t again = batch();
    assert_int_equal(again, first + 1);
    answer(1, first, 4); /* late, and good */
    assert_int_equal(lone.read_count, 1);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_collect(&lone);
    assert_int_equal(lone_count(&lone, RAFT_READ_INDEX, 2), 0);
    lone_close(&lone);
}

/* As old as a former self's, or of another. */
static void an_answer_to_what_was_never_asked_is_ignored(void **state) {
    (void)state;
    follow();
    ask(10);
    uint64_t round = batch();
    answer(1, round - 1, 5);
    answer(1, round + 1, 5);
    answer(1, 1, 5);
    assert_int_equal(lone.read_count, 0);
    answer(1, round, 5);
    assert_int_equal(lone.read_count, 1);
    lone_close(&lone);
}

static void two_starts_do_not_number_their_questions_alike(void **state) {
    (void)state;
    uint64_t rounds[2];
    for (uint64_t seed = 0; seed < 2; seed++) {
        lone_open(&lone, (struct lone_start){.voters = 3, .log = "1", .applied = 1, .seed = 77 + seed});
        lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, "");
        lone_settle(&lone);
        lone_forget(&lone);
        ask(10);
        rounds[seed] = batch();
        lone_close(&lone);
    }
    assert_true(rounds[0] > rounds[1] + 1000000 || rounds[1] > rounds[0] + 1000000);
}

static void with_the_term_the_reads_are_forgotten(void **state) {
    (void)state;
    follow();
    ask(10);
    uint64_t round = batch();
    lone_append(&lone, (struct raft_message){.from = 3, .term = 2, .index = 1, .log_term = 1}, "");
    lone_settle(&lone);
    answer(1, round, 5); /* of the old term */
    answer(2, round, 5); /* a number of the old term */
    assert_int_equal(lone.read_count, 0);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_collect(&lone);
    assert_int_equal(lone_count(&lone, RAFT_READ_INDEX, 0), 0);
    lone_close(&lone);
}

static void without_a_leader_nobody_is_asked(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1"});
    assert_int_equal(raft_read_through(lone.raft, lone.now_ms, 1), RAFT_NO_LEADER);
    lone_close(&lone);
    follow();
    ask(10);
    raft_leader_gone(lone.raft, lone.now_ms, 2); /* before it was sent */
    lone_collect(&lone);
    assert_int_equal(lone_count(&lone, RAFT_READ_INDEX, 0), 0);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, "");
    answer(1, batch(), 5); /* it was not gone */
    assert_int_equal(lone.read_count, 1);
    lone_close(&lone);
}

/* ---- the leader ------------------------------------------------------------------------------------------ */

static void lead(void) {
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1", .applied = 1});
    lone_lead(&lone);
    for (raft_id from = 2; from <= 3; from++)
        lone_ack(&lone, from, 1);
    lone_settle(&lone);
    lone_forget(&lone);
}

static void question(raft_id from, uint64_t round) {
    lone_step(&lone, (struct raft_message){.type = RAFT_READ_INDEX, .from = from, .term = 2, .round = round});
}

static void a_leader_answers_when_its_no_op_is_committed_and_a_round_is_confirmed(void **state) {
    (void)state;
    lead();
    question(2, 900);
    lone_settle(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_ROUND_REPLY, .from = 2, .term = 2, .round = 1});
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_READ_INDEX_REPLY, 0), 0);
    lone_ack(&lone, 3, 2);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_READ_INDEX_REPLY, 2), 1);
    assert_int_equal(lone_last(&lone, RAFT_READ_INDEX_REPLY, 2)->round, 900);
    assert_int_equal(lone_last(&lone, RAFT_READ_INDEX_REPLY, 2)->index, 2);
    assert_int_equal(lone.read_count, 0);
    question(2, 901);
    lone_settle(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_ROUND_REPLY, .from = 2, .term = 2, .round = 1});
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_READ_INDEX_REPLY, 2), 1); /* an older round's echo */
    lone_step(&lone, (struct raft_message){.type = RAFT_ROUND_REPLY, .from = 2, .term = 2, .round = 2});
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_READ_INDEX_REPLY, 2), 2);
    lone_close(&lone);
}

static void questions_and_reads_of_its_own_share_a_leaders_round(void **state) {
    (void)state;
    lead();
    lone_ack(&lone, 2, 2);
    lone_settle(&lone);
    question(2, 5);
    question(3, 6);
    assert_int_equal(raft_read_through(lone.raft, lone.now_ms, 70), RAFT_OK);
    lone_settle(&lone);
    lone_forget(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_ROUND_REPLY, .from = 2, .term = 2, .round = 1});
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_READ_INDEX_REPLY, 2), 1);
    assert_int_equal(lone_count(&lone, RAFT_READ_INDEX_REPLY, 3), 1);
    assert_int_equal(lone.read_count, 1);
    assert_int_equal(lone.reads[0].token, 70);
    lone_close(&lone);
}

static void who_does_not_lead_any_more_answers_nothing(void **state) {
    (void)state;
    lead();
    lone_ack(&lone, 2, 2);
    question(2, 5);
    lone_settle(&lone);
    lone_append(&lone, (struct raft_message){.from = 3, .term = 3, .index = 2, .log_term = 2}, "3");
    lone_step(&lone, (struct raft_message){.type = RAFT_ROUND_REPLY, .from = 2, .term = 2, .round = 1});
    lone_step(&lone, (struct raft_message){.type = RAFT_READ_INDEX, .from = 2, .term = 2, .round = 6});
    lone_step(&lone, (struct raft_message){.type = RAFT_READ_INDEX, .from = 2, .term = 3, .round = 7});
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_READ_INDEX_REPLY, 0), 0);
    lone_close(&lone);
}

static void an_echo_of_a_round_that_its_sender_was_never_sent_is_ignored(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1", .applied = 1});
    lone_lead(&lone);
    lone_ack(&lone, 2, 2);
    assert_int_equal(raft_read(lone.raft, 7), RAFT_OK);
    lone_settle(&lone); /* 3 has a probe to answer, and was not sent round 1 */
    lone_step(&lone, (struct raft_message){.type = RAFT_ROUND_REPLY, .from = 3, .term = 2, .round = 1});
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 0);
    lone_close(&lone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_reads_of_a_ready_are_one_question),
        cmocka_unit_test(an_answer_holds_for_what_was_asked_before_it_and_for_nothing_later),
        cmocka_unit_test(a_question_without_an_answer_is_asked_again_after_a_heartbeats_time),
        cmocka_unit_test(an_answer_to_what_was_never_asked_is_ignored),
        cmocka_unit_test(two_starts_do_not_number_their_questions_alike),
        cmocka_unit_test(with_the_term_the_reads_are_forgotten),
        cmocka_unit_test(without_a_leader_nobody_is_asked),
        cmocka_unit_test(a_leader_answers_when_its_no_op_is_committed_and_a_round_is_confirmed),
        cmocka_unit_test(questions_and_reads_of_its_own_share_a_leaders_round),
        cmocka_unit_test(who_does_not_lead_any_more_answers_nothing),
        cmocka_unit_test(an_echo_of_a_round_that_its_sender_was_never_sent_is_ignored),
    };
    return cmocka_run_group_tests_name("raft_forward", tests, NULL, NULL);
}
