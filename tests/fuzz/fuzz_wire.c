/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes what a peer may send: a stream of requests, each taken as a message and as a piece of one. A message that is read and
 * written again is the same request; pieces never make more than what they announced.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "../wire_whole.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WHOLE_MAX = 64 * 1024 };

static bool same(const struct raft_message *a, const struct raft_message *b) {
    bool ok = a->type == b->type && a->from == b->from && a->to == b->to && a->term == b->term &&
              a->index == b->index && a->log_term == b->log_term && a->rejected_index == b->rejected_index &&
              a->commit == b->commit && a->round == b->round && a->rejected == b->rejected &&
              a->transfer == b->transfer && a->entries.count == b->entries.count;
    for (size_t i = 0; ok && i < a->entries.count; i++) {
        const struct raft_entry *one = &a->entries.at[i], *two = &b->entries.at[i];
        ok = one->index == two->index && one->term == two->term && one->type == two->type &&
             (one->data == NULL) == (two->data == NULL);
        if (ok && one->data != NULL)
            ok = one->data->length == two->data->length &&
                 memcmp(one->data->bytes, two->data->bytes, one->data->length) == 0;
    }
    return ok;
}

static void check_message(const struct resp_command *command) {
    struct raft_message message, again;
    uint64_t clock_ms, clock_again_ms;
    if (!wire_read(command->args, command->count, &message, &clock_ms))
        return;
    struct resp_buf buf = {0};
    struct resp_command second;
    struct resp_parser *parser = resp_parser_new();
    wire_whole(&buf, &message, clock_ms);
    assert(resp_buf_length(&buf) <= wire_size(&message));
    enum resp_outcome outcome =
        resp_parse(parser, resp_buf_bytes(&buf), resp_buf_length(&buf), &resp_limits_redis, &second);
    assert(outcome == RESP_COMMAND && second.consumed == resp_buf_length(&buf));
    assert(wire_read(second.args, second.count, &again, &clock_again_ms));
    assert(same(&message, &again) && clock_ms == clock_again_ms);
    wire_free(&again);
    wire_free(&message);
    resp_parser_free(parser);
    resp_buf_close(&buf);
}

static void check_piece(struct wire_pieces *pieces, const struct resp_command *command) {
    enum wire_piece_result result = wire_piece(pieces, command->args, command->count, WHOLE_MAX);
    assert(pieces->whole <= WHOLE_MAX || result == WIRE_PIECE_INVALID);
    if (result == WIRE_PIECE_WHOLE)
        assert(resp_buf_length(&pieces->buf) == pieces->whole);
    if (result != WIRE_PIECE_MORE)
        wire_pieces_close(pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct resp_parser *parser = resp_parser_new();
    struct wire_pieces pieces = {0};
    struct resp_command command;
    const char *at = (const char *)data, *end = at + size;
    while (size > 0 &&
           resp_parse(parser, at, (size_t)(end - at), &resp_limits_redis, &command) == RESP_COMMAND) {
        check_message(&command);
        check_piece(&pieces, &command);
        at += command.consumed;
    }
    wire_pieces_close(&pieces);
    resp_parser_free(parser);
    return 0;
}
