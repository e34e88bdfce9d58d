/* SPDX-License-Identifier: MIT */
/*
 * Strings as a whole. While a command that writes is applied, a key that is due is already gone, so writes look
 * keys up as reads do.
 */
#include <assert.h>
#include <string.h>

#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "strings.h"

/* ---- what they share --- */

struct resp_arg string_bytes(const struct item *item) {
    return item ? item_string(item) : (struct resp_arg){"", 0};
}

void string_reply(struct call *call, const struct item *item) {
    if (!item) {
        resp_null(call->reply);
        return;
    }
    struct resp_arg value = item_string(item);
    resp_bulk(call->reply, value.bytes, value.length);
}

struct item *string_put(struct call *call, const struct resp_arg *key, const struct resp_arg *value,
                        bool keep_deadline) {
    return keyspace_set_string(call->keyspace, call->db, key, value->bytes, value->length, keep_deadline,
                               call->version);
}

struct item *string_grow(struct call *call, const struct resp_arg *key, struct item *item, size_t length) {
    static const char zeros[64 * 1024];
    size_t have = string_bytes(item).length;
    if (!item)
        item = string_put(call, key, &(struct resp_arg){zeros, 0}, false);
    while (have < length) {
        size_t added = length - have < sizeof zeros ? length - have : sizeof zeros;
        item = item_append(call->keyspace, call->db, item, zeros, added, call->version);
        have += added;
    }
    assert(item_string(item).length >= length);
    return item;
}

bool string_fits(struct call *call, size_t length, size_t added) {
    if (length <= STRING_MAX && added <= STRING_MAX - length)
        return true;
    resp_error(call->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

/* ---- reading --- */

void cmd_get(struct call *call) {
    struct item *item;
    if (lookup_string(call, &call->args[1], &item))
        string_reply(call, item);
}

/* The next keys from `at` on wait for memory together. */
static void expect_keys(struct call *call, size_t at) {
    struct keyspace_key keys[KEYSPACE_EXPECT_MAX];
    size_t count = 0;
    for (; at < call->count && count < KEYSPACE_EXPECT_MAX; at++)
        keys[count++] = (struct keyspace_key){.db = call->db, .key = call->args[at]};
    if (count > 1)
        keyspace_expect(call->keyspace, keys, count);
}

void cmd_mget(struct call *call) {
    resp_array(call->reply, call->count - 1);
    for (size_t i = 1; i < call->count; i++) {
        if (i % KEYSPACE_EXPECT_MAX == 1)
            expect_keys(call, i);
        const struct item *item = lookup(call, &call->args[i]);
        string_reply(call, item && item_type(item) == VALUE_STRING ? item : NULL);
    }
}

void cmd_strlen(struct call *call) {
    struct item *item;
    if (lookup_string(call, &call->args[1], &item))
        resp_integer(call->reply, (int64_t)string_bytes(item).length);
}

/* ---- setting --- */

void cmd_setnx(struct call *call) {
    bool there = lookup(call, &call->args[1]);
    if (!there) {
        string_put(call, &call->args[1], &call->args[2], false);
        notify(call, EVENT_STRING, "set", &call->args[1]);
    }
    resp_integer(call->reply, !there);
}

void cmd_getset(struct call *call) {
    struct item *item;
    if (!lookup_string(call, &call->args[1], &item))
        return;
    string_reply(call, item);
    string_put(call, &call->args[1], &call->args[2], false);
    notify(call, EVENT_STRING, "set", &call->args[1]);
}

void cmd_getdel(struct call *call) {
    struct item *item;
    if (!lookup_string(call, &call->args[1], &item))
        return;
    string_reply(call, item);
    if (keyspace_delete(call->keyspace, call->db, &call->args[1]))
        notify(call, EVENT_GENERIC, "del", &call->args[1]);
}

static bool pairs_ok(struct call *call) {
    if (call->count % 2 == 1)
        return true;
    resp_error(call->reply, "ERR wrong number of arguments for '%s' command", call->command->name);
    return false;
}

static void set_pairs(struct call *call) {
    for (size_t i = 1; i < call->count; i += 2) {
        string_put(call, &call->args[i], &call->args[i + 1], false);
        notify(call, EVENT_STRING, "set", &call->args[i]);
    }
}

void cmd_mset(struct call *call) {
    if (!pairs_ok(call))
        return;
    set_pairs(call);
    resp_status(call->reply, "OK");
}

/* All of them or none. */
void cmd_msetnx(struct call *call) {
    if (!pairs_ok(call))
        return;
    for (size_t i = 1; i < call->count; i += 2)
        if (lookup(call, &call->args[i])) {
            resp_integer(call->reply, 0);
            return;
        }
    set_pairs(call);
    resp_integer(call->reply, 1);
}

void cmd_append(struct call *call) {
    const struct resp_arg *key = &call->args[1], *added = &call->args[2];
    struct item *item;
    if (!lookup_string(call, key, &item) ||
        (item && !string_fits(call, item_string(item).length, added->length)))
        return;
    if (item)
        item = item_append(call->keyspace, call->db, item, added->bytes, added->length, call->version);
    else
        item = string_put(call, key, added, false);
    notify(call, EVENT_STRING, "append", key);
    resp_integer(call->reply, (int64_t)item_string(item).length);
}

/* ---- counting --- */

static void add(struct call *call, int64_t amount) {
    char digits[24];
    int64_t value = 0;
    struct item *item;
    if (!lookup_string(call, &call->args[1], &item))
        return;
    if (item) {
        struct resp_arg current = item_string(item);
        if (!lookup_integer(call, &current, &value))
            return;
    }
    if (__builtin_add_overflow(value, amount, &value)) {
        resp_error(call->reply, "ERR increment or decrement would overflow");
        return;
    }
    struct resp_arg text = resp_arg_digits(value, digits);
    string_put(call, &call->args[1], &text, true);
    notify(call, EVENT_STRING, "incrby", &call->args[1]);
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
