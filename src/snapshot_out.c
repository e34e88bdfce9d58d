/* SPDX-License-Identifier: MIT */
/*
 * A snapshot for a follower that the log does not go back to: the last checkpoint, copied while the next is written, sent in fragments.
 *
 *      follower's link 2            leader
 *        RAFT.HELLO, RAFT.AUTH  <-- as on every link between peers
 *        RAFT.SNAP OFFER <id> <index> <size> <crc>
 *                               --> :<bytes of it that are there already>      what came before a broken link need not come again
 *        RAFT.SNAP PART <offset> <crc> <bytes>
 *                               --> :<bytes that are there>                     the next leaves when this one is written
 *        RAFT.SNAP END          --> +OK                                         it is whole and sound; or -ERR, and it begins again
 *
 * It goes over a link of its own, a fragment at a time, so that no heartbeat waits behind it. Several followers share one copy; it is
 * removed when nobody gets it any more. Whatever fails, Raft asks again. A node whose state was found to differ from the others' (audit.c)
 * sends none, though it may lead until another does.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum { FRAGMENT_BYTES = 256 * 1024, CONNECT_TIMEOUT_MS = 1000, RETRY_MS = 1000 };

void snapshot_out_open(struct node *node) {
    struct snapshots_out *out = &node->snapshots_out;
    const struct store_data_wants wants = store_data_wants(&node->boot);
    out->copy = store_copy_new(node->conf->dir, &wants);
    out->worker = worker_new(node->loop, "snapshot", store_copy_run, out->copy);
}

static struct sending *sending_to(struct node *node, raft_id to) {
    for (size_t i = 0; i < SNAPSHOTS_OUT_MAX; i++)
        if (node->snapshots_out.at[i].to == to)
            return &node->snapshots_out.at[i];
    return NULL;
}

static void submit(struct node *node, struct store_copy_job *job) {
    worker_submit(node->snapshots_out.worker, &job->job);
}

/* ---- one follower ---------------------------------------------------------------------------------------------- */

static void end(struct node *node, struct sending *sending, bool ok, const char *why) {
    raft_id to = sending->to;
    uint64_t took_ms = node->now_ms - sending->begun_ms;
    if (ok)
        log_notice(node->logger,
                   "node %" PRIu64 " has the snapshot of %" PRIu64 ": %" PRIu64 " KB in %" PRIu64 " ms", to,
                   sending->index, node->snapshots_out.size / 1024, took_ms);
    else
        log_warning(node->logger,
                    "the snapshot for node %" PRIu64 " stopped at %" PRIu64 " of %" PRIu64 " KB: %s", to,
                    sending->offset / 1024, node->snapshots_out.size / 1024, why);
    if (sending->link)
        link_free(sending->link);
    if (node->raft)
        raft_snapshot_sent(node->raft, to, sending->index ? sending->index : node->checkpoint.done_index, ok);
    *sending = (struct sending){.to = 0};
}

static void call(struct node *node, struct sending *sending) {
    struct peer *peer = peers_find(node, sending->to);
    char host[CONF_HOST_MAX];
    unsigned port;
    sending->index = node->snapshots_out.index;
    if (!peer || !peers_address(node, sending->to, host, &port)) {
        end(node, sending, false, "it is no member any more");
        return;
    }
    sending->link = link_new(node->net, host, port, CONNECT_TIMEOUT_MS);
    link_set_owner(sending->link, sending);
    log_notice(node->logger,
               "node %" PRIu64 " is behind the log's beginning (%" PRIu64
               "): it gets the snapshot of %" PRIu64 ", %" PRIu64 " KB",
               sending->to, node->raft_status.base_index, sending->index, node->snapshots_out.size / 1024);
}

static void offer(struct node *node, struct sending *sending) {
    struct resp_buf *out = link_out(sending->link);
    char id[STORE_NAME_MAX + 1];
    snprintf(id, sizeof id, "%" PRIu64 "-%.8s-%" PRIu64, node->admission.identity.node,
             node->admission.identity.incarnation, sending->index);
    link_open(sending->link);
    resp_request(out, 6);
    resp_request_text(out, "RAFT.SNAP");
    resp_request_text(out, "OFFER");
    resp_request_text(out, id);
    resp_request_unsigned(out, sending->index);
    resp_request_unsigned(out, node->snapshots_out.size);
    resp_request_unsigned(out, node->snapshots_out.crc);
    link_touch(sending->link);
    sending->offered = true;
}

static void go_on(struct node *node, struct sending *sending, uint64_t offset) {
    sending->offset = offset;
    if (offset >= node->snapshots_out.size) {
        struct resp_buf *out = link_out(sending->link);
        resp_request(out, 2);
        resp_request_text(out, "RAFT.SNAP");
        resp_request_text(out, "END");
        link_touch(sending->link);
        sending->ending = true;
        return;
    }
    struct store_copy_job *job = store_copy_job_new(STORE_COPY_READ);
    job->index = sending->index;
    job->offset = offset;
    job->length = FRAGMENT_BYTES;
    snprintf(job->id, sizeof job->id, "%" PRIu64, sending->to);
    submit(node, job);
}

/* The fragment has been read. Whoever asked may be gone, or have begun again. */
static void send_fragment(struct node *node, struct store_copy_job *job) {
    struct sending *sending = sending_to(node, strtoull(job->id, NULL, 10));
    if (!sending || sending->index != job->index || sending->offset != job->offset || !sending->link ||
        link_state(sending->link) == LINK_WAITING)
        return;
    if (job->failed) {
        end(node, sending, false, job->why);
        return;
    }
    struct resp_buf *out = link_out(sending->link);
    resp_request(out, 5);
    resp_request_text(out, "RAFT.SNAP");
    resp_request_text(out, "PART");
    resp_request_unsigned(out, job->offset);
    resp_request_unsigned(out, job->crc);
    resp_request_bulk(out, job->fragment.at, job->fragment.length);
    link_touch(sending->link);
}

static void take_reply(struct node *node, struct sending *sending, const struct link_event *event) {
    char why[ADMISSION_WHY_MAX];
    int64_t number;
    if (event->kind == '-') {
        snprintf(why, sizeof why, "it says: %.*s", event->count > 0 ? (int)event->args[0].length : 0,
                 event->count > 0 ? event->args[0].bytes : "");
        end(node, sending, false, why);
    } else if (!sending->admitted && event->kind == '*') {
        if (admission_prove(&node->admission, event->args, event->count, &sending->exchange,
                            link_out(sending->link), why))
            link_touch(sending->link);
        else
            end(node, sending, false, why);
    } else if (!sending->admitted && event->kind == '+' && sending->exchange.theirs.from == sending->to) {
        sending->admitted = true;
        offer(node, sending);
    } else if (sending->offered && !sending->ending && event->kind == ':' && event->count == 1 &&
               resp_arg_integer(event->args, &number) && number >= 0) {
        go_on(node, sending, (uint64_t)number);
    } else if (sending->ending && event->kind == '+') {
        end(node, sending, true, "");
    } else {
        end(node, sending, false, "it answers with something else");
    }
}

bool snapshot_out_event(struct node *node, struct link *link, const struct link_event *event) {
    struct sending *sending = NULL;
    for (size_t i = 0; i < SNAPSHOTS_OUT_MAX && !sending; i++)
        if (node->snapshots_out.at[i].to && node->snapshots_out.at[i].link == link)
            sending = &node->snapshots_out.at[i];
    if (!sending)
        return false;
    if (event->type == LINK_UP) {
        admission_hello(&node->admission, sending->to, &sending->exchange, link_out(link));
        link_touch(link);
    } else if (event->type == LINK_DOWN) {
        end(node, sending, false, event->why);
    } else {
        take_reply(node, sending, event);
    }
    return true;
}

/* ---- the one that is there -------------------------------------------------------------------------------------- */

static void make(struct node *node) {
    struct snapshots_out *out = &node->snapshots_out;
    if (out->making || out->dropping || node->now_ms < out->retry_ms)
        return;
    if (node->checkpoint.done_index == 0) {
        node->checkpoint.wanted = true;
        return;
    }
    struct store_copy_job *job = store_copy_job_new(STORE_COPY_SNAPSHOT);
    job->generation = node->checkpoint.generation;
    out->making = true;
    out->making_index = node->checkpoint.done_index;
    submit(node, job);
}

static void drop(struct node *node) {
    struct snapshots_out *out = &node->snapshots_out;
    struct store_copy_job *job = store_copy_job_new(STORE_COPY_DROP);
    job->index = out->index;
    out->index = 0;
    out->dropping = true;
    submit(node, job);
}

static void made(struct node *node, const struct store_copy_job *job) {
    struct snapshots_out *out = &node->snapshots_out;
    out->making = false;
    if (job->failed) {
        out->retry_ms = node->now_ms + RETRY_MS;
        log_warning(node->logger, "a snapshot for followers cannot be made: %s", job->why);
        return;
    }
    out->index = job->index;
    out->size = job->size;
    out->crc = job->crc;
}

void snapshot_out_wanted(struct node *node, const struct raft_ids *ids) {
    for (size_t i = 0; i < ids->count; i++) {
        struct sending *sending = sending_to(node, ids->at[i]);
        if (!sending)
            sending = sending_to(node, 0);
        if (!sending || node->audit.differs)
            raft_snapshot_sent(node->raft, ids->at[i], node->checkpoint.done_index,
                               false); /* later: no place is free, or another leads */
        else if (sending->to == 0)
            *sending = (struct sending){.to = ids->at[i], .begun_ms = node->now_ms};
    }
}

void snapshot_out_take(struct node *node) {
    struct snapshots_out *out = &node->snapshots_out;
    if (!out->worker)
        return;
    for (struct store_copy_job *job; (job = (struct store_copy_job *)worker_take(out->worker));) {
        if (job->type == STORE_COPY_SNAPSHOT)
            made(node, job);
        else if (job->type == STORE_COPY_READ)
            send_fragment(node, job);
        else
            out->dropping = false;
        store_copy_job_free(job);
    }
    bool used = false, waited = false, leads = node->raft_status.role == RAFT_LEADER;
    for (size_t i = 0; i < SNAPSHOTS_OUT_MAX; i++) {
        struct sending *sending = &out->at[i];
        if (sending->to && !leads)
            end(node, sending, false, "this node leads no more");
        else if (sending->to && node->audit.differs)
            end(node, sending, false, "the state of this node differs from the others'");
        else if (sending->to && !sending->link && out->index > 0 &&
                 out->index >= node->raft_status.base_index)
            call(node, sending);
        used = used || (sending->to && sending->link);
        waited = waited || (sending->to && !sending->link);
    }
    if (out->index > 0 && !used)
        drop(node);
    else if (out->index == 0 && waited)
        make(node);
}

raft_index snapshot_out_needs(const struct node *node) {
    const struct snapshots_out *out = &node->snapshots_out;
    raft_index needs = out->index > 0 ? out->index : UINT64_MAX;
    if (out->making && out->making_index < needs)
        needs = out->making_index;
    for (size_t i = 0; i < SNAPSHOTS_OUT_MAX; i++) {
        const struct sending *sending = &out->at[i];
        if (sending->to && sending->index > 0 && sending->index < needs)
            needs = sending->index;
    }
    return needs;
}

void snapshot_out_close(struct node *node) {
    struct snapshots_out *out = &node->snapshots_out;
    for (size_t i = 0; i < SNAPSHOTS_OUT_MAX; i++)
        if (out->at[i].to && out->at[i].link)
            link_free(out->at[i].link);
    if (out->worker) {
        worker_stop(out->worker);
        for (struct worker_job *job; (job = worker_take(out->worker));)
            store_copy_job_free((struct store_copy_job *)job);
        worker_free(out->worker);
        store_copy_free(out->copy);
    }
    *out = (struct snapshots_out){.copy = NULL};
}
