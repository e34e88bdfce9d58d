/* SPDX-License-Identifier: MIT */
/*
 * During a run
 *
 *      no node ends by itself that had no reason to; no answer is another's; no error but those of the outcome contract
 *
 * At its end, all being mended
 *
 *      a write is acknowledged within WRITE_MS
 *      who was being replaced is a voter within SETTLE_MS
 *      each key's history is linearizable, the last reads among it (tests/sim/checker.c); of writes to keys of their own, what was
 *      acknowledged is there and what was definitely refused is not
 *      the members' audit of their states finds all of them equal, after the last write
 *      every node ends at SIGTERM with 0, without a report of an assertion or a sanitizer; nothing is left: process, interface, directory
 */
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../harness/load.h"
#include "clients.h"
#include "disks.h"
#include "network.h"

enum {
    CLIENTS = 8,
    LEDGER_WRITERS = 2,
    LEDGER_PAUSE_US = 2000,
    OPERATIONS_A_SECOND_MAX = 8000,
    MENDING_SECONDS_MAX = 60,
    WRITE_MS = 10000,
    SETTLE_MS = 40000,
    READ_MS = 60000,
    AUDIT_MS = 20000,
    UNDECIDED_PERCENT_MAX = 2,
    LOOK_MS = 10,
};

/* What this process could get, once. */
static struct faults_means means;
static char no_network[NETWORK_WHY_MAX];
static volatile sig_atomic_t interrupted;

void run_break_off(void) {
    interrupted = 1;
}

struct faults_means run_open(void) {
    means.networks = network_open(no_network);
    if (!means.networks)
        harness_say("skipped: networks that can be cut: no namespaces can be made here: %s", no_network);
    return means;
}

/* ---- a run --------------------------------------------------------------------------------------------------------------- */

static struct cluster *cluster; /* of the run that goes on */
static char secret[CLUSTER_PATH_MAX];
static struct run_seen seen;

static const char *const *options_of(uint64_t seed) {
    static const char *options[32];
    size_t count = 0;
    const char *common[] = {"--raft-secret-file",    secret, "--protected-mode", "no",
                            "--raft-audit-interval", "1"};
    const char *small[] = {"--raft-checkpoint-log-size", "128kb", "--raft-checkpoint-entries", "1000"};
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        options[count++] = common[i];
    for (size_t i = 0; seed % 4 != 3 && i < sizeof small / sizeof *small; i++)
        options[count++] = small[i];
    options[count++] = "--raft-disk-reserve";
    options[count++] = seed / 2 % 2 ? "4mb" : "0";
    options[count++] = "--raft-read-consistency";
    options[count++] = seed / 4 % 2 ? "lease" : "linearizable";
    options[count++] = "--raft-outcome-timeout";
    options[count++] = seed % 2 ? "400" : "5000"; /* some are told early that nobody knows yet */
    options[count] = NULL;
    return options;
}

struct cluster *run_begin(const struct run *run) {
    char why[DISKS_WHY_MAX];
    cluster = cluster_prepare(run->nodes, NULL, NULL);
    snprintf(secret, sizeof secret, "%.200s/secret", cluster->dir);
    file_write(secret, "a secret for these members\n", 27);
    cluster->patient = false;
    cluster->options = options_of(run->seed);
    if (means.networks)
        network_join(cluster);
    means.disks = disks_open(cluster, why);
    if (!means.disks)
        harness_say("skipped: disks that are full: none can be mounted: %s", why);
    seen.means = means;
    faults_open(cluster, means, run->seed);
    cluster_spawn_all(cluster);
    cluster_wait_leader(cluster);
    return cluster;
}

static void must_be_clean(void) {
    char complaint[COMPLAINT_MAX];
    clients_complaint(complaint);
    if (complaint[0])
        harness_fail("%s", complaint);
}

static void suffer(const struct run *run) {
    uint64_t until = harness_now_ms() + run->seconds * 1000;
    while (harness_now_ms() < until && !interrupted) {
        faults_work();
        must_be_clean();
        harness_sleep_ms(LOOK_MS);
    }
}

static void must_write_again(void) {
    uint64_t healed_us = harness_now_us(), until = harness_now_ms() + harness_scaled_ms(WRITE_MS);
    while (clients_last_ack_us() <= healed_us) {
        if (harness_now_ms() > until)
            harness_fail("no write is acknowledged %d ms after all was mended", WRITE_MS);
        faults_settle();
        harness_sleep_ms(LOOK_MS);
    }
    harness_say("a write was acknowledged %llu ms after all was mended",
                (unsigned long long)(clients_last_ack_us() - healed_us) / 1000);
}

static void must_settle(void) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(SETTLE_MS);
    while (!faults_settle()) {
        if (harness_now_ms() > until)
            harness_fail("a change of members is not finished %d ms after all was mended", SETTLE_MS);
        harness_sleep_ms(LOOK_MS);
    }
}

/* The audit has found every node's state right after all that was written. */
static void must_be_equal(void) {
    static struct info info;
    size_t leader = cluster_wait_equal(cluster);
    uint64_t until = harness_now_ms() + harness_scaled_ms(AUDIT_MS);
    if (!cluster_info(cluster, leader, &info))
        harness_fail("node %u does not answer", cluster->nodes[leader].id);
    uint64_t index = info_number(&info, "last_applied_index");
    for (size_t at = 0; at < cluster->count;) {
        if (!cluster_info(cluster, at, &info) || info_number(&info, "audit_index") < index) {
            if (harness_now_ms() > until)
                harness_fail("node %u is not found right after entry %llu", cluster->nodes[at].id,
                             (unsigned long long)index);
            faults_settle();
            harness_sleep_ms(LOOK_MS);
            continue;
        }
        if (!info_is(&info, "state_differs", "no") || !info_is(&info, "state", "up"))
            harness_fail("node %u is not right:\n%s", cluster->nodes[at].id, info.text);
        at++;
    }
}

static void judge(struct checker_report *report) {
    if (!clients_read_all(harness_scaled_ms(READ_MS)))
        harness_fail("the last reads are not answered");
    must_be_clean();
    clients_judge(report);
    if (report->undecided * 100 > report->histories * UNDECIDED_PERCENT_MAX)
        harness_fail("%llu of %llu histories are too hard to judge", (unsigned long long)report->undecided,
                     (unsigned long long)report->histories);
}

static void tell(const struct run *run, const struct checker_report *report) {
    const char *names[FAULT_KINDS_MAX];
    uint64_t counts[FAULT_KINDS_MAX], failed = 0, slowed = 0;
    struct clients_totals totals;
    clients_totals(&totals);
    for (size_t at = 0; at < cluster->count; at++) {
        failed += atomic_load(&disks_faults(at)->failed);
        slowed += atomic_load(&disks_faults(at)->slowed);
    }
    harness_say(
        "%zu nodes, seed %llu: %llu writes acknowledged, %llu reads (%llu by readers of any node), %llu "
        "refused, %llu unknown (%llu told so); %llu histories, %llu too hard to judge",
        run->nodes, (unsigned long long)run->seed, (unsigned long long)totals.acknowledged,
        (unsigned long long)totals.reads, (unsigned long long)totals.follower_reads,
        (unsigned long long)totals.refused, (unsigned long long)totals.unknown,
        (unsigned long long)totals.doubted, (unsigned long long)report->histories,
        (unsigned long long)report->undecided);
    harness_say("%llu operations of disks failed, %llu were slow; and so often", (unsigned long long)failed,
                (unsigned long long)slowed);
    size_t count = faults_count(names, counts);
    for (size_t i = 0; i < count; i++) {
        harness_say("    %4llu %s", (unsigned long long)counts[i], names[i]);
        seen.kinds[i] += counts[i];
    }
    seen.disk_failures += failed;
    seen.refused += totals.refused;
    seen.unknown += totals.unknown;
    seen.follower_reads += totals.follower_reads;
}

void run_end(void) {
    size_t nodes = cluster->count;
    char dir[CLUSTER_PATH_MAX];
    snprintf(dir, sizeof dir, "%s", cluster->dir);
    clients_free();
    for (size_t at = 0; at < nodes; at++) {
        int status = cluster_end(cluster, at);
        if (status != 0)
            harness_fail("node %u ended with status %d at SIGTERM", cluster->nodes[at].id, status);
    }
    network_leave(cluster);
    disks_close(cluster);
    cluster_free(cluster);
    cluster = NULL;
    if (waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD)
        harness_fail("a process is left");
    if (means.networks && network_interfaces() != 2) /* lo, br0 */
        harness_fail("an interface is left");
    if (access(dir, F_OK) == 0)
        harness_fail("%s is left", dir);
}

void run_whole(const struct run *run) {
    struct checker_report report;
    harness_say("seed %llu", (unsigned long long)run->seed);
    run_begin(run);
    clients_start(cluster, CLIENTS, (run->seconds + MENDING_SECONDS_MAX) * OPERATIONS_A_SECOND_MAX,
                  run->seed);
    struct load *ledger = load_start(cluster, "ledger", LEDGER_WRITERS, LEDGER_PAUSE_US);
    suffer(run);
    faults_heal();
    must_write_again();
    must_settle();
    clients_stop();
    load_stop(ledger);
    must_be_equal();
    judge(&report);
    load_must_hold(ledger, "after all that");
    load_free(ledger);
    tell(run, &report);
    run_end();
}

const struct run_seen *run_seen(void) {
    return &seen;
}

/* A failed run's: clients end first, then what they talk to. */
int run_teardown(void **state) {
    clients_free();
    if (cluster) {
        cluster_kill_all(cluster);
        disks_keep(cluster);
        network_leave(cluster);
        disks_close(cluster);
    }
    cluster = NULL;
    return load_teardown(state);
}
