/* SPDX-License-Identifier: MIT */
/*
 * Members: lists as bytes, when a list holds, whose word counts (chapter 4).
 */
#include "raft_lone.h"

static struct lone lone;

/* ---- lists ----------------------------------------------------------------------------------------------- */

static void a_list_has_these_bytes(void **state) {
    (void)state;
    static const char bytes[] = "\x02\0\0\0\0\0\0\0\x01\x01\0\0\0b\x03\x01\0\0\0\0\0\0\x02\0\0\0\0";
    struct raft_blob *list = raft_members_encode(
        (struct raft_member[]){{2, RAFT_VOTER, "b", 1}, {0x103, RAFT_LEARNER, NULL, 0}}, 2);
    assert_int_equal(list->length, sizeof bytes - 1);
    assert_memory_equal(list->bytes, bytes, list->length);
    raft_blob_unref(list);
}

static void a_list_comes_back_member_by_member(void **state) {
    (void)state;
    struct raft_blob *list = lone_members("1v=a:1 2v 5l=long:address 9r");
    struct raft_member member;
    size_t offset = 0, count = 0;
    while (raft_members_next(list, &offset, &member))
        count++;
    assert_int_equal(count, 4);
    assert_int_equal(offset, list->length);
    assert_true(raft_members_find(list, 5, &member));
    assert_int_equal(member.kind, RAFT_LEARNER);
    assert_int_equal(member.length, 12);
    assert_memory_equal(member.data, "long:address", 12);
    assert_false(raft_members_find(list, 4, &member));
    assert_int_equal(member.kind, RAFT_STRANGER);
    assert_true(raft_members_valid(list));
    raft_blob_unref(list);
}

static void a_list_that_is_cut_anywhere_is_not_valid(void **state) {
    (void)state;
    struct raft_blob *list = lone_members("1v=a:1 2l=b");
    for (size_t whole = list->length; list->length > 0;) {
        list->length--;
        bool first_only = list->length == 13 + 3;
        assert_int_equal(raft_members_valid(list), first_only);
        assert_true(list->length < whole);
    }
    raft_blob_unref(list);
}

static void spoilt(size_t at, char byte) {
    struct raft_blob *list = lone_members("1v=a 2l=b");
    list->bytes[at] = byte;
    assert_false(raft_members_valid(list));
    raft_blob_unref(list);
}

static void a_list_without_order_kind_or_voter_is_not_valid(void **state) {
    (void)state;
    spoilt(0, 0);  /* nobody */
    spoilt(0, 2);  /* the same twice */
    spoilt(0, 3);  /* descending */
    spoilt(8, 0);  /* a stranger */
    spoilt(8, 4);  /* no such kind */
    spoilt(8, 2);  /* no voter */
    spoilt(8, 3);  /* no voter */
    spoilt(9, 99); /* longer than the list */
    spoilt(12, 1); /* data far too long */
    struct raft_member members[RAFT_MEMBERS_MAX + 2];
    for (size_t i = 0; i < RAFT_MEMBERS_MAX + 2; i++)
        members[i] = (struct raft_member){.id = i + 1, .kind = i == 1 ? RAFT_REMOVED : RAFT_VOTER};
    struct raft_blob *many = raft_members_encode(members, RAFT_MEMBERS_MAX + 1);
    struct raft_blob *too_many = raft_members_encode(members, RAFT_MEMBERS_MAX + 2);
    assert_true(raft_members_valid(many));
    assert_false(raft_members_valid(too_many));
    raft_blob_unref(many);
    raft_blob_unref(too_many);
}

static void an_append_with_a_list_that_is_not_valid_is_ignored(void **state) {
    (void)state;
    lone_open_members(&lone, "1v 2v 3v", "1");
    lone_append_members(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, 1,
                        "1l 2l");
    assert_int_equal(lone_status(&lone).last_index, 1);
    assert_int_equal(lone_status(&lone).leader, 0);
    lone_close(&lone);
}

/* ---- when a list holds ----------------------------------------------------------------------------------- */

static void a_list_holds_once_it_is_in_the_log_and_until_it_is_cut_off(void **state) {
    (void)state;
    lone_open_members(&lone, "1v 2v 3v", "1");
    lone_append_members(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, 1,
                        "1v 2v 3v 4l");
    lone_expect_members(&lone, "1v 2v 3v 4l", 2);
    assert_true(lone_status(&lone).changing);
    lone_append_members(&lone, (struct raft_message){.from = 2, .term = 1, .index = 2, .log_term = 1}, 1,
                        "1l 2v 3v 4l");
    lone_expect_members(&lone, "1l 2v 3v 4l", 3);
    assert_int_equal(lone_status(&lone).kind, RAFT_LEARNER);
    lone_append(&lone, (struct raft_message){.from = 3, .term = 2, .index = 2, .log_term = 1}, "2");
    lone_expect_members(&lone, "1v 2v 3v 4l", 2);
    assert_int_equal(lone_status(&lone).kind, RAFT_VOTER);
    lone_append(&lone, (struct raft_message){.from = 3, .term = 2, .index = 1, .log_term = 1, .commit = 1},
                "2 2");
    lone_expect_members(&lone, "1v 2v 3v", 0);
    assert_false(lone_status(&lone).changing);
    lone_close(&lone);
}

static void the_newest_list_counts_before_it_is_committed(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v 2v 3v", 0);
    assert_int_equal(lone_change(&lone, RAFT_REMOVE, 3), RAFT_OK);
    lone_settle(&lone);
    lone_ack(&lone, 3, 3);
    assert_int_equal(lone_status(&lone).commit, 2); /* two of the old three, one of the new two */
    lone_ack(&lone, 2, 3);
    assert_int_equal(lone_status(&lone).commit, 3);
    lone_expect_members(&lone, "1v 2v 3r", 3);
    lone_close(&lone);
}

static void at_a_start_the_lists_of_the_log_hold_and_those_before_the_state_do_not(void **state) {
    (void)state;
    struct raft_blob *state_list = lone_members("1v 2v 3v"), *old = lone_members("1v 2v");
    struct raft_blob *newer = lone_members("1v 2v 3v 4l"), *newest = lone_members("1v 2v 3v 4v");
    const struct raft_members_at changes[] = {{2, old}, {5, newer}, {6, newest}};
    lone_open(&lone, (struct lone_start){.members = state_list,
                                         .log = "1 1 1 1 1 1",
                                         .applied = 4,
                                         .changes = changes,
                                         .change_count = 3});
    lone_expect_members(&lone, "1v 2v 3v 4v", 6);
    lone_expect_list(raft_members_applied(lone.raft), "1v 2v 3v");
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 6, .log_term = 1, .commit = 5},
                "");
    struct raft_entry entries[] = {{5, 1, RAFT_ENTRY_MEMBERS, newer}};
    lone_collect(&lone);
    assert_int_equal(lone.fetches[0].from, 5);
    raft_fetched(lone.raft, &lone.fetches[0], &(struct raft_entries){entries, 1});
    lone_collect(&lone);
    lone_expect_list(raft_members_applied(lone.raft), "1v 2v 3v 4l");
    lone_close(&lone);
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1 1 1", .changes = changes, .change_count = 1});
    lone_expect_members(&lone, "1v 2v", 2);
    lone_expect_list(raft_members_applied(lone.raft), "1v 2v 3v");
    lone_close(&lone);
    raft_blob_unref(state_list);
    raft_blob_unref(old);
    raft_blob_unref(newer);
    raft_blob_unref(newest);
}

/* ---- whose word counts ----------------------------------------------------------------------------------- */

static void what_a_learner_has_saved_counts_for_nothing(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v 2v 3v 4l 5l", 0);
    lone_propose(&lone, "x");
    lone_settle(&lone);
    lone_ack(&lone, 4, 3);
    lone_ack(&lone, 5, 3);
    assert_int_equal(lone_status(&lone).commit, 2);
    lone_ack(&lone, 3, 3);
    assert_int_equal(lone_status(&lone).commit, 3);
    lone_close(&lone);
}

static void a_learners_answers_confirm_no_read_and_no_leader(void **state) {
    (void)state;
    lone_lead_members(&lone, "1v 2v 3v 4l 5l", 0);
    assert_int_equal(raft_read(lone.raft, 7), RAFT_OK);
    lone_settle(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_ROUND_REPLY, .from = 4, .term = 2, .round = 1});
    lone_step(&lone, (struct raft_message){.type = RAFT_ROUND_REPLY, .from = 5, .term = 2, .round = 1});
    lone_collect(&lone);
    assert_int_equal(lone.read_count, 0);
    for (int i = 0; i < 12 && lone_role(&lone) == RAFT_LEADER; i++) {
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_ack(&lone, 4, 2);
        lone_ack(&lone, 5, 2);
    }
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_close(&lone);
}

static void a_learners_vote_is_given_and_does_not_count(void **state) {
    (void)state;
    lone_open_members(&lone, "1v 2v 3v 4l 5l", "1");
    lone_stand(&lone);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_VOTE, 4), 0);
    for (raft_id from = 4; from <= 5; from++)
        lone_step(&lone, (struct raft_message){.type = RAFT_VOTE_REPLY, .from = from, .term = 2});
    assert_int_equal(lone_role(&lone), RAFT_CANDIDATE);
    lone_close(&lone);
    lone_open_members(&lone, "1l 2v 3v", "1"); /* by the candidate's list it may be a voter */
    lone_step(&lone,
              (struct raft_message){.type = RAFT_VOTE, .from = 2, .term = 2, .index = 1, .log_term = 1});
    lone_settle(&lone);
    assert_false(lone_last(&lone, RAFT_VOTE_REPLY, 2)->rejected);
    lone_close(&lone);
}

static void a_learner_does_not_stand_and_asks_whether_it_still_is_one(void **state) {
    (void)state;
    lone_open_members(&lone, "1l 2v 3v", "1");
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, "");
    lone_settle(&lone);
    lone_forget(&lone);
    for (int i = 0; i < 3; i++) {
        lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
        lone_collect(&lone);
        assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
        assert_int_equal(lone_status(&lone).leader, 0);
        assert_int_equal(lone_count(&lone, RAFT_PRE_VOTE, 2), i + 1);
    }
    lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 2, .term = 2});
    lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 3, .term = 2});
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, "");
    lone_step(&lone, (struct raft_message){.type = RAFT_TIMEOUT_NOW, .from = 2, .term = 1});
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_close(&lone);
}

static void before_a_campaign_learners_are_asked_too_and_do_not_count(void **state) {
    (void)state;
    lone_open_members(&lone, "1v 2v 3v 4l", "1");
    lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
    lone_collect(&lone);
    assert_int_equal(lone_count(&lone, RAFT_PRE_VOTE, 4), 1);
    lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 4, .term = 2});
    assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE);
    lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 2, .term = 2});
    assert_int_equal(lone_role(&lone), RAFT_CANDIDATE);
    lone_close(&lone);
}

static void requests_are_heard_from_who_is_in_no_list_of_ours(void **state) {
    (void)state;
    lone_open_members(&lone, "1v 2v 3v", "1");
    lone_step(&lone,
              (struct raft_message){.type = RAFT_VOTE, .from = 7, .term = 2, .index = 1, .log_term = 1});
    lone_settle(&lone);
    assert_false(lone_last(&lone, RAFT_VOTE_REPLY, 7)->rejected);
    lone_append(&lone, (struct raft_message){.from = 7, .term = 2, .index = 1, .log_term = 1}, "2");
    lone_settle(&lone);
    assert_int_equal(lone_status(&lone).leader, 7);
    assert_int_equal(lone_last(&lone, RAFT_APPEND_REPLY, 7)->index, 2);
    lone_close(&lone);
}

static void a_new_node_waits_until_the_log_tells_it_who_is_who(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 0});
    assert_int_equal(lone_status(&lone).kind, RAFT_STRANGER);
    for (int i = 0; i < 3; i++)
        lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
    lone_collect(&lone);
    assert_int_equal(lone.sent_count + lone.promised_count, 0);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_append_members(&lone, (struct raft_message){.from = 2, .term = 3}, 3, "1l 2v 3v");
    lone_settle(&lone);
    assert_int_equal(lone_status(&lone).kind, RAFT_LEARNER);
    assert_int_equal(lone_last(&lone, RAFT_APPEND_REPLY, 2)->index, 1);
    lone_append_members(&lone, (struct raft_message){.from = 2, .term = 3, .index = 1, .log_term = 3}, 3,
                        "1v 2v 3v");
    lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
    assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE);
    lone_close(&lone);
}

/* Section 4.2.2: whoever the committed list has as a voter may be needed. */
static void who_is_a_voter_by_the_committed_list_stands_without_counting_itself(void **state) {
    (void)state;
    lone_open_members(&lone, "1v 2v 3v", "1");
    lone_append_members(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, 1,
                        "1r 2v 3v");
    lone_settle(&lone);
    lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
    lone_collect(&lone);
    assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE);
    lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 2, .term = 2});
    assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE); /* with itself it would be two of three */
    lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 3, .term = 2});
    assert_int_equal(lone_role(&lone), RAFT_CANDIDATE);
    lone_settle(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_VOTE_REPLY, .from = 3, .term = 2});
    assert_int_equal(lone_role(&lone), RAFT_CANDIDATE);
    lone_step(&lone, (struct raft_message){.type = RAFT_VOTE_REPLY, .from = 2, .term = 2});
    assert_int_equal(lone_role(&lone), RAFT_LEADER);
    lone_close(&lone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_has_these_bytes),
        cmocka_unit_test(a_list_comes_back_member_by_member),
        cmocka_unit_test(a_list_that_is_cut_anywhere_is_not_valid),
        cmocka_unit_test(a_list_without_order_kind_or_voter_is_not_valid),
        cmocka_unit_test(an_append_with_a_list_that_is_not_valid_is_ignored),
        cmocka_unit_test(a_list_holds_once_it_is_in_the_log_and_until_it_is_cut_off),
        cmocka_unit_test(the_newest_list_counts_before_it_is_committed),
        cmocka_unit_test(at_a_start_the_lists_of_the_log_hold_and_those_before_the_state_do_not),
        cmocka_unit_test(what_a_learner_has_saved_counts_for_nothing),
        cmocka_unit_test(a_learners_answers_confirm_no_read_and_no_leader),
        cmocka_unit_test(a_learners_vote_is_given_and_does_not_count),
        cmocka_unit_test(a_learner_does_not_stand_and_asks_whether_it_still_is_one),
        cmocka_unit_test(before_a_campaign_learners_are_asked_too_and_do_not_count),
        cmocka_unit_test(requests_are_heard_from_who_is_in_no_list_of_ours),
        cmocka_unit_test(a_new_node_waits_until_the_log_tells_it_who_is_who),
        cmocka_unit_test(who_is_a_voter_by_the_committed_list_stands_without_counting_itself),
    };
    return cmocka_run_group_tests_name("raft_member", tests, NULL, NULL);
}
