/* SPDX-License-Identifier: MIT */
/* INCRBYFLOAT. */
#include "families.h"
#include "float.h"
#include "lookup.h"
#include "notify.h"
#include "strings.h"

void cmd_incrbyfloat(struct call *call) {
    char text[FLOAT_TEXT_MAX];
    long double value = 0, amount;
    struct item *item;
    if (!lookup_string(call, &call->args[1], &item))
        return;
    struct resp_arg current = string_bytes(item);
    if ((item && !float_read(call, &current, "value is not a valid float", &value)) ||
        !float_read(call, &call->args[2], "value is not a valid float", &amount))
        return;
    size_t length = float_sum(call, value, amount, text);
    if (length == 0)
        return;
    string_put(call, &call->args[1], &(struct resp_arg){text, length}, true);
    notify(call, EVENT_STRING, "incrbyfloat", &call->args[1]);
    resp_bulk(call->reply, text, length);
}
