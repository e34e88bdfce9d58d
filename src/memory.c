/* SPDX-License-Identifier: MIT */
/*
 * How much memory this process uses. The allocator can tell, but walks through all that is free to do so: 80 ms when half a million
 * pieces are, as they may be after many keys expired or were evicted. So it is asked the less often the longer it takes, for a
 * thousandth of the time at most, and in between the keyspace's own count says how that has changed.
 */
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "node_state.h"

enum { REST = 1000 }; /* times what it took */

static size_t used_now(struct node *node) {
    size_t keyspace = keyspace_memory(node->keyspace);
    uint64_t begun_us = apply_clock_us();
    if (node->memory_look.at_us == 0 ||
        begun_us - node->memory_look.at_us >= REST * node->memory_look.took_us) {
        struct mallinfo2 info = mallinfo2();
        node->memory_look.used = info.uordblks + info.hblkhd;
        node->memory_look.active = info.arena + info.hblkhd;
        node->memory_look.keyspace = keyspace;
        node->memory_look.at_us = begun_us;
        node->memory_look.took_us = apply_clock_us() - begun_us;
    }
    size_t used = node->memory_look.used + keyspace;
    return used > node->memory_look.keyspace ? used - node->memory_look.keyspace : 0;
}

static void report_scripts(const struct node *node, struct report *report) {
    unsigned db = keyspace_hidden(node->keyspace);
    report->scripts = keyspace_size(node->keyspace, db);
    for (size_t i = 0; i < keyspace_slots(node->keyspace, db); i++)
        if (keyspace_at(node->keyspace, db, i))
            report->memory_scripts += item_memory(keyspace_at(node->keyspace, db, i));
}

void memory_report(struct node *node, struct report *report) {
    report->allocator = "libc";
    report->memory_used = used_now(node);
    if (report->memory_used > node->memory_peak)
        node->memory_peak = report->memory_used;
    report->memory_used_peak = node->memory_peak;
    report->memory_used_startup = node->memory_startup;
    report->memory_keyspace = keyspace_memory(node->keyspace);
    report->memory_allocated = node->memory_look.used;
    report->memory_active = node->memory_look.active;
    report_scripts(node, report);
    long page = sysconf(_SC_PAGESIZE);
    report->memory_system = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)page;
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long total, resident;
    if (file && fscanf(file, "%lu %lu", &total, &resident) == 2)
        report->memory_resident = resident * (size_t)page;
    if (file)
        fclose(file);
}

void memory_begin(struct node *node) {
    node->memory_startup = used_now(node);
}
