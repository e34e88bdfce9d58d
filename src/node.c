/* SPDX-License-Identifier: MIT */
/*
 * THE FLOW. Everything that a node does is done in node_turn, once per turn of the event loop, in one order:
 *
 *      poll                     the network's callbacks fill buffers; the disk's worker wakes the loop
 *        |
 *      finished jobs            what is durable now: Raft is told, its promises go out
 *      links, peers' messages   stepped before any timer fires: the heartbeat may be among them
 *      tick                     elections, heartbeats
 *      clients' commands        gathered: the turn's writes into entries of up to 64 KB, all reads into one round
 *      propose, ask             the entries are appended, the round is begun
 *      obey                     what Raft wants done, from top to bottom: save, send, apply, answer
 *      clients that wait        pops are gathered for the next entry, where there is something to pop
 *      checkpoint               a few pages of the state go to the disk, when it is time
 *      flush                    one write per connection that has something to say; while a large entry is applied,
 *                               replies to its first writes go out before (apply.c), behind what the peers are sent
 *
 * So one turn is one batch, one job for the disk; while the disk works on it the loop goes on, and what
 * comes meanwhile is the next batch. The disk is given its work before anything is applied, and its thread
 * the CPU to begin it. Effects have their order here and nowhere else:
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
    CLOCK_ENTRY_EVERY_MS = 100, /* entries proposed only so that keys expire */
    RECLAIM_PER_TURN = 256,
    CLOCK_ENTRIES_MAX = 2, /* on their way at a time: all of them may be applied in one turn */
    READIES_PER_TURN = 64,
    TURN_US = 2000, /* after so long no further ready is begun, and no further entry applied */
};

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
    if (job->why[0])
        log_warning(node->logger, "the log goes on where it is, for there is no next segment: %s", job->why);
    if (job->batch_synced) {
        node->statistics.fsyncs++;
        latency_add(&node->fsync, node->now_ms, job->batch_us);
        status_spike(node, SPIKE_FSYNC, job->batch_us);
    }
    node->log_bytes = job->log_bytes;
    node->log_wal_bytes = job->wal_bytes;
    node->log_first = job->first_index;
    switch (job->type) {
    case STORE_SAVE:
        if (job->sequence != 0)
            keep_promises(node, job->sequence);
        break;
    case STORE_READ:
        raft_fetched(node->raft, &job->fetch, &job->entries);
        break;
    case STORE_IDENTITY:
        node->storing_identity = false;
        break;
    case STORE_COMPACT:
        compact_taken(node);
        break;
    case STORE_RESET:
        snapshot_in_reset(node);
        break;
    }
    store_job_free(job);
}

static void take_finished(struct node *node) {
    if (!node->log_worker)
        return;
    for (struct worker_job *job; node->end != NODE_FAILED && (job = worker_take(node->log_worker));)
        take_log_job(node, (struct store_job *)job);
    if (!node->raft && node->state == REPORT_JOINING && !node->storing_identity &&
        node->admission.identity.cluster[0])
        start_raft(node);
}

/* ---- Raft wants ---------------------------------------------------------------------------------------------- */

/* A snapshot's vote goes before it, its entries after: one job each, in the log's one order. Only the last carries the promise. */
static void save_restore(struct node *node, const struct raft_ready *ready) {
    if (ready->vote) {
        struct store_job *job = store_job_new(STORE_SAVE);
        job->has_vote = true;
        job->vote = *ready->vote;
        worker_submit(node->log_worker, &job->job);
    }
    snapshot_in_restore(node, ready->restore);
}

static void save(struct node *node, const struct raft_ready *ready) {
    if (ready->restore)
        save_restore(node, ready);
    struct store_job *job = store_job_new(STORE_SAVE);
    struct promise *promise = calloc(1, sizeof *promise);
    if (!promise)
        abort();
    job->sequence = promise->sequence = ready->sequence;
    promise->begun_ms = node->now_ms;
    if (ready->vote && !ready->restore) {
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
    if (ready.apply.count > 0) {
        if (ready.sequence != 0)
            worker_goes_first(node->log_worker);
        apply_entries(node, &ready.apply);
    }
    confirm_reads(node, &ready.reads);
    fetch(node, &ready.fetch);
    snapshot_out_wanted(node, &ready.snapshots);
    return true;
}

bool node_turn_is_long(const struct node *node) {
    return instant_mono_us() - node->now.mono_us >= TURN_US;
}

/* True when there may be more: nothing may run for long without the loop turning. */
static bool obey(struct node *node) {
    size_t count = 0;
    bool late = false;
    while (node->end != NODE_FAILED && !late && count < READIES_PER_TURN && obey_one(node)) {
        count++;
        late = node_turn_is_long(node);
    }
    raft_status(node->raft, &node->raft_status);
    return reads_answer(node) || late || count == READIES_PER_TURN;
}

/* ---- what the turn gathered ------------------------------------------------------------------------------------ */

/* What came while this node hands over, or before it is known who leads next, reads among it that met a key which is due and wait for an
 * entry with a later clock to ride beside: it can be proposed when this node leads on, or be sent on as soon as another leads. But not with
 * victims, which a leader has chosen. */
static bool must_wait(struct node *node, struct lane *lane) {
    const struct raft_status *status = &node->raft_status;
    if (status->role == RAFT_LEADER ? status->transferee == 0 : status->leader != 0 || lane->victims > 0)
        return false;
    if (lane->begun_us == 0)
        lane->begun_us = node->now.mono_us;
    return node->now.mono_us - lane->begun_us <= 2000ull * node->conf->election_timeout_ms;
}

/* Who does not wait awake (main.c) would wait for whole milliseconds. Victims go at once, for others wait for the room; so does what
 * comes before the leadership or the node ends. */
static uint64_t gather_most_us(const struct node *node) {
    if (!node->raft_status.serving || node->writing->victims > 0 || node->leaving || node->stopping ||
        node->handover.phase != HANDOVER_NONE)
        return 0;
    return node->conf->busy_poll_us > 0 ? node->conf->gather_us : 0;
}

/* Those who were answered are on their way back (gathering.h). */
static bool gathers(struct node *node) {
    return node->writing &&
           gathering_holds(&node->gathering, node->writing->writes, gather_most_us(node), node->now.mono_us);
}

void node_propose(struct node *node) {
    struct lane *lane = node->writing;
    if (!lane || must_wait(node, lane))
        return;
    node->writing = NULL;
    lane->held_us = gathering_ends(&node->gathering, lane->writes, node->now.mono_us);
    node->statistics.gathered += lane->held_us > 0;
    node->statistics.gathered_us += lane->held_us;
    struct raft_blob *blob = entry_close(&node->batch, node->admission.level,
                                         clock_tell(&node->clock, node_wall_ms(node), node->now_ms));
    if (lane->begun_us == 0)
        lane->begun_us = node->now.mono_us - lane->held_us;
    bool in_time = lane->only == 0 || lane->only == node->raft_status.term;
    if (in_time && raft_propose(node->raft, blob, &lane->index, &lane->term) == RAFT_OK)
        lanes_insert(&node->writes, lane);
    else
        outcome_fail(node, lane);
    node->raft_status.uncommitted_bytes += blob->length;
    raft_blob_unref(blob);
}

static void ask(struct node *node) {
    struct lane *lane = node->reading;
    if (!lane)
        return;
    node->reading = NULL;
    lane->begun_us = node->now.mono_us;
    lane->through = node->raft_status.role != RAFT_LEADER;
    lanes_append(&node->reads, lane);
}

/* Rounds that are not begun, or were forgotten with a lost leadership, are asked for as soon as this node leads again; when another
 * leads, or nobody for too long, their reads were certainly not done. */
static void ask_raft(struct node *node) {
    if (!node->reads.first)
        return;
    const struct raft_status *status = &node->raft_status;
    if (status->role != RAFT_LEADER && node->conf->follower_mode == CONF_PROXY)
        proxy_keep_reads(node);
    for (struct lane *lane = node->reads.first; lane; lane = lane->next)
        if (!lane->confirmed && lane->term != status->term && (status->serving || lane->through)) {
            lane->token = ++node->next_token;
            if (raft_read_through(node->raft, node->now_ms, lane->token) == RAFT_OK)
                lane->term = status->term;
        }
    if (status->role == RAFT_LEADER)
        return;
    uint64_t patience_us = 2000ull * node->conf->election_timeout_ms;
    while (node->reads.first && !node->reads.first->confirmed &&
           ((status->leader != 0 && !node->reads.first->through) ||
            node->now.mono_us - node->reads.first->begun_us > patience_us))
        outcome_fail(node, lanes_take_first(&node->reads));
}

static bool entries_under_way(const struct node *node, size_t count) {
    for (const struct lane *lane = node->writes.first; lane && count > 0; lane = lane->next)
        count--;
    return count == 0;
}

/* Keys that are due by the leader's clock go when an entry with a later clock is applied; nobody need write for that. Each
 * entry frees so many of them: when more were due, others free the next. */
static void propose_clock(struct node *node) {
    if (!node->raft_status.serving || node->writing ||
        entries_under_way(node, node->due_left ? CLOCK_ENTRIES_MAX : 1) || handover_holds(node))
        return; /* an entry is on its way as it is, or may not be */
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
        outcome_doubt(node, lane);
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
    more |= eviction_turn(node);
    serve_commands(node);
    propose_clock(node);
    audit_turn(node);
    level_turn(node);
    ask(node);
    if (!gathers(node))
        node_propose(node);
    handover_turn(node);
    ask_raft(node);
    more |= obey(node);
    proxy_settle_turn(node);
    block_turn(node);
    more |= membership_turn(node);
    more |= compact_turn(node);
    more |= checkpoint_turn(node);
    status_watch(node);
    doubt_overdue(node);
    return more || (node->writing && !gathers(node) && !must_wait(node, node->writing)) || node->reading ||
           node->serve_first;
}

bool node_turn(struct node *node, const struct instant *now) {
    assert(now->mono_us >= node->now.mono_us);
    node->now = *now;
    node->now_ms = now->mono_us / 1000;
    bool more = false;

    const struct keyspace_use use = eviction_use(node);
    keyspace_set_use(node->keyspace, &use);
    if (node->boot_worker)
        start_opened(node);
    loading_take(node);
    take_finished(node);
    checkpoint_take(node);
    backup_turn(node);
    snapshot_out_take(node);
    snapshot_in_take(node);
    peers_take(node);
    join_turn(node);
    proxy_turn(node);
    serve_news(node);
    if (node->raft && node->end != NODE_FAILED)
        more = turn_raft(node);
    else {
        peers_ask_again(node);
        serve_commands(node);
    }

    more |= keyspace_reclaim_flushed(node->keyspace, RECLAIM_PER_TURN) == RECLAIM_PER_TURN;
    if (node->now_ms >= node->cron_ms) {
        node->cron_ms = node->now_ms + NODE_CRON_MS;
        status_cron(node);
    }
    more |= start_stop_when_done(node);
    sentinel_turn(node);
    net_flush(node->net, node_wall_ms(node));
    proxy_flushed(node);
    /* Who waits for room in sockets that have taken all: nothing else would wake the loop for it. */
    return more || reads_may_go_on(node) || serve_may_go_on(node);
}

uint64_t node_holds_until_us(const struct node *node) {
    return node->writing ? node->gathering.until_us : 0;
}

bool node_expects(const struct node *node) {
    return node->promises || node->writes.first || node->reads.first;
}

uint64_t node_deadline_ms(const struct node *node) {
    uint64_t deadline = node->cron_ms;
    if (node->raft && raft_deadline(node->raft) < deadline)
        deadline = raft_deadline(node->raft);
    if (pause_is_on(node) && node->pause.until_ms < deadline)
        deadline = node->pause.until_ms;
    if (handover_deadline_ms(node) < deadline)
        deadline = handover_deadline_ms(node);
    if (block_deadline_ms(node) < deadline)
        deadline = block_deadline_ms(node);
    if (node_holds_until_us(node) && node_holds_until_us(node) / 1000 + 1 < deadline)
        deadline = node_holds_until_us(node) / 1000 + 1;
    return deadline;
}
