/* SPDX-License-Identifier: MIT */
/* Checkpoints, rule by rule: what they cost, what they leave on the disk, what they refuse to load. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "checkpoint_world.h"

enum { LONG_MAX = 1 << 20 };

static char filler[LONG_MAX];

static uint64_t draw(uint64_t *seed, uint64_t below) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (*seed >> 33) % below;
}

static void fill(void) {
    uint64_t seed = 7;
    for (size_t i = 0; i < sizeof filler; i++)
        filler[i] = (char)draw(&seed, 256);
}

static struct resp_arg name_of(char text[16], uint64_t name) {
    return (struct resp_arg){text, (size_t)snprintf(text, 16, "k%llu", (unsigned long long)name)};
}

/* ---- cost and rows --- */

static const struct resp_arg key_a = {"a", 1}, key_b = {"b", 1};

static void set_many(struct keyspace *keyspace, unsigned db, uint64_t count) {
    char text[16];
    for (uint64_t i = 0; i < count; i++) {
        struct resp_arg key = name_of(text, i);
        keyspace_set_string(keyspace, db, &key, "value", 5, false, 1);
    }
}

static size_t rows_of(const struct disk *disk, uint64_t object) {
    return disk_place(disk, object + 1, 0) - disk_place(disk, object, 0);
}

static void a_checkpoint_of_nothing_changed_writes_nothing(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(2);
    struct disk disk = {.count = 0};
    set_many(keyspace, 1, 1000);
    assert_true(checkpoint_whole(keyspace, &disk) > 0);
    assert_int_equal(disk.count, 42);
    assert_int_equal(checkpoint_whole(keyspace, &disk), 0);
    struct keyspace *loaded = disk_load(&disk);
    assert_int_equal(checkpoint_whole(loaded, &disk), 0);
    keyspace_free(loaded);
    keyspace_free(keyspace);
    disk_close(&disk);
}

static void one_changed_key_costs_one_page(void **state) {
    (void)state;
    char text[16];
    struct keyspace *keyspace = keyspace_new(1);
    struct disk disk = {.count = 0};
    set_many(keyspace, 0, 10000);
    size_t all = checkpoint_whole(keyspace, &disk);
    struct resp_arg key = name_of(text, 5000);
    keyspace_set_string(keyspace, 0, &key, "other", 5, false, 2);
    assert_true(checkpoint_whole(keyspace, &disk) < all / 200);
    keyspace_free(keyspace);
    disk_close(&disk);
}

static void one_changed_end_of_a_long_value_costs_one_of_its_pages(void **state) {
    (void)state;
    fill();
    struct keyspace *keyspace = keyspace_new(1);
    struct disk disk = {.count = 0};
    keyspace_set_string(keyspace, 0, &key_a, filler, 1000000, false, 1);
    assert_true(checkpoint_whole(keyspace, &disk) > 1000000);
    item_append(keyspace, 0, keyspace_find(keyspace, 0, &key_a), "x", 1, 2);
    assert_true(checkpoint_whole(keyspace, &disk) < 20000);
    keyspace_free(disk_load(&disk));
    keyspace_free(keyspace);
    disk_close(&disk);
}

static void rename_moves_a_long_value_without_writing_it(void **state) {
    (void)state;
    fill();
    struct keyspace *keyspace = keyspace_new(1);
    struct disk disk = {.count = 0};
    keyspace_set_string(keyspace, 0, &key_a, filler, 1000000, false, 1);
    checkpoint_whole(keyspace, &disk);
    keyspace_rename(keyspace, 0, &key_a, &key_b, 2);
    assert_true(checkpoint_whole(keyspace, &disk) < 200);
    struct keyspace *loaded = disk_load(&disk);
    struct resp_arg value = item_string(keyspace_find(loaded, 0, &key_b));
    assert_int_equal(value.length, 1000000);
    assert_memory_equal(value.bytes, filler, 1000000);
    keyspace_free(loaded);
    keyspace_free(keyspace);
    disk_close(&disk);
}

static void set_field(struct keyspace *keyspace, int number, size_t length) {
    struct collection c;
    char text[16];
    struct resp_arg field = {text, (size_t)snprintf(text, sizeof text, "f%d", number)};
    collection_open(&c, keyspace, 0, &key_a, VALUE_HASH, NULL);
    hash_set(&c, &field, &(struct resp_arg){filler + number, length});
    assert_true(collection_close(&c, 2));
}

static void one_changed_field_costs_a_page_and_a_large_one_itself(void **state) {
    (void)state;
    fill();
    struct keyspace *keyspace = keyspace_new(1);
    struct disk disk = {.count = 0};
    for (int i = 0; i < 20000; i++)
        set_field(keyspace, i, i % 100 ? 10 : 5000);
    assert_true(checkpoint_whole(keyspace, &disk) > 200 * 5000 + 19800 * 14);
    set_field(keyspace, 7777, 11);
    assert_true(checkpoint_whole(keyspace, &disk) < 3000);
    set_field(keyspace, 7700, 5001);
    size_t bytes = checkpoint_whole(keyspace, &disk);
    assert_true(bytes > 5000 && bytes < 5200);
    size_t rows = disk.count;
    set_field(keyspace, 7700, 5); /* its row stays, and says that there is none */
    assert_true(checkpoint_whole(keyspace, &disk) < 3000);
    assert_int_equal(disk.count, rows);
    keyspace_free(disk_load(&disk));
    keyspace_delete(keyspace, 0, &key_a);
    checkpoint_whole(keyspace, &disk);
    assert_int_equal(disk.count, 0);
    keyspace_free(keyspace);
    disk_close(&disk);
}

static void a_push_costs_the_last_segment(void **state) {
    (void)state;
    fill();
    struct keyspace *keyspace = keyspace_new(1);
    struct disk disk = {.count = 0};
    struct collection c;
    collection_open(&c, keyspace, 0, &key_a, VALUE_LIST, NULL);
    for (int i = 0; i < 20000; i++)
        list_push(&c, LIST_TAIL, &(struct resp_arg){filler + i, 50});
    assert_true(collection_close(&c, 1));
    assert_true(checkpoint_whole(keyspace, &disk) > 20000 * 50);
    for (int end = 0; end < 2; end++) {
        collection_open(&c, keyspace, 0, &key_a, VALUE_LIST, NULL);
        list_push(&c, end ? LIST_HEAD : LIST_TAIL, &key_b);
        assert_true(collection_close(&c, 2));
        assert_true(checkpoint_whole(keyspace, &disk) < 17000);
    }
    keyspace_free(disk_load(&disk));
    keyspace_free(keyspace);
    disk_close(&disk);
}

static void what_went_leaves_no_rows_behind(void **state) {
    (void)state;
    fill();
    struct keyspace *keyspace = keyspace_new(2);
    struct disk disk = {.count = 0};
    set_many(keyspace, 0, 1000);
    keyspace_set_string(keyspace, 0, &key_a, filler, 100000, false, 1);
    set_many(keyspace, 1, 1000);
    keyspace_set_string(keyspace, 1, &key_a, filler, 100000, false, 1);
    checkpoint_whole(keyspace, &disk);
    assert_int_equal(disk.count, 2 * (42 + 7));
    keyspace_delete(keyspace, 0, &key_a);
    keyspace_flush(keyspace, 1);
    checkpoint_whole(keyspace, &disk);
    assert_int_equal(rows_of(&disk, 0), 42);
    assert_int_equal(rows_of(&disk, 1), 0);
    keyspace_free(disk_load(&disk)); /* with rows that nothing refers to: the flushed one's value */
    while (keyspace_reclaim_flushed(keyspace, 100) == 100)
        ;
    checkpoint_whole(keyspace, &disk);
    assert_int_equal(disk.count, 42);
    keyspace_free(keyspace);
    disk_close(&disk);
}

static void rows_that_nothing_refers_to_are_removed_after_a_restart_too(void **state) {
    (void)state;
    fill();
    struct keyspace *keyspace = keyspace_new(1);
    struct disk disk = {.count = 0};
    keyspace_set_string(keyspace, 0, &key_a, filler, 100000, false, 1);
    checkpoint_whole(keyspace, &disk);
    keyspace_flush(keyspace, 0);
    checkpoint_whole(keyspace, &disk);
    keyspace_free(keyspace);
    assert_int_equal(disk.count, 7);
    keyspace = disk_load(&disk);
    checkpoint_whole(keyspace, &disk);
    assert_int_equal(disk.count, 0);
    keyspace_free(keyspace);
    disk_close(&disk);
}

static void a_flushed_database_waits_for_the_checkpoint_that_needs_it(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    struct disk disk = {.count = 0};
    struct batch batch = {.count = 0};
    set_many(keyspace, 0, 5000);
    keyspace_checkpoint_begin(keyspace);
    keyspace_checkpoint_head(keyspace, &disk.head);
    keyspace_flush(keyspace, 0);
    set_many(keyspace, 0, 10);
    assert_int_equal(keyspace_reclaim_flushed(keyspace, 100), 0);
    while (batch_take(&batch, keyspace))
        ;
    assert_int_equal(keyspace_reclaim_flushed(keyspace, 100), 100);
    batch_write(&batch, &disk);
    keyspace_checkpoint_end(keyspace, true);
    struct keyspace *loaded = disk_load(&disk);
    assert_int_equal(keyspace_size(loaded, 0), 5000);
    keyspace_free(loaded);
    checkpoint_whole(keyspace, &disk);
    assert_int_equal(disk.count, 1);
    keyspace_free(keyspace);
    batch_close(&batch);
    disk_close(&disk);
}

static void a_value_that_moves_to_a_database_that_is_done_is_written_all_the_same(void **state) {
    (void)state;
    fill();
    struct keyspace *keyspace = keyspace_new(2);
    struct disk disk = {.count = 0};
    struct batch batch = {.count = 0};
    keyspace_set_string(keyspace, 1, &key_a, filler, 100000, false, 1);
    keyspace_checkpoint_begin(keyspace);
    keyspace_checkpoint_head(keyspace, &disk.head);
    assert_true(batch_take(&batch, keyspace));
    keyspace_move(keyspace, 1, &key_a, 0, 2);
    while (batch_take(&batch, keyspace))
        ;
    batch_write(&batch, &disk);
    keyspace_checkpoint_end(keyspace, true);
    struct keyspace *loaded = disk_load(&disk);
    assert_null(keyspace_find(loaded, 0, &key_a));
    assert_memory_equal(item_string(keyspace_find(loaded, 1, &key_a)).bytes, filler, 100000);
    keyspace_free(loaded);
    assert_true(checkpoint_whole(keyspace, &disk) < 200);
    loaded = disk_load(&disk);
    assert_memory_equal(item_string(keyspace_find(loaded, 0, &key_a)).bytes, filler, 100000);
    keyspace_free(loaded);
    keyspace_free(keyspace);
    batch_close(&batch);
    disk_close(&disk);
}

static void what_is_kept_for_a_checkpoint_is_counted_and_goes_first(void **state) {
    (void)state;
    fill();
    struct keyspace *keyspace = keyspace_new(1);
    struct keyspace_page page;
    keyspace_set_string(keyspace, 0, &key_b, "b", 1, false, 1);
    keyspace_set_string(keyspace, 0, &key_a, filler, 1000000, false, 1);
    keyspace_checkpoint_begin(keyspace);
    assert_int_equal(keyspace_checkpoint_kept(keyspace), 0);
    size_t before = keyspace_memory(keyspace);
    keyspace_delete(keyspace, 0, &key_a);
    assert_true(keyspace_checkpoint_kept(keyspace) >= 1000000);
    assert_true(keyspace_memory(keyspace) >= before);
    for (size_t i = 0; i < 1 + 62; i++) {
        assert_true(keyspace_checkpoint_next(keyspace, &page));
        resp_buf_close(&page.bytes);
    }
    assert_int_equal(keyspace_checkpoint_kept(keyspace), 0);
    assert_true(keyspace_memory(keyspace) < 50000);
    keyspace_checkpoint_end(keyspace, false);
    keyspace_free(keyspace);
}

/* Rows between two that are there are dear: see checkpoint.c. */
static void new_pages_go_in_their_order(void **state) {
    (void)state;
    enum { STORED = 100, NEW = 50, EARLY = 20 /* a page that a write meets before its turn */ };
    struct keyspace *keyspace = keyspace_new(1);
    struct disk disk = {.count = 0};
    struct keyspace_page page;
    char text[16];
    set_many(keyspace, 0, STORED * 24);
    checkpoint_whole(keyspace, &disk);
    set_many(keyspace, 0, (STORED + NEW) * 24);
    keyspace_checkpoint_begin(keyspace);
    for (uint64_t number = 3; number <= STORED + EARLY; number += STORED + EARLY - 3) {
        struct resp_arg key = name_of(text, number * 24);
        keyspace_set_string(keyspace, 0, &key, "other", 5, false, 2);
    }
    for (size_t at = 0; at < STORED + NEW; at++) {
        assert_true(keyspace_checkpoint_next(keyspace, &page));
        assert_int_equal(page.number, at);
        resp_buf_close(&page.bytes);
    }
    assert_false(keyspace_checkpoint_next(keyspace, &page));
    assert_int_equal(keyspace_checkpoint_mapped(keyspace), 0);
    keyspace_checkpoint_end(keyspace, true);
    keyspace_free(keyspace);
    disk_close(&disk);
}

/* Not for its page's, and it is given back as its part of the array is written. */
static void a_small_write_is_kept_for_its_own_bytes(void **state) {
    (void)state;
    enum { PAGES = 5 * 1024, PLACE_MAX = 64 /* bytes of one, encoded */ };
    struct keyspace *keyspace = keyspace_new(1);
    struct keyspace_page page;
    struct keyspace_copied copied;
    char text[16];
    set_many(keyspace, 0, PAGES * 24);
    keyspace_checkpoint_begin(keyspace);
    size_t before = keyspace_memory(keyspace);
    for (int again = 0; again < 2; again++)
        for (uint64_t number = 0; number < PAGES; number++) {
            struct resp_arg key = name_of(text, number * 24 + 7);
            keyspace_set_string(keyspace, 0, &key, "other", 5, false, 2);
        }
    keyspace_checkpoint_copied(keyspace, &copied);
    assert_int_equal(copied.pages, PAGES);
    assert_in_range(copied.bytes, 1, PAGES * PLACE_MAX);
    assert_in_range(keyspace_memory(keyspace) - before, copied.bytes, copied.bytes + PAGES * 17);
    size_t kept = keyspace_checkpoint_kept(keyspace);
    assert_in_range(kept, copied.bytes, 3 * copied.bytes);
    for (size_t number = 0; number < PAGES; number++) {
        assert_true(keyspace_checkpoint_next(keyspace, &page));
        assert_int_equal(page.number, number);
        assert_null(memmem(page.bytes.bytes, resp_buf_length(&page.bytes), "other", 5));
        resp_buf_close(&page.bytes);
        if (number == PAGES / 5 * 2)
            assert_in_range(keyspace_checkpoint_kept(keyspace), 1, kept / 5 * 3);
    }
    assert_int_equal(keyspace_checkpoint_kept(keyspace), 0);
    keyspace_checkpoint_end(keyspace, true);
    keyspace_free(keyspace);
}

static void set_fields(struct keyspace *keyspace, const struct resp_arg *key, uint64_t count, uint64_t step,
                       const char *text) {
    struct resp_arg value = {text, strlen(text)};
    struct collection c;
    char name[16];
    for (uint64_t i = 0; i < count; i += step) {
        struct resp_arg field = name_of(name, i);
        collection_open(&c, keyspace, 0, key, VALUE_HASH, NULL);
        hash_set(&c, &field, &value);
        collection_close(&c, 1);
    }
}

/* The same of a field of a large hash, whose pages of 64 fields are 65 numbers apart. */
static void a_changed_field_is_kept_for_its_own_bytes(void **state) {
    (void)state;
    enum { PAGES = 3 * 1024, FIELD_MAX = 48 };
    struct keyspace *keyspace = keyspace_new(1);
    struct keyspace_page page;
    struct keyspace_copied copied;
    size_t pages = 0;
    set_fields(keyspace, &key_a, PAGES * 64, 1, "value");
    keyspace_checkpoint_begin(keyspace);
    size_t before = keyspace_memory(keyspace);
    for (int again = 0; again < 2; again++)
        set_fields(keyspace, &key_a, PAGES * 64, 64, "other");
    keyspace_checkpoint_copied(keyspace, &copied);
    assert_int_equal(copied.pages, PAGES + 1); /* and that of the key itself */
    assert_in_range(copied.bytes, 1, PAGES * FIELD_MAX);
    assert_in_range(keyspace_memory(keyspace) - before, copied.bytes, copied.bytes + PAGES * 17 + 512);
    size_t kept = keyspace_checkpoint_kept(keyspace);
    assert_in_range(kept, copied.bytes, 8 * copied.bytes);
    while (keyspace_checkpoint_next(keyspace, &page)) {
        if (page.object != 0) /* which is the database */
            assert_int_equal(page.number, 65 * pages++);
        assert_null(memmem(page.bytes.bytes, resp_buf_length(&page.bytes), "other", 5));
        resp_buf_close(&page.bytes);
        if (pages == PAGES / 3 * 2)
            assert_in_range(keyspace_checkpoint_kept(keyspace), 1, kept / 5 * 3);
    }
    assert_int_equal(pages, PAGES);
    assert_int_equal(keyspace_checkpoint_kept(keyspace), 0);
    keyspace_checkpoint_end(keyspace, true);
    keyspace_free(keyspace);
}

/* Of each of them a block would be far more than what is in it. */
static void fields_of_many_hashes_are_kept_together(void **state) {
    (void)state;
    enum { HASHES = 1000, FIELDS = 200, EACH_MAX = 400 };
    struct keyspace *keyspace = keyspace_new(1);
    struct keyspace_page page;
    char text[16];
    for (uint64_t i = 0; i < HASHES; i++) {
        struct resp_arg key = name_of(text, i);
        set_fields(keyspace, &key, FIELDS, 1, "a value that makes them large");
    }
    keyspace_checkpoint_begin(keyspace);
    for (uint64_t i = 0; i < HASHES; i++) {
        struct resp_arg key = name_of(text, i);
        set_fields(keyspace, &key, 1, 1, "other");
    }
    assert_in_range(keyspace_checkpoint_kept(keyspace), 1, HASHES * EACH_MAX);
    while (keyspace_checkpoint_next(keyspace, &page))
        resp_buf_close(&page.bytes);
    assert_int_equal(keyspace_checkpoint_kept(keyspace), 0);
    keyspace_checkpoint_end(keyspace, true);
    keyspace_free(keyspace);
}

static void change_byte(struct keyspace *keyspace, size_t at) {
    item_overwrite(keyspace, 0, keyspace_find(keyspace, 0, &key_a), at, "x", 1, 2);
}

/* Of a long string what is kept is 256 bytes, not its page of 16 KB. */
static void a_changed_byte_is_kept_with_few_others(void **state) {
    (void)state;
    enum { PAGES = 60, LENGTH = PAGES * 16384 };
    struct keyspace *keyspace = keyspace_new(1);
    struct keyspace_page page;
    fill();
    keyspace_set_string(keyspace, 0, &key_a, filler, LENGTH, false, 1);
    keyspace_checkpoint_begin(keyspace);
    for (size_t at = 100; at < LENGTH; at += 16384)
        change_byte(keyspace, at);
    assert_in_range(keyspace_checkpoint_kept(keyspace), PAGES * 256, LENGTH / 8);
    for (size_t i = 0; keyspace_checkpoint_next(keyspace, &page); i++) {
        if (i > 0) /* the first is the database's */
            assert_memory_equal(page.bytes.bytes, filler + page.number * 16384, 16384);
        resp_buf_close(&page.bytes);
    }
    assert_int_equal(keyspace_checkpoint_kept(keyspace), 0);
    keyspace_checkpoint_end(keyspace, true);
    keyspace_free(keyspace);
}

/* Where a part begins nothing of those that are there changes; but the page must not become longer. */
static void what_is_appended_behind_a_whole_part_is_not_written(void **state) {
    (void)state;
    enum { LENGTH = 10 * 256 };
    struct keyspace *keyspace = keyspace_new(1);
    struct keyspace_page page;
    fill();
    keyspace_set_string(keyspace, 0, &key_a, filler, LENGTH, false, 1);
    keyspace_checkpoint_begin(keyspace);
    item_append(keyspace, 0, keyspace_find(keyspace, 0, &key_a), "more", 4, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(keyspace_checkpoint_next(keyspace, &page));
        if (i == 1)
            assert_int_equal(resp_buf_length(&page.bytes), LENGTH);
        resp_buf_close(&page.bytes);
    }
    keyspace_checkpoint_end(keyspace, true);
    keyspace_free(keyspace);
}

/* All its pages have gone, and the checkpoint has not looked at it again. */
static void a_string_is_overwritten_when_its_last_page_was_written(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    struct keyspace_page page;
    fill();
    keyspace_set_string(keyspace, 0, &key_a, filler, 2000, false, 1);
    keyspace_checkpoint_begin(keyspace);
    change_byte(keyspace, 100);
    for (size_t i = 0; i < 2; i++) {
        assert_true(keyspace_checkpoint_next(keyspace, &page));
        resp_buf_close(&page.bytes);
    }
    keyspace_set_string(keyspace, 0, &key_a, filler + 1, 2000, false, 3);
    assert_int_equal(keyspace_checkpoint_kept(keyspace), 0);
    assert_false(keyspace_checkpoint_next(keyspace, &page));
    keyspace_checkpoint_end(keyspace, true);
    keyspace_free(keyspace);
}

/* ---- damage --- */

/* Of a line's end a parser need not look at both bytes: what loads all the same must be the same. */
static void judge_damaged(const struct disk *disk, struct keyspace *keyspace) {
    char why[KEYSPACE_WHY_MAX] = "";
    struct keyspace *loaded = disk_load_or(disk, why);
    if (!loaded) {
        assert_true(why[0] != '\0');
        return;
    }
    struct resp_buf is = {0}, was = {0};
    dump(loaded, &is);
    dump(keyspace, &was);
    assert_int_equal(keyspace_databases(loaded), keyspace_databases(keyspace));
    assert_same(&was, &is);
    resp_buf_close(&is);
    resp_buf_close(&was);
    keyspace_free(loaded);
}

static void no_damage_to_a_row_or_the_head_goes_unseen(void **state) {
    (void)state;
    fill();
    struct keyspace *keyspace = keyspace_new(2);
    struct disk disk = {.count = 0};
    uint64_t chance = 3;
    set_many(keyspace, 1, 100);
    keyspace_set_string(keyspace, 0, &key_a, filler, 40000, false, 1);
    checkpoint_whole(keyspace, &disk);
    for (int i = 0; i < 3000; i++) {
        uint64_t victim = draw(&chance, disk.count + 1);
        bool head = victim == disk.count;
        char *bytes = head ? disk.head.bytes + disk.head.start : disk.rows[victim].bytes;
        size_t length = head ? resp_buf_length(&disk.head) : disk.rows[victim].length;
        char *byte = bytes + draw(&chance, length), was = *byte;
        *byte = (char)(was ^ (1 << draw(&chance, 8)));
        judge_damaged(&disk, keyspace);
        *byte = was;
    }
    keyspace_free(disk_load(&disk));
    keyspace_free(keyspace);
    disk_close(&disk);
}

static void a_row_that_is_missing_doubled_or_cut_is_refused(void **state) {
    (void)state;
    fill();
    struct keyspace *keyspace = keyspace_new(1);
    struct disk disk = {.count = 0};
    set_many(keyspace, 0, 100);
    keyspace_set_string(keyspace, 0, &key_a, filler, 40000, false, 1);
    keyspace_set_string(keyspace, 0, &key_b, filler, 50000, false, 1);
    checkpoint_whole(keyspace, &disk);
    for (size_t i = 0; i < disk.count; i++) {
        char why[KEYSPACE_WHY_MAX] = "";
        struct row row = disk.rows[i];
        memmove(disk.rows + i, disk.rows + i + 1, (disk.count - i - 1) * sizeof row);
        disk.count--;
        assert_null(disk_load_or(&disk, why));
        assert_true(why[0] != '\0');
        memmove(disk.rows + i + 1, disk.rows + i, (disk.count++ - i) * sizeof row);
        disk.rows[i] = row;
        disk.rows[i].length--;
        assert_null(disk_load_or(&disk, why));
        disk.rows[i].length++;
        if (i > 0) {
            disk.rows[i] = disk.rows[i - 1];
            assert_null(disk_load_or(&disk, why));
            disk.rows[i] = row;
        }
    }
    keyspace_free(disk_load(&disk));
    keyspace_free(keyspace);
    disk_close(&disk);
}

/* ---- the digest --- */

static void the_digest_tells_states_apart_and_comes_back_with_them(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(2);
    uint64_t empty = keyspace_digest(keyspace);
    struct item *item = keyspace_set_string(keyspace, 0, &key_a, "v", 1, false, 1);
    uint64_t one = keyspace_digest(keyspace);
    assert_true(one != empty);
    item = item_set_deadline(keyspace, 0, item, 50, 1);
    assert_true(keyspace_digest(keyspace) != one);
    item = item_set_deadline(keyspace, 0, item, 0, 1);
    assert_true(keyspace_digest(keyspace) == one);
    item_set_deadline(keyspace, 0, item, 0, 2);
    assert_true(keyspace_digest(keyspace) != one);
    keyspace_set_string(keyspace, 0, &key_a, "w", 1, false, 1);
    assert_true(keyspace_digest(keyspace) != one);
    keyspace_delete(keyspace, 0, &key_a);
    uint64_t gone = keyspace_digest(keyspace);
    assert_true(gone != empty); /* its mark is left */
    keyspace_set_string(keyspace, 1, &key_a, "v", 1, false, 1);
    assert_true(keyspace_digest(keyspace) != one);
    keyspace_delete(keyspace, 1, &key_a);
    assert_true(keyspace_digest(keyspace) == gone);
    keyspace_set_string(keyspace, 1, &key_a, "v", 1, false, 1);
    keyspace_flush(keyspace, 1);
    assert_true(keyspace_digest(keyspace) != gone); /* it was emptied once */
    keyspace_free(keyspace);
}

/* ---- deadlines, keys --- */

static void give_deadlines(struct keyspace *keyspace, unsigned db, uint64_t count) {
    char text[16];
    uint64_t seed = 5;
    for (uint64_t i = 0; i < count; i++) {
        struct resp_arg key = name_of(text, i);
        struct item *item = keyspace_set_string(keyspace, db, &key, "value", 5, false, 1);
        unsigned bits = (unsigned)draw(&seed, 44);
        uint64_t deadline = 1000 + (i % 4 ? draw(&seed, 1ull << 31) << 12 >> bits : i / 40);
        if (i % 10)
            item_set_deadline(keyspace, db, item, deadline, 1);
    }
}

/* Near and far, equal ones too, in two databases. */
static void deadlines_come_back_in_their_order(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(3);
    struct disk disk = {.count = 0};
    give_deadlines(keyspace, 0, 5000);
    give_deadlines(keyspace, 2, 700);
    keyspace_advance(keyspace, 1020); /* some are due */
    (void)checkpoint_whole(keyspace, &disk);
    struct keyspace *loaded = disk_load(&disk);
    for (unsigned db = 0; db < 3; db++) {
        size_t count = keyspace_deadlines(keyspace, db);
        assert_int_equal(keyspace_deadlines(loaded, db), count);
        for (size_t i = 0; i < count; i++) {
            const struct item *one = keyspace_by_deadline(keyspace, db, i);
            const struct item *other = keyspace_by_deadline(loaded, db, i);
            struct resp_arg key = item_key(one), back = item_key(other);
            assert_int_equal(item_deadline(one), item_deadline(other));
            assert_int_equal(key.length, back.length);
            assert_memory_equal(key.bytes, back.bytes, key.length);
        }
    }
    assert_int_equal(keyspace_next_deadline(loaded), keyspace_next_deadline(keyspace));
    assert_int_equal(keyspace_reclaim_due(loaded, 10000), keyspace_reclaim_due(keyspace, 10000));
    assert_true(keyspace_digest(loaded) == keyspace_digest(keyspace));
    keyspace_free(loaded);
    keyspace_free(keyspace);
    disk_close(&disk);
}

static void a_key_that_is_there_twice_is_refused(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    struct disk disk = {.count = 0};
    char why[KEYSPACE_WHY_MAX] = "", *at = NULL;
    set_many(keyspace, 0, 100);
    (void)checkpoint_whole(keyspace, &disk);
    for (size_t i = 0; i < disk.count && !at; i++)
        at = memmem(disk.rows[i].bytes, disk.rows[i].length, "$3\r\nk77\r\n", 9);
    assert_non_null(at);
    at[6] = '6';
    assert_null(disk_load_or(&disk, why));
    assert_non_null(strstr(why, "twice"));
    keyspace_free(keyspace);
    disk_close(&disk);
}

/* ---- marks --- */

static void marks_of_keys_that_went_and_upheavals_come_back(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(2);
    struct disk disk = {.count = 0};
    keyspace_set_string(keyspace, 0, &key_a, "v", 1, false, 7);
    keyspace_delete(keyspace, 0, &key_a);
    keyspace_swap(keyspace, 0, 1);
    (void)checkpoint_whole(keyspace, &disk);
    struct keyspace *loaded = disk_load(&disk);
    assert_int_equal(keyspace_upheavals(loaded), 1);
    assert_false(keyspace_unchanged(loaded, 0, &key_a, false, 6));
    assert_true(keyspace_unchanged(loaded, 0, &key_a, false, 7));
    assert_true(keyspace_unchanged(loaded, 0, &key_b, false, 0));
    assert_true(keyspace_digest(loaded) == keyspace_digest(keyspace));
    keyspace_free(loaded);
    keyspace_free(keyspace);
    disk_close(&disk);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_checkpoint_of_nothing_changed_writes_nothing),
        cmocka_unit_test(one_changed_key_costs_one_page),
        cmocka_unit_test(one_changed_end_of_a_long_value_costs_one_of_its_pages),
        cmocka_unit_test(rename_moves_a_long_value_without_writing_it),
        cmocka_unit_test(one_changed_field_costs_a_page_and_a_large_one_itself),
        cmocka_unit_test(a_push_costs_the_last_segment),
        cmocka_unit_test(what_went_leaves_no_rows_behind),
        cmocka_unit_test(rows_that_nothing_refers_to_are_removed_after_a_restart_too),
        cmocka_unit_test(a_flushed_database_waits_for_the_checkpoint_that_needs_it),
        cmocka_unit_test(a_value_that_moves_to_a_database_that_is_done_is_written_all_the_same),
        cmocka_unit_test(what_is_kept_for_a_checkpoint_is_counted_and_goes_first),
        cmocka_unit_test(new_pages_go_in_their_order),
        cmocka_unit_test(a_small_write_is_kept_for_its_own_bytes),
        cmocka_unit_test(a_changed_field_is_kept_for_its_own_bytes),
        cmocka_unit_test(fields_of_many_hashes_are_kept_together),
        cmocka_unit_test(a_changed_byte_is_kept_with_few_others),
        cmocka_unit_test(what_is_appended_behind_a_whole_part_is_not_written),
        cmocka_unit_test(a_string_is_overwritten_when_its_last_page_was_written),
        cmocka_unit_test(no_damage_to_a_row_or_the_head_goes_unseen),
        cmocka_unit_test(a_row_that_is_missing_doubled_or_cut_is_refused),
        cmocka_unit_test(the_digest_tells_states_apart_and_comes_back_with_them),
        cmocka_unit_test(deadlines_come_back_in_their_order),
        cmocka_unit_test(a_key_that_is_there_twice_is_refused),
        cmocka_unit_test(marks_of_keys_that_went_and_upheavals_come_back),
    };
    return cmocka_run_group_tests_name("checkpoint_rules", tests, NULL, NULL);
}
