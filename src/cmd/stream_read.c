/* SPDX-License-Identifier: MIT */
/*
 * XREAD, XREADGROUP. The first is a read, the second a write even if it delivers nothing new: it notes when the consumer was seen, and how often
 * it has been told. Both may wait (block.c): a wait belongs to the connection, and what a group delivers to a consumer is an entry
 * of the log like any other, so that no entry of the stream is delivered twice by ">" whoever leads.
 */
#include <stdio.h>
#include <string.h>

#include "../data/groups.h"
#include "blocking.h"
#include "families.h"
#include "lookup.h"
#include "streams.h"

/* What the arguments say. */
struct read {
    bool of_group;                           /* XREADGROUP */
    const struct resp_arg *group, *consumer; /* or NULL */
    bool noack, blocks;
    uint64_t timeout_ms;
    int64_t count;      /* entries of a stream; 0: any number */
    size_t keys, first; /* so many, from args[first] on; then as many ids */
};

static bool refuse(struct call *call, const char *error) {
    resp_error(call->reply, "ERR %s", error);
    return false;
}

/* ---- arguments --- */

static bool parse_block(struct call *call, const struct resp_arg *arg, struct read *read) {
    int64_t timeout;
    if (!resp_arg_integer(arg, &timeout))
        return refuse(call, "timeout is not an integer or out of range");
    if (timeout < 0)
        return refuse(call, "timeout is negative");
    read->blocks = true;
    read->timeout_ms = (uint64_t)timeout;
    return true;
}

static bool parse_streams(struct call *call, size_t first, struct read *read) {
    size_t count = call->count - first;
    if (count % 2 != 0) {
        return refuse(call, "Unbalanced XREAD list of streams: for each stream key an ID or '$' must be "
                            "specified.");
    }
    read->first = first;
    read->keys = count / 2;
    return true;
}

/* GROUP or NOACK, which XREAD has not. */
static bool parse_group(struct call *call, size_t at, struct read *read) {
    bool noack = resp_arg_is(&call->args[at], "noack");
    if (!read->of_group) {
        resp_error(call->reply,
                   "ERR The %s option is only supported by XREADGROUP. You called XREAD instead.",
                   noack ? "NOACK" : "GROUP");
        return false;
    }
    if (noack) {
        read->noack = true;
    } else {
        read->group = &call->args[at + 1];
        read->consumer = &call->args[at + 2];
    }
    return true;
}

static bool refuse_in_script(struct call *call) {
    resp_error(call->reply, "ERR %.*s command is not allowed with BLOCK option from scripts",
               (int)call->args[0].length, call->args[0].bytes);
    return false;
}

static bool parse(struct call *call, struct read *read) {
    *read = (struct read){.of_group = call->command->run == cmd_xreadgroup};
    for (size_t at = 1; at < call->count && read->first == 0; at++) {
        const struct resp_arg *arg = &call->args[at];
        size_t more = call->count - at - 1;
        if (resp_arg_is(arg, "block") && more > 0) {
            if (call->scripted)
                return refuse_in_script(call);
            if (!parse_block(call, &call->args[++at], read))
                return false;
        } else if (resp_arg_is(arg, "count") && more > 0) {
            if (!lookup_integer(call, &call->args[++at], &read->count))
                return false;
            read->count = read->count < 0 ? 0 : read->count;
        } else if (resp_arg_is(arg, "streams") && more > 0) {
            if (!parse_streams(call, at + 1, read))
                return false;
        } else if ((resp_arg_is(arg, "group") && more >= 2) || resp_arg_is(arg, "noack")) {
            if (!parse_group(call, at, read))
                return false;
            at += resp_arg_is(arg, "group") ? 2 : 0;
        } else {
            lookup_syntax_error(call);
            return false;
        }
    }
    if (read->first == 0)
        lookup_syntax_error(call);
    else if (read->of_group && !read->group)
        refuse(call, "Missing GROUP option for XREADGROUP");
    return read->first > 0 && (!read->of_group || read->group);
}

/* ---- one stream --- */

static bool is_word(const struct resp_arg *arg, char word) {
    return arg->length == 1 && arg->bytes[0] == word;
}

struct wanted {
    const struct resp_arg *key;
    const struct item *item;
    struct stream_id after;
    bool history; /* what is pending for the consumer, behind `after`; else what is new */
    struct group group;
};

/* Checks the id for a stream, and finds out where it stands; answers with an error. */
static bool want_id(struct call *call, const struct read *read, const struct resp_arg *id,
                    struct wanted *wanted) {
    if (is_word(id, '$')) {
        if (read->of_group)
            return refuse(call, "The $ ID is meaningless in the context of XREADGROUP: you want to read the "
                                "history of this consumer by specifying a proper ID, or use the > ID to get "
                                "new messages. The $ ID would just return an empty result set.");
        wanted->after = wanted->item ? stream_head(wanted->item).last : STREAM_ID_MIN;
        return true;
    }
    if (is_word(id, '>')) {
        if (!read->of_group)
            return refuse(call, "The > ID can be specified only when calling XREADGROUP using the GROUP "
                                "<group> <consumer> option.");
        wanted->after = wanted->group.last;
        return true;
    }
    if (!streams_id(call, id, 0, &wanted->after))
        return false;
    /* The largest id stands for ">", as it does in Redis. */
    wanted->history = read->of_group && stream_id_compare(&wanted->after, &STREAM_ID_MAX) != 0;
    if (read->of_group && !wanted->history)
        wanted->after = wanted->group.last;
    return true;
}

static bool want(struct call *call, const struct read *read, size_t i, struct wanted *wanted) {
    const struct resp_arg *key = &call->args[read->first + i];
    struct item *item;
    *wanted = (struct wanted){.key = key};
    if (!lookup_type(call, key, VALUE_STREAM, &item))
        return false;
    wanted->item = item;
    if (read->of_group && (!item || !group_find(item, read->group, &wanted->group))) {
        resp_error(call->reply,
                   "NOGROUP No such key '%.*s' or consumer group '%.*s' in XREADGROUP with GROUP option",
                   (int)strnlen(key->bytes, key->length), key->bytes,
                   (int)strnlen(read->group->bytes, read->group->length), read->group->bytes);
        return false;
    }
    return want_id(call, read, &call->args[read->first + read->keys + i], wanted);
}

/* Whether there is anything to be told of it. */
static bool has_any(const struct wanted *wanted) {
    struct stream_entry last;
    return wanted->history || (wanted->item && stream_edge(wanted->item, true, &last) &&
                               stream_id_compare(&last.id, &wanted->after) > 0);
}

/* ---- replies --- */

/* The entries behind an id. Returns how many, and the last one's id. */
static size_t reply_entries(struct call *call, const struct read *read, const struct item *item,
                            const struct stream_id *after, struct stream_id *last) {
    struct stream_walk walk;
    struct stream_entry entry;
    struct stream_id low = *after;
    size_t mark = resp_array_open(call->reply), told = 0, most = read->count ? (size_t)read->count : SIZE_MAX;
    if (stream_id_next(&low)) {
        stream_walk_begin(&walk, item, &low, &STREAM_ID_MAX, false);
        for (; told < most && stream_walk_next(&walk, &entry); told++) {
            *last = entry.id;
            streams_reply_entry(call->reply, &entry);
        }
    }
    resp_array_close(call->reply, mark, told);
    return told;
}

static void reply_key(struct call *call, const struct resp_arg *key) {
    if (call->reply->protocol != 3)
        resp_array(call->reply, 2);
    resp_bulk(call->reply, key->bytes, key->length);
}

/* What is pending for the consumer: it counts as delivered once more, unless it was deleted meanwhile. */
static void reply_history(struct call *call, const struct read *read, const struct wanted *wanted,
                          struct collection *stream, const struct consumer *consumer) {
    struct group_walk walk;
    struct pending pending;
    struct stream_entry entry;
    struct stream_id low = wanted->after;
    size_t mark = resp_array_open(call->reply), told = 0, most = read->count ? (size_t)read->count : SIZE_MAX;
    (void)stream_id_next(&low); /* the largest one is no history */
    for (; told < most; told++) {
        pending_begin(&walk, stream->item, &wanted->group, consumer, &low);
        if (!pending_next(&walk, &pending))
            break;
        if (stream_find(stream->item, &pending.id, &entry)) {
            streams_reply_entry(call->reply, &entry);
            pending.delivered_ms = call->wall_ms;
            pending.times++;
            pending_save(stream, &wanted->group, &pending);
        } else {
            resp_array(call->reply, 2);
            streams_reply_id(call->reply, &pending.id);
            resp_null_array(call->reply);
        }
        low = pending.id;
        if (!stream_id_next(&low)) {
            told++;
            break;
        }
    }
    resp_array_close(call->reply, mark, told);
}

/* The entry is the consumer's now, whosever it was (a group may be told to begin again). */
static void deliver(struct call *call, struct collection *stream, struct group *group,
                    struct consumer *consumer, const struct stream_id *id) {
    struct pending pending = {.id = *id};
    bool there = pending_find(stream->item, group, id, &pending);
    pending.delivered_ms = call->wall_ms;
    pending.times = 1;
    if (there)
        streams_relist(stream, group, consumer, &pending);
    else
        pending_add(stream, group, consumer, &pending);
}

/* Those behind the group's last one, up to `last`. */
static void deliver_all(struct call *call, const struct read *read, struct collection *stream,
                        struct group *group, struct consumer *consumer, const struct stream_id *last) {
    struct stream_entry entry;
    struct stream_walk walk;
    for (struct stream_id low = group->last; stream_id_next(&low); low = entry.id) {
        stream_walk_begin(&walk, stream->item, &low, last, false);
        if (!stream_walk_next(&walk, &entry))
            break;
        streams_group_reached(stream->item, group, &entry.id);
        if (!read->noack)
            deliver(call, stream, group, consumer, &entry.id);
    }
}

static void read_as_consumer(struct call *call, const struct read *read, struct wanted *wanted) {
    struct group *group = &wanted->group;
    struct collection stream;
    struct consumer consumer;
    struct stream_id last;
    stream_open(&stream, call->keyspace, call->db, wanted->key);
    if (!consumer_find(stream.item, group, read->consumer, &consumer))
        streams_add_consumer(call, &stream, wanted->key, group, read->consumer, &consumer);
    consumer.seen_ms = call->wall_ms;
    if (wanted->history)
        reply_history(call, read, wanted, &stream, &consumer);
    else if (reply_entries(call, read, stream.item, &wanted->after, &last) > 0)
        deliver_all(call, read, &stream, group, &consumer, &last);
    consumer_save(&stream, group, read->consumer, &consumer);
    group_save(&stream, read->group, group);
    stream_close_unchanged(&stream);
}

/* ---- the commands --- */

static void reply_stream(struct call *call, const struct read *read, struct wanted *wanted) {
    struct stream_id last;
    reply_key(call, wanted->key);
    if (read->of_group)
        read_as_consumer(call, read, wanted);
    else
        (void)reply_entries(call, read, wanted->item, &wanted->after, &last);
}

/* Checks them all; how many there is anything to be told of, or false when there is an error. */
static bool check_all(struct call *call, const struct read *read, size_t *found) {
    struct wanted wanted;
    *found = 0;
    for (size_t i = 0; i < read->keys; i++) {
        if (!want(call, read, i, &wanted))
            return false;
        *found += has_any(&wanted);
    }
    return true;
}

/* Those of which there is anything to be told. One that is named twice may have nothing left the second time. */
static size_t reply_streams(struct call *call, const struct read *read) {
    struct wanted wanted;
    size_t told = 0;
    for (size_t i = 0; i < read->keys; i++)
        if (want(call, read, i, &wanted) && has_any(&wanted)) {
            reply_stream(call, read, &wanted);
            told++;
        }
    return told;
}

static void reply_header(struct call *call, size_t count) {
    if (call->reply->protocol == 3)
        resp_map(call->reply, count);
    else
        resp_array(call->reply, count);
}

static void reply_aside(struct call *call, const struct read *read) {
    struct resp_buf aside = {0};
    struct resp_out out = {.buf = &aside, .protocol = call->reply->protocol}, *reply = call->reply;
    call->reply = &out;
    size_t told = reply_streams(call, read);
    call->reply = reply;
    reply_header(call, told);
    if (reply->buf)
        resp_buf_append(reply->buf, resp_buf_bytes(&aside), resp_buf_length(&aside));
    resp_buf_close(&aside);
}

static void read_streams(struct call *call) {
    struct read read;
    size_t found;
    if (!parse(call, &read) || !check_all(call, &read, &found))
        return;
    if (found == 0) {
        call->end = read.blocks ? CALL_BLOCKS : CALL_DONE;
        resp_null_array(call->reply);
        return;
    }
    if (read.of_group && read.blocks && blocking_looks(call))
        return;
    if (read.of_group && read.keys > 1) {
        reply_aside(call, &read);
        return;
    }
    reply_header(call, found);
    (void)reply_streams(call, &read);
}

void cmd_xread(struct call *call) {
    read_streams(call);
}

void cmd_xreadgroup(struct call *call) {
    read_streams(call);
}

/* ---- waiting --- */

static bool parse_words(const struct resp_arg *args, size_t count, const struct command *command,
                        struct read *read) {
    struct resp_out nowhere = {0};
    struct call call = {.command = command, .args = args, .count = count, .reply = &nowhere};
    return parse(&call, read);
}

bool streams_wait(const struct resp_arg *args, size_t count, const struct command *command,
                  struct command_wait *wait) {
    struct read read;
    if (!parse_words(args, count, command, &read) || !read.blocks)
        return false;
    *wait = (struct command_wait){
        .type = VALUE_STREAM,
        .first_key = read.first,
        .keys = read.keys,
        .ids = true,
        .reads = !read.of_group,
        .group = read.of_group ? (size_t)(read.group - args) : 0,
        .timeout_ms = read.timeout_ms,
        .takes = read.count ? (uint64_t)read.count : UINT64_MAX,
    };
    return true;
}

bool command_settle(const struct call *call, struct resp_buf *request) {
    struct read read;
    bool open = false;
    if (call->command->run != cmd_xread || !parse_words(call->args, call->count, call->command, &read))
        return false;
    size_t ids = read.first + read.keys;
    for (size_t i = ids; i < call->count; i++)
        open |= is_word(&call->args[i], '$');
    for (size_t i = 0; open && i < call->count; i++) {
        const struct resp_arg *arg = &call->args[i];
        if (i == 0)
            resp_request(request, call->count);
        if (i < ids || !is_word(arg, '$')) {
            resp_request_bulk(request, arg->bytes, arg->length);
            continue;
        }
        const struct item *item = keyspace_find(call->keyspace, call->db, &call->args[i - read.keys]);
        struct stream_id id =
            item && item_type(item) == VALUE_STREAM ? stream_head(item).last : STREAM_ID_MIN;
        char text[48];
        int length =
            snprintf(text, sizeof text, "%llu-%llu", (unsigned long long)id.ms, (unsigned long long)id.seq);
        resp_request_bulk(request, text, (size_t)length);
    }
    return open;
}

uint64_t command_finds(const struct call *call, const struct command_wait *wait, const struct resp_arg *key,
                       uint64_t most) {
    const struct item *item = keyspace_find(call->keyspace, call->db, key);
    struct stream_walk walk;
    struct stream_entry entry;
    struct group group;
    uint64_t found = 0;
    size_t i = 0;
    while (i + 1 < wait->keys &&
           !(call->args[wait->first_key + i].length == key->length &&
             memcmp(call->args[wait->first_key + i].bytes, key->bytes, key->length) == 0))
        i++;
    if (!item || item_type(item) != VALUE_STREAM)
        return 0;
    if (!is_word(&call->args[wait->first_key + wait->keys + i], '>') ||
        !group_find(item, &call->args[wait->group], &group))
        return most; /* the log has an answer at once */
    if (stream_id_next(&group.last)) {
        stream_walk_begin(&walk, item, &group.last, &STREAM_ID_MAX, false);
        while (found < most && stream_walk_next(&walk, &entry))
            found++;
    }
    return found;
}
