/* SPDX-License-Identifier: MIT */
/*
 * The hash that replicas compare their states by: fast, the same on every node, not meant to withstand
 * somebody who looks for collisions (he would only hide his own keys' difference from the audit).
 */
#ifndef DIGEST_H
#define DIGEST_H

#include <stddef.h>
#include <stdint.h>

/* Both halves of the product of two words, folded into one. */
static inline uint64_t digest_fold(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Two words made into one; neither being zero makes the other vanish. */
static inline uint64_t digest_mix(uint64_t a, uint64_t b) {
    return digest_fold(a ^ UINT64_C(0x9fb21c651e98df25), b ^ UINT64_C(0xd6e8feb86659fd93));
}

uint64_t digest_bytes(const void *bytes, size_t length, uint64_t seed);

#endif
