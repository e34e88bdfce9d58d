/* SPDX-License-Identifier: MIT */
#include "slowlog.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct slowlog {
    struct slowlog_entry *newest, *oldest;
    size_t length;
    uint64_t next_id;
};

static void *checked(void *memory) {
    if (!memory)
        abort();
    return memory;
}

struct slowlog *slowlog_new(void) {
    return checked(calloc(1, sizeof(struct slowlog)));
}

void slowlog_free(struct slowlog *log) {
    if (log)
        slowlog_reset(log);
    free(log);
}

static void drop_oldest(struct slowlog *log) {
    struct slowlog_entry *entry = log->oldest;
    assert(entry && log->length > 0);
    log->oldest = entry->newer;
    if (log->oldest)
        log->oldest->older = NULL;
    else
        log->newest = NULL;
    log->length--;
    resp_buf_close(&entry->args);
    free(entry->address);
    free(entry->name);
    free(entry);
}

static void keep_arg(struct resp_buf *buf, const struct resp_arg *arg) {
    char more[64];
    if (arg->length <= SLOWLOG_ARG_BYTES_MAX) {
        resp_request_bulk(buf, arg->bytes, arg->length);
        return;
    }
    int length =
        snprintf(more, sizeof more, "... (%zu more bytes)", arg->length - (size_t)SLOWLOG_ARG_BYTES_MAX);
    resp_request_bulk_header(buf, SLOWLOG_ARG_BYTES_MAX + (size_t)length);
    resp_buf_append(buf, arg->bytes, SLOWLOG_ARG_BYTES_MAX);
    resp_buf_append(buf, more, (size_t)length);
    resp_buf_append(buf, "\r\n", 2);
}

static void keep_args(struct resp_buf *buf, const struct slowlog_call *call) {
    size_t kept = call->count < SLOWLOG_ARGS_MAX ? call->count : SLOWLOG_ARGS_MAX;
    resp_request(buf, kept);
    for (size_t i = 0; i < kept; i++) {
        char more[64];
        if (i + 1 == SLOWLOG_ARGS_MAX && call->count > SLOWLOG_ARGS_MAX) {
            snprintf(more, sizeof more, "... (%zu more arguments)", call->count - i);
            resp_request_text(buf, more);
        } else if (call->secret_from && i >= call->secret_from)
            resp_request_text(buf, "(redacted)");
        else
            keep_arg(buf, &call->args[i]);
    }
}

void slowlog_add(struct slowlog *log, const struct slowlog_call *call, uint64_t time_s, uint64_t us,
                 size_t length_max) {
    struct slowlog_entry *entry = checked(calloc(1, sizeof *entry));
    entry->id = log->next_id++;
    entry->time_s = time_s;
    entry->us = us;
    keep_args(&entry->args, call);
    entry->address = checked(strdup(call->address));
    entry->name = checked(strdup(call->name));
    entry->older = log->newest;
    if (log->newest)
        log->newest->newer = entry;
    else
        log->oldest = entry;
    log->newest = entry;
    log->length++;
    while (log->length > length_max)
        drop_oldest(log);
}

void slowlog_reset(struct slowlog *log) {
    while (log->oldest)
        drop_oldest(log);
    assert(log->length == 0 && !log->newest);
}

size_t slowlog_length(const struct slowlog *log) {
    return log->length;
}

const struct slowlog_entry *slowlog_first(const struct slowlog *log) {
    return log->newest;
}
