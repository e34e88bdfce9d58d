/* SPDX-License-Identifier: MIT */
/*
 * Clusters of one to five voters, and up to three nodes that may join, under a seeded storm, then a calm. Members come, rise, go;
 * states are written, logs cut, snapshots sent; the leadership is handed over; followers read.
 *
 * Faults: messages lost, doubled, reordered, held back for long; partitions, also one-way; nodes that stall; crashes, at
 * which the jobs that were not done are lost, the last of the written ones without its promises having gone out; disks that
 * lag; clocks that run at different speeds and jump; peers said to be unreachable or gone when they are not; tiny tails,
 * windows and appends. How much of each is drawn for each seed.
 *
 * Properties, checked at every step:
 *      election safety         one leader a term
 *      log matching            two logs with the same (index, term) are the same up to there, as far as they go back
 *      leader completeness     whoever leads has all that is committed
 *      state-machine safety    what is applied at an index is the same everywhere, and so are states and members (raft_world.h)
 *      removal                 who takes itself for removed is, by a committed list; a removed id does not come back
 *      durability              no message tells of what is not on disk (raft_world.h)
 *      reads never stale       a read point is at or after all that was committed anywhere when the read was asked; so is one
 *                              under a lease, while clocks differ in speed by up to what the lease allows for
 * and in the calm: within a bound there is a leader that serves, an entry is applied on every member, a read on it is
 * answered, and one on each member; learners have become voters, if they do so by themselves.
 *
 * SEED=n replays one seed with its trace, SEEDS=n runs that many.
 */
#include <signal.h>
#include <unistd.h>

#include "raft_storm.h"

enum {
    SEEDS = 4000,
    STEPS = 3000,
    PROPOSALS_MAX = 400,
    CALM_READS = 100, /* of READS_MAX */
    PACKETS_MAX = 300,
    FIRST_MAX = 5, /* voters to begin with */
};

/* Trouble likes leaders. */
static struct world_node *prey(struct storm *storm) {
    if (storm_chance(storm, 50))
        for (size_t i = 0; i < storm->world.count; i++)
            if (storm->world.nodes[i].raft && storm->seen_role[i] == RAFT_LEADER)
                return &storm->world.nodes[i];
    return storm_any_node(storm);
}

/* ---- what may happen ------------------------------------------------------------------------------------- */

/* After each input the node obeys its readies, in the storm sometimes only after the next one. */
static void settle(struct storm *storm, struct world_node *node, unsigned percent) {
    if (!node->raft)
        return;
    storm_check(storm, node);
    if (!storm_chance(storm, percent))
        return;
    world_collect(&storm->world, node);
    storm_check(storm, node);
}

static void start(struct storm *storm, struct world_node *node) {
    size_t n = node->id - 1;
    world_start(&storm->world, node, storm_any(storm, UINT64_MAX));
    storm->seen_commit[n] = node->checkpoint.index;
    storm->seen_last[n] = storm->seen_term[n] = 0;
    storm->seen_role[n] = RAFT_FOLLOWER;
    storm->seen_members[n] = 0;
}

static void lose(struct world *world, struct world_packet *packet) {
    if (packet->snapshot)
        world_snapshot_sent(world, packet, false);
    world_free_packet(packet);
}

static void deliver(struct storm *storm) {
    struct world *world = &storm->world;
    struct world_packet **link = &world->network;
    for (uint64_t skip = storm_chance(storm, 70) ? storm_any(storm, 3) : storm_any(storm, 40);
         skip && *link && (*link)->next; skip--)
        link = &(*link)->next;
    if (!*link)
        return;
    const struct raft_message *message = &(*link)->message;
    struct world_node *node = world_node(world, message->to);
    bool held = storm->held[message->from - 1][message->to - 1] && !storm_chance(storm, 2);
    if (held || storm->stalled[node->id - 1])
        return;
    bool lost = storm->blocked[message->from - 1][message->to - 1] || storm_chance(storm, storm->loss);
    if (lost) {
        lose(world, world_take(world, link));
    } else if (storm_chance(storm, storm->doubling)) {
        world_deliver(world, *link);
        storm->rare.doubled++;
    } else {
        struct world_packet *packet = world_take(world, link);
        bool loading = node->loading;
        world_deliver(world, packet);
        storm->rare.ignored += packet->snapshot && node->raft && !node->loading && !loading;
        world_free_packet(packet);
    }
    settle(storm, node, storm->prompt);
}

static void pass_time(struct storm *storm) {
    uint64_t ms = storm_chance(storm, 3) ? storm_any(storm, 400) : storm_any(storm, 12);
    storm->now_ms += ms;
    for (size_t i = 0; i < storm->world.count; i++) {
        struct world_node *node = &storm->world.nodes[i];
        storm->clock_ms[i] += (double)ms * storm->speed[i];
        node->now_ms = (uint64_t)storm->clock_ms[i];
        if (!node->raft || storm->stalled[i] || !storm_chance(storm, 80))
            continue;
        if (node->now_ms >= raft_deadline(node->raft) || storm_chance(storm, 10))
            raft_tick(node->raft, node->now_ms);
        settle(storm, node, 90);
    }
}

static void work(struct storm *storm) {
    struct world_node *node = storm_any_node(storm);
    if (!node->raft || storm->stalled[node->id - 1])
        return;
    for (uint64_t jobs = 1 + storm_any(storm, 4); jobs && node->jobs; jobs--)
        storm_chance(storm, 50) ? world_work(&storm->world, node) : world_do(&storm->world, node);
    world_tell(node);
    settle(storm, node, 80);
}

/* Between being told and being done: the state is loaded, a checkpoint is written, the log is cut. */
static void keep_house(struct storm *storm) {
    struct world_node *node = storm_any_node(storm);
    if (!node->raft || storm->stalled[node->id - 1])
        return;
    if (node->loading && storm_chance(storm, 50))
        world_load(&storm->world, node);
    if (storm_chance(storm, storm->keeping))
        storm->rare.checkpoints += world_checkpoint(&storm->world, node);
    raft_index base = node->base;
    if (storm_chance(storm, storm->cutting) && node->checkpoint.index > base && !node->loading)
        world_compact(&storm->world, node, base + 1 + storm_any(storm, node->checkpoint.index - base));
    storm->rare.compactions += node->base > base;
    settle(storm, node, storm->prompt);
}

/* A change that might be made, as a leader sees it, or any. */
static struct raft_change some_change(struct storm *storm) {
    static const char *const data[] = {"", "a:1", "b:22"};
    struct raft_change request = {.type = (enum raft_change_type)storm_any(storm, 4),
                                  .id = storm_any_node(storm)->id,
                                  .data = data[storm_any(storm, 3)]};
    const struct world_node *node = prey(storm);
    struct raft_member member;
    raft_index since;
    request.length = strlen(request.data);
    if (!node->raft || storm_chance(storm, 30))
        return request;
    raft_members_find(raft_members(node->raft, &since), request.id, &member);
    if (member.kind == RAFT_STRANGER)
        request.type = RAFT_ADD;
    else if (request.type == RAFT_ADD || member.kind == RAFT_LEARNER)
        request.type = storm_chance(storm, 70) ? RAFT_PROMOTE : RAFT_SET;
    return request;
}

/* Asks everybody: whoever leads, or thinks so, will try. */
static void change(struct storm *storm) {
    struct raft_change request = some_change(storm);
    for (size_t i = 0; i < storm->world.count; i++) {
        struct world_node *node = &storm->world.nodes[i];
        raft_index index;
        raft_term term;
        if (!node->raft || storm->stalled[i])
            continue;
        storm->rare.changes += raft_change(node->raft, node->now_ms, &request, &index, &term) == RAFT_OK;
        settle(storm, node, storm->prompt);
    }
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
            struct raft_blob *blob = raft_blob_new(8 + storm_any(storm, 60));
            memset(blob->bytes, 'a' + (int)storm_any(storm, 26), blob->length);
            snprintf(blob->bytes, blob->length, "%zu", storm->proposals);
            enum raft_result result = raft_propose(node->raft, blob, &index, &term);
            storm->proposals += result == RAFT_OK;
            storm->rare.busy += result == RAFT_BUSY;
            raft_blob_unref(blob);
        }
        if (storm->read_count < READS_MAX - CALM_READS &&
            (storm_chance(storm, 50)
                 ? raft_read(node->raft, storm->read_count)
                 : raft_read_through(node->raft, node->now_ms, storm->read_count)) == RAFT_OK)
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
    for (uint64_t jobs = storm_any(storm, 3); jobs && node->jobs; jobs--) { /* written, and nobody was told */
        struct world_job *job = world_first_job(node);
        if (!job->fetches)
            world_write(&storm->world, node, job);
        storm->rare.torn_restores += job->restore.index != 0;
        world_free_job(job);
        storm->rare.torn += node->jobs != NULL;
    }
    world_crash(node);
    storm->stalled[node->id - 1] = false;
    if (storm_chance(storm, 50))
        start(storm, node);
}

static void links(struct storm *storm, bool links[WORLD_NODES_MAX][WORLD_NODES_MAX], unsigned percent) {
    for (size_t from = 0; from < WORLD_NODES_MAX; from++)
        for (size_t to = 0; to < WORLD_NODES_MAX; to++)
            links[from][to] = storm_chance(storm, percent);
}

/* Around one node, both ways or one. */
static void isolate(struct storm *storm, size_t node) {
    bool in = storm_chance(storm, 80), out = storm_chance(storm, 80);
    for (size_t other = 0; other < WORLD_NODES_MAX; other++) {
        storm->blocked[other][node] = in;
        storm->blocked[node][other] = out;
    }
}

static void trouble(struct storm *storm) {
    struct world_node *node = prey(storm), *other = storm_any_node(storm);
    switch (storm_any(storm, 15)) {
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
    case 13:
        change(storm);
        break;
    case 14:
        for (size_t i = 0; i < storm->world.count; i++)
            if (storm->world.nodes[i].raft)
                raft_transfer(storm->world.nodes[i].raft, storm->world.nodes[i].now_ms,
                              storm_chance(storm, 50) ? other->id : 0);
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
        lose(&storm->world, world_take(&storm->world, &storm->world.network));
}

static void step(struct storm *storm) {
    if (storm_chance(storm, storm->trouble))
        trouble(storm);
    else if (storm_any(storm, 1000) < storm->changing)
        change(storm);
    else if (storm_chance(storm, storm->asking))
        ask_all(storm);
    else if (storm_chance(storm, 50))
        deliver(storm);
    else if (storm_chance(storm, 45))
        pass_time(storm);
    else if (storm_chance(storm, 80))
        work(storm);
    else
        keep_house(storm);
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
        if (node->loading)
            world_load(world, node);
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

/* Whether it knows one of them: else there is nobody from whom it could learn anything. */
static bool knows_a_member(const struct world_node *node, const struct raft_blob *members) {
    raft_index since;
    struct raft_member known, member;
    const struct raft_blob *list = raft_members(node->raft, &since);
    for (size_t offset = 0; raft_members_next(list, &offset, &known);) {
        raft_members_find(members, known.id, &member);
        if (known.kind != RAFT_REMOVED && (member.kind == RAFT_VOTER || member.kind == RAFT_LEARNER))
            return true;
    }
    return false;
}

/* Whether every member by the leader's list has applied the entry, and nobody else campaigns. */
static bool all_applied(struct storm *storm, const struct world_node *leader, raft_index index) {
    raft_index since;
    struct raft_member member;
    const struct raft_blob *list = raft_members(leader->raft, &since);
    for (size_t offset = 0; raft_members_next(list, &offset, &member);) {
        struct world_node *node = world_node(&storm->world, member.id);
        bool rises = member.kind == RAFT_LEARNER && storm->world.config.promote_lag_max;
        if (member.kind != RAFT_REMOVED && (rises || node->applied < index))
            return false;
        struct raft_status status;
        raft_status(node->raft, &status);
        if (member.kind == RAFT_REMOVED && !status.removed && status.kind != RAFT_STRANGER &&
            knows_a_member(node, list))
            return false; /* it will ask for votes, and be told */
    }
    return true;
}

/* An entry and a read that must come through; asked again when another leads. */
struct probe {
    raft_index index;
    raft_term term;
    raft_term read_term[WORLD_NODES_MAX];
    uint64_t token[WORLD_NODES_MAX]; /* of the newest read on each node */
    uint64_t next_token;
};

/* A member reads through the leader, the leader by itself. */
static void read_again(struct storm *storm, struct world_node *node, struct probe *probe) {
    struct raft_status status;
    size_t n = node->id - 1;
    raft_status(node->raft, &status);
    if (!status.leader || probe->read_term[n] == status.term)
        return;
    uint64_t token = READS_MAX - CALM_READS + probe->next_token++;
    WORLD_CHECK(&storm->world, token < READS_MAX, "leaders without end in the calm");
    probe->read_term[n] = status.term;
    probe->token[n] = token;
    storm->reads[token].committed = storm->committed_count;
    WORLD_CHECK(&storm->world, raft_read_through(node->raft, node->now_ms, token) == RAFT_OK,
                "a read was not taken");
    settle(storm, node, 100);
}

static bool all_read(struct storm *storm, const struct world_node *leader, const struct probe *probe) {
    raft_index since;
    struct raft_member member;
    const struct raft_blob *list = raft_members(leader->raft, &since);
    for (size_t offset = 0; raft_members_next(list, &offset, &member);) {
        uint64_t token = probe->token[member.id - 1];
        if (member.kind != RAFT_REMOVED && !(token && storm->reads[token].answered))
            return false;
    }
    return true;
}

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
    settle(storm, leader, 100);
    for (size_t i = 0; i < storm->world.count; i++)
        read_again(storm, &storm->world.nodes[i], probe);
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
    uint64_t until = storm->now_ms + 20 * (uint64_t)storm->world.config.election_timeout_ms;
    struct probe probe = {0};
    end_storm(storm);
    if (storm->verbose)
        printf("%6llu  calm, until %llu\n", (unsigned long long)storm->now_ms, (unsigned long long)until);
    for (bool done = false; !done && storm->now_ms < until;) {
        struct world_node *leader = serving(storm);
        if (leader)
            ask_again(storm, leader, &probe);
        calm_turn(storm);
        leader = serving(storm);
        done = leader && probe.index && all_applied(storm, leader, probe.index) &&
               all_read(storm, leader, &probe);
    }
    struct world_node *leader = serving(storm);
    WORLD_CHECK(&storm->world, leader, "nobody serves in the calm");
    WORLD_CHECK(&storm->world, probe.index && all_applied(storm, leader, probe.index),
                "no entry came through in the calm");
    WORLD_CHECK(&storm->world, all_read(storm, leader, &probe), "a read was not answered in the calm");
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
    size_t voters = 1 + seed % FIRST_MAX;
    world_init(&storm.world, voters + storm_any(&storm, WORLD_NODES_MAX - FIRST_MAX + 1));
    storm.world.voter_count = voters;
    storm.world.shared = seed / 2 % 2;
    storm.world.name = name;
    storm.world.context = &storm;
    storm.world.ready = storm_watch;
    storm.world.failing = storm_tell;
    storm.world.config = (struct raft_config){
        .heartbeat_ms = 20 + (uint32_t)storm_any(&storm, 20),
        .election_timeout_ms = 150 + (uint32_t)storm_any(&storm, 200),
        .tail_bytes_max = storm_any(&storm, 3) ? storm_any(&storm, 1500) : 100000,
        .append_bytes_max = 1 + storm_any(&storm, 300),
        .window_bytes_max = 1 + storm_any(&storm, 600),
        .window_messages_max = 1 + storm_any(&storm, 6),
        .uncommitted_bytes_max = 100 + storm_any(&storm, 600),
        .ready_bytes_max = 1 + storm_any(&storm, 300),
        .leases = storm_chance(&storm, 50),
        .promote_lag_max = storm_any(&storm, 6),
        .clock_drift_permille = 350, /* the slowest clock against the fastest, below, and a rounding */
    };
    storm.loss = (unsigned)storm_any(&storm, 20);
    storm.doubling = (unsigned)storm_any(&storm, 15);
    storm.trouble = 1 + (unsigned)storm_any(&storm, 10);
    storm.asking = 1 + (unsigned)storm_any(&storm, 20);
    storm.prompt = 40 + (unsigned)storm_any(&storm, 60);
    storm.changing = (unsigned)storm_any(&storm, 25);
    storm.keeping = (unsigned)storm_any(&storm, 100);
    storm.cutting = (unsigned)storm_any(&storm, 100);
    for (size_t i = 0; i < storm.world.count; i++) {
        storm.speed[i] = 0.8 + (double)storm_any(&storm, 40) / 100;
        start(&storm, &storm.world.nodes[i]);
    }
    for (unsigned i = 0; i < STEPS; i++)
        step(&storm);
    calm(&storm);
    storm.rare.overwritten = storm.world.overwritten;
    for (size_t i = 0; i < STORM_RARE_COUNT; i++)
        *storm_rare(rare, i) += *storm_rare(&storm.rare, i);
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
    print_message("%llu seeds", (unsigned long long)count);
    for (size_t i = 0; i < STORM_RARE_COUNT; i++)
        print_message("%s %zu %s", i ? "," : ":", *storm_rare(&rare, i), storm_rare_names[i].name);
    print_message("\n");
    for (size_t i = 0; i < STORM_RARE_COUNT; i++)
        if (*storm_rare(&rare, i) == 0)
            fail_msg("in no run: %s", storm_rare_names[i].name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cluster_stays_safe_in_a_storm_and_serves_in_the_calm_after_it),
    };
    return cmocka_run_group_tests_name("raft_random", tests, NULL, NULL);
}
