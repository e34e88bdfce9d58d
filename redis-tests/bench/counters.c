/* SPDX-License-Identifier: MIT */
/*
 * What a command costs, counted rather than timed, so that a busy or another machine gives the same figures: instructions (callgrind),
 * system calls and fsyncs (strace), bytes handed to the disk (write_bytes of /proc/<pid>/io). So many pipelines on one
 * connection, one after the other: how many commands share an entry or an fsync is then no matter of chance.
 *
 * The server is started by a script that puts callgrind or strace before it, under its own process id. The first pipelines are not
 * counted, nor is what a new log writes until its files are there. callgrind counts from dump to dump; strace writes a line a call, and the lines of a phase are counted.
 *
 *      counters.csv    nodes,load,pipeline,value_bytes,instructions,calls,syncs,written
 *
 * All of one command, in sum over the nodes. Three nodes are not counted by callgrind: it runs them so slowly that the figures would be
 * those of heartbeats.
 */
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../harness/cluster.h"
#include "../harness/wire.h"
#include "drive.h"
#include "plan.h"

enum {
    KEYS = 1000,
    REPLY_MS = 20000,
    WARM = 100,
    DUMP_MS = 60000,
    SETTLE_MS = 300,
    MOVE_MS = 3000, /* for a checkpoint's WAL to be moved into its file */
};

/* With three nodes it is the machine's business how many messages and saves share a turn: runs of the same program differ by a third. */
static const double of_three = 1.50;

/* More than so many times the recorded one is too much; a growth below the least one is noise. Of one node the same program gives
 * instructions and bytes within a hundredth, and calls within a tenth, for it may find a lock taken or a reply not yet there. */
enum counter { INSTRUCTIONS, CALLS, SYNCS, WRITTEN, COUNTERS };
static const struct {
    const char *name;
    double times, least;
} counters[COUNTERS] = {
    [INSTRUCTIONS] = {"instructions", 1.10, 200},
    [CALLS] = {"calls", 1.25, 0.05},
    [SYNCS] = {"syncs", 1.10, 0.02},
    [WRITTEN] = {"written", 1.10, 40},
};

struct row {
    unsigned nodes;
    struct drive_load load;
    unsigned pipelines;
};

/* The large values last: the others would read them. */
static const struct row rows[] = {
    {1, {DRIVE_SET, 1, 1, 100, KEYS}, 2000},   {1, {DRIVE_SET, 1, 16, 100, KEYS}, 1000},
    {1, {DRIVE_SET, 1, 100, 100, KEYS}, 300},  {1, {DRIVE_INCR, 1, 16, 100, KEYS}, 500},
    {1, {DRIVE_GET, 1, 1, 100, KEYS}, 2000},   {1, {DRIVE_GET, 1, 16, 100, KEYS}, 500},
    {1, {DRIVE_SET, 1, 1, 10240, KEYS}, 1000}, {3, {DRIVE_SET, 1, 1, 100, KEYS}, 1000},
    {3, {DRIVE_SET, 1, 16, 100, KEYS}, 500},   {3, {DRIVE_SET, 1, 1, 10240, KEYS}, 500},
};
enum { ROWS = sizeof rows / sizeof *rows };

static double found[ROWS][COUNTERS];

/* ---- the servers ------------------------------------------------------------------------------------------------------- */

struct counted {
    struct cluster *cluster;
    size_t leader;
    char dir[CLUSTER_PATH_MAX];
    unsigned dumps; /* of callgrind, so far */
};

static void start(struct counted *counted, unsigned nodes, const char *before) {
    /* How often a thread asks that waits awake is chance. */
    static const char *const asleep[] = {"--raft-busy-poll-time", "0", NULL};
    char script[CLUSTER_PATH_MAX + 16], text[1024], *plain = strdup(cluster_binary()),
                                                    *whole = realpath(plain, NULL);
    *counted = (struct counted){0};
    snprintf(counted->dir, sizeof counted->dir, "build/bench/counted");
    mkdir(counted->dir, 0755);
    snprintf(script, sizeof script, "%s/server", counted->dir);
    snprintf(text, sizeof text, "#!/bin/sh\nexec %s %s \"$@\"\n", before, whole);
    file_write(script, text, strlen(text));
    chmod(script, 0755);
    setenv("REDRAFT", script, 1);
    counted->cluster = cluster_prepare(nodes, asleep, counted->dir);
    cluster_spawn_all(counted->cluster);
    counted->leader = cluster_wait_equal(counted->cluster);
    setenv("REDRAFT", plain, 1);
    free(plain);
    free(whole);
}

static void stop(struct counted *counted) {
    const char *const argv[] = {"rm", "-rf", counted->dir, NULL};
    struct process_result result;
    cluster_free(counted->cluster);
    process_run(argv, NULL, 0, 60000, &result);
    free(result.output);
}

/* ---- a load of so many pipelines --------------------------------------------------------------------------------------- */

static void take_replies(struct wire *wire, void *state, unsigned pipeline) {
    static char bytes[1 << 16];
    char why[256];
    struct pollfd wait = {wire_descriptor(wire), POLLIN, 0};
    for (int replies = 0; replies < (int)pipeline;) {
        if (poll(&wait, 1, REPLY_MS) <= 0)
            harness_fail("no reply within %d s", REPLY_MS / 1000);
        ssize_t length = read(wait.fd, bytes, sizeof bytes);
        if (length <= 0)
            harness_fail("the server has closed the connection");
        int more = speak_redis.take(state, bytes, (size_t)length, why);
        if (more < 0)
            harness_fail("%s", why);
        replies += more;
    }
}

static void run_pipelines(const struct counted *counted, const struct drive_load *load, unsigned count) {
    void *state = speak_redis.open(load, 1);
    struct wire *wire = wire_open(counted->cluster->nodes[counted->leader].port, REPLY_MS);
    if (!wire)
        harness_fail("cannot connect to the server");
    while (count-- > 0) {
        size_t length;
        const char *bytes = speak_redis.next(state, &length);
        if (!wire_send(wire, bytes, length))
            harness_fail("the server takes no more");
        take_replies(wire, state, load->pipeline);
    }
    wire_close(wire);
    speak_redis.close(state);
}

static uint64_t number_of(const struct counted *counted, size_t at, const char *field) {
    static struct info info;
    while (!cluster_info(counted->cluster, at, &info))
        harness_sleep_ms(SETTLE_MS);
    return info_number(&info, field);
}

/* How many checkpoints began on all nodes. */
static uint64_t checkpoints(const struct counted *counted) {
    uint64_t sum = 0;
    for (size_t at = 0; at < counted->cluster->count; at++)
        sum += number_of(counted, at, "checkpoint_count") +
               (number_of(counted, at, "checkpoint_in_progress") > 0);
    return sum;
}

static void wait_for_checkpoints(const struct counted *counted) {
    (void)cluster_wait_equal(counted->cluster);
    for (size_t at = 0; at < counted->cluster->count; at++)
        while (number_of(counted, at, "checkpoint_in_progress") > 0)
            harness_sleep_ms(SETTLE_MS);
    harness_sleep_ms(MOVE_MS);
}

/* The one that a node began with is left early, and is made as long as the others when its turn comes again. */
static bool log_files_are_long(const struct node *node) {
    char pattern[CLUSTER_PATH_MAX + 32];
    off_t shortest = 0, longest = 0;
    glob_t files;
    snprintf(pattern, sizeof pattern, "%s/raft*.db-wal", node->dir);
    if (glob(pattern, 0, NULL, &files) != 0)
        return false;
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct stat of_file = {0};
        (void)stat(files.gl_pathv[i], &of_file);
        shortest = i == 0 || of_file.st_size < shortest ? of_file.st_size : shortest;
        longest = of_file.st_size > longest ? of_file.st_size : longest;
    }
    globfree(&files);
    return shortest > longest / 2;
}

/* Until the log has had its beginning cut away, and has been in all its files: from there on it uses them again, and writes no zeros. */
static void lengthen(const struct counted *counted) {
    static const struct drive_load large = {DRIVE_SET, 1, 100, 10240, KEYS};
    for (size_t at = 0; at < counted->cluster->count; at++)
        while (number_of(counted, at, "checkpoint_count") == 0 ||
               !log_files_are_long(&counted->cluster->nodes[at]))
            run_pipelines(counted, &large, 1);
    wait_for_checkpoints(counted);
}

/* ---- instructions ------------------------------------------------------------------------------------------------------ */

/* Since the dump before. */
static double instructions(struct counted *counted) {
    static const char totals[] = "\ntotals: ";
    char pid[16], path[CLUSTER_PATH_MAX + 32];
    const char *const argv[] = {"callgrind_control", "--dump", pid, NULL};
    struct process_result result;
    size_t length;
    snprintf(pid, sizeof pid, "%d", (int)counted->cluster->nodes[0].pid);
    process_run(argv, NULL, 0, DUMP_MS, &result);
    if (!result.in_time || result.status != 0)
        harness_fail("callgrind_control: %s", result.output);
    free(result.output);
    snprintf(path, sizeof path, "%s/callgrind.%u", counted->dir, ++counted->dumps);
    char *text = NULL, *at = NULL;
    for (uint64_t until = harness_now_ms() + DUMP_MS; !at && harness_now_ms() < until; harness_sleep_ms(50)) {
        free(text);
        text = file_read(path, &length);
        at = text ? strstr(text, totals) : NULL;
    }
    if (!at)
        harness_fail("callgrind has written no %s", path);
    double number = strtod(at + sizeof totals - 1, NULL);
    free(text);
    return number;
}

static void count_instructions(void) {
    struct counted counted;
    start(&counted, 1,
          "valgrind -q --tool=callgrind --callgrind-out-file=build/bench/counted/callgrind "
          "--combine-dumps=no");
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        if (row->nodes != 1)
            continue;
        run_pipelines(&counted, &row->load, WARM);
        instructions(&counted);
        run_pipelines(&counted, &row->load, row->pipelines);
        found[i][INSTRUCTIONS] = instructions(&counted) / row->pipelines / row->load.pipeline;
    }
    stop(&counted);
}

/* ---- system calls, fsyncs, bytes --------------------------------------------------------------------------------------- */

struct sums {
    double calls, syncs, written;
};

static void add_lines(const char *text, struct sums *sums) {
    for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        const char *call = memchr(line, ' ', (size_t)(end - line));
        while (call && *call == ' ')
            call++;
        if (!call || *call == '<' || *call == '+' || *call == '-') /* a call's other half, an end, a signal */
            continue;
        sums->calls++;
        sums->syncs += strncmp(call, "fdatasync(", 10) == 0 || strncmp(call, "fsync(", 6) == 0 ||
                       strncmp(call, "pwritev2(", 9) == 0; /* a write that syncs */
    }
}

static struct sums sums_now(const struct counted *counted) {
    struct sums sums = {0};
    harness_sleep_ms(SETTLE_MS);
    for (size_t at = 0; at < counted->cluster->count; at++) {
        char path[CLUSTER_PATH_MAX + 32], *text, *written;
        pid_t pid = counted->cluster->nodes[at].pid;
        size_t length;
        snprintf(path, sizeof path, "%s/strace.%d", counted->dir, (int)pid);
        if (!(text = file_read(path, &length)))
            harness_fail("strace has written no %s", path);
        add_lines(text, &sums);
        free(text);
        snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
        if ((text = file_read(path, &length)) && (written = strstr(text, "\nwrite_bytes: ")))
            sums.written += strtod(written + 14, NULL);
        free(text);
    }
    return sums;
}

/* What the row's pipelines took. A checkpoint would show in the bytes; where one came in between, they are sent again. */
static struct sums sums_of(const struct counted *counted, const struct row *row) {
    for (;;) {
        uint64_t begun = checkpoints(counted);
        struct sums before = sums_now(counted);
        run_pipelines(counted, &row->load, row->pipelines);
        struct sums after = sums_now(counted);
        if (checkpoints(counted) == begun)
            return (struct sums){after.calls - before.calls, after.syncs - before.syncs,
                                 after.written - before.written};
        wait_for_checkpoints(counted);
    }
}

static void count_calls(unsigned nodes) {
    struct counted counted;
    start(&counted, nodes, "strace -D -f -qq -s 0 -o build/bench/counted/strace.$$");
    lengthen(&counted);
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        if (row->nodes != nodes)
            continue;
        run_pipelines(&counted, &row->load, WARM);
        struct sums sums = sums_of(&counted, row);
        double commands = (double)row->pipelines * row->load.pipeline;
        found[i][CALLS] = sums.calls / commands;
        found[i][SYNCS] = sums.syncs / commands;
        found[i][WRITTEN] = sums.written / commands;
    }
    stop(&counted);
}

/* ---- beside the recorded ones ------------------------------------------------------------------------------------------ */

static bool recorded(FILE *from, const struct row *row, double was[COUNTERS]) {
    char line[256], name[32];
    unsigned nodes, pipeline, bytes;
    rewind(from);
    while (fgets(line, sizeof line, from))
        if (sscanf(line, "%u,%31[^,],%u,%u,%lf,%lf,%lf,%lf", &nodes, name, &pipeline, &bytes,
                   &was[INSTRUCTIONS], &was[CALLS], &was[SYNCS], &was[WRITTEN]) == 8 &&
            nodes == row->nodes && strcmp(name, drive_names[row->load.kind]) == 0 &&
            pipeline == row->load.pipeline && bytes == row->load.value_bytes)
            return true;
    return false;
}

static void save(const char *path) {
    FILE *to = fopen(path, "w");
    if (!to)
        harness_fail("cannot write %s: %s", path, strerror(errno));
    fprintf(to, "nodes,load,pipeline,value_bytes,instructions,calls,syncs,written\n");
    for (size_t i = 0; i < ROWS; i++)
        fprintf(to, "%u,%s,%u,%u,%.0f,%.2f,%.4f,%.0f\n", rows[i].nodes, drive_names[rows[i].load.kind],
                rows[i].load.pipeline, rows[i].load.value_bytes, found[i][INSTRUCTIONS], found[i][CALLS],
                found[i][SYNCS], found[i][WRITTEN]);
    fclose(to);
}

/* True when it has grown. */
static bool say_counter(enum counter counter, double now, double was, double times) {
    bool grown = now > times * was && now > was + counters[counter].least;
    if (now > 0 || was > 0)
        say("  %s %.*f, recorded %.*f%s", counters[counter].name, now < 10 ? 2 : 0, now, was < 10 ? 2 : 0,
            was, grown ? " GROWN" : "");
    return grown;
}

int counters_check(const char *path) {
    FILE *from = fopen(path, "r");
    int grown = 0;
    count_instructions();
    count_calls(1);
    count_calls(3);
    save("build/bench/counters.csv");
    for (size_t i = 0; i < ROWS; i++) {
        const struct drive_load *load = &rows[i].load;
        double was[COUNTERS] = {0};
        if (from && !recorded(from, &rows[i], was))
            harness_fail("%s has no %s of %u nodes in pipelines of %u", path, drive_names[load->kind],
                         rows[i].nodes, load->pipeline);
        say("%u node%s, %s x %u, %u B:", rows[i].nodes, rows[i].nodes > 1 ? "s" : "", drive_names[load->kind],
            load->pipeline, load->value_bytes);
        for (enum counter counter = 0; counter < COUNTERS; counter++)
            grown += say_counter(counter, found[i][counter], from ? was[counter] : found[i][counter],
                                 rows[i].nodes == 1 ? counters[counter].times : of_three);
        say("\n");
    }
    if (!from)
        harness_fail("there is no %s yet: build/bench/counters.csv could be that", path);
    fclose(from);
    return grown > 0;
}
