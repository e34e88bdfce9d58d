/* SPDX-License-Identifier: MIT */
/* A cluster's life: directories, ports, processes, and the checks when it ends. What it says of itself is in state.c. */
#define _GNU_SOURCE
#include "cluster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 96, PORT_FIRST = 11000, PORT_LAST = 31999, LOG_LINES_SHOWN = 40 };

static struct cluster *clusters; /* not yet freed */

/* ---- ports ----------------------------------------------------------------------------------------------- */

/* Reserves a port among all tests of this machine, for as long as this process lives: an abstract Unix socket
 * carries its number. */
static bool port_reserve(unsigned port) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "redraft-test-port-%u", port);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
    if (bind(fd, (struct sockaddr *)&address, size) == 0)
        return true; /* the descriptor stays open on purpose */
    close(fd);
    return false;
}

static bool port_is_free(unsigned port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    bool bound = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return bound;
}

/* Below the range from which the kernel takes ports of outgoing connections: no such connection can steal the port
 * of a node that is down for a moment. */
unsigned cluster_free_port(void) {
    static uint64_t seed;
    if (seed == 0)
        seed = harness_now_us() ^ ((uint64_t)getpid() << 32);
    for (int attempt = 0; attempt < 1000; attempt++) {
        unsigned port = PORT_FIRST + (unsigned)(harness_random(&seed) % (PORT_LAST - PORT_FIRST));
        if (port_is_free(port) && port_reserve(port))
            return port;
    }
    harness_fail("no free port between %d and %d", PORT_FIRST, PORT_LAST);
}

/* ---- life ------------------------------------------------------------------------------------------------ */

const char *cluster_binary(void) {
    const char *binary = getenv("REDRAFT");
    return binary == NULL || *binary == '\0' ? "build/redraft" : binary;
}

struct cluster *cluster_prepare(size_t count, const char *const *options, const char *where) {
    struct cluster *cluster = calloc(1, sizeof(*cluster));
    cluster->patient = where == NULL;
    if (where == NULL)
        where = getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp";
    snprintf(cluster->dir, sizeof(cluster->dir), "%.100s/redraft-test-XXXXXX", where);
    if (mkdtemp(cluster->dir) == NULL)
        harness_fail("cannot make %s: %s", cluster->dir, strerror(errno));
    cluster->count = count;
    cluster->options = options;
    for (size_t i = 0; i < count; i++) {
        struct node *node = &cluster->nodes[i];
        node->id = (unsigned)i + 1;
        node->port = cluster_free_port();
        strcpy(node->host, "127.0.0.1");
        snprintf(node->dir, sizeof(node->dir), "%.200s/node%u", cluster->dir, node->id);
        if (mkdir(node->dir, 0755) != 0)
            harness_fail("cannot make %s: %s", node->dir, strerror(errno));
    }
    cluster->next = clusters;
    clusters = cluster;
    return cluster;
}

struct cluster *cluster_new(size_t count, const char *const *options) {
    struct cluster *cluster = cluster_prepare(count, options, NULL);
    cluster_spawn_all(cluster);
    cluster_wait_leader(cluster);
    return cluster;
}

void cluster_log_path(const struct cluster *cluster, size_t at, char path[CLUSTER_PATH_MAX]) {
    snprintf(path, CLUSTER_PATH_MAX, "%.200s/log%zu", cluster->dir, at + 1);
}

void cluster_output_path(const struct cluster *cluster, size_t at, char path[CLUSTER_PATH_MAX]) {
    snprintf(path, CLUSTER_PATH_MAX, "%.200s/output%zu", cluster->dir, at + 1);
}

/* What a test must never see in a node's log or output. */
static const char *const accusations[] = {
    "AddressSanitizer", "ThreadSanitizer", "LeakSanitizer", "runtime error:", "Assertion `",
};

static void check_reports(const struct cluster *cluster, size_t at) {
    for (size_t i = 0; i < sizeof(accusations) / sizeof(*accusations); i++) {
        if (cluster_said(cluster, at, accusations[i]))
            harness_fail("node %u reported \"%s\": see %s", cluster->nodes[at].id, accusations[i],
                         cluster->dir);
    }
}

static void unlink_cluster(struct cluster *cluster) {
    for (struct cluster **link = &clusters; *link != NULL; link = &(*link)->next) {
        if (*link == cluster) {
            *link = cluster->next;
            break;
        }
    }
    free(cluster);
}

/* Before that it has no handler for SIGTERM. */
static bool said_that_it_listens(const struct cluster *cluster, size_t at, pid_t pid) {
    char path[CLUSTER_PATH_MAX], line[4096];
    bool said = false;
    cluster_log_path(cluster, at, path);
    FILE *log = fopen(path, "re");
    while (log && !said && fgets(line, sizeof line, log))
        said = strtol(line, NULL, 10) == pid && strstr(line, " listens on port ");
    if (log)
        fclose(log);
    return said;
}

void cluster_free(struct cluster *cluster) {
    for (size_t i = 0; i < cluster->count; i++) {
        struct node *node = &cluster->nodes[i];
        if (node->pid != 0 && node->paused)
            cluster_pause(cluster, i, false);
        if (node->pid == 0)
            continue;
        pid_t pid = node->pid;
        int status = cluster_end(cluster, i);
        bool unready = status == 128 + SIGTERM && !said_that_it_listens(cluster, i, pid);
        if (status != 0 && !unready)
            harness_fail("node %u ended with status %d at SIGTERM", node->id, status);
    }
    for (size_t i = 0; i < cluster->count; i++)
        check_reports(cluster, i);
    if (getenv("REDRAFT_TEST_KEEP") == NULL)
        directory_remove(cluster->dir);
    unlink_cluster(cluster);
}

/* A failed test's cluster: what its nodes said last. */
static void show_and_keep(struct cluster *cluster) {
    cluster_kill_all(cluster);
    for (size_t i = 0; i < cluster->count; i++) {
        char path[CLUSTER_PATH_MAX], prefix[32];
        snprintf(prefix, sizeof(prefix), "  node %zu | ", i + 1);
        cluster_log_path(cluster, i, path);
        file_print_tail(path, prefix, LOG_LINES_SHOWN);
        cluster_output_path(cluster, i, path);
        file_print_tail(path, prefix, LOG_LINES_SHOWN);
    }
    harness_say("kept: %s", cluster->dir);
}

int cluster_teardown(void **state) {
    (void)state;
    struct cluster *next;
    for (struct cluster *cluster = clusters; cluster != NULL; cluster = next) {
        next = cluster->next;
        if (cluster->shared)
            continue;
        show_and_keep(cluster);
        unlink_cluster(cluster);
    }
    return 0;
}

/* ---- processes ------------------------------------------------------------------------------------------- */

struct arguments {
    const char *at[ARGS_MAX + 1];
    size_t count;
    char text[4096]; /* of those that are made here */
    size_t used;
};

static void argue(struct arguments *args, const char *word) {
    if (args->count == ARGS_MAX)
        harness_fail("more than %d arguments for a node", ARGS_MAX);
    args->at[args->count++] = word;
    args->at[args->count] = NULL;
}

static void argue_format(struct arguments *args, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void argue_format(struct arguments *args, const char *format, ...) {
    va_list list;
    va_start(list, format);
    size_t room = sizeof(args->text) - args->used;
    size_t length = (size_t)vsnprintf(args->text + args->used, room, format, list) + 1;
    va_end(list);
    if (length > room)
        harness_fail("a node's arguments are too long");
    argue(args, args->text + args->used);
    args->used += length;
}

static void argue_options(struct arguments *args, const char *const *options) {
    for (; options != NULL && *options != NULL; options++)
        argue(args, *options);
}

static void argue_members(struct arguments *args, const struct cluster *cluster, const struct node *node) {
    for (const char *const *member = node->members; member != NULL && *member != NULL; member++) {
        char id[32];
        int at = 0;
        if (sscanf(*member, "%31s %n", id, &at) != 1)
            harness_fail("not a member: %s", *member);
        argue(args, "--raft-node");
        argue_format(args, "%s", id);
        argue(args, *member + at);
    }
    for (size_t i = 0; node->members == NULL && i < cluster->count; i++) {
        argue(args, "--raft-node");
        argue_format(args, "%u", cluster->nodes[i].id);
        argue_format(args, "%s:%u", cluster->nodes[i].host, cluster->nodes[i].port);
    }
}

/* A process begins in the namespace of the thread that starts it. */
static pid_t start_in(int space, const char *const *argv, const char *output) {
    if (space == 0)
        return process_start(argv, output);
    int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(space, CLONE_NEWNET) != 0)
        harness_fail("cannot enter a network namespace: %s", strerror(errno));
    pid_t pid = process_start(argv, output);
    if (setns(own, CLONE_NEWNET) != 0)
        abort();
    close(own);
    return pid;
}

void cluster_spawn(struct cluster *cluster, size_t at) {
    static const char *const patient[] = {"--raft-stall-timeout", "0", NULL};
    struct node *node = &cluster->nodes[at];
    struct arguments args = {.count = 0};
    char log[CLUSTER_PATH_MAX], output[CLUSTER_PATH_MAX];
    cluster_log_path(cluster, at, log);
    cluster_output_path(cluster, at, output);
    argue(&args, cluster_binary());
    argue(&args, "--raft-id");
    argue_format(&args, "%u", node->id);
    argue(&args, "--port");
    argue_format(&args, "%u", node->port);
    argue(&args, "--bind");
    argue(&args, node->host);
    argue(&args, "--dir");
    argue(&args, node->dir);
    argue(&args, "--logfile");
    argue(&args, log);
    argue_members(&args, cluster, node);
    if (cluster->patient)
        argue_options(&args, patient);
    argue_options(&args, cluster->options);
    argue_options(&args, node->options);
    if (node->pid != 0)
        harness_fail("node %u is already running", node->id);
    node->pid = start_in(node->space, args.at, output);
    node->paused = false;
}

void cluster_spawn_all(struct cluster *cluster) {
    for (size_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i].pid == 0)
            cluster_spawn(cluster, i);
    }
}

void cluster_kill(struct cluster *cluster, size_t at) {
    struct node *node = &cluster->nodes[at];
    if (node->pid == 0)
        return;
    process_kill(node->pid);
    node->pid = 0;
    node->paused = false;
}

/* All at once: none sees another die. */
void cluster_kill_all(struct cluster *cluster) {
    for (size_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i].pid != 0)
            kill(cluster->nodes[i].pid, SIGKILL);
    }
    for (size_t i = 0; i < cluster->count; i++)
        cluster_kill(cluster, i);
}

bool cluster_wait_end(struct cluster *cluster, size_t at, uint64_t timeout_ms, int *status) {
    struct node *node = &cluster->nodes[at];
    int raw;
    if (!process_wait(node->pid, timeout_ms, &raw))
        return false;
    *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    node->pid = 0;
    return true;
}

int cluster_end(struct cluster *cluster, size_t at) {
    int status;
    kill(cluster->nodes[at].pid, SIGTERM);
    if (!cluster_wait_end(cluster, at, harness_scaled_ms(10000), &status))
        harness_fail("node %u still runs long after SIGTERM", cluster->nodes[at].id);
    return status;
}

void cluster_pause(struct cluster *cluster, size_t at, bool paused) {
    struct node *node = &cluster->nodes[at];
    if (node->pid == 0 || kill(node->pid, paused ? SIGSTOP : SIGCONT) != 0)
        harness_fail("node %u does not run", node->id);
    node->paused = paused;
}

bool cluster_said(const struct cluster *cluster, size_t at, const char *text) {
    char paths[2][CLUSTER_PATH_MAX];
    cluster_log_path(cluster, at, paths[0]);
    cluster_output_path(cluster, at, paths[1]);
    bool said = false;
    for (int i = 0; i < 2; i++) {
        char *bytes = file_read(paths[i], NULL);
        said = said || (bytes != NULL && strcasestr(bytes, text) != NULL);
        free(bytes);
    }
    return said;
}

bool cluster_wait_said(const struct cluster *cluster, size_t at, const char *text, uint64_t timeout_ms) {
    uint64_t deadline = harness_now_ms() + timeout_ms;
    while (!cluster_said(cluster, at, text)) {
        if (harness_now_ms() >= deadline)
            return false;
        harness_sleep_ms(10);
    }
    return true;
}
