/* SPDX-License-Identifier: MIT */
/* What is random in a command, all of it from the call's seed: the same draws on every node and at every replay. */
#ifndef CHANCE_H
#define CHANCE_H

#include <stddef.h>
#include <stdint.h>

/* A number in 0 .. limit-1; `state` begins as the call's seed. */
size_t chance_below(uint64_t *state, size_t limit);
/* `count` different numbers in 0 .. limit-1, no two sets of them likelier than others; count <= limit. The caller frees it. */
size_t *chance_choose(uint64_t *state, size_t limit, size_t count);

#endif
