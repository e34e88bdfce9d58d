/* SPDX-License-Identifier: MIT */
/*
 * Builds and settings beside one another: who is named takes turns under each load that is named, all up at the same time, and the first
 * is what the others are compared with, round by round. A round goes through them in one direction and the next in the other, for whoever follows
 * a heavy neighbour finds the disk and the caches as that left them.
 *
 *      who     a system's name as the tables have it ("redis always", "etcd"), "redraft" for the build under test,
 *              or the path of another build (anything with a slash), options behind it
 *      a load  "SET 50", "SET 50 x 16", "SET 50 x 16 of 1024", "SET 50 at 20000" a second
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "plan.h"

enum { MOST = 8, VALUE_BYTES = 100, KEYS = 100000, FILL_MS = 1000, TEXT_MAX = 512, ROUNDS_USUAL = 15 };

struct turn {
    double per_s, p50_ms, p99_ms, cpu_us /* of all its processes, a request */;
};

struct party {
    char name[TEXT_MAX];
    struct system system;
    struct turn turns[FIGURES_ROUNDS_MAX];
};

static struct party parties[MOST];
static size_t count;

/* ---- who, and what ----------------------------------------------------------------------------------------------- */

/* The next of a list with commas between; false at its end. */
static bool next_of(const char **list, char text[TEXT_MAX]) {
    const char *at = *list + strspn(*list, ", ");
    size_t length = strcspn(at, ",");
    if (length == 0)
        return false;
    if (length >= TEXT_MAX)
        harness_fail("more than %d bytes: %.40s...", TEXT_MAX - 1, at);
    memcpy(text, at, length);
    text[length] = '\0';
    *list = at + length;
    return true;
}

static enum system_kind kind_of(const char *name) {
    for (enum system_kind kind = 0; kind < SYSTEM_KINDS; kind++)
        if (strcmp(name, system_names[kind]) == 0)
            return kind;
    if (!strchr(name, '/'))
        harness_fail("no such system: %s", name);
    return SYSTEM_REDRAFT;
}

/* Another build is started by a script of that name and options, which the harness takes for the program. */
static void begin_party(struct party *party) {
    char where[64], script[96], text[TEXT_MAX + 32], *usual = strdup(cluster_binary());
    enum system_kind kind = kind_of(party->name);
    snprintf(where, sizeof where, "build/bench/turn%td", party - parties);
    mkdir(where, 0755);
    if (strchr(party->name, '/')) {
        snprintf(script, sizeof script, "%s/program", where);
        snprintf(text, sizeof text, "#!/bin/sh\nexec %s \"$@\"\n", party->name);
        file_write(script, text, strlen(text));
        chmod(script, 0755);
        setenv("REDRAFT", script, 1);
    }
    if (!system_start(&party->system, kind, where, (unsigned)harness_setting("REDRAFT_SLOW_MS", 0)))
        harness_fail("%s is not installed", party->name);
    setenv("REDRAFT", usual, 1);
    free(usual);
}

static struct drive_load load_of(const char *text, double *rate) {
    struct drive_load load = {DRIVE_KINDS, 0, 1, VALUE_BYTES, harness_setting("REDRAFT_KEYS", KEYS)};
    char name[16] = "";
    const char *pipeline = strstr(text, " x "), *bytes = strstr(text, " of "), *at = strstr(text, " at ");
    sscanf(text, "%15s %u", name, &load.connections);
    if (pipeline)
        load.pipeline = (unsigned)strtoul(pipeline + 3, NULL, 10);
    if (bytes)
        load.value_bytes = (unsigned)strtoul(bytes + 4, NULL, 10);
    *rate = at ? strtod(at + 4, NULL) : 0;
    for (load.kind = 0; load.kind < DRIVE_KINDS && strcmp(name, drive_names[load.kind]) != 0;)
        load.kind++;
    if (load.kind == DRIVE_KINDS || load.connections == 0 || load.pipeline == 0 || load.value_bytes == 0)
        harness_fail("no load: \"%s\"", text);
    return load;
}

/* ---- turns ---------------------------------------------------------------------------------------------------------- */

static void take_turn(struct party *party, const struct drive_load *load, double rate, unsigned round) {
    struct drive_result result;
    struct system_use before, after;
    run_load(&party->system, load, harness_setting("REDRAFT_RUN_MS", 200), rate, &result, &before);
    system_use(&party->system, &after);
    double requests = (double)(result.requests ? result.requests : 1),
           others = (double)party->system.count - 1;
    party->turns[round] =
        (struct turn){(double)result.requests / result.seconds, result.p50_ms, result.p99_ms,
                      1e6 *
                          (after.leader_cpu_s - before.leader_cpu_s +
                           others * (after.follower_cpu_s - before.follower_cpu_s)) /
                          requests};
}

static double quantile(const struct party *party, unsigned rounds, size_t field, bool to_first, double part) {
    double values[FIGURES_ROUNDS_MAX];
    for (unsigned i = 0; i < rounds; i++) {
        memcpy(&values[i], (const char *)&party->turns[i] + field, sizeof(double));
        if (to_first)
            values[i] /= parties[0].turns[i].per_s;
    }
    return figures_quantile(values, rounds, part);
}

static void say_load(const char *name, unsigned rounds) {
    for (size_t i = 0; i < count; i++) {
        const struct party *party = &parties[i];
        size_t per_s = offsetof(struct turn, per_s);
        say("%-20s | %-40s | %9.0f | %5.2f  %5.2f to %5.2f | %7.2f %7.2f | %8.2f\n", i == 0 ? name : "",
            party->name, quantile(party, rounds, per_s, false, 0.5),
            quantile(party, rounds, per_s, true, 0.5), quantile(party, rounds, per_s, true, 0.25),
            quantile(party, rounds, per_s, true, 0.75),
            quantile(party, rounds, offsetof(struct turn, p50_ms), false, 0.5),
            quantile(party, rounds, offsetof(struct turn, p99_ms), false, 0.5),
            quantile(party, rounds, offsetof(struct turn, cpu_us), false, 0.5));
    }
}

void measure_turns(const char *loads, const char *who) {
    char text[TEXT_MAX];
    unsigned rounds = (unsigned)harness_setting("REDRAFT_ROUNDS", ROUNDS_USUAL);
    if (rounds == 0 || rounds > FIGURES_ROUNDS_MAX)
        harness_fail("REDRAFT_ROUNDS: 1 to %d", FIGURES_ROUNDS_MAX);
    for (count = 0; next_of(&who, text); count++) {
        if (count == MOST)
            harness_fail("more than %d to be compared", MOST);
        memcpy(parties[count].name, text, sizeof text);
        begin_party(&parties[count]);
    }
    say("\nIn turns, %u rounds: requests per second, the median; to the first, of the rounds' ratios the "
        "median and the middle half; latency, ms; CPU of all its processes, us a request\n\n",
        rounds);
    say("%-20s | %-40s | %9s | %5s %15s | %7s %7s | %8s\n", "", "", "a second", "ratio", "", "p50", "p99",
        "CPU");
    while (next_of(&loads, text)) {
        double rate;
        struct drive_load load = load_of(text, &rate), fill = load;
        struct drive_result result;
        struct system_use before;
        fill.kind = load.kind == DRIVE_GET || load.kind == DRIVE_MIX ? DRIVE_SET : load.kind;
        for (size_t i = 0; i < count; i++)
            run_load(&parties[i].system, &fill, FILL_MS, 0, &result, &before);
        for (unsigned round = 0; round < rounds; round++)
            for (size_t i = 0; i < count; i++)
                take_turn(&parties[round % 2 ? count - 1 - i : i], &load, rate, round);
        say_load(text, rounds);
    }
    for (size_t i = 0; i < count; i++)
        system_stop(&parties[i].system);
}
