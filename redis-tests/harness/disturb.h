/* SPDX-License-Identifier: MIT */
/* What befalls the leader of a cluster under load. Returns when all nodes run again and have what the leader has. */
#ifndef DISTURB_H
#define DISTURB_H

#include "cluster.h"

/* Killed, started again; between these its successor gives the leadership away. The cluster has `steady_ms` before the death and after. */
void disturb_lose_leader(struct cluster *cluster, uint64_t steady_ms);
/* It stands still while another leads, and wakes with requests under way and with clients that wait, in a cluster that has gone on. */
void disturb_stop_leader(struct cluster *cluster);

#endif
