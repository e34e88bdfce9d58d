/* SPDX-License-Identifier: MIT */
/*
 * A snapshot comes in, fragment by fragment, and becomes a data file.
 *
 *      BEGIN    incoming-<id>.db.tmp is there or not: its length is how far it has come
 *      WRITE    each fragment is checked, and written at the file's end
 *      INSTALL  length and CRC of the file, then all that a start would check, and every page
 *               -> sync -> rename to data-<generation>.db -> sync the directory
 *      (then, in raft.db, in one transaction: the log's beginning and the generation)
 *
 * Since fragments are only ever added at the end, the length says it all: after a broken link, and after the death of the
 * process too. After that of the machine the length may count bytes that never came to the disk; the CRC of the whole finds that,
 * and the transfer begins again.
 *
 * What the system has failed to write it calls clean: the next sync says that all is well, and it is not. So after a failed sync, and for
 * what another process has left, all that is there is written once more before anything is added.
 *
 * At no moment does a file with a data file's name hold less than a whole, durable state; and one that raft.db does
 * not point to is a leftover.
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

#define INCOMING "incoming-"

/* ---- leftovers ------------------------------------------------------------------------------------------- */

static bool begins_with(const char *name, const char *prefix) {
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* A data file or what belongs to one, but not that of `generation` (of which only what was being made is a leftover). */
static bool is_old_data(const char *name, uint64_t generation) {
    char keep[STORE_NAME_MAX];
    const char *rest;

    if (!begins_with(name, "data-") || !isdigit((unsigned char)name[5]))
        return false;
    snprintf(keep, sizeof(keep), "data-%" PRIu64 ".db", generation);
    if (begins_with(name, keep))
        return begins_with(name + strlen(keep), ".tmp");
    rest = name + 5 + strspn(name + 5, "0123456789");
    return begins_with(rest, ".db");
}

/* What is to go. */
struct sweep {
    const char *dir;
    uint64_t generation; /* 0: no data files go */
    bool snapshots;      /* those that were made or being made */
    bool incoming;       /* those that were coming in ... */
    const char *but;     /* ... but not this one */
};

static bool is_swept(const struct sweep *sweep, const char *name) {
    if (begins_with(name, INCOMING))
        return sweep->incoming && strcmp(name, sweep->but) != 0;
    if (begins_with(name, "snapshot-"))
        return sweep->snapshots;
    return sweep->generation != 0 && is_old_data(name, sweep->generation);
}

static int remove_one(const char *dir, const char *name) {
    char *path = NULL;
    int result;

    if (asprintf(&path, "%s/%s", dir, name) < 0)
        abort();
    result = store_file_remove(path);
    free(path);
    return result;
}

/* SQLite's result. */
static int run_sweep(const struct sweep *sweep) {
    int result = SQLITE_OK;
    char **names = store_dir_names(sweep->dir);

    if (names == NULL)
        return SQLITE_CANTOPEN;
    for (size_t i = 0; result == SQLITE_OK && names[i] != NULL; i++)
        if (is_swept(sweep, names[i]))
            result = remove_one(sweep->dir, names[i]);
    store_names_free(names);
    return result;
}

enum store_result store_clean(const char *dir, uint64_t generation, char why[STORE_WHY_MAX]) {
    struct sweep sweep = {.dir = dir, .generation = generation, .snapshots = true};
    int result = run_sweep(&sweep);

    why[0] = '\0';
    if (result == SQLITE_OK)
        return STORE_OK;
    store_sql_why(why, dir, "remove leftovers", NULL, result);
    return STORE_IO;
}

bool store_copy_clean(struct store_copy *copy, struct store_copy_job *job) {
    struct sweep sweep = {.dir = copy->dir, .generation = job->generation, .incoming = true, .but = ""};
    int result;

    assert(job->generation >= copy->generation);
    copy->generation = job->generation;
    store_file_close(&copy->file);
    result = run_sweep(&sweep);
    return result == SQLITE_OK || store_copy_fail(job, copy->dir, "remove old files", result);
}

/* ---- fragments in ---------------------------------------------------------------------------------------- */

static bool is_id(const char *id) {
    size_t length = strnlen(id, STORE_NAME_MAX + 1);

    return length > 0 && length <= STORE_NAME_MAX &&
           strspn(id, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_") == length;
}

static void incoming_paths(struct store_data_paths *paths, const struct store_copy *copy, const char *id) {
    char name[STORE_NAME_MAX + 32];

    snprintf(name, sizeof(name), INCOMING "%s.db", id);
    store_data_paths_init(paths, copy->dir, name);
}

/* The file that is coming in, at hand; made when it is not there. */
static bool open_incoming(struct store_copy *copy, struct store_copy_job *job) {
    struct store_data_paths paths;
    int64_t size = -1;
    bool trusted = strcmp(copy->trusted, job->id) == 0;
    int result;

    if (copy->file.file != NULL && strcmp(copy->id, job->id) == 0)
        return true;
    store_file_close(&copy->file);
    incoming_paths(&paths, copy, job->id);
    result = store_file_open(&copy->file, paths.fresh,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_SUPER_JOURNAL);
    if (result == SQLITE_OK && (size = store_file_size(&copy->file)) < 0)
        result = SQLITE_IOERR_FSTAT;
    if (result == SQLITE_OK && size > 0 && !trusted)
        result = store_file_renew(paths.fresh, size);
    if (result == SQLITE_OK) {
        memcpy(copy->trusted, job->id, sizeof(copy->trusted));
        memcpy(copy->id, job->id, sizeof(copy->id));
        copy->come = (uint64_t)size;
        copy->unsynced = copy->come;
    } else {
        store_copy_fail(job, paths.fresh, "open", result);
        store_file_close(&copy->file);
    }
    store_data_paths_close(&paths);
    return result == SQLITE_OK;
}

static bool known_id(struct store_copy_job *job) {
    if (is_id(job->id))
        return true;
    snprintf(job->why, STORE_WHY_MAX, "a snapshot's id is 1 to %d letters, digits, \"-\" and \"_\"",
             STORE_NAME_MAX);
    job->failed = true;
    return false;
}

bool store_copy_begin(struct store_copy *copy, struct store_copy_job *job) {
    char name[STORE_NAME_MAX + 32];
    struct sweep sweep = {.dir = copy->dir, .incoming = true, .but = name};
    int result;

    if (!known_id(job))
        return false;
    snprintf(name, sizeof(name), INCOMING "%s.db.tmp", job->id);
    store_file_close(&copy->file);
    result = run_sweep(&sweep);
    if (result != SQLITE_OK)
        return store_copy_fail(job, copy->dir, "remove what came in before", result);
    if (!open_incoming(copy, job))
        return false;
    job->offset = copy->come;
    return true;
}

/* The reason, the offset from which to go on. */
static bool not_taken(struct store_copy *copy, struct store_copy_job *job, const char *reason) {
    snprintf(job->why, STORE_WHY_MAX,
             "snapshot %s: the fragment of %zu bytes at %" PRIu64 " %s; %" PRIu64 " bytes have come", job->id,
             job->fragment.length, job->offset, reason, copy->come);
    job->offset = copy->come;
    job->failed = true;
    return false;
}

/* Half a fragment must not stay: what failed may be half there. Nor is a failed sync made good by the next one. */
static bool take_back(struct store_copy *copy, struct store_copy_job *job, int result) {
    struct store_data_paths paths;

    incoming_paths(&paths, copy, job->id);
    store_copy_fail(job, paths.fresh, "write", result);
    store_data_paths_close(&paths);
    copy->trusted[0] = '\0';
    (void)store_file_cut(&copy->file, (int64_t)copy->come);
    store_file_close(&copy->file); /* its length is asked for again */
    job->offset = copy->come;
    return false;
}

bool store_copy_write(struct store_copy *copy, struct store_copy_job *job) {
    const struct store_bytes *fragment = &job->fragment;
    int result;

    if (!known_id(job) || !open_incoming(copy, job))
        return false;
    if (fragment->length == 0 || fragment->length > STORE_FRAGMENT_MAX)
        return not_taken(copy, job, "has a length that none has");
    if (store_crc32c(0, fragment->at, fragment->length) != job->crc)
        return not_taken(copy, job, "has another checksum than was sent");
    if (job->offset != copy->come)
        return not_taken(copy, job, "does not begin where the file ends");
    result = store_file_write(&copy->file, fragment->at, fragment->length, (int64_t)copy->come);
    copy->unsynced += fragment->length;
    if (result == SQLITE_OK && copy->unsynced >= STORE_COPY_SYNC_BYTES) {
        result = store_file_sync(&copy->file);
        copy->unsynced = 0;
    }
    if (result != SQLITE_OK)
        return take_back(copy, job, result);
    copy->come += fragment->length;
    job->offset = copy->come;
    return true;
}

/* ---- installing ------------------------------------------------------------------------------------------ */

/* What came is not what was sent: nothing of it can be used. */
static bool spoiled(struct store_copy *copy, struct store_copy_job *job,
                    const struct store_data_paths *paths) {
    store_file_close(&copy->file);
    (void)store_file_remove(paths->fresh);
    job->failed = job->spoiled = true;
    return false;
}

static bool verify(struct store_copy *copy, struct store_copy_job *job,
                   const struct store_data_paths *paths) {
    struct store_data_check asked = {.every_page = true, .cluster = copy->cluster, .remedy = "Send it again"};
    struct store_data_paths fresh = *paths;
    enum store_result result;
    uint64_t size;
    uint32_t crc;

    if (!store_file_sum(paths->fresh, &crc, &size))
        return store_copy_fail(job, paths->fresh, "read", SQLITE_IOERR_READ);
    if (size != job->size || crc != job->crc) {
        snprintf(job->why, STORE_WHY_MAX,
                 "snapshot %s: %" PRIu64 " bytes with checksum %08x have come, %" PRIu64
                 " with %08x were sent",
                 job->id, size, crc, job->size, job->crc);
        job->failed = true;
        return size >= job->size && spoiled(copy, job, paths); /* if not, the rest may still come */
    }
    fresh.db = fresh.fresh;
    result = store_data_check(&fresh, &asked, &job->meta, NULL, job->why);
    if (result == STORE_DAMAGED || result == STORE_FOREIGN)
        return spoiled(copy, job, paths);
    job->failed = result != STORE_OK;
    return result == STORE_OK;
}

/* A data file of that generation that an earlier, interrupted installing has left is replaced; raft.db does not point to it. */
static int remove_before(const struct store_data_paths *to) {
    int result = store_file_remove(to->wal);

    if (result == SQLITE_OK)
        result = store_file_remove(to->journal);
    return result == SQLITE_OK ? store_file_remove(to->db) : result;
}

static bool put_in_place(struct store_copy *copy, struct store_copy_job *job,
                         const struct store_data_paths *from) {
    struct store_data_paths to;
    int error, result;

    store_data_paths_init_generation(&to, copy->dir, job->generation);
    result = remove_before(&to);
    if (result == SQLITE_OK)
        result = store_file_seal(from->fresh, 2);
    if (result != SQLITE_OK) {
        store_copy_fail(job, from->fresh, "make it durable", result);
        copy->trusted[0] = '\0';
        store_file_close(&copy->file);
    } else if ((error = store_file_rename(copy->dir, from->fresh, to.db)) != 0) {
        store_refuse_io(job->why, to.db, "install", error);
        job->failed = true;
    }
    store_data_paths_close(&to);
    return !job->failed;
}

bool store_copy_install(struct store_copy *copy, struct store_copy_job *job) {
    struct store_data_paths paths;
    bool installed;

    assert(job->generation > copy->generation);
    if (!known_id(job) || !open_incoming(copy, job))
        return false;
    incoming_paths(&paths, copy, job->id);
    installed = verify(copy, job, &paths) && put_in_place(copy, job, &paths);
    if (installed)
        store_file_close(&copy->file);
    store_data_paths_close(&paths);
    return installed;
}
