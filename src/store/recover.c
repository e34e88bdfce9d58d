/* SPDX-License-Identifier: MIT */
/*
 * A node that has lost its cluster becomes a cluster of its own, with what its disk holds.
 *
 *      before    the log: cluster A, members 1 2 3, entries       data-7.db: the state of A
 *      copies    before-recovery-A/: its segments, raft.db-acked, data-7.db
 *      made      data-8.db: the same state, of cluster B
 *      then      the log: cluster B, member 1, data file 8        one transaction; after it the next start knows B only
 *
 * Every entry of the log stays and will be applied, whether it was known to be committed or not: nobody else is left to say. A list
 * of members in the log would bring the old ones back, so the last thing in it is a list with this node alone. Whatever fails before
 * the transaction has changed nothing that counts.
 */
#define _GNU_SOURCE /* asprintf */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ASIDES_MAX = 100 };

struct recovery {
    const char *dir;
    const struct store_identity *identity; /* the new one */
    struct store_recovered *found;
    struct store_paths paths;
    struct store_data_paths from, to;
    struct store_log *log;
    struct store_boot boot;
    struct store_meta *meta;
    struct raft_blob *list; /* for the log's end: this node alone; NULL: not needed */
    char *why;
};

static enum store_result refuse_sql(struct recovery *recovery, const char *path, const char *doing,
                                    int result) {
    store_sql_why(recovery->why, path, doing, NULL, result);
    return STORE_IO;
}

/* ---- what is there -------------------------------------------------------------------------------------------- */

static enum store_result check_dir(struct recovery *recovery) {
    if (store_file_exists(recovery->paths.db))
        return STORE_OK;
    snprintf(recovery->why, STORE_WHY_MAX, "%s is not there: no node has lived in this directory",
             recovery->paths.db);
    return STORE_FOREIGN;
}

static enum store_result open_files(struct recovery *recovery) {
    struct store_data *data = NULL;
    struct store_data_wants wants;
    enum store_result result =
        store_log_open(recovery->dir, recovery->identity->node, recovery->identity->incarnation,
                       &recovery->log, &recovery->boot, recovery->why);

    if (result != STORE_OK)
        return result;
    if (recovery->boot.identity.cluster[0] == '\0') {
        snprintf(recovery->why, STORE_WHY_MAX,
                 "%s: its cluster has not formed yet, so there is nothing to recover", recovery->paths.db);
        return STORE_FOREIGN;
    }
    wants = store_data_wants(&recovery->boot);
    result = store_data_open(recovery->dir, &wants, &data, &recovery->meta, recovery->why);
    if (result == STORE_OK)
        result = store_data_move(data, recovery->why);
    store_data_close(data);
    return result;
}

static void fill_found(struct recovery *recovery) {
    struct store_recovered *found = recovery->found;

    found->identity = recovery->boot.identity;
    found->applied = recovery->meta->applied;
    found->last_index = recovery->boot.raft.last_index;
    found->term = recovery->boot.raft.term;
}

/* ---- who is a member --------------------------------------------------------------------------------------- */

static struct raft_blob *blob_of(const struct store_bytes *bytes) {
    struct raft_blob *blob = raft_blob_new(bytes->length);

    memcpy(blob->bytes, bytes->at, bytes->length);
    return blob;
}

/* The same list with nobody else in it; NULL when this node is not in it either. */
static struct raft_blob *alone(struct recovery *recovery, const struct raft_blob *list) {
    struct raft_member self;

    if (!raft_members_valid(list) || !raft_members_find(list, recovery->identity->node, &self) ||
        self.kind == RAFT_REMOVED) {
        snprintf(recovery->why, STORE_WHY_MAX,
                 "%s: node %" PRIu64 " is no member of its cluster any more; recover another node",
                 recovery->dir, recovery->identity->node);
        return NULL;
    }
    self.kind = RAFT_VOTER;
    return raft_members_encode(&self, 1);
}

/* Entries come back a few at a time; only the newest list of the log counts. */
static enum store_result find_newest_list(struct recovery *recovery, struct raft_blob **newest) {
    raft_index next = recovery->meta->applied + 1, last = recovery->boot.raft.last_index;

    while (next <= last) {
        struct store_job *job = store_job_new(STORE_READ);

        job->fetch = (struct raft_fetch){.from = next, .to = last, .bytes_max = 8 * 1024 * 1024};
        store_log_run(recovery->log, &job->job);
        if (job->failed) {
            memcpy(recovery->why, job->why, sizeof(job->why));
            store_job_free(job);
            return STORE_IO;
        }
        assert(job->entries.count > 0);
        for (size_t i = 0; i < job->entries.count; i++) {
            const struct raft_entry *entry = &job->entries.at[i];

            next = entry->index + 1;
            if (entry->type != RAFT_ENTRY_MEMBERS)
                continue;
            if (*newest != NULL)
                raft_blob_unref(*newest);
            *newest = raft_blob_ref(entry->data);
        }
        store_job_free(job);
    }
    return STORE_OK;
}

static enum store_result change_members(struct recovery *recovery) {
    struct raft_blob *newest = NULL, *old = NULL, *own;
    enum store_result result = find_newest_list(recovery, &newest);

    if (result == STORE_OK && newest != NULL) {
        recovery->list = alone(recovery, newest);
        result = recovery->list != NULL ? STORE_OK : STORE_FOREIGN;
    }
    if (result == STORE_OK && recovery->meta->members.length > 0) {
        old = blob_of(&recovery->meta->members);
        own = recovery->list != NULL ? raft_blob_ref(recovery->list) : alone(recovery, old);
        result = own != NULL ? STORE_OK : STORE_FOREIGN;
        if (own != NULL) {
            store_bytes_set(&recovery->meta->members, own->bytes, own->length);
            raft_blob_unref(own);
        }
        raft_blob_unref(old);
    }
    if (newest != NULL)
        raft_blob_unref(newest);
    return result;
}

/* ---- the old files, aside ------------------------------------------------------------------------------------ */

static enum store_result make_aside(struct recovery *recovery) {
    char *path = recovery->found->aside;
    size_t size = sizeof(recovery->found->aside);
    int error = EEXIST;

    for (int i = 1; i <= ASIDES_MAX && error == EEXIST; i++) {
        int length = snprintf(path, size, "%s/before-recovery-%.8s%s%.0d", recovery->dir,
                              recovery->boot.identity.cluster, i > 1 ? "-" : "", i > 1 ? i : 0);

        error = length >= (int)size ? ENAMETOOLONG : mkdir(path, 0700) == 0 ? 0 : errno;
    }
    if (error == 0)
        error = store_dir_sync(recovery->dir);
    return error == 0 ? STORE_OK : store_refuse_io(recovery->why, path, "make the directory", error);
}

static enum store_result copy_aside(struct recovery *recovery, const char *path) {
    const char *name = strrchr(path, '/') + 1;
    char *to = NULL;
    int result;

    if (!store_file_exists(path))
        return STORE_OK;
    if (asprintf(&to, "%s/%s", recovery->found->aside, name) < 0)
        abort();
    result = store_file_copy(path, to);
    if (result != SQLITE_OK)
        (void)refuse_sql(recovery, to, "copy", result);
    free(to);
    return result == SQLITE_OK ? STORE_OK : STORE_IO;
}

static enum store_result keep_segments(struct recovery *recovery) {
    char **names;
    int error = store_segment_names(recovery->dir, &names);
    enum store_result result = STORE_OK;

    if (error != 0)
        return store_refuse_io(recovery->why, recovery->dir, "read the directory", error);
    for (size_t i = 0; names[i] != NULL && result == STORE_OK; i++) {
        char *path = NULL;

        if (asprintf(&path, "%s/%s", recovery->dir, names[i]) < 0)
            abort();
        result = copy_aside(recovery, path);
        free(path);
    }
    store_names_free(names);
    return result;
}

static enum store_result keep_aside(struct recovery *recovery) {
    enum store_result result = make_aside(recovery);

    if (result == STORE_OK)
        result = keep_segments(recovery);
    if (result == STORE_OK)
        result = copy_aside(recovery, recovery->paths.mark);
    if (result == STORE_OK)
        result = copy_aside(recovery, recovery->from.db);
    if (result == STORE_OK && store_dir_sync(recovery->found->aside) != 0)
        result = store_refuse_io(recovery->why, recovery->found->aside, "make it durable", errno);
    return result;
}

/* ---- the new ones ---------------------------------------------------------------------------------------------- */

static enum store_result make_state(struct recovery *recovery) {
    memcpy(recovery->meta->cluster, recovery->identity->cluster, sizeof(recovery->meta->cluster));
    return store_data_adopt(&recovery->from, &recovery->to, recovery->meta, recovery->why);
}

static struct store_job *job_with_list(struct recovery *recovery) {
    struct store_job *job = store_job_new(STORE_SAVE);
    raft_term term = recovery->boot.raft.term + 1;

    job->has_vote = true;
    job->vote = (struct raft_vote){.term = term};
    job->entries.at = calloc(1, sizeof(*job->entries.at));
    if (job->entries.at == NULL)
        abort();
    job->entries.count = 1;
    job->entries.at[0] = (struct raft_entry){.index = recovery->boot.raft.last_index + 1,
                                             .term = term,
                                             .type = RAFT_ENTRY_MEMBERS,
                                             .data = raft_blob_ref(recovery->list)};
    return job;
}

static struct store_job *job_with_identity(struct recovery *recovery) {
    struct store_job *job = store_job_new(STORE_IDENTITY);

    job->identity = malloc(sizeof(*job->identity));
    if (job->identity == NULL)
        abort();
    *job->identity = *recovery->identity;
    /* The directory stays the same node's. */
    memcpy(job->identity->incarnation, recovery->boot.identity.incarnation,
           sizeof(job->identity->incarnation));
    for (size_t i = 0; i < job->identity->member_count; i++)
        if (job->identity->members[i].id == job->identity->node)
            memcpy(job->identity->members[i].incarnation, recovery->boot.identity.incarnation,
                   sizeof(job->identity->members[i].incarnation));
    return job;
}

static struct store_job *job_with_state(struct recovery *recovery) {
    struct store_job *job = store_job_new(STORE_RESET);

    job->reset.index = recovery->meta->applied;
    job->reset.term = recovery->meta->applied_term;
    job->reset.data = recovery->boot.data + 1;
    return job;
}

/* All of it in one transaction. */
static enum store_result switch_over(struct recovery *recovery) {
    struct store_job *jobs[3];
    size_t count = 0;
    bool failed;

    if (recovery->list != NULL)
        jobs[count++] = job_with_list(recovery);
    jobs[count++] = job_with_identity(recovery);
    jobs[count++] = job_with_state(recovery);
    for (size_t i = 0; i < count; i++)
        jobs[i]->job.next = i + 1 < count ? &jobs[i + 1]->job : NULL;
    store_log_run(recovery->log, &jobs[0]->job);
    failed = jobs[0]->failed;
    if (failed)
        memcpy(recovery->why, jobs[0]->why, sizeof(jobs[0]->why));
    assert(failed || jobs[count - 1]->kept);
    for (size_t i = 0; i < count; i++)
        store_job_free(jobs[i]);
    return failed ? STORE_IO : STORE_OK;
}

/* ---- both ---------------------------------------------------------------------------------------------------- */

static enum store_result look(struct recovery *recovery) {
    enum store_result result = check_dir(recovery);

    if (result == STORE_OK)
        result = open_files(recovery);
    if (result == STORE_OK)
        result = change_members(recovery);
    if (result == STORE_OK)
        fill_found(recovery);
    return result;
}

static enum store_result act(struct recovery *recovery) {
    static enum store_result (*const steps[])(struct recovery *) = {keep_aside, make_state, switch_over};
    enum store_result result = STORE_OK;

    store_data_paths_init_generation(&recovery->from, recovery->dir, recovery->boot.data);
    store_data_paths_init_generation(&recovery->to, recovery->dir, recovery->boot.data + 1);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && result == STORE_OK; i++)
        result = steps[i](recovery);
    store_data_paths_close(&recovery->from);
    store_data_paths_close(&recovery->to);
    return result;
}

enum store_result store_recover(const char *dir, const struct store_identity *identity, bool only_look,
                                struct store_recovered *found, char why[STORE_WHY_MAX]) {
    struct recovery recovery = {.dir = dir, .identity = identity, .found = found, .why = why};
    enum store_result result;

    assert(identity->node != 0 && identity->cluster[0] != '\0' && identity->incarnation[0] != '\0');
    why[0] = '\0';
    *found = (struct store_recovered){0};
    store_paths_init(&recovery.paths, dir);
    result = look(&recovery);
    if (result == STORE_OK && !only_look)
        result = act(&recovery);
    store_log_close(recovery.log);
    if (recovery.list != NULL)
        raft_blob_unref(recovery.list);
    store_meta_free(recovery.meta);
    store_paths_close(&recovery.paths);
    assert((result == STORE_OK) == (why[0] == '\0'));
    return result;
}
