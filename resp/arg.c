/* SPDX-License-Identifier: MIT */
/*
 * What an argument says: a word, an integer; and how a line falls into words.
 *
 * The rules for words are Redis's, for inline commands and redis.conf alike. Words are separated by
 * blanks. A quote may open anywhere in a word; the quote that closes it ends the word, and a blank or
 * nothing must follow:
 *
 *      a"b c"    ->  ab c            "..." knows \n \r \t \b \a and \xhh; any other byte behind \ is itself
 *      'it\'s'   ->  it's            '...' knows \' alone
 *      "a"b  'a  ->  unbalanced
 */
#include "resp.h"

#include <assert.h>
#include <string.h>

static inline unsigned char lower(char c) {
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static inline bool is_digit(char c) {
    return (unsigned char)(c - '0') <= 9;
}

bool resp_bytes_fold(const char *bytes, const char *word, size_t length) {
    size_t at = 0;
    while (at < length && lower(bytes[at]) == lower(word[at]))
        at++;
    return at == length;
}

/* Strict: of all ways to write a number, only the shortest is one. */
bool resp_arg_integer(const struct resp_arg *arg, int64_t *value) {
    enum { LENGTH_MAX = 20 }; /* "-9223372036854775808" */
    const char *bytes = arg->bytes;
    size_t length = arg->length;
    if (length == 0 || length > LENGTH_MAX)
        return false;
    bool negative = bytes[0] == '-';
    size_t at = negative ? 1 : 0;
    if (at == length || (bytes[at] == '0' && length > 1))
        return false;
    uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : INT64_MAX, magnitude = 0;
    for (; at < length; at++) {
        if (!is_digit(bytes[at]))
            return false;
        uint64_t digit = (uint64_t)(bytes[at] - '0');
        if (magnitude > (limit - digit) / 10)
            return false;
        magnitude = magnitude * 10 + digit;
    }
    *value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

/* ---- words --------------------------------------------------------------------------------------------- */

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Vertical tab and form feed are blanks between words, but do not end one. */
static bool ends_word(char c) {
    return is_blank(c) && c != '\v' && c != '\f';
}

static int hex_digit(char c) {
    if (is_digit(c))
        return c - '0';
    unsigned char letter = lower(c);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/* What the escape at `at`, just behind the backslash, stands for. */
static char unescape(struct resp_words *words) {
    static const char letters[] = "nrtba", meanings[] = "\n\r\t\b\a";
    const char *at = words->at;
    assert(at < words->end);
    if (words->end - at >= 3 && *at == 'x' && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
        words->at += 3;
        return (char)(hex_digit(at[1]) * 16 + hex_digit(at[2]));
    }
    words->at++;
    const char *letter = memchr(letters, *at, sizeof letters - 1);
    return letter ? meanings[letter - letters] : *at;
}

/* The rest of a quoted word, behind its opening quote. False when the quotes are unbalanced. */
static bool take_quoted(struct resp_words *words, char quote) {
    while (words->at < words->end) {
        char c = *words->at++;
        bool more = words->at < words->end;
        if (c == quote)
            return !more || is_blank(*words->at);
        if (c == '\\' && more && quote == '"')
            c = unescape(words);
        else if (c == '\\' && more && *words->at == quote)
            c = *words->at++;
        *words->out++ = c;
    }
    return false;
}

static bool take_word(struct resp_words *words) {
    while (words->at < words->end && !ends_word(*words->at)) {
        char c = *words->at++;
        if (c == '"' || c == '\'')
            return take_quoted(words, c);
        *words->out++ = c;
    }
    return true;
}

enum resp_words_outcome resp_words_next(struct resp_words *words, struct resp_arg *word) {
    while (words->at < words->end && is_blank(*words->at))
        words->at++;
    if (words->at == words->end)
        return RESP_WORDS_END;
    const char *start = words->at;
    char *out = words->out;
    if (!take_word(words))
        return RESP_WORDS_UNBALANCED;
    *word = (struct resp_arg){out, (size_t)(words->out - out)};
    assert(word->length <= (size_t)(words->at - start));
    return RESP_WORDS_ONE;
}
