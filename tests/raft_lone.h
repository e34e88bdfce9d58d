/* SPDX-License-Identifier: MIT */
/*
 * One core alone: the test plays its peers, its disk and its clock, and looks at everything that comes out.
 */
#ifndef RAFT_LONE_H
#define RAFT_LONE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../raft/raft.h"

enum {
    LONE_MAX = 256,
    LONE_TIMEOUT_MS = 1000,
    LONE_HEARTBEAT_MS = 100,
};

struct lone {
    struct raft *raft;
    uint64_t now_ms;
    uint64_t sequence; /* of the newest ready with one */
    /* what came out since the last lone_forget; a message's entries are copies without data */
    struct raft_message sent[LONE_MAX], promised[LONE_MAX];
    size_t sent_count, promised_count;
    struct raft_vote vote; /* the newest to be saved */
    size_t votes;          /* how many readies had one */
    struct raft_entry saved[LONE_MAX], applied[LONE_MAX];
    size_t saved_count, applied_count;
    struct raft_read_point reads[LONE_MAX];
    size_t read_count;
    struct raft_fetch fetches[LONE_MAX];
    size_t fetch_count;
    raft_id snapshots[LONE_MAX]; /* who needs one */
    size_t snapshot_count;
    struct raft_snapshot restore; /* the newest; its list is not kept */
    size_t restores;
    char trace[8192];
    struct raft_entry entries[LONE_MAX * 4]; /* of the messages */
    size_t entry_count;
};

/* What a core starts with; terms of the log's entries as one string: "1 1 1 4 4 5". */
struct lone_start {
    size_t voters;
    raft_term term;
    raft_id vote;
    const char *log;
    raft_index applied;
    raft_index base; /* the log begins after it */
    raft_term base_term;
    struct raft_blob *members; /* NULL: the voters */
    const struct raft_members_at *changes;
    size_t change_count;
    uint64_t seed;
    struct raft_config config; /* zeros: the usual */
};

static inline size_t lone_usual(size_t given, size_t usual) {
    return given ? given : usual;
}

/* One core of `voters`, the first unless config.self says another. The term is at least the log's last. */
static inline void lone_open(struct lone *lone, struct lone_start start) {
    static const raft_id voters[] = {1, 2, 3, 4, 5, 6, 7};
    struct raft_term_start terms[64];
    struct raft_boot boot = {
        .term = start.term > start.base_term ? start.term : start.base_term,
        .vote = start.vote,
        .base_index = start.base,
        .base_term = start.base_term,
        .last_index = start.base,
        .applied = start.applied > start.base ? start.applied : start.base,
        .members = start.members,
        .changes = start.changes,
        .change_count = start.change_count,
    };
    for (const char *at = start.log ? start.log : ""; *at; at += *at == ' ') {
        char *end;
        raft_term term = strtoull(at, &end, 10);
        at = end;
        boot.last_index++;
        if (boot.term_count == 0 || terms[boot.term_count - 1].term != term)
            terms[boot.term_count++] = (struct raft_term_start){term, boot.last_index};
        if (boot.term < term)
            boot.term = term;
    }
    boot.terms = terms;
    struct raft_config config = start.config;
    config.self = config.self ? config.self : 1;
    config.voters = voters;
    config.voter_count = start.voters;
    config.seed = start.seed;
    config.election_timeout_ms = LONE_TIMEOUT_MS;
    config.heartbeat_ms = LONE_HEARTBEAT_MS;
    config.tail_bytes_max = lone_usual(config.tail_bytes_max, 1 << 20);
    config.append_bytes_max = lone_usual(config.append_bytes_max, 1 << 16);
    config.window_bytes_max = lone_usual(config.window_bytes_max, 1 << 18);
    config.window_messages_max = lone_usual(config.window_messages_max, 32);
    config.uncommitted_bytes_max = lone_usual(config.uncommitted_bytes_max, 1 << 20);
    config.ready_bytes_max = lone_usual(config.ready_bytes_max, 1 << 16);
    memset(lone, 0, sizeof *lone);
    lone->now_ms = 5000;
    lone->raft = raft_new(&config, &boot, lone->now_ms);
}

static inline void lone_close(struct lone *lone) {
    raft_free(lone->raft);
}

static inline void lone_forget(struct lone *lone) {
    lone->sent_count = lone->promised_count = lone->votes = lone->saved_count = lone->applied_count = 0;
    lone->read_count = lone->fetch_count = lone->entry_count = lone->snapshot_count = lone->restores = 0;
    lone->trace[0] = '\0';
}

static inline void lone_keep(struct lone *lone, struct raft_message *list, size_t *count,
                             const struct raft_messages *messages) {
    for (size_t i = 0; i < messages->count; i++) {
        assert_true(*count < LONE_MAX && lone->entry_count + messages->at[i].entries.count < LONE_MAX * 4);
        struct raft_message *message = &list[(*count)++];
        *message = messages->at[i];
        message->entries.at = lone->entries + lone->entry_count;
        for (size_t k = 0; k < message->entries.count; k++)
            lone->entries[lone->entry_count++] = messages->at[i].entries.at[k];
    }
}

/* Takes out all that is ready; applies at once, saves nothing. */
static inline void lone_collect(struct lone *lone) {
    struct raft_ready ready;
    while (raft_ready(lone->raft, &ready)) {
        if (ready.sequence)
            lone->sequence = ready.sequence;
        if (ready.vote) {
            lone->vote = *ready.vote;
            lone->votes++;
        }
        lone_keep(lone, lone->sent, &lone->sent_count, &ready.send);
        lone_keep(lone, lone->promised, &lone->promised_count, &ready.promise);
        for (size_t i = 0; i < ready.save.count; i++)
            lone->saved[lone->saved_count++] = ready.save.at[i];
        for (size_t i = 0; i < ready.apply.count; i++)
            lone->applied[lone->applied_count++] = ready.apply.at[i];
        for (size_t i = 0; i < ready.reads.count; i++)
            lone->reads[lone->read_count++] = ready.reads.at[i];
        for (size_t i = 0; i < ready.fetch.count; i++)
            lone->fetches[lone->fetch_count++] = ready.fetch.at[i];
        for (size_t i = 0; i < ready.snapshots.count; i++)
            lone->snapshots[lone->snapshot_count++] = ready.snapshots.at[i];
        if (ready.restore) {
            lone->restore = *ready.restore;
            lone->restores++;
        }
        strncat(lone->trace, ready.trace, sizeof lone->trace - strlen(lone->trace) - 1);
        if (ready.apply.count)
            raft_applied(lone->raft, ready.apply.at[ready.apply.count - 1].index);
    }
}

/* Takes out all that is ready and makes it durable, until nothing is left. */
static inline void lone_settle(struct lone *lone) {
    uint64_t told = 0;
    lone_collect(lone);
    while (lone->sequence > told) {
        told = lone->sequence;
        raft_saved(lone->raft, lone->now_ms, told);
        lone_collect(lone);
    }
}

static inline void lone_step(struct lone *lone, struct raft_message message) {
    message.to = 1;
    raft_step(lone->raft, lone->now_ms, &message);
}

/* Time passes and is told. */
static inline void lone_wait(struct lone *lone, uint64_t ms) {
    lone->now_ms += ms;
    raft_tick(lone->raft, lone->now_ms);
}

static inline struct raft_status lone_status(const struct lone *lone) {
    struct raft_status status;
    raft_status(lone->raft, &status);
    return status;
}

static inline enum raft_role lone_role(const struct lone *lone) {
    return lone_status(lone).role;
}

/* The messages of one type that were sent or, if it is not saved yet, promised to a peer (0: to anybody). */
static inline size_t lone_count(const struct lone *lone, enum raft_message_type type, raft_id to) {
    size_t count = 0;
    for (size_t i = 0; i < lone->sent_count; i++)
        count += lone->sent[i].type == type && (!to || lone->sent[i].to == to);
    for (size_t i = 0; i < lone->promised_count; i++)
        count += lone->promised[i].type == type && (!to || lone->promised[i].to == to);
    return count;
}

/* The last of them; NULL when there is none. */
static inline const struct raft_message *lone_last(const struct lone *lone, enum raft_message_type type,
                                                   raft_id to) {
    for (size_t i = lone->sent_count; i > 0; i--)
        if (lone->sent[i - 1].type == type && (!to || lone->sent[i - 1].to == to))
            return &lone->sent[i - 1];
    for (size_t i = lone->promised_count; i > 0; i--)
        if (lone->promised[i - 1].type == type && (!to || lone->promised[i - 1].to == to))
            return &lone->promised[i - 1];
    return NULL;
}

/* The core stands: its timer has run out, all pre-votes are granted. */
static inline void lone_stand(struct lone *lone) {
    lone_wait(lone, 2 * LONE_TIMEOUT_MS);
    lone_collect(lone);
    struct raft_status status = lone_status(lone);
    for (raft_id from = 2; status.role == RAFT_PRE_CANDIDATE && from <= 7; from++) {
        lone_step(lone,
                  (struct raft_message){.type = RAFT_PRE_VOTE_REPLY, .from = from, .term = status.term + 1});
        status.role = lone_role(lone);
    }
    assert_int_equal(lone_role(lone), RAFT_CANDIDATE);
}

/* The core is elected with everybody's vote, its no-op saved; nothing is answered yet. */
static inline void lone_lead(struct lone *lone) {
    lone_stand(lone);
    lone_settle(lone);
    raft_term term = lone_status(lone).term;
    for (raft_id from = 2; lone_role(lone) == RAFT_CANDIDATE && from <= 7; from++)
        lone_step(lone, (struct raft_message){.type = RAFT_VOTE_REPLY, .from = from, .term = term});
    assert_int_equal(lone_role(lone), RAFT_LEADER);
    lone_settle(lone);
}

/* A follower acknowledges everything through `index`. */
static inline void lone_ack(struct lone *lone, raft_id from, raft_index index) {
    lone_step(lone,
              (struct raft_message){
                  .type = RAFT_APPEND_REPLY, .from = from, .term = lone_status(lone).term, .index = index});
}

static inline raft_index lone_propose(struct lone *lone, const char *text) {
    struct raft_blob *blob = raft_blob_new(strlen(text));
    raft_index index;
    raft_term term;
    memcpy(blob->bytes, text, blob->length);
    assert_int_equal(raft_propose(lone->raft, blob, &index, &term), RAFT_OK);
    raft_blob_unref(blob);
    return index;
}

/* An append with entries of the given terms: "2 2 3". The entries are no-ops: their data does not matter. */
static inline void lone_append(struct lone *lone, struct raft_message message, const char *terms) {
    struct raft_entry entries[64];
    message.type = RAFT_APPEND;
    message.entries.at = entries;
    for (const char *at = terms; *at; at += *at == ' ') {
        char *end;
        entries[message.entries.count] = (struct raft_entry){
            .index = message.index + message.entries.count + 1,
            .term = strtoull(at, &end, 10),
            .type = RAFT_ENTRY_NOOP,
        };
        message.entries.count++;
        at = end;
    }
    lone_step(lone, message);
}

/* Whether the log's terms are exactly these. */
static inline void lone_expect_log(const struct lone *lone, const char *terms) {
    raft_index index = lone_status(lone).base_index;
    for (const char *at = terms; *at; at += *at == ' ') {
        char *end;
        assert_int_equal(raft_term_at(lone->raft, ++index), strtoull(at, &end, 10));
        at = end;
    }
    assert_int_equal(lone_status(lone).last_index, index);
}

/* ---- members --------------------------------------------------------------------------------------------- */

/* A list from words: "1v 2v 3l 4r", each perhaps with data: "2v=b:1". */
static inline struct raft_blob *lone_members(const char *text) {
    struct raft_member members[RAFT_MEMBERS_MAX * 2];
    size_t count = 0;
    while (*text) {
        char *end;
        struct raft_member *member = &members[count++];
        *member = (struct raft_member){.id = strtoull(text, &end, 10)};
        member->kind = *end == 'v' ? RAFT_VOTER : *end == 'l' ? RAFT_LEARNER : RAFT_REMOVED;
        if (end[1] == '=') {
            member->data = end + 2;
            member->length = strcspn(member->data, " ");
        }
        text = end + strcspn(end, " ");
        text += *text == ' ';
    }
    return raft_members_encode(members, count);
}

static inline void lone_expect_list(const struct raft_blob *list, const char *text) {
    struct raft_blob *expected = lone_members(text);
    assert_int_equal(list->length, expected->length);
    assert_memory_equal(list->bytes, expected->bytes, expected->length);
    raft_blob_unref(expected);
}

/* The list that holds, and the entry that made it. */
static inline void lone_expect_members(const struct lone *lone, const char *text, raft_index made_by) {
    raft_index index;
    lone_expect_list(raft_members(lone->raft, &index), text);
    assert_int_equal(index, made_by);
}

static inline enum raft_result lone_change(struct lone *lone, enum raft_change_type type, raft_id id) {
    struct raft_change change = {.type = type, .id = id};
    raft_index index;
    raft_term term;
    enum raft_result result = raft_change(lone->raft, lone->now_ms, &change, &index, &term);
    if (result == RAFT_OK) {
        assert_int_equal(index, lone_status(lone).last_index);
        assert_int_equal(term, lone_status(lone).term);
    }
    return result;
}

/* An append of one entry with a list. */
static inline void lone_append_members(struct lone *lone, struct raft_message message, raft_term term,
                                       const char *text) {
    struct raft_entry entry = {message.index + 1, term, RAFT_ENTRY_MEMBERS, lone_members(text)};
    message.type = RAFT_APPEND;
    message.entries = (struct raft_entries){&entry, 1};
    lone_step(lone, message);
    raft_blob_unref(entry.data);
}

static inline void lone_open_members(struct lone *lone, const char *members, const char *log) {
    struct raft_blob *list = lone_members(members);
    lone_open(lone, (struct lone_start){.members = list, .log = log});
    raft_blob_unref(list);
}

/* A leader of three with an empty log before its no-op (index 1), which all have. */
static inline void lone_open_leader(struct lone *lone, struct raft_config config) {
    lone_open(lone, (struct lone_start){.voters = 3, .config = config});
    lone_lead(lone);
    lone_ack(lone, 2, 0); /* the probes fit: pipelining */
    lone_ack(lone, 3, 0);
    lone_settle(lone);
    lone_ack(lone, 2, 1);
    lone_ack(lone, 3, 1);
    lone_settle(lone);
    assert_true(lone_status(lone).serving);
    lone_forget(lone);
}

/* Core 1 leads term 2 by this list, and its no-op, entry 2, is committed. */
static inline void lone_lead_members(struct lone *lone, const char *members, raft_index promote_lag_max) {
    struct raft_blob *list = lone_members(members);
    lone_open(lone,
              (struct lone_start){
                  .members = list, .log = "1", .applied = 1, .config = {.promote_lag_max = promote_lag_max}});
    raft_blob_unref(list);
    lone_lead(lone);
    for (raft_id from = 2; from <= 5; from++)
        lone_ack(lone, from, 2);
    lone_settle(lone);
    assert_int_equal(lone_status(lone).commit, 2);
    lone_forget(lone);
}

/* These are heard now; time goes on for an election timeout and more, in which the others are not. */
static inline void lone_hear_only(struct lone *lone, const char *ids) {
    for (int i = 0; i < 12; i++) {
        lone_wait(lone, LONE_HEARTBEAT_MS);
        for (const char *at = ids; *at; at++)
            lone_ack(lone, (raft_id)(*at - '0'), 0);
        lone_settle(lone);
    }
    assert_int_equal(lone_role(lone), RAFT_LEADER);
    lone_forget(lone);
}

#endif
