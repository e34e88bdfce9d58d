/* SPDX-License-Identifier: MIT */
/*
 * The command table: one row a command, a table of its own for each container's subcommands. The columns, in their order:
 *
 *      name         lower case; of a subcommand "container|name"
 *      arity        arguments with the name; -n: at least n
 *      flags        what the gate tests and COMMAND INFO tells: R W reads, writes; OOM may grow the keyspace; ADM admin; NOSCR not
 *                   from a script; LOAD answered while loading; STALE answered without a leader; FAST constant or logarithmic;
 *                   NOAUTH before AUTH; and ours: REPORT needs the report, SESSIONS needs all sessions; LATER
 *                   may be answered later
 *      keys         first, last (-1: to the end), step; 0 0 0: none
 *      run          over the keyspace, or NULL
 *      session      over the session, or NULL
 *      subcommands  of a container, or NULL
 *      summary since group complexity   COMMAND DOCS; since: the version of Redis, or of redraft, that brought it
 *      categories   beyond those that the flags imply
 *      tips, keys   COMMAND INFO; NULL when empty
 *
 * A row over the keyspace with neither R nor W (TIME, CLUSTER COUNTKEYSINSLOT) is answered from what this node holds now.
 */
#include "rows.h"

#include <stddef.h>

#include "families.h"
#include "row_words.h"
#include "scripts.h"
#include "sessions.h"
#include "transactions.h"

/* What is done with the keys. */
KEYS(key_ro, {.flags = "RO"});
KEYS(key_ro_access, {.flags = "RO access"});
KEYS(key_rw_access_update, {.flags = "RW access update"});
KEYS(key_rw_access_delete, {.flags = "RW access delete"});
KEYS(key_rw_update, {.flags = "RW update"});
KEYS(key_rw_insert, {.flags = "RW insert"});
KEYS(key_ow_insert, {.flags = "OW insert"});
KEYS(key_ow_update, {.flags = "OW update"});
KEYS(key_rw_delete, {.flags = "RW delete"});
KEYS(key_rm_delete, {.flags = "RM delete"});
KEYS(key_smove, {.flags = "RW access delete"}, {.flags = "RW insert"});
KEYS(key_sinterstore, {.flags = "RW update", .begin = 1, .last = 1},
     {.flags = "RO access", .begin = 2, .last = -1});
KEYS(key_set_store, {.flags = "OW update", .begin = 1, .last = 1},
     {.flags = "RO access", .begin = 2, .last = -1});
KEYS(key_counted, {.flags = "RO access", .count_at = 1});
KEYS(key_rangestore, {.flags = "OW update"}, {.flags = "RO access"});
KEYS(key_counted_ro_access, {.flags = "RO access", .count_at = 1});
KEYS(key_counted_store, {.flags = "OW update", .begin = 1, .last = 1}, {.flags = "RO access", .count_at = 2});
KEYS(key_rename, {.flags = "RW access delete"}, {.flags = "OW update"});
KEYS(key_renamenx, {.flags = "RW access delete"}, {.flags = "OW insert"});
KEYS(key_copy, {.flags = "RO access"}, {.flags = "OW update"});
KEYS(key_bitop, {.flags = "OW update"}, {.flags = "RO access", .begin = 3, .last = -1});
KEYS(key_getex, {.flags = "RW access update", .notes = "RW and UPDATE because it changes the TTL"});
KEYS(key_bitfield, {.flags = "RW access update variable_flags",
                    .notes = "This command allows both access and modification of the key"});
KEYS(key_set, {.flags = "RW access update variable_flags",
               .notes = "RW and ACCESS due to the optional `GET` argument"});

#define SCRIPT_KEYS "We cannot tell how the keys will be used so we assume the worst, "
KEYS(key_eval, {.flags = "RW access update", .notes = SCRIPT_KEYS "RW and UPDATE", .count_at = 2});
KEYS(key_evalsha, {.flags = "RW access update", .count_at = 2});
KEYS(key_eval_ro, {.flags = "RO access", .notes = SCRIPT_KEYS "RO and ACCESS", .count_at = 2});
KEYS(key_evalsha_ro, {.flags = "RO access", .count_at = 2});
KEYS(key_lmove, {.flags = "RW access delete"}, {.flags = "RW insert"});
KEYS(key_lmpop, {.flags = "RW access delete", .count_at = 1});
#define SORT_NAMES                                                                                           \
    {                                                                                                        \
        .flags = "RO access", .search = KEYS_IN_DATA,                                                        \
        .notes =                                                                                             \
            "For the optional BY/GET keyword. It is marked 'unknown' because the key names derive from "     \
            "the content of the key we sort"                                                                 \
    }
#define SORT_STORE                                                                                           \
    {                                                                                                        \
        .flags = "OW update", .search = KEYS_BEHIND_STORE,                                                   \
        .notes = "For the optional STORE keyword. It is marked 'unknown' because the keyword can appear "    \
                 "anywhere in the argument array"                                                            \
    }
KEYS(key_sort, {.flags = "RO access"}, SORT_NAMES, SORT_STORE);
KEYS(key_sort_ro, {.flags = "RO access"}, SORT_NAMES);

/* What a client that spreads requests over shards should know. */
TIPS(tip_random, "nondeterministic_output");
TIPS(tip_order, "nondeterministic_output_order");
TIPS(tip_split, "request_policy:multi_shard");
TIPS(tip_split_ok, "request_policy:multi_shard", "response_policy:all_succeeded");
TIPS(tip_split_sum, "request_policy:multi_shard", "response_policy:agg_sum");
TIPS(tip_split_min, "request_policy:multi_shard", "response_policy:agg_min");
TIPS(tip_all_ok, "request_policy:all_shards", "response_policy:all_succeeded");
TIPS(tip_all_sum, "request_policy:all_shards", "response_policy:agg_sum");
TIPS(tip_all_order, "request_policy:all_shards", "nondeterministic_output_order");
TIPS(tip_all_random, "request_policy:all_shards", "nondeterministic_output");
TIPS(tip_nodes_ok, "request_policy:all_nodes", "response_policy:all_succeeded");
TIPS(tip_scan, "nondeterministic_output", "request_policy:special");
TIPS(tip_nodes_report, "nondeterministic_output", "request_policy:all_nodes", "response_policy:special");
TIPS(tip_slowlog, "request_policy:all_nodes", "nondeterministic_output");
TIPS(tip_slowlog_len, "request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output");
TIPS(tip_report, "nondeterministic_output", "request_policy:all_shards", "response_policy:special");
TIPS(tip_info, "nondeterministic_output", "request_policy:all_shards", "response_policy:special");

/* clang-format off */

static const struct command client_rows[] = {
    {"client|getname", 2, ANYTIME, NO_KEYS, NULL, session_client_getname, NULL,
     "Tells the connection's name.", "2.6.9", "connection", "O(1)", CONN, NULL, NULL},
    {"client|help", 2, LOAD | STALE, NO_KEYS, NULL, session_help, NULL,
     "Lists the subcommands.", "5.0.0", "connection", "O(1)", CONN, NULL, NULL},
    {"client|id", 2, ANYTIME, NO_KEYS, NULL, session_client_id, NULL,
     "Tells the connection's number.", "5.0.0", "connection", "O(1)", CONN, NULL, NULL},
    {"client|info", 2, ANYTIME | SESSIONS, NO_KEYS, NULL, session_client_info, NULL,
     "Describes this connection.", "6.2.0", "connection", "O(N) in connections", CONN, tip_random, NULL},
    {"client|kill", -3, ADM | ANYTIME | SESSIONS, NO_KEYS, NULL, session_client_kill, NULL,
     "Closes connections of clients.", "2.4.0", "connection", "O(N) in connections", CONN, NULL, NULL},
    {"client|list", -2, ADM | ANYTIME | SESSIONS, NO_KEYS, NULL, session_client_list, NULL,
     "Describes the connections.", "2.4.0", "connection", "O(N) in connections", CONN, tip_random, NULL},
    {"client|no-evict", 3, ADM | ANYTIME, NO_KEYS, NULL, session_client_no_evict, NULL,
     "Exempts this connection from being closed to save memory.", "7.0.0", "connection", "O(1)", CONN, NULL, NULL},
    {"client|no-touch", 3, ANYTIME, NO_KEYS, NULL, session_client_no_touch, NULL,
     "Exempts this connection's reads from counting as a use of keys.", "7.2.0", "connection", "O(1)", CONN, NULL, NULL},
    {"client|reply", 3, ANYTIME, NO_KEYS, NULL, session_client_reply, NULL,
     "Turns replies on, off, or off for one command.", "3.2.0", "connection", "O(1)", CONN, NULL, NULL},
    {"client|setinfo", 4, ANYTIME, NO_KEYS, NULL, session_client_setinfo, NULL,
     "Tells the client library's name or version.", "7.2.0", "connection", "O(1)", CONN, NULL, NULL},
    {"client|setname", 3, ANYTIME, NO_KEYS, NULL, session_client_setname, NULL,
     "Names this connection.", "2.6.9", "connection", "O(1)", CONN, NULL, NULL},
    {"client|unblock", -3, ADM | ANYTIME, NO_KEYS, NULL, session_client_unblock, NULL,
     "Ends the wait of a client that is blocked.", "5.0.0", "connection", "O(1)", CONN, NULL, NULL},
    {0},
};

static const struct command raft_node_rows[] = {
    {"raft.node|add", 4, ADM | NOSCR | STALE | REPORT | LATER, NO_KEYS, NULL, session_raft_node_add, NULL,
     "Takes a new node in: it learns the log, then votes.", "0.3.0", "cluster", "O(N) in members", DANGER, NULL, NULL},
    {"raft.node|help", 2, LOAD | STALE, NO_KEYS, NULL, session_help, NULL,
     "Lists the subcommands.", "0.3.0", "cluster", "O(1)", 0, NULL, NULL},
    {"raft.node|list", 2, LOAD | STALE | REPORT, NO_KEYS, NULL, session_raft_node_list, NULL,
     "Describes the members, and those that were.", "0.3.0", "cluster", "O(N) in members", DANGER, NULL, NULL},
    {"raft.node|remove", 3, ADM | NOSCR | STALE | REPORT | LATER, NO_KEYS, NULL, session_raft_node_remove, NULL,
     "Removes a member for good.", "0.3.0", "cluster", "O(N) in members", DANGER, NULL, NULL},
    {"raft.node|set", 4, ADM | NOSCR | STALE | REPORT | LATER, NO_KEYS, NULL, session_raft_node_set, NULL,
     "Says where a member is now.", "0.3.0", "cluster", "O(N) in members", DANGER, NULL, NULL},
    {0},
};

static const struct command cluster_rows[] = {
    {"cluster|addslots", -3, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: one group serves every slot.", "3.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|addslotsrange", -4, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: one group serves every slot.", "7.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|bumpepoch", 2, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: the epoch is Raft's term.", "3.0.0", "cluster", "O(1)", 0, tip_random, NULL},
    {"cluster|count-failure-reports", 3, ADM | STALE, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: Raft keeps no such reports.", "3.0.0", "cluster", "O(1)", 0, tip_random, NULL},
    {"cluster|countkeysinslot", 3, STALE, NO_KEYS, cmd_cluster_countkeysinslot, NULL, NULL,
     "Counts the keys of a slot.", "3.0.0", "cluster", "O(N) in keys: there is no index by slot", 0, NULL, NULL},
    {"cluster|delslots", -3, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: one group serves every slot.", "3.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|delslotsrange", -4, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: one group serves every slot.", "7.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|failover", -2, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: Raft elects the leader.", "3.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|flushslots", 2, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: one group serves every slot.", "3.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|forget", 3, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: Raft keeps the list of members.", "3.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|getkeysinslot", 4, STALE, NO_KEYS, cmd_cluster_getkeysinslot, NULL, NULL,
     "Names keys of a slot.", "3.0.0", "cluster", "O(N) in keys: there is no index by slot", 0, tip_random, NULL},
    {"cluster|help", 2, LOAD | STALE, NO_KEYS, NULL, session_help, NULL,
     "Lists the subcommands.", "5.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|info", 2, STALE | REPORT, NO_KEYS, NULL, session_cluster_info, NULL,
     "Describes the state of the cluster.", "3.0.0", "cluster", "O(N) in members", 0, tip_random, NULL},
    {"cluster|keyslot", 3, STALE, NO_KEYS, NULL, session_cluster_keyslot, NULL,
     "Tells the slot of a key.", "3.0.0", "cluster", "O(N) in bytes of the key", 0, NULL, NULL},
    {"cluster|links", 2, STALE, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: RAFT.INFO describes the links.", "7.0.0", "cluster", "O(1)", 0, tip_random, NULL},
    {"cluster|meet", -4, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: Raft keeps the list of members.", "3.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|myid", 2, STALE | REPORT, NO_KEYS, NULL, session_cluster_myid, NULL,
     "Tells this node's id.", "3.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|nodes", 2, STALE | REPORT, NO_KEYS, NULL, session_cluster_nodes, NULL,
     "Describes the members, a line each.", "3.0.0", "cluster", "O(N) in members", 0, tip_random, NULL},
    {"cluster|replicas", 3, ADM | STALE | REPORT, NO_KEYS, NULL, session_cluster_replicas, NULL,
     "Describes the followers of the leader.", "5.0.0", "cluster", "O(N) in members", 0, tip_random, NULL},
    {"cluster|replicate", 3, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: every member follows the leader.", "3.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|reset", -2, ADM | STALE | NOSCR, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: Raft keeps the list of members.", "3.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|saveconfig", 2, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: Raft keeps the list of members.", "3.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|set-config-epoch", 3, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: the epoch is Raft's term.", "3.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|setslot", -4, REFUSED, NO_KEYS, NULL, session_cluster_refuse, NULL,
     "Refused: one group serves every slot.", "3.0.0", "cluster", "O(1)", 0, NULL, NULL},
    {"cluster|shards", 2, STALE | REPORT, NO_KEYS, NULL, session_cluster_shards, NULL,
     "Describes the one shard: its slots and its members.", "7.0.0", "cluster", "O(N) in members", 0, tip_random, NULL},
    {"cluster|slaves", 3, ADM | STALE | REPORT, NO_KEYS, NULL, session_cluster_replicas, NULL,
     "The older name of CLUSTER REPLICAS.", "3.0.0", "cluster", "O(N) in members", 0, tip_random, NULL},
    {"cluster|slots", 2, STALE | REPORT, NO_KEYS, NULL, session_cluster_slots, NULL,
     "Tells who serves which slots.", "3.0.0", "cluster", "O(N) in members", 0, tip_random, NULL},
    {0},
};

static const struct command command_command_rows[] = {
    {"command|count", 2, LOAD | STALE, NO_KEYS, NULL, session_command_count, NULL,
     "Counts the commands.", "2.8.13", "server", "O(1)", CONN, NULL, NULL},
    {"command|docs", -2, LOAD | STALE, NO_KEYS, NULL, session_command_docs, NULL,
     "Describes commands for people.", "7.0.0", "server", "O(N) in commands asked for", CONN, tip_order, NULL},
    {"command|getkeys", -4, LOAD | STALE, NO_KEYS, NULL, session_command_getkeys, NULL,
     "Picks the keys out of a command.", "2.8.13", "server", "O(N) in arguments", CONN, NULL, NULL},
    {"command|getkeysandflags", -4, LOAD | STALE, NO_KEYS, NULL, session_command_getkeysandflags, NULL,
     "Picks the keys out of a command, and says what it does with them.", "7.0.0", "server", "O(N) in arguments", CONN, NULL, NULL},
    {"command|help", 2, LOAD | STALE, NO_KEYS, NULL, session_help, NULL,
     "Lists the subcommands.", "5.0.0", "server", "O(1)", CONN, NULL, NULL},
    {"command|info", -2, LOAD | STALE, NO_KEYS, NULL, session_command_info, NULL,
     "Describes commands for programs.", "2.8.13", "server", "O(N) in commands asked for", CONN, tip_order, NULL},
    {"command|list", -2, LOAD | STALE, NO_KEYS, NULL, session_command_list, NULL,
     "Names the commands.", "7.0.0", "server", "O(N) in commands", CONN, tip_order, NULL},
    {0},
};

static const struct command config_rows[] = {
    {"config|get", -3, ADM | ANYTIME, NO_KEYS, NULL, session_config_get, NULL,
     "Tells the values of directives.", "2.0.0", "server", "O(N) in directives", 0, NULL, NULL},
    {"config|help", 2, LOAD | STALE, NO_KEYS, NULL, session_help, NULL,
     "Lists the subcommands.", "5.0.0", "server", "O(1)", 0, NULL, NULL},
    {"config|resetstat", 2, ADM | ANYTIME, NO_KEYS, NULL, session_config_resetstat, NULL,
     "Sets the counters of INFO to zero.", "2.0.0", "server", "O(1)", 0, NULL, NULL},
    {"config|rewrite", 2, ADM | ANYTIME, NO_KEYS, NULL, session_config_rewrite, NULL,
     "Writes what CONFIG SET has changed into the configuration file.", "2.8.0", "server", "O(N) in directives", 0, NULL, NULL},
    {"config|set", -4, ADM | ANYTIME, NO_KEYS, NULL, session_config_set, NULL,
     "Changes directives of this node while it runs.", "2.0.0", "server", "O(N) in directives", 0, tip_nodes_ok, NULL},
    {0},
};

static const struct command latency_rows[] = {
    {"latency|doctor", 2, ADM | ANYTIME, NO_KEYS, NULL, session_latency_doctor, NULL,
     "Says what took long and why that may be.", "2.8.13", "server", "O(1)", 0, tip_nodes_report, NULL},
    {"latency|help", 2, LOAD | STALE, NO_KEYS, NULL, session_help, NULL,
     "Lists the subcommands.", "2.8.13", "server", "O(1)", 0, NULL, NULL},
    {"latency|history", 3, ADM | ANYTIME, NO_KEYS, NULL, session_latency_history, NULL,
     "Tells when an event took long.", "2.8.13", "server", "O(1)", 0, tip_nodes_report, NULL},
    {"latency|latest", 2, ADM | ANYTIME, NO_KEYS, NULL, session_latency_latest, NULL,
     "Tells the last time that each event took long.", "2.8.13", "server", "O(1)", 0, tip_nodes_report, NULL},
    {"latency|reset", -2, ADM | ANYTIME, NO_KEYS, NULL, session_latency_reset, NULL,
     "Forgets what took long.", "2.8.13", "server", "O(1)", 0, tip_nodes_ok, NULL},
    {0},
};

static const struct command slowlog_rows[] = {
    {"slowlog|get", -2, ADM | LOAD | STALE, NO_KEYS, NULL, session_slowlog_get, NULL,
     "Tells the commands that took long.", "2.2.12", "server", "O(N) in commands asked for", 0, tip_slowlog, NULL},
    {"slowlog|help", 2, LOAD | STALE, NO_KEYS, NULL, session_help, NULL,
     "Lists the subcommands.", "6.2.0", "server", "O(1)", 0, NULL, NULL},
    {"slowlog|len", 2, ADM | LOAD | STALE, NO_KEYS, NULL, session_slowlog_len, NULL,
     "Counts the commands that took long.", "2.2.12", "server", "O(1)", 0, tip_slowlog_len, NULL},
    {"slowlog|reset", 2, ADM | LOAD | STALE, NO_KEYS, NULL, session_slowlog_reset, NULL,
     "Forgets the commands that took long.", "2.2.12", "server", "O(N) in commands kept", 0, tip_nodes_ok, NULL},
    {0},
};

static const struct command memory_rows[] = {
    {"memory|doctor", 2, REPORT, NO_KEYS, NULL, session_memory_doctor, NULL,
     "Says what is remarkable about the use of memory.", "4.0.0", "server", "O(1)", 0, tip_report, NULL},
    {"memory|help", 2, LOAD | STALE, NO_KEYS, NULL, session_help, NULL,
     "Lists the subcommands.", "4.0.0", "server", "O(1)", 0, NULL, NULL},
    {"memory|stats", 2, REPORT, NO_KEYS, NULL, session_memory_stats, NULL,
     "Tells what memory is used for.", "4.0.0", "server", "O(1)", 0, tip_report, NULL},
    {"memory|usage", -3, R, 2, 2, 1, cmd_memory_usage, NULL, NULL,
     "Tells how many bytes a key and its value take.", "4.0.0", "server", "O(1)", 0, NULL, key_ro},
    {0},
};

static const struct command object_rows[] = {
    {"object|encoding", 3, R, 2, 2, 1, cmd_object_encoding, NULL, NULL,
     "Tells how a value is kept.", "2.2.3", "generic", "O(1)", KEYSP, tip_random, key_ro},
    {"object|freq", 3, R, 2, 2, 1, cmd_object_freq, NULL, NULL,
     "Tells how often a key is used, under a policy that counts it.", "4.0.0", "generic", "O(1)", KEYSP, tip_random, key_ro},
    {"object|help", 2, LOAD | STALE, NO_KEYS, NULL, session_help, NULL,
     "Lists the subcommands.", "6.2.0", "generic", "O(1)", KEYSP, NULL, NULL},
    {"object|idletime", 3, R, 2, 2, 1, cmd_object_idletime, NULL, NULL,
     "Tells how long a key has not been used, under a policy that counts it.", "2.2.3", "generic", "O(1)", KEYSP, tip_random, key_ro},
    {"object|refcount", 3, R, 2, 2, 1, cmd_object_refcount, NULL, NULL,
     "Tells how many names a value has.", "2.2.3", "generic", "O(1)", KEYSP, tip_random, key_ro},
    {0},
};

const struct command command_rows[] = {
    /* strings */
    {"append", 3, W | OOM | FAST, KEY, cmd_append, NULL, NULL,
     "Adds bytes at the end of a string.", "2.0.0", "string", "O(1)", STR, NULL, key_rw_insert},
    {"decr", 2, W | OOM | FAST, KEY, cmd_decr, NULL, NULL,
     "Takes one from an integer.", "1.0.0", "string", "O(1)", STR, NULL, key_rw_access_update},
    {"decrby", 3, W | OOM | FAST, KEY, cmd_decrby, NULL, NULL,
     "Takes a number from an integer.", "1.0.0", "string", "O(1)", STR, NULL, key_rw_access_update},
    {"get", 2, R | FAST, KEY, cmd_get, NULL, NULL,
     "Reads a string.", "1.0.0", "string", "O(1)", STR, NULL, key_ro_access},
    {"getdel", 2, W | FAST, KEY, cmd_getdel, NULL, NULL,
     "Reads a string and deletes its key.", "6.2.0", "string", "O(1)", STR, NULL, key_rw_access_delete},
    {"getex", -2, W | FAST, KEY, cmd_getex, NULL, NULL,
     "Reads a string and changes its time to live.", "6.2.0", "string", "O(1)", STR, NULL, key_getex},
    {"getrange", 4, R, KEY, cmd_getrange, NULL, NULL,
     "Reads a part of a string.", "2.4.0", "string", "O(N) in bytes of the part", STR, NULL, key_ro_access},
    {"getset", 3, W | OOM | FAST, KEY, cmd_getset, NULL, NULL,
     "Sets a string and tells what it was.", "1.0.0", "string", "O(1)", STR, NULL, key_rw_access_update},
    {"incr", 2, W | OOM | FAST, KEY, cmd_incr, NULL, NULL,
     "Adds one to an integer.", "1.0.0", "string", "O(1)", STR, NULL, key_rw_access_update},
    {"incrby", 3, W | OOM | FAST, KEY, cmd_incrby, NULL, NULL,
     "Adds a number to an integer.", "1.0.0", "string", "O(1)", STR, NULL, key_rw_access_update},
    {"incrbyfloat", 3, W | OOM | FAST, KEY, cmd_incrbyfloat, NULL, NULL,
     "Adds a number to a decimal number.", "2.6.0", "string", "O(1)", STR, NULL, key_rw_access_update},
    {"lcs", -3, R, 1, 2, 1, cmd_lcs, NULL, NULL,
     "Tells what two strings have in common, in its order.", "7.0.0", "string", "O(N*M) in bytes of the two", STR, NULL, key_ro_access},
    {"mget", -2, R | FAST, 1, -1, 1, cmd_mget, NULL, NULL,
     "Reads several strings.", "1.0.0", "string", "O(N) in keys", STR, tip_split, key_ro_access},
    {"mset", -3, W | OOM, 1, -1, 2, cmd_mset, NULL, NULL,
     "Sets several strings at once.", "1.0.1", "string", "O(N) in keys", STR, tip_split_ok, key_ow_update},
    {"msetnx", -3, W | OOM, 1, -1, 2, cmd_msetnx, NULL, NULL,
     "Sets several strings at once unless one of the keys is there.", "1.0.1", "string", "O(N) in keys", STR, tip_split_min, key_ow_insert},
    {"psetex", 4, W | OOM, KEY, cmd_psetex, NULL, NULL,
     "Sets a string with a time to live in milliseconds.", "2.6.0", "string", "O(1)", STR, NULL, key_ow_update},
    {"set", -3, W | OOM, KEY, cmd_set, NULL, NULL,
     "Sets a string, with conditions and a time to live.", "1.0.0", "string", "O(1)", STR, NULL, key_set},
    {"setex", 4, W | OOM, KEY, cmd_setex, NULL, NULL,
     "Sets a string with a time to live in seconds.", "2.0.0", "string", "O(1)", STR, NULL, key_ow_update},
    {"setnx", 3, W | OOM | FAST, KEY, cmd_setnx, NULL, NULL,
     "Sets a string unless the key is there.", "1.0.0", "string", "O(1)", STR, NULL, key_ow_insert},
    {"setrange", 4, W | OOM, KEY, cmd_setrange, NULL, NULL,
     "Writes over a part of a string.", "2.2.0", "string", "O(N) in bytes written", STR, NULL, key_rw_update},
    {"strlen", 2, R | FAST, KEY, cmd_strlen, NULL, NULL,
     "Tells the length of a string.", "2.2.0", "string", "O(1)", STR, NULL, key_ro},
    {"substr", 4, R, KEY, cmd_substr, NULL, NULL,
     "The older name of GETRANGE.", "1.0.0", "string", "O(N) in bytes of the part", STR, NULL, key_ro_access},

    /* bits of strings */
    {"bitcount", -2, R, KEY, cmd_bitcount, NULL, NULL,
     "Counts the bits that are set.", "2.6.0", "bitmap", "O(N) in bytes of the range", BITS, NULL, key_ro_access},
    {"bitfield", -2, W | OOM, KEY, cmd_bitfield, NULL, NULL,
     "Reads, sets and counts with integers of any width, at any bit.", "3.2.0", "bitmap", "O(1) an operation", BITS, NULL, key_bitfield},
    {"bitfield_ro", -2, R | FAST, KEY, cmd_bitfield_ro, NULL, NULL,
     "Reads integers of any width, at any bit.", "6.0.0", "bitmap", "O(1) an operation", BITS, NULL, key_ro_access},
    {"bitop", -4, W | OOM, 2, -1, 1, cmd_bitop, NULL, NULL,
     "Combines strings bit by bit into another.", "2.6.0", "bitmap", "O(N) in bytes of all", BITS, NULL, key_bitop},
    {"bitpos", -3, R, KEY, cmd_bitpos, NULL, NULL,
     "Finds the first bit that is set, or not.", "2.8.7", "bitmap", "O(N) in bytes of the range", BITS, NULL, key_ro_access},
    {"getbit", 3, R | FAST, KEY, cmd_getbit, NULL, NULL,
     "Reads one bit.", "2.2.0", "bitmap", "O(1)", BITS, NULL, key_ro_access},
    {"setbit", 4, W | OOM, KEY, cmd_setbit, NULL, NULL,
     "Sets or clears one bit.", "2.2.0", "bitmap", "O(1)", BITS, NULL, key_rw_access_update},

    /* hashes */
    {"hdel", -3, W | FAST, KEY, cmd_hdel, NULL, NULL,
     "Deletes fields.", "2.0.0", "hash", "O(N) in fields", HASH, NULL, key_rw_delete},
    {"hexists", 3, R | FAST, KEY, cmd_hexists, NULL, NULL,
     "Tells whether a field is there.", "2.0.0", "hash", "O(1)", HASH, NULL, key_ro},
    {"hget", 3, R | FAST, KEY, cmd_hget, NULL, NULL,
     "Reads a field.", "2.0.0", "hash", "O(1)", HASH, NULL, key_ro_access},
    {"hgetall", 2, R, KEY, cmd_hgetall, NULL, NULL,
     "Reads all fields and their values.", "2.0.0", "hash", "O(N) in fields of the hash", HASH, tip_order, key_ro_access},
    {"hincrby", 4, W | OOM | FAST, KEY, cmd_hincrby, NULL, NULL,
     "Adds a number to an integer in a field.", "2.0.0", "hash", "O(1)", HASH, NULL, key_rw_access_update},
    {"hincrbyfloat", 4, W | OOM | FAST, KEY, cmd_hincrbyfloat, NULL, NULL,
     "Adds a number to a decimal number in a field.", "2.6.0", "hash", "O(1)", HASH, NULL, key_rw_access_update},
    {"hkeys", 2, R, KEY, cmd_hkeys, NULL, NULL,
     "Names all fields.", "2.0.0", "hash", "O(N) in fields of the hash", HASH, tip_order, key_ro_access},
    {"hlen", 2, R | FAST, KEY, cmd_hlen, NULL, NULL,
     "Counts the fields.", "2.0.0", "hash", "O(1)", HASH, NULL, key_ro},
    {"hmget", -3, R | FAST, KEY, cmd_hmget, NULL, NULL,
     "Reads several fields.", "2.0.0", "hash", "O(N) in fields", HASH, NULL, key_ro_access},
    {"hmset", -4, W | OOM | FAST, KEY, cmd_hmset, NULL, NULL,
     "The older name of HSET, with another reply.", "2.0.0", "hash", "O(N) in fields", HASH, NULL, key_rw_update},
    {"hrandfield", -2, R, KEY, cmd_hrandfield, NULL, NULL,
     "Names fields at random.", "6.2.0", "hash", "O(N) in fields told", HASH, tip_random, key_ro_access},
    {"hscan", -3, R, KEY, cmd_hscan, NULL, NULL,
     "Walks through the fields in steps.", "2.8.0", "hash", "O(1) a step, O(N) in fields for the whole walk", HASH, tip_random, key_ro_access},
    {"hset", -4, W | OOM | FAST, KEY, cmd_hset, NULL, NULL,
     "Sets fields.", "2.0.0", "hash", "O(N) in fields", HASH, NULL, key_rw_update},
    {"hsetnx", 4, W | OOM | FAST, KEY, cmd_hsetnx, NULL, NULL,
     "Sets a field unless it is there.", "2.0.0", "hash", "O(1)", HASH, NULL, key_rw_insert},
    {"hstrlen", 3, R | FAST, KEY, cmd_hstrlen, NULL, NULL,
     "Tells the length of a field's value.", "3.2.0", "hash", "O(1)", HASH, NULL, key_ro},
    {"hvals", 2, R, KEY, cmd_hvals, NULL, NULL,
     "Reads all values.", "2.0.0", "hash", "O(N) in fields of the hash", HASH, tip_order, key_ro_access},

    /* sets */
    {"sadd", -3, W | OOM | FAST, KEY, cmd_sadd, NULL, NULL,
     "Adds members.", "1.0.0", "set", "O(N) in members added", SET, NULL, key_rw_insert},
    {"scard", 2, R | FAST, KEY, cmd_scard, NULL, NULL,
     "Counts the members.", "1.0.0", "set", "O(1)", SET, NULL, key_ro},
    {"sdiff", -2, R, 1, -1, 1, cmd_sdiff, NULL, NULL,
     "Tells what is in the first set and in none of the others.", "1.0.0", "set", "O(N) in members of all sets", SET, tip_order, key_ro_access},
    {"sdiffstore", -3, W | OOM, 1, -1, 1, cmd_sdiffstore, NULL, NULL,
     "Stores what is in the first set and in none of the others.", "1.0.0", "set", "O(N) in members of all sets", SET, NULL, key_set_store},
    {"sinter", -2, R, 1, -1, 1, cmd_sinter, NULL, NULL,
     "Tells what is in all of the sets.", "1.0.0", "set", "O(N*M) in members of the smallest set and sets", SET, tip_order, key_ro_access},
    {"sintercard", -3, R, NO_KEYS, cmd_sintercard, NULL, NULL,
     "Counts what is in all of the sets.", "7.0.0", "set", "O(N*M) in members of the smallest set and sets", SET, NULL, key_counted},
    {"sinterstore", -3, W | OOM, 1, -1, 1, cmd_sinterstore, NULL, NULL,
     "Stores what is in all of the sets.", "1.0.0", "set", "O(N*M) in members of the smallest set and sets", SET, NULL, key_sinterstore},
    {"sismember", 3, R | FAST, KEY, cmd_sismember, NULL, NULL,
     "Tells whether a member is there.", "1.0.0", "set", "O(1)", SET, NULL, key_ro},
    {"smembers", 2, R, KEY, cmd_smembers, NULL, NULL,
     "Tells all members.", "1.0.0", "set", "O(N) in members of the set", SET, tip_order, key_ro_access},
    {"smismember", -3, R | FAST, KEY, cmd_smismember, NULL, NULL,
     "Tells which of several members are there.", "6.2.0", "set", "O(N) in members asked for", SET, NULL, key_ro_access},
    {"smove", 4, W | FAST, 1, 2, 1, cmd_smove, NULL, NULL,
     "Moves a member to another set.", "1.0.0", "set", "O(1)", SET, NULL, key_smove},
    {"spop", -2, W | FAST, KEY, cmd_spop, NULL, NULL,
     "Takes members out at random.", "1.0.0", "set", "O(N) in members taken", SET, tip_random, key_rw_access_delete},
    {"srandmember", -2, R, KEY, cmd_srandmember, NULL, NULL,
     "Tells members at random.", "1.0.0", "set", "O(N) in members told", SET, tip_random, key_ro_access},
    {"srem", -3, W | FAST, KEY, cmd_srem, NULL, NULL,
     "Removes members.", "1.0.0", "set", "O(N) in members removed", SET, NULL, key_rw_delete},
    {"sscan", -3, R, KEY, cmd_sscan, NULL, NULL,
     "Walks through the members in steps.", "2.8.0", "set", "O(1) a step, O(N) in members for the whole walk", SET, tip_random, key_ro_access},
    {"sunion", -2, R, 1, -1, 1, cmd_sunion, NULL, NULL,
     "Tells what is in any of the sets.", "1.0.0", "set", "O(N) in members of all sets", SET, tip_order, key_ro_access},
    {"sunionstore", -3, W | OOM, 1, -1, 1, cmd_sunionstore, NULL, NULL,
     "Stores what is in any of the sets.", "1.0.0", "set", "O(N) in members of all sets", SET, NULL, key_set_store},
    /* sorted sets */
    {"zadd", -4, W | OOM | FAST, KEY, cmd_zadd, NULL, NULL,
     "Adds members, or changes their scores.", "1.2.0", "sorted-set", "O(log N) in members, for each", ZSET, NULL, key_rw_update},
    {"zcard", 2, R | FAST, KEY, cmd_zcard, NULL, NULL,
     "Counts the members.", "1.2.0", "sorted-set", "O(1)", ZSET, NULL, key_ro},
    {"zcount", 4, R | FAST, KEY, cmd_zcount, NULL, NULL,
     "Counts the members in a range of scores.", "2.0.0", "sorted-set", "O(log N) in members", ZSET, NULL, key_ro_access},
    {"zdiff", -3, R, NO_KEYS, cmd_zdiff, NULL, NULL,
     "Tells the members of the first set that are in no other.", "6.2.0", "sorted-set", "O(N*K) in members of the first and keys", ZSET, NULL, key_counted_ro_access},
    {"zdiffstore", -4, W | OOM, KEY, cmd_zdiffstore, NULL, NULL,
     "Stores the members of the first set that are in no other.", "6.2.0", "sorted-set", "O(N*K) in members of the first and keys", ZSET, NULL, key_counted_store},
    {"zincrby", 4, W | OOM | FAST, KEY, cmd_zincrby, NULL, NULL,
     "Adds a number to a member's score.", "1.2.0", "sorted-set", "O(log N) in members", ZSET, NULL, key_rw_access_update},
    {"zinter", -3, R, NO_KEYS, cmd_zinter, NULL, NULL,
     "Tells the members that all sets have.", "6.2.0", "sorted-set", "O(N*K) in members of the smallest and keys", ZSET, NULL, key_counted_ro_access},
    {"zintercard", -3, R, NO_KEYS, cmd_zintercard, NULL, NULL,
     "Counts the members that all sets have, up to a limit.", "7.0.0", "sorted-set", "O(N*K) in members of the smallest and keys", ZSET, NULL, key_counted_ro_access},
    {"zinterstore", -4, W | OOM, KEY, cmd_zinterstore, NULL, NULL,
     "Stores the members that all sets have.", "2.0.0", "sorted-set", "O(N*K) in members of the smallest and keys", ZSET, NULL, key_counted_store},
    {"zlexcount", 4, R | FAST, KEY, cmd_zlexcount, NULL, NULL,
     "Counts the members in a range of bytes, where all scores are the same.", "2.8.9", "sorted-set", "O(log N) in members", ZSET, NULL, key_ro_access},
    {"zmpop", -4, W, NO_KEYS, cmd_zmpop, NULL, NULL,
     "Takes members from an end of the first set that is there.", "7.0.0", "sorted-set", "O(K+M*log N) in keys, members taken, members", ZSET, NULL, key_lmpop},
    {"zmscore", -3, R | FAST, KEY, cmd_zmscore, NULL, NULL,
     "Tells the scores of members.", "6.2.0", "sorted-set", "O(N) in members asked for", ZSET, NULL, key_ro_access},
    {"zpopmax", -2, W | FAST, KEY, cmd_zpopmax, NULL, NULL,
     "Takes the members with the highest scores.", "5.0.0", "sorted-set", "O(M*log N) in members taken and members", ZSET, NULL, key_rw_access_delete},
    {"zpopmin", -2, W | FAST, KEY, cmd_zpopmin, NULL, NULL,
     "Takes the members with the lowest scores.", "5.0.0", "sorted-set", "O(M*log N) in members taken and members", ZSET, NULL, key_rw_access_delete},
    {"zrandmember", -2, R, KEY, cmd_zrandmember, NULL, NULL,
     "Names members at random.", "6.2.0", "sorted-set", "O(N) in members asked for", ZSET, tip_random, key_ro_access},
    {"zrange", -4, R, KEY, cmd_zrange, NULL, NULL,
     "Tells a range: of ranks, scores or bytes, from either end.", "1.2.0", "sorted-set", "O(log N+M) in members and members told", ZSET, NULL, key_ro_access},
    {"zrangebylex", -4, R, KEY, cmd_zrangebylex, NULL, NULL,
     "Tells a range of bytes, where all scores are the same.", "2.8.9", "sorted-set", "O(log N+M) in members and members told", ZSET, NULL, key_ro_access},
    {"zrangebyscore", -4, R, KEY, cmd_zrangebyscore, NULL, NULL,
     "Tells a range of scores.", "1.0.5", "sorted-set", "O(log N+M) in members and members told", ZSET, NULL, key_ro_access},
    {"zrangestore", -5, W | OOM, 1, 2, 1, cmd_zrangestore, NULL, NULL,
     "Stores a range of another set.", "6.2.0", "sorted-set", "O(log N+M*log M) in members and members stored", ZSET, NULL, key_rangestore},
    {"zrank", 3, R | FAST, KEY, cmd_zrank, NULL, NULL,
     "Tells a member's rank from the bottom.", "2.0.0", "sorted-set", "O(log N) in members", ZSET, NULL, key_ro_access},
    {"zrem", -3, W | FAST, KEY, cmd_zrem, NULL, NULL,
     "Removes members.", "1.2.0", "sorted-set", "O(M*log N) in members removed and members", ZSET, NULL, key_rw_delete},
    {"zremrangebylex", 4, W, KEY, cmd_zremrangebylex, NULL, NULL,
     "Removes the members in a range of bytes, where all scores are the same.", "2.8.9", "sorted-set", "O(M*log N) in members removed and members", ZSET, NULL, key_rw_delete},
    {"zremrangebyrank", 4, W, KEY, cmd_zremrangebyrank, NULL, NULL,
     "Removes the members in a range of ranks.", "2.0.0", "sorted-set", "O(M*log N) in members removed and members", ZSET, NULL, key_rw_delete},
    {"zremrangebyscore", 4, W, KEY, cmd_zremrangebyscore, NULL, NULL,
     "Removes the members in a range of scores.", "1.2.0", "sorted-set", "O(M*log N) in members removed and members", ZSET, NULL, key_rw_delete},
    {"zrevrange", -4, R, KEY, cmd_zrevrange, NULL, NULL,
     "Tells a range of ranks, from the top.", "1.2.0", "sorted-set", "O(log N+M) in members and members told", ZSET, NULL, key_ro_access},
    {"zrevrangebylex", -4, R, KEY, cmd_zrevrangebylex, NULL, NULL,
     "Tells a range of bytes, downward.", "2.8.9", "sorted-set", "O(log N+M) in members and members told", ZSET, NULL, key_ro_access},
    {"zrevrangebyscore", -4, R, KEY, cmd_zrevrangebyscore, NULL, NULL,
     "Tells a range of scores, downward.", "2.2.0", "sorted-set", "O(log N+M) in members and members told", ZSET, NULL, key_ro_access},
    {"zrevrank", 3, R | FAST, KEY, cmd_zrevrank, NULL, NULL,
     "Tells a member's rank from the top.", "2.0.0", "sorted-set", "O(log N) in members", ZSET, NULL, key_ro_access},
    {"zscan", -3, R, KEY, cmd_zscan, NULL, NULL,
     "Walks through the members in steps.", "2.8.0", "sorted-set", "O(1) a step, O(N) in members for the whole walk", ZSET, tip_random, key_ro_access},
    {"zscore", 3, R | FAST, KEY, cmd_zscore, NULL, NULL,
     "Tells a member's score.", "1.2.0", "sorted-set", "O(1)", ZSET, NULL, key_ro_access},
    {"zunion", -3, R, NO_KEYS, cmd_zunion, NULL, NULL,
     "Tells the members of all sets.", "6.2.0", "sorted-set", "O(N*log N) in members of all", ZSET, NULL, key_counted_ro_access},
    {"zunionstore", -4, W | OOM, KEY, cmd_zunionstore, NULL, NULL,
     "Stores the members of all sets.", "2.0.0", "sorted-set", "O(N*log N) in members of all", ZSET, NULL, key_counted_store},

    /* lists */
    {"lindex", 3, R, KEY, cmd_lindex, NULL, NULL,
     "Tells the element at an index.", "1.0.0", "list", "O(N) in elements between it and the nearer end", LIST, NULL, key_ro_access},
    {"linsert", 5, W | OOM, KEY, cmd_linsert, NULL, NULL,
     "Puts an element before or behind another.", "2.2.0", "list", "O(N) in elements before that one", LIST, NULL, key_rw_insert},
    {"llen", 2, R | FAST, KEY, cmd_llen, NULL, NULL,
     "Tells how many elements there are.", "1.0.0", "list", "O(1)", LIST, NULL, key_ro},
    {"lmove", 5, W | OOM, 1, 2, 1, cmd_lmove, NULL, NULL,
     "Takes an element from an end of one list to an end of another.", "6.2.0", "list", "O(1)", LIST, NULL, key_lmove},
    {"lmpop", -4, W, NO_KEYS, cmd_lmpop, NULL, NULL,
     "Takes elements from the first list that has any.", "7.0.0", "list", "O(N+M) in keys and elements taken", LIST, NULL, key_lmpop},
    {"lpop", -2, W | FAST, KEY, cmd_lpop, NULL, NULL,
     "Takes the first elements.", "1.0.0", "list", "O(N) in elements taken", LIST, NULL, key_rw_access_delete},
    {"lpos", -3, R, KEY, cmd_lpos, NULL, NULL,
     "Finds elements that are equal to one.", "6.0.6", "list", "O(N) in elements", LIST, NULL, key_ro_access},
    {"lpush", -3, W | OOM | FAST, KEY, cmd_lpush, NULL, NULL,
     "Puts elements before the first.", "1.0.0", "list", "O(N) in elements added", LIST, NULL, key_rw_insert},
    {"lpushx", -3, W | OOM | FAST, KEY, cmd_lpushx, NULL, NULL,
     "Puts elements before the first of a list that is there.", "2.2.0", "list", "O(N) in elements added", LIST, NULL, key_rw_insert},
    {"lrange", 4, R, KEY, cmd_lrange, NULL, NULL,
     "Tells the elements between two indexes.", "1.0.0", "list", "O(S+N) in elements before them, and in them", LIST, NULL, key_ro_access},
    {"lrem", 4, W, KEY, cmd_lrem, NULL, NULL,
     "Removes elements that are equal to one.", "1.0.0", "list", "O(N) in elements", LIST, NULL, key_rw_delete},
    {"lset", 4, W | OOM, KEY, cmd_lset, NULL, NULL,
     "Puts another element in the place of one.", "1.0.0", "list", "O(N) in elements between it and the nearer end", LIST, NULL, key_rw_update},
    {"ltrim", 4, W, KEY, cmd_ltrim, NULL, NULL,
     "Removes what is not between two indexes.", "1.0.0", "list", "O(N) in elements removed", LIST, NULL, key_rw_delete},
    {"rpop", -2, W | FAST, KEY, cmd_rpop, NULL, NULL,
     "Takes the last elements.", "1.0.0", "list", "O(N) in elements taken", LIST, NULL, key_rw_access_delete},
    {"rpoplpush", 3, W | OOM, 1, 2, 1, cmd_rpoplpush, NULL, NULL,
     "Takes the last element of one list before the first of another.", "1.2.0", "list", "O(1)", LIST, NULL, key_lmove},
    {"rpush", -3, W | OOM | FAST, KEY, cmd_rpush, NULL, NULL,
     "Puts elements behind the last.", "1.0.0", "list", "O(N) in elements added", LIST, NULL, key_rw_insert},
    {"rpushx", -3, W | OOM | FAST, KEY, cmd_rpushx, NULL, NULL,
     "Puts elements behind the last of a list that is there.", "2.2.0", "list", "O(N) in elements added", LIST, NULL, key_rw_insert},
    {"sort", -2, W | OOM, KEY, cmd_sort, NULL, NULL,
     "Sorts elements by themselves or by other keys; tells or stores them.", "1.0.0", "generic", "O(N log N) in elements", SORTED, NULL, key_sort},
    {"sort_ro", -2, R, KEY, cmd_sort_ro, NULL, NULL,
     "Sorts elements by themselves or by other keys.", "7.0.0", "generic", "O(N log N) in elements", SORTED, NULL, key_sort_ro},

    /* keys */
    {"copy", -3, W | OOM, 1, 2, 1, cmd_copy, NULL, NULL,
     "Copies a key, to another database too.", "6.2.0", "generic", "O(N) in bytes of the value", KEYSP, NULL, key_copy},
    {"del", -2, W, 1, -1, 1, cmd_del, NULL, NULL,
     "Deletes keys.", "1.0.0", "generic", "O(N) in keys", KEYSP, tip_split_sum, key_rm_delete},
    {"exists", -2, R | FAST, 1, -1, 1, cmd_exists, NULL, NULL,
     "Counts those of the keys that are there.", "1.0.0", "generic", "O(N) in keys", KEYSP, tip_split_sum, key_ro},
    {"keys", 2, R, NO_KEYS, cmd_keys, NULL, NULL,
     "Names the keys that match a pattern.", "1.0.0", "generic", "O(N) in keys of the database", KEYSP | DANGER, tip_all_order, NULL},
    {"move", 3, W | FAST, KEY, cmd_move, NULL, NULL,
     "Moves a key to another database.", "1.0.0", "generic", "O(N) in bytes of the value", KEYSP, NULL, key_rw_access_update},
    {"object", -2, 0, NO_KEYS, NULL, NULL, object_rows,
     "How keys are kept.", "2.2.3", "generic", PARTS, 0, NULL, NULL},
    {"randomkey", 1, R, NO_KEYS, cmd_randomkey, NULL, NULL,
     "Names one key at random.", "1.0.0", "generic", "O(1)", KEYSP, tip_all_random, NULL},
    {"rename", 3, W, 1, 2, 1, cmd_rename, NULL, NULL,
     "Gives a key another name.", "1.0.0", "generic", "O(1)", KEYSP, NULL, key_rename},
    {"renamenx", 3, W | FAST, 1, 2, 1, cmd_renamenx, NULL, NULL,
     "Gives a key another name unless that is taken.", "1.0.0", "generic", "O(1)", KEYSP, NULL, key_renamenx},
    {"scan", -2, R, NO_KEYS, cmd_scan, NULL, NULL,
     "Walks through the keys in steps.", "2.8.0", "generic", "O(1) a step, O(N) in keys for the whole walk", KEYSP, tip_scan, NULL},
    {"touch", -2, R | FAST, 1, -1, 1, cmd_touch, NULL, NULL,
     "Counts those of the keys that are there, as a use of them.", "3.2.1", "generic", "O(N) in keys", KEYSP, tip_split_sum, key_ro},
    {"type", 2, R | FAST, KEY, cmd_type, NULL, NULL,
     "Tells the type of a value.", "1.0.0", "generic", "O(1)", KEYSP, NULL, key_ro},
    {"unlink", -2, W | FAST, 1, -1, 1, cmd_unlink, NULL, NULL,
     "Deletes keys.", "4.0.0", "generic", "O(N) in keys", KEYSP, tip_split_sum, key_rm_delete},
    {"dbsize", 1, R | FAST, NO_KEYS, cmd_dbsize, NULL, NULL,
     "Counts the keys of the database.", "1.0.0", "server", "O(1)", KEYSP, tip_all_sum, NULL},
    {"flushall", -1, W, NO_KEYS, cmd_flushall, NULL, NULL,
     "Deletes every key of every database.", "1.0.0", "server", "O(N) in keys, in slices afterwards", KEYSP | DANGER, tip_all_ok, NULL},
    {"flushdb", -1, W, NO_KEYS, cmd_flushdb, NULL, NULL,
     "Deletes every key of the database.", "1.0.0", "server", "O(N) in keys, in slices afterwards", KEYSP | DANGER, tip_all_ok, NULL},
    {"swapdb", 3, W | FAST, NO_KEYS, cmd_swapdb, NULL, NULL,
     "Exchanges two databases.", "4.0.0", "server", "O(1)", KEYSP | DANGER, NULL, NULL},

    /* time */
    {"expire", -3, W | FAST, KEY, cmd_expire, NULL, NULL,
     "Gives a key a time to live, in seconds.", "1.0.0", "generic", "O(1)", KEYSP, NULL, key_rw_update},
    {"expireat", -3, W | FAST, KEY, cmd_expireat, NULL, NULL,
     "Gives a key a deadline, in Unix seconds.", "1.2.0", "generic", "O(1)", KEYSP, NULL, key_rw_update},
    {"expiretime", 2, R | FAST, KEY, cmd_expiretime, NULL, NULL,
     "Tells a key's deadline, in Unix seconds.", "7.0.0", "generic", "O(1)", KEYSP, NULL, key_ro_access},
    {"persist", 2, W | FAST, KEY, cmd_persist, NULL, NULL,
     "Takes a key's deadline away.", "2.2.0", "generic", "O(1)", KEYSP, NULL, key_rw_update},
    {"pexpire", -3, W | FAST, KEY, cmd_pexpire, NULL, NULL,
     "Gives a key a time to live, in milliseconds.", "2.6.0", "generic", "O(1)", KEYSP, NULL, key_rw_update},
    {"pexpireat", -3, W | FAST, KEY, cmd_pexpireat, NULL, NULL,
     "Gives a key a deadline, in Unix milliseconds.", "2.6.0", "generic", "O(1)", KEYSP, NULL, key_rw_update},
    {"pexpiretime", 2, R | FAST, KEY, cmd_pexpiretime, NULL, NULL,
     "Tells a key's deadline, in Unix milliseconds.", "7.0.0", "generic", "O(1)", KEYSP, NULL, key_ro_access},
    {"pttl", 2, R | FAST, KEY, cmd_pttl, NULL, NULL,
     "Tells how long a key has to live, in milliseconds.", "2.6.0", "generic", "O(1)", KEYSP, tip_random, key_ro_access},
    {"ttl", 2, R | FAST, KEY, cmd_ttl, NULL, NULL,
     "Tells how long a key has to live, in seconds.", "1.0.0", "generic", "O(1)", KEYSP, tip_random, key_ro_access},
    {"time", 1, LOAD | STALE | FAST, NO_KEYS, cmd_time, NULL, NULL,
     "Tells the server's time.", "2.6.0", "server", "O(1)", 0, tip_random, NULL},

    /* the connection */
    {"auth", -2, GREETING, NO_KEYS, NULL, session_auth, NULL,
     "Shows the password.", "1.0.0", "connection", "O(1)", CONN, NULL, NULL},
    {"client", -2, 0, NO_KEYS, NULL, NULL, client_rows,
     "Connections of clients.", "2.4.0", "connection", PARTS, 0, NULL, NULL},
    {"echo", 2, LOAD | STALE | FAST, NO_KEYS, NULL, session_echo, NULL,
     "Sends the argument back.", "1.0.0", "connection", "O(1)", CONN, NULL, NULL},
    {"hello", -1, GREETING | REPORT, NO_KEYS, NULL, session_hello, NULL,
     "Agrees on the protocol, shows the password, names the connection.", "6.0.0", "connection", "O(1)", CONN, NULL, NULL},
    {"ping", -1, FAST, NO_KEYS, NULL, session_ping, NULL,
     "Answers PONG, or sends the argument back.", "1.0.0", "connection", "O(1)", CONN, tip_all_ok, NULL},
    {"quit", -1, GREETING | UNQUEUED, NO_KEYS, NULL, session_quit, NULL,
     "Closes the connection.", "1.0.0", "connection", "O(1)", CONN, NULL, NULL},
    {"reset", 1, GREETING | UNQUEUED, NO_KEYS, NULL, session_reset, NULL,
     "Brings the connection back to how it began.", "6.2.0", "connection", "O(1)", CONN, NULL, NULL},
    {"select", 2, LOAD | STALE | FAST, NO_KEYS, NULL, session_select, NULL,
     "Changes to another database.", "1.0.0", "connection", "O(1)", CONN, NULL, NULL},

    /* transactions */
    {"discard", 1, ANYTIME | FAST | BUSY | UNQUEUED, NO_KEYS, NULL, session_discard, NULL,
     "Forgets what is queued.", "2.0.0", "transactions", "O(N) in commands", TRANS, NULL, NULL},
    {"exec", 1, ANYTIME | COMMAND_SKIP_SLOWLOG | UNQUEUED, NO_KEYS, NULL, session_exec, NULL,
     "Carries out what is queued, as one.", "1.2.0", "transactions", "That of the commands", TRANS, NULL, NULL},
    {"multi", 1, ANYTIME | FAST | BUSY | UNQUEUED, NO_KEYS, NULL, session_multi, NULL,
     "Begins to queue commands.", "1.2.0", "transactions", "O(1)", TRANS, NULL, NULL},
    {"unwatch", 1, ANYTIME | FAST | BUSY, NO_KEYS, NULL, session_unwatch, NULL,
     "Watches nothing any more.", "2.2.0", "transactions", "O(N) in keys", TRANS, NULL, NULL},
    {"watch", -2, ANYTIME | FAST | BUSY | LOOKS | UNQUEUED, 1, -1, 1, cmd_watch, NULL, NULL,
     "Lets EXEC do nothing if one of the keys has changed.", "2.2.0", "transactions", "O(N) in keys", TRANS, NULL, key_ro},

    /* scripts */
    {"eval", -3, NOSCR | STALE | COMMAND_SKIP_MONITOR | NOKEYS | LOGGED, NO_KEYS, cmd_eval, NULL, NULL,
     "Runs a script.", "2.6.0", "scripting", "That of the script", SCRIPTS, NULL, key_eval},
    {"evalsha", -3, NOSCR | STALE | COMMAND_SKIP_MONITOR | NOKEYS | LOGGED, NO_KEYS, cmd_evalsha, NULL, NULL,
     "Runs a script that is known, by its SHA-1.", "2.6.0", "scripting", "That of the script", SCRIPTS, NULL, key_evalsha},
    {"evalsha_ro", -3, R | NOSCR | STALE | COMMAND_SKIP_MONITOR | NOKEYS, NO_KEYS, cmd_evalsha_ro, NULL, NULL,
     "Runs a script that is known and only reads, by its SHA-1.", "7.0.0", "scripting", "That of the script", SCRIPTS, NULL, key_evalsha_ro},
    {"eval_ro", -3, R | NOSCR | STALE | COMMAND_SKIP_MONITOR | NOKEYS, NO_KEYS, cmd_eval_ro, NULL, NULL,
     "Runs a script that only reads.", "7.0.0", "scripting", "That of the script", SCRIPTS, NULL, key_eval_ro},
    {"fcall", -3, NOSCR | STALE | COMMAND_SKIP_MONITOR | NOKEYS, NO_KEYS, NULL, session_fcall, NULL,
     "Finds no function: there are none.", "7.0.0", "scripting", "O(1)", SCRIPTS, NULL, key_eval},
    {"fcall_ro", -3, NOSCR | STALE | COMMAND_SKIP_MONITOR | NOKEYS, NO_KEYS, NULL, session_fcall, NULL,
     "Finds no function: there are none.", "7.0.0", "scripting", "O(1)", SCRIPTS, NULL, key_eval_ro},
    {"function", -2, 0, NO_KEYS, NULL, NULL, function_rows,
     "Functions, of which there are none.", "7.0.0", "scripting", PARTS, 0, NULL, NULL},
    {"script", -2, 0, NO_KEYS, NULL, NULL, script_rows,
     "The scripts that are known.", "2.6.0", "scripting", PARTS, 0, NULL, NULL},

    /* the server */
    {"bgsave", -1, ADM | NOSCR | NOASYNC | REPORT, NO_KEYS, NULL, session_bgsave, NULL,
     "Starts a checkpoint.", "1.0.0", "server", "O(1), in slices afterwards", 0, NULL, NULL},
    {"command", -1, LOAD | STALE, NO_KEYS, NULL, session_command, command_command_rows,
     "Describes the commands.", "2.8.13", "server", "O(N) in commands", CONN, tip_order, NULL},
    {"config", -2, 0, NO_KEYS, NULL, NULL, config_rows,
     "Configuration of this node.", "2.0.0", "server", PARTS, 0, NULL, NULL},
    {"debug", -2, ADM | ANYTIME | UNQUEUED, NO_KEYS, NULL, session_debug, NULL,
     "Refused.", "1.0.0", "server", "O(1)", 0, NULL, NULL},
    {"failover", -1, ADM | NOSCR | STALE | REPORT | LATER, NO_KEYS, NULL, session_failover, NULL,
     "Hands the leadership over.", "6.2.0", "server", "O(1), and an election", 0, NULL, NULL},
    {"info", -1, LOAD | STALE | REPORT, NO_KEYS, NULL, session_info, NULL,
     "Describes the server: state and counters.", "1.0.0", "server", "O(1)", DANGER, tip_info, NULL},
    {"lastsave", 1, LOAD | STALE | FAST, NO_KEYS, NULL, session_lastsave, NULL,
     "Tells until when everything is on disk.", "1.0.0", "server", "O(1)", CATEGORY_ADMIN | DANGER, tip_random, NULL},
    {"latency", -2, 0, NO_KEYS, NULL, NULL, latency_rows,
     "What took long on this node.", "2.8.13", "server", PARTS, 0, NULL, NULL},
    {"lolwut", -1, R | FAST, NO_KEYS, cmd_lolwut, NULL, NULL,
     "Draws something.", "5.0.0", "server", "O(1)", 0, NULL, NULL},
    {"memory", -2, 0, NO_KEYS, NULL, NULL, memory_rows,
     "What memory is used for.", "4.0.0", "server", PARTS, 0, NULL, NULL},
    {"role", 1, ANYTIME | FAST | REPORT, NO_KEYS, NULL, session_role, NULL,
     "Tells whether this node leads, and who follows or leads.", "2.8.12", "server", "O(N) in members", CATEGORY_ADMIN | DANGER, NULL, NULL},
    {"save", 1, ADM | NOSCR | NOASYNC | NOMULTI, NO_KEYS, NULL, session_save, NULL,
     "Starts a checkpoint; what is acknowledged is on disk before.", "1.0.0", "server", "O(1), in slices afterwards", 0, NULL, NULL},
    {"slowlog", -2, 0, NO_KEYS, NULL, NULL, slowlog_rows,
     "Commands that took long on this node.", "2.2.12", "server", PARTS, 0, NULL, NULL},
    {"shutdown", -1, ADM | ANYTIME | NOMULTI | BUSY | REPORT | LATER, NO_KEYS, NULL, session_shutdown, NULL,
     "Ends this node.", "1.0.0", "server", "O(1)", 0, NULL, NULL},

    /* the cluster */
    {"asking", 1, FAST, NO_KEYS, NULL, session_asking, NULL,
     "Accepted for cluster clients; nothing ever needs it.", "3.0.0", "cluster", "O(1)", CONN, NULL, NULL},
    {"cluster", -2, 0, NO_KEYS, NULL, NULL, cluster_rows,
     "The group as a Redis Cluster of one shard.", "3.0.0", "cluster", PARTS, 0, NULL, NULL},
    {"readonly", 1, LOAD | STALE | FAST, NO_KEYS, NULL, session_readonly, NULL,
     "Allows reads of this connection on a follower.", "3.0.0", "cluster", "O(1)", CONN, NULL, NULL},
    {"readwrite", 1, LOAD | STALE | FAST, NO_KEYS, NULL, session_readwrite, NULL,
     "Takes READONLY back.", "3.0.0", "cluster", "O(1)", CONN, NULL, NULL},
    {"raft.consistency", 2, LOAD | STALE | FAST, NO_KEYS, NULL, session_raft_consistency, NULL,
     "Says what this connection's reads stand on.", "0.2.0", "cluster", "O(1)", CONN, NULL, NULL},
    {"raft.node", -2, 0, NO_KEYS, NULL, NULL, raft_node_rows,
     "The members of the cluster.", "0.3.0", "cluster", PARTS, 0, NULL, NULL},
    {"raft.backup", 2, ADM | NOSCR | STALE | LATER, NO_KEYS, NULL, session_raft_backup, NULL,
     "Makes a file of this node's state, in backup-dir.", "0.3.0", "cluster", "O(N) in bytes of the state", DANGER, NULL, NULL},
    {"raft.snapshot", 1, ADM | NOSCR, NO_KEYS, NULL, session_raft_snapshot, NULL,
     "Has this node write its state to disk now.", "0.1.0", "cluster", "O(N) in pages changed since the last time", DANGER, NULL, NULL},
    {"raft.info", 1, LOAD | STALE | REPORT, NO_KEYS, NULL, session_raft_info, NULL,
     "Describes Raft's state on this node, a field a line.", "0.1.0", "cluster", "O(N) in members", DANGER, NULL, NULL},
    {"raft.transfer_leader", -1, ADM | NOSCR | STALE | REPORT | LATER, NO_KEYS, NULL, session_raft_transfer_leader, NULL,
     "Hands the leadership over.", "0.2.0", "cluster", "O(1), and an election", 0, NULL, NULL},
    {0},
};
