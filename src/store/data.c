/* SPDX-License-Identifier: MIT */
/*
 * A data file: checkpoints are written to it, and loaded from it.
 *
 *      store_data_run    PAGES  BEGIN unless one is open; rows deleted and written
 *                        COMMIT the row of meta; COMMIT, which syncs
 *                        ABORT  ROLLBACK
 *                        LOAD   the next rows, each with its checksum
 *      with no batch     the WAL is moved into the file
 *
 * FAILURE. A disk that is full or has failed once may be well later, so nothing ends here; but what SQLite and the system believe
 * after a failure is not to be built upon:
 *
 *      -wal:  header | 1 2 3c 4 5c | 6 7 8 9c
 *                        durable  ^ ^ of a checkpoint that failed, or was given up
 *
 * Frames behind the durable ones may look whole in the system's cache without being on the disk. Were the next checkpoint
 * appended to them, or its shorter end followed by them, a crash would leave a WAL that looks damaged, or is. So after every failure
 * the connection is closed (its cache with it) and the -wal is cut back to the frames whose commit has succeeded (to
 * nothing, if the failed one had begun it anew: what was in it had been moved, durably). That also gives a full disk its
 * space back. The next job opens the file again; if the cutting fails, so does the job, and the next tries again. A read
 * connection that is copying meanwhile never looks behind the last good commit.
 *
 * What a checkpoint may not do is to hold up the log on the same disk. So its pages leave the cache for the -wal as they come, and
 * whatever is written, to the -wal and later to the file, is written and synced in small pieces, at a rate that the loop sets (pace.c).
 *
 * SQLite's settings, and why. Figures: pages of 3,600 to 4,040 bytes, 300 MB, checkpoints of 1,000 pages changed at random.
 *
 *      rowid, page size 4096  a page of up to 4,050 bytes and its row fill one block: twice the change is written (once to the WAL,
 *                            once to the file). 8 and 16 KB blocks: 4.2 and 8.4 times. Without a rowid (keyed by
 *                            object and number) a row of that size spills into two blocks: 4.7 times, and reads are slower. Hence
 *                            one number as the key, object << 24 | page.
 *      rows of 3,000-5,000 bytes write 4.6 times the change: those above 4,050 take two blocks. Keep pages under it.
 *      cache 16 MB           while a checkpoint is written. With 8 MB of the 12 MB of inner nodes of a tree over 1,000,000 pages
 *                            random changes write 2.02 times the change; the rest is for new rows (../data/checkpoint.c).
 *      the WAL is moved      after the commit's job has been handed back, once it has 4 MB, and then cut off: a start reads all of it
 *                            several times and writes it again before it may be believed (wal.c). So it is at most as long as the
 *                            largest checkpoint, plus what is committed while a copy is being made (a reader pins it). What a start
 *                            finds of it is moved when all is loaded, for that is waited for.
 *      locking NORMAL        copies are read on a connection of their own.
 *      secure_delete off, no mmap: as in log.c.
 *
 * A start loads through the connection that looked the file through (data_file.c): it has read the -wal, and another would do so again. Nothing
 * is written through that one; it is closed when all is loaded, or when the first job that writes opens its own.
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
    WAL_FRAMES = 1024, /* from which on housekeeping moves the WAL: 4 MB */
    WAL_FRAME_BYTES = STORE_FRAME_HEADER_BYTES + STORE_PAGE_BYTES,
    BUSY_MS = 10000, /* a copy that begins or ends holds a lock for moments */
};

enum statement { PAGE_GET, PAGE_PUT, RANGE_GET, RANGE_DELETE, LOAD, STATEMENT_COUNT };

static const char *const statement_sql[STATEMENT_COUNT] = {
    [PAGE_GET] = "SELECT checksum, length(data) FROM pages WHERE id = ?",
    [PAGE_PUT] = "REPLACE INTO pages (id, checksum, data) VALUES (?, ?, ?)",
    [RANGE_GET] = ("SELECT count(*), coalesce(sum(length(data)), 0), coalesce(sum(checksum), 0) FROM pages "
                   "WHERE id BETWEEN ? AND ?"),
    [RANGE_DELETE] = "DELETE FROM pages WHERE id BETWEEN ? AND ?",
    [LOAD] = "SELECT id, checksum, data FROM pages WHERE id >= ? ORDER BY id",
};

/* What the pages add up to: see data_rows.c. */
struct totals {
    uint64_t pages, bytes, sum;
};

struct store_data {
    struct store_data_paths paths;
    char remedy[STORE_REMEDY_MAX];
    sqlite3 *db; /* NULL at first and after a failure, until the next job */
    sqlite3_stmt *statements[STATEMENT_COUNT];
    struct store_data_view view; /* for the load after a start; closed behind it, or once `db` is needed */
    sqlite3_stmt *view_load;

    bool open;               /* a checkpoint is under way */
    uint64_t checkpoint;     /* its number, or that of the last one */
    bool failed;             /* that one has failed ... */
    char why[STORE_WHY_MAX]; /* ... and why */
    struct totals committed, totals;
    struct store_pace pace;

    int durable_frames;                         /* in the -wal */
    int moved_frames;                           /* of them, in the file too */
    bool untidy;                                /* something may stand behind them */
    bool unmoved;                               /* moving them into the file has failed */
    atomic_bool moving;                         /* they are, or will be before the next job */
    uint8_t wal_header[STORE_WAL_HEADER_BYTES]; /* as the last good commit left it; zeros: there was none */

    bool unread;        /* it is to be loaded, and nothing was written since it was opened */
    uint64_t load_next; /* id of the next page to load */
    struct totals loaded;
};

static uint64_t now_us(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- the -wal -------------------------------------------------------------------------------------------- */

static void read_wal_header(const struct store_data *data, uint8_t header[STORE_WAL_HEADER_BYTES]) {
    struct store_file wal;

    memset(header, 0, STORE_WAL_HEADER_BYTES);
    if (store_file_open(&wal, data->paths.wal, SQLITE_OPEN_READONLY | SQLITE_OPEN_WAL) != SQLITE_OK)
        return;
    if (!store_file_read(&wal, header, STORE_WAL_HEADER_BYTES, 0))
        memset(header, 0, STORE_WAL_HEADER_BYTES);
    store_file_close(&wal);
}

/* Cuts off what stands behind the durable frames. With no connection of ours open. */
static int tidy(struct store_data *data) {
    uint8_t header[STORE_WAL_HEADER_BYTES];
    int64_t size = 0;
    struct store_file wal;
    int result;

    assert(data->db == NULL);
    if (!data->untidy || !store_file_exists(data->paths.wal))
        return SQLITE_OK;
    read_wal_header(data, header);
    if (memcmp(header, data->wal_header, sizeof(header)) == 0 && data->durable_frames > 0)
        size = STORE_WAL_HEADER_BYTES + (int64_t)data->durable_frames * WAL_FRAME_BYTES;
    else
        data->durable_frames = data->moved_frames = 0;
    result = store_file_open(&wal, data->paths.wal, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL);
    if (result != SQLITE_OK)
        return result;
    if (store_file_size(&wal) > size)
        result = store_file_cut(&wal, size);
    if (result == SQLITE_OK)
        result = store_file_sync(&wal);
    store_file_close(&wal);
    data->untidy = result != SQLITE_OK;
    return result;
}

static int wal_grew(void *context, sqlite3 *db, const char *name, int frames) {
    struct store_data *data = context;

    (void)db;
    (void)name;
    data->durable_frames = frames;
    return SQLITE_OK;
}

/* ---- the connection -------------------------------------------------------------------------------------- */

static int open_database(struct store_data *data) {
    int64_t synchronous = 0;
    int result = store_sql_open_to_sweep(data->paths.db, SQLITE_OPEN_READWRITE, &data->db);

    sqlite3_busy_timeout(data->db, BUSY_MS);
    if (result == SQLITE_OK)
        result = store_sql_exec(data->db, "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; "
                                          "PRAGMA secure_delete = OFF; PRAGMA cache_size = -16384; "
                                          "PRAGMA trusted_schema = OFF");
    if (result == SQLITE_OK)
        result = store_sql_number(data->db, "PRAGMA synchronous", &synchronous);
    assert(result != SQLITE_OK || synchronous == 2);
    if (result == SQLITE_OK)
        sqlite3_wal_hook(data->db, wal_grew, data);
    for (int i = 0; i < STATEMENT_COUNT && result == SQLITE_OK; i++)
        result = sqlite3_prepare_v3(data->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &data->statements[i], NULL);
    return result;
}

static int open_view(struct store_data *data) {
    return sqlite3_prepare_v2(data->view.db, statement_sql[LOAD], -1, &data->view_load, NULL);
}

static void drop_view(struct store_data *data) {
    sqlite3_finalize(data->view_load);
    sqlite3_close(data->view.db);
    data->view_load = NULL;
    data->view.db = NULL;
}

/* Closes without moving the WAL: what is open is rolled back by the next tidying. */
static void drop_database(struct store_data *data) {
    drop_view(data);
    for (int i = 0; i < STATEMENT_COUNT; i++) {
        sqlite3_finalize(data->statements[i]);
        data->statements[i] = NULL;
    }
    if (data->db != NULL) {
        sqlite3_db_config(data->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_close(data->db);
    }
    data->db = NULL;
    data->open = false;
    data->totals = data->committed;
}

/* Remembers what every later job of the same checkpoint is told. Returns false, to be returned. */
static bool fail(struct store_data *data, struct store_data_job *job, const char *doing, int result) {
    store_sql_why(job->why, data->paths.db, doing, data->db != NULL ? data->db : data->view.db, result);
    job->failed = true;
    drop_database(data);
    data->untidy = true;
    (void)tidy(data); /* at once, for the space; whether it worked is asked again by the next job */
    return false;
}

static bool done(struct store_data *data, struct store_data_job *job, const char *doing, int result) {
    return result == SQLITE_OK || fail(data, job, doing, result);
}

/* For the first time, or again after a failure. */
static int be_open(struct store_data *data) {
    int result;

    if (data->db != NULL)
        return SQLITE_OK;
    drop_view(data);
    result = tidy(data);
    return result == SQLITE_OK ? open_database(data) : result;
}

/* Not durable yet in the file when it fails, but still in the -wal: the next checkpoint tries again first, on a fresh connection,
 * and says so if it fails again; or the -wal would grow with each. A reader may hold some of it back. */
static int move_wal(struct store_data *data) {
    int moved, result = store_sql_move_wal(data->db, &data->pace, &moved);

    data->unmoved = result != SQLITE_OK;
    if (result == SQLITE_OK)
        data->moved_frames = moved;
    return result;
}

/* Of a WAL that has been moved whole. A reader keeps it, until the next one. */
static int cut_wal(struct store_data *data) {
    int result;

    sqlite3_busy_timeout(data->db, 0);
    store_pace_begin(&data->pace, data->db);
    result = store_sql_checkpoint(data->db, SQLITE_CHECKPOINT_TRUNCATE);
    store_pace_end(&data->pace);
    sqlite3_busy_timeout(data->db, BUSY_MS);
    if (result == SQLITE_OK) {
        data->durable_frames = data->moved_frames = 0;
        memset(data->wal_header, 0, sizeof(data->wal_header));
    }
    return (result & 0xff) == SQLITE_BUSY ? SQLITE_OK : result;
}

static bool is_house_to_keep(const struct store_data *data) {
    return !data->open && !data->unread && data->durable_frames >= WAL_FRAMES;
}

static int keep_house(struct store_data *data) {
    int result;

    if (!is_house_to_keep(data))
        return SQLITE_OK;
    result = be_open(data);
    if (result == SQLITE_OK && data->moved_frames < data->durable_frames)
        result = move_wal(data);
    if (result == SQLITE_OK && data->moved_frames == data->durable_frames)
        result = cut_wal(data);
    return result;
}

/* ---- checkpoints ----------------------------------------------------------------------------------------- */

static bool begin(struct store_data *data, struct store_data_job *job) {
    assert(job->checkpoint >= data->checkpoint && (!data->open || job->checkpoint == data->checkpoint));
    if (data->open)
        return true;
    assert(job->checkpoint > data->checkpoint);
    data->checkpoint = job->checkpoint;
    data->failed = false;
    data->unread = false;
    if (!done(data, job, "open it", be_open(data)))
        return false;
    if (data->unmoved && !done(data, job, "move the WAL into the file", move_wal(data)))
        return false;
    if (!done(data, job, "begin", store_sql_exec(data->db, "BEGIN IMMEDIATE")))
        return false;
    data->open = true;
    return true;
}

static int delete_range(struct store_data *data, const struct store_range *range) {
    sqlite3_stmt *get = data->statements[RANGE_GET], *delete = data->statements[RANGE_DELETE];
    uint64_t first = store_page_id(range->object, range->number);
    uint64_t last = store_page_id(range->last_object, range->last_number);
    int result;

    sqlite3_bind_int64(get, 1, (int64_t)first);
    sqlite3_bind_int64(get, 2, (int64_t)last);
    result = sqlite3_step(get);
    if (result == SQLITE_ROW) {
        data->totals.pages -= (uint64_t)sqlite3_column_int64(get, 0);
        data->totals.bytes -= (uint64_t)sqlite3_column_int64(get, 1);
        data->totals.sum -= (uint64_t)sqlite3_column_int64(get, 2);
    }
    sqlite3_reset(get);
    if (result != SQLITE_ROW)
        return result;
    sqlite3_bind_int64(delete, 1, (int64_t)first);
    sqlite3_bind_int64(delete, 2, (int64_t)last);
    return store_sql_run(delete);
}

/* Takes the row that a page is to replace out of the totals. */
static int forget_page(struct store_data *data, uint64_t id) {
    sqlite3_stmt *get = data->statements[PAGE_GET];
    int result;

    sqlite3_bind_int64(get, 1, (int64_t)id);
    result = sqlite3_step(get);
    if (result == SQLITE_ROW) {
        data->totals.pages--;
        data->totals.sum -= (uint64_t)sqlite3_column_int64(get, 0);
        data->totals.bytes -= (uint64_t)sqlite3_column_int64(get, 1);
    }
    sqlite3_reset(get);
    return result == SQLITE_ROW || result == SQLITE_DONE ? SQLITE_OK : result;
}

static int put_page(struct store_data *data, const struct store_page *page, const uint8_t *bytes) {
    sqlite3_stmt *put = data->statements[PAGE_PUT];
    uint64_t id = store_page_id(page->object, page->number);
    uint32_t checksum = store_page_checksum(id, bytes, page->length);
    int result = forget_page(data, id);

    assert(page->length <= STORE_PAGE_MAX);
    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_int64(put, 1, (int64_t)id);
    sqlite3_bind_int64(put, 2, checksum);
    if (page->length == 0)
        sqlite3_bind_zeroblob(put, 3, 0);
    else
        sqlite3_bind_blob(put, 3, bytes, (int)page->length, SQLITE_STATIC);
    result = store_sql_run(put);
    sqlite3_bind_null(put, 3); /* the bytes are the job's */
    data->totals.pages++;
    data->totals.bytes += page->length;
    data->totals.sum += checksum;
    return result;
}

static bool run_pages(struct store_data *data, struct store_data_job *job) {
    const uint8_t *bytes = job->pages.bytes.at;
    int result = SQLITE_OK;

    if (!begin(data, job))
        return false;
    store_pace_begin(&data->pace, data->db);
    for (size_t i = 0; i < job->delete_count && result == SQLITE_OK; i++)
        result = delete_range(data, &job->deletes[i]);
    for (size_t i = 0; i < job->pages.count && result == SQLITE_OK; i++)
        result = put_page(data, &job->pages.at[i], bytes != NULL ? bytes + job->pages.at[i].offset : NULL);
    store_pace_end(&data->pace);
    return done(data, job, "write pages", result);
}

static bool run_commit(struct store_data *data, struct store_data_job *job) {
    int result;

    assert(job->meta != NULL);
    if (!begin(data, job))
        return false;
    job->meta->pages = data->totals.pages;
    job->meta->bytes = data->totals.bytes;
    job->meta->sum = data->totals.sum;
    store_pace_begin(&data->pace, data->db);
    result = store_meta_put(data->db, job->meta);
    if (result == SQLITE_OK)
        result = store_sql_exec(data->db, "COMMIT");
    store_pace_end(&data->pace);
    if (!done(data, job, "commit", result))
        return false;
    data->open = false;
    data->committed = data->totals;
    data->moved_frames = 0;
    read_wal_header(data, data->wal_header);
    (void)sqlite3_db_release_memory(data->db); /* the next checkpoint is far, and its pages are others */
    return true;
}

static bool run_abort(struct store_data *data, struct store_data_job *job) {
    assert(!data->open || job->checkpoint == data->checkpoint);
    data->failed = false;
    if (!data->open)
        return true;
    drop_database(data);
    data->untidy = true;
    (void)tidy(data);
    return true;
}

/* ---- loading --------------------------------------------------------------------------------------------- */

static bool damaged(struct store_data *data, struct store_data_job *job, const char *what, uint64_t id) {
    snprintf(job->why, STORE_WHY_MAX,
             "%s: %s (page %" PRIu64 " of object %" PRIu64 "); nothing was changed. %s", data->paths.db, what,
             id & ((1u << STORE_NUMBER_BITS) - 1), id >> STORE_NUMBER_BITS, data->remedy);
    job->failed = job->damaged = true;
    return false;
}

/* The rows of one slice. *result: of the last step. */
static bool load_rows(struct store_data *data, struct store_data_job *job, sqlite3_stmt *get,
                      struct totals *totals, int *result) {
    struct store_page_row page = {.id = data->load_next};

    while ((*result = sqlite3_step(get)) == SQLITE_ROW) {
        if (!store_page_get(get, &page))
            return damaged(data, job, "checksum differs", page.id);
        if (job->pages.count > 0 && job->pages.bytes.length + page.length > job->bytes_max)
            break;
        store_pages_add(&job->pages, page.id >> STORE_NUMBER_BITS,
                        (uint32_t)(page.id & ((1u << STORE_NUMBER_BITS) - 1)), page.data, page.length);
        totals->pages++;
        totals->bytes += page.length;
        totals->sum += page.checksum;
        data->load_next = page.id + 1;
    }
    if ((*result & 0xff) == SQLITE_CORRUPT)
        return damaged(data, job, "the file is damaged behind it", page.id);
    return true;
}

static bool run_load(struct store_data *data, struct store_data_job *job) {
    struct totals totals;
    sqlite3_stmt *get;
    uint64_t next;
    bool sound;
    int result;

    assert(!data->open && job->pages.count == 0);
    if (data->view.db == NULL && !done(data, job, "open it", be_open(data)))
        return false;
    if (job->rewind) {
        data->load_next = 0;
        data->loaded = (struct totals){0};
    }
    totals = data->loaded;
    next = data->load_next;
    get = data->view.db != NULL ? data->view_load : data->statements[LOAD];
    sqlite3_bind_int64(get, 1, (int64_t)next);
    errno = 0;
    sound = load_rows(data, job, get, &totals, &result);
    sqlite3_reset(get);
    job->more = result == SQLITE_ROW;
    if (sound && result == SQLITE_DONE && memcmp(&totals, &data->committed, sizeof(totals)) != 0)
        sound = damaged(data, job, "pages are missing, too many, or old: their sum differs", data->load_next);
    if (sound && (result == SQLITE_ROW || result == SQLITE_DONE)) {
        data->loaded = totals;
        data->unread = data->unread && job->more;
        if (!job->more)
            drop_view(data);
        return true;
    }
    data->load_next = next;
    store_pages_close(&job->pages);
    return sound ? fail(data, job, "read pages", result) : false;
}

/* ---- batches --------------------------------------------------------------------------------------------- */

static bool (*const runs[])(struct store_data *data, struct store_data_job *job) = {
    [STORE_DATA_PAGES] = run_pages,
    [STORE_DATA_COMMIT] = run_commit,
    [STORE_DATA_ABORT] = run_abort,
    [STORE_DATA_LOAD] = run_load,
};

static bool of_checkpoint(const struct store_data_job *job) {
    return job->type == STORE_DATA_PAGES || job->type == STORE_DATA_COMMIT;
}

static uint64_t file_bytes(struct store_data *data) {
    static const int which[] = {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER};
    uint64_t bytes = 0;

    for (size_t i = 0; i < sizeof(which) / sizeof(which[0]) && data->db != NULL; i++) {
        sqlite3_file *file = NULL;
        sqlite3_int64 size = 0;

        if (sqlite3_file_control(data->db, "main", which[i], &file) == SQLITE_OK && file != NULL &&
            file->pMethods != NULL && file->pMethods->xFileSize(file, &size) == SQLITE_OK)
            bytes += (uint64_t)size;
    }
    return bytes;
}

static void run_job(struct store_data *data, struct store_data_job *job) {
    uint64_t started = now_us();

    if (of_checkpoint(job) && data->failed && job->checkpoint == data->checkpoint) {
        job->failed = true;
        memcpy(job->why, data->why, sizeof(job->why));
    } else if (!runs[job->type](data, job) && of_checkpoint(job)) {
        data->failed = true;
        memcpy(data->why, job->why, sizeof(data->why));
    }
    job->us = now_us() - started;
    job->file_bytes = file_bytes(data);
    assert(job->failed == (job->why[0] != '\0'));
}

void store_data_set_rate(struct store_data *data, uint64_t bytes_per_s) {
    atomic_store(&data->pace.rate, bytes_per_s);
}

bool store_data_is_moving(const struct store_data *data) {
    return atomic_load(&data->moving);
}

void store_data_run(void *context, struct worker_job *batch) {
    struct store_data *data = context;
    bool house = batch == NULL;

    if (house && keep_house(data) != SQLITE_OK) {
        drop_database(data);
        data->untidy = true;
    }
    for (; batch != NULL; batch = batch->next)
        run_job(data, (struct store_data_job *)batch);
    atomic_store(&data->moving, !house && is_house_to_keep(data));
}

/* ---- opening, closing ------------------------------------------------------------------------------------ */

struct store_data_wants store_data_wants(const struct store_boot *boot) {
    struct store_data_wants wants = {
        .node = boot->identity.node,
        .generation = boot->data,
        .base_index = boot->base_index,
        .base_term = boot->base_term,
        .last_index = boot->raft.last_index,
    };

    memcpy(wants.cluster, boot->identity.cluster, sizeof(wants.cluster));
    memcpy(wants.incarnation, boot->identity.incarnation, sizeof(wants.incarnation));
    return wants;
}

struct store_data_wants store_data_wants_next(const struct store_data_wants *wants, uint64_t generation,
                                              const struct store_meta *meta, raft_index last_index) {
    struct store_data_wants next = *wants;

    assert(generation > wants->generation && last_index >= meta->applied);
    next.generation = generation;
    next.base_index = meta->applied;
    next.base_term = meta->applied_term;
    next.last_index = last_index;
    memcpy(next.cluster, meta->cluster, sizeof(next.cluster));
    return next;
}

static enum store_result refuse(const struct store_data *data, char *why, const char *what) {
    snprintf(why, STORE_WHY_MAX, "%s%s; nothing was changed. %s", data->paths.db, what, data->remedy);
    return STORE_DAMAGED;
}

/* A state can be made anew only of a log that is all there. A -wal without its file would be taken for the new one's. */
static enum store_result make_if_new(struct store_data *data, const struct store_data_wants *wants,
                                     char *why) {
    struct store_meta meta = {0};

    if (store_file_exists(data->paths.db))
        return STORE_OK;
    if (wants->base_index > 0 || wants->generation != STORE_DATA_FIRST)
        return refuse(data, why, " is gone, and the log does not hold what was in it");
    if (store_file_exists(data->paths.wal))
        return refuse(data, why, " is gone, but its -wal is there");
    memcpy(meta.cluster, wants->cluster, sizeof(meta.cluster));
    memcpy(meta.incarnation, wants->incarnation, sizeof(meta.incarnation));
    return store_data_make(&data->paths, &meta, why);
}

/* The state and the log must meet. */
static enum store_result check_fit(const struct store_data *data, const struct store_data_wants *wants,
                                   const struct store_meta *meta, char *why) {
    char what[256];

    if (meta->applied < wants->base_index)
        snprintf(what, sizeof(what),
                 " holds the state through entry %" PRIu64 ", but the log begins after entry %" PRIu64
                 ": it lost its end, or was put back from an older copy",
                 meta->applied, wants->base_index);
    else if (meta->applied > wants->last_index)
        snprintf(what, sizeof(what),
                 " holds the state through entry %" PRIu64 ", but the log ends with entry %" PRIu64
                 ": raft.db lost its end, or was put back from an older copy",
                 meta->applied, wants->last_index);
    else if (meta->applied == wants->base_index && meta->applied_term != wants->base_term)
        snprintf(what, sizeof(what),
                 " holds the state through entry %" PRIu64 " of term %" PRIu64
                 ", but in the log it is of term %" PRIu64,
                 meta->applied, meta->applied_term, wants->base_term);
    else
        return STORE_OK;
    return refuse(data, why, what);
}

static enum store_result open_checked(struct store_data *data, const struct store_meta *meta, char *why) {
    int64_t wal_length = data->view.wal_length;
    int result = store_file_renew(data->paths.wal, wal_length);

    if (result != SQLITE_OK) {
        store_sql_why(why, data->paths.wal, "make durable what it shows", NULL, result);
        return STORE_IO;
    }
    result = open_view(data);
    if (result != SQLITE_OK) {
        store_sql_why(why, data->paths.db, "open", data->view.db, result);
        return STORE_IO;
    }
    data->committed = (struct totals){meta->pages, meta->bytes, meta->sum};
    data->totals = data->committed;
    if (wal_length > 0)
        data->durable_frames = (int)((wal_length - STORE_WAL_HEADER_BYTES) / WAL_FRAME_BYTES);
    read_wal_header(data, data->wal_header);
    data->unread = true;
    return STORE_OK;
}

enum store_result store_data_open(const char *dir, const struct store_data_wants *wants,
                                  struct store_data **opened, struct store_meta **meta,
                                  char why[STORE_WHY_MAX]) {
    struct store_data *data = calloc(1, sizeof(*data));
    struct store_data_check asked = {.cluster = wants->cluster, .level_max = wants->level_max};
    enum store_result result;

    if (data == NULL)
        abort();
    store_data_paths_init_generation(&data->paths, dir, wants->generation);
    store_remedy(data->remedy, dir, wants->node);
    asked.remedy = data->remedy;
    why[0] = '\0';
    *meta = NULL;
    *opened = NULL;
    result = make_if_new(data, wants, why);
    if (result == STORE_OK)
        result = store_data_check(&data->paths, &asked, meta, &data->view, why);
    if (result == STORE_OK)
        result = check_fit(data, wants, *meta, why);
    if (result == STORE_OK)
        result = open_checked(data, *meta, why);
    assert((result == STORE_OK) == (why[0] == '\0'));
    if (result == STORE_OK) {
        *opened = data;
        return STORE_OK;
    }
    drop_database(data);
    store_data_close(data);
    store_meta_free(*meta);
    *meta = NULL;
    return result;
}

enum store_result store_data_move(struct store_data *data, char why[STORE_WHY_MAX]) {
    int result = be_open(data);

    if (result == SQLITE_OK)
        result = store_sql_checkpoint(data->db, SQLITE_CHECKPOINT_PASSIVE);
    if (result == SQLITE_OK)
        return STORE_OK;
    store_sql_why(why, data->paths.db, "move the WAL into the file", data->db, result);
    return STORE_IO;
}

/* SQLite's closing moves the WAL into the file and removes it: not after a failure, nor with a checkpoint open. */
void store_data_close(struct store_data *data) {
    if (data == NULL)
        return;
    drop_view(data);
    if (data->open) {
        drop_database(data);
        data->untidy = true;
    }
    if (data->db == NULL)
        (void)tidy(data);
    for (int i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(data->statements[i]);
    sqlite3_close(data->db);
    store_data_paths_close(&data->paths);
    free(data);
}
