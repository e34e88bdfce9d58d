/* SPDX-License-Identifier: MIT */
/*
 * What a log entry holds: a batch of commands as RESP, headed by the level and the clock under which they are applied.
 *
 *     *3 ENTRY <feature level> <clock, Unix milliseconds>     always first
 *     *2 SELECT <database>                                    when the next command's database is not the last one's (0 at first)
 *     <command, the client's own canonical multibulk>         any number, in order
 *
 * Example, INCR n in database 2:
 *
 *     *3\r\n$5\r\nENTRY\r\n$1\r\n1\r\n$13\r\n1700000000000\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n
 *
 * SELECT never changes the keyspace, so as a row of an entry it cannot be mistaken for a client's command.
 */
#ifndef ENTRY_H
#define ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../raft/raft.h"
#include "../resp/resp.h"

enum {
    ENTRY_OVERHEAD_MAX = 128, /* bytes that the header and one SELECT add at most */
};

/* A batch being gathered. All zeros is an empty one. */
struct entry_builder {
    struct resp_buf commands;
    unsigned db; /* of the last command */
    size_t count;
};

void entry_add(struct entry_builder *builder, unsigned db, const struct resp_command *command);
/* Bytes of the entry if it were closed now. */
size_t entry_size(const struct entry_builder *builder);
/* The entry, written at this feature level (level.h), with one reference; the builder is empty again and keeps its memory. */
struct raft_blob *entry_close(struct entry_builder *builder, unsigned level, uint64_t clock_ms);
void entry_builder_close(struct entry_builder *builder);

/* Reads an entry back, command by command. */
struct entry_reader {
    const char *bytes;
    size_t length, at;
    struct resp_parser *parser; /* borrowed */
    unsigned level;
    uint64_t clock_ms;
    unsigned db; /* of the command returned last */
};

/* False when it is no entry or its level is above LEVEL_NEWEST (reader->level says; 0: it is none). The parser must not be in use elsewhere meanwhile. */
bool entry_open(struct entry_reader *reader, const struct raft_blob *blob, struct resp_parser *parser);
/* The next command, with reader->db set; false at the end. A malformed entry asserts: every replica would meet it. */
bool entry_next(struct entry_reader *reader, struct resp_command *command);

#endif
