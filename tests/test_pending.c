/* SPDX-License-Identifier: MIT */
/* Lanes of requests that wait: their bytes, what is taken along, and the order in which lanes come up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/pending.h"

/* To a lane a connection is only somebody. */
struct connection {
    char name;
};

static struct connection a = {'a'}, b = {'b'}, c = {'c'};

/* "aW bR:GET": who, what, with which bytes; "-" for what was moved. */
static const char *told(const struct lane *lane) {
    static const char kinds[] = "WR+";
    static char text[4096];
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < lane->count; i++) {
        const struct pending_item *item = &lane->items[i];
        if (item->kind == PENDING_MOVED) {
            assert_null(item->connection);
            at += (size_t)snprintf(text + at, sizeof text - at, "- ");
            continue;
        }
        at +=
            (size_t)snprintf(text + at, sizeof text - at, "%c%c", item->connection->name, kinds[item->kind]);
        if (item->kind != PENDING_WRITE)
            at += (size_t)snprintf(text + at, sizeof text - at, ":%.*s", (int)item->length,
                                   item->length > 0 ? lane_bytes(lane, item) : "");
        at += (size_t)snprintf(text + at, sizeof text - at, " ");
        assert_true(at < sizeof text);
    }
    return text;
}

static struct pending_item *add(struct lane *lane, struct connection *connection, enum pending_kind kind,
                                const char *bytes) {
    if (kind == PENDING_WRITE)
        return lane_add(lane, connection, kind);
    return lane_add_bytes(lane, connection, kind, bytes, strlen(bytes));
}

/* ---- one lane --------------------------------------------------------------------------------------------- */

static void items_keep_their_order_and_their_bytes_while_the_lane_grows(void **state) {
    struct lane *lane = lane_new();
    char bytes[64];
    (void)state;
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(bytes, sizeof bytes, "%u", i);
        if (i % 3 == 0)
            lane_add(lane, &a, PENDING_WRITE)->db = i;
        else
            lane_add_bytes(lane, &b, i % 3 == 1 ? PENDING_READ : PENDING_REPLY, bytes, strlen(bytes))->db = i;
    }
    assert_int_equal(lane->count, 5000);
    assert_int_equal(lane->writes, 1667);
    for (unsigned i = 0; i < 5000; i++) {
        const struct pending_item *item = &lane->items[i];
        assert_int_equal(item->db, i);
        assert_ptr_equal(item->connection, i % 3 == 0 ? &a : &b);
        if (i % 3 == 0)
            continue;
        assert_int_equal(item->length, (size_t)snprintf(bytes, sizeof bytes, "%u", i));
        assert_memory_equal(lane_bytes(lane, item), bytes, item->length);
    }
    lane_free(lane);
}

static void the_memory_of_a_lane_follows_what_it_holds(void **state) {
    struct lane *lane = lane_new();
    static char bytes[100000];
    (void)state;
    size_t empty = lane_memory(lane);
    lane_add_bytes(lane, &a, PENDING_READ, bytes, sizeof bytes);
    assert_true(lane_memory(lane) >= empty + sizeof bytes + sizeof(struct pending_item));
    assert_true(lane_memory(lane) < empty + 3 * sizeof bytes);
    size_t one = lane_memory(lane);
    for (unsigned i = 0; i < 1000; i++)
        lane_add(lane, &a, PENDING_WRITE);
    assert_true(lane_memory(lane) >= one + 900 * sizeof(struct pending_item));
    lane_free(lane);
    lane_free(NULL);
}

/* ---- taken along ------------------------------------------------------------------------------------------ */

static void what_is_taken_along_keeps_its_order_behind_what_is_there(void **state) {
    struct lane *reads = lane_new(), *writes = lane_new();
    (void)state;
    add(reads, &a, PENDING_READ, "GET 1");
    add(reads, &b, PENDING_READ, "GET 2");
    add(reads, &a, PENDING_REPLY, "+PONG");
    add(reads, &c, PENDING_READ, "GET 3");
    add(reads, &a, PENDING_READ, "GET 4");
    add(writes, &c, PENDING_WRITE, NULL);
    lane_take_along(reads, writes, &a);
    add(writes, &a, PENDING_WRITE, NULL);
    assert_string_equal(told(writes), "cW aR:GET 1 a+:+PONG aR:GET 4 aW ");
    assert_int_equal(writes->writes, 2);
    assert_string_equal(told(reads), "- bR:GET 2 - cR:GET 3 - ");
    lane_take_along(reads, writes, &a); /* nothing is left to take */
    assert_int_equal(writes->count, 5);
    lane_take_along(reads, writes, &b);
    assert_string_equal(told(writes), "cW aR:GET 1 a+:+PONG aR:GET 4 aW bR:GET 2 ");
    assert_string_equal(told(reads), "- - - cR:GET 3 - ");
    lane_free(reads);
    lane_free(writes);
}

static void what_is_taken_along_stays_what_it_was(void **state) {
    struct lane *reads = lane_new(), *writes = lane_new();
    (void)state;
    struct pending_item *item = add(reads, &a, PENDING_READ, "GET k");
    item->db = 11;
    item->protocol = 3;
    item->quiet = true;
    item = add(reads, &a, PENDING_REPLY, ""); /* a reply that is not to be sent has no bytes */
    item->protocol = 2;
    lane_take_along(reads, writes, &a);
    assert_int_equal(writes->count, 2);
    assert_int_equal(writes->items[0].db, 11);
    assert_int_equal(writes->items[0].protocol, 3);
    assert_true(writes->items[0].quiet);
    assert_int_equal(writes->items[1].length, 0);
    assert_int_equal(writes->items[1].protocol, 2);
    assert_false(writes->items[1].quiet);
    lane_free(reads);
    lane_free(writes);
}

static void an_empty_reply_is_taken_along_from_a_lane_without_bytes(void **state) {
    struct lane *reads = lane_new(), *writes = lane_new();
    (void)state;
    lane_add_bytes(reads, &a, PENDING_REPLY, NULL, 0);
    lane_take_along(reads, writes, &a);
    assert_string_equal(told(writes), "a+: ");
    assert_string_equal(told(reads), "- ");
    lane_free(reads);
    lane_free(writes);
}

/* ---- lists of lanes ----------------------------------------------------------------------------------------- */

static struct lane *lane_at(raft_index index, raft_term term) {
    struct lane *lane = lane_new();
    lane->index = index;
    lane->term = term;
    return lane;
}

/* Takes all lanes: "17.2 18.2 ". */
static const char *drain(struct lanes *lanes) {
    static char text[1024];
    size_t at = 0;
    text[0] = '\0';
    for (struct lane *lane; (lane = lanes_take_first(lanes));) {
        assert_null(lane->next);
        at += (size_t)snprintf(text + at, sizeof text - at, "%llu.%llu ", (unsigned long long)lane->index,
                               (unsigned long long)lane->term);
        lane_free(lane);
    }
    assert_null(lanes->first);
    assert_null(lanes->last);
    return text;
}

static void appended_lanes_are_taken_in_their_order(void **state) {
    struct lanes lanes = {0};
    (void)state;
    assert_null(lanes_take_first(&lanes));
    lanes_append(&lanes, lane_at(9, 1));
    lanes_append(&lanes, lane_at(4, 1));
    lanes_append(&lanes, lane_at(7, 1));
    assert_string_equal(drain(&lanes), "9.1 4.1 7.1 ");
    lanes_append(&lanes, lane_at(1, 1)); /* an emptied list begins again */
    assert_string_equal(drain(&lanes), "1.1 ");
}

static void inserted_lanes_are_sorted_by_index_then_term(void **state) {
    static const struct {
        struct {
            raft_index index;
            raft_term term;
        } in[6];
        const char *out;
    } rows[] = {
        {{{1, 1}, {2, 1}, {3, 1}, {4, 1}}, "1.1 2.1 3.1 4.1 "},
        {{{10, 1}, {11, 1}, {12, 1}, {11, 3}, {12, 3}, {13, 3}}, "10.1 11.1 11.3 12.1 12.3 13.3 "},
        {{{10, 1}, {11, 1}, {4, 2}, {5, 2}}, "4.2 5.2 10.1 11.1 "},
        {{{10, 1}, {10, 2}, {10, 3}, {9, 4}}, "9.4 10.1 10.2 10.3 "},
        {{{5, 5}}, "5.5 "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct lanes lanes = {0};
        for (size_t j = 0; j < 6 && rows[i].in[j].index != 0; j++)
            lanes_insert(&lanes, lane_at(rows[i].in[j].index, rows[i].in[j].term));
        assert_string_equal(drain(&lanes), rows[i].out);
    }
}

/* Leaderships lost and won: each begins at some index at or below where the last one stopped. */
static void lanes_of_many_leaderships_come_up_sorted(void **state) {
    uint64_t random_state = 11;
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct lanes lanes = {0};
        size_t count = 0;
        raft_index index = 100;
        for (raft_term term = 1; term < 6; term++) {
            random_state = random_state * 6364136223846793005u + 1442695040888963407u;
            index -= (random_state >> 40) % 10;
            for (size_t length = (random_state >> 33) % 10; length > 0; length--, count++)
                lanes_insert(&lanes, lane_at(index++, term));
        }
        struct lane *last = NULL;
        for (struct lane *lane; (lane = lanes_take_first(&lanes)); last = lane, count--) {
            if (last)
                assert_true(last->index < lane->index ||
                            (last->index == lane->index && last->term < lane->term));
            lane_free(last);
        }
        lane_free(last);
        assert_int_equal(count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_keep_their_order_and_their_bytes_while_the_lane_grows),
        cmocka_unit_test(the_memory_of_a_lane_follows_what_it_holds),
        cmocka_unit_test(what_is_taken_along_keeps_its_order_behind_what_is_there),
        cmocka_unit_test(what_is_taken_along_stays_what_it_was),
        cmocka_unit_test(an_empty_reply_is_taken_along_from_a_lane_without_bytes),
        cmocka_unit_test(appended_lanes_are_taken_in_their_order),
        cmocka_unit_test(inserted_lanes_are_sorted_by_index_then_term),
        cmocka_unit_test(lanes_of_many_leaderships_come_up_sorted),
    };
    return cmocka_run_group_tests_name("pending", tests, NULL, NULL);
}
