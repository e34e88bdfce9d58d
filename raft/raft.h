/* SPDX-License-Identifier: MIT */
/*
 * Consensus as a deterministic state machine (Ongaro, "Consensus: Bridging Theory and Practice", 2014; section
 * numbers below are of that dissertation).
 *
 * No I/O, no clock, no randomness of its own, no thread, no callback. Inputs are calls, each with the time where
 * time matters (`now_ms`: any monotonic clock, milliseconds). Effects come out as one value, struct raft_ready, to be
 * obeyed from top to bottom; acknowledgements of what was obeyed come in as further inputs:
 *
 *      in    raft_tick  raft_step  raft_propose  raft_read  raft_read_through  raft_change  raft_transfer  raft_restore
 *            raft_unreachable  raft_heard  raft_leader_gone  raft_hold_back  raft_hold  raft_share  raft_hurry
 *      out   raft_ready   raft_deadline (arm one timer)   raft_status  raft_peer_status  raft_lease_until  raft_members
 *      acks  raft_saved   raft_applied   raft_fetched   raft_compact   raft_snapshot_sent
 *
 * The order of calls where a state travels beside the log:
 *
 *      checkpoint   the state through A is durable, and raft_status.saved_index >= A: raft_compact(C), C <= A, and the log's rows
 *                   through C may go. With the state goes raft_members_applied.
 *
 *      leader       raft_ready.snapshots names a follower -> send it the newest checkpoint (the log after it stays meanwhile: raft_needed)
 *                   -> raft_snapshot_sent: ok when the receiver has said that all of it came and is sound
 *
 *      follower     it is all there, and sound -> raft_restore -> false: drop it, the log has it all
 *                                                              -> true: raft_ready.restore, one job for the disk: the state in
 *                   use is the new one, the log begins after it -> raft_saved as ever; and when the state machine holds the new
 *                   state (now, or after loading it for a while) raft_applied(restore->index). Nothing is applied in between.
 *
 *      members      raft_change -> applied like a command (RAFT_ENTRY_MEMBERS, the whole list), but it holds for raft from the
 *                   moment when it is in the log. A new node starts with no voters at all and waits to be told.
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
    RAFT_ENTRY_MEMBERS = 3, /* data is a list of members, the whole of it */
};

struct raft_entry {
    raft_index index;
    raft_term term;
    enum raft_entry_type type;
    struct raft_blob *data; /* NULL exactly for a no-op */
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
    RAFT_DISMISSED = 9,   /* to one that asks for votes: you are no member any more */
    RAFT_READ_INDEX =
        10, /* a follower asks its leader for a read point: for all its reads up to batch `round` */
    RAFT_READ_INDEX_REPLY = 11, /* for batch `round`: answer when applied >= index */
    RAFT_MESSAGE_TYPES,         /* the first number that is none */
};

struct raft_message {
    enum raft_message_type type;
    raft_id from, to;
    raft_term term;            /* the sender's; of a pre-vote and its grant: the term asked about */
    raft_index index;          /* a candidate's last; append: before the entries; its reply: match or hint */
    raft_term log_term;        /* of the entry at index */
    raft_index rejected_index; /* append reply, rejected: the index that did not fit; `index` is the hint */
    raft_index commit;         /* append: leader's commit index */
    uint64_t round; /* append: the leader's read round; read index: the follower's batch; replies echo it */
    bool rejected;  /* of a reply */
    bool transfer;  /* vote: the leader itself has asked for this campaign; stickiness does not hold */
    struct raft_entries entries; /* append */
};

struct raft_messages {
    struct raft_message *at;
    size_t count;
};

/* ---- members ------------------------------------------------------------------------------------------- */

enum { RAFT_MEMBERS_MAX = 64, RAFT_MEMBER_DATA_MAX = 4096 };

enum raft_member_kind {
    RAFT_STRANGER = 0, /* in no list */
    RAFT_VOTER = 1,
    RAFT_LEARNER = 2, /* has the log, counts for nothing */
    RAFT_REMOVED = 3, /* for ever: its id is not used again */
};

struct raft_member {
    raft_id id;
    enum raft_member_kind kind;
    const char *data; /* the caller's: its address, say */
    size_t length;
};

/* A list as bytes; the format is in member.c. Members ascend by id. */
struct raft_blob *raft_members_encode(const struct raft_member *members, size_t count);
/* Walks through a list: *offset begins with 0. member->data points into the list. */
bool raft_members_next(const struct raft_blob *list, size_t *offset, struct raft_member *member);
bool raft_members_find(const struct raft_blob *list, raft_id id,
                       struct raft_member *member); /* false: a stranger */
/* Well-formed, and with a voter. To be asked of what comes from outside. */
bool raft_members_valid(const struct raft_blob *list);

/* ---- life cycle ---------------------------------------------------------------------------------------- */

struct raft_config {
    raft_id self;
    const raft_id
        *voters; /* the first members, when raft_boot has no list; copied. None: this node will be told */
    size_t voter_count;
    uint64_t seed;                /* of the randomised timers: different on each node and start */
    uint32_t election_timeout_ms; /* a follower stands after this + up to a half at random: election.c */
    uint32_t heartbeat_ms;        /* less than the election timeout: a fifth to a tenth of it */
    uint32_t
        start_wait_ms; /* after a start the first voter stands after a quarter of this, the last this much later; 0: as after any
                                silence */
    size_t tail_bytes_max;   /* memory of entries kept; older ones are asked for through raft_ready.fetch */
    size_t append_bytes_max; /* entries of one append (one entry always fits) */
    size_t window_bytes_max; /* unacknowledged appends to one follower (one entry always fits) */
    size_t window_messages_max;
    size_t uncommitted_bytes_max; /* proposals beyond it are refused: RAFT_BUSY */
    size_t ready_bytes_max; /* of one ready's apply, and of its appends to one follower (one always fits) */
    bool leases;            /* reads may stand on time (lease.c): the same on all nodes */
    /* Members share a machine: entries go so much later to whom a majority can do without (thrift.c), and one round of reads is under
     * way at a time (readindex.c); 0: neither. */
    uint32_t hold_ms;
    uint32_t clock_drift_permille; /* leases: another's clock may be so much faster than ours, at most */
    raft_index
        promote_lag_max; /* a learner that lacks at most so many entries, and did for an election timeout, becomes a
                                    * voter by itself; 0: only by raft_change */
};

/* The log's terms: entries from first_index on have this term, up to the next row's first_index. */
struct raft_term_start {
    raft_term term;
    raft_index first_index;
};

/* A list and the entry that made it. */
struct raft_members_at {
    raft_index index;
    struct raft_blob *list;
};

/* What the disk holds at start. A new node's is all zeros. */
struct raft_boot {
    raft_term term;
    raft_id vote;
    raft_index base_index; /* the log begins after this entry; 0: with the first of all */
    raft_term base_term;   /* of that entry */
    raft_index last_index; /* base_index when the log is empty */
    raft_index applied;    /* the state machine already holds everything up to here: >= base_index */
    const struct raft_term_start
        *terms; /* of the whole log, ascending; copied. The first row begins at base_index + 1 */
    size_t term_count;
    struct raft_blob *members; /* the list as of `applied`; NULL: config's voters. A reference is taken */
    const struct raft_members_at
        *changes; /* the lists that the log holds (its RAFT_ENTRY_MEMBERS), ascending; those at or
                                            * before `applied` may be left out. References are taken */
    size_t change_count;
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
    RAFT_NO_LEADER,    /* none is known to ask */
    /* why members are not changed */
    RAFT_NOT_READY,         /* this leader has committed nothing of its own term yet: soon */
    RAFT_CHANGING,          /* another change is not committed yet */
    RAFT_ID_USED,           /* to add: it is a member, or was one */
    RAFT_NO_MEMBER,         /* no member, or (to promote) no learner */
    RAFT_TOO_MANY,          /* RAFT_MEMBERS_MAX */
    RAFT_BEHIND,            /* to promote: it lacks too much of the log, or does not answer */
    RAFT_LAST_VOTER,        /* to remove: nobody would be left */
    RAFT_WOULD_LOSE_QUORUM, /* of the voters that would be, no majority answers */
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
/* The same on any node that knows a leader: a follower asks it, all its reads of a ready with one message, again after a heartbeat's
 * time without an answer. Tokens outstanding when the term changes are forgotten. */
enum raft_result raft_read_through(struct raft *raft, uint64_t now_ms, uint64_t token);
/* Asks for a read point that needs no round: *index, to be answered when applied >= *index, and only if a clock read afresh
 * after executing is still before raft_lease_until. */
enum raft_result raft_read_lease(struct raft *raft, uint64_t now_ms, raft_index *index);
/* Hands the leadership to voter `to`, or (0) to the live one whose log is longest. Proposals are refused meanwhile. It ends with
 * another leader or, after an election timeout, without: raft_status.transferee is 0 again. */
enum raft_result raft_transfer(struct raft *raft, uint64_t now_ms, raft_id to);
/* Takes proposals again, if the leadership is being handed over. Whoever was told to stand already may still take it. */
void raft_transfer_abort(struct raft *raft);
enum raft_change_type {
    RAFT_ADD,     /* as a learner, with data */
    RAFT_PROMOTE, /* a learner that keeps up becomes a voter */
    RAFT_REMOVE,  /* a voter or learner; the leader too: it leads until that is committed */
    RAFT_SET,     /* a member's data */
};
struct raft_change {
    enum raft_change_type type;
    raft_id id;
    const char *data; /* copied */
    size_t length;    /* <= RAFT_MEMBER_DATA_MAX */
};
/* Appends an entry with the changed list on the leader. *index and *term as in raft_propose. Why it may refuse: member.c. */
enum raft_result raft_change(struct raft *raft, uint64_t now_ms, const struct raft_change *change,
                             raft_index *index, raft_term *term);
/* A snapshot is here: the state through `index`, whose term and members these are. True: it replaces state and log, see
 * raft_ready.restore. False: the log has it all, or this node leads; drop it. A reference of the list is taken. */
bool raft_restore(struct raft *raft, uint64_t now_ms, raft_index index, raft_term term,
                  struct raft_blob *members);
/* Messages to this peer did not get through: stop pipelining to it until it answers. */
void raft_unreachable(struct raft *raft, raft_id peer);
/* The transport knows that this node's process is gone (connection refused, not merely silent). If it was our leader, stand
 * soon instead of waiting the whole timeout. A hint: never needed, never unsafe for quorum reads. With leases it is ignored: a
 * process that is gone from here may still be reading under its lease there. */
void raft_leader_gone(struct raft *raft, uint64_t now_ms, raft_id peer);
/* raft_config.hold_ms from now on. */
void raft_hold(struct raft *raft, uint32_t hold_ms);
/* All members share a machine (at first: they do not): followers learn of commits once the leader has carried out what it found in its log
 * (thrift.c). */
void raft_share(struct raft *raft, bool shared);
/* What is held back (raft_config.hold_ms) goes out with the next ready: somebody waits until it is on more than a majority. */
void raft_hurry(struct raft *raft);
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

/* A state that has come from another node, and what its log position is. */
struct raft_snapshot {
    raft_index index;
    raft_term term;
    struct raft_blob *members;
};

struct raft_ids {
    raft_id *at;
    size_t count;
};

struct raft_ready {
    /* raft_saved(sequence) says: all of this ready is durable. 0: nothing to save or promise. */
    uint64_t sequence;
    /* Make durable: the term and vote (NULL when unchanged). */
    const struct raft_vote *vote;
    /* Durably put the snapshot given to raft_restore in the place of the state and the log through it: the log begins after
     * restore->index. When the state machine holds it: raft_applied(restore->index). NULL when there is none. */
    const struct raft_snapshot *restore;
    /* Make durable: the entries (they overwrite from save.at[0].index on). */
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
    /* These followers need a snapshot: the log does not go back to where theirs ends. Then raft_snapshot_sent. */
    struct raft_ids snapshots;
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
/* The state machine has applied everything up to `index`; what a ready gave it behind that, another will give again. */
void raft_applied(struct raft *raft, raft_index index);
/* The answer to a fetch: each gets one, with no entries if none were found. References are taken. Entries that the log
 * has replaced meanwhile are noticed and ignored. */
void raft_fetched(struct raft *raft, const struct raft_fetch *fetch, const struct raft_entries *entries);

/* The state through `index` is durable, and the log through `index` (saved): entries up to there are not needed any more. */
void raft_compact(struct raft *raft, raft_index index);
/* A leader's: the lowest index that a follower stands at which it hears from, or that is putting a snapshot in place. What comes after
 * it had better stay in the log, as long as there is room. UINT64_MAX: nobody needs what was applied. */
raft_index raft_needed(const struct raft *raft);
/* The answer to raft_ready.snapshots. ok: the state through `index` has come there whole, and is being put in place. Not ok: it did
 * not get through; it is asked for again after a heartbeat's time. */
void raft_snapshot_sent(struct raft *raft, raft_id to, raft_index index, bool ok);

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
    raft_id transferee;         /* the leadership is being handed to it; 0: to nobody */
    enum raft_member_kind kind; /* of this node, by the newest list */
    bool removed;               /* for good: this node is silent */
    bool changing;              /* the newest list is not known to be committed */
    raft_index commit, applied, last_index, saved_index;
    raft_term last_term;
    raft_index base_index; /* the log begins after it */
    raft_term base_term;
    size_t uncommitted_bytes, tail_bytes;
    uint64_t leader_since_ms;           /* when this term's leader became known here; 0 when unknown */
    uint64_t elections, leader_changes; /* counted since start */
};
void raft_status(const struct raft *raft, struct raft_status *status);

struct raft_peer_status {
    raft_index match;           /* on the leader; 0 elsewhere */
    uint64_t last_contact_ms;   /* when it was heard last, in now_ms's clock; 0: never */
    size_t window_bytes;        /* sent, unacknowledged */
    bool probing;               /* not pipelining: its log's end is being looked for, or it is unreachable */
    bool snapshot;              /* on the leader: it needs one, or is getting one */
    enum raft_member_kind kind; /* removed: until it has been told */
};
/* False when it is no member. */
bool raft_peer_status(const struct raft *raft, raft_id peer, struct raft_peer_status *status);

/* The list that holds, and the entry that made it (0: none did; one that came with a state: the state's). Committed when *index <= raft_status.commit. */
const struct raft_blob *raft_members(const struct raft *raft, raft_index *index);
/* The list as of raft_status.applied: what belongs to a checkpoint. */
struct raft_blob *raft_members_applied(const struct raft *raft);

/* The term of the entry at `index`, from the table of terms; 0 when there is none, or when it is before the log's beginning. Answers
 * for entries no longer in memory too. */
raft_term raft_term_at(const struct raft *raft, raft_index index);

const char *raft_role_name(enum raft_role role); /* "follower", "pre-candidate", "candidate", "leader" */
const char *raft_result_text(enum raft_result result); /* in words, for people */

#endif
