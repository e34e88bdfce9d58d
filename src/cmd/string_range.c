/* SPDX-License-Identifier: MIT */
/* Parts of strings: GETRANGE, SUBSTR, SETRANGE. */
#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "strings.h"

/* Both ends count from the end when negative, and are clamped to the string; both are inside. */
void cmd_getrange(struct call *call) {
    int64_t start, end;
    struct item *item;
    if (!lookup_integer(call, &call->args[2], &start) || !lookup_integer(call, &call->args[3], &end) ||
        !lookup_string(call, &call->args[1], &item))
        return;
    struct resp_arg value = string_bytes(item);
    int64_t length = (int64_t)value.length;
    bool empty = start < 0 && end < 0 && start > end;
    start = start < 0 ? start + length : start;
    end = end < 0 ? end + length : end;
    start = start < 0 ? 0 : start;
    end = end < 0 ? 0 : end;
    end = end >= length ? length - 1 : end;
    if (empty || start > end || length == 0)
        resp_bulk(call->reply, "", 0);
    else
        resp_bulk(call->reply, value.bytes + start, (size_t)(end - start + 1));
}

void cmd_substr(struct call *call) {
    cmd_getrange(call);
}

/* What lies between the old end and the offset becomes zeros. */
void cmd_setrange(struct call *call) {
    const struct resp_arg *key = &call->args[1], *value = &call->args[3];
    int64_t offset;
    struct item *item;
    if (!lookup_integer(call, &call->args[2], &offset))
        return;
    if (offset < 0) {
        resp_error(call->reply, "ERR offset is out of range");
        return;
    }
    if (!lookup_string(call, key, &item))
        return;
    if (value->length == 0) {
        resp_integer(call->reply, (int64_t)string_bytes(item).length);
        return;
    }
    if (!string_fits(call, (uint64_t)offset, value->length))
        return;
    item = string_grow(call, key, item, (size_t)offset + value->length);
    item_overwrite(call->keyspace, call->db, item, (size_t)offset, value->bytes, value->length,
                   call->version);
    notify(call, EVENT_STRING, "setrange", key);
    resp_integer(call->reply, (int64_t)item_string(item).length);
}
