/* SPDX-License-Identifier: MIT */
/*
 * How much memory this process uses. The allocator can tell, but walks through all that is free to do so: 5 ms after a million keys have
 * been written over, 80 ms when half a million pieces are free, as they may be after many keys expired or were evicted; and the loop
 * stands still. So it is asked the less often the longer it takes, for a thousandth of the time at most, and much more seldom when it
 * takes longer than a turn should: after 5 ms for two minutes not again. In between the keyspace's own count says how that has changed.
 */
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "node_state.h"

enum {
    REST = 1000,   /* times what it took ... */
    LONG_US = 250, /* ... and as often again as it took so long */
};

uint64_t memory_rest_us(uint64_t took_us) {
    return REST * took_us * (1 + took_us / LONG_US);
}

static size_t used_now(struct node *node) {
    size_t keyspace = keyspace_memory(node->keyspace);
    uint64_t begun_us = apply_clock_us();
    if (node->memory_look.at_us == 0 ||
        begun_us - node->memory_look.at_us >= memory_rest_us(node->memory_look.took_us)) {
        uint64_t cpu_us = instant_cpu_us();
        struct mallinfo2 info = mallinfo2();
        node->memory_look.used = info.uordblks + info.hblkhd + keyspace_checkpoint_mapped(node->keyspace);
        node->memory_look.active = info.arena + info.hblkhd + keyspace_checkpoint_mapped(node->keyspace);
        node->memory_look.keyspace = keyspace;
        node->memory_look.at_us = begun_us;
        node->memory_look.took_us = instant_cpu_us() - cpu_us;
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
