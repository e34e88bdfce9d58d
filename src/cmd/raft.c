/* SPDX-License-Identifier: MIT */
/*
 * RAFT.INFO: how this node stands in its group, `field:value` lines that are answered in every state.
 *
 *      cluster_id        40 hex, "" until the cluster has formed       node_id, incarnation   this node, its data directory
 *      state             loading joining up removed failed             role   follower pre-candidate candidate leader
 *      leader_id         0: none now                                   leader_address   as told to clients
 *      leader_since      Unix milliseconds, 0: there is no leader      quorum_lost_since      Unix milliseconds, 0: it is not lost
 *      quorum            ok lost                                       health   ok degraded down, with health_reason
 *      failures_tolerated  further voters that may fail before the quorum is lost
 *      removed_nodes     ids of the removed members, by commas
 *      nodeN             the member with id N; match_index and lag are known to the leader (lag=-1: not known), last_contact_ms=-1: never
 *      checkpoint_index  the entry up to which the state is in the data file; 0: there is none yet. checkpoint_last_: of the last one
 *      checkpoint_pause_ how long turns of the loop had to do with a checkpoint, microseconds, of the last minute: handing pages to the
 *                        worker, and copying them before commands changed them; _cpu_: of that on a CPU, which no other process can make
 *                        longer. checkpoint_last_pause_us: the longest of the last checkpoint; copied_: for all its commands
 *      checkpoint_rate   bytes a second that one may write now; 0: as many as the disk takes
 *      loop_             how long turns of the loop took, of the last minute; loop_cpu_: of that on a CPU, at most 1 ms too much
 *      loop_awake_us     CPU with which the loop waited awake for what would come soon (raft-busy-poll-time), since the start
 *      gathered_         entries that this node held as leader for the next writes of those whom it had just answered (raft-gather-time), and
 *                        for how long in all, since the start
 *      feature_level     what the members agree to put into entries; feature_level_offered: what this node would agree to
 *      feature_level_held_by  ids of the members that do not offer more than it, or were not met yet; when this node does
 *      audit_index       the last entry at which this node's state was found to be the majority's; state_differs: it is not any more
 *      backup_last_      of the last backup that was made, backup_error: why the last one failed
 *      disk_free         bytes in the data directory's file system; -1: it cannot be told. disk_low: growing writes are refused
 *      fsync_, commit_   of the last minute, microseconds
 *      transfers, handovers  begun by this node since its start; of them, that ended with another leader
 *      clients_via_members   clients for whom other members are proxies; proxied_, proxy_: this node as a proxy. proxied_clients
 *                            connections to the leader now, _repeated requests that went to another leader in the end
 *      lease_remaining_ms    a leader's: for so long it may answer reads without asking; 0: it has no lease
 *
 * The values of one line never hold a line break; within a nodeN line they hold no comma either.
 */
#include "raft_lines.h"

#include <assert.h>
#include <inttypes.h>

#include "command.h"
#include "sessions.h"
#include "text.h"

static const char *yes_no(bool value) {
    return value ? "yes" : "no";
}

static void line_text(struct resp_buf *text, const char *prefix, const char *field, const char *value) {
    text_add(text, "%s%s:", prefix, field);
    text_add_word(text, value, 0);
    text_add(text, "\r\n");
}

static void line_number(struct resp_buf *text, const char *prefix, const char *field, uint64_t value) {
    text_add(text, "%s%s:%" PRIu64 "\r\n", prefix, field, value);
}

static void identity_lines(struct resp_buf *text, const struct report *report, const char *prefix) {
    const struct report_member *leader = report_member(report, report->leader_id);

    line_text(text, prefix, "cluster_id", report->cluster_id);
    line_text(text, prefix, "cluster_name", report->cluster_name);
    line_number(text, prefix, "node_id", report->node_id);
    line_text(text, prefix, "incarnation", report->incarnation);
    line_text(text, prefix, "state", report_state_name(report->state));
    line_text(text, prefix, "role", report_role_name(report->role));
    line_number(text, prefix, "leader_id", report->leader_id);
    if (leader)
        text_add(text, "%sleader_address:%s:%u\r\n", prefix, leader->host, leader->port);
    else
        line_text(text, prefix, "leader_address", "");
}

static void log_lines(struct resp_buf *text, const struct report *report, const char *prefix) {
    line_number(text, prefix, "current_term", report->term);
    line_number(text, prefix, "voted_for", report->voted_for);
    line_number(text, prefix, "commit_index", report->commit_index);
    line_number(text, prefix, "last_applied_index", report->applied_index);
    line_number(text, prefix, "last_log_index", report->last_index);
    line_number(text, prefix, "last_saved_index", report->saved_index);
    line_number(text, prefix, "log_first_index", report->log_first_index);
    line_number(text, prefix, "log_entries", report->log_entries);
    line_number(text, prefix, "log_bytes", report->log_bytes);
}

/* How far a member's log is behind: the leader knows it of everyone, the others of themselves. */
static int64_t lag_of(const struct report *report, const struct report_member *member) {
    if (report->role != REPORT_LEADER && member->id != report->node_id)
        return -1;
    return report->last_index > member->match_index ? (int64_t)(report->last_index - member->match_index) : 0;
}

static void member_line(struct resp_buf *text, const struct report *report,
                        const struct report_member *member, const char *prefix) {
    bool self = member->id == report->node_id;

    text_add(text, "%snode%" PRIu64 ":id=%" PRIu64 ",address=%s:%u,voting=%s,link=%s", prefix, member->id,
             member->id, member->host, member->port, yes_no(member->voting), report_link_name(member->link));
    text_add(text, ",match_index=%" PRIu64 ",lag=%" PRId64 ",last_contact_ms=%" PRId64 ",version=%s",
             member->match_index, lag_of(report, member), self ? 0 : member->last_contact_ms,
             self ? report->version : member->version);
    text_add(text, ",feature_level=%u,clock_offset_ms=%" PRId64 ",link_error=", member->feature_level,
             member->clock_known ? member->clock_offset_ms : 0);
    text_add_word(text, member->link_error, ',');
    text_add(text, "\r\n");
}

static void level_lines(struct resp_buf *text, const struct report *report, const char *prefix) {
    bool may_rise = report->feature_level_offered > report->feature_level;
    const char *comma = "";

    line_number(text, prefix, "feature_level", report->feature_level);
    line_number(text, prefix, "feature_level_offered", report->feature_level_offered);
    text_add(text, "%sfeature_level_held_by:", prefix);
    for (size_t at = 0; may_rise && at < report->member_count; at++)
        if (report->members[at].feature_level <= report->feature_level) {
            text_add(text, "%s%" PRIu64, comma, report->members[at].id);
            comma = ",";
        }
    text_add(text, "\r\n");
}

static void group_lines(struct resp_buf *text, const struct report *report, const struct health *health,
                        const char *prefix) {
    line_text(text, prefix, "quorum", health->quorum ? "ok" : "lost");
    line_number(text, prefix, "num_nodes", health->nodes);
    line_number(text, prefix, "num_voting_nodes", health->voters);
    for (size_t at = 0; at < report->member_count; at++)
        member_line(text, report, &report->members[at], prefix);
    text_add(text, "%sremoved_nodes:", prefix);
    for (size_t at = 0; at < report->removed_count; at++)
        text_add(text, "%s%" PRIu64, at > 0 ? "," : "", report->removed[at]);
    text_add(text, "\r\n");
    line_text(text, prefix, "health", health_name(health->state));
    line_text(text, prefix, "health_reason", health->reason);
    line_number(text, prefix, "failures_tolerated", health->failures_tolerated);
    line_number(text, prefix, "leader_since", report->leader_since_ms);
    line_text(text, prefix, "last_leader_change_reason", report->leader_change_reason);
    line_number(text, prefix, "quorum_lost_since", report->quorum_lost_since_ms);
}

static void latency_lines(struct resp_buf *text, const struct latency_figures *figures, const char *prefix,
                          const char *what) {
    text_add(text, "%s%s_p50_us:%" PRIu64 "\r\n", prefix, what, figures->p50_us);
    text_add(text, "%s%s_p99_us:%" PRIu64 "\r\n", prefix, what, figures->p99_us);
    text_add(text, "%s%s_p999_us:%" PRIu64 "\r\n", prefix, what, figures->p999_us);
    text_add(text, "%s%s_max_us:%" PRIu64 "\r\n", prefix, what, figures->max_us);
}

static void checkpoint_lines(struct resp_buf *text, const struct report *report, const char *prefix) {
    line_number(text, prefix, "checkpoint_index", report->checkpoint_index);
    line_number(text, prefix, "checkpoint_in_progress", report->checkpoint_under_way_ms > 0);
    line_number(text, prefix, "checkpoint_last_ms", report->checkpoint_took_ms);
    line_number(text, prefix, "checkpoint_last_bytes", report->checkpoint_bytes);
    line_number(text, prefix, "checkpoint_last_pages", report->checkpoint_pages);
    line_number(text, prefix, "checkpoint_count", report->checkpoint_count);
    line_number(text, prefix, "checkpoint_failures", report->checkpoint_failures);
    line_text(text, prefix, "checkpoint_error", report->checkpoint_error);
    line_number(text, prefix, "checkpoint_rate", report->checkpoint_rate);
    line_number(text, prefix, "checkpoint_last_pause_us", report->checkpoint_longest_us);
    line_number(text, prefix, "checkpoint_last_pause_cpu_us", report->checkpoint_longest_cpu_us);
    line_number(text, prefix, "checkpoint_last_copied_pages", report->checkpoint_copied_pages);
    line_number(text, prefix, "checkpoint_last_copied_bytes", report->checkpoint_copied_bytes);
    latency_lines(text, &report->checkpoint_pause, prefix, "checkpoint_pause");
    latency_lines(text, &report->checkpoint_pause_cpu, prefix, "checkpoint_pause_cpu");
    line_number(text, prefix, "data_file_bytes", report->data_file_bytes);
    line_number(text, prefix, "snapshots_sending", report->snapshots_sending);
    line_number(text, prefix, "snapshot_in_progress", report->snapshot_coming);
    line_number(text, prefix, "snapshots_received", report->snapshots_received);
}

static void proxy_lines(struct resp_buf *text, const struct report *report, const char *prefix) {
    line_text(text, prefix, "follower_mode", report->proxies ? "proxy" : "redirect");
    line_number(text, prefix, "clients_via_members", report->clients_via_members);
    line_number(text, prefix, "proxied_clients", report->proxied_clients);
    line_number(text, prefix, "proxied_requests", report->proxied_requests);
    line_number(text, prefix, "proxied_repeated", report->proxied_repeated);
    line_number(text, prefix, "proxied_settled", report->proxied_settled);
    line_number(text, prefix, "proxied_in_doubt", report->proxied_in_doubt);
    line_number(text, prefix, "proxy_dials", report->proxy_dials);
}

static void disk_lines(struct resp_buf *text, const struct report *report, const char *prefix) {
    line_number(text, prefix, "audit_index", report->audit_index);
    line_number(text, prefix, "audit_count", report->audit_count);
    line_text(text, prefix, "state_differs", yes_no(report->audit_differs));
    line_number(text, prefix, "backup_in_progress", report->backup_under_way);
    line_number(text, prefix, "backup_count", report->backup_count);
    line_number(text, prefix, "backup_last_time", report->backup_ms);
    line_number(text, prefix, "backup_last_index", report->backup_index);
    line_number(text, prefix, "backup_last_bytes", report->backup_bytes);
    line_number(text, prefix, "backup_last_ms", report->backup_took_ms);
    line_text(text, prefix, "backup_error", report->backup_error);
    text_add(text, "%sdisk_free:%" PRId64 "\r\n", prefix,
             report->disk_known ? (int64_t)report->disk_free_bytes : -1);
    line_number(text, prefix, "disk_reserve", report->disk_reserve_bytes);
    line_text(text, prefix, "disk_low", yes_no(report->disk_low));
}

static void figure_lines(struct resp_buf *text, const struct report *report, const char *prefix) {
    double batch = report->fsync_count ? (double)report->writes_logged / (double)report->fsync_count : 0;

    line_number(text, prefix, "pending_writes", report->pending_writes);
    line_number(text, prefix, "unsaved_bytes", report->unsaved_bytes);
    line_number(text, prefix, "outcomes_in_doubt", report->outcomes_in_doubt);
    text_add(text, "%sloop_stall_max_ms:%.3f\r\n", prefix, (double)report->turn.max_us / 1000);
    latency_lines(text, &report->turn, prefix, "loop");
    latency_lines(text, &report->turn_cpu, prefix, "loop_cpu");
    line_number(text, prefix, "loop_awake_us", report->loop_awake_us);
    line_number(text, prefix, "gathered_entries", report->gathered);
    line_number(text, prefix, "gathered_us", report->gathered_us);
    latency_lines(text, &report->fsync, prefix, "fsync");
    latency_lines(text, &report->commit, prefix, "commit");
    line_number(text, prefix, "fsync_count", report->fsync_count);
    text_add(text, "%swrites_per_fsync:%.2f\r\n", prefix, batch);
    line_number(text, prefix, "elections", report->elections);
    line_number(text, prefix, "transfers", report->transfers);
    line_number(text, prefix, "handovers", report->handovers);
    line_text(text, prefix, "leases", yes_no(report->leases));
    line_number(text, prefix, "lease_remaining_ms", report->lease_ms);
    line_number(text, prefix, "lease_reads", report->lease_reads);
    line_text(text, prefix, "read_consistency", report->read_consistency);
    line_number(text, prefix, "leader_changes", report->leader_changes);
    line_number(text, prefix, "uptime_in_seconds", report->uptime_s);
}

void raft_lines(struct resp_buf *text, const struct report *report, const struct health *health,
                const char *prefix) {
    identity_lines(text, report, prefix);
    log_lines(text, report, prefix);
    group_lines(text, report, health, prefix);
    level_lines(text, report, prefix);
    checkpoint_lines(text, report, prefix);
    proxy_lines(text, report, prefix);
    disk_lines(text, report, prefix);
    figure_lines(text, report, prefix);
}

void session_raft_info(struct session_call *call) {
    struct resp_buf text = {0};
    struct health health;

    assert(call->report);
    health_judge(call->report, &health);
    raft_lines(&text, call->report, &health, "");
    text_reply(&text, call->reply);
}

/* The node answers when it is done. */
void session_raft_backup(struct session_call *call) {
    call->wishes->backup = &call->args[1];
}

/* The answer comes at once; RAFT.INFO's checkpoint_index says when it is done. */
void session_raft_snapshot(struct session_call *call) {
    call->wishes->checkpoint = true;
    resp_status(call->reply, "OK");
}

/* ---- RAFT.CONSISTENCY --- */

void session_raft_consistency(struct session_call *call) {
    static const char *const levels[] = {"default", "linearizable", "lease", "stale"};

    for (unsigned level = 0; level < sizeof levels / sizeof levels[0]; level++)
        if (resp_arg_is(&call->args[1], levels[level])) {
            call->session->consistency = level;
            resp_status(call->reply, "OK");
            return;
        }
    resp_error(call->reply, "ERR RAFT.CONSISTENCY must be one of the following: linearizable, lease, stale, "
                            "default");
}
