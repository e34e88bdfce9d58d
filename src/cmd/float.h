/* SPDX-License-Identifier: MIT */
/*
 * Sums of decimal numbers, for INCRBYFLOAT and HINCRBYFLOAT. A sum is made in long double and kept in decimal, with 17 digits behind
 * the point and without the zeros at its end, as Redis keeps it. Reading, adding and writing are exact functions of their arguments
 * for a given format of long double, so all nodes of one architecture come to the same string.
 */
#ifndef CMD_FLOAT_H
#define CMD_FLOAT_H

#include "command.h"

enum {
    FLOAT_TEXT_MAX = 5 * 1024
}; /* characters of a number, as Redis bounds them; LDBL_MAX has 4933 digits */

/* False, with the error as the reply, when the argument is no number. */
bool float_read(struct call *call, const struct resp_arg *arg, const char *error, long double *value);
/* Writes the sum, returns its length; 0, with an error as the reply, when it is not finite. */
size_t float_sum(struct call *call, long double value, long double amount, char text[FLOAT_TEXT_MAX]);

#endif
