/* SPDX-License-Identifier: MIT */
/* cmsgpack and struct in scripts. What they return was taken from Redis 7.0. */

#include "call_world.h"

static const char *eval(struct fixture *f, const char *script) {
    f->args[0] = (struct resp_arg){"EVAL", 4};
    f->args[1] = (struct resp_arg){script, strlen(script)};
    f->args[2] = (struct resp_arg){"0", 1};
    return run_args(f, 3);
}

/* The value of each expression, or a part of the error: bytes as hexadecimal digits, numbers with all they have, tables sorted. */
static void expect_values(const struct row *rows, size_t count) {
    static const char show[] =
        "local function show(v) "
        "  if type(v) == 'number' then return string.format('%%.17g', v) end "
        "  if type(v) == 'string' then return (v:gsub('.', function(c) return string.format('%%02x', "
        "c:byte()) end)) end "
        "  if type(v) ~= 'table' then return tostring(v) end "
        "  local parts = {} "
        "  for key, value in pairs(v) do parts[#parts + 1] = show(key) .. '=' .. show(value) end "
        "  table.sort(parts) "
        "  return '{' .. table.concat(parts, ',') .. '}' "
        "end "
        "local parts = {} "
        "for i, v in ipairs({%s}) do parts[i] = show(v) end "
        "return table.concat(parts, ' ')";
    struct fixture f = fixture_new();
    for (size_t i = 0; i < count; i++) {
        char script[4096], expected[1024];
        snprintf(script, sizeof script, show, rows[i].line);
        snprintf(expected, sizeof expected, "$%zu %s", strlen(rows[i].reply), rows[i].reply);
        eval(&f, script);
        bool right =
            f.reply[0] == '-' ? strstr(f.reply, rows[i].reply) != NULL : strcmp(f.reply, expected) == 0;
        if (!right)
            fail_msg("%s\n    gives   %s\n    and not %s", rows[i].line, f.reply, rows[i].reply);
    }
    keyspace_free(f.keyspace);
}
#define EXPECT_VALUES(rows) expect_values(rows, sizeof(rows) / sizeof *(rows))

static void every_value_is_packed_as_short_as_it_can_be(void **state) {
    static const struct row rows[] = {
        {"cmsgpack.pack(0, 127, 128, 255, 256, 65535, 65536)", "007fcc80ccffcd0100cdffffce00010000"},
        {"cmsgpack.pack(4294967295, 4294967296)", "ceffffffffcf0000000100000000"},
        {"cmsgpack.pack(-1, -32, -33, -128, -129, -32769)", "ffe0d0dfd080d1ff7fd2ffff7fff"},
        {"cmsgpack.pack(-2147483648, -2147483649)", "d280000000d3ffffffff7fffffff"},
        {"cmsgpack.pack(0.5, 0.1, 1e19, -0.0)", "ca3f000000cb3fb999999999999acb43e158e460913d0000"},
        {"cmsgpack.pack(1/0, -1/0)", "ca7f800000caff800000"},
        {"cmsgpack.pack(true, false, nil)", "c3c2c0"},
        {"cmsgpack.pack('', 'abc', ('x'):rep(32)):sub(1, 8)", "a0a3616263d92078"},
        {"cmsgpack.pack(('x'):rep(256)):sub(1, 4)", "da010078"},
        {"cmsgpack.pack(('x'):rep(65536)):sub(1, 6)", "db0001000078"},
        {"cmsgpack.pack({}, {1, 2}, {a = 1}, {[2] = 1})", "9092010281a16101810201"},
        {"cmsgpack.pack({1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}):sub(1, 4)", "dc001001"},
        {"cmsgpack.pack(redis.call)", "c0"},
        {"cmsgpack.pack()", "bad argument #0 to 'pack' (MessagePack pack needs input.)"},
        {"cmsgpack.pack((function() local t = {} for i = 1, 20 do t = {t} end return t end)())",
         "91919191919191919191919191919191c0"},
    };
    (void)state;
    EXPECT_VALUES(rows);
}

static void what_was_packed_comes_back(void **state) {
    static const struct row rows[] = {
        {"cmsgpack.unpack(cmsgpack.pack({1, 'a', {b = {0.1, true}}}, -5))",
         "{1=1,2=61,3={62={1=0.10000000000000001,2=true}}} -5"},
        {"cmsgpack.unpack('\\207\\255\\255\\255\\255\\255\\255\\255\\255')", "-1"},
        {"cmsgpack.unpack('\\202\\63\\128\\0\\0\\222\\0\\1\\1\\220\\0\\2\\195\\194')",
         "1 {1={1=true,2=false}}"},
        {"cmsgpack.unpack_one('abc')", "1 97"},
        {"cmsgpack.unpack_one('abc', 2)", "-1 99"},
        {"cmsgpack.unpack_limit('abc', 2)", "2 97 98"},
        {"cmsgpack.unpack_limit('abc', 0, 0)", "97 98 99"},
        {"cmsgpack.unpack_one('abc', 4)", "Start offset 4 greater than input length 3."},
        {"cmsgpack.unpack_limit('abc', -1)", "Invalid request to unpack with offset of 0 and limit of 3."},
        {"cmsgpack.unpack('\\146\\1')", "Missing bytes in input."},
        {"cmsgpack.unpack('\\196\\1a')", "Bad data format in input."},
        {"cmsgpack.unpack('\\129\\192\\1')", "table index is nil"},
        {"cmsgpack.unpack(('\\145'):rep(10000))", "stack overflow (in function mp_decode_to_lua_array)"},
    };
    (void)state;
    EXPECT_VALUES(rows);
}

static void structs_are_laid_out_as_the_format_says(void **state) {
    static const struct row rows[] = {
        {"struct.pack('bBhHi', -1, 255, -2, 65535, 1)", "fffffeffffff01000000"},
        {"struct.pack('>hi3<i3', 1, 2, 3)", "0001000002030000"},
        {"struct.pack('fd', 1.5, -2)", "0000c03f00000000000000c0"},
        {"struct.pack('!bi!2bi', 1, 2, 3, 4)", "0100000002000000030004000000"},
        {"struct.pack('sc2c0x', 'ab', 'cde', 'fg')", "6162006364666700"},
        {"struct.pack('>I16', 1)", "00000000000000000000000000000001"},
        {"struct.pack('I8', 2^64)", "0000000000000000"},
        {"struct.pack('I8', -2^64)", "0000000000000080"},
        {"struct.pack('lLT', -1, 2, 3)", "ffffffffffffffff02000000000000000300000000000000"},
        {"struct.size('!bi4d')", "16"},
        {"struct.size('bhq')", "3"},
        {"struct.size('s')", "bad argument #1 to 'size' (option 's' has no fixed size)"},
        {"struct.size('c0')", "bad argument #1 to 'size' (option 'c0' has no fixed size)"},
        {"struct.pack('i')", "bad argument #2 to 'pack' (number expected, got nil)"},
        {"struct.pack('c5', 'abc')", "bad argument #3 to 'pack' (string too short)"},
        {"struct.pack('q')", "bad argument #1 to 'pack' (invalid format option 'q')"},
        {"struct.pack('i33', 1)", "integral size 33 is larger than limit of 32"},
        {"struct.pack('i99999999999', 1)", "integral size overflow"},
        {"struct.pack('!3i', 1)", "alignment 3 is not a power of 2"},
    };
    (void)state;
    EXPECT_VALUES(rows);
}

static void structs_are_read_as_the_format_says(void **state) {
    static const struct row rows[] = {
        {"struct.unpack('bB>h', '\\255\\255\\1\\2')", "-1 255 258 5"},
        {"struct.unpack('i3', '\\0\\0\\128')", "-8388608 4"},
        {"struct.unpack('i9', ('\\255'):rep(9))", "-1 10"},
        {"struct.unpack('sxbc0', 'ab\\0_\\2cdef')", "6162 6364 8"},
        {"struct.unpack('dc0', struct.pack('d', 1.9e19) .. 'abc')", " 9"},
        {"struct.unpack('fd', struct.pack('fd', 0.5, 0.1))", "0.5 0.10000000000000001 13"},
        {"struct.unpack('b', 'abc', 3)", "99 4"},
        {"struct.unpack('b', 'abc', 4)", "bad argument #2 to 'unpack' (data string too short)"},
        {"struct.unpack('b', 'abc', 0)", "bad argument #3 to 'unpack' (offset must be 1 or greater)"},
        {"struct.unpack('b', 'abc', -1)", "bad argument #2 to 'unpack' (data string too short)"},
        {"struct.unpack('c0', 'abc')", "format 'c0' needs a previous size"},
        {"struct.unpack('s', 'abc')", "unfinished string in data"},
    };
    (void)state;
    EXPECT_VALUES(rows);
}

/* A table that is in itself many times, a number of values that no input has, a long format. */
static void packing_counts_as_work(void **state) {
    static const char *const scripts[] = {
        "local t = {} for i = 1, 10 do t = {t, t, t, t, t, t, t, t, t, t} end return cmsgpack.pack(t)",
        "local s = ('\\1'):rep(7000) while true do cmsgpack.unpack(s) end",
        "local f = ('x'):rep(1000000) while true do struct.size(f) end",
    };
    (void)state;
    struct fixture f = fixture_new();
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        if (!strstr(eval(&f, scripts[i]), "the script was stopped after 100000000 steps"))
            fail_msg("%s\n    gives %s", scripts[i], f.reply);
    eval(&f, "local t = {} for i = 1, 100 do t[i] = ('x'):rep(1000000) end return #cmsgpack.pack(t)");
    assert_non_null(strstr(f.reply, "not enough memory"));
    keyspace_free(f.keyspace);
}

static void what_is_packed_can_be_kept_in_keys(void **state) {
    static const struct row rows[] = {
        {"EVAL return(redis.call('SET','k',cmsgpack.pack({1,2}))) 0", "+OK"},
        {"STRLEN k", ":3"},
        {"EVAL return(cmsgpack.unpack(redis.call('GET','k'))[2]) 0", ":2"},
        {"EVAL return(struct.unpack('>H',redis.call('GET','k'))) 0", ":37377"},
    };
    (void)state;
    expect_rows(rows, sizeof rows / sizeof *rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_packed_as_short_as_it_can_be),
        cmocka_unit_test(what_was_packed_comes_back),
        cmocka_unit_test(structs_are_laid_out_as_the_format_says),
        cmocka_unit_test(structs_are_read_as_the_format_says),
        cmocka_unit_test(packing_counts_as_work),
        cmocka_unit_test(what_is_packed_can_be_kept_in_keys),
    };
    return cmocka_run_group_tests_name("script packing", tests, NULL, NULL);
}
