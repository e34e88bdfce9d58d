/* SPDX-License-Identifier: MIT */
/*
 * What matters for a failure stands mostly shortly before it: so the end of the sequence is tried first, in pieces that grow until one fails.
 * Then pieces are left out, large ones first, from the front to the end, and smaller ones when no large one can go:
 *
 *     ........................x     fails
 *     ................|.......x     its last 8 fail: go on with them
 *                      ....|..x     without this half: does not fail
 *                      ..  |..x     without this quarter: fails, so it is gone
 *
 * When single parts were tried and one could go, another round is made, for what depended on it may go now.
 */
#include "cut.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_PIECE = 16, GROWTH = 4 };

/* Tries these in place of what is kept; keeps them when they fail. */
static bool fails(struct cut *cut, const size_t *kept, size_t count) {
    if (count == 0 || cut->tries >= cut->tries_max)
        return false;
    cut->tries++;
    size_t taken = cut->try(cut->context, kept, count);
    if (taken == 0)
        return false;
    memmove(cut->kept, kept, taken * sizeof(*kept));
    cut->count = taken;
    return true;
}

static void keep_the_end(struct cut *cut) {
    for (size_t size = FIRST_PIECE; size < cut->count; size *= GROWTH)
        if (fails(cut, cut->kept + cut->count - size, size))
            return;
}

static bool leave_out(struct cut *cut, size_t from, size_t size) {
    size_t until = from + size < cut->count ? from + size : cut->count, rest = cut->count - until;
    size_t *kept = malloc((from + rest + 1) * sizeof(*kept));
    memcpy(kept, cut->kept, from * sizeof(*kept));
    memcpy(kept + from, cut->kept + until, rest * sizeof(*kept));
    bool gone = fails(cut, kept, from + rest);
    free(kept);
    return gone;
}

/* Returns whether any could go. */
static bool leave_out_pieces(struct cut *cut, size_t size) {
    bool any = false;
    for (size_t from = 0; from < cut->count;) {
        bool gone = leave_out(cut, from, size);
        any |= gone;
        from += gone ? 0 : size;
    }
    return any;
}

void cut_down(struct cut *cut) {
    keep_the_end(cut);
    for (size_t size = (cut->count + 1) / 2; size > 1; size = (size + 1) / 2)
        (void)leave_out_pieces(cut, size);
    while (cut->tries < cut->tries_max && leave_out_pieces(cut, 1))
        ;
}
