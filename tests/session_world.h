/* SPDX-License-Identifier: MIT */
/*
 * A session, a configuration, a keyspace and a report of a three-node cluster as plain values, to ask the commands of
 * src/cmd: what a node would otherwise gather from sockets and clocks. Replies come back as the bytes that a client would get.
 */
#ifndef SESSION_WORLD_H
#define SESSION_WORLD_H

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/cmd/command.h"
#include "../src/cmd/report.h"
#include "../src/conf.h"
#include "../src/slowlog.h"
#include "../src/spikes.h"

enum { WORLD_MEMBERS = 3, WORLD_SESSIONS = 4, WORLD_ARGS_MAX = 16, WORLD_NOW_MS = 1700000000 };

struct world {
    struct session session; /* the one that asks */
    struct session others[WORLD_SESSIONS - 1];
    struct session *sessions[WORLD_SESSIONS];
    struct conf conf;
    struct slowlog *slowlog;
    struct audience *audience;
    struct spikes spikes;
    struct keyspace *keyspace;
    struct report report;
    struct report_member members[WORLD_MEMBERS];
    struct report_database databases[2];
    struct wishes wishes;
    struct resp_buf reply;
};

static inline void world_session(struct session *session, uint64_t id) {
    *session = (struct session){.id = id, .protocol = 2, .authenticated = true, .fd = (int)id + 5};
    snprintf(session->address, sizeof session->address, "127.0.0.1:%u", 40000 + (unsigned)id);
    snprintf(session->local_address, sizeof session->local_address, "127.0.0.1:7101");
    session->created_ms = (uint64_t)WORLD_NOW_MS * 1000 - 10000;
    session->active_ms = (uint64_t)WORLD_NOW_MS * 1000 - 3000;
}

static inline void world_member(struct report_member *member, uint64_t id) {
    *member = (struct report_member){
        .id = id, .port = 7100 + (unsigned)id, .peer_port = 7200 + (unsigned)id, .voting = true};
    memset(member->run_id, (int)('a' + id - 1), REPORT_RUN_ID_LENGTH);
    strcpy(member->host, "127.0.0.1");
    strcpy(member->peer_host, "127.0.0.1");
    strcpy(member->version, "0.1.0");
    member->feature_level = 2;
    member->link = id == 1 ? REPORT_LINK_SELF : REPORT_LINK_UP;
    member->match_index = id == 1 ? 120 : 110;
    member->last_contact_ms = id == 1 ? 0 : 40;
    member->clock_known = id != 1;
    member->clock_offset_ms = id == 1 ? 0 : -3;
}

/* Node 1 leads term 7 with its quorum. */
static inline void world_report(struct world *world) {
    struct report *report = &world->report;

    *report = (struct report){
        .version = "0.1.0", .build = "b1", .allocator = "libc", .state = REPORT_UP, .role = REPORT_LEADER};
    memset(report->run_id, 'e', REPORT_RUN_ID_LENGTH);
    memset(report->cluster_id, 'c', REPORT_RUN_ID_LENGTH);
    memset(report->incarnation, 'd', REPORT_RUN_ID_LENGTH);
    strcpy(report->cluster_name, "redraft");
    strcpy(report->os, "Linux 6.1.0 x86_64");
    strcpy(report->executable, "/usr/bin/redraft");
    strcpy(report->leader_change_reason, "node 3 fell silent");
    report->node_id = report->leader_id = report->known_leader_id = report->voted_for = 1;
    report->serving = report->quorum = true;
    report->process_id = 4711;
    report->tcp_port = 7101;
    report->now_us = (uint64_t)WORLD_NOW_MS * 1000000;
    report->uptime_s = 90000;
    report->feature_level = report->feature_level_offered = 2;
    report->term = 7;
    report->commit_index = report->applied_index = 118;
    report->last_index = report->saved_index = 120;
    report->log_entries = 100;
    report->log_bytes = 5000;
    report->leader_since_ms = (uint64_t)WORLD_NOW_MS * 1000 - 60000;
    report->read_consistency = "linearizable";
    report->fsync_count = 50;
    report->writes_logged = 125;
    report->fsync = (struct latency_figures){50, 900, 2100, 3500, 4000};
    report->commit = (struct latency_figures){50, 1200, 3100, 4500, 5000};
    report->turn.max_us = 1500;
    report->memory_used = 2000000;
    report->memory_used_peak = 4000000;
    report->memory_keyspace = 500000;
    report->memory_resident = 3000000;
    report->election_timeout_ms = 1000;
    report->clock_skew_max_ms = 500;
    report->members = world->members;
    report->member_count = WORLD_MEMBERS;
    report->databases = world->databases;
    report->database_count = 2;
}

static inline void world_open(struct world *world) {
    memset(world, 0, sizeof *world);
    world_session(&world->session, 1);
    world->sessions[0] = &world->session;
    for (size_t i = 1; i < WORLD_SESSIONS; i++) {
        world_session(&world->others[i - 1], i + 1);
        world->sessions[i] = &world->others[i - 1];
    }
    world->others[2].peer = true;
    conf_init(&world->conf);
    world->slowlog = slowlog_new();
    world->audience = audience_new(1, 2);
    world->keyspace = keyspace_new(world->conf.databases);
    for (size_t i = 0; i < WORLD_MEMBERS; i++)
        world_member(&world->members[i], i + 1);
    world->databases[1] = (struct report_database){12, 5, 3000};
    world_report(world);
}

static inline void world_close(struct world *world) {
    resp_buf_close(&world->reply);
    keyspace_free(world->keyspace);
    slowlog_free(world->slowlog);
    for (size_t i = 0; i < WORLD_SESSIONS; i++)
        audience_leave_all(world->audience, &world->sessions[i]->subscriber);
    audience_free(world->audience);
}

/* Splits a line at spaces; "quoted words" may hold them, and "" is an empty one. The words live in `line`. */
static inline size_t world_split(char *line, struct resp_arg args[WORLD_ARGS_MAX]) {
    size_t count = 0;

    while (*line) {
        bool quoted = *line == '"';
        char *end = quoted ? strchr(++line, '"') : line + strcspn(line, " ");
        assert(end && count < WORLD_ARGS_MAX);
        args[count++] = (struct resp_arg){line, (size_t)(end - line)};
        line = end + quoted;
        while (*line == ' ')
            line++;
    }
    return count;
}

static inline void world_run(struct world *world, const struct command *row, const struct resp_arg *args,
                             size_t count, struct resp_out *out) {
    if (row->run) {
        struct call call = {
            .keyspace = world->keyspace, .command = row, .args = args, .count = count, .reply = out};
        row->run(&call);
        return;
    }
    struct session_call call = {
        .session = &world->session,
        .conf = &world->conf,
        .slowlog = world->slowlog,
        .audience = world->audience,
        .spikes = &world->spikes,
        .command = row,
        .args = args,
        .count = count,
        .now_ms = (uint64_t)WORLD_NOW_MS * 1000,
        .reply = out,
        .wishes = &world->wishes,
        .report = row->flags & COMMAND_REPORT ? &world->report : NULL,
    };
    if (row->flags & COMMAND_SESSIONS) {
        call.sessions = world->sessions;
        call.session_count = WORLD_SESSIONS;
    }
    row->session(&call);
}

/* The reply to one command, terminated; holds until the next. */
static inline const char *world_ask(struct world *world, const char *command, size_t *length) {
    char *line = strdup(command);
    struct resp_arg args[WORLD_ARGS_MAX];
    size_t count = world_split(line, args);
    struct resp_out out = {&world->reply, world->session.protocol};
    const struct command *row = command_find(args, count);

    resp_buf_consume(&world->reply, resp_buf_length(&world->reply), 1 << 20);
    world->wishes = (struct wishes){0};
    if (!row)
        command_unknown(&out, args, count);
    else if (!command_arity_ok(row, count))
        resp_error(&out, "ERR wrong number of arguments for '%s' command", row->name);
    else
        world_run(world, row, args, count, &out);
    free(line);
    if (length)
        *length = resp_buf_length(&world->reply);
    *resp_buf_reserve(&world->reply, 1) = '\0';
    return resp_buf_bytes(&world->reply);
}

#endif
