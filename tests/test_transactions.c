/* SPDX-License-Identifier: MIT */
/*
 * MULTI, EXEC, DISCARD and WATCH over whole nodes: what a client is told, what takes effect, what other connections do meanwhile,
 * what happens between the proposal and its place in the log, and when the leader is another.
 */
#include "node_world.h"

static struct world *world;
static int fd, other; /* clients of node 1, which is alone */

static int begin(void **state) {
    (void)state;
    static const char *const extra[] = {"raft-entry-max-size 1048576\n"};
    world = world_new_as(1, extra);
    assert_int_equal(world_leader(world), 0);
    fd = world_dial(world, 0);
    other = world_dial(world, 0);
    return 0;
}

static int end(void **state) {
    (void)state;
    close(fd);
    close(other);
    world_free(world);
    return 0;
}

static void ask(const char *request, const char *expected) {
    world_ask(world, fd, request, expected);
}

static void meanwhile(const char *request, const char *expected) {
    world_ask(world, other, request, expected);
}

/* ---- MULTI, EXEC ----------------------------------------------------------------------------------------------- */

static void what_is_queued_is_carried_out_as_one(void **state) {
    (void)state;
    ask("SET k 1\r\nMULTI\r\nINCR k\r\nGET k\r\nPING\r\nHSET h f v\r\nEXEC\r\nGET k\r\n",
        "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
        "*4\r\n:2\r\n$1\r\n2\r\n+PONG\r\n:1\r\n$1\r\n2\r\n");
    ask("MULTI\r\nINCR k\r\n", "+OK\r\n+QUEUED\r\n");
    meanwhile("GET k\r\nINCR k\r\n", "$1\r\n2\r\n:3\r\n");
    ask("EXEC\r\n", "*1\r\n:4\r\n");
}

static void reads_alone_and_nothing_at_all_are_carried_out_too(void **state) {
    (void)state;
    ask("SET k 1\r\nMULTI\r\nGET k\r\nECHO x\r\nGET none\r\nEXEC\r\nPING\r\n",
        "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n$1\r\n1\r\n$1\r\nx\r\n$-1\r\n+PONG\r\n");
    ask("MULTI\r\nEXEC\r\n", "+OK\r\n*0\r\n");
    ask("MULTI\r\nPING\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
}

/* The replies are Redis's, but for the number of members that have a write; nobody else is here. */
static void nothing_waits_in_a_transaction(void **state) {
    (void)state;
    ask("SET k 1\r\nMULTI\r\nWAIT 5 0\r\nINCR k\r\nWAIT x 0\r\nBLPOP none 0\r\nEXEC\r\nGET k\r\n",
        "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
        "*4\r\n:0\r\n:2\r\n-ERR value is not an integer or out of range\r\n*-1\r\n$1\r\n2\r\n");
    ask("MULTI\r\nMONITOR\r\nSSUBSCRIBE c\r\nEXEC\r\nMULTI\r\nWAIT 1 0\r\nEXEC\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n"
        "-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n+OK\r\n+QUEUED\r\n*1\r\n:0\r\n");
    ask("MULTI\r\nSUBSCRIBE a b\r\nUNSUBSCRIBE a b\r\nEXEC\r\nWAIT 1 1\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n"
        "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
        "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n:0\r\n");
}

static void an_error_of_one_command_undoes_nothing(void **state) {
    (void)state;
    ask("MULTI\r\nSET a x\r\nINCR a\r\nSET b y\r\nEXEC\r\nMGET a b\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
        "*3\r\n+OK\r\n-ERR value is not an integer or out of range\r\n+OK\r\n"
        "*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
}

static void what_cannot_be_queued_lets_exec_refuse_it_all(void **state) {
    static const char aborted[] = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    char expected[512];
    (void)state;
    snprintf(expected, sizeof expected,
             "+OK\r\n+QUEUED\r\n-ERR unknown command 'NOSUCH', with args beginning with: \r\n%s", aborted);
    ask("MULTI\r\nSET never 1\r\nNOSUCH\r\nEXEC\r\n", expected);
    snprintf(expected, sizeof expected,
             "+OK\r\n-ERR wrong number of arguments for 'get' command\r\n+QUEUED\r\n%s", aborted);
    ask("MULTI\r\nGET\r\nSET never 1\r\nEXEC\r\n", expected);
    snprintf(expected, sizeof expected, "+OK\r\n-ERR Command not allowed inside a transaction\r\n%s",
             aborted);
    ask("MULTI\r\nSHUTDOWN\r\nEXEC\r\n", expected);
    ask("MULTI\r\nEXEC x\r\nEXEC\r\n",
        "+OK\r\n-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' "
        "command\r\n-ERR EXEC without MULTI\r\n");
    ask("EXISTS never\r\n", ":0\r\n");
}

static void what_is_out_of_place_is_said(void **state) {
    (void)state;
    ask("EXEC\r\nDISCARD\r\n", "-ERR EXEC without MULTI\r\n-ERR DISCARD without MULTI\r\n");
    ask("MULTI\r\nMULTI\r\nWATCH k\r\nPING\r\nEXEC\r\n",
        "+OK\r\n-ERR MULTI calls can not be nested\r\n-ERR WATCH inside MULTI is not "
        "allowed\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
}

static void discard_and_reset_forget_what_is_queued_and_watched(void **state) {
    (void)state;
    ask("WATCH k\r\nMULTI\r\nSET never 1\r\nDISCARD\r\n", "+OK\r\n+OK\r\n+QUEUED\r\n+OK\r\n");
    meanwhile("SET k 9\r\n", "+OK\r\n");
    ask("MULTI\r\nEXISTS never\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*1\r\n:0\r\n");
    ask("WATCH k\r\nMULTI\r\nSET never 1\r\nRESET\r\nEXEC\r\n",
        "+OK\r\n+OK\r\n+QUEUED\r\n+RESET\r\n-ERR EXEC without MULTI\r\n");
    meanwhile("SET k 10\r\n", "+OK\r\n");
    ask("MULTI\r\nEXISTS never\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*1\r\n:0\r\n");
    ask("WATCH k\r\nUNWATCH\r\n", "+OK\r\n+OK\r\n");
    meanwhile("SET k 11\r\n", "+OK\r\n");
    ask("MULTI\r\nEXISTS never\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*1\r\n:0\r\n");
}

static void a_pipeline_that_takes_a_watch_back_has_taken_it_back(void **state) {
    (void)state;
    ask("WATCH k\r\nUNWATCH\r\nSET k 1\r\nMULTI\r\nPING\r\nEXEC\r\n",
        "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
    ask("WATCH k\r\nSET k 1\r\nMULTI\r\nPING\r\nEXEC\r\n", "+OK\r\n+OK\r\n+OK\r\n+QUEUED\r\n*-1\r\n");
    ask("WATCH k\r\nMULTI\r\nSET k 2\r\nEXEC\r\nMULTI\r\nSET k 3\r\nEXEC\r\n",
        "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
}

static void select_and_hello_count_from_their_place_on(void **state) {
    (void)state;
    ask("MULTI\r\nSET s 0\r\nSELECT 3\r\nSET s 3\r\nSELECT nowhere\r\nGET s\r\nEXEC\r\nGET s\r\nSELECT "
        "0\r\nGET s\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*5\r\n+OK\r\n+OK\r\n+OK\r\n-ERR value "
        "is not an integer or out of range\r\n$1\r\n3\r\n$1\r\n3\r\n+OK\r\n$1\r\n0\r\n");
    ask("MULTI\r\nSELECT 5\r\nGET s\r\nEXEC\r\nGET s\r\nSELECT 0\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n$-1\r\n$-1\r\n+OK\r\n");
    ask("HELLO 3 SETNAME\r\n", "-ERR Syntax error in HELLO option 'SETNAME'\r\n");
}

static void a_transaction_too_large_for_an_entry_is_refused_before_it_is_proposed(void **state) {
    static char value[300 * 1024], request[sizeof value + 100];
    (void)state;
    ask("MULTI\r\n", "+OK\r\n");
    memset(value, 'v', sizeof value - 1);
    snprintf(request, sizeof request, "*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%zu\r\n%s\r\n", sizeof value - 1,
             value);
    for (unsigned i = 0; i < 3; i++)
        ask(request, "+QUEUED\r\n");
    ask(request, "-ERR command too large for a log entry: raft-entry-max-size is 1048576 bytes\r\n");
    ask("EXEC\r\nEXISTS big\r\n", "-EXECABORT Transaction discarded because of previous errors.\r\n:0\r\n");
}

static void client_list_tells_what_is_queued(void **state) {
    char heard[2048];
    (void)state;
    ask("WATCH k\r\nMULTI\r\nPING\r\nPING\r\n", "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n");
    meanwhile("SET k 1\r\n", "+OK\r\n");
    world_say(other, "CLIENT LIST\r\nECHO end\r\n", strlen("CLIENT LIST\r\nECHO end\r\n"));
    size_t got = 0;
    do
        got += world_hear(world, other, heard + got, 1);
    while (got < sizeof heard - 1 && !strstr(heard, "end\r\n"));
    assert_non_null(strstr(heard, " flags=xd "));
    assert_non_null(strstr(heard, " multi=2 "));
    assert_non_null(strstr(heard, " multi=-1 "));
    ask("DISCARD\r\n", "+OK\r\n");
}

/* ---- WATCH ----------------------------------------------------------------------------------------------------- */

/* What the other connection does between WATCH and EXEC, and whether that touches the key k. */
struct between {
    const char *before, *then, *answer;
    bool touches;
};

static const struct between betweens[] = {
    {"SET k 1", "GET k", "$1\r\n1\r\n", false},
    {"SET k 1", "SET k 1", "+OK\r\n", true},
    {"SET k 1", "SET other 1", "+OK\r\n", false},
    {"SET k 1", "DEL k", ":1\r\n", true},
    {"SET k 1", "EXPIRE k 1000", ":1\r\n", true},
    {"SET k 1", "APPEND k 1", ":2\r\n", true},
    {"SET k 1", "SETRANGE k 0 2", ":1\r\n", true},
    {"SET k 1", "BITFIELD k OVERFLOW FAIL SET u1 0 2", "*1\r\n$-1\r\n", false},
    {"SET k 1", "BITFIELD k OVERFLOW FAIL SET u1 8 2", "*1\r\n$-1\r\n",
     true}, /* it is longer now: not so in Redis 7.0 */
    {"SET k 1", "RENAME k l\r\nRENAME l k", "+OK\r\n+OK\r\n", true},
    {"SET k 1", "MOVE k 2", ":1\r\n", true},
    {"SET k 1", "FLUSHDB", "+OK\r\n", true},
    {"SET k 1", "FLUSHALL\r\nSET k 1", "+OK\r\n+OK\r\n", true},
    {"SET k 1", "SWAPDB 0 1\r\nSWAPDB 0 1", "+OK\r\n+OK\r\n", true},
    {"SET k 1", "SWAPDB 2 1", "+OK\r\n", false},
    {"SET k 1", "DEL k\r\nSET k 1", ":1\r\n+OK\r\n", true},
    {"SET k 1", "SELECT 1\r\nSET k 5\r\nSELECT 0", "+OK\r\n+OK\r\n+OK\r\n", false},
    {"HSET k f v", "HSET k g v", ":1\r\n", true},
    {"HSET k f v", "HDEL k g", ":0\r\n", false},
    {"RPUSH k a b", "LPOP k", "$1\r\na\r\n", true},
    {"SADD k a", "SADD k a", ":0\r\n", false},
    {"SADD k a", "SREM k a", ":1\r\n", true},
    {"ZADD k 1 a", "ZADD k 2 a", ":0\r\n", true},
    {"ZADD k 1 a", "ZADD k 1 a", ":0\r\n", false},
    {"DEL none", "SET k 1", "+OK\r\n", true},
    {"DEL none", "SET k 1\r\nDEL k", "+OK\r\n:1\r\n", true},
    {"DEL none", "RPUSH k 1\r\nLPOP k", ":1\r\n$1\r\n1\r\n", true},
    {"DEL none", "SET k 1\r\nFLUSHALL", "+OK\r\n+OK\r\n", true},
    {"DEL none", "SET x 1\r\nFLUSHALL", "+OK\r\n+OK\r\n", false},
    {"DEL none", "DEL k", ":0\r\n", false},
    {"DEL none", "SET x 1\r\nDEL x", "+OK\r\n:1\r\n", false},
    {"DEL none", "SET x 1\r\nRENAME x k\r\nDEL k", "+OK\r\n+OK\r\n:1\r\n", true},
    {"DEL none", "SET x 1\r\nSWAPDB 0 1\r\nSWAPDB 0 1", "+OK\r\n+OK\r\n+OK\r\n", false},
    {"DEL none", "SELECT 1\r\nSET k 1\r\nSELECT 0\r\nSWAPDB 0 1\r\nSWAPDB 0 1",
     "+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n", true},
};

static void prepare(const struct between *between) {
    char request[128], reply[2];
    meanwhile("FLUSHALL\r\n", "+OK\r\n");
    snprintf(request, sizeof request, "%s\r\n", between->before);
    world_say(other, request, strlen(request));
    do
        assert_int_equal(world_hear(world, other, reply, 1), 1);
    while (reply[0] != '\n');
}

static void check_between(const struct between *between, const char *queued, const char *done) {
    char request[256], expected[256];
    prepare(between);
    ask("WATCH k\r\n", "+OK\r\n");
    snprintf(request, sizeof request, "%s\r\n", between->then);
    meanwhile(request, between->answer);
    snprintf(request, sizeof request, "MULTI\r\n%s\r\nEXEC\r\n", queued);
    snprintf(expected, sizeof expected, "+OK\r\n+QUEUED\r\n%s", between->touches ? "*-1\r\n" : done);
    ask(request, expected);
}

static void a_watched_key_that_changed_lets_exec_do_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof betweens / sizeof *betweens; i++) {
        check_between(&betweens[i], "SET done 1", "*1\r\n+OK\r\n");
        meanwhile("EXISTS done\r\n", betweens[i].touches ? ":0\r\n" : ":1\r\n");
        check_between(&betweens[i], "DBSIZE", betweens[i].touches ? "" : "*1\r\n:");
        if (!betweens[i].touches) {
            char rest[8];
            world_hear(world, fd, rest, 3);
        }
        check_between(&betweens[i], "PING", "*1\r\n+PONG\r\n");
        ask("WATCH k\r\nMULTI\r\nEXEC\r\n", "+OK\r\n+OK\r\n*0\r\n");
    }
}

static void a_watched_key_that_expires_lets_exec_do_nothing(void **state) {
    (void)state;
    ask("FLUSHALL\r\nSET k 1 PX 100000\r\nWATCH k\r\n", "+OK\r\n+OK\r\n+OK\r\n");
    world->wall_shift_ms += 200000;
    ask("MULTI\r\nSET never 1\r\nEXEC\r\nEXISTS never\r\n", "+OK\r\n+QUEUED\r\n*-1\r\n:0\r\n");
    ask("SET k 1 PX 100000\r\nWATCH k\r\n", "+OK\r\n+OK\r\n");
    world->wall_shift_ms += 200000;
    ask("MULTI\r\nEXISTS never\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*-1\r\n");
    /* one that was gone when it was first looked at is an absent key */
    ask("SET k 1 PX 100000\r\n", "+OK\r\n");
    world->wall_shift_ms += 200000;
    ask("WATCH k\r\nMULTI\r\nEXISTS k\r\nSET done 1\r\nEXEC\r\nDEL done\r\n",
        "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:0\r\n+OK\r\n:1\r\n");
    /* one that was made since and is gone again has changed */
    ask("WATCH k\r\n", "+OK\r\n");
    meanwhile("SET k 1 PX 100000\r\n", "+OK\r\n");
    world->wall_shift_ms += 200000;
    meanwhile("GET k\r\n", "$-1\r\n");
    ask("MULTI\r\nSET never 1\r\nEXEC\r\nEXISTS never\r\n", "+OK\r\n+QUEUED\r\n*-1\r\n:0\r\n");
}

static void a_read_that_is_due_lets_what_is_over_the_session_be_done_once(void **state) {
    (void)state;
    ask("FLUSHALL\r\nSELECT 1\r\nSET k 1 PX 100000\r\nSELECT 0\r\n", "+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
    world->wall_shift_ms += 200000;
    ask("MULTI\r\nSELECT 1\r\nGET k\r\nCLIENT SETNAME me\r\nDBSIZE\r\nEXEC\r\nCLIENT GETNAME\r\nSELECT 0\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*4\r\n+OK\r\n$-1\r\n+OK\r\n:0\r\n$2\r\nme\r\n+"
        "OK\r\n");
}

/* ---- three nodes ----------------------------------------------------------------------------------------------- */

static int begin_three(void **state) {
    (void)state;
    world = world_new(3);
    return 0;
}

static int end_three(void **state) {
    (void)state;
    world_free(world);
    return 0;
}

static void sleep_all_but(size_t awake, bool asleep) {
    for (size_t i = 0; i < world->count; i++)
        world->nodes[i].asleep = i != awake && asleep;
}

/* What is proposed and not yet applied when the EXEC is proposed counts too. */
static void check_in_flight(size_t leader, const struct between *between) {
    int watching = world_dial(world, leader), writing = world_dial(world, leader);
    char request[256];
    snprintf(request, sizeof request, "FLUSHALL\r\n%s\r\nECHO end\r\n", between->before);
    world_say(writing, request, strlen(request));
    char heard[128] = "";
    size_t got = 0;
    while (!strstr(heard, "end\r\n"))
        got += world_hear(world, writing, heard + got, 1);
    world_ask(world, watching, "WATCH k\r\n", "+OK\r\n");
    sleep_all_but(leader, true);
    snprintf(request, sizeof request, "%s\r\n", between->then);
    world_say(writing, request, strlen(request));
    world_turns(world, leader, 20);
    world_say(watching, "MULTI\r\nSET done 1\r\nEXEC\r\n", 25);
    world_turns(world, leader, 20);
    sleep_all_but(leader, false);
    world_expect(world, watching, "+OK\r\n+QUEUED\r\n");
    world_expect(world, watching, between->touches ? "*-1\r\n" : "*1\r\n+OK\r\n");
    world_expect(world, writing, between->answer);
    world_ask(world, watching, "EXISTS done\r\n", between->touches ? ":0\r\n" : ":1\r\n");
    close(watching);
    close(writing);
}

static void what_is_under_way_before_it_counts_too(void **state) {
    (void)state;
    size_t leader = world_leader(world);
    for (size_t i = 0; i < sizeof betweens / sizeof *betweens; i++) {
        struct between between = betweens[i];
        /* only then is a database that is emptied or exchanged taken for a change of all its keys */
        if (strstr(between.then, "FLUSH") || strstr(between.then, "SWAPDB"))
            between.touches = true;
        check_in_flight(leader, &between);
    }
}

static void a_follower_sends_the_first_key_to_the_leader_and_exec_refuses(void **state) {
    (void)state;
    size_t leader = world_leader(world), follower = (leader + 1) % 3;
    int client = world_dial(world, follower);
    char expected[256];
    snprintf(
        expected, sizeof expected,
        "+OK\r\n-MOVED 12182 127.0.0.1:%u\r\n-MOVED 12182 127.0.0.1:%u\r\n-EXECABORT Transaction discarded "
        "because of previous errors.\r\n-ERR EXEC without MULTI\r\n",
        world->nodes[leader].port, world->nodes[leader].port);
    world_ask(world, client, "MULTI\r\nSET foo 1\r\nGET foo\r\nEXEC\r\nEXEC\r\n", expected);
    snprintf(expected, sizeof expected, "-MOVED 12182 127.0.0.1:%u\r\n", world->nodes[leader].port);
    world_ask(world, client, "WATCH foo\r\n", expected);
    world_ask(world, client, "MULTI\r\nPING\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n*1\r\n+PONG\r\n");
    world_ask(world, client, "READONLY\r\nMULTI\r\nGET nosuch\r\nEXEC\r\n",
              "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n");
    world_ask(world, client, "MULTI\r\nSET foo 1\r\nDISCARD\r\nPING\r\n", "+OK\r\n");
    world_expect(world, client, expected);
    world_expect(world, client, "+OK\r\n+PONG\r\n");
    close(client);
}

/* Another node leads; returns which. */
static size_t hand_over(size_t leader) {
    char request[64];
    size_t to = (leader + 1) % 3;
    int client = world_dial(world, leader);
    snprintf(request, sizeof request, "RAFT.TRANSFER_LEADER %zu\r\n", to + 1);
    world_ask(world, client, request, "+OK\r\n");
    close(client);
    for (unsigned tries = 0; tries < 50 && world_leader(world) != to; tries++)
        world_turn_all(world);
    assert_int_equal(world_leader(world), to);
    return to;
}

static void an_exec_where_nobody_leads_any_more_is_sent_on_and_leaves_nothing_behind(void **state) {
    (void)state;
    size_t leader = world_leader(world);
    int client = world_dial(world, leader);
    world_ask(world, client, "MULTI\r\nSET foo 1\r\n", "+OK\r\n+QUEUED\r\n");
    size_t to = hand_over(leader);
    char expected[128];
    snprintf(expected, sizeof expected, "-MOVED 12182 127.0.0.1:%u\r\n-ERR DISCARD without MULTI\r\n",
             world->nodes[to].port);
    world_ask(world, client, "EXEC\r\nDISCARD\r\n", expected);
    close(client);
}

static void a_watch_holds_while_the_leadership_goes_and_comes_back(void **state) {
    (void)state;
    for (unsigned change = 0; change < 2; change++) {
        size_t leader = world_leader(world);
        int client = world_dial(world, leader);
        world_ask(world, client, "SET k 1\r\nWATCH k none\r\n", "+OK\r\n+OK\r\n");
        size_t to = leader;
        for (unsigned i = 0; i < 3; i++) {
            to = hand_over(to);
            int writer = world_dial(world, to);
            if (i == 0 && change)
                world_ask(world, writer, "SET none 1\r\nDEL none\r\n", "+OK\r\n:1\r\n");
            else if (i == 0)
                world_ask(world, writer, "DEL none\r\n", ":0\r\n");
            close(writer);
            if (to == leader)
                break;
        }
        assert_int_equal(to, leader);
        world_ask(world, client, "MULTI\r\nSET k 2\r\nEXEC\r\n", "+OK\r\n+QUEUED\r\n");
        world_expect(world, client, change ? "*-1\r\n" : "*1\r\n+OK\r\n");
        close(client);
    }
}

int main(void) {
    const struct CMUnitTest alone[] = {
        cmocka_unit_test(what_is_queued_is_carried_out_as_one),
        cmocka_unit_test(reads_alone_and_nothing_at_all_are_carried_out_too),
        cmocka_unit_test(nothing_waits_in_a_transaction),
        cmocka_unit_test(an_error_of_one_command_undoes_nothing),
        cmocka_unit_test(what_cannot_be_queued_lets_exec_refuse_it_all),
        cmocka_unit_test(what_is_out_of_place_is_said),
        cmocka_unit_test(discard_and_reset_forget_what_is_queued_and_watched),
        cmocka_unit_test(a_pipeline_that_takes_a_watch_back_has_taken_it_back),
        cmocka_unit_test(select_and_hello_count_from_their_place_on),
        cmocka_unit_test(a_transaction_too_large_for_an_entry_is_refused_before_it_is_proposed),
        cmocka_unit_test(client_list_tells_what_is_queued),
        cmocka_unit_test(a_watched_key_that_changed_lets_exec_do_nothing),
        cmocka_unit_test(a_watched_key_that_expires_lets_exec_do_nothing),
        cmocka_unit_test(a_read_that_is_due_lets_what_is_over_the_session_be_done_once),
    };
    const struct CMUnitTest three[] = {
        cmocka_unit_test(what_is_under_way_before_it_counts_too),
        cmocka_unit_test(a_follower_sends_the_first_key_to_the_leader_and_exec_refuses),
        cmocka_unit_test(an_exec_where_nobody_leads_any_more_is_sent_on_and_leaves_nothing_behind),
        cmocka_unit_test(a_watch_holds_while_the_leadership_goes_and_comes_back),
    };
    return cmocka_run_group_tests_name("transactions", alone, begin, end) +
           cmocka_run_group_tests_name("transactions of three nodes", three, begin_three, end_three);
}
