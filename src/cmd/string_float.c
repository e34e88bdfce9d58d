/* SPDX-License-Identifier: MIT */
/*
 * INCRBYFLOAT. The sum is made in long double and kept in decimal, with 17 digits behind the point and without the zeros
 * at its end, as Redis keeps it. Reading, adding and writing are exact functions of their arguments for a given format of long double,
 * so all nodes of one architecture come to the same string.
 */
#include <assert.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "lookup.h"
#include "strings.h"

enum { FLOAT_MAX = 5 * 1024 }; /* characters of a number, as Redis bounds them; LDBL_MAX has 4933 digits */

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* All of the argument must be a number; neither too large nor too small for the type, nor NaN. */
static bool parse_float(const struct resp_arg *arg, long double *value) {
    char text[FLOAT_MAX], *end;
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
static size_t write_float(char text[FLOAT_MAX], long double value) {
    int written = snprintf(text, FLOAT_MAX, "%.17Lf", value);
    assert(written > 0 && written < FLOAT_MAX);
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

static bool float_or_error(struct call *call, const struct resp_arg *arg, long double *value) {
    if (parse_float(arg, value))
        return true;
    resp_error(call->reply, "ERR value is not a valid float");
    return false;
}

void cmd_incrbyfloat(struct call *call) {
    char text[FLOAT_MAX];
    long double value = 0, amount;
    struct item *item;
    if (!lookup_string(call, &call->args[1], &item))
        return;
    struct resp_arg current = string_bytes(item);
    if ((item && !float_or_error(call, &current, &value)) || !float_or_error(call, &call->args[2], &amount))
        return;
    value += amount;
    if (__builtin_isnan(value) || __builtin_isinf(value)) {
        resp_error(call->reply, "ERR increment would produce NaN or Infinity");
        return;
    }
    size_t length = write_float(text, value);
    string_put(call, &call->args[1], &(struct resp_arg){text, length}, true);
    resp_bulk(call->reply, text, length);
}
