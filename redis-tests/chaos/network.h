/* SPDX-License-Identifier: MIT */
/*
 * A network that can be cut: each node has a network namespace of its own, joined by a bridge in that of the test.
 *
 *      the test and its clients      node 1's namespace     node 2's        ...
 *           10.77.0.254                10.77.0.1             10.77.0.2
 *              br0 ---- s1 ============== eth0                  |
 *               +------ s2 ==================================== eth0
 *
 * Who is to reach nobody has the bridge's end of its cable (sN) down. Who is not to reach one other has a dead hardware address for it: its
 * packets leave and nobody takes them, while the other's still come. That is a cut in one direction; no packet filter is needed.
 *
 * Nothing has a name outside: the namespaces are descriptors of this process, which itself lives in a fresh one, with a fresh table of mounts. When
 * it ends, however it ends, the kernel takes all of it away.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdbool.h>

#include "../harness/cluster.h"

enum { NETWORK_WHY_MAX = 256 };

/* Once in a process, before it has threads. False, with the reason, where namespaces can't be made. */
bool network_open(char why[NETWORK_WHY_MAX]);
/* Gives each node that is prepared, and not started yet, an address and a namespace; its links are up. */
void network_join(struct cluster *cluster);
/* When its nodes have ended, and whether they had joined or not. */
void network_leave(struct cluster *cluster);

/* Node `from` does not reach `to` where blocked[from][to]; all at once. */
void network_block(const struct cluster *cluster, bool blocked[CLUSTER_NODES_MAX][CLUSTER_NODES_MAX]);
/* Its cable: out, it reaches nobody and nobody reaches it, clients neither. */
void network_plug(const struct cluster *cluster, size_t at, bool in);
/* Everybody reaches everybody. */
void network_heal(const struct cluster *cluster);
/* A datagram that one node sends arrives at the other. */
bool network_reaches(const struct cluster *cluster, size_t from, size_t to);
/* Interfaces in the test's own namespace. */
size_t network_interfaces(void);

#endif
