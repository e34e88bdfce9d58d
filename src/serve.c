/* SPDX-License-Identifier: MIT */
/*
 * From a client's bytes to a lane, a reply, or a wait.
 *
 * A command that cannot go on now stays in its connection's input, unparsed, and the connection is put on the list of those held; the input
 * fills, then the kernel's buffer, then the sender waits. So there is no queue of commands here that could grow.
 */
#include <assert.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/transactions.h"
#include "node_state.h"

enum {
    IN_PAUSE_BYTES = 1024 * 1024, /* input that a held connection may pile up */
    IN_KEPT_BYTES = 64 * 1024,
    ROOM_STEP_BYTES = 16 * 1024 * 1024, /* room made at once for an argument that was announced */
    ENTRY_TARGET_BYTES = 64 * 1024,     /* an entry is closed beyond this: it is applied whole, in one turn */
    PEER_BULK_MAX = 512 * 1024,
};

/* A stranger may say hello, which takes a few more arguments than Redis allows before AUTH. */
static const struct resp_limits stranger_limits = {
    .bulk_max = 16 * 1024, .args_max = ADMISSION_HELLO_WORDS, .inline_max = 64 * 1024, .anonymous = true};
static const struct resp_limits peer_limits = {
    .bulk_max = PEER_BULK_MAX, .args_max = 1024 * 1024, .inline_max = 64 * 1024};

/* A reply that is known now: written at once when nothing is owed before it, else put in its place. False: it must wait. */
static bool may_reply(const struct node *node, const struct connection *connection) {
    return connection->pending == 0 || connection->lane == node->writing ||
           connection->lane == node->reading || connection->lane == node->leasing;
}

static struct resp_buf *reply_begin(struct connection *connection, struct resp_buf *aside) {
    return connection->lane ? aside : &connection->client->out;
}

static void reply_end(struct connection *connection, struct resp_buf *aside) {
    if (connection->lane) {
        struct pending_item *item = lane_add_bytes(connection->lane, connection, PENDING_REPLY,
                                                   resp_buf_bytes(aside), resp_buf_length(aside));
        item->protocol = (uint8_t)connection->session.protocol;
        connection->pending++;
        resp_buf_close(aside);
    } else {
        client_touch(connection->client);
    }
}

/* ---- lanes --------------------------------------------------------------------------------------------------- */

struct lane *serve_writing(struct node *node) {
    if (!node->writing)
        node->writing = lane_new();
    return node->writing;
}

/* CLIENT REPLY SKIP was said just before: this command's reply is left out. */
static bool skip_now(struct session *session) {
    bool skip = session->reply_mode == REPLY_SKIP_NEXT;
    if (skip)
        session->reply_mode = REPLY_ON;
    return skip;
}

static void finish_item(struct pending_item *item, struct connection *connection) {
    struct session *session = &connection->session;
    item->db = session->db;
    item->protocol = (uint8_t)session->protocol;
    item->quiet = skip_now(session) || session->reply_mode == REPLY_OFF;
    connection->pending++;
}

/* ---- one command --------------------------------------------------------------------------------------------- */

enum served {
    SERVED,
    HELD, /* not taken: it stays in the input */
};

static void rewrite_conf(struct node *node, struct resp_out *out) {
    char why[CONF_WHY_MAX];
    if (conf_rewrite(node->conf, why)) {
        log_notice(node->logger, "CONFIG REWRITE has written %s", node->conf->file);
        resp_status(out, "OK");
    } else {
        log_warning(node->logger, "CONFIG REWRITE: %s", why);
        resp_error(out, "ERR Rewriting config file: %s", why);
    }
}

/* SHUTDOWN has no answer: its connection is closed, unless it is taken back. */
static void stop(struct node *node, struct connection *connection, bool at_once) {
    if (!node->stopper) {
        node->stopper = connection;
        connection->awaits = true;
    }
    if (!at_once)
        node_stop(node);
    else
        handover_stop_now(node);
}

static void carry_out(struct node *node, struct connection *connection, const struct wishes *wishes,
                      bool is_quiet, struct resp_out *out) {
    if (wishes->shutdown)
        stop(node, connection, wishes->shutdown_now);
    if (wishes->shutdown_abort)
        handover_stay(node);
    if (wishes->handover_abort)
        handover_abort(node, "Failover manually aborted");
    if (wishes->handover)
        handover_begin(node, wishes->handover_to, wishes->handover_ms, connection, is_quiet);
    if (wishes->member != MEMBER_NO_CHANGE)
        membership_change(node,
                          wishes->member == MEMBER_ADD      ? RAFT_ADD
                          : wishes->member == MEMBER_REMOVE ? RAFT_REMOVE
                                                            : RAFT_SET,
                          wishes->member_id, wishes->member_address, connection, is_quiet);
    if (wishes->conf_changed)
        status_conf_changed(node);
    if (wishes->rewrite_conf)
        rewrite_conf(node, out);
    if (wishes->checkpoint)
        node->checkpoint.wanted = true;
    if (wishes->backup)
        backup_begin(node, wishes->backup, connection, is_quiet, out);
    if (wishes->reset_statistics)
        status_reset(node);
    if (wishes->discard)
        transaction_drop(node, connection);
    if (wishes->unwatch)
        transaction_unwatch(node, connection);
    if (wishes->purge)
        malloc_trim(0);
    if (wishes->monitor)
        monitor_begin(node, connection);
    if (wishes->pause)
        pause_begin(node, wishes->pause_ms, wishes->pause_all);
    if (wishes->unpause)
        pause_end(node);
    if (wishes->killed_self)
        connection->session.close = true;
    if (wishes->wait)
        acks_begin(node, connection, wishes->wait_members, wishes->wait_ms, is_quiet, out);
    if (wishes->unblock_id != 0)
        block_unblock(node, wishes->unblock_id, wishes->unblock_error);
}

/* CLIENT KILL only marks sessions: those marked are closed as soon as they have nothing under way. */
static void close_killed(struct node *node) {
    for (struct client *client = net_first_client(node->net); client; client = net_next_client(client)) {
        struct connection *connection = client->owner;
        if (connection && connection->session.close)
            connection_queue(node, connection);
    }
}

void serve_session(struct node *node, struct connection *connection, const struct command *row,
                   const struct resp_command *command, struct resp_out *out, bool is_quiet) {
    struct report report;
    struct wishes wishes = {0};
    struct session **sessions = NULL;
    struct session_call call = {
        .session = &connection->session,
        .conf = node->conf,
        .slowlog = node->slowlog,
        .spikes = &node->spikes,
        .audience = node->audience,
        .command = row,
        .args = command->args,
        .count = command->count,
        .now_ms = node_wall_ms(node),
        .reply = out,
        .wishes = &wishes,
    };
    if (row->flags & COMMAND_REPORT) {
        status_report(node, &report);
        call.report = &report;
    }
    if (row->flags & COMMAND_SESSIONS)
        call.sessions = sessions = status_sessions(node, &call.session_count);
    uint64_t begun_us = apply_clock_us();
    row->session(&call);
    deliver_classify(connection);
    uint64_t us = apply_clock_us() - begun_us;
    struct command_statistics *statistics = apply_statistics(node, row);
    if (statistics) {
        statistics->calls++;
        statistics->us += us;
    }
    if (status_times_commands(node))
        status_took(node, row, command->args, command->count, &connection->session, us);
    if (call.report)
        status_report_free(&report);
    if (sessions)
        close_killed(node);
    free(sessions);
    carry_out(node, connection, &wishes, is_quiet, out);
}

uint64_t serve_local_ms(struct node *node, const struct command *row) {
    if (row->flags & COMMAND_OVER_DATA)
        return keyspace_clock(node->keyspace);
    return clock_look(&node->clock, node_wall_ms(node), node->now_ms);
}

static void run_local(struct node *node, struct connection *connection, const struct command *row,
                      const struct resp_command *command, struct resp_out *out) {
    node->call_ended_us = 0;
    deliver_listen(node, false);
    deliver_before(node, out->buf);
    if (transaction_is(connection, row)) {
        transaction_run(node, connection, out);
        return;
    }
    (void)apply_look(node, command, connection->session.db, serve_local_ms(node, row), 0, out,
                     &connection->session);
    if (row->run == cmd_watch) {
        transaction_watch_asked(connection);
        transaction_watch(node, connection, connection->session.db, command);
    }
}

static void refuse(struct node *node, struct connection *connection, const struct command *row,
                   const struct resp_command *command, enum gate_verdict verdict, struct resp_out *out) {
    size_t mark = resp_buf_length(out->buf);
    struct resp_command first;
    if (verdict == GATE_ELSEWHERE && transaction_is(connection, row) &&
        transaction_first(node, connection, &first))
        outcome_refuse(node, connection, &first, out);
    else if (verdict == GATE_ELSEWHERE)
        outcome_refuse(node, connection, command, out);
    else
        gate_refuse(verdict, node->conf, row, command->args, command->count, out);
    transaction_refused(node, connection, row, verdict, out, mark);
    connection_count_reply(node, row, out, mark);
}

/* Whether it runs only when nothing is owed to its connection. */
static bool must_be_last(const struct connection *connection, const struct command *row,
                         enum gate_verdict verdict) {
    return (verdict == GATE_SESSION && (row->flags & COMMAND_LATER)) ||
           (verdict == GATE_LOCAL && transaction_is(connection, row));
}

/* Whatever is answered from here at once: a session's command, a local read, a refusal. */
static enum served answer_now(struct node *node, struct connection *connection, const struct command *row,
                              const struct resp_command *command, enum gate_verdict verdict) {
    if (!may_reply(node, connection) || (connection->lane && must_be_last(connection, row, verdict)))
        return HELD;
    bool skip = skip_now(&connection->session) && !(row && strcmp(row->name, "client|reply") == 0);
    struct resp_buf aside = {0};
    struct resp_out out = {.buf = reply_begin(connection, &aside), .protocol = connection->session.protocol};
    size_t mark = resp_buf_length(out.buf);
    if (verdict == GATE_LOCAL) {
        run_local(node, connection, row, command, &out);
    } else if (verdict == GATE_SESSION) {
        serve_session(node, connection, row, command, &out,
                      skip || connection->session.reply_mode == REPLY_OFF);
        connection_count_reply(node, row, &out, mark);
    } else if (verdict == GATE_QUEUE) {
        transaction_queue(connection, row, command);
        resp_status(&out, "QUEUED");
    } else {
        refuse(node, connection, row, command, verdict, &out);
    }
    bool pushed = verdict == GATE_SESSION && (row->flags & COMMAND_PUSH);
    if ((skip || connection->session.reply_mode == REPLY_OFF) && !pushed)
        resp_buf_truncate(out.buf, mark);
    if (verdict == GATE_DENIED)
        connection->session.close = true;
    reply_end(connection, &aside);
    return SERVED;
}

/* All that the connection waits for are reads and replies of this turn, in a row. */
static bool all_in_this_turn(const struct node *node, const struct connection *connection) {
    return (connection->lane == node->reading || connection->lane == node->leasing) &&
           lane_tail_of(connection->lane, connection) == connection->pending;
}

/* False: too much is uncommitted. Another entry is begun when this one is full. */
static bool make_room(struct node *node, size_t raw_length) {
    size_t size = raw_length + ENTRY_OVERHEAD_MAX;
    if (node->raft_status.uncommitted_bytes + entry_size(&node->batch) + size >
            node->conf->uncommitted_bytes_max &&
        (node->raft_status.uncommitted_bytes > 0 || node->writing))
        return false;
    if (node->batch.count > 0 && entry_size(&node->batch) + size > ENTRY_TARGET_BYTES)
        node_propose(node);
    return true;
}

static enum served take_write(struct node *node, struct connection *connection, const struct command *row,
                              const struct resp_command *command) {
    bool transaction = transaction_is(connection, row);
    bool behind_reads = connection->lane && connection->lane->token != 0;
    if (behind_reads && !all_in_this_turn(node, connection))
        return HELD; /* reads of an earlier turn come first */
    if (checkpoint_is_behind(node))
        return HELD; /* what it has still to write would be copied faster than it is written */
    if (!make_room(node, transaction ? transaction_size(connection) : command->raw_length))
        return HELD;
    size_t growth = transaction ? transaction_growth(node, connection)
                                : eviction_growth(node, connection->session.db, row, command);
    if (!eviction_admit(node, growth))
        return HELD; /* victims go first */
    struct lane *lane = serve_writing(node);
    lane->growth += growth;
    assert(connection->via == 0 || lane->only == 0 || lane->only == connection->origin_term);
    lane->only = connection->via ? connection->origin_term : lane->only;
    if (behind_reads)
        lane_take_tail(connection->lane, lane, connection->pending);
    connection->lane = lane;
    if ((transaction ? connection->transaction.flags : row->flags) & COMMAND_LOGGED)
        entry_add_room(&node->batch, eviction_full(node) || node->disk.low);
    if (transaction) {
        finish_item(transaction_write(node, connection, lane), connection);
        return SERVED;
    }
    if (connection->via)
        entry_add_origin(&node->batch, &connection->origin);
    entry_add(&node->batch, connection->session.db, command);
    finish_item(lane_add(lane, connection, PENDING_WRITE), connection);
    return SERVED;
}

bool serve_again(struct node *node, struct connection *connection, unsigned db,
                 const struct resp_command *command, bool quiet) {
    assert(connection->pending == 0 && !connection->lane);
    if (!make_room(node, command->raw_length))
        return false;
    connection->lane = serve_writing(node);
    if (connection->via) {
        struct origin origin = connection->origin;
        origin.request--; /* the last one that came waits, and nothing else was served since */
        connection->lane->only = connection->origin_term;
        entry_add_origin(&node->batch, &origin);
    }
    entry_add(&node->batch, db, command);
    struct pending_item *item = lane_add(connection->lane, connection, PENDING_WRITE);
    item->db = db;
    item->protocol = (uint8_t)connection->session.protocol;
    item->quiet = quiet;
    connection->pending++;
    return true;
}

/* What a fast command tells of a collection is little, and what another tells at most all of it. */
static size_t value_estimate(const struct command *row, const struct item *item) {
    if (item_type(item) == VALUE_STRING)
        return item_string(item).length;
    return row->flags & COMMAND_FAST ? 0 : item_memory(item);
}

/* Bytes of the values that a read asks for, as they are now. */
static size_t reply_estimate(const struct node *node, const struct connection *connection,
                             const struct command *row, const struct resp_command *command) {
    size_t bytes = 0;
    struct command_places places;
    for (size_t at = 0; row->keys && row->keys[at].flags; at++) {
        if (!command_places(row, at, command->args, command->count, &places))
            continue;
        for (size_t i = places.first; i <= places.last && i < command->count; i += places.step) {
            struct item *item = keyspace_find(node->keyspace, connection->session.db, &command->args[i]);
            bytes += item ? value_estimate(row, item) : 0;
        }
    }
    return bytes;
}

/* What the connection's reads stand on. */
static enum conf_consistency consistency_of(const struct node *node, const struct connection *connection) {
    unsigned own = connection->session.consistency;
    return own ? (enum conf_consistency)(own - 1) : node->conf->read_consistency;
}

static enum served take_read(struct node *node, struct connection *connection, const struct command *row,
                             const struct resp_command *command) {
    bool transaction = transaction_is(connection, row);
    if (connection->lane && connection->lane->token == 0 && connection->lane != node->writing)
        return HELD; /* behind a write that is proposed already */
    if (connection->lane && connection->lane == node->stalled)
        return HELD; /* it has not taken the replies to what it read before */
    if (transaction && connection->lane && connection->lane == node->writing)
        return HELD; /* how long its replies are is not known */
    if (connection->lane && connection->lane == node->writing) {
        connection->rider_bytes += reply_estimate(node, connection, row, command);
        if (connection->rider_bytes > NODE_OUT_PATIENCE_BYTES)
            return HELD; /* replies to riders are all made at once */
    }
    bool once = transaction || row->run == cmd_watch; /* what stands on a lease may be done twice */
    bool lease = !once && consistency_of(node, connection) == CONF_LEASE && !(row->flags & COMMAND_BLOCKING);
    if (connection->lane && connection->lane == node->leasing && !lease)
        return HELD; /* what stands on a lease may be answered sooner than this */
    if (!connection->lane || (connection->lane != node->writing && connection->lane != node->leasing))
        connection->lane = reads_lane(node, lease && connection->lane == NULL);
    struct pending_item *item = transaction ? transaction_read(connection, connection->lane)
                                            : lane_add_bytes(connection->lane, connection, PENDING_READ,
                                                             command->raw, command->raw_length);
    if (!transaction)
        reads_note_words(item, row, command);
    finish_item(item, connection);
    if (row->run == cmd_watch)
        transaction_watch_asked(connection);
    return SERVED;
}

/* A command that may have to wait. Wrong arguments are answered as those of any write. */
static enum served take_blocking(struct node *node, struct connection *connection, const struct command *row,
                                 const struct resp_command *command) {
    struct command_wait wanted;
    bool reads = row->flags & COMMAND_READONLY;
    if (!command_waits(command->args, command->count, row, &wanted))
        return (reads ? take_read : take_write)(node, connection, row, command);
    bool first = !reads && block_is_first(node, connection->session.db, command, &wanted);
    enum served served =
        first ? take_write(node, connection, row, command) : take_read(node, connection, row, command);
    if (served == SERVED)
        block_begin(node, connection, command, &wanted);
    return served;
}

static struct gate gate_of(struct node *node, const struct connection *connection) {
    const struct raft_status *status = &node->raft_status;
    const struct session *session = &connection->session;
    bool newest = session->consistency != 0 && session->consistency != 1 + CONF_STALE;
    return (struct gate){
        .denied = connection->denied,
        .removed = node->state == REPORT_REMOVED,
        .loading = node->state == REPORT_LOADING,
        .serving = status->serving && !node->audit.differs,
        .handing_over = handover_holds(node),
        .stale = status->role == RAFT_LEADER && !connection->lane &&
                 consistency_of(node, connection) == CONF_STALE,
        .through = session->readonly && newest && !node->audit.differs && status->role != RAFT_LEADER,
        .newest = newest,
        .elsewhere = status->role != RAFT_LEADER && status->leader != 0,
        .stopping = node->stopping,
        .caught_up = node->caught_up && !node->audit.differs,
        .full = eviction_full(node),
        .disk_low = node->disk.low,
        .entry_bytes_max = node->conf->entry_bytes_max,
    };
}

/* A browser that was made to send a request here (cross-protocol scripting): as in Redis, nothing of it is answered. */
static bool is_http(const struct command *row, const struct resp_command *command) {
    return !row && (resp_arg_is(&command->args[0], "POST") || resp_arg_is(&command->args[0], "Host:"));
}

static enum served serve_one(struct node *node, struct connection *connection,
                             const struct resp_command *command) {
    if (peers_command(node, connection, command))
        return SERVED;
    struct session *session = &connection->session;
    const struct command *row = command_find(command->args, command->count);
    if (is_http(row, command)) {
        resp_buf_truncate(&connection->client->out, 0);
        session->close = true;
        return SERVED;
    }
    const struct gate gate = gate_of(node, connection);
    enum gate_verdict verdict = gate_judge(&gate, row, session, command->count, command->raw_length);
    if (session->multi.open)
        verdict = transaction_judge(connection, &gate, row, command, verdict);
    if (verdict == GATE_WRITE && proxied_is_stale(node, connection))
        verdict = GATE_ELSEWHERE;
    verdict = proxy_judge(node, connection, row, command, verdict);
    if (verdict != GATE_PROXY && proxy_pending(connection)) {
        connection_hold(node, connection, HOLD_ORDER);
        return HELD;
    }
    enum served served;
    if (pause_holds(node, row, verdict)) {
        connection_hold(node, connection, HOLD_PAUSE);
        return HELD;
    }
    switch (verdict) {
    case GATE_WAIT:
        if (connection->hold_until_ms == 0)
            connection->hold_until_ms = node->now_ms + 2ull * node->conf->election_timeout_ms;
        if (node->now_ms < connection->hold_until_ms && !node->stopping) {
            connection_hold(node, connection, HOLD_LEADER);
            return HELD;
        }
        served = answer_now(node, connection, row, command, GATE_ELSEWHERE);
        break;
    case GATE_WRITE:
        served = row->flags & COMMAND_BLOCKING ? take_blocking(node, connection, row, command)
                                               : take_write(node, connection, row, command);
        break;
    case GATE_READ:
        served = row->flags & COMMAND_BLOCKING ? take_blocking(node, connection, row, command)
                                               : take_read(node, connection, row, command);
        break;
    case GATE_PROXY:
        if (!proxy_take(node, connection, row, command))
            return HELD;
        served = SERVED;
        break;
    default:
        served = answer_now(node, connection, row, command, verdict);
    }
    if (served == HELD) {
        connection_hold(node, connection, connection->pending > 0 ? HOLD_ORDER : HOLD_ROOM);
        return HELD;
    }
    if (verdict == GATE_ELSEWHERE && node->busy_ms != 0)
        node->busy_ms = node->now_ms;
    if (node->monitors.count > 0 && verdict <= GATE_PROXY)
        monitor_show(node, session, row, command);
    session->last = row ? row : session->last;
    session->commands++;
    connection->origin.request++;
    return SERVED;
}

/* ---- one connection ------------------------------------------------------------------------------------------ */

static const struct resp_limits *limits_of(const struct node *node, const struct connection *connection,
                                           struct resp_limits *own) {
    if (connection->peer)
        return &peer_limits;
    if (!connection->session.authenticated || connection->denied)
        return &stranger_limits;
    *own = resp_limits_redis;
    own->bulk_max = node->conf->bulk_max;
    return own;
}

static void protocol_error(struct node *node, struct connection *connection) {
    if (!may_reply(node, connection)) {
        connection_hold(node, connection, HOLD_ORDER);
        return;
    }
    struct resp_buf aside = {0};
    struct resp_out out = {.buf = reply_begin(connection, &aside), .protocol = 2};
    size_t mark = resp_buf_length(out.buf);
    resp_error(&out, "%s", resp_parser_error(connection->parser));
    connection_count_reply(node, NULL, &out, mark);
    reply_end(connection, &aside);
    connection->session.close = true;
}

static bool may_go_on(struct node *node, struct connection *connection) {
    if (!connection->client || connection->session.close || connection->wait)
        return false;
    if (connection->transaction.fence) {
        connection_hold(node, connection, HOLD_ORDER);
        return false;
    }
    if (connection->awaits) {
        connection_hold(node, connection, HOLD_REPLY);
        return false;
    }
    if (connection_is_unread(connection) && !connection->peer) {
        connection_hold(node, connection, HOLD_UNREAD);
        return false;
    }
    return true;
}

/* How many bytes more the command that is coming in is known to need, at most ROOM_STEP_BYTES: what is promised is not yet sent. */
static size_t room_wanted(const struct connection *connection, size_t have) {
    size_t wanted = resp_parser_wanted(connection->parser);
    size_t missing = wanted > have ? wanted - have : 0;
    return missing < ROOM_STEP_BYTES ? missing : ROOM_STEP_BYTES;
}

static void parse_input(struct node *node, struct connection *connection) {
    struct client *client = connection->client;
    size_t done = 0, room = 0;
    while (may_go_on(node, connection)) {
        struct resp_limits own;
        struct resp_command command;
        size_t length = resp_buf_length(&client->in) - done;
        if (length == 0)
            break;
        enum resp_outcome outcome = resp_parse(connection->parser, resp_buf_bytes(&client->in) + done, length,
                                               limits_of(node, connection, &own), &command);
        if (outcome == RESP_INVALID) {
            protocol_error(node, connection);
            break;
        }
        if (outcome == RESP_INCOMPLETE) {
            room = room_wanted(connection, length);
            break;
        }
        if (command.count > 0 && serve_one(node, connection, &command) == HELD) {
            resp_parser_reset(connection->parser);
            break;
        }
        done += command.consumed;
    }
    if (done > 0)
        resp_buf_consume(&client->in, done, IN_KEPT_BYTES);
    if (room > IN_KEPT_BYTES)
        resp_buf_reserve(&client->in, room);
    if (connection->hold != HOLD_LEADER && connection->hold != HOLD_UPSTREAM)
        connection->hold_until_ms = 0; /* one patience for all that came together, not one for each command */
}

static void serve_connection(struct node *node, struct connection *connection) {
    struct client *client = connection->client;
    connection_unhold(node, connection);
    if (client->gone || connection->session.close)
        proxy_leave(node, connection);
    parse_input(node, connection);
    if (!connection->client)
        return;
    if (connection->dismissed && connection->pending == 0 && connection->hold == HOLD_NONE)
        connection->session.close = true;
    bool waits = connection->hold != HOLD_NONE || connection->wait;
    client_pause(client, waits && resp_buf_length(&client->in) > IN_PAUSE_BYTES);
    if (client->gone && connection->pending == 0)
        connection_close(node, connection);
    else if (connection->session.close && connection->pending == 0)
        client_close_after_flush(client);
    else if (client->ended)
        client_hold(client, (connection->pending > 0 || connection->hold != HOLD_NONE) &&
                                !proxy_is_endless(connection));
}

/* ---- the turn's part ------------------------------------------------------------------------------------------- */

void serve_news(struct node *node) {
    for (struct client *client; (client = net_take_client(node->net));) {
        struct connection *connection = client->owner;
        if (!connection)
            connection = connection_open(node, client);
        connection->session.active_ms = node_wall_ms(node);
        if (connection->peer)
            serve_connection(node, connection);
        else
            connection_queue(node, connection);
    }
}

static bool hold_is_over(const struct node *node, const struct connection *connection) {
    switch (connection->hold) {
    case HOLD_ORDER:
        return connection->pending == 0;
    case HOLD_LEADER:
        return (node->raft_status.serving && !handover_holds(node)) ||
               (node->raft_status.leader != 0 && node->raft_status.role != RAFT_LEADER) ||
               node->now_ms >= connection->hold_until_ms || node->stopping;
    case HOLD_UPSTREAM:
        return proxy_may_go_on(node, connection);
    case HOLD_PAUSE:
        return !pause_is_on(node);
    case HOLD_REPLY:
        return !connection->awaits;
    case HOLD_UNREAD:
        return !connection_is_unread(connection);
    default:
        return true;
    }
}

static struct connection *take_queued(struct node *node) {
    struct connection *connection = node->serve_first;
    if (!connection)
        return NULL;
    node->serve_first = connection->serve_next;
    if (!node->serve_first)
        node->serve_last = NULL;
    connection->to_serve = false;
    return connection;
}

void serve_commands(struct node *node) {
    for (struct connection *connection = node->held; connection; connection = connection->held_next)
        if (hold_is_over(node, connection))
            connection_queue(node, connection);
    for (struct connection *connection; (connection = take_queued(node));)
        if (connection->client)
            serve_connection(node, connection);
        else if (connection->pending == 0)
            connection_forget(node, connection);
}

bool serve_may_go_on(const struct node *node) {
    if (node->held_unread == 0)
        return false;
    for (const struct connection *connection = node->held; connection; connection = connection->held_next)
        if (connection->hold == HOLD_UNREAD && hold_is_over(node, connection))
            return true;
    return false;
}

void serve_forget_all(struct node *node) {
    for (struct connection *connection; (connection = take_queued(node));)
        connection_forget(node, connection);
}
