/* SPDX-License-Identifier: MIT */
/*
 * Commands on sorted sets. They meet each other on a few keys of their own, and strings on the other commands' keys. Ranges of bytes
 * mean something only where all scores are the same, so they have keys that no command here gives other scores.
 *
 *     k key   l key with equal scores   K number of keys, keys   m member   M 1-4 members   s score
 *     S 1-30 pairs of score and member   Z the same with score 0   a options of ZADD   r bound by score
 *     b bound by bytes   i rank   o options of ZRANGE   p the same where BYSCORE is said   q of ZRANGEBYSCORE
 *     w WITHSCORES, often none   c count   g options of ZUNION   L options of ZINTERCARD   e end, and count
 *     d count of draws and WITHSCORES
 *
 * A letter after '-' is one of generate.c's.
 */
#include <stdio.h>
#include <string.h>

#include "generate_parts.h"
#include "harness.h"

static const struct row {
    const char *name;
    unsigned weight;
    const char *arguments;
    enum comparison comparison;
} rows[] = {
    {"ZADD", 100, "kS", COMPARE_BYTES},
    {"ZADD", 60, "kaS", COMPARE_BYTES},
    {"ZADD", 20, "kasm", COMPARE_BYTES},
    {"ZADD", 60, "lZ", COMPARE_BYTES},
    {"ZINCRBY", 40, "ksm", COMPARE_BYTES},
    {"ZREM", 25, "kM", COMPARE_BYTES},
    {"ZREM", 10, "lM", COMPARE_BYTES},
    {"ZCARD", 15, "k", COMPARE_BYTES},
    {"ZSCORE", 25, "km", COMPARE_BYTES},
    {"ZMSCORE", 20, "kM", COMPARE_BYTES},
    {"ZRANK", 25, "km", COMPARE_BYTES},
    {"ZREVRANK", 25, "km", COMPARE_BYTES},
    {"ZCOUNT", 25, "krr", COMPARE_BYTES},
    {"ZLEXCOUNT", 25, "lbb", COMPARE_BYTES},
    {"ZPOPMIN", 8, "k", COMPARE_BYTES},
    {"ZPOPMAX", 8, "k", COMPARE_BYTES},
    {"ZPOPMIN", 8, "kc", COMPARE_BYTES},
    {"ZPOPMAX", 8, "kc", COMPARE_BYTES},
    {"ZMPOP", 15, "Ke", COMPARE_BYTES},
    {"ZRANDMEMBER", 8, "k", COMPARE_SHAPE},
    {"ZRANDMEMBER", 15, "kd", COMPARE_SHAPE},
    {"ZRANDMEMBER", 8, "kNw", COMPARE_ANY_ORDER},
    {"ZSCAN", 15, "kx", COMPARE_ANY_ORDER},
    {"ZRANGE", 40, "kiiw", COMPARE_BYTES},
    {"ZRANGE", 25, "kiio", COMPARE_BYTES},
    {"ZRANGE", 40, "krrp", COMPARE_BYTES},
    {"ZRANGE", 30, "lbby", COMPARE_BYTES},
    {"ZREVRANGE", 25, "kiiw", COMPARE_BYTES},
    {"ZREVRANGE", 4, "kiiq", COMPARE_BYTES},
    {"ZRANGEBYSCORE", 30, "krrq", COMPARE_BYTES},
    {"ZREVRANGEBYSCORE", 30, "krrq", COMPARE_BYTES},
    {"ZRANGEBYLEX", 25, "lbbq", COMPARE_BYTES},
    {"ZREVRANGEBYLEX", 25, "lbbq", COMPARE_BYTES},
    {"ZRANGESTORE", 20, "kkii", COMPARE_BYTES},
    {"ZRANGESTORE", 20, "kkrrp", COMPARE_BYTES},
    {"ZRANGESTORE", 10, "klbby", COMPARE_BYTES},
    {"ZREMRANGEBYRANK", 12, "kii", COMPARE_BYTES},
    {"ZREMRANGEBYSCORE", 12, "krr", COMPARE_BYTES},
    {"ZREMRANGEBYLEX", 12, "lbb", COMPARE_BYTES},
    {"ZUNION", 30, "Kgw", COMPARE_BYTES},
    {"ZINTER", 30, "Kgw", COMPARE_BYTES},
    {"ZDIFF", 25, "Kw", COMPARE_BYTES},
    {"ZDIFF", 4, "Kg", COMPARE_BYTES},
    {"ZUNIONSTORE", 25, "kKg", COMPARE_BYTES},
    {"ZINTERSTORE", 25, "kKg", COMPARE_BYTES},
    {"ZDIFFSTORE", 20, "kK", COMPARE_BYTES},
    {"ZINTERCARD", 25, "KL", COMPARE_BYTES},
    {"TYPE", 10, "k", COMPARE_BYTES},
    {"OBJECT|ENCODING", 40, "k", COMPARE_ENCODING},
    {"DEL", 8, "k", COMPARE_BYTES},
    {"DEL", 3, "l", COMPARE_BYTES},
    {"EXISTS", 5, "k", COMPARE_BYTES},
    {"RENAME", 5, "kk", COMPARE_BYTES},
    {"COPY", 8, "kk-C", COMPARE_BYTES},
    {"MOVE", 5, "k-d", COMPARE_BYTES},
    {"EXPIRE", 8, "k-s-x", COMPARE_BYTES},
    {"PERSIST", 8, "k", COMPARE_BYTES},
    {"TTL", 15, "k", COMPARE_TIME},
    {"COMMAND|GETKEYS", 15, "@", COMPARE_BYTES},
    {"COMMAND|GETKEYSANDFLAGS", 15, "@", COMPARE_BYTES},
};
enum { ROWS = sizeof(rows) / sizeof(*rows), LONG_MEMBER = 65, MANY = 30 };

#define PICK(seed, list) ((list)[generate_below(seed, sizeof(list) / sizeof(*(list)))])

static bool one_in(uint64_t *seed, uint64_t n) {
    return generate_below(seed, n) == 0;
}

static void add_number(struct request *request, const char *format, long long number) {
    char text[64];
    snprintf(text, sizeof(text), format, number);
    generate_text(request, text);
}

static long long number(uint64_t *seed, long long from, long long to) {
    return from + (long long)generate_below(seed, (uint64_t)(to - from + 1));
}

/* ---- arguments ------------------------------------------------------------------------------------------- */

static void add_key(uint64_t *seed, struct request *request) {
    if (one_in(seed, 8))
        generate_argument(seed, request, 'k');
    else
        add_number(request, "z:%lld", one_in(seed, 2) ? 0 : number(seed, 1, 6)); /* one of them grows */
}

static void add_keys(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"0", "-1", "x", "", "x2", "100", ".5"};
    long long count = number(seed, 1, 4);
    if (one_in(seed, 12))
        generate_text(request, PICK(seed, odd));
    else
        add_number(request, "%lld", one_in(seed, 12) ? count + number(seed, -1, 1) : count);
    for (; count > 0; count--)
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
        generate_text(request, text + one_in(seed, 2));
    } else if (kind < 4)
        generate_text(request, PICK(seed, odd));
    else if (kind < 12)
        add_number(request, "%lld", number(seed, -20, 20));
    else
        add_number(request, "m%lld", number(seed, 0, one_in(seed, 3) ? 400 : 25));
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
        generate_text(request, odd[generate_below(seed, one_in(seed, 4) ? sizeof(odd) / sizeof(*odd) : 4)]);
    else if (kind == 1 && one_in(seed, 4))
        generate_text(request, PICK(seed, odd));
    else if (kind == 2 && one_in(seed, 2))
        generate_argument(seed, request, 'F');
    else if (kind < 4)
        add_number(request, one_in(seed, 2) ? "%lld.25" : "%lld.1", number(seed, -5, 5));
    else
        add_number(request, "%lld", number(seed, -6, 6));
}

/* All of them right, mostly: one that is wrong spoils the command. */
static void add_pairs(uint64_t *seed, struct request *request, bool same) {
    static const char *const sums[] = {"inf", "-inf", "-0", "0.1", "1e17", "5e-324", "1e300"};
    for (uint64_t count = 1 + generate_below(seed, one_in(seed, 3) ? MANY - 2 : 4); count > 0; count--) {
        if (same)
            generate_text(request, "0");
        else if (one_in(seed, 60))
            add_score(seed, request);
        else if (one_in(seed, 6))
            generate_text(request, PICK(seed, sums));
        else
            add_number(request, "%lld", number(seed, -6, 6));
        add_member(seed, request);
    }
}

static void add_zadd_options(uint64_t *seed, struct request *request) {
    static const char *const options[] = {"NX", "XX", "GT", "LT", "CH", "INCR", "ch", "gt", "incr"};
    for (uint64_t count = 1 + generate_below(seed, 3); count > 0; count--)
        generate_text(request, PICK(seed, options));
}

static void add_score_bound(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"-inf", "+inf", "inf",  "(inf", "(-inf", "",    "(",
                                      "nan",  "(nan", " 1",   "1 ",   "x",     "((1", "1e400",
                                      "(0.1", "-0",   "0x10", "[1",   "+",     "-"};
    if (one_in(seed, 4))
        generate_text(request, odd[generate_below(seed, one_in(seed, 3) ? sizeof(odd) / sizeof(*odd) : 5)]);
    else
        add_number(request,
                   one_in(seed, 3)   ? "(%lld"
                   : one_in(seed, 3) ? "%lld.1"
                                     : "%lld",
                   number(seed, -7, 7));
}

static void add_bytes_bound(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"-", "+", "[", "(", "", "m1", "-x", "+1", "[-", "(+"};
    if (one_in(seed, 3))
        generate_text(request, odd[generate_below(seed, one_in(seed, 3) ? sizeof(odd) / sizeof(*odd) : 4)]);
    else
        add_number(request,
                   one_in(seed, 2)   ? "[m%lld"
                   : one_in(seed, 4) ? "[%lld"
                                     : "(m%lld",
                   number(seed, -5, 60));
}

static void add_rank(uint64_t *seed, struct request *request) {
    if (one_in(seed, 20))
        generate_argument(seed, request, 'n');
    else
        add_number(request, "%lld", number(seed, -12, 12));
}

static void add_limit(uint64_t *seed, struct request *request) {
    generate_text(request, one_in(seed, 2) ? "LIMIT" : "limit");
    for (int i = 0; i < 2; i++) {
        if (one_in(seed, 30))
            generate_argument(seed, request, 'n');
        else
            add_number(request, "%lld", number(seed, -1, 9));
    }
}

/* Each of them often left out. BYLEX is for keys with equal scores. */
static void add_range_options(uint64_t *seed, struct request *request, char kind) {
    if (kind == 'p')
        generate_text(request, one_in(seed, 2) ? "BYSCORE" : "byscore");
    if (kind == 'y')
        generate_text(request, one_in(seed, 2) ? "BYLEX" : "bylex");
    if (kind != 'q' && one_in(seed, 2))
        generate_text(request, one_in(seed, 2) ? "REV" : "rev");
    if (one_in(seed, kind == 'o' ? 8 : 2))
        add_limit(seed, request);
    if (one_in(seed, kind == 'y' ? 10 : 2))
        generate_text(request, "WITHSCORES");
    if (one_in(seed, 30))
        generate_text(request, one_in(seed, 2) ? "REV" : "QQ");
}

static void add_algebra_options(uint64_t *seed, struct request *request) {
    static const char *const kinds[] = {"SUM", "MIN", "MAX", "sum", "QQ"};
    if (one_in(seed, 2)) {
        generate_text(request, "WEIGHTS");
        for (long long count = number(seed, 1, 4); count > 0; count--)
            add_score(seed, request);
    }
    if (one_in(seed, 2)) {
        generate_text(request, one_in(seed, 2) ? "AGGREGATE" : "aggregate");
        generate_text(request, kinds[generate_below(seed, one_in(seed, 12) ? 5 : 4)]);
    }
}

static void add_draws(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"x", "", "-9223372036854775808", "1.5"};
    if (one_in(seed, 8))
        generate_text(request, PICK(seed, odd));
    else
        add_number(request, "%lld", number(seed, -20, 20));
    if (one_in(seed, 2))
        generate_text(request, one_in(seed, 12) ? "QQ" : "WITHSCORES");
}

static void add_end(uint64_t *seed, struct request *request) {
    static const char *const ends[] = {"MIN", "MAX", "min", "max", "QQ"};
    generate_text(request, ends[generate_below(seed, one_in(seed, 12) ? 5 : 4)]);
    if (one_in(seed, 2)) {
        generate_text(request, "COUNT");
        add_number(request, "%lld", number(seed, one_in(seed, 6) ? -1 : 1, 6));
    }
}

static void add_scan_options(uint64_t *seed, struct request *request) {
    static const char *const patterns[] = {"*", "m1*", "m[2-5]", "[^m]*", "", "?"};
    static const char *const bad[] = {"x", "1.5", "99999999999999999999999"};
    generate_text(request, one_in(seed, 12) ? PICK(seed, bad) : "0");
    generate_text(request, "COUNT");
    generate_text(request, one_in(seed, 12) ? "0" : "1000000");
    if (one_in(seed, 2)) {
        generate_text(request, "MATCH");
        generate_text(request, PICK(seed, patterns));
    }
    if (one_in(seed, 20))
        generate_text(request, "TYPE");
}

static void add_count(uint64_t *seed, struct request *request) {
    if (one_in(seed, 10))
        generate_argument(seed, request, 'n');
    else
        add_number(request, "%lld", number(seed, -1, 8));
}

static void add_cardinality_limit(uint64_t *seed, struct request *request) {
    if (one_in(seed, 2))
        return;
    generate_text(request, "LIMIT");
    add_count(seed, request);
}

static void add_command(uint64_t *seed, struct request *request);

static void add_argument(uint64_t *seed, struct request *request, char kind) {
    switch (kind) {
    case 'k':
        add_key(seed, request);
        break;
    case 'l':
        add_number(request, "lex:%lld", number(seed, 0, 2));
        break;
    case 'K':
        add_keys(seed, request);
        break;
    case 'm':
        add_member(seed, request);
        break;
    case 'M':
        for (long long count = number(seed, 1, 4); count > 0; count--)
            add_member(seed, request);
        break;
    case 's':
        add_score(seed, request);
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
        if (one_in(seed, 2))
            generate_text(request, one_in(seed, 20) ? "QQ" : "WITHSCORES");
        break;
    case 'c':
        add_count(seed, request);
        break;
    case 'N':
        generate_text(request, "1000000");
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
    case '@':
        add_command(seed, request);
        break;
    default:
        add_range_options(seed, request, kind);
    }
}

/* ---- commands -------------------------------------------------------------------------------------------- */

static const struct row *pick_row(uint64_t *seed) {
    uint64_t sum = 0;
    for (size_t i = 0; i < ROWS; i++)
        sum += rows[i].weight;
    uint64_t at = generate_below(seed, sum);
    const struct row *row = rows;
    for (; at >= row->weight; row++)
        at -= row->weight;
    return row;
}

static const struct row *add_row(uint64_t *seed, struct request *request) {
    const struct row *row = pick_row(seed);
    while (request->count > 0 && row->arguments[0] == '@') /* not within another one */
        row = pick_row(seed);
    generate_name(seed, request, row->name);
    for (const char *kind = row->arguments; *kind != '\0'; kind++) {
        if (*kind == '-')
            generate_argument(seed, request, *++kind);
        else
            add_argument(seed, request, *kind);
    }
    return row;
}

static void add_command(uint64_t *seed, struct request *request) {
    (void)add_row(seed, request);
}

enum comparison generate_zset(uint64_t *seed, struct request *request) {
    const struct row *row = add_row(seed, request);
    bool may_set_a_score = row->arguments[0] == 'l'; /* another one */
    if (!may_set_a_score && row->comparison == COMPARE_BYTES && one_in(seed, 15))
        generate_spoilt(seed, request);
    return row->comparison;
}
