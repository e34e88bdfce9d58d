/* SPDX-License-Identifier: MIT */
/* Keys between databases, other names for keys, and how keys are kept. */
#include "call_world.h"

static void copy_copies_value_and_deadline(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SET a 1 EX 100", "+OK"},
        {"COPY a b", ":1"},
        {"GET b", "$1 1"},
        {"TTL b", ":100"},
        {"COPY a b", ":0"},
        {"SET a 2", "+OK"},
        {"COPY a b REPLACE", ":1"},
        {"GET b", "$1 2"},
        {"TTL b", ":-1"},
        {"COPY a a", "-ERR source and destination objects are the same"},
        {"COPY a a DB 0", "-ERR source and destination objects are the same"},
        {"COPY a a DB 3", ":1"},
        {"COPY a a DB 3", ":0"},
        {"COPY a a DB 3 replace", ":1"},
        {"COPY none b", ":0"},
        {"COPY none none", "-ERR source and destination objects are the same"},
        {"COPY a b FOO", "-ERR syntax error"},
        {"COPY a b DB", "-ERR syntax error"},
        {"COPY a b DB x", "-ERR value is not an integer or out of range"},
        {"COPY a b DB 16", "-ERR DB index is out of range"},
        {"COPY a b DB -1", "-ERR DB index is out of range"},
        {"COPY a b DB 99999999999",
         "-ERR value is out of range, value must between -2147483648 and 2147483647"},
        {"SELECT 3", "+OK"},
        {"GET a", "$1 2"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void move_moves_a_key_to_another_database(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SET a 1 EX 100", "+OK"},
        {"MOVE a 1", ":1"},
        {"EXISTS a", ":0"},
        {"MOVE a 1", ":0"},
        {"SET a 2", "+OK"},
        {"MOVE a 1", ":0"},
        {"GET a", "$1 2"},
        {"MOVE a 0", "-ERR source and destination objects are the same"},
        {"MOVE a 16", "-ERR DB index is out of range"},
        {"MOVE a x", "-ERR value is not an integer or out of range"},
        {"MOVE a -1", "-ERR DB index is out of range"},
        {"MOVE a 99999999999", "-ERR value is out of range, value must between -2147483648 and 2147483647"},
        {"MOVE none 1", ":0"},
        {"SELECT 1", "+OK"},
        {"GET a", "$1 1"},
        {"TTL a", ":100"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void renamenx_and_touch_count_what_is_there(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SET a 1", "+OK"},
        {"SET b 2", "+OK"},
        {"RENAMENX a b", ":0"},
        {"RENAMENX a c", ":1"},
        {"GET c", "$1 1"},
        {"EXISTS a", ":0"},
        {"RENAMENX none c", "-ERR no such key"},
        {"RENAMENX c c", ":0"},
        {"TOUCH b c none b", ":3"},
        {"TOUCH none", ":0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void object_and_memory_tell_how_keys_are_kept(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SET n 12", "+OK"},
        {"OBJECT ENCODING n", "$3 int"},
        {"SET n -9223372036854775808", "+OK"},
        {"OBJECT ENCODING n", "$3 int"},
        {"SET n 9223372036854775808", "+OK"},
        {"OBJECT ENCODING n", "$6 embstr"},
        {"SET n 012", "+OK"},
        {"OBJECT ENCODING n", "$6 embstr"},
        {"SET n ''", "+OK"},
        {"OBJECT ENCODING n", "$6 embstr"},
        {"SET n 12345678901234567890123456789012345678901234", "+OK"},
        {"OBJECT ENCODING n", "$6 embstr"},
        {"SET n 123456789012345678901234567890123456789012345", "+OK"},
        {"OBJECT ENCODING n", "$3 raw"},
        {"OBJECT ENCODING none", "$-1"},
        {"OBJECT FREQ none", "$-1"},
        {"OBJECT FREQ n",
         "-ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
         "switching between policies at runtime LRU and LFU data will take some time to adjust."},
        {"OBJECT IDLETIME none", "$-1"},
        {"OBJECT REFCOUNT none", "$-1"},
        {"OBJECT REFCOUNT n", ":1"},
        {"OBJECT IDLETIME n", ":0"},
        {"MEMORY USAGE none", "$-1"},
        {"MEMORY USAGE none SAMPLES 5", "$-1"},
        {"MEMORY USAGE none SAMPLES -1", "-ERR syntax error"},
        {"MEMORY USAGE none SAMPLES x", "-ERR value is not an integer or out of range"},
        {"MEMORY USAGE none SAMPLES", "-ERR syntax error"},
        {"MEMORY USAGE none QQ 1", "-ERR syntax error"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void swapdb_exchanges_everything_of_two_databases(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SET a 1 EX 100", "+OK"},
        {"SET b 2", "+OK"},
        {"SELECT 1", NULL},
        {"SET a 3", "+OK"},
        {"SWAPDB 0 1", "+OK"},
        {"DBSIZE", ":2"},
        {"GET a", "$1 1"},
        {"TTL a", ":100"},
        {"SELECT 0", NULL},
        {"DBSIZE", ":1"},
        {"GET a", "$1 3"},
        {"EXISTS b", ":0"},
        {"SWAPDB 0 0", "+OK"},
        {"SWAPDB 1 2", "+OK"},
        {"SWAPDB 2 0", "+OK"},
        {"MGET a b", "*2 $1 1 $1 2"},
        {"FLUSHDB", "+OK"},
        {"SELECT 2", NULL},
        {"GET a", "$1 3"},
        {"SELECT 1", NULL},
        {"DBSIZE", ":0"},
        {"SWAPDB x 1", "-ERR invalid first DB index"},
        {"SWAPDB 1 x", "-ERR invalid second DB index"},
        {"SWAPDB 99999999999 1", "-ERR invalid first DB index"},
        {"SWAPDB 1 16", "-ERR DB index is out of range"},
        {"SWAPDB -1 0", "-ERR DB index is out of range"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

/* Deadlines, counts and what is freed stay right behind a swap. */
static void keys_expire_in_the_database_that_they_were_swapped_to(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    run(&f, "SET a 1 PX 50");
    run(&f, "SET b 1 PX 500");
    run(&f, "SWAPDB 0 3");
    keyspace_advance(f.keyspace, CLOCK + 50);
    assert_int_equal(keyspace_size(f.keyspace, 0), 0);
    assert_int_equal(keyspace_size(f.keyspace, 3), 1);
    assert_int_equal(keyspace_deadlines(f.keyspace, 3), 1);
    assert_int_equal(keyspace_next_deadline(f.keyspace), CLOCK + 500);
    assert_int_equal(keyspace_reclaim_due(f.keyspace, 10), 1);
    assert_int_equal(keyspace_slots(f.keyspace, 3), 1);
    f.db = 3;
    expect(&f, "MOVE b 0", ":1");
    expect(&f, "DBSIZE", ":0");
    f.db = 0;
    expect(&f, "PTTL b", ":450");
    keyspace_free(f.keyspace);
}

static void memory_usage_follows_what_is_allocated(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    struct resp_arg key = {"k", 1};
    size_t empty = keyspace_memory(f.keyspace);
    run(&f, "SETRANGE k 100000 x");
    size_t usage = item_memory(keyspace_find(f.keyspace, 0, &key));
    assert_true(usage > 100000 && usage < 130000);
    assert_true(usage <= keyspace_memory(f.keyspace) - empty);
    assert_true(atoi(run(&f, "MEMORY USAGE k") + 1) == (int)usage);
    assert_true(atoi(run(&f, "MEMORY USAGE k SAMPLES 0") + 1) == (int)usage);
    run(&f, "SET k x");
    assert_true(item_memory(keyspace_find(f.keyspace, 0, &key)) < 100);
    keyspace_free(f.keyspace);
}

/* ---- replicas --- */

static const char *const words[] = {
    "SETEX %s 100 v",
    "SET %s 17 KEEPTTL",
    "GETEX %s PERSIST",
    "GETEX %s EX 50",
    "MSETNX %s 1 %s 2",
    "INCRBYFLOAT %s 1.7",
    "SETRANGE %s 1500 abc",
    "SETRANGE %s 40000 xy",
    "SETBIT %s 20001 1",
    "BITOP XOR %s %s %s",
    "BITOP NOT %s %s",
    "BITFIELD %s INCRBY u5 77 9",
    "COPY %s %s REPLACE",
    "COPY %s %s DB 2",
    "MOVE %s 1",
    "SWAPDB 0 2",
    "RENAMENX %s %s",
    "DEL %s",
    "APPEND %s tail",
    "EXPIRE %s 7 GT",
    "BITFIELD %s SET i64 9 -5 OVERFLOW FAIL INCRBY i64 9 9223372036854775807",
    "COPY %s %s DB 1 REPLACE",
};

static uint64_t next(uint64_t *state) {
    *state = *state * 6364136223846793005 + 1442695040888963407;
    return *state >> 33;
}

/* One command that depends on the seed alone, with or without somebody to answer. */
static void run_next(struct fixture *f, uint64_t *seed, struct resp_out *reply) {
    static const char *const keys[] = {"a", "b", "c", "d", "e"};
    char line[256];
    const char *template = words[next(seed) % (sizeof words / sizeof words[0])];
    const char *one = keys[next(seed) % 5], *two = keys[next(seed) % 5], *three = keys[next(seed) % 5];
    size_t used = 0;
    const char *names[] = {one, two, three};
    for (const char *at = template, **name = names; *at; at++)
        if (at[0] == '%' && at[1] == 's') {
            used += (size_t)snprintf(line + used, sizeof line - used, "%s", *name++);
            at++;
        } else
            line[used++] = *at;
    line[used] = '\0';
    f->db = (unsigned)(next(seed) % 3);
    size_t count = split(f, line);
    const struct command *command = command_find(f->args, count);
    struct call call = {.keyspace = f->keyspace,
                        .command = command,
                        .args = f->args,
                        .count = count,
                        .db = f->db,
                        .wall_ms = keyspace_clock(f->keyspace),
                        .version = ++f->version,
                        .reply = reply};
    command->run(&call);
    keyspace_advance(f->keyspace, keyspace_clock(f->keyspace) + next(seed) % 2000);
    keyspace_reclaim_due(f->keyspace, 2);
}

static void a_replica_that_answers_nobody_stays_the_same(void **state) {
    (void)state;
    struct fixture leader = fixture_new(), follower = fixture_new();
    struct resp_buf buf = {0};
    struct resp_out somebody = {&buf, 3}, nobody = {NULL, 2};
    uint64_t seed = 1, same = 1;
    for (int i = 0; i < 20000; i++) {
        run_next(&leader, &seed, &somebody);
        run_next(&follower, &same, &nobody);
        resp_buf_truncate(&buf, 0);
        if (keyspace_digest(leader.keyspace) != keyspace_digest(follower.keyspace))
            fail_msg("different after %d commands", i + 1);
    }
    resp_buf_close(&buf);
    keyspace_free(leader.keyspace);
    keyspace_free(follower.keyspace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copy_copies_value_and_deadline),
        cmocka_unit_test(move_moves_a_key_to_another_database),
        cmocka_unit_test(swapdb_exchanges_everything_of_two_databases),
        cmocka_unit_test(keys_expire_in_the_database_that_they_were_swapped_to),
        cmocka_unit_test(a_replica_that_answers_nobody_stays_the_same),
        cmocka_unit_test(memory_usage_follows_what_is_allocated),
        cmocka_unit_test(renamenx_and_touch_count_what_is_there),
        cmocka_unit_test(object_and_memory_tell_how_keys_are_kept),
    };
    return cmocka_run_group_tests_name("key_commands", tests, NULL, NULL);
}
