/* SPDX-License-Identifier: MIT */
/*
 * The keyspace: what the log's commands change and the clients' reads see. Used by one thread; knows no clock
 * but the one it is told, no client, no disk. The same calls in the same order give the same keyspace on
 * every node.
 *
 * Time (expiry.c has the essay): the keyspace's clock is the clock of the last applied entry. A key whose
 * deadline is at or before it is gone: no call here shows it, counts it or returns it, whether or not its
 * memory is freed yet.
 */
#ifndef KEYSPACE_H
#define KEYSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../resp/resp.h"
#include "events.h"

enum {
    KEYSPACE_NO_DEADLINE = 0,
    KEYSPACE_DATABASES_MAX = 65536,
    KEYSPACE_EXPECT_MAX = 16,
};

enum value_type {
    VALUE_STRING,
    VALUE_HASH,
    VALUE_SET,
    VALUE_ZSET,
    VALUE_LIST,
    VALUE_STREAM,
};

struct keyspace;
struct item;    /* one key with its value */
struct watches; /* watch.h */

struct keyspace *keyspace_new(unsigned databases);
/* Random numbers, known to nobody else, for the hash index: clients could otherwise choose keys that collide.
 * Only while there is no key; nothing that a call shows depends on them. */
void keyspace_set_hash_key(struct keyspace *keyspace, uint64_t k0, uint64_t k1);
void keyspace_free(struct keyspace *keyspace);
/* From now on what happens is added to `events` (NULL: nothing is): by the keyspace itself for keys that are new or whose time has
 * come, by the commands for all else. */
void keyspace_set_events(struct keyspace *keyspace, struct events *events);
struct events *keyspace_events(const struct keyspace *keyspace);
unsigned keyspace_databases(const struct keyspace *keyspace);
/* The number of one more, which no client can choose: for what commands keep beside the keys. */
unsigned keyspace_hidden(const struct keyspace *keyspace);

/* ---- time --- */

uint64_t keyspace_clock(const struct keyspace *keyspace);
/* Sets the clock (never backwards: an earlier one is ignored). Due keys become invisible at once, in the
 * counts too. */
void keyspace_advance(struct keyspace *keyspace, uint64_t clock_ms);
/*
 * Frees up to `count` keys whose deadline has passed: of each database in turn, in (deadline, key) order.
 * Returns how many; fewer than `count` when none is left. Changes no key that a call can see, but the dense
 * order below: call it at the same points of the log, with the same count, on every node.
 */
size_t keyspace_reclaim_due(struct keyspace *keyspace, size_t count);
/* Frees up to `count` keys, members and parts of indexes that went with their databases or keys. Returns how many; fewer than
 * `count` when nothing is left, or a checkpoint under way still needs the rest. Changes nothing that a call
 * can see: call it at any time. */
size_t keyspace_reclaim_flushed(struct keyspace *keyspace, size_t count);
/* Both, `count` together: the due keys first. */
size_t keyspace_reclaim(struct keyspace *keyspace, size_t count);
/* The earliest deadline of a key that is still there, in any database; 0 when none has one. O(1). */
uint64_t keyspace_next_deadline(const struct keyspace *keyspace);

/* ---- keys --- */

/* These keys (each with its database, which exists) are looked up soon: fetches what that will read from memory, for all of them at
 * once; also of the member of a large hash, set or sorted set that `behind` seems to name, the command's words behind the key. Changes
 * nothing; `count` is at most KEYSPACE_EXPECT_MAX. */
struct keyspace_key {
    unsigned db;
    struct resp_arg key;
    const struct resp_arg *behind; /* NULL: the key alone */
    size_t behind_count;
};
void keyspace_expect(struct keyspace *keyspace, const struct keyspace_key *keys, size_t count);

/* The item of a key, or NULL when there is none (or it is gone). Holds until the next change of the
 * keyspace. */
struct item *keyspace_find(struct keyspace *keyspace, unsigned db, const struct resp_arg *key);
/* Sets a key to a string, keeping nothing of what was there but, if `keep_deadline`, its deadline. The bytes
 * may be another key's value, but not this one's. */
struct item *keyspace_set_string(struct keyspace *keyspace, unsigned db, const struct resp_arg *key,
                                 const void *bytes, size_t length, bool keep_deadline, uint64_t version);
bool keyspace_delete(struct keyspace *keyspace, unsigned db, const struct resp_arg *key);
/* The same, for want of memory: those who listen are told so. */
bool keyspace_evict(struct keyspace *keyspace, unsigned db, const struct resp_arg *key);
/* Moves `from` (which must exist) to `to`, whatever was there, with value and deadline. Nothing changes when
 * they are the same. */
void keyspace_rename(struct keyspace *keyspace, unsigned db, const struct resp_arg *from,
                     const struct resp_arg *to, uint64_t version);
/* Gives `to` of another database (or of the same, if it is another key) a copy of the value and the deadline of
 * `from`, which must exist, whatever was there. */
void keyspace_copy(struct keyspace *keyspace, unsigned from_db, const struct resp_arg *from, unsigned to_db,
                   const struct resp_arg *to, uint64_t version);
/* Moves a key that exists to another database, where it must not exist. */
void keyspace_move(struct keyspace *keyspace, unsigned from_db, const struct resp_arg *key, unsigned to_db,
                   uint64_t version);
/* Exchanges two databases. O(1). */
void keyspace_swap(struct keyspace *keyspace, unsigned db, unsigned other);
/* Empties one database. Frees in slices: the keys are gone at once, their memory by keyspace_reclaim. */
void keyspace_flush(struct keyspace *keyspace, unsigned db);
size_t keyspace_size(const struct keyspace *keyspace, unsigned db);      /* keys that are there */
size_t keyspace_deadlines(const struct keyspace *keyspace, unsigned db); /* of them, with a deadline */
/* Keys are kept in a dense order, 0 .. keyspace_slots(), some of whose places may hold keys that are gone
 * (NULL). A removal moves the last into the hole, so a scan runs from the end downward (design, section
 * 2). */
size_t keyspace_slots(const struct keyspace *keyspace, unsigned db);
struct item *keyspace_at(struct keyspace *keyspace, unsigned db, size_t slot);
/* These places are looked at soon: as keyspace_expect. */
struct keyspace_place {
    unsigned db;
    size_t slot;
};
void keyspace_expect_at(struct keyspace *keyspace, const struct keyspace_place *places, size_t count);
/* The item with the n-th earliest deadline of those that are there, n < keyspace_deadlines(). O(log n). */
struct item *keyspace_by_deadline(struct keyspace *keyspace, unsigned db, size_t n);
/* Bytes of keys, values and indexes. */
size_t keyspace_memory(const struct keyspace *keyspace);
/* Of them, about those that stay: without keys that are gone but not yet freed, and without what is kept only
 * for a checkpoint. O(databases). */
size_t keyspace_memory_lasting(const struct keyspace *keyspace);

/* A digest of everything that the log determines: clock, keys in their order, values, deadlines, versions,
 * ids. Kept up to date by each change: O(databases). Keys that are gone count until they are taken out. */
uint64_t keyspace_digest(const struct keyspace *keyspace);

/* ---- changes (watch.c has the essay) --- */

/* From now on these are told of every change; NULL: nobody is. They stay the caller's. */
void keyspace_set_watches(struct keyspace *keyspace, struct watches *watches);
/* False when the key, which was there or not (`present`) after the entry `since`, may have changed after it. */
bool keyspace_unchanged(struct keyspace *keyspace, unsigned db, const struct resp_arg *key, bool present,
                        uint64_t since);
/* How often databases with keys were emptied, or exchanged. */
uint64_t keyspace_upheavals(const struct keyspace *keyspace);

/* ---- keys that somebody may wait for --- */

/* Whether it is noted which lists and sorted sets were changed and not emptied, or came to another name or database, and which streams were changed or went. Off at first;
 * turned off, it is forgotten what was noted. */
void keyspace_note_ready(struct keyspace *keyspace, bool on);

struct keyspace_ready {
    unsigned db;
    bool whole;          /* any key of the database: its number stands for others now */
    struct resp_arg key; /* else this one. Holds until the next change of the keyspace */
};

/* What was noted and not yet told, oldest first; false when there is nothing. The key may be gone again. */
bool keyspace_next_ready(struct keyspace *keyspace, struct keyspace_ready *ready);

/* ---- what counts as compact --- */

/* Up to what size a collection counts as compact: as Redis's directives (hash-max-listpack-entries and so on). */
struct collection_limits {
    size_t entries; /* members */
    size_t bytes;   /* of a field, value or member; of a set it means nothing */
};

struct keyspace_compact {
    struct collection_limits hash, set, zset;
};

/* What collection_encoding goes by, for what is added from now on; Redis's defaults at first. No part of the state that the log determines: replicas may differ in it. */
void keyspace_set_compact(struct keyspace *keyspace, const struct keyspace_compact *compact);
const struct keyspace_compact *keyspace_compact(const struct keyspace *keyspace);

/* ---- how keys are used (use.c has the essay) --- */

struct keyspace_use {
    bool frequency;         /* how often is noted, not when last */
    unsigned log_factor;    /* as lfu-log-factor */
    uint64_t decay_minutes; /* as lfu-decay-time */
    uint64_t now_s;         /* seconds since whenever */
};

/* From now on. No part of the state that the log determines: replicas may differ in it. */
void keyspace_set_use(struct keyspace *keyspace, const struct keyspace_use *use);
const struct keyspace_use *keyspace_use(const struct keyspace *keyspace);
/* It is used now. */
void item_touch(struct keyspace *keyspace, struct item *item);
/* Since when it has not been used. */
uint64_t item_idle_s(const struct keyspace *keyspace, const struct item *item);
/* The logarithm of how often it is used, 0 to 255. */
unsigned item_frequency(const struct keyspace *keyspace, const struct item *item);

/* ---- checkpoints (page.c has the essay and the format) --- */

/* One thing to be written. A checkpoint tells of an (object, number) at most once, and of nothing that one of
 * its removals covers: the order is free, as long as all of it is written in one transaction. */
enum keyspace_page_type {
    KEYSPACE_PAGE_WRITE,  /* these bytes under (object, number), whatever was there */
    KEYSPACE_PAGE_REMOVE, /* of `object`, all pages from `number` on go (there may be none) */
};

struct keyspace_page {
    enum keyspace_page_type type;
    uint64_t object, number;
    struct resp_buf bytes; /* the taker's to close; read by any thread. Empty for a removal */
};

/* Freezes what has changed since the last committed checkpoint (the first time: everything) as it is now.
 * Looks at no key: 192 bytes of bits for each 2048 keys. One checkpoint at a time. */
void keyspace_checkpoint_begin(struct keyspace *keyspace);
/* Appends the head as of the beginning: what keyspace_load_begin wants. */
void keyspace_checkpoint_head(const struct keyspace *keyspace, struct resp_buf *out);
/* The next thing to be written, as of the beginning; false when there is none left. Takes a few
 * microseconds; between two calls the keyspace may be changed in any way. */
bool keyspace_checkpoint_next(struct keyspace *keyspace, struct keyspace_page *page);
/* How many more keyspace_checkpoint_next will give. A value of several pages counts as one until it has been
 * looked at, so that this may rise. 0: none. */
size_t keyspace_checkpoint_rest(const struct keyspace *keyspace);
/* Bytes that are kept only for the checkpoint: places, and pages of long values, copied before they changed, and long values that were
 * overwritten or deleted. They go as it is handed out: slow the writers down when this grows. */
size_t keyspace_checkpoint_kept(const struct keyspace *keyspace);
/* Of them, bytes that stand beside the heap. */
size_t keyspace_checkpoint_mapped(const struct keyspace *keyspace);
/* What changes had to copy before they changed it, since the last checkpoint began: the rest of what a checkpoint costs the loop. */
struct keyspace_copied {
    uint64_t pages, bytes; /* pages of which anything was copied */
    uint64_t us;           /* by `clock`, of whole pages; 0 without one */
};
void keyspace_checkpoint_copied(const struct keyspace *keyspace, struct keyspace_copied *copied);
/* A clock by which copies are timed, microseconds from whenever: for statistics, nothing depends on it. NULL: none. */
void keyspace_checkpoint_time(struct keyspace *keyspace, uint64_t (*clock)(void));
/* All that was handed out is durable; or it is not known to be, and all of it will come again. */
void keyspace_checkpoint_end(struct keyspace *keyspace, bool committed);

enum { KEYSPACE_WHY_MAX = 256 };

/* A new keyspace to be filled from a checkpoint; NULL when the head is malformed, and `why` says what is
 * wrong. Until keyspace_load_end it is good for nothing but the calls below and keyspace_free. */
struct keyspace *keyspace_load_begin(const void *head, size_t length, char why[KEYSPACE_WHY_MAX]);
/* The pages by ascending (object, number). Each call takes a few microseconds to tens of them. False when it
 * does not fit; `why` says what is wrong. */
bool keyspace_load_page(struct keyspace *keyspace, uint64_t object, uint64_t number, const void *bytes,
                        size_t length, char why[KEYSPACE_WHY_MAX]);
/* Whether that was all of it, and what it was when it was written: its digest is compared. From now on it is
 * the keyspace that was frozen. */
bool keyspace_load_end(struct keyspace *keyspace, char why[KEYSPACE_WHY_MAX]);
/* Keys loaded so far, and keys that there will be. */
void keyspace_load_progress(const struct keyspace *keyspace, uint64_t *keys, uint64_t *keys_total);

/* ---- one item --- */

enum value_type item_type(const struct item *item);
struct resp_arg item_key(const struct item *item);
/* A hash of its key in that database: nearly always another one for another key. */
uint64_t item_fingerprint(const struct item *item, unsigned db);
uint64_t item_deadline(const struct item *item); /* absolute, Unix milliseconds; KEYSPACE_NO_DEADLINE */
uint64_t item_version(const struct item *item);  /* index of the log entry that changed it last */
/* Returns the item, which may have moved. KEYSPACE_NO_DEADLINE takes the deadline away. With one at or before
 * the clock it is gone. */
struct item *item_set_deadline(struct keyspace *keyspace, unsigned db, struct item *item,
                               uint64_t deadline_ms, uint64_t version);

/* A string's bytes; hold until the next change of the keyspace. */
struct resp_arg item_string(const struct item *item);
/* Adds bytes at the end; returns the item, which may have moved. Cost follows what is added, not what is
 * there. */
struct item *item_append(struct keyspace *keyspace, unsigned db, struct item *item, const void *bytes,
                         size_t length, uint64_t version);
/* Puts other bytes in the place of some of a string's: the range must lie within it. The item stays where it is. */
void item_overwrite(struct keyspace *keyspace, unsigned db, struct item *item, size_t offset,
                    const void *bytes, size_t length, uint64_t version);
/* Members or elements of a collection. */
size_t collection_count(const struct item *item);
/* Bytes allocated for the item and its value. */
size_t item_memory(const struct item *item);
/* About how many more the indexes have for it. */
size_t item_index_share(const struct item *item);

#endif
