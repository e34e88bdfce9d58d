/* SPDX-License-Identifier: MIT */
/* MULTI, EXEC and what is watched, for the files that are the node: transaction.c has the essay. */
#ifndef TRANSACTION_H
#define TRANSACTION_H

#include "data/watch.h"
#include "entry.h"
#include "gate.h"
#include "pending.h"

struct node;
struct connection;
struct ahead_command;

/* What a connection has queued behind MULTI, and watches: see transaction.c. All zeros is nothing. */
struct transaction {
    struct resp_buf queue; /* commands as they came, one behind the other */
    unsigned flags;        /* of their rows, together */
    bool sessions;         /* some of them are over the session */
    struct watcher watcher;
    size_t asked,
        unwanted; /* WATCHes that are not executed yet; of these, the first so many were taken back since */
    bool fence;   /* EXEC is under way: what comes behind it is to find the connection as it leaves it */
    bool looks_back; /* EXEC is under way, and will look at what is watched */
};

/* What becomes of a command between MULTI and EXEC, and of EXEC, given what would become of it by itself. */
enum gate_verdict transaction_judge(const struct connection *connection, const struct gate *gate,
                                    const struct command *row, const struct resp_command *command,
                                    enum gate_verdict verdict);
/* Whether the command is an EXEC that carries something out. */
bool transaction_is(const struct connection *connection, const struct command *row);
void transaction_queue(struct connection *connection, const struct command *row,
                       const struct resp_command *command);
/* The command was refused, with the error behind `mark`. */
void transaction_refused(struct node *node, struct connection *connection, const struct command *row,
                         enum gate_verdict verdict, struct resp_out *out, size_t mark);
/* The first of the queued commands: it says which node to ask. */
bool transaction_first(struct node *node, const struct connection *connection, struct resp_command *command);
/* Bytes that it adds to an entry at most. */
size_t transaction_size(const struct connection *connection);
/* Bytes that it may add to the data, about and from above. */
size_t transaction_growth(struct node *node, const struct connection *connection);
/* Puts it into the entry and the lane; the item is still to be finished. */
struct pending_item *transaction_write(struct node *node, struct connection *connection, struct lane *lane);
/* One of reads only: it goes into a lane of reads. */
struct pending_item *transaction_read(struct connection *connection, struct lane *lane);
/* One that needs neither is carried out now. */
void transaction_run(struct node *node, struct connection *connection, struct resp_out *out);
/* A transaction of an entry, behind its head. `item` is its sender's, or NULL. */
void transaction_apply(struct node *node, const struct entry_reader *reader,
                       const struct entry_transaction *head, raft_index index, size_t *position,
                       const struct lane *lane, const struct pending_item *item);
/* One of reads, at its place. True when it met a key that is due: then nothing was told or done. */
bool transaction_answer(struct node *node, const struct lane *lane, const struct pending_item *item,
                        uint64_t wall_ms, uint64_t version);
/* WATCH was asked for; was executed. */
void transaction_watch_asked(struct connection *connection);
void transaction_watch(struct node *node, struct connection *connection, unsigned db,
                       const struct resp_command *command);
/* What is queued is forgotten, and nothing is watched: DISCARD, RESET, the connection's end. */
void transaction_drop(struct node *node, struct connection *connection);
void transaction_unwatch(struct node *node, struct connection *connection);
/* Nothing that the connection sent is under way any more. */
void transaction_answered(struct node *node, struct connection *connection);
/* Takes note of it in the session. */
void transaction_report(struct connection *connection);

/* ---- what a transaction is made of: serve.c, apply.c --- */

/* The command as the session's: what it says goes to `out`. */
void serve_session(struct node *node, struct connection *connection, const struct command *row,
                   const struct resp_command *command, struct resp_out *out, bool is_quiet);
/* The wall's clock for what is answered from this node's keyspace at once. */
uint64_t serve_local_ms(struct node *node, const struct command *row);
/* The next command of an entry that is being applied; NULL at the end, or when this node cannot go on. */
const struct ahead_command *apply_next(struct node *node, raft_index index);
/* Carries it out. */
enum call_end apply_command(struct node *node, const struct entry_reader *reader,
                            const struct ahead_command *command, raft_index index, size_t *position,
                            struct resp_out *out, const struct session *session);
/* Carries out a read. True when it met a key that is due. */
bool apply_look(struct node *node, const struct resp_command *command, unsigned db, uint64_t wall_ms,
                uint64_t version, struct resp_out *out, const struct session *session);

#endif
