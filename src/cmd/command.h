/* SPDX-License-Identifier: MIT */
/*
 * Commands. There are two kinds, and neither sees a socket, a clock, a file or the server:
 *
 *   over the keyspace   a function of (keyspace, clock, seed, arguments) -> (keyspace, reply): struct call.
 *                       The same function serves the leader, a follower, replay and a unit test.
 *   over the session    what a connection asks about itself or the server (HELLO, CLIENT, INFO, CLUSTER ...): a function of
 *                       (session, report, configuration, arguments) -> (session, reply, wishes): struct session_call.
 *
 * One row of the table (table.c) describes each: its flags are what the gate (src/gate.c) tests.
 */
#ifndef COMMAND_H
#define COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../resp/resp.h"
#include "../audience.h"
#include "../data/events.h"
#include "../data/keyspace.h"

struct command;
struct session;
struct report;
struct conf;
struct slowlog;
struct spikes;

/* ---- over the keyspace --- */

enum call_end {
    CALL_DONE, /* the reply is written */
    CALL_BLOCKS, /* there is nothing to take. The reply is that of a wait which has ended, and all there is for who does not
                    wait (in a transaction, in a script) */
    CALL_READY, /* there is something to take, and `looks` said to leave it; there is no reply */
};

struct call {
    struct keyspace *keyspace;
    const struct command *command;
    const struct resp_arg *args;
    size_t count;
    unsigned db;
    uint64_t
        wall_ms; /* what TTL and TIME are told; at least the keyspace's clock, and equal to it while applying */
    uint64_t version; /* index of the entry being applied: what it changes carries it; 0 for a read */
    bool no_room;     /* when it was proposed nothing might grow: a script must keep to that */
    bool scripted;    /* a script calls it */
    uint64_t seed;    /* of whatever is random in this one call */
    struct resp_out *reply;
    bool no_touch;                   /* looking a key up counts as no use of it (CLIENT NO-TOUCH) */
    unsigned hits, misses;           /* out: keys looked up that were there, and that were not */
    bool looks;                      /* of a command that blocks: it is only asked whether it would */
    enum call_end end;               /* out */
    const struct audience *audience; /* this node's, for the number that PUBLISH tells; NULL where what is
                                        told must be the same on every node: then it is 0 */
    bool due; /* out, of a read: it met a key with keyspace_clock < deadline <= wall_ms. Its reply must be
                 thrown away and the read done again behind an entry with a later clock */
};

typedef void call_run(struct call *call);

/* What a command that blocks waits for, as its arguments say. */
struct command_wait {
    enum value_type type;   /* of the keys */
    size_t first_key, keys; /* they are args[first_key] and so on */
    size_t count_at;        /* the argument that says how many they are; 0: there is none */
    uint64_t timeout_ms;    /* 0: for ever */
    uint64_t takes;         /* elements at most */
    size_t timeout_at;      /* the argument that says how long */
    bool in_ms;             /* in milliseconds, and not in seconds */
    bool ids;               /* behind the keys there is an id for each of them */
    bool reads;             /* it takes nothing: whoever waits is served */
    size_t group;           /* the argument that names the group which takes; 0: there is none */
};

/* Of a row with COMMAND_BLOCKING. False: the arguments are wrong, and running the command says how. */
bool command_waits(const struct resp_arg *args, size_t count, const struct command *command,
                   struct command_wait *wait);

/* What stands in the request for the present time, when it is run for the first time and there is nothing, is put in plain words: this
 * is asked from now on. False: it stays as it is. */
bool command_settle(const struct call *call, struct resp_buf *request);
/* Of a wait for a group: how many entries one of its keys has for it, at most `most`; as many if it is not going to wait on. */
uint64_t command_finds(const struct call *call, const struct command_wait *wait, const struct resp_arg *key,
                       uint64_t most);

/* ---- over the session --- */

enum reply_mode { REPLY_ON, REPLY_OFF, REPLY_SKIP_NEXT, REPLY_SKIP };

/* A transaction that is being gathered, as commands may see it. */
struct session_multi {
    bool open;           /* MULTI was said */
    bool failed;         /* something could not be queued: EXEC will refuse */
    bool touched;        /* a watched key has changed; filled in before a command that lists sessions */
    size_t count, bytes; /* commands that are queued */
    size_t watched;      /* keys; filled in likewise */
    bool running;        /* EXEC is carrying out what was queued: nothing may wait */
};

enum { SESSION_NAME_MAX = 256, SESSION_ADDRESS_MAX = 128 };

/* One connection as commands may see and change it. */
struct session {
    uint64_t id;
    unsigned db;
    int protocol; /* 2 or 3 */
    bool authenticated;
    bool readonly; /* READONLY was said: may read on a follower */
    bool asking;   /* ASKING was said: for one command */
    bool no_evict, no_touch;
    bool blocked;                 /* waits for an element, or for members */
    bool monitor;                 /* MONITOR: is shown what others send */
    struct subscriber subscriber; /* what it listens to */
    bool close;                   /* out: close once what is owed has been sent (QUIT, CLIENT KILL) */
    bool peer;                    /* a member of the cluster, not a client: cannot be killed */
    enum reply_mode reply_mode;
    struct session_multi multi;
    unsigned consistency; /* of its reads: 1 + enum conf_consistency; 0: what the configuration says */
    char name[SESSION_NAME_MAX], lib_name[SESSION_NAME_MAX], lib_version[SESSION_NAME_MAX];
    char address[SESSION_ADDRESS_MAX], local_address[SESSION_ADDRESS_MAX]; /* ip:port */
    int fd;
    uint64_t created_ms, active_ms; /* Unix milliseconds */
    uint64_t commands;
    size_t in_bytes, in_free, out_bytes, memory; /* filled in before a command that lists sessions */
    const struct command *last;                  /* the command run last */

    bool sentinel; /* it speaks on the Sentinel port */
    uint64_t via;  /* the member that is a proxy for it; 0: none */
};

enum wish_member { MEMBER_NO_CHANGE, MEMBER_ADD, MEMBER_REMOVE, MEMBER_SET };

/* What a session's command asks of the server; the caller carries it out after the reply is written. */
struct wishes {
    bool shutdown, shutdown_now; /* with the leadership handed over first, or without */
    bool shutdown_abort;
    bool handover,
        handover_abort; /* the leadership, to handover_to (0: anybody) within handover_ms (0: not said) */
    uint64_t handover_to, handover_ms;
    bool conf_changed; /* CONFIG SET changed *conf: re-read what depends on it */
    bool reset_statistics;
    bool rewrite_conf;     /* CONFIG REWRITE: write the file, and the reply too */
    bool checkpoint;       /* write the state to the disk now */
    bool purge;            /* give free memory back to the system */
    bool monitor;          /* show this session what others send */
    bool pause, pause_all; /* CLIENT PAUSE, of everything or of writes, */
    uint64_t pause_ms;     /* for so long */
    bool unpause;
    bool discard;            /* what is queued is forgotten, and nothing is watched any more */
    bool unwatch;            /* nothing is watched any more */
    enum wish_member member; /* change the members: */
    uint64_t member_id;
    char member_address[SESSION_ADDRESS_MAX * 2]; /* host:port */
    const struct resp_arg *backup;                /* make one under this name; NULL: none */
    bool wait; /* for wait_members that have its last write; the reply is the caller's */
    int64_t wait_members;
    uint64_t wait_ms;    /* at most; 0: for ever */
    uint64_t unblock_id; /* this client waits no more, with an error or without; 0: none */
    bool unblock_error;
    struct session *killed_self; /* CLIENT KILL of the caller: it is closed after its reply */
};

struct session_call {
    struct session *session;
    struct session **sessions; /* every session, for a command with COMMAND_SESSIONS; else NULL */
    size_t session_count;
    const struct report
        *report; /* the state of the server as values, for a command with COMMAND_REPORT; else NULL */
    struct conf *conf;
    struct slowlog *slowlog;
    struct spikes *spikes;
    struct audience *audience;
    const struct command *command;
    const struct resp_arg *args;
    size_t count;
    uint64_t now_ms; /* Unix milliseconds */
    struct resp_out *reply;
    struct wishes *wishes;
};

typedef void session_run(struct session_call *call);

/* ---- the table --- */

enum command_flag {
    /* Redis's flags, as COMMAND tells them */
    COMMAND_WRITE = 1 << 0,    /* changes the keyspace: goes through the log */
    COMMAND_READONLY = 1 << 1, /* reads the keyspace: at a linearizable point */
    COMMAND_DENYOOM = 1 << 2,  /* may grow the keyspace */
    COMMAND_ADMIN = 1 << 3,
    COMMAND_NOSCRIPT = 1 << 4,
    COMMAND_LOADING = 1 << 5, /* answered while the keyspace is being loaded */
    COMMAND_STALE = 1 << 6,   /* answered without a leader */
    COMMAND_FAST = 1 << 7,
    COMMAND_NO_AUTH = 1 << 8, /* answered before AUTH */
    COMMAND_NO_MULTI = 1 << 9,
    COMMAND_SENTINEL = 1 << 10,
    COMMAND_PUBSUB = 1 << 11,
    COMMAND_SKIP_MONITOR = 1 << 12,
    COMMAND_SKIP_SLOWLOG = 1 << 13,
    COMMAND_NO_ASYNC_LOADING = 1 << 14,
    COMMAND_ALLOW_BUSY = 1 << 15,
    COMMAND_MAY_REPLICATE = 1 << 16,
    COMMAND_MOVABLE_KEYS = 1 << 17, /* told by COMMAND; follows from the row's keys */
    COMMAND_BLOCKING = 1 << 18,     /* waits until there is something to take */
    COMMAND_NO_MANDATORY_KEYS = 1 << 19,
    /* ours */
    COMMAND_REPORT = 1 << 20,   /* needs the server's report */
    COMMAND_SESSIONS = 1 << 21, /* needs the list of sessions */
    COMMAND_PEER = 1 << 22,     /* only from a peer that has been let in; unknown to everyone else */
    COMMAND_LATER = 1 << 23,    /* may be answered later: runs when nothing is owed to its connection */
    COMMAND_LOOKS =
        1 << 24, /* reads the keyspace at a linearizable point, though Redis does not call it a read */
    COMMAND_UNQUEUED = 1 << 25,  /* takes effect at once also between MULTI and EXEC */
    COMMAND_LOGGED = 1 << 26,    /* goes through the log, though Redis does not call it a write */
    COMMAND_QUEUEABLE = 1 << 27, /* with COMMAND_LATER: in a transaction it is answered at once */
    COMMAND_LISTENER = 1 << 29,  /* allowed to a RESP2 connection that listens to channels */
    COMMAND_PUSH = 1 << 30,      /* what it answers are pushes: sent in spite of CLIENT REPLY */
};

enum {
    COMMAND_THROUGH_LOG = COMMAND_WRITE | COMMAND_LOGGED,
    COMMAND_OVER_DATA = COMMAND_WRITE | COMMAND_LOGGED | COMMAND_READONLY | COMMAND_LOOKS,
};

struct command {
    const char *name;                  /* lower case; of a subcommand "client|id" */
    int arity;                         /* arguments with the name; -n: at least n */
    unsigned flags;                    /* enum command_flag */
    int first_key, last_key, key_step; /* 0: none whose place is fixed; last_key -1: to the end */
    call_run *run;                     /* over the keyspace, or NULL */
    session_run *session;              /* over the session, or NULL */
    const struct command *subcommands; /* ended by a row without a name, or NULL */
    const char *summary, *since, *group, *complexity; /* COMMAND DOCS */
    unsigned categories;                              /* enum command_category, beyond what the flags imply */
    const char *const *tips;                          /* COMMAND INFO; NULL-terminated or NULL */
    const struct command_keys *keys; /* where they are and what is done with them, where the columns above do
                                        not say it; ended by a row without flags, or NULL: there are none */
};

/* Keys that have no place of their own among the arguments. */
enum command_keys_search {
    KEYS_BY_PLACE,     /* they have one */
    KEYS_IN_DATA,      /* not among the arguments: their names are made of what is in another key */
    KEYS_BEHIND_STORE, /* of SORT: the one behind the last STORE, or none */
    KEYS_BEHIND_WORD, /* the first half of what stands behind the first STREAMS, looked for from `begin` on */
};

/* What a command does with its keys. One row speaks of all of them; of several rows each speaks of one key, in their order. */
struct command_keys {
    const char *flags; /* words as COMMAND INFO tells them: "RW access update" */
    const char *notes; /* or NULL */
    int begin, last;   /* the first and the last of these keys, -1: to the end; begin 0: as the command's own
                          columns say */
    int count_at;      /* the place of the argument that says how many keys stand behind it; 0: there is none,
                          and the two above count */
    enum command_keys_search search;
};

/* Keys among a command's arguments: every step-th from first to last; none when first > last. */
struct command_places {
    size_t first, last, step;
};

/* ACL categories, in the order in which COMMAND INFO lists them. READ WRITE ADMIN FAST SLOW and, of ADMIN, DANGEROUS follow from flags. */
enum command_category {
    CATEGORY_KEYSPACE = 1 << 0,
    CATEGORY_READ = 1 << 1,
    CATEGORY_WRITE = 1 << 2,
    CATEGORY_STRING = 1 << 3,
    CATEGORY_ADMIN = 1 << 4,
    CATEGORY_FAST = 1 << 5,
    CATEGORY_SLOW = 1 << 6,
    CATEGORY_DANGEROUS = 1 << 7,
    CATEGORY_CONNECTION = 1 << 8,
    CATEGORY_BITMAP = 1 << 9,
    CATEGORY_SET = 1 << 10,
    CATEGORY_SORTEDSET = 1 << 11,
    CATEGORY_LIST = 1 << 12,
    CATEGORY_HASH = 1 << 13,
    CATEGORY_BLOCKING = 1 << 14,
    CATEGORY_TRANSACTION = 1 << 15,
    CATEGORY_SCRIPTING = 1 << 16,
    CATEGORY_PUBSUB = 1 << 17,
    CATEGORY_STREAM = 1 << 18,
};

/* The row for a command's arguments, following a container to its subcommand; NULL when unknown. The name's case does not matter. */
const struct command *command_find(const struct resp_arg *args, size_t count);
/* The row with this name in one word, "client|id" for a subcommand; NULL when unknown. */
const struct command *command_find_name(const struct resp_arg *name);
/* All top-level rows. */
const struct command *command_table(size_t *count);
/* Every row, a subcommand's too, has a number below command_count(); what is no row of the table has that one. */
size_t command_count(void);
size_t command_number(const struct command *row);
const struct command *command_numbered(size_t number);
bool command_arity_ok(const struct command *command, size_t count);
/* Redis's words for a command that is not there: unknown command, or unknown subcommand of a container. */
void command_unknown(struct resp_out *reply, const struct resp_arg *args, size_t count);
/* The keys that one of a command's specifications speaks of, in arguments whose number is right. False when
 * the arguments contradict themselves: more keys are announced than there are. */
bool command_places(const struct command *command, size_t specification, const struct resp_arg *args,
                    size_t count, struct command_places *places);
/* The first key among the arguments, or NULL. */
const struct resp_arg *command_first_key(const struct command *command, const struct resp_arg *args,
                                         size_t count);
/* Redis Cluster's slot of a key: CRC16(key or its {tag}) mod 16384. */
unsigned command_key_slot(const struct resp_arg *key);

/* Of SORT: about how many bytes what GET names would take in STORE's list, by some of the elements; 0 without the two. Changes nothing. */
size_t command_sort_stores(struct call *call);

#endif
