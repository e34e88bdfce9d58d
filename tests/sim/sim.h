/* SPDX-License-Identifier: MIT */
/*
 * A world of whole nodes in one process and on one thread: what its files share. main.c opens with the list of faults and
 * the list of properties.
 *
 *      world.c       time, steps; nodes that start, crash, stop
 *      faults.c      what goes wrong
 *      figure8.c     a fault in several acts
 *      deaf.c        another
 *      operator.c    members that come and go, leaderships handed over
 *      host.c        the clock, chance, the log
 *      worker.c      worker.h as a seeded queue
 *      net.c         byte streams that are late, cut, half open
 *      endpoints.c   net.h on them
 *      dial.c        ... a proxy's connections
 *      vfs.c         SQLite's file layer as a disk that loses and tears what was not synced
 *      notes.c       the small files beside
 *      clients.c     the load, and the history that it leaves
 *      requests.c    ... in words
 *      checker.c     is a history linearizable?
 *      invariants.c  what must hold at every step
 *      quorums.c     ... of members and majorities
 *      plants.c, plants_members.c   bugs, planted by --wrap, that all this must find
 *      main.c        seeds, each in a process of its own; the suite
 *
 * There is one world at a time, `sim`: the seams it replaces are functions without a context.
 */
#ifndef SIM_H
#define SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../raft/raft.h"
#include "../../resp/resp.h"
#include "../../src/conf.h"
#include "../../src/node.h"
#include "../../src/store/store.h"
#include "checker.h"

enum {
    SIM_NODES_MAX = 7,
    SIM_CLIENTS_MAX = 6,
    SIM_OPERATORS = 2,
    SIM_HOSTS_MAX = SIM_NODES_MAX + SIM_CLIENTS_MAX + SIM_OPERATORS, /* in this order */
    SIM_PORT = 7001,
    SIM_PORTS = 100,  /* of host 0; a machine that has moved n times has n times SIM_PORTS more */
    SIM_IDS_MAX = 64, /* of members, all that ever were */
};

/* Rare things that must have happened, or all that passes proves little. */
enum coverage {
    COVER_RUNS,
    COVER_STEPS,
    COVER_WRITES,
    COVER_READS,
    COVER_CRASHES,
    COVER_MID_BATCH,
    COVER_RESTARTS,
    COVER_LOST_WRITES,
    COVER_TORN_WALS,
    COVER_STRAIGHT,
    COVER_TORN_STRAIGHT,
    COVER_STRAIGHT_PARTS,
    COVER_SYNC_ERRORS,
    COVER_FULL,
    COVER_DISK_LOW,
    COVER_PARTITIONS,
    COVER_FALLS,
    COVER_HALF_OPEN,
    COVER_STALLS,
    COVER_CLOCK_JUMPS,
    COVER_LEADER_CHANGES,
    COVER_DEPOSED,
    COVER_DEPOSED_READS,
    COVER_LEASE_READS,
    COVER_FOLLOWER_READS,
    COVER_NO_PROMISES,
    COVER_TRANSACTIONS,
    COVER_SCRIPTS,
    COVER_WAITS,
    COVER_LEFT_ALONE,
    COVER_LATE_ACKS,
    COVER_FIGURE_8,
    COVER_TRUNCATED,
    COVER_JOINED,
    COVER_REMOVED,
    COVER_REMOVED_LEADERS,
    COVER_TOLD_REMOVED,
    COVER_MOVED,
    COVER_TOLD_MOVED,
    COVER_LOST_DISKS,
    COVER_CHANGES_REFUSED,
    COVER_IDS_REFUSED,
    COVER_CHANGE_ELECTIONS,
    COVER_CHANGES_UNDONE,
    COVER_TRANSFERS,
    COVER_TRANSFERS_FAILED,
    COVER_SHARED_BATCHES,
    COVER_FETCHES,
    COVER_CHECKPOINTS,
    COVER_SNAPSHOTS,
    COVER_LOADS,
    COVER_OLD,
    COVER_LEVELS,
    COVER_SEGMENTS_READY,
    COVER_SEGMENTS_EMPTIED,
    COVER_SEGMENTS_REMOVED,
    COVER_OLDER_CUT,
    COVER_RIDERS,
    COVER_DUE_RETRIES,
    COVER_AMBIGUOUS,
    COVER_INDOUBT,
    COVER_LATE_ANSWERS,
    COVER_DOUBTED_HEALED,
    COVER_DONE_ELSEWHERE,
    COVER_DOUBTED_IN_PEACE,
    COVER_LATE_REFUSALS,
    COVER_DEFINITE,
    COVER_EXPIRED,
    COVER_EVICTED,
    COVER_GATHERED,
    COVER_PROXIED,
    COVER_SETTLED,
    COVER_SWAPS,
    COVER_SWAPS_ABORTED,
    COVER_HISTORIES,
    COVER_UNDECIDED,
    COVER_COUNT,
};
extern const char *const coverage_names[COVER_COUNT];

enum plant {
    PLANT_NONE,
    PLANT_VOTE_LOST,
    PLANT_SYNC_OFF,
    PLANT_ACK_AT_SUBMIT,
    PLANT_FAILURE_HIDDEN,
    PLANT_ROW_SKIPPED,
    PLANT_WAL_TRUSTED,
    PLANT_STRAIGHT_CACHED,
    PLANT_STRAIGHT_ALONE,
    PLANT_RELEASED_EARLY,
    PLANT_OLD_END_KEPT,
    PLANT_IDENTITY_ONCE,
    PLANT_EMPTIED_UNSYNCED,
    PLANT_APPLY_TWICE,
    PLANT_APPLY_EARLY,
    PLANT_ANSWER_BY_INDEX,
    PLANT_DOUBT_DENIED,
    PLANT_OWN_CLOCK,
    PLANT_ROOM_ASSUMED,
    PLANT_EVICTS_BLINDLY,
    PLANT_WATCH_IGNORED,
    PLANT_PROXIED_DENIED,
    PLANT_REPLAY_EARLY,
    PLANT_MEMBERS_MISSING,
    PLANT_PAGE_SKIPPED,
    PLANT_SNAPSHOT_DROPS,
    PLANT_LOST_WELCOME,
    PLANT_OLD_ROUND,
    PLANT_READ_AT_ONCE,
    PLANT_READ_BEFORE_NOOP,
    PLANT_COUNT_OLD_TERM,
    PLANT_LEASE_FROM_ACK,
    PLANT_PROMISE_FORGOTTEN,
    PLANT_IMPATIENT,
    PLANT_CUT_BLINDLY,
    PLANT_CHANGE_EARLY,
    PLANT_CHANGES_AT_ONCE,
    PLANT_REMOVED_COUNTS,
    PLANT_COUNT,
};
struct plant_row {
    const char *name;  /* for the command line */
    const char *where; /* the room that it sits in */
    const char *what;
    uint64_t seed; /* has found it */
};
extern const struct plant_row plant_rows[PLANT_COUNT];

/* ---- nodes ----------------------------------------------------------------------------------------------- */

struct disk;

/* What the operator is about with a machine. */
enum sim_standing {
    STANDING_MEMBER,
    STANDING_LEAVING, /* its removal has been asked for */
    STANDING_LOST,    /* a member whose disk was replaced by an empty one: to be removed too */
    STANDING_OUT,     /* removed; its process may go on for a while */
    STANDING_EMPTY,   /* nothing is on it */
    STANDING_JOINING, /* a new node, that is to be taken in */
};

struct sim_node {
    int host;
    raft_id id; /* of the member that lives on this machine */
    enum sim_standing standing;
    uint64_t out_until;                  /* OUT: then it is made EMPTY */
    unsigned moves;                      /* addresses that it had before */
    unsigned known_moves[SIM_NODES_MAX]; /* the others' addresses as its configuration has them */
    bool moving;                         /* is down, and comes back at another address */
    struct conf conf;
    struct node *node; /* NULL: down */
    struct disk *disk;
    uint64_t turn_at;    /* 0: nothing to do before its deadline */
    uint64_t wakes_at;   /* its own deadline */
    uint64_t stalled_to; /* the process gets no time before this */
    uint64_t restart_at; /* while it is down */
    uint64_t crash_by;   /* its end is decided: at the latest then; 0: it is not */
    bool crash_power;    /* ... with the machine's power */
    bool dark;           /* the machine is off: nobody even refuses a connection */
    bool dies_young;     /* once it leads */
    bool returns_soon;
    bool stopping;
    bool doomed;         /* its disk has failed: the next life ends with the machine's power */
    bool expect_failure; /* its disk was made to fail: it may end */
    uint64_t starts;

    uint64_t born, mono_base; /* the clocks */
    int64_t drift_ppm, wall_offset_us;

    raft_index applied;  /* as observed, since its start */
    raft_term led;       /* the newest term that it was seen leading */
    raft_index read_at;  /* its keyspace was last digested here */
    uint64_t fsync_slow; /* its disk takes so many times longer */
    uint64_t full_until; /* its disk is full, or nearly; 0: it is not */
};

/* ---- the world -------------------------------------------------------------------------------------------- */

struct sim {
    uint64_t seed, random;
    bool verbose;
    enum plant plant;
    uint64_t step, steps;
    uint64_t now;     /* microseconds */
    uint64_t trace;   /* a digest of all that has happened */
    uint64_t event;   /* counts what clients see: the order of a history */
    uint64_t *covers; /* shared with the parent process */
    char *verdict;    /* shared with the parent: why it failed */

    size_t founder_count, node_count, client_count; /* machines: the founders', then the others */
    raft_id last_id;                                /* given to a new node */
    bool destroyed[SIM_IDS_MAX];                    /* the disk of this member is gone */
    unsigned election_ms;
    uint64_t disk_reserve;            /* bytes; 0: none */
    uint64_t maxmemory;               /* bytes; 0: no limit, and nobody watches a key */
    bool all_lease;                   /* every read stands on one */
    bool leases;                      /* are possible */
    size_t append_bytes, appends_max; /* of one append, at most; under way to one follower */
    struct sim_node nodes[SIM_NODES_MAX];
    struct sim_node *current; /* on whose behalf code runs; NULL: nobody's */
    bool crashing;            /* current is being torn down: nothing it does reaches anybody */

    bool blocked[SIM_HOSTS_MAX][SIM_HOSTS_MAX];
    uint64_t slow[SIM_HOSTS_MAX][SIM_HOSTS_MAX]; /* times the usual delay; 0: one */
    int lag_host;              /* what comes to this one from other nodes comes ever later ... */
    uint64_t lag_from, lag_us; /* ... from then on, up to so much; 0: it does not */
    uint64_t peace_from;       /* nothing has gone wrong, or been mended, since then */
    bool calm;                 /* faults are over */
    bool
        only_bad_disks; /* nothing else goes wrong, and whoever has one loses power soon after its next start */
};
extern struct sim *sim;

enum { SIM_VERDICT_MAX = 512 };
void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void sim_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t sim_random(void);
uint64_t sim_below(uint64_t bound);                /* 0 .. bound - 1 */
uint64_t sim_between(uint64_t low, uint64_t high); /* both included */
bool sim_chance(unsigned percent);
static inline void sim_cover(enum coverage what, uint64_t count) {
    sim->covers[what] += count;
}
uint64_t sim_mix(uint64_t word);
uint64_t sim_hash(uint64_t hash, const void *bytes, size_t length);

/* world.c */
/* A digest of all that has happened. */
uint64_t world_run(uint64_t seed, uint64_t steps, enum plant plant, bool verbose, uint64_t *covers,
                   char *verdict);
struct instant world_instant(const struct sim_node *node);
void world_poke(int host); /* there is news for it */
void world_crash(struct sim_node *node, bool power);
unsigned world_port(int host);                /* as it is now */
int world_host(unsigned port);                /* whose it is or was */
void world_empty_disk(struct sim_node *node); /* of one that is down */
static inline uint64_t world_local(uint64_t base, int64_t ppm, uint64_t elapsed) {
    return base + elapsed + (uint64_t)((int64_t)elapsed * ppm / 1000000);
}

/* faults.c */
void faults_open(void);
uint64_t faults_next(void);
void faults_work(void);
void faults_leads(struct sim_node *node); /* it has won an election */
void faults_commits(struct sim_node *node, raft_index index);
void faults_votes(struct sim_node *node);   /* it has given its vote */
void faults_changes(struct sim_node *node); /* it leads, and a change of members is in its log */
bool faults_cut_off(const struct sim_node *node, uint64_t for_us); /* from all nodes; false: not now */
bool faults_move_members(void);                                    /* in this run */
void faults_end(void);
bool faults_move_clocks(void); /* in this run */

/* figure8.c */
void figure8_begin(struct sim_node *leader); /* if it leads, and the stage is set */
void figure8_leads(struct sim_node *node);
void figure8_commits(struct sim_node *node, raft_index index);
uint64_t figure8_next(void);
void figure8_work(void);
bool figure8_runs(void);
void figure8_stop(void);

/* deaf.c */
void deaf_begin(struct sim_node *node); /* if it leads, and the stage is set */
void deaf_votes(void);                  /* somebody has given its vote */
uint64_t deaf_next(void);
void deaf_work(void);
bool deaf_runs(void);
void deaf_stop(void);

/* operator.c */
void operator_open(void); /* draws how many machines there are beside the founders' */
uint64_t operator_next(void);
void operator_work(void);
void operator_leads(const struct sim_node *node);           /* it has been elected */
bool operator_done(void);                                   /* nothing is begun and not ended */
void operator_sees(raft_id id, enum raft_member_kind kind); /* the committed list says so from now on */
struct sim_node *operator_misplaced(void); /* NULL: the committed list has everybody's address */
void operator_close(void);

/* worker.c */
uint64_t worker_next(void); /* when something is due; UINT64_MAX: never */
void worker_work(void);

/* net.c */
uint64_t network_next(void);
void network_work(void);
bool network_has_news(int host);
void network_crash(int host, bool power); /* its process, or all of the machine, is gone */
void network_heal(void);                  /* links that were blocked are open again */
void network_fall(void);                  /* some connection falls */
void network_close(void);
/* A client's connection. */
struct flow;
struct flow *flow_open(int client_host, int node_host);
void flow_send(struct flow *stream, const void *bytes, size_t length);
struct resp_buf *flow_in(struct flow *stream);
int flow_to(const struct flow *stream);
bool flow_gone(const struct flow *stream);
void flow_close(struct flow *stream);

/* vfs.c */
void vfs_register(void);
struct disk *disk_new(int host);
void disk_free(struct disk *disk);
void disk_crash(struct disk *disk, bool power);                    /* what is there afterwards */
void disk_arm(struct disk *disk, uint64_t operations, bool fails); /* stops (or fails) after so many */
bool disk_stopped(const struct disk *disk);
void disk_stop(struct disk *disk);
/* It fails since it was made to. */
bool disk_broken(const struct disk *disk);
void disk_fill(struct disk *disk, uint64_t spare); /* its files may grow by so much */
void disk_clear(struct disk *disk);
bool disk_bounded(const struct disk *disk);
bool disk_has_room(const struct disk *disk, uint64_t growth);
bool disk_goes(struct disk *disk);          /* an operation that changes something goes through */
void notes_forget(const struct disk *disk); /* notes.c */
void disk_mend(struct disk *disk);

/* clients.c */
extern struct op *ops;
extern size_t op_count;
void load_open(void);
uint64_t load_next(void);
void load_work(void);
void load_divide(int reader_host, int writer_host,
                 uint64_t until); /* who reads at one node, who writes at another */
void load_quiet(uint64_t until);  /* nobody writes before then */
void load_finish(void);           /* no new load: what is under way, then the last reads */
bool load_finished(void);
void load_close(void);
uint64_t load_writes(void); /* acknowledged so far */
bool load_is_marked(const struct op *op);
void load_judge(void); /* what the clients saw */

/* invariants.c */
void invariants_open(void);
void invariants_close(void);
void invariants_started(struct sim_node *node);
void invariants_turned(struct sim_node *node);
void invariants_end(void);
raft_index invariants_committed(void);
bool invariants_bounded(void); /* maxmemory is kept */
struct lane;
void invariants_doubt(const struct lane *lane); /* its writes are told that their outcome is unknown */
bool invariants_deposed(raft_term term);        /* somebody has led a newer one */
raft_term invariants_newest_term(void);         /* that has had a leader */
raft_id invariants_leader(raft_term term);      /* of that term; 0: nobody was seen to lead it */
size_t invariants_votes(raft_term term, raft_id candidate, const raft_id *voters, size_t count);

/* quorums.c */
bool quorums_knows(raft_id id, const char *address); /* the newest committed list has it there */
void quorums_open(void);
void quorums_close(void);
void quorums_committed(const struct raft_entry *entry); /* for the first time somebody applies it */
void quorums_saved(struct sim_node *node);              /* what is durable there, or was found at its start */
void quorums_leads(struct sim_node *node, raft_term term);
void quorums_applied(struct sim_node *node, raft_index index); /* its state is that after this entry */
enum raft_member_kind quorums_kind(raft_id id);                /* by the newest committed list */
size_t quorums_voters(void);

/* plants.c, plants_members.c */
struct raft_ready;
void plants_forget(void); /* another world begins */
void plants_raft_made(struct raft *raft);
struct worker_job;
void plants_cut_too_far(struct worker_job *batch);
void plants_started(struct sim_node *node);
struct inode;
/* inode_write_through, or what a bug makes of it. */
void plants_write_through(struct inode *inode, int64_t at, const uint8_t *bytes, size_t length);
/* Spoils what the node is told; `more`: raft has something to tell. */
bool plants_ready(struct raft_ready *ready, bool more);

/* vfs.c: in the place of store/file.c's */
bool __wrap_store_disk_free(const char *dir, uint64_t *free_bytes, uint64_t *total_bytes);
int __wrap_store_dir_make(const char *dir);
int __wrap_store_dir_sync(const char *dir);
int __wrap_store_dir_lock(const char *dir, char why[STORE_WHY_MAX]);
void __wrap_store_dir_unlock(int lock);
struct store_straight;
struct store_straight *__wrap_store_straight_open(const char *path);
int __wrap_store_straight_write(struct store_straight *straight, const uint8_t *bytes, size_t length,
                                int64_t at);
int __wrap_store_straight_put(struct store_straight *straight, const uint8_t *bytes, size_t length,
                              int64_t at);
void __wrap_store_straight_close(struct store_straight *straight);
int __wrap_store_file_rename(const char *dir, const char *from, const char *to);
void __wrap_store_file_reserve(const char *path, int64_t bytes);

#endif
