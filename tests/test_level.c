/* SPDX-License-Identifier: MIT */
/* The feature level: when it is raised, who is refused because of it, and what is done only from a level on. */
#include "admission_world.h"

#include "../src/level.h"

#define SECRET "a secret of more than 16 bytes"

/* ---- the rule ------------------------------------------------------------------------------------------------------ */

static void it_rises_to_what_all_offer_and_never_falls(void **state) {
    static const struct {
        unsigned now, offers[4], count, expected;
    } rows[] = {
        {1, {2, 2, 2}, 3, 2},    {1, {2, 1, 2}, 3, 1}, {1, {5, 3, 4}, 3, 3}, {1, {2, 0, 2}, 3, 1},
        {3, {2, 3, 3}, 3, 3},    {3, {0}, 1, 3},       {1, {2}, 1, 2},       {2, {0}, 0, 2},
        {1, {2, 2, 2, 1}, 4, 1}, {2, {2, 2}, 2, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(level_agreed(rows[i].now, rows[i].offers, rows[i].count), rows[i].expected);
}

static void a_cap_lowers_what_is_offered_and_never_raises_it(void **state) {
    (void)state;
    assert_int_equal(level_offered(0), LEVEL_NEWEST);
    assert_int_equal(level_offered(1), 1);
    assert_int_equal(level_offered(LEVEL_NEWEST), LEVEL_NEWEST);
    assert_int_equal(level_offered(LEVEL_NEWEST + 1), LEVEL_NEWEST);
    assert_int_equal(level_offered(4294967295u), LEVEL_NEWEST);
}

/* ---- the handshake ------------------------------------------------------------------------------------------------- */

static struct world world;
static struct handshake shake;

#define TOO_OLD                                                                                              \
    "node 2 offers feature level 1, and the cluster is at 2: it needs a redraft that knows that level, or "  \
    "a "                                                                                                     \
    "higher raft-feature-level-max"

static int begin(void **state) {
    (void)state;
    set_up_world(&world, 3, SECRET);
    meet_all(&world);
    return 0;
}

static int end(void **state) {
    (void)state;
    handshake_close(&shake);
    return 0;
}

/* Node 2 is the one that is too old. */
static void be_old(void) {
    world.nodes[1].offers = 1;
    world.nodes[0].level = world.nodes[2].level = 2;
}

static void members_tell_what_they_offer_and_where_the_cluster_is(void **state) {
    (void)state;
    world.nodes[0].level = 2;
    assert_int_equal(shake_between(&world, 0, 1, &shake), LINKED);
    assert_int_equal(shake.answer.theirs.offers, LEVEL_NEWEST);
    assert_int_equal(shake.answer.theirs.level, 2);
    assert_int_equal(shake.dial.theirs.offers, LEVEL_NEWEST);
    assert_int_equal(shake.dial.theirs.level, LEVEL_FIRST); /* it is behind, which is nobody's business */
    assert_false(shake.dial.outdated || shake.answer.outdated);
}

static void below_the_clusters_level_an_older_member_is_no_trouble(void **state) {
    (void)state;
    world.nodes[1].offers = 1;
    assert_int_equal(shake_between(&world, 0, 1, &shake), LINKED);
    assert_int_equal(shake_between(&world, 1, 0, &shake), LINKED);
    assert_int_equal(shake.answer.theirs.offers, 1);
}

static void who_dials_one_that_is_too_old_drops_it(void **state) {
    (void)state;
    be_old();
    assert_int_equal(shake_between(&world, 0, 1, &shake), ANSWER_REFUSED);
    assert_string_equal(shake.why, TOO_OLD);
    assert_false(shake.dial.outdated);
    assert_false(shake.dial.proven);
}

static void one_that_is_too_old_learns_so_from_whom_it_dials(void **state) {
    (void)state;
    be_old();
    assert_int_equal(shake_between(&world, 1, 0, &shake), ANSWER_REFUSED);
    assert_string_equal(shake.why, TOO_OLD);
    assert_true(shake.dial.outdated);
}

/* It goes on regardless. */
static void one_that_is_too_old_is_refused_aloud(void **state) {
    (void)state;
    be_old();
    world.nodes[1].offers = 2;
    shake_hello(&shake, &world.nodes[1], 1);
    shake.hello.args[1 + FACT_OFFERS] = arg_of("1");
    shake.dial.ours.offers = 1;
    assert_true(shake_answer(&shake, &world.nodes[0]));
    assert_true(shake_prove(&shake, &world.nodes[1]));
    assert_false(shake_proved(&shake, &world.nodes[0]));
    assert_string_equal(shake.why, TOO_OLD);
    assert_refused_aloud(&shake);
    assert_false(shake.answer.outdated);
}

static void one_that_is_dialled_learns_so_once_the_other_has_proved_itself(void **state) {
    (void)state;
    be_old();
    shake_hello(&shake, &world.nodes[0], 2);
    assert_true(shake_answer(&shake, &world.nodes[1]));
    assert_false(shake.answer.outdated); /* anybody can say hello */
    world.nodes[0].level = 1;            /* lest it drop the link */
    assert_true(shake_prove(&shake, &world.nodes[0]));
    assert_false(shake_proved(&shake, &world.nodes[1]));
    assert_true(shake.answer.outdated);
    assert_string_equal(shake.why, TOO_OLD);
}

static void a_stranger_who_claims_a_higher_level_proves_nothing(void **state) {
    (void)state;
    shake_hello(&shake, &world.nodes[1], 1);
    assert_true(shake_answer(&shake, &world.nodes[0]));
    shake.answered.args[FACT_LEVEL] = arg_of("9");
    assert_false(shake_prove(&shake, &world.nodes[1]));
    assert_string_equal(shake.why, "node 1 could not prove that it knows the raft-secret");
    assert_false(shake.dial.outdated);
    shake_hello(&shake, &world.nodes[0], 2);
    shake.hello.args[1 + FACT_LEVEL] = arg_of("9");
    assert_true(shake_answer(&shake, &world.nodes[1]));
    shake.auth.args[0] = arg_of("RAFT.AUTH");
    shake.auth.args[1] = arg_of("-");
    shake.auth.count = 2;
    assert_false(shake_proved(&shake, &world.nodes[1]));
    assert_false(shake.answer.outdated);
}

static void a_new_node_that_is_too_old_is_not_taken_in(void **state) {
    static struct roster list;
    static struct admission newcomer;
    (void)state;
    be_old();
    roster_read_identity(&list, &world.nodes[0].identity);
    list.at = realloc(list.at, 4 * sizeof *list.at);
    list.at[list.count++] = (struct member){.id = 4, .kind = RAFT_LEARNER};
    world.nodes[0].members = &list;
    world.nodes[0].settled = true;
    set_up_node(&newcomer, 3, 0, SECRET);
    newcomer.offers = 1;
    assert_int_equal(shake_hands(&shake, &newcomer, &world.nodes[0], 0), ANSWER_REFUSED);
    assert_true(shake.dial.outdated);
    world.nodes[0].level = 1; /* as it did before */
    assert_int_equal(shake_hands(&shake, &newcomer, &world.nodes[0], 0), AUTH_REFUSED);
    assert_true(shake.answer.claims);
    world.nodes[0].level = 2; /* it rose in between */
    assert_false(shake_proved(&shake, &world.nodes[0]));
    assert_refused_aloud(&shake);
    assert_non_null(strstr(shake.why, "node 4 offers feature level 1"));
    roster_close(&list);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_rises_to_what_all_offer_and_never_falls),
        cmocka_unit_test(a_cap_lowers_what_is_offered_and_never_raises_it),
        TEST(members_tell_what_they_offer_and_where_the_cluster_is),
        TEST(below_the_clusters_level_an_older_member_is_no_trouble),
        TEST(who_dials_one_that_is_too_old_drops_it),
        TEST(one_that_is_too_old_learns_so_from_whom_it_dials),
        TEST(one_that_is_too_old_is_refused_aloud),
        TEST(one_that_is_dialled_learns_so_once_the_other_has_proved_itself),
        TEST(a_stranger_who_claims_a_higher_level_proves_nothing),
        TEST(a_new_node_that_is_too_old_is_not_taken_in),
    };
    return cmocka_run_group_tests_name("level", tests, NULL, NULL);
}
