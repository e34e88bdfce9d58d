/* SPDX-License-Identifier: MIT */
/* Lists, and SORT of whatever can be sorted. */
#include <stdio.h>
#include <string.h>

#include "generate_parts.h"

/*
 *     0 a list's key and 1-40 elements  1 a list's key   2 element   3 end   4 side   5 index or small count
 *     6 options of LPOS   7 all of LMPOP's   8 options of SORT   9 options of SORT_RO
 *     _t time-out of a command that blocks
 *
 * Lists under "nums:" begin with numbers only, so that they can be sorted by them.
 */
static const struct generate_row rows[] = {
    {"LPUSH", 40, "0", COMPARE_BYTES},
    {"RPUSH", 60, "0", COMPARE_BYTES},
    {"LPUSHX", 12, "0", COMPARE_BYTES},
    {"RPUSHX", 12, "0", COMPARE_BYTES},
    {"LPOP", 15, "1", COMPARE_BYTES},
    {"RPOP", 15, "1", COMPARE_BYTES},
    {"LPOP", 8, "15", COMPARE_BYTES},
    {"RPOP", 8, "15", COMPARE_BYTES},
    {"LLEN", 20, "1", COMPARE_BYTES},
    {"LINDEX", 25, "15", COMPARE_BYTES},
    {"LSET", 25, "152", COMPARE_BYTES},
    {"LINSERT", 30, "1422", COMPARE_BYTES},
    {"LRANGE", 40, "155", COMPARE_BYTES},
    {"LREM", 25, "152", COMPARE_BYTES},
    {"LTRIM", 8, "155", COMPARE_BYTES},
    {"RPOPLPUSH", 20, "11", COMPARE_BYTES},
    {"LMOVE", 30, "1133", COMPARE_BYTES},
    {"LPOS", 40, "126", COMPARE_BYTES},
    {"LMPOP", 25, "7", COMPARE_BYTES},
    {"BLPOP", 8, "!1_t", COMPARE_BYTES},
    {"BRPOP", 8, "!111_t", COMPARE_BYTES},
    {"BLMOVE", 8, "!1133_t", COMPARE_BYTES},
    {"BRPOPLPUSH", 8, "!11_t", COMPARE_BYTES},
    {"BLMPOP", 8, "!_t7", COMPARE_BYTES},
    {"SORT", 50, "^18", COMPARE_BYTES},
    {"SORT_RO", 30, "^19", COMPARE_BYTES},
    {"TYPE", 5, "1", COMPARE_BYTES},
    {"OBJECT|ENCODING", 5, "1", COMPARE_ENCODING},
    {"DEL", 3, "1", COMPARE_BYTES},
    {"RENAME", 5, "11", COMPARE_BYTES},
    {"COPY", 10, "11C", COMPARE_BYTES},
    {"EXPIRE", 3, "1sx", COMPARE_BYTES},
    {0},
};

/* Returns whether its elements are numbers. */
static bool add_key(uint64_t *seed, struct request *request) {
    char text[32];
    if (generate_one_in(seed, 8)) {
        generate_add_argument(seed, request, 'k');
        return false;
    }
    bool numbers = generate_one_in(seed, 2);
    snprintf(text, sizeof(text), "%s:%llu", numbers ? "nums" : "list",
             (unsigned long long)generate_below(seed, 3));
    generate_add_text(request, text);
    return numbers;
}

/* Few different ones, so that they are found again; among them the ends of key:0 .. key:23. */
static void add_element(uint64_t *seed, struct request *request, bool number) {
    static const char *const words[] = {"a", "b", "c", "", "-1", "nums:1", "list:1", "two words", "01"};
    static const char *const fractions[] = {"1.5", "-0.25", "1e3", "3.0", "0x10", " 7", "inf", "-0"};
    uint64_t kind = generate_below(seed, 12);
    if (kind < 6)
        generate_add_integer(request, (int64_t)generate_below(seed, 30) - 4);
    else if (number)
        generate_add_text(request, GENERATE_PICK(seed, fractions));
    else if (kind < 10)
        generate_add_text(request, GENERATE_PICK(seed, words));
    else
        generate_add_argument(seed, request, 'v');
}

static void add_key_and_elements(uint64_t *seed, struct request *request) {
    bool numbers = add_key(seed, request);
    uint64_t most = generate_one_in(seed, 5) ? 40 : 4;
    for (uint64_t count = 1 + generate_below(seed, most); count > 0; count--)
        add_element(seed, request, numbers);
}

static void add_index(uint64_t *seed, struct request *request) {
    if (generate_one_in(seed, 16))
        generate_add_argument(seed, request, 'n');
    else
        generate_add_integer(request, (int64_t)generate_below(seed, generate_one_in(seed, 4) ? 200 : 16) - 6);
}

static void add_end(uint64_t *seed, struct request *request) {
    static const char *const ends[] = {"LEFT", "RIGHT", "left", "Right", "BEFORE"};
    generate_add_text(request, ends[generate_below(seed, generate_one_in(seed, 12) ? 5 : 4)]);
}

static void add_side(uint64_t *seed, struct request *request) {
    static const char *const sides[] = {"BEFORE", "AFTER", "before", "After", "LEFT"};
    generate_add_text(request, sides[generate_below(seed, generate_one_in(seed, 12) ? 5 : 4)]);
}

static void add_small(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {
        "0", "-1", "x", "", "1.5", "9223372036854775807", "9223372036854775808"};
    if (generate_one_in(seed, 8))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else
        generate_add_integer(request, (int64_t)generate_below(seed, 6));
}

static void add_position_options(uint64_t *seed, struct request *request) {
    static const char *const options[] = {"RANK", "COUNT", "MAXLEN", "rank", "count", "QQ"};
    for (uint64_t count = generate_below(seed, 4); count > 0; count--) {
        const char *option = options[generate_below(seed, generate_one_in(seed, 12) ? 6 : 5)];
        generate_add_text(request, option);
        if (generate_one_in(seed, option[0] == 'R' ? 2 : 40))
            generate_add_integer(request, -1 - (int64_t)generate_below(seed, 3));
        else
            add_small(seed, request);
    }
}

/* As many keys as are announced, or nearly. */
static void add_pop_of_several(uint64_t *seed, struct request *request) {
    static const char *const odd[] = {"0", "-1", "x", "", "99"};
    uint64_t keys = 1 + generate_below(seed, 4);
    if (generate_one_in(seed, 16))
        generate_add_text(request, GENERATE_PICK(seed, odd));
    else
        generate_add_integer(request, (int64_t)keys + (generate_one_in(seed, 16) ? 1 : 0));
    for (; keys > 0; keys--)
        (void)add_key(seed, request);
    add_end(seed, request);
    if (generate_one_in(seed, 2)) {
        generate_add_text(request, generate_one_in(seed, 10) ? "QQ" : "COUNT");
        add_small(seed, request);
    }
}

/* What is left to chance in Redis is compared loosely, or not stored. */
static void add_sort_options(uint64_t *seed, struct request *request, bool may_store) {
    static const char *const patterns[] = {"key:*", "w:*", "*", "nums:*->f", "key:*->", "*->1", "k*y:*"};
    static const char *const gets[] = {"#", "key:*", "list:*", "nothing", "*", "key:*->f", "##", ""};
    bool by = generate_one_in(seed, 3), alpha = generate_one_in(seed, 2), limit = generate_one_in(seed, 2);
    bool fixed = generate_one_in(seed, 5);
    bool ties = by && !fixed && alpha;
    bool store = may_store && !ties && generate_one_in(seed, 2);
    if (fixed || by)
        generate_add_text(request, "BY");
    if (fixed || by)
        generate_add_text(request, fixed ? "nosort" : GENERATE_PICK(seed, patterns));
    if (alpha)
        generate_add_text(request, generate_one_in(seed, 2) ? "ALPHA" : "alpha");
    if (generate_one_in(seed, 2))
        generate_add_text(request, generate_one_in(seed, 3) ? "ASC" : "desc");
    if (limit) {
        generate_add_text(request, "LIMIT");
        add_index(seed, request);
        add_index(seed, request);
    }
    for (uint64_t count = generate_one_in(seed, 2) ? 0 : generate_below(seed, 4); count > 0; count--) {
        generate_add_text(request, "GET");
        generate_add_text(request, GENERATE_PICK(seed, gets));
    }
    if (store) {
        generate_add_text(request, "STORE");
        (void)add_key(seed, request);
    } else if (generate_one_in(seed, 20)) {
        generate_add_text(request, may_store ? "QQ" : "STORE");
    }
    if (!store && (alpha || fixed))
        request->comparison = limit ? COMPARE_SHAPE : COMPARE_ANY_ORDER;
}

static void add(uint64_t *seed, struct request *request, char digit) {
    switch (digit) {
    case '0':
        add_key_and_elements(seed, request);
        break;
    case '1':
        (void)add_key(seed, request);
        break;
    case '2':
        add_element(seed, request, generate_one_in(seed, 3));
        break;
    case '3':
        add_end(seed, request);
        break;
    case '4':
        add_side(seed, request);
        break;
    case '5':
        add_index(seed, request);
        break;
    case '6':
        add_position_options(seed, request);
        break;
    case '7':
        add_pop_of_several(seed, request);
        break;
    case 't':
        generate_add_timeout(seed, request);
        break;
    default:
        add_sort_options(seed, request, digit == '8');
    }
}

const struct generate_family generate_lists = {.rows = rows, .add = add};
