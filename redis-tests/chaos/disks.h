/* SPDX-License-Identifier: MIT */
/*
 * A disk for each node that can be full (a small one in memory) and one that fails (server/faulty_disk.h).
 */
#ifndef DISKS_H
#define DISKS_H

#include "../harness/cluster.h"
#include "server/faulty_disk.h"

enum { DISKS_WHY_MAX = 256, DISKS_MB = 64 };

/* Before the cluster starts. False, with the reason, where disks can't be mounted: then they are directories, which are never full. */
bool disks_open(struct cluster *cluster, char why[DISKS_WHY_MAX]);
void disks_close(struct cluster *cluster);
/* What node `at`'s server is told with --test-disk-faults; the words hold until disks_close. */
const char *disks_path(size_t at);
struct disk_faults *disks_faults(size_t at);
/* Nothing fails, nothing is slow, nobody else takes room. */
void disks_mend(const struct cluster *cluster, size_t at);
/* Another program's file takes all. */
void disks_fill(const struct cluster *cluster, size_t at);
/* All that the node had is gone. */
void disks_wipe(const struct cluster *cluster, size_t at);
/* Copies what is there beside it, into directories that outlive this process. */
void disks_keep(const struct cluster *cluster);

#endif
