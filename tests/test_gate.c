/* SPDX-License-Identifier: MIT */
/* The gate: which commands go where in which state, and which reason comes first when there are several. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../src/conf.h"
#include "../src/entry.h"
#include "../src/gate.h"

enum { WORDS_MAX = 8 };

/* A command as its words; NULL row: unknown. */
struct asked {
    struct resp_arg args[WORDS_MAX];
    size_t count, raw_length;
    const struct command *row;
};

static struct asked ask(const char *line) {
    struct asked asked = {.raw_length = 50};
    for (const char *at = line; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        asked.args[asked.count++] = (struct resp_arg){at, length};
        at += length;
    }
    asked.row = command_find(asked.args, asked.count);
    return asked;
}

/* The facts of a node or a session as bits, so that a row can name a set of them. */
enum fact {
    DENIED = 1 << 0,
    LOADING = 1 << 1,
    SERVING = 1 << 2,
    ELSEWHERE = 1 << 3,
    STOPPING = 1 << 4,
    CAUGHT_UP = 1 << 5,
    FULL = 1 << 6,
    READONLY = 1 << 7,
    ANONYMOUS = 1 << 8,
    LARGE = 1 << 9, /* the command does not fit an entry */
    HANDING_OVER = 1 << 10,
    STALE = 1 << 11,   /* leads, and the reader takes what is there */
    THROUGH = 1 << 12, /* the reader asked for linearizable reads on a follower */
    REMOVED = 1 << 13,
    DISK_LOW = 1 << 14,
    NEWEST = 1 << 15, /* the reader takes nothing old */
    FACTS = 1 << 16,
};

static enum gate_verdict judge(unsigned facts, const char *line) {
    const struct asked asked = ask(line);
    const struct gate gate = {
        .denied = facts & DENIED,
        .removed = facts & REMOVED,
        .loading = facts & LOADING,
        .serving = facts & SERVING,
        .handing_over = facts & HANDING_OVER,
        .stale = facts & STALE,
        .through = facts & THROUGH,
        .newest = facts & NEWEST,
        .elsewhere = facts & ELSEWHERE,
        .stopping = facts & STOPPING,
        .caught_up = facts & CAUGHT_UP,
        .full = facts & FULL,
        .disk_low = facts & DISK_LOW,
        .entry_bytes_max = asked.raw_length + ENTRY_OVERHEAD_MAX - (facts & LARGE ? 1 : 0),
    };
    const struct session session = {
        .protocol = 2, .authenticated = !(facts & ANONYMOUS), .readonly = facts & READONLY};
    return gate_judge(&gate, asked.row, &session, asked.count, asked.raw_length);
}

static const char *const names[] = {"write",     "read",      "local", "session", "wait",
                                    "elsewhere", "unknown",   "arity", "noauth",  "denied",
                                    "loading",   "too large", "full",  "disk low"};

static void assert_verdict(unsigned facts, const char *line, enum gate_verdict expected) {
    enum gate_verdict verdict = judge(facts, line);
    if (verdict != expected)
        fail_msg("%s with facts %#x: %s, expected %s", line, facts, names[verdict], names[expected]);
}

/* ---- one row, one state -------------------------------------------------------------------------------------- */

static void each_command_goes_where_its_flags_and_the_state_say(void **state) {
    static const struct {
        const char *line;
        unsigned facts;
        enum gate_verdict verdict;
    } rows[] = {
        /* a leader that serves */
        {"SET k v", SERVING, GATE_WRITE},
        {"GET k", SERVING, GATE_READ},
        {"DBSIZE", SERVING, GATE_READ},
        {"TIME", SERVING, GATE_LOCAL},
        {"PING", SERVING, GATE_SESSION},
        {"CLIENT ID", SERVING, GATE_SESSION},
        {"GET k", SERVING | READONLY | CAUGHT_UP, GATE_READ}, /* never less than asked for */
        /* a leader that hands over: writes wait, reads go on */
        {"SET k v", SERVING | HANDING_OVER, GATE_WAIT},
        {"GET k", SERVING | HANDING_OVER, GATE_READ},
        {"TIME", SERVING | HANDING_OVER, GATE_LOCAL},
        {"RAFT.TRANSFER_LEADER", SERVING | HANDING_OVER, GATE_SESSION},
        {"FAILOVER", SERVING | HANDING_OVER, GATE_SESSION},
        /* no member any more: what it holds grows old */
        {"SET k v", REMOVED, GATE_ELSEWHERE},
        {"GET k", REMOVED | READONLY | CAUGHT_UP, GATE_ELSEWHERE},
        {"RAFT.INFO", REMOVED, GATE_SESSION},
        /* a leader whose reader takes what is there */
        {"GET k", SERVING | STALE | CAUGHT_UP, GATE_LOCAL},
        {"GET k", STALE | CAUGHT_UP, GATE_LOCAL},
        {"GET k", STALE | LOADING, GATE_LOADING},
        {"SET k v", SERVING | STALE | CAUGHT_UP, GATE_WRITE},
        /* a leader that may not serve yet, a candidate, nobody known */
        {"SET k v", 0, GATE_WAIT},
        {"GET k", 0, GATE_WAIT},
        {"PING", 0, GATE_SESSION},
        {"INFO", 0, GATE_SESSION},
        {"RAFT.INFO", 0, GATE_SESSION},
        {"TIME", 0, GATE_LOCAL},
        /* a follower */
        {"SET k v", ELSEWHERE | CAUGHT_UP, GATE_ELSEWHERE},
        {"GET k", ELSEWHERE | CAUGHT_UP, GATE_ELSEWHERE},
        {"GET k", ELSEWHERE | CAUGHT_UP | READONLY, GATE_LOCAL},
        {"GET k", ELSEWHERE | CAUGHT_UP | READONLY | THROUGH, GATE_READ}, /* the leader says where */
        {"GET k", ELSEWHERE | READONLY | THROUGH | LOADING, GATE_ELSEWHERE},
        {"SET k v", ELSEWHERE | CAUGHT_UP | READONLY | THROUGH, GATE_ELSEWHERE},
        {"SET k v", ELSEWHERE | CAUGHT_UP | READONLY, GATE_ELSEWHERE},
        {"GET k", ELSEWHERE | READONLY, GATE_ELSEWHERE},     /* it has not caught up */
        {"GET k", CAUGHT_UP | READONLY, GATE_LOCAL},         /* stale reads need no leader */
        {"GET k", CAUGHT_UP | READONLY | NEWEST, GATE_WAIT}, /* others do */
        {"GET k", CAUGHT_UP | READONLY | NEWEST | ELSEWHERE, GATE_ELSEWHERE},
        {"SET k v", CAUGHT_UP | READONLY, GATE_WAIT},
        /* loading */
        {"GET k", LOADING, GATE_LOADING},
        {"SET k v", LOADING, GATE_LOADING},
        {"GET k", LOADING | READONLY, GATE_LOADING},
        {"GET k", LOADING | ELSEWHERE, GATE_ELSEWHERE},
        {"INFO", LOADING, GATE_SESSION},
        /* on the way out */
        {"SET k v", SERVING | STOPPING, GATE_ELSEWHERE},
        {"GET k", SERVING | STOPPING, GATE_ELSEWHERE},
        {"GET k", STOPPING, GATE_ELSEWHERE},
        {"GET k", STOPPING | LOADING, GATE_ELSEWHERE},
        {"PING", SERVING | STOPPING, GATE_SESSION},
        /* over maxmemory */
        {"SET k v", SERVING | FULL, GATE_FULL},
        {"APPEND k v", SERVING | FULL, GATE_FULL},
        {"DEL k", SERVING | FULL, GATE_WRITE},
        {"EXPIRE k 1", SERVING | FULL, GATE_WRITE},
        {"FLUSHALL", SERVING | FULL, GATE_WRITE},
        {"GET k", SERVING | FULL, GATE_READ},
        /* a leader whose disk is nearly full */
        {"SET k v", SERVING | DISK_LOW, GATE_DISK_LOW},
        {"SETRANGE k 1 v", SERVING | DISK_LOW, GATE_DISK_LOW},
        {"DEL k", SERVING | DISK_LOW, GATE_WRITE},
        {"EXPIRE k 1", SERVING | DISK_LOW, GATE_WRITE},
        {"FLUSHALL", SERVING | DISK_LOW, GATE_WRITE},
        {"GET k", SERVING | DISK_LOW, GATE_READ},
        {"RAFT.BACKUP name", SERVING | DISK_LOW, GATE_SESSION},
        /* too large for an entry, by one byte */
        {"SET k v", SERVING | LARGE, GATE_TOO_LARGE},
        {"DEL k", SERVING | LARGE, GATE_TOO_LARGE},
        {"GET k", SERVING | LARGE, GATE_READ},
        {"ECHO k", SERVING | LARGE, GATE_SESSION},
        /* before AUTH */
        {"GET k", SERVING | ANONYMOUS, GATE_NOAUTH},
        {"PING", SERVING | ANONYMOUS, GATE_NOAUTH},
        {"AUTH secret", SERVING | ANONYMOUS, GATE_SESSION},
        {"HELLO 3", SERVING | ANONYMOUS, GATE_SESSION},
        {"QUIT", SERVING | ANONYMOUS, GATE_SESSION},
        /* no such command, wrong number of arguments */
        {"NOSUCH k", SERVING, GATE_UNKNOWN},
        {"CLIENT NOSUCH", SERVING, GATE_UNKNOWN},
        {"GET", SERVING, GATE_ARITY},
        {"GET a b", SERVING, GATE_ARITY},
        {"SET k", SERVING, GATE_ARITY},
        {"CLIENT", SERVING, GATE_ARITY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_verdict(rows[i].facts, rows[i].line, rows[i].verdict);
}

/* ---- which comes first ---------------------------------------------------------------------------------------- */

static void the_first_reason_in_redis_order_is_the_one_told(void **state) {
    static const struct {
        const char *line;
        unsigned facts; /* all that could be told; what was told is taken away from row to row */
        enum gate_verdict verdict;
    } rows[] = {
        {"NOSUCH", DENIED | ANONYMOUS, GATE_DENIED},
        {"NOSUCH", ANONYMOUS, GATE_UNKNOWN},
        {"SET k", DENIED | ANONYMOUS | LARGE, GATE_DENIED},
        {"SET k", ANONYMOUS | LARGE | ELSEWHERE | FULL, GATE_ARITY},
        {"SET k v", ANONYMOUS | LARGE | ELSEWHERE | FULL, GATE_NOAUTH},
        {"SET k v", LARGE | ELSEWHERE | LOADING | FULL, GATE_TOO_LARGE},
        {"SET k v", LARGE | FULL | SERVING, GATE_TOO_LARGE},
        {"SET k v", ELSEWHERE | LOADING | FULL, GATE_ELSEWHERE},
        {"SET k v", LOADING | FULL, GATE_LOADING},
        {"SET k v", FULL, GATE_WAIT},
        {"SET k v", FULL | DISK_LOW | SERVING, GATE_FULL},
        {"SET k v", DISK_LOW | SERVING, GATE_DISK_LOW},
        {"SET k v", SERVING, GATE_WRITE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_verdict(rows[i].facts, rows[i].line, rows[i].verdict);
}

/* ---- every state ------------------------------------------------------------------------------------------------ */

/* What must hold of each verdict, in whatever state it is given. */
static bool verdict_is_right(enum gate_verdict verdict, unsigned facts, const struct command *row) {
    bool write = row->flags & COMMAND_WRITE, data = write || (row->flags & COMMAND_READONLY);
    bool in = !(facts & DENIED) && (!(facts & ANONYMOUS) || (row->flags & COMMAND_NO_AUTH));
    bool fits = !write || !(facts & LARGE), leads = (facts & SERVING) && !(facts & STOPPING);
    bool stale = !write && (facts & CAUGHT_UP) &&
                 ((facts & STALE) || ((facts & READONLY) && !(facts & (SERVING | NEWEST))));
    bool through = !write && (facts & THROUGH) && (facts & ELSEWHERE) && !(facts & (LOADING | STOPPING));
    stale = stale && !through;
    bool holds = write && (facts & HANDING_OVER);
    bool grows = row->flags & COMMAND_DENYOOM;
    if ((facts & REMOVED) && in && data)
        return verdict == GATE_ELSEWHERE;
    switch (verdict) {
    case GATE_WRITE:
        return in && write && fits && leads && !holds && !(grows && (facts & (FULL | DISK_LOW)));
    case GATE_READ:
        return in && data && !write && (through || (leads && !stale));
    case GATE_LOCAL:
        return in && !row->session && (!data || stale);
    case GATE_SESSION:
        return in && row->session;
    case GATE_WAIT:
        return in && data && fits && !stale &&
               (leads ? holds : !(facts & (SERVING | ELSEWHERE | STOPPING | LOADING)));
    case GATE_ELSEWHERE:
        return in && data && fits && !stale && !through && !leads && (facts & (ELSEWHERE | STOPPING));
    case GATE_NOAUTH:
        return !in && !(facts & DENIED);
    case GATE_DENIED:
        return facts & DENIED;
    case GATE_LOADING:
        return in && data && fits && !stale && (facts & LOADING) &&
               !(facts & (SERVING | ELSEWHERE | STOPPING));
    case GATE_TOO_LARGE:
        return in && !fits;
    case GATE_FULL:
        return in && fits && leads && grows && (facts & FULL);
    case GATE_DISK_LOW:
        return in && fits && leads && grows && !(facts & FULL) && (facts & DISK_LOW);
    default:
        return false; /* the command is there, and whole */
    }
}

static void in_every_state_every_kind_of_command_is_judged_right(void **state) {
    static const char *const lines[] = {"SET k v", "DEL k", "GET k", "TIME", "PING", "AUTH x", "RAFT.INFO"};
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        for (unsigned facts = 0; facts < FACTS; facts++) {
            enum gate_verdict verdict = judge(facts, lines[i]);
            if (!verdict_is_right(verdict, facts, ask(lines[i]).row))
                fail_msg("%s with facts %#x: %s", lines[i], facts, names[verdict]);
        }
}

static void every_row_of_the_table_is_taken_by_a_serving_leader(void **state) {
    const struct gate gate = {.serving = true, .caught_up = true, .entry_bytes_max = SIZE_MAX};
    const struct session session = {.protocol = 2, .authenticated = true};
    size_t rows;
    const struct command *table = command_table(&rows);
    (void)state;
    for (size_t i = 0; i < rows; i++) {
        const struct command *row = table[i].subcommands ? table[i].subcommands : &table[i];
        for (;; row++) {
            enum gate_verdict verdict =
                gate_judge(&gate, row, &session, (size_t)(row->arity < 0 ? -row->arity : row->arity), 100);
            assert_true(verdict <= GATE_SESSION);
            if (!table[i].subcommands || !row[1].name)
                break;
        }
    }
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

static void each_refusal_has_its_words(void **state) {
    static const struct {
        enum gate_verdict verdict;
        const char *line, *reply;
    } rows[] = {
        {GATE_UNKNOWN, "NOSUCH a b", "-ERR unknown command 'NOSUCH', with args beginning with: 'a' 'b' \r\n"},
        {GATE_UNKNOWN, "CLIENT NOSUCH", "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.\r\n"},
        {GATE_ARITY, "GET", "-ERR wrong number of arguments for 'get' command\r\n"},
        {GATE_ARITY, "CLIENT ID 1", "-ERR wrong number of arguments for 'client|id' command\r\n"},
        {GATE_NOAUTH, "GET k", "-NOAUTH Authentication required.\r\n"},
        {GATE_LOADING, "GET k", "-LOADING Redis is loading the dataset in memory\r\n"},
        {GATE_TOO_LARGE, "SET k v",
         "-ERR command too large for a log entry: raft-entry-max-size is 4096 bytes\r\n"},
        {GATE_FULL, "SET k v", "-OOM command not allowed when used memory > 'maxmemory'.\r\n"},
        {GATE_DENIED, "GET k", "-DENIED "},
    };
    static struct conf conf;
    (void)state;
    conf_init(&conf);
    conf.entry_bytes_max = 4096;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct asked asked = ask(rows[i].line);
        struct resp_buf buf = {0};
        struct resp_out out = {.buf = &buf, .protocol = 2};
        gate_refuse(rows[i].verdict, &conf, asked.row, asked.args, asked.count, &out);
        size_t length = strlen(rows[i].reply);
        if (rows[i].verdict != GATE_DENIED)
            assert_int_equal(resp_buf_length(&buf), length);
        assert_memory_equal(resp_buf_bytes(&buf), rows[i].reply, length);
        assert_memory_equal(resp_buf_bytes(&buf) + resp_buf_length(&buf) - 2, "\r\n", 2);
        resp_buf_close(&buf);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_goes_where_its_flags_and_the_state_say),
        cmocka_unit_test(the_first_reason_in_redis_order_is_the_one_told),
        cmocka_unit_test(in_every_state_every_kind_of_command_is_judged_right),
        cmocka_unit_test(every_row_of_the_table_is_taken_by_a_serving_leader),
        cmocka_unit_test(each_refusal_has_its_words),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
