/* SPDX-License-Identifier: MIT */
/*
 * What the files of this folder share. Nobody outside includes it.
 *
 *      log.c       raft.db's life: made, checked, opened, closed; the worker's batches
 *      job.c       jobs as values
 *      rows.c      rows <-> values, each with its checksum
 *      compact.c   the log's beginning moves
 *      make.c      a new raft.db, a new data file
 *      check.c     is this file ours and whole? Asked before anything may change it
 *      check_log.c the same of raft.db's rows
 *      data.c      a data file's life; the worker's batches: checkpoints, loading
 *      data_rows.c its rows <-> values
 *      data_file.c its making and its check
 *      copy.c      snapshots and backups are made
 *      incoming.c  a snapshot comes in, and is installed
 *      restore.c   a new node of a backup
 *      recover.c   a node that lost its cluster becomes one
 *      adopt.c     a state becomes another cluster's
 *      wal.c       the -wal's frames, walked without SQLite
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
    STORE_FORMAT = 2,                       /* SQLite's user_version */
    STORE_DATA_APPLICATION_ID = 0x72645244, /* "rdRD": of data files, snapshots, backups */
    STORE_DATA_FORMAT = 1,
    STORE_PAGE_BYTES = 4096,     /* of data files, and of a raft.db made before its pages were smaller */
    STORE_LOG_PAGE_BYTES = 1024, /* of raft.db: measured, see log.c */
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
int store_file_cut(struct store_file *file, int64_t size);
int store_file_sync(struct store_file *file);
bool store_file_exists(const char *path);
int store_file_remove(const char *path); /* SQLite's result; one that is not there is fine */

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
/* A file's xFileControl: somebody has written to it beside its connection, and what was read ahead is old. */
enum { STORE_FILE_CHANGED = 0x72646672 };
void store_sweep_register(void);

/* ---- rows.c ---------------------------------------------------------------------------------------------- */

/* The tables, in the order of their making. */
struct store_table {
    const char *name;
    const char *sql;
};
enum { STORE_TABLE_COUNT = 5 };
extern const struct store_table store_tables[STORE_TABLE_COUNT];

/* The row of `state`. */
struct store_state {
    raft_term term;
    raft_id vote;
    raft_index log_start; /* index of the first entry that the log may hold; rows before it are leftovers */
    raft_term base_term;  /* of the entry before log_start; 0: there is none */
    uint64_t data;        /* generation of the data file */
    uint64_t save;        /* number of the transaction that wrote it */
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
    "REPLACE INTO state (id, term, vote, log_start, base_term, data, save, checksum) "                       \
    "VALUES (1, ?, ?, ?, ?, ?, ?, ?)"

int store_part_put(sqlite3_stmt *put, const struct store_part *part);
/* False when the row is not what was written. Index and part are right even then, as far as they can be told. */
bool store_part_get(sqlite3_stmt *row, struct store_part *part);
int store_state_put(sqlite3_stmt *put, const struct store_state *state);

/* These return SQLite's result, or this: the row is missing, or is not what was written. */
enum { STORE_ROW_BAD = -1 };
int store_state_get(sqlite3 *db, struct store_state *state);
int store_identity_get(sqlite3 *db, struct store_identity *identity, uint64_t *save);
/* Replaces the identity and all members. SQLite's result. */
int store_identity_put(sqlite3 *db, const struct store_identity *identity, uint64_t save);

/* ---- compact.c ------------------------------------------------------------------------------------------- */

/* What moves the log's beginning, prepared once: at 50 x 16 SETs preparing took a twentieth of the thread's time. */
enum { STORE_BEGINNING_STATEMENTS = 6 };
struct store_beginning {
    sqlite3_stmt *statements[STORE_BEGINNING_STATEMENTS];
};
/* SQLite's result, as of all of these but the closing, which takes what was never opened, too. */
int store_beginning_open(sqlite3 *db, struct store_beginning *beginning);
void store_beginning_close(struct store_beginning *beginning);
/* The term of the entry at `index`; 0 when there is no such row. */
int store_log_term_at(struct store_beginning *beginning, raft_index index, raft_term *term);
/* What a step deletes at most. */
struct store_step {
    uint64_t rows, bytes;
};
/* Moves the log's beginning (log_start, base_term) over entries up to `through`, as many as one step allows, at least one if
 * any is there. *bytes: theirs. */
int store_log_pass(struct store_beginning *beginning, struct store_state *state, raft_index through,
                   struct store_step step, uint64_t *bytes);
/* Deletes rows of entries before `index`, as many as one step allows. *more: some are left. */
int store_log_delete_before(struct store_beginning *beginning, raft_index index, struct store_step step,
                            bool *more);
/* The table of terms begins at `index`, with the term of the entry there; if there is one. */
int store_terms_begin(struct store_beginning *beginning, raft_index index);

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
/* Walks the file. STORE_OK also when it is not there or empty. `why` says what is wrong, without the path. */
enum store_result store_wal_walk(const char *path, struct store_wal *wal, char why[STORE_WHY_MAX]);
bool store_wal_covers(const struct store_wal *wal, uint32_t page);
void store_wal_close(struct store_wal *wal);
/* Through its last committed frame, in bytes; 0: there is none. */
int64_t store_wal_length(const struct store_wal *wal);
/* Makes sure that the disk holds what the file shows of its first `length` bytes, and cuts off the rest: see wal.c. Nothing, of a file that
 * is not there. SQLite's result. */
int store_file_renew(const char *path, int64_t length);

/* ---- gather.c -------------------------------------------------------------------------------------------- */

struct store_gather;
/* Stands before the files of a connection to a database in WAL mode, exclusive, whose WAL is open, at `wal_path`. SQLite's result. */
int store_gather_open(sqlite3 *db, const char *wal_path, struct store_gather **wal,
                      struct store_gather **main);
/* After sqlite3_close. NULL is fine. */
void store_gather_close(struct store_gather *gather);

/* Committed frames [begin, end) of a WAL, counted from its first, where they are held in memory: until it begins again. */
struct store_frames {
    const uint8_t *wal; /* its first byte */
    uint32_t page_bytes;
    uint32_t begin, end;
};
uint32_t store_frame_page(const struct store_frames *frames, uint32_t frame); /* which page it holds */
const uint8_t *store_frame_bytes(const struct store_frames *frames, uint32_t frame);
/* False: they are not all held. */
bool store_gather_frames(const struct store_gather *wal, uint32_t begin, uint32_t end,
                         struct store_frames *frames);
/* From here on a page that none of these frames holds is not written to the file `main`, for it is there, durable, and nothing is known of it that
 * was read before. NULL: each is written. */
void store_gather_spare(struct store_gather *main, const struct store_frames *rest);

/* ---- mover.c --------------------------------------------------------------------------------------------- */

struct store_mover;
/* What of the WAL is in the file, durable. */
struct store_moved {
    uint32_t frames;
    int result; /* SQLite's: why no more is written, with errno; SQLITE_OK */
};
/* For the database at `path`. *mover: the caller's. SQLite's result. */
int store_mover_open(const char *path, struct store_mover **mover);
/* What is asked from here on is done by a thread. False: there is none to be had, and who asks goes on doing it. */
bool store_mover_thread(struct store_mover *mover);
/* Moves the frames behind those that are moved. Only while it is idle. */
void store_mover_ask(struct store_mover *mover, const struct store_frames *frames);
/* False: it is at work; only if it is not to wait until it has done what was asked. */
bool store_mover_state(struct store_mover *mover, bool wait, struct store_moved *moved);
/* The WAL begins again. Only while it is idle. */
void store_mover_restart(struct store_mover *mover);
/* Does what was asked, and ends the thread. NULL is fine. */
void store_mover_stop(struct store_mover *mover);
/* Once it has been stopped, and after sqlite3_close, which is when the file's locks may go. NULL is fine. */
void store_mover_close(struct store_mover *mover);

/* ---- straight.c ------------------------------------------------------------------------------------------ */

enum { STORE_STRAIGHT_BYTES = 4096 }; /* places, lengths and addresses are multiples of it */

struct store_straight;
/* Of a file that is there. NULL: the system, or the layer below SQLite, has no such way. */
struct store_straight *store_straight_open(const char *path);
/* Durable when it returns. SQLite's result; SQLITE_NOTFOUND: refused, now and ever after, and all of it is still to be written. */
int store_straight_write(struct store_straight *straight, const uint8_t *bytes, size_t length, int64_t at);
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

/* What the check has read on its way. */
struct store_found {
    struct store_identity identity;
    struct store_state state;
    uint64_t save;                      /* number of the last transaction */
    raft_index first_index, last_index; /* 0: the log is empty */
    uint64_t log_bytes;
    bool leftovers; /* rows of entries before the log */
    struct raft_term_start *terms;
    size_t term_count;
    struct raft_members_at *changes; /* the log's lists of members */
    size_t change_count;
    int64_t wal_length; /* store_wal_length */
};
/* Reads all of paths->db and its -wal without changing a bit of either. */
enum store_result store_check_log(const struct store_paths *paths, raft_id node, struct store_found *found,
                                  char why[STORE_WHY_MAX]);
void store_found_close(struct store_found *found);

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

/* The files of one data file, or of a copy of one (fresh is where it is made). */
struct store_data_paths {
    char *dir;
    char *db;
    char *wal;
    char *journal;
    char *fresh;
};
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
/* Reads it without changing a bit. *meta: the caller's, when it is sound. *wal_length, unless NULL: store_wal_length. */
enum store_result store_data_check(const struct store_data_paths *paths, const struct store_data_check *asked,
                                   struct store_meta **meta, int64_t *wal_length, char why[STORE_WHY_MAX]);
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
