/* SPDX-License-Identifier: MIT */
/*
 * Configuration: redis.conf's syntax and names where Redis has the directive, `raft-` for Raft's own. One table (conf.c)
 * says for each directive its type, default, bounds, unit, whether CONFIG SET may change it, and one line of help.
 */
#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "data/events.h"
#include "logger.h"

enum {
    CONF_WHY_MAX = 1024,
    CONF_TEXT_MAX = 512,
    CONF_BINDS_MAX = 16,
    CONF_NODES_MAX = 64,
    CONF_JOINS_MAX = 8,
    CONF_HOST_MAX = 256,
    CONF_IGNORED_MAX = 192,
};

enum conf_consistency { CONF_LINEARIZABLE, CONF_LEASE, CONF_STALE };
enum conf_follower_mode { CONF_REDIRECT, CONF_PROXY };
enum conf_ring { CONF_RING_AUTO, CONF_RING_YES, CONF_RING_NO };
enum conf_eviction {
    CONF_VOLATILE_LRU,
    CONF_VOLATILE_LFU,
    CONF_VOLATILE_RANDOM,
    CONF_VOLATILE_TTL,
    CONF_ALLKEYS_LRU,
    CONF_ALLKEYS_LFU,
    CONF_ALLKEYS_RANDOM,
    CONF_NOEVICTION,
};

/* raft-node <id> <host>:<port> */
struct conf_node {
    uint64_t id;
    char host[CONF_HOST_MAX];
    unsigned port;
};

/* client-output-buffer-limit <class> <hard> <soft> <seconds> */
struct conf_output_limit {
    uint64_t hard_bytes, soft_bytes, soft_s;
};

struct conf {
    char file[CONF_TEXT_MAX]; /* absolute path; "" when none was given */

    /* Redis's */
    unsigned port;
    char bind[CONF_BINDS_MAX][CONF_HOST_MAX]; /* numeric (`*` has become 0.0.0.0); "-" before it: may fail */
    size_t bind_count;
    bool protected_mode;
    unsigned tcp_backlog;
    uint64_t timeout_s;
    uint64_t tcp_keepalive_s;
    enum conf_ring io_uring;
    uint64_t clients_max;
    uint64_t query_buffer_max, bulk_max;
    struct conf_output_limit output_normal, output_replica, output_pubsub;
    char requirepass[CONF_TEXT_MAX];
    char dir[CONF_TEXT_MAX];
    char backup_dir[CONF_TEXT_MAX]; /* "": no backups */
    char logfile[CONF_TEXT_MAX];
    enum log_level loglevel;
    char pidfile[CONF_TEXT_MAX];
    unsigned databases;
    uint64_t maxmemory;
    enum conf_eviction maxmemory_policy;
    unsigned maxmemory_samples,
        maxmemory_tenacity; /* keys drawn for each victim; what the second says has no effect */
    uint64_t hash_compact_entries, hash_compact_bytes; /* hash-max-listpack-entries, -value */
    uint64_t set_compact_entries;                      /* set-max-intset-entries */
    uint64_t zset_compact_entries, zset_compact_bytes; /* zset-max-listpack-entries, -value */
    unsigned lfu_log_factor;
    uint64_t lfu_decay_minutes; /* lfu-decay-time */
    int64_t slowlog_slower_us;  /* slowlog-log-slower-than; -1: nothing is logged */
    uint64_t slowlog_length_max;
    uint64_t latency_threshold_ms;     /* latency-monitor-threshold; 0: nothing is watched */
    unsigned notify_events;            /* notify-keyspace-events: bits of enum event_class */
    char announce_host[CONF_HOST_MAX]; /* cluster-announce-ip */
    unsigned announce_port;            /* cluster-announce-port; 0: port */
    unsigned sentinel_port;            /* 0: Sentinel's protocol is not spoken */
    char sentinel_master_name[CONF_TEXT_MAX], sentinel_requirepass[CONF_TEXT_MAX];

    /* Raft's */
    uint64_t raft_id;
    struct conf_node nodes[CONF_NODES_MAX]; /* raft-node: initial members, the same in every file */
    size_t node_count;
    struct conf_node
        joins[CONF_JOINS_MAX]; /* raft-join: members of the cluster that is to take this node in */
    size_t join_count;
    char cluster_name[CONF_TEXT_MAX];
    char secret_file[CONF_TEXT_MAX];
    unsigned election_timeout_ms, heartbeat_ms;
    unsigned hold_ms;      /* raft-hold-time: of members on one machine; 0: all are sent everything at once */
    unsigned gather_us;    /* raft-gather-time: that entries wait for who was just answered; 0: they do not */
    unsigned busy_poll_us; /* raft-busy-poll-time: that loop and log wait awake; 0: they sleep at once */
    unsigned stall_timeout_ms; /* 0: a stall is no reason to hand over */
    enum conf_consistency read_consistency;
    bool leases; /* see conf_leases */
    enum conf_follower_mode follower_mode;
    uint64_t entry_bytes_max; /* raft-entry-max-size: a log entry, and so a command */
    uint64_t uncommitted_bytes_max;
    uint64_t checkpoint_log_bytes; /* a checkpoint is made when the log is so large ... */
    uint64_t checkpoint_entries;   /* ... or has so many entries behind the last one */
    uint64_t
        checkpoint_rate; /* bytes of it a second, while nothing presses; 0: as fast as the disk takes them */
    uint64_t audit_interval_s;  /* between comparisons of the replicas' states; 0: never */
    unsigned feature_level_max; /* what this member offers at most (level.h); 0: what it knows */
    uint64_t disk_reserve;      /* bytes free below which growing writes are refused; 0: none */
    uint64_t log_cache_bytes;   /* raft-log-cache-size: tail of the log kept in memory */
    unsigned clock_skew_max_ms;
    unsigned outcome_timeout_ms; /* how long a write of a lost leader waits for its outcome before -INDOUBT */

    /* Redis's directives that were given and mean nothing here: rows of the table, see conf_warnings. */
    uint16_t ignored[CONF_IGNORED_MAX];
    size_t ignored_count;
};

/* Everything at its default. */
void conf_init(struct conf *conf);
/*
 * Reads a file (path NULL: none; "-": standard input) and then the command line's `--directive value ...` on top; raft-node lines
 * there replace all of the file's. False, with file, line, the line itself and the reason in `why` (three lines, to be printed below
 * "*** FATAL CONFIG FILE ERROR ***"), at the first error; also checks what only the whole can show (raft-id names one of
 * the raft-node lines, a secret where an address is not loopback ...). Not the file system beyond the files it reads.
 */
bool conf_load(struct conf *conf, const char *path, int argc, char *const *argv, char why[CONF_WHY_MAX]);

/* What is accepted but should be said at start, a line each: directives of Redis that mean nothing here, an even number of
 * members, a port that is not the one peers dial. */
void conf_warnings(const struct conf *conf, void (*each)(void *context, const char *text), void *context);

/* Whether this member keeps the promises that lease reads stand on: it was told so, or it is to read by leases itself. To be asked
 * once, at start. */
bool conf_leases(const struct conf *conf);

/* host:port or [v6]:port into node's host and port. */
bool conf_read_address(const char *word, struct conf_node *node);
/* Members talk to this host in the open, and there is no secret by which they would know each other. */
bool conf_lacks_secret(const struct conf *conf, const char *host);
/* Where peers dial this node, as far as its configuration tells: "" when it does not. */
void conf_own_address(const struct conf *conf, char *address, size_t size);

/* As it stands in a file. */
const char *conf_eviction_name(enum conf_eviction policy);

/* Every directive with its default and one line of help, for `redraft --help`. */
void conf_help(FILE *out);

/* CONFIG GET: calls `each` for every directive whose name matches one of the glob patterns, sorted by name. Secrets are shown as Redis does. */
void conf_get(const struct conf *conf, const char *const *patterns, size_t count,
              void (*each)(void *context, const char *name, const char *value), void *context);

enum conf_set_result { CONF_SET_OK, CONF_SET_UNKNOWN, CONF_SET_IMMUTABLE, CONF_SET_INVALID };
/* CONFIG REWRITE: writes what CONFIG SET (or the command line) made different from conf->file into that file: over the
 * directive's last line, or at the end; everything else stays. False with the reason in `why`; the file is then as it was. */
bool conf_rewrite(const struct conf *conf, char why[CONF_WHY_MAX]);

/* CONFIG SET of one directive on a running server. Anything but OK leaves `conf` as it was; the reason is in `why` in Redis's words. */
enum conf_set_result conf_set(struct conf *conf, const char *name, const char *value, char why[CONF_WHY_MAX]);

#endif
