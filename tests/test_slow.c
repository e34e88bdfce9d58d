/* SPDX-License-Identifier: MIT */
/* What took long: the log of slow commands, the moments of slow events, and what SLOWLOG and LATENCY tell of them. */
#include "session_fixture.h"

static void add_line(const char *line, size_t secret_from, uint64_t us, size_t length_max) {
    char copy[256];
    struct resp_arg args[WORLD_ARGS_MAX];
    snprintf(copy, sizeof copy, "%s", line);
    const struct slowlog_call call = {.count = world_split(copy, args),
                                      .args = args,
                                      .secret_from = secret_from,
                                      .address = "10.0.0.1:5",
                                      .name = "me"};
    slowlog_add(world.slowlog, &call, 1700000000, us, length_max);
}

/* ---- SLOWLOG --- */

static void entries_are_told_newest_first_with_all_that_redis_tells(void **state) {
    (void)state;
    add_line("GET a", 0, 12000, 10);
    add_line("SET b c", 0, 34000, 10);
    assert_reply("SLOWLOG LEN", ":2\r\n");
    assert_reply("SLOWLOG GET 1",
                 "*1\r\n*6\r\n:1\r\n:1700000000\r\n:34000\r\n*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\nc\r\n"
                 "$10\r\n10.0.0.1:5\r\n$2\r\nme\r\n");
    assert_memory_equal(world_ask(&world, "SLOWLOG GET", NULL), "*2\r\n*6\r\n:1\r\n", 12);
    assert_memory_equal(world_ask(&world, "SLOWLOG GET -1", NULL), "*2\r\n*6\r\n:1\r\n", 12);
    assert_reply("SLOWLOG GET 0", "*0\r\n");
}

static void the_oldest_go_beyond_the_length_and_numbers_go_on(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++)
        add_line("GET a", 0, 1, 3);
    assert_reply("SLOWLOG LEN", ":3\r\n");
    assert_int_equal(slowlog_first(world.slowlog)->id, 4);
    assert_int_equal(slowlog_first(world.slowlog)->older->older->id, 2);
    assert_null(slowlog_first(world.slowlog)->older->older->older);
    add_line("GET a", 0, 1, 1);
    assert_reply("SLOWLOG LEN", ":1\r\n");
    assert_reply("SLOWLOG RESET", "+OK\r\n");
    assert_reply("SLOWLOG GET", "*0\r\n");
    add_line("GET a", 0, 1, 3);
    assert_int_equal(slowlog_first(world.slowlog)->id, 6);
    add_line("GET a", 0, 1, 0);
    assert_reply("SLOWLOG LEN", ":0\r\n");
}

static void passwords_are_not_kept(void **state) {
    (void)state;
    add_line("AUTH default secret", 1, 1, 3);
    const struct resp_buf *args = &slowlog_first(world.slowlog)->args;
    static const char kept[] = "*3\r\n$4\r\nAUTH\r\n$10\r\n(redacted)\r\n$10\r\n(redacted)\r\n";
    assert_int_equal(resp_buf_length(args), sizeof kept - 1);
    assert_memory_equal(resp_buf_bytes(args), kept, sizeof kept - 1);
}

static void long_commands_and_arguments_are_cut_as_redis_cuts_them(void **state) {
    (void)state;
    static char bytes[200];
    struct resp_arg args[40];
    memset(bytes, 'x', sizeof bytes);
    for (size_t i = 0; i < 40; i++)
        args[i] = (struct resp_arg){bytes, i == 1 ? 200 : i == 2 ? 128 : 1};
    const struct slowlog_call call = {.args = args, .count = 40, .address = "", .name = ""};
    slowlog_add(world.slowlog, &call, 1, 1, 3);
    const struct resp_buf *kept = &slowlog_first(world.slowlog)->args;
    char text[2048] = "";
    memcpy(text, resp_buf_bytes(kept), resp_buf_length(kept));
    assert_memory_equal(text, "*32\r\n$1\r\nx\r\n$147\r\nxxx", 20);
    assert_non_null(strstr(text, "x... (72 more bytes)\r\n$128\r\nxxx"));
    static const char end[] = "$1\r\nx\r\n$22\r\n... (9 more arguments)\r\n";
    assert_string_equal(text + strlen(text) - strlen(end), end);
}

/* ---- LATENCY --- */

static void only_what_reaches_the_threshold_is_noted_once_a_second(void **state) {
    (void)state;
    struct spikes *spikes = &world.spikes;
    spikes_add(spikes, SPIKE_FSYNC, 100, 50000, 0);
    spikes_add(spikes, SPIKE_FSYNC, 100, 9999, 10);
    assert_int_equal(spikes_count(spikes, SPIKE_FSYNC), 0);
    assert_reply("LATENCY LATEST", "*0\r\n");
    spikes_add(spikes, SPIKE_FSYNC, 100, 10000, 10);
    spikes_add(spikes, SPIKE_FSYNC, 100, 90000, 10);
    spikes_add(spikes, SPIKE_FSYNC, 100, 40000, 10);
    spikes_add(spikes, SPIKE_FSYNC, 103, 20000, 10);
    spikes_add(spikes, SPIKE_COMMAND, 104, 11000, 10);
    assert_reply("LATENCY HISTORY fsync", "*2\r\n*2\r\n:100\r\n:90\r\n*2\r\n:103\r\n:20\r\n");
    assert_reply("LATENCY LATEST", "*2\r\n*4\r\n$7\r\ncommand\r\n:104\r\n:11\r\n:11\r\n"
                                   "*4\r\n$5\r\nfsync\r\n:103\r\n:20\r\n:90\r\n");
    assert_reply("LATENCY HISTORY nothing", "*0\r\n");
    assert_reply("LATENCY RESET nothing fsync", ":1\r\n");
    assert_reply("LATENCY HISTORY fsync", "*0\r\n");
    assert_reply("LATENCY RESET", ":1\r\n");
    assert_reply("LATENCY LATEST", "*0\r\n");
}

static void the_oldest_moments_are_forgotten(void **state) {
    (void)state;
    struct spikes *spikes = &world.spikes;
    for (unsigned i = 0; i < SPIKES_KEPT + 30; i++)
        spikes_add(spikes, SPIKE_LOOP, 1000 + i, i == 0 ? 900000 : 5000, 1);
    assert_int_equal(spikes_count(spikes, SPIKE_LOOP), SPIKES_KEPT);
    assert_int_equal(spikes_at(spikes, SPIKE_LOOP, 0).time_s, 1030);
    assert_int_equal(spikes_at(spikes, SPIKE_LOOP, SPIKES_KEPT - 1).time_s, 1000 + SPIKES_KEPT + 29);
    assert_int_equal(spikes->events[SPIKE_LOOP].max_ms, 900);
}

static void the_doctor_says_what_is_watched_and_what_was_seen(void **state) {
    (void)state;
    assert_non_null(strstr(world_ask(&world, "LATENCY DOCTOR", NULL), "latency-monitor-threshold is 0"));
    world.conf.latency_threshold_ms = 10;
    assert_non_null(strstr(world_ask(&world, "LATENCY DOCTOR", NULL), "Nothing took 10 ms or longer"));
    spikes_add(&world.spikes, SPIKE_FSYNC, 100, 30000, 10);
    spikes_add(&world.spikes, SPIKE_FSYNC, 101, 50000, 10);
    assert_non_null(strstr(world_ask(&world, "LATENCY DOCTOR", NULL),
                           "fsync: in 2 seconds it took 40 ms on average and 50 ms at most. The disk"));
}

static void the_graph_has_a_bar_for_each_second(void **state) {
    (void)state;
    assert_reply("LATENCY GRAPH fsync", "-ERR No samples available for event 'fsync'\r\n");
    spikes_add(&world.spikes, SPIKE_FSYNC, WORLD_NOW_MS - 5, 20000, 10);
    spikes_add(&world.spikes, SPIKE_FSYNC, WORLD_NOW_MS - 2, 40000, 10);
    const char *graph = world_ask(&world, "LATENCY GRAPH fsync", NULL);
    assert_non_null(strstr(graph, "fsync - high 40 ms (all time high 40 ms)\n"));
    assert_non_null(strstr(graph, "       5 s ago       20 ms ##############################\n"));
    assert_non_null(strstr(graph, "       2 s ago       40 ms "
                                  "############################################################\n"));
}

static const struct command *row_named(const char *name, const char *part) {
    const struct resp_arg args[] = {{name, strlen(name)}, {part, strlen(part)}};
    return command_find(args, *part ? 2 : 1);
}

static void the_histogram_tells_how_many_calls_took_up_to_each_bound(void **state) {
    (void)state;
    static const uint64_t set[REPORT_TOOK_MAX] = {[0] = 3, [5] = 2}, get[REPORT_TOOK_MAX] = {[1] = 1},
                          none[REPORT_TOOK_MAX] = {0};
    const struct report_calls calls[] = {{.command = row_named("set", ""), .calls = 5, .took = set},
                                         {.command = row_named("config", "get"), .calls = 1, .took = get},
                                         {.command = row_named("del", ""), .calls = 1, .took = none}};
    world.report.calls = calls;
    world.report.call_count = 3;
    assert_reply("LATENCY HISTOGRAM set nosuch del",
                 "*2\r\n$3\r\nset\r\n*4\r\n$5\r\ncalls\r\n:5\r\n$14\r\nhistogram_usec\r\n"
                 "*4\r\n:1\r\n:3\r\n:33\r\n:5\r\n");
    assert_reply("LATENCY HISTOGRAM config",
                 "*2\r\n$10\r\nconfig|get\r\n*4\r\n$5\r\ncalls\r\n:1\r\n$14\r\nhistogram_usec\r\n"
                 "*2\r\n:2\r\n:1\r\n");
    assert_int_equal(strncmp(world_ask(&world, "LATENCY HISTOGRAM", NULL), "*4\r\n", 4), 0);
    world.report.call_count = 0;
    assert_reply("LATENCY HISTOGRAM", "*0\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(entries_are_told_newest_first_with_all_that_redis_tells),
        TEST(the_oldest_go_beyond_the_length_and_numbers_go_on),
        TEST(passwords_are_not_kept),
        TEST(long_commands_and_arguments_are_cut_as_redis_cuts_them),
        TEST(only_what_reaches_the_threshold_is_noted_once_a_second),
        TEST(the_oldest_moments_are_forgotten),
        TEST(the_graph_has_a_bar_for_each_second),
        TEST(the_histogram_tells_how_many_calls_took_up_to_each_bound),
        TEST(the_doctor_says_what_is_watched_and_what_was_seen),
    };
    return cmocka_run_group_tests_name("slow", tests, NULL, NULL);
}
