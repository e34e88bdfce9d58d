/* SPDX-License-Identifier: MIT */
/*
 * One test for each rule of figure 2 and section 5 of the Raft paper (Ongaro and Ousterhout, "In Search of an Understandable
 * Consensus Algorithm", extended version), in the paper's order.
 */
#include "raft_lone.h"

static struct lone lone;

static void open_follower(size_t voters, raft_term term, const char *log) {
    lone_open(&lone, (struct lone_start){.voters = voters, .term = term, .log = log});
}

static const enum raft_message_type all_types[] = {
    RAFT_PRE_VOTE, RAFT_PRE_VOTE_REPLY, RAFT_VOTE,        RAFT_VOTE_REPLY,
    RAFT_APPEND,   RAFT_APPEND_REPLY,   RAFT_ROUND_REPLY,
};

/* ---- figure 2: rules for all servers --------------------------------------------------------------------- */

static void committed_entries_are_applied_once_and_in_order(void **state) {
    (void)state;
    open_follower(3, 1, "");
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .commit = 2}, "1 1 1");
    lone_settle(&lone);
    assert_int_equal(lone.applied_count, 2);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 3, .log_term = 1, .commit = 3},
                "");
    lone_settle(&lone);
    assert_int_equal(lone.applied_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(lone.applied[i].index, i + 1);
    lone_close(&lone);
}

static void a_newer_term_in_any_message_is_entered_as_a_follower(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof all_types / sizeof *all_types; i++) {
        for (int role = RAFT_FOLLOWER; role <= RAFT_LEADER; role++) {
            enum raft_message_type type = all_types[i];
            bool asks = type == RAFT_PRE_VOTE; /* asks what would be, brings no term */
            open_follower(3, 1, "1");
            if (role == RAFT_PRE_CANDIDATE)
                lone_wait(&lone, 2 * LONE_TIMEOUT_MS);
            else if (role == RAFT_CANDIDATE)
                lone_stand(&lone);
            else if (role == RAFT_LEADER)
                lone_lead(&lone);
            assert_int_equal(lone_role(&lone), role);
            raft_term term = lone_status(&lone).term;
            bool is_reply = type != RAFT_APPEND && type != RAFT_VOTE && type != RAFT_PRE_VOTE;
            /* A leader ignores requests for votes: check-quorum ends it. */
            bool ignored = role == RAFT_LEADER && type == RAFT_VOTE;
            lone_step(&lone,
                      (struct raft_message){.type = type, .from = 2, .term = term + 5, .rejected = is_reply});
            assert_int_equal(lone_status(&lone).term, asks || ignored ? term : term + 5);
            if (!asks && !ignored)
                assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
            lone_close(&lone);
        }
    }
}

/* ---- figure 2: followers --------------------------------------------------------------------------------- */

static void a_follower_answers_candidates_and_leaders(void **state) {
    (void)state;
    open_follower(3, 1, "1");
    lone_step(&lone,
              (struct raft_message){.type = RAFT_VOTE, .from = 2, .term = 2, .index = 1, .log_term = 1});
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_VOTE_REPLY, 2), 1);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 2, .index = 1, .log_term = 1}, "2");
    lone_settle(&lone);
    assert_int_equal(lone_count(&lone, RAFT_APPEND_REPLY, 2), 1);
    lone_close(&lone);
}

static void a_follower_that_hears_nothing_for_its_timeout_stands(void **state) {
    (void)state;
    open_follower(3, 1, "1");
    lone_wait(&lone, LONE_TIMEOUT_MS - 1);
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    lone_wait(&lone, LONE_TIMEOUT_MS / 2 + 1);
    assert_int_equal(lone_role(&lone), RAFT_PRE_CANDIDATE);
    lone_close(&lone);
}

static void a_leaders_append_keeps_a_follower_from_standing(void **state) {
    (void)state;
    open_follower(3, 1, "1");
    for (int i = 0; i < 10; i++) {
        lone_wait(&lone, LONE_TIMEOUT_MS - 1);
        assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
        lone_append(&lone, (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1}, "");
    }
    lone_close(&lone);
}

static void giving_a_vote_keeps_a_follower_from_standing_and_refusing_one_does_not(void **state) {
    (void)state;
    for (int refused = 0; refused < 2; refused++) {
        open_follower(3, 1, "1");
        lone_wait(&lone, LONE_TIMEOUT_MS - 1);
        lone_step(&lone,
                  (struct raft_message){
                      .type = RAFT_VOTE, .from = 2, .term = 2, .index = !refused, .log_term = !refused});
        if (refused) /* the log is older */
            assert_int_equal(lone_status(&lone).vote, 0);
        lone_wait(&lone, LONE_TIMEOUT_MS / 2 + 1);
        assert_int_equal(lone_role(&lone), refused ? RAFT_PRE_CANDIDATE : RAFT_FOLLOWER);
        lone_close(&lone);
    }
}

/* ---- figure 2: candidates -------------------------------------------------------------------------------- */

static void a_candidate_raises_its_term_votes_for_itself_and_asks_everybody(void **state) {
    (void)state;
    open_follower(5, 3, "1 3");
    lone_stand(&lone);
    lone_settle(&lone);
    assert_int_equal(lone_status(&lone).term, 4);
    assert_int_equal(lone.vote.term, 4);
    assert_int_equal(lone.vote.vote, 1);
    for (raft_id to = 2; to <= 5; to++) {
        assert_int_equal(lone_count(&lone, RAFT_VOTE, to), 1);
        const struct raft_message *request = lone_last(&lone, RAFT_VOTE, to);
        assert_int_equal(request->term, 4);
        assert_int_equal(request->index, 2);
        assert_int_equal(request->log_term, 3);
    }
    lone_close(&lone);
}

static void a_majority_of_votes_makes_a_leader_and_fewer_do_not(void **state) {
    (void)state;
    for (size_t voters = 1; voters <= 7; voters++) {
        for (size_t votes = 1; votes <= voters; votes++) {
            open_follower(voters, 1, "1");
            lone_stand(&lone);
            lone_settle(&lone);
            for (raft_id from = 2; from <= votes && lone_role(&lone) == RAFT_CANDIDATE; from++)
                lone_step(&lone, (struct raft_message){.type = RAFT_VOTE_REPLY, .from = from, .term = 2});
            assert_int_equal(lone_role(&lone), votes > voters / 2 ? RAFT_LEADER : RAFT_CANDIDATE);
            lone_close(&lone);
        }
    }
}

static void the_same_vote_twice_is_one_vote_and_a_refusal_none(void **state) {
    (void)state;
    open_follower(5, 1, "1");
    lone_stand(&lone);
    lone_settle(&lone);
    for (int i = 0; i < 5; i++)
        lone_step(&lone, (struct raft_message){.type = RAFT_VOTE_REPLY, .from = 2, .term = 2});
    for (raft_id from = 3; from <= 5; from++)
        lone_step(&lone,
                  (struct raft_message){.type = RAFT_VOTE_REPLY, .from = from, .term = 2, .rejected = true});
    assert_int_equal(lone_role(&lone), RAFT_CANDIDATE);
    lone_close(&lone);
}

static void a_candidate_follows_the_leader_of_its_term_and_not_of_an_older_one(void **state) {
    (void)state;
    open_follower(3, 1, "1");
    lone_stand(&lone);
    lone_append(&lone, (struct raft_message){.from = 3, .term = 1, .index = 1, .log_term = 1}, "");
    assert_int_equal(lone_role(&lone), RAFT_CANDIDATE);
    lone_append(&lone, (struct raft_message){.from = 3, .term = 2, .index = 1, .log_term = 1}, "");
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    assert_int_equal(lone_status(&lone).leader, 3);
    lone_close(&lone);
}

static void a_candidate_without_a_majority_starts_over_with_a_higher_term(void **state) {
    (void)state;
    open_follower(3, 1, "1");
    lone_stand(&lone);
    lone_settle(&lone);
    assert_int_equal(lone_status(&lone).term, 2);
    lone_stand(&lone);
    assert_int_equal(lone_status(&lone).term, 3);
    lone_close(&lone);
}

/* ---- figure 2: leaders ----------------------------------------------------------------------------------- */

static void a_new_leader_announces_itself_with_empty_appends_at_once(void **state) {
    (void)state;
    open_follower(5, 1, "1");
    lone_lead(&lone);
    for (raft_id to = 2; to <= 5; to++) {
        const struct raft_message *append = lone_last(&lone, RAFT_APPEND, to);
        assert_non_null(append);
        assert_int_equal(append->entries.count, 0);
        assert_int_equal(append->term, 2);
    }
    lone_close(&lone);
}

static void an_idle_leader_repeats_empty_appends_before_anybody_stands(void **state) {
    (void)state;
    open_follower(3, 1, "1");
    lone_lead(&lone);
    lone_ack(&lone, 2, 2);
    lone_ack(&lone, 3, 2);
    lone_collect(&lone);
    for (int i = 0; i < 20; i++) {
        lone_forget(&lone);
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_collect(&lone);
        for (raft_id to = 2; to <= 3; to++) {
            assert_int_equal(lone_count(&lone, RAFT_APPEND, to), 1);
            lone_ack(&lone, to, 2);
        }
    }
    lone_close(&lone);
}

static void a_command_is_appended_and_applied_once_a_majority_has_it(void **state) {
    (void)state;
    open_follower(3, 1, "");
    lone_lead(&lone);
    lone_ack(&lone, 2, 1);
    raft_index index = lone_propose(&lone, "x");
    lone_settle(&lone);
    assert_int_equal(index, 2);
    assert_int_equal(lone_status(&lone).applied, 1);
    lone_ack(&lone, 2, 2);
    lone_settle(&lone);
    assert_int_equal(lone_status(&lone).applied, 2);
    assert_int_equal(lone.applied[1].type, RAFT_ENTRY_COMMAND);
    lone_close(&lone);
}

static void a_follower_is_sent_the_entries_from_next_index_on(void **state) {
    (void)state;
    open_follower(3, 0, "");
    lone_lead(&lone);
    for (int i = 0; i < 4; i++)
        lone_propose(&lone, "x");
    lone_ack(&lone, 2, 0); /* the probe: it has nothing */
    lone_forget(&lone);
    lone_settle(&lone);
    const struct raft_message *append = lone_last(&lone, RAFT_APPEND, 2);
    assert_int_equal(append->index, 0);
    assert_int_equal(append->entries.count, 5);
    lone_propose(&lone, "x"); /* next has moved on, though nothing is acknowledged */
    lone_settle(&lone);
    append = lone_last(&lone, RAFT_APPEND, 2);
    assert_int_equal(append->index, 5);
    assert_int_equal(append->log_term, 1);
    assert_int_equal(append->entries.count, 1);
    lone_close(&lone);
}

static void a_successful_append_moves_match_and_a_failed_one_lowers_next(void **state) {
    (void)state;
    struct raft_peer_status peer;
    open_follower(3, 1, "1 1 1");
    lone_lead(&lone);
    lone_forget(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_APPEND_REPLY,
                                           .from = 2,
                                           .term = 2,
                                           .rejected = true,
                                           .rejected_index = 3,
                                           .index = 1,
                                           .log_term = 1});
    lone_collect(&lone);
    assert_int_equal(lone_last(&lone, RAFT_APPEND, 2)->index, 1); /* again, at once, lower */
    lone_ack(&lone, 2, 1);
    lone_collect(&lone);
    assert_true(raft_peer_status(lone.raft, 2, &peer));
    assert_int_equal(peer.match, 1);
    assert_false(peer.probing);
    lone_close(&lone);
}

static void an_entry_of_the_leaders_term_on_a_majority_is_committed(void **state) {
    (void)state;
    static const struct {
        raft_index matches[4]; /* of the others */
        raft_index commit;
    } cases[] = {
        {{0, 0, 0, 0}, 0}, {{5, 0, 0, 0}, 0}, {{5, 4, 0, 0}, 4}, {{5, 5, 0, 0}, 5},
        {{3, 4, 5, 2}, 4}, {{3, 3, 3, 3}, 3}, {{1, 2, 0, 0}, 0}, /* entries 1 and 2 are of an older term */
        {{2, 2, 2, 2}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_follower(5, 1, "1 1");
        lone_lead(&lone);
        lone_propose(&lone, "x");
        lone_propose(&lone, "x");
        lone_settle(&lone);
        for (raft_id from = 2; from <= 5; from++)
            lone_ack(&lone, from, cases[i].matches[from - 2]);
        assert_int_equal(lone_status(&lone).commit, cases[i].commit);
        lone_close(&lone);
    }
}

/* ---- figure 2: RequestVote ------------------------------------------------------------------------------- */

static const struct raft_message *ask_for_vote(raft_id from, raft_term term, raft_index index,
                                               raft_term log_term) {
    lone_forget(&lone);
    lone_step(&lone,
              (struct raft_message){
                  .type = RAFT_VOTE, .from = from, .term = term, .index = index, .log_term = log_term});
    lone_settle(&lone);
    const struct raft_message *reply = lone_last(&lone, RAFT_VOTE_REPLY, from);
    assert_non_null(reply);
    return reply;
}

static void a_vote_for_an_older_term_is_refused_with_the_newer_term(void **state) {
    (void)state;
    open_follower(3, 5, "1");
    const struct raft_message *reply = ask_for_vote(2, 4, 1, 1);
    assert_true(reply->rejected);
    assert_int_equal(reply->term, 5);
    assert_int_equal(lone_status(&lone).vote, 0);
    lone_close(&lone);
}

static void one_vote_is_given_in_a_term_to_who_asks_first(void **state) {
    (void)state;
    open_follower(5, 1, "1");
    assert_false(ask_for_vote(2, 2, 1, 1)->rejected);
    assert_true(ask_for_vote(3, 2, 1, 1)->rejected);
    assert_false(ask_for_vote(2, 2, 1, 1)->rejected); /* the same candidate asks again */
    assert_false(ask_for_vote(3, 3, 1, 1)->rejected);
    lone_close(&lone);
}

static void a_vote_survives_a_restart(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .term = 2, .vote = 2, .log = "1"});
    assert_true(ask_for_vote(3, 2, 1, 1)->rejected);
    assert_false(ask_for_vote(2, 2, 1, 1)->rejected);
    lone_close(&lone);
}

static void a_vote_is_given_to_a_log_that_is_at_least_as_up_to_date(void **state) {
    (void)state;
    static const struct {
        raft_index index;
        raft_term term;
        bool given;
    } cases[] = {
        {3, 2, true},  /* the same */
        {4, 2, true},  /* longer */
        {2, 2, false}, /* shorter */
        {1, 3, true},  /* a later last term, though shorter */
        {9, 1, false}, /* an earlier last term, though longer */
        {0, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_follower(3, 3, "1 2 2");
        assert_int_equal(ask_for_vote(2, 4, cases[i].index, cases[i].term)->rejected, !cases[i].given);
        lone_close(&lone);
    }
}

/* ---- figure 2: AppendEntries ----------------------------------------------------------------------------- */

static const struct raft_message *append(struct raft_message message, const char *terms) {
    lone_forget(&lone);
    lone_append(&lone, message, terms);
    lone_settle(&lone);
    return lone_last(&lone, RAFT_APPEND_REPLY, message.from);
}

static void an_append_of_an_older_term_is_refused_with_the_newer_term(void **state) {
    (void)state;
    open_follower(3, 5, "1");
    const struct raft_message *reply =
        append((struct raft_message){.from = 2, .term = 4, .index = 1, .log_term = 1}, "4");
    assert_true(reply->rejected);
    assert_int_equal(reply->term, 5);
    lone_expect_log(&lone, "1");
    assert_int_equal(lone_status(&lone).leader, 0);
    lone_close(&lone);
}

static void an_append_fits_only_after_an_entry_with_the_same_index_and_term(void **state) {
    (void)state;
    static const struct {
        raft_index index;
        raft_term term;
        bool fits;
    } cases[] = {{0, 0, true},  {1, 1, true},  {3, 2, true}, {3, 1, false},
                 {2, 1, false}, {4, 2, false}, {3, 3, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_follower(3, 3, "1 2 2");
        const struct raft_message *reply = append(
            (struct raft_message){.from = 2, .term = 3, .index = cases[i].index, .log_term = cases[i].term},
            "");
        assert_int_equal(reply->rejected, !cases[i].fits);
        if (cases[i].fits)
            assert_int_equal(reply->index, cases[i].index);
        else
            assert_int_equal(reply->rejected_index, cases[i].index);
        lone_expect_log(&lone, "1 2 2");
        lone_close(&lone);
    }
}

static void an_entry_that_contradicts_the_leaders_is_deleted_with_all_after_it(void **state) {
    (void)state;
    open_follower(3, 4, "1 1 2 2 2");
    assert_false(
        append((struct raft_message){.from = 2, .term = 4, .index = 2, .log_term = 1}, "3")->rejected);
    lone_expect_log(&lone, "1 1 3");
    assert_int_equal(lone.saved[0].index, 3);
    lone_close(&lone);
}

static void entries_that_are_there_already_are_not_written_again_nor_is_what_follows_cut(void **state) {
    (void)state;
    open_follower(3, 2, "1 1 2 2 2");
    assert_int_equal(
        append((struct raft_message){.from = 2, .term = 2, .index = 1, .log_term = 1}, "1 2")->index, 3);
    assert_int_equal(lone.saved_count, 0);
    lone_expect_log(&lone, "1 1 2 2 2");
    append((struct raft_message){.from = 2, .term = 2, .index = 3, .log_term = 2}, "2 2 2 2");
    assert_int_equal(lone.saved_count, 2); /* only the new ones */
    lone_expect_log(&lone, "1 1 2 2 2 2 2");
    lone_close(&lone);
}

static void the_commit_index_follows_the_leaders_as_far_as_the_log_is_known_to_match(void **state) {
    (void)state;
    static const struct {
        raft_index commit;
        const char *entries;
        raft_index expected;
    } cases[] = {{3, "", 2}, {1, "", 1}, {4, "2 2", 4}, {3, "2 2", 3}, {9, "2", 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_follower(3, 2, "1 1 2"); /* entry 3 may not be the leader's */
        append(
            (struct raft_message){.from = 2, .term = 2, .index = 2, .log_term = 1, .commit = cases[i].commit},
            cases[i].entries);
        assert_int_equal(lone_status(&lone).commit, cases[i].expected);
        append((struct raft_message){.from = 2, .term = 2, .index = 2, .log_term = 1, .commit = 0}, "");
        assert_int_equal(lone_status(&lone).commit, cases[i].expected); /* never back */
        lone_close(&lone);
    }
}

/* ---- figure 2: persistent state -------------------------------------------------------------------------- */

static void term_vote_and_entries_are_durable_before_they_are_told(void **state) {
    (void)state;
    open_follower(3, 1, "1");
    lone_step(&lone,
              (struct raft_message){.type = RAFT_VOTE, .from = 2, .term = 2, .index = 1, .log_term = 1});
    lone_collect(&lone);
    assert_int_equal(lone.vote.term, 2);
    assert_int_equal(lone.vote.vote, 2);
    assert_int_equal(lone.sent_count, 0);
    assert_int_equal(lone.promised_count, 1);
    lone_settle(&lone);
    lone_forget(&lone);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 2, .index = 1, .log_term = 1}, "2");
    lone_collect(&lone);
    assert_int_equal(lone.saved_count, 1);
    assert_int_equal(lone.sent_count, 0);
    assert_int_equal(lone_last(&lone, RAFT_APPEND_REPLY, 2)->index, 2);
    lone_forget(&lone);
    lone_settle(&lone);
    lone_append(&lone, (struct raft_message){.from = 2, .term = 2, .index = 1, .log_term = 1}, "2");
    lone_collect(&lone);
    assert_int_equal(lone.sent_count, 1); /* now nothing need be waited for */
    assert_int_equal(lone.promised_count, 0);
    lone_close(&lone);
}

/* ---- section 5.1 ----------------------------------------------------------------------------------------- */

static void answers_of_an_older_term_are_ignored(void **state) {
    (void)state;
    open_follower(3, 1, "1");
    lone_stand(&lone);
    lone_settle(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_VOTE_REPLY, .from = 2, .term = 1});
    assert_int_equal(lone_role(&lone), RAFT_CANDIDATE);
    lone_step(&lone, (struct raft_message){.type = RAFT_VOTE_REPLY, .from = 2, .term = 2});
    lone_settle(&lone);
    lone_step(&lone, (struct raft_message){.type = RAFT_APPEND_REPLY, .from = 2, .term = 1, .index = 2});
    assert_int_equal(lone_status(&lone).commit, 0);
    lone_close(&lone);
}

/* ---- section 5.2 ----------------------------------------------------------------------------------------- */

static void a_server_starts_as_a_follower(void **state) {
    (void)state;
    lone_open(&lone, (struct lone_start){.voters = 3, .term = 4, .vote = 1, .log = "1 4"});
    assert_int_equal(lone_role(&lone), RAFT_FOLLOWER);
    assert_int_equal(lone_status(&lone).term, 4);
    lone_close(&lone);
}

static void election_timeouts_are_spread_over_half_a_timeout(void **state) {
    (void)state;
    uint64_t least = UINT64_MAX, most = 0;
    for (uint64_t seed = 0; seed < 500; seed++) {
        lone_open(&lone, (struct lone_start){.voters = 3, .seed = seed});
        uint64_t timeout = raft_deadline(lone.raft) - lone.now_ms;
        least = timeout < least ? timeout : least;
        most = timeout > most ? timeout : most;
        lone_close(&lone);
    }
    assert_in_range(least, LONE_TIMEOUT_MS, LONE_TIMEOUT_MS + 20);
    assert_in_range(most, LONE_TIMEOUT_MS * 3 / 2 - 20, LONE_TIMEOUT_MS * 3 / 2 - 1);
}

static void every_attempt_draws_a_new_timeout(void **state) {
    (void)state;
    open_follower(3, 1, "1");
    uint64_t last = 0, changes = 0;
    for (int i = 0; i < 10; i++) {
        uint64_t begun = lone.now_ms;
        size_t attempts = lone_status(&lone).elections;
        while (lone_status(&lone).elections == attempts) {
            lone_forget(&lone);
            lone_wait(&lone, raft_deadline(lone.raft) - lone.now_ms);
            lone_step(&lone, (struct raft_message){.type = RAFT_PRE_VOTE_REPLY,
                                                   .from = 2,
                                                   .term = lone_status(&lone).term + 1});
            lone_settle(&lone);
        }
        assert_in_range(lone.now_ms - begun, LONE_TIMEOUT_MS, LONE_TIMEOUT_MS * 3 / 2 - 1);
        changes += lone.now_ms - begun != last;
        last = lone.now_ms - begun;
    }
    assert_true(changes > 7);
    lone_close(&lone);
}

/* ---- section 5.3 ----------------------------------------------------------------------------------------- */

static void a_leader_never_cuts_its_own_log(void **state) {
    (void)state;
    open_follower(3, 1, "1 1");
    lone_lead(&lone);
    lone_step(&lone,
              (struct raft_message){
                  .type = RAFT_APPEND_REPLY, .from = 2, .term = 2, .rejected = true, .rejected_index = 2});
    lone_append(&lone, (struct raft_message){.from = 3, .term = 1, .index = 0}, "1");
    lone_settle(&lone);
    lone_expect_log(&lone, "1 1 2");
    assert_int_equal(lone_role(&lone), RAFT_LEADER);
    lone_close(&lone);
}

/* The logs of figure 7, and the leader that meets them. */
static const char figure_7_leader[] = "1 1 1 4 4 5 5 6 6 6";
static const char *const figure_7[] = {
    "1 1 1 4 4 5 5 6 6",       "1 1 1 4",       "1 1 1 4 4 5 5 6 6 6 6",
    "1 1 1 4 4 5 5 6 6 6 7 7", "1 1 1 4 4 4 4", "1 1 1 2 2 2 3 3 3 3 3",
};

/* What one says to server 2 reaches the other, who is server 1 to itself and believes the same of the first. */
static void carry(struct lone *from, struct lone *to) {
    lone_settle(from);
    for (size_t i = 0; i < from->sent_count + from->promised_count; i++) {
        struct raft_message message =
            i < from->sent_count ? from->sent[i] : from->promised[i - from->sent_count];
        if (message.to != 2)
            continue;
        message.from = 2;
        lone_step(to, message);
    }
    lone_forget(from);
}

static void a_leader_brings_every_log_of_figure_7_in_line_with_its_own(void **state) {
    (void)state;
    static struct lone leader, follower;
    for (size_t i = 0; i < sizeof figure_7 / sizeof *figure_7; i++) {
        lone_open(&leader, (struct lone_start){.voters = 7, .term = 7, .log = figure_7_leader});
        lone_open(&follower, (struct lone_start){.voters = 7, .term = 7, .log = figure_7[i]});
        lone_lead(&leader);
        for (size_t turn = 0; turn < 8; turn++) {
            lone_settle(&leader);
            for (size_t k = 0; k < leader.fetch_count;
                 k++) { /* entries from before the start come from the disk */
                struct raft_entry entries[16];
                struct raft_entries answer = {entries, 0};
                for (raft_index at = leader.fetches[k].from; at <= leader.fetches[k].to; at++)
                    entries[answer.count++] = (struct raft_entry){
                        .index = at, .term = raft_term_at(leader.raft, at), .type = RAFT_ENTRY_NOOP};
                raft_fetched(leader.raft, &leader.fetches[k], &answer);
            }
            carry(&leader, &follower);
            carry(&follower, &leader);
        }
        lone_expect_log(&follower, "1 1 1 4 4 5 5 6 6 6 8");
        struct raft_peer_status peer;
        assert_true(raft_peer_status(leader.raft, 2, &peer));
        assert_int_equal(peer.match, 11);
        lone_close(&leader);
        lone_close(&follower);
    }
}

/* ---- section 5.4 ----------------------------------------------------------------------------------------- */

static void entries_of_older_terms_are_committed_only_along_with_one_of_the_current_term(void **state) {
    (void)state;
    open_follower(5, 3, "1 2"); /* figure 8 (c): leads term 4, index 2 is of term 2 */
    lone_lead(&lone);
    assert_int_equal(lone_status(&lone).term, 4);
    lone_ack(&lone, 2, 2);
    lone_ack(&lone, 3, 2);
    assert_int_equal(lone_status(&lone).commit, 0); /* on a majority, and could still be overwritten: (d) */
    lone_ack(&lone, 2, 3);
    lone_ack(&lone, 3, 3);
    assert_int_equal(lone_status(&lone).commit, 3); /* (e) */
    lone_close(&lone);
}

/* ---- section 5.5 ----------------------------------------------------------------------------------------- */

static void a_silent_follower_is_tried_for_ever(void **state) {
    (void)state;
    open_follower(3, 1, "1");
    lone_lead(&lone);
    for (int i = 0; i < 100; i++) {
        lone_forget(&lone);
        lone_wait(&lone, LONE_HEARTBEAT_MS);
        lone_ack(&lone, 2, 2);
        lone_collect(&lone);
        assert_int_equal(lone_count(&lone, RAFT_APPEND, 3), 1);
    }
    lone_close(&lone);
}

static void the_same_request_twice_does_no_harm(void **state) {
    (void)state;
    open_follower(3, 1, "1");
    for (int i = 0; i < 3; i++) {
        const struct raft_message *reply = append(
            (struct raft_message){.from = 2, .term = 1, .index = 1, .log_term = 1, .commit = 3}, "1 1");
        assert_false(reply->rejected);
        assert_int_equal(reply->index, 3);
        lone_expect_log(&lone, "1 1 1");
    }
    assert_int_equal(lone_status(&lone).applied,
                     0); /* from before the start: index 1 comes from the disk first */
    assert_int_equal(lone_status(&lone).commit, 3);
    lone_close(&lone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(committed_entries_are_applied_once_and_in_order),
        cmocka_unit_test(a_newer_term_in_any_message_is_entered_as_a_follower),
        cmocka_unit_test(a_follower_answers_candidates_and_leaders),
        cmocka_unit_test(a_follower_that_hears_nothing_for_its_timeout_stands),
        cmocka_unit_test(a_leaders_append_keeps_a_follower_from_standing),
        cmocka_unit_test(giving_a_vote_keeps_a_follower_from_standing_and_refusing_one_does_not),
        cmocka_unit_test(a_candidate_raises_its_term_votes_for_itself_and_asks_everybody),
        cmocka_unit_test(a_majority_of_votes_makes_a_leader_and_fewer_do_not),
        cmocka_unit_test(the_same_vote_twice_is_one_vote_and_a_refusal_none),
        cmocka_unit_test(a_candidate_follows_the_leader_of_its_term_and_not_of_an_older_one),
        cmocka_unit_test(a_candidate_without_a_majority_starts_over_with_a_higher_term),
        cmocka_unit_test(a_new_leader_announces_itself_with_empty_appends_at_once),
        cmocka_unit_test(an_idle_leader_repeats_empty_appends_before_anybody_stands),
        cmocka_unit_test(a_command_is_appended_and_applied_once_a_majority_has_it),
        cmocka_unit_test(a_follower_is_sent_the_entries_from_next_index_on),
        cmocka_unit_test(a_successful_append_moves_match_and_a_failed_one_lowers_next),
        cmocka_unit_test(an_entry_of_the_leaders_term_on_a_majority_is_committed),
        cmocka_unit_test(a_vote_for_an_older_term_is_refused_with_the_newer_term),
        cmocka_unit_test(one_vote_is_given_in_a_term_to_who_asks_first),
        cmocka_unit_test(a_vote_survives_a_restart),
        cmocka_unit_test(a_vote_is_given_to_a_log_that_is_at_least_as_up_to_date),
        cmocka_unit_test(an_append_of_an_older_term_is_refused_with_the_newer_term),
        cmocka_unit_test(an_append_fits_only_after_an_entry_with_the_same_index_and_term),
        cmocka_unit_test(an_entry_that_contradicts_the_leaders_is_deleted_with_all_after_it),
        cmocka_unit_test(entries_that_are_there_already_are_not_written_again_nor_is_what_follows_cut),
        cmocka_unit_test(the_commit_index_follows_the_leaders_as_far_as_the_log_is_known_to_match),
        cmocka_unit_test(term_vote_and_entries_are_durable_before_they_are_told),
        cmocka_unit_test(answers_of_an_older_term_are_ignored),
        cmocka_unit_test(a_server_starts_as_a_follower),
        cmocka_unit_test(election_timeouts_are_spread_over_half_a_timeout),
        cmocka_unit_test(every_attempt_draws_a_new_timeout),
        cmocka_unit_test(a_leader_never_cuts_its_own_log),
        cmocka_unit_test(a_leader_brings_every_log_of_figure_7_in_line_with_its_own),
        cmocka_unit_test(entries_of_older_terms_are_committed_only_along_with_one_of_the_current_term),
        cmocka_unit_test(a_silent_follower_is_tried_for_ever),
        cmocka_unit_test(the_same_request_twice_does_no_harm),
    };
    return cmocka_run_group_tests_name("raft_paper", tests, NULL, NULL);
}
