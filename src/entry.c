/* SPDX-License-Identifier: MIT */
#include "entry.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "level.h"

/* A log may hold what an earlier configuration allowed: replay parses without limits. */
static const struct resp_limits no_limits = {
    .bulk_max = SIZE_MAX / 4, .args_max = SIZE_MAX / 4, .inline_max = SIZE_MAX / 4};

/* One row speaks for all that follow each other. */
void entry_add_origin(struct entry_builder *builder, const struct origin *origin) {
    struct resp_buf *commands = &builder->commands;
    const struct origin *next = &builder->run_next;
    bool goes_on = builder->run > 0 && builder->run < ORIGIN_RUN_MAX &&
                   builder->run_end == resp_buf_length(commands) && origin->node == next->node &&
                   origin->upstream == next->upstream && origin->request == next->request;
    if (goes_on) {
        origin_write_count(commands->bytes + commands->start + builder->run_at, ++builder->run);
    } else {
        char bytes[ORIGIN_BYTES_MAX];
        size_t length = origin_write(bytes, origin, 1);
        resp_request(commands, 2);
        resp_request_text(commands, "BY");
        resp_request_bulk(commands, bytes, length);
        builder->run_at = resp_buf_length(commands) - length - 2;
        builder->run = 1;
    }
    builder->run_next = *origin;
    builder->run_next.request++;
    builder->run_open = true;
}

void entry_add(struct entry_builder *builder, unsigned db, const struct resp_command *command) {
    assert(command->count > 0);
    if (builder->db != db) {
        resp_request(&builder->commands, 2);
        resp_request_text(&builder->commands, "SELECT");
        resp_request_unsigned(&builder->commands, db);
        builder->db = db;
    }
    resp_buf_append(&builder->commands, command->raw, command->raw_length);
    builder->count++;
    if (builder->run_open)
        builder->run_end = resp_buf_length(&builder->commands);
    builder->run_open = false;
}

void entry_add_transaction(struct entry_builder *builder, const struct entry_transaction *transaction) {
    assert(transaction->commands > 0);
    builder->run = 0; /* it ends with this one */
    builder->run_open = false;
    resp_request(&builder->commands, 4 + 3 * transaction->watched);
    resp_request_text(&builder->commands, "MULTI");
    resp_request_unsigned(&builder->commands, transaction->commands);
    resp_request_unsigned(&builder->commands, transaction->since);
    resp_request_unsigned(&builder->commands, transaction->upheavals);
}

void entry_add_watch(struct entry_builder *builder, unsigned db, bool present, const struct resp_arg *key) {
    resp_request_unsigned(&builder->commands, db);
    resp_request_unsigned(&builder->commands, present);
    resp_request_bulk(&builder->commands, key->bytes, key->length);
}

void entry_add_room(struct entry_builder *builder, bool no_room) {
    if (builder->no_room == no_room)
        return;
    resp_request(&builder->commands, 2);
    resp_request_text(&builder->commands, "ROOM");
    resp_request_unsigned(&builder->commands, !no_room);
    builder->no_room = no_room;
}

size_t entry_size(const struct entry_builder *builder) {
    return resp_buf_length(&builder->commands) + ENTRY_OVERHEAD_MAX;
}

struct raft_blob *entry_close(struct entry_builder *builder, unsigned level, uint64_t clock_ms) {
    enum { COMMANDS_KEPT_MAX = 1024 * 1024 };
    struct resp_buf header = {0};
    assert(level >= LEVEL_FIRST && level <= LEVEL_NEWEST);
    resp_request(&header, 3);
    resp_request_text(&header, "ENTRY");
    resp_request_unsigned(&header, level);
    resp_request_unsigned(&header, clock_ms);

    size_t header_length = resp_buf_length(&header), length = resp_buf_length(&builder->commands);
    struct raft_blob *blob = raft_blob_new(header_length + length);
    memcpy(blob->bytes, resp_buf_bytes(&header), header_length);
    if (length > 0)
        memcpy(blob->bytes + header_length, resp_buf_bytes(&builder->commands), length);
    resp_buf_close(&header);
    resp_buf_consume(&builder->commands, length, COMMANDS_KEPT_MAX);
    builder->db = 0;
    builder->no_room = false;
    builder->count = builder->run = 0;
    return blob;
}

void entry_builder_close(struct entry_builder *builder) {
    resp_buf_close(&builder->commands);
    memset(builder, 0, sizeof *builder);
}

static enum resp_outcome reader_parse(struct entry_reader *reader, struct resp_command *command) {
    enum resp_outcome outcome = resp_parse(reader->parser, reader->bytes + reader->at,
                                           reader->length - reader->at, &no_limits, command);
    if (outcome == RESP_COMMAND)
        reader->at += command->consumed;
    return outcome;
}

bool entry_open(struct entry_reader *reader, const struct raft_blob *blob, struct resp_parser *parser) {
    *reader = (struct entry_reader){.bytes = blob->bytes, .length = blob->length, .parser = parser};
    resp_parser_reset(parser);
    struct resp_command header;
    int64_t level, clock_ms;
    if (reader_parse(reader, &header) != RESP_COMMAND || header.count < 3 ||
        !resp_arg_is(&header.args[0], "ENTRY") || !resp_arg_integer(&header.args[1], &level) ||
        !resp_arg_integer(&header.args[2], &clock_ms) || level < 1 || level > UINT_MAX || clock_ms < 0)
        return false;
    reader->level = (unsigned)level;
    reader->clock_ms = (uint64_t)clock_ms;
    return level <= LEVEL_NEWEST;
}

static bool read_origin(struct entry_reader *reader, const struct resp_command *command) {
    if (!resp_arg_is(&command->args[0], "BY"))
        return false;
    bool understood = command->count == 2 && origin_read(&command->args[1], &reader->run_next, &reader->run);
    assert(understood);
    (void)understood;
    return true;
}

/* SELECT or ROOM, which say how to read on. */
static bool read_setting(struct entry_reader *reader, const struct resp_command *command) {
    bool is_select = resp_arg_is(&command->args[0], "SELECT");
    int64_t value = -1;
    if (!is_select && !resp_arg_is(&command->args[0], "ROOM"))
        return false;
    bool understood = command->count == 2 && resp_arg_integer(&command->args[1], &value) && value >= 0 &&
                      value <= (is_select ? (int64_t)UINT_MAX : 1);
    assert(understood);
    (void)understood;
    if (is_select)
        reader->db = (unsigned)value;
    else
        reader->no_room = value == 0;
    return true;
}

bool entry_next(struct entry_reader *reader, struct resp_command *command) {
    while (reader->at < reader->length) {
        enum resp_outcome outcome = reader_parse(reader, command);
        assert(outcome == RESP_COMMAND && command->count > 0);
        (void)outcome;
        if (read_setting(reader, command) || read_origin(reader, command))
            continue;
        reader->origin = reader->run > 0 ? reader->run_next : (struct origin){.node = 0};
        reader->run_next.request++;
        reader->run -= reader->run > 0;
        return true;
    }
    return false;
}

static uint64_t number(const struct resp_arg *arg) {
    int64_t value = -1;
    bool understood = resp_arg_integer(arg, &value);
    assert(understood && value >= 0);
    (void)understood;
    return (uint64_t)value;
}

bool entry_is_transaction(const struct resp_command *command, struct entry_transaction *transaction) {
    if (!resp_arg_is(&command->args[0], "MULTI"))
        return false;
    assert(command->count >= 4 && (command->count - 4) % 3 == 0);
    *transaction = (struct entry_transaction){
        .commands = number(&command->args[1]),
        .since = number(&command->args[2]),
        .upheavals = number(&command->args[3]),
        .watched = (command->count - 4) / 3,
        .watches = command->args + 4,
    };
    return true;
}

void entry_watch(const struct entry_transaction *transaction, size_t at, unsigned *db, bool *present,
                 const struct resp_arg **key) {
    const struct resp_arg *watch = transaction->watches + 3 * at;
    assert(at < transaction->watched);
    *db = (unsigned)number(&watch[0]);
    *present = number(&watch[1]) != 0;
    *key = &watch[2];
}
