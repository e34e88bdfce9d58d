/* SPDX-License-Identifier: MIT */
/*
 * Rules beyond the paper's figure 2: what waits for which disk, pre-vote, check-quorum, timers, and what a peer may say.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "raft_lone.h"

static struct lone lone;

static void open_core(size_t voters, raft_term term, const char *log) {
    lone_open(&lone, (struct lone_start){.voters = voters, .term = term, .log = log});
}

static void vote_for_it(raft_id from) {
    lone_step(&lone,
              (struct raft_message){.type = RAFT_VOTE_REPLY, .from = from, .term = lone_status(&lone).term});
}

/* A leader's empty append, at the log's end. */
static void heartbeat_from(raft_id leader, raft_term term) {
    struct raft_status status = lone_status(&lone);
    lone_append(&lone,
                (struct raft_message){
                    .from = leader, .term = term, .index = status.last_index, .log_term = status.last_term},
                "");
}

/* ---- what waits for the disk ----------------------------------------------------------------------------- */

static void a_candidates_own_vote_counts_only_when_it_is_saved(void **state) {
    (void)state;
    open_core(5, 1, "1");
    lone_stand(&lone);
    lone_collect(&lone);
    vote_for_it(2);
    vote_for_it(3);
    vote_for_it(4); /* even a majority of others must not put it ahead of its own disk */
    assert_int_equal(lone_role(&lone), RAFT_CANDIDATE);
    raft_saved(lone.raft, lone.now_ms, lone.sequence);
    assert_int_equal(lone_role(&lone), RAFT_LEADER);
    lone_close(&lone);
}

static void a_leaders_own_copy_counts_only_when_it_is_saved(void **state) {
    (void)state;
    open_core(3, 0, "");
    lone_stand(&lone);
    lone_settle(&lone);
    vote_for_it(2);
    lone_collect(&lone); /* the no-op is under way */
    uint64_t sequence = lone.sequence;
    lone_ack(&lone, 2, 1);
    assert_int_equal(lone_status(&lone).commit, 0);
    raft_saved(lone.raft, lone.now_ms, sequence - 1);
    assert_int_equal(lone_status(&lone).commit, 0);
    raft_saved(lone.raft, lone.now_ms, sequence);
    assert_int_equal(lone_status(&lone).commit, 1);
    lone_close(&lone);
}

static void a_majority_of_others_commits_before_the_leaders_own_disk_is_through(void **state) {
    (void)state;
    open_core(3, 0, "");
    lone_stand(&lone);
    lone_settle(&lone);
    vote_for_it(2);
    lone_collect(&lone);
    lone_ack(&lone, 2, 1);
    lone_ack(&lone, 3, 1);
    assert_int_equal(lone_status(&lone).commit, 1);
    assert_int_equal(lone_status(&lone).saved_index, 0);
    lone_close(&lone);
}

static void a_leader_sends_entries_in_the_ready_that_saves_them(void **state) {
    (void)state;
    struct raft_ready ready;
    open_core(3, 0, "");
    lone_lead(&lone);
    lone_ack(&lone, 2, 1);
    lone_settle(&lone);
    lone_propose(&lone, "x");
    assert_true(raft_ready(lone.raft, &ready));
    assert_int_equal(ready.save.count, 1);
    assert_int_equal(ready.send.count, 1);
    assert_int_equal(ready.send.at[0].entries.at[0].index, 2);
    assert_int_equal(ready.promise.count, 0);
    lone_close(&lone);
}

static void requests_for_votes_wait_for_the_new_term_and_requests_for_pre_votes_do_not(void **state) {
    (void)state;
    open_core(3, 1, "1");
    lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 2);
    assert_int_equal(lone.sent[0].type, RAFT_PRE_VOTE);
    assert_int_equal(lone.promised_count + lone.votes, 0);
    lone_forget(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 2, .term = 2});
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 0);
    assert_int_equal(lone.promised_count, 2);
    assert_int_equal(lone.promised[0].type, RAFT_VOTE);
    lone_close(&lone);
}

static void a_refusal_that_carries_a_new_term_waits_for_it(void **state) {
    (void)state;
    open_core(3, 3, "1 3");
    lone_step(&lone,
              (struct raft_message){.type = RAFT_VOTE, .from = 2, .term = 5, .index = 1, .log_term = 1});
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 0);
    assert_true(lone.promised[0].rejected);
    lone_settle(&lone);
    lone_forget(&lone);
    lone_step(&lone,
              (struct raft_message){.type = RAFT_VOTE, .from = 3, .term = 5, .index = 1, .log_term = 1});
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 1);
    lone_close(&lone);
}

static void a_save_that_was_overwritten_on_its_way_is_not_counted(void **state) {
    (void)state;
    open_core(3, 1, "1");
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, "1 1 1");
    lone_collect(&lone);
    uint64_t first = lone.sequence;
    lone_append(&lone, (struct raft_message){.from = 3, .term = 2, .index = 2, .log_term = 1}, "2");
    lone_collect(&lone);
    assert_true(lone.sequence > first);
    raft_saved(lone.raft, lone.now_ms, first);
    assert_int_equal(lone_status(&lone).saved_index, 2);
    raft_saved(lone.raft, lone.now_ms, lone.sequence);
    assert_int_equal(lone_status(&lone).saved_index, 3);
    lone_expect_log(&lone, "1 1 2");
    lone_close(&lone);
}

static void an_acknowledgement_of_what_is_under_way_waits_for_it_in_a_ready_that_saves_nothing(void **state) {
    (void)state;
    open_core(3, 1, "1");
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, "1");
    lone_collect(&lone);
    uint64_t first = lone.sequence;
    lone_forget(&lone);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, "1");
    lone_collect(&lone);
    assert_int_equal(lone.saved_count + lone.sent_count, 0);
    assert_int_equal(lone.promised_count, 1);
    assert_int_equal(lone.sequence, first + 1);
    lone_close(&lone);
}

static void a_promise_does_not_outlive_its_term(void **state) {
    (void)state;
    open_core(3, 1, "1");
    lone_step(&lone,
              (struct raft_message){.type = RAFT_VOTE, .from = 2, .term = 2, .index = 1, .log_term = 1});
    lone_step(&lone,
              (struct raft_message){.type = RAFT_VOTE, .from = 3, .term = 3, .index = 1, .log_term = 1});
    lone_collect(&lone);
    assert_int_equal(lone.promised_count, 1);
    assert_int_equal(lone.promised[0].term, 3);
    assert_int_equal(lone.vote.vote, 3);
    lone_close(&lone);
}

static void appends_of_one_turn_are_acknowledged_with_one_message(void **state) {
    (void)state;
    open_core(3, 1, "1");
    for (raft_index index = 1; index <= 5; index++)
        lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = index, .log_term = 1}, "1");
    lone_collect(&lone);
    assert_int_equal(lone.promised_count, 1);
    assert_int_equal(lone.promised[0].index, 6);
    lone_close(&lone);
}

static void there_is_no_ready_when_nothing_is_new(void **state) {
    (void)state;
    struct raft_ready ready;
    open_core(3, 0, "");
    assert_false(raft_ready(lone.raft, &ready));
    lone_lead(&lone);
    assert_false(raft_ready(lone.raft, &ready));
    lone_propose(&lone, "x");
    assert_true(raft_ready(lone.raft, &ready));
    for (int i = 0; i < 3; i++) /* the save is under way */
        assert_false(raft_ready(lone.raft, &ready));
    lone_wait(&lone, 1);
    assert_false(raft_ready(lone.raft, &ready));
    lone_close(&lone);
}

/* ---- pre-vote -------------------------------------------------------------------------------------------- */

static void a_server_that_is_cut_off_does_not_raise_its_term(void **state) {
    (void)state;
    open_core(3, 4, "1");
    for (int i = 0; i < 50; i++) {
        lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
        lone_settle(&lone);
    }
    assert_int_equal(lone_status(&lone).term, 4);
    assert_int_equal(lone.votes, 0);
    assert_true(lone_count(&lone, RAFT_PRE_VOTE, 2) >= 50);
    lone_close(&lone);
}

static void a_pre_vote_is_given_to_an_up_to_date_log_of_a_newer_term_and_changes_nothing(void **state) {
    (void)state;
    static const struct {
        raft_term term;
        raft_index index;
        raft_term log_term;
        bool given;
    } cases[] = {{3, 2, 2, true},  {9, 5, 2, true},  {3, 1, 2, false},
                 {3, 5, 1, false}, {2, 9, 1, false}, {4, 1, 3, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_core(3, 2, "1 2");
        uint64_t deadline = raft_deadline(lone.raft);
        lone.now_ms += 10;
        lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE,
                                               .from = 2,
                                               .term = cases[i].term,
                                               .index = cases[i].index,
                                               .log_term = cases[i].log_term});
        lone_collect(&lone);
        const struct raft_message *reply = lone_last(&lone, RAFT_PRE_VOTE_REPLY, 2);
        assert_int_equal(reply->rejected, !cases[i].given);
        assert_int_equal(reply->term, cases[i].given ? cases[i].term : 2);
        assert_int_equal(lone_status(&lone).term, 2);
        assert_int_equal(lone.votes, 0);
        /* Asked by one with a shorter log it stands soon itself: test_raft_thrift. */
        bool is_ahead = !cases[i].given && cases[i].term > 2;
        assert_true(is_ahead ? raft_deadline(lone.raft) <= deadline : raft_deadline(lone.raft) == deadline);
        lone_close(&lone);
    }
}

static void pre_votes_of_another_campaign_do_not_count(void **state) {
    (void)state;
    open_core(3, 4, "1");
    lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
    lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 2, .term = 6});
    lone_step(&lone,
              (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 2, .term = 4, .rejected = true});
    assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE);
    lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 2, .term = 5});
    assert_int_equal(lone_role(&lone), RAFT_CANDIDATE);
    lone_close(&lone);
}

static void a_pre_candidate_that_hears_the_leader_follows_again(void **state) {
    (void)state;
    open_core(3, 4, "1");
    lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
    heartbeat_from(3, 4);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = 2, .term = 5});
    assert_int_equal(lone_status(&lone).term, 4);
    lone_close(&lone);
}

/* ---- check-quorum ---------------------------------------------------------------------------------------- */

static void who_hears_a_leader_ignores_requests_for_votes_for_one_election_timeout(void **state) {
    (void)state;
    for (int type = RAFT_PRE_VOTE; type <= RAFT_VOTE; type += RAFT_VOTE - RAFT_PRE_VOTE) {
        open_core(3, 1, "1");
        heartbeat_from(2, 1);
        lone_settle(&lone);
        lone_forget(&lone);
        struct raft_message request = {.type = type, .from = 3, .term = 2, .index = 9, .log_term = 1};
        lone.now_ms += LONE_TIMEOUT_MS - 1;
        lone_step(&lone, request);
        lone_collect(&lone);
        assert_int_equal(lone.sent_count + lone.promised_count, 0);
        assert_int_equal(lone_status(&lone).term, 1);
        lone.now_ms += 1;
        lone_step(&lone, request);
        lone_collect(&lone);
        assert_int_equal(lone.sent_count + lone.promised_count, 1);
        lone_close(&lone);
    }
}

static void a_leader_that_hears_no_majority_for_an_election_timeout_steps_down(void **state) {
    (void)state;
    open_core(5, 1, "1");
    lone_lead(&lone);
    for (int i = 0; i < 30; i++) { /* two of four: a majority with itself */
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_ack(&lone, 2, 0);
        lone_ack(&lone, 3, 0);
        assert_true(lone_status(&lone).quorum);
    }
    for (int i = 0; i < 9; i++) {
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_ack(&lone, 2, 0); /* one of four is none */
    }
    assert_int_equal(lone_role(&lone), RAFT_LEADER);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    assert_int_equal(lone_status(&lone).leader, 0);
    assert_int_equal(lone_status(&lone).term, 2);
    lone_collect(&lone);
    assert_non_null(strstr(lone.trace, "stepping down from term 2: no quorum for 1000 ms\n"));
    lone_close(&lone);
}

static void what_is_not_an_answer_to_the_leader_does_not_keep_it(void **state) {
    (void)state;
    open_core(3, 1, "1");
    lone_lead(&lone);
    for (int i = 0; i < 12 && lone_role(&lone) == RAFT_LEADER; i++) {
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_step(&lone, (struct raft_message){
                             .type = RAFT_PRE_VOTE, .from = 2, .term = 3, .index = 1, .log_term = 1});
        lone_step(&lone, (struct raft_message){.type = RAFT_APPEND_REPLY, .from = 2, .term = 1, .index = 1});
    }
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_close(&lone);
}

static void an_old_leader_is_told_of_the_newer_term_and_yields(void **state) {
    (void)state;
    open_core(3, 7, "1");
    lone_append(&lone, (struct raft_message){.from = 2, .term = 6, .index = 1, .log_term = 1}, "");
    lone_collect(&lone);
    struct raft_message reply = *lone_last(&lone, RAFT_APPEND_REPLY, 2);
    assert_int_equal(reply.term, 7);
    lone_close(&lone);
    open_core(3, 5, "1");
    lone_lead(&lone);
    assert_int_equal(lone_status(&lone).term, 6);
    reply.from = 2;
    lone_step(&lone, reply);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    assert_int_equal(lone_status(&lone).term, 7);
    lone_close(&lone);
}

/* ---- time ------------------------------------------------------------------------------------------------ */

static void a_single_voter_elects_itself_at_the_first_tick(void **state) {
    (void)state;
    open_core(1, 0, "");
    lone_wait(&lone, 0);
    lone_settle(&lone);
    assert_int_equal(lone_role(&lone), RAFT_LEADER);
    assert_true(lone_status(&lone).serving);
    assert_int_equal(raft_deadline(lone.raft), UINT64_MAX);
    lone_wait(&lone, 100 * LONE_TIMEOUT_MS);
    assert_int_equal(lone_role(&lone), RAFT_LEADER);
    lone_close(&lone);
}

static void a_candidate_whose_own_disk_is_slow_does_not_raise_its_term_again(void **state) {
    (void)state;
    open_core(1, 0, "");
    lone_wait(&lone, 0);
    lone_collect(&lone);
    for (int i = 0; i < 10; i++) {
        lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
        lone_collect(&lone);
    }
    assert_int_equal(lone_status(&lone).term, 1);
    lone_settle(&lone);
    assert_int_equal(lone_role(&lone), RAFT_LEADER);
    lone_close(&lone);
}

static void after_a_long_sleep_a_heartbeat_that_is_stepped_first_keeps_a_follower_quiet(void **state) {
    (void)state;
    open_core(3, 1, "1");
    heartbeat_from(2, 1);
    lone.now_ms += 60 * 1000;
    heartbeat_from(2, 1);
    lone_wait(&lone, 0);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_close(&lone);
}

static void after_a_long_sleep_a_leader_steps_down_at_the_first_tick(void **state) {
    (void)state;
    open_core(3, 1, "1");
    lone_lead(&lone);
    lone_wait(&lone, 60 * 1000);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_close(&lone);
}

static void a_clock_that_goes_back_stands_still(void **state) {
    (void)state;
    open_core(3, 1, "1");
    uint64_t deadline = raft_deadline(lone.raft);
    raft_tick(lone.raft, lone.now_ms - 4000);
    assert_int_equal(raft_deadline(lone.raft), deadline);
    raft_tick(lone.raft, deadline - 1);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    raft_tick(lone.raft, deadline);
    assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE);
    lone_close(&lone);
}

static void a_leader_whose_large_message_is_still_coming_in_is_not_silent(void **state) {
    (void)state;
    open_core(3, 1, "1");
    heartbeat_from(2, 1);
    uint64_t deadline = raft_deadline(lone.raft);
    raft_heard(lone.raft, deadline - 1, 3); /* not the leader */
    assert_int_equal(raft_deadline(lone.raft), deadline);
    raft_heard(lone.raft, deadline - 1, 2);
    assert_true(raft_deadline(lone.raft) > deadline);
    raft_tick(lone.raft, deadline);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_close(&lone);
}

static void a_node_held_back_does_not_stand_but_votes(void **state) {
    (void)state;
    open_core(3, 1, "1");
    raft_hold_back(lone.raft, true);
    raft_tick(lone.raft, raft_deadline(lone.raft));
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_step(&lone,
              (struct raft_message){.type = RAFT_VOTE, .from = 2, .term = 2, .index = 1, .log_term = 1});
    assert_int_equal(lone_status(&lone).vote, 2);
    raft_hold_back(lone.raft, false);
    raft_tick(lone.raft, raft_deadline(lone.raft));
    assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE);
    lone_close(&lone);
}

static void a_follower_told_that_its_leader_is_gone_stands_within_a_heartbeat(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        lone_open(&lone, (struct lone_start){.voters = 3, .term = 1, .log = "1", .seed = seed});
        heartbeat_from(2, 1);
        uint64_t deadline = raft_deadline(lone.raft);
        raft_leader_gone(lone.raft, lone.now_ms, 3); /* not the leader */
        assert_int_equal(raft_deadline(lone.raft), deadline);
        raft_leader_gone(lone.raft, lone.now_ms, 2);
        assert_in_range(raft_deadline(lone.raft), lone.now_ms, lone.now_ms + LONE_HEARTBEAT_MS);
        assert_int_equal(lone_status(&lone).leader, 0);
        lone_step(&lone, (struct raft_message){
                             .type = RAFT_PRE_VOTE, .from = 3, .term = 2, .index = 1, .log_term = 1});
        lone_collect(&lone);
        assert_false(lone_last(&lone, RAFT_PRE_VOTE_REPLY, 3)->rejected); /* no longer sticky */
        lone_wait(&lone, LONE_HEARTBEAT_MS + 1);
        assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE);
        lone_close(&lone);
    }
}

/* ---- what a peer may say --------------------------------------------------------------------------------- */

static void malformed_messages_and_strangers_are_ignored(void **state) {
    (void)state;
    static struct raft_blob blob;
    static struct raft_entry zero_term[] = {{.index = 2, .term = 0, .type = RAFT_ENTRY_NOOP}};
    static struct raft_entry gap[] = {{.index = 3, .term = 1, .type = RAFT_ENTRY_NOOP}};
    static struct raft_entry falling[] = {{2, 2, RAFT_ENTRY_NOOP, NULL}, {3, 1, RAFT_ENTRY_NOOP, NULL}};
    static struct raft_entry future[] = {{.index = 2, .term = 9, .type = RAFT_ENTRY_NOOP}};
    static struct raft_entry no_data[] = {{.index = 2, .term = 1, .type = RAFT_ENTRY_COMMAND}};
    static struct raft_entry no_op_with_data[] = {{2, 1, RAFT_ENTRY_NOOP, &blob}};
    static struct raft_entry unknown[] = {{.index = 2, .term = 1, .type = 77}};
    const struct raft_message messages[] = {
        {.type = 0, .from = 2, .to = 1, .term = 9},
        {.type = 99, .from = 2, .to = 1, .term = 9},
        {.type = RAFT_APPEND_REPLY, .from = 9, .to = 1, .term = 9},
        {.type = RAFT_VOTE_REPLY, .from = 9, .to = 1, .term = 9},
        {.type = RAFT_READ_INDEX, .from = 9, .to = 1, .term = 9, .round = 1},
        {.type = RAFT_APPEND, .from = 0, .to = 1, .term = 9},
        {.type = RAFT_APPEND, .from = 1, .to = 1, .term = 9},
        {.type = RAFT_APPEND, .from = 2, .to = 3, .term = 9},
        {.type = RAFT_APPEND, .from = 2, .to = 1, .term = 0},
        {.type = RAFT_APPEND, .from = 2, .to = 1, .term = UINT64_MAX},
        {.type = RAFT_APPEND, .from = 2, .to = 1, .term = 9, .index = 1, .log_term = 0},
        {.type = RAFT_APPEND, .from = 2, .to = 1, .term = 9, .index = 0, .log_term = 1},
        {.type = RAFT_APPEND, .from = 2, .to = 1, .term = 9, .index = 1, .log_term = 10},
        {.type = RAFT_APPEND, .from = 2, .to = 1, .term = 9, .index = UINT64_MAX, .log_term = 1},
        {.type = RAFT_APPEND,
         .from = 2,
         .to = 1,
         .term = 2,
         .index = 1,
         .log_term = 1,
         .entries = {zero_term, 1}},
        {.type = RAFT_APPEND, .from = 2, .to = 1, .term = 2, .index = 1, .log_term = 1, .entries = {gap, 1}},
        {.type = RAFT_APPEND,
         .from = 2,
         .to = 1,
         .term = 2,
         .index = 1,
         .log_term = 1,
         .entries = {falling, 2}},
        {.type = RAFT_APPEND,
         .from = 2,
         .to = 1,
         .term = 2,
         .index = 1,
         .log_term = 1,
         .entries = {future, 1}},
        {.type = RAFT_APPEND,
         .from = 2,
         .to = 1,
         .term = 2,
         .index = 1,
         .log_term = 1,
         .entries = {no_data, 1}},
        {.type = RAFT_APPEND,
         .from = 2,
         .to = 1,
         .term = 2,
         .index = 1,
         .log_term = 1,
         .entries = {no_op_with_data, 1}},
        {.type = RAFT_APPEND,
         .from = 2,
         .to = 1,
         .term = 2,
         .index = 1,
         .log_term = 1,
         .entries = {unknown, 1}},
        {.type = RAFT_VOTE, .from = 2, .to = 1, .term = 9, .index = 5, .log_term = 9},
        {.type = RAFT_VOTE, .from = 2, .to = 1, .term = 9, .index = 5, .log_term = 0},
        {.type = RAFT_PRE_VOTE, .from = 2, .to = 1, .term = 9, .index = 0, .log_term = 5},
        {.type = RAFT_APPEND_REPLY,
         .from = 2,
         .to = 1,
         .term = 9,
         .rejected = true,
         .rejected_index = 2,
         .index = 3,
         .log_term = 1},
        {.type = RAFT_APPEND_REPLY,
         .from = 2,
         .to = 1,
         .term = 9,
         .rejected = true,
         .rejected_index = 3,
         .index = 2,
         .log_term = 0},
    };
    open_core(3, 1, "1");
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        raft_step(lone.raft, lone.now_ms, &messages[i]);
        lone_collect(&lone);
        assert_int_equal(lone_status(&lone).term, 1);
        assert_int_equal(lone_status(&lone).last_index, 1);
        assert_int_equal(lone.sent_count + lone.promised_count, 0);
    }
    lone_close(&lone);
}

static void an_answer_about_what_was_never_sent_is_ignored_by_the_leader(void **state) {
    (void)state;
    struct raft_peer_status peer;
    open_core(3, 1, "1");
    lone_lead(&lone);
    lone_ack(&lone, 2, 3);
    lone_step(&lone, (struct raft_message){.type = RAFT_ROUND_REPLY, .from = 2, .term = 2, .round = 7});
    lone_step(&lone,
              (struct raft_message){.type = RAFT_APPEND_REPLY, .from = 2, .term = 2, .index = 2, .round = 1});
    lone_step(&lone, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 2,
                                           .term = 2,
                                           .rejected = true,
                                           .rejected_index = 9,
                                           .index = 8,
                                           .log_term = 1});
    assert_true(raft_peer_status(lone.raft, 2, &peer));
    assert_int_equal(peer.match, 0);
    assert_int_equal(lone_status(&lone).commit, 0);
    lone_close(&lone);
}

/* The core must end the process, by an assertion. */
static void expect_death(void (*act)(void)) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        act();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void overwrite_committed(void) {
    lone_append(&lone, (struct raft_message){.from = 3, .term = 2, .index = 1, .log_term = 1}, "2");
}

static void deny_committed(void) {
    lone_append(&lone, (struct raft_message){.from = 3, .term = 2, .index = 2, .log_term = 2}, "2");
}

static void lead_the_same_term(void) {
    lone_append(&lone, (struct raft_message){.from = 3, .term = 1, .index = 1, .log_term = 1}, "");
}

static void proof_that_safety_is_broken_ends_the_process(void **state) {
    (void)state;
    open_core(3, 1, "1");
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1, .commit = 2},
                "1");
    expect_death(overwrite_committed);
    expect_death(deny_committed);
    expect_death(lead_the_same_term);
    lone_close(&lone);
}

/* ---- words ----------------------------------------------------------------------------------------------- */

static void the_trace_is_bounded_and_says_when_it_is_full(void **state) {
    (void)state;
    struct raft_ready ready;
    open_core(3, 1, "1");
    for (raft_term term = 2; term < 1000; term++)
        heartbeat_from(2 + term % 2, term);
    assert_true(raft_ready(lone.raft, &ready));
    size_t length = strlen(ready.trace);
    assert_in_range(length, 1000, 4095);
    assert_string_equal(ready.trace + length - 5, "\n...\n");
    lone_close(&lone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_candidates_own_vote_counts_only_when_it_is_saved),
        cmocka_unit_test(a_leaders_own_copy_counts_only_when_it_is_saved),
        cmocka_unit_test(a_majority_of_others_commits_before_the_leaders_own_disk_is_through),
        cmocka_unit_test(a_leader_sends_entries_in_the_ready_that_saves_them),
        cmocka_unit_test(requests_for_votes_wait_for_the_new_term_and_requests_for_pre_votes_do_not),
        cmocka_unit_test(a_refusal_that_carries_a_new_term_waits_for_it),
        cmocka_unit_test(a_save_that_was_overwritten_on_its_way_is_not_counted),
        cmocka_unit_test(an_acknowledgement_of_what_is_under_way_waits_for_it_in_a_ready_that_saves_nothing),
        cmocka_unit_test(a_promise_does_not_outlive_its_term),
        cmocka_unit_test(appends_of_one_turn_are_acknowledged_with_one_message),
        cmocka_unit_test(there_is_no_ready_when_nothing_is_new),
        cmocka_unit_test(a_server_that_is_cut_off_does_not_raise_its_term),
        cmocka_unit_test(a_pre_vote_is_given_to_an_up_to_date_log_of_a_newer_term_and_changes_nothing),
        cmocka_unit_test(pre_votes_of_another_campaign_do_not_count),
        cmocka_unit_test(a_pre_candidate_that_hears_the_leader_follows_again),
        cmocka_unit_test(who_hears_a_leader_ignores_requests_for_votes_for_one_election_timeout),
        cmocka_unit_test(a_leader_that_hears_no_majority_for_an_election_timeout_steps_down),
        cmocka_unit_test(what_is_not_an_answer_to_the_leader_does_not_keep_it),
        cmocka_unit_test(an_old_leader_is_told_of_the_newer_term_and_yields),
        cmocka_unit_test(a_single_voter_elects_itself_at_the_first_tick),
        cmocka_unit_test(a_candidate_whose_own_disk_is_slow_does_not_raise_its_term_again),
        cmocka_unit_test(after_a_long_sleep_a_heartbeat_that_is_stepped_first_keeps_a_follower_quiet),
        cmocka_unit_test(after_a_long_sleep_a_leader_steps_down_at_the_first_tick),
        cmocka_unit_test(a_clock_that_goes_back_stands_still),
        cmocka_unit_test(a_leader_whose_large_message_is_still_coming_in_is_not_silent),
        cmocka_unit_test(a_node_held_back_does_not_stand_but_votes),
        cmocka_unit_test(a_follower_told_that_its_leader_is_gone_stands_within_a_heartbeat),
        cmocka_unit_test(malformed_messages_and_strangers_are_ignored),
        cmocka_unit_test(an_answer_about_what_was_never_sent_is_ignored_by_the_leader),
        cmocka_unit_test(proof_that_safety_is_broken_ends_the_process),
        cmocka_unit_test(the_trace_is_bounded_and_says_when_it_is_full),
    };
    return cmocka_run_group_tests_name("raft_rules", tests, NULL, NULL);
}
