/* SPDX-License-Identifier: MIT */
/* What the commands on strings share. */
#ifndef STRINGS_H
#define STRINGS_H

#include "command.h"

enum { STRING_MAX = 512 * 1024 * 1024 };

/* The item's bytes; of no item none. */
struct resp_arg string_bytes(const struct item *item);
/* Replies with the string, or with null when there is none. */
void string_reply(struct call *call, const struct item *item);
/* Sets a key to a string, whatever was there; returns the item. */
struct item *string_put(struct call *call, const struct resp_arg *key, const struct resp_arg *value,
                        bool keep_deadline);
/* The key's item (`item`, NULL when there is none) made at least `length` bytes long, with zeros at its end. */
struct item *string_grow(struct call *call, const struct resp_arg *key, struct item *item, size_t length);
/* False, with the error as the reply, when a string cannot be as long as that. */
bool string_fits(struct call *call, size_t length, size_t added);

#endif
