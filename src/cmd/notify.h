/* SPDX-License-Identifier: MIT */
/* What a command did to a key, for those who listen: under the names that Redis gives such events. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "command.h"

/* Of a key in the call's database, or in another. */
static inline void notify_in(struct call *call, enum event_class class, const char *event, unsigned db,
                             const struct resp_arg *key) {
    events_add_key(keyspace_events(call->keyspace), class, event, db, key);
}

static inline void notify(struct call *call, enum event_class class, const char *event,
                          const struct resp_arg *key) {
    notify_in(call, class, event, call->db, key);
}

/* Of a collection that was closed: the event, and that the key is gone when nothing is left in it. */
static inline void notify_left(struct call *call, enum event_class class, const char *event,
                               const struct resp_arg *key, bool there) {
    notify(call, class, event, key);
    if (!there)
        notify(call, EVENT_GENERIC, "del", key);
}

#endif
