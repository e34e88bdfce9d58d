/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "internal.h"

void *raft_alloc(size_t count, size_t size) {
    void *at = calloc(count ? count : 1, size);
    if (!at)
        abort();
    return at;
}

void *raft_grow(void *at, size_t *capacity, size_t needed, size_t size) {
    if (needed <= *capacity)
        return at;
    size_t larger = *capacity ? *capacity : 8;
    while (larger < needed)
        larger *= 2;
    at = realloc(at, larger * size);
    if (!at)
        abort();
    *capacity = larger;
    return at;
}
