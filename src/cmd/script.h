/* SPDX-License-Identifier: MIT */
/*
 * Lua scripts: the machine that runs them, what redis.* does, and how values go in and out. Private to the files script*.c.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <lauxlib.h>
#include <lua.h>

#include "command.h"

enum {
    SCRIPT_STEPS_MAX =
        100 * 1000 * 1000, /* of one run: instructions of the machine, and what stands for them */
    SCRIPT_MEMORY_MAX = 64 * 1024 * 1024,
    SCRIPT_SHA_LENGTH = 40,
};

/* One run. */
struct script_run {
    struct call *call; /* of EVAL */
    unsigned db;       /* SELECT changes it for this run */
    int protocol;      /* redis.setresp: in which the script sees replies */
    bool read_only;
    bool may_grow;         /* the data */
    uint64_t seed;         /* of the next command, or number, at random */
    struct resp_buf reply; /* of the command that is called */
    struct resp_arg *args; /* of the same */
    size_t args_room;
};

/* ---- script_machine.c: there is one machine in a process --- */

/* A fresh Lua with the sandbox in it, for this run; until script_machine_end. */
lua_State *script_machine_begin(struct script_run *run);
void script_machine_end(void);
/* The run of the machine that is in use. */
struct script_run *script_machine_run(void);
/* What the run has made of a fresh machine so far, as bytes: those of the arena that differ. Appended to `state`, which does not hold when it
 * is more than `size_max`: false. May only be asked where nothing is being called. */
bool script_machine_save(struct resp_buf *state, size_t size_max);
/* Makes a run that has only begun what it was when that was saved, bit by bit. */
void script_machine_restore(const void *state, size_t length);
/* Something took as long as so many steps. Ends the script when it had too many. */
void script_machine_charge(lua_State *lua, uint64_t steps);

/* ---- script_cache.c: texts of scripts that ran lately --- */

/* Of a text: its SHA-1, and what compiling it makes of a fresh machine. */
struct script_text {
    char sha[SCRIPT_SHA_LENGTH + 1];
    struct resp_buf state; /* for script_machine_restore; empty: it was not compiled yet, or is too large */
    char *bytes;           /* of the text; NULL: it is not kept */
    size_t length;
};

/* Never NULL; holds until the next call. */
struct script_text *script_cache_find(const struct resp_arg *text);

/* ---- script_sandbox.c --- */

/* Makes everything that a script finds, but for KEYS and ARGV. */
void script_sandbox_fill(lua_State *lua);

/* ---- script_pattern.c, script_sort.c --- */

/* Into the table at the top, in place of Lua's own: find, match, gmatch, gsub; sort. */
void script_pattern_put(lua_State *lua);
void script_sort_put(lua_State *lua);

/* ---- script_msgpack.c, script_struct.c --- */

/* Pushes the table that scripts call `cmsgpack`, `struct`. */
void script_msgpack_push(lua_State *lua);
void script_struct_push(lua_State *lua);

/* ---- script_api.c --- */

/* Pushes the table that scripts call `redis`. */
void script_api_push(lua_State *lua);
/* Pushes an error as scripts know it, {err = "CODE text"}, from "-CODE text" or "text". */
void script_api_push_error(lua_State *lua, const char *error);

/* ---- script_values.c --- */

/* Pushes what one reply says; returns what is behind it. */
const char *script_push_reply(lua_State *lua, const char *reply);
/* Writes the value at the top as a reply, and pops it. */
void script_write_value(lua_State *lua, const struct script_run *run, struct resp_out *out);

#endif
