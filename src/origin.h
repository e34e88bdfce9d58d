/* SPDX-License-Identifier: MIT */
/*
 * Whose a command of the log is, when it came by a proxy. A proxy's client must not pay for the leader's death: what the leader had been sent and
 * not answered is either in the log or it is not, and the proxy applies the same log. So the leader writes beside each such command
 * from where it came, and the proxy finds its own:
 *
 *     proxy     INCR n  ---------------------->  leader     upstream 7000, request 12: both sides count
 *     log                                        [ENTRY ...] [BY node 2, upstream 7000, request 12] [INCR n]
 *     proxy     lost the leader. An entry of a later term is applied here, therefore all of its term that ever will be:
 *                   12 was among them     done; the reply is the one that applying it made here
 *                   12 was not            certainly not done, and never will be: it goes to the next leader
 *
 * It never will be, because an upstream is opened for one term of its leader, and what comes by it is proposed in that term or not at all
 * (proxied.c): not by a leader that was elected again and finds it in a buffer.
 *
 * In the log one row speaks for as many commands as follow each other in one upstream. Its argument, in bytes:
 *
 *     offset  size   meaning
 *     0       2      commands that follow of which this is said, most significant byte first; a transaction is one
 *     2       1..10  the proxy's node id                             these three: seven bits a byte, the lowest first, the high
 *     ..      1..10  the upstream: unique in the proxy's lives       bit says that another byte follows
 *     ..      1..10  the first command's number in it, from 0
 *
 * Example, two commands: 00 02  02  d8 36  0c: node 2, upstream 7000, requests 12 and 13.
 */
#ifndef ORIGIN_H
#define ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../raft/raft.h"
#include "../resp/resp.h"

enum { ORIGIN_BYTES_MAX = 2 + 3 * 10, ORIGIN_RUN_MAX = 0xffff };

struct origin {
    raft_id node; /* 0: it came by no proxy */
    uint64_t upstream, request;
};

/* Writes the argument; returns how many bytes. */
size_t origin_write(char bytes[ORIGIN_BYTES_MAX], const struct origin *first, size_t count);
/* Says it again for so many, where it was written. */
void origin_write_count(char *bytes, size_t count);
/* False when it is none. */
bool origin_read(const struct resp_arg *arg, struct origin *first, size_t *count);

#endif
