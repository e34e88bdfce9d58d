/* SPDX-License-Identifier: MIT */
/*
 * Is what the clients saw explained by one order of their operations, each at some moment between its call and its reply?
 *
 * Keys don't depend on each other, so each is judged alone (linearizability is local). The search is Wing and Gong's (1993), with
 * Lowe's memory (2017): pick an operation whose call comes before the first reply of those that are left, see whether the state
 * allows its reply, go on with the rest; a pair (set of operations done, state) that was a dead end once is one for ever.
 *
 *      A  |---- SET 1 ----|
 *      B      |-- GET: 1 --|                  SET 1, GET: 1, SET 2, GET: 2
 *      C                |------ SET 2 ...     (no answer: at any time from here on, or never)
 *      D                        |-- GET: 2 --|
 *
 * A key has fewer than 64 operations, so a set is a word. Operations that certainly did not happen are left out; one of unknown
 * outcome never has to be done, unless whoever made the history knows that it was, and before when. A value with a deadline may be gone at any time (how soon is another check's business), and once
 * seen gone it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checker.h"

enum { MEMORY_MAX = 1 << 17, STATES_MAX = 1 << 15 };

struct state {
    bool there, mortal;
    uint64_t hash; /* of all of it */
    size_t length;
    char *text;
};

struct dead_end { /* known: 0 is none */
    uint64_t done, state;
};

const char *const op_names[] = {
    [OP_SET] = "SET",       [OP_SET_PX] = "SET PX", [OP_GET] = "GET",   [OP_GET_LIST] = "LRANGE",
    [OP_GET_PAIR] = "MGET", [OP_APPEND] = "APPEND", [OP_DEL] = "DEL",   [OP_INCR] = "INCR",
    [OP_TRANSFER] = "EXEC", [OP_PUSH] = "RPUSH",    [OP_POP] = "BLPOP", [OP_SWAP] = "WATCH EXEC",
};

static const struct op *ops; /* all of them */
static const struct op *history[CHECKER_HISTORY_MAX];
static size_t history_count;
static uint64_t must; /* those that certainly took effect */
static struct state *states;
static size_t state_count;
static struct dead_end *dead_ends;
static size_t dead_end_count;

static uint64_t mix(uint64_t word) { /* SplitMix64 */
    word += 0x9e3779b97f4a7c15;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
}

/* ---- states --------------------------------------------------------------------------------------------------------- */

static int state_of(bool there, bool mortal, const char *text, size_t length) {
    uint64_t hash = (uint64_t)there | (uint64_t)mortal << 1;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
    hash = mix(hash) | 1;
    for (size_t i = 0; i < state_count; i++)
        if (states[i].hash == hash && states[i].length == length && states[i].there == there)
            return (int)i;
    if (state_count == STATES_MAX)
        return -1;
    struct state *state = &states[state_count];
    *state = (struct state){there, mortal, hash, length, malloc(length + 1)};
    if (!state->text)
        abort();
    memcpy(state->text, text, length);
    state->text[length] = 0;
    return (int)state_count++;
}

static int absent(void) {
    return state_of(false, false, "", 0);
}

enum { IMPOSSIBLE = -2 };

static int after_append(const struct state *state, const struct op *op) {
    char text[4096];
    size_t number = (size_t)(op - ops);
    int length = snprintf(text, sizeof text, "%sa%zu,", state->text, number);
    if (op->outcome == OP_DONE && op->number != length)
        return IMPOSSIBLE;
    return state_of(true, state->mortal, text, (size_t)length);
}

static int after_increment(const struct state *state, const struct op *op) {
    char text[32];
    long long value = strtoll(state->there ? state->text : "0", NULL, 10) + op->amount;
    if (op->outcome == OP_DONE && op->number != value)
        return IMPOSSIBLE;
    return state_of(true, state->mortal, text, (size_t)snprintf(text, sizeof text, "%lld", value));
}

static int after_transfer(const struct state *state, const struct op *op) {
    char text[64];
    long long to = 0, from = 0;
    sscanf(state->text, "%lld %lld", &to, &from);
    int length = snprintf(text, sizeof text, "%lld %lld", to + op->amount, from - op->amount);
    if (op->outcome == OP_DONE && strcmp(op->text, text) != 0)
        return IMPOSSIBLE;
    return state_of(true, false, text, (size_t)length);
}

static int after_push(const struct state *state, const struct op *op) {
    char text[4096];
    int elements = 1, length = snprintf(text, sizeof text, "%sp%zu,", state->text, (size_t)(op - ops));
    for (const char *at = state->text; *at; at++)
        elements += *at == ',';
    if (op->outcome == OP_DONE && op->number != elements)
        return IMPOSSIBLE;
    return state_of(true, false, text, (size_t)length);
}

/* Whoever waits in vain has found nothing when it began to wait. */
static int after_pop(int at, const struct state *state, const struct op *op) {
    if (!state->there || (op->outcome == OP_DONE && op->null))
        return state->there || (op->outcome == OP_DONE && !op->null) ? IMPOSSIBLE : at;
    size_t first = strcspn(state->text, ",") + 1;
    if (op->outcome == OP_DONE && (op->length != first || memcmp(op->text, state->text, first) != 0))
        return IMPOSSIBLE;
    return first == state->length ? absent()
                                  : state_of(true, false, state->text + first, state->length - first);
}

static int after_read(int at, const struct state *state, const struct op *op) {
    if (op->null != !state->there)
        return IMPOSSIBLE;
    return op->null || (op->length == state->length && memcmp(op->text, state->text, op->length) == 0)
               ? at
               : IMPOSSIBLE;
}

/* Whoever is told that it had changed need not say how. */
static int after_swap(int at, const struct op *op) {
    char text[32];
    if (op->outcome == OP_DONE && op->null)
        return at;
    if (after_read(at, &states[at], &ops[op->seen]) == IMPOSSIBLE)
        return IMPOSSIBLE;
    return state_of(true, false, text, (size_t)snprintf(text, sizeof text, "t%zu,", (size_t)(op - ops)));
}

/* The state after the operation, when its reply is what that state allows. */
static int after(int at, const struct op *op) {
    struct state *state = &states[at];
    char text[32];
    switch (op->kind) {
    case OP_SET:
    case OP_SET_PX:
        return state_of(true, op->kind == OP_SET_PX, text,
                        (size_t)snprintf(text, sizeof text, "t%zu,", (size_t)(op - ops)));
    case OP_GET:
    case OP_GET_LIST:
    case OP_GET_PAIR:
        return after_read(at, state, op);
    case OP_DEL:
        return op->outcome == OP_DONE && op->number != state->there ? IMPOSSIBLE : absent();
    case OP_APPEND:
        return after_append(state, op);
    case OP_INCR:
        return after_increment(state, op);
    case OP_TRANSFER:
        return after_transfer(state, op);
    case OP_PUSH:
        return after_push(state, op);
    case OP_POP:
        return after_pop(at, state, op);
    case OP_SWAP:
        return after_swap(at, op);
    }
    return IMPOSSIBLE;
}

/* ---- the search ------------------------------------------------------------------------------------------------------ */

enum answer { NO, YES, TOO_HARD };

/* False when it is known already. */
static bool note_dead_end(uint64_t done, int at) {
    uint64_t state = (uint64_t)at + 1;
    size_t place = mix(done ^ mix(state)) & (2 * MEMORY_MAX - 1);
    while (dead_ends[place].state != 0) {
        if (dead_ends[place].done == done && dead_ends[place].state == state)
            return false;
        place = (place + 1) & (2 * MEMORY_MAX - 1);
    }
    dead_ends[place] = (struct dead_end){done, state};
    dead_end_count++;
    return true;
}

static uint64_t first_reply(uint64_t done) {
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < history_count; i++)
        if (!(done >> i & 1) && history[i]->ended < first)
            first = history[i]->ended;
    return first;
}

static enum answer search(uint64_t done, int at);

static enum answer try_one(uint64_t done, int at, size_t i) {
    int next = after(at, history[i]);
    enum answer answer = next == IMPOSSIBLE ? NO
                         : next < 0         ? TOO_HARD
                                            : search(done | (uint64_t)1 << i, next);
    if (answer != NO || !states[at].mortal)
        return answer;
    int gone = absent();
    next = gone < 0 ? -1 : after(gone, history[i]);
    return next == IMPOSSIBLE ? NO : next < 0 ? TOO_HARD : search(done | (uint64_t)1 << i, next);
}

static enum answer search(uint64_t done, int at) {
    if ((done & must) == must)
        return YES;
    if (!note_dead_end(done, at))
        return NO;
    if (dead_end_count == MEMORY_MAX)
        return TOO_HARD;
    uint64_t first = first_reply(done);
    for (int uncertain = 0; uncertain < 2; uncertain++)
        for (size_t i = 0; i < history_count; i++) {
            const struct op *op = history[i];
            if ((done >> i & 1) || op->invoked > first || (op->outcome == OP_MAYBE) != uncertain)
                continue;
            enum answer answer = try_one(done, at, i);
            if (answer != NO)
                return answer;
        }
    return NO;
}

/* ---- one key after the other ------------------------------------------------------------------------------------------- */

static enum answer judge(void) {
    memset(dead_ends, 0, 2 * MEMORY_MAX * sizeof *dead_ends);
    dead_end_count = 0;
    enum answer answer = search(0, absent());
    for (size_t i = 0; i < state_count; i++)
        free(states[i].text);
    state_count = 0;
    return answer;
}

static bool same_key(const struct op *a, const struct op *b) {
    return a->slot == b->slot && a->generation == b->generation;
}

static int by_key(const void *left, const void *right) {
    const struct op *a = *(const struct op *const *)left, *b = *(const struct op *const *)right;
    if (a->slot != b->slot)
        return a->slot < b->slot ? -1 : 1;
    if (a->generation != b->generation)
        return a->generation < b->generation ? -1 : 1;
    return a->invoked < b->invoked ? -1 : a->invoked > b->invoked;
}

static void take_history(const struct op *const *sorted, size_t count) {
    history_count = 0;
    must = 0;
    while (history_count < count && history_count < CHECKER_HISTORY_MAX &&
           same_key(sorted[history_count], sorted[0])) {
        history[history_count] = sorted[history_count];
        must |= (uint64_t)(history[history_count]->outcome != OP_MAYBE) << history_count;
        history_count++;
    }
}

void checker_run(const struct op *all, size_t op_count, struct checker_report *report) {
    const struct op **sorted = calloc(op_count + 1, sizeof *sorted);
    states = calloc(STATES_MAX, sizeof *states);
    dead_ends = calloc(2 * MEMORY_MAX, sizeof *dead_ends);
    if (!sorted || !states || !dead_ends)
        abort();
    ops = all;
    *report = (struct checker_report){.histories = 0};
    size_t count = 0;
    for (size_t i = 0; i < op_count; i++)
        if (ops[i].outcome == OP_DONE || ops[i].outcome == OP_SILENT ||
            (ops[i].outcome == OP_MAYBE && !op_reads(&ops[i])))
            sorted[count++] = &ops[i];
    qsort(sorted, count, sizeof *sorted, by_key);
    for (size_t i = 0; i < count && report->count == 0; i += history_count) {
        take_history(sorted + i, count - i);
        enum answer answer = judge();
        report->histories++;
        report->undecided += answer == TOO_HARD;
        if (answer != NO)
            continue;
        report->count = history_count;
        memcpy(report->history, history, sizeof history);
    }
    free(sorted);
    free(states);
    free(dead_ends);
}

void checker_tell(const struct op *op, size_t number, char line[CHECKER_LINE_MAX]) {
    char reply[32];
    snprintf(reply, sizeof reply, "%lld", (long long)op->number);
    snprintf(line, CHECKER_LINE_MAX, "op %zu %s %lld  [%llu, %lld]  -> %.300s", number, op_names[op->kind],
             (long long)op->amount, (unsigned long long)op->invoked, (long long)op->ended,
             op->outcome == OP_MAYBE    ? "?"
             : op->outcome == OP_SILENT ? "done"
             : op->text                 ? op->text
             : op->null                 ? "(nil)"
                                        : reply);
}
