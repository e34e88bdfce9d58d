/* SPDX-License-Identifier: MIT */
/*
 * An entry's commands, read some at a time before the first of them is executed. In a keyspace that the caches do not hold, a command
 * mostly waits for memory; of several commands that are known, the waits are one.
 */
#ifndef AHEAD_H
#define AHEAD_H

#include "../raft/raft.h"
#include "cmd/command.h"
#include "entry.h"

struct ahead;

struct ahead_command {
    struct resp_command words;
    const struct command *row;
    unsigned db;
    bool no_room;
    struct origin origin;
};

struct ahead *ahead_new(void);
void ahead_free(struct ahead *ahead);

/* Begins an entry; as entry_open. The blob must last until the last command was taken. */
bool ahead_open(struct ahead *ahead, const struct raft_blob *blob, struct entry_reader *reader);
/* The next command; NULL when there is none. It holds until the next call. */
const struct ahead_command *ahead_next(struct ahead *ahead, struct keyspace *keyspace);

#endif
