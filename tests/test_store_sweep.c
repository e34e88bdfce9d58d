/* SPDX-License-Identifier: MIT */
/* The file layer that reads ahead, beside a twin in memory; and what it is for: fewer reads. */
#define _GNU_SOURCE
#include <fcntl.h>

#include "store_world.h"

#include "../src/store/internal.h"

enum { PAGES = 400, STRETCH = 64 * 1024 };

/* The files that are swept: their pages. */
static const int page_sizes[] = {STORE_PAGE_BYTES, STORE_LOG_PAGE_BYTES};
static int page_bytes;

struct swept {
    char dir[64], path[128], database[128]; /* the latter beside a WAL, or "" */
    sqlite3_file *file;
    sqlite3_filename name;
    uint8_t twin[PAGES * STORE_PAGE_BYTES];
    size_t length;
};

static struct swept swept;

static uint64_t draw(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static void open_swept_as(size_t length, const char *layer, int flags) {
    store_sweep_register();
    sqlite3_vfs *vfs = sqlite3_vfs_find(layer);
    assert_non_null(vfs);
    strcpy(swept.dir, "/tmp/redraft-sweep-XXXXXX");
    assert_non_null(mkdtemp(swept.dir));
    snprintf(swept.path, sizeof swept.path, "%s/file", swept.dir);
    swept.database[0] = 0;
    if (flags & SQLITE_OPEN_WAL) { /* SQLite asks for its database */
        strcpy(swept.database, swept.path);
        close(open(swept.database, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        strcat(swept.path, "-wal");
    }
    swept.length = length;
    for (size_t i = 0; i < length; i++)
        swept.twin[i] = (uint8_t)(i * 2654435761u >> 13);
    int fd = open(swept.path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, swept.twin, length), length);
    close(fd);
    swept.name = sqlite3_create_filename(swept.path, "", "", 0, NULL);
    swept.file = calloc(1, (size_t)vfs->szOsFile);
    assert_int_equal(vfs->xOpen(vfs, swept.name, swept.file, flags, NULL), SQLITE_OK);
}

static void open_swept(size_t length) {
    static const char *const names[] = {STORE_VFS_SWEEP, STORE_VFS_SWEEP_UNLOCKED};
    open_swept_as(length, names[length % 2], SQLITE_OPEN_READWRITE | SQLITE_OPEN_MAIN_DB);
}

static void close_swept(void) {
    assert_int_equal(swept.file->pMethods->xClose(swept.file), SQLITE_OK);
    free(swept.file);
    sqlite3_free_filename(swept.name);
    unlink(swept.path);
    if (swept.database[0])
        unlink(swept.database);
    rmdir(swept.dir);
}

static void read_page(int64_t page) {
    static uint8_t bytes[STORE_PAGE_BYTES];
    int64_t at = page * page_bytes, there = (int64_t)swept.length - at;
    int result = swept.file->pMethods->xRead(swept.file, bytes, page_bytes, at);
    there = there < 0 ? 0 : there < page_bytes ? there : page_bytes;
    assert_int_equal(result, there == page_bytes ? SQLITE_OK : SQLITE_IOERR_SHORT_READ);
    assert_memory_equal(bytes, swept.twin + at, (size_t)there);
}

static void write_page(int64_t page, uint8_t with) {
    static uint8_t bytes[STORE_PAGE_BYTES];
    memset(bytes, with, page_bytes);
    assert_int_equal(swept.file->pMethods->xWrite(swept.file, bytes, page_bytes, page * page_bytes),
                     SQLITE_OK);
    memset(swept.twin + page * page_bytes, with, page_bytes);
    if ((size_t)(page + 1) * page_bytes > swept.length)
        swept.length = (size_t)(page + 1) * page_bytes;
}

static void what_is_read_is_what_is_there_however_it_is_read_and_written(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t chance = seed;
        page_bytes = page_sizes[seed % 2];
        int64_t page = 0;
        open_swept((PAGES - 60) * page_bytes + (seed % 3) * 1001);
        for (int i = 0; i < 5000; i++) {
            uint64_t kind = draw(&chance) % 100;
            int64_t pages = (int64_t)(swept.length / page_bytes);
            if (kind < 45)
                page = page + 1 < pages ? page + 1 : 0;
            else if (kind < 85)
                page = page > 0 ? page - 1 : pages;
            else
                page = (int64_t)(draw(&chance) % (uint64_t)pages);
            if (kind == 99 && pages > 100) {
                swept.length -= 1 + draw(&chance) % (3 * page_bytes);
                assert_int_equal(swept.file->pMethods->xTruncate(swept.file, (int64_t)swept.length),
                                 SQLITE_OK);
            } else if (kind > 95 && page < PAGES && (size_t)page * page_bytes <= swept.length) {
                write_page(page, (uint8_t)i);
            }
            read_page(page);
        }
        close_swept();
    }
}

static void read_from_front_to_back_and_back_again(void) {
    int64_t pages = STRETCH / page_bytes, stretches = PAGES / pages;
    open_swept((size_t)(PAGES * page_bytes));
    long before = read_calls();
    for (int64_t page = 0; page < PAGES; page++) {
        read_page(page);
        if (page % 100 == 50)
            read_page((page * 7 + 200) % PAGES); /* an inner node */
    }
    assert_in_range(read_calls() - before, stretches, stretches + 15);
    before = read_calls();
    for (int64_t page = PAGES - 1; page >= 0; page--)
        read_page(page);
    assert_in_range(read_calls() - before, stretches - 5, stretches + 15);
    before = read_calls();
    for (int64_t i = 0; i < 100; i++)
        read_page(i * 177 % PAGES);
    assert_in_range(read_calls() - before, 80, 110);
    close_swept();
}

static void who_reads_on_asks_for_a_stretch_at_a_time_whatever_the_size_of_pages(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof page_sizes / sizeof *page_sizes; i++) {
        page_bytes = page_sizes[i];
        read_from_front_to_back_and_back_again();
    }
}

static void read_bytes(int64_t at, int length) {
    static uint8_t bytes[STORE_PAGE_BYTES];
    assert_int_equal(swept.file->pMethods->xRead(swept.file, bytes, length, at), SQLITE_OK);
    assert_memory_equal(bytes, swept.twin + at, (size_t)length);
}

enum {
    FRAME = STORE_FRAME_HEADER_BYTES + STORE_LOG_PAGE_BYTES,
    FRAMES = 1500,
    WAL_STRETCHES = FRAMES * FRAME / STRETCH + 1,
};

static void open_wal(const char *layer) {
    open_swept_as(STORE_WAL_HEADER_BYTES + FRAMES * FRAME, layer, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL);
}

static void read_frames_page(int64_t frame) {
    read_bytes(STORE_WAL_HEADER_BYTES + frame * FRAME + STORE_FRAME_HEADER_BYTES, STORE_LOG_PAGE_BYTES);
}

/* First SQLite reads all frames to find the last commit, then the pages in them: a leaf, which stands ahead, and its rows. */
static void of_a_wal_frames_and_the_pages_in_them_are_read_a_stretch_at_a_time(void **state) {
    enum { LEAF_EACH = 200, AHEAD = 170 };
    (void)state;
    open_wal(STORE_VFS_SWEEP_UNLOCKED);
    long before = read_calls();
    for (int64_t frame = 0; frame < FRAMES; frame++)
        read_bytes(STORE_WAL_HEADER_BYTES + frame * FRAME, FRAME);
    assert_in_range(read_calls() - before, WAL_STRETCHES - 2, WAL_STRETCHES + 5);
    before = read_calls();
    for (int64_t frame = 0; frame < FRAMES; frame++) {
        if (frame % LEAF_EACH == 0 && frame + AHEAD < FRAMES)
            read_frames_page(frame + AHEAD);
        read_frames_page(frame);
    }
    assert_in_range(read_calls() - before, WAL_STRETCHES - 2, WAL_STRETCHES + 5 + FRAMES / LEAF_EACH);
    close_swept();
}

/* As SQLite's check of a tree does, of pages that were written in their order. */
static void and_from_its_end_to_its_beginning(void **state) {
    static const char *const layers[] = {STORE_VFS_SWEEP, STORE_VFS_SWEEP_UNLOCKED};
    (void)state;
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        open_wal(layers[i]);
        long before = read_calls();
        for (int64_t frame = FRAMES - 1; frame >= 0; frame--)
            read_frames_page(frame);
        assert_in_range(read_calls() - before, WAL_STRETCHES - 2, WAL_STRETCHES + 5);
        close_swept();
    }
}

/* Whoever goes to and fro, and writes meanwhile, sees what is there. */
static void what_is_written_to_a_wal_is_seen(void **state) {
    static uint8_t page[STORE_LOG_PAGE_BYTES];
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t chance = seed;
        int64_t frame = 0;
        open_wal(STORE_VFS_SWEEP);
        for (int i = 0; i < 5000; i++) {
            uint64_t kind = draw(&chance) % 100;
            frame += kind < 48 ? 1 : kind < 96 ? -1 : (int64_t)(draw(&chance) % FRAMES);
            frame = (frame + FRAMES) % FRAMES;
            if (kind > 93) {
                int64_t at = STORE_WAL_HEADER_BYTES + frame * FRAME + STORE_FRAME_HEADER_BYTES;
                memset(page, i, sizeof page);
                assert_int_equal(swept.file->pMethods->xWrite(swept.file, page, sizeof page, at), SQLITE_OK);
                memcpy(swept.twin + at, page, sizeof page);
            }
            read_frames_page(frame);
        }
        close_swept();
    }
}

static int64_t sum(sqlite3 *db) {
    int64_t number = -1;
    assert_int_equal(store_sql_number(db, "SELECT sum(value + length(rest)) FROM numbers", &number),
                     SQLITE_OK);
    return number;
}

/* Few pages: one stretch holds all of them but the first. */
static void what_another_connection_has_moved_into_the_file_is_seen(void **state) {
    (void)state;
    sqlite3 *reader, *writer;
    char path[64] = "/tmp/redraft-sweep-XXXXXX", file[128], text[160];
    assert_non_null(mkdtemp(path));
    snprintf(file, sizeof file, "%s/db", path);
    assert_int_equal(store_sql_open(file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &writer), SQLITE_OK);
    assert_int_equal(
        store_sql_exec(writer, "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;"
                               "CREATE TABLE numbers (value INTEGER, rest BLOB);"
                               "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 12)"
                               "INSERT INTO numbers SELECT 0, zeroblob(3500) FROM c;"
                               "PRAGMA wal_checkpoint(TRUNCATE)"),
        SQLITE_OK);
    assert_int_equal(store_sql_open_to_sweep(file, SQLITE_OPEN_READWRITE, &reader), SQLITE_OK);
    for (int i = 1; i <= 5; i++) {
        snprintf(text, sizeof text, "UPDATE numbers SET value = %d; PRAGMA wal_checkpoint(TRUNCATE)", i);
        assert_int_equal(sum(reader), 12 * (3500 + i - 1));
        assert_int_equal(store_sql_exec(writer, text), SQLITE_OK);
    }
    assert_int_equal(sum(reader), 12 * 3505);
    sqlite3_close(reader);
    sqlite3_close(writer);
    unlink(file);
    rmdir(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_what_is_there_however_it_is_read_and_written),
        cmocka_unit_test(who_reads_on_asks_for_a_stretch_at_a_time_whatever_the_size_of_pages),
        cmocka_unit_test(of_a_wal_frames_and_the_pages_in_them_are_read_a_stretch_at_a_time),
        cmocka_unit_test(and_from_its_end_to_its_beginning),
        cmocka_unit_test(what_is_written_to_a_wal_is_seen),
        cmocka_unit_test(what_another_connection_has_moved_into_the_file_is_seen),
    };
    return cmocka_run_group_tests_name("store: sweep", tests, NULL, NULL);
}
