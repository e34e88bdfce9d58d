/* SPDX-License-Identifier: MIT */
/* What the request parser makes of an input, in a form that tests can compare. */
#ifndef RESP_RESULT_H
#define RESP_RESULT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../resp/resp.h"

/* What came out: the arguments as canonical multibulk, or the error's text. */
struct result {
    enum resp_outcome outcome;
    size_t consumed, count;
    struct resp_buf text;
};

static inline void put_arg(struct resp_buf *text, const char *bytes, size_t length) {
    char header[32];
    resp_buf_append(text, header, (size_t)snprintf(header, sizeof header, "$%zu\r\n", length));
    resp_buf_append(text, bytes, length);
    resp_buf_append(text, "\r\n", 2);
}

static inline void put_count(struct resp_buf *text, size_t count) {
    char header[32];
    resp_buf_append(text, header, (size_t)snprintf(header, sizeof header, "*%zu\r\n", count));
}

static inline void assert_same(const struct result *got, const struct result *expected) {
    assert_int_equal(got->outcome, expected->outcome);
    assert_int_equal(got->consumed, expected->consumed);
    assert_int_equal(got->count, expected->count);
    assert_int_equal(resp_buf_length(&got->text), resp_buf_length(&expected->text));
    if (resp_buf_length(&got->text) > 0)
        assert_memory_equal(resp_buf_bytes(&got->text), resp_buf_bytes(&expected->text),
                            resp_buf_length(&got->text));
}

/* One call of the parser. */
static inline void parse(struct resp_parser *parser, const char *bytes, size_t length,
                         const struct resp_limits *limits, struct result *result) {
    struct resp_command command;
    resp_buf_truncate(&result->text, 0);
    result->consumed = result->count = 0;
    result->outcome = resp_parse(parser, bytes, length, limits, &command);
    if (result->outcome == RESP_INVALID)
        resp_buf_append(&result->text, resp_parser_error(parser), strlen(resp_parser_error(parser)));
    if (result->outcome == RESP_INCOMPLETE)
        assert_true(resp_parser_wanted(parser) > length);
    if (result->outcome != RESP_COMMAND)
        return;
    result->consumed = command.consumed;
    result->count = command.count;
    put_count(&result->text, command.count);
    for (size_t i = 0; i < command.count; i++)
        put_arg(&result->text, command.args[i].bytes, command.args[i].length);
    assert_int_equal(command.raw_length, resp_buf_length(&result->text));
    assert_memory_equal(command.raw, resp_buf_bytes(&result->text), command.raw_length);
}

/* Gives the first `cuts[0]` bytes, then the first `cuts[1]` ... and at last all, until there is a result,
 * each time in memory of its own, exactly as long. */
static inline void parse_in_pieces(struct resp_parser *parser, const char *bytes, size_t length,
                                   const size_t *cuts, size_t cut_count, const struct resp_limits *limits,
                                   struct result *result) {
    char *shown = NULL;
    for (size_t i = 0; i <= cut_count; i++) {
        size_t size = i < cut_count ? cuts[i] : length;
        char *copy = malloc(size > 0 ? size : 1);
        memcpy(copy, bytes, size);
        free(shown);
        shown = copy;
        parse(parser, shown, size, limits, result);
        if (result->outcome != RESP_INCOMPLETE)
            break;
    }
    free(shown);
}

#endif
