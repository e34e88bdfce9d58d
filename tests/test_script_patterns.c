/* SPDX-License-Identifier: MIT */
/* Patterns and sorting of scripts, against Lua's own: random patterns on random strings, right and malformed, give the same there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lualib.h>

#include "../src/cmd/script.h"

static uint64_t seed = 4711;

static size_t draw(size_t limit) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(seed >> 33) % limit;
}

static void random_pattern(char *out) {
    static const char *const parts[] = {"a",     "b",   ".",    "%a", "%d",    "%A", "[ab]", "[^a]", "[a-c]",
                                        "*",     "+",   "-",    "?",  "(",     ")",  "()",   "%1",   "%b()",
                                        "%f[a]", "^",   "$",    "[]", "[%a_]", "%",  "[^]",  "x",    "(a*)",
                                        "%2",    "%s*", "[a-]", "%f", "%b",    "[",  "%%",   "1",    "(.)"};
    size_t count = draw(7);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        strcat(out, parts[draw(sizeof parts / sizeof *parts)]);
}

static void random_subject(char *out) {
    static const char letters[] = "aabbbc1 ()x_%";
    size_t count = draw(14);
    for (size_t i = 0; i < count; i++)
        out[i] = letters[draw(sizeof letters - 1)];
    out[count] = '\0';
}

/* What the script returns, or the error, as one text. */
static void run_text(lua_State *lua, const char *script, const char *subject, const char *pattern, char *out,
                     size_t size) {
    int top = lua_gettop(lua);
    assert_int_equal(luaL_loadstring(lua, script), 0);
    lua_pushstring(lua, subject);
    lua_pushstring(lua, pattern);
    int failed = lua_pcall(lua, 2, LUA_MULTRET, 0);
    size_t used = (size_t)snprintf(out, size, failed ? "error" : "ok");
    for (int i = top + 1; i <= lua_gettop(lua); i++)
        used += (size_t)snprintf(out + used, size - used, "|%s",
                                 lua_tostring(lua, i) ? lua_tostring(lua, i) : "nil");
    assert_true(used < size);
    lua_settop(lua, top);
}

static const char *const scripts[] = {
    "return string.find(...)",
    "return string.match(...)",
    "local s, p = ... return string.find(s, p, 3)",
    "local s, p = ... return string.find(s, p, -2)",
    "local s, p = ... return string.find(s, p, 1, true)",
    "local s, p = ... local r = {} for a, b in string.gmatch(s, p) do r[#r + 1] = tostring(a) .. ':' .. "
    "tostring(b) end "
    "return table.concat(r, ',')",
    "local s, p = ... return string.gsub(s, p, '<%0>')",
    "local s, p = ... return string.gsub(s, p, '%1-%2', 2)",
    "local s, p = ... return string.gsub(s, p, function(a, b) return b or a end)",
    "local s, p = ... return string.gsub(s, p, {a = 'A', b = false, c = 3})",
    "local s, p = ... return string.gsub(s, p, '%')",
};

static void patterns_match_as_lua_does(void **state) {
    char pattern[128], subject[32], ours[1024], theirs[1024];
    struct call call = {.seed = 1};
    size_t matched = 0, errors = 0;
    (void)state;
    lua_State *real = luaL_newstate();
    luaL_openlibs(real);
    for (size_t round = 0; round < 300; round++) {
        struct script_run run = {.call = &call};
        lua_State *lua = script_machine_begin(&run);
        for (size_t i = 0; i < 200; i++) {
            const char *script = scripts[draw(sizeof scripts / sizeof *scripts)];
            random_pattern(pattern);
            random_subject(subject);
            run_text(real, script, subject, pattern, theirs, sizeof theirs);
            run_text(lua, script, subject, pattern, ours, sizeof ours);
            if (strcmp(theirs, ours) != 0)
                fail_msg("%s\n  subject %s\n  pattern %s\n  theirs  %s\n  ours    %s", script, subject,
                         pattern, theirs, ours);
            matched += strncmp(theirs, "ok|", 3) == 0 && strcmp(theirs, "ok|nil") != 0;
            errors += strncmp(theirs, "error", 5) == 0;
        }
        script_machine_end();
    }
    lua_close(real);
    assert_true(matched > 10000 && errors > 1000);
}

static void a_pattern_that_could_try_for_ever_is_stopped(void **state) {
    static const char script[] = "return string.find(string.rep('a', 100000), string.rep('a-', 6) .. 'b')";
    struct call call = {.seed = 1};
    struct script_run run = {.call = &call};
    char ours[1024];
    (void)state;
    lua_State *lua = script_machine_begin(&run);
    run_text(lua, script, "", "", ours, sizeof ours);
    assert_non_null(strstr(ours, "the script was stopped after"));
    script_machine_end();
}

static void sorting_orders_whatever_is_there(void **state) {
    static const char *const sorted[][2] = {
        {"local t = {3, 1, 2} table.sort(t) return table.concat(t, ' ')", "ok|1 2 3"},
        {"local t = {} table.sort(t) return #t", "ok|0"},
        {"local t = {5} table.sort(t) return t[1]", "ok|5"},
        {"local t = {'b', 'a', 'c'} table.sort(t, function(a, b) return a > b end) return table.concat(t)",
         "ok|cba"},
        {"local t = {} for i = 1, 1000 do t[i] = i * 7919 % 1009 end table.sort(t) "
         "for i = 2, 1000 do if t[i] < t[i - 1] then return i end end return 'in order'",
         "ok|in order"},
        {"local t = {} for i = 1, 500 do t[i] = 1 end table.sort(t) return #t", "ok|500"},
    };
    struct call call = {.seed = 1};
    char ours[1024];
    (void)state;
    for (size_t i = 0; i < sizeof sorted / sizeof *sorted; i++) {
        struct script_run run = {.call = &call};
        lua_State *lua = script_machine_begin(&run);
        run_text(lua, sorted[i][0], "", "", ours, sizeof ours);
        script_machine_end();
        assert_string_equal(ours, sorted[i][1]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_lua_does),
        cmocka_unit_test(a_pattern_that_could_try_for_ever_is_stopped),
        cmocka_unit_test(sorting_orders_whatever_is_there),
    };
    return cmocka_run_group_tests_name("script patterns", tests, NULL, NULL);
}
