/* SPDX-License-Identifier: MIT */
/*
 * Bugs, to see that the simulator bites. Each is a wrapper that the linker puts in the place of a function (--wrap), asleep unless
 * the run's plant is its own; src/ and raft/ know nothing of it.
 *
 * Some wrappers are no bugs: they count, or make rare things frequent (the log's segments are far smaller).
 */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "../../raft/internal.h"
#include "../../src/node_state.h"
#include "../../src/proxy.h"
#include "../../src/store/internal.h"
#include "inode.h"
#include "sim.h"

const struct plant_row plant_rows[PLANT_COUNT] = {
    [PLANT_NONE] = {"none", "", "none", 0},
    [PLANT_VOTE_LOST] = {"vote-lost", "store", "a vote is not persisted", 1},
    [PLANT_SYNC_OFF] = {"sync-off", "store", "synchronous=OFF", 1},
    [PLANT_ACK_AT_SUBMIT] = {"ack-at-submit", "node", "a save is acknowledged before its fsync", 1},
    [PLANT_FAILURE_HIDDEN] = {"failure-hidden", "store", "a failed save is reported as done", 3},
    [PLANT_ROW_SKIPPED] = {"row-skipped", "store", "an entry's row is not written, now and then", 2},
    [PLANT_WAL_TRUSTED] = {"wal-trusted", "store", "a failed sync's WAL is trusted at the next start", 14},
    [PLANT_STRAIGHT_CACHED] = {"straight-cached", "store", "a commit past the cache stays in it", 10},
    [PLANT_STRAIGHT_ALONE] = {"straight-alone", "store", "a commit spoils what its first block has before it",
                              1},
    [PLANT_RELEASED_EARLY] = {"released-early", "store", "a segment goes that still has entries", 3},
    [PLANT_OLD_END_KEPT] = {"old-end-kept", "store", "entries of older segments are not cut", 105},
    [PLANT_IDENTITY_ONCE] = {"identity-once", "store", "a new segment does not say whose it is", 1},
    [PLANT_EMPTIED_UNSYNCED] = {"emptied-unsynced", "store",
                                "a segment is used again before it is durably empty", 20},
    [PLANT_APPLY_TWICE] = {"apply-twice", "node", "an entry is applied twice", 1},
    [PLANT_APPLY_EARLY] = {"apply-early", "node", "entries are applied before they are committed", 1},
    [PLANT_ANSWER_BY_INDEX] = {"answer-by-index", "node", "a waiter is answered by the index alone", 245},
    [PLANT_DOUBT_DENIED] = {"doubt-denied", "node", "an uncertain write gets a definite error", 5},
    [PLANT_OWN_CLOCK] = {"own-clock", "node", "keys expire by each node's own clock", 1},
    [PLANT_ROOM_ASSUMED] = {"room-assumed", "node",
                            "writes are let in whatever there is, victims chosen now and then", 18},
    [PLANT_EVICTS_BLINDLY] = {"evicts-blindly", "node", "a victim goes though it was written to since", 18},
    [PLANT_WATCH_IGNORED] = {"watch-ignored", "node",
                             "a transaction is carried out though a watched key has changed", 9},
    [PLANT_PROXIED_DENIED] = {"proxied-denied", "node",
                              "a proxy says of what it does not know that it was not done", 144},
    [PLANT_REPLAY_EARLY] = {"replay-early", "node", "a start applies what the log holds, committed or not",
                            4},
    [PLANT_MEMBERS_MISSING] = {"members-missing", "node", "checkpoints and snapshots lack the members", 1},
    [PLANT_PAGE_SKIPPED] = {"page-skipped", "store", "a checkpoint lacks a page, now and then", 1},
    [PLANT_SNAPSHOT_DROPS] = {"snapshot-drops", "store",
                              "a checkpoint's cut takes entries that it does not hold", 6},
    [PLANT_LOST_WELCOME] = {"lost-welcome", "node", "a member that has lost its disk is let in", 16},
    [PLANT_OLD_ROUND] = {"old-round", "raft", "an old round's ack counts for a new read", 186},
    [PLANT_READ_AT_ONCE] = {"read-at-once", "raft", "a leader answers reads without a round", 98},
    [PLANT_READ_BEFORE_NOOP] = {"read-before-noop", "raft", "a leader answers reads before its no-op", 5},
    [PLANT_COUNT_OLD_TERM] = {"count-old-term", "raft", "an old term's entry is committed by counting", 303},
    [PLANT_LEASE_FROM_ACK] = {"lease-from-ack", "raft", "a lease is counted from the answers", 38},
    [PLANT_PROMISE_FORGOTTEN] = {"promise-forgotten", "node", "a restart forgets that it must not vote yet",
                                 43},
    [PLANT_IMPATIENT] = {"impatient", "raft", "who has heard a leader votes for another at once", 60},
    [PLANT_CUT_BLINDLY] = {"cut-blindly", "raft", "an append cuts off what follows it", 1},
    [PLANT_CHANGE_EARLY] = {"change-early", "raft", "members are changed before a commit in the term", 9},
    [PLANT_CHANGES_AT_ONCE] = {"changes-at-once", "raft", "members are changed while a change is under way",
                               89},
    [PLANT_REMOVED_COUNTS] = {"removed-counts", "raft", "a removed member's ack counts until it has gone", 9},
};

static bool planted(enum plant plant) {
    return sim->plant == plant;
}

/* What a plant remembers of a node's present life. */
static struct {
    raft_index early;   /* applied through here */
    uint64_t token[64]; /* reads that are answered at once */
    size_t tokens;
    uint64_t round[SIM_IDS_MAX]; /* sent to each peer last */
} memories[SIM_NODES_MAX];

void plants_started(struct sim_node *node) {
    memset(&memories[node->host], 0, sizeof memories[node->host]);
}

/* ---- the store --------------------------------------------------------------------------------------------------------- */

void __real_store_log_run(void *context, struct worker_job *batch);
void __wrap_store_log_run(void *context, struct worker_job *batch);
int __real_store_sql_exec(sqlite3 *db, const char *sql);
int __wrap_store_sql_exec(sqlite3 *db, const char *sql);
int __real_store_sql_number(sqlite3 *db, const char *sql, int64_t *number);
int __wrap_store_sql_number(sqlite3 *db, const char *sql, int64_t *number);
int __real_store_file_renew(const char *path, int64_t length);
int __wrap_store_file_renew(const char *path, int64_t length);
int __real_store_part_put(sqlite3_stmt *put, const struct store_part *part);
int __wrap_store_part_put(sqlite3_stmt *put, const struct store_part *part);
bool __wrap_store_keeper_thread(struct store_keeper *keeper);
void __real_store_keeper_ask(struct store_keeper *keeper, const struct store_keeping *keeping);
void __wrap_store_keeper_ask(struct store_keeper *keeper, const struct store_keeping *keeping);
void __real_store_log_segments(struct store_log *log, uint64_t bytes);
void __wrap_store_log_segments(struct store_log *log, uint64_t bytes);
int __real_store_gather_open(sqlite3 *db, const char *wal_path, int64_t held_max,
                             struct store_gather **gather);
int __wrap_store_gather_open(sqlite3 *db, const char *wal_path, int64_t held_max,
                             struct store_gather **gather);
void __real_store_ring_release(struct store_ring *ring, raft_index log_start);
void __wrap_store_ring_release(struct store_ring *ring, raft_index log_start);
bool __real_store_ring_cut(struct store_ring *ring, raft_index index);
bool __wrap_store_ring_cut(struct store_ring *ring, raft_index index);
int __real_store_file_sync(struct store_file *file);
int __wrap_store_file_sync(struct store_file *file);
int __real_store_identity_put(sqlite3 *db, const struct store_identity *identity, uint64_t save);
int __wrap_store_identity_put(sqlite3 *db, const struct store_identity *identity, uint64_t save);

void __wrap_store_log_run(void *context, struct worker_job *batch) {
    for (struct worker_job *job = batch; planted(PLANT_VOTE_LOST) && job; job = job->next)
        ((struct store_job *)job)->vote.vote = 0;
    plants_cut_too_far(batch);
    __real_store_log_run(context, batch);
    for (struct worker_job *job = batch; planted(PLANT_FAILURE_HIDDEN) && job; job = job->next)
        if (!disk_stopped(sim->current->disk))
            ((struct store_job *)job)->failed = false;
}

int __wrap_store_sql_exec(sqlite3 *db, const char *sql) {
    int result = __real_store_sql_exec(db, sql);
    if (planted(PLANT_SYNC_OFF) && strstr(sql, "synchronous = FULL"))
        __real_store_sql_exec(db, "PRAGMA synchronous = OFF");
    return result;
}

int __wrap_store_sql_number(sqlite3 *db, const char *sql, int64_t *number) {
    int result = __real_store_sql_number(db, sql, number);
    if (planted(PLANT_SYNC_OFF) && strcmp(sql, "PRAGMA synchronous") == 0)
        *number = 2;
    return result;
}

/* One thread for all: who asks gets the next segment ready. */
bool __wrap_store_keeper_thread(struct store_keeper *keeper) {
    (void)keeper;
    return false;
}

void __wrap_store_keeper_ask(struct store_keeper *keeper, const struct store_keeping *keeping) {
    static const enum coverage covers[] = {[STORE_KEEP_READY] = COVER_SEGMENTS_READY,
                                           [STORE_KEEP_EMPTY] = COVER_SEGMENTS_EMPTIED,
                                           [STORE_KEEP_REMOVE] = COVER_SEGMENTS_REMOVED};
    sim_cover(covers[keeping->what], 1);
    __real_store_keeper_ask(keeper, keeping);
}

enum { SEGMENT_BYTES_MIN = 8 * 1024, SEGMENT_BYTES_MORE = 64 * 1024 };

void __wrap_store_log_segments(struct store_log *log, uint64_t bytes) {
    (void)bytes;
    __real_store_log_segments(log, SEGMENT_BYTES_MIN + sim_below(SEGMENT_BYTES_MORE));
}

/* None of its commits would be larger than what waits in memory otherwise. */
int __wrap_store_gather_open(sqlite3 *db, const char *wal_path, int64_t held_max,
                             struct store_gather **gather) {
    return __real_store_gather_open(db, wal_path, sim_chance(50) ? STORE_GATHER_MIN : held_max, gather);
}

void __wrap_store_ring_release(struct store_ring *ring, raft_index log_start) {
    __real_store_ring_release(ring,
                              planted(PLANT_RELEASED_EARLY) && sim_chance(20) ? log_start + 100 : log_start);
}

bool __wrap_store_ring_cut(struct store_ring *ring, raft_index index) {
    bool older = __real_store_ring_cut(ring, index);
    sim_cover(COVER_OLDER_CUT, older);
    return older && !planted(PLANT_OLD_END_KEPT);
}

int __wrap_store_identity_put(sqlite3 *db, const struct store_identity *identity, uint64_t save) {
    if (planted(PLANT_IDENTITY_ONCE) && !strstr(sqlite3_db_filename(db, "main"), "raft.db"))
        return SQLITE_OK;
    return __real_store_identity_put(db, identity, save);
}

/* Of a WAL two things are synced beside SQLite: what a start finds in it, and that it is empty. */
static bool renewing;

int __wrap_store_file_renew(const char *path, int64_t length) {
    int result;
    if (planted(PLANT_WAL_TRUSTED))
        return SQLITE_OK;
    renewing = true;
    result = __real_store_file_renew(path, length);
    renewing = false;
    return result;
}

int __wrap_store_file_sync(struct store_file *file) {
    const char *end = strrchr(file->name, '-');
    if (planted(PLANT_EMPTIED_UNSYNCED) && !renewing && end && strcmp(end, "-wal") == 0)
        return SQLITE_OK;
    return __real_store_file_sync(file);
}

int __wrap_store_part_put(sqlite3_stmt *put, const struct store_part *part) {
    if (planted(PLANT_ROW_SKIPPED) && sim_chance(1))
        return SQLITE_OK;
    return __real_store_part_put(put, part);
}

/* What stands before a commit in its first block is not known, and is written over with zeros. */
static void write_alone(struct inode *inode, int64_t at, const uint8_t *bytes, size_t length) {
    uint8_t *spoilt = malloc(length);
    size_t same = 0;
    if (!spoilt)
        abort();
    inode_read(inode, at, spoilt, length);
    while (same < length && spoilt[same] == bytes[same])
        spoilt[same++] = 0;
    memcpy(spoilt + same, bytes + same, length - same);
    inode_write_through(inode, at, spoilt, length);
    free(spoilt);
}

void plants_write_through(struct inode *inode, int64_t at, const uint8_t *bytes, size_t length) {
    if (planted(PLANT_STRAIGHT_CACHED))
        inode_write(inode, at, bytes, length, false);
    else if (planted(PLANT_STRAIGHT_ALONE))
        write_alone(inode, at, bytes, length);
    else
        inode_write_through(inode, at, bytes, length);
}

/* ---- the worker, as the node sees it --------------------------------------------------------------------------------------- */

struct worker_job *__real_worker_take(struct worker *worker);
struct worker_job *__wrap_worker_take(struct worker *worker);
void __real_worker_submit(struct worker *worker, struct worker_job *job);
void __wrap_worker_submit(struct worker *worker, struct worker_job *job);

/* Saves that were acknowledged at once; and those that are still written, of which nobody is told. */
enum { EARLY_MAX = 4096 };
static struct {
    struct worker *worker;
    struct store_job *acknowledged, *written;
} early[EARLY_MAX];
static size_t early_count;

static void acknowledge(struct worker *worker, struct store_job *job) {
    struct store_job *copy = store_job_new(STORE_SAVE);
    copy->sequence = job->sequence;
    early[early_count].worker = worker;
    early[early_count].acknowledged = copy;
    early[early_count++].written = job;
    world_poke(sim->current->host);
}

void __wrap_worker_submit(struct worker *worker, struct worker_job *job) {
    struct store_job *save = (struct store_job *)job;
    /* Only the log's worker runs store jobs; the other one is stopped before there is a core. */
    bool saves = planted(PLANT_ACK_AT_SUBMIT) && sim->current->node && sim->current->node->raft &&
                 save->type == STORE_SAVE && early_count < EARLY_MAX;
    __real_worker_submit(worker, job);
    if (saves)
        acknowledge(worker, save);
}

static void forget_early(size_t at) {
    if (!early[at].acknowledged && !early[at].written) {
        memmove(&early[at], &early[at + 1], (early_count - at - 1) * sizeof *early);
        early_count--;
    }
}

static bool was_acknowledged(struct worker_job *job) {
    for (size_t i = 0; i < early_count; i++)
        if (early[i].written == (struct store_job *)job) {
            early[i].written = NULL;
            forget_early(i);
            return true;
        }
    return false;
}

struct worker_job *__wrap_worker_take(struct worker *worker) {
    for (size_t i = 0; i < early_count; i++)
        if (early[i].worker == worker && early[i].acknowledged) {
            struct store_job *job = early[i].acknowledged;
            early[i].acknowledged = NULL;
            forget_early(i);
            return &job->job;
        }
    for (struct worker_job *job; (job = __real_worker_take(worker));) {
        if (!was_acknowledged(job))
            return job;
        store_job_free((struct store_job *)job);
    }
    return NULL;
}

/* ---- applying --------------------------------------------------------------------------------------------------------------- */

void __real_apply_entries(struct node *node, const struct raft_entries *entries);
void __wrap_apply_entries(struct node *node, const struct raft_entries *entries);
void __real_raft_applied(struct raft *raft, raft_index index);
void __wrap_raft_applied(struct raft *raft, raft_index index);
void __real_outcome_doubt(struct node *node, struct lane *lane);
void __wrap_outcome_doubt(struct node *node, struct lane *lane);
void __real_keyspace_advance(struct keyspace *keyspace, uint64_t clock_ms);
void __wrap_keyspace_advance(struct keyspace *keyspace, uint64_t clock_ms);

static void take_for_ours(struct node *node, const struct raft_entries *entries) {
    for (size_t i = 0; i < entries->count; i++)
        for (struct lane *lane = node->writes.first; lane; lane = lane->next)
            if (lane->index == entries->at[i].index)
                lane->term = entries->at[i].term;
}

void __wrap_apply_entries(struct node *node, const struct raft_entries *entries) {
    if (planted(PLANT_ANSWER_BY_INDEX))
        take_for_ours(node, entries);
    __real_apply_entries(node, entries);
    if (planted(PLANT_APPLY_TWICE) && entries->at[0].type == RAFT_ENTRY_COMMAND && sim_chance(1)) {
        raft_index applied = node->raft_status.applied;
        __real_apply_entries(node, &(struct raft_entries){entries->at, 1});
        node->raft_status.applied = applied;
    }
}

void __wrap_raft_applied(struct raft *raft, raft_index index) {
    if (!planted(PLANT_APPLY_EARLY))
        __real_raft_applied(raft, index);
}

void __wrap_outcome_doubt(struct node *node, struct lane *lane) {
    invariants_doubt(lane);
    if (planted(PLANT_DOUBT_DENIED))
        outcome_fail(node, lane);
    else
        __real_outcome_doubt(node, lane);
}

void __wrap_keyspace_advance(struct keyspace *keyspace, uint64_t clock_ms) {
    if (planted(PLANT_OWN_CLOCK))
        clock_ms = world_instant(sim->current).wall_us / 1000;
    __real_keyspace_advance(keyspace, clock_ms);
}

bool __real_eviction_admit(struct node *node, size_t growth);
bool __wrap_eviction_admit(struct node *node, size_t growth);
bool __real_eviction_turn(struct node *node);
bool __wrap_eviction_turn(struct node *node);
void __real_eviction_apply(struct node *node, unsigned db, const struct resp_command *command);
void __wrap_eviction_apply(struct node *node, unsigned db, const struct resp_command *command);
void __real_entry_watch(const struct entry_transaction *transaction, size_t at, unsigned *db, bool *present,
                        const struct resp_arg **key);
void __wrap_entry_watch(const struct entry_transaction *transaction, size_t at, unsigned *db, bool *present,
                        const struct resp_arg **key);
void __real_proxy_tell_doubt(struct node *node, struct proxy *proxy, const char *why);
void __wrap_proxy_tell_doubt(struct node *node, struct proxy *proxy, const char *why);

bool __wrap_eviction_admit(struct node *node, size_t growth) {
    return planted(PLANT_ROOM_ASSUMED) || __real_eviction_admit(node, growth);
}

bool __wrap_eviction_turn(struct node *node) {
    if (planted(PLANT_ROOM_ASSUMED) && sim->now % 1000000 > 100000)
        return false;
    return __real_eviction_turn(node);
}

void __wrap_eviction_apply(struct node *node, unsigned db, const struct resp_command *command) {
    const struct resp_arg *key = &command->args[EVICTION_KEY];
    if (planted(PLANT_EVICTS_BLINDLY) && keyspace_find(node->keyspace, db, key))
        keyspace_evict(node->keyspace, db, key);
    else
        __real_eviction_apply(node, db, command);
}

void __wrap_proxy_tell_doubt(struct node *node, struct proxy *proxy, const char *why) {
    if (planted(PLANT_PROXIED_DENIED))
        proxy_tell_not_done(node, proxy);
    else
        __real_proxy_tell_doubt(node, proxy, why);
}

/* Another key is looked at, that never was. */
void __wrap_entry_watch(const struct entry_transaction *transaction, size_t at, unsigned *db, bool *present,
                        const struct resp_arg **key) {
    static const struct resp_arg nobodys = {.bytes = "nobody's", .length = 8};
    __real_entry_watch(transaction, at, db, present, key);
    if (planted(PLANT_WATCH_IGNORED)) {
        *present = false;
        *key = &nobodys;
    }
}

/* ---- Raft ------------------------------------------------------------------------------------------------------------------- */

void __real_raft_step(struct raft *raft, uint64_t now_ms, const struct raft_message *message);
void __wrap_raft_step(struct raft *raft, uint64_t now_ms, const struct raft_message *message);
enum raft_result __real_raft_read(struct raft *raft, uint64_t token);
enum raft_result __wrap_raft_read(struct raft *raft, uint64_t token);
void __real_raft_status(const struct raft *raft, struct raft_status *status);
void __wrap_raft_status(const struct raft *raft, struct raft_status *status);
struct raft *__real_raft_new(const struct raft_config *config, const struct raft_boot *boot, uint64_t now_ms);
struct raft *__wrap_raft_new(const struct raft_config *config, const struct raft_boot *boot, uint64_t now_ms);

/* No bug: appends are small and few in some runs, so that followers hold parts of what they are sent. */
struct raft *__wrap_raft_new(const struct raft_config *config, const struct raft_boot *boot,
                             uint64_t now_ms) {
    struct raft_config small = *config;
    if (sim->append_bytes < small.append_bytes_max)
        small.append_bytes_max = sim->append_bytes;
    if (sim->appends_max < small.window_messages_max)
        small.window_messages_max = sim->appends_max;
    struct raft *raft = __real_raft_new(&small, boot, now_ms);
    plants_raft_made(raft);
    return raft;
}

static void commit_by_counting(struct raft *raft) {
    if (raft->role != RAFT_LEADER)
        return;
    size_t count = 0;
    for (size_t i = 0; i < raft->peer_count; i++)
        if (raft->peers[i].kind == RAFT_VOTER)
            raft->scratch[count++] = &raft->peers[i] == raft->self ? raft->log.saved : raft->peers[i].match;
    raft_index reached = count ? raft_quorum_reached(raft->scratch, count) : 0;
    if (reached > raft->log.commit) {
        if (raft_log_term_at(&raft->log, reached) != raft->hard.term)
            sim_trace("entry %llu of an old term is committed by counting", (unsigned long long)reached);
        raft_log_commit(&raft->log, reached);
    }
}

static void cut_after(struct raft *raft, const struct raft_message *message) {
    raft_index end = message->index + message->entries.count;
    if (message->type != RAFT_APPEND || message->term != raft->hard.term || raft->role == RAFT_LEADER ||
        raft_log_term_at(&raft->log, message->index) != message->log_term || end >= raft->log.last ||
        end < raft->log.commit)
        return;
    raft_log_truncate(&raft->log, end + 1);
    raft_saves_clip(&raft->saves, end);
}

void __wrap_raft_step(struct raft *raft, uint64_t now_ms, const struct raft_message *message) {
    struct raft_message newer = *message;
    bool acknowledges = message->type == RAFT_ROUND_REPLY || message->type == RAFT_APPEND_REPLY;
    if (planted(PLANT_OLD_ROUND) && acknowledges && message->from < SIM_IDS_MAX)
        newer.round = memories[sim->current->host].round[message->from];
    if (planted(PLANT_CUT_BLINDLY))
        cut_after(raft, message);
    __real_raft_step(raft, now_ms, &newer);
    if (planted(PLANT_COUNT_OLD_TERM))
        commit_by_counting(raft);
}

void __wrap_raft_status(const struct raft *raft, struct raft_status *status) {
    __real_raft_status(raft, status);
    if (planted(PLANT_READ_BEFORE_NOOP))
        status->serving = status->role == RAFT_LEADER;
}

enum raft_result __wrap_raft_read(struct raft *raft, uint64_t token) {
    struct raft_status status;
    __real_raft_status(raft, &status);
    enum raft_result result = __real_raft_read(raft, token);
    sim_cover(COVER_DEPOSED_READS, result == RAFT_OK && invariants_deposed(status.term));
    bool now = planted(PLANT_READ_AT_ONCE) || (planted(PLANT_READ_BEFORE_NOOP) && !status.serving);
    size_t *tokens = &memories[sim->current->host].tokens;
    if (now && result == RAFT_OK && *tokens < 64)
        memories[sim->current->host].token[(*tokens)++] = token;
    return result;
}

static void note_rounds(const struct raft_messages *messages) {
    for (size_t i = 0; i < messages->count; i++)
        if (messages->at[i].type == RAFT_APPEND && messages->at[i].to < SIM_IDS_MAX)
            memories[sim->current->host].round[messages->at[i].to] = messages->at[i].round;
}

static void answer_at_once(struct raft_ready *ready) {
    static struct raft_read_point points[64];
    struct raft_status status;
    size_t *tokens = &memories[sim->current->host].tokens;
    __real_raft_status(sim->current->node->raft, &status);
    for (size_t i = 0; i < *tokens; i++)
        points[i] = (struct raft_read_point){memories[sim->current->host].token[i], status.commit};
    ready->reads = (struct raft_reads){points, *tokens};
    *tokens = 0;
}

/* What is appended is applied at once; what is committed later has been applied then. */
static void apply_early(struct raft_ready *ready) {
    static struct raft_entry list[8192];
    raft_index *through = &memories[sim->current->host].early;
    size_t count = 0;
    const struct raft_entries *both[] = {&ready->apply, &ready->save};
    if (ready->apply.count > 0)
        __real_raft_applied(sim->current->node->raft, ready->apply.at[ready->apply.count - 1].index);
    for (size_t which = 0; which < 2; which++)
        for (size_t i = 0; i < both[which]->count && count < 8192; i++)
            if (both[which]->at[i].index == *through + 1) {
                list[count++] = both[which]->at[i];
                ++*through;
            }
    ready->apply = (struct raft_entries){list, count};
}

bool plants_ready(struct raft_ready *ready, bool more) {
    bool reads = memories[sim->current->host].tokens > 0;
    if (!more && !reads)
        return false;
    if (!more)
        *ready = (struct raft_ready){.trace = ""};
    note_rounds(&ready->send);
    if (reads)
        answer_at_once(ready);
    if (planted(PLANT_APPLY_EARLY))
        apply_early(ready);
    return true;
}
