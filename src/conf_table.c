/* SPDX-License-Identifier: MIT */
/* The directives, a row each: what each column means stands in conf_table.h. conf/node1.conf gives the reasons at length. */
#include "conf_table.h"

#include <stddef.h>
#include <strings.h>

#define FIELD(name) offsetof(struct conf, name), sizeof(((struct conf *)0)->name)
#define MB          (1024ull * 1024)

enum { INT_LARGEST = 2147483647 };

static const char *const levels[] = {"debug", "verbose", "notice", "warning", NULL};
static const char *const policies[] = {[CONF_VOLATILE_LRU] = "volatile-lru",
                                       [CONF_VOLATILE_LFU] = "volatile-lfu",
                                       [CONF_VOLATILE_RANDOM] = "volatile-random",
                                       [CONF_VOLATILE_TTL] = "volatile-ttl",
                                       [CONF_ALLKEYS_LRU] = "allkeys-lru",
                                       [CONF_ALLKEYS_LFU] = "allkeys-lfu",
                                       [CONF_ALLKEYS_RANDOM] = "allkeys-random",
                                       [CONF_NOEVICTION] = "noeviction",
                                       [CONF_NOEVICTION + 1] = NULL};
static const char *const consistencies[] = {"linearizable", "lease", "stale", NULL};
static const char *const rings[] = {
    [CONF_RING_AUTO] = "auto", [CONF_RING_YES] = "yes", [CONF_RING_NO] = "no", [CONF_RING_NO + 1] = NULL};
static const char *const follower_modes[] = {"redirect", "proxy", NULL};

/* clang-format off */
const struct conf_directive conf_directives[] = {
    /* name, type, field, flags, min, max, choices, default, help */
    {"port", CONF_NUMBER, FIELD(port), 0, 1, 65535, NULL, "6379",
     "clients and peers connect here"},
    {"bind", CONF_BIND, FIELD(bind), 0, 0, 0, NULL, "127.0.0.1",
     "addresses to listen on; * is all; \"-\" before one: it may be missing"},
    {"protected-mode", CONF_YESNO, FIELD(protected_mode), CONF_LIVE, 0, 0, NULL, "yes",
     "without a password, clients of other machines are refused"},
    {"requirepass", CONF_TEXT, FIELD(requirepass), CONF_LIVE, 0, 0, NULL, "\"\"",
     "password that clients must give with AUTH"},
    {"tcp-backlog", CONF_NUMBER, FIELD(tcp_backlog), 0, 0, INT_LARGEST, NULL, "511",
     "connections that may wait to be accepted"},
    {"timeout", CONF_NUMBER, FIELD(timeout_s), CONF_LIVE, 0, INT_LARGEST, NULL, "0",
     "seconds after which an idle client is closed; 0: never"},
    {"tcp-keepalive", CONF_NUMBER, FIELD(tcp_keepalive_s), CONF_LIVE, 0, INT_LARGEST, NULL, "300",
     "seconds between probes of a silent connection; 0: none"},
    {"io-uring", CONF_CHOICE, FIELD(io_uring), CONF_LIVE, 0, 0, rings, "auto",
     "many reads and writes of clients in one system call, where the kernel allows it: yes, no or auto: where it pays"},
    {"maxclients", CONF_NUMBER, FIELD(clients_max), CONF_LIVE, 1, 4294967295u, NULL, "10000",
     "clients at once; peers are not counted"},
    {"client-query-buffer-limit", CONF_MEMORY, FIELD(query_buffer_max), CONF_LIVE, MB, INT64_MAX, NULL, "1gb",
     "bytes of one client's commands not yet run"},
    {"proto-max-bulk-len", CONF_MEMORY, FIELD(bulk_max), CONF_LIVE, MB, 512 * MB, NULL, "512mb",
     "bytes of one argument"},
    {"client-output-buffer-limit", CONF_OUTPUT_LIMIT, FIELD(output_normal), CONF_LIVE, 0, 0, NULL,
     "normal 256mb 64mb 60 replica 256mb 64mb 60 pubsub 32mb 8mb 60",
     "class, hard limit, soft limit, seconds: of replies a client does not read"},
    {"dir", CONF_TEXT, FIELD(dir), 0, 0, 0, NULL, "./data",
     "where the data is kept"},
    {"backup-dir", CONF_TEXT, FIELD(backup_dir), 0, 0, 0, NULL, "\"\"",
     "where RAFT.BACKUP puts its files; \"\": it is refused"},
    {"logfile", CONF_TEXT, FIELD(logfile), 0, 0, 0, NULL, "\"\"",
     "where the log goes; \"\" is standard output"},
    {"loglevel", CONF_CHOICE, FIELD(loglevel), CONF_LIVE, 0, 0, levels, "notice",
     "debug, verbose, notice or warning"},
    {"pidfile", CONF_TEXT, FIELD(pidfile), 0, 0, 0, NULL, "\"\"",
     "holds the process id while the server runs; \"\": none"},
    {"databases", CONF_NUMBER, FIELD(databases), 0, 1, 16384, NULL, "16",
     "databases that SELECT knows; the same on every member"},
    {"maxmemory", CONF_MEMORY, FIELD(maxmemory), CONF_LIVE, 0, INT64_MAX, NULL, "0",
     "bytes of keys and values beyond which maxmemory-policy acts; 0: no limit"},
    {"maxmemory-policy", CONF_CHOICE, FIELD(maxmemory_policy), CONF_LIVE, 0, 0, policies, "noeviction",
     "which keys go at maxmemory: (allkeys|volatile)-(lru|lfu|random), volatile-ttl; noeviction: none, growing writes get -OOM"},
    {"maxmemory-samples", CONF_NUMBER, FIELD(maxmemory_samples), CONF_LIVE, 1, INT_LARGEST, NULL, "5",
     "keys drawn for each that goes: more of them choose better, and take longer"},
    {"maxmemory-eviction-tenacity", CONF_NUMBER, FIELD(maxmemory_tenacity), CONF_LIVE, 0, 100, NULL, "10",
     "accepted and without effect: growing writes wait until there is room"},
    {"hash-max-listpack-entries", CONF_NUMBER, FIELD(hash_compact_entries), CONF_LIVE, 0, INT64_MAX, NULL, "512",
     "fields up to which OBJECT ENCODING calls a hash a listpack here; as all of these it changes the name only"},
    {"hash-max-listpack-value", CONF_NUMBER, FIELD(hash_compact_bytes), CONF_LIVE, 0, INT64_MAX, NULL, "64",
     "bytes of a field or value up to which it does"},
    {"set-max-intset-entries", CONF_NUMBER, FIELD(set_compact_entries), CONF_LIVE, 0, INT64_MAX, NULL, "512",
     "members up to which OBJECT ENCODING calls a set of integers an intset"},
    {"zset-max-listpack-entries", CONF_NUMBER, FIELD(zset_compact_entries), CONF_LIVE, 0, INT64_MAX, NULL, "128",
     "members up to which OBJECT ENCODING calls a sorted set a listpack"},
    {"zset-max-listpack-value", CONF_NUMBER, FIELD(zset_compact_bytes), CONF_LIVE, 0, INT64_MAX, NULL, "64",
     "bytes of a member up to which it does"},
    {"lfu-log-factor", CONF_NUMBER, FIELD(lfu_log_factor), CONF_LIVE, 0, INT_LARGEST, NULL, "10",
     "how much more uses of a key it takes to count one more, the more there were"},
    {"lfu-decay-time", CONF_NUMBER, FIELD(lfu_decay_minutes), CONF_LIVE, 0, INT_LARGEST, NULL, "1",
     "minutes after which a key's count of uses loses one; 0: never"},
    {"slowlog-log-slower-than", CONF_SIGNED, FIELD(slowlog_slower_us), CONF_LIVE, 0, INT64_MAX, NULL, "10000",
     "microseconds from which on SLOWLOG keeps a command; -1: none"},
    {"slowlog-max-len", CONF_NUMBER, FIELD(slowlog_length_max), CONF_LIVE, 0, INT64_MAX, NULL, "128",
     "commands that SLOWLOG keeps"},
    {"latency-monitor-threshold", CONF_NUMBER, FIELD(latency_threshold_ms), CONF_LIVE, 0, INT64_MAX, NULL, "0",
     "milliseconds from which on LATENCY notes what took long; 0: nothing"},
    {"notify-keyspace-events", CONF_EVENTS, FIELD(notify_events), CONF_LIVE, 0, 0, NULL, "\"\"",
     "changes of keys that this node publishes to its own listeners: letters, as in Redis"},
    {"cluster-announce-ip", CONF_TEXT, FIELD(announce_host), CONF_LIVE | CONF_NAME, 0, 0, NULL, "\"\"",
     "host that clients are told; \"\": that of this member's raft-node line"},
    {"cluster-announce-port", CONF_NUMBER, FIELD(announce_port), CONF_LIVE, 0, 65535, NULL, "0",
     "port that clients are told; 0: port"},
    {"sentinel-port", CONF_NUMBER, FIELD(sentinel_port), 0, 0, 65535, NULL, "0",
     "clients that know Redis Sentinel ask here for the leader; 0: they cannot"},
    {"sentinel-master-name", CONF_TEXT, FIELD(sentinel_master_name), CONF_NAME, 0, 0, NULL, "mymaster",
     "what they call the leader; the same on every member"},
    {"sentinel-requirepass", CONF_TEXT, FIELD(sentinel_requirepass), 0, 0, 0, NULL, "\"\"",
     "password that they must give with AUTH on that port; \"\": none"},

    {"raft-id", CONF_NUMBER, FIELD(raft_id), 0, 1, INT64_MAX, NULL, "1",
     "which of the members this one is"},
    {"raft-node", CONF_RAFT_NODE, FIELD(nodes), 0, 0, 0, NULL, NULL,
     "id host:port of an initial member; a line each, the same on every member"},
    {"raft-join", CONF_JOIN, FIELD(joins), 0, 0, 0, NULL, "\"\"",
     "host:port of a member of the cluster that is to take this new node in (RAFT.NODE ADD); each line adds one"},
    {"raft-cluster-name", CONF_TEXT, FIELD(cluster_name), CONF_NAME, 0, 0, NULL, "redraft",
     "members of clusters with different names refuse each other"},
    {"raft-secret-file", CONF_TEXT, FIELD(secret_file), 0, 0, 0, NULL, "\"\"",
     "file with the secret that members share; needed off loopback"},
    {"raft-election-timeout", CONF_NUMBER, FIELD(election_timeout_ms), 0, 50, 600000, NULL, "600",
     "ms of silence after which a leader is replaced"},
    {"raft-heartbeat-interval", CONF_NUMBER, FIELD(heartbeat_ms), 0, 5, 60000, NULL, "100",
     "ms between a leader's signs of life"},
    {"raft-hold-time", CONF_NUMBER, FIELD(hold_ms), CONF_LIVE, 0, 1000, NULL, "20",
     "on one machine: ms that entries wait before they go to members whom a majority can do without, and reads share rounds; 0: neither"},
    {"raft-gather-time", CONF_NUMBER, FIELD(gather_us), CONF_LIVE, 0, 10000, NULL, "1000",
     "us that a leader's entry waits for the next writes of those who were just answered, where they came that soon lately; 0: it does not"},
    {"raft-busy-poll-time", CONF_NUMBER, FIELD(busy_poll_us), CONF_LIVE, 0, 10000, NULL, "300",
     "us that loop and log stay awake when they have nothing to do, where work came that soon lately; 0: they sleep"},
    {"raft-stall-timeout", CONF_NUMBER, FIELD(stall_timeout_ms), CONF_LIVE, 0, 600000, NULL, "1000",
     "ms that a leader's disk or loop may stand still before it hands over; 0: for ever"},
    {"raft-read-consistency", CONF_CHOICE, FIELD(read_consistency), CONF_LIVE, 0, 0, consistencies, "linearizable",
     "what a read stands on: linearizable (a round), lease (time) or stale (nothing)"},
    {"raft-leases", CONF_YESNO, FIELD(leases), 0, 0, 0, NULL, "no",
     "make leases possible; the same on every member; yes also follows from raft-read-consistency lease"},
    {"raft-follower-mode", CONF_CHOICE, FIELD(follower_mode), CONF_LIVE, 0, 0, follower_modes, "redirect",
     "what a follower does with commands: redirect (-MOVED to the leader) or proxy (asks it itself)"},
    {"raft-entry-max-size", CONF_MEMORY, FIELD(entry_bytes_max), 0, 4096, 512 * MB, NULL, "64mb",
     "bytes of one log entry, and so of one command"},
    {"raft-uncommitted-max-size", CONF_MEMORY, FIELD(uncommitted_bytes_max), 0, 4096, INT64_MAX, NULL, "256mb",
     "bytes on their way to a majority before clients are not read"},
    {"raft-log-cache-size", CONF_MEMORY, FIELD(log_cache_bytes), 0, 4096, INT64_MAX, NULL, "64mb",
     "bytes of the log's end that stay in memory while members lack them; of what all have, a 16th of it"},
    {"raft-checkpoint-log-size", CONF_MEMORY, FIELD(checkpoint_log_bytes), CONF_LIVE, 4096, INT64_MAX, NULL, "128mb",
     "bytes of the log, as entries or on the disk, after which the state is written to disk and the log cut"},
    {"raft-checkpoint-entries", CONF_NUMBER, FIELD(checkpoint_entries), CONF_LIVE, 1, INT64_MAX, NULL, "1000000",
     "entries after which the state is written to disk and the log cut"},
    {"raft-checkpoint-rate", CONF_MEMORY, FIELD(checkpoint_rate), CONF_LIVE, 0, INT64_MAX, NULL, "24mb",
     "bytes a second at which that is written, more when log or memory would grow too far; 0: no limit"},
    {"raft-audit-interval", CONF_NUMBER, FIELD(audit_interval_s), CONF_LIVE, 0, INT_LARGEST, NULL, "60",
     "seconds between comparisons of the members' states; 0: none are made"},
    {"raft-feature-level-max", CONF_NUMBER, FIELD(feature_level_max), 0, 0, 4294967295u, NULL, "0",
     "feature level that this member offers at most; 0: the newest it knows"},
    {"raft-disk-reserve", CONF_MEMORY, FIELD(disk_reserve), CONF_LIVE, 0, INT64_MAX, NULL, "64mb",
     "bytes free on the disk below which growing writes get -MISCONF; 0: no reserve"},
    {"raft-max-clock-skew", CONF_NUMBER, FIELD(clock_skew_max_ms), 0, 1, 3600000, NULL, "500",
     "ms that a member's clock may be off the others' before it does not stand for leader"},
    {"raft-outcome-timeout", CONF_NUMBER, FIELD(outcome_timeout_ms), CONF_LIVE, 0, 600000, NULL, "5000",
     "ms that a write waits for its outcome before -INDOUBT"},
};
const size_t conf_directive_count = sizeof conf_directives / sizeof conf_directives[0];

#define SAVED "every acknowledged write is in the Raft log, on the disks of a majority"
#define REPLICATED "replication and fail-over are Raft's"
#define SHARD "the group is one shard of a cluster, led by Raft"
#define ENCODED "values have no such encoding here"
#define RENAMED "its name is -listpack- since Redis 7"
#define ONE_LOOP "memory is freed in slices of the one loop"
#define RUN_BY "it runs in the foreground, under whatever supervises it"
#define OWN_LOG "it has its own log, see logfile"
#define NOT_MEASURED "nothing like it is measured or traced here"
#define NO_FEATURE "the feature is not there"
#define SYSTEM "the process leaves such settings of the system alone"
#define RAFT_NODE "a cluster is made by raft-node lines: see conf/node1.conf"
#define NO_TLS "there is no TLS: connections would not be encrypted"
#define NO_ACL "there are no users but the default one: their permissions would not hold"
#define NO_MODULES "there are no modules"

const struct conf_foreign conf_foreign[] = {
    {"save", "", SAVED, false},
    {"appendonly", "yes", SAVED, false},
    {"appendfsync", "always", SAVED, false},
    {"appendfilename", NULL, SAVED, false},
    {"appenddirname", NULL, SAVED, false},
    {"no-appendfsync-on-rewrite", "no", SAVED, false},
    {"auto-aof-rewrite-percentage", NULL, SAVED, false},
    {"auto-aof-rewrite-min-size", NULL, SAVED, false},
    {"aof-load-truncated", NULL, SAVED, false},
    {"aof-use-rdb-preamble", NULL, SAVED, false},
    {"aof-timestamp-enabled", NULL, SAVED, false},
    {"aof-disable-auto-gc", NULL, SAVED, false},
    {"aof-rewrite-incremental-fsync", NULL, SAVED, false},
    {"rdb-save-incremental-fsync", NULL, SAVED, false},
    {"rdbcompression", NULL, SAVED, false},
    {"rdbchecksum", NULL, SAVED, false},
    {"rdb-del-sync-files", NULL, SAVED, false},
    {"dbfilename", NULL, SAVED, false},
    {"stop-writes-on-bgsave-error", NULL, SAVED, false},
    {"sanitize-dump-payload", NULL, SAVED, false},

    {"replica-serve-stale-data", NULL, REPLICATED, false},
    {"slave-serve-stale-data", NULL, REPLICATED, false},
    {"replica-read-only", "yes", REPLICATED, false},
    {"slave-read-only", "yes", REPLICATED, false},
    {"replica-priority", NULL, REPLICATED, false},
    {"slave-priority", NULL, REPLICATED, false},
    {"replica-lazy-flush", NULL, REPLICATED, false},
    {"slave-lazy-flush", NULL, REPLICATED, false},
    {"replica-ignore-maxmemory", NULL, REPLICATED, false},
    {"slave-ignore-maxmemory", NULL, REPLICATED, false},
    {"replica-ignore-disk-write-errors", NULL, REPLICATED, false},
    {"replica-announced", NULL, REPLICATED, false},
    {"replica-announce-ip", NULL, "see cluster-announce-ip", false},
    {"slave-announce-ip", NULL, "see cluster-announce-ip", false},
    {"replica-announce-port", NULL, "see cluster-announce-port", false},
    {"slave-announce-port", NULL, "see cluster-announce-port", false},
    {"repl-diskless-sync", NULL, REPLICATED, false},
    {"repl-diskless-sync-delay", NULL, REPLICATED, false},
    {"repl-diskless-sync-max-replicas", NULL, REPLICATED, false},
    {"repl-diskless-load", NULL, REPLICATED, false},
    {"repl-disable-tcp-nodelay", "no", REPLICATED, false},
    {"repl-ping-replica-period", NULL, REPLICATED, false},
    {"repl-ping-slave-period", NULL, REPLICATED, false},
    {"repl-timeout", NULL, REPLICATED, false},
    {"repl-backlog-size", NULL, REPLICATED, false},
    {"repl-backlog-ttl", NULL, REPLICATED, false},
    {"min-replicas-to-write", "0", REPLICATED, false},
    {"min-slaves-to-write", "0", REPLICATED, false},
    {"min-replicas-max-lag", NULL, REPLICATED, false},
    {"min-slaves-max-lag", NULL, REPLICATED, false},
    {"masterauth", NULL, "members know each other by raft-secret-file", false},
    {"masteruser", NULL, "members know each other by raft-secret-file", false},
    {"propagation-error-behavior", NULL, REPLICATED, false},

    {"cluster-enabled", "yes", SHARD, false},
    {"cluster-config-file", NULL, SHARD, false},
    {"cluster-node-timeout", NULL, "see raft-election-timeout", false},
    {"cluster-port", NULL, "peers use the one port", false},
    {"cluster-announce-bus-port", "0", "peers use the one port", false},
    {"cluster-announce-tls-port", "0", NO_FEATURE, false},
    {"cluster-announce-hostname", "", NO_FEATURE, false},
    {"cluster-preferred-endpoint-type", "ip", NO_FEATURE, false},
    {"cluster-replica-validity-factor", NULL, SHARD, false},
    {"cluster-slave-validity-factor", NULL, SHARD, false},
    {"cluster-replica-no-failover", "no", SHARD, false},
    {"cluster-slave-no-failover", "no", SHARD, false},
    {"cluster-migration-barrier", NULL, SHARD, false},
    {"cluster-allow-replica-migration", NULL, SHARD, false},
    {"cluster-require-full-coverage", "yes", SHARD, false},
    {"cluster-allow-reads-when-down", "no", SHARD, false},
    {"cluster-allow-pubsubshard-when-down", NULL, SHARD, false},
    {"cluster-link-sendbuf-limit", NULL, SHARD, false},

    {"list-max-listpack-size", NULL, ENCODED, false},
    {"hash-max-ziplist-entries", NULL, RENAMED, false},
    {"hash-max-ziplist-value", NULL, RENAMED, false},
    {"zset-max-ziplist-entries", NULL, RENAMED, false},
    {"zset-max-ziplist-value", NULL, RENAMED, false},
    {"list-max-ziplist-size", NULL, ENCODED, false},
    {"list-compress-depth", NULL, ENCODED, false},
    {"hll-sparse-max-bytes", NULL, ENCODED, false},
    {"stream-node-max-bytes", NULL, ENCODED, false},
    {"stream-node-max-entries", NULL, ENCODED, false},

    {"lazyfree-lazy-eviction", NULL, ONE_LOOP, false},
    {"lazyfree-lazy-expire", NULL, ONE_LOOP, false},
    {"lazyfree-lazy-server-del", NULL, ONE_LOOP, false},
    {"lazyfree-lazy-user-del", NULL, ONE_LOOP, false},
    {"lazyfree-lazy-user-flush", NULL, ONE_LOOP, false},
    {"activerehashing", NULL, ONE_LOOP, false},
    {"activedefrag", "no", ONE_LOOP, false},
    {"active-defrag-cycle-min", NULL, ONE_LOOP, false},
    {"active-defrag-cycle-max", NULL, ONE_LOOP, false},
    {"active-defrag-ignore-bytes", NULL, ONE_LOOP, false},
    {"active-defrag-max-scan-fields", NULL, ONE_LOOP, false},
    {"active-defrag-threshold-lower", NULL, ONE_LOOP, false},
    {"active-defrag-threshold-upper", NULL, ONE_LOOP, false},
    {"jemalloc-bg-thread", NULL, ONE_LOOP, false},
    {"active-expire-effort", NULL, "every key expires at its time; none are sampled", false},
    {"hz", NULL, "timers fire when they are due, not at a rate", false},
    {"dynamic-hz", NULL, "timers fire when they are due, not at a rate", false},
    {"io-threads", "1", "one loop serves all clients", false},
    {"io-threads-do-reads", "no", "one loop serves all clients", false},
    {"maxmemory-clients", "0", "see client-output-buffer-limit", false},

    {"daemonize", "no", RUN_BY, false},
    {"supervised", "no", RUN_BY, false},
    {"always-show-logo", "no", OWN_LOG, false},
    {"set-proc-title", "no", RUN_BY, false},
    {"proc-title-template", NULL, RUN_BY, false},
    {"syslog-enabled", "no", OWN_LOG, false},
    {"syslog-ident", NULL, OWN_LOG, false},
    {"syslog-facility", NULL, OWN_LOG, false},
    {"crash-log-enabled", NULL, OWN_LOG, false},
    {"crash-memcheck-enabled", NULL, OWN_LOG, false},
    {"shutdown-timeout", NULL, RUN_BY, false},
    {"shutdown-on-sigint", "default", RUN_BY, false},
    {"shutdown-on-sigterm", "default", RUN_BY, false},
    {"oom-score-adj", "no", SYSTEM, false},
    {"oom-score-adj-values", NULL, SYSTEM, false},
    {"disable-thp", NULL, SYSTEM, false},
    {"server_cpulist", "", SYSTEM, false},
    {"bio_cpulist", "", SYSTEM, false},
    {"aof_rewrite_cpulist", "", SYSTEM, false},
    {"bgsave_cpulist", "", SYSTEM, false},
    {"socket-mark-id", "0", SYSTEM, false},
    {"bind-source-addr", "", SYSTEM, false},
    {"ignore-warnings", "", SYSTEM, false},

    {"latency-tracking", "no", NOT_MEASURED, false},
    {"latency-tracking-info-percentiles", NULL, NOT_MEASURED, false},
    {"tracking-table-max-keys", NULL, NO_FEATURE, false},
    {"lua-time-limit", NULL, NO_FEATURE, false},
    {"busy-reply-threshold", NULL, NO_FEATURE, false},
    {"acllog-max-len", NULL, NO_FEATURE, false},
    {"acl-pubsub-default", NULL, NO_FEATURE, false},
    {"enable-protected-configs", "no", NO_FEATURE, false},
    {"enable-debug-command", "no", NO_FEATURE, false},
    {"enable-module-command", "no", NO_FEATURE, false},
    {"unixsocketperm", NULL, NO_FEATURE, false},

    {"replicaof", "", RAFT_NODE, true},
    {"slaveof", "", RAFT_NODE, true},
    {"tls-port", "0", NO_TLS, true},
    {"tls-replication", "no", NO_TLS, true},
    {"tls-cluster", "no", NO_TLS, true},
    {"aclfile", "", NO_ACL, true},
    {"user", NULL, NO_ACL, true},
    {"rename-command", NULL, "commands keep their names: what is to be hidden would be open", true},
    {"unixsocket", "", "it listens on TCP only: see bind and port", true},
    {"loadmodule", NULL, NO_MODULES, true},
};
const size_t conf_foreign_count = sizeof conf_foreign / sizeof conf_foreign[0];
/* clang-format on */

_Static_assert(sizeof conf_foreign / sizeof conf_foreign[0] <= CONF_IGNORED_MAX, "each can be ignored once");

const char *conf_eviction_name(enum conf_eviction policy) {
    return policies[policy];
}

const struct conf_directive *conf_find(const char *name) {
    for (size_t i = 0; i < conf_directive_count; i++)
        if (strcasecmp(conf_directives[i].name, name) == 0)
            return &conf_directives[i];
    return NULL;
}

const struct conf_foreign *conf_find_foreign(const char *name) {
    for (size_t i = 0; i < conf_foreign_count; i++)
        if (strcasecmp(conf_foreign[i].name, name) == 0)
            return &conf_foreign[i];
    return NULL;
}
