/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the request parser: a stream of requests must read the same whole and from every split point,
 * under every set of limits; and what comes out as a command's raw bytes must read as that same command
 * again, since that is what a log keeps and replays.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../resp/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Splits are tried at every byte of short inputs, and at so many places of longer ones. */
enum { SPLITS_MAX = 512 };

static const struct resp_limits *const limits_tried[] = {
    &resp_limits_redis,
    &resp_limits_anonymous,
    &(const struct resp_limits){.bulk_max = 12, .args_max = 3, .inline_max = 20, .anonymous = false},
};

/* A run over a stream: where it stands, and all that came out so far. */
struct run {
    struct resp_parser *parser;
    size_t position; /* of the request being read */
    bool invalid;
    struct resp_buf told;
};

/* The raw bytes are what resp_request writes for these arguments, and read as these arguments. */
static void check_raw(const struct resp_command *command) {
    struct resp_parser *parser = resp_parser_new();
    struct resp_command again;
    struct resp_buf canonical = {0};
    enum resp_outcome outcome =
        resp_parse(parser, command->raw, command->raw_length, &resp_limits_redis, &again);
    assert(outcome == RESP_COMMAND);
    assert(again.consumed == command->raw_length && again.count == command->count);
    resp_request(&canonical, command->count);
    for (size_t i = 0; i < again.count; i++) {
        assert(again.args[i].length == command->args[i].length);
        assert(memcmp(again.args[i].bytes, command->args[i].bytes, again.args[i].length) == 0);
        resp_request_bulk(&canonical, command->args[i].bytes, command->args[i].length);
    }
    assert(command->raw_length == resp_buf_length(&canonical));
    assert(memcmp(command->raw, resp_buf_bytes(&canonical), command->raw_length) == 0);
    resp_buf_close(&canonical);
    resp_parser_free(parser);
}

/* Takes what there is in the first `shown` bytes of the stream, which are shown in memory of their own. */
static void take(struct run *run, const uint8_t *data, size_t shown, const struct resp_limits *limits) {
    size_t length = shown - run->position;
    char *copy = malloc(length > 0 ? length : 1), *bytes = copy;
    if (length > 0)
        memcpy(copy, data + run->position, length);
    struct resp_command command;
    while (!run->invalid) {
        enum resp_outcome outcome = resp_parse(run->parser, bytes, length, limits, &command);
        if (outcome == RESP_INCOMPLETE) {
            assert(resp_parser_wanted(run->parser) > length);
            break;
        }
        run->invalid = outcome == RESP_INVALID;
        if (run->invalid) {
            const char *error = resp_parser_error(run->parser);
            resp_buf_append(&run->told, error, strlen(error));
            break;
        }
        assert(command.consumed > 0 && command.consumed <= length);
        check_raw(&command);
        resp_buf_append(&run->told, &command.consumed, sizeof command.consumed);
        resp_buf_append(&run->told, command.raw, command.raw_length);
        bytes += command.consumed;
        length -= command.consumed;
        run->position += command.consumed;
    }
    free(copy);
}

static void start(struct run *run) {
    *run = (struct run){.parser = resp_parser_new()};
}

static void finish(struct run *run) {
    resp_parser_free(run->parser);
    resp_buf_close(&run->told);
}

static void assert_same(const struct run *one, const struct run *other) {
    size_t length = resp_buf_length(&one->told);
    assert(one->position == other->position && one->invalid == other->invalid);
    assert(length == resp_buf_length(&other->told));
    assert(length == 0 || memcmp(resp_buf_bytes(&one->told), resp_buf_bytes(&other->told), length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t step = size / SPLITS_MAX + 1;
    for (size_t i = 0; i < sizeof limits_tried / sizeof *limits_tried; i++) {
        struct run whole, split, bytewise;
        start(&whole);
        take(&whole, data, size, limits_tried[i]);
        for (size_t at = 0; at < size; at += step) {
            start(&split);
            take(&split, data, at, limits_tried[i]);
            take(&split, data, size, limits_tried[i]);
            assert_same(&split, &whole);
            finish(&split);
        }
        start(&bytewise);
        for (size_t shown = 0; shown < size; shown += step)
            take(&bytewise, data, shown, limits_tried[i]);
        take(&bytewise, data, size, limits_tried[i]);
        assert_same(&bytewise, &whole);
        finish(&bytewise);
        finish(&whole);
    }
    return 0;
}
