/* SPDX-License-Identifier: MIT */
/*
 * Patterns for keys, as KEYS and SCAN take them: * ? [abc] [^a-z] \x.
 */
#ifndef GLOB_H
#define GLOB_H

#include <stdbool.h>

#include "../../resp/resp.h"

bool glob_match(const struct resp_arg *pattern, const struct resp_arg *text);

#endif
