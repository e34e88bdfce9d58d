/* SPDX-License-Identifier: MIT */
/*
 * What the tests of checkpoints share: a disk that is an array of rows sorted by (object, number), the rules
 * that a checkpoint's pages obey, and loading from it.
 */
#ifndef CHECKPOINT_WORLD_H
#define CHECKPOINT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/data/keyspace.h"
#include "../src/data/lists.h"
#include "../src/data/records.h"

struct row {
    uint64_t object, number;
    char *bytes;
    size_t length;
};

struct disk {
    struct row *rows;
    size_t count, room;
    struct resp_buf head;
};

/* What one checkpoint has handed out: nothing reaches the disk before it is committed. */
struct batch {
    struct keyspace_page *pages;
    size_t count, room;
    size_t bytes;
};

/* ---- the disk --- */

static size_t disk_place(const struct disk *disk, uint64_t object, uint64_t number) {
    size_t low = 0, high = disk->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct row *row = &disk->rows[middle];
        if (row->object < object || (row->object == object && row->number < number))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void disk_write(struct disk *disk, uint64_t object, uint64_t number, const void *bytes,
                       size_t length) {
    size_t at = disk_place(disk, object, number);
    if (at == disk->count || disk->rows[at].object != object || disk->rows[at].number != number) {
        if (disk->count == disk->room) {
            disk->room = disk->room ? 2 * disk->room : 64;
            disk->rows = realloc(disk->rows, disk->room * sizeof *disk->rows);
            assert_non_null(disk->rows);
        }
        memmove(disk->rows + at + 1, disk->rows + at, (disk->count++ - at) * sizeof *disk->rows);
    } else {
        free(disk->rows[at].bytes);
    }
    disk->rows[at] = (struct row){object, number, malloc(length ? length : 1), length};
    assert_non_null(disk->rows[at].bytes);
    memcpy(disk->rows[at].bytes, bytes, length);
}

static void disk_remove(struct disk *disk, uint64_t object, uint64_t number) {
    size_t from = disk_place(disk, object, number), to = disk_place(disk, object + 1, 0);
    for (size_t i = from; i < to; i++)
        free(disk->rows[i].bytes);
    if (to > from)
        memmove(disk->rows + from, disk->rows + to, (disk->count - to) * sizeof *disk->rows);
    disk->count -= to - from;
}

static void disk_close(struct disk *disk) {
    for (size_t i = 0; i < disk->count; i++)
        free(disk->rows[i].bytes);
    free(disk->rows);
    resp_buf_close(&disk->head);
    *disk = (struct disk){.count = 0};
}

/* ---- one checkpoint --- */

static void batch_clear(struct batch *batch) {
    for (size_t i = 0; i < batch->count; i++)
        resp_buf_close(&batch->pages[i].bytes);
    batch->count = batch->bytes = 0;
}

static void batch_close(struct batch *batch) {
    batch_clear(batch);
    free(batch->pages);
    *batch = (struct batch){.count = 0};
}

/* Takes the next page, if there is one. */
static bool batch_take(struct batch *batch, struct keyspace *keyspace) {
    if (batch->count == batch->room) {
        batch->room = batch->room ? 2 * batch->room : 64;
        batch->pages = realloc(batch->pages, batch->room * sizeof *batch->pages);
        assert_non_null(batch->pages);
    }
    struct keyspace_page *page = &batch->pages[batch->count];
    if (!keyspace_checkpoint_next(keyspace, page))
        return false;
    assert_true((page->type == KEYSPACE_PAGE_REMOVE) == (resp_buf_length(&page->bytes) == 0));
    batch->bytes += resp_buf_length(&page->bytes);
    batch->count++;
    return true;
}

static int by_place(const void *a, const void *b) {
    const struct keyspace_page *x = a, *y = b;
    if (x->object != y->object)
        return x->object < y->object ? -1 : 1;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return 0;
}

/* Nothing is told twice, and no removal covers what is told beside it. Sorts the batch: the order is free. */
static void batch_judge(struct batch *batch) {
    if (batch->count)
        qsort(batch->pages, batch->count, sizeof *batch->pages, by_place);
    for (size_t i = 1; i < batch->count; i++) {
        const struct keyspace_page *before = &batch->pages[i - 1], *page = &batch->pages[i];
        if (before->object != page->object)
            continue;
        assert_true(before->number < page->number);
        assert_int_equal(before->type, KEYSPACE_PAGE_WRITE);
    }
}

/* The one transaction. */
static void batch_write(struct batch *batch, struct disk *disk) {
    batch_judge(batch);
    for (size_t i = 0; i < batch->count; i++) {
        const struct keyspace_page *page = &batch->pages[i];
        if (page->type == KEYSPACE_PAGE_REMOVE)
            disk_remove(disk, page->object, page->number);
        else
            disk_write(disk, page->object, page->number, resp_buf_bytes(&page->bytes),
                       resp_buf_length(&page->bytes));
    }
}

/* A checkpoint from begin to end with nothing between; returns the bytes written. */
static inline size_t checkpoint_whole(struct keyspace *keyspace, struct disk *disk) {
    struct batch batch = {.count = 0};
    keyspace_checkpoint_begin(keyspace);
    resp_buf_truncate(&disk->head, 0);
    keyspace_checkpoint_head(keyspace, &disk->head);
    while (batch_take(&batch, keyspace))
        ;
    size_t bytes = batch.bytes;
    batch_write(&batch, disk);
    keyspace_checkpoint_end(keyspace, true);
    batch_close(&batch);
    return bytes;
}

/* ---- loading --- */

/* NULL: refused, `why` says why. */
static struct keyspace *disk_load_or(const struct disk *disk, char why[KEYSPACE_WHY_MAX]) {
    struct keyspace *keyspace =
        keyspace_load_begin(resp_buf_bytes(&disk->head), resp_buf_length(&disk->head), why);
    if (!keyspace)
        return NULL;
    bool fits = true;
    for (size_t i = 0; fits && i < disk->count; i++) {
        const struct row *row = &disk->rows[i];
        fits = keyspace_load_page(keyspace, row->object, row->number, row->bytes, row->length, why);
    }
    if (fits && keyspace_load_end(keyspace, why))
        return keyspace;
    keyspace_free(keyspace);
    return NULL;
}

static inline struct keyspace *disk_load(const struct disk *disk) {
    char why[KEYSPACE_WHY_MAX] = "";
    struct keyspace *keyspace = disk_load_or(disk, why);
    if (!keyspace)
        fail_msg("%s", why);
    return keyspace;
}

/* ---- comparing --- */

static void dump_bytes(struct resp_buf *out, const struct resp_arg *bytes) {
    resp_buf_append(out, &bytes->length, sizeof bytes->length);
    if (bytes->length)
        resp_buf_append(out, bytes->bytes, bytes->length);
}

static void dump_member(struct resp_buf *out, const struct member *member) {
    dump_bytes(out, &member->key);
    dump_bytes(out, &member->value);
    resp_buf_append(out, &member->score, sizeof member->score);
}

static void dump_list(struct resp_buf *out, const struct item *item) {
    struct list_walk walk;
    list_at(item, 0, &walk);
    do
        dump_bytes(out, &walk.value);
    while (list_next(&walk));
}

/* All its records: entries, groups and what is pending. */
static void dump_stream(struct resp_buf *out, const struct item *item) {
    const struct records *records = records_of(item);
    struct records_place place;
    struct record record;
    resp_buf_append(out, records->head, sizeof records->head);
    for (records_begin(records, &place); records_next(records, &place, &record);) {
        dump_bytes(out, &record.key);
        dump_bytes(out, &record.value);
    }
}

static void dump_collection(struct resp_buf *out, const struct item *item) {
    size_t count = collection_count(item);
    struct member member;
    struct resp_arg encoding = {collection_encoding(item), strlen(collection_encoding(item))};
    resp_buf_append(out, &count, sizeof count);
    dump_bytes(out, &encoding);
    if (item_type(item) == VALUE_LIST) {
        dump_list(out, item);
        return;
    }
    if (item_type(item) == VALUE_STREAM) {
        dump_stream(out, item);
        return;
    }
    for (size_t place = 0; place < count; place++) {
        collection_at(item, place, &member);
        dump_member(out, &member);
    }
    if (item_type(item) != VALUE_ZSET)
        return;
    struct zset_walk walk;
    for (zset_walk_begin(&walk, item, 0); zset_walk_up(&walk, &member);)
        dump_member(out, &member);
}

static void dump_item(struct resp_buf *out, struct item *item, unsigned db, size_t slot) {
    uint64_t numbers[] = {db, slot, item_deadline(item), item_version(item), item_type(item)};
    struct resp_arg key = item_key(item);
    resp_buf_append(out, numbers, sizeof numbers);
    dump_bytes(out, &key);
    if (item_type(item) != VALUE_STRING) {
        dump_collection(out, item);
        return;
    }
    struct resp_arg value = item_string(item);
    dump_bytes(out, &value);
}

/* All that a caller can see, as bytes. */
static void dump(struct keyspace *keyspace, struct resp_buf *out) {
    uint64_t numbers[] = {keyspace_clock(keyspace), keyspace_digest(keyspace),
                          keyspace_next_deadline(keyspace)};
    resp_buf_append(out, numbers, sizeof numbers);
    for (unsigned db = 0; db < keyspace_databases(keyspace); db++) {
        size_t counts[] = {keyspace_size(keyspace, db), keyspace_deadlines(keyspace, db),
                           keyspace_slots(keyspace, db)};
        resp_buf_append(out, counts, sizeof counts);
        for (size_t slot = 0; slot < counts[2]; slot++) {
            struct item *item = keyspace_at(keyspace, db, slot);
            if (item)
                dump_item(out, item, db, slot);
        }
    }
}

static inline void assert_same(const struct resp_buf *a, const struct resp_buf *b) {
    assert_int_equal(resp_buf_length(a), resp_buf_length(b));
    assert_memory_equal(resp_buf_bytes(a), resp_buf_bytes(b), resp_buf_length(a));
}

#endif
