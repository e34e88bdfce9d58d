/* SPDX-License-Identifier: MIT */
/*
 * Looking for many members in one collection: through the table is found what is found from front to back, and sooner. And what is
 * made of sets that are large enough for one.
 */
#include <time.h>

#include "../src/data/finder.h"
#include "call_world.h"

enum { LOOKUPS = 1000, SMALL = 1000, MANY = 1300, KINDS = 5, NAME_SIZE = 200 };

static const struct resp_arg key = {"k", 1};

/* Small integers, integers of all widths and signs, short strings, long ones, and around what a byte can tell of a length. */
static struct resp_arg name(unsigned kind, int n, char text[NAME_SIZE]) {
    int length = 0;
    if (kind == 0)
        length = snprintf(text, NAME_SIZE, "%d", n);
    else if (kind == 1)
        length = snprintf(text, NAME_SIZE, "%lld", (n % 2 ? -1LL : 1LL) * ((1LL << (n % 62)) + n));
    else if (kind == 2)
        length = snprintf(text, NAME_SIZE, "w%d", n);
    else /* a length takes more bytes from 128 on, in front with its own */
        length = snprintf(text, NAME_SIZE, "%0*d", kind == 3 ? 150 : 126 + n % 4, n);
    return (struct resp_arg){text, (size_t)length};
}

static void add_one(struct collection *collection, enum value_type type, const struct resp_arg *member,
                    int n) {
    struct resp_arg value = {"value", 5};
    if (type == VALUE_HASH)
        (void)hash_set(collection, member, &value);
    else if (type == VALUE_SET)
        (void)set_add(collection, member);
    else
        (void)zset_set(collection, member, n / 3.0);
}

static struct item *make(struct keyspace *keyspace, enum value_type type, unsigned kind, int count) {
    struct collection collection;
    char text[NAME_SIZE];
    collection_open(&collection, keyspace, 0, &key, type, NULL);
    for (int n = 0; n < count; n++) {
        struct resp_arg member = name(kind, n, text);
        add_one(&collection, type, &member, n);
    }
    assert_true(collection_close(&collection, 1));
    return keyspace_find(keyspace, 0, &key);
}

static void assert_same(const struct finder *finder, const struct item *item, const struct resp_arg *wanted) {
    struct member found, other;
    bool there = collection_find(item, wanted, &other);
    assert_int_equal(finder_find(finder, wanted, NULL), there);
    assert_int_equal(finder_find(finder, wanted, &found), there);
    if (!there)
        return;
    assert_int_equal(found.key.length, other.key.length);
    assert_memory_equal(found.key.bytes, other.key.bytes, other.key.length);
    assert_int_equal(found.value.length, other.value.length);
    assert_true(found.score == other.score);
}

/* 62, 63: of these it is not worth it; the most are too large to lie in one piece. */
static void a_table_finds_what_a_search_finds(void **state) {
    static const int counts[] = {1, 62, 63, 64, 65, 128, 300, MANY};
    static const enum value_type types[] = {VALUE_HASH, VALUE_SET, VALUE_ZSET};
    (void)state;
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (unsigned kind = 0; kind < KINDS; kind++)
            for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
                struct keyspace *keyspace = keyspace_new(1);
                struct item *item = make(keyspace, types[t], kind, counts[c]);
                struct finder finder;
                char text[NAME_SIZE];
                finder_open(&finder, item, LOOKUPS, c);
                for (int n = -5; n < counts[c] + 20; n++) {
                    struct resp_arg wanted = name(kind, n < 0 ? 100000 - n : n, text);
                    assert_same(&finder, item, &wanted);
                }
                assert_same(&finder, item, &(struct resp_arg){"", 0});
                assert_same(&finder, item, &(struct resp_arg){"007", 3});
                finder_close(&finder);
                keyspace_free(keyspace);
            }
}

static void nothing_is_found_in_no_collection(void **state) {
    (void)state;
    struct finder finder;
    finder_open(&finder, NULL, LOOKUPS, 1);
    assert_false(finder_find(&finder, &key, NULL));
    finder_close(&finder);
}

static double cpu_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Twenty times as fast, measured; four times are asked for. */
static void many_lookups_do_not_search_each_time(void **state) {
    (void)state;
    struct keyspace *keyspace = keyspace_new(1);
    struct item *item = make(keyspace, VALUE_SET, 0, SMALL);
    struct finder finder;
    char text[NAME_SIZE];
    assert_true(collection_is_small(item));
    double began = cpu_us();
    for (int n = 0; n < SMALL; n++) {
        struct resp_arg wanted = name(0, n + SMALL, text);
        assert_false(collection_find(item, &wanted, NULL));
    }
    double searched = cpu_us();
    finder_open(&finder, item, SMALL, 1);
    for (int n = 0; n < SMALL; n++) {
        struct resp_arg wanted = name(0, n + SMALL, text);
        assert_false(finder_find(&finder, &wanted, NULL));
    }
    finder_close(&finder);
    double found = cpu_us();
    assert_true(found - searched < (searched - began) / 4);
    keyspace_free(keyspace);
}

/* ---- algebra --- */

static void fill(struct fixture *f, const char *command, const char *of, unsigned kind, int from, int count) {
    char text[NAME_SIZE], line[NAME_SIZE + 64];
    snprintf(line, sizeof line, "DEL %s", of);
    run(f, line);
    for (int n = from; n < from + count; n++) {
        (void)name(kind, n, text);
        snprintf(line, sizeof line, "%s %s %s%s", command, of, strcmp(command, "ZADD") == 0 ? "1 " : "",
                 text);
        expect(f, line, ":1");
    }
}

/* Whether the destination holds just those of the names from .. to that are in a, or in b, as the operation says. */
static void expect_stored(struct fixture *f, const char *line, const char *in, unsigned kind, int a,
                          int from_b, int b, char operation) {
    char text[NAME_SIZE], ask[NAME_SIZE + 64], reply[32];
    int count = 0, most = a > from_b + b ? a : from_b + b;
    snprintf(reply, sizeof reply, "%s", run(f, line));
    for (int n = 0; n < most; n++) {
        bool in_a = n < a, in_b = n >= from_b && n < from_b + b;
        bool wanted = operation == '&' ? in_a && in_b : operation == '|' ? in_a || in_b : in_a && !in_b;
        (void)name(kind, n, text);
        snprintf(ask, sizeof ask, "%s d %s", in, text);
        run(f, ask);
        bool there = strcmp(f->reply, ":0") != 0 && strcmp(f->reply, "$-1") != 0;
        assert_int_equal(there, wanted);
        count += wanted;
    }
    assert_int_equal(atoi(reply + 1), count);
}

static void sets_and_sorted_sets_of_all_sizes_are_combined(void **state) {
    static const int sizes[] = {0, 3, 63, 64, 65, 400, MANY};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    (void)state;
    struct fixture f = fixture_new();
    for (unsigned kind = 0; kind < KINDS; kind += 2)
        for (size_t i = 0; i < SIZES; i++)
            for (size_t j = 0; j < SIZES; j++) {
                int a = sizes[i], b = sizes[j], from_b = a / 2;
                fill(&f, "SADD", "a", kind, 0, a);
                fill(&f, "SADD", "b", kind, from_b, b);
                expect_stored(&f, "SINTERSTORE d a b", "SISMEMBER", kind, a, from_b, b, '&');
                expect_stored(&f, "SUNIONSTORE d a b", "SISMEMBER", kind, a, from_b, b, '|');
                expect_stored(&f, "SUNIONSTORE d none a b a b", "SISMEMBER", kind, a, from_b, b, '|');
                expect_stored(&f, "SDIFFSTORE d a b", "SISMEMBER", kind, a, from_b, b, '-');
                expect_stored(&f, "SDIFFSTORE d a b b", "SISMEMBER", kind, a, from_b, b, '-');
                fill(&f, "ZADD", "a", kind, 0, a);
                expect_stored(&f, "ZINTERSTORE d 2 a b", "ZSCORE", kind, a, from_b, b, '&');
                expect_stored(&f, "ZDIFFSTORE d 2 a b", "ZSCORE", kind, a, from_b, b, '-');
            }
    keyspace_free(f.keyspace);
}

static size_t add_text(char *line, size_t at, size_t size, const char *format, int n) {
    return at + (size_t)snprintf(line + at, size - at, format, n);
}

/* Of 100 members, 50 to 149. */
static void many_are_asked_for_at_once(void **state) {
    enum { MEMBERS = 100, FROM = 50, TO = 150 };
    static const char *const commands[][4] = {
        {"SADD a %d", "SMISMEMBER a", ":1", ":0"},
        {"HSET a %1$d v%1$d", "HMGET a", "$3 v%d", "$-1"},
        {"ZADD a %1$d %1$d", "ZMSCORE a", "$2 %d", "$-1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        struct fixture f = fixture_new();
        char line[REPLY_MAX], reply[REPLY_MAX];
        for (int n = 0; n < MEMBERS; n++) {
            (void)add_text(line, 0, sizeof line, commands[i][0], n);
            expect(&f, line, ":1");
        }
        size_t asked = add_text(line, 0, sizeof line, commands[i][1], 0);
        size_t told = add_text(reply, 0, sizeof reply, "*%d", TO - FROM);
        for (int n = FROM; n < TO; n++) {
            asked = add_text(line, asked, sizeof line, " %d", n);
            told = add_text(reply, told, sizeof reply, " ", 0);
            told = add_text(reply, told, sizeof reply, commands[i][n < MEMBERS ? 2 : 3], n);
        }
        expect(&f, line, reply);
        keyspace_free(f.keyspace);
    }
}

static void a_source_may_be_named_twice_or_not_be_there(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SADD a 1 2", ":2"},
        {"SINTER a a", "*2 $1 1 $1 2"},
        {"SUNION a a", "*2 $1 1 $1 2"},
        {"SUNION none a none a", "*2 $1 1 $1 2"},
        {"SDIFF a a", "*0"},
        {"SDIFF a none", "*2 $1 1 $1 2"},
        {"SDIFF none a", "*0"},
        {"SINTER a none", "*0"},
        {"SUNIONSTORE a a a none", ":2"},
        {"ZINTER 2 a a", "*2 $1 1 $1 2"},
        {"ZDIFF 2 a none", "*2 $1 1 $1 2"},
        {"ZDIFF 2 none a", "*0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_finds_what_a_search_finds),
        cmocka_unit_test(nothing_is_found_in_no_collection),
        cmocka_unit_test(many_lookups_do_not_search_each_time),
        cmocka_unit_test(sets_and_sorted_sets_of_all_sizes_are_combined),
        cmocka_unit_test(many_are_asked_for_at_once),
        cmocka_unit_test(a_source_may_be_named_twice_or_not_be_there),
    };
    return cmocka_run_group_tests_name("finder", tests, NULL, NULL);
}
