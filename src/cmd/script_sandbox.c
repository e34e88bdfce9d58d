/* SPDX-License-Identifier: MIT */
/*
 * What a script finds: Lua's own libraries without those that reach outside, cjson, cmsgpack, struct, bit, and redis. As in Redis, a name that is not there is an
 * error, and neither the names nor the libraries can be changed: a script sees empty tables that stand for the real ones.
 *
 *     a script's globals  --index-->  the real ones  --index-->  error: no such global
 *                         --newindex--> error: read only
 *
 * Some functions are replaced: those that draw at random (the draws are the entry's), those that would load bytecode (which could do
 * anything), those through which a script could do much in few steps of the machine, and pcall, which hands on an error of a command as its text.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <lualib.h>

#include "chance.h"
#include "script.h"

#include <lua-bitop.h> /* these do not include what they need */
#include <lua-cjson.h>

/* Functions that others stand before: with the same upvalues, and called in their place, so that errors say what they did. */
static lua_CFunction original_rawset, original_setmetatable, original_resume, original_wrap, original_wrapped,
    original_encode;

/* ---- read only --- */

static int refuse_change(lua_State *lua) {
    return luaL_error(lua, "Attempt to modify a readonly table");
}

static int refuse_unknown(lua_State *lua) {
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "";
    return luaL_error(lua, "Script attempted to access nonexistent global variable '%s'", name);
}

/* Replaces the table at the top by an empty one that stands for it. */
static void protect(lua_State *lua) {
    lua_newtable(lua);
    lua_newtable(lua);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, refuse_change);
    lua_setfield(lua, -2, "__newindex");
    lua_setmetatable(lua, -2);
    lua_remove(lua, -2);
}

static bool is_protected(lua_State *lua, int at) {
    bool found = false;
    if (lua_istable(lua, at) && lua_getmetatable(lua, at)) {
        lua_pushliteral(lua, "__newindex");
        lua_rawget(lua, -2);
        found = lua_tocfunction(lua, -1) == refuse_change;
        lua_pop(lua, 2);
    }
    return found;
}

static int refuse_raw_change(lua_State *lua) {
    lua_pushliteral(lua, "Attempt to modify a readonly table");
    return lua_error(lua);
}

static int set_raw(lua_State *lua) {
    return is_protected(lua, 1) ? refuse_raw_change(lua) : original_rawset(lua);
}

static int set_metatable(lua_State *lua) {
    return is_protected(lua, 1) ? refuse_raw_change(lua) : original_setmetatable(lua);
}

/* ---- errors --- */

/* An error that is {err = text} is handed on as the text. */
static int call_protected(lua_State *lua) {
    luaL_checkany(lua, 1);
    int status = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0);
    lua_pushboolean(lua, status == 0);
    lua_insert(lua, 1);
    if (status != 0 && lua_istable(lua, -1)) {
        lua_pushliteral(lua, "err");
        lua_rawget(lua, -2);
        if (lua_isstring(lua, -1))
            lua_replace(lua, -2);
        else
            lua_pop(lua, 1);
    }
    return lua_gettop(lua);
}

/* ---- loading --- */

static int load_text(lua_State *lua, const char *text, size_t length, const char *name) {
    if (length > 0 && text[0] == LUA_SIGNATURE[0]) {
        lua_pushnil(lua);
        lua_pushliteral(lua, "a script may not load what is compiled already");
        return 2;
    }
    if (luaL_loadbuffer(lua, text, length, name) == 0) {
        lua_pushvalue(lua, LUA_GLOBALSINDEX);
        lua_setfenv(lua, -2);
        return 1;
    }
    lua_pushnil(lua);
    lua_insert(lua, -2);
    return 2;
}

static int load_string(lua_State *lua) {
    size_t length;
    const char *text = luaL_checklstring(lua, 1, &length);
    return load_text(lua, text, length, luaL_optstring(lua, 2, text));
}

/* load: the pieces that a function gives, up to none, as one text. */
static int load_pieces(lua_State *lua) {
    const char *name = luaL_optstring(lua, 2, "=(load)");
    luaL_checktype(lua, 1, LUA_TFUNCTION);
    lua_settop(lua, 2);
    lua_pushliteral(lua, "");
    for (;;) {
        size_t length;
        lua_pushvalue(lua, 1);
        lua_call(lua, 0, 1);
        if (!lua_isnil(lua, -1) && !lua_isstring(lua, -1))
            return luaL_error(lua, "reader function must return a string");
        if (lua_isnil(lua, -1) || (lua_tolstring(lua, -1, &length), length == 0))
            break;
        lua_concat(lua, 2);
    }
    lua_pop(lua, 1);
    size_t length;
    const char *text = lua_tolstring(lua, 3, &length);
    return load_text(lua, text, length, name);
}

/* ---- chance --- */

static double draw(struct script_run *run) {
    return (double)chance_below(&run->seed, (size_t)1 << 53) / (double)((size_t)1 << 53);
}

static int random_number(lua_State *lua) {
    double drawn = draw(script_machine_run());
    int count = lua_gettop(lua);
    if (count == 0) {
        lua_pushnumber(lua, drawn);
        return 1;
    }
    if (count > 2)
        return luaL_error(lua, "wrong number of arguments");
    long low = count == 2 ? (long)luaL_checkinteger(lua, 1) : 1, high = (long)luaL_checkinteger(lua, count);
    luaL_argcheck(lua, low <= high, count, "interval is empty");
    lua_pushnumber(lua, floor(drawn * ((double)high - (double)low + 1)) + (double)low);
    return 1;
}

static int seed_random(lua_State *lua) {
    script_machine_run()->seed = (uint64_t)(int64_t)luaL_checknumber(lua, 1);
    return 0;
}

/* ---- work that few steps stand for --- */

/* Each coroutine counts its steps anew. */
static void charge_resume(lua_State *lua) {
    enum { STEPS_EACH = 1000 };
    script_machine_charge(lua, STEPS_EACH);
}

static int resume(lua_State *lua) {
    charge_resume(lua);
    return original_resume(lua);
}

static int run_wrapped(lua_State *lua) {
    charge_resume(lua);
    return original_wrapped(lua);
}

/* What the original gives is a function whose upvalue is the coroutine. */
static int wrap(lua_State *lua) {
    (void)original_wrap(lua);
    original_wrapped = lua_tocfunction(lua, -1);
    lua_getupvalue(lua, -1, 1);
    lua_pushcclosure(lua, run_wrapped, 1);
    return 1;
}

/* What a value that is encoded costs: a table that is in it twice is written twice, and so on inside. */
static void charge_value(lua_State *lua, int depth) {
    enum { DEPTH_MAX = 1001, BYTES_EACH = 4, STEPS_OF_VALUE = 25 };
    luaL_checkstack(lua, 4, "too many nested tables");
    script_machine_charge(lua, STEPS_OF_VALUE +
                                   (lua_type(lua, -1) == LUA_TSTRING ? lua_objlen(lua, -1) / BYTES_EACH : 0));
    if (!lua_istable(lua, -1) || depth > DEPTH_MAX)
        return;
    for (lua_pushnil(lua); lua_next(lua, -2); lua_pop(lua, 1))
        charge_value(lua, depth + 1);
}

static int encode(lua_State *lua) {
    if (lua_gettop(lua) == 1)
        charge_value(lua, 0);
    return original_encode(lua);
}

/* A buffer that is kept would lie outside of the arena. */
static int keep_buffer(lua_State *lua) {
    lua_pushboolean(lua, lua_gettop(lua) == 0 || lua_toboolean(lua, 1));
    return 1;
}

/* ---- filling --- */

/* Of the table at the top: `before` takes the place of the function of that name, which is returned. */
static lua_CFunction put_before(lua_State *lua, const char *name, lua_CFunction before) {
    lua_getfield(lua, -1, name);
    lua_CFunction original = lua_tocfunction(lua, -1);
    assert(original);
    bool has_upvalue = lua_getupvalue(lua, -1, 1) != NULL;
    lua_pushcclosure(lua, before, has_upvalue);
    lua_setfield(lua, -3, name);
    lua_pop(lua, 1);
    return original;
}

static void put(lua_State *lua, const char *name, lua_CFunction function) {
    lua_pushcfunction(lua, function);
    lua_setfield(lua, -2, name);
}

static void open_library(lua_State *lua, const char *name, lua_CFunction open) {
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 0);
}

static void fill_base(lua_State *lua) {
    static const char *const hidden[] = {"dofile", "loadfile", "newproxy", "print", "module", "require"};
    open_library(lua, "", luaopen_base);
    lua_pushvalue(lua, LUA_GLOBALSINDEX);
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        lua_pushnil(lua);
        lua_setfield(lua, -2, hidden[i]);
    }
    put(lua, "pcall", call_protected);
    put(lua, "load", load_pieces);
    put(lua, "loadstring", load_string);
    original_rawset = put_before(lua, "rawset", set_raw);
    original_setmetatable = put_before(lua, "setmetatable", set_metatable);
    lua_getfield(lua, -1, "coroutine");
    original_resume = put_before(lua, "resume", resume);
    original_wrap = put_before(lua, "wrap", wrap);
    lua_pop(lua, 2);
}

static void fill_math(lua_State *lua) {
    open_library(lua, LUA_MATHLIBNAME, luaopen_math);
    lua_getglobal(lua, LUA_MATHLIBNAME);
    put(lua, "random", random_number);
    put(lua, "randomseed", seed_random);
    lua_pop(lua, 1);
}

static int new_cjson(lua_State *lua) {
    lua_pushcfunction(lua, luaopen_cjson);
    lua_call(lua, 0, 1);
    lua_getfield(lua, -1, "encode_keep_buffer");
    lua_pushboolean(lua, 0);
    lua_call(lua, 1, 0);
    put(lua, "encode_keep_buffer", keep_buffer);
    original_encode = put_before(lua, "encode", encode);
    put(lua, "new", new_cjson);
    return 1;
}

static void fill_cjson(lua_State *lua) {
    (void)new_cjson(lua);
    lua_setglobal(lua, "cjson");
}

static void fill_bit(lua_State *lua) {
    lua_pushcfunction(lua, luaopen_bit);
    lua_call(lua, 0, 1);
    lua_setglobal(lua, "bit");
}

/* Each library by what stands for it; then the globals. */
static void protect_all(lua_State *lua) {
    static const char *const libraries[] = {"string", "table",    "math",   "coroutine", "cjson",
                                            "bit",    "cmsgpack", "struct", "redis"};
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        lua_getglobal(lua, libraries[i]);
        protect(lua);
        lua_setglobal(lua, libraries[i]);
    }
    lua_pushliteral(lua, "");
    lua_getmetatable(lua, -1);
    lua_getglobal(lua, "string");
    lua_setfield(lua, -2, "__index");
    lua_pop(lua, 2);
    lua_pushvalue(lua, LUA_GLOBALSINDEX);
    lua_newtable(lua);
    lua_pushcfunction(lua, refuse_unknown);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    protect(lua);
    lua_pushvalue(lua, -1);
    lua_setglobal(lua, "_G");
    lua_replace(lua, LUA_GLOBALSINDEX);
}

void script_sandbox_fill(lua_State *lua) {
    fill_base(lua);
    open_library(lua, LUA_TABLIBNAME, luaopen_table);
    lua_getglobal(lua, LUA_TABLIBNAME);
    script_sort_put(lua);
    open_library(lua, LUA_STRLIBNAME, luaopen_string);
    lua_getglobal(lua, LUA_STRLIBNAME);
    script_pattern_put(lua);
    lua_pop(lua, 2);
    fill_math(lua);
    fill_cjson(lua);
    fill_bit(lua);
    script_msgpack_push(lua);
    lua_setglobal(lua, "cmsgpack");
    script_struct_push(lua);
    lua_setglobal(lua, "struct");
    script_api_push(lua);
    lua_setglobal(lua, "redis");
    protect_all(lua);
    assert(lua_gettop(lua) == 0);
}
