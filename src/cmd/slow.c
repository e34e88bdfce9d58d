/* SPDX-License-Identifier: MIT */
/* What took long: SLOWLOG and LATENCY. */
#include "command.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "../conf.h"
#include "../slowlog.h"
#include "../spikes.h"
#include "report.h"
#include "sessions.h"
#include "text.h"

/* ---- SLOWLOG --- */

static void reply_entry(struct resp_out *reply, const struct slowlog_entry *entry) {
    resp_array(reply, 6);
    resp_integer(reply, (int64_t)entry->id);
    resp_integer(reply, (int64_t)entry->time_s);
    resp_integer(reply, (int64_t)entry->us);
    if (reply->buf)
        resp_buf_append(reply->buf, resp_buf_bytes(&entry->args), resp_buf_length(&entry->args));
    resp_bulk_text(reply, entry->address);
    resp_bulk_text(reply, entry->name);
}

/* -1: all of them. */
void session_slowlog_get(struct session_call *call) {
    int64_t wanted = 10;
    size_t told = 0;

    if (call->count > 3) {
        resp_error(call->reply,
                   "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try SLOWLOG HELP.",
                   (int)call->args[1].length, call->args[1].bytes);
        return;
    }
    if (call->count == 3 && (!resp_arg_integer(&call->args[2], &wanted) || wanted < -1)) {
        resp_error(call->reply, "ERR count should be greater than or equal to -1");
        return;
    }
    size_t mark = resp_array_open(call->reply);
    for (const struct slowlog_entry *entry = slowlog_first(call->slowlog);
         entry && (wanted < 0 || told < (uint64_t)wanted); entry = entry->older, told++)
        reply_entry(call->reply, entry);
    resp_array_close(call->reply, mark, told);
}

void session_slowlog_len(struct session_call *call) {
    resp_integer(call->reply, (int64_t)slowlog_length(call->slowlog));
}

void session_slowlog_reset(struct session_call *call) {
    slowlog_reset(call->slowlog);
    resp_status(call->reply, "OK");
}

/* ---- LATENCY --- */

/* The event of this name, or SPIKE_EVENTS. */
static enum spike_event event_of(const struct resp_arg *name) {
    unsigned event = 0;

    while (event < SPIKE_EVENTS && !resp_arg_is(name, spikes_name((enum spike_event)event)))
        event++;
    return (enum spike_event)event;
}

void session_latency_latest(struct session_call *call) {
    size_t mark = resp_array_open(call->reply), told = 0;

    for (unsigned event = 0; event < SPIKE_EVENTS; event++) {
        size_t count = spikes_count(call->spikes, (enum spike_event)event);
        if (count == 0)
            continue;
        struct spike last = spikes_at(call->spikes, (enum spike_event)event, count - 1);
        resp_array(call->reply, 4);
        resp_bulk_text(call->reply, spikes_name((enum spike_event)event));
        resp_integer(call->reply, (int64_t)last.time_s);
        resp_integer(call->reply, (int64_t)last.ms);
        resp_integer(call->reply, (int64_t)call->spikes->events[event].max_ms);
        told++;
    }
    resp_array_close(call->reply, mark, told);
}

void session_latency_history(struct session_call *call) {
    enum spike_event event = event_of(&call->args[2]);
    size_t count = event < SPIKE_EVENTS ? spikes_count(call->spikes, event) : 0;

    resp_array(call->reply, count);
    for (size_t at = 0; at < count; at++) {
        struct spike spike = spikes_at(call->spikes, event, at);
        resp_array(call->reply, 2);
        resp_integer(call->reply, (int64_t)spike.time_s);
        resp_integer(call->reply, (int64_t)spike.ms);
    }
}

/* A bar for each second in which it took long. */
void session_latency_graph(struct session_call *call) {
    static const char bar[] = "############################################################";
    enum { WIDTH = sizeof bar - 1 };
    enum spike_event event = event_of(&call->args[2]);
    size_t count = event < SPIKE_EVENTS ? spikes_count(call->spikes, event) : 0;
    struct resp_buf text = {0};
    uint64_t high = 1, now_s = call->now_ms / 1000;

    if (count == 0) {
        resp_error(call->reply, "ERR No samples available for event '%.*s'", (int)call->args[2].length,
                   call->args[2].bytes);
        return;
    }
    for (size_t at = 0; at < count; at++)
        if (spikes_at(call->spikes, event, at).ms > high)
            high = spikes_at(call->spikes, event, at).ms;
    text_add(&text, "%s - high %" PRIu64 " ms (all time high %" PRIu64 " ms)\n", spikes_name(event), high,
             call->spikes->events[event].max_ms);
    for (size_t at = 0; at < count; at++) {
        struct spike spike = spikes_at(call->spikes, event, at);
        uint64_t ago_s = now_s > spike.time_s ? now_s - spike.time_s : 0;
        text_add(&text, "%8" PRIu64 " s ago %8" PRIu64 " ms %.*s\n", ago_s, spike.ms,
                 (int)(spike.ms * WIDTH / high), bar);
    }
    text_reply(&text, call->reply);
}

/* ---- LATENCY HISTOGRAM --- */

/* Redis's bounds: those of a histogram whose smallest step is 1032 ns. */
static int64_t bound_us(unsigned doublings) {
    return (int64_t)((((uint64_t)1032 << doublings) - 1) / 1000);
}

static uint64_t count_of(const struct report_calls *calls) {
    uint64_t count = 0;
    for (unsigned k = 0; k < REPORT_TOOK_MAX; k++)
        count += calls->took[k];
    return count;
}

static bool is_of(const struct command *command, const struct resp_arg *name) {
    size_t head = strcspn(command->name, "|");
    return resp_arg_is(name, command->name) ||
           (name->length == head && command->name[head] && resp_bytes_fold(name->bytes, command->name, head));
}

static bool is_asked_for(const struct session_call *call, const struct report_calls *calls) {
    bool asked = call->count == 2;
    for (size_t i = 2; i < call->count; i++)
        asked |= is_of(calls->command, &call->args[i]);
    return asked && count_of(calls) > 0;
}

static void reply_histogram(struct resp_out *reply, const struct report_calls *calls) {
    size_t filled = 0;
    uint64_t sum = 0;
    for (unsigned k = 0; k < REPORT_TOOK_MAX; k++)
        filled += calls->took[k] > 0;
    resp_bulk_text(reply, calls->command->name);
    resp_map(reply, 2);
    resp_bulk_text(reply, "calls");
    resp_integer(reply, (int64_t)count_of(calls));
    resp_bulk_text(reply, "histogram_usec");
    resp_map(reply, filled);
    for (unsigned k = 0; k < REPORT_TOOK_MAX; k++) {
        sum += calls->took[k];
        if (calls->took[k] == 0)
            continue;
        resp_integer(reply, bound_us(k));
        resp_integer(reply, (int64_t)sum);
    }
}

/* Of commands that ran since the start or CONFIG RESETSTAT, while they were timed (slowlog-log-slower-than, latency-monitor-threshold). A
 * container's name stands for all its subcommands. */
void session_latency_histogram(struct session_call *call) {
    const struct report *report = call->report;
    size_t told = 0;
    for (size_t i = 0; i < report->call_count; i++)
        told += is_asked_for(call, &report->calls[i]);
    resp_map(call->reply, told);
    for (size_t i = 0; i < report->call_count; i++)
        if (is_asked_for(call, &report->calls[i]))
            reply_histogram(call->reply, &report->calls[i]);
}

/* ---- LATENCY RESET --- */

static bool reset_event(struct spikes *spikes, enum spike_event event) {
    bool had = spikes_count(spikes, event) > 0;

    spikes_reset(spikes, event);
    return had;
}

void session_latency_reset(struct session_call *call) {
    int64_t reset = 0;

    for (unsigned event = 0; event < SPIKE_EVENTS && call->count == 2; event++)
        reset += reset_event(call->spikes, (enum spike_event)event);
    for (size_t at = 2; at < call->count; at++) {
        enum spike_event event = event_of(&call->args[at]);
        if (event < SPIKE_EVENTS)
            reset += reset_event(call->spikes, event);
    }
    resp_integer(call->reply, reset);
}

/* What may be behind an event, in one sentence. */
static const char *advice_of(enum spike_event event) {
    static const char *const advice[] = {
        [SPIKE_COMMAND] =
            "See SLOWLOG GET for the commands: those over many keys or long values hold up all others.",
        [SPIKE_FAST_COMMAND] =
            "These should take microseconds: the machine is short of processor time or memory.",
        [SPIKE_COMMIT] = "Writes wait for the disks and the network of a majority: compare fsync here and on "
                         "the others, and RAFT.INFO.",
        [SPIKE_FSYNC] = "The disk is slow or busy with something else: every write waits for it.",
        [SPIKE_LOOP] =
            "Nothing was served meanwhile: see command, or the machine was short of processor time.",
    };
    return advice[event];
}

void session_latency_doctor(struct session_call *call) {
    struct resp_buf text = {0};

    if (call->conf->latency_threshold_ms == 0) {
        text_add(&text, "Nothing is watched: latency-monitor-threshold is 0. CONFIG SET it to a number of "
                        "milliseconds.\n");
        text_reply(&text, call->reply);
        return;
    }
    for (unsigned at = 0; at < SPIKE_EVENTS; at++) {
        enum spike_event event = (enum spike_event)at;
        size_t count = spikes_count(call->spikes, event);
        uint64_t sum = 0;
        if (count == 0)
            continue;
        for (size_t i = 0; i < count; i++)
            sum += spikes_at(call->spikes, event, i).ms;
        text_add(
            &text, "%s: in %zu seconds it took %" PRIu64 " ms on average and %" PRIu64 " ms at most. %s\n",
            spikes_name(event), count, sum / count, call->spikes->events[event].max_ms, advice_of(event));
    }
    if (resp_buf_length(&text) == 0)
        text_add(&text, "Nothing took %" PRIu64 " ms or longer.\n", call->conf->latency_threshold_ms);
    text_reply(&text, call->reply);
}
