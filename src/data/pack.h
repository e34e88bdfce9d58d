/* SPDX-License-Identifier: MIT */
/*
 * Packed entries: strings one behind the other, integers among them in few bytes, readable in both
 * directions. What small collections, list segments and the pages of collections are made of. Private to
 * src/data.
 *
 *     bytes         meaning
 *     1             what it is:
 *                     00..7f    a string of so many bytes
 *                     80..bf    the integer 0..63
 *                     c1..c8    an integer in 1..8 bytes, little-endian, two's complement
 *                     d0        a string; its length in 2 bytes, little-endian
 *                     d1        a string; its length in 4 bytes, little-endian
 *                     e0        a string that lies elsewhere
 *     ..            length, integer, string
 *     1..5          how many bytes lie before this: seven bits a byte, the lowest last; bit 7: more before it
 *
 * For example "abc", 7, 1000:  03 61 62 63 04   87 01   c2 e8 03 03
 *
 * A string that is a decimal integer of 64 bits, as it would be printed, is always stored as one.
 */
#ifndef PACK_H
#define PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../resp/resp.h"

enum { PACK_DIGITS = 24 };

/* What is to be stored or looked for. */
struct pack_value {
    struct resp_arg text;
    bool is_integer;
    bool is_elsewhere;
    int64_t integer;
};

struct pack_value pack_value(const struct resp_arg *text);
struct pack_value pack_integer(int64_t integer);
/* These bytes, even if they look like an integer. */
struct pack_value pack_raw(const void *bytes, size_t length);
struct pack_value pack_elsewhere(void);

/* The bytes of an entry; writes one, returns its end. */
size_t pack_size(const struct pack_value *value);
char *pack_put(char *to, const struct pack_value *value);
void pack_append(struct resp_buf *out, const struct pack_value *value);

/* Reads the entry at `at`, returns the next one. Of a string the text is in the entry, of an integer it is
 * not there. */
const char *pack_read(const char *at, struct pack_value *value);
/* As text: an integer is printed into `digits`. */
const char *pack_text(const char *at, struct resp_arg *text, char digits[PACK_DIGITS]);
const char *pack_next(const char *at);
const char *pack_previous(const char *end); /* the entry that ends there */
bool pack_equal(const char *at, const struct pack_value *value);
/* The first entry from `at` on that is equal, of every `stride`-th; NULL: there is none before `end`. `place` becomes how many of those
 * lie before it. */
const char *pack_find(const char *at, const char *end, unsigned stride, const struct pack_value *value,
                      size_t *place);

/* Whether these bytes are entries and nothing else; how many. `elsewhere`: some may be. */
bool pack_is_sound(const char *bytes, size_t length, bool elsewhere, size_t *count);

#endif
