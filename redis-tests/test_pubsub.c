/* SPDX-License-Identifier: MIT */
/*
 * Messages from outside: beside a real redis-server 7.0, byte for byte; and on three nodes, through the loss of a leader.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "harness/client.h"
#include "harness/cluster.h"
#include "harness/redis.h"
#include "harness/wire.h"

enum { WIRE_MS = 30000, NODES = 3 };

static struct wire *open_port(unsigned port) {
    struct wire *wire = wire_open(port, harness_scaled_ms(WIRE_MS));
    assert_non_null(wire);
    return wire;
}

/* ---- beside Redis --------------------------------------------------------------------------------------------- */

struct step {
    char who; /* a to d: connections of their own */
    const char *words;
};

static const struct step resp2[] = {
    {'a', "SUBSCRIBE x y x"},
    {'a', "PSUBSCRIBE x* zz?"},
    {'a', "GET x"},
    {'a', "CLIENT LIST"},
    {'a', "HSET"},
    {'a', "NOSUCH a b"},
    {'a', "SUBSCRIBE"},
    {'a', "PING hi"},
    {'a', "PING a b"},
    {'b', "PUBLISH x hello"},
    {'b', "PUBLISH nobody 1"},
    {'b', "PUBLISH xyz "},
    {'b', "PUBSUB CHANNELS x*"},
    {'b', "PUBSUB CHANNELS none*"},
    {'b', "PUBSUB CHANNELS a b"},
    {'b', "PUBSUB NUMSUB x y z"},
    {'b', "PUBSUB NUMSUB"},
    {'b', "PUBSUB NUMPAT"},
    {'b', "PUBSUB NUMPAT x"},
    {'b', "PUBSUB NOSUCH"},
    {'b', "PUBSUB"},
    {'a', "SSUBSCRIBE s t"},
    {'b', "SPUBLISH s m"},
    {'b', "PUBLISH s m"},
    {'b', "SPUBLISH x m"},
    {'b', "PUBSUB SHARDNUMSUB s x"},
    {'b', "PUBSUB SHARDCHANNELS s*"},
    {'b', "PUBLISH x"},
    {'c', "SUBSCRIBE x"},
    {'b', "PUBLISH x two"},
    {'a', "UNSUBSCRIBE x"},
    {'a', "UNSUBSCRIBE nothing"},
    {'a', "UNSUBSCRIBE"},
    {'a', "UNSUBSCRIBE"},
    {'a', "PUNSUBSCRIBE zz?"},
    {'a', "PUNSUBSCRIBE"},
    {'a', "PUNSUBSCRIBE"},
    {'a', "GET x"},
    {'a', "SUNSUBSCRIBE s"},
    {'a', "SUNSUBSCRIBE"},
    {'a', "SUNSUBSCRIBE"},
    {'a', "GET x"},
    {'a', "UNSUBSCRIBE"},
    {'c', "RESET"},
    {'c', "GET x"},
    {'b', "PUBLISH x three"},
    {'c', "SUBSCRIBE x"},
    {'b', "CLIENT KILL TYPE pubsub"},
};

static const struct step resp3[] = {
    {'a', "SUBSCRIBE x"},
    {'a', "PUBLISH x me"},
    {'a', "PSUBSCRIBE *"},
    {'a', "PUBLISH x me"},
    {'b', "PUBLISH x you"},
    {'a', "SET k v"},
    {'a', "GET nothing"},
    {'a', "UNSUBSCRIBE"},
    {'a', "UNSUBSCRIBE"},
    {'a', "PUNSUBSCRIBE a b"},
    {'a', "SSUBSCRIBE x"},
    {'a', "SPUBLISH x me"},
    {'a', "PUBSUB CHANNELS"},
    {'a', "PUBSUB NUMSUB x"},
    {'a', "CLIENT TRACKINGINFO"},
    {'a', "CLIENT GETREDIR"},
    {'a', "CLIENT CACHING YES"},
    {'a', "CLIENT TRACKING OFF"},
    {'a', "CLIENT TRACKING NOSUCH"},
    {'a', "CLIENT PAUSE x"},
    {'a', "CLIENT PAUSE -1"},
    {'a', "CLIENT PAUSE 10 NOSUCH"},
    {'a', "CLIENT PAUSE 10 WRITE MORE"},
    {'a', "CLIENT UNPAUSE"},
    {'a', "CONFIG SET notify-keyspace-events KQ"},
    {'a', "CONFIG SET notify-keyspace-events KE$lshzxetdnm"},
    {'a', "CONFIG GET notify-keyspace-events"},
    {'a', "CONFIG SET notify-keyspace-events AKEm"},
    {'a', "CONFIG GET notify-keyspace-events"},
    {'b', "SUBSCRIBE __keyspace@3__:k __keyevent@3__:keymiss"},
    {'c', "SELECT 3"},
    {'c', "GET k"},
    {'c', "HSET k f v"},
    {'c', "HDEL k f"},
};

enum { PEOPLE = 4 };

/* All that came on a connection up to the answer to a PING, a line each; appended to `text`. */
static void gather(struct wire *wire, char *text, size_t size) {
    const char *bytes;
    size_t length, used = strlen(text);
    if (!wire_send_words(wire, "PING ~"))
        return;
    for (;;) {
        if (wire_read(wire, &bytes, &length) != WIRE_OK)
            bytes = "closed", length = 6;
        char *line = wire_text(bytes, length);
        bool over = strstr(line, "$1 ~") != NULL || strcmp(line, "closed") == 0;
        used += (size_t)snprintf(text + used, size - used, "%s\n", line);
        assert_true(used < size);
        free(line);
        if (over)
            return;
    }
}

static void play(unsigned port, const struct step *step, const char *hello, struct wire *people[PEOPLE],
                 char *text, size_t size) {
    struct wire **who = &people[step->who - 'a'];
    text[0] = '\0';
    if (*who == NULL) {
        *who = open_port(port);
        assert_int_not_equal(wire_ask(*who, hello)[0], '-');
    }
    assert_true(wire_send_words(*who, step->words));
    gather(*who, text, size);
    for (size_t i = 0; i < PEOPLE; i++)
        if (people[i] != NULL && &people[i] != who)
            gather(people[i], text, size);
}

static void compare(const struct cluster *cluster, unsigned redis_port, const char *hello,
                    const struct step *steps, size_t count) {
    static char theirs[65536], ours[65536];
    struct wire *redis[PEOPLE] = {NULL}, *redraft[PEOPLE] = {NULL};
    unsigned port = cluster->nodes[cluster_wait_leader(cluster)].port;
    for (size_t i = 0; i < count; i++) {
        play(redis_port, &steps[i], hello, redis, theirs, sizeof(theirs));
        play(port, &steps[i], hello, redraft, ours, sizeof(ours));
        if (strcmp(theirs, ours) != 0)
            harness_fail("%c: %s\n--- redis\n%s--- redraft\n%s", steps[i].who, steps[i].words, theirs, ours);
    }
    for (size_t i = 0; i < PEOPLE; i++) {
        wire_close(redis[i]);
        wire_close(redraft[i]);
    }
}

static void listeners_are_sent_what_redis_sends_them(void **state) {
    (void)state;
    unsigned redis_port = redis_start();
    if (redis_port == 0)
        skip();
    struct cluster *cluster = cluster_new(NODES, NULL);
    compare(cluster, redis_port, "HELLO 2", resp2, sizeof(resp2) / sizeof(*resp2));
    compare(cluster, redis_port, "HELLO 3", resp3, sizeof(resp3) / sizeof(*resp3));
    cluster_free(cluster);
    redis_end();
}

/* A line of MONITOR without its time and port; "" for what is none. */
static char *monitored(const char *line) {
    char *text = malloc(strlen(line) + 1);
    const char *open = strstr(line, " ["), *close = strstr(line, "] \"");
    assert_non_null(text);
    text[0] = '\0';
    if (open != NULL && close != NULL) {
        size_t db = strcspn(open + 2, " ");
        sprintf(text, "%.*s %s", (int)db, open + 2, close + 2);
    }
    return text;
}

static void monitor_shows_what_redis_shows(void **state) {
    static const char *const said[] = {
        "SET k v",
        "get k",
        "SELECT 3",
        "GET k",
        "HSET",
        "NOSUCH x",
        "CONFIG GET port",
        "PUBLISH a b",
        "ECHO \x7f\x01\"\\",
        "INFO nothing",
        "EXPIRE k 10",
        "AUTH a secret",
        "HELLO 2 AUTH default secret SETNAME me",
        "SUBSCRIBE q",
        "PING",
        "RESET",
    };
    (void)state;
    unsigned redis_port = redis_start();
    if (redis_port == 0)
        skip();
    struct cluster *cluster = cluster_new(1, NULL);
    unsigned ports[2] = {redis_port, cluster->nodes[cluster_wait_leader(cluster)].port};
    struct wire *monitors[2], *speakers[2];
    for (size_t i = 0; i < 2; i++) {
        monitors[i] = open_port(ports[i]);
        speakers[i] = open_port(ports[i]);
        assert_string_equal(wire_ask(monitors[i], "MONITOR"), "+OK");
        for (size_t j = 0; j < sizeof(said) / sizeof(*said); j++)
            (void)wire_ask(speakers[i], said[j]);
        (void)wire_ask(speakers[i], "ECHO end");
    }
    for (bool over = false; !over;) {
        char *theirs = monitored(wire_next(monitors[0])), *ours = monitored(wire_next(monitors[1]));
        assert_string_equal(theirs, ours);
        over = strstr(theirs, "\"end\"") != NULL;
        assert_true(theirs[0] != '\0');
        free(theirs);
        free(ours);
    }
    for (size_t i = 0; i < 2; i++) {
        wire_close(monitors[i]);
        wire_close(speakers[i]);
    }
    cluster_free(cluster);
    redis_end();
}

/* ---- three nodes ------------------------------------------------------------------------------------------------ */

enum { NUMBERS_MAX = 100000 };

/* One who listens to "news" on a node, where every message is a number. */
struct listener {
    struct wire *wire;
    long since, last;        /* before it began; heard */
    bool heard[NUMBERS_MAX]; /* each number */
};

static bool acknowledged[NUMBERS_MAX];

static void listener_open(struct listener *listener, const struct cluster *cluster, size_t at, long since) {
    *listener = (struct listener){.wire = open_port(cluster->nodes[at].port), .since = since, .last = since};
    assert_string_equal(wire_ask(listener->wire, "SUBSCRIBE news"), "*3 $9 subscribe $4 news :1");
}

/* Hears until the number came: none comes twice, or late, and none that was acknowledged is missing. */
static void hear_up_to(struct listener *listener, long number) {
    while (listener->last < number) {
        long said;
        const char *text = wire_next(listener->wire);
        if (sscanf(text, "*3 $7 message $4 news $%*d %ld", &said) != 1)
            harness_fail("heard %s, not a message up to %ld", text, number);
        if (said <= listener->last)
            harness_fail("heard %ld after %ld", said, listener->last);
        listener->last = said;
        listener->heard[said] = true;
    }
    for (long i = listener->since + 1; i <= number; i++)
        if (acknowledged[i] && !listener->heard[i])
            harness_fail("%ld was published and is not heard", i);
}

/* Publishes numbers until `count` of them are acknowledged, and says which was the last. What was refused, or is in doubt, is not
 * said again. */
static long publish(struct client *client, long number, size_t count) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(60000);
    while (count > 0) {
        redisReply *reply = NULL;
        if (harness_now_ms() > until || number + 1 == NUMBERS_MAX)
            harness_fail("publishing does not come back: %s", client->why);
        if (client_try(client, &reply, "PUBLISH news %ld", ++number) == OUTCOME_DONE) {
            freeReplyObject(reply);
            acknowledged[number] = true;
            count--;
        }
    }
    return number;
}

static void listeners_on_every_node_hear_every_message_through_the_loss_of_a_leader(void **state) {
    (void)state;
    static struct listener listeners[NODES], late;
    struct cluster *cluster = cluster_new(NODES, NULL);
    struct client client;
    client_init(&client, cluster, harness_scaled_ms(5000));
    size_t leader = cluster_wait_leader(cluster);
    for (size_t i = 0; i < NODES; i++)
        listener_open(&listeners[i], cluster, i, 0);
    long last = publish(&client, 0, 200);
    for (size_t i = 0; i < NODES; i++)
        hear_up_to(&listeners[i], last);
    cluster_kill(cluster, leader);
    last = publish(&client, last, 200);
    for (size_t i = 0; i < NODES; i++)
        if (i != leader)
            hear_up_to(&listeners[i], last);
    cluster_spawn(cluster, leader);
    cluster_wait_equal(cluster);
    listener_open(&late, cluster, leader, last); /* it hears nothing that was said before */
    last = publish(&client, last, 50);
    hear_up_to(&late, last);
    for (size_t i = 0; i < NODES; i++) {
        if (i != leader)
            hear_up_to(&listeners[i], last);
        wire_close(listeners[i].wire);
    }
    wire_close(late.wire);
    client_close(&client);
    cluster_free(cluster);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(listeners_are_sent_what_redis_sends_them, cluster_teardown),
        cmocka_unit_test_teardown(monitor_shows_what_redis_shows, cluster_teardown),
        cmocka_unit_test_teardown(listeners_on_every_node_hear_every_message_through_the_loss_of_a_leader,
                                  cluster_teardown),
    };
    return cmocka_run_group_tests_name("pubsub", tests, NULL, NULL);
}
