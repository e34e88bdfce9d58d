/* SPDX-License-Identifier: MIT */
/* What a keyspace consists of, for the files that share it. Private to src/data. */
#ifndef DATA_INTERNAL_H
#define DATA_INTERNAL_H

#include <assert.h>

#include "dict.h"
#include "digest.h"
#include "expiry.h"
#include "heap.h"
#include "item.h"
#include "kept.h"
#include "keyspace.h"
#include "page.h"
#include "watch.h"

/* The objects of a database by slot: numbers without meaning outside, that make them countable by bits. */
struct objects {
    union object_slot {
        struct object *object;
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
    size_t frozen; /* places that there were at the last freeze */
    struct kept kept;
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

/* An object that is to be freed, in slices. */
struct dying {
    struct dying *next;
    struct object *object;
};

struct queue {
    struct queued *first, *last;
};

struct checkpoint {
    bool active;
    uint32_t number;    /* of the last one begun; they count from 1 */
    uint32_t committed; /* the last one that was */
    size_t rest;        /* pages and removals to hand out */
    struct resp_buf head;
    struct resp_buf scratch;
    struct queue queue;  /* pages without places that were encoded before they changed */
    struct block *block; /* what must wait next goes there; NULL: to a new one */
    size_t kept;         /* bytes of the keyspace's memory that are only for it, with those of the orphans */
    size_t mapped;       /* bytes of all blocks */
    size_t beside;       /* bytes of what waits that is in none, and of the orphans */
    struct object_kept *keeping; /* objects of which places are kept */
    struct block *few;           /* where places of small objects find room; NULL: in a new one */
    struct orphan *orphans;
    struct removals gone, told;    /* since the freeze; before it */
    struct removal_block *telling; /* where in `told` */
    size_t telling_at;
    unsigned db;      /* databases before it have nothing to do */
    unsigned rows_db; /* databases before it have been cut */
    uint64_t (*clock)(void);
    struct keyspace_copied copied;
};

enum { KEYSPACE_MARKS = 256 };
/* Keys that were noted: for each a struct note, then its bytes. */
struct notes {
    bool on;
    size_t told; /* bytes of what was told */
    struct resp_buf noted;
};

struct keyspace {
    uint64_t clock;
    uint64_t next;        /* the earliest of the databases' */
    uint64_t next_object; /* ids are handed out in the order of the log */
    size_t memory;        /* bytes allocated for whatever is below, but for `load` */
    size_t leaving;       /* of them, about: of the graves and the dying */
    struct keyspace_compact compact;
    struct keyspace_use use;
    uint32_t use_now;    /* what an item gets that is used now (use.c) */
    uint64_t use_random; /* no part of the state */
    struct hash_key hash_key;
    struct grave *graves, **last_grave;
    struct dying *dying;
    struct checkpoint checkpoint;
    struct load *load; /* while it is loaded */
    struct notes notes;
    struct rows *rows; /* as many as databases */
    struct events *events;
    unsigned *order;         /* where each database lies in db[]: keyspace_swap exchanges two of these */
    struct watches *watches; /* told of changes; NULL: nobody is */
    uint64_t upheavals;
    uint64_t marks[KEYSPACE_MARKS]; /* for keys of each hash, the highest version of one that went */
    unsigned count;
    struct database db[];
};

static inline struct database *database_of(struct keyspace *keyspace, unsigned db) {
    assert(db < keyspace->count);
    return &keyspace->db[keyspace->order[db]];
}

/* ---- checkpoint.c --- */

/* Keeps a place, or a page, that is to do before it changes. */
void checkpoint_save_place(struct keyspace *keyspace, struct database *database, size_t slot);
void checkpoint_save_page(struct keyspace *keyspace, const struct object *object, size_t page);
/* Takes over an object with pages to do that the keyspace no longer has. */
void checkpoint_adopt(struct keyspace *keyspace, struct object *object);
/* An object went whose pages may be on the disk. */
void checkpoint_removed(struct keyspace *keyspace, uint64_t object);
struct keyspace_page page_of_object(const struct object *object, size_t number, struct resp_buf *scratch);
/* Frees what is left when no key is. */
void checkpoint_close(struct keyspace *keyspace);

/* To be called before anything in a place changes. The place may be the one behind the last. */
static inline void page_touch(struct keyspace *keyspace, struct database *database, size_t slot) {
    size_t page = slot / PAGE_PLACES;
    if (page / 64 >= database->pages.count)
        page_set_grow(&database->pages, page, &keyspace->memory);
    struct page_bits *word = page_set_word(&database->pages, page);
    if (__builtin_expect((word->todo & page_bit(page)) != 0, 0))
        checkpoint_save_place(keyspace, database, slot);
    word->dirty |= page_bit(page);
}

/* What the item in a place adds to its database's digest. */
static inline uint64_t place_digest(const struct item *item, size_t slot) {
    return digest_mix(item_digest(item), slot);
}

/* ---- ready.c --- */

/* There is something in the item that was not there before, or not under this name. */
void ready_note(struct keyspace *keyspace, unsigned db, const struct item *item);
void ready_note_all(struct keyspace *keyspace, unsigned db);
/* The item's value is about to go: who waits for entries of a stream is to know. */
void ready_note_gone(struct keyspace *keyspace, const struct database *database, const struct item *item);
void ready_close(struct keyspace *keyspace);

/* ---- kinds: text.c, members.c, segments.c, records_pages.c --- */

/* An object that is being loaded. */
struct awaited {
    uint64_t id;
    struct item *item;
    uint64_t length, extra[2]; /* as the item's place says */
    size_t loaded;             /* its kind's count of what has come */
    uint32_t slot, db;
};

enum { OBJECT_NUMBERS = 3 };

struct object_kind {
    size_t (*pages)(const struct object *object);
    /* Makes every page dirty that there is anything in. */
    void (*mark)(struct keyspace *keyspace, struct database *database, struct object *object);
    /* Appends one page. */
    void (*write_page)(const struct object *object, size_t number, struct resp_buf *out);
    /* Under which number the page's places are kept, if it is one of places: any other is none of theirs. NULL: there are none. */
    size_t (*kept_page)(const struct object *object, size_t number);
    /* What it takes, about. */
    size_t (*bytes)(const struct object *object);
    /* Frees up to `count` parts of it, returns how many; fewer than `count`: all, and itself. */
    size_t (*free_some)(struct object *object, size_t count, size_t *memory);
    /* The same once more, without what makes it an object. */
    struct object *(*copy)(const struct object *object, struct keyspace *keyspace);
    /* What the item's place says of it beside its id: that many numbers. The first is its length. */
    size_t (*reference)(const struct object *object, uint64_t numbers[OBJECT_NUMBERS]);
    /* Checks what a place said. */
    bool (*load_reference)(const struct awaited *awaited);
    /* Takes a page: they come by ascending numbers. */
    bool (*load_page)(struct keyspace *keyspace, struct awaited *awaited, uint64_t number, const void *bytes,
                      size_t length);
    /* Makes it ready when all have come. */
    bool (*load_end)(struct keyspace *keyspace, struct awaited *awaited);
};

extern const struct object_kind object_text, object_members, object_list, object_stream;

/* ---- object.c --- */

/* What is kept of an object's places. */
struct object_kept {
    struct kept kept;
    size_t frozen; /* how long it was at the freeze, as its kind counts, for pages that are to do */
    struct object *object;
    struct object_kept *next, **link; /* among all such */
};

/* An id that outlives the bytes it stood for. 0: none. */
struct object_name {
    uint64_t id;
    uint32_t slot, stored, frozen;
};

const struct object_kind *object_kind_of(unsigned type);
const struct object_kind *object_kind(const struct object *object);
/*
 * The value of an item is about to be written over or freed: `length` is that of the string to come, 0 for
 * none. Returns the name for the value to come if it is to keep it.
 */
struct object_name object_release(struct keyspace *keyspace, struct database *database, struct item *item,
                                  size_t length);
/* Gives a complete object its name, a new one if `name` says none. No page of it is dirty yet. */
void object_enter(struct keyspace *keyspace, struct database *database, struct object *object,
                  struct object_name name);
/* The same with a new name and every page dirty. */
void object_enter_whole(struct keyspace *keyspace, struct database *database, struct object *object);
/* Takes it from one database to another; it is settled. */
void object_transfer(struct keyspace *keyspace, struct database *from, struct database *to,
                     struct object *object);
/* It has another address. */
void object_moved(struct database *database, struct object *object);
/* Settles what the bits say by what checkpoints have come and gone. First thing before any change. */
void object_settle(struct keyspace *keyspace, struct database *database, struct object *object);
/* Before a page of a settled object changes; after. */
void object_touch(struct keyspace *keyspace, struct object *object, size_t page);
/* The same where only a place changes, of a kind that keeps places. NULL: it need not be kept; else it is to be added to what is kept of the
 * object, unless it is behind `frozen`. The object has `length`, as its kind counts, and its pages with places are kept under `pages` numbers. */
struct object_place {
    size_t page;             /* of the object */
    size_t kept_page, place; /* where it is kept */
};
struct object_kept *object_touch_place(struct keyspace *keyspace, struct object *object,
                                       const struct object_place *place, size_t length, size_t pages);
/* How long a settled object was at the freeze, of a page that is to do. */
size_t object_frozen(const struct object *object, size_t length);
/* Where places of that page are kept: their bytes. The others stay as they are. */
void object_read_kept(const struct object *object, size_t kept_page, struct resp_arg *places);
/* Nobody needs what is kept of its places. */
void object_forget(struct keyspace *keyspace, struct object *object);
void object_mark(struct keyspace *keyspace, struct database *database, struct object *object, size_t from,
                 size_t to);
/* The next thing to be told of a settled object; false when there is none. */
bool object_next(struct keyspace *keyspace, struct object *object, struct keyspace_page *page);
/* Whether there is any. */
bool object_unfinished(struct object *object);
/* Frees what it owns as an object. */
void object_close(struct object *object, size_t *memory);
/* The object of an item in a grave is about to go. */
void object_bury(struct keyspace *keyspace, struct item *item);
/* Frees it, and says whether at once or, if need be, in slices: `count` parts of what waits, returning how many. */
bool object_die(struct keyspace *keyspace, struct object *object);
size_t object_reclaim(struct keyspace *keyspace, size_t count);
void object_loaded(struct keyspace *keyspace, struct database *database, struct object *object, uint64_t id);
void objects_close(struct objects *objects, size_t *memory);

/* ---- text.c --- */

/* A string has been written. Gives it a name if it is long. */
void text_adopt(struct keyspace *keyspace, struct database *database, struct item *item,
                struct object_name name);
/* Adds to a long string; returns the item, which may be another. */
struct item *text_append(struct keyspace *keyspace, struct database *database, struct item *item,
                         const void *added, size_t length);
/* Writes into a long string, within what is there. At least one byte. */
void text_write(struct keyspace *keyspace, struct database *database, struct item *item, size_t offset,
                const void *written, size_t length);

/* ---- change.c --- */

/* The item is about to go: of all keys of its hash that went, the latest change is kept. */
void change_leave_mark(struct keyspace *keyspace, const struct item *item);
/* The item, which is in its place, has just changed, or is about to go: who watches it is told. */
void change_tell(struct keyspace *keyspace, unsigned db, const struct item *item);

/* ---- keyspace.c, load.c --- */

/* As keyspace_find, but also one that is gone and still in memory. */
struct item *keyspace_find_any(struct keyspace *keyspace, unsigned db, const struct resp_arg *key);

/* Puts an item behind the last one, not to be found before dict_index; then it gets its deadline's place, if it has one. */
void keyspace_place_loaded(struct keyspace *keyspace, struct database *database, struct item *item);
void keyspace_deadline_loaded(struct keyspace *keyspace, struct database *database, struct item *item);
/* Between these two the item in a place is changed, and keyspace_settle says where it has gone. */
struct item *keyspace_open_place(struct keyspace *keyspace, unsigned db, const struct resp_arg *key,
                                 enum value_type type, size_t *slot);
struct item *keyspace_settle(struct keyspace *keyspace, unsigned db, size_t slot, struct item *old,
                             struct item *item);
void keyspace_shut_place(struct keyspace *keyspace, unsigned db, size_t slot, bool changed, bool remove);
/* Forgets what loading needs, if it is loading. */
void load_free(struct keyspace *keyspace);

#endif
