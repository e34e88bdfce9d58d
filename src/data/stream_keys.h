/* SPDX-License-Identifier: MIT */
/*
 * What the records of a stream are (records.h). Private to src/data.
 *
 *     key                            value
 *     c group name                   a consumer of a group: number 8, seen 8, pending 8
 *     d group consumer               the consumer's name
 *     g name                         a group: number 8, last id 16, entries read 8, pending 8, consumers 8
 *     n id                           a node, under the id of its first entry: entries 4, deleted 4, bytes 8, last id 16, fields 4, then
 *                                    the names of the first entry's fields
 *     p group id                     an entry that is pending: consumer 8, delivered at 8, times 8
 *     q group consumer id            the same, by consumer; empty
 *     x id                           an entry: the number of its fields, then names and values in turn; or -1, then the values, when the names
 *                                    are its node's
 *
 * Letters are one byte. Groups and consumers are numbers, an id is two numbers; in a key a number is one byte that tells how many follow, and
 * these, the highest first, without leading zeros: so keys are ordered as the numbers are. In a value numbers are little-endian, of so many bytes.
 * Names and values of entries, and the number before them, are packed entries (pack.h).
 */
#ifndef STREAM_KEYS_H
#define STREAM_KEYS_H

#include <string.h>

#include "records.h"
#include "stream.h"

enum {
    SPACE_CONSUMER = 'c',
    SPACE_CONSUMER_NAME = 'd',
    SPACE_GROUP = 'g',
    SPACE_NODE = 'n',
    SPACE_PENDING = 'p',
    SPACE_PENDING_OF = 'q',
    SPACE_ENTRY = 'x',
    STREAM_KEY_MAX = 1 + 4 * 9,
};

/* A key without a name in it. */
struct stream_key {
    size_t length;
    char bytes[STREAM_KEY_MAX];
};

static inline void stream_key_number(struct stream_key *key, uint64_t number) {
    int count = number ? (71 - __builtin_clzll(number)) / 8 : 0;
    key->bytes[key->length++] = (char)count;
    while (count-- > 0)
        key->bytes[key->length++] = (char)(number >> 8 * count);
}

static inline struct stream_key stream_key(char space) {
    return (struct stream_key){.length = 1, .bytes = {space}};
}

static inline void stream_key_id(struct stream_key *key, const struct stream_id *id) {
    stream_key_number(key, id->ms);
    stream_key_number(key, id->seq);
}

static inline struct stream_key stream_key_of_id(char space, const struct stream_id *id) {
    struct stream_key key = stream_key(space);
    stream_key_id(&key, id);
    return key;
}

static inline struct resp_arg stream_key_arg(const struct stream_key *key) {
    return (struct resp_arg){key->bytes, key->length};
}

static inline uint64_t stream_read_number(const char **at) {
    unsigned count = (unsigned char)*(*at)++;
    uint64_t number = 0;
    while (count-- > 0)
        number = number << 8 | (unsigned char)*(*at)++;
    return number;
}

static inline struct stream_id stream_read_id(const char *at) {
    struct stream_id id;
    id.ms = stream_read_number(&at);
    id.seq = stream_read_number(&at);
    return id;
}

/* Numbers in values. */
static inline char *stream_put(char *to, uint64_t number, size_t size) {
    for (size_t i = 0; i < size; i++)
        *to++ = (char)(number >> 8 * i);
    return to;
}

static inline const char *stream_get(const char *at, uint64_t *number, size_t size) {
    *number = 0;
    for (size_t i = size; i-- > 0;)
        *number = *number << 8 | (unsigned char)at[i];
    return at + size;
}

#endif
