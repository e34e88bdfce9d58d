/* SPDX-License-Identifier: MIT */
#include "proxies.h"

struct cluster *proxies_new(void) {
    static const char *const options[] = {"--raft-follower-mode", "proxy", NULL};
    return cluster_new(3, options);
}

struct cluster *proxies_new_dialled(size_t *leader, struct wire **wire) {
    struct cluster *cluster = proxies_new();
    *leader = cluster_wait_equal(cluster);
    *wire = proxies_dial(cluster, (*leader + 1) % 3);
    return cluster;
}

struct wire *proxies_dial(const struct cluster *cluster, size_t at) {
    struct wire *wire = wire_open(cluster->nodes[at].port, harness_scaled_ms(PROXIES_WIRE_MS));
    if (wire == NULL)
        harness_fail("node %zu does not take a connection", at + 1);
    return wire;
}

size_t proxies_follower(const struct cluster *cluster) {
    return (cluster_wait_equal(cluster) + 1) % cluster->count;
}

uint64_t proxies_number(const struct cluster *cluster, size_t at, const char *field) {
    static struct info info;
    if (!cluster_info(cluster, at, &info))
        harness_fail("node %zu does not answer RAFT.INFO", at + 1);
    return info_number(&info, field);
}
