/* SPDX-License-Identifier: MIT */
#include "gate.h"

#include <assert.h>

#include "conf.h"
#include "entry.h"

static enum gate_verdict judge_data(const struct gate *gate, const struct command *row,
                                    const struct session *session, size_t raw_length) {
    bool write = row->flags & COMMAND_THROUGH_LOG;
    bool waits = row->flags & COMMAND_BLOCKING; /* only with who leads */
    if (gate->removed)
        return GATE_ELSEWHERE;
    if (write && raw_length + ENTRY_OVERHEAD_MAX > gate->entry_bytes_max)
        return GATE_TOO_LARGE;
    if (!write && !waits && gate->through && gate->elsewhere && !gate->loading && !gate->stopping)
        return GATE_READ;
    if (!write && !waits && gate->caught_up &&
        (gate->stale || (session->readonly && !gate->newest && !gate->serving)))
        return GATE_LOCAL;
    if (!gate->serving || gate->stopping) {
        if (gate->elsewhere || gate->stopping)
            return GATE_ELSEWHERE;
        return gate->loading ? GATE_LOADING : GATE_WAIT;
    }
    if (write && gate->handing_over)
        return GATE_WAIT;
    if (write && gate->full && (row->flags & COMMAND_DENYOOM))
        return GATE_FULL;
    if (write && gate->disk_low && (row->flags & COMMAND_DENYOOM))
        return GATE_DISK_LOW;
    return write ? GATE_WRITE : GATE_READ;
}

enum gate_verdict gate_judge(const struct gate *gate, const struct command *row,
                             const struct session *session, size_t count, size_t raw_length) {
    if (gate->denied)
        return GATE_DENIED;
    if (!row)
        return GATE_UNKNOWN;
    if (!command_arity_ok(row, count))
        return GATE_ARITY;
    if (!session->authenticated && !(row->flags & COMMAND_NO_AUTH))
        return GATE_NOAUTH;
    if (session->protocol == 2 && subscriber_listens(&session->subscriber) &&
        !(row->flags & COMMAND_LISTENER))
        return GATE_LISTENING;
    if (session->monitor && (row->flags & COMMAND_OVER_DATA))
        return GATE_MONITORING;
    if (row->session)
        return GATE_SESSION;
    assert(row->run);
    if (!(row->flags & COMMAND_OVER_DATA))
        return GATE_LOCAL;
    return judge_data(gate, row, session, raw_length);
}

void gate_refuse(enum gate_verdict verdict, const struct conf *conf, const struct command *row,
                 const struct resp_arg *args, size_t count, struct resp_out *out) {
    switch (verdict) {
    case GATE_UNKNOWN:
        command_unknown(out, args, count);
        return;
    case GATE_ARITY:
        resp_error(out, "ERR wrong number of arguments for '%s' command", row->name);
        return;
    case GATE_NOAUTH:
        resp_error(out, "NOAUTH Authentication required.");
        return;
    case GATE_DENIED:
        resp_error(out, "DENIED redraft runs in protected mode: no password is set and this connection does "
                        "not come from the machine "
                        "itself. Set requirepass, or protected-mode no if the network is trusted");
        return;
    case GATE_LISTENING:
        resp_error(out,
                   "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
                   "allowed in this context",
                   row->name);
        return;
    case GATE_MONITORING:
        resp_error(out, "ERR Replica can't interact with the keyspace");
        return;
    case GATE_LOADING:
        resp_error(out, "LOADING Redis is loading the dataset in memory");
        return;
    case GATE_TOO_LARGE:
        resp_error(out, "ERR command too large for a log entry: raft-entry-max-size is %llu bytes",
                   (unsigned long long)conf->entry_bytes_max);
        return;
    case GATE_NO_MULTI:
        resp_error(out, "ERR Command not allowed inside a transaction");
        return;
    case GATE_NO_WATCH:
        resp_error(out, "ERR WATCH inside MULTI is not allowed");
        return;
    case GATE_FULL:
        resp_error(out, "OOM command not allowed when used memory > 'maxmemory'.");
        return;
    case GATE_DISK_LOW:
        resp_error(
            out,
            "MISCONF the leader's disk is nearly full: less than raft-disk-reserve (%llu bytes) is free. "
            "Not executed; writes that grow the data are refused until there is room",
            (unsigned long long)conf->disk_reserve);
        return;
    default:
        assert(!"a verdict that refuses nothing");
    }
}
