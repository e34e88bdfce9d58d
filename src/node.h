/* SPDX-License-Identifier: MIT */
/*
 * A node: Raft, the disk, the keyspace, peers and clients, joined by one flow (node.c, to be read first). Everything hangs off
 * struct node, so that several nodes can live in one process; time comes in as an argument.
 */
#ifndef NODE_H
#define NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "instant.h"

struct conf;
struct ev_loop;
struct logger;
struct node;

/* Listens and begins to load. NULL, with the reason logged, when it cannot. `conf` is the node's until node_free. */
struct node *node_new(struct ev_loop *loop, struct conf *conf, struct logger *logger,
                      const struct instant *now);
void node_free(struct node *node);

/* One turn: takes what has come, orders it, answers. True: call again without waiting for news. */
bool node_turn(struct node *node, const struct instant *now);
/* When to call node_turn even if nothing has come, monotonic milliseconds. */
uint64_t node_deadline_ms(const struct node *node);
/* Until when it waits for more to go with what it has, monotonic microseconds: then it wants a turn, but need not have one for nothing.
 * 0: it does not. */
uint64_t node_holds_until_us(const struct node *node);
/* Whether an answer is on its way to it, from its disk or from another node. */
bool node_expects(const struct node *node);
/* The loop was kept from turning for so long. */
void node_stalled(struct node *node, uint64_t us);
/* Of that, so long it was on a CPU, or less. */
void node_worked(struct node *node, uint64_t us);
/* It was awake for so long while it had nothing to do (busy_poll.h). */
void node_waited_awake(struct node *node, uint64_t us);
/* Ends service in order: no new clients, what is under way gets its answer or -INDOUBT; then node_ended says so. */
void node_stop(struct node *node);

enum node_end {
    NODE_RUNNING,
    NODE_STOPPED, /* in order */
    NODE_FAILED,  /* the reason is logged */
};
enum node_end node_ended(const struct node *node);

#endif
