/* SPDX-License-Identifier: MIT */
/*
 * A member that has not met all others when the cluster forms, and one of those never comes back: it hears from another who they all were.
 * Node 1 and node 2 meet, then node 2 and node 3, and node 3 stands still for good.
 */
#include "node_world.h"

#include "../src/node_state.h"

static struct world *world;

static struct admission *admission_of(size_t at) {
    return &world->nodes[at].node->admission;
}

/* How many have met node `at`, itself among them. */
static size_t met_by(size_t at) {
    const struct store_identity *identity = &admission_of(at)->identity;
    size_t met = 0;
    for (size_t i = 0; i < identity->member_count; i++)
        met += identity->members[i].incarnation[0] != 0;
    return met;
}

static void awake(bool one, bool two, bool three) {
    world->nodes[0].asleep = !one;
    world->nodes[1].asleep = !two;
    world->nodes[2].asleep = !three;
}

static bool still(uint64_t until_us) {
    assert_true(world_us(CLOCK_MONOTONIC) < until_us);
    world_turn_all(world);
    return true;
}

static int begin(void **state) {
    (void)state;
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + 1000 * WORLD_PATIENCE_MS;
    world = world_new(3);
    awake(true, true, false);
    while ((met_by(0) < 2 || met_by(1) < 2) && still(until_us))
        continue;
    awake(false, true, true);
    while (admission_of(1)->identity.cluster[0] == 0 && still(until_us))
        continue;
    awake(true, true, false);
    return 0;
}

static int end(void **state) {
    (void)state;
    world_free(world);
    return 0;
}

static void the_two_are_a_cluster(void) {
    assert_true(world_leader(world) < 2);
    assert_string_equal(admission_of(0)->identity.cluster, admission_of(1)->identity.cluster);
    assert_int_equal(met_by(0), 3);
}

static void it_hears_of_it_when_it_starts_again(void **state) {
    (void)state;
    assert_int_equal(met_by(0), 2);
    world_restart(world, 0);
    assert_int_equal(met_by(0), 0);
    the_two_are_a_cluster();
}

static void it_asks_while_it_waits(void **state) {
    (void)state;
    assert_int_equal(met_by(0), 2);
    assert_int_equal(admission_of(0)->identity.cluster[0], 0);
    the_two_are_a_cluster();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_hears_of_it_when_it_starts_again),
        TEST(it_asks_while_it_waits),
    };
    return cmocka_run_group_tests_name("node: forming", tests, NULL, NULL);
}
