/* SPDX-License-Identifier: MIT */
/* What there is to know of a stream, its groups and what is pending: XPENDING, XINFO. */
#include "families.h"
#include "lookup.h"
#include "streams.h"

static bool refuse(struct call *call, const char *error) {
    resp_error(call->reply, "ERR %s", error);
    return false;
}

static void reply_idle(struct call *call, uint64_t since_ms) {
    resp_integer(call->reply, since_ms < call->wall_ms ? (int64_t)(call->wall_ms - since_ms) : 0);
}

static void reply_name(struct call *call, const struct resp_arg *name) {
    resp_bulk(call->reply, name->bytes, name->length);
}

/* ---- XPENDING --- */

struct asked {
    int64_t min_idle, count;
    struct stream_id low, high;
    const struct resp_arg *consumer; /* or NULL */
};

static bool parse_pending(struct call *call, struct asked *asked) {
    size_t at = 3;
    bool excludes;
    *asked = (struct asked){.min_idle = 0};
    if (resp_arg_is(&call->args[3], "idle")) {
        if (!lookup_integer(call, &call->args[4], &asked->min_idle))
            return false;
        if (call->count < 8) {
            lookup_syntax_error(call);
            return false;
        }
        at = 5;
    }
    if (!lookup_integer(call, &call->args[at + 2], &asked->count) ||
        !streams_open_bound(call, &call->args[at], 0, &asked->low, &excludes))
        return false;
    if (excludes && !stream_id_next(&asked->low))
        return refuse(call, "invalid start ID for the interval");
    if (!streams_open_bound(call, &call->args[at + 1], UINT64_MAX, &asked->high, &excludes))
        return false;
    if (excludes && !stream_id_previous(&asked->high))
        return refuse(call, "invalid end ID for the interval");
    asked->consumer = at + 3 < call->count ? &call->args[at + 3] : NULL;
    return true;
}

static void reply_summary(struct call *call, const struct item *item, const struct group *group) {
    struct pending first, last;
    struct consumer consumer;
    struct group_walk walk;
    struct resp_arg name;
    resp_array(call->reply, 4);
    resp_integer(call->reply, (int64_t)group->pending);
    pending_begin(&walk, item, group, NULL, &STREAM_ID_MIN);
    if (!pending_next(&walk, &first) || !pending_last(item, group, &last)) {
        resp_null(call->reply);
        resp_null(call->reply);
        resp_null_array(call->reply);
        return;
    }
    streams_reply_id(call->reply, &first.id);
    streams_reply_id(call->reply, &last.id);
    size_t mark = resp_array_open(call->reply), told = 0;
    for (consumers_begin(&walk, item, group); consumers_next(&walk, &name, &consumer);) {
        if (consumer.pending == 0)
            continue;
        resp_array(call->reply, 2);
        reply_name(call, &name);
        resp_bulk_integer(call->reply, (int64_t)consumer.pending);
        told++;
    }
    resp_array_close(call->reply, mark, told);
}

static void reply_pending(struct call *call, const struct item *item, const struct group *group,
                          const struct asked *asked) {
    struct consumer only, consumer;
    struct pending pending;
    struct group_walk walk;
    struct resp_arg name;
    if (asked->consumer && !consumer_find(item, group, asked->consumer, &only)) {
        resp_array(call->reply, 0);
        return;
    }
    size_t mark = resp_array_open(call->reply), told = 0;
    pending_begin(&walk, item, group, asked->consumer ? &only : NULL, &asked->low);
    while ((int64_t)told < asked->count && pending_next(&walk, &pending) &&
           stream_id_compare(&pending.id, &asked->high) <= 0) {
        if (asked->min_idle && (int64_t)(call->wall_ms - pending.delivered_ms) < asked->min_idle)
            continue;
        consumer_by_number(item, group, pending.consumer, &name, &consumer);
        resp_array(call->reply, 4);
        streams_reply_id(call->reply, &pending.id);
        reply_name(call, &name);
        reply_idle(call, pending.delivered_ms);
        resp_integer(call->reply, (int64_t)pending.times);
        told++;
    }
    resp_array_close(call->reply, mark, told);
}

void cmd_xpending(struct call *call) {
    struct asked asked;
    struct group group;
    struct item *item;
    if (call->count != 3 && (call->count < 6 || call->count > 9)) {
        lookup_syntax_error(call);
        return;
    }
    if ((call->count > 3 && !parse_pending(call, &asked)) ||
        !streams_find_group(call, &call->args[2], &item, &group))
        return;
    if (call->count == 3)
        reply_summary(call, item, &group);
    else
        reply_pending(call, item, &group, &asked);
}

/* ---- XINFO: args[2] is the key --- */

static bool find(struct call *call, struct item **item) {
    if (!lookup_type(call, &call->args[2], VALUE_STREAM, item))
        return false;
    return *item || refuse(call, "no such key");
}

static void reply_number(struct call *call, const char *name, uint64_t number) {
    resp_bulk_text(call->reply, name);
    resp_integer(call->reply, (int64_t)number);
}

static void reply_id(struct call *call, const char *name, const struct stream_id *id) {
    resp_bulk_text(call->reply, name);
    streams_reply_id(call->reply, id);
}

void cmd_xinfo_consumers(struct call *call) {
    struct consumer consumer;
    struct group_walk walk;
    struct group group;
    struct resp_arg name;
    struct item *item;
    if (!find(call, &item))
        return;
    if (!group_find(item, &call->args[3], &group)) {
        streams_no_group(call, &call->args[2], &call->args[3]);
        return;
    }
    resp_array(call->reply, group.consumers);
    for (consumers_begin(&walk, item, &group); consumers_next(&walk, &name, &consumer);) {
        resp_map(call->reply, 3);
        resp_bulk_text(call->reply, "name");
        reply_name(call, &name);
        reply_number(call, "pending", consumer.pending);
        resp_bulk_text(call->reply, "idle");
        reply_idle(call, consumer.seen_ms);
    }
}

/* entries-read and lag: each a number, or null where it cannot be told. */
static void reply_progress(struct call *call, const struct item *item, const struct group *group) {
    int64_t added = (int64_t)stream_head(item).added, read = group->read;
    resp_bulk_text(call->reply, "entries-read");
    if (read == GROUP_READ_UNKNOWN)
        resp_null(call->reply);
    else
        resp_integer(call->reply, read);
    resp_bulk_text(call->reply, "lag");
    if (added > 0 && (read == GROUP_READ_UNKNOWN || streams_has_holes(item, &group->last)))
        read = streams_distance(item, &group->last);
    if (added == 0)
        resp_integer(call->reply, 0);
    else if (read == GROUP_READ_UNKNOWN)
        resp_null(call->reply);
    else
        resp_integer(call->reply, (int64_t)((uint64_t)added - (uint64_t)read));
}

void cmd_xinfo_groups(struct call *call) {
    struct group_walk walk;
    struct group group;
    struct resp_arg name;
    struct item *item;
    if (!find(call, &item))
        return;
    resp_array(call->reply, groups_count(item));
    for (groups_begin(&walk, item); groups_next(&walk, &name, &group);) {
        resp_map(call->reply, 6);
        resp_bulk_text(call->reply, "name");
        reply_name(call, &name);
        reply_number(call, "consumers", group.consumers);
        reply_number(call, "pending", group.pending);
        reply_id(call, "last-delivered-id", &group.last);
        reply_progress(call, item, &group);
    }
}

/* What is told of a stream in both forms. Redis's tree is not there: its keys are the nodes that it would have, and its nodes at least one more. */
static void reply_head(struct call *call, const struct item *item) {
    struct stream_head head = stream_head(item);
    struct stream_entry first = {.id = STREAM_ID_MIN};
    uint64_t nodes = stream_nodes(item);
    (void)stream_edge(item, false, &first);
    reply_number(call, "length", head.length);
    reply_number(call, "radix-tree-keys", nodes);
    reply_number(call, "radix-tree-nodes", nodes + 1);
    reply_id(call, "last-generated-id", &head.last);
    reply_id(call, "max-deleted-entry-id", &head.erased);
    reply_number(call, "entries-added", head.added);
    reply_id(call, "recorded-first-entry-id", &first.id);
}

static void reply_edge(struct call *call, const struct item *item, bool last) {
    struct stream_entry entry;
    resp_bulk_text(call->reply, last ? "last-entry" : "first-entry");
    if (stream_edge(item, last, &entry))
        streams_reply_entry(call->reply, &entry);
    else
        resp_null(call->reply);
}

/* ---- XINFO STREAM FULL: at most `count` of each, 0: all --- */

static void reply_entries(struct call *call, const struct item *item, size_t count) {
    struct stream_walk walk;
    struct stream_entry entry;
    size_t mark = resp_array_open(call->reply), told = 0;
    stream_walk_begin(&walk, item, &STREAM_ID_MIN, &STREAM_ID_MAX, false);
    for (; (count == 0 || told < count) && stream_walk_next(&walk, &entry); told++)
        streams_reply_entry(call->reply, &entry);
    resp_array_close(call->reply, mark, told);
}

/* Of the group, with the consumer's name; or of one consumer. */
static void reply_pending_list(struct call *call, const struct item *item, const struct group *group,
                               const struct consumer *consumer, size_t count) {
    struct consumer owner;
    struct pending pending;
    struct group_walk walk;
    struct resp_arg name;
    resp_bulk_text(call->reply, "pending");
    size_t mark = resp_array_open(call->reply), told = 0;
    pending_begin(&walk, item, group, consumer, &STREAM_ID_MIN);
    for (; (count == 0 || told < count) && pending_next(&walk, &pending); told++) {
        resp_array(call->reply, consumer ? 3 : 4);
        streams_reply_id(call->reply, &pending.id);
        if (!consumer) {
            consumer_by_number(item, group, pending.consumer, &name, &owner);
            reply_name(call, &name);
        }
        resp_integer(call->reply, (int64_t)pending.delivered_ms);
        resp_integer(call->reply, (int64_t)pending.times);
    }
    resp_array_close(call->reply, mark, told);
}

static void reply_full_group(struct call *call, const struct item *item, const struct resp_arg *name,
                             const struct group *group, size_t count) {
    struct consumer consumer;
    struct group_walk walk;
    struct resp_arg consumer_name;
    resp_map(call->reply, 7);
    resp_bulk_text(call->reply, "name");
    reply_name(call, name);
    reply_id(call, "last-delivered-id", &group->last);
    reply_progress(call, item, group);
    reply_number(call, "pel-count", group->pending);
    reply_pending_list(call, item, group, NULL, count);
    resp_bulk_text(call->reply, "consumers");
    resp_array(call->reply, group->consumers);
    for (consumers_begin(&walk, item, group); consumers_next(&walk, &consumer_name, &consumer);) {
        resp_map(call->reply, 4);
        resp_bulk_text(call->reply, "name");
        reply_name(call, &consumer_name);
        reply_number(call, "seen-time", consumer.seen_ms);
        reply_number(call, "pel-count", consumer.pending);
        reply_pending_list(call, item, group, &consumer, count);
    }
}

static void reply_full(struct call *call, const struct item *item, size_t count) {
    struct group_walk walk;
    struct group group;
    struct resp_arg name;
    resp_map(call->reply, 9);
    reply_head(call, item);
    resp_bulk_text(call->reply, "entries");
    reply_entries(call, item, count);
    resp_bulk_text(call->reply, "groups");
    resp_array(call->reply, groups_count(item));
    for (groups_begin(&walk, item); groups_next(&walk, &name, &group);)
        reply_full_group(call, item, &name, &group, count);
}

void cmd_xinfo_stream(struct call *call) {
    struct item *item;
    int64_t count = 10;
    if (!find(call, &item))
        return;
    if (call->count == 3) {
        resp_map(call->reply, 10);
        reply_head(call, item);
        reply_number(call, "groups", groups_count(item));
        reply_edge(call, item, false);
        reply_edge(call, item, true);
        return;
    }
    if ((call->count != 4 && call->count != 6) || !resp_arg_is(&call->args[3], "full") ||
        (call->count == 6 && !resp_arg_is(&call->args[4], "count"))) {
        streams_part_error(call, "XINFO");
        return;
    }
    if (call->count == 6 && !lookup_integer(call, &call->args[5], &count))
        return;
    reply_full(call, item, count < 0 ? 10 : (size_t)count);
}
