/* SPDX-License-Identifier: MIT */
/*
 * The outcome contract: what the senders of requests are told that get no reply from applying.
 *
 *     certainly not done    the entry was never proposed, or another one was applied at its index; a read
 *                           that was not executed                                         -MOVED, -CLUSTERDOWN
 *     unknown               the entry is in some log, and whether it will be applied cannot be told in time   -INDOUBT
 *     done, not here        another node has applied the entry, and its state came here as a snapshot: the reply is
 *                           not known                                                    -INDOUBT
 *
 * Clients send a command again by themselves on the first kind. So never a definite error for an uncertain write; and never silence.
 */
#include "node_state.h"

void outcome_elsewhere(struct node *node, const struct resp_command *command, struct resp_out *out) {
    struct peer *leader = peers_find(node, node->raft_status.leader);
    if (node->state == REPORT_REMOVED) {
        resp_error(out, "CLUSTERDOWN node %llu was removed from the cluster: ask another; not executed",
                   (unsigned long long)node->conf->raft_id);
    } else if (leader) {
        const struct command *row = command ? command_find(command->args, command->count) : NULL;
        const struct resp_arg *key = row ? command_first_key(row, command->args, command->count) : NULL;
        resp_error(out, "MOVED %u %s:%u", key ? command_key_slot(key) : 0, leader->host, leader->port);
    } else {
        char reason[NODE_REASON_MAX];
        status_down_reason(node, reason, sizeof reason);
        resp_error(out, "CLUSTERDOWN %s; not executed", reason);
    }
}

void outcome_refuse(struct node *node, const struct connection *connection,
                    const struct resp_command *command, struct resp_out *out) {
    raft_id leader = node->raft_status.leader;
    if (proxied_is_stale(node, connection))
        resp_error(out, "MOVED 0 :%u of another term", node->conf->port); /* only its proxy reads it */
    else if (node->conf->follower_mode == CONF_PROXY && connection->via == 0 && peers_find(node, leader))
        resp_error(out, "CLUSTERDOWN node %llu leads now; not executed", (unsigned long long)leader);
    else
        outcome_elsewhere(node, command, out);
}

static void tell_not_done(struct node *node, const struct connection *connection, struct resp_out *out) {
    outcome_refuse(node, connection, NULL, out);
}

static void tell_doubt(struct node *node, const struct connection *connection, struct resp_out *out) {
    (void)connection;
    node->statistics.in_doubt++;
    if (node->stopping)
        resp_error(
            out, "INDOUBT this node ends before the write's outcome is known; it may or may not take effect");
    else if (node->raft_status.role == RAFT_LEADER)
        resp_error(out,
                   "INDOUBT no majority has confirmed this write within %u ms; it may or may not take effect",
                   node->conf->outcome_timeout_ms);
    else
        resp_error(out,
                   "INDOUBT the leadership was lost before this write's outcome was known; it may or may not "
                   "take effect");
}

/* Every item of the lane gets its answer, in order: replies that were ready, refusals of reads, and what `tell_write` says. */
static void tell_lane(struct node *node, struct lane *lane,
                      void (*tell_write)(struct node *, const struct connection *, struct resp_out *)) {
    for (size_t i = 0; i < lane->count; i++) {
        struct pending_item *item = &lane->items[i];
        if (item->kind == PENDING_MOVED)
            continue;
        struct connection *connection = item->connection;
        if (connection->wait && connection->pending == 1 &&
            block_failed(node, connection, tell_write == tell_not_done || item->kind == PENDING_READ)) {
            connection_answered(node, connection);
            continue;
        }
        struct resp_out out = connection_out(item);
        size_t mark = out.buf ? resp_buf_length(out.buf) : 0;
        if (item->kind == PENDING_REPLY && out.buf)
            resp_buf_append(out.buf, lane_bytes(lane, item), item->length);
        else if (item->kind == PENDING_READ)
            tell_not_done(node, item->connection, &out);
        else if (item->kind == PENDING_WRITE)
            tell_write(node, item->connection, &out);
        connection_count_reply(node, NULL, &out, mark);
        connection_answered(node, connection);
    }
    lane_free(lane);
}

void outcome_fail(struct node *node, struct lane *lane) {
    tell_lane(node, lane, tell_not_done);
}

void outcome_doubt(struct node *node, struct lane *lane) {
    tell_lane(node, lane, tell_doubt);
}

static void tell_done_elsewhere(struct node *node, const struct connection *connection,
                                struct resp_out *out) {
    (void)connection;
    node->statistics.in_doubt++;
    resp_error(
        out,
        "INDOUBT this write has taken effect, but this node got the state from another, without the reply");
}

void outcome_replaced(struct node *node, const struct store_meta *meta) {
    proxy_replaced(node);
    while (node->writes.first && node->writes.first->index <= meta->applied) {
        struct lane *lane = lanes_take_first(&node->writes);
        raft_term term = store_meta_term_at(meta, lane->index);
        tell_lane(node, lane,
                  term == 0            ? tell_doubt
                  : term == lane->term ? tell_done_elsewhere
                                       : tell_not_done);
    }
}
