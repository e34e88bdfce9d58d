/* SPDX-License-Identifier: MIT */
/*
 * Consensus as a deterministic state machine (Ongaro, "Consensus: Bridging Theory and Practice", 2014; section
 * numbers below are of that dissertation).
 *
 * No I/O, no clock, no randomness of its own, no thread, no callback. Inputs are calls, each with the time where
 * time matters (`now_ms`: any monotonic clock, milliseconds). Effects come out as one value, struct raft_ready, to be
 * obeyed from top to bottom; acknowledgements of what was obeyed come in as further inputs:
 *
 *      in    raft_tick  raft_step  raft_propose  raft_read  raft_transfer
 *            raft_unreachable  raft_leader_gone
 *      out   raft_ready   raft_deadline (arm one timer)   raft_status  raft_peer_status  raft_lease_until
 *      acks  raft_saved   raft_applied   raft_fetched
 *
 * A bug asserts, in release too. Out of memory ends the process. Messages may be lost, doubled, reordered, late.
 */
#ifndef RAFT_H
#define RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t raft_id;    /* a member; 0 is nobody */
typedef uint64_t raft_term;  /* 0 is before the first election */
typedef uint64_t raft_index; /* of a log entry; the first is 1, 0 is before it */

/* ---- immutable bytes ----------------------------------------------------------------------------------- */

/* Counted, immutable once shared. References are counted on one thread; another thread may read the bytes while the
 * first keeps a reference for it. */
struct raft_blob {
    size_t length;
    uint32_t references;
    char bytes[];
};
/* One reference. The caller fills bytes[] before sharing it. */
struct raft_blob *raft_blob_new(size_t length);
struct raft_blob *raft_blob_ref(struct raft_blob *blob);
void raft_blob_unref(struct raft_blob *blob); /* NULL is allowed */

/* ---- entries, messages --------------------------------------------------------------------------------- */

enum raft_entry_type {
    RAFT_ENTRY_NOOP = 1,    /* opens a leader's term (section 6.4): no data */
    RAFT_ENTRY_COMMAND = 2, /* data is the state machine's */
};

struct raft_entry {
    raft_index index;
    raft_term term;
    enum raft_entry_type type;
    struct raft_blob *data; /* NULL for a no-op */
};

struct raft_entries {
    struct raft_entry *at;
    size_t count;
};

enum raft_message_type {
    RAFT_PRE_VOTE = 1,
    RAFT_PRE_VOTE_REPLY = 2,
    RAFT_VOTE = 3,
    RAFT_VOTE_REPLY = 4,
    RAFT_APPEND = 5, /* also the heartbeat: with no entries */
    RAFT_APPEND_REPLY = 6,
    RAFT_ROUND_REPLY = 7, /* "I heard round N in this term": when the append's own reply waits for the disk */
    RAFT_TIMEOUT_NOW = 8, /* the leader hands over (section 3.10): stand at once */
};

struct raft_message {
    enum raft_message_type type;
    raft_id from, to;
    raft_term term;            /* the sender's; of a pre-vote and its grant: the term asked about */
    raft_index index;          /* a candidate's last; append: before the entries; its reply: match or hint */
    raft_term log_term;        /* of the entry at index */
    raft_index rejected_index; /* append reply, rejected: the index that did not fit; `index` is the hint */
    raft_index commit;         /* append: leader's commit index */
    uint64_t round;            /* append: the leader's read round; replies echo it */
    bool rejected;             /* of a reply */
    bool transfer; /* vote: the leader itself has asked for this campaign; stickiness does not hold */
    struct raft_entries entries; /* append */
};

struct raft_messages {
    struct raft_message *at;
    size_t count;
};

/* ---- life cycle ---------------------------------------------------------------------------------------- */

struct raft_config {
    raft_id self;
    const raft_id *voters; /* self included; copied */
    size_t voter_count;
    uint64_t seed;                /* of the randomised timers: different on each node and start */
    uint32_t election_timeout_ms; /* a follower stands after this + up to a half at random: election.c */
    uint32_t heartbeat_ms;        /* less than the election timeout: a fifth to a tenth of it */
    size_t tail_bytes_max;   /* memory of entries kept; older ones are asked for through raft_ready.fetch */
    size_t append_bytes_max; /* entries of one append (one entry always fits) */
    size_t window_bytes_max; /* unacknowledged appends to one follower (one entry always fits) */
    size_t window_messages_max;
    size_t uncommitted_bytes_max;  /* proposals beyond it are refused: RAFT_BUSY */
    size_t apply_bytes_max;        /* of one ready's apply */
    bool leases;                   /* reads may stand on time (lease.c): the same on all nodes */
    uint32_t clock_drift_permille; /* leases: another's clock may be so much faster than ours, at most */
};

/* The log's terms: entries from first_index on have this term, up to the next row's first_index. */
struct raft_term_start {
    raft_term term;
    raft_index first_index;
};

/* What the disk holds at start. A new node's is all zeros. */
struct raft_boot {
    raft_term term;
    raft_id vote;
    raft_index last_index;
    raft_index applied;                  /* the state machine already holds everything up to here */
    const struct raft_term_start *terms; /* of the whole log, ascending; copied */
    size_t term_count;
};

struct raft;

struct raft *raft_new(const struct raft_config *config, const struct raft_boot *boot, uint64_t now_ms);
void raft_free(struct raft *raft);

/* ---- in ------------------------------------------------------------------------------------------------- */

enum raft_result {
    RAFT_OK,
    RAFT_NOT_LEADER,
    RAFT_BUSY,         /* too many uncommitted bytes: try again when some are committed */
    RAFT_TRANSFERRING, /* the leadership is being handed over: hold it until there is a new leader, or not */
    RAFT_NO_TARGET,    /* nobody can take the leadership over: no such voter, or none that answers */
    RAFT_NO_LEASE,     /* a majority's patience does not reach that far: use raft_read */
};

/* `now_ms` is read after what it comes with: a message's, after the message was received. Time that stands still while the machine
 * sleeps would stretch a lease: use a clock that does not (CLOCK_BOOTTIME).
 *
 * Time has passed. Step all messages that have arrived first: a node that slept would stand for election with the
 * heartbeat still in its buffer. */
void raft_tick(struct raft *raft, uint64_t now_ms);
/* A message from a peer; copied or referenced as needed. One from or to a stranger is ignored. */
void raft_step(struct raft *raft, uint64_t now_ms, const struct raft_message *message);
/* Appends an entry on the leader; takes a reference of its own. *index and *term say where it will be if it survives. */
enum raft_result raft_propose(struct raft *raft, struct raft_blob *data, raft_index *index, raft_term *term);
/* Asks for a linearizable read point (ReadIndex, section 6.4). The token comes back in raft_ready.reads once a majority has
 * acknowledged a round begun after this call. Tokens outstanding when leadership ends are forgotten. */
enum raft_result raft_read(struct raft *raft, uint64_t token);
/* Asks for a read point that needs no round: *index, to be answered when applied >= *index, and only if a clock read afresh
 * after executing is still before raft_lease_until. */
enum raft_result raft_read_lease(struct raft *raft, uint64_t now_ms, raft_index *index);
/* Hands the leadership to voter `to`, or (0) to the live one whose log is longest. Proposals are refused meanwhile. It ends with
 * another leader or, after an election timeout, without: raft_status.transferee is 0 again. */
enum raft_result raft_transfer(struct raft *raft, uint64_t now_ms, raft_id to);
/* Takes proposals again, if the leadership is being handed over. Whoever was told to stand already may still take it. */
void raft_transfer_abort(struct raft *raft);
/* Messages to this peer did not get through: stop pipelining to it until it answers. */
void raft_unreachable(struct raft *raft, raft_id peer);
/* The transport knows that this node's process is gone (connection refused, not merely silent). If it was our leader, stand
 * soon instead of waiting the whole timeout. A hint: never needed, never unsafe for quorum reads. With leases it is ignored: a
 * process that is gone from here may still be reading under its lease there. */
void raft_leader_gone(struct raft *raft, uint64_t now_ms, raft_id peer);
/* Part of a message from this peer has come, and more is on its way: it lives, whatever the message will say. A large entry takes longer
 * than an election timeout on a slow link, and heartbeats wait behind it. */
void raft_heard(struct raft *raft, uint64_t now_ms, raft_id peer);
/* Held back, this node does not stand for election (its clock is off the others', say); it still votes, follows, and leads if it does. */
void raft_hold_back(struct raft *raft, bool held_back);

/* ---- out ------------------------------------------------------------------------------------------------ */

struct raft_vote {
    raft_term term;
    raft_id vote;
};

struct raft_read_point {
    uint64_t token;
    raft_index index; /* answer when applied >= index */
};

struct raft_reads {
    struct raft_read_point *at;
    size_t count;
};

/* Entries the core needs back from the disk: at least one, from `from` on, up to `bytes_max` or `to`, whichever is first. One
 * request for each `for_peer` (0: to apply) is outstanding at a time. */
struct raft_fetch {
    raft_id for_peer;
    raft_index from, to; /* inclusive */
    size_t bytes_max;
};

struct raft_fetches {
    struct raft_fetch *at;
    size_t count;
};

struct raft_ready {
    /* raft_saved(sequence) says: all of this ready is durable. 0: nothing to save or promise. */
    uint64_t sequence;
    /* Make durable: the term and vote (NULL when unchanged), the entries (they overwrite from save.at[0].index on). */
    const struct raft_vote *vote;
    struct raft_entries save;
    /* At once, beside the saving: appends, and whatever tells of nothing that is not durable yet. */
    struct raft_messages send;
    /* Once this ready is durable (which it may be without saving anything, when the readies before it are): votes given
     * and asked for, acknowledgements of appends, anything that carries a term not yet durable. */
    struct raft_messages promise;
    /* Committed, in order; then raft_applied. The next come after that. */
    struct raft_entries apply;
    /* Answer when applied >= read.index. */
    struct raft_reads reads;
    /* Read back from the disk; then raft_fetched. */
    struct raft_fetches fetch;
    /* What happened, in words, each line ended by \n; "" when nothing worth telling did. */
    const char *trace;
};

/*
 * Collects everything to be done since the last call. False when there is nothing. Whatever *ready points to holds
 * until the next call of raft_ready or raft_free: take references (raft_blob_ref) and copies for what must outlive it.
 *
 * Several readies may be on their way to the disk at once; they must become durable in the order of their sequence.
 */
bool raft_ready(struct raft *raft, struct raft_ready *ready);

/* Everything up to and including this ready is durable. Releases the leader's own match and the candidate's own vote (the
 * caller sends that ready's promises itself). (index, term) could not tell a first write from its overwriting twin, hence a number. */
void raft_saved(struct raft *raft, uint64_t now_ms, uint64_t sequence);
/* The state machine has applied everything up to `index`. */
void raft_applied(struct raft *raft, raft_index index);
/* The answer to a fetch: each gets one, with no entries if none were found. References are taken. Entries that the log
 * has replaced meanwhile are noticed and ignored. */
void raft_fetched(struct raft *raft, const struct raft_fetch *fetch, const struct raft_entries *entries);

/* When raft_tick should be called next, in now_ms's clock. UINT64_MAX: never (a leader without followers). */
uint64_t raft_deadline(const struct raft *raft);

/* The leader may answer reads without a round before this time, in now_ms's clock; 0: it has no lease. */
uint64_t raft_lease_until(const struct raft *raft);

enum raft_role {
    RAFT_FOLLOWER,
    RAFT_PRE_CANDIDATE,
    RAFT_CANDIDATE,
    RAFT_LEADER,
};

struct raft_status {
    enum raft_role role;
    raft_term term;
    raft_id vote;
    raft_id leader; /* 0 when unknown */
    bool serving;   /* leader, and an entry of its own term is applied: may take commands (section 6.4) */
    bool quorum;    /* leader: a majority answered within the election timeout; follower: it has a leader */
    raft_id transferee; /* the leadership is being handed to it; 0: to nobody */
    raft_index commit, applied, last_index, saved_index;
    raft_term last_term;
    size_t uncommitted_bytes, tail_bytes;
    uint64_t leader_since_ms;           /* when this term's leader became known here; 0 when unknown */
    uint64_t elections, leader_changes; /* counted since start */
};
void raft_status(const struct raft *raft, struct raft_status *status);

struct raft_peer_status {
    raft_index match;         /* on the leader; 0 elsewhere */
    uint64_t last_contact_ms; /* when it was heard last, in now_ms's clock; 0: never */
    size_t window_bytes;      /* sent, unacknowledged */
    bool probing;             /* not pipelining: its log's end is being looked for, or it is unreachable */
};
/* False when it is no member. */
bool raft_peer_status(const struct raft *raft, raft_id peer, struct raft_peer_status *status);

/* The term of the entry at `index`, from the table of terms; 0 when there is none. Answers for entries no longer in memory too. */
raft_term raft_term_at(const struct raft *raft, raft_index index);

const char *raft_role_name(enum raft_role role); /* "follower", "pre-candidate", "candidate", "leader" */
const char *raft_result_text(enum raft_result result); /* in words, for people */

#endif
