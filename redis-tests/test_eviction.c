/* SPDX-License-Identifier: MIT */
/*
 * Three nodes with less memory than data: which keys go is decided by whoever leads, and all nodes hold the same keys afterwards,
 * whoever was killed meanwhile. Hit ratios beside a real redis-server with room for as many keys.
 *
 * What is promised of memory: used_memory_dataset stays below maxmemory and a sixteenth of it, plus what one turn of the loop may
 * add before that is seen, SLACK_BYTES.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/expect.h"
#include "harness/wire.h"

enum {
    WIRE_MS = 20000,
    MAXMEMORY = 2 * 1024 * 1024,
    SLACK_BYTES = MAXMEMORY / 16 + 256 * 1024,
    BATCH = 200,
    VALUE = 200,
    FAR_MS = 3600 * 1000,
};

static const char *const limited[] = {"--maxmemory", "2mb", "--raft-audit-interval", "1", NULL};
static const char *const unwatched[] = {"--maxmemory", "2mb", "--raft-audit-interval", "0", NULL};
static const char *const policies[] = {"allkeys-lru",  "allkeys-lfu",  "allkeys-random",  "volatile-lru",
                                       "volatile-lfu", "volatile-ttl", "volatile-random", NULL};
static char payload[VALUE + 1];
static struct info info;

/* ---- asking ------------------------------------------------------------------------------------------------ */

static struct wire *open_node(const struct cluster *cluster, size_t at) {
    struct wire *wire = wire_open(cluster->nodes[at].port, harness_scaled_ms(WIRE_MS));
    if (!wire)
        harness_fail("node %zu takes no connection", at + 1);
    return wire;
}

static uint64_t info_field(struct wire *wire, const char *words, const char *field) {
    char name[64];
    snprintf(name, sizeof name, " %s:", field);
    const char *reply = wire_ask(wire, words), *at = strstr(reply, name);
    if (!at)
        harness_fail("%s lacks %s: %.200s", words, field, reply);
    return strtoull(at + strlen(name), NULL, 10);
}

static void set_everywhere(const struct cluster *cluster, const char *directive, const char *value) {
    char words[128];
    snprintf(words, sizeof words, "CONFIG SET %s %s", directive, value);
    for (size_t at = 0; at < cluster->count; at++) {
        struct wire *wire = open_node(cluster, at);
        expect_start(wire, words, "+OK");
        wire_close(wire);
    }
}

/* ---- writers ----------------------------------------------------------------------------------------------- */

struct writer {
    struct cluster *cluster;
    struct wire *wire; /* to the leader; NULL: lost */
    uint64_t random, next;
    uint64_t done, oom, other;
    uint64_t memory_max; /* that a leader was seen to use */
    unsigned volatile_percent;
    char error[256];
};

static void put_set(struct writer *writer, char *out, size_t size) {
    uint64_t random = harness_random(&writer->random);
    int at = snprintf(out, size, "SET key:%llu %s:%llu", (unsigned long long)writer->next++, payload,
                      (unsigned long long)random % 1000);
    if (random % 100 < writer->volatile_percent)
        snprintf(out + at, size - (size_t)at, " PX %llu",
                 FAR_MS + (unsigned long long)harness_random(&writer->random) % FAR_MS);
}

static void take_reply(struct writer *writer, const char *bytes) {
    writer->done += bytes[0] == '+';
    writer->oom += strncmp(bytes, "-OOM", 4) == 0;
    if (bytes[0] == '-' && strncmp(bytes, "-OOM", 4) != 0 && strncmp(bytes, "-MOVED", 6) != 0 &&
        strncmp(bytes, "-CLUSTERDOWN", 12) != 0 && strncmp(bytes, "-INDOUBT", 8) != 0) {
        writer->other++;
        snprintf(writer->error, sizeof writer->error, "%.200s", bytes);
    }
}

static void lose(struct writer *writer) {
    wire_close(writer->wire);
    writer->wire = NULL;
}

static bool reach_leader(struct writer *writer) {
    if (!writer->wire)
        writer->wire = wire_open(writer->cluster->nodes[cluster_wait_leader(writer->cluster)].port,
                                 harness_scaled_ms(WIRE_MS));
    return writer->wire != NULL;
}

static bool send_batch(struct writer *writer) {
    char words[VALUE + 200];
    for (size_t i = 0; i < BATCH; i++) {
        put_set(writer, words, sizeof words);
        if (!wire_send_words(writer->wire, words)) {
            lose(writer);
            return false;
        }
    }
    return true;
}

/* A pipeline of writes of new keys; what is lost with a connection is lost. */
static void write_batch(struct writer *writer) {
    if (!reach_leader(writer))
        return;
    uint64_t before = writer->done + writer->oom;
    if (!send_batch(writer))
        return;
    for (size_t i = 0; i < BATCH; i++) {
        const char *bytes;
        size_t length;
        if (wire_read(writer->wire, &bytes, &length) != WIRE_OK) {
            lose(writer);
            return;
        }
        take_reply(writer, bytes);
    }
    if (writer->done + writer->oom == before) {
        lose(writer); /* another leads */
        return;
    }
    uint64_t used = info_field(writer->wire, "INFO memory", "used_memory_dataset");
    if (used > writer->memory_max)
        writer->memory_max = used;
}

static void write_keys(struct writer *writer, uint64_t keys) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(60000);
    for (uint64_t goal = writer->done + keys; writer->done < goal;)
        if (harness_now_ms() > until)
            harness_fail("%llu of %llu keys are written", (unsigned long long)writer->done,
                         (unsigned long long)goal);
        else
            write_batch(writer);
}

/* ---- judging ----------------------------------------------------------------------------------------------- */

/* Every node's keys in its own order, which is that of the log: the same bytes. */
static void must_hold_the_same_keys(struct cluster *cluster, const char *when) {
    char *first = NULL;
    cluster_wait_equal(cluster);
    for (size_t at = 0; at < cluster->count; at++) {
        struct wire *wire = open_node(cluster, at);
        expect_start(wire, "READONLY", "+OK");
        const char *keys = wire_ask(wire, "KEYS *");
        if (keys[0] != '*')
            harness_fail("%s: KEYS of node %zu: %.200s", when, at + 1, keys);
        if (!first)
            first = strdup(keys);
        else if (strcmp(first, keys) != 0)
            harness_fail("%s: node %zu holds other keys than node 1", when, at + 1);
        uint64_t used = info_field(wire, "INFO memory", "used_memory_dataset");
        if (used > MAXMEMORY + SLACK_BYTES)
            harness_fail("%s: node %zu uses %llu bytes", when, at + 1, (unsigned long long)used);
        wire_close(wire);
    }
    free(first);
}

/* Everything else too: every node was found right by an audit from now on. */
static void must_be_right(struct cluster *cluster) {
    uint64_t until = harness_now_ms() + harness_scaled_ms(20000);
    size_t leader = cluster_wait_equal(cluster);
    if (!cluster_info(cluster, leader, &info))
        harness_fail("the leader does not answer");
    uint64_t index = info_number(&info, "last_applied_index");
    for (size_t at = 0; at < cluster->count; at++)
        while (!cluster_info(cluster, at, &info) || info_number(&info, "audit_index") <= index) {
            if (info_is(&info, "state_differs", "yes") || harness_now_ms() > until)
                harness_fail("node %zu is not found right", at + 1);
            harness_sleep_ms(20);
        }
}

static void must_have_written(const struct writer *writer, const char *when) {
    if (writer->oom > 0 || writer->other > 0)
        harness_fail("%s: %llu writes got -OOM, %llu others %s", when, (unsigned long long)writer->oom,
                     (unsigned long long)writer->other, writer->error);
    if (writer->memory_max > MAXMEMORY + SLACK_BYTES)
        harness_fail("%s: the leader used %llu bytes", when, (unsigned long long)writer->memory_max);
}

/* ---- the tests --------------------------------------------------------------------------------------------- */

/* While it makes room for writes: some of those, and of the victims, are with some of the others, some with none. */
static void kill_leader(struct writer *writer) {
    struct cluster *cluster = writer->cluster;
    lose(writer);
    if (!reach_leader(writer) || !send_batch(writer))
        harness_fail("the leader takes no writes");
    size_t leader = cluster_wait_leader(cluster);
    harness_sleep_ms(harness_random(&writer->random) % 4);
    cluster_kill(cluster, leader);
    lose(writer);
    cluster_wait_other_leader(cluster, leader);
    cluster_spawn(cluster, leader);
}

static void under_each_policy_all_nodes_hold_the_same_keys_through_a_leader_kill(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, limited);
    for (size_t i = 0; policies[i]; i++) {
        struct writer writer = {.cluster = cluster,
                                .random = i + 1,
                                .next = i * 1000000,
                                .volatile_percent = strncmp(policies[i], "volatile", 8) == 0 ? 90 : 20};
        set_everywhere(cluster, "maxmemory-policy", policies[i]);
        write_keys(&writer, 12000);
        kill_leader(&writer);
        cluster_wait_equal(cluster);
        set_everywhere(cluster, "maxmemory-policy", policies[i]); /* it was started anew, with its file's */
        write_keys(&writer, 6000);
        must_have_written(&writer, policies[i]);
        must_hold_the_same_keys(cluster, policies[i]);
        harness_say("%s: at most %llu bytes of %d", policies[i], (unsigned long long)writer.memory_max,
                    MAXMEMORY);
        expect_start(writer.wire, "FLUSHALL", "+OK");
        lose(&writer);
    }
    must_be_right(cluster);
    cluster_free(cluster);
}

static void writers_lose_nothing_but_the_least_recently_used_through_many_leader_kills(void **state) {
    static const char *const options[] = {
        "--maxmemory", "2mb", "--maxmemory-policy", "allkeys-lru", "--raft-audit-interval", "1", NULL};
    (void)state;
    struct cluster *cluster = cluster_new(3, options);
    struct writer writer = {.cluster = cluster, .random = 7, .volatile_percent = 10};
    for (size_t kills = 0; kills < 4; kills++) {
        write_keys(&writer, 10000);
        kill_leader(&writer);
        write_keys(&writer, 3000); /* while the killed one catches up */
        must_hold_the_same_keys(cluster, "after a leader kill");
    }
    must_have_written(&writer, "allkeys-lru");
    must_be_right(cluster);
    for (size_t at = 0; at < 3; at++) {
        struct wire *wire = open_node(cluster, at);
        assert_true(info_field(wire, "INFO stats", "evicted_keys") > 0);
        wire_close(wire);
    }
    lose(&writer);
    cluster_free(cluster);
}

static void without_eviction_only_growing_writes_are_refused_and_before_they_are_proposed(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, unwatched);
    struct writer writer = {.cluster = cluster, .random = 1, .volatile_percent = 50};
    while (writer.oom == 0)
        write_batch(&writer);
    assert_true(writer.done > 5000);
    assert_true(writer.memory_max <= MAXMEMORY + SLACK_BYTES);
    size_t leader = cluster_wait_equal(cluster);
    assert_true(cluster_info(cluster, leader, &info));
    uint64_t index = info_number(&info, "last_log_index");
    static const char *const refused[] = {
        "SET a b",      "SET key:1 b",        "APPEND key:1 x", "INCR n",
        "RPUSH l a",    "SADD s a",           "ZADD z 1 a",     "HSET h f v",
        "MSET a b c d", "SETRANGE key:1 5 x", "COPY key:1 copy"};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        expect_start(writer.wire, refused[i], "-OOM command not allowed when used memory > 'maxmemory'.");
    assert_true(cluster_info(cluster, leader, &info));
    assert_int_equal(info_number(&info, "last_log_index"), index);
    expect_start(writer.wire, "GET key:1", "$");
    expect_start(writer.wire, "EXPIRE key:1 1000", ":1");
    expect_start(writer.wire, "PERSIST key:1", ":1");
    expect_start(writer.wire, "RENAME key:1 key:one", "+OK");
    expect_start(writer.wire, "SET a b", "-OOM");
    set_everywhere(cluster, "maxmemory-policy", "volatile-lru"); /* half of the keys may go */
    expect_start(writer.wire, "SET a b", "+OK");
    set_everywhere(cluster, "maxmemory-policy", "noeviction");
    for (int i = 2; i < 400; i++) {
        char words[64];
        snprintf(words, sizeof words, "DEL key:%d", i);
        expect_start(writer.wire, words, ":");
    }
    expect_start(writer.wire, "SET c d", "+OK");
    set_everywhere(cluster, "maxmemory", "1mb");
    expect_start(writer.wire, "SET c d", "-OOM");
    set_everywhere(cluster, "maxmemory", "0");
    expect_start(writer.wire, "SET c d", "+OK");
    must_hold_the_same_keys(cluster, "noeviction");
    lose(&writer);
    cluster_free(cluster);
}

static void when_no_key_has_a_deadline_volatile_policies_refuse(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(1, unwatched);
    struct writer writer = {.cluster = cluster, .random = 1};
    set_everywhere(cluster, "maxmemory-policy", "volatile-ttl");
    while (writer.oom == 0)
        write_batch(&writer);
    assert_true(writer.memory_max <= MAXMEMORY + SLACK_BYTES);
    assert_int_equal(info_field(writer.wire, "INFO stats", "evicted_keys"), 0);
    harness_sleep_ms(5); /* it is told in milliseconds */
    assert_true(info_field(writer.wire, "INFO stats", "current_eviction_exceeded_time") > 0 ||
                info_field(writer.wire, "INFO stats", "total_eviction_exceeded_time") > 0);
    for (int i = 0; i < 2000; i++) {
        char words[64];
        snprintf(words, sizeof words, "EXPIRE key:%d 1000", i);
        expect_start(writer.wire, words, ":1");
    }
    expect_start(writer.wire, "SET a b", "+OK");
    assert_true(info_field(writer.wire, "INFO stats", "evicted_keys") > 0);
    lose(&writer);
    cluster_free(cluster);
}

static void a_lower_limit_is_reached_in_steps_and_without_a_write(void **state) {
    (void)state;
    struct cluster *cluster = cluster_new(3, unwatched);
    struct writer writer = {.cluster = cluster, .random = 1};
    set_everywhere(cluster, "maxmemory", "8mb");
    set_everywhere(cluster, "maxmemory-policy", "allkeys-random");
    write_keys(&writer, 26000);
    uint64_t before = info_field(writer.wire, "INFO stats", "evicted_keys");
    set_everywhere(cluster, "maxmemory", "2mb");
    uint64_t until = harness_now_ms() + harness_scaled_ms(20000);
    while (info_field(writer.wire, "INFO memory", "used_memory_dataset") > MAXMEMORY)
        if (harness_now_ms() > until)
            harness_fail("it is not reached");
        else
            harness_sleep_ms(5);
    assert_true(info_field(writer.wire, "INFO stats", "evicted_keys") - before > 10000);
    assert_true(info_field(writer.wire, "INFO memory", "used_memory_dataset") >
                MAXMEMORY * 9 / 10); /* no more than needed */
    must_hold_the_same_keys(cluster, "after CONFIG SET maxmemory");
    lose(&writer);
    cluster_free(cluster);
}

/* ---- beside redis-server ----------------------------------------------------------------------------------- */

enum { UNIVERSE = 20000, ROUNDS = 250, ASKED = 200 };

static double weights[UNIVERSE]; /* the sum up to each */

static void make_weights(double exponent) {
    double sum = 0;
    for (size_t i = 0; i < UNIVERSE; i++)
        weights[i] = sum += 1 / pow((double)(i + 1), exponent);
}

static size_t draw(uint64_t *random) {
    double at = (double)(harness_random(random) >> 11) / 9007199254740992.0 * weights[UNIVERSE - 1];
    size_t low = 0, high = UNIVERSE - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (weights[middle] < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low * 7919 % UNIVERSE; /* neighbours are not alike */
}

/* A cache in front of something slow: what is not there is put there. The share of hits in the second half. */
static double play(struct wire *wire, uint64_t random) {
    uint64_t hits = 0;
    static size_t asked[ASKED];
    static bool missed[ASKED];
    char words[VALUE + 64];
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < ASKED; i++) {
            asked[i] = draw(&random);
            snprintf(words, sizeof words, "GET key:%zu", asked[i]);
            assert_true(wire_send_words(wire, words));
        }
        size_t sets = 0;
        for (size_t i = 0; i < ASKED; i++) {
            const char *bytes;
            size_t length;
            assert_int_equal(wire_read(wire, &bytes, &length), WIRE_OK);
            missed[i] = strncmp(bytes, "$-1", 3) == 0;
            if (!missed[i] && bytes[0] != '$')
                harness_fail("GET: %.200s", bytes);
            hits += !missed[i] && round >= ROUNDS / 2;
        }
        for (size_t i = 0; i < ASKED; i++) {
            if (!missed[i])
                continue;
            snprintf(words, sizeof words, "SET key:%zu %s", asked[i], payload);
            assert_true(wire_send_words(wire, words));
            sets++;
        }
        for (size_t i = 0; i < sets; i++)
            if (strcmp(wire_next(wire), "+OK") != 0)
                harness_fail("a SET is refused");
        harness_sleep_ms(6); /* uses are told apart by the second */
    }
    return (double)hits / (ROUNDS / 2.0 * ASKED);
}

static struct wire *start_redis(const char *policy, pid_t *pid) {
    char port[16];
    unsigned number = cluster_free_port();
    snprintf(port, sizeof port, "%u", number);
    const char *const argv[] = {"redis-server",       "--port", port, "--save", "", "--maxmemory", "3mb",
                                "--maxmemory-policy", policy,   NULL};
    struct wire *wire = NULL;
    *pid = process_start(argv, NULL);
    for (int tries = 0; tries < 100 && !wire; tries++) {
        harness_sleep_ms(50);
        wire = wire_open(number, harness_scaled_ms(WIRE_MS));
    }
    return wire;
}

static uint64_t size_of(struct wire *wire) {
    const char *reply = wire_ask(wire, "DBSIZE");
    assert_true(reply[0] == ':');
    return strtoull(reply + 1, NULL, 10);
}

static void as_many_reads_hit_as_with_redis(void **state) {
    static const char *const compared[] = {"allkeys-lru", "allkeys-lfu", "allkeys-random"};
    (void)state;
    make_weights(1.0);
    for (size_t i = 0; i < 3; i++) {
        pid_t pid;
        struct wire *redis = start_redis(compared[i], &pid);
        if (!redis)
            skip(); /* there is no redis-server */
        double theirs = play(redis, 1);
        uint64_t keys = size_of(redis);
        wire_close(redis);
        process_kill(pid);

        char words[64];
        struct cluster *cluster = cluster_new(3, unwatched);
        set_everywhere(cluster, "maxmemory-policy", compared[i]);
        struct writer writer = {.cluster = cluster, .random = 1, .next = UNIVERSE};
        write_keys(&writer, 5000);
        uint64_t each = info_field(writer.wire, "INFO memory", "used_memory_dataset") / size_of(writer.wire);
        expect_start(writer.wire, "FLUSHALL", "+OK");
        snprintf(words, sizeof words, "%llu", (unsigned long long)(each * keys));
        set_everywhere(cluster, "maxmemory", words);
        double ours = play(writer.wire, 1);
        uint64_t kept = size_of(writer.wire);
        harness_say("%s: hits %.1f %% with %llu keys; redis-server: %.1f %% with %llu", compared[i],
                    100 * ours, (unsigned long long)kept, 100 * theirs, (unsigned long long)keys);
        assert_true(kept > keys * 8 / 10 && kept < keys * 12 / 10);
        assert_true(ours > theirs - 0.05);
        lose(&writer);
        cluster_free(cluster);
    }
}

/* ---- expiry ------------------------------------------------------------------------------------------------ */

static uint64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void many_keys_that_expire_in_the_same_second_are_gone_on_time(void **state) {
    enum { KEYS = 40000, ENTRY_KEYS = 256 };
    (void)state;
    static const char *const options[] = {"--raft-audit-interval", "1", NULL};
    struct cluster *cluster = cluster_new(3, options);
    struct writer writer = {.cluster = cluster, .random = 1};
    write_batch(&writer); /* those stay */
    uint64_t begun = harness_now_ms(), ms = harness_scaled_ms(8000), stays = writer.done;
    char words[128];
    for (size_t i = 0; i < KEYS; i += BATCH) {
        for (size_t k = i; k < i + BATCH; k++) {
            snprintf(words, sizeof words, "SET due:%zu v PXAT %llu", k,
                     (unsigned long long)(wall_ms() - harness_now_ms() + begun + ms + k % 100));
            assert_true(wire_send_words(writer.wire, words));
        }
        for (size_t k = 0; k < BATCH; k++)
            if (strcmp(wire_next(writer.wire), "+OK") != 0)
                harness_fail("a SET is refused");
    }
    if (harness_now_ms() >= begun + ms)
        skip(); /* this machine is too slow to have written them by then */
    assert_int_equal(size_of(writer.wire), stays + KEYS);
    size_t leader = cluster_wait_leader(cluster);
    assert_true(cluster_info(cluster, leader, &info));
    uint64_t index = info_number(&info, "last_log_index"), longest_us = 0;
    while (harness_now_ms() < begun + ms + 110)
        harness_sleep_ms(5);
    assert_int_equal(size_of(writer.wire), stays); /* at once, whether freed or not */
    uint64_t until = harness_now_ms() + harness_scaled_ms(30000);
    for (uint64_t expired = 0; expired < KEYS;) {
        uint64_t asked_us = harness_now_us();
        expect_start(writer.wire, "PING", "+PONG");
        uint64_t us = harness_now_us() - asked_us;
        longest_us = us > longest_us ? us : longest_us;
        expired = info_field(writer.wire, "INFO stats", "expired_keys");
        if (harness_now_ms() > until)
            harness_fail("%llu of %d keys are freed", (unsigned long long)expired, KEYS);
        harness_sleep_ms(1);
    }
    must_be_right(cluster);
    assert_true(cluster_info(cluster, leader, &info));
    assert_true(info_number(&info, "last_log_index") - index >= KEYS / ENTRY_KEYS); /* in slices */
    harness_say("%d keys expired; the longest PING meanwhile took %llu us", KEYS,
                (unsigned long long)longest_us);
    lose(&writer);
    cluster_free(cluster);
}

int main(void) {
    memset(payload, 'v', VALUE);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(under_each_policy_all_nodes_hold_the_same_keys_through_a_leader_kill,
                                  cluster_teardown),
        cmocka_unit_test_teardown(writers_lose_nothing_but_the_least_recently_used_through_many_leader_kills,
                                  cluster_teardown),
        cmocka_unit_test_teardown(
            without_eviction_only_growing_writes_are_refused_and_before_they_are_proposed, cluster_teardown),
        cmocka_unit_test_teardown(when_no_key_has_a_deadline_volatile_policies_refuse, cluster_teardown),
        cmocka_unit_test_teardown(a_lower_limit_is_reached_in_steps_and_without_a_write, cluster_teardown),
        cmocka_unit_test_teardown(as_many_reads_hit_as_with_redis, cluster_teardown),
        cmocka_unit_test_teardown(many_keys_that_expire_in_the_same_second_are_gone_on_time,
                                  cluster_teardown),
    };
    return cmocka_run_group_tests_name("eviction", tests, NULL, NULL);
}
