/* SPDX-License-Identifier: MIT */
/*
 * Hashes and sets.
 *
 *     of hashes   0 a hash's key   3 1-25 pairs of field and value   6 WITHVALUES, or nearly
 *     of sets     0 a set's key   3 1-4 of them   6 key of a set of one member   7 that member
 *                 8 keys of SINTERCARD, with their number, and options
 *     of both     1 field or member   2 1-40 of them   4 cursor and options of a scan   5 count of draws, never
 *                 so far below zero that the reply has no end
 */
#include <stdio.h>

#include "generate_parts.h"

/* So many keys "hash:0", "set:0" ... are mostly of their type, and met by other commands too. */
enum { TYPED_KEYS = 4 };

static const struct generate_row hash_rows[] = {
    {"HSET", 70, "03", COMPARE_BYTES},
    {"HMSET", 15, "03", COMPARE_BYTES},
    {"HSETNX", 15, "01v", COMPARE_BYTES},
    {"HGET", 20, "01", COMPARE_BYTES},
    {"HMGET", 15, "02", COMPARE_BYTES},
    {"HDEL", 20, "02", COMPARE_BYTES},
    {"HLEN", 12, "0", COMPARE_BYTES},
    {"HSTRLEN", 12, "01", COMPARE_BYTES},
    {"HEXISTS", 12, "01", COMPARE_BYTES},
    {"HKEYS", 10, "0", COMPARE_ANY_ORDER},
    {"HVALS", 10, "0", COMPARE_ANY_ORDER},
    {"HGETALL", 15, "0", COMPARE_PAIRS},
    {"HINCRBY", 30, "01n", COMPARE_BYTES},
    {"HINCRBYFLOAT", 25, "01F", COMPARE_BYTES},
    {"HSCAN", 15, "04", COMPARE_PAIRS},
    {"HRANDFIELD", 5, "!0", COMPARE_SHAPE},
    {"HRANDFIELD", 8, "!05", COMPARE_SHAPE},
    {"HRANDFIELD", 8, "!056", COMPARE_SHAPE},
    {"HRANDFIELD", 2, "!056v", COMPARE_BYTES},
    {"OBJECT|ENCODING", 15, "0", COMPARE_ENCODING},
    {"TYPE", 5, "0", COMPARE_BYTES},
    {"COPY", 10, "0kC", COMPARE_BYTES},
    {"COPY", 8, "00C", COMPARE_BYTES},
    {"RENAME", 6, "00", COMPARE_BYTES},
    {"DEL", 3, "0", COMPARE_BYTES},
    {"EXPIRE", 5, "0sx", COMPARE_BYTES},
    {0},
};

static const struct generate_row set_rows[] = {
    {"SADD", 90, "02", COMPARE_BYTES},
    {"SREM", 20, "02", COMPARE_BYTES},
    {"SISMEMBER", 15, "01", COMPARE_BYTES},
    {"SMISMEMBER", 12, "02", COMPARE_BYTES},
    {"SCARD", 12, "0", COMPARE_BYTES},
    {"SMEMBERS", 15, "0", COMPARE_ANY_ORDER},
    {"SMOVE", 25, "001", COMPARE_BYTES},
    {"SSCAN", 15, "04", COMPARE_ANY_ORDER},
    {"SRANDMEMBER", 5, "!0", COMPARE_SHAPE},
    {"SRANDMEMBER", 8, "!05", COMPARE_SHAPE},
    {"SRANDMEMBER", 2, "!05v", COMPARE_BYTES},
    {"SADD", 15, "!67", COMPARE_BYTES},
    {"SPOP", 8, "!6", COMPARE_BYTES},
    {"SPOP", 8, "!6n", COMPARE_BYTES},
    {"SPOP", 2, "!6nv", COMPARE_BYTES},
    {"SINTER", 15, "3", COMPARE_ANY_ORDER},
    {"SUNION", 15, "3", COMPARE_ANY_ORDER},
    {"SDIFF", 15, "3", COMPARE_ANY_ORDER},
    {"SINTERSTORE", 12, "03", COMPARE_BYTES},
    {"SUNIONSTORE", 8, "03", COMPARE_BYTES},
    {"SDIFFSTORE", 15, "03", COMPARE_BYTES},
    {"SINTERCARD", 25, "8", COMPARE_BYTES},
    {"OBJECT|ENCODING", 15, "0", COMPARE_ENCODING},
    {"TYPE", 5, "0", COMPARE_BYTES},
    {"COPY", 10, "0kC", COMPARE_BYTES},
    {"COPY", 8, "00C", COMPARE_BYTES},
    {"RENAME", 6, "00", COMPARE_BYTES},
    {"DEL", 3, "0", COMPARE_BYTES},
    {"EXPIRE", 5, "0sx", COMPARE_BYTES},
    {0},
};

/* ---- arguments ------------------------------------------------------------------------------------------- */

static void add_typed_key(uint64_t *seed, struct request *request, const char *type) {
    char text[32];
    if (generate_one_in(seed, 8)) {
        generate_add_argument(seed, request, 'k');
        return;
    }
    snprintf(text, sizeof(text), "%s:%d", type, (int)generate_below(seed, TYPED_KEYS));
    generate_add_text(request, text);
}

static void add_scan(uint64_t *seed, struct request *request) {
    static const char *const patterns[] = {"*", "member:1*", "[0-5]*", "", "nothing", "?"};
    static const char *const bad[] = {"x", "1.5", "", "99999999999999999999999", "-0", "+"};
    generate_add_text(request, generate_one_in(seed, 12) ? GENERATE_PICK(seed, bad) : "0");
    generate_add_text(request, "COUNT");
    generate_add_text(request, generate_one_in(seed, 12) ? "0" : "1000000");
    if (generate_one_in(seed, 2)) {
        generate_add_text(request, "match");
        generate_add_text(request, GENERATE_PICK(seed, patterns));
    }
    if (generate_one_in(seed, 12)) {
        generate_add_text(request, "TYPE");
        generate_add_text(request, "hash");
    }
}

static void add_draws(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {
        "x", "1.5", "", "9223372036854775807", "-9223372036854775808", "01", "4611686018427387904"};
    if (generate_one_in(seed, 8))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else
        generate_add_integer(request, (int64_t)generate_below(seed, generate_one_in(seed, 4) ? 2000 : 40) -
                                          (generate_one_in(seed, 4) ? 1000 : 20));
}

static void add_member(uint64_t *seed, struct request *request) {
    char text[32];
    uint64_t kind = generate_below(seed, 12);
    if (kind == 0) {
        generate_add_argument(seed, request, 'v');
    } else if (kind < 8) {
        generate_add_integer(request, (int64_t)generate_below(seed, kind < 4 ? 400 : 60) - 20);
    } else {
        snprintf(text, sizeof(text), "member:%d", (int)generate_below(seed, kind < 10 ? 200 : 20));
        generate_add_text(request, text);
    }
}

/* A set of integers only comes about when all members of all commands that add to it are. */
static void add_members(uint64_t *seed, struct request *request) {
    bool integers = generate_one_in(seed, 2);
    uint64_t count = 1 + generate_below(seed, generate_one_in(seed, 3) ? 40 : 4);
    for (; count > 0; count--)
        if (integers)
            generate_add_integer(
                request, (int64_t)generate_below(seed, generate_one_in(seed, 9) ? 1000000000000 : 900));
        else
            add_member(seed, request);
}

static void add_pairs(uint64_t *seed, struct request *request) {
    uint64_t count = 1 + generate_below(seed, generate_one_in(seed, 3) ? 25 : 3);
    for (; count > 0; count--) {
        add_member(seed, request);
        if (generate_one_in(seed, 3))
            generate_add_argument(seed, request, 'v');
        else
            add_member(seed, request);
    }
}

static void add_keys(uint64_t *seed, struct request *request, const char *type, uint64_t count) {
    for (; count > 0; count--)
        add_typed_key(seed, request, type);
}

static void add_counted(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"0", "-1", "x", "", "5", "9223372036854775807"};
    uint64_t count = 1 + generate_below(seed, 3);
    if (generate_one_in(seed, 8))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else
        generate_add_integer(request, (int64_t)count);
    add_keys(seed, request, "set", count);
    if (generate_one_in(seed, 3)) {
        generate_add_text(request, generate_one_in(seed, 10) ? "QQ" : "LIMIT");
        if (generate_one_in(seed, 8))
            generate_add_argument(seed, request, 'n');
        else
            generate_add_integer(request, (int64_t)generate_below(seed, 8));
    }
}

static void add_pop_key(uint64_t *seed, struct request *request) {
    char text[32];
    snprintf(text, sizeof(text), "pop:%d", (int)generate_below(seed, 3));
    generate_add_text(request, text);
}

static void add_hash_argument(uint64_t *seed, struct request *request, char digit) {
    static const char *const withs[] = {"WITHVALUES", "withvalues", "WITHSCORES"};
    switch (digit) {
    case '0':
        add_typed_key(seed, request, "hash");
        break;
    case '1':
        add_member(seed, request);
        break;
    case '2':
        add_members(seed, request);
        break;
    case '3':
        add_pairs(seed, request);
        break;
    case '4':
        add_scan(seed, request);
        break;
    case '5':
        add_draws(seed, request);
        break;
    default:
        generate_add_text(request, withs[generate_below(seed, generate_one_in(seed, 8) ? 3 : 2)]);
    }
}

static void add_set_argument(uint64_t *seed, struct request *request, char digit) {
    switch (digit) {
    case '0':
        add_typed_key(seed, request, "set");
        break;
    case '3':
        add_keys(seed, request, "set", 1 + generate_below(seed, 4));
        break;
    case '6':
        add_pop_key(seed, request);
        break;
    case '7':
        generate_add_text(request, "only");
        break;
    case '8':
        add_counted(seed, request);
        break;
    default: /* the same as of hashes */
        add_hash_argument(seed, request, digit);
    }
}

const struct generate_family generate_hashes = {hash_rows, add_hash_argument};
const struct generate_family generate_sets = {set_rows, add_set_argument};
