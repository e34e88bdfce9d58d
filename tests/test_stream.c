/* SPDX-License-Identifier: MIT */
/* Streams and the records that they are made of, against stupid twins: sorted arrays. */
#include "checkpoint_world.h"

#include "../src/data/page.h"
#include "../src/data/stream.h"

enum { TWIN = 40000, BLOB = 20000 };

struct twin_record {
    char key[24];
    size_t length;
    struct resp_arg value;
};

struct fixture {
    struct keyspace *keyspace;
    struct twin_record *twin; /* of records, by key */
    struct stream_id *ids;    /* of entries */
    size_t count;
    uint64_t seed, version;
};

static const struct resp_arg key_s = {"s", 1};
static char blob[BLOB];

static uint64_t draw(struct fixture *f, uint64_t below) {
    f->seed = f->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (f->seed >> 33) % below;
}

static struct fixture fixture_new(uint64_t seed) {
    struct fixture f = {.keyspace = keyspace_new(2), .seed = seed};
    for (size_t i = 0; i < BLOB; i++)
        blob[i] = (char)draw(&f, 256);
    f.twin = calloc(TWIN, sizeof *f.twin);
    f.ids = calloc(TWIN, sizeof *f.ids);
    return f;
}

static void fixture_free(struct fixture *f) {
    keyspace_free(f->keyspace);
    free(f->twin);
    free(f->ids);
}

static void open_stream(struct fixture *f, struct collection *stream) {
    stream_open(stream, f->keyspace, 0, &key_s);
}

static struct item *find_stream(struct fixture *f) {
    return keyspace_find(f->keyspace, 0, &key_s);
}

/* The disk gives the same keyspace again. */
static void assert_same_after_loading(struct fixture *f, const struct disk *disk) {
    struct keyspace *loaded = disk_load(disk);
    struct resp_buf one = {0}, other = {0};
    dump(f->keyspace, &one);
    dump(loaded, &other);
    assert_int_equal(resp_buf_length(&one), resp_buf_length(&other));
    assert_memory_equal(resp_buf_bytes(&one), resp_buf_bytes(&other), resp_buf_length(&one));
    resp_buf_close(&one);
    resp_buf_close(&other);
    keyspace_free(loaded);
}

/* ---- records --- */

static int compare_keys(const struct twin_record *a, const struct twin_record *b) {
    int order = memcmp(a->key, b->key, a->length < b->length ? a->length : b->length);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

/* The first record that is not before it. */
static size_t twin_find(const struct fixture *f, const struct twin_record *key, bool *there) {
    size_t low = 0, high = f->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_keys(&f->twin[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < f->count && compare_keys(&f->twin[low], key) == 0;
    return low;
}

static struct twin_record random_key(struct fixture *f) {
    struct twin_record key = {.length = 1 + draw(f, 3)};
    for (size_t i = 0; i < key.length; i++)
        key.key[i] = (char)('a' + draw(f, i == 0 ? 3 : 26));
    if (draw(f, 3) == 0)
        key.length = (size_t)snprintf(key.key, sizeof key.key, "z%08u", (unsigned)f->version);
    return key;
}

static struct resp_arg random_value(struct fixture *f) {
    size_t length = draw(f, draw(f, 100) ? 60 : 9000);
    return (struct resp_arg){blob + draw(f, BLOB - length), length};
}

static struct resp_arg key_arg(const struct twin_record *key) {
    return (struct resp_arg){key->key, key->length};
}

static void put_or_replace(struct fixture *f, struct collection *stream) {
    struct twin_record key = random_key(f);
    struct resp_arg arg = key_arg(&key);
    bool there;
    size_t at = twin_find(f, &key, &there);
    if (there) {
        struct resp_arg value = {blob + draw(f, BLOB - f->twin[at].value.length), f->twin[at].value.length};
        f->twin[at].value = value;
        records_replace(stream, &arg, &value);
        return;
    }
    key.value = random_value(f);
    assert_true(f->count < TWIN);
    memmove(f->twin + at + 1, f->twin + at, (f->count++ - at) * sizeof key);
    f->twin[at] = key;
    records_add(stream, &arg, &key.value);
}

static void twin_remove(struct fixture *f, size_t at, size_t count) {
    memmove(f->twin + at, f->twin + at + count, (f->count - at - count) * sizeof *f->twin);
    f->count -= count;
}

static void remove_record(struct fixture *f, struct collection *stream) {
    struct twin_record key = random_key(f);
    if (f->count > 0 && draw(f, 4))
        key = f->twin[draw(f, f->count)];
    struct resp_arg arg = key_arg(&key);
    bool there;
    size_t at = twin_find(f, &key, &there);
    assert_int_equal(records_remove(stream, &arg), there);
    if (there)
        twin_remove(f, at, 1);
}

static void remove_range(struct fixture *f, struct collection *stream) {
    struct twin_record from = random_key(f), to = random_key(f);
    if (compare_keys(&from, &to) > 0) {
        struct twin_record other = from;
        from = to;
        to = other;
    }
    bool there;
    size_t low = twin_find(f, &from, &there), high = twin_find(f, &to, &there);
    struct resp_arg from_arg = key_arg(&from), to_arg = key_arg(&to);
    assert_int_equal(records_remove_range(stream, &from_arg, &to_arg), high - low);
    twin_remove(f, low, high - low);
}

static void assert_record(const struct record *record, const struct twin_record *twin) {
    assert_int_equal(record->key.length, twin->length);
    assert_memory_equal(record->key.bytes, twin->key, twin->length);
    assert_int_equal(record->value.length, twin->value.length);
    assert_memory_equal(record->value.bytes, twin->value.bytes, twin->value.length);
}

static void assert_records(struct fixture *f) {
    const struct records *records = records_of(find_stream(f));
    struct records_place place;
    struct record record;
    size_t i = 0;
    for (records_begin(records, &place); records_next(records, &place, &record); i++)
        assert_record(&record, &f->twin[i]);
    assert_int_equal(i, f->count);
    while (records_previous(records, &place, &record))
        assert_record(&record, &f->twin[--i]);
    assert_int_equal(i, 0);
    for (unsigned tries = 0; tries < 10; tries++) {
        struct twin_record key = random_key(f);
        struct resp_arg arg = key_arg(&key);
        bool there;
        i = twin_find(f, &key, &there);
        assert_int_equal(records_find(records, &arg, &place), there);
        assert_int_equal(records_next(records, &place, &record), i < f->count);
        if (i < f->count)
            assert_record(&record, &f->twin[i]);
    }
}

/* A part of a checkpoint that is under way; begins and ends one now and then. */
static void checkpoint_a_little(struct fixture *f, struct disk *disk, struct batch *batch, bool *active) {
    if (!*active) {
        if (draw(f, 40))
            return;
        keyspace_checkpoint_begin(f->keyspace);
        resp_buf_truncate(&disk->head, 0);
        keyspace_checkpoint_head(f->keyspace, &disk->head);
        *active = true;
    }
    for (uint64_t pages = draw(f, 3); pages > 0; pages--)
        if (!batch_take(batch, f->keyspace)) {
            bool committed = draw(f, 4) > 0;
            if (committed)
                batch_write(batch, disk);
            keyspace_checkpoint_end(f->keyspace, committed);
            batch_clear(batch);
            *active = false;
            return;
        }
}

static void records_are_kept_as_by_a_sorted_array_and_through_checkpoints(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct fixture f = fixture_new(seed);
        struct disk disk = {.count = 0};
        struct batch batch = {.count = 0};
        bool active = false;
        for (f.version = 1; f.version <= 12000; f.version++) {
            struct collection stream;
            open_stream(&f, &stream);
            if (draw(&f, 3000) == 0)
                remove_range(&f, &stream);
            else if (draw(&f, f.version / 2000 % 2 ? 2 : 5) == 0)
                remove_record(&f, &stream);
            else
                put_or_replace(&f, &stream);
            stream_close(&stream, f.version);
            checkpoint_a_little(&f, &disk, &batch, &active);
            if (f.version % 1000 == 0)
                assert_records(&f);
        }
        if (active) {
            keyspace_checkpoint_end(f.keyspace, false);
            batch_clear(&batch);
        }
        (void)checkpoint_whole(f.keyspace, &disk);
        assert_same_after_loading(&f, &disk);
        (void)keyspace_delete(f.keyspace, 0, &key_s);
        while (keyspace_reclaim_flushed(f.keyspace, 100) == 100)
            ;
        batch_close(&batch);
        disk_close(&disk);
        fixture_free(&f);
    }
}

/* ---- entries --- */

static const struct resp_arg names[] = {{"name", 4}, {"value", 5}, {"7", 1}, {"", 0}};

/* The fields of an entry follow from its id. */
static size_t fields_of(const struct stream_id *id, struct resp_arg args[8], char digits[24]) {
    size_t count = 1 + (id->ms % 7 == 0) + (id->ms % 11 == 0);
    int length = snprintf(digits, 24, "%llu", (unsigned long long)(id->ms * 31 + id->seq));
    for (size_t i = 0; i < count; i++) {
        args[2 * i] = names[(i + (id->ms % 13 == 0)) % 4];
        args[2 * i + 1] = (struct resp_arg){digits, (size_t)length};
    }
    if (id->ms % 5 == 0)
        args[1] = (struct resp_arg){blob + id->ms % 100, id->ms % 400};
    return 2 * count;
}

static void assert_entry(struct stream_entry *entry, const struct stream_id *id) {
    struct resp_arg args[8];
    char digits[24];
    size_t count = fields_of(id, args, digits);
    assert_true(entry->id.ms == id->ms && entry->id.seq == id->seq);
    assert_int_equal(entry->fields * 2, count);
    for (size_t i = 0; i < count; i += 2) {
        struct stream_field field;
        stream_entry_field(entry, &field);
        assert_int_equal(field.name.length, args[i].length);
        assert_memory_equal(field.name.bytes, args[i].bytes, args[i].length);
        assert_int_equal(field.value.length, args[i + 1].length);
        assert_memory_equal(field.value.bytes, args[i + 1].bytes, args[i + 1].length);
    }
}

static size_t id_index(const struct fixture *f, const struct stream_id *id) {
    size_t i = 0;
    while (i < f->count && stream_id_compare(&f->ids[i], id) < 0)
        i++;
    return i;
}

static void assert_entries(struct fixture *f) {
    struct stream_id low = {draw(f, 5000), draw(f, 3)}, high = {draw(f, 9000), UINT64_MAX};
    struct stream_walk walk;
    struct stream_entry entry;
    const struct item *item = find_stream(f);
    if (draw(f, 3) == 0)
        high = STREAM_ID_MAX;
    size_t from = id_index(f, &low), to = from;
    for (stream_walk_begin(&walk, item, &low, &high, false); stream_walk_next(&walk, &entry); to++)
        assert_entry(&entry, &f->ids[to]);
    assert_true(to == f->count || stream_id_compare(&f->ids[to], &high) > 0 ||
                stream_id_compare(&low, &high) > 0);
    for (stream_walk_begin(&walk, item, &low, &high, true); stream_walk_next(&walk, &entry);)
        assert_entry(&entry, &f->ids[--to]);
    assert_int_equal(to, from);
    assert_int_equal(stream_head(item).length, f->count);
    assert_int_equal(stream_edge(item, false, &entry), f->count > 0);
    if (f->count > 0)
        assert_entry(&entry, &f->ids[0]);
}

static void remove_ids(struct fixture *f, size_t at, size_t count) {
    memmove(f->ids + at, f->ids + at + count, (f->count - at - count) * sizeof *f->ids);
    f->count -= count;
}

static void add_entry(struct fixture *f, struct collection *stream) {
    struct stream_id id = stream_head(stream->item).last;
    struct resp_arg args[8];
    char digits[24];
    if (draw(f, 3))
        id = (struct stream_id){id.ms + 1 + draw(f, 3), draw(f, 10) ? 0 : UINT64_MAX - draw(f, 2)};
    else if (!stream_id_next(&id))
        return;
    stream_add(stream, &id, args, fields_of(&id, args, digits));
    f->ids[f->count++] = id;
}

static void delete_entry(struct fixture *f, struct collection *stream) {
    if (f->count == 0)
        return;
    size_t at = draw(f, f->count);
    assert_true(stream_delete(stream, &f->ids[at]));
    assert_false(stream_delete(stream, &f->ids[at]));
    remove_ids(f, at, 1);
}

/* Exactly to a length or an id; or nearly, and then never too far. */
static void trim_entries(struct fixture *f, struct collection *stream) {
    struct stream_trim trim = {.by_id = draw(f, 2), .whole_nodes = draw(f, 2)};
    if (f->count == 0)
        return;
    size_t keep = f->count - draw(f, f->count < 300 ? f->count : 300);
    trim.length = keep;
    trim.id = f->ids[f->count - keep];
    uint64_t removed = stream_trim(stream, &trim);
    if (trim.whole_nodes)
        assert_true(removed <= f->count - keep && removed + 100 > f->count - keep);
    else
        assert_int_equal(removed, f->count - keep);
    remove_ids(f, 0, removed);
}

static void entries_are_kept_as_by_an_array_and_through_checkpoints(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct fixture f = fixture_new(seed);
        struct disk disk = {.count = 0};
        for (f.version = 1; f.version <= 6000; f.version++) {
            struct collection stream;
            open_stream(&f, &stream);
            if (draw(&f, 400) == 0)
                trim_entries(&f, &stream);
            else if (draw(&f, 4) == 0)
                delete_entry(&f, &stream);
            else
                add_entry(&f, &stream);
            stream_close(&stream, f.version);
            if (f.version % 100 == 0)
                assert_entries(&f);
            if (f.version % 1500 == 0) {
                (void)checkpoint_whole(f.keyspace, &disk);
                assert_same_after_loading(&f, &disk);
            }
        }
        disk_close(&disk);
        fixture_free(&f);
    }
}

static void add_many(struct fixture *f, uint64_t from, uint64_t count) {
    struct collection stream;
    struct resp_arg args[8];
    char digits[24];
    open_stream(f, &stream);
    for (uint64_t i = 0; i < count; i++) {
        struct stream_id id = {from + i, 0};
        stream_add(&stream, &id, args, fields_of(&id, args, digits));
    }
    stream_close(&stream, 1);
}

static void what_a_checkpoint_writes_of_a_long_stream_follows_the_change(void **state) {
    (void)state;
    enum { LONG = 200000, PAGES = 8, PAGE_MAX = 4500 };
    struct fixture f = fixture_new(1);
    struct disk disk = {.count = 0};
    add_many(&f, 1, LONG);
    size_t all = checkpoint_whole(f.keyspace, &disk);
    assert_true(all > LONG * 10);
    struct stream_id id = {LONG / 2, 0};
    struct collection stream;
    open_stream(&f, &stream);
    assert_true(stream_delete(&stream, &id));
    assert_int_equal(stream_trim(&stream, &(struct stream_trim){.length = LONG - 11}), 10);
    stream_close(&stream, 2);
    add_many(&f, LONG + 1, 10);
    assert_true(checkpoint_whole(f.keyspace, &disk) <= PAGES * PAGE_MAX);
    assert_same_after_loading(&f, &disk);
    disk_close(&disk);
    fixture_free(&f);
}

static void a_copy_is_the_same_and_its_own(void **state) {
    (void)state;
    static const struct resp_arg key_t = {"t", 1};
    struct fixture f = fixture_new(1);
    struct disk disk = {.count = 0};
    struct collection stream;
    struct stream_entry entry;
    add_many(&f, 1, 3000);
    keyspace_copy(f.keyspace, 0, &key_s, 1, &key_t, 2);
    struct item *copy = keyspace_find(f.keyspace, 1, &key_t);
    assert_true(records_of(copy)->object.digest == records_of(find_stream(&f))->object.digest);
    open_stream(&f, &stream);
    assert_int_equal(stream_trim(&stream, &(struct stream_trim){.length = 5}), 2995);
    stream_close(&stream, 3);
    assert_int_equal(stream_head(copy).length, 3000);
    assert_true(stream_find(copy, &(struct stream_id){17, 0}, &entry));
    (void)checkpoint_whole(f.keyspace, &disk);
    assert_same_after_loading(&f, &disk);
    disk_close(&disk);
    fixture_free(&f);
}

static void a_page_that_was_damaged_is_refused(void **state) {
    (void)state;
    struct fixture f = fixture_new(3);
    struct disk disk = {.count = 0};
    char why[KEYSPACE_WHY_MAX];
    add_many(&f, 1, 2000);
    (void)checkpoint_whole(f.keyspace, &disk);
    for (unsigned tries = 0; tries < 300; tries++) {
        struct row *row = &disk.rows[draw(&f, disk.count)];
        if (row->object < OBJECT_FIRST)
            continue;
        size_t at = draw(&f, row->length);
        char *bytes = row->bytes, was = bytes[at];
        bytes[at] = (char)(was ^ (1 << draw(&f, 8)));
        struct keyspace *loaded = disk_load_or(&disk, why);
        if (loaded)
            fail_msg("byte %zu of page %llu was changed, and nobody saw it", at,
                     (unsigned long long)row->number);
        bytes[at] = was;
    }
    disk_close(&disk);
    fixture_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_kept_as_by_a_sorted_array_and_through_checkpoints),
        cmocka_unit_test(entries_are_kept_as_by_an_array_and_through_checkpoints),
        cmocka_unit_test(what_a_checkpoint_writes_of_a_long_stream_follows_the_change),
        cmocka_unit_test(a_copy_is_the_same_and_its_own),
        cmocka_unit_test(a_page_that_was_damaged_is_refused),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
