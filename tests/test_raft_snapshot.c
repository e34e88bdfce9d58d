/* SPDX-License-Identifier: MIT */
/*
 * The log's beginning: where it was cut, who needs a snapshot, what one does where it arrives (chapter 5).
 */
#include "raft_lone.h"

static struct lone lone;

/* Core 1 of three, its log cut after entry 4 of term 2: 5 and 6 are left. */
static void open_cut(void) {
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "2 3", .base = 4, .base_term = 2});
    assert_int_equal(lone_status(&lone).base_index, 4);
    assert_int_equal(lone_status(&lone).base_term, 2);
    assert_int_equal(lone_status(&lone).last_index, 6);
    assert_int_equal(lone_status(&lone).commit, 4);
}

/* It leads term 4; its no-op is entry 7; follower 2 has it all, follower 3 has said nothing. */
static void lead_cut(void) {
    open_cut();
    lone_lead(&lone);
    lone_ack(&lone, 2, 7);
    lone_settle(&lone);
    lone_forget(&lone);
}

/* Follower 3's log ends at `index`. */
static void refuse(raft_index rejected, raft_index index, raft_term term) {
    lone_step(&lone, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 3,
                                           .term = 4,
                                           .rejected = true,
                                           .rejected_index = rejected,
                                           .index = index,
                                           .log_term = term});
    lone_settle(&lone);
}

static void beat(void) {
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    lone_ack(&lone, 2, 7);
    lone_settle(&lone);
}

static bool needs_snapshot(raft_id id) {
    struct raft_peer_status peer;
    assert_true(raft_peer_status(lone.raft, id, &peer));
    return peer.snapshot;
}

/* Follower 3 needs a snapshot, and the caller knows. */
static void lead_one_that_needs_a_snapshot(void) {
    lead_cut();
    refuse(6, 0, 0);
    lone_forget(&lone);
}

static bool restore(raft_index index, raft_term term, const char *members) {
    struct raft_blob *list = lone_members(members);
    bool replaces = raft_restore(lone.raft, lone.now_ms, index, term, list);
    raft_blob_unref(list);
    return replaces;
}

/* ---- the beginning --------------------------------------------------------------------------------------- */

static void a_log_that_was_cut_knows_the_term_of_the_entry_before_it_and_of_none_before_that(void **state) {
    (void)state;
    open_cut();
    assert_int_equal(raft_term_at(lone.raft, 3), 0);
    assert_int_equal(raft_term_at(lone.raft, 4), 2);
    assert_int_equal(raft_term_at(lone.raft, 5), 2);
    assert_int_equal(raft_term_at(lone.raft, 6), 3);
    lone_close(&lone);
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "", .base = 9, .base_term = 5});
    assert_int_equal(raft_term_at(lone.raft, 9), 5);
    assert_int_equal(lone_status(&lone).last_index, 9);
    assert_int_equal(lone_status(&lone).last_term, 5);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 5, .index = 9, .log_term = 5}, "5 5");
    lone_expect_log(&lone, "5 5");
    lone_close(&lone);
}

static void cutting_the_log_moves_its_beginning_and_keeps_the_rest(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 1});
    lone_lead(&lone);
    for (int i = 0; i < 6; i++)
        lone_propose(&lone, "some bytes");
    lone_settle(&lone);
    size_t bytes = lone_status(&lone).tail_bytes;
    raft_compact(lone.raft, 3);
    assert_int_equal(lone_status(&lone).base_index, 3);
    assert_int_equal(lone_status(&lone).base_term, 1);
    lone_expect_log(&lone, "1 1 1 1");
    assert_true(lone_status(&lone).tail_bytes < bytes);
    raft_compact(lone.raft, 2); /* nothing of that is left */
    assert_int_equal(lone_status(&lone).base_index, 3);
    raft_compact(lone.raft, 7);
    lone_expect_log(&lone, "");
    assert_int_equal(lone_status(&lone).tail_bytes, 0);
    lone_propose(&lone, "more");
    lone_settle(&lone);
    assert_int_equal(lone_status(&lone).applied, 8);
    lone_close(&lone);
}

static void a_candidate_whose_log_is_all_cut_shows_the_last_entry_of_its_state(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "", .base = 9, .base_term = 5});
    lone_stand(&lone);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_VOTE, 2)->index, 9);
    assert_int_equal(lone_last(&lone, RAFT_VOTE, 2)->log_term, 5);
    lone_close(&lone);
}

static void an_append_from_before_the_logs_beginning_comes_late_and_does_no_harm(void **state) {
    (void)state;
    open_cut();
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 1, .log_term = 1}, "1 1 2 2");
    lone_expect_log(&lone, "2 3");
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND_REPLY, 2)->index, 5);
    assert_false(lone_last(&lone, RAFT_APPEND_REPLY, 2)->rejected);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 1, .log_term = 1}, "1 1");
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND_REPLY, 2)->index, 3);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 2, .log_term = 1, .commit = 7},
                "1 2 2 3 3");
    lone_expect_log(&lone, "2 3 3");
    assert_int_equal(lone_status(&lone).commit, 7);
    lone_close(&lone);
}

/* ---- the leader's side ----------------------------------------------------------------------------------- */

static void a_follower_that_has_the_logs_beginning_is_sent_entries(void **state) {
    (void)state;
    lead_cut();
    refuse(6, 4, 2);
    assert_int_equal(lone.snapshot_count, 0);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->index, 4);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->log_term, 2);
    lone_close(&lone);
}

static void a_follower_whose_log_ends_before_ours_begins_needs_a_snapshot_and_is_named_once(void **state) {
    (void)state;
    lead_cut();
    refuse(6, 3, 2);
    assert_int_equal(lone.snapshot_count, 1);
    assert_int_equal(lone.snapshots[0], 3);
    assert_true(needs_snapshot(3));
    assert_false(needs_snapshot(2));
    lone_propose(&lone, "x");
    for (int i = 0; i < 20; i++)
        beat();
    assert_int_equal(lone.snapshot_count, 1);
    for (size_t i = 0; i < lone.sent_count; i++)
        if (lone.sent[i].to == 3)
            assert_int_equal(lone.sent[i].entries.count, 0);
    lone_close(&lone);
}

static void while_a_snapshot_goes_out_its_receiver_hears_the_leader_and_counts(void **state) {
    (void)state;
    lead_one_that_needs_a_snapshot();
    assert_int_equal(raft_read(lone.raft, 5), RAFT_OK);
    lone_settle(&lone);
    raft_unreachable(lone.raft, 2);
    lone_settle(&lone);
    const struct raft_message *heartbeat = lone_last(&lone, RAFT_APPEND, 3);
    assert_int_equal(heartbeat->index, 0);
    assert_int_equal(heartbeat->log_term, 0);
    assert_int_equal(heartbeat->round, 1);
    lone_step(&lone,
              (struct raft_message){.type = RAFT_APPEND_REPLY, .from = 3, .term = 4, .index = 0, .round = 1});
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 1);
    assert_true(needs_snapshot(3)); /* "I have the log through 0" is no news */
    for (int i = 0; i < 20; i++) {  /* follower 2 is gone */
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_ack(&lone, 3, 0);
        lone_settle(&lone);
        assert_true(lone_count(&lone, RAFT_APPEND, 3) > (size_t)i);
    }
    assert_int_equal(lone.snapshot_count, 0);
    assert_int_equal(lone_role(&lone), RAFT_LEADER);
    lone_close(&lone);
}

static void a_snapshot_that_failed_is_asked_for_again_after_a_heartbeats_time(void **state) {
    (void)state;
    lead_one_that_needs_a_snapshot();
    raft_snapshot_sent(lone.raft, 3, 6, false);
    lone_settle(&lone);
    assert_int_equal(lone.snapshot_count, 0);
    beat();
    assert_int_equal(lone.snapshot_count, 1);
    lone_close(&lone);
}

static void after_a_snapshot_entries_follow_it(void **state) {
    (void)state;
    lead_one_that_needs_a_snapshot();
    raft_snapshot_sent(lone.raft, 3, 6, true);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->index, 6);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->entries.count, 0);
    lone_ack(&lone, 3, 6);
    lone_settle(&lone);
    assert_false(needs_snapshot(3));
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->index, 6);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->entries.count, 1);
    lone_close(&lone);
}

static void a_snapshot_that_is_being_put_in_place_is_waited_for(void **state) {
    (void)state;
    lead_one_that_needs_a_snapshot();
    raft_snapshot_sent(lone.raft, 3, 6, true);
    lone_settle(&lone);
    for (int i = 0; i < 30; i++) {
        refuse(6, 2, 1);
        beat();
    }
    assert_int_equal(lone.snapshot_count, 0);
    assert_in_range(lone_count(&lone, RAFT_APPEND, 3), 30, 32); /* one a heartbeat */
    lone_ack(&lone, 3, 6);
    assert_false(needs_snapshot(3));
    lone_close(&lone);
}

static void a_snapshot_that_never_gets_in_place_is_asked_for_again(void **state) {
    (void)state;
    lead_one_that_needs_a_snapshot();
    raft_snapshot_sent(lone.raft, 3, 6, true);
    for (int i = 0; i < 50; i++) {
        refuse(6, 2, 1);
        beat();
    }
    assert_int_equal(lone.snapshot_count, 1);
    lone_close(&lone);
}

static void refuses_in_term_1(raft_index rejected, raft_index last) {
    lone_step(&lone, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 3,
                                           .term = 1,
                                           .rejected = true,
                                           .rejected_index = rejected,
                                           .index = last,
                                           .log_term = last > 0});
    lone_settle(&lone);
}

static void a_log_of_five_more_is_cut_before_its_last(raft_index last) {
    for (int i = 0; i < 5; i++)
        lone_propose(&lone, "x");
    lone_settle(&lone);
    lone_ack(&lone, 2, last);
    lone_settle(&lone);
    raft_compact(lone.raft, last - 1);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
}

static void a_snapshot_in_place_that_the_log_was_cut_past_meanwhile_is_followed_by_another(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3});
    lone_lead(&lone);
    lone_settle(&lone);
    lone_ack(&lone, 2, 1);
    a_log_of_five_more_is_cut_before_its_last(6); /* the no-op is entry 1 */
    refuses_in_term_1(5, 0);
    assert_int_equal(lone.snapshot_count, 1);
    raft_snapshot_sent(lone.raft, 3, 5, true);
    a_log_of_five_more_is_cut_before_its_last(11);
    refuses_in_term_1(10, 0);
    assert_int_equal(lone.snapshot_count, 1); /* not in place yet */
    refuses_in_term_1(10, 5);
    assert_int_equal(lone.snapshot_count, 2); /* at once */
    lone_close(&lone);
}

static void what_live_followers_need_is_known_until_they_have_it(void **state) {
    (void)state;
    lead_one_that_needs_a_snapshot();
    lone_ack(&lone, 2, 7);
    assert_int_equal(raft_needed(lone.raft), 7); /* 3 gets a snapshot, of whatever index */
    raft_snapshot_sent(lone.raft, 3, 6, true);
    assert_int_equal(raft_needed(lone.raft), 6);
    for (int i = 0; i < 5; i++)
        beat(); /* 3 is silent: it puts it in place */
    assert_int_equal(raft_needed(lone.raft), 6);
    lone_ack(&lone, 3, 6);
    assert_int_equal(raft_needed(lone.raft), 6);
    lone_ack(&lone, 3, 7);
    assert_int_equal(raft_needed(lone.raft), 7);
    lone_close(&lone);
}

static void nothing_is_kept_for_one_that_is_silent(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3});
    lone_lead(&lone);
    lone_ack(&lone, 3, 1);
    for (int i = 0; i < 30; i++) {
        lone_ack(&lone, 2, 1);
        beat();
    }
    lone_propose(&lone, "x");
    lone_settle(&lone);
    lone_ack(&lone, 2, 2);
    assert_int_equal(raft_needed(lone.raft), 2);
    lone_close(&lone);
}

static void
a_follower_that_has_come_to_the_logs_beginning_is_through_without_a_word_of_its_sender(void **state) {
    (void)state;
    lead_one_that_needs_a_snapshot();
    lone_ack(&lone, 3, 6);
    lone_settle(&lone);
    assert_false(needs_snapshot(3));
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->index, 6);
    raft_snapshot_sent(lone.raft, 3, 6, false);
    beat();
    assert_int_equal(lone.snapshot_count, 0);
    lone_close(&lone);
}

static void
who_was_lost_from_sight_is_asked_at_the_logs_beginning_before_it_is_sent_a_snapshot(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3});
    lone_lead(&lone);
    lone_ack(&lone, 2, 0);
    lone_ack(&lone, 3, 0);
    for (int i = 0; i < 5; i++)
        lone_propose(&lone, "x");
    lone_settle(&lone);
    lone_ack(&lone, 2, 6);
    lone_settle(&lone);
    raft_compact(lone.raft, 5);
    lone_forget(&lone);
    raft_unreachable(lone.raft, 3); /* its match is 0, and it may have all six */
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    assert_int_equal(lone.snapshot_count, 0);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->index, 5);
    lone_step(&lone, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 3,
                                           .term = 1,
                                           .rejected = true,
                                           .rejected_index = 5,
                                           .index = 4,
                                           .log_term = 1});
    lone_settle(&lone);
    assert_int_equal(lone.snapshot_count, 1);
    lone_close(&lone);
}

static void a_log_that_is_cut_past_what_a_follower_was_sent_makes_it_need_a_snapshot(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .config = {.window_messages_max = 1}});
    lone_lead(&lone);
    lone_ack(&lone, 2, 0);
    lone_ack(&lone, 3, 0);
    lone_settle(&lone); /* the no-op is on its way to 3, and no more fits */
    for (int i = 0; i < 5; i++)
        lone_propose(&lone, "x");
    lone_settle(&lone);
    lone_ack(&lone, 2, 1);
    lone_settle(&lone);
    lone_ack(&lone, 2, 6);
    lone_settle(&lone);
    raft_compact(lone.raft, 5);
    lone_settle(&lone);
    assert_int_equal(lone.snapshot_count, 1);
    assert_int_equal(lone.snapshots[0], 3);
    lone_close(&lone);
}

static void
a_heartbeat_to_one_whose_acknowledgements_the_cut_log_has_overtaken_fits_everywhere(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3});
    lone_lead(&lone);
    lone_ack(&lone, 2, 0);
    lone_ack(&lone, 3, 0);
    lone_settle(&lone);
    for (int i = 0; i < 5; i++)
        lone_propose(&lone, "x");
    lone_settle(&lone);
    lone_ack(&lone, 3, 1);
    lone_ack(&lone, 2, 6);
    lone_settle(&lone);
    raft_compact(lone.raft, 4); /* 2 to 6 are on their way to 3 */
    lone_forget(&lone);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 3), 1);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->index, 0);
    lone_ack(&lone, 3, 6);
    lone_forget(&lone);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->index, 6);
    assert_int_equal(lone.snapshot_count, 0);
    lone_close(&lone);
}

static void a_probe_that_the_cut_log_has_left_behind_moves_to_its_beginning(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3});
    lone_lead(&lone); /* the probe to 3 is at 0 */
    lone_ack(&lone, 2, 0);
    for (int i = 0; i < 5; i++)
        lone_propose(&lone, "x");
    lone_settle(&lone);
    lone_ack(&lone, 2, 6);
    lone_settle(&lone);
    raft_compact(lone.raft, 4);
    lone_forget(&lone);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->index, 4);
    assert_int_equal(lone.snapshot_count, 0);
    lone_close(&lone);
}

/* ---- the receiver's side --------------------------------------------------------------------------------- */

static void a_snapshot_at_or_below_the_commit_index_is_nothing_new(void **state) {
    (void)state;
    open_cut();
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 6, .log_term = 3, .commit = 6},
                "");
    lone_settle(&lone);
    lone_forget(&lone);
    assert_false(restore(6, 3, "1v 2v"));
    assert_false(restore(3, 1, "1v 2v"));
    lone_settle(&lone);
    assert_int_equal(lone.restores, 0);
    lone_expect_log(&lone, "2 3");
    lone_expect_members(&lone, "1v 2v 3v", 0);
    assert_int_equal(lone_last(&lone, RAFT_APPEND_REPLY, 2)->index, 6); /* the leader is told */
    lone_close(&lone);
}

/* What follows was acknowledged: the leader may have counted it. */
static void a_snapshot_that_the_log_holds_only_tells_that_all_up_to_it_is_committed(void **state) {
    (void)state;
    open_cut();
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 6, .log_term = 3}, "3 3");
    assert_false(restore(6, 3, "1v 2v"));
    assert_int_equal(lone_status(&lone).commit, 6);
    lone_expect_log(&lone, "2 3 3 3");
    lone_expect_members(&lone, "1v 2v 3v", 0);
    lone_settle(&lone);
    assert_int_equal(lone.restores, 0);
    assert_int_equal(lone.fetch_count, 1); /* to apply 5 and 6, as ever */
    lone_close(&lone);
}

static void any_other_snapshot_replaces_state_log_and_members(void **state) {
    (void)state;
    open_cut();
    lone_append(&lone, (struct raft_message){.from = 2, .term = 7, .index = 4, .log_term = 2}, "");
    lone_forget(&lone);
    assert_true(restore(6, 5, "1v 2v 4v 5l")); /* our entry 6 has term 3 */
    lone_expect_log(&lone, "");
    assert_int_equal(lone_status(&lone).base_index, 6);
    assert_int_equal(lone_status(&lone).base_term, 5);
    assert_int_equal(lone_status(&lone).commit, 6);
    lone_expect_members(&lone, "1v 2v 4v 5l", 6);
    lone_expect_list(raft_members_applied(lone.raft), "1v 2v 4v 5l");
    lone_collect(&lone);
    assert_int_equal(lone.restores, 1);
    assert_int_equal(lone.restore.index, 6);
    assert_int_equal(lone.restore.term, 5);
    lone_close(&lone);
    open_cut();
    assert_true(restore(9, 3, "1v 2v")); /* beyond our log */
    lone_expect_log(&lone, "");
    lone_close(&lone);
}

static void a_replaced_log_is_acknowledged_when_it_is_durable(void **state) {
    (void)state;
    open_cut();
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 6, .log_term = 3}, "");
    lone_settle(&lone);
    lone_forget(&lone);
    assert_true(restore(9, 3, "1v 2v 3v"));
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 0);
    assert_int_equal(lone.promised_count, 1);
    assert_int_equal(lone.promised[0].type, RAFT_APPEND_REPLY);
    assert_int_equal(lone.promised[0].to, 2);
    assert_int_equal(lone.promised[0].index, 9);
    assert_int_equal(lone_status(&lone).saved_index, 4); /* as far as the old log is true for ever */
    raft_saved(lone.raft, lone.now_ms, lone.sequence);
    assert_int_equal(lone_status(&lone).saved_index, 9);
    lone_close(&lone);
}

static void what_was_promised_of_the_replaced_log_is_promised_no_more(void **state) {
    (void)state;
    open_cut();
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 6, .log_term = 3}, "3 3 3");
    assert_true(restore(8, 2, "1v 2v 3v"));
    lone_collect(&lone);
    assert_int_equal(lone.promised_count, 1);
    assert_int_equal(lone.promised[0].index, 8);
    assert_int_equal(lone.saved_count, 0);
    lone_close(&lone);
}

static void what_was_on_its_way_to_the_disk_does_not_count_as_the_new_log(void **state) {
    (void)state;
    open_cut();
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 6, .log_term = 3}, "3 3 3");
    lone_collect(&lone);
    uint64_t first = lone.sequence;
    assert_true(restore(12, 3, "1v 2v 3v"));
    lone_collect(&lone);
    raft_saved(lone.raft, lone.now_ms, first);
    assert_int_equal(lone_status(&lone).saved_index, 4);
    raft_saved(lone.raft, lone.now_ms, lone.sequence);
    assert_int_equal(lone_status(&lone).saved_index, 12);
    lone_close(&lone);
}

static void nothing_is_applied_before_the_state_machine_holds_the_new_state(void **state) {
    (void)state;
    open_cut();
    assert_true(restore(9, 3, "1v 2v 3v"));
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 9, .log_term = 3, .commit = 11},
                "3 3");
    lone_settle(&lone);
    assert_int_equal(lone.applied_count, 0);
    assert_int_equal(lone_status(&lone).applied, 4);
    raft_applied(lone.raft, 9);
    lone_settle(&lone);
    assert_int_equal(lone.applied_count, 2);
    assert_int_equal(lone.applied[0].index, 10);
    assert_int_equal(lone_status(&lone).applied, 11);
    lone_close(&lone);
}

static void entries_after_a_snapshot_are_saved_in_the_same_ready_behind_it(void **state) {
    (void)state;
    open_cut();
    assert_true(restore(9, 3, "1v 2v 3v"));
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 9, .log_term = 3}, "3 3");
    lone_collect(&lone);
    assert_int_equal(lone.restores, 1);
    assert_int_equal(lone.sequence, 1);
    assert_int_equal(lone.saved_count, 2);
    assert_int_equal(lone.saved[0].index, 10);
    lone_close(&lone);
}

static void a_snapshot_of_a_newer_term_brings_its_term(void **state) {
    (void)state;
    open_cut();
    assert_true(restore(9, 8, "1v 2v 3v"));
    assert_int_equal(lone_status(&lone).term, 8);
    lone_collect(&lone);
    assert_int_equal(lone.vote.term, 8);
    lone_close(&lone);
}

static void a_leader_needs_no_snapshot(void **state) {
    (void)state;
    lead_cut();
    assert_false(restore(90, 4, "1v 2v 3v"));
    lone_settle(&lone);
    assert_int_equal(lone.restores, 0);
    lone_close(&lone);
}

static void a_node_that_a_snapshot_does_not_have_as_a_member_is_removed(void **state) {
    (void)state;
    open_cut();
    assert_true(restore(9, 3, "1r 2v 3v"));
    assert_true(lone_status(&lone).removed);
    lone_close(&lone);
}

static void entries_that_were_being_read_back_are_not_applied_to_the_new_state(void **state) {
    (void)state;
    open_cut();
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 6, .log_term = 3, .commit = 6},
                "");
    lone_collect(&lone);
    assert_int_equal(lone.fetch_count, 1);
    assert_true(restore(9, 3, "1v 2v 3v"));
    raft_applied(lone.raft, 9);
    struct raft_blob *blob = raft_blob_new(1);
    struct raft_entry entries[] = {{5, 2, RAFT_ENTRY_COMMAND, blob}, {6, 3, RAFT_ENTRY_COMMAND, blob}};
    raft_fetched(lone.raft, &lone.fetches[0], &(struct raft_entries){entries, 2});
    lone_settle(&lone);
    assert_int_equal(lone.applied_count, 0);
    raft_blob_unref(blob);
    lone_close(&lone);
}

static void entries_that_were_about_to_be_applied_are_not_applied_to_the_new_state(void **state) {
    (void)state;
    open_cut();
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 6, .log_term = 3, .commit = 6},
                "");
    lone_collect(&lone);
    struct raft_blob *blob = raft_blob_new(1);
    struct raft_entry entries[] = {{5, 2, RAFT_ENTRY_COMMAND, blob}, {6, 3, RAFT_ENTRY_COMMAND, blob}};
    raft_fetched(lone.raft, &lone.fetches[0], &(struct raft_entries){entries, 2});
    assert_true(restore(9, 3, "1v 2v 3v"));
    lone_collect(&lone);
    assert_int_equal(lone.applied_count, 0);
    raft_blob_unref(blob);
    lone_close(&lone);
}

static void entries_that_are_never_read_back_do_not_hold_up_the_new_state(void **state) {
    (void)state;
    open_cut();
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 6, .log_term = 3, .commit = 6},
                "");
    lone_collect(&lone);
    assert_int_equal(lone.fetch_count, 1);
    assert_true(restore(9, 3, "1v 2v 3v"));
    raft_applied(lone.raft, 9);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 3, .index = 9, .log_term = 3, .commit = 10},
                "3");
    lone_settle(&lone);
    assert_int_equal(lone.applied_count, 1);
    assert_int_equal(lone.applied[0].index, 10);
    lone_close(&lone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_was_cut_knows_the_term_of_the_entry_before_it_and_of_none_before_that),
        cmocka_unit_test(cutting_the_log_moves_its_beginning_and_keeps_the_rest),
        cmocka_unit_test(a_candidate_whose_log_is_all_cut_shows_the_last_entry_of_its_state),
        cmocka_unit_test(an_append_from_before_the_logs_beginning_comes_late_and_does_no_harm),
        cmocka_unit_test(a_follower_that_has_the_logs_beginning_is_sent_entries),
        cmocka_unit_test(a_follower_whose_log_ends_before_ours_begins_needs_a_snapshot_and_is_named_once),
        cmocka_unit_test(while_a_snapshot_goes_out_its_receiver_hears_the_leader_and_counts),
        cmocka_unit_test(a_snapshot_that_failed_is_asked_for_again_after_a_heartbeats_time),
        cmocka_unit_test(after_a_snapshot_entries_follow_it),
        cmocka_unit_test(a_snapshot_that_is_being_put_in_place_is_waited_for),
        cmocka_unit_test(a_snapshot_that_never_gets_in_place_is_asked_for_again),
        cmocka_unit_test(a_snapshot_in_place_that_the_log_was_cut_past_meanwhile_is_followed_by_another),
        cmocka_unit_test(what_live_followers_need_is_known_until_they_have_it),
        cmocka_unit_test(nothing_is_kept_for_one_that_is_silent),
        cmocka_unit_test(
            a_follower_that_has_come_to_the_logs_beginning_is_through_without_a_word_of_its_sender),
        cmocka_unit_test(who_was_lost_from_sight_is_asked_at_the_logs_beginning_before_it_is_sent_a_snapshot),
        cmocka_unit_test(a_log_that_is_cut_past_what_a_follower_was_sent_makes_it_need_a_snapshot),
        cmocka_unit_test(a_heartbeat_to_one_whose_acknowledgements_the_cut_log_has_overtaken_fits_everywhere),
        cmocka_unit_test(a_probe_that_the_cut_log_has_left_behind_moves_to_its_beginning),
        cmocka_unit_test(a_snapshot_at_or_below_the_commit_index_is_nothing_new),
        cmocka_unit_test(a_snapshot_that_the_log_holds_only_tells_that_all_up_to_it_is_committed),
        cmocka_unit_test(any_other_snapshot_replaces_state_log_and_members),
        cmocka_unit_test(a_replaced_log_is_acknowledged_when_it_is_durable),
        cmocka_unit_test(what_was_promised_of_the_replaced_log_is_promised_no_more),
        cmocka_unit_test(what_was_on_its_way_to_the_disk_does_not_count_as_the_new_log),
        cmocka_unit_test(nothing_is_applied_before_the_state_machine_holds_the_new_state),
        cmocka_unit_test(entries_after_a_snapshot_are_saved_in_the_same_ready_behind_it),
        cmocka_unit_test(a_snapshot_of_a_newer_term_brings_its_term),
        cmocka_unit_test(a_leader_needs_no_snapshot),
        cmocka_unit_test(a_node_that_a_snapshot_does_not_have_as_a_member_is_removed),
        cmocka_unit_test(entries_that_were_being_read_back_are_not_applied_to_the_new_state),
        cmocka_unit_test(entries_that_were_about_to_be_applied_are_not_applied_to_the_new_state),
        cmocka_unit_test(entries_that_are_never_read_back_do_not_hold_up_the_new_state),
    };
    return cmocka_run_group_tests_name("raft_snapshot", tests, NULL, NULL);
}
