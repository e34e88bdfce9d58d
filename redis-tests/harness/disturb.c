/* SPDX-License-Identifier: MIT */
#include "disturb.h"

#include "wire.h"

enum { ASK_MS = 8000 };

static void hand_over(const struct cluster *cluster) {
    int leader = cluster_leader(cluster);
    struct wire *wire = leader < 0 ? NULL : wire_open(cluster->nodes[leader].port, harness_scaled_ms(ASK_MS));
    if (wire)
        (void)wire_ask(wire, "RAFT.TRANSFER_LEADER");
    wire_close(wire);
}

void disturb_lose_leader(struct cluster *cluster, uint64_t steady_ms) {
    harness_sleep_ms(steady_ms);
    size_t leader = cluster_wait_leader(cluster);
    cluster_kill(cluster, leader);
    cluster_wait_other_leader(cluster, leader);
    harness_sleep_ms(steady_ms);
    hand_over(cluster);
    harness_sleep_ms(200);
    cluster_spawn(cluster, leader);
    cluster_wait_equal(cluster);
}

void disturb_stop_leader(struct cluster *cluster) {
    size_t leader = cluster_wait_leader(cluster);
    cluster_pause(cluster, leader, true);
    cluster_wait_other_leader(cluster, leader);
    harness_sleep_ms(300);
    cluster_pause(cluster, leader, false);
    cluster_wait_equal(cluster);
}
