/* SPDX-License-Identifier: MIT */
/*
 * The log, and with it what a Raft node must never forget, on the disk.
 *
 *      store_log_open    lock the directory -> make raft.db if there is none -> one of an older format becomes segments (upgrade.c)
 *                        -> check them (check_log.c) -> open the last one
 *      store_log_run     BEGIN, the batch's jobs in order, COMMIT: one fsync
 *
 * All of a batch is one transaction in the last segment (ring.c): votes, entries, the identity, where the log begins. So the first
 * transaction of a new segment repeats identity and state, and the newest segment alone says them; of the older ones only the log's rows
 * count, those with indexes before `old_end` of the state (and `old_save` says with which transaction they ended). A log that loses its end moves that number, a log that loses its beginning
 * moves `log_start`, and no older segment is touched:
 *
 *      | 100 - 199 | 200 - 260 |      | 255' - 270'      old_end 255: of 200 - 260 the last six do not count
 *        gone        ^ log_start
 *
 * The first failure is the last thing that this log does: after a failed fsync the system may call the lost pages clean,
 * and what is read back then is not what the disk holds. So nothing is written after it, not even at the closing, and every
 * later batch fails at once.
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct store_log {
    struct store_paths paths;
    int lock; /* of the directory; -1: not taken */
    struct store_ring ring;
    struct store_file mark;
    struct store_identity identity;  /* as the last segment says it */
    struct store_terms boot_terms;   /* as found at the opening; lent to store_boot */
    struct raft_members_at *changes; /* the same */
    size_t change_count;

    struct store_state state; /* state.save: of the last transaction; while one runs, its own */
    raft_index last_index;    /* state.log_start - 1: the log is empty */
    struct store_terms terms; /* of the entries from log_start on */
    uint64_t log_bytes;       /* the same */
    uint64_t wal_bytes;       /* written to WALs since the opening */

    bool failed; /* for ever */
    char why[STORE_WHY_MAX];
};

static struct store_segment *last_of(const struct store_log *log) {
    return store_ring_last(&log->ring);
}

/* Remembers the first failure, which ends all writing. Returns false, to be returned. */
static bool fail(struct store_log *log, const struct store_segment *segment, const char *doing, int result) {
    assert(!log->failed);
    store_sql_why(log->why, segment->paths.db, doing, segment->db, result);
    log->failed = true;
    return false;
}

static bool done(struct store_log *log, const char *doing, int result) {
    return result == SQLITE_OK || fail(log, last_of(log), doing, result);
}

/* ---- batches --------------------------------------------------------------------------------------------- */

static bool save_state(struct store_log *log, const char *doing) {
    return done(
        log, doing,
        store_state_put(last_of(log)->statements[STORE_STATE_PUT], &log->state, log->identity.incarnation));
}

/* Deletes everything from `index` on. */
static bool cut_log(struct store_log *log, raft_index index) {
    uint64_t bytes = store_ring_sum(&log->ring, index, log->last_index + 1);
    sqlite3_stmt *cut = store_segment_with(last_of(log), STORE_CUT, index * STORE_PARTS_MAX);

    if (!done(log, "delete overwritten entries", store_sql_run(cut)))
        return false;
    assert(bytes <= log->log_bytes);
    log->log_bytes -= bytes;
    log->last_index = index - 1;
    store_terms_cut(&log->terms, index);
    if (!store_ring_cut(&log->ring, index))
        return true;
    log->state.old_end = index;
    log->state.old_save = store_ring_old_save(&log->ring);
    store_ring_release(&log->ring, log->state.log_start);
    return save_state(log, "write where older segments end");
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
    assert(entry->term >= store_terms_last(&log->terms) && entry->term <= log->state.term);
    assert(entry->term >= log->state.base_term);
    assert(part.bytes <= STORE_ENTRY_BYTES_MAX);
    for (; part.part < store_part_count(part.bytes); part.part++) {
        part.length = store_part_length(part.bytes, part.part);
        part.data = part.length > 0 ? entry->data->bytes + (size_t)part.part * STORE_ROW_BYTES_MAX : NULL;
        if (!done(log, "write an entry", store_part_put(last_of(log)->statements[STORE_PART_PUT], &part)))
            return false;
    }
    store_terms_add(&log->terms, entry->term, entry->index);
    store_segment_add(last_of(log), entry->index, part.bytes);
    log->last_index = entry->index;
    log->log_bytes += part.bytes;
    return true;
}

static bool save_vote(struct store_log *log, const struct raft_vote *vote) {
    assert(vote->term >= log->state.term);
    log->state.term = vote->term;
    log->state.vote = vote->vote;
    return save_state(log, "write term and vote");
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

/* The state's checksum has the incarnation in it. */
static bool save_identity(struct store_log *log, const char *doing) {
    return done(log, doing, store_identity_put(last_of(log)->db, &log->identity, log->state.save)) &&
           save_state(log, doing);
}

static bool run_identity(struct store_log *log, struct store_job *job) {
    log->identity = *job->identity;
    return save_identity(log, "write the identity");
}

/* ---- the log's beginning --------------------------------------------------------------------------------- */

/* state.log_start has moved: what is before it does not count any more. */
static bool save_beginning(struct store_log *log) {
    if (log->last_index < log->state.log_start) {
        log->last_index = log->state.log_start - 1;
        store_terms_cut(&log->terms, 0);
    }
    store_terms_begin(&log->terms, log->state.log_start);
    store_ring_release(&log->ring, log->state.log_start);
    return save_state(log, "write the log's beginning");
}

static bool run_compact(struct store_log *log, struct store_job *job) {
    raft_index through = job->through < log->last_index ? job->through : log->last_index;

    if (through >= log->state.log_start) {
        log->log_bytes -= store_ring_sum(&log->ring, log->state.log_start, through + 1);
        log->state.base_term = store_terms_find(&log->terms, through);
        log->state.log_start = through + 1;
    }
    return save_beginning(log); /* a transaction writes its number, whatever it does */
}

static bool holds_entry(const struct store_log *log, raft_index index, raft_term term) {
    if (index < log->state.log_start)
        return log->state.base_term == term;
    return index <= log->last_index && store_terms_find(&log->terms, index) == term;
}

static bool run_reset(struct store_log *log, struct store_job *job) {
    raft_index index = job->reset.index;

    assert(index + 1 >= log->state.log_start && job->reset.term <= log->state.term && job->reset.data != 0);
    job->kept = index <= log->last_index && holds_entry(log, index, job->reset.term);
    if (!job->kept && log->last_index > index && !cut_log(log, index + 1))
        return false;
    if (!job->kept) {
        log->last_index = index;
        store_segment_begin(last_of(log), index + 1);
    }
    log->log_bytes = job->kept ? store_ring_sum(&log->ring, index + 1, log->last_index + 1) : 0;
    log->state.log_start = index + 1;
    log->state.base_term = job->reset.term;
    log->state.data = job->reset.data;
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

static bool row_is_bad(struct store_log *log, const struct store_segment *segment,
                       const struct store_part *part) {
    snprintf(log->why, sizeof(log->why),
             "%s: row %" PRIu64 " of the log (entry %" PRIu64 "): what was written is not what is read",
             segment->paths.db, part->index * STORE_PARTS_MAX + part->part, part->index);
    log->failed = true;
    return false;
}

/* Where the reading back is. */
struct reading {
    struct store_part expected; /* its index and part */
    struct raft_entry *entry;
    size_t bytes; /* of all entries so far */
    bool full;    /* no more fit */
};

/* The rows of one segment, of which the first is at hand when *result says so, as entries. */
static bool read_rows(struct store_log *log, const struct store_segment *segment, struct store_job *job,
                      struct reading *reading, int *result) {
    sqlite3_stmt *get = segment->statements[STORE_PARTS_GET];
    struct store_part part, *expected = &reading->expected;

    for (; *result == SQLITE_ROW; *result = sqlite3_step(get)) {
        if (!store_part_get(get, &part) || part.index != expected->index || part.part != expected->part)
            return row_is_bad(log, segment, &part);
        if (part.part == 0) {
            reading->full = reading->entry != NULL && reading->bytes + part.bytes > job->fetch.bytes_max;
            if (reading->full)
                return true;
            reading->entry = add_entry(&job->entries, &part);
            reading->bytes += part.bytes;
        }
        assert(reading->entry != NULL);
        if (part.length > 0)
            memcpy(reading->entry->data->bytes + (size_t)part.part * STORE_ROW_BYTES_MAX, part.data,
                   part.length);
        expected->part = part.part + 1;
        if (expected->part == store_part_count(part.bytes))
            *expected = (struct store_part){.index = part.index + 1};
    }
    return true;
}

static bool read_segment(struct store_log *log, struct store_segment *segment, struct store_job *job,
                         struct reading *reading, raft_index to) {
    raft_index end = to < segment->end ? to + 1 : segment->end;
    sqlite3_stmt *get =
        store_segment_with(segment, STORE_PARTS_GET, reading->expected.index * STORE_PARTS_MAX);
    int result;
    bool sound;

    sqlite3_bind_int64(get, 2, (int64_t)(end * STORE_PARTS_MAX - 1));
    result = sqlite3_step(get);
    sound = read_rows(log, segment, job, reading, &result);
    if (sound && result != SQLITE_ROW && result != SQLITE_DONE)
        sound = fail(log, segment, "read entries", result);
    sqlite3_reset(get);
    if (sound && !reading->full && (reading->expected.index != end || reading->expected.part != 0))
        return row_is_bad(log, segment, &reading->expected);
    return sound;
}

static bool run_read(struct store_log *log, struct store_job *job) {
    raft_index from = job->fetch.from, to = job->fetch.to < log->last_index ? job->fetch.to : log->last_index;
    struct reading reading = {.expected = {.index = from}};

    assert(job->entries.at == NULL);
    if (from < log->state.log_start || from > to)
        return true; /* none is there */
    for (size_t i = 0; i < log->ring.count && !reading.full && reading.expected.index <= to; i++)
        if (reading.expected.index < log->ring.at[i]->end &&
            reading.expected.index >= log->ring.at[i]->first &&
            !read_segment(log, log->ring.at[i], job, &reading, to))
            return false;
    assert(job->entries.count > 0);
    return true;
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

/* The first transaction of a segment says who this is and where the log stands. */
static bool begin_segment(struct store_log *log) {
    struct store_segment *last = last_of(log);

    if (last->begun)
        return true;
    last->begun = true;
    log->state.old_end = last->first;
    log->state.old_save = store_ring_old_save(&log->ring);
    /* One that was made of an older raft.db may have rows in its file. */
    return done(log, "begin a segment", store_sql_run(store_segment_with(last, STORE_CUT, 0))) &&
           save_identity(log, "begin a segment");
}

static bool run_transaction(struct store_log *log, struct worker_job *batch, uint64_t *commit_us) {
    struct store_segment *last;
    int64_t wal_bytes;
    uint64_t started;

    if (!done(log, "go on to the next segment", store_ring_turn(&log->ring, log->last_index + 1)))
        return false;
    last = last_of(log);
    wal_bytes = store_segment_wal_bytes(last);
    if (!done(log, "begin", store_sql_run(last->statements[STORE_BEGIN])))
        return false;
    log->state.save++;
    if (!begin_segment(log) || !run_jobs(log, batch))
        return false;
    started = now_us();
    if (!done(log, "commit", store_sql_run(last->statements[STORE_COMMIT])))
        return false;
    *commit_us = now_us() - started;
    last->save = log->state.save;
    log->wal_bytes += (uint64_t)(store_segment_wal_bytes(last) - wal_bytes);
    store_mark_write(&log->mark, log->identity.incarnation, log->state.save);
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
        job->wal_bytes = log->wal_bytes;
        job->first_index = log->last_index >= log->state.log_start ? log->state.log_start : 0;
        job->base_index = log->state.log_start - 1;
    }
    if (!log->failed && log->ring.why[0] != '\0') {
        memcpy(first->why, log->ring.why, sizeof(first->why));
        log->ring.why[0] = '\0';
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
            store_ring_keep(&log->ring);
        return;
    }
    errno = 0;
    if (!log->failed) {
        if (writes)
            run_transaction(log, batch, &commit_us);
        else
            run_jobs(log, batch);
        if (log->failed && !sqlite3_get_autocommit(last_of(log)->db))
            store_sql_exec(last_of(log)->db, "ROLLBACK"); /* writes nothing */
    }
    finish_batch(log, batch, writes && !log->failed, commit_us);
}

/* ---- opening, closing ------------------------------------------------------------------------------------ */

/* The newest is written again, the others are read; what is empty, or counts no more, is free. */
static int take_segments(struct store_log *log, struct store_found *found) {
    int result = SQLITE_OK;

    for (size_t i = 0; i < found->segment_count; i++) {
        struct store_segment *segment = found->segments[i].segment;
        bool newest = i + 1 == found->segment_count;

        found->segments[i].segment = NULL;
        segment->save = found->segments[i].save;
        if (!newest && segment->first == segment->end) {
            store_ring_add_free(&log->ring, segment->slot);
            store_segment_close(segment);
            continue;
        }
        segment->begun = true;
        store_ring_add(&log->ring, segment);
        if (newest && result == SQLITE_OK) {
            sqlite3_close(segment->db);
            segment->db = NULL;
            result = store_segment_open(segment);
        } else if (result == SQLITE_OK) {
            result = store_segment_view(segment, segment->db);
        }
    }
    return result;
}

/* Opens what has been checked. */
static enum store_result open_checked(struct store_log *log, struct store_found *found, char *why) {
    const struct store_found_segment *newest = &found->segments[found->segment_count - 1];
    int result = store_file_renew(newest->segment->paths.wal, newest->wal_length);

    if (result != SQLITE_OK) {
        store_sql_why(why, newest->segment->paths.wal, "make durable what it shows", NULL, result);
        return STORE_IO;
    }
    result = take_segments(log, found);
    if (result != SQLITE_OK) {
        store_sql_why(why, last_of(log)->paths.db, "open", last_of(log)->db, result);
        return STORE_IO;
    }
    result = store_mark_open(&log->mark, log->paths.mark);
    if (result != SQLITE_OK) {
        store_sql_why(why, log->paths.mark, "open", NULL, result);
        return STORE_IO;
    }
    log->identity = found->identity;
    log->state = found->state;
    log->state.save = found->save;
    log->last_index = found->last_index != 0 ? found->last_index : found->state.log_start - 1;
    log->log_bytes = found->log_bytes;
    log->boot_terms = found->terms;
    found->terms = (struct store_terms){0};
    log->terms = store_terms_copy(&log->boot_terms);
    log->changes = found->changes;
    log->change_count = found->change_count;
    found->changes = NULL;
    found->change_count = 0;
    store_mark_write(&log->mark, log->identity.incarnation, log->state.save);
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
        .terms = log->boot_terms.at,
        .term_count = log->boot_terms.count,
        .changes = log->changes,
        .change_count = log->change_count,
    };
    boot->first_index = found->first_index;
    boot->base_index = found->state.log_start - 1;
    boot->base_term = found->state.base_term;
    boot->data = found->state.data;
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
        result = store_upgrade(&log->paths, node, why);
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
    store_ring_open(&opened->ring, dir);
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
    return store_ring_thread(&log->ring);
}

void store_log_segments(struct store_log *log, uint64_t bytes) {
    log->ring.bytes = (int64_t)bytes;
    store_file_reserve(last_of(log)->paths.wal, log->ring.bytes);
}

void store_log_close(struct store_log *log) {
    if (log == NULL)
        return;
    store_ring_close(&log->ring);
    store_file_close(&log->mark);
    store_dir_unlock(log->lock);
    store_paths_close(&log->paths);
    store_terms_free(&log->boot_terms);
    store_terms_free(&log->terms);
    for (size_t i = 0; i < log->change_count; i++)
        raft_blob_unref(log->changes[i].list);
    free(log->changes);
    free(log);
}
