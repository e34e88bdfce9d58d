/* SPDX-License-Identifier: MIT */
/*
 * Strings. While a command that writes is applied, a key that is due is already gone, so writes look keys up
 * as reads do.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "deadline.h"
#include "families.h"
#include "lookup.h"

enum { STRING_MAX = 512 * 1024 * 1024 };

static void reply_string(struct call *call, const struct item *item) {
    if (!item) {
        resp_null(call->reply);
        return;
    }
    struct resp_arg value = item_string(item);
    resp_bulk(call->reply, value.bytes, value.length);
}

static struct item *put(struct call *call, const struct resp_arg *key, const struct resp_arg *value,
                        bool keep_deadline) {
    return keyspace_set_string(call->keyspace, call->db, key, value->bytes, value->length, keep_deadline,
                               call->version);
}

/* ---- reading --- */

void cmd_get(struct call *call) {
    reply_string(call, lookup(call, &call->args[1]));
}

void cmd_mget(struct call *call) {
    resp_array(call->reply, call->count - 1);
    for (size_t i = 1; i < call->count; i++)
        reply_string(call, lookup(call, &call->args[i]));
}

void cmd_strlen(struct call *call) {
    const struct item *item = lookup(call, &call->args[1]);
    resp_integer(call->reply, item ? (int64_t)item_string(item).length : 0);
}

/* ---- SET --- */

enum set_flag {
    SET_NX = 1 << 0,
    SET_XX = 1 << 1,
    SET_GET = 1 << 2,
    SET_KEEPTTL = 1 << 3,
    SET_EX = 1 << 4,
    SET_PX = 1 << 5,
    SET_EXAT = 1 << 6,
    SET_PXAT = 1 << 7,
    SET_TIMES = SET_EX | SET_PX | SET_EXAT | SET_PXAT,
};

/* An option, what must not have been said before it, and, for a time, its unit and whether it counts from
 * now. */
static const struct set_option {
    const char *word;
    unsigned flag, excludes;
    int64_t unit_ms;
    bool relative;
} set_options[] = {
    {"nx", SET_NX, SET_XX, 0, false},
    {"xx", SET_XX, SET_NX, 0, false},
    {"get", SET_GET, 0, 0, false},
    {"keepttl", SET_KEEPTTL, SET_TIMES, 0, false},
    {"ex", SET_EX, SET_KEEPTTL | (SET_TIMES & ~SET_EX), 1000, true},
    {"px", SET_PX, SET_KEEPTTL | (SET_TIMES & ~SET_PX), 1, true},
    {"exat", SET_EXAT, SET_KEEPTTL | (SET_TIMES & ~SET_EXAT), 1000, false},
    {"pxat", SET_PXAT, SET_KEEPTTL | (SET_TIMES & ~SET_PXAT), 1, false},
};

/* What a SET was told. */
struct set_plan {
    unsigned flags;
    const struct set_option *time; /* the option that states the deadline, or NULL */
    const struct resp_arg *amount; /* its argument */
    int64_t deadline_ms;
};

static const struct set_option *set_option(const struct resp_arg *arg) {
    for (size_t i = 0; i < sizeof set_options / sizeof set_options[0]; i++)
        if (resp_arg_is(arg, set_options[i].word))
            return &set_options[i];
    return NULL;
}

static bool parse_set(struct call *call, struct set_plan *plan) {
    *plan = (struct set_plan){0};
    for (size_t i = 3; i < call->count; i++) {
        const struct set_option *option = set_option(&call->args[i]);
        if (!option || (plan->flags & option->excludes) || (option->unit_ms && i + 1 == call->count)) {
            lookup_syntax_error(call);
            return false;
        }
        plan->flags |= option->flag;
        if (option->unit_ms) {
            plan->time = option;
            plan->amount = &call->args[++i];
        }
    }
    return true;
}

/* Unlike EXPIRE's, a deadline that SET is told must be positive. */
static bool plan_deadline(struct call *call, struct set_plan *plan) {
    int64_t amount;
    if (!plan->time)
        return true;
    if (!lookup_integer(call, plan->amount, &amount))
        return false;
    uint64_t base = plan->time->relative ? keyspace_clock(call->keyspace) : 0;
    if (amount <= 0 || !deadline_from(amount, plan->time->unit_ms, base, &plan->deadline_ms)) {
        deadline_error(call);
        return false;
    }
    return true;
}

void cmd_set(struct call *call) {
    const struct resp_arg *key = &call->args[1];
    struct set_plan plan;
    if (!parse_set(call, &plan) || !plan_deadline(call, &plan))
        return;
    if (plan.flags & (SET_GET | SET_NX | SET_XX)) {
        const struct item *there = lookup(call, key);
        if (plan.flags & SET_GET)
            reply_string(call, there);
        if (plan.flags & (there ? SET_NX : SET_XX)) {
            if (!(plan.flags & SET_GET))
                resp_null(call->reply);
            return;
        }
    }
    struct item *item = put(call, key, &call->args[2], plan.flags & (SET_KEEPTTL | SET_TIMES));
    if (plan.time)
        deadline_set(call, key, item, plan.deadline_ms);
    if (!(plan.flags & SET_GET))
        resp_status(call->reply, "OK");
}

/* ---- its relatives --- */

void cmd_setnx(struct call *call) {
    bool there = lookup(call, &call->args[1]);
    if (!there)
        put(call, &call->args[1], &call->args[2], false);
    resp_integer(call->reply, !there);
}

void cmd_getset(struct call *call) {
    reply_string(call, lookup(call, &call->args[1]));
    put(call, &call->args[1], &call->args[2], false);
}

void cmd_getdel(struct call *call) {
    reply_string(call, lookup(call, &call->args[1]));
    keyspace_delete(call->keyspace, call->db, &call->args[1]);
}

void cmd_mset(struct call *call) {
    if (call->count % 2 == 0) {
        resp_error(call->reply, "ERR wrong number of arguments for '%s' command", call->command->name);
        return;
    }
    for (size_t i = 1; i < call->count; i += 2)
        put(call, &call->args[i], &call->args[i + 1], false);
    resp_status(call->reply, "OK");
}

void cmd_append(struct call *call) {
    const struct resp_arg *added = &call->args[2];
    struct item *item = lookup(call, &call->args[1]);
    if (!item) {
        item = put(call, &call->args[1], added, false);
    } else if (item_string(item).length + added->length > STRING_MAX) {
        resp_error(call->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        return;
    } else {
        item = item_append(call->keyspace, call->db, item, added->bytes, added->length, call->version);
    }
    resp_integer(call->reply, (int64_t)item_string(item).length);
}

/* ---- counting --- */

static void add(struct call *call, int64_t amount) {
    char digits[24];
    int64_t value = 0;
    const struct item *item = lookup(call, &call->args[1]);
    if (item) {
        struct resp_arg current = item_string(item);
        if (!lookup_integer(call, &current, &value))
            return;
    }
    if (__builtin_add_overflow(value, amount, &value)) {
        resp_error(call->reply, "ERR increment or decrement would overflow");
        return;
    }
    int length = snprintf(digits, sizeof digits, "%lld", (long long)value);
    assert(length > 0 && (size_t)length < sizeof digits);
    put(call, &call->args[1], &(struct resp_arg){digits, (size_t)length}, true);
    resp_integer(call->reply, value);
}

void cmd_incr(struct call *call) {
    add(call, 1);
}

void cmd_decr(struct call *call) {
    add(call, -1);
}

void cmd_incrby(struct call *call) {
    int64_t amount;
    if (lookup_integer(call, &call->args[2], &amount))
        add(call, amount);
}

void cmd_decrby(struct call *call) {
    int64_t amount;
    if (!lookup_integer(call, &call->args[2], &amount))
        return;
    if (amount == INT64_MIN) {
        resp_error(call->reply, "ERR decrement would overflow");
        return;
    }
    add(call, -amount);
}
