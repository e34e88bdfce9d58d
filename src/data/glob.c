/* SPDX-License-Identifier: MIT */
/*
 * Every element of a pattern but the star takes exactly one byte. So when a match fails, only the last star
 * need be tried with one byte more: what the stars before it took was enough to come here, and giving them
 * more only leaves less for the rest. That is the whole of the backtracking, and the cost at worst is the
 * product of the two lengths.
 *
 * Corners are as clients know them: a class that is not closed ends with the pattern, bytes in a range
 * compare as signed characters, a range may be written backwards, a backslash at the end stands for itself,
 * and an empty text is matched by the empty pattern only.
 */
#include "glob.h"

#include <assert.h>

struct cursor {
    const char *at, *end;
};

static bool in_range(char first, char last, char c) {
    return first <= last ? first <= c && c <= last : last <= c && c <= first;
}

/* Does the class behind a '[' hold c? Leaves the cursor behind the class. */
static bool class_match(struct cursor *pattern, char c) {
    bool found = false, not = pattern->at < pattern->end && *pattern->at == '^';
    pattern->at += not ;
    while (pattern->at < pattern->end && *pattern->at != ']') {
        size_t left = (size_t)(pattern->end - pattern->at);
        if (*pattern->at == '\\' && left >= 2) {
            found |= pattern->at[1] == c;
            pattern->at += 2;
        } else if (left >= 3 && pattern->at[1] == '-') {
            found |= in_range(pattern->at[0], pattern->at[2], c);
            pattern->at += 3;
        } else {
            found |= *pattern->at == c;
            pattern->at++;
        }
    }
    if (pattern->at < pattern->end)
        pattern->at++;
    return found != not ;
}

/* Does the element at the cursor, which is no star, take c? Leaves the cursor behind it. */
static bool element_match(struct cursor *pattern, char c) {
    assert(pattern->at < pattern->end);
    char element = *pattern->at++;
    if (element == '?')
        return true;
    if (element == '[')
        return class_match(pattern, c);
    if (element == '\\' && pattern->at < pattern->end)
        element = *pattern->at++;
    return element == c;
}

bool glob_match(const struct resp_arg *pattern, const struct resp_arg *text) {
    if (text->length == 0)
        return pattern->length == 0;
    const char *at = text->bytes, *end = text->bytes + text->length, *retry = NULL;
    struct cursor cursor = {pattern->bytes, pattern->bytes + pattern->length}, star = cursor;
    while (at < end) {
        if (cursor.at < cursor.end && *cursor.at == '*') {
            cursor.at++;
            star = cursor;
            retry = at;
        } else if (cursor.at < cursor.end && element_match(&cursor, *at)) {
            at++;
        } else if (retry) {
            cursor = star;
            at = ++retry;
        } else {
            return false;
        }
    }
    while (cursor.at < cursor.end && *cursor.at == '*')
        cursor.at++;
    return cursor.at == cursor.end;
}
