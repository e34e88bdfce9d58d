/* SPDX-License-Identifier: MIT */
/* A node's listeners, monitors and pauses: a part of node_state.h, for the files that are the node. */
#ifndef LISTENERS_H
#define LISTENERS_H

#include "gate.h"

struct connection;
struct node;
struct report;

/* See monitor.c. */
struct monitors {
    struct connection **at;
    size_t count, capacity;
};

/* See deliver_before. */
struct asking {
    struct resp_buf *reply;
    size_t mark; /* what was there before */
};

/* See pause.c. */
struct pause {
    uint64_t until_ms; /* 0: there is none */
    bool all;          /* not only writes */
};

/* deliver.c */
/* Before something is applied or read: what of it is to be kept for those who listen. `replay`: nothing. */
void deliver_listen(struct node *node, bool replay);
/* From now on a reply is written here (NULL: none is). What its connection is to be told of what it does itself goes before it. */
void deliver_before(struct node *node, struct resp_buf *reply);
void deliver_told(struct node *node);                                  /* tells them what has happened */
void deliver_forget(struct node *node, struct connection *connection); /* it is closed, or forgotten */
/* It may have begun or ceased to listen. */
void deliver_classify(struct connection *connection);
void deliver_report(const struct node *node, struct report *report);

/* monitor.c */
void monitor_begin(struct node *node, struct connection *connection);
void monitor_forget(struct node *node, const struct connection *connection);
void monitor_close(struct node *node);
/* Shows a command that was taken. Only when there are monitors. */
void monitor_show(struct node *node, const struct session *session, const struct command *row,
                  const struct resp_command *command);

/* pause.c */
void pause_begin(struct node *node, uint64_t ms, bool all);
void pause_end(struct node *node);
bool pause_is_on(const struct node *node);
/* Whether a command that was judged so must wait for the end of the pause. */
bool pause_holds(const struct node *node, const struct command *row, enum gate_verdict verdict);

#endif
