/* SPDX-License-Identifier: MIT */
/*
 * A world for Raft cores: nodes with disks, a network between them, one clock each. Nothing happens by itself: the test
 * says what is delivered, written, lost, and when it is what time. Everything runs in one process and on one thread.
 *
 * A node obeys its readies as a server does: `send` goes to the network at once, what is to be saved becomes a job in a
 * FIFO, `promise` goes out when its job is done, entries are applied at once. A crash forgets the core and all jobs that
 * were not done.
 *
 * Two things are checked wherever this is used: a message never tells of what is not on its sender's disk, and what is
 * applied is applied in order, once, and is the same on every node.
 */
#ifndef RAFT_WORLD_H
#define RAFT_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../raft/raft.h"

enum { WORLD_NODES_MAX = 5 };

struct world;
struct world_node;

struct world_job {
    struct world_job *next;
    bool fetches; /* reads back; else saves */
    struct raft_fetch fetch;
    uint64_t sequence;
    bool has_vote;
    struct raft_vote vote;
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
    struct raft_entry *log; /* entry i is at i - 1 */
    size_t log_count, log_capacity;
    raft_index checkpoint; /* the state machine's, at its last start */

    struct world_job *jobs, **jobs_end;
    uint64_t done; /* the newest save that was done: the core may not have been told */
    raft_index applied;
};

struct world_packet {
    struct world_packet *next;
    uint64_t due_ms; /* the test's business */
    struct raft_message message;
};

struct world {
    struct raft_config config;
    raft_id voters[WORLD_NODES_MAX];
    struct world_node nodes[WORLD_NODES_MAX];
    size_t count;
    struct world_packet *network, **network_end; /* in the order of sending */
    struct raft_entry *truth;                    /* what was applied: entry i is at i - 1 */
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
        WORLD_CHECK(world, message->index <= node->log_count, "an acknowledged entry is not durable");
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
    free(packet);
}

static inline struct world_node *world_node(struct world *world, raft_id id) {
    WORLD_CHECK(world, id >= 1 && id <= world->count, "no such node");
    return &world->nodes[id - 1];
}

static inline void world_deliver(struct world *world, const struct world_packet *packet) {
    struct world_node *node = world_node(world, packet->message.to);
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
    for (size_t i = 0; i < job->promise.count; i++)
        world_free_entries(&job->promise.at[i].entries);
    free(job->promise.at);
    free(job);
}

static inline void world_cut_log(struct world_node *node, size_t count) {
    while (node->log_count > count)
        raft_blob_unref(node->log[--node->log_count].data);
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
    if (job->save.count == 0)
        return;
    raft_index first = job->save.at[0].index;
    WORLD_CHECK(world, first >= 1 && first <= node->log_count + 1, "a hole in the log on disk");
    world->overwritten += node->log_count - (first - 1);
    world_cut_log(node, first - 1);
    for (size_t i = 0; i < job->save.count; i++) {
        if (node->log_count == node->log_capacity) {
            node->log_capacity = node->log_capacity ? node->log_capacity * 2 : 64;
            node->log = realloc(node->log, node->log_capacity * sizeof *node->log);
        }
        node->log[node->log_count] = job->save.at[i];
        if (job->save.at[i].data)
            raft_blob_ref(job->save.at[i].data);
        node->log_count++;
        WORLD_CHECK(world, job->save.at[i].index == node->log_count, "a hole in what is saved");
    }
}

static inline void world_read_back(struct world_node *node, const struct raft_fetch *fetch) {
    struct raft_entries entries = {NULL, 0};
    size_t bytes = 0;
    if (fetch->from <= node->log_count)
        entries.at = &node->log[fetch->from - 1];
    for (raft_index i = fetch->from; i <= fetch->to && i <= node->log_count; i++) {
        bytes += node->log[i - 1].data ? node->log[i - 1].data->length : 0;
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
        node->applied = entry->index;
        if (entry->index <= world->truth_count) {
            WORLD_CHECK(world, world_same_entry(entry, &world->truth[entry->index - 1]),
                        "two nodes applied different entries at one index");
            continue;
        }
        if (world->truth_count == world->truth_capacity) {
            world->truth_capacity = world->truth_capacity ? world->truth_capacity * 2 : 64;
            world->truth = realloc(world->truth, world->truth_capacity * sizeof *world->truth);
        }
        world->truth[world->truth_count++] = *entry;
        if (entry->data)
            raft_blob_ref(entry->data);
    }
    raft_applied(node->raft, node->applied);
}

static inline void world_obey(struct world *world, struct world_node *node, const struct raft_ready *ready) {
    if (world->ready)
        world->ready(world, node, ready);
    WORLD_CHECK(world, ready->sequence || (!ready->vote && !ready->save.count && !ready->promise.count),
                "something to save or promise, and no number");
    if (ready->sequence) {
        struct world_job *job = world_add_job(node);
        job->sequence = ready->sequence;
        job->has_vote = ready->vote != NULL;
        if (ready->vote)
            job->vote = *ready->vote;
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
    struct raft_boot boot = {.term = node->vote.term, .vote = node->vote.vote, .last_index = node->log_count};
    for (size_t i = 0; i < node->log_count; i++)
        if (i == 0 || node->log[i].term != node->log[i - 1].term)
            terms[boot.term_count++] = (struct raft_term_start){node->log[i].term, node->log[i].index};
    boot.terms = terms;
    boot.applied = node->checkpoint;
    config.self = node->id;
    config.seed = seed;
    config.voters = world->voters;
    config.voter_count = world->count;
    node->applied = node->checkpoint;
    node->raft = raft_new(&config, &boot, node->now_ms);
    node->starts++;
    free(terms);
}

static inline void world_crash(struct world_node *node) {
    raft_free(node->raft);
    node->raft = NULL;
    node->done = 0;
    while (node->jobs)
        world_free_job(world_first_job(node));
}

static inline void world_init(struct world *world, size_t count) {
    memset(world, 0, sizeof *world);
    world->count = count;
    world->network_end = &world->network;
    world->config = (struct raft_config){
        .election_timeout_ms = 1000,
        .heartbeat_ms = 100,
        .tail_bytes_max = 1024 * 1024,
        .append_bytes_max = 64 * 1024,
        .window_bytes_max = 256 * 1024,
        .window_messages_max = 64,
        .uncommitted_bytes_max = 1024 * 1024,
        .apply_bytes_max = 64 * 1024,
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
        free(node->log);
    }
    while (world->network)
        world_free_packet(world_take(world, &world->network));
    for (size_t i = 0; i < world->truth_count; i++)
        raft_blob_unref(world->truth[i].data);
    free(world->truth);
}

#endif
