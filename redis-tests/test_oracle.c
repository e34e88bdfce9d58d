/* SPDX-License-Identifier: MIT */
/*
 * Redis's own behaviour as the judge: the same commands, right and wrong, to a real redis-server 7.0 and to a cluster of
 * three; every reply must be the same, byte for byte.
 *
 * REDRAFT_COMMANDS sets how many (50000), REDRAFT_SEED which (1). A run that meets a difference plays what came up to it again, ever less of it,
 * until every command that is left matters (harness/cut.c), and keeps that in a file; REDRAFT_FILE plays such a file. At its end a run says which
 * commands of both servers' tables it never sent. What differs on purpose:
 *
 *     RANDOMKEY, TIME, CLIENT ID    only the types of the replies are compared
 *     ZRANDMEMBER                   the same, and how many members
 *     KEYS, SCAN, ZSCAN             the elements may come in any order
 *     HGETALL, SMEMBERS, SINTER ... fields and members may come in any order: ours is that of the log
 *     HRANDFIELD, SRANDMEMBER       only how many elements, and their types; never so many that a reply of ours would be refused
 *     SPOP                          only of sets of one member: Redis would choose others
 *     COMMAND GETKEYS               of SINTERCARD 01 key: Redis takes such a number there, though not in the command itself
 *     OBJECT ENCODING               Redis's may be one that a value got by being changed in place, not by what it is
 *     OBJECT REFCOUNT, MEMORY USAGE only the types: values are never shared, and lie otherwise
 *     OBJECT IDLETIME, FREQ         only the type: the two servers run a little apart
 *     SORT ALPHA                    what weighs the same may come in any order: Redis compares up to a zero byte, and keeps
 *                                   members of a set as they lie; so does BY nosort with a set
 *     LPOS RANK -2^63               not sent: Redis takes it for -1
 *     BITFIELD SET                  below -2^62 Redis saturates at the wrong end: the generator stays above
 *     BITFIELD OVERFLOW FAIL        behind it stands a write that succeeds: what only becomes longer touches a WATCH here
 *     XADD with an id by time       only the type: the two servers' clocks differ
 *     XPENDING, XINFO CONSUMERS     idle times may differ by the time between the two servers' commands
 *     XINFO STREAM                  the same, and radix-tree-nodes is about what Redis would have
 *     a blocked XREADGROUP          is not compared: XGROUP SETID wakes it here, and the words for a group that is gone are always the same
 *     TTL and its kin               may differ by the time between the two servers' commands
 *     1048577 arguments             are too many: Redis 7.0 takes as many as an int counts, older ones this limit
 *     COMMAND GETKEYS               where "2x" stands for a number of keys, Redis goes on with another way to find them
 *     CLIENT INFO, LIST, ROLE       only the types, and how many elements
 *     LATENCY, MEMORY DOCTOR        only the types
 *     MEMORY MALLOC-STATS           not sent: another allocator
 *     SCRIPT DEBUG                  not sent: Redis looks first whether the connection's input is empty
 *     EVAL_RO                       makes no script known: it does not go through the log
 *     WAIT                          only the types: Redis has no replicas here
 *     HELLO with an answer, INFO, COMMAND, CONFIG's directives, CLUSTER: not compared, they speak of another server
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/cluster.h"
#include "harness/generate.h"
#include "harness/redis.h"
#include "harness/twins.h"

enum {
    BATCH = 48, /* commands over one connection before the next */
    WIRE_MS = 30000,
    SHOWN = 400,
    PLANTED_SEED = 42,
    COVERING = 50000, /* so many commands must have had each of those that there are */
};

static struct twins twins;
static struct cluster *cluster;

/* ---- the two servers ------------------------------------------------------------------------------------- */

/* A change of the leader ends a run: a busy machine must not cause one. */
static const char *const patient[] = {"--raft-election-timeout", "4000", NULL};

static int both_up(void **state) {
    (void)state;
    twins.redis_port = redis_start();
    if (twins.redis_port == 0)
        return 0;
    cluster = twins.cluster = cluster_new(3, patient);
    cluster->shared = true;
    return 0;
}

static int both_down(void **state) {
    (void)state;
    if (cluster != NULL)
        cluster_free(cluster);
    redis_end();
    return 0;
}

/* ---- the sequence ---------------------------------------------------------------------------------------- */

/* So many more commands of the sequence that `seed` stands for. `request` is all zeros before the first. */
static void generate(struct sequence *sequence, struct request *request, uint64_t *seed, size_t count) {
    while (count > 0) {
        unsigned connection = (unsigned)(harness_random(seed) % SEQUENCE_CONNECTIONS);
        for (int i = 0; i < BATCH && count > 0; i++, count--) {
            enum comparison comparison = generate_request(seed, request);
            bool as_inline = harness_random(seed) % 10 == 0 && request->used < 4000;
            sequence_add(sequence, request, comparison, as_inline, connection);
        }
    }
}

static struct request *new_request(void) {
    return calloc(1, sizeof(struct request));
}

/* Where what is left of the first `count` commands is kept. */
static void path_of(char path[128], uint64_t seed, size_t count) {
    const char *where = getenv("TMPDIR");
    snprintf(path, 128, "%s/redraft-diff-%llu-%zu", where ? where : "/tmp", (unsigned long long)seed, count);
}

/* Plays what came up to the difference again, fewer and fewer of it, and shows what is left. */
static void explain(uint64_t seed, size_t count, const struct difference *difference) {
    uint64_t state = seed;
    struct request *request = new_request();
    struct sequence sequence = {.count = 0};
    struct remains remains;
    char path[128];
    generate(&sequence, request, &state, count);
    free(request);
    char *line = sequence_line(&sequence, count - 1);
    harness_say("command %zu of REDRAFT_SEED=%llu\n  %.*s\n  redis    %s\n  redraft  %s\ncutting it down",
                count, (unsigned long long)seed, SHOWN, line, difference->theirs, difference->ours);
    free(line);
    path_of(path, seed, count);
    if (twins_cut(&twins, &sequence, &remains)) {
        twins_tell(&sequence, &remains, path);
    } else {
        sequence_save(&sequence, remains.kept, 0, path);
        harness_say("it does not happen again when the same commands are played from the start");
    }
    free(remains.kept);
    sequence_close(&sequence);
    harness_fail("the replies differ");
}

static void every_reply_is_the_one_that_redis_gives(void **state) {
    (void)state;
    if (cluster == NULL)
        skip();
    uint64_t count = harness_setting("REDRAFT_COMMANDS", 50000);
    if (count == 0)
        return; /* only what was kept is played */
    uint64_t first = harness_setting("REDRAFT_SEED", 1), seed = first;
    struct request *request = new_request();
    struct sequence batch = {.count = 0};
    struct difference difference;
    uint64_t since = harness_now_ms();
    twins_reset(&twins);
    twins.coverage = coverage_new(twins.redis_port, cluster->nodes[cluster_wait_leader(cluster)].port);
    harness_say("REDRAFT_SEED=%llu REDRAFT_COMMANDS=%llu", (unsigned long long)first,
                (unsigned long long)count);
    for (uint64_t number = 0; number < count; number += BATCH) {
        sequence_clear(&batch);
        generate(&batch, request, &seed, BATCH);
        if (twins_play(&twins, &batch, NULL, BATCH, &difference))
            explain(first, number + difference.at + 1, &difference);
    }
    harness_say("%llu commands compared in %llu ms", (unsigned long long)count,
                (unsigned long long)(harness_now_ms() - since));
    size_t missed = coverage_tell(twins.coverage);
    free(request);
    sequence_close(&batch);
    coverage_free(twins.coverage);
    twins.coverage = NULL;
    twins_close(&twins);
    if (count >= COVERING)
        assert_int_equal(missed, 0);
}

/* A sequence that was kept: make diff-redis FILE=... */
static void what_was_kept_is_played_again(void **state) {
    (void)state;
    const char *path = getenv("REDRAFT_FILE");
    if (cluster == NULL || path == NULL || *path == '\0')
        return;
    struct sequence sequence = {.count = 0};
    struct difference difference;
    sequence_load(&sequence, path);
    twins_reset(&twins);
    bool differs = twins_play(&twins, &sequence, NULL, sequence.count, &difference);
    twins_close(&twins);
    if (differs)
        harness_fail("command %zu of %s\n  redis    %s\n  redraft  %s", difference.at + 1, path,
                     difference.theirs, difference.ours);
    sequence_close(&sequence);
}

/* ---- cutting down ---------------------------------------------------------------------------------------- */

/* As if GET lost long values. */
static void lose(const struct sequence *sequence, size_t at, struct reply *ours) {
    static const struct reply wrong = {"$0\r\n\r\n", 6};
    if (sequence_word_is(sequence_word(sequence, at, 0), "get") && ours->bytes[0] == '$' &&
        strtol(ours->bytes + 1, NULL, 10) > 30)
        *ours = wrong;
}

/* As if a transaction lost the reply to its last command, of three or more. */
static void forget(const struct sequence *sequence, size_t at, struct reply *ours) {
    static const struct reply wrong = {"*2\r\n:1\r\n:1\r\n", 12};
    if (sequence_is(sequence, at, "exec") && ours->bytes[0] == '*' && strtol(ours->bytes + 1, NULL, 10) >= 3)
        *ours = wrong;
}

/* Returns how many commands are left of so many, once that fault is planted. They are saved, and fail again when loaded. */
static size_t remains_of(twins_plant *plant, size_t count) {
    char path[128];
    uint64_t seed = PLANTED_SEED;
    struct request *request = new_request();
    struct sequence sequence = {.count = 0}, again = {.count = 0};
    struct remains remains;
    struct difference difference;
    path_of(path, PLANTED_SEED, count);
    twins.plant = plant;
    generate(&sequence, request, &seed, count);
    assert_true(twins_cut(&twins, &sequence, &remains));
    sequence_save(&sequence, remains.kept, remains.count, path);
    sequence_load(&again, path);
    assert_int_equal(again.count, remains.count);
    twins_reset(&twins);
    assert_true(twins_play(&twins, &again, NULL, again.count, &difference));
    assert_int_equal(difference.at, remains.count - 1);
    twins_reset(&twins);
    twins.plant = NULL;
    assert_false(twins_play(&twins, &again, NULL, again.count, &difference));
    twins_close(&twins);
    unlink(path);
    free(request);
    free(remains.kept);
    sequence_close(&sequence);
    sequence_close(&again);
    return remains.count;
}

static void a_difference_is_cut_down_to_the_commands_that_matter(void **state) {
    (void)state;
    if (cluster == NULL)
        skip();
    assert_in_range(remains_of(lose, 3000), 2, 4); /* what makes the value, in one or two parts; GET */
    assert_in_range(remains_of(forget, 3000), 5,
                    6); /* MULTI, three commands, of which one may need another; EXEC */
}

/* ---- replicas ---------------------------------------------------------------------------------------------- */

enum { NODES = 3, DATABASES = 4 };

static struct reply take(struct wire *wire, const char *whose) {
    struct reply reply;
    enum wire_result result = wire_read(wire, &reply.bytes, &reply.length);
    if (result != WIRE_OK)
        harness_fail("%s %s", whose, result == WIRE_CLOSED ? "closed the connection" : "does not answer");
    return reply;
}

static void ask_bytes(struct wire *wire, const char *head, struct reply argument, const char *tail) {
    if (!wire_send(wire, head, strlen(head)) || !wire_send(wire, argument.bytes, argument.length) ||
        !wire_send(wire, tail, strlen(tail)))
        harness_fail("a request could not be sent");
}

/* The same request to all nodes; every reply must be the first one's. `argument` stands between `head` and `tail`. */
static void compare_nodes(struct wire *const nodes[NODES], const char *head, struct reply argument,
                          const char *tail) {
    for (size_t i = 0; i < NODES; i++)
        ask_bytes(nodes[i], head, argument, tail);
    struct reply first = take(nodes[0], "node 1");
    for (size_t i = 1; i < NODES; i++) {
        struct reply other = take(nodes[i], "another node");
        if (!compare_bytes(first, other))
            harness_fail("%s%s\n  node 1   %s\n  node %zu   %s", wire_text(head, strlen(head)),
                         wire_text(argument.bytes, argument.length), wire_text(first.bytes, first.length),
                         i + 1, wire_text(other.bytes, other.length));
    }
}

/* Names in their order, values, deadlines. */
static size_t compare_database(struct wire *const nodes[NODES], int db) {
    static struct reply keys[COMPARE_ELEMENTS_MAX];
    struct reply head, all = {"$1\r\n*\r\n", 7};
    char select[32];
    snprintf(select, sizeof(select), "SELECT %d", db);
    for (size_t i = 0; i < NODES; i++)
        assert_string_equal(wire_ask(nodes[i], select), "+OK");
    compare_nodes(nodes, "*2\r\n$4\r\nKEYS\r\n", all, "");
    ask_bytes(nodes[0], "*2\r\n$4\r\nKEYS\r\n", all, "");
    struct reply reply = take(nodes[0], "node 1");
    char *copy = malloc(reply.length);
    memcpy(copy, reply.bytes, reply.length);
    size_t count = compare_elements((struct reply){copy, reply.length}, keys, &head);
    for (size_t i = 0; i < count; i++) {
        compare_nodes(nodes, "*2\r\n$3\r\nGET\r\n", keys[i], "");
        compare_nodes(nodes, "*2\r\n$7\r\nHGETALL\r\n", keys[i], "");
        compare_nodes(nodes, "*2\r\n$8\r\nSMEMBERS\r\n", keys[i], "");
        compare_nodes(nodes, "*3\r\n$6\r\nOBJECT\r\n$8\r\nENCODING\r\n", keys[i], "");
        compare_nodes(nodes, "*3\r\n$6\r\nZUNION\r\n$1\r\n1\r\n", keys[i], "");
        compare_nodes(nodes, "*4\r\n$6\r\nLRANGE\r\n", keys[i], "$1\r\n0\r\n$2\r\n-1\r\n");
        compare_nodes(nodes, "*6\r\n$5\r\nXINFO\r\n$6\r\nSTREAM\r\n", keys[i],
                      "$4\r\nFULL\r\n$5\r\nCOUNT\r\n$1\r\n0\r\n");
        compare_nodes(nodes, "*2\r\n$11\r\nPEXPIRETIME\r\n", keys[i], "");
    }
    free(copy);
    return count;
}

/* After the sequence above. */
static void every_node_holds_what_the_leader_holds(void **state) {
    (void)state;
    if (cluster == NULL)
        skip();
    struct wire *nodes[NODES];
    size_t keys = 0;
    (void)cluster_wait_equal(cluster);
    for (size_t i = 0; i < NODES; i++) {
        nodes[i] = twins_open_port(cluster->nodes[i].port);
        assert_string_equal(wire_ask(nodes[i], "READONLY"), "+OK");
    }
    for (int db = 0; db < DATABASES; db++)
        keys += compare_database(nodes, db);
    harness_say("%zu keys compared", keys);
    for (size_t i = 0; i < NODES; i++)
        wire_close(nodes[i]);
}

/* ---- malformed input ------------------------------------------------------------------------------------- */

/* What breaks the protocol, and PING behind what does not. */
static const char *const malformed[] = {
    "*1\r\n!4\r\nPING\r\n",
    "*1\r\n$-5\r\n",
    "*1\r\n$x\r\n",
    "*1\r\n$536870913\r\n",
    "*1\r\n$99999999999999999999\r\n",
    "*99999999999\r\n",
    "*x\r\n",
    "*-1\r\nPING\r\n",
    "*0\r\nPING\r\n",
    "\r\nPING\r\n",
    "\r\n\r\n\r\nPING\r\n",
    "PING\nPING\r\nECHO \"\"\r\n",
    "ECHO 'it\\'s'\r\n",
    "ECHO \"\\x41\\n\\t\\q\"\r\n",
    "ECHO \"open\r\nPING\r\n",
    "ECHO 'open\r\nPING\r\n",
    "ECHO \"a\"b\r\nPING\r\n",
    "*2\r\n$4\r\nECHO\r\n$2\r\nabc\r\nPING\r\n",
    "*2\r\n$4\r\nECHO\r\n$3\r\nabcXYPING\r\n",
    "*1\r\n$4\r\nPI",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: x\r\n\r\n",
    "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$x\r\n",
    "*1\r\n$0\r\n\r\nPING\r\n",
};

/* Everything that a server says to this input until it closes; our own side is closed after sending. */
static size_t whole_answer(unsigned port, const char *input, char *answer, size_t size) {
    struct wire *wire = twins_open_port(port);
    int fd = wire_descriptor(wire);
    size_t used = 0;
    assert_true(wire_send(wire, input, strlen(input)));
    shutdown(fd, SHUT_WR);
    uint64_t deadline = harness_now_ms() + harness_scaled_ms(WIRE_MS);
    while (harness_now_ms() < deadline) {
        ssize_t got = read(fd, answer + used, size - used);
        if (got > 0)
            used += (size_t)got;
        else if (got == 0 || errno != EAGAIN)
            break;
        else
            harness_sleep_ms(1);
    }
    if (harness_now_ms() >= deadline)
        harness_fail("port %u neither answers nor closes after %s", port, input);
    wire_close(wire);
    return used;
}

static void malformed_input_gets_the_answer_that_redis_gives(void **state) {
    (void)state;
    if (cluster == NULL)
        skip();
    unsigned redraft_port = cluster->nodes[cluster_wait_leader(cluster)].port;
    for (size_t i = 0; i < sizeof(malformed) / sizeof(*malformed); i++) {
        char theirs[4096], ours[4096];
        size_t theirs_length = whole_answer(twins.redis_port, malformed[i], theirs, sizeof(theirs));
        size_t ours_length = whole_answer(redraft_port, malformed[i], ours, sizeof(ours));
        if (theirs_length != ours_length || memcmp(theirs, ours, ours_length) != 0)
            harness_fail("%s\n  redis    %s\n  redraft  %s", wire_text(malformed[i], strlen(malformed[i])),
                         wire_text(theirs, theirs_length), wire_text(ours, ours_length));
    }
}

/* Rows of COMMAND INFO: name, arity, flags, keys, categories, tips, key specifications, subcommands. */
static void command_info_describes_commands_as_redis_does(void **state) {
    static const char *const names[] = {
        "get",
        "set",
        "del",
        "unlink",
        "exists",
        "keys",
        "type",
        "dbsize",
        "flushall",
        "flushdb",
        "incr",
        "decr",
        "incrby",
        "decrby",
        "append",
        "strlen",
        "mget",
        "mset",
        "setnx",
        "getset",
        "getdel",
        "expire",
        "pexpire",
        "expireat",
        "pexpireat",
        "ttl",
        "pttl",
        "persist",
        "expiretime",
        "pexpiretime",
        "scan",
        "randomkey",
        "rename",
        "ping",
        "echo",
        "select",
        "setex",
        "psetex",
        "getex",
        "msetnx",
        "incrbyfloat",
        "getrange",
        "substr",
        "setrange",
        "lcs",
        "setbit",
        "getbit",
        "bitcount",
        "bitpos",
        "bitop",
        "bitfield",
        "bitfield_ro",
        "copy",
        "move",
        "swapdb",
        "renamenx",
        "touch",
        "lpush",
        "rpush",
        "lpushx",
        "rpushx",
        "lpop",
        "rpop",
        "llen",
        "lindex",
        "lset",
        "linsert",
        "lrange",
        "lrem",
        "ltrim",
        "rpoplpush",
        "lmove",
        "lpos",
        "lmpop",
        "sort",
        "sort_ro",
        "hset",
        "hsetnx",
        "hget",
        "hmset",
        "hmget",
        "hdel",
        "hlen",
        "hstrlen",
        "hexists",
        "hkeys",
        "hvals",
        "hgetall",
        "hincrby",
        "hincrbyfloat",
        "hscan",
        "hrandfield",
        "sadd",
        "srem",
        "sismember",
        "smismember",
        "scard",
        "smembers",
        "spop",
        "srandmember",
        "smove",
        "sscan",
        "sinter",
        "sinterstore",
        "sintercard",
        "sunion",
        "sunionstore",
        "sdiff",
        "sdiffstore",
        "zadd",
        "zcard",
        "zcount",
        "zdiff",
        "zdiffstore",
        "zincrby",
        "zinter",
        "zintercard",
        "zinterstore",
        "zlexcount",
        "zmpop",
        "zmscore",
        "zpopmax",
        "zpopmin",
        "zrandmember",
        "zrange",
        "zrangebylex",
        "zrangebyscore",
        "zrangestore",
        "zrank",
        "zrem",
        "zremrangebylex",
        "zremrangebyrank",
        "zremrangebyscore",
        "zrevrange",
        "zrevrangebylex",
        "zrevrangebyscore",
        "zrevrank",
        "zscan",
        "zscore",
        "zunion",
        "zunionstore",
        "multi",
        "exec",
        "discard",
        "watch",
        "unwatch",
        "eval",
        "evalsha",
        "eval_ro",
        "evalsha_ro",
        "publish",
        "spublish",
        "subscribe",
        "psubscribe",
        "ssubscribe",
        "unsubscribe",
        "punsubscribe",
        "sunsubscribe",
        "pubsub|channels",
        "pubsub|numpat",
        "pubsub|numsub",
        "pubsub|shardchannels",
        "pubsub|shardnumsub",
        "monitor",
        "client|pause",
        "client|unpause",
        "client|tracking",
        "client|trackinginfo",
        "client|caching",
        "client|getredir",
        "latency|graph",
        "latency|histogram",
        "memory|purge",
    };
    (void)state;
    if (cluster == NULL)
        skip();
    twins_open(&twins);
    struct pair pair = twins.pairs[0];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char words[64];
        snprintf(words, sizeof(words), "COMMAND INFO %s", names[i]);
        const char *theirs = wire_ask(pair.redis, words), *ours = wire_ask(pair.redraft, words);
        if (strcmp(theirs, ours) != 0)
            harness_fail("%s\n  redis    %s\n  redraft  %s", words, theirs, ours);
    }
    twins_close(&twins);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reply_is_the_one_that_redis_gives),
        cmocka_unit_test(every_node_holds_what_the_leader_holds),
        cmocka_unit_test(what_was_kept_is_played_again),
        cmocka_unit_test(a_difference_is_cut_down_to_the_commands_that_matter),
        cmocka_unit_test(malformed_input_gets_the_answer_that_redis_gives),
        cmocka_unit_test(command_info_describes_commands_as_redis_does),
    };
    return cmocka_run_group_tests_name("oracle", tests, both_up, both_down);
}
