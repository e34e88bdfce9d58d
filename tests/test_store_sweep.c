/* SPDX-License-Identifier: MIT */
/* The file layer that reads ahead, beside a twin in memory; and what it is for: fewer reads. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../src/store/internal.h"

enum { PAGES = 400, PAGE = STORE_PAGE_BYTES };

struct swept {
    char dir[64], path[128];
    sqlite3_file *file;
    sqlite3_filename name;
    uint8_t twin[PAGES * PAGE];
    size_t length;
};

static struct swept swept;

static uint64_t draw(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static void open_swept(size_t length) {
    static const char *const names[] = {STORE_VFS_SWEEP, STORE_VFS_SWEEP_UNLOCKED};
    store_sweep_register();
    sqlite3_vfs *vfs = sqlite3_vfs_find(names[length % 2]);
    assert_non_null(vfs);
    strcpy(swept.dir, "/tmp/redraft-sweep-XXXXXX");
    assert_non_null(mkdtemp(swept.dir));
    snprintf(swept.path, sizeof swept.path, "%s/file", swept.dir);
    swept.length = length;
    for (size_t i = 0; i < length; i++)
        swept.twin[i] = (uint8_t)(i * 2654435761u >> 13);
    int fd = open(swept.path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, swept.twin, length), length);
    close(fd);
    swept.name = sqlite3_create_filename(swept.path, "", "", 0, NULL);
    swept.file = calloc(1, (size_t)vfs->szOsFile);
    assert_int_equal(
        vfs->xOpen(vfs, swept.name, swept.file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MAIN_DB, NULL),
        SQLITE_OK);
}

static void close_swept(void) {
    assert_int_equal(swept.file->pMethods->xClose(swept.file), SQLITE_OK);
    free(swept.file);
    sqlite3_free_filename(swept.name);
    unlink(swept.path);
    rmdir(swept.dir);
}

static void read_page(int64_t page) {
    static uint8_t bytes[PAGE];
    int64_t at = page * PAGE, there = (int64_t)swept.length - at;
    int result = swept.file->pMethods->xRead(swept.file, bytes, PAGE, at);
    there = there < 0 ? 0 : there < PAGE ? there : PAGE;
    assert_int_equal(result, there == PAGE ? SQLITE_OK : SQLITE_IOERR_SHORT_READ);
    assert_memory_equal(bytes, swept.twin + at, (size_t)there);
}

static void write_page(int64_t page, uint8_t with) {
    static uint8_t bytes[PAGE];
    memset(bytes, with, PAGE);
    assert_int_equal(swept.file->pMethods->xWrite(swept.file, bytes, PAGE, page * PAGE), SQLITE_OK);
    memset(swept.twin + page * PAGE, with, PAGE);
    if ((size_t)(page + 1) * PAGE > swept.length)
        swept.length = (size_t)(page + 1) * PAGE;
}

static void what_is_read_is_what_is_there_however_it_is_read_and_written(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t chance = seed;
        int64_t page = 0;
        open_swept((PAGES - 60) * PAGE + (seed % 3) * 1001);
        for (int i = 0; i < 5000; i++) {
            uint64_t kind = draw(&chance) % 100;
            int64_t pages = (int64_t)(swept.length / PAGE);
            if (kind < 45)
                page = page + 1 < pages ? page + 1 : 0;
            else if (kind < 85)
                page = page > 0 ? page - 1 : pages;
            else
                page = (int64_t)(draw(&chance) % (uint64_t)pages);
            if (kind == 99 && pages > 100) {
                swept.length -= 1 + draw(&chance) % (3 * PAGE);
                assert_int_equal(swept.file->pMethods->xTruncate(swept.file, (int64_t)swept.length),
                                 SQLITE_OK);
            } else if (kind > 95 && page < PAGES && (size_t)page * PAGE <= swept.length) {
                write_page(page, (uint8_t)i);
            }
            read_page(page);
        }
        close_swept();
    }
}

/* Reads that the process has asked the system for. */
static long reads(void) {
    char text[512] = "";
    FILE *file = fopen("/proc/self/io", "r");
    size_t length = file ? fread(text, 1, sizeof text - 1, file) : 0;
    const char *at = strstr(text, "syscr: ");
    assert_true(length > 0 && at);
    fclose(file);
    return strtol(at + 7, NULL, 10);
}

static void from_front_to_back_and_back_again_it_asks_for_sixteen_pages_at_a_time(void **state) {
    (void)state;
    open_swept(PAGES * PAGE);
    long before = reads();
    for (int64_t page = 0; page < PAGES; page++) {
        read_page(page);
        if (page % 100 == 50)
            read_page((page * 7 + 200) % PAGES); /* an inner node */
    }
    assert_in_range(reads() - before, 25, 40);
    before = reads();
    for (int64_t page = PAGES - 1; page >= 0; page--)
        read_page(page);
    assert_in_range(reads() - before, 20, 40);
    before = reads();
    for (int64_t i = 0; i < 100; i++)
        read_page(i * 177 % PAGES);
    assert_in_range(reads() - before, 80, 110);
    close_swept();
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
        cmocka_unit_test(from_front_to_back_and_back_again_it_asks_for_sixteen_pages_at_a_time),
        cmocka_unit_test(what_another_connection_has_moved_into_the_file_is_seen),
    };
    return cmocka_run_group_tests_name("store: sweep", tests, NULL, NULL);
}
