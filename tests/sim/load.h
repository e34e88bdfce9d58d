/* SPDX-License-Identifier: MIT */
/* What the load's files share: a client (clients.c), and how what it wants is said (requests.c). */
#ifndef SIM_LOAD_H
#define SIM_LOAD_H

#include <hiredis/hiredis.h>

#include "sim.h"

enum { PIPELINE_MAX = 8, WANTED_MAX = 6 * PIPELINE_MAX + 2 };

struct wanted { /* a reply that is owed */
    enum { WANT_OP, WANT_ECHO, WANT_OK, WANT_QUEUED, WANT_BALLAST, WANT_WATCH } what;
    size_t number; /* of the operation, or what is echoed */
};

struct load_client {
    int host, target;
    struct flow *stream;
    redisReader *reader;
    struct wanted wanted[WANTED_MAX];
    size_t owed, answered;
    struct resp_buf unsent; /* of the pipeline: it goes in pieces */
    uint64_t sends_at;
    uint64_t wakes_at, give_up_at, patience_us;
    uint64_t reads_percent;
    uint64_t only_reads_until;
    bool moved;       /* the next command goes elsewhere */
    bool reads_there; /* on followers too, what is newest */
    bool on_lease;    /* asks for it */
    bool greets;      /* the connection is new */
    bool watches;     /* on this connection, what the operation `seen` has read */
    size_t seen;
};

extern uint64_t load_px_ms_max; /* deadlines are at most so far away */

/* A request of `count` words. */
void load_request(struct resp_buf *out, size_t count, const char *const *words);
/* What an operation is in words; the replies that come before its own are owed from then on. */
void load_write_op(struct load_client *client, struct resp_buf *out, size_t number);

#endif
