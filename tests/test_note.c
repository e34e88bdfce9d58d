/* SPDX-License-Identifier: MIT */
/* A line that is known at the next start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../src/note.h"

static char dir[64], text[64];

static int set_up(void **state) {
    (void)state;
    strcpy(dir, "/tmp/redraft-note-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    note_remove(dir, "line");
    return rmdir(dir); /* nothing else is left */
}

static void what_was_written_is_read_until_it_is_removed(void **state) {
    (void)state;
    assert_int_equal(note_read(dir, "line", text, sizeof text), NOTE_NONE);
    assert_string_equal(text, "");
    assert_true(note_write(dir, "line", "one and two"));
    assert_int_equal(note_read(dir, "line", text, sizeof text), NOTE_READ);
    assert_string_equal(text, "one and two");
    assert_true(note_write(dir, "line", ""));
    assert_int_equal(note_read(dir, "line", text, sizeof text), NOTE_READ);
    assert_string_equal(text, "");
    assert_true(note_remove(dir, "line"));
    assert_int_equal(note_read(dir, "line", text, sizeof text), NOTE_NONE);
    assert_true(note_remove(dir, "line"));
}

static void a_line_that_is_too_long_for_the_reader_is_cut(void **state) {
    char four[5];
    (void)state;
    assert_true(note_write(dir, "line", "123456"));
    assert_int_equal(note_read(dir, "line", four, sizeof four), NOTE_READ);
    assert_string_equal(four, "1234");
}

static void what_cannot_be_read_or_written_is_said(void **state) {
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/line", dir);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(note_read(dir, "line", text, sizeof text), NOTE_FAILED);
    assert_false(note_write(dir, "line", "x"));
    assert_false(note_write("/nowhere/at/all", "line", "x"));
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof path, "%s/line.new", dir);
    assert_int_equal(unlink(path), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_was_written_is_read_until_it_is_removed),
        TEST(a_line_that_is_too_long_for_the_reader_is_cut),
        TEST(what_cannot_be_read_or_written_is_said),
    };
    return cmocka_run_group_tests_name("note", tests, NULL, NULL);
}
