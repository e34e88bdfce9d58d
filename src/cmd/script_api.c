/* SPDX-License-Identifier: MIT */
/*
 * The table `redis` of scripts. redis.call finds a command's row and calls the same function that serves clients, with the keyspace, clock and version of
 * the EVAL. What depends on this node or on a session is refused: every node runs the script, and none of them has the client.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "../version.h"
#include "chance.h"
#include "lookup.h"
#include "script.h"
#include "scripts.h"
#include "sessions.h"

enum { STEPS_OF_CALL = 100 };

/* ---- errors --- */

void script_api_push_error(lua_State *lua, const char *error) {
    const char *space = error[0] == '-' ? strchr(error, ' ') : NULL;
    lua_createtable(lua, 0, 1);
    if (space)
        lua_pushfstring(lua, "%s", error + 1);
    else
        lua_pushfstring(lua, "ERR %s", error + (error[0] == '-'));
    lua_setfield(lua, -2, "err");
}

static int raise(lua_State *lua, const char *error) {
    script_api_push_error(lua, error);
    return lua_error(lua);
}

/* ---- what may be called --- */

/* Commands over the session that ask it nothing: their answers are the same everywhere. */
static bool is_plain(const struct command *row) {
    return row->session == session_ping || row->session == session_echo;
}

static bool is_select(const struct command *row) {
    return row->session == session_select;
}

/* What they tell is this node's own: where every node runs the script it must not matter. */
static bool is_of_node(const struct command *row) {
    static const char *const names[] = {"memory|usage", "object|encoding", "object|freq", "object|idletime"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(row->name, names[i]) == 0)
            return true;
    return false;
}

/* Why a command is not called; NULL: it is. */
static const char *refusal(const struct script_run *run, const struct command *row, size_t count) {
    if (!row)
        return "Unknown Redis command called from script";
    if (!command_arity_ok(row, count))
        return "Wrong number of args calling Redis command from script";
    if ((row->flags & COMMAND_NOSCRIPT) || (!row->run && !is_plain(row) && !is_select(row)) ||
        (is_of_node(row) && run->call->version != 0))
        return "This Redis command is not allowed from script";
    if ((row->flags & COMMAND_THROUGH_LOG) && run->read_only)
        return "Write commands are not allowed from read-only scripts.";
    if ((row->flags & COMMAND_DENYOOM) && !run->may_grow)
        return "-OOM command not allowed when used memory > 'maxmemory'.";
    return NULL;
}

/* ---- calling --- */

static void take_args(lua_State *lua, struct script_run *run, size_t count) {
    if (count > run->args_room) {
        run->args_room = 2 * count;
        run->args = realloc(run->args, run->args_room * sizeof *run->args);
        if (!run->args)
            abort();
    }
    for (size_t i = 0; i < count; i++) {
        int at = (int)i + 1;
        if (lua_type(lua, at) == LUA_TNUMBER) {
            char text[64];
            int length = snprintf(text, sizeof text, "%.17g", lua_tonumber(lua, at));
            lua_pushlstring(lua, text, (size_t)length);
            lua_replace(lua, at);
        }
        run->args[i].bytes = lua_tolstring(lua, at, &run->args[i].length);
    }
}

static bool args_are_right(lua_State *lua, size_t count) {
    for (size_t i = 1; i <= count; i++)
        if (lua_type(lua, (int)i) != LUA_TSTRING && lua_type(lua, (int)i) != LUA_TNUMBER)
            return false;
    return true;
}

static void run_plain(const struct command *row, struct script_run *run, size_t count, struct resp_out *out) {
    struct session nobody = {.protocol = run->protocol};
    struct session_call call = {
        .session = &nobody, .command = row, .args = run->args, .count = count, .reply = out};
    row->session(&call);
}

static void run_select(struct script_run *run, struct call *call) {
    if (lookup_database(call, &run->args[1], &run->db))
        resp_status(call->reply, "OK");
}

/* The reply to a command is in run->reply then. */
static void run_command(struct script_run *run, const struct command *row, size_t count) {
    struct resp_out out = {.buf = &run->reply, .protocol = run->protocol};
    struct call call = *run->call;
    resp_buf_truncate(&run->reply, 0);
    call.command = row;
    call.args = run->args;
    call.count = count;
    call.db = run->db;
    call.seed = chance_below(&run->seed, SIZE_MAX);
    call.reply = &out;
    call.hits = call.misses = 0;
    call.scripted = true;
    call.audience = NULL; /* how many hear a PUBLISH differs from node to node */
    if (is_select(row))
        run_select(run, &call);
    else if (row->session)
        run_plain(row, run, count, &out);
    else
        row->run(&call);
    run->call->hits += call.hits;
    run->call->misses += call.misses;
    run->call->due |= call.due;
    assert(resp_buf_length(&run->reply) > 0);
}

/* Leaves what the script gets at the top; false when it is an error. */
static bool call_command(lua_State *lua) {
    struct script_run *run = script_machine_run();
    size_t count = (size_t)lua_gettop(lua);
    const char *why = NULL;
    script_machine_charge(lua, STEPS_OF_CALL);
    if (count == 0)
        why = "Please specify at least one argument for this redis lib call";
    else if (!args_are_right(lua, count))
        why = "Lua redis lib command arguments must be strings or integers";
    if (!why) {
        take_args(lua, run, count);
        why = refusal(run, command_find(run->args, count), count);
    }
    if (why) {
        script_api_push_error(lua, why);
        return false;
    }
    run_command(run, command_find(run->args, count), count);
    if (run->call->due) /* it will be run again: nothing of this run counts */
        luaL_error(lua, "a key is due");
    enum { BYTES_EACH = 32 };
    script_machine_charge(lua, resp_buf_length(&run->reply) / BYTES_EACH);
    const char *reply = resp_buf_bytes(&run->reply);
    (void)script_push_reply(lua, reply);
    return reply[0] != '-';
}

static int api_call(lua_State *lua) {
    return call_command(lua) ? 1 : lua_error(lua);
}

static int api_pcall(lua_State *lua) {
    (void)call_command(lua);
    return 1;
}

/* ---- the rest --- */

static int api_error_reply(lua_State *lua) {
    bool right = lua_gettop(lua) == 1 && lua_type(lua, 1) == LUA_TSTRING;
    if (!right) {
        script_api_push_error(lua, "wrong number or type of arguments");
        return 1;
    }
    const char *error = lua_tostring(lua, 1);
    script_api_push_error(lua, error[0] == '-' ? error : lua_pushfstring(lua, "-%s", error));
    return 1;
}

static int api_status_reply(lua_State *lua) {
    if (lua_gettop(lua) != 1 || lua_type(lua, 1) != LUA_TSTRING) {
        script_api_push_error(lua, "wrong number or type of arguments");
        return 1;
    }
    lua_createtable(lua, 0, 1);
    lua_pushvalue(lua, 1);
    lua_setfield(lua, -2, "ok");
    return 1;
}

void script_sha(const void *bytes, size_t length, char sha[SCRIPT_SHA_LENGTH + 1]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    if (!EVP_Digest(bytes, length, digest, NULL, EVP_sha1(), NULL))
        abort();
    for (size_t i = 0; i < SCRIPT_SHA_LENGTH / 2; i++) {
        sha[2 * i] = digits[digest[i] >> 4];
        sha[2 * i + 1] = digits[digest[i] & 15];
    }
    sha[SCRIPT_SHA_LENGTH] = '\0';
}

static int api_sha1hex(lua_State *lua) {
    char sha[SCRIPT_SHA_LENGTH + 1];
    size_t length;
    if (lua_gettop(lua) != 1)
        return raise(lua, "wrong number of arguments");
    const char *bytes = lua_tolstring(lua, 1, &length);
    script_sha(bytes ? bytes : "", bytes ? length : 0, sha);
    lua_pushlstring(lua, sha, SCRIPT_SHA_LENGTH);
    return 1;
}

/* Every node would say it: so none does. */
static int api_log(lua_State *lua) {
    enum { LEVELS = 4 };
    if (lua_gettop(lua) < 2)
        return raise(lua, "redis.log() requires two arguments or more.");
    if (!lua_isnumber(lua, 1))
        return raise(lua, "First argument must be a number (log level).");
    lua_Number level = lua_tonumber(lua, 1);
    if (level < 0 || level >= LEVELS)
        return raise(lua, "Invalid debug level.");
    return 0;
}

static int api_setresp(lua_State *lua) {
    if (lua_gettop(lua) != 1)
        return raise(lua, "redis.setresp() requires one argument.");
    lua_Number protocol = lua_tonumber(lua, 1);
    if (protocol != 2 && protocol != 3)
        return raise(lua, "RESP version must be 2 or 3.");
    script_machine_run()->protocol = (int)protocol;
    return 0;
}

static int api_set_repl(lua_State *lua) {
    enum { ALL = 3 };
    if (lua_gettop(lua) != 1)
        return raise(lua, "redis.set_repl() requires two arguments.");
    lua_Number flags = lua_tonumber(lua, 1);
    if (flags < 0 || flags > ALL)
        return raise(lua, "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.");
    return 0;
}

static int api_true(lua_State *lua) {
    lua_pushboolean(lua, 1);
    return 1;
}

static int api_false(lua_State *lua) {
    lua_pushboolean(lua, 0);
    return 1;
}

static int api_nothing(lua_State *lua) {
    (void)lua;
    return 0;
}

/* There is one user, who may do everything. */
static int api_acl_check(lua_State *lua) {
    struct script_run *run = script_machine_run();
    size_t count = (size_t)lua_gettop(lua);
    if (count == 0)
        return raise(lua, "Please specify at least one argument for this redis lib call");
    if (!args_are_right(lua, count))
        return raise(lua, "redis.acl_check_cmd() command arguments must be strings or integers");
    take_args(lua, run, count);
    if (!command_find(run->args, count))
        return raise(lua, "Invalid command passed to redis.acl_check_cmd()");
    return api_true(lua);
}

void script_api_push(lua_State *lua) {
    static const luaL_Reg functions[] = {
        {"call", api_call},
        {"pcall", api_pcall},
        {"error_reply", api_error_reply},
        {"status_reply", api_status_reply},
        {"sha1hex", api_sha1hex},
        {"log", api_log},
        {"setresp", api_setresp},
        {"set_repl", api_set_repl},
        {"replicate_commands", api_true},
        {"breakpoint", api_false},
        {"debug", api_nothing},
        {"acl_check_cmd", api_acl_check},
        {NULL, NULL},
    };
    static const struct {
        const char *name;
        int value;
    } numbers[] = {
        {"LOG_DEBUG", 0}, {"LOG_VERBOSE", 1}, {"LOG_NOTICE", 2},   {"LOG_WARNING", 3}, {"REPL_NONE", 0},
        {"REPL_AOF", 1},  {"REPL_SLAVE", 2},  {"REPL_REPLICA", 2}, {"REPL_ALL", 3},
    };
    int major = 0, minor = 0, patch = 0;
    lua_newtable(lua);
    for (const luaL_Reg *function = functions; function->name; function++) {
        lua_pushcfunction(lua, function->func);
        lua_setfield(lua, -2, function->name);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        lua_pushinteger(lua, numbers[i].value);
        lua_setfield(lua, -2, numbers[i].name);
    }
    sscanf(REDRAFT_REDIS_VERSION, "%d.%d.%d", &major, &minor, &patch);
    lua_pushliteral(lua, REDRAFT_REDIS_VERSION);
    lua_setfield(lua, -2, "REDIS_VERSION");
    lua_pushinteger(lua, major << 16 | minor << 8 | patch);
    lua_setfield(lua, -2, "REDIS_VERSION_NUM");
}
