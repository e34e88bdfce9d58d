/* SPDX-License-Identifier: MIT */
/*
 * Replies in RESP2 or RESP3, byte for byte as Redis 7.0 writes them, and requests as multibulk.
 *
 * Every writer reserves its most once, writes in place and commits what it wrote. Only errors, formatted
 * bulks and doubles go through printf (whose decimal point is the C locale's: the process never sets
 * another).
 *
 * An array whose length is known only at its end gets its header inserted then, and its elements move up
 * by the header's few bytes: a client must never see a padded number.
 */
#include "resp.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NUMBER_MAX = RESP_DIGITS_MAX,    /* "-9223372036854775808", "18446744073709551615" */
    HEADER_MAX = 1 + NUMBER_MAX + 2, /* a kind, a number, CRLF */
    DOUBLE_MAX = 32,                 /* "-2.2250738585072014e-308" and its NUL */
    FORMAT_USUAL = 256,              /* formatted texts of up to this are formatted once */
};

/* ---- pieces: each writes at `at` and returns the place behind ------------------------------------------ */

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

static char *put_unsigned(char *at, uint64_t value) {
    char digits[NUMBER_MAX];
    size_t first = sizeof digits;
    while (value >= 100) {
        first -= 2;
        memcpy(digits + first, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        first -= 2;
        memcpy(digits + first, digit_pairs + value * 2, 2);
    } else {
        digits[--first] = (char)('0' + value);
    }
    memcpy(at, digits + first, sizeof digits - first);
    return at + (sizeof digits - first);
}

static char *put_integer(char *at, int64_t value) {
    if (value >= 0)
        return put_unsigned(at, (uint64_t)value);
    *at++ = '-';
    return put_unsigned(at, 0 - (uint64_t)value);
}

struct resp_arg resp_arg_digits(int64_t value, char digits[RESP_DIGITS_MAX]) {
    return (struct resp_arg){digits, (size_t)(put_integer(digits, value) - digits)};
}

static char *put_bytes(char *at, const void *bytes, size_t length) {
    if (length > 0)
        memcpy(at, bytes, length);
    return at + length;
}

static char *put_crlf(char *at) {
    memcpy(at, "\r\n", 2);
    return at + 2;
}

static char *put_header(char *at, char kind, uint64_t number) {
    *at++ = kind;
    return put_crlf(put_unsigned(at, number));
}

static char *put_bulk(char *at, const void *bytes, size_t length) {
    return put_crlf(put_bytes(put_header(at, '$', length), bytes, length));
}

/* ---- whole items into a buffer ------------------------------------------------------------------------- */

static void commit(struct resp_buf *buf, const char *end) {
    resp_buf_commit(buf, (size_t)(end - (buf->bytes + buf->end)));
}

static void append_header(struct resp_buf *buf, char kind, uint64_t number) {
    commit(buf, put_header(resp_buf_reserve(buf, HEADER_MAX), kind, number));
}

static void append_bulk(struct resp_buf *buf, const void *bytes, size_t length) {
    commit(buf, put_bulk(resp_buf_reserve(buf, HEADER_MAX + length + 2), bytes, length));
}

/* A header whose kind depends on the protocol. */
static void write_header(struct resp_out *out, char resp3, char resp2, uint64_t number) {
    assert(out->protocol == 2 || out->protocol == 3);
    if (out->buf)
        append_header(out->buf, out->protocol == 3 ? resp3 : resp2, number);
}

/* Constant bytes that depend on the protocol. */
static void write_constant(struct resp_out *out, const char *resp3, const char *resp2) {
    assert(out->protocol == 2 || out->protocol == 3);
    const char *text = out->protocol == 3 ? resp3 : resp2;
    if (out->buf)
        resp_buf_append(out->buf, text, strlen(text));
}

/* Formats to the back of buf without a NUL; returns where the text starts, counted from the first live
 * byte. */
static size_t append_format(struct resp_buf *buf, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
static size_t append_format(struct resp_buf *buf, const char *format, va_list arguments) {
    size_t start = resp_buf_length(buf);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(resp_buf_reserve(buf, FORMAT_USUAL), FORMAT_USUAL, format, arguments);
    assert(length >= 0);
    if (length >= FORMAT_USUAL)
        vsnprintf(resp_buf_reserve(buf, (size_t)length + 1), (size_t)length + 1, format, again);
    va_end(again);
    resp_buf_commit(buf, (size_t)length);
    return start;
}

/* Makes room for a header in front of what was written since `mark`, and writes it there. */
static void insert_header(struct resp_buf *buf, size_t mark, char kind, uint64_t number) {
    char header[HEADER_MAX];
    size_t size = (size_t)(put_header(header, kind, number) - header);
    assert(mark <= resp_buf_length(buf));
    resp_buf_reserve(buf, size);
    char *at = buf->bytes + buf->start + mark;
    memmove(at + size, at, resp_buf_length(buf) - mark);
    memcpy(at, header, size);
    resp_buf_commit(buf, size);
}

/* ---- replies ------------------------------------------------------------------------------------------- */

void resp_status(struct resp_out *out, const char *text) {
    if (!out->buf)
        return;
    size_t length = strlen(text);
    char *at = resp_buf_reserve(out->buf, 1 + length + 2);
    *at++ = '+';
    commit(out->buf, put_crlf(put_bytes(at, text, length)));
}

/* A line end within the text would end the reply: inside it becomes a space, at the end it is dropped. */
void resp_error(struct resp_out *out, const char *format, ...) {
    if (!out->buf)
        return;
    struct resp_buf *buf = out->buf;
    resp_buf_append(buf, "-", 1);
    va_list arguments;
    va_start(arguments, format);
    size_t start = append_format(buf, format, arguments);
    va_end(arguments);
    char *text = buf->bytes + buf->start + start;
    size_t length = resp_buf_length(buf) - start;
    while (length > 0 && (text[length - 1] == '\r' || text[length - 1] == '\n'))
        length--;
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\r' || text[i] == '\n')
            text[i] = ' ';
    resp_buf_truncate(buf, start + length);
    resp_buf_append(buf, "\r\n", 2);
}

void resp_integer(struct resp_out *out, int64_t value) {
    if (!out->buf)
        return;
    char *at = resp_buf_reserve(out->buf, HEADER_MAX);
    *at++ = ':';
    commit(out->buf, put_crlf(put_integer(at, value)));
}

void resp_bulk(struct resp_out *out, const void *bytes, size_t length) {
    if (out->buf)
        append_bulk(out->buf, bytes, length);
}

void resp_bulk_text(struct resp_out *out, const char *text) {
    resp_bulk(out, text, strlen(text));
}

void resp_bulk_format(struct resp_out *out, const char *format, ...) {
    if (!out->buf)
        return;
    va_list arguments;
    va_start(arguments, format);
    size_t start = append_format(out->buf, format, arguments);
    va_end(arguments);
    insert_header(out->buf, start, '$', resp_buf_length(out->buf) - start);
    resp_buf_append(out->buf, "\r\n", 2);
}

void resp_bulk_integer(struct resp_out *out, int64_t value) {
    if (out->buf)
        resp_request_integer(out->buf, value);
}

void resp_verbatim(struct resp_out *out, const char *bytes, size_t length) {
    static const char format[] = "txt:";
    size_t prefix = sizeof format - 1;
    if (out->protocol != 3) {
        resp_bulk(out, bytes, length);
    } else if (out->buf) {
        char *at = resp_buf_reserve(out->buf, HEADER_MAX + prefix + length + 2);
        at = put_bytes(put_header(at, '=', prefix + length), format, prefix);
        commit(out->buf, put_crlf(put_bytes(at, bytes, length)));
    }
}

void resp_null(struct resp_out *out) {
    write_constant(out, "_\r\n", "$-1\r\n");
}

void resp_null_array(struct resp_out *out) {
    write_constant(out, "_\r\n", "*-1\r\n");
}

void resp_boolean(struct resp_out *out, bool value) {
    write_constant(out, value ? "#t\r\n" : "#f\r\n", value ? ":1\r\n" : ":0\r\n");
}

void resp_double(struct resp_out *out, double value) {
    char text[DOUBLE_MAX];
    if (!out->buf)
        return;
    if (isnan(value))
        memcpy(text, "nan", 4); /* printf has a "-nan" too */
    else
        snprintf(text, sizeof text, "%.17g", value);
    if (out->protocol != 3) {
        resp_bulk_text(out, text);
        return;
    }
    size_t length = strlen(text);
    char *at = resp_buf_reserve(out->buf, 1 + length + 2);
    *at++ = ',';
    commit(out->buf, put_crlf(put_bytes(at, text, length)));
}

void resp_array(struct resp_out *out, size_t count) {
    write_header(out, '*', '*', count);
}

void resp_map(struct resp_out *out, size_t pairs) {
    write_header(out, '%', '*', out->protocol == 3 ? pairs : pairs * 2);
}

void resp_set(struct resp_out *out, size_t count) {
    write_header(out, '~', '*', count);
}

void resp_push(struct resp_out *out, size_t count) {
    write_header(out, '>', '*', count);
}

size_t resp_array_open(struct resp_out *out) {
    return out->buf ? resp_buf_length(out->buf) : 0;
}

void resp_array_close(struct resp_out *out, size_t mark, size_t count) {
    if (out->buf)
        insert_header(out->buf, mark, '*', count);
}

/* ---- requests ------------------------------------------------------------------------------------------ */

void resp_request(struct resp_buf *buf, size_t count) {
    append_header(buf, '*', count);
}

void resp_request_bulk(struct resp_buf *buf, const void *bytes, size_t length) {
    append_bulk(buf, bytes, length);
}

void resp_request_text(struct resp_buf *buf, const char *text) {
    append_bulk(buf, text, strlen(text));
}

void resp_request_integer(struct resp_buf *buf, int64_t value) {
    char text[NUMBER_MAX];
    const char *end = put_integer(text, value);
    append_bulk(buf, text, (size_t)(end - text));
}

void resp_request_unsigned(struct resp_buf *buf, uint64_t value) {
    char text[NUMBER_MAX];
    const char *end = put_unsigned(text, value);
    append_bulk(buf, text, (size_t)(end - text));
}

void resp_request_bulk_header(struct resp_buf *buf, size_t length) {
    append_header(buf, '$', length);
}
