/* SPDX-License-Identifier: MIT */
/*
 * How a new node comes into a cluster that others have formed. It knows the addresses of some members (raft-join), and asks them in turn
 * until it is taken in; somebody says RAFT.NODE ADD to the leader, before or after.
 *
 *      new node                                        a member                             the leader
 *      RAFT.HELLO to 0, no cluster, no members  --->
 *      AUTH                                     --->   not on the list:         -ERR        (the new node asks again, and again)
 *                                                      no incarnation there:    -WAIT leader's address
 *      HELLO, AUTH                              ------------------------------------------> -WAIT; writes the incarnation into the list
 *      HELLO, AUTH                              ------------------------------------------> +OK
 *      stores the cluster's id and its members' addresses; Raft starts, with no voters: the leader sends it the log
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "node_state.h"

enum { REDIRECT_EVERY_MS = 200, ANSWER_TIMEOUT_MS = 3000 };

bool join_wanted(const struct node *node) {
    return node->conf->join_count > 0 && !node->admission.identity.cluster[0];
}

void join_begin(struct node *node) {
    const struct conf_node *join = &node->conf->joins[0];
    node->host.dialled_ms = node->now_ms;
    peers_link(node, &node->host, join->host, join->port);
    log_notice(node->logger, "node %" PRIu64 " is new, and asks %s:%u to be taken in",
               node->admission.identity.node, join->host, join->port);
}

/* "1=host:port,2=host:port" */
static void take_members(struct node *node, const char *text) {
    struct store_identity *identity = &node->admission.identity;
    identity->member_count = 0;
    while (*text && identity->member_count < STORE_MEMBERS_MAX) {
        char *equals;
        raft_id id = strtoull(text, &equals, 10);
        size_t length = strcspn(equals, ",");
        if (id == 0 || *equals != '=' || length - 1 >= STORE_ADDRESS_MAX)
            return;
        if (id != identity->node && length > 1) {
            struct store_member *member = &identity->members[identity->member_count++];
            *member = (struct store_member){.id = id};
            memcpy(member->address, equals + 1, length - 1);
        }
        text = equals + length;
        text += *text == ',';
    }
}

static void taken_in(struct node *node) {
    const struct admission_facts *theirs = &node->host.exchange->theirs;
    strcpy(node->admission.identity.cluster, theirs->cluster);
    take_members(node, theirs->members);
    log_notice(node->logger, "node %" PRIu64 " takes this node into cluster %s", theirs->from,
               theirs->cluster);
    node->host.open = true;
    start_store_identity(node);
    membership_begin(node);
}

static void refused(struct node *node, const char *why) {
    if (strcmp(node->host.refusal, why) != 0)
        log_notice(node->logger, "not taken in yet: %s", why);
    snprintf(node->host.refusal, sizeof node->host.refusal, "%s", why);
    link_drop(node->host.link, why);
}

/* To the leader, if that is where we are sent; not in circles while nobody there knows better. */
static void sent_on(struct node *node, const char *address) {
    char host[CONF_HOST_MAX];
    unsigned port;
    if (node->now_ms - node->host.dialled_ms < REDIRECT_EVERY_MS ||
        !member_split_address(address, host, sizeof host, &port))
        return;
    node->host.dialled_ms = node->now_ms;
    link_set_address(node->host.link, host, port);
}

static void take_error(struct node *node, const char *text) {
    char address[STORE_ADDRESS_MAX];
    if (strncmp(text, "WAIT ", 5) == 0) {
        snprintf(address, sizeof address, "%.*s", (int)strcspn(text + 5, " "), text + 5);
        refused(node, text + 5 + strcspn(text + 5, " "));
        sent_on(node, address);
    } else {
        refused(node, text);
    }
}

static void take_reply(struct node *node, const struct link_event *event) {
    char why[ADMISSION_WHY_MAX] = "";
    struct peer *host = &node->host;
    if (event->kind == '-') {
        if (event->count > 0)
            snprintf(why, sizeof why, "%.*s", (int)event->args[0].length, event->args[0].bytes);
        take_error(node, why);
    } else if (event->kind == '*') {
        if (admission_prove(&node->admission, event->args, event->count, host->exchange, link_out(host->link),
                            why))
            link_touch(host->link);
        else
            refused(node, why);
        if (host->exchange->outdated)
            node_fail(node, "this node cannot be taken in as it is: %s", why);
    } else if (event->kind == '+' && host->exchange->proven && host->exchange->theirs.cluster[0]) {
        taken_in(node);
    } else {
        refused(node, "it answers the handshake with something else");
    }
}

/* Nobody is there, or nobody who takes us in yet: on to the next that the configuration names. */
static void fell(struct node *node, const char *why) {
    if (node->host.refusal[0] == 0)
        log_notice(node->logger, "not taken in yet: %s", why);
    if (node->host.refusal[0] == 0)
        snprintf(node->host.refusal, sizeof node->host.refusal, "%s", why);
    if (node->now_ms - node->host.dialled_ms >= REDIRECT_EVERY_MS) {
        node->host.dialled_ms = node->now_ms;
        node->join_at = (node->join_at + 1) % node->conf->join_count;
        const struct conf_node *join = &node->conf->joins[node->join_at];
        link_set_address(node->host.link, join->host, join->port);
    }
}

void join_take(struct node *node) {
    struct peer *host = &node->host;
    for (struct link_event event; !host->open && link_take(host->link, &event);) {
        host->heard_mono_ms = node->now_ms;
        if (event.type == LINK_UP) {
            admission_hello(&node->admission, 0, host->exchange, link_out(host->link));
            link_touch(host->link);
        } else if (event.type == LINK_DOWN)
            fell(node, event.why);
        else if (link_state(host->link) == LINK_CONNECTED)
            take_reply(node, &event);
    }
    if (host->open)
        peers_unlink(host);
}

/* Who takes the connection and says nothing (a stopped process) is not waited for. */
void join_turn(struct node *node) {
    struct peer *host = &node->host;
    if (host->link && link_state(host->link) == LINK_CONNECTED &&
        node->now_ms - host->heard_mono_ms >= ANSWER_TIMEOUT_MS) {
        host->heard_mono_ms = node->now_ms;
        refused(node, "it does not answer");
    }
}
