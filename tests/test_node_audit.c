/* SPDX-License-Identifier: MIT */
/* Replicas that compare what they hold: one that was changed behind the log's back is found, says so, and serves nobody. */
#include "node_world.h"

#include "../src/node_state.h"
#include "../src/note.h"

static const char *const every_second[] = {"raft-audit-interval 1\n", "raft-audit-interval 1\n",
                                           "raft-audit-interval 1\n"};

static struct audit *audit_of(struct world *world, size_t at) {
    return &world->nodes[at].node->audit;
}

static void wait_for(struct world *world, const char *what, bool (*holds)(struct world *world)) {
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000;
    while (!holds(world)) {
        if (world_us(CLOCK_MONOTONIC) > until_us)
            fail_msg("not in time: %s", what);
        world_turn_all(world);
    }
}

static bool all_are_right_twice(struct world *world) {
    for (size_t i = 0; i < world->count; i++)
        if (audit_of(world, i)->count < 2)
            return false;
    return true;
}

static bool all_are_right(struct world *world) {
    for (size_t i = 0; i < world->count; i++)
        if (audit_of(world, i)->count < 1)
            return false;
    return true;
}

static size_t differing(struct world *world) {
    size_t count = 0;
    for (size_t i = 0; i < world->count; i++)
        count += audit_of(world, i)->differs;
    return count;
}

static bool one_differs(struct world *world) {
    return differing(world) == 1;
}

static bool it_is_held_back(struct world *world) {
    for (size_t i = 0; i < world->count; i++)
        if (audit_of(world, i)->differs)
            return world->nodes[i].node->held_back;
    return false;
}

static void write_some(struct world *world, size_t leader) {
    int fd = world_dial(world, leader);
    world_ask(world, fd, "SET a 1\r\nSET b 2\r\nEXPIRE a 1000\r\nAPPEND b x\r\n",
              "+OK\r\n+OK\r\n:1\r\n:2\r\n");
    close(fd);
}

/* As a bug or a flipped bit would: in this node's state, and in nobody's log. */
static void damage(struct world *world, size_t at) {
    static const struct resp_arg args[] = {{"APPEND", 6}, {"b", 1}, {"!", 1}};
    struct node *node = world->nodes[at].node;
    struct resp_out out = {.protocol = 2};
    struct call call = {.keyspace = node->keyspace,
                        .args = args,
                        .count = 3,
                        .wall_ms = keyspace_clock(node->keyspace),
                        .reply = &out};
    apply_call(node, command_find(args, 3), &call, NULL);
}

static void replicas_that_hold_the_same_are_found_right(void **state) {
    (void)state;
    struct world *world = world_new_as(3, every_second);
    write_some(world, world_leader(world));
    wait_for(world, "two audits", all_are_right_twice);
    assert_int_equal(differing(world), 0);
    assert_true(audit_of(world, 0)->right_index > 2);
    world_free(world);
}

static void a_follower_that_differs_serves_nobody(void **state) {
    char reply[64];
    (void)state;
    struct world *world = world_new_as(3, every_second);
    size_t leader = world_leader(world), victim = (leader + 1) % 3;
    write_some(world, leader);
    wait_for(world, "an audit", all_are_right);
    int fd = world_dial(world, victim);
    world_ask(world, fd, "READONLY\r\nGET b\r\n", "+OK\r\n$2\r\n2x\r\n");
    damage(world, victim);
    wait_for(world, "somebody differs", one_differs);
    assert_true(audit_of(world, victim)->differs);
    world_say(fd, "GET b\r\n", 7);
    world_hear(world, fd, reply, 7);
    assert_string_equal(reply, "-MOVED ");
    close(fd);
    fd = world_dial(world, victim); /* nor as of now, through the leader */
    world_ask(world, fd, "READONLY\r\nRAFT.CONSISTENCY linearizable\r\n", "+OK\r\n+OK\r\n");
    world_say(fd, "GET b\r\n", 7);
    world_hear(world, fd, reply, 7);
    assert_string_equal(reply, "-MOVED ");
    close(fd);
    wait_for(world, "the one that differs is kept from standing", it_is_held_back);
    struct report report;
    status_report(world->nodes[victim].node, &report);
    assert_int_equal(report.state, REPORT_FAILED);
    assert_true(report.audit_differs);
    assert_non_null(strstr(report.failure, "not that of the others"));
    status_report_free(&report);
    char verdict[NODE_REASON_MAX];
    assert_int_equal(note_read(world->nodes[victim].dir, NOTE_DIFFERS, verdict, sizeof verdict), NOTE_READ);
    assert_string_equal(verdict, audit_of(world, victim)->why);
    fd = world_dial(world, leader); /* the others go on */
    world_ask(world, fd, "SET c 1\r\nGET b\r\n", "+OK\r\n$2\r\n2x\r\n");
    close(fd);
    world_free(world);
}

static bool another_leads(struct world *world) {
    for (size_t i = 0; i < world->count; i++)
        if (!audit_of(world, i)->differs && world->nodes[i].node->raft_status.serving)
            return one_differs(world);
    return false;
}

static void a_leader_that_differs_hands_over(void **state) {
    (void)state;
    struct world *world = world_new_as(3, every_second);
    size_t leader = world_leader(world);
    write_some(world, leader);
    wait_for(world, "an audit", all_are_right);
    damage(world, leader);
    wait_for(world, "another one leads", another_leads);
    assert_true(audit_of(world, leader)->differs);
    int fd = world_dial(world, world_leader(world));
    world_ask(world, fd, "GET b\r\n", "$2\r\n2x\r\n");
    close(fd);
    world_free(world);
}

/* The others would take the damage for the truth. */
static void a_leader_that_differs_sends_no_snapshot(void **state) {
    (void)state;
    struct world *world = world_new(3);
    size_t leader = world_leader(world);
    struct node *node = world->nodes[leader].node;
    struct sending *sending = &node->snapshots_out.at[0];
    raft_id to = (leader + 1) % 3 + 1;
    snapshot_out_wanted(node, &(struct raft_ids){.at = &to, .count = 1});
    assert_int_equal(sending->to, to);
    node->audit.differs = true;
    snapshot_out_take(node); /* the one under way stops */
    assert_int_equal(sending->to, 0);
    snapshot_out_wanted(node, &(struct raft_ids){.at = &to, .count = 1});
    assert_int_equal(sending->to, 0);
    node->audit.differs = false;
    snapshot_out_wanted(node, &(struct raft_ids){.at = &to, .count = 1});
    assert_int_equal(sending->to, to);
    world_free(world);
}

static bool all_serve(struct world *world) {
    for (size_t i = 0; i < world->count; i++)
        if (!world->nodes[i].node->caught_up)
            return false;
    return true;
}

static bool nobody_differs(struct world *world) {
    return differing(world) == 0 && all_are_right(world);
}

/* What was wrong in memory is right again when it has been read back: an audit says so. */
static void a_verdict_from_before_the_start_is_lifted_by_an_audit(void **state) {
    char verdict[NODE_REASON_MAX], reply[64];
    (void)state;
    struct world *world = world_new_as(3, every_second);
    size_t leader = world_leader(world), suspect = (leader + 1) % 3;
    write_some(world, leader);
    wait_for(world, "everybody has caught up", all_serve);
    struct node *node = world->nodes[suspect].node;
    assert_true(note_write(node->conf->dir, NOTE_DIFFERS, "digests"));
    audit_remember(node, "digests");
    int fd = world_dial(world, suspect);
    world_ask(world, fd, "READONLY\r\n", "+OK\r\n");
    world_say(fd, "GET b\r\n", 7);
    world_hear(world, fd, reply, 7);
    assert_string_equal(reply, "-MOVED ");
    close(fd);
    wait_for(world, "it is found right", nobody_differs);
    assert_int_equal(note_read(node->conf->dir, NOTE_DIFFERS, verdict, sizeof verdict), NOTE_NONE);
    fd = world_dial(world, suspect);
    world_ask(world, fd, "READONLY\r\nGET b\r\n", "+OK\r\n$2\r\n2x\r\n");
    close(fd);
    damage(world, suspect); /* from now on it is as with any other */
    wait_for(world, "it differs", one_differs);
    assert_false(node->audit.from_before);
    world_free(world);
}

static bool nobody_can_tell(struct world *world) {
    return audit_of(world, 0)->undecided_index > 0 || audit_of(world, 1)->undecided_index > 0;
}

static void of_two_that_differ_neither_is_condemned(void **state) {
    (void)state;
    struct world *world = world_new_as(2, every_second);
    size_t leader = world_leader(world);
    write_some(world, leader);
    wait_for(world, "an audit", all_are_right);
    damage(world, 1 - leader);
    wait_for(world, "the leader says that it cannot tell", nobody_can_tell);
    assert_int_equal(differing(world), 0);
    world_free(world);
}

/* A node that stood still and catches up is told, however late, or not at all; never that it differs. */
static void one_that_is_late_is_not_one_that_differs(void **state) {
    (void)state;
    struct world *world = world_new_as(3, every_second);
    size_t leader = world_leader(world), late = (leader + 1) % 3;
    world->nodes[late].asleep = true;
    write_some(world, leader);
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + 2500000;
    while (world_us(CLOCK_MONOTONIC) < until_us)
        world_turn_all(world);
    assert_true(audit_of(world, leader)->count > 0);
    world->nodes[late].asleep = false;
    wait_for(world, "an audit", all_are_right);
    assert_int_equal(differing(world), 0);
    world_free(world);
}

/* What the leader says of an audit that this node has left behind, and what others say of any, condemns nobody. */
static void only_the_leaders_word_on_the_last_audit_counts(void **state) {
    char number[24];
    (void)state;
    struct world *world = world_new_as(3, every_second);
    size_t leader = world_leader(world), victim = (leader + 1) % 3, other = (leader + 2) % 3;
    wait_for(world, "an audit", all_are_right);
    struct node *node = world->nodes[victim].node;
    struct resp_arg args[] = {{"RAFT.RIGHT", 10}, {number, 0}, {"0000000000000000", 16}};
    const struct resp_command told = {.args = args, .count = 3};
    args[1].length =
        (size_t)snprintf(number, sizeof number, "%llu", (unsigned long long)node->audit.index - 1);
    assert_true(audit_command(node, leader + 1, &told));
    args[1].length = (size_t)snprintf(number, sizeof number, "%llu", (unsigned long long)node->audit.index);
    assert_true(audit_command(node, other + 1, &told));
    assert_false(node->audit.differs);
    assert_true(audit_command(node, leader + 1, &told)); /* this does */
    assert_true(node->audit.differs);
    args[2].length = 15;
    assert_false(audit_command(node, leader + 1, &told));
    world_free(world);
}

static void a_client_cannot_put_a_mark_into_the_log(void **state) {
    (void)state;
    struct world *world = world_new(1);
    int fd = world_dial(world, world_leader(world));
    world_ask(world, fd, "*1\r\n$10\r\nRAFT.AUDIT\r\n", "-ERR unknown command 'RAFT.AUDIT'");
    close(fd);
    fd = world_dial(world, 0);
    world_ask(world, fd, "RAFT.STATE 5 0123456789abcdef\r\n", "-ERR unknown command 'RAFT.STATE'");
    close(fd);
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replicas_that_hold_the_same_are_found_right),
        cmocka_unit_test(a_follower_that_differs_serves_nobody),
        cmocka_unit_test(a_leader_that_differs_hands_over),
        cmocka_unit_test(a_leader_that_differs_sends_no_snapshot),
        cmocka_unit_test(a_verdict_from_before_the_start_is_lifted_by_an_audit),
        cmocka_unit_test(of_two_that_differ_neither_is_condemned),
        cmocka_unit_test(one_that_is_late_is_not_one_that_differs),
        cmocka_unit_test(only_the_leaders_word_on_the_last_audit_counts),
        cmocka_unit_test(a_client_cannot_put_a_mark_into_the_log),
    };
    return cmocka_run_group_tests_name("node_audit", tests, NULL, NULL);
}
