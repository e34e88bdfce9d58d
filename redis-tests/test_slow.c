/* SPDX-License-Identifier: MIT */
/* What took long, as SLOWLOG and LATENCY tell it of running nodes, and who need not wait for it; and what CONFIG REWRITE leaves behind for the
 * next start. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/wire.h"

enum { WIRE_MS = 20000, END_MS = 10000 };

static struct wire *open_port(unsigned port) {
    struct wire *wire = wire_open(port, harness_scaled_ms(WIRE_MS));
    assert_non_null(wire);
    return wire;
}

static void assert_says(struct wire *wire, const char *words, const char *part) {
    const char *reply = wire_ask(wire, words);
    if (strstr(reply, part) == NULL)
        harness_fail("%s\n  says   %.2000s\n  lacks  %s", words, reply, part);
}

static void every_node_keeps_the_commands_that_it_ran(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, NULL);
    size_t at = cluster_wait_leader(cluster);
    struct wire *leader = open_port(cluster->nodes[at].port);
    struct wire *follower = open_port(cluster->nodes[(at + 1) % 3].port);
    assert_string_equal(wire_ask(follower, "CONFIG SET slowlog-log-slower-than 0"), "+OK");
    assert_string_equal(wire_ask(leader, "CONFIG SET slowlog-log-slower-than 0 requirepass hidden"), "+OK");
    assert_string_equal(wire_ask(leader, "CLIENT SETNAME tester"), "+OK");
    assert_string_equal(wire_ask(leader, "SET a some-value"), "+OK");
    assert_string_equal(wire_ask(leader, "GET a"), "$10 some-value");
    assert_string_equal(wire_ask(leader, "AUTH hidden"), "+OK");
    assert_says(leader, "SLOWLOG GET -1", "*3 $3 SET $1 a $10 some-value $");
    assert_says(leader, "SLOWLOG GET -1", "*2 $3 GET $1 a $");
    assert_says(leader, "SLOWLOG GET -1", "*2 $4 AUTH $10 (redacted) $");
    assert_says(leader, "SLOWLOG GET -1", " $6 tester");
    assert_null(strstr(wire_ask(leader, "SLOWLOG GET -1"), "hidden"));
    assert_string_equal(wire_ask(leader, "CONFIG SET requirepass "), "+OK");
    (void)cluster_wait_equal(cluster);
    assert_says(follower, "SLOWLOG GET -1", "*3 $3 SET $1 a $10 some-value $0  $0");
    assert_string_equal(wire_ask(leader, "CONFIG SET slowlog-max-len 2"), "+OK");
    assert_string_equal(wire_ask(leader, "PING"), "+PONG");
    assert_string_equal(wire_ask(leader, "SLOWLOG LEN"), ":2");
    assert_string_equal(wire_ask(leader, "CONFIG SET slowlog-log-slower-than -1"), "+OK");
    assert_string_equal(wire_ask(leader, "SLOWLOG RESET"), "+OK");
    assert_string_equal(wire_ask(leader, "SLOWLOG GET"), "*0");
    wire_close(leader);
    wire_close(follower);
    cluster_free(cluster);
}

static void latency_notes_a_command_that_takes_long(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(1, NULL);
    struct wire *wire = open_port(cluster->nodes[0].port);
    assert_string_equal(wire_ask(wire, "SETRANGE a 60000000 x"), ":60000001");
    assert_string_equal(wire_ask(wire, "LATENCY LATEST"), "*0");
    assert_string_equal(wire_ask(wire, "CONFIG SET latency-monitor-threshold 5"), "+OK");
    assert_string_equal(wire_ask(wire, "COPY a b"), ":1");
    assert_says(wire, "LATENCY LATEST", "*4 $7 command :");
    assert_says(wire, "LATENCY HISTORY command", "*1 *2 :");
    assert_says(wire, "LATENCY DOCTOR", "command: in 1 seconds it took ");
    assert_says(wire, "LATENCY RESET command nothing", ":1");
    assert_string_equal(wire_ask(wire, "LATENCY HISTORY command"), "*0");
    wire_close(wire);
    cluster_free(cluster);
}

/* While one script runs there come small writes, another script, and more writes: all of that is one entry. Those before the script in it have
 * their replies while it runs; which half that is the loop decides. */
static void who_is_applied_before_a_slow_command_does_not_wait_for_it(void **state) {
    enum { WRITERS = 64, SENT_TOGETHER = 16, BEGUN_MS = 50 };
    static const char script[] =
        "*4\r\n$4\r\nEVAL\r\n$62\r\n"
        "local n = 0 while n < 30000000 do n = n + 1 end return 'done '\r\n$1\r\n1\r\n$1\r\na\r\n";
    (void)state;
    struct cluster *cluster = cluster_new(1, NULL);
    unsigned port = cluster->nodes[0].port;
    struct wire *first = open_port(port), *slow = open_port(port), *writers[WRITERS];
    uint64_t answered_ms[WRITERS];
    struct pollfd polls[WRITERS + 1];
    for (size_t i = 0; i < WRITERS; i++)
        assert_string_equal(wire_ask(writers[i] = open_port(port), "PING"), "+PONG");
    assert_string_equal(wire_ask(slow, "PING"), "+PONG");
    uint64_t begun_ms = harness_now_ms();
    assert_true(wire_send(first, script, sizeof script - 1));
    harness_sleep_ms(BEGUN_MS);
    for (size_t i = 0; i < WRITERS; i++) {
        assert_true(wire_send_words(writers[i], "SET b 1"));
        if (i == WRITERS / 2)
            assert_true(wire_send(slow, script, sizeof script - 1));
        answered_ms[i] = UINT64_MAX;
        polls[i] = (struct pollfd){.fd = wire_descriptor(writers[i]), .events = POLLIN};
    }
    polls[WRITERS] = (struct pollfd){.fd = wire_descriptor(slow), .events = POLLIN};
    assert_string_equal(wire_next(first), "$5 done ");
    uint64_t took_ms = harness_now_ms() - begun_ms;
    while (!polls[WRITERS].revents) {
        assert_true(poll(polls, WRITERS + 1, (int)harness_scaled_ms(WIRE_MS)) > 0);
        for (size_t i = 0; i < WRITERS; i++)
            if (polls[i].revents) {
                assert_string_equal(wire_next(writers[i]), "+OK");
                answered_ms[i] = harness_now_ms();
                polls[i].fd = -1;
            }
    }
    uint64_t ended_ms = harness_now_ms();
    assert_string_equal(wire_next(slow), "$5 done ");
    size_t before = 0;
    for (size_t i = 0; i < WRITERS; i++) {
        before += answered_ms[i] < ended_ms && ended_ms - answered_ms[i] > took_ms / 3;
        wire_close(writers[i]);
    }
    assert_true(before >= SENT_TOGETHER);
    wire_close(first);
    wire_close(slow);
    cluster_free(cluster);
}

/* The checkpoint is old: the write stands in the log, and is applied once more. */
static void what_is_applied_again_at_a_start_is_neither_counted_nor_kept(void **state) {
    (void)state;
    static const char *const all[] = {"--slowlog-log-slower-than", "0", NULL};
    struct cluster *cluster = cluster_new(1, all);
    struct wire *wire = open_port(cluster->nodes[0].port);
    assert_string_equal(wire_ask(wire, "SET a again"), "+OK");
    assert_says(wire, "INFO commandstats", "cmdstat_set:calls=1,");
    wire_close(wire);
    cluster_kill(cluster, 0);
    cluster_spawn(cluster, 0);
    (void)cluster_wait_leader(cluster);
    wire = open_port(cluster->nodes[0].port);
    assert_string_equal(wire_ask(wire, "GET a"), "$5 again");
    assert_null(strstr(wire_ask(wire, "INFO commandstats"), "cmdstat_set:"));
    assert_null(strstr(wire_ask(wire, "SLOWLOG GET -1"), "$3 SET "));
    assert_string_equal(wire_ask(wire, "SET a new"), "+OK");
    assert_says(wire, "INFO commandstats", "cmdstat_set:calls=1,");
    assert_says(wire, "SLOWLOG GET -1", "$3 SET ");
    wire_close(wire);
    cluster_free(cluster);
}

static pid_t start_from(const char *path, unsigned port) {
    const char *const argv[] = {cluster_binary(), path, NULL};
    pid_t pid = process_start(argv, NULL);
    for (int i = 0; i < 1000; i++) {
        struct wire *wire = wire_open(port, 1000);
        bool there = wire != NULL && strcmp(wire_ask(wire, "PING"), "+PONG") == 0;
        wire_close(wire);
        if (there)
            return pid;
        harness_sleep_ms(10);
    }
    harness_fail("the node does not start from %s", path);
}

static void end(pid_t pid) {
    int status;
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_true(process_wait(pid, harness_scaled_ms(END_MS), &status));
}

static void what_rewrite_wrote_holds_at_the_next_start(void **state) {
    (void)state;
    struct cluster *place = cluster_prepare(1, NULL, NULL); /* for its directory and port */
    unsigned port = place->nodes[0].port;
    char path[CLUSTER_PATH_MAX + 32], text[1024];
    snprintf(path, sizeof(path), "%s/own.conf", place->dir);
    int length =
        snprintf(text, sizeof(text), "# mine\nport %u\ndir %s\ntimeout 5\n", port, place->nodes[0].dir);
    file_write(path, text, (size_t)length);
    pid_t pid = start_from(path, port);
    struct wire *wire = open_port(port);
    assert_string_equal(wire_ask(wire, "CONFIG SET timeout 77 slowlog-max-len 9"), "+OK");
    assert_string_equal(wire_ask(wire, "CONFIG REWRITE"), "+OK");
    wire_close(wire);
    end(pid);
    pid = start_from(path, port);
    wire = open_port(port);
    assert_string_equal(wire_ask(wire, "CONFIG GET timeout"), "*2 $7 timeout $2 77");
    assert_string_equal(wire_ask(wire, "CONFIG GET slowlog-max-len"), "*2 $15 slowlog-max-len $1 9");
    assert_int_equal(remove(path), 0);
    assert_says(wire, "CONFIG REWRITE", "-ERR Rewriting config file: cannot read ");
    wire_close(wire);
    end(pid);
    cluster_free(place);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_node_keeps_the_commands_that_it_ran, cluster_teardown),
        cmocka_unit_test_teardown(latency_notes_a_command_that_takes_long, cluster_teardown),
        cmocka_unit_test_teardown(who_is_applied_before_a_slow_command_does_not_wait_for_it,
                                  cluster_teardown),
        cmocka_unit_test_teardown(what_is_applied_again_at_a_start_is_neither_counted_nor_kept,
                                  cluster_teardown),
        cmocka_unit_test_teardown(what_rewrite_wrote_holds_at_the_next_start, cluster_teardown),
    };
    return cmocka_run_group_tests_name("slow", tests, NULL, NULL);
}
