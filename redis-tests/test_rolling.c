/* SPDX-License-Identifier: MIT */
/*
 * The leadership changes hands on purpose while clients write: nodes are restarted one after the other, the leader is told to
 * hand over, its disk stands still. A client that follows MOVED sees no error, nothing acknowledged is lost, and each reads what it
 * wrote.
 *
 * REDRAFT_RESTARTS sets how often all three nodes are restarted (3), REDRAFT_TRANSFERS how often the leadership is handed over (20).
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "harness/cluster.h"
#include "harness/wire.h"

enum {
    WRITERS = 4,
    WRITE_PAUSE_US = 500,
    MOVES_MAX = 50, /* of one request: a client that is sent on for ever has an error too */
    REPLY_MS = 10000,
    GAP_MS = 3000, /* what is asserted, on a machine that may be busy: the figure that counts is printed */
    RUNS_MAX = 1000,
    AUDIT_BATCH = 100,
};

/* ---- clients that follow MOVED, and nothing else ----------------------------------------------------------- */

struct follower {
    pthread_t thread;
    size_t number;
    redisContext *context;
    unsigned port;
    size_t written;
};

static struct crowd {
    pthread_mutex_t mutex; /* guards what follows */
    uint64_t last_ack_us, pause_max_us;
    uint64_t acknowledged, moved;
    char error[512]; /* the first; "" while there is none */
    atomic_bool ending;
    bool runs;
    struct follower followers[WRITERS];
} crowd = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void complain(const char *what, const char *why, unsigned port) {
    pthread_mutex_lock(&crowd.mutex);
    if (crowd.error[0] == '\0')
        snprintf(crowd.error, sizeof(crowd.error), "%s at port %u: %s", what, port, why);
    pthread_mutex_unlock(&crowd.mutex);
}

static void acknowledge(void) {
    pthread_mutex_lock(&crowd.mutex);
    uint64_t now = harness_now_us();
    if (crowd.last_ack_us != 0 && now - crowd.last_ack_us > crowd.pause_max_us)
        crowd.pause_max_us = now - crowd.last_ack_us;
    crowd.last_ack_us = now;
    crowd.acknowledged++;
    pthread_mutex_unlock(&crowd.mutex);
}

static bool dial(struct follower *follower) {
    struct timeval timeout = {.tv_sec = REPLY_MS / 1000};
    if (follower->context != NULL)
        return true;
    follower->context = redisConnectWithTimeout("127.0.0.1", (int)follower->port, timeout);
    if (follower->context != NULL && follower->context->err == 0 &&
        redisSetTimeout(follower->context, timeout) == REDIS_OK)
        return true;
    complain("connecting", follower->context ? follower->context->errstr : "no memory", follower->port);
    return false;
}

static void hang_up(struct follower *follower) {
    if (follower->context != NULL)
        redisFree(follower->context);
    follower->context = NULL;
}

/* The reply of whoever leads; NULL, and the error is kept, when there is any error but MOVED. */
static redisReply *ask(struct follower *follower, const char *command, const char *key, const char *value) {
    for (int moves = 0; moves < MOVES_MAX; moves++) {
        if (!dial(follower))
            return NULL;
        redisReply *reply = value ? redisCommand(follower->context, "%s %s %s", command, key, value)
                                  : redisCommand(follower->context, "%s %s", command, key);
        if (reply == NULL) {
            complain(command, follower->context->errstr, follower->port);
            return NULL;
        }
        if (reply->type != REDIS_REPLY_ERROR)
            return reply;
        const char *colon = strncmp(reply->str, "MOVED ", 6) == 0 ? strrchr(reply->str, ':') : NULL;
        if (colon == NULL) {
            complain(command, reply->str, follower->port);
            freeReplyObject(reply);
            return NULL;
        }
        follower->port = (unsigned)strtoul(colon + 1, NULL, 10);
        freeReplyObject(reply);
        hang_up(follower);
        pthread_mutex_lock(&crowd.mutex);
        crowd.moved++;
        pthread_mutex_unlock(&crowd.mutex);
    }
    complain(command, "sent on and on", follower->port);
    return NULL;
}

/* Writes a key of its own and reads it back. */
static bool write_one(struct follower *follower) {
    char key[64], value[32];
    snprintf(key, sizeof(key), "roll:%zu:%zu", follower->number, follower->written);
    snprintf(value, sizeof(value), "%zu", follower->written);
    redisReply *reply = ask(follower, "SET", key, value);
    if (reply == NULL)
        return false;
    freeReplyObject(reply);
    acknowledge();
    follower->written++;
    reply = ask(follower, "GET", key, NULL);
    if (reply == NULL)
        return false;
    if (reply->type != REDIS_REPLY_STRING || strcmp(reply->str, value) != 0)
        complain("GET", "not what was written", follower->port);
    freeReplyObject(reply);
    return true;
}

static void *follow(void *argument) {
    struct follower *follower = argument;
    while (!atomic_load(&crowd.ending) && write_one(follower))
        usleep(WRITE_PAUSE_US);
    hang_up(follower);
    return NULL;
}

static void crowd_start(const struct cluster *cluster) {
    crowd.last_ack_us = crowd.pause_max_us = crowd.acknowledged = crowd.moved = 0;
    crowd.error[0] = '\0';
    atomic_store(&crowd.ending, false);
    crowd.runs = true;
    for (size_t i = 0; i < WRITERS; i++) {
        struct follower *follower = &crowd.followers[i];
        *follower = (struct follower){.number = i, .port = cluster->nodes[i % cluster->count].port};
        if (pthread_create(&follower->thread, NULL, follow, follower) != 0)
            harness_fail("no thread for a client");
    }
}

static void crowd_stop(void) {
    if (!crowd.runs)
        return;
    atomic_store(&crowd.ending, true);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(crowd.followers[i].thread, NULL);
    crowd.runs = false;
}

static int teardown(void **state) {
    crowd_stop();
    unsetenv("LD_PRELOAD");
    return cluster_teardown(state);
}

static void crowd_must_be_content(const char *when) {
    char error[sizeof(crowd.error)];
    pthread_mutex_lock(&crowd.mutex);
    memcpy(error, crowd.error, sizeof(error));
    pthread_mutex_unlock(&crowd.mutex);
    if (error[0] != '\0')
        harness_fail("%s: %s", when, error);
}

/* The longest time without an acknowledgement since the last call, in microseconds. */
static uint64_t crowd_gap_us(void) {
    pthread_mutex_lock(&crowd.mutex);
    uint64_t gap = crowd.pause_max_us, open = crowd.last_ack_us ? harness_now_us() - crowd.last_ack_us : 0;
    crowd.pause_max_us = 0;
    pthread_mutex_unlock(&crowd.mutex);
    return open > gap ? open : gap;
}

/* Every write was acknowledged, or its writer has complained: so all of them are there. */
static void everything_is_there(const struct cluster *cluster, const char *when) {
    struct follower reader = {.port = cluster->nodes[0].port};
    crowd_stop();
    crowd_must_be_content(when);
    for (size_t w = 0; w < WRITERS; w++)
        for (size_t n = 0; n < crowd.followers[w].written; n++) {
            char key[64], value[32];
            snprintf(key, sizeof(key), "roll:%zu:%zu", w, n);
            snprintf(value, sizeof(value), "%zu", n);
            redisReply *reply = ask(&reader, "GET", key, NULL);
            if (reply == NULL || reply->type != REDIS_REPLY_STRING || strcmp(reply->str, value) != 0)
                harness_fail("%s: %s is lost", when, key);
            freeReplyObject(reply);
        }
    hang_up(&reader);
}

static int by_size(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* The figures, for who reads the run; and the bound that holds on any machine. */
static void judge_gaps(uint64_t *gaps_us, size_t count, const char *what) {
    qsort(gaps_us, count, sizeof(*gaps_us), by_size);
    uint64_t worst_us = gaps_us[count - 1];
    harness_say("%zu %s: longest gap between acknowledged writes: median %.1f ms, worst %.1f ms; "
                "%llu writes, %llu times sent on",
                count, what, (double)gaps_us[count / 2] / 1000, (double)worst_us / 1000,
                (unsigned long long)crowd.acknowledged, (unsigned long long)crowd.moved);
    if (worst_us > harness_scaled_ms(GAP_MS) * 1000)
        harness_fail("no write was acknowledged for %llu ms", (unsigned long long)worst_us / 1000);
}

/* ---- restarts ---------------------------------------------------------------------------------------------- */

static void restart(struct cluster *cluster, size_t at) {
    int status = cluster_end(cluster, at);
    if (status != 0)
        harness_fail("node %zu ended with status %d", at + 1, status);
    cluster_spawn(cluster, at);
    cluster_wait_equal(cluster);
}

static void a_rolling_restart_under_load_shows_no_error_to_who_follows_moved(void **state) {
    (void)state;
    static uint64_t gaps_us[RUNS_MAX];
    size_t runs = (size_t)harness_setting("REDRAFT_RESTARTS", 3);
    struct cluster *cluster = cluster_new(3, NULL);
    assert_in_range(runs, 1, RUNS_MAX);
    cluster_wait_equal(cluster);
    crowd_start(cluster);
    harness_sleep_ms(200);
    for (size_t run = 0; run < runs; run++) {
        crowd_gap_us();
        for (size_t at = 0; at < cluster->count; at++)
            restart(cluster, at);
        gaps_us[run] = crowd_gap_us();
        crowd_must_be_content("during a rolling restart");
    }
    everything_is_there(cluster, "after the restarts");
    judge_gaps(gaps_us, runs, "rolling restarts");
    assert_true(crowd.moved > 0);
    cluster_free(cluster);
}

static void the_leadership_goes_round_under_load_without_an_error(void **state) {
    (void)state;
    static uint64_t gaps_us[RUNS_MAX];
    size_t runs = (size_t)harness_setting("REDRAFT_TRANSFERS", 20);
    struct cluster *cluster = cluster_new(3, NULL);
    assert_in_range(runs, 1, RUNS_MAX);
    crowd_start(cluster);
    harness_sleep_ms(200);
    for (size_t run = 0; run < runs; run++) {
        size_t leader = cluster_wait_equal(cluster);
        crowd_gap_us();
        struct wire *wire = wire_open(cluster->nodes[leader].port, harness_scaled_ms(REPLY_MS));
        const char *reply = wire_ask(wire, run % 2 ? "RAFT.TRANSFER_LEADER" : "FAILOVER");
        assert_string_equal(reply, "+OK");
        wire_close(wire);
        harness_sleep_ms(50);
        gaps_us[run] = crowd_gap_us();
        crowd_must_be_content("during a hand-over");
    }
    everything_is_there(cluster, "after the hand-overs");
    judge_gaps(gaps_us, runs, "hand-overs");
    cluster_free(cluster);
}

/* ---- a disk that stands still ------------------------------------------------------------------------------ */

/* Between the node and the kernel: a sync, or a write that syncs, does not return while a file is there. */
static const char stalling_disk[] =
    "#define _GNU_SOURCE\n"
    "#include <stdlib.h>\n"
    "#include <sys/syscall.h>\n"
    "#include <unistd.h>\n"
    "static void stand_still(void) {\n"
    "    const char *path = getenv(\"STALL_FILE\");\n"
    "    while (path && access(path, F_OK) == 0)\n"
    "        usleep(1000);\n"
    "}\n"
    "int fsync(int fd) { stand_still(); return (int)syscall(SYS_fsync, fd); }\n"
    "int fdatasync(int fd) { stand_still(); return (int)syscall(SYS_fdatasync, fd); }\n"
    "ssize_t pwritev2(int fd, const void *pieces, int count, off_t at, int flags) {\n"
    "    stand_still();\n"
    "    return syscall(SYS_pwritev2, fd, pieces, count, at, 0L, flags);\n"
    "}\n";

static void build_stalling_disk(const char *dir, char library[CLUSTER_PATH_MAX + 32]) {
    char source[CLUSTER_PATH_MAX + 32];
    snprintf(source, sizeof(source), "%s/stall.c", dir);
    snprintf(library, CLUSTER_PATH_MAX + 32, "%s/stall.so", dir);
    file_write(source, stalling_disk, sizeof(stalling_disk) - 1);
    const char *const argv[] = {"cc", "-shared", "-fPIC", "-O1", "-o", library, source, NULL};
    struct process_result result;
    process_run(argv, NULL, 0, harness_scaled_ms(30000), &result);
    if (result.status != 0)
        harness_fail("cc cannot build the disk that stalls: %s", result.output);
    free(result.output);
}

static void stall_path(const struct cluster *cluster, size_t at, char path[CLUSTER_PATH_MAX + 32]) {
    snprintf(path, CLUSTER_PATH_MAX + 32, "%s/stall-%zu", cluster->dir, at + 1);
}

static void start_on_stalling_disks(struct cluster *cluster) {
    char library[CLUSTER_PATH_MAX + 32], path[CLUSTER_PATH_MAX + 32];
    build_stalling_disk(cluster->dir, library);
    setenv("LD_PRELOAD", library, 1);
    for (size_t i = 0; i < cluster->count; i++) {
        stall_path(cluster, i, path);
        setenv("STALL_FILE", path, 1);
        cluster_spawn(cluster, i);
    }
    unsetenv("LD_PRELOAD");
    unsetenv("STALL_FILE");
    cluster_wait_equal(cluster);
}

static void a_leader_whose_disk_stands_still_hands_over(void **state) {
    (void)state;
    static const char *const options[] = {"--raft-stall-timeout", "300", NULL};
    if (getenv("SANITIZE") != NULL && getenv("SANITIZE")[0] != '\0')
        skip(); /* a sanitizer's runtime wants to be the first library */
    struct cluster *cluster = cluster_prepare(3, options, NULL);
    char path[CLUSTER_PATH_MAX + 32];
    start_on_stalling_disks(cluster);
    crowd_start(cluster);
    harness_sleep_ms(200);
    size_t leader = cluster_wait_equal(cluster);
    crowd_gap_us();
    stall_path(cluster, leader, path);
    file_write(path, "", 0);
    uint64_t stalled_ms = harness_now_ms();
    size_t next = cluster_wait_other_leader(cluster, leader);
    harness_say("the disk of node %zu stood still: node %zu led %llu ms later, longest gap %.1f ms",
                leader + 1, next + 1, (unsigned long long)(harness_now_ms() - stalled_ms),
                (double)crowd_gap_us() / 1000);
    assert_true(cluster_said(cluster, leader, "slow disk: a write to"));
    assert_true(cluster_said(cluster, leader, "the leadership is handed over"));
    crowd_must_be_content("with a leader whose disk stands still");
    harness_sleep_ms(1000);
    crowd_must_be_content("with a follower whose disk stands still");
    assert_true(crowd_gap_us() < harness_scaled_ms(GAP_MS) * 1000);
    unlink(path);
    cluster_wait_equal(cluster);
    everything_is_there(cluster, "after the stall");
    cluster_free(cluster);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_rolling_restart_under_load_shows_no_error_to_who_follows_moved),
        TEST(the_leadership_goes_round_under_load_without_an_error),
        TEST(a_leader_whose_disk_stands_still_hands_over),
    };
    return cmocka_run_group_tests_name("rolling", tests, NULL, NULL);
}
