/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share. Nobody outside includes it.
 *
 *      log.c       the log's life: made, checked, opened, closed; the worker's batches
 *      ring.c      its segments, from the oldest to the one that is written
 *      segment.c   one segment: a database of which only the -wal is written
 *      keeper.c    gets the next segment ready, empties and removes others, beside the log
 *      terms.c     which term each entry has
 *      job.c       jobs as values
 *      rows.c      rows <-> values, each with its checksum
 *      upgrade.c   a raft.db of format 2 becomes segments
 *      make.c      a new raft.db, a new data file
 *      check.c     is this file ours and whole? Asked before anything may change it
 *      check_log.c the same of the log's segments, and of what they say together
 *      data.c      a data file's life; the worker's batches: checkpoints, loading
 *      data_rows.c its rows <-> values
 *      data_file.c its making and its check
 *      copy.c      snapshots and backups are made
 *      incoming.c  a snapshot comes in, and is installed
 *      restore.c   a new node of a backup
 *      recover.c   a node that lost its cluster becomes one
 *      adopt.c     a state becomes another cluster's
 *      wal.c       the -wal's frames, walked without SQLite
 *      wal_sums.c  their checksum
 *      mark.c      what was acknowledged, told by a second file
 *      file.c      the few things that SQLite's file layer cannot do
 *      pace.c      what is written in bulk, by a checkpoint or a backup, does not hold up the disk
 *      gather.c    fewer and larger system calls below SQLite
 *      straight.c  writes that go past the system's cache, and are durable at once
 *      sqlite.c    small helpers on SQLite
 *      checksum.c  CRC-32C
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "data.h"
#include "store.h"

enum {
    STORE_APPLICATION_ID = 0x72645246,      /* "rdRF", SQLite's application_id */
    STORE_FORMAT = 3,                       /* SQLite's user_version */
    STORE_FORMAT_MOVED = 2,                 /* one raft.db, its WAL moved into it: upgrade.c */
    STORE_DATA_APPLICATION_ID = 0x72645244, /* "rdRD": of data files, snapshots, backups */
    STORE_DATA_FORMAT = 1,
    STORE_PAGE_BYTES = 4096,     /* of data files, and of a raft.db made before its pages were smaller */
    STORE_LOG_PAGE_BYTES = 1024, /* of a segment */
    STORE_PARTS_MAX = 1024,      /* a log row's id = index * this + part */
    STORE_ENTRY_BYTES_MAX = 512 * 1024 * 1024,
};

/* The files of one directory. */
struct store_paths {
    char *dir;
    char *db;      /* dir/raft.db */
    char *wal;     /* dir/raft.db-wal */
    char *journal; /* dir/raft.db-journal: not ours */
    char *mark;    /* dir/raft.db-acked */
    char *fresh;   /* dir/raft.db.new: one being made */
};
void store_paths_init(struct store_paths *paths, const char *dir);
void store_paths_close(struct store_paths *paths);

/* ---- checksum.c ------------------------------------------------------------------------------------------ */

/* Continues `crc` (0 to begin) over `length` bytes. */
uint32_t store_crc32c(uint32_t crc, const void *bytes, size_t length);
uint32_t store_crc32c_portable(uint32_t crc, const void *bytes, size_t length); /* the same, by table */
/* Over the number's eight bytes, least significant first. */
uint32_t store_crc32c_number(uint32_t crc, uint64_t number);
/* Over the length, then the bytes: two texts never run into each other. */
uint32_t store_crc32c_text(uint32_t crc, const char *text);

/* ---- wal_sums.c ------------------------------------------------------------------------------------------ */

struct store_wal_sums {
    uint32_t first, second;
};
/* Continues the sums over `length` bytes, a multiple of eight. big_endian: as the WAL's header says of its words. */
struct store_wal_sums store_wal_sum(struct store_wal_sums sums, bool big_endian, const uint8_t *at,
                                    size_t length);
struct store_wal_sums store_wal_sum_portable(struct store_wal_sums sums, bool big_endian, const uint8_t *at,
                                             size_t length); /* the same, step by step */

/* ---- sqlite.c -------------------------------------------------------------------------------------------- */

/* SQLite's words for `result`, as far as they are of the last call. */
const char *store_sql_words(sqlite3 *db, int result);
/* `result`'s words for a failure of `db` (NULL: there is none yet) while `doing` something to `path`. At once after it: errno
 * is told too, unless it was cleared before. */
void store_sql_why(char why[STORE_WHY_MAX], const char *path, const char *doing, sqlite3 *db, int result);
/* *db is to be closed in any case. */
int store_sql_open(const char *path, int flags, sqlite3 **db);
int store_sql_open_to_sweep(const char *path, int flags,
                            sqlite3 **db); /* to be read from front to back: sweep.c */
/* Runs statements that return no rows that matter. SQLite's result. */
int store_sql_exec(sqlite3 *db, const char *sql);
/* The first column of the first row, a number. SQLite's result; SQLITE_DONE when there is no row. */
int store_sql_number(sqlite3 *db, const char *sql, int64_t *number);
/* Steps a statement that returns no rows and resets it. SQLITE_OK or why not. */
int store_sql_run(sqlite3_stmt *statement);
/* Moves all of the WAL into the file and makes it durable. */
int store_sql_checkpoint(sqlite3 *db, int mode);
/* Reads a text column of at most `max` bytes; false when it is another type, too long, or holds a NUL. */
bool store_sql_text(sqlite3_stmt *statement, int column, char *text, size_t max);

/* ---- pace.c ---------------------------------------------------------------------------------------------- */

/* A file whose writes are paced. */
struct store_paced {
    sqlite3_file *file; /* NULL: it is not open */
    const sqlite3_io_methods *own;
    sqlite3_io_methods methods; /* in place of its own */
    int64_t last_block;         /* that was written to */
    int unsynced;               /* bytes, of blocks */
};
enum { STORE_PACED_FILES = 2, STORE_PIECE_BYTES = 512 * 1024 };
struct store_pace {
    atomic_uint_least64_t rate; /* bytes a second; 0: no rests */
    uint64_t rested_us;         /* when the last rest ended */
    struct store_paced files[STORE_PACED_FILES];
};
/* Between the two whatever this connection writes is written at a pace. It must not be closed meanwhile. */
void store_pace_begin(struct store_pace *pace, sqlite3 *db);
void store_pace_end(struct store_pace *pace);
/* Rests until so many bytes, written since the last rest, have taken their time. */
void store_pace_rest(struct store_pace *pace, uint64_t bytes);
/* Moves as much of the WAL as no reader needs, at a pace. *moved: frames of it that are in the file. */
int store_sql_move_wal(sqlite3 *db, struct store_pace *pace, int *moved);

/* ---- file.c ---------------------------------------------------------------------------------------------- */

/* A file read or written through SQLite's file layer: as the simulator's disk sees it, and without the plain close()
 * that would drop SQLite's locks. */
struct store_file {
    sqlite3_file *file;
    const char *name;
};

/* The file layer that takes no locks: for the checks, which run under the directory's lock. */
#define STORE_VFS_UNLOCKED "unix-none"

int store_file_open(struct store_file *file, const char *path, int flags); /* SQLite's result and flags */
void store_file_close(struct store_file *file);
/* Asks the file system for the file's first `bytes` in one piece, before they are needed; its size stays what it is. A wish: where it is not
 * granted the file grows as it is written. */
void store_file_reserve(const char *path, int64_t bytes);
int64_t store_file_size(struct store_file *file); /* -1: it cannot be told */
/* False when fewer bytes are there or the disk fails. */
bool store_file_read(struct store_file *file, void *bytes, size_t length, int64_t offset);
/* These return SQLite's result; errno has the reason. */
int store_file_write(struct store_file *file, const void *bytes, size_t length, int64_t offset);
/* From its end on, in steps: what is left when that is broken off is a longer beginning of it. */
int store_file_cut(struct store_file *file, int64_t size);
int store_cut(sqlite3_file *file, int64_t size);
int store_file_sync(struct store_file *file);
bool store_file_exists(const char *path);
int store_file_remove(const char *path); /* SQLite's result; one that is not there is fine */
/* The same, in steps: of one that may be long, which nobody has open, and of which any beginning may be left. */
int store_file_cut_and_remove(const char *path);

/* Makes the directory and its parents, durably; 0 or errno. */
int store_dir_make(const char *dir);
int store_dir_sync(const char *dir);
/* The names in a directory, NULL-terminated, to be freed with store_names_free; NULL when it cannot be read (errno). */
char **store_dir_names(const char *dir);
void store_names_free(char **names);
/* Takes the directory for this process; a descriptor to close, or -1 with the reason. */
int store_dir_lock(const char *dir, char why[STORE_WHY_MAX]);
void store_dir_unlock(int lock);
/* Moves `from` to `to`, durably; 0 or errno. */
int store_file_rename(const char *dir, const char *from, const char *to);

/* ---- sweep.c --------------------------------------------------------------------------------------------- */

/* File layers that read ahead, on SQLite's usual one and on the one that takes no locks. From any thread, any number of times. */
#define STORE_VFS_SWEEP          "sweep"
#define STORE_VFS_SWEEP_UNLOCKED "sweep-none"
void store_sweep_register(void);

/* ---- rows.c ---------------------------------------------------------------------------------------------- */

/* The tables of a segment, in the order of their making. */
struct store_table {
    const char *name;
    const char *sql;
};
enum { STORE_TABLE_COUNT = 4 };
extern const struct store_table store_tables[STORE_TABLE_COUNT];

/* The row of `state`. */
struct store_state {
    raft_term term;
    raft_id vote;
    raft_index log_start; /* index of the first entry that the log may hold; rows before it are leftovers */
    raft_term base_term;  /* of the entry before log_start; 0: there is none */
    uint64_t data;        /* generation of the data file */
    raft_index old_end;   /* older segments hold the log's entries up to here, exclusive */
    uint64_t
        old_save;  /* number of the last transaction of the newest of them; 0: none of their entries counts */
    uint64_t save; /* number of the transaction that wrote it */
};

/* A row of `log`: one part of an entry. Each part but the last is STORE_ROW_BYTES_MAX long. */
struct store_part {
    raft_index index;
    unsigned part;
    raft_term term;
    uint8_t type;
    uint64_t bytes;   /* of the whole entry */
    bool no_data;     /* the entry's data is NULL: not even empty */
    uint64_t save;    /* number of the transaction that wrote it */
    const void *data; /* of this part; holds until the statement moves on */
    size_t length;
};
unsigned store_part_count(uint64_t bytes); /* rows of an entry of so many bytes; at least 1 */
size_t store_part_length(uint64_t bytes, unsigned part);

#define STORE_SQL_PART_COLUMNS "id, term, type, bytes, save, checksum, data"
#define STORE_SQL_PART_PUT     "INSERT INTO log (" STORE_SQL_PART_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)"
#define STORE_SQL_STATE_PUT                                                                                  \
    "REPLACE INTO state (id, term, vote, log_start, base_term, data, old_end, old_save, save, checksum) "    \
    "VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

int store_part_put(sqlite3_stmt *put, const struct store_part *part);
/* False when the row is not what was written. Index and part are right even then, as far as they can be told. */
bool store_part_get(sqlite3_stmt *row, struct store_part *part);
/* What of it does not fit the one before it, in a log whose term is this; NULL when it does. */
const char *store_part_misfit(const struct store_part *part, const struct store_part *before, raft_term term);
/* `incarnation`: the node's, so that a -wal that was put beside another node's file is known. */
int store_state_put(sqlite3_stmt *put, const struct store_state *state, const char *incarnation);

/* These return SQLite's result, or this: the row is missing, or is not what was written. */
enum { STORE_ROW_BAD = -1 };
int store_state_get(sqlite3 *db, const char *incarnation, struct store_state *state);
int store_identity_get(sqlite3 *db, struct store_identity *identity, uint64_t *save);
/* Replaces the identity and all members. SQLite's result. */
int store_identity_put(sqlite3 *db, const struct store_identity *identity, uint64_t save);

/* ---- terms.c --------------------------------------------------------------------------------------------- */

/* Where each term of the log begins; the first of them where the log does. */
struct store_terms {
    struct raft_term_start *at;
    size_t count;
};
/* An entry behind the last one. */
void store_terms_add(struct store_terms *terms, raft_term term, raft_index index);
/* Of an entry that is in the log. */
raft_term store_terms_find(const struct store_terms *terms, raft_index index);
/* The log ends before `index`, or begins with it. */
void store_terms_cut(struct store_terms *terms, raft_index index);
void store_terms_begin(struct store_terms *terms, raft_index index);
/* Of the log's last entry; 0: it is empty. */
raft_term store_terms_last(const struct store_terms *terms);
struct store_terms store_terms_copy(const struct store_terms *terms);
void store_terms_free(struct store_terms *terms);

/* ---- segment.c ------------------------------------------------------------------------------------------- */

/* Those before STORE_PARTS_GET are for writing. */
enum store_segment_statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_STATE_PUT,
    STORE_PART_PUT,
    STORE_CUT,
    STORE_PARTS_GET,
    STORE_SEGMENT_STATEMENTS,
};
enum {
    STORE_SEGMENT_NAME_MAX = 24,
    STORE_SEGMENT_BYTES =
        16 * 1024 *
        1024, /* of its WAL, from which on the next one follows; or what store_log_segments says */
};

/* The files of one data file or segment, or of a copy of one (fresh is where it is made). */
struct store_data_paths {
    char *dir;
    char *db;
    char *wal;
    char *journal;
    char *fresh;
};

struct store_gather;
struct store_segment {
    unsigned slot; /* 0: raft.db; n: raft-n.db */
    struct store_data_paths paths;
    sqlite3 *db;
    sqlite3_stmt *statements[STORE_SEGMENT_STATEMENTS];
    struct store_gather *wal; /* NULL: it is only read */
    int64_t page_bytes;
    uint32_t frames;       /* committed */
    bool begun;            /* it has an identity and a state */
    uint64_t save;         /* number of its last transaction */
    raft_index first, end; /* entries [first, end) of the log are in it */
    uint32_t *lengths;     /* bytes of each, from `first` on */
    size_t lengths_max;
};

void store_segment_name(unsigned slot, char name[STORE_SEGMENT_NAME_MAX]);
/* False: it is no segment's. */
bool store_segment_slot(const char *name, unsigned *slot);
/* The names of segments and their -wals in a directory, NULL-terminated, to be freed with store_names_free. 0 or errno. */
int store_segment_names(const char *dir, char ***segments);
/* No connection yet. */
struct store_segment *store_segment_new(const char *dir, unsigned slot);
/* To be written. These return SQLite's result; the segment is to be closed in any case. */
int store_segment_open(struct store_segment *segment);
/* Only to be read, by a connection that is the segment's from here on. */
int store_segment_view(struct store_segment *segment, sqlite3 *view);
/* No more to be written. */
int store_segment_seal(struct store_segment *segment);
void store_segment_close(struct store_segment *segment); /* NULL is fine */

/* The statement, its first parameter bound. */
sqlite3_stmt *store_segment_with(struct store_segment *segment, enum store_segment_statement which,
                                 uint64_t number);
/* The log's entries from `first` on will be in it. */
void store_segment_begin(struct store_segment *segment, raft_index first);
/* One entry more, behind its last. */
void store_segment_add(struct store_segment *segment, raft_index index, uint64_t bytes);
/* Bytes of those of its entries that are in [from, end). */
uint64_t store_segment_sum(const struct store_segment *segment, raft_index from, raft_index end);
int64_t store_segment_wal_bytes(const struct store_segment *segment);

/* Of one that nobody has open. SQLite's result. The first takes away all that its WAL holds, durably; the second does so, or makes it. */
int store_segment_empty(const struct store_segment *segment);
int store_segment_renew(const struct store_segment *segment, char why[STORE_WHY_MAX]);
int store_segment_fill(const struct store_segment *segment,
                       int64_t bytes); /* its WAL has so many, written, as far as can be; whole blocks */
int store_segment_remove(const struct store_segment *segment);

/* ---- keeper.c -------------------------------------------------------------------------------------------- */

struct store_keeper;
enum { STORE_KEEPING_SLOTS_MAX = 64 };
struct store_keeping {
    enum { STORE_KEEP_READY, STORE_KEEP_EMPTY, STORE_KEEP_REMOVE } what;
    unsigned slots[STORE_KEEPING_SLOTS_MAX]; /* only EMPTY takes more than one */
    size_t count;
    int64_t bytes; /* READY: that its WAL is to have */
};
struct store_keeper *store_keeper_new(const char *dir);
/* What is asked from here on is done by a thread. False: there is none to be had, and who asks goes on doing it. */
bool store_keeper_thread(struct store_keeper *keeper);
/* Only while it is idle, and what was ready has been taken. */
void store_keeper_ask(struct store_keeper *keeper, const struct store_keeping *keeping);
/* False: it is at work. *ready: an empty segment, open, the caller's; NULL: there is none, and `why` says why none was to be had. Else that stays
 * as it is. */
bool store_keeper_take(struct store_keeper *keeper, struct store_segment **ready, char why[STORE_WHY_MAX]);
/* Ends the thread once it has done what was asked. NULL is fine. */
void store_keeper_free(struct store_keeper *keeper);

/* ---- ring.c ---------------------------------------------------------------------------------------------- */

/* One that nobody has open. */
struct store_free_slot {
    unsigned slot;
    bool told; /* the keeper was, to empty it */
};

/* The log's segments, and the slots that are free for more. */
struct store_ring {
    struct store_keeper *keeper;
    struct store_segment **at; /* from the oldest on; the last one is written */
    size_t count;
    struct store_segment *ready;  /* the next; NULL: there is none yet */
    struct store_free_slot *free; /* the oldest first */
    size_t free_count;
    int64_t bytes;                /* of a segment's WAL, from which on the next one follows */
    struct store_keeping keeping; /* what the keeper was asked last */
    bool asked;                   /* ... and has not answered */
    int64_t tried;           /* bytes of the last one's WAL when the keeper got nothing ready; 0: it did */
    char why[STORE_WHY_MAX]; /* it did not, and nobody was told yet; "" */
    size_t peak;             /* so many segments were in use lately */
    bool grows;              /* the last one has no written blocks, */
    int64_t grows_from;      /* ... from so many bytes on */
};
void store_ring_open(struct store_ring *ring, const char *dir);
void store_ring_close(struct store_ring *ring);
/* As store_keeper_thread; once the last segment is there. */
bool store_ring_thread(struct store_ring *ring);
struct store_segment *store_ring_last(const struct store_ring *ring);
/* Takes over a segment, as the last one. */
void store_ring_add(struct store_ring *ring, struct store_segment *segment);
void store_ring_add_free(struct store_ring *ring, unsigned slot);
/* If the last one is full and the next is ready that is the last one now, with no entries yet. SQLite's result. */
int store_ring_turn(struct store_ring *ring, raft_index next);
/* Closes those of which no entry counts any more. Their slots are free once the transaction that is under way is durable. */
void store_ring_release(struct store_ring *ring, raft_index log_start);
/* Bytes of the log's entries in [from, end). */
uint64_t store_ring_sum(const struct store_ring *ring, raft_index from, raft_index end);
/* The log ends before `index`. True: entries of older segments are among those that go. */
bool store_ring_cut(struct store_ring *ring, raft_index index);
/* Number of the last transaction of the newest segment before the last one that has entries; 0: there is none. */
uint64_t store_ring_old_save(const struct store_ring *ring);
/* Between two batches: empties those that are free, gets the next one ready, removes those that are too many. */
void store_ring_keep(struct store_ring *ring);

/* ---- wal.c ----------------------------------------------------------------------------------------------- */

/* What the -wal holds: the pages of its committed frames. */
struct store_wal {
    uint64_t frames;      /* committed */
    uint32_t pages;       /* of the database after the last commit; 0: no commit */
    uint32_t page_bytes;  /* as its header says; 0: it has none */
    int64_t first_page;   /* offset of the newest committed page 1 in the file; 0: none */
    uint8_t *covered;     /* a bit for each page that a committed frame holds */
    uint32_t covered_max; /* pages that `covered` has bits for */
};
/* What SQLite's file format says of a WAL: a header, then frames of a header and a page each; numbers begin with their highest byte. */
enum { STORE_WAL_HEADER_BYTES = 32, STORE_FRAME_HEADER_BYTES = 24 };
uint32_t store_big(const uint8_t *at);
/* A header's successor: with it in its place, what the WAL holds is of an earlier round, and none of it counts. False: it is no header of ours. */
bool store_wal_next_header(uint8_t header[STORE_WAL_HEADER_BYTES]);
/* Walks the file. STORE_OK also when it is not there or empty; `recycled`: it is, too, if its header is zeros. `why` says what is wrong, without the path. */
enum store_result store_wal_walk(const char *path, bool recycled, struct store_wal *wal,
                                 char why[STORE_WHY_MAX]);
bool store_wal_covers(const struct store_wal *wal, uint32_t page);
void store_wal_close(struct store_wal *wal);
/* Through its last committed frame, in bytes; 0: there is none. */
int64_t store_wal_length(const struct store_wal *wal);
/* Makes sure that the disk holds what the file shows of its first `length` bytes, and cuts off the rest: see wal.c. Nothing, of a file that
 * is not there. SQLite's result. */
int store_file_renew(const char *path, int64_t length);

/* ---- gather.c -------------------------------------------------------------------------------------------- */

enum {
    STORE_GATHER_MIN =
        16 * 1024, /* a page and its frame's header, beside the blocks that they begin and end in */
    STORE_GATHER_MAX = 2 * 1024 * 1024, /* a call is nothing beside so many bytes */
};

/* Stands before the WAL of a connection in WAL mode, exclusive, whose WAL is open, at `wal_path`; up to `held_max` bytes of a commit wait
 * in memory: whole blocks, from STORE_GATHER_MIN on. SQLite's result. */
int store_gather_open(sqlite3 *db, const char *wal_path, int64_t held_max, struct store_gather **gather);
/* What waits has been synced, and nothing more is written. */
void store_gather_seal(struct store_gather *gather);
/* After sqlite3_close. NULL is fine. */
void store_gather_close(struct store_gather *gather);

/* ---- straight.c ------------------------------------------------------------------------------------------ */

enum { STORE_STRAIGHT_BYTES = 4096 }; /* places, lengths and addresses are multiples of it */

struct store_straight;
/* Of a file that is there. NULL: the system, or the layer below SQLite, has no such way. */
struct store_straight *store_straight_open(const char *path);
/* Durable when it returns. SQLite's result; SQLITE_NOTFOUND: refused, now and ever after, and all of it is still to be written. */
int store_straight_write(struct store_straight *straight, const uint8_t *bytes, size_t length, int64_t at);
/* The same, but durable with the next sync of the file only. */
int store_straight_put(struct store_straight *straight, const uint8_t *bytes, size_t length, int64_t at);
/* NULL is fine. */
void store_straight_close(struct store_straight *straight);

/* ---- mark.c ---------------------------------------------------------------------------------------------- */

/* False when there is none, or none that can be believed. */
bool store_mark_read(const char *path, const char *incarnation, uint64_t *save);
int store_mark_open(struct store_file *file,
                    const char *path); /* made when it is not there; SQLite's result */
/* Says that transaction `save` is durable. Not synced, and a failure is ignored: see mark.c. */
void store_mark_write(struct store_file *file, const char *incarnation, uint64_t save);

/* ---- make.c ---------------------------------------------------------------------------------------------- */

/* What a database must be to be ours. */
struct store_kind {
    uint32_t application, format;
    uint32_t page_bytes; /* of a new one; one with pages of STORE_PAGE_BYTES is as good */
    const struct store_table *tables;
    size_t table_count;
};

extern const struct store_kind store_log_kind, store_data_kind;

/* A database to be made. */
struct store_making {
    const char *dir, *fresh, *path;
    const struct store_kind *kind;
    int (*fill)(sqlite3 *db, const void *context); /* puts its first rows; SQLite's result */
    const void *context;
};
/* Removes what is being made under that name, and what SQLite has beside it. SQLite's result. */
int store_remove_fresh(const char *fresh);
enum store_result store_make_file(const struct store_making *making, char why[STORE_WHY_MAX]);
int store_fill_nothing(sqlite3 *db, const void *context); /* `fill` of an empty one */

/* The first rows of a raft.db. */
struct store_first {
    struct store_identity identity;
    struct store_state state;
};
enum store_result store_make_log(const struct store_paths *paths, const struct store_first *first,
                                 char why[STORE_WHY_MAX]);
/* Makes paths->db when there is none. */
enum store_result store_make(const struct store_paths *paths, raft_id node, const char *incarnation,
                             bool *created, char why[STORE_WHY_MAX]);
enum store_result store_refuse_io(char why[STORE_WHY_MAX], const char *path, const char *doing, int error);

/* ---- check.c --------------------------------------------------------------------------------------------- */

enum { STORE_REMEDY_MAX = 512 };

/* A file that is looked at. The paths and texts are the caller's. */
struct store_check {
    const struct store_kind *kind;
    const char *db, *wal_path, *journal_path;
    bool rollback;        /* must not be in WAL mode */
    bool recycled;        /* a WAL whose header is zeros is empty */
    const char *remedy;   /* what to do about damage: a sentence */
    char *why;            /* STORE_WHY_MAX bytes */
    uint32_t page_bytes;  /* as the header says */
    struct store_wal wal; /* what was found in it */
    sqlite3 *view;        /* read-only, in a transaction */
};
/* The WAL's frames, the header, the length, the schema; then `view` is open. Close in any case. */
enum store_result store_check_open(struct store_check *check);
enum store_result store_check_structure(struct store_check *check);
void store_check_close(struct store_check *check);
/* What is wrong, then what to do about a damaged file. */
__attribute__((format(printf, 3, 4))) enum store_result
store_damaged(struct store_check *check, const char *path, const char *format, ...);
__attribute__((format(printf, 2, 3))) enum store_result store_foreign(struct store_check *check,
                                                                      const char *format, ...);
/* SQLite itself has found something. */
enum store_result store_refused(struct store_check *check, const char *doing, int result);
/* The sentence for a node's own files. */
void store_remedy(char remedy[STORE_REMEDY_MAX], const char *dir, raft_id node);
/* A text column is exactly this. */
bool store_sql_is(sqlite3_stmt *row, int column, const char *expected);

/* ---- check_log.c ----------------------------------------------------------------------------------------- */

/* A segment's file as it was found. */
struct store_found_segment {
    struct store_segment *segment; /* with the entries that count; `db` is the check's view */
    uint64_t save;                 /* number of its last transaction; 0: it is empty */
    int64_t wal_length;            /* store_wal_length */
};
/* What the check has read on its way. */
struct store_found {
    struct store_identity identity;
    struct store_state state;
    uint64_t save;                      /* number of the last transaction */
    raft_index first_index, last_index; /* 0: the log is empty */
    uint64_t log_bytes;
    struct store_terms terms;
    struct raft_members_at *changes; /* the log's lists of members */
    size_t change_count;
    struct store_found_segment *segments; /* in the order of their writing */
    size_t segment_count;
};
/* Reads all segments without changing a bit of any. What of *found is not taken is to be closed. */
enum store_result store_check_log(const struct store_paths *paths, raft_id node, struct store_found *found,
                                  char why[STORE_WHY_MAX]);
void store_found_close(struct store_found *found);

/* ---- upgrade.c ------------------------------------------------------------------------------------------- */

/* A raft.db of format 2 becomes segments; one of another is left alone. */
enum store_result store_upgrade(const struct store_paths *paths, raft_id node, char why[STORE_WHY_MAX]);

/* ---- data_rows.c ----------------------------------------------------------------------------------------- */

enum { STORE_DATA_TABLE_COUNT = 2 };
extern const struct store_table store_data_tables[STORE_DATA_TABLE_COUNT];

int store_meta_put(sqlite3 *db, const struct store_meta *meta);
/* *meta: the caller's. SQLite's result, or STORE_ROW_BAD. */
int store_meta_get(sqlite3 *db, struct store_meta **meta);

uint64_t store_page_id(uint64_t object, uint32_t number);
uint32_t store_page_checksum(uint64_t id, const void *bytes, size_t length);

/* A row of `pages`, as selected by id, checksum, data. */
struct store_page_row {
    uint64_t id;
    uint32_t checksum;
    const void *data; /* holds until the statement moves on */
    size_t length;
};
/* False when the row is not what was written; the id is right even then, as far as it can be told. */
bool store_page_get(sqlite3_stmt *row, struct store_page_row *page);

/* ---- data_file.c ----------------------------------------------------------------------------------------- */

void store_data_paths_init(struct store_data_paths *paths, const char *dir, const char *name);
void store_data_paths_init_generation(struct store_data_paths *paths, const char *dir, uint64_t generation);
void store_data_paths_close(struct store_data_paths *paths);

/* What is asked of a data file. */
struct store_data_check {
    bool rollback;       /* not in WAL mode: a backup */
    bool every_page;     /* read all of it */
    const char *cluster; /* whose it must be; "": anybody's */
    unsigned level_max;  /* its feature level at most; 0: any */
    const char *remedy;
};
/* What was looked through, and has read the -wal already. */
struct store_data_view {
    sqlite3 *db;        /* reads only; the caller's, to be closed before another connection may write */
    int64_t wal_length; /* store_wal_length */
};
/* Reads it without changing a bit. *meta, and *view unless NULL: the caller's, when it is sound. */
enum store_result store_data_check(const struct store_data_paths *paths, const struct store_data_check *asked,
                                   struct store_meta **meta, struct store_data_view *view,
                                   char why[STORE_WHY_MAX]);
/* Makes paths->db with no pages. */
enum store_result store_data_make(const struct store_data_paths *paths, const struct store_meta *meta,
                                  char why[STORE_WHY_MAX]);

/* ---- adopt.c --------------------------------------------------------------------------------------------- */

/* Copies a file, durably but for its name. SQLite's result. */
int store_file_copy(const char *from, const char *to);
/* Makes to->db of from->db, which is closed and not changed: the same pages, of what `meta` says. */
enum store_result store_data_adopt(const struct store_data_paths *from, const struct store_data_paths *to,
                                   const struct store_meta *meta, char why[STORE_WHY_MAX]);

/* ---- copy.c, incoming.c ---------------------------------------------------------------------------------- */

struct store_copy {
    atomic_bool given_up;
    struct store_pace pace; /* of what is copied out */
    char *dir;
    uint64_t generation; /* in use, as far as this one was told */
    char cluster[STORE_ID_LENGTH + 1];
    char remedy[STORE_REMEDY_MAX];
    /* The file that is coming in; none: file.file is NULL. */
    char id[STORE_NAME_MAX + 1];
    struct store_file file;
    uint64_t come; /* bytes of it that are there */
    char trusted[STORE_NAME_MAX +
                 1];   /* the id of that of which all was written by this process, and no sync has failed */
    uint64_t unsynced; /* of them, since it was synced */
};
enum { STORE_COPY_SYNC_BYTES = 8 * 1024 * 1024 };

/* Fails the job with words for SQLite's result. Returns false, to be returned. */
bool store_copy_fail(struct store_copy_job *job, const char *path, const char *doing, int result);
bool store_copy_begin(struct store_copy *copy, struct store_copy_job *job);
bool store_copy_write(struct store_copy *copy, struct store_copy_job *job);
bool store_copy_install(struct store_copy *copy, struct store_copy_job *job);
bool store_copy_clean(struct store_copy *copy, struct store_copy_job *job);
/* CRC-32C of a whole file, and its size. False: it cannot be read. */
bool store_file_sum(const char *path, uint32_t *crc, uint64_t *size);
/* Says in a whole, closed database's header that it is in WAL mode (2) or is not (1), and makes the file durable. SQLite's result. */
int store_file_seal(const char *path, uint8_t mode);

#endif
