/* SPDX-License-Identifier: MIT */
/*
 * One connection's commands take effect, and are answered, in their order: through reads, writes, replies that are ready at
 * once, keys that expire, replies that are not wanted; whatever the pieces in which the bytes come.
 */
#include "../src/node_state.h"
#include "../src/version.h"
#include "node_world.h"

static struct world *world;
static int fd; /* a client of node 1, which is alone */

static int begin(void **state) {
    (void)state;
    world = world_new(1);
    assert_int_equal(world_leader(world), 0);
    fd = world_dial(world, 0);
    return 0;
}

static int end(void **state) {
    (void)state;
    close(fd);
    world_free(world);
    return 0;
}

static void ask(const char *request, const char *expected) {
    world_ask(world, fd, request, expected);
}

/* ---- pipelines ------------------------------------------------------------------------------------------------- */

static const char pipeline[] = "FLUSHALL\r\n"
                               "GET k\r\n"
                               "SET k 1\r\n"
                               "GET k\r\n"
                               "INCR k\r\n"
                               "PING\r\n"
                               "GET k\r\n"
                               "DBSIZE\r\n"
                               "ECHO between\r\n"
                               "SELECT 1\r\n"
                               "GET k\r\n"
                               "SET k other\r\n"
                               "NOSUCH\r\n"
                               "INCR k\r\n"
                               "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
                               "HELLO 3 SETNAME x\r\n"
                               "GET nothing\r\n"
                               "HELLO 2\r\n"
                               "GET nothing\r\n"
                               "SELECT 0\r\n"
                               "MGET k none k\r\n"
                               "TTL k\r\n"
                               "GETDEL k\r\n"
                               "EXISTS k\r\n"
                               "DEL k\r\n"
                               "GET\r\n"
                               "PING end\r\n";

/* What HELLO says differs from run to run only in the connection's id. */
static const char *answers(unsigned id) {
    static char text[4096];
    char number[16];
    snprintf(number, sizeof number, "%u", id);
    snprintf(text, sizeof text,
             "+OK\r\n$-1\r\n+OK\r\n$1\r\n1\r\n:2\r\n+PONG\r\n$1\r\n2\r\n:1\r\n$7\r\nbetween\r\n+OK\r\n$-"
             "1\r\n+OK\r\n"
             "-ERR unknown command 'NOSUCH', with args beginning with: \r\n"
             "-ERR value is not an integer or out of range\r\n$5\r\nother\r\n"
             "%%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$%zu\r\n%s\r\n$5\r\nproto\r\n:3\r\n$"
             "2\r\nid\r\n:%s"
             "\r\n$4\r\nmode\r\n$7\r\ncluster\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n_\r\n"
             "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$%zu\r\n%s\r\n$5\r\nproto\r\n:2\r\n$"
             "2\r\nid\r\n:%s"
             "\r\n$4\r\nmode\r\n$7\r\ncluster\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n$-1\r\n"
             "+OK\r\n*3\r\n$1\r\n2\r\n$-1\r\n$1\r\n2\r\n:-1\r\n$1\r\n2\r\n:0\r\n:0\r\n"
             "-ERR wrong number of arguments for 'get' command\r\n$3\r\nend\r\n",
             strlen(REDRAFT_REDIS_VERSION), REDRAFT_REDIS_VERSION, number, strlen(REDRAFT_REDIS_VERSION),
             REDRAFT_REDIS_VERSION, number);
    return text;
}

static unsigned client_id(void) {
    char reply[16];
    unsigned id = 0;
    world_say(fd, "CLIENT ID\r\n", 11);
    for (size_t got = 0; got == 0 || reply[got - 1] != '\n';)
        got += world_hear(world, fd, reply + got, 1);
    assert_int_equal(sscanf(reply, ":%u", &id), 1);
    return id;
}

static void a_pipeline_in_one_write_is_answered_in_order_each_from_the_state_before_it(void **state) {
    (void)state;
    ask(pipeline, answers(client_id()));
    world_expect_silence(world, fd);
}

static void a_pipeline_byte_by_byte_with_turns_between_is_answered_the_same(void **state) {
    (void)state;
    const char *expected = answers(client_id());
    for (const char *at = pipeline; *at; at++) {
        world_say(fd, at, 1);
        world_turn(world, 0);
    }
    world_expect(world, fd, expected);
}

static void a_pipeline_cut_in_two_anywhere_is_answered_the_same(void **state) {
    (void)state;
    const char *expected = answers(client_id());
    for (size_t cut = 1; cut < sizeof pipeline - 1; cut += 5) {
        world_say(fd, pipeline, cut);
        world_turns(world, 0, (unsigned)(cut / 5 % 3));
        world_say(fd, pipeline + cut, sizeof pipeline - 1 - cut);
        world_expect(world, fd, expected);
    }
}

static uint64_t random_state;

static unsigned random_below(unsigned bound) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((random_state >> 33) % bound);
}

/* One of several clients: a counter of its own, what it will say and hear. */
struct twin {
    int fd;
    char key;
    long counter; /* -1: there is none */
    char said[WORLD_HEARD_MAX], expected[WORLD_HEARD_MAX];
    size_t said_length, sent, expected_length;
};

static void put(char *text, size_t *length, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    *length += (size_t)vsnprintf(text + *length, WORLD_HEARD_MAX - *length, format, arguments);
    va_end(arguments);
    assert_true(*length < WORLD_HEARD_MAX);
}

static void add_command(struct twin *twin) {
    static const char *const commands[] = {"INCR %c\r\n", "GET %c\r\n", "PING %c\r\n", "DEL %c\r\n",
                                           "TIMEX %c\r\n"};
    static const unsigned shares[] = {0, 0, 0, 1, 1, 1, 2, 2, 3, 4};
    char number[24];
    unsigned which = shares[random_below(sizeof shares / sizeof *shares)];
    put(twin->said, &twin->said_length, commands[which], twin->key);
    switch (which) {
    case 0:
        twin->counter = twin->counter < 0 ? 1 : twin->counter + 1;
        put(twin->expected, &twin->expected_length, ":%ld\r\n", twin->counter);
        break;
    case 1:
        snprintf(number, sizeof number, "%ld", twin->counter);
        if (twin->counter < 0)
            put(twin->expected, &twin->expected_length, "$-1\r\n");
        else
            put(twin->expected, &twin->expected_length, "$%zu\r\n%s\r\n", strlen(number), number);
        break;
    case 2:
        put(twin->expected, &twin->expected_length, "$1\r\n%c\r\n", twin->key);
        break;
    case 3:
        put(twin->expected, &twin->expected_length, ":%d\r\n", twin->counter >= 0);
        twin->counter = -1;
        break;
    default:
        put(twin->expected, &twin->expected_length,
            "-ERR unknown command 'TIMEX', with args beginning with: '%c' \r\n", twin->key);
    }
}

static void
random_pipelines_of_several_clients_in_random_pieces_are_answered_as_their_twins_say(void **state) {
    enum { CLIENTS = 4, COMMANDS = 400 };
    static struct twin twins[CLIENTS];
    (void)state;
    random_state = 8;
    for (unsigned i = 0; i < CLIENTS; i++) {
        twins[i] = (struct twin){.fd = world_dial(world, 0), .key = (char)('a' + i), .counter = -1};
        for (unsigned j = 0; j < COMMANDS; j++)
            add_command(&twins[i]);
    }
    for (size_t left = CLIENTS; left > 0;) {
        struct twin *twin = &twins[random_below(CLIENTS)];
        size_t length = 1 + random_below(random_below(3) ? 30 : 300), rest = twin->said_length - twin->sent;
        if (rest == 0)
            continue;
        length = length < rest ? length : rest;
        world_say(twin->fd, twin->said + twin->sent, length);
        twin->sent += length;
        left -= length == rest;
        world_turns(world, 0, random_below(3));
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        world_expect(world, twins[i].fd, twins[i].expected);
        close(twins[i].fd);
    }
}

/* ---- replies that are not wanted ------------------------------------------------------------------------------- */

static void replies_switched_off_in_the_middle_are_left_out_and_nothing_else(void **state) {
    static const struct {
        const char *said, *expected;
    } rows[] = {
        {"SET k 1\r\nCLIENT REPLY OFF\r\nINCR k\r\nGET k\r\nPING\r\nNOSUCH\r\nCLIENT REPLY ON\r\nGET k\r\n",
         "+OK\r\n+OK\r\n$1\r\n2\r\n"},
        {"INCR k\r\nCLIENT REPLY SKIP\r\nINCR k\r\nINCR k\r\n", ":3\r\n:5\r\n"},
        {"CLIENT REPLY SKIP\r\nGET k\r\nGET k\r\n", "$1\r\n5\r\n"},
        {"GET k\r\nCLIENT REPLY SKIP\r\nPING\r\nPING\r\n", "$1\r\n5\r\n+PONG\r\n"},
        {"CLIENT REPLY SKIP\r\nNOSUCH\r\nINCR k\r\n", ":6\r\n"},
        {"CLIENT REPLY OFF\r\nCLIENT REPLY SKIP\r\nSET k 7\r\nGET k\r\nCLIENT REPLY ON\r\nPING\r\n",
         "+OK\r\n+PONG\r\n"},
        {"GET k\r\nCLIENT REPLY OFF\r\nSET k 8\r\nSET k 9\r\nGET k\r\nCLIENT REPLY ON\r\nINCR k\r\n",
         "$1\r\n7\r\n+OK\r\n:10\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ask(rows[i].said, rows[i].expected);
    world_expect_silence(world, fd);
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

static void a_key_that_is_due_by_the_leaders_clock_is_gone_for_every_read(void **state) {
    static const struct {
        const char *said, *expected;
    } rows[] = {
        {"GET t\r\n", "$-1\r\n"},
        {"DBSIZE\r\n", ":1\r\n"},
        {"EXISTS t\r\n", ":0\r\n"},
        {"TTL t\r\n", ":-2\r\n"},
        {"TYPE t\r\n", "+none\r\n"},
        {"KEYS *\r\n", "*1\r\n$1\r\nk\r\n"},
        {"RANDOMKEY\r\n", "$1\r\nk\r\n"},
        {"SCAN 0\r\n", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nk\r\n"},
        {"GET t\r\nDBSIZE\r\nPING\r\nGET k\r\n", "$-1\r\n:1\r\n+PONG\r\n$1\r\nv\r\n"},
        {"PING\r\nGET k\r\nDBSIZE\r\nGET t\r\nSET t new\r\nGET t\r\nDBSIZE\r\nDEL t\r\n",
         "+PONG\r\n$1\r\nv\r\n:1\r\n$-1\r\n+OK\r\n$3\r\nnew\r\n:2\r\n:1\r\n"},
        {"SET t new NX GET\r\nGET t\r\nDEL t\r\n", "$-1\r\n$3\r\nnew\r\n:1\r\n"},
        {"INCR t\r\nTTL t\r\nDEL t\r\n", ":1\r\n:-1\r\n:1\r\n"},
    };
    (void)state;
    ask("SET k v\r\n", "+OK\r\n");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ask("SET t 9 PX 60000\r\nGET t\r\nDBSIZE\r\n", "+OK\r\n$1\r\n9\r\n:2\r\n");
        world_say(fd, rows[i].said, strlen(rows[i].said));
        world->wall_shift_ms += 60010; /* the next turn finds both the time passed and the question */
        world_expect(world, fd, rows[i].expected);
    }
}

static void a_key_of_one_millisecond_is_gone_a_moment_later(void **state) {
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        ask("SET t v PX 1\r\n", "+OK\r\n");
        usleep(5000);
        ask("GET t\r\nDBSIZE\r\n", "$-1\r\n:0\r\n");
    }
}

static void a_key_with_a_deadline_is_there_until_that_has_passed(void **state) {
    (void)state;
    ask("SET t v PX 600000\r\n", "+OK\r\n");
    world->wall_shift_ms += 500000;
    ask("GET t\r\nPERSIST t\r\nTTL t\r\nPEXPIRE t 500000\r\n", "$1\r\nv\r\n:1\r\n:-1\r\n:1\r\n");
    world->wall_shift_ms += 400000;
    ask("EXISTS t\r\n", ":1\r\n");
    world->wall_shift_ms += 100010;
    ask("EXISTS t\r\nGET t\r\n", ":0\r\n$-1\r\n");
}

static void a_clock_that_is_set_back_does_not_bring_keys_back_nor_stop_time(void **state) {
    (void)state;
    ask("SET t v PX 50000\r\nSET u v PX 500000\r\n", "+OK\r\n+OK\r\n");
    world->wall_shift_ms += 50010;
    ask("GET t\r\n", "$-1\r\n");
    world->wall_shift_ms -= 3600 * 1000;
    ask("GET t\r\nEXISTS u\r\nSET t v PX 20\r\nGET t\r\n", "$-1\r\n:1\r\n+OK\r\n$1\r\nv\r\n");
    usleep(25000);
    ask("GET t\r\n", "$-1\r\n");
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static void a_sender_that_closed_its_side_still_gets_its_replies(void **state) {
    static const char said[] = "GET h\r\nSET h 1\r\nGET h\r\nPING\r\nINCR h\r\n";
    (void)state;
    for (size_t cut = 0; cut < sizeof said - 1; cut += 9) {
        int half = world_dial(world, 0);
        ask("DEL h\r\nDEL h\r\n", cut == 0 ? ":0\r\n:0\r\n" : ":1\r\n:0\r\n");
        world_say(half, said, cut);
        world_turns(world, 0, cut > 0 ? 2 : 0);
        world_say(half, said + cut, sizeof said - 1 - cut);
        shutdown(half, SHUT_WR);
        world_expect(world, half, "$-1\r\n+OK\r\n$1\r\n1\r\n+PONG\r\n:2\r\n");
        world_expect_end(world, half);
        close(half);
    }
}

static void quit_is_answered_last_and_what_follows_it_is_not_done(void **state) {
    (void)state;
    int other = world_dial(world, 0);
    world_ask(world, other, "SET q 1\r\nGET q\r\nQUIT\r\nSET q 2\r\n", "+OK\r\n$1\r\n1\r\n+OK\r\n");
    world_expect_end(world, other);
    close(other);
    ask("GET q\r\n", "$1\r\n1\r\n");
}

static void a_protocol_error_is_told_after_what_came_before_it(void **state) {
    (void)state;
    int other = world_dial(world, 0);
    world_ask(world, other, "SET p 1\r\nINCR p\r\n*1\r\n!\r\nSET p 9\r\n",
              "+OK\r\n:2\r\n-ERR Protocol error: expected '$', got '!'\r\n");
    world_expect_end(world, other);
    close(other);
    ask("GET p\r\n", "$1\r\n2\r\n");
}

static void a_connection_that_is_cut_under_way_hurts_nobody(void **state) {
    static const char said[] = "SET c 1\r\nGET c\r\nPING\r\nINCR c\r\nGET c\r\n";
    (void)state;
    for (unsigned turns = 0; turns < 6; turns++) {
        int other = world_dial(world, 0);
        const struct linger reset = {.l_onoff = 1, .l_linger = 0};
        world_turns(world, 0, 2);
        world_say(other, said, sizeof said - 1);
        world_turns(world, 0, turns);
        assert_int_equal(setsockopt(other, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
        close(other);
        ask("SET d 1\r\nGET d\r\n", "+OK\r\n$1\r\n1\r\n");
    }
}

/* What a read tells may depend on it. */
static void a_directive_is_set_after_what_was_asked_before(void **state) {
    (void)state;
    static const char none[] =
        "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
        "switching between policies at runtime LRU and LFU data will take some time to adjust.\r\n";
    char expected[1024];
    snprintf(expected, sizeof expected,
             "+OK\r\n+OK\r\n:5\r\n+OK\r\n%s+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n%s+OK\r\n:5\r\n",
             none, none);
    ask("CONFIG SET maxmemory-policy allkeys-lfu\r\nSET k v\r\nOBJECT FREQ k\r\n"
        "CONFIG SET maxmemory-policy noeviction\r\nOBJECT FREQ k\r\n"
        "MULTI\r\nOBJECT FREQ k\r\nCONFIG SET maxmemory-policy allkeys-lfu\r\nOBJECT FREQ k\r\nEXEC\r\n",
        expected);
}

/* ---- entries --------------------------------------------------------------------------------------------------- */

/* What many clients send at once is applied an entry in a turn, with all that else is to be done in between. */
static void much_at_once_becomes_entries_of_a_bounded_size(void **state) {
    enum { CLIENTS = 10, REQUESTS = 400, ENTRY_BYTES = 64 * 1024 };
    static const char request[] = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\n%0100u\r\n";
    static char bytes[REQUESTS * (sizeof request + 100)], replies[REQUESTS * 5 + 1];
    int fds[CLIENTS];
    size_t length = 0;
    (void)state;
    for (unsigned i = 0; i < REQUESTS; i++)
        length += (size_t)snprintf(bytes + length, sizeof bytes - length, request, i);
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = world_dial(world, 0);
    world_turns(world, 0, 3);
    const struct raft_status *status = &world->nodes[0].node->raft_status;
    raft_index before = status->last_index;
    for (int i = 0; i < CLIENTS; i++)
        world_say(fds[i], bytes, length);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(world_hear(world, fds[i], replies, REQUESTS * 5), REQUESTS * 5);
        close(fds[i]);
    }
    assert_in_range(status->last_index - before, CLIENTS * length / ENTRY_BYTES, CLIENTS * REQUESTS / 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_pipeline_in_one_write_is_answered_in_order_each_from_the_state_before_it),
        TEST(a_pipeline_byte_by_byte_with_turns_between_is_answered_the_same),
        TEST(a_pipeline_cut_in_two_anywhere_is_answered_the_same),
        TEST(random_pipelines_of_several_clients_in_random_pieces_are_answered_as_their_twins_say),
        TEST(replies_switched_off_in_the_middle_are_left_out_and_nothing_else),
        TEST(a_key_that_is_due_by_the_leaders_clock_is_gone_for_every_read),
        TEST(a_key_of_one_millisecond_is_gone_a_moment_later),
        TEST(a_key_with_a_deadline_is_there_until_that_has_passed),
        TEST(a_clock_that_is_set_back_does_not_bring_keys_back_nor_stop_time),
        TEST(a_sender_that_closed_its_side_still_gets_its_replies),
        TEST(quit_is_answered_last_and_what_follows_it_is_not_done),
        TEST(a_protocol_error_is_told_after_what_came_before_it),
        TEST(a_connection_that_is_cut_under_way_hurts_nobody),
        TEST(a_directive_is_set_after_what_was_asked_before),
        TEST(much_at_once_becomes_entries_of_a_bounded_size),
    };
    return cmocka_run_group_tests_name("node: order", tests, NULL, NULL);
}
