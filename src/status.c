/* SPDX-License-Identifier: MIT */
/*
 * What the node tells: the report from which INFO, RAFT.INFO and CLUSTER answer, and the log's lines on who leads and whether
 * there is a quorum.
 */
#define _GNU_SOURCE /* memmem */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "node_state.h"
#include "version.h"

enum {
    HANDSHAKE_MS = 1500,  /* from accept to RAFT.AUTH */
    HOLD_FSYNC_US = 1280, /* an fsync is short up to here: entries may be held back (raft-hold-time) */
};

/* ---- who leads ------------------------------------------------------------------------------------------------- */

static bool is_heard(const struct node *node, const struct peer *peer) {
    return peer->heard_mono_ms != 0 &&
           node->now_ms - peer->heard_mono_ms <= 2ull * node->conf->election_timeout_ms;
}

static size_t voters_heard(struct node *node) {
    const struct roster *members = &node->membership.newest;
    size_t heard = 0;
    for (size_t i = 0; i < members->count; i++) {
        const struct peer *peer = peers_find(node, members->at[i].id);
        bool self = members->at[i].id == node->admission.identity.node;
        heard += members->at[i].kind == RAFT_VOTER && (self || (peer && is_heard(node, peer)));
    }
    return heard;
}

static void not_formed_reason(const struct node *node, char *text, size_t size) {
    const struct store_identity *identity = &node->admission.identity;
    if (join_wanted(node)) {
        snprintf(text, size, "this node is new and not taken in yet: %s",
                 node->host.refusal[0] ? node->host.refusal : "it asks");
        return;
    }
    size_t at = (size_t)snprintf(text, size, "the cluster has not formed: not met yet:");
    for (size_t i = 0; i < identity->member_count && at < size; i++)
        if (!identity->members[i].incarnation[0])
            at += (size_t)snprintf(text + at, size - at, " node %llu",
                                   (unsigned long long)identity->members[i].id);
}

void status_down_reason(struct node *node, char *text, size_t size) {
    size_t voters = roster_voters(&node->membership.newest), heard = voters_heard(node);
    if (node->stopping)
        snprintf(text, size, "this node is shutting down");
    else if (!node->raft)
        not_formed_reason(node, text, size);
    else if (node->state == REPORT_JOINING)
        snprintf(text, size, "this node is new, and has not got the log yet");
    else if (heard <= voters / 2)
        snprintf(text, size, "no quorum (%zu of %zu voters reachable)", heard, voters);
    else
        snprintf(text, size, "no leader (%zu of %zu voters reachable; an election is under way)", heard,
                 voters);
}

static char role_letter(enum raft_role role) {
    return role == RAFT_LEADER ? 'M' : role == RAFT_FOLLOWER ? 'S' : 'C';
}

/* Why each member is out of reach: for the line that says that the quorum is lost. */
static void tell_unreachable(struct node *node) {
    char reason[NODE_REASON_MAX];
    status_down_reason(node, reason, sizeof reason);
    log_warning(node->logger, "%s: writes and linearizable reads wait, then get -CLUSTERDOWN", reason);
    for (size_t i = 0; i < node->peer_count; i++) {
        const struct peer *peer = &node->peers[i];
        if (!peer->listed)
            continue;
        if (peer->heard_mono_ms == 0 || node->now_ms - peer->heard_mono_ms > node->conf->election_timeout_ms)
            log_warning(node->logger, "node %llu (%s:%u) was last heard %lld ms ago: %s",
                        (unsigned long long)peer->id, peer->host, peer->port,
                        peer->heard_mono_ms ? (long long)(node->now_ms - peer->heard_mono_ms) : -1ll,
                        peer->refusal[0] ? peer->refusal : link_last_error(peer->link));
    }
}

static void leader_known(struct node *node, raft_id leader) {
    uint64_t leaderless_ms = node->leaderless_since_ms ? node->now_ms - node->leaderless_since_ms : 0;
    node->leader_since_wall_ms = node_wall_ms(node);
    node->leaderless_since_ms = 0;
    if (leader != node->known_leader || node->raft_status.role == RAFT_LEADER)
        snprintf(node->leader_change_reason, sizeof node->leader_change_reason, "%s",
                 node->cause[0] ? node->cause : "first election");
    node->known_leader = leader;
    log_notice(node->logger, "node %llu leads term %llu; leaderless %llu ms; %zu requests waited",
               (unsigned long long)leader, (unsigned long long)node->raft_status.term,
               (unsigned long long)leaderless_ms, connection_waiting(node));
}

void status_watch(struct node *node) {
    const struct raft_status *status = &node->raft_status;
    logger_set_role(node->logger, role_letter(status->role));
    if (status->leader != 0 && (node->leaderless_since_ms != 0 || status->leader != node->known_leader))
        leader_known(node, status->leader);
    if (status->leader == 0 && node->leaderless_since_ms == 0) {
        node->leaderless_since_ms = node->now_ms;
        node->leader_since_wall_ms = 0;
    }
    bool lost = status->leader == 0 && node->state != REPORT_REMOVED && node->state != REPORT_JOINING &&
                node->now_ms - node->leaderless_since_ms > 2ull * node->conf->election_timeout_ms &&
                voters_heard(node) <= roster_voters(&node->membership.newest) / 2;
    if (lost && node->quorum_lost_since_wall_ms == 0) {
        node->quorum_lost_since_wall_ms = node_wall_ms(node);
        tell_unreachable(node);
    } else if (status->leader != 0 && node->quorum_lost_since_wall_ms != 0) {
        log_notice(node->logger, "the quorum is back after %llu ms",
                   (unsigned long long)(node_wall_ms(node) - node->quorum_lost_since_wall_ms));
        node->quorum_lost_since_wall_ms = 0;
    }
    bool leads_truly =
        status->role != RAFT_LEADER || status->serving; /* before, it does not know what is committed */
    if (!node->caught_up && node->state != REPORT_REMOVED && status->leader != 0 && status->commit > 0 &&
        status->applied >= status->commit && leads_truly) {
        node->caught_up = true;
        node->state = REPORT_UP;
        log_notice(node->logger, "caught up: %llu entries applied", (unsigned long long)status->applied);
    }
}

/* ---- every tenth of a second ------------------------------------------------------------------------------------- */

static bool is_idle(const struct node *node, const struct connection *connection) {
    uint64_t bound_ms = connection->via != 0 ? 0 : node->conf->timeout_s * 1000;
    return bound_ms != 0 && connection->pending == 0 && connection->hold == HOLD_NONE && !connection->wait &&
           !connection->client->listener && !connection->session.monitor &&
           node_wall_ms(node) - connection->session.active_ms > bound_ms;
}

static bool begins_handshake(const struct resp_buf *in) {
    enum { GREETING_BYTES = 24 };
    static const char name[] = "RAFT.HELLO";
    size_t length = resp_buf_length(in);
    return length > 0 && memmem(resp_buf_bytes(in), length < GREETING_BYTES ? length : GREETING_BYTES, name,
                                sizeof name - 1);
}

/* Places are kept for peers beyond maxclients; who does not get through the handshake in time gives its place back. */
static bool is_pretender(const struct node *node, const struct connection *connection) {
    return connection->session.commands == 0 &&
           node_wall_ms(node) - connection->session.created_ms > HANDSHAKE_MS &&
           (client_on_probation(connection->client) || connection->exchange ||
            begins_handshake(&connection->client->in));
}

static void sweep(struct node *node) {
    for (struct client *client = net_first_client(node->net), *next; client; client = next) {
        next = net_next_client(client);
        struct connection *connection = client->owner;
        if (!connection || connection->peer)
            continue;
        bool idle = is_idle(node, connection);
        if (!idle && !is_pretender(node, connection))
            continue;
        log_verbose(node->logger, "closing %s: %s", client->address, idle ? "idle" : "no handshake");
        connection_close(node, connection);
    }
}

/* One machine whose clock is wrong must not stamp the log with it. */
static void watch_clock(struct node *node) {
    bool wrong = !clock_agrees(&node->clock, node->now_ms);
    if (!node->raft || wrong == node->clock_wrong)
        return;
    node->clock_wrong = wrong;
    if (wrong)
        log_warning(
            node->logger,
            "this clock is %lld ms off the members' median (raft-max-clock-skew %u): not standing for leader "
            "until it is set right",
            (long long)-clock_median_offset(&node->clock, node->now_ms), node->conf->clock_skew_max_ms);
    else
        log_notice(node->logger, "this clock agrees with the members' again");
}

/* Who should not lead does not stand for it: with a wrong clock, with a disk that stands still, or while it is to be patient. */
static void watch_fitness(struct node *node) {
    bool unfit = node->clock_wrong || node->disk_stalled || node->audit.differs ||
                 node->now_ms < node->patient_until_ms;
    if (!node->raft || unfit == node->held_back)
        return;
    node->held_back = unfit;
    raft_hold_back(node->raft, unfit);
}

/* As far as is known. */
static bool is_one_machine(const struct node *node) {
    for (size_t i = 0; i < node->peer_count; i++)
        if (node->peers[i].open && !node->peers[i].local)
            return false;
    return true;
}

/* Members that share a machine share its disk and its cores: to ask all of them at once masks no slow disk there, and is paid three times
 * over. On machines of their own the fastest majority hides who is slow at the moment; and where an fsync takes long, two of three are ready
 * sooner than the two that are asked, whoever's disk it is. */
static bool saves_by_holding(struct node *node) {
    struct latency_figures fsync;
    latency_read(&node->fsync, node->now_ms, &fsync);
    /* a narrow bound would keep what it has decided: of all three that write at once each takes longer than of two */
    return fsync.p50_us <= HOLD_FSYNC_US;
}

void status_watch_machines(struct node *node) {
    bool shared = is_one_machine(node);
    if (!node->raft)
        return;
    raft_share(node->raft, shared);
    raft_hold(node->raft, shared && saves_by_holding(node) ? node->conf->hold_ms : 0);
}

void status_cron(struct node *node) {
    watch_clock(node);
    watch_fitness(node);
    status_watch_machines(node);
    disk_watch(node);
    struct statistics *statistics = &node->statistics;
    struct net_counters counters;
    net_counters(node->net, &counters);
    statistics->rate_at = (statistics->rate_at + 1) % NODE_RATE_SAMPLES;
    statistics->rate_commands[statistics->rate_at] = statistics->commands;
    statistics->rate_in[statistics->rate_at] = counters.bytes_in;
    statistics->rate_out[statistics->rate_at] = counters.bytes_out;
    if (counters.descriptors_short > node->descriptors_short)
        log_warning(node->logger,
                    "no descriptor left for %llu connections: raise the limit on open files (ulimit -n) or "
                    "lower maxclients",
                    (unsigned long long)(counters.descriptors_short - node->descriptors_short));
    node->descriptors_short = counters.descriptors_short;
    if (statistics->rate_at == 0)
        sweep(node);
}

/* ---- what took long --------------------------------------------------------------------------------------------- */

void status_spike(struct node *node, enum spike_event event, uint64_t us) {
    spikes_add(&node->spikes, event, node_wall_ms(node) / 1000, us, node->conf->latency_threshold_ms);
}

bool status_times_commands(const struct node *node) {
    return node->conf->slowlog_slower_us >= 0 || node->conf->latency_threshold_ms > 0;
}

/* Where the arguments begin that hold a password, or may. */
size_t status_secret_from(const struct command *command) {
    static const struct {
        const char *name;
        size_t from;
    } secrets[] = {{"auth", 1}, {"hello", 2}, {"config|set", 3}};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++)
        if (strcmp(command->name, secrets[i].name) == 0)
            return secrets[i].from;
    return 0;
}

void status_took(struct node *node, const struct command *command, const struct resp_arg *args, size_t count,
                 const struct session *session, uint64_t us) {
    const struct conf *conf = node->conf;
    struct command_statistics *statistics = apply_statistics(node, command);
    unsigned doublings = us > 1 ? 64 - (unsigned)__builtin_clzll(us - 1) : 0;
    if (statistics)
        statistics->took[doublings < REPORT_TOOK_MAX ? doublings : REPORT_TOOK_MAX - 1]++;
    status_spike(node, command->flags & COMMAND_FAST ? SPIKE_FAST_COMMAND : SPIKE_COMMAND, us);
    if (conf->slowlog_slower_us < 0 || us < (uint64_t)conf->slowlog_slower_us)
        return;
    const struct slowlog_call call = {
        .args = args,
        .count = count,
        .secret_from = status_secret_from(command),
        .address = session ? session->address : "",
        .name = session ? session->name : "",
    };
    slowlog_add(node->slowlog, &call, node_wall_ms(node) / 1000, us, conf->slowlog_length_max);
}

void node_stalled(struct node *node, uint64_t us) {
    status_spike(node, SPIKE_LOOP, us);
    if (us > node->loop_stall_us)
        node->loop_stall_us = us;
    latency_add(&node->turn, node->now_ms, us);
}

void node_worked(struct node *node, uint64_t us) {
    latency_add(&node->turn_cpu, node->now_ms, us);
}

void node_waited_awake(struct node *node, uint64_t us) {
    node->loop_awake_us += us;
}

void status_reset(struct node *node) {
    struct statistics *statistics = &node->statistics;
    struct net_counters counters;
    net_counters(node->net, &counters);
    memset(statistics->calls, 0, command_count() * sizeof *statistics->calls);
    struct statistics fresh = {.calls = statistics->calls,
                               .in_doubt = statistics->in_doubt,
                               .lease_reads = statistics->lease_reads,
                               .fsyncs = statistics->fsyncs,
                               .writes_logged = statistics->writes_logged,
                               .base_connections = counters.connections,
                               .base_rejected = counters.rejected,
                               .base_in = counters.bytes_in,
                               .base_out = counters.bytes_out};
    *statistics = fresh;
    node->fsync = node->commit = node->turn = node->turn_cpu = (struct latency){.slice = 0};
    node->checkpoint_us = node->checkpoint_cpu_us = (struct latency){.slice = 0};
    node->eviction.over_ms = node->eviction.over_since_ms = 0;
}

void status_conf_changed(struct node *node) {
    logger_set_level(node->logger, node->conf->loglevel);
    start_set_net_options(node);
    const struct keyspace_use use = eviction_use(node);
    keyspace_set_use(node->keyspace, &use);
    start_set_compact(node);
    if (node->log_worker)
        worker_busy_poll(node->log_worker, node->conf->busy_poll_us);
}

struct session **status_sessions(struct node *node, size_t *count) {
    struct net_counters counters;
    net_counters(node->net, &counters);
    struct session **sessions = calloc(counters.clients + 1, sizeof *sessions);
    if (!sessions)
        abort();
    *count = 0;
    for (struct client *client = net_first_client(node->net); client; client = net_next_client(client)) {
        struct connection *connection = client->owner;
        if (!connection || client->gone || *count == counters.clients)
            continue;
        struct session *session = &connection->session;
        session->in_bytes = resp_buf_length(&client->in);
        session->in_free = client->in.capacity - client->in.end;
        session->out_bytes = resp_buf_length(&client->out);
        transaction_report(connection);
        session->memory = sizeof *connection + client_memory(client) +
                          resp_parser_memory(connection->parser) + connection->transaction.queue.capacity +
                          watcher_memory(&connection->transaction.watcher);
        sessions[(*count)++] = session;
    }
    return sessions;
}

/* ---- the report ---------------------------------------------------------------------------------------------------- */

/* A member's id in CLUSTER's answers: the same on every node, and for as long as the cluster lives. */
static void member_run_id(const struct node *node, raft_id id, char run_id[REPORT_RUN_ID_LENGTH + 1]) {
    char text[STORE_ID_LENGTH + 64];
    int length = snprintf(text, sizeof text, "%s/%s/%llu", node->admission.name,
                          node->admission.identity.cluster, (unsigned long long)id);
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (!EVP_Digest(text, (size_t)length, digest, NULL, EVP_sha256(), NULL))
        abort();
    for (size_t i = 0; i < REPORT_RUN_ID_LENGTH / 2; i++)
        snprintf(run_id + 2 * i, 3, "%02x", digest[i]);
}

static enum report_link link_of(const struct peer *peer) {
    if (peer->open)
        return REPORT_LINK_UP;
    return link_state(peer->link) == LINK_WAITING ? REPORT_LINK_DOWN : REPORT_LINK_CONNECTING;
}

static void report_peer(struct node *node, struct peer *peer, struct report_member *member) {
    snprintf(member->host, sizeof member->host, "%s", peer->host);
    member->port = peer->port;
    member->sentinel_port = peer->sentinel_port;
    member->link = link_of(peer);
    member->last_contact_ms = peer->heard_mono_ms ? (int64_t)(node->now_ms - peer->heard_mono_ms) : -1;
    snprintf(member->version, sizeof member->version, "%s", peer->version);
    member->feature_level = peer->offers;
    member->clock_known = clock_peer_offset(&node->clock, peer->id, node->now_ms, &member->clock_offset_ms);
    snprintf(member->link_error, sizeof member->link_error, "%.*s", (int)sizeof member->link_error - 1,
             peer->refusal[0] ? peer->refusal : link_last_error(peer->link));
    struct raft_peer_status status;
    if (node->raft && raft_peer_status(node->raft, peer->id, &status))
        member->match_index = status.match;
}

static void report_self_member(struct node *node, struct report_member *member) {
    const char *announced = node->admission.announced, *colon = strrchr(announced, ':');
    snprintf(member->host, sizeof member->host, "%.*s", (int)(colon - announced), announced);
    member->port = (unsigned)strtoul(colon + 1, NULL, 10);
    member->sentinel_port = node->conf->sentinel_port;
    member->link = REPORT_LINK_SELF;
    member->clock_known = true;
    member->match_index = node->raft_status.saved_index;
    snprintf(member->version, sizeof member->version, "%s", REDRAFT_VERSION);
    member->feature_level = node->admission.offers;
}

/* One whom we have no link with: what the list says is all there is. */
static void report_listed(struct report_member *member) {
    snprintf(member->host, sizeof member->host, "%s", member->peer_host);
    member->port = member->peer_port;
    member->link = REPORT_LINK_DOWN;
    member->last_contact_ms = -1;
}

static void report_one(struct node *node, const struct member *listed, struct report_member *member) {
    struct peer *peer = peers_find(node, listed->id);
    member->id = listed->id;
    member->voting = listed->kind == RAFT_VOTER;
    snprintf(member->incarnation, sizeof member->incarnation, "%s", listed->incarnation);
    member_run_id(node, member->id, member->run_id);
    if (!member_split_address(listed->address, member->peer_host, sizeof member->peer_host,
                              &member->peer_port))
        snprintf(member->peer_host, sizeof member->peer_host, "?");
    if (listed->id == node->admission.identity.node)
        report_self_member(node, member);
    else if (peer)
        report_peer(node, peer, member);
    else
        report_listed(member);
}

static void report_members(struct node *node, struct report *report) {
    const struct roster *newest = &node->membership.newest;
    struct report_member *members = calloc(newest->count + 1, sizeof *members);
    uint64_t *removed = calloc(newest->count + 1, sizeof *removed);
    if (!members || !removed)
        abort();
    for (size_t i = 0; i < newest->count; i++)
        if (newest->at[i].kind == RAFT_REMOVED)
            removed[report->removed_count++] = newest->at[i].id;
        else
            report_one(node, &newest->at[i], &members[report->member_count++]);
    report->members = members;
    report->removed = removed;
}

static void report_checkpoint(struct node *node, struct report *report) {
    const struct checkpointing *checkpoint = &node->checkpoint;
    report->checkpoint_index = checkpoint->done_index;
    report->checkpoint_ms = checkpoint->done_wall_ms;
    report->checkpoint_took_ms = checkpoint->done_took_ms;
    report->checkpoint_bytes = checkpoint->done_bytes;
    report->checkpoint_pages = checkpoint->done_pages;
    report->checkpoint_count = checkpoint->done_count;
    if (checkpoint->phase != CHECKPOINT_NONE)
        report->checkpoint_under_way_ms = node->now_ms - checkpoint->begun_ms + 1;
    report->checkpoint_failures = checkpoint->failures;
    snprintf(report->checkpoint_error, sizeof report->checkpoint_error, "%s", checkpoint->why);
    report->data_file_bytes = checkpoint->file_bytes;
    report->checkpoint_rate = checkpoint->rate;
    report->checkpoint_longest_us = checkpoint->longest.us;
    report->checkpoint_longest_cpu_us = checkpoint->longest.cpu_us;
    struct keyspace_copied copied;
    keyspace_checkpoint_copied(node->keyspace, &copied);
    report->checkpoint_copied_pages = copied.pages;
    report->checkpoint_copied_bytes = copied.bytes;
    latency_read(&node->checkpoint_us, node->now_ms, &report->checkpoint_pause);
    latency_read(&node->checkpoint_cpu_us, node->now_ms, &report->checkpoint_pause_cpu);
    report->log_first_index = node->raft ? node->raft_status.base_index + 1 : 0;
    for (size_t i = 0; i < SNAPSHOTS_OUT_MAX; i++)
        report->snapshots_sending += node->snapshots_out.at[i].to != 0;
    report->snapshots_received = node->snapshot_in.installed;
    report->snapshot_coming = node->snapshot_in.phase != SNAPSHOT_IN_NONE;
}

static void report_raft(struct node *node, struct report *report) {
    const struct raft_status *status = &node->raft_status;
    const struct store_identity *identity = &node->admission.identity;
    snprintf(report->cluster_id, sizeof report->cluster_id, "%s", identity->cluster);
    snprintf(report->incarnation, sizeof report->incarnation, "%s", identity->incarnation);
    snprintf(report->cluster_name, sizeof report->cluster_name, "%.*s", (int)sizeof report->cluster_name - 1,
             node->conf->cluster_name);
    report->node_id = node->conf->raft_id;
    report->state = node->state;
    snprintf(report->failure, sizeof report->failure, "%s", node->failure);
    report->role = (enum report_role)status->role;
    report->serving = status->serving;
    report->quorum = status->quorum;
    report->leader_id = status->leader;
    report->known_leader_id = node->known_leader;
    report->feature_level = node->admission.level;
    report->feature_level_offered = node->admission.offers;
    report->term = status->term;
    report->voted_for = status->vote;
    report->commit_index = status->commit;
    report->applied_index = status->applied;
    report->last_index = status->last_index;
    report->saved_index = status->saved_index;
    report->log_entries = node->log_first && status->saved_index >= node->log_first
                              ? status->saved_index - node->log_first + 1
                              : 0;
    report->log_bytes = node->log_bytes;
    report->leader_since_ms = node->leader_since_wall_ms;
    report->quorum_lost_since_ms = node->quorum_lost_since_wall_ms;
    snprintf(report->leader_change_reason, sizeof report->leader_change_reason, "%s",
             node->leader_change_reason);
    for (const struct lane *lane = node->writes.first; lane; lane = lane->next)
        report->pending_writes += lane->writes;
    report->unsaved_bytes = node->unsaved_bytes;
    report->outcomes_in_doubt = node->statistics.in_doubt;
    latency_read(&node->fsync, node->now_ms, &report->fsync);
    latency_read(&node->commit, node->now_ms, &report->commit);
    latency_read(&node->turn, node->now_ms, &report->turn);
    latency_read(&node->turn_cpu, node->now_ms, &report->turn_cpu);
    report->loop_awake_us = node->loop_awake_us;
    report->gathered = node->statistics.gathered;
    report->gathered_us = node->statistics.gathered_us;
    report->fsync_count = node->statistics.fsyncs;
    report->writes_logged = node->statistics.writes_logged;
    static const char *const levels[] = {"linearizable", "lease", "stale"};
    report->handing_over = node->handover.phase != HANDOVER_NONE;
    report->transfers = node->handover.begun;
    report->handovers = node->handover.done;
    report->stop = node->stopping ? REPORT_STOPPING : node->leaving ? REPORT_LEAVING : REPORT_RUNNING;
    report->read_consistency = levels[node->conf->read_consistency];
    report->leases = node->leases;
    uint64_t until_ms = reads_lease_until_ms(node);
    report->lease_ms = until_ms > node->now_ms ? until_ms - node->now_ms : 0;
    report->lease_reads = node->statistics.lease_reads;
    report->elections = status->elections;
    report->leader_changes = status->leader_changes;
    report->election_timeout_ms = node->conf->election_timeout_ms;
    report->clock_skew_max_ms = node->conf->clock_skew_max_ms;
    report_checkpoint(node, report);
    backup_report(node, report);
    disk_report(node, report);
    audit_report(node, report);
    report_members(node, report);
}

static void report_process(struct node *node, struct report *report) {
    report->version = REDRAFT_VERSION;
    report->build = "";
    snprintf(report->run_id, sizeof report->run_id, "%s", node->run_id);
    struct utsname name;
    if (uname(&name) == 0)
        snprintf(report->os, sizeof report->os, "%.60s %.60s %.60s", name.sysname, name.release,
                 name.machine);
    ssize_t length = readlink("/proc/self/exe", report->executable, sizeof report->executable - 1);
    report->executable[length > 0 ? length : 0] = 0;
    report->process_id = getpid();
    report->tcp_port = node->conf->port;
    report->now_us = node->now.wall_us;
    report->uptime_s = (node->now.mono_us - node->started.mono_us) / 1000000;
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        report->cpu_sys_s = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
        report->cpu_user_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    }
    if (getrusage(RUSAGE_THREAD, &usage) == 0) {
        report->loop_sys_s = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
        report->loop_user_s = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
    }
}

static void report_connections(struct node *node, struct report *report) {
    for (struct client *client = net_first_client(node->net); client; client = net_next_client(client)) {
        const struct connection *connection = client->owner;
        if (!connection)
            continue;
        report->memory_clients += client_memory(client);
        report->clients_via_members += connection->via != 0;
        if (connection->peer) {
            report->peer_links++;
            continue;
        }
        report->clients++;
        if (resp_buf_length(&client->in) > report->input_max)
            report->input_max = resp_buf_length(&client->in);
        if (resp_buf_length(&client->out) > report->output_max)
            report->output_max = resp_buf_length(&client->out);
    }
    report->clients_blocked = node->block.count;
    report->clients_timed = node->block.alarms.count;
    for (size_t i = 0; i < node->peer_count; i++)
        report->peer_links += node->peers[i].open;
}

/* Per second, over the last samples. */
static double rate(const struct statistics *statistics, const uint64_t *samples) {
    uint64_t newest = samples[statistics->rate_at],
             oldest = samples[(statistics->rate_at + 1) % NODE_RATE_SAMPLES];
    return newest > oldest ? (double)(newest - oldest) * 1000.0 / ((NODE_RATE_SAMPLES - 1) * NODE_CRON_MS)
                           : 0;
}

static void report_counters(struct node *node, struct report *report) {
    const struct statistics *statistics = &node->statistics;
    struct net_counters counters;
    net_counters(node->net, &counters);
    report->connections = counters.connections - statistics->base_connections;
    report->rejected_connections = counters.rejected - statistics->base_rejected;
    report->bytes_in = counters.bytes_in - statistics->base_in;
    report->bytes_out = counters.bytes_out - statistics->base_out;
    report->io_uring = counters.io_uring;
    report->commands = statistics->commands;
    report->peer_bytes_in = statistics->peer_bytes_in;
    report->peer_bytes_out = statistics->peer_bytes_out;
    report->peer_messages_in = statistics->peer_in;
    report->peer_messages_out = statistics->peer_out;
    report->commands_per_s = rate(statistics, statistics->rate_commands);
    report->kbytes_in_per_s = rate(statistics, statistics->rate_in) / 1024;
    report->kbytes_out_per_s = rate(statistics, statistics->rate_out) / 1024;
    report->expired_keys = statistics->expired_keys;
    report->keyspace_hits = statistics->hits;
    report->keyspace_misses = statistics->misses;
    report->error_replies = statistics->errors;
    report->errors = statistics->error_codes;
    report->error_count = statistics->error_code_count;

    struct report_calls *calls = calloc(command_count(), sizeof *calls);
    if (!calls)
        abort();
    for (size_t i = 0; i < command_count(); i++) {
        const struct command_statistics *row = &statistics->calls[i];
        if (row->calls || row->rejected || row->failed)
            calls[report->call_count++] = (struct report_calls){.command = command_numbered(i),
                                                                .calls = row->calls,
                                                                .us = row->us,
                                                                .took = row->took,
                                                                .rejected = row->rejected,
                                                                .failed = row->failed};
    }
    report->calls = calls;
}

static void report_keyspace(struct node *node, struct report *report) {
    report->database_count = keyspace_databases(node->keyspace);
    struct report_database *databases = calloc(report->database_count, sizeof *databases);
    if (!databases)
        abort();
    for (unsigned db = 0; db < report->database_count; db++) {
        databases[db].keys = keyspace_size(node->keyspace, db);
        databases[db].deadlines = keyspace_deadlines(node->keyspace, db);
    }
    report->databases = databases;
}

void status_report(struct node *node, struct report *report) {
    *report = (struct report){0};
    report_process(node, report);
    memory_report(node, report);
    proxy_report(node, report);
    report_connections(node, report);
    report_counters(node, report);
    eviction_report(node, report);
    report_keyspace(node, report);
    report_raft(node, report);
    deliver_report(node, report);
}

void status_report_free(struct report *report) {
    void *owned[] = {(void *)(uintptr_t)report->members, (void *)(uintptr_t)report->calls,
                     (void *)(uintptr_t)report->databases, (void *)(uintptr_t)report->removed};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
}
