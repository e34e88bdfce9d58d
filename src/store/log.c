/* SPDX-License-Identifier: MIT */
/*
 * raft.db: what a Raft node must never forget, on the disk.
 *
 *      store_log_open    lock the directory -> make the file if there is none -> check it (check.c)
 *                        -> open it -> move the WAL into it, durably
 *      store_log_run     BEGIN, the batch's jobs in order, COMMIT: one fsync
 *
 * A row of the log is a part of an entry, its id is index * 1024 + part, so that entries are read and cut in the order of the
 * file's tree and an appended one touches its last page only.
 *
 * The first failure is the last thing that this file does: after a failed fsync the system may call the lost pages clean,
 * and what is read back then is not what the disk holds. So nothing is written after it, not even at the closing, and every
 * later batch fails at once.
 *
 * SQLite's settings, and why. Figures: one commit after the other on a virtual machine whose disk takes 0.09 ms for
 * an fdatasync of 4 KB over written bytes and 0.14 ms for one that makes the file longer.
 *
 *      synchronous FULL      a commit returns when the WAL is on the disk. That is what this file is for.
 *      locking EXCLUSIVE     the WAL's index is on the heap: no -shm file, and no other program gets in between.
 *      page size 1024        a commit writes whole pages: that of the last row, those behind it, the first page and the list of
 *                            free ones. Bytes that a commit hands to the disk, the moving and deleting of old ones included
 *                            (make bench-log), with pages of 1, 2 and 4 KB: 3.7 KB of entries: 17, 20, 26 KB; 10 KB: 30, 33, 42;
 *                            27 KB: 66, 68, 76. More pages cost calls, which gather.c saves. Larger ones lose everywhere.
 *      the WAL is moved      into the file once it has 512 KB and 16 commits: most of it by a thread beside the commits (mover.c), the rest
 *                            here, after the batch's jobs have been handed back, so that nobody waits but a batch that comes meanwhile,
 *                            and that not long. SQLite's own checkpoint would do it inside the commit. The file of the WAL is kept, and written over
 *                            from its beginning: a sync that need not make a file longer is faster. Its blocks are asked for at the opening, in one
 *                            piece: got one commit at a time they lie between others', and a commit is two or three requests to the disk, not one.
 *      journal_size_limit    an entry of 512 MB makes a WAL of 512 MB; the next round cuts it to 16 MB.
 *      cache 8 MB, no mmap   the log is appended to, hardly read; through a map an I/O error would be a signal without words.
 *      secure_delete off     Debian's default writes zeros over all that is deleted.
 *
 * With pages of 4 KB: 100 bytes: 9,000 commits a second, median 0.09 ms, p99 0.21, p99.9 0.3; 4 KB: 7,300, 0.11, 0.25, 0.5;
 * 64 KB: 2,100 (136 MB/s), 0.19, 0.4, 0.5 with the machine at rest (other work on it shows as 3-4 ms in the p99.9).
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    /* In the WAL, from which on housekeeping moves it into the file. */
    WAL_BYTES = 512 * 1024,
    /* ... and commits, for the moving costs two syncs more; unless it has four times as much. */
    WAL_COMMITS = 16,
    /* From which on a batch waits until it is moved. */
    WAL_BYTES_MAX = 8 * WAL_BYTES,
    /* So few may be left for this thread; or what one commit wrote. */
    REST_BYTES = WAL_BYTES / 8,
    STEP_BYTES_MAX = 8 * 1024 * 1024, /* to be deleted, whatever was saved */
};

enum statement {
    BEGIN,
    COMMIT,
    STATE_PUT,
    PART_PUT,
    PARTS_GET,
    CUT_BYTES,
    CUT_LOG,
    CUT_TERMS,
    TERM_PUT,
    TERM_LAST,
    STATEMENT_COUNT,
};

static const char *const statement_sql[STATEMENT_COUNT] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [STATE_PUT] = STORE_SQL_STATE_PUT,
    [PART_PUT] = STORE_SQL_PART_PUT,
    [PARTS_GET] = "SELECT " STORE_SQL_PART_COLUMNS " FROM log WHERE id BETWEEN ? AND ? ORDER BY id",
    [CUT_BYTES] = "SELECT coalesce(sum(bytes), 0) FROM log WHERE id >= ? AND id % 1024 = 0",
    [CUT_LOG] = "DELETE FROM log WHERE id >= ?",
    [CUT_TERMS] = "DELETE FROM terms WHERE first_index >= ?",
    [TERM_PUT] = "INSERT INTO terms (first_index, term) VALUES (?, ?)",
    [TERM_LAST] = "SELECT coalesce((SELECT term FROM terms ORDER BY first_index DESC LIMIT 1), 0)",
};

struct store_log {
    struct store_paths paths;
    int lock; /* of the directory; -1: not taken */
    sqlite3 *db;
    struct store_gather *wal_calls, *file_calls; /* stand below the connection */
    struct store_mover *mover;
    struct store_file mark;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct store_beginning beginning;
    char incarnation[STORE_ID_LENGTH + 1];
    struct raft_term_start *terms;   /* as found at the opening; lent to store_boot */
    struct raft_members_at *changes; /* the same */
    size_t change_count;

    struct store_state state; /* state.save: of the last transaction; while one runs, its own */
    raft_index last_index;    /* state.log_start - 1: the log is empty */
    raft_term last_term;      /* of the entry at last_index; 0: the log is empty */
    uint64_t log_bytes;       /* of the entries from log_start on */
    int64_t page_bytes;
    uint32_t frames;         /* committed since the WAL was last moved into the file */
    unsigned commits;        /* the same */
    uint32_t frames_before;  /* `frames` before the last commit */
    bool deletes;            /* old entries are left to be deleted by the next step */
    struct store_step saved; /* since the step before, if it left any */

    bool failed; /* for ever */
    char why[STORE_WHY_MAX];
};

/* Remembers the first failure, which ends all writing. Returns false, to be returned. */
static bool fail(struct store_log *log, const char *doing, int result) {
    assert(!log->failed);
    store_sql_why(log->why, log->paths.db, doing, log->db, result);
    log->failed = true;
    return false;
}

static bool done(struct store_log *log, const char *doing, int result) {
    return result == SQLITE_OK || fail(log, doing, result);
}

/* ---- batches --------------------------------------------------------------------------------------------- */

static sqlite3_stmt *statement_with(struct store_log *log, enum statement which, uint64_t number) {
    sqlite3_bind_int64(log->statements[which], 1, (int64_t)number);
    return log->statements[which];
}

static int number_of(sqlite3_stmt *statement, uint64_t *number) {
    int result = sqlite3_step(statement);

    if (result == SQLITE_ROW)
        *number = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return result == SQLITE_ROW ? SQLITE_OK : result;
}

/* Deletes everything from `index` on. */
static bool cut_log(struct store_log *log, raft_index index) {
    uint64_t id = index * STORE_PARTS_MAX, bytes = 0;
    int result = number_of(statement_with(log, CUT_BYTES, id), &bytes);

    if (result == SQLITE_OK)
        result = store_sql_run(statement_with(log, CUT_LOG, id));
    if (result == SQLITE_OK)
        result = store_sql_run(statement_with(log, CUT_TERMS, index));
    if (result == SQLITE_OK)
        result = number_of(log->statements[TERM_LAST], &log->last_term);
    if (result != SQLITE_OK)
        return fail(log, "delete overwritten entries", result);
    assert(bytes <= log->log_bytes);
    log->log_bytes -= bytes;
    log->last_index = index - 1;
    return true;
}

static bool save_term(struct store_log *log, const struct raft_entry *entry) {
    sqlite3_stmt *put = statement_with(log, TERM_PUT, entry->index);

    sqlite3_bind_int64(put, 2, (int64_t)entry->term);
    log->last_term = entry->term;
    return done(log, "write a term", store_sql_run(put));
}

static bool save_entry(struct store_log *log, const struct raft_entry *entry) {
    struct store_part part = {
        .index = entry->index,
        .term = entry->term,
        .type = (uint8_t)entry->type,
        .bytes = entry->data != NULL ? entry->data->length : 0,
        .no_data = entry->data == NULL,
        .save = log->state.save,
    };

    assert(entry->index == log->last_index + 1);
    assert(entry->term >= log->last_term && entry->term <= log->state.term);
    assert(entry->term >= log->state.base_term);
    assert(part.bytes <= STORE_ENTRY_BYTES_MAX);
    if (entry->term != log->last_term && !save_term(log, entry))
        return false;
    for (; part.part < store_part_count(part.bytes); part.part++) {
        part.length = store_part_length(part.bytes, part.part);
        part.data = part.length > 0 ? entry->data->bytes + (size_t)part.part * STORE_ROW_BYTES_MAX : NULL;
        if (!done(log, "write an entry", store_part_put(log->statements[PART_PUT], &part)))
            return false;
    }
    log->last_index = entry->index;
    log->log_bytes += part.bytes;
    log->saved.rows += part.part;
    log->saved.bytes += part.bytes;
    return true;
}

static bool save_vote(struct store_log *log, const struct raft_vote *vote) {
    assert(vote->term >= log->state.term);
    log->state.term = vote->term;
    log->state.vote = vote->vote;
    return done(log, "write term and vote", store_state_put(log->statements[STATE_PUT], &log->state));
}

static bool run_save(struct store_log *log, struct store_job *job) {
    const struct raft_entries *entries = &job->entries;

    if (job->has_vote && !save_vote(log, &job->vote))
        return false;
    if (entries->count == 0)
        return true;
    assert(entries->at[0].index >= log->state.log_start && entries->at[0].index <= log->last_index + 1);
    if (entries->at[0].index <= log->last_index && !cut_log(log, entries->at[0].index))
        return false;
    for (size_t i = 0; i < entries->count; i++)
        if (!save_entry(log, &entries->at[i]))
            return false;
    return true;
}

static bool run_identity(struct store_log *log, struct store_job *job) {
    return done(log, "write the identity", store_identity_put(log->db, job->identity, log->state.save));
}

/* ---- the log's beginning --------------------------------------------------------------------------------- */

static bool save_beginning(struct store_log *log) {
    int result = store_terms_begin(&log->beginning, log->state.log_start);

    if (result == SQLITE_OK)
        result = store_state_put(log->statements[STATE_PUT], &log->state);
    if (log->last_index < log->state.log_start) {
        log->last_index = log->state.log_start - 1;
        log->last_term = 0;
    }
    return done(log, "write the log's beginning", result);
}

static struct store_step next_step(struct store_log *log) {
    struct store_step step = {0};

    if (log->deletes)
        step = (struct store_step){2 * log->saved.rows, 2 * log->saved.bytes};
    log->saved = (struct store_step){0};
    if (step.bytes > STEP_BYTES_MAX)
        step.bytes = STEP_BYTES_MAX;
    if (step.rows < STORE_COMPACT_ROWS_MAX)
        step.rows = STORE_COMPACT_ROWS_MAX;
    if (step.bytes < STORE_COMPACT_BYTES_MAX)
        step.bytes = STORE_COMPACT_BYTES_MAX;
    return step;
}

static bool run_compact(struct store_log *log, struct store_job *job) {
    raft_index through = job->through < log->last_index ? job->through : log->last_index;
    struct store_step step = next_step(log);
    uint64_t bytes = 0;
    int result = SQLITE_OK;

    if (through >= log->state.log_start)
        result = store_log_pass(&log->beginning, &log->state, through, step, &bytes);
    if (result == SQLITE_OK)
        result = store_log_delete_before(&log->beginning, log->state.log_start, step, &job->more);
    if (result != SQLITE_OK)
        return fail(log, "delete old entries", result);
    assert(bytes <= log->log_bytes);
    log->log_bytes -= bytes;
    job->more = job->more || log->state.log_start <= through;
    log->deletes = job->more;
    return save_beginning(log);
}

static bool holds_entry(struct store_log *log, raft_index index, raft_term term, bool *holds) {
    raft_term found = log->state.base_term;
    int result = SQLITE_OK;

    if (index >= log->state.log_start)
        result = store_log_term_at(&log->beginning, index, &found);
    *holds = index <= log->last_index && found == term;
    return done(log, "look for the snapshot's entry", result);
}

static bool run_reset(struct store_log *log, struct store_job *job) {
    raft_index index = job->reset.index;
    uint64_t bytes = 0;

    assert(index + 1 >= log->state.log_start && job->reset.term <= log->state.term && job->reset.data != 0);
    if (!holds_entry(log, index, job->reset.term, &job->kept))
        return false;
    if (!job->kept && log->last_index > index && !cut_log(log, index + 1))
        return false;
    if (job->kept && !done(log, "count the entries that stay",
                           number_of(statement_with(log, CUT_BYTES, (index + 1) * STORE_PARTS_MAX), &bytes)))
        return false;
    if (!job->kept)
        log->last_index = index;
    log->log_bytes = bytes;
    log->state.log_start = index + 1;
    log->state.base_term = job->reset.term;
    log->state.data = job->reset.data;
    job->more = true;
    return save_beginning(log);
}

/* ---- reading back ---------------------------------------------------------------------------------------- */

static struct raft_entry *add_entry(struct raft_entries *entries, const struct store_part *part) {
    struct raft_entry *entry;

    if ((entries->count & (entries->count - 1)) == 0) { /* full at each power of two */
        entries->at =
            realloc(entries->at, (entries->count == 0 ? 1 : 2 * entries->count) * sizeof(*entries->at));
        if (entries->at == NULL)
            abort();
    }
    entry = &entries->at[entries->count++];
    *entry = (struct raft_entry){
        .index = part->index,
        .term = part->term,
        .type = (enum raft_entry_type)part->type,
        .data = part->no_data ? NULL : raft_blob_new((size_t)part->bytes),
    };
    return entry;
}

static bool row_is_bad(struct store_log *log, const struct store_part *part) {
    snprintf(log->why, sizeof(log->why),
             "%s: row %" PRIu64 " of the log (entry %" PRIu64 "): what was written is not what is read",
             log->paths.db, part->index * STORE_PARTS_MAX + part->part, part->index);
    log->failed = true;
    return false;
}

/* The rows from the first one on, which is at hand when *result says so, as entries: as many as fit, at least one. */
static bool read_entries(struct store_log *log, sqlite3_stmt *get, struct store_job *job, int *result) {
    struct store_part part, expected = {.index = job->fetch.from};
    struct raft_entry *entry = NULL;
    size_t total = 0;

    for (; *result == SQLITE_ROW; *result = sqlite3_step(get)) {
        if (!store_part_get(get, &part) || part.index != expected.index || part.part != expected.part)
            return row_is_bad(log, &part);
        if (part.part == 0) {
            if (entry != NULL && total + part.bytes > job->fetch.bytes_max)
                return true;
            entry = add_entry(&job->entries, &part);
            total += part.bytes;
        }
        assert(entry != NULL);
        if (part.length > 0)
            memcpy(entry->data->bytes + (size_t)part.part * STORE_ROW_BYTES_MAX, part.data, part.length);
        expected.part = part.part + 1;
        if (expected.part == store_part_count(part.bytes))
            expected = (struct store_part){.index = part.index + 1};
    }
    return expected.part == 0 || row_is_bad(log, &expected);
}

static bool run_read(struct store_log *log, struct store_job *job) {
    sqlite3_stmt *get = log->statements[PARTS_GET];
    raft_index from = job->fetch.from, to = job->fetch.to < log->last_index ? job->fetch.to : log->last_index;
    bool sound;
    int result;

    assert(job->entries.at == NULL);
    if (from < log->state.log_start || from > to)
        return true; /* none is there */
    sqlite3_bind_int64(get, 1, (int64_t)(from * STORE_PARTS_MAX));
    sqlite3_bind_int64(get, 2, (int64_t)(to * STORE_PARTS_MAX + STORE_PARTS_MAX - 1));
    result = sqlite3_step(get);
    sound = read_entries(log, get, job, &result);
    if (sound && result != SQLITE_ROW && result != SQLITE_DONE)
        sound = fail(log, "read entries", result);
    sqlite3_reset(get);
    assert(!sound || job->entries.count > 0);
    return sound;
}

/* ---- one transaction ------------------------------------------------------------------------------------- */

static bool (*const runs[])(struct store_log *log, struct store_job *job) = {
    [STORE_SAVE] = run_save,       [STORE_READ] = run_read,   [STORE_IDENTITY] = run_identity,
    [STORE_COMPACT] = run_compact, [STORE_RESET] = run_reset,
};

static bool job_writes(const struct store_job *job) {
    return job->type != STORE_READ && (job->type != STORE_SAVE || job->has_vote || job->entries.count > 0);
}

static bool batch_writes(const struct worker_job *batch) {
    for (; batch != NULL; batch = batch->next)
        if (job_writes((const struct store_job *)batch))
            return true;
    return false;
}

static uint64_t now_us(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool run_jobs(struct store_log *log, struct worker_job *batch) {
    for (; batch != NULL; batch = batch->next) {
        struct store_job *job = (struct store_job *)batch;

        if (!runs[job->type](log, job))
            return false;
    }
    return true;
}

static int64_t wal_bytes(const struct store_log *log) {
    return (int64_t)log->frames * log->page_bytes;
}

/* Moves what is left of the WAL into the file and makes it durable; the next commit starts the WAL over. */
static bool move_wal(struct store_log *log) {
    struct store_moved moved;
    struct store_frames rest;
    bool result;

    store_mover_state(log->mover, true, &moved);
    if (!done(log, "move the WAL into the file", moved.result))
        return false;
    if (moved.frames > 0 && store_gather_frames(log->wal_calls, moved.frames, log->frames, &rest))
        store_gather_spare(log->file_calls, &rest);
    result =
        done(log, "move the WAL into the file", store_sql_checkpoint(log->db, SQLITE_CHECKPOINT_PASSIVE));
    store_gather_spare(log->file_calls, NULL);
    store_mover_restart(log->mover);
    log->frames = 0;
    log->commits = 0;
    return result;
}

/* Most of it is moved beside the commits (mover.c), the rest when it is little. */
static bool keep_wal(struct store_log *log) {
    struct store_moved moved;
    struct store_frames next;
    int64_t left;

    if (wal_bytes(log) < (log->commits < WAL_COMMITS ? 4 * WAL_BYTES : WAL_BYTES) ||
        !store_mover_state(log->mover, false, &moved))
        return true;
    if (!done(log, "move the WAL into the file", moved.result))
        return false;
    left = (int64_t)(log->frames - moved.frames) * log->page_bytes;
    if (left <= REST_BYTES || (moved.frames > 0 && moved.frames >= log->frames_before) ||
        !store_gather_frames(log->wal_calls, moved.frames, log->frames, &next))
        return move_wal(log);
    store_mover_ask(log->mover, &next);
    return true;
}

static bool run_transaction(struct store_log *log, struct worker_job *batch, uint64_t *commit_us) {
    uint64_t started;

    if (wal_bytes(log) >= WAL_BYTES_MAX && !move_wal(log))
        return false;
    if (!done(log, "begin", store_sql_run(log->statements[BEGIN])))
        return false;
    log->state.save++;
    if (!run_jobs(log, batch))
        return false;
    started = now_us();
    if (!done(log, "commit", store_sql_run(log->statements[COMMIT])))
        return false;
    *commit_us = now_us() - started;
    log->commits++;
    store_mark_write(&log->mark, log->incarnation, log->state.save);
    return true;
}

static void finish_batch(struct store_log *log, struct worker_job *batch, bool synced, uint64_t commit_us) {
    struct store_job *first = (struct store_job *)batch;
    uint64_t count = 0;

    for (; batch != NULL; batch = batch->next, count++) {
        struct store_job *job = (struct store_job *)batch;

        job->failed = log->failed;
        if (log->failed)
            memcpy(job->why, log->why, sizeof(job->why));
        job->log_bytes = log->log_bytes;
        job->first_index = log->last_index >= log->state.log_start ? log->state.log_start : 0;
        job->base_index = log->state.log_start - 1;
    }
    first->batch_jobs = count;
    first->batch_us = commit_us;
    first->batch_synced = synced;
}

void store_log_run(void *context, struct worker_job *batch) {
    struct store_log *log = context;
    uint64_t commit_us = 0;
    bool writes = batch_writes(batch);

    if (batch == NULL) {
        if (!log->failed)
            keep_wal(log);
        return;
    }
    errno = 0;
    if (!log->failed) {
        if (writes)
            run_transaction(log, batch, &commit_us);
        else
            run_jobs(log, batch);
        if (log->failed && !sqlite3_get_autocommit(log->db))
            store_sql_exec(log->db, "ROLLBACK"); /* writes nothing */
    }
    finish_batch(log, batch, writes && !log->failed, commit_us);
}

/* ---- opening, closing ------------------------------------------------------------------------------------ */

static int wal_grew(void *context, sqlite3 *db, const char *name, int frames) {
    struct store_log *log = context;

    (void)db;
    (void)name;
    log->frames_before = (uint32_t)frames > log->frames ? log->frames : 0;
    log->frames = (uint32_t)frames;
    return SQLITE_OK;
}

/* Entries are added at one end of the tree: more cache would only keep what nobody reads. */
static int open_database(struct store_log *log) {
    int64_t synchronous = 0;
    int result = store_sql_open_to_sweep(log->paths.db, SQLITE_OPEN_READWRITE, &log->db);

    if (result == SQLITE_OK)
        result = store_sql_exec(log->db, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; "
                                         "PRAGMA temp_store = MEMORY; PRAGMA secure_delete = OFF; "
                                         "PRAGMA cache_size = -1024; PRAGMA journal_size_limit = 16777216; "
                                         "PRAGMA trusted_schema = OFF");
    if (result == SQLITE_OK)
        result = store_sql_number(log->db, "PRAGMA synchronous", &synchronous);
    assert(result != SQLITE_OK || synchronous == 2);
    if (result == SQLITE_OK)
        result = store_sql_number(log->db, "PRAGMA page_size", &log->page_bytes);
    if (result == SQLITE_OK)
        result = store_sql_checkpoint(log->db, SQLITE_CHECKPOINT_TRUNCATE);
    if (result == SQLITE_OK)
        result = store_gather_open(log->db, log->paths.wal, &log->wal_calls, &log->file_calls);
    if (result == SQLITE_OK)
        result = store_mover_open(log->paths.db, &log->mover);
    if (result == SQLITE_OK) {
        store_file_reserve(log->paths.wal, WAL_BYTES_MAX);
        sqlite3_wal_hook(log->db, wal_grew, log);
    }
    for (int i = 0; i < STATEMENT_COUNT && result == SQLITE_OK; i++)
        result = sqlite3_prepare_v3(log->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &log->statements[i], NULL);
    if (result == SQLITE_OK)
        result = store_beginning_open(log->db, &log->beginning);
    return result;
}

/* Opens what has been checked. */
static enum store_result open_checked(struct store_log *log, struct store_found *found, char *why) {
    int result = store_file_renew(log->paths.wal, found->wal_length);

    if (result != SQLITE_OK) {
        store_sql_why(why, log->paths.wal, "make durable what it shows", NULL, result);
        log->failed = true; /* nothing is written */
        return STORE_IO;
    }
    result = open_database(log);
    if (result != SQLITE_OK) {
        store_sql_why(why, log->paths.db, "open", log->db, result);
        log->failed = true; /* nothing more is written */
        return STORE_IO;
    }
    result = store_mark_open(&log->mark, log->paths.mark);
    if (result != SQLITE_OK) {
        store_sql_why(why, log->paths.mark, "open", NULL, result);
        return STORE_IO;
    }
    log->state = found->state;
    log->state.save = found->save;
    log->last_index = found->last_index != 0 ? found->last_index : found->state.log_start - 1;
    log->last_term = found->term_count > 0 ? found->terms[found->term_count - 1].term : 0;
    log->log_bytes = found->log_bytes;
    log->terms = found->terms;
    found->terms = NULL;
    log->changes = found->changes;
    log->change_count = found->change_count;
    found->changes = NULL;
    found->change_count = 0;
    memcpy(log->incarnation, found->identity.incarnation, sizeof(log->incarnation));
    store_mark_write(&log->mark, log->incarnation, log->state.save);
    return STORE_OK;
}

static void fill_boot(struct store_boot *boot, const struct store_log *log, const struct store_found *found) {
    boot->identity = found->identity;
    boot->raft = (struct raft_boot){
        .term = found->state.term,
        .vote = found->state.vote,
        .base_index = found->state.log_start - 1,
        .base_term = found->state.base_term,
        .last_index = log->last_index,
        .terms = log->terms,
        .term_count = found->term_count,
        .changes = log->changes,
        .change_count = log->change_count,
    };
    boot->first_index = found->first_index;
    boot->base_index = found->state.log_start - 1;
    boot->base_term = found->state.base_term;
    boot->data = found->state.data;
    boot->leftovers = found->leftovers;
    boot->log_bytes = found->log_bytes;
}

static enum store_result open_log(struct store_log *log, raft_id node, const char *incarnation,
                                  struct store_boot *boot, char *why) {
    struct store_found found = {0};
    enum store_result result;
    int error = store_dir_make(log->paths.dir);

    if (error != 0)
        return store_refuse_io(why, log->paths.dir, "make the directory", error);
    log->lock = store_dir_lock(log->paths.dir, why);
    if (log->lock < 0)
        return STORE_IO;
    result = store_make(&log->paths, node, incarnation, &boot->created, why);
    if (result == STORE_OK)
        result = store_check_log(&log->paths, node, &found, why);
    if (result == STORE_OK)
        result = open_checked(log, &found, why);
    if (result == STORE_OK)
        fill_boot(boot, log, &found);
    store_found_close(&found);
    return result;
}

enum store_result store_log_open(const char *dir, raft_id node, const char *incarnation,
                                 struct store_log **log, struct store_boot *boot, char why[STORE_WHY_MAX]) {
    struct store_log *opened = calloc(1, sizeof(*opened));
    enum store_result result;

    assert(node != 0 && strlen(incarnation) <= STORE_ID_LENGTH);
    if (opened == NULL)
        abort();
    opened->lock = -1;
    store_paths_init(&opened->paths, dir);
    memset(boot, 0, sizeof(*boot));
    why[0] = '\0';
    result = open_log(opened, node, incarnation, boot, why);
    if (result != STORE_OK) {
        store_log_close(opened);
        opened = NULL;
    }
    *log = opened;
    assert((result == STORE_OK) == (why[0] == '\0'));
    return result;
}

bool store_log_thread(struct store_log *log) {
    return store_mover_thread(log->mover);
}

/* SQLite's closing moves the WAL into the file and removes it: not after a failure. */
void store_log_close(struct store_log *log) {
    struct store_moved moved = {.result = SQLITE_OK};

    if (log == NULL)
        return;
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(log->statements[i]);
    store_beginning_close(&log->beginning);
    store_mover_stop(log->mover);
    if (log->mover != NULL)
        store_mover_state(log->mover, true, &moved);
    if (log->db != NULL && (log->failed || moved.result != SQLITE_OK))
        sqlite3_db_config(log->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(log->db);
    store_gather_close(log->wal_calls);
    store_gather_close(log->file_calls);
    store_mover_close(log->mover);
    store_file_close(&log->mark);
    store_dir_unlock(log->lock);
    store_paths_close(&log->paths);
    free(log->terms);
    for (size_t i = 0; i < log->change_count; i++)
        raft_blob_unref(log->changes[i].list);
    free(log->changes);
    free(log);
}
