/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIXED_ARGS = 12, /* the name and the eleven fields before the entries */
    ARGS_PER_ENTRY = 3,
    NUMBER_MAX = 28, /* bytes of one number as a bulk */
};

static size_t data_length(const struct raft_entry *entry) {
    return entry->data ? entry->data->length : 0;
}

size_t wire_size(const struct raft_message *message) {
    size_t size = 32 + FIXED_ARGS * NUMBER_MAX;
    for (size_t i = 0; i < message->entries.count; i++)
        size += 3 * NUMBER_MAX + data_length(&message->entries.at[i]);
    return size;
}

enum { REJECTED = 1, TRANSFER = 2, FLAGS_END = 4 };

static uint64_t flags_of(const struct raft_message *message) {
    return (message->rejected ? REJECTED : 0) | (message->transfer ? TRANSFER : 0);
}

size_t wire_request_size(const struct resp_arg *args, size_t count) {
    size_t size = 32 + FIXED_ARGS * NUMBER_MAX;
    for (size_t i = FIXED_ARGS + 2; i < count; i += ARGS_PER_ENTRY)
        size += 3 * NUMBER_MAX + args[i].length;
    return size;
}

void wire_write_head(struct resp_buf *out, const struct raft_message *message, uint64_t clock_ms) {
    const uint64_t fields[] = {message->type,           message->from,   message->to,
                               message->term,           message->index,  message->log_term,
                               message->rejected_index, message->commit, message->round,
                               flags_of(message),       clock_ms};
    _Static_assert(sizeof fields / sizeof *fields == FIXED_ARGS - 1, "a field of RAFT.MSG is missing");
    resp_request(out, FIXED_ARGS + message->entries.count * ARGS_PER_ENTRY);
    resp_request_text(out, "RAFT.MSG");
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        resp_request_unsigned(out, fields[i]);
}

void wire_write_entry(struct resp_buf *out, const struct raft_entry *entry) {
    resp_request_unsigned(out, entry->term);
    resp_request_unsigned(out, entry->type);
    resp_request_bulk(out, entry->data ? entry->data->bytes : "", data_length(entry));
}

void wire_write_entry_head(struct resp_buf *out, const struct raft_entry *entry) {
    resp_request_unsigned(out, entry->term);
    resp_request_unsigned(out, entry->type);
    resp_request_bulk_header(out, data_length(entry));
}

void wire_write_piece_head(struct resp_buf *out, size_t whole, size_t offset, size_t length) {
    resp_request(out, 4);
    resp_request_text(out, "RAFT.PART");
    resp_request_unsigned(out, whole);
    resp_request_unsigned(out, offset);
    resp_request_bulk_header(out, length);
}

static bool read_unsigned(const struct resp_arg *arg, uint64_t *value) {
    int64_t signed_value;
    if (!resp_arg_integer(arg, &signed_value) || signed_value < 0)
        return false;
    *value = (uint64_t)signed_value;
    return true;
}

static bool read_entry(const struct resp_arg *args, struct raft_entry *entry) {
    uint64_t type;
    if (!read_unsigned(&args[0], &entry->term) || !read_unsigned(&args[1], &type))
        return false;
    bool has_data = type == RAFT_ENTRY_COMMAND || type == RAFT_ENTRY_MEMBERS;
    if (!has_data && (type != RAFT_ENTRY_NOOP || args[2].length != 0))
        return false;
    entry->type = (enum raft_entry_type)type;
    if (has_data) {
        entry->data = raft_blob_new(args[2].length);
        memcpy(entry->data->bytes, args[2].bytes, args[2].length);
    }
    return true;
}

bool wire_read(const struct resp_arg *args, size_t count, struct raft_message *message, uint64_t *clock_ms) {
    *message = (struct raft_message){0};
    if (count < FIXED_ARGS || (count - FIXED_ARGS) % ARGS_PER_ENTRY != 0)
        return false;
    uint64_t type, flags;
    uint64_t *const fields[] = {&type,
                                &message->from,
                                &message->to,
                                &message->term,
                                &message->index,
                                &message->log_term,
                                &message->rejected_index,
                                &message->commit,
                                &message->round,
                                &flags,
                                clock_ms};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!read_unsigned(&args[1 + i], fields[i]))
            return false;
    if (type < RAFT_PRE_VOTE || type >= RAFT_MESSAGE_TYPES || flags >= FLAGS_END)
        return false;
    message->type = (enum raft_message_type)type;
    message->rejected = flags & REJECTED;
    message->transfer = flags & TRANSFER;

    size_t entries = (count - FIXED_ARGS) / ARGS_PER_ENTRY;
    if (entries == 0)
        return true;
    message->entries.at = calloc(entries, sizeof *message->entries.at);
    if (!message->entries.at)
        abort();
    for (; message->entries.count < entries; message->entries.count++) {
        struct raft_entry *entry = &message->entries.at[message->entries.count];
        entry->index = message->index + 1 + message->entries.count;
        if (!read_entry(&args[FIXED_ARGS + message->entries.count * ARGS_PER_ENTRY], entry)) {
            wire_free(message);
            return false;
        }
    }
    return true;
}

void wire_free(struct raft_message *message) {
    for (size_t i = 0; i < message->entries.count; i++)
        raft_blob_unref(message->entries.at[i].data);
    free(message->entries.at);
    message->entries = (struct raft_entries){0};
}

enum wire_piece_result wire_piece(struct wire_pieces *pieces, const struct resp_arg *args, size_t count,
                                  size_t whole_max) {
    uint64_t whole, offset;
    if (count != 4 || !read_unsigned(&args[1], &whole) || !read_unsigned(&args[2], &offset))
        return WIRE_PIECE_INVALID;
    if (offset == 0) {
        wire_pieces_close(pieces); /* the sender began anew */
        pieces->whole = whole;
    }
    if (whole == 0 || whole > whole_max || whole != pieces->whole ||
        offset != resp_buf_length(&pieces->buf) || args[3].length > whole - offset)
        return WIRE_PIECE_INVALID;
    resp_buf_append(&pieces->buf, args[3].bytes, args[3].length);
    return resp_buf_length(&pieces->buf) == whole ? WIRE_PIECE_WHOLE : WIRE_PIECE_MORE;
}

void wire_pieces_close(struct wire_pieces *pieces) {
    resp_buf_close(&pieces->buf);
    *pieces = (struct wire_pieces){0};
}
