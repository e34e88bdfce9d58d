/* SPDX-License-Identifier: MIT */
/*
 * Majorities. Every decision of Raft has the same form: each voter has reached some number (an index it holds, a round
 * it has acknowledged, a time when it was heard), and what counts is the greatest number that a majority has reached.
 *
 *      matches of five voters, sorted    9  7  7  4  2
 *                                              ^ three of five hold 7: 7 is on a majority
 */
#include "internal.h"

size_t raft_quorum(size_t voters) {
    return voters / 2 + 1;
}

uint64_t raft_quorum_reached(uint64_t *values, size_t count) {
    assert(count > 0);
    for (size_t i = 1; i < count; i++) {
        uint64_t value = values[i];
        size_t place = i;
        for (; place > 0 && values[place - 1] < value; place--)
            values[place] = values[place - 1];
        values[place] = value;
    }
    return values[raft_quorum(count) - 1];
}
