/* SPDX-License-Identifier: MIT */
/* Streams and their groups. */
#include <stdio.h>
#include <string.h>

#include "generate_parts.h"

/*
 *     0 a stream's key   1 id for XADD   2 id of an entry   3 lower bound   4 upper bound   5 COUNT, or none
 *     6 options of XADD   7 options of XTRIM   8 fields and values   9 group
 *     _c consumer   _i ids   _s STREAMS for XREAD   _g STREAMS for XREADGROUP   _x options of XCLAIM   _a options of XAUTOCLAIM
 *     _p range of XPENDING   _n id for XGROUP, with options   _z id for XSETID, with options   _f FULL, or none
 *     _b BLOCK, or none   _w a least idle time   _y a key that gets ids by time   _t such an id
 *
 * Ids go by time only under that one key, where nothing is compared that depends on them. All others are made of few milliseconds, so that there
 * is nearly always a next one.
 */
static const struct generate_row rows[] = {
    {"XADD", 160, "0618", COMPARE_BYTES},
    {"XADD", 4, "_y_t8", COMPARE_SHAPE},
    {"XLEN", 15, "0", COMPARE_BYTES},
    {"XLEN", 2, "_y", COMPARE_BYTES},
    {"XDEL", 25, "0_i", COMPARE_BYTES},
    {"XTRIM", 8, "07", COMPARE_BYTES},
    {"XRANGE", 40, "0345", COMPARE_BYTES},
    {"XREVRANGE", 30, "0435", COMPARE_BYTES},
    {"XREAD", 30, "5_b_s", COMPARE_BYTES},
    {"XGROUP|CREATE", 30, "09_n", COMPARE_BYTES},
    {"XGROUP|SETID", 8, "09_n", COMPARE_BYTES},
    {"XGROUP|DESTROY", 2, "09", COMPARE_BYTES},
    {"XGROUP|CREATECONSUMER", 6, "09_c", COMPARE_BYTES},
    {"XGROUP|DELCONSUMER", 4, "09_c", COMPARE_BYTES},
    {"XGROUP|NOTHING", 1, "09_c", COMPARE_BYTES},
    {"XREADGROUP", 70, "_g", COMPARE_BYTES},
    {"XACK", 30, "09_i", COMPARE_BYTES},
    {"XCLAIM", 30, "09_c_w_i_x", COMPARE_BYTES},
    {"XAUTOCLAIM", 20, "09_c_w3_a", COMPARE_BYTES},
    {"XPENDING", 15, "09", COMPARE_BYTES},
    {"XPENDING", 25, "09_p", COMPARE_TIMES},
    {"XINFO|STREAM", 20, "0_f", COMPARE_TIMES},
    {"XINFO|GROUPS", 20, "0", COMPARE_BYTES},
    {"XINFO|CONSUMERS", 12, "09", COMPARE_TIMES},
    {"XSETID", 4, "0_z", COMPARE_BYTES},
    {"DEL", 2, "0", COMPARE_BYTES},
    {"TYPE", 4, "0", COMPARE_BYTES},
    {"OBJECT|ENCODING", 4, "0", COMPARE_ENCODING},
    {"RENAME", 3, "00", COMPARE_BYTES},
    {"COPY", 4, "00C", COMPARE_BYTES},
    {"SORT", 2, "0", COMPARE_BYTES},
    {"LLEN", 2, "0", COMPARE_BYTES},
    {"EXPIRE", 2, "0sx", COMPARE_BYTES},
    {0},
};

static void add_key(uint64_t *seed, struct request *request) {
    char text[32];
    if (generate_one_in(seed, 16)) {
        generate_add_argument(seed, request, 'k');
        return;
    }
    snprintf(text, sizeof(text), "stream:%llu", (unsigned long long)generate_below(seed, 3));
    generate_add_text(request, text);
}

static const char *const odd_ids[] = {"0-0",
                                      "0",
                                      "-",
                                      "+",
                                      "$",
                                      ">",
                                      "x",
                                      "",
                                      "50-",
                                      "-5",
                                      "50-x",
                                      "5-*",
                                      "(50-1",
                                      "18446744073709551615",
                                      "18446744073709551616",
                                      "49-18446744073709551615",
                                      "50--1",
                                      " 50-1"};

static void add_text_id(uint64_t *seed, struct request *request, const char *before, uint64_t most) {
    char text[64];
    snprintf(text, sizeof(text), "%s50-%llu", before, (unsigned long long)generate_below(seed, most));
    generate_add_text(request, text);
}

static void add_new_id(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 40))
        generate_add_text(request, generate_one_in(seed, 3) ? "51-*" : GENERATE_PICK(seed, odd_ids));
    else if (generate_one_in(seed, 10))
        add_text_id(seed, request, "", 400);
    else
        generate_add_text(request, "50-*");
}

static void add_id(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 50))
        generate_add_text(request, GENERATE_PICK(seed, odd_ids));
    else
        add_text_id(seed, request, "", generate_one_in(seed, 3) ? 400 : 60);
}

static void add_bound(uint64_t *seed, struct request *request, const char *end) {
    if (generate_one_in(seed, 3))
        generate_add_text(request, end);
    else
        add_text_id(seed, request, generate_one_in(seed, 4) ? "(" : "", 300);
}

static void add_small(uint64_t *seed, struct request *request, uint64_t below) {
    static const char *const odd[] = {
        "0", "-1", "x", "", "1.5", "9223372036854775807", "9223372036854775808"};
    if (generate_one_in(seed, 30))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else
        generate_add_integer(request, (int64_t)generate_below(seed, below));
}

static void add_count(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 3))
        return;
    generate_add_text(request, generate_one_in(seed, 40) ? "QQ" : "COUNT");
    add_small(seed, request, 12);
}

static void add_trim(uint64_t *seed, struct request *request) {
    static const char *const how[] = {"=", "~", "~", "~"};
    bool by_id = generate_one_in(seed, 3), rough = false;
    generate_add_text(request, by_id ? "MINID" : "maxlen");
    if (generate_one_in(seed, 2)) {
        const char *sign = GENERATE_PICK(seed, how);
        rough = sign[0] == '~';
        generate_add_text(request, sign);
    }
    if (by_id)
        add_text_id(seed, request, "", 400);
    else
        add_small(seed, request, 250);
    if (generate_one_in(seed, rough ? 3 : 20)) {
        generate_add_text(request, "LIMIT");
        add_small(seed, request, 300);
    }
}

static void add_options(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 12))
        generate_add_text(request, "NOMKSTREAM");
    if (generate_one_in(seed, 20))
        add_trim(seed, request);
}

/* Mostly the same names, as entries of one stream have. */
static void add_fields(uint64_t *seed, struct request *request) {
    static const char *const names[] = {"name", "value", "7", ""};
    uint64_t count = generate_one_in(seed, 4) ? 1 + generate_below(seed, 4) : 2;
    for (uint64_t i = 0; i < count; i++) {
        generate_add_text(request, generate_one_in(seed, 10) ? GENERATE_PICK(seed, names) : names[i]);
        if (generate_one_in(seed, 3))
            generate_add_argument(seed, request, 'v');
        else
            generate_add_integer(request,
                                 (int64_t)(generate_below(seed, 100000) * generate_below(seed, 100000)));
    }
}

static void add_group(uint64_t *seed, struct request *request) {
    static const char *const groups[] = {"g", "g", "h", "a longer name of a group"};
    generate_add_text(request, generate_one_in(seed, 30) ? "nobody" : GENERATE_PICK(seed, groups));
}

static void add_consumer(uint64_t *seed, struct request *request) {
    static const char *const consumers[] = {"one", "two", "three", ""};
    generate_add_text(request, GENERATE_PICK(seed, consumers));
}

static void add_ids(uint64_t *seed, struct request *request) {
    for (uint64_t count = 1 + generate_below(seed, 6); count > 0; count--)
        add_id(seed, request);
}

/* Milliseconds: few enough that the other commands do not wait long, and never without an end. */
static void add_block(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"x", "-1", "1.5", ""};
    if (!generate_one_in(seed, 6))
        return;
    generate_add_text(request, "BLOCK");
    generate_add_text(request, generate_one_in(seed, 12) ? GENERATE_PICK(seed, odd) : "2");
}

static void add_streams(uint64_t *seed, struct request *request, bool of_group) {
    uint64_t keys = generate_one_in(seed, 4) ? 2 + generate_below(seed, 2) : 1;
    generate_add_text(request, "STREAMS");
    for (uint64_t i = 0; i < keys; i++)
        add_key(seed, request);
    for (uint64_t i = 0; i < keys; i++)
        if (generate_one_in(seed, 3))
            add_id(seed, request);
        else if (of_group)
            generate_add_text(request, ">");
        else
            add_text_id(seed, request, "", 300);
}

static void add_group_read(uint64_t *seed, struct request *request) {
    generate_add_text(request, "GROUP");
    add_group(seed, request);
    add_consumer(seed, request);
    if (!generate_one_in(seed, 6)) {
        generate_add_text(request, "COUNT");
        add_small(seed, request, 8);
    }
    add_block(seed, request);
    if (generate_one_in(seed, 8))
        generate_add_text(request, "NOACK");
    add_streams(seed, request, true);
}

static void add_claim_options(uint64_t *seed, struct request *request) {
    static const char *const words[] = {"FORCE", "JUSTID", "RETRYCOUNT", "LASTID", "IDLE", "TIME", "QQ"};
    for (uint64_t count = generate_below(seed, 3); count > 0; count--) {
        const char *word = words[generate_below(seed, generate_one_in(seed, 30) ? 7 : 6)];
        generate_add_text(request, word);
        if (word[0] == 'L')
            add_id(seed, request);
        else if (strchr("RIT", word[0]))
            add_small(seed, request, 1000);
    }
}

static void add_least_idle(uint64_t *seed, struct request *request) {
    static const char *const least[] = {"0", "0", "0", "-1", "1000000000", "x"};
    generate_add_text(request, least[generate_below(seed, generate_one_in(seed, 10) ? 6 : 3)]);
}

static void add_auto_options(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 2)) {
        generate_add_text(request, "COUNT");
        add_small(seed, request, 10);
    }
    if (generate_one_in(seed, 3))
        generate_add_text(request, "JUSTID");
}

static void add_pending_range(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 4)) {
        generate_add_text(request, "IDLE");
        add_least_idle(seed, request);
    }
    add_bound(seed, request, "-");
    add_bound(seed, request, "+");
    add_small(seed, request, 12);
    if (generate_one_in(seed, 3))
        add_consumer(seed, request);
}

static void add_group_start(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 3))
        generate_add_text(request, generate_one_in(seed, 2) ? "$" : "0");
    else
        add_id(seed, request);
    if (generate_one_in(seed, 4))
        generate_add_text(request, "MKSTREAM");
    if (generate_one_in(seed, 6)) {
        generate_add_text(request, "ENTRIESREAD");
        add_small(seed, request, 100);
    }
}

static void add_set_id(uint64_t *seed, struct request *request) {
    add_text_id(seed, request, "", 500);
    if (generate_one_in(seed, 3)) {
        generate_add_text(request, "ENTRIESADDED");
        add_small(seed, request, 500);
    }
    if (generate_one_in(seed, 3)) {
        generate_add_text(request, "MAXDELETEDID");
        add_text_id(seed, request, "", 500);
    }
}

static void add_full(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 2))
        return;
    generate_add_text(request, generate_one_in(seed, 20) ? "QQ" : "FULL");
    add_count(seed, request);
}

static void add_timed_key(uint64_t *seed, struct request *request) {
    (void)seed;
    generate_add_text(request, "stream by time");
}

static void add_timed_id(uint64_t *seed, struct request *request) {
    (void)seed;
    generate_add_text(request, "*");
}

static void add(uint64_t *seed, struct request *request, char letter) {
    static void (*const adders[])(uint64_t *, struct request *) = {
        ['0'] = add_key,           ['1'] = add_new_id,      ['2'] = add_id,
        ['5'] = add_count,         ['6'] = add_options,     ['7'] = add_trim,
        ['8'] = add_fields,        ['9'] = add_group,       ['c'] = add_consumer,
        ['i'] = add_ids,           ['b'] = add_block,       ['g'] = add_group_read,
        ['x'] = add_claim_options, ['w'] = add_least_idle,  ['a'] = add_auto_options,
        ['p'] = add_pending_range, ['n'] = add_group_start, ['z'] = add_set_id,
        ['f'] = add_full,          ['y'] = add_timed_key,   ['t'] = add_timed_id,
    };
    if (letter == '3' || letter == '4')
        add_bound(seed, request, letter == '3' ? "-" : "+");
    else if (letter == 's')
        add_streams(seed, request, false);
    else
        adders[(unsigned char)letter](seed, request);
}

const struct generate_family generate_streams = {.rows = rows, .add = add};
