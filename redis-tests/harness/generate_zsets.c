/* SPDX-License-Identifier: MIT */
/*
 * Commands on sorted sets. They meet each other on a few keys of their own, and strings on the other commands' keys. Ranges of bytes
 * mean something only where all scores are the same, so they have keys that no command here gives other scores.
 *
 *     z key of their own   k the same, or another family's   l key with equal scores   K number of keys, keys   m member   M 1-4 members   s score
 *     S 1-30 pairs of score and member   Z the same with score 0   a options of ZADD   r bound by score
 *     b bound by bytes   i rank   o options of ZRANGE   p the same where BYSCORE is said   q of ZRANGEBYSCORE
 *     w WITHSCORES, often none   c count   g options of ZUNION   L options of ZINTERCARD   e end, and count
 *     d count of draws and WITHSCORES   t time-out of a command that blocks
 *
 * In the rows each of these stands behind a '_'.
 *
 * SORT makes Redis keep a sorted set in its other form from then on, which shows in the encoding's name, a negative zero, a scan. No
 * SORT meets the keys of their own, so such things are asked only there.
 */
#include <stdio.h>
#include <string.h>

#include "generate_parts.h"
#include "harness.h"

static const struct generate_row rows[] = {
    {"ZADD", 100, "_k_S", COMPARE_BYTES},
    {"ZADD", 60, "_k_a_S", COMPARE_BYTES},
    {"ZADD", 20, "_k_a_s_m", COMPARE_BYTES},
    {"ZADD", 60, "!_l_Z", COMPARE_BYTES},
    {"ZINCRBY", 40, "_k_s_m", COMPARE_BYTES},
    {"ZREM", 25, "_k_M", COMPARE_BYTES},
    {"ZREM", 10, "!_l_M", COMPARE_BYTES},
    {"ZCARD", 15, "_k", COMPARE_BYTES},
    {"ZSCORE", 25, "_k_m", COMPARE_BYTES},
    {"ZMSCORE", 20, "_k_M", COMPARE_BYTES},
    {"ZRANK", 25, "_k_m", COMPARE_BYTES},
    {"ZREVRANK", 25, "_k_m", COMPARE_BYTES},
    {"ZCOUNT", 25, "_k_r_r", COMPARE_BYTES},
    {"ZLEXCOUNT", 25, "!_l_b_b", COMPARE_BYTES},
    {"ZPOPMIN", 8, "_k", COMPARE_BYTES},
    {"ZPOPMAX", 8, "_k", COMPARE_BYTES},
    {"ZPOPMIN", 8, "_k_c", COMPARE_BYTES},
    {"ZPOPMAX", 8, "_k_c", COMPARE_BYTES},
    {"ZMPOP", 15, "_K_e", COMPARE_BYTES},
    {"BZPOPMIN", 5, "!_k_t", COMPARE_BYTES},
    {"BZPOPMAX", 5, "!_k_k_t", COMPARE_BYTES},
    {"BZMPOP", 8, "!_t_K_e", COMPARE_BYTES},
    {"ZRANDMEMBER", 8, "!_k", COMPARE_SHAPE},
    {"ZRANDMEMBER", 15, "!_k_d", COMPARE_SHAPE},
    {"ZRANDMEMBER", 8, "!_k_N_w", COMPARE_ANY_ORDER},
    {"ZSCAN", 15, "_z_x", COMPARE_ANY_ORDER},
    {"ZRANGE", 40, "_k_i_i_w", COMPARE_BYTES},
    {"ZRANGE", 25, "_k_i_i_o", COMPARE_BYTES},
    {"ZRANGE", 40, "_k_r_r_p", COMPARE_BYTES},
    {"ZRANGE", 30, "!_l_b_b_y", COMPARE_BYTES},
    {"ZREVRANGE", 25, "_k_i_i_w", COMPARE_BYTES},
    {"ZREVRANGE", 4, "_k_i_i_q", COMPARE_BYTES},
    {"ZRANGEBYSCORE", 30, "_k_r_r_q", COMPARE_BYTES},
    {"ZREVRANGEBYSCORE", 30, "_k_r_r_q", COMPARE_BYTES},
    {"ZRANGEBYLEX", 25, "!_l_b_b_q", COMPARE_BYTES},
    {"ZREVRANGEBYLEX", 25, "!_l_b_b_q", COMPARE_BYTES},
    {"ZRANGESTORE", 20, "_k_k_i_i", COMPARE_BYTES},
    {"ZRANGESTORE", 20, "_k_k_r_r_p", COMPARE_BYTES},
    {"ZRANGESTORE", 10, "_k_l_b_b_y", COMPARE_BYTES},
    {"ZREMRANGEBYRANK", 12, "_k_i_i", COMPARE_BYTES},
    {"ZREMRANGEBYSCORE", 12, "_k_r_r", COMPARE_BYTES},
    {"ZREMRANGEBYLEX", 12, "!_l_b_b", COMPARE_BYTES},
    {"ZUNION", 30, "_K_g_w", COMPARE_BYTES},
    {"ZINTER", 30, "_K_g_w", COMPARE_BYTES},
    {"ZDIFF", 25, "_K_w", COMPARE_BYTES},
    {"ZDIFF", 4, "_K_g", COMPARE_BYTES},
    {"ZUNIONSTORE", 25, "_k_K_g", COMPARE_BYTES},
    {"ZINTERSTORE", 25, "_k_K_g", COMPARE_BYTES},
    {"ZDIFFSTORE", 20, "_k_K", COMPARE_BYTES},
    {"ZINTERCARD", 25, "_K_L", COMPARE_BYTES},
    {"TYPE", 10, "_k", COMPARE_BYTES},
    {"OBJECT|ENCODING", 40, "_z", COMPARE_BYTES},
    {"DEL", 8, "_k", COMPARE_BYTES},
    {"DEL", 3, "!_l", COMPARE_BYTES},
    {"EXISTS", 5, "_k", COMPARE_BYTES},
    {"RENAME", 5, "_z_k", COMPARE_BYTES},
    {"COPY", 8, "_z_kC", COMPARE_BYTES},
    {"MOVE", 5, "_kd", COMPARE_BYTES},
    {"EXPIRE", 8, "_ksx", COMPARE_BYTES},
    {"PERSIST", 8, "_k", COMPARE_BYTES},
    {"TTL", 15, "_k", COMPARE_TIME},
    {0},
};
enum { LONG_MEMBER = 65, MANY = 30 };

static void add_number(struct request *request, const char *format, long long number) {
    char text[64];
    snprintf(text, sizeof(text), format, number);
    generate_add_text(request, text);
}

static long long number(uint64_t *seed, long long from, long long to) {
    return from + (long long)generate_below(seed, (uint64_t)(to - from + 1));
}

/* ---- arguments ------------------------------------------------------------------------------------------- */

/* One of them grows. */
static void add_own_key(uint64_t *seed, struct request *request) {
    add_number(request, "z:%lld", generate_one_in(seed, 2) ? 0 : number(seed, 1, 6));
}

static bool on_own_key(const struct request *request) {
    return request->count > 1 && request->args[1].length > 2 &&
           memcmp(request->bytes + request->args[1].start, "z:", 2) == 0;
}

static void add_key(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 8))
        generate_add_argument(seed, request, 'k');
    else
        add_own_key(seed, request);
}

static void add_keys(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"0", "-1", "x", "", "x2", "100", ".5"};
    long long count = number(seed, 1, 4);
    if (generate_one_in(seed, 12))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else
        add_number(request, "%lld", generate_one_in(seed, 12) ? count + number(seed, -1, 1) : count);
    for (; count > 0; count--)
        if (generate_one_in(seed, 6))
            add_number(request, "set:%lld", number(seed, 0, 3));
        else
            add_key(seed, request);
}

static void add_member(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"",    "0",    "-0",        "01", "9223372036854775807",
                                      "a b", "\r\n", "WITHSCORES"};
    char text[LONG_MEMBER + 1];
    uint64_t kind = generate_below(seed, 40);
    if (kind == 0) {
        memset(text, 'x', LONG_MEMBER);
        text[LONG_MEMBER] = '\0';
        text[0] = (char)('a' + number(seed, 0, 3));
        generate_add_text(request, text + generate_one_in(seed, 2));
    } else if (kind < 4)
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else if (kind < 12)
        add_number(request, "%lld", number(seed, -20, 20));
    else
        add_number(request, "m%lld", number(seed, 0, generate_one_in(seed, 3) ? 400 : 25));
}

static void add_score(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {
        "inf",
        "-inf",
        "+inf",
        "Infinity",
        "nan",
        "-nan",
        "-0",
        "0",
        "",
        "1e400",
        "5e-324",
        "1e-400",
        "0x10",
        " 1",
        "1 ",
        "x",
        "1e",
        "9007199254740993",
        "4503599627370496",
        "1e17",
        "123456789012345678",
        "3.14159265358979323846",
        "0.1",
        "-0.0",
    };
    uint64_t kind = generate_below(seed, 8);
    if (kind == 0)
        generate_add_text(
            request, odd[generate_below(seed, generate_one_in(seed, 4) ? sizeof(odd) / sizeof(*odd) : 4)]);
    else if (kind == 1 && generate_one_in(seed, 4))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else if (kind == 2 && generate_one_in(seed, 2))
        generate_add_argument(seed, request, 'F');
    else if (kind < 4)
        add_number(request, generate_one_in(seed, 2) ? "%lld.25" : "%lld.1", number(seed, -5, 5));
    else
        add_number(request, "%lld", number(seed, -6, 6));
}

static void add_own_score(uint64_t *seed, struct request *request) {
    if (on_own_key(request))
        add_score(seed, request);
    else
        add_number(request, "%lld", number(seed, -6, 6));
}

/* All of them right, mostly: one that is wrong spoils the command. */
static void add_pairs(uint64_t *seed, struct request *request, bool same) {
    static const char *const sums[] = {"inf", "-inf", "-0", "0.1", "1e17", "5e-324", "1e300"};
    for (uint64_t count = 1 + generate_below(seed, generate_one_in(seed, 3) ? MANY - 2 : 4); count > 0;
         count--) {
        if (same)
            generate_add_text(request, "0");
        else if (generate_one_in(seed, 60))
            add_own_score(seed, request);
        else if (on_own_key(request) && generate_one_in(seed, 6))
            generate_add_text(request, GENERATE_PICK(seed, sums));
        else
            add_number(request, "%lld", number(seed, -6, 6));
        add_member(seed, request);
    }
}

static void add_zadd_options(uint64_t *seed, struct request *request) {
    static const char *const options[] = {"NX", "XX", "GT", "LT", "CH", "INCR", "ch", "gt", "incr"};
    for (uint64_t count = 1 + generate_below(seed, 3); count > 0; count--)
        generate_add_text(request, GENERATE_PICK(seed, options));
}

static void add_score_bound(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"-inf", "+inf", "inf",  "(inf", "(-inf", "",    "(",
                                      "nan",  "(nan", " 1",   "1 ",   "x",     "((1", "1e400",
                                      "(0.1", "-0",   "0x10", "[1",   "+",     "-"};
    if (generate_one_in(seed, 4))
        generate_add_text(
            request, odd[generate_below(seed, generate_one_in(seed, 3) ? sizeof(odd) / sizeof(*odd) : 5)]);
    else
        add_number(request,
                   generate_one_in(seed, 3)   ? "(%lld"
                   : generate_one_in(seed, 3) ? "%lld.1"
                                              : "%lld",
                   number(seed, -7, 7));
}

static void add_bytes_bound(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"-", "+", "[", "(", "", "m1", "-x", "+1", "[-", "(+"};
    if (generate_one_in(seed, 3))
        generate_add_text(
            request, odd[generate_below(seed, generate_one_in(seed, 3) ? sizeof(odd) / sizeof(*odd) : 4)]);
    else
        add_number(request,
                   generate_one_in(seed, 2)   ? "[m%lld"
                   : generate_one_in(seed, 4) ? "[%lld"
                                              : "(m%lld",
                   number(seed, -5, 60));
}

static void add_rank(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 20))
        generate_add_argument(seed, request, 'n');
    else
        add_number(request, "%lld", number(seed, -12, 12));
}

static void add_limit(uint64_t *seed, struct request *request) {
    generate_add_text(request, generate_one_in(seed, 2) ? "LIMIT" : "limit");
    for (int i = 0; i < 2; i++) {
        if (generate_one_in(seed, 30))
            generate_add_argument(seed, request, 'n');
        else
            add_number(request, "%lld", number(seed, -1, 9));
    }
}

/* Each of them often left out. BYLEX is for keys with equal scores. */
static void add_range_options(uint64_t *seed, struct request *request, char kind) {
    if (kind == 'p')
        generate_add_text(request, generate_one_in(seed, 2) ? "BYSCORE" : "byscore");
    if (kind == 'y')
        generate_add_text(request, generate_one_in(seed, 2) ? "BYLEX" : "bylex");
    if (kind != 'q' && generate_one_in(seed, 2))
        generate_add_text(request, generate_one_in(seed, 2) ? "REV" : "rev");
    if (generate_one_in(seed, kind == 'o' ? 8 : 2))
        add_limit(seed, request);
    if (generate_one_in(seed, kind == 'y' ? 10 : 2))
        generate_add_text(request, "WITHSCORES");
    if (generate_one_in(seed, 30))
        generate_add_text(request, generate_one_in(seed, 2) ? "REV" : "QQ");
}

static void add_algebra_options(uint64_t *seed, struct request *request) {
    static const char *const kinds[] = {"SUM", "MIN", "MAX", "sum", "QQ"};
    if (generate_one_in(seed, 2)) {
        generate_add_text(request, "WEIGHTS");
        for (long long count = number(seed, 1, 4); count > 0; count--)
            add_score(seed, request);
    }
    if (generate_one_in(seed, 2)) {
        generate_add_text(request, generate_one_in(seed, 2) ? "AGGREGATE" : "aggregate");
        generate_add_text(request, kinds[generate_below(seed, generate_one_in(seed, 12) ? 5 : 4)]);
    }
}

static void add_draws(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"x", "", "-9223372036854775808", "1.5"};
    if (generate_one_in(seed, 8))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else
        add_number(request, "%lld", number(seed, -20, 20));
    if (generate_one_in(seed, 2))
        generate_add_text(request, generate_one_in(seed, 12) ? "QQ" : "WITHSCORES");
}

static void add_end(uint64_t *seed, struct request *request) {
    static const char *const ends[] = {"MIN", "MAX", "min", "max", "QQ"};
    generate_add_text(request, ends[generate_below(seed, generate_one_in(seed, 12) ? 5 : 4)]);
    if (generate_one_in(seed, 2)) {
        generate_add_text(request, "COUNT");
        add_number(request, "%lld", number(seed, generate_one_in(seed, 6) ? -1 : 1, 6));
    }
}

static void add_scan_options(uint64_t *seed, struct request *request) {
    static const char *const patterns[] = {"*", "m1*", "m[2-5]", "[^m]*", "", "?"};
    static const char *const bad[] = {"x", "1.5", "99999999999999999999999"};
    generate_add_text(request, generate_one_in(seed, 12) ? GENERATE_PICK(seed, bad) : "0");
    generate_add_text(request, "COUNT");
    generate_add_text(request, generate_one_in(seed, 12) ? "0" : "1000000");
    if (generate_one_in(seed, 2)) {
        generate_add_text(request, "MATCH");
        generate_add_text(request, GENERATE_PICK(seed, patterns));
    }
    if (generate_one_in(seed, 20))
        generate_add_text(request, "TYPE");
}

static void add_count(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 10))
        generate_add_argument(seed, request, 'n');
    else
        add_number(request, "%lld", number(seed, -1, 8));
}

static void add_cardinality_limit(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 2))
        return;
    generate_add_text(request, "LIMIT");
    add_count(seed, request);
}

static void add_argument(uint64_t *seed, struct request *request, char kind) {
    switch (kind) {
    case 'z':
        add_own_key(seed, request);
        break;
    case 'k':
        add_key(seed, request);
        break;
    case 'l':
        add_number(request, "lex:%lld", number(seed, 0, 2));
        break;
    case 'K':
        add_keys(seed, request);
        break;
    case 't':
        generate_add_timeout(seed, request);
        break;
    case 'm':
        add_member(seed, request);
        break;
    case 'M':
        for (long long count = number(seed, 1, 4); count > 0; count--)
            add_member(seed, request);
        break;
    case 's':
        add_own_score(seed, request);
        break;
    case 'S':
    case 'Z':
        add_pairs(seed, request, kind == 'Z');
        break;
    case 'a':
        add_zadd_options(seed, request);
        break;
    case 'r':
        add_score_bound(seed, request);
        break;
    case 'b':
        add_bytes_bound(seed, request);
        break;
    case 'i':
        add_rank(seed, request);
        break;
    case 'w':
        if (generate_one_in(seed, 2))
            generate_add_text(request, generate_one_in(seed, 20) ? "QQ" : "WITHSCORES");
        break;
    case 'c':
        add_count(seed, request);
        break;
    case 'N':
        generate_add_text(request, "1000000");
        break;
    case 'd':
        add_draws(seed, request);
        break;
    case 'g':
        add_algebra_options(seed, request);
        break;
    case 'L':
        add_cardinality_limit(seed, request);
        break;
    case 'e':
        add_end(seed, request);
        break;
    case 'x':
        add_scan_options(seed, request);
        break;
    default:
        add_range_options(seed, request, kind);
    }
}

const struct generate_family generate_zsets = {.rows = rows, .add = add_argument};
