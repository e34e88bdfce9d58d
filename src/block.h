/* SPDX-License-Identifier: MIT */
/*
 * Connections that wait: for an element (BLPOP and its like), or for members to have a write (WAIT). block.c has the essay. Part of
 * the node: for the files that are the node only (node_state.h).
 */
#ifndef BLOCK_H
#define BLOCK_H

#include "../raft/raft.h"
#include "alarms.h"
#include "cmd/command.h"
#include "queue.h"

struct node;
struct connection;
struct pending_item;

enum { BLOCK_MEMBERS_MAX = 64 }; /* more than these are never waited for successfully */

/* How a wait is to end. While a request of it is under way only that can say whether it does. */
enum wait_verdict {
    WAIT_GOES_ON,
    WAIT_TIMED_OUT,
    WAIT_UNBLOCKED, /* CLIENT UNBLOCK with ERROR */
    WAIT_KEY_GONE,  /* there is no stream any more */
};

struct wait {
    struct connection *connection;
    struct wait *next, *previous; /* all that wait */
    struct alarm alarm;
    enum wait_verdict verdict;
    bool quiet; /* CLIENT REPLY OFF or SKIP: nothing is sent */

    /* for members */
    size_t members;                         /* so many; 0: for an element */
    raft_index index;                       /* have the entry of this index */
    struct wait *next_later, *next_earlier; /* that wait for as many, by index */

    /* for an element */
    bool asked; /* the log was asked at least once, and had nothing */
    unsigned db;
    struct command_wait wanted;
    struct resp_buf request; /* the command as it came */
    size_t count;            /* places */
    struct queue_place places[];
};

struct block {
    struct queues queues;
    struct alarms alarms;
    struct wait *first;
    size_t count;     /* connections that wait */
    raft_term term;   /* in which the queues were served last */
    uint64_t lost_ms; /* since when nobody leads whom they could be sent to; 0: this node does */
    struct wait *earliest[BLOCK_MEMBERS_MAX + 1], *latest[BLOCK_MEMBERS_MAX + 1]; /* by members */
    size_t for_members;                                                           /* of those that wait */
};

void block_open(struct node *node);
void block_close(struct node *node); /* nobody is connected any more */

/* ---- for an element --- */

/* Nobody waits for any of the keys: the log may be asked at once. Else the command is in line, and only looks. */
bool block_is_first(const struct node *node, unsigned db, const struct resp_command *command,
                    const struct command_wait *wanted);
/* Its request has just been taken: from now on it is in line, and nothing else of its connection is served. */
void block_begin(struct node *node, struct connection *connection, const struct resp_command *command,
                 const struct command_wait *wanted);
/* Runs the item's command, with the connection's wait in mind. */
void block_apply(struct node *node, const struct pending_item *item, const struct command *command,
                 struct call *call);
/* The call only looked. */
void block_looked(struct node *node, struct connection *connection, const struct call *call);
/* The last request of a connection that waits will not be answered by applying; `undone`: it has certainly not taken
 * effect. True: the wait goes on, and nobody is told; false: it ends with what the caller tells. */
bool block_failed(struct node *node, struct connection *connection, bool undone);

/* One whose client leaves is about to be forgotten. */
bool block_is_there(const struct wait *wait);
/* Its request, as it is to be asked. */
void block_parse(struct node *node, const struct wait *wait, struct resp_command *command);
void block_parse_bytes(struct node *node, const struct resp_buf *request, struct resp_command *command);
/* The command with this key alone. */
void block_request(struct node *node, const struct wait *wait, const struct resp_arg *key,
                   struct resp_buf *request);
/* Proposes it, for this key. False: there is no room for it now. */
bool block_ask(struct node *node, struct wait *wait, const struct resp_arg *key);
/* Its reply is made: what the connection has sent behind is served. */
void block_finish(struct node *node, struct wait *wait);

/* ---- for entries of a stream (block_streams.c) --- */

/* Those who wait for the queue's key. False: there is no room now. */
bool block_streams_serve(struct node *node, struct queue *queue);

/* ---- for members (acks.c) --- */

/* WAIT: the reply, if `out` has none afterwards, comes later. `members` may be negative. */
void acks_begin(struct node *node, struct connection *connection, int64_t members, uint64_t timeout_ms,
                bool quiet, struct resp_out *out);
/* Other members that have the entry of this index on disk. */
size_t acks_count(const struct node *node, raft_index index);
void acks_leave(struct node *node, struct wait *wait);
void acks_turn(struct node *node);

/* ---- both --- */

void block_turn(struct node *node); /* at the end of a turn */
uint64_t block_deadline_ms(const struct node *node);
/* CLIENT UNBLOCK: this client, if it waits, does so no more: as if its time were over, or with an error. */
void block_unblock(struct node *node, uint64_t id, bool error);
void block_forget(struct node *node, struct connection *connection); /* the connection is gone */
void block_end_all(struct node *node);                               /* the node ends: they are told */
/* A wait that begins. */
void block_add(struct node *node, struct wait *wait, struct connection *connection, uint64_t timeout_ms);
/* Answers as the verdict says, and ends it. */
void block_conclude(struct node *node, struct wait *wait, enum wait_verdict verdict);

#endif
