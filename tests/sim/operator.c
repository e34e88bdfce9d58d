/* SPDX-License-Identifier: MIT */
/*
 * Operators, who know nothing of each other: members are removed, new ones are taken in, disks are replaced by empty ones, and the
 * leadership is handed over, while everything else goes wrong too. They speak to the nodes as anybody does.
 *
 *             removal asked for           it is committed        the process is ended,
 *      MEMBER ------------------> LEAVING --------------> OUT -- and the disk made empty --> EMPTY
 *         |                          ^                                                         |  a new node with a new id
 *         +-- its disk is lost --> LOST                                                        v
 *         ^                                it is committed                                  JOINING
 *         +-----------------------------------------------------------------------------------+
 *
 * A request whose answer says "not executed" must not be, ever, unless another has asked for the same; after +OK it must be.
 * One voter's disk at a time may be lost, and no other member is removed meanwhile: more than that no cluster survives.
 */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/node_state.h"
#include "sim.h"

enum { PATIENCE_US = 3000000 };
enum request { REQUEST_NONE, REQUEST_ADD, REQUEST_REMOVE, REQUEST_SET, REQUEST_TRANSFER };

static struct admin {
    int host, target;
    struct flow *stream; /* NULL: nothing is asked */
    redisReader *reader;
    enum request request;
    raft_id id;         /* whom it is about */
    raft_term asked_in; /* the newest term that had a leader then */
    uint64_t wakes_at, give_up_at;
    bool eager;     /* whoever is asked has just been elected */
    raft_id victim; /* ... and whom it is to remove; 0: anybody */
} admins[SIM_OPERATORS];
static struct asked { /* requests that may have been carried out */
    unsigned additions, removals;
} asked[SIM_IDS_MAX];
static uint64_t pause_us;
static raft_id cut_off; /* a leader that is alone with a change of members; 0: none */
static bool works;

/* ---- what is so --------------------------------------------------------------------------------------------------------- */

static struct sim_node *some(enum sim_standing standing) {
    size_t first = (size_t)sim_below(sim->node_count);
    for (size_t i = 0; i < sim->node_count; i++) {
        struct sim_node *node = &sim->nodes[(first + i) % sim->node_count];
        if (node->standing == standing)
            return node;
    }
    return NULL;
}

static size_t count_of(enum sim_standing standing) {
    size_t count = 0;
    for (size_t i = 0; i < sim->node_count; i++)
        count += sim->nodes[i].standing == standing;
    return count;
}

static struct sim_node *leader(void) {
    for (size_t i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].node && sim->nodes[i].node->raft_status.role == RAFT_LEADER)
            return &sim->nodes[i];
    return NULL;
}

void operator_sees(raft_id id, enum raft_member_kind kind) {
    bool joins = kind == RAFT_LEARNER || kind == RAFT_VOTER;
    if (joins && asked[id].additions == 0 && id > sim->founder_count)
        sim_fail("members: node %d was taken in, and nobody has asked for it", (int)id);
    if (kind == RAFT_REMOVED && asked[id].removals == 0)
        sim_fail("members: node %d was removed, and nobody has asked for it", (int)id);
    sim_cover(COVER_JOINED, kind == RAFT_VOTER);
    sim_cover(COVER_REMOVED, kind == RAFT_REMOVED);
    sim_cover(COVER_REMOVED_LEADERS, kind == RAFT_REMOVED && leader() && leader()->id == id);
    sim_trace("members: node %d is now a %s", (int)id,
              kind == RAFT_VOTER     ? "voter"
              : kind == RAFT_LEARNER ? "learner"
                                     : "removed one");
}

/* A new node that asks where nobody can help it is started again, to ask elsewhere. */
static bool asks_in_vain(const struct sim_node *node) {
    return node->id > sim->founder_count && node->node && node->node->state == REPORT_JOINING &&
           sim->now - node->born > PATIENCE_US;
}

/* The machine is made ready for another node. */
static void clear(struct sim_node *node) {
    if (node->node)
        world_crash(node, sim_chance(50));
    node->restart_at = UINT64_MAX;
    node->dark = false;
    node->standing = STANDING_EMPTY;
    world_empty_disk(node);
}

static void look(struct sim_node *node) {
    enum raft_member_kind kind = node->id ? quorums_kind(node->id) : RAFT_STRANGER;
    bool in = node->standing == STANDING_MEMBER || node->standing == STANDING_LEAVING ||
              node->standing == STANDING_LOST;
    if (in && kind == RAFT_REMOVED) {
        node->standing = STANDING_OUT;
        node->out_until = sim->now + sim_below(sim_chance(50) ? 300000 : 4000000);
    } else if (node->standing == STANDING_JOINING && (kind == RAFT_LEARNER || kind == RAFT_VOTER)) {
        node->standing = STANDING_MEMBER;
    } else if ((node->standing == STANDING_MEMBER || node->standing == STANDING_JOINING) &&
               asks_in_vain(node)) {
        node->returns_soon = true;
        world_crash(node, false);
    } else if (node->standing == STANDING_OUT && node->out_until <= sim->now && !sim->calm) {
        sim_cover(COVER_TOLD_REMOVED, node->node && node->node->state == REPORT_REMOVED);
        clear(node);
    }
}

/* ---- what is asked ------------------------------------------------------------------------------------------------------- */

static void word_request(const struct admin *admin, struct resp_buf *out) {
    char id[24], address[32];
    int host = 0;
    for (size_t i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].id == admin->id)
            host = (int)i;
    snprintf(id, sizeof id, "%d", (int)admin->id);
    snprintf(address, sizeof address, "127.0.0.1:%u", world_port(host));
    const char *const words[][4] = {[REQUEST_ADD] = {"RAFT.NODE", "ADD", id, address},
                                    [REQUEST_SET] = {"RAFT.NODE", "SET", id, address},
                                    [REQUEST_REMOVE] = {"RAFT.NODE", "REMOVE", id},
                                    [REQUEST_TRANSFER] = {"RAFT.TRANSFER_LEADER", id}};
    size_t count = admin->request == REQUEST_ADD || admin->request == REQUEST_SET ? 4
                   : admin->request == REQUEST_REMOVE                             ? 3
                                                                                  : 2;
    if (admin->request == REQUEST_TRANSFER && admin->id == 0)
        count = 1;
    resp_request(out, count);
    for (size_t i = 0; i < count; i++)
        resp_request_text(out, words[admin->request][i]);
}

static void ask(struct admin *admin, enum request request, raft_id id) {
    struct resp_buf out = {0};
    const struct sim_node *leads = leader();
    if (leads && sim_chance(70) && !admin->eager)
        admin->target = leads->host;
    admin->request = request;
    admin->id = id;
    admin->asked_in = invariants_newest_term();
    admin->stream = flow_open(admin->host, admin->target);
    admin->reader = redisReaderCreate();
    admin->give_up_at = sim->now + sim_between(100000, sim_chance(50) ? 1000000 : 8000000);
    asked[id].additions += request == REQUEST_ADD;
    asked[id].removals += request == REQUEST_REMOVE;
    word_request(admin, &out);
    sim_trace("operator %d asks node %d: %s %d", admin->host + 1, (int)sim->nodes[admin->target].id,
              request == REQUEST_ADD      ? "add"
              : request == REQUEST_SET    ? "set"
              : request == REQUEST_REMOVE ? "remove"
                                          : "transfer to",
              (int)id);
    flow_send(admin->stream, resp_buf_bytes(&out), resp_buf_length(&out));
    resp_buf_close(&out);
}

static void remove_one(struct admin *admin) {
    struct sim_node *node = sim_chance(40) ? leader() : some(STANDING_MEMBER);
    if (!node || node->standing != STANDING_MEMBER || count_of(STANDING_LOST) > 0)
        return;
    if (quorums_voters() < 2 + count_of(STANDING_LEAVING) && !sim_chance(20))
        return;
    node->standing = STANDING_LEAVING;
    ask(admin, REQUEST_REMOVE, node->id);
}

static struct sim_node *member(raft_id id) {
    for (size_t i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].id == id && sim->nodes[i].standing == STANDING_MEMBER)
            return &sim->nodes[i];
    return NULL;
}

/* A leader is cut off, and told to remove another. Its successor will be told at once to remove it. Of an even number of voters each of
 * the two lists then has a majority without the other's. */
static bool remove_two(struct admin *admin) {
    struct sim_node *first = leader(), *other = some(STANDING_MEMBER);
    if (!first || !other || first == other || quorums_voters() < 4 || quorums_voters() % 2 ||
        first->standing != STANDING_MEMBER || count_of(STANDING_LOST) + count_of(STANDING_LEAVING) > 0 ||
        !faults_cut_off(first, sim->election_ms * 5000))
        return false;
    cut_off = first->id;
    other->standing = STANDING_LEAVING;
    admin->eager = true;
    admin->target = first->host;
    ask(admin, REQUEST_REMOVE, other->id);
    return true;
}

/* Who founded the cluster alone and comes back without a disk founds another: nothing tells it of the first. No operator starts it so. */
static bool founded_alone(const struct sim_node *node) {
    return sim->founder_count == 1 && node->id == 1;
}

static void lose_disk(void) {
    struct sim_node *node = some(STANDING_MEMBER);
    bool removals = count_of(STANDING_LEAVING) + count_of(STANDING_LOST) > 0;
    for (size_t i = 0; i < sim->node_count; i++)
        removals |= sim->nodes[i].standing == STANDING_MEMBER && asked[sim->nodes[i].id].removals > 0;
    if (!node || founded_alone(node) || removals || quorums_voters() < 3 || invariants_committed() == 0)
        return;
    if (node->node)
        world_crash(node, true);
    world_empty_disk(node);
    node->standing = STANDING_LOST;
    sim_cover(COVER_LOST_DISKS, 1);
}

static void take_one_in(void) {
    struct sim_node *node = some(STANDING_EMPTY);
    if (!node || sim->last_id + 1 >= SIM_IDS_MAX)
        return;
    node->id = ++sim->last_id;
    node->starts = 0; /* its file is written anew */
    node->standing = STANDING_JOINING;
    node->restart_at = sim->now + 1 + sim_below(sim_chance(50) ? 10000 : 2000000);
}

/* An id of old. */
static void reuse(struct admin *admin) {
    for (raft_id id = 1; id <= sim->last_id; id++)
        if (quorums_kind(id) == RAFT_REMOVED && sim_chance(30)) {
            ask(admin, REQUEST_ADD, id);
            return;
        }
}

/* A member that the list has at an address where it is not any more. One whose removal has been asked for is a member until that is done. */
struct sim_node *operator_misplaced(void) {
    char address[32];
    for (size_t i = 0; i < sim->node_count; i++) {
        struct sim_node *node = &sim->nodes[i];
        snprintf(address, sizeof address, "127.0.0.1:%u", world_port((int)i));
        if (node->moves > 0 && (node->standing == STANDING_MEMBER || node->standing == STANDING_LEAVING) &&
            !quorums_knows(node->id, address))
            return node;
    }
    return NULL;
}

static void act(struct admin *admin) {
    admin->wakes_at = sim->now + sim_below(2 * pause_us);
    bool eager = admin->eager;
    enum sim_standing first = sim_chance(50) ? STANDING_LEAVING : STANDING_JOINING;
    struct sim_node *node = some(STANDING_LOST);
    node = node ? node : some(first);
    node = node ? node : some(first == STANDING_JOINING ? STANDING_LEAVING : STANDING_JOINING);
    uint64_t draw = sim_below(100);
    bool even = quorums_voters() == 4 && draw < 60 && !eager && !sim->calm;
    if (even && remove_two(admin)) {
        return;
    } else if (eager && member(admin->victim)) {
        member(admin->victim)->standing = STANDING_LEAVING;
        ask(admin, REQUEST_REMOVE, admin->victim);
    } else if (node && (sim->calm || eager || draw < 70)) {
        ask(admin, node->standing == STANDING_JOINING ? REQUEST_ADD : REQUEST_REMOVE, node->id);
    } else if (operator_misplaced() && (sim->calm || draw < 90)) {
        ask(admin, REQUEST_SET, operator_misplaced()->id);
    } else if (sim->calm || figure8_runs()) {
        return;
    } else if (eager) {
        remove_one(admin);
    } else if (draw < 20) {
        node = some(STANDING_MEMBER);
        ask(admin, REQUEST_TRANSFER, node && sim_chance(60) ? node->id : 0);
    } else if (draw < 50) {
        take_one_in();
    } else if (draw < 80) {
        remove_one(admin);
    } else if (draw < 90) {
        lose_disk();
    } else {
        reuse(admin);
    }
}

/* ---- what is answered ------------------------------------------------------------------------------------------------------ */

static void finish(struct admin *admin) {
    flow_close(admin->stream);
    redisReaderFree(admin->reader);
    admin->stream = NULL;
    admin->reader = NULL;
    admin->target = (int)sim_below(sim->node_count);
}

static void granted(const struct admin *admin) {
    enum raft_member_kind kind = admin->id ? quorums_kind(admin->id) : RAFT_STRANGER;
    if (admin->request == REQUEST_ADD && kind == RAFT_STRANGER)
        sim_fail("members: node %d was added, it was said, and is no member", (int)admin->id);
    if (admin->request == REQUEST_REMOVE && kind != RAFT_REMOVED)
        sim_fail("members: node %d was removed, it was said, and is a member", (int)admin->id);
    /* Who led an older term, when it was asked, has perhaps only learnt of the newer. */
    if (admin->request == REQUEST_TRANSFER && invariants_newest_term() == admin->asked_in &&
        invariants_leader(admin->asked_in) == sim->nodes[admin->target].id)
        sim_fail("the leadership was handed over, it was said, and nobody has been elected");
    sim_cover(COVER_TRANSFERS, admin->request == REQUEST_TRANSFER);
    sim_cover(COVER_TOLD_MOVED, admin->request == REQUEST_SET);
}

static void refused(struct admin *admin, const char *why) {
    enum raft_member_kind kind = admin->id ? quorums_kind(admin->id) : RAFT_STRANGER;
    struct asked *counts = &asked[admin->id];
    sim_cover(COVER_TRANSFERS_FAILED, admin->request == REQUEST_TRANSFER);
    sim_cover(COVER_CHANGES_REFUSED, admin->request != REQUEST_TRANSFER);
    if (admin->request == REQUEST_ADD) {
        sim_cover(COVER_IDS_REFUSED, kind == RAFT_REMOVED && strstr(why, "ids are not used again"));
        if (--counts->additions == 0 && kind != RAFT_STRANGER && admin->id > sim->founder_count)
            sim_fail("members: to add node %d was refused, and is done", (int)admin->id);
    }
    if (admin->request != REQUEST_REMOVE)
        return;
    if (--counts->removals == 0 && kind == RAFT_REMOVED)
        sim_fail("members: to remove node %d was refused, and is done", (int)admin->id);
    for (size_t i = 0; i < sim->node_count && strncmp(why, "ERR ", 4) == 0; i++) {
        struct sim_node *node = &sim->nodes[i];
        bool gives_up = strstr(why, "last voter") || (strstr(why, "quorum") && sim_chance(50));
        if (node->id == admin->id && node->standing == STANDING_LEAVING && gives_up)
            node->standing = STANDING_MEMBER;
    }
}

static void take(struct admin *admin, const redisReply *reply) {
    unsigned port;
    const char *text = reply->str ? reply->str : "", *colon = strrchr(text, ':');
    sim_trace("operator %d is answered: %s", admin->host + 1, text);
    if (reply->type == REDIS_REPLY_STATUS)
        granted(admin);
    else if (reply->type != REDIS_REPLY_ERROR)
        sim_fail("an operator got a reply of type %d", reply->type);
    else if (strncmp(text, "INDOUBT ", 8) != 0)
        refused(admin, text);
    finish(admin);
    if (strncmp(text, "MOVED ", 6) == 0 && colon && sscanf(colon + 1, "%u", &port) == 1)
        admin->target = world_host(port);
}

static void work(struct admin *admin) {
    void *reply;
    if (admin->stream) {
        struct resp_buf *in = flow_in(admin->stream);
        if (resp_buf_length(in) > 0)
            redisReaderFeed(admin->reader, resp_buf_bytes(in), resp_buf_length(in));
        resp_buf_consume(in, resp_buf_length(in), 0);
        if (redisReaderGetReply(admin->reader, &reply) == REDIS_OK && reply) {
            take(admin, reply);
            freeReplyObject(reply);
        } else if (flow_gone(admin->stream) || admin->give_up_at <= sim->now) {
            finish(admin);
        }
    }
    if (admin->stream || admin->wakes_at > sim->now)
        return;
    act(admin);
    admin->eager = false;
    admin->victim = 0;
}

/* ---- all of them ----------------------------------------------------------------------------------------------------------- */

void operator_open(void) {
    works = faults_move_members();
    cut_off = 0;
    if (works &&
        sim_chance(
            50)) /* majorities of lists that differ by two can miss each other only by an even number */
        sim->founder_count = sim->node_count = 4;
    sim->last_id = sim->founder_count;
    memset(asked, 0, sizeof asked);
    memset(admins, 0, sizeof admins);
    if (!works)
        return;
    sim->node_count += (size_t)sim_below(SIM_NODES_MAX - sim->founder_count + 1);
    if (sim->node_count > sim->founder_count + 2)
        sim->node_count = sim->founder_count + 2;
    pause_us = sim_chance(30) ? 2000 : sim_between(20000, 600000);
    for (int i = 0; i < SIM_OPERATORS; i++) {
        admins[i].host = SIM_NODES_MAX + SIM_CLIENTS_MAX + i;
        admins[i].wakes_at = sim_between(300000, 2000000);
    }
}

/* A leader's first moments: what it may do yet, and what not. */
void operator_leads(const struct sim_node *node) {
    for (size_t i = 0; works && i < SIM_OPERATORS; i++) {
        if (sim->calm || admins[i].stream || (sim_chance(40) && !cut_off))
            continue;
        admins[i].target = node->host;
        admins[i].wakes_at = sim->now + sim_below(sim_chance(50) ? 100 : 2000);
        admins[i].eager = true;
        admins[i].victim = cut_off;
    }
    cut_off = 0;
}

uint64_t operator_next(void) {
    uint64_t next = UINT64_MAX;
    for (size_t i = 0; works && i < SIM_OPERATORS; i++) {
        uint64_t at = admins[i].stream ? admins[i].give_up_at : admins[i].wakes_at;
        next = at < next ? at : next;
    }
    return next;
}

void operator_work(void) {
    for (size_t i = 0; works && i < sim->node_count; i++)
        look(&sim->nodes[i]);
    for (size_t i = 0; works && i < SIM_OPERATORS; i++)
        work(&admins[i]);
}

bool operator_done(void) {
    bool asks = false;
    for (size_t i = 0; i < SIM_OPERATORS; i++)
        asks |= admins[i].stream != NULL;
    if (asks || count_of(STANDING_LEAVING) + count_of(STANDING_LOST) + count_of(STANDING_JOINING) > 0)
        return false;
    for (size_t i = 0; i < sim->node_count; i++)
        if (sim->nodes[i].standing == STANDING_MEMBER && quorums_kind(sim->nodes[i].id) != RAFT_VOTER)
            return false;
    if (works && operator_misplaced())
        return false;
    works = false;
    return true;
}

void operator_close(void) {
    for (size_t i = 0; i < SIM_OPERATORS; i++)
        if (admins[i].stream)
            finish(&admins[i]);
}
