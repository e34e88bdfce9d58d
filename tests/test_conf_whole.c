/* SPDX-License-Identifier: MIT */
/* The configuration as a whole: members, checks, directives of Redis's that do nothing here, CONFIG GET and SET in Redis's
 * words, help, and the files that are shipped. */
#include "conf_fixture.h"

/* ---- members ----------------------------------------------------------------------------------------------- */

static void members_are_read_with_names_and_both_kinds_of_addresses(void **state) {
    struct fixture *f = *state;
    assert_true(
        load_text(f, "raft-secret-file s\nraft-node 1 [::1]:7101\nraft-node 22 node-b.example_x.org:7102\n"
                     "raft-node 3 10.0.0.3:7103\n"));
    assert_int_equal(f->conf.node_count, 3);
    assert_string_equal(f->conf.nodes[0].host, "::1");
    assert_string_equal(get(f, "raft-node"),
                        "raft-node=1 [::1]:7101 22 node-b.example_x.org:7102 3 10.0.0.3:7103\n");
}

static void a_member_twice_is_refused(void **state) {
    struct fixture *f = *state;
    assert_false(load_text(f, "raft-node 1 127.0.0.1:7101\nraft-node 1 127.0.0.1:7102\n"));
    assert_non_null(strstr(f->why, "at line 2\n"));
    assert_non_null(strstr(f->why, "member 1 is there twice: first as 127.0.0.1:7101"));
    assert_false(load_text(f, "raft-node 1 127.0.0.1:7101\nraft-node 2 127.0.0.1:7101\n"));
    assert_non_null(strstr(f->why, "members 1 and 2 have the same address"));
}

static void more_members_than_fit_are_refused(void **state) {
    struct fixture *f = *state;
    char text[8192] = "";
    for (int i = 1; i <= CONF_NODES_MAX + 1; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "raft-node %d 127.0.0.1:%d\n", i, 7000 + i);
    assert_false(load_text(f, text));
    assert_non_null(strstr(f->why, "more than 64 members"));
}

static void a_node_that_is_no_member_is_refused(void **state) {
    struct fixture *f = *state;
    assert_false(load_text(f, "raft-id 4\nraft-node 1 127.0.0.1:7101\nraft-node 2 127.0.0.1:7102\n"));
    assert_non_null(strstr(f->why, "raft-id 4 is not among the raft-node lines (1, 2)"));
}

static void members_off_loopback_need_a_secret(void **state) {
    static const char *const apart[] = {"10.0.0.2", "example.org", "128.0.0.1", "[2001:db8::1]"};
    static const char *const here[] = {"127.0.0.2", "localhost", "[::1]"};
    struct fixture *f = *state;
    char text[300];
    for (size_t i = 0; i < sizeof apart / sizeof apart[0]; i++) {
        snprintf(text, sizeof text, "raft-node 1 127.0.0.1:7101\nraft-node 2 %s:7102\n", apart[i]);
        assert_false(load_text(f, text));
        assert_non_null(strstr(f->why, "raft-secret-file is needed"));
        strcat(text, "raft-secret-file /etc/redraft/secret\n");
        assert_true(load_text(f, text));
    }
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++) {
        snprintf(text, sizeof text, "raft-node 1 127.0.0.1:7101\nraft-node 2 %s:7102\n", here[i]);
        assert_true(load_text(f, text));
    }
}

static void timers_that_cannot_work_are_refused(void **state) {
    struct fixture *f = *state;
    assert_false(load_text(f, "raft-election-timeout 200\nraft-heartbeat-interval 100\n"));
    assert_non_null(strstr(f->why, "raft-heartbeat-interval 100 is too long for raft-election-timeout 200"));
    assert_true(load_text(f, "raft-election-timeout 201\nraft-heartbeat-interval 100\n"));
}

static void an_entry_must_fit_among_the_uncommitted(void **state) {
    struct fixture *f = *state;
    assert_false(load_text(f, "raft-entry-max-size 2mb\nraft-uncommitted-max-size 1mb\n"));
    assert_non_null(strstr(f->why, "The largest entry could never be proposed"));
}

static void an_empty_directory_or_name_is_refused(void **state) {
    struct fixture *f = *state;
    assert_false(load_text(f, "dir \"\"\n"));
    assert_non_null(strstr(f->why, "dir is empty"));
    assert_false(load_text(f, "raft-cluster-name \"\"\n"));
    assert_non_null(strstr(f->why, "raft-cluster-name is empty"));
}

/* ---- Redis's other directives -------------------------------------------------------------------------------- */

/* What Debian's /etc/redis/redis.conf sets. */
static const char stock[] =
    "bind 127.0.0.1 -::1\nprotected-mode yes\nport 6379\ntcp-backlog 511\ntimeout 0\n"
    "tcp-keepalive 300\ndaemonize yes\npidfile /run/redis/redis-server.pid\nloglevel notice\n"
    "logfile /var/log/redis/redis-server.log\ndatabases 16\nalways-show-logo no\n"
    "set-proc-title yes\nproc-title-template \"{title} {listen-addr} {server-mode}\"\n"
    "stop-writes-on-bgsave-error yes\nrdbcompression yes\nrdbchecksum yes\n"
    "dbfilename dump.rdb\nrdb-del-sync-files no\ndir /var/lib/redis\n"
    "replica-serve-stale-data yes\nreplica-read-only yes\nrepl-diskless-sync yes\n"
    "repl-diskless-sync-delay 5\nrepl-diskless-sync-max-replicas 0\n"
    "repl-diskless-load disabled\nrepl-disable-tcp-nodelay no\nreplica-priority 100\n"
    "acllog-max-len 128\nlazyfree-lazy-eviction no\nlazyfree-lazy-expire no\n"
    "lazyfree-lazy-server-del no\nreplica-lazy-flush no\nlazyfree-lazy-user-del no\n"
    "lazyfree-lazy-user-flush no\noom-score-adj no\noom-score-adj-values 0 200 800\n"
    "disable-thp yes\nappendonly no\nappendfilename \"appendonly.aof\"\n"
    "appenddirname \"appendonlydir\"\nappendfsync everysec\nno-appendfsync-on-rewrite no\n"
    "auto-aof-rewrite-percentage 100\nauto-aof-rewrite-min-size 64mb\n"
    "aof-load-truncated yes\naof-use-rdb-preamble yes\naof-timestamp-enabled no\n"
    "slowlog-log-slower-than 10000\nslowlog-max-len 128\nlatency-monitor-threshold 0\n"
    "notify-keyspace-events \"\"\nhash-max-listpack-entries 512\n"
    "hash-max-listpack-value 64\nlist-max-listpack-size -2\nlist-compress-depth 0\n"
    "set-max-intset-entries 512\nzset-max-listpack-entries 128\n"
    "zset-max-listpack-value 64\nhll-sparse-max-bytes 3000\nstream-node-max-bytes 4096\n"
    "stream-node-max-entries 100\nactiverehashing yes\n"
    "client-output-buffer-limit normal 0 0 0\n"
    "client-output-buffer-limit replica 256mb 64mb 60\n"
    "client-output-buffer-limit pubsub 32mb 8mb 60\nhz 10\ndynamic-hz yes\n"
    "aof-rewrite-incremental-fsync yes\nrdb-save-incremental-fsync yes\n"
    "jemalloc-bg-thread yes\nsave 3600 1\nsave 300 100 60 10000\n";

static void the_stock_redis_conf_starts_with_warnings_only(void **state) {
    struct fixture *f = *state;
    assert_true(load_text(f, stock));
    assert_string_equal(f->conf.dir, "/var/lib/redis");
    assert_string_equal(f->conf.pidfile, "/run/redis/redis-server.pid");
    const char *lines = warnings(f);
    assert_non_null(
        strstr(lines, "directive 'daemonize' is accepted but does nothing: it runs in the foreground"));
    assert_non_null(strstr(lines, "directive 'hz' is accepted but does nothing: "));
    const char *save = strstr(lines, "directive 'save' ");
    assert_non_null(save);
    assert_null(strstr(save + 1, "directive 'save' "));
    assert_null(strstr(lines, "'timeout'"));
    assert_null(strstr(lines, "'io-threads'"));
}

static void a_directive_that_says_what_holds_anyway_gives_no_warning(void **state) {
    struct fixture *f = *state;
    assert_true(load_text(f, "save \"\"\nappendonly yes\nappendfsync always\ndaemonize no\ntls-port 0\n"));
    assert_string_equal(warnings(f), "");
    assert_true(load_text(f, "appendonly no\n"));
    assert_non_null(strstr(warnings(f), "'appendonly'"));
}

static void an_even_number_of_members_and_a_forwarded_port_give_warnings(void **state) {
    struct fixture *f = *state;
    assert_true(load_text(f, "port 7101\nraft-node 1 127.0.0.1:7101\nraft-node 2 127.0.0.1:7102\n"));
    assert_string_equal(warnings(f),
                        "2 members: while either is down, nothing is served; with 3 one may be down\n");
    assert_true(load_text(f, "port 7000\nraft-node 1 127.0.0.1:7101\nraft-node 2 127.0.0.1:7102\n"
                             "raft-node 3 127.0.0.1:7103\n"));
    assert_non_null(strstr(warnings(f),
                           "peers dial this member at 127.0.0.1:7101 (raft-node 1), but it listens on "
                           "port 7000"));
}

static void no_directive_is_both_ours_and_ignored(void **state) {
    (void)state;
    for (size_t i = 0; i < conf_foreign_count; i++) {
        assert_null(conf_find(conf_foreign[i].name));
        assert_ptr_equal(conf_find_foreign(conf_foreign[i].name), &conf_foreign[i]);
    }
    for (size_t i = 0; i < conf_directive_count; i++)
        assert_ptr_equal(conf_find(conf_directives[i].name), &conf_directives[i]);
}

/* ---- CONFIG GET and SET ------------------------------------------------------------------------------------ */

static void get_matches_patterns_and_sorts_by_name(void **state) {
    struct fixture *f = *state;
    const char *patterns[] = {"t*", "maxm?mory", "[s]ave", "timeout"};
    assert_true(conf_load(&f->conf, NULL, 0, NULL, f->why));
    f->seen[0] = '\0';
    conf_get(&f->conf, patterns, 4, collect, f);
    assert_string_equal(f->seen, "maxmemory=0\nsave=\ntcp-backlog=511\ntcp-keepalive=300\ntimeout=0\n"
                                 "tls-cluster=no\ntls-port=0\ntls-replication=no\n");
    assert_string_equal(get(f, "nothing"), "");
    assert_string_equal(get(f, "DATABASES"), "databases=16\n");
    assert_string_equal(get(f, "[^a-rt-z]ave"), "save=\n");
    assert_string_equal(get(f, "sav\\e"), "save=\n");
    assert_string_equal(get(f, "sav["), "");
    assert_string_equal(get(f, "?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*zz"), "");
    assert_string_equal(get(f, "appendonly"), "appendonly=yes\n");
}

static void everything_that_get_shows_can_be_read_again(void **state) {
    struct fixture *f = *state;
    assert_true(
        load_text(f, "raft-node 1 127.0.0.1:6379\nraft-node 2 [::1]:7102\nrequirepass \"a b\"\nbind * ::1\n"
                     "maxmemory 5gb\nloglevel verbose\n"));
    for (size_t i = 0; i < conf_directive_count; i++) {
        const struct conf_directive *row = &conf_directives[i];
        static struct conf again;
        char value[CONF_VALUE_MAX], second[CONF_VALUE_MAX];
        char *word = value;
        conf_init(&again);
        conf_value_get(row, &f->conf, value);
        if (row->type == CONF_RAFT_NODE)
            continue; /* a line each: tested above */
        assert_true(conf_value_set(row, &again, 1, &word, f->why));
        conf_value_get(row, &again, second);
        assert_string_equal(value, second);
    }
}

static void set_changes_what_may_change(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *name, *value, *shown;
    } cases[] = {
        {"timeout", "5", "timeout=5\n"},
        {"LOGLEVEL", "Debug", "loglevel=debug\n"},
        {"maxmemory", "1gb", "maxmemory=1073741824\n"},
        {"requirepass", "two words", "requirepass=two words\n"},
        {"requirepass", "", "requirepass=\n"},
        {"protected-mode", "no", "protected-mode=no\n"},
        {"client-output-buffer-limit", "normal 1mb 1kb 60",
         "client-output-buffer-limit=normal 1048576 1024 60 slave 268435456 67108864 60 pubsub 33554432 "
         "8388608 60\n"},
        {"save", "", "save=\n"},
    };
    assert_true(conf_load(&f->conf, NULL, 0, NULL, f->why));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(conf_set(&f->conf, cases[i].name, cases[i].value, f->why), CONF_SET_OK);
        assert_string_equal(get(f, cases[i].name), cases[i].shown);
    }
}

static void set_refuses_in_redis_words_and_changes_nothing(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *name, *value;
        enum conf_set_result result;
        const char *why;
    } cases[] = {
        {"foo", "1", CONF_SET_UNKNOWN, "Unknown option or number of arguments for CONFIG SET - 'foo'"},
        {"include", "a", CONF_SET_UNKNOWN,
         "Unknown option or number of arguments for CONFIG SET - 'include'"},
        {"databases", "5", CONF_SET_IMMUTABLE, "can't set immutable config"},
        {"raft-id", "5", CONF_SET_IMMUTABLE, "can't set immutable config"},
        {"appendonly", "no", CONF_SET_IMMUTABLE, "can't set immutable config"},
        {"timeout", "abc", CONF_SET_INVALID, "argument couldn't be parsed into an integer"},
        {"timeout", "", CONF_SET_INVALID, "argument couldn't be parsed into an integer"},
        {"timeout", "-1", CONF_SET_INVALID, "argument must be between 0 and 2147483647 inclusive"},
        {"maxmemory", "12x", CONF_SET_INVALID, "argument must be a memory value"},
        {"loglevel", "loud", CONF_SET_INVALID,
         "argument(s) must be one of the following: debug, verbose, notice, warning"},
        {"client-output-buffer-limit", "normal 1", CONF_SET_INVALID,
         "Wrong number of arguments in buffer limit configuration."},
        {"client-output-buffer-limit", "normal 1 1 1 foo 1 2 3", CONF_SET_INVALID,
         "Invalid client class specified in buffer limit configuration."},
        {"client-output-buffer-limit", "normal -1mb 1mb 60", CONF_SET_INVALID,
         "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
    };
    static struct conf before;
    assert_true(conf_load(&f->conf, NULL, 0, NULL, f->why));
    before = f->conf;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(conf_set(&f->conf, cases[i].name, cases[i].value, f->why), cases[i].result);
        assert_string_equal(f->why, cases[i].why);
        assert_memory_equal(&f->conf, &before, sizeof before);
    }
}

static void an_overlong_value_is_refused(void **state) {
    struct fixture *f = *state;
    char value[CONF_TEXT_MAX + 1];
    memset(value, 'x', CONF_TEXT_MAX);
    value[CONF_TEXT_MAX] = '\0';
    assert_true(conf_load(&f->conf, NULL, 0, NULL, f->why));
    assert_int_equal(conf_set(&f->conf, "requirepass", value, f->why), CONF_SET_INVALID);
    assert_string_equal(f->why, "argument must be at most 511 bytes long");
    value[CONF_TEXT_MAX - 1] = '\0';
    assert_int_equal(conf_set(&f->conf, "requirepass", value, f->why), CONF_SET_OK);
}

static void help_names_every_directive(void **state) {
    struct fixture *f = *state;
    char *text = NULL, name[64];
    size_t length;
    (void)f;
    FILE *out = open_memstream(&text, &length);
    conf_help(out);
    fclose(out);
    for (size_t i = 0; i < conf_directive_count; i++) {
        snprintf(name, sizeof name, "  %s ", conf_directives[i].name);
        assert_non_null(strstr(text, name));
        assert_true(strlen(conf_directives[i].help) > 10);
    }
    free(text);
}

/* ---- the files that are shipped ---------------------------------------------------------------------------- */

static void the_files_in_conf_are_valid_and_name_every_directive_with_its_default(void **state) {
    static const char *const files[] = {"conf/single.conf", "conf/node1.conf", "conf/node2.conf",
                                        "conf/node3.conf"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        assert_true(conf_load(&f->conf, files[i], 0, NULL, f->why));
        assert_string_equal(warnings(f), "");
        assert_int_equal(f->conf.node_count, i == 0 ? 1 : 3);
        assert_int_equal(f->conf.raft_id, i == 0 ? 1 : i);
        FILE *file = fopen(files[i], "r");
        assert_non_null(file);
        size_t length = fread(f->seen, 1, sizeof f->seen - 1, file);
        f->seen[length] = '\0';
        fclose(file);
        for (size_t row = 0; row < conf_directive_count; row++) {
            char given[300];
            const char *initial = conf_directives[row].initial;
            snprintf(given, sizeof given, "%s %s", conf_directives[row].name, initial == NULL ? "" : initial);
            if (strncmp(given, "client-output", 13) == 0)
                snprintf(given, sizeof given, "client-output-buffer-limit normal 256mb 64mb 60\n");
            if (strstr(f->seen, given) == NULL)
                fail_msg("%s lacks: %s", files[i], given);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(members_are_read_with_names_and_both_kinds_of_addresses),
        TEST(a_member_twice_is_refused),
        TEST(more_members_than_fit_are_refused),
        TEST(a_node_that_is_no_member_is_refused),
        TEST(members_off_loopback_need_a_secret),
        TEST(timers_that_cannot_work_are_refused),
        TEST(an_entry_must_fit_among_the_uncommitted),
        TEST(an_empty_directory_or_name_is_refused),
        TEST(the_stock_redis_conf_starts_with_warnings_only),
        TEST(a_directive_that_says_what_holds_anyway_gives_no_warning),
        TEST(an_even_number_of_members_and_a_forwarded_port_give_warnings),
        TEST(no_directive_is_both_ours_and_ignored),
        TEST(get_matches_patterns_and_sorts_by_name),
        TEST(everything_that_get_shows_can_be_read_again),
        TEST(set_changes_what_may_change),
        TEST(set_refuses_in_redis_words_and_changes_nothing),
        TEST(an_overlong_value_is_refused),
        TEST(help_names_every_directive),
        TEST(the_files_in_conf_are_valid_and_name_every_directive_with_its_default),
    };
    return cmocka_run_group_tests_name("conf_whole", tests, NULL, NULL);
}
