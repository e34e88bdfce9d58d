/* SPDX-License-Identifier: MIT */
/* What the commands on single bits and on bit fields share. Bit 0 is the highest of the first byte. */
#ifndef BITS_H
#define BITS_H

#include "command.h"

/* An offset in bits: a decimal number or, where `width` is not 0, "#n" for n times the width. Answers with an error and
 * returns false when it is none, or lies behind the longest string. */
bool bits_offset(struct call *call, const struct resp_arg *arg, unsigned width, uint64_t *offset);

#endif
