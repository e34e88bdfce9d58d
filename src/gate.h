/* SPDX-License-Identifier: MIT */
/*
 * What happens to a command before it gets anywhere: one judgement, from flag bits of its row and a few facts about the node. The order
 * of the tests is Redis's: unknown, arity, authentication, size, leadership, memory.
 */
#ifndef GATE_H
#define GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "cmd/command.h"

struct conf;

/* Facts about the node and the connection. */
struct gate {
    bool denied;       /* protected mode keeps this connection out */
    bool removed;      /* it is no member any more */
    bool loading;      /* the keyspace is not complete yet */
    bool serving;      /* leads, and may take commands */
    bool handing_over; /* leads, and hands over: writes wait */
    bool stale;        /* leads, or did not long ago, and this reader takes what is here */
    bool through;      /* this reader asked for linearizable reads on a follower */
    bool newest;       /* this reader said that it takes nothing old: without a leader it waits for one */
    bool elsewhere;    /* another node is known to lead */
    bool stopping;
    bool caught_up; /* may answer a reader who accepts stale data */
    bool full;      /* over maxmemory, and no key may go */
    bool disk_low;  /* below raft-disk-reserve */
    size_t entry_bytes_max;
};

enum gate_verdict {
    /* go on */
    GATE_WRITE,   /* into the log */
    GATE_READ,    /* at a linearizable point */
    GATE_LOCAL,   /* over this node's keyspace, at once */
    GATE_SESSION, /* over the session, at once */
    GATE_QUEUE,   /* behind MULTI */
    GATE_PROXY,   /* to the leader, on the client's behalf */
    /* not now */
    GATE_WAIT,      /* for a leader, within bounds */
    GATE_ELSEWHERE, /* MOVED, or CLUSTERDOWN when nobody leads */
    /* never */
    GATE_UNKNOWN,
    GATE_ARITY,
    GATE_NOAUTH,
    GATE_DENIED,
    GATE_MONITORING, /* a connection that is shown what others send */
    GATE_LISTENING,  /* a RESP2 connection that listens to channels */
    GATE_LOADING,
    GATE_TOO_LARGE,
    GATE_NO_MULTI, /* not between MULTI and EXEC */
    GATE_NO_WATCH,
    GATE_FULL,
    GATE_DISK_LOW,
};

/* `row` is NULL for a command that is not in the table. */
enum gate_verdict gate_judge(const struct gate *gate, const struct command *row,
                             const struct session *session, size_t count, size_t raw_length);
/* The error reply of a verdict of the third kind. */
void gate_refuse(enum gate_verdict verdict, const struct conf *conf, const struct command *row,
                 const struct resp_arg *args, size_t count, struct resp_out *out);

#endif
