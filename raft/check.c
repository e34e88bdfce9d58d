/* SPDX-License-Identifier: MIT */
/*
 * What must hold inside, asserted after every input; and what a message must be before it is let in.
 *
 * The two are never mixed. A broken invariant is a bug of ours and ends the process. A malformed message is a bug, or the
 * malice, of a peer: it is dropped, here, once, and the handlers need not look again. What passes may still
 * be impossible given our own state (a second leader in our term, a contradiction of what is committed). That is proof
 * that safety is broken already, and the handlers die of it.
 */
#include "internal.h"

static const raft_index index_max = UINT64_MAX / 4; /* sums of indexes and counts don't overflow */

/* Index and term belong together: there is no entry 0, and every other has a term. */
static bool is_position(raft_index index, raft_term term) {
    return index <= index_max && (index == 0) == (term == 0);
}

static bool is_chain(const struct raft_message *message) {
    raft_index index = message->index;
    raft_term term = message->log_term;
    for (size_t i = 0; i < message->entries.count; i++) {
        const struct raft_entry *entry = &message->entries.at[i];
        bool whole = (entry->type == RAFT_ENTRY_NOOP && !entry->data) ||
                     (entry->type == RAFT_ENTRY_COMMAND && entry->data);
        if (entry->index != ++index || entry->term < term || entry->term == 0 || !whole)
            return false;
        term = entry->term;
    }
    return term <= message->term;
}

static bool is_append_reply(const struct raft *raft, const struct raft_message *message) {
    if (message->rejected)
        return is_position(message->index, message->log_term) && message->index <= message->rejected_index &&
               message->log_term <= message->term;
    /* In our own term nobody has more than we have. */
    bool ours = raft->role == RAFT_LEADER && message->term == raft->hard.term;
    return message->index <= (ours ? raft->log.last : index_max);
}

bool raft_check_message(const struct raft *raft, const struct raft_message *message) {
    if (message->to != raft->self->id || message->from == raft->self->id ||
        !raft_progress_find(raft, message->from) || message->term == 0 || message->term > UINT64_MAX / 4)
        return false;
    bool ours = raft->role == RAFT_LEADER && message->term == raft->hard.term;
    bool round_fits = !ours || message->round <= raft->reads.round;
    switch (message->type) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        return is_position(message->index, message->log_term) && message->log_term < message->term;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY:
    case RAFT_TIMEOUT_NOW:
        return true;
    case RAFT_APPEND:
        return is_position(message->index, message->log_term) && is_chain(message);
    case RAFT_APPEND_REPLY:
        return round_fits && is_append_reply(raft, message);
    case RAFT_ROUND_REPLY:
        return round_fits;
    }
    return false;
}

static void check_log(const struct raft_log *log) {
    assert(log->applied <= log->applying && log->applying <= log->commit && log->commit <= log->last);
    assert(log->saved <= log->handed && log->handed <= log->last);
    assert(log->first >= 1 && log->first - 1 <= log->saved);
    assert(log->last + 1 - log->first <= log->capacity);
    assert(log->uncommitted_bytes <= log->bytes);
    assert(log->commit < log->last || log->uncommitted_bytes == 0);
    assert((log->last == 0) == (log->term_count == 0));
}

static void check_follower_of_leader(const struct raft *raft, const struct raft_progress *peer) {
    assert(peer->match <= raft->log.last && peer->next <= raft->log.last + 1);
    assert(peer->next > peer->match);
    assert(peer->window_count <= raft->config.window_messages_max);
    assert(!peer->probing || peer->window_count == 0);
    assert(peer->window_count > 0 || peer->window_bytes == 0);
    assert(peer->round_acked <= peer->round_sent && peer->round_sent <= raft->reads.round);
}

static void check_leader(const struct raft *raft) {
    assert(raft->leader == raft->self->id && raft->hard.vote == raft->self->id);
    assert(raft->saved.term == raft->hard.term && raft->saved.vote == raft->hard.vote);
    assert(raft->noop_index > 0 && raft->noop_index <= raft->log.last);
    assert(raft_log_last_term(&raft->log) == raft->hard.term);
    for (size_t i = 0; i < raft->peer_count; i++)
        if (&raft->peers[i] != raft->self)
            check_follower_of_leader(raft, &raft->peers[i]);
}

void raft_check(const struct raft *raft) {
    assert(raft->hard.term >= raft->handed.term && raft->handed.term >= raft->saved.term);
    assert(raft->hard.term >= raft_log_last_term(&raft->log));
    assert(raft->saves.sequence >= raft->saves.count);
    assert(raft->leader != raft->self->id || raft->role == RAFT_LEADER);
    check_log(&raft->log);
    if (raft->role == RAFT_LEADER)
        check_leader(raft);
    else
        assert(raft->reads.count == 0);
    if (raft->role == RAFT_CANDIDATE)
        assert(raft->hard.vote == raft->self->id && raft->leader == 0);
    assert(raft->transferee == 0 || raft->role == RAFT_LEADER);
    if (raft->role == RAFT_PRE_CANDIDATE)
        assert(raft->leader == 0);
}
