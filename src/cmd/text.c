/* SPDX-License-Identifier: MIT */
#include "text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void text_add(struct resp_buf *text, const char *format, ...) {
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    assert(length >= 0);
    char *at = resp_buf_reserve(text, (size_t)length + 1);
    vsnprintf(at, (size_t)length + 1, format, again);
    resp_buf_commit(text, (size_t)length);
    va_end(again);
    va_end(arguments);
}

void text_add_word(struct resp_buf *text, const char *word, char reserved) {
    size_t length = strlen(word);
    char *to = resp_buf_reserve(text, length);

    for (size_t at = 0; at < length; at++) {
        bool breaks = word[at] == '\r' || word[at] == '\n' || (reserved && word[at] == reserved);
        to[at] = breaks ? ' ' : word[at];
    }
    resp_buf_commit(text, length);
}

void text_reply(struct resp_buf *text, struct resp_out *reply) {
    size_t length = resp_buf_length(text);

    resp_verbatim(reply, length ? resp_buf_bytes(text) : "", length);
    resp_buf_close(text);
}

void text_human(char human[TEXT_HUMAN_MAX], size_t bytes) {
    static const char units[] = "KMGTP";
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        snprintf(human, TEXT_HUMAN_MAX, "%zuB", bytes);
        return;
    }
    while (value >= 1024 && unit + 2 < sizeof units) {
        value /= 1024;
        unit++;
    }
    snprintf(human, TEXT_HUMAN_MAX, "%.2f%c", value, units[unit]);
}
