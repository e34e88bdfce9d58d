/* SPDX-License-Identifier: MIT */
#include "origin.h"

#include <assert.h>

static size_t write_number(char *bytes, uint64_t number) {
    size_t length = 0;
    for (; number >= 0x80; number >>= 7)
        bytes[length++] = (char)(0x80 | (number & 0x7f));
    bytes[length++] = (char)number;
    return length;
}

static bool read_number(const struct resp_arg *arg, size_t *at, uint64_t *number) {
    *number = 0;
    for (unsigned shift = 0; shift < 64 && *at < arg->length; shift += 7) {
        uint64_t byte = (unsigned char)arg->bytes[(*at)++];
        if (shift == 63 && byte > 1)
            return false;
        *number |= (byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

void origin_write_count(char *bytes, size_t count) {
    assert(count > 0 && count <= ORIGIN_RUN_MAX);
    bytes[0] = (char)(count >> 8);
    bytes[1] = (char)(count & 0xff);
}

size_t origin_write(char bytes[ORIGIN_BYTES_MAX], const struct origin *first, size_t count) {
    size_t length = 2;
    assert(first->node != 0);
    origin_write_count(bytes, count);
    length += write_number(bytes + length, first->node);
    length += write_number(bytes + length, first->upstream);
    length += write_number(bytes + length, first->request);
    assert(length <= ORIGIN_BYTES_MAX);
    return length;
}

bool origin_read(const struct resp_arg *arg, struct origin *first, size_t *count) {
    size_t at = 2;
    if (arg->length < 2)
        return false;
    *count = (size_t)(unsigned char)arg->bytes[0] << 8 | (unsigned char)arg->bytes[1];
    return read_number(arg, &at, &first->node) && read_number(arg, &at, &first->upstream) &&
           read_number(arg, &at, &first->request) && at == arg->length && first->node != 0 && *count > 0;
}
