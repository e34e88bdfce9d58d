/* SPDX-License-Identifier: MIT */
/*
 * A keyspace from a checkpoint's pages. They come by ascending (object, number): first the items of each
 * database in their dense order, then the objects.
 *
 * A place that refers to an object makes its item without it and notes (id, item) in a heap whose
 * top is the smallest id. The pages of objects come in the order of their ids, so that the one awaited is
 * always the top's:
 *
 *     page's object = top's id     a page more for that item
 *                   > top's id     the top must have come whole; it leaves the heap
 *                   < top's id     nothing refers to it: rows of a flushed database that were not yet removed.
 *                                  They are skipped, and the next checkpoint removes them
 *
 * Nothing here trusts the bytes: a store that gives other ones than it was given gets a text that says so.
 * What fits in form but was changed is found at the end by the digest in the head.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { HEAD_FIELDS = 9, HEAD_DATABASE_FIELDS = 3 };

struct expected {
    uint64_t keys, objects;
};

struct mortal {
    uint64_t deadline;
    struct item *item;
};

struct load {
    struct resp_parser *parser;
    struct awaited *heap; /* heap[0].id is the smallest; its children are 2i+1 and 2i+2 */
    size_t count, room;
    uint64_t object, number; /* of the last page; pages ascend */
    bool begun;
    uint64_t skipped; /* the last object that nothing refers to */
    uint64_t digest;  /* that it will have */
    uint64_t keys, keys_total;
    unsigned db;      /* whose keys come; of those before it they can be found */
    uint32_t *hashes; /* of these keys, by place */
    size_t hash_room;
    struct mortal *mortal; /* of these keys, those with a deadline */
    size_t mortal_count, mortal_room;
    struct expected expected[];
};

__attribute__((format(printf, 2, 3))) static bool refuse(char why[KEYSPACE_WHY_MAX], const char *format,
                                                         ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, KEYSPACE_WHY_MAX, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- the heap --- */

static void heap_add(struct load *load, const struct awaited *awaited) {
    if (load->count == load->room) {
        load->room = load->room ? 2 * load->room : 64;
        load->heap = realloc(load->heap, load->room * sizeof *load->heap);
        if (!load->heap)
            abort();
    }
    size_t at = load->count++;
    for (; at > 0 && load->heap[(at - 1) / 2].id > awaited->id; at = (at - 1) / 2)
        load->heap[at] = load->heap[(at - 1) / 2];
    load->heap[at] = *awaited;
}

static void heap_drop(struct load *load) {
    struct awaited last = load->heap[--load->count];
    size_t at = 0;
    for (size_t child = 1; child < load->count; child = 2 * at + 1) {
        if (child + 1 < load->count && load->heap[child + 1].id < load->heap[child].id)
            child++;
        if (load->heap[child].id >= last.id)
            break;
        load->heap[at] = load->heap[child];
        at = child;
    }
    load->heap[at] = last;
}

/* ---- the head --- */

static const struct resp_limits any = {
    .bulk_max = SIZE_MAX / 4, .args_max = SIZE_MAX / 4, .inline_max = SIZE_MAX / 4};

/* The fields of one RESP array that takes up all of the bytes. */
static bool read_fields(struct resp_parser *parser, const void *bytes, size_t length,
                        struct resp_command *command) {
    resp_parser_reset(parser);
    return length > 0 && *(const char *)bytes == '*' &&
           resp_parse(parser, bytes, length, &any, command) == RESP_COMMAND && command->consumed == length;
}

static bool read_number(const struct resp_arg *field, uint64_t *number) {
    int64_t value;
    if (!resp_arg_integer(field, &value) || value < 0)
        return false;
    *number = (uint64_t)value;
    return true;
}

static bool read_digest(const struct resp_arg *field, uint64_t *digest) {
    static const char digits[] = "0123456789abcdef";
    *digest = 0;
    for (size_t i = 0; i < field->length; i++) {
        const char *digit = field->bytes[i] ? strchr(digits, field->bytes[i]) : NULL;
        if (!digit)
            return false;
        *digest = *digest << 4 | (uint64_t)(digit - digits);
    }
    return field->length == 16;
}

static bool read_databases(struct load *load, const struct resp_command *head, unsigned databases) {
    uint64_t before = 0;
    for (size_t i = HEAD_FIELDS; i < head->count; i += HEAD_DATABASE_FIELDS) {
        uint64_t db;
        struct expected expected;
        if (!read_number(&head->args[i], &db) || !read_number(&head->args[i + 1], &expected.keys) ||
            !read_number(&head->args[i + 2], &expected.objects))
            return false;
        if (db >= databases || (i > HEAD_FIELDS && db <= before) || expected.keys >= UINT32_MAX ||
            expected.objects > expected.keys)
            return false;
        load->expected[db] = expected;
        load->keys_total += expected.keys;
        before = db;
    }
    return true;
}

/* The next of some numbers, by spaces apart. */
static bool next_number(const struct resp_arg *field, size_t *at, uint64_t *value) {
    struct resp_arg number = {field->bytes + *at, 0};
    while (*at + number.length < field->length && number.bytes[number.length] != ' ')
        number.length++;
    *at += number.length + 1;
    return read_number(&number, value);
}

static bool read_marks(struct keyspace *keyspace, const struct resp_arg *field) {
    size_t at = 0, count = 0;
    while (count < KEYSPACE_MARKS && at < field->length && next_number(field, &at, &keyspace->marks[count]))
        count++;
    return count == KEYSPACE_MARKS && at == field->length + 1;
}

/* A permutation of the databases' numbers; "" is the one that changes nothing. */
static bool read_order(struct keyspace *keyspace, const struct resp_arg *field) {
    bool *taken = calloc(keyspace->count, sizeof *taken);
    size_t at = 0;
    unsigned count = 0;
    if (!taken)
        abort();
    while (at < field->length && count < keyspace->count) {
        uint64_t place;
        if (!next_number(field, &at, &place) || place >= keyspace->count || taken[place])
            break;
        taken[place] = true;
        keyspace->order[count++] = (unsigned)place;
    }
    free(taken);
    return field->length == 0 || (count == keyspace->count && at == field->length + 1);
}

static struct keyspace *read_head(struct resp_parser *parser, const struct resp_command *head) {
    uint64_t version, clock, next_object, digest, databases;
    if (head->count < HEAD_FIELDS || (head->count - HEAD_FIELDS) % HEAD_DATABASE_FIELDS != 0 ||
        !resp_arg_is(&head->args[0], "keyspace") || !read_number(&head->args[1], &version) || version != 2 ||
        !read_number(&head->args[2], &clock) || !read_number(&head->args[3], &next_object) ||
        !read_digest(&head->args[4], &digest) || !read_number(&head->args[5], &databases) ||
        next_object < OBJECT_FIRST || databases < 2 || databases > 1 + KEYSPACE_DATABASES_MAX)
        return NULL;
    struct load *load = calloc(1, sizeof *load + databases * sizeof load->expected[0]);
    if (!load)
        abort();
    load->digest = digest;
    if (!read_databases(load, head, (unsigned)databases)) {
        free(load);
        return NULL;
    }
    struct keyspace *keyspace = keyspace_new((unsigned)databases - 1);
    keyspace->load = load;
    if (!read_order(keyspace, &head->args[6]) || !read_number(&head->args[7], &keyspace->upheavals) ||
        !read_marks(keyspace, &head->args[8])) {
        keyspace_free(keyspace);
        return NULL;
    }
    keyspace->next_object = next_object;
    keyspace_advance(keyspace, clock);
    load->parser = parser;
    return keyspace;
}

struct keyspace *keyspace_load_begin(const void *head, size_t length, char why[KEYSPACE_WHY_MAX]) {
    struct resp_parser *parser = resp_parser_new();
    struct resp_command fields;
    struct keyspace *keyspace = NULL;
    if (read_fields(parser, head, length, &fields))
        keyspace = read_head(parser, &fields);
    if (!keyspace) {
        refuse(why, "the checkpoint's head is malformed");
        resp_parser_free(parser);
    }
    return keyspace;
}

void load_free(struct keyspace *keyspace) {
    if (!keyspace->load)
        return;
    resp_parser_free(keyspace->load->parser);
    free(keyspace->load->heap);
    free(keyspace->load->hashes);
    free(keyspace->load->mortal);
    free(keyspace->load);
    keyspace->load = NULL;
}

/* ---- items --- */

static void *grown(void *at, size_t *room, size_t size) {
    *room = *room ? 2 * *room : 1024;
    at = realloc(at, *room * size);
    if (!at)
        abort();
    return at;
}

/* What is left to do once all keys of the database are there. */
static void note_item(struct load *load, const struct dict *keys, size_t slot, struct item *item) {
    struct resp_arg key = item_key(item);
    if (slot == load->hash_room)
        load->hashes = grown(load->hashes, &load->hash_room, sizeof *load->hashes);
    load->hashes[slot] = dict_hash(keys, &key);
    if (item_deadline(item) == KEYSPACE_NO_DEADLINE)
        return;
    if (load->mortal_count == load->mortal_room)
        load->mortal = grown(load->mortal, &load->mortal_room, sizeof *load->mortal);
    load->mortal[load->mortal_count++] = (struct mortal){item_deadline(item), item};
}

enum { DIGIT_BITS = 16, DIGITS = 1 << DIGIT_BITS, ITEMS_AHEAD = 16 };

static void sort_by_digit(const struct mortal *from, struct mortal *to, size_t count, unsigned shift) {
    const size_t digits = DIGITS;
    size_t *place = calloc(digits + 1, sizeof *place);
    if (!place)
        abort();
    for (size_t i = 0; i < count; i++)
        place[(from[i].deadline >> shift) % digits + 1]++;
    for (size_t i = 1; i < digits; i++)
        place[i] += place[i - 1];
    for (size_t i = 0; i < count; i++)
        to[place[(from[i].deadline >> shift) % digits]++] = from[i];
    free(place);
}

/* In ascending order they go into the order's last leaf each, which is at hand; as they come, nearly every one is a walk through
 * memory. Digit by digit from the lowest on, as far as the deadlines differ. */
static void sort_mortal(struct load *load) {
    uint64_t differ = 0;
    size_t count = load->mortal_count;
    struct mortal *other = malloc((count + 1) * sizeof *other);
    if (!other)
        abort();
    for (size_t i = 1; i < count; i++)
        differ |= load->mortal[i].deadline ^ load->mortal[0].deadline;
    for (unsigned shift = 0; shift < 64 && differ >> shift; shift += DIGIT_BITS) {
        sort_by_digit(load->mortal, other, count, shift);
        struct mortal *sorted = other;
        other = load->mortal;
        load->mortal = sorted;
        load->mortal_room = count + 1;
    }
    free(other);
}

/* Makes the keys of the databases before this one findable, and mortal. */
static bool finish_before(struct keyspace *keyspace, unsigned db, char why[KEYSPACE_WHY_MAX]) {
    struct load *load = keyspace->load;
    for (; load->db < db; load->db++) {
        struct database *database = &keyspace->db[load->db];
        if (!dict_index(&database->keys, load->hashes))
            return refuse(why, "database %u: a key is there twice", load->db);
        sort_mortal(load);
        for (size_t i = 0; i < load->mortal_count; i++) {
            if (i + ITEMS_AHEAD < load->mortal_count)
                __builtin_prefetch(load->mortal[i + ITEMS_AHEAD].item);
            keyspace_deadline_loaded(keyspace, database, load->mortal[i].item);
        }
        load->mortal_count = 0;
    }
    return true;
}

static bool load_place(struct keyspace *keyspace, unsigned db, const struct page_place *place) {
    struct database *database = &keyspace->db[db];
    size_t slot = database->keys.count;
    if (place->is_object && place->object >= keyspace->next_object)
        return false;
    struct item *item = item_load(&place->key, place->type, place->flags, place->deadline, place->version,
                                  place->is_object ? NULL : &place->value, &keyspace->memory);
    struct awaited awaited = {.id = place->object,
                              .item = item,
                              .length = place->numbers[0],
                              .extra = {place->numbers[1], place->numbers[2]},
                              .slot = (uint32_t)slot,
                              .db = db};
    if (place->is_object && !object_kind_of(place->type)->load_reference(&awaited)) {
        item_free(item, &keyspace->memory);
        return false;
    }
    keyspace_place_loaded(keyspace, database, item);
    note_item(keyspace->load, &database->keys, slot, item);
    keyspace->load->keys++;
    if (place->is_object)
        heap_add(keyspace->load, &awaited);
    else
        database->digest += place_digest(item, slot);
    return true;
}

static bool load_items(struct keyspace *keyspace, unsigned db, uint64_t number, const void *bytes,
                       size_t length, char why[KEYSPACE_WHY_MAX]) {
    struct load *load = keyspace->load;
    struct resp_command fields;
    size_t before = keyspace->db[db].keys.count;
    if (!finish_before(keyspace, db, why))
        return false;
    if (before != number * PAGE_PLACES)
        return refuse(why, "database %u: page %zu is missing", db, before / PAGE_PLACES);
    if (!read_fields(load->parser, bytes, length, &fields) || fields.count == 0 ||
        fields.count % PAGE_FIELDS != 0 || fields.count > PAGE_FIELDS * PAGE_PLACES ||
        before + fields.count / PAGE_FIELDS > load->expected[db].keys)
        return refuse(why, "database %u: page %llu is malformed", db, (unsigned long long)number);
    for (size_t i = 0; i < fields.count; i += PAGE_FIELDS) {
        struct page_place place;
        if (!page_read_place(fields.args + i, &place) || !load_place(keyspace, db, &place))
            return refuse(why, "database %u: page %llu: place %zu is malformed", db,
                          (unsigned long long)number, i / PAGE_FIELDS);
    }
    return true;
}

/* ---- objects --- */

/* The object that is awaited first must be there now. */
static bool complete(struct keyspace *keyspace, char why[KEYSPACE_WHY_MAX]) {
    struct awaited *awaited = &keyspace->load->heap[0];
    struct database *database = &keyspace->db[awaited->db];
    if (!item_object(awaited->item) || !object_kind_of(awaited->item->type)->load_end(keyspace, awaited))
        return refuse(why, "object %llu: pages are missing", (unsigned long long)awaited->id);
    object_loaded(keyspace, database, item_object(awaited->item), awaited->id);
    database->digest += place_digest(awaited->item, awaited->slot);
    heap_drop(keyspace->load);
    return true;
}

static bool load_object(struct keyspace *keyspace, uint64_t object, uint64_t number, const void *bytes,
                        size_t length, char why[KEYSPACE_WHY_MAX]) {
    struct load *load = keyspace->load;
    while (load->count > 0 && load->heap[0].id < object)
        if (!complete(keyspace, why))
            return false;
    if (load->count == 0 || load->heap[0].id > object) {
        if (load->skipped != object)
            checkpoint_removed(keyspace, object);
        load->skipped = object;
        return true;
    }
    struct awaited *awaited = &load->heap[0];
    if (!object_kind_of(awaited->item->type)->load_page(keyspace, awaited, number, bytes, length))
        return refuse(why, "object %llu: page %llu is malformed, or one before it is missing",
                      (unsigned long long)object, (unsigned long long)number);
    return true;
}

bool keyspace_load_page(struct keyspace *keyspace, uint64_t object, uint64_t number, const void *bytes,
                        size_t length, char why[KEYSPACE_WHY_MAX]) {
    struct load *load = keyspace->load;
    assert(load);
    if (load->begun && (object < load->object || (object == load->object && number <= load->number)))
        return refuse(why, "object %llu: page %llu is out of order", (unsigned long long)object,
                      (unsigned long long)number);
    load->begun = true;
    load->object = object;
    load->number = number;
    if (object >= keyspace->next_object || number > UINT32_MAX)
        return refuse(why, "object %llu: it cannot exist", (unsigned long long)object);
    if (object >= OBJECT_FIRST)
        return load_object(keyspace, object, number, bytes, length, why);
    if (object >= keyspace->count)
        return refuse(why, "database %llu: there are %u", (unsigned long long)object, keyspace->count);
    return load_items(keyspace, (unsigned)object, number, bytes, length, why);
}

void keyspace_load_progress(const struct keyspace *keyspace, uint64_t *keys, uint64_t *keys_total) {
    assert(keyspace->load);
    *keys = keyspace->load->keys;
    *keys_total = keyspace->load->keys_total;
}

bool keyspace_load_end(struct keyspace *keyspace, char why[KEYSPACE_WHY_MAX]) {
    struct load *load = keyspace->load;
    assert(load);
    if (!finish_before(keyspace, keyspace->count, why))
        return false;
    while (load->count > 0)
        if (!complete(keyspace, why))
            return false;
    for (unsigned i = 0; i < keyspace->count; i++) {
        const struct database *database = &keyspace->db[i];
        const struct expected *expected = &load->expected[i];
        if (database->keys.count != expected->keys || database->objects.count != expected->objects)
            return refuse(why, "database %u: %zu keys with %zu objects are there, not %llu with %llu", i,
                          database->keys.count, database->objects.count, (unsigned long long)expected->keys,
                          (unsigned long long)expected->objects);
        keyspace->rows[i].stored = pages_of_places(database->keys.count);
    }
    if (keyspace_digest(keyspace) != load->digest)
        return refuse(why, "the digest is %016llx, not %016llx",
                      (unsigned long long)keyspace_digest(keyspace), (unsigned long long)load->digest);
    load_free(keyspace);
    return true;
}
