/* SPDX-License-Identifier: MIT */
/*
 * Requests, as Redis 7.0 reads them: the same inputs are commands, the same inputs are errors, in the same
 * words.
 *
 * A request is a multibulk or, when it does not begin with '*', an inline command: one line of words.
 *
 *      * 3 \r \n $ 3 \r \n S E T \r \n $ 1 \r \n k \r \n $ 5 \r \n v a l ...
 *      ^ header  ^ length  ^ argument
 *                                                                  ^ position: all before it is decided
 *
 * What makes it fast: an argument is a slice of the input; the few bytes of a length line and the two behind
 * an argument are read once, the argument's own not at all. What makes it incremental: `position` is the line
 * or argument to be read next, `scanned` is how much of an unfinished line is known not to hold its end.
 *
 * The input may move between two calls. Slices found in the call that completes the command are pointers
 * from the start; only when a call runs out of bytes are the slices found in it turned into offsets
 * (settle), and those, and no others, are turned back once the command is whole. So a command that arrives
 * in one piece pays nothing for it.
 *
 * Redis skips the byte behind the CR of a line, and both bytes behind an argument, without looking. Here
 * they are accepted likewise, but such a command is not canonical, and what goes into a log must be: it is
 * written anew. All else has a single form, since numbers are read strictly ("03", "+3", "-0" are none),
 * so that a canonical command's raw bytes are the input's own.
 *
 * Where Redis's answer depends on how the bytes happened to be cut by the network (a line over the limit
 * is an error only when it is seen incomplete), the line is an error always. A NUL byte ends Redis's
 * search for the end of a line, and the connection stays mute; here it is a byte like others.
 */
#include "resp.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct resp_limits resp_limits_redis = {
    .bulk_max = 512 * 1024 * 1024,
    .args_max = 1024 * 1024,
    .inline_max = 64 * 1024,
    .anonymous = false,
};
const struct resp_limits resp_limits_anonymous = {
    .bulk_max = 16 * 1024,
    .args_max = 10,
    .inline_max = 64 * 1024,
    .anonymous = true,
};

enum {
    ARGS_MIN = 16,
    ARGS_AHEAD_MAX = 1024, /* a header alone makes room for this many; more only as they arrive */
    ARGS_KEEP_MAX = 1024,  /* kept between commands */
    SCRATCH_KEEP_MAX = 16 * 1024,
    DIGITS_MAX = 20, /* of a 64-bit number */
    SKIM_DIGITS_MAX = 8,
};

struct resp_parser {
    struct resp_arg *args; /* [0, settled) hold offsets into the input, [settled, done) pointers */
    size_t args_capacity;
    size_t settled;
    size_t done;        /* arguments found; done <= count in a multibulk */
    size_t count;       /* arguments announced by the header; 0 before it has been read */
    size_t position;    /* of the line or the argument to be read next */
    size_t scanned;     /* bytes of the line at position that hold no end of line */
    size_t bulk_length; /* of the argument at position; only while in_bulk */
    bool in_bulk;
    bool canonical; /* what has been decided is as resp_request would write it */
    size_t wanted;
    struct resp_buf words;   /* an inline command's words, unquoted */
    struct resp_buf scratch; /* a command written anew */
    const char *error;
    char unexpected[48]; /* the one error that is not constant */
};

/* ---- life cycle ---------------------------------------------------------------------------------------- */

/* Ready for the next command. Leaves args, words and scratch alone: the caller may still be reading them. */
static void forget(struct resp_parser *parser) {
    parser->settled = parser->done = parser->count = 0;
    parser->position = parser->scanned = 0;
    parser->in_bulk = false;
    parser->canonical = true;
    parser->wanted = 0;
}

static bool is_large(const struct resp_parser *parser) {
    return parser->args_capacity > ARGS_KEEP_MAX || parser->words.capacity > SCRATCH_KEEP_MAX ||
           parser->scratch.capacity > SCRATCH_KEEP_MAX;
}

static void shrink(struct resp_parser *parser) {
    if (parser->args_capacity > ARGS_KEEP_MAX) {
        free(parser->args);
        parser->args = NULL;
        parser->args_capacity = 0;
    }
    resp_buf_consume(&parser->words, resp_buf_length(&parser->words), SCRATCH_KEEP_MAX);
    resp_buf_consume(&parser->scratch, resp_buf_length(&parser->scratch), SCRATCH_KEEP_MAX);
}

struct resp_parser *resp_parser_new(void) {
    struct resp_parser *parser = calloc(1, sizeof *parser);
    if (!parser)
        abort();
    parser->error = "";
    forget(parser);
    return parser;
}

void resp_parser_free(struct resp_parser *parser) {
    if (!parser)
        return;
    free(parser->args);
    resp_buf_close(&parser->words);
    resp_buf_close(&parser->scratch);
    free(parser);
}

void resp_parser_reset(struct resp_parser *parser) {
    forget(parser);
    if (is_large(parser))
        shrink(parser);
}

size_t resp_parser_memory(const struct resp_parser *parser) {
    return sizeof *parser + parser->args_capacity * sizeof *parser->args + parser->words.capacity +
           parser->scratch.capacity;
}

size_t resp_parser_wanted(const struct resp_parser *parser) {
    return parser->wanted;
}

const char *resp_parser_error(const struct resp_parser *parser) {
    return parser->error;
}

static enum resp_outcome fail(struct resp_parser *parser, const char *error) {
    parser->error = error;
    return RESP_INVALID;
}

static enum resp_outcome wait_for(struct resp_parser *parser, size_t wanted) {
    parser->wanted = wanted;
    return RESP_INCOMPLETE;
}

/* ---- the arguments found ------------------------------------------------------------------------------- */

static void reserve_args(struct resp_parser *parser, size_t capacity) {
    if (capacity <= parser->args_capacity)
        return;
    struct resp_arg *args = realloc(parser->args, capacity * sizeof *args);
    if (!args)
        abort();
    parser->args = args;
    parser->args_capacity = capacity;
}

static inline void add_arg(struct resp_parser *parser, const char *bytes, size_t length) {
    if (parser->done == parser->args_capacity)
        reserve_args(parser, parser->args_capacity ? parser->args_capacity * 2 : ARGS_MIN);
    parser->args[parser->done++] = (struct resp_arg){bytes, length};
}

/* The input may move after this call: keep offsets. */
static void settle(struct resp_parser *parser, const char *bytes) {
    for (; parser->settled < parser->done; parser->settled++) {
        struct resp_arg *arg = &parser->args[parser->settled];
        arg->bytes = (const char *)(uintptr_t)(arg->bytes - bytes);
    }
}

static void unsettle(struct resp_parser *parser, const char *bytes) {
    for (size_t i = 0; i < parser->settled; i++)
        parser->args[i].bytes = bytes + (uintptr_t)parser->args[i].bytes;
    parser->settled = 0;
}

/* Writes the command into the scratch buffer and lets the arguments point there. */
static void rewrite(struct resp_parser *parser) {
    struct resp_buf *scratch = &parser->scratch;
    size_t size = 1 + DIGITS_MAX + 2;
    for (size_t i = 0; i < parser->done; i++)
        size += 1 + DIGITS_MAX + 2 + parser->args[i].length + 2;
    resp_buf_truncate(scratch, 0);
    const char *start = resp_buf_reserve(scratch, size);
    resp_request(scratch, parser->done);
    for (size_t i = 0; i < parser->done; i++) {
        struct resp_arg *arg = &parser->args[i];
        resp_request_bulk(scratch, arg->bytes, arg->length);
        arg->bytes = scratch->bytes + scratch->end - 2 - arg->length;
    }
    assert(start == resp_buf_bytes(scratch)); /* the room sufficed, so nothing has moved */
}

static enum resp_outcome finish(struct resp_parser *parser, const char *bytes, struct resp_command *command) {
    unsettle(parser, bytes);
    *command = (struct resp_command){
        .args = parser->args,
        .count = parser->done,
        .raw = bytes,
        .raw_length = parser->position,
        .consumed = parser->position,
    };
    if (parser->done == 0) {
        command->raw = "*0\r\n";
        command->raw_length = 4;
    } else if (!parser->canonical) {
        rewrite(parser);
        command->raw = resp_buf_bytes(&parser->scratch);
        command->raw_length = resp_buf_length(&parser->scratch);
    }
    return RESP_COMMAND;
}

/* ---- lines --------------------------------------------------------------------------------------------- */

enum line {
    LINE_PARTIAL,
    LINE_TOO_LONG,
    LINE_NUMBER,
    LINE_OTHER, /* whole, but not a number */
};

static inline bool is_digit(char c) {
    return (unsigned char)(c - '0') <= 9;
}

/* The usual case: few digits, CR, one more byte, all there. Returns the CR, or NULL for "look closer". */
static inline const char *read_short_number(const char *at, const char *end, int64_t *value) {
    const char *digits = at, *stop = end - at > 10 ? at + 10 : end;
    int64_t number = 0;
    while (at < stop && is_digit(*at))
        number = number * 10 + (*at++ - '0');
    if (at == digits || end - at < 2 || *at != '\r' || (*digits == '0' && at > digits + 1))
        return NULL;
    *value = number;
    return at;
}

/* Offset of `mark` in the line at `position`, whose first `scanned` bytes are known not to hold it. */
static enum line find(struct resp_parser *parser, char mark, const char *line, size_t length, size_t line_max,
                      size_t *found) {
    size_t bound = length <= line_max ? length : line_max + 1;
    const char *at = NULL;
    if (parser->scanned < bound)
        at = memchr(line + parser->scanned, mark, bound - parser->scanned);
    if (!at) {
        parser->scanned = bound;
        return length > line_max ? LINE_TOO_LONG : LINE_PARTIAL;
    }
    *found = parser->scanned = (size_t)(at - line);
    return LINE_OTHER;
}

/* Reads the line at `position`: a byte for its kind, a number, CR and one byte. Goes on behind it when it
 * is whole. */
static inline enum line read_line(struct resp_parser *parser, const char *bytes, size_t length,
                                  size_t line_max, int64_t *value) {
    const char *line = bytes + parser->position, *end = bytes + length;
    const char *cr = NULL;
    if (parser->scanned == 0 && line < end)
        cr = read_short_number(line + 1, end, value);
    enum line kind = LINE_NUMBER;
    if (!cr || (size_t)(cr - line) > line_max) {
        size_t available = (size_t)(end - line), size = 0;
        kind = find(parser, '\r', line, available, line_max, &size);
        if (kind != LINE_OTHER)
            return kind;
        if (available - size < 2)
            return LINE_PARTIAL;
        cr = line + size;
        struct resp_arg number = {line + 1, size > 0 ? size - 1 : 0};
        if (resp_arg_integer(&number, value))
            kind = LINE_NUMBER;
    }
    parser->canonical &= cr[1] == '\n';
    parser->position = (size_t)(cr + 2 - bytes);
    parser->scanned = 0;
    return kind;
}

/* ---- multibulk ----------------------------------------------------------------------------------------- */

/* Of this function and the next two, RESP_COMMAND says that this part of the command is whole. */
static enum resp_outcome read_header(struct resp_parser *parser, const char *bytes, size_t length,
                                     const struct resp_limits *limits) {
    int64_t count = 0;
    enum line line = read_line(parser, bytes, length, limits->inline_max, &count);
    if (line == LINE_PARTIAL)
        return wait_for(parser, length + 1);
    if (line == LINE_TOO_LONG)
        return fail(parser, "ERR Protocol error: too big mbulk count string");
    if (line == LINE_OTHER || count > INT_MAX)
        return fail(parser, "ERR Protocol error: invalid multibulk length");
    if (count > 0 && (uint64_t)count > limits->args_max)
        return fail(parser, limits->anonymous ? "ERR Protocol error: unauthenticated multibulk length"
                                              : "ERR Protocol error: invalid multibulk length");
    parser->count = count > 0 ? (size_t)count : 0;
    reserve_args(parser, parser->count < ARGS_AHEAD_MAX ? parser->count : ARGS_AHEAD_MAX);
    return RESP_COMMAND;
}

/* Redis answers with the byte as it is, but line ends become spaces; so must NUL, which would end the
 * text. */
static enum resp_outcome fail_unexpected(struct resp_parser *parser, char got) {
    if (got == '\r' || got == '\n' || got == '\0')
        got = ' ';
    snprintf(parser->unexpected, sizeof parser->unexpected, "ERR Protocol error: expected '$', got '%c'",
             got);
    return fail(parser, parser->unexpected);
}

static inline enum resp_outcome read_bulk_length(struct resp_parser *parser, const char *bytes, size_t length,
                                                 const struct resp_limits *limits) {
    const char *start = bytes + parser->position;
    int64_t size = 0;
    enum line line = read_line(parser, bytes, length, limits->inline_max, &size);
    if (line == LINE_PARTIAL)
        return wait_for(parser, length + 1);
    if (line == LINE_TOO_LONG)
        return fail(parser, "ERR Protocol error: too big bulk count string");
    if (*start != '$')
        return fail_unexpected(parser, *start);
    if (line == LINE_OTHER || size < 0)
        return fail(parser, "ERR Protocol error: invalid bulk length");
    if ((uint64_t)size > limits->bulk_max)
        return fail(parser, limits->anonymous && (uint64_t)size <= resp_limits_redis.bulk_max
                                ? "ERR Protocol error: unauthenticated bulk length"
                                : "ERR Protocol error: invalid bulk length");
    parser->bulk_length = (size_t)size;
    parser->in_bulk = true;
    return RESP_COMMAND;
}

static inline enum resp_outcome read_arg(struct resp_parser *parser, const char *bytes, size_t length,
                                         const struct resp_limits *limits) {
    if (!parser->in_bulk) {
        enum resp_outcome outcome = read_bulk_length(parser, bytes, length, limits);
        if (outcome != RESP_COMMAND)
            return outcome;
    }
    size_t size = parser->bulk_length;
    if (length - parser->position < size + 2)
        return wait_for(parser, parser->position + size + 2);
    const char *arg = bytes + parser->position;
    parser->canonical &= arg[size] == '\r' && arg[size + 1] == '\n';
    add_arg(parser, arg, size);
    parser->position += size + 2;
    parser->in_bulk = false;
    return RESP_COMMAND;
}

/* Behind `at`: a number in its only form and CRLF, with at least one more byte. NULL: it may be one all the same. */
static inline const char *skim_number(const char *at, const char *end, size_t *value) {
    size_t number = 0;
    const char *digits = at;
    while (at < end && is_digit(*at) && at - digits < SKIM_DIGITS_MAX)
        number = number * 10 + (size_t)(*at++ - '0');
    if (end - at < 3 || at == digits || (*digits == '0' && at - digits > 1) || at[0] != '\r' || at[1] != '\n')
        return NULL;
    *value = number;
    return at + 2;
}

/* The usual case, a canonical command that is there whole, without a word kept in memory. False: it is looked at again, bit by bit. */
static bool skim(struct resp_parser *parser, const char *bytes, size_t length,
                 const struct resp_limits *limits) {
    const char *end = bytes + length;
    size_t count = 0, size = 0;
    const char *at = skim_number(bytes + 1, end, &count);
    if (!at || count == 0 || count > ARGS_MIN || count > limits->args_max)
        return false;
    reserve_args(parser, ARGS_MIN);
    for (size_t i = 0; i < count; i++) {
        if (end - at < 4 || *at != '$' || !(at = skim_number(at + 1, end, &size)) ||
            size > limits->bulk_max || (size_t)(end - at) < size + 2 || at[size] != '\r' ||
            at[size + 1] != '\n')
            return false;
        parser->args[i] = (struct resp_arg){at, size};
        at += size + 2;
    }
    parser->done = count;
    parser->position = (size_t)(at - bytes);
    return true;
}

static enum resp_outcome parse_multibulk(struct resp_parser *parser, const char *bytes, size_t length,
                                         const struct resp_limits *limits, struct resp_command *command) {
    if (parser->position == 0 && parser->scanned == 0 && skim(parser, bytes, length, limits))
        return finish(parser, bytes, command);
    if (parser->count == 0) {
        enum resp_outcome outcome = read_header(parser, bytes, length, limits);
        if (outcome != RESP_COMMAND)
            return outcome;
    }
    while (parser->done < parser->count) {
        enum resp_outcome outcome = read_arg(parser, bytes, length, limits);
        if (outcome == RESP_INCOMPLETE)
            settle(parser, bytes);
        if (outcome != RESP_COMMAND)
            return outcome;
    }
    return finish(parser, bytes, command);
}

/* ---- inline -------------------------------------------------------------------------------------------- */

/* Turns a line into arguments that point to the parser's words. A CR at its end is a blank like others. False
 * when its quotes are unbalanced. */
static bool split(struct resp_parser *parser, const char *line, size_t length) {
    struct resp_words words = {
        .at = line,
        .end = line + length,
        .out = resp_buf_reserve(&parser->words, length), /* never committed: written over next time */
    };
    enum resp_words_outcome outcome;
    struct resp_arg word;
    while ((outcome = resp_words_next(&words, &word)) == RESP_WORDS_ONE)
        add_arg(parser, word.bytes, word.length);
    return outcome == RESP_WORDS_END;
}

static enum resp_outcome parse_inline(struct resp_parser *parser, const char *bytes, size_t length,
                                      const struct resp_limits *limits, struct resp_command *command) {
    size_t size = 0;
    enum line line = find(parser, '\n', bytes, length, limits->inline_max, &size);
    if (line == LINE_PARTIAL)
        return wait_for(parser, length + 1);
    if (line == LINE_TOO_LONG)
        return fail(parser, "ERR Protocol error: too big inline request");
    parser->position = size + 1;
    if (!split(parser, bytes, size))
        return fail(parser, "ERR Protocol error: unbalanced quotes in request");
    parser->canonical = false;
    return finish(parser, bytes, command);
}

/* ---- the door ------------------------------------------------------------------------------------------ */

enum resp_outcome resp_parse(struct resp_parser *parser, const char *bytes, size_t length,
                             const struct resp_limits *limits, struct resp_command *command) {
    assert(parser->position <= length);
    if (parser->position == 0 && is_large(parser))
        shrink(parser);
    if (length == 0)
        return wait_for(parser, 1);
    enum resp_outcome outcome = *bytes == '*' ? parse_multibulk(parser, bytes, length, limits, command)
                                              : parse_inline(parser, bytes, length, limits, command);
    if (outcome != RESP_INCOMPLETE)
        forget(parser);
    return outcome;
}
