/* SPDX-License-Identifier: MIT */
/* Names that clients give themselves: printable ASCII without spaces, so that a line of CLIENT LIST stays one. */
#ifndef NAMES_H
#define NAMES_H

#include "command.h"

bool name_valid(const struct resp_arg *name);
/* False, with the error as the reply, for a connection name that cannot be taken. */
bool name_check(struct resp_out *reply, const struct resp_arg *name);
/* A name that is valid and shorter than SESSION_NAME_MAX. */
void name_set(char to[SESSION_NAME_MAX], const struct resp_arg *name);

#endif
