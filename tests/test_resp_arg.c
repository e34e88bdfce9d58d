/* SPDX-License-Identifier: MIT */
/* What an argument says, and how a line falls into words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../resp/resp.h"

static struct resp_arg arg(const char *text) {
    return (struct resp_arg){text, strlen(text)};
}

static void a_word_is_recognised_whatever_its_case(void **state) {
    (void)state;
    static const struct {
        const char *arg, *word;
        bool same;
    } rows[] = {
        {"GET", "get", true}, {"get", "GET", true}, {"gEt", "GeT", true},    {"", "", true},
        {"ge", "get", false}, {"get", "ge", false}, {"", "get", false},      {"get", "", false},
        {"[", "{", false},    {"@", "`", false},    {"\xc4", "\xe4", false}, {"k-1", "K-1", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct resp_arg it = arg(rows[i].arg);
        assert_int_equal(resp_arg_is(&it, rows[i].word), rows[i].same);
    }
    struct resp_arg longer = {"get\0x", 5}, slice = {"getx", 3};
    assert_false(resp_arg_is(&longer, "get"));
    assert_true(resp_arg_is(&slice, "get"));
}

static void only_the_shortest_form_of_a_number_is_an_integer(void **state) {
    (void)state;
    static const char *const others[] = {
        "",
        "-",
        "+1",
        "01",
        "-01",
        "-0",
        "00",
        " 1",
        "1 ",
        "1.0",
        "1e3",
        "0x1",
        "--1",
        "1-",
        "a",
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999",
        "18446744073709551616",
        "100000000000000000000",
        "1\n",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct resp_arg it = arg(others[i]);
        int64_t value = 77;
        assert_false(resp_arg_integer(&it, &value));
        assert_int_equal(value, 77);
    }
    static const struct {
        const char *text;
        int64_t value;
    } integers[] = {
        {"0", 0},
        {"7", 7},
        {"-1", -1},
        {"10", 10},
        {"1234567890", 1234567890},
        {"-9223372036854775808", INT64_MIN},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775807", -INT64_MAX},
    };
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        struct resp_arg it = arg(integers[i].text);
        int64_t value = 0;
        assert_true(resp_arg_integer(&it, &value));
        assert_true(value == integers[i].value);
    }
    struct resp_arg slice = {"123", 2}, with_nul = {"1\0", 2};
    int64_t value = 0;
    assert_true(resp_arg_integer(&slice, &value));
    assert_int_equal(value, 12);
    assert_false(resp_arg_integer(&with_nul, &value));
}

static void a_line_falls_into_words(void **state) {
    (void)state;
    static const struct {
        const char *line;
        const char *words[5]; /* ends with NULL */
        bool unbalanced;
    } rows[] = {
        {"", {NULL}, false},
        {" \t\r\n\v\f", {NULL}, false},
        {"save 900 1", {"save", "900", "1", NULL}, false},
        {"  a\tb\rc\nd ", {"a", "b", "c", "d", NULL}, false},
        {"a\vb \vc\f", {"a\vb", "c\f", NULL}, false},
        {"\"\" ''", {"", "", NULL}, false},
        {"a\"b c\" d", {"ab c", "d", NULL}, false},
        {"\"a\"\vb", {"a", "b", NULL}, false},
        {"\"\\x41\\xfg\\n\\r\\t\\b\\a\\q\\\"\\\\\"", {"Axfg\n\r\t\b\aq\"\\", NULL}, false},
        {"\"\\xC3\\xa4\\x4\"", {"\xc3\xa4x4", NULL}, false},
        {"'it\\'s' '\\n\"'", {"it's", "\\n\"", NULL}, false},
        {"a\\n\\\"b c\"", {"a\\n\\b c", NULL}, false},
        {"ok \"open", {"ok", NULL}, true},
        {"ok 'open", {"ok", NULL}, true},
        {"\"a\"b", {NULL}, true},
        {"'a''b'", {NULL}, true},
        {"a\"b\"\"c\"", {NULL}, true},
        {"\"a\\\"", {NULL}, true},
        {"\"a\\", {NULL}, true},
        {"'a\\'", {NULL}, true},
        {"\"", {NULL}, true},
        {"a'", {NULL}, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t length = strlen(rows[i].line);
        char *line = malloc(length + 1), *room = malloc(length + 1); /* exact, but never of no size */
        memcpy(line, rows[i].line, length);
        struct resp_words words = {line, line + length, room};
        struct resp_arg word;
        for (size_t at = 0; rows[i].words[at]; at++) {
            assert_int_equal(resp_words_next(&words, &word), RESP_WORDS_ONE);
            assert_int_equal(word.length, strlen(rows[i].words[at]));
            assert_memory_equal(word.bytes, rows[i].words[at], word.length);
        }
        assert_int_equal(resp_words_next(&words, &word),
                         rows[i].unbalanced ? RESP_WORDS_UNBALANCED : RESP_WORDS_END);
        free(room);
        free(line);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_is_recognised_whatever_its_case),
        cmocka_unit_test(only_the_shortest_form_of_a_number_is_an_integer),
        cmocka_unit_test(a_line_falls_into_words),
    };
    return cmocka_run_group_tests_name("resp_arg", tests, NULL, NULL);
}
