/* SPDX-License-Identifier: MIT */
/*
 * The state on the disk: checkpoints, and the snapshots and backups made of them. Nothing above this header knows that it
 * is SQLite.
 *
 * data-<generation>.db holds one state: pages of the keyspace's objects and one row that says what they are the state of,
 * changed together, in one transaction. What was committed is whole and durable; what was not, never was. Which generation
 * counts is written in raft.db (store.h), so a snapshot takes the old state's place together with the log's beginning.
 *
 *      store_data    a data file, and the worker that writes checkpoints to it and loads from it
 *      store_copy    snapshots and backups made, sent, received, installed; any number may be open, each with a worker
 *
 * Unlike raft.db's, a failure here (a full disk, one that fails) ends nothing: the job comes back failed, with words, what it was
 * part of has been rolled back, what it had made has been removed, and the next may succeed. Only when a disk refuses even that, and the
 * process ends, may a COMMIT that failed be found at the next start: whole. A load that comes back `damaged` tells of damage
 * that no retry mends.
 *
 * store_log_open comes first, for each directory: it holds the lock under which all of this stands.
 *
 * HOW A NODE USES IT. Jobs go to workers (worker.h): one for raft.db, one for the data file, three for copies, so that none
 * waits for another: one copier makes (SNAPSHOT, BACKUP: as long as the file is large), one reads (READ, DROP), one takes in
 * (BEGIN, WRITE, INSTALL, CLEAN). In a tool without a loop store_log_run, store_data_run and store_copy_run are called
 * directly. {in} -> out; every job also has failed and why.
 *
 *  Start, beside the loop, since all of the file is read:
 *      store_log_open(dir, ..., &log, &boot, why)
 *      wants = store_data_wants(&boot)
 *      store_data_open(dir, &wants, &data, &meta, why)
 *      store_clean(dir, boot.data, why)
 *      store_copy_new(dir, &wants)                    for each copier
 *      LOAD {rewind, bytes_max}, LOAD {bytes_max} ... -> pages, more. Two or three under way keep the disk and the loop busy
 *      The keyspace is at meta->applied; what follows is in the log. While boot.leftovers: COMPACT {0}.
 *
 *  A checkpoint at index A. c is its number, above that of the one before; it begins at 1 with each store_data:
 *      PAGES {checkpoint c, deletes, pages} ...       a megabyte or so each; a job's deletes come before its pages
 *      COMMIT {checkpoint c, meta}                    once raft.db is durable through A -> A is the state on the disk
 *      One fails: so do all behind it, with its words; everything is as before. Take the dirty pages back, try again as
 *      c + 1 later. To give up one that has not failed: ABORT {checkpoint c}.
 *      After the COMMIT: COMPACT {through A less a tail} -> more: again.
 *
 *  A snapshot for a follower, of the last COMMIT:
 *      SNAPSHOT {generation}                          -> index, size, crc, meta. One at a time; it stays until DROP or restart
 *      READ {index, offset, length} ...               -> fragment, crc; in any order, for any number of followers
 *      DROP {index}
 *
 *  A snapshot from the leader, known by an id that names sender and snapshot:
 *      BEGIN {id}                                     -> offset: how much of it is there
 *      WRITE {id, offset, fragment, crc} ...          -> offset: where the next begins, also after a failure
 *      INSTALL {id, size, crc, generation + 1}        -> meta; all of it verified, durable, and not yet anybody's.
 *                                                     spoiled: BEGIN again; else failed: INSTALL again later
 *      Now the checkpoint under way is given up, and all data jobs are taken back. Then, with the vote and the identity that
 *      belong to it in the same batch or before:
 *      RESET {meta->applied, meta->applied_term, generation + 1} -> kept
 *      store_data_close(old); store_data_open with store_data_wants_next(&wants, generation + 1, meta, last index); LOAD as at
 *      the start
 *      CLEAN {generation + 1}                         removes the old file
 *      Or not to take it: CLEAN {generation}.
 *
 *  A backup, of the last COMMIT (let one come before, for a backup of now):
 *      BACKUP {generation, backup_dir, name}          -> size, crc, meta
 *  A restore:
 *      store_restore(file, dir, &identity, members, level_max, why), then a start
 *
 *  The way out of a lost quorum:
 *      store_recover(dir, &identity, only_look, &found, why), then a start
 *
 *  The disk: store_disk_free(dir, &free, &total), every second or so.
 */
#ifndef STORE_DATA_H
#define STORE_DATA_H

#include "store.h"

enum {
    STORE_PAGE_FIT = 4050, /* a page up to this long takes one block of the file; a longer one at least two */
    STORE_PAGE_MAX = 900 * 1000 * 1000, /* the longest: a row may have 10^9 bytes */
    STORE_OBJECT_BITS = 39,             /* object ids are below 1 << this */
    STORE_NUMBER_BITS = 24,             /* page numbers likewise */
    STORE_FRAGMENT_MAX = 1024 * 1024,   /* bytes of one fragment */
    STORE_NAME_MAX = 100,               /* bytes of a snapshot's id, of a backup's name */
};

/* ---- values ---------------------------------------------------------------------------------------------- */

/* Bytes that somebody owns (malloc). NULL exactly when the length is 0. */
struct store_bytes {
    uint8_t *at;
    size_t length;
};

struct store_page {
    uint64_t object;
    uint32_t number; /* within the object */
    uint32_t length;
    size_t offset; /* into the bytes beside it */
};

struct store_pages {
    struct store_page *at;
    size_t count, room; /* and of how many there may be before it must grow */
    struct store_bytes bytes;
    size_t bytes_room;
};
/* Adds a copy at the end. */
void store_pages_add(struct store_pages *pages, uint64_t object, uint32_t number, const void *bytes,
                     size_t length);
/* The same, of bytes that become the pages' own: there must be none yet, and none is added behind. */
void store_pages_take(struct store_pages *pages, uint64_t object, uint32_t number, void *bytes,
                      size_t length);
/* There are none any more, and the memory stays for others. */
void store_pages_clear(struct store_pages *pages);
void store_pages_close(struct store_pages *pages);

/* Pages from (object, number) up to and including the last, in the order of object, then number. */
struct store_range {
    uint64_t object, last_object;
    uint32_t number, last_number;
};

/* What the pages are the state of. */
struct store_meta {
    char cluster[STORE_ID_LENGTH + 1];     /* whose state it is */
    char incarnation[STORE_ID_LENGTH + 1]; /* the node's that wrote it */
    raft_index applied;                    /* every entry up to here is in it, none after; 0: no state yet */
    raft_term applied_term;                /* of that entry */
    struct raft_term_start *terms;         /* where each term began, up to applied; ascending */
    size_t term_count;
    uint64_t clock_ms;
    uint64_t feature_level;
    struct store_bytes members; /* these three are for those above to understand; 64 MB each at most */
    struct store_bytes head;    /* of the keyspace */
    struct store_bytes digest;
    /* The store's own, out: how many pages, how many bytes are in them, the sum of their checksums. */
    uint64_t pages, bytes, sum;
};
struct store_meta *store_meta_new(void);
void store_meta_free(struct store_meta *meta); /* with what it owns; NULL is allowed */
struct store_meta *store_meta_copy(const struct store_meta *meta);
/* Appends to what a meta holds: copies. */
void store_meta_add_term(struct store_meta *meta, raft_term term, raft_index first_index);
/* The term of the entry at `index`; 0 when that is not known. */
raft_term store_meta_term_at(const struct store_meta *meta, raft_index index);
void store_bytes_set(struct store_bytes *bytes, const void *from, size_t length);

/* ---- a data file ----------------------------------------------------------------------------------------- */

struct store_data;

/* What raft.db says of the data file: it must fit the log, or one of them is not what it was. */
struct store_data_wants {
    raft_id node; /* for the words that say what to do */
    uint64_t generation;
    char cluster[STORE_ID_LENGTH + 1]; /* "": not formed yet */
    char incarnation[STORE_ID_LENGTH + 1];
    raft_index base_index; /* the state must hold this entry ... */
    raft_term base_term;
    raft_index last_index; /* ... and none after this one */
    unsigned level_max; /* its feature level may be this at most; 0: any. As it comes from store_data_wants */
};
struct store_data_wants store_data_wants(const struct store_boot *boot);
/* After a RESET: the state of `meta`, in that generation's file, and a log that ends with last_index (meta->applied unless the
 * reset kept what follows). */
struct store_data_wants store_data_wants_next(const struct store_data_wants *wants, uint64_t generation,
                                              const struct store_meta *meta, raft_index last_index);

/*
 * Checks, opens dir/data-<generation>.db. Makes it when it is not there and the log begins with the first entry. *meta: what
 * it is the state of, to be freed with store_meta_free. The pages' checksums are verified by the loading. The text in `why`
 * names the file, what is wrong, what to do; a file that is refused is left as it is, bit for bit.
 */
enum store_result store_data_open(const char *dir, const struct store_data_wants *wants,
                                  struct store_data **data, struct store_meta **meta,
                                  char why[STORE_WHY_MAX]);
/* No worker may be using it. A checkpoint that is not committed is rolled back. */
void store_data_close(struct store_data *data);
/* Moves what a start has found in the WAL into the file, durably: that alone is the state then, until the next job. */
enum store_result store_data_move(struct store_data *data, char why[STORE_WHY_MAX]);
/* How many bytes a second a checkpoint writes at most, and how many are moved from the WAL into the file then; 0: as many as the disk
 * takes, as it is at first. From any thread; it counts at once. */
void store_data_set_rate(struct store_data *data, uint64_t bytes_per_s);
/* The last checkpoint's WAL is being moved into the file, or is about to be: a job would wait until it is. From any thread. */
bool store_data_is_moving(const struct store_data *data);

enum store_data_type {
    STORE_DATA_PAGES,  /* pages of a checkpoint; its first begins it */
    STORE_DATA_COMMIT, /* makes it the state */
    STORE_DATA_ABORT,  /* gives it up */
    STORE_DATA_LOAD,   /* the next pages, ascending; not while a checkpoint is under way */
};

/* A job for the data file's worker. The submitter allocates it with store_data_job_new, and frees it with its inputs and outputs. */
struct store_data_job {
    struct worker_job job; /* first */
    enum store_data_type type;

    /* PAGES, COMMIT, ABORT in: the attempt's number, above those before. When one job of an attempt has failed all that
     * come behind it fail, with the same words. */
    uint64_t checkpoint;

    /* PAGES in: first what goes, then what is written. Keep a job to a megabyte or so. LOAD out: `pages`. */
    struct store_range *deletes;
    size_t delete_count;
    struct store_pages pages;

    /* COMMIT in; its counts come out */
    struct store_meta *meta;

    /* LOAD in */
    bool rewind; /* begin with the first page; else go on behind the slice before. Several may be queued */
    size_t bytes_max; /* a slice has at least one page */
    bool more; /* out: there are pages behind this slice; when not, their count and sum have been verified */

    /* out */
    bool failed;
    bool damaged; /* LOAD failed, and no retry helps */
    char why[STORE_WHY_MAX];
    uint64_t us;         /* how long it took; of a COMMIT: mostly its fsync */
    uint64_t file_bytes; /* of the file and its -wal, after the job */
};
struct store_data_job *store_data_job_new(enum store_data_type type);
void store_data_job_free(struct store_data_job *job);
void store_data_job_add_delete(struct store_data_job *job, struct store_range range);

/* The worker's run function. context: the store_data. With no batch: housekeeping. */
void store_data_run(void *context, struct worker_job *batch);

/* ---- copies ---------------------------------------------------------------------------------------------- */

struct store_copy;

/* Making a copy takes as long as the file is large, a fragment takes a moment: give each kind a store_copy and a worker of its own. */
struct store_copy *store_copy_new(const char *dir, const struct store_data_wants *wants);
void store_copy_free(struct store_copy *copy);
/* From any thread: copies that it makes grow by so many bytes a second, in small pieces; 0, as at first: as fast as the disk takes them. */
void store_copy_set_rate(struct store_copy *copy, uint64_t bytes_per_s);
/* From any thread: a large copy that is being made fails soon, and leaves nothing behind. */
void store_copy_give_up(struct store_copy *copy);

enum store_copy_type {
    STORE_COPY_SNAPSHOT, /* makes dir/snapshot-<index>.db of the last committed checkpoint */
    STORE_COPY_BACKUP,   /* makes backup_dir/name of it; refuses when there is one */
    STORE_COPY_READ,     /* a fragment of a snapshot, to be sent */
    STORE_COPY_DROP,     /* removes a snapshot */
    STORE_COPY_BEGIN, /* a snapshot is about to come: how much of it is there already? Others are forgotten */
    STORE_COPY_WRITE, /* a fragment of it */
    STORE_COPY_INSTALL, /* it is all there: verify it, make it a data file. Then STORE_RESET */
    STORE_COPY_CLEAN, /* removes data files of other generations (none may be open), and what was coming in */
};

struct store_copy_job {
    struct worker_job job; /* first */
    enum store_copy_type type;

    /* SNAPSHOT, BACKUP in: of which data file. INSTALL in: to become this one, above the one in use. CLEAN in: the one in
     * use, which stays */
    uint64_t generation;
    /* BACKUP in */
    char *backup_dir;              /* owned by the job; not made when it is not there */
    char name[STORE_NAME_MAX + 1]; /* letters, digits, "-_.", no dot first */
    /* READ, DROP in; SNAPSHOT out */
    raft_index index;
    /* BEGIN, WRITE, INSTALL in: which snapshot of which sender; letters and digits and "-_" */
    char id[STORE_NAME_MAX + 1];
    /* READ, WRITE in: where the fragment begins. BEGIN, WRITE out: how far the file has come; also when a WRITE failed
     * since its fragment does not begin there */
    uint64_t offset;
    size_t length;               /* READ in: at most; 0 bytes come at the end */
    struct store_bytes fragment; /* WRITE in, READ out */
    uint32_t
        crc; /* WRITE in, READ out: CRC-32C of the fragment. INSTALL in, SNAPSHOT, BACKUP out: of the file */
    uint64_t size;           /* INSTALL in, SNAPSHOT, BACKUP out: bytes of the file */
    struct store_meta *meta; /* SNAPSHOT, BACKUP, INSTALL out: what it is the state of; the job's */

    /* out */
    bool failed;
    bool spoiled; /* INSTALL: what came was not what was sent, it has been removed; begin again */
    char why[STORE_WHY_MAX];
    uint64_t us; /* how long it took */
};
struct store_copy_job *store_copy_job_new(enum store_copy_type type);
void store_copy_job_free(struct store_copy_job *job);

/* The worker's run function. context: the store_copy. */
void store_copy_run(void *context, struct worker_job *batch);

/* At start, once the data file has been opened: removes data files of other generations, snapshots, files that were being made.
 * What was coming in stays, to be continued. */
enum store_result store_clean(const char *dir, uint64_t generation, char why[STORE_WHY_MAX]);

/* ---- beside the node ------------------------------------------------------------------------------------- */

/*
 * Makes a new node's directory of a backup: data-1.db with its state, under identity->cluster and with these members (NULL: those of
 * the backup), and raft.db with that identity and an empty log that begins after the state. Refuses a directory in which a node has
 * lived. The backup is verified, every page of it, and not changed; one of a feature level above level_max
 * (0: any) is refused.
 */
enum store_result store_restore(const char *backup, const char *dir, const struct store_identity *identity,
                                const struct store_bytes *members, unsigned level_max,
                                char why[STORE_WHY_MAX]);

/* What a node that lost its cluster has. */
struct store_recovered {
    struct store_identity identity; /* as it was: its cluster, the members that it knew */
    raft_index applied,
        last_index; /* the state on its disk holds the entries up to the first, its log those up to the second */
    raft_term term;
    char aside[STORE_WHY_MAX]; /* where copies of the old files are */
};
/*
 * Makes the node in this directory a cluster of its own, under identity->cluster and with these members (itself), with all that its
 * state and its log hold; see recover.c. The node and its incarnation stay. With only_look nothing is changed. It needs
 * room for another copy of the files.
 */
enum store_result store_recover(const char *dir, const struct store_identity *identity, bool only_look,
                                struct store_recovered *found, char why[STORE_WHY_MAX]);

/* The directory's file system: bytes that this process may still write, bytes that it has in all. False when it cannot be told.
 * A few microseconds. */
bool store_disk_free(const char *dir, uint64_t *free_bytes, uint64_t *total_bytes);

#endif
