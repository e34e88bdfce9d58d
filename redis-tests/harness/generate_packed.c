/* SPDX-License-Identifier: MIT */
/* Scripts that pack values and unpack them, as cmsgpack and struct do: right ones, cut ones and wrong ones. */
#include <stdio.h>
#include <string.h>

#include "generate_parts.h"
#include "harness.h"

/*
 *     0 cmsgpack.pack of what a JSON text says   1 cmsgpack.unpack and its kin of bytes   2 struct.pack   3 struct.unpack of bytes
 *     4 struct.pack, and back   5 struct.size
 */
static const struct generate_row rows[] = {
    {"EVAL", 25, "!0", COMPARE_BYTES},
    {"EVAL", 25, "!1", COMPARE_BYTES},
    {"EVAL", 15, "!2", COMPARE_BYTES},
    {"EVAL", 15, "!3", COMPARE_BYTES},
    {"EVAL", 15, "!4", COMPARE_BYTES},
    {"EVAL", 5, "!5", COMPARE_BYTES},
    {0},
};

/* All of a value, in one text. */
#define SHOW                                                                                                 \
    "local function show(v) "                                                                                \
    "  if type(v) == 'number' then return string.format('%.17g', v) end "                                    \
    "  if type(v) ~= 'table' then return type(v) .. ':' .. tostring(v) end "                                 \
    "  local parts = {} "                                                                                    \
    "  for key, value in pairs(v) do parts[#parts + 1] = show(key) .. '=' .. show(value) end "               \
    "  table.sort(parts) "                                                                                   \
    "  return '{' .. table.concat(parts, ',') .. '}' "                                                       \
    "end "
#define NUMBERS(from)                                                                                        \
    "local a = {} for i = " from ", #ARGV do a[i - " from " + 1] = tonumber(ARGV[i]) or ARGV[i] end "

static const char there[] = SHOW "local p = cmsgpack.pack(unpack(cjson.decode(ARGV[1]))) "
                                 "return {p, show({cmsgpack.unpack(p)})}",
                  back[] = SHOW NUMBERS("3") "return show({cmsgpack[ARGV[1]](ARGV[2], unpack(a))})",
                  pack[] = NUMBERS("2") "return struct.pack(ARGV[1], unpack(a))",
                  unpack[] = SHOW NUMBERS("3") "return show({struct.unpack(ARGV[1], ARGV[2], unpack(a))})",
                  both[] = SHOW NUMBERS(
                      "2") "return show({struct.unpack(ARGV[1], struct.pack(ARGV[1], unpack(a)))})",
                  size[] = "return struct.size(ARGV[1])";

/* ---- numbers --------------------------------------------------------------------------------------------- */

static const char *const odd_numbers[] = {
    "0",
    "-1",
    "127",
    "128",
    "255",
    "256",
    "-32",
    "-33",
    "-128",
    "-129",
    "65535",
    "65536",
    "-32768",
    "-32769",
    "0.5",
    "-0.25",
    "0.1",
    "1e300",
    "-1e300",
    "4294967295",
    "4294967296",
    "16777217",
    "-2147483648",
    "-2147483649",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "1e19",
    "18446744073709551615",
    "1e-40",
    "3e38",
    "-0.0",
};

static size_t write_number(uint64_t *seed, char *out, size_t room) {
    if (generate_one_in(seed, 2))
        return (size_t)snprintf(out, room, "%s", GENERATE_PICK(seed, odd_numbers));
    int64_t number = (int64_t)(harness_random(seed) >> generate_below(seed, 64));
    return (size_t)snprintf(out, room, "%lld", (long long)(generate_one_in(seed, 2) ? number : -number));
}

static void add_number(uint64_t *seed, struct request *request) {
    char text[64];
    generate_add(request, text, write_number(seed, text, sizeof(text)));
}

/* ---- JSON ------------------------------------------------------------------------------------------------ */

enum { TEXT_MAX = 4096, DEEP = 20 };

struct text {
    char bytes[TEXT_MAX];
    size_t used;
};

static void put(struct text *text, const char *bytes) {
    size_t length = strlen(bytes);
    memcpy(text->bytes + text->used, bytes, length);
    text->used += length;
}

static void put_json(uint64_t *seed, struct text *text, int depth);

static void put_members(uint64_t *seed, struct text *text, bool named, uint64_t count, int depth) {
    put(text, named ? "{" : "[");
    for (uint64_t i = 0; i < count && text->used < TEXT_MAX / 2; i++) {
        char name[32];
        snprintf(name, sizeof(name), "\"%c%d\":", (char)('a' + generate_below(seed, 26)),
                 (int)generate_below(seed, 100));
        put(text, i > 0 ? "," : "");
        put(text, named ? name : "");
        put_json(seed, text, depth - 1);
    }
    put(text, named ? "}" : "]");
}

static void put_word(uint64_t *seed, struct text *text) {
    uint64_t length = generate_one_in(seed, 8) ? generate_below(seed, 300) : generate_below(seed, 40);
    put(text, "\"");
    for (uint64_t i = 0; i < length; i++)
        text->bytes[text->used++] = (char)('a' + generate_below(seed, 26));
    put(text, "\"");
}

static void put_json(uint64_t *seed, struct text *text, int depth) {
    char number[64];
    uint64_t kind = generate_below(seed, depth > 0 ? 10 : 6);
    if (text->used > TEXT_MAX / 2 || kind < 3) {
        number[write_number(seed, number, sizeof(number))] = '\0';
        put(text, number);
    } else if (kind == 3)
        put(text, generate_one_in(seed, 2) ? "true" : "false");
    else if (kind == 4)
        put(text, "null");
    else if (kind == 5)
        put_word(seed, text);
    else
        put_members(seed, text, generate_one_in(seed, 2),
                    generate_one_in(seed, 8) ? generate_below(seed, 40) : generate_below(seed, 5), depth);
}

static void add_json(uint64_t *seed, struct request *request) {
    struct text text = {.used = 0};
    bool deep = generate_one_in(seed, 12);
    if (deep)
        for (int i = 0; i < DEEP; i++)
            put(&text, i % 3 == 1 ? "{\"a\":" : "[");
    put_members(seed, &text, false, generate_below(seed, 5), 4);
    if (deep)
        for (int i = DEEP; i-- > 0;)
            put(&text, i % 3 == 1 ? "}" : "]");
    generate_add(request, text.bytes, text.used);
}

/* ---- MessagePack ----------------------------------------------------------------------------------------- */

static void put_byte(struct text *text, uint64_t byte) {
    text->bytes[text->used++] = (char)byte;
}

static void put_random(uint64_t *seed, struct text *text, uint64_t count) {
    while (count-- > 0)
        put_byte(text, harness_random(seed));
}

static void put_packed(uint64_t *seed, struct text *text, int depth) {
    uint64_t kind = generate_below(seed, depth > 0 ? 12 : 9), count = generate_below(seed, 5);
    if (text->used > TEXT_MAX / 4)
        kind = 0;
    if (kind < 2) {
        put_byte(text,
                 generate_one_in(seed, 2) ? generate_below(seed, 128) : 0xe0 + generate_below(seed, 32));
    } else if (kind < 4) { /* numbers with 1, 2, 4, 8 bytes behind */
        uint64_t size_code = generate_below(seed, 4);
        put_byte(text, (generate_one_in(seed, 2) ? 0xcc : 0xd0) + size_code);
        put_random(seed, text, (uint64_t)1 << size_code);
    } else if (kind == 4) {
        bool is_double = generate_one_in(seed, 2);
        put_byte(text, is_double ? 0xcb : 0xca);
        put_random(seed, text, is_double ? 8 : 4);
    } else if (kind == 5) {
        put_byte(text, 0xc0 + generate_below(seed, generate_one_in(seed, 8) ? 64 : 4));
    } else if (kind < 8) {
        put_byte(text, 0xa0 + count);
        put_random(seed, text, count);
    } else if (kind == 8) {
        uint64_t bytes = 1 + generate_below(seed, 2); /* of the length */
        put_byte(text, 0xd8 + bytes);
        put_byte(text, bytes == 1 ? count : 0);
        if (bytes == 2)
            put_byte(text, count);
        put_random(seed, text, count);
    } else { /* arrays and maps, short and with a length of 2 bytes */
        bool map = generate_one_in(seed, 2), is_long = generate_one_in(seed, 4);
        put_byte(text, is_long ? (map ? 0xde : 0xdc) : (map ? 0x80 : 0x90) + count);
        if (is_long) {
            put_byte(text, 0);
            put_byte(text, count);
        }
        for (uint64_t i = 0; i < (map ? 2 : 1) * count; i++)
            put_packed(seed, text, depth - 1);
    }
}

static void add_packed(uint64_t *seed, struct request *request) {
    static const char *const functions[] = {"unpack", "unpack", "unpack_one", "unpack_limit"};
    struct text text = {.used = 0};
    for (uint64_t count = generate_below(seed, 4); count > 0; count--)
        put_packed(seed, &text, 4);
    if (generate_one_in(seed, 6))
        text.used = generate_below(seed, text.used + 1);
    generate_add_text(request, GENERATE_PICK(seed, functions));
    generate_add(request, text.bytes, text.used);
    for (uint64_t count = generate_below(seed, 3); count > 0; count--)
        generate_add_integer(request, (int64_t)generate_below(seed, 8) - generate_one_in(seed, 8));
}

/* ---- struct ---------------------------------------------------------------------------------------------- */

struct format {
    char letters[64];
    char values[32]; /* 'n' or 's' for each value that it packs */
    size_t count;
};

static void make_format(uint64_t *seed, struct format *format) {
    static const char all[] = "bBhHlLTiIiIfdcsxs<>! <>!";
    size_t used = 0;
    *format = (struct format){.count = 0};
    for (uint64_t count = generate_below(seed, 7); count > 0; count--) {
        char letter = generate_one_in(seed, 60) ? 'q' : all[generate_below(seed, sizeof(all) - 1)];
        format->letters[used++] = letter;
        if (letter == '!' && generate_one_in(seed, 2))
            used += (size_t)sprintf(format->letters + used, "%d", 1 << generate_below(seed, 5));
        if (strchr("iIc", letter) && generate_one_in(seed, 2))
            used += (size_t)sprintf(format->letters + used, "%d",
                                    (int)generate_below(seed, generate_one_in(seed, 10) ? 40 : 10));
        if (strchr("cs", letter))
            format->values[format->count++] = 's';
        else if (!strchr("x<>! q", letter))
            format->values[format->count++] = 'n';
    }
}

static void add_values(uint64_t *seed, struct request *request, const struct format *format) {
    static const char *const words[] = {"", "a", "some words", "1234567890123", "12"};
    size_t count = format->count;
    if (count > 0 && generate_one_in(seed, 20))
        count--;
    for (size_t i = 0; i < count; i++)
        if ((format->values[i] == 'n') != generate_one_in(seed, 20))
            add_number(seed, request);
        else
            generate_add_text(request, GENERATE_PICK(seed, words));
}

static void add_bytes(uint64_t *seed, struct request *request) {
    struct text text = {.used = 0};
    put_random(seed, &text, generate_below(seed, 64));
    generate_add(request, text.bytes, text.used);
    if (generate_one_in(seed, 3))
        generate_add_integer(request, (int64_t)generate_below(seed, 20) - 3);
}

static void add(uint64_t *seed, struct request *request, char letter) {
    static const char *const scripts[] = {there, back, pack, unpack, both, size};
    struct format format;
    generate_add_text(request, scripts[letter - '0']);
    generate_add_text(request, "0");
    make_format(seed, &format);
    if (letter >= '2')
        generate_add_text(request, format.letters);
    if (letter == '0')
        add_json(seed, request);
    else if (letter == '1')
        add_packed(seed, request);
    else if (letter == '2' || letter == '4')
        add_values(seed, request, &format);
    else if (letter == '3')
        add_bytes(seed, request);
}

const struct generate_family generate_packed = {.rows = rows, .add = add};
