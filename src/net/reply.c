/* SPDX-License-Identifier: MIT */
/*
 * Replies from a peer. hiredis's reader finds them in the bytes; instead of its tree of objects, which a
 * hostile header ("*2147483647") makes as large as it likes, its hooks write each leaf's text behind the
 * last one:
 *
 *     *2 $2 OK *1 :7          ->       kind '*'   text "OK7"   args [0,2) [2,3)
 *
 * The text may move while it grows, so args get their pointers when the reply is whole. What one reply may
 * take is bounded by the bytes that were fed for it.
 */
#include "internal.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPLY_BYTES_MAX = 1024 * 1024, TEXT_KEPT = 4096, ARGS_KEPT = 256 };

static void note_kind(const redisReadTask *task, char kind) {
    struct reply *reply = task->privdata;
    if (!task->parent)
        reply->kind = kind;
}

/* bytes == NULL: a null. */
static void *add(const redisReadTask *task, const char *bytes, size_t length) {
    struct reply *reply = task->privdata;
    if (reply->count == reply->capacity) {
        reply->capacity = reply->capacity > 0 ? reply->capacity * 2 : 16;
        reply->args = realloc(reply->args, reply->capacity * sizeof *reply->args);
        if (!reply->args)
            abort();
    }
    reply->args[reply->count++] = (struct resp_arg){.bytes = bytes ? "" : NULL, .length = length};
    resp_buf_append(&reply->text, bytes, length);
    return reply; /* the reader wants an object: any will do */
}

static void *on_string(const redisReadTask *task, char *bytes, size_t length) {
    note_kind(task, task->type == REDIS_REPLY_STATUS ? '+' : task->type == REDIS_REPLY_ERROR ? '-' : '$');
    return add(task, bytes, length);
}

static void *on_array(const redisReadTask *task, int count) {
    (void)count;
    note_kind(task, '*');
    return task->privdata;
}

static void *on_integer(const redisReadTask *task, long long value) {
    char text[32];
    int length = snprintf(text, sizeof text, "%lld", value);
    note_kind(task, ':');
    return add(task, text, (size_t)length);
}

static void *on_null(const redisReadTask *task) {
    note_kind(task, '$');
    return add(task, NULL, 0);
}

static void on_free(void *object) {
    (void)object;
}

static redisReplyObjectFunctions hooks = {on_string, on_array, on_integer, on_null, on_free};

static void forget(struct reply *reply) {
    resp_buf_consume(&reply->text, resp_buf_length(&reply->text), TEXT_KEPT);
    reply->count = 0;
    reply->whole = false;
    if (reply->capacity > ARGS_KEPT) {
        free(reply->args);
        reply->args = NULL;
        reply->capacity = 0;
    }
}

void reply_start(struct reply *reply, redisReader *reader) {
    forget(reply);
    reply->fed = 0;
    reader->fn = &hooks;
    reader->privdata = reply;
}

void reply_feed(struct reply *reply, redisReader *reader, const char *bytes, size_t length) {
    reply->fed += length;
    redisReaderFeed(reader, bytes, length); /* a failure stays in the reader: reply_next reports it */
}

static void point_args(struct reply *reply) {
    const char *text = resp_buf_length(&reply->text) > 0 ? resp_buf_bytes(&reply->text) : "";
    for (size_t i = 0; i < reply->count; i++) {
        if (!reply->args[i].bytes)
            continue;
        reply->args[i].bytes = text;
        text += reply->args[i].length;
    }
}

enum reply_outcome reply_next(struct reply *reply, redisReader *reader, const char **why) {
    if (reply->whole)
        forget(reply);
    void *object = NULL;
    if (redisReaderGetReply(reader, &object) != REDIS_OK) {
        *why = reader->errstr;
        return REPLY_BAD;
    }
    if (!object) {
        *why = "a reply over 1 MB";
        return reply->fed > REPLY_BYTES_MAX ? REPLY_BAD : REPLY_NONE;
    }
    assert(object == reply);
    reply->fed = reader->len - reader->pos;
    reply->whole = true;
    point_args(reply);
    return REPLY_WHOLE;
}

void reply_close(struct reply *reply) {
    resp_buf_close(&reply->text);
    free(reply->args);
    *reply = (struct reply){0};
}
