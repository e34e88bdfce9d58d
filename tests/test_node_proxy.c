/* SPDX-License-Identifier: MIT */
/*
 * What a proxy makes of requests whose leader says no more: it stands still, after it has put them into the others' logs or before.
 */
#include "node_world.h"

#include "../src/node_state.h"

static struct node *node_at(const struct world *world, size_t at) {
    return world->nodes[at].node;
}

/* Each follower gets an entry at once: of a leader that stands still then, what it had held back would be in one log and not in the other. */
static const char proxies[] = "raft-follower-mode proxy\nraft-hold-time 0\n";

static struct world *proxy_world(void) {
    const char *const extra[] = {proxies, proxies, proxies};
    return world_new_as(3, extra);
}

/* One that is awake, and whom another that is awake follows. */
static size_t leader_of(struct world *world) {
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000;
    while (world_us(CLOCK_MONOTONIC) < until_us) {
        world_turn_all(world);
        for (size_t at = 0; at < world->count; at++) {
            const struct node *other = node_at(world, (at + 1) % world->count);
            bool known = world->nodes[(at + 1) % world->count].asleep || other->raft_status.leader == at + 1;
            if (!world->nodes[at].asleep && node_at(world, at)->raft_status.serving && known)
                return at;
        }
    }
    fail_msg("nobody leads");
    return 0;
}

/* Turns one node until it has so many entries. */
static void turn_until_logged(struct world *world, size_t at, raft_index index) {
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000;
    while (node_at(world, at)->raft_status.last_index < index && world_us(CLOCK_MONOTONIC) < until_us)
        world_turn(world, at);
    assert_true(node_at(world, at)->raft_status.last_index >= index);
}

static void say(int fd, const char *text) {
    world_say(fd, text, strlen(text));
}

/* Whoever came by a proxy finds the connection closed. */
static void cut_proxied(const struct world *world, size_t at) {
    for (struct client *client = net_first_client(node_at(world, at)->net); client;
         client = net_next_client(client))
        if (client->owner && ((struct connection *)client->owner)->via != 0)
            shutdown(client->fd, SHUT_RDWR);
}

/* The client's words are with the leader and with all logs, and the leader stands still before it has said so. */
static void log_and_stop(struct world *world, size_t leader, size_t proxy, int fd, const char *words) {
    raft_index last = node_at(world, leader)->raft_status.last_index;
    say(fd, words);
    world_turns(world, proxy, 5);
    turn_until_logged(world, leader, last + 1);
    world->nodes[leader].asleep = true;
    cut_proxied(world, leader);
    turn_until_logged(world, proxy, last + 1);
}

static void what_is_in_the_log_is_answered_from_it(void **state) {
    (void)state;
    struct world *world = proxy_world();
    size_t leader = leader_of(world), proxy = (leader + 1) % 3;
    int fd = world_dial(world, proxy), other = world_dial(world, proxy), waits = world_dial(world, proxy);
    world_ask(world, fd, "SET n 7\r\n", "+OK\r\n");
    world_ask(world, other, "SET m 1\r\n", "+OK\r\n");
    say(waits, "BLPOP q 0\r\n");
    world_expect_silence(world, waits);
    say(other, "MULTI\r\nRPUSH q a b\r\nGET n\r\nHSET n f v\r\nEXEC\r\n");
    log_and_stop(world, leader, proxy, fd, "INCR n\r\nGET n\r\nLPUSH n x\r\n");
    world_expect(world, fd,
                 ":8\r\n-CLUSTERDOWN the leader was lost before it answered this read; not executed\r\n"
                 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    assert_true(node_at(world, proxy)->proxies.settled >= 2);
    assert_int_equal(node_at(world, proxy)->proxies.in_doubt, 0);
    world_ask(world, fd, "GET n\r\n", "$1\r\n8\r\n");
    world_expect(world, waits, "*2\r\n$1\r\nq\r\n$1\r\na\r\n");
    close(fd);
    close(other);
    close(waits);
    world_free(world);
}

static void a_transaction_that_is_in_the_log_is_answered_whole(void **state) {
    (void)state;
    struct world *world = proxy_world();
    size_t leader = leader_of(world), proxy = (leader + 1) % 3;
    int fd = world_dial(world, proxy);
    world_ask(world, fd, "SET n 7\r\n", "+OK\r\n");
    world_ask(world, fd, "WATCH n\r\nMULTI\r\nGET n\r\n", "+OK\r\n+OK\r\n+QUEUED\r\n");
    log_and_stop(world, leader, proxy, fd, "INCR n\r\nLPUSH n x\r\nEXEC\r\n");
    world_expect(world, fd,
                 "+QUEUED\r\n+QUEUED\r\n*3\r\n$1\r\n7\r\n:8\r\n"
                 "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    world_ask(world, fd, "GET n\r\n", "$1\r\n8\r\n");
    close(fd);
    world_free(world);
}

/* It is alone for too long, and says -INDOUBT; its entry is on its way to the others. */
static void what_the_leader_cannot_tell_is_told_by_the_log(void **state) {
    (void)state;
    struct world *world = proxy_world();
    size_t leader = leader_of(world), proxy = (leader + 1) % 3, third = (leader + 2) % 3;
    int fd = world_dial(world, proxy);
    world_ask(world, fd, "INCR n\r\n", ":1\r\n");
    node_at(world, leader)->conf->outcome_timeout_ms = 50;
    say(fd, "INCR n\r\n");
    world_turns(world, proxy, 5);
    world->nodes[proxy].asleep = world->nodes[third].asleep = true;
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000;
    while (node_at(world, leader)->statistics.in_doubt == 0 && world_us(CLOCK_MONOTONIC) < until_us)
        world_turn(world, leader);
    assert_int_equal(node_at(world, leader)->statistics.in_doubt, 1);
    world->nodes[leader].asleep = true;
    world->nodes[proxy].asleep = world->nodes[third].asleep = false;
    world_expect(world, fd, ":2\r\n");
    world_ask(world, fd, "GET n\r\n", "$1\r\n2\r\n");
    close(fd);
    world_free(world);
}

static void what_is_in_no_log_is_done_once_at_the_next_leader(void **state) {
    (void)state;
    struct world *world = proxy_world();
    size_t leader = leader_of(world), proxy = (leader + 1) % 3;
    int fd = world_dial(world, proxy);
    world_ask(world, fd, "INCR n\r\n", ":1\r\n");
    say(fd, "INCR n\r\nGET n\r\nMULTI\r\nINCR n\r\nEXEC\r\n");
    world_turns(world, proxy, 5);
    world->nodes[leader].asleep = true;
    world_expect(world, fd, ":2\r\n$1\r\n2\r\n+OK\r\n+QUEUED\r\n*1\r\n:3\r\n");
    world->nodes[leader].asleep = false;
    world_ask(world, fd, "INCR n\r\n", ":4\r\n");
    assert_int_equal(node_at(world, proxy)->proxies.in_doubt, 0);
    close(fd);
    world_free(world);
}

/* It changes nothing, though nobody else may be asked: the watch is lost. */
static void a_watchers_read_is_never_in_doubt(void **state) {
    (void)state;
    static const char wanted[] =
        "-CLUSTERDOWN this node ends before the leader has answered this read; not executed\r\n"
        "-INDOUBT this node ends before the leader has answered; the command may or may not have taken "
        "effect\r\n";
    struct world *world = proxy_world();
    size_t leader = leader_of(world), proxy = (leader + 1) % 3, got = 0;
    char text[sizeof wanted + 1];
    int fd = world_dial(world, proxy);
    world_ask(world, fd, "WATCH n\r\n", "+OK\r\n");
    for (size_t at = 0; at < 3; at++)
        world->nodes[at].asleep = at != proxy;
    say(fd, "GET n\r\nINCR n\r\n");
    world_turns(world, proxy, 5);
    node_stop(node_at(world, proxy));
    uint64_t until_us = world_us(CLOCK_MONOTONIC) + WORLD_PATIENCE_MS * 1000;
    while (got < sizeof wanted - 1 && world_us(CLOCK_MONOTONIC) < until_us) {
        struct instant now = world_now(world);
        ev_run(world->nodes[proxy].loop, EVRUN_NOWAIT);
        if (node_ended(node_at(world, proxy)) == NODE_RUNNING)
            node_turn(node_at(world, proxy), &now);
        ssize_t more = recv(fd, text + got, sizeof text - got, MSG_DONTWAIT);
        got += more > 0 ? (size_t)more : 0;
    }
    assert_int_equal(got, sizeof wanted - 1);
    assert_memory_equal(text, wanted, got);
    close(fd);
    world_free(world);
}

static struct connection *proxied_at(const struct world *world, size_t at) {
    for (struct client *client = net_first_client(node_at(world, at)->net); client;
         client = net_next_client(client))
        if (client->owner && ((struct connection *)client->owner)->via != 0)
            return client->owner;
    fail_msg("nobody came by a proxy");
    return NULL;
}

/* An upstream is for one term. A leader that has become one again, and finds a request of before, must leave it: it may be done elsewhere. */
static void what_was_meant_for_another_term_is_never_done(void **state) {
    (void)state;
    struct world *world = proxy_world();
    size_t leader = leader_of(world), proxy = (leader + 1) % 3;
    int fd = world_dial(world, proxy), direct = world_dial(world, leader);
    world_ask(world, fd, "INCR n\r\n", ":1\r\n");
    proxied_at(world, leader)->origin_term--;
    world_ask(world, fd, "INCR n\r\n", "-CLUSTERDOWN ");
    world_ask(world, direct, "GET n\r\n", "$1\r\n1\r\n");
    close(fd);
    close(direct);
    world_free(world);
}

/* The same of one who waits: it is told, and goes elsewhere. */
static void who_waits_since_another_term_gets_nothing(void **state) {
    (void)state;
    struct world *world = proxy_world();
    size_t leader = leader_of(world), proxy = (leader + 1) % 3;
    int fd = world_dial(world, proxy), direct = world_dial(world, leader);
    say(fd, "BLPOP q 0\r\n");
    world_expect_silence(world, fd);
    proxied_at(world, leader)->origin_term--;
    node_at(world, leader)->block.term--; /* as if it had just been elected */
    world_expect_silence(world, fd);
    world_ask(world, direct, "RPUSH q a\r\n", ":1\r\n");
    world_expect_silence(world, direct);
    world_ask(world, direct, "LLEN q\r\n", ":1\r\n");
    close(fd);
    close(direct);
    world_free(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_in_the_log_is_answered_from_it),
        cmocka_unit_test(a_transaction_that_is_in_the_log_is_answered_whole),
        cmocka_unit_test(what_the_leader_cannot_tell_is_told_by_the_log),
        cmocka_unit_test(a_watchers_read_is_never_in_doubt),
        cmocka_unit_test(what_is_in_no_log_is_done_once_at_the_next_leader),
        cmocka_unit_test(what_was_meant_for_another_term_is_never_done),
        cmocka_unit_test(who_waits_since_another_term_gets_nothing),
    };
    return cmocka_run_group_tests_name("node proxy", tests, NULL, NULL);
}
