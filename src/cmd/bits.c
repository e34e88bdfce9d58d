/* SPDX-License-Identifier: MIT */
/* Strings as arrays of bits: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP. */
#include "bits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "strings.h"

bool bits_offset(struct call *call, const struct resp_arg *arg, unsigned width, uint64_t *offset) {
    bool counted = width > 0 && arg->length > 0 && arg->bytes[0] == '#';
    struct resp_arg digits = {arg->bytes + counted, arg->length - counted};
    int64_t value;
    if (resp_arg_integer(&digits, &value) && value >= 0 &&
        !__builtin_mul_overflow(value, counted ? (int64_t)width : 1, &value) &&
        (value >> 3) < (int64_t)STRING_MAX) {
        *offset = (uint64_t)value;
        return true;
    }
    resp_error(call->reply, "ERR bit offset is not an integer or out of range");
    return false;
}

/* ---- one bit --- */

static unsigned bit_at(struct resp_arg value, uint64_t offset) {
    size_t byte = offset >> 3;
    return byte < value.length ? (unsigned char)value.bytes[byte] >> (7 - (offset & 7)) & 1 : 0;
}

void cmd_getbit(struct call *call) {
    uint64_t offset;
    struct item *item;
    if (bits_offset(call, &call->args[2], 0, &offset) && lookup_string(call, &call->args[1], &item))
        resp_integer(call->reply, bit_at(string_bytes(item), offset));
}

void cmd_setbit(struct call *call) {
    uint64_t offset;
    int64_t bit;
    struct item *item;
    if (!bits_offset(call, &call->args[2], 0, &offset))
        return;
    if (!resp_arg_integer(&call->args[3], &bit) || (bit != 0 && bit != 1)) {
        resp_error(call->reply, "ERR bit is not an integer or out of range");
        return;
    }
    if (!lookup_string(call, &call->args[1], &item))
        return;
    size_t byte = offset >> 3;
    bool grows = string_bytes(item).length <= byte;
    item = string_grow(call, &call->args[1], item, byte + 1);
    unsigned was = bit_at(item_string(item), offset);
    if (was != (unsigned)bit) {
        char changed = (char)(item_string(item).bytes[byte] ^ (1 << (7 - (offset & 7))));
        item_overwrite(call->keyspace, call->db, item, byte, &changed, 1, call->version);
    }
    if (grows || was != (unsigned)bit)
        notify(call, EVENT_STRING, "setbit", &call->args[1]);
    resp_integer(call->reply, was);
}

/* ---- ranges --- */

/* [first, last], in bits; empty when first > last. */
struct bit_range {
    int64_t first, last;
};

static bool parse_unit(struct call *call, const struct resp_arg *arg, bool *bits) {
    *bits = resp_arg_is(arg, "bit");
    if (*bits || resp_arg_is(arg, "byte"))
        return true;
    lookup_syntax_error(call);
    return false;
}

/* Ends that count from the end when negative, in bytes or bits, clamped to a value of `length` bytes. */
static struct bit_range range_of(int64_t start, int64_t end, bool bits, size_t length) {
    int64_t total = (int64_t)length * (bits ? 8 : 1);
    start = start < 0 ? start + total : start;
    end = end < 0 ? end + total : end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= total ? total - 1 : end;
    if (bits || start > end)
        return (struct bit_range){start, end};
    return (struct bit_range){start * 8, end * 8 + 7};
}

static uint64_t load_word(const char *bytes) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* Sums of neighbouring bits, of pairs, of fours; then of all bytes at once. */
static unsigned ones_of(uint64_t word) {
    word -= word >> 1 & 0x5555555555555555;
    word = (word & 0x3333333333333333) + (word >> 2 & 0x3333333333333333);
    word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return (unsigned)(word * 0x0101010101010101 >> 56);
}

static int64_t count_bits(struct resp_arg value, struct bit_range range) {
    int64_t count = 0, at = range.first;
    while (at <= range.last && (at & 7))
        count += bit_at(value, (uint64_t)at++);
    for (; at <= range.last && range.last - at >= 63; at += 64)
        count += ones_of(load_word(value.bytes + (at >> 3)));
    while (at <= range.last)
        count += bit_at(value, (uint64_t)at++);
    return count;
}

void cmd_bitcount(struct call *call) {
    int64_t start = 0, end = -1;
    bool bits = false;
    struct item *item;
    if (!lookup_string(call, &call->args[1], &item))
        return;
    if (!item) {
        resp_integer(call->reply, 0);
        return;
    }
    if (call->count == 3 || call->count > 5) {
        lookup_syntax_error(call);
        return;
    }
    if (call->count > 3 &&
        (!lookup_integer(call, &call->args[2], &start) || !lookup_integer(call, &call->args[3], &end)))
        return;
    if (start < 0 && end < 0 && start > end) {
        resp_integer(call->reply, 0);
        return;
    }
    if (call->count == 5 && !parse_unit(call, &call->args[4], &bits))
        return;
    struct resp_arg value = item_string(item);
    resp_integer(call->reply, count_bits(value, range_of(start, end, bits, value.length)));
}

/* Where after `at`, the first bit of a byte, words end that hold `other` alone; four at a time, for memory comes faster than
 * one can be asked about after the other. */
static int64_t skip_words(struct resp_arg value, int64_t at, int64_t last, uint64_t other) {
    for (; last - at >= 255; at += 256) {
        const char *bytes = value.bytes + (at >> 3);
        uint64_t differs = (load_word(bytes) ^ other) | (load_word(bytes + 8) ^ other) |
                           (load_word(bytes + 16) ^ other) | (load_word(bytes + 24) ^ other);
        if (differs)
            break;
    }
    while (last - at >= 63 && load_word(value.bytes + (at >> 3)) == other)
        at += 64;
    return at;
}

/* The first bit of that kind in the range; -1: none. */
static int64_t find_bit(struct resp_arg value, struct bit_range range, unsigned bit) {
    const uint64_t other = bit ? 0 : UINT64_MAX; /* a word that has none */
    int64_t at = range.first;
    for (; at <= range.last && (at & 7); at++)
        if (bit_at(value, (uint64_t)at) == bit)
            return at;
    for (at = skip_words(value, at, range.last, other); at <= range.last; at++)
        if (bit_at(value, (uint64_t)at) == bit)
            return at;
    return -1;
}

static bool parse_bitpos(struct call *call, int64_t *start, int64_t *end, bool *bits) {
    if (call->count > 6) {
        lookup_syntax_error(call);
        return false;
    }
    if (call->count > 3 && !lookup_integer(call, &call->args[3], start))
        return false;
    if (call->count > 5 && !parse_unit(call, &call->args[5], bits))
        return false;
    return call->count <= 4 || lookup_integer(call, &call->args[4], end);
}

/* A string goes on with zeros behind its end, unless the range says where to stop. */
void cmd_bitpos(struct call *call) {
    int64_t bit, start = 0, end = -1;
    bool bits = false;
    struct item *item;
    if (!lookup_integer(call, &call->args[2], &bit))
        return;
    if (bit != 0 && bit != 1) {
        resp_error(call->reply, "ERR The bit argument must be 1 or 0.");
        return;
    }
    if (!lookup_string(call, &call->args[1], &item))
        return;
    if (!item) {
        resp_integer(call->reply, bit ? -1 : 0);
        return;
    }
    if (!parse_bitpos(call, &start, &end, &bits))
        return;
    struct resp_arg value = item_string(item);
    struct bit_range range = range_of(start, end, bits, value.length);
    int64_t found = find_bit(value, range, (unsigned)bit);
    if (found < 0 && bit == 0 && call->count < 5 && range.first <= range.last)
        found = range.last + 1;
    resp_integer(call->reply, found);
}

/* ---- BITOP --- */

enum bit_operation { OPERATION_AND, OPERATION_OR, OPERATION_XOR, OPERATION_NOT, OPERATION_NONE };

static enum bit_operation operation_of(const struct resp_arg *arg) {
    static const char *const words[] = {"and", "or", "xor", "not"};
    for (unsigned i = 0; i < OPERATION_NONE; i++)
        if (resp_arg_is(arg, words[i]))
            return (enum bit_operation)i;
    return OPERATION_NONE;
}

static void combine(enum bit_operation operation, char *to, const char *bytes, size_t length) {
    switch (operation) {
    case OPERATION_AND:
        for (size_t i = 0; i < length; i++)
            to[i] = (char)(to[i] & bytes[i]);
        break;
    case OPERATION_OR:
        for (size_t i = 0; i < length; i++)
            to[i] = (char)(to[i] | bytes[i]);
        break;
    case OPERATION_XOR:
        for (size_t i = 0; i < length; i++)
            to[i] = (char)(to[i] ^ bytes[i]);
        break;
    case OPERATION_NOT:
        for (size_t i = 0; i < length; i++)
            to[i] = (char)~bytes[i];
        break;
    case OPERATION_NONE:
        assert(!"no operation");
    }
}

/* Shorter strings go on with zeros, and a key that is not there is an empty one. */
static void operate(struct call *call, enum bit_operation operation, char *result, size_t length) {
    for (size_t i = 3; i < call->count; i++) {
        struct resp_arg value = string_bytes(keyspace_find(call->keyspace, call->db, &call->args[i]));
        if (i == 3 && value.length)
            memcpy(result, value.bytes, value.length);
        if (i > 3 || operation == OPERATION_NOT)
            combine(operation, result, value.bytes, value.length);
        if (i > 3 && operation == OPERATION_AND)
            memset(result + value.length, 0, length - value.length);
    }
}

void cmd_bitop(struct call *call) {
    enum bit_operation operation = operation_of(&call->args[1]);
    size_t length = 0;
    if (operation == OPERATION_NONE) {
        lookup_syntax_error(call);
        return;
    }
    if (operation == OPERATION_NOT && call->count != 4) {
        resp_error(call->reply, "ERR BITOP NOT must be called with a single source key.");
        return;
    }
    for (size_t i = 3; i < call->count; i++) {
        struct item *item;
        if (!lookup_string(call, &call->args[i], &item))
            return;
        length = string_bytes(item).length > length ? string_bytes(item).length : length;
    }
    char *result = calloc(1, length + 1);
    if (!result)
        abort();
    operate(call, operation, result, length);
    if (length) {
        string_put(call, &call->args[2], &(struct resp_arg){result, length}, false);
        notify(call, EVENT_STRING, "set", &call->args[2]);
    } else if (keyspace_delete(call->keyspace, call->db, &call->args[2]))
        notify(call, EVENT_GENERIC, "del", &call->args[2]);
    free(result);
    resp_integer(call->reply, (int64_t)length);
}
