/* SPDX-License-Identifier: MIT */
/*
 * What a log entry holds: a batch of commands as RESP, headed by the level and the clock under which they are applied.
 *
 *     *3 ENTRY <feature level> <clock, Unix milliseconds>     always first
 *     *2 SELECT <database>                                    when the next command's database is not the last one's (0 at first)
 *     *2 ROOM <0: there is none, 1>                           when, for the scripts behind it, this is not as before (1 at first)
 *     *2 BY <origin>                                          before commands that came by a proxy: whose they are (origin.h)
 *     <command, the client's own canonical multibulk>         any number, in order
 *
 * Example, INCR n in database 2:
 *
 *     *3\r\n$5\r\nENTRY\r\n$1\r\n1\r\n$13\r\n1700000000000\r\n*2\r\n$6\r\nSELECT\r\n$1\r\n2\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n
 *
 * SELECT never changes the keyspace, so as a row of an entry it cannot be mistaken for a client's command. Nor can MULTI, which says how
 * many of the commands behind it are one transaction, and under which conditions they are carried out:
 *
 *     *<4+3k> MULTI <commands> <since> <upheavals>   { <database> <1: the key was there, 0: not> <key> } ...
 *
 * None of them is when one of the k keys has changed after the entry `since` (data/watch.c). Reads of a transaction, and whatever
 * it asks of its session, are not here: they are for its sender alone.
 */
#ifndef ENTRY_H
#define ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../raft/raft.h"
#include "../resp/resp.h"
#include "origin.h"

enum {
    ENTRY_OVERHEAD_MAX = 192, /* bytes that the header and one row of each kind add at most */
};

/* The head of a transaction. */
struct entry_transaction {
    size_t commands; /* that follow */
    raft_index since;
    uint64_t upheavals; /* keyspace_upheavals, then */
    size_t watched;
    const struct resp_arg *watches; /* when read: three for each */
};

/* A batch being gathered. All zeros is an empty one. */
struct entry_builder {
    struct resp_buf commands;
    unsigned db;  /* of the last command */
    bool no_room; /* for scripts */
    size_t count;
    size_t run_at, run_end,
        run; /* the last row that says whose: its argument, the end of what it speaks for, how many they are */
    struct origin run_next; /* whose the next would have to be */
    bool run_open;          /* its next command is not there yet */
};

/* Whose the next command, or transaction, is. */
void entry_add_origin(struct entry_builder *builder, const struct origin *origin);
void entry_add(struct entry_builder *builder, unsigned db, const struct resp_command *command);
/* The head of a transaction; `watched` times entry_add_watch, then its commands follow. */
void entry_add_transaction(struct entry_builder *builder, const struct entry_transaction *transaction);
void entry_add_watch(struct entry_builder *builder, unsigned db, bool present, const struct resp_arg *key);
/* Scripts that follow may not let the data grow, or may again. */
void entry_add_room(struct entry_builder *builder, bool no_room);
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
    bool no_room;
    struct origin origin, run_next; /* whose that command is; whose the next is, if the row speaks for it */
    size_t run;                     /* commands that it still speaks for */
};

/* False when it is no entry or its level is above LEVEL_NEWEST (reader->level says; 0: it is none). The parser must not be in use elsewhere meanwhile. */
bool entry_open(struct entry_reader *reader, const struct raft_blob *blob, struct resp_parser *parser);
/* The next command, with reader->db set; false at the end. A malformed entry asserts: every replica would meet it. */
bool entry_next(struct entry_reader *reader, struct resp_command *command);
/* Whether the command is the head of a transaction, which is then read. */
bool entry_is_transaction(const struct resp_command *command, struct entry_transaction *transaction);
/* One of the keys that it watches. */
void entry_watch(const struct entry_transaction *transaction, size_t at, unsigned *db, bool *present,
                 const struct resp_arg **key);

#endif
