/* SPDX-License-Identifier: MIT */
/*
 * A cluster of real processes on free ports of 127.0.0.1 (or of addresses that the test has made), in a temporary directory. The binary is the one that the
 * environment variable REDRAFT names, else build/redraft.
 *
 * Every function that cannot do what it is asked fails the running test. A cluster that was not freed when the test ends
 * is a failed test's: cluster_teardown then prints the end of each node's log and keeps the directory. Freeing a
 * cluster is a check too: each node that runs must end at SIGTERM with status 0, and no node may have left a report
 * of an assertion or a sanitizer behind.
 */
#ifndef CLUSTER_H
#define CLUSTER_H

#include "harness.h"

enum { CLUSTER_NODES_MAX = 7, CLUSTER_PATH_MAX = 256, CLUSTER_INFO_MAX = 128 * 1024 };

struct node {
    unsigned id, port;
    char host[16]; /* 127.0.0.1, unless changed before it is started */
    int space;     /* descriptor of the network namespace that it is started in; 0: the test's own */
    pid_t pid;     /* 0: not running */
    bool paused;   /* SIGSTOP */
    char dir[CLUSTER_PATH_MAX]; /* its --dir; log, and what it says on stderr, are beside it */
    const char *const *options; /* of this node alone, NULL-terminated; NULL: none */
    const char *const
        *members; /* "id host:port" in place of the cluster's list, NULL-terminated; NULL: the cluster's */
};

struct cluster {
    size_t count;
    struct node nodes[CLUSTER_NODES_MAX];
    char dir[CLUSTER_PATH_MAX];
    const char *const *options; /* of all nodes, NULL-terminated; NULL: none; must outlive the cluster */
    const char *password;       /* requirepass, for what the harness itself asks; NULL: none */
    bool shared;                /* by the tests of a group: cluster_teardown leaves it alone */
    bool patient;         /* no leader hands over because its disk stands still, unless the options say so */
    struct cluster *next; /* those not yet freed */
};

/* Ports and empty directories; nothing runs. Directories are made below `where` (NULL: TMPDIR or /tmp, and patient: the disk of a machine
 * that runs tests may stand still for a second, and most tests speak to the one leader). */
struct cluster *cluster_prepare(size_t count, const char *const *options, const char *where);
/* Prepared, started, with a leader that serves. */
struct cluster *cluster_new(size_t count, const char *const *options);
void cluster_free(struct cluster *cluster);
/* A cmocka teardown for every test that uses clusters. */
int cluster_teardown(void **state);
/* A TCP port that nobody listens on and no other test takes until this process ends. */
unsigned cluster_free_port(void);
const char *cluster_binary(void);

/* ---- its processes --------------------------------------------------------------------------------------- */

void cluster_spawn(struct cluster *cluster, size_t at); /* starts it, and waits for nothing */
void cluster_spawn_all(struct cluster *cluster);
void cluster_kill(struct cluster *cluster, size_t at); /* kill -9 */
void cluster_kill_all(struct cluster *cluster);
int cluster_end(struct cluster *cluster, size_t at); /* SIGTERM; its exit status, or 128 + signal */
void cluster_pause(struct cluster *cluster, size_t at, bool paused);
/* Waits for a node that is expected to end by itself: true with its exit status. */
bool cluster_wait_end(struct cluster *cluster, size_t at, uint64_t timeout_ms, int *status);
/* Paths: of the log; of stdout and stderr. */
void cluster_log_path(const struct cluster *cluster, size_t at, char path[CLUSTER_PATH_MAX]);
void cluster_output_path(const struct cluster *cluster, size_t at, char path[CLUSTER_PATH_MAX]);
/* The node said it: the text is in its log or its output. */
bool cluster_said(const struct cluster *cluster, size_t at, const char *text);
bool cluster_wait_said(const struct cluster *cluster, size_t at, const char *text, uint64_t timeout_ms);

/* ---- its state ------------------------------------------------------------------------------------------- */

struct info {
    char text[CLUSTER_INFO_MAX]; /* RAFT.INFO */
};
/* RAFT.INFO of a node; false when it does not answer in time. From any thread. */
bool cluster_info(const struct cluster *cluster, size_t at, struct info *info);
/* A field's value; false when it is not there. */
bool info_text(const struct info *info, const char *field, char *value, size_t size);
bool info_is(const struct info *info, const char *field, const char *value);
/* A field that must be there and be a number; with `otherwise`, one that may be missing. */
uint64_t info_number(const struct info *info, const char *field);
/* Waits until a node's RAFT.INFO shows this value; *info is the one that does. Fails the test otherwise. */
void cluster_wait_field(const struct cluster *cluster, size_t at, const char *field, const char *value,
                        uint64_t timeout_ms, struct info *info);

/* The node that leads, of those that run and are not paused; -1 when none does. */
int cluster_leader(const struct cluster *cluster);
/* Waits until one leads and a request through it succeeds; fails the test otherwise. */
size_t cluster_wait_leader(const struct cluster *cluster);
size_t cluster_wait_other_leader(const struct cluster *cluster, size_t not_this);
/* Waits until every node that runs is up and has applied what the leader has. Returns the leader. */
size_t cluster_wait_equal(const struct cluster *cluster);
/* Has the leadership handed to this node, a voter like all others that run. Nothing is killed. */
void cluster_make_leader(struct cluster *cluster, size_t at);
/* raft-election-timeout as the nodes have it. */
uint64_t cluster_election_timeout_ms(const struct cluster *cluster);

#endif
