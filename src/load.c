/* SPDX-License-Identifier: MIT */
/*
 * From the disk to the keyspace, at start.
 *
 * The pages are read and put into a keyspace on a worker's thread, slice by slice; the loop meanwhile answers (-LOADING, and RAFT.INFO)
 * and logs how far it is. Nobody else has that keyspace until it is complete and its digest is the one that was written.
 */
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum { SLICE_BYTES = 8 * 1024 * 1024, LOG_EVERY_MS = 1000 };

/* One slice: what is known so far goes with it, to the worker and back. */
struct load_job {
    struct worker_job job;
    struct store_data *data;
    const struct store_meta *meta;
    uint64_t hash_key[2];
    struct keyspace *keyspace; /* NULL before the first slice */
    uint64_t keys, keys_total, bytes;
    bool done, failed;
    char why[STORE_WHY_MAX];
};

struct loading {
    struct worker *worker;
    struct store_data *data;
    struct store_meta *meta;
    uint64_t begun_ms, log_ms;
};

/* ---- on the worker's thread ----------------------------------------------------------------------------------- */

static void refuse(struct load_job *load, const char *why) {
    load->failed = true;
    snprintf(load->why, sizeof load->why,
             "the state on this disk cannot be loaded: %s. Replace the node: remove it from the cluster and "
             "add it again "
             "with an empty directory; nothing was changed",
             why);
}

static bool begin(struct load_job *load) {
    char why[KEYSPACE_WHY_MAX];
    load->keyspace = keyspace_load_begin(load->meta->head.at, load->meta->head.length, why);
    if (!load->keyspace) {
        refuse(load, why);
        return false;
    }
    keyspace_set_hash_key(load->keyspace, load->hash_key[0], load->hash_key[1]);
    return true;
}

static void place(struct load_job *load, const struct store_pages *pages) {
    char why[KEYSPACE_WHY_MAX];
    for (size_t i = 0; i < pages->count && !load->failed; i++) {
        const struct store_page *page = &pages->at[i];
        if (!keyspace_load_page(load->keyspace, page->object, page->number, pages->bytes.at + page->offset,
                                page->length, why))
            refuse(load, why);
    }
    load->bytes += pages->bytes.length;
}

static void finish(struct load_job *load) {
    char why[KEYSPACE_WHY_MAX];
    load->done = true;
    if (!keyspace_load_end(load->keyspace, why))
        refuse(load, why);
}

static void run_load(void *context, struct worker_job *batch) {
    (void)context;
    struct load_job *load = (struct load_job *)batch;
    if (!load)
        return;
    struct store_data_job *slice = store_data_job_new(STORE_DATA_LOAD);
    slice->rewind = load->keyspace == NULL;
    slice->bytes_max = SLICE_BYTES;
    if (load->keyspace || begin(load)) {
        store_data_run(load->data, &slice->job);
        if (slice->failed) {
            load->failed = true;
            strcpy(load->why, slice->why);
        } else {
            place(load, &slice->pages);
            keyspace_load_progress(load->keyspace, &load->keys, &load->keys_total);
            if (!load->failed && !slice->more)
                finish(load);
        }
    }
    store_data_job_free(slice);
}

/* ---- on the loop ---------------------------------------------------------------------------------------------- */

void loading_begin(struct node *node, struct store_data *data, struct store_meta *meta) {
    struct loading *loading = calloc(1, sizeof *loading);
    struct load_job *load = calloc(1, sizeof *load);
    if (!loading || !load)
        abort();
    *loading = (struct loading){
        .data = data, .meta = meta, .begun_ms = node->now_ms, .log_ms = node->now_ms + LOG_EVERY_MS};
    loading->worker = worker_new(node->loop, "load", run_load, NULL);
    node->loading = loading;
    load->data = data;
    load->meta = meta;
    load->hash_key[0] = admission_random();
    load->hash_key[1] = admission_random();
    worker_submit(loading->worker, &load->job);
}

static void complete(struct node *node, struct load_job *load) {
    struct loading *loading = node->loading;
    uint64_t took_ms = node->now_ms - loading->begun_ms;
    log_notice(node->logger, "loaded the checkpoint at %llu: %llu keys, %llu KB of pages in %llu ms",
               (unsigned long long)loading->meta->applied, (unsigned long long)load->keys,
               (unsigned long long)load->bytes / 1024, (unsigned long long)took_ms);
    keyspace_free(node->keyspace);
    node->keyspace = load->keyspace;
    if (keyspace_databases(node->keyspace) != node->conf->databases)
        log_warning(node->logger, "databases is %u in the replicated state, not %u: the state's holds",
                    keyspace_databases(node->keyspace), node->conf->databases);
    worker_stop(loading->worker);
    worker_free(loading->worker);
    node->loading = NULL;
    checkpoint_open(node, loading->data, loading->meta);
    free(loading);
    start_loaded(node);
}

void loading_take(struct node *node) {
    struct loading *loading = node->loading;
    struct load_job *load = loading ? (struct load_job *)worker_take(loading->worker) : NULL;
    if (!load)
        return;
    if (load->failed) {
        node_fail(node, "%s", load->why);
        keyspace_free(load->keyspace);
        free(load);
    } else if (load->done) {
        complete(node, load);
        free(load);
    } else {
        if (node->now_ms >= loading->log_ms) {
            loading->log_ms = node->now_ms + LOG_EVERY_MS;
            log_notice(node->logger, "loading: %llu of %llu keys", (unsigned long long)load->keys,
                       (unsigned long long)load->keys_total);
        }
        worker_submit(loading->worker, &load->job);
    }
}

void loading_close(struct node *node) {
    struct loading *loading = node->loading;
    if (!loading)
        return;
    worker_stop(loading->worker);
    struct load_job *load = (struct load_job *)worker_take(loading->worker);
    if (load)
        keyspace_free(load->keyspace);
    free(load);
    worker_free(loading->worker);
    store_data_close(loading->data);
    store_meta_free(loading->meta);
    free(loading);
    node->loading = NULL;
}
