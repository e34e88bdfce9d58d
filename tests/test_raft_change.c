/* SPDX-License-Identifier: MIT */
/*
 * Changing the members: what is refused, how one comes and rises, how one goes (chapter 4).
 */
#include "raft_lone.h"

static struct lone lone;

/* ---- refusals -------------------------------------------------------------------------------------------- */

static void one_change_at_a_time(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v 2v 3v", 0);
    assert_int_equal(lone_change(&lone, RAFT_ADD, 4), RAFT_OK);
    assert_int_equal(lone_change(&lone, RAFT_ADD, 5), RAFT_CHANGING);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 3), RAFT_CHANGING);
    lone_settle(&lone);
    assert_int_equal(lone_change(&lone, RAFT_ADD, 5), RAFT_CHANGING);
    lone_ack(&lone, 2, 3);
    assert_int_equal(lone_change(&lone, RAFT_ADD, 5), RAFT_OK);
    lone_expect_members(&lone, "1v 2v 3v 4l 5l", 4);
    lone_close(&lone);
}

static void no_change_before_an_entry_of_the_own_term_is_committed(void **state) {
    (void)state;
    lone_open_members(&lone, "1v 2v 3v 4l", "1");
    lone_lead(&lone);
    for (raft_id from = 2; from <= 4; from++)
        lone_ack(&lone, from, 1);
    assert_int_equal(lone_change(&lone, RAFT_ADD, 5), RAFT_NOT_READY);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 3), RAFT_NOT_READY);
    assert_int_equal(lone_change(&lone, RAFT_SET, 3), RAFT_NOT_READY);
    lone_ack(&lone, 2, 2);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 3), RAFT_OK);
    lone_close(&lone);
}

static void a_change_that_makes_no_sense_is_refused_with_the_reason(void **state) {
    (void)state;
    static const struct {
        enum raft_change_type type;
        raft_id id;
        enum raft_result result;
    } rows[] = {
        {RAFT_ADD, 1, RAFT_ID_USED},       {RAFT_ADD, 2, RAFT_ID_USED},
        {RAFT_ADD, 4, RAFT_ID_USED},       {RAFT_ADD, 5, RAFT_ID_USED},
        {RAFT_PROMOTE, 2, RAFT_NO_MEMBER}, {RAFT_PROMOTE, 5, RAFT_NO_MEMBER},
        {RAFT_PROMOTE, 6, RAFT_NO_MEMBER}, {RAFT_REMOVE, 5, RAFT_NO_MEMBER},
        {RAFT_REMOVE, 6, RAFT_NO_MEMBER},  {RAFT_SET, 5, RAFT_NO_MEMBER},
        {RAFT_SET, 6, RAFT_NO_MEMBER},
    };
    lone_lead_members(&lone, "1v 2v 3v 4l 5r", 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(lone_change(&lone, rows[i].type, rows[i].id), rows[i].result);
    assert_int_equal(lone_status(&lone).last_index, 2);
    assert_int_equal(raft_transfer(lone.raft, lone.now_ms, 2), RAFT_OK);
    assert_int_equal(lone_change(&lone, RAFT_ADD, 6), RAFT_TRANSFERRING);
    lone_close(&lone);
    lone_open_members(&lone, "1v 2v", "1");
    assert_int_equal(lone_change(&lone, RAFT_ADD, 6), RAFT_NOT_LEADER);
    lone_close(&lone);
    lone_lead_members(&lone, "1v 2l", 0);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 1), RAFT_LAST_VOTER);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 2), RAFT_OK);
    lone_close(&lone);
}

static void there_are_so_many_members_and_no_more(void **state) {
    (void)state;
    struct raft_member members[RAFT_MEMBERS_MAX];
    for (size_t i = 0; i < RAFT_MEMBERS_MAX; i++)
        members[i] = (struct raft_member){.id = i + 1, .kind = i ? RAFT_LEARNER : RAFT_VOTER};
    struct raft_blob *list = raft_members_encode(members, RAFT_MEMBERS_MAX);
    lone_open(&lone, (struct lone_start){.members = list, .log = "1"});
    lone_lead(&lone);
    assert_int_equal(lone_change(&lone, RAFT_ADD, 1000), RAFT_TOO_MANY);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 7), RAFT_OK);
    lone_settle(&lone);
    assert_int_equal(lone_change(&lone, RAFT_ADD, 1000), RAFT_OK);
    raft_blob_unref(list);
    lone_close(&lone);
}

static void a_removal_that_would_leave_no_majority_that_answers_is_refused(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v 2v 3v", 0);
    lone_hear_only(&lone, "2");
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 2), RAFT_WOULD_LOSE_QUORUM);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 1), RAFT_WOULD_LOSE_QUORUM);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 3), RAFT_OK);
    lone_close(&lone);
    lone_lead_members(&lone, "1v 2v 3v 4l", 0);
    lone_hear_only(&lone, "23");
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 4), RAFT_OK); /* a learner's absence is no matter */
    lone_close(&lone);
}

/* At the term's start everybody has the whole timeout to answer; that does not make them alive. */
static void who_was_not_heard_before_a_leaders_election_is_not_taken_for_alive(void **state) {
    (void)state;
    lone_open_members(&lone, "1v 2v 3v", "1");
    lone_stand(&lone);
    lone_settle(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_VOTE_REPLY, .from = 2, .term = 2});
    lone_settle(&lone);
    lone_ack(&lone, 2, 2);
    lone_settle(&lone);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 2), RAFT_WOULD_LOSE_QUORUM);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 3), RAFT_OK);
    lone_close(&lone);
}

static void a_learner_is_promoted_only_if_it_keeps_up(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v 2v 3v 4l", 3);
    for (int i = 0; i < 4; i++)
        lone_propose(&lone, "x");
    lone_settle(&lone);
    lone_ack(&lone, 2, 6);
    lone_step(&lone, (struct raft_message){.type = RAFT_ROUND_REPLY, .from = 4, .term = 2});
    assert_int_equal(lone_change(&lone, RAFT_PROMOTE, 4), RAFT_BEHIND); /* 4 entries */
    lone_ack(&lone, 4, 3);
    assert_int_equal(lone_change(&lone, RAFT_PROMOTE, 4), RAFT_OK);
    lone_close(&lone);
    lone_lead_members(&lone, "1v 4l", 3);
    lone_hear_only(&lone, "");
    lone_ack(&lone, 4, 2);
    assert_int_equal(lone_change(&lone, RAFT_PROMOTE, 4), RAFT_OK);
    lone_close(&lone);
    lone_lead_members(&lone, "1v 4l", 3);
    lone_ack(&lone, 4, 2);
    lone_hear_only(&lone, "");
    assert_int_equal(lone_change(&lone, RAFT_PROMOTE, 4), RAFT_BEHIND); /* silent */
    lone_close(&lone);
}

/* ---- coming ---------------------------------------------------------------------------------------------- */

static void a_learner_that_keeps_up_for_an_election_timeout_rises_by_itself(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v 2v 3v", 2);
    assert_int_equal(lone_change(&lone, RAFT_ADD, 4), RAFT_OK);
    lone_settle(&lone);
    lone_ack(&lone, 2, 3);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_ack(&lone, 4, 3);
    uint64_t begun = lone.now_ms;
    while (lone_status(&lone).last_index == 3 && lone.now_ms < begun + 3 * LONE_TIMEOUT_MS) {
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        for (raft_id from = 2; from <= 4; from++)
            lone_ack(&lone, from, 3);
        lone_settle(&lone);
    }
    assert_in_range(lone.now_ms - begun, LONE_TIMEOUT_MS - LONE_HEARTBEAT_MS,
                    LONE_TIMEOUT_MS + LONE_HEARTBEAT_MS);
    lone_expect_members(&lone, "1v 2v 3v 4v", 4);
    lone_close(&lone);
}

static void a_learner_that_falls_behind_begins_anew(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v 4l", 2);
    lone_ack(&lone, 4, 2);
    for (int i = 0; i < 30; i++) {
        if (i % 7 == 0)
            for (int k = 0; k < 3; k++)
                lone_propose(&lone, "x"); /* three more than it has: too many */
        lone_settle(&lone);
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_ack(&lone, 4, lone_status(&lone).last_index);
    }
    lone_expect_members(&lone, "1v 4l", 1);
    lone_close(&lone);
}

static void without_a_limit_no_learner_rises_by_itself(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v 4l", 0);
    for (int i = 0; i < 30; i++) {
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_ack(&lone, 4, 2);
        lone_settle(&lone);
    }
    lone_expect_members(&lone, "1v 4l", 1);
    assert_int_equal(lone_change(&lone, RAFT_PROMOTE, 4), RAFT_OK); /* it has everything */
    lone_close(&lone);
}

static void a_new_member_is_sent_the_log_from_its_beginning(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v", 0);
    assert_int_equal(lone_change(&lone, RAFT_ADD, 2), RAFT_OK);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->index, 3);
    lone_step(&lone,
              (struct raft_message){
                  .type = RAFT_APPEND_REPLY, .from = 2, .term = 2, .rejected = true, .rejected_index = 3});
    lone_collect(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->index, 0);
    lone_ack(&lone, 2, 0);
    lone_collect(&lone);
    assert_int_equal(lone.fetches[0].for_peer, 2); /* entry 1 is on disk only */
    lone_close(&lone);
}

static void a_members_data_is_its_callers_and_can_be_changed(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v 2v=old", 0);
    struct raft_change change = {.type = RAFT_SET, .id = 2, .data = "new:7", .length = 5};
    raft_index index;
    raft_term term;
    assert_int_equal(raft_change(lone.raft, lone.now_ms, &change, &index, &term), RAFT_OK);
    lone_expect_members(&lone, "1v 2v=new:7", 3);
    lone_settle(&lone);
    lone_ack(&lone, 2, 3);
    change = (struct raft_change){.type = RAFT_ADD, .id = 9, .data = "c", .length = 1};
    assert_int_equal(raft_change(lone.raft, lone.now_ms, &change, &index, &term), RAFT_OK);
    lone_expect_members(&lone, "1v 2v=new:7 9l=c", 4);
    lone_close(&lone);
}

/* ---- going ----------------------------------------------------------------------------------------------- */

static void a_removed_member_hears_of_it_and_then_nothing(void **state) {
    (void)state;
    struct raft_peer_status peer;
    lone_lead_members(&lone, "1v 2v 3v", 0);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 3), RAFT_OK);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->entries.count, 1);
    assert_true(raft_peer_status(lone.raft, 3, &peer));
    assert_int_equal(peer.kind, RAFT_REMOVED);
    lone_ack(&lone, 3, 3);
    lone_ack(&lone, 2, 3);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->commit, 3);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_forget(&lone);
    for (int i = 0; i < 5; i++) {
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_ack(&lone, 2, 3);
        lone_settle(&lone);
    }
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 3), 0);
    assert_false(raft_peer_status(lone.raft, 3, &peer));
    lone_close(&lone);
}

static void a_removed_member_that_does_not_answer_is_given_up_after_an_election_timeout(void **state) {
    (void)state;
    struct raft_peer_status peer;
    lone_lead_members(&lone, "1v 2v 3v", 0);
    lone_hear_only(&lone, "2");
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 3), RAFT_OK);
    raft_unreachable(lone.raft, 3);
    lone_settle(&lone);
    lone_ack(&lone, 2, 3);
    for (int i = 0; i < 9; i++) {
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_ack(&lone, 2, 3);
        lone_settle(&lone);
    }
    assert_true(raft_peer_status(lone.raft, 3, &peer));
    for (int i = 0; i < 3; i++) {
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_ack(&lone, 2, 3);
    }
    assert_false(raft_peer_status(lone.raft, 3, &peer));
    lone_close(&lone);
}

/* The time to be told begins when the removal is committed, however long that took. */
static void a_removed_member_is_told_even_if_its_removal_took_long_to_commit(void **state) {
    (void)state;
    struct raft_peer_status peer;
    lone_lead_members(&lone, "1v 2v 3v", 0);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 3), RAFT_OK);
    lone_settle(&lone);
    lone_ack(&lone, 3, 3);
    for (int i = 0; i < 12; i++) {
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_ack(&lone, 2, 2);
        lone_settle(&lone);
    }
    lone_ack(&lone, 2, 3);
    lone_wait(&lone, 1);
    assert_true(raft_peer_status(lone.raft, 3, &peer));
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->commit, 3);
    lone_close(&lone);
}

static void who_does_not_lead_keeps_nobody_that_is_removed(void **state) {
    (void)state;
    struct raft_peer_status peer;
    lone_lead_members(&lone, "1v 2v 3v", 0);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 3), RAFT_OK);
    lone_settle(&lone);
    assert_true(raft_peer_status(lone.raft, 3, &peer));
    lone_append(&lone, (struct raft_message){.from = 2, .term = 7, .index = 3, .log_term = 2}, "");
    assert_false(raft_peer_status(lone.raft, 3, &peer));
    lone_append(&lone, (struct raft_message){.from = 2, .term = 7, .index = 2, .log_term = 2}, "7");
    assert_true(raft_peer_status(lone.raft, 3, &peer)); /* it is not removed after all */
    assert_int_equal(peer.kind, RAFT_VOTER);
    lone_close(&lone);
}

static void a_removed_member_that_asks_for_votes_is_told_so_by_everybody(void **state) {
    (void)state;
    lone_open_members(&lone, "1v 2v 3v 4r", "1 1");
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 2, .log_term = 1}, "");
    lone_settle(&lone);
    lone_forget(&lone);
    const enum raft_message_type types[] = {RAFT_PRE_VOTE, RAFT_VOTE};
    for (size_t i = 0; i < 2; i++) {
        lone_step(&lone,
                  (struct raft_message){.type = types[i], .from = 4, .term = 9, .index = 7, .log_term = 8});
        lone_settle(&lone);
        assert_int_equal(lone_count(&lone, RAFT_DISMISSED, 4), i + 1);
        assert_int_equal(lone_status(&lone).term, 1);
    }
    assert_int_equal(lone_count(&lone, RAFT_PRE_VOTE_REPLY, 0) + lone_count(&lone, RAFT_VOTE_REPLY, 0), 0);
    /* an uncommitted removal proves nothing */
    lone_append_members(&lone, (struct raft_message){.from = 2, .term = 1, .index = 2, .log_term = 1}, 1,
                        "1v 2v 3r 4r");
    lone_step(&lone,
              (struct raft_message){.type = RAFT_PRE_VOTE, .from = 3, .term = 2, .index = 7, .log_term = 1});
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_DISMISSED, 3), 0);
    lone_close(&lone);
}

static void who_is_told_that_it_is_removed_is_silent(void **state) {
    (void)state;
    lone_open_members(&lone, "1v 2v 3v", "1");
    lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
    assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE);
    lone_settle(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_DISMISSED, .from = 2, .term = 7});
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    assert_true(lone_status(&lone).removed);
    lone_settle(&lone);
    assert_non_null(strstr(lone.trace, "removed, says node 2"));
    lone_forget(&lone);
    for (int i = 0; i < 4; i++) {
        lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
        lone_settle(&lone);
    }
    assert_int_equal(lone.sent_count + lone.promised_count, 0);
    assert_string_equal(lone.trace, "");
    lone_close(&lone);
}

static void who_learns_of_its_removal_by_the_log_is_silent_once_it_is_committed(void **state) {
    (void)state;
    lone_open_members(&lone, "1v 2v 3v", "1");
    lone_append_members(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, 1,
                        "1r 2v 3v");
    assert_false(lone_status(&lone).removed);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 2, .log_term = 1, .commit = 2},
                "");
    assert_true(lone_status(&lone).removed);
    lone_settle(&lone);
    lone_forget(&lone);
    lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
    lone_settle(&lone);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    assert_int_equal(lone.sent_count + lone.promised_count, 0);
    lone_close(&lone);
}

static void a_leader_that_removes_itself_leads_until_that_is_committed_and_then_calls_the_best(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v 2v 3v", 0);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 1), RAFT_OK);
    lone_settle(&lone);
    lone_propose(&lone, "x");
    lone_settle(&lone);
    lone_ack(&lone, 2, 3);
    assert_int_equal(lone_status(&lone).commit, 2); /* itself it does not count */
    lone_settle(&lone);
    assert_int_equal(lone_role(&lone), RAFT_LEADER);
    assert_int_equal(lone_count(&lone, RAFT_TIMEOUT_NOW, 0), 0);
    lone_ack(&lone, 3, 4);
    assert_int_equal(lone_status(&lone).commit, 3);
    lone_settle(&lone);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    assert_true(lone_status(&lone).removed);
    assert_int_equal(lone_count(&lone, RAFT_TIMEOUT_NOW, 2), 0);
    assert_int_equal(lone_count(&lone, RAFT_TIMEOUT_NOW, 3), 1);
    assert_int_equal(lone.applied[lone.applied_count - 1].index, 3);
    lone_forget(&lone);
    lone_wait(&lone, 3 * LONE_TIMEOUT_MS);
    lone_settle(&lone);
    assert_int_equal(lone.sent_count + lone.promised_count, 0);
    lone_close(&lone);
}

static void the_leadership_goes_to_no_learner(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v 2v 3v 4l", 0);
    assert_int_equal(raft_transfer(lone.raft, lone.now_ms, 4), RAFT_NO_TARGET);
    lone_propose(&lone, "x");
    lone_settle(&lone);
    lone_ack(&lone, 4, 3);
    assert_int_equal(raft_transfer(lone.raft, lone.now_ms, 0), RAFT_OK);
    assert_in_range(lone_status(&lone).transferee, 2, 3);
    lone_close(&lone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_change_at_a_time),
        cmocka_unit_test(no_change_before_an_entry_of_the_own_term_is_committed),
        cmocka_unit_test(a_change_that_makes_no_sense_is_refused_with_the_reason),
        cmocka_unit_test(there_are_so_many_members_and_no_more),
        cmocka_unit_test(a_removal_that_would_leave_no_majority_that_answers_is_refused),
        cmocka_unit_test(who_was_not_heard_before_a_leaders_election_is_not_taken_for_alive),
        cmocka_unit_test(a_learner_is_promoted_only_if_it_keeps_up),
        cmocka_unit_test(a_learner_that_keeps_up_for_an_election_timeout_rises_by_itself),
        cmocka_unit_test(a_learner_that_falls_behind_begins_anew),
        cmocka_unit_test(without_a_limit_no_learner_rises_by_itself),
        cmocka_unit_test(a_new_member_is_sent_the_log_from_its_beginning),
        cmocka_unit_test(a_members_data_is_its_callers_and_can_be_changed),
        cmocka_unit_test(a_removed_member_hears_of_it_and_then_nothing),
        cmocka_unit_test(a_removed_member_that_does_not_answer_is_given_up_after_an_election_timeout),
        cmocka_unit_test(a_removed_member_is_told_even_if_its_removal_took_long_to_commit),
        cmocka_unit_test(who_does_not_lead_keeps_nobody_that_is_removed),
        cmocka_unit_test(a_removed_member_that_asks_for_votes_is_told_so_by_everybody),
        cmocka_unit_test(who_is_told_that_it_is_removed_is_silent),
        cmocka_unit_test(who_learns_of_its_removal_by_the_log_is_silent_once_it_is_committed),
        cmocka_unit_test(a_leader_that_removes_itself_leads_until_that_is_committed_and_then_calls_the_best),
        cmocka_unit_test(the_leadership_goes_to_no_learner),
    };
    return cmocka_run_group_tests_name("raft_change", tests, NULL, NULL);
}
