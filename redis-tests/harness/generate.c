/* SPDX-License-Identifier: MIT */
#include "generate_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "harness.h"
#include "sequence.h"

/*
 * One row a command. `arguments` is a template, one letter for each:
 *
 *     k key   K 1-4 keys   v value   P 1-4 pairs of key and value   n integer   o options of SET, 0-4
 *     s seconds from now   S milliseconds from now   a Unix seconds   A Unix milliseconds
 *     p pattern   O options of SCAN   d database   f option of a flush   e option of EXPIREAT, often none
 *     x option of EXPIRE: none that compares, as two servers' clocks do not agree to the millisecond
 *     g a directive that both have, or none   w a word that means nothing
 *     F decimal number   i small integer   b offset of a bit   B bit   u unit of a range, or none
 *     y operation of BITOP   E options of GETEX   L options of LCS   M operations of BITFIELD
 *     C options of COPY   Z another command with its arguments   0-9 the family's own, and any behind '_'
 *
 * A '!' at its start: never with one argument more or less, which would be another command. A '^': it takes what a command before it
 * left in Redis's errno for its own failure, so it comes right behind one that clears it.
 */
static const struct generate_row rows[] = {
    {"SET", 120, "kvo", COMPARE_BYTES},
    {"GET", 60, "k", COMPARE_BYTES},
    {"MGET", 20, "K", COMPARE_BYTES},
    {"MSET", 20, "P", COMPARE_BYTES},
    {"SETNX", 15, "kv", COMPARE_BYTES},
    {"GETSET", 15, "kv", COMPARE_BYTES},
    {"GETDEL", 15, "k", COMPARE_BYTES},
    {"INCR", 25, "k", COMPARE_BYTES},
    {"DECR", 20, "k", COMPARE_BYTES},
    {"INCRBY", 25, "kn", COMPARE_BYTES},
    {"DECRBY", 25, "kn", COMPARE_BYTES},
    {"APPEND", 30, "kv", COMPARE_BYTES},
    {"STRLEN", 20, "k", COMPARE_BYTES},
    {"SETEX", 15, "ksv", COMPARE_BYTES},
    {"PSETEX", 15, "kSv", COMPARE_BYTES},
    {"GETEX", 20, "kE", COMPARE_BYTES},
    {"MSETNX", 15, "P", COMPARE_BYTES},
    {"INCRBYFLOAT", 30, "kF", COMPARE_BYTES},
    {"GETRANGE", 20, "kii", COMPARE_BYTES},
    {"SUBSTR", 6, "kii", COMPARE_BYTES},
    {"SETRANGE", 20, "kiv", COMPARE_BYTES},
    {"LCS", 10, "kkL", COMPARE_BYTES},
    {"SETBIT", 25, "kbB", COMPARE_BYTES},
    {"GETBIT", 15, "kb", COMPARE_BYTES},
    {"BITCOUNT", 6, "k", COMPARE_BYTES},
    {"BITCOUNT", 15, "kiiu", COMPARE_BYTES},
    {"BITPOS", 6, "kB", COMPARE_BYTES},
    {"BITPOS", 8, "kBi", COMPARE_BYTES},
    {"BITPOS", 12, "kBiiu", COMPARE_BYTES},
    {"BITOP", 20, "ykK", COMPARE_BYTES},
    {"BITFIELD", 30, "kM", COMPARE_BYTES},
    {"BITFIELD_RO", 12, "kM", COMPARE_BYTES},
    {"DEL", 25, "K", COMPARE_BYTES},
    {"UNLINK", 15, "K", COMPARE_BYTES},
    {"EXISTS", 20, "K", COMPARE_BYTES},
    {"TYPE", 15, "k", COMPARE_BYTES},
    {"RENAME", 20, "kk", COMPARE_BYTES},
    {"RENAMENX", 15, "kk", COMPARE_BYTES},
    {"TOUCH", 10, "K", COMPARE_BYTES},
    {"COPY", 20, "kkC", COMPARE_BYTES},
    {"MOVE", 15, "kd", COMPARE_BYTES},
    {"SWAPDB", 6, "dd", COMPARE_BYTES},
    {"SWAPDB", 2, "nd", COMPARE_BYTES},
    {"OBJECT|ENCODING", 15, "k", COMPARE_ENCODING},
    {"OBJECT|FREQ", 5, "k", COMPARE_SHAPE},
    {"OBJECT|IDLETIME", 3, "k", COMPARE_SHAPE},
    {"OBJECT|REFCOUNT", 3, "k", COMPARE_SHAPE},
    {"OBJECT|NOTHING", 2, "k", COMPARE_BYTES},
    {"MEMORY|USAGE", 5, "k", COMPARE_SHAPE},
    {"MEMORY|NOTHING", 2, "k", COMPARE_BYTES},
    {"EXPIRE", 20, "ksx", COMPARE_BYTES},
    {"PEXPIRE", 20, "kSx", COMPARE_BYTES},
    {"EXPIREAT", 20, "kae", COMPARE_BYTES},
    {"PEXPIREAT", 20, "kAe", COMPARE_BYTES},
    {"PERSIST", 15, "k", COMPARE_BYTES},
    {"TTL", 25, "k", COMPARE_TIME},
    {"PTTL", 25, "k", COMPARE_TIME},
    {"EXPIRETIME", 20, "k", COMPARE_TIME},
    {"PEXPIRETIME", 20, "k", COMPARE_TIME},
    {"KEYS", 12, "p", COMPARE_ANY_ORDER},
    {"SCAN", 15, "O", COMPARE_ANY_ORDER},
    {"RANDOMKEY", 6, "", COMPARE_SHAPE},
    {"DBSIZE", 10, "", COMPARE_BYTES},
    {"SELECT", 12, "d", COMPARE_BYTES},
    {"FLUSHDB", 2, "f", COMPARE_BYTES},
    {"FLUSHALL", 1, "f", COMPARE_BYTES},
    {"PING", 5, "", COMPARE_BYTES},
    {"PING", 5, "v", COMPARE_BYTES},
    {"ECHO", 8, "v", COMPARE_BYTES},
    {"TIME", 3, "", COMPARE_SHAPE},
    {"AUTH", 3, "w", COMPARE_BYTES},
    {"AUTH", 3, "ww", COMPARE_BYTES},
    {"HELLO", 2, "!w", COMPARE_BYTES},
    {"CLIENT|GETNAME", 4, "", COMPARE_BYTES},
    {"CLIENT|SETNAME", 4, "w", COMPARE_BYTES},
    {"CLIENT|SETNAME", 2, "v", COMPARE_BYTES},
    {"CLIENT|ID", 3, "", COMPARE_SHAPE},
    {"CLIENT|NO-EVICT", 3, "w", COMPARE_BYTES},
    {"CLIENT|REPLY", 2, "n", COMPARE_BYTES},
    {"CLIENT|KILL", 3, "w", COMPARE_BYTES},
    {"CLIENT|NOTHING", 2, "w", COMPARE_BYTES},
    {"CONFIG|GET", 3, "!g", COMPARE_BYTES},
    {"CONFIG|SET", 3, "ww", COMPARE_BYTES},
    {"CONFIG|NOTHING", 2, "w", COMPARE_BYTES},
    {"CLIENT|UNBLOCK", 3, "nw", COMPARE_BYTES},
    {"COMMAND|GETKEYS", 12, "!Z", COMPARE_BYTES},
    {"COMMAND|GETKEYSANDFLAGS", 12, "!Z", COMPARE_BYTES},
    {"CONFIG|REWRITE", 2, "", COMPARE_BYTES},
    {"DEBUG", 2, "w", COMPARE_BYTES},
    {"LASTSAVE", 2, "", COMPARE_SHAPE},
    {"LATENCY|HISTORY", 3, "w", COMPARE_BYTES},
    {"LATENCY|LATEST", 3, "", COMPARE_BYTES},
    {"LATENCY|RESET", 3, "w", COMPARE_BYTES},
    {"LATENCY|NOTHING", 2, "w", COMPARE_BYTES},
    {"LOLWUT", 2, "", COMPARE_SHAPE},
    {"SLOWLOG|LEN", 3, "", COMPARE_SHAPE},
    {"SLOWLOG|GET", 3, "!p", COMPARE_BYTES},
    {"SLOWLOG|RESET", 3, "", COMPARE_BYTES},
    {"SLOWLOG|NOTHING", 2, "w", COMPARE_BYTES},
    {"NOSUCH", 4, "", COMPARE_BYTES},
    {"NO|SUCH|COMMAND", 4, "vkv", COMPARE_BYTES},
    {0},
};

static const struct generate_family common = {.rows = rows};
static const struct generate_family *const families[] = {
    &common,          &generate_lists,        &generate_hashes,  &generate_sets,
    &generate_zsets,  &generate_transactions, &generate_scripts, &generate_server,
    &generate_packed, &generate_streams};
enum { FAMILIES = sizeof(families) / sizeof(*families) };

uint64_t generate_below(uint64_t *seed, uint64_t limit) {
    return harness_random(seed) % limit;
}

bool generate_one_in(uint64_t *seed, uint64_t n) {
    return generate_below(seed, n) == 0;
}

void generate_add(struct request *request, const void *bytes, size_t length) {
    if (request->count == GENERATE_ARGS_MAX || length > sizeof(request->bytes) - request->used)
        harness_fail("a generated command is too large");
    request->args[request->count].start = request->used;
    request->args[request->count++].length = length;
    memcpy(request->bytes + request->used, bytes, length);
    request->used += length;
}

void generate_add_text(struct request *request, const char *text) {
    generate_add(request, text, strlen(text));
}

void generate_add_integer(struct request *request, int64_t value) {
    char text[32];
    generate_add(request, text, (size_t)snprintf(text, sizeof(text), "%lld", (long long)value));
}

/* ---- arguments ------------------------------------------------------------------------------------------- */

static void add_key(uint64_t *seed, struct request *request) {
    static const struct {
        const char *bytes;
        size_t length;
    } odd[] = {
        {"", 0},           {"\0\r\n\xff", 4}, {"{tag}a", 6}, {"{tag}b", 6}, {"with space", 10},
        {"\"quoted\"", 8}, {"a*b?[c]", 7},
    };
    static const char *const types[] = {"list", "hash", "set"};
    char text[32];
    if (generate_one_in(seed, 8)) {
        size_t at = generate_below(seed, sizeof(odd) / sizeof(*odd));
        generate_add(request, odd[at].bytes, odd[at].length);
        return;
    }
    if (generate_one_in(seed, 8))
        snprintf(text, sizeof(text), "%s:%llu", GENERATE_PICK(seed, types),
                 (unsigned long long)generate_below(seed, 4));
    else
        snprintf(text, sizeof(text), "key:%llu", (unsigned long long)generate_below(seed, 24));
    generate_add_text(request, text);
}

static void add_random_bytes(uint64_t *seed, struct request *request, size_t length) {
    char bytes[20000];
    for (size_t i = 0; i < length; i++)
        bytes[i] = (char)harness_random(seed);
    generate_add(request, bytes, length);
}

static void add_number(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {
        "0",
        "-0",
        "-1",
        "+1",
        "01",
        " 1",
        "1 ",
        "1.5",
        "1e3",
        "0x10",
        "",
        "ten",
        "9223372036854775807",
        "9223372036854775806",
        "-9223372036854775808",
        "-9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999999999",
    };
    if (generate_one_in(seed, 3))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else
        generate_add_integer(request, (int64_t)generate_below(seed, 2001) - 1000);
}

static void add_value(uint64_t *seed, struct request *request) {
    switch (generate_below(seed, 8)) {
    case 0:
    case 1:
    case 2:
        add_number(seed, request);
        break;
    case 3:
        add_random_bytes(seed, request, generate_below(seed, 64));
        break;
    case 4:
        add_random_bytes(seed, request,
                         generate_one_in(seed, 10) ? generate_below(seed, 20000) : generate_below(seed, 300));
        break;
    default:
        generate_add_text(request, generate_one_in(seed, 2) ? "a plain value"
                                                            : "another one, somewhat longer than the first");
    }
}

/* Far enough away that it cannot pass while the test runs, or past already. */
static int64_t far_seconds(uint64_t *seed) {
    static const int64_t seconds[] = {1000, 5000, 86400, 1000000, 100000000};
    return GENERATE_PICK(seed, seconds);
}

static void add_time(uint64_t *seed, struct request *request, int64_t from, int64_t unit) {
    static const char *const odd[] = {
        "x",
        "",
        "1.5",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775",
        "92233720368547758070",
    };
    if (generate_one_in(seed, 10))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else if (generate_one_in(seed, 6))
        generate_add_integer(request, -(int64_t)generate_below(seed, 100));
    else
        generate_add_integer(request, (from + far_seconds(seed)) * unit +
                                          (unit > 1 ? (int64_t)generate_below(seed, 1000) : 0));
}

static void add_set_options(uint64_t *seed, struct request *request) {
    static const char *const flags[] = {"NX", "XX", "GET", "KEEPTTL", "nx", "get"};
    static const char *const times[] = {"EX", "PX", "EXAT", "PXAT"};
    for (uint64_t count = generate_one_in(seed, 2) ? 0 : 1 + generate_below(seed, 3); count > 0; count--) {
        uint64_t kind = generate_below(seed, 10);
        if (kind < 6) {
            generate_add_text(request, GENERATE_PICK(seed, flags));
            continue;
        }
        size_t time_kind = generate_below(seed, 4);
        generate_add_text(request, times[time_kind]);
        /* Never a time long past: Redis counts such a key in DBSIZE until it comes by. 0 and less are errors. */
        int64_t from = time_kind < 2 ? 0 : 4000000000, unit = time_kind % 2 == 0 ? 1 : 1000;
        if (generate_one_in(seed, 8))
            generate_add_integer(request, -(int64_t)generate_below(seed, 3));
        else
            generate_add_integer(request, (from + far_seconds(seed)) * unit);
    }
}

static void add_scan_options(uint64_t *seed, struct request *request) {
    static const char *const patterns[] = {"*", "key:1*", "key:[2-5]", "[^k]*", "\\*", "?", "nothing", ""};
    static const char *const bad[] = {"x", "1.5", "", "99999999999999999999999"};
    static const char *const types[] = {"string", "list", "hash", "set", "SET", "none"};
    generate_add_text(request, generate_one_in(seed, 12) ? GENERATE_PICK(seed, bad) : "0");
    generate_add_text(request, "COUNT");
    generate_add_text(request, generate_one_in(seed, 12) ? "0" : "1000000");
    if (generate_one_in(seed, 2)) {
        generate_add_text(request, "MATCH");
        generate_add_text(request, GENERATE_PICK(seed, patterns));
    }
    if (generate_one_in(seed, 4)) {
        generate_add_text(request, "TYPE");
        generate_add_text(request, GENERATE_PICK(seed, types));
    }
}

static void add_float(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"1.5",    "-0.1",   "3.0e3",   "1e17",
                                      "inf",    "-inf",   "nan",     "0x1p3",
                                      " 1",     "1 ",     "",        "1e-20",
                                      "5e-324", ".5",     "5.",      "1e400",
                                      "-1e400", "1e5000", "1e-5000", "3.14159265358979323846",
                                      "0.1",    "-0",     "1e",      "123456789012345678901234567890",
                                      "1,5"};
    char text[64];
    if (generate_one_in(seed, 3))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else if (generate_one_in(seed, 2))
        add_number(seed, request);
    else {
        double value = (double)(int64_t)(harness_random(seed) >> generate_below(seed, 60)) /
                       (double)(1 + generate_below(seed, 100000));
        snprintf(text, sizeof(text), "%.*g", (int)(1 + generate_below(seed, 17)),
                 generate_one_in(seed, 2) ? -value : value);
        generate_add_text(request, text);
    }
}

/* Places in values of some tens, or some thousands, of bytes. */
static void add_place(uint64_t *seed, struct request *request) {
    uint64_t kind = generate_below(seed, 16);
    if (kind == 0)
        add_number(seed, request);
    else if (kind < 4)
        generate_add_integer(request, (int64_t)generate_below(seed, 20000) - 5000);
    else
        generate_add_integer(request, (int64_t)generate_below(seed, 80) - 24);
}

static void add_bit_offset(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"4294967296", "-1", "", "x", "1.5", "#1", "99999999999999999999", "01"};
    if (generate_one_in(seed, 16))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else
        generate_add_integer(request, (int64_t)generate_below(seed, generate_one_in(seed, 8) ? 100000 : 400));
}

static void add_getex_options(uint64_t *seed, struct request *request) {
    static const char *const words[] = {"PERSIST", "persist", "NX", "KEEPTTL"};
    static const char *const times[] = {"EX", "PX", "exat", "pxat"};
    for (uint64_t count = generate_one_in(seed, 3) ? 0 : 1 + generate_one_in(seed, 5); count > 0; count--) {
        size_t kind = generate_below(seed, 6);
        if (kind >= 4) {
            generate_add_text(request, generate_one_in(seed, 4) ? GENERATE_PICK(seed, words) : "PERSIST");
            continue;
        }
        generate_add_text(request, times[kind]);
        add_time(seed, request, kind < 2 ? 0 : 4000000000, kind % 2 == 0 ? 1 : 1000);
    }
}

static void add_lcs_options(uint64_t *seed, struct request *request) {
    static const char *const words[] = {"LEN", "IDX", "WITHMATCHLEN", "idx", "QQ"};
    for (uint64_t count = generate_below(seed, 4); count > 0; count--) {
        if (generate_one_in(seed, 4)) {
            generate_add_text(request, "MINMATCHLEN");
            add_place(seed, request);
        } else
            generate_add_text(request, words[generate_below(seed, generate_one_in(seed, 10) ? 5 : 4)]);
    }
}

static void add_field_type(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"u64", "i0", "u0", "i65", "x8", "", "i", "u-1", "i08"};
    char text[16];
    if (generate_one_in(seed, 20)) {
        generate_add_text(request, GENERATE_PICK(seed, odd));
        return;
    }
    bool is_signed = generate_one_in(seed, 2);
    snprintf(text, sizeof(text), "%c%d", is_signed ? 'i' : 'u',
             (int)(1 + generate_below(seed, is_signed ? 64 : 63)));
    generate_add_text(request, text);
}

/* None below -2^62: there Redis 7.0 takes the least number for one that is too large, and SAT makes it the largest. */
static void add_field_operand(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"9223372036854775807", "-4611686018427387904", "x", "", "1.5", "01"};
    if (generate_one_in(seed, 10))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else
        generate_add_integer(request, (int64_t)(harness_random(seed) >> (2 + generate_below(seed, 62))) *
                                          (generate_one_in(seed, 2) ? 1 : -1));
}

/* Where FAIL stands there is a write at the end that succeeds: what Redis 7.0 makes longer without writing, it does not tell those who WATCH it. */
static void add_field_operations(uint64_t *seed, struct request *request) {
    static const char *const overflows[] = {"WRAP", "SAT", "FAIL", "sat", "QQ"};
    static const char *const kinds[] = {"GET", "SET", "INCRBY", "get", "incrby"};
    static const char *const succeeds[] = {"OVERFLOW", "WRAP", "SET", "u1", "0", "0"};
    bool only_reads = generate_one_in(seed, 3), may_fail = false;
    for (uint64_t count = generate_below(seed, 5); count > 0; count--) {
        if (generate_one_in(seed, 3)) {
            const char *overflow = overflows[generate_below(seed, generate_one_in(seed, 12) ? 5 : 4)];
            generate_add_text(request, "OVERFLOW");
            generate_add_text(request, overflow);
            may_fail |= strcmp(overflow, "FAIL") == 0;
        }
        const char *kind = only_reads ? "GET" : GENERATE_PICK(seed, kinds);
        generate_add_text(request, generate_one_in(seed, 40) ? "QQ" : kind);
        add_field_type(seed, request);
        if (generate_one_in(seed, 3)) {
            char text[16];
            snprintf(text, sizeof(text), "#%d", (int)generate_below(seed, 40));
            generate_add_text(request, text);
        } else
            add_bit_offset(seed, request);
        if (strcmp(kind, "GET") == 0 || strcmp(kind, "get") == 0)
            continue;
        add_field_operand(seed, request);
    }
    if (may_fail && !only_reads)
        for (size_t i = 0; i < sizeof(succeeds) / sizeof(succeeds[0]); i++)
            generate_add_text(request, succeeds[i]);
}

static void add_copy_options(uint64_t *seed, struct request *request) {
    for (uint64_t count = generate_below(seed, 3); count > 0; count--) {
        if (generate_one_in(seed, 2))
            generate_add_text(request, generate_one_in(seed, 8) ? "QQ" : "REPLACE");
        else {
            generate_add_text(request, "DB");
            generate_add_integer(request, (int64_t)generate_below(seed, generate_one_in(seed, 10) ? 40 : 4));
        }
    }
}

static void add_command(uint64_t *seed, struct request *request);

void generate_add_argument(uint64_t *seed, struct request *request, char kind) {
    static const char *const patterns[] = {
        "*", "key:*", "key:?", "key:1[0-3]", "*[^0-9]", "[a", "\\", "a\\*b*", "**", "{tag}?", "nothing",
    };
    static const char *const words[] = {"word", "*", "nothing",   "default", "yes",
                                        "12",   "4", "two words", "\n",      ""};
    static const char *const flushes[] = {"ASYNC", "SYNC", "async", "NOW"};
    static const char *const operations[] = {"AND", "OR", "XOR", "NOT", "and", "xor", "NAND"};
    static const char *const units[] = {"BIT", "BYTE", "bit", "QQ"};
    static const char *const conditions[] = {"NX", "XX", "QQ", "GT", "LT", "gt"};
    switch (kind) {
    case 'k':
        add_key(seed, request);
        break;
    case 'K':
        for (uint64_t count = 1 + generate_below(seed, 4); count > 0; count--)
            add_key(seed, request);
        break;
    case 'v':
        add_value(seed, request);
        break;
    case 'P':
        for (uint64_t count = 1 + generate_below(seed, 4); count > 0; count--) {
            add_key(seed, request);
            add_value(seed, request);
        }
        break;
    case 'n':
        add_number(seed, request);
        break;
    case 'o':
        add_set_options(seed, request);
        break;
    case 's':
        add_time(seed, request, 0, 1);
        break;
    case 'S':
        add_time(seed, request, 0, 1000);
        break;
    case 'a':
        add_time(seed, request, 4000000000, 1);
        break;
    case 'A':
        add_time(seed, request, 4000000000, 1000);
        break;
    case 'p':
        generate_add_text(request, GENERATE_PICK(seed, patterns));
        break;
    case 'O':
        add_scan_options(seed, request);
        break;
    case 'd':
        generate_add_integer(request, generate_one_in(seed, 12) ? (int64_t)generate_below(seed, 40) - 10
                                                                : (int64_t)generate_below(seed, 4));
        break;
    case 'F':
        add_float(seed, request);
        break;
    case 'i':
        add_place(seed, request);
        break;
    case 'b':
        add_bit_offset(seed, request);
        break;
    case 'B':
        generate_add_integer(request, generate_one_in(seed, 16) ? 2 : (int64_t)generate_below(seed, 2));
        break;
    case 'u':
        if (generate_one_in(seed, 2))
            generate_add_text(request, units[generate_below(seed, generate_one_in(seed, 8) ? 4 : 3)]);
        break;
    case 'y':
        generate_add_text(request, GENERATE_PICK(seed, operations));
        break;
    case 'E':
        add_getex_options(seed, request);
        break;
    case 'L':
        add_lcs_options(seed, request);
        break;
    case 'M':
        add_field_operations(seed, request);
        break;
    case 'Z':
        add_command(seed, request);
        break;
    case 'C':
        add_copy_options(seed, request);
        break;
    case 'f':
        if (!generate_one_in(seed, 3))
            generate_add_text(request, GENERATE_PICK(seed, flushes));
        break;
    case 'g':
        generate_add_text(request, generate_one_in(seed, 2) ? "databases" : "no-such-*");
        break;
    case 'e':
    case 'x':
        if (generate_one_in(seed, 4))
            generate_add_text(request, conditions[generate_below(seed, kind == 'e' ? 6 : 3)]);
        break;
    default:
        generate_add_text(request, GENERATE_PICK(seed, words));
    }
}

/* ---- commands -------------------------------------------------------------------------------------------- */

static const struct generate_row *pick_row(uint64_t *seed, const struct generate_family **family) {
    uint64_t sum = 0;
    for (size_t i = 0; i < FAMILIES; i++)
        for (const struct generate_row *row = families[i]->rows; row->name; row++)
            sum += row->weight;
    uint64_t at = generate_below(seed, sum);
    for (size_t i = 0;; i++)
        for (const struct generate_row *row = families[i]->rows; row->name; at -= row++->weight)
            if (at < row->weight) {
                *family = families[i];
                return row;
            }
}

/* The name, or command and subcommand, in changing case. */
static void add_name(uint64_t *seed, struct request *request, const char *name) {
    char text[64];
    for (bool more = true; more;) {
        size_t length = strcspn(name, "|");
        bool lower = generate_one_in(seed, 2);
        for (size_t i = 0; i < length; i++)
            text[i] = (char)(lower ? tolower(name[i]) : name[i]);
        generate_add(request, text, length);
        more = name[length] == '|';
        name += length + 1;
    }
}

void generate_add_timeout(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"-1", "x", "", " 1", "1 ", "nan", "-inf", "inf", "1e300", "-0.01"};
    static const char *const tiny[] = {"0.001", "0.002", "1e-3", "+0.001", "0.0001", "1e-9", "0x0.01p-4"};
    generate_add_text(request,
                      generate_one_in(seed, 12) ? GENERATE_PICK(seed, odd) : GENERATE_PICK(seed, tiny));
}

/* One argument less, or more. */
static void spoil(uint64_t *seed, struct request *request) {
    switch (generate_below(seed, 3)) {
    case 0:
        if (request->count > 1)
            request->count--;
        break;
    case 1:
        add_value(seed, request);
        break;
    default:
        add_number(seed, request);
        generate_add_text(request, "EX");
    }
}

static void add_row(uint64_t *seed, struct request *request, const struct generate_row *row,
                    const struct generate_family *family) {
    bool exact = row->arguments[0] == '!';
    request->comparison = row->comparison;
    add_name(seed, request, row->name);
    for (const char *kind = row->arguments + (exact || row->arguments[0] == '^'); *kind != '\0'; kind++) {
        if (isdigit((unsigned char)*kind))
            family->add(seed, request, *kind);
        else if (*kind == '_')
            family->add(seed, request, *++kind);
        else
            generate_add_argument(seed, request, *kind);
    }
    if (!exact && generate_one_in(seed, 12))
        spoil(seed, request);
}

/* As an argument; how its own reply would be compared means nothing. */
static void add_command(uint64_t *seed, struct request *request) {
    const struct generate_family *family;
    enum comparison comparison = request->comparison;
    const struct generate_row *row = pick_row(seed, &family);
    add_row(seed, request, row, family);
    request->comparison = comparison;
}

static bool may_be_called(const struct generate_row *row, const struct generate_family *family) {
    bool over_data = family == &generate_lists || family == &generate_hashes || family == &generate_sets ||
                     family == &generate_zsets || family == &generate_streams;
    for (const struct generate_row *first = rows; family == &common && strcmp(first->name, "SELECT") != 0;
         first++)
        over_data |= first == row;
    return over_data && strcmp(row->name, "OBJECT|ENCODING") != 0 && strcmp(row->name, "OBJECT|FREQ") != 0 &&
           strcmp(row->name, "OBJECT|IDLETIME") != 0 && strncmp(row->name, "MEMORY", 6) != 0;
}

enum comparison generate_add_called(uint64_t *seed, struct request *request, bool clears) {
    const struct generate_family *family;
    const struct generate_row *row;
    do
        row = pick_row(seed, &family);
    while (!may_be_called(row, family) || (row->arguments[0] == '^') != clears);
    add_row(seed, request, row, family);
    return request->comparison;
}

/* A command that leaves Redis's errno clear. */
static void add_clearing(struct request *request) {
    static const char *const words[] = {"SCAN", "0", "COUNT", "1000000"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        generate_add_text(request, words[i]);
    request->comparison = COMPARE_ANY_ORDER;
}

enum comparison generate_request(uint64_t *seed, struct request *request) {
    const struct generate_family *family = request->held_family;
    const struct generate_row *row = request->held;
    if (!row && (row = generate_transactions_due(request)))
        family = &generate_transactions;
    if (!row && (row = generate_server_due(request)))
        family = &generate_server;
    if (!row)
        row = pick_row(seed, &family);
    request->count = request->used = 0;
    request->joined = row->arguments[0] == '^' && !request->held;
    if (request->joined) {
        request->held = row;
        request->held_family = family;
        add_clearing(request);
    } else {
        request->held = NULL;
        add_row(seed, request, row, family);
        if (family == &generate_transactions)
            generate_transactions_follow(seed, request, row);
        if (family == &generate_server)
            generate_server_follow(seed, request, row);
    }
    return request->comparison;
}

size_t generate_encode(const struct request *request, bool as_inline, char *out) {
    struct word words[GENERATE_ARGS_MAX];
    for (size_t i = 0; i < request->count; i++)
        words[i] = (struct word){request->bytes + request->args[i].start, request->args[i].length};
    return words_encode(words, request->count, as_inline, out);
}
