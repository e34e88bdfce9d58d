/* SPDX-License-Identifier: MIT */
#include "blocking.h"

#include "families.h"
#include "float.h"
#include "lookup.h"
#include "streams.h"

/* ---- the time-out ------------------------------------------------------------------------------------------------- */

/* Seconds, with a fraction; a part of a millisecond counts as a whole one. What is too large for Redis's counter is negative there. */
static bool parse_timeout(struct call *call, size_t at, uint64_t *ms) {
    long double seconds;
    if (!float_read(call, &call->args[at], "timeout is not a float or out of range", &seconds))
        return false;
    long double exact = seconds * 1000;
    int64_t whole = exact < 0x1p63L && exact > -0x1p63L ? (int64_t)exact : INT64_MIN;
    if (whole != INT64_MIN && whole < INT64_MAX && (long double)whole < exact)
        whole++;
    *ms = (uint64_t)whole;
    if (whole < 0)
        resp_error(call->reply, "ERR timeout is negative");
    return whole >= 0;
}

bool blocking_timeout(struct call *call, size_t at) {
    uint64_t ms;
    return parse_timeout(call, at, &ms);
}

/* ---- what there is ------------------------------------------------------------------------------------------------ */

bool blocking_looks(struct call *call) {
    if (call->looks)
        call->end = CALL_READY;
    return call->looks;
}

bool blocking_find(struct call *call, enum value_type type, size_t first, size_t keys,
                   const struct resp_arg **key, struct item **item) {
    for (size_t at = first; at < first + keys; at++) {
        *key = &call->args[at];
        if (!lookup_type(call, *key, type, item))
            return false;
        if (*item)
            return !blocking_looks(call);
    }
    call->end = CALL_BLOCKS;
    resp_null_array(call->reply);
    return false;
}

/* ---- what is waited for ------------------------------------------------------------------------------------------- */

/*
 * How the arguments of each lie:
 *
 *      type       of the keys
 *      keys       where the first of them is
 *      count_at   which argument says how many they are; 0: none does
 *      behind     how many arguments stand behind the last one, where none says how many they are
 *      timeout    where it is; -1: it is the last argument
 */
static const struct form {
    call_run *run;
    enum value_type type;
    size_t keys, count_at, behind;
    int timeout;
} forms[] = {
    {cmd_blpop, VALUE_LIST, 1, 0, 1, -1},    {cmd_brpop, VALUE_LIST, 1, 0, 1, -1},
    {cmd_blmove, VALUE_LIST, 1, 0, 4, 5},    {cmd_brpoplpush, VALUE_LIST, 1, 0, 2, 3},
    {cmd_blmpop, VALUE_LIST, 3, 2, 0, 1},    {cmd_bzmpop, VALUE_ZSET, 3, 2, 0, 1},
    {cmd_bzpopmin, VALUE_ZSET, 1, 0, 1, -1}, {cmd_bzpopmax, VALUE_ZSET, 1, 0, 1, -1},
};

static const struct form *form_of(const struct command *command) {
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (forms[i].run == command->run)
            return &forms[i];
    return NULL;
}

/* COUNT of BLMPOP and BZMPOP; 1 where it is not said, or not well. */
static uint64_t takes(const struct resp_arg *args, size_t count, const struct command_wait *wait) {
    size_t at = wait->first_key + wait->keys + 1;
    int64_t value;
    bool said = wait->count_at && at + 1 < count && resp_arg_is(&args[at], "count") &&
                resp_arg_integer(&args[at + 1], &value) && value > 0;
    return said ? (uint64_t)value : 1;
}

bool command_waits(const struct resp_arg *args, size_t count, const struct command *command,
                   struct command_wait *wait) {
    const struct form *form = form_of(command);
    struct resp_out nowhere = {0};
    struct call call = {.command = command, .args = args, .count = count, .reply = &nowhere};
    if (!form)
        return (command->run == cmd_xread || command->run == cmd_xreadgroup) &&
               streams_wait(args, count, command, wait);
    *wait = (struct command_wait){.type = form->type, .first_key = form->keys, .count_at = form->count_at};
    if (!parse_timeout(&call, form->timeout < 0 ? count - 1 : (size_t)form->timeout, &wait->timeout_ms))
        return false;
    if (!form->count_at) {
        wait->keys = count - form->keys - form->behind;
    } else {
        int64_t announced;
        if (!resp_arg_integer(&args[form->count_at], &announced) || announced < 1 ||
            (uint64_t)announced > count - form->keys)
            return false;
        wait->keys = (size_t)announced;
    }
    wait->takes = takes(args, count, wait);
    return true;
}
