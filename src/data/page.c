/* SPDX-License-Identifier: MIT */
/*
 * What a checkpoint writes, and how it writes a state that has already moved on.
 *
 * A keyspace is a few arrays: for each database the dense array of its items, for each long value (an object
 * with an id of its own) its bytes. Each array is cut into pages, and a page under (object, number) is what
 * becomes dirty, what is copied before it changes, and one row on the disk. So one changed byte costs a page
 * however long the value is, and RENAME, which moves a reference from one place to another, costs two pages
 * of items and none of the value.
 *
 *     database 0      [ 32 places | 32 places | 32 places .. ]          object 0, pages 0, 1, 2
 *                                        '- "k" -> (1048577, 40000)
 *                                                     |
 *     a long value    [ 16384 bytes | 16384 bytes | 7232 ]              object 1048577, pages 0, 1, 2
 *
 * Each page has three bits:
 *
 *     dirty     changed since the last freeze
 *     frozen    was dirty at the freeze: dirty again if the checkpoint fails
 *     todo      frozen, and not encoded yet: as it is in memory, so it was at the freeze
 *
 * The freeze is a walk over words of bits, 64 pages each: no key is looked at. From then on the pages that
 * are to do are encoded one by one, in slices, while writes go on. What keeps the checkpoint at its index is
 * one rule, page_touch (internal.h), in front of every change:
 *
 *     a page that is to do is encoded before it changes, into a queue beside;  then it is dirty.
 *
 * "Changes" includes the place that a removal empties and the last place, which moves there; and a page at
 * the array's end that gets or loses a place. That is why a page that is to do has as many places as at the
 * freeze without anybody having noted how many. Two changes would have to encode very much at once; there the
 * thing itself is kept instead: a flushed database stays in its grave until its pages are done, and a long
 * value that is overwritten or deleted becomes an orphan that the checkpoint owns (object.c).
 *
 * What left the keyspace is told as a removal: "of these objects all pages from number n on". For a database
 * that has become shorter that is one; an object that went is one. Rows of a flushed database's objects are
 * told when the grave is freed, which may be a checkpoint later: until then rows that nothing refers to lie on
 * the disk, which loading tells apart.
 *
 * The dirty bits of an array of items cover pages that are there: those at or behind its end mean nothing,
 * since a place that comes back is touched when it comes.
 *
 * The format
 *
 *     object < 1048576: the database of that number. A page is one RESP array of bulk strings, five for
 *     each place, in the order of the places:
 *
 *         field      meaning
 *         key
 *         type       s: a string that lies here     S: a string that is an object
 *         deadline   Unix milliseconds, 0 for none  (decimal)
 *         version    index of the entry that changed it last  (decimal)
 *         value      s: the bytes, at most 1024     S: "id length", decimal, length at least 1025
 *
 *     Every page but the last has 32 places. For example, a page with two:
 *
 *         *10  $1 a  $1 s  $1 0  $1 7  $5 hello   $1 b  $1 S  $13 1700000000000  $1 9  $13 1048576 40000
 *
 *     object >= 1048576: a long value. Of type S a page is its bytes, 16384 in each but the last. A collection
 *     will be such an object too: its type letter, in the place that refers to it, says what its pages hold
 *     (a dense array of fields, in pages as a database's is).
 *
 *     The head (checkpoint.c) says what cannot be told from pages.
 */
#include "page.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- bits --- */

void page_set_grow(struct page_set *set, size_t page, size_t *memory) {
    if (page / 64 < set->count)
        return;
    size_t count = set->count ? set->count : 1;
    while (count <= page / 64)
        count *= 2;
    set->words = realloc(set->words, count * sizeof *set->words);
    if (!set->words)
        abort();
    memset(set->words + set->count, 0, (count - set->count) * sizeof *set->words);
    *memory += (count - set->count) * sizeof *set->words;
    set->count = count;
}

void page_set_close(struct page_set *set, size_t *memory) {
    *memory -= set->count * sizeof *set->words;
    free(set->words);
    *set = (struct page_set){.count = 0};
}

void page_set_freeze(struct page_set *set, size_t pages) {
    assert(set->todo == 0 && pages <= set->count * 64);
    set->cursor = 0;
    for (size_t i = 0; i < set->count; i++) {
        struct page_bits *word = &set->words[i];
        uint64_t there = pages >= 64 ? UINT64_MAX : (UINT64_C(1) << pages) - 1;
        pages -= pages >= 64 ? 64 : pages;
        word->frozen = word->todo = word->dirty & there;
        word->dirty = 0;
        set->todo += (size_t)__builtin_popcountll(word->todo);
    }
}

void page_set_thaw(struct page_set *set, bool back) {
    for (size_t i = 0; i < set->count; i++) {
        struct page_bits *word = &set->words[i];
        if (back)
            word->dirty |= word->frozen;
        word->frozen = word->todo = 0;
    }
    set->todo = 0;
}

bool page_set_next(struct page_set *set, size_t *page) {
    if (set->todo == 0)
        return false;
    while (set->words[set->cursor].todo == 0)
        set->cursor++;
    assert(set->cursor < set->count);
    *page = set->cursor * 64 + (size_t)__builtin_ctzll(set->words[set->cursor].todo);
    return true;
}

void page_set_done(struct page_set *set, size_t page) {
    struct page_bits *word = page_set_word(set, page);
    assert(word->todo & page_bit(page));
    word->todo &= ~page_bit(page);
    set->todo--;
}

/* ---- the format --- */

static void write_place(const struct item *item, struct resp_buf *out) {
    struct resp_arg key = item_key(item);
    const struct text *text = item_text(item);
    resp_request_bulk(out, key.bytes, key.length);
    resp_request_bulk(out, text ? "S" : "s", 1);
    resp_request_unsigned(out, item_deadline(item));
    resp_request_unsigned(out, item_version(item));
    if (text) {
        char reference[48];
        int length = snprintf(reference, sizeof reference, "%llu %zu", (unsigned long long)text->object.id,
                              text->length);
        resp_request_bulk(out, reference, (size_t)length);
    } else {
        struct resp_arg value = item_string(item);
        resp_request_bulk(out, value.bytes, value.length);
    }
}

void page_write_items(const struct dict *dict, size_t number, struct resp_buf *out) {
    size_t from = number * PAGE_PLACES, to = from + PAGE_PLACES;
    to = to < dict->count ? to : dict->count;
    assert(from < to);
    for (size_t slot = from; slot < to; slot++) {
        __builtin_prefetch(dict_at(dict, slot));
        __builtin_prefetch((const char *)dict_at(dict, slot) + 64);
    }
    resp_buf_truncate(out, 0);
    resp_request(out, (to - from) * PAGE_FIELDS);
    for (size_t slot = from; slot < to; slot++)
        write_place(dict_at(dict, slot), out);
}

static bool read_number(const struct resp_arg *field, uint64_t *number) {
    int64_t value;
    if (!resp_arg_integer(field, &value) || value < 0)
        return false;
    *number = (uint64_t)value;
    return true;
}

static bool read_reference(const struct resp_arg *field, struct page_place *place) {
    const char *space = field->length ? memchr(field->bytes, ' ', field->length) : NULL;
    if (!space)
        return false;
    struct resp_arg object = {field->bytes, (size_t)(space - field->bytes)};
    struct resp_arg length = {space + 1, field->length - object.length - 1};
    return read_number(&object, &place->object) && read_number(&length, &place->length) &&
           place->object >= OBJECT_FIRST && place->length > ITEM_SHORT_MAX && place->length <= UINT32_MAX;
}

bool page_read_place(const struct resp_arg fields[PAGE_FIELDS], struct page_place *place) {
    const struct resp_arg *type = &fields[1], *value = &fields[4];
    *place = (struct page_place){.key = fields[0], .value = *value};
    if (type->length != 1 || place->key.length > UINT32_MAX || !read_number(&fields[2], &place->deadline) ||
        !read_number(&fields[3], &place->version))
        return false;
    if (type->bytes[0] == 'S')
        return read_reference(value, place);
    return type->bytes[0] == 's' && value->length <= ITEM_SHORT_MAX;
}
