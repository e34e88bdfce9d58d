/* SPDX-License-Identifier: MIT */
/*
 * Commands in the order in which they are sent, over two connections to each server: the first speaks RESP2, the second RESP3. Kept
 * in memory; and as a file, one command a line:
 *
 *     2 m bytes "SET" "key:1" "\x00\xff"
 *     | | |     '-- the words, as redis-cli takes them
 *     | | '-- how the replies are compared
 *     | '-- sent as a multibulk, or in one line (i); M and I: and the next one must come right behind it
 *     '-- the connection's protocol
 */
#ifndef SEQUENCE_H
#define SEQUENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "generate.h"

enum { SEQUENCE_CONNECTIONS = 2 };

struct word {
    const char *bytes;
    size_t length;
};

struct sent {
    size_t first, count;      /* its words */
    unsigned char connection; /* 0 or 1 */
    bool as_inline;
    bool joined; /* the next one must come right behind it */
    enum comparison comparison;
};

/* All zeros: empty. */
struct sequence {
    struct sent *commands;
    size_t count, room;
    struct {
        size_t start, length;
    } * words;
    size_t word_count, word_room;
    char *bytes;
    size_t used, bytes_room;
};

void sequence_close(struct sequence *sequence);
void sequence_clear(struct sequence *sequence);
void sequence_add(struct sequence *sequence, const struct request *request, enum comparison comparison,
                  bool as_inline, unsigned connection);
/* The words of a command; room for GENERATE_ARGS_MAX. Returns their number. */
size_t sequence_words(const struct sequence *sequence, size_t at, struct word *words);
/* The word with this number, or an empty one behind the last. */
struct word sequence_word(const struct sequence *sequence, size_t at, size_t word);
/* Whether it is this one word, in whatever case. */
bool sequence_is(const struct sequence *sequence, size_t at, const char *name);
bool sequence_word_is(struct word word, const char *text);
/* Bytes that sequence_encode may need for it. */
size_t sequence_size(const struct sequence *sequence, size_t at);
size_t sequence_encode(const struct sequence *sequence, size_t at, char *out);
/* The words as redis-cli takes them; free it. */
char *sequence_line(const struct sequence *sequence, size_t at);

/* The commands kept[0] .. kept[count - 1], as a file. */
void sequence_save(const struct sequence *sequence, const size_t *kept, size_t count, const char *path);
/* Fails the test when there is none, or a wrong line in it. */
void sequence_load(struct sequence *sequence, const char *path);

/* As it is sent: multibulk, or inline with everything quoted. Returns the bytes written to `out`, which has room for
 * 4 times the words' bytes and 64 for each. */
size_t words_encode(const struct word *words, size_t count, bool as_inline, char *out);

#endif
