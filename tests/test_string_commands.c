/* SPDX-License-Identifier: MIT */
/* Strings with a time to live, parts of strings, decimal numbers, common bytes. */
#include "call_world.h"

static void setex_and_psetex_set_a_string_for_a_time(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SETEX k 10 v", "+OK"},
        {"TTL k", ":10"},
        {"SETEX k 0 v", "-ERR invalid expire time in 'setex' command"},
        {"SETEX k -1 v", "-ERR invalid expire time in 'setex' command"},
        {"SETEX k ten v", "-ERR value is not an integer or out of range"},
        {"SETEX k 9223372036854775807 v", "-ERR invalid expire time in 'setex' command"},
        {"PSETEX k 12000 w", "+OK"},
        {"TTL k", ":12"},
        {"PSETEX k 0 v", "-ERR invalid expire time in 'psetex' command"},
        {"PSETEX k 1.5 v", "-ERR value is not an integer or out of range"},
        {"GET k", "$1 w"},
        {"SET k plain", "+OK"},
        {"TTL k", ":-1"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void getex_reads_a_string_and_changes_its_deadline(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"GETEX none", "$-1"},
        {"GETEX none EX 0", "$-1"},
        {"GETEX none FOO", "-ERR syntax error"},
        {"SET k v", "+OK"},
        {"GETEX k", "$1 v"},
        {"GETEX k EX 100", "$1 v"},
        {"TTL k", ":100"},
        {"GETEX k", "$1 v"},
        {"TTL k", ":100"},
        {"GETEX k PERSIST", "$1 v"},
        {"TTL k", ":-1"},
        {"GETEX k px 200000", "$1 v"},
        {"TTL k", ":200"},
        {"GETEX k EXAT 4000000000", "$1 v"},
        {"EXPIRETIME k", ":4000000000"},
        {"GETEX k PXAT 4000000000123", "$1 v"},
        {"PEXPIRETIME k", ":4000000000123"},
        {"GETEX k EX", "-ERR syntax error"},
        {"GETEX k EX 10 PX 10", "-ERR syntax error"},
        {"GETEX k PERSIST EX 10", "-ERR syntax error"},
        {"GETEX k EX 10 PERSIST", "-ERR syntax error"},
        {"GETEX k KEEPTTL", "-ERR syntax error"},
        {"GETEX k NX", "-ERR syntax error"},
        {"GETEX k EX ten", "-ERR value is not an integer or out of range"},
        {"GETEX k EX 0", "-ERR invalid expire time in 'getex' command"},
        {"GETEX k EXAT 1", "$1 v"},
        {"EXISTS k", ":0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void msetnx_sets_all_or_none(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"MSETNX a 1 b", "-ERR wrong number of arguments for 'msetnx' command"},
        {"MSETNX a 1 b 2", ":1"},
        {"MGET a b", "*2 $1 1 $1 2"},
        {"MSETNX b 3 c 4", ":0"},
        {"EXISTS c", ":0"},
        {"MSETNX d 1 d 2", ":1"},
        {"GET d", "$1 2"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void incrbyfloat_adds_in_long_double_and_keeps_what_redis_keeps(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"INCRBYFLOAT f 10.5", "$4 10.5"},
        {"INCRBYFLOAT f 0.1", "$4 10.6"},
        {"INCRBYFLOAT f -5", "$3 5.6"},
        {"INCRBYFLOAT f 5.0e3", "$22 5005.60000000000000009"},
        {"INCRBYFLOAT f 0x10", "$22 5021.60000000000000009"},
        {"INCRBYFLOAT f x", "-ERR value is not a valid float"},
        {"INCRBYFLOAT f ''", "-ERR value is not a valid float"},
        {"INCRBYFLOAT f nan", "-ERR value is not a valid float"},
        {"INCRBYFLOAT f inf", "-ERR increment would produce NaN or Infinity"},
        {"INCRBYFLOAT f 1e5000", "-ERR value is not a valid float"},
        {"INCRBYFLOAT f 1e-5000", "-ERR value is not a valid float"},
        {"GET f", "$22 5021.60000000000000009"},
        {"SET f 3.0", "+OK"},
        {"INCRBYFLOAT f 0", "$1 3"},
        {"SET f -0", "+OK"},
        {"INCRBYFLOAT f 0", "$1 0"},
        {"SET f x", "+OK"},
        {"INCRBYFLOAT f 1", "-ERR value is not a valid float"},
        {"SET f ''", "+OK"},
        {"INCRBYFLOAT f 1", "-ERR value is not a valid float"},
        {"SET f 12345678901234567890", "+OK"},
        {"INCRBYFLOAT f 1", "$20 12345678901234567891"},
        {"INCRBYFLOAT f 1e30", "$31 1000000000012345678939165818880"},
        {"SET f 1 EX 100", "+OK"},
        {"INCRBYFLOAT f 1.25", "$4 2.25"},
        {"TTL f", ":100"},
        {"INCRBYFLOAT g 1e-17", "$19 0.00000000000000001"},
        {"INCRBYFLOAT g 1e-18", "$19 0.00000000000000001"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void ranges_are_clamped_read_and_written_over(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SET s Hello-World", "+OK"},
        {"GETRANGE s 0 4", "$5 Hello"},
        {"GETRANGE s -5 -1", "$5 World"},
        {"GETRANGE s 0 -1", "$11 Hello-World"},
        {"GETRANGE s 5 3", "$0"},
        {"GETRANGE s -1 -5", "$0"},
        {"GETRANGE s -100 2", "$3 Hel"},
        {"GETRANGE s 3 100", "$8 lo-World"},
        {"GETRANGE s 100 200", "$0"},
        {"GETRANGE s x 1", "-ERR value is not an integer or out of range"},
        {"GETRANGE s 1 x", "-ERR value is not an integer or out of range"},
        {"GETRANGE none 0 -1", "$0"},
        {"GETRANGE s -9223372036854775808 9223372036854775807", "$11 Hello-World"},
        {"SUBSTR s 6 -1", "$5 World"},
        {"SETRANGE s 6 Redis", ":11"},
        {"GET s", "$11 Hello-Redis"},
        {"SETRANGE s 11 !", ":12"},
        {"SETRANGE s -1 x", "-ERR offset is out of range"},
        {"SETRANGE s x y", "-ERR value is not an integer or out of range"},
        {"SETRANGE s 536870912 x", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"},
        {"SETRANGE s 536870911 xy", "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"},
        {"SETRANGE s 536870912 ''", ":12"},
        {"SETRANGE none 10 ''", ":0"},
        {"EXISTS none", ":0"},
        {"SETRANGE new 0 abc", ":3"},
        {"SETRANGE new 1 X", ":3"},
        {"GET new", "$3 aXc"},
        {"SETRANGE gap 4 x", ":5"},
        {"STRLEN gap", ":5"},
        {"BITCOUNT gap 0 3", ":0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void lcs_finds_what_two_strings_have_in_common(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"MSET a ohmytext b mynewtext", "+OK"},
        {"LCS a b", "$6 mytext"},
        {"LCS a b LEN", ":6"},
        {"LCS a b IDX", "*4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6"},
        {"LCS a b IDX MINMATCHLEN 4", "*4 $7 matches *1 *2 *2 :4 :7 *2 :5 :8 $3 len :6"},
        {"LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN", "*4 $7 matches *1 *3 *2 :4 :7 *2 :5 :8 :4 $3 len :6"},
        {"LCS a b idx withmatchlen",
         "*4 $7 matches *2 *3 *2 :4 :7 *2 :5 :8 :4 *3 *2 :2 :3 *2 :0 :1 :2 $3 len :6"},
        {"LCS a b LEN IDX", "-ERR If you want both the length and indexes, please just use IDX."},
        {"LCS a b FOO", "-ERR syntax error"},
        {"LCS a b MINMATCHLEN", "-ERR syntax error"},
        {"LCS a b MINMATCHLEN x", "-ERR value is not an integer or out of range"},
        {"LCS a b LEN MINMATCHLEN -5", ":6"},
        {"LCS a none", "$0"},
        {"LCS a none LEN", ":0"},
        {"LCS none none IDX", "*4 $7 matches *0 $3 len :0"},
        {"LCS a a IDX", "*4 $7 matches *1 *2 *2 :0 :7 *2 :0 :7 $3 len :8"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

/* The table in four bytes a field, as the definition says it. */
static size_t plain_lcs(const char *a, const char *b, size_t length) {
    static size_t table[401][401];
    for (size_t i = 0; i <= length; i++)
        for (size_t j = 0; j <= length; j++)
            table[i][j] = i == 0 || j == 0                    ? 0
                          : a[i - 1] == b[j - 1]              ? table[i - 1][j - 1] + 1
                          : table[i - 1][j] > table[i][j - 1] ? table[i - 1][j]
                                                              : table[i][j - 1];
    return table[length][length];
}

static void lcs_of_long_strings_is_as_long_as_its_definition_says(void **state) {
    (void)state;
    for (size_t length = 1; length <= 400; length = length * 2 + 1) {
        struct fixture f = fixture_new();
        char a[401] = "", b[401] = "", expected[32];
        uint64_t draw = length;
        for (size_t i = 0; i < length; i++) {
            draw = draw * 6364136223846793005 + 1442695040888963407;
            a[i] = (char)('a' + (draw >> 33) % 3);
            b[i] = (char)('a' + (draw >> 43) % 4);
        }
        keyspace_set_string(f.keyspace, 0, &(struct resp_arg){"a", 1}, a, length, false, 1);
        keyspace_set_string(f.keyspace, 0, &(struct resp_arg){"b", 1}, b, length, false, 1);
        snprintf(expected, sizeof expected, ":%zu", plain_lcs(a, b, length));
        expect(&f, "LCS a b LEN", expected);
        keyspace_free(f.keyspace);
    }
}

static void lcs_refuses_what_would_take_too_much_memory(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    expect(&f, "SETRANGE a 20000 x", ":20001");
    expect(&f, "LCS a a LEN",
           "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
    keyspace_free(f.keyspace);
}

/* What goes beyond an item's own room, and beyond the block of zeros. */
static void a_long_gap_is_filled_with_zeros(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    expect(&f, "SET k abc EX 100", "+OK");
    expect(&f, "SETRANGE k 200000 end", ":200003");
    expect(&f, "BITCOUNT k 3 199999", ":0");
    expect(&f, "GETRANGE k -3 -1", "$3 end");
    expect(&f, "GETRANGE k 0 2", "$3 abc");
    expect(&f, "TTL k", ":100");
    expect(&f, "SETRANGE k 1 XY", ":200003");
    expect(&f, "GETRANGE k 0 2", "$3 aXY");
    keyspace_free(f.keyspace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setex_and_psetex_set_a_string_for_a_time),
        cmocka_unit_test(getex_reads_a_string_and_changes_its_deadline),
        cmocka_unit_test(msetnx_sets_all_or_none),
        cmocka_unit_test(incrbyfloat_adds_in_long_double_and_keeps_what_redis_keeps),
        cmocka_unit_test(ranges_are_clamped_read_and_written_over),
        cmocka_unit_test(lcs_finds_what_two_strings_have_in_common),
        cmocka_unit_test(lcs_of_long_strings_is_as_long_as_its_definition_says),
        cmocka_unit_test(lcs_refuses_what_would_take_too_much_memory),
        cmocka_unit_test(a_long_gap_is_filled_with_zeros),
    };
    return cmocka_run_group_tests_name("string_commands", tests, NULL, NULL);
}
