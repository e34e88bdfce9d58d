/* SPDX-License-Identifier: MIT */
/*
 * All that is on disk. Nothing above this header knows that it is SQLite.
 *
 * The log holds what a Raft node must never forget: who it is, its term and vote, the entries. It is kept in segments, raft.db, raft-1.db,
 * raft-2.db and so on, each a database of which only the -wal is written (segment.c). One worker uses it (store_log_run is that worker's run
 * function); what a batch asks to be saved is one transaction in one segment, and one fsync. It also says where the log begins and which data
 * file (data.h) holds the state before it:
 *
 *      data-7.db: the state through A          the log: entries after C, data file 7          C <= A <= last entry
 *
 * Beside them stands raft.db-acked: the number of the last transaction that was acknowledged, so that a log that has
 * lost its end is known (mark.c). One process has a directory at a time: it is locked before anything is read.
 *
 * Before SQLite opens a file read-write it is checked read-only (check.c): SQLite ends a damaged WAL silently, and opening a
 * database rewrites it. A file that fails is left as it is, bit for bit, and the message says what to do.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../raft/raft.h"
#include "../worker.h"

enum {
    STORE_WHY_MAX = 1024, /* bytes of a message that says why */
    STORE_ID_LENGTH = 40, /* cluster ids and incarnations: lower-case hex */
    STORE_MEMBERS_MAX = 64,
    STORE_ADDRESS_MAX = 256,
    STORE_ROW_BYTES_MAX = 1024 * 1024, /* an entry's data is kept in rows of at most this */
    STORE_DATA_FIRST = 1,              /* generation of a new node's data file */
};

enum store_result {
    STORE_OK,
    STORE_DAMAGED, /* a checksum, a WAL frame or the structure is wrong */
    STORE_FOREIGN, /* a sound file, but not this node's: another program's, another node's, a newer format */
    STORE_IO,      /* the file system said no */
};

/* One initial or present member, as the handshakes made it known. */
struct store_member {
    raft_id id;
    char address[STORE_ADDRESS_MAX];       /* host:port that peers dial */
    char incarnation[STORE_ID_LENGTH + 1]; /* "" until first met */
};

/* Who this node is: written once at first start, completed once when the cluster has formed. */
struct store_identity {
    raft_id node;
    char incarnation[STORE_ID_LENGTH + 1]; /* random, made with the file */
    char cluster[STORE_ID_LENGTH + 1];     /* "" until the cluster has formed */
    size_t member_count;
    struct store_member members[STORE_MEMBERS_MAX];
};

/* What the disk says at start. */
struct store_boot {
    struct store_identity identity;
    struct raft_boot
        raft; /* its terms and changes (the log's lists of members) belong to the log: they hold until
               * store_log_close; the first row of terms begins at first_index, even if that term began earlier */
    raft_index first_index; /* 0: the log is empty */
    raft_index base_index;  /* the log begins after this entry; 0: with the first of all */
    raft_term base_term;    /* of that entry; 0 when there is none */
    uint64_t data;          /* generation of the data file that belongs to this log */
    uint64_t log_bytes;     /* of the entries' data */
    bool created;           /* the file was made now */
};

struct store_log;

/*
 * Checks and opens the log of a directory, or makes it. `node` and `incarnation` (fresh, random) are written when the file is made;
 * afterwards `node` must be the one in the file. Reads the whole log once: each row's checksum, the order of the indexes, the terms.
 * The text in `why` names the file, what is wrong, and what to do.
 */
enum store_result store_log_open(const char *dir, raft_id node, const char *incarnation,
                                 struct store_log **log, struct store_boot *boot, char why[STORE_WHY_MAX]);
/* From here on the next segment is got ready by a thread beside the worker's (keeper.c). False: there is none to be had, and the worker does that, too. */
bool store_log_thread(struct store_log *log);
/* Bytes of a segment's WAL, from which on the log goes on in the next one; before the first batch. Otherwise 16 MB, and its blocks are not asked
 * for beforehand. */
void store_log_segments(struct store_log *log, uint64_t bytes);
/* Closes the databases. No worker may be using it. */
void store_log_close(struct store_log *log);

/* ---- jobs ------------------------------------------------------------------------------------------------ */

enum store_job_type {
    STORE_SAVE,     /* a ready's vote and entries */
    STORE_READ,     /* entries back */
    STORE_IDENTITY, /* the identity, whole */
    STORE_COMPACT,  /* deletes the log's beginning */
    STORE_RESET, /* a snapshot takes the place of the log's beginning, and another data file that of this one */
};

/*
 * A job for the log's worker. The submitter allocates it (malloc), fills in the inputs of its type, holds the references
 * of every entry in `entries` until it takes the job back, and frees it with store_job_free.
 */
struct store_job {
    struct worker_job job; /* first */
    enum store_job_type type;

    /* STORE_SAVE in; no entry's term may be above the last term saved */
    uint64_t sequence; /* of the ready; the submitter's business */
    bool has_vote;
    struct raft_vote vote;
    struct raft_entries entries; /* at: owned by the job; replaces everything from entries.at[0].index on */

    /* STORE_READ in; out: `entries`, with fresh references, at least one unless none is there */
    struct raft_fetch fetch;

    /* STORE_IDENTITY in */
    struct store_identity *identity; /* owned by the job */

    /* STORE_COMPACT in: delete the entries up to this one. Those after the last checkpoint that is durable must stay, and a tail for
     * followers that are a little behind. */
    raft_index through;

    /* STORE_RESET in: the state through this entry is in the data file of this generation, durably (file and directory).
     * If the log holds the entry the entries after it stay, else all go; the log begins after it. `index` is never before
     * the log's beginning, `term` never above the last term saved. One transaction: a crash leaves the old log with the old file, or the new with the new. */
    struct {
        raft_index index;
        raft_term term;
        uint64_t data;
    } reset;
    bool kept; /* out: the log held the entry */

    /* out */
    /* When failed: path, SQLite's words, errno's words. Else, on the first job of a batch, "" or in the same words why no segment for what is
     * written next could be got ready, each time that it was tried. */
    char why[STORE_WHY_MAX];
    bool failed;            /* nothing of the batch is durable: end the process */
    uint64_t batch_jobs;    /* on the first job of a batch: how many jobs shared the transaction, else 0 */
    uint64_t batch_us;      /* on the first job of a batch: how long its commit (write and fsync) took */
    bool batch_synced;      /* on the first job of a batch: it had something to make durable */
    uint64_t log_bytes;     /* data bytes of the log after the batch */
    uint64_t wal_bytes;     /* written to the disk for it since the opening */
    raft_index first_index; /* of the log after the batch; 0: it is empty */
    raft_index base_index;  /* the log begins after it */
};

struct store_job *store_job_new(enum store_job_type type);
/* Frees a job: drops a reference of each of its entries, frees what it owns. On the loop's thread. */
void store_job_free(struct store_job *job);

/* The log's worker's run function: one transaction for the batch, reads answered in their place. context: the store_log.
 * With no batch: housekeeping, when there is some to do. */
void store_log_run(void *context, struct worker_job *batch);

#endif
