/* SPDX-License-Identifier: MIT */
/* Commands that block, where nobody waits: what they take, what they say they wait for, and what the keyspace notes for those that do. */
#include "call_world.h"

#define WRONG_TYPE "-WRONGTYPE Operation against a key holding the wrong kind of value"

static void without_anything_to_take_the_reply_is_that_of_a_wait_that_ended(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"BLPOP a b 0", "*-1"},
        {"BRPOP a 1.5", "*-1"},
        {"BLMOVE a b LEFT RIGHT 0", "$-1"},
        {"BRPOPLPUSH a b 0", "$-1"},
        {"BLMPOP 0 2 a b LEFT COUNT 3", "*-1"},
        {"BZPOPMIN a b 0", "*-1"},
        {"BZPOPMAX a 0", "*-1"},
        {"BZMPOP 0 2 a b MAX COUNT 3", "*-1"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void the_first_key_that_is_there_is_taken_from(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"RPUSH l 1 2 3 4 5 6 7 8", ":8"},
        {"BLPOP none l 0", "*2 $1 l $1 1"},
        {"BRPOP l none 0", "*2 $1 l $1 8"},
        {"BLMOVE l m LEFT RIGHT 0", "$1 2"},
        {"BRPOPLPUSH l m 0", "$1 7"},
        {"LRANGE m 0 -1", "*2 $1 7 $1 2"},
        {"BLMPOP 0 2 none l RIGHT COUNT 2", "*2 $1 l *2 $1 6 $1 5"},
        {"BLMPOP 0 1 l LEFT", "*2 $1 l *1 $1 3"},
        {"BLMOVE l l LEFT LEFT 0", "$1 4"},
        {"ZADD z 1 a 2 b 3 c 4 d", ":4"},
        {"BZPOPMIN none z 0", "*3 $1 z $1 a $1 1"},
        {"BZPOPMAX z 0", "*3 $1 z $1 d $1 4"},
        {"BZMPOP 0 1 z MIN COUNT 5", "*2 $1 z *2 *2 $1 b $1 2 *2 $1 c $1 3"},
        {"EXISTS z", ":0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void wrong_arguments_and_types_are_refused(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SET s 1", "+OK"},
        {"BLPOP l x", "-ERR timeout is not a float or out of range"},
        {"BLPOP l ''", "-ERR timeout is not a float or out of range"},
        {"BLPOP l nan", "-ERR timeout is not a float or out of range"},
        {"BLPOP l -1", "-ERR timeout is negative"},
        {"BLPOP l -0.0015", "-ERR timeout is negative"},
        {"BLPOP l inf", "-ERR timeout is negative"},
        {"BLPOP l 1e20", "-ERR timeout is negative"},
        {"BLPOP s x", "-ERR timeout is not a float or out of range"},
        {"BLPOP none s 0", WRONG_TYPE},
        {"BZPOPMIN none s 0", WRONG_TYPE},
        {"BLMOVE s l LEFT LEFT 0", WRONG_TYPE},
        {"BLMOVE none s LEFT LEFT 0", "$-1"},
        {"BLMOVE l m UP LEFT x", "-ERR syntax error"},
        {"BLMOVE l m LEFT LEFT x", "-ERR timeout is not a float or out of range"},
        {"BLMPOP x 0 l LEFT", "-ERR numkeys should be greater than 0"},
        {"BLMPOP x 1 l LEFT", "-ERR timeout is not a float or out of range"},
        {"BLMPOP 0 2 l LEFT", "-ERR syntax error"},
        {"BLMPOP 0 1 l LEFT COUNT 0", "-ERR count should be greater than 0"},
        {"BZMPOP 0 1 z UP", "-ERR syntax error"},
        {"BZMPOP 0 9 z MIN", "-ERR syntax error"},
        {"RPUSH l 1", ":1"},
        {"BLMOVE l s LEFT LEFT 0", WRONG_TYPE},
        {"LLEN l", ":1"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

/* ---- what is waited for -------------------------------------------------------------------------------------------- */

static void the_arguments_say_what_is_waited_for(void **state) {
    (void)state;
    static const struct {
        const char *line;
        bool good;
        struct command_wait wait;
    } rows[] = {
        {"BLPOP a b c 1.5", true, {VALUE_LIST, 1, 3, 0, 1500, 1, 4, false}},
        {"BRPOP a 0", true, {VALUE_LIST, 1, 1, 0, 0, 1, 2, false}},
        {"BLPOP a 0.0001", true, {VALUE_LIST, 1, 1, 0, 1, 1, 2, false}},
        {"BLPOP a -0.0001", true, {VALUE_LIST, 1, 1, 0, 0, 1, 2, false}},
        {"BLMOVE a b LEFT LEFT 2", true, {VALUE_LIST, 1, 1, 0, 2000, 1, 5, false}},
        {"BRPOPLPUSH a b 2", true, {VALUE_LIST, 1, 1, 0, 2000, 1, 3, false}},
        {"BLMPOP 3 2 a b LEFT", true, {VALUE_LIST, 3, 2, 2, 3000, 1, 1, false}},
        {"BLMPOP 3 2 a b LEFT COUNT 7", true, {VALUE_LIST, 3, 2, 2, 3000, 7, 1, false}},
        {"BZMPOP 3 1 a MIN COUNT 7", true, {VALUE_ZSET, 3, 1, 2, 3000, 7, 1, false}},
        {"BZPOPMAX a b 1", true, {VALUE_ZSET, 1, 2, 0, 1000, 1, 3, false}},
        {"BLPOP a x", false, {0}},
        {"BLPOP a -1", false, {0}},
        {"BLMPOP 0 9 a LEFT", false, {0}},
        {"BLMPOP 0 0 a LEFT", false, {0}},
    };
    struct fixture f = fixture_new();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct command_wait wait = {0};
        size_t count = split(&f, rows[i].line);
        const struct command *command = command_find(f.args, count);
        assert_int_equal(command_waits(f.args, count, command, &wait), rows[i].good);
        if (!rows[i].good)
            continue;
        assert_int_equal(wait.type, rows[i].wait.type);
        assert_int_equal(wait.first_key, rows[i].wait.first_key);
        assert_int_equal(wait.keys, rows[i].wait.keys);
        assert_int_equal(wait.count_at, rows[i].wait.count_at);
        assert_int_equal(wait.timeout_ms, rows[i].wait.timeout_ms);
        assert_int_equal(wait.takes, rows[i].wait.takes);
        assert_int_equal(wait.timeout_at, rows[i].wait.timeout_at);
    }
    keyspace_free(f.keyspace);
}

static void every_row_that_blocks_says_what_it_waits_for(void **state) {
    (void)state;
    size_t rows, blocking = 0;
    const struct command *table = command_table(&rows);
    static const struct resp_arg args[] = {{"x", 1}, {"1", 1}, {"1", 1}, {"1", 1}, {"1", 1}, {"1", 1}};
    for (size_t i = 0; i < rows; i++) {
        struct command_wait wait;
        bool blocks = table[i].flags & COMMAND_BLOCKING;
        size_t count = table[i].arity < 0 ? 5 : (size_t)table[i].arity;
        if (count <= 6)
            assert_int_equal(command_waits(args, count, &table[i], &wait), blocks);
        blocking += blocks;
    }
    assert_int_equal(blocking, 8);
}

/* Asked only to look, a command takes nothing. */
static void who_looks_takes_nothing(void **state) {
    (void)state;
    static const struct {
        const char *line;
        enum call_end end;
    } rows[] = {
        {"BLPOP none l 0", CALL_READY},       {"BLMOVE l m LEFT LEFT 0", CALL_READY},
        {"BRPOPLPUSH l m 0", CALL_READY},     {"BLMPOP 0 1 l LEFT", CALL_READY},
        {"BZPOPMIN z 0", CALL_READY},         {"BZMPOP 0 1 z MIN", CALL_READY},
        {"BLPOP none 0", CALL_BLOCKS},        {"BLMOVE none m LEFT LEFT 0", CALL_BLOCKS},
        {"BLPOP z l 0", CALL_DONE},           {"BLPOP l z 0", CALL_READY},
        {"BZMPOP 0 1 none MIN", CALL_BLOCKS},
    };
    struct fixture f = fixture_new();
    expect(&f, "RPUSH l 1 2", ":2");
    expect(&f, "ZADD z 1 a", ":1");
    uint64_t digest = keyspace_digest(f.keyspace);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct resp_buf buf = {0};
        struct resp_out out = {&buf, 2};
        size_t count = split(&f, rows[i].line);
        const struct command *command = command_find(f.args, count);
        struct call call = {.keyspace = f.keyspace,
                            .command = command,
                            .args = f.args,
                            .count = count,
                            .wall_ms = keyspace_clock(f.keyspace),
                            .looks = true,
                            .reply = &out};
        command->run(&call);
        assert_int_equal(call.end, rows[i].end);
        assert_true(call.end != CALL_READY || resp_buf_length(&buf) == 0);
        resp_buf_close(&buf);
    }
    assert_true(keyspace_digest(f.keyspace) == digest);
    keyspace_free(f.keyspace);
}

/* ---- what the keyspace notes ---------------------------------------------------------------------------------------- */

/* "0:key", or "3:*" for a database. */
static const char *noted(struct fixture *f) {
    static char text[256];
    size_t length = 0;
    struct keyspace_ready ready;
    text[0] = '\0';
    while (keyspace_next_ready(f->keyspace, &ready))
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%s%u:%.*s", length ? " " : "", ready.db,
                             ready.whole ? 1 : (int)ready.key.length, ready.whole ? "*" : ready.key.bytes);
    return text;
}

static void whatever_may_end_a_wait_is_noted(void **state) {
    (void)state;
    static const struct {
        const char *line, *noted;
    } rows[] = {
        {"RPUSH a 1 2 3", "0:a"},
        {"LPUSH a 0", "0:a"},
        {"RPUSHX none 0", ""},
        {"SET s 1", ""},
        {"SADD t 1", ""},
        {"HSET h f 1", ""},
        {"ZADD z 1 m", "0:z"},
        {"ZADD z 1 m", ""},
        {"RENAME a b", "0:b"},
        {"RENAME s s2", ""},
        {"COPY b c", "0:c"},
        {"COPY z y DB 2", "2:y"},
        {"LMOVE b d LEFT LEFT", "0:d 0:b"},
        {"MOVE d 3", "3:d"},
        {"SORT b ALPHA STORE e", "0:e"},
        {"ZUNIONSTORE u 1 z", "0:u"},
        {"ZRANGESTORE v z 0 -1", "0:v"},
        {"SWAPDB 0 3", "0:* 3:*"},
        {"FLUSHALL", ""},
        {"RPUSH a 1", "0:a"},
        {"LPOP a", ""},
    };
    struct fixture f = fixture_new();
    (void)run(&f, "RPUSH before 1");
    assert_string_equal(noted(&f), "");
    keyspace_note_ready(f.keyspace, true);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)run(&f, rows[i].line);
        if (strcmp(noted(&f), rows[i].noted) != 0)
            fail_msg("%s: not %s", rows[i].line, rows[i].noted);
    }
    (void)run(&f, "RPUSH a 1");
    keyspace_note_ready(f.keyspace, false);
    assert_string_equal(noted(&f), "");
    keyspace_free(f.keyspace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_anything_to_take_the_reply_is_that_of_a_wait_that_ended),
        cmocka_unit_test(the_first_key_that_is_there_is_taken_from),
        cmocka_unit_test(wrong_arguments_and_types_are_refused),
        cmocka_unit_test(the_arguments_say_what_is_waited_for),
        cmocka_unit_test(every_row_that_blocks_says_what_it_waits_for),
        cmocka_unit_test(who_looks_takes_nothing),
        cmocka_unit_test(whatever_may_end_a_wait_is_noted),
    };
    return cmocka_run_group_tests_name("blocking_commands", tests, NULL, NULL);
}
