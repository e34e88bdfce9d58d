/* SPDX-License-Identifier: MIT */
/*
 * What a checkpoint writes, and how it writes a state that has already moved on.
 *
 * A keyspace is a few arrays: for each database the dense array of its items, for each long value (an object
 * with an id of its own) its bytes, members or segments. Each array is cut into pages, and a page under (object, number) is what
 * becomes dirty, what is copied before it changes, and one row on the disk. So one changed byte costs a page
 * however long the value is, and RENAME, which moves a reference from one place to another, costs two pages
 * of items and none of the value.
 *
 *     database 0      [ 24 places | 24 places | 24 places .. ]          object 0, pages 0, 1, 2
 *                                        '- "k" -> (1048577, 40000)
 *                                                     |
 *     a long value    [ 16384 bytes | 16384 bytes | 7232 ]              object 1048577, pages 0, 1, 2
 *
 * Each page has three bits:
 *
 *     dirty     changed since the last freeze
 *     frozen    was dirty at the freeze: dirty again if the checkpoint fails
 *     todo      frozen, and not encoded yet: as it is in memory, so it was at the freeze, but for what is kept
 *
 * The freeze is a walk over words of bits, 64 pages each: no key is looked at. From then on the pages that
 * are to do are encoded one by one, in slices, while writes go on. What keeps the checkpoint at its index is
 * one rule, page_touch and its like (internal.h), in front of every change:
 *
 *     a place of a page that is to do is encoded before it changes, and kept beside; the page is dirty again, and still to do.
 *     a page without places that is to do is encoded before it changes, into a queue beside; it is done, and dirty again.
 *
 *     page 1, when its turn comes      | 24 | 25 | 26 | 27 | ...      from memory,
 *     kept beside                           | 25 |    | 27 |          but what has changed since the freeze from here
 *
 * Places are a database's items, the members of a large hash, set or sorted set, and 256 bytes of a long string; lists and streams have none.
 * A small write so costs the bytes of its own place, not those of the 24, or 64, that share its page: with many writes at once that would be
 * more than the disk takes, and they would have to wait for it. And the pages go out in their order, whatever is written to meanwhile.
 *
 * "Changes" includes the place that a removal empties and the last place, which moves there. What comes behind the places that
 * there were at the freeze is none of its business. Two changes would have to encode very much at once; there the
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
 *     object < 1048576: the database that lies there: that of this number unless databases were swapped. A page is one RESP array of bulk strings, five for
 *     each place, in the order of the places:
 *
 *         field      meaning
 *         key
 *         type       one letter: s string, h hash, t set, z sorted set, l list, x stream. Small: the value lies here.
 *                    Capital: it is an object. Behind it w, if the collection has outgrown the limits of the
 *                    compact encoding's name
 *         deadline   Unix milliseconds, 0 for none  (decimal)
 *         version    index of the entry that changed it last  (decimal)
 *         value      s: the bytes, at most 1024    h t z l: packed members (small.h), at most 4096 bytes
 *                    of an object its id and, in decimal with spaces between
 *                    S: its length, at least 1025  H T Z: how many members
 *                    L: how many elements, how many pages, the number of the first segment
 *                    X: how many pages; a stream is always an object
 *
 *     Every page but the last has 24 places. For example, a page with two:
 *
 *         *10  $1 a  $1 s  $1 0  $1 7  $5 hello   $1 b  $1 S  $13 1700000000000  $1 9  $13 1048576 40000
 *
 *     object >= 1048576: a long value. Of a string a page is its bytes, 16384 in each but the last. Of a hash,
 *     set or sorted set it is 64 members in each but the last, and of a hash large values beside them
 *     (members.c); of a list one segment (segments.c), of a stream a leaf of records or its head (records.c),
 *     all as packed entries (pack.h).
 *
 *     The head (checkpoint.c) says what cannot be told from pages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "small.h"

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

void page_set_undone(struct page_set *set, size_t page) {
    struct page_bits *word = page_set_word(set, page);
    assert(!(word->todo & page_bit(page)));
    word->todo |= page_bit(page);
    set->todo++;
    set->cursor = page / 64 < set->cursor ? page / 64 : set->cursor;
}

/* ---- the format --- */

static const char letters[] = {
    [VALUE_STRING] = 's', [VALUE_HASH] = 'h', [VALUE_SET] = 't',
    [VALUE_ZSET] = 'z',   [VALUE_LIST] = 'l', [VALUE_STREAM] = 'x',
};

static void write_type(const struct item *item, struct resp_buf *out) {
    char type[3] = {letters[item->type]};
    size_t length = 1;
    if (item->flags & ITEM_LONG)
        type[0] = (char)(type[0] - 'a' + 'A');
    if (item->flags & ITEM_WIDE)
        type[length++] = 'w';
    if (item->flags & ITEM_NAMED_WIDE)
        type[length++] = 'n';
    resp_request_bulk(out, type, length);
}

static void write_value(const struct item *item, struct resp_buf *out) {
    const struct object *object = item_object(item);
    if (!object) {
        struct resp_arg value = item->type == VALUE_STRING ? item_string(item) : item_small(item);
        resp_request_bulk(out, value.bytes, value.length);
        return;
    }
    char reference[128];
    uint64_t numbers[OBJECT_NUMBERS];
    size_t count = object_kind(object)->reference(object, numbers);
    size_t length = (size_t)snprintf(reference, sizeof reference, "%llu", (unsigned long long)object->id);
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(reference + length, sizeof reference - length, " %llu",
                                   (unsigned long long)numbers[i]);
    resp_request_bulk(out, reference, length);
}

void page_write_place(const struct item *item, struct resp_buf *out) {
    struct resp_arg key = item_key(item);
    resp_request_bulk(out, key.bytes, key.length);
    write_type(item, out);
    resp_request_unsigned(out, item_deadline(item));
    resp_request_unsigned(out, item_version(item));
    write_value(item, out);
}

void page_write_items(const struct dict *dict, size_t number, size_t places,
                      const struct resp_arg kept[PAGE_PLACES], struct resp_buf *out) {
    size_t from = number * PAGE_PLACES, count = places - from < PAGE_PLACES ? places - from : PAGE_PLACES;
    assert(from < places);
    for (size_t i = 0; i < count; i++)
        if (!kept[i].bytes) {
            __builtin_prefetch(dict_at(dict, from + i));
            __builtin_prefetch((const char *)dict_at(dict, from + i) + 64);
        }
    resp_buf_truncate(out, 0);
    resp_request(out, count * PAGE_FIELDS);
    for (size_t i = 0; i < count; i++)
        if (kept[i].bytes)
            resp_buf_append(out, kept[i].bytes, kept[i].length);
        else
            page_write_place(dict_at(dict, from + i), out);
}

static bool read_number(const struct resp_arg *field, uint64_t *number) {
    int64_t value;
    if (!resp_arg_integer(field, &value) || value < 0)
        return false;
    *number = (uint64_t)value;
    return true;
}

static bool read_reference(struct resp_arg field, struct page_place *place) {
    uint64_t numbers[1 + OBJECT_NUMBERS] = {0};
    for (size_t i = 0; i < 1 + OBJECT_NUMBERS && field.length > 0; i++) {
        const char *space = memchr(field.bytes, ' ', field.length);
        struct resp_arg number = {field.bytes, space ? (size_t)(space - field.bytes) : field.length};
        if (!read_number(&number, &numbers[i]))
            return false;
        field.bytes += number.length + (space != NULL);
        field.length -= number.length + (space != NULL);
    }
    place->object = numbers[0];
    memcpy(place->numbers, numbers + 1, sizeof place->numbers);
    return field.length == 0 && place->object >= OBJECT_FIRST && place->numbers[0] > 0 &&
           place->numbers[0] <= UINT32_MAX;
}

static bool read_type(const struct resp_arg *field, struct page_place *place) {
    size_t at = 1;
    if (field->length < 1)
        return false;
    bool wide = at < field->length && field->bytes[at] == 'w';
    at += wide;
    bool named_wide = at < field->length && field->bytes[at] == 'n';
    at += named_wide;
    if (at != field->length)
        return false;
    char letter = field->bytes[0];
    bool is_object = letter >= 'A' && letter <= 'Z';
    letter = is_object ? (char)(letter - 'A' + 'a') : letter;
    const char *found = memchr(letters, letter, sizeof letters);
    if (!found)
        return false;
    place->type = (enum value_type)(found - letters);
    place->is_object = is_object;
    place->flags = (wide ? ITEM_WIDE : 0u) | (named_wide ? ITEM_NAMED_WIDE : 0u);
    return place->type != VALUE_STRING || place->flags == 0;
}

bool page_read_place(const struct resp_arg fields[PAGE_FIELDS], struct page_place *place) {
    *place = (struct page_place){.key = fields[0], .value = fields[4]};
    if (place->key.length > UINT32_MAX || !read_type(&fields[1], place) ||
        !read_number(&fields[2], &place->deadline) || !read_number(&fields[3], &place->version))
        return false;
    if (place->is_object)
        return read_reference(place->value, place);
    if (place->type == VALUE_STRING)
        return place->value.length <= ITEM_SHORT_MAX;
    return place->type != VALUE_STREAM && place->value.length <= ITEM_SMALL_MAX &&
           small_is_sound(place->type, &place->value);
}
