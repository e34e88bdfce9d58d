/* SPDX-License-Identifier: MIT */
/* Strings as bits and as fields of bits. */
#include "call_world.h"

static void single_bits_are_set_and_read(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SETBIT k 7 1", ":0"},
        {"SETBIT k 7 0", ":1"},
        {"SETBIT k 7 1", ":0"},
        {"GETBIT k 7", ":1"},
        {"GETBIT k 6", ":0"},
        {"GETBIT k 100", ":0"},
        {"GETBIT none 0", ":0"},
        {"STRLEN k", ":1"},
        {"SETBIT k 100 0", ":0"},
        {"STRLEN k", ":13"},
        {"SETBIT k -1 1", "-ERR bit offset is not an integer or out of range"},
        {"SETBIT k x 1", "-ERR bit offset is not an integer or out of range"},
        {"SETBIT k 4294967296 1", "-ERR bit offset is not an integer or out of range"},
        {"SETBIT k 1 2", "-ERR bit is not an integer or out of range"},
        {"SETBIT k 1 x", "-ERR bit is not an integer or out of range"},
        {"SETBIT k #1 1", "-ERR bit offset is not an integer or out of range"},
        {"GETBIT k 4294967296", "-ERR bit offset is not an integer or out of range"},
        {"GETBIT k 4294967295", ":0"},
        {"SET s 5", "+OK"},
        {"SETBIT s 6 1", ":0"},
        {"GET s", "$1 7"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void bits_are_counted_in_ranges_of_bytes_and_of_bits(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SET k foobar", "+OK"},
        {"BITCOUNT k", ":26"},
        {"BITCOUNT k 0 0", ":4"},
        {"BITCOUNT k 1 1", ":6"},
        {"BITCOUNT k 1 1 BYTE", ":6"},
        {"BITCOUNT k 5 30 BIT", ":17"},
        {"BITCOUNT k -9 -1 bit", ":5"},
        {"BITCOUNT k 0 -1", ":26"},
        {"BITCOUNT k -2 -1", ":7"},
        {"BITCOUNT k 5 3", ":0"},
        {"BITCOUNT k -1 -5 QQ", ":0"},
        {"BITCOUNT k 0 -1 QQ", "-ERR syntax error"},
        {"BITCOUNT k 0", "-ERR syntax error"},
        {"BITCOUNT k 0 1 BIT 2", "-ERR syntax error"},
        {"BITCOUNT k x 1", "-ERR value is not an integer or out of range"},
        {"BITCOUNT k 0 x", "-ERR value is not an integer or out of range"},
        {"BITCOUNT k 9223372036854775807 9223372036854775807 BIT", ":0"},
        {"BITCOUNT k -9223372036854775808 9223372036854775807 BIT", ":26"},
        {"BITCOUNT none", ":0"},
        {"BITCOUNT none x y", ":0"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void the_first_bit_is_found_where_redis_finds_it(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"SETRANGE k 30 x", ":31"},
        {"BITPOS k 1", ":241"},
        {"BITPOS k 0", ":0"},
        {"BITPOS k 1 30", ":241"},
        {"BITPOS k 1 31", ":-1"},
        {"BITPOS k 1 0 29", ":-1"},
        {"BITPOS k 1 240 -1 BIT", ":241"},
        {"BITPOS k 1 245 247 BIT", ":-1"},
        {"BITPOS k 0 -1 -1", ":240"},
        {"BITPOS k 2", "-ERR The bit argument must be 1 or 0."},
        {"BITPOS k x", "-ERR value is not an integer or out of range"},
        {"BITPOS k 1 x", "-ERR value is not an integer or out of range"},
        {"BITPOS k 1 0 x", "-ERR value is not an integer or out of range"},
        {"BITPOS k 1 0 1 QQ", "-ERR syntax error"},
        {"BITPOS k 1 0 1 BIT 3", "-ERR syntax error"},
        {"BITPOS none 1", ":-1"},
        {"BITPOS none 0", ":0"},
        {"BITPOS none 0 x", ":0"},
        {"SET one ~", "+OK"},
        {"BITFIELD one SET u8 0 255", "*1 :126"},
        {"BITPOS one 0", ":8"},
        {"BITPOS one 0 0", ":8"},
        {"BITPOS one 0 0 -1", ":-1"},
        {"BITPOS one 0 5", ":-1"},
        {"BITPOS one 1 5", ":-1"},
        {"SET empty ''", "+OK"},
        {"BITPOS empty 0", ":-1"},
        {"BITPOS empty 1", ":-1"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void strings_are_combined_bit_by_bit(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"MSET a foobar b abcdef c ab", "+OK"},
        {"BITOP AND to a b", ":6"},
        {"GET to", "$6 `bc`ab"},
        {"BITOP OR to a b c", ":6"},
        {"GET to", "$6 goofev"},
        {"BITOP XOR to a a", ":6"},
        {"BITCOUNT to", ":0"},
        {"BITOP NOT to c", ":2"},
        {"BITOP NOT to to", ":2"},
        {"GET to", "$2 ab"},
        {"BITOP AND to a none", ":6"},
        {"BITCOUNT to", ":0"},
        {"EXPIRE to 100", ":1"},
        {"BITOP AND to none none", ":0"},
        {"EXISTS to", ":0"},
        {"BITOP NOT to a b", "-ERR BITOP NOT must be called with a single source key."},
        {"BITOP NAND to a b", "-ERR syntax error"},
        {"BITOP AND a a c", ":6"},
        {"STRLEN a", ":6"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

static void bitfield_reads_sets_and_counts_with_any_width(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"BITFIELD k", "*0"},
        {"EXISTS k", ":0"},
        {"BITFIELD k GET u8 0", "*1 :0"},
        {"EXISTS k", ":0"},
        {"BITFIELD k INCRBY i5 100 1 GET u4 0", "*2 :1 :0"},
        {"STRLEN k", ":14"},
        {"BITFIELD c SET u8 0 255 GET u8 0 INCRBY u8 0 10 GET i8 0", "*4 :0 :255 :9 :9"},
        {"BITFIELD c OVERFLOW SAT INCRBY u8 0 1000 OVERFLOW FAIL INCRBY u8 0 1 OVERFLOW WRAP INCRBY u8 0 1",
         "*3 :255 $-1 :0"},
        {"BITFIELD c SET i8 0 127 INCRBY i8 0 1 OVERFLOW SAT INCRBY i8 0 -100 INCRBY i8 0 1000",
         "*4 :0 :-128 :-128 :127"},
        {"BITFIELD c SET u8 #1 7 GET u8 8 SET i64 #1 -1 GET i64 64", "*4 :0 :7 :0 :-1"},
        {"BITFIELD c OVERFLOW SAT SET u4 0 -1 GET u4 0", "*2 :7 :15"},
        {"BITFIELD c SET i64 3 -9223372036854775808 INCRBY i64 3 -1",
         "*2 :-560698153607626745 :9223372036854775807"},
        {"BITFIELD c OVERFLOW FAIL SET u1 0 2 SET i1 0 1 GET u1 0", "*3 $-1 $-1 :1"},
        {"BITFIELD c GET u64 0",
         "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."},
        {"BITFIELD c GET i65 0",
         "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."},
        {"BITFIELD c GET x8 0",
         "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."},
        {"BITFIELD c GET u 0",
         "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."},
        {"BITFIELD c GET u8 -1", "-ERR bit offset is not an integer or out of range"},
        {"BITFIELD c GET u8 #x", "-ERR bit offset is not an integer or out of range"},
        {"BITFIELD c GET u8 #", "-ERR bit offset is not an integer or out of range"},
        {"BITFIELD c GET u8 4294967296", "-ERR bit offset is not an integer or out of range"},
        {"BITFIELD c GET u8", "-ERR syntax error"},
        {"BITFIELD c SET u8 0", "-ERR syntax error"},
        {"BITFIELD c SET u8 0 x", "-ERR value is not an integer or out of range"},
        {"BITFIELD c OVERFLOW QQ", "-ERR Invalid OVERFLOW type specified"},
        {"BITFIELD c OVERFLOW", "-ERR syntax error"},
        {"BITFIELD c FOO u8 0", "-ERR syntax error"},
        {"BITFIELD_RO c GET u8 8", "*1 :255"},
        {"BITFIELD_RO c SET u8 0 1", "-ERR BITFIELD_RO only supports the GET subcommand"},
        {"BITFIELD_RO none GET u8 0", "*1 :0"},
        {"BITFIELD_RO c OVERFLOW SAT GET u8 8", "*1 :255"},
    };
    expect_rows(rows, sizeof rows / sizeof rows[0]);
}

/* Every width, sign, place and way to overflow, beside a field kept as single bits. */
static void fields_of_every_width_hold_what_their_bits_say(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    for (int width = 1; width <= 64; width++)
        for (int offset = 0; offset < 20; offset += 3) {
            char line[128], expected[64];
            uint64_t bits = 0;
            for (int i = 0; i < width; i++) {
                unsigned bit = (unsigned)(width * 7 + offset * 5 + i * i) % 3 == 0;
                snprintf(line, sizeof line, "SETBIT k %d %u", offset + i, bit);
                run(&f, line);
                bits = bits << 1 | bit;
            }
            int64_t value = (int64_t)(bits << (64 - width)) >> (64 - width);
            snprintf(line, sizeof line, "BITFIELD_RO k GET i%d %d", width, offset);
            snprintf(expected, sizeof expected, "*1 :%lld", (long long)value);
            expect(&f, line, expected);
            if (width < 64) {
                snprintf(line, sizeof line, "BITFIELD k GET u%d %d", width, offset);
                snprintf(expected, sizeof expected, "*1 :%llu", (unsigned long long)bits);
                expect(&f, line, expected);
            }
            snprintf(line, sizeof line, "BITFIELD k SET i%d %d -1", width, offset);
            snprintf(expected, sizeof expected, "*1 :%lld", (long long)value);
            expect(&f, line, expected);
            snprintf(line, sizeof line, "BITCOUNT k %d %d BIT", offset, offset + width - 1);
            snprintf(expected, sizeof expected, ":%d", width);
            expect(&f, line, expected);
        }
    keyspace_free(f.keyspace);
}

static void a_bit_that_is_as_it_was_leaves_the_version(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    struct resp_arg key = {"k", 1};
    f.version = 5;
    run(&f, "SETBIT k 3 1");
    f.version = 6;
    run(&f, "SETBIT k 3 1");
    assert_int_equal(item_version(keyspace_find(f.keyspace, 0, &key)), 5);
    run(&f, "BITFIELD k INCRBY u8 0 1");
    assert_int_equal(item_version(keyspace_find(f.keyspace, 0, &key)), 6);
    keyspace_free(f.keyspace);
}

/* Wherever it stands among others, in ranges that begin and end anywhere: whole words are passed over, several at a time. */
static void the_only_bit_of_its_kind_is_found_in_any_range(void **state) {
    enum { BITS = 8 * 90 };
    (void)state;
    struct fixture f = fixture_new();
    for (unsigned at = 0; at < BITS; at += 5) {
        char line[80], expected[24];
        run(&f, "DEL k1");
        snprintf(line, sizeof line, "SETBIT k1 %u 0", BITS - 1);
        run(&f, line);
        snprintf(line, sizeof line, "SETBIT k1 %u 1", at);
        run(&f, line);
        expect(&f, "BITOP NOT k0 k1", ":90");
        for (unsigned first = 0; first < BITS; first += 61)
            for (unsigned last = first; last < BITS; last += 67) {
                snprintf(expected, sizeof expected, ":%d", first <= at && at <= last ? (int)at : -1);
                for (unsigned kind = 0; kind < 2; kind++) {
                    snprintf(line, sizeof line, "BITPOS k%u %u %u %u BIT", kind, kind, first, last);
                    expect(&f, line, expected);
                }
            }
    }
    keyspace_free(f.keyspace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_bits_are_set_and_read),
        cmocka_unit_test(bits_are_counted_in_ranges_of_bytes_and_of_bits),
        cmocka_unit_test(the_first_bit_is_found_where_redis_finds_it),
        cmocka_unit_test(the_only_bit_of_its_kind_is_found_in_any_range),
        cmocka_unit_test(strings_are_combined_bit_by_bit),
        cmocka_unit_test(bitfield_reads_sets_and_counts_with_any_width),
        cmocka_unit_test(fields_of_every_width_hold_what_their_bits_say),
        cmocka_unit_test(a_bit_that_is_as_it_was_leaves_the_version),
    };
    return cmocka_run_group_tests_name("bit_commands", tests, NULL, NULL);
}
