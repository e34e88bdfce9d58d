/* SPDX-License-Identifier: MIT */
/*
 * SENTINEL and its subcommands, in the words and shapes of Redis 7.0's sentinel.c, since clients look into them. The one
 * master is whoever leads, its replicas are the other members, and the other Sentinels are those of them that have a sentinel-port. An epoch is
 * a term. While nobody leads the last leader is still told, marked as down, as Sentinel does until it has found another.
 */
#include "sentinel.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/health.h"
#include "cmd/text.h"
#include "node_state.h"

/* ---- fields ------------------------------------------------------------------------------------------------------ */

static void text_field(struct resp_out *out, const char *name, const char *value) {
    resp_bulk_text(out, name);
    resp_bulk_text(out, value);
}

static void number_field(struct resp_out *out, const char *name, int64_t value) {
    resp_bulk_text(out, name);
    resp_bulk_integer(out, value);
}

enum kind { MASTER, REPLICA, SENTINEL };

static bool is_down(const struct sentinel_call *call, const struct report_member *member, enum kind kind) {
    return kind == MASTER ? call->report->leader_id != member->id : !health_reachable(call->report, member);
}

/* Milliseconds since the member was heard. Followers keep links with each other but say nothing there: then the link counts. */
static int64_t heard_ms_ago(const struct sentinel_call *call, const struct report_member *member) {
    bool silent = member->last_contact_ms > 2 * (int64_t)call->report->election_timeout_ms;
    return member->last_contact_ms < 0 || (silent && health_reachable(call->report, member))
               ? 0
               : member->last_contact_ms;
}

/* What all kinds begin with; who is down has one field more. */
static void common_fields(const struct sentinel_call *call, const struct report_member *member,
                          enum kind kind, const char *name) {
    static const char *const flags[][2] = {{"master", "s_down,o_down,master"},
                                           {"slave", "s_down,slave,disconnected"},
                                           {"sentinel", "s_down,sentinel,disconnected"}};
    struct resp_out *out = call->reply;
    bool down = is_down(call, member, kind);
    int64_t heard_ms = heard_ms_ago(call, member);
    text_field(out, "name", name);
    text_field(out, "ip", member->host);
    number_field(out, "port", kind == SENTINEL ? member->sentinel_port : member->port);
    text_field(out, "runid", member->run_id);
    text_field(out, "flags", flags[kind][down]);
    number_field(out, "link-pending-commands", 0);
    number_field(out, "link-refcount", 1);
    number_field(out, "last-ping-sent", down ? heard_ms : 0);
    number_field(out, "last-ok-ping-reply", heard_ms);
    number_field(out, "last-ping-reply", heard_ms);
    if (down)
        number_field(out, "s-down-time", heard_ms);
    number_field(out, "down-after-milliseconds", call->report->election_timeout_ms);
}

enum { COMMON_FIELDS = 11 };

static size_t count_replicas(const struct report *report) {
    return report->member_count > 0 ? report->member_count - 1 : 0;
}

static size_t count_sentinels(const struct report *report, bool usable) {
    size_t count = 0;
    for (size_t i = 0; i < report->member_count; i++)
        count += report->members[i].sentinel_port != 0 &&
                 (!usable || health_reachable(report, &report->members[i]));
    return count;
}

static size_t majority(const struct report *report) {
    struct health health;
    health_judge(report, &health);
    return health.voters / 2 + 1;
}

static int64_t since_ms(const struct report *report) {
    uint64_t now_ms = report->now_us / 1000;
    return report->leader_since_ms != 0 && report->leader_since_ms < now_ms
               ? (int64_t)(now_ms - report->leader_since_ms)
               : 0;
}

static void write_master(const struct sentinel_call *call, const struct report_member *leader) {
    const struct report *report = call->report;
    struct resp_out *out = call->reply;
    resp_map(out, COMMON_FIELDS + is_down(call, leader, MASTER) + 9);
    common_fields(call, leader, MASTER, call->node->conf->sentinel_master_name);
    number_field(out, "info-refresh", heard_ms_ago(call, leader));
    text_field(out, "role-reported", "master");
    number_field(out, "role-reported-time", since_ms(report));
    number_field(out, "config-epoch", (int64_t)report->term);
    number_field(out, "num-slaves", (int64_t)count_replicas(report));
    number_field(out, "num-other-sentinels", (int64_t)count_sentinels(report, false) - 1);
    number_field(out, "quorum", (int64_t)majority(report));
    number_field(out, "failover-timeout", 2 * (int64_t)report->election_timeout_ms);
    number_field(out, "parallel-syncs", 1);
}

static void write_replica(const struct sentinel_call *call, const struct report_member *leader,
                          const struct report_member *member) {
    const struct report *report = call->report;
    struct resp_out *out = call->reply;
    char name[REPORT_HOST_MAX + 8];
    bool down = is_down(call, member, REPLICA), linked = !down && report->leader_id != 0;
    snprintf(name, sizeof name, "%s:%u", member->host, member->port);
    resp_map(out, COMMON_FIELDS + down + 10);
    common_fields(call, member, REPLICA, name);
    number_field(out, "info-refresh", heard_ms_ago(call, member));
    text_field(out, "role-reported", "slave");
    number_field(out, "role-reported-time", since_ms(report));
    number_field(out, "master-link-down-time", linked ? 0 : heard_ms_ago(call, member));
    text_field(out, "master-link-status", linked ? "ok" : "err");
    text_field(out, "master-host", leader->host);
    number_field(out, "master-port", leader->port);
    number_field(out, "slave-priority", 100);
    number_field(out, "slave-repl-offset",
                 (int64_t)(member->match_index ? member->match_index : report->commit_index));
    number_field(out, "replica-announced", 1);
}

static void write_sentinel(const struct sentinel_call *call, const struct report_member *member) {
    const struct report_member *leader = report_member(call->report, call->report->leader_id);
    struct resp_out *out = call->reply;
    resp_map(out, COMMON_FIELDS + is_down(call, member, SENTINEL) + 3);
    common_fields(call, member, SENTINEL, member->run_id);
    number_field(out, "last-hello-message", heard_ms_ago(call, member));
    text_field(out, "voted-leader", leader ? leader->run_id : "?");
    number_field(out, "voted-leader-epoch", leader ? (int64_t)call->report->term : 0);
}

/* ---- subcommands ------------------------------------------------------------------------------------------------- */

/* The leader, when args[2] is the master's name; else NULL. */
static const struct report_member *named(const struct sentinel_call *call) {
    const char *name = call->node->conf->sentinel_master_name;
    const struct resp_arg *arg = &call->args[2];
    bool same = arg->length == strlen(name) && memcmp(arg->bytes, name, arg->length) == 0;
    return same ? report_known_leader(call->report) : NULL;
}

/* The same, and it is said when there is none. */
static const struct report_member *must_name(const struct sentinel_call *call) {
    const struct report_member *leader = named(call);
    if (!leader)
        resp_error(call->reply, "ERR No such master with that name");
    return leader;
}

static void masters(const struct sentinel_call *call) {
    const struct report_member *leader = report_known_leader(call->report);
    resp_array(call->reply, leader != NULL);
    if (leader)
        write_master(call, leader);
}

static void master(const struct sentinel_call *call) {
    const struct report_member *leader = must_name(call);
    if (leader)
        write_master(call, leader);
}

static void get_master_addr(const struct sentinel_call *call) {
    const struct report_member *leader = named(call);
    if (!leader) {
        resp_null_array(call->reply);
        return;
    }
    resp_array(call->reply, 2);
    resp_bulk_text(call->reply, leader->host);
    resp_bulk_integer(call->reply, leader->port);
}

static void replicas(const struct sentinel_call *call) {
    const struct report_member *leader = must_name(call);
    if (!leader)
        return;
    resp_array(call->reply, count_replicas(call->report));
    for (size_t i = 0; i < call->report->member_count; i++)
        if (call->report->members[i].id != leader->id)
            write_replica(call, leader, &call->report->members[i]);
}

static void sentinels(const struct sentinel_call *call) {
    if (!must_name(call))
        return;
    size_t count = 0, mark = resp_array_open(call->reply);
    for (size_t i = 0; i < call->report->member_count; i++) {
        const struct report_member *member = &call->report->members[i];
        if (member->id == call->report->node_id || member->sentinel_port == 0)
            continue;
        write_sentinel(call, member);
        count++;
    }
    resp_array_close(call->reply, mark, count);
}

static void ckquorum(const struct sentinel_call *call) {
    struct health health;
    if (!must_name(call))
        return;
    health_judge(call->report, &health);
    size_t usable = count_sentinels(call->report, true);
    if (health.quorum) {
        char text[128];
        snprintf(text, sizeof text,
                 "OK %zu usable Sentinels. Quorum and failover authorization can be reached", usable);
        resp_status(call->reply, text);
    } else
        resp_error(
            call->reply,
            "NOQUORUM %zu usable Sentinels. Not enough available Sentinels to reach the specified quorum "
            "for this master. Not enough available Sentinels to reach the majority and authorize a failover",
            usable);
}

static void myid(const struct sentinel_call *call) {
    const struct report_member *self = report_self(call->report);
    resp_bulk_text(call->reply, self ? self->run_id : call->report->run_id);
}

static void is_master_down(const struct sentinel_call *call) {
    const struct report_member *leader = report_known_leader(call->report);
    int64_t port;
    bool is_it = leader && call->args[2].length == strlen(leader->host) &&
                 memcmp(call->args[2].bytes, leader->host, call->args[2].length) == 0 &&
                 resp_arg_integer(&call->args[3], &port) && port == (int64_t)leader->port;
    resp_array(call->reply, 3);
    resp_integer(call->reply, is_it && is_down(call, leader, MASTER));
    resp_bulk_text(call->reply, "*");
    resp_integer(call->reply, 0);
}

/* A failover is the leadership's hand-over, and only the leader can begin that. */
static void failover(const struct sentinel_call *call) {
    struct node *node = call->node;
    const struct report_member *leader = must_name(call);
    size_t others = 0;
    if (!leader)
        return;
    for (size_t i = 0; i < call->report->member_count; i++)
        others += call->report->members[i].id != leader->id && call->report->members[i].voting &&
                  health_reachable(call->report, &call->report->members[i]);
    if (node->handover.phase != HANDOVER_NONE)
        resp_error(call->reply, "INPROG Failover already in progress");
    else if (!node->raft_status.serving)
        resp_error(call->reply, "ERR only the leader hands over: ask the Sentinel on %s port %u",
                   leader->host, leader->sentinel_port);
    else if (others == 0)
        resp_error(call->reply, "NOGOODSLAVE No suitable replica to promote");
    else {
        handover_begin(node, 0, 0, NULL, false);
        resp_status(call->reply, "OK");
    }
}

static void nothing(const struct sentinel_call *call) {
    resp_array(call->reply, 0);
}

static void refuse(const struct sentinel_call *call) {
    resp_error(
        call->reply,
        "ERR SENTINEL %.*s is not possible here: the members and who leads them are Raft's (RAFT.NODE, "
        "RAFT.TRANSFER_LEADER)",
        (int)(call->args[1].length < 64 ? call->args[1].length : 64), call->args[1].bytes);
}

static void help(const struct sentinel_call *call);

/* name, arguments with SENTINEL and the name (-n: at least n), what it does, HELP's lines on it */
static const struct subcommand {
    const char *name;
    int arity;
    void (*run)(const struct sentinel_call *call);
    const char *usage, *summary;
} subcommands[] = {
    {"ckquorum", 3, ckquorum, "CKQUORUM <master-name>",
     "Tell whether a leader can be elected, as far as this node sees."},
    {"config", -3, refuse, NULL, NULL},
    {"debug", -2, refuse, NULL, NULL},
    {"failover", 3, failover, "FAILOVER <master-name>",
     "Hand the leadership over. Only the leader's own Sentinel can."},
    {"flushconfig", 2, refuse, NULL, NULL},
    {"get-master-addr-by-name", 3, get_master_addr, "GET-MASTER-ADDR-BY-NAME <master-name>",
     "Tell where the leader is."},
    {"help", 2, help, "HELP", "Print this help."},
    {"info-cache", -3, nothing, NULL, NULL},
    {"is-master-down-by-addr", 6, is_master_down,
     "IS-MASTER-DOWN-BY-ADDR <ip> <port> <current-epoch> <runid>",
     "Tell whether this is the leader's address and nobody leads."},
    {"master", 3, master, "MASTER <master-name>", "Show what is known of the leader."},
    {"masters", 2, masters, "MASTERS", "The same, in a list of one."},
    {"monitor", 6, refuse, NULL, NULL},
    {"myid", 2, myid, "MYID", "Tell this node's id."},
    {"pending-scripts", 2, nothing, NULL, NULL},
    {"remove", 3, refuse, NULL, NULL},
    {"replicas", 3, replicas, "REPLICAS <master-name>", "Show what is known of the other members."},
    {"reset", 3, refuse, NULL, NULL},
    {"sentinels", 3, sentinels, "SENTINELS <master-name>",
     "Show the other members that have a sentinel-port."},
    {"set", -5, refuse, NULL, NULL},
    {"simulate-failure", -3, refuse, NULL, NULL},
    {"slaves", 3, replicas, NULL, NULL},
};

enum { SUBCOMMANDS = sizeof subcommands / sizeof subcommands[0] };

static void help(const struct sentinel_call *call) {
    char line[160];
    size_t count = 1, mark = resp_array_open(call->reply);
    resp_status(call->reply, "SENTINEL <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (!subcommands[i].usage)
            continue;
        snprintf(line, sizeof line, "    %s", subcommands[i].summary);
        resp_status(call->reply, subcommands[i].usage);
        resp_status(call->reply, line);
        count += 2;
    }
    resp_array_close(call->reply, mark, count);
}

static const struct subcommand *find(const struct resp_arg *name) {
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        if (resp_arg_is(name, subcommands[i].name))
            return &subcommands[i];
    return NULL;
}

void sentinel_command_name(const char *name, const struct resp_command *command, char full[64]) {
    const struct subcommand *row =
        strcmp(name, "sentinel") == 0 && command->count > 1 ? find(&command->args[1]) : NULL;
    snprintf(full, 64, "%s%s%s", name, row ? "|" : "", row ? row->name : "");
}

void sentinel_words(const struct sentinel_call *call) {
    const struct resp_arg *name = &call->args[1];
    const struct subcommand *row = find(name);
    if (!row)
        resp_error(call->reply, "ERR unknown subcommand '%.*s'. Try SENTINEL HELP.",
                   (int)(name->length < 128 ? name->length : 128), name->bytes);
    else if (row->arity < 0 ? (int)call->count < -row->arity : (int)call->count != row->arity)
        resp_error(call->reply, "ERR wrong number of arguments for 'sentinel|%s' command", row->name);
    else
        row->run(call);
}

void sentinel_info_line(const struct sentinel_call *call, struct resp_buf *text) {
    const struct report_member *leader = report_known_leader(call->report);
    if (leader)
        text_add(text, "master0:name=%s,status=%s,address=%s:%u,slaves=%zu,sentinels=%zu\r\n",
                 call->node->conf->sentinel_master_name, is_down(call, leader, MASTER) ? "odown" : "ok",
                 leader->host, leader->port, count_replicas(call->report),
                 count_sentinels(call->report, false));
}
