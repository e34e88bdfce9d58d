/* SPDX-License-Identifier: MIT */
/* Pending entries that change hands: XCLAIM, XAUTOCLAIM. */
#include <string.h>

#include "families.h"
#include "lookup.h"
#include "streams.h"

/* Who claims. The consumer is made once there is something for it. */
struct claim {
    struct collection stream;
    struct group group;
    struct consumer consumer;
    bool there;
    int64_t min_idle;
    uint64_t delivered_ms;
    int64_t times; /* that count from now on; -1: one more than before */
    bool just_id;
    bool forces; /* what is not pending is made so */
};

static bool refuse(struct call *call, const char *error) {
    resp_error(call->reply, "ERR %s", error);
    return false;
}

static bool parse_min_idle(struct call *call, const char *error, struct claim *claim) {
    if (!resp_arg_integer(&call->args[4], &claim->min_idle))
        return refuse(call, error);
    claim->min_idle = claim->min_idle < 0 ? 0 : claim->min_idle;
    return true;
}

static void begin(struct call *call, struct claim *claim) {
    stream_open(&claim->stream, call->keyspace, call->db, &call->args[1]);
}

static void end(const struct call *call, struct claim *claim, bool changed) {
    if (claim->there)
        consumer_save(&claim->stream, &claim->group, &call->args[3], &claim->consumer);
    if (changed || claim->there)
        group_save(&claim->stream, &call->args[2], &claim->group);
    stream_close_unchanged(&claim->stream);
}

static void need_consumer(struct call *call, struct claim *claim) {
    if (claim->there)
        return;
    if (!consumer_find(claim->stream.item, &claim->group, &call->args[3], &claim->consumer))
        streams_add_consumer(call, &claim->stream, &call->args[1], &claim->group, &call->args[3],
                             &claim->consumer);
    claim->consumer.seen_ms = call->wall_ms;
    claim->there = true;
}

static bool is_idle(const struct call *call, const struct claim *claim, const struct pending *pending) {
    int64_t idle = (int64_t)(call->wall_ms - pending->delivered_ms);
    return claim->min_idle == 0 || idle >= claim->min_idle;
}

/* The entry is the claimer's from now on, and told. */
static void take(struct call *call, struct claim *claim, struct pending *pending, bool is_new) {
    struct stream_entry entry;
    need_consumer(call, claim);
    pending->delivered_ms = claim->delivered_ms;
    if (claim->times >= 0)
        pending->times = (uint64_t)claim->times;
    else if (!claim->just_id)
        pending->times++;
    if (is_new)
        pending_add(&claim->stream, &claim->group, &claim->consumer, pending);
    else if (pending->consumer == claim->consumer.number)
        pending_save(&claim->stream, &claim->group, pending);
    else
        streams_relist(&claim->stream, &claim->group, &claim->consumer, pending);
    if (claim->just_id)
        streams_reply_id(call->reply, &pending->id);
    else if (stream_find(claim->stream.item, &pending->id, &entry))
        streams_reply_entry(call->reply, &entry);
}

/* One that is deleted from the stream is pending no more. */
static void forget(struct claim *claim, const struct pending *pending) {
    if (claim->there && pending->consumer == claim->consumer.number)
        pending_remove(&claim->stream, &claim->group, &claim->consumer, &pending->id);
    else
        streams_unlist(&claim->stream, &claim->group, pending);
}

/* ---- XCLAIM --- */

struct options {
    int64_t delivered_ms; /* -1: not said */
    struct stream_id last;
};

static bool parse_number(struct call *call, size_t at, const char *name, int64_t *value) {
    if (resp_arg_integer(&call->args[at], value))
        return true;
    resp_error(call->reply, "ERR Invalid %s option argument for XCLAIM", name);
    return false;
}

/* The options from args[at] on. */
static bool parse_options(struct call *call, size_t at, struct claim *claim, struct options *options) {
    for (; at < call->count; at++) {
        const struct resp_arg *arg = &call->args[at];
        bool more = at + 1 < call->count;
        if (resp_arg_is(arg, "force")) {
            claim->forces = true;
        } else if (resp_arg_is(arg, "justid")) {
            claim->just_id = true;
        } else if (more && resp_arg_is(arg, "idle")) {
            if (!parse_number(call, ++at, "IDLE", &options->delivered_ms))
                return false;
            options->delivered_ms = (int64_t)(call->wall_ms - (uint64_t)options->delivered_ms);
        } else if (more && resp_arg_is(arg, "time")) {
            if (!parse_number(call, ++at, "TIME", &options->delivered_ms))
                return false;
        } else if (more && resp_arg_is(arg, "retrycount")) {
            if (!parse_number(call, ++at, "RETRYCOUNT", &claim->times))
                return false;
        } else if (more && resp_arg_is(arg, "lastid")) {
            if (!streams_id(call, &call->args[++at], 0, &options->last))
                return false;
        } else {
            resp_error(call->reply, "ERR Unrecognized XCLAIM option '%.*s'",
                       (int)strnlen(arg->bytes, arg->length), arg->bytes);
            return false;
        }
    }
    return true;
}

/* Returns whether it was told of. */
static bool claim_one(struct call *call, struct claim *claim, const struct stream_id *id, bool *changed) {
    struct stream_entry entry;
    struct pending pending = {.id = *id, .times = 1};
    bool there = pending_find(claim->stream.item, &claim->group, id, &pending);
    if (!stream_find(claim->stream.item, id, &entry)) {
        if (there)
            forget(claim, &pending);
        *changed |= there;
        return false;
    }
    if (there ? !is_idle(call, claim, &pending) : !claim->forces)
        return false;
    take(call, claim, &pending, !there);
    return true;
}

void cmd_xclaim(struct call *call) {
    struct claim claim = {.times = -1};
    struct options options = {.delivered_ms = -1};
    struct stream_id id;
    struct item *item;
    size_t end_of_ids = 5, told = 0;
    if (!streams_find_group(call, &call->args[2], &item, &claim.group) ||
        !parse_min_idle(call, "Invalid min-idle-time argument for XCLAIM", &claim))
        return;
    while (end_of_ids < call->count && streams_read_id(&call->args[end_of_ids], 0, &id, NULL))
        end_of_ids++;
    if (!parse_options(call, end_of_ids, &claim, &options))
        return;
    bool changed = stream_id_compare(&options.last, &claim.group.last) > 0;
    if (changed)
        claim.group.last = options.last;
    claim.delivered_ms = call->wall_ms;
    if (options.delivered_ms >= 0 && (uint64_t)options.delivered_ms <= call->wall_ms)
        claim.delivered_ms = (uint64_t)options.delivered_ms;
    begin(call, &claim);
    size_t mark = resp_array_open(call->reply);
    for (size_t i = 5; i < end_of_ids; i++)
        if (streams_read_id(&call->args[i], 0, &id, NULL))
            told += claim_one(call, &claim, &id, &changed);
    resp_array_close(call->reply, mark, told);
    end(call, &claim, changed);
}

/* ---- XAUTOCLAIM --- */

static bool parse_auto(struct call *call, struct claim *claim, struct stream_id *start, int64_t *count) {
    bool excludes;
    if (!parse_min_idle(call, "Invalid min-idle-time argument for XAUTOCLAIM", claim) ||
        !streams_open_bound(call, &call->args[5], 0, start, &excludes))
        return false;
    if (excludes && !stream_id_next(start))
        return refuse(call, "invalid start ID for the interval");
    for (size_t at = 6; at < call->count; at++) {
        if (resp_arg_is(&call->args[at], "count") && at + 1 < call->count) {
            if (!lookup_within(call, &call->args[++at], 1, INT64_MAX / (int64_t)sizeof(struct stream_id),
                               "ERR COUNT must be > 0", count))
                return false;
        } else if (resp_arg_is(&call->args[at], "justid")) {
            claim->just_id = true;
        } else {
            lookup_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* What a walk over pending entries has come to: all that is told, in parts. */
struct harvest {
    struct resp_buf taken, deleted;
    size_t taken_count, deleted_count;
    struct stream_id next; /* where to go on; 0-0: nowhere */
};

/* The next one from `low` on. Changes end a walk: one is begun for each. */
static bool next_pending(const struct claim *claim, const struct stream_id *low, struct pending *pending) {
    struct group_walk walk;
    pending_begin(&walk, claim->stream.item, &claim->group, NULL, low);
    return pending_next(&walk, pending);
}

/* At most `count` entries, or ten times as many looked at. */
static void gather(struct call *call, struct claim *claim, struct stream_id low, int64_t count,
                   struct harvest *harvest) {
    enum { LOOKS = 10 };
    struct resp_out *reply = call->reply;
    struct resp_out taken = {.buf = &harvest->taken, .protocol = reply->protocol};
    struct resp_out deleted = {.buf = &harvest->deleted, .protocol = reply->protocol};
    struct pending pending;
    struct stream_entry entry;
    bool more = true;
    call->reply = &taken;
    for (int64_t looks = count > INT64_MAX / LOOKS ? INT64_MAX : count * LOOKS; looks > 0 && count > 0;
         looks--) {
        more = next_pending(claim, &low, &pending);
        if (!more)
            break;
        if (!stream_find(claim->stream.item, &pending.id, &entry)) {
            forget(claim, &pending);
            streams_reply_id(&deleted, &pending.id);
            harvest->deleted_count++;
            count--;
        } else if (is_idle(call, claim, &pending)) {
            take(call, claim, &pending, false);
            harvest->taken_count++;
            count--;
        }
        low = pending.id;
        more = stream_id_next(&low);
        if (!more)
            break;
    }
    call->reply = reply;
    if (more && next_pending(claim, &low, &pending))
        harvest->next = pending.id;
}

static void reply_part(struct resp_out *reply, size_t count, struct resp_buf *part) {
    resp_array(reply, count);
    if (reply->buf)
        resp_buf_append(reply->buf, resp_buf_bytes(part), resp_buf_length(part));
    resp_buf_close(part);
}

void cmd_xautoclaim(struct call *call) {
    struct claim claim = {.times = -1, .delivered_ms = call->wall_ms};
    struct harvest harvest = {.next = STREAM_ID_MIN};
    struct stream_id start;
    struct item *item;
    int64_t count = 100;
    if (!parse_auto(call, &claim, &start, &count) ||
        !streams_find_group(call, &call->args[2], &item, &claim.group))
        return;
    begin(call, &claim);
    gather(call, &claim, start, count, &harvest);
    end(call, &claim, harvest.deleted_count > 0);
    resp_array(call->reply, 3);
    streams_reply_id(call->reply, &harvest.next);
    reply_part(call->reply, harvest.taken_count, &harvest.taken);
    reply_part(call->reply, harvest.deleted_count, &harvest.deleted);
}
