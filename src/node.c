/* SPDX-License-Identifier: MIT */
/*
 * THE FLOW. Everything that a node does is done in node_turn, once per turn of the event loop, in one order:
 *
 *      poll                     the network's callbacks fill buffers; the disk's worker wakes the loop
 *        |
 *      finished jobs            what is durable now: Raft is told, its promises go out
 *      links, peers' messages   stepped before any timer fires: the heartbeat may be among them
 *      tick                     elections, heartbeats
 *      clients' commands        gathered: all writes of the turn into one entry, all reads into one round
 *      propose, ask             the entry is appended, the round is begun
 *      obey                     what Raft wants done, from top to bottom: save, send, apply, answer
 *      flush                    one write per connection that has something to say
 *
 * So one turn is one batch, one entry, one job for the disk; while the disk works on it the loop goes on, and what
 * comes meanwhile is the next batch. Effects have their order here and nowhere else:
 *
 *     - a promise (a vote, an acknowledgement of entries) leaves when its ready is durable, never before;
 *     - a leader's appends leave at once, beside its own write;
 *     - replies come only from applying, and only what is committed is applied;
 *     - applying never proposes (a read that meets a key which is due is asked again by the flow, at the end of the turn).
 */
#include "node.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum {
    STOP_WAIT_MS = 2000,        /* an orderly end waits so long for what is under way */
    CLOCK_ENTRY_EVERY_MS = 100, /* entries proposed only so that keys expire */
    RECLAIM_PER_TURN = 256,
    READIES_PER_TURN = 64,
};

/* ---- the end ----------------------------------------------------------------------------------------------- */

void node_fail(struct node *node, const char *format, ...) {
    if (node->end == NODE_FAILED)
        return;
    char text[STORE_WHY_MAX + 256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_warning(node->logger, "%s", text);
    snprintf(node->failure, sizeof node->failure, "%.*s", (int)sizeof node->failure - 1, text);
    node->state = REPORT_FAILED;
    node->end = NODE_FAILED;
}

enum node_end node_ended(const struct node *node) {
    return node->end;
}

void node_stop(struct node *node) {
    if (node->stopping)
        return;
    log_notice(node->logger, "asked to stop; %zu requests are under way", serve_held(node));
    node->stopping = true;
    node->stop_by_ms = node->now_ms + STOP_WAIT_MS;
    net_stop_listening(node->net);
}

/* Every write that was taken gets its answer, or is told that its outcome is unknown, before the sockets close. */
static void stop_when_done(struct node *node) {
    if (!node->stopping || node->end != NODE_RUNNING)
        return;
    if (node->writes.first && node->now_ms < node->stop_by_ms)
        return;
    for (struct lane *lane; (lane = lanes_take_first(&node->writes));)
        serve_doubt(node, lane);
    for (struct lane *lane; (lane = lanes_take_first(&node->reads));)
        serve_fail(node, lane);
    node->end = NODE_STOPPED;
}

/* ---- the disk's answers ------------------------------------------------------------------------------------ */

static void keep_promises(struct node *node, uint64_t sequence) {
    struct promise *promise = node->promises;
    assert(promise && promise->sequence == sequence);
    node->promises = promise->next;
    if (!node->promises)
        node->promises_last = NULL;
    node->unsaved_bytes -= promise->bytes;
    raft_saved(node->raft, node->now_ms, sequence);
    peers_send(node, &promise->messages);
    free(promise->messages.at);
    free(promise);
}

static void take_log_job(struct node *node, struct store_job *job) {
    if (job->failed) {
        node_fail(node,
                  "the log cannot be written: %s. This node ends; the others go on. Mend the disk and start "
                  "it again",
                  job->why);
        store_job_free(job);
        return;
    }
    if (job->batch_synced) {
        node->statistics.fsyncs++;
        latency_add(&node->fsync, node->now_ms, job->batch_us);
    }
    node->log_bytes = job->log_bytes;
    node->log_first = job->first_index;
    switch (job->type) {
    case STORE_SAVE:
        keep_promises(node, job->sequence);
        break;
    case STORE_READ:
        raft_fetched(node->raft, &job->fetch, &job->entries);
        break;
    case STORE_IDENTITY:
        node->storing_identity = false;
        break;
    }
    store_job_free(job);
}

static void start_raft(struct node *node);

static void take_finished(struct node *node) {
    if (!node->log_worker)
        return;
    for (struct worker_job *job; node->end != NODE_FAILED && (job = worker_take(node->log_worker));)
        take_log_job(node, (struct store_job *)job);
    if (node->state == REPORT_JOINING && !node->storing_identity && node->admission.identity.cluster[0])
        start_raft(node);
}

/* ---- opening ----------------------------------------------------------------------------------------------- */

/* Opening reads the whole log once, so it is a job too: the loop answers RAFT.INFO meanwhile. */
struct open_job {
    struct worker_job job;
    char dir[CONF_TEXT_MAX];
    raft_id id;
    char incarnation[STORE_ID_LENGTH + 1];
    struct store_log *log;
    struct store_boot boot;
    enum store_result result;
    char why[STORE_WHY_MAX];
};

static void run_open(void *context, struct worker_job *batch) {
    (void)context;
    struct open_job *open = (struct open_job *)batch;
    if (!open)
        return; /* nothing to tidy up */
    open->result = store_log_open(open->dir, open->id, open->incarnation, &open->log, &open->boot, open->why);
}

static void begin_open(struct node *node) {
    struct open_job *open = calloc(1, sizeof *open);
    if (!open)
        abort();
    snprintf(open->dir, sizeof open->dir, "%s", node->conf->dir);
    open->id = node->conf->raft_id;
    admission_random_id(open->incarnation);
    node->boot_worker = worker_new(node->loop, "open", run_open, NULL);
    worker_submit(node->boot_worker, &open->job);
}

static void set_members(struct node *node, struct store_identity *identity) {
    const struct conf *conf = node->conf;
    for (size_t i = 0; i < conf->node_count; i++) {
        struct store_member *member = &identity->members[identity->member_count++];
        member->id = conf->nodes[i].id;
        snprintf(member->address, sizeof member->address, "%s:%u", conf->nodes[i].host, conf->nodes[i].port);
        if (member->id == identity->node)
            strcpy(member->incarnation, identity->incarnation);
    }
}

/* Addresses are not identity: a member of a formed cluster is dialled where the configuration says. */
static void take_addresses(struct node *node, struct store_identity *identity) {
    const struct conf *conf = node->conf;
    for (size_t i = 0; i < conf->node_count; i++) {
        size_t at = 0;
        while (at < identity->member_count && identity->members[at].id != conf->nodes[i].id)
            at++;
        if (at < identity->member_count)
            snprintf(identity->members[at].address, sizeof identity->members[at].address, "%.240s:%u",
                     conf->nodes[i].host, conf->nodes[i].port);
        else
            log_warning(
                node->logger,
                "raft-node %llu is not a member: the cluster has formed without it; the line is ignored",
                (unsigned long long)conf->nodes[i].id);
    }
}

/* A cluster that has formed is who its file says; one that has not is who its configuration says. */
static void take_identity(struct node *node) {
    struct store_identity *identity = &node->admission.identity;
    *identity = node->boot.identity;
    if (!identity->cluster[0]) {
        identity->member_count = 0;
        set_members(node, identity);
    } else {
        take_addresses(node, identity);
    }
    node->state = REPORT_JOINING;
    peers_open(node);
    if (admission_form(&node->admission))
        node_form(node);
}

static void finish_open(struct node *node) {
    struct open_job *open = (struct open_job *)worker_take(node->boot_worker);
    if (!open)
        return;
    worker_stop(node->boot_worker);
    worker_free(node->boot_worker);
    node->boot_worker = NULL;
    if (open->result != STORE_OK) {
        node_fail(node, "%s", open->why);
    } else {
        node->log = open->log;
        node->boot = open->boot;
        node->log_bytes = open->boot.log_bytes;
        node->log_first = open->boot.first_index;
        log_notice(node->logger, "%s %s: node %llu, incarnation %.8s, %llu entries, term %llu; took %llu ms",
                   open->boot.created ? "made" : "opened", open->dir, (unsigned long long)open->id,
                   open->boot.identity.incarnation, (unsigned long long)open->boot.raft.last_index,
                   (unsigned long long)open->boot.raft.term,
                   (unsigned long long)((node->now.mono_us - node->started.mono_us) / 1000));
        node->log_worker = worker_new(node->loop, "log", store_log_run, node->log);
        take_identity(node);
    }
    free(open);
}

void node_form(struct node *node) {
    struct store_job *job = store_job_new(STORE_IDENTITY);
    job->identity = malloc(sizeof *job->identity);
    if (!job->identity)
        abort();
    *job->identity = node->admission.identity;
    node->storing_identity = true;
    log_notice(node->logger, "all %zu members have met: cluster %s", node->admission.identity.member_count,
               node->admission.identity.cluster);
    worker_submit(node->log_worker, &job->job);
}

static void start_raft(struct node *node) {
    raft_id voters[STORE_MEMBERS_MAX];
    const struct store_identity *identity = &node->admission.identity;
    for (size_t i = 0; i < identity->member_count; i++)
        voters[i] = identity->members[i].id;
    const struct raft_config config = {
        .self = identity->node,
        .voters = voters,
        .voter_count = identity->member_count,
        .seed = node->seed,
        .election_timeout_ms = node->conf->election_timeout_ms,
        .heartbeat_ms = node->conf->heartbeat_ms,
        .tail_bytes_max = node->conf->log_cache_bytes,
        .append_bytes_max = WIRE_MESSAGE_MAX / 2,
        .window_bytes_max = WIRE_WINDOW_BYTES / 4,
        .window_messages_max = 256,
        .uncommitted_bytes_max = node->conf->uncommitted_bytes_max,
        .apply_bytes_max = WIRE_MESSAGE_MAX,
    };
    node->raft = raft_new(&config, &node->boot.raft, node->now_ms);
    node->state = node->boot.raft.last_index > 0 ? REPORT_LOADING : REPORT_UP;
    node->caught_up = node->state == REPORT_UP;
    node->leaderless_since_ms = node->now_ms;
}

/* ---- Raft wants ---------------------------------------------------------------------------------------------- */

static void save(struct node *node, const struct raft_ready *ready) {
    struct store_job *job = store_job_new(STORE_SAVE);
    struct promise *promise = calloc(1, sizeof *promise);
    if (!promise)
        abort();
    job->sequence = promise->sequence = ready->sequence;
    if (ready->vote) {
        job->has_vote = true;
        job->vote = *ready->vote;
    }
    if (ready->save.count > 0) {
        job->entries.at = malloc(ready->save.count * sizeof *job->entries.at);
        if (!job->entries.at)
            abort();
        for (size_t i = 0; i < ready->save.count; i++) {
            job->entries.at[i] = ready->save.at[i];
            if (job->entries.at[i].data)
                promise->bytes += raft_blob_ref(job->entries.at[i].data)->length;
        }
        job->entries.count = ready->save.count;
    }
    if (ready->promise.count > 0) {
        promise->messages.at = malloc(ready->promise.count * sizeof *promise->messages.at);
        if (!promise->messages.at)
            abort();
        memcpy(promise->messages.at, ready->promise.at, ready->promise.count * sizeof *promise->messages.at);
        promise->messages.count = ready->promise.count;
        for (size_t i = 0; i < promise->messages.count; i++)
            assert(promise->messages.at[i].entries.count == 0); /* appends are never promises */
    }
    node->unsaved_bytes += promise->bytes;
    if (node->promises_last)
        node->promises_last->next = promise;
    else
        node->promises = promise;
    node->promises_last = promise;
    worker_submit(node->log_worker, &job->job);
}

static void fetch(struct node *node, const struct raft_fetches *fetches) {
    for (size_t i = 0; i < fetches->count; i++) {
        struct store_job *job = store_job_new(STORE_READ);
        job->fetch = fetches->at[i];
        worker_submit(node->log_worker, &job->job);
    }
}

static void confirm_reads(struct node *node, const struct raft_reads *reads) {
    for (size_t i = 0; i < reads->count; i++)
        for (struct lane *lane = node->reads.first; lane; lane = lane->next)
            if (lane->token == reads->at[i].token) {
                lane->confirmed = true;
                lane->index = reads->at[i].index;
            }
}

static void tell(struct node *node, const char *trace) {
    while (*trace) {
        int length = (int)strcspn(trace, "\n");
        log_notice(node->logger, "%.*s", length, trace);
        if (strncmp(trace, "following", 9) != 0 && strncmp(trace, "standing", 8) != 0)
            snprintf(node->cause, sizeof node->cause, "%.*s", length, trace);
        trace += length + (trace[length] == '\n');
    }
}

/* One ready, from top to bottom. */
static bool obey_one(struct node *node) {
    struct raft_ready ready;
    if (!raft_ready(node->raft, &ready))
        return false;
    tell(node, ready.trace);
    if (ready.sequence != 0)
        save(node, &ready);
    peers_send(node, &ready.send);
    if (ready.apply.count > 0)
        apply_entries(node, &ready.apply);
    confirm_reads(node, &ready.reads);
    fetch(node, &ready.fetch);
    return true;
}

/* True when there may be more: nothing may run for long without the loop turning. */
static bool obey(struct node *node) {
    size_t count = 0;
    while (node->end != NODE_FAILED && count < READIES_PER_TURN && obey_one(node))
        count++;
    raft_status(node->raft, &node->raft_status);
    apply_reads(node);
    return count == READIES_PER_TURN;
}

/* ---- what the turn gathered ------------------------------------------------------------------------------------ */

void node_propose(struct node *node) {
    struct lane *lane = node->writing;
    if (!lane)
        return;
    node->writing = NULL;
    struct raft_blob *blob =
        entry_close(&node->batch, clock_tell(&node->clock, node_wall_ms(node), node->now_ms));
    lane->begun_us = node->now.mono_us;
    if (raft_propose(node->raft, blob, &lane->index, &lane->term) == RAFT_OK)
        lanes_insert(&node->writes, lane);
    else
        serve_fail(node, lane);
    node->raft_status.uncommitted_bytes += blob->length;
    raft_blob_unref(blob);
}

static void ask(struct node *node) {
    struct lane *lane = node->reading;
    if (!lane)
        return;
    node->reading = NULL;
    lane->begun_us = node->now.mono_us;
    lanes_append(&node->reads, lane);
}

/* Rounds that are not begun, or were forgotten with a lost leadership, are asked for as soon as this node leads again; when another
 * leads, or nobody for too long, their reads were certainly not done. */
static void ask_raft(struct node *node) {
    if (!node->reads.first)
        return;
    const struct raft_status *status = &node->raft_status;
    for (struct lane *lane = node->reads.first; lane; lane = lane->next)
        if (status->serving && !lane->confirmed && lane->term != status->term) {
            lane->token = ++node->next_token;
            if (raft_read(node->raft, lane->token) == RAFT_OK)
                lane->term = status->term;
        }
    if (status->role == RAFT_LEADER)
        return;
    uint64_t patience_us = 2000ull * node->conf->election_timeout_ms;
    while (node->reads.first && !node->reads.first->confirmed &&
           (status->leader != 0 || node->now.mono_us - node->reads.first->begun_us > patience_us))
        serve_fail(node, lanes_take_first(&node->reads));
}

/* Keys that are due by the leader's clock go when an entry with a later clock is applied; nobody need write for that. Each
 * entry frees so many of them: when more were due, another one frees the next. */
static void propose_clock(struct node *node) {
    if (!node->raft_status.serving || node->writing || node->writes.first)
        return; /* an entry is on its way as it is */
    uint64_t deadline = keyspace_next_deadline(node->keyspace);
    bool due = deadline != 0 && node->now_ms - node->clock_entry_ms >= CLOCK_ENTRY_EVERY_MS &&
               deadline <= clock_tell(&node->clock, node_wall_ms(node), node->now_ms);
    if (!due && !node->due_left)
        return;
    node->clock_entry_ms = node->now_ms;
    serve_writing(node);
}

/* A write whose outcome cannot be told within the bound is in doubt; the client must know that. */
static void doubt_overdue(struct node *node) {
    uint64_t bound_us = 1000ull * node->conf->outcome_timeout_ms;
    struct lane **at = &node->writes.first, *last = NULL;
    while (*at) {
        struct lane *lane = *at;
        if (node->now.mono_us - lane->begun_us <= bound_us) {
            last = lane;
            at = &lane->next;
            continue;
        }
        *at = lane->next;
        serve_doubt(node, lane);
    }
    node->writes.last = last;
}

/* ---- the turn -------------------------------------------------------------------------------------------------- */

/* A tick that is late by more than a heartbeat waits for one more poll: what the peers sent while this process slept is
 * still in the sockets, and a node that fires its timers first would stand against a living leader. */
static bool tick(struct node *node) {
    uint64_t deadline = raft_deadline(node->raft);
    if (node->now_ms < deadline)
        return false;
    if (node->now_ms - deadline > node->conf->heartbeat_ms && !node->late_tick) {
        node->late_tick = true;
        return true;
    }
    node->late_tick = false;
    raft_tick(node->raft, node->now_ms);
    return false;
}

static bool turn_raft(struct node *node) {
    bool more = tick(node);
    raft_status(node->raft, &node->raft_status);
    status_watch(node);
    serve_commands(node);
    propose_clock(node);
    ask(node);
    node_propose(node);
    ask_raft(node);
    more |= obey(node);
    status_watch(node);
    doubt_overdue(node);
    return more || node->writing != NULL || node->serve_first != NULL;
}

bool node_turn(struct node *node, const struct instant *now) {
    assert(now->mono_us >= node->now.mono_us);
    node->now = *now;
    node->now_ms = now->mono_us / 1000;
    bool more = false;

    if (node->boot_worker)
        finish_open(node);
    take_finished(node);
    peers_take(node);
    serve_news(node);
    if (node->raft && node->end != NODE_FAILED)
        more = turn_raft(node);
    else
        serve_commands(node);

    more |= keyspace_reclaim_flushed(node->keyspace, RECLAIM_PER_TURN) == RECLAIM_PER_TURN;
    if (node->now_ms >= node->cron_ms) {
        node->cron_ms = node->now_ms + NODE_CRON_MS;
        status_cron(node);
    }
    stop_when_done(node);
    net_flush(node->net, node_wall_ms(node));
    return more;
}

uint64_t node_deadline_ms(const struct node *node) {
    uint64_t deadline = node->cron_ms;
    if (node->raft && raft_deadline(node->raft) < deadline)
        deadline = raft_deadline(node->raft);
    return deadline;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

static bool listen_all(struct node *node) {
    const struct conf *conf = node->conf;
    char why[NET_WHY_MAX];
    for (size_t i = 0; i < conf->bind_count; i++) {
        bool optional = conf->bind[i][0] == '-';
        if (net_listen(node->net, conf->bind[i] + optional, conf->port, why))
            continue;
        if (!optional) {
            log_warning(node->logger, "cannot listen: %s", why);
            return false;
        }
        log_notice(node->logger, "not listening on an optional address: %s", why);
    }
    return true;
}

static bool set_admission(struct node *node) {
    const struct conf *conf = node->conf;
    struct admission *admission = &node->admission;
    snprintf(admission->name, sizeof admission->name, "%s", conf->cluster_name);
    const char *host = conf->announce_host;
    for (size_t i = 0; i < conf->node_count && !host[0]; i++)
        if (conf->nodes[i].id == conf->raft_id)
            host = conf->nodes[i].host;
    snprintf(admission->announced, sizeof admission->announced, "%.240s:%u", host,
             conf->announce_port ? conf->announce_port : conf->port);
    char why[ADMISSION_WHY_MAX];
    if (conf->secret_file[0] && !admission_read_secret(admission, conf->secret_file, why)) {
        log_warning(node->logger, "%s", why);
        return false;
    }
    return true;
}

static struct net_options net_options_of(const struct conf *conf) {
    return (struct net_options){
        .clients_max = conf->clients_max,
        .peers_reserved = 32,
        .backlog = (int)conf->tcp_backlog,
        .keepalive_s = (unsigned)conf->tcp_keepalive_s,
        .in_bytes_max = conf->query_buffer_max,
        .out_bytes_max = conf->output_normal.hard_bytes,
        .out_soft_bytes = conf->output_normal.soft_bytes,
        .out_soft_s = (unsigned)conf->output_normal.soft_s,
    };
}

void node_set_net_options(struct node *node) {
    const struct net_options options = net_options_of(node->conf);
    net_set_options(node->net, &options);
}

struct node *node_new(struct ev_loop *loop, struct conf *conf, struct logger *logger,
                      const struct instant *now) {
    struct node *node = calloc(1, sizeof *node);
    if (!node)
        abort();
    node->conf = conf;
    node->logger = logger;
    node->loop = loop;
    node->now = node->started = *now;
    node->now_ms = now->mono_us / 1000;
    node->seed = admission_random();
    admission_random_id(node->run_id);
    node->keyspace = keyspace_new(conf->databases);
    keyspace_set_hash_key(node->keyspace, admission_random(), admission_random());
    node->entry_parser = resp_parser_new();
    node->item_parser = resp_parser_new();
    size_t rows;
    command_table(&rows);
    node->statistics.calls = calloc(rows, sizeof *node->statistics.calls);
    if (!node->statistics.calls)
        abort();
    clock_init(&node->clock, conf->clock_skew_max_ms);
    const struct net_options options = net_options_of(conf);
    node->net = net_new(loop, &options);
    struct net_counters counters;
    net_counters(node->net, &counters);
    if (counters.clients_max < conf->clients_max)
        log_warning(logger, "maxclients is %zu, not %llu: the limit on open files (ulimit -n) allows no more",
                    counters.clients_max, (unsigned long long)conf->clients_max);
    if (!set_admission(node) || !listen_all(node)) {
        node_free(node);
        return NULL;
    }
    begin_open(node);
    return node;
}

static void stop_workers(struct node *node) {
    if (node->boot_worker) {
        worker_stop(node->boot_worker);
        struct open_job *open = (struct open_job *)worker_take(node->boot_worker);
        if (open && open->result == STORE_OK)
            node->log = open->log;
        free(open);
        worker_free(node->boot_worker);
    }
    if (node->log_worker) {
        worker_stop(node->log_worker);
        for (struct worker_job *job; (job = worker_take(node->log_worker));)
            store_job_free((struct store_job *)job);
        worker_free(node->log_worker);
    }
    if (node->log)
        store_log_close(node->log);
}

void node_free(struct node *node) {
    stop_workers(node);
    for (struct promise *promise; (promise = node->promises);) {
        node->promises = promise->next;
        free(promise->messages.at);
        free(promise);
    }
    lane_free(node->writing);
    lane_free(node->reading);
    for (struct lane *lane; (lane = lanes_take_first(&node->writes));)
        lane_free(lane);
    for (struct lane *lane; (lane = lanes_take_first(&node->reads));)
        lane_free(lane);
    for (struct client *client = net_first_client(node->net), *next; client; client = next) {
        next = net_next_client(client);
        serve_close(node, client->owner);
    }
    peers_close(node);
    net_free(node->net);
    if (node->raft)
        raft_free(node->raft);
    entry_builder_close(&node->batch);
    resp_parser_free(node->entry_parser);
    resp_parser_free(node->item_parser);
    keyspace_free(node->keyspace);
    free(node->statistics.calls);
    free(node);
}
