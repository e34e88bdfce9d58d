/* SPDX-License-Identifier: MIT */
/* The words that the rows of the command table are made of: for rows.c, rows_parts.c and rows_script.c only. rows.c says what the columns are. */
#ifndef ROWS_WORDS_H
#define ROWS_WORDS_H

#include <stddef.h>

#include "families.h"
#include "rows.h"
#include "sessions.h"

#define R        COMMAND_READONLY
#define W        COMMAND_WRITE
#define OOM      COMMAND_DENYOOM
#define ADM      COMMAND_ADMIN
#define NOSCR    COMMAND_NOSCRIPT
#define LOAD     COMMAND_LOADING
#define STALE    COMMAND_STALE
#define FAST     COMMAND_FAST
#define NOAUTH   COMMAND_NO_AUTH
#define NOMULTI  COMMAND_NO_MULTI
#define NOASYNC  COMMAND_NO_ASYNC_LOADING
#define BUSY     COMMAND_ALLOW_BUSY
#define REPORT   COMMAND_REPORT
#define SESSIONS COMMAND_SESSIONS
#define LATER    COMMAND_LATER
#define LOGGED   COMMAND_LOGGED
#define PUBSUB   COMMAND_PUBSUB
#define HEARS    COMMAND_LISTENER
#define ANYTIME  (NOSCR | LOAD | STALE)
#define GREETING (NOSCR | LOAD | STALE | FAST | NOAUTH | BUSY)
/* To a connection that listens, and answered with pushes. */
#define LISTEN   (PUBSUB | NOSCR | LOAD | STALE | HEARS | LATER | COMMAND_PUSH)
#define REFUSED  (ADM | STALE | NOASYNC)
#define NO_KEYS  0, 0, 0
#define KEY      1, 1, 1
#define STR      CATEGORY_STRING
#define BITS     CATEGORY_BITMAP
#define HASH     CATEGORY_HASH
#define SET      CATEGORY_SET
#define ZSET     CATEGORY_SORTEDSET
#define KEYSP    CATEGORY_KEYSPACE
#define LIST     CATEGORY_LIST
#define SORTED   (CATEGORY_LIST | CATEGORY_SET | CATEGORY_SORTEDSET | CATEGORY_DANGEROUS)
#define STREAM   CATEGORY_STREAM
#define CONN     CATEGORY_CONNECTION
#define DANGER   CATEGORY_DANGEROUS
#define BLOCK    COMMAND_BLOCKING
#define LOOKS    COMMAND_LOOKS
#define UNQUEUED COMMAND_UNQUEUED
#define NOKEYS   COMMAND_NO_MANDATORY_KEYS
#define TRANS    CATEGORY_TRANSACTION
#define SCRIPTS  CATEGORY_SCRIPTING
#define PARTS    "Depends on subcommand."

/* What is done with the keys. */
#define KEYS(name, ...) static const struct command_keys name[] = {__VA_ARGS__, {0}}
KEYS(key_ro, {.flags = "RO"});
KEYS(key_none, {.flags = "not_key"});
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
KEYS(key_xadd, {.flags = "RW update",
                .notes = "UPDATE instead of INSERT because of the optional trimming feature"});
KEYS(key_set, {.flags = "RW access update variable_flags",
               .notes = "RW and ACCESS due to the optional `GET` argument"});

KEYS(key_lmove, {.flags = "RW access delete"}, {.flags = "RW insert"});
KEYS(key_lmpop, {.flags = "RW access delete", .count_at = 1});
KEYS(key_blmpop, {.flags = "RW access delete", .count_at = 2});
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
#define TIPS(name, ...) static const char *const name[] = {__VA_ARGS__, NULL}
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
TIPS(tip_wait, "request_policy:all_shards", "response_policy:agg_min");
TIPS(tip_slowlog, "request_policy:all_nodes", "nondeterministic_output");
TIPS(tip_slowlog_len, "request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output");
TIPS(tip_report, "nondeterministic_output", "request_policy:all_shards", "response_policy:special");
TIPS(tip_info, "nondeterministic_output", "request_policy:all_shards", "response_policy:special");

#endif
