/* SPDX-License-Identifier: MIT */
/* The byte buffer: against a stupid twin, and the bounds of its memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../resp/resp.h"

enum { MEGABYTE = 1024 * 1024 };

static uint32_t random_next(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void assert_well_formed(const struct resp_buf *buf) {
    assert_true(buf->start <= buf->end);
    assert_true(buf->end <= buf->capacity);
    assert_int_equal(buf->bytes == NULL, buf->capacity == 0);
}

static void assert_holds(const struct resp_buf *buf, const char *bytes, size_t length) {
    assert_well_formed(buf);
    assert_int_equal(resp_buf_length(buf), length);
    if (length > 0)
        assert_memory_equal(resp_buf_bytes(buf), bytes, length);
}

static void append_filler(struct resp_buf *buf, size_t length) {
    memset(resp_buf_reserve(buf, length), 'f', length);
    resp_buf_commit(buf, length);
}

static void an_empty_buffer_owns_nothing(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    assert_int_equal(resp_buf_length(&buf), 0);
    resp_buf_append(&buf, NULL, 0);
    assert_null(buf.bytes);
    resp_buf_consume(&buf, 0, 0);
    resp_buf_truncate(&buf, 0);
    resp_buf_close(&buf);
    resp_buf_close(&buf);
    assert_holds(&buf, "", 0);
}

static void what_is_appended_comes_out_in_order(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    resp_buf_append(&buf, "one ", 4);
    memcpy(resp_buf_reserve(&buf, 100), "two", 3);
    resp_buf_commit(&buf, 3);
    assert_holds(&buf, "one two", 7);
    resp_buf_consume(&buf, 4, SIZE_MAX);
    assert_holds(&buf, "two", 3);
    resp_buf_close(&buf);
}

static void reserving_nothing_gives_a_place_too(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    assert_non_null(resp_buf_reserve(&buf, 0));
    resp_buf_commit(&buf, 0);
    assert_holds(&buf, "", 0);
    resp_buf_close(&buf);
}

static void truncating_takes_back_what_was_written_last(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    resp_buf_append(&buf, "abcdef", 6);
    resp_buf_consume(&buf, 2, SIZE_MAX);
    resp_buf_truncate(&buf, 3);
    assert_holds(&buf, "cde", 3);
    resp_buf_append(&buf, "X", 1);
    assert_holds(&buf, "cdeX", 4);
    resp_buf_truncate(&buf, 0);
    assert_holds(&buf, "", 0);
    resp_buf_close(&buf);
}

static void an_emptied_buffer_rewinds_and_keeps_a_little(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    append_filler(&buf, 1000);
    size_t capacity = buf.capacity;
    resp_buf_consume(&buf, 1000, capacity);
    assert_int_equal(buf.start, 0);
    assert_int_equal(buf.end, 0);
    assert_int_equal(buf.capacity, capacity);
    append_filler(&buf, 1000);
    resp_buf_consume(&buf, 1000, capacity - 1);
    assert_true(buf.capacity < capacity);
    assert_well_formed(&buf);
    resp_buf_close(&buf);
}

static void a_nearly_emptied_buffer_gives_memory_back(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    append_filler(&buf, 32 * MEGABYTE);
    resp_buf_append(&buf, "the rest", 8);
    resp_buf_consume(&buf, 32 * MEGABYTE, 16 * 1024);
    assert_holds(&buf, "the rest", 8);
    assert_true(buf.capacity <= 16 * 1024);
    resp_buf_close(&buf);
}

static void room_made_for_what_is_awaited_stays(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    resp_buf_append(&buf, "beginning", 9);
    resp_buf_reserve(&buf, 4 * MEGABYTE);
    size_t capacity = buf.capacity;
    resp_buf_consume(&buf, 0, 16 * 1024);
    assert_int_equal(buf.capacity, capacity);
    assert_holds(&buf, "beginning", 9);
    resp_buf_close(&buf);
}

static void growth_wastes_less_than_half_and_later_less_than_an_eighth(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    size_t grown = 0, capacity = 0;
    while (buf.end < 64 * MEGABYTE) {
        append_filler(&buf, 1000);
        grown += buf.capacity != capacity;
        capacity = buf.capacity;
        size_t waste = buf.capacity - buf.end;
        if (buf.end < MEGABYTE)
            assert_true(waste <= buf.end + 1000);
        else
            assert_true(waste <= MEGABYTE + buf.end / 8 + MEGABYTE);
    }
    assert_true(grown < 45);
    resp_buf_close(&buf);
}

static void room_asked_for_at_once_is_made_at_once(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 64, 65, MEGABYTE - 1, MEGABYTE, MEGABYTE + 1, 10 * MEGABYTE + 3};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct resp_buf buf = {0};
        resp_buf_append(&buf, "x", 1);
        resp_buf_reserve(&buf, sizes[i]);
        assert_true(buf.capacity - buf.end >= sizes[i]);
        assert_true(buf.capacity <= 2 * (sizes[i] + 64) || buf.capacity <= sizes[i] + 1 + MEGABYTE);
        assert_holds(&buf, "x", 1);
        resp_buf_close(&buf);
    }
}

static void a_stream_that_never_empties_needs_no_more_than_it_holds(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    append_filler(&buf, 40000);
    for (int i = 0; i < 20000; i++) {
        append_filler(&buf, 700);
        resp_buf_consume(&buf, 700, 16 * 1024);
        assert_int_equal(resp_buf_length(&buf), 40000);
        assert_true(buf.capacity <= 128 * 1024);
    }
    resp_buf_close(&buf);
}

struct twin {
    char bytes[1 << 18];
    size_t length;
};

static void twin_append(struct twin *twin, const char *bytes, size_t length) {
    memcpy(twin->bytes + twin->length, bytes, length);
    twin->length += length;
}

static void twin_consume(struct twin *twin, size_t length) {
    memmove(twin->bytes, twin->bytes + length, twin->length - length);
    twin->length -= length;
}

static void it_agrees_with_a_plain_array_on_random_steps(void **state) {
    (void)state;
    struct twin *twin = calloc(1, sizeof *twin);
    char piece[4096];
    for (uint32_t run = 0; run < 40; run++) {
        uint32_t seed = run;
        struct resp_buf buf = {0};
        twin->length = 0;
        for (int step = 0; step < 2000; step++) {
            size_t length = random_next(&seed) % (random_next(&seed) % 8 == 0 ? sizeof piece : 64);
            switch (random_next(&seed) % 5) {
            case 0:
            case 1:
                if (twin->length + length > sizeof twin->bytes)
                    break;
                memset(piece, (int)(random_next(&seed) % 256), length);
                twin_append(twin, piece, length);
                resp_buf_append(&buf, piece, length);
                break;
            case 2:
                resp_buf_reserve(&buf, length);
                break;
            case 3:
                length = random_next(&seed) % 4 == 0 ? twin->length : length;
                length = length < twin->length ? length : twin->length;
                twin_consume(twin, length);
                resp_buf_consume(&buf, length, random_next(&seed) % 2000);
                break;
            default:
                length = length < twin->length ? length / 8 : 0;
                twin->length -= length;
                resp_buf_truncate(&buf, twin->length);
                break;
            }
            assert_holds(&buf, twin->bytes, twin->length);
        }
        resp_buf_close(&buf);
    }
    free(twin);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_owns_nothing),
        cmocka_unit_test(what_is_appended_comes_out_in_order),
        cmocka_unit_test(reserving_nothing_gives_a_place_too),
        cmocka_unit_test(truncating_takes_back_what_was_written_last),
        cmocka_unit_test(an_emptied_buffer_rewinds_and_keeps_a_little),
        cmocka_unit_test(a_nearly_emptied_buffer_gives_memory_back),
        cmocka_unit_test(room_made_for_what_is_awaited_stays),
        cmocka_unit_test(growth_wastes_less_than_half_and_later_less_than_an_eighth),
        cmocka_unit_test(room_asked_for_at_once_is_made_at_once),
        cmocka_unit_test(a_stream_that_never_empties_needs_no_more_than_it_holds),
        cmocka_unit_test(it_agrees_with_a_plain_array_on_random_steps),
    };
    return cmocka_run_group_tests_name("resp_buf", tests, NULL, NULL);
}
