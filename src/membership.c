/* SPDX-License-Identifier: MIT */
/*
 * Who is a member, as the node sees it. Raft has the list (raft/member.c); it holds from the moment when it is in the log, committed or
 * not, and may be taken back. So once a turn the newest list is looked at, and what follows from it is brought in line:
 *
 *      on the list            there is a link to it
 *      removed                Raft sends it the log until it has been told; then the link goes, and what it had opened to us
 *      not on the list        let in because it showed the cluster's id (admission.h): a link as long as it has one to us
 *
 * A change that somebody asks for is answered when its entry is applied, and certainly not made when another entry is applied in its
 * place. What the list lacks the leader proposes by itself: a new member's incarnation, before it is let in, so that it can't be
 * promoted to a voter that nobody would know again; and the address that a member announces in its handshakes. What a member says of
 * itself holds: otherwise two opinions on one address would replace each other for ever.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum {
    REMOVED_LINGER_TIMEOUTS = 2
}; /* election timeouts that a removed node keeps its links: its last words are on them */

/* ---- the newest list ----------------------------------------------------------------------------------------- */

static const struct member *self_of(const struct node *node) {
    return roster_find(&node->membership.newest, node->admission.identity.node);
}

static void tell_list(struct node *node, raft_index index) {
    char text[1024] = "";
    size_t at = 0;
    const struct roster *members = &node->membership.newest;
    for (size_t i = 0; i < members->count && at < sizeof text; i++)
        if (members->at[i].kind != RAFT_REMOVED)
            at +=
                (size_t)snprintf(text + at, sizeof text - at, "%s%" PRIu64 "%s", at > 0 ? ", " : "",
                                 members->at[i].id, members->at[i].kind == RAFT_LEARNER ? " (learner)" : "");
    log_notice(node->logger, "members by entry %" PRIu64 ": %s", index, text);
}

static void link_listed(struct node *node) {
    const struct roster *members = &node->membership.newest;
    for (size_t i = 0; i < members->count; i++) {
        const struct member *member = &members->at[i];
        if (member->kind == RAFT_REMOVED || member->id == node->admission.identity.node)
            continue;
        struct peer *peer = peers_find(node, member->id);
        if (!peer)
            peers_add(node, member->id, PEER_LISTED, member->address);
        else
            peers_set_address(node, peer, PEER_LISTED, member->address);
    }
    node->membership.sweeping = false;
    for (size_t i = 0; i < node->peer_count; i++) {
        struct peer *peer = &node->peers[i];
        const struct member *member = peer->id ? roster_find(members, peer->id) : NULL;
        peer->listed = member && member->kind != RAFT_REMOVED;
        node->membership.sweeping |= peer->id != 0 && !peer->listed;
    }
}

/* A node that can't tell its own address is told it by whoever added it. */
static void learn_own_address(struct node *node) {
    const struct member *self = self_of(node);
    char host[CONF_HOST_MAX], *announced = node->admission.announced, ports[32];
    unsigned port;
    if (announced[0] == ':' && self && member_split_address(self->address, host, sizeof host, &port)) {
        snprintf(ports, sizeof ports, "%.31s", announced);
        snprintf(announced, sizeof node->admission.announced, "%.220s%s", host, ports);
    }
}

/* Where our configuration says that a member is. */
static void add_conf_addresses(struct node *node) {
    const struct conf *conf = node->conf;
    for (size_t i = 0; i < conf->node_count; i++) {
        const struct conf_node *line = &conf->nodes[i];
        const struct member *member = roster_find(&node->membership.newest, line->id);
        struct peer *peer = peers_find(node, line->id);
        char address[STORE_ADDRESS_MAX];
        snprintf(address, sizeof address, "%.240s:%u", line->host, line->port);
        if (peer)
            peers_set_address(node, peer, PEER_CONF, address);
        else if (!member && node->membership.newest.count > 0 && line->id != node->admission.identity.node)
            log_warning(node->logger,
                        "raft-node %" PRIu64
                        " is not a member: the cluster has formed without it; the line is ignored",
                        line->id);
    }
}

static void take_list(struct node *node) {
    struct membership *membership = &node->membership;
    raft_index index;
    const struct raft_blob *list = raft_members(node->raft, &index);
    if (list == membership->list)
        return;
    bool first = membership->list == NULL;
    if (membership->list)
        raft_blob_unref(membership->list);
    membership->list = raft_blob_ref((struct raft_blob *)(uintptr_t)list);
    if (list->length == 0)
        return; /* a new node: it will be told */
    roster_read(&membership->newest, list);
    node->admission.members = &membership->newest;
    if (!first)
        tell_list(node, index);
    learn_own_address(node);
    if (membership->removed_ms == 0)
        link_listed(node);
}

void membership_begin(struct node *node) {
    const struct store_identity *identity = &node->admission.identity;
    roster_read_identity(&node->membership.newest, identity);
    if (identity->cluster[0] && !roster_joined(identity))
        return; /* the list is in the log */
    link_listed(node);
    add_conf_addresses(node);
}

void membership_started(struct node *node) {
    take_list(node);
    if (node->admission.members)
        add_conf_addresses(node);
}

/* ---- who is not on it ---------------------------------------------------------------------------------------- */

static bool may_stay(const struct node *node, const struct peer *peer) {
    const struct membership *membership = &node->membership;
    struct raft_peer_status status;
    if (membership->removed_ms != 0)
        return node->now_ms - membership->removed_ms <
               REMOVED_LINGER_TIMEOUTS * (uint64_t)node->conf->election_timeout_ms;
    if (peer->listed || raft_peer_status(node->raft, peer->id, &status))
        return true;
    if (!roster_find(&membership->newest, peer->id))
        return peer->visits > 0;
    return node->raft_status.changing; /* removed, but that may be taken back, and is not done without it */
}

static void sweep(struct node *node) {
    bool more = false;
    if (!node->membership.sweeping)
        return;
    for (size_t i = 0; i < node->peer_count; i++) {
        struct peer *peer = &node->peers[i];
        if (peer->id == 0)
            continue;
        if (!may_stay(node, peer))
            peers_drop(node, peer);
        else
            more |= !peer->listed;
    }
    node->membership.sweeping = more;
}

/* ---- this node is not on it any more --------------------------------------------------------------------------- */

static void watch_removal(struct node *node) {
    if (!node->raft_status.removed || node->membership.removed_ms != 0)
        return;
    node->membership.removed_ms = node->now_ms;
    node->membership.sweeping = true;
    for (size_t i = 0; i < node->peer_count; i++)
        node->peers[i].listed = false;
    node->state = REPORT_REMOVED;
    snprintf(node->failure, sizeof node->failure,
             "node %" PRIu64
             " is no member any more; what it holds grows old. End it; to use the machine again, "
             "begin with an empty dir and a raft-id that was never used",
             node->admission.identity.node);
    log_warning(node->logger, "removed from the cluster: %s", node->failure);
}

void membership_dismissed(struct node *node, raft_id by) {
    if (!node->raft)
        return;
    const struct raft_message message = {.type = RAFT_DISMISSED,
                                         .from = by,
                                         .to = node->admission.identity.node,
                                         .term = node->raft_status.term ? node->raft_status.term : 1};
    raft_step(node->raft, node->now_ms, &message);
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static void conclude(struct node *node, struct member_change *change, const char *error) {
    if (change->asker)
        connection_conclude(node, change->asker, change->quiet, error);
    free(change);
}

/* Those of the remaining voters that do not answer: without them the change would be the end. */
static void name_silent(const struct node *node, raft_id without, char *text, size_t size) {
    const struct roster *members = &node->membership.newest;
    size_t at = 0;
    text[0] = 0;
    for (size_t i = 0; i < members->count && at < size; i++) {
        const struct member *member = &members->at[i];
        struct raft_peer_status status;
        if (member->kind != RAFT_VOTER || member->id == without ||
            member->id == node->admission.identity.node ||
            (raft_peer_status(node->raft, member->id, &status) && status.last_contact_ms != 0 &&
             node->now_ms - status.last_contact_ms < node->conf->election_timeout_ms))
            continue;
        at += (size_t)snprintf(text + at, size - at, "%s%" PRIu64, at > 0 ? ", " : "", member->id);
    }
}

static void word_refusal(struct node *node, enum raft_result result, raft_id id, char *text, size_t size) {
    char silent[256];
    switch (result) {
    case RAFT_NOT_LEADER:
    case RAFT_NOT_READY:
        snprintf(text, size, "CLUSTERDOWN %s; not executed", raft_result_text(result));
        return;
    case RAFT_CHANGING:
        snprintf(text, size, "ERR another change of members is not committed yet; not executed, try again");
        return;
    case RAFT_ID_USED:
        snprintf(text, size, "ERR node %" PRIu64 " is a member, or was one: ids are not used again", id);
        return;
    case RAFT_NO_MEMBER:
        snprintf(text, size, "ERR there is no node %" PRIu64, id);
        return;
    case RAFT_TOO_MANY:
        snprintf(text, size, "ERR there are %d members already, and no more may be", RAFT_MEMBERS_MAX);
        return;
    case RAFT_LAST_VOTER:
        snprintf(text, size, "ERR node %" PRIu64 " is the last voter: nobody would be left", id);
        return;
    case RAFT_WOULD_LOSE_QUORUM:
        name_silent(node, id, silent, sizeof silent);
        snprintf(text, size,
                 "ERR without node %" PRIu64
                 " the quorum would be lost: of the voters left no majority answers "
                 "(silent: %s). Start those first, or remove them",
                 id, silent);
        return;
    default:
        snprintf(text, size, "ERR %s; not executed", raft_result_text(result));
    }
}

static enum raft_result propose(struct node *node, enum raft_change_type type, const struct member *member,
                                raft_index *index, raft_term *term) {
    char bytes[RAFT_MEMBER_DATA_MAX];
    struct raft_change change = {.type = type, .id = member->id};
    if (type == RAFT_ADD || type == RAFT_SET) {
        change.data = bytes;
        change.length = member_encode(member, bytes);
    }
    return raft_change(node->raft, node->now_ms, &change, index, term);
}

static bool is_settled(struct node *node, enum raft_change_type type, raft_id id, const char *address,
                       char *error, size_t size) {
    const struct roster *members = &node->membership.newest;
    const struct peer *peer = peers_find(node, id);
    for (size_t i = 0; i < members->count && type != RAFT_REMOVE; i++)
        if (members->at[i].kind != RAFT_REMOVED && members->at[i].id != id &&
            strcmp(members->at[i].address, address) == 0) {
            snprintf(error, size, "ERR %s is the address of node %" PRIu64, address, members->at[i].id);
            return true;
        }
    const char *says = id == node->admission.identity.node ? node->admission.address
                       : peer && peer->open                ? peer->addresses[PEER_SAYS]
                                                           : "";
    if (type == RAFT_SET && says[0] && strcmp(says, address) != 0) {
        snprintf(error, size,
                 "ERR node %" PRIu64 " says of itself that peers dial it at %s: change its own configuration",
                 id, says);
        return true;
    }
    return false;
}

void membership_change(struct node *node, enum raft_change_type type, raft_id id, const char *address,
                       struct connection *asker, bool quiet) {
    char error[512];
    struct member member = {.id = id};
    raft_index index = 0;
    raft_term term = 0;
    const struct member *now = roster_find(&node->membership.newest, id);
    if (is_settled(node, type, id, address, error, sizeof error)) {
        connection_conclude(node, asker, quiet, error);
        return;
    }
    if (type == RAFT_SET && now)
        strcpy(member.incarnation, now->incarnation);
    snprintf(member.address, sizeof member.address, "%s", address);
    enum raft_result result = node->raft ? propose(node, type, &member, &index, &term) : RAFT_NOT_LEADER;
    if (result != RAFT_OK) {
        word_refusal(node, result, id, error, sizeof error);
        connection_conclude(node, asker, quiet, error);
        return;
    }
    struct member_change *change = calloc(1, sizeof *change);
    if (!change)
        abort();
    *change = (struct member_change){node->membership.changes, index, term, node->now.mono_us, asker, quiet};
    node->membership.changes = change;
    asker->awaits = true;
}

/* What is known: the entry at `index` has this term; or (meta not NULL) all that the state's table of terms says. */
static void conclude_through(struct node *node, raft_index index, raft_term term,
                             const struct store_meta *meta) {
    for (struct member_change **at = &node->membership.changes; *at;) {
        struct member_change *change = *at;
        if (change->index > index) {
            at = &change->next;
            continue;
        }
        *at = change->next;
        raft_term made = meta ? store_meta_term_at(meta, change->index) : change->index == index ? term : 0;
        conclude(node, change,
                 made == change->term ? NULL
                 : meta && made == 0  ? "INDOUBT this node got the state from another, and does not know"
                                      : "CLUSTERDOWN the leadership was lost before the change was made; "
                                        "not executed");
    }
}

void membership_applied(struct node *node, const struct raft_entry *entry) {
    conclude_through(node, entry->index, entry->term, NULL);
}

void membership_replaced(struct node *node, const struct store_meta *meta) {
    conclude_through(node, meta->applied, 0, meta);
}

static void doubt_overdue(struct node *node) {
    for (struct member_change **at = &node->membership.changes; *at;) {
        struct member_change *change = *at;
        if (node->now.mono_us - change->begun_us <= 1000ull * node->conf->outcome_timeout_ms) {
            at = &change->next;
            continue;
        }
        *at = change->next;
        conclude(node, change,
                 "INDOUBT no majority has confirmed the change in time; it may or may not take effect: "
                 "RAFT.NODE LIST "
                 "shows it");
    }
}

void membership_end(struct node *node) {
    for (struct member_change *change; (change = node->membership.changes);) {
        node->membership.changes = change->next;
        conclude(
            node, change,
            "INDOUBT this node ends before the change's outcome is known; it may or may not take effect");
    }
}

void membership_forget(struct node *node, const struct connection *connection) {
    for (struct member_change *change = node->membership.changes; change; change = change->next)
        if (change->asker == connection)
            change->asker = NULL;
}

void membership_close(struct node *node) {
    struct membership *membership = &node->membership;
    node->admission.members = NULL;
    roster_close(&membership->newest);
    if (membership->list)
        raft_blob_unref(membership->list);
    membership->list = NULL;
}

/* ---- what the list lacks ------------------------------------------------------------------------------------------- */

void membership_met(struct node *node, const struct admission_facts *theirs) {
    struct peer *peer = peers_find(node, theirs->from);
    const struct member *member = roster_find(&node->membership.newest, theirs->from);
    if (peer && theirs->address[0])
        peers_set_address(node, peer, PEER_SAYS, theirs->address);
    if (!node->admission.members || !member || member->incarnation[0])
        return;
    struct member *claim = &node->membership.claim;
    *claim = *member;
    strcpy(claim->incarnation, theirs->incarnation);
    if (theirs->address[0])
        strcpy(claim->address, theirs->address);
}

/* The member as it should be on the list, when it is not; id 0: all is well. */
static struct member wanted(struct node *node) {
    struct membership *membership = &node->membership;
    for (size_t i = 0; i < membership->newest.count; i++) {
        struct member member = membership->newest.at[i];
        const struct peer *peer = peers_find(node, member.id);
        const char *says = member.id == node->admission.identity.node ? node->admission.address
                           : peer                                     ? peer->addresses[PEER_SAYS]
                                                                      : "";
        if (member.kind == RAFT_REMOVED)
            continue;
        if (!member.incarnation[0] && membership->claim.id == member.id)
            return membership->claim;
        if (!member.incarnation[0] && peer &&
            peer->open) { /* another's claim has taken the place of its own */
            strcpy(member.incarnation, peer->exchange->theirs.incarnation);
            return member;
        }
        if (!member.incarnation[0] && member.id == node->admission.identity.node) {
            strcpy(member.incarnation,
                   node->admission.identity.incarnation); /* the list was made without us */
            snprintf(member.address, sizeof member.address, "%s", says);
            return member;
        }
        if (says[0] && strcmp(says, member.address) != 0) {
            strcpy(member.address, says);
            return member;
        }
    }
    return (struct member){0};
}

/* True when something was proposed. */
static bool propose_wanted(struct node *node) {
    raft_index index;
    raft_term term;
    if (!node->raft_status.serving || node->raft_status.changing || handover_holds(node) ||
        node->now_ms - node->membership.proposed_ms < node->conf->heartbeat_ms)
        return false;
    const struct member member = wanted(node);
    if (member.id == 0 || propose(node, RAFT_SET, &member, &index, &term) != RAFT_OK)
        return false;
    node->membership.proposed_ms = node->now_ms;
    log_notice(node->logger, "node %" PRIu64 " is at %s, incarnation %.8s", member.id, member.address,
               member.incarnation);
    return true;
}

static void tell_leader(struct node *node) {
    struct peer *leader = peers_find(node, node->raft_status.leader);
    const struct member *listed = leader ? roster_find(&node->membership.newest, leader->id) : NULL;
    snprintf(node->admission.leader, sizeof node->admission.leader, "%s", listed ? listed->address : "");
}

/* What strangers are told, and what the list lacks, is looked at once a millisecond: a busy node has many turns in one. */
bool membership_turn(struct node *node) {
    struct membership *membership = &node->membership;
    node->admission.settled = !node->raft_status.changing;
    watch_removal(node);
    take_list(node);
    sweep(node);
    doubt_overdue(node);
    if (membership->looked_ms == node->now_ms)
        return false;
    membership->looked_ms = node->now_ms;
    tell_leader(node);
    return propose_wanted(node);
}
