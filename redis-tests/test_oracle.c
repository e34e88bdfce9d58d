/* SPDX-License-Identifier: MIT */
/*
 * Redis's own behaviour as the judge: the same commands, right and wrong, to a real redis-server 7.0 and to a cluster of
 * three; every reply must be the same, byte for byte.
 *
 * REDRAFT_COMMANDS sets how many (50000), REDRAFT_SEED which. What differs on purpose:
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
 *     OBJECT IDLETIME               only the type: the two servers run a little apart
 *     SORT ALPHA                    what weighs the same may come in any order: Redis compares up to a zero byte, and keeps
 *                                   members of a set as they lie; so does BY nosort with a set
 *     LPOS RANK -2^63               not sent: Redis takes it for -1
 *     BITFIELD SET                  below -2^62 Redis saturates at the wrong end: the generator stays above
 *     XADD with an id by time       only the type: the two servers' clocks differ
 *     XPENDING, XINFO CONSUMERS     idle times may differ by the time between the two servers' commands
 *     XINFO STREAM                  the same, and radix-tree-nodes is about what Redis would have
 *     a blocked XREADGROUP          is not compared: XGROUP SETID wakes it here, and the words for a group that is gone are always the same
 *     TTL and its kin               may differ by the time between the two servers' commands
 *     1048577 arguments             are too many: Redis 7.0 takes as many as an int counts, older ones this limit
 *     COMMAND GETKEYS               where "2x" stands for a number of keys, Redis goes on with another way to find them
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
#include "harness/wire.h"

enum { BATCH = 48, WIRE_MS = 30000, CLOCKS_APART_MS = 3000, ELEMENTS_MAX = 4096, SHOWN = 400 };

static struct cluster *cluster;
static unsigned redis_port;

/* ---- the two servers ------------------------------------------------------------------------------------- */

static int both_up(void **state) {
    (void)state;
    redis_port = redis_start();
    if (redis_port == 0)
        return 0;
    cluster = cluster_new(3, NULL);
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

static struct wire *open_port(unsigned port) {
    struct wire *wire = wire_open(port, harness_scaled_ms(WIRE_MS));
    assert_non_null(wire);
    return wire;
}

static struct wire *open_redraft(void) {
    return open_port(cluster->nodes[cluster_wait_leader(cluster)].port);
}

/* ---- comparing ------------------------------------------------------------------------------------------- */

struct reply {
    const char *bytes;
    size_t length;
};

static int order_replies(const void *a, const void *b) {
    const struct reply *one = a, *other = b;
    size_t shorter = one->length < other->length ? one->length : other->length;
    int order = memcmp(one->bytes, other->bytes, shorter);
    return order != 0 ? order : (one->length > other->length) - (one->length < other->length);
}

/* The elements of the array, set or map that `reply` ends with: of *2 <cursor> <array>, the second's. Its headers go to *head. As
 * `pairs`: two by two, unless they are arrays themselves. */
static size_t elements_by(struct reply reply, bool pairs, struct reply *elements, struct reply *head) {
    size_t at = (size_t)((const char *)memchr(reply.bytes, '\n', reply.length) - reply.bytes) + 1;
    long count = strtol(reply.bytes + 1, NULL, 10);
    if (count == 2 && at < reply.length && reply.bytes[at] == '$') {
        size_t cursor = (size_t)wire_reply_length(reply.bytes + at, reply.length - at);
        if (at + cursor < reply.length && reply.bytes[at + cursor] == '*') {
            at += cursor;
            count = strtol(reply.bytes + at + 1, NULL, 10);
            at += (size_t)((const char *)memchr(reply.bytes + at, '\n', reply.length - at) - reply.bytes) +
                  1 - at;
        }
    }
    *head = (struct reply){reply.bytes, at};
    bool is_map = reply.bytes[0] == '%',
         by_two = is_map || (pairs && at < reply.length && reply.bytes[at] != '*');
    size_t found = 0, number = by_two && !is_map ? (size_t)count / 2 : (size_t)count;
    for (; found < number && found < ELEMENTS_MAX; found++) {
        elements[found].bytes = reply.bytes + at;
        for (int part = 0; part <= by_two; part++)
            at += (size_t)wire_reply_length(reply.bytes + at, reply.length - at);
        elements[found].length = (size_t)(reply.bytes + at - elements[found].bytes);
    }
    qsort(elements, found, sizeof(*elements), order_replies);
    return found;
}

static size_t elements_of(struct reply reply, struct reply *elements, struct reply *head) {
    return elements_by(reply, false, elements, head);
}

static bool equal_bytes(struct reply one, struct reply other) {
    return one.length == other.length && memcmp(one.bytes, other.bytes, one.length) == 0;
}

static bool is_several(struct reply reply) {
    return strchr("*~%", reply.bytes[0]) != NULL;
}

static bool equal_elements(struct reply one, struct reply other, bool pairs) {
    static struct reply ones[ELEMENTS_MAX], others[ELEMENTS_MAX];
    struct reply head, other_head;
    if (!is_several(one) || !is_several(other))
        return equal_bytes(one, other);
    size_t count = elements_by(one, pairs, ones, &head);
    if (elements_by(other, pairs, others, &other_head) != count || !equal_bytes(head, other_head))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!equal_bytes(ones[i], others[i]))
            return false;
    }
    return true;
}

static bool equal_in_any_order(struct reply one, struct reply other) {
    return equal_elements(one, other, false);
}

static bool equal_in_pairs(struct reply one, struct reply other) {
    return equal_elements(one, other, true);
}

static bool equal_in_time(struct reply one, struct reply other) {
    long long a = strtoll(one.bytes + 1, NULL, 10), b = strtoll(other.bytes + 1, NULL, 10);
    if (one.bytes[0] != ':' || other.bytes[0] != ':' || a <= 0 || b <= 0)
        return equal_bytes(one, other);
    return llabs(a - b) <= (long long)harness_scaled_ms(CLOCKS_APART_MS);
}

static struct reply line_of(struct reply reply, size_t at) {
    const char *end = memchr(reply.bytes + at, '\n', reply.length - at);
    return (struct reply){reply.bytes + at, end ? (size_t)(end - reply.bytes) + 1 - at : reply.length - at};
}

/* Idle times begin at 0. */
static bool equal_in_times(struct reply one, struct reply other) {
    size_t a = 0, b = 0;
    while (a < one.length && b < other.length) {
        struct reply line = line_of(one, a), twin = line_of(other, b);
        bool numbers = line.bytes[0] == ':' && twin.bytes[0] == ':';
        long long apart = llabs(strtoll(line.bytes + 1, NULL, 10) - strtoll(twin.bytes + 1, NULL, 10));
        if (numbers ? apart > (long long)harness_scaled_ms(CLOCKS_APART_MS) : !equal_bytes(line, twin))
            return false;
        a += line.length;
        b += twin.length;
    }
    return a == one.length && b == other.length;
}

/* Types line by line; a bulk's bytes do not count. */
static bool equal_in_shape(struct reply one, struct reply other) {
    if (one.bytes[0] != other.bytes[0] || one.bytes[0] == '-')
        return equal_bytes(one, other);
    if (is_several(one)) {
        static struct reply ones[ELEMENTS_MAX], others[ELEMENTS_MAX];
        struct reply head;
        return elements_of(one, ones, &head) == elements_of(other, others, &head);
    }
    return (one.bytes[1] == '-') == (other.bytes[1] == '-');
}

/* What APPEND, SETRANGE, SETBIT ... leave behind Redis calls raw, and INCRBYFLOAT's sums it never calls int; a sorted set that was
 * sorted it calls a skiplist. */
static bool equal_in_encoding(struct reply one, struct reply other) {
    static const char raw[] = "$3\r\nraw\r\n", embstr[] = "$6\r\nembstr\r\n", number[] = "$3\r\nint\r\n";
    static const char skiplist[] = "$8\r\nskiplist\r\n", listpack[] = "$8\r\nlistpack\r\n";
    bool is_raw = equal_bytes(one, (struct reply){raw, strlen(raw)});
    bool is_embstr = equal_bytes(one, (struct reply){embstr, strlen(embstr)});
    return equal_bytes(one, other) ||
           (equal_bytes(one, (struct reply){skiplist, strlen(skiplist)}) &&
            equal_bytes(other, (struct reply){listpack, strlen(listpack)})) ||
           (is_raw && equal_bytes(other, (struct reply){embstr, strlen(embstr)})) ||
           ((is_raw || is_embstr) && equal_bytes(other, (struct reply){number, strlen(number)}));
}

static bool (*const equal[])(struct reply one, struct reply other) = {
    [COMPARE_BYTES] = equal_bytes,    [COMPARE_ANY_ORDER] = equal_in_any_order,
    [COMPARE_TIME] = equal_in_time,   [COMPARE_SHAPE] = equal_in_shape,
    [COMPARE_TIMES] = equal_in_times, [COMPARE_ENCODING] = equal_in_encoding,
    [COMPARE_PAIRS] = equal_in_pairs,
};

/* ---- the sequence ---------------------------------------------------------------------------------------- */

enum { QUEUED_MAX = 4096 };

/* One connection to each server, in one protocol, and how what it has queued will be compared. */
struct pair {
    struct wire *redis, *redraft;
    size_t queued;
    enum comparison comparisons[QUEUED_MAX];
};

static struct pair pair_open(const char *hello) {
    struct pair pair = {.redis = open_port(redis_port), .redraft = open_redraft()};
    if (strncmp(wire_ask(pair.redis, hello), "-", 1) == 0 ||
        strncmp(wire_ask(pair.redraft, hello), "-", 1) == 0)
        harness_fail("%s is refused", hello);
    return pair;
}

static void pair_close(struct pair *pair) {
    wire_close(pair->redis);
    wire_close(pair->redraft);
}

/* A batch as it is sent, and where each of its commands is in it. */
struct batch {
    char *bytes;
    size_t used;
    size_t starts[BATCH + 1];
    enum comparison comparisons[BATCH];
};

static void batch_fill(struct batch *batch, uint64_t *seed) {
    static struct request request;
    batch->used = 0;
    for (int i = 0; i < BATCH; i++) {
        batch->starts[i] = batch->used;
        batch->comparisons[i] = generate_request(seed, &request);
        bool as_inline = harness_random(seed) % 10 == 0 && request.used < 4000;
        batch->used += generate_encode(&request, as_inline, batch->bytes + batch->used);
    }
    batch->starts[BATCH] = batch->used;
}

static struct reply take(struct wire *wire, const char *whose) {
    struct reply reply;
    enum wire_result result = wire_read(wire, &reply.bytes, &reply.length);
    if (result != WIRE_OK)
        harness_fail("%s %s", whose, result == WIRE_CLOSED ? "closed the connection" : "does not answer");
    return reply;
}

static void complain(const struct batch *batch, int at, struct reply redis_reply, struct reply redraft_reply,
                     uint64_t number, uint64_t seed) {
    size_t length = batch->starts[at + 1] - batch->starts[at];
    char *command = wire_text(batch->bytes + batch->starts[at], length < SHOWN ? length : SHOWN);
    char *theirs = wire_text(redis_reply.bytes, redis_reply.length < SHOWN ? redis_reply.length : SHOWN);
    char *ours = wire_text(redraft_reply.bytes, redraft_reply.length < SHOWN ? redraft_reply.length : SHOWN);
    harness_fail("command %llu of REDRAFT_SEED=%llu\n  %s\n  redis    %s\n  redraft  %s",
                 (unsigned long long)number, (unsigned long long)seed, command, theirs, ours);
}

static bool is_array(struct reply reply) {
    return reply.bytes[0] == '*' && reply.bytes[1] != '-';
}

static struct reply next_element(struct reply *rest) {
    struct reply element = {rest->bytes, (size_t)wire_reply_length(rest->bytes, rest->length)};
    rest->bytes += element.length;
    rest->length -= element.length;
    return element;
}

static void skip_line(struct reply *rest) {
    const char *end = (const char *)memchr(rest->bytes, '\n', rest->length) + 1;
    rest->length -= (size_t)(end - rest->bytes);
    rest->bytes = end;
}

/* Of EXEC: each as its command's. */
static bool equal_in_transaction(const struct pair *pair, struct reply one, struct reply other) {
    size_t count = (size_t)strtol(one.bytes + 1, NULL, 10);
    if (strtol(other.bytes + 1, NULL, 10) != (long)count || count != pair->queued)
        return false;
    skip_line(&one);
    skip_line(&other);
    for (size_t i = 0; i < count; i++)
        if (!equal[pair->comparisons[i]](next_element(&one), next_element(&other)))
            return false;
    return true;
}

static bool is_command(const struct batch *batch, int at, const char *name) {
    const char *bytes = batch->bytes + batch->starts[at];
    char whole[64], in_line[64];
    size_t length = batch->starts[at + 1] - batch->starts[at];
    snprintf(whole, sizeof(whole), "*1\r\n$%zu\r\n%s\r\n", strlen(name), name);
    snprintf(in_line, sizeof(in_line), "\"%s\"\r\n", name);
    return (length == strlen(whole) && strncasecmp(bytes, whole, length) == 0) ||
           (length == strlen(in_line) && strncasecmp(bytes, in_line, length) == 0);
}

static bool equal_replies(struct pair *pair, const struct batch *batch, int at, struct reply theirs,
                          struct reply ours) {
    static const struct reply queued = {"+QUEUED\r\n", 9};
    if (is_command(batch, at, "EXEC") && is_array(theirs) && is_array(ours))
        return equal_in_transaction(pair, theirs, ours);
    if (is_command(batch, at, "MULTI") && theirs.bytes[0] == '+')
        pair->queued = 0;
    if (equal_bytes(theirs, queued) && pair->queued < QUEUED_MAX)
        pair->comparisons[pair->queued++] = batch->comparisons[at];
    else
        return equal[batch->comparisons[at]](theirs, ours);
    return equal_bytes(ours, queued);
}

static void compare_batch(struct pair *pair, const struct batch *batch, uint64_t number, uint64_t seed) {
    if (!wire_send(pair->redis, batch->bytes, batch->used) ||
        !wire_send(pair->redraft, batch->bytes, batch->used))
        harness_fail("a batch could not be sent");
    for (int i = 0; i < BATCH; i++) {
        struct reply theirs = take(pair->redis, "redis"), ours = take(pair->redraft, "redraft");
        if (!equal_replies(pair, batch, i, theirs, ours))
            complain(batch, i, theirs, ours, number + (uint64_t)i, seed);
    }
}

static void every_reply_is_the_one_that_redis_gives(void **state) {
    (void)state;
    if (cluster == NULL)
        skip();
    uint64_t count = harness_setting("REDRAFT_COMMANDS", 50000);
    uint64_t first = harness_setting("REDRAFT_SEED", harness_now_us() % 1000000), seed = first;
    struct batch batch = {.bytes = malloc(BATCH * (4 * 100000 + 64 * GENERATE_ARGS_MAX))};
    struct pair pairs[2] = {pair_open("HELLO 2"), pair_open("HELLO 3")};
    uint64_t since = harness_now_ms();
    harness_say("REDRAFT_SEED=%llu REDRAFT_COMMANDS=%llu", (unsigned long long)first,
                (unsigned long long)count);
    for (uint64_t number = 0; number < count; number += BATCH) {
        batch_fill(&batch, &seed);
        compare_batch(&pairs[harness_random(&seed) % 2], &batch, number, first);
    }
    harness_say("%llu commands compared in %llu ms", (unsigned long long)count,
                (unsigned long long)(harness_now_ms() - since));
    free(batch.bytes);
    pair_close(&pairs[0]);
    pair_close(&pairs[1]);
}

/* ---- replicas ---------------------------------------------------------------------------------------------- */

enum { NODES = 3, DATABASES = 4 };

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
        if (!equal_bytes(first, other))
            harness_fail("%s%s\n  node 1   %s\n  node %zu   %s", wire_text(head, strlen(head)),
                         wire_text(argument.bytes, argument.length), wire_text(first.bytes, first.length),
                         i + 1, wire_text(other.bytes, other.length));
    }
}

/* Names in their order, values, deadlines. */
static size_t compare_database(struct wire *const nodes[NODES], int db) {
    static struct reply keys[ELEMENTS_MAX];
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
    size_t count = elements_of((struct reply){copy, reply.length}, keys, &head);
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
        nodes[i] = open_port(cluster->nodes[i].port);
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
    struct wire *wire = open_port(port);
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
        size_t theirs_length = whole_answer(redis_port, malformed[i], theirs, sizeof(theirs));
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
    struct pair pair = pair_open("HELLO 2");
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char words[64];
        snprintf(words, sizeof(words), "COMMAND INFO %s", names[i]);
        const char *theirs = wire_ask(pair.redis, words), *ours = wire_ask(pair.redraft, words);
        if (strcmp(theirs, ours) != 0)
            harness_fail("%s\n  redis    %s\n  redraft  %s", words, theirs, ours);
    }
    pair_close(&pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reply_is_the_one_that_redis_gives),
        cmocka_unit_test(every_node_holds_what_the_leader_holds),
        cmocka_unit_test(malformed_input_gets_the_answer_that_redis_gives),
        cmocka_unit_test(command_info_describes_commands_as_redis_does),
    };
    return cmocka_run_group_tests_name("oracle", tests, both_up, both_down);
}
