/* SPDX-License-Identifier: MIT */
/*
 * Clusters of one to five cores under a seeded storm, then a calm.
 *
 * Faults: messages lost, doubled, reordered, held back for long; partitions, also one-way; nodes that stall; crashes, at
 * which the jobs that were not done are lost, the last of the written ones without its promises having gone out; disks that
 * lag; clocks that run at different speeds and jump; peers said to be unreachable or gone when they are not; tiny tails,
 * windows and appends. How much of each is drawn for each seed.
 *
 * Properties, checked at every step:
 *      election safety         one leader a term
 *      log matching            two logs with the same (index, term) are the same up to there
 *      leader completeness     whoever leads has all that is committed
 *      state-machine safety    what is applied at an index is the same everywhere (raft_world.h)
 *      durability              no message tells of what is not on disk (raft_world.h)
 *      reads never stale       a read point is at or after all that was committed anywhere when the read was asked; so is one
 *                              under a lease, while clocks differ in speed by up to what the lease allows for
 * and in the calm: within a bound there is a leader that serves, an entry is applied on every node, a read is answered.
 *
 * SEED=n replays one seed with its trace, SEEDS=n runs that many.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "raft_world.h"

enum {
    SEEDS = 4000,
    STEPS = 3000,
    PROPOSALS_MAX = 400,
    READS_MAX = 4000,
    CALM_READS = 20, /* of them */
    TERMS_MAX = 2000,
    PACKETS_MAX = 300,
};

struct committed {
    raft_term term;
    raft_term known_in; /* it was committed in this term or before: whoever saw it first was in it */
};

struct read {
    raft_index committed; /* anywhere, when it was asked */
    bool answered;
};

/* What must have happened somewhere in all the runs, or they prove nothing. */
struct rare {
    size_t elections, commits, overwritten, reads, crashes, torn, fetches, fetched_to_apply, busy, step_downs,
        doubled, handed_over, lease_reads;
};

struct storm {
    struct world world;
    uint64_t random;
    uint64_t now_ms;
    double speed[WORLD_NODES_MAX];
    double clock_ms[WORLD_NODES_MAX];
    bool blocked[WORLD_NODES_MAX][WORLD_NODES_MAX]; /* from, to: what arrives is lost */
    bool held[WORLD_NODES_MAX][WORLD_NODES_MAX];    /* from, to: what is sent arrives much later */
    bool stalled[WORLD_NODES_MAX];
    unsigned loss, doubling, trouble, asking, prompt; /* of this seed, in percent */
    raft_id leaders[TERMS_MAX];
    struct committed *committed; /* entry i is at i - 1 */
    size_t committed_count, committed_capacity;
    struct read reads[READS_MAX];
    size_t read_count, proposals;
    raft_index seen_last[WORLD_NODES_MAX];
    raft_term seen_term[WORLD_NODES_MAX];
    raft_index seen_commit[WORLD_NODES_MAX];
    enum raft_role seen_role[WORLD_NODES_MAX];
    bool verbose;
    struct rare rare;
};

static uint64_t any(struct storm *storm, uint64_t bound) {
    uint64_t mixed = storm->random += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % bound;
}

static bool chance(struct storm *storm, unsigned percent) {
    return any(storm, 100) < percent;
}

static struct world_node *any_node(struct storm *storm) {
    return &storm->world.nodes[any(storm, storm->world.count)];
}

/* Trouble likes leaders. */
static struct world_node *prey(struct storm *storm) {
    if (chance(storm, 50))
        for (size_t i = 0; i < storm->world.count; i++)
            if (storm->world.nodes[i].raft && storm->seen_role[i] == RAFT_LEADER)
                return &storm->world.nodes[i];
    return any_node(storm);
}

/* ---- properties ------------------------------------------------------------------------------------------ */

static void check_matching(struct storm *storm, const struct world_node *a, const struct world_node *b) {
    struct raft_status sa, sb;
    raft_status(a->raft, &sa);
    raft_status(b->raft, &sb);
    raft_index index = sa.last_index < sb.last_index ? sa.last_index : sb.last_index;
    while (index && raft_term_at(a->raft, index) != raft_term_at(b->raft, index))
        index--;
    for (; index; index--)
        WORLD_CHECK(&storm->world, raft_term_at(a->raft, index) == raft_term_at(b->raft, index),
                    "log matching");
}

static void check_commit(struct storm *storm, const struct world_node *node,
                         const struct raft_status *status) {
    for (raft_index index = storm->seen_commit[node->id - 1] + 1; index <= status->commit; index++) {
        raft_term term = raft_term_at(node->raft, index);
        if (index <= storm->committed_count) {
            WORLD_CHECK(&storm->world, storm->committed[index - 1].term == term,
                        "two entries committed at one index");
            continue;
        }
        if (storm->committed_count == storm->committed_capacity) {
            storm->committed_capacity = storm->committed_capacity ? storm->committed_capacity * 2 : 256;
            storm->committed =
                realloc(storm->committed, storm->committed_capacity * sizeof *storm->committed);
        }
        storm->committed[storm->committed_count++] = (struct committed){term, status->term};
        storm->rare.commits++;
    }
}

static void check_leader(struct storm *storm, const struct world_node *node,
                         const struct raft_status *status) {
    WORLD_CHECK(&storm->world, status->term < TERMS_MAX, "terms grow without end");
    raft_id *leader = &storm->leaders[status->term];
    WORLD_CHECK(&storm->world, *leader == 0 || *leader == node->id, "two leaders in one term");
    *leader = node->id;
    if (storm->seen_role[node->id - 1] == RAFT_LEADER)
        return;
    storm->rare.elections++;
    /* A leader of an older term may come late; what later terms commit is not its business. */
    for (size_t i = 0; i < storm->committed_count; i++)
        if (storm->committed[i].known_in < status->term)
            WORLD_CHECK(&storm->world, raft_term_at(node->raft, i + 1) == storm->committed[i].term,
                        "leader completeness");
}

static void check_node(struct storm *storm, struct world_node *node) {
    struct raft_status status;
    size_t n = node->id - 1;
    raft_status(node->raft, &status);
    if (status.last_index != storm->seen_last[n] || status.last_term != storm->seen_term[n]) {
        for (size_t i = 0; i < storm->world.count; i++)
            if (i != n && storm->world.nodes[i].raft)
                check_matching(storm, node, &storm->world.nodes[i]);
        storm->seen_last[n] = status.last_index;
        storm->seen_term[n] = status.last_term;
    }
    if (status.role == RAFT_LEADER)
        check_leader(storm, node, &status);
    else if (storm->seen_role[n] == RAFT_LEADER)
        storm->rare.step_downs++;
    storm->seen_role[n] = status.role;
    WORLD_CHECK(&storm->world, status.commit >= storm->seen_commit[n], "a commit index went back");
    if (status.commit > storm->seen_commit[n])
        check_commit(storm, node, &status);
    storm->seen_commit[n] = status.commit;
}

static void on_failure(struct world *world) {
    for (size_t i = 0; i < world->count; i++) {
        struct raft_status status = {.role = RAFT_FOLLOWER};
        if (world->nodes[i].raft)
            raft_status(world->nodes[i].raft, &status);
        fprintf(stderr, "%zu %s, term %llu, saved %llu, commit %llu, log", i + 1,
                world->nodes[i].raft ? raft_role_name(status.role) : "down", (unsigned long long)status.term,
                (unsigned long long)status.saved_index, (unsigned long long)status.commit);
        for (raft_index index = 1; index <= status.last_index; index++)
            fprintf(stderr, " %llu", (unsigned long long)raft_term_at(world->nodes[i].raft, index));
        fprintf(stderr, "\n");
    }
}

static void on_ready(struct world *world, struct world_node *node, const struct raft_ready *ready) {
    struct storm *storm = world->context;
    if (storm->verbose && ready->trace[0])
        printf("%6llu  %llu: %s", (unsigned long long)storm->now_ms, (unsigned long long)node->id,
               ready->trace);
    for (size_t i = 0; i < ready->reads.count; i++) {
        struct read *read = &storm->reads[ready->reads.at[i].token];
        WORLD_CHECK(world, !read->answered, "a read was answered twice");
        WORLD_CHECK(world, ready->reads.at[i].index >= read->committed, "a stale read");
        read->answered = true;
        storm->rare.reads++;
    }
    for (size_t i = 0; i < ready->send.count; i++)
        storm->rare.handed_over += ready->send.at[i].type == RAFT_TIMEOUT_NOW;
    for (size_t i = 0; i < ready->fetch.count; i++) {
        storm->rare.fetches++;
        storm->rare.fetched_to_apply += ready->fetch.at[i].for_peer == 0;
    }
}

/* ---- what may happen ------------------------------------------------------------------------------------- */

/* After each input the node obeys its readies, in the storm sometimes only after the next one. */
static void settle(struct storm *storm, struct world_node *node, unsigned percent) {
    if (!node->raft)
        return;
    check_node(storm, node);
    if (!chance(storm, percent))
        return;
    world_collect(&storm->world, node);
    check_node(storm, node);
}

static void start(struct storm *storm, struct world_node *node) {
    size_t n = node->id - 1;
    world_start(&storm->world, node, any(storm, UINT64_MAX));
    storm->seen_commit[n] = node->checkpoint;
    storm->seen_last[n] = storm->seen_term[n] = 0;
    storm->seen_role[n] = RAFT_FOLLOWER;
}

static void deliver(struct storm *storm) {
    struct world *world = &storm->world;
    struct world_packet **link = &world->network;
    for (uint64_t skip = chance(storm, 70) ? any(storm, 3) : any(storm, 40); skip && *link && (*link)->next;
         skip--)
        link = &(*link)->next;
    if (!*link)
        return;
    const struct raft_message *message = &(*link)->message;
    struct world_node *node = world_node(world, message->to);
    bool held = storm->held[message->from - 1][message->to - 1] && !chance(storm, 2);
    if (held || storm->stalled[node->id - 1])
        return;
    bool lost = storm->blocked[message->from - 1][message->to - 1] || chance(storm, storm->loss);
    if (!lost)
        world_deliver(world, *link);
    if (lost || !chance(storm, storm->doubling))
        world_free_packet(world_take(world, link));
    else
        storm->rare.doubled++;
    settle(storm, node, storm->prompt);
}

static void pass_time(struct storm *storm) {
    uint64_t ms = chance(storm, 3) ? any(storm, 400) : any(storm, 12);
    storm->now_ms += ms;
    for (size_t i = 0; i < storm->world.count; i++) {
        struct world_node *node = &storm->world.nodes[i];
        storm->clock_ms[i] += (double)ms * storm->speed[i];
        node->now_ms = (uint64_t)storm->clock_ms[i];
        if (!node->raft || storm->stalled[i] || !chance(storm, 80))
            continue;
        if (node->now_ms >= raft_deadline(node->raft) || chance(storm, 10))
            raft_tick(node->raft, node->now_ms);
        settle(storm, node, 90);
    }
}

static void work(struct storm *storm) {
    struct world_node *node = any_node(storm);
    if (!node->raft || storm->stalled[node->id - 1])
        return;
    for (uint64_t jobs = 1 + any(storm, 4); jobs && node->jobs; jobs--)
        chance(storm, 50) ? world_work(&storm->world, node) : world_do(&storm->world, node);
    world_tell(node);
    settle(storm, node, 80);
}

/* A cluster mostly has one leader; asking everybody finds the deposed ones too. */
static void ask_all(struct storm *storm) {
    for (size_t i = 0; i < storm->world.count; i++) {
        struct world_node *node = &storm->world.nodes[i];
        raft_index index;
        raft_term term;
        if (!node->raft || storm->stalled[i])
            continue;
        if (storm->proposals < PROPOSALS_MAX) {
            struct raft_blob *blob = raft_blob_new(8 + any(storm, 60));
            memset(blob->bytes, 'a' + (int)any(storm, 26), blob->length);
            snprintf(blob->bytes, blob->length, "%zu", storm->proposals);
            enum raft_result result = raft_propose(node->raft, blob, &index, &term);
            storm->proposals += result == RAFT_OK;
            storm->rare.busy += result == RAFT_BUSY;
            raft_blob_unref(blob);
        }
        if (storm->read_count < READS_MAX - CALM_READS && raft_read(node->raft, storm->read_count) == RAFT_OK)
            storm->reads[storm->read_count++].committed = storm->committed_count;
        if (raft_read_lease(node->raft, node->now_ms, &index) == RAFT_OK) {
            WORLD_CHECK(&storm->world, index >= storm->committed_count, "a stale read under a lease");
            storm->rare.lease_reads++;
        }
        settle(storm, node, storm->prompt);
    }
}

static void crash(struct storm *storm, struct world_node *node) {
    if (!node->raft)
        return;
    storm->rare.crashes++;
    for (uint64_t jobs = any(storm, 3); jobs && node->jobs; jobs--) { /* written, and nobody was told */
        struct world_job *job = world_first_job(node);
        if (!job->fetches)
            world_write(&storm->world, node, job);
        world_free_job(job);
        storm->rare.torn += node->jobs != NULL;
    }
    /* A checkpoint may hold what the log holds for good: the disk's length would count overwritten twins. */
    struct raft_status status;
    raft_status(node->raft, &status);
    raft_index durable = node->applied < status.saved_index ? node->applied : status.saved_index;
    if (durable > node->checkpoint)
        node->checkpoint += any(storm, durable - node->checkpoint + 1);
    world_crash(node);
    storm->stalled[node->id - 1] = false;
    if (chance(storm, 50))
        start(storm, node);
}

static void links(struct storm *storm, bool links[WORLD_NODES_MAX][WORLD_NODES_MAX], unsigned percent) {
    for (size_t from = 0; from < WORLD_NODES_MAX; from++)
        for (size_t to = 0; to < WORLD_NODES_MAX; to++)
            links[from][to] = chance(storm, percent);
}

/* Around one node, both ways or one. */
static void isolate(struct storm *storm, size_t node) {
    bool in = chance(storm, 80), out = chance(storm, 80);
    for (size_t other = 0; other < WORLD_NODES_MAX; other++) {
        storm->blocked[other][node] = in;
        storm->blocked[node][other] = out;
    }
}

static void trouble(struct storm *storm) {
    struct world_node *node = prey(storm), *other = any_node(storm);
    switch (any(storm, 13)) {
    case 0:
        crash(storm, node);
        break;
    case 1:
    case 2:
        for (size_t i = 0; i < storm->world.count; i++)
            if (!storm->world.nodes[i].raft)
                start(storm, &storm->world.nodes[i]);
        break;
    case 3:
        links(storm, storm->blocked, 25);
        break;
    case 4:
        isolate(storm, node->id - 1);
        break;
    case 5:
    case 6:
        links(storm, storm->blocked, 0);
        break;
    case 7:
        links(storm, storm->held, 30);
        break;
    case 8:
        links(storm, storm->held, 0);
        break;
    case 9:
        storm->stalled[node->id - 1] = !storm->stalled[node->id - 1];
        ask_all(storm); /* who wakes up finds requests waiting */
        break;
    case 10:
        if (node->raft)
            raft_unreachable(node->raft, other->id);
        break;
    case 11:
        if (node->raft)
            raft_leader_gone(node->raft, node->now_ms, other->id);
        break;
    case 12:
        for (size_t i = 0; i < storm->world.count; i++)
            if (storm->world.nodes[i].raft)
                raft_transfer(storm->world.nodes[i].raft, storm->world.nodes[i].now_ms,
                              chance(storm, 50) ? other->id : 0);
        break;
    }
    if (!storm->stalled[node->id - 1])
        settle(storm, node, storm->prompt);
}

/* A network has no endless memory. */
static void forget_oldest(struct storm *storm) {
    size_t packets = 0;
    for (struct world_packet *packet = storm->world.network; packet; packet = packet->next)
        packets++;
    for (; packets > PACKETS_MAX; packets--)
        world_free_packet(world_take(&storm->world, &storm->world.network));
}

static void step(struct storm *storm) {
    if (chance(storm, storm->trouble))
        trouble(storm);
    else if (chance(storm, storm->asking))
        ask_all(storm);
    else if (chance(storm, 50))
        deliver(storm);
    else if (chance(storm, 50))
        pass_time(storm);
    else
        work(storm);
    forget_oldest(storm);
}

/* ---- the calm -------------------------------------------------------------------------------------------- */

static void calm_turn(struct storm *storm) {
    struct world *world = &storm->world;
    for (unsigned burst = 0; burst < 200 && world->network; burst++) {
        struct world_packet *packet = world_take(world, &world->network);
        world_deliver(world, packet);
        settle(storm, world_node(world, packet->message.to), 100);
        world_free_packet(packet);
    }
    storm->now_ms += 5;
    for (size_t i = 0; i < world->count; i++) {
        struct world_node *node = &world->nodes[i];
        node->now_ms += 5;
        for (unsigned jobs = 0; jobs < 20 && node->jobs; jobs++)
            world_work(world, node);
        if (node->now_ms >= raft_deadline(node->raft))
            raft_tick(node->raft, node->now_ms);
        settle(storm, node, 100);
    }
}

static struct world_node *serving(struct storm *storm) {
    for (size_t i = 0; i < storm->world.count; i++) {
        struct raft_status status;
        raft_status(storm->world.nodes[i].raft, &status);
        if (status.serving && status.quorum)
            return &storm->world.nodes[i];
    }
    return NULL;
}

static bool all_applied(struct storm *storm, raft_index index) {
    for (size_t i = 0; i < storm->world.count; i++)
        if (storm->world.nodes[i].applied < index)
            return false;
    return true;
}

/* An entry and a read that must come through; asked again when another leads. */
struct probe {
    raft_index index;
    raft_term term, read_term;
    uint64_t token; /* of the newest read */
};

static void ask_again(struct storm *storm, struct world_node *leader, struct probe *probe) {
    struct raft_status status;
    raft_status(leader->raft, &status);
    if (raft_term_at(leader->raft, probe->index) != probe->term)
        probe->index = 0; /* it was lost with its leader */
    if (!probe->index) {
        struct raft_blob *blob = world_blob("calm");
        if (raft_propose(leader->raft, blob, &probe->index, &probe->term) != RAFT_OK)
            probe->index = 0;
        raft_blob_unref(blob);
    }
    if (probe->read_term != status.term) {
        probe->read_term = status.term;
        probe->token = probe->token ? probe->token + 1 : READS_MAX - CALM_READS;
        WORLD_CHECK(&storm->world, probe->token < READS_MAX, "leaders without end in the calm");
        storm->reads[probe->token].committed = storm->committed_count;
        raft_read(leader->raft, probe->token);
    }
    settle(storm, leader, 100);
}

static void end_storm(struct storm *storm) {
    links(storm, storm->blocked, 0);
    links(storm, storm->held, 0);
    memset(storm->stalled, 0, sizeof storm->stalled);
    for (size_t i = 0; i < storm->world.count; i++)
        if (!storm->world.nodes[i].raft)
            start(storm, &storm->world.nodes[i]);
}

static void calm(struct storm *storm) {
    uint64_t until = storm->now_ms + 12 * (uint64_t)storm->world.config.election_timeout_ms;
    struct probe probe = {0};
    end_storm(storm);
    if (storm->verbose)
        printf("%6llu  calm, until %llu\n", (unsigned long long)storm->now_ms, (unsigned long long)until);
    for (bool done = false; !done && storm->now_ms < until;) {
        struct world_node *leader = serving(storm);
        if (leader)
            ask_again(storm, leader, &probe);
        calm_turn(storm);
        done = probe.index && all_applied(storm, probe.index) && storm->reads[probe.token].answered;
    }
    WORLD_CHECK(&storm->world, probe.index && all_applied(storm, probe.index),
                "no entry came through in the calm");
    WORLD_CHECK(&storm->world, storm->reads[probe.token].answered, "no read was answered in the calm");
}

/* ---- runs ------------------------------------------------------------------------------------------------ */

static char name[64];

/* A core that asserts does not know which run it is in. */
static void on_abort(int signal_number) {
    (void)signal_number;
    if (write(STDERR_FILENO, name, strlen(name)) < 0 || write(STDERR_FILENO, " fails\n", 7) < 0)
        _exit(2);
}

static void run(uint64_t seed, bool verbose, struct rare *rare) {
    static struct storm storm;
    memset(&storm, 0, sizeof storm);
    storm.random = seed;
    storm.verbose = verbose;
    snprintf(name, sizeof name, "SEED=%llu", (unsigned long long)seed);
    world_init(&storm.world, 1 + seed % WORLD_NODES_MAX);
    storm.world.name = name;
    storm.world.context = &storm;
    storm.world.ready = on_ready;
    storm.world.failing = on_failure;
    storm.world.config = (struct raft_config){
        .heartbeat_ms = 20 + (uint32_t)any(&storm, 20),
        .election_timeout_ms = 150 + (uint32_t)any(&storm, 200),
        .tail_bytes_max = any(&storm, 3) ? any(&storm, 1500) : 100000,
        .append_bytes_max = 1 + any(&storm, 300),
        .window_bytes_max = 1 + any(&storm, 600),
        .window_messages_max = 1 + any(&storm, 6),
        .uncommitted_bytes_max = 100 + any(&storm, 600),
        .apply_bytes_max = 1 + any(&storm, 300),
        .leases = chance(&storm, 50),
        .clock_drift_permille = 350, /* the slowest clock against the fastest, below, and a rounding */
    };
    storm.loss = (unsigned)any(&storm, 20);
    storm.doubling = (unsigned)any(&storm, 15);
    storm.trouble = 1 + (unsigned)any(&storm, 10);
    storm.asking = 1 + (unsigned)any(&storm, 20);
    storm.prompt = 40 + (unsigned)any(&storm, 60);
    for (size_t i = 0; i < storm.world.count; i++) {
        storm.speed[i] = 0.8 + (double)any(&storm, 40) / 100;
        start(&storm, &storm.world.nodes[i]);
    }
    for (unsigned i = 0; i < STEPS; i++)
        step(&storm);
    calm(&storm);
    rare->elections += storm.rare.elections;
    rare->commits += storm.rare.commits;
    rare->overwritten += storm.world.overwritten;
    rare->reads += storm.rare.reads;
    rare->crashes += storm.rare.crashes;
    rare->torn += storm.rare.torn;
    rare->fetches += storm.rare.fetches;
    rare->fetched_to_apply += storm.rare.fetched_to_apply;
    rare->busy += storm.rare.busy;
    rare->step_downs += storm.rare.step_downs;
    rare->doubled += storm.rare.doubled;
    rare->handed_over += storm.rare.handed_over;
    rare->lease_reads += storm.rare.lease_reads;
    world_close(&storm.world);
    free(storm.committed);
}

static void a_cluster_stays_safe_in_a_storm_and_serves_in_the_calm_after_it(void **state) {
    (void)state;
    const char *seed = getenv("SEED"), *seeds = getenv("SEEDS");
    struct rare rare = {0};
    signal(SIGABRT, on_abort);
    if (seed) {
        run(strtoull(seed, NULL, 10), true, &rare);
        return;
    }
    uint64_t count = seeds ? strtoull(seeds, NULL, 10) : SEEDS;
    for (uint64_t i = 1; i <= count; i++)
        run(i, false, &rare);
    print_message(
        "%llu seeds: %zu elections, %zu step-downs, %zu commits, %zu saved entries overwritten, %zu reads, "
        "%zu crashes (%zu with part of the queue written), %zu fetches (%zu to apply), %zu busy, %zu "
        "messages doubled, %zu told to take over, %zu reads under a lease\n",
        (unsigned long long)count, rare.elections, rare.step_downs, rare.commits, rare.overwritten,
        rare.reads, rare.crashes, rare.torn, rare.fetches, rare.fetched_to_apply, rare.busy, rare.doubled,
        rare.handed_over, rare.lease_reads);
    assert_true(rare.elections && rare.step_downs && rare.commits && rare.overwritten && rare.reads);
    assert_true(rare.crashes && rare.torn && rare.fetched_to_apply && rare.fetches > rare.fetched_to_apply);
    assert_true(rare.busy && rare.doubled && rare.handed_over && rare.lease_reads);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_stays_safe_in_a_storm_and_serves_in_the_calm_after_it),
    };
    return cmocka_run_group_tests_name("raft_random", tests, NULL, NULL);
}
