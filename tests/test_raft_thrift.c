/* SPDX-License-Identifier: MIT */
/* Whom a leader sends its entries at once, and whom a moment later (raft/thrift.c). */
#include "raft_lone.h"

enum { HOLD_MS = 5 };

static struct lone lone;

static const struct raft_config holds = {.hold_ms = HOLD_MS, .append_bytes_max = 100};

/* A leader of three, of term 1; entry 1 is on all. */
static void open_three(void) {
    lone_open_leader(&lone, holds);
}

static size_t entries_for(raft_id peer) {
    size_t count = 0;
    for (size_t i = 0; i < lone.sent_count; i++)
        if (lone.sent[i].type == RAFT_APPEND && lone.sent[i].to == peer)
            count += lone.sent[i].entries.count;
    return count;
}

/* Proposes one, and looks to whom it went. */
static void expect_sent(const char *text, size_t to_two, size_t to_three) {
    lone_forget(&lone);
    lone_propose(&lone, text);
    lone_settle(&lone);
    assert_int_equal(entries_for(2), to_two);
    assert_int_equal(entries_for(3), to_three);
}

static void one_of_two_followers_gets_entries_at_once_and_the_other_together_a_moment_later(void **state) {
    (void)state;
    open_three();
    expect_sent("a", 1, 0);
    lone_ack(&lone, 2, 2);
    assert_int_equal(lone_status(&lone).commit, 2);
    expect_sent("b", 1, 0);
    lone_ack(&lone, 2, 3);
    assert_int_equal(raft_deadline(lone.raft), lone.now_ms + HOLD_MS);
    lone_forget(&lone);
    lone_wait(&lone, HOLD_MS - 1);
    lone_settle(&lone);
    assert_int_equal(entries_for(3), 0);
    lone_wait(&lone, 1);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 3), 1);
    assert_int_equal(entries_for(3), 2);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->commit, 3);
    assert_int_equal(entries_for(2), 0);
    lone_close(&lone);
}

static void what_fills_a_message_does_not_wait(void **state) {
    (void)state;
    static const char forty[] = "0123456789012345678901234567890123456789";
    open_three();
    expect_sent(forty, 1, 0);
    expect_sent(forty, 1, 0);
    expect_sent(forty, 1, 3);
    expect_sent(forty, 1, 0);
    lone_close(&lone);
}

static void when_the_one_that_has_them_is_silent_the_other_gets_them_and_is_first_from_then_on(void **state) {
    (void)state;
    open_three();
    expect_sent("a", 1, 0);
    lone_forget(&lone);
    lone_wait(&lone, HOLD_MS);
    lone_settle(&lone);
    assert_int_equal(entries_for(3), 1);
    assert_int_equal(lone_status(&lone).commit, 1);
    lone_ack(&lone, 3, 2);
    assert_int_equal(lone_status(&lone).commit, 2);
    expect_sent("b", 0, 1);
    lone_ack(&lone, 2, 2);
    expect_sent("c", 0, 1);
    lone_close(&lone);
}

static void who_is_out_of_reach_or_has_a_full_window_is_not_waited_for(void **state) {
    (void)state;
    open_three();
    raft_unreachable(lone.raft, 2);
    expect_sent("a", 0, 1);
    lone_close(&lone);
    lone_open_leader(&lone, (struct raft_config){.hold_ms = HOLD_MS, .window_messages_max = 1});
    expect_sent("a", 1, 0);
    expect_sent("b", 0, 2);
    lone_close(&lone);
}

static void
with_each_heartbeat_the_next_entries_go_to_all_and_the_fastest_is_first_from_then_on(void **state) {
    (void)state;
    open_three();
    expect_sent("a", 1, 0);
    lone_ack(&lone, 2, 2);
    lone_wait(&lone, LONE_HEARTBEAT_MS); /* the other gets what it lacks with the heartbeat */
    lone_settle(&lone);
    lone_ack(&lone, 3, 2);
    expect_sent("b", 1, 1);
    lone_ack(&lone, 3, 3);
    lone_ack(&lone, 2, 3);
    expect_sent("c", 0, 1);
    lone_close(&lone);
}

static void of_two_that_have_the_same_the_one_that_had_it_sooner_is_first(void **state) {
    (void)state;
    open_three();
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    expect_sent("a", 1, 1);
    lone_ack(&lone, 3, 2);
    lone_ack(&lone, 2, 2);
    expect_sent("b", 0, 1);
    lone_close(&lone);
}

static void a_read_on_a_follower_that_lacks_some_brings_them(void **state) {
    (void)state;
    open_three();
    expect_sent("a", 1, 0);
    lone_ack(&lone, 2, 2);
    lone_forget(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_READ_INDEX, .from = 3, .term = 1, .round = 7});
    lone_settle(&lone);
    assert_int_equal(entries_for(3), 1);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->commit, 2);
    lone_close(&lone);
}

static void who_waits_for_more_copies_than_a_majority_brings_them(void **state) {
    (void)state;
    open_three();
    expect_sent("a", 1, 0);
    lone_ack(&lone, 2, 2);
    lone_forget(&lone);
    raft_hurry(lone.raft);
    lone_settle(&lone);
    assert_int_equal(entries_for(3), 1);
    assert_int_equal(entries_for(2), 0);
    lone_close(&lone);
}

static void while_the_leadership_is_handed_over_nothing_waits(void **state) {
    (void)state;
    open_three();
    expect_sent("a", 1, 0);
    lone_forget(&lone);
    assert_int_equal(raft_transfer(lone.raft, lone.now_ms, 3), RAFT_OK);
    lone_settle(&lone);
    assert_int_equal(entries_for(3), 1);
    lone_close(&lone);
}

static void of_five_two_are_needed_and_a_learner_never_is(void **state) {
    (void)state;
    struct raft_blob *list = lone_members("1v 2l 3v 4v 5v 6v");
    lone_open(&lone, (struct lone_start){.members = list, .config = holds});
    raft_blob_unref(list);
    lone_lead(&lone);
    for (raft_id peer = 2; peer <= 6; peer++)
        lone_ack(&lone, peer, 0);
    lone_settle(&lone);
    lone_ack(&lone, 2, 1); /* the learner is the fastest */
    for (raft_id peer = 6; peer >= 3; peer--)
        lone_ack(&lone, peer, 1);
    lone_settle(&lone);
    expect_sent("a", 0, 0);
    assert_int_equal(entries_for(4), 0);
    assert_int_equal(entries_for(5), 1);
    assert_int_equal(entries_for(6), 1);
    lone_ack(&lone, 5, 2);
    lone_ack(&lone, 6, 2);
    assert_int_equal(lone_status(&lone).commit, 2);
    lone_forget(&lone);
    lone_wait(&lone, HOLD_MS);
    lone_settle(&lone);
    for (raft_id peer = 2; peer <= 4; peer++)
        assert_int_equal(entries_for(peer), 1);
    lone_close(&lone);
}

static void a_new_leader_holds_nothing_back_of_its_predecessors_time(void **state) {
    (void)state;
    open_three();
    expect_sent("a", 1, 0);
    lone_step(&lone,
              (struct raft_message){.type = RAFT_APPEND, .from = 2, .term = 2, .index = 1, .log_term = 1});
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_lead(&lone);
    raft_index end = lone_status(&lone).last_index;
    lone_ack(&lone, 3, end - 1);
    lone_forget(&lone);
    lone_settle(&lone);
    assert_int_equal(entries_for(3), 1); /* the only one that is known to be there */
    lone_close(&lone);
}

/* ---- the election after it ----------------------------------------------------------------------------------- */

static void ask_pre_vote(raft_index last, raft_term term) {
    lone_step(&lone,
              (struct raft_message){
                  .type = RAFT_PRE_VOTE, .from = 3, .term = term + 1, .index = last, .log_term = term});
    lone_collect(&lone);
}

static void open_follower(uint64_t seed) {
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1 1 1", .applied = 1, .seed = seed});
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 3, .log_term = 1}, "1");
    lone_settle(&lone);
}

static void who_refuses_a_shorter_log_and_has_lost_the_leader_stands_soon(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        open_follower(seed);
        lone_wait(&lone, LONE_TIMEOUT_MS);
        if (lone_role(&lone) == RAFT_FOLLOWER) {
            ask_pre_vote(3, 1);
            assert_true(lone_last(&lone, RAFT_PRE_VOTE_REPLY, 3)->rejected);
            lone_wait(&lone, LONE_HEARTBEAT_MS / 4);
            lone_collect(&lone);
        }
        assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE);
        lone_close(&lone);
    }
}

static void who_hears_its_leader_does_not(void **state) {
    (void)state;
    open_follower(1);
    ask_pre_vote(3, 1);
    assert_int_equal(lone_count(&lone, RAFT_PRE_VOTE_REPLY, 3), 0);
    lone_wait(&lone, LONE_TIMEOUT_MS - 1);
    lone_collect(&lone);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_close(&lone);
}

static void nor_who_is_asked_by_one_that_has_as_much(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1 1 1"});
    ask_pre_vote(3, 1);
    assert_false(lone_last(&lone, RAFT_PRE_VOTE_REPLY, 3)->rejected);
    lone_wait(&lone, LONE_HEARTBEAT_MS / 4);
    lone_collect(&lone);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_close(&lone);
}

/* ---- what a leader finds in its log --------------------------------------------------------------------------- */

/* A leader of term 2 whose log, all of it still to be carried out, is on all; it has asked its disk for that. */
static void open_with_a_log(bool shared) {
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1 1 1"});
    raft_share(lone.raft, shared);
    lone_lead(&lone);
    lone_ack(&lone, 2, 4);
    lone_ack(&lone, 3, 4);
    lone_settle(&lone);
    assert_int_equal(lone_status(&lone).commit, 4);
    assert_int_equal(lone_status(&lone).applied, 0);
    assert_int_equal(lone.fetch_count, 1);
}

/* What the followers are told of the commit index within a heartbeat. */
static void expect_told(raft_index commit) {
    lone_forget(&lone);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->commit, commit);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->commit, commit);
    lone_ack(&lone, 2, lone_status(&lone).last_index);
    lone_ack(&lone, 3, lone_status(&lone).last_index);
}

static void a_leader_carries_out_what_it_finds_before_followers_on_its_machine_do(void **state) {
    (void)state;
    struct raft_entry entries[3];
    for (size_t i = 0; i < 3; i++)
        entries[i] = (struct raft_entry){.index = i + 1, .term = 1, .type = RAFT_ENTRY_NOOP};
    open_with_a_log(true);
    struct raft_fetch fetch = lone.fetches[0];
    expect_told(0);
    lone_propose(&lone, "a"); /* goes out as ever, and is committed */
    expect_told(0);
    assert_int_equal(lone_status(&lone).commit, 5);
    lone_forget(&lone);
    raft_fetched(lone.raft, &fetch, &(struct raft_entries){entries, 3});
    lone_settle(&lone);
    assert_int_equal(lone_status(&lone).applied, 5);
    lone_wait(&lone, LONE_HEARTBEAT_MS / 10 + 1);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->commit, 5);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->commit, 5);
    lone_close(&lone);
}

static void others_are_told_of_commits_at_once(void **state) {
    (void)state;
    open_with_a_log(false);
    expect_told(4);
    lone_close(&lone);
    open_with_a_log(true);
    expect_told(0);
    raft_share(lone.raft, false);
    expect_told(4);
    lone_close(&lone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_two_followers_gets_entries_at_once_and_the_other_together_a_moment_later),
        cmocka_unit_test(what_fills_a_message_does_not_wait),
        cmocka_unit_test(when_the_one_that_has_them_is_silent_the_other_gets_them_and_is_first_from_then_on),
        cmocka_unit_test(who_is_out_of_reach_or_has_a_full_window_is_not_waited_for),
        cmocka_unit_test(
            with_each_heartbeat_the_next_entries_go_to_all_and_the_fastest_is_first_from_then_on),
        cmocka_unit_test(of_two_that_have_the_same_the_one_that_had_it_sooner_is_first),
        cmocka_unit_test(a_read_on_a_follower_that_lacks_some_brings_them),
        cmocka_unit_test(who_waits_for_more_copies_than_a_majority_brings_them),
        cmocka_unit_test(while_the_leadership_is_handed_over_nothing_waits),
        cmocka_unit_test(of_five_two_are_needed_and_a_learner_never_is),
        cmocka_unit_test(a_new_leader_holds_nothing_back_of_its_predecessors_time),
        cmocka_unit_test(who_refuses_a_shorter_log_and_has_lost_the_leader_stands_soon),
        cmocka_unit_test(who_hears_its_leader_does_not),
        cmocka_unit_test(nor_who_is_asked_by_one_that_has_as_much),
        cmocka_unit_test(a_leader_carries_out_what_it_finds_before_followers_on_its_machine_do),
        cmocka_unit_test(others_are_told_of_commits_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
