/* SPDX-License-Identifier: MIT */
/*
 * The judgement. Down is a node that cannot serve; degraded is one that serves while something wants attention, each thing
 * named. How many failures are left is told by voters that this node can reach, not by their number on paper.
 */
#include "health.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LAG_MAX = 10000 }; /* entries that a follower may be behind before it is mentioned */

const struct report_member *report_member(const struct report *report, uint64_t id) {
    for (size_t at = 0; id && at < report->member_count; at++)
        if (report->members[at].id == id)
            return &report->members[at];
    return NULL;
}

const struct report_member *report_self(const struct report *report) {
    return report_member(report, report->node_id);
}

const struct report_member *report_known_leader(const struct report *report) {
    return report_member(report, report->known_leader_id);
}

const char *report_state_name(enum report_state state) {
    static const char *const names[] = {"loading", "joining", "up", "removed", "failed"};
    return names[state];
}

const char *report_role_name(enum report_role role) {
    static const char *const names[] = {"follower", "pre-candidate", "candidate", "leader"};
    return names[role];
}

const char *report_link_name(enum report_link link) {
    static const char *const names[] = {"self", "up", "connecting", "down"};
    return names[link];
}

const char *health_name(enum health_state state) {
    static const char *const names[] = {"ok", "degraded", "down"};
    return names[state];
}

/* Followers do not talk to each other, so between them the link says it; a leader hears each follower's acknowledgements, and
 * a process that is stopped keeps its link but falls silent. */
bool health_reachable(const struct report *report, const struct report_member *member) {
    if (member->id == report->node_id)
        return true;
    if (member->link != REPORT_LINK_UP)
        return false;
    bool heard = report->role == REPORT_LEADER || member->id == report->leader_id;
    return !heard || member->last_contact_ms <= 2 * (int64_t)report->election_timeout_ms;
}

__attribute__((format(printf, 3, 4))) static void worsen(struct health *health, enum health_state state,
                                                         const char *format, ...) {
    size_t length = strlen(health->reason);
    va_list arguments;

    if (health->state < state)
        health->state = state;
    if (length && length + 2 < sizeof health->reason) {
        memcpy(health->reason + length, "; ", 3);
        length += 2;
    }
    va_start(arguments, format);
    vsnprintf(health->reason + length, sizeof health->reason - length, format, arguments);
    va_end(arguments);
}

static void count_members(const struct report *report, struct health *health) {
    health->nodes = report->member_count;
    for (size_t at = 0; at < report->member_count; at++) {
        const struct report_member *member = &report->members[at];
        health->voters += member->voting;
        health->voters_reachable += member->voting && health_reachable(report, member);
    }
    size_t majority = health->voters / 2 + 1;
    if (health->quorum && health->voters_reachable > majority)
        health->failures_tolerated = health->voters_reachable - majority;
}

static void judge_state(const struct report *report, struct health *health) {
    const char *failure = report->failure[0] ? report->failure : "no reason given";

    if (report->state == REPORT_LOADING)
        worsen(health, HEALTH_DOWN, "loading the keyspace");
    else if (report->state == REPORT_JOINING)
        worsen(health, HEALTH_DOWN, "not yet a member of a formed cluster");
    else if (report->state == REPORT_REMOVED)
        worsen(health, HEALTH_DOWN, "removed from the cluster: %s", failure);
    else if (report->state == REPORT_FAILED)
        worsen(health, HEALTH_DOWN, "%s", failure);
    else if (!report->quorum && health->voters_reachable <= health->voters / 2)
        worsen(health, HEALTH_DOWN, "no quorum (%zu of %zu voters reachable)", health->voters_reachable,
               health->voters);
    else if (!report->quorum || report->leader_id == 0)
        worsen(health, HEALTH_DOWN, "no leader (%zu of %zu voters reachable)", health->voters_reachable,
               health->voters);
    else if (report->role == REPORT_LEADER && !report->serving)
        worsen(health, HEALTH_DEGRADED, "elected, but its term's first entry is not applied yet");
}

static void judge_member(const struct report *report, const struct report_member *member,
                         struct health *health) {
    if (!health_reachable(report, member))
        worsen(health, HEALTH_DEGRADED, "node %" PRIu64 " unreachable%s%s", member->id,
               member->link_error[0] ? ": " : "", member->link_error);
    else if (report->role == REPORT_LEADER && report->last_index > member->match_index + LAG_MAX)
        worsen(health, HEALTH_DEGRADED, "node %" PRIu64 " is %" PRIu64 " entries behind", member->id,
               report->last_index - member->match_index);
    int64_t offset = member->clock_offset_ms < 0 ? -member->clock_offset_ms : member->clock_offset_ms;
    if (member->clock_known && report->clock_skew_max_ms && offset > (int64_t)report->clock_skew_max_ms)
        worsen(health, HEALTH_DEGRADED, "the clock of node %" PRIu64 " differs by %" PRId64 " ms", member->id,
               member->clock_offset_ms);
}

/* Half an election timeout gone in one wait: the next one may cost the leadership. */
static void judge_delays(const struct report *report, struct health *health) {
    uint64_t limit_us = (uint64_t)report->election_timeout_ms * 500;

    if (limit_us && report->fsync.p99_us > limit_us)
        worsen(health, HEALTH_DEGRADED, "slow disk: one fsync in a hundred takes %" PRIu64 " ms",
               report->fsync.p99_us / 1000);
    if (limit_us && report->turn.max_us > limit_us)
        worsen(health, HEALTH_DEGRADED, "the loop stood still for %" PRIu64 " ms",
               report->turn.max_us / 1000);
}

static void judge_disk(const struct report *report, struct health *health) {
    if (report->disk_low)
        worsen(health, HEALTH_DEGRADED, "disk low: %" PRIu64 " MB free, the reserve is %" PRIu64 " MB",
               report->disk_free_bytes >> 20, report->disk_reserve_bytes >> 20);
    if (report->checkpoint_failures > 0)
        worsen(health, HEALTH_DEGRADED, "the last checkpoint failed: %s", report->checkpoint_error);
}

void health_judge(const struct report *report, struct health *health) {
    *health = (struct health){.state = HEALTH_OK, .quorum = report->state == REPORT_UP && report->quorum};
    health->master = health->quorum && report->role == REPORT_LEADER && report->serving;
    count_members(report, health);
    judge_state(report, health);
    for (size_t at = 0; report->state == REPORT_UP && at < report->member_count; at++)
        if (report->members[at].id != report->node_id)
            judge_member(report, &report->members[at], health);
    judge_delays(report, health);
    judge_disk(report, health);
    assert((health->state == HEALTH_OK) == (health->reason[0] == '\0'));
    assert(!health->master || health->quorum);
}
