/* SPDX-License-Identifier: MIT */
/* Jobs as values. */
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
