/* SPDX-License-Identifier: MIT */
/* What a cluster says of itself: RAFT.INFO, who leads, who has caught up. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"
#include "wire.h"

enum { ASK_MS = 500, LEADER_MS = 15000, EQUAL_MS = 30000, MAKE_LEADER_TRIES = 8 };

/* A connection of the harness's own; NULL when it cannot be had now. */
static struct wire *open_node(const struct cluster *cluster, size_t at) {
    struct wire *wire =
        wire_open_at(cluster->nodes[at].host, cluster->nodes[at].port, harness_scaled_ms(ASK_MS));
    char words[256];
    if (wire == NULL || cluster->password == NULL)
        return wire;
    snprintf(words, sizeof(words), "AUTH %s", cluster->password);
    if (strcmp(wire_ask(wire, words), "+OK") == 0)
        return wire;
    wire_close(wire);
    return NULL;
}

/* ---- RAFT.INFO ------------------------------------------------------------------------------------------- */

bool cluster_info(const struct cluster *cluster, size_t at, struct info *info) {
    struct wire *wire = open_node(cluster, at);
    const char *bytes;
    size_t length;
    bool answered = wire != NULL && wire_send_words(wire, "RAFT.INFO") &&
                    wire_read(wire, &bytes, &length) == WIRE_OK && length > 0 && bytes[0] == '$';
    if (answered) {
        const char *text = memchr(bytes, '\n', length);
        size_t shown = length - (size_t)(text + 1 - bytes);
        shown = shown < sizeof(info->text) ? shown : sizeof(info->text) - 1;
        memcpy(info->text, text + 1, shown);
        info->text[shown] = '\0';
    }
    wire_close(wire);
    return answered;
}

bool info_text(const struct info *info, const char *field, char *value, size_t size) {
    size_t length = strlen(field);
    for (const char *line = info->text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, field, length) != 0 || line[length] != ':')
            continue;
        line += length + 1;
        snprintf(value, size, "%.*s", (int)strcspn(line, "\r\n"), line);
        return true;
    }
    return false;
}

bool info_is(const struct info *info, const char *field, const char *value) {
    char text[256];
    return info_text(info, field, text, sizeof(text)) && strcmp(text, value) == 0;
}

uint64_t info_number(const struct info *info, const char *field) {
    char text[64], *end;
    if (!info_text(info, field, text, sizeof(text)))
        harness_fail("RAFT.INFO has no field %s:\n%s", field, info->text);
    uint64_t value = strtoull(text, &end, 10);
    if (end == text)
        harness_fail("RAFT.INFO: %s:%s is not a number", field, text);
    return value;
}

void cluster_wait_field(const struct cluster *cluster, size_t at, const char *field, const char *value,
                        uint64_t timeout_ms, struct info *info) {
    uint64_t deadline = harness_now_ms() + timeout_ms;
    while (!cluster_info(cluster, at, info) || !info_is(info, field, value)) {
        if (harness_now_ms() > deadline)
            harness_fail("node %u never showed %s:%s; it has\n%s", cluster->nodes[at].id, field, value,
                         info->text);
        harness_sleep_ms(10);
    }
}

/* ---- who leads ------------------------------------------------------------------------------------------- */

static bool runs(const struct cluster *cluster, size_t at) {
    return cluster->nodes[at].pid != 0 && !cluster->nodes[at].paused;
}

int cluster_leader(const struct cluster *cluster) {
    static struct info info;
    uint64_t highest = 0;
    int leader = -1;
    for (size_t i = 0; i < cluster->count; i++) {
        if (!runs(cluster, i) || !cluster_info(cluster, i, &info) || !info_is(&info, "role", "leader") ||
            !info_is(&info, "quorum", "ok"))
            continue;
        uint64_t term = info_number(&info, "current_term");
        if (term > highest) {
            highest = term;
            leader = (int)i;
        }
    }
    return leader;
}

/* A linearizable read through it succeeds. */
static bool serves(const struct cluster *cluster, size_t at) {
    struct wire *wire = open_node(cluster, at);
    const char *reply = wire == NULL ? "closed" : wire_ask(wire, "EXISTS harness:no-such-key");
    bool served = strcmp(reply, ":0") == 0;
    wire_close(wire);
    return served;
}

size_t cluster_wait_other_leader(const struct cluster *cluster, size_t not_this) {
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(LEADER_MS);
    while (harness_now_ms() < deadline) {
        int leader = cluster_leader(cluster);
        if (leader >= 0 && (size_t)leader != not_this && serves(cluster, (size_t)leader))
            return (size_t)leader;
        harness_sleep_ms(10);
    }
    harness_fail("no leader within %d ms", LEADER_MS);
}

size_t cluster_wait_leader(const struct cluster *cluster) {
    return cluster_wait_other_leader(cluster, CLUSTER_NODES_MAX);
}

/* All that run are up and have applied as much as `leader` has committed now. */
static bool all_equal(const struct cluster *cluster, size_t leader) {
    static struct info info;
    if (!cluster_info(cluster, leader, &info))
        return false;
    uint64_t commit = info_number(&info, "commit_index");
    for (size_t i = 0; i < cluster->count; i++) {
        if (cluster->nodes[i].pid == 0)
            continue;
        if (!cluster_info(cluster, i, &info) || !info_is(&info, "state", "up") ||
            info_number(&info, "last_applied_index") < commit)
            return false;
    }
    return true;
}

size_t cluster_wait_equal(const struct cluster *cluster) {
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(EQUAL_MS);
    while (harness_now_ms() < deadline) {
        size_t leader = cluster_wait_leader(cluster);
        if (all_equal(cluster, leader))
            return leader;
        harness_sleep_ms(20);
    }
    harness_fail("the nodes did not catch up with each other within %d ms", EQUAL_MS);
}

/* With every node equal, since only who has everything can be handed the leadership soon. */
void cluster_make_leader(struct cluster *cluster, size_t at) {
    char words[64], reply[256] = "";
    snprintf(words, sizeof(words), "RAFT.TRANSFER_LEADER %u", cluster->nodes[at].id);
    for (int tries = 0; tries < MAKE_LEADER_TRIES; tries++) {
        size_t leader = cluster_wait_equal(cluster);
        if (leader == at)
            return;
        struct wire *wire = open_node(cluster, leader);
        snprintf(reply, sizeof(reply), "%s", wire == NULL ? "closed" : wire_ask(wire, words));
        wire_close(wire);
    }
    harness_fail("node %u did not become the leader in %d tries; the last answer was %s",
                 cluster->nodes[at].id, MAKE_LEADER_TRIES, reply);
}

uint64_t cluster_election_timeout_ms(const struct cluster *cluster) {
    for (size_t i = 0; i < cluster->count; i++) {
        if (!runs(cluster, i))
            continue;
        struct wire *wire = open_node(cluster, i);
        const char *reply = wire == NULL ? "closed" : wire_ask(wire, "CONFIG GET raft-election-timeout");
        const char *value = strrchr(reply, ' ');
        uint64_t timeout_ms = value == NULL ? 0 : strtoull(value, NULL, 10);
        wire_close(wire);
        if (timeout_ms > 0)
            return timeout_ms;
    }
    harness_fail("no node tells raft-election-timeout");
}
