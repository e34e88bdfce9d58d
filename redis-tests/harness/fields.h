/* SPDX-License-Identifier: MIT */
/* The fields that RAFT.INFO of a node of three must have, whoever leads. */
#ifndef FIELDS_H
#define FIELDS_H

static const char *const raft_info_fields[] = {
    "cluster_id",
    "node_id",
    "incarnation",
    "state",
    "role",
    "leader_id",
    "leader_address",
    "current_term",
    "voted_for",
    "commit_index",
    "last_applied_index",
    "last_log_index",
    "log_entries",
    "log_bytes",
    "quorum",
    "num_nodes",
    "num_voting_nodes",
    "node1",
    "node2",
    "node3",
    "health",
    "health_reason",
    "failures_tolerated",
    "leader_since",
    "last_leader_change_reason",
    "quorum_lost_since",
    "pending_writes",
    "unsaved_bytes",
    "outcomes_in_doubt",
    "loop_stall_max_ms",
    "loop_p999_us",
    "fsync_count",
    "writes_per_fsync",
    "elections",
    "leader_changes",
    "uptime_in_seconds",
};

enum { RAFT_INFO_FIELDS = sizeof raft_info_fields / sizeof raft_info_fields[0] };

#endif
