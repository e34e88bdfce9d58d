/* SPDX-License-Identifier: MIT */
/*
 * What a checkpoint does to the turns of the loop, with a string of 100 MB and a hash of a million fields. Counted are pages and bytes,
 * which no busy machine changes.
 */
#include "node_world.h"

#include "../src/node_state.h"

enum {
    TEXT_BYTES = 100 * 1000 * 1000,
    FIELDS = 1000 * 1000,
    FIELDS_AT_ONCE = 1000,
    TURN_PAGES = 64,
    TURN_BYTES = 256 * 1024 + 64 * 1024, /* and the page that goes beyond it */
    WRITES_PER_TURN = 8,
    TURNS_MAX = 200000,
};

/* Straight into the keyspace: what is tested is the way out of it. */
static void apply_words(struct node *node, const struct resp_arg *args, size_t count) {
    struct resp_buf reply = {0};
    struct resp_out out = {.buf = &reply, .protocol = 2};
    struct call call = {.keyspace = node->keyspace,
                        .args = args,
                        .count = count,
                        .version = 1,
                        .wall_ms = keyspace_clock(node->keyspace),
                        .reply = &out};
    apply_call(node, command_find(args, count), &call, NULL);
    assert_int_not_equal(resp_buf_bytes(&reply)[0], '-');
    resp_buf_close(&reply);
}

static void make_text(struct node *node, size_t length) {
    char *bytes = malloc(length);
    assert_non_null(bytes);
    memset(bytes, 't', length);
    const struct resp_arg args[] = {{"SET", 3}, {"text", 4}, {bytes, length}};
    apply_words(node, args, 3);
    free(bytes);
}

static void make_hash(struct node *node) {
    static char names[FIELDS_AT_ONCE][16];
    static struct resp_arg args[2 + 2 * FIELDS_AT_ONCE] = {{"HSET", 4}, {"hash", 4}};
    for (int from = 0; from < FIELDS; from += FIELDS_AT_ONCE) {
        for (int i = 0; i < FIELDS_AT_ONCE; i++) {
            int length = snprintf(names[i], sizeof names[i], "field:%d", from + i);
            args[2 + 2 * i] = args[3 + 2 * i] = (struct resp_arg){names[i], (size_t)length};
        }
        apply_words(node, args, 2 + 2 * FIELDS_AT_ONCE);
    }
}

static void change_places(struct node *node, unsigned *chance) {
    char offset[16], field[16];
    for (int i = 0; i < WRITES_PER_TURN; i++) {
        snprintf(offset, sizeof offset, "%d", rand_r(chance) % (TEXT_BYTES - 10));
        const struct resp_arg range[] = {
            {"SETRANGE", 8}, {"text", 4}, {offset, strlen(offset)}, {"changed", 7}};
        apply_words(node, range, 4);
        snprintf(field, sizeof field, "field:%d", rand_r(chance) % FIELDS);
        const struct resp_arg hset[] = {{"HSET", 4}, {"hash", 4}, {field, strlen(field)}, {"changed", 7}};
        apply_words(node, hset, 4);
    }
}

struct course {
    uint64_t pages_max, bytes_max; /* handed out in a turn */
    uint64_t copied_max;           /* before it */
    unsigned turns;
};

/* A whole checkpoint, with changes between its turns. */
static struct course write_checkpoint(struct world *world, bool changes) {
    struct node *node = world->nodes[0].node;
    struct checkpointing *checkpoint = &node->checkpoint;
    struct course course = {0};
    uint64_t done = checkpoint->done_count;
    unsigned chance = 1;
    while (checkpoint->done_count == done && checkpoint->failures == 0 && course.turns++ < TURNS_MAX) {
        uint64_t pages = checkpoint->pages, bytes = checkpoint->bytes, number = checkpoint->number;
        struct keyspace_copied before, after;
        keyspace_checkpoint_copied(node->keyspace, &before);
        if (changes)
            change_places(node, &chance);
        keyspace_checkpoint_copied(node->keyspace, &after);
        world_turn(world, 0);
        if (checkpoint->number != number)
            pages = bytes = 0;
        if (checkpoint->pages - pages > course.pages_max)
            course.pages_max = checkpoint->pages - pages;
        if (checkpoint->bytes - bytes > course.bytes_max)
            course.bytes_max = checkpoint->bytes - bytes;
        if (after.pages - before.pages > course.copied_max)
            course.copied_max = after.pages - before.pages;
    }
    assert_int_equal(checkpoint->failures, 0);
    assert_int_equal(checkpoint->done_count, done + 1);
    return course;
}

static void a_turns_part_of_a_checkpoint_is_bounded(void **state) {
    static const char *const extra[] = {"raft-checkpoint-rate 0\n"};
    (void)state;
    struct world *world = world_new_as(1, extra);
    int fd = world_dial(world, world_leader(world));
    struct node *node = world->nodes[0].node;
    make_text(node, TEXT_BYTES);
    make_hash(node);
    world_ask(world, fd, "SET a 1\r\nRAFT.SNAPSHOT\r\n", "+OK\r\n+OK\r\n");
    struct course all = write_checkpoint(world, true);
    assert_true(node->checkpoint.done_bytes > TEXT_BYTES + FIELDS * 16);
    assert_true(all.bytes_max > 0 && all.bytes_max <= TURN_BYTES);
    assert_true(all.pages_max > 0 && all.pages_max <= TURN_PAGES);
    assert_true(all.copied_max > 0 && all.copied_max <= 3 * WRITES_PER_TURN);
    print_message("%.0f MB in %u turns; the longest turn had %llu us of CPU to do with it\n",
                  (double)node->checkpoint.done_bytes / 1e6, all.turns,
                  (unsigned long long)node->checkpoint.longest.cpu_us);

    struct report report;
    status_report(node, &report);
    assert_true(report.checkpoint_pause.count > 0);
    /* Two clocks that do not run alike, each told in whole us. */
    assert_true(report.checkpoint_longest_cpu_us <=
                report.checkpoint_longest_us + report.checkpoint_longest_us / 100 + 10);
    assert_true(report.checkpoint_copied_pages > 0);
    status_report_free(&report);
    close(fd);
    world_free(world);
}

static void the_next_ones_bytes_follow_the_change(void **state) {
    static const char *const extra[] = {"raft-checkpoint-rate 0\n"};
    (void)state;
    struct world *world = world_new_as(1, extra);
    int fd = world_dial(world, world_leader(world));
    struct node *node = world->nodes[0].node;
    unsigned chance = 7;
    make_text(node, TEXT_BYTES);
    make_hash(node);
    world_ask(world, fd, "SET a 1\r\nRAFT.SNAPSHOT\r\n", "+OK\r\n+OK\r\n");
    write_checkpoint(world, false);
    change_places(node, &chance);
    world_ask(world, fd, "SET a 2\r\nRAFT.SNAPSHOT\r\n", "+OK\r\n+OK\r\n");
    write_checkpoint(world, false);
    assert_in_range(node->checkpoint.done_pages, 2 * WRITES_PER_TURN, 2 * WRITES_PER_TURN + 2);
    assert_true(node->checkpoint.done_bytes < WRITES_PER_TURN * (16384 + 4096) + 4096);
    close(fd);
    world_free(world);
}

static void it_is_written_at_its_rate_and_faster_when_the_log_grows(void **state) {
    static const char *const extra[] = {"raft-checkpoint-rate 1mb\nraft-checkpoint-log-size 1mb\n"};
    static char value[900 * 1000 + 64];
    (void)state;
    struct world *world = world_new_as(1, extra);
    int fd = world_dial(world, world_leader(world));
    struct node *node = world->nodes[0].node;
    make_text(node, TEXT_BYTES / 5);
    world_ask(world, fd, "SET a 1\r\nRAFT.SNAPSHOT\r\n", "+OK\r\n+OK\r\n");
    world_turns(world, 0, 200);
    assert_int_equal(node->checkpoint.phase, CHECKPOINT_WRITING); /* it takes 20 s and more */
    assert_in_range(node->checkpoint.rate, 1 << 20, 2 << 20);
    int length = snprintf(value, sizeof value, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$900000\r\n");
    memset(value + length, 'v', 900 * 1000);
    memcpy(value + length + 900 * 1000, "\r\n", 2);
    world_say(fd, value, (size_t)length + 900 * 1000 + 2);
    world_expect(world, fd, "+OK\r\n");
    world_turns(world, 0, 2);
    assert_int_equal(node->checkpoint.rate, 0);
    write_checkpoint(world, false);
    close(fd);
    world_free(world);
}

/* What changes while nothing can be written would only be kept. */
static void the_next_one_begins_when_the_last_ones_wal_is_moved(void **state) {
    static const char *const extra[] = {"raft-checkpoint-rate 0\n"};
    unsigned moving = 0;
    (void)state;
    struct world *world = world_new_as(1, extra);
    int fd = world_dial(world, world_leader(world));
    struct node *node = world->nodes[0].node;
    const struct checkpointing *checkpoint = &node->checkpoint;
    make_text(node, TEXT_BYTES);
    world_ask(world, fd, "SET a 1\r\nRAFT.SNAPSHOT\r\n", "+OK\r\n+OK\r\n");
    write_checkpoint(world, false);
    make_text(node, TEXT_BYTES / 100);
    world_say(fd, "SET a 2\r\nRAFT.SNAPSHOT\r\n", 24);
    for (unsigned turns = 0; checkpoint->phase == CHECKPOINT_NONE && turns < TURNS_MAX; turns++) {
        world_turn(world, 0);
        if (store_data_is_moving(checkpoint->data)) {
            assert_int_equal(checkpoint->phase, CHECKPOINT_NONE);
            moving += checkpoint->wanted;
        }
    }
    assert_true(moving > 0);
    world_expect(world, fd, "+OK\r\n+OK\r\n");
    write_checkpoint(world, false);
    close(fd);
    world_free(world);
}

static void members_of_megabytes_are_written_too(void **state) {
    static const char *const commands[] = {"RPUSH", "SADD"};
    (void)state;
    struct world *world = world_new(1);
    int fd = world_dial(world, world_leader(world));
    struct node *node = world->nodes[0].node;
    static char bytes[3 * 1000 * 1000];
    memset(bytes, 'm', sizeof bytes);
    for (size_t i = 0; i < 2; i++) {
        const struct resp_arg args[] = {
            {commands[i], strlen(commands[i])}, {commands[i], 5}, {bytes, sizeof bytes}};
        apply_words(node, args, 3);
    }
    const struct resp_arg field[] = {{"HSET", 4}, {"hash", 4}, {"field", 5}, {bytes, sizeof bytes}};
    apply_words(node, field, 4);
    const struct resp_arg key[] = {{"SET", 3}, {bytes, sizeof bytes}, {"v", 1}};
    apply_words(node, key, 3);
    world_ask(world, fd, "SET a 1\r\nRAFT.SNAPSHOT\r\n", "+OK\r\n+OK\r\n");
    write_checkpoint(world, false);
    assert_true(node->checkpoint.done_bytes > 4 * sizeof bytes);
    close(fd);
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turns_part_of_a_checkpoint_is_bounded),
        cmocka_unit_test(the_next_ones_bytes_follow_the_change),
        cmocka_unit_test(it_is_written_at_its_rate_and_faster_when_the_log_grows),
        cmocka_unit_test(the_next_one_begins_when_the_last_ones_wal_is_moved),
        cmocka_unit_test(members_of_megabytes_are_written_too),
    };
    return cmocka_run_group_tests_name("node_checkpoint", tests, NULL, NULL);
}
