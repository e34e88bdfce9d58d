/* SPDX-License-Identifier: MIT */
/* How one key is kept: OBJECT, MEMORY USAGE. */
#include "../data/collection.h"
#include "families.h"
#include "lookup.h"

/* Names that Redis gives to the ways in which it keeps values; to the three for strings by what decides between them there. A string that Redis keeps in
 * a worse way than it could, because it was changed in place, is named by what it is. */
static const char *encoding_of(const struct item *item) {
    enum { SHORT_MAX = 44 };
    int64_t number;
    if (item_type(item) != VALUE_STRING)
        return collection_encoding(item);
    struct resp_arg value = item_string(item);
    if (resp_arg_integer(&value, &number))
        return "int";
    return value.length <= SHORT_MAX ? "embstr" : "raw";
}

/* The key's item; replies with null and returns NULL when there is none. */
static const struct item *object(struct call *call) {
    const struct item *item = lookup_quietly(call, &call->args[2]);
    if (!item)
        resp_null(call->reply);
    return item;
}

void cmd_object_encoding(struct call *call) {
    const struct item *item = object(call);
    if (item)
        resp_bulk_text(call->reply, encoding_of(item));
}

/* Values are never shared. */
void cmd_object_refcount(struct call *call) {
    if (object(call))
        resp_integer(call->reply, 1);
}

#define WILL_ADJUST                                                                                          \
    "Please note that when switching between policies at runtime LRU and LFU data will take some time to "   \
    "adjust."

void cmd_object_freq(struct call *call) {
    const struct item *item = object(call);
    if (!item)
        return;
    if (keyspace_use(call->keyspace)->frequency)
        resp_integer(call->reply, item_frequency(call->keyspace, item));
    else
        resp_error(call->reply,
                   "ERR An LFU maxmemory policy is not selected, access frequency not tracked. " WILL_ADJUST);
}

void cmd_object_idletime(struct call *call) {
    const struct item *item = object(call);
    if (!item)
        return;
    if (keyspace_use(call->keyspace)->frequency)
        resp_error(call->reply,
                   "ERR An LFU maxmemory policy is selected, idle time not tracked. " WILL_ADJUST);
    else
        resp_integer(call->reply, (int64_t)item_idle_s(call->keyspace, item));
}

void cmd_memory_usage(struct call *call) {
    for (size_t i = 3; i < call->count; i += 2) {
        int64_t samples;
        if (!resp_arg_is(&call->args[i], "samples") || i + 1 == call->count) {
            lookup_syntax_error(call);
            return;
        }
        if (!lookup_integer(call, &call->args[i + 1], &samples))
            return;
        if (samples < 0) {
            lookup_syntax_error(call);
            return;
        }
    }
    const struct item *item = object(call);
    if (item)
        resp_integer(call->reply, (int64_t)item_memory(item));
}
