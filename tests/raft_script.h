/* SPDX-License-Identifier: MIT */
/*
 * What test_raft_script.c says of what happened.
 */
#ifndef RAFT_SCRIPT_H
#define RAFT_SCRIPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "raft_world.h"

enum { WORDS_MAX = 64 };

struct script {
    struct world world;
    bool cut[WORLD_NODES_MAX + 1][WORLD_NODES_MAX + 1];
    char *out; /* the script as it should read */
    size_t length, capacity;
    char *words[WORDS_MAX];
    size_t word_count;
};

static inline void script_say(struct script *script, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void script_say(struct script *script, const char *format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_in_range(length, 0, sizeof text - 1);
    if (script->length + (size_t)length + 1 > script->capacity) {
        script->capacity = (script->capacity + (size_t)length + 1) * 2;
        script->out = realloc(script->out, script->capacity);
    }
    memcpy(script->out + script->length, text, (size_t)length + 1);
    script->length += (size_t)length;
}

/* ---- words for what happened ----------------------------------------------------------------------------- */

static inline void script_say_members(struct script *script, const struct raft_blob *list) {
    struct raft_member member;
    script_say(script, " members");
    for (size_t offset = 0; raft_members_next(list, &offset, &member);) {
        script_say(script, " %llu%c", (unsigned long long)member.id, "?vlr"[member.kind]);
        if (member.length)
            script_say(script, "=%.*s", (int)member.length, member.data);
    }
}

static inline void script_say_entries(struct script *script, const struct raft_entries *entries) {
    for (size_t i = 0; i < entries->count; i++) {
        const struct raft_entry *entry = &entries->at[i];
        script_say(script, " %llu/%llu", (unsigned long long)entry->index, (unsigned long long)entry->term);
        if (entry->type == RAFT_ENTRY_MEMBERS)
            script_say_members(script, entry->data);
        else if (entry->data)
            script_say(script, " %.*s", (int)entry->data->length, entry->data->bytes);
        else
            script_say(script, " no-op");
        script_say(script, i + 1 < entries->count ? "," : "");
    }
}

static const char *script_type_name(enum raft_message_type type) {
    static const char *const names[] = {
        [RAFT_PRE_VOTE] = "pre-vote",
        [RAFT_PRE_VOTE_REPLY] = "pre-vote reply",
        [RAFT_VOTE] = "vote",
        [RAFT_VOTE_REPLY] = "vote reply",
        [RAFT_APPEND] = "append",
        [RAFT_APPEND_REPLY] = "append reply",
        [RAFT_ROUND_REPLY] = "round reply",
        [RAFT_TIMEOUT_NOW] = "timeout now",
        [RAFT_DISMISSED] = "dismissed",
        [RAFT_READ_INDEX] = "read index",
        [RAFT_READ_INDEX_REPLY] = "read index reply",
    };
    return names[type];
}

static inline void script_say_message(struct script *script, const struct raft_message *message) {
    unsigned long long index = message->index, log_term = message->log_term;
    script_say(script, "%s, term %llu", script_type_name(message->type), (unsigned long long)message->term);
    switch (message->type) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        script_say(script, ", log %llu/%llu%s", index, log_term, message->transfer ? ", handed over" : "");
        break;
    case RAFT_APPEND:
        script_say(script, ", after %llu/%llu, commit %llu", index, log_term,
                   (unsigned long long)message->commit);
        script_say(script, message->entries.count ? ":" : "");
        script_say_entries(script, &message->entries);
        break;
    case RAFT_APPEND_REPLY:
        if (message->rejected)
            script_say(script, ", no %llu, hint %llu/%llu", (unsigned long long)message->rejected_index,
                       index, log_term);
        else
            script_say(script, ", match %llu", index);
        break;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY:
        script_say(script, message->rejected ? ", no" : ", yes");
        break;
    case RAFT_READ_INDEX_REPLY:
        script_say(script, ", at %llu", index);
        break;
    default:
        break;
    }
    bool batch =
        message->type == RAFT_READ_INDEX || message->type == RAFT_READ_INDEX_REPLY; /* a random number */
    if (message->round && !batch)
        script_say(script, ", round %llu", (unsigned long long)message->round);
    script_say(script, "\n");
}

static inline void script_say_packet(struct script *script, const struct world_packet *packet) {
    if (packet->snapshot)
        script_say(script, "snapshot %llu/%llu\n", (unsigned long long)packet->snapshot->index,
                   (unsigned long long)packet->snapshot->term);
    else
        script_say_message(script, &packet->message);
}

static inline void script_say_trace(struct script *script, raft_id id, const char *trace) {
    while (*trace) {
        int length = (int)strcspn(trace, "\n");
        script_say(script, "    %llu | %.*s\n", (unsigned long long)id, length, trace);
        trace += length + 1;
    }
}

static inline void script_say_save(struct script *script, raft_id id, const struct raft_ready *ready) {
    if (!ready->vote && !ready->save.count && !ready->restore)
        return;
    script_say(script, "    %llu saves #%llu:", (unsigned long long)id, (unsigned long long)ready->sequence);
    if (ready->vote)
        script_say(script, " term %llu, vote %llu%s", (unsigned long long)ready->vote->term,
                   (unsigned long long)ready->vote->vote, ready->save.count || ready->restore ? ";" : "");
    if (ready->restore)
        script_say(script, " state %llu/%llu%s", (unsigned long long)ready->restore->index,
                   (unsigned long long)ready->restore->term, ready->save.count ? ";" : "");
    script_say_entries(script, &ready->save);
    script_say(script, "\n");
}

static inline void script_say_ready(struct world *world, struct world_node *node,
                                    const struct raft_ready *ready) {
    struct script *script = world->context;
    unsigned long long id = node->id;
    script_say_trace(script, node->id, ready->trace);
    script_say_save(script, node->id, ready);
    for (size_t i = 0; i < ready->send.count; i++) {
        script_say(script, "    %llu > %llu ", id, (unsigned long long)ready->send.at[i].to);
        script_say_message(script, &ready->send.at[i]);
    }
    for (size_t i = 0; i < ready->promise.count; i++) {
        script_say(script, "    %llu > %llu after #%llu: ", id, (unsigned long long)ready->promise.at[i].to,
                   (unsigned long long)ready->sequence);
        script_say_message(script, &ready->promise.at[i]);
    }
    if (ready->apply.count) {
        script_say(script, "    %llu applies", id);
        script_say_entries(script, &ready->apply);
        script_say(script, "\n");
    }
    for (size_t i = 0; i < ready->snapshots.count; i++)
        script_say(script, "    %llu wants a snapshot sent to %llu\n", id,
                   (unsigned long long)ready->snapshots.at[i]);
    for (size_t i = 0; i < ready->reads.count; i++)
        script_say(script, "    %llu reads %llu at %llu\n", id, (unsigned long long)ready->reads.at[i].token,
                   (unsigned long long)ready->reads.at[i].index);
    for (size_t i = 0; i < ready->fetch.count; i++)
        script_say(script, "    %llu fetches %llu..%llu for %llu\n", id,
                   (unsigned long long)ready->fetch.at[i].from, (unsigned long long)ready->fetch.at[i].to,
                   (unsigned long long)ready->fetch.at[i].for_peer);
}

#endif
