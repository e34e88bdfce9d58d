/* SPDX-License-Identifier: MIT */
/* Replies and requests, byte for byte. The doubles and aggregates are what a Redis 7.0 sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../resp/resp.h"

static void assert_written(struct resp_buf *buf, const char *expected, size_t length) {
    if (resp_buf_length(buf) != length || memcmp(resp_buf_bytes(buf), expected, length) != 0)
        print_error("got \"%.*s\", not \"%s\"\n", (int)resp_buf_length(buf), resp_buf_bytes(buf), expected);
    assert_int_equal(resp_buf_length(buf), length);
    assert_memory_equal(resp_buf_bytes(buf), expected, length);
    resp_buf_close(buf);
}

/* One reply of each kind: the same call, both protocols. */
static void status(struct resp_out *out) {
    resp_status(out, "OK");
}
static void error(struct resp_out *out) {
    resp_error(out, "ERR value is %d, not '%s'", 3, "x");
}
static void error_lines(struct resp_out *out) {
    resp_error(out, "ERR a\r\nb%cc\r\n\n", '\n');
}
static void error_long(struct resp_out *out) {
    resp_error(out, "ERR %0300d", 7);
}
static void bulk(struct resp_out *out) {
    resp_bulk(out, "a\r\0b", 4);
}
static void bulk_empty(struct resp_out *out) {
    resp_bulk(out, NULL, 0);
}
static void bulk_text(struct resp_out *out) {
    resp_bulk_text(out, "hello world");
}
static void bulk_format(struct resp_out *out) {
    resp_bulk_format(out, "%s=%d", "n", -5);
}
static void bulk_format_empty(struct resp_out *out) {
    resp_bulk_format(out, "%s", "");
}
static void bulk_integer(struct resp_out *out) {
    resp_bulk_integer(out, -42);
}
static void verbatim(struct resp_out *out) {
    resp_verbatim(out, "This is a verbatim\nstring", 25);
}
static void verbatim_empty(struct resp_out *out) {
    resp_verbatim(out, "", 0);
}
static void boolean_true(struct resp_out *out) {
    resp_boolean(out, true);
}
static void boolean_false(struct resp_out *out) {
    resp_boolean(out, false);
}
static void array(struct resp_out *out) {
    resp_array(out, 12);
}
static void array_empty(struct resp_out *out) {
    resp_array(out, 0);
}
static void map(struct resp_out *out) {
    resp_map(out, 60);
}
static void set(struct resp_out *out) {
    resp_set(out, 3);
}
static void push(struct resp_out *out) {
    resp_push(out, 2);
}

#define ZEROS_100                                                                                            \
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
#define ERROR_LONG ("-ERR " ZEROS_100 ZEROS_100 ZEROS_100)

static const struct {
    void (*write)(struct resp_out *out);
    const char *resp2, *resp3; /* NULL: as in RESP2 */
    size_t length;             /* of both, where a NUL byte is within; 0: strlen */
} replies[] = {
    {status, "+OK\r\n", NULL, 0},
    {error, "-ERR value is 3, not 'x'\r\n", NULL, 0},
    {error_lines, "-ERR a  b c\r\n", NULL, 0},
    {bulk, "$4\r\na\r\0b\r\n", NULL, 10},
    {bulk_empty, "$0\r\n\r\n", NULL, 0},
    {bulk_text, "$11\r\nhello world\r\n", NULL, 0},
    {bulk_format, "$4\r\nn=-5\r\n", NULL, 0},
    {bulk_format_empty, "$0\r\n\r\n", NULL, 0},
    {bulk_integer, "$3\r\n-42\r\n", NULL, 0},
    {verbatim, "$25\r\nThis is a verbatim\nstring\r\n", "=29\r\ntxt:This is a verbatim\nstring\r\n", 0},
    {verbatim_empty, "$0\r\n\r\n", "=4\r\ntxt:\r\n", 0},
    {resp_null, "$-1\r\n", "_\r\n", 0},
    {resp_null_array, "*-1\r\n", "_\r\n", 0},
    {boolean_true, ":1\r\n", "#t\r\n", 0},
    {boolean_false, ":0\r\n", "#f\r\n", 0},
    {array, "*12\r\n", NULL, 0},
    {array_empty, "*0\r\n", NULL, 0},
    {map, "*120\r\n", "%60\r\n", 0},
    {set, "*3\r\n", "~3\r\n", 0},
    {push, "*2\r\n", ">2\r\n", 0},
};
enum { REPLY_COUNT = sizeof replies / sizeof *replies };

static void each_reply_is_written_in_both_protocols(void **state) {
    (void)state;
    for (size_t i = 0; i < REPLY_COUNT; i++) {
        for (int protocol = 2; protocol <= 3; protocol++) {
            struct resp_buf buf = {0};
            struct resp_out out = {&buf, protocol};
            const char *expected = protocol == 3 && replies[i].resp3 ? replies[i].resp3 : replies[i].resp2;
            replies[i].write(&out);
            assert_written(&buf, expected, replies[i].length > 0 ? replies[i].length : strlen(expected));
        }
    }
}

static void nobody_to_answer_means_that_nothing_is_written(void **state) {
    (void)state;
    for (int protocol = 2; protocol <= 3; protocol++) {
        struct resp_out out = {NULL, protocol};
        for (size_t i = 0; i < REPLY_COUNT; i++)
            replies[i].write(&out);
        resp_integer(&out, 1);
        resp_double(&out, 1.5);
        error_long(&out);
        assert_int_equal(resp_array_open(&out), 0);
        resp_array_close(&out, 0, 3);
        assert_null(out.buf);
    }
}

static void replies_follow_each_other(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    struct resp_out out = {&buf, 3};
    resp_map(&out, 1);
    resp_bulk_text(&out, "k");
    resp_array(&out, 2);
    resp_integer(&out, 7);
    resp_null(&out);
    resp_status(&out, "PONG");
    const char *expected = "%1\r\n$1\r\nk\r\n*2\r\n:7\r\n_\r\n+PONG\r\n";
    assert_written(&buf, expected, strlen(expected));
}

static void a_long_text_is_formatted_whole(void **state) {
    (void)state;
    for (int length = 250; length < 262; length++) {
        char text[512], expected[600];
        struct resp_buf buf = {0};
        struct resp_out out = {&buf, 2};
        memset(text, 'x', (size_t)length);
        text[length] = '\0';
        resp_error(&out, "%s", text);
        resp_bulk_format(&out, "%s", text);
        int size = snprintf(expected, sizeof expected, "-%s\r\n", text);
        char *whole = malloc(2048);
        size = snprintf(whole, 2048, "%s$%d\r\n%s\r\n", expected, length, text);
        assert_written(&buf, whole, (size_t)size);
        free(whole);
    }
    struct resp_buf buf = {0};
    struct resp_out out = {&buf, 3};
    error_long(&out);
    assert_int_equal(resp_buf_length(&buf), 5 + 300 + 2);
    assert_memory_equal(resp_buf_bytes(&buf), ERROR_LONG, 5 + 299);
    assert_memory_equal(resp_buf_bytes(&buf) + 5 + 299, "7\r\n", 3);
    resp_buf_close(&buf);
}

static void assert_integer_written(int64_t value) {
    char text[32], expected[96];
    struct resp_buf buf = {0};
    struct resp_out out = {&buf, 2};
    int digits = snprintf(text, sizeof text, "%lld", (long long)value);
    int unsigned_digits = snprintf(expected, sizeof expected, "%llu", (unsigned long long)value);
    int length = snprintf(expected, sizeof expected, ":%s\r\n$%d\r\n%s\r\n$%d\r\n%llu\r\n", text, digits,
                          text, unsigned_digits, (unsigned long long)value);
    resp_integer(&out, value);
    resp_bulk_integer(&out, value);
    resp_request_unsigned(&buf, (uint64_t)value);
    assert_written(&buf, expected, (size_t)length);
}

static void integers_are_written_as_printf_would(void **state) {
    (void)state;
    assert_integer_written(INT64_MIN);
    assert_integer_written(INT64_MAX);
    int64_t edge = 1;
    for (int digits = 1; digits < 19; digits++, edge *= 10)
        for (int64_t near = -2; near <= 2; near++) {
            assert_integer_written(edge + near);
            assert_integer_written(-(edge + near));
        }
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        assert_integer_written((int64_t)(random >> (random % 61)));
    }
}

static void doubles_are_written_as_redis_does(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } doubles[] = {
        {3.141, "3.141"},
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-17, "-17"},
        {0.1, "0.10000000000000001"},
        {1.5, "1.5"},
        {1e16, "10000000000000000"},
        {1e17, "1e+17"},
        {1e300, "1.0000000000000001e+300"},
        {-2.2250738585072014e-308, "-2.2250738585072014e-308"},
        {4.9406564584124654e-324, "4.9406564584124654e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
        {-NAN, "nan"},
    };
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        char expected[96];
        struct resp_buf buf = {0};
        struct resp_out out = {&buf, 2};
        resp_double(&out, doubles[i].value);
        out.protocol = 3;
        resp_double(&out, doubles[i].value);
        int length = snprintf(expected, sizeof expected, "$%zu\r\n%s\r\n,%s\r\n", strlen(doubles[i].text),
                              doubles[i].text, doubles[i].text);
        assert_written(&buf, expected, (size_t)length);
    }
}

static void an_array_may_be_counted_afterwards(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    struct resp_out out = {&buf, 2};
    resp_status(&out, "before");
    size_t outer = resp_array_open(&out);
    resp_bulk_text(&out, "0");
    size_t inner = resp_array_open(&out);
    for (int i = 0; i < 10; i++)
        resp_integer(&out, i);
    resp_array_close(&out, inner, 10);
    size_t empty = resp_array_open(&out);
    resp_array_close(&out, empty, 0);
    resp_array_close(&out, outer, 3);
    const char *expected =
        "+before\r\n*3\r\n$1\r\n0\r\n*10\r\n:0\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n:6\r\n:7\r\n:8\r\n:9\r\n"
        "*0\r\n";
    assert_written(&buf, expected, strlen(expected));
}

static void a_mark_holds_while_the_buffer_grows_and_slides(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    struct resp_out out = {&buf, 2};
    resp_status(&out, "sent already");
    resp_status(&out, "waiting");
    resp_buf_consume(&buf, strlen("+sent already\r\n"), SIZE_MAX);
    size_t mark = resp_array_open(&out);
    for (int i = 0; i < 1000; i++)
        resp_bulk_text(&out, "element");
    resp_array_close(&out, mark, 1000);
    const char *expected = "+waiting\r\n*1000\r\n$7\r\nelement\r\n";
    assert_int_equal(resp_buf_length(&buf),
                     strlen("+waiting\r\n*1000\r\n") + 1000 * strlen("$7\r\nelement\r\n"));
    assert_memory_equal(resp_buf_bytes(&buf), expected, strlen(expected));
    resp_buf_close(&buf);
}

static void a_request_is_what_the_parser_reads(void **state) {
    (void)state;
    struct resp_buf buf = {0};
    resp_request(&buf, 6);
    resp_request_text(&buf, "SET");
    resp_request_bulk(&buf, "\0\r\n", 3);
    resp_request_bulk(&buf, NULL, 0);
    resp_request_integer(&buf, INT64_MIN);
    resp_request_unsigned(&buf, UINT64_MAX);
    resp_request_bulk_header(&buf, 5);
    resp_buf_append(&buf, "value\r\n", 7);
    struct resp_parser *parser = resp_parser_new();
    struct resp_command command;
    assert_int_equal(
        resp_parse(parser, resp_buf_bytes(&buf), resp_buf_length(&buf), &resp_limits_redis, &command),
        RESP_COMMAND);
    static const struct resp_arg expected[] = {
        {"SET", 3},   {"\0\r\n", 3}, {"", 0}, {"-9223372036854775808", 20}, {"18446744073709551615", 20},
        {"value", 5},
    };
    assert_int_equal(command.count, 6);
    for (size_t i = 0; i < command.count; i++) {
        assert_int_equal(command.args[i].length, expected[i].length);
        assert_memory_equal(command.args[i].bytes, expected[i].bytes, expected[i].length);
    }
    assert_int_equal(command.consumed, resp_buf_length(&buf));
    assert_ptr_equal(command.raw, resp_buf_bytes(&buf));
    resp_parser_free(parser);
    resp_buf_close(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reply_is_written_in_both_protocols),
        cmocka_unit_test(nobody_to_answer_means_that_nothing_is_written),
        cmocka_unit_test(replies_follow_each_other),
        cmocka_unit_test(a_long_text_is_formatted_whole),
        cmocka_unit_test(integers_are_written_as_printf_would),
        cmocka_unit_test(doubles_are_written_as_redis_does),
        cmocka_unit_test(an_array_may_be_counted_afterwards),
        cmocka_unit_test(a_mark_holds_while_the_buffer_grows_and_slides),
        cmocka_unit_test(a_request_is_what_the_parser_reads),
    };
    return cmocka_run_group_tests_name("resp_write", tests, NULL, NULL);
}
