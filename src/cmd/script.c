/* SPDX-License-Identifier: MIT */
/*
 * EVAL, and the scripts that are known.
 *
 * A script runs when its entry is applied, on every node: with the entry's clock, its index as the version of what it changes, and draws seeded by
 * both. So the keyspace alone decides what it does. What it did before an error stays, as in Redis.
 *
 * Known scripts are replicated state: EVAL and SCRIPT LOAD add to them, and checkpoints hold them, for they are strings of the hidden database under
 * their SHA-1. There is a bound; beyond it the oldest of a few that are drawn goes. A client that is told NOSCRIPT sends the whole again.
 */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"
#include "lookup.h"
#include "script.h"
#include "scripts.h"

enum {
    KNOWN_MAX = 4096,
    KNOWN_BYTES_MAX = 256 * 1024, /* of one: a longer one is run, and not kept */
    DRAWS = 16,
    STATE_MAX =
        128 * 1024, /* of what is kept of one compiled script: a larger one is compiled for each run */
};

static const char no_script[] = "NOSCRIPT No matching script. Please use EVAL.";

/* What a script says of itself in its first line: #!lua flags=no-writes,allow-oom */
struct shebang {
    bool no_writes, allow_oom;
    const char *body; /* from the end of that line on */
    size_t length;
};

/* ---- known scripts --- */

static bool sha_of(const struct resp_arg *arg, char sha[SCRIPT_SHA_LENGTH + 1]) {
    if (arg->length != SCRIPT_SHA_LENGTH)
        return false;
    for (size_t i = 0; i < SCRIPT_SHA_LENGTH; i++)
        sha[i] = (char)tolower((unsigned char)arg->bytes[i]);
    sha[SCRIPT_SHA_LENGTH] = '\0';
    return true;
}

static struct item *known(const struct call *call, const char *sha) {
    struct resp_arg key = {sha, SCRIPT_SHA_LENGTH};
    return keyspace_find(call->keyspace, keyspace_hidden(call->keyspace), &key);
}

static void forget_one(struct call *call) {
    unsigned db = keyspace_hidden(call->keyspace);
    uint64_t state = call->seed;
    struct item *oldest = NULL;
    for (unsigned i = 0; i < DRAWS; i++) {
        struct item *item =
            keyspace_at(call->keyspace, db, chance_below(&state, keyspace_slots(call->keyspace, db)));
        if (!oldest || item_version(item) < item_version(oldest))
            oldest = item;
    }
    struct resp_arg key = item_key(oldest);
    keyspace_delete(call->keyspace, db, &key);
}

static void remember(struct call *call, const char *sha, const struct resp_arg *body) {
    unsigned db = keyspace_hidden(call->keyspace);
    struct resp_arg key = {sha, SCRIPT_SHA_LENGTH};
    if (call->version == 0 || body->length > KNOWN_BYTES_MAX || known(call, sha))
        return;
    if (keyspace_size(call->keyspace, db) >= KNOWN_MAX)
        forget_one(call);
    keyspace_set_string(call->keyspace, db, &key, body->bytes, body->length, false, call->version);
}

/* ---- the first line --- */

static bool read_flag(struct resp_out *reply, const char *flag, size_t length, struct shebang *shebang) {
    static const char *const flags[] = {"no-writes", "allow-oom", "allow-stale", "no-cluster",
                                        "allow-cross-slot-keys"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strlen(flags[i]) == length && memcmp(flags[i], flag, length) == 0) {
            shebang->no_writes |= i == 0;
            shebang->allow_oom |= i == 1;
            return true;
        }
    resp_error(reply, "ERR Unexpected flag in script shebang: %.*s", (int)length, flag);
    return false;
}

static bool read_flags(struct resp_out *reply, const char *flags, const char *end, struct shebang *shebang) {
    while (flags < end) {
        const char *comma = memchr(flags, ',', (size_t)(end - flags));
        size_t length = (size_t)((comma ? comma : end) - flags);
        if (length > 0 && !read_flag(reply, flags, length, shebang))
            return false;
        flags += length + 1;
    }
    return true;
}

static bool read_word(struct resp_out *reply, const char *word, const char *end, bool first,
                      struct shebang *shebang) {
    int length = (int)(end - word);
    if (first && !(length == 5 && memcmp(word, "#!lua", 5) == 0))
        resp_error(reply, "ERR Unexpected engine in script shebang: %.*s", length, word);
    else if (!first && !(length >= 6 && memcmp(word, "flags=", 6) == 0))
        resp_error(reply, "ERR Unknown lua shebang option: %.*s", length, word);
    else
        return first || read_flags(reply, word + 6, end, shebang);
    return false;
}

/* Answers with an error and returns false when the line is wrong. */
static bool read_shebang(struct resp_out *reply, const struct resp_arg *script, struct shebang *shebang) {
    *shebang = (struct shebang){.body = script->bytes, .length = script->length};
    if (script->length < 2 || memcmp(script->bytes, "#!", 2) != 0)
        return true;
    const char *end = memchr(script->bytes, '\n', script->length);
    if (!end) {
        resp_error(reply, "ERR Invalid script shebang");
        return false;
    }
    bool first = true;
    for (const char *at = script->bytes; at < end; first = false) {
        const char *word = at;
        while (at < end && *at != ' ')
            at++;
        if (at > word && !read_word(reply, word, at, first, shebang))
            return false;
        while (at < end && *at == ' ')
            at++;
    }
    shebang->body = end;
    shebang->length = script->length - (size_t)(end - script->bytes);
    return true;
}

/* ---- running --- */

/* Makes {err, source, line} of whatever was raised. */
static int on_error(lua_State *lua) {
    lua_Debug where;
    bool found = lua_getstack(lua, 1, &where) && lua_getinfo(lua, "Sl", &where);
    if (found && strcmp(where.what, "C") == 0)
        found = lua_getstack(lua, 2, &where) && lua_getinfo(lua, "Sl", &where);
    if (!lua_istable(lua, 1)) {
        const char *text = lua_tostring(lua, 1);
        lua_createtable(lua, 0, 3);
        lua_pushfstring(lua, "ERR %s",
                        text                               ? text
                        : lua_isnil(lua, 1)                ? "nil"
                        : lua_type(lua, 1) == LUA_TBOOLEAN ? (lua_toboolean(lua, 1) ? "true" : "false")
                                                           : luaL_typename(lua, 1));
        lua_setfield(lua, -2, "err");
        lua_replace(lua, 1);
    }
    lua_settop(lua, 1);
    if (found) {
        lua_pushstring(lua, where.source);
        lua_setfield(lua, 1, "source");
        lua_pushinteger(lua, where.currentline);
        lua_setfield(lua, 1, "line");
    }
    return 1;
}

/* Without asking metatables: what runs in one would not be protected. "" when it is not there. */
static const char *error_field(lua_State *lua, const char *name) {
    lua_pushstring(lua, name);
    lua_rawget(lua, -2);
    const char *text = lua_isstring(lua, -1) ? lua_tostring(lua, -1) : "";
    lua_pop(lua, 1); /* it stays in the table */
    return text;
}

static int tell_error(lua_State *lua) {
    struct resp_out *reply = lua_touserdata(lua, 1);
    const char *sha = lua_touserdata(lua, 2);
    if (!lua_istable(lua, 3)) {
        const char *text = lua_tostring(lua, 3);
        resp_error(reply, "ERR %s script: %s", text ? text : "execution failure", sha);
        return 0;
    }
    const char *text = error_field(lua, "err"), *source = error_field(lua, "source"),
               *line = error_field(lua, "line");
    if (*source && *line)
        resp_error(reply, "%s script: %s, on %s:%s.", *text ? text : "ERR unknown error", sha, source, line);
    else
        resp_error(reply, "%s script: %s", *text ? text : "ERR unknown error", sha);
    return 0;
}

static int tell_value(lua_State *lua) {
    struct resp_out *reply = lua_touserdata(lua, 1);
    script_write_value(lua, script_machine_run(), reply);
    return 0;
}

/* Where these lie on the stack: made before the script runs, for afterwards there may be no memory left. */
enum { ON_ERROR = 1, TELL_ERROR, TELL_VALUE, STACK_SPARE = 8 };

static void push_helpers(lua_State *lua) {
    luaL_checkstack(lua, TELL_VALUE + STACK_SPARE, "stack");
    lua_pushcfunction(lua, on_error);
    lua_pushcfunction(lua, tell_error);
    lua_pushcfunction(lua, tell_value);
}

/* The value at the top, or the error, as the reply. */
static void tell(lua_State *lua, struct resp_out *reply, const char *sha, bool failed) {
    if (!reply->buf) {
        lua_pop(lua, 1);
        return;
    }
    size_t mark = resp_buf_length(reply->buf);
    if (failed)
        lua_gc(lua, LUA_GCCOLLECT, 0);
    lua_pushvalue(lua, failed ? TELL_ERROR : TELL_VALUE);
    lua_insert(lua, -2);
    lua_pushlightuserdata(lua, reply);
    lua_insert(lua, -2);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)sha);
    lua_insert(lua, -2);
    if (lua_pcall(lua, 3, 0, 0) == 0)
        return;
    resp_buf_truncate(reply->buf, mark);
    resp_error(reply, "ERR the reply could not be made: %s script: %s", lua_tostring(lua, -1), sha);
    lua_pop(lua, 1);
}

static void push_args(lua_State *lua, const char *name, const struct resp_arg *args, size_t count) {
    lua_createtable(lua, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushlstring(lua, args[i].bytes, args[i].length);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    lua_setfield(lua, -2, name);
}

struct program {
    const struct resp_arg *args; /* the keys, then the arguments */
    size_t keys, count;
    struct shebang shebang;
    struct script_text *text;
};

/* What cannot be compiled is an error with Redis's words. */
static int compile(lua_State *lua) {
    const struct shebang *shebang = lua_touserdata(lua, 1);
    if (shebang->length > 0 && shebang->body[0] == LUA_SIGNATURE[0])
        return luaL_error(lua, "Error compiling script (new function): it is compiled already");
    if (luaL_loadbuffer(lua, shebang->body, shebang->length, "@user_script") != 0) {
        lua_pushfstring(lua, "Error compiling script (new function): %s", lua_tostring(lua, -1));
        return lua_error(lua);
    }
    return 1;
}

static int set_args(lua_State *lua) {
    const struct program *program = lua_touserdata(lua, 1);
    lua_getmetatable(lua, LUA_GLOBALSINDEX);
    lua_getfield(lua, -1, "__index");
    push_args(lua, "KEYS", program->args, program->keys);
    push_args(lua, "ARGV", program->args + program->keys, program->count - program->keys);
    return 0;
}

static bool call_with(lua_State *lua, lua_CFunction function, const void *argument, int results,
                      struct resp_out *reply) {
    lua_pushcfunction(lua, function);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)argument);
    if (lua_pcall(lua, 1, results, 0) == 0)
        return true;
    resp_error(reply, "ERR %s", lua_tostring(lua, -1));
    lua_pop(lua, 1);
    return false;
}

/* Leaves the function at the top; or answers with an error, and leaves nothing. */
static bool load(lua_State *lua, const struct program *program, struct resp_out *reply) {
    struct resp_buf *state = &program->text->state;
    if (resp_buf_length(state) > 0) {
        script_machine_restore(resp_buf_bytes(state), resp_buf_length(state));
        return true;
    }
    push_helpers(lua);
    if (!call_with(lua, compile, &program->shebang, 1, reply))
        return false;
    if (!script_machine_save(state, STATE_MAX))
        resp_buf_close(state);
    return true;
}

/* Runs it, or only looks whether it compiles; false when it does not. */
static bool run_program(struct call *call, const struct program *program, bool read_only, bool compile_only) {
    struct script_run run = {
        .call = call,
        .db = call->db,
        .protocol = 2,
        .read_only = read_only || program->shebang.no_writes || call->version == 0,
        .may_grow = !call->no_room || program->shebang.allow_oom,
        .seed = call->seed,
    };
    lua_State *lua = script_machine_begin(&run);
    bool loaded = load(lua, program, call->reply);
    if (loaded && !compile_only && call_with(lua, set_args, program, 0, call->reply))
        tell(lua, call->reply, program->text->sha, lua_pcall(lua, 0, 1, ON_ERROR) != 0);
    script_machine_end();
    resp_buf_close(&run.reply);
    free(run.args);
    return loaded;
}

/* ---- commands --- */

static bool count_keys(struct call *call, size_t *keys) {
    int64_t count;
    if (!lookup_integer(call, &call->args[2], &count))
        return false;
    if (count > (int64_t)call->count - 3)
        resp_error(call->reply, "ERR Number of keys can't be greater than number of args");
    else if (count < 0)
        resp_error(call->reply, "ERR Number of keys can't be negative");
    else {
        *keys = (size_t)count;
        return true;
    }
    return false;
}

static void eval(struct call *call, const struct resp_arg *body, bool read_only) {
    struct program program = {.args = call->args + 3, .count = call->count - 3};
    if (!count_keys(call, &program.keys) || !read_shebang(call->reply, body, &program.shebang))
        return;
    program.text = script_cache_find(body);
    if (!known(call, program.text->sha)) {
        if (!run_program(call, &program, read_only, true))
            return;
        remember(call, program.text->sha, body);
    }
    (void)run_program(call, &program, read_only, false);
}

static void eval_known(struct call *call, bool read_only) {
    char sha[SCRIPT_SHA_LENGTH + 1];
    bool is_sha = sha_of(&call->args[1], sha);
    size_t keys;
    if (is_sha && !count_keys(call, &keys))
        return;
    const struct item *item = is_sha ? known(call, sha) : NULL;
    if (!item) {
        resp_error(call->reply, "%s", no_script);
        return;
    }
    struct resp_arg body = item_string(item);
    eval(call, &body, read_only);
}

void cmd_eval(struct call *call) {
    eval(call, &call->args[1], false);
}

void cmd_eval_ro(struct call *call) {
    eval(call, &call->args[1], true);
}

void cmd_evalsha(struct call *call) {
    eval_known(call, false);
}

void cmd_evalsha_ro(struct call *call) {
    eval_known(call, true);
}

void cmd_script_load(struct call *call) {
    const struct resp_arg *body = &call->args[2];
    struct program program = {.args = NULL};
    if (!read_shebang(call->reply, body, &program.shebang))
        return;
    if (body->length > KNOWN_BYTES_MAX) {
        resp_error(call->reply, "ERR a script of more than %d bytes is not kept: use EVAL", KNOWN_BYTES_MAX);
        return;
    }
    program.text = script_cache_find(body);
    if (!known(call, program.text->sha) && !run_program(call, &program, true, true))
        return;
    remember(call, program.text->sha, body);
    resp_bulk(call->reply, program.text->sha, SCRIPT_SHA_LENGTH);
}

void cmd_script_exists(struct call *call) {
    char sha[SCRIPT_SHA_LENGTH + 1];
    resp_array(call->reply, call->count - 2);
    for (size_t i = 2; i < call->count; i++)
        resp_integer(call->reply, sha_of(&call->args[i], sha) && known(call, sha));
}

void cmd_script_flush(struct call *call) {
    bool right =
        call->count == 2 ||
        (call->count == 3 && (resp_arg_is(&call->args[2], "sync") || resp_arg_is(&call->args[2], "async")));
    if (!right) {
        resp_error(call->reply, "ERR SCRIPT FLUSH only support SYNC|ASYNC option");
        return;
    }
    keyspace_flush(call->keyspace, keyspace_hidden(call->keyspace));
    resp_status(call->reply, "OK");
}

/* ---- what there is nothing of --- */

/* A script is never in execution while a command is served. */
void session_script_kill(struct session_call *call) {
    resp_error(call->reply, "NOTBUSY No scripts in execution right now.");
}

void session_script_debug(struct session_call *call) {
    if (resp_arg_is(&call->args[2], "no"))
        resp_status(call->reply, "OK");
    else if (resp_arg_is(&call->args[2], "yes") || resp_arg_is(&call->args[2], "sync"))
        resp_error(call->reply, "ERR scripts cannot be debugged: every node runs them");
    else
        resp_error(call->reply, "ERR Use SCRIPT DEBUG YES/SYNC/NO");
}

void session_function_list(struct session_call *call) {
    for (size_t i = 2; i < call->count; i++)
        if (resp_arg_is(&call->args[i], "libraryname")) {
            if (++i == call->count) {
                resp_error(call->reply, "ERR library name argument was not given");
                return;
            }
        } else if (!resp_arg_is(&call->args[i], "withcode")) {
            resp_error(call->reply, "ERR Unknown argument %.*s", (int)call->args[i].length,
                       call->args[i].bytes);
            return;
        }
    resp_array(call->reply, 0);
}

void session_function_stats(struct session_call *call) {
    resp_map(call->reply, 2);
    resp_bulk_text(call->reply, "running_script");
    resp_null(call->reply);
    resp_bulk_text(call->reply, "engines");
    resp_map(call->reply, 1);
    resp_bulk_text(call->reply, "LUA");
    resp_map(call->reply, 2);
    resp_bulk_text(call->reply, "libraries_count");
    resp_integer(call->reply, 0);
    resp_bulk_text(call->reply, "functions_count");
    resp_integer(call->reply, 0);
}

void session_function_flush(struct session_call *call) {
    bool right =
        call->count == 2 ||
        (call->count == 3 && (resp_arg_is(&call->args[2], "sync") || resp_arg_is(&call->args[2], "async")));
    if (right)
        resp_status(call->reply, "OK");
    else if (call->count > 3)
        resp_error(call->reply,
                   "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try FUNCTION HELP.",
                   (int)call->args[1].length, call->args[1].bytes);
    else
        resp_error(call->reply, "ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
}

void session_fcall(struct session_call *call) {
    resp_error(call->reply, "ERR Function not found");
}

void cmd_fcall_ro(struct call *call) {
    resp_error(call->reply, "ERR Function not found");
}
