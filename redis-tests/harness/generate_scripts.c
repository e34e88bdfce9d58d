/* SPDX-License-Identifier: MIT */
/* Scripts: other commands, called by them, and the scripts that are known. */
#include "generate_parts.h"

/* 0 a script that makes a call, and no keys   1 its SHA-1, and no keys   2 it   3 SHA-1s   4 one that reads   5 the call   6 any script */
static const struct generate_row rows[] = {
    {"EVAL", 60, "!05", COMPARE_BYTES},
    {"EVALSHA", 20, "!15", COMPARE_BYTES},
    {"EVAL_RO", 12, "!45", COMPARE_BYTES},
    {"EVAL", 25, "!6", COMPARE_BYTES},
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
                  reader[] = "return {redis.pcall(unpack(ARGV)), #ARGV}";

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
        generate_add_called(seed, request);
        break;
    default:
        add_with_no_keys(request, GENERATE_PICK(seed, scripts));
    }
}

const struct generate_family generate_scripts = {.rows = rows, .add = add};
