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
 *      the log   ------- durable through A ------------^           \ the log before A goes, less a tail
 *
 * The commit waits until the log is durable through A: a leader may have applied what a majority has, before its own disk has it, and
 * a state that is ahead of its own log could not be told from a log that has lost its end.
 *
 * A failure (a full disk, say) loses nothing: the pages are dirty again, and it is tried again later.
 *
 * Bounded are: the pages that are with the worker (BYTES_OUT_MAX; the loop hands out no more); what is kept since it changed before
 * it was written (KEPT_MIN, or a part of the keyspace if that is more; then growing writes wait); and what a turn does: it hands out
 * as much as fits into TURN_US, less what its commands have copied. A single command copies all that it is about to change, though.
 * How long each turn had to do with it is counted (pause).
 *
 * The next one begins when the last one's WAL is in the data file: until then nothing of it could be written, and all that changes
 * would be kept.
 *
 * The worker writes at a rate that is small at first, so that the log on the same disk hardly feels it, and grows with what
 * presses (rate.h). Nobody waits for a checkpoint.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"
#include "rate.h"

enum {
    PAGES_PER_TURN = 64,
    BYTES_PER_TURN = 256 * 1024,
    TURN_US = 1000,
    JOB_BYTES = 256 * 1024,
    BYTES_OUT_MAX = 4 * 1024 * 1024,
    KEPT_MIN = 32 * 1024 * 1024,
    KEPT_PART = 8, /* of the keyspace */
    RETRY_FIRST_MS = 1000,
    RETRY_DOUBLINGS = 6,
    TERMS_MAX = 16384, /* rows of the table of terms; older ones are forgotten */
};

/* ---- what is known of the last one ------------------------------------------------------------------------ */

void checkpoint_open(struct node *node, struct store_data *data, struct store_meta *meta) {
    struct checkpointing *checkpoint = &node->checkpoint;
    checkpoint->data = data;
    checkpoint->worker = worker_new(node->loop, "data", store_data_run, data);
    checkpoint->rate = 0; /* as a data file's is at first */
    checkpoint->done_index = meta->applied;
    checkpoint->behind_bytes = 0;
    checkpoint->done_wal_bytes = node->log_wal_bytes;
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

/* ---- what it costs the loop ------------------------------------------------------------------------------------ */

struct checkpoint_pause checkpoint_stopwatch(void) {
    return (struct checkpoint_pause){instant_mono_us(), instant_cpu_us()};
}

void checkpoint_spent(struct node *node, const struct checkpoint_pause *begun) {
    struct checkpointing *checkpoint = &node->checkpoint;
    checkpoint->turn.cpu_us += instant_cpu_us() - begun->cpu_us;
    checkpoint->turn.us += instant_mono_us() - begun->us;
}

/* What this turn's commands have copied. Looking at the CPU's clock for each copy would cost a third of it: so it was on a CPU for as long
 * as it took, but no longer than the turn was. */
static void add_copied(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    struct keyspace_copied copied;
    keyspace_checkpoint_copied(node->keyspace, &copied);
    if (copied.us <= checkpoint->copied_us)
        return;
    uint64_t us = copied.us - checkpoint->copied_us;
    uint64_t cpu_us = instant_cpu_us() - checkpoint->turn_cpu_us - checkpoint->turn.cpu_us;
    checkpoint->turn.us += us;
    checkpoint->turn.cpu_us += us < cpu_us ? us : cpu_us;
    checkpoint->copied_us = copied.us;
}

static void note_turn(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    const struct checkpoint_pause *turn = &checkpoint->turn;
    if (turn->us == 0)
        return;
    latency_add(&node->checkpoint_us, node->now_ms, turn->us);
    latency_add(&node->checkpoint_cpu_us, node->now_ms, turn->cpu_us);
    if (turn->us > checkpoint->longest.us)
        checkpoint->longest.us = turn->us;
    if (turn->cpu_us > checkpoint->longest.cpu_us)
        checkpoint->longest.cpu_us = turn->cpu_us;
}

/* ---- how fast it goes ------------------------------------------------------------------------------------------- */

static uint64_t kept_max(const struct node *node) {
    uint64_t part = keyspace_memory(node->keyspace) / KEPT_PART;
    return part > KEPT_MIN ? part : KEPT_MIN;
}

static bool is_under_way(const struct checkpointing *checkpoint) {
    return checkpoint->phase == CHECKPOINT_WRITING || checkpoint->phase == CHECKPOINT_COMMITTING;
}

/* By which the log has grown: of its entries, or on the disk, where each commit takes a page at least. */
static uint64_t grown(const struct node *node, bool under_way) {
    const struct checkpointing *checkpoint = &node->checkpoint;
    uint64_t entries = checkpoint->behind_bytes - (under_way ? checkpoint->applied_bytes : 0);
    uint64_t wal =
        node->log_wal_bytes - (under_way ? checkpoint->attempt_wal_bytes : checkpoint->done_wal_bytes);
    return entries > wal ? entries : wal;
}

/* Of the log. */
static struct rate_strain strain_of(const struct node *node) {
    const struct checkpointing *checkpoint = &node->checkpoint;
    bool under_way = is_under_way(checkpoint);
    raft_index applied = node->raft_status.applied,
               from = under_way ? checkpoint->index : checkpoint->done_index;
    return (struct rate_strain){
        .grown = grown(node, under_way),
        .grown_max = node->conf->checkpoint_log_bytes,
        .entries = applied > from ? applied - from : 0,
        .entries_max = node->conf->checkpoint_entries,
    };
}

/* Between two checkpoints, while the WAL is moved into the file, the next one cannot be written. */
static void set_rate(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    struct rate_strain strain = strain_of(node);
    strain.kept = keyspace_checkpoint_kept(node->keyspace);
    strain.kept_max = kept_max(node);
    strain.hurry = node->disk.low || node->stopping || checkpoint->phase == CHECKPOINT_FAILED;
    uint64_t rate = rate_of(node->conf->checkpoint_rate, &strain);
    if (rate != checkpoint->rate)
        store_data_set_rate(checkpoint->data, rate);
    checkpoint->rate = rate;
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
    if (store_data_is_moving(checkpoint->data))
        return false;
    struct rate_strain strain = strain_of(node);
    return checkpoint->wanted || rate_is_due(&strain, !node->caught_up);
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
    checkpoint->attempt_wal_bytes = node->log_wal_bytes;
    checkpoint->begun_ms = node->now_ms;
    checkpoint->bytes = checkpoint->pages = checkpoint->copied_us = 0;
    checkpoint->longest = (struct checkpoint_pause){0};
    worker_background(checkpoint->worker);
    keyspace_checkpoint_time(node->keyspace, instant_mono_us);
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

/* All of them, which are the caller's now. */
static void *take_bytes(struct keyspace_page *page) {
    void *bytes = page->bytes.bytes;
    assert(page->bytes.start == 0);
    page->bytes = (struct resp_buf){0};
    return bytes;
}

/* The order is free: no page is told of that a removal covers. */
static size_t add(struct checkpointing *checkpoint, struct keyspace_page *page) {
    size_t length = resp_buf_length(&page->bytes);
    if (length >= JOB_BYTES) /* a job for itself: its bytes are not copied */
        submit_filled(checkpoint);
    if (!checkpoint->filling)
        checkpoint->filling = store_data_job_new(STORE_DATA_PAGES);
    if (page->type == KEYSPACE_PAGE_REMOVE)
        store_data_job_add_delete(checkpoint->filling, (struct store_range){
                                                           .object = page->object,
                                                           .last_object = page->object,
                                                           .number = (uint32_t)page->number,
                                                           .last_number = (1u << STORE_NUMBER_BITS) - 1,
                                                       });
    else if (length >= JOB_BYTES)
        store_pages_take(&checkpoint->filling->pages, page->object, (uint32_t)page->number, take_bytes(page),
                         length);
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

/* Keys or members of hundreds of MB each, many side by side. */
static void refuse(struct node *node, struct keyspace_page *page) {
    struct checkpointing *checkpoint = &node->checkpoint;
    char why[CHECKPOINT_WHY_MAX];
    snprintf(why, sizeof why, "keys or members that lie side by side have %zu MB together, %d can be written",
             resp_buf_length(&page->bytes) / 1000000, STORE_PAGE_MAX / 1000000);
    resp_buf_close(&page->bytes);
    submit(checkpoint, store_data_job_new(STORE_DATA_ABORT));
    fail(node, why);
}

/* A turn's share, until then, but a page at least. True: there is more for the next. */
static bool hand_out(struct node *node, uint64_t until_us) {
    struct checkpointing *checkpoint = &node->checkpoint;
    struct keyspace_page page;
    size_t bytes = 0;
    for (size_t pages = 0; pages < PAGES_PER_TURN && bytes < BYTES_PER_TURN; pages++) {
        if (checkpoint->bytes_out >= BYTES_OUT_MAX)
            return false; /* the worker wakes the loop */
        if (pages > 0 && instant_mono_us() >= until_us)
            break;
        if (!keyspace_checkpoint_next(node->keyspace, &page))
            return false;
        if (resp_buf_length(&page.bytes) > STORE_PAGE_MAX) {
            refuse(node, &page);
            return false;
        }
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

static void committed(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    keyspace_checkpoint_end(node->keyspace, true);
    forget(checkpoint);
    checkpoint->failures = 0;
    checkpoint->why[0] = '\0';
    checkpoint->done_index = checkpoint->index;
    checkpoint->behind_bytes -= checkpoint->applied_bytes;
    checkpoint->done_wal_bytes = checkpoint->attempt_wal_bytes;
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
    checkpoint->turn = (struct checkpoint_pause){0};
    if (!checkpoint->worker)
        return;
    set_rate(node);
    if (checkpoint->phase != CHECKPOINT_NONE)
        checkpoint->turn_cpu_us = instant_cpu_us();
    struct worker_job *done = worker_take(checkpoint->worker);
    if (!done)
        return;
    const struct checkpoint_pause begun = checkpoint_stopwatch();
    for (; done; done = worker_take(checkpoint->worker)) {
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
    checkpoint_spent(node, &begun);
}

static bool write_some(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    uint64_t spent_us = checkpoint->turn.us < TURN_US ? checkpoint->turn.us : TURN_US;
    if (checkpoint->bytes_out >= BYTES_OUT_MAX)
        return false;
    if (hand_out(node, instant_mono_us() + TURN_US - spent_us))
        return true;
    if (checkpoint->phase == CHECKPOINT_WRITING && keyspace_checkpoint_rest(node->keyspace) == 0 &&
        node->raft_status.saved_index >= checkpoint->index)
        commit(node);
    return false;
}

bool checkpoint_turn(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    bool more = false;
    add_copied(node);
    if (checkpoint->phase == CHECKPOINT_WRITING || (checkpoint->phase == CHECKPOINT_NONE && is_time(node))) {
        const struct checkpoint_pause begun = checkpoint_stopwatch();
        if (checkpoint->phase == CHECKPOINT_NONE)
            begin(node);
        more = write_some(node);
        checkpoint_spent(node, &begun);
    }
    note_turn(node);
    return more;
}

bool checkpoint_is_behind(const struct node *node) {
    return node->checkpoint.phase != CHECKPOINT_NONE &&
           keyspace_checkpoint_kept(node->keyspace) > kept_max(node);
}

void checkpoint_give_up(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    if (checkpoint->phase == CHECKPOINT_NONE || checkpoint->phase == CHECKPOINT_FAILED)
        return;
    submit(checkpoint, store_data_job_new(STORE_DATA_ABORT));
    checkpoint->phase = CHECKPOINT_FAILED;
    set_rate(node);
}

bool checkpoint_idle(const struct node *node) {
    return node->checkpoint.phase == CHECKPOINT_NONE && node->checkpoint.jobs_out == 0;
}

void checkpoint_stop(struct node *node) {
    struct checkpointing *checkpoint = &node->checkpoint;
    if (checkpoint->worker) {
        store_data_set_rate(checkpoint->data, 0);
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
