/* SPDX-License-Identifier: MIT */
/*
 * A Raft message as one request, each entry's bytes copied: for who only wants the bytes.
 */
#ifndef WIRE_WHOLE_H
#define WIRE_WHOLE_H

#include "../src/wire.h"

static inline void wire_whole(struct resp_buf *out, const struct raft_message *message, uint64_t clock_ms) {
    wire_write_head(out, message, clock_ms);
    for (size_t i = 0; i < message->entries.count; i++)
        wire_write_entry(out, &message->entries.at[i]);
}

#endif
