/* SPDX-License-Identifier: MIT */
#include "systems.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../harness/wire.h"

enum { START_MS = 20000, WORDS_MAX = 40, METRICS_MAX = 1 << 20 };

const char *const system_names[SYSTEM_KINDS] = {
    [SYSTEM_REDRAFT] = "redraft",
    [SYSTEM_REDRAFT_LEASE] = "redraft lease",
    [SYSTEM_ALWAYS] = "redis always",
    [SYSTEM_EVERYSEC] = "redis everysec",
    [SYSTEM_REPLICAS] = "redis WAIT 1",
    [SYSTEM_ETCD] = "etcd",
    [SYSTEM_BARE] = "bare",
};

/* ---- starting -------------------------------------------------------------------------------------------------------- */

struct words {
    const char *at[WORDS_MAX];
    size_t count;
    char held[WORDS_MAX][512];
};

static void add(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct words *words, const char *format, ...) {
    va_list args;
    if (words->count + 1 == WORDS_MAX)
        harness_fail("a command line of too many words");
    va_start(args, format);
    vsnprintf(words->held[words->count], sizeof *words->held, format, args);
    va_end(args);
    words->at[words->count] = words->held[words->count];
    words->at[++words->count] = NULL;
}

/* Of ours: its path stands in the environment. */
static const char *helper(const char *variable) {
    const char *program = getenv(variable);
    if (!program)
        harness_fail("%s names no program: run `make bench`", variable);
    return program;
}

static void begin_words(struct words *words, unsigned slow_ms) {
    words->count = 0;
    if (slow_ms) {
        add(words, "%s", helper("SLOWDISK"));
        add(words, "%u", slow_ms);
    }
}

static pid_t start(const struct system *system, const struct words *words, size_t at) {
    char output[CLUSTER_PATH_MAX + 16];
    snprintf(output, sizeof output, "%s/output%zu", system->dir, at);
    return process_start(words->at, output);
}

static bool is_installed(const char *program) {
    const char *const argv[] = {program, "--version", NULL};
    struct process_result result;
    process_run(argv, NULL, 0, 10000, &result);
    free(result.output);
    return result.in_time && result.status == 0;
}

static void wait_until(const struct system *system, size_t at, bool (*holds)(unsigned port),
                       const char *what) {
    for (uint64_t until = harness_now_ms() + START_MS; !holds(system->ports[at]); harness_sleep_ms(20))
        if (harness_now_ms() > until)
            harness_fail("%s: no %s within %d s (see %s)", system_names[system->kind], what, START_MS / 1000,
                         system->dir);
}

/* ---- redis-server ------------------------------------------------------------------------------------------------------ */

static bool says(unsigned port, const char *words, const char *text) {
    struct wire *wire = wire_open(port, 1000);
    bool there = wire && strstr(wire_ask(wire, words), text);
    wire_close(wire);
    return there;
}

static bool pongs(unsigned port) {
    return says(port, "PING", "PONG");
}

static bool has_replicas(unsigned port) {
    return says(port, "INFO replication", "connected_slaves:2") &&
           !says(port, "INFO replication", "state=wait_bgsave") &&
           !says(port, "INFO replication", "state=send_bulk");
}

static void start_redis(struct system *system, unsigned slow_ms) {
    struct words words;
    system->count = system->kind == SYSTEM_REPLICAS ? 3 : 1;
    for (size_t at = 0; at < system->count; at++) {
        system->ports[at] = cluster_free_port();
        begin_words(&words, slow_ms);
        add(&words, "redis-server");
        add(&words, "--port");
        add(&words, "%u", system->ports[at]);
        add(&words, "--dir");
        add(&words, "%s", system->dir);
        add(&words, "--appenddirname");
        add(&words, "append%zu", at);
        add(&words, "--dbfilename");
        add(&words, "dump%zu", at);
        add(&words, "--save");
        add(&words, "%s", "");
        add(&words, "--appendonly");
        add(&words, "yes");
        add(&words, "--appendfsync");
        add(&words, "%s", system->kind == SYSTEM_EVERYSEC ? "everysec" : "always");
        if (at > 0) {
            add(&words, "--replicaof");
            add(&words, "127.0.0.1 %u", system->ports[0]);
        }
        system->pids[at] = start(system, &words, at);
        wait_until(system, at, pongs, "PONG");
    }
    if (system->count == 3)
        wait_until(system, 0, has_replicas, "two replicas");
}

/* ---- etcd ---------------------------------------------------------------------------------------------------------------- */

/* Its metrics say so; the server closes when it has sent them all. */
static bool leads(unsigned port) {
    static const char ask[] = "GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n",
                      line[] = "etcd_server_is_leader 1";
    static char bytes[METRICS_MAX];
    struct wire *wire = wire_open(port, 1000);
    size_t length = 0;
    if (wire && wire_send(wire, ask, sizeof ask - 1))
        for (struct pollfd wait = {wire_descriptor(wire), POLLIN, 0}; poll(&wait, 1, 1000) > 0;) {
            ssize_t more = read(wait.fd, bytes + length, sizeof bytes - 1 - length);
            if (more <= 0)
                break;
            length += (size_t)more;
        }
    wire_close(wire);
    bytes[length] = '\0';
    return strstr(bytes, line) != NULL;
}

static void start_etcd(struct system *system, unsigned slow_ms) {
    struct words words;
    unsigned peer_ports[3];
    system->count = 3;
    for (size_t at = 0; at < 3; at++) {
        system->ports[at] = cluster_free_port();
        peer_ports[at] = cluster_free_port();
    }
    for (size_t at = 0; at < 3; at++) {
        begin_words(&words, slow_ms);
        add(&words, "etcd");
        add(&words, "--name=n%zu", at);
        add(&words, "--data-dir=%s/etcd%zu", system->dir, at);
        add(&words, "--listen-client-urls=http://127.0.0.1:%u", system->ports[at]);
        add(&words, "--advertise-client-urls=http://127.0.0.1:%u", system->ports[at]);
        add(&words, "--listen-peer-urls=http://127.0.0.1:%u", peer_ports[at]);
        add(&words, "--initial-advertise-peer-urls=http://127.0.0.1:%u", peer_ports[at]);
        add(&words, "--initial-cluster=n0=http://127.0.0.1:%u,n1=http://127.0.0.1:%u,n2=http://127.0.0.1:%u",
            peer_ports[0], peer_ports[1], peer_ports[2]);
        add(&words, "--quota-backend-bytes=8589934592");
        add(&words, "--log-level=error");
        system->pids[at] = start(system, &words, at);
    }
    for (uint64_t until = harness_now_ms() + START_MS;; harness_sleep_ms(100)) {
        for (system->leader = 0; system->leader < 3; system->leader++)
            if (leads(system->ports[system->leader]))
                return;
        if (harness_now_ms() > until)
            harness_fail("etcd: no leader within %d s (see %s)", START_MS / 1000, system->dir);
    }
}

/* ---- the yardstick ------------------------------------------------------------------------------------------------------- */

static bool listens(unsigned port) {
    struct wire *wire = wire_open(port, 1000);
    wire_close(wire);
    return wire != NULL;
}

/* The leader is the first, and connects to the other as soon as its file is made. */
static void start_bare(struct system *system, unsigned slow_ms) {
    struct words words;
    system->count = 2;
    for (size_t at = 0; at < 2; at++)
        system->ports[at] = cluster_free_port();
    for (size_t at = 2; at-- > 0;) {
        begin_words(&words, slow_ms);
        add(&words, "%s", helper("BARE"));
        add(&words, "%u", system->ports[at]);
        add(&words, "%s/bare%zu", system->dir, at);
        if (at == 0)
            add(&words, "%u", system->ports[1]);
        system->pids[at] = start(system, &words, at);
    }
    wait_until(system, 0, listens, "socket that listens");
}

/* ---- redraft --------------------------------------------------------------------------------------------------------------- */

/* The harness starts one program: with a slow disk that is a script. */
static void start_redraft(struct system *system, unsigned slow_ms) {
    static const char *const lease[] = {"--raft-read-consistency", "lease", NULL};
    char script[CLUSTER_PATH_MAX + 16], text[1024], *plain = strdup(cluster_binary()),
                                                    *whole = realpath(plain, NULL);
    if (slow_ms) {
        snprintf(script, sizeof script, "%s/slow", system->dir);
        snprintf(text, sizeof text, "#!/bin/sh\nexec %s %u %s \"$@\"\n", helper("SLOWDISK"), slow_ms, whole);
        file_write(script, text, strlen(text));
        chmod(script, 0755);
        setenv("REDRAFT", script, 1);
    }
    system->cluster = cluster_prepare(3, system->kind == SYSTEM_REDRAFT_LEASE ? lease : NULL, system->dir);
    cluster_spawn_all(system->cluster);
    system->leader = cluster_wait_equal(system->cluster);
    setenv("REDRAFT", plain, 1);
    system->count = 3;
    for (size_t at = 0; at < 3; at++) {
        system->pids[at] = system->cluster->nodes[at].pid;
        system->ports[at] = system->cluster->nodes[at].port;
    }
    free(plain);
    free(whole);
}

static void remove_all(const char *dir) {
    const char *const argv[] = {"rm", "-rf", dir, NULL};
    struct process_result result;
    process_run(argv, NULL, 0, 60000, &result);
    free(result.output);
}

bool system_start(struct system *system, enum system_kind kind, const char *where, unsigned slow_ms) {
    static const char *const programs[SYSTEM_KINDS] = {[SYSTEM_ALWAYS] = "redis-server",
                                                       [SYSTEM_EVERYSEC] = "redis-server",
                                                       [SYSTEM_REPLICAS] = "redis-server",
                                                       [SYSTEM_ETCD] = "etcd"};
    *system = (struct system){.kind = kind, .speaker = &speak_redis};
    if (programs[kind] && !is_installed(programs[kind]))
        return false;
    snprintf(system->dir, sizeof system->dir, "%.200s/system%d", where, (int)kind);
    remove_all(system->dir); /* of a run that was interrupted */
    if (mkdir(system->dir, 0755) != 0)
        harness_fail("cannot make %s: %s", system->dir, strerror(errno));
    if (kind == SYSTEM_ETCD) {
        system->speaker = &speak_etcd;
        start_etcd(system, slow_ms);
    } else if (kind == SYSTEM_REDRAFT || kind == SYSTEM_REDRAFT_LEASE) {
        start_redraft(system, slow_ms);
    } else if (kind == SYSTEM_BARE) {
        start_bare(system, slow_ms);
    } else {
        if (kind == SYSTEM_REPLICAS)
            system->speaker = &speak_redis_wait;
        start_redis(system, slow_ms);
    }
    return true;
}

void system_stop(struct system *system) {
    if (system->cluster)
        cluster_free(system->cluster);
    else
        for (size_t at = 0; at < system->count; at++)
            process_kill(system->pids[at]);
    remove_all(system->dir);
}

/* ---- what they use ------------------------------------------------------------------------------------------------------------ */

static double number_in(pid_t pid, const char *name, const char *before, int word) {
    char path[64];
    size_t length;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    char *text = file_read(path, &length), *at = text ? strstr(text, before) : NULL;
    double number = 0;
    if (at) {
        at += strlen(before);
        for (; word > 0 && at; word--)
            at = strchr(at + 1, ' ');
        number = at ? strtod(at, NULL) : 0;
    }
    free(text);
    return number;
}

/* utime and stime are the 12th and 13th words behind the command's closing parenthesis. */
double process_cpu_s(pid_t pid) {
    return (number_in(pid, "stat", ") ", 11) + number_in(pid, "stat", ") ", 12)) /
           (double)sysconf(_SC_CLK_TCK);
}

bool system_moved(struct system *system, const char *why) {
    if (!system->cluster || !strstr(why, "-MOVED"))
        return false;
    system->leader = cluster_wait_equal(system->cluster);
    return true;
}

void system_use(const struct system *system, struct system_use *use) {
    *use = (struct system_use){
        .leader_cpu_s = process_cpu_s(system->pids[system->leader]),
        .leader_written = number_in(system->pids[system->leader], "io", "\nwrite_bytes:", 0),
    };
    for (size_t at = 0; at < system->count; at++)
        if (at != system->leader)
            use->follower_cpu_s += process_cpu_s(system->pids[at]) / (double)(system->count - 1);
}
