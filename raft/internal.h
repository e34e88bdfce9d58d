/* SPDX-License-Identifier: MIT */
/*
 * What the files of raft/ share and nobody else sees.
 *
 *      raft.c        life cycle, the term rule, the ready        saves.c      what is on its way to the disk
 *      election.c    pre-vote, vote, roles, timers               outbox.c     what the next ready carries
 *      replicate.c   the leader's side of the log                log.c        the log's tail in memory, its terms
 *      follow.c      the follower's side of the log              progress.c   what a leader knows of one follower
 *      snapshot.c    the log's beginning, and what replaces it   member.c     who is a member
 *      readindex.c   read rounds                                 change.c     what changes of members are accepted
 *      forward.c     reads through a follower                    transfer.c   handing the leadership over
 *      lease.c       reads that stand on time                    quorum.c     majorities
 *      thrift.c      who is sent entries a moment later          check.c      invariants; what a message must be
 *      random.c, blob.c, memory.c
 */
#ifndef RAFT_INTERNAL_H
#define RAFT_INTERNAL_H

#include <assert.h>

#include "raft.h"

/* ---- memory.c: out of memory ends the process ----------------------------------------------------------- */

void *raft_alloc(size_t count, size_t size); /* zeroed */
/* Makes room for `needed` elements; returns the array, perhaps moved. */
void *raft_grow(void *at, size_t *capacity, size_t needed, size_t size);

/* ---- random.c -------------------------------------------------------------------------------------------- */

uint64_t raft_random_below(uint64_t *state, uint64_t bound);

/* ---- log.c ----------------------------------------------------------------------------------------------- */

struct raft_log {
    raft_index base;     /* the log begins after this entry, whose term is known; 0: with the first of all */
    raft_index last;     /* of the whole log; base when it is empty */
    raft_index first;    /* of the tail in memory; last + 1 when the tail is empty */
    raft_index handed;   /* given out to be saved through here */
    raft_index saved;    /* durable through here: <= handed */
    raft_index commit;   /* may be ahead of saved: others can commit before our own disk is through */
    raft_index applying; /* given out to be applied through here: <= commit */
    raft_index applied;  /* <= applying; below base while a snapshot is being loaded */

    struct raft_entry *slots; /* a ring: entry i of the tail is in slot i & (capacity - 1) */
    size_t capacity;          /* a power of two */
    size_t bytes;             /* of memory that the tail's entries take */
    size_t uncommitted_bytes; /* of data in the tail after commit */
    size_t bytes_max;         /* beyond it, saved and applied entries leave the tail */

    struct raft_term_start *terms; /* of base and the whole log, ascending in both fields */
    size_t term_count, term_capacity;
};

void raft_log_init(struct raft_log *log, const struct raft_boot *boot, size_t bytes_max);
void raft_log_close(struct raft_log *log);
raft_term raft_log_term_at(const struct raft_log *log, raft_index index); /* 0 when there is no such entry */
raft_term raft_log_last_term(const struct raft_log *log);
/* The greatest index, at most `index`, whose entry's term is at most `term`; one before base when that is not known. */
raft_index raft_log_floor(const struct raft_log *log, raft_index index, raft_term term);
/* The entry, which must be in memory. */
const struct raft_entry *raft_log_entry(const struct raft_log *log, raft_index index);
/* How many entries from `from` to `to` (in memory) have at most `bytes_max` bytes together; at least one. */
size_t raft_log_fit(const struct raft_log *log, raft_index from, raft_index to, size_t bytes_max,
                    size_t *bytes);
void raft_log_append(struct raft_log *log, const struct raft_entry *entry); /* takes a reference */
void raft_log_truncate(struct raft_log *log, raft_index from); /* drops from..last: none is committed */
void raft_log_commit(struct raft_log *log, raft_index index);
/* Lets the oldest leave when the tail is too big: beyond its bound, or, of those before `wanted`, which nobody is known to lack, beyond
 * a small part of it. */
enum { RAFT_TAIL_SPARE_PART = 16 };
void raft_log_trim(struct raft_log *log, raft_index wanted);
void raft_log_compact(struct raft_log *log,
                      raft_index index); /* it begins after `index`: saved and applied */
/* Nothing of it is left; it begins after `index`. What is applied is the caller's to say. */
void raft_log_reset(struct raft_log *log, raft_index index, raft_term term);

/* ---- saves.c --------------------------------------------------------------------------------------------- */

struct raft_save {
    uint64_t sequence;
    struct raft_vote vote; /* term and vote that are durable with it */
    raft_index last;       /* the log's entries through here are durable with it */
};

struct raft_saves {
    struct raft_save *at; /* oldest first */
    size_t count, capacity;
    uint64_t sequence; /* of the newest ready that had something to save or promise */
};

uint64_t raft_saves_push(struct raft_saves *saves, struct raft_vote vote, raft_index last);
/* The log was cut: what is on its way beyond `last` is an overwritten twin. */
void raft_saves_clip(struct raft_saves *saves, raft_index last);
/* Takes out everything up to `sequence`; false when nothing was left of it. *save: all of it together. */
bool raft_saves_pop(struct raft_saves *saves, uint64_t sequence, struct raft_save *save);

/* ---- outbox.c -------------------------------------------------------------------------------------------- */

/* Entries that stay where they are until the whole is cleared. Each holds a reference. */
struct raft_arena {
    struct raft_arena_block *blocks;
    size_t block_count, block_capacity;
    size_t current; /* the block that is being filled */
};

struct raft_list { /* of messages */
    struct raft_messages messages;
    size_t capacity;
};

enum { RAFT_TRACE_MAX = 4096 };

/* What one ready carries. Two take turns: one is being filled, the other is in the caller's hands. */
struct raft_outbox {
    struct raft_arena arena;
    struct raft_list send, promise;
    struct raft_vote vote;
    struct raft_snapshot restore; /* index 0: none */
    struct raft_entries save, apply;
    struct raft_ids snapshots;
    size_t snapshots_capacity;
    struct raft_reads reads;
    size_t reads_capacity;
    struct raft_fetches fetch;
    size_t fetch_capacity;
    char trace[RAFT_TRACE_MAX];
    size_t trace_length;
};

void raft_outbox_clear(struct raft_outbox *box);
void raft_outbox_close(struct raft_outbox *box);
struct raft_message *raft_list_push(struct raft_list *list, const struct raft_message *message);
/* Copies of entries, with references. */
struct raft_entries raft_outbox_slice(struct raft_outbox *box, const struct raft_log *log, raft_index from,
                                      size_t count);
struct raft_entries raft_outbox_copy(struct raft_outbox *box, const struct raft_entry *entries, size_t count);
void raft_outbox_read(struct raft_outbox *box, uint64_t token, raft_index index);
void raft_outbox_fetch(struct raft_outbox *box, const struct raft_fetch *fetch);
void raft_outbox_snapshot(struct raft_outbox *box, raft_id to);
/* Takes a reference of the list. */
void raft_outbox_restore(struct raft_outbox *box, raft_index index, raft_term term,
                         struct raft_blob *members);

/* ---- progress.c ------------------------------------------------------------------------------------------ */

struct raft_flight { /* one append on its way */
    raft_index last;
    size_t bytes;
};

enum raft_snapshot_state {
    RAFT_SNAPSHOT_NONE,
    RAFT_SNAPSHOT_WANTED, /* the next ready asks for it */
    RAFT_SNAPSHOT_ASKED,  /* on its way */
    RAFT_SNAPSHOT_FAILED, /* wanted again after a heartbeat's time */
    RAFT_SNAPSHOT_SENT,   /* being put in place there: a refusal means "not yet" */
};

/* One member, or one that is leaving. The node itself has one too, of which only id, kind, granted and fetching (entries to
 * apply) are used. */
struct raft_progress {
    raft_id id;
    enum raft_member_kind kind;
    uint64_t heard_ms; /* any message; 0: never */
    bool granted;      /* its (pre-)vote of the present campaign */
    bool fetching;     /* entries for it are being read back from the disk */

    /* the leader's */
    uint64_t active_ms;     /* answered an append of this term */
    raft_index match;       /* it has the leader's log through here */
    uint64_t match_turn;    /* who came to its match sooner has the smaller number */
    uint64_t hold_until_ms; /* what it lacks is not sent before; 0: nothing is held back from it */
    raft_index next;        /* to be sent next: > match */
    bool probing;    /* where its log fits is not known, or it is unreachable: one empty append at a time */
    bool probe_sent; /* no other before an answer or a heartbeat's time */
    bool heartbeat_due;     /* tell it something in the next ready */
    raft_index commit_sent; /* the commit index it was told */
    uint64_t round_sent, round_acked;
    uint64_t confirmed_ms;      /* the newest noted round that it has acknowledged began then: lease.c */
    struct raft_flight *window; /* a ring of window_messages_max: appends with entries, unacknowledged */
    size_t window_head, window_count, window_bytes;
    uint64_t window_since_ms; /* the oldest has waited since, or some were acknowledged then */
    enum raft_snapshot_state snapshot;
    raft_index snapshot_index;  /* SENT: it reaches so far */
    uint64_t snapshot_until_ms; /* SENT: patience ends */
    uint64_t behind_ms;         /* a learner: when it lacked too much last */
    raft_index leave_index;     /* it leaves by this entry ... */
    uint64_t leave_at_ms;       /* ... and once that is committed, is told so until then */
};

struct raft_progress *raft_progress_find(const struct raft *raft, raft_id id); /* NULL: a stranger */
void raft_progress_lead(struct raft *raft, struct raft_progress *peer); /* at the start of a leader's term */
/* Forget what is in flight; look again where its log fits. */
void raft_progress_probe(const struct raft *raft, struct raft_progress *peer);
void raft_progress_want_snapshot(struct raft_progress *peer);
bool raft_progress_takes_snapshot(const struct raft_progress *peer); /* from wanted until sent */
/* Bytes that may go out now; 0 when it has to wait. */
size_t raft_progress_room(const struct raft *raft, const struct raft_progress *peer);
void raft_progress_sent(struct raft *raft, struct raft_progress *peer, raft_index last, size_t bytes);
bool raft_progress_accepted(struct raft *raft, struct raft_progress *peer,
                            raft_index index); /* match moved */
/* The entry before an append did not fit: look lower. False when the answer is stale. */
bool raft_progress_rejected(struct raft *raft, struct raft_progress *peer, raft_index rejected,
                            raft_index hint, raft_term hint_term);
bool raft_progress_stuck(const struct raft *raft, const struct raft_progress *peer);

/* ---- readindex.c ----------------------------------------------------------------------------------------- */

struct raft_waiting_read {
    uint64_t token;
    raft_index index;
    uint64_t round; /* 0: none begun yet */
    raft_id from;   /* the follower that asked; `token` is its batch. 0: our own */
};

struct raft_read_queue {
    struct raft_waiting_read *at; /* oldest first; rounds ascend, those without one are last */
    size_t head, count, capacity;
    size_t unassigned; /* how many at the end have no round yet */
    uint64_t round;    /* of this term; the newest begun */
    uint64_t late_ms;  /* what is not confirmed by then is asked of all; 0: nothing waits */
    bool late;
};

void raft_readindex_add(struct raft *raft, raft_id from, uint64_t token);
void raft_readindex_reset(struct raft *raft); /* at the start and at the end of leadership */
void raft_readindex_begin(struct raft *raft); /* puts what waits without a round into a new one */
void raft_readindex_renew(struct raft *raft); /* begins a round, for a lease */
void raft_readindex_tick(struct raft *raft);  /* time has passed: a round may be late */
uint64_t raft_readindex_deadline(const struct raft *raft); /* UINT64_MAX: none */
/* Whom to ask next, so that a majority can confirm the newest round; NULL when enough are asked. */
struct raft_progress *raft_readindex_next(struct raft *raft);
void raft_readindex_release(struct raft *raft); /* hands out what a majority has confirmed */

/* ---- forward.c ------------------------------------------------------------------------------------------- */

struct raft_forwarded_read {
    uint64_t token;
    uint64_t batch; /* 0: not asked for yet */
};

struct raft_forward {
    struct raft_forwarded_read *at; /* oldest first; batches ascend, those without one are last */
    size_t count, capacity;
    size_t unassigned;    /* how many at the end have no batch yet */
    uint64_t batch;       /* the newest */
    uint64_t batch_first; /* of this term: answers to those before it are not ours */
    uint64_t again_ms;    /* the newest was sent a heartbeat's time before that */
    bool due;             /* ask again */
};

void raft_forward_init(struct raft *raft);
void raft_forward_forget(struct raft *raft); /* the term changes */
void raft_forward_tick(struct raft *raft);
void raft_forward_send(struct raft *raft);
uint64_t raft_forward_deadline(const struct raft *raft);
void raft_forward_request(struct raft *raft, const struct raft_message *message);
void raft_forward_reply(struct raft *raft, const struct raft_message *message);

/* ---- lease.c --------------------------------------------------------------------------------------------- */

enum { RAFT_LEASE_MARKS = 32 };

struct raft_lease_mark {
    uint64_t round, began_ms;
};

struct raft_lease {
    struct raft_lease_mark marks[RAFT_LEASE_MARKS]; /* a ring, oldest first */
    size_t head, count;
    bool dropped; /* for the rest of this term */
};

void raft_lease_reset(struct raft *raft); /* at the start of a leader's term */
void raft_lease_begin(struct raft *raft); /* a round begins now */
void raft_lease_acknowledged(struct raft *raft, struct raft_progress *peer);
bool raft_lease_holds_back(const struct raft *raft); /* we may have acknowledged a lease before our start */

/* ---- thrift.c -------------------------------------------------------------------------------------------- */

struct raft_thrift {
    bool shared;    /* all members are on one machine */
    bool race;      /* the next new entries go to all at once */
    uint64_t turns; /* how often a match has moved */
};

void raft_thrift_choose(struct raft *raft); /* whom this ready sends nothing yet */
bool raft_thrift_holds(const struct raft_progress *peer);
raft_index raft_thrift_commit(const struct raft *raft,
                              const struct raft_progress *peer); /* that it may know of */
void raft_thrift_race(struct raft *raft);
void raft_thrift_hurry(const struct raft *raft,
                       struct raft_progress *peer); /* somebody waits for what it lacks */
void raft_thrift_accepted(struct raft *raft, struct raft_progress *peer); /* its match has moved */
uint64_t raft_thrift_deadline(const struct raft *raft);                   /* UINT64_MAX: none */

/* ---- quorum.c -------------------------------------------------------------------------------------------- */

size_t raft_quorum(size_t voters); /* the least majority */
/* The greatest value that a majority has reached. Sorts the values. */
uint64_t raft_quorum_reached(uint64_t *values, size_t count);

/* ---- member.c -------------------------------------------------------------------------------------------- */

struct raft_membership {
    struct raft_members_at
        *at; /* ascending: the newest that is applied, and all after it; the last one holds */
    size_t count, capacity;
    bool removed; /* this node is no member any more, and knows it */
};

void raft_member_init(struct raft *raft, const struct raft_boot *boot);
void raft_member_close(struct raft *raft);
void raft_member_appended(struct raft *raft, const struct raft_entry *entry);
void raft_member_cut(struct raft *raft, raft_index from); /* the log was truncated */
void raft_member_committed(struct raft *raft);            /* the commit index has moved */
void raft_member_applied(struct raft *raft);
void raft_member_restore(struct raft *raft, raft_index index, struct raft_blob *list);
void raft_member_told(struct raft *raft, const struct raft_message *message); /* that we are removed */
/* Lets those go that have been removed and told so. Peers move: no pointer to one outlives it. */
void raft_member_sweep(struct raft *raft);
bool raft_member_is_removed(const struct raft *raft, raft_id id); /* by a committed list */
bool raft_member_may_stand(const struct raft *raft);
bool raft_member_is_alone(const struct raft *raft); /* the only voter, and nobody else may read by a lease */
size_t raft_member_count(const struct raft *raft, enum raft_member_kind kind);
/* The greatest value that a majority of the voters has reached. */
uint64_t raft_member_reached(const struct raft *raft,
                             uint64_t (*value)(const struct raft *, const struct raft_progress *));

/* ---- change.c -------------------------------------------------------------------------------------------- */

void raft_change_tick(struct raft *raft);  /* promotes learners */
void raft_change_leave(struct raft *raft); /* a leader that is removed for good goes */

/* ---- the whole ------------------------------------------------------------------------------------------- */

struct raft {
    struct raft_config config; /* voters: NULL, they are in the first list */
    uint64_t now_ms;           /* the latest that was told: never goes back */
    uint64_t started_ms;
    uint64_t random;

    struct raft_vote hard;   /* term and vote as they are */
    struct raft_vote handed; /* as given out to be saved */
    struct raft_vote saved;  /* as they are durable */
    struct raft_saves saves;

    enum raft_role role;
    raft_id leader;
    raft_term leader_term; /* the newest term whose leader became known here */
    uint64_t leader_since_ms;
    uint64_t leader_heard_ms;
    /* The election timer runs from here: the leader was heard, a vote given, a campaign begun. */
    uint64_t silent_since_ms;
    uint64_t election_timeout_ms; /* this time's, randomised */
    uint64_t ask_again_ms;        /* a candidate repeats its requests then */
    bool transfer_campaign;       /* a candidate: the leader asked for it */
    bool held_back;               /* the caller wants this node not to stand */
    uint64_t answered_round;      /* the leader's newest round that we have answered */
    uint64_t elections, leader_changes;

    struct raft_log log;
    struct raft_membership membership;
    struct raft_progress *peers; /* all members, those that are leaving, and self, member or not */
    size_t peer_count, peer_capacity;
    struct raft_progress *self;
    uint64_t *scratch; /* peer_count values, for quorums */

    /* the leader's */
    raft_index noop_index; /* opened this term */
    uint64_t heartbeat_at_ms;
    uint64_t announce_at_ms; /* followers not told the commit index by then are told; 0: nothing to tell */
    struct raft_read_queue reads;
    struct raft_forward forward; /* the follower's */
    struct raft_lease lease;
    struct raft_thrift thrift;
    raft_id transferee; /* 0: nobody */
    bool transfer_due;  /* the next ready may tell it to stand */
    uint64_t transfer_until_ms;

    struct raft_outbox boxes[2];
    struct raft_outbox *filling, *given;
};

/* raft.c */
void raft_pass_time(struct raft *raft, uint64_t now_ms);
/* To send, or to promise if it must wait for the disk: then true. */
bool raft_emit(struct raft *raft, const struct raft_message *message);
void raft_trace(struct raft *raft, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* election.c */
void raft_election_begin(struct raft *raft);
void raft_election_reset_timer(struct raft *raft);
void raft_election_tick(struct raft *raft);
uint64_t raft_election_deadline(const struct raft *raft);
void raft_election_saved(struct raft *raft); /* our own vote may have become durable */
bool raft_election_ignores(const struct raft *raft, const struct raft_message *message);
void raft_election_pre_vote(struct raft *raft, const struct raft_message *message);
void raft_election_pre_vote_reply(struct raft *raft, const struct raft_message *message);
void raft_election_vote(struct raft *raft, const struct raft_message *message);
void raft_election_vote_reply(struct raft *raft, const struct raft_message *message);
void raft_election_timeout_now(struct raft *raft, const struct raft_message *message);
void raft_election_follow(struct raft *raft, raft_term term, raft_id leader);

/* replicate.c */
void raft_replicate_lead(struct raft *raft); /* the start of a leader's term */
void raft_replicate_tick(struct raft *raft);
void raft_replicate_send(struct raft *raft); /* whatever may go out now */
void raft_replicate_commit(struct raft *raft);
void raft_replicate_applied(struct raft *raft, raft_index before); /* applied has moved on from there */
void raft_replicate_append_reply(struct raft *raft, const struct raft_message *message);
void raft_replicate_round_reply(struct raft *raft, const struct raft_message *message);
void raft_replicate_fetched(struct raft *raft, struct raft_progress *peer,
                            const struct raft_entries *entries);
uint64_t raft_replicate_quorum_ms(const struct raft *raft); /* a majority has answered since then */
uint64_t raft_replicate_deadline(const struct raft *raft);

/* transfer.c */
void raft_transfer_end(struct raft *raft);  /* leadership begins or ends */
void raft_transfer_tick(struct raft *raft); /* gives up in the end */
void raft_transfer_send(struct raft *raft); /* tells the target to stand, when it has everything */
struct raft_progress *raft_transfer_best(struct raft *raft); /* NULL: nobody could */

/* follow.c */
void raft_follow_append(struct raft *raft, const struct raft_message *message);
void raft_follow_stale(struct raft *raft,
                       const struct raft_message *message); /* a request of an older term */

/* check.c */
bool raft_check_message(const struct raft *raft, const struct raft_message *message);
void raft_check(const struct raft *raft);

#endif
