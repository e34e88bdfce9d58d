/* SPDX-License-Identifier: MIT */
/*
 * How values go between Redis and Lua: as Redis's documentation of scripts has it, for RESP2 and RESP3. A reply that is pushed was written by a
 * command of ours: it is whole and right.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

/* ---- in --- */

static const char *line_end(const char *reply) {
    return strchr(reply, '\r');
}

/* Pushes {name = the rest of the line}. */
static const char *push_line_as(lua_State *lua, const char *name, const char *reply) {
    const char *end = line_end(reply);
    lua_createtable(lua, 0, 1);
    lua_pushlstring(lua, reply + 1, (size_t)(end - reply) - 1);
    lua_setfield(lua, -2, name);
    return end + 2;
}

static const char *push_bulk(lua_State *lua, const char *reply) {
    long length = strtol(reply + 1, NULL, 10);
    const char *bytes = line_end(reply) + 2;
    if (length < 0) {
        lua_pushboolean(lua, 0);
        return bytes;
    }
    lua_pushlstring(lua, bytes, (size_t)length);
    return bytes + length + 2;
}

static const char *push_verbatim(lua_State *lua, const char *reply) {
    size_t length = (size_t)strtol(reply + 1, NULL, 10);
    const char *bytes = line_end(reply) + 2;
    lua_createtable(lua, 0, 1);
    lua_createtable(lua, 0, 2);
    lua_pushlstring(lua, bytes, 3);
    lua_setfield(lua, -2, "format");
    lua_pushlstring(lua, bytes + 4, length - 4);
    lua_setfield(lua, -2, "string");
    lua_setfield(lua, -2, "verbatim_string");
    return bytes + length + 2;
}

static const char *push_array(lua_State *lua, const char *reply) {
    long count = strtol(reply + 1, NULL, 10);
    reply = line_end(reply) + 2;
    if (count < 0) {
        lua_pushboolean(lua, 0);
        return reply;
    }
    lua_createtable(lua, (int)count, 0);
    for (long i = 1; i <= count; i++) {
        reply = script_push_reply(lua, reply);
        lua_rawseti(lua, -2, (int)i);
    }
    return reply;
}

/* Pushes {map = {key = value}} or {set = {member = true}}. The table begins empty, for its size decides the order of a walk, and Redis's grows too. */
static const char *push_keyed(lua_State *lua, const char *reply, bool is_map) {
    long count = strtol(reply + 1, NULL, 10);
    reply = line_end(reply) + 2;
    lua_createtable(lua, 0, 1);
    lua_newtable(lua);
    for (long i = 0; i < count; i++) {
        reply = script_push_reply(lua, reply);
        if (is_map)
            reply = script_push_reply(lua, reply);
        else
            lua_pushboolean(lua, 1);
        lua_rawset(lua, -3);
    }
    lua_setfield(lua, -2, is_map ? "map" : "set");
    return reply;
}

static const char *push_simple(lua_State *lua, const char *reply) {
    switch (reply[0]) {
    case ':':
        lua_pushnumber(lua, (lua_Number)strtoll(reply + 1, NULL, 10));
        break;
    case '#':
        lua_pushboolean(lua, reply[1] == 't');
        break;
    case ',':
        lua_createtable(lua, 0, 1);
        lua_pushnumber(lua, strtod(reply + 1, NULL));
        lua_setfield(lua, -2, "double");
        break;
    default:
        assert(reply[0] == '_');
        lua_pushnil(lua);
    }
    return line_end(reply) + 2;
}

const char *script_push_reply(lua_State *lua, const char *reply) {
    luaL_checkstack(lua, 4, "reply is nested too deeply");
    switch (reply[0]) {
    case '+':
        return push_line_as(lua, "ok", reply);
    case '-':
        return push_line_as(lua, "err", reply);
    case '(':
        return push_line_as(lua, "big_number", reply);
    case '$':
        return push_bulk(lua, reply);
    case '=':
        return push_verbatim(lua, reply);
    case '*':
    case '>':
        return push_array(lua, reply);
    case '%':
    case '~':
        return push_keyed(lua, reply, reply[0] == '%');
    default:
        return push_simple(lua, reply);
    }
}

/* ---- out --- */

/* Pushes a field of the table at the top, without asking its metatable; false, and nothing pushed, when it is of another type. */
static bool push_field(lua_State *lua, const char *name, int type) {
    lua_pushstring(lua, name);
    lua_rawget(lua, -2);
    if (lua_type(lua, -1) == type)
        return true;
    lua_pop(lua, 1);
    return false;
}

/* A line must not end within itself. */
static void write_line(struct resp_out *out, char type, const char *text) {
    char line[1] = {type};
    if (!out->buf)
        return;
    size_t length = strlen(text);
    resp_buf_append(out->buf, line, 1);
    char *bytes = resp_buf_reserve(out->buf, length + 2);
    for (size_t i = 0; i < length; i++)
        bytes[i] = text[i] == '\r' || text[i] == '\n' ? ' ' : text[i];
    memcpy(bytes + length, "\r\n", 2);
    resp_buf_commit(out->buf, length + 2);
}

static void write_verbatim(lua_State *lua, struct resp_out *out) {
    size_t length = 0, format_length = 0;
    bool has_format = push_field(lua, "format", LUA_TSTRING);
    const char *format = has_format ? lua_tolstring(lua, -1, &format_length) : "txt";
    lua_pushvalue(lua, has_format ? -2 : -1);
    bool has_text = push_field(lua, "string", LUA_TSTRING);
    const char *text = has_text ? lua_tolstring(lua, -1, &length) : "";
    if (out->protocol == 3 && out->buf) {
        char head[48];
        int size =
            snprintf(head, sizeof head, "=%zu\r\n%.3s:", length + 4, format_length >= 3 ? format : "txt");
        resp_buf_append(out->buf, head, (size_t)size);
        resp_buf_append(out->buf, text, length);
        resp_buf_append(out->buf, "\r\n", 2);
    } else {
        resp_bulk(out, text, length);
    }
    lua_pop(lua, 1 + has_format + has_text);
}

static size_t count_pairs(lua_State *lua) {
    size_t count = 0;
    for (lua_pushnil(lua); lua_next(lua, -2); lua_pop(lua, 1))
        count++;
    return count;
}

/* The table at the top, as a map or, of its keys, a set. */
static void write_keyed(lua_State *lua, const struct script_run *run, bool is_map, struct resp_out *out) {
    size_t count = count_pairs(lua);
    if (is_map)
        resp_map(out, count);
    else
        resp_set(out, count);
    lua_pushnil(lua);
    while (lua_next(lua, -2)) {
        lua_pushvalue(lua, -2);
        script_write_value(lua, run, out);
        if (is_map)
            script_write_value(lua, run, out);
        else
            lua_pop(lua, 1);
    }
}

static void write_array(lua_State *lua, const struct script_run *run, struct resp_out *out) {
    size_t mark = resp_array_open(out), count = 0;
    for (;; count++) {
        lua_rawgeti(lua, -1, (int)count + 1);
        if (lua_isnil(lua, -1))
            break;
        script_write_value(lua, run, out);
    }
    lua_pop(lua, 1);
    resp_array_close(out, mark, count);
}

/* One of the fields that say what a table means; false: none of them is there. */
static bool write_told(lua_State *lua, const struct script_run *run, struct resp_out *out) {
    if (push_field(lua, "err", LUA_TSTRING))
        write_line(out, '-', lua_tostring(lua, -1));
    else if (push_field(lua, "ok", LUA_TSTRING))
        write_line(out, '+', lua_tostring(lua, -1));
    else if (push_field(lua, "double", LUA_TNUMBER))
        resp_double(out, lua_tonumber(lua, -1));
    else if (push_field(lua, "map", LUA_TTABLE))
        write_keyed(lua, run, true, out);
    else if (push_field(lua, "set", LUA_TTABLE))
        write_keyed(lua, run, false, out);
    else if (push_field(lua, "big_number", LUA_TSTRING)) {
        if (out->protocol == 3)
            write_line(out, '(', lua_tostring(lua, -1));
        else
            resp_bulk_text(out, lua_tostring(lua, -1));
    } else if (push_field(lua, "verbatim_string", LUA_TTABLE))
        write_verbatim(lua, out);
    else
        return false;
    lua_pop(lua, 1);
    return true;
}

static void write_table(lua_State *lua, const struct script_run *run, struct resp_out *out) {
    if (!write_told(lua, run, out))
        write_array(lua, run, out);
}

/* Toward zero, and the smallest there is for what fits nowhere, as the processor of Redis's has it. */
static int64_t integer_of(double number) {
    return number > -9223372036854775808.0 && number < 9223372036854775808.0 ? (int64_t)number : INT64_MIN;
}

void script_write_value(lua_State *lua, const struct script_run *run, struct resp_out *out) {
    enum { BYTES_EACH = 4, STEPS_OF_VALUE = 25 };
    size_t length = lua_type(lua, -1) == LUA_TSTRING ? lua_objlen(lua, -1) : 0;
    const char *text;
    script_machine_charge(lua, STEPS_OF_VALUE + length / BYTES_EACH); /* a table may be in itself, twice */
    if (!lua_checkstack(lua, 5)) {
        resp_error(out, "ERR reached lua stack limit");
        lua_pop(lua, 1);
        return;
    }
    switch (lua_type(lua, -1)) {
    case LUA_TSTRING:
        text = lua_tolstring(lua, -1, &length);
        resp_bulk(out, text, length);
        break;
    case LUA_TNUMBER:
        resp_integer(out, integer_of(lua_tonumber(lua, -1)));
        break;
    case LUA_TBOOLEAN:
        if (run->protocol == 3)
            resp_boolean(out, lua_toboolean(lua, -1));
        else if (lua_toboolean(lua, -1))
            resp_integer(out, 1);
        else
            resp_null(out);
        break;
    case LUA_TTABLE:
        write_table(lua, run, out);
        break;
    default:
        resp_null(out);
    }
    lua_pop(lua, 1);
}
