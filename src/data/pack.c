/* SPDX-License-Identifier: MIT */
#include "pack.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

enum {
    STRING_MAX = 0x7f,
    TINY = 0x80,
    TINY_MAX = 63,
    INTEGER = 0xc0,
    STRING_2 = 0xd0,
    STRING_4 = 0xd1,
    ELSEWHERE = 0xe0,
};

/* ---- values --- */

struct pack_value pack_value(const struct resp_arg *text) {
    struct pack_value value = {.text = *text};
    if (text->length > 0 && text->length <= 20 && (text->bytes[0] <= '9' && text->bytes[0] >= '-'))
        value.is_integer = resp_arg_integer(text, &value.integer);
    return value;
}

struct pack_value pack_integer(int64_t integer) {
    return (struct pack_value){.is_integer = true, .integer = integer};
}

struct pack_value pack_raw(const void *bytes, size_t length) {
    return (struct pack_value){.text = {bytes, length}};
}

struct pack_value pack_elsewhere(void) {
    return (struct pack_value){.is_elsewhere = true};
}

static bool is_tiny(int64_t integer) {
    return integer >= 0 && integer <= TINY_MAX;
}

/* How many bytes hold an integer. */
static size_t width_of(int64_t integer) {
    uint64_t magnitude = (uint64_t)(integer < 0 ? ~integer : integer);
    size_t width = 1;
    while (width < 8 && magnitude >> (8 * width - 1))
        width++;
    return width;
}

static size_t front_size(const struct pack_value *value) {
    if (value->is_elsewhere)
        return 1;
    if (value->is_integer)
        return is_tiny(value->integer) ? 1 : 1 + width_of(value->integer);
    if (value->text.length <= STRING_MAX)
        return 1 + value->text.length;
    return (value->text.length <= UINT16_MAX ? 3u : 5u) + value->text.length;
}

static size_t back_size(size_t front) {
    size_t size = 1;
    for (; front >= 0x80; front >>= 7)
        size++;
    return size;
}

size_t pack_size(const struct pack_value *value) {
    size_t front = front_size(value);
    return front + back_size(front);
}

/* ---- writing --- */

static char *put_number(char *to, uint64_t number, size_t width) {
    uint64_t little = htole64(number);
    memcpy(to, &little, width);
    return to + width;
}

static char *put_string(char *to, const struct resp_arg *text) {
    assert(text->length <= UINT32_MAX);
    if (text->length <= STRING_MAX) {
        *to++ = (char)text->length;
    } else {
        bool two = text->length <= UINT16_MAX;
        *to++ = (char)(two ? STRING_2 : STRING_4);
        to = put_number(to, text->length, two ? 2 : 4);
    }
    if (text->length)
        memcpy(to, text->bytes, text->length);
    return to + text->length;
}

static char *put_integer(char *to, int64_t integer) {
    if (is_tiny(integer)) {
        *to++ = (char)(TINY + integer);
        return to;
    }
    size_t width = width_of(integer);
    *to++ = (char)(INTEGER + width);
    return put_number(to, (uint64_t)integer, width);
}

/* The highest bits first, so that who reads backward meets the lowest. */
static char *put_back(char *to, size_t front) {
    size_t size = back_size(front);
    for (size_t i = 0; i < size; i++) {
        unsigned bits = (unsigned)(front >> (7 * i)) & 0x7f;
        to[size - 1 - i] = (char)(bits | (i + 1 < size ? 0x80u : 0u));
    }
    return to + size;
}

static char *put_elsewhere(char *to) {
    *to++ = (char)ELSEWHERE;
    return to;
}

char *pack_put(char *to, const struct pack_value *value) {
    char *end = value->is_elsewhere ? put_elsewhere(to)
                : value->is_integer ? put_integer(to, value->integer)
                                    : put_string(to, &value->text);
    return put_back(end, (size_t)(end - to));
}

void pack_append(struct resp_buf *out, const struct pack_value *value) {
    size_t size = pack_size(value);
    char *end = pack_put(resp_buf_reserve(out, size), value);
    (void)end;
    resp_buf_commit(out, size);
}

/* ---- reading --- */

static uint64_t get_number(const char *at, size_t width) {
    uint64_t little = 0;
    memcpy(&little, at, width);
    return le64toh(little);
}

static int64_t get_integer(const char *at, size_t width) {
    unsigned unused = 64 - 8 * (unsigned)width;
    return (int64_t)(get_number(at, width) << unused) >> unused;
}

/* Where the string begins, and how long it is. */
static const char *get_string(const char *at, size_t *length) {
    unsigned what = (unsigned char)*at++;
    if (what <= STRING_MAX) {
        *length = what;
        return at;
    }
    size_t width = what == STRING_2 ? 2 : 4;
    *length = (size_t)get_number(at, width);
    return at + width;
}

static bool is_string(const char *at) {
    unsigned what = (unsigned char)*at;
    return what <= STRING_MAX || what == STRING_2 || what == STRING_4;
}

static size_t front_at(const char *at) {
    unsigned what = (unsigned char)*at;
    if (is_string(at)) {
        size_t length;
        const char *text = get_string(at, &length);
        return (size_t)(text - at) + length;
    }
    return what < INTEGER || what == ELSEWHERE ? 1 : 1 + (what - INTEGER);
}

/* What nearly all entries are comes first, and by branches: where they all are of one kind, a processor that foresees them goes to the
 * next entry before it has read this one. */
static inline const char *next_of(const char *at) {
    unsigned what = (unsigned char)*at;
    if (what > INTEGER && what <= INTEGER + 8)
        return at + (what - INTEGER) + 2;
    if (what < STRING_MAX)
        return at + what + 2;
    size_t front = front_at(at);
    return at + front + back_size(front);
}

const char *pack_next(const char *at) {
    return next_of(at);
}

const char *pack_read(const char *at, struct pack_value *value) {
    unsigned what = (unsigned char)*at;
    *value = (struct pack_value){.is_elsewhere = what == ELSEWHERE};
    if (value->is_elsewhere)
        return pack_next(at);
    value->is_integer = !is_string(at);
    if (!value->is_integer)
        value->text.bytes = get_string(at, &value->text.length);
    else
        value->integer = what < INTEGER ? (int64_t)(what - TINY) : get_integer(at + 1, what - INTEGER);
    return pack_next(at);
}

const char *pack_text(const char *at, struct resp_arg *text, char digits[PACK_DIGITS]) {
    struct pack_value value;
    const char *next = pack_read(at, &value);
    *text = value.text;
    if (value.is_integer)
        *text = resp_arg_digits(value.integer, digits);
    return next;
}

const char *pack_previous(const char *end) {
    size_t front = 0;
    unsigned shift = 0, byte;
    do {
        byte = (unsigned char)*--end;
        front |= (size_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return end - front;
}

bool pack_equal(const char *at, const struct pack_value *value) {
    if (is_string(at) == value->is_integer)
        return false;
    if (value->is_integer) {
        struct pack_value own;
        (void)pack_read(at, &own);
        return own.integer == value->integer;
    }
    size_t length;
    const char *text = get_string(at, &length);
    return length == value->text.length && (length == 0 || memcmp(text, value->text.bytes, length) == 0);
}

/* Whether the entry's integer of that width is the one of these bits; by one load, but near the end. */
static inline bool has_bits(const char *at, const char *end, size_t width, uint64_t bits) {
    bool near = (size_t)(end - at) < 1 + sizeof bits;
    uint64_t own = get_number(at + 1, near ? width : sizeof bits);
    return width == 0 || (own ^ bits) << (8 * (sizeof bits - width)) == 0;
}

/* An integer has one way only to be written, so what is looked for is its bytes. */
static const char *find_integer(const char *at, const char *end, unsigned stride, int64_t integer,
                                size_t *place) {
    char first = (char)(is_tiny(integer) ? TINY + integer : INTEGER + (int64_t)width_of(integer));
    size_t width = is_tiny(integer) ? 0 : width_of(integer);
    for (size_t i = 0; at < end; i++) {
        if (*at == first && has_bits(at, end, width, (uint64_t)integer)) {
            *place = i;
            return at;
        }
        for (unsigned skipped = 0; skipped < stride; skipped++)
            at = next_of(at);
    }
    return NULL;
}

static const char *find_string(const char *at, const char *end, unsigned stride,
                               const struct pack_value *value, size_t *place) {
    for (size_t i = 0; at < end; i++) {
        if (pack_equal(at, value)) {
            *place = i;
            return at;
        }
        for (unsigned skipped = 0; skipped < stride; skipped++)
            at = next_of(at);
    }
    return NULL;
}

const char *pack_find(const char *at, const char *end, unsigned stride, const struct pack_value *value,
                      size_t *place) {
    assert(!value->is_elsewhere);
    return value->is_integer ? find_integer(at, end, stride, value->integer, place)
                             : find_string(at, end, stride, value, place);
}

/* ---- distrust --- */

/* The bytes of an entry of which `left` are there; 0: it is none. */
static size_t sound_size(const char *at, size_t left) {
    unsigned what = (unsigned char)*at;
    size_t head = what == STRING_2 ? 3 : what == STRING_4 ? 5 : 1;
    if (left < head || what == INTEGER || (what > INTEGER + 8 && what < STRING_2) ||
        (what > STRING_4 && what != ELSEWHERE))
        return 0;
    size_t front = front_at(at), back = back_size(front);
    if (front > left || back > left - front)
        return 0;
    char expected[8];
    (void)put_back(expected, front);
    return memcmp(expected, at + front, back) == 0 ? front + back : 0;
}

bool pack_is_sound(const char *bytes, size_t length, bool elsewhere, size_t *count) {
    *count = 0;
    for (size_t at = 0, size; at < length; at += size, ++*count) {
        size = sound_size(bytes + at, length - at);
        if (size == 0 || (!elsewhere && (unsigned char)bytes[at] == ELSEWHERE))
            return false;
    }
    return true;
}
