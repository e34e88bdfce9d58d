/* SPDX-License-Identifier: MIT */
/*
 * A Raft message as a RESP request, between peers:
 *
 *     RAFT.MSG <type> <from> <to> <term> <index> <log term> <rejected index> <commit> <round> <flags> <clock>
 *              { <term> <type> <data> } ...
 *
 * All numbers are decimal; the flags are a sum: 1 rejected, 2 the campaign of a transfer; `clock` is the sender's wall clock in Unix milliseconds when it sent (design, section 4); the entries
 * that follow have the indexes index+1, index+2 ... A request larger than WIRE_MESSAGE_MAX goes in pieces, in order, on the same link:
 *
 *     RAFT.PART <bytes of the whole request> <offset of this piece> <piece>
 *
 * Requests are one-way. The receiver answers with the number of bytes that it has taken in all from this connection (`:<bytes>`) when
 * WIRE_CREDIT_BYTES more have come since the last answer: a sender that is WIRE_WINDOW_BYTES ahead of it drops messages instead of piling them up.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../raft/raft.h"
#include "../resp/resp.h"

enum {
    WIRE_MESSAGE_MAX = 256 * 1024,
    WIRE_CREDIT_BYTES = 512 * 1024,
    WIRE_WINDOW_BYTES = 64 * 1024 * 1024,
};

/* Bytes that the message takes at most. */
size_t wire_size(const struct raft_message *message);
/* The same of a request that was received: what is in flight counts alike on both sides. */
size_t wire_request_size(const struct resp_arg *args, size_t count);
/* Append the request in parts: what comes before the entries; an entry; or what comes before an entry's bytes, which CRLF follows. */
void wire_write_head(struct resp_buf *out, const struct raft_message *message, uint64_t clock_ms);
void wire_write_entry(struct resp_buf *out, const struct raft_entry *entry);
void wire_write_entry_head(struct resp_buf *out, const struct raft_entry *entry);
/* All of a RAFT.PART that comes before the piece's bytes. After them only CRLF is missing. */
void wire_write_piece_head(struct resp_buf *out, size_t whole, size_t offset, size_t length);
/* Reads a request's arguments. The entries' array and blobs are the caller's: wire_free. False when it is malformed; nothing is left then. */
bool wire_read(const struct resp_arg *args, size_t count, struct raft_message *message, uint64_t *clock_ms);
void wire_free(struct raft_message *message);

/* A request that comes in pieces. All zeros is none. */
struct wire_pieces {
    struct resp_buf buf;
    size_t whole; /* bytes of the whole; 0: none under way */
};
enum wire_piece_result { WIRE_PIECE_MORE, WIRE_PIECE_WHOLE, WIRE_PIECE_INVALID };
/* Takes a RAFT.PART's arguments; at WHOLE pieces->buf holds the request, to be parsed and then dropped with wire_pieces_close. */
enum wire_piece_result wire_piece(struct wire_pieces *pieces, const struct resp_arg *args, size_t count,
                                  size_t whole_max);
void wire_pieces_close(struct wire_pieces *pieces);

#endif
