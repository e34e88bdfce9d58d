/* SPDX-License-Identifier: MIT */
/*
 * What commands made happen, told to those who listen on this node.
 *
 * Events come from applying, so they are told in the log's order, the same on every node, each when that node applies the entry. Entries
 * that lay in the log when this node started are told to nobody: whoever listens now began later than they were written.
 *
 *     event ----- message -------------------------------+--> channel  --> its subscribers
 *           |                                            +--> patterns --> theirs
 *           +---- change of a key --> __keyspace@db__:key |  (the same as a message on that channel)
 *                                 +-> __keyevent@db__:event
 *
 * A message is encoded once for each protocol and copied to each subscriber. A connection that makes itself a message
 * (only one that speaks RESP3 can) finds it before the reply to the command that made it.
 */
#include <stdio.h>
#include <string.h>

#include "data/glob.h"
#include "node_state.h"

enum { PROTOCOLS = 2, CHANNEL_BYTES = 64 };

void deliver_listen(struct node *node, bool replay) {
    unsigned wanted = 0;
    if (!replay && !audience_is_empty(node->audience)) {
        unsigned classes = node->conf->notify_events;
        wanted = EVENT_MESSAGE | EVENT_SHARD_MESSAGE;
        if (classes & (EVENT_TO_KEYSPACE | EVENT_TO_KEYEVENT))
            wanted |= classes;
    }
    node->events.wanted = wanted;
    keyspace_set_events(node->keyspace, &node->events);
    deliver_before(node, NULL);
}

void deliver_before(struct node *node, struct resp_buf *reply) {
    node->asking = (struct asking){.reply = reply, .mark = reply ? resp_buf_length(reply) : 0};
}

/* A message as those who listen to one topic get it. */
struct parcel {
    const char *kind;               /* "message" ... */
    const struct resp_arg *pattern; /* or NULL */
    const struct resp_arg *channel, *payload;
    struct resp_buf encoded[PROTOCOLS]; /* for RESP2 and RESP3, once somebody needs it */
};

static const struct resp_buf *encode(struct parcel *parcel, int protocol) {
    struct resp_buf *buf = &parcel->encoded[protocol == 3];
    struct resp_out out = {.buf = buf, .protocol = protocol};
    if (resp_buf_length(buf) > 0)
        return buf;
    resp_push(&out, parcel->pattern ? 4 : 3);
    resp_bulk_text(&out, parcel->kind);
    if (parcel->pattern)
        resp_bulk(&out, parcel->pattern->bytes, parcel->pattern->length);
    resp_bulk(&out, parcel->channel->bytes, parcel->channel->length);
    resp_bulk(&out, parcel->payload->bytes, parcel->payload->length);
    return buf;
}

static struct connection *connection_of(struct subscriber *subscriber) {
    return (struct connection *)(void *)((char *)subscriber -
                                         offsetof(struct connection, session.subscriber));
}

/* `before`: what is to stand before the reply that is being written. */
static void give(struct node *node, struct parcel *parcel, struct subscriber *subscriber,
                 struct resp_buf *before) {
    struct connection *connection = connection_of(subscriber);
    struct client *client = connection->client;
    if (!client || client->gone)
        return;
    const struct resp_buf *bytes = encode(parcel, connection->session.protocol);
    struct resp_buf *out = &client->out == node->asking.reply ? before : &client->out;
    resp_buf_append(out, resp_buf_bytes(bytes), resp_buf_length(bytes));
    client_touch(client);
    if (out == &client->out)
        client_check_output(client);
}

static void send_to(struct node *node, const struct topic *topic, struct parcel *parcel,
                    struct resp_buf *before) {
    for (const struct subscription *at = topic->first; at; at = at->next_of_topic)
        give(node, parcel, at->subscriber, before);
    for (unsigned i = 0; i < PROTOCOLS; i++)
        resp_buf_close(&parcel->encoded[i]);
}

static void publish(struct node *node, enum audience_kind kind, const struct resp_arg *channel,
                    const struct resp_arg *payload, struct resp_buf *before) {
    struct parcel parcel = {
        .kind = kind == AUDIENCE_SHARD ? "smessage" : "message", .channel = channel, .payload = payload};
    const struct topic *topic = audience_find(node->audience, kind, channel);
    if (topic)
        send_to(node, topic, &parcel, before);
    if (kind == AUDIENCE_SHARD)
        return;
    parcel.kind = "pmessage";
    for (topic = audience_first(node->audience, AUDIENCE_PATTERN); topic; topic = topic->next)
        if (glob_match(&topic->name, channel)) {
            parcel.pattern = &topic->name;
            send_to(node, topic, &parcel, before);
        }
}

/* On __<space>@<db>__:<name>. */
static void publish_change(struct node *node, const char *space, unsigned db, const struct resp_arg *name,
                           const struct resp_arg *payload, struct resp_buf *before) {
    struct resp_buf channel = {0};
    char head[CHANNEL_BYTES];
    int length = snprintf(head, sizeof head, "__%s@%u__:", space, db);
    resp_buf_append(&channel, head, (size_t)length);
    resp_buf_append(&channel, name->bytes, name->length);
    const struct resp_arg whole = {resp_buf_bytes(&channel), resp_buf_length(&channel)};
    publish(node, AUDIENCE_CHANNEL, &whole, payload, before);
    resp_buf_close(&channel);
}

static void tell(struct node *node, const struct event *event, struct resp_buf *before) {
    struct resp_arg key = event_key(&node->events, event);
    if (event->name) {
        const struct resp_arg name = {event->name, strlen(event->name)};
        if (node->conf->notify_events & EVENT_TO_KEYSPACE)
            publish_change(node, "keyspace", event->db, &key, &name, before);
        if (node->conf->notify_events & EVENT_TO_KEYEVENT)
            publish_change(node, "keyevent", event->db, &name, &key, before);
    } else {
        struct resp_arg message = event_message(&node->events, event);
        publish(node, event->class == EVENT_MESSAGE ? AUDIENCE_CHANNEL : AUDIENCE_SHARD, &key, &message,
                before);
    }
}

/* Puts what is to stand before the reply there; what follows stands behind it. */
static void insert(struct asking *asking, struct resp_buf *before) {
    struct resp_buf *out = asking->reply;
    size_t added = resp_buf_length(before), written = resp_buf_length(out) - asking->mark;
    if (written > 0)
        resp_buf_append(before, resp_buf_bytes(out) + asking->mark, written);
    resp_buf_truncate(out, asking->mark);
    resp_buf_append(out, resp_buf_bytes(before), resp_buf_length(before));
    asking->mark += added;
}

void deliver_told(struct node *node) {
    struct resp_buf before = {0};
    if (node->events.count == 0)
        return;
    for (size_t i = 0; i < node->events.count; i++)
        tell(node, &node->events.list[i], &before);
    events_cut(&node->events, 0);
    if (resp_buf_length(&before) > 0)
        insert(&node->asking, &before);
    resp_buf_close(&before);
}

void deliver_report(const struct node *node, struct report *report) {
    report->pubsub_channels = audience_topics(node->audience, AUDIENCE_CHANNEL);
    report->pubsub_patterns = audience_topics(node->audience, AUDIENCE_PATTERN);
    report->pubsub_shard_channels = audience_topics(node->audience, AUDIENCE_SHARD);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

void deliver_forget(struct node *node, struct connection *connection) {
    audience_leave_all(node->audience, &connection->session.subscriber);
}

/* Its output is bounded as that of its class. */
void deliver_classify(struct connection *connection) {
    if (connection->client)
        connection->client->listener = subscriber_listens(&connection->session.subscriber);
}
