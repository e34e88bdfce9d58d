/* SPDX-License-Identifier: MIT */
/* The rows of the command table, for table.c, which finds them. */
#ifndef ROWS_H
#define ROWS_H

#include "command.h"

/* Ended by a row without a name. */
extern const struct command command_rows[];

#endif
