/* SPDX-License-Identifier: MIT */
/*
 * `struct` of scripts: values in C's layout, and back, as a format says, one letter for each:
 *
 *     b B   signed, unsigned char     i I   signed, unsigned integer, of 4 bytes or as many as the number behind it says, up to 32
 *     h H   short                     f d   float, double
 *     l L   long                      s     string up to a zero byte
 *     T     size_t                    cN    string of N bytes; c0, packing: the whole; unpacking: as many as the number before said
 *     x     a zero byte               > <   from here on the most, the least significant byte first
 *     ' '   nothing                   !N    from here on values begin at multiples of their sizes, but at most of N
 *
 * Sizes, and the order of bytes unless it is said, are those of the machines that Redis mostly runs on: x86-64's, on whatever machine this runs. So are
 * the results where C leaves them open, for numbers that no integer holds and for integers of more than 8 bytes.
 */
#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "script.h"

enum { INTEGER_MAX = 32, ALIGN_MAX = 8, STEPS_OF_LETTER = 5, WORD_BITS = 64 };

/* A walk over a format. */
struct layout {
    lua_State *lua;
    const char *format;
    bool big; /* the most significant byte first */
    int align;
};

static struct layout layout_begin(lua_State *lua) {
    return (struct layout){.lua = lua, .format = luaL_checkstring(lua, 1), .align = 1};
}

static int read_number(struct layout *layout, int otherwise) {
    int number = 0;
    if (!isdigit((unsigned char)*layout->format))
        return otherwise;
    for (; isdigit((unsigned char)*layout->format); layout->format++) {
        int digit = *layout->format - '0';
        if (number > (INT_MAX - digit) / 10)
            luaL_error(layout->lua, "integral size overflow");
        number = number * 10 + digit;
    }
    return number;
}

/* The next letter, and the size of its value; 0 for one that has none of its own. */
static char next_letter(struct layout *layout, size_t *size) {
    char letter = *layout->format++;
    int number;
    script_machine_charge(layout->lua, STEPS_OF_LETTER);
    switch (letter) {
    case 'b':
    case 'B':
    case 'x':
        *size = 1;
        break;
    case 'h':
    case 'H':
        *size = 2;
        break;
    case 'f':
        *size = 4;
        break;
    case 'l':
    case 'L':
    case 'T':
    case 'd':
        *size = 8;
        break;
    case 'i':
    case 'I':
        number = read_number(layout, 4);
        if (number > INTEGER_MAX)
            luaL_error(layout->lua, "integral size %d is larger than limit of %d", number, (int)INTEGER_MAX);
        *size = (size_t)number;
        break;
    case 'c':
        *size = (size_t)read_number(layout, 1);
        break;
    default:
        *size = 0;
    }
    return letter;
}

/* Bytes between `at` and where a value of this size may begin. */
static size_t padding(const struct layout *layout, size_t at, char letter, size_t size) {
    if (size == 0 || letter == 'c')
        return 0;
    if (size > (size_t)layout->align)
        size = (size_t)layout->align;
    return (size - (at & (size - 1))) & (size - 1);
}

static void obey(struct layout *layout, char letter) {
    lua_State *lua = layout->lua;
    switch (letter) {
    case ' ':
        return;
    case '>':
    case '<':
        layout->big = letter == '>';
        return;
    case '!':
        layout->align = read_number(layout, ALIGN_MAX);
        if (layout->align <= 0 || (layout->align & (layout->align - 1)) != 0)
            luaL_error(lua, "alignment %d is not a power of 2", layout->align);
        return;
    default:
        luaL_argerror(lua, 1, lua_pushfstring(lua, "invalid format option '%c'", letter));
    }
}

/* What an x86-64 makes of a number that is to be a whole one, without a sign. */
static uint64_t bits_of(double number) {
    if (number < 0)
        return number > -0x1p63 ? (uint64_t)(int64_t)number : (uint64_t)1 << 63;
    if (number < 0x1p64)
        return (uint64_t)number;
    return number >= 0x1p64 ? 0 : (uint64_t)1 << 63; /* no number at all */
}

/* ---- packing --- */

static void add_integer(luaL_Buffer *buffer, uint64_t bits, bool big, size_t size) {
    char bytes[INTEGER_MAX];
    for (size_t i = 0; i < size; i++)
        bytes[big ? size - 1 - i : i] = (char)(i < sizeof bits ? bits >> (8 * i) : 0);
    luaL_addlstring(buffer, bytes, size);
}

static void add_real(luaL_Buffer *buffer, double number, bool big, size_t size) {
    float shorter = (float)number;
    uint32_t short_bits;
    uint64_t bits;
    memcpy(&short_bits, &shorter, sizeof short_bits);
    memcpy(&bits, &number, sizeof bits);
    add_integer(buffer, size == sizeof short_bits ? short_bits : bits, big, size);
}

/* Returns how many bytes it took. */
static size_t add_string(luaL_Buffer *buffer, lua_State *lua, int at, char letter, size_t size) {
    size_t length;
    const char *bytes = luaL_checklstring(lua, at, &length);
    if (size == 0)
        size = length;
    luaL_argcheck(lua, length >= size, at + 1, "string too short");
    luaL_addlstring(buffer, bytes, size);
    if (letter == 's')
        luaL_addchar(buffer, '\0');
    return size + (letter == 's');
}

static int pack(lua_State *lua) {
    struct layout layout = layout_begin(lua);
    luaL_Buffer buffer;
    size_t total = 0, size;
    int at = 2;
    lua_pushnil(lua); /* behind the last argument: what is missing is nil */
    luaL_buffinit(lua, &buffer);
    while (*layout.format != '\0') {
        char letter = next_letter(&layout, &size);
        size_t gap = padding(&layout, total, letter, size);
        total += gap;
        while (gap-- > 0)
            luaL_addchar(&buffer, '\0');
        if (letter == 'x')
            luaL_addchar(&buffer, '\0');
        else if (letter == 'f' || letter == 'd')
            add_real(&buffer, luaL_checknumber(lua, at++), layout.big, size);
        else if (letter == 'c' || letter == 's')
            size = add_string(&buffer, lua, at++, letter, size);
        else if (letter != '\0' && strchr("bBhHlLTiI", letter))
            add_integer(&buffer, bits_of(luaL_checknumber(lua, at++)), layout.big, size);
        else
            obey(&layout, letter);
        total += size;
    }
    luaL_pushresult(&buffer);
    return 1;
}

/* ---- unpacking --- */

static uint64_t read_bits(const char *bytes, bool big, size_t size) {
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++)
        bits = bits << 8 | (unsigned char)bytes[big ? i : size - 1 - i];
    return bits;
}

static void push_integer(lua_State *lua, const char *bytes, char letter, bool big, size_t size) {
    uint64_t bits = read_bits(bytes, big, size);
    if (!islower((unsigned char)letter)) {
        lua_pushnumber(lua, (lua_Number)bits);
        return;
    }
    uint64_t mask = UINT64_MAX << ((size * 8 - 1) % WORD_BITS); /* from the sign on */
    lua_pushnumber(lua, (lua_Number)(int64_t)((bits & mask) != 0 ? bits | mask : bits));
}

static void push_real(lua_State *lua, const char *bytes, bool big, size_t size) {
    uint64_t bits = read_bits(bytes, big, size);
    uint32_t short_bits = (uint32_t)bits;
    double number;
    float shorter;
    memcpy(&number, &bits, sizeof number);
    memcpy(&shorter, &short_bits, sizeof shorter);
    lua_pushnumber(lua, size == sizeof shorter ? (lua_Number)shorter : number);
}

/* What is unpacked, and how far. */
struct source {
    const char *bytes;
    size_t length, at;
    int results;
};

static void check_length(lua_State *lua, const struct source *source, size_t size) {
    luaL_argcheck(lua, size <= source->length && source->at <= source->length - size, 2,
                  "data string too short");
}

static size_t push_counted(lua_State *lua, struct source *source, size_t size) {
    if (size == 0) {
        if (source->results == 0 || !lua_isnumber(lua, -1))
            luaL_error(lua, "format 'c0' needs a previous size");
        size = (size_t)bits_of(lua_tonumber(lua, -1));
        lua_pop(lua, 1);
        source->results--;
        check_length(lua, source, size);
    }
    lua_pushlstring(lua, source->bytes + source->at, size);
    return size;
}

static size_t push_terminated(lua_State *lua, const struct source *source) {
    const char *from = source->bytes + source->at;
    const char *end = memchr(from, '\0', source->length - source->at);
    if (!end)
        luaL_error(lua, "unfinished string in data");
    lua_pushlstring(lua, from, (size_t)(end - from));
    return (size_t)(end - from) + 1;
}

/* The value that a letter stands for; returns its size. Otherwise obeys the letter. */
static size_t push_value(struct layout *layout, struct source *source, char letter, size_t size) {
    const char *from = source->bytes + source->at;
    if (letter == 'x')
        return size;
    if (letter == 'f' || letter == 'd')
        push_real(layout->lua, from, layout->big, size);
    else if (letter == 'c')
        size = push_counted(layout->lua, source, size);
    else if (letter == 's')
        size = push_terminated(layout->lua, source);
    else if (letter != '\0' && strchr("bBhHlLTiI", letter))
        push_integer(layout->lua, from, letter, layout->big, size);
    else {
        obey(layout, letter);
        return size;
    }
    source->results++;
    return size;
}

static int unpack(lua_State *lua) {
    struct layout layout = layout_begin(lua);
    struct source source = {.results = 0};
    size_t size;
    source.bytes = luaL_checklstring(lua, 2, &source.length);
    lua_Integer from = luaL_optinteger(lua, 3, 1);
    luaL_argcheck(lua, from != 0, 3, "offset must be 1 or greater");
    source.at = (size_t)from - 1;
    while (*layout.format != '\0') {
        char letter = next_letter(&layout, &size);
        source.at += padding(&layout, source.at, letter, size);
        check_length(lua, &source, size);
        luaL_checkstack(lua, 2, "too many results");
        source.at += push_value(&layout, &source, letter, size);
    }
    lua_pushinteger(lua, (lua_Integer)source.at + 1);
    return source.results + 1;
}

/* ---- measuring --- */

static int size_of(lua_State *lua) {
    struct layout layout = layout_begin(lua);
    size_t total = 0, size;
    while (*layout.format != '\0') {
        char letter = next_letter(&layout, &size);
        total += padding(&layout, total, letter, size);
        if (letter == 's')
            luaL_argerror(lua, 1, "option 's' has no fixed size");
        if (letter == 'c' && size == 0)
            luaL_argerror(lua, 1, "option 'c0' has no fixed size");
        if (!isalnum((unsigned char)letter))
            obey(&layout, letter);
        total += size;
    }
    lua_pushinteger(lua, (lua_Integer)total);
    return 1;
}

void script_struct_push(lua_State *lua) {
    static const luaL_Reg functions[] = {{"pack", pack}, {"unpack", unpack}, {"size", size_of}, {NULL, NULL}};
    lua_newtable(lua);
    for (const luaL_Reg *function = functions; function->name; function++) {
        lua_pushcfunction(lua, function->func);
        lua_setfield(lua, -2, function->name);
    }
}
