/* SPDX-License-Identifier: MIT */
/*
 * Texts of scripts that ran lately, each with its SHA-1 and what compiling it makes of a fresh machine. This is no state: what a script does is
 * the same whether its text is here or not (script_machine.c), it only takes longer then. A text has one place, by what it
 * looks like, and takes that of whatever was there.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"
#include "scripts.h"

enum {
    PLACES = 64,
    TEXT_MAX = 64 * 1024, /* of one that is kept */
};

static struct script_text places[PLACES], too_long;

static bool is_it(const struct script_text *found, const struct resp_arg *text) {
    return found->bytes && found->length == text->length &&
           memcmp(found->bytes, text->bytes, text->length) == 0;
}

/* By its length and its end. */
static size_t place_of(const struct resp_arg *text) {
    enum { END = 64, FACTOR = 31 };
    size_t sum = text->length, from = text->length > END ? text->length - END : 0;
    for (size_t i = from; i < text->length; i++)
        sum = sum * FACTOR + (unsigned char)text->bytes[i];
    return sum % PLACES;
}

static void keep(struct script_text *found, const struct resp_arg *text) {
    free(found->bytes);
    found->bytes = malloc(text->length + 1); /* never nothing */
    if (!found->bytes)
        abort();
    memcpy(found->bytes, text->bytes, text->length);
    found->length = text->length;
    assert(is_it(found, text));
}

struct script_text *script_cache_find(const struct resp_arg *text) {
    struct script_text *found = &places[place_of(text)];
    if (is_it(found, text))
        return found;
    if (text->length > TEXT_MAX)
        found = &too_long;
    resp_buf_close(&found->state);
    script_sha(text->bytes, text->length, found->sha);
    if (found != &too_long)
        keep(found, text);
    return found;
}
