/* SPDX-License-Identifier: MIT */
/* What a growing write asks before it is proposed, and what becomes of victims: on a node that has nothing but a keyspace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/eviction.h"
#include "../src/node_state.h"

enum { CLOCK = 1000000, KEYS = 20000, TURN_VICTIMS = 256, UNDER_WAY = 4096 };

struct fixture {
    struct node node;
    struct conf conf;
};

static struct resp_arg arg(const char *text) {
    return (struct resp_arg){text, strlen(text)};
}

static void put(struct node *node, size_t number, uint64_t version) {
    static const char value[100] = {0};
    char text[32];
    struct resp_arg key = {text, (size_t)snprintf(text, sizeof text, "%zu", number)};
    keyspace_set_string(node->keyspace, 1, &key, value, sizeof value, false, version);
}

static struct node *setup(struct fixture *f, enum conf_eviction policy) {
    *f = (struct fixture){.conf = {.maxmemory_policy = policy, .maxmemory_samples = 5}};
    f->node.conf = &f->conf;
    f->node.raft_status.serving = true;
    f->node.keyspace = keyspace_new(2);
    keyspace_advance(f->node.keyspace, CLOCK);
    for (size_t i = 0; i < KEYS; i++)
        put(&f->node, i, 7);
    f->conf.maxmemory = keyspace_memory(f->node.keyspace);
    (void)eviction_turn(&f->node);
    return &f->node;
}

static void close_node(struct node *node) {
    for (struct lane *lane; (lane = lanes_take_first(&node->writes));)
        lane_free(lane);
    lane_free(node->writing);
    entry_builder_close(&node->batch);
    eviction_close(node);
    keyspace_free(node->keyspace);
}

/* The entry that is being filled is on its way; the turn ends. */
static void propose(struct node *node) {
    if (!node->writing)
        return;
    static raft_index index;
    node->writing->index = ++index;
    lanes_insert(&node->writes, node->writing);
    node->writing = NULL;
    raft_blob_unref(entry_close(&node->batch, LEVEL_FIRST, CLOCK));
}

/* All victims of the entry being filled, taken out as applying does; and its lane is gone. */
static size_t apply(struct node *node) {
    struct raft_blob *blob = entry_close(&node->batch, LEVEL_FIRST, CLOCK);
    struct resp_parser *parser = resp_parser_new();
    struct entry_reader reader;
    struct resp_command command;
    size_t count = 0;
    assert_true(entry_open(&reader, blob, parser));
    for (; entry_next(&reader, &command); count++) {
        assert_true(eviction_is(&command));
        eviction_apply(node, reader.db, &command);
    }
    resp_parser_free(parser);
    raft_blob_unref(blob);
    lane_free(node->writing);
    node->writing = NULL;
    return count;
}

/* ---- growth ------------------------------------------------------------------------------------------------- */

static size_t growth_of(struct node *node, const char *line) {
    char text[128], *words = text;
    struct resp_arg args[16];
    size_t count = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *word; (word = strsep(&words, " "));)
        args[count++] = arg(word);
    const struct command *row = command_find(args, count);
    assert_non_null(row);
    return eviction_growth(node, 1, row,
                           &(struct resp_command){.args = args, .count = count, .raw_length = strlen(line)});
}

/* Of the names of keys, each of 100 bytes. */
static void put_list(struct node *node, size_t count) {
    struct resp_buf reply = {0};
    struct resp_out out = {.buf = &reply, .protocol = 2};
    for (size_t i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "%zu", i);
        const struct resp_arg args[] = {arg("rpush"), arg("list"), arg(text)};
        const struct command *row = command_find(args, 3);
        struct call call = {node->keyspace, row, args, 3, .db = 1, .version = 7, .reply = &out};
        row->run(&call);
    }
    resp_buf_close(&reply);
}

static void growth_is_guessed_from_what_a_command_says_and_copies(void **state) {
    (void)state;
    static const struct {
        const char *line;
        size_t low, high;
    } rows[] = {
        {"GET 1", 0, 0},
        {"DEL 1", 0, 0},
        {"EXPIRE 1 100", 0, 0},
        {"RENAME 1 2", 0, 0},
        {"SET a b", 20, 200},
        {"SETRANGE a 100000 x", 100000, 100300},
        {"SETBIT a 800000 1", 100000, 100300},
        {"SETRANGE a -5 x", 20, 200},
        {"COPY 1 a", 150, 400},
        {"SUNIONSTORE a 1 2 3", 350, 800},
        {"BITOP AND a 1 2", 250, 600},
        {"SETRANGE 1 100000 x", 99900, 100200}, /* less what is there */
        {"SETRANGE 1 50 x", 20, 200},
        {"SETBIT 1 799 1", 20, 200},
        {"BITFIELD a SET u8 800000 1", 100000, 100400},
        {"BITFIELD a incrby i16 #50000 1", 100000, 100400},
        {"BITFIELD a GET u8 800000", 20, 300},
        {"BITFIELD 1 SET u8 0 1", 20, 300},
        {"BITFIELD a SET u8 9223372036854775807 1", 20, 300},
        {"SORT list STORE a", 1500, 8000},
        {"SORT list GET *", 1500, 8000},
        {"SORT list GET * STORE a", 50000, 70000},
        {"SORT list GET # GET * STORE a", 52000, 74000},
        {"SORT list LIMIT 0 50 GET * STORE a", 5000, 14000},
        {"SORT 1 GET * STORE a", 20, 400}, /* a string */
    };
    struct fixture f;
    struct node *node = setup(&f, CONF_NOEVICTION);
    put_list(node, 500);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_in_range(growth_of(node, rows[i].line), rows[i].low, rows[i].high);
    f.conf.maxmemory = 0;
    assert_int_equal(growth_of(node, "SET a b"), 0);
    close_node(node);
}

/* ---- admission ------------------------------------------------------------------------------------------------ */

static void a_write_that_needs_room_follows_its_victims_and_no_more_go_than_needed(void **state) {
    (void)state;
    for (enum conf_eviction policy = CONF_ALLKEYS_LRU; policy < CONF_NOEVICTION; policy++) {
        struct fixture f;
        struct node *node = setup(&f, policy);
        assert_null(node->writing);
        assert_true(eviction_admit(node, 1000));
        assert_in_range(node->writing->freed, 1000, 1000 + 250);
        assert_int_equal(node->writing->victims, node->eviction.under_way);
        size_t before = keyspace_size(node->keyspace, 1), freed = node->writing->freed;
        size_t memory = keyspace_memory(node->keyspace), victims = apply(node);
        assert_int_equal(before - keyspace_size(node->keyspace, 1), victims);
        assert_int_equal(node->statistics.evicted_keys, victims);
        assert_true(memory - keyspace_memory(node->keyspace) > freed / 2);
        close_node(node);
    }
}

static void room_that_was_made_in_vain_serves_the_next_write(void **state) {
    (void)state;
    struct fixture f;
    struct node *node = setup(&f, CONF_ALLKEYS_LRU);
    assert_true(eviction_admit(node, 20000));
    apply(node); /* and the write made nothing grow */
    size_t evicted = node->statistics.evicted_keys;
    for (size_t turn = 0; turn < 50; turn++) {
        (void)eviction_turn(node);
        assert_true(eviction_admit(node, 16000)); /* the index keeps its part for a while */
        assert_null(node->writing);
    }
    assert_int_equal(node->statistics.evicted_keys, evicted);
    close_node(node);
}

static void a_victim_that_was_written_to_meanwhile_stays(void **state) {
    (void)state;
    struct fixture f;
    struct node *node = setup(&f, CONF_ALLKEYS_RANDOM);
    assert_true(eviction_admit(node, 20000));
    for (size_t i = 0; i < KEYS; i++)
        put(node, i, 8); /* an entry before it */
    assert_true(apply(node) > 50);
    assert_int_equal(node->statistics.evicted_keys, 0);
    assert_int_equal(keyspace_size(node->keyspace, 1), KEYS);
    close_node(node);
}

static void victims_are_bounded_a_turn_and_on_their_way(void **state) {
    (void)state;
    struct fixture f;
    struct node *node = setup(&f, CONF_ALLKEYS_RANDOM);
    f.conf.maxmemory /= 2;
    size_t under_way = 0;
    for (;;) {
        bool again = eviction_turn(node);
        if (!node->writing)
            break;
        assert_int_equal(node->writing->victims, TURN_VICTIMS);
        assert_int_equal(again, under_way + TURN_VICTIMS < UNDER_WAY);
        assert_false(eviction_admit(node, 1));
        under_way += node->writing->victims;
        propose(node);
    }
    assert_int_equal(under_way, UNDER_WAY);
    assert_null(node->writing);
    assert_false(eviction_full(node)); /* there are keys to go: writes wait */
    assert_false(eviction_admit(node, 1));
    close_node(node);
}

static void without_victims_writes_are_refused_only_over_the_limit(void **state) {
    (void)state;
    static const enum conf_eviction policies[] = {CONF_NOEVICTION, CONF_VOLATILE_LRU, CONF_VOLATILE_TTL};
    for (size_t i = 0; i < 3; i++) {
        struct fixture f;
        struct node *node = setup(&f, policies[i]);
        assert_false(eviction_full(node));
        assert_true(
            eviction_admit(node, 100)); /* it is at the limit, and this one goes beyond, as in Redis */
        node->writing = lane_new();
        node->writing->growth = 100;
        (void)eviction_turn(node);
        assert_false(eviction_admit(node, f.conf.maxmemory)); /* it waits until that is applied */
        lane_free(node->writing);
        node->writing = NULL;
        put(node, KEYS, 8);
        (void)eviction_turn(node);
        assert_true(eviction_full(node));
        assert_null(node->writing);
        f.conf.maxmemory = 0;
        assert_false(eviction_full(node));
        close_node(node);
    }
}

static void a_node_that_does_not_lead_chooses_nobody(void **state) {
    (void)state;
    struct fixture f;
    struct node *node = setup(&f, CONF_ALLKEYS_LRU);
    f.conf.maxmemory /= 2;
    node->raft_status.serving = false;
    assert_false(eviction_turn(node));
    assert_null(node->writing);
    node->raft_status.serving = true;
    assert_true(eviction_turn(node));
    assert_non_null(node->writing);
    close_node(node);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growth_is_guessed_from_what_a_command_says_and_copies),
        cmocka_unit_test(a_write_that_needs_room_follows_its_victims_and_no_more_go_than_needed),
        cmocka_unit_test(room_that_was_made_in_vain_serves_the_next_write),
        cmocka_unit_test(a_victim_that_was_written_to_meanwhile_stays),
        cmocka_unit_test(victims_are_bounded_a_turn_and_on_their_way),
        cmocka_unit_test(without_victims_writes_are_refused_only_over_the_limit),
        cmocka_unit_test(a_node_that_does_not_lead_chooses_nobody),
    };
    return cmocka_run_group_tests_name("eviction", tests, NULL, NULL);
}
