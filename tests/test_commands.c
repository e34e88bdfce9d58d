/* SPDX-License-Identifier: MIT */
/* The commands over the keyspace, one key or all; SCAN is in test_scan.c. */
#include "call_world.h"

#define OVERFLOW "-ERR increment or decrement would overflow"

/* ---- strings --- */

static void strings_are_set_and_read(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"GET k", "$-1"},
        {"SET k v", "+OK"},
        {"GET k", "$1 v"},
        {"set k ''", "+OK"},
        {"GET k", "$0"},
        {"STRLEN k", ":0"},
        {"STRLEN none", ":0"},
        {"SETNX k x", ":0"},
        {"SETNX n x", ":1"},
        {"GETSET n y", "$1 x"},
        {"GETSET m z", "$-1"},
        {"MGET n m none", "*3 $1 y $1 z $-1"},
        {"GETDEL n", "$1 y"},
        {"GETDEL n", "$-1"},
        {"MSET a 1 b 2 a 3", "+OK"},
        {"MGET a b", "*2 $1 3 $1 2"},
        {"MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"},
        {"APPEND app x", ":1"},
        {"APPEND app yz", ":3"},
        {"APPEND app ''", ":3"},
        {"GET app", "$3 xyz"},
        {"APPEND empty ''", ":0"},
        {"EXISTS empty", ":1"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void set_obeys_its_conditions(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SET k v XX", "$-1"},      {"EXISTS k", ":0"},        {"SET k v NX", "+OK"},
        {"SET k w NX", "$-1"},      {"SET k w XX", "+OK"},     {"SET k x GET", "$1 w"},
        {"SET k y NX GET", "$1 x"}, {"GET k", "$1 x"},         {"SET k z XX GET", "$1 x"},
        {"SET n v NX GET", "$-1"},  {"GET n", "$1 v"},         {"SET m v XX GET", "$-1"},
        {"EXISTS m", ":0"},         {"SET k v NX XX", SYNTAX}, {"SET k v XX NX", SYNTAX},
        {"SET k v what", SYNTAX},   {"SET k v NX NX", "$-1"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void set_takes_a_deadline_in_four_forms(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SET k v EX 10", "+OK"},
        {"PTTL k", ":10000"},
        {"SET k v PX 1500", "+OK"},
        {"PTTL k", ":1500"},
        {"SET k v EXAT 1010", "+OK"},
        {"PTTL k", ":10000"},
        {"SET k v PXAT 1000001", "+OK"},
        {"PEXPIRETIME k", ":1000001"},
        {"SET k w KEEPTTL", "+OK"},
        {"PTTL k", ":1"},
        {"SET k w", "+OK"},
        {"PTTL k", ":-1"},
        {"SET k w KEEPTTL", "+OK"},
        {"PTTL k", ":-1"},
        {"SET k v EX 1 EX 2", "+OK"},
        {"PTTL k", ":2000"},
        {"SET k v px 7 GET", "$1 v"},
        {"PTTL k", ":7"},
        {"SET k v EXAT 1", "+OK"},
        {"EXISTS k", ":0"},
        {"DBSIZE", ":0"},
        {"SET k v PXAT 1000000", "+OK"},
        {"DBSIZE", ":0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void set_refuses_a_wrong_deadline(void **state) {
    (void)state;
#define INVALID "-ERR invalid expire time in 'set' command"
    static const struct row rows[] = {
        {"SET k v EX", SYNTAX},
        {"SET k v EX 0", INVALID},
        {"SET k v PX -1", INVALID},
        {"SET k v EXAT 0", INVALID},
        {"SET k v PXAT -1", INVALID},
        {"SET k v EX x", NOT_INTEGER},
        {"SET k v EX 1.5", NOT_INTEGER},
        {"SET k v EX 9223372036854775807", INVALID},
        {"SET k v EX 9223372036854775", INVALID},
        {"SET k v PX 9223372036854775807", INVALID},
        {"SET k v EX 10 PX 10", SYNTAX},
        {"SET k v EX 10 KEEPTTL", SYNTAX},
        {"SET k v KEEPTTL PXAT 10", SYNTAX},
        {"SET k v EX 10 PERSIST", SYNTAX},
        {"SET k v EX 0 XX", INVALID}, /* before the condition is looked at */
        {"EXISTS k", ":0"},
        {"SET k v PXAT 9223372036854775807", "+OK"},
        {"PTTL k", ":9223372036853775807"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void counters_count_within_64_bits(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"INCR c", ":1"},
        {"INCRBY c 41", ":42"},
        {"DECR c", ":41"},
        {"DECRBY c 50", ":-9"},
        {"GET c", "$2 -9"},
        {"INCRBY c -1", ":-10"},
        {"DECR d", ":-1"},
        {"SET c 9223372036854775806", "+OK"},
        {"INCR c", ":9223372036854775807"},
        {"INCR c", OVERFLOW},
        {"INCRBY c 9223372036854775807", OVERFLOW},
        {"GET c", "$19 9223372036854775807"},
        {"SET c -9223372036854775808", "+OK"},
        {"DECR c", OVERFLOW},
        {"INCRBY c x", NOT_INTEGER},
        {"INCRBY c 9223372036854775808", NOT_INTEGER},
        {"DECRBY c -9223372036854775808", "-ERR decrement would overflow"},
        {"DECRBY c 01", NOT_INTEGER},
        {"SET s abc", "+OK"},
        {"INCR s", NOT_INTEGER},
        {"SET s 010", "+OK"},
        {"INCR s", NOT_INTEGER},
        {"SET s ''", "+OK"},
        {"INCR s", NOT_INTEGER},
        {"SET t 5 EX 100", "+OK"},
        {"INCR t", ":6"},
        {"TTL t", ":100"},
        {"APPEND t 7", ":2"},
        {"TTL t", ":100"},
        {"GETSET t 1", "$2 67"},
        {"TTL t", ":-1"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void append_stops_at_512_megabytes(void **state) {
    (void)state;
    enum { MEGABYTE = 1024 * 1024 };
    struct fixture f = fixture_new();
    char *bytes = calloc(1, 300 * MEGABYTE);
    assert_non_null(bytes);
    f.args[0] = (struct resp_arg){"append", 6};
    f.args[1] = (struct resp_arg){"big", 3};
    f.args[2] = (struct resp_arg){bytes, 300 * MEGABYTE};
    assert_string_equal(run_args(&f, 3), ":314572800");
    assert_string_equal(run_args(&f, 3), "-ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    f.args[2].length = 212 * MEGABYTE;
    assert_string_equal(run_args(&f, 3), ":536870912");
    expect(&f, "APPEND big x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    expect(&f, "STRLEN big", ":536870912");
    free(bytes);
    keyspace_free(f.keyspace);
}

/* ---- keys --- */

static void keys_are_counted_renamed_and_deleted(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"MSET a 1 b 2 c 3", "+OK"},
        {"EXISTS a b none a", ":3"},
        {"TYPE a", "+string"},
        {"TYPE none", "+none"},
        {"DBSIZE", ":3"},
        {"DEL a none a", ":1"},
        {"UNLINK b c", ":2"},
        {"RENAME none x", "-ERR no such key"},
        {"RENAME none none", "-ERR no such key"},
        {"SET a 1 EX 100", "+OK"},
        {"SET b 2", "+OK"},
        {"RENAME a b", "+OK"},
        {"GET b", "$1 1"},
        {"TTL b", ":100"},
        {"EXISTS a", ":0"},
        {"RENAME b b", "+OK"},
        {"TTL b", ":100"},
        {"DBSIZE", ":1"},
        {"SET c 3", "+OK"},
        {"RENAME c b", "+OK"},
        {"TTL b", ":-1"},
        {"DBSIZE", ":1"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void keys_lists_what_matches(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"KEYS *", "*0"},
        {"MSET user:1 a user:2 b other c", "+OK"},
        {"KEYS user:?", "*2 $6 user:2 $6 user:1"},
        {"KEYS *", "*3 $5 other $6 user:2 $6 user:1"},
        {"KEYS o*r", "*1 $5 other"},
        {"KEYS ''", "*0"},
        {"SET '' empty", "+OK"},
        {"KEYS ''", "*1 $0"},
        {"DEL user:1 user:2 other", ":3"},
        {"KEYS *", "*1 $0"},
        {"KEYS **", "*0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void databases_are_apart_and_flushed_apart(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    expect(&f, "SET k zero", "+OK");
    f.db = 15;
    expect(&f, "GET k", "$-1");
    expect(&f, "SET k fifteen EX 5", "+OK");
    expect(&f, "FLUSHDB", "+OK");
    expect(&f, "DBSIZE", ":0");
    f.db = 0;
    expect(&f, "GET k", "$4 zero");
    expect(&f, "FLUSHALL what", SYNTAX);
    expect(&f, "FLUSHALL SYNC ASYNC", SYNTAX);
    expect(&f, "FLUSHDB what", SYNTAX);
    expect(&f, "GET k", "$4 zero");
    expect(&f, "flushall async", "+OK");
    expect(&f, "GET k", "$-1");
    expect(&f, "FLUSHDB sync", "+OK");
    keyspace_free(f.keyspace);
}

static void a_random_key_follows_from_the_seed(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    char first[REPLY_MAX];
    unsigned others = 0;
    expect(&f, "RANDOMKEY", "$-1");
    expect(&f, "MSET a 1 b 2 c 3 d 4", "+OK");
    snprintf(first, sizeof first, "%s", run(&f, "RANDOMKEY"));
    for (int i = 0; i < 100; i++) {
        f.seed = 1;
        assert_string_equal(run(&f, "RANDOMKEY"), first);
        f.seed = (uint64_t)i;
        others += strcmp(run(&f, "RANDOMKEY"), first) != 0;
    }
    assert_in_range(others, 50, 95);
    keyspace_free(f.keyspace);
}

static void a_random_key_is_found_among_many_that_are_gone(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    char line[64];
    for (int i = 0; i < 5000; i++) {
        snprintf(line, sizeof line, "SET k%d v%s", i, i == 77 ? "" : " PX 10");
        expect(&f, line, "+OK");
    }
    keyspace_advance(f.keyspace, CLOCK + 10);
    for (f.seed = 0; f.seed < 20; f.seed++)
        expect(&f, "RANDOMKEY", "$3 k77");
    expect(&f, "DEL k77", ":1");
    expect(&f, "RANDOMKEY", "$-1");
    keyspace_free(f.keyspace);
}

/* ---- deadlines --- */

static void deadlines_are_set_told_and_taken_away(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"EXPIRE none 10", ":0"},
        {"TTL none", ":-2"},
        {"PTTL none", ":-2"},
        {"EXPIRETIME none", ":-2"},
        {"PERSIST none", ":0"},
        {"SET k v", "+OK"},
        {"TTL k", ":-1"},
        {"PEXPIRETIME k", ":-1"},
        {"PERSIST k", ":0"},
        {"EXPIRE k 10", ":1"},
        {"TTL k", ":10"},
        {"PTTL k", ":10000"},
        {"EXPIRETIME k", ":1010"},
        {"PEXPIRETIME k", ":1010000"},
        {"PEXPIRE k 1499", ":1"},
        {"TTL k", ":1"},
        {"PEXPIRE k 1500", ":1"},
        {"TTL k", ":2"},
        {"EXPIREAT k 1005", ":1"},
        {"PTTL k", ":5000"},
        {"PEXPIREAT k 1000007", ":1"},
        {"PTTL k", ":7"},
        {"PERSIST k", ":1"},
        {"PTTL k", ":-1"},
        {"EXPIRE k 0", ":1"},
        {"EXISTS k", ":0"},
        {"SET k v", "+OK"},
        {"PEXPIREAT k 1000000", ":1"},
        {"EXISTS k", ":0"},
        {"SET k v", "+OK"},
        {"EXPIREAT k -5", ":1"},
        {"DBSIZE", ":0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void expire_obeys_its_conditions(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SET k v", "+OK"},
        {"EXPIRE k 10 XX", ":0"},
        {"EXPIRE k 10 GT", ":0"}, /* without a deadline a key lives longest */
        {"TTL k", ":-1"},
        {"EXPIRE k 10 LT", ":1"},
        {"EXPIRE k 20 NX", ":0"},
        {"EXPIRE k 10 GT", ":0"},
        {"EXPIRE k 20 GT", ":1"},
        {"EXPIRE k 20 LT", ":0"},
        {"EXPIRE k 15 LT XX", ":1"},
        {"TTL k", ":15"},
        {"EXPIRE k 30 GT XX", ":1"},
        {"EXPIRE k -1 GT", ":0"},
        {"EXPIRE k -1 LT", ":1"},
        {"EXISTS k", ":0"},
        {"SET k v", "+OK"},
        {"PEXPIRE k 10 nx", ":1"},
        {"EXPIRE k 10 NX XX", "-ERR NX and XX, GT or LT options at the same time are not compatible"},
        {"EXPIRE k 10 LT NX", "-ERR NX and XX, GT or LT options at the same time are not compatible"},
        {"EXPIRE k 10 GT LT", "-ERR GT and LT options at the same time are not compatible"},
        {"EXPIRE k x what", "-ERR Unsupported option what"},
        {"EXPIRE k x NX", NOT_INTEGER},
        {"PTTL k", ":10"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void expire_refuses_what_does_not_fit(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"EXPIRE k 9223372036854775807", "-ERR invalid expire time in 'expire' command"},
        {"EXPIRE k -9223372036854775807", "-ERR invalid expire time in 'expire' command"},
        {"EXPIRE k 9223372036854775", "-ERR invalid expire time in 'expire' command"},
        {"PEXPIRE k 9223372036854775807", "-ERR invalid expire time in 'pexpire' command"},
        {"EXPIREAT k 9223372036854776", "-ERR invalid expire time in 'expireat' command"},
        {"PEXPIREAT k 9223372036854775808", NOT_INTEGER},
        {"PEXPIREAT k 9223372036854775807", ":0"},
        {"SET k v", "+OK"},
        {"PEXPIREAT k 9223372036854775807", ":1"},
        {"PEXPIRETIME k", ":9223372036854775807"},
        {"PEXPIRE k -9223372036854775808", ":1"},
        {"EXISTS k", ":0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void time_and_what_is_left_are_told_by_the_wall(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    expect(&f, "SET k v PX 5000", "+OK");
    f.wall_ms = CLOCK + 1234;
    expect(&f, "PTTL k", ":3766");
    expect(&f, "TTL k", ":4");
    expect(&f, "PEXPIRETIME k", ":1005000");
    expect(&f, "TIME", "*2 $4 1001 $6 234000");
    f.wall_ms = 1001002;
    expect(&f, "TIME", "*2 $4 1001 $4 2000");
    keyspace_free(f.keyspace);
}

static void a_read_that_meets_a_key_due_by_the_wall_says_so(void **state) {
    (void)state;
    static const char *const reads[] = {"GET k",     "MGET o k",     "STRLEN k",     "EXISTS o k", "TYPE k",
                                        "TTL k",     "PTTL k",       "KEYS none",    "SCAN 0",     "DBSIZE",
                                        "RANDOMKEY", "EXPIRETIME k", "PEXPIRETIME k"};
    struct fixture f = fixture_new();
    expect(&f, "SET k v PX 100", "+OK");
    expect(&f, "SET o v PX 500", "+OK");
    for (size_t i = 0; i < sizeof reads / sizeof reads[0]; i++) {
        f.wall_ms = CLOCK + 99;
        run(&f, reads[i]);
        assert_false(f.due);
        f.wall_ms = CLOCK + 100;
        run(&f, reads[i]);
        if (!f.due)
            fail_msg("%s is not due", reads[i]);
    }
    run(&f, "GET o");
    assert_false(f.due);
    run(&f, "GET none");
    assert_false(f.due);
    keyspace_advance(f.keyspace, CLOCK + 100);
    expect(&f, "GET k", "$-1");
    assert_false(f.due);
    expect(&f, "DBSIZE", ":1");
    assert_false(f.due);
    keyspace_free(f.keyspace);
}

static void a_key_that_is_gone_is_gone_for_every_command(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"GET k", "$-1"},
        {"EXISTS k", ":0"},
        {"TYPE k", "+none"},
        {"STRLEN k", ":0"},
        {"TTL k", ":-2"},
        {"PERSIST k", ":0"},
        {"EXPIRE k 10", ":0"},
        {"DEL k", ":0"},
        {"RENAME k x", "-ERR no such key"},
        {"KEYS *", "*0"},
        {"SCAN 0", "*2 $1 0 *0"},
        {"RANDOMKEY", "$-1"},
        {"DBSIZE", ":0"},
        {"GETDEL k", "$-1"},
        {"GETSET k new", "$-1"},
        {"SET k new XX", "$-1"},
        {"SET k new NX", "+OK"},
        {"SET k new GET", "$-1"},
        {"SET k new KEEPTTL", "+OK"},
        {"SETNX k new", ":1"},
        {"INCR k", ":1"},
        {"APPEND k x", ":1"},
        {"MSET k new", "+OK"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f = fixture_new();
        expect(&f, "SET k 5 PX 100", "+OK");
        keyspace_advance(f.keyspace, CLOCK + 100);
        expect(&f, rows[i].line, rows[i].reply);
        bool there = keyspace_size(f.keyspace, 0) == 1;
        expect(&f, "PTTL k", there ? ":-1" : ":-2");
        keyspace_free(f.keyspace);
    }
}

/* ---- the shape of replies and changes --- */

static void nothing_is_null_in_resp3(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    f.protocol = 3;
    expect(&f, "GET none", "_");
    expect(&f, "MGET none", "*1 _");
    expect(&f, "RANDOMKEY", "_");
    expect(&f, "SET none v XX", "_");
    keyspace_free(f.keyspace);
}

static void whatever_changes_a_key_gives_it_the_entrys_version(void **state) {
    (void)state;
    static const char *const lines[] = {"SET k 1",     "SETNX k 1",    "INCR k",     "APPEND k 1",
                                        "EXPIRE k 10", "PERSIST k",    "GETSET k 1", "MSET k 1",
                                        "DECRBY k 2",  "SET k 1 EX 9", "RENAME k l", "RENAME l k"};
    struct fixture f = fixture_new();
    uint64_t was = 0;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        f.version = 10 + i;
        run(&f, lines[i]);
        struct item *item = keyspace_find(f.keyspace, 0, &(struct resp_arg){i == 10 ? "l" : "k", 1});
        assert_non_null(item);
        if (i == 1)
            assert_int_equal(item_version(item), was); /* SETNX changed nothing */
        else
            assert_int_equal(item_version(item), f.version);
        was = item_version(item);
    }
    keyspace_free(f.keyspace);
}

static void a_replica_that_answers_nobody_reaches_the_same_state(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    struct resp_out nobody = {NULL, 2};
    static const char *const lines[] = {"SET k 1 GET", "INCR k", "GETDEL none", "MSET a 1 b 2", "EXPIRE k 5"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        size_t count = split(&f, lines[i]);
        const struct command *command = command_find(f.args, count);
        struct call call = {.keyspace = f.keyspace,
                            .command = command,
                            .args = f.args,
                            .count = count,
                            .wall_ms = CLOCK,
                            .reply = &nobody};
        command->run(&call);
    }
    expect(&f, "MGET k a b", "*3 $1 2 $1 1 $1 2");
    expect(&f, "TTL k", ":5");
    keyspace_free(f.keyspace);
}

/* Undefined in C where it is signed; the sanitizer knows. */
static void what_a_group_has_read_wraps_as_in_redis(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"XADD s 50-1 a b", "$4 50-1"},
        {"XGROUP CREATE s h 0 ENTRIESREAD 9223372036854775807", "+OK"},
        {"XREADGROUP GROUP h t STREAMS s >", "*1 *2 $1 s *1 *2 $4 50-1 *2 $1 a $1 b"},
        {"XINFO GROUPS s", "*1 *12 $4 name $1 h $9 consumers :1 $7 pending :1 $17 last-delivered-id $4 50-1 "
                           "$12 entries-read :-9223372036854775808 $3 lag :-9223372036854775807"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_set_and_read),
        cmocka_unit_test(set_obeys_its_conditions),
        cmocka_unit_test(set_takes_a_deadline_in_four_forms),
        cmocka_unit_test(set_refuses_a_wrong_deadline),
        cmocka_unit_test(counters_count_within_64_bits),
        cmocka_unit_test(append_stops_at_512_megabytes),
        cmocka_unit_test(keys_are_counted_renamed_and_deleted),
        cmocka_unit_test(keys_lists_what_matches),
        cmocka_unit_test(databases_are_apart_and_flushed_apart),
        cmocka_unit_test(a_random_key_follows_from_the_seed),
        cmocka_unit_test(a_random_key_is_found_among_many_that_are_gone),
        cmocka_unit_test(deadlines_are_set_told_and_taken_away),
        cmocka_unit_test(expire_obeys_its_conditions),
        cmocka_unit_test(expire_refuses_what_does_not_fit),
        cmocka_unit_test(time_and_what_is_left_are_told_by_the_wall),
        cmocka_unit_test(a_read_that_meets_a_key_due_by_the_wall_says_so),
        cmocka_unit_test(a_key_that_is_gone_is_gone_for_every_command),
        cmocka_unit_test(nothing_is_null_in_resp3),
        cmocka_unit_test(whatever_changes_a_key_gives_it_the_entrys_version),
        cmocka_unit_test(what_a_group_has_read_wraps_as_in_redis),
        cmocka_unit_test(a_replica_that_answers_nobody_reaches_the_same_state),
    };
    return cmocka_run_group_tests_name("commands", tests, NULL, NULL);
}
