/* SPDX-License-Identifier: MIT */
/* Two replies to the same command: equal, as far as they must be. */
#ifndef COMPARE_H
#define COMPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "generate.h"

enum { COMPARE_ELEMENTS_MAX = 4096 };

/* One whole reply, or a part of one. */
struct reply {
    const char *bytes;
    size_t length;
};

bool compare_replies(enum comparison how, struct reply one, struct reply other);
bool compare_bytes(struct reply one, struct reply other);
/* The elements of the array, set or map that `reply` ends with, in the order of their bytes: of *2 <cursor> <array>, the second's. Its
 * headers go to *head; there is room for COMPARE_ELEMENTS_MAX. Returns their number. */
size_t compare_elements(struct reply reply, struct reply *elements, struct reply *head);
/* Splits the first element off what stands behind an aggregate's header, and off that header. */
struct reply compare_next(struct reply *rest);
void compare_skip_header(struct reply *rest);

#endif
