/* SPDX-License-Identifier: MIT */
/* Deadlines as commands state them: in seconds or milliseconds, from now or from the epoch. */
#ifndef DEADLINE_H
#define DEADLINE_H

#include "command.h"

/*
 * The deadline that an argument states: `unit_ms` is what it counts in, `base_ms` what it counts from. False
 * when the number does not fit. The deadline may lie before the epoch.
 */
bool deadline_from(int64_t amount, int64_t unit_ms, uint64_t base_ms, int64_t *deadline_ms);
/* Redis's words for a number that does not fit. */
void deadline_error(struct call *call);
/* Gives a key that exists its deadline; one at or before the clock deletes it. */
void deadline_set(struct call *call, const struct resp_arg *key, struct item *item, int64_t deadline_ms);

#endif
