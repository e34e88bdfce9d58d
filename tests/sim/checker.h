/* SPDX-License-Identifier: MIT */
/*
 * What clients asked and were told, and whether one order of it explains it all. Knows nothing of who made the history:
 * the simulator's clients, or threads with real sockets.
 *
 * Operation number n of a history is op n of the array. A key is a string, a number, a list, or a pair of numbers. A SET writes "t<n>,", an APPEND adds "a<n>,", an INCR adds `amount`, a PUSH puts "p<n>,"
 * at the end, a POP takes the first, a TRANSFER takes `amount` from the second number and gives it to the first, a SWAP does what a SET does.
 * A key is (slot, generation) and has fewer than CHECKER_HISTORY_MAX operations.
 */
#ifndef CHECKER_H
#define CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CHECKER_HISTORY_MAX = 64, CHECKER_LINE_MAX = 512 };

enum op_kind {
    OP_SET,
    OP_SET_PX,
    OP_GET, /* these three: all of it, as text */
    OP_GET_LIST,
    OP_GET_PAIR,
    OP_APPEND,
    OP_DEL,
    OP_INCR,
    OP_TRANSFER,
    OP_PUSH,
    OP_POP,
    OP_SWAP, /* SET, if it is still what was read before */
};
enum op_outcome {
    OP_PENDING,
    OP_DONE,
    OP_NEVER,
    OP_MAYBE,
    OP_SILENT, /* it took effect, before `ended`, and nobody was told what it replied */
};
struct op {
    enum op_kind kind;
    enum op_outcome outcome;
    int slot;                /* of its key */
    unsigned generation;     /* of its key */
    int64_t amount;          /* of an increment: no two are the same */
    uint64_t invoked, ended; /* events; ended UINT64_MAX: perhaps never */
    uint64_t ended_at;       /* time */
    bool null;               /* reply: no value */
    int64_t number;          /* reply: a number */
    char *text;              /* reply: a value */
    size_t length;
    size_t seen; /* OP_SWAP: the read before it; a null reply: the key had changed since */
    /* the simulator's business: */
    unsigned applied;       /* times that the log's commands hold its token */
    uint64_t applied_event; /* when one of them was applied for the first time */
};

struct checker_report {
    uint64_t histories, undecided;                 /* keys; those too hard to judge */
    size_t count;                                  /* of a key whose history has no order; 0: all have one */
    const struct op *history[CHECKER_HISTORY_MAX]; /* of that key, by the time of their calls */
};

static inline bool op_reads(const struct op *op) {
    return op->kind == OP_GET || op->kind == OP_GET_LIST || op->kind == OP_GET_PAIR;
}
extern const char *const op_names[];

/* Judges key after key, up to the first that has no order. One at a time in a process. */
void checker_run(const struct op *all, size_t op_count, struct checker_report *report);
/* An operation in words. */
void checker_tell(const struct op *op, size_t number, char line[CHECKER_LINE_MAX]);

#endif
