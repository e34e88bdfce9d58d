/* SPDX-License-Identifier: MIT */
/*
 * What a command may add to the keyspace, guessed from above before it is proposed: its own bytes and, where they say little, what they lead
 * to.
 *
 *      SETRANGE, SETBIT, BITFIELD     the place in the string that is written, less the string that is there
 *      COPY, SUNIONSTORE, BITOP ...   the values of the keys that are only read
 *      SORT .. GET .. STORE           the same, and what the patterns lead to for some of the elements
 *
 * What a script adds is not known.
 */
#include <string.h>

#include "eviction.h"
#include "node_state.h"

enum { ARGUMENT_COST = 32 }; /* of memory for each argument, beside its bytes */

/* ---- a place in a string ---------------------------------------------------------------------------------------- */

/* Bytes that a string has when a bit or byte there is written; 0: nobody knows. */
typedef size_t growth_end(const struct resp_command *command);

static size_t end_of_range(const struct resp_command *command) {
    int64_t offset;
    if (command->count < 4 || !resp_arg_integer(&command->args[2], &offset) || offset < 0)
        return 0;
    return (size_t)offset + command->args[3].length;
}

static size_t end_of_bit(const struct resp_command *command) {
    int64_t offset;
    if (command->count < 3 || !resp_arg_integer(&command->args[2], &offset) || offset < 0)
        return 0;
    return ((size_t)offset >> 3) + 1;
}

/* Of one field: its type, then where it is, in bits or ("#n") in fields of its width. */
static size_t end_of_field(const struct resp_arg args[2]) {
    int64_t width, offset;
    bool multiple = args[1].length > 1 && args[1].bytes[0] == '#';
    struct resp_arg digits = {args[0].bytes + 1, args[0].length - 1};
    struct resp_arg number = {args[1].bytes + multiple, args[1].length - multiple};
    if (args[0].length < 2 || !resp_arg_integer(&digits, &width) || width < 1 || width > 64 ||
        !resp_arg_integer(&number, &offset) || offset < 0 || offset > INT64_MAX / 128)
        return 0;
    return (((size_t)offset * (multiple ? (size_t)width : 1) + (size_t)width) >> 3) + 1;
}

static size_t end_of_fields(const struct resp_command *command) {
    size_t most = 0;
    for (size_t at = 2; at + 3 < command->count; at++) {
        if (!resp_arg_is(&command->args[at], "set") && !resp_arg_is(&command->args[at], "incrby"))
            continue;
        size_t end = end_of_field(&command->args[at + 1]);
        most = end > most ? end : most;
    }
    return most;
}

static size_t growth_by_place(struct node *node, unsigned db, const struct command *row,
                              const struct resp_command *command) {
    static const struct {
        const char *name;
        growth_end *end;
    } rows[] = {{"setrange", end_of_range}, {"setbit", end_of_bit}, {"bitfield", end_of_fields}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(row->name, rows[i].name) != 0)
            continue;
        size_t end = rows[i].end(command), there = 0;
        const struct item *item = keyspace_find(node->keyspace, db, &command->args[1]);
        if (item && item_type(item) == VALUE_STRING)
            there = item_string(item).length;
        return end > there ? end - there : 0;
    }
    return 0;
}

/* ---- what is copied ----------------------------------------------------------------------------------------------- */

/* The values of the keys that it only reads. */
static size_t growth_by_sources(struct node *node, unsigned db, const struct command *row,
                                const struct resp_command *command) {
    size_t bytes = 0;
    struct command_places places;
    for (size_t at = 0; row->keys && row->keys[at].flags; at++) {
        if (strncmp(row->keys[at].flags, "RO", 2) != 0 ||
            !command_places(row, at, command->args, command->count, &places))
            continue;
        for (size_t i = places.first; i <= places.last && i < command->count; i += places.step) {
            const struct item *item = keyspace_find(node->keyspace, db, &command->args[i]);
            bytes += item ? item_memory(item) : 0;
        }
    }
    return bytes;
}

static size_t growth_by_patterns(struct node *node, unsigned db, const struct command *row,
                                 const struct resp_command *command) {
    if (strcmp(row->name, "sort") != 0)
        return 0;
    struct resp_buf ignored = {0};
    struct resp_out out = {.buf = &ignored, .protocol = 2};
    struct call call = {
        .keyspace = node->keyspace,
        .command = row,
        .args = command->args,
        .count = command->count,
        .db = db,
        .wall_ms = keyspace_clock(node->keyspace),
        .reply = &out,
        .no_touch = true,
    };
    size_t bytes = command_sort_stores(&call);
    resp_buf_close(&ignored);
    return bytes;
}

size_t eviction_growth(struct node *node, unsigned db, const struct command *row,
                       const struct resp_command *command) {
    if (node->conf->maxmemory == 0 || !(row->flags & COMMAND_DENYOOM))
        return 0;
    return command->raw_length + ARGUMENT_COST * command->count + growth_by_place(node, db, row, command) +
           growth_by_sources(node, db, row, command) + growth_by_patterns(node, db, row, command);
}
