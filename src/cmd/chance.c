/* SPDX-License-Identifier: MIT */
#include "chance.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

static uint64_t next(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

size_t chance_below(uint64_t *state, size_t limit) {
    assert(limit > 0);
    return (size_t)(next(state) % limit);
}

/* Numbers seen so far, in a table that is at most half full; each is kept as number + 1, 0 is a free place. */
struct seen {
    size_t *table, mask;
};

/* False: it was there. */
static bool see(struct seen *seen, size_t number) {
    uint64_t state = number;
    size_t at = (size_t)next(&state) & seen->mask;
    for (; seen->table[at] != 0; at = (at + 1) & seen->mask)
        if (seen->table[at] == number + 1)
            return false;
    seen->table[at] = number + 1;
    return true;
}

/* Floyd's way (Bentley, Floyd: A sample of brilliance, 1987): as many draws as numbers, and memory for no more. */
size_t *chance_choose(uint64_t *state, size_t limit, size_t count) {
    size_t places = 2;
    assert(count <= limit);
    while (places < count * 2)
        places *= 2;
    struct seen seen = {calloc(places, sizeof(size_t)), places - 1};
    size_t *chosen = malloc((count + 1) * sizeof *chosen);
    if (!seen.table || !chosen)
        abort();
    for (size_t i = 0; i < count; i++) {
        size_t top = limit - count + i, drawn = chance_below(state, top + 1);
        chosen[i] = see(&seen, drawn) ? drawn : top;
        if (chosen[i] == top && drawn != top)
            (void)see(&seen, top);
    }
    free(seen.table);
    return chosen;
}
