/* SPDX-License-Identifier: MIT */
/*
 * What a node is made of: shared by the files that are the node (node.c serve.c apply.c peers.c status.c) and by nobody else.
 *
 *     node.c      the flow: the order of a turn, the ready obeyed, the disk's answers
 *     start.c     how a node begins and ends
 *     connection.c  a connection's life, and what it waits for
 *     block.c     connections that wait for an element    acks.c  or for members to have a write
 *     serve.c     from a client's bytes to a lane, a reply, or a wait
 *     handover.c  the leadership given away: on request, before the end, when the disk or the loop stands still
 *     transaction.c  MULTI: what is queued and watched, and how it is carried out as one
 *     outcome.c   what is told to those that get no reply from applying
 *     apply.c     from an entry to the keyspace and the replies
 *     reads.c     from a confirmed round to the replies
 *     checkpoint.c  from the keyspace to the disk, a few pages a turn
 *     load.c      from the disk to the keyspace, at start and when a snapshot takes the state's place
 *     compact.c   the log's beginning, cut when a checkpoint holds it
 *     snapshot_out.c  the last checkpoint, sent to followers that the log does not go back to
 *     snapshot_in.c   such a one, received and put in place
 *     backup.c    the state as a file of its own, on request
 *     disk.c      the room on the disk
 *     audit.c     whether the replicas' states are the same
 *     level.c     what the members' programs agree to put into entries
 *     peers.c     handshakes, messages out and in
 *     membership.c  who is a member: the newest list, the links that follow from it, changes asked for
 *     join.c      a new node asks to be taken in
 *     deliver.c   from events to those who listen
 *     monitor.c   MONITOR
 *     pause.c     CLIENT PAUSE
 *     proxy.c     a follower as a proxy: a client's requests to the leader, the replies back
 *     proxy_replies.c  until a request is answered
 *     proxy_settle.c  what became of it, when its leader is lost
 *     origin.c    how the log says whose a command is
 *     upstream.c  how a proxy's connection to the leader is opened
 *     proxied.c   the leader's side of it
 *     sentinel.c  Sentinel's protocol, on a port of its own
 *     status.c    the report from which INFO, RAFT.INFO and CLUSTER answer
 */
#ifndef NODE_STATE_H
#define NODE_STATE_H

#include "admission.h"
#include "ahead.h"
#include "block.h"
#include "clock.h"
#include "cmd/command.h"
#include "cmd/report.h"
#include "conf.h"
#include "copies.h"
#include "data/keyspace.h"
#include "entry.h"
#include "eviction.h"
#include "gathering.h"
#include "latency.h"
#include "level.h"
#include "listeners.h"
#include "logger.h"
#include "net/net.h"
#include "node.h"
#include "pending.h"
#include "proxy.h"
#include "roster.h"
#include "sentinel.h"
#include "slowlog.h"
#include "spikes.h"
#include "store/data.h"
#include "store/store.h"
#include "transaction.h"
#include "wire.h"
#include "worker.h"

enum {
    NODE_CRON_MS = 100,
    NODE_ERROR_CODES_MAX = 32,
    NODE_REASON_MAX = 256,
    NODE_RATE_SAMPLES = 16,
    NODE_OUT_PATIENCE_BYTES =
        1024 * 1024, /* replies that a client has not taken, before it is served no further */
    APPLY_ANSWERED_MAX = 16,
    NODE_PEERS_MAX = 2 * STORE_MEMBERS_MAX, /* members, and those that are about to come or go */

    SENTINEL_CLIENTS_MAX = 1000, /* on the Sentinel port */
};

/* Why a connection's next command stays in its input. */
enum hold {
    HOLD_NONE,
    HOLD_ORDER,  /* what it sent before is not answered yet, and this must come after it */
    HOLD_LEADER, /* nobody leads (or this leader may not serve yet, or hands over): until hold_until_ms */
    HOLD_REPLY,  /* its last command is answered later */
    HOLD_ROOM,   /* too much is uncommitted */
    HOLD_UNREAD, /* it has not taken its replies */

    HOLD_UPSTREAM, /* a proxy's way to the leader is not open: until hold_until_ms */
    HOLD_PAUSE,    /* CLIENT PAUSE */
};

/* A connection that somebody opened: a client's or, once admitted, a peer's. */
struct connection {
    struct client *client; /* NULL: gone, but some of its requests are still under way */
    struct session session;
    struct resp_parser *parser;
    struct transaction transaction;

    struct lane *lane;  /* of its last unanswered request; NULL: none */
    size_t pending;     /* unanswered requests */
    size_t rider_bytes; /* values that its riders will answer with, about */
    enum hold hold;
    uint64_t hold_until_ms;
    struct connection *held_next, *held_previous; /* of node->held, while hold != HOLD_NONE */
    struct connection *serve_next;                /* of this turn's list */
    bool to_serve;
    struct wait *wait; /* for an element, or for members: nothing more is served before its end; NULL: none */
    raft_index written; /* its last write that was applied; 0: none */
    bool awaits;        /* the end of a hand-over, or of the node: nothing more is served before */
    bool denied;        /* protected mode: only a handshake is listened to */

    struct admission_exchange *exchange; /* handshake under way */
    raft_id peer;                        /* admitted as this member; 0: a client */
    raft_id via;                         /* a client of that member, which is a proxy for it; 0: our own */
    struct origin origin;                /* then: of its next request */
    raft_term origin_term;               /* in which alone what it asks may be proposed */
    struct proxy *proxy;                 /* NULL: nothing of it was ever asked of a leader */
    struct wire_pieces pieces;
    uint64_t taken_bytes, credited_bytes; /* of RAFT.MSG */

    bool dismissed; /* came for the leader, who is another now: closed when all it sent is answered */
};

/* Where a peer may be found: the first that is known is dialled; when nobody answers there, the next. */
enum peer_address {
    PEER_SAYS,   /* it says so itself */
    PEER_LISTED, /* the newest list of members says so */
    PEER_CONF,   /* our raft-node line says so */
    PEER_ADDRESSES,
};

/* Another member, and the link that we keep to it. */
struct peer {
    raft_id id; /* 0: this place is free */
    struct link *link;
    char addresses[PEER_ADDRESSES][STORE_ADDRESS_MAX]; /* "": not known */
    enum peer_address dialled;
    uint64_t dialled_ms;                 /* since when that one */
    bool listed;                         /* a member by the newest list */
    unsigned visits;                     /* connections that it has opened to us */
    bool open;                           /* the handshake is done: messages go, */
    uint64_t opened_ms;                  /* since when */
    bool asks_again;                     /* the next handshake is a question, no event */
    bool local;                          /* ... and it is on this machine */
    struct admission_exchange *exchange; /* owned, as the link is */
    uint64_t sent_bytes, credited_bytes;
    uint64_t heard_mono_ms; /* its last message; 0: never */
    uint32_t patience_ms;   /* what the sender of its messages promised: patience.h */
    char version[32];
    unsigned offers;          /* the feature level that it offered last; 0: not met since the start */
    char host[CONF_HOST_MAX]; /* what clients are told */
    unsigned port, sentinel_port;
    raft_index audit_index,
        audit_answered; /* of the last digest that it told; of the last that it was answered */
    uint64_t audit_digest;
    char refusal[ADMISSION_WHY_MAX]; /* why it or we refused the last handshake; "" when it succeeded */
};

/* A ready's promises: sent when it is durable. */
struct promise {
    struct promise *next;
    uint64_t sequence;
    uint64_t begun_ms; /* when the disk was given it */
    size_t bytes;      /* of the entries being saved */
    struct raft_messages messages;
};

struct command_statistics {
    uint64_t calls, us, rejected, failed;
    uint64_t took[REPORT_TOOK_MAX]; /* as report_calls, while commands are timed */
};

struct statistics {
    uint64_t commands, errors, expired_keys, evicted_keys, in_doubt, peer_in, peer_out, peer_bytes_in,
        peer_bytes_out;
    uint64_t fsyncs, writes_logged, gathered, gathered_us, hits, misses, lease_reads;
    struct report_error error_codes[NODE_ERROR_CODES_MAX];
    size_t error_code_count;
    struct command_statistics *calls; /* one for each row of the table */
    uint64_t rate_commands[NODE_RATE_SAMPLES], rate_in[NODE_RATE_SAMPLES], rate_out[NODE_RATE_SAMPLES];
    size_t rate_at;
    uint64_t base_connections, base_rejected, base_in,
        base_out; /* of the network's counters at CONFIG RESETSTAT */
};

enum handover_phase {
    HANDOVER_NONE,
    HANDOVER_WANTED, /* the next attempt begins at the end of a turn, from begin_ms on */
    HANDOVER_TRYING, /* Raft hands over to `to` */
    HANDOVER_GIVEN,  /* not the leader any more: who is? */
};

/* At most one at a time: see handover.c. */
struct handover {
    enum handover_phase phase;
    raft_id wanted; /* 0: whoever is best */
    raft_id to;     /* of this attempt */
    raft_term term; /* that is handed over */
    uint64_t begun_ms, begin_ms, by_ms, given_ms;
    struct connection *asker; /* answered at its end; NULL: nobody */
    bool quiet;               /* CLIENT REPLY OFF or SKIP */
    bool stopping;            /* for the end of this node: SHUTDOWN ABORT takes it back */
    char why[160];            /* the last attempt failed */
    uint64_t rest_until_ms;   /* after one that a stall had begun and that failed */
    uint64_t begun, done;     /* since the start */
};

/* A change of members that somebody waits for. */
struct member_change {
    struct member_change *next;
    raft_index index; /* of its entry */
    raft_term term;
    uint64_t begun_us;
    struct connection *asker;
    bool quiet; /* CLIENT REPLY OFF or SKIP */
};

/* Who is a member (membership.c). */
struct membership {
    struct roster newest;   /* by the newest list; before there is one, by the identity */
    struct raft_blob *list; /* the newest; NULL: not looked at yet */
    struct member_change *changes;
    struct member claim;  /* a new member's incarnation and address, not yet in the list; id 0: none */
    bool sweeping;        /* there are peers that are no members */
    uint64_t removed_ms;  /* this node was removed; 0: it was not */
    uint64_t proposed_ms; /* when the last change was proposed that nobody asked for */
    uint64_t looked_ms;   /* when the list was last compared with what the members say */
};

/* See audit.c. */
struct audit {
    uint64_t begin_ms; /* a leader's next one */
    raft_index index;  /* of the last that was applied here; 0: none */
    uint64_t digest;   /* of the state there */
    raft_index right_index,
        undecided_index;  /* the last at which this node was found right; at which nobody could tell */
    uint64_t count;       /* found right, since the start */
    bool differs;         /* this node is wrong: it serves nobody */
    bool from_before;     /* so it was found before its last start, and not since */
    uint64_t handover_ms; /* and does not try to hand over before */
    char why[NODE_REASON_MAX];
};

/* The entry that this node has proposed to raise the feature level. */
struct level_raise {
    raft_index index;
    raft_term term; /* 0: none */
};

/* Of the data directory: see disk.c. */
struct disk {
    bool known, low;
    uint64_t free_bytes;
    uint64_t look_ms; /* when to look next */
};

/* Whose writes were applied, and who waits for nothing more; they are sent their replies together, while others are still being made. */
struct apply_answered {
    struct client *at[APPLY_ANSWERED_MAX];
    size_t count;
};

struct node {
    struct conf *conf;
    struct logger *logger;
    struct ev_loop *loop;
    struct net *net;
    struct instant now;
    uint64_t now_ms; /* monotonic */
    struct instant started;

    /* the disk */
    struct worker *boot_worker; /* opens the log beside the loop */
    struct worker *log_worker;
    struct store_log *log;
    struct store_boot boot;
    struct promise *promises, *promises_last;
    uint64_t unsaved_bytes, log_bytes, log_wal_bytes;
    raft_index log_first;
    struct latency fsync, commit, turn,
        turn_cpu; /* turn: how long the loop worked before it could wait again */
    struct latency checkpoint_us, checkpoint_cpu_us; /* of that, turn by turn, for a checkpoint */
    struct checkpointing checkpoint;
    struct backup backup;
    struct disk disk;
    struct audit audit;
    struct level_raise level_raise;
    struct loading *loading; /* while the state is read from the disk */
    struct snapshots_out snapshots_out;
    struct snapshot_in snapshot_in;
    bool compacting; /* a step is with the log's worker */
    raft_index compact_to;

    /* consensus */
    enum report_state state;
    char failure[NODE_REASON_MAX];
    struct admission admission;
    bool storing_identity;
    struct raft *raft;              /* NULL until the cluster has formed */
    struct raft_status raft_status; /* as of the last look this turn */
    bool leases;                    /* conf_leases, at start */
    uint32_t patient_ms;            /* promised by earlier runs: patience.h */
    uint64_t patient_until_ms;      /* hence: no votes before */
    bool held_back;                 /* raft_hold_back was said */
    bool disk_stalled;
    uint64_t loop_awake_us; /* that it waited awake, since the start */
    uint64_t loop_stall_us; /* the longest turn since the last look */
    struct handover handover;
    bool late_tick; /* a late tick waits for one more poll */
    raft_id known_leader;
    uint64_t leader_since_wall_ms, leaderless_since_ms, quorum_lost_since_wall_ms;
    char leader_change_reason[NODE_REASON_MAX], cause[NODE_REASON_MAX];
    struct clock clock;
    struct peer peers[NODE_PEERS_MAX];
    size_t peer_count; /* places in use, free ones among them */
    struct peer host;  /* of a new node: the member that it asks to be taken in */
    size_t join_at;    /* ... by which of the configuration's addresses */
    struct membership membership;

    /* the keyspace, and the way to it */
    struct keyspace *keyspace;
    struct watches *watches;
    bool clock_wrong;
    bool caught_up; /* everything known to be committed when we first heard of a leader is applied */
    struct resp_parser *item_parser;
    struct ahead *ahead; /* of the entry that is being applied */
    struct entry_builder batch;
    struct gathering gathering;               /* whether it waits for more */
    struct lane *writing, *reading, *leasing; /* being filled by this turn; NULL when nothing is in them */
    struct lane *stalled;       /* confirmed reads whose clients have not taken their replies; NULL: none */
    size_t turn_reply_bytes;    /* replies to reads made in this turn */
    struct lanes writes, reads; /* proposed; asked for or waiting to be */
    uint64_t next_token, seed;
    bool due_left;           /* the last entry did not free all keys that are due */
    raft_term applied_term;  /* of the entry that was applied last */
    uint64_t clock_entry_ms; /* when an entry was proposed last only to let keys expire */

    /* connections */
    struct block block;
    struct connection *held;
    size_t held_unread; /* of those: HOLD_UNREAD */
    struct connection *serve_first, *serve_last;
    size_t connections;
    struct audience *audience; /* who listens to what */
    struct events events;      /* that they have not been told yet */
    struct asking asking;      /* who made them happen */
    struct monitors monitors;
    struct pause pause;

    struct apply_answered answered;
    struct statistics statistics;
    struct eviction eviction;
    struct slowlog *slowlog;
    uint64_t
        call_ended_us; /* when the call before this one ended, which is when this one began; 0: there was none just before */
    bool
        replays; /* an entry of before the start is applied: it was counted, timed and told when it first was */
    struct spikes spikes;
    char run_id[STORE_ID_LENGTH + 1];
    uint64_t cron_ms, descriptors_short;
    size_t memory_peak, memory_startup;
    struct {
        size_t used, active, keyspace; /* then */
        uint64_t at_us, took_us;
    } memory_look; /* at the allocator: see memory.c */
    bool leaving;  /* asked to stop; the leadership is handed over first */
    bool stopping;
    uint64_t leave_by_ms, stop_by_ms;
    bool told_all;              /* stopping, and who waited for a leader has been told */
    uint64_t busy_ms;           /* handed over before stopping: when a client was sent on last; else 0 */
    struct connection *stopper; /* said SHUTDOWN: has no answer unless that is taken back */
    enum node_end end;

    struct proxies proxies;
    struct sentinel *sentinel; /* NULL: it has no port */
};

/* node.c */
bool node_turn_is_long(const struct node *node); /* what can wait is left to the next */
void node_propose(struct node *node);            /* closes the entry being filled and proposes it */
static inline uint64_t node_wall_ms(const struct node *node) {
    return node->now.wall_us / 1000;
}

/* start.c */
void node_fail(struct node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));
void start_opened(struct node *node); /* takes the opened files, if they are */
void start_loaded(struct node *node); /* the keyspace is what the last checkpoint says */
void start_form(struct node *node);   /* the identity now has its cluster id: store it */
void start_store_identity(struct node *node);
void start_raft(struct node *node); /* it is stored: this node may vote */
bool start_stop_when_done(
    struct node
        *node); /* asked to stop: ends as soon as what is under way is answered; true: look again at once */
void start_stop(struct node *node); /* stops taking requests: whoever leads is told to their senders */
enum net_ring start_ring(const struct conf *conf); /* io-uring */
void start_set_net_options(struct node *node);     /* takes up changed limits */
void start_set_compact(struct node *node);         /* the same, of what counts as compact */

/* connection.c */
struct connection *connection_open(struct node *node, struct client *client);
/* Closes the socket. What is under way goes on; the connection is forgotten with its last answer. */
void connection_close(struct node *node, struct connection *connection);
void connection_forget(struct node *node, struct connection *connection);
void connection_hold(struct node *node, struct connection *connection, enum hold why);
/* Its client has so many replies to take that no further ones are made for it; one that is gone has none. */
bool connection_is_unread(const struct connection *connection);
void connection_unhold(struct node *node, struct connection *connection);
/* Among those that serve_commands looks at next. */
void connection_queue(struct node *node, struct connection *connection);
/* One of its requests has its answer. */
void connection_answered(struct node *node, struct connection *connection);
/* Where an item's reply goes: nowhere, when its connection is gone or wants none. */
struct resp_out connection_out(const struct pending_item *item);
/* A reply of `command` (NULL: of none) was written behind `mark`. */
void connection_count_reply(struct node *node, const struct command *command, const struct resp_out *out,
                            size_t mark);
/* The answer to what it `awaits`: +OK, or the error with its code. */
void connection_conclude(struct node *node, struct connection *connection, bool quiet, const char *error);
/* Requests that wait: held in their input, or writes under way. */
size_t connection_waiting(const struct node *node);

/* handover.c */
/* Begins one: to `to` (0: anybody) within `timeout_ms` (0: an election timeout). `asker` (may be NULL) gets the answer. */
void handover_begin(struct node *node, raft_id to, uint64_t timeout_ms, struct connection *asker, bool quiet);
void handover_abort(struct node *node, const char *why);
void handover_turn(struct node *node); /* after the turn's proposals, before what Raft wants is obeyed */
/* Writes wait: they would only be in the way. */
bool handover_holds(const struct node *node);
uint64_t handover_deadline_ms(const struct node *node);
/* SHUTDOWN NOW: nothing is handed over. */
void handover_stop_now(struct node *node);
/* SHUTDOWN ABORT. */
void handover_stay(struct node *node);
/* The connection is gone. */
void handover_forget(struct node *node, const struct connection *connection);

/* outcome.c */
void outcome_fail(struct node *node, struct lane *lane); /* certainly not done; frees the lane */
void outcome_doubt(struct node *node,
                   struct lane *lane); /* the outcome of its writes is unknown; frees the lane */
/* The state that is about to take the place of this node's holds entries that clients wait for. */
void outcome_replaced(struct node *node, const struct store_meta *meta);
/* -MOVED to the leader, with the slot of the command's key, or -CLUSTERDOWN when there is none. `command` may be NULL. */
void outcome_elsewhere(struct node *node, const struct resp_command *command, struct resp_out *out);
/* The same, but a proxy's own clients, who could not follow, are told -CLUSTERDOWN in either case. */
void outcome_refuse(struct node *node, const struct connection *connection,
                    const struct resp_command *command, struct resp_out *out);

/* serve.c */
void serve_news(
    struct node *node); /* takes what the network has: peers' messages are stepped, clients queued */
void serve_commands(struct node *node); /* the queued clients' commands, and those held that may go on */
bool serve_may_go_on(const struct node *node); /* after a flush: somebody's next command was held for that */
void serve_forget_all(
    struct node *node); /* at the end: the queued connections, all of them closed and answered */
struct lane *serve_writing(struct node *node); /* the write lane being filled */
/* Puts a write of a connection that waits, and is owed nothing else, into that lane. False: there is no room for it now. */
bool serve_again(struct node *node, struct connection *connection, unsigned db,
                 const struct resp_command *command, bool quiet);

/* apply.c */
void apply_entries(struct node *node, const struct raft_entries *entries);
/* `session` is the sender's; NULL: the command comes from the log. */
void apply_call(struct node *node, const struct command *command, struct call *call,
                const struct session *session);
/* The last call of this command was one that was counted before. */
struct command_statistics *apply_statistics(struct node *node, const struct command *command);
void apply_uncount(struct node *node, const struct command *command);
/* A clock with microseconds, for how long something takes. */
uint64_t apply_clock_us(void);
void status_spike(struct node *node, enum spike_event event, uint64_t us);
/* Whether anybody wants to know how long each command takes; then one took so long. */
/* The argument from which on a command's are secret; 0: none is. */
size_t status_secret_from(const struct command *command);
bool status_times_commands(const struct node *node);
void status_took(struct node *node, const struct command *command, const struct resp_arg *args, size_t count,
                 const struct session *session, uint64_t us);

/* A waiting read, executed now. True when it met a key that is due: it has no reply then. */
bool apply_read(struct node *node, const struct lane *lane, const struct pending_item *item, uint64_t wall_ms,
                uint64_t version);
/* A reply that was ready, sent now. */
void apply_reply(const struct lane *lane, const struct pending_item *item);

/* reads.c */
bool reads_answer(
    struct node *node); /* what is confirmed and applied; true: there is more, only this turn is over */
/* After a flush: whether somebody for whom no further replies were made has taken them. */
bool reads_may_go_on(const struct node *node);
/* The lane for a read that may stand on the lease: the one of leases while there is one, else the one of rounds. */
struct lane *reads_lane(struct node *node, bool lease);
/* Notes which words of the item's command (whose bytes it holds) are looked for in the keyspace, to look them up together with others'. */
void reads_note_words(struct pending_item *item, const struct command *row,
                      const struct resp_command *command);
/* Milliseconds (node->now_ms's clock) until which reads may stand on the lease; 0: not at all. */
uint64_t reads_lease_until_ms(const struct node *node);

/* checkpoint.c */
/* The data file and the state that was read from it (owned from now on). */
void checkpoint_open(struct node *node, struct store_data *data, struct store_meta *meta);
/* The entry has been applied: its term may be a new one. */
void checkpoint_applied(struct node *node, const struct raft_entry *entry);
/* What the data file's worker has done. */
void checkpoint_take(struct node *node);
/* Begins one when it is time, and hands over this turn's pages. True: there is more to do at once. */
bool checkpoint_turn(struct node *node);
/* What else a checkpoint makes the loop do: from the one to the other counts as its part of this turn, if checkpoint_turn comes later. */
struct checkpoint_pause checkpoint_stopwatch(void);
void checkpoint_spent(struct node *node, const struct checkpoint_pause *begun);
/* So much is kept for the checkpoint that writers must wait for it. */
bool checkpoint_is_behind(const struct node *node);
/* Gives up the one under way; checkpoint_idle says when nothing of it is left. */
void checkpoint_give_up(struct node *node);
bool checkpoint_idle(const struct node *node);
/* Ends the worker and closes the file; what is under way is given up. */
void checkpoint_stop(struct node *node);

/* backup.c */
/* Begins one, or says in `out` why not. The asker gets the answer at its end. */
void backup_begin(struct node *node, const struct resp_arg *name, struct connection *asker, bool quiet,
                  struct resp_out *out);
void backup_turn(struct node *node);
void backup_stop(struct node *node);                                        /* gives up the one under way */
void backup_forget(struct node *node, const struct connection *connection); /* the connection is gone */
void backup_report(const struct node *node, struct report *report);

/* level.c */
void level_turn(struct node *node); /* a leader raises it when all members offer more */
/* False: this node does not offer that level, and ends. The words: "<what> <index> is of feature level ..." */
bool level_known(struct node *node, const char *what, uint64_t index, uint64_t level);
void level_set(struct node *node, uint64_t level); /* as the state that was loaded says */
/* The entry that raises it. */
bool level_is(const struct resp_command *command);
void level_applied(struct node *node, raft_index index, const struct resp_command *command);

/* audit.c */
void audit_turn(struct node *node); /* a leader begins one when it is time */
/* The mark of one, in an entry of this feature level. */
bool audit_is(const struct resp_command *command, unsigned level);
void audit_applied(struct node *node, raft_index index);
/* RAFT.STATE, RAFT.RIGHT from a peer: false when it is malformed. */
bool audit_command(struct node *node, raft_id from, const struct resp_command *command);
void audit_remember(struct node *node, const char *verdict); /* of an earlier run */
void audit_mended(struct node *node);                        /* the state has been replaced by the leader's */
void audit_report(const struct node *node, struct report *report);

/* memory.c */
void memory_begin(struct node *node); /* what is used now is what a node without data takes */
/* For so long the allocator is not asked again when that took so much CPU. */
uint64_t memory_rest_us(uint64_t took_us);
void memory_report(struct node *node, struct report *report);

/* disk.c */
void disk_watch(struct node *node);
void disk_report(const struct node *node, struct report *report);

/* compact.c */
bool compact_turn(
    struct node *node); /* cuts the log when a checkpoint holds its beginning; true: there is more to cut */
void compact_taken(struct node *node); /* it is done */

/* snapshot_out.c */
void snapshot_out_open(struct node *node);
/* Raft asks for them. */
void snapshot_out_wanted(struct node *node, const struct raft_ids *ids);
void snapshot_out_take(struct node *node); /* what the copier has done; ends what nobody needs */
/* An event of a link that carries a snapshot; false: it is another link. */
bool snapshot_out_event(struct node *node, struct link *link, const struct link_event *event);
/* The log after this entry must stay for those that get a snapshot; UINT64_MAX: for nobody. */
raft_index snapshot_out_needs(const struct node *node);
void snapshot_out_close(struct node *node);

/* snapshot_in.c */
void snapshot_in_open(struct node *node);
/* RAFT.SNAP from a peer: false when it is malformed. */
bool snapshot_in_command(struct node *node, struct connection *connection,
                         const struct resp_command *command);
void snapshot_in_take(struct node *node);
/* Raft wants it to take the place of state and log. */
void snapshot_in_restore(struct node *node, const struct raft_snapshot *restore);
void snapshot_in_reset(struct node *node);                                     /* the log begins after it */
void snapshot_in_loaded(struct node *node);                                    /* the keyspace is its state */
void snapshot_in_left(struct node *node, const struct connection *connection); /* it is about to be closed */
void snapshot_in_close(struct node *node);

/* load.c */
/* Begins to read the state, and calls start_loaded, or snapshot_in_loaded, when it is there. */
void loading_begin(struct node *node, struct store_data *data, struct store_meta *meta);
/* The same, of a file that has still to be opened. */
void loading_begin_next(struct node *node, const struct store_data_wants *wants);
void loading_take(struct node *node);
void loading_close(struct node *node);

/* peers.c */
void peers_open(struct node *node);
void peers_take(struct node *node); /* what the links have */
/* Before the cluster has formed, now and then: another may have met all members, and would say so in a new handshake. */
void peers_ask_again(struct node *node);
void peers_send(struct node *node, const struct raft_messages *messages);
bool peers_command(struct node *node, struct connection *connection,
                   const struct resp_command *command); /* true: it was a peer's */
struct peer *peers_find(struct node *node, raft_id id);
/* Links to a peer from now on; NULL when there are too many, or the address is none. */
struct peer *peers_add(struct node *node, raft_id id, enum peer_address which, const char *address);
/* What is known of its address has changed. */
void peers_set_address(struct node *node, struct peer *peer, enum peer_address which, const char *address);
/* Closes the link, and the connections that it has opened. */
void peers_drop(struct node *node, struct peer *peer);
/* Where a member is dialled; false when it is none. */
/* Gives it a link, and what is said on that before it is open; takes both away, if they are there. */
void peers_link(struct node *node, struct peer *peer, const char *host, unsigned port);
void peers_unlink(struct peer *peer);
bool peers_address(struct node *node, raft_id id, char host[CONF_HOST_MAX], unsigned *port);
void peers_close(struct node *node);

/* membership.c */
void membership_begin(struct node *node);   /* the identity is known */
void membership_started(struct node *node); /* Raft is */
/* After Raft was obeyed: takes up the newest list, proposes what it lacks. True: there is more to do at once. */
bool membership_turn(struct node *node);
/* Proposes a change; `asker` gets the answer when it is committed, or cannot be. */
void membership_change(struct node *node, enum raft_change_type type, raft_id id, const char *address,
                       struct connection *asker, bool quiet);
void membership_applied(struct node *node, const struct raft_entry *entry);
/* The state that is about to take the place of this node's holds changes that somebody waits for. */
void membership_replaced(struct node *node, const struct store_meta *meta);
void membership_forget(struct node *node, const struct connection *connection);
void membership_end(struct node *node); /* whoever waits is told that the outcome is unknown */
void membership_close(struct node *node);
/* What its handshake says of a member: its address, and, while the list lacks it, its incarnation. */
void membership_met(struct node *node, const struct admission_facts *theirs);
/* A member says, having proved itself, that this node was removed. */
void membership_dismissed(struct node *node, raft_id by);

/* join.c */
bool join_wanted(const struct node *node); /* it is new, and is to ask a cluster */
void join_begin(struct node *node);
void join_take(struct node *node);
void join_turn(struct node *node);

/* status.c */
struct report_member;
void status_report(struct node *node, struct report *report);
void status_report_free(struct report *report);
void status_watch(struct node *node); /* takes note of a changed role, leader or quorum, and logs it */
void status_down_reason(struct node *node, char *text, size_t size); /* why no request can be taken now */
void status_cron(struct node *node);
void status_watch_machines(struct node *node); /* whether all members share one, and Raft is to spare it */
void status_reset(struct node *node);          /* CONFIG RESETSTAT */
void status_conf_changed(struct node *node);   /* CONFIG SET */
/* Every session, filled in for commands that list them; the caller frees the array. */
struct session **status_sessions(struct node *node, size_t *count);

#endif
