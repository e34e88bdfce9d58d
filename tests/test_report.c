/* SPDX-License-Identifier: MIT */
/* RAFT.INFO, INFO, CLUSTER and ROLE from a report: every line parsed, and the traps for known tools. */
#include "../redis-tests/harness/fields.h"
#include "session_fixture.h"

static char text[65536]; /* of the last reply that is one string, without its header */

/* Asks a command whose reply is one bulk or verbatim string. */
static const char *ask_text(const char *command) {
    size_t length;
    const char *reply = world_ask(&world, command, &length), *body = strchr(reply, '\n') + 1;
    size_t told = strtoul(reply + 1, NULL, 10);

    assert_int_equal(reply[0], world.session.protocol == 3 ? '=' : '$');
    assert_int_equal(length, (size_t)(body - reply) + told + 2);
    if (reply[0] == '=') {
        assert_memory_equal(body, "txt:", 4);
        body += 4;
        told -= 4;
    }
    assert_true(told < sizeof text);
    memcpy(text, body, told);
    text[told] = '\0';
    return text;
}

/* The value of a field in the last text; NULL when there is none. Holds until the next call. */
static const char *value_of(const char *field) {
    static char value[1024];
    char start[128];
    int length = snprintf(start, sizeof start, "\n%s:", field);
    const char *at = strncmp(text, start + 1, (size_t)length - 1) == 0 ? text - 1 : strstr(text, start);

    if (!at)
        return NULL;
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at + length, "\r\n"), at + length);
    return value;
}

static void assert_value(const char *field, const char *value) {
    const char *got = value_of(field);

    if (!got || strcmp(got, value) != 0)
        fail_msg("%s is %s, not %s", field, got ? got : "missing", value);
}

/* Each line is a title, empty, or field:value, and ends in CR LF. Returns the number of fields. */
static size_t parse_lines(void) {
    size_t fields = 0;

    for (const char *at = text; *at;) {
        const char *end = strstr(at, "\r\n");
        assert_non_null(end);
        size_t length = (size_t)(end - at), name = strcspn(at, ":\r\n");
        assert_null(memchr(at, '\n', length));
        if (length > 0 && at[0] != '#') {
            assert_true(name > 0 && at[name] == ':');
            for (size_t i = 0; i < name; i++)
                assert_true(isalnum((unsigned char)at[i]) || strchr("_|.", at[i]));
            fields++;
        }
        at = end + 2;
    }
    return fields;
}

/* Nobody leads, and nobody else answers. */
static void lose_quorum(void) {
    follow();
    world.report.leader_id = 0;
    world.report.quorum = false;
    world.report.quorum_lost_since_ms = (uint64_t)WORLD_NOW_MS * 1000 - 5000;
    world.members[1].link = world.members[2].link = REPORT_LINK_DOWN;
    strcpy(world.members[1].link_error, "connection refused, twice\r\nat 127.0.0.1:7202");
}

/* ---- RAFT.INFO --- */

static void must_have(const char *const *fields, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!value_of(fields[i]))
            fail_msg("%s is missing", fields[i]);
}

static void raft_info_has_every_field(void **state) {
    static const char *const figures[] = {
        "loop_p50_us",
        "loop_p99_us",
        "loop_max_us",
        "loop_cpu_p999_us",
        "loop_cpu_max_us",
        "loop_awake_us",
        "gathered_entries",
        "gathered_us",
        "checkpoint_rate",
        "checkpoint_last_pause_us",
        "checkpoint_last_pause_cpu_us",
        "checkpoint_last_copied_pages",
        "checkpoint_last_copied_bytes",
        "checkpoint_pause_max_us",
        "checkpoint_pause_cpu_max_us",
        "fsync_p50_us",
        "fsync_p99_us",
        "fsync_max_us",
        "commit_p50_us",
        "commit_p99_us",
        "commit_max_us",
    };
    enum { FIGURES = sizeof figures / sizeof figures[0] };
    (void)state;

    ask_text("RAFT.INFO");
    assert_true(parse_lines() >= RAFT_INFO_FIELDS + FIGURES);
    must_have(raft_info_fields, RAFT_INFO_FIELDS);
    must_have(figures, FIGURES);
}

static void raft_info_of_a_leader(void **state) {
    (void)state;
    ask_text("RAFT.INFO");
    assert_value("cluster_id", "cccccccccccccccccccccccccccccccccccccccc");
    assert_value("state", "up");
    assert_value("role", "leader");
    assert_value("leader_id", "1");
    assert_value("leader_address", "127.0.0.1:7101");
    assert_value("current_term", "7");
    assert_value("commit_index", "118");
    assert_value("last_log_index", "120");
    assert_value("quorum", "ok");
    assert_value("num_nodes", "3");
    assert_value("num_voting_nodes", "3");
    assert_value("health", "ok");
    assert_value("health_reason", "");
    assert_value("failures_tolerated", "1");
    assert_value("leader_since", "1699999940000");
    assert_value("quorum_lost_since", "0");
    assert_value("loop_stall_max_ms", "1.500");
    assert_value("fsync_p99_us", "2100");
    assert_value("commit_max_us", "5000");
    assert_value("writes_per_fsync", "2.50");
    assert_value("node1", "id=1,address=127.0.0.1:7101,voting=yes,link=self,match_index=120,lag=0,last_"
                          "contact_ms=0,version=0.1.0,feature_level=2,"
                          "clock_offset_ms=0,link_error=");
    assert_value("node2", "id=2,address=127.0.0.1:7102,voting=yes,link=up,match_index=110,lag=10,last_"
                          "contact_ms=40,version=0.1.0,feature_level=2,"
                          "clock_offset_ms=-3,link_error=");
}

static void raft_info_tells_who_holds_the_feature_level_down(void **state) {
    (void)state;
    ask_text("RAFT.INFO");
    parse_lines();
    assert_value("feature_level", "2");
    assert_value("feature_level_offered", "2");
    assert_value("feature_level_held_by", "");
    world.report.feature_level = 1;
    world.members[1].feature_level = 1;
    world.members[2].feature_level = 0; /* not met yet */
    ask_text("RAFT.INFO");
    parse_lines();
    assert_value("feature_level", "1");
    assert_value("feature_level_held_by", "2,3");
    world.report.feature_level_offered = 1; /* this one is no better */
    ask_text("RAFT.INFO");
    parse_lines();
    assert_value("feature_level_held_by", "");
}

static void raft_info_without_a_quorum_says_why(void **state) {
    (void)state;
    lose_quorum();
    ask_text("RAFT.INFO");
    parse_lines();
    assert_value("role", "follower");
    assert_value("leader_id", "0");
    assert_value("leader_address", "");
    assert_value("quorum", "lost");
    assert_value("quorum_lost_since", "1699999995000");
    assert_value("health", "down");
    assert_value("failures_tolerated", "0");
    assert_non_null(strstr(value_of("health_reason"), "no quorum (1 of 3 voters reachable)"));
    assert_non_null(strstr(value_of("node2"), "link=down,"));
    assert_non_null(strstr(value_of("node2"), ",lag=-1,"));
    assert_non_null(strstr(value_of("node2"), ",link_error=connection refused  twice  at 127.0.0.1:7202"));
}

static void raft_info_answers_in_every_state(void **state) {
    static const struct {
        enum report_state state;
        const char *name, *reason;
    } cases[] = {{REPORT_LOADING, "loading", "loading the keyspace"},
                 {REPORT_JOINING, "joining", "not yet a member of a formed cluster"},
                 {REPORT_REMOVED, "removed", "removed from the cluster: by node 2"},
                 {REPORT_FAILED, "failed", "by node 2"}};
    (void)state;

    follow();
    strcpy(world.report.failure, "by node 2");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world.report.state = cases[i].state;
        ask_text("RAFT.INFO");
        parse_lines();
        assert_value("state", cases[i].name);
        assert_value("health", "down");
        assert_value("quorum", "lost");
        assert_value("health_reason", cases[i].reason);
    }
}

static void raft_info_of_a_node_without_members_answers(void **state) {
    (void)state;
    memset(&world.report.cluster_id, 0, sizeof world.report.cluster_id);
    world.report.state = REPORT_JOINING;
    world.report.member_count = 0;
    world.report.leader_id = world.report.known_leader_id = 0;
    world.report.quorum = world.report.serving = false;
    world.report.role = REPORT_FOLLOWER;
    ask_text("RAFT.INFO");
    assert_value("cluster_id", "");
    assert_value("num_nodes", "0");
    ask_text("INFO");
    parse_lines();
    ask_text("CLUSTER INFO");
    assert_value("cluster_state", "fail");
    assert_string_equal(ask_text("CLUSTER NODES"), "");
    assert_string_equal(world_ask(&world, "CLUSTER SLOTS", NULL),
                        "-CLUSTERDOWN no leader has been elected yet\r\n");
    assert_string_equal(world_ask(&world, "ROLE", NULL),
                        "*5\r\n$5\r\nslave\r\n$0\r\n\r\n:0\r\n$7\r\nconnect\r\n:118\r\n");
}

static void info_raft_says_the_same_as_raft_info_with_a_prefix(void **state) {
    char lines[sizeof text];
    const char *at = text + strlen("# Raft\r\n");
    (void)state;

    strcpy(lines, ask_text("RAFT.INFO"));
    ask_text("INFO raft");
    assert_memory_equal(text, "# Raft\r\n", 8);
    for (const char *line = lines; *line; line = strchr(line, '\n') + 1) {
        size_t length = strcspn(line, "\n") + 1;
        assert_memory_equal(at, "raft_", 5);
        assert_memory_equal(at + 5, line, length);
        at += 5 + length;
    }
    assert_string_equal(at, "");
}

/* ioredis takes the last `role` that it finds, redis-cli the first. */
static void no_field_of_info_comes_twice(void **state) {
    char start[128];
    (void)state;

    ask_text("INFO everything");
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        int length = snprintf(start, sizeof start, "\n%.*s:", (int)strcspn(line, ":\r"), line);
        if (strchr("#\r", line[0]))
            continue;
        assert_true((size_t)length < sizeof start);
        if (strstr(line, start))
            fail_msg("%s comes twice", start + 1);
    }
    assert_value("role", "master");
}

/* ---- INFO --- */

static void info_has_redis_sections_in_redis_order(void **state) {
    static const char *const titles[] = {"# Server\r\n",      "# Clients\r\n",  "# Memory\r\n",
                                         "# Persistence\r\n", "# Stats\r\n",    "# Replication\r\n",
                                         "# CPU\r\n",         "# Modules\r\n",  "# Errorstats\r\n",
                                         "# Cluster\r\n",     "# Keyspace\r\n", "# Raft\r\n"};
    const char *at;
    (void)state;

    at = ask_text("INFO");
    assert_ptr_equal(strstr(at, titles[0]), at);
    for (size_t i = 1; i < sizeof titles / sizeof titles[0]; i++) {
        const char *next = strstr(at, titles[i]);
        if (!next || next < at)
            fail_msg("%s is missing or out of order", titles[i]);
        assert_memory_equal(next - 4, "\r\n\r\n", 4);
        at = next;
    }
    assert_true(parse_lines() > 120);
    assert_null(strstr(text, "# Commandstats"));
    assert_non_null(strstr(ask_text("INFO all"), "# Commandstats"));
    assert_non_null(strstr(ask_text("INFO everything"), "# Commandstats"));
    assert_null(strstr(ask_text("INFO default"), "# Commandstats"));
    assert_non_null(strstr(ask_text("INFO CPU commandstats nosuch"), "# Commandstats"));
    assert_null(strstr(text, "# Server"));
}

static void info_has_the_fields_that_tools_need(void **state) {
    static const char *const fields[] = {
        "redis_version",
        "redis_mode",
        "os",
        "arch_bits",
        "process_id",
        "run_id",
        "tcp_port",
        "uptime_in_seconds",
        "uptime_in_days",
        "executable",
        "config_file",
        "redis_build_id",
        "multiplexing_api",
        "server_name",
        "redraft_version",
        "connected_clients",
        "cluster_connections",
        "maxclients",
        "blocked_clients",
        "client_recent_max_input_buffer",
        "client_recent_max_output_buffer",
        "used_memory",
        "used_memory_human",
        "used_memory_rss",
        "used_memory_peak",
        "used_memory_dataset",
        "used_memory_lua",
        "number_of_cached_scripts",
        "used_memory_scripts_eval",
        "allocator_allocated",
        "allocator_active",
        "allocator_resident",
        "allocator_frag_ratio",
        "allocator_rss_bytes",
        "used_cpu_user_main_thread",
        "maxmemory",
        "maxmemory_human",
        "maxmemory_policy",
        "mem_fragmentation_ratio",
        "mem_allocator",
        "total_system_memory",
        "loading",
        "async_loading",
        "rdb_changes_since_last_save",
        "rdb_bgsave_in_progress",
        "rdb_last_save_time",
        "rdb_last_bgsave_status",
        "aof_enabled",
        "aof_rewrite_in_progress",
        "aof_last_write_status",
        "total_connections_received",
        "total_commands_processed",
        "instantaneous_ops_per_sec",
        "total_net_input_bytes",
        "total_net_output_bytes",
        "instantaneous_input_kbps",
        "instantaneous_output_kbps",
        "rejected_connections",
        "expired_keys",
        "evicted_keys",
        "keyspace_hits",
        "keyspace_misses",
        "pubsub_channels",
        "pubsub_patterns",
        "total_error_replies",
        "sync_full",
        "role",
        "connected_slaves",
        "master_replid",
        "master_repl_offset",
        "second_repl_offset",
        "repl_backlog_active",
        "used_cpu_sys",
        "used_cpu_user",
        "cluster_enabled",
    };
    (void)state;

    ask_text("INFO");
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (!value_of(fields[i]))
            fail_msg("%s is missing", fields[i]);
    assert_value("redis_version", "7.0.15");
    assert_value("redis_mode", "cluster");
    assert_value("cluster_enabled", "1");
    assert_value("maxmemory_policy", "noeviction");
    assert_value("run_id", "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    assert_value("used_memory_human", "1.91M");
    assert_value("db1", "keys=12,expires=5,avg_ttl=3000");
    assert_null(value_of("db0"));
}

/* redis-cli --stat finds a field by the first occurrence of its bare name, and takes what follows one byte later. */
static void redis_cli_finds_its_fields_by_plain_search(void **state) {
    static const char *const names[] = {"used_memory",
                                        "connected_clients",
                                        "blocked_clients",
                                        "loading",
                                        "bgsave_in_progress",
                                        "aof_rewrite_in_progress",
                                        "total_commands_processed",
                                        "total_connections_received",
                                        "cluster_enabled",
                                        "db1:keys"};
    (void)state;

    world.report.state = REPORT_LOADING;
    for (int all = 0; all < 2; all++) {
        ask_text(all ? "INFO all" : "INFO");
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            const char *at = strstr(text, names[i]);
            assert_non_null(at);
            if (!strchr(":=", at[strlen(names[i])]) || !isdigit((unsigned char)at[strlen(names[i]) + 1]))
                fail_msg("the first %s is \"%.40s\"", names[i], at);
        }
    }
    assert_value("loading", "1");
}

static void info_is_verbatim_in_resp3(void **state) {
    (void)state;
    world.session.protocol = 3;
    ask_text("INFO server");
    ask_text("RAFT.INFO");
    ask_text("CLUSTER INFO");
    ask_text("CLUSTER NODES");
}

static void a_leader_tells_its_followers(void **state) {
    (void)state;
    world.members[2].link = REPORT_LINK_DOWN;
    ask_text("INFO replication");
    assert_value("role", "master");
    assert_value("connected_slaves", "1");
    assert_value("slave0", "ip=127.0.0.1,port=7102,state=online,offset=110,lag=0");
    assert_null(value_of("slave1"));
    assert_value("master_repl_offset", "118");
    assert_value("master_replid", "cccccccccccccccccccccccccccccccccccccccc");
    assert_string_equal(
        world_ask(&world, "ROLE", NULL),
        "*3\r\n$6\r\nmaster\r\n:118\r\n*1\r\n*3\r\n$9\r\n127.0.0.1\r\n$4\r\n7102\r\n$3\r\n110\r\n");
}

static void a_follower_tells_its_leader(void **state) {
    (void)state;
    follow();
    ask_text("INFO replication");
    assert_value("role", "slave");
    assert_value("master_host", "127.0.0.1");
    assert_value("master_port", "7102");
    assert_value("master_link_status", "up");
    assert_value("master_last_io_seconds_ago", "0");
    assert_value("master_sync_in_progress", "0");
    assert_value("slave_repl_offset", "118");
    assert_string_equal(world_ask(&world, "ROLE", NULL),
                        "*5\r\n$5\r\nslave\r\n$9\r\n127.0.0.1\r\n:7102\r\n$9\r\nconnected\r\n:118\r\n");
}

/* Load balancers and clients take the leader for the one that says so. */
static void only_a_leader_that_serves_with_a_quorum_is_a_master(void **state) {
    (void)state;
    world.report.quorum = false;
    ask_text("INFO replication");
    assert_value("role", "slave");
    assert_value("master_link_status", "down");
    assert_memory_equal(world_ask(&world, "ROLE", NULL), "*5\r\n$5\r\nslave\r\n", 15);
    world.report.quorum = true;
    world.report.serving = false;
    ask_text("INFO replication");
    assert_value("role", "slave");
    world.report.serving = true;
    ask_text("INFO replication");
    assert_value("role", "master");
}

static void statistics_of_commands_and_errors_are_lines(void **state) {
    struct report_calls calls = {command_find(&(struct resp_arg){"get", 3}, 1), 4, 10, 1, 2, NULL};
    struct report_error error = {"ERR", 3};
    (void)state;

    world.report.calls = &calls;
    world.report.call_count = 1;
    world.report.errors = &error;
    world.report.error_count = 1;
    ask_text("INFO all");
    assert_value("cmdstat_get", "calls=4,usec=10,usec_per_call=2.50,rejected_calls=1,failed_calls=2");
    assert_value("errorstat_ERR", "count=3");
}

/* ---- CLUSTER --- */

#define ID_A                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B                 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define ID_C                 "cccccccccccccccccccccccccccccccccccccccc"
#define SLOTS_NODE(port, id) "*4\r\n$9\r\n127.0.0.1\r\n:" port "\r\n$40\r\n" id "\r\n"

static void cluster_slots_name_the_leader_first_and_leave_out_the_dead(void **state) {
    (void)state;
    follow();
    assert_string_equal(world_ask(&world, "CLUSTER SLOTS", NULL),
                        "*1\r\n*5\r\n:0\r\n:16383\r\n" SLOTS_NODE("7102", ID_B) "*0\r\n" SLOTS_NODE(
                            "7101", ID_A) "*0\r\n" SLOTS_NODE("7103", ID_C) "*0\r\n");
    world.members[2].link = REPORT_LINK_CONNECTING;
    world.session.protocol = 3;
    assert_string_equal(
        world_ask(&world, "CLUSTER SLOTS", NULL),
        "*1\r\n*4\r\n:0\r\n:16383\r\n" SLOTS_NODE("7102", ID_B) "%0\r\n" SLOTS_NODE("7101", ID_A) "%0\r\n");
}

static void without_a_leader_the_last_one_is_still_named(void **state) {
    (void)state;
    lose_quorum();
    assert_memory_equal(world_ask(&world, "CLUSTER SLOTS", NULL),
                        "*1\r\n*4\r\n:0\r\n:16383\r\n" SLOTS_NODE("7102", ID_B),
                        sizeof("*1\r\n*4\r\n:0\r\n:16383\r\n" SLOTS_NODE("7102", ID_B)) - 1);
    ask_text("CLUSTER NODES");
    assert_non_null(strstr(text, ID_B " 127.0.0.1:7102@7202 master,fail - 0 "));
    ask_text("CLUSTER INFO");
    assert_value("cluster_state", "fail");
    assert_value("cluster_slots_ok", "0");
}

static void cluster_nodes_are_lines_that_every_member_agrees_on(void **state) {
    (void)state;
    assert_string_equal(ask_text("CLUSTER NODES"),
                        ID_A " 127.0.0.1:7101@7201 myself,master - 0 0 7 connected 0-16383\n" ID_B
                             " 127.0.0.1:7102@7202 slave " ID_A " 0 1699999999960 7 connected\n" ID_C
                             " 127.0.0.1:7103@7203 slave " ID_A " 0 1699999999960 7 connected\n");
    world.members[1].link = REPORT_LINK_DOWN;
    assert_non_null(strstr(ask_text("CLUSTER NODES"),
                           ID_B " 127.0.0.1:7102@7202 slave,fail " ID_A " 0 1699999999960 7 disconnected\n"));
    world.members[1].link = REPORT_LINK_UP;
    follow();
    assert_string_equal(ask_text("CLUSTER NODES"),
                        ID_A " 127.0.0.1:7101@7201 myself,slave " ID_B " 0 0 7 connected\n" ID_B
                             " 127.0.0.1:7102@7202 master - 0 1699999999960 7 connected 0-16383\n" ID_C
                             " 127.0.0.1:7103@7203 slave " ID_B " 0 1699999999960 7 connected\n");
}

static void cluster_replicas_are_the_followers_of_the_leader(void **state) {
    (void)state;
    assert_string_equal(world_ask(&world, "CLUSTER REPLICAS nosuch", NULL), "-ERR Unknown node nosuch\r\n");
    assert_string_equal(world_ask(&world, "CLUSTER REPLICAS " ID_B, NULL),
                        "-ERR The specified node is not a master\r\n");
    assert_memory_equal(world_ask(&world, "CLUSTER SLAVES " ID_A, NULL), "*2\r\n$", 5);
    assert_non_null(strstr(resp_buf_bytes(&world.reply),
                           ID_C " 127.0.0.1:7103@7203 slave " ID_A " 0 1699999999960 7 connected\r\n"));
}

static void cluster_shards_are_one_map(void **state) {
    const char *reply;
    (void)state;

    world.session.protocol = 3;
    world.members[2].link = REPORT_LINK_DOWN;
    reply = world_ask(&world, "CLUSTER SHARDS", NULL);
    assert_memory_equal(
        reply,
        "*1\r\n%2\r\n$5\r\nslots\r\n*2\r\n:0\r\n:16383\r\n$5\r\nnodes\r\n*3\r\n%7\r\n$2\r\nid\r\n$40\r\n" ID_A
        "\r\n",
        104);
    assert_non_null(strstr(
        reply,
        "$4\r\nport\r\n:7101\r\n$2\r\nip\r\n$9\r\n127.0.0.1\r\n$8\r\nendpoint\r\n$9\r\n127.0.0.1\r\n$"
        "4\r\nrole\r\n"
        "$6\r\nmaster\r\n$18\r\nreplication-offset\r\n:118\r\n$6\r\nhealth\r\n$6\r\nonline\r\n%7\r\n"));
    assert_non_null(strstr(
        reply, "$7\r\nreplica\r\n$18\r\nreplication-offset\r\n:110\r\n$6\r\nhealth\r\n$4\r\nfail\r\n"));
}

static void cluster_info_carries_raft_for_dashboards(void **state) {
    (void)state;
    ask_text("CLUSTER INFO");
    parse_lines();
    assert_value("cluster_state", "ok");
    assert_value("cluster_slots_ok", "16384");
    assert_value("cluster_known_nodes", "3");
    assert_value("cluster_size", "1");
    assert_value("cluster_current_epoch", "7");
    assert_value("cluster_raft_current_term", "7");
    assert_value("cluster_raft_commit_index", "118");
    assert_value("cluster_raft_health", "ok");
}

static void myid_is_this_members_id(void **state) {
    (void)state;
    assert_string_equal(ask_text("CLUSTER MYID"), ID_A);
}

static void what_redis_does_by_hand_is_refused_in_words(void **state) {
    (void)state;
    assert_string_equal(world_ask(&world, "CLUSTER MEET 127.0.0.1 7104", NULL),
                        "-ERR CLUSTER meet is not supported: Raft keeps the list of members.\r\n");
    assert_string_equal(world_ask(&world, "CLUSTER FAILOVER", NULL),
                        "-ERR CLUSTER failover is not supported: Raft elects the leader.\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
        TEST(raft_info_has_every_field),
        TEST(raft_info_of_a_leader),
        TEST(raft_info_tells_who_holds_the_feature_level_down),
        TEST(raft_info_without_a_quorum_says_why),
        TEST(raft_info_answers_in_every_state),
        TEST(raft_info_of_a_node_without_members_answers),
        TEST(info_raft_says_the_same_as_raft_info_with_a_prefix),
        TEST(no_field_of_info_comes_twice),
        TEST(info_has_redis_sections_in_redis_order),
        TEST(info_has_the_fields_that_tools_need),
        TEST(redis_cli_finds_its_fields_by_plain_search),
        TEST(info_is_verbatim_in_resp3),
        TEST(a_leader_tells_its_followers),
        TEST(a_follower_tells_its_leader),
        TEST(only_a_leader_that_serves_with_a_quorum_is_a_master),
        TEST(statistics_of_commands_and_errors_are_lines),
        TEST(cluster_slots_name_the_leader_first_and_leave_out_the_dead),
        TEST(without_a_leader_the_last_one_is_still_named),
        TEST(cluster_nodes_are_lines_that_every_member_agrees_on),
        TEST(cluster_replicas_are_the_followers_of_the_leader),
        TEST(cluster_shards_are_one_map),
        TEST(cluster_info_carries_raft_for_dashboards),
        TEST(myid_is_this_members_id),
        TEST(what_redis_does_by_hand_is_refused_in_words),
    };
    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
