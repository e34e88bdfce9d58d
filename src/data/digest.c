/* SPDX-License-Identifier: MIT */
/*
 * Sixteen bytes a multiplication, on two lanes that do not wait for one another. Words are little-endian. The
 * last words overlap those before them rather than being filled up: reading them needs no branch on how many
 * bytes are left.
 */
#include "digest.h"

#include <endian.h>
#include <string.h>

static inline uint64_t word_at(const unsigned char *at) {
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

static inline uint64_t half_at(const unsigned char *at) {
    uint32_t half;
    memcpy(&half, at, sizeof half);
    return le32toh(half);
}

/* Up to 16 bytes; their number is in the seed. */
static inline uint64_t few(const unsigned char *at, size_t length, uint64_t seed) {
    if (length >= 8)
        return digest_mix(word_at(at) ^ seed, word_at(at + length - 8));
    if (length >= 4)
        return digest_mix(half_at(at) ^ seed, half_at(at + length - 4));
    if (length == 0)
        return digest_mix(seed, 0);
    return digest_mix(seed, (uint64_t)at[0] << 16 | (uint64_t)at[length / 2] << 8 | at[length - 1]);
}

uint64_t digest_bytes(const void *bytes, size_t length, uint64_t seed) {
    const unsigned char *at = bytes, *end = at + length;
    uint64_t a = seed ^ length * UINT64_C(0x9e3779b97f4a7c15), b = ~a;
    if (length <= 16)
        return few(at, length, a);
    for (; end - at > 32; at += 32) {
        a = digest_mix(word_at(at) ^ a, word_at(at + 8));
        b = digest_mix(word_at(at + 16) ^ b, word_at(at + 24));
    }
    if (end - at > 16)
        a = digest_mix(word_at(at) ^ a, word_at(at + 8));
    b = digest_mix(word_at(end - 16) ^ b, word_at(end - 8));
    return digest_mix(a, b);
}
