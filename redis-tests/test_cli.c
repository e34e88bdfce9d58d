/* SPDX-License-Identifier: MIT */
/* redis-cli itself, in the ways people use it, against a cluster of three. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/wire.h"

enum { RUN_MS = 20000, WORDS_MAX = 24 };

static struct cluster *cluster;
static char leader_port[16], follower_port[16];

static char output[1 << 20]; /* of the redis-cli that ran last */

static int cluster_up(void **state) {
    static const char *const version[] = {"redis-cli", "--version", NULL};
    struct process_result result;
    (void)state;
    process_run(version, NULL, 0, RUN_MS, &result);
    if (result.status != 0)
        harness_fail("redis-cli does not run: %s", result.output);
    free(result.output);
    cluster = cluster_new(3, NULL);
    cluster->shared = true;
    return 0;
}

static int cluster_down(void **state) {
    (void)state;
    cluster_free(cluster);
    return 0;
}

static int each(void **state) {
    (void)state;
    size_t leader = cluster_wait_equal(cluster);
    snprintf(leader_port, sizeof(leader_port), "%u", cluster->nodes[leader].port);
    snprintf(follower_port, sizeof(follower_port), "%u", cluster->nodes[(leader + 1) % 3].port);
    struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(5000));
    assert_string_equal(wire_ask(wire, "FLUSHALL"), "+OK");
    wire_close(wire);
    return 0;
}

/* Runs `redis-cli -p <port> <words>`; what it says is in `output`, its exit status is returned. */
static int cli(const char *port, const char *words, const void *input, size_t input_length) {
    const char *argv[WORDS_MAX + 1] = {"redis-cli", "-p", port};
    struct process_result result;
    size_t count = 3;
    char *copy = strdup(words);
    for (char *word = strtok(copy, " "); word != NULL && count < WORDS_MAX; word = strtok(NULL, " "))
        argv[count++] = word;
    process_run(argv, input, input_length, harness_scaled_ms(RUN_MS), &result);
    snprintf(output, sizeof(output), "%s", result.output);
    if (!result.in_time)
        harness_fail("redis-cli -p %s %s did not end; it said\n%.2000s", port, words, output);
    free(result.output);
    free(copy);
    return result.status;
}

static void must_say(const char *what) {
    if (strstr(output, what) == NULL)
        harness_fail("redis-cli does not say \"%s\" but\n%.2000s", what, output);
}

/* ---- one command at a time --------------------------------------------------------------------------------------- */

static void commands_on_the_command_line_are_answered(void **state) {
    (void)state;
    assert_int_equal(cli(leader_port, "SET a hello", NULL, 0), 0);
    assert_string_equal(output, "OK\n");
    cli(leader_port, "GET a", NULL, 0);
    assert_string_equal(output, "hello\n");
    cli(leader_port, "-3 MGET a nothing", NULL, 0);
    assert_string_equal(output, "hello\n\n");
    cli(leader_port, "-n 5 GET a", NULL, 0);
    assert_string_equal(output, "\n");
    cli(leader_port, "-r 3 INCR n", NULL, 0);
    assert_string_equal(output, "1\n2\n3\n");
    cli(leader_port, "-x SET stdin", "from a pipe", 11);
    assert_string_equal(output, "OK\n");
    cli(leader_port, "", "GET stdin\nGET nothing\nINCR n\n", 29);
    assert_string_equal(output, "from a pipe\n\n4\n");
}

static void dash_c_follows_the_leader(void **state) {
    (void)state;
    cli(follower_port, "SET a hello", NULL, 0);
    must_say("MOVED");
    cli(follower_port, "-c SET a hello", NULL, 0);
    assert_string_equal(output, "OK\n");
    cli(follower_port, "-c", "SET b 1\nINCR b\nGET a\n", 21);
    must_say("2\nhello\n");
}

static void info_and_raft_info_are_readable(void **state) {
    (void)state;
    cli(leader_port, "INFO raft", NULL, 0);
    must_say("raft_role:leader");
    cli(follower_port, "RAFT.INFO", NULL, 0);
    must_say("role:follower");
    cli(leader_port, "CLUSTER INFO", NULL, 0);
    must_say("cluster_state:ok");
}

/* ---- its own modes -------------------------------------------------------------------------------------------------- */

static void fill(int keys) {
    struct wire *wire = wire_open((unsigned)atoi(leader_port), harness_scaled_ms(5000));
    char words[128];
    for (int i = 0; i < keys; i++) {
        snprintf(words, sizeof(words), "SET key:%d %.*s", i, i % 60 + 1,
                 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        assert_string_equal(wire_ask(wire, words), "+OK");
    }
    wire_close(wire);
}

static size_t lines(void) {
    size_t count = 0;
    for (const char *at = output; (at = strchr(at, '\n')) != NULL; at++)
        count++;
    return count;
}

static void scan_lists_every_key(void **state) {
    (void)state;
    fill(500);
    assert_int_equal(cli(leader_port, "--scan", NULL, 0), 0);
    assert_int_equal(lines(), 500);
    cli(leader_port, "--scan --pattern key:49?", NULL, 0);
    assert_int_equal(lines(), 10);
}

static void bigkeys_finds_the_biggest(void **state) {
    (void)state;
    fill(200);
    assert_int_equal(cli(leader_port, "--bigkeys", NULL, 0), 0);
    must_say("Sampled 200 keys in the keyspace!");
    must_say("has 60 bytes");
}

/* Modes that go on for ever are ended after a while, as with Ctrl-C. */
static void cli_for_a_while(const char *words, unsigned seconds) {
    char limit[16];
    const char *argv[WORDS_MAX + 1] = {"timeout", "-s", "INT", limit, "redis-cli", "-p", leader_port};
    struct process_result result;
    size_t count = 7;
    char *copy = strdup(words);
    snprintf(limit, sizeof(limit), "%u", seconds);
    for (char *word = strtok(copy, " "); word != NULL && count < WORDS_MAX; word = strtok(NULL, " "))
        argv[count++] = word;
    process_run(argv, NULL, 0, harness_scaled_ms(RUN_MS), &result);
    snprintf(output, sizeof(output), "%s", result.output);
    assert_true(result.in_time);
    assert_true(result.status == 124 || result.status == 130 || result.status == 0);
    free(result.output);
    free(copy);
}

static void stat_shows_numbers(void **state) {
    unsigned long keys, clients;
    char memory[32];
    (void)state;
    fill(123);
    cli_for_a_while("--stat -i 0.01", 2);
    const char *row = strstr(output, "\n123 ");
    if (row == NULL || sscanf(row, " %lu %31s %lu", &keys, memory, &clients) != 3)
        harness_fail("--stat shows no row with 123 keys:\n%s", output);
    assert_true(clients >= 1 && clients < 100);
    assert_true(strspn(memory, "0123456789.") > 0 && strpbrk(memory, "BKMG") != NULL);
}

static void latency_is_measured(void **state) {
    (void)state;
    assert_int_equal(cli(leader_port, "-i 1 --latency --raw", NULL, 0), 0);
    unsigned long minimum, maximum, samples;
    double average;
    if (sscanf(output, "%lu %lu %lf %lu", &minimum, &maximum, &average, &samples) != 4)
        harness_fail("--latency says %s", output);
    assert_true(samples >= 10);
}

static void pipe_loads_a_file_of_commands(void **state) {
    enum { COMMANDS = 20000 };
    (void)state;
    char *input = malloc(COMMANDS * 80);
    size_t length = 0;
    for (int i = 0; i < COMMANDS; i++) {
        char key[32];
        sprintf(key, "pipe:%d", i);
        length += (size_t)sprintf(input + length, "*3\r\n$3\r\nSET\r\n$%zu\r\n%s\r\n$5\r\nvalue\r\n",
                                  strlen(key), key);
    }
    assert_int_equal(cli(leader_port, "--pipe", input, length), 0);
    must_say("errors: 0, replies: 20000");
    cli(leader_port, "DBSIZE", NULL, 0);
    assert_string_equal(output, "20000\n");
    free(input);
}

static void cluster_check_and_info_find_one_healthy_shard(void **state) {
    char words[128];
    (void)state;
    fill(50);
    for (size_t at = 0; at < cluster->count; at++) {
        snprintf(words, sizeof(words), "--cluster check 127.0.0.1:%u", cluster->nodes[at].port);
        if (cli(leader_port, words, NULL, 0) != 0)
            harness_fail("--cluster check fails:\n%s", output);
        must_say("[OK] All nodes agree about slots configuration.");
        must_say("[OK] All 16384 slots covered.");
        must_say("50 keys");
        must_say("2 additional replica(s)");
        snprintf(words, sizeof(words), "--cluster info 127.0.0.1:%u", cluster->nodes[at].port);
        assert_int_equal(cli(leader_port, words, NULL, 0), 0);
        must_say("[OK] 50 keys in 1 masters.");
    }
}

/* Ten thousand requests, all answered without an error: any error reply ends redis-benchmark. */
static void redis_benchmark_runs_through(void **state) {
    const char *const argv[] = {"redis-benchmark",
                                "-p",
                                leader_port,
                                "-t",
                                "ping,set,get,incr,mset",
                                "-n",
                                "10000",
                                "-c",
                                "20",
                                "-P",
                                "8",
                                "-r",
                                "1000",
                                "--csv",
                                NULL};
    struct process_result result;
    (void)state;
    process_run(argv, NULL, 0, harness_scaled_ms(RUN_MS), &result);
    if (!result.in_time || result.status != 0 || strstr(result.output, "\"MSET (10 keys)\"") == NULL ||
        strstr(result.output, "rror") != NULL)
        harness_fail("redis-benchmark: status %d\n%s", result.status, result.output);
    free(result.output);
}

/* ---- at a terminal ----------------------------------------------------------------------------------------------------- */

/* Reads from the terminal until it has said something; everything it has said so far is in `output`. */
static void terminal_says(int terminal, const char *what) {
    size_t used = strlen(output);
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(RUN_MS);
    while (strstr(output, what) == NULL) {
        struct pollfd polled = {.fd = terminal, .events = POLLIN};
        ssize_t got = 0;
        if (harness_now_ms() < deadline && poll(&polled, 1, 200) == 1) {
            got = read(terminal, output + used, sizeof(output) - used - 1);
            if (got <= 0)
                harness_fail("redis-cli ended before it said \"%s\":\n%s", what, output);
        }
        if (harness_now_ms() >= deadline)
            harness_fail("redis-cli never said \"%s\" but\n%s", what, output);
        used += (size_t)got;
        output[used] = '\0';
    }
}

static void terminal_types(int terminal, const char *line) {
    output[0] = '\0';
    assert_int_equal(write(terminal, line, strlen(line)), (ssize_t)strlen(line));
}

/* It starts with COMMAND DOCS, and builds its help and hints from the reply. */
static void an_interactive_session_knows_the_commands_and_follows_the_leader(void **state) {
    int terminal;
    (void)state;
    pid_t parent = getpid(), pid = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("TERM", "dumb", 1);
        if (getppid() == parent)
            execlp("redis-cli", "redis-cli", "-c", "-p", follower_port, NULL);
        _exit(127);
    }
    process_adopt(pid);
    output[0] = '\0';
    terminal_says(terminal, "> ");
    terminal_types(terminal, "SET a 1\n");
    terminal_says(terminal, "Redirected to slot [15495]");
    terminal_says(terminal, "OK");
    terminal_types(terminal, "INCR a\n");
    terminal_says(terminal, "(integer) 2");
    terminal_types(terminal, "help getdel\n");
    terminal_says(terminal, "GETDEL");
    terminal_says(terminal, "summary:");
    terminal_types(terminal, "quit\n");
    int status;
    if (!process_wait(pid, harness_scaled_ms(5000), &status)) {
        process_kill(pid);
        harness_fail("redis-cli does not quit");
    }
    close(terminal);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(commands_on_the_command_line_are_answered, each),
        cmocka_unit_test_setup(dash_c_follows_the_leader, each),
        cmocka_unit_test_setup(info_and_raft_info_are_readable, each),
        cmocka_unit_test_setup(scan_lists_every_key, each),
        cmocka_unit_test_setup(bigkeys_finds_the_biggest, each),
        cmocka_unit_test_setup(stat_shows_numbers, each),
        cmocka_unit_test_setup(latency_is_measured, each),
        cmocka_unit_test_setup(pipe_loads_a_file_of_commands, each),
        cmocka_unit_test_setup(cluster_check_and_info_find_one_healthy_shard, each),
        cmocka_unit_test_setup(redis_benchmark_runs_through, each),
        cmocka_unit_test_setup(an_interactive_session_knows_the_commands_and_follows_the_leader, each),
    };
    return cmocka_run_group_tests_name("cli", tests, cluster_up, cluster_down);
}
