/* SPDX-License-Identifier: MIT */
/*
 * From the keyspace to the disk.
 *
 * A checkpoint at index A is the state after entry A, written while the entries after A change it. Nothing is forked and nothing stops:
 * the keyspace notes which of its pages have changed since the last checkpoint, freezes that note at A, and gives the pages out one by
 * one as they were at A (what an entry is about to change is copied first). A turn of the loop takes a few of them; the worker writes
 * them in one transaction, which carries A, and is committed when all are there:
 *
 *      applied       A                                                     B
 *      loop      ----|begin|-- few pages --- few pages --- few ---|--------|begin|---
 *      worker              [ pages ]   [ pages ]        [ commit ]
 *      raft.db   ------- durable through A ------------^           \ the log before A goes, less a tail
 *
 * The commit waits until raft.db is durable through A: a leader may have applied what a majority has, before its own disk has it, and
 * a state that is ahead of its own log could not be told from a log that has lost its end.
 *
 * A failure (a full disk, say) loses nothing: the pages are dirty again, and it is tried again later. Bounded are: the pages that are
 * with the worker (BYTES_OUT_MAX; the loop hands out no more), and what is copied since it changed before it was written (KEPT_MAX;
 * then growing writes wait).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum {
    PAGES_PER_TURN = 64,
    BYTES_PER_TURN = 512 * 1024,
    JOB_BYTES = 512 * 1024,
    BYTES_OUT_MAX = 8 * 1024 * 1024,
    KEPT_MAX = 64 * 1024 * 1024,
    RETRY_FIRST_MS = 1000,
    RETRY_DOUBLINGS = 6,
    TERMS_MAX = 16384, /* rows of the table of terms; older ones are forgotten */
};

/* ---- what is known of the last one ------------------------------------------------------------------------ */

void checkpoint_open(struct node *node, struct store_data *data, struct store_meta *meta) {
    struct checkpointing *checkpoint = &node->checkpoint;
    checkpoint->data = data;
    checkpoint->worker = worker_new(node->loop, "data", store_data_run, data);
    checkpoint->done_index = meta->applied;
    checkpoint->behind_bytes = 0;
    checkpoint->terms = meta;
}

void checkpoint_applied(struct node *node, const struct raft_entry *entry) {
    struct store_meta *terms = node->checkpoint.terms;
    if (entry->data)
        node->checkpoint.behind_bytes += entry->data->length;
    if (terms->term_count > 0 && terms->terms[terms->term_count - 1].term == entry->term)
        return;
    if (terms->term_count == TERMS_MAX) {
        terms->term_count = TERMS_MAX / 2;
        memmove(terms->terms, terms->terms + TERMS_MAX / 2, terms->term_count * sizeof *terms->terms);
    }
    store_meta_add_term(terms, entry->term, entry->index);
}

/* ---- begin, hand out, end ----------------------------------------------------------------------------------- */

static bool is_time(const struct node *node) {
    const struct checkpointing *checkpoint = &node->checkpoint;
    raft_index applied = node->raft_status.applied;
    if (applied <= checkpoint->done_index || node->snapshot_in.phase >= SNAPSHOT_IN_RESETTING ||
        node->now_ms < checkpoint->retry_ms || node->stopping || node->end == NODE_FAILED ||
        raft_members_applied(node->raft)->length ==
            0) /* taken in, and not told yet by whom: a state without members leads nowhere */
        return false;
    return checkpoint->wanted || checkpoint->behind_bytes >= node->conf->checkpoint_log_bytes ||
           applied - checkpoint->done_index >= node->conf->checkpoint_entries;
}

static void begin(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    struct store_meta *meta = store_meta_new();
    const struct store_meta *terms = checkpoint->terms;
    struct resp_buf head = {0};

    checkpoint->phase = CHECKPOINT_WRITING;
    checkpoint->wanted = false;
    checkpoint->number++;
    checkpoint->index = node->raft_status.applied;
    checkpoint->applied_bytes = checkpoint->behind_bytes;
    checkpoint->begun_ms = node->now_ms;
    checkpoint->bytes = checkpoint->pages = 0;
    keyspace_checkpoint_begin(node->keyspace);

    strcpy(meta->cluster, node->admission.identity.cluster);
    strcpy(meta->incarnation, node->admission.identity.incarnation);
    meta->applied = checkpoint->index;
    for (size_t i = 0; i < terms->term_count; i++)
        store_meta_add_term(meta, terms->terms[i].term, terms->terms[i].first_index);
    assert(terms->term_count > 0);
    meta->applied_term = terms->terms[terms->term_count - 1].term;
    meta->clock_ms = keyspace_clock(node->keyspace);
    meta->feature_level = node->admission.level;
    const struct raft_blob *members = raft_members_applied(node->raft);
    assert(members->length > 0);
    store_bytes_set(&meta->members, members->bytes, members->length);
    keyspace_checkpoint_head(node->keyspace, &head);
    store_bytes_set(&meta->head, resp_buf_bytes(&head), resp_buf_length(&head));
    resp_buf_close(&head);
    uint64_t digest = keyspace_digest(node->keyspace);
    store_bytes_set(&meta->digest, &digest, sizeof digest);
    checkpoint->meta = meta;
    log_verbose(node->logger, "checkpoint at %llu: begun, %zu pages", (unsigned long long)checkpoint->index,
                keyspace_checkpoint_rest(node->keyspace));
}

static void submit(struct checkpointing *checkpoint, struct store_data_job *job) {
    job->checkpoint = checkpoint->number;
    checkpoint->jobs_out++;
    checkpoint->bytes_out += job->pages.bytes.length;
    worker_submit(checkpoint->worker, &job->job);
}

static void submit_filled(struct checkpointing *checkpoint) {
    if (checkpoint->filling)
        submit(checkpoint, checkpoint->filling);
    checkpoint->filling = NULL;
}

/* The order is free: no page is told of that a removal covers. */
static size_t add(struct checkpointing *checkpoint, struct keyspace_page *page) {
    size_t length = resp_buf_length(&page->bytes);
    if (!checkpoint->filling)
        checkpoint->filling = store_data_job_new(STORE_DATA_PAGES);
    if (page->type == KEYSPACE_PAGE_REMOVE)
        store_data_job_add_delete(checkpoint->filling, (struct store_range){
                                                           .object = page->object,
                                                           .last_object = page->object,
                                                           .number = (uint32_t)page->number,
                                                           .last_number = (1u << STORE_NUMBER_BITS) - 1,
                                                       });
    else
        store_pages_add(&checkpoint->filling->pages, page->object, (uint32_t)page->number,
                        resp_buf_bytes(&page->bytes), length);
    checkpoint->pages++;
    checkpoint->bytes += length;
    resp_buf_close(&page->bytes);
    if (checkpoint->filling->pages.bytes.length >= JOB_BYTES)
        submit_filled(checkpoint);
    return length;
}

/* A turn's share. True: there is more for the next. */
static bool hand_out(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    struct keyspace_page page;
    size_t bytes = 0;
    for (size_t pages = 0; pages < PAGES_PER_TURN && bytes < BYTES_PER_TURN; pages++) {
        if (checkpoint->bytes_out >= BYTES_OUT_MAX)
            return false; /* the worker wakes the loop */
        if (!keyspace_checkpoint_next(node->keyspace, &page))
            return false;
        bytes += add(checkpoint, &page);
    }
    return true;
}

static void commit(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    struct store_data_job *job = store_data_job_new(STORE_DATA_COMMIT);
    submit_filled(checkpoint);
    job->meta = checkpoint->meta;
    checkpoint->meta = NULL;
    checkpoint->phase = CHECKPOINT_COMMITTING;
    submit(checkpoint, job);
}

static void forget(struct checkpointing *checkpoint) {
    store_data_job_free(checkpoint->filling);
    checkpoint->filling = NULL;
    store_meta_free(checkpoint->meta);
    checkpoint->meta = NULL;
    checkpoint->phase = CHECKPOINT_NONE;
}

static void fail(struct node *node, const char *why) {
    struct checkpointing *checkpoint = &node->checkpoint;
    if (checkpoint->phase == CHECKPOINT_FAILED)
        return;
    unsigned doublings = checkpoint->failures < RETRY_DOUBLINGS ? checkpoint->failures : RETRY_DOUBLINGS;
    checkpoint->phase = CHECKPOINT_FAILED;
    checkpoint->failures++;
    checkpoint->retry_ms = node->now_ms + ((uint64_t)RETRY_FIRST_MS << doublings);
    snprintf(checkpoint->why, sizeof checkpoint->why, "%.*s", (int)sizeof checkpoint->why - 1, why);
    log_warning(
        node->logger,
        "the checkpoint at %llu failed (%u in a row): %s. Nothing is lost, the log keeps growing; trying "
        "again in %llu s",
        (unsigned long long)checkpoint->index, checkpoint->failures, why,
        (unsigned long long)(RETRY_FIRST_MS << doublings) / 1000);
}

static void committed(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    keyspace_checkpoint_end(node->keyspace, true);
    forget(checkpoint);
    checkpoint->failures = 0;
    checkpoint->why[0] = '\0';
    checkpoint->done_index = checkpoint->index;
    checkpoint->behind_bytes -= checkpoint->applied_bytes;
    checkpoint->done_wall_ms = node_wall_ms(node);
    checkpoint->done_took_ms = node->now_ms - checkpoint->begun_ms;
    checkpoint->done_bytes = checkpoint->bytes;
    checkpoint->done_pages = checkpoint->pages;
    checkpoint->done_count++;
    log_notice(node->logger, "checkpoint at %llu: %llu pages, %llu KB in %llu ms; the data file has %llu KB",
               (unsigned long long)checkpoint->done_index, (unsigned long long)checkpoint->done_pages,
               (unsigned long long)checkpoint->done_bytes / 1024,
               (unsigned long long)checkpoint->done_took_ms,
               (unsigned long long)checkpoint->file_bytes / 1024);
}

/* ---- the turn's part ------------------------------------------------------------------------------------------ */

void checkpoint_take(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    if (!checkpoint->worker)
        return;
    for (struct worker_job *done; (done = worker_take(checkpoint->worker));) {
        struct store_data_job *job = (struct store_data_job *)done;
        checkpoint->jobs_out--;
        checkpoint->bytes_out -= job->pages.bytes.length;
        checkpoint->file_bytes = job->file_bytes;
        if (job->failed)
            fail(node, job->why);
        else if (job->type == STORE_DATA_COMMIT)
            committed(node);
        store_data_job_free(job);
    }
    if (checkpoint->phase == CHECKPOINT_FAILED && checkpoint->jobs_out == 0) {
        keyspace_checkpoint_end(node->keyspace, false);
        forget(checkpoint);
    }
}

bool checkpoint_turn(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    if (checkpoint->phase == CHECKPOINT_NONE && is_time(node))
        begin(node);
    if (checkpoint->phase != CHECKPOINT_WRITING)
        return false;
    if (hand_out(node))
        return true;
    if (keyspace_checkpoint_rest(node->keyspace) == 0 && node->raft_status.saved_index >= checkpoint->index)
        commit(node);
    return false;
}

bool checkpoint_is_behind(const struct node *node) {
    return node->checkpoint.phase != CHECKPOINT_NONE && keyspace_checkpoint_kept(node->keyspace) > KEPT_MAX;
}

void checkpoint_give_up(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    if (checkpoint->phase == CHECKPOINT_NONE || checkpoint->phase == CHECKPOINT_FAILED)
        return;
    submit(checkpoint, store_data_job_new(STORE_DATA_ABORT));
    checkpoint->phase = CHECKPOINT_FAILED;
}

bool checkpoint_idle(const struct node *node) {
    return node->checkpoint.phase == CHECKPOINT_NONE && node->checkpoint.jobs_out == 0;
}

void checkpoint_stop(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    if (checkpoint->worker) {
        worker_stop(checkpoint->worker);
        for (struct worker_job *job; (job = worker_take(checkpoint->worker));)
            store_data_job_free((struct store_data_job *)job);
        worker_free(checkpoint->worker);
        forget(checkpoint);
    }
    if (checkpoint->data)
        store_data_close(checkpoint->data);
    store_meta_free(checkpoint->terms);
    checkpoint->worker = NULL;
    checkpoint->data = NULL;
    checkpoint->terms = NULL;
}
