/* SPDX-License-Identifier: MIT */
/*
 * What collections cost: the memory of many small ones and of single large ones, beside redis-server; and three large ones that are
 * written to while checkpoints are made, one node alone and three.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../harness/wire.h"
#include "plan.h"
#include "systems.h"

/* ---- commands ---------------------------------------------------------------------------------------------------- */

enum { COMMAND_MAX = 8192, FILL_BATCH = 100, PARTS = 10, PART_MEMBERS = 100 };

struct words {
    char bytes[COMMAND_MAX];
    size_t length;
};

static void add(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct words *words, const char *format, ...) {
    char word[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(word, sizeof word, format, arguments);
    va_end(arguments);
    words->length += (size_t)sprintf(words->bytes + words->length, "$%d\r\n%s\r\n", length, word);
}

static void begin(struct words *words, const char *name, size_t count) {
    words->length = (size_t)sprintf(words->bytes, "*%zu\r\n", count + 1);
    add(words, "%s", name);
}

/* The n-th command that makes a data set. */
typedef void make(struct words *words, uint64_t n);

static void make_string(struct words *words, uint64_t n) {
    static const char value[] = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"
                                "0123456789abcdefghijklmnopqr";
    begin(words, "SET", 2);
    add(words, "key:%012llu", (unsigned long long)n);
    add(words, "%s", value);
}

static void make_counter(struct words *words, uint64_t n) {
    begin(words, "INCRBY", 2);
    add(words, "counter:%012llu", (unsigned long long)n);
    add(words, "%llu", (unsigned long long)n);
}

static void make_hash(struct words *words, uint64_t n) {
    begin(words, "HSET", 1 + 2 * PARTS);
    add(words, "hash:%012llu", (unsigned long long)n);
    for (unsigned i = 0; i < PARTS; i++) {
        add(words, "field:%u", i);
        add(words, "value:%06llu", (unsigned long long)(n * PARTS + i) % 1000000);
    }
}

static void make_zset(struct words *words, uint64_t n) {
    begin(words, "ZADD", 1 + 2 * PARTS);
    add(words, "zset:%012llu", (unsigned long long)n);
    for (unsigned i = 0; i < PARTS; i++) {
        add(words, "%llu", (unsigned long long)(n * 7919 + i * 104729) % 1000000);
        add(words, "member:%06llu", (unsigned long long)(n * PARTS + i) % 1000000);
    }
}

static void make_set(struct words *words, uint64_t n) {
    begin(words, "SADD", 1 + PARTS);
    add(words, "set:%012llu", (unsigned long long)n);
    for (unsigned i = 0; i < PARTS; i++)
        add(words, "%llu", (unsigned long long)(n * PARTS + i) % 1000000);
}

static void make_large_list(struct words *words, uint64_t n) {
    begin(words, "RPUSH", 1 + PART_MEMBERS);
    add(words, "list");
    for (uint64_t i = 0; i < PART_MEMBERS; i++)
        add(words, "element:%07llu", (unsigned long long)(n * PART_MEMBERS + i));
}

static void make_large_hash(struct words *words, uint64_t n) {
    begin(words, "HSET", 1 + 2 * PART_MEMBERS);
    add(words, "hash");
    for (uint64_t i = 0; i < PART_MEMBERS; i++) {
        add(words, "field:%07llu", (unsigned long long)(n * PART_MEMBERS + i));
        add(words, "value:%07llu", (unsigned long long)(n * PART_MEMBERS + i));
    }
}

static void make_large_set(struct words *words, uint64_t n) {
    begin(words, "SADD", 1 + PART_MEMBERS);
    add(words, "set");
    for (uint64_t i = 0; i < PART_MEMBERS; i++)
        add(words, "member:%07llu", (unsigned long long)(n * PART_MEMBERS + i));
}

static void make_large_zset(struct words *words, uint64_t n) {
    begin(words, "ZADD", 1 + 2 * PART_MEMBERS);
    add(words, "zset");
    for (uint64_t i = 0; i < PART_MEMBERS; i++) {
        add(words, "%llu", (unsigned long long)(n * PART_MEMBERS + i));
        add(words, "member:%07llu", (unsigned long long)(n * PART_MEMBERS + i));
    }
}

static struct wire *reach(unsigned port) {
    struct wire *wire = wire_open(port, 60000);
    if (!wire)
        harness_fail("port %u takes no connection", port);
    return wire;
}

static void take_replies(struct wire *wire, size_t count) {
    while (count-- > 0) {
        const char *reply = wire_next(wire);
        if (reply[0] != '+' && reply[0] != ':' && reply[0] != '$')
            harness_fail("a write is answered with %.200s", reply);
    }
}

static void fill(unsigned port, make *make_command, uint64_t commands) {
    struct wire *wire = reach(port);
    struct words words;
    for (uint64_t n = 0; n < commands;) {
        size_t sent = 0;
        for (; sent < FILL_BATCH && n < commands; sent++, n++) {
            make_command(&words, n);
            if (!wire_send(wire, words.bytes, words.length))
                harness_fail("port %u does not take writes", port);
        }
        take_replies(wire, sent);
    }
    wire_close(wire);
}

/* ---- memory ---------------------------------------------------------------------------------------------------------- */

struct footprint {
    double used, resident; /* MB */
};

static double used_mb(unsigned port) {
    struct wire *wire = reach(port);
    const char *text = wire_ask(wire, "INFO memory"), *at = strstr(text, "used_memory:");
    double bytes = at ? strtod(at + strlen("used_memory:"), NULL) : 0;
    wire_close(wire);
    return bytes / 1e6;
}

static struct footprint footprint_of(unsigned port, pid_t pid) {
    harness_sleep_ms(500);
    return (struct footprint){used_mb(port), (double)process_bytes(pid, "VmRSS") / 1e6};
}

static struct footprint of_redis(make *make_command, uint64_t commands) {
    struct system redis;
    system_start(&redis, SYSTEM_EVERYSEC, "build/bench", 0);
    fill(redis.ports[0], make_command, commands);
    struct footprint footprint = footprint_of(redis.ports[0], redis.pids[0]);
    system_stop(&redis);
    return footprint;
}

static struct footprint of_redraft(make *make_command, uint64_t commands) {
    static const char *const options[] = {"--raft-log-cache-size", "1mb", NULL};
    struct cluster *cluster = cluster_prepare(1, options, "build/bench");
    cluster_spawn_all(cluster);
    size_t leader = cluster_wait_equal(cluster);
    fill(cluster->nodes[leader].port, make_command, commands);
    struct footprint footprint = footprint_of(cluster->nodes[leader].port, cluster->nodes[leader].pid);
    cluster_free(cluster);
    return footprint;
}

void compare_memory(void) {
    static const struct {
        const char *name;
        make *make_command;
        uint64_t commands;
    } rows[] = {
        {"1,000,000 strings of 100 bytes", make_string, 1000000},
        {"1,000,000 counters", make_counter, 1000000},
        {"100,000 hashes of 10 fields", make_hash, 100000},
        {"100,000 sorted sets of 10", make_zset, 100000},
        {"100,000 sets of 10 integers", make_set, 100000},
        {"a list of 1,000,000", make_large_list, 1000000 / PART_MEMBERS},
        {"a hash of 1,000,000", make_large_hash, 1000000 / PART_MEMBERS},
        {"a set of 1,000,000", make_large_set, 1000000 / PART_MEMBERS},
        {"a sorted set of 1,000,000", make_large_zset, 1000000 / PART_MEMBERS},
    };
    say("\nMemory in MB, a fresh process each, redraft with raft-log-cache-size 1mb (the default keeps up to "
        "64 MB of "
        "the log's end)\n\n");
    say("%-34s | %12s %12s | %12s %12s\n", "", "redis used", "redraft", "redis RSS", "redraft");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct footprint redis = of_redis(rows[i].make_command, rows[i].commands);
        struct footprint redraft = of_redraft(rows[i].make_command, rows[i].commands);
        say("%-34s | %12.1f %12.1f | %12.1f %12.1f\n", rows[i].name, redis.used, redraft.used, redis.resident,
            redraft.resident);
    }
}

/* ---- written to throughout --------------------------------------------------------------------------------------------- */

enum { MEMBERS = 1000000, WRITERS = 3, PHASE_MS = 5000, PAUSE_MS = 10 };

/* Members anywhere are changed, some come and some go; what is there stays about as many. */
static void change_hash(struct words *words, uint64_t random) {
    if (random % 10 < 8) {
        begin(words, "HSET", 3);
        add(words, "hash");
        add(words, "field:%07llu", (unsigned long long)(random >> 8) % MEMBERS);
        add(words, "other:%07llu", (unsigned long long)(random >> 16) % 10000000);
    } else {
        begin(words, random % 10 == 8 ? "HDEL" : "HINCRBY", random % 10 == 8 ? 2 : 3);
        add(words, "hash");
        add(words, "n:%llu", (unsigned long long)(random >> 8) % 1000);
        if (random % 10 == 9)
            add(words, "1");
    }
}

static void change_list(struct words *words, uint64_t random) {
    static const char *const names[] = {"LPUSH", "RPUSH", "LPOP", "RPOP", "LSET"};
    unsigned which = (unsigned)(random % 5);
    begin(words, names[which], which < 2 ? 2 : which < 4 ? 1 : 3);
    add(words, "list");
    if (which == 4)
        add(words, "%llu", (unsigned long long)(random >> 8) % (MEMBERS - 100000));
    if (which < 2 || which == 4)
        add(words, "other:%07llu", (unsigned long long)(random >> 16) % 10000000);
}

static void change_zset(struct words *words, uint64_t random) {
    if (random % 10 < 8) {
        begin(words, "ZADD", 3);
        add(words, "zset");
        add(words, "%llu", (unsigned long long)(random >> 16) % MEMBERS);
        add(words, "member:%07llu", (unsigned long long)(random >> 8) % MEMBERS);
    } else {
        begin(words, random % 10 == 8 ? "ZPOPMIN" : "ZADD", random % 10 == 8 ? 1 : 3);
        add(words, "zset");
        if (random % 10 == 9) {
            add(words, "%llu", (unsigned long long)(random >> 16) % MEMBERS);
            add(words, "new:%llu", (unsigned long long)(random >> 8) % MEMBERS);
        }
    }
}

/* One for each of the three, so many writes every so often, so that the rate is even. */
struct writer {
    unsigned port;
    size_t batch;
    make *change;
    uint64_t random, writes;
    volatile bool ends;
};

static void *write_on(void *context) {
    struct writer *writer = context;
    struct wire *wire = reach(writer->port);
    struct words words;
    for (uint64_t due = harness_now_ms(); !writer->ends; due += PAUSE_MS) {
        uint64_t now = harness_now_ms();
        if (now < due)
            harness_sleep_ms(due - now);
        size_t sent = 0;
        for (; sent < writer->batch; sent++) {
            writer->change(&words, harness_random(&writer->random));
            if (!wire_send(wire, words.bytes, words.length))
                harness_fail("port %u does not take writes", writer->port);
        }
        for (; sent > 0; sent--) {
            enum wire_result result;
            const char *bytes;
            size_t length;
            if ((result = wire_read(wire, &bytes, &length)) != WIRE_OK || bytes[0] == '-')
                harness_fail("a write is answered with %.*s", result == WIRE_OK ? (int)length : 7,
                             result == WIRE_OK ? bytes : "nothing");
            writer->writes++;
        }
    }
    wire_close(wire);
    return NULL;
}

static void ask_ok(unsigned port, const char *words) {
    struct wire *wire = reach(port);
    const char *reply = wire_ask(wire, words);
    if (reply[0] != '+')
        harness_fail("%s is answered with %.200s", words, reply);
    wire_close(wire);
}

static void wait_checkpoint(const struct cluster *cluster, size_t leader, struct info *info) {
    while (cluster_info(cluster, leader, info) && info_number(info, "checkpoint_in_progress"))
        harness_sleep_ms(20);
}

/* So many writes in each batch of each writer; with a checkpoint under way as long as it takes, and what the one after it has to write:
 * the change of a phase. */
static void run_phase(const struct cluster *cluster, size_t leader, size_t batch, bool checkpoint) {
    static make *const changes[WRITERS] = {change_hash, change_list, change_zset};
    static struct info info;
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    unsigned port = cluster->nodes[leader].port;
    ask_ok(port, "CONFIG RESETSTAT");
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] =
            (struct writer){.port = port, .batch = batch, .change = changes[i], .random = batch * 10 + i + 1};
        pthread_create(&threads[i], NULL, write_on, &writers[i]);
    }
    uint64_t begun = harness_now_ms(), writes = 0;
    if (checkpoint)
        ask_ok(port, "RAFT.SNAPSHOT");
    harness_sleep_ms(PHASE_MS);
    if (checkpoint)
        wait_checkpoint(cluster, leader, &info);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].ends = true;
        pthread_join(threads[i], NULL);
        writes += writers[i].writes;
    }
    double seconds = (double)(harness_now_ms() - begun) / 1000;
    if (!cluster_info(cluster, leader, &info))
        harness_fail("the leader does not answer");
    say("%6.0f %-22s %9llu | %8.2f %8.2f %8.2f |", (double)writes / seconds,
        checkpoint ? "beside a checkpoint" : "", (unsigned long long)writes,
        (double)info_number(&info, "loop_p99_us") / 1000, (double)info_number(&info, "loop_p999_us") / 1000,
        (double)info_number(&info, "loop_max_us") / 1000);
    if (checkpoint)
        say(" %9llu %9.1f %8.1f", (unsigned long long)info_number(&info, "checkpoint_last_pages"),
            (double)info_number(&info, "checkpoint_last_bytes") / 1e6,
            (double)info_number(&info, "checkpoint_last_ms") / 1000);
    say("\n");
}

static void measure_on(size_t nodes) {
    static const char *const by_hand[] = {"--raft-checkpoint-log-size", "100gb", "--raft-checkpoint-entries",
                                          "1000000000", NULL};
    static const size_t batches[] = {2, 20};
    static struct info info;
    struct cluster *cluster = cluster_prepare(nodes, by_hand, "build/bench");
    cluster_spawn_all(cluster);
    size_t leader = cluster_wait_equal(cluster);
    unsigned port = cluster->nodes[leader].port;
    fill(port, make_large_hash, MEMBERS / PART_MEMBERS);
    fill(port, make_large_list, MEMBERS / PART_MEMBERS);
    fill(port, make_large_zset, MEMBERS / PART_MEMBERS);
    ask_ok(port, "RAFT.SNAPSHOT");
    wait_checkpoint(cluster, leader, &info);
    say("\n%zu node%s; the first checkpoint, of everything: %llu pages, %.1f MB\n", nodes,
        nodes > 1 ? "s" : "", (unsigned long long)info_number(&info, "checkpoint_last_pages"),
        (double)info_number(&info, "checkpoint_last_bytes") / 1e6);
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        run_phase(cluster, leader, batches[i], false);
        run_phase(cluster, leader, batches[i], true); /* of what the one before has changed */
    }
    cluster_free(cluster);
}

void measure_collections(void) {
    say("\nA hash, a list and a sorted set of %d members each, all three written to at an even rate; ms that "
        "the loop "
        "works at a stretch;\na checkpoint writes what was changed since the one before\n\n",
        MEMBERS);
    say("%6s %-22s %9s | %8s %8s %8s | %9s %9s %8s\n", "per s", "", "writes", "loop p99", "p99.9", "max",
        "pages", "MB", "seconds");
    measure_on(1);
    measure_on(3);
}
