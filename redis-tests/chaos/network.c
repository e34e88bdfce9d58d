/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IP_MS = 10000, ARRIVES_MS = 200, SCRIPT_MAX = 8192, DEAD = 0xdd };

static bool is_blocked[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX];
static bool is_out[CLUSTER_NODES_MAX];

/* ---- ip, with a script ------------------------------------------------------------------------------------------ */

struct script {
    char text[SCRIPT_MAX];
    size_t length;
};

static void say(struct script *script, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct script *script, const char *format, ...) {
    va_list args;
    va_start(args, format);
    script->length +=
        (size_t)vsnprintf(script->text + script->length, SCRIPT_MAX - script->length, format, args);
    va_end(args);
    if (script->length >= SCRIPT_MAX)
        harness_fail("a script for ip is too long");
}

/* In a namespace; 0: the test's own. */
static bool try_script(int space, const struct script *script, char why[NETWORK_WHY_MAX]) {
    static const char *const argv[] = {"ip", "-batch", "-", NULL};
    struct process_result result;
    int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0 || (space != 0 && setns(space, CLONE_NEWNET) != 0))
        harness_fail("cannot enter a network namespace: %s", strerror(errno));
    process_run(argv, script->text, script->length, harness_scaled_ms(IP_MS), &result);
    if (setns(own, CLONE_NEWNET) != 0)
        abort();
    close(own);
    snprintf(why, NETWORK_WHY_MAX, "%.*s", (int)strcspn(result.output, "\n"), result.output);
    free(result.output);
    return result.status == 0;
}

static void must_script(int space, const struct script *script) {
    char why[NETWORK_WHY_MAX];
    if (!try_script(space, script, why))
        harness_fail("ip: %s\n%s", why, script->text);
}

/* ---- namespaces ---------------------------------------------------------------------------------------------------- */

bool network_open(char why[NETWORK_WHY_MAX]) {
    struct script script = {.length = 0};
    if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0 || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        snprintf(why, NETWORK_WHY_MAX, "%s", strerror(errno));
        return false;
    }
    say(&script,
        "link set lo up\nlink add br0 type bridge\naddr add 10.77.0.254/24 dev br0\nlink set br0 up\n");
    return try_script(0, &script, why);
}

static int new_space(void) {
    int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0 || unshare(CLONE_NEWNET) != 0)
        harness_fail("no network namespace: %s", strerror(errno));
    int space = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (space < 0 || setns(own, CLONE_NEWNET) != 0)
        abort();
    close(own);
    return space;
}

static void say_neighbour(struct script *script, size_t to, unsigned machine) {
    say(script, "neigh replace 10.77.0.%zu lladdr 02:77:00:00:%02x:%02zx dev eth0 nud permanent\n", to + 1,
        machine, to + 1);
}

static void make_node(struct cluster *cluster, size_t at) {
    struct node *node = &cluster->nodes[at];
    struct script outside = {.length = 0}, inside = {.length = 0};
    size_t number = at + 1;
    snprintf(node->host, sizeof node->host, "10.77.0.%zu", number);
    node->space = new_space();
    say(&outside, "link add s%zu type veth peer name e%zu\n", number, number);
    say(&outside, "link set e%zu address 02:77:00:00:00:%02zx\n", number, number);
    say(&outside, "link set e%zu netns /proc/%d/fd/%d\n", number, (int)getpid(), node->space);
    say(&outside, "link set s%zu master br0\nlink set s%zu up\n", number, number);
    must_script(0, &outside);
    say(&inside, "link set lo up\nlink set e%zu name eth0\n", number);
    say(&inside, "addr add 10.77.0.%zu/24 dev eth0\nlink set eth0 up\n", number);
    for (size_t to = 0; to < cluster->count; to++)
        if (to != at)
            say_neighbour(&inside, to, 0);
    must_script(node->space, &inside);
}

void network_join(struct cluster *cluster) {
    memset(is_blocked, 0, sizeof is_blocked);
    memset(is_out, 0, sizeof is_out);
    for (size_t at = 0; at < cluster->count; at++)
        make_node(cluster, at);
}

void network_leave(struct cluster *cluster) {
    struct script script = {.length = 0};
    for (size_t at = 0; at < cluster->count; at++)
        if (cluster->nodes[at].space != 0)
            say(&script, "link del s%zu\n", at + 1); /* and with it the other end */
    if (script.length > 0)
        must_script(0, &script);
    for (size_t at = 0; at < cluster->count; at++) {
        if (cluster->nodes[at].space != 0)
            close(cluster->nodes[at].space);
        cluster->nodes[at].space = 0;
    }
}

/* A socket that sends from a node's address, and takes what is sent there. */
static int node_socket(const struct node *node, struct sockaddr_in *address) {
    int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(node->space, CLONE_NEWNET) != 0)
        harness_fail("cannot enter a network namespace: %s", strerror(errno));
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (setns(own, CLONE_NEWNET) != 0)
        abort();
    close(own);
    *address = (struct sockaddr_in){.sin_family = AF_INET};
    inet_pton(AF_INET, node->host, &address->sin_addr);
    socklen_t size = sizeof *address;
    if (fd < 0 || bind(fd, (struct sockaddr *)address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)address, &size) != 0)
        harness_fail("no socket in a namespace: %s", strerror(errno));
    return fd;
}

bool network_reaches(const struct cluster *cluster, size_t from, size_t to) {
    struct sockaddr_in source, target;
    int sender = node_socket(&cluster->nodes[from], &source),
        taker = node_socket(&cluster->nodes[to], &target);
    struct pollfd polled = {.fd = taker, .events = POLLIN};
    bool sent = sendto(sender, "?", 1, 0, (struct sockaddr *)&target, sizeof target) == 1;
    bool there = sent && poll(&polled, 1, (int)harness_scaled_ms(ARRIVES_MS)) == 1;
    close(sender);
    close(taker);
    return there;
}

size_t network_interfaces(void) {
    struct if_nameindex *list = if_nameindex();
    size_t count = 0;
    while (list && list[count].if_index != 0)
        count++;
    if_freenameindex(list);
    return count;
}

/* ---- cuts ------------------------------------------------------------------------------------------------------------ */

void network_block(const struct cluster *cluster, bool blocked[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX]) {
    for (size_t from = 0; from < cluster->count; from++) {
        struct script script = {.length = 0};
        for (size_t to = 0; to < cluster->count; to++)
            if (from != to && blocked[from][to] != is_blocked[from][to])
                say_neighbour(&script, to, blocked[from][to] ? DEAD : 0);
        if (script.length > 0)
            must_script(cluster->nodes[from].space, &script);
    }
    memcpy(is_blocked, blocked, sizeof is_blocked);
}

void network_plug(const struct cluster *cluster, size_t at, bool in) {
    struct script script = {.length = 0};
    (void)cluster;
    if (is_out[at] == !in)
        return;
    say(&script, "link set s%zu %s\n", at + 1, in ? "up" : "down");
    must_script(0, &script);
    is_out[at] = !in;
}

void network_heal(const struct cluster *cluster) {
    bool nobody[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX] = {{false}};
    network_block(cluster, nobody);
    for (size_t at = 0; at < cluster->count; at++)
        network_plug(cluster, at, true);
}
