/* SPDX-License-Identifier: MIT */
/*
 * Faults on real processes: three and five nodes, each in a network namespace of its own, under everything that faults.c does to
 * processes, network, disks and members, while clients write down what they see. The simulator finds more, and again by its seed; this
 * shows that the kernel's sockets, processes and files behave as it supposes.
 *
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
 *
 * Without arguments it is a test program. With arguments (`make chaos`): --seconds N --nodes 3|5 --seed N. The seed decides what
 * goes wrong in which order; when, the machine decides too.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../harness/load.h"
#include "../harness/wire.h"
#include "clients.h"
#include "disks.h"
#include "faults.h"
#include "network.h"

enum {
    SUITE_SECONDS = 8,
    BREAK_OFF_MS = 3500, /* into a run that is broken off */
    GONE_MS = 5000,
    ORDERLY_MS = 60000,
    CLIENTS = 8,
    LEDGER_WRITERS = 2,
    LEDGER_PAUSE_US = 2000,
    OPERATIONS_A_SECOND_MAX = 8000,
    MENDING_SECONDS_MAX = 60,
    START_MS = 15000,
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

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
}

/* ---- a run --------------------------------------------------------------------------------------------------------------- */

static struct cluster *cluster; /* of the run that goes on */
static char secret[CLUSTER_PATH_MAX], product[CLUSTER_PATH_MAX];

struct run {
    size_t nodes;
    uint64_t seconds, seed;
};

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
    options[count] = NULL;
    return options;
}

static void begin(const struct run *run) {
    char why[DISKS_WHY_MAX];
    cluster = cluster_prepare(run->nodes, NULL, NULL);
    snprintf(secret, sizeof secret, "%.200s/secret", cluster->dir);
    file_write(secret, "a secret for these members\n", 27);
    cluster->options = options_of(run->seed);
    if (means.networks)
        network_join(cluster);
    means.disks = disks_open(cluster, why);
    if (!means.disks)
        harness_say("skipped: disks that are full: none can be mounted: %s", why);
    faults_open(cluster, means, run->seed);
    cluster_spawn_all(cluster);
    cluster_wait_leader(cluster);
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

/* Over all runs of this process: rare things that must have happened, or what passes proves little. */
static struct { uint64_t kinds[FAULT_KINDS_MAX], disk_failures, refused, unknown, follower_reads; } seen;

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
        "refused, %llu in doubt; %llu histories, %llu too hard to judge",
        run->nodes, (unsigned long long)run->seed, (unsigned long long)totals.acknowledged,
        (unsigned long long)totals.reads, (unsigned long long)totals.follower_reads,
        (unsigned long long)totals.refused, (unsigned long long)totals.unknown,
        (unsigned long long)report->histories, (unsigned long long)report->undecided);
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

static void end(void) {
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

static void run_it(const struct run *run) {
    struct checker_report report;
    harness_say("seed %llu", (unsigned long long)run->seed);
    begin(run);
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
    end();
}

/* A failed run's: clients end first, then what they talk to. */
static int teardown(void **state) {
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

/* ---- the suite --------------------------------------------------------------------------------------------------------------- */

static uint64_t some_seed(void) {
    return harness_setting("REDRAFT_CHAOS_SEED", harness_now_us() % 1000000);
}

static void three_nodes_survive_what_goes_wrong(void **state) {
    (void)state;
    run_it(&(struct run){.nodes = 3, .seconds = SUITE_SECONDS, .seed = some_seed()});
}

static void five_nodes_survive_what_goes_wrong(void **state) {
    (void)state;
    run_it(&(struct run){.nodes = 5, .seconds = SUITE_SECONDS, .seed = some_seed() + 1});
}

/* Two runs are too short for every kind to be sure of its turn. */
static void rare_things_have_happened(void **state) {
    const char *names[FAULT_KINDS_MAX];
    uint64_t unused[FAULT_KINDS_MAX];
    size_t count = faults_count(names, unused), missing = 0;
    (void)state;
    for (size_t i = 0; i < count; i++) {
        if (seen.kinds[i] == 0)
            harness_say("not this time: %s", names[i]);
        missing += seen.kinds[i] == 0;
    }
    size_t possible = count - (means.networks ? 0 : NETWORK_KINDS) - (means.disks ? 0 : 1);
    if (count - missing < possible * 3 / 4)
        harness_fail("%zu of %zu kinds of faults have not happened", missing, count);
    assert_true(seen.disk_failures > 0);
    assert_true(seen.refused > 0);
    assert_true(seen.unknown > 0);
    assert_true(seen.follower_reads > 0);
}

/* ---- the tools themselves ---------------------------------------------------------------------------------------------------- */

static bool says(size_t at, const char *field, const char *value) {
    static struct info info;
    return cluster_info(cluster, at, &info) && info_is(&info, field, value);
}

static void wait_until(size_t at, const char *field, const char *value) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(START_MS);
    while (!says(at, field, value)) {
        if (harness_now_ms() > until)
            harness_fail("node %zu does not come to %s:%s", at + 1, field, value);
        harness_sleep_ms(LOOK_MS);
    }
}

/* Each cut does what it says: or the runs above would be runs without cuts. */
static void a_cut_in_one_direction_lets_the_other_through(void **state) {
    bool blocked[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX] = {{false}};
    static struct info info;
    (void)state;
    if (!means.networks) {
        harness_say("skipped: networks that can be cut: no namespaces can be made here: %s", no_network);
        skip();
    }
    begin(&(struct run){.nodes = 3, .seed = 1});
    size_t leader = cluster_wait_equal(cluster), one = (leader + 1) % 3, two = (leader + 2) % 3;
    blocked[leader][one] = blocked[leader][two] = true; /* nobody hears it; it hears that it is deposed */
    network_block(cluster, blocked);
    size_t next = cluster_wait_other_leader(cluster, leader);
    assert_true(cluster_info(cluster, next, &info));
    uint64_t term = info_number(&info, "current_term");
    wait_until(leader, "role", "follower");
    assert_true(cluster_info(cluster, leader, &info));
    assert_true(info_number(&info, "current_term") >= term); /* what they say does reach it */
    network_heal(cluster);
    leader = cluster_wait_equal(cluster);
    network_plug(cluster, leader, false); /* not even its clients */
    assert_false(cluster_info(cluster, leader, &info));
    cluster_wait_other_leader(cluster, leader);
    network_plug(cluster, leader, true);
    cluster_wait_equal(cluster);
    end();
}

static void the_product_knows_nothing_of_disks_that_fail_on_purpose(void **state) {
    const char *const argv[] = {product, "--check", "--test-disk-faults", "/tmp/none", NULL};
    struct process_result result;
    (void)state;
    process_run(argv, NULL, 0, harness_scaled_ms(START_MS), &result);
    assert_true(result.in_time);
    assert_int_equal(result.status, 1);
    assert_non_null(strstr(result.output, "test-disk-faults"));
    free(result.output);
}

/* Processes whose arguments have the text in them, but for this one. */
static size_t processes_with(const char *text) {
    char path[300];
    size_t count = 0;
    DIR *stream = opendir("/proc");
    for (struct dirent *entry; stream && (entry = readdir(stream)) != NULL;) {
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        size_t length;
        char *bytes = atoi(entry->d_name) > 0 ? file_read(path, &length) : NULL;
        count += bytes != NULL && memmem(bytes, length, text, strlen(text)) != NULL;
        free(bytes);
    }
    if (stream)
        closedir(stream);
    return count;
}

static size_t files_in(const char *path) {
    size_t count = 0;
    DIR *stream = opendir(path);
    while (stream && readdir(stream))
        count++;
    if (stream)
        closedir(stream);
    return count - 2; /* itself, its parent */
}

/* A run of this program in a process of its own, in its own directory for what is temporary. */
static pid_t start_run(char dir[64], const char *output) {
    static char self[CLUSTER_PATH_MAX], setting[80];
    static const char *argv[] = {"env",     setting, self,     "--seconds", "60",
                                 "--nodes", "3",     "--seed", "7",         NULL};
    strcpy(dir, "/tmp/redraft-chaos-XXXXXX");
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (!mkdtemp(dir) || length < 0)
        harness_fail("no directory, or no program: %s", strerror(errno));
    self[length] = 0;
    snprintf(setting, sizeof setting, "TMPDIR=%s", dir);
    return process_start(argv, output);
}

static void wait_for_processes(const char *dir, bool there) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(there ? START_MS : GONE_MS);
    while ((processes_with(dir) >= 3) != there || (!there && processes_with(dir) > 0)) {
        if (harness_now_ms() > until)
            harness_fail("%zu processes of %s run", processes_with(dir), dir);
        harness_sleep_ms(LOOK_MS);
    }
}

/* By a signal that asks, and by one that does not: then the directory alone is left, which nobody could have deleted. */
static void a_run_that_is_broken_off_leaves_nothing_behind(void **state) {
    char dir[64];
    (void)state;
    for (int hard = 0; hard < 2; hard++) {
        size_t interfaces = network_interfaces();
        pid_t pid = start_run(dir, NULL);
        int status;
        wait_for_processes(dir, true);
        harness_sleep_ms(BREAK_OFF_MS);
        kill(pid, hard ? SIGKILL : SIGINT);
        if (!process_wait(pid, harness_scaled_ms(ORDERLY_MS), &status))
            harness_fail("it goes on after the signal");
        wait_for_processes(dir, false);
        if (!hard) {
            assert_true(WIFEXITED(status));
            assert_int_equal(WEXITSTATUS(status), 0);
            assert_int_equal(files_in(dir), 0);
        }
        assert_int_equal(network_interfaces(), interfaces);
        directory_remove(dir);
    }
}

/* ---- arguments ------------------------------------------------------------------------------------------------------------------ */

static struct run wanted;

static void as_wanted(void **state) {
    (void)state;
    if (!means.networks)
        harness_say("skipped: networks that can be cut: no namespaces can be made here: %s", no_network);
    run_it(&wanted);
}

/* False: they are not right. */
static bool take_arguments(int argc, char **argv) {
    wanted = (struct run){.nodes = 3, .seconds = 60, .seed = some_seed()};
    for (int i = 1; i < argc; i += 2) {
        uint64_t number = i + 1 < argc ? strtoull(argv[i + 1], NULL, 10) : 0;
        if (number == 0)
            return false;
        if (strcmp(argv[i], "--seconds") == 0)
            wanted.seconds = number;
        else if (strcmp(argv[i], "--nodes") == 0)
            wanted.nodes = number;
        else if (strcmp(argv[i], "--seed") == 0)
            wanted.seed = number;
        else
            return false;
    }
    return wanted.nodes == 3 || wanted.nodes == 5;
}

/* This program's nodes are the product with a disk that can be made to fail. */
static void choose_servers(void) {
    const char *server = getenv("REDRAFT_FAULTY");
    snprintf(product, sizeof product, "%s", cluster_binary());
    setenv("REDRAFT", server ? server : "build/plain/redis-tests/chaos/redraft-faulty", 1);
}

int main(int argc, char **argv) {
    const struct CMUnitTest suite[] = {
        cmocka_unit_test_teardown(a_cut_in_one_direction_lets_the_other_through, teardown),
        cmocka_unit_test_teardown(three_nodes_survive_what_goes_wrong, teardown),
        cmocka_unit_test_teardown(five_nodes_survive_what_goes_wrong, teardown),
        cmocka_unit_test(rare_things_have_happened),
        cmocka_unit_test(a_run_that_is_broken_off_leaves_nothing_behind),
        cmocka_unit_test(the_product_knows_nothing_of_disks_that_fail_on_purpose),
    };
    const struct CMUnitTest single[] = {cmocka_unit_test_teardown(as_wanted, teardown)};
    struct sigaction action = {.sa_handler = on_interrupt};
    if (!take_arguments(argc, argv)) {
        fprintf(stderr, "usage: %s [--seconds N] [--nodes 3|5] [--seed N]\n", argv[0]);
        return 1;
    }
    choose_servers();
    means.networks = network_open(no_network);
    if (argc == 1)
        return cmocka_run_group_tests_name("chaos", suite, NULL, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return cmocka_run_group_tests_name("chaos", single, NULL, NULL);
}
