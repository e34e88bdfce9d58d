/* SPDX-License-Identifier: MIT */
/*
 * From the disk to the keyspace: at start, and when a snapshot has taken the state's place.
 *
 * The pages are read and put into a keyspace on a worker's thread, slice by slice; the loop meanwhile answers (-LOADING, and RAFT.INFO)
 * and logs how far it is. Nobody else has that keyspace until it is complete and its digest is the one that was written.
 *
 * A state that a snapshot replaces is of no use to anybody, so it is freed before the first page is read: a follower never needs memory for two.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum {
    SLICE_BYTES = 256 * 1024,     /* is in the processor's cache when it is read for the second time */
    TURN_BYTES = 8 * 1024 * 1024, /* between two reports to the loop */
    LOG_EVERY_MS = 1000,
};

/* Some slices: what is known so far goes with them, to the worker and back. */
struct load_job {
    struct worker_job job;
    char dir[CONF_TEXT_MAX];
    struct store_data_wants wants; /* to be opened with, while data is NULL */
    struct store_data *data;
    struct store_meta *meta;
    uint64_t hash_key[2];
    struct keyspace_use use;   /* what is loaded counts as used at its begin */
    struct keyspace *old;      /* what was there before, to be freed: it takes a while if it is large */
    struct keyspace *keyspace; /* NULL before the first slice */
    struct store_pages pages;  /* room for those of the next slice */
    uint64_t keys, keys_total, bytes;
    bool done, failed;
    char why[STORE_WHY_MAX];
};

struct loading {
    struct worker *worker;
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
    keyspace_set_use(load->keyspace, &load->use);
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

static bool open_file(struct load_job *load) {
    if (!load->data &&
        store_data_open(load->dir, &load->wants, &load->data, &load->meta, load->why) != STORE_OK)
        load->failed = true;
    return !load->failed;
}

static void run_slice(struct load_job *load, bool rewind) {
    struct store_data_job *slice = store_data_job_new(STORE_DATA_LOAD);
    slice->rewind = rewind;
    slice->bytes_max = SLICE_BYTES;
    slice->pages = load->pages;
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
    store_pages_clear(&slice->pages);
    load->pages = slice->pages;
    slice->pages = (struct store_pages){0};
    store_data_job_free(slice);
}

static void run_load(void *context, struct worker_job *batch) {
    (void)context;
    struct load_job *load = (struct load_job *)batch;
    if (!load)
        return;
    keyspace_free(load->old);
    load->old = NULL;
    bool rewind = load->keyspace == NULL;
    if (rewind && (!open_file(load) || !begin(load)))
        return;
    uint64_t end = load->bytes + TURN_BYTES;
    for (; !load->failed && !load->done && load->bytes < end; rewind = false)
        run_slice(load, rewind);
}

/* ---- on the loop ---------------------------------------------------------------------------------------------- */

static void free_job(struct load_job *load) {
    keyspace_free(load->keyspace);
    keyspace_free(load->old);
    if (load->data)
        store_data_close(load->data);
    store_meta_free(load->meta);
    store_pages_close(&load->pages);
    free(load);
}

static void begin_loading(struct node *node, struct load_job *load) {
    struct loading *loading = calloc(1, sizeof *loading);
    if (!loading)
        abort();
    assert(!node->loading);
    *loading = (struct loading){.begun_ms = node->now_ms, .log_ms = node->now_ms + LOG_EVERY_MS};
    loading->worker = worker_new(node->loop, "load", run_load, NULL);
    node->loading = loading;
    snprintf(load->dir, sizeof load->dir, "%s", node->conf->dir);
    load->hash_key[0] = admission_random();
    load->hash_key[1] = admission_random();
    load->use = eviction_use(node);
    worker_submit(loading->worker, &load->job);
}

static struct load_job *new_job(void) {
    struct load_job *load = calloc(1, sizeof *load);
    if (!load)
        abort();
    return load;
}

void loading_begin(struct node *node, struct store_data *data, struct store_meta *meta) {
    struct load_job *load = new_job();
    load->data = data;
    load->meta = meta;
    begin_loading(node, load);
}

/* Takes it into use; the one before is the caller's. */
static struct keyspace *exchange(struct node *node, struct keyspace *keyspace) {
    struct keyspace *old = node->keyspace;
    keyspace_set_watches(old, NULL);
    node->keyspace = keyspace;
    start_set_compact(node);
    watches_all_changed(node->watches);
    keyspace_set_watches(keyspace, node->watches);
    return old;
}

void loading_begin_next(struct node *node, const struct store_data_wants *wants) {
    struct load_job *load = new_job();
    load->wants = *wants;
    load->old = exchange(node, keyspace_new(keyspace_databases(node->keyspace)));
    begin_loading(node, load);
}

static void end_loading(struct node *node) {
    struct loading *loading = node->loading;
    worker_stop(loading->worker);
    struct load_job *load = (struct load_job *)worker_take(loading->worker);
    if (load)
        free_job(load);
    worker_free(loading->worker);
    free(loading);
    node->loading = NULL;
}

static void complete(struct node *node, struct load_job *load) {
    uint64_t took_ms = node->now_ms - node->loading->begun_ms;
    log_notice(node->logger, "loaded the checkpoint at %llu: %llu keys, %llu KB of pages in %llu ms",
               (unsigned long long)load->meta->applied, (unsigned long long)load->keys,
               (unsigned long long)load->bytes / 1024, (unsigned long long)took_ms);
    keyspace_free(exchange(node, load->keyspace)); /* empty: nobody wrote before, or meanwhile */
    load->keyspace = NULL;
    if (keyspace_databases(node->keyspace) != node->conf->databases)
        log_warning(node->logger, "databases is %u in the replicated state, not %u: the state's holds",
                    keyspace_databases(node->keyspace), node->conf->databases);
    checkpoint_open(node, load->data, load->meta);
    load->data = NULL;
    load->meta = NULL;
    free_job(load);
    end_loading(node);
    if (node->raft)
        snapshot_in_loaded(node);
    else
        start_loaded(node);
}

void loading_take(struct node *node) {
    struct loading *loading = node->loading;
    struct load_job *load = loading ? (struct load_job *)worker_take(loading->worker) : NULL;
    if (!load)
        return;
    if (load->failed) {
        node_fail(node, "%s", load->why);
        free_job(load);
    } else if (load->done) {
        complete(node, load);
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
    if (node->loading)
        end_loading(node);
}
