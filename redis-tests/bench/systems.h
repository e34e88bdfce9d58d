/* SPDX-License-Identifier: MIT */
/* What is compared: each is started with empty data on free ports below one directory, and asked through its leader. */
#ifndef SYSTEMS_H
#define SYSTEMS_H

#include "../harness/cluster.h"
#include "drive.h"

enum system_kind {
    SYSTEM_REDRAFT,       /* three nodes */
    SYSTEM_REDRAFT_LEASE, /* three nodes, raft-read-consistency lease */
    SYSTEM_ALWAYS,        /* one redis-server, appendfsync always */
    SYSTEM_EVERYSEC,      /* one redis-server, appendfsync everysec */
    SYSTEM_REPLICAS, /* redis-server and two replicas, all appendfsync always; WAIT 1 ends each pipeline that writes */
    SYSTEM_ETCD, /* three nodes */
    SYSTEM_BARE, /* no system: what the machine lets any two copies reach (bare.c) */
    SYSTEM_KINDS
};
extern const char *const system_names[SYSTEM_KINDS];

struct system {
    enum system_kind kind;
    const struct speaker *speaker;
    size_t count, leader;
    pid_t pids[3];
    unsigned ports[3];
    char dir[CLUSTER_PATH_MAX];
    struct cluster *cluster; /* redraft's */
};

/* `slow_ms`: each fsync begins so much later (slowdisk.c); 0: the disk as it is. False when the system is not installed here. */
bool system_start(struct system *system, enum system_kind kind, const char *where, unsigned slow_ms);
void system_stop(struct system *system);

/* Whether `why` says that another node of it leads now; then that one is asked from here on. */
bool system_moved(struct system *system, const char *why);

/* What its processes have used since they were started. */
struct system_use {
    double leader_cpu_s, follower_cpu_s /* mean of all */, leader_written /* bytes handed to the disk */;
};
void system_use(const struct system *system, struct system_use *use);
double process_cpu_s(pid_t pid); /* of one process */

#endif
