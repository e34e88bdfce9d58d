/* SPDX-License-Identifier: MIT */
/* Whole nodes that offer different feature levels: the cluster is at what all of them offer, and does what that level has. */
#include "node_world.h"

#include "../src/node_state.h"

static unsigned level_of(struct world *world, size_t at) {
    return world->nodes[at].node->admission.level;
}

static void turn_for(struct world *world, uint64_t ms) {
    for (uint64_t until_us = world_us(CLOCK_MONOTONIC) + ms * 1000; world_us(CLOCK_MONOTONIC) < until_us;)
        world_turn_all(world);
}

static void wait_for_level(struct world *world, unsigned level) {
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000;
    for (size_t i = 0; i < world->count; i++)
        while (level_of(world, i) != level) {
            if (world_us(CLOCK_MONOTONIC) > until_us)
                fail_msg("node %zu is at level %u, not %u", i + 1, level_of(world, i), level);
            world_turn_all(world);
        }
}

static uint64_t audits(struct world *world) {
    uint64_t count = 0;
    for (size_t i = 0; i < world->count; i++)
        count += world->nodes[i].node->audit.index != 0;
    return count;
}

static void a_new_cluster_begins_with_the_first_and_comes_to_the_newest(void **state) {
    for (size_t count = 1; count <= 3; count += 2) {
        struct world *world = world_new(count);
        (void)state;
        for (size_t i = 0; i < count; i++)
            assert_int_equal(level_of(world, i), LEVEL_FIRST);
        world_leader(world);
        wait_for_level(world, LEVEL_NEWEST);
        world_free(world);
    }
}

static void one_that_offers_less_holds_all_at_its_level(void **state) {
    static const char *const extra[] = {"raft-audit-interval 1\n", "raft-audit-interval 1\n",
                                        "raft-audit-interval 1\nraft-feature-level-max 1\n"};
    (void)state;
    struct world *world = world_new_as(3, extra);
    world_leader(world);
    turn_for(world, 2500);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(level_of(world, i), 1);
    assert_int_equal(audits(world), 0); /* no mark of one is in the log */
    struct report report;
    status_report(world->nodes[0].node, &report);
    assert_int_equal(report.feature_level, 1);
    assert_int_equal(report.feature_level_offered, LEVEL_NEWEST);
    assert_int_equal(report_member(&report, 2)->feature_level, LEVEL_NEWEST);
    assert_int_equal(report_member(&report, 3)->feature_level, 1);
    status_report_free(&report);
    world_free(world);
}

static void with_all_of_them_at_the_second_the_states_are_compared(void **state) {
    static const char *const extra[] = {"raft-audit-interval 1\n", "raft-audit-interval 1\n",
                                        "raft-audit-interval 1\n"};
    (void)state;
    struct world *world = world_new_as(3, extra);
    world_leader(world);
    wait_for_level(world, LEVEL_AUDIT);
    turn_for(world, 2500);
    assert_int_equal(audits(world), 3);
    world_free(world);
}

/* A leader that has not met everybody since its start does not know what they offer. */
static void a_member_that_nobody_has_met_holds_the_level(void **state) {
    (void)state;
    struct world *world = world_new(3);
    size_t leader = world_leader(world);
    wait_for_level(world, LEVEL_NEWEST);
    struct node *node = world->nodes[leader].node;
    struct peer *peer = peers_find(node, (leader + 1) % 3 + 1);
    raft_index last = node->raft_status.last_index;
    node->admission.level = LEVEL_FIRST; /* as if it had not risen */
    peer->offers = 0;
    turn_for(world, 300);
    assert_int_equal(node->admission.level, LEVEL_FIRST);
    assert_int_equal(node->raft_status.last_index, last);
    peer->offers = LEVEL_NEWEST;
    wait_for_level(world, LEVEL_NEWEST);
    assert_int_equal(node->raft_status.last_index, last + 1); /* proposed once */
    world_free(world);
}

static void a_snapshot_or_an_entry_of_a_higher_level_ends_the_node(void **state) {
    (void)state;
    struct world *world = world_new(1);
    struct node *node = world->nodes[0].node;
    world_leader(world);
    assert_true(level_known(node, "entry", 7, LEVEL_NEWEST));
    assert_int_equal(node_ended(node), NODE_RUNNING);
    struct resp_buf bytes = {0};
    resp_request(&bytes, 3);
    resp_request_text(&bytes, "ENTRY");
    resp_request_unsigned(&bytes, LEVEL_NEWEST + 1);
    resp_request_unsigned(&bytes, 1);
    resp_request(&bytes, 1);
    resp_request_text(&bytes, "FLUSHALL.AND.MORE"); /* whatever that may be */
    struct raft_blob *blob = raft_blob_new(resp_buf_length(&bytes));
    memcpy(blob->bytes, resp_buf_bytes(&bytes), blob->length);
    resp_buf_close(&bytes);
    struct raft_entry entry = {.index = node->raft_status.last_index + 1,
                               .term = node->raft_status.term,
                               .type = RAFT_ENTRY_COMMAND,
                               .data = blob};
    raft_index applied = node->raft_status.applied;
    apply_entries(node, &(struct raft_entries){.at = &entry, .count = 1});
    raft_blob_unref(blob);
    assert_int_equal(node_ended(node), NODE_FAILED);
    assert_int_equal(node->raft_status.applied, applied);
    assert_non_null(strstr(node->failure, "is of feature level 3, and this node goes up to 2"));
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_cluster_begins_with_the_first_and_comes_to_the_newest),
        cmocka_unit_test(one_that_offers_less_holds_all_at_its_level),
        cmocka_unit_test(with_all_of_them_at_the_second_the_states_are_compared),
        cmocka_unit_test(a_member_that_nobody_has_met_holds_the_level),
        cmocka_unit_test(a_snapshot_or_an_entry_of_a_higher_level_ends_the_node),
    };
    return cmocka_run_group_tests_name("node level", tests, NULL, NULL);
}
