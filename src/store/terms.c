/* SPDX-License-Identifier: MIT */
/* Which term each entry of the log has: a row for each term, for entries of one follow each other. */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void store_terms_add(struct store_terms *terms, raft_term term, raft_index index) {
    size_t count = terms->count;

    if (count > 0 && terms->at[count - 1].term == term)
        return;
    assert(count == 0 || (terms->at[count - 1].term < term && terms->at[count - 1].first_index < index));
    if ((count & (count - 1)) == 0) { /* full at each power of two */
        terms->at = realloc(terms->at, (count == 0 ? 1 : 2 * count) * sizeof(*terms->at));
        if (terms->at == NULL)
            abort();
    }
    terms->at[terms->count++] = (struct raft_term_start){term, index};
}

/* The row that holds it; the first one if it is before all. */
static size_t row_of(const struct store_terms *terms, raft_index index) {
    size_t row = terms->count;

    while (row > 1 && terms->at[row - 1].first_index > index)
        row--;
    return row - 1;
}

raft_term store_terms_find(const struct store_terms *terms, raft_index index) {
    assert(terms->count > 0 && index >= terms->at[0].first_index);
    return terms->at[row_of(terms, index)].term;
}

void store_terms_cut(struct store_terms *terms, raft_index index) {
    while (terms->count > 0 && terms->at[terms->count - 1].first_index >= index)
        terms->count--;
}

void store_terms_begin(struct store_terms *terms, raft_index index) {
    size_t row = terms->count > 0 ? row_of(terms, index) : 0;

    if (terms->count == 0)
        return;
    terms->count -= row;
    memmove(terms->at, terms->at + row, terms->count * sizeof(*terms->at));
    if (terms->at[0].first_index < index)
        terms->at[0].first_index = index;
}

raft_term store_terms_last(const struct store_terms *terms) {
    return terms->count > 0 ? terms->at[terms->count - 1].term : 0;
}

struct store_terms store_terms_copy(const struct store_terms *terms) {
    struct store_terms copy = {0};

    for (size_t i = 0; i < terms->count; i++)
        store_terms_add(&copy, terms->at[i].term, terms->at[i].first_index);
    return copy;
}

void store_terms_free(struct store_terms *terms) {
    free(terms->at);
    *terms = (struct store_terms){0};
}
