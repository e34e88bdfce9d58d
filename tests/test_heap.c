/* SPDX-License-Identifier: MIT */
/* A heap's new piece is there whole after one look, and only then; what is too large to be a piece comes as ever. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../src/data/heap.h"

enum { PAGE = 4096, PIECE = 256 * 1024 };

/* Of the pages wholly between two addresses, how many are in memory. */
static size_t resident(const char *from, const char *to) {
    static unsigned char seen[64 * 1024];
    char *first = (char *)(((uintptr_t)from + PAGE - 1) / PAGE * PAGE);
    size_t pages = ((uintptr_t)to - (uintptr_t)first) / PAGE, count = 0;
    assert_in_range(pages, 1, sizeof seen);
    assert_int_equal(mincore(first, pages * PAGE, seen), 0);
    for (size_t i = 0; i < pages; i++)
        count += seen[i] & 1;
    return count;
}

/* By so many bytes, as an allocator would; where it begins. */
static char *grow(size_t bytes) {
    char *piece = sbrk((intptr_t)bytes);
    assert_ptr_not_equal(piece, (void *)-1);
    return piece;
}

static bool can_be_asked_for(void) {
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool can = madvise(page, PAGE, MADV_POPULATE_WRITE) == 0;
    munmap(page, PAGE);
    return can;
}

static void a_new_piece_is_there_after_a_look(void **state) {
    (void)state;
    if (!can_be_asked_for())
        skip();
    heap_ahead();
    char *piece = grow(PIECE);
    assert_int_equal(resident(piece, piece + PIECE), 0);
    piece[PIECE / 2] = 'x'; /* what is in use stays as it is */
    heap_ahead();
    assert_in_range(resident(piece, piece + PIECE), PIECE / PAGE - 1, PIECE / PAGE);
    assert_int_equal(piece[PIECE / 2], 'x');
    assert_int_equal(piece[PIECE / 2 + 1], 0);
}

static void what_is_larger_than_a_piece_comes_as_ever(void **state) {
    (void)state;
    heap_ahead();
    char *large = grow(HEAP_PIECE_MAX + PAGE);
    heap_ahead();
    assert_int_equal(resident(large, large + HEAP_PIECE_MAX), 0);
    char *piece = grow(PIECE); /* and the next look begins behind it */
    heap_ahead();
    assert_int_equal(resident(large + PAGE, large + HEAP_PIECE_MAX - PAGE), 0);
    if (can_be_asked_for())
        assert_in_range(resident(piece, piece + PIECE), PIECE / PAGE - 1, PIECE / PAGE);
}

static void a_heap_that_shrinks_is_looked_at_again_from_its_end(void **state) {
    (void)state;
    heap_ahead();
    grow(PIECE);
    heap_ahead();
    assert_ptr_not_equal(sbrk(-(intptr_t)PIECE), (void *)-1);
    heap_ahead();
    char *piece = grow(PIECE);
    heap_ahead();
    if (can_be_asked_for())
        assert_in_range(resident(piece, piece + PIECE), PIECE / PAGE - 1, PIECE / PAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_piece_is_there_after_a_look),
        cmocka_unit_test(what_is_larger_than_a_piece_comes_as_ever),
        cmocka_unit_test(a_heap_that_shrinks_is_looked_at_again_from_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
