/* SPDX-License-Identifier: MIT */
/*
 * A snapshot received (snapshot_out.c has what is said on the wire), and put in the place of the state and of the log's beginning:
 *
 *      COMING        fragments are written beside the state, each with its checksum; after a broken link it goes on where it stopped
 *      INSTALLING    all of it is verified, and becomes data file n + 1, durably. Nobody uses it yet
 *         |          Raft is told. It may have no use for it: the log has caught up meanwhile. Then the file goes
 *      RESETTING     the log, in its place among the log's jobs: begin after it, data file n + 1 counts. From here on a restart finds the new
 *         |          state. The checkpoint under way is given up, the old file closed
 *      LOADING       the new state is read beside the loop, as at a start; clients are told -LOADING. Nothing is applied meanwhile
 *         |
 *      NONE          the keyspace is swapped, Raft goes on after the snapshot's entry; the old file is removed
 *
 * A crash between any two of these leaves the old state with the old log, or the new with the new.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node_state.h"

void snapshot_in_open(struct node *node) {
    struct snapshot_in *in = &node->snapshot_in;
    const struct store_data_wants wants = store_data_wants(&node->boot);
    in->copy = store_copy_new(node->conf->dir, &wants);
    in->worker = worker_new(node->loop, "receive", store_copy_run, in->copy);
}

static void submit(struct snapshot_in *in, struct store_copy_job *job) {
    strcpy(job->id, in->id);
    in->busy = true;
    worker_submit(in->worker, &job->job);
}

/* ---- answers ------------------------------------------------------------------------------------------------------ */

static struct resp_out answer(struct connection *connection) {
    client_touch(connection->client);
    return (struct resp_out){.buf = &connection->client->out, .protocol = 2};
}

static void tell_bytes(struct snapshot_in *in, uint64_t bytes) {
    if (!in->from)
        return;
    struct resp_out out = answer(in->from);
    resp_integer(&out, (int64_t)bytes);
}

/* The answer to END, or why it goes no further. Whoever sent it has nothing more to say. */
static void tell_end(struct snapshot_in *in, const char *why) {
    if (!in->from)
        return;
    struct resp_out out = answer(in->from);
    if (why)
        resp_error(&out, "ERR %s", why);
    else
        resp_status(&out, "OK");
    in->from = NULL;
}

void snapshot_in_left(struct node *node, const struct connection *connection) {
    if (node->snapshot_in.from == connection)
        node->snapshot_in.from = NULL;
}

/* ---- what is sent --------------------------------------------------------------------------------------------------- */

static bool read_number(const struct resp_arg *arg, uint64_t *number) {
    int64_t value;
    if (!resp_arg_integer(arg, &value) || value < 0)
        return false;
    *number = (uint64_t)value;
    return true;
}

/* Whoever sends one may be gone without a word: its connection stays half open for minutes. Another takes its place. */
static bool is_taken(const struct node *node) {
    const struct snapshot_in *in = &node->snapshot_in;
    bool speaks = in->from && node->now_ms - in->heard_ms < node->conf->election_timeout_ms;
    return in->phase > SNAPSHOT_IN_COMING || in->busy || speaks;
}

static bool take_offer(struct node *node, struct connection *connection, const struct resp_command *command) {
    struct snapshot_in *in = &node->snapshot_in;
    uint64_t index, size, crc;
    const struct resp_arg *id = &command->args[2];
    if (command->count != 6 || id->length == 0 || id->length > STORE_NAME_MAX ||
        !read_number(&command->args[3], &index) || !read_number(&command->args[4], &size) ||
        !read_number(&command->args[5], &crc) || crc > UINT32_MAX)
        return false;
    struct resp_out out = answer(connection);
    if (!in->worker || !node->raft || node->stopping)
        resp_error(&out, "LOADING this node is not ready for a snapshot");
    else if (index <= node->raft_status.commit)
        resp_error(&out, "ERR the log here goes up to %" PRIu64 " already", node->raft_status.commit);
    else if (is_taken(node))
        resp_error(&out, "TRYAGAIN another snapshot is coming in");
    else {
        tell_end(in, "another node sends its snapshot now");
        memcpy(in->id, id->bytes, id->length);
        in->id[id->length] = '\0';
        in->phase = SNAPSHOT_IN_COMING;
        in->from = connection;
        in->heard_ms = node->now_ms;
        in->size = size;
        in->crc = (uint32_t)crc;
        in->begun_ms = node->now_ms;
        log_notice(node->logger, "node %" PRIu64 " sends the snapshot of %" PRIu64 ", %" PRIu64 " KB",
                   connection->peer, index, size / 1024);
        submit(in, store_copy_job_new(STORE_COPY_BEGIN));
    }
    return true;
}

static bool take_part(struct node *node, const struct resp_command *command) {
    struct snapshot_in *in = &node->snapshot_in;
    uint64_t offset, crc;
    if (command->count != 5 || !read_number(&command->args[2], &offset) ||
        !read_number(&command->args[3], &crc) || command->args[4].length > STORE_FRAGMENT_MAX)
        return false;
    struct store_copy_job *job = store_copy_job_new(STORE_COPY_WRITE);
    job->offset = offset;
    job->crc = (uint32_t)crc;
    store_bytes_set(&job->fragment, command->args[4].bytes, command->args[4].length);
    submit(in, job);
    return true;
}

static void install(struct node *node) {
    struct snapshot_in *in = &node->snapshot_in;
    struct store_copy_job *job = store_copy_job_new(STORE_COPY_INSTALL);
    job->size = in->size;
    job->crc = in->crc;
    job->generation = node->checkpoint.generation + 1;
    in->phase = SNAPSHOT_IN_INSTALLING;
    submit(in, job);
}

bool snapshot_in_command(struct node *node, struct connection *connection,
                         const struct resp_command *command) {
    struct snapshot_in *in = &node->snapshot_in;
    if (command->count < 2)
        return false;
    if (resp_arg_is(&command->args[1], "OFFER"))
        return command->count > 2 && take_offer(node, connection, command);
    if (in->from != connection || in->busy || in->phase != SNAPSHOT_IN_COMING)
        return false;
    in->heard_ms = node->now_ms;
    if (resp_arg_is(&command->args[1], "PART"))
        return take_part(node, command);
    if (!resp_arg_is(&command->args[1], "END") || command->count != 2)
        return false;
    install(node);
    return true;
}

/* ---- installed: Raft decides ------------------------------------------------------------------------------------------ */

static void clean(struct node *node, uint64_t generation) {
    struct store_copy_job *job = store_copy_job_new(STORE_COPY_CLEAN);
    job->generation = generation;
    submit(&node->snapshot_in, job);
}

static void not_taken(struct node *node, const char *why) {
    struct snapshot_in *in = &node->snapshot_in;
    log_notice(node->logger, "the snapshot is not taken: %s", why);
    store_meta_free(in->meta);
    in->meta = NULL;
    in->phase = SNAPSHOT_IN_NONE;
    tell_end(in, NULL);
    clean(node, node->checkpoint.generation);
}

static void installed(struct node *node, struct store_copy_job *job) {
    struct snapshot_in *in = &node->snapshot_in;
    if (job->failed) {
        log_warning(node->logger, "the snapshot cannot be put in place: %s", job->why);
        in->phase = SNAPSHOT_IN_NONE;
        tell_end(in, job->why);
        return;
    }
    in->meta = job->meta;
    job->meta = NULL;
    struct raft_blob *members = raft_blob_new(in->meta->members.length);
    memcpy(members->bytes, in->meta->members.at, in->meta->members.length);
    if (!level_known(node, "the snapshot of entry", in->meta->applied, in->meta->feature_level))
        tell_end(in, "this node does not offer that feature level");
    else if (!raft_members_valid(members))
        not_taken(node, "it does not say who the members are");
    else if (!raft_restore(node->raft, node->now_ms, in->meta->applied, in->meta->applied_term, members))
        not_taken(node, "the log here has it all");
    else
        tell_end(in, NULL);
    raft_blob_unref(members);
}

/* Called in the midst of a ready: what is to be saved before it has been submitted, what comes after it has not. */
void snapshot_in_restore(struct node *node, const struct raft_snapshot *restore) {
    struct snapshot_in *in = &node->snapshot_in;
    assert(in->phase == SNAPSHOT_IN_INSTALLING && in->meta && in->meta->applied == restore->index);
    struct store_job *job = store_job_new(STORE_RESET);
    job->reset.index = restore->index;
    job->reset.term = restore->term;
    job->reset.data = node->checkpoint.generation + 1;
    worker_submit(node->log_worker, &job->job);
    in->phase = SNAPSHOT_IN_RESETTING;
    in->reset = false;
    node->state = REPORT_LOADING;
    node->caught_up = false;
    checkpoint_give_up(node);
    outcome_replaced(node, in->meta);
    membership_replaced(node, in->meta);
}

void snapshot_in_reset(struct node *node) {
    node->snapshot_in.reset = true;
}

/* The log points to the new file, and the old one is in nobody's hands. */
static void load(struct node *node) {
    struct snapshot_in *in = &node->snapshot_in;
    struct store_data_wants wants = store_data_wants(&node->boot);
    strcpy(wants.cluster, node->admission.identity.cluster);
    wants.generation = node->checkpoint.generation;
    checkpoint_stop(node);
    wants = store_data_wants_next(
        &wants, node->checkpoint.generation + 1, in->meta,
        node->raft_status.last_index > in->meta->applied ? node->raft_status.last_index : in->meta->applied);
    node->checkpoint.generation = wants.generation;
    in->phase = SNAPSHOT_IN_LOADING;
    loading_begin_next(node, &wants);
}

void snapshot_in_loaded(struct node *node) {
    struct snapshot_in *in = &node->snapshot_in;
    raft_index index = in->meta->applied;
    log_notice(node->logger, "the snapshot of %" PRIu64 " is in place, %" PRIu64 " ms after its first byte",
               index, node->now_ms - in->begun_ms);
    in->phase = SNAPSHOT_IN_NONE;
    in->installed++;
    level_set(node, in->meta->feature_level);
    store_meta_free(in->meta);
    in->meta = NULL;
    audit_mended(node);
    raft_applied(node->raft, index);
    raft_status(node->raft, &node->raft_status);
    clean(node, node->checkpoint.generation);
}

/* ---- the turn's part ---------------------------------------------------------------------------------------------------- */

static void take(struct node *node, struct store_copy_job *job) {
    struct snapshot_in *in = &node->snapshot_in;
    in->busy = false;
    switch (job->type) {
    case STORE_COPY_BEGIN:
    case STORE_COPY_WRITE:
        if (job->failed) {
            log_warning(node->logger, "the snapshot that comes in cannot be written: %s", job->why);
            tell_end(in, job->why);
        } else {
            tell_bytes(in, job->offset);
        }
        break;
    case STORE_COPY_INSTALL:
        installed(node, job);
        break;
    default:
        if (job->failed)
            log_warning(node->logger, "old files stay: %s", job->why);
        break;
    }
}

void snapshot_in_take(struct node *node) {
    struct snapshot_in *in = &node->snapshot_in;
    if (!in->worker)
        return;
    for (struct worker_job *done; (done = worker_take(in->worker));) {
        take(node, (struct store_copy_job *)done);
        store_copy_job_free((struct store_copy_job *)done);
    }
    if (in->phase == SNAPSHOT_IN_COMING && !in->from && !in->busy)
        in->phase = SNAPSHOT_IN_NONE; /* its file stays, to be continued */
    if (in->phase == SNAPSHOT_IN_RESETTING && in->reset && checkpoint_idle(node) && !node->loading)
        load(node);
}

void snapshot_in_close(struct node *node) {
    struct snapshot_in *in = &node->snapshot_in;
    if (in->worker) {
        worker_stop(in->worker);
        for (struct worker_job *job; (job = worker_take(in->worker));)
            store_copy_job_free((struct store_copy_job *)job);
        worker_free(in->worker);
        store_copy_free(in->copy);
    }
    store_meta_free(in->meta);
    *in = (struct snapshot_in){.copy = NULL};
}
