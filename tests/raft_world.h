/* SPDX-License-Identifier: MIT */
/*
 * A world for Raft cores: nodes with disks, a network between them, one clock each. Nothing happens by itself: the test
 * says what is delivered, written, lost, and when it is what time. Everything runs in one process and on one thread.
 *
 * A node obeys its readies as a server does: `send` goes to the network at once, what is to be saved becomes a job in a
 * FIFO, `promise` goes out when its job is done, entries are applied at once. A crash forgets the core and all jobs that
 * were not done. A node that needs a snapshot is sent the other's newest checkpoint, as one more packet. Its state is loaded by
 * world_load, and until then it applies nothing.
 *
 * The state is a digest of all that was applied. Two things are checked wherever this is used: a message never tells of what is
 * not on its sender's disk, and what is applied is applied in order, once, and is the same on every node, as are the digest and
 * the members of every checkpoint and snapshot.
 */
#ifndef RAFT_WORLD_H
#define RAFT_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../raft/raft.h"

enum { WORLD_NODES_MAX = 8 };

struct world;
struct world_node;

/* A state at rest, and what belongs to it. */
struct world_state {
    raft_index index;
    raft_term term;
    uint64_t digest;
    struct raft_blob *members; /* NULL: the first ones */
};

struct world_job {
    struct world_job *next;
    bool fetches; /* reads back; else saves */
    struct raft_fetch fetch;
    uint64_t sequence;
    bool has_vote;
    struct raft_vote vote;
    struct world_state restore; /* index 0: none */
    struct raft_entries save;
    struct raft_messages promise;
};

struct world_node {
    raft_id id;
    struct raft *raft; /* NULL: down */
    uint64_t now_ms;
    uint64_t starts;

    /* disk */
    struct raft_vote vote;
    raft_index base; /* the log begins after it */
    raft_term base_term;
    struct raft_entry *log; /* entry i is at i - base - 1 */
    size_t log_count, log_capacity;
    struct world_state checkpoint;

    struct world_job *jobs, **jobs_end;
    uint64_t done; /* the newest save that was done: the core may not have been told */
    raft_index applied;
    uint64_t digest;
    struct world_state incoming; /* given to raft_restore */
    bool loading;                /* `incoming` is to be loaded */
};

struct world_packet {
    struct world_packet *next;
    uint64_t due_ms;              /* the test's business */
    struct raft_message message;  /* of a snapshot: only from and to */
    struct world_state *snapshot; /* NULL: it is a message */
};

struct world {
    struct raft_config config;
    bool shared; /* all are on one machine */
    raft_id voters[WORLD_NODES_MAX];
    struct world_node nodes[WORLD_NODES_MAX];
    size_t count, voter_count; /* the first of the nodes are the first voters; the others know nobody */
    struct world_packet *network, **network_end; /* in the order of sending */
    struct raft_entry *truth;                    /* what was applied: entry i is at i - 1 */
    uint64_t *digests;                           /* after it */
    size_t truth_count, truth_capacity;
    size_t overwritten; /* how many entries that were on a disk were replaced */
    const char *name;   /* of the run, for messages */
    void *context;
    void (*failing)(struct world *world); /* before the end */
    void (*ready)(struct world *world, struct world_node *node, const struct raft_ready *ready);
    void (*sent)(struct world *world, struct world_node *node, const struct raft_message *message);
};

static inline void world_fail(struct world *world, const char *what) {
    if (world->failing)
        world->failing(world);
    fflush(stdout);
    fprintf(stderr, "%s: %s\n", world->name ? world->name : "world", what);
    abort();
}

#define WORLD_CHECK(world, condition, what)                                                                  \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            world_fail(world, what);                                                                         \
    } while (0)

/* ---- copies ---------------------------------------------------------------------------------------------- */

static inline struct raft_entries world_copy_entries(const struct raft_entries *entries) {
    struct raft_entries copy = {NULL, entries->count};
    if (entries->count)
        copy.at = calloc(entries->count, sizeof *copy.at);
    for (size_t i = 0; i < entries->count; i++) {
        copy.at[i] = entries->at[i];
        if (copy.at[i].data)
            raft_blob_ref(copy.at[i].data);
    }
    return copy;
}

static inline void world_free_entries(struct raft_entries *entries) {
    for (size_t i = 0; i < entries->count; i++)
        raft_blob_unref(entries->at[i].data);
    free(entries->at);
}

static inline struct raft_blob *world_blob(const char *text) {
    struct raft_blob *blob = raft_blob_new(strlen(text));
    memcpy(blob->bytes, text, blob->length);
    return blob;
}

static inline bool world_same_entry(const struct raft_entry *a, const struct raft_entry *b) {
    if (a->index != b->index || a->term != b->term || a->type != b->type || !a->data != !b->data)
        return false;
    return !a->data || (a->data->length == b->data->length &&
                        memcmp(a->data->bytes, b->data->bytes, a->data->length) == 0);
}

/* ---- states ---------------------------------------------------------------------------------------------- */

static inline raft_index world_last(const struct world_node *node) {
    return node->base + node->log_count;
}

static inline const struct raft_entry *world_entry(const struct world_node *node, raft_index index) {
    return &node->log[index - node->base - 1];
}

static inline uint64_t world_digest(uint64_t digest, const struct raft_entry *entry) {
    digest = (digest ^ (entry->index + (uint64_t)entry->type * 1000003)) * UINT64_C(1099511628211);
    digest = (digest ^ entry->term) * UINT64_C(1099511628211);
    for (size_t i = 0; entry->data && i < entry->data->length; i++)
        digest = (digest ^ (unsigned char)entry->data->bytes[i]) * UINT64_C(1099511628211);
    return digest;
}

static inline struct world_state world_copy_state(const struct world_state *state) {
    struct world_state copy = *state;
    if (copy.members)
        raft_blob_ref(copy.members);
    return copy;
}

static inline void world_free_state(struct world_state *state) {
    raft_blob_unref(state->members);
    *state = (struct world_state){0};
}

/* The list that an entry at or before `index` made; NULL: none did. */
static inline const struct raft_blob *world_members(const struct world *world, raft_index index) {
    for (; index; index--)
        if (world->truth[index - 1].type == RAFT_ENTRY_MEMBERS)
            return world->truth[index - 1].data;
    return NULL;
}

static inline void world_check_state(struct world *world, const struct world_state *state) {
    const struct raft_blob *members = world_members(world, state->index);
    WORLD_CHECK(world, state->index <= world->truth_count, "a state of what nobody has applied");
    WORLD_CHECK(world, state->index == 0 || state->digest == world->digests[state->index - 1],
                "a state is not what was applied");
    WORLD_CHECK(world, state->index == 0 || state->term == world->truth[state->index - 1].term,
                "a state has the wrong term");
    WORLD_CHECK(world,
                !members || (state->members && state->members->length == members->length &&
                             memcmp(state->members->bytes, members->bytes, members->length) == 0),
                "a state has the wrong members");
}

/* The state as it is now becomes the one to start with; false when the log is not durable so far. */
static inline bool world_checkpoint(struct world *world, struct world_node *node) {
    struct raft_status status;
    raft_status(node->raft, &status);
    if (node->loading || node->applied > status.saved_index || node->applied <= node->checkpoint.index)
        return false;
    world_free_state(&node->checkpoint);
    node->checkpoint = (struct world_state){node->applied, raft_term_at(node->raft, node->applied),
                                            node->digest, raft_blob_ref(raft_members_applied(node->raft))};
    world_check_state(world, &node->checkpoint);
    return true;
}

/* The log through `index` goes: at most the checkpoint's. */
static inline void world_compact(struct world *world, struct world_node *node, raft_index index) {
    WORLD_CHECK(world, index <= node->checkpoint.index, "the log is cut after the checkpoint");
    if (index <= node->base || index > world_last(node))
        return;
    size_t gone = index - node->base;
    node->base_term = world_entry(node, index)->term;
    for (size_t i = 0; i < gone; i++)
        raft_blob_unref(node->log[i].data);
    node->log_count -= gone;
    memmove(node->log, node->log + gone, node->log_count * sizeof *node->log);
    node->base = index;
    raft_compact(node->raft, index);
}

/* The state machine holds the snapshot now. */
static inline void world_load(struct world *world, struct world_node *node) {
    WORLD_CHECK(world, node->loading, "nothing to load");
    node->loading = false;
    node->applied = node->incoming.index;
    node->digest = node->incoming.digest;
    raft_applied(node->raft, node->applied);
}

/* ---- the network ----------------------------------------------------------------------------------------- */

static inline void world_check_durable(struct world *world, const struct world_node *node,
                                       const struct raft_message *message) {
    bool asks =
        message->type == RAFT_PRE_VOTE || (message->type == RAFT_PRE_VOTE_REPLY && !message->rejected);
    WORLD_CHECK(world, asks || message->term <= node->vote.term,
                "a message told of a term that is not durable");
    bool same_term = message->term == node->vote.term;
    if (message->type == RAFT_VOTE && same_term)
        WORLD_CHECK(world, node->vote.vote == node->id, "a candidate's own vote is not durable");
    if (message->type == RAFT_VOTE_REPLY && !message->rejected && same_term)
        WORLD_CHECK(world, node->vote.vote == message->to, "a vote was given that is not durable");
    if (message->type == RAFT_APPEND_REPLY && !message->rejected)
        WORLD_CHECK(world, message->index <= world_last(node), "an acknowledged entry is not durable");
}

static inline void world_send(struct world *world, struct world_node *node,
                              const struct raft_message *message) {
    world_check_durable(world, node, message);
    struct world_packet *packet = calloc(1, sizeof *packet);
    packet->message = *message;
    packet->message.entries = world_copy_entries(&message->entries);
    *world->network_end = packet;
    world->network_end = &packet->next;
    if (world->sent)
        world->sent(world, node, message);
}

/* Takes the packet out of the network. */
static inline struct world_packet *world_take(struct world *world, struct world_packet **link) {
    struct world_packet *packet = *link;
    *link = packet->next;
    if (world->network_end == &packet->next)
        world->network_end = link;
    return packet;
}

static inline void world_free_packet(struct world_packet *packet) {
    world_free_entries(&packet->message.entries);
    if (packet->snapshot)
        world_free_state(packet->snapshot);
    free(packet->snapshot);
    free(packet);
}

static inline struct world_packet *world_twin(const struct world_packet *packet) {
    struct world_packet *twin = calloc(1, sizeof *twin);
    *twin = *packet;
    twin->message.entries = world_copy_entries(&packet->message.entries);
    if (packet->snapshot) {
        twin->snapshot = calloc(1, sizeof *twin->snapshot);
        *twin->snapshot = world_copy_state(packet->snapshot);
    }
    return twin;
}

/* The newest checkpoint, to one that needs it. */
static inline void world_send_snapshot(struct world *world, struct world_node *node, raft_id to) {
    struct world_packet *packet = calloc(1, sizeof *packet);
    struct raft_status status;
    raft_status(node->raft, &status);
    WORLD_CHECK(world, node->checkpoint.index >= status.base_index, "there is no snapshot to send");
    packet->message.from = node->id;
    packet->message.to = to;
    packet->snapshot = calloc(1, sizeof *packet->snapshot);
    *packet->snapshot = world_copy_state(&node->checkpoint);
    *world->network_end = packet;
    world->network_end = &packet->next;
}

static inline struct world_node *world_node(struct world *world, raft_id id) {
    WORLD_CHECK(world, id >= 1 && id <= world->count, "no such node");
    return &world->nodes[id - 1];
}

/* How a snapshot fared, when its sender still is there. */
static inline void world_snapshot_sent(struct world *world, const struct world_packet *packet, bool ok) {
    struct world_node *from = world_node(world, packet->message.from);
    if (from->raft)
        raft_snapshot_sent(from->raft, packet->message.to, packet->snapshot->index, ok);
}

static inline void world_install(struct world *world, struct world_node *node,
                                 const struct world_packet *packet) {
    const struct world_state *state = packet->snapshot;
    world_check_state(world, state);
    if (!raft_restore(node->raft, node->now_ms, state->index, state->term, state->members))
        return;
    world_free_state(&node->incoming);
    node->incoming = world_copy_state(state);
    node->loading = true;
}

static inline void world_deliver(struct world *world, const struct world_packet *packet) {
    struct world_node *node = world_node(world, packet->message.to);
    if (packet->snapshot) {
        if (node->raft)
            world_install(world, node, packet);
        world_snapshot_sent(world, packet, node->raft != NULL);
        return;
    }
    if (node->raft)
        raft_step(node->raft, node->now_ms, &packet->message);
}

/* ---- jobs ------------------------------------------------------------------------------------------------ */

static inline struct world_job *world_add_job(struct world_node *node) {
    struct world_job *job = calloc(1, sizeof *job);
    *node->jobs_end = job;
    node->jobs_end = &job->next;
    return job;
}

static inline struct world_job *world_first_job(struct world_node *node) {
    struct world_job *job = node->jobs;
    node->jobs = job->next;
    if (!node->jobs)
        node->jobs_end = &node->jobs;
    return job;
}

static inline void world_free_job(struct world_job *job) {
    world_free_entries(&job->save);
    world_free_state(&job->restore);
    for (size_t i = 0; i < job->promise.count; i++)
        world_free_entries(&job->promise.at[i].entries);
    free(job->promise.at);
    free(job);
}

static inline void world_cut_log(struct world_node *node, size_t count) {
    while (node->log_count > count)
        raft_blob_unref(node->log[--node->log_count].data);
}

/* The snapshot takes the place of state and log, except of what follows it in the log. */
static inline void world_reset(struct world *world, struct world_node *node,
                               const struct world_state *state) {
    WORLD_CHECK(world, state->index > node->base, "the log's beginning went back");
    bool holds = state->index <= world_last(node) && world_entry(node, state->index)->term == state->term;
    size_t gone = holds ? state->index - node->base : node->log_count;
    for (size_t i = 0; i < gone; i++)
        raft_blob_unref(node->log[i].data);
    node->log_count -= gone;
    if (node->log_count)
        memmove(node->log, node->log + gone, node->log_count * sizeof *node->log);
    node->base = state->index;
    node->base_term = state->term;
    world_free_state(&node->checkpoint);
    node->checkpoint = world_copy_state(state);
}

static inline void world_write(struct world *world, struct world_node *node, const struct world_job *job) {
    if (job->has_vote) {
        WORLD_CHECK(world, job->vote.term >= node->vote.term, "the term on disk went back");
        WORLD_CHECK(world,
                    job->vote.term > node->vote.term || node->vote.vote == 0 ||
                        job->vote.vote == node->vote.vote,
                    "a vote was changed within its term");
        node->vote = job->vote;
    }
    if (job->restore.index)
        world_reset(world, node, &job->restore);
    if (job->save.count == 0)
        return;
    raft_index first = job->save.at[0].index;
    WORLD_CHECK(world, first > node->base && first <= world_last(node) + 1, "a hole in the log on disk");
    WORLD_CHECK(world, first > node->checkpoint.index, "what the state holds is overwritten");
    world->overwritten += world_last(node) - (first - 1);
    world_cut_log(node, first - 1 - node->base);
    for (size_t i = 0; i < job->save.count; i++) {
        if (node->log_count == node->log_capacity) {
            node->log_capacity = node->log_capacity ? node->log_capacity * 2 : 64;
            node->log = realloc(node->log, node->log_capacity * sizeof *node->log);
        }
        node->log[node->log_count] = job->save.at[i];
        if (job->save.at[i].data)
            raft_blob_ref(job->save.at[i].data);
        node->log_count++;
        WORLD_CHECK(world, job->save.at[i].index == world_last(node), "a hole in what is saved");
    }
}

static inline void world_read_back(struct world_node *node, const struct raft_fetch *fetch) {
    struct raft_entries entries = {NULL, 0};
    size_t bytes = 0;
    if (fetch->from > node->base && fetch->from <= world_last(node))
        entries.at = &node->log[fetch->from - node->base - 1];
    for (raft_index i = fetch->from; entries.at && i <= fetch->to && i <= world_last(node); i++) {
        const struct raft_blob *data = world_entry(node, i)->data;
        bytes += data ? data->length : 0;
        if (entries.count && bytes > fetch->bytes_max)
            break;
        entries.count++;
    }
    raft_fetched(node->raft, fetch, &entries);
}

/* Does the oldest job. Its core is told of a save by world_tell. */
static inline void world_do(struct world *world, struct world_node *node) {
    struct world_job *job = world_first_job(node);
    if (job->fetches) {
        world_read_back(node, &job->fetch);
    } else {
        world_write(world, node, job);
        node->done = job->sequence;
        for (size_t i = 0; i < job->promise.count; i++)
            world_send(world, node, &job->promise.at[i]);
    }
    world_free_job(job);
}

static inline void world_tell(struct world_node *node) {
    if (node->done)
        raft_saved(node->raft, node->now_ms, node->done);
    node->done = 0;
}

static inline void world_work(struct world *world, struct world_node *node) {
    world_do(world, node);
    world_tell(node);
}

/* ---- readies --------------------------------------------------------------------------------------------- */

static inline void world_apply(struct world *world, struct world_node *node,
                               const struct raft_entries *entries) {
    for (size_t i = 0; i < entries->count; i++) {
        const struct raft_entry *entry = &entries->at[i];
        WORLD_CHECK(world, entry->index == node->applied + 1, "applied out of order");
        WORLD_CHECK(world, !node->loading, "applied while a state is being loaded");
        node->applied = entry->index;
        node->digest = world_digest(node->digest, entry);
        if (entry->index <= world->truth_count) {
            WORLD_CHECK(world, world_same_entry(entry, &world->truth[entry->index - 1]),
                        "two nodes applied different entries at one index");
            continue;
        }
        if (world->truth_count == world->truth_capacity) {
            world->truth_capacity = world->truth_capacity ? world->truth_capacity * 2 : 64;
            world->truth = realloc(world->truth, world->truth_capacity * sizeof *world->truth);
            world->digests = realloc(world->digests, world->truth_capacity * sizeof *world->digests);
        }
        world->digests[world->truth_count] = node->digest;
        world->truth[world->truth_count++] = *entry;
        if (entry->data)
            raft_blob_ref(entry->data);
    }
    raft_applied(node->raft, node->applied);
}

static inline void world_obey(struct world *world, struct world_node *node, const struct raft_ready *ready) {
    if (world->ready)
        world->ready(world, node, ready);
    WORLD_CHECK(world,
                ready->sequence ||
                    (!ready->vote && !ready->restore && !ready->save.count && !ready->promise.count),
                "something to save or promise, and no number");
    if (ready->sequence) {
        struct world_job *job = world_add_job(node);
        job->sequence = ready->sequence;
        job->has_vote = ready->vote != NULL;
        if (ready->vote)
            job->vote = *ready->vote;
        if (ready->restore) {
            WORLD_CHECK(world, ready->restore->index == node->incoming.index, "another snapshot");
            job->restore = world_copy_state(&node->incoming);
        }
        job->save = world_copy_entries(&ready->save);
        job->promise.count = ready->promise.count;
        job->promise.at = calloc(ready->promise.count ? ready->promise.count : 1, sizeof *job->promise.at);
        for (size_t i = 0; i < ready->promise.count; i++) {
            job->promise.at[i] = ready->promise.at[i];
            job->promise.at[i].entries = world_copy_entries(&ready->promise.at[i].entries);
        }
    }
    for (size_t i = 0; i < ready->send.count; i++)
        world_send(world, node, &ready->send.at[i]);
    for (size_t i = 0; i < ready->fetch.count; i++) {
        struct world_job *job = world_add_job(node);
        job->fetches = true;
        job->fetch = ready->fetch.at[i];
    }
    for (size_t i = 0; i < ready->snapshots.count; i++)
        world_send_snapshot(world, node, ready->snapshots.at[i]);
    if (ready->apply.count)
        world_apply(world, node, &ready->apply);
}

/* Everything that the node wants done now. */
static inline void world_collect(struct world *world, struct world_node *node) {
    struct raft_ready ready;
    size_t count = 0;
    while (raft_ready(node->raft, &ready)) {
        world_obey(world, node, &ready);
        WORLD_CHECK(world, ++count < 100000, "readies without end");
    }
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static inline void world_start(struct world *world, struct world_node *node, uint64_t seed) {
    struct raft_config config = world->config;
    struct raft_term_start *terms = calloc(node->log_count + 1, sizeof *terms);
    struct raft_members_at *changes = calloc(node->log_count + 1, sizeof *changes);
    struct raft_boot boot = {
        .term = node->vote.term,
        .vote = node->vote.vote,
        .base_index = node->base,
        .base_term = node->base_term,
        .last_index = world_last(node),
        .applied = node->checkpoint.index,
        .terms = terms,
        .members = node->checkpoint.members,
        .changes = changes,
    };
    for (size_t i = 0; i < node->log_count; i++) {
        if (i == 0 || node->log[i].term != node->log[i - 1].term)
            terms[boot.term_count++] = (struct raft_term_start){node->log[i].term, node->log[i].index};
        if (node->log[i].type == RAFT_ENTRY_MEMBERS)
            changes[boot.change_count++] = (struct raft_members_at){node->log[i].index, node->log[i].data};
    }
    config.self = node->id;
    config.seed = seed;
    config.voters = world->voters;
    config.voter_count = node->id <= world->voter_count ? world->voter_count : 0;
    node->applied = node->checkpoint.index;
    node->digest = node->checkpoint.digest;
    node->raft = raft_new(&config, &boot, node->now_ms);
    raft_share(node->raft, world->shared);
    node->starts++;
    free(changes);
    free(terms);
}

static inline void world_crash(struct world_node *node) {
    raft_free(node->raft);
    node->raft = NULL;
    node->done = 0;
    node->loading = false;
    world_free_state(&node->incoming);
    while (node->jobs)
        world_free_job(world_first_job(node));
}

static inline void world_init(struct world *world, size_t count) {
    memset(world, 0, sizeof *world);
    world->count = world->voter_count = count;
    world->network_end = &world->network;
    world->config = (struct raft_config){
        .election_timeout_ms = 1000,
        .heartbeat_ms = 100,
        .tail_bytes_max = 1024 * 1024,
        .append_bytes_max = 64 * 1024,
        .window_bytes_max = 256 * 1024,
        .window_messages_max = 64,
        .uncommitted_bytes_max = 1024 * 1024,
        .ready_bytes_max = 64 * 1024,
    };
    for (size_t i = 0; i < count; i++) {
        world->voters[i] = i + 1;
        world->nodes[i].id = i + 1;
        world->nodes[i].jobs_end = &world->nodes[i].jobs;
    }
}

static inline void world_close(struct world *world) {
    for (size_t i = 0; i < world->count; i++) {
        struct world_node *node = &world->nodes[i];
        if (node->raft)
            world_crash(node);
        world_cut_log(node, 0);
        world_free_state(&node->checkpoint);
        free(node->log);
    }
    while (world->network)
        world_free_packet(world_take(world, &world->network));
    for (size_t i = 0; i < world->truth_count; i++)
        raft_blob_unref(world->truth[i].data);
    free(world->truth);
    free(world->digests);
}

#endif
