/* SPDX-License-Identifier: MIT */
/* Strings with conditions and a time to live: SET, GETEX, SETEX, PSETEX. */
#include "deadline.h"
#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "strings.h"

enum option_flag {
    SET_NX = 1 << 0,
    SET_XX = 1 << 1,
    SET_GET = 1 << 2,
    SET_KEEPTTL = 1 << 3,
    SET_EX = 1 << 4,
    SET_PX = 1 << 5,
    SET_EXAT = 1 << 6,
    SET_PXAT = 1 << 7,
    SET_PERSIST = 1 << 8,
    SET_TIMES = SET_EX | SET_PX | SET_EXAT | SET_PXAT,
    OF_SET = SET_TIMES | SET_NX | SET_XX | SET_GET | SET_KEEPTTL,
    OF_GETEX = SET_TIMES | SET_PERSIST,
};

/* An option, what must not have been said before it, and, for a time, its unit and whether it counts from
 * now. */
static const struct option {
    const char *word;
    unsigned flag, excludes;
    int64_t unit_ms;
    bool relative;
} options[] = {
    {"nx", SET_NX, SET_XX, 0, false},
    {"xx", SET_XX, SET_NX, 0, false},
    {"get", SET_GET, 0, 0, false},
    {"keepttl", SET_KEEPTTL, SET_TIMES, 0, false},
    {"persist", SET_PERSIST, SET_TIMES, 0, false},
    {"ex", SET_EX, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_EX), 1000, true},
    {"px", SET_PX, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_PX), 1, true},
    {"exat", SET_EXAT, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_EXAT), 1000, false},
    {"pxat", SET_PXAT, SET_KEEPTTL | SET_PERSIST | (SET_TIMES & ~SET_PXAT), 1, false},
};

/* What a command was told. */
struct plan {
    unsigned flags;
    const struct option *time;     /* the option that states the deadline, or NULL */
    const struct resp_arg *amount; /* its argument */
    int64_t deadline_ms;
};

static const struct option *option_of(const struct resp_arg *arg, unsigned allowed) {
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if ((options[i].flag & allowed) && resp_arg_is(arg, options[i].word))
            return &options[i];
    return NULL;
}

/* The options from argument `first` on. */
static bool parse(struct call *call, size_t first, unsigned allowed, struct plan *plan) {
    *plan = (struct plan){0};
    for (size_t i = first; i < call->count; i++) {
        const struct option *option = option_of(&call->args[i], allowed);
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

/* Unlike EXPIRE's, a deadline stated here must be positive. */
static bool plan_deadline(struct call *call, struct plan *plan) {
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

/* Whether a SET goes on, once its GET and its conditions are done with. */
static bool set_goes_on(struct call *call, const struct plan *plan) {
    struct item *there;
    if (!(plan->flags & (SET_GET | SET_NX | SET_XX)))
        return true;
    if (!(plan->flags & SET_GET))
        there = lookup(call, &call->args[1]);
    else if (!lookup_string(call, &call->args[1], &there))
        return false;
    else
        string_reply(call, there);
    if (!(plan->flags & (there ? SET_NX : SET_XX)))
        return true;
    if (!(plan->flags & SET_GET))
        resp_null(call->reply);
    return false;
}

void cmd_set(struct call *call) {
    const struct resp_arg *key = &call->args[1];
    struct plan plan;
    if (!parse(call, 3, OF_SET, &plan) || !plan_deadline(call, &plan) || !set_goes_on(call, &plan))
        return;
    struct item *item = string_put(call, key, &call->args[2], plan.flags & (SET_KEEPTTL | SET_TIMES));
    notify(call, EVENT_STRING, "set", key);
    if (plan.time)
        deadline_set(call, key, item, plan.deadline_ms);
    if (!(plan.flags & SET_GET))
        resp_status(call->reply, "OK");
}

/* SETEX and PSETEX: the time stands before the value. */
static void set_for(struct call *call, const char *unit) {
    const struct resp_arg word = {unit, 2}, *key = &call->args[1];
    struct plan plan = {.time = option_of(&word, SET_TIMES), .amount = &call->args[2]};
    if (!plan_deadline(call, &plan))
        return;
    struct item *item = string_put(call, key, &call->args[3], true);
    notify(call, EVENT_STRING, "set", key);
    deadline_set(call, key, item, plan.deadline_ms);
    resp_status(call->reply, "OK");
}

void cmd_setex(struct call *call) {
    set_for(call, "ex");
}

void cmd_psetex(struct call *call) {
    set_for(call, "px");
}

void cmd_getex(struct call *call) {
    struct item *item;
    struct plan plan;
    if (!parse(call, 2, OF_GETEX, &plan) || !lookup_string(call, &call->args[1], &item))
        return;
    if (!item) {
        resp_null(call->reply);
        return;
    }
    if (!plan_deadline(call, &plan))
        return;
    string_reply(call, item);
    if (plan.time)
        deadline_set(call, &call->args[1], item, plan.deadline_ms);
    else if ((plan.flags & SET_PERSIST) && item_deadline(item) != KEYSPACE_NO_DEADLINE) {
        item_set_deadline(call->keyspace, call->db, item, KEYSPACE_NO_DEADLINE, call->version);
        notify(call, EVENT_GENERIC, "persist", &call->args[1]);
    }
}
