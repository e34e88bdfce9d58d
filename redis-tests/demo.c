/* SPDX-License-Identifier: MIT */
/*
 * A cluster of three under writers, its leader killed -9 five times and started again; then each node leads once and is asked
 * for every key. The last line is the sum:
 *
 *     12345 writes acknowledged, 12345 found on all 3 nodes, 0 lost, longest pause 123 ms
 *
 * Exit status 1 when anything is lost, or when a write took effect that was refused. REDRAFT_KILLS: other than five.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/cluster.h"
#include "harness/load.h"

enum { WRITERS = 8, STEADY_MS = 1500, RETURN_MS = 30000, AUDIT_MS = 120000 };

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static void kill_leader(struct cluster *cluster, struct load *load, uint64_t number, uint64_t kills) {
    struct load_totals totals;
    size_t leader = cluster_wait_equal(cluster);
    harness_sleep_ms(STEADY_MS);
    load_totals(load, &totals);
    uint64_t killed_us = harness_now_us();
    cluster_kill(cluster, leader);
    uint64_t acked_us = load_wait_ack(load, harness_now_us(), harness_scaled_ms(RETURN_MS));
    if (acked_us == 0)
        harness_fail("no write was acknowledged within %d ms of the kill", RETURN_MS);
    size_t next = cluster_wait_other_leader(cluster, leader);
    say("kill %llu of %llu: node %zu led and is gone after %llu writes; node %zu acknowledged the next one "
        "%llu ms later",
        (unsigned long long)number, (unsigned long long)kills, leader + 1,
        (unsigned long long)totals.acknowledged, next + 1, (unsigned long long)(acked_us - killed_us) / 1000);
    cluster_spawn(cluster, leader);
}

/* The fewest that any node had, while it led; how many refused writes were there nevertheless. */
static void audit_each(struct cluster *cluster, struct load *load, struct load_audit *worst) {
    for (size_t at = 0; at < cluster->count; at++) {
        struct load_audit audit;
        cluster_make_leader(cluster, at);
        if (!load_audit(load, harness_scaled_ms(AUDIT_MS), &audit))
            harness_fail("node %zu leads and does not answer", at + 1);
        say("node %zu leads: %llu of %llu acknowledged writes found", at + 1, (unsigned long long)audit.found,
            (unsigned long long)audit.acknowledged);
        if (at == 0 || audit.found < worst->found || audit.appeared > worst->appeared)
            *worst = audit;
    }
}

int main(void) {
    uint64_t kills = harness_setting("REDRAFT_KILLS", 5);
    struct load_totals totals;
    struct load_audit audit;
    struct cluster *cluster = cluster_new(3, NULL);
    say("three nodes on 127.0.0.1:%u, %u, %u in %s; node %zu leads", cluster->nodes[0].port,
        cluster->nodes[1].port, cluster->nodes[2].port, cluster->dir, cluster_wait_equal(cluster) + 1);
    struct load *load = load_start(cluster, "demo", WRITERS, 0);
    for (uint64_t number = 1; number <= kills; number++)
        kill_leader(cluster, load, number, kills);
    cluster_wait_equal(cluster);
    harness_sleep_ms(STEADY_MS);
    load_stop(load);
    load_totals(load, &totals);
    say("%llu attempts were refused (to be sent elsewhere or later), the outcome of %llu is unknown",
        (unsigned long long)totals.refused, (unsigned long long)totals.unknown);
    audit_each(cluster, load, &audit);
    load_free(load);
    cluster_free(cluster);
    if (audit.appeared > 0)
        say("%llu writes took effect that had been refused, %s for one", (unsigned long long)audit.appeared,
            audit.example);
    say("%llu writes acknowledged, %llu found on all 3 nodes, %llu lost, longest pause %llu ms",
        (unsigned long long)audit.acknowledged, (unsigned long long)audit.found,
        (unsigned long long)(audit.acknowledged - audit.found),
        (unsigned long long)totals.longest_pause_us / 1000);
    return audit.found == audit.acknowledged && audit.appeared == 0 ? 0 : 1;
}
