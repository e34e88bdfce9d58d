/* SPDX-License-Identifier: MIT */
/* Reading the configuration: defaults, lines and quotes, includes, the command line. Where Redis has words for an error, they are
 * the ones that redis-server 7.0 prints. */
#include "conf_fixture.h"

/* ---- defaults ---------------------------------------------------------------------------------------------- */

static void without_a_file_it_is_a_durable_single_node(void **state) {
    struct fixture *f = *state;
    assert_true(conf_load(&f->conf, NULL, 0, NULL, f->why));
    assert_int_equal(f->conf.port, 6379);
    assert_int_equal(f->conf.bind_count, 1);
    assert_string_equal(f->conf.bind[0], "127.0.0.1");
    assert_string_equal(f->conf.dir, "./data");
    assert_string_equal(f->conf.file, "");
    assert_int_equal(f->conf.raft_id, 1);
    assert_int_equal(f->conf.node_count, 1);
    assert_int_equal(f->conf.nodes[0].id, 1);
    assert_string_equal(f->conf.nodes[0].host, "127.0.0.1");
    assert_int_equal(f->conf.nodes[0].port, 6379);
    assert_string_equal(warnings(f), "");
}

static void the_defaults_are_those_of_the_documentation(void **state) {
    struct fixture *f = *state;
    conf_init(&f->conf);
    assert_int_equal(f->conf.election_timeout_ms, 600);
    assert_int_equal(f->conf.heartbeat_ms, 100);
    assert_int_equal(f->conf.entry_bytes_max, 64 << 20);
    assert_int_equal(f->conf.uncommitted_bytes_max, 256 << 20);
    assert_int_equal(f->conf.log_cache_bytes, 64 << 20);
    assert_int_equal(f->conf.clock_skew_max_ms, 500);
    assert_int_equal(f->conf.outcome_timeout_ms, 5000);
    assert_int_equal(f->conf.output_normal.hard_bytes, 256 << 20);
    assert_int_equal(f->conf.output_normal.soft_bytes, 64 << 20);
    assert_int_equal(f->conf.output_normal.soft_s, 60);
    assert_int_equal(f->conf.query_buffer_max, 1 << 30);
    assert_int_equal(f->conf.bulk_max, 512 << 20);
    assert_int_equal(f->conf.clients_max, 10000);
    assert_int_equal(f->conf.tcp_keepalive_s, 300);
    assert_int_equal(f->conf.tcp_backlog, 511);
    assert_int_equal(f->conf.timeout_s, 0);
    assert_int_equal(f->conf.databases, 16);
    assert_int_equal(f->conf.loglevel, LOG_LEVEL_NOTICE);
    assert_true(f->conf.protected_mode);
    assert_string_equal(f->conf.requirepass, "");
    assert_string_equal(f->conf.cluster_name, "redraft");
}

static void a_single_node_on_all_addresses_needs_no_secret_and_knows_itself_by_loopback(void **state) {
    struct fixture *f = *state;
    assert_true(load_text(f, "bind * -::*\nport 7000\nraft-id 9\n"));
    assert_string_equal(f->conf.bind[0], "0.0.0.0");
    assert_string_equal(f->conf.bind[1], "-::");
    assert_string_equal(f->conf.nodes[0].host, "127.0.0.1");
    assert_int_equal(f->conf.nodes[0].id, 9);
    assert_int_equal(f->conf.nodes[0].port, 7000);
    assert_true(load_text(f, "bind 192.0.2.7\n"));
    assert_string_equal(f->conf.nodes[0].host, "192.0.2.7");
}

/* ---- lines ------------------------------------------------------------------------------------------------- */

static void comments_blank_lines_and_case_do_not_matter(void **state) {
    struct fixture *f = *state;
    assert_true(
        load_text(f, "# a comment\n\n   \t\r\n  # another\n PORT 7000 \r\nLogLevel DEBUG\nport 7001"));
    assert_int_equal(f->conf.port, 7001);
    assert_int_equal(f->conf.loglevel, LOG_LEVEL_DEBUG);
}

static void quotes_are_read_as_redis_reads_them(void **state) {
    static const struct {
        const char *written, *meant;
    } cases[] = {
        {"plain", "plain"},
        {"\"two words\"", "two words"},
        {"'two words'", "two words"},
        {"\"a\\\"b\\\\c\"", "a\"b\\c"},
        {"\"\\x41\\x4a\\n\\t\"", "AJ\n\t"},
        {"'it\\'s'", "it's"},
        {"'\\x41'", "\\x41"},
        {"\"\\xzz\"", "xzz"},
        {"\"#no comment\"", "#no comment"},
        {"\"\"", ""},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[200];
        snprintf(line, sizeof line, "requirepass %s\n", cases[i].written);
        assert_true(load_text(f, line));
        assert_string_equal(f->conf.requirepass, cases[i].meant);
    }
}

static void a_bad_line_stops_the_start_in_redis_words(void **state) {
    static const struct {
        const char *line, *reason;
    } cases[] = {
        {"port abc", "argument couldn't be parsed into an integer"},
        {"port 070", "argument couldn't be parsed into an integer"},
        {"port 99999999999999999999", "argument couldn't be parsed into an integer"},
        {"port 70000", "argument must be between 1 and 65535 inclusive"},
        {"timeout -1", "argument must be between 0 and 2147483647 inclusive"},
        {"maxclients 0", "argument must be between 1 and 4294967295 inclusive"},
        {"timeout", "wrong number of arguments"},
        {"timeout 1 2", "wrong number of arguments"},
        {"foo bar", "Bad directive or wrong number of arguments"},
        {"include", "Bad directive or wrong number of arguments"},
        {"maxmemory 12x", "argument must be a memory value"},
        {"maxmemory -1", "argument must be a memory value"},
        {"maxmemory 9223372036854775807gb", "argument must be a memory value"},
        {"client-query-buffer-limit 1", "argument must be between 1048576 and 9223372036854775807 inclusive"},
        {"dir \"/tmp", "Unbalanced quotes in configuration line"},
        {"dir \"/tmp\"x", "Unbalanced quotes in configuration line"},
        {"requirepass \"\\x00abc\"", "Unbalanced quotes in configuration line"},
        {"loglevel loud", "argument(s) must be one of the following: debug, verbose, notice, warning"},
        {"maxmemory-policy lru", "argument(s) must be one of the following: volatile-lru, volatile-lfu, "
                                 "volatile-random, volatile-ttl, "
                                 "allkeys-lru, allkeys-lfu, allkeys-random, noeviction"},
        {"maxmemory-samples 0", "argument must be between 1 and 2147483647 inclusive"},
        {"maxmemory-eviction-tenacity 101", "argument must be between 0 and 100 inclusive"},
        {"raft-follower-mode readonly", "argument(s) must be one of the following: redirect, proxy"},
        {"raft-read-consistency eventual",
         "argument(s) must be one of the following: linearizable, lease, stale"},
        {"protected-mode maybe", "argument must be 'yes' or 'no'"},
        {"client-output-buffer-limit normal 1", "Wrong number of arguments in buffer limit configuration."},
        {"client-output-buffer-limit foo 1 2 3",
         "Invalid client class specified in buffer limit configuration."},
        {"client-output-buffer-limit normal 1 x 3",
         "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
        {"bind localhost.example.org",
         "'localhost.example.org' is not an address: bind takes numeric IPv4 and IPv6 addresses"},
        {"raft-id 0", "argument must be between 1 and 9223372036854775807 inclusive"},
        {"raft-node 1", "wrong number of arguments: raft-node <id> <host>:<port>"},
        {"raft-node 0 a:1", "a member's id must be between 1 and 9223372036854775807 inclusive"},
        {"raft-node 1 a", "a member's address must be <host>:<port> or [<IPv6 address>]:<port>"},
        {"raft-node 1 a:0", "a member's address must be <host>:<port> or [<IPv6 address>]:<port>"},
        {"raft-node 1 a:65536", "a member's address must be <host>:<port> or [<IPv6 address>]:<port>"},
        {"raft-node 1 :7000", "a member's address must be <host>:<port> or [<IPv6 address>]:<port>"},
        {"raft-node 1 ::1:7000", "a member's address must be <host>:<port> or [<IPv6 address>]:<port>"},
        {"raft-node 1 [::x]:7000", "a member's address must be <host>:<port> or [<IPv6 address>]:<port>"},
        {"raft-entry-max-size 1gb", "argument must be between 4096 and 536870912 inclusive"},
        {"cluster-announce-ip a,b",
         "argument must be of letters, digits and punctuation other than , @ = and quotes"},
        {"tls-port 6380", "'tls-port' is not supported: there is no TLS: connections would not be encrypted"},
        {"replicaof 10.0.0.1 6379",
         "'replicaof' is not supported: a cluster is made by raft-node lines: see conf/node1.conf"},
        {"user alice on",
         "'user' is not supported: there are no users but the default one: their permissions would "
         "not hold"},
        {"rename-command FLUSHALL x",
         "'rename-command' is not supported: commands keep their names: what is to be hidden would be open"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[400], expected[CONF_WHY_MAX];
        snprintf(text, sizeof text, "# first\n\n%s\nport 1\n", cases[i].line);
        snprintf(expected, sizeof expected, "Reading the configuration file %s, at line 3\n>>> '%s'\n%s",
                 f->path, cases[i].line, cases[i].reason);
        assert_false(load_text(f, text));
        assert_string_equal(f->why, expected);
    }
}

static void a_file_that_is_no_text_is_refused(void **state) {
    struct fixture *f = *state;
    FILE *file = fopen(f->path, "w");
    fwrite("port 7\0001\n", 1, 9, file);
    fclose(file);
    assert_false(conf_load(&f->conf, f->path, 0, NULL, f->why));
    assert_non_null(strstr(f->why, "zero byte"));
    assert_false(conf_load(&f->conf, f->dir, 0, NULL, f->why));
    assert_non_null(strstr(f->why, "Is a directory"));
    assert_false(conf_load(&f->conf, "/nonexistent/x.conf", 0, NULL, f->why));
    assert_string_equal(f->why, "can't open config file '/nonexistent/x.conf': No such file or directory");
}

static void memory_units_are_redis_units(void **state) {
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {{"0", 0},        {"12", 12},       {"12b", 12},        {"1k", 1000},       {"1kb", 1024},
                 {"2m", 2000000}, {"2Mb", 2097152}, {"3g", 3000000000}, {"3GB", 3221225472}};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[100];
        snprintf(line, sizeof line, "maxmemory %s\n", cases[i].text);
        assert_true(load_text(f, line));
        assert_int_equal(f->conf.maxmemory, cases[i].bytes);
    }
}

static void output_limits_are_set_by_class(void **state) {
    struct fixture *f = *state;
    assert_true(load_text(f, "client-output-buffer-limit normal 0 0 0\n"
                             "client-output-buffer-limit slave 1mb 2mb 3 pubsub 4 5 6\n"));
    assert_string_equal(get(f, "client-output-buffer-limit"),
                        "client-output-buffer-limit=normal 0 0 0 slave 1048576 2097152 3 pubsub 4 5 6\n");
}

static void the_file_is_remembered_by_its_absolute_path(void **state) {
    struct fixture *f = *state;
    char before[512];
    write_file(f->path, "port 7000\n");
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(f->dir), 0);
    assert_true(conf_load(&f->conf, "redraft.conf", 0, NULL, f->why));
    assert_int_equal(chdir(before), 0);
    assert_string_equal(f->conf.file, f->path);
}

/* ---- includes ---------------------------------------------------------------------------------------------- */

static void an_include_takes_effect_where_it_stands(void **state) {
    struct fixture *f = *state;
    char other[200], text[400];
    snprintf(other, sizeof other, "%s/other.conf", f->dir);
    write_file(other, "port 7001\ntimeout 5\n");
    snprintf(text, sizeof text, "port 7000\ntimeout 4\ninclude %s\ntimeout 6\n", other);
    assert_true(load_text(f, text));
    assert_int_equal(f->conf.port, 7001);
    assert_int_equal(f->conf.timeout_s, 6);
}

static void an_include_may_be_a_pattern_and_one_without_a_match_is_empty(void **state) {
    struct fixture *f = *state;
    char path[200], text[400];
    for (int i = 1; i <= 2; i++) {
        snprintf(path, sizeof path, "%s/extra-%d.inc", f->dir, i);
        write_file(path, i == 1 ? "port 7001\nmaxclients 77\n" : "port 7002\n");
    }
    snprintf(text, sizeof text, "include %s/extra-*.inc\ninclude %s/none-*\n", f->dir, f->dir);
    assert_true(load_text(f, text));
    assert_int_equal(f->conf.port, 7002);
    assert_int_equal(f->conf.clients_max, 77);
}

static void an_error_in_an_included_file_names_that_file(void **state) {
    struct fixture *f = *state;
    char other[200], text[400], expected[CONF_WHY_MAX];
    snprintf(other, sizeof other, "%s/other.conf", f->dir);
    write_file(other, "\nport x\n");
    snprintf(text, sizeof text, "include %s\n", other);
    assert_false(load_text(f, text));
    snprintf(expected, sizeof expected,
             "Reading the configuration file %s, at line 2\n>>> 'port x'\nargument couldn't be parsed into "
             "an integer",
             other);
    assert_string_equal(f->why, expected);
    assert_false(load_text(f, "include /nonexistent/y.conf\n"));
    assert_string_equal(f->why, "can't open config file '/nonexistent/y.conf': No such file or directory");
}

static void a_file_that_includes_itself_is_refused(void **state) {
    struct fixture *f = *state;
    char text[200];
    snprintf(text, sizeof text, "include %s\n", f->path);
    assert_false(load_text(f, text));
    assert_non_null(strstr(f->why, "does a file include itself?"));
}

/* ---- the command line -------------------------------------------------------------------------------------- */

static void arguments_come_after_the_file(void **state) {
    struct fixture *f = *state;
    assert_true(
        load_arguments(f, "port 7000\ntimeout 3\n", "--port 7001 --bind 127.0.0.1 -::1 --LogLevel debug"));
    assert_int_equal(f->conf.port, 7001);
    assert_int_equal(f->conf.timeout_s, 3);
    assert_int_equal(f->conf.bind_count, 2);
    assert_string_equal(f->conf.bind[1], "-::1");
    assert_int_equal(f->conf.loglevel, LOG_LEVEL_DEBUG);
}

static void an_argument_is_a_value_whatever_it_holds(void **state) {
    struct fixture *f = *state;
    char text[][32] = {"--requirepass", "--it's \"\x01\" \\ #", "--port 7003", "--logfile", ""};
    char *argv[] = {text[0], text[1], text[2], text[3], text[4]};
    assert_true(conf_load(&f->conf, NULL, 5, argv, f->why));
    assert_string_equal(f->conf.requirepass, "--it's \"\x01\" \\ #");
    assert_int_equal(f->conf.port, 7003);
    assert_string_equal(f->conf.logfile, "");
}

static void a_bad_argument_is_shown_as_a_line(void **state) {
    struct fixture *f = *state;
    assert_false(load_arguments(f, NULL, "--timeout 1 --port x"));
    assert_string_equal(f->why, "Reading the command line\n>>> 'port \"x\"'\n"
                                "argument couldn't be parsed into an integer");
    assert_false(load_arguments(f, NULL, "--timeout 1 --foo"));
    assert_string_equal(f->why,
                        "Reading the command line\n>>> 'foo'\nBad directive or wrong number of arguments");
    assert_false(load_arguments(f, NULL, "port 7000"));
    assert_string_equal(f->why, "Reading the command line\n>>> 'port'\nexpected --directive");
}

static void members_on_the_command_line_replace_those_of_the_file(void **state) {
    static const char file[] = "raft-id 2\nraft-node 1 127.0.0.1:7101\nraft-node 2 127.0.0.1:7102\n";
    struct fixture *f = *state;
    assert_true(load_arguments(f, file, "--port 7102"));
    assert_int_equal(f->conf.node_count, 2);
    assert_true(
        load_arguments(f, file, "--raft-node 2 127.0.0.1:9102 --port 9102 --raft-node 3 127.0.0.1:9103"));
    assert_string_equal(get(f, "raft-node"), "raft-node=2 127.0.0.1:9102 3 127.0.0.1:9103\n");
}

static void each_raft_join_adds_an_address_and_an_empty_one_forgets_them(void **state) {
    static const char file[] = "raft-id 4\nraft-join 127.0.0.1:7101\nraft-join [::1]:7102\n";
    struct fixture *f = *state;
    assert_true(load_arguments(f, file, "--port 7104"));
    assert_int_equal(f->conf.join_count, 2);
    assert_string_equal(get(f, "raft-join"), "raft-join=127.0.0.1:7101 [::1]:7102\n");
    assert_true(load_arguments(f, file, "--raft-join 127.0.0.1:9101 --raft-join 127.0.0.1:9102"));
    assert_string_equal(get(f, "raft-join"), "raft-join=127.0.0.1:9101 127.0.0.1:9102\n");
    assert_true(load_arguments(f, "raft-join 127.0.0.1:7101\nraft-join \"\"\n", "--port 7104"));
    assert_int_equal(f->conf.join_count, 0);
}

static void standard_input_can_be_read(void **state) {
    struct fixture *f = *state;
    char text[][32] = {"--timeout", "5", "-"};
    char *argv[] = {text[0], text[1], text[2]};
    write_file(f->path, "port 7007\n");
    assert_non_null(freopen(f->path, "r", stdin));
    assert_true(conf_load(&f->conf, "-", 0, NULL, f->why));
    assert_int_equal(f->conf.port, 7007);
    assert_string_equal(f->conf.file, "");
    assert_non_null(freopen(f->path, "r", stdin));
    assert_true(conf_load(&f->conf, NULL, 3, argv, f->why));
    assert_int_equal(f->conf.port, 7007);
    assert_int_equal(f->conf.timeout_s, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(without_a_file_it_is_a_durable_single_node),
        TEST(the_defaults_are_those_of_the_documentation),
        TEST(a_single_node_on_all_addresses_needs_no_secret_and_knows_itself_by_loopback),
        TEST(comments_blank_lines_and_case_do_not_matter),
        TEST(quotes_are_read_as_redis_reads_them),
        TEST(a_bad_line_stops_the_start_in_redis_words),
        TEST(a_file_that_is_no_text_is_refused),
        TEST(memory_units_are_redis_units),
        TEST(output_limits_are_set_by_class),
        TEST(the_file_is_remembered_by_its_absolute_path),
        TEST(an_include_takes_effect_where_it_stands),
        TEST(an_include_may_be_a_pattern_and_one_without_a_match_is_empty),
        TEST(an_error_in_an_included_file_names_that_file),
        TEST(a_file_that_includes_itself_is_refused),
        TEST(arguments_come_after_the_file),
        TEST(an_argument_is_a_value_whatever_it_holds),
        TEST(a_bad_argument_is_shown_as_a_line),
        TEST(members_on_the_command_line_replace_those_of_the_file),
        TEST(each_raft_join_adds_an_address_and_an_empty_one_forgets_them),
        TEST(standard_input_can_be_read),
    };
    return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
