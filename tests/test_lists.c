/* SPDX-License-Identifier: MIT */
/* Lists against a stupid twin: an array of strings in which everything behind a place is moved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/data/lists.h"

enum { ELEMENTS = 6000, VALUE_MAX = 6000, FILLER = 20000 };

struct fixture {
    struct keyspace *keyspace;
    struct resp_arg *twin; /* parts of the filler, or of the digits */
    size_t count;
    uint64_t seed, longest;
};

static const struct resp_arg key_l = {"l", 1};
static char filler[FILLER], digits[1000][8];

static uint64_t draw(struct fixture *f, uint64_t below) {
    f->seed = f->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (f->seed >> 33) % below;
}

static void fill(void) {
    struct fixture f = {.seed = 5};
    for (size_t i = 0; i < FILLER; i++)
        filler[i] = (char)draw(&f, 256);
    for (size_t i = 0; i < 1000; i++)
        snprintf(digits[i], sizeof digits[i], "%d", (int)i * 91 - 40000);
}

static struct resp_arg random_value(struct fixture *f) {
    if (draw(f, 3) == 0) {
        const char *number = digits[draw(f, 1000)];
        return (struct resp_arg){number, strlen(number)};
    }
    uint64_t length = draw(f, draw(f, 200) ? 40 : f->longest);
    return (struct resp_arg){filler + draw(f, draw(f, 4) ? 20 : FILLER - length), (size_t)length};
}

static bool same(const struct resp_arg *a, const struct resp_arg *b) {
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* ---- the twin --- */

static void twin_insert(struct fixture *f, size_t at, struct resp_arg value) {
    memmove(f->twin + at + 1, f->twin + at, (f->count++ - at) * sizeof value);
    f->twin[at] = value;
}

static void twin_remove(struct fixture *f, size_t at, size_t count) {
    memmove(f->twin + at, f->twin + at + count, (f->count - at - count) * sizeof *f->twin);
    f->count -= count;
}

static size_t twin_remove_equal(struct fixture *f, const struct resp_arg *value, size_t count, bool head) {
    size_t removed = 0;
    for (size_t i = head ? 0 : f->count; removed < count && (head ? i < f->count : i > 0);) {
        i -= !head;
        if (same(&f->twin[i], value)) {
            twin_remove(f, i, 1);
            removed++;
        } else {
            i += head;
        }
    }
    return removed;
}

/* ---- comparing --- */

static void assert_value(const struct list_walk *walk, const struct resp_arg *value, size_t index) {
    assert_int_equal(walk->index, index);
    assert_int_equal(walk->value.length, value->length);
    assert_memory_equal(walk->value.bytes, value->bytes, value->length);
}

static void assert_all(struct fixture *f) {
    const struct item *item = keyspace_find(f->keyspace, 0, &key_l);
    struct list_walk walk;
    assert_int_equal(item != NULL, f->count > 0);
    if (!item)
        return;
    assert_int_equal(collection_count(item), f->count);
    list_at(item, 0, &walk);
    for (size_t i = 0; i < f->count; i++) {
        assert_value(&walk, &f->twin[i], i);
        assert_int_equal(list_next(&walk), i + 1 < f->count);
    }
    list_at(item, f->count - 1, &walk);
    for (size_t i = f->count; i-- > 0;) {
        assert_value(&walk, &f->twin[i], i);
        assert_int_equal(list_previous(&walk), i > 0);
    }
    for (int i = 0; i < 50; i++) {
        size_t index = (size_t)draw(f, f->count);
        list_at(item, index, &walk);
        assert_value(&walk, &f->twin[index], index);
    }
}

/* ---- random changes of both --- */

static void grow(struct fixture *f, struct collection *c) {
    struct resp_arg value = random_value(f);
    size_t at = draw(f, 10) ? (size_t)draw(f, f->count + 1) : f->count / 2;
    switch (draw(f, 4)) {
    case 0:
        list_push(c, LIST_HEAD, &value);
        twin_insert(f, 0, value);
        break;
    case 1:
        list_push(c, LIST_TAIL, &value);
        twin_insert(f, f->count, value);
        break;
    case 2:
        list_insert(c, at, &value);
        twin_insert(f, at, value);
        break;
    default:
        if (at == f->count)
            return;
        list_set(c, at, &value);
        f->twin[at] = value;
    }
}

static void shrink(struct fixture *f, struct collection *c) {
    bool head = draw(f, 2);
    size_t at = (size_t)draw(f, f->count + 1), count = (size_t)draw(f, draw(f, 20) ? 4 : 300);
    count = count < f->count - at ? count : f->count - at;
    struct resp_arg value = random_value(f);
    switch (draw(f, 4)) {
    case 0:
    case 1:
        if (f->count == 0)
            return;
        list_pop(c, head ? LIST_HEAD : LIST_TAIL);
        twin_remove(f, head ? 0 : f->count - 1, 1);
        break;
    case 2:
        list_remove(c, at, count);
        twin_remove(f, at, count);
        break;
    default:
        assert_int_equal(list_remove_equal(c, &value, count, head ? LIST_HEAD : LIST_TAIL),
                         twin_remove_equal(f, &value, count, head));
    }
}

static void run(uint64_t seed, uint64_t changes, uint64_t longest) {
    struct fixture f = {keyspace_new(1), calloc(ELEMENTS, sizeof(struct resp_arg)), 0, seed, longest};
    assert_non_null(f.twin);
    for (uint64_t round = 0; round < 60; round++) {
        uint64_t growth = round < 30 ? 75 : 40;
        for (uint64_t i = draw(&f, changes); i > 0; i--) {
            struct collection c;
            collection_open(&c, f.keyspace, 0, &key_l, VALUE_LIST, NULL);
            for (uint64_t steps = draw(&f, 4); steps > 0; steps--)
                (draw(&f, 100) < growth && f.count < ELEMENTS ? grow : shrink)(&f, &c);
            assert_int_equal(collection_close(&c, i), f.count > 0);
        }
        assert_all(&f);
    }
    keyspace_free(f.keyspace);
    free(f.twin);
}

static void random_changes_of_a_list_give_what_the_twin_gives(void **state) {
    (void)state;
    fill();
    run(1, 10, 300);
    run(2, 100, VALUE_MAX);
    for (uint64_t seed = 3; seed <= 12; seed++)
        run(seed, 150, seed % 2 ? 400 : VALUE_MAX);
}

/* ---- single rules --- */

static void a_queue_that_moves_on_keeps_its_memory(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    char text[16];
    size_t least = SIZE_MAX, most = 0;
    for (int i = 0; i < 60000; i++) {
        struct collection c;
        struct resp_arg value = {text, (size_t)snprintf(text, sizeof text, "job:%d", i)};
        collection_open(&c, keyspace, 0, &key_l, VALUE_LIST, NULL);
        list_push(&c, LIST_HEAD, &value);
        if (i >= 5000)
            list_pop(&c, LIST_TAIL);
        assert_true(collection_close(&c, 1));
        size_t memory = keyspace_memory(keyspace);
        if (i < 10000)
            continue;
        least = memory < least ? memory : least;
        most = memory > most ? memory : most;
    }
    assert_true(most < least + 24000); /* three segments */
    assert_true(most < 5000 * 14 + 30000);
    struct list_walk walk;
    list_at(keyspace_find(keyspace, 0, &key_l), 4999, &walk);
    assert_int_equal(walk.value.length, 9);
    assert_memory_equal(walk.value.bytes, "job:55000", 9);
    keyspace_free(keyspace);
}

static void removals_in_the_middle_leave_no_thin_segments(void **state) {
    (void)state;
    enum { COUNT = 20000 };
    struct keyspace *keyspace = keyspace_new(1);
    struct collection c;
    collection_open(&c, keyspace, 0, &key_l, VALUE_LIST, NULL);
    for (int i = 0; i < COUNT; i++)
        list_push(&c, LIST_TAIL, &(struct resp_arg){"twenty bytes of text", 20});
    size_t full = keyspace_memory(keyspace);
    for (size_t i = 0; i < COUNT - COUNT / 20; i++)
        list_remove(&c, (i * 7919) % collection_count(c.item), 1);
    assert_true(collection_close(&c, 1));
    assert_true(keyspace_memory(keyspace) < full / 3);
    keyspace_free(keyspace);
}

static void the_digest_comes_back_with_the_elements(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    struct resp_arg other = {"another one", 11};
    struct collection c;
    collection_open(&c, keyspace, 0, &key_l, VALUE_LIST, NULL);
    for (int i = 0; i < 3000; i++)
        list_push(&c, LIST_TAIL, &(struct resp_arg){"some element", 12});
    assert_true(collection_close(&c, 1));
    uint64_t digest = keyspace_digest(keyspace);
    for (int what = 0; what < 3; what++) {
        enum list_end end = what % 2 ? LIST_TAIL : LIST_HEAD;
        collection_open(&c, keyspace, 0, &key_l, VALUE_LIST, NULL);
        if (what < 2)
            list_push(&c, end, &other);
        else
            list_set(&c, 1000, &other);
        assert_true(collection_close(&c, 1));
        assert_true(keyspace_digest(keyspace) != digest);
        collection_open(&c, keyspace, 0, &key_l, VALUE_LIST, NULL);
        if (what < 2)
            assert_int_equal(list_remove_equal(&c, &other, 2, end), 1);
        else
            list_set(&c, 1000, &(struct resp_arg){"some Element", 12});
        list_set(&c, 1000, &(struct resp_arg){"some element", 12});
        assert_true(collection_close(&c, 1));
        assert_true(keyspace_digest(keyspace) == digest);
    }
    keyspace_free(keyspace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_of_a_list_give_what_the_twin_gives),
        cmocka_unit_test(a_queue_that_moves_on_keeps_its_memory),
        cmocka_unit_test(removals_in_the_middle_leave_no_thin_segments),
        cmocka_unit_test(the_digest_comes_back_with_the_elements),
    };
    return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
