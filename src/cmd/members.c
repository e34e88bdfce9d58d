/* SPDX-License-Identifier: MIT */
/*
 * Who is a member: RAFT.NODE ADD, REMOVE, SET on the leader, RAFT.NODE LIST on every node.
 *
 * Here a request is understood, and refused where the words alone show that it cannot be. Then it is a wish: the node proposes the change,
 * and answers +OK when it is committed, or says why it is not made (membership.c).
 */
#include "command.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "../conf.h"
#include "report.h"
#include "sessions.h"

static bool leads(struct session_call *call) {
    const struct report *report = call->report;
    const struct report_member *leader = report_member(report, report->leader_id);

    assert(report);
    if (report->role == REPORT_LEADER)
        return true;
    if (report->state == REPORT_REMOVED)
        resp_error(call->reply,
                   "CLUSTERDOWN node %" PRIu64 " was removed from the cluster: ask another; not executed",
                   report->node_id);
    else if (leader)
        resp_error(call->reply, "MOVED 0 %s:%u", leader->host, leader->port);
    else
        resp_error(call->reply, "CLUSTERDOWN there is no leader to change the members; not executed");
    return false;
}

static bool read_id(struct session_call *call, int64_t *id) {
    if (resp_arg_integer(&call->args[2], id) && *id > 0)
        return true;
    resp_error(call->reply, "ERR a node's id is a positive integer");
    return false;
}

static void wish(struct session_call *call, enum wish_member change, int64_t id) {
    call->wishes->member = change;
    call->wishes->member_id = (uint64_t)id;
}

static bool read_address(struct session_call *call, struct conf_node *address) {
    char word[CONF_HOST_MAX + 16];
    const struct resp_arg *arg = &call->args[3];

    snprintf(word, sizeof word, "%.*s", (int)arg->length, arg->bytes);
    if (arg->length >= sizeof word || !conf_read_address(word, address)) {
        resp_error(call->reply, "ERR a node's address must be <host>:<port> or [<IPv6 address>]:<port>");
        return false;
    }
    if (conf_lacks_secret(call->conf, address->host)) {
        resp_error(call->reply,
                   "ERR %s is not on this machine: raft-secret-file is needed, on every member, before other "
                   "machines may be members",
                   address->host);
        return false;
    }
    return true;
}

static void change_with_address(struct session_call *call, enum wish_member change) {
    struct conf_node address = {0};
    int64_t id;

    if (!leads(call) || !read_id(call, &id) || !read_address(call, &address))
        return;
    wish(call, change, id);
    snprintf(call->wishes->member_address, sizeof call->wishes->member_address, "%.240s:%u", address.host,
             address.port);
}

void session_raft_node_add(struct session_call *call) {
    change_with_address(call, MEMBER_ADD);
}

void session_raft_node_set(struct session_call *call) {
    change_with_address(call, MEMBER_SET);
}

void session_raft_node_remove(struct session_call *call) {
    int64_t id;

    if (leads(call) && read_id(call, &id))
        wish(call, MEMBER_REMOVE, id);
}

/* ---- RAFT.NODE LIST --- */

static void field(struct resp_out *reply, const char *name, const char *value) {
    resp_bulk_text(reply, name);
    resp_bulk_text(reply, value);
}

static void reply_member(struct resp_out *reply, const struct report *report,
                         const struct report_member *member) {
    char address[REPORT_HOST_MAX + 16];
    bool self = member->id == report->node_id;

    snprintf(address, sizeof address, "%s:%u", member->peer_host, member->peer_port);
    resp_map(reply, 7);
    resp_bulk_text(reply, "id");
    resp_integer(reply, (int64_t)member->id);
    field(reply, "kind", member->voting ? "voter" : "learner");
    field(reply, "address", address);
    field(reply, "incarnation", member->incarnation);
    field(reply, "role", member->id == report->leader_id ? "leader" : "follower");
    field(reply, "link", report_link_name(member->link));
    resp_bulk_text(reply, "last-contact-ms");
    resp_integer(reply, self ? 0 : member->last_contact_ms);
}

void session_raft_node_list(struct session_call *call) {
    const struct report *report = call->report;

    resp_array(call->reply, report->member_count + report->removed_count);
    for (size_t at = 0; at < report->member_count; at++)
        reply_member(call->reply, report, &report->members[at]);
    for (size_t at = 0; at < report->removed_count; at++) {
        resp_map(call->reply, 2);
        resp_bulk_text(call->reply, "id");
        resp_integer(call->reply, (int64_t)report->removed[at]);
        field(call->reply, "kind", "removed");
    }
}
