/* SPDX-License-Identifier: MIT */
/*
 * `cmsgpack` of scripts: values as MessagePack, and back. What a first byte says:
 *
 *     00-7f  the number itself            cc cd ce cf  unsigned of 1 2 4 8 bytes    d9 da db  string, length of 1 2 4 bytes
 *     80-8f  map of so many pairs         d0 d1 d2 d3  signed of 1 2 4 8 bytes      dc dd     array, length of 2 4 bytes
 *     90-9f  array of so many             ca cb        float, double                de df     map, length of 2 4 bytes
 *     a0-bf  string of so many bytes      c0 c2 c3     nil, false, true             e0-ff     -32 to -1
 *
 * All of it in the order of the wire, the most significant byte first. Binaries and extensions (c1, c4-c9, d4-d8) are refused, as Redis refuses them.
 *
 * As in Redis: a number without a fraction is packed as an integer, as short as it can be, another one as a float if that is exact. A table whose keys are
 * 1 to n is an array, an empty one too; any other is a map, in the order of the machine's walk over it, which is the same
 * everywhere. What is nested too deeply, or is no data, becomes nil. An unsigned of 8 bytes above the largest signed one comes out negative.
 *
 * What is packed gathers in a block of the machine's own memory, so that it counts against the run's bound and goes with the run, however that ends.
 */
#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "script.h"

enum {
    DEPTH_MAX = 16, /* of tables, when packing */
    FIRST_ROOM = 256,
    STEPS_OF_VALUE = 25,
    BYTES_EACH = 4, /* that take as long as a step */
};

/* ---- packing --- */

struct packer {
    lua_State *lua;
    int place; /* of the block on the stack */
    unsigned char *bytes;
    size_t used, room;
};

static void packer_begin(struct packer *packer, lua_State *lua) {
    *packer = (struct packer){.lua = lua, .room = FIRST_ROOM};
    packer->bytes = lua_newuserdata(lua, packer->room);
    packer->place = lua_gettop(lua);
}

static unsigned char *take_room(struct packer *packer, size_t length) {
    if (packer->room - packer->used < length) {
        size_t room = 2 * packer->room > packer->used + length ? 2 * packer->room : packer->used + length;
        unsigned char *bytes = lua_newuserdata(packer->lua, room);
        memcpy(bytes, packer->bytes, packer->used);
        lua_replace(packer->lua, packer->place);
        packer->bytes = bytes;
        packer->room = room;
    }
    packer->used += length;
    return packer->bytes + packer->used - length;
}

/* A first byte, and behind it the lowest `size` bytes of a number. */
static void put_number(struct packer *packer, unsigned first, uint64_t number, size_t size) {
    unsigned char *at = take_room(packer, 1 + size);
    *at++ = (unsigned char)first;
    while (size-- > 0)
        *at++ = (unsigned char)(number >> (8 * size));
}

static void put_unsigned(struct packer *packer, uint64_t number) {
    if (number <= 0x7f)
        put_number(packer, (unsigned)number, 0, 0);
    else if (number <= 0xff)
        put_number(packer, 0xcc, number, 1);
    else if (number <= 0xffff)
        put_number(packer, 0xcd, number, 2);
    else if (number <= 0xffffffff)
        put_number(packer, 0xce, number, 4);
    else
        put_number(packer, 0xcf, number, 8);
}

static void put_negative(struct packer *packer, int64_t number) {
    if (number >= -32)
        put_number(packer, 0x100 + (unsigned)number, 0, 0);
    else if (number >= INT8_MIN)
        put_number(packer, 0xd0, (uint64_t)number, 1);
    else if (number >= INT16_MIN)
        put_number(packer, 0xd1, (uint64_t)number, 2);
    else if (number >= INT32_MIN)
        put_number(packer, 0xd2, (uint64_t)number, 4);
    else
        put_number(packer, 0xd3, (uint64_t)number, 8);
}

static bool is_whole(double number, double least, double beyond) {
    return number >= least && number < beyond && number == floor(number);
}

static void put_double(struct packer *packer, double number) {
    float shorter = (float)number;
    uint32_t short_bits;
    uint64_t bits;
    if ((double)shorter == number) {
        memcpy(&short_bits, &shorter, sizeof shorter);
        put_number(packer, 0xca, short_bits, sizeof short_bits);
    } else {
        memcpy(&bits, &number, sizeof number);
        put_number(packer, 0xcb, bits, sizeof bits);
    }
}

static void put_lua_number(struct packer *packer, double number) {
    if (!is_whole(number, -0x1p63, 0x1p63))
        put_double(packer, number);
    else if (number >= 0)
        put_unsigned(packer, (uint64_t)number);
    else
        put_negative(packer, (int64_t)number);
}

/* The head of a string, array or map: short with its length in the first byte, or with a length of 1, 2 or 4 bytes. */
static void put_head(struct packer *packer, unsigned short_first, size_t short_max, unsigned first1,
                     unsigned first2, unsigned first4, size_t length) {
    if (length <= short_max)
        put_number(packer, short_first | (unsigned)length, 0, 0);
    else if (first1 && length <= 0xff)
        put_number(packer, first1, length, 1);
    else if (length <= 0xffff)
        put_number(packer, first2, length, 2);
    else
        put_number(packer, first4, length, 4);
}

static void put_string(struct packer *packer) {
    size_t length;
    const char *bytes = lua_tolstring(packer->lua, -1, &length);
    put_head(packer, 0xa0, 31, 0xd9, 0xda, 0xdb, length);
    unsigned char *at = take_room(packer, length);
    memcpy(at, bytes, length);
}

static void put_value(struct packer *packer, int depth);

/* Whether the keys of the table at the top are 1 to n. */
static bool is_array(lua_State *lua) {
    double largest = 0;
    size_t count = 0;
    for (lua_pushnil(lua); lua_next(lua, -2); count++) {
        lua_pop(lua, 1);
        double key = lua_type(lua, -1) == LUA_TNUMBER ? lua_tonumber(lua, -1) : 0;
        if (!is_whole(key, 1, (double)INT_MAX + 1)) {
            lua_pop(lua, 1);
            return false;
        }
        largest = key > largest ? key : largest;
    }
    return largest == (double)count;
}

static void put_array(struct packer *packer, int depth) {
    lua_State *lua = packer->lua;
    size_t count = lua_objlen(lua, -1);
    put_head(packer, 0x90, 15, 0, 0xdc, 0xdd, count);
    for (size_t i = 1; i <= count; i++) {
        lua_pushnumber(lua, (lua_Number)i);
        lua_gettable(lua, -2);
        put_value(packer, depth + 1);
    }
}

static void put_map(struct packer *packer, int depth) {
    lua_State *lua = packer->lua;
    size_t count = 0;
    for (lua_pushnil(lua); lua_next(lua, -2); lua_pop(lua, 1))
        count++;
    put_head(packer, 0x80, 15, 0, 0xde, 0xdf, count);
    lua_pushnil(lua);
    while (lua_next(lua, -2)) {
        lua_pushvalue(lua, -2);
        put_value(packer, depth + 1);
        put_value(packer, depth + 1);
    }
}

static void put_table(struct packer *packer, int depth) {
    if (depth == DEPTH_MAX)
        put_number(packer, 0xc0, 0, 0);
    else if (is_array(packer->lua))
        put_array(packer, depth);
    else
        put_map(packer, depth);
}

/* The value at the top, which is popped. */
static void put_value(struct packer *packer, int depth) {
    lua_State *lua = packer->lua;
    int type = lua_type(lua, -1);
    luaL_checkstack(lua, 5, "too many nested tables");
    script_machine_charge(lua, STEPS_OF_VALUE + (type == LUA_TSTRING ? lua_objlen(lua, -1) / BYTES_EACH : 0));
    if (type == LUA_TSTRING)
        put_string(packer);
    else if (type == LUA_TNUMBER)
        put_lua_number(packer, lua_tonumber(lua, -1));
    else if (type == LUA_TTABLE)
        put_table(packer, depth);
    else if (type == LUA_TBOOLEAN)
        put_number(packer, lua_toboolean(lua, -1) ? 0xc3 : 0xc2, 0, 0);
    else
        put_number(packer, 0xc0, 0, 0);
    lua_pop(lua, 1);
}

static int pack(lua_State *lua) {
    struct packer packer;
    int count = lua_gettop(lua);
    if (count == 0)
        return luaL_argerror(lua, 0, "MessagePack pack needs input.");
    luaL_checkstack(lua, 2, "too many values");
    packer_begin(&packer, lua);
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(lua, i);
        put_value(&packer, 0);
    }
    assert(lua_gettop(lua) == packer.place);
    lua_pushlstring(lua, (const char *)packer.bytes, packer.used);
    return 1;
}

/* ---- unpacking --- */

enum wrong { WRONG_NOTHING, WRONG_SHORT, WRONG_FORMAT };

/* Bytes that are still to be read. */
struct rest {
    const unsigned char *at;
    size_t left;
    enum wrong wrong;
};

static bool read_number(struct rest *rest, size_t size, uint64_t *number) {
    if (rest->left < size) {
        rest->wrong = WRONG_SHORT;
        return false;
    }
    *number = 0;
    for (size_t i = 0; i < size; i++)
        *number = *number << 8 | rest->at[i];
    rest->at += size;
    rest->left -= size;
    return true;
}

static void push_value(lua_State *lua, struct rest *rest);

static void push_unsigned(lua_State *lua, struct rest *rest, size_t size) {
    uint64_t number;
    if (read_number(rest, size, &number))
        lua_pushnumber(lua, (lua_Number)(int64_t)number);
}

static void push_signed(lua_State *lua, struct rest *rest, size_t size) {
    uint64_t number;
    if (!read_number(rest, size, &number))
        return;
    unsigned unused = 64 - 8 * (unsigned)size;
    lua_pushnumber(lua, (lua_Number)((int64_t)(number << unused) >> unused));
}

static void push_real(lua_State *lua, struct rest *rest, size_t size) {
    uint64_t bits;
    double number;
    float shorter;
    if (!read_number(rest, size, &bits))
        return;
    uint32_t short_bits = (uint32_t)bits;
    memcpy(&number, &bits, sizeof number);
    memcpy(&shorter, &short_bits, sizeof shorter);
    lua_pushnumber(lua, size == sizeof shorter ? (lua_Number)shorter : number);
}

static void push_string(lua_State *lua, struct rest *rest, uint64_t length) {
    if (rest->left < length) {
        rest->wrong = WRONG_SHORT;
        return;
    }
    script_machine_charge(lua, length / BYTES_EACH);
    lua_pushlstring(lua, (const char *)rest->at, (size_t)length);
    rest->at += length;
    rest->left -= (size_t)length;
}

static void push_array(lua_State *lua, struct rest *rest, uint64_t count) {
    lua_newtable(lua);
    luaL_checkstack(lua, 1, "in function mp_decode_to_lua_array");
    for (uint64_t i = 1; i <= count; i++) {
        lua_pushnumber(lua, (lua_Number)i);
        push_value(lua, rest);
        if (rest->wrong)
            return;
        lua_settable(lua, -3);
    }
}

static void push_map(lua_State *lua, struct rest *rest, uint64_t count) {
    lua_newtable(lua);
    for (uint64_t i = 0; i < count; i++) {
        push_value(lua, rest);
        if (!rest->wrong)
            push_value(lua, rest);
        if (rest->wrong)
            return;
        lua_settable(lua, -3);
    }
}

/* A string, array or map whose length takes so many bytes. */
static void push_long(lua_State *lua, struct rest *rest, size_t size,
                      void (*push)(lua_State *lua, struct rest *rest, uint64_t length)) {
    uint64_t length;
    if (read_number(rest, size, &length))
        push(lua, rest, length);
}

static void push_by_first(lua_State *lua, struct rest *rest, unsigned first) {
    switch (first) {
    case 0xc0:
        lua_pushnil(lua);
        return;
    case 0xc2:
    case 0xc3:
        lua_pushboolean(lua, first == 0xc3);
        return;
    case 0xca:
    case 0xcb:
        push_real(lua, rest, (size_t)4 << (first - 0xca));
        return;
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        push_unsigned(lua, rest, (size_t)1 << (first - 0xcc));
        return;
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        push_signed(lua, rest, (size_t)1 << (first - 0xd0));
        return;
    case 0xd9:
    case 0xda:
    case 0xdb:
        push_long(lua, rest, (size_t)1 << (first - 0xd9), push_string);
        return;
    case 0xdc:
    case 0xdd:
        push_long(lua, rest, (size_t)2 << (first - 0xdc), push_array);
        return;
    case 0xde:
    case 0xdf:
        push_long(lua, rest, (size_t)2 << (first - 0xde), push_map);
        return;
    default:
        rest->wrong = WRONG_FORMAT;
    }
}

/* Unless something is wrong then. */
static void push_value(lua_State *lua, struct rest *rest) {
    uint64_t first;
    luaL_checkstack(lua, 1, "too many return values at once; use unpack_one or unpack_limit instead.");
    script_machine_charge(lua, STEPS_OF_VALUE);
    if (!read_number(rest, 1, &first))
        return;
    if (first <= 0x7f)
        lua_pushnumber(lua, (lua_Number)first);
    else if (first <= 0x8f)
        push_map(lua, rest, first & 15);
    else if (first <= 0x9f)
        push_array(lua, rest, first & 15);
    else if (first <= 0xbf)
        push_string(lua, rest, first & 31);
    else if (first >= 0xe0)
        lua_pushnumber(lua, (lua_Number)first - 0x100);
    else
        push_by_first(lua, rest, (unsigned)first);
}

/* As many values as are wanted, of the string at 1, behind which nothing may stand that is not wanted. Without `tells_end`, all of them; with it, first
 * where the next begins, or -1. */
static int unpack_some(lua_State *lua, lua_Integer limit, lua_Integer offset, bool tells_end) {
    size_t length;
    int count = 0;
    const char *bytes = luaL_checklstring(lua, 1, &length);
    if (offset < 0 || limit < 0)
        return luaL_error(lua, "Invalid request to unpack with offset of %d and limit of %d.", (int)offset,
                          (int)length);
    if ((size_t)offset > length)
        return luaL_error(lua, "Start offset %d greater than input length %d.", (int)offset, (int)length);
    struct rest rest = {(const unsigned char *)bytes + offset, length - (size_t)offset, WRONG_NOTHING};
    for (; rest.left > 0 && count < limit; count++) {
        push_value(lua, &rest);
        if (rest.wrong)
            return luaL_error(lua, rest.wrong == WRONG_SHORT ? "Missing bytes in input."
                                                             : "Bad data format in input.");
    }
    if (!tells_end)
        return count;
    luaL_checkstack(lua, 1, "in function mp_unpack_full");
    lua_pushinteger(lua, rest.left == 0 ? -1 : (lua_Integer)(length - rest.left));
    lua_insert(lua, 2);
    return count + 1;
}

static int unpack(lua_State *lua) {
    return unpack_some(lua, INT_MAX, 0, false);
}

static int unpack_one(lua_State *lua) {
    lua_Integer offset = luaL_optinteger(lua, 2, 0);
    lua_settop(lua, 1);
    return unpack_some(lua, 1, offset, true);
}

/* No limit and no offset are as if it were `unpack`. */
static int unpack_limit(lua_State *lua) {
    lua_Integer limit = luaL_checkinteger(lua, 2), offset = luaL_optinteger(lua, 3, 0);
    bool tells_end = limit != 0 || offset != 0;
    lua_settop(lua, 1);
    return unpack_some(lua, tells_end ? limit : INT_MAX, offset, tells_end);
}

void script_msgpack_push(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"pack", pack}, {"unpack", unpack}, {"unpack_one", unpack_one}, {"unpack_limit", unpack_limit},
        {NULL, NULL},
    };
    lua_newtable(lua);
    for (const luaL_Reg *function = functions; function->name; function++) {
        lua_pushcfunction(lua, function->func);
        lua_setfield(lua, -2, function->name);
    }
    lua_pushliteral(lua, "cmsgpack");
    lua_setfield(lua, -2, "_NAME");
    lua_pushliteral(lua, "lua-cmsgpack 0.4.0"); /* whose behaviour this is */
    lua_setfield(lua, -2, "_VERSION");
}
