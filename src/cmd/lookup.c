/* SPDX-License-Identifier: MIT */
#include "lookup.h"

static void meet(struct call *call, uint64_t deadline) {
    if (deadline != KEYSPACE_NO_DEADLINE && deadline <= call->wall_ms)
        call->due = true;
}

struct item *lookup(struct call *call, const struct resp_arg *key) {
    struct item *item = keyspace_find(call->keyspace, call->db, key);
    if (item)
        meet(call, item_deadline(item));
    call->hits += item != NULL;
    call->misses += item == NULL;
    return item;
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

void lookup_syntax_error(struct call *call) {
    resp_error(call->reply, "ERR syntax error");
}
