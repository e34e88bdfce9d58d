/* SPDX-License-Identifier: MIT */
/*
 * The state's ways out of memory and back, as the node keeps them in view: to its own disk (checkpoint.c), into a backup (backup.c), to a
 * follower (snapshot_out.c), and from a leader (snapshot_in.c).
 */
#ifndef COPIES_H
#define COPIES_H

#include "admission.h"
#include "net/net.h"
#include "node.h"
#include "store/data.h"
#include "worker.h"

struct connection;

enum { CHECKPOINT_WHY_MAX = 256 };

enum checkpoint_phase {
    CHECKPOINT_NONE,
    CHECKPOINT_WRITING,    /* pages are handed to the worker */
    CHECKPOINT_COMMITTING, /* all pages were, and the commit */
    CHECKPOINT_FAILED,     /* what is still on its way comes back failed */
};

/* How long the loop had to do with a checkpoint. */
struct checkpoint_pause {
    uint64_t us;     /* that passed */
    uint64_t cpu_us; /* of them on a CPU, or less */
};

/* The state on the disk: what the last checkpoint holds, and the one under way (checkpoint.c). */
struct checkpointing {
    struct store_data *data;
    struct worker *worker;
    enum checkpoint_phase phase;
    bool wanted;             /* somebody asked for one */
    uint64_t number;         /* of the attempt; they count from 1 */
    raft_index index;        /* of the attempt: the state after this entry */
    struct store_meta *meta; /* of the attempt, until it goes out with the commit */
    struct store_data_job *filling;
    size_t jobs_out, bytes_out;      /* with the worker */
    uint64_t applied_bytes;          /* of the attempt: of the entries that it adds to the last one */
    uint64_t begun_ms, bytes, pages; /* of the attempt */
    uint64_t retry_ms;               /* not before, after a failure */
    struct checkpoint_pause turn;    /* this one's so far */
    struct checkpoint_pause longest; /* turns' of the attempt */
    uint64_t copied_us;              /* of the attempt, until the end of the turn before */
    uint64_t turn_cpu_us;            /* the CPU's clock when this turn began */
    unsigned failures;               /* in a row */
    char why[CHECKPOINT_WHY_MAX];    /* the last one failed because; "" when it did not */

    uint64_t behind_bytes; /* of the entries applied since the last committed one */
    uint64_t attempt_wal_bytes,
        done_wal_bytes;    /* node->log_wal_bytes as the attempt, the last committed one began */
    raft_index done_index; /* of the last committed one; 0: there is none */
    uint64_t done_wall_ms, done_took_ms, done_bytes, done_pages, done_count;
    uint64_t file_bytes;
    uint64_t rate;            /* bytes a second that the worker was told; 0: no limit */
    uint64_t generation;      /* of the data file in use */
    struct store_meta *terms; /* where each term began, up to the last applied entry: its rows only */
};

enum backup_phase {
    BACKUP_NONE,
    BACKUP_CHECKPOINT, /* waits for one at `index` or later */
    BACKUP_COPY,
};

/* At most one at a time: see backup.c. */
struct backup {
    enum backup_phase phase;
    char name[STORE_NAME_MAX + 1];
    raft_index index;
    unsigned failures; /* of checkpoints in a row, when it was last looked at */
    uint64_t begun_ms;
    struct connection *asker; /* answered at its end; NULL: gone */
    bool quiet;               /* CLIENT REPLY OFF or SKIP */
    struct store_copy *copy;
    struct worker *worker;   /* NULL while nothing is copied */
    char why[STORE_WHY_MAX]; /* the last one failed because; "" when it did not */
    raft_index done_index;   /* of the last that succeeded */
    uint64_t done_bytes, done_took_ms, done_wall_ms, done_count;
};

/* A snapshot on its way to a follower. */
struct sending {
    raft_id to; /* 0: a free place */
    struct link *link;
    struct admission_exchange exchange;
    bool admitted, offered, ending;
    raft_index index;
    uint64_t offset, begun_ms;
};

enum { SNAPSHOTS_OUT_MAX = 4 };

/* Snapshots that leave. One is there at a time, made of the last checkpoint. */
struct snapshots_out {
    struct store_copy *copy;
    struct worker *worker;
    bool making, dropping;
    raft_index making_index; /* at least: what is being made is the state of it */
    raft_index index;        /* of the one that is there; 0: none */
    uint64_t size;
    uint32_t crc;
    uint64_t retry_ms; /* making one failed: not before */
    struct sending at[SNAPSHOTS_OUT_MAX];
};

enum snapshot_in_phase {
    SNAPSHOT_IN_NONE,
    SNAPSHOT_IN_COMING,     /* fragments are written */
    SNAPSHOT_IN_INSTALLING, /* it is verified and made a data file */
    SNAPSHOT_IN_RESETTING,  /* the log is told to begin after it */
    SNAPSHOT_IN_LOADING,    /* the state is read from it */
};

/* The snapshot that comes in. */
struct snapshot_in {
    struct store_copy *copy;
    struct worker *worker;
    enum snapshot_in_phase phase;
    struct connection *from; /* who is answered; NULL: its connection is gone */
    uint64_t heard_ms;       /* ... said something last */
    bool busy;               /* a job is with the worker */
    char id[STORE_NAME_MAX + 1];
    uint64_t size, begun_ms;
    uint32_t crc;
    struct store_meta *meta; /* once it is installed */
    bool reset;              /* the log begins after it */
    uint64_t installed;      /* since the start */
};

#endif
