/* SPDX-License-Identifier: MIT */
/*
 * Hashes and sets. Letters beside generate.c's:
 *
 *     h hash's key    m field or member   W 1-40 of them   N 1-25 pairs of field and value
 *     t set's key    T 1-4 of them   V cursor and options of a scan   j count of draws   l WITHVALUES, or nearly
 *     q key of a set of one member   c that member   I keys of SINTERCARD, with their number, and options
 */
#include <stdio.h>

#include "generate_parts.h"

static const struct generate_row hash_rows[] = {
    {"HSET", 70, "hN", COMPARE_BYTES},
    {"HMSET", 15, "hN", COMPARE_BYTES},
    {"HSETNX", 15, "hmv", COMPARE_BYTES},
    {"HGET", 20, "hm", COMPARE_BYTES},
    {"HMGET", 15, "hW", COMPARE_BYTES},
    {"HDEL", 20, "hW", COMPARE_BYTES},
    {"HLEN", 12, "h", COMPARE_BYTES},
    {"HSTRLEN", 12, "hm", COMPARE_BYTES},
    {"HEXISTS", 12, "hm", COMPARE_BYTES},
    {"HKEYS", 10, "h", COMPARE_ANY_ORDER},
    {"HVALS", 10, "h", COMPARE_ANY_ORDER},
    {"HGETALL", 15, "h", COMPARE_PAIRS},
    {"HINCRBY", 30, "hmn", COMPARE_BYTES},
    {"HINCRBYFLOAT", 25, "hmF", COMPARE_BYTES},
    {"HSCAN", 15, "hV", COMPARE_PAIRS},
    {"HRANDFIELD", 5, "!h", COMPARE_SHAPE},
    {"HRANDFIELD", 8, "!hj", COMPARE_SHAPE},
    {"HRANDFIELD", 8, "!hjl", COMPARE_SHAPE},
    {"HRANDFIELD", 2, "!hjlv", COMPARE_BYTES},
    {"OBJECT|ENCODING", 15, "h", COMPARE_ENCODING},
    {"TYPE", 5, "h", COMPARE_BYTES},
    {"COPY", 10, "hkC", COMPARE_BYTES},
    {"COPY", 8, "hhC", COMPARE_BYTES},
    {"RENAME", 6, "hh", COMPARE_BYTES},
    {"DEL", 3, "h", COMPARE_BYTES},
    {"EXPIRE", 5, "hsx", COMPARE_BYTES},
};

static const struct generate_row set_rows[] = {
    {"SADD", 90, "tW", COMPARE_BYTES},
    {"SREM", 20, "tW", COMPARE_BYTES},
    {"SISMEMBER", 15, "tm", COMPARE_BYTES},
    {"SMISMEMBER", 12, "tW", COMPARE_BYTES},
    {"SCARD", 12, "t", COMPARE_BYTES},
    {"SMEMBERS", 15, "t", COMPARE_ANY_ORDER},
    {"SMOVE", 25, "ttm", COMPARE_BYTES},
    {"SSCAN", 15, "tV", COMPARE_ANY_ORDER},
    {"SRANDMEMBER", 5, "!t", COMPARE_SHAPE},
    {"SRANDMEMBER", 8, "!tj", COMPARE_SHAPE},
    {"SRANDMEMBER", 2, "!tjv", COMPARE_BYTES},
    {"SADD", 15, "!qc", COMPARE_BYTES},
    {"SPOP", 8, "!q", COMPARE_BYTES},
    {"SPOP", 8, "!qn", COMPARE_BYTES},
    {"SPOP", 2, "!qnv", COMPARE_BYTES},
    {"SINTER", 15, "T", COMPARE_ANY_ORDER},
    {"SUNION", 15, "T", COMPARE_ANY_ORDER},
    {"SDIFF", 15, "T", COMPARE_ANY_ORDER},
    {"SINTERSTORE", 12, "tT", COMPARE_BYTES},
    {"SUNIONSTORE", 8, "tT", COMPARE_BYTES},
    {"SDIFFSTORE", 15, "tT", COMPARE_BYTES},
    {"SINTERCARD", 25, "I", COMPARE_BYTES},
    {"OBJECT|ENCODING", 15, "t", COMPARE_ENCODING},
    {"TYPE", 5, "t", COMPARE_BYTES},
    {"COPY", 10, "tkC", COMPARE_BYTES},
    {"COPY", 8, "ttC", COMPARE_BYTES},
    {"RENAME", 6, "tt", COMPARE_BYTES},
    {"DEL", 3, "t", COMPARE_BYTES},
    {"EXPIRE", 5, "tsx", COMPARE_BYTES},
};

/* ---- arguments ------------------------------------------------------------------------------------------- */

void generate_typed_key(uint64_t *seed, struct request *request, const char *type) {
    char text[32];
    if (generate_one_in(seed, 8)) {
        generate_key(seed, request);
        return;
    }
    snprintf(text, sizeof(text), "%s:%d", type, (int)generate_below(seed, GENERATE_TYPED_KEYS));
    generate_text(request, text);
}

void generate_members_scan(uint64_t *seed, struct request *request) {
    static const char *const patterns[] = {"*", "member:1*", "[0-5]*", "", "nothing", "?"};
    static const char *const bad[] = {"x", "1.5", "", "99999999999999999999999", "-0", "+"};
    generate_text(request, generate_one_in(seed, 12) ? PICK(seed, bad) : "0");
    generate_text(request, "COUNT");
    generate_text(request, generate_one_in(seed, 12) ? "0" : "1000000");
    if (generate_one_in(seed, 2)) {
        generate_text(request, "match");
        generate_text(request, PICK(seed, patterns));
    }
    if (generate_one_in(seed, 12)) {
        generate_text(request, "TYPE");
        generate_text(request, "hash");
    }
}

void generate_draws(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {
        "x", "1.5", "", "9223372036854775807", "-9223372036854775808", "01", "4611686018427387904"};
    if (generate_one_in(seed, 8))
        generate_text(request, PICK(seed, odd));
    else
        generate_integer(request, (int64_t)generate_below(seed, generate_one_in(seed, 4) ? 2000 : 40) -
                                      (generate_one_in(seed, 4) ? 1000 : 20));
}

static void add_member(uint64_t *seed, struct request *request) {
    char text[32];
    uint64_t kind = generate_below(seed, 12);
    if (kind == 0) {
        generate_value(seed, request);
    } else if (kind < 8) {
        generate_integer(request, (int64_t)generate_below(seed, kind < 4 ? 400 : 60) - 20);
    } else {
        snprintf(text, sizeof(text), "member:%d", (int)generate_below(seed, kind < 10 ? 200 : 20));
        generate_text(request, text);
    }
}

/* A set of integers only comes about when all members of all commands that add to it are. */
static void add_members(uint64_t *seed, struct request *request) {
    bool integers = generate_one_in(seed, 2);
    uint64_t count = 1 + generate_below(seed, generate_one_in(seed, 3) ? 40 : 4);
    for (; count > 0; count--)
        if (integers)
            generate_integer(request,
                             (int64_t)generate_below(seed, generate_one_in(seed, 9) ? 1000000000000 : 900));
        else
            add_member(seed, request);
}

static void add_pairs(uint64_t *seed, struct request *request) {
    uint64_t count = 1 + generate_below(seed, generate_one_in(seed, 3) ? 25 : 3);
    for (; count > 0; count--) {
        add_member(seed, request);
        if (generate_one_in(seed, 3))
            generate_value(seed, request);
        else
            add_member(seed, request);
    }
}

static void add_keys(uint64_t *seed, struct request *request, const char *type, uint64_t count) {
    for (; count > 0; count--)
        generate_typed_key(seed, request, type);
}

static void add_counted(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"0", "-1", "x", "", "5", "9223372036854775807", "01"};
    uint64_t count = 1 + generate_below(seed, 3);
    if (generate_one_in(seed, 8))
        generate_text(request, PICK(seed, odd));
    else
        generate_integer(request, (int64_t)count);
    add_keys(seed, request, "set", count);
    if (generate_one_in(seed, 3)) {
        generate_text(request, generate_one_in(seed, 10) ? "QQ" : "LIMIT");
        if (generate_one_in(seed, 8))
            generate_number(seed, request);
        else
            generate_integer(request, (int64_t)generate_below(seed, 8));
    }
}

static void add_pop_key(uint64_t *seed, struct request *request) {
    char text[32];
    snprintf(text, sizeof(text), "pop:%d", (int)generate_below(seed, 3));
    generate_text(request, text);
}

static bool add_argument(uint64_t *seed, struct request *request, char kind) {
    static const char *const withs[] = {"WITHVALUES", "withvalues", "WITHSCORES"};
    switch (kind) {
    case 'h':
        generate_typed_key(seed, request, "hash");
        return true;
    case 't':
        generate_typed_key(seed, request, "set");
        return true;
    case 'T':
        add_keys(seed, request, "set", 1 + generate_below(seed, 4));
        return true;
    case 'm':
        add_member(seed, request);
        return true;
    case 'W':
        add_members(seed, request);
        return true;
    case 'N':
        add_pairs(seed, request);
        return true;
    case 'V':
        generate_members_scan(seed, request);
        return true;
    case 'j':
        generate_draws(seed, request);
        return true;
    case 'l':
        generate_text(request, withs[generate_below(seed, generate_one_in(seed, 8) ? 3 : 2)]);
        return true;
    case 'q':
        add_pop_key(seed, request);
        return true;
    case 'c':
        generate_text(request, "only");
        return true;
    case 'I':
        add_counted(seed, request);
        return true;
    default:
        return false;
    }
}

const struct generate_family generate_hashes = {hash_rows, sizeof(hash_rows) / sizeof(*hash_rows),
                                                add_argument};
const struct generate_family generate_sets = {set_rows, sizeof(set_rows) / sizeof(*set_rows), add_argument};
