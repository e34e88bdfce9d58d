/* SPDX-License-Identifier: MIT */
/* Three nodes whose followers are proxies, and connections to them as plain clients have them. What fails ends the running test. */
#ifndef PROXIES_H
#define PROXIES_H

#include "cluster.h"
#include "wire.h"

enum { PROXIES_WIRE_MS = 20000 }; /* what a client waits for a reply */

/* With a leader that serves. */
struct cluster *proxies_new(void);
/* And with a connection to the node behind the leader, which is a follower. */
struct cluster *proxies_new_dialled(size_t *leader, struct wire **wire);
struct wire *proxies_dial(const struct cluster *cluster, size_t at);
/* The node behind the leader, once all have what the leader has. */
size_t proxies_follower(const struct cluster *cluster);
/* A number of a node's RAFT.INFO. */
uint64_t proxies_number(const struct cluster *cluster, size_t at, const char *field);

#endif
