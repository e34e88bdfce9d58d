/* SPDX-License-Identifier: MIT */
/*
 * Handing the leadership over: RAFT.TRANSFER_LEADER [id], and the same in Redis's words, FAILOVER.
 *
 * Here a request is understood, and refused when it cannot succeed. Then it is a wish; the node answers +OK when another member
 * leads, or says why none does.
 */
#include "command.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "health.h"
#include "sessions.h"

static void wish(struct session_call *call, uint64_t to, uint64_t timeout_ms) {
    call->wishes->handover = true;
    call->wishes->handover_to = to;
    call->wishes->handover_ms = timeout_ms;
}

static bool can_lead(const struct report *report, const struct report_member *member) {
    return member->id != report->node_id && member->voting && health_reachable(report, member);
}

static bool anybody_can_lead(const struct report *report) {
    for (size_t at = 0; at < report->member_count; at++)
        if (can_lead(report, &report->members[at]))
            return true;
    return false;
}

/* ---- RAFT.TRANSFER_LEADER --- */

static void refuse_elsewhere(struct session_call *call) {
    const struct report_member *leader = report_member(call->report, call->report->leader_id);

    if (leader)
        resp_error(call->reply, "MOVED 0 %s:%u", leader->host, leader->port);
    else
        resp_error(call->reply, "CLUSTERDOWN there is no leader to hand over; not executed");
}

static void transfer_to(struct session_call *call, uint64_t id) {
    const struct report *report = call->report;
    const struct report_member *member = report_member(report, id);

    if (!member)
        resp_error(call->reply, "ERR there is no node %" PRIu64, id);
    else if (id == report->node_id)
        resp_error(call->reply, "ERR node %" PRIu64 " leads already", id);
    else if (!member->voting)
        resp_error(call->reply, "ERR node %" PRIu64 " is no voter", id);
    else if (!can_lead(report, member))
        resp_error(call->reply, "ERR node %" PRIu64 " is not reachable", id);
    else
        wish(call, id, 0);
}

void session_raft_transfer_leader(struct session_call *call) {
    const struct report *report = call->report;
    int64_t id = 0;

    assert(report);
    if (call->count > 2)
        resp_error(call->reply, "ERR wrong number of arguments for 'raft.transfer_leader' command");
    else if (call->count == 2 && (!resp_arg_integer(&call->args[1], &id) || id <= 0))
        resp_error(call->reply, "ERR a node's id is a positive integer");
    else if (report->role != REPORT_LEADER)
        refuse_elsewhere(call);
    else if (report->handing_over)
        resp_error(call->reply, "ERR the leadership is being handed over already");
    else if (id)
        transfer_to(call, (uint64_t)id);
    else if (anybody_can_lead(report))
        wish(call, 0, 0);
    else
        resp_error(call->reply, "ERR no other voter is reachable");
}

/* ---- FAILOVER [TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds] --- */

struct failover {
    const struct resp_arg *host;
    int64_t port, timeout_ms; /* 0: not said */
    bool force;
};

static bool failover_timeout(struct session_call *call, size_t at, struct failover *failover) {
    if (!resp_arg_integer(&call->args[at], &failover->timeout_ms)) {
        resp_error(call->reply, "ERR value is not an integer or out of range");
        return false;
    }
    if (failover->timeout_ms <= 0) {
        resp_error(call->reply, "ERR FAILOVER timeout must be greater than 0");
        return false;
    }
    return true;
}

static bool failover_parse(struct session_call *call, struct failover *failover) {
    for (size_t at = 1; at < call->count; at++) {
        size_t more = call->count - 1 - at;
        if (resp_arg_is(&call->args[at], "TIMEOUT") && more >= 1 && failover->timeout_ms == 0) {
            if (!failover_timeout(call, ++at, failover))
                return false;
        } else if (resp_arg_is(&call->args[at], "TO") && more >= 2 && !failover->host) {
            failover->host = &call->args[at + 1];
            if (!resp_arg_integer(&call->args[at + 2], &failover->port)) {
                resp_error(call->reply, "ERR value is not an integer or out of range");
                return false;
            }
            at += 2;
        } else if (resp_arg_is(&call->args[at], "FORCE") && !failover->force) {
            failover->force = true;
        } else {
            resp_error(call->reply, "ERR syntax error");
            return false;
        }
    }
    return true;
}

/* Clients know a member by what they are told, operators also by what peers use. */
static const struct report_member *member_at(const struct report *report, const struct failover *failover) {
    for (size_t at = 0; at < report->member_count; at++) {
        const struct report_member *member = &report->members[at];
        bool told = resp_arg_is(failover->host, member->host) && failover->port == member->port;
        bool dialled = resp_arg_is(failover->host, member->peer_host) && failover->port == member->peer_port;
        if (told || dialled)
            return member;
    }
    return NULL;
}

static void failover_begin(struct session_call *call, const struct failover *failover) {
    const struct report *report = call->report;
    const struct report_member *member = failover->host ? member_at(report, failover) : NULL;

    if (report->handing_over)
        resp_error(call->reply, "ERR FAILOVER already in progress.");
    else if (report->role != REPORT_LEADER)
        resp_error(call->reply, "ERR FAILOVER is not valid when server is a replica.");
    else if (!anybody_can_lead(report))
        resp_error(call->reply, "ERR FAILOVER requires connected replicas.");
    else if (failover->force && !(failover->timeout_ms && failover->host))
        resp_error(call->reply,
                   "ERR FAILOVER with force option requires both a timeout and target HOST and IP.");
    else if (failover->force)
        resp_error(call->reply,
                   "ERR FAILOVER cannot FORCE: a node that lacks acknowledged writes is never elected");
    else if (failover->host && (!member || member->id == report->node_id || !member->voting))
        resp_error(call->reply, "ERR FAILOVER target HOST and PORT is not a replica.");
    else if (member && !can_lead(report, member))
        resp_error(call->reply, "ERR FAILOVER target replica is not online.");
    else
        wish(call, member ? member->id : 0, (uint64_t)failover->timeout_ms);
}

void session_failover(struct session_call *call) {
    struct failover failover = {0};

    assert(call->report);
    if (call->count == 2 && resp_arg_is(&call->args[1], "ABORT")) {
        if (call->report->handing_over) {
            call->wishes->handover_abort = true;
            resp_status(call->reply, "OK");
        } else
            resp_error(call->reply, "ERR No failover in progress.");
    } else if (failover_parse(call, &failover))
        failover_begin(call, &failover);
}
