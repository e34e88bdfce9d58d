/* SPDX-License-Identifier: MIT */
#include "float.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* All of the argument must be a number; neither too large nor too small for the type, nor NaN. */
static bool parse(const struct resp_arg *arg, long double *value) {
    char text[FLOAT_TEXT_MAX], *end;
    if (arg->length == 0 || arg->length >= sizeof text || is_blank(arg->bytes[0]))
        return false;
    memcpy(text, arg->bytes, arg->length);
    text[arg->length] = '\0';
    errno = 0;
    *value = strtold(text, &end);
    if ((size_t)(end - text) != arg->length || __builtin_isnan(*value))
        return false;
    return errno != ERANGE || !(__builtin_isinf(*value) || *value == 0);
}

/* Returns the length. */
static size_t write_down(char text[FLOAT_TEXT_MAX], long double value) {
    int written = snprintf(text, FLOAT_TEXT_MAX, "%.17Lf", value);
    assert(written > 0 && written < FLOAT_TEXT_MAX);
    size_t length = (size_t)written;
    while (text[length - 1] == '0')
        length--;
    if (text[length - 1] == '.')
        length--;
    if (length == 2 && text[0] == '-' && text[1] == '0') {
        text[0] = '0';
        length = 1;
    }
    return length;
}

bool float_read(struct call *call, const struct resp_arg *arg, const char *error, long double *value) {
    if (parse(arg, value))
        return true;
    resp_error(call->reply, "ERR %s", error);
    return false;
}

size_t float_sum(struct call *call, long double value, long double amount, char text[FLOAT_TEXT_MAX]) {
    value += amount;
    if (!__builtin_isnan(value) && !__builtin_isinf(value))
        return write_down(text, value);
    resp_error(call->reply, "ERR increment would produce NaN or Infinity");
    return 0;
}
