/* SPDX-License-Identifier: MIT */
/*
 * How a node begins and ends.
 *
 *     listen ── open, verify the files (a job) ── load the state ── know the members ── all have met: the cluster forms ── Raft starts
 *               state: loading                                     joining                                              loading, up
 *
 * It answers RAFT.INFO from the first moment on. A node that has been asked to stop answers what is under way, within bounds; one that
 * cannot go on says why. Either way nothing that was taken ends in silence.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"
#include "note.h"
#include "patience.h"

enum {
    STOP_WAIT_MS = 2000,       /* an orderly end waits so long for what is under way */
    CLOCK_DRIFT_PERMILLE = 20, /* of two machines' clocks: a hundred times what they do */
    START_WAIT_BEATS = 2,      /* of heartbeats: all voters have stood after them */
    PROMOTE_LAG_MAX = 1000,    /* entries that a new member may lack and become a voter */
    LINGER_MS = 100,           /* a leader that has handed over ends when nobody was sent on for so long */
};

/* ---- opening ----------------------------------------------------------------------------------------------- */

/* Opening reads all of both files once, so it is a job too: the loop answers RAFT.INFO meanwhile. */
struct open_job {
    struct worker_job job;
    char dir[CONF_TEXT_MAX];
    raft_id id;
    char incarnation[STORE_ID_LENGTH + 1];
    struct store_log *log;
    struct store_boot boot;
    uint32_t patience_ms, promised_ms; /* patience.h: what this run promises, what was promised before */
    unsigned level_max;
    enum note_result differed; /* an earlier run has found its state wrong: */
    char verdict[NODE_REASON_MAX];
    struct store_data *data;
    struct store_meta *meta;
    enum store_result result;
    char why[STORE_WHY_MAX];
};

static void run_open(void *context, struct worker_job *batch) {
    (void)context;
    struct open_job *open = (struct open_job *)batch;
    if (!open)
        return; /* nothing to tidy up */
    open->result = store_log_open(open->dir, open->id, open->incarnation, &open->log, &open->boot, open->why);
    if (open->result != STORE_OK)
        return;
    if (!patience_open(open->dir, open->patience_ms, &open->promised_ms, open->why)) {
        open->result = STORE_IO;
        return;
    }
    open->differed = note_read(open->dir, NOTE_DIFFERS, open->verdict, sizeof open->verdict);
    struct store_data_wants wants = store_data_wants(&open->boot);
    wants.level_max = open->level_max;
    open->result = store_data_open(open->dir, &wants, &open->data, &open->meta, open->why);
    if (open->result == STORE_OK)
        open->result = store_clean(open->dir, open->boot.data, open->why);
}

static void begin_open(struct node *node) {
    struct open_job *open = calloc(1, sizeof *open);
    if (!open)
        abort();
    snprintf(open->dir, sizeof open->dir, "%s", node->conf->dir);
    open->id = node->conf->raft_id;
    open->level_max = node->admission.offers;
    node->leases = conf_leases(node->conf);
    open->patience_ms = node->admission.patience_ms = node->leases ? node->conf->election_timeout_ms : 0;
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

/* A cluster that has formed is who its file says; one that has not is who its configuration says. */
enum {
    SEGMENTS_TO_CHECKPOINT = 8,
    SEGMENTS_TO_DISK = 64, /* a small disk is not for the log alone */
    SEGMENT_MIN = 64 * 1024,
    SEGMENT_MAX = 64 * 1024 * 1024
};

/* A segment goes as a whole, so the log has up to one more than it needs, and two that are empty. */
static uint64_t segment_bytes(const char *dir, uint64_t checkpoint_bytes) {
    uint64_t bytes = checkpoint_bytes / SEGMENTS_TO_CHECKPOINT, free_bytes, total_bytes;
    if (store_disk_free(dir, &free_bytes, &total_bytes) && bytes > total_bytes / SEGMENTS_TO_DISK)
        bytes = total_bytes / SEGMENTS_TO_DISK;
    return bytes < SEGMENT_MIN ? SEGMENT_MIN : bytes > SEGMENT_MAX ? SEGMENT_MAX : bytes;
}

static void take_identity(struct node *node) {
    struct store_identity *identity = &node->admission.identity;
    *identity = node->boot.identity;
    if (!identity->cluster[0]) {
        identity->member_count = 0;
        if (!join_wanted(node))
            set_members(node, identity);
    }
    node->state = REPORT_JOINING;
    membership_begin(node);
    if (join_wanted(node))
        join_begin(node);
    if (admission_form(&node->admission))
        start_form(node);
}

void start_opened(struct node *node) {
    struct open_job *open = (struct open_job *)worker_take(node->boot_worker);
    if (!open)
        return;
    worker_stop(node->boot_worker);
    worker_free(node->boot_worker);
    node->boot_worker = NULL;
    if (open->result != STORE_OK) {
        node_fail(node, "%s", open->why);
        node->log = open->log;
        if (open->data)
            store_data_close(open->data);
        store_meta_free(open->meta);
    } else {
        node->log = open->log;
        node->boot = open->boot;
        node->log_bytes = open->boot.log_bytes;
        node->log_first = open->boot.first_index;
        node->patient_ms = open->promised_ms;
        log_notice(node->logger, "%s %s: node %llu, incarnation %.8s, %llu entries, term %llu; took %llu ms",
                   open->boot.created ? "made" : "opened", open->dir, (unsigned long long)open->id,
                   open->boot.identity.incarnation, (unsigned long long)open->boot.raft.last_index,
                   (unsigned long long)open->boot.raft.term,
                   (unsigned long long)((node->now.mono_us - node->started.mono_us) / 1000));
        if (open->differed != NOTE_NONE)
            audit_remember(node, open->verdict);
        store_log_segments(node->log, segment_bytes(open->dir, node->conf->checkpoint_log_bytes));
        (void)store_log_thread(node->log);
        node->log_worker = worker_new(node->loop, "log", store_log_run, node->log);
        worker_busy_poll(node->log_worker, node->conf->busy_poll_us);
        node->checkpoint.generation = open->boot.data;
        node->boot.raft.base_index = open->boot.base_index;
        node->boot.raft.base_term = open->boot.base_term;
        if (open->meta->applied > 0) {
            level_set(node, open->meta->feature_level);
            node->boot.raft.applied = open->meta->applied;
            loading_begin(node, open->data, open->meta);
        } else {
            checkpoint_open(node, open->data, open->meta);
            take_identity(node);
        }
    }
    free(open);
}

void start_loaded(struct node *node) {
    take_identity(node);
}

void start_store_identity(struct node *node) {
    struct store_job *job = store_job_new(STORE_IDENTITY);
    job->identity = malloc(sizeof *job->identity);
    if (!job->identity)
        abort();
    *job->identity = node->admission.identity;
    node->storing_identity = true;
    worker_submit(node->log_worker, &job->job);
}

void start_form(struct node *node) {
    log_notice(node->logger, "all %zu members have met: cluster %s", node->admission.identity.member_count,
               node->admission.identity.cluster);
    start_store_identity(node);
}

/* The list of members as of the state on the disk; before any was changed, the founders. NULL: this node was taken in, and has not
 * been told yet. One reference. */
static struct raft_blob *members_at_start(const struct node *node) {
    const struct store_identity *identity = &node->admission.identity;
    const struct store_bytes *stored = &node->checkpoint.terms->members;
    if (stored->length == 0)
        return roster_joined(identity) ? NULL : roster_founders(identity);
    struct raft_blob *list = raft_blob_new(stored->length);
    memcpy(list->bytes, stored->at, stored->length);
    return list;
}

static bool lists_are_sound(struct node *node, const struct raft_blob *list) {
    const struct raft_boot *boot = &node->boot.raft;
    bool sound = !list || raft_members_valid(list);
    for (size_t i = 0; i < boot->change_count; i++)
        sound = sound && raft_members_valid(boot->changes[i].list);
    if (!sound)
        node_fail(node,
                  "%s: a list of members is malformed. Replace the node: remove it from the cluster and add "
                  "a new one",
                  node->conf->dir);
    return sound;
}

void start_raft(struct node *node) {
    const struct store_identity *identity = &node->admission.identity;
    struct raft_blob *list = members_at_start(node);
    if (!lists_are_sound(node, list)) {
        raft_blob_unref(list);
        return;
    }
    const struct raft_config config = {
        .self = identity->node,
        .seed = node->seed,
        .election_timeout_ms = node->conf->election_timeout_ms,
        .heartbeat_ms = node->conf->heartbeat_ms,
        .start_wait_ms = node->conf->heartbeat_ms * START_WAIT_BEATS,
        .tail_bytes_max = node->conf->log_cache_bytes,
        .append_bytes_max = WIRE_MESSAGE_MAX / 2,
        .window_bytes_max = WIRE_WINDOW_BYTES / 4,
        .window_messages_max = 256,
        .uncommitted_bytes_max = node->conf->uncommitted_bytes_max,
        .ready_bytes_max = WIRE_MESSAGE_MAX,
        .leases = node->leases,
        .clock_drift_permille = CLOCK_DRIFT_PERMILLE,
        .promote_lag_max = PROMOTE_LAG_MAX,
    };
    node->boot.raft.members = list;
    node->raft = raft_new(&config, &node->boot.raft, node->now_ms);
    raft_blob_unref(list);
    node->boot.raft.members = NULL;
    node->boot.raft.changes = NULL;
    status_watch_machines(node); /* before a leader tells of commits (raft/thrift.c) */
    snapshot_out_open(node);
    snapshot_in_open(node);
    membership_started(node);
    if (node->audit.differs)
        raft_hold_back(node->raft, node->held_back = true);
    bool alone = list && node->membership.newest.count == 1;
    if (!alone && node->patient_ms > 0) {
        node->patient_until_ms = node->now_ms + node->patient_ms;
        raft_hold_back(node->raft, node->held_back = true);
    }
    raft_status(node->raft, &node->raft_status);
    if (list)
        node->state = node->boot.raft.last_index > 0 ? REPORT_LOADING : REPORT_UP;
    node->caught_up = node->state == REPORT_UP;
    node->leaderless_since_ms = node->now_ms;
}

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

void start_stop(struct node *node) {
    assert(!node->stopping && !node->leaving);
    log_notice(node->logger, "stopping; %zu requests are under way", connection_waiting(node));
    node->stopping = true;
    node->stop_by_ms = node->now_ms + STOP_WAIT_MS;
    net_stop_listening(node->net);
}

static void fail_one(struct node *node, struct lane **lane) {
    struct lane *undone = *lane;
    *lane = NULL;
    if (undone)
        outcome_fail(node, undone);
}

/* Every write that was proposed is told that its outcome is unknown, and all the rest that it did not happen, before the sockets
 * close: never silence. In the order in which a connection's requests may lie in the lanes. */
static void tell_the_end(struct node *node) {
    membership_end(node);
    proxy_end(node);
    fail_one(node, &node->stalled);
    for (struct lane *lane; (lane = lanes_take_first(&node->reads));)
        outcome_fail(node, lane);
    fail_one(node, &node->leasing);
    fail_one(node, &node->reading);
    for (struct lane *lane; (lane = lanes_take_first(&node->writes));)
        outcome_doubt(node, lane);
    fail_one(node, &node->writing);
    block_end_all(node);
}

bool start_stop_when_done(struct node *node) {
    if (!node->stopping || node->end != NODE_RUNNING)
        return false;
    if (!node->told_all) { /* one turn more: those that waited for a leader get their answer */
        node->told_all = true;
        return true;
    }
    bool lingers = node->busy_ms != 0 && node->now_ms - node->busy_ms < LINGER_MS;
    if ((node->writes.first || node->membership.changes || proxy_busy(node) || lingers) &&
        node->now_ms < node->stop_by_ms)
        return false;
    tell_the_end(node);
    node->end = NODE_STOPPED;
    return false;
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
    admission->offers = level_offered(conf->feature_level_max);
    admission->level = LEVEL_FIRST;
    conf_own_address(conf, admission->address, sizeof admission->address);
    const char *host = conf->announce_host, *colon = strrchr(admission->address, ':');
    int length = host[0] ? (int)strlen(host) : colon ? (int)(colon - admission->address) : 0;
    snprintf(admission->announced, sizeof admission->announced, "%.*s:%u", length,
             host[0] ? host : admission->address, conf->announce_port ? conf->announce_port : conf->port);
    size_t announced = strlen(admission->announced);
    if (conf->sentinel_port)
        snprintf(admission->announced + announced, sizeof admission->announced - announced, "@%u",
                 conf->sentinel_port);
    char why[ADMISSION_WHY_MAX];
    if (conf->secret_file[0] && !admission_read_secret(admission, conf->secret_file, why)) {
        log_warning(node->logger, "%s", why);
        return false;
    }
    return true;
}

enum net_ring start_ring(const struct conf *conf) {
    static const enum net_ring rings[] = {
        [CONF_RING_AUTO] = NET_RING_AUTO, [CONF_RING_YES] = NET_RING_YES, [CONF_RING_NO] = NET_RING_NO};
    return rings[conf->io_uring];
}

static struct net_options net_options_of(const struct conf *conf) {
    return (struct net_options){
        .clients_max = conf->clients_max,
        .peers_reserved = 32,
        .backlog = (int)conf->tcp_backlog,
        .io_uring = start_ring(conf),
        .keepalive_s = (unsigned)conf->tcp_keepalive_s,
        .extra_files = conf->sentinel_port ? SENTINEL_CLIENTS_MAX : 0,
        .files_per_client = conf->follower_mode == CONF_PROXY ? 2 : 1,
        .in_bytes_max = conf->query_buffer_max,
        .out_bytes_max = conf->output_normal.hard_bytes,
        .out_soft_bytes = conf->output_normal.soft_bytes,
        .out_soft_s = (unsigned)conf->output_normal.soft_s,
        .listener_bytes_max = conf->output_pubsub.hard_bytes,
        .listener_soft_bytes = conf->output_pubsub.soft_bytes,
        .listener_soft_s = (unsigned)conf->output_pubsub.soft_s,
    };
}

void start_set_compact(struct node *node) {
    const struct conf *conf = node->conf;
    const struct keyspace_compact compact = {
        .hash = {conf->hash_compact_entries, conf->hash_compact_bytes},
        .set = {conf->set_compact_entries, SIZE_MAX},
        .zset = {conf->zset_compact_entries, conf->zset_compact_bytes},
    };
    keyspace_set_compact(node->keyspace, &compact);
}

void start_set_net_options(struct node *node) {
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
    start_set_compact(node);
    node->watches = watches_new();
    keyspace_set_watches(node->keyspace, node->watches);
    keyspace_set_hash_key(node->keyspace, admission_random(), admission_random());
    block_open(node);
    node->ahead = ahead_new();
    node->item_parser = resp_parser_new();
    node->slowlog = slowlog_new();
    node->audience = audience_new(admission_random(), admission_random());
    node->statistics.calls = calloc(command_count(), sizeof *node->statistics.calls);
    if (!node->statistics.calls)
        abort();
    proxy_open(node);
    clock_init(&node->clock, conf->clock_skew_max_ms);
    memory_begin(node);
    const struct net_options options = net_options_of(conf);
    node->net = net_new(loop, &options);
    struct net_counters counters;
    net_counters(node->net, &counters);
    if (counters.clients_max < conf->clients_max)
        log_warning(logger, "maxclients is %zu, not %llu: the limit on open files (ulimit -n) allows no more",
                    counters.clients_max, (unsigned long long)conf->clients_max);
    if (!set_admission(node) || !listen_all(node) || !sentinel_open(node)) {
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
        if (open) {
            node->log = open->log;
            if (open->data)
                store_data_close(open->data);
            store_meta_free(open->meta);
        }
        free(open);
        worker_free(node->boot_worker);
    }
    loading_close(node);
    backup_stop(node);
    snapshot_out_close(node);
    snapshot_in_close(node);
    checkpoint_stop(node);
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
    sentinel_close(node);
    for (struct promise *promise; (promise = node->promises);) {
        node->promises = promise->next;
        free(promise->messages.at);
        free(promise);
    }
    tell_the_end(node);
    for (struct client *client = net_first_client(node->net), *next; client; client = next) {
        next = net_next_client(client);
        if (client->owner)
            connection_close(node, client->owner);
    }
    serve_forget_all(node);
    block_close(node);
    peers_close(node);
    net_free(node->net);
    if (node->raft)
        raft_free(node->raft);
    membership_close(node);
    entry_builder_close(&node->batch);
    ahead_free(node->ahead);
    resp_parser_free(node->item_parser);
    eviction_close(node);
    keyspace_free(node->keyspace);
    watches_free(node->watches);
    slowlog_free(node->slowlog);
    audience_free(node->audience);
    events_close(&node->events);
    monitor_close(node);
    free(node->statistics.calls);
    free(node);
}
