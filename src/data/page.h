/* SPDX-License-Identifier: MIT */
/*
 * Pages: the unit of dirt, of copy-on-write and of a row on the disk. Private to src/data; page.c has the
 * essay and the format.
 */
#ifndef PAGE_H
#define PAGE_H

#include "dict.h"
#include "item.h"

/* All are part of the format. */
enum {
    PAGE_PLACES = 24,       /* places of a database's dense array in one page */
    PAGE_BYTES = 16384,     /* bytes of a long string in one page */
    MEMBER_PLACES = 64,     /* places of a collection's dense array in one page */
    OBJECT_FIRST = 1 << 20, /* ids below it are databases */
};

/* The bits of one array of pages (or of objects). */
struct page_set {
    struct page_bits *words;
    size_t count;  /* of words */
    size_t cursor; /* no page is to do in the words before it */
    size_t todo;   /* pages to do */
};

static inline size_t pages_of_places(size_t places) {
    return (places + PAGE_PLACES - 1) / PAGE_PLACES;
}
static inline size_t pages_of_bytes(size_t bytes) {
    return (bytes + PAGE_BYTES - 1) / PAGE_BYTES;
}

/* Room for page `page`. */
void page_set_grow(struct page_set *set, size_t page, size_t *memory);
void page_set_close(struct page_set *set, size_t *memory);
static inline struct page_bits *page_set_word(const struct page_set *set, size_t page) {
    return &set->words[page / 64];
}
static inline uint64_t page_bit(size_t page) {
    return UINT64_C(1) << (page % 64);
}
/* Turns dirt into work: whatever is dirty below `pages` is frozen and to do; nothing is dirty. */
void page_set_freeze(struct page_set *set, size_t pages);
/* Forgets what is frozen; with `back`, it is dirty again. */
void page_set_thaw(struct page_set *set, bool back);
/* The first page to do; false when there is none. */
bool page_set_next(struct page_set *set, size_t *page);
/* A page that is to do is done (or gone). */
void page_set_done(struct page_set *set, size_t page);
/* A page is to do after all. */
void page_set_undone(struct page_set *set, size_t page);

/* Appends one place. */
void page_write_place(const struct item *item, struct resp_buf *out);
/* Replaces what is in `out` by the page of items that begins at place number * PAGE_PLACES, of a database with `places` of them. Where there
 * are bytes in `kept` they stand for the place. */
void page_write_items(const struct dict *dict, size_t number, size_t places,
                      const struct resp_arg kept[PAGE_PLACES], struct resp_buf *out);

/* One place of a page as it is read back. */
struct page_place {
    struct resp_arg key, value;
    enum value_type type;
    unsigned flags; /* of ITEM_WIDTHS */
    uint64_t deadline, version;
    bool is_object;      /* then `value` has been read into: */
    uint64_t object;     /* its id */
    uint64_t numbers[3]; /* its length and what else its kind says of it */
};
enum { PAGE_FIELDS = 5 };
/* Reads one place from its five fields; false when they say nothing sensible. */
bool page_read_place(const struct resp_arg fields[PAGE_FIELDS], struct page_place *place);

#endif
