/* SPDX-License-Identifier: MIT */
/* Seeded commands, mostly right, some wrong on purpose: what test_oracle sends to two servers. */
#ifndef GENERATE_H
#define GENERATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GENERATE_ARGS_MAX = 160, GENERATE_BYTES_MAX = 256 * 1024 };

/* How two replies to a command may be compared. */
enum comparison {
    COMPARE_BYTES,     /* equal */
    COMPARE_ANY_ORDER, /* an array whose elements may come in any order, itself the last part of the reply */
    COMPARE_PAIRS,     /* the same of pairs: a map, or the two one behind the other */
    COMPARE_TIME, /* integers; two positive ones may differ by as much as two servers' clocks and a slow test */
    COMPARE_TIMES,    /* all integers in it as COMPARE_TIME says, the rest equal */
    COMPARE_SHAPE,    /* the same types, whatever their values */
    COMPARE_ENCODING, /* names of encodings: Redis's may be one that a value got by being changed in place */
};

struct generate_row;
struct generate_family;

/* All zeros before the first. */
struct request {
    const struct generate_row *held; /* what comes next, whatever the seed says; or NULL */
    const struct generate_family *held_family;
    unsigned exec_in;                 /* commands until EXEC; 0: there is no MULTI */
    const struct generate_row *leave; /* UNSUBSCRIBE that follows, */
    unsigned leave_in;                /* after so many commands; 0: none */
    bool joined;                      /* the next command must come right behind this one */
    enum comparison comparison;
    size_t count;
    struct {
        size_t start, length; /* bytes[start, start + length) */
    } args[GENERATE_ARGS_MAX];
    size_t used;
    char bytes[GENERATE_BYTES_MAX];
};

/* The next command of the sequence that `seed` stands for. */
enum comparison generate_request(uint64_t *seed, struct request *request);
/* As it is sent: multibulk, or inline with everything quoted. Returns the bytes written to `out`, which has room for
 * 4 times the request's bytes and 64 per argument. */
size_t generate_encode(const struct request *request, bool as_inline, char *out);

#endif
