/* SPDX-License-Identifier: MIT */
/* Sets, and what is made of several of them. */
#include "call_world.h"

#define WRONGTYPE "-WRONGTYPE Operation against a key holding the wrong kind of value"

static void members_are_added_asked_for_and_removed(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SADD s a b a", ":2"},
        {"SADD s b c", ":1"},
        {"SCARD s", ":3"},
        {"SMEMBERS s", "*3 $1 a $1 b $1 c"},
        {"SISMEMBER s a", ":1"},
        {"SISMEMBER s z", ":0"},
        {"SMISMEMBER s a z c", "*3 :1 :0 :1"},
        {"SMISMEMBER none a z", "*2 :0 :0"},
        {"SISMEMBER none a", ":0"},
        {"SCARD none", ":0"},
        {"SMEMBERS none", "*0"},
        {"SREM s z a a", ":1"},
        {"SREM none a", ":0"},
        {"SREM s b c d", ":2"},
        {"EXISTS s", ":0"},
        {"SADD '' ''", ":1"},
        {"SMEMBERS ''", "*1 $0"},
        {"SISMEMBER '' ''", ":1"},
        {"SADD scanned a b", ":2"},
        {"SSCAN scanned 0", "*2 $1 0 *2 $1 a $1 b"},
        {"SSCAN scanned 0 MATCH b", "*2 $1 0 *1 $1 b"},
        {"SSCAN scanned x", "-ERR invalid cursor"},
        {"SSCAN scanned 0 COUNT 0", SYNTAX},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void other_types_are_refused(void **state) {
    (void)state;
    static const char *const lines[] = {
        "SADD s a",         "SREM s a",     "SCARD s",        "SMEMBERS s",        "SISMEMBER s a",
        "SMISMEMBER s a",   "SPOP s",       "SPOP s 0",       "SRANDMEMBER s",     "SRANDMEMBER s 2",
        "SMOVE s t a",      "SMOVE t s a",  "SSCAN s 0",      "SINTER t s",        "SINTER none s",
        "SUNION none s",    "SDIFF none s", "SINTERCARD 1 s", "SINTERSTORE d t s", "SUNIONSTORE d s t",
        "SDIFFSTORE d t s", "HSET t a 1",   "GET t",          "HGETALL t",
    };
    struct fixture f = fixture_new();
    expect(&f, "SET s 1", "+OK");
    expect(&f, "SADD t a", ":1");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        expect(&f, lines[i], WRONGTYPE);
    expect(&f, "EXISTS d", ":0");
    expect(&f, "SMEMBERS t", "*1 $1 a");
    expect(&f, "SMOVE none s a", ":0");
    expect(&f, "SUNIONSTORE s t", ":1");
    expect(&f, "TYPE s", "+set");
    keyspace_free(f.keyspace);
}

static void a_member_moves_once(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SADD a x y", ":2"},      {"SMOVE a b x", ":1"}, {"SMOVE a b x", ":0"},
        {"SMEMBERS b", "*1 $1 x"}, {"SMOVE a a y", ":1"}, {"SMOVE a a z", ":0"},
        {"SMEMBERS a", "*1 $1 y"}, {"SADD a x", ":1"},    {"SMOVE a b x", ":1"},
        {"SMOVE a b y", ":1"},     {"EXISTS a", ":0"},    {"SMEMBERS b", "*2 $1 x $1 y"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void sets_are_intersected_united_subtracted(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SADD a 1 2 3 4", ":4"},
        {"SADD b 3 4 5", ":3"},
        {"SADD c 4 6", ":2"},
        {"SINTER a b", "*2 $1 3 $1 4"},
        {"SINTER a b c", "*1 $1 4"},
        {"SINTER a none", "*0"},
        {"SINTER a a", "*4 $1 1 $1 2 $1 3 $1 4"},
        {"SUNION a b c none", "*6 $1 1 $1 2 $1 3 $1 4 $1 5 $1 6"},
        {"SUNION none", "*0"},
        {"SDIFF a b c", "*2 $1 1 $1 2"},
        {"SDIFF a none", "*4 $1 1 $1 2 $1 3 $1 4"},
        {"SDIFF none a", "*0"},
        {"SDIFF a a", "*0"},
        {"SINTERCARD 2 a b", ":2"},
        {"SINTERCARD 2 a b LIMIT 1", ":1"},
        {"SINTERCARD 2 a b limit 0", ":2"},
        {"SINTERCARD 2 a none", ":0"},
        {"SINTERCARD 0 a", "-ERR numkeys should be greater than 0"},
        {"SINTERCARD x a", "-ERR numkeys should be greater than 0"},
        {"SINTERCARD 2 a", "-ERR Number of keys can't be greater than number of args"},
        {"SINTERCARD 1 a LIMIT", SYNTAX},
        {"SINTERCARD 1 a b", SYNTAX},
        {"SINTERCARD 1 a LIMIT -1", "-ERR LIMIT can't be negative"},
        {"SINTERCARD 1 a LIMIT x", "-ERR LIMIT can't be negative"},
        {"SET d text EX 100", "+OK"},
        {"SUNIONSTORE d a c", ":5"},
        {"TTL d", ":-1"},
        {"SMEMBERS d", "*5 $1 1 $1 2 $1 3 $1 4 $1 6"},
        {"SINTERSTORE d d b", ":2"},
        {"SMEMBERS d", "*2 $1 3 $1 4"},
        {"SDIFFSTORE d a d", ":2"},
        {"SMEMBERS d", "*2 $1 1 $1 2"},
        {"SUNIONSTORE d d d", ":2"},
        {"SINTERSTORE d d none", ":0"},
        {"EXISTS d", ":0"},
        {"SDIFFSTORE d none a", ":0"},
        {"SUNIONSTORE a none", ":0"},
        {"DBSIZE", ":2"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void a_destination_keeps_its_place_and_no_other_name_is_taken(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SADD d x", ":1"},
        {"SET d' taken", "+OK"},
        {"SET last 1", "+OK"},
        {"SADD a 1", ":1"},
        {"KEYS *", "*4 $1 a $4 last $2 d' $1 d"},
        {"SUNIONSTORE d a d", ":2"},
        {"KEYS *", "*4 $1 a $4 last $2 d' $1 d"},
        {"GET d'", "$5 taken"},
        {"SMEMBERS d", "*2 $1 1 $1 x"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void resp3_has_sets(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    f.protocol = 3;
    expect(&f, "SADD s 1", ":1");
    expect(&f, "SMEMBERS s", "~1 $1 1");
    expect(&f, "SMEMBERS none", "~0");
    expect(&f, "SINTER s s", "~1 $1 1");
    expect(&f, "SUNION s none", "~1 $1 1");
    expect(&f, "SDIFF s none", "~1 $1 1");
    expect(&f, "SSCAN s 0", "*2 $1 0 *1 $1 1");
    expect(&f, "SRANDMEMBER s 5", "*1 $1 1");
    expect(&f, "SPOP none 1", "~0");
    expect(&f, "SPOP none", "_");
    expect(&f, "SPOP s 1", "~1 $1 1");
    keyspace_free(f.keyspace);
}

/* Adds member:first .. member:last-1. */
static void fill(struct fixture *f, const char *key, int first, int last) {
    for (int i = first; i < last; i++) {
        char line[64];
        snprintf(line, sizeof line, "SADD %s member:%d", key, i);
        expect(f, line, ":1");
    }
}

static void arguments_of_draws_are_judged_as_in_redis(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SADD s a b c", ":3"},
        {"SPOP s -1", "-ERR value is out of range, must be positive"},
        {"SPOP s x", "-ERR value is out of range, must be positive"},
        {"SPOP s 1 2", SYNTAX},
        {"SPOP s 0", "*0"},
        {"SPOP none", "$-1"},
        {"SPOP none 3", "*0"},
        {"SRANDMEMBER s 1 2", SYNTAX},
        {"SRANDMEMBER s x", NOT_INTEGER},
        {"SRANDMEMBER s 0", "*0"},
        {"SRANDMEMBER none", "$-1"},
        {"SRANDMEMBER none -3", "*0"},
        {"SRANDMEMBER s -9223372036854775808",
         "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"},
        {"SRANDMEMBER s 100", "*3 $1 a $1 b $1 c"},
        {"SPOP s 100", "*3 $1 a $1 b $1 c"},
        {"EXISTS s", ":0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

/* Small and large: what is popped was there, is gone, and the same seed pops the same. */
static void pops_follow_the_seed(void **state) {
    (void)state;
    static const int sizes[] = {20, 2000};
    for (size_t i = 0; i < 2; i++) {
        struct fixture one = fixture_new(), other = fixture_new();
        fill(&one, "s", 0, sizes[i]);
        fill(&other, "s", 0, sizes[i]);
        int left = sizes[i];
        for (one.seed = other.seed = 1; left > 0; one.seed = ++other.seed) {
            const char *pop = one.seed % 2 ? "SPOP s" : "SPOP s 9";
            assert_string_equal(run(&one, pop), run(&other, pop));
            char reply[REPLY_MAX], line[64];
            snprintf(reply, sizeof reply, "%s", one.reply);
            for (char *at = reply; (at = strstr(at, "member:")); at++, left--) {
                snprintf(line, sizeof line, "SISMEMBER s %.*s", (int)strcspn(at, " "), at);
                expect(&one, line, ":0");
            }
            snprintf(line, sizeof line, ":%d", left);
            expect(&one, "SCARD s", line);
        }
        assert_true(keyspace_digest(one.keyspace) == keyspace_digest(other.keyspace));
        assert_int_equal(keyspace_size(one.keyspace, 0), 0);
        keyspace_free(one.keyspace);
        keyspace_free(other.keyspace);
    }
}

/* Every member is drawn about as often as every other. */
static void draws_are_fair(void **state) {
    (void)state;
    enum { MEMBERS = 10, ROUNDS = 4000 };
    static const char *const lines[] = {"SRANDMEMBER s", "SRANDMEMBER s 4", "SRANDMEMBER s -4"};
    struct fixture f = fixture_new();
    fill(&f, "s", 0, MEMBERS);
    for (size_t i = 0; i < 3; i++) {
        int drawn[MEMBERS] = {0}, each = ROUNDS / MEMBERS * (i ? 4 : 1);
        for (f.seed = 1; f.seed <= ROUNDS; f.seed++)
            for (const char *at = run(&f, lines[i]); (at = strstr(at, "member:")); at++)
                drawn[atoi(at + 7)]++;
        for (int j = 0; j < MEMBERS; j++)
            assert_in_range(drawn[j], each * 8 / 10, each * 12 / 10);
    }
    keyspace_free(f.keyspace);
}

static void the_encoding_follows_the_limits_and_stays(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    for (int i = 0; i < 512; i++) {
        char line[32];
        snprintf(line, sizeof line, "SADD s %d", i);
        expect(&f, line, ":1");
    }
    expect(&f, "OBJECT ENCODING s", "$6 intset");
    expect(&f, "SADD s 1000", ":1");
    expect(&f, "OBJECT ENCODING s", "$9 hashtable");
    expect(&f, "SADD t 1", ":1");
    expect(&f, "OBJECT ENCODING t", "$6 intset");
    expect(&f, "SADD t a", ":1");
    expect(&f, "SREM t a", ":1");
    expect(&f, "OBJECT ENCODING t", "$9 hashtable");
    expect(&f, "SUNIONSTORE u t", ":1");
    expect(&f, "OBJECT ENCODING u", "$6 intset");
    keyspace_free(f.keyspace);
}

/* Both ways of subtracting, and large sets in all three. */
static void large_sets_are_combined(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    fill(&f, "a", 0, 1000);
    fill(&f, "b", 500, 1500);
    fill(&f, "c", 10, 12);
    expect(&f, "SINTERSTORE d a b", ":500");
    expect(&f, "SUNIONSTORE d a b c", ":1500");
    expect(&f, "SISMEMBER d member:1499", ":1");
    expect(&f, "SDIFFSTORE d a b", ":500");
    expect(&f, "SDIFFSTORE d a c c c c", ":998");
    expect(&f, "SISMEMBER d member:11", ":0");
    expect(&f, "SISMEMBER d member:12", ":1");
    expect(&f, "SDIFFSTORE e d a", ":0");
    expect(&f, "SINTERCARD 2 a b", ":500");
    expect(&f, "COPY d e", ":1");
    expect(&f, "SDIFFSTORE f d e", ":0");
    expect(&f, "SCARD e", ":998");
    keyspace_free(f.keyspace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_added_asked_for_and_removed),
        cmocka_unit_test(other_types_are_refused),
        cmocka_unit_test(a_member_moves_once),
        cmocka_unit_test(sets_are_intersected_united_subtracted),
        cmocka_unit_test(a_destination_keeps_its_place_and_no_other_name_is_taken),
        cmocka_unit_test(resp3_has_sets),
        cmocka_unit_test(arguments_of_draws_are_judged_as_in_redis),
        cmocka_unit_test(pops_follow_the_seed),
        cmocka_unit_test(draws_are_fair),
        cmocka_unit_test(the_encoding_follows_the_limits_and_stays),
        cmocka_unit_test(large_sets_are_combined),
    };
    return cmocka_run_group_tests_name("set commands", tests, NULL, NULL);
}
