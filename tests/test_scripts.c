/* SPDX-License-Identifier: MIT */
/* Scripts over a keyspace: what they return and raise, that every run is fresh and the same everywhere, and the bounds of time and memory. */

#include "call_world.h"

/* The script without keys; the reply as `run` shows it. */
static const char *eval(struct fixture *f, const char *script) {
    f->args[0] = (struct resp_arg){"EVAL", 4};
    f->args[1] = (struct resp_arg){script, strlen(script)};
    f->args[2] = (struct resp_arg){"0", 1};
    return run_args(f, 3);
}

static void expect_script(struct fixture *f, const char *script, const char *reply) {
    if (strcmp(eval(f, script), reply) != 0)
        fail_msg("%s\n    gives   %s\n    and not %s", script, f->reply, reply);
}

static void expect_within(struct fixture *f, const char *script, const char *part) {
    if (!strstr(eval(f, script), part))
        fail_msg("%s\n    gives   %s\n    without %s", script, f->reply, part);
}

static void values_become_replies_and_replies_values(void **state) {
    static const struct {
        const char *script, *resp2, *resp3;
    } rows[] = {
        {"return 3.9", ":3", ":3"},
        {"return -3.9", ":-3", ":-3"},
        {"return 'a'", "$1 a", "$1 a"},
        {"return true", ":1", ":1"},
        {"return false", "$-1", "_"},
        {"return nil", "$-1", "_"},
        {"return {1,'a',{2},nil,3}", "*3 :1 $1 a *1 :2", "*3 :1 $1 a *1 :2"},
        {"return {ok='fine'}", "+fine", "+fine"},
        {"return {err='MY own'}", "-MY own", "-MY own"},
        {"return {double=1.5}", "$3 1.5", ",1.5"},
        {"return {map={a=1}}", "*2 $1 a :1", "%1 $1 a :1"},
        {"return {set={a=true}}", "*1 $1 a", "~1 $1 a"},
        {"return {big_number='12'}", "$2 12", "(12"},
        {"return {verbatim_string={format='txt',string='ab'}}", "$2 ab", "=6 txt:ab"},
        {"redis.setresp(3) return true", ":1", "#t"},
        {"redis.call('hset','h','f','v') redis.setresp(3) return redis.call('hgetall','h')", "*2 $1 f $1 v",
         "%1 $1 f $1 v"},
        {"redis.setresp(3) return redis.call('hgetall','h').map.f", "$1 v", "$1 v"},
        {"return redis.call('hgetall','h')[2]", "$1 v", "$1 v"},
        {"return type(redis.call('get','none'))", "$7 boolean", "$7 boolean"},
        {"return redis.call('set','s','v').ok", "$2 OK", "$2 OK"},
        {"return redis.pcall('incr','s').err", "$43 ERR value is not an integer or out of range",
         "$43 ERR value is not an integer or out of range"},
    };
    (void)state;
    struct fixture f = fixture_new();
    for (f.protocol = 2; f.protocol <= 3; f.protocol++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            expect_script(&f, rows[i].script, f.protocol == 2 ? rows[i].resp2 : rows[i].resp3);
    keyspace_free(f.keyspace);
}

static void errors_say_where(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    expect_script(
        &f, "error(\"boo\")",
        "-ERR user_script:1: boo script: 1edbcab56ef034bd9153538f890f38aef61d3b7b, on @user_script:1.");
    expect_script(&f, "return redis.call(\"nosuch\")",
                  "-ERR Unknown Redis command called from script script: "
                  "2218effcac8108416909801acfb39c080a85adfa, on @user_script:1.");
    expect_within(&f, "\n\nlocal x = nil; return x.y",
                  "user_script:3: attempt to index local 'x' (a nil value)");
    expect_within(&f, "return (", "-ERR Error compiling script (new function): user_script:1: ");
    expect_within(&f, "error({})", "-ERR unknown error");
    expect_within(&f, "error(true)", "-ERR true");
    keyspace_free(f.keyspace);
}

static void what_reaches_outside_is_not_there(void **state) {
    static const char *const names[] = {"os",       "io",      "debug",  "print",   "dofile",
                                        "loadfile", "require", "module", "package", "newproxy"};
    char script[64];
    (void)state;
    struct fixture f = fixture_new();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(script, sizeof script, "return %s", names[i]);
        expect_within(&f, script, "Script attempted to access nonexistent global variable");
    }
    expect_within(&f, "x = 1", "Attempt to modify a readonly table");
    expect_within(&f, "string.x = 1", "Attempt to modify a readonly table");
    expect_within(&f, "rawset(_G, 'x', 1)", "Attempt to modify a readonly table");
    expect_within(&f, "setmetatable(_G, nil)", "Attempt to modify a readonly table");
    expect_script(&f, "return loadstring(string.dump(function() return 1 end))", "$-1");
    expect_script(&f, "local n = 0 return load(function() n = n + 1 return n == 1 and '\\27Lua' or nil end)",
                  "$-1");
    expect_within(&f, "\033Lua", "-ERR Error compiling script");
    keyspace_free(f.keyspace);
}

static void every_run_begins_afresh(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    expect_script(&f, "KEYS[1] = 'x' cjson.encode_max_depth(1) getmetatable('').x = 1 return KEYS[1]",
                  "$1 x");
    expect_script(&f, "return {KEYS[1] or 'none', cjson.encode({{{1}}}), tostring(getmetatable('').x)}",
                  "*3 $4 none $7 [[[1]]] $3 nil");
    keyspace_free(f.keyspace);
}

/* Tables by address, draws, and whatever else might be this process's own: twice the same, whatever ran between. */
static void a_run_is_the_same_everywhere(void **state) {
    static const char script[] = "local t, r = {}, {tostring({}), math.random(1000000), math.random(5, 9)} "
                                 "for i = 1, 50 do t[{}] = i t['k' .. i] = i end "
                                 "for k, v in pairs(t) do r[#r + 1] = v end return r";
    char first[REPLY_MAX];
    (void)state;
    struct fixture f = fixture_new();
    strcpy(first, eval(&f, script));
    assert_true(strlen(first) > 300);
    eval(&f, "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(i) end error(t[1000])");
    eval(&f, "local t = {} while true do t[#t + 1] = {} end");
    char *kept[64];
    for (size_t i = 0; i < 64; i++)
        kept[i] = malloc(100 * i + 1);
    assert_string_equal(eval(&f, script), first);
    for (size_t i = 0; i < 64; i++)
        free(kept[i]);
    f.seed = 2;
    assert_string_not_equal(eval(&f, script), first);
    keyspace_free(f.keyspace);
}

static void maps_and_sets_are_walked_in_redis_s_order(void **state) {
    static const char order[] = "last-delivered-id name consumers pending entries-read lag";
    (void)state;
    struct fixture f = fixture_new();
    run(&f, "HSET h name 1 consumers 2 pending 3 last-delivered-id 4 entries-read 5 lag 6");
    run(&f, "SADD s name consumers pending last-delivered-id entries-read lag");
    expect_within(&f,
                  "redis.setresp(3) local r = '' for k in pairs(redis.call('hgetall', 'h').map) do r = r .. "
                  "k .. ' ' end return r",
                  order);
    expect_within(&f,
                  "redis.setresp(3) local r = '' for k in pairs(redis.call('smembers', 's').set) do r = r .. "
                  "k .. ' ' end return r",
                  order);
    keyspace_free(f.keyspace);
}

/* What is kept of compiled texts has few places. */
static void forget_texts(struct fixture *f) {
    enum { TEXTS = 1500 };
    char script[64];
    for (int i = 0; i < TEXTS; i++) {
        snprintf(script, sizeof script, "return %d", i);
        eval(f, script);
    }
}

/* By its own measures: addresses, the order of tables, where memory and time end. */
static void a_script_acts_the_same_whether_it_was_compiled_before_or_not(void **state) {
    static const char *const scripts[] = {
        "local t, r = {}, {tostring({}), tostring(function() end)} for i = 1, 50 do t[{}] = i t[i .. 'k'] = "
        "i end "
        "for k, v in pairs(t) do r[#r + 1] = v end return r",
        "local t, n = {}, 0 pcall(function() while true do n = n + 1 t[n] = ('x'):rep(20000) .. n end end) "
        "return n",
        "redis.call('set', 'n', '0') local s = ('x'):rep(1000000) for i = 1, 700 do local t = s .. i end "
        "while true do redis.call('incr', 'n') end",
        "local s = ('x'):rep(100) local t = {} for w in s:gmatch('.') do t[#t + 1] = w end return {#t, "
        "t[100], KEYS[1] or 'none'}",
    };
    char first[REPLY_MAX], count[REPLY_MAX];
    (void)state;
    struct fixture f = fixture_new();
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        eval(&f, scripts[i]); /* it is known then */
        forget_texts(&f);
        strcpy(first, eval(&f, scripts[i]));
        strcpy(count, run(&f, "GET n"));
        assert_string_equal(eval(&f, scripts[i]), first);
        assert_string_equal(run(&f, "GET n"), count);
    }
    keyspace_free(f.keyspace);
}

/* Longer ones than are kept, as text or compiled. */
static void long_scripts_run_again_and_again(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    struct resp_buf text = {0};
    for (int size = 1000; size <= 100000; size *= 10) {
        resp_buf_append(&text, "local n = 0 ", 12);
        for (int i = 0; i < size; i += 10)
            resp_buf_append(&text, "n = n + 1 ", 10);
        resp_buf_append(&text, "return n", 9); /* with the zero */
        for (int again = 0; again < 3; again++) {
            char expected[32];
            snprintf(expected, sizeof expected, ":%d", size / 10);
            assert_string_equal(eval(&f, resp_buf_bytes(&text)), expected);
        }
        resp_buf_close(&text);
    }
    keyspace_free(f.keyspace);
}

static void a_script_that_takes_too_long_is_stopped(void **state) {
    static const char *const scripts[] = {
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "while true do coroutine.wrap(function() for i = 1, 900 do end end)() end",
        "while true do redis.call('ping') end",
        "local t = {1} for i = 1, 40 do t = {t, t} end return #cjson.encode(t)",
        "local t = {1} for i = 1, 40 do t = {t, t} end return t",
    };
    (void)state;
    struct fixture f = fixture_new();
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        expect_within(&f, scripts[i], "the script was stopped after 100000000 steps");
    keyspace_free(f.keyspace);
}

static void a_script_that_takes_too_much_memory_fails(void **state) {
    static const char *const scripts[] = {
        "local t = {} while true do t[#t + 1] = 'some string ' .. #t end",
        "local s = 'x' while true do s = s .. s end",
        "return ('x'):rep(1e9)",
        "local t = {} while true do t = {t} end",
    };
    (void)state;
    struct fixture f = fixture_new();
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        expect_within(&f, scripts[i], "not enough memory");
    expect_script(&f, "local ok, why = pcall(string.rep, 'x', 1e9) return {tostring(ok), why}",
                  "*2 $5 false $17 not enough memory");
    keyspace_free(f.keyspace);
}

static void what_a_script_did_before_it_failed_stays(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    expect_within(&f, "redis.call('set', 'k', '1') error('after')", "after");
    expect(&f, "GET k", "$1 1");
    expect_within(&f, "redis.call('set', 'k', '2') while true do end", "stopped");
    expect(&f, "GET k", "$1 2");
    keyspace_free(f.keyspace);
}

static void a_script_that_only_reads_may_not_write(void **state) {
    (void)state;
    struct fixture f = fixture_new();
    expect_within(&f, "#!lua flags=no-writes\nreturn redis.call('set','a','b')",
                  "-ERR Write commands are not allowed");
    f.version = 0;
    expect_within(&f, "return redis.call('set','a','b')", "-ERR Write commands are not allowed");
    expect(&f, "EXISTS a", ":0");
    keyspace_free(f.keyspace);
}

static void what_is_asked_wrongly_is_said(void **state) {
    static const struct row rows[] = {
        {"EVAL 1 x", NOT_INTEGER},
        {"EVAL 1 -1", "-ERR Number of keys can't be negative"},
        {"EVAL 1 2 a", "-ERR Number of keys can't be greater than number of args"},
        {"EVALSHA x 0", "-NOSCRIPT No matching script. Please use EVAL."},
        {"EVALSHA_RO ffffffffffffffffffffffffffffffffffffffff 0",
         "-NOSCRIPT No matching script. Please use EVAL."},
        {"SCRIPT EXISTS x ffffffffffffffffffffffffffffffffffffffff", "*2 :0 :0"},
        {"SCRIPT LOAD x=1", "$40 7caf6056913504f0508c65faf2dc3f94ff65bcfd"},
        {"SCRIPT EXISTS 7CAF6056913504F0508C65FAF2DC3F94FF65BCFD", "*1 :1"},
        {"SCRIPT FLUSH NOW", "-ERR SCRIPT FLUSH only support SYNC|ASYNC option"},
        {"SCRIPT FLUSH SYNC", "+OK"},
        {"SCRIPT EXISTS 7caf6056913504f0508c65faf2dc3f94ff65bcfd", "*1 :0"},
    };
    (void)state;
    expect_rows(rows, sizeof rows / sizeof *rows);
}

static void known_scripts_are_bounded_and_forgotten_together(void **state) {
    char script[64];
    (void)state;
    struct fixture f = fixture_new();
    expect_script(&f, "return 'first'", "$5 first");
    size_t before = keyspace_memory(f.keyspace);
    for (int i = 0; i < 6000; i++) {
        f.version++;
        f.seed++;
        snprintf(script, sizeof script, "return %d", i);
        eval(&f, script);
    }
    assert_int_equal(keyspace_size(f.keyspace, keyspace_hidden(f.keyspace)), 4096);
    assert_true(keyspace_memory(f.keyspace) > before);
    expect(&f, "DBSIZE", ":0");
    expect(&f, "FLUSHALL", "+OK");
    assert_int_equal(keyspace_size(f.keyspace, keyspace_hidden(f.keyspace)), 4096);
    expect(&f, "SCRIPT FLUSH", "+OK");
    assert_int_equal(keyspace_size(f.keyspace, keyspace_hidden(f.keyspace)), 0);
    keyspace_free(f.keyspace);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_replies_and_replies_values),
        cmocka_unit_test(errors_say_where),
        cmocka_unit_test(what_reaches_outside_is_not_there),
        cmocka_unit_test(every_run_begins_afresh),
        cmocka_unit_test(a_run_is_the_same_everywhere),
        cmocka_unit_test(maps_and_sets_are_walked_in_redis_s_order),
        cmocka_unit_test(a_script_acts_the_same_whether_it_was_compiled_before_or_not),
        cmocka_unit_test(long_scripts_run_again_and_again),
        cmocka_unit_test(a_script_that_takes_too_long_is_stopped),
        cmocka_unit_test(a_script_that_takes_too_much_memory_fails),
        cmocka_unit_test(what_a_script_did_before_it_failed_stays),
        cmocka_unit_test(a_script_that_only_reads_may_not_write),
        cmocka_unit_test(what_is_asked_wrongly_is_said),
        cmocka_unit_test(known_scripts_are_bounded_and_forgotten_together),
    };
    return cmocka_run_group_tests_name("scripts", tests, NULL, NULL);
}
