/* SPDX-License-Identifier: MIT */
/* Sessions that listen, watch or wait: what commands say about them, and what they ask of the server. */
#include "session_fixture.h"

static void listen(struct session *session, enum audience_kind kind, const char *name) {
    struct resp_arg arg = {name, strlen(name)};
    assert_true(audience_join(world.audience, &session->subscriber, kind, &arg));
}

static void client_list_tells_who_listens_and_who_watches(void **state) {
    (void)state;
    listen(&world.others[0], AUDIENCE_CHANNEL, "a");
    listen(&world.others[0], AUDIENCE_CHANNEL, "b");
    listen(&world.others[0], AUDIENCE_PATTERN, "*");
    listen(&world.others[0], AUDIENCE_SHARD, "s");
    world.others[1].monitor = true;
    assert_holds("CLIENT LIST TYPE pubsub", "id=2 ");
    assert_null(strstr(world_ask(&world, "CLIENT LIST TYPE pubsub", NULL), "id=3 "));
    assert_null(strstr(world_ask(&world, "CLIENT LIST TYPE normal", NULL), "id=2 "));
    assert_holds("CLIENT LIST ID 2", "flags=P db=0 sub=2 psub=1 ssub=1 ");
    assert_holds("CLIENT LIST ID 3", "flags=O db=0 sub=0 psub=0 ssub=0 ");
}

static void client_kill_finds_those_who_listen(void **state) {
    (void)state;
    listen(&world.others[0], AUDIENCE_SHARD, "s");
    assert_reply("CLIENT KILL TYPE pubsub", ":1\r\n");
    assert_true(world.others[0].close);
    assert_false(world.others[1].close);
}

static void a_pause_is_wished_for_with_its_time_and_kind(void **state) {
    (void)state;
    assert_reply("CLIENT PAUSE 1500", "+OK\r\n");
    assert_true(world.wishes.pause && world.wishes.pause_all && world.wishes.pause_ms == 1500);
    assert_reply("CLIENT PAUSE 0 write", "+OK\r\n");
    assert_true(world.wishes.pause && !world.wishes.pause_all && world.wishes.pause_ms == 0);
    assert_reply("CLIENT PAUSE 10 both", "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n");
    assert_reply("CLIENT PAUSE x", "-ERR timeout is not an integer or out of range\r\n");
    assert_reply("CLIENT PAUSE -1 ALL", "-ERR timeout is negative\r\n");
    assert_false(world.wishes.pause);
    assert_reply("CLIENT UNPAUSE", "+OK\r\n");
    assert_true(world.wishes.unpause);
}

static void monitor_and_purge_are_wished_for(void **state) {
    (void)state;
    assert_reply("MONITOR", "+OK\r\n");
    assert_true(world.wishes.monitor);
    assert_reply("MEMORY PURGE", "+OK\r\n");
    assert_true(world.wishes.purge);
}

static void reset_ends_listening_and_watching(void **state) {
    (void)state;
    listen(&world.session, AUDIENCE_CHANNEL, "a");
    listen(&world.session, AUDIENCE_SHARD, "a");
    world.session.monitor = true;
    assert_reply("RESET", "+RESET\r\n");
    assert_false(world.session.monitor);
    assert_false(subscriber_listens(&world.session.subscriber));
    assert_true(audience_is_empty(world.audience));
}

static void nothing_is_tracked_and_says_so(void **state) {
    (void)state;
    assert_reply("CLIENT TRACKING OFF", "+OK\r\n");
    assert_holds("CLIENT TRACKING ON BCAST", "-ERR CLIENT TRACKING ON is not supported");
    assert_reply("CLIENT TRACKING sometimes", "-ERR syntax error\r\n");
    assert_reply("CLIENT GETREDIR", ":-1\r\n");
    assert_reply("CLIENT TRACKINGINFO",
                 "*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n");
    world.session.protocol = 3;
    assert_reply("CLIENT TRACKINGINFO",
                 "%3\r\n$5\r\nflags\r\n~1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n");
}

static void info_counts_what_is_listened_to(void **state) {
    (void)state;
    world.report.pubsub_channels = 3;
    world.report.pubsub_patterns = 2;
    world.report.pubsub_shard_channels = 1;
    assert_holds("INFO stats", "pubsub_channels:3\r\npubsub_patterns:2\r\npubsubshard_channels:1\r\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(client_list_tells_who_listens_and_who_watches),
        TEST(client_kill_finds_those_who_listen),
        TEST(a_pause_is_wished_for_with_its_time_and_kind),
        TEST(monitor_and_purge_are_wished_for),
        TEST(reset_ends_listening_and_watching),
        TEST(nothing_is_tracked_and_says_so),
        TEST(info_counts_what_is_listened_to),
    };
    return cmocka_run_group_tests_name("client_modes", tests, NULL, NULL);
}
