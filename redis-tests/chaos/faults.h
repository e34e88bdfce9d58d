/* SPDX-License-Identifier: MIT */
/* What goes wrong, and its mending. faults.c opens with the list. */
#ifndef FAULTS_H
#define FAULTS_H

#include "../harness/cluster.h"

enum { FAULT_KINDS_MAX = 32, NETWORK_KINDS = 8 };

/* What this machine permits. */
struct faults_means {
    bool networks, disks;
};

/* A cluster that is prepared and not started. */
void faults_open(struct cluster *cluster, struct faults_means means, uint64_t seed);
/* One look: what is due is mended, what is next begins. Fails the test when a node ended that had no reason to. */
void faults_work(void);
/* Everything is mended, every node runs; false when changes of members are still to be finished. */
bool faults_heal(void);
/* Goes on with changes of members; true when none is left. */
bool faults_settle(void);
/* What happened, in words: name and count of each. */
size_t faults_count(const char *names[FAULT_KINDS_MAX], uint64_t counts[FAULT_KINDS_MAX]);

#endif
