/* SPDX-License-Identifier: MIT */
/*
 * Long values as objects: their ids, their pages' bits, their digest.
 *
 * An object gets the next id when the log makes its value long, and keeps it through RENAME, APPEND and SET,
 * with one exception: a SET that makes it shorter by a page ends the object and begins another. So an
 * object's pages only ever become more, and nothing has to be said about pages at its end that went.
 *
 * There may be millions of objects and a page of each, and a freeze must not visit them. So it freezes only
 * one bit for each object, in the database's table, and an object finds out by itself when it is used next:
 * `seen` is the number of the checkpoint that its own bits tell of.
 *
 *     seen = the checkpoint under way     the bits are as they should be
 *     seen = one that has ended           frozen pages are dirty again, unless it was committed
 *     otherwise, checkpoint under way     what is dirty was so at the freeze: frozen, to do
 *
 * Was it committed? If a later one was, then so was this: had it failed, the object would have stayed dirty,
 * the later one would have frozen it, and `seen` would be its number. So the last committed number suffices.
 *
 * A value that is overwritten or deleted while pages of it are to do may be long, so they are not encoded on
 * the spot: the checkpoint gets the whole text, and the key a new one (of the same id, when it is
 * overwritten).
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { CHUNK = 256 }; /* bytes that the digest of a long value is added up from; divides PAGE_BYTES */

/* ---- the bits of one object --- */

static size_t word_count(const struct object *object) {
    return 1 + object->more_count;
}

static struct page_bits *word_of(struct object *object, size_t word) {
    assert(word < word_count(object));
    return word == 0 ? &object->first : &object->more[word - 1];
}

static void reserve_pages(struct object *object, size_t pages, size_t *memory) {
    size_t words = (pages + 63) / 64, count = word_count(object);
    if (words <= count)
        return;
    words += words / 4; /* a value that grows gets room a few times only */
    object->more = realloc(object->more, (words - 1) * sizeof *object->more);
    if (!object->more)
        abort();
    memset(object->more + (count - 1), 0, (words - count) * sizeof *object->more);
    *memory += (words - count) * sizeof *object->more;
    object->more_count = (uint32_t)(words - 1);
}

void object_close(struct object *object, size_t *memory) {
    *memory -= object->more_count * sizeof *object->more;
    free(object->more);
    object->more = NULL;
    object->more_count = 0;
}

bool object_next(const struct object *object, size_t *page) {
    for (size_t i = 0; i < word_count(object); i++) {
        uint64_t todo = i == 0 ? object->first.todo : object->more[i - 1].todo;
        if (todo) {
            *page = i * 64 + (size_t)__builtin_ctzll(todo);
            return true;
        }
    }
    return false;
}

void object_done(struct object *object, size_t page) {
    struct page_bits *word = word_of(object, page / 64);
    assert(word->todo & page_bit(page));
    word->todo &= ~page_bit(page);
}

static void touch(struct keyspace *keyspace, struct text *text, size_t page) {
    if (word_of(&text->object, page / 64)->todo & page_bit(page))
        checkpoint_save_bytes(keyspace, text, page);
}

static void mark(struct database *database, struct text *text, size_t from, size_t to) {
    for (size_t page = from; page < to; page++)
        word_of(&text->object, page / 64)->dirty |= page_bit(page);
    if (from < to)
        page_set_word(&database->objects.set, text->object.slot)->dirty |= page_bit(text->object.slot);
}

/* ---- what checkpoints mean for it --- */

static void thaw(struct object *object, bool back) {
    for (size_t i = 0; i < word_count(object); i++) {
        struct page_bits *word = word_of(object, i);
        if (back)
            word->dirty |= word->frozen;
        word->frozen = word->todo = 0;
    }
}

static size_t freeze(struct object *object) {
    size_t pages = 0;
    for (size_t i = 0; i < word_count(object); i++) {
        struct page_bits *word = word_of(object, i);
        word->frozen = word->todo = word->dirty;
        word->dirty = 0;
        pages += (size_t)__builtin_popcountll(word->todo);
    }
    return pages;
}

static bool to_do(const struct database *database, const struct object *object) {
    return page_set_word(&database->objects.set, object->slot)->todo & page_bit(object->slot);
}

void object_settle(struct keyspace *keyspace, struct database *database, struct text *text) {
    struct checkpoint *checkpoint = &keyspace->checkpoint;
    struct object *object = &text->object;
    if (checkpoint->active && object->seen == checkpoint->number)
        return;
    if (object->seen != 0)
        thaw(object, object->seen > checkpoint->committed);
    object->seen = 0;
    if (!checkpoint->active)
        return;
    object->seen = checkpoint->number;
    if (!to_do(database, object))
        return;
    size_t pages = freeze(object);
    assert(pages > 0);
    checkpoint->rest += pages - 1; /* it stood for one */
}

/* ---- slots --- */

static size_t slot_take(struct keyspace *keyspace, struct objects *objects) {
    objects->count++;
    if (objects->free) {
        size_t slot = objects->free - 1;
        objects->free = objects->at[slot].next_free;
        return slot;
    }
    if (objects->used == objects->room) {
        size_t room = objects->room ? 2 * objects->room : 8;
        objects->at = realloc(objects->at, room * sizeof *objects->at);
        if (!objects->at)
            abort();
        keyspace->memory += (room - objects->room) * sizeof *objects->at;
        objects->room = room;
    }
    assert(objects->used < UINT32_MAX);
    page_set_grow(&objects->set, objects->used, &keyspace->memory);
    return objects->used++;
}

static void slot_give(struct objects *objects, size_t slot) {
    struct page_bits *word = page_set_word(&objects->set, slot);
    assert(!(word->todo & page_bit(slot)));
    word->dirty &= ~page_bit(slot);
    word->frozen &= ~page_bit(slot);
    objects->at[slot].next_free = objects->free;
    objects->free = slot + 1;
    objects->count--;
}

void objects_close(struct objects *objects, size_t *memory) {
    *memory -= objects->room * sizeof *objects->at;
    free(objects->at);
    page_set_close(&objects->set, memory);
    *objects = (struct objects){.room = 0};
}

/* ---- life --- */

uint64_t object_digest(const struct text *text, size_t from, size_t to) {
    uint64_t digest = 0;
    assert(from % CHUNK == 0 && to <= text->length);
    for (size_t at = from; at < to; at += CHUNK)
        digest += digest_bytes(text->bytes + at, to - at < CHUNK ? to - at : CHUNK, at / CHUNK);
    return digest;
}

struct object_name object_release(struct keyspace *keyspace, struct database *database, struct item *item,
                                  size_t length) {
    static const struct object_name none = {0};
    struct text *text = item_text(item);
    if (!text)
        return none;
    object_settle(keyspace, database, text);
    struct object *object = &text->object;
    size_t page;
    bool unfinished = object_next(object, &page);
    struct object_name name = {object->id, object->slot, object->stored || unfinished};
    bool keep = length > ITEM_SHORT_MAX && pages_of_bytes(length) >= pages_of_bytes(text->length);
    if (to_do(database, object))
        page_set_done(&database->objects.set, object->slot);
    if (unfinished)
        checkpoint_adopt(keyspace, item_take_text(item));
    else
        object_close(object, &keyspace->memory);
    if (keep)
        return name;
    slot_give(&database->objects, name.slot);
    if (name.stored)
        checkpoint_removed(keyspace, name.id);
    return none;
}

static void enter(struct keyspace *keyspace, struct database *database, struct text *text,
                  struct object_name name) {
    assert(!text->object.more);
    text->object = (struct object){.id = name.id, .slot = name.slot, .stored = name.stored};
    reserve_pages(&text->object, pages_of_bytes(text->length), &keyspace->memory);
    database->objects.at[name.slot].text = text;
}

void object_adopt(struct keyspace *keyspace, struct database *database, struct item *item,
                  struct object_name name) {
    struct text *text = item_text(item);
    if (!text) {
        assert(name.id == 0);
        return;
    }
    if (name.id == 0) {
        name.id = keyspace->next_object++;
        name.slot = (uint32_t)slot_take(keyspace, &database->objects);
    }
    enter(keyspace, database, text, name);
    text->object.seen = keyspace->checkpoint.active ? keyspace->checkpoint.number : 0;
    text->object.digest = object_digest(text, 0, text->length);
    mark(database, text, 0, pages_of_bytes(text->length));
}

void object_loaded(struct keyspace *keyspace, struct database *database, struct text *text, uint64_t id) {
    uint64_t digest = text->object.digest;
    size_t slot = slot_take(keyspace, &database->objects);
    enter(keyspace, database, text, (struct object_name){id, (uint32_t)slot, true});
    text->object.digest = digest;
}

void object_extend(struct keyspace *keyspace, struct database *database, struct text *text) {
    size_t length = text->length;
    object_settle(keyspace, database, text);
    if (length % PAGE_BYTES)
        touch(keyspace, text, length / PAGE_BYTES);
    text->object.digest -= object_digest(text, length / CHUNK * CHUNK, length);
}

void object_extended(struct keyspace *keyspace, struct database *database, struct text *text, size_t before) {
    assert(before <= text->length);
    database->objects.at[text->object.slot].text = text;
    reserve_pages(&text->object, pages_of_bytes(text->length), &keyspace->memory);
    text->object.digest += object_digest(text, before / CHUNK * CHUNK, text->length);
    mark(database, text, before / PAGE_BYTES, pages_of_bytes(text->length));
}

static size_t chunks_end(const struct text *text, size_t end) {
    size_t whole = (end + CHUNK - 1) / CHUNK * CHUNK;
    return whole < text->length ? whole : text->length;
}

void object_patch(struct keyspace *keyspace, struct database *database, struct text *text, size_t offset,
                  size_t length) {
    size_t end = offset + length;
    object_settle(keyspace, database, text);
    for (size_t page = offset / PAGE_BYTES; page < pages_of_bytes(end); page++)
        touch(keyspace, text, page);
    text->object.digest -= object_digest(text, offset / CHUNK * CHUNK, chunks_end(text, end));
}

void object_patched(struct database *database, struct text *text, size_t offset, size_t length) {
    size_t end = offset + length;
    text->object.digest += object_digest(text, offset / CHUNK * CHUNK, chunks_end(text, end));
    mark(database, text, offset / PAGE_BYTES, pages_of_bytes(end));
}

void object_bury(struct keyspace *keyspace, struct text *text) {
    if (text->object.stored)
        checkpoint_removed(keyspace, text->object.id);
    object_close(&text->object, &keyspace->memory);
}
