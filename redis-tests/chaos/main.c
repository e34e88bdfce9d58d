/* SPDX-License-Identifier: MIT */
/*
 * Faults on real processes: three and five nodes, each in a network namespace of its own, under everything that faults.c does to
 * processes, network, disks and members, while clients write down what they see. The simulator finds more, and again by its seed; this
 * shows that the kernel's sockets, processes and files behave as it supposes.
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

#include "../harness/wire.h"
#include "disks.h"
#include "network.h"
#include "run.h"

enum {
    SUITE_SECONDS = 8,
    START_MS = 15000,
    BREAK_OFF_MS = 1500, /* into a run that is broken off */
    GONE_MS = 5000,
    ORDERLY_MS = 60000,
    LOOK_MS = 10,
};

static struct faults_means means;
static char product[CLUSTER_PATH_MAX]; /* the server as it is delivered */

/* ---- the suite --------------------------------------------------------------------------------------------------------------- */

static uint64_t some_seed(void) {
    return harness_setting("REDRAFT_CHAOS_SEED", harness_now_us() % 1000000);
}

static void three_nodes_survive_what_goes_wrong(void **state) {
    (void)state;
    run_whole(&(struct run){.nodes = 3, .seconds = SUITE_SECONDS, .seed = some_seed()});
}

static void five_nodes_survive_what_goes_wrong(void **state) {
    (void)state;
    run_whole(&(struct run){.nodes = 5, .seconds = SUITE_SECONDS, .seed = some_seed() + 1});
}

/* Two runs are too short for every kind to be sure of its turn. */
static void rare_things_have_happened(void **state) {
    const struct run_seen *seen = run_seen();
    const char *names[FAULT_KINDS_MAX];
    uint64_t unused[FAULT_KINDS_MAX];
    size_t count = faults_count(names, unused), missing = 0;
    (void)state;
    for (size_t i = 0; i < count; i++) {
        if (seen->kinds[i] == 0)
            harness_say("not this time: %s", names[i]);
        missing += seen->kinds[i] == 0;
    }
    size_t possible = count - (seen->means.networks ? 0 : NETWORK_KINDS) - (seen->means.disks ? 0 : 1);
    if (count - missing < possible * 3 / 4)
        harness_fail("%zu of %zu kinds of faults have not happened", missing, count);
    assert_true(seen->refused > 0);
    assert_true(seen->unknown > 0);
    assert_true(seen->follower_reads > 0);
}

/* ---- the tools themselves ---------------------------------------------------------------------------------------------------- */

static void on_interrupt(int signal_number) {
    (void)signal_number;
    run_break_off();
}

static bool says(const struct cluster *cluster, size_t at, const char *field, const char *value) {
    static struct info info;
    return cluster_info(cluster, at, &info) && info_is(&info, field, value);
}

static void wait_until(const struct cluster *cluster, size_t at, const char *field, const char *value) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(START_MS);
    while (!says(cluster, at, field, value)) {
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
    if (!means.networks)
        skip();
    struct cluster *cluster = run_begin(&(struct run){.nodes = 3, .seed = 1});
    size_t leader = cluster_wait_equal(cluster), one = (leader + 1) % 3, two = (leader + 2) % 3;
    blocked[leader][one] = blocked[leader][two] = true; /* nobody hears it */
    network_block(cluster, blocked);
    assert_false(network_reaches(cluster, leader, one));
    assert_true(network_reaches(cluster, one, leader));
    assert_true(network_reaches(cluster, one, two));
    cluster_wait_other_leader(cluster, leader);
    wait_until(cluster, leader, "role", "follower");
    network_heal(cluster);
    leader = cluster_wait_equal(cluster);
    one = (leader + 1) % 3;
    network_plug(cluster, leader, false); /* not even its clients */
    assert_false(cluster_info(cluster, leader, &info));
    assert_false(network_reaches(cluster, leader, one) || network_reaches(cluster, one, leader));
    cluster_wait_other_leader(cluster, leader);
    network_plug(cluster, leader, true);
    cluster_wait_equal(cluster);
    run_end();
}

static void spoil(size_t at, uint32_t where, uint32_t what) {
    struct disk_faults *faults = disks_faults(at);
    atomic_store(&faults->where, where);
    atomic_store(&faults->after, 0);
    atomic_store(&faults->what, what);
}

static const char *ask(const struct cluster *cluster, size_t at, const char *words) {
    static char reply[256];
    struct wire *wire =
        wire_open_at(cluster->nodes[at].host, cluster->nodes[at].port, harness_scaled_ms(START_MS));
    snprintf(reply, sizeof reply, "%s", wire ? wire_ask(wire, words) : "closed");
    wire_close(wire);
    return reply;
}

/* Once its WAL has been round, commits go past the system's cache, where the file system takes that. */
static void write_until_straight(const struct cluster *cluster, size_t leader) {
    enum { VALUE = 8000, WRITES = 600 };
    static char words[VALUE + 32];
    struct disk_faults *faults = disks_faults(leader);
    uint64_t before = atomic_load(&faults->straight);
    snprintf(words, sizeof words, "SET large %0*d", VALUE, 0);
    for (int i = 0; i < WRITES && atomic_load(&faults->straight) == before; i++)
        assert_string_equal(ask(cluster, leader, words), "+OK");
    if (atomic_load(&faults->straight) == before)
        harness_say("the disk takes no writes past the system's cache");
}

/* The first failure of the log is its node's end, and the others go on; a checkpoint that fails is taken back and tried again. */
static void a_disk_that_fails_ends_its_node_or_puts_off_its_checkpoint(void **state) {
    static const uint32_t whats[] = {FAULT_WRITE, FAULT_SYNC};
    (void)state;
    struct cluster *cluster = run_begin(&(struct run){.nodes = 3, .seed = 1});
    for (int i = 0; i < 2; i++) {
        size_t leader = cluster_wait_equal(cluster);
        int status;
        write_until_straight(cluster, leader);
        spoil(leader, FAULT_LOG, whats[i]);
        bool told = ask(cluster, leader, i == 0 ? "SET told 0" : "SET told 1")[0] == '+';
        if (!cluster_wait_end(cluster, leader, harness_scaled_ms(START_MS), &status))
            harness_fail("node %zu goes on with a disk that fails", leader + 1);
        assert_int_equal(status, 1);
        assert_true(cluster_said(cluster, leader, "the log cannot be written"));
        size_t next = cluster_wait_leader(cluster);
        if (told) /* the two others may have had it durable before */
            assert_string_equal(ask(cluster, next, "GET told"), i == 0 ? "$1 0" : "$1 1");
        assert_string_equal(ask(cluster, next, "SET k v"), "+OK");
        disks_mend(cluster, leader);
        cluster_spawn(cluster, leader);
    }
    size_t leader = cluster_wait_equal(cluster);
    spoil(leader, FAULT_DATA, FAULT_WRITE | FAULT_SYNC | FAULT_TRUNCATE);
    assert_string_equal(ask(cluster, leader, "RAFT.SNAPSHOT"), "+OK");
    wait_until(cluster, leader, "checkpoint_failures", "1");
    assert_string_equal(ask(cluster, leader, "SET k w"), "+OK");
    disks_mend(cluster, leader);
    assert_string_equal(ask(cluster, leader, "RAFT.SNAPSHOT"),
                        "+OK"); /* the log is too short to ask for one */
    wait_until(cluster, leader, "checkpoint_failures", "0");
    cluster_kill(cluster, leader);
    cluster_spawn(cluster, leader);
    assert_string_equal(ask(cluster, cluster_wait_equal(cluster), "GET k"), "$1 w");
    run_end();
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
    run_whole(&wanted);
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
        cmocka_unit_test_teardown(a_cut_in_one_direction_lets_the_other_through, run_teardown),
        cmocka_unit_test_teardown(a_disk_that_fails_ends_its_node_or_puts_off_its_checkpoint, run_teardown),
        cmocka_unit_test_teardown(three_nodes_survive_what_goes_wrong, run_teardown),
        cmocka_unit_test_teardown(five_nodes_survive_what_goes_wrong, run_teardown),
        cmocka_unit_test(rare_things_have_happened),
        cmocka_unit_test(a_run_that_is_broken_off_leaves_nothing_behind),
        cmocka_unit_test(the_product_knows_nothing_of_disks_that_fail_on_purpose),
    };
    const struct CMUnitTest single[] = {cmocka_unit_test_teardown(as_wanted, run_teardown)};
    struct sigaction action = {.sa_handler = on_interrupt};
    if (!take_arguments(argc, argv)) {
        fprintf(stderr, "usage: %s [--seconds N] [--nodes 3|5] [--seed N]\n", argv[0]);
        return 1;
    }
    choose_servers();
    means = run_open();
    if (argc == 1)
        return cmocka_run_group_tests_name("chaos", suite, NULL, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return cmocka_run_group_tests_name("chaos", single, NULL, NULL);
}
