/* SPDX-License-Identifier: MIT */
/*
 * Those who listen on a node: what they are told, in which form and order, and when; MONITOR and CLIENT PAUSE. The bytes
 * are those that Redis 7.0 sends.
 */
#include "node_world.h"

static struct world *world;

static int begin_one(void **state) {
    (void)state;
    world = world_new(1);
    assert_int_equal(world_leader(world), 0);
    return 0;
}

static int begin_three(void **state) {
    (void)state;
    world = world_new(3);
    return 0;
}

static int end(void **state) {
    (void)state;
    world_free(world);
    return 0;
}

static void ask(int fd, const char *request, const char *expected) {
    world_ask(world, fd, request, expected);
}

static void expect(int fd, const char *expected) {
    world_expect(world, fd, expected);
}

/* ---- messages ------------------------------------------------------------------------------------------------ */

static void messages_come_to_channels_and_patterns_in_resp2(void **state) {
    (void)state;
    int listener = world_dial(world, 0), other = world_dial(world, 0);
    ask(listener, "SUBSCRIBE a b a\r\n",
        "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
        "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n");
    ask(listener, "PSUBSCRIBE a*\r\n", "*3\r\n$10\r\npsubscribe\r\n$2\r\na*\r\n:3\r\n");
    ask(listener, "SSUBSCRIBE a\r\n", "*3\r\n$10\r\nssubscribe\r\n$1\r\na\r\n:1\r\n");
    ask(other, "PUBLISH a hi\r\n", ":2\r\n");
    expect(listener, "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"
                     "*4\r\n$8\r\npmessage\r\n$2\r\na*\r\n$1\r\na\r\n$2\r\nhi\r\n");
    ask(other, "SPUBLISH a \"\"\r\n", ":1\r\n");
    expect(listener, "*3\r\n$8\r\nsmessage\r\n$1\r\na\r\n$0\r\n\r\n");
    ask(other, "PUBLISH nobody hi\r\n", ":0\r\n");
    ask(listener, "UNSUBSCRIBE\r\n",
        "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n");
    ask(listener, "UNSUBSCRIBE\r\n", "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n");
    ask(listener, "PUNSUBSCRIBE x\r\n", "*3\r\n$12\r\npunsubscribe\r\n$1\r\nx\r\n:1\r\n");
    ask(listener, "PUNSUBSCRIBE\r\n", "*3\r\n$12\r\npunsubscribe\r\n$2\r\na*\r\n:0\r\n");
    ask(listener, "SUNSUBSCRIBE\r\n", "*3\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n:0\r\n");
    ask(other, "PUBLISH a hi\r\nSPUBLISH a hi\r\n", ":0\r\n:0\r\n");
    world_expect_silence(world, listener);
    close(listener);
    close(other);
}

static void who_listens_in_resp2_may_say_little_else(void **state) {
    (void)state;
    int fd = world_dial(world, 0);
    ask(fd, "PING\r\n", "+PONG\r\n");
    ask(fd, "SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    ask(fd, "PING\r\nPING hi\r\n", "*2\r\n$4\r\npong\r\n$0\r\n\r\n*2\r\n$4\r\npong\r\n$2\r\nhi\r\n");
    ask(fd, "GET a\r\n",
        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed "
        "in this context\r\n");
    ask(fd, "CLIENT ID\r\n",
        "-ERR Can't execute 'client|id': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
        "allowed in this context\r\n");
    ask(fd, "NOSUCH\r\n", "-ERR unknown command 'NOSUCH', with args beginning with: \r\n");
    ask(fd, "RESET\r\nGET a\r\nPING\r\n", "+RESET\r\n$-1\r\n+PONG\r\n");
    ask(fd, "PUBLISH a gone\r\n", ":0\r\n");
    close(fd);
}

static void pushes_come_before_the_reply_to_what_made_them_in_resp3(void **state) {
    (void)state;
    int fd = world_dial(world, 0);
    ask(fd, "HELLO 3\r\nPING\r\n", "%7\r\n");
    char rest[4096];
    for (rest[0] = 0; !strstr(rest, "+PONG\r\n");)
        world_hear(world, fd, rest + strlen(rest), 1);
    ask(fd, "SUBSCRIBE a\r\nPUBLISH a hi\r\nGET k\r\nPING\r\n",
        ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n:1\r\n"
        "_\r\n+PONG\r\n");
    ask(fd, "CONFIG SET notify-keyspace-events KEA\r\nPSUBSCRIBE __key*:*\r\n",
        "+OK\r\n>3\r\n$10\r\npsubscribe\r\n$8\r\n__key*:*\r\n:2\r\n");
    ask(fd, "SET k v\r\nGET k\r\n",
        ">4\r\n$8\r\npmessage\r\n$8\r\n__key*:*\r\n$16\r\n__keyspace@0__:k\r\n$3\r\nset\r\n"
        ">4\r\n$8\r\npmessage\r\n$8\r\n__key*:*\r\n$18\r\n__keyevent@0__:set\r\n$1\r\nk\r\n+OK\r\n$"
        "1\r\nv\r\n");
    ask(fd, "CLIENT REPLY OFF\r\nPUBLISH a quiet\r\nUNSUBSCRIBE a\r\nPING\r\nCLIENT REPLY ON\r\n",
        ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$5\r\nquiet\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n+"
        "OK\r\n");
    close(fd);
}

/* The confirmation must not be overtaken by a message. */
static void a_subscription_begins_when_what_was_sent_before_is_answered(void **state) {
    (void)state;
    int fd = world_dial(world, 0);
    ask(fd, "SET k 1\r\nGET k\r\nSUBSCRIBE a\r\nPING\r\n",
        "+OK\r\n$1\r\n1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    close(fd);
}

static void pubsub_tells_of_this_nodes_listeners(void **state) {
    (void)state;
    int listener = world_dial(world, 0), other = world_dial(world, 0);
    ask(other, "PUBSUB CHANNELS\r\nPUBSUB NUMPAT\r\nPUBSUB NUMSUB\r\n", "*0\r\n:0\r\n*0\r\n");
    ask(listener, "SUBSCRIBE ax b\r\n",
        "*3\r\n$9\r\nsubscribe\r\n$2\r\nax\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n");
    ask(listener, "PSUBSCRIBE *\r\nSSUBSCRIBE s\r\n",
        "*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:3\r\n*3\r\n$10\r\nssubscribe\r\n$1\r\ns\r\n:1\r\n");
    ask(other, "PUBSUB CHANNELS\r\n", "*2\r\n$2\r\nax\r\n$1\r\nb\r\n");
    ask(other, "PUBSUB CHANNELS a*\r\nPUBSUB SHARDCHANNELS\r\n", "*1\r\n$2\r\nax\r\n*1\r\n$1\r\ns\r\n");
    ask(other, "PUBSUB NUMSUB b none\r\nPUBSUB NUMPAT\r\nPUBSUB SHARDNUMSUB s\r\n",
        "*4\r\n$1\r\nb\r\n:1\r\n$4\r\nnone\r\n:0\r\n:1\r\n*2\r\n$1\r\ns\r\n:1\r\n");
    ask(other, "CLIENT KILL TYPE pubsub\r\n", ":1\r\n");
    world_expect_end(world, listener);
    ask(other, "PUBSUB CHANNELS\r\nPUBSUB NUMPAT\r\nPUBSUB SHARDCHANNELS\r\n", "*0\r\n:0\r\n*0\r\n");
    close(listener);
    close(other);
}

/* ---- who does not read ----------------------------------------------------------------------------------------- */

static void who_does_not_read_its_messages_is_closed_at_its_class_s_limit(void **state) {
    (void)state;
    enum { MESSAGE = 100000, MESSAGES = 400 };
    int slow = world_dial(world, 0), quick = world_dial(world, 0), other = world_dial(world, 0);
    static char request[MESSAGE + 64], heard[MESSAGE + 64];
    ask(other, "CONFIG SET client-output-buffer-limit \"pubsub 1mb 0 0\"\r\n", "+OK\r\n");
    ask(slow, "SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    ask(quick, "SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    size_t head =
        (size_t)snprintf(request, sizeof request, "*3\r\n$7\r\nPUBLISH\r\n$1\r\na\r\n$%d\r\n", MESSAGE);
    memset(request + head, 'x', MESSAGE);
    memcpy(request + head + MESSAGE, "\r\n", 2);
    size_t whole = strlen("*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$100000\r\n") + MESSAGE + 2;
    size_t alone = 0;
    for (size_t i = 0; i < MESSAGES && alone < 3; i++) {
        char reply[8];
        world_say(other, request, head + MESSAGE + 2);
        assert_int_equal(world_hear(world, other, reply, 4), 4);
        assert_int_equal(world_hear(world, quick, heard, whole), whole);
        assert_true(strcmp(reply, ":2\r\n") == 0 || strcmp(reply, ":1\r\n") == 0);
        alone += reply[1] == '1';
    }
    assert_int_equal(alone, 3);
    ask(other, "PUBSUB NUMSUB a\r\n", "*2\r\n$1\r\na\r\n:1\r\n");
    close(slow);
    close(quick);
    close(other);
}

/* ---- three nodes ------------------------------------------------------------------------------------------------- */

static void listeners_on_every_node_are_told_without_and_with_a_leader(void **state) {
    (void)state;
    int listeners[3];
    for (size_t i = 0; i < 3; i++) {
        listeners[i] = world_dial(world, i); /* nobody leads yet */
        ask(listeners[i], "SUBSCRIBE a\r\n", "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
    }
    int leader = world_dial(world, world_leader(world));
    ask(leader, "PUBLISH a 1\r\nSET k v\r\nPUBLISH a 2\r\n", ":1\r\n+OK\r\n:1\r\n");
    for (size_t i = 0; i < 3; i++) {
        expect(listeners[i],
               "*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n1\r\n*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n2\r\n");
        close(listeners[i]);
    }
    close(leader);
}

static void restart(size_t at) {
    struct world_node *node = &world->nodes[at];
    node_free(node->node);
    struct instant now = world_now(world);
    node->node = node_new(node->loop, &node->conf, NULL, &now);
    assert_non_null(node->node);
}

static void what_lay_in_the_log_at_the_start_is_told_to_nobody(void **state) {
    (void)state;
    int fd = world_dial(world, 0);
    ask(fd, "PUBLISH a old\r\nSET k v\r\n", ":0\r\n+OK\r\n");
    close(fd);
    restart(0);
    int listener = world_dial(world, 0);
    ask(listener, "PSUBSCRIBE *\r\n", "*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n");
    assert_int_equal(world_leader(world), 0);
    world_expect_silence(world, listener);
    fd = world_dial(world, 0);
    ask(fd, "PUBLISH a new\r\n", ":1\r\n");
    expect(listener, "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\na\r\n$3\r\nnew\r\n");
    close(listener);
    close(fd);
}

static void a_key_that_expires_is_told_without_being_asked_for(void **state) {
    (void)state;
    int listener = world_dial(world, 0), fd = world_dial(world, 0);
    ask(fd, "CONFIG SET notify-keyspace-events Ex\r\n", "+OK\r\n");
    ask(listener, "SUBSCRIBE __keyevent@0__:expired\r\n",
        "*3\r\n$9\r\nsubscribe\r\n$22\r\n__keyevent@0__:expired\r\n:1\r\n");
    ask(fd, "SET k v PX 30\r\n", "+OK\r\n");
    expect(listener, "*3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@0__:expired\r\n$1\r\nk\r\n");
    close(listener);
    close(fd);
}

/* ---- MONITOR ------------------------------------------------------------------------------------------------------ */

/* A line without the time and the port. */
static void expect_line(int fd, const char *db, const char *words) {
    char line[512], expected[512], *at = line;
    do {
        assert_int_equal(world_hear(world, fd, at, 1), 1);
        assert_true(at < line + sizeof line - 2);
    } while (*at++ != '\n');
    *at = '\0';
    char *address = strstr(line, " [");
    assert_true(line[0] == '+' && address);
    snprintf(expected, sizeof expected, " [%s 127.0.0.1:", db);
    assert_int_equal(strncmp(address, expected, strlen(expected)), 0);
    snprintf(expected, sizeof expected, "] %s\r\n", words);
    assert_string_equal(strchr(address, ']'), expected);
}

static void a_monitor_sees_what_is_sent_but_no_password(void **state) {
    (void)state;
    int monitor = world_dial(world, 0), fd = world_dial(world, 0);
    ask(monitor, "MONITOR\r\n", "+OK\r\n");
    ask(fd, "SET k \"a\\x00\\n\\\"\\xff\"\r\nSELECT 3\r\nGET k\r\nCONFIG GET port\r\nHSET\r\n",
        "+OK\r\n+OK\r\n$-1\r\n*2\r\n$4\r\nport\r\n$5\r\n");
    expect_line(monitor, "0", "\"SET\" \"k\" \"a\\x00\\n\\\"\\xff\"");
    expect_line(monitor, "3", "\"SELECT\" \"3\"");
    expect_line(monitor, "3", "\"GET\" \"k\"");
    char rest[64];
    world_hear(world, fd, rest, 7 + strlen("-ERR wrong number of arguments for 'hset' command\r\n"));
    ask(fd, "AUTH default secret\r\n", "+OK\r\n");
    expect_line(monitor, "3", "\"AUTH\" \"(redacted)\" \"(redacted)\"");
    ask(monitor, "GET k\r\nPING\r\n", "-ERR Replica can't interact with the keyspace\r\n+PONG\r\n");
    expect_line(monitor, "0", "\"PING\"");
    ask(monitor, "RESET\r\n", "+RESET\r\n");
    ask(fd, "ECHO x\r\n", "$1\r\nx\r\n");
    world_expect_silence(world, monitor);
    close(monitor);
    close(fd);
}

/* ---- CLIENT PAUSE --------------------------------------------------------------------------------------------------- */

static void a_pause_of_writes_lets_reads_pass(void **state) {
    (void)state;
    int fd = world_dial(world, 0), writer = world_dial(world, 0);
    ask(fd, "CLIENT PAUSE 60000 WRITE\r\n", "+OK\r\n");
    ask(writer, "GET k\r\nHSET\r\n", "$-1\r\n-ERR wrong number of arguments for 'hset' command\r\n");
    world_say(writer, "SET k 1\r\nPUBLISH a b\r\nGET k\r\n", 29);
    world_expect_silence(world, writer);
    ask(fd, "GET k\r\nCLIENT UNPAUSE\r\n", "$-1\r\n+OK\r\n");
    expect(writer, "+OK\r\n:0\r\n$1\r\n1\r\n");
    close(fd);
    close(writer);
}

static void a_pause_of_everything_ends_by_itself(void **state) {
    (void)state;
    int fd = world_dial(world, 0), other = world_dial(world, 0);
    ask(fd, "CLIENT PAUSE 300\r\n", "+OK\r\n");
    uint64_t since = world_us(CLOCK_MONOTONIC);
    world_say(fd, "CLIENT UNPAUSE\r\n", 16);
    ask(other, "PING\r\n", "+PONG\r\n");
    assert_true(world_us(CLOCK_MONOTONIC) - since > 200000);
    expect(fd, "+OK\r\n");
    close(fd);
    close(other);
}

#define ONE(test)   cmocka_unit_test_setup_teardown(test, begin_one, end)
#define THREE(test) cmocka_unit_test_setup_teardown(test, begin_three, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        ONE(messages_come_to_channels_and_patterns_in_resp2),
        ONE(who_listens_in_resp2_may_say_little_else),
        ONE(pushes_come_before_the_reply_to_what_made_them_in_resp3),
        ONE(a_subscription_begins_when_what_was_sent_before_is_answered),
        ONE(pubsub_tells_of_this_nodes_listeners),
        ONE(who_does_not_read_its_messages_is_closed_at_its_class_s_limit),
        THREE(listeners_on_every_node_are_told_without_and_with_a_leader),
        ONE(what_lay_in_the_log_at_the_start_is_told_to_nobody),
        ONE(a_key_that_expires_is_told_without_being_asked_for),
        ONE(a_monitor_sees_what_is_sent_but_no_password),
        ONE(a_pause_of_writes_lets_reads_pass),
        ONE(a_pause_of_everything_ends_by_itself),
    };
    return cmocka_run_group_tests_name("node_listeners", tests, NULL, NULL);
}
