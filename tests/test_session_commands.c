/* SPDX-License-Identifier: MIT */
/* Commands over the session: what they answer, what they change in the session, and what they ask of the server. */
#include "session_fixture.h"

static const char wrongpass[] = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";

/* ---- greeting and password --- */

static void hello_changes_the_protocol_of_its_own_reply(void **state) {
    (void)state;
    assert_reply("HELLO 3",
                 "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n"
                 "$2\r\nid\r\n:1\r\n$4\r\nmode\r\n$7\r\ncluster\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
                 "$7\r\nmodules\r\n*0\r\n");
    assert_int_equal(world.session.protocol, 3);
    assert_holds("HELLO 2", "*14\r\n$6\r\nserver\r\n");
    assert_int_equal(world.session.protocol, 2);
}

static void hello_says_replica_without_a_quorum(void **state) {
    (void)state;
    world.report.quorum = false;
    assert_holds("HELLO", "$4\r\nrole\r\n$7\r\nreplica\r\n");
}

static void a_hello_that_fails_changes_nothing(void **state) {
    (void)state;
    strcpy(world.conf.requirepass, "secret");
    world.session.authenticated = false;
    assert_reply("HELLO 3 AUTH default wrong SETNAME a", wrongpass);
    assert_reply("HELLO 3 AUTH default secret SETNAME a FOO", "-ERR Syntax error in HELLO option 'FOO'\r\n");
    assert_holds("HELLO 3 AUTH default secret SETNAME \"a b\"", "-ERR Client names cannot contain");
    assert_holds("HELLO 3 SETNAME a", "-NOAUTH HELLO must be called with the client already authenticated");
    assert_false(world.session.authenticated);
    assert_int_equal(world.session.protocol, 2);
    assert_string_equal(world.session.name, "");
    assert_holds("HELLO 3 SETNAME a AUTH default secret", "%7\r\n");
    assert_true(world.session.authenticated);
    assert_string_equal(world.session.name, "a");
}

static void only_the_whole_password_opens(void **state) {
    static const char *const wrong[] = {"AUTH s",          "AUTH secret1",        "AUTH secre",
                                        "AUTH Secret",     "AUTH \"\"",           "AUTH secretsecret",
                                        "AUTH foo secret", "AUTH Default secret", "AUTH default s"};
    (void)state;

    strcpy(world.conf.requirepass, "secret");
    world.session.authenticated = false;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_reply(wrong[i], wrongpass);
    assert_false(world.session.authenticated);
    assert_reply("AUTH secret", "+OK\r\n");
    assert_true(world.session.authenticated);
    world.session.authenticated = false;
    assert_reply("AUTH default secret", "+OK\r\n");
    assert_true(world.session.authenticated);
}

static void reset_brings_the_session_back_to_its_beginning(void **state) {
    (void)state;
    strcpy(world.conf.requirepass, "secret");
    world_ask(&world, "HELLO 3 SETNAME a", NULL);
    world_ask(&world, "SELECT 5", NULL);
    world_ask(&world, "READONLY", NULL);
    world_ask(&world, "ASKING", NULL);
    world_ask(&world, "CLIENT NO-EVICT ON", NULL);
    world_ask(&world, "CLIENT REPLY OFF", NULL);
    assert_reply("RESET", "+RESET\r\n");
    assert_int_equal(world.session.protocol, 2);
    assert_int_equal(world.session.db, 0);
    assert_int_equal(world.session.reply_mode, REPLY_ON);
    assert_false(world.session.readonly || world.session.asking || world.session.no_evict ||
                 world.session.authenticated);
    assert_string_equal(world.session.name, "");
}

static void select_stays_within_the_databases(void **state) {
    (void)state;
    assert_reply("SELECT 15", "+OK\r\n");
    assert_int_equal(world.session.db, 15);
    assert_reply("SELECT 16", "-ERR DB index is out of range\r\n");
    assert_int_equal(world.session.db, 15);
    world.conf.databases = 20;
    assert_reply("SELECT 16", "+OK\r\n");
}

static void quit_answers_and_closes(void **state) {
    (void)state;
    assert_reply("QUIT", "+OK\r\n");
    assert_true(world.session.close);
}

static void readonly_and_asking_are_kept_in_the_session(void **state) {
    (void)state;
    assert_reply("READONLY", "+OK\r\n");
    assert_true(world.session.readonly);
    assert_reply("READWRITE", "+OK\r\n");
    assert_false(world.session.readonly);
    assert_reply("ASKING", "+OK\r\n");
    assert_true(world.session.asking);
}

/* ---- CLIENT --- */

static void setinfo_is_taken_and_checked(void **state) {
    (void)state;
    assert_reply("CLIENT SETINFO LIB-NAME redis-py", "+OK\r\n");
    assert_reply("CLIENT SETINFO lib-ver 5.0.8", "+OK\r\n");
    assert_string_equal(world.session.lib_name, "redis-py");
    assert_string_equal(world.session.lib_version, "5.0.8");
    assert_reply("CLIENT SETINFO lib-foo x", "-ERR Unrecognized option 'lib-foo'\r\n");
    assert_reply("CLIENT SETINFO lib-name \"a b\"",
                 "-ERR lib-name cannot contain spaces, newlines or special characters.\r\n");
}

static void a_name_that_is_too_long_is_refused(void **state) {
    char command[400], name[SESSION_NAME_MAX + 1];
    (void)state;

    memset(name, 'n', sizeof name);
    name[SESSION_NAME_MAX] = '\0';
    snprintf(command, sizeof command, "CLIENT SETNAME %s", name);
    assert_holds(command, "-ERR Client names cannot be longer than 255 bytes");
    snprintf(command, sizeof command, "CLIENT SETNAME %s", name + 1);
    assert_reply(command, "+OK\r\n");
    assert_string_equal(world.session.name, name + 1);
}

static void what_clients_try_and_we_lack_is_an_error_in_redis_words(void **state) {
    (void)state;
    assert_holds("CLIENT TRACKING ON", "-ERR CLIENT TRACKING ON is not supported");
    assert_reply("CLIENT MAINT_NOTIFICATIONS ON moving-endpoint-type none",
                 "-ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP.\r\n");
    assert_holds("SENTINEL MASTERS", "-ERR unknown command 'SENTINEL', with args beginning with: 'MASTERS' ");
    assert_holds("RAFT.MSG x", "-ERR unknown command 'RAFT.MSG', with args beginning with: 'x' ");
}

static void reply_off_and_skip_say_nothing_and_on_says_ok(void **state) {
    (void)state;
    assert_reply("CLIENT REPLY SKIP", "");
    assert_int_equal(world.session.reply_mode, REPLY_SKIP_NEXT);
    assert_reply("CLIENT REPLY OFF", "");
    assert_int_equal(world.session.reply_mode, REPLY_OFF);
    assert_reply("CLIENT REPLY SKIP", "");
    assert_int_equal(world.session.reply_mode, REPLY_OFF);
    assert_reply("CLIENT REPLY ON", "+OK\r\n");
    assert_int_equal(world.session.reply_mode, REPLY_ON);
}

static size_t lines_of(const char *command) {
    size_t lines = 0;

    for (const char *at = strstr(world_ask(&world, command, NULL), "id="); at; at = strstr(at + 1, "\nid="))
        lines++;
    return lines;
}

static void client_list_shows_each_connection_as_redis_does(void **state) {
    (void)state;
    assert_int_equal(lines_of("CLIENT LIST"), WORLD_SESSIONS);
    assert_int_equal(lines_of("CLIENT LIST TYPE normal"), WORLD_SESSIONS - 1);
    assert_int_equal(lines_of("CLIENT LIST TYPE REPLICA"), 1);
    assert_int_equal(lines_of("CLIENT LIST ID 3 1 77"), 2);
    strcpy(world.others[0].name, "worker");
    world.others[0].readonly = world.others[0].no_evict = true;
    world.others[0].in_bytes = 7;
    world.others[0].in_free = 9;
    world.others[0].out_bytes = 11;
    world.others[0].memory = 13;
    world.others[0].db = 4;
    assert_holds(
        "CLIENT LIST ID 2",
        "id=2 addr=127.0.0.1:40002 laddr=127.0.0.1:7101 fd=7 name=worker age=10 idle=3 flags=re db=4 "
        "sub=0 psub=0 ssub=0 multi=-1 qbuf=7 qbuf-free=9 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 "
        "oll=1 omem=11 tot-mem=13 events=rw cmd=NULL user=default redir=-1 resp=2\n");
    assert_holds("CLIENT INFO", "cmd=client|info user=default");
    world.session.protocol = 3;
    assert_holds("CLIENT LIST", "=");
    assert_holds("CLIENT LIST ID 1", "\r\ntxt:id=1 addr=");
}

static void kill_by_address_answers_ok_and_may_hit_oneself(void **state) {
    (void)state;
    assert_reply("CLIENT KILL 127.0.0.1:40002", "+OK\r\n");
    assert_true(world.others[0].close);
    assert_reply("CLIENT KILL 127.0.0.1:40002", "-ERR No such client\r\n");
    assert_reply("CLIENT KILL 127.0.0.1:40001", "+OK\r\n");
    assert_true(world.session.close);
    assert_ptr_equal(world.wishes.killed_self, &world.session);
}

static void kill_with_filters_counts_and_spares_oneself_unless_told(void **state) {
    (void)state;
    assert_reply("CLIENT KILL ID 2", ":1\r\n");
    assert_true(world.others[0].close);
    assert_reply("CLIENT KILL TYPE normal", ":1\r\n");
    assert_true(world.others[1].close);
    assert_false(world.session.close);
    assert_null(world.wishes.killed_self);
    assert_reply("CLIENT KILL ID 1 SKIPME no", ":1\r\n");
    assert_ptr_equal(world.wishes.killed_self, &world.session);
}

static void all_filters_must_match(void **state) {
    (void)state;
    assert_reply("CLIENT KILL ID 2 ADDR 127.0.0.1:40003", ":0\r\n");
    assert_reply("CLIENT KILL ID 2 TYPE replica", ":0\r\n");
    assert_reply("CLIENT KILL ADDR 127.0.0.1:4000", ":0\r\n");
    assert_false(world.others[0].close || world.others[1].close);
    assert_reply("CLIENT KILL LADDR 127.0.0.1:7101 USER default ID 3", ":1\r\n");
    assert_true(world.others[1].close);
}

static void a_peer_cannot_be_killed(void **state) {
    static const char *const tries[] = {
        "CLIENT KILL ID 4",       "CLIENT KILL 127.0.0.1:40004",      "CLIENT KILL TYPE replica",
        "CLIENT KILL TYPE slave", "CLIENT KILL ADDR 127.0.0.1:40004", "CLIENT KILL SKIPME no"};
    (void)state;

    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        world_ask(&world, tries[i], NULL);
        assert_false(world.others[2].close);
    }
}

/* ---- CONFIG, SHUTDOWN --- */

static void config_get_is_a_map_of_all_that_match_once(void **state) {
    (void)state;
    world.session.protocol = 3;
    assert_reply("CONFIG GET databases", "%1\r\n$9\r\ndatabases\r\n$2\r\n16\r\n");
    assert_reply("CONFIG GET databases d?tabases databas*", "%1\r\n$9\r\ndatabases\r\n$2\r\n16\r\n");
    assert_holds("CONFIG GET *", "$7\r\ntimeout\r\n$1\r\n0\r\n");
}

static void config_set_takes_all_or_nothing(void **state) {
    (void)state;
    assert_reply("CONFIG SET timeout 11 tcp-keepalive 12", "+OK\r\n");
    assert_true(world.wishes.conf_changed);
    assert_int_equal(world.conf.timeout_s, 11);
    assert_int_equal(world.conf.tcp_keepalive_s, 12);
    assert_holds("CONFIG SET timeout 21 tcp-keepalive abc",
                 "-ERR CONFIG SET failed (possibly related to argument 'tcp-keepalive') - ");
    assert_false(world.wishes.conf_changed);
    assert_int_equal(world.conf.timeout_s, 11);
    assert_holds("CONFIG SET timeout x Nope 1",
                 "-ERR Unknown option or number of arguments for CONFIG SET - 'Nope'");
    assert_int_equal(world.conf.timeout_s, 11);
}

static void resetstat_and_shutdown_are_wishes(void **state) {
    (void)state;
    assert_reply("CONFIG RESETSTAT", "+OK\r\n");
    assert_true(world.wishes.reset_statistics);
    assert_reply("SHUTDOWN", "");
    assert_true(world.wishes.shutdown);
    assert_reply("SHUTDOWN nosave now force", "");
    assert_true(world.wishes.shutdown);
    assert_reply("SHUTDOWN save nosave", "-ERR syntax error\r\n");
    assert_false(world.wishes.shutdown);
    assert_reply("SHUTDOWN abort", "-ERR No shutdown in progress.\r\n");
    assert_false(world.wishes.shutdown);
}

static void rewrite_is_a_wish_where_there_is_a_file(void **state) {
    (void)state;
    assert_reply("CONFIG REWRITE", "-ERR The server is running without a config file\r\n");
    assert_false(world.wishes.rewrite_conf);
    strcpy(world.conf.file, "/etc/redraft.conf");
    assert_reply("CONFIG REWRITE", "");
    assert_true(world.wishes.rewrite_conf);
}

static void save_and_bgsave_ask_for_a_checkpoint(void **state) {
    (void)state;
    assert_reply("SAVE", "+OK\r\n");
    assert_true(world.wishes.checkpoint);
    assert_reply("BGSAVE", "+Background saving started\r\n");
    assert_true(world.wishes.checkpoint);
    assert_reply("BGSAVE NOW", "-ERR syntax error\r\n");
    assert_false(world.wishes.checkpoint);
    world.report.checkpoint_under_way_ms = 5;
    assert_reply("BGSAVE", "-ERR Background save already in progress\r\n");
    assert_false(world.wishes.checkpoint);
    assert_reply("BGSAVE schedule", "+Background saving scheduled\r\n");
    assert_true(world.wishes.checkpoint);
}

static void no_touch_is_kept_and_shown(void **state) {
    (void)state;
    assert_reply("CLIENT NO-TOUCH on", "+OK\r\n");
    assert_true(world.session.no_touch);
    assert_holds("CLIENT INFO", " flags=T ");
    assert_reply("CLIENT NO-TOUCH perhaps", "-ERR syntax error\r\n");
    assert_true(world.session.no_touch);
    assert_reply("CLIENT NO-TOUCH off", "+OK\r\n");
    assert_false(world.session.no_touch);
}

static void lastsave_is_now_and_lolwut_is_a_raft(void **state) {
    (void)state;
    assert_reply("LASTSAVE", ":1700000000\r\n");
    assert_holds("LOLWUT", "redraft ver. ");
    assert_holds("LOLWUT VERSION 1", "|\n  (=================)\n~~~");
    assert_reply("LOLWUT VERSION x", "-ERR value is not an integer or out of range\r\n");
}

static void memory_stats_and_doctor_follow_the_report(void **state) {
    (void)state;
    assert_holds("MEMORY STATS", "$15\r\ntotal.allocated\r\n:2000000\r\n");
    assert_holds("MEMORY STATS", "$13\r\ndataset.bytes\r\n:500000\r\n");
    assert_holds("MEMORY STATS", "$10\r\nkeys.count\r\n:12\r\n$18\r\nkeys.bytes-per-key\r\n:166666\r\n");
    world.report.memory_scripts = 77;
    world.report.memory_allocated = 3000000;
    world.report.memory_active = 4500000;
    assert_holds("MEMORY STATS", "$10\r\nlua.caches\r\n:77\r\n");
    assert_holds("MEMORY STATS", "$29\r\nallocator-fragmentation.ratio\r\n$3\r\n1.5\r\n"
                                 "$29\r\nallocator-fragmentation.bytes\r\n:1500000\r\n");
    assert_holds("MEMORY STATS", "$15\r\npeak.percentage\r\n$2\r\n50\r\n");
    assert_holds("MEMORY DOCTOR", "Little memory is used");
    world.report.memory_used = world.report.memory_used_peak = world.report.memory_resident = 100 << 20;
    assert_holds("MEMORY DOCTOR", "Nothing is remarkable");
    world.report.memory_used_peak = 200 << 20;
    world.report.memory_resident = 150 << 20;
    world.report.clients = 1;
    world.report.memory_clients = 1 << 20;
    assert_holds("MEMORY DOCTOR", "The peak was 2.0 times");
    assert_holds("MEMORY DOCTOR", "holds 1.5 times what it uses");
    assert_holds("MEMORY DOCTOR", "take 1048576 bytes on average");
}

/* ---- COMMAND --- */

static void command_lists_every_row_with_ten_elements(void **state) {
    size_t count;
    char header[32], reply[32];
    (void)state;

    command_table(&count);
    snprintf(header, sizeof header, "*%zu\r\n*10\r\n$", count);
    snprintf(reply, sizeof reply, ":%zu\r\n", count);
    assert_holds("COMMAND", header);
    assert_holds("COMMAND INFO", header);
    assert_reply("COMMAND COUNT", reply);
}

static void docs_give_each_command_a_map(void **state) {
    (void)state;
    world.session.protocol = 3;
    assert_reply(
        "COMMAND DOCS nosuch GET",
        "%1\r\n$3\r\nget\r\n%4\r\n$7\r\nsummary\r\n$15\r\nReads a string.\r\n$5\r\nsince\r\n$5\r\n1.0.0\r\n"
        "$5\r\ngroup\r\n$6\r\nstring\r\n$10\r\ncomplexity\r\n$4\r\nO(1)\r\n");
    assert_holds("COMMAND DOCS config", "$11\r\nsubcommands\r\n%5\r\n$10\r\nconfig|get\r\n%4\r\n");
}

static void list_filters_by_category_and_pattern(void **state) {
    (void)state;
    assert_reply("COMMAND LIST FILTERBY PATTERN client|i*",
                 "*2\r\n$9\r\nclient|id\r\n$11\r\nclient|info\r\n");
    assert_holds("COMMAND LIST FILTERBY ACLCAT STRING", "$6\r\nappend\r\n");
    assert_reply("COMMAND LIST FILTERBY PATTERN \"\"", "*0\r\n");
}

static void help_names_every_subcommand(void **state) {
    static const char *const containers[] = {"client", "cluster", "command", "config"};
    (void)state;

    for (size_t i = 0; i < sizeof containers / sizeof containers[0]; i++) {
        struct resp_arg name = {containers[i], strlen(containers[i])};
        char command[32], line[64];
        snprintf(command, sizeof command, "%s HELP", containers[i]);
        for (const struct command *row = command_find_name(&name)->subcommands; row->name; row++) {
            snprintf(line, sizeof line, "\r\n+%s\r\n+    ", strchr(row->name, '|') + 1);
            for (char *at = line; *at; at++)
                *at = (char)toupper((unsigned char)*at);
            assert_holds(command, line);
        }
    }
    assert_holds("CONFIG HELP",
                 "*11\r\n+CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+GET\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
        TEST(hello_changes_the_protocol_of_its_own_reply),
        TEST(hello_says_replica_without_a_quorum),
        TEST(a_hello_that_fails_changes_nothing),
        TEST(only_the_whole_password_opens),
        TEST(reset_brings_the_session_back_to_its_beginning),
        TEST(select_stays_within_the_databases),
        TEST(quit_answers_and_closes),
        TEST(readonly_and_asking_are_kept_in_the_session),
        TEST(setinfo_is_taken_and_checked),
        TEST(a_name_that_is_too_long_is_refused),
        TEST(what_clients_try_and_we_lack_is_an_error_in_redis_words),
        TEST(reply_off_and_skip_say_nothing_and_on_says_ok),
        TEST(client_list_shows_each_connection_as_redis_does),
        TEST(kill_by_address_answers_ok_and_may_hit_oneself),
        TEST(kill_with_filters_counts_and_spares_oneself_unless_told),
        TEST(all_filters_must_match),
        TEST(a_peer_cannot_be_killed),
        TEST(config_get_is_a_map_of_all_that_match_once),
        TEST(config_set_takes_all_or_nothing),
        TEST(resetstat_and_shutdown_are_wishes),
        TEST(rewrite_is_a_wish_where_there_is_a_file),
        TEST(save_and_bgsave_ask_for_a_checkpoint),
        TEST(no_touch_is_kept_and_shown),
        TEST(lastsave_is_now_and_lolwut_is_a_raft),
        TEST(memory_stats_and_doctor_follow_the_report),
        TEST(command_lists_every_row_with_ten_elements),
        TEST(docs_give_each_command_a_map),
        TEST(list_filters_by_category_and_pattern),
        TEST(help_names_every_subcommand),
    };
    return cmocka_run_group_tests_name("session_commands", tests, NULL, NULL);
}
