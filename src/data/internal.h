/* SPDX-License-Identifier: MIT */
/* What a keyspace consists of, for the files that share it. Private to src/data. */
#ifndef DATA_INTERNAL_H
#define DATA_INTERNAL_H

#include <assert.h>

#include "dict.h"
#include "digest.h"
#include "expiry.h"
#include "item.h"
#include "keyspace.h"
#include "page.h"

/* The long values of a database by slot: numbers without meaning outside, that make them countable by bits. */
struct objects {
    union object_slot {
        struct text *text;
        size_t next_free; /* of a free slot: 1 + the next free one, or 0 */
    } * at;
    size_t room, used;   /* slots allocated; slots that were ever used */
    size_t free;         /* 1 + the first free slot, or 0 */
    size_t count;        /* objects */
    struct page_set set; /* a bit says: a page of this object is */
};

struct database {
    struct dict keys;
    struct expiry deadlines;
    size_t due;      /* of the keys, those that are gone: deadline <= clock */
    uint64_t next;   /* the earliest deadline behind the clock, or KEYSPACE_NO_DEADLINE */
    uint64_t digest; /* the sum over the places */
    struct page_set pages;
    struct objects objects;
};

/* What stays with a database's number when it is flushed. */
struct rows {
    size_t stored; /* no page at or behind it is on the disk */
    size_t frozen; /* pages that there were at the freeze */
};

/* A flushed database. */
struct grave {
    struct grave *next;
    unsigned db; /* the number that it had */
    struct database database;
};

/* Ids of objects that went. */
struct removals {
    struct removal_block *first, *last;
    size_t count;
};

struct checkpoint {
    bool active;
    uint32_t number;    /* of the last one begun; they count from 1 */
    uint32_t committed; /* the last one that was */
    size_t rest;        /* pages and removals to hand out */
    size_t kept;        /* bytes of the queue and the orphans */
    struct resp_buf head;
    struct resp_buf scratch;
    struct queued_page *queue, **queue_last; /* encoded before they changed */
    struct orphan *orphans;
    struct removals gone, told;    /* since the freeze; before it */
    struct removal_block *telling; /* where in `told` */
    size_t telling_at;
    unsigned db;      /* databases before it have nothing to do */
    unsigned rows_db; /* databases before it have been cut */
};

struct keyspace {
    uint64_t clock;
    uint64_t next;        /* the earliest of the databases' */
    uint64_t next_object; /* ids are handed out in the order of the log */
    size_t memory;        /* bytes allocated for whatever is below, but for `load` */
    struct hash_key hash_key;
    struct grave *graves, **last_grave;
    struct checkpoint checkpoint;
    struct load *load; /* while it is loaded */
    struct rows *rows; /* as many as databases */
    unsigned *order;   /* where each database lies in db[]: keyspace_swap exchanges two of these */
    unsigned count;
    struct database db[];
};

/* ---- checkpoint.c --- */

/* Encodes a page that is to do before it changes. */
void checkpoint_save_items(struct keyspace *keyspace, struct database *database, size_t page);
void checkpoint_save_bytes(struct keyspace *keyspace, struct text *text, size_t page);
/* Takes over an object with pages to do that the keyspace no longer has. */
void checkpoint_adopt(struct keyspace *keyspace, struct text *text);
/* An object went whose pages may be on the disk. */
void checkpoint_removed(struct keyspace *keyspace, uint64_t object);
/* Frees what is left when no key is. */
void checkpoint_close(struct keyspace *keyspace);

/* To be called before anything in a place changes. The place may be the one behind the last. */
static inline void page_touch(struct keyspace *keyspace, struct database *database, size_t slot) {
    size_t page = slot / PAGE_PLACES;
    if (page / 64 >= database->pages.count)
        page_set_grow(&database->pages, page, &keyspace->memory);
    struct page_bits *word = page_set_word(&database->pages, page);
    if (__builtin_expect((word->todo & page_bit(page)) != 0, 0))
        checkpoint_save_items(keyspace, database, page);
    word->dirty |= page_bit(page);
}

/* What the item in a place adds to its database's digest. */
static inline uint64_t place_digest(const struct item *item, size_t slot) {
    return digest_mix(item_digest(item), slot);
}

/* ---- object.c --- */

/* An id that outlives the bytes it stood for. 0: none. */
struct object_name {
    uint64_t id;
    uint32_t slot;
    bool stored;
};

/*
 * The value of an item is about to be written over or freed: `length` is that of the string to come, 0 for
 * none. Returns the name for the value to come if it is to keep it.
 */
struct object_name object_release(struct keyspace *keyspace, struct database *database, struct item *item,
                                  size_t length);
/* The value has been written. Gives it a name if it is long. */
void object_adopt(struct keyspace *keyspace, struct database *database, struct item *item,
                  struct object_name name);
/* Around an addition at the end of a long value. */
void object_extend(struct keyspace *keyspace, struct database *database, struct text *text);
void object_extended(struct keyspace *keyspace, struct database *database, struct text *text, size_t before);
/* Around a change of bytes within a long value. */
void object_patch(struct keyspace *keyspace, struct database *database, struct text *text, size_t offset,
                  size_t length);
void object_patched(struct database *database, struct text *text, size_t offset, size_t length);
/* Settles what the bits say by what checkpoints have come and gone. */
void object_settle(struct keyspace *keyspace, struct database *database, struct text *text);
/* The first page to do of a settled object. */
bool object_next(const struct object *object, size_t *page);
void object_done(struct object *object, size_t page);
/* Frees what the object owns. */
void object_close(struct object *object, size_t *memory);
/* An object of a grave is about to be freed. */
void object_bury(struct keyspace *keyspace, struct text *text);
/* A long value has been loaded whole; or bytes of it, from `from` on. */
void object_loaded(struct keyspace *keyspace, struct database *database, struct text *text, uint64_t id);
uint64_t object_digest(const struct text *text, size_t from, size_t to);
void objects_close(struct objects *objects, size_t *memory);

/* ---- keyspace.c, load.c --- */

/* Puts an item behind the last one. False when its key is there already. */
bool keyspace_place_loaded(struct keyspace *keyspace, struct database *database, struct item *item);
/* Forgets what loading needs, if it is loading. */
void load_free(struct keyspace *keyspace);

#endif
