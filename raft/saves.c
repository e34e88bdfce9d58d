/* SPDX-License-Identifier: MIT */
/*
 * What is on its way to the disk.
 *
 * Several readies may be under way at once, and what one of them saves may be overwritten by the next before either is
 * durable. Told only "(index, term) is durable" one could not tell a first write from its overwriting twin:
 *
 *      1. ready 5 saves entries 7..9 of term 3
 *      2. a leader of term 4 replaces them: ready 6 saves 7..8 of term 4
 *      3. "ready 5 is durable" arrives: 7..9 as they are on disk now are not the log's any more, nothing beyond 6 is
 *
 * So each ready has a number, each save remembers how far the log is durable with it, and cutting the log cuts that too.
 */
#include <string.h>

#include "internal.h"

uint64_t raft_saves_push(struct raft_saves *saves, struct raft_vote vote, raft_index last) {
    assert(saves->count == 0 || saves->at[saves->count - 1].last <= last);
    saves->at = raft_grow(saves->at, &saves->capacity, saves->count + 1, sizeof *saves->at);
    saves->at[saves->count++] = (struct raft_save){.sequence = ++saves->sequence, .vote = vote, .last = last};
    return saves->sequence;
}

void raft_saves_clip(struct raft_saves *saves, raft_index last) {
    for (size_t i = 0; i < saves->count; i++)
        if (saves->at[i].last > last)
            saves->at[i].last = last;
}

bool raft_saves_pop(struct raft_saves *saves, uint64_t sequence, struct raft_save *save) {
    assert(sequence <= saves->sequence); /* else durable before it was handed out */
    size_t count = 0;
    while (count < saves->count && saves->at[count].sequence <= sequence)
        count++;
    if (count == 0)
        return false;
    *save = saves->at[count - 1]; /* the newest holds the others: `last` ascends */
    saves->count -= count;
    memmove(saves->at, saves->at + count, saves->count * sizeof *saves->at);
    return true;
}
