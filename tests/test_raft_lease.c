/* SPDX-License-Identifier: MIT */
/*
 * Leases and handing over, rule by rule: what a leader may count on, what its followers must keep, what ends it.
 */
#include "raft_lone.h"

static struct lone lone;

static void open_core(size_t voters, bool leases) {
    lone_open(&lone, (struct lone_start){
                         .voters = voters,
                         .term = 1,
                         .log = "1",
                         .applied = 1,
                         .config = {.leases = leases, .clock_drift_permille = 100},
                     });
}

static void heartbeat_from(raft_id leader) {
    lone_append(
        &lone,
        (struct raft_message){.from = leader, .term = lone_status(&lone).term, .index = 1, .log_term = 1},
        "");
}

static void ask(enum raft_message_type type, raft_id from, raft_term term, bool transfer) {
    lone_forget(&lone);
    lone_step(&lone,
              (struct raft_message){
                  .type = type, .from = from, .term = term, .index = 1, .log_term = 1, .transfer = transfer});
    lone_settle(&lone);
}

static bool granted(enum raft_message_type reply) {
    const struct raft_message *message = lone_last(&lone, reply, 0);
    return message && !message->rejected;
}

static void answer_round(raft_id from) {
    uint64_t round = lone_last(&lone, RAFT_APPEND, from)->round;
    lone_step(&lone, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = from,
                                           .term = lone_status(&lone).term,
                                           .index = lone_status(&lone).last_index,
                                           .round = round});
}

/* A leader of `voters` whose no-op is committed; no round was begun yet. */
static void lead(size_t voters, bool leases) {
    open_core(voters, leases);
    lone_lead(&lone);
    for (raft_id id = 2; id <= voters; id++)
        lone_ack(&lone, id, 2);
    lone_settle(&lone);
    assert_true(lone_status(&lone).serving);
}

/* ---- what a leader counts on ----------------------------------------------------------------------------- */

static void a_lease_counts_from_the_beginning_of_the_round_that_a_majority_acknowledged(void **state) {
    (void)state;
    lead(5, true);
    assert_int_equal(raft_lease_until(lone.raft), 0);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    uint64_t began_ms = lone.now_ms;
    lone_settle(&lone);
    lone.now_ms += 70;
    answer_round(2);
    assert_int_equal(raft_lease_until(lone.raft), 0);
    answer_round(3);
    assert_int_equal(raft_lease_until(lone.raft), began_ms + 900);
    raft_index index = 0;
    assert_int_equal(raft_read_lease(lone.raft, began_ms + 899, &index), RAFT_OK);
    assert_int_equal(index, 2);
    assert_int_equal(raft_read_lease(lone.raft, began_ms + 900, &index), RAFT_NO_LEASE);
    lone_close(&lone);
}

static void an_answer_to_an_older_round_does_not_lengthen_a_lease(void **state) {
    (void)state;
    lead(3, true);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    uint64_t began_ms = lone.now_ms;
    lone_settle(&lone);
    uint64_t round = lone_last(&lone, RAFT_APPEND, 2)->round;
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    lone_step(&lone,
              (struct raft_message){
                  .type = RAFT_ROUND_REPLY, .from = 2, .term = lone_status(&lone).term, .round = round});
    assert_int_equal(raft_lease_until(lone.raft), began_ms + 900);
    lone_close(&lone);
}

static void a_thousand_rounds_make_no_lease_longer_than_its_round_allows(void **state) {
    (void)state;
    lead(3, true);
    for (int i = 0; i < 5000; i++) {
        lone.now_ms += 1;
        raft_tick(lone.raft, lone.now_ms);
        uint64_t began_ms = lone.now_ms;
        assert_int_equal(raft_read(lone.raft, 1), RAFT_OK);
        lone_forget(&lone);
        lone_settle(&lone);
        answer_round(lone_last(&lone, RAFT_APPEND, 2) ? 2 : 3); /* one is asked */
        uint64_t until_ms = raft_lease_until(lone.raft);
        assert_true(until_ms <= began_ms + 900);
        assert_true(i < 100 || until_ms + 2 * LONE_TIMEOUT_MS / 32 > began_ms + 900); /* and hardly shorter */
    }
    lone_close(&lone);
}

static void without_the_setting_there_is_no_lease(void **state) {
    raft_index index;
    (void)state;
    lead(3, false);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    answer_round(2);
    assert_int_equal(raft_read_lease(lone.raft, lone.now_ms, &index), RAFT_NO_LEASE);
    lone_close(&lone);
}

static void a_leader_has_no_lease_before_its_no_op_is_committed(void **state) {
    (void)state;
    open_core(3, true);
    lone_lead(&lone);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    uint64_t round = lone_last(&lone, RAFT_APPEND, 2)->round;
    assert_true(round > 0);
    lone_step(&lone,
              (struct raft_message){
                  .type = RAFT_ROUND_REPLY, .from = 2, .term = lone_status(&lone).term, .round = round});
    assert_int_equal(raft_lease_until(lone.raft), 0);
    lone_ack(&lone, 2, 2);
    assert_true(raft_lease_until(lone.raft) > lone.now_ms);
    lone_close(&lone);
}

static void a_single_voter_always_has_a_lease(void **state) {
    (void)state;
    open_core(1, true);
    lone_wait(&lone, 1);
    lone_settle(&lone);
    assert_int_equal(raft_lease_until(lone.raft), lone.now_ms + 900);
    lone_close(&lone);
}

/* ---- what followers keep --------------------------------------------------------------------------------- */

static void after_its_start_a_node_gives_no_vote_for_an_election_timeout(void **state) {
    (void)state;
    for (int leases = 0; leases < 2; leases++) {
        open_core(3, leases);
        lone.now_ms += LONE_TIMEOUT_MS - 1;
        ask(RAFT_PRE_VOTE, 2, 2, false);
        assert_int_equal(granted(RAFT_PRE_VOTE_REPLY), !leases);
        ask(RAFT_VOTE, 2, 2, true);
        assert_int_equal(granted(RAFT_VOTE_REPLY), !leases);
        lone.now_ms += 1;
        ask(RAFT_VOTE, 2, 2, false);
        assert_true(granted(RAFT_VOTE_REPLY));
        lone_close(&lone);
    }
}

static void patience_outlives_the_term_and_the_name_of_the_leader(void **state) {
    (void)state;
    for (int leases = 0; leases < 2; leases++) {
        open_core(3, leases);
        lone.now_ms += 3 * LONE_TIMEOUT_MS;
        heartbeat_from(2);
        lone_step(&lone,
                  (struct raft_message){.type = RAFT_VOTE_REPLY, .from = 3, .term = 2, .rejected = true});
        assert_int_equal(lone_status(&lone).leader, 0);
        lone.now_ms += LONE_TIMEOUT_MS - 1;
        ask(RAFT_VOTE, 3, 2, false);
        assert_int_equal(granted(RAFT_VOTE_REPLY), !leases);
        lone.now_ms += 1;
        ask(RAFT_VOTE, 3, 2, false);
        assert_true(granted(RAFT_VOTE_REPLY));
        lone_close(&lone);
    }
}

static void the_hint_that_a_leader_is_gone_shortens_no_patience_that_a_lease_counts_on(void **state) {
    (void)state;
    for (int leases = 0; leases < 2; leases++) {
        open_core(3, leases);
        lone.now_ms += 3 * LONE_TIMEOUT_MS;
        heartbeat_from(2);
        uint64_t deadline = raft_deadline(lone.raft);
        raft_leader_gone(lone.raft, lone.now_ms, 2);
        assert_int_equal(raft_deadline(lone.raft) == deadline, leases);
        ask(RAFT_VOTE, 3, 2, false);
        assert_int_equal(granted(RAFT_VOTE_REPLY), !leases);
        lone_close(&lone);
    }
}

/* ---- handing over ---------------------------------------------------------------------------------------- */

static void a_lease_ends_before_timeout_now_is_sent_and_stays_away_for_the_term(void **state) {
    (void)state;
    lead(3, true);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_settle(&lone);
    answer_round(2);
    answer_round(3);
    assert_true(raft_lease_until(lone.raft) > lone.now_ms);
    assert_int_equal(raft_transfer(lone.raft, lone.now_ms, 3), RAFT_OK);
    assert_true(raft_lease_until(lone.raft) > lone.now_ms);
    lone_forget(&lone);
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_TIMEOUT_NOW, 3), 1);
    assert_int_equal(raft_lease_until(lone.raft), 0);
    for (int i = 0; i < 20; i++) {
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_settle(&lone);
        answer_round(2);
        answer_round(3);
        assert_int_equal(raft_lease_until(lone.raft), 0);
    }
    assert_int_equal(lone_status(&lone).transferee, 0);
    assert_int_equal(lone_role(&lone), RAFT_LEADER);
    lone_close(&lone);
}

static void a_campaign_that_the_leader_asked_for_is_heard_by_everybody(void **state) {
    (void)state;
    open_core(3, true);
    lone.now_ms += 3 * LONE_TIMEOUT_MS;
    heartbeat_from(2);
    ask(RAFT_VOTE, 3, 2, false);
    assert_false(granted(RAFT_VOTE_REPLY));
    ask(RAFT_VOTE, 3, 2, true);
    assert_true(granted(RAFT_VOTE_REPLY));
    lone_close(&lone);
    lead(3, false);
    ask(RAFT_VOTE, 3, 9, false);
    assert_int_equal(lone_role(&lone), RAFT_LEADER);
    ask(RAFT_VOTE, 3, 9, true); /* its log is behind, but its term counts */
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    assert_false(granted(RAFT_VOTE_REPLY));
    lone_close(&lone);
}

static void only_its_own_leader_can_make_a_follower_stand(void **state) {
    (void)state;
    open_core(3, true);
    heartbeat_from(2);
    lone_step(&lone, (struct raft_message){.type = RAFT_TIMEOUT_NOW, .from = 3, .term = 1});
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    raft_hold_back(lone.raft, true);
    lone_step(&lone, (struct raft_message){.type = RAFT_TIMEOUT_NOW, .from = 2, .term = 1});
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    raft_hold_back(lone.raft, false);
    lone_step(&lone, (struct raft_message){.type = RAFT_TIMEOUT_NOW, .from = 2, .term = 1});
    assert_int_equal(lone_role(&lone), RAFT_CANDIDATE);
    lone_forget(&lone);
    lone_collect(&lone);
    assert_int_equal(lone_count(&lone, RAFT_PRE_VOTE, 0), 0);
    assert_true(lone_last(&lone, RAFT_VOTE, 3)->transfer);
    lone_close(&lone);
}

static void a_request_that_is_repeated_still_says_that_the_leader_wants_it(void **state) {
    (void)state;
    open_core(3, false);
    heartbeat_from(2);
    lone_step(&lone, (struct raft_message){.type = RAFT_TIMEOUT_NOW, .from = 2, .term = 1});
    lone_settle(&lone);
    lone_forget(&lone);
    lone_wait(&lone, LONE_HEARTBEAT_MS);
    lone_collect(&lone);
    assert_int_equal(lone_count(&lone, RAFT_VOTE, 3), 1);
    assert_true(lone_last(&lone, RAFT_VOTE, 3)->transfer);
    lone_close(&lone);
}

static void the_campaign_after_a_lost_transfer_is_an_ordinary_one(void **state) {
    (void)state;
    open_core(3, false);
    heartbeat_from(2);
    lone_step(&lone, (struct raft_message){.type = RAFT_TIMEOUT_NOW, .from = 2, .term = 1});
    lone_settle(&lone);
    lone_forget(&lone);
    lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
    lone_collect(&lone);
    assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE);
    assert_false(lone_last(&lone, RAFT_PRE_VOTE, 3)->transfer);
    lone_close(&lone);
}

static void a_leader_that_hands_over_takes_nothing_and_still_reads(void **state) {
    (void)state;
    lead(3, false);
    assert_int_equal(raft_transfer(lone.raft, lone.now_ms, 2), RAFT_OK);
    struct raft_blob *blob = raft_blob_new(1);
    raft_index index;
    raft_term term;
    blob->bytes[0] = 'x';
    assert_int_equal(raft_propose(lone.raft, blob, &index, &term), RAFT_TRANSFERRING);
    raft_blob_unref(blob);
    assert_int_equal(raft_read(lone.raft, 7), RAFT_OK);
    lone_settle(&lone);
    answer_round(2);
    lone_settle(&lone);
    assert_int_equal(lone.read_count, 1);
    lone_close(&lone);
}

static void without_a_name_the_leadership_goes_to_the_live_voter_whose_log_is_longest(void **state) {
    (void)state;
    lead(5, false);
    raft_index index = lone_propose(&lone, "x");
    lone_settle(&lone);
    lone_ack(&lone, 5, index);
    for (int i = 0; i < 10; i++) { /* 5 falls silent */
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_settle(&lone);
        lone_ack(&lone, 2, index - 1);
        lone_ack(&lone, 3, index);
        lone_ack(&lone, 4, index - 1);
    }
    assert_int_equal(raft_transfer(lone.raft, lone.now_ms, 0), RAFT_OK);
    assert_int_equal(lone_status(&lone).transferee, 3);
    lone_close(&lone);
    lead(1, false);
    assert_int_equal(raft_transfer(lone.raft, lone.now_ms, 0), RAFT_NO_TARGET);
    lone_close(&lone);
}

/* The one that was removed may have led, and go on reading by its lease until it hears of that. */
static void the_last_voter_waits_after_a_start_for_a_lease_that_it_may_have_given(void **state) {
    (void)state;
    static const struct {
        const char *members;
        bool leases, waits;
    } cases[] = {{"1v 2r", true, true}, {"1v 2r", false, false}, {"1v", true, false}, {"1v 2l", true, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct raft_blob *list = lone_members(cases[i].members);
        lone_open(&lone, (struct lone_start){.voters = 2,
                                             .log = "1",
                                             .applied = 1,
                                             .members = list,
                                             .config = {.leases = cases[i].leases}});
        raft_blob_unref(list);
        lone_wait(&lone, LONE_TIMEOUT_MS - 1);
        lone_settle(&lone);
        assert_int_equal(lone_role(&lone) == RAFT_LEADER, !cases[i].waits);
        lone_wait(&lone, LONE_TIMEOUT_MS);
        lone_settle(&lone);
        assert_int_equal(lone_role(&lone), RAFT_LEADER);
        lone_close(&lone);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_counts_from_the_beginning_of_the_round_that_a_majority_acknowledged),
        cmocka_unit_test(an_answer_to_an_older_round_does_not_lengthen_a_lease),
        cmocka_unit_test(a_thousand_rounds_make_no_lease_longer_than_its_round_allows),
        cmocka_unit_test(without_the_setting_there_is_no_lease),
        cmocka_unit_test(a_leader_has_no_lease_before_its_no_op_is_committed),
        cmocka_unit_test(a_single_voter_always_has_a_lease),
        cmocka_unit_test(after_its_start_a_node_gives_no_vote_for_an_election_timeout),
        cmocka_unit_test(patience_outlives_the_term_and_the_name_of_the_leader),
        cmocka_unit_test(the_hint_that_a_leader_is_gone_shortens_no_patience_that_a_lease_counts_on),
        cmocka_unit_test(a_lease_ends_before_timeout_now_is_sent_and_stays_away_for_the_term),
        cmocka_unit_test(a_campaign_that_the_leader_asked_for_is_heard_by_everybody),
        cmocka_unit_test(only_its_own_leader_can_make_a_follower_stand),
        cmocka_unit_test(a_request_that_is_repeated_still_says_that_the_leader_wants_it),
        cmocka_unit_test(the_campaign_after_a_lost_transfer_is_an_ordinary_one),
        cmocka_unit_test(a_leader_that_hands_over_takes_nothing_and_still_reads),
        cmocka_unit_test(without_a_name_the_leadership_goes_to_the_live_voter_whose_log_is_longest),
        cmocka_unit_test(the_last_voter_waits_after_a_start_for_a_lease_that_it_may_have_given),
    };
    return cmocka_run_group_tests_name("raft_lease", tests, NULL, NULL);
}
