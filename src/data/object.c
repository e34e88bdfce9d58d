/* SPDX-License-Identifier: MIT */
/*
 * Long values as objects: their ids, their pages' bits. What is in the pages is the business of their kinds
 * (text.c, members.c, list.c).
 *
 * An object gets the next id when the log makes its value long, and keeps it through RENAME, APPEND and every
 * change of a collection. So does a string that is SET, unless it becomes shorter by a page: then the object
 * ends and another begins. Of a collection that became shorter, a checkpoint tells that there are no pages
 * behind its last one.
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
 * the spot: the checkpoint gets the whole object, and the key a new one (of the same id, when a string is
 * overwritten). A collection that nobody needs any more is freed in slices: it waits among the dying.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { DYING_AT_ONCE = 64 }; /* parts of an object that are freed on the spot */

const struct object_kind *object_kind_of(unsigned type) {
    static const struct object_kind *const kinds[] = {
        [VALUE_STRING] = &object_text,  [VALUE_HASH] = &object_members, [VALUE_SET] = &object_members,
        [VALUE_ZSET] = &object_members, [VALUE_LIST] = &object_list,    [VALUE_STREAM] = &object_stream,
    };
    assert(type < sizeof kinds / sizeof kinds[0]);
    return kinds[type];
}

const struct object_kind *object_kind(const struct object *object) {
    return object_kind_of(object->type);
}

static size_t pages_of(const struct object *object) {
    return object_kind(object)->pages(object);
}

/* ---- the bits of one object --- */

static size_t word_count(const struct object *object) {
    return (size_t)1 + object->more_count;
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
    assert(!object->kept);
    *memory -= object->more_count * sizeof *object->more;
    free(object->more);
    object->more = NULL;
    object->more_count = 0;
}

/* The first page to do of a settled object. */
static bool first_to_do(struct object *object, size_t *page) {
    for (size_t i = object->cursor; i < word_count(object); i++) {
        uint64_t todo = word_of(object, i)->todo;
        object->cursor = (uint32_t)i;
        if (todo) {
            *page = i * 64 + (size_t)__builtin_ctzll(todo);
            return true;
        }
    }
    return false;
}

bool object_unfinished(struct object *object) {
    size_t page;
    return object->cut || first_to_do(object, &page);
}

static bool is_to_do(struct object *object, size_t page) {
    return page / 64 < word_count(object) && (word_of(object, page / 64)->todo & page_bit(page));
}

static void done(struct keyspace *keyspace, struct object *object, size_t page) {
    assert(is_to_do(object, page));
    word_of(object, page / 64)->todo &= ~page_bit(page);
    if (object->kept)
        kept_forget(keyspace, &object->kept->kept, object_kind(object)->kept_page(object, page));
}

void object_touch(struct keyspace *keyspace, struct object *object, size_t page) {
    if (!is_to_do(object, page))
        return;
    checkpoint_save_page(keyspace, object, page);
    done(keyspace, object, page);
}

/* Of many small ones their arrays are what it takes; so these count as well. */
static size_t kept_beside(const struct object_kept *kept) {
    return sizeof *kept + kept_arrays(&kept->kept);
}

static struct object_kept *keep(struct keyspace *keyspace, struct object *object, size_t length,
                                size_t pages) {
    struct checkpoint *checkpoint = &keyspace->checkpoint;
    struct object_kept *kept = calloc(1, sizeof *kept);
    if (!kept)
        abort();
    kept_count(keyspace, sizeof *kept);
    kept_open(keyspace, &kept->kept, pages);
    checkpoint->beside += kept_beside(kept);
    kept->object = object;
    kept->frozen = length;
    kept->next = checkpoint->keeping;
    kept->link = &checkpoint->keeping;
    if (kept->next)
        kept->next->link = &kept->next;
    checkpoint->keeping = kept;
    return kept;
}

/* Whoever makes it longer or shorter touches its last place, or the one behind it. So if the last page is to do, the first that comes here finds
 * it as long as it was at the freeze; and if not, those that are to do are full, and the length says no less. */
struct object_kept *object_touch_place(struct keyspace *keyspace, struct object *object,
                                       const struct object_place *place, size_t length, size_t pages) {
    if (!is_to_do(object, place->page))
        return NULL;
    if (!object->kept)
        object->kept = keep(keyspace, object, length, pages);
    return kept_has(&object->kept->kept, place->kept_page, place->place) ? NULL : object->kept;
}

size_t object_frozen(const struct object *object, size_t length) {
    return object->kept ? object->kept->frozen : length;
}

void object_read_kept(const struct object *object, size_t kept_page, struct resp_arg *places) {
    if (object->kept)
        kept_read(&object->kept->kept, kept_page, places);
}

void object_forget(struct keyspace *keyspace, struct object *object) {
    struct object_kept *kept = object->kept;
    if (!kept)
        return;
    keyspace->checkpoint.beside -= kept_beside(kept);
    kept_close(keyspace, &kept->kept);
    *kept->link = kept->next;
    if (kept->next)
        kept->next->link = kept->link;
    kept_discount(keyspace, sizeof *kept);
    free(kept);
    object->kept = NULL;
}

void object_mark(struct keyspace *keyspace, struct database *database, struct object *object, size_t from,
                 size_t to) {
    if (from >= to)
        return;
    reserve_pages(object, to, &keyspace->memory);
    for (size_t page = from; page < to; page++)
        word_of(object, page / 64)->dirty |= page_bit(page);
    page_set_word(&database->objects.set, object->slot)->dirty |= page_bit(object->slot);
}

/* ---- what checkpoints mean for it --- */

static void thaw(struct object *object, bool committed) {
    for (size_t i = 0; i < word_count(object); i++) {
        struct page_bits *word = word_of(object, i);
        if (!committed)
            word->dirty |= word->frozen;
        word->frozen = word->todo = 0;
    }
    if (object->frozen && (committed || object->stored < object->frozen))
        object->stored = object->frozen;
    object->frozen = 0;
    object->seen = 0;
    object->cut = false;
}

/* Returns how many things there are to be told. What is dirty behind the last page means nothing. */
static size_t freeze(struct object *object) {
    size_t count = 0, pages = pages_of(object);
    for (size_t i = 0; i < word_count(object); i++) {
        struct page_bits *word = word_of(object, i);
        size_t left = i * 64 < pages ? pages - i * 64 : 0;
        uint64_t there = left >= 64 ? UINT64_MAX : (UINT64_C(1) << left) - 1;
        word->frozen = word->todo = word->dirty & there;
        word->dirty = 0;
        count += (size_t)__builtin_popcountll(word->todo);
    }
    object->cut = object->stored > pages;
    object->cursor = 0;
    return count + object->cut;
}

static bool to_do(const struct database *database, const struct object *object) {
    return page_set_word(&database->objects.set, object->slot)->todo & page_bit(object->slot);
}

void object_settle(struct keyspace *keyspace, struct database *database, struct object *object) {
    struct checkpoint *checkpoint = &keyspace->checkpoint;
    if (checkpoint->active && object->seen == checkpoint->number)
        return;
    if (object->seen != 0)
        thaw(object, object->seen <= checkpoint->committed);
    if (!checkpoint->active)
        return;
    object->seen = checkpoint->number;
    object->frozen = (uint32_t)pages_of(object);
    if (to_do(database, object))
        checkpoint->rest += freeze(object) - 1; /* it stood for one */
}

bool object_next(struct keyspace *keyspace, struct object *object, struct keyspace_page *page) {
    size_t number;
    if (first_to_do(object, &number)) {
        *page = page_of_object(object, number, &keyspace->checkpoint.scratch);
        done(keyspace, object, number);
        return true;
    }
    if (!object->cut)
        return false;
    *page = (struct keyspace_page){KEYSPACE_PAGE_REMOVE, object->id, object->frozen, {0}};
    object->cut = false;
    return true;
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

void object_moved(struct database *database, struct object *object) {
    database->objects.at[object->slot].object = object;
    if (object->kept)
        object->kept->object = object;
}

void object_enter(struct keyspace *keyspace, struct database *database, struct object *object,
                  struct object_name name) {
    assert(!object->more && !object->kept);
    if (name.id == 0) {
        name.id = keyspace->next_object++;
        name.slot = (uint32_t)slot_take(keyspace, &database->objects);
    }
    *object = (struct object){
        .id = name.id,
        .digest = object->digest,
        .slot = name.slot,
        .seen = keyspace->checkpoint.active ? keyspace->checkpoint.number : 0,
        .stored = name.stored,
        .frozen = name.frozen,
        .type = object->type,
    };
    reserve_pages(object, pages_of(object), &keyspace->memory);
    object_moved(database, object);
}

void object_enter_whole(struct keyspace *keyspace, struct database *database, struct object *object) {
    object_enter(keyspace, database, object, (struct object_name){.id = 0});
    object_kind(object)->mark(keyspace, database, object);
}

/* Its bit in the table of objects goes with it: what it says holds in whichever database the object is. */
void object_transfer(struct keyspace *keyspace, struct database *from, struct database *to,
                     struct object *object) {
    size_t slot = object->slot, taken = slot_take(keyspace, &to->objects);
    struct page_bits *old = page_set_word(&from->objects.set, slot);
    struct page_bits *word = page_set_word(&to->objects.set, taken);
    if (old->dirty & page_bit(slot))
        word->dirty |= page_bit(taken);
    if (old->frozen & page_bit(slot))
        word->frozen |= page_bit(taken);
    if (old->todo & page_bit(slot)) {
        page_set_done(&from->objects.set, slot);
        page_set_undone(&to->objects.set, taken);
        keyspace->checkpoint.db = 0; /* a database that had nothing to do may have now */
    }
    slot_give(&from->objects, slot);
    object->slot = (uint32_t)taken;
    object_moved(to, object);
}

void object_loaded(struct keyspace *keyspace, struct database *database, struct object *object, uint64_t id) {
    struct object_name name = {id, (uint32_t)slot_take(keyspace, &database->objects),
                               (uint32_t)pages_of(object), 0};
    object_enter(keyspace, database, object, name);
}

struct object_name object_release(struct keyspace *keyspace, struct database *database, struct item *item,
                                  size_t length) {
    static const struct object_name none = {0};
    struct object *object = item_object(item);
    if (!object)
        return none;
    object_settle(keyspace, database, object);
    ready_note_gone(keyspace, database, item);
    struct object_name name = {object->id, object->slot, object->stored, object->frozen};
    bool text = object->type == VALUE_STRING;
    bool keep = text && length > ITEM_SHORT_MAX && pages_of_bytes(length) >= pages_of(object);
    if (to_do(database, object))
        page_set_done(&database->objects.set, object->slot);
    if (object_unfinished(object)) {
        checkpoint_adopt(keyspace, object);
        item_put_object(item, NULL);
    } else if (text) {
        object_forget(keyspace, object);
        object_close(object, &keyspace->memory); /* its bytes may be written over */
    } else {
        size_t bytes = object_kind(object)->bytes(object), before = keyspace->memory;
        if (!object_die(keyspace, object)) {
            size_t freed = before - keyspace->memory;
            keyspace->leaving += bytes > freed ? bytes - freed : 0;
        }
        item_put_object(item, NULL);
    }
    if (keep)
        return name;
    slot_give(&database->objects, name.slot);
    if (name.stored || name.frozen)
        checkpoint_removed(keyspace, name.id);
    return none;
}

void object_bury(struct keyspace *keyspace, struct item *item) {
    struct object *object = item_object(item);
    if (!object)
        return;
    if (object->stored || object->frozen)
        checkpoint_removed(keyspace, object->id);
    object_die(keyspace, object);
    item_put_object(item, NULL);
}

/* ---- death --- */

bool object_die(struct keyspace *keyspace, struct object *object) {
    object_forget(keyspace, object);
    object_close(object, &keyspace->memory);
    if (object_kind(object)->free_some(object, DYING_AT_ONCE, &keyspace->memory) < DYING_AT_ONCE)
        return true;
    struct dying *dying = malloc(sizeof *dying);
    if (!dying)
        abort();
    keyspace->memory += sizeof *dying;
    *dying = (struct dying){keyspace->dying, object};
    keyspace->dying = dying;
    return false;
}

size_t object_reclaim(struct keyspace *keyspace, size_t count) {
    size_t freed = 0;
    while (freed < count && keyspace->dying) {
        struct dying *dying = keyspace->dying;
        size_t part = object_kind(dying->object)->free_some(dying->object, count - freed, &keyspace->memory);
        freed += part;
        if (freed == count)
            break;
        keyspace->dying = dying->next;
        keyspace->memory -= sizeof *dying;
        free(dying);
    }
    return freed;
}
