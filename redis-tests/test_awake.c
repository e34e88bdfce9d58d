/* SPDX-License-Identifier: MIT */
/* A node that has nothing to do stays awake where work comes soon, and sleeps where it does not. */
#include <dirent.h>
#include <linux/sched/types.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/wire.h"

enum { WIRE_MS = 20000, PINGS = 300, SILENCE_MS = 1000, AWAKE_US = 10000 };

static const char *const options[] = {"--raft-busy-poll-time", "10000", NULL};

static uint64_t awake_us(const struct cluster *cluster) {
    struct info info;
    assert_true(cluster_info(cluster, 0, &info));
    return info_number(&info, "loop_awake_us");
}

static uint64_t cpu_ms(pid_t pid) {
    clockid_t clock;
    struct timespec used;
    assert_int_equal(clock_getcpuclockid(pid, &clock), 0);
    assert_int_equal(clock_gettime(clock, &used), 0);
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

static void ping(struct wire *wire) {
    for (int i = 0; i < PINGS; i++)
        assert_string_equal(wire_ask(wire, "PING"), "+PONG");
}

static void it_stays_awake_while_commands_follow_each_other_and_no_longer(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(1, options);
    struct wire *wire = wire_open(cluster->nodes[0].port, harness_scaled_ms(WIRE_MS));
    assert_non_null(wire);
    uint64_t before = awake_us(cluster);
    ping(wire);
    assert_true(awake_us(cluster) > before);

    before = awake_us(cluster);
    harness_sleep_ms(SILENCE_MS); /* its own timers end waits: after a few that were long it sleeps */
    assert_in_range(awake_us(cluster) - before, 0, 10 * AWAKE_US);

    assert_string_equal(wire_ask(wire, "CONFIG SET raft-busy-poll-time 0"), "+OK");
    before = awake_us(cluster);
    ping(wire);
    assert_int_equal(awake_us(cluster), before);
    wire_close(wire);
    cluster_free(cluster);
}

/* A loop that asked without end would not show in its own figures. */
static void silence_costs_no_cpu(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(1, options);
    struct wire *wire = wire_open(cluster->nodes[0].port, harness_scaled_ms(WIRE_MS));
    assert_non_null(wire);
    ping(wire);
    harness_sleep_ms(SILENCE_MS);
    uint64_t before = cpu_ms(cluster->nodes[0].pid);
    harness_sleep_ms(SILENCE_MS);
    assert_in_range(cpu_ms(cluster->nodes[0].pid) - before, 0, SILENCE_MS / 4);
    wire_close(wire);
    cluster_free(cluster);
}

enum { SHORT_NS = 100000, MANY = 5000 };

/* 0 where Linux knows none of a thread (before 6.12). */
static uint64_t slice_ns(pid_t thread) {
    struct sched_attr of_thread = {.size = sizeof(of_thread)};
    assert_int_equal(syscall(SYS_sched_getattr, thread, &of_thread, sizeof(of_thread), 0), 0);
    return of_thread.sched_runtime;
}

static pid_t thread_named(pid_t process, const char *name) {
    char path[300], line[32];
    pid_t found = 0;
    snprintf(path, sizeof(path), "/proc/%ld/task", (long)process);
    DIR *threads = opendir(path);
    assert_non_null(threads);
    for (struct dirent *entry = readdir(threads); entry && !found; entry = readdir(threads)) {
        snprintf(path, sizeof(path), "/proc/%ld/task/%s/comm", (long)process, entry->d_name);
        FILE *file = fopen(path, "re");
        if (!file)
            continue;
        if (fgets(line, sizeof(line), file) && strcspn(line, "\n") == strlen(name) &&
            strncmp(line, name, strlen(name)) == 0)
            found = (pid_t)strtol(entry->d_name, NULL, 10);
        fclose(file);
    }
    closedir(threads);
    assert_true(found > 0);
    return found;
}

/* With commands that come so many at a time. */
static void assert_slice_becomes(pid_t loop, struct wire *wire, unsigned together, uint64_t ns) {
    static const char ping[] = "PING\r\n";
    static char pings[MANY * (sizeof ping - 1)];
    const char *reply;
    size_t length;
    for (unsigned i = 0; i < together; i++)
        memcpy(pings + i * (sizeof ping - 1), ping, sizeof ping - 1);
    for (uint64_t until_ms = harness_now_ms() + harness_scaled_ms(WIRE_MS); slice_ns(loop) != ns;) {
        assert_true(wire_send(wire, pings, together * (sizeof ping - 1)));
        for (unsigned i = 0; i < together; i++)
            assert_int_equal(wire_read(wire, &reply, &length), WIRE_OK);
        assert_true(harness_now_ms() < until_ms);
    }
}

/* src/slice.h */
static void who_stays_awake_has_short_slices_while_turns_are_short_and_no_other(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(1, options);
    struct wire *wire = wire_open(cluster->nodes[0].port, harness_scaled_ms(WIRE_MS));
    assert_non_null(wire);
    pid_t loop = cluster->nodes[0].pid, log = thread_named(loop, "log"),
          keeper = thread_named(loop, "keeper");
    uint64_t usual_ns = slice_ns(getpid());
    if (usual_ns > 0) {
        assert_string_equal(wire_ask(wire, "SET a b"), "+OK");
        assert_slice_becomes(loop, wire, 1, SHORT_NS);
        assert_slice_becomes(loop, wire, MANY, usual_ns);
        assert_slice_becomes(loop, wire, 1, SHORT_NS);
        assert_int_equal(slice_ns(log), SHORT_NS);
        assert_int_equal(slice_ns(keeper), usual_ns);
        assert_string_equal(wire_ask(wire, "CONFIG SET raft-busy-poll-time 0"), "+OK");
        assert_string_equal(wire_ask(wire, "SET a c"), "+OK");
        assert_string_equal(wire_ask(wire, "SET a d"), "+OK");
        assert_int_equal(slice_ns(loop), usual_ns);
        assert_int_equal(slice_ns(log), usual_ns);
    }
    wire_close(wire);
    cluster_free(cluster);
    if (usual_ns == 0)
        skip();
}

/* Slices are kept from threads that are made later by a flag that would take a niceness below 0 from them, too. */
static void threads_that_are_made_later_keep_a_niceness_below_0(void **state) {
    enum { NICE = -5 };
    static const char *const names[] = {"log", "keeper", "data"};
    (void)state;
    if (setpriority(PRIO_PROCESS, 0, NICE) != 0)
        skip(); /* it is root's to set */
    struct cluster *cluster = cluster_new(1, options);
    assert_int_equal(setpriority(PRIO_PROCESS, 0, 0), 0);
    pid_t loop = cluster->nodes[0].pid;
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)loop), NICE);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(getpriority(PRIO_PROCESS, (id_t)thread_named(loop, names[i])), NICE);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(it_stays_awake_while_commands_follow_each_other_and_no_longer,
                                  cluster_teardown),
        cmocka_unit_test_teardown(silence_costs_no_cpu, cluster_teardown),
        cmocka_unit_test_teardown(who_stays_awake_has_short_slices_while_turns_are_short_and_no_other,
                                  cluster_teardown),
        cmocka_unit_test_teardown(threads_that_are_made_later_keep_a_niceness_below_0, cluster_teardown),
    };
    return cmocka_run_group_tests_name("awake", tests, NULL, NULL);
}
