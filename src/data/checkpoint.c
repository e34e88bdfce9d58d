/* SPDX-License-Identifier: MIT */
/*
 * The course of a checkpoint: freeze, hand out, end. page.c has the essay.
 *
 * What there is to hand out, in the order in which it goes:
 *
 *     the queue      pages without places that had to be encoded early: they take memory
 *     orphans        long values that the keyspace no longer has: they take memory
 *     removals       objects that went before the freeze; databases that are shorter than on the disk
 *     graves         databases flushed since the freeze: nothing of them is freed before
 *     the databases  pages of items, in their order, then objects. In their order: when a new row comes between two that are there
 *                    SQLite spreads its neighbours again; and had one of those left its cache for the -wal, all behind it
 *                    would go to the disk twice (../store/pace.c)
 *
 * A checkpoint tells of each (object, number) at most once, and of a removal never together with a page that
 * it covers; so the order means nothing to who writes it.
 *
 * A failed one is as if it had not been: what was frozen is dirty, what was removed is still to be told. But
 * since nobody knows what of it is on the disk all the same, its pages count as stored from then on.
 *
 * The head, one RESP array of bulk strings:
 *
 *     0    "keyspace"
 *     1    2, the version of the format
 *     2    clock, Unix milliseconds
 *     3    id that the next object gets
 *     4    digest of the keyspace, 16 hexadecimal digits
 *     5    number of databases, with the hidden one
 *     6    "" or, when databases were swapped, where each lies, by spaces apart
 *     7    how often databases were emptied or exchanged
 *     8    the marks of keys that went (watch.c), a number each, by spaces apart
 *     then, for each database with keys, three: its number, how many keys, how many objects
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* A page without places. */
struct queued {
    struct queued *next;
    struct block *block;
    uint64_t object, number;
    struct resp_buf own; /* a long one's bytes; else they follow */
    size_t length;
    char bytes[];
};

struct orphan {
    struct orphan *next;
    struct object *object;
    size_t bytes;
};

enum {
    REMOVALS = 510,
    LONG_PAGE = 256 * 1024,
    QUEUE_BYTES = 1024 * 1024, /* of a block */
};

struct removal_block {
    struct removal_block *next;
    size_t count;
    uint64_t objects[REMOVALS];
};

/* ---- lists --- */

static void *allocate(struct keyspace *keyspace, size_t size) {
    void *block = malloc(size);
    if (!block)
        abort();
    keyspace->memory += size;
    return block;
}

static void release(struct keyspace *keyspace, void *block, size_t size) {
    keyspace->memory -= size;
    free(block);
}

static void removals_add(struct keyspace *keyspace, struct removals *removals, uint64_t object) {
    struct removal_block *block = removals->last;
    if (!block || block->count == REMOVALS) {
        block = allocate(keyspace, sizeof *block);
        block->next = NULL;
        block->count = 0;
        *(removals->last ? &removals->last->next : &removals->first) = block;
        removals->last = block;
    }
    block->objects[block->count++] = object;
    removals->count++;
}

static void removals_close(struct keyspace *keyspace, struct removals *removals) {
    for (struct removal_block *block = removals->first, *next; block; block = next) {
        next = block->next;
        release(keyspace, block, sizeof *block);
    }
    *removals = (struct removals){.count = 0};
}

/* Puts `front` before what is in `removals`. */
static void removals_join(struct removals *removals, struct removals *front) {
    if (!front->first)
        return;
    front->last->next = removals->first;
    removals->first = front->first;
    removals->last = removals->last ? removals->last : front->last;
    removals->count += front->count;
    *front = (struct removals){.count = 0};
}

/* ---- pages --- */

static struct resp_buf copy_of(const char *bytes, size_t length) {
    struct resp_buf copy = {.bytes = malloc(length), .end = length, .capacity = length};
    if (!copy.bytes)
        abort();
    memcpy(copy.bytes, bytes, length);
    return copy;
}

/* Just as much memory as there are bytes; but a long one takes `from` itself: copying takes time. */
static struct resp_buf bytes_of(struct resp_buf *from) {
    struct resp_buf bytes = *from;
    assert(resp_buf_length(from) > 0);
    if (resp_buf_length(from) < LONG_PAGE)
        return copy_of(resp_buf_bytes(from), resp_buf_length(from));
    *from = (struct resp_buf){0};
    return bytes;
}

static struct resp_buf *write_object(const struct object *object, size_t number, struct resp_buf *scratch) {
    resp_buf_truncate(scratch, 0);
    object_kind(object)->write_page(object, number, scratch);
    return scratch;
}

struct keyspace_page page_of_object(const struct object *object, size_t number, struct resp_buf *scratch) {
    return (struct keyspace_page){.type = KEYSPACE_PAGE_WRITE,
                                  .object = object->id,
                                  .number = number,
                                  .bytes = bytes_of(write_object(object, number, scratch))};
}

static uint64_t read_clock(const struct keyspace *keyspace) {
    return keyspace->checkpoint.clock ? keyspace->checkpoint.clock() : 0;
}

/* ---- items --- */

void checkpoint_save_place(struct keyspace *keyspace, struct database *database, size_t slot) {
    struct resp_buf *scratch = &keyspace->checkpoint.scratch;
    size_t number = slot / PAGE_PLACES, place = slot % PAGE_PLACES;
    assert(keyspace->checkpoint.active);
    if (slot >= database->frozen || kept_has(&database->kept, number, place))
        return; /* it came afterwards, or is kept */
    kept_open(keyspace, &database->kept, pages_of_places(database->frozen));
    resp_buf_truncate(scratch, 0);
    page_write_place(dict_at(&database->keys, slot), scratch);
    kept_add(keyspace, &database->kept, number, place,
             &(struct resp_arg){resp_buf_bytes(scratch), resp_buf_length(scratch)});
}

/* As it was at the freeze. */
static struct keyspace_page items_page(struct keyspace *keyspace, struct database *database, uint64_t object,
                                       size_t number) {
    struct resp_buf *scratch = &keyspace->checkpoint.scratch;
    struct resp_arg kept[PAGE_PLACES] = {{NULL, 0}};
    kept_read(&database->kept, number, kept);
    page_write_items(&database->keys, number, database->frozen, kept, scratch);
    kept_forget(keyspace, &database->kept, number);
    return (struct keyspace_page){
        .type = KEYSPACE_PAGE_WRITE, .object = object, .number = number, .bytes = bytes_of(scratch)};
}

/* ---- the queue --- */

/* The memory that its bytes take, in its block or beside it. */
static size_t queued_bytes(const struct queued *queued) {
    return queued->own.bytes ? queued->own.capacity : queued->length;
}

static void enqueue(struct keyspace *keyspace, uint64_t object, size_t number, struct resp_buf *from) {
    struct checkpoint *checkpoint = &keyspace->checkpoint;
    size_t length = resp_buf_length(from), there = length < LONG_PAGE ? length : 0;
    struct block *block;
    struct queued *queued =
        block_take(checkpoint, &checkpoint->block, QUEUE_BYTES, sizeof(struct queued) + there, &block);
    *queued = (struct queued){.block = block, .object = object, .number = number, .length = length};
    memcpy(queued->bytes, resp_buf_bytes(from), there);
    if (there == 0) {
        queued->own = bytes_of(from);
        checkpoint->beside += queued->own.capacity;
    }
    kept_count(keyspace, queued_bytes(queued));
    checkpoint->copied.pages++;
    checkpoint->copied.bytes += queued_bytes(queued);
    *(checkpoint->queue.last ? &checkpoint->queue.last->next : &checkpoint->queue.first) = queued;
    checkpoint->queue.last = queued;
}

static bool next_queued(struct keyspace *keyspace, struct keyspace_page *page) {
    struct checkpoint *checkpoint = &keyspace->checkpoint;
    struct queue *queue = &checkpoint->queue;
    const struct queued *queued = queue->first;
    if (!queued)
        return false;
    queue->first = queued->next;
    if (!queue->first)
        queue->last = NULL;
    *page = (struct keyspace_page){
        .type = KEYSPACE_PAGE_WRITE,
        .object = queued->object,
        .number = queued->number,
        .bytes = queued->own.bytes ? queued->own : copy_of(queued->bytes, queued->length),
    };
    kept_discount(keyspace, queued_bytes(queued));
    checkpoint->beside -= queued->own.capacity;
    block_leave(checkpoint, queued->block);
    return true;
}

void checkpoint_save_page(struct keyspace *keyspace, const struct object *object, size_t page) {
    struct checkpoint *checkpoint = &keyspace->checkpoint;
    assert(checkpoint->active);
    uint64_t begun_us = read_clock(keyspace);
    enqueue(keyspace, object->id, page, write_object(object, page, &checkpoint->scratch));
    checkpoint->copied.us += read_clock(keyspace) - begun_us;
}

void checkpoint_adopt(struct keyspace *keyspace, struct object *object) {
    struct orphan *orphan = allocate(keyspace, sizeof *orphan);
    assert(keyspace->checkpoint.active);
    *orphan = (struct orphan){keyspace->checkpoint.orphans, object, object_kind(object)->bytes(object)};
    keyspace->checkpoint.orphans = orphan;
    keyspace->checkpoint.kept += orphan->bytes;
    keyspace->checkpoint.beside += orphan->bytes;
}

void checkpoint_removed(struct keyspace *keyspace, uint64_t object) {
    removals_add(keyspace, &keyspace->checkpoint.gone, object);
}

/* ---- begin --- */

static void write_order(const struct keyspace *keyspace, struct resp_buf *out) {
    struct resp_buf text = {0};
    bool swapped = false;
    for (unsigned i = 0; i < keyspace->count; i++) {
        char number[16];
        int length = snprintf(number, sizeof number, i ? " %u" : "%u", keyspace->order[i]);
        resp_buf_append(&text, number, (size_t)length);
        swapped = swapped || keyspace->order[i] != i;
    }
    resp_request_bulk(out, resp_buf_bytes(&text), swapped ? resp_buf_length(&text) : 0);
    resp_buf_close(&text);
}

static void write_marks(const struct keyspace *keyspace, struct resp_buf *out) {
    char number[24];
    struct resp_buf text = {0};
    for (size_t i = 0; i < KEYSPACE_MARKS; i++) {
        int length =
            snprintf(number, sizeof number, i ? " %llu" : "%llu", (unsigned long long)keyspace->marks[i]);
        resp_buf_append(&text, number, (size_t)length);
    }
    resp_request_bulk(out, resp_buf_bytes(&text), resp_buf_length(&text));
    resp_buf_close(&text);
}

static void write_head(struct keyspace *keyspace, struct resp_buf *out) {
    size_t used = 0;
    for (unsigned i = 0; i < keyspace->count; i++)
        used += keyspace->db[i].keys.count > 0;
    char digest[17];
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)keyspace_digest(keyspace));
    resp_request(out, 9 + 3 * used);
    resp_request_text(out, "keyspace");
    resp_request_unsigned(out, 2);
    resp_request_unsigned(out, keyspace->clock);
    resp_request_unsigned(out, keyspace->next_object);
    resp_request_text(out, digest);
    resp_request_unsigned(out, keyspace->count);
    write_order(keyspace, out);
    resp_request_unsigned(out, keyspace->upheavals);
    write_marks(keyspace, out);
    for (unsigned i = 0; i < keyspace->count; i++) {
        const struct database *database = &keyspace->db[i];
        if (database->keys.count == 0)
            continue;
        resp_request_unsigned(out, i);
        resp_request_unsigned(out, database->keys.count);
        resp_request_unsigned(out, database->objects.count);
    }
}

static void freeze(struct keyspace *keyspace) {
    struct checkpoint *checkpoint = &keyspace->checkpoint;
    for (unsigned i = 0; i < keyspace->count; i++) {
        struct database *database = &keyspace->db[i];
        struct rows *rows = &keyspace->rows[i];
        rows->frozen = pages_of_places(database->keys.count);
        assert(!database->kept.at);
        database->frozen = database->keys.count;
        page_set_freeze(&database->pages, rows->frozen);
        page_set_freeze(&database->objects.set, database->objects.used);
        checkpoint->rest += database->pages.todo + database->objects.set.todo;
        checkpoint->rest += rows->frozen < rows->stored;
    }
    assert(!checkpoint->told.first);
    checkpoint->told = checkpoint->gone;
    checkpoint->gone = (struct removals){.count = 0};
    checkpoint->rest += checkpoint->told.count;
}

void keyspace_checkpoint_begin(struct keyspace *keyspace) {
    struct checkpoint *checkpoint = &keyspace->checkpoint;
    assert(!checkpoint->active && !keyspace->load);
    assert(!checkpoint->queue.first && checkpoint->mapped == 0 && !checkpoint->orphans &&
           checkpoint->rest == 0);
    checkpoint->active = true;
    checkpoint->number++;
    checkpoint->copied = (struct keyspace_copied){0};
    write_head(keyspace, &checkpoint->head);
    freeze(keyspace);
    checkpoint->telling = checkpoint->told.first;
    checkpoint->telling_at = 0;
    checkpoint->db = checkpoint->rows_db = 0;
}

void keyspace_checkpoint_head(const struct keyspace *keyspace, struct resp_buf *out) {
    const struct resp_buf *head = &keyspace->checkpoint.head;
    assert(keyspace->checkpoint.active);
    resp_buf_append(out, resp_buf_bytes(head), resp_buf_length(head));
}

/* ---- next --- */

static void orphan_free(struct keyspace *keyspace) {
    struct orphan *orphan = keyspace->checkpoint.orphans;
    keyspace->checkpoint.orphans = orphan->next;
    keyspace->checkpoint.kept -= orphan->bytes;
    keyspace->checkpoint.beside -= orphan->bytes;
    object_die(keyspace, orphan->object);
    release(keyspace, orphan, sizeof *orphan);
}

static bool next_orphan(struct keyspace *keyspace, struct keyspace_page *page) {
    struct orphan *orphan = keyspace->checkpoint.orphans;
    if (!orphan)
        return false;
    bool found = object_next(keyspace, orphan->object, page);
    assert(found);
    if (!object_unfinished(orphan->object))
        orphan_free(keyspace);
    return found;
}

static bool next_removal(struct keyspace *keyspace, struct keyspace_page *page) {
    struct checkpoint *checkpoint = &keyspace->checkpoint;
    while (checkpoint->rows_db < keyspace->count) {
        const struct rows *rows = &keyspace->rows[checkpoint->rows_db++];
        if (rows->frozen < rows->stored) {
            *page = (struct keyspace_page){KEYSPACE_PAGE_REMOVE, checkpoint->rows_db - 1, rows->frozen, {0}};
            return true;
        }
    }
    if (!checkpoint->telling)
        return false;
    *page = (struct keyspace_page){
        KEYSPACE_PAGE_REMOVE, checkpoint->telling->objects[checkpoint->telling_at++], 0, {0}};
    if (checkpoint->telling_at == checkpoint->telling->count) {
        checkpoint->telling = checkpoint->telling->next;
        checkpoint->telling_at = 0;
    }
    return true;
}

static bool next_of(struct keyspace *keyspace, struct database *database, uint64_t object,
                    struct keyspace_page *page) {
    struct page_set *set = &database->objects.set;
    size_t number, slot;
    if (page_set_next(&database->pages, &number)) {
        *page = items_page(keyspace, database, object, number);
        page_set_done(&database->pages, number);
        return true;
    }
    while (page_set_next(set, &slot)) {
        struct object *value = database->objects.at[slot].object;
        object_settle(keyspace, database, value);
        if (object_next(keyspace, value, page))
            return true;
        object_forget(keyspace, value);
        page_set_done(set, slot);
    }
    return false;
}

static bool next_grave(struct keyspace *keyspace, struct keyspace_page *page) {
    for (struct grave *grave = keyspace->graves; grave; grave = grave->next)
        if (next_of(keyspace, &grave->database, grave->db, page))
            return true;
    return false;
}

static bool next_database(struct keyspace *keyspace, struct keyspace_page *page) {
    for (unsigned *db = &keyspace->checkpoint.db; *db < keyspace->count; ++*db)
        if (next_of(keyspace, &keyspace->db[*db], *db, page))
            return true;
    return false;
}

bool keyspace_checkpoint_next(struct keyspace *keyspace, struct keyspace_page *page) {
    struct checkpoint *checkpoint = &keyspace->checkpoint;
    assert(checkpoint->active);
    if (next_queued(keyspace, page) || next_orphan(keyspace, page) || next_removal(keyspace, page) ||
        next_grave(keyspace, page) || next_database(keyspace, page)) {
        assert(checkpoint->rest > 0);
        checkpoint->rest--;
        return true;
    }
    assert(checkpoint->rest == 0);
    return false;
}

size_t keyspace_checkpoint_rest(const struct keyspace *keyspace) {
    return keyspace->checkpoint.rest;
}

size_t keyspace_checkpoint_mapped(const struct keyspace *keyspace) {
    return keyspace->checkpoint.mapped;
}

size_t keyspace_checkpoint_kept(const struct keyspace *keyspace) {
    return keyspace->checkpoint.mapped + keyspace->checkpoint.beside;
}

void keyspace_checkpoint_copied(const struct keyspace *keyspace, struct keyspace_copied *copied) {
    *copied = keyspace->checkpoint.copied;
}

void keyspace_checkpoint_time(struct keyspace *keyspace, uint64_t (*clock)(void)) {
    keyspace->checkpoint.clock = clock;
}

/* ---- end --- */

static void thaw_database(struct keyspace *keyspace, struct database *database, bool back) {
    page_set_thaw(&database->pages, back);
    page_set_thaw(&database->objects.set, back);
    kept_close(keyspace, &database->kept);
}

static void thaw(struct keyspace *keyspace, bool committed) {
    for (unsigned i = 0; i < keyspace->count; i++) {
        struct rows *rows = &keyspace->rows[i];
        thaw_database(keyspace, &keyspace->db[i], !committed);
        if (committed || rows->stored < rows->frozen)
            rows->stored = rows->frozen;
    }
    for (struct grave *grave = keyspace->graves; grave; grave = grave->next)
        thaw_database(keyspace, &grave->database, false);
}

void keyspace_checkpoint_end(struct keyspace *keyspace, bool committed) {
    struct checkpoint *checkpoint = &keyspace->checkpoint;
    struct keyspace_page page;
    assert(checkpoint->active);
    assert(!committed || checkpoint->rest == 0);
    thaw(keyspace, committed);
    while (next_queued(keyspace, &page))
        resp_buf_close(&page.bytes);
    while (checkpoint->orphans)
        orphan_free(keyspace);
    while (checkpoint->keeping)
        object_forget(keyspace, checkpoint->keeping->object);
    if (committed) {
        removals_close(keyspace, &checkpoint->told);
        checkpoint->committed = checkpoint->number;
    } else {
        removals_join(&checkpoint->gone, &checkpoint->told);
    }
    resp_buf_close(&checkpoint->head);
    resp_buf_close(&checkpoint->scratch);
    checkpoint->rest = 0;
    checkpoint->active = false;
}

void checkpoint_close(struct keyspace *keyspace) {
    assert(!keyspace->checkpoint.active && !keyspace->checkpoint.told.first);
    removals_close(keyspace, &keyspace->checkpoint.gone);
}
