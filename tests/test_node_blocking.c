/* SPDX-License-Identifier: MIT */
/* Clients that wait, on one node: who is served, when, in which order, and what is told to those that are not. */
#include "node_world.h"

enum { CLIENTS = 4 };

static struct world *world;
static int client[CLIENTS]; /* that wait, in the order of their names: a b c d */
static int other;           /* writes */

static void begin_with(const char *extra) {
    world = world_new_as(1, (const char *const[]){extra});
    assert_int_equal(world_leader(world), 0);
    other = world_dial(world, 0);
    for (size_t i = 0; i < CLIENTS; i++)
        client[i] = world_dial(world, 0);
}

static int begin(void **state) {
    (void)state;
    begin_with("");
    return 0;
}

static int begin_with_timeout(void **state) {
    (void)state;
    begin_with("timeout 1\n");
    return 0;
}

static int end(void **state) {
    (void)state;
    close(other);
    for (size_t i = 0; i < CLIENTS; i++)
        close(client[i]);
    world_free(world);
    return 0;
}

static void ask(const char *request, const char *expected) {
    world_ask(world, other, request, expected);
}

static void say(size_t who, const char *request) {
    world_say(client[who], request, strlen(request));
}

static void hear(size_t who, const char *expected) {
    world_expect(world, client[who], expected);
}

static void silence(size_t who) {
    world_expect_silence(world, client[who]);
}

/* Says it, and turns until it surely waits. */
static void wait_for(size_t who, const char *request) {
    say(who, request);
    silence(who);
}

static uint64_t now_ms(void) {
    return world_us(CLOCK_MONOTONIC) / 1000;
}

/* ---- elements ------------------------------------------------------------------------------------------------------- */

static void what_is_there_is_taken_at_once(void **state) {
    (void)state;
    ask("RPUSH l 1 2 3 4 5 6\r\n", ":6\r\n");
    ask("BLPOP none l 0\r\n", "*2\r\n$1\r\nl\r\n$1\r\n1\r\n");
    ask("BRPOP l none 0\r\n", "*2\r\n$1\r\nl\r\n$1\r\n6\r\n");
    ask("BLMOVE l to LEFT RIGHT 0\r\n", "$1\r\n2\r\n");
    ask("BRPOPLPUSH l to 0\r\n", "$1\r\n5\r\n");
    ask("BLMPOP 0 2 none l RIGHT COUNT 9\r\n", "*2\r\n$1\r\nl\r\n*2\r\n$1\r\n4\r\n$1\r\n3\r\n");
    ask("LRANGE to 0 -1\r\n", "*2\r\n$1\r\n5\r\n$1\r\n2\r\n");
    ask("ZADD z 1 a 2 b 3 c\r\n", ":3\r\n");
    ask("BZPOPMAX none z 0\r\n", "*3\r\n$1\r\nz\r\n$1\r\nc\r\n$1\r\n3\r\n");
    ask("BZPOPMIN z 0\r\n", "*3\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\n1\r\n");
    ask("BZMPOP 0 1 z MIN COUNT 5\r\n", "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n");
    ask("EXISTS l z\r\n", ":0\r\n");
}

static void a_push_ends_each_kind_of_wait(void **state) {
    (void)state;
    static const struct {
        const char *wait, *push, *reply;
    } rows[] = {
        {"BLPOP a l 0\r\n", "RPUSH l 1 2\r\n", "*2\r\n$1\r\nl\r\n$1\r\n1\r\n"},
        {"BRPOP l 0\r\n", "RPUSH l 1 2\r\n", "*2\r\n$1\r\nl\r\n$1\r\n2\r\n"},
        {"BLMOVE l t LEFT LEFT 0\r\n", "RPUSH l 1 2\r\n", "$1\r\n1\r\n"},
        {"BRPOPLPUSH l t 0\r\n", "RPUSH l 1 2\r\n", "$1\r\n2\r\n"},
        {"BLMPOP 0 3 a l b LEFT COUNT 2\r\n", "RPUSH l 1 2\r\n",
         "*2\r\n$1\r\nl\r\n*2\r\n$1\r\n1\r\n$1\r\n2\r\n"},
        {"BZPOPMIN a z 0\r\n", "ZADD z 1 x 2 y\r\n", "*3\r\n$1\r\nz\r\n$1\r\nx\r\n$1\r\n1\r\n"},
        {"BZPOPMAX z 0\r\n", "ZADD z 1 x 2 y\r\n", "*3\r\n$1\r\nz\r\n$1\r\ny\r\n$1\r\n2\r\n"},
        {"BZMPOP 0 2 a z MAX COUNT 1\r\n", "ZADD z 1 x 2 y\r\n",
         "*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\ny\r\n$1\r\n2\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wait_for(0, rows[i].wait);
        ask(rows[i].push, ":2\r\n");
        hear(0, rows[i].reply);
        ask("FLUSHALL\r\n", "+OK\r\n");
    }
}

static void who_came_first_is_served_first(void **state) {
    (void)state;
    for (size_t i = 0; i < CLIENTS; i++)
        wait_for(i, "BLPOP l 0\r\n");
    ask("RPUSH l 1\r\n", ":1\r\n");
    hear(0, "*2\r\n$1\r\nl\r\n$1\r\n1\r\n");
    silence(1);
    ask("RPUSH l 2 3\r\n", ":2\r\n");
    hear(1, "*2\r\n$1\r\nl\r\n$1\r\n2\r\n");
    hear(2, "*2\r\n$1\r\nl\r\n$1\r\n3\r\n");
    silence(3);
    ask("LPUSH l 4 5\r\n", ":2\r\n");
    hear(3, "*2\r\n$1\r\nl\r\n$1\r\n5\r\n");
    ask("LRANGE l 0 -1\r\n", "*1\r\n$1\r\n4\r\n");
}

/* A turn each, and the pushes right behind. */
static void the_order_holds_while_the_first_requests_are_under_way(void **state) {
    (void)state;
    world_turns(world, 0, 10);
    for (unsigned round = 0; round < 20; round++) {
        for (size_t i = 0; i < CLIENTS; i++) {
            say(i, "BLPOP l 0\r\n");
            world_turn(world, 0);
        }
        world_say(other, "RPUSH l 0\r\nRPUSH l 1\r\nRPUSH l 2 3\r\n", 35);
        world_expect(world, other, ":1\r\n");
        char reply[64], expected[64];
        for (size_t i = 0; i < CLIENTS; i++) {
            snprintf(expected, sizeof expected, "*2\r\n$1\r\nl\r\n$1\r\n%zu\r\n", i);
            hear(i, expected);
        }
        world_hear(world, other, reply, 8);
        ask("EXISTS l\r\n", ":0\r\n");
    }
}

static void one_that_waits_for_several_keys_is_served_by_the_first_that_is_filled(void **state) {
    (void)state;
    wait_for(0, "BLPOP a b c 0\r\n");
    wait_for(1, "BLPOP b 0\r\n");
    wait_for(2, "BLPOP c b 0\r\n");
    ask("RPUSH c 1\r\n", ":1\r\n");
    hear(0, "*2\r\n$1\r\nc\r\n$1\r\n1\r\n");
    ask("RPUSH b 2\r\n", ":1\r\n");
    hear(1, "*2\r\n$1\r\nb\r\n$1\r\n2\r\n");
    ask("RPUSH b 3\r\n", ":1\r\n");
    hear(2, "*2\r\n$1\r\nb\r\n$1\r\n3\r\n");
    wait_for(0, "BLPOP a a a 0\r\n");
    ask("RPUSH a 4 5\r\n", ":2\r\n");
    hear(0, "*2\r\n$1\r\na\r\n$1\r\n4\r\n");
    ask("LLEN a\r\n", ":1\r\n");
}

/* The second is behind the first at `a`, and free to take from `b`. */
static void one_that_is_behind_at_a_key_takes_what_another_key_has(void **state) {
    (void)state;
    ask("RPUSH b 1\r\n", ":1\r\n");
    wait_for(0, "BLPOP a 0\r\n");
    say(1, "BLPOP a b 0\r\n");
    hear(1, "*2\r\n$1\r\nb\r\n$1\r\n1\r\n");
    ask("RPUSH a 2\r\n", ":1\r\n");
    hear(0, "*2\r\n$1\r\na\r\n$1\r\n2\r\n");
}

static void an_element_that_somebody_else_took_leaves_the_place_in_the_queue(void **state) {
    (void)state;
    wait_for(0, "BLPOP l 0\r\n");
    wait_for(1, "BLPOP l 0\r\n");
    /* In one entry, and so before any pop that a push brings about. */
    world_ask(world, other, "RPUSH l 1\r\nLPOP l\r\n", ":1\r\n$1\r\n1\r\n");
    silence(0);
    ask("RPUSH l 2\r\n", ":1\r\n");
    hear(0, "*2\r\n$1\r\nl\r\n$1\r\n2\r\n");
    ask("RPUSH l 3\r\n", ":1\r\n");
    hear(1, "*2\r\n$1\r\nl\r\n$1\r\n3\r\n");
}

static void whatever_fills_a_key_is_seen(void **state) {
    (void)state;
    static const struct {
        const char *before, *fill;
    } rows[] = {
        {"RPUSH x 7\r\n", "RENAME x l\r\n"},       {"RPUSH x 7\r\n", "RENAMENX x l\r\n"},
        {"RPUSH x 7\r\n", "COPY x l\r\n"},         {"RPUSH x 7\r\n", "LMOVE x l LEFT LEFT\r\n"},
        {"RPUSH x 7\r\n", "RPOPLPUSH x l\r\n"},    {"RPUSH x 7\r\n", "BLMOVE x l LEFT LEFT 0\r\n"},
        {"RPUSH x 7\r\n", "SORT x STORE l\r\n"},   {"SADD x 7\r\n", "SORT x STORE l\r\n"},
        {"SET l s\r\n", "DEL l\r\nRPUSH l 7\r\n"}, {"PING\r\n", "LPUSH l 7\r\n"},
    };
    char request[128];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        wait_for(0, "BLPOP l 0\r\n");
        snprintf(request, sizeof request, "CLIENT REPLY OFF\r\n%s%sCLIENT REPLY ON\r\n", rows[i].before,
                 rows[i].fill);
        ask(request, "+OK\r\n");
        hear(0, "*2\r\n$1\r\nl\r\n$1\r\n7\r\n");
        ask("FLUSHALL\r\n", "+OK\r\n");
    }
}

static void a_swapped_or_moved_database_is_seen(void **state) {
    (void)state;
    ask("SELECT 3\r\nRPUSH l 1\r\nZADD z 5 m\r\n", "+OK\r\n:1\r\n:1\r\n");
    wait_for(0, "BLPOP l 0\r\n");
    wait_for(1, "BZPOPMIN z 0\r\n");
    ask("SWAPDB 0 3\r\n", "+OK\r\n");
    hear(0, "*2\r\n$1\r\nl\r\n$1\r\n1\r\n");
    hear(1, "*3\r\n$1\r\nz\r\n$1\r\nm\r\n$1\r\n5\r\n");
    wait_for(0, "BLPOP l 0\r\n");
    ask("RPUSH l 2\r\n", ":1\r\n");
    silence(0);
    ask("MOVE l 0\r\n", ":1\r\n");
    hear(0, "*2\r\n$1\r\nl\r\n$1\r\n2\r\n");
}

static void a_stored_sorted_set_is_seen(void **state) {
    (void)state;
    ask("ZADD x 1 a 2 b\r\n", ":2\r\n");
    wait_for(0, "BZPOPMIN z 0\r\n");
    ask("ZUNIONSTORE z 1 x\r\n", ":2\r\n");
    hear(0, "*3\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\n1\r\n");
    wait_for(0, "BZPOPMAX y 0\r\n");
    ask("ZRANGESTORE y x 0 -1\r\n", ":2\r\n");
    hear(0, "*3\r\n$1\r\ny\r\n$1\r\nb\r\n$1\r\n2\r\n");
}

static void one_element_goes_through_a_chain_of_those_that_move_it(void **state) {
    (void)state;
    wait_for(0, "BLMOVE a b LEFT LEFT 0\r\n");
    wait_for(1, "BLMOVE b c LEFT LEFT 0\r\n");
    wait_for(2, "BLPOP c 0\r\n");
    ask("RPUSH a 1\r\n", ":1\r\n");
    hear(0, "$1\r\n1\r\n");
    hear(1, "$1\r\n1\r\n");
    hear(2, "*2\r\n$1\r\nc\r\n$1\r\n1\r\n");
    ask("EXISTS a b c\r\n", ":0\r\n");
    wait_for(0, "BLMOVE a a LEFT RIGHT 0\r\n");
    ask("RPUSH a 1 2\r\n", ":2\r\n");
    hear(0, "$1\r\n1\r\n");
    ask("LRANGE a 0 -1\r\n", "*2\r\n$1\r\n2\r\n$1\r\n1\r\n");
}

/* ---- types ---------------------------------------------------------------------------------------------------------- */

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

static void a_key_of_another_type_is_an_error_at_once(void **state) {
    (void)state;
    ask("SET s 1\r\n", "+OK\r\n");
    say(0, "BLPOP none s 0\r\n");
    hear(0, WRONG_TYPE);
    wait_for(0, "BLPOP none 0\r\n");
    say(1, "BLPOP none s 0\r\n"); /* it is behind the other, and only looks */
    hear(1, WRONG_TYPE);
    say(1, "BZPOPMIN s 0\r\n");
    hear(1, WRONG_TYPE);
    wait_for(1, "BLPOP none 0\r\n"); /* behind the first still */
    ask("RPUSH none 1\r\n", ":1\r\n");
    hear(0, "*2\r\n$4\r\nnone\r\n$1\r\n1\r\n");
    silence(1);
}

static void a_key_that_comes_with_another_type_is_waited_through(void **state) {
    (void)state;
    wait_for(0, "BLPOP k 0\r\n");
    wait_for(1, "BZPOPMIN k 0\r\n");
    ask("SET k 1\r\n", "+OK\r\n");
    silence(0);
    ask("DEL k\r\n", ":1\r\n");
    ask("ZADD k 1 a\r\n", ":1\r\n");
    hear(1, "*3\r\n$1\r\nk\r\n$1\r\na\r\n$1\r\n1\r\n");
    silence(0);
    ask("RPUSH k 1\r\n", ":1\r\n");
    hear(0, "*2\r\n$1\r\nk\r\n$1\r\n1\r\n");
}

static void a_move_to_a_key_of_another_type_ends_in_an_error_and_takes_nothing(void **state) {
    (void)state;
    ask("SET to 1\r\n", "+OK\r\n");
    wait_for(0, "BLMOVE l to LEFT LEFT 0\r\n");
    wait_for(1, "BLPOP l 0\r\n");
    ask("RPUSH l 1\r\n", ":1\r\n");
    hear(0, WRONG_TYPE);
    hear(1, "*2\r\n$1\r\nl\r\n$1\r\n1\r\n");
}

/* ---- ends ----------------------------------------------------------------------------------------------------------- */

static void time_that_is_over_ends_it_and_gives_the_place_away(void **state) {
    (void)state;
    uint64_t begun_ms = now_ms();
    say(0, "BLPOP l 0.1\r\n");
    wait_for(1, "BLPOP l 0\r\n");
    say(2, "HELLO 3\r\n");
    char greeting[WORLD_HEARD_MAX];
    world_hear(world, client[2], greeting, 100);
    while (recv(client[2], greeting, sizeof greeting, 0) > 0)
        ;
    say(2, "BZPOPMIN z 0.05\r\n");
    hear(2, "_\r\n");
    assert_true(now_ms() - begun_ms >= 50);
    hear(0, "*-1\r\n");
    assert_true(now_ms() - begun_ms >= 100 && now_ms() - begun_ms < 5000);
    say(3, "BLMOVE l m LEFT LEFT 0.01\r\n");
    hear(3, "*-1\r\n");
    ask("RPUSH l 1\r\n", ":1\r\n");
    hear(1, "*2\r\n$1\r\nl\r\n$1\r\n1\r\n");
}

static void what_is_sent_behind_waits_and_is_answered_in_order(void **state) {
    (void)state;
    say(0, "SET before 1\r\nBLPOP l 0\r\nINCR n\r\nBLPOP l 0\r\nPING\r\n");
    hear(0, "+OK\r\n");
    silence(0);
    ask("EXISTS n\r\n", ":0\r\n");
    ask("RPUSH l a\r\n", ":1\r\n");
    hear(0, "*2\r\n$1\r\nl\r\n$1\r\na\r\n:1\r\n");
    silence(0);
    ask("RPUSH l b\r\n", ":1\r\n");
    hear(0, "*2\r\n$1\r\nl\r\n$1\r\nb\r\n+PONG\r\n");
}

static void input_behind_a_wait_is_bounded(void **state) {
    (void)state;
    enum { LINE = 1000, SENT_MAX = 64 * 1024 * 1024 };
    char line[LINE];
    memset(line, 'x', sizeof line);
    memcpy(line, "ECHO ", 5);
    memcpy(line + LINE - 2, "\r\n", 2);
    wait_for(0, "BLPOP l 0\r\n");
    size_t sent = 0;
    for (unsigned idle = 0; idle < 50 && sent < SENT_MAX;) {
        ssize_t more = send(client[0], line, sizeof line, MSG_NOSIGNAL);
        idle = more > 0 ? 0 : idle + 1;
        sent += more > 0 ? (size_t)more : 0;
        if (more < 0)
            world_turn(world, 0);
    }
    assert_true(sent < SENT_MAX);
}

static void who_leaves_takes_nothing(void **state) {
    (void)state;
    wait_for(0, "BLPOP l 0\r\n");
    wait_for(1, "BLPOP l 0\r\n");
    close(client[0]);
    client[0] = world_dial(world, 0);
    silence(1);
    ask("RPUSH l 1\r\n", ":1\r\n");
    hear(1, "*2\r\n$1\r\nl\r\n$1\r\n1\r\n");
}

static void a_client_that_ends_its_side_is_not_waited_with(void **state) {
    (void)state;
    wait_for(0, "BLPOP l 0\r\n");
    assert_int_equal(shutdown(client[0], SHUT_WR), 0);
    world_expect_end(world, client[0]);
    ask("RPUSH l 1\r\nLLEN l\r\n", ":1\r\n:1\r\n");
}

static unsigned id_of(size_t who) {
    char reply[16];
    unsigned id = 0;
    say(who, "CLIENT ID\r\n");
    for (size_t got = 0; got == 0 || reply[got - 1] != '\n';)
        got += world_hear(world, client[who], reply + got, 1);
    assert_int_equal(sscanf(reply, ":%u", &id), 1);
    return id;
}

static void client_unblock_ends_it_as_time_does_or_with_an_error(void **state) {
    (void)state;
    char request[64];
    unsigned id = id_of(0);
    snprintf(request, sizeof request, "CLIENT UNBLOCK %u\r\n", id);
    ask(request, ":0\r\n");
    wait_for(0, "BLPOP l 0\r\n");
    ask(request, ":1\r\n");
    hear(0, "*-1\r\n");
    ask(request, ":0\r\n");
    wait_for(0, "BLPOP l 0\r\nPING\r\n");
    snprintf(request, sizeof request, "CLIENT UNBLOCK %u ERROR\r\n", id);
    ask(request, ":1\r\n");
    hear(0, "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n+PONG\r\n");
    wait_for(0, "BZPOPMAX l 0\r\n");
    snprintf(request, sizeof request, "CLIENT UNBLOCK %u TIMEOUT\r\n", id);
    ask(request, ":1\r\n");
    hear(0, "*-1\r\n");
    ask("RPUSH l 1\r\nLLEN l\r\n", ":1\r\n:1\r\n");
}

static void a_killed_client_takes_nothing(void **state) {
    (void)state;
    char request[64];
    snprintf(request, sizeof request, "CLIENT KILL ID %u\r\n", id_of(0));
    wait_for(0, "BLPOP l 0\r\n");
    ask(request, ":1\r\n");
    world_expect_end(world, client[0]);
    ask("RPUSH l 1\r\nLLEN l\r\n", ":1\r\n:1\r\n");
}

static bool hears_somewhere(const char *request, const char *part) {
    static char heard[WORLD_HEARD_MAX];
    size_t got = 0;
    world_say(other, request, strlen(request));
    world_hear(world, other, heard, 1);
    got = 1;
    for (unsigned i = 0; i < 20; i++) {
        ssize_t more = recv(other, heard + got, sizeof heard - 1 - got, 0);
        got += more > 0 ? (size_t)more : 0;
        world_turn_all(world);
    }
    heard[got] = '\0';
    return strstr(heard, part) != NULL;
}

static void it_is_seen_in_client_list_and_info(void **state) {
    (void)state;
    assert_true(hears_somewhere("INFO clients\r\n", "\r\nblocked_clients:0\r\n"));
    wait_for(0, "BLPOP l 0\r\n");
    wait_for(1, "BLPOP l 100\r\n");
    assert_true(hears_somewhere("INFO clients\r\n", "\r\nblocked_clients:2\r\n"));
    assert_true(hears_somewhere("INFO clients\r\n", "\r\nclients_in_timeout_table:1\r\n"));
    assert_true(hears_somewhere("CLIENT LIST\r\n", "flags=b "));
    ask("RPUSH l 1 2\r\n", ":2\r\n");
    hear(0, "*2\r\n$1\r\nl\r\n$1\r\n1\r\n");
    hear(1, "*2\r\n$1\r\nl\r\n$1\r\n2\r\n");
    assert_true(hears_somewhere("INFO clients\r\n", "\r\nblocked_clients:0\r\n"));
    assert_false(hears_somewhere("CLIENT LIST\r\n", "flags=b "));
    assert_true(hears_somewhere("INFO commandstats\r\n", "cmdstat_blpop:calls=2,"));
}

static void a_wait_without_a_wanted_reply_takes_its_element_in_silence(void **state) {
    (void)state;
    say(0, "CLIENT REPLY SKIP\r\nBLPOP l 0\r\nPING\r\n");
    silence(0);
    ask("RPUSH l 1\r\n", ":1\r\n");
    hear(0, "+PONG\r\n");
    ask("EXISTS l\r\n", ":0\r\n");
    say(0, "CLIENT REPLY SKIP\r\nBLPOP l 0.01\r\nPING\r\n");
    hear(0, "+PONG\r\n");
}

/* The directive closes who says nothing, and a client that waits is not idle. */
static void the_timeout_of_idle_clients_does_not_end_it(void **state) {
    (void)state;
    wait_for(0, "BLPOP l 0\r\n");
    for (uint64_t until_ms = now_ms() + 4500; now_ms() < until_ms;)
        world_turn(world, 0);
    char byte;
    assert_int_equal(recv(client[1], &byte, 1, 0), 0);
    close(other);
    other = world_dial(world, 0);
    ask("RPUSH l 1\r\n", ":1\r\n");
    hear(0, "*2\r\n$1\r\nl\r\n$1\r\n1\r\n");
}

/* A key that is there only by the log's clock is gone when the pop comes to it. */
static void a_key_that_expires_is_not_taken_from(void **state) {
    (void)state;
    ask("RPUSH l 1\r\nPEXPIRE l 1\r\n", ":1\r\n:1\r\n");
    usleep(5000);
    say(0, "BLPOP l 0.05\r\n");
    hear(0, "*-1\r\n");
}

static void wait_counts_nobody_on_a_lone_node(void **state) {
    (void)state;
    ask("SET k v\r\nWAIT 0 0\r\n", "+OK\r\n:0\r\n");
    uint64_t begun_ms = now_ms();
    ask("WAIT 1 60\r\n", ":0\r\n");
    assert_true(now_ms() - begun_ms >= 60);
    char request[64];
    snprintf(request, sizeof request, "CLIENT UNBLOCK %u\r\n", id_of(0));
    wait_for(0, "WAIT 70 0\r\n");
    ask(request, ":1\r\n");
    hear(0, ":0\r\n");
}

/* ---- many ----------------------------------------------------------------------------------------------------------- */

enum { MANY = 300 };

static void many_that_wait_get_one_each_in_order(void **state) {
    (void)state;
    static int many[MANY];
    char line[64];
    for (size_t i = 0; i < MANY; i++) {
        many[i] = world_dial(world, 0);
        world_say(many[i], "BLPOP l x 0\r\n", 13);
        world_turns(world, 0, 2);
    }
    world_turns(world, 0, 20);
    for (size_t i = 0; i < MANY; i++) {
        int length = snprintf(line, sizeof line, "RPUSH l %03zu\r\n", i);
        world_say(other, line, (size_t)length);
    }
    for (size_t i = 0; i < MANY; i++) {
        snprintf(line, sizeof line, "*2\r\n$1\r\nl\r\n$3\r\n%03zu\r\n", i);
        world_expect(world, many[i], line);
        close(many[i]);
    }
}

#define IN_A_WORLD(test)       cmocka_unit_test_setup_teardown(test, begin, end)
#define IN_A_QUICK_WORLD(test) cmocka_unit_test_setup_teardown(test, begin_with_timeout, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(what_is_there_is_taken_at_once),
        IN_A_WORLD(a_push_ends_each_kind_of_wait),
        IN_A_WORLD(who_came_first_is_served_first),
        IN_A_WORLD(the_order_holds_while_the_first_requests_are_under_way),
        IN_A_WORLD(one_that_waits_for_several_keys_is_served_by_the_first_that_is_filled),
        IN_A_WORLD(one_that_is_behind_at_a_key_takes_what_another_key_has),
        IN_A_WORLD(an_element_that_somebody_else_took_leaves_the_place_in_the_queue),
        IN_A_WORLD(whatever_fills_a_key_is_seen),
        IN_A_WORLD(a_swapped_or_moved_database_is_seen),
        IN_A_WORLD(a_stored_sorted_set_is_seen),
        IN_A_WORLD(one_element_goes_through_a_chain_of_those_that_move_it),
        IN_A_WORLD(a_key_of_another_type_is_an_error_at_once),
        IN_A_WORLD(a_key_that_comes_with_another_type_is_waited_through),
        IN_A_WORLD(a_move_to_a_key_of_another_type_ends_in_an_error_and_takes_nothing),
        IN_A_WORLD(time_that_is_over_ends_it_and_gives_the_place_away),
        IN_A_WORLD(what_is_sent_behind_waits_and_is_answered_in_order),
        IN_A_WORLD(input_behind_a_wait_is_bounded),
        IN_A_WORLD(who_leaves_takes_nothing),
        IN_A_WORLD(a_client_that_ends_its_side_is_not_waited_with),
        IN_A_WORLD(client_unblock_ends_it_as_time_does_or_with_an_error),
        IN_A_WORLD(a_killed_client_takes_nothing),
        IN_A_WORLD(it_is_seen_in_client_list_and_info),
        IN_A_WORLD(a_wait_without_a_wanted_reply_takes_its_element_in_silence),
        IN_A_QUICK_WORLD(the_timeout_of_idle_clients_does_not_end_it),
        IN_A_WORLD(a_key_that_expires_is_not_taken_from),
        IN_A_WORLD(wait_counts_nobody_on_a_lone_node),
        IN_A_WORLD(many_that_wait_get_one_each_in_order),
    };
    return cmocka_run_group_tests_name("node_blocking", tests, NULL, NULL);
}
