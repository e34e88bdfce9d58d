/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "heap.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 }; /* where pages are larger the call may be refused: then they come as ever */

static _Thread_local char *seen; /* the heap's end at the last look; NULL: there was none */

void heap_ahead(void) {
    char *end = sbrk(0);
    if (end == seen)
        return;
    char *from = seen ? seen - (uintptr_t)seen % PAGE : end;
    if (end > from && end - from <= HEAP_PIECE_MAX)
        (void)madvise(from, (size_t)(end - from), MADV_POPULATE_WRITE);
    seen = end;
}
