/* SPDX-License-Identifier: MIT */
/* Requests, alone and in tables, and the replies that must come. */
#ifndef EXPECT_H
#define EXPECT_H

#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

struct exchange {
    const char *request;
    const char *reply; /* as wire_text has it; a '*' at its end, behind other text, stands for anything */
};

bool expect_matches(const char *reply, const char *pattern);
/* Sends it and fails the test when the reply does not begin so. */
void expect_start(struct wire *wire, const char *request, const char *start);
/* Sends each and fails the test at the first reply that does not match. */
void expect_exchanges(struct wire *wire, const struct exchange *exchanges, size_t count);
#define EXPECT(wire, exchanges) expect_exchanges(wire, exchanges, sizeof(exchanges) / sizeof(*(exchanges)))

#endif
