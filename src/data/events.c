/* SPDX-License-Identifier: MIT */
#include "events.h"

#include <assert.h>
#include <stdlib.h>

enum { KEPT_BYTES = 64 * 1024 };

static bool wants(const struct events *events, enum event_class class) {
    return events && (events->wanted & class);
}

static void add(struct events *events, const struct event *event) {
    if (events->count == events->capacity) {
        events->capacity = events->capacity ? 2 * events->capacity : 16;
        events->list = realloc(events->list, events->capacity * sizeof *events->list);
        if (!events->list)
            abort();
    }
    events->list[events->count++] = *event;
}

static void keep(struct events *events, const struct resp_arg *arg) {
    if (arg->length > 0)
        resp_buf_append(&events->bytes, arg->bytes, arg->length);
}

void events_add_key(struct events *events, enum event_class class, const char *name, unsigned db,
                    const struct resp_arg *key) {
    assert(name);
    if (!wants(events, class))
        return;
    add(events, &(struct event){.class = class,
                                .name = name,
                                .db = db,
                                .at = resp_buf_length(&events->bytes),
                                .key_length = key->length});
    keep(events, key);
}

void events_add_message(struct events *events, enum event_class class, const struct resp_arg *channel,
                        const struct resp_arg *message) {
    assert(class == EVENT_MESSAGE || class == EVENT_SHARD_MESSAGE);
    if (!wants(events, class))
        return;
    add(events, &(struct event){.class = class,
                                .at = resp_buf_length(&events->bytes),
                                .key_length = channel->length,
                                .value_length = message->length});
    keep(events, channel);
    keep(events, message);
}

size_t events_count(const struct events *events) {
    return events ? events->count : 0;
}

void events_cut(struct events *events, size_t count) {
    if (!events || events->count == count)
        return;
    assert(count < events->count);
    if (count > 0)
        resp_buf_truncate(&events->bytes, events->list[count].at);
    else
        resp_buf_consume(&events->bytes, resp_buf_length(&events->bytes), KEPT_BYTES);
    events->count = count;
}

void events_close(struct events *events) {
    free(events->list);
    resp_buf_close(&events->bytes);
    *events = (struct events){0};
}

static struct resp_arg bytes_at(const struct events *events, size_t at, size_t length) {
    return (struct resp_arg){length > 0 ? resp_buf_bytes(&events->bytes) + at : "", length};
}

struct resp_arg event_key(const struct events *events, const struct event *event) {
    return bytes_at(events, event->at, event->key_length);
}

struct resp_arg event_message(const struct events *events, const struct event *event) {
    return bytes_at(events, event->at + event->key_length, event->value_length);
}
