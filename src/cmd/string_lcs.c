/* SPDX-License-Identifier: MIT */
/*
 * LCS: the longest bytes, not necessarily side by side, that two strings have in common in the same order. L(i, j), the
 * length for the first i bytes of a and the first j of b, makes a table; walking it back from its last field finds the bytes, and
 * the ranges of them that lie side by side in both:
 *
 *              ""  b  a  x            a == b there:  one more than diagonally before, and the walk goes there
 *          ""   0  0  0  0            otherwise:     the larger of the field above and the one on the left;
 *          a    0  0  1  1                           of equal ones the walk goes left
 *          x    0  0  1  2
 *
 * A field is its left neighbour or one more, so a row is kept as one bit for each byte of b, clear where the row rises; and
 * a whole word of a row is made from the row above by one addition (Hyyrö, "Bit-parallel LCS-length computation revisited",
 * 2004), m being the places of b that hold row i's byte of a:
 *
 *          row(i) = (row(i-1) + (row(i-1) & m)) | (row(i-1) & ~m)             row(0): all ones
 *
 * The walk needs nothing else: where the bytes differ and row i rises, the field above must be the larger one.
 */
#include <stdlib.h>

#include "families.h"
#include "lookup.h"
#include "strings.h"

/* What was asked for. */
struct lcs_options {
    bool length, ranges, range_lengths;
    int64_t range_min;
};

struct lcs {
    struct resp_arg a, b;
    size_t words;   /* of a row */
    uint64_t *rows; /* owned: one for each byte of a */
};

/* [a, a + length) of one string is [b, b + length) of the other. */
struct range {
    size_t a, b, length;
};

enum { BYTES = 256, WORD_BITS = 64 };

static bool rises(const struct lcs *lcs, size_t i, size_t j) {
    const uint64_t *row = lcs->rows + (i - 1) * lcs->words;
    return !(row[(j - 1) / WORD_BITS] >> (j - 1) % WORD_BITS & 1);
}

static size_t length_of(const struct lcs *lcs) {
    size_t length = 0;
    if (lcs->a.length)
        for (size_t j = 1; j <= lcs->b.length; j++)
            length += rises(lcs, lcs->a.length, j);
    return length;
}

static bool parse(struct call *call, struct lcs_options *options) {
    *options = (struct lcs_options){0};
    for (size_t i = 3; i < call->count; i++) {
        const struct resp_arg *arg = &call->args[i];
        if (resp_arg_is(arg, "idx"))
            options->ranges = true;
        else if (resp_arg_is(arg, "len"))
            options->length = true;
        else if (resp_arg_is(arg, "withmatchlen"))
            options->range_lengths = true;
        else if (resp_arg_is(arg, "minmatchlen") && i + 1 < call->count) {
            if (!lookup_integer(call, &call->args[++i], &options->range_min))
                return false;
        } else {
            lookup_syntax_error(call);
            return false;
        }
    }
    if (options->length && options->ranges)
        resp_error(call->reply, "ERR If you want both the length and indexes, please just use IDX.");
    return !(options->length && options->ranges);
}

static uint64_t *allocate(size_t words) {
    uint64_t *memory = calloc(words + 1, sizeof *memory);
    if (!memory)
        abort();
    return memory;
}

/* For each byte that a has, its places in b. */
static void find_places(const struct lcs *lcs, uint64_t *places[BYTES]) {
    for (size_t i = 0; i < lcs->a.length; i++) {
        unsigned char byte = (unsigned char)lcs->a.bytes[i];
        if (!places[byte])
            places[byte] = allocate(lcs->words);
    }
    for (size_t j = 0; j < lcs->b.length; j++) {
        uint64_t *of_byte = places[(unsigned char)lcs->b.bytes[j]];
        if (of_byte)
            of_byte[j / WORD_BITS] |= UINT64_C(1) << j % WORD_BITS;
    }
}

static void fill_row(const uint64_t *above, const uint64_t *places, uint64_t *row, size_t words) {
    unsigned carry = 0;
    for (size_t w = 0; w < words; w++) {
        uint64_t before = above ? above[w] : UINT64_MAX, met = before & places[w], sum;
        bool over = __builtin_add_overflow(before, met, &sum);
        over |= __builtin_add_overflow(sum, (uint64_t)carry, &sum);
        carry = over;
        row[w] = sum | (before & ~places[w]);
    }
}

/* The table, or false with an error. What is too much is what Redis's four bytes a field make too much. */
static bool fill_table(struct call *call, struct lcs *lcs) {
    uint64_t *places[BYTES] = {NULL};
    size_t fields;
    if (__builtin_mul_overflow(lcs->a.length + 1, lcs->b.length + 1, &fields) ||
        fields > STRING_MAX / sizeof(uint32_t)) {
        resp_error(call->reply,
                   "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
        return false;
    }
    lcs->words = (lcs->b.length + WORD_BITS - 1) / WORD_BITS;
    lcs->rows = allocate(lcs->a.length * lcs->words);
    find_places(lcs, places);
    for (size_t i = 0; i < lcs->a.length; i++) {
        const uint64_t *met = places[(unsigned char)lcs->a.bytes[i]];
        uint64_t *row = lcs->rows + i * lcs->words;
        fill_row(i ? row - lcs->words : NULL, met, row, lcs->words);
    }
    for (size_t i = 0; i < BYTES; i++)
        free(places[i]);
    return true;
}

/* From (*i, *j) back to the next range, which is passed; false when there is none. */
static bool range_before(const struct lcs *lcs, size_t *i, size_t *j, struct range *range) {
    const char *a = lcs->a.bytes, *b = lcs->b.bytes;
    while (*i > 0 && *j > 0 && a[*i - 1] != b[*j - 1]) {
        if (rises(lcs, *i, *j))
            --*i;
        else
            --*j;
    }
    size_t length = 0;
    for (; *i > 0 && *j > 0 && a[*i - 1] == b[*j - 1]; --*i, --*j)
        length++;
    *range = (struct range){*i, *j, length};
    return length > 0;
}

static void reply_span(struct resp_out *reply, size_t first, size_t length) {
    resp_array(reply, 2);
    resp_integer(reply, (int64_t)first);
    resp_integer(reply, (int64_t)(first + length - 1));
}

static void reply_ranges(struct call *call, const struct lcs *lcs, const struct lcs_options *options) {
    size_t i = lcs->a.length, j = lcs->b.length, found = 0;
    struct range range;
    resp_map(call->reply, 2);
    resp_bulk_text(call->reply, "matches");
    size_t mark = resp_array_open(call->reply);
    while (range_before(lcs, &i, &j, &range)) {
        if ((int64_t)range.length < options->range_min)
            continue;
        resp_array(call->reply, options->range_lengths ? 3 : 2);
        reply_span(call->reply, range.a, range.length);
        reply_span(call->reply, range.b, range.length);
        if (options->range_lengths)
            resp_integer(call->reply, (int64_t)range.length);
        found++;
    }
    resp_array_close(call->reply, mark, found);
    resp_bulk_text(call->reply, "len");
    resp_integer(call->reply, (int64_t)length_of(lcs));
}

static void reply_bytes(struct call *call, const struct lcs *lcs) {
    size_t i = lcs->a.length, j = lcs->b.length, length = length_of(lcs), at = length;
    struct range range;
    char *bytes = malloc(length + 1);
    if (!bytes)
        abort();
    while (range_before(lcs, &i, &j, &range))
        for (size_t k = range.length; k-- > 0;)
            bytes[--at] = lcs->a.bytes[range.a + k];
    resp_bulk(call->reply, bytes, length);
    free(bytes);
}

void cmd_lcs(struct call *call) {
    struct lcs_options options;
    const struct item *a = lookup(call, &call->args[1]), *b = lookup(call, &call->args[2]);
    struct lcs lcs;
    if ((a && item_type(a) != VALUE_STRING) || (b && item_type(b) != VALUE_STRING)) {
        resp_error(call->reply, "ERR The specified keys must contain string values");
        return;
    }
    lcs = (struct lcs){.a = string_bytes(a), .b = string_bytes(b)};
    if (!parse(call, &options) || !fill_table(call, &lcs))
        return;
    if (options.ranges)
        reply_ranges(call, &lcs, &options);
    else if (options.length)
        resp_integer(call->reply, (int64_t)length_of(&lcs));
    else
        reply_bytes(call, &lcs);
    free(lcs.rows);
}
