/* SPDX-License-Identifier: MIT */
/* More bugs (plants.c): of members, majorities, checkpoints and snapshots. */
#include <stdlib.h>
#include <string.h>

#include "../../raft/internal.h"
#include "../../src/node_state.h"
#include "../../src/patience.h"
#include "sim.h"

static bool planted(enum plant plant) {
    return sim->plant == plant;
}

/* ---- changes of members ------------------------------------------------------------------------------------------------ */

enum raft_result __real_raft_change(struct raft *raft, uint64_t now_ms, const struct raft_change *change,
                                    raft_index *index, raft_term *term);
enum raft_result __wrap_raft_change(struct raft *raft, uint64_t now_ms, const struct raft_change *change,
                                    raft_index *index, raft_term *term);
const struct raft_blob *__real_raft_members(const struct raft *raft, raft_index *index);
const struct raft_blob *__wrap_raft_members(const struct raft *raft, raft_index *index);
uint64_t __real_raft_member_reached(const struct raft *raft,
                                    uint64_t (*value)(const struct raft *, const struct raft_progress *));
uint64_t __wrap_raft_member_reached(const struct raft *raft,
                                    uint64_t (*value)(const struct raft *, const struct raft_progress *));

static bool changing;

enum raft_result __wrap_raft_change(struct raft *raft, uint64_t now_ms, const struct raft_change *change,
                                    raft_index *index, raft_term *term) {
    raft_index noop = raft->noop_index;
    if (planted(PLANT_CHANGE_EARLY) && noop > 0)
        raft->noop_index = 1;
    changing = true;
    enum raft_result result = __real_raft_change(raft, now_ms, change, index, term);
    changing = false;
    if (result == RAFT_OK && raft->log.commit < noop)
        sim_trace("members are changed before a commit in term %llu", (unsigned long long)raft->hard.term);
    raft->noop_index = noop;
    return result;
}

const struct raft_blob *__wrap_raft_members(const struct raft *raft, raft_index *index) {
    const struct raft_blob *list = __real_raft_members(raft, index);
    if (planted(PLANT_CHANGES_AT_ONCE) && changing)
        *index = 0; /* committed, as far as the next change goes */
    return list;
}

/* Those that are leaving are heard as voters are. */
uint64_t __wrap_raft_member_reached(const struct raft *raft,
                                    uint64_t (*value)(const struct raft *, const struct raft_progress *)) {
    uint64_t values[RAFT_MEMBERS_MAX];
    size_t count = 0;
    if (!planted(PLANT_REMOVED_COUNTS))
        return __real_raft_member_reached(raft, value);
    for (size_t i = 0; i < raft->peer_count; i++)
        if (raft->peers[i].kind != RAFT_LEARNER)
            values[count++] = value(raft, &raft->peers[i]);
    return raft_quorum_reached(values, count);
}

/* ---- leases -------------------------------------------------------------------------------------------------------------- */

void __real_raft_lease_acknowledged(struct raft *raft, struct raft_progress *peer);
void __wrap_raft_lease_acknowledged(struct raft *raft, struct raft_progress *peer);
bool __real_raft_lease_holds_back(const struct raft *raft);
bool __wrap_raft_lease_holds_back(const struct raft *raft);
bool __real_raft_election_ignores(const struct raft *raft, const struct raft_message *message);
bool __wrap_raft_election_ignores(const struct raft *raft, const struct raft_message *message);
bool __real_patience_open(const char *dir, uint32_t wanted_ms, uint32_t *promised_ms,
                          char why[PATIENCE_WHY_MAX]);
bool __wrap_patience_open(const char *dir, uint32_t wanted_ms, uint32_t *promised_ms,
                          char why[PATIENCE_WHY_MAX]);

void __wrap_raft_lease_acknowledged(struct raft *raft, struct raft_progress *peer) {
    __real_raft_lease_acknowledged(raft, peer);
    if (planted(PLANT_LEASE_FROM_ACK) && raft->config.leases)
        peer->confirmed_ms = raft->now_ms;
}

bool __wrap_raft_lease_holds_back(const struct raft *raft) {
    return !planted(PLANT_PROMISE_FORGOTTEN) && __real_raft_lease_holds_back(raft);
}

bool __wrap_patience_open(const char *dir, uint32_t wanted_ms, uint32_t *promised_ms,
                          char why[PATIENCE_WHY_MAX]) {
    bool opened = __real_patience_open(dir, wanted_ms, promised_ms, why);
    if (planted(PLANT_PROMISE_FORGOTTEN))
        *promised_ms = 0;
    return opened;
}

bool __wrap_raft_election_ignores(const struct raft *raft, const struct raft_message *message) {
    bool impatient = planted(PLANT_IMPATIENT) && raft->role != RAFT_LEADER;
    return !impatient && __real_raft_election_ignores(raft, message);
}

/* ---- disks that are gone ------------------------------------------------------------------------------------------------ */

void __real_admission_random_id(char id[STORE_ID_LENGTH + 1]);
void __wrap_admission_random_id(char id[STORE_ID_LENGTH + 1]);

static char incarnations[SIM_IDS_MAX][STORE_ID_LENGTH + 1];

void plants_forget(void) {
    memset(incarnations, 0, sizeof incarnations);
}

/* The first that a node asks for is its incarnation. */
void __wrap_admission_random_id(char id[STORE_ID_LENGTH + 1]) {
    char *known = incarnations[sim->current->id];
    __real_admission_random_id(id);
    if (planted(PLANT_LOST_WELCOME) && sim->destroyed[sim->current->id] && known[0])
        strcpy(id, known);
}

static void remember(const struct node *node) {
    if (node->admission.identity.incarnation[0])
        strcpy(incarnations[sim->current->id], node->admission.identity.incarnation);
}

/* ---- checkpoints, snapshots, starts --------------------------------------------------------------------------------------- */

void __real_checkpoint_applied(struct node *node, const struct raft_entry *entry);
void __wrap_checkpoint_applied(struct node *node, const struct raft_entry *entry);
void __real_store_data_run(void *context, struct worker_job *batch);
void __wrap_store_data_run(void *context, struct worker_job *batch);

void __wrap_checkpoint_applied(struct node *node, const struct raft_entry *entry) {
    remember(node);
    __real_checkpoint_applied(node, entry);
}

void __wrap_store_data_run(void *context, struct worker_job *batch) {
    for (struct worker_job *job = batch; planted(PLANT_PAGE_SKIPPED) && job; job = job->next) {
        struct store_data_job *pages = (struct store_data_job *)job;
        if (pages->type == STORE_DATA_PAGES && sim_chance(5))
            pages->pages.count = 0;
    }
    for (struct worker_job *job = batch; planted(PLANT_MEMBERS_MISSING) && job; job = job->next) {
        struct store_data_job *commit = (struct store_data_job *)job;
        if (commit->type == STORE_DATA_COMMIT)
            store_bytes_set(&commit->meta->members, NULL, 0);
    }
    __real_store_data_run(context, batch);
}

/* In the queue's order: what is behind it in the batch has not been written yet. */
void plants_cut_too_far(struct worker_job *batch) {
    for (struct worker_job *job = batch; planted(PLANT_SNAPSHOT_DROPS) && job; job = job->next) {
        struct store_job *cut = (struct store_job *)job;
        if (cut->type == STORE_COMPACT && cut->through > 0 && sim_chance(20))
            cut->through += sim_below(400);
    }
}

void plants_raft_made(struct raft *raft) {
    if (planted(PLANT_REPLAY_EARLY) && raft->log.last > raft->log.commit)
        raft_log_commit(&raft->log, raft->log.last);
}
