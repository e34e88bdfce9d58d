/* SPDX-License-Identifier: MIT */
/*
 * The group as a Redis Cluster of one shard, so that cluster clients find and follow the leader by themselves: the leader
 * is the master of slots 0-16383, every other member its replica, the epoch is Raft's term. All answers come from one
 * known leader (report.h): the present one or, while there is none, the last one, because clients give up on an empty map.
 */
#include "command.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "health.h"
#include "raft_lines.h"
#include "sessions.h"
#include "text.h"

enum { LAST_SLOT = 16383, ALL_SLOTS = 16384 };

static bool can_decide(const struct report *report, const struct health *health) {
    return health->quorum && report->leader_id != 0;
}

void session_cluster_info(struct session_call *call) {
    const struct report *report = call->report;
    struct resp_buf text = {0};
    struct health health;

    assert(report);
    health_judge(report, &health);
    bool ok = can_decide(report, &health);
    text_add(&text, "cluster_state:%s\r\ncluster_slots_assigned:%d\r\ncluster_slots_ok:%d\r\n",
             ok ? "ok" : "fail", ALL_SLOTS, ok ? ALL_SLOTS : 0);
    text_add(&text, "cluster_slots_pfail:0\r\ncluster_slots_fail:%d\r\n", ok ? 0 : ALL_SLOTS);
    text_add(&text, "cluster_known_nodes:%zu\r\ncluster_size:1\r\n", report->member_count);
    text_add(&text, "cluster_current_epoch:%" PRIu64 "\r\ncluster_my_epoch:%" PRIu64 "\r\n", report->term,
             report->term);
    text_add(&text,
             "cluster_stats_messages_sent:%" PRIu64 "\r\ncluster_stats_messages_received:%" PRIu64 "\r\n",
             report->peer_messages_out, report->peer_messages_in);
    text_add(&text, "total_cluster_links_buffer_limit_exceeded:0\r\n");
    raft_lines(&text, report, &health, "cluster_raft_");
    text_reply(&text, call->reply);
}

/* ---- CLUSTER NODES --- */

static void add_node_line(struct resp_buf *text, const struct report *report,
                          const struct report_member *member) {
    const struct report_member *leader = report_known_leader(report);
    bool self = member->id == report->node_id, reachable = health_reachable(report, member);
    uint64_t heard_ms = 0;

    if (!self && member->last_contact_ms >= 0)
        heard_ms = report->now_us / 1000 - (uint64_t)member->last_contact_ms;
    text_add(text, "%s %s:%u@%u %s%s%s %s 0 %" PRIu64 " %" PRIu64 " %s%s\n", member->run_id, member->host,
             member->port, member->peer_port, self ? "myself," : "", member == leader ? "master" : "slave",
             reachable ? "" : ",fail", leader && member != leader ? leader->run_id : "-", heard_ms,
             report->term, reachable ? "connected" : "disconnected", member == leader ? " 0-16383" : "");
}

void session_cluster_nodes(struct session_call *call) {
    struct resp_buf text = {0};

    assert(call->report);
    for (size_t at = 0; at < call->report->member_count; at++)
        add_node_line(&text, call->report, &call->report->members[at]);
    text_reply(&text, call->reply);
}

static const struct report_member *member_by_run_id(const struct report *report,
                                                    const struct resp_arg *run_id) {
    for (size_t at = 0; run_id->length == REPORT_RUN_ID_LENGTH && at < report->member_count; at++)
        if (memcmp(report->members[at].run_id, run_id->bytes, run_id->length) == 0)
            return &report->members[at];
    return NULL;
}

void session_cluster_replicas(struct session_call *call) {
    const struct report *report = call->report;
    const struct report_member *of = member_by_run_id(report, &call->args[2]);

    if (!of) {
        resp_error(call->reply, "ERR Unknown node %.*s", (int)call->args[2].length, call->args[2].bytes);
        return;
    }
    if (of != report_known_leader(report)) {
        resp_error(call->reply, "ERR The specified node is not a master");
        return;
    }
    resp_array(call->reply, report->member_count - 1);
    for (size_t at = 0; at < report->member_count; at++) {
        struct resp_buf line = {0};
        if (&report->members[at] == of)
            continue;
        add_node_line(&line, report, &report->members[at]);
        resp_bulk(call->reply, resp_buf_bytes(&line), resp_buf_length(&line) - 1); /* without its line end */
        resp_buf_close(&line);
    }
}

/* ---- CLUSTER SLOTS, CLUSTER SHARDS --- */

static void reply_slots_node(struct resp_out *reply, const struct report_member *member) {
    resp_array(reply, 4);
    resp_bulk_text(reply, member->host);
    resp_integer(reply, member->port);
    resp_bulk_text(reply, member->run_id);
    resp_map(reply, 0);
}

void session_cluster_slots(struct session_call *call) {
    const struct report *report = call->report;
    const struct report_member *leader = report_known_leader(report);
    size_t shown = 3;

    if (!leader) {
        resp_error(call->reply, "CLUSTERDOWN no leader has been elected yet");
        return;
    }
    resp_array(call->reply, 1);
    size_t mark = resp_array_open(call->reply);
    resp_integer(call->reply, 0);
    resp_integer(call->reply, LAST_SLOT);
    reply_slots_node(call->reply, leader);
    for (size_t at = 0; at < report->member_count; at++) {
        const struct report_member *member = &report->members[at];
        if (member == leader || !health_reachable(report, member))
            continue;
        reply_slots_node(call->reply, member);
        shown++;
    }
    resp_array_close(call->reply, mark, shown);
}

static void reply_shards_node(struct resp_out *reply, const struct report *report,
                              const struct report_member *member) {
    bool self = member->id == report->node_id, loading = self && report->state == REPORT_LOADING;
    uint64_t offset = self ? report->applied_index : member->match_index;
    const char *health = health_reachable(report, member) ? "online" : "fail";

    resp_map(reply, 7);
    resp_bulk_text(reply, "id");
    resp_bulk_text(reply, member->run_id);
    resp_bulk_text(reply, "port");
    resp_integer(reply, member->port);
    resp_bulk_text(reply, "ip");
    resp_bulk_text(reply, member->host);
    resp_bulk_text(reply, "endpoint");
    resp_bulk_text(reply, member->host);
    resp_bulk_text(reply, "role");
    resp_bulk_text(reply, member == report_known_leader(report) ? "master" : "replica");
    resp_bulk_text(reply, "replication-offset");
    resp_integer(reply, (int64_t)offset);
    resp_bulk_text(reply, "health");
    resp_bulk_text(reply, loading ? "loading" : health);
}

void session_cluster_shards(struct session_call *call) {
    const struct report *report = call->report;
    const struct report_member *leader = report_known_leader(report);

    resp_array(call->reply, 1);
    resp_map(call->reply, 2);
    resp_bulk_text(call->reply, "slots");
    resp_array(call->reply, leader ? 2 : 0);
    if (leader) {
        resp_integer(call->reply, 0);
        resp_integer(call->reply, LAST_SLOT);
    }
    resp_bulk_text(call->reply, "nodes");
    resp_array(call->reply, report->member_count);
    if (leader)
        reply_shards_node(call->reply, report, leader);
    for (size_t at = 0; at < report->member_count; at++)
        if (&report->members[at] != leader)
            reply_shards_node(call->reply, report, &report->members[at]);
}

/* ---- the rest --- */

void session_cluster_myid(struct session_call *call) {
    const struct report_member *self = report_self(call->report);

    resp_bulk_text(call->reply, self ? self->run_id : call->report->run_id);
}

void session_cluster_keyslot(struct session_call *call) {
    resp_integer(call->reply, command_key_slot(&call->args[2]));
}

/* What would change the cluster in Redis's way; the row's summary says what to know instead. */
void session_cluster_refuse(struct session_call *call) {
    const char *name = strchr(call->command->name, '|') + 1;
    const char *reason = strchr(call->command->summary, ':');

    assert(reason);
    resp_error(call->reply, "ERR CLUSTER %s is not supported%s", name, reason);
}

void session_readonly(struct session_call *call) {
    call->session->readonly = true;
    resp_status(call->reply, "OK");
}

void session_readwrite(struct session_call *call) {
    call->session->readonly = false;
    resp_status(call->reply, "OK");
}

void session_asking(struct session_call *call) {
    call->session->asking = true;
    resp_status(call->reply, "OK");
}
