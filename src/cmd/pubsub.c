/* SPDX-License-Identifier: MIT */
/*
 * Messages: who listens to what, and what is said.
 *
 * A connection listens on the node that it is connected to, whichever that is, and with or without a leader. PUBLISH and SPUBLISH go
 * through the log, as writes do, though no key changes: each node tells its own listeners when it applies the entry. So all of them are told the same
 * messages in the same order, which is also the order of the writes around them.
 */
#include "command.h"

#include <assert.h>

#include "../data/glob.h"
#include "families.h"
#include "sessions.h"

/* ---- publishing --- */

static void publish(struct call *call, enum event_class class, enum audience_kind kind) {
    const struct resp_arg *channel = &call->args[1];
    size_t receivers = call->audience ? audience_receivers(call->audience, kind, channel) : 0;

    events_add_message(keyspace_events(call->keyspace), class, channel, &call->args[2]);
    resp_integer(call->reply, (int64_t)receivers);
}

void cmd_publish(struct call *call) {
    publish(call, EVENT_MESSAGE, AUDIENCE_CHANNEL);
}

void cmd_spublish(struct call *call) {
    publish(call, EVENT_SHARD_MESSAGE, AUDIENCE_SHARD);
}

/* ---- listening --- */

/* What the pushes count: channels and patterns together, shard channels on their own. */
static size_t listens_to(const struct session_call *call, enum audience_kind kind) {
    const size_t *count = call->session->subscriber.count;

    return kind == AUDIENCE_SHARD ? count[AUDIENCE_SHARD] : count[AUDIENCE_CHANNEL] + count[AUDIENCE_PATTERN];
}

/* `name` NULL: there was nothing to leave. */
static void confirm(struct session_call *call, enum audience_kind kind, const char *what,
                    const struct resp_arg *name) {
    resp_push(call->reply, 3);
    resp_bulk_text(call->reply, what);
    if (name)
        resp_bulk(call->reply, name->bytes, name->length);
    else
        resp_null(call->reply);
    resp_integer(call->reply, (int64_t)listens_to(call, kind));
}

static void subscribe(struct session_call *call, enum audience_kind kind, const char *what) {
    for (size_t at = 1; at < call->count; at++) {
        (void)audience_join(call->audience, &call->session->subscriber, kind, &call->args[at]);
        confirm(call, kind, what, &call->args[at]);
    }
}

static void leave_all(struct session_call *call, enum audience_kind kind, const char *what) {
    struct subscriber *subscriber = &call->session->subscriber;

    if (!subscriber->first[kind])
        confirm(call, kind, what, NULL);
    while (subscriber->first[kind]) {
        struct resp_arg name = subscriber->first[kind]->topic->name;
        struct resp_buf kept = {0};
        resp_buf_append(&kept, name.bytes, name.length + 1); /* with the zero behind it: never nothing */
        (void)audience_leave(call->audience, subscriber, kind, &name);
        confirm(call, kind, what, &(struct resp_arg){resp_buf_bytes(&kept), name.length});
        resp_buf_close(&kept);
    }
}

static void unsubscribe(struct session_call *call, enum audience_kind kind, const char *what) {
    if (call->count == 1)
        leave_all(call, kind, what);
    for (size_t at = 1; at < call->count; at++) {
        (void)audience_leave(call->audience, &call->session->subscriber, kind, &call->args[at]);
        confirm(call, kind, what, &call->args[at]);
    }
}

void session_subscribe(struct session_call *call) {
    subscribe(call, AUDIENCE_CHANNEL, "subscribe");
}

void session_psubscribe(struct session_call *call) {
    subscribe(call, AUDIENCE_PATTERN, "psubscribe");
}

/* As in Redis, and unlike its kin, not in a transaction. */
void session_ssubscribe(struct session_call *call) {
    if (call->session->multi.running) {
        resp_error(call->reply, "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
        return;
    }
    subscribe(call, AUDIENCE_SHARD, "ssubscribe");
}

void session_unsubscribe(struct session_call *call) {
    unsubscribe(call, AUDIENCE_CHANNEL, "unsubscribe");
}

void session_punsubscribe(struct session_call *call) {
    unsubscribe(call, AUDIENCE_PATTERN, "punsubscribe");
}

void session_sunsubscribe(struct session_call *call) {
    unsubscribe(call, AUDIENCE_SHARD, "sunsubscribe");
}

/* ---- PUBSUB: about this node's listeners --- */

static void tell_channels(struct session_call *call, enum audience_kind kind) {
    const struct resp_arg *pattern = call->count > 2 ? &call->args[2] : NULL;
    size_t mark = resp_array_open(call->reply), count = 0;

    for (const struct topic *topic = audience_first(call->audience, kind); topic; topic = topic->next)
        if (!pattern || glob_match(pattern, &topic->name)) {
            resp_bulk(call->reply, topic->name.bytes, topic->name.length);
            count++;
        }
    resp_array_close(call->reply, mark, count);
}

static void tell_numbers(struct session_call *call, enum audience_kind kind) {
    resp_array(call->reply, (call->count - 2) * 2);
    for (size_t at = 2; at < call->count; at++) {
        const struct topic *topic = audience_find(call->audience, kind, &call->args[at]);
        resp_bulk(call->reply, call->args[at].bytes, call->args[at].length);
        resp_integer(call->reply, topic ? (int64_t)topic->count : 0);
    }
}

static bool one_pattern(struct session_call *call) {
    if (call->count <= 3)
        return true;
    resp_error(call->reply,
               "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try PUBSUB HELP.",
               (int)call->args[1].length, call->args[1].bytes);
    return false;
}

void session_pubsub_channels(struct session_call *call) {
    if (one_pattern(call))
        tell_channels(call, AUDIENCE_CHANNEL);
}

void session_pubsub_shardchannels(struct session_call *call) {
    if (one_pattern(call))
        tell_channels(call, AUDIENCE_SHARD);
}

void session_pubsub_numsub(struct session_call *call) {
    tell_numbers(call, AUDIENCE_CHANNEL);
}

void session_pubsub_shardnumsub(struct session_call *call) {
    tell_numbers(call, AUDIENCE_SHARD);
}

void session_pubsub_numpat(struct session_call *call) {
    resp_integer(call->reply, (int64_t)audience_topics(call->audience, AUDIENCE_PATTERN));
}
