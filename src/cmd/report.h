/* SPDX-License-Identifier: MIT */
/*
 * The state of the server as plain values: everything that INFO, RAFT.INFO, CLUSTER, ROLE and HELLO may tell. The node
 * fills it in when a command with COMMAND_REPORT arrives; what it points to holds for that call. Nothing in it is a
 * judgement: whether this is healthy, how many failures it would survive, who is a master are derived in one place, health.h.
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../latency.h"

struct command;

enum {
    REPORT_RUN_ID_LENGTH = 40, /* lower-case hex, as Redis's run ids and node ids */
    REPORT_HOST_MAX = 256,
    REPORT_TEXT_MAX = 256,
    REPORT_ERROR_CODE_MAX = 32,
};

enum report_state {
    REPORT_LOADING, /* reading its data */
    REPORT_JOINING, /* the cluster has not formed yet, or has not taken this node in yet */
    REPORT_UP,
    REPORT_REMOVED, /* the cluster has removed it */
    REPORT_FAILED,  /* it refuses to serve: see failure */
};

/* In the order of enum raft_role. */
enum report_role {
    REPORT_FOLLOWER,
    REPORT_PRE_CANDIDATE,
    REPORT_CANDIDATE,
    REPORT_LEADER,
};

enum report_stop {
    REPORT_RUNNING,
    REPORT_LEAVING, /* asked to stop; the leadership is handed over first */
    REPORT_STOPPING,
};

enum report_link {
    REPORT_LINK_SELF,
    REPORT_LINK_UP,         /* the handshake is done */
    REPORT_LINK_CONNECTING, /* resolving, connecting, shaking hands */
    REPORT_LINK_DOWN,       /* waiting to dial again */
};

/* One member of the cluster, as this node sees it. */
struct report_member {
    uint64_t id;
    char run_id
        [REPORT_RUN_ID_LENGTH +
         1]; /* what CLUSTER calls its node id: a function of cluster id and member id, the same everywhere */
    char host[REPORT_HOST_MAX];      /* told to clients: never empty */
    unsigned port;                   /* told to clients */
    unsigned sentinel_port;          /* 0: it has none, or has not been met */
    char peer_host[REPORT_HOST_MAX]; /* what peers dial */
    unsigned peer_port;
    char incarnation[REPORT_RUN_ID_LENGTH + 1]; /* "" until it has been met */
    bool voting;                                /* no: it learns the log, and counts for nothing */
    enum report_link link;
    uint64_t
        match_index; /* known to be durable there: on the leader; 0 elsewhere; of itself its own saved index */
    int64_t last_contact_ms;          /* since it was last heard; 0 for itself; -1: never */
    unsigned feature_level;           /* that it offered last; 0: not met since the start */
    char version[32];                 /* "" until the handshake said it */
    bool clock_known;                 /* clock_offset_ms was measured */
    int64_t clock_offset_ms;          /* its wall clock less ours */
    char link_error[REPORT_TEXT_MAX]; /* why the link fell last; "" when it never did */
};

struct report_database {
    size_t keys;
    size_t deadlines;    /* of them, with a deadline */
    uint64_t avg_ttl_ms; /* of those, how long on average; 0 when not known */
};

/* Replies that began with this word, since CONFIG RESETSTAT. */
struct report_error {
    char code[REPORT_ERROR_CODE_MAX]; /* "ERR", "MOVED" ... */
    uint64_t count;
};

/* Calls of one command, since CONFIG RESETSTAT. */
enum { REPORT_TOOK_MAX = 24 }; /* the last one: all that took longer */

struct report_calls {
    const struct command *command;
    uint64_t calls, us;
    uint64_t rejected;    /* by the gate, before they ran */
    uint64_t failed;      /* ran and answered with an error */
    const uint64_t *took; /* [k]: calls that took 2^k us at most, and more than half of that */
};

struct report {
    /* this process */
    const char *version;                   /* of redraft */
    const char *build;                     /* "" or what the build calls itself */
    char run_id[REPORT_RUN_ID_LENGTH + 1]; /* random, of this start: INFO's run_id */
    char os[REPORT_TEXT_MAX];              /* "Linux 6.1.0 x86_64" */
    char executable[REPORT_TEXT_MAX];      /* absolute path */
    int64_t process_id;
    unsigned tcp_port;
    bool io_uring;   /* in use */
    uint64_t now_us; /* Unix microseconds */
    uint64_t uptime_s;
    double cpu_sys_s, cpu_user_s;
    double loop_sys_s, loop_user_s; /* of those: the thread that the loop runs on */
    const char *allocator;          /* "libc" */
    size_t memory_used, memory_used_peak, memory_used_startup; /* bytes allocated */
    size_t memory_keyspace;                                    /* of them: keys, values and their indexes */
    size_t memory_lasting;                                     /* of those: what maxmemory is compared with */
    size_t memory_clients;                                     /* of them: buffers of connections */
    size_t memory_allocated, memory_active; /* the allocator has given out; has from the system */
    size_t scripts, memory_scripts;         /* known to EVALSHA; bytes of their texts */
    size_t memory_resident, memory_system;  /* of the process; of the machine */

    /* connections */
    size_t clients, peer_links;   /* connected now: clients without peers; links to and from peers */
    size_t clients_blocked;       /* of them: wait for an element, or for members */
    size_t clients_timed;         /* of those: not for ever */
    size_t input_max, output_max; /* the largest buffers now */

    /* counters, since the start or CONFIG RESETSTAT */
    uint64_t connections, rejected_connections;
    uint64_t commands, reads, writes; /* run; of the socket: reads and writes done */
    uint64_t bytes_in, bytes_out;
    uint64_t peer_bytes_in, peer_bytes_out;
    double commands_per_s, kbytes_in_per_s, kbytes_out_per_s; /* of the last seconds */
    uint64_t evicted_keys;
    uint64_t over_memory_ms, over_memory_total_ms; /* over maxmemory: for how long now, in all */
    uint64_t expired_keys, keyspace_hits, keyspace_misses;
    uint64_t error_replies;
    uint64_t peer_messages_in, peer_messages_out;
    const struct report_error *errors;
    size_t error_count;
    const struct report_calls *calls; /* commands that were called at least once */
    size_t call_count;

    /* the keyspace */
    const struct report_database *databases;
    size_t database_count;

    /* Raft */
    char cluster_id[REPORT_RUN_ID_LENGTH + 1]; /* "" until the cluster has formed */
    char incarnation[REPORT_RUN_ID_LENGTH + 1];
    char cluster_name[REPORT_TEXT_MAX];
    uint64_t node_id;
    enum report_state state;
    char failure[REPORT_TEXT_MAX]; /* of REPORT_FAILED and REPORT_REMOVED: in words */
    enum report_role role;
    bool serving;       /* leader, and an entry of its own term is applied */
    bool quorum;        /* a leader: a majority answered lately; otherwise: it hears a leader */
    uint64_t leader_id; /* 0: none known now */
    uint64_t
        known_leader_id; /* whom clients are sent to: the leader or, while there is none, the last one; 0 before the first */
    uint64_t term, voted_for;
    uint64_t commit_index, applied_index, last_index, saved_index;
    uint64_t log_entries, log_bytes;
    const struct report_member *members; /* by id, this node included */
    size_t member_count;
    const uint64_t *removed; /* ids of those that were removed: not used again */
    size_t removed_count;
    uint64_t leader_since_ms;                   /* Unix milliseconds; 0: there is no leader */
    uint64_t quorum_lost_since_ms;              /* Unix milliseconds; 0: it is not lost */
    char leader_change_reason[REPORT_TEXT_MAX]; /* of the last change, in words; "" before the first */
    uint64_t pending_writes;                    /* proposed, not yet answered */
    uint64_t unsaved_bytes;                     /* handed to the disk, not yet durable */
    uint64_t outcomes_in_doubt;                 /* writes answered with -INDOUBT, since the start */
    struct latency_figures fsync, commit;       /* of the last minute */
    struct latency_figures turn,
        turn_cpu;           /* the same of the loop's turns; of that on a CPU, at most 1 ms too long */
    uint64_t loop_awake_us; /* that the loop waited awake, since the start */
    uint64_t gathered, gathered_us; /* entries that were held for more writes; for how long */
    uint64_t fsync_count;           /* since the start */
    uint64_t writes_logged;         /* commands in the entries that those made durable */
    uint64_t elections, leader_changes;
    bool handing_over; /* the leadership is being handed over */
    uint64_t transfers,
        handovers; /* since the start: hand-overs begun by this node; of them, that ended with another leader */
    enum report_stop stop;
    const char *read_consistency; /* raft-read-consistency */
    bool leases;                  /* this node keeps the promises that leases stand on */
    uint64_t lease_ms,
        lease_reads; /* a leader's lease: how much is left; reads answered under one, since the start */

    /* the state on the disk */
    uint64_t checkpoint_index; /* the last one's; 0: there is none */
    uint64_t checkpoint_ms;    /* when it was committed, Unix milliseconds; 0: not since the start */
    uint64_t checkpoint_took_ms, checkpoint_bytes, checkpoint_pages;
    uint64_t checkpoint_count;              /* committed since the start */
    uint64_t checkpoint_under_way_ms;       /* for how long one is being written; 0: none is */
    uint64_t checkpoint_failures;           /* in a row */
    char checkpoint_error[REPORT_TEXT_MAX]; /* of the last one; "" when it succeeded */
    uint64_t checkpoint_rate;       /* bytes a second that one may write now; 0: as many as the disk takes */
    uint64_t checkpoint_longest_us; /* the longest that a turn had to do with the last one ... */
    uint64_t checkpoint_longest_cpu_us;                        /* ... and was on a CPU for */
    uint64_t checkpoint_copied_pages, checkpoint_copied_bytes; /* before they changed while it was written */
    struct latency_figures checkpoint_pause, checkpoint_pause_cpu; /* of such turns of the last minute */
    uint64_t data_file_bytes;
    bool backup_under_way;
    uint64_t backup_count; /* made since the start */
    uint64_t backup_ms;    /* when the last one was done, Unix milliseconds; 0: not since the start */
    uint64_t backup_index, backup_bytes, backup_took_ms;
    char backup_error[REPORT_TEXT_MAX];           /* of the last one; "" when it succeeded */
    bool disk_known;                              /* how much is free could be told */
    uint64_t disk_free_bytes, disk_reserve_bytes; /* of the data directory's file system */
    uint64_t audit_index,
        audit_count; /* the last entry at which the state here was found right; how often, since the start */
    bool audit_differs;                             /* it was found wrong */
    unsigned feature_level, feature_level_offered;  /* the cluster's; what this node offers */
    bool disk_low;                                  /* growing writes are refused */
    uint64_t log_first_index;                       /* the log begins with this entry */
    uint64_t snapshots_sending, snapshots_received; /* now; since the start */
    bool snapshot_coming;

    /* who listens on this node */
    size_t pubsub_channels, pubsub_patterns, pubsub_shard_channels;

    /* a follower as a proxy */
    bool proxies;               /* raft-follower-mode proxy */
    size_t clients_via_members; /* of this node's clients those whom another member is a proxy for */
    size_t proxied_clients;     /* this node as a proxy: connections to the leader, a client's each */
    uint64_t proxied_requests, proxied_repeated, proxied_settled,
        proxied_in_doubt; /* since the start: passed on; of them again, to another leader; answered from the log; with -INDOUBT */
    uint64_t proxy_dials; /* connections to a leader begun, since the start */

    /* bounds that the judgement needs */
    unsigned election_timeout_ms, clock_skew_max_ms;
};

/* The member with this id; NULL when there is none. */
const struct report_member *report_member(const struct report *report, uint64_t id);
/* This node among the members; NULL while it is none. */
const struct report_member *report_self(const struct report *report);
/* The one leader that MOVED, CLUSTER, ROLE and INFO speak of; NULL before the first. */
const struct report_member *report_known_leader(const struct report *report);
const char *report_state_name(enum report_state state); /* "loading" ... */
const char *report_role_name(enum report_role role);    /* "pre-candidate" ... */
const char *report_link_name(enum report_link link);    /* "self" "up" "connecting" "down" */

#endif
