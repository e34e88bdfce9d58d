/* SPDX-License-Identifier: MIT */
/*
 * Are the replicas still replicas? Applying is deterministic, so after the same entry every node has the same state, and the keyspace keeps
 * a digest of its own at hand. Every raft-audit-interval the leader puts a mark into the log; whoever applies it notes the digest there:
 *
 *      log         ... SET  [ENTRY RAFT.AUDIT] INCR ...                       an entry of its own
 *      follower    applies it:  RAFT.STATE <index> <digest>  --->  leader     what is here
 *      leader      a majority of the voters has told the same digest
 *                  follower  <---  RAFT.RIGHT <index> <digest>                what is right
 *
 * A node whose digest is not the majority's has been damaged: by a bug, by memory, by a disk that nobody noticed. It says so, serves
 * nobody from that moment on, does not stand for leader, and hands the leadership over when it has it; it goes on to store the log and to
 * vote, for its log is right. When no majority agrees (two nodes, two digests), the leader can only say that somebody is wrong.
 *
 * What such a node has must not spread: no snapshot and no backup is made of it, and it keeps the verdict in a file of its data directory,
 * for a restart reads the same wrong state back (<dir>/differs, a line that says why). It is lifted when the state has been replaced by a
 * snapshot, or when after a restart an audit finds it right: then it was wrong in memory only.
 *
 * A lost message costs one audit: the next one is as good. Marks are there from LEVEL_AUDIT on (level.h).
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "level.h"
#include "node_state.h"
#include "note.h"

/* ---- what is wrong here ------------------------------------------------------------------------------------------ */

static void differ(struct node *node, uint64_t right) {
    struct audit *audit = &node->audit;
    snprintf(audit->why, sizeof audit->why,
             "the state of this node is not that of the others: at entry %" PRIu64
             " its digest is %016" PRIx64 ", a majority has %016" PRIx64 "; it was right at %" PRIu64,
             audit->index, audit->digest, right, audit->right_index);
    audit->from_before = false;
    if (audit->differs)
        return;
    audit->differs = true;
    raft_hold_back(node->raft, node->held_back = true);
    log_warning(node->logger,
                "STATES DIFFER: %s. It serves nobody now. If `databases` is the same on all members, its "
                "memory or disk "
                "is to be suspected: keep %s as evidence, remove the node and add it again with an empty "
                "directory",
                audit->why, node->conf->dir);
    if (!note_write(node->conf->dir, NOTE_DIFFERS, audit->why))
        log_warning(node->logger, "%s/" NOTE_DIFFERS ": %s. A restart will have to find out anew",
                    node->conf->dir, strerror(errno));
}

void audit_remember(struct node *node, const char *verdict) {
    struct audit *audit = &node->audit;
    audit->differs = audit->from_before = true;
    snprintf(audit->why, sizeof audit->why, "before its last start: %.*s", (int)sizeof audit->why - 32,
             verdict);
    log_warning(
        node->logger,
        "STATES DIFFER: so it was found %s. It serves nobody until an audit finds it right; remove the "
        "node and add it again with an empty directory",
        audit->why);
}

static void acquit(struct node *node) {
    node->audit.differs = node->audit.from_before = false;
    if (!note_remove(node->conf->dir, NOTE_DIFFERS))
        log_warning(node->logger, "%s/" NOTE_DIFFERS ": %s", node->conf->dir, strerror(errno));
}

void audit_mended(struct node *node) {
    if (node->audit.differs)
        acquit(node);
    node->audit.index = 0;
}

static void take_right(struct node *node, raft_index index, uint64_t digest) {
    struct audit *audit = &node->audit;
    if (index != audit->index)
        return; /* of an audit that this node has not come to, or has left behind */
    if (digest != audit->digest) {
        differ(node, digest);
        return;
    }
    if (audit->from_before) {
        log_notice(node->logger, "the state is the others' at entry %" PRIu64 ": it was wrong in memory only",
                   index);
        acquit(node);
    }
    if (audit->right_index < index)
        audit->count++;
    audit->right_index = index;
}

/* ---- the leader's part -------------------------------------------------------------------------------------------- */

static void send(struct peer *peer, const char *name, raft_index index, uint64_t digest) {
    char text[24];
    if (!peer || !peer->open)
        return;
    snprintf(text, sizeof text, "%016" PRIx64, digest);
    struct resp_buf *out = link_out(peer->link);
    resp_request(out, 3);
    resp_request_text(out, name);
    resp_request_unsigned(out, index);
    resp_request_text(out, text);
    link_touch(peer->link);
}

static bool votes(const struct node *node, raft_id id) {
    struct raft_member member;
    raft_index index;
    return raft_members_find(raft_members(node->raft, &index), id, &member) && member.kind == RAFT_VOTER;
}

static size_t voters(const struct node *node) {
    raft_index index;
    const struct raft_blob *list = raft_members(node->raft, &index);
    struct raft_member member;
    size_t count = 0;
    for (size_t offset = 0; raft_members_next(list, &offset, &member);)
        count += member.kind == RAFT_VOTER;
    return count;
}

static bool has_told(const struct node *node, const struct peer *peer) {
    return peer->audit_index == node->audit.index;
}

static size_t voters_with(const struct node *node, uint64_t digest) {
    size_t count = votes(node, node->admission.identity.node) && node->audit.digest == digest;
    for (size_t i = 0; i < node->peer_count; i++) {
        const struct peer *peer = &node->peers[i];
        count += has_told(node, peer) && peer->audit_digest == digest && votes(node, peer->id);
    }
    return count;
}

/* The digest that a majority has; false: none is known yet. */
static bool find_right(const struct node *node, uint64_t *digest) {
    size_t majority = voters(node) / 2 + 1;
    *digest = node->audit.digest;
    if (voters_with(node, *digest) >= majority)
        return true;
    for (size_t i = 0; i < node->peer_count; i++) {
        *digest = node->peers[i].audit_digest;
        if (has_told(node, &node->peers[i]) && voters_with(node, *digest) >= majority)
            return true;
    }
    return false;
}

static void tell_differing(struct node *node, const struct peer *peer, uint64_t right) {
    log_warning(node->logger,
                "STATES DIFFER: node %" PRIu64 " has digest %016" PRIx64 " at entry %" PRIu64
                ", a majority has %016" PRIx64,
                peer->id, peer->audit_digest, node->audit.index, right);
}

/* Somebody is wrong, and nobody can say who: all voters have told, or two of two. */
static void tell_undecided(struct node *node) {
    struct audit *audit = &node->audit;
    size_t told = votes(node, node->admission.identity.node);
    for (size_t i = 0; i < node->peer_count; i++)
        told += has_told(node, &node->peers[i]) && votes(node, node->peers[i].id);
    if (told < voters(node) || audit->undecided_index == audit->index)
        return;
    audit->undecided_index = audit->index;
    log_warning(node->logger,
                "STATES DIFFER at entry %" PRIu64
                ", and no majority of the nodes agrees: one of them is wrong, and "
                "which cannot be told",
                audit->index);
}

static void judge(struct node *node) {
    struct audit *audit = &node->audit;
    uint64_t right;
    if (audit->index == 0)
        return;
    if (!find_right(node, &right)) {
        tell_undecided(node);
        return;
    }
    take_right(node, audit->index, right);
    for (size_t i = 0; i < node->peer_count; i++) {
        struct peer *peer = &node->peers[i];
        if (!has_told(node, peer) || peer->audit_answered == audit->index)
            continue;
        peer->audit_answered = audit->index;
        if (peer->audit_digest != right)
            tell_differing(node, peer, right);
        send(peer, "RAFT.RIGHT", audit->index, right);
    }
}

static void propose(struct node *node) {
    static const char raw[] = "*1\r\n$10\r\nRAFT.AUDIT\r\n";
    const struct resp_command mark = {.count = 1, .raw = raw, .raw_length = sizeof raw - 1};
    struct entry_builder builder = {0};
    raft_index index;
    raft_term term;
    entry_add(&builder, 0, &mark);
    struct raft_blob *blob = entry_close(&builder, node->admission.level,
                                         clock_tell(&node->clock, node_wall_ms(node), node->now_ms));
    (void)raft_propose(node->raft, blob, &index, &term); /* refused: then the next time */
    raft_blob_unref(blob);
    entry_builder_close(&builder);
}

void audit_turn(struct node *node) {
    struct audit *audit = &node->audit;
    uint64_t every_ms = node->conf->audit_interval_s * 1000;
    const struct raft_status *status = &node->raft_status;
    if (audit->differs && status->role == RAFT_LEADER && node->handover.phase == HANDOVER_NONE &&
        node->now_ms >= audit->handover_ms && node->peer_count > 0) {
        audit->handover_ms = node->now_ms + 2ull * node->conf->election_timeout_ms;
        handover_begin(node, 0, 0, NULL, false);
    }
    if (audit->begin_ms == 0 || !status->serving)
        audit->begin_ms = node->now_ms + every_ms; /* a new leader begins an interval */
    if (every_ms == 0 || !status->serving || node->now_ms < audit->begin_ms || voters(node) < 2 ||
        handover_holds(node) || node->admission.level < LEVEL_AUDIT)
        return;
    audit->begin_ms = node->now_ms + every_ms;
    propose(node);
}

/* ---- everybody's part ---------------------------------------------------------------------------------------------- */

bool audit_is(const struct resp_command *command, unsigned level) {
    return level >= LEVEL_AUDIT && command->count == 1 && resp_arg_is(&command->args[0], "RAFT.AUDIT");
}

void audit_applied(struct node *node, raft_index index) {
    struct audit *audit = &node->audit;
    assert(index > audit->index || audit->differs);
    audit->index = index;
    audit->digest = keyspace_digest(node->keyspace);
    if (node->raft_status.role == RAFT_LEADER)
        judge(node);
    else
        send(peers_find(node, node->raft_status.leader), "RAFT.STATE", index, audit->digest);
}

static bool read_words(const struct resp_command *command, raft_index *index, uint64_t *digest) {
    int64_t number;
    char text[17], *end;
    if (command->count != 3 || !resp_arg_integer(&command->args[1], &number) || number <= 0 ||
        command->args[2].length != 16)
        return false;
    memcpy(text, command->args[2].bytes, 16);
    text[16] = 0;
    *index = (raft_index)number;
    *digest = strtoull(text, &end, 16);
    return *end == 0;
}

bool audit_command(struct node *node, raft_id from, const struct resp_command *command) {
    struct peer *peer = peers_find(node, from);
    raft_index index;
    uint64_t digest;
    if (!read_words(command, &index, &digest))
        return false;
    if (!node->raft || !peer)
        return true;
    if (resp_arg_is(&command->args[0], "RAFT.STATE")) {
        peer->audit_index = index;
        peer->audit_digest = digest;
        if (node->raft_status.role == RAFT_LEADER)
            judge(node);
    } else if (node->raft_status.leader == from) {
        take_right(node, index, digest);
    }
    return true;
}

void audit_report(const struct node *node, struct report *report) {
    const struct audit *audit = &node->audit;
    report->audit_index = audit->right_index;
    report->audit_count = audit->count;
    report->audit_differs = audit->differs;
    if (!audit->differs || node->state == REPORT_FAILED)
        return;
    report->state = REPORT_FAILED;
    snprintf(report->failure, sizeof report->failure, "%.*s", (int)sizeof report->failure - 1, audit->why);
}
