/* SPDX-License-Identifier: MIT */
/*
 * Giving the leadership away (raft/transfer.c says how it goes over): because somebody asks for it, because this node is about to
 * end, or because its disk or its loop stands still while the others could go on.
 *
 *      wanted ---- attempt ----> trying ---- a newer term ----> given ---- another leads ----> done: +OK
 *        ^                          |                             |
 *        +-- failed, time is left --+                             +-- nobody leads, or we again --> failed: -ERR
 *
 * Who had sent a write meanwhile keeps it in its input: it is proposed here when the attempt fails, or sent on (-MOVED) when the
 * new leader is known; no error either way. What was proposed before is in the successor's log before it stands, so it is
 * applied and answered as ever. Reads go on until the leadership is gone; those under way then are sent on.
 *
 * A node that is to end and leads hands over first, and takes requests until another leads: there is no moment at which
 * nobody could take them. Then it stays a little longer, for its clients are still talking to it and should hear of the new leader
 * from it, not from a closed connection.
 *
 * An attempt lasts an election timeout at most, and between two of them writes pass for as long: nobody's patience ends.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "node_state.h"

enum {
    LEAVE_TIMEOUTS = 3, /* election timeouts that a node which is to end tries to hand over for */
    REST_TIMEOUTS = 10, /* election timeouts between two attempts that a stall begins */
};

/* ---- its end ------------------------------------------------------------------------------------------------- */

static void answer(struct node *node, struct connection *asker, bool quiet, const char *why) {
    char error[256];
    if (why)
        snprintf(error, sizeof error, "ERR %s", why);
    connection_conclude(node, asker, quiet, why ? error : NULL);
}

/* `error` NULL: another node leads. */
static void end(struct node *node, const char *error) {
    struct handover *handover = &node->handover;
    struct connection *asker = handover->asker;
    assert(handover->phase != HANDOVER_NONE);
    if (error)
        log_warning(node->logger, "the leadership was not handed over: %s", error);
    else
        log_notice(node->logger, "node %" PRIu64 " leads; handed over in %" PRIu64 " ms",
                   node->raft_status.leader, node->now_ms - handover->begun_ms);
    handover->done += !error;
    if (!error && node->leaving)
        node->busy_ms = node->now_ms;
    handover->phase = HANDOVER_NONE;
    handover->asker = NULL;
    handover->stopping = false;
    if (asker)
        answer(node, asker, handover->quiet, error);
}

void handover_abort(struct node *node, const char *why) {
    if (node->handover.phase == HANDOVER_NONE)
        return;
    raft_transfer_abort(node->raft);
    end(node, why);
}

void handover_forget(struct node *node, const struct connection *connection) {
    if (node->handover.asker == connection)
        node->handover.asker = NULL;
    if (node->stopper == connection)
        node->stopper = NULL;
}

/* ---- its course ---------------------------------------------------------------------------------------------- */

void handover_begin(struct node *node, raft_id to, uint64_t timeout_ms, struct connection *asker,
                    bool quiet) {
    struct handover *handover = &node->handover;
    assert(handover->phase == HANDOVER_NONE && node->raft);
    if (timeout_ms == 0)
        timeout_ms = node->conf->election_timeout_ms;
    handover->phase = HANDOVER_WANTED;
    handover->wanted = to;
    handover->to = 0;
    handover->term = node->raft_status.term;
    handover->begun_ms = handover->begin_ms = node->now_ms;
    handover->by_ms = node->now_ms + timeout_ms;
    handover->asker = asker;
    handover->quiet = quiet;
    handover->why[0] = 0;
    handover->begun++;
    if (asker)
        asker->awaits = true;
}

bool handover_holds(const struct node *node) {
    const struct handover *handover = &node->handover;
    return handover->phase == HANDOVER_TRYING || handover->phase == HANDOVER_GIVEN ||
           (handover->phase == HANDOVER_WANTED && node->now_ms >= handover->begin_ms);
}

uint64_t handover_deadline_ms(const struct node *node) {
    const struct handover *handover = &node->handover;
    if (handover->phase == HANDOVER_NONE || handover->phase == HANDOVER_GIVEN)
        return UINT64_MAX;
    bool rests = handover->phase == HANDOVER_WANTED && node->now_ms < handover->begin_ms;
    return rests && handover->begin_ms < handover->by_ms ? handover->begin_ms : handover->by_ms;
}

static bool is_live(const struct node *node, const struct peer *peer, struct raft_peer_status *status) {
    return peer->open && raft_peer_status(node->raft, peer->id, status) && status->kind == RAFT_VOTER &&
           status->last_contact_ms != 0 &&
           node->now_ms - status->last_contact_ms < node->conf->election_timeout_ms;
}

/* The one whose log is longest, of those that are there; one that has just failed only if there is no other. */
static raft_id best(const struct node *node) {
    const struct peer *found = NULL;
    raft_index found_match = 0;
    for (size_t i = 0; i < node->peer_count; i++) {
        const struct peer *peer = &node->peers[i];
        struct raft_peer_status status;
        if (!is_live(node, peer, &status))
            continue;
        bool failed_before = found && found->id == node->handover.to;
        if (!found || failed_before || (peer->id != node->handover.to && status.match > found_match)) {
            found = peer;
            found_match = status.match;
        }
    }
    return found ? found->id : 0;
}

static void attempt(struct node *node) {
    struct handover *handover = &node->handover;
    raft_id to = handover->wanted ? handover->wanted : best(node);
    if (to == 0) {
        end(node, "no other voter is reachable");
        return;
    }
    handover->to = to;
    handover->term = node->raft_status.term;
    switch (raft_transfer(node->raft, node->now_ms, to)) {
    case RAFT_OK:
        handover->phase = HANDOVER_TRYING;
        break;
    case RAFT_NOT_LEADER:
        handover->phase = HANDOVER_GIVEN;
        handover->given_ms = node->now_ms;
        break;
    default:
        end(node, "the one asked for is no voter");
    }
}

static void failed(struct node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void failed(struct node *node, const char *format, ...) {
    struct handover *handover = &node->handover;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(handover->why, sizeof handover->why, format, arguments);
    va_end(arguments);
    uint64_t rest_ms = node->leaving ? 0 : node->conf->election_timeout_ms;
    if (node->now_ms + rest_ms >= handover->by_ms) {
        end(node, handover->why);
        return;
    }
    handover->phase = HANDOVER_WANTED;
    handover->begin_ms = node->now_ms + rest_ms;
}

static void watch_attempt(struct node *node) {
    struct handover *handover = &node->handover;
    const struct raft_status *status = &node->raft_status;
    const struct peer *target = peers_find(node, handover->to);
    if (status->role != RAFT_LEADER || status->term != handover->term) {
        handover->phase = HANDOVER_GIVEN;
        handover->given_ms = node->now_ms;
    } else if (status->transferee == 0) {
        failed(node, "node %" PRIu64 " did not take over within %u ms; this node leads on", handover->to,
               node->conf->election_timeout_ms);
    } else if (!target || !target->open) {
        raft_transfer_abort(node->raft);
        failed(node, "the link to node %" PRIu64 " fell; this node leads on", handover->to);
    }
}

static void watch_given(struct node *node) {
    const struct raft_status *status = &node->raft_status;
    if (status->role == RAFT_LEADER)
        end(node, "this node was elected again");
    else if (status->leader != 0)
        end(node, NULL);
    else if (node->now_ms - node->handover.given_ms > 2ull * node->conf->election_timeout_ms)
        end(node, "the leadership was given up, but no other node leads yet");
}

static void go_on(struct node *node) {
    struct handover *handover = &node->handover;
    if (handover->phase == HANDOVER_TRYING)
        watch_attempt(node);
    if (handover->phase == HANDOVER_GIVEN)
        watch_given(node);
    if ((handover->phase == HANDOVER_TRYING || handover->phase == HANDOVER_WANTED) &&
        node->now_ms >= handover->by_ms) {
        char why[64];
        snprintf(why, sizeof why, "not done within %" PRIu64 " ms; this node leads on",
                 handover->by_ms - handover->begun_ms);
        handover_abort(node, handover->why[0] ? handover->why : why);
    }
    if (handover->phase == HANDOVER_WANTED && node->now_ms >= handover->begin_ms)
        attempt(node);
}

/* ---- before the end of the node -------------------------------------------------------------------------------- */

void node_stop(struct node *node) {
    if (node->leaving || node->stopping)
        return;
    log_notice(node->logger, "asked to stop; %zu requests are under way", connection_waiting(node));
    if (!node->raft) {
        start_stop(node);
        return;
    }
    node->leaving = true;
    node->leave_by_ms = node->now_ms + LEAVE_TIMEOUTS * (uint64_t)node->conf->election_timeout_ms;
}

void handover_stop_now(struct node *node) {
    if (node->stopping)
        return;
    handover_abort(node, "the node stops at once");
    node->leaving = false;
    start_stop(node);
}

void handover_stay(struct node *node) {
    if (!node->leaving || node->stopping)
        return;
    log_notice(node->logger, "asked to stay: the shutdown is taken back");
    node->leaving = false;
    node->busy_ms = 0;
    if (node->handover.stopping)
        handover_abort(node, "the shutdown was taken back");
    if (node->stopper)
        answer(node, node->stopper, false, "Errors trying to SHUTDOWN. Check logs.");
    node->stopper = NULL;
}

/* One that does not lead, or has nobody to hand over to, ends at once. */
static void leave(struct node *node) {
    struct handover *handover = &node->handover;
    bool is_late = node->now_ms >= node->leave_by_ms;
    bool leads = node->raft_status.role == RAFT_LEADER;
    if (handover->phase == HANDOVER_NONE && leads && !is_late && best(node) != 0) {
        handover_begin(node, 0, node->leave_by_ms - node->now_ms, NULL, false);
        handover->stopping = true;
    } else if (handover->phase == HANDOVER_NONE || is_late) {
        handover_abort(node, "time is up");
        node->leaving = false;
        start_stop(node);
    }
}

/* ---- when something stands still --------------------------------------------------------------------------------- */

/* How long the oldest job has been with the disk. */
static uint64_t disk_waits_ms(const struct node *node) {
    return node->promises ? node->now_ms - node->promises->begun_ms : 0;
}

static void tell_stall(struct node *node, uint64_t disk_ms, uint64_t loop_ms) {
    uint64_t bound_ms = node->conf->stall_timeout_ms;
    struct latency_figures fsync;
    latency_read(&node->fsync, node->now_ms, &fsync);
    if (disk_ms > bound_ms)
        log_warning(node->logger,
                    "slow disk: a write to %s has not ended after %" PRIu64 " ms (limit %" PRIu64
                    ", p99 of the last minute %" PRIu64
                    " us), %zu requests wait; the leadership is handed over",
                    node->conf->dir, disk_ms, bound_ms, fsync.p99_us, connection_waiting(node));
    else
        log_warning(node->logger,
                    "the loop stood still for %" PRIu64 " ms (limit %" PRIu64
                    "), %zu requests wait; the leadership is handed over",
                    loop_ms, bound_ms, connection_waiting(node));
}

/* A node whose disk stands still does not lead, and does not stand (status.c). */
static void watch_stalls(struct node *node) {
    uint64_t bound_ms = node->conf->stall_timeout_ms, disk_ms = disk_waits_ms(node);
    uint64_t loop_ms = node->loop_stall_us / 1000;
    node->loop_stall_us = 0;
    node->disk_stalled = bound_ms != 0 && disk_ms > bound_ms;
    bool stalls = bound_ms != 0 && (disk_ms > bound_ms || loop_ms > bound_ms);
    if (!stalls || node->leaving || node->raft_status.role != RAFT_LEADER ||
        node->handover.phase != HANDOVER_NONE || node->now_ms < node->handover.rest_until_ms ||
        best(node) == 0)
        return;
    tell_stall(node, disk_ms, loop_ms);
    node->handover.rest_until_ms = node->now_ms + REST_TIMEOUTS * (uint64_t)node->conf->election_timeout_ms;
    handover_begin(node, 0, 0, NULL, false);
}

void handover_turn(struct node *node) {
    watch_stalls(node);
    if (node->leaving)
        leave(node);
    if (node->handover.phase != HANDOVER_NONE)
        go_on(node);
    if (node->leaving && node->handover.phase == HANDOVER_NONE)
        leave(node);
}
