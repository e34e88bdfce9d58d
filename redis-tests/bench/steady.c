/* SPDX-License-Identifier: MIT */
/*
 * What a checkpoint does to writes that come at a steady rate.
 *
 * A cluster has its keys and one long string, of which a place changes every few ms, while SETs of random keys come at a rate that it
 * serves with ease. Periods of equal length follow each other: without a checkpoint, with one, while what it wrote to the WAL is moved
 * into the data file; then the same with a checkpoint that is written as fast as the disk takes it. All with the same processes, in
 * turns, so that what else the machine does falls on all of them.
 *
 * CPU time is the process's own; what passes on the clock, on fewer cores than there are processes, is not.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../harness/wire.h"
#include "plan.h"

enum {
    TEXT_BYTES = 100 * 1000 * 1000,
    TEXT_PART = 1000 * 1000,
    VALUE_BYTES = 100,
    CHANGE_EVERY_MS = 5, /* a place of the long string */
    LOOK_EVERY_MS = 20,
    WIRE_MS = 60000,
};

static const struct period {
    const char *name;
    const char *rate; /* raft-checkpoint-rate from here on; NULL: as before */
    bool checkpoint;
} periods[] = {
    {"no checkpoint", "24mb", false},           {"a checkpoint", NULL, true},
    {"its WAL is moved", NULL, false},          {"no checkpoint", NULL, false},
    {"a checkpoint without a rate", "0", true}, {"after it", NULL, false},
};

static void ask_ok(struct wire *wire, const char *words, const char *expected) {
    const char *reply = wire ? wire_ask(wire, words) : "nothing";
    if (strncmp(reply, expected, strlen(expected)) != 0)
        harness_fail("%.60s is answered with %.200s", words, reply);
}

static void make_text(struct wire *wire) {
    char *words = malloc(TEXT_PART + 64);
    size_t head = (size_t)sprintf(words, "APPEND a-text ");
    memset(words + head, 't', TEXT_PART);
    words[head + TEXT_PART] = '\0';
    for (size_t length = 0; length < TEXT_BYTES; length += TEXT_PART)
        ask_ok(wire, words, ":");
    free(words);
}

/* ---- beside the load ---------------------------------------------------------------------------------------- */

struct beside {
    const struct cluster *cluster;
    size_t leader;
    uint64_t rate; /* SETs a second */
    atomic_bool ends;
    atomic_size_t memory_max, disk_max; /* of the leader, since they were set to 0 */
};

static void *change_text(void *context) {
    struct beside *beside = context;
    struct wire *wire = wire_open(beside->cluster->nodes[beside->leader].port, WIRE_MS);
    char words[128];
    for (uint64_t chance = 1; !beside->ends && wire; harness_sleep_ms(CHANGE_EVERY_MS)) {
        snprintf(words, sizeof words, "SETRANGE a-text %llu %s",
                 (unsigned long long)(harness_random(&chance) % (TEXT_BYTES - 100)), "some-other-bytes");
        if (wire_ask(wire, words)[0] != ':')
            break;
    }
    wire_close(wire);
    return NULL;
}

static size_t bytes_below(const char *path) {
    size_t bytes = 0;
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        struct stat status;
        if (fstatat(dirfd(dir), entry->d_name, &status, 0) == 0 && S_ISREG(status.st_mode))
            bytes += (size_t)status.st_size;
    }
    if (dir)
        closedir(dir);
    return bytes;
}

static void raise_to(atomic_size_t *max, size_t value) {
    if (value > atomic_load(max))
        atomic_store(max, value);
}

static void *look_on(void *context) {
    struct beside *beside = context;
    const struct node *leader = &beside->cluster->nodes[beside->leader];
    for (; !beside->ends; harness_sleep_ms(LOOK_EVERY_MS)) {
        raise_to(&beside->memory_max, process_bytes(leader->pid, "VmRSS"));
        raise_to(&beside->disk_max, bytes_below(leader->dir));
    }
    return NULL;
}

/* ---- periods ------------------------------------------------------------------------------------------------ */

static void say_head(void) {
    say("%-28s| %7s %7s %7s | %7s %7s %7s | %6s %6s %6s | %6s %6s %6s | %6s %6s\n", "", "SETs/s", "p99 ms",
        "max", "loop99", "max", "cpu max", "own99", "max", "cpu max", "pages", "MB", "s", "RSS", "disk");
}

static double ms(const struct info *info, const char *field) {
    return (double)info_number(info, field) / 1000;
}

static void say_period(const struct period *period, const struct drive_result *result,
                       const struct info *info, const struct beside *beside) {
    bool done = period->checkpoint && !info_number(info, "checkpoint_in_progress");
    say("%-28s| %7.0f %7.2f %7.2f | %7.2f %7.2f %7.2f | %6.2f %6.2f %6.2f | %6llu %6.1f %6.1f | %6.0f "
        "%6.0f\n",
        period->name, (double)result->requests / result->seconds, result->p99_ms, result->max_ms,
        ms(info, "loop_p999_us"), ms(info, "loop_max_us"), ms(info, "loop_cpu_max_us"),
        ms(info, "checkpoint_pause_p999_us"), ms(info, "checkpoint_pause_max_us"),
        ms(info, "checkpoint_pause_cpu_max_us"),
        (unsigned long long)(done ? info_number(info, "checkpoint_last_pages") : 0),
        done ? (double)info_number(info, "checkpoint_last_bytes") / 1e6 : 0,
        done ? ms(info, "checkpoint_last_ms") : 0, (double)beside->memory_max / 1048576,
        (double)beside->disk_max / 1048576);
}

static void run_period(struct beside *beside, const struct period *period, uint64_t keys) {
    static struct info info;
    const struct drive_load load = {DRIVE_SET, 50, 1, VALUE_BYTES, keys};
    const unsigned port = beside->cluster->nodes[beside->leader].port;
    struct drive_result result;
    struct wire *wire = wire_open(port, WIRE_MS);
    char why[256], words[64];
    if (period->rate) {
        snprintf(words, sizeof words, "CONFIG SET raft-checkpoint-rate %s", period->rate);
        ask_ok(wire, words, "+OK");
    }
    ask_ok(wire, "CONFIG RESETSTAT", "+OK");
    beside->memory_max = beside->disk_max = 0;
    if (period->checkpoint)
        ask_ok(wire, "RAFT.SNAPSHOT", "+OK");
    if (!drive(&speak_redis, port, &load, harness_setting("REDRAFT_STEADY_MS", 10000), (double)beside->rate,
               &result, why))
        harness_fail("%s: %s", period->name, why);
    if (!cluster_info(beside->cluster, beside->leader, &info))
        harness_fail("the leader does not answer");
    say_period(period, &result, &info, beside);
    wire_close(wire);
}

void measure_checkpoints(uint64_t keys) {
    static const char *const by_hand[] = {"--raft-checkpoint-log-size",
                                          "100gb",
                                          "--raft-checkpoint-entries",
                                          "1000000000",
                                          "--raft-stall-timeout",
                                          "0",
                                          NULL};
    struct cluster *cluster = cluster_prepare(harness_setting("REDRAFT_NODES", 3), by_hand, "build/bench");
    cluster_spawn_all(cluster);
    struct beside beside = {.cluster = cluster,
                            .leader = cluster_wait_equal(cluster),
                            .rate = harness_setting("REDRAFT_RATE", 20000)};
    pthread_t changing, looking;
    struct wire *wire = wire_open(cluster->nodes[beside.leader].port, WIRE_MS);
    fill_keys(cluster->nodes[beside.leader].port, keys);
    make_text(wire);
    wire_close(wire);
    say("\nCheckpoints of the leader of %zu nodes: %llu keys of %d bytes, a string of %d MB of which a place "
        "changes every %d ms, %llu SETs a second;\nloop: its turns, own: what of them a checkpoint took, ms; "
        "MB, the largest: RSS, disk: the data directory\n\n",
        cluster->count, (unsigned long long)keys, VALUE_BYTES, TEXT_BYTES / 1000000, CHANGE_EVERY_MS,
        (unsigned long long)beside.rate);
    say_head();
    pthread_create(&changing, NULL, change_text, &beside);
    pthread_create(&looking, NULL, look_on, &beside);
    for (uint64_t round = 0; round < harness_setting("REDRAFT_ROUNDS", 2); round++)
        for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++)
            run_period(&beside, &periods[i], keys);
    beside.ends = true;
    pthread_join(changing, NULL);
    pthread_join(looking, NULL);
    cluster_free(cluster);
}
