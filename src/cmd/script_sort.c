/* SPDX-License-Identifier: MIT */
/* table.sort as a heap sort, whatever the elements: Lua's own takes the square of their number when they are laid out to hurt it. */
#include "script.h"

enum { TABLE = 1, ORDER = 2, STEPS_OF_COMPARISON = 10 };

/* Of two places on the stack, counted from its top. */
static bool less(lua_State *lua, int left, int right) {
    script_machine_charge(lua, STEPS_OF_COMPARISON);
    if (lua_isnil(lua, ORDER))
        return lua_lessthan(lua, left, right);
    lua_pushvalue(lua, ORDER);
    lua_pushvalue(lua, left - 1);
    lua_pushvalue(lua, right - 2);
    lua_call(lua, 2, 1);
    bool is_less = lua_toboolean(lua, -1);
    lua_pop(lua, 1);
    return is_less;
}

/* The element at `root` goes down among the first `count` until none below it is greater. */
static void sift(lua_State *lua, int root, int count) {
    lua_rawgeti(lua, TABLE, root);
    while (root <= count / 2) {
        int child = 2 * root;
        lua_rawgeti(lua, TABLE, child);
        if (child < count) {
            lua_rawgeti(lua, TABLE, child + 1);
            if (less(lua, -2, -1)) {
                lua_remove(lua, -2);
                child++;
            } else {
                lua_pop(lua, 1);
            }
        }
        if (!less(lua, -2, -1)) {
            lua_pop(lua, 1);
            break;
        }
        lua_rawseti(lua, TABLE, root);
        root = child;
    }
    lua_rawseti(lua, TABLE, root);
}

static int sort(lua_State *lua) {
    luaL_checktype(lua, TABLE, LUA_TTABLE);
    if (!lua_isnoneornil(lua, ORDER))
        luaL_checktype(lua, ORDER, LUA_TFUNCTION);
    lua_settop(lua, ORDER);
    luaL_checkstack(lua, 8, "");
    int count = (int)lua_objlen(lua, TABLE);
    for (int root = count / 2; root >= 1; root--)
        sift(lua, root, count);
    for (int last = count; last > 1; last--) {
        lua_rawgeti(lua, TABLE, 1);
        lua_rawgeti(lua, TABLE, last);
        lua_rawseti(lua, TABLE, 1);
        lua_rawseti(lua, TABLE, last);
        sift(lua, 1, last - 1);
    }
    return 0;
}

void script_sort_put(lua_State *lua) {
    lua_pushcfunction(lua, sort);
    lua_setfield(lua, -2, "sort");
}
