/* SPDX-License-Identifier: MIT */
/*
 * RAFT.BACKUP: a copy of the state as it is now, as a file of its own, while clients are served.
 *
 *      asked ── a checkpoint at this index or later ── the copy, on a worker of its own ── +answer: file, index, bytes, milliseconds
 *                       └── failed ────────────────────────────┴── failed ────────────── -ERR, in words; nothing is left behind
 *
 * Any node makes one, a follower of what it has applied. Clients name a file; where it goes says the configuration alone. One at a
 * time: a second asker is refused. Whoever asked may hang up, the backup is made nevertheless; RAFT.INFO and the log tell its end.
 */
#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

/* ---- its end ------------------------------------------------------------------------------------------------ */

static void drop_worker(struct backup *backup) {
    worker_free(backup->worker);
    store_copy_free(backup->copy);
    backup->worker = NULL;
    backup->copy = NULL;
}

static void write_figures(const struct backup *backup, struct resp_out *out) {
    resp_map(out, 4);
    resp_bulk_text(out, "name");
    resp_bulk_text(out, backup->name);
    resp_bulk_text(out, "index");
    resp_integer(out, (int64_t)backup->done_index);
    resp_bulk_text(out, "bytes");
    resp_integer(out, (int64_t)backup->done_bytes);
    resp_bulk_text(out, "milliseconds");
    resp_integer(out, (int64_t)backup->done_took_ms);
}

/* backup->why "": it succeeded. */
static void answer(struct node *node) {
    struct backup *backup = &node->backup;
    struct connection *asker = backup->asker;
    backup->asker = NULL;
    if (!asker)
        return;
    asker->awaits = false;
    struct resp_out out = {.buf = &asker->client->out, .protocol = asker->session.protocol};
    size_t mark = resp_buf_length(out.buf);
    if (backup->why[0])
        resp_error(&out, "ERR there is no backup: %s", backup->why);
    else
        write_figures(backup, &out);
    connection_count_reply(node, NULL, &out, mark);
    if (backup->quiet)
        resp_buf_truncate(out.buf, mark);
    client_touch(asker->client);
    connection_queue(node, asker);
}

static void fail(struct node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct node *node, const char *format, ...) {
    struct backup *backup = &node->backup;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(backup->why, sizeof backup->why, format, arguments);
    va_end(arguments);
    backup->phase = BACKUP_NONE;
    log_warning(node->logger, "backup %s: failed: %s", backup->name, backup->why);
    answer(node);
}

static void finish(struct node *node, const struct store_copy_job *job) {
    struct backup *backup = &node->backup;
    backup->phase = BACKUP_NONE;
    backup->why[0] = '\0';
    backup->done_index = job->meta->applied;
    backup->done_bytes = job->size;
    backup->done_took_ms = node->now_ms - backup->begun_ms;
    backup->done_wall_ms = node_wall_ms(node);
    backup->done_count++;
    log_notice(node->logger, "backup %s/%s: the state at %" PRIu64 ", %" PRIu64 " KB in %" PRIu64 " ms",
               node->conf->backup_dir, backup->name, backup->done_index, backup->done_bytes / 1024,
               backup->done_took_ms);
    answer(node);
}

/* ---- its course --------------------------------------------------------------------------------------------- */

static bool is_name(const struct resp_arg *name) {
    if (name->length == 0 || name->length > STORE_NAME_MAX || name->bytes[0] == '.')
        return false;
    for (size_t i = 0; i < name->length; i++)
        if (!isalnum((unsigned char)name->bytes[i]) && !strchr("-_.", name->bytes[i]))
            return false;
    return memchr(name->bytes, 0, name->length) == NULL;
}

/* Why there can be none now; NULL: there can. */
static const char *refusal(const struct node *node, const struct resp_arg *name) {
    if (!node->conf->backup_dir[0])
        return "ERR backups are off: set backup-dir in this node's configuration and restart it";
    if (!is_name(name))
        return "ERR a backup's name has up to 100 letters, digits, '-', '_' and '.', and does not begin with "
               "'.'";
    if (node->backup.phase != BACKUP_NONE)
        return "ERR a backup is being made already";
    if (!node->checkpoint.data || !node->raft || node->state == REPORT_LOADING)
        return "LOADING this node has not read its data yet";
    if (node->audit.differs)
        return "ERR the state of this node differs from the others'";
    if (node->stopping)
        return "ERR this node is stopping";
    return NULL;
}

void backup_begin(struct node *node, const struct resp_arg *name, struct connection *asker, bool quiet,
                  struct resp_out *out) {
    struct backup *backup = &node->backup;
    const char *error = refusal(node, name);
    if (error) {
        resp_error(out, "%s", error);
        return;
    }
    backup->phase = BACKUP_CHECKPOINT;
    snprintf(backup->name, sizeof backup->name, "%.*s", (int)name->length, name->bytes);
    backup->index = node->raft_status.applied;
    backup->failures = node->checkpoint.failures;
    backup->begun_ms = node->now_ms;
    backup->asker = asker;
    backup->quiet = quiet;
    asker->awaits = true;
    node->checkpoint.wanted = true;
    node->checkpoint.retry_ms = node->now_ms; /* it is asked for now */
    log_notice(node->logger, "backup %s: begun, of the state at %" PRIu64 " or later", backup->name,
               backup->index);
}

static void copy(struct node *node) {
    struct backup *backup = &node->backup;
    struct store_data_wants wants = store_data_wants(&node->boot);
    wants.generation = node->checkpoint.generation;
    memcpy(wants.cluster, node->admission.identity.cluster, sizeof wants.cluster);
    backup->copy = store_copy_new(node->conf->dir, &wants);
    store_copy_set_rate(backup->copy, node->checkpoint.rate);
    backup->worker = worker_new(node->loop, "backup", store_copy_run, backup->copy);
    worker_background(backup->worker);
    struct store_copy_job *job = store_copy_job_new(STORE_COPY_BACKUP);
    job->generation = wants.generation;
    job->backup_dir = strdup(node->conf->backup_dir);
    if (!job->backup_dir)
        abort();
    strcpy(job->name, backup->name);
    backup->phase = BACKUP_COPY;
    worker_submit(backup->worker, &job->job);
}

/* A checkpoint that was under way when the backup was asked for may have begun too early: then the next one counts. */
static void watch_checkpoint(struct node *node) {
    struct backup *backup = &node->backup;
    struct checkpointing *checkpoint = &node->checkpoint;
    if (!checkpoint->data)
        return; /* a snapshot from the leader takes the state's place */
    if (checkpoint->done_index >= backup->index)
        copy(node);
    else if (checkpoint->failures > backup->failures)
        fail(node, "its checkpoint failed: %s", checkpoint->why);
    else
        checkpoint->wanted |= checkpoint->phase == CHECKPOINT_NONE;
    backup->failures = checkpoint->failures;
}

/* The worker ends. job NULL: its job is waited for. */
static void take(struct node *node, struct store_copy_job *job) {
    struct backup *backup = &node->backup;
    worker_stop(backup->worker);
    if (!job)
        job = (struct store_copy_job *)worker_take(backup->worker);
    drop_worker(backup);
    if (job->failed)
        fail(node, "%s", job->why);
    else
        finish(node, job);
    store_copy_job_free(job);
}

void backup_turn(struct node *node) {
    struct backup *backup = &node->backup;
    struct worker_job *done = backup->phase == BACKUP_COPY ? worker_take(backup->worker) : NULL;
    if (done)
        take(node, (struct store_copy_job *)done);
    else if (backup->phase == BACKUP_COPY) /* for as long as it reads the data's WAL keeps all */
        store_copy_set_rate(backup->copy, node->checkpoint.rate);
    if (backup->phase == BACKUP_CHECKPOINT)
        watch_checkpoint(node);
    if (backup->phase != BACKUP_NONE && node->stopping)
        backup_stop(node);
}

/* One that is nearly done may still succeed. */
void backup_stop(struct node *node) {
    struct backup *backup = &node->backup;
    if (backup->phase == BACKUP_CHECKPOINT)
        fail(node, "the node ends");
    if (backup->phase == BACKUP_NONE)
        return;
    store_copy_give_up(backup->copy);
    take(node, NULL);
}

void backup_forget(struct node *node, const struct connection *connection) {
    if (node->backup.asker == connection)
        node->backup.asker = NULL;
}

void backup_report(const struct node *node, struct report *report) {
    const struct backup *backup = &node->backup;
    report->backup_under_way = backup->phase != BACKUP_NONE;
    report->backup_count = backup->done_count;
    report->backup_ms = backup->done_wall_ms;
    report->backup_index = backup->done_index;
    report->backup_bytes = backup->done_bytes;
    report->backup_took_ms = backup->done_took_ms;
    snprintf(report->backup_error, sizeof report->backup_error, "%.*s", (int)sizeof report->backup_error - 1,
             backup->why);
}
