/* SPDX-License-Identifier: MIT */
/* From a long sequence that fails to the few of its parts that matter. */
#ifndef CUT_H
#define CUT_H

#include <stddef.h>

/* Tries kept[0] .. kept[count - 1], from a fresh state. Returns how many of them it took to fail; 0: they do not. */
typedef size_t cut_try(void *context, const size_t *kept, size_t count);

struct cut {
    size_t *kept; /* numbers of the parts, ascending; of which the last is the one that fails */
    size_t count;
    size_t tries, tries_max; /* done so far; at most */
    cut_try *try;
    void *context;
};

/* Takes parts away as long as the rest fails. When it ends before tries_max, none of them alone can be left out. */
void cut_down(struct cut *cut);

#endif
