/* SPDX-License-Identifier: MIT */
/* MEMORY: what the process' memory is used for. Fields have the names that Redis gives them; those that it has for parts which do not
 * exist here are left out. */
#include "command.h"

#include <assert.h>

#include "report.h"
#include "sessions.h"
#include "text.h"

static double ratio(size_t part, size_t whole) {
    return whole ? (double)part / (double)whole : 0;
}

static size_t less(size_t whole, size_t part) {
    return whole > part ? whole - part : 0;
}

static size_t keys_of(const struct report *report) {
    size_t keys = 0;

    for (size_t db = 0; db < report->database_count; db++)
        keys += report->databases[db].keys;
    return keys;
}

static void count(struct resp_out *reply, const char *name, size_t value) {
    resp_bulk_text(reply, name);
    resp_integer(reply, (int64_t)value);
}

static void number(struct resp_out *reply, const char *name, double value) {
    resp_bulk_text(reply, name);
    resp_double(reply, value);
}

static void difference(struct resp_out *reply, const char *name, size_t whole, size_t part) {
    resp_bulk_text(reply, name);
    resp_integer(reply, (int64_t)whole - (int64_t)part);
}

void session_memory_stats(struct session_call *call) {
    const struct report *report = call->report;
    struct resp_out *reply = call->reply;

    assert(report);
    size_t used = report->memory_used, data = report->memory_keyspace, keys = keys_of(report);
    size_t since_start = less(used, report->memory_used_startup);
    resp_map(reply, 22);
    count(reply, "peak.allocated", report->memory_used_peak);
    count(reply, "total.allocated", used);
    count(reply, "startup.allocated", report->memory_used_startup);
    count(reply, "clients.normal", report->memory_clients);
    count(reply, "aof.buffer", (size_t)report->unsaved_bytes);
    count(reply, "overhead.total", less(used, data));
    count(reply, "keys.count", keys);
    count(reply, "keys.bytes-per-key", keys ? since_start / keys : 0);
    count(reply, "dataset.bytes", data);
    number(reply, "dataset.percentage", 100 * ratio(data, since_start));
    number(reply, "peak.percentage", 100 * ratio(used, report->memory_used_peak));
    number(reply, "fragmentation", ratio(report->memory_resident, used));
    difference(reply, "fragmentation.bytes", report->memory_resident, used);
    count(reply, "replication.backlog", 0);
    count(reply, "lua.caches", report->memory_scripts);
    count(reply, "allocator.allocated", report->memory_allocated);
    count(reply, "allocator.active", report->memory_active);
    count(reply, "allocator.resident", report->memory_resident);
    number(reply, "allocator-fragmentation.ratio", ratio(report->memory_active, report->memory_allocated));
    difference(reply, "allocator-fragmentation.bytes", report->memory_active, report->memory_allocated);
    number(reply, "allocator-rss.ratio", ratio(report->memory_resident, report->memory_active));
    difference(reply, "allocator-rss.bytes", report->memory_resident, report->memory_active);
}

void session_memory_doctor(struct session_call *call) {
    enum { LITTLE = 5 << 20, FREED = 10 << 20, CLIENT_MUCH = 200 << 10 };
    const struct report *report = call->report;
    struct resp_buf text = {0};

    assert(report);
    size_t used = report->memory_used, resident = report->memory_resident;
    if (used < LITTLE) {
        text_add(&text, "Little memory is used: there is nothing to judge yet.\n");
        text_reply(&text, call->reply);
        return;
    }
    if (ratio(report->memory_used_peak, used) > 1.5)
        text_add(&text,
                 "* The peak was %.1f times what is used now: what was freed since may not have gone back to "
                 "the system.\n",
                 ratio(report->memory_used_peak, used));
    if (ratio(resident, used) > 1.4 && less(resident, used) > FREED)
        text_add(&text,
                 "* The process holds %.1f times what it uses: the allocator keeps freed memory, or it is "
                 "fragmented.\n",
                 ratio(resident, used));
    if (report->clients && report->memory_clients / report->clients > CLIENT_MUCH)
        text_add(&text,
                 "* A client's buffers take %zu bytes on average: clients send faster than they read, see "
                 "CLIENT LIST.\n",
                 report->memory_clients / report->clients);
    if (resp_buf_length(&text) == 0)
        text_add(&text, "Nothing is remarkable about the use of memory.\n");
    text_reply(&text, call->reply);
}

void session_memory_malloc_stats(struct session_call *call) {
    resp_bulk_text(call->reply, "Stats not supported for the current allocator");
}

void session_memory_purge(struct session_call *call) {
    call->wishes->purge = true;
    resp_status(call->reply, "OK");
}
