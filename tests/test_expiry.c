/* SPDX-License-Identifier: MIT */
/* The ordered deadlines against a stupid twin: an array that is kept sorted by moving everything behind a
 * place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/data/expiry.h"

enum { ITEMS_MAX = 20000 };

struct twin {
    struct item *at[ITEMS_MAX]; /* by (deadline, key) */
    size_t count;
};

struct fixture {
    struct expiry expiry;
    struct twin twin;
    size_t memory;
    uint64_t seed;
    unsigned names;
};

static uint64_t draw(struct fixture *f) {
    f->seed = f->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return f->seed >> 33;
}

static int by_deadline_and_key(const struct item *a, const struct item *b) {
    if (item_deadline(a) != item_deadline(b))
        return item_deadline(a) < item_deadline(b) ? -1 : 1;
    struct resp_arg x = item_key(a), y = item_key(b);
    size_t common = x.length < y.length ? x.length : y.length;
    int order = memcmp(x.bytes, y.bytes, common);
    return order ? order : (x.length > y.length) - (x.length < y.length);
}

static struct item *make(struct fixture *f, uint64_t deadline) {
    char bytes[24];
    int length = snprintf(bytes, sizeof bytes, "%u", f->names++ * 2654435761u);
    struct item *item = item_new(&(struct resp_arg){bytes, (size_t)length}, "", 0, &f->memory);
    struct item *noted = item_note_deadline(item, deadline, &f->memory);
    if (noted != item)
        item_release(item, &f->memory);
    return noted;
}

static void add(struct fixture *f, uint64_t deadline) {
    struct item *item = make(f, deadline);
    size_t at = f->twin.count++;
    for (; at > 0 && by_deadline_and_key(item, f->twin.at[at - 1]) < 0; at--)
        f->twin.at[at] = f->twin.at[at - 1];
    f->twin.at[at] = item;
    expiry_add(&f->expiry, item);
}

static void drop(struct fixture *f, size_t at) {
    struct item *item = f->twin.at[at];
    expiry_remove(&f->expiry, item);
    f->twin.count--;
    memmove(f->twin.at + at, f->twin.at + at + 1, (f->twin.count - at) * sizeof f->twin.at[0]);
    item_free(item, &f->memory);
}

static void move(struct fixture *f, size_t at) {
    struct item *old = f->twin.at[at];
    struct resp_arg key = item_key(old);
    struct item *item = item_with_key(old, &key, &f->memory);
    expiry_replace(&f->expiry, old, item);
    item_release(old, &f->memory);
    f->twin.at[at] = item;
}

static void assert_answers(struct fixture *f, uint64_t clock) {
    size_t due = 0;
    while (due < f->twin.count && item_deadline(f->twin.at[due]) <= clock)
        due++;
    assert_int_equal(f->expiry.order.count, f->twin.count);
    assert_int_equal(expiry_due(&f->expiry, clock), due);
    assert_int_equal(expiry_next(&f->expiry, clock),
                     due < f->twin.count ? item_deadline(f->twin.at[due]) : 0);
    assert_ptr_equal(expiry_first(&f->expiry), f->twin.count ? f->twin.at[0] : NULL);
}

static struct fixture *fixture_new(void) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->seed = 3;
    expiry_init(&f->expiry, &f->memory);
    return f;
}

static void fixture_free(struct fixture *f) {
    while (expiry_free_some(&f->expiry, 7) == 7)
        ;
    for (size_t i = 0; i < f->twin.count; i++)
        item_free(f->twin.at[i], &f->memory);
    assert_int_equal(f->memory, 0);
    free(f);
}

/* Takes everything out from the front, which shows the whole order. */
static void drain(struct fixture *f) {
    while (f->twin.count > 0) {
        assert_ptr_equal(expiry_first(&f->expiry), f->twin.at[0]);
        drop(f, 0);
    }
    assert_answers(f, 1);
    assert_int_equal(f->memory, 0);
}

static void run_random(uint64_t deadlines, int steps) {
    struct fixture *f = fixture_new();
    for (int phase = 0; phase < 4; phase++) {
        unsigned bias = (unsigned[]){8, 3, 7, 4}[phase];
        for (int i = 0; i < steps; i++) {
            if (draw(f) % 10 < bias || f->twin.count == 0)
                add(f, 1 + draw(f) % deadlines);
            else if (draw(f) % 4 == 0)
                move(f, (size_t)(draw(f) % f->twin.count));
            else
                drop(f, (size_t)(draw(f) % f->twin.count));
            assert_answers(f, draw(f) % (deadlines + 2));
        }
    }
    if (deadlines % 2)
        drain(f);
    fixture_free(f);
}

static void distinct_deadlines_are_counted_and_ordered(void **state) {
    (void)state;
    run_random(1000000, 3000);
}

static void equal_deadlines_are_ordered_by_key(void **state) {
    (void)state;
    run_random(5, 3000);
    run_random(1, 1500);
}

static void ascending_deadlines_fill_their_nodes(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    size_t items = 0;
    for (uint64_t i = 0; i < ITEMS_MAX; i++) {
        size_t before = f->memory;
        struct item *item = make(f, i + 1);
        items += f->memory - before;
        f->twin.at[f->twin.count++] = item;
        expiry_add(&f->expiry, item);
    }
    assert_answers(f, ITEMS_MAX / 2);
    assert_true(f->memory - items < (size_t)20 * ITEMS_MAX);
    fixture_free(f);
}

static void a_queue_of_deadlines_keeps_its_order_and_little_memory(void **state) {
    (void)state;
    struct fixture *f = fixture_new();
    uint64_t clock = 1;
    for (int i = 0; i < 1000; i++)
        add(f, clock++);
    size_t memory = f->memory;
    for (int i = 0; i < 20000; i++) {
        assert_ptr_equal(expiry_first(&f->expiry), f->twin.at[0]);
        drop(f, 0);
        add(f, clock++);
    }
    assert_answers(f, clock - 500);
    assert_true(f->memory < memory + memory / 10);
    drain(f);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distinct_deadlines_are_counted_and_ordered),
        cmocka_unit_test(equal_deadlines_are_ordered_by_key),
        cmocka_unit_test(ascending_deadlines_fill_their_nodes),
        cmocka_unit_test(a_queue_of_deadlines_keeps_its_order_and_little_memory),
    };
    return cmocka_run_group_tests_name("expiry", tests, NULL, NULL);
}
