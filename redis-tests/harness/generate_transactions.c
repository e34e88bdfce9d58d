/* SPDX-License-Identifier: MIT */
/* Transactions. A MULTI is followed by a few commands and an EXEC, a WATCH mostly by a MULTI; each also stands where it does not belong. */
#include <string.h>

#include "generate_parts.h"

static const struct generate_row rows[] = {
    {"MULTI", 45, "", COMPARE_BYTES},  {"EXEC", 8, "", COMPARE_BYTES},    {"DISCARD", 6, "", COMPARE_BYTES},
    {"WATCH", 40, "K", COMPARE_BYTES}, {"UNWATCH", 4, "", COMPARE_BYTES}, {0},
};

const struct generate_family generate_transactions = {.rows = rows};

/* What follows a command of the family. */
void generate_transactions_follow(uint64_t *seed, struct request *request, const struct generate_row *row) {
    enum { COMMANDS_MAX = 9 };
    if (strcmp(row->name, "MULTI") == 0)
        request->exec_in = 1 + (unsigned)generate_below(seed, COMMANDS_MAX);
    if (strcmp(row->name, "WATCH") == 0 && !generate_one_in(seed, 4)) {
        request->held = &rows[0];
        request->held_family = &generate_transactions;
    }
}

/* The EXEC that is due, or NULL. */
const struct generate_row *generate_transactions_due(struct request *request) {
    if (request->exec_in == 0 || --request->exec_in > 0)
        return NULL;
    return &rows[1];
}
