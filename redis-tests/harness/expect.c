/* SPDX-License-Identifier: MIT */
#include "expect.h"

#include <string.h>

#include "harness.h"

bool expect_matches(const char *reply, const char *pattern) {
    size_t length = strlen(pattern);
    if (length > 1 && pattern[length - 1] == '*')
        return strncmp(reply, pattern, length - 1) == 0;
    return strcmp(reply, pattern) == 0;
}

void expect_start(struct wire *wire, const char *request, const char *start) {
    const char *reply = wire_ask(wire, request);
    if (strncmp(reply, start, strlen(start)) != 0)
        harness_fail("%s: %s, expected %s", request, reply, start);
}

void expect_exchanges(struct wire *wire, const struct exchange *exchanges, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *reply = wire_ask(wire, exchanges[i].request);
        if (!expect_matches(reply, exchanges[i].reply))
            harness_fail("%s\n  expected %s\n  got      %s", exchanges[i].request, exchanges[i].reply, reply);
    }
}
