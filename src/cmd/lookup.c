/* SPDX-License-Identifier: MIT */
#include "lookup.h"
#include "notify.h"

static void meet(struct call *call, uint64_t deadline) {
    if (deadline != KEYSPACE_NO_DEADLINE && deadline <= call->wall_ms)
        call->due = true;
}

struct item *lookup_quietly(struct call *call, const struct resp_arg *key) {
    struct item *item = keyspace_find(call->keyspace, call->db, key);
    if (item)
        meet(call, item_deadline(item));
    call->hits += item != NULL;
    call->misses += item == NULL;
    if (!item && (call->command->flags & COMMAND_READONLY))
        notify(call, EVENT_KEY_MISS, "keymiss", key);
    return item;
}

struct item *lookup(struct call *call, const struct resp_arg *key) {
    struct item *item = lookup_quietly(call, key);
    if (item && !call->no_touch)
        item_touch(call->keyspace, item);
    return item;
}

bool lookup_type(struct call *call, const struct resp_arg *key, enum value_type type, struct item **item) {
    *item = lookup(call, key);
    if (!*item || item_type(*item) == type)
        return true;
    lookup_wrong_type(call);
    return false;
}

bool lookup_string(struct call *call, const struct resp_arg *key, struct item **item) {
    return lookup_type(call, key, VALUE_STRING, item);
}

void lookup_all(struct call *call) {
    meet(call, keyspace_next_deadline(call->keyspace));
}

bool lookup_integer(struct call *call, const struct resp_arg *arg, int64_t *value) {
    if (resp_arg_integer(arg, value))
        return true;
    resp_error(call->reply, "ERR value is not an integer or out of range");
    return false;
}

bool lookup_within(struct call *call, const struct resp_arg *arg, int64_t low, int64_t high,
                   const char *error, int64_t *value) {
    if (!error && !lookup_integer(call, arg, value))
        return false;
    if ((!error || resp_arg_integer(arg, value)) && *value >= low && *value <= high)
        return true;
    if (error)
        resp_error(call->reply, "%s", error);
    else
        resp_error(call->reply, "ERR value is out of range, value must between %lld and %lld", (long long)low,
                   (long long)high);
    return false;
}

bool lookup_database(struct call *call, const struct resp_arg *arg, unsigned *db) {
    int64_t number;
    if (!lookup_integer(call, arg, &number))
        return false;
    if (number < INT32_MIN || number > INT32_MAX)
        resp_error(call->reply, "ERR value is out of range, value must between %d and %d", INT32_MIN,
                   INT32_MAX);
    else if (number < 0 || number >= (int64_t)keyspace_databases(call->keyspace))
        resp_error(call->reply, "ERR DB index is out of range");
    else {
        *db = (unsigned)number;
        return true;
    }
    return false;
}

void lookup_wrong_type(struct call *call) {
    resp_error(call->reply, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

void lookup_syntax_error(struct call *call) {
    resp_error(call->reply, "ERR syntax error");
}
