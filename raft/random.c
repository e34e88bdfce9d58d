/* SPDX-License-Identifier: MIT */
/*
 * Chance that can be replayed: Steele, Lea and Flood's SplitMix64. Any seed is as good as any other, 0 included.
 */
#include "internal.h"

static uint64_t next(uint64_t *state) {
    uint64_t mixed = *state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

/* The bias of the remainder is of no consequence: bounds are milliseconds. */
uint64_t raft_random_below(uint64_t *state, uint64_t bound) {
    return bound ? next(state) % bound : 0;
}
