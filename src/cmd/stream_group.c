/* SPDX-License-Identifier: MIT */
/* Groups of streams: XGROUP, XACK. */
#include <string.h>

#include "families.h"
#include "lookup.h"
#include "notify.h"
#include "streams.h"

/* ---- what all share --- */

static int shown(const struct resp_arg *arg) {
    return (int)strnlen(arg->bytes, arg->length);
}

void streams_part_error(struct call *call, const char *container) {
    resp_error(call->reply, "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s HELP.",
               shown(&call->args[1]), call->args[1].bytes, container);
}

void streams_no_group(struct call *call, const struct resp_arg *key, const struct resp_arg *name) {
    resp_error(call->reply, "NOGROUP No such consumer group '%.*s' for key name '%.*s'", shown(name),
               name->bytes, shown(key), key->bytes);
}

bool streams_find_group(struct call *call, const struct resp_arg *name, struct item **item,
                        struct group *group) {
    const struct resp_arg *key = &call->args[1];
    if (!lookup_type(call, key, VALUE_STREAM, item))
        return false;
    if (*item && group_find(*item, name, group))
        return true;
    resp_error(call->reply, "NOGROUP No such key '%.*s' or consumer group '%.*s'", shown(key), key->bytes,
               shown(name), name->bytes);
    return false;
}

/* ---- XGROUP: args[2] is the key, args[3] the group, args[4] an id or a consumer --- */

struct options {
    bool make; /* MKSTREAM */
    int64_t read;
};

static bool parse_options(struct call *call, bool creates, struct options *options) {
    *options = (struct options){.read = GROUP_READ_UNKNOWN};
    for (size_t at = 5; at < call->count; at++) {
        if (creates && resp_arg_is(&call->args[at], "mkstream")) {
            options->make = true;
        } else if (resp_arg_is(&call->args[at], "entriesread") && at + 1 < call->count) {
            if (!lookup_integer(call, &call->args[++at], &options->read))
                return false;
            if (options->read < GROUP_READ_UNKNOWN) {
                resp_error(call->reply, "ERR value for ENTRIESREAD must be positive or -1");
                return false;
            }
        } else {
            streams_part_error(call, "XGROUP");
            return false;
        }
    }
    return true;
}

static bool find_stream(struct call *call, bool must_be, struct item **item) {
    if (!lookup_type(call, &call->args[2], VALUE_STREAM, item))
        return false;
    if (*item || !must_be)
        return true;
    resp_error(call->reply,
               "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
               "use the MKSTREAM option to create an empty stream automatically.");
    return false;
}

static bool find_group(struct call *call, struct item **item, struct group *group) {
    if (!find_stream(call, true, item))
        return false;
    if (group_find(*item, &call->args[3], group))
        return true;
    streams_no_group(call, &call->args[2], &call->args[3]);
    return false;
}

/* An id, or $ for the last one; of SETID also - and +. */
static bool parse_start(struct call *call, const struct item *item, bool creates, struct stream_id *id) {
    const struct resp_arg *arg = &call->args[4];
    if (arg->length != 1 || arg->bytes[0] != '$')
        return (creates ? streams_id : streams_bound)(call, arg, 0, id);
    *id = item ? stream_head(item).last : STREAM_ID_MIN;
    return true;
}

static void open_stream(struct call *call, struct collection *stream) {
    stream_open(stream, call->keyspace, call->db, &call->args[2]);
}

void cmd_xgroup_create(struct call *call) {
    enum { ARGS_MAX = 8 };
    struct options options;
    struct collection stream;
    struct stream_id id;
    struct group group;
    struct item *item;
    if (!parse_options(call, true, &options) || !find_stream(call, !options.make, &item))
        return;
    if (call->count > ARGS_MAX) {
        streams_part_error(call, "XGROUP");
        return;
    }
    if (!parse_start(call, item, true, &id))
        return;
    if (item && group_find(item, &call->args[3], &group)) {
        resp_error(call->reply, "BUSYGROUP Consumer Group name already exists");
        return;
    }
    open_stream(call, &stream);
    group_create(&stream, &call->args[3], &id, options.read);
    if (item)
        stream_close_unchanged(&stream);
    else
        stream_close(&stream, call->version);
    notify(call, EVENT_STREAM, "xgroup-create", &call->args[2]);
    resp_status(call->reply, "OK");
}

void cmd_xgroup_setid(struct call *call) {
    struct options options;
    struct collection stream;
    struct group group;
    struct item *item;
    if (!parse_options(call, false, &options) || !find_group(call, &item, &group))
        return;
    if (call->count > 7) {
        streams_part_error(call, "XGROUP");
        return;
    }
    if (!parse_start(call, item, false, &group.last))
        return;
    group.read = options.read;
    open_stream(call, &stream);
    group_save(&stream, &call->args[3], &group);
    stream_close_unchanged(&stream);
    notify(call, EVENT_STREAM, "xgroup-setid", &call->args[2]);
    resp_status(call->reply, "OK");
}

void cmd_xgroup_destroy(struct call *call) {
    struct collection stream;
    struct group group;
    struct item *item;
    if (!find_stream(call, true, &item))
        return;
    bool there = group_find(item, &call->args[3], &group);
    if (there) {
        open_stream(call, &stream);
        group_destroy(&stream, &call->args[3], &group);
        stream_close_unchanged(&stream);
        notify(call, EVENT_STREAM, "xgroup-destroy", &call->args[2]);
    }
    resp_integer(call->reply, there);
}

void cmd_xgroup_createconsumer(struct call *call) {
    struct collection stream;
    struct consumer consumer;
    struct group group;
    struct item *item;
    if (!find_group(call, &item, &group))
        return;
    bool there = consumer_find(item, &group, &call->args[4], &consumer);
    if (!there) {
        open_stream(call, &stream);
        streams_add_consumer(call, &stream, &call->args[2], &group, &call->args[4], &consumer);
        group_save(&stream, &call->args[3], &group);
        stream_close_unchanged(&stream);
    }
    resp_integer(call->reply, !there);
}

void streams_add_consumer(struct call *call, struct collection *stream, const struct resp_arg *key,
                          struct group *group, const struct resp_arg *name, struct consumer *consumer) {
    consumer_create(stream, group, name, call->wall_ms, consumer);
    notify(call, EVENT_STREAM, "xgroup-createconsumer", key);
}

void cmd_xgroup_delconsumer(struct call *call) {
    struct collection stream;
    struct consumer consumer;
    struct group group;
    struct item *item;
    if (!find_group(call, &item, &group))
        return;
    if (!consumer_find(item, &group, &call->args[4], &consumer)) {
        resp_integer(call->reply, 0);
        return;
    }
    open_stream(call, &stream);
    consumer_delete(&stream, &group, &call->args[4], &consumer);
    group_save(&stream, &call->args[3], &group);
    stream_close_unchanged(&stream);
    notify(call, EVENT_STREAM, "xgroup-delconsumer", &call->args[2]);
    resp_integer(call->reply, (int64_t)consumer.pending);
}

/* ---- pending entries --- */

void streams_unlist(struct collection *stream, struct group *group, const struct pending *pending) {
    struct resp_buf name = {0};
    struct resp_arg lent;
    struct consumer consumer;
    consumer_by_number(stream->item, group, pending->consumer, &lent, &consumer);
    resp_buf_append(&name, lent.bytes, lent.length);
    struct resp_arg own = {resp_buf_bytes(&name), lent.length};
    pending_remove(stream, group, &consumer, &pending->id);
    consumer_save(stream, group, &own, &consumer);
    resp_buf_close(&name);
}

void streams_relist(struct collection *stream, struct group *group, struct consumer *consumer,
                    struct pending *pending) {
    struct resp_buf name = {0};
    struct resp_arg lent;
    struct consumer from;
    if (pending->consumer == consumer->number) {
        pending_save(stream, group, pending);
        return;
    }
    consumer_by_number(stream->item, group, pending->consumer, &lent, &from);
    resp_buf_append(&name, lent.bytes, lent.length);
    struct resp_arg own = {resp_buf_bytes(&name), lent.length};
    pending_move(stream, group, &from, consumer, pending);
    consumer_save(stream, group, &own, &from);
    resp_buf_close(&name);
}

void cmd_xack(struct call *call) {
    struct collection stream;
    struct pending pending;
    struct stream_id id;
    struct group group;
    struct item *item;
    int64_t acknowledged = 0;
    if (!lookup_type(call, &call->args[1], VALUE_STREAM, &item))
        return;
    if (!item || !group_find(item, &call->args[2], &group)) {
        resp_integer(call->reply, 0);
        return;
    }
    for (size_t i = 3; i < call->count; i++)
        if (!streams_id(call, &call->args[i], 0, &id))
            return;
    stream_open(&stream, call->keyspace, call->db, &call->args[1]);
    for (size_t i = 3; i < call->count; i++)
        if (streams_read_id(&call->args[i], 0, &id, NULL) &&
            pending_find(stream.item, &group, &id, &pending)) {
            streams_unlist(&stream, &group, &pending);
            acknowledged++;
        }
    if (acknowledged > 0)
        group_save(&stream, &call->args[2], &group);
    stream_close_unchanged(&stream);
    resp_integer(call->reply, acknowledged);
}
