/* SPDX-License-Identifier: MIT */
/* Jobs as values. */
#include "data.h"
#include "store.h"

#include <assert.h>
#include <stdlib.h>

struct store_job *store_job_new(enum store_job_type type) {
    struct store_job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        abort();
    job->type = type;
    return job;
}

void store_job_free(struct store_job *job) {
    if (job == NULL)
        return;
    assert(job->entries.at != NULL || job->entries.count == 0);
    for (size_t i = 0; i < job->entries.count; i++)
        raft_blob_unref(job->entries.at[i].data);
    free(job->entries.at);
    free(job->identity);
    free(job);
}

struct store_data_job *store_data_job_new(enum store_data_type type) {
    struct store_data_job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        abort();
    job->type = type;
    return job;
}

void store_data_job_free(struct store_data_job *job) {
    if (job == NULL)
        return;
    free(job->deletes);
    store_pages_close(&job->pages);
    store_meta_free(job->meta);
    free(job);
}

void store_data_job_add_delete(struct store_data_job *job, struct store_range range) {
    size_t count = job->delete_count;

    if ((count & (count - 1)) == 0) { /* full at each power of two */
        job->deletes = realloc(job->deletes, (count == 0 ? 1 : 2 * count) * sizeof(range));
        if (job->deletes == NULL)
            abort();
    }
    job->deletes[job->delete_count++] = range;
}

struct store_copy_job *store_copy_job_new(enum store_copy_type type) {
    struct store_copy_job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        abort();
    job->type = type;
    return job;
}

void store_copy_job_free(struct store_copy_job *job) {
    if (job == NULL)
        return;
    free(job->backup_dir);
    free(job->fragment.at);
    store_meta_free(job->meta);
    free(job);
}
