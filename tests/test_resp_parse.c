/* SPDX-License-Identifier: MIT */
/*
 * The request parser. Samples are given whole, from every split and byte by byte, in memory that moves
 * between calls and ends at a page that must not be touched; limits are tried at, below and above their
 * edges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "resp_result.h"

/* ---- samples ------------------------------------------------------------------------------------------- */

#define PROTOCOL "ERR Protocol error: "
#define SAMPLE(input, count, text)                                                                           \
    { input, sizeof(input) - 1, sizeof(input) - 1, RESP_COMMAND, count, text, sizeof(text) - 1 }
#define SAMPLE_AND_MORE(input, more, count, text)                                                            \
    { input more, sizeof(input more) - 1, sizeof(input) - 1, RESP_COMMAND, count, text, sizeof(text) - 1 }
#define SAMPLE_INVALID(input, text)                                                                          \
    { input, sizeof(input) - 1, 0, RESP_INVALID, 0, PROTOCOL text, sizeof(PROTOCOL text) - 1 }
#define SAMPLE_INCOMPLETE(input)                                                                             \
    { input, sizeof(input) - 1, 0, RESP_INCOMPLETE, 0, "", 0 }

#define PING               "*1\r\n$4\r\nPING\r\n"
#define ECHO(length, text) "*2\r\n$4\r\necho\r\n$" length "\r\n" text "\r\n"

struct sample {
    const char *input;
    size_t length, consumed;
    enum resp_outcome outcome;
    size_t count;
    const char *text; /* canonical, or the error */
    size_t text_length;
};

static const struct sample samples[] = {
    SAMPLE(PING, 1, PING),
    SAMPLE("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$11\r\nhello\r\nyou!\r\n", 3,
           "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$11\r\nhello\r\nyou!\r\n"),
    SAMPLE("*2\r\n$0\r\n\r\n$3\r\n\0\r\0\r\n", 2, "*2\r\n$0\r\n\r\n$3\r\n\0\r\0\r\n"),
    SAMPLE_AND_MORE(PING, PING, 1, PING),
    SAMPLE_AND_MORE(PING, "*x\r\n", 1, PING),
    SAMPLE_AND_MORE("\r\n", PING, 0, "*0\r\n"),
    SAMPLE_AND_MORE("*0\r\n", "PING\r\n", 0, "*0\r\n"),
    SAMPLE_AND_MORE("*-1\r\n", "PING\r\n", 0, "*0\r\n"),
    SAMPLE("*-9223372036854775808\r\n", 0, "*0\r\n"),
    /* accepted, but not canonical: nobody looks at the byte behind a CR, nor at the two behind an argument */
    SAMPLE("*1\rX$4\r\nPING\r\n", 1, PING),
    SAMPLE("*1\r\n$4\rXPING\r\n", 1, PING),
    SAMPLE("*1\r\n$4\r\nPINGXY", 1, PING),
    SAMPLE("*1\r\n$4\r\nPING\n\r", 1, PING),
    SAMPLE("*2\r\r$4\r\recho\r\r$1\r\r\r\r\r", 2, ECHO("1", "\r")),
    SAMPLE_INCOMPLETE(""),
    SAMPLE_INCOMPLETE("*"),
    SAMPLE_INCOMPLETE("*1\r"),
    SAMPLE_INCOMPLETE("*1x"),
    SAMPLE_INCOMPLETE("*1\r\nx"),
    SAMPLE_INCOMPLETE("*1\r\n$4\r\nPING"),
    SAMPLE_INCOMPLETE("*1\r\n$4\r\nPING\r"),
    SAMPLE_INCOMPLETE("*2\r\n$4\r\nPING\r\n"),
    SAMPLE_INCOMPLETE("*2147483\r\n"),
    SAMPLE_INCOMPLETE("PING"),
    SAMPLE_INCOMPLETE("PING\r"),
    /* headers */
    SAMPLE_INVALID("*\r\n", "invalid multibulk length"),
    SAMPLE_INVALID("*x\r\n", "invalid multibulk length"),
    SAMPLE_INVALID("*03\r\n", "invalid multibulk length"),
    SAMPLE_INVALID("*+1\r\n", "invalid multibulk length"),
    SAMPLE_INVALID("*-0\r\n", "invalid multibulk length"),
    SAMPLE_INVALID("*1 \r\n", "invalid multibulk length"),
    SAMPLE_INVALID("* 1\r\n", "invalid multibulk length"),
    SAMPLE_INVALID("*1\0\r\n", "invalid multibulk length"),
    SAMPLE_INVALID("*1\n$4\r\n", "invalid multibulk length"),
    SAMPLE_INVALID("*2147483648\r\n", "invalid multibulk length"),
    SAMPLE_INVALID("*9223372036854775808\r\n", "invalid multibulk length"),
    SAMPLE_INVALID("*99999999999999999999999999\r\n", "invalid multibulk length"),
    /* length lines */
    SAMPLE_INVALID("*1\r\nx4\r\n", "expected '$', got 'x'"),
    SAMPLE_INVALID("*1\r\nxyz\r\n", "expected '$', got 'x'"),
    SAMPLE_INVALID("*1\r\n\xff\r\n", "expected '$', got '\xff'"),
    SAMPLE_INVALID("*1\r\n\r\n", "expected '$', got ' '"),
    SAMPLE_INVALID("*1\r\n\n4\r\n", "expected '$', got ' '"),
    SAMPLE_INVALID("*1\r\n\0\r\n", "expected '$', got ' '"),
    SAMPLE_INVALID("*2\r\n$1\r\na\r\n:1\r\n", "expected '$', got ':'"),
    SAMPLE_INVALID("*1\r\n$\r\n", "invalid bulk length"),
    SAMPLE_INVALID("*1\r\n$-1\r\n", "invalid bulk length"),
    SAMPLE_INVALID("*1\r\n$-0\r\n", "invalid bulk length"),
    SAMPLE_INVALID("*1\r\n$04\r\n", "invalid bulk length"),
    SAMPLE_INVALID("*1\r\n$00\r\n", "invalid bulk length"),
    SAMPLE_INVALID("*1\r\n$ 4\r\n", "invalid bulk length"),
    SAMPLE_INVALID("*1\r\n$4 \r\n", "invalid bulk length"),
    SAMPLE_INVALID("*1\r\n$9223372036854775807\r\n", "invalid bulk length"),
    SAMPLE_INVALID("*1\r\n$99999999999999999999999\r\n", "invalid bulk length"),
    /* inline */
    SAMPLE("PING\r\n", 1, PING),
    SAMPLE("PING\n", 1, PING),
    SAMPLE("  PING \t \r\n", 1, PING),
    SAMPLE("\n", 0, "*0\r\n"),
    SAMPLE(" \t\v\f\r\r\n", 0, "*0\r\n"),
    SAMPLE_AND_MORE("echo a\r\n", "*1\r\n", 2, ECHO("1", "a")),
    SAMPLE("echo a\r\r\n", 2, ECHO("1", "a")),
    SAMPLE("echo a\rb\r\n", 3, "*3\r\n$4\r\necho\r\n$1\r\na\r\n$1\r\nb\r\n"),
    SAMPLE("echo a\0b\r\n", 2, ECHO("3", "a\0b")),
    SAMPLE("echo \"\"\r\n", 2, ECHO("0", "")),
    SAMPLE("echo a\"b c\"\r\n", 2, ECHO("4", "ab c")),
    SAMPLE("echo \"\\x41\\n\\r\\t\\b\\a\\q\\\"\\\\\"\r\n", 2, ECHO("9", "A\n\r\t\b\aq\"\\")),
    SAMPLE("echo 'a\\'b\\n'\r\n", 2, ECHO("5", "a'b\\n")),
    SAMPLE("$4\r\n", 1, "*1\r\n$2\r\n$4\r\n"),
    SAMPLE_INVALID("echo \"a\r\n", "unbalanced quotes in request"),
    SAMPLE_INVALID("echo 'a\r\n", "unbalanced quotes in request"),
    SAMPLE_INVALID("echo \"a\"b\r\n", "unbalanced quotes in request"),
    SAMPLE_INVALID("echo 'a'b\r\n", "unbalanced quotes in request"),
    SAMPLE_INVALID("echo \"a\\\r\n", "unbalanced quotes in request"),
};
enum { SAMPLE_COUNT = sizeof samples / sizeof *samples };

static const struct resp_limits wide = {512 * 1024 * 1024, 4 * 1024 * 1024, 64 * 1024, false};

static void expect(const struct sample *sample, struct result *expected) {
    *expected =
        (struct result){.outcome = sample->outcome, .consumed = sample->consumed, .count = sample->count};
    resp_buf_append(&expected->text, sample->text, sample->text_length);
}

static void each_sample_gives_its_result(void **state) {
    (void)state;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct resp_parser *parser = resp_parser_new();
        struct result expected, got = {0};
        expect(&samples[i], &expected);
        parse(parser, samples[i].input, samples[i].length, &wide, &got);
        assert_same(&got, &expected);
        resp_buf_close(&got.text);
        resp_buf_close(&expected.text);
        resp_parser_free(parser);
    }
}

/* ---- pieces -------------------------------------------------------------------------------------------- */

static void a_command_split_anywhere_gives_the_same_result(void **state) {
    (void)state;
    struct resp_parser *parser = resp_parser_new(); /* one for all: nothing may be left behind */
    struct result expected, got = {0};
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        expect(&samples[i], &expected);
        for (size_t first = 0; first <= samples[i].length; first++)
            for (size_t second = first; second <= samples[i].length; second++) {
                size_t cuts[] = {first, second};
                parse_in_pieces(parser, samples[i].input, samples[i].length, cuts, 2, &wide, &got);
                assert_same(&got, &expected);
                if (got.outcome == RESP_INCOMPLETE)
                    resp_parser_reset(parser);
            }
        resp_buf_close(&expected.text);
    }
    resp_buf_close(&got.text);
    resp_parser_free(parser);
}

static void a_command_that_comes_byte_by_byte_is_parsed_once_its_last_byte_arrives(void **state) {
    (void)state;
    struct resp_parser *parser = resp_parser_new();
    struct result got = {0};
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        for (size_t length = 0; length < samples[i].consumed; length++) {
            parse(parser, samples[i].input, length, &wide, &got);
            assert_int_equal(got.outcome, RESP_INCOMPLETE);
        }
        if (samples[i].outcome == RESP_COMMAND) {
            parse(parser, samples[i].input, samples[i].consumed, &wide, &got);
            assert_int_equal(got.outcome, RESP_COMMAND);
        }
        resp_parser_reset(parser);
    }
    resp_buf_close(&got.text);
    resp_parser_free(parser);
}

static void a_reset_forgets_an_incomplete_command(void **state) {
    (void)state;
    static const char *const beginnings[] = {"*", "*2\r\n", "*2\r\n$3\r\nab", "*2\r\n$1\r\na\r\n$", "echo"};
    struct result got = {0};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        struct resp_parser *parser = resp_parser_new();
        parse(parser, beginnings[i], strlen(beginnings[i]), &wide, &got);
        assert_int_equal(got.outcome, RESP_INCOMPLETE);
        resp_parser_reset(parser);
        parse(parser, PING, strlen(PING), &wide, &got);
        assert_int_equal(got.outcome, RESP_COMMAND);
        assert_int_equal(got.count, 1);
        resp_parser_free(parser);
    }
    resp_buf_close(&got.text);
}

/* ---- the edges of memory ------------------------------------------------------------------------------- */

static void no_byte_outside_the_input_is_touched(void **state) {
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *map = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map, page, PROT_NONE), 0);
    assert_int_equal(mprotect(map + 2 * page, page, PROT_NONE), 0);
    char *first = map + page, *end = map + 2 * page;
    struct result got = {0};
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        struct resp_parser *parser = resp_parser_new();
        for (size_t length = 0; length <= samples[i].length; length++) {
            memcpy(end - length, samples[i].input, length);
            parse(parser, end - length, length, &wide, &got);
            if (got.outcome != RESP_INCOMPLETE)
                break;
            memcpy(first, samples[i].input, length);
            parse(parser, first, length, &wide, &got);
            assert_int_equal(got.outcome, RESP_INCOMPLETE);
        }
        assert_int_equal(got.outcome, samples[i].outcome);
        resp_parser_free(parser);
    }
    resp_buf_close(&got.text);
    munmap(map, 3 * page);
}

/* ---- limits -------------------------------------------------------------------------------------------- */

static void assert_outcome(const struct resp_limits *limits, const struct resp_buf *input,
                           const char *error) {
    struct resp_parser *parser = resp_parser_new();
    struct resp_command command;
    enum resp_outcome outcome =
        resp_parse(parser, resp_buf_bytes(input), resp_buf_length(input), limits, &command);
    assert_int_equal(outcome, error ? RESP_INVALID : RESP_INCOMPLETE);
    if (error)
        assert_string_equal(resp_parser_error(parser), error);
    resp_parser_free(parser);
}

static void a_number_is_allowed_up_to_its_limit(void **state) {
    (void)state;
    static const struct {
        const struct resp_limits *limits;
        const char *input, *error;
    } rows[] = {
        {&resp_limits_redis, "*1048575\r\n", NULL},
        {&resp_limits_redis, "*1048576\r\n", NULL},
        {&resp_limits_redis, "*1048577\r\n", PROTOCOL "invalid multibulk length"},
        {&resp_limits_redis, "*1\r\n$536870911\r\n", NULL},
        {&resp_limits_redis, "*1\r\n$536870912\r\n", NULL},
        {&resp_limits_redis, "*1\r\n$536870913\r\n", PROTOCOL "invalid bulk length"},
        {&resp_limits_anonymous, "*9\r\n", NULL},
        {&resp_limits_anonymous, "*10\r\n", NULL},
        {&resp_limits_anonymous, "*11\r\n", PROTOCOL "unauthenticated multibulk length"},
        {&resp_limits_anonymous, "*2147483647\r\n", PROTOCOL "unauthenticated multibulk length"},
        {&resp_limits_anonymous, "*2147483648\r\n", PROTOCOL "invalid multibulk length"},
        {&resp_limits_anonymous, "*1\r\n$16383\r\n", NULL},
        {&resp_limits_anonymous, "*1\r\n$16384\r\n", NULL},
        {&resp_limits_anonymous, "*1\r\n$16385\r\n", PROTOCOL "unauthenticated bulk length"},
        {&resp_limits_anonymous, "*1\r\n$536870912\r\n", PROTOCOL "unauthenticated bulk length"},
        {&resp_limits_anonymous, "*1\r\n$536870913\r\n", PROTOCOL "invalid bulk length"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct resp_buf input = {0};
        resp_buf_append(&input, rows[i].input, strlen(rows[i].input));
        assert_outcome(rows[i].limits, &input, rows[i].error);
        resp_buf_close(&input);
    }
}

static void a_line_without_an_end_is_allowed_up_to_its_limit(void **state) {
    (void)state;
    static const struct {
        const char *before, *line, *error;
    } rows[] = {
        {"", "*", PROTOCOL "too big mbulk count string"},
        {"*1\r\n", "$", PROTOCOL "too big bulk count string"},
        {"*1\r\n", "x", PROTOCOL "too big bulk count string"},
        {"*2\r\n$1\r\na\r\n", "$", PROTOCOL "too big bulk count string"},
        {"", "x", PROTOCOL "too big inline request"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t length = 64 * 1024 - 1; length <= 64 * 1024 + 2; length++) {
            struct resp_buf input = {0};
            resp_buf_append(&input, rows[i].before, strlen(rows[i].before));
            resp_buf_append(&input, rows[i].line, 1);
            memset(resp_buf_reserve(&input, length), '1', length - 1);
            resp_buf_commit(&input, length - 1);
            assert_outcome(&resp_limits_redis, &input, length > 64 * 1024 ? rows[i].error : NULL);
            assert_outcome(&resp_limits_anonymous, &input, length > 64 * 1024 ? rows[i].error : NULL);
            resp_buf_close(&input);
        }
}

static void an_inline_command_may_be_as_long_as_its_limit_says(void **state) {
    (void)state;
    for (size_t length = 64 * 1024 - 1; length <= 64 * 1024 + 1; length++) {
        struct resp_parser *parser = resp_parser_new();
        struct resp_buf input = {0};
        struct result got = {0};
        memset(resp_buf_reserve(&input, length), 'x', length);
        resp_buf_commit(&input, length);
        resp_buf_append(&input, "\n", 1);
        parse(parser, resp_buf_bytes(&input), resp_buf_length(&input), &resp_limits_redis, &got);
        assert_int_equal(got.outcome, length <= 64 * 1024 ? RESP_COMMAND : RESP_INVALID);
        resp_buf_close(&got.text);
        resp_buf_close(&input);
        resp_parser_free(parser);
    }
}

static void a_limit_that_shrinks_within_a_line_holds(void **state) {
    (void)state;
    static const struct resp_limits narrow = {16, 3, 10, false};
    static const char *const lines[] = {"0123456789 and more", "*123456789 and more"};
    for (size_t i = 0; i < 2; i++) {
        struct resp_parser *parser = resp_parser_new();
        struct result got = {0};
        parse(parser, lines[i], strlen(lines[i]) - 1, &wide, &got);
        assert_int_equal(got.outcome, RESP_INCOMPLETE);
        parse(parser, lines[i], strlen(lines[i]), &narrow, &got);
        assert_int_equal(got.outcome, RESP_INVALID);
        resp_buf_close(&got.text);
        resp_parser_free(parser);
    }
}

static void an_inline_command_has_no_limit_of_arguments(void **state) {
    (void)state;
    static const char line[] = "a b c d e f g h i j k l m\r\n";
    struct resp_parser *parser = resp_parser_new();
    struct result got = {0};
    parse(parser, line, sizeof line - 1, &resp_limits_anonymous, &got);
    assert_int_equal(got.outcome, RESP_COMMAND);
    assert_int_equal(got.count, 13);
    resp_buf_close(&got.text);
    resp_parser_free(parser);
}

/* ---- memory -------------------------------------------------------------------------------------------- */

static void the_caller_learns_how_much_is_wanted(void **state) {
    (void)state;
    static const char input[] = "*2\r\n$3\r\nGET\r\n$1000\r\nab";
    struct resp_parser *parser = resp_parser_new();
    struct result got = {0};
    size_t before = strlen("*2\r\n$3\r\nGET\r\n$1000\r\n");
    parse(parser, input, 3, &wide, &got);
    assert_int_equal(resp_parser_wanted(parser), 4);
    parse(parser, input, before - 1, &wide, &got);
    assert_int_equal(resp_parser_wanted(parser), before);
    parse(parser, input, sizeof input - 1, &wide, &got);
    assert_int_equal(resp_parser_wanted(parser), before + 1000 + 2);
    resp_buf_close(&got.text);
    resp_parser_free(parser);
}

static void a_header_alone_takes_little_memory(void **state) {
    (void)state;
    static const char input[] = "*1048576\r\n$536870912\r\n";
    struct resp_parser *parser = resp_parser_new();
    struct result got = {0};
    parse(parser, input, sizeof input - 1, &resp_limits_redis, &got);
    assert_int_equal(got.outcome, RESP_INCOMPLETE);
    assert_true(resp_parser_memory(parser) < 32 * 1024);
    resp_buf_close(&got.text);
    resp_parser_free(parser);
}

enum { MANY = 1024 * 1024 };

/* The largest count there may be, in pieces; then the memory it took is given back by what follows. */
static void a_huge_command_is_parsed_and_its_memory_given_back(void **state) {
    (void)state;
    for (int reset = 0; reset <= 1; reset++) {
        struct resp_parser *parser = resp_parser_new();
        struct resp_buf input = {0};
        struct resp_command command;
        put_count(&input, MANY);
        for (size_t i = 0; i < MANY; i++)
            put_arg(&input, "x", i % 2);
        const char *bytes = resp_buf_bytes(&input);
        size_t length = resp_buf_length(&input);
        for (size_t shown = 1; shown < length; shown += 100001)
            assert_int_equal(resp_parse(parser, bytes, shown, &resp_limits_redis, &command), RESP_INCOMPLETE);
        assert_int_equal(resp_parse(parser, bytes, length, &resp_limits_redis, &command), RESP_COMMAND);
        assert_int_equal(command.count, MANY);
        assert_ptr_equal(command.raw, bytes);
        assert_int_equal(command.raw_length, length);
        for (size_t i = 0; i < MANY; i++)
            if (command.args[i].length != i % 2 || command.args[i].bytes[0] != (i % 2 ? 'x' : '\r'))
                fail_msg("argument %zu is wrong", i);
        assert_true(resp_parser_memory(parser) >= MANY * sizeof(struct resp_arg));
        if (reset)
            resp_parser_reset(parser);
        else
            assert_int_equal(resp_parse(parser, PING, strlen(PING), &wide, &command), RESP_COMMAND);
        assert_true(resp_parser_memory(parser) < 1024);
        resp_buf_close(&input);
        resp_parser_free(parser);
    }
}

static void what_was_written_anew_is_given_back_too(void **state) {
    (void)state;
    struct resp_parser *parser = resp_parser_new();
    struct resp_buf input = {0};
    struct result got = {0};
    resp_buf_append(&input, "*1\r\n$1000000\rX", 14);
    memset(resp_buf_reserve(&input, 1000002), 'x', 1000002);
    resp_buf_commit(&input, 1000002);
    parse(parser, resp_buf_bytes(&input), resp_buf_length(&input), &wide, &got);
    assert_int_equal(got.outcome, RESP_COMMAND);
    assert_true(resp_parser_memory(parser) > 1000000);
    parse(parser, PING, strlen(PING), &wide, &got);
    assert_true(resp_parser_memory(parser) < 1024);
    resp_buf_close(&got.text);
    resp_buf_close(&input);
    resp_parser_free(parser);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sample_gives_its_result),
        cmocka_unit_test(a_command_split_anywhere_gives_the_same_result),
        cmocka_unit_test(a_command_that_comes_byte_by_byte_is_parsed_once_its_last_byte_arrives),
        cmocka_unit_test(a_reset_forgets_an_incomplete_command),
        cmocka_unit_test(no_byte_outside_the_input_is_touched),
        cmocka_unit_test(a_number_is_allowed_up_to_its_limit),
        cmocka_unit_test(a_line_without_an_end_is_allowed_up_to_its_limit),
        cmocka_unit_test(an_inline_command_may_be_as_long_as_its_limit_says),
        cmocka_unit_test(a_limit_that_shrinks_within_a_line_holds),
        cmocka_unit_test(an_inline_command_has_no_limit_of_arguments),
        cmocka_unit_test(the_caller_learns_how_much_is_wanted),
        cmocka_unit_test(a_header_alone_takes_little_memory),
        cmocka_unit_test(a_huge_command_is_parsed_and_its_memory_given_back),
        cmocka_unit_test(what_was_written_anew_is_given_back_too),
    };
    return cmocka_run_group_tests_name("resp_parse", tests, NULL, NULL);
}
