/* SPDX-License-Identifier: MIT */
/*
 * The flow of entries: windows, probing, read-back, bounds.
 */
#include "raft_lone.h"

static struct lone lone;

static struct raft_peer_status peer_status(raft_id peer) {
    struct raft_peer_status status;
    assert_true(raft_peer_status(lone.raft, peer, &status));
    return status;
}

static void propose_many(int count, const char *text) {
    while (count--)
        lone_propose(&lone, text);
}

static void reject(raft_id from, raft_index rejected, raft_index hint, raft_term hint_term) {
    lone_step(&lone, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = from,
                                           .term = lone_status(&lone).term,
                                           .rejected = true,
                                           .rejected_index = rejected,
                                           .index = hint,
                                           .log_term = hint_term});
}

/* ---- windows --------------------------------------------------------------------------------------------- */

static void appends_go_out_without_waiting_until_the_window_has_its_messages(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){.window_messages_max = 3});
    for (int i = 0; i < 6; i++) {
        lone_propose(&lone, "x");
        lone_settle(&lone);
    }
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 3);
    lone_ack(&lone, 2, 3); /* indexes 2 and 3: two places are free; what waited goes in one */
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 4);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->index, 4);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->entries.count, 3);
    lone_close(&lone);
}

static void the_window_is_bounded_in_bytes_and_an_append_too(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){.window_bytes_max = 50, .append_bytes_max = 20});
    propose_many(10, "0123456789");
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 3); /* 20, 20, 10 */
    assert_int_equal(peer_status(2).window_bytes, 50);
    assert_int_equal(lone.sent[0].entries.count, 2);
    lone_ack(&lone, 2, 3);
    assert_int_equal(peer_status(2).window_bytes, 30);
    lone_settle(&lone);
    assert_int_equal(peer_status(2).window_bytes, 50);
    lone_close(&lone);
}

static void one_ready_does_not_fill_a_large_window(void **state) {
    struct raft_ready ready;
    (void)state;
    lone_open_leader(&lone, (struct raft_config){.append_bytes_max = 20, .ready_bytes_max = 30});
    propose_many(10, "0123456789");
    for (int i = 0; i < 2; i++) {
        assert_true(raft_ready(lone.raft, &ready));
        size_t bytes = 0;
        for (size_t k = 0; k < ready.send.count; k++)
            if (ready.send.at[k].to == 2)
                bytes += 10 * ready.send.at[k].entries.count;
        assert_int_equal(bytes, 40); /* the append that reaches the bound is the last */
    }
    assert_true(raft_ready(lone.raft, &ready));
    assert_int_equal(peer_status(2).window_bytes, 100); /* and nobody had to acknowledge any */
    lone_close(&lone);
}

static void an_entry_larger_than_the_window_goes_alone(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){.window_bytes_max = 20, .append_bytes_max = 20});
    lone_propose(&lone, "small");
    lone_propose(&lone, "an entry that is larger than the whole window");
    lone_propose(&lone, "small");
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 1);
    lone_ack(&lone, 2, 2);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 2);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->entries.count, 1);
    lone_ack(&lone, 2, 3);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->index, 3);
    lone_close(&lone);
}

static void a_window_that_nobody_acknowledges_for_an_election_timeout_is_given_up_for_probing(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){.window_messages_max = 1});
    propose_many(2, "x");
    lone_settle(&lone);
    for (int i = 0; i < 9; i++) {
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_ack(&lone, 2, 1); /* heartbeats are answered; the append was lost */
        lone_settle(&lone);
    }
    assert_false(peer_status(2).probing);
    lone_forget(&lone);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    assert_true(peer_status(2).probing);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->index, 1);
    lone_ack(&lone, 2, 1);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->entries.count, 2); /* again */
    lone_close(&lone);
}

/* ---- probing --------------------------------------------------------------------------------------------- */

static void a_probe_is_one_empty_append_repeated_with_the_heartbeat(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1 1"});
    lone_lead(&lone);
    propose_many(5, "x");
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 1);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->index, 2);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->entries.count, 0);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 2);
    assert_true(peer_status(2).probing);
    lone_close(&lone);
}

static void an_unreachable_peer_is_probed_until_it_answers(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    raft_unreachable(lone.raft, 2);
    propose_many(3, "x");
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2),
                     0); /* not at once: each failure would bring another */
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 3), 1);
    assert_true(peer_status(2).probing);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 1);
    lone_ack(&lone, 2, 1);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->entries.count, 3);
    lone_close(&lone);
}

static void a_refusal_with_a_hint_skips_whole_terms(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1 1 1 4 4 6 6 6 6"});
    lone_lead(&lone);
    lone_forget(&lone);
    reject(2, 9, 7, 3); /* its last at or before 9 with a term not above 6 is 7, of term 3 */
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->index, 3);
    assert_string_equal(lone.trace, "follower 2 rejected 9, trying 3\n");
    lone_close(&lone);
}

static void a_refusal_that_answers_another_probe_is_stale(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1 1 1 1 1 1 1 1 1"});
    lone_lead(&lone);
    lone_forget(&lone);
    reject(2, 5, 3, 1); /* 9 is being asked about */
    lone_settle(&lone);
    assert_int_equal(lone.sent_count, 0);
    lone_close(&lone);
}

static void a_follower_hints_at_its_last_entry_of_a_term_not_above_the_leaders(void **state) {
    (void)state;
    static const struct {
        raft_index index;
        raft_term term;
        raft_index hint;
        raft_term hint_term;
    } cases[] = {{9, 6, 7, 3}, {7, 2, 3, 1}, {6, 6, 6, 3}, {20, 1, 3, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lone_open(&lone, (struct lone_start){.voters = 3, .term = 6, .log = "1 1 1 3 3 3 3"});
        lone_append(
            &lone,
            (struct raft_message){.from = 2, .term = 6, .index = cases[i].index, .log_term = cases[i].term},
            "");
        lone_settle(&lone);
        const struct raft_message *reply = lone_last(&lone, RAFT_APPEND_REPLY, 2);
        assert_true(reply->rejected);
        assert_int_equal(reply->index, cases[i].hint);
        assert_int_equal(reply->log_term, cases[i].hint_term);
        lone_close(&lone);
    }
}

static void late_and_doubled_answers_never_move_match_back_nor_stop_the_pipelining(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    propose_many(5, "x");
    lone_settle(&lone);
    lone_ack(&lone, 2, 4);
    lone_ack(&lone, 2, 2);
    lone_ack(&lone, 2, 4);
    reject(2, 3, 1, 1); /* match is beyond it */
    reject(2, 4, 0, 0);
    assert_int_equal(peer_status(2).match, 4);
    assert_false(peer_status(2).probing);
    lone_ack(&lone, 2, 6);
    assert_int_equal(peer_status(2).match, 6);
    assert_int_equal(peer_status(2).window_bytes, 0);
    reject(2, 7, 2, 1); /* next is 7: 7 was never asked about */
    assert_false(peer_status(2).probing);
    lone_close(&lone);
}

static void refusals_of_a_whole_pipeline_count_once(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    for (int i = 0; i < 5; i++) {
        lone_propose(&lone, "x");
        lone_settle(&lone);
    }
    lone_forget(&lone);
    for (raft_index rejected = 3; rejected <= 5; rejected++) /* the append with 2 was lost */
        reject(2, rejected, 1, 1);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 1);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->index, 1);
    lone_close(&lone);
}

static void a_commit_is_told_to_idle_followers_well_before_the_next_heartbeat(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){0});
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    lone_propose(&lone, "x");
    lone_settle(&lone);
    lone_ack(&lone, 2, 2);
    lone_settle(&lone);
    lone_forget(&lone);
    assert_int_equal(raft_deadline(lone.raft) - lone.now_ms, LONE_HEARTBEAT_MS / 10 + 1);
    lone_wait(&lone, LONE_HEARTBEAT_MS / 10 + 1);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 1);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->commit, 2);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 3), 0); /* it is not known to have the entry */
    lone_close(&lone);
}

/* ---- memory and disk ------------------------------------------------------------------------------------- */

static void what_has_left_memory_is_read_back_for_a_slow_follower(void **state) {
    (void)state;
    lone_open_leader(&lone, (struct raft_config){.tail_bytes_max = 1, .append_bytes_max = 3});
    raft_unreachable(lone.raft, 3);
    for (int i = 0; i < 4; i++) {
        lone_propose(&lone, "x");
        lone_settle(&lone);
        lone_ack(&lone, 2, 2 + i);
        lone_settle(&lone);
    }
    lone_forget(&lone);
    lone_ack(&lone, 3, 1);
    lone_settle(&lone);
    assert_int_equal(lone_status(&lone).tail_bytes, 0);
    assert_int_equal(lone.fetch_count, 1);
    assert_int_equal(lone.fetches[0].for_peer, 3);
    assert_int_equal(lone.fetches[0].from, 2);
    assert_int_equal(lone.fetches[0].to, 5);
    assert_int_equal(lone.fetches[0].bytes_max, 3);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    assert_int_equal(lone.fetch_count, 1); /* one at a time */
    struct raft_blob *blob = raft_blob_new(1);
    struct raft_entry entries[] = {{2, 1, RAFT_ENTRY_COMMAND, blob}, {3, 1, RAFT_ENTRY_COMMAND, blob}};
    lone_forget(&lone);
    raft_fetched(lone.raft, &(struct raft_fetch){.for_peer = 3, .from = 2, .to = 5},
                 &(struct raft_entries){entries, 2});
    raft_blob_unref(blob);
    lone_settle(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 3)->entries.count, 2);
    assert_int_equal(lone_status(&lone).tail_bytes, 0);
    assert_int_equal(lone.fetch_count, 1); /* and on, from where that ended */
    assert_int_equal(lone.fetches[0].from, 4);
    lone_close(&lone);
}

static void an_answer_from_the_disk_that_no_longer_fits_is_ignored_and_asked_for_again(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .log = "1 1 1"});
    lone_lead(&lone);
    lone_forget(&lone);
    reject(2, 3, 1, 1);
    lone_ack(&lone, 2, 1);
    lone_settle(&lone);
    assert_int_equal(lone.fetch_count, 1);
    struct raft_fetch fetch = lone.fetches[0];
    struct raft_entry stale[] = {{2, 7, RAFT_ENTRY_NOOP, NULL}};
    lone_forget(&lone);
    raft_fetched(lone.raft, &fetch, &(struct raft_entries){stale, 1});
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND, 2), 0);
    assert_int_equal(lone.fetch_count, 1);
    lone_forget(&lone);
    raft_fetched(lone.raft, &fetch, &(struct raft_entries){NULL, 0});
    lone_settle(&lone);
    assert_int_equal(lone.fetch_count, 1);
    lone_close(&lone);
}

static void after_a_start_entries_are_read_back_to_be_applied_a_bounded_part_at_a_time(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){
                         .voters = 3, .log = "1 1 1 1", .applied = 1, .config = {.ready_bytes_max = 7}});
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 4, .log_term = 1, .commit = 3},
                "1");
    lone_settle(&lone);
    assert_int_equal(lone.fetch_count, 1);
    assert_int_equal(lone.fetches[0].for_peer, 0);
    assert_int_equal(lone.fetches[0].from, 2);
    assert_int_equal(lone.fetches[0].to, 3); /* no further than committed */
    assert_int_equal(lone.fetches[0].bytes_max, 7);
    struct raft_entry entries[] = {{2, 1, RAFT_ENTRY_NOOP, NULL}, {3, 1, RAFT_ENTRY_NOOP, NULL}};
    raft_fetched(lone.raft, &lone.fetches[0], &(struct raft_entries){entries, 1});
    lone_settle(&lone);
    assert_int_equal(lone.applied_count, 1);
    assert_int_equal(lone.fetches[1].from, 3);
    raft_fetched(lone.raft, &lone.fetches[1], &(struct raft_entries){entries + 1, 1});
    lone_settle(&lone);
    assert_int_equal(lone_status(&lone).applied, 3);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 5, .log_term = 1, .commit = 5},
                "");
    lone_settle(&lone);
    assert_int_equal(lone.fetches[2].to, 4); /* 5 is in memory */
    lone_close(&lone);
}

static void one_part_is_applied_before_the_next_is_given(void **state) {
    (void)state;
    struct raft_ready ready;
    lone_open_leader(&lone, (struct raft_config){.ready_bytes_max = 4});
    propose_many(4, "xxx");
    lone_settle(&lone);
    lone_ack(&lone, 2, 5);
    assert_true(raft_ready(lone.raft, &ready));
    assert_int_equal(ready.apply.count, 1);
    assert_false(raft_ready(lone.raft, &ready));
    raft_applied(lone.raft, 2);
    assert_true(raft_ready(lone.raft, &ready));
    assert_int_equal(ready.apply.at[0].index, 3);
    raft_applied(lone.raft, 3);
    lone_close(&lone);
}

static void what_was_given_and_is_not_applied_is_given_again(void **state) {
    (void)state;
    struct raft_ready ready;
    lone_open_leader(&lone, (struct raft_config){.ready_bytes_max = 1000});
    propose_many(4, "xxx");
    lone_settle(&lone);
    lone_ack(&lone, 2, 5);
    assert_true(raft_ready(lone.raft, &ready));
    assert_int_equal(ready.apply.count, 4);
    assert_int_equal(ready.apply.at[0].index, 2);
    raft_applied(lone.raft, 3);
    assert_int_equal(lone_status(&lone).applied, 3);
    assert_true(raft_ready(lone.raft, &ready));
    assert_int_equal(ready.apply.count, 2);
    assert_int_equal(ready.apply.at[0].index, 4);
    raft_applied(lone.raft, 5);
    assert_false(raft_ready(lone.raft, &ready));
    lone_close(&lone);
}

static void uncommitted_bytes_are_capped_and_one_proposal_always_gets_in(void **state) {
    (void)state;
    raft_index index;
    raft_term term;
    struct raft_blob *big = raft_blob_new(100);
    lone_open_leader(&lone, (struct raft_config){.uncommitted_bytes_max = 10});
    memset(big->bytes, 0, 100);
    assert_int_equal(raft_propose(lone.raft, big, &index, &term), RAFT_OK);
    assert_int_equal(raft_propose(lone.raft, big, &index, &term), RAFT_BUSY);
    assert_int_equal(lone_status(&lone).uncommitted_bytes, 100);
    lone_settle(&lone);
    lone_ack(&lone, 3, 2);
    assert_int_equal(lone_status(&lone).uncommitted_bytes, 0);
    lone_propose(&lone, "12345");
    lone_propose(&lone, "12345");
    assert_int_equal(raft_propose(lone.raft, big, &index, &term), RAFT_BUSY);
    raft_blob_unref(big);
    lone_close(&lone);
}

static void uncommitted_bytes_of_a_lost_leadership_are_forgotten_with_their_entries(void **state) {
    (void)state;
    raft_index index;
    raft_term term;
    struct raft_blob *blob = raft_blob_new(0);
    lone_open_leader(&lone, (struct raft_config){.uncommitted_bytes_max = 10});
    lone_propose(&lone, "1234567890");
    lone_settle(&lone);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 2, .index = 1, .log_term = 1}, "2");
    assert_int_equal(lone_status(&lone).uncommitted_bytes, 0);
    assert_int_equal(raft_propose(lone.raft, blob, &index, &term), RAFT_NOT_LEADER);
    raft_blob_unref(blob);
    lone_lead(&lone);
    lone_propose(&lone, "1234567890");
    lone_close(&lone);
}

static void a_leader_opens_its_term_with_a_no_op_and_serves_once_it_is_applied(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .term = 1, .log = "1", .applied = 1});
    lone_lead(&lone);
    assert_int_equal(lone.saved[0].index, 2);
    assert_int_equal(lone.saved[0].term, 2);
    assert_int_equal(lone.saved[0].type, RAFT_ENTRY_NOOP);
    assert_false(lone_status(&lone).serving);
    lone_ack(&lone, 2, 2);
    assert_false(lone_status(&lone).serving);
    lone_settle(&lone);
    assert_true(lone_status(&lone).serving);
    lone_close(&lone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_go_out_without_waiting_until_the_window_has_its_messages),
        cmocka_unit_test(the_window_is_bounded_in_bytes_and_an_append_too),
        cmocka_unit_test(one_ready_does_not_fill_a_large_window),
        cmocka_unit_test(an_entry_larger_than_the_window_goes_alone),
        cmocka_unit_test(a_window_that_nobody_acknowledges_for_an_election_timeout_is_given_up_for_probing),
        cmocka_unit_test(a_probe_is_one_empty_append_repeated_with_the_heartbeat),
        cmocka_unit_test(an_unreachable_peer_is_probed_until_it_answers),
        cmocka_unit_test(a_refusal_with_a_hint_skips_whole_terms),
        cmocka_unit_test(a_refusal_that_answers_another_probe_is_stale),
        cmocka_unit_test(a_follower_hints_at_its_last_entry_of_a_term_not_above_the_leaders),
        cmocka_unit_test(late_and_doubled_answers_never_move_match_back_nor_stop_the_pipelining),
        cmocka_unit_test(refusals_of_a_whole_pipeline_count_once),
        cmocka_unit_test(a_commit_is_told_to_idle_followers_well_before_the_next_heartbeat),
        cmocka_unit_test(what_has_left_memory_is_read_back_for_a_slow_follower),
        cmocka_unit_test(an_answer_from_the_disk_that_no_longer_fits_is_ignored_and_asked_for_again),
        cmocka_unit_test(after_a_start_entries_are_read_back_to_be_applied_a_bounded_part_at_a_time),
        cmocka_unit_test(one_part_is_applied_before_the_next_is_given),
        cmocka_unit_test(what_was_given_and_is_not_applied_is_given_again),
        cmocka_unit_test(uncommitted_bytes_are_capped_and_one_proposal_always_gets_in),
        cmocka_unit_test(uncommitted_bytes_of_a_lost_leadership_are_forgotten_with_their_entries),
        cmocka_unit_test(a_leader_opens_its_term_with_a_no_op_and_serves_once_it_is_applied),
    };
    return cmocka_run_group_tests_name("raft_flow", tests, NULL, NULL);
}
