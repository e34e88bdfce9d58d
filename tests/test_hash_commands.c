/* SPDX-License-Identifier: MIT */
/* Hashes. */
#include "call_world.h"

#define WRONGTYPE "-WRONGTYPE Operation against a key holding the wrong kind of value"

static void fields_are_set_read_and_deleted(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"HSET h a 1 b 2", ":2"},
        {"HSET h a 3 c 4", ":1"},
        {"HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command"},
        {"HMSET h d 5", "+OK"},
        {"HMSET h d 5 e", "-ERR wrong number of arguments for 'hmset' command"},
        {"HSETNX h d 6", ":0"},
        {"HSETNX h e 6", ":1"},
        {"HSETNX new e 6", ":1"},
        {"HGET h a", "$1 3"},
        {"HGET h z", "$-1"},
        {"HGET none a", "$-1"},
        {"HMGET h a z e", "*3 $1 3 $-1 $1 6"},
        {"HMGET none a", "*1 $-1"},
        {"HLEN h", ":5"},
        {"HSTRLEN h a", ":1"},
        {"HSTRLEN h z", ":0"},
        {"HEXISTS h a", ":1"},
        {"HEXISTS h z", ":0"},
        {"HGETALL h", "*10 $1 a $1 3 $1 b $1 2 $1 c $1 4 $1 d $1 5 $1 e $1 6"},
        {"HKEYS h", "*5 $1 a $1 b $1 c $1 d $1 e"},
        {"HVALS h", "*5 $1 3 $1 2 $1 4 $1 5 $1 6"},
        {"HDEL h a z b a", ":2"},
        {"HKEYS h", "*3 $1 c $1 d $1 e"},
        {"HDEL h c d e", ":3"},
        {"EXISTS h", ":0"},
        {"HDEL h c", ":0"},
        {"HGETALL h", "*0"},
        {"HLEN h", ":0"},
        {"HSET '' '' ''", ":1"},
        {"HGETALL ''", "*2 $0  $0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void other_types_are_refused(void **state) {
    (void)state;
    static const char *const lines[] = {
        "HSET s a 1",      "HSETNX s a 1", "HGET s a",     "HMSET s a 1",
        "HMGET s a",       "HDEL s a",     "HLEN s",       "HSTRLEN s a",
        "HEXISTS s a",     "HKEYS s",      "HVALS s",      "HGETALL s",
        "HINCRBY s a 1",   "HSCAN s 0",    "HRANDFIELD s", "HINCRBYFLOAT s a 1.5",
        "GET h",           "INCR h",       "APPEND h x",   "SETBIT h 0 1",
        "GETSET h 1",      "SET h 1 GET",  "LCS h s",      "SADD h a",
        "BITOP AND x h h", "STRLEN h",
    };
    struct fixture f = fixture_new();
    expect(&f, "SET s 1", "+OK");
    expect(&f, "HSET h a 1", ":1");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (strcmp(lines[i], "LCS h s") == 0)
            expect(&f, lines[i], "-ERR The specified keys must contain string values");
        else
            expect(&f, lines[i], WRONGTYPE);
    expect(&f, "GET s", "$1 1");
    expect(&f, "MGET h s", "*2 $-1 $1 1");
    expect(&f, "SET h 2", "+OK");
    expect(&f, "TYPE h", "+string");
    keyspace_free(f.keyspace);
}

static void counting_in_fields(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"HINCRBY h n 5", ":5"},
        {"HINCRBY h n -7", ":-2"},
        {"HINCRBY h n x", NOT_INTEGER},
        {"HSET h t text m 9223372036854775807", ":2"},
        {"HINCRBY h t 1", "-ERR hash value is not an integer"},
        {"HINCRBY h m 1", "-ERR increment or decrement would overflow"},
        {"HINCRBYFLOAT h n 2.5", "$3 0.5"},
        {"HINCRBYFLOAT h new 3.0e3", "$4 3000"},
        {"HINCRBYFLOAT h t 1", "-ERR hash value is not a float"},
        {"HINCRBYFLOAT h t x", "-ERR value is not a valid float"},
        {"HINCRBYFLOAT h n nan", "-ERR value is not a valid float"},
        {"HINCRBYFLOAT none n inf", "-ERR value is NaN or Infinity"},
        {"EXISTS none", ":0"},
        {"HGET h n", "$3 0.5"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void resp3_has_maps_and_pairs(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    f.protocol = 3;
    expect(&f, "HSET h a 1", ":1");
    expect(&f, "HGETALL h", "%1 $1 a $1 1");
    expect(&f, "HGETALL none", "%0");
    expect(&f, "HKEYS none", "*0");
    expect(&f, "HGET h z", "_");
    expect(&f, "HRANDFIELD h 1 WITHVALUES", "*1 *2 $1 a $1 1");
    expect(&f, "HRANDFIELD h -2 WITHVALUES", "*2 *2 $1 a $1 1 *2 $1 a $1 1");
    expect(&f, "HSCAN h 0", "*2 $1 0 *2 $1 a $1 1");
    keyspace_free(f.keyspace);
}

static void draws_are_counted_and_follow_the_seed(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    char first[REPLY_MAX];
    expect(&f, "HSET h a 1 b 2 c 3 d 4", ":4");
    expect(&f, "HRANDFIELD none", "$-1");
    expect(&f, "HRANDFIELD none 2", "*0");
    expect(&f, "HRANDFIELD h 0", "*0");
    expect(&f, "HRANDFIELD h 9 withvalues", "*8 $1 a $1 1 $1 b $1 2 $1 c $1 3 $1 d $1 4");
    expect(&f, "HRANDFIELD h x", NOT_INTEGER);
    expect(&f, "HRANDFIELD h 1 x", SYNTAX);
    expect(&f, "HRANDFIELD h 1 withvalues x", SYNTAX);
    expect(&f, "HRANDFIELD h 9223372036854775807 withvalues", "-ERR value is out of range");
    expect(&f, "HRANDFIELD h -9223372036854775808",
           "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
    expect(&f, "HRANDFIELD h -9223372036854775807", "-ERR value is out of range");
    bool differs = false;
    for (f.seed = 1; f.seed < 50; f.seed++) {
        snprintf(first, sizeof first, "%s", run(&f, "HRANDFIELD h 3"));
        assert_string_equal(run(&f, "HRANDFIELD h 3"), first);
        assert_memory_equal(first, "*3 ", 3);
        assert_true(first[6] != first[11] && first[6] != first[16] && first[11] != first[16]);
        f.seed += 1000;
        differs = differs || strcmp(run(&f, "HRANDFIELD h 3"), first) != 0;
        f.seed -= 1000;
    }
    assert_true(differs);
    keyspace_free(f.keyspace);
}

/* Sets fields first .. last-1 to themselves. */
static void fill(struct fixture *f, int first, int last) {
    for (int i = first; i < last; i++) {
        char line[64];
        snprintf(line, sizeof line, "HSET h field:%d value:%d", i, i);
        expect(f, line, ":1");
    }
}

static void the_encoding_follows_the_limits_and_stays(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    fill(&f, 0, 512);
    expect(&f, "OBJECT ENCODING h", "$8 listpack");
    fill(&f, 512, 513);
    expect(&f, "OBJECT ENCODING h", "$9 hashtable");
    expect(&f, "HDEL h field:3", ":1");
    expect(&f, "OBJECT ENCODING h", "$9 hashtable");
    expect(&f, "COPY h copy", ":1");
    expect(&f, "OBJECT ENCODING copy", "$9 hashtable");
    expect(&f, "HSET s a 0123456789012345678901234567890123456789012345678901234567890123", ":1");
    expect(&f, "OBJECT ENCODING s", "$8 listpack");
    expect(&f, "HSET s b 01234567890123456789012345678901234567890123456789012345678901234", ":1");
    expect(&f, "OBJECT ENCODING s", "$9 hashtable");
    expect(&f, "TYPE s", "+hash");
    keyspace_free(f.keyspace);
}

static void a_copy_is_a_value_of_its_own(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    fill(&f, 0, 1000);
    expect(&f, "PEXPIREAT h 9000000", ":1");
    expect(&f, "COPY h other DB 3", ":1");
    expect(&f, "COPY h copy", ":1");
    expect(&f, "PEXPIRETIME copy", ":9000000");
    expect(&f, "HSET copy field:7 changed", ":0");
    expect(&f, "HDEL h field:8", ":1");
    expect(&f, "HGET h field:7", "$7 value:7");
    expect(&f, "HGET copy field:8", "$7 value:8");
    expect(&f, "RENAME copy h", "+OK");
    expect(&f, "HGET h field:7", "$7 changed");
    expect(&f, "HLEN h", ":1000");
    expect(&f, "DEL h", ":1");
    f.db = 3;
    expect(&f, "HLEN other", ":1000");
    expect(&f, "HGET other field:999", "$9 value:999");
    keyspace_free(f.keyspace);
}

/* Every field that is there from the first step to the last is told, whatever goes and comes between. */
static void a_scan_misses_no_field_that_stays(void **state) {
    (void)state;
    enum { FIELDS = 600 };
    struct fixture f = fixture_new();
    bool told[FIELDS] = {false};
    unsigned long cursor = 0;
    int steps = 0, gone = 1;
    fill(&f, 0, FIELDS);
    do {
        char line[64];
        snprintf(line, sizeof line, "HSCAN h %lu COUNT 7", cursor);
        char reply[REPLY_MAX];
        snprintf(reply, sizeof reply, "%s", run(&f, line));
        cursor = strtoul(strchr(reply + 3, ' '), NULL, 10);
        for (const char *at = reply; (at = strstr(at, "field:")); at++)
            told[atoi(at + 6)] = true;
        snprintf(line, sizeof line, "HDEL h field:%d", gone);
        (void)run(&f, line);
        gone += 2;
        snprintf(line, sizeof line, "HSET h new:%d x", steps++);
        (void)run(&f, line);
    } while (cursor != 0 && steps < 1000);
    assert_int_equal(cursor, 0);
    assert_true(steps > 50);
    for (int i = 0; i < FIELDS; i += 2)
        assert_true(told[i]);
    keyspace_free(f.keyspace);
}

static void scan_options_are_judged_as_in_redis(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"HSET h a 1 bb 2", ":2"},
        {"HSCAN h 0", "*2 $1 0 *4 $1 a $1 1 $2 bb $1 2"},
        {"HSCAN h 0 COUNT 1", "*2 $1 0 *4 $1 a $1 1 $2 bb $1 2"},
        {"HSCAN h 0 MATCH b*", "*2 $1 0 *2 $2 bb $1 2"},
        {"HSCAN h x", "-ERR invalid cursor"},
        {"HSCAN h 0 COUNT", SYNTAX},
        {"HSCAN h 0 COUNT 0", SYNTAX},
        {"HSCAN h 0 COUNT x", NOT_INTEGER},
        {"HSCAN h 0 TYPE hash", SYNTAX},
        {"HSCAN none 0 BAD", "*2 $1 0 *0"},
        {"SET s 1", "+OK"},
        {"SCAN 0 TYPE hash", "*2 $1 0 *1 $1 h"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_set_read_and_deleted),
        cmocka_unit_test(other_types_are_refused),
        cmocka_unit_test(counting_in_fields),
        cmocka_unit_test(resp3_has_maps_and_pairs),
        cmocka_unit_test(draws_are_counted_and_follow_the_seed),
        cmocka_unit_test(the_encoding_follows_the_limits_and_stays),
        cmocka_unit_test(a_copy_is_a_value_of_its_own),
        cmocka_unit_test(a_scan_misses_no_field_that_stays),
        cmocka_unit_test(scan_options_are_judged_as_in_redis),
    };
    return cmocka_run_group_tests_name("hash commands", tests, NULL, NULL);
}
