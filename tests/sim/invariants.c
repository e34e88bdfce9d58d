/* SPDX-License-Identifier: MIT */
/*
 * What must hold at every step, over all nodes and all their lives.
 *
 * The nodes are watched where raft meets the node (raft_ready, peers_send): what is to be saved, applied, sent. What is seen is
 * remembered for ever, so that a node which contradicts what another said long ago, or itself before a crash, is caught:
 *
 *      (index, term)  ->  the entry, the term before it        log matching (section 3.5), by induction
 *      index          ->  the entry applied there              state-machine safety
 *      index          ->  the digest of the keyspace there     determinism
 *      term           ->  who led it                           election safety
 *      (term, voter)  ->  for whom                             one vote a term, before and after a crash
 *      node           ->  its term, its durable log            remembered over crashes
 *
 * And a new leader has everything that was committed before (leader completeness).
 */
#include <stdlib.h>
#include <string.h>

#include "../../src/node_state.h"
#include "sim.h"

struct committed {
    raft_term term;
    uint64_t hash, digest, order, audit;
    bool digested;
};

struct fact { /* key 0: empty */
    uint64_t key, value, extra;
};

static struct fact *facts; /* open addressing */
static size_t fact_count, fact_capacity;
static struct committed *committed; /* index i is at i */
static raft_index last_committed;
static raft_term newest_led; /* the newest term that has had a leader */
static size_t committed_capacity;
static struct resp_parser *parser;
static struct memory {  /* what a node must know after any crash; and what was counted in its present life */
    raft_index on_disk; /* its durable log reached this far */
    raft_term promised; /* it has sent something in this term */
    bool looked_at;     /* in this life */
    uint64_t expired, evicted, gathered, settled, checkpoints, installed, leased;
    bool loads;
} memories[SIM_IDS_MAX];

/* eviction.c: so much growth may be on its way near the limit. */
enum { OVER_MAX = 64 * 1024 };

/* Links are dialled again within two seconds, and there is a leader soon after. */
enum { PEACE_US = 3000000, DOUBTS_MAX = 1024, HEALED_TIMEOUTS = 2 };
static struct {
    raft_index index;
    raft_term term;
    size_t writes;
    bool in_peace;
} doubts[DOUBTS_MAX];
static size_t doubt_count;

/* ---- facts --------------------------------------------------------------------------------------------------------- */

static struct fact *fact_place(uint64_t key) {
    size_t at = sim_mix(key) & (fact_capacity - 1);
    while (facts[at].key != 0 && facts[at].key != key)
        at = (at + 1) & (fact_capacity - 1);
    return &facts[at];
}

static void facts_grow(void) {
    struct fact *old = facts;
    size_t old_capacity = fact_capacity;
    fact_capacity = old_capacity ? 2 * old_capacity : 4096;
    facts = calloc(fact_capacity, sizeof *facts);
    if (!facts)
        abort();
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].key != 0)
            *fact_place(old[i].key) = old[i];
    free(old);
}

enum { FACT_ENTRY = 1, FACT_LEADER, FACT_VOTE };

static uint64_t fact_key(uint64_t kind, uint64_t a, uint64_t b) {
    return kind << 60 ^ a << 20 ^ b; /* indexes and terms are small here */
}

/* NULL when nothing is known. */
static const struct fact *fact_find(uint64_t kind, uint64_t a, uint64_t b) {
    const struct fact *fact = fact_place(fact_key(kind, a, b));
    return fact->key == 0 ? NULL : fact;
}

/* False when the opposite is known. */
static bool fact_agrees(uint64_t kind, uint64_t a, uint64_t b, uint64_t value, uint64_t extra) {
    if (2 * fact_count >= fact_capacity)
        facts_grow();
    struct fact *fact = fact_place(fact_key(kind, a, b));
    if (fact->key == 0) {
        *fact = (struct fact){fact_key(kind, a, b), value, extra};
        fact_count++;
    }
    return fact->value == value && fact->extra == extra;
}

static uint64_t entry_hash(const struct raft_entry *entry) {
    uint64_t hash = sim_mix((uint64_t)entry->type);
    return entry->data ? sim_hash(hash, entry->data->bytes, entry->data->length) : hash;
}

/* ---- what is saved ---------------------------------------------------------------------------------------------------- */

static void see_saved(struct sim_node *node, struct raft *raft, const struct raft_entries *save) {
    if (save->count == 0)
        return;
    raft_index *on_disk = &memories[node->id].on_disk;
    if (save->at[0].index <= *on_disk) {
        sim_cover(COVER_TRUNCATED, *on_disk - save->at[0].index + 1);
        *on_disk = save->at[0].index - 1;
    }
    for (size_t i = 0; i < save->count; i++) {
        const struct raft_entry *entry = &save->at[i];
        raft_term before = raft_term_at(raft, entry->index - 1);
        if (entry->type == RAFT_ENTRY_MEMBERS && node->node->raft_status.role == RAFT_LEADER)
            faults_changes(node);
        if (!fact_agrees(FACT_ENTRY, entry->index, entry->term, entry_hash(entry), before))
            sim_fail("log matching: two entries of index %llu, term %llu (now on node %d)",
                     (unsigned long long)entry->index, (unsigned long long)entry->term, (int)node->id);
    }
}

/* ---- what is applied --------------------------------------------------------------------------------------------------- */

/* Which of the clients' operations a command carries out; false: none that could be told. */
static bool token_of(const struct resp_command *command, unsigned long *number) {
    bool script = command->count == 6 && resp_arg_is(&command->args[0], "EVAL");
    const struct resp_arg *word = &command->args[script ? 5 : 2];
    long long amount;
    char text[32];
    if (command->count < 3 || word->length >= sizeof text)
        return false;
    memcpy(text, word->bytes, word->length);
    text[word->length] = 0;
    if (!script && !resp_arg_is(&command->args[0], "INCRBY"))
        return sscanf(text, "%*1[tadp]%lu", number) == 1;
    if (sscanf(text, "%lld", &amount) != 1 || amount < 0)
        return false; /* a transfer's other half */
    *number = (unsigned long)amount - 2;
    return true;
}

static void see_token(const struct resp_command *command) {
    unsigned long number;
    if (!token_of(command, &number))
        return;
    if (number >= op_count)
        sim_fail("an entry holds an operation that nobody asked for: %lu", number);
    if (++ops[number].applied > 1)
        sim_fail("operation %lu is in the committed log twice", number);
    ops[number].applied_event = ++sim->event;
    if (ops[number].outcome == OP_NEVER)
        sim_fail("operation %lu was definitely refused, and is committed", number);
}

static void see_commands(const struct raft_entry *entry) {
    struct entry_reader reader;
    struct resp_command command;
    if (entry->type != RAFT_ENTRY_COMMAND)
        return;
    if (!entry_open(&reader, entry->data, parser))
        sim_fail("entry %llu is none", (unsigned long long)entry->index);
    while (entry_next(&reader, &command)) {
        sim_cover(COVER_LEVELS, level_is(&command));
        see_token(&command);
    }
}

static struct committed *committed_at(raft_index index) {
    if (index >= committed_capacity) {
        committed_capacity = committed_capacity ? 2 * committed_capacity : 4096;
        committed = realloc(committed, committed_capacity * sizeof *committed);
        if (!committed)
            abort();
    }
    return &committed[index];
}

/* Who waits for it here, and what has become of this node since. */
static void see_waiters(const struct sim_node *node, const struct raft_entry *entry) {
    struct raft_status status;
    raft_status(node->node->raft, &status);
    for (const struct lane *lane = node->node->writes.first; lane; lane = lane->next) {
        if (lane->index != entry->index)
            continue;
        if (lane->term != entry->term) {
            sim_cover(COVER_LATE_REFUSALS, lane->writes);
            continue;
        }
        if (status.role != RAFT_LEADER || status.term != lane->term)
            sim_cover(COVER_LATE_ANSWERS, lane->writes);
        for (size_t i = 0; i < lane->count; i++)
            sim_cover(COVER_RIDERS, lane->items[i].kind == PENDING_READ);
    }
}

static void see_applied(struct sim_node *node, const struct raft_entry *entry) {
    if (node->applied < node->node->checkpoint.done_index)
        node->applied = node->node->checkpoint.done_index; /* a start from it, or a snapshot put in place */
    struct committed *known = committed_at(entry->index);
    uint64_t hash = entry_hash(entry);
    if (entry->index != node->applied + 1)
        sim_fail("node %d applies entry %llu after %llu", (int)node->id, (unsigned long long)entry->index,
                 (unsigned long long)node->applied);
    node->applied = entry->index;
    if (entry->index > last_committed) {
        last_committed = entry->index;
        *known = (struct committed){.term = entry->term, .hash = hash};
        see_commands(entry);
        quorums_committed(entry);
    } else if (known->term != entry->term || known->hash != hash) {
        sim_fail("state-machine safety: node %d applies another entry at %llu (term %llu, was %llu)",
                 (int)node->id, (unsigned long long)entry->index, (unsigned long long)entry->term,
                 (unsigned long long)known->term);
    }
    see_waiters(node, entry);
    faults_commits(node, entry->index);
}

/* ---- the keyspace ------------------------------------------------------------------------------------------------------- */

static void digest(struct keyspace *keyspace, uint64_t *sum, uint64_t *order) {
    *sum = *order = sim_mix(keyspace_clock(keyspace));
    for (unsigned db = 0; db < keyspace_databases(keyspace); db++)
        for (size_t slot = 0; slot < keyspace_slots(keyspace, db); slot++) {
            const struct item *item = keyspace_at(keyspace, db, slot);
            if (!item)
                continue;
            struct resp_arg key = item_key(item);
            struct resp_arg value =
                item_type(item) == VALUE_STRING ? item_string(item) : (struct resp_arg){0};
            uint64_t hash = sim_hash(db, key.bytes, key.length);
            hash = sim_hash(hash, value.bytes, value.length);
            hash = sim_mix(hash ^ item_deadline(item)) + item_version(item);
            *sum += sim_mix(hash);
            *order = sim_mix(*order ^ hash);
        }
}

static void see_keyspace(struct sim_node *node) {
    raft_index applied = node->node->raft_status.applied;
    if (applied == 0 || applied == node->read_at || applied > last_committed)
        return;
    struct committed *known = committed_at(applied);
    uint64_t sum, order;
    digest(node->node->keyspace, &sum, &order);
    sum += sim_mix(node->node->admission.level); /* is state too */
    node->read_at = applied;
    if (sim->maxmemory > 0 && keyspace_memory_lasting(node->node->keyspace) > sim->maxmemory + OVER_MAX)
        sim_fail("node %d holds %zu bytes, where maxmemory is %llu", (int)node->id,
                 keyspace_memory_lasting(node->node->keyspace), (unsigned long long)sim->maxmemory);
    if (!known->digested) {
        known->digested = true;
        known->digest = sum;
        known->order = order;
        known->audit = keyspace_digest(node->node->keyspace);
    }
    if (known->digest != sum)
        sim_fail("node %d: the state at entry %llu is not what another had there", (int)node->id,
                 (unsigned long long)applied);
    if (known->audit != keyspace_digest(node->node->keyspace))
        sim_fail("node %d: the digest that is kept up to date differs at entry %llu", (int)node->id,
                 (unsigned long long)applied);
    if (known->order != order)
        sim_fail("node %d: the keys at entry %llu are those of another, but not their order", (int)node->id,
                 (unsigned long long)applied);
    quorums_applied(node, applied);
}

/* ---- leaders, votes -------------------------------------------------------------------------------------------------------- */

static void see_leader(struct sim_node *node) {
    struct raft *raft = node->node->raft;
    struct raft_status status;
    raft_status(raft, &status);
    if (status.role != RAFT_LEADER || node->led == status.term)
        return;
    node->led = status.term;
    sim_cover(COVER_LEADER_CHANGES, 1);
    sim_cover(COVER_CHANGE_ELECTIONS, status.changing);
    faults_leads(node);
    operator_leads(node);
    for (size_t i = 0; i < sim->node_count; i++) {
        const struct node *other = sim->nodes[i].node;
        sim_cover(COVER_DEPOSED,
                  other && other->raft_status.role == RAFT_LEADER && other->raft_status.term < status.term);
    }
    newest_led = status.term > newest_led ? status.term : newest_led;
    if (!fact_agrees(FACT_LEADER, status.term, 0, node->id, 0))
        sim_fail("two lead term %llu", (unsigned long long)status.term);
    quorums_leads(node, status.term);
    for (raft_index index = status.base_index + 1; index <= last_committed; index++)
        if (committed[index].term < status.term && raft_term_at(raft, index) != committed[index].term)
            sim_fail("leader completeness: node %d leads term %llu without entry %llu", (int)node->id,
                     (unsigned long long)status.term, (unsigned long long)index);
}

static void see_message(const struct raft_message *message) {
    raft_term *promised = &memories[sim->current->id].promised;
    if (message->type != RAFT_PRE_VOTE && message->type != RAFT_PRE_VOTE_REPLY && message->term > *promised)
        *promised = message->term;
    bool gives = message->type == RAFT_VOTE_REPLY && !message->rejected, stands = message->type == RAFT_VOTE;
    raft_id candidate = stands ? message->from : message->to;
    if ((gives || stands) && !fact_agrees(FACT_VOTE, message->term, message->from, candidate, 0))
        sim_fail("node %llu votes twice in term %llu", (unsigned long long)message->from,
                 (unsigned long long)message->term);
    if (gives)
        faults_votes(sim->current);
}

/* What its disk said at the start of this life, against what it said and promised in earlier ones. */
static void see_boot(struct sim_node *node) {
    struct memory *memory = &memories[node->id];
    const struct raft_boot *boot = &node->node->boot.raft;
    const struct fact *vote = fact_find(FACT_VOTE, boot->term, node->id);
    memory->looked_at = true;
    if (boot->last_index < memory->on_disk)
        sim_fail("node %d starts with %llu entries, and had made %llu durable", (int)node->id,
                 (unsigned long long)boot->last_index, (unsigned long long)memory->on_disk);
    if (boot->term < memory->promised)
        sim_fail("node %d starts in term %llu, and has spoken in term %llu", (int)node->id,
                 (unsigned long long)boot->term, (unsigned long long)memory->promised);
    if (vote && boot->vote != vote->value)
        sim_fail("node %d starts without its vote of term %llu", (int)node->id,
                 (unsigned long long)boot->term);
    memory->on_disk = boot->last_index;
    quorums_saved(node);
}

/* ---- where it is watched ------------------------------------------------------------------------------------------------------ */

bool __real_raft_ready(struct raft *raft, struct raft_ready *ready);
bool __wrap_raft_ready(struct raft *raft, struct raft_ready *ready);
void __real_raft_saved(struct raft *raft, uint64_t now_ms, uint64_t sequence);
void __wrap_raft_saved(struct raft *raft, uint64_t now_ms, uint64_t sequence);
void __real_peers_send(struct node *node, const struct raft_messages *messages);
void __wrap_peers_send(struct node *node, const struct raft_messages *messages);
size_t __real_lane_take_along(struct lane *from, struct lane *to, const struct connection *connection);
size_t __wrap_lane_take_along(struct lane *from, struct lane *to, const struct connection *connection);

bool __wrap_raft_ready(struct raft *raft, struct raft_ready *ready) {
    struct sim_node *node = sim->current;
    if (!__real_raft_ready(raft, ready))
        return plants_ready(ready, false);
    see_saved(node, raft, &ready->save);
    for (size_t i = 0; i < ready->apply.count; i++)
        see_applied(node, &ready->apply.at[i]);
    sim_cover(COVER_FETCHES, ready->fetch.count);
    return plants_ready(ready, true);
}

void __wrap_raft_saved(struct raft *raft, uint64_t now_ms, uint64_t sequence) {
    struct raft_status status;
    __real_raft_saved(raft, now_ms, sequence);
    raft_status(raft, &status);
    memories[sim->current->id].on_disk = status.saved_index;
    quorums_saved(sim->current);
}

void __wrap_peers_send(struct node *node, const struct raft_messages *messages) {
    for (size_t i = 0; i < messages->count; i++)
        see_message(&messages->at[i]);
    __real_peers_send(node, messages);
}

size_t __wrap_lane_take_along(struct lane *from, struct lane *to, const struct connection *connection) {
    sim_cover(COVER_DUE_RETRIES, from->confirmed);
    return __real_lane_take_along(from, to, connection);
}

void __real_outcome_replaced(struct node *node, const struct store_meta *meta);
void __wrap_outcome_replaced(struct node *node, const struct store_meta *meta);

void __wrap_outcome_replaced(struct node *node, const struct store_meta *meta) {
    for (const struct lane *lane = node->writes.first; lane && lane->index <= meta->applied;
         lane = lane->next)
        sim_cover(COVER_DONE_ELSEWHERE, committed[lane->index].term == lane->term ? lane->writes : 0);
    __real_outcome_replaced(node, meta);
    for (const struct lane *lane = node->writes.first; lane; lane = lane->next)
        if (lane->index <= meta->applied)
            sim_fail("node %d waits for entry %llu, which its state holds", (int)sim->current->id,
                     (unsigned long long)lane->index);
}

void invariants_started(struct sim_node *node) {
    struct memory *memory = &memories[node->id];
    memory->looked_at = memory->loads = false;
    memory->expired = memory->evicted = memory->gathered = memory->settled = memory->checkpoints =
        memory->installed = memory->leased = 0;
}

void invariants_turned(struct sim_node *node) {
    struct node *inner = node->node;
    struct memory *memory = &memories[node->id];
    sim_cover(COVER_EXPIRED, inner->statistics.expired_keys - memory->expired);
    sim_cover(COVER_EVICTED, inner->statistics.evicted_keys - memory->evicted);
    sim_cover(COVER_GATHERED, inner->statistics.gathered - memory->gathered);
    sim_cover(COVER_SETTLED, inner->proxies.settled - memory->settled);
    sim_cover(COVER_CHECKPOINTS, inner->checkpoint.done_count - memory->checkpoints);
    sim_cover(COVER_SNAPSHOTS, inner->snapshot_in.installed - memory->installed);
    sim_cover(COVER_LOADS, inner->loading == NULL && memory->loads);
    sim_cover(COVER_LEASE_READS, inner->statistics.lease_reads - memory->leased);
    memory->leased = inner->statistics.lease_reads;
    memory->expired = inner->statistics.expired_keys;
    memory->evicted = inner->statistics.evicted_keys;
    memory->gathered = inner->statistics.gathered;
    memory->settled = inner->proxies.settled;
    memory->checkpoints = inner->checkpoint.done_count;
    memory->installed = inner->snapshot_in.installed;
    memory->loads = inner->loading != NULL;
    if (!inner->raft || inner->end == NODE_FAILED)
        return;
    if (!memory->looked_at)
        see_boot(node);
    see_leader(node);
    see_keyspace(node);
}

/* A node that lives is in doubt only when the bound is over; and not at all, long after all was mended, of what has been applied. */
void invariants_doubt(const struct lane *lane) {
    const struct sim_node *node = sim->current;
    const struct node *inner = node->node;
    if (sim->crashing || node->stopping || node_ended(inner) != NODE_RUNNING)
        return;
    if (inner->now.mono_us - lane->begun_us <= (uint64_t)1000 * inner->conf->outcome_timeout_ms)
        sim_fail("node %d is in doubt of entry %llu too early", (int)node->id,
                 (unsigned long long)lane->index);
    if (lane->index <= inner->raft_status.applied)
        sim_fail("node %d is in doubt of entry %llu, and has applied it", (int)node->id,
                 (unsigned long long)lane->index);
    const struct raft_status *status = &inner->raft_status;
    bool healed = status->role != RAFT_LEADER && status->leader != 0 && status->leader_since_ms != 0 &&
                  inner->now_ms - status->leader_since_ms >= HEALED_TIMEOUTS * sim->election_ms;
    if (!healed || doubt_count == DOUBTS_MAX)
        return;
    sim_trace("node %d is in doubt of entry %llu, term %llu", (int)node->id, (unsigned long long)lane->index,
              (unsigned long long)lane->term);
    doubts[doubt_count].index = lane->index;
    doubts[doubt_count].term = lane->term;
    doubts[doubt_count].in_peace = !sim->lag_us && sim->now >= sim->peace_from + PEACE_US;
    doubts[doubt_count++].writes = lane->writes;
}

static void count_doubts(void) {
    for (size_t i = 0; i < doubt_count; i++)
        if (doubts[i].index <= last_committed && committed[doubts[i].index].term == doubts[i].term) {
            sim_cover(COVER_DOUBTED_HEALED, doubts[i].writes);
            sim_cover(COVER_DOUBTED_IN_PEACE, doubts[i].in_peace ? doubts[i].writes : 0);
        }
}

bool invariants_deposed(raft_term term) {
    return term < newest_led;
}

raft_term invariants_newest_term(void) {
    return newest_led;
}

raft_id invariants_leader(raft_term term) {
    const struct fact *fact = fact_find(FACT_LEADER, term, 0);
    return fact ? fact->value : 0;
}

size_t invariants_votes(raft_term term, raft_id candidate, const raft_id *voters, size_t count) {
    size_t votes = 0;
    for (size_t i = 0; i < count; i++) {
        const struct fact *vote = fact_find(FACT_VOTE, term, voters[i]);
        votes += voters[i] == candidate || (vote && vote->value == candidate);
    }
    return votes;
}

/* Nobody who leads holds more than maxmemory, and could evict. */
bool invariants_bounded(void) {
    for (size_t i = 0; sim->maxmemory > 0 && i < sim->node_count; i++) {
        const struct node *node = sim->nodes[i].node;
        if (node && node->raft_status.role == RAFT_LEADER && keyspace_deadlines(node->keyspace, 0) > 0 &&
            keyspace_memory_lasting(node->keyspace) > sim->maxmemory)
            return false;
    }
    return true;
}

raft_index invariants_committed(void) {
    return last_committed;
}

/* Each operation's outcome against the committed log. */
void invariants_end(void) {
    count_doubts();
    for (size_t i = 0; i < op_count; i++) {
        const struct op *op = &ops[i];
        bool marked = load_is_marked(op);
        if (marked && op->outcome == OP_DONE && op->applied != 1)
            sim_fail("operation %zu was acknowledged, and is not in the committed log", i);
        if (marked && op->outcome == OP_NEVER && op->applied > 0)
            sim_fail("operation %zu was definitely refused, and is committed", i);
    }
}

void invariants_open(void) {
    parser = resp_parser_new();
    fact_count = fact_capacity = committed_capacity = 0;
    doubt_count = 0;
    last_committed = newest_led = 0;
    memset(memories, 0, sizeof memories);
    facts_grow();
    committed_at(0);
}

void invariants_close(void) {
    resp_parser_free(parser);
    free(facts);
    free(committed);
    facts = NULL;
    committed = NULL;
}
