/* SPDX-License-Identifier: MIT */
/*
 * The life of one voter: what comes in, the term rule, and the ready that goes out.
 *
 * Every input changes the state at once and leaves its effects in the outbox that is being filled; raft_ready adds what
 * depends on the whole (what to send, to save, to apply) and hands the outbox over. The order of one ready, and why:
 *
 *      save ----fsync----> raft_saved ------> our own match, our own vote
 *        |                 `----------------> promise: the others may count on what we have saved
 *      send  (now, beside the fsync) -------> appends: a leader is one voter of many, others may be faster
 *      apply (now) -------------------------> committed means that a majority has it; our own disk may be behind
 *
 * What a message must wait for is decided in one place, waits_for_disk:
 *
 *      whatever carries our term         the term is durable
 *      a vote, given or asked for        the vote is durable
 *      "I have the log through index"    the log is durable through index
 *      a pre-vote                        nothing: it changes nothing, here or there
 *
 * Time is what the calls say. It never goes back here, even if the caller's does.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

/* ---- life cycle ------------------------------------------------------------------------------------------ */

struct raft *raft_new(const struct raft_config *config, const struct raft_boot *boot, uint64_t now_ms) {
    assert(config->self != 0);
    assert(config->heartbeat_ms > 0 && config->heartbeat_ms < config->election_timeout_ms);
    assert(config->append_bytes_max > 0 && config->window_bytes_max > 0 && config->window_messages_max > 0);
    assert(config->ready_bytes_max > 0 && config->clock_drift_permille < 1000);
    struct raft *raft = raft_alloc(1, sizeof *raft);
    raft->config = *config;
    raft->now_ms = raft->started_ms = now_ms;
    raft->random = config->seed;
    raft->hard = raft->handed = raft->saved = (struct raft_vote){boot->term, boot->vote};
    raft->filling = &raft->boxes[0];
    raft->given = &raft->boxes[1];
    raft_log_init(&raft->log, boot, config->tail_bytes_max);
    raft_member_init(raft, boot);
    raft->config.voters = NULL;
    raft_forward_init(raft);
    raft_election_begin(raft);
    raft_check(raft);
    return raft;
}

void raft_free(struct raft *raft) {
    raft_member_close(raft);
    raft_outbox_close(&raft->boxes[0]);
    raft_outbox_close(&raft->boxes[1]);
    raft_log_close(&raft->log);
    free(raft->saves.at);
    free(raft->reads.at);
    free(raft->forward.at);
    free(raft);
}

/* ---- in -------------------------------------------------------------------------------------------------- */

void raft_pass_time(struct raft *raft, uint64_t now_ms) {
    if (now_ms > raft->now_ms)
        raft->now_ms = now_ms;
}

/* A leader knows who lacks what; of all others nobody wants anything. */
static void trim_tail(struct raft *raft) {
    raft_index wanted = raft->log.applied + 1;
    for (size_t i = 0; raft->role == RAFT_LEADER && i < raft->peer_count; i++) {
        const struct raft_progress *peer = &raft->peers[i];
        if (peer != raft->self && peer->match < wanted)
            wanted = peer->match + 1;
    }
    raft_log_trim(&raft->log, wanted);
}

void raft_tick(struct raft *raft, uint64_t now_ms) {
    raft_pass_time(raft, now_ms);
    if (raft->role == RAFT_LEADER)
        raft_replicate_tick(raft);
    else
        raft_election_tick(raft);
    raft_forward_tick(raft);
    trim_tail(raft);
    raft_check(raft);
}

/* A newer term is entered by whoever sees it (section 3.3), except that a pre-vote only asks what would be. */
static bool brings_its_term(const struct raft_message *message) {
    if (message->type == RAFT_PRE_VOTE)
        return false;
    return message->type != RAFT_PRE_VOTE_REPLY || message->rejected;
}

static void enter_newer_term(struct raft *raft, const struct raft_message *message) {
    if (raft->role == RAFT_LEADER)
        raft_trace(raft, "stepping down from term %llu: %llu is in term %llu",
                   (unsigned long long)raft->hard.term, (unsigned long long)message->from,
                   (unsigned long long)message->term);
    raft_election_follow(raft, message->term, message->type == RAFT_APPEND ? message->from : 0);
}

static void handle(struct raft *raft, const struct raft_message *message) {
    static void (*const handlers[])(struct raft *, const struct raft_message *) = {
        [RAFT_PRE_VOTE] = raft_election_pre_vote,
        [RAFT_PRE_VOTE_REPLY] = raft_election_pre_vote_reply,
        [RAFT_VOTE] = raft_election_vote,
        [RAFT_VOTE_REPLY] = raft_election_vote_reply,
        [RAFT_APPEND] = raft_follow_append,
        [RAFT_APPEND_REPLY] = raft_replicate_append_reply,
        [RAFT_ROUND_REPLY] = raft_replicate_round_reply,
        [RAFT_TIMEOUT_NOW] = raft_election_timeout_now,
        [RAFT_READ_INDEX] = raft_forward_request,
        [RAFT_READ_INDEX_REPLY] = raft_forward_reply,
    };
    handlers[message->type](raft, message);
}

void raft_heard(struct raft *raft, uint64_t now_ms, raft_id peer) {
    raft_pass_time(raft, now_ms);
    struct raft_progress *progress = raft_progress_find(raft, peer);
    if (!progress)
        return;
    progress->heard_ms = raft->now_ms;
    if (raft->role == RAFT_LEADER)
        progress->active_ms = raft->now_ms;
    else if (raft->role == RAFT_FOLLOWER && raft->leader == peer)
        raft->leader_heard_ms = raft->silent_since_ms = raft->now_ms;
}

/* Whoever is removed needs to know only that, whatever its term. */
static bool is_about_removal(struct raft *raft, const struct raft_message *message) {
    if (message->type == RAFT_DISMISSED) {
        raft_member_told(raft, message);
        return true;
    }
    bool stands = message->type == RAFT_PRE_VOTE || message->type == RAFT_VOTE;
    if (!stands || !raft_member_is_removed(raft, message->from))
        return false;
    raft_emit(raft, &(struct raft_message){
                        .type = RAFT_DISMISSED,
                        .to = message->from,
                        .term = raft->hard.term,
                    });
    return true;
}

void raft_step(struct raft *raft, uint64_t now_ms, const struct raft_message *message) {
    raft_pass_time(raft, now_ms);
    if (!raft_check_message(raft, message))
        return;
    struct raft_progress *peer = raft_progress_find(raft, message->from);
    if (peer)
        peer->heard_ms = raft->now_ms;
    if (is_about_removal(raft, message) || raft_election_ignores(raft, message))
        return;
    if (message->term > raft->hard.term && brings_its_term(message))
        enter_newer_term(raft, message);
    if (message->term < raft->hard.term)
        raft_follow_stale(raft, message);
    else
        handle(raft, message);
    raft_check(raft);
}

enum raft_result raft_propose(struct raft *raft, struct raft_blob *data, raft_index *index, raft_term *term) {
    struct raft_log *log = &raft->log;
    assert(data);
    if (raft->role != RAFT_LEADER)
        return RAFT_NOT_LEADER;
    if (raft->transferee)
        return RAFT_TRANSFERRING;
    if (log->uncommitted_bytes && log->uncommitted_bytes + data->length > raft->config.uncommitted_bytes_max)
        return RAFT_BUSY;
    *index = log->last + 1;
    *term = raft->hard.term;
    raft_log_append(log, &(struct raft_entry){
                             .index = *index,
                             .term = *term,
                             .type = RAFT_ENTRY_COMMAND,
                             .data = data,
                         });
    return RAFT_OK;
}

void raft_unreachable(struct raft *raft, raft_id id) {
    struct raft_progress *peer = raft_progress_find(raft, id);
    if (raft->role != RAFT_LEADER || !peer || peer == raft->self)
        return;
    raft_progress_probe(raft, peer);
    /* The next probe goes out with the heartbeat, or each failure would bring another at once. */
    peer->probe_sent = true;
    raft_check(raft);
}

/* ---- acknowledgements ------------------------------------------------------------------------------------ */

void raft_saved(struct raft *raft, uint64_t now_ms, uint64_t sequence) {
    struct raft_save save;
    raft_pass_time(raft, now_ms);
    if (!raft_saves_pop(&raft->saves, sequence, &save))
        return;
    assert(save.last >= raft->log.saved && save.vote.term >= raft->saved.term);
    raft->saved = save.vote;
    raft->log.saved = save.last;
    raft_election_saved(raft);
    if (raft->role == RAFT_LEADER)
        raft_replicate_commit(raft);
    trim_tail(raft);
    raft_check(raft);
}

void raft_applied(struct raft *raft, raft_index index) {
    raft_index before = raft->log.applied;
    assert(index <= raft->log.applying);
    if (index > raft->log.applied)
        raft->log.applied = index;
    raft->log.applying = raft->log.applied;
    raft_member_applied(raft);
    raft_replicate_applied(raft, before);
    trim_tail(raft);
    raft_check(raft);
}

/* How many of the entries are the log's own, in a row from `from` on. An index and a term name one entry for ever. */
static size_t still_ours(const struct raft *raft, raft_index from, const struct raft_entries *entries) {
    size_t count = 0;
    while (count < entries->count && entries->at[count].index == from + count &&
           raft_log_term_at(&raft->log, from + count) == entries->at[count].term)
        count++;
    return count;
}

static void fetched_to_apply(struct raft *raft, const struct raft_entries *entries) {
    struct raft_log *log = &raft->log;
    if (log->applying > log->applied || entries->at[0].index != log->applying + 1)
        return;
    size_t committed = log->commit - log->applying;
    size_t count = entries->count < committed ? entries->count : committed;
    raft->filling->apply = raft_outbox_copy(raft->filling, entries->at, count);
    log->applying += count;
}

void raft_fetched(struct raft *raft, const struct raft_fetch *fetch, const struct raft_entries *entries) {
    struct raft_progress *peer = fetch->for_peer ? raft_progress_find(raft, fetch->for_peer) : raft->self;
    if (!peer)
        return; /* no member any more */
    peer->fetching = false;
    struct raft_entries ours = {entries->at, still_ours(raft, fetch->from, entries)};
    if (ours.count && peer == raft->self)
        fetched_to_apply(raft, &ours);
    else if (ours.count)
        raft_replicate_fetched(raft, peer, &ours);
    raft_check(raft);
}

/* ---- out ------------------------------------------------------------------------------------------------- */

static bool waits_for_disk(const struct raft *raft, const struct raft_message *message) {
    bool term_durable = raft->saved.term == raft->hard.term;
    switch (message->type) {
    case RAFT_PRE_VOTE:
        return false;
    case RAFT_PRE_VOTE_REPLY:
        return message->rejected && !term_durable;
    case RAFT_VOTE:
        return !term_durable || raft->saved.vote != raft->self->id;
    case RAFT_VOTE_REPLY:
        return !term_durable || (!message->rejected && raft->saved.vote != message->to);
    case RAFT_APPEND_REPLY:
        return !term_durable || (!message->rejected && message->index > raft->log.saved);
    default:
        break;
    }
    return !term_durable;
}

/* A follower that has taken several appends in a turn acknowledges them with one message. */
static bool merge(struct raft_list *list, const struct raft_message *message) {
    struct raft_messages *messages = &list->messages;
    struct raft_message *last = messages->count ? &messages->at[messages->count - 1] : NULL;
    if (!last || message->type != RAFT_APPEND_REPLY || last->type != RAFT_APPEND_REPLY || message->rejected ||
        last->rejected || last->to != message->to || last->term != message->term)
        return false;
    if (message->index > last->index)
        last->index = message->index;
    if (message->round > last->round)
        last->round = message->round;
    return true;
}

bool raft_emit(struct raft *raft, const struct raft_message *message) {
    bool waits = waits_for_disk(raft, message);
    struct raft_list *list = waits ? &raft->filling->promise : &raft->filling->send;
    assert(message->type != RAFT_APPEND || !waits); /* a leader was elected by its own durable vote */
    if (!merge(list, message))
        raft_list_push(list, message)->from = raft->self->id;
    return waits;
}

void raft_trace(struct raft *raft, const char *format, ...) {
    static const char full[] = "...\n";
    struct raft_outbox *box = raft->filling;
    size_t room = RAFT_TRACE_MAX - sizeof full - box->trace_length;
    if (room == 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(box->trace + box->trace_length, room, format, arguments);
    va_end(arguments);
    assert(length >= 0);
    if ((size_t)length + 1 < room) {
        box->trace_length += (size_t)length;
        box->trace[box->trace_length++] = '\n';
        box->trace[box->trace_length] = '\0';
        return;
    }
    snprintf(box->trace + box->trace_length, sizeof full, "%s", full);
    box->trace_length = RAFT_TRACE_MAX - sizeof full;
}

static void collect_apply(struct raft *raft) {
    struct raft_log *log = &raft->log;
    raft_index from = log->applying + 1;
    size_t bytes;
    if (log->applying > log->applied || from > log->commit || raft->self->fetching)
        return;
    if (from < log->first) {
        raft->self->fetching = true;
        raft_outbox_fetch(raft->filling, &(struct raft_fetch){
                                             .from = from,
                                             .to = log->commit < log->first ? log->commit : log->first - 1,
                                             .bytes_max = raft->config.ready_bytes_max,
                                         });
        return;
    }
    size_t count = raft_log_fit(log, from, log->commit, raft->config.ready_bytes_max, &bytes);
    raft->filling->apply = raft_outbox_slice(raft->filling, log, from, count);
    log->applying += count;
}

static void collect_saves(struct raft *raft, struct raft_ready *ready) {
    struct raft_log *log = &raft->log;
    struct raft_outbox *box = raft->filling;
    bool vote = raft->hard.term != raft->handed.term || raft->hard.vote != raft->handed.vote;
    if (log->handed < log->last)
        box->save = raft_outbox_slice(box, log, log->handed + 1, log->last - log->handed);
    if (!vote && box->save.count == 0 && box->promise.messages.count == 0 && box->restore.index == 0)
        return;
    log->handed = log->last;
    raft->handed = box->vote = raft->hard;
    ready->vote = vote ? &box->vote : NULL;
    ready->sequence = raft_saves_push(&raft->saves, raft->hard, log->last);
}

bool raft_ready(struct raft *raft, struct raft_ready *ready) {
    struct raft_outbox *box = raft->filling;
    raft_outbox_clear(raft->given);
    *ready = (struct raft_ready){.sequence = 0};
    if (raft->role == RAFT_LEADER) {
        raft_readindex_begin(raft);
        raft_replicate_send(raft);
        raft_transfer_send(raft);
        raft_change_leave(raft);
    } else {
        raft_forward_send(raft);
    }
    collect_apply(raft);
    collect_saves(raft, ready);
    ready->restore = box->restore.index ? &box->restore : NULL;
    ready->snapshots = box->snapshots;
    ready->save = box->save;
    ready->send = box->send.messages;
    ready->promise = box->promise.messages;
    ready->apply = box->apply;
    ready->reads = box->reads;
    ready->fetch = box->fetch;
    ready->trace = box->trace;
    raft_check(raft);
    if (!ready->sequence && !ready->send.count && !ready->apply.count && !ready->reads.count &&
        !ready->fetch.count && !ready->snapshots.count && !box->trace_length)
        return false;
    raft->filling = raft->given;
    raft->given = box;
    return true;
}

uint64_t raft_deadline(const struct raft *raft) {
    if (raft->role == RAFT_LEADER)
        return raft_replicate_deadline(raft);
    uint64_t election = raft_election_deadline(raft), forward = raft_forward_deadline(raft);
    return election < forward ? election : forward;
}

void raft_status(const struct raft *raft, struct raft_status *status) {
    const struct raft_log *log = &raft->log;
    bool leads = raft->role == RAFT_LEADER;
    uint64_t timeout = raft->config.election_timeout_ms;
    *status = (struct raft_status){
        .role = raft->role,
        .term = raft->hard.term,
        .vote = raft->hard.vote,
        .leader = raft->leader,
        .serving = leads && log->applied >= raft->noop_index,
        .quorum = leads ? raft->now_ms - raft_replicate_quorum_ms(raft) < timeout : raft->leader != 0,
        .transferee = raft->transferee,
        .kind = raft->self->kind,
        .removed = raft->membership.removed,
        .changing = raft->membership.at[raft->membership.count - 1].index > log->commit,
        .base_index = log->base,
        .base_term = raft_log_term_at(log, log->base),
        .commit = log->commit,
        .applied = log->applied,
        .last_index = log->last,
        .saved_index = log->saved,
        .last_term = raft_log_last_term(log),
        .uncommitted_bytes = log->uncommitted_bytes,
        .tail_bytes = log->bytes,
        .leader_since_ms = raft->leader ? raft->leader_since_ms : 0,
        .elections = raft->elections,
        .leader_changes = raft->leader_changes,
    };
}

bool raft_peer_status(const struct raft *raft, raft_id id, struct raft_peer_status *status) {
    const struct raft_progress *peer = raft_progress_find(raft, id);
    bool leads = raft->role == RAFT_LEADER;
    if (!peer)
        return false;
    *status = (struct raft_peer_status){
        .match = !leads               ? 0
                 : peer == raft->self ? raft->log.saved
                                      : peer->match,
        .last_contact_ms = peer == raft->self ? raft->now_ms : peer->heard_ms,
        .window_bytes = leads ? peer->window_bytes : 0,
        .probing = leads && peer->probing,
        .snapshot = leads && peer->snapshot != RAFT_SNAPSHOT_NONE,
        .kind = peer->kind,
    };
    return true;
}

raft_term raft_term_at(const struct raft *raft, raft_index index) {
    return raft_log_term_at(&raft->log, index);
}

const char *raft_role_name(enum raft_role role) {
    static const char *const names[] = {
        [RAFT_FOLLOWER] = "follower",
        [RAFT_PRE_CANDIDATE] = "pre-candidate",
        [RAFT_CANDIDATE] = "candidate",
        [RAFT_LEADER] = "leader",
    };
    return names[role];
}

const char *raft_result_text(enum raft_result result) {
    static const char *const texts[] = {
        [RAFT_OK] = "ok",
        [RAFT_NOT_LEADER] = "not the leader",
        [RAFT_BUSY] = "too much is uncommitted",
        [RAFT_TRANSFERRING] = "the leadership is being handed over",
        [RAFT_NO_TARGET] = "no voter can take the leadership over",
        [RAFT_NO_LEASE] = "no lease",
        [RAFT_NO_LEADER] = "no leader is known",
        [RAFT_NOT_READY] = "this leader has not committed an entry of its term yet",
        [RAFT_CHANGING] = "another change of members is not committed yet",
        [RAFT_ID_USED] = "this id is or was a member's",
        [RAFT_NO_MEMBER] = "no such member",
        [RAFT_TOO_MANY] = "there are too many members",
        [RAFT_BEHIND] = "it has too little of the log, or does not answer",
        [RAFT_LAST_VOTER] = "it is the last voter",
        [RAFT_WOULD_LOSE_QUORUM] = "of the voters that would be left no majority answers",
    };
    return texts[result];
}
