/* SPDX-License-Identifier: MIT */
/*
 * The request parser beside its twin, on random input in random pieces. The twin is slow and obvious: it
 * has the whole input before it each time, remembers nothing, and shares no code with the parser.
 */
#include "resp_result.h"

#include <errno.h>
#include <limits.h>

#define PROTOCOL "ERR Protocol error: "

/* ---- the twin ------------------------------------------------------------------------------------------ */

static void say(struct result *result, enum resp_outcome outcome, const char *error) {
    resp_buf_truncate(&result->text, 0);
    result->outcome = outcome;
    result->consumed = result->count = 0;
    if (error)
        resp_buf_append(&result->text, error, strlen(error));
}

static void say_command(struct result *result, size_t consumed, size_t count, const struct resp_buf *args) {
    say(result, RESP_COMMAND, NULL);
    result->consumed = consumed;
    result->count = count;
    put_count(&result->text, count);
    resp_buf_append(&result->text, resp_buf_bytes(args), resp_buf_length(args));
}

/* A number is what printf would have written. */
static bool is_number(const char *bytes, size_t length, long long *number) {
    char text[40], again[40];
    if (length >= sizeof text)
        return false;
    memcpy(text, bytes, length);
    text[length] = '\0';
    errno = 0;
    *number = strtoll(text, NULL, 10);
    snprintf(again, sizeof again, "%lld", *number);
    return errno == 0 && strlen(again) == length && memcmp(text, again, length) == 0;
}

enum found { YES, NOT_YET, TOO_FAR };

static enum found look_for(char mark, const char *bytes, size_t length, size_t from, size_t max, size_t *at) {
    for (*at = from; *at < length; ++*at) {
        if (*at - from > max)
            return TOO_FAR;
        if (bytes[*at] == mark)
            return YES;
    }
    return length - from > max ? TOO_FAR : NOT_YET;
}

/* The count and the lengths: everything that a multibulk's number lines can be wrong about. */
static const char *wrong_number(bool is_count, bool ok, long long number, const struct resp_limits *limits) {
    if (is_count && (!ok || number > INT_MAX))
        return PROTOCOL "invalid multibulk length";
    if (is_count && number > (long long)limits->args_max)
        return limits->anonymous ? PROTOCOL "unauthenticated multibulk length"
                                 : PROTOCOL "invalid multibulk length";
    if (!is_count && (!ok || number < 0 || number > 512 * 1024 * 1024))
        return PROTOCOL "invalid bulk length";
    if (!is_count && number > (long long)limits->bulk_max)
        return limits->anonymous ? PROTOCOL "unauthenticated bulk length" : PROTOCOL "invalid bulk length";
    return NULL;
}

/* Reads the line at *at and goes behind it; false when `result` says why not. */
static bool read_number_line(const char *bytes, size_t length, size_t *at, bool is_count,
                             const struct resp_limits *limits, struct result *result, long long *number) {
    size_t cr, start = *at;
    char unexpected[64];
    enum found found = look_for('\r', bytes, length, start, limits->inline_max, &cr);
    if (found == TOO_FAR)
        say(result, RESP_INVALID,
            is_count ? PROTOCOL "too big mbulk count string" : PROTOCOL "too big bulk count string");
    else if (found == NOT_YET || cr + 1 == length)
        say(result, RESP_INCOMPLETE, NULL);
    if (found != YES || cr + 1 == length)
        return false;
    if (!is_count && bytes[start] != '$') {
        char got = bytes[start] && bytes[start] != '\r' && bytes[start] != '\n' ? bytes[start] : ' ';
        snprintf(unexpected, sizeof unexpected, PROTOCOL "expected '$', got '%c'", got);
        say(result, RESP_INVALID, unexpected);
        return false;
    }
    bool ok = cr > start && is_number(bytes + start + 1, cr - start - 1, number);
    const char *wrong = wrong_number(is_count, ok, *number, limits);
    if (wrong)
        say(result, RESP_INVALID, wrong);
    *at = cr + 2;
    return !wrong;
}

static void twin_multibulk(const char *bytes, size_t length, const struct resp_limits *limits,
                           struct result *result) {
    struct resp_buf args = {0};
    size_t at = 0;
    long long count = 0, size = 0;
    if (!read_number_line(bytes, length, &at, true, limits, result, &count))
        return;
    for (long long i = 0; i < count; i++) {
        if (!read_number_line(bytes, length, &at, false, limits, result, &size))
            break;
        if (at + (size_t)size + 2 > length) {
            say(result, RESP_INCOMPLETE, NULL);
            break;
        }
        put_arg(&args, bytes + at, (size_t)size);
        at += (size_t)size + 2;
        if (i == count - 1)
            say_command(result, at, (size_t)count, &args);
    }
    if (count <= 0)
        say_command(result, at, 0, &args);
    resp_buf_close(&args);
}

/* An inline command is first turned into symbols: plain bytes, bytes within quotes, quotes that open and
 * close. */
enum { QUOTED = 0x100, OPEN = 0x200, CLOSE = 0x400 };

static bool is_blank(int symbol) {
    return symbol == ' ' || symbol == '\t' || symbol == '\n' || symbol == '\v' || symbol == '\f' ||
           symbol == '\r';
}

/* Of an escape in double quotes: what it stands for; how many bytes it has in *size. */
static int unescaped(const char *bytes, size_t left, size_t *size) {
    static const char *const table[] = {"n\n", "r\r", "t\t", "b\b", "a\a"};
    char hex[3] = {0};
    if (left >= 4)
        memcpy(hex, bytes + 2, 2);
    *size = 4;
    if (bytes[1] == 'x' && strspn(hex, "0123456789abcdefABCDEF") == 2)
        return (int)strtol(hex, NULL, 16);
    *size = 2;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (bytes[1] == table[i][0])
            return table[i][1];
    return (unsigned char)bytes[1];
}

/* False when the quotes are unbalanced. */
static bool to_symbols(const char *bytes, size_t length, int *symbols, size_t *symbol_count) {
    char quote = 0;
    size_t size;
    for (size_t i = 0; i < length; i += size) {
        int c = (unsigned char)bytes[i];
        size = 1;
        if (!quote && (c == '"' || c == '\'')) {
            quote = (char)c;
            c = OPEN;
        } else if (quote && c == quote) {
            quote = 0;
            c = CLOSE;
            if (i + 1 < length && !is_blank((unsigned char)bytes[i + 1]))
                return false;
        } else if (quote == '"' && c == '\\' && i + 1 < length) {
            c = QUOTED | unescaped(bytes + i, length - i, &size);
        } else if (quote == '\'' && c == '\\' && i + 1 < length && bytes[i + 1] == '\'') {
            c = QUOTED | '\'';
            size = 2;
        } else if (quote) {
            c |= QUOTED;
        }
        symbols[(*symbol_count)++] = c;
    }
    return !quote;
}

static void twin_inline(const char *bytes, size_t length, const struct resp_limits *limits,
                        struct result *result) {
    size_t end, symbol_count = 0, count = 0;
    enum found found = look_for('\n', bytes, length, 0, limits->inline_max, &end);
    if (found == TOO_FAR)
        say(result, RESP_INVALID, PROTOCOL "too big inline request");
    if (found == NOT_YET)
        say(result, RESP_INCOMPLETE, NULL);
    if (found != YES)
        return;
    size_t consumed = end + 1;
    if (end > 0 && bytes[end - 1] == '\r')
        end--;
    int *symbols = calloc(end + 1, sizeof *symbols);
    bool balanced = to_symbols(bytes, end, symbols, &symbol_count), in_word = false;
    symbols[symbol_count++] = '\n';
    struct resp_buf args = {0}, word = {0};
    for (size_t i = 0; i < symbol_count; i++) {
        int symbol = symbols[i];
        bool parts = is_blank(symbol) && !(in_word && (symbol == '\v' || symbol == '\f'));
        if (in_word && (parts || symbol == CLOSE)) {
            put_arg(&args, resp_buf_bytes(&word), resp_buf_length(&word));
            resp_buf_truncate(&word, 0);
            count++;
        }
        in_word = !parts && symbol != CLOSE;
        char byte = (char)symbol;
        if (in_word && symbol != OPEN)
            resp_buf_append(&word, &byte, 1);
    }
    if (balanced)
        say_command(result, consumed, count, &args);
    else
        say(result, RESP_INVALID, PROTOCOL "unbalanced quotes in request");
    resp_buf_close(&args);
    resp_buf_close(&word);
    free(symbols);
}

static void twin(const char *bytes, size_t length, const struct resp_limits *limits, struct result *result) {
    if (length == 0)
        say(result, RESP_INCOMPLETE, NULL);
    else if (bytes[0] == '*')
        twin_multibulk(bytes, length, limits, result);
    else
        twin_inline(bytes, length, limits, result);
}

/* ---- random input -------------------------------------------------------------------------------------- */

static uint32_t random_below(uint32_t *seed, uint32_t bound) {
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(*seed >> 8) * bound) >> 24);
}

/* What requests, right and wrong ones, are made of. */
static const char *const tokens[] = {
    "*",
    "$",
    "*1\r\n",
    "*2\r\n",
    "*3\r\n",
    "*0\r\n",
    "*-1\r\n",
    "$0\r\n\r\n",
    "$1\r\n",
    "$4\r\nPING\r\n",
    "$3\r\nSET\r\n",
    "\r\n",
    "\r",
    "\n",
    "0",
    "1",
    "12",
    "-",
    "+",
    "x",
    "\xff",
    "\"",
    "'",
    "\\",
    "\\x4",
    "\\n",
    "\\\"",
    "\\'",
    " ",
    "\t",
    "\v",
    "\f",
    "a",
    "echo ",
    "2147483647",
    "2147483648",
    "536870913",
    "9223372036854775808",
    "\"a\" ",
    "'b' ",
    "\r\r",
    "$10\r\n0123456789\r\n",
};

static void random_tokens(uint32_t *seed, struct resp_buf *input) {
    for (uint32_t count = random_below(seed, 12); count > 0; count--) {
        const char *token = tokens[random_below(seed, sizeof tokens / sizeof *tokens)];
        resp_buf_append(input, token, strlen(token));
    }
    if (random_below(seed, 8) == 0)
        resp_buf_append(input, "", 1); /* a NUL byte */
    if (random_below(seed, 2) == 0)
        resp_buf_append(input, "\r\n", 2);
}

static void random_multibulk(uint32_t *seed, struct resp_buf *input) {
    char bytes[24];
    uint32_t count = random_below(seed, 6);
    put_count(input, count);
    for (; count > 0; count--) {
        uint32_t length = random_below(seed, sizeof bytes);
        for (uint32_t i = 0; i < length; i++)
            bytes[i] = (char)random_below(seed, 256);
        put_arg(input, bytes, length);
    }
}

static void mutate(uint32_t *seed, struct resp_buf *input) {
    size_t length = resp_buf_length(input);
    for (uint32_t count = random_below(seed, 3); count > 0 && length > 0; count--) {
        const char *token = tokens[random_below(seed, sizeof tokens / sizeof *tokens)];
        input->bytes[input->start + random_below(seed, (uint32_t)length)] = token[0];
    }
}

static const struct resp_limits limits_tried[] = {
    {512 * 1024 * 1024, 1024 * 1024, 64 * 1024, false},
    {16, 3, 64 * 1024, true},
    {9, 4, 20, false},
    {9, 4, 5, true},
};

struct tally {
    size_t commands, errors, incomplete;
};

/* Parses one random input in random pieces; the parser is used again for the next. */
static void try_once(struct resp_parser *parser, uint32_t *seed, struct tally *tally) {
    struct resp_buf input = {0};
    struct result expected = {0}, got = {0};
    const struct resp_limits *limits = &limits_tried[random_below(seed, 4)];
    if (random_below(seed, 2))
        random_tokens(seed, &input);
    else
        random_multibulk(seed, &input);
    mutate(seed, &input);
    resp_buf_append(&input, "", 1); /* never NULL */
    size_t length = resp_buf_length(&input) - 1;
    size_t first = random_below(seed, (uint32_t)length + 1);
    size_t cuts[] = {first, first + random_below(seed, (uint32_t)(length - first) + 1)};
    twin(resp_buf_bytes(&input), length, limits, &expected);
    parse_in_pieces(parser, resp_buf_bytes(&input), length, cuts, 2, limits, &got);
    assert_same(&got, &expected);
    tally->commands += got.outcome == RESP_COMMAND;
    tally->errors += got.outcome == RESP_INVALID;
    tally->incomplete += got.outcome == RESP_INCOMPLETE;
    if (got.outcome == RESP_INCOMPLETE)
        resp_parser_reset(parser);
    resp_buf_close(&input);
    resp_buf_close(&expected.text);
    resp_buf_close(&got.text);
}

static void the_parser_and_its_twin_agree_on_random_input(void **state) {
    (void)state;
    enum { RUNS = 300000 };
    struct resp_parser *parser = resp_parser_new();
    struct tally tally = {0};
    for (uint32_t run = 0; run < RUNS; run++) {
        uint32_t seed = run * 2654435761u;
        try_once(parser, &seed, &tally);
    }
    resp_parser_free(parser);
    print_message("%zu commands, %zu errors, %zu incomplete\n", tally.commands, tally.errors,
                  tally.incomplete);
    assert_true(tally.commands > RUNS / 10 && tally.errors > RUNS / 10 && tally.incomplete > RUNS / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parser_and_its_twin_agree_on_random_input),
    };
    return cmocka_run_group_tests_name("resp_twin", tests, NULL, NULL);
}
