/* SPDX-License-Identifier: MIT */
/*
 * Snapshots and backups: consistent copies of a data file, made while it is written to.
 *
 *      VACUUM INTO x.tmp    on a read connection of its own: it sees the last commit at its beginning, and the writer goes on
 *      the header           a snapshot is marked as a database in WAL mode: its bytes are those that will be installed
 *      sync, verify         every page's checksum, and what they add up to; the file's own CRC
 *      rename, sync         it has its name or it is not there
 *
 * SQLite's backup API would begin again whenever another connection writes. A reader pins the WAL: what is committed meanwhile stays in
 * it, and is moved into the file at the first commit after the copy. The copy is synced while it grows, so that the log on the same disk
 * never waits behind all of it: a backup, for which nobody waits, in pieces and at the rate of a checkpoint (pace.c); a snapshot every 8 MB.
 */
#define _GNU_SOURCE /* asprintf */
#include "internal.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SUM_BYTES = 256 * 1024, PROGRESS_STEPS = 400, BUSY_MS = 10000 };

static uint64_t now_us(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool store_copy_fail(struct store_copy_job *job, const char *path, const char *doing, int result) {
    if (job->why[0] == '\0')
        store_sql_why(job->why, path, doing, NULL, result);
    job->failed = true;
    return false;
}

/* ---- files ----------------------------------------------------------------------------------------------- */

bool store_file_sum(const char *path, uint32_t *crc, uint64_t *size) {
    uint8_t *bytes = malloc(SUM_BYTES);
    struct store_file file;
    int64_t length = -1, at = 0;

    if (bytes == NULL)
        abort();
    *crc = 0;
    if (store_file_open(&file, path, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB) == SQLITE_OK) {
        length = store_file_size(&file);
        while (at < length) {
            size_t part = length - at < SUM_BYTES ? (size_t)(length - at) : SUM_BYTES;

            if (!store_file_read(&file, bytes, part, at))
                break;
            *crc = store_crc32c(*crc, bytes, part);
            at += (int64_t)part;
        }
        store_file_close(&file);
    }
    free(bytes);
    *size = (uint64_t)at;
    return at == length;
}

int store_file_seal(const char *path, uint8_t mode) {
    uint8_t modes[2] = {mode, mode}; /* to write, to read: bytes 18 and 19 */
    struct store_file file;
    int result = store_file_open(&file, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_MAIN_DB);

    if (result != SQLITE_OK)
        return result;
    result = store_file_write(&file, modes, sizeof(modes), 18);
    if (result == SQLITE_OK)
        result = store_file_sync(&file);
    store_file_close(&file);
    return result;
}

/* ---- copying --------------------------------------------------------------------------------------------- */

/* The copy as it grows. */
struct growth {
    struct store_copy *copy;
    const char *path;
    struct store_file file;
    int64_t synced;
};

/* Called by SQLite every some hundred rows. A sync that fails here shows in the one at the end too. */
static int grew(void *context) {
    struct growth *growth = context;
    struct store_pace *pace = &growth->copy->pace;
    int64_t size, grown;

    if (atomic_load(&growth->copy->given_up))
        return 1;
    if (growth->file.file == NULL &&
        store_file_open(&growth->file, growth->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_SUPER_JOURNAL) !=
            SQLITE_OK)
        return 0;
    size = store_file_size(&growth->file);
    grown = size - growth->synced;
    if (grown < (atomic_load(&pace->rate) > 0 ? STORE_PIECE_BYTES : STORE_COPY_SYNC_BYTES))
        return 0;
    growth->synced = size;
    if (store_file_sync(&growth->file) != SQLITE_OK)
        return 1;
    store_pace_rest(pace, (uint64_t)grown);
    return 0;
}

static int vacuum_into(sqlite3 *db, const char *path) {
    sqlite3_stmt *vacuum;
    int result = sqlite3_prepare_v2(db, "VACUUM INTO ?", -1, &vacuum, NULL);

    if (result != SQLITE_OK)
        return result;
    sqlite3_bind_text(vacuum, 1, path, -1, SQLITE_STATIC);
    result = store_sql_run(vacuum);
    sqlite3_finalize(vacuum);
    return result;
}

/* Leaves a whole file at `to`, not yet durable, or none. */
static bool copy_database(struct store_copy *copy, struct store_copy_job *job, const char *from,
                          const char *to) {
    struct growth growth = {.copy = copy, .path = to};
    sqlite3 *db = NULL;
    int result = store_remove_fresh(to);

    if (result == SQLITE_OK)
        result = store_sql_open(from, SQLITE_OPEN_READONLY, &db);
    if (result == SQLITE_OK) {
        /* After a failure the writer has no connection: the last to close would move the WAL, through a descriptor that may only read. */
        sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        sqlite3_busy_timeout(db, BUSY_MS);
        sqlite3_progress_handler(db, PROGRESS_STEPS, grew, &growth);
        /* The copy's cache is as large: what it holds is written at the end, all at once. */
        result = store_sql_exec(db, "PRAGMA cache_size = -512; PRAGMA temp_store = MEMORY; "
                                    "PRAGMA trusted_schema = OFF");
    }
    if (result == SQLITE_OK)
        result = vacuum_into(db, to);
    if (result != SQLITE_OK) {
        store_sql_why(job->why, to, "copy", db, result);
        job->failed = true;
    }
    store_file_close(&growth.file);
    sqlite3_close(db);
    return result == SQLITE_OK;
}

/* paths: of the copy, which is at its fresh place. */
static bool verify_copy(struct store_copy *copy, struct store_copy_job *job,
                        const struct store_data_paths *paths, bool rollback) {
    struct store_data_paths fresh = *paths;
    struct store_data_check asked = {
        .rollback = rollback, .every_page = true, .cluster = copy->cluster, .remedy = copy->remedy};

    fresh.db = fresh.fresh;
    job->failed = store_data_check(&fresh, &asked, &job->meta, NULL, job->why) != STORE_OK;
    return !job->failed;
}

static bool copy_and_verify(struct store_copy *copy, struct store_copy_job *job,
                            const struct store_data_paths *from, const struct store_data_paths *to,
                            bool rollback) {
    int result;

    if (!copy_database(copy, job, from->db, to->fresh))
        return false;
    result = store_file_seal(to->fresh, rollback ? 1 : 2);
    if (result != SQLITE_OK)
        return store_copy_fail(job, to->fresh, "make the copy durable", result);
    if (!store_file_sum(to->fresh, &job->crc, &job->size))
        return store_copy_fail(job, to->fresh, "read the copy", SQLITE_IOERR_READ);
    return verify_copy(copy, job, to, rollback);
}

static bool name_copy(struct store_copy_job *job, const char *dir, const char *from, const char *to) {
    int error = store_file_rename(dir, from, to);

    if (error == 0)
        return true;
    store_refuse_io(job->why, to, "name the copy", error);
    job->failed = true;
    return false;
}

static void snapshot_paths(struct store_data_paths *paths, const char *dir, raft_index index) {
    char name[STORE_NAME_MAX];

    snprintf(name, sizeof(name), "snapshot-%" PRIu64 ".db", index);
    store_data_paths_init(paths, dir, name);
}

static bool make_copy(struct store_copy *copy, struct store_copy_job *job, const struct store_data_paths *to,
                      bool rollback) {
    struct store_data_paths from;
    bool made;

    store_data_paths_init_generation(&from, copy->dir, job->generation);
    made = copy_and_verify(copy, job, &from, to, rollback);
    if (!made)
        (void)store_remove_fresh(to->fresh);
    store_data_paths_close(&from);
    return made;
}

/* Its index is known once it is there. */
static bool run_snapshot(struct store_copy *copy, struct store_copy_job *job) {
    struct store_data_paths to, named;
    bool made;

    store_data_paths_init(&to, copy->dir, "snapshot-new.db");
    made = make_copy(copy, job, &to, false);
    if (made) {
        job->index = job->meta->applied;
        snapshot_paths(&named, copy->dir, job->index);
        made = name_copy(job, copy->dir, to.fresh, named.db);
        store_data_paths_close(&named);
    }
    store_data_paths_close(&to);
    return made;
}

static bool is_name(const char *name) {
    if (name[0] == '\0' || name[0] == '.')
        return false;
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && strchr("-_.", *name) == NULL)
            return false;
    return true;
}

static bool run_backup(struct store_copy *copy, struct store_copy_job *job) {
    struct store_data_paths to;
    bool made = false;

    if (!is_name(job->name)) {
        snprintf(job->why, STORE_WHY_MAX,
                 "\"%s\" is no name for a backup: letters, digits, \"-\", \"_\" and \".\" make one, \".\" "
                 "not the first",
                 job->name);
        job->failed = true;
        return false;
    }
    store_data_paths_init(&to, job->backup_dir, job->name);
    if (store_file_exists(to.db) || store_file_exists(to.wal) || store_file_exists(to.journal)) {
        snprintf(job->why, STORE_WHY_MAX, "%s is there already; nothing was changed", to.db);
        job->failed = true;
    } else {
        made = make_copy(copy, job, &to, true) && name_copy(job, job->backup_dir, to.fresh, to.db);
    }
    store_data_paths_close(&to);
    return made;
}

/* ---- fragments out --------------------------------------------------------------------------------------- */

static bool read_fragment(struct store_copy_job *job, const char *path, struct store_file *file) {
    int64_t size = store_file_size(file);
    size_t length = job->length < STORE_FRAGMENT_MAX ? job->length : STORE_FRAGMENT_MAX;

    assert(job->fragment.at == NULL);
    if (size < 0)
        return store_copy_fail(job, path, "read", SQLITE_IOERR_FSTAT);
    if (job->offset >= (uint64_t)size)
        return true;
    if (length > (uint64_t)size - job->offset)
        length = (size_t)((uint64_t)size - job->offset);
    if (length == 0)
        return true;
    job->fragment.at = malloc(length);
    if (job->fragment.at == NULL)
        abort();
    job->fragment.length = length;
    if (!store_file_read(file, job->fragment.at, length, (int64_t)job->offset))
        return store_copy_fail(job, path, "read", SQLITE_IOERR_READ);
    job->crc = store_crc32c(0, job->fragment.at, length);
    return true;
}

static bool run_read(struct store_copy *copy, struct store_copy_job *job) {
    struct store_data_paths paths;
    struct store_file file;
    int opened;
    bool read;

    snapshot_paths(&paths, copy->dir, job->index);
    opened = store_file_open(&file, paths.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB);
    read = opened == SQLITE_OK ? read_fragment(job, paths.db, &file)
                               : store_copy_fail(job, paths.db, "open", opened);
    store_file_close(&file);
    store_data_paths_close(&paths);
    return read;
}

static bool run_drop(struct store_copy *copy, struct store_copy_job *job) {
    struct store_data_paths paths;
    int result;

    snapshot_paths(&paths, copy->dir, job->index);
    result = store_file_cut_and_remove(paths.db);
    if (result != SQLITE_OK)
        store_copy_fail(job, paths.db, "remove", result);
    store_data_paths_close(&paths);
    return result == SQLITE_OK;
}

/* ---- jobs ------------------------------------------------------------------------------------------------ */

static bool (*const runs[])(struct store_copy *copy, struct store_copy_job *job) = {
    [STORE_COPY_SNAPSHOT] = run_snapshot,
    [STORE_COPY_BACKUP] = run_backup,
    [STORE_COPY_READ] = run_read,
    [STORE_COPY_DROP] = run_drop,
    [STORE_COPY_BEGIN] = store_copy_begin,
    [STORE_COPY_WRITE] = store_copy_write,
    [STORE_COPY_INSTALL] = store_copy_install,
    [STORE_COPY_CLEAN] = store_copy_clean,
};

void store_copy_run(void *context, struct worker_job *batch) {
    for (; batch != NULL; batch = batch->next) {
        struct store_copy_job *job = (struct store_copy_job *)batch;
        uint64_t started = now_us();
        bool ran;

        assert(!job->failed && job->why[0] == '\0' && job->meta == NULL);
        errno = 0;
        ran = runs[job->type](context, job);
        assert(ran == !job->failed && job->failed == (job->why[0] != '\0'));
        job->us = now_us() - started;
    }
}

struct store_copy *store_copy_new(const char *dir, const struct store_data_wants *wants) {
    struct store_copy *copy = calloc(1, sizeof(*copy));

    if (copy == NULL || (copy->dir = strdup(dir)) == NULL)
        abort();
    copy->generation = wants->generation;
    memcpy(copy->cluster, wants->cluster, sizeof(copy->cluster));
    store_remedy(copy->remedy, dir, wants->node);
    return copy;
}

void store_copy_set_rate(struct store_copy *copy, uint64_t bytes_per_s) {
    atomic_store(&copy->pace.rate, bytes_per_s);
}

void store_copy_give_up(struct store_copy *copy) {
    atomic_store(&copy->given_up, true);
    store_copy_set_rate(copy, 0); /* it rests no longer */
}

void store_copy_free(struct store_copy *copy) {
    if (copy == NULL)
        return;
    store_file_close(&copy->file);
    free(copy->dir);
    free(copy);
}
