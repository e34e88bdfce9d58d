/* SPDX-License-Identifier: MIT */
/* Scripts: other commands, called by them, and the scripts that are known. */
#include <stdio.h>

#include "generate_parts.h"

/*
 *     0 a script that makes a call, and no keys   1 its SHA-1, and no keys   2 it   3 SHA-1s   4 one that reads   5 the call   6 any script
 *     7 a script that makes a call and sees its reply as RESP3 has it   8 one that clears Redis's errno before   9 a call that needs that
 *     _a a script that goes through a whole collection, and its key   _b its command, and options
 */
static const struct generate_row rows[] = {
    {"EVAL", 60, "!05", COMPARE_BYTES},
    {"EVALSHA", 20, "!15", COMPARE_BYTES},
    {"EVALSHA_RO", 10, "!15", COMPARE_BYTES},
    {"EVAL_RO", 12, "!45", COMPARE_BYTES},
    {"EVAL", 25, "!6", COMPARE_BYTES},
    {"EVAL", 40, "!75", COMPARE_BYTES},
    {"EVAL", 6, "!89", COMPARE_BYTES},
    {"EVAL", 20, "!_a", COMPARE_BYTES},
    {"SCRIPT|LOAD", 4, "2", COMPARE_BYTES},
    {"SCRIPT|EXISTS", 5, "3", COMPARE_BYTES},
    {"SCRIPT|FLUSH", 2, "", COMPARE_BYTES},
    {"SCRIPT|KILL", 1, "", COMPARE_BYTES},
    {"FUNCTION|LIST", 1, "", COMPARE_BYTES},
    {"FUNCTION|STATS", 1, "", COMPARE_BYTES},
    {0},
};

static const char caller[] = "return redis.pcall(unpack(ARGV))",
                  caller_sha[] = "b72d50ecdcafd5e07f3fca2060a111de46c547f9",
                  reader[] = "return (redis.pcall(unpack(ARGV)))";

static const char resp3_caller[] = "redis.setresp(3) return redis.pcall(unpack(ARGV))",
                  clearing_caller[] =
                      "redis.call('scan', '0', 'count', '1000000') return redis.pcall(unpack(ARGV))";

/* What is there throughout comes at least once; it is told once, in order. */
static const char full_scan[] =
    "local seen, all, cursor, key, i = {}, {}, '0', KEYS[1], 0\n"
    "local kind = redis.call('type', key).ok\n"
    "local scan = ({hash = 'hscan', set = 'sscan', zset = 'zscan'})[kind]\n"
    "repeat\n"
    "  local page = scan and redis.call(scan, key, cursor, 'count', ARGV[1]) or redis.call('scan', cursor, "
    "'count', ARGV[1], 'match', "
    "ARGV[2])\n"
    "  cursor = page[1]\n"
    "  local step = (kind == 'hash' or kind == 'zset') and 2 or 1\n"
    "  for i = 1, #page[2], step do\n"
    "    local text = step == 2 and page[2][i] .. '=' .. page[2][i + 1] or page[2][i]\n"
    "    if not seen[text] then seen[text] = true all[#all + 1] = text end\n"
    "  end\n"
    "until cursor == '0'\n"
    "table.sort(all)\n"
    "return all";

static const char *const scripts[] = {
    "return redis.call('incr', 'script:count')",
    "redis.setresp(3) return redis.call('hgetall', 'h')",
    "return {1, 2.9, 'three', {4, {5}}, true, false, 6}",
    "redis.call('set', 'script:a', 'x') return redis.call('incr', 'script:a')",
    "return cjson.encode({1, 'a', {b = 0.5}})",
    "return cjson.decode('[1, \"x\", [true, null]]')[2]",
    "return {bit.band(7, 12), bit.bxor(5, 1), bit.tohex(48879)}",
    "local t = {} for w in ('one two three'):gmatch('%a+') do t[#t + 1] = w:upper() end return t",
    "return redis.sha1hex('x')",
    "return redis.error_reply('MY own')",
    "return redis.status_reply('FINE')",
    "local n = 0 for i = 1, 1000 do n = n + i % 7 end return n",
    "return x",
    "x = 1",
    "error('on purpose')",
    "return redis.call('nosuch')",
    "return (",
    "redis.call('select', '2') redis.call('set', 'script:db', '2') return redis.call('exists', 'script:db')",
    "return redis.call('exists', 'script:db')",
};

static void add_with_no_keys(struct request *request, const char *text) {
    generate_add_text(request, text);
    generate_add_text(request, "0");
}

static void add_full_scan(uint64_t *seed, struct request *request) {
    static const char *const kinds[] = {"hash", "set", "z", "key"};
    static const char *const patterns[] = {"*", "key:*", "[^k]*"};
    char key[32];
    snprintf(key, sizeof(key), "%s:%d", GENERATE_PICK(seed, kinds), (int)generate_below(seed, 4));
    generate_add_text(request, full_scan);
    generate_add_text(request, "1");
    generate_add_text(request, key);
    generate_add_integer(request, 1 + (int64_t)generate_below(seed, 12));
    generate_add_text(request, GENERATE_PICK(seed, patterns));
}

static void add(uint64_t *seed, struct request *request, char letter) {
    switch (letter) {
    case '0':
        add_with_no_keys(request, caller);
        break;
    case '1':
        add_with_no_keys(request, caller_sha);
        break;
    case '2':
        generate_add_text(request, caller);
        break;
    case '3':
        generate_add_text(request, caller_sha);
        generate_add_text(request, "nothing");
        break;
    case '4':
        add_with_no_keys(request, reader);
        break;
    case '5':
    case '9':
        request->comparison = generate_add_called(seed, request, letter == '9');
        break;
    case '7':
        add_with_no_keys(request, resp3_caller);
        break;
    case '8':
        add_with_no_keys(request, clearing_caller);
        break;
    case 'a':
        add_full_scan(seed, request);
        break;
    default:
        add_with_no_keys(request, GENERATE_PICK(seed, scripts));
    }
}

const struct generate_family generate_scripts = {.rows = rows, .add = add};
