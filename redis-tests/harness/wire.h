/* SPDX-License-Identifier: MIT */
/*
 * A connection as bytes: for RESP3, for what no library would send, and for comparing replies byte for byte.
 * Nothing here fails a test; may be used from any thread.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire;

enum wire_result { WIRE_OK, WIRE_CLOSED, WIRE_TIMEOUT };

/* Connects; NULL when that is refused or takes too long. Every later call is bounded by `timeout_ms`. */
struct wire *wire_open_at(const char *host, unsigned port, uint64_t timeout_ms);
/* To 127.0.0.1. */
struct wire *wire_open(unsigned port, uint64_t timeout_ms);
void wire_close(struct wire *wire); /* NULL is allowed */
int wire_descriptor(const struct wire *wire);
void wire_set_timeout(struct wire *wire, uint64_t timeout_ms);

/* Sends bytes as they are; false when the connection is lost or does not take them in time. */
bool wire_send(struct wire *wire, const void *bytes, size_t length);
/* Sends a command, its words apart by single spaces. */
bool wire_send_words(struct wire *wire, const char *words);
/* One whole reply, unparsed; it holds until the next call. */
enum wire_result wire_read(struct wire *wire, const char **bytes, size_t *length);
/* The bytes that came and were not yet taken as a reply. */
size_t wire_waiting(const struct wire *wire);

/* Sends a command and returns its reply as wire_text has it, or "closed" or "timeout". Holds until the next call. */
const char *wire_ask(struct wire *wire, const char *words);
/* Reads one more reply, as text. */
const char *wire_next(struct wire *wire);
/* A reply in one line: CR LF become single spaces, other control characters \xNN: "*2 $1 a :1". */
char *wire_text(const char *bytes, size_t length);
/* Bytes of the whole reply at the start of what is there; 0 when it is not all there; -1 when it is no reply. */
long wire_reply_length(const char *bytes, size_t length);

#endif
