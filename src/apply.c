/* SPDX-License-Identifier: MIT */
/*
 * From a committed entry to the keyspace and the replies.
 *
 * Applying sees only the entry and the keyspace: the clock is the entry's, the seed its index. It never proposes and never
 * fails: what can be refused was refused before it was proposed. Only the node that took a command has a lane for it and builds replies; an
 * entry whose lane has another term is not the one that was proposed, so that one certainly did not happen.
 */
#include <assert.h>
#include <time.h>

#include "cmd/transactions.h"
#include "node_state.h"

enum {
    TIMED_EVERY = 64, /* one call in so many is timed, and counts for all of them */
    RECLAIM_PER_ENTRY =
        256, /* keys freed behind each entry; the same on every node, for freeing changes SCAN's order */
};

uint64_t apply_clock_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* A good mixer of one word (the finalizer of SplitMix64, Steele et al. 2014): neighbouring indexes give unrelated seeds. */
static uint64_t mix(uint64_t word) {
    word += 0x9e3779b97f4a7c15;
    word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9;
    word = (word ^ (word >> 27)) * 0x94d049bb133111eb;
    return word ^ (word >> 31);
}

/* A container's subcommands are not counted: they are no rows of the table. */
struct command_statistics *apply_statistics(struct node *node, const struct command *command) {
    size_t number = command_number(command);
    return number < command_count() ? &node->statistics.calls[number] : NULL;
}

/* NULL: it is not counted. */
static struct command_statistics *counted_in(struct node *node, const struct command *command) {
    return node->replays ? NULL : apply_statistics(node, command);
}

void apply_call(struct node *node, const struct command *command, struct call *call,
                const struct session *session) {
    struct command_statistics *statistics = counted_in(node, command);
    struct resp_buf *buf = call->reply->buf;
    size_t mark = buf ? resp_buf_length(buf) : 0;
    bool sampled = statistics && statistics->calls++ % TIMED_EVERY == 0;
    bool timed = !node->replays && status_times_commands(node);
    uint64_t begun_us = !sampled && !timed ? 0 : node->call_ended_us ? node->call_ended_us : apply_clock_us();
    call->command = command;
    call->audience = node->audience;
    call->no_touch = session && session->no_touch;
    command->run(call);
    node->call_ended_us = sampled || timed ? apply_clock_us() : 0;
    uint64_t us = node->call_ended_us - begun_us;
    if (statistics && (sampled || timed))
        statistics->us += timed ? us : TIMED_EVERY * us;
    if (timed)
        status_took(node, command, call->args, call->count, session, us);
    if ((command->flags & COMMAND_READONLY) && !call->due) {
        node->statistics.hits += call->hits;
        node->statistics.misses += call->misses;
    }
    connection_count_reply(node, command, call->reply, mark);
    if (call->due)
        events_cut(&node->events, 0); /* it is read again */
    deliver_told(node);
}

/* The gate let it in; the entry's level is ours. */
static void must_be_known(const struct command *row, const struct resp_command *command) {
    assert(row && row->run && command_arity_ok(row, command->count));
}

void apply_uncount(struct node *node, const struct command *command) {
    struct command_statistics *statistics = counted_in(node, command);
    node->statistics.commands--;
    if (statistics)
        statistics->calls--;
}

static struct call look_of(struct node *node, const struct resp_command *command, unsigned db,
                           uint64_t wall_ms, uint64_t version, struct resp_out *out) {
    return (struct call){
        .keyspace = node->keyspace,
        .args = command->args,
        .count = command->count,
        .db = db,
        .wall_ms = wall_ms,
        .seed = mix(node->seed++ ^ version),
        .reply = out,
    };
}

bool apply_look(struct node *node, const struct resp_command *command, unsigned db, uint64_t wall_ms,
                uint64_t version, struct resp_out *out, const struct session *session) {
    struct call call = look_of(node, command, db, wall_ms, version, out);
    const struct command *row = command_find(command->args, command->count);
    must_be_known(row, command);
    apply_call(node, row, &call, session);
    return call.due;
}

/* A waiting read, at its place. True when it met a key that is due. */
bool apply_read(struct node *node, const struct lane *lane, const struct pending_item *item, uint64_t wall_ms,
                uint64_t version) {
    if (item->queued > 0)
        return transaction_answer(node, lane, item, wall_ms, version);
    static const struct resp_limits stored = {
        .bulk_max = SIZE_MAX / 4, .args_max = SIZE_MAX / 4, .inline_max = SIZE_MAX / 4};
    struct resp_command command;
    resp_parser_reset(node->item_parser);
    enum resp_outcome outcome =
        resp_parse(node->item_parser, lane_bytes(lane, item), item->length, &stored, &command);
    assert(outcome == RESP_COMMAND);
    (void)outcome;
    struct resp_out out = connection_out(item);
    deliver_listen(node, false);
    deliver_before(node, out.buf);
    size_t mark = out.buf ? resp_buf_length(out.buf) : 0;
    struct call call = look_of(node, &command, item->db, wall_ms, version, &out);
    const struct command *row = command_find(command.args, command.count);
    must_be_known(row, &command);
    call.looks = row->flags & COMMAND_BLOCKING;
    apply_call(node, row, &call, &item->connection->session);
    if ((call.due || call.end == CALL_BLOCKS) && out.buf)
        resp_buf_truncate(out.buf, mark);
    if (call.looks && !call.due)
        block_looked(node, item->connection, &call);
    if (!call.due && row->run == cmd_watch)
        transaction_watch(node, item->connection, item->db, &command);
    return call.due;
}

void apply_reply(const struct lane *lane, const struct pending_item *item) {
    struct resp_out out = connection_out(item);
    if (out.buf)
        resp_buf_append(out.buf, lane_bytes(lane, item), item->length);
}

/* ---- replies, while others are still being made ------------------------------------------------------------------ */

/*
 * A reply could wait for the end of the turn, as all else that is sent does. But an entry may hold a thousand writes, and whoever sent the first
 * of them can read its reply, and write again, on another CPU while this one applies the rest:
 *
 *      at the end of the turn    applied 1 2 3 ... 200 | sent 1 2 3 ... 200        the clients wait for all of the first part
 *      in groups                 applied, sent, applied, sent, applied, sent ...   they work beside it
 *
 * Before a client is sent anything, the other members are. Who waits for more of this entry, or of a later one, gets all of it at once.
 */
static void send_answered(struct node *node) {
    deliver_before(node, NULL); /* what is to stand before a reply has its place there */
    net_flush_clients(node->net, node->answered.at, node->answered.count);
    node->answered.count = 0;
}

static void answered(struct node *node, struct connection *connection) {
    struct client *client = connection->pending == 1 ? connection->client : NULL;
    connection_answered(node, connection); /* it may be gone now, its client is not */
    if (!client)
        return;
    node->answered.at[node->answered.count++] = client;
    if (node->answered.count == APPLY_ANSWERED_MAX)
        send_answered(node);
}

/* Answers riders and ready replies from *at on, up to the next write. */
static void answer_riders(struct node *node, const struct lane *lane, size_t *at, uint64_t version) {
    for (; *at < lane->count && lane->items[*at].kind != PENDING_WRITE; ++*at) {
        const struct pending_item *item = &lane->items[*at];
        if (item->kind == PENDING_MOVED)
            continue;
        if (item->kind == PENDING_READ)
            apply_read(node, lane, item, keyspace_clock(node->keyspace), version);
        else
            apply_reply(lane, item);
        answered(node, item->connection);
    }
}

/* `databases` is part of what the log means: with fewer of them this node would not be the others' replica. */
static bool database_exists(struct node *node, unsigned db, raft_index index) {
    if (db < keyspace_databases(node->keyspace))
        return true;
    node_fail(node,
              "entry %llu uses database %u, and this node has %u: set `databases` as on the other members "
              "and start again",
              (unsigned long long)index, db, keyspace_databases(node->keyspace));
    return false;
}

/* What is for the node, and not for the keyspace. */
static bool is_mark(struct node *node, const struct entry_reader *reader, const struct resp_command *command,
                    raft_index index) {
    if (level_is(command))
        level_applied(node, index, command);
    else if (audit_is(command, reader->level))
        audit_applied(node, index);
    else
        return false;
    return true;
}

const struct ahead_command *apply_next(struct node *node, raft_index index) {
    const struct ahead_command *command = ahead_next(node->ahead, node->keyspace);
    return command && database_exists(node, command->db, index) ? command : NULL;
}

static struct call call_of(struct node *node, const struct entry_reader *reader,
                           const struct ahead_command *command, raft_index index, size_t *position,
                           struct resp_out *out) {
    must_be_known(command->row, &command->words);
    return (struct call){
        .keyspace = node->keyspace,
        .args = command->words.args,
        .count = command->words.count,
        .db = command->db,
        .wall_ms = reader->clock_ms,
        .version = index,
        .no_room = command->no_room,
        .seed = mix(index ^ mix((*position)++)),
        .reply = out,
    };
}

enum call_end apply_command(struct node *node, const struct entry_reader *reader,
                            const struct ahead_command *command, raft_index index, size_t *position,
                            struct resp_out *out, const struct session *session) {
    struct call call = call_of(node, reader, command, index, position, out);
    apply_call(node, command->row, &call, session);
    return call.end;
}

/* A transaction whose sender waits behind this proxy: as if it were in a lane of ours, but for where the reply goes. */
static void apply_claimed_transaction(struct node *node, const struct entry_reader *reader,
                                      const struct entry_transaction *head, raft_index index,
                                      size_t *position, const struct proxy_claim *claim) {
    const struct proxy_transaction *said = proxy_claim_transaction(claim);
    struct connection *connection = claim->proxy->connection;
    struct resp_buf *reply = said && connection->client ? proxy_claim_begin(claim) : NULL;
    if (!reply) {
        transaction_apply(node, reader, head, index, position, NULL, NULL);
        return;
    }
    struct lane *lane = lane_new();
    struct pending_item *item = lane_add_bytes(lane, connection, PENDING_WRITE, resp_buf_bytes(&said->queue),
                                               resp_buf_length(&said->queue));
    item->db = connection->session.db;
    item->protocol = (uint8_t)connection->session.protocol;
    item->queued = 1 + (uint32_t)said->count;
    struct resp_buf out = connection->client->out;
    connection->client->out = *reply;
    transaction_apply(node, reader, head, index, position, lane, item);
    *reply = connection->client->out;
    connection->client->out = out;
    lane_free(lane);
}

static void apply_claimed(struct node *node, const struct entry_reader *reader,
                          const struct ahead_command *command, raft_index index, size_t *position,
                          const struct proxy_claim *claim) {
    const struct session *session = &claim->proxy->connection->session;
    struct entry_transaction head;
    enum call_end end = CALL_DONE;
    if (entry_is_transaction(&command->words, &head)) {
        apply_claimed_transaction(node, reader, &head, index, position, claim);
    } else {
        struct resp_out out = {.buf = proxy_claim_begin(claim), .protocol = session->protocol};
        end = apply_command(node, reader, command, index, position, &out, session);
    }
    proxy_claim_end(node, claim, end != CALL_BLOCKS);
}

/* With who waits for it, or nobody. */
static void apply_one(struct node *node, const struct entry_reader *reader,
                      const struct ahead_command *command, raft_index index, size_t *position,
                      const struct lane *lane, const struct pending_item *item) {
    struct resp_out out = item ? connection_out(item) : (struct resp_out){.protocol = 2};
    struct entry_transaction head;
    struct proxy_claim claim;
    deliver_before(node, out.buf);
    if (!item && proxy_claims(node, &command->origin, &claim)) {
        apply_claimed(node, reader, command, index, position, &claim);
    } else if (entry_is_transaction(&command->words, &head)) {
        transaction_apply(node, reader, &head, index, position, lane, item);
    } else if (item && item->connection->wait) {
        struct call call = call_of(node, reader, command, index, position, &out);
        block_apply(node, item, command->row, &call);
    } else {
        apply_command(node, reader, command, index, position, &out, item ? &item->connection->session : NULL);
    }
    if (item) {
        item->connection->written = index;
        answered(node, item->connection);
    }
}

static void apply_commands(struct node *node, const struct entry_reader *reader, raft_index index,
                           const struct lane *lane) {
    const struct ahead_command *command;
    size_t at = 0, position = 0;
    node->call_ended_us = 0;
    while ((command = apply_next(node, index))) {
        const struct pending_item *item = NULL;
        if (is_mark(node, reader, &command->words, index))
            continue;
        if (eviction_is(&command->words)) {
            eviction_apply(node, command->db, &command->words);
            continue;
        }
        if (lane) {
            answer_riders(node, lane, &at, index);
            assert(at < lane->count);
            item = &lane->items[at++];
        }
        apply_one(node, reader, command, index, &position, lane, item);
    }
    if (lane)
        answer_riders(node, lane, &at, index);
    if (!node->replays)
        node->statistics.writes_logged += position;
}

/* The lane that waits for exactly this entry. Those that waited for another entry at this index, or one before, are told. */
static struct lane *lane_of(struct node *node, const struct raft_entry *entry) {
    struct lane *found = NULL;
    while (node->writes.first && node->writes.first->index <= entry->index) {
        struct lane *lane = lanes_take_first(&node->writes);
        if (lane->index == entry->index && lane->term == entry->term)
            found = lane;
        else
            outcome_fail(node, lane);
    }
    return found;
}

/* False: this node ends. */
static bool open_entry(struct node *node, const struct raft_entry *entry, struct entry_reader *reader) {
    bool opened = ahead_open(node->ahead, entry->data, reader);
    if (reader->level == 0)
        node_fail(node, "entry %llu is malformed: remove this node and add it again with an empty directory",
                  (unsigned long long)entry->index);
    else if (level_known(node, "entry", entry->index, reader->level))
        assert(opened && reader->level <= node->admission.level);
    return node->end != NODE_FAILED;
}

static void apply_entry(struct node *node, const struct raft_entry *entry) {
    struct lane *lane = lane_of(node, entry);
    if (node->membership.changes)
        membership_applied(node, entry);
    if (entry->type == RAFT_ENTRY_COMMAND) {
        struct entry_reader reader;
        if (!open_entry(node, entry, &reader)) {
            lane_free(lane);
            return;
        }
        node->replays = entry->index <= node->boot.raft.last_index;
        deliver_listen(node, node->replays);
        keyspace_advance(node->keyspace, reader.clock_ms);
        clock_floor(&node->clock, reader.clock_ms, node->now_ms);
        apply_commands(node, &reader, entry->index, lane);
        size_t reclaimed = keyspace_reclaim_due(node->keyspace, RECLAIM_PER_ENTRY);
        deliver_before(node, NULL);
        deliver_told(node);
        node->statistics.expired_keys += reclaimed;
        node->due_left = reclaimed == RECLAIM_PER_ENTRY;
        node->replays = false;
    }
    if (lane) {
        uint64_t us = node->now.mono_us - lane->begun_us;
        gathering_answered(&node->gathering, lane->writes, us - lane->held_us, node->now.mono_us);
        latency_add(&node->commit, node->now_ms, us);
        status_spike(node, SPIKE_COMMIT, us);
    }
    lane_free(lane);
}

/* A few bytes of the log may be much work (each entry also frees keys that are due), and many of them come at once to a node that is
 * behind: so what the turn has no time for is left to the next. */
void apply_entries(struct node *node, const struct raft_entries *entries) {
    size_t i = 0;
    node->answered.count = 0; /* those left over go at the end of their turn */
    do {
        apply_entry(node, &entries->at[i]);
        if (node->end == NODE_FAILED)
            return;
        checkpoint_applied(node, &entries->at[i]);
        node->raft_status.applied = entries->at[i].index;
        node->applied_term = entries->at[i++].term;
    } while (i < entries->count && !node_turn_is_long(node));
    raft_applied(node->raft, node->raft_status.applied);
}
