/* SPDX-License-Identifier: MIT */
/* What a node cuts off its log's beginning, and how often (src/compact.c). */
#include "node_world.h"

#include "../src/node_state.h"

enum { SMALL = 300, SMALL_BYTES = 2000, LARGE = 20, LARGE_BYTES = 16000, CUTS_MAX = LARGE / 4 };

/* Turns until the log is not being cut, and so many checkpoints were made. */
static void settle(struct world *world, unsigned checkpoints) {
    const struct node *node = world->nodes[0].node;
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000;
    while (node->checkpoint.done_count < checkpoints || node->compacting) {
        assert_true(world_us(CLOCK_MONOTONIC) < until_us);
        world_turn(world, 0);
    }
}

/* One entry. True: the log's beginning has moved since. */
static bool set(struct world *world, int fd, int bytes) {
    static char command[LARGE_BYTES + 64];
    const struct node *node = world->nodes[0].node;
    raft_index before = node->raft_status.base_index;
    int length = snprintf(command, sizeof command, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$%d\r\n", bytes);
    memset(command + length, 'v', (size_t)bytes);
    memcpy(command + length + bytes, "\r\n", 2);
    world_say(fd, command, (size_t)(length + bytes + 2));
    world_expect(world, fd, "+OK\r\n");
    world_turns(world, 0, 2);
    settle(world, 0);
    return node->raft_status.base_index > before;
}

/* The tail that stays is bytes: where entries grow fewer fit into it, so with each of them there is something to cut, a transaction that
 * the next one would wait for. */
static void a_log_whose_entries_grow_is_not_cut_with_each(void **state) {
    static const char *const extra[] = {"raft-checkpoint-log-size 2mb\n"};
    (void)state;
    struct world *world = world_new_as(1, extra);
    int fd = world_dial(world, world_leader(world));
    const struct node *node = world->nodes[0].node;
    for (int i = 0; i < SMALL; i++)
        assert_false(set(world, fd, SMALL_BYTES)); /* there is no checkpoint */
    raft_index whole = node->raft_status.base_index;
    world_ask(world, fd, "RAFT.SNAPSHOT\r\n", "+OK\r\n");
    settle(world, 1);
    world_turns(world, 0, 2);
    assert_true(node->raft_status.base_index > whole);
    unsigned cuts = 0;
    for (int i = 0; i < LARGE; i++)
        cuts += set(world, fd, LARGE_BYTES);
    assert_int_equal(node->checkpoint.done_count, 1);
    assert_in_range(cuts, 1, CUTS_MAX);
    close(fd);
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_whose_entries_grow_is_not_cut_with_each),
    };
    return cmocka_run_group_tests_name("node_compact", tests, NULL, NULL);
}
