/* SPDX-License-Identifier: MIT */
/*
 * Deadlines. What changes them counts from the keyspace's clock, which is the entry's; what asks for them
 * counts from the wall.
 */
#include <assert.h>

#include "deadline.h"
#include "families.h"
#include "lookup.h"
#include "notify.h"

/* ---- stating a deadline --- */

bool deadline_from(int64_t amount, int64_t unit_ms, uint64_t base_ms, int64_t *deadline_ms) {
    assert(base_ms <= INT64_MAX);
    int64_t ms;
    return !__builtin_mul_overflow(amount, unit_ms, &ms) &&
           !__builtin_add_overflow(ms, (int64_t)base_ms, deadline_ms);
}

void deadline_error(struct call *call) {
    resp_error(call->reply, "ERR invalid expire time in '%s' command", call->command->name);
}

void deadline_set(struct call *call, const struct resp_arg *key, struct item *item, int64_t deadline_ms) {
    if (deadline_ms <= (int64_t)keyspace_clock(call->keyspace)) {
        keyspace_delete(call->keyspace, call->db, key);
        notify(call, EVENT_GENERIC, "del", key);
    } else {
        item_set_deadline(call->keyspace, call->db, item, (uint64_t)deadline_ms, call->version);
        notify(call, EVENT_GENERIC, "expire", key);
    }
}

/* ---- EXPIRE and its kin --- */

enum condition {
    ONLY_WITHOUT = 1 << 0, /* NX */
    ONLY_WITH = 1 << 1,    /* XX */
    ONLY_LATER = 1 << 2,   /* GT */
    ONLY_EARLIER = 1 << 3, /* LT */
};

static const struct {
    const char *word;
    enum condition condition;
} conditions[] = {
    {"nx", ONLY_WITHOUT},
    {"xx", ONLY_WITH},
    {"gt", ONLY_LATER},
    {"lt", ONLY_EARLIER},
};

static unsigned condition_of(const struct resp_arg *arg) {
    for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++)
        if (resp_arg_is(arg, conditions[i].word))
            return conditions[i].condition;
    return 0;
}

static bool parse_conditions(struct call *call, unsigned *all) {
    *all = 0;
    for (size_t i = 3; i < call->count; i++) {
        const struct resp_arg *arg = &call->args[i];
        unsigned condition = condition_of(arg);
        if (!condition) {
            resp_error(call->reply, "ERR Unsupported option %.*s", (int)arg->length, arg->bytes);
            return false;
        }
        *all |= condition;
    }
    if ((*all & ONLY_WITHOUT) && *all != ONLY_WITHOUT) {
        resp_error(call->reply, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if ((*all & ONLY_LATER) && (*all & ONLY_EARLIER)) {
        resp_error(call->reply, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* A key without a deadline counts as one that goes after all others. */
static bool conditions_hold(unsigned all, const struct item *item, int64_t deadline_ms) {
    uint64_t current = item_deadline(item);
    bool has = current != KEYSPACE_NO_DEADLINE;
    if ((all & ONLY_WITHOUT) && has)
        return false;
    if ((all & ONLY_WITH) && !has)
        return false;
    if ((all & ONLY_LATER) && (!has || deadline_ms <= (int64_t)current))
        return false;
    return !(all & ONLY_EARLIER) || !has || deadline_ms < (int64_t)current;
}

static void expire(struct call *call, int64_t unit_ms, uint64_t base_ms) {
    const struct resp_arg *key = &call->args[1];
    unsigned all;
    int64_t amount, deadline_ms;
    if (!parse_conditions(call, &all) || !lookup_integer(call, &call->args[2], &amount))
        return;
    if (!deadline_from(amount, unit_ms, base_ms, &deadline_ms)) {
        deadline_error(call);
        return;
    }
    struct item *item = lookup(call, key);
    if (!item || !conditions_hold(all, item, deadline_ms)) {
        resp_integer(call->reply, 0);
        return;
    }
    deadline_set(call, key, item, deadline_ms);
    resp_integer(call->reply, 1);
}

void cmd_expire(struct call *call) {
    expire(call, 1000, keyspace_clock(call->keyspace));
}

void cmd_pexpire(struct call *call) {
    expire(call, 1, keyspace_clock(call->keyspace));
}

void cmd_expireat(struct call *call) {
    expire(call, 1000, 0);
}

void cmd_pexpireat(struct call *call) {
    expire(call, 1, 0);
}

void cmd_persist(struct call *call) {
    struct item *item = lookup(call, &call->args[1]);
    bool has = item && item_deadline(item) != KEYSPACE_NO_DEADLINE;
    if (has) {
        item_set_deadline(call->keyspace, call->db, item, KEYSPACE_NO_DEADLINE, call->version);
        notify(call, EVENT_GENERIC, "persist", &call->args[1]);
    }
    resp_integer(call->reply, has);
}

/* ---- asking --- */

/* -2: no key, -1: no deadline; else what is left from `base_ms` on, rounded to the unit. */
static void tell(struct call *call, uint64_t unit_ms, uint64_t base_ms) {
    const struct item *item = lookup_quietly(call, &call->args[1]);
    uint64_t deadline = item ? item_deadline(item) : KEYSPACE_NO_DEADLINE;
    if (deadline == KEYSPACE_NO_DEADLINE) {
        resp_integer(call->reply, item ? -1 : -2);
        return;
    }
    uint64_t left = deadline > base_ms ? deadline - base_ms : 0;
    resp_integer(call->reply, (int64_t)((left + unit_ms / 2) / unit_ms));
}

void cmd_ttl(struct call *call) {
    tell(call, 1000, call->wall_ms);
}

void cmd_pttl(struct call *call) {
    tell(call, 1, call->wall_ms);
}

void cmd_expiretime(struct call *call) {
    tell(call, 1000, 0);
}

void cmd_pexpiretime(struct call *call) {
    tell(call, 1, 0);
}

/* The clock counts milliseconds, so the microseconds end in 000. */
void cmd_time(struct call *call) {
    resp_array(call->reply, 2);
    resp_bulk_integer(call->reply, (int64_t)(call->wall_ms / 1000));
    resp_bulk_integer(call->reply, (int64_t)(call->wall_ms % 1000 * 1000));
}
