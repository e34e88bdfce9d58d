/* SPDX-License-Identifier: MIT */
/*
 * Lua's patterns, with a bound. Lua's own matcher may try n^k ways for a pattern with k repeats, in one call of a library function, where no hook
 * sees it; every node would be held by such a script, and again at each start, for it stands in the log. So this one counts each try as steps of the
 * machine. What matches, what is captured and what is an error is as in Lua 5.1's reference manual, section 5.4.1.
 *
 *     match(item rest)    item*   as many as there are, then fewer, until the rest matches     (+ the same, at least one)
 *                         item-   none, then more
 *                         item?   one, or none
 *                         item    one
 *
 * Items that stand alone go on in a loop; only what may have to come back is a call.
 */
#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "script.h"

enum {
    CAPTURES_MAX = 32,
    CAPTURE_OPEN = -1,
    CAPTURE_PLACE = -2, /* (): where it is, not what */
    DEPTH_MAX = 200,
};

struct matcher {
    lua_State *lua;
    const char *begin, *end; /* of the subject */
    const char *pattern_end;
    int depth;
    int count;
    struct {
        const char *at;
        ptrdiff_t length; /* or one of the above */
    } captures[CAPTURES_MAX];
};

static const char *match(struct matcher *m, const char *s, const char *p);

/* ---- one item --- */

/* Behind the item that begins at p. */
static const char *item_end(struct matcher *m, const char *p) {
    char first = *p++;
    if (first == '%') {
        if (p >= m->pattern_end)
            luaL_error(m->lua, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (first != '[')
        return p;
    p += p < m->pattern_end && *p == '^';
    do { /* the first may be a ']' */
        if (p >= m->pattern_end)
            luaL_error(m->lua, "malformed pattern (missing ']')");
        if (*p++ == '%')
            p++;
    } while (p >= m->pattern_end || *p != ']');
    return p + 1;
}

static bool in_class(unsigned char c, char letter) {
    bool in;
    switch (tolower((unsigned char)letter)) {
    case 'a':
        in = isalpha(c);
        break;
    case 'c':
        in = iscntrl(c);
        break;
    case 'd':
        in = isdigit(c);
        break;
    case 'l':
        in = islower(c);
        break;
    case 'p':
        in = ispunct(c);
        break;
    case 's':
        in = isspace(c);
        break;
    case 'u':
        in = isupper(c);
        break;
    case 'w':
        in = isalnum(c);
        break;
    case 'x':
        in = isxdigit(c);
        break;
    case 'z':
        in = c == 0;
        break;
    default:
        return (unsigned char)letter == c;
    }
    return isupper((unsigned char)letter) ? !in : in;
}

/* p is at the '[', last at its ']'. */
static bool in_set(unsigned char c, const char *p, const char *last) {
    bool inverted = p[1] == '^';
    p += 1 + inverted;
    for (; p < last; p++) {
        if (*p == '%') {
            if (in_class(c, *++p))
                return !inverted;
        } else if (p[1] == '-' && p + 2 < last) {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return !inverted;
            p += 2;
        } else if ((unsigned char)*p == c) {
            return !inverted;
        }
    }
    return inverted;
}

static bool fits(const struct matcher *m, const char *s, const char *p, const char *behind) {
    script_machine_charge(m->lua, 1);
    if (s >= m->end)
        return false;
    unsigned char c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, p[1]);
    case '[':
        return in_set(c, p, behind - 1);
    default:
        return (unsigned char)*p == c;
    }
}

/* ---- repeats --- */

static const char *match_most(struct matcher *m, const char *s, const char *p, const char *behind) {
    ptrdiff_t count = 0;
    while (fits(m, s + count, p, behind))
        count++;
    for (; count >= 0; count--) {
        const char *end = match(m, s + count, behind + 1);
        if (end)
            return end;
    }
    return NULL;
}

static const char *match_fewest(struct matcher *m, const char *s, const char *p, const char *behind) {
    for (;; s++) {
        const char *end = match(m, s, behind + 1);
        if (end || !fits(m, s, p, behind))
            return end;
    }
}

/* ---- captures --- */

static const char *open_capture(struct matcher *m, const char *s, const char *p, ptrdiff_t what) {
    if (m->count >= CAPTURES_MAX)
        luaL_error(m->lua, "too many captures");
    m->captures[m->count].at = s;
    m->captures[m->count].length = what;
    m->count++;
    const char *end = match(m, s, p);
    if (!end)
        m->count--;
    return end;
}

static const char *close_capture(struct matcher *m, const char *s, const char *p) {
    int which = m->count - 1;
    while (which >= 0 && m->captures[which].length != CAPTURE_OPEN)
        which--;
    if (which < 0)
        luaL_error(m->lua, "invalid pattern capture");
    m->captures[which].length = s - m->captures[which].at;
    const char *end = match(m, s, p);
    if (!end)
        m->captures[which].length = CAPTURE_OPEN;
    return end;
}

/* %1: what was captured, once more. */
static const char *match_again(struct matcher *m, const char *s, char digit) {
    int which = digit - '1';
    if (which < 0 || which >= m->count || m->captures[which].length == CAPTURE_OPEN)
        luaL_error(m->lua, "invalid capture index");
    ptrdiff_t length = m->captures[which].length;
    if (length < 0)
        return NULL;
    script_machine_charge(m->lua, 1 + (uint64_t)length / 16);
    if (m->end - s >= length && memcmp(m->captures[which].at, s, (size_t)length) == 0)
        return s + length;
    return NULL;
}

/* ---- %b, %f --- */

static const char *match_balanced(struct matcher *m, const char *s, const char *p) {
    if (p + 1 >= m->pattern_end)
        luaL_error(m->lua, "unbalanced pattern");
    if (s >= m->end || *s != p[0])
        return NULL;
    int open = 1;
    while (++s < m->end) {
        script_machine_charge(m->lua, 1);
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

/* Between a byte that is not in the set and one that is; there is a zero before and behind the subject. */
static bool at_frontier(const struct matcher *m, const char *s, const char *set, const char *behind) {
    unsigned char before = s == m->begin ? 0 : (unsigned char)s[-1],
                  here = s < m->end ? (unsigned char)*s : 0;
    return !in_set(before, set, behind - 1) && in_set(here, set, behind - 1);
}

/* ---- all of it --- */

/* An item with what is said of its number. What goes on in the loop: *s and *p are moved, and true returned. */
static bool step(struct matcher *m, const char **s, const char **p, const char **result) {
    const char *behind = item_end(m, *p);
    char repeat = behind < m->pattern_end ? *behind : '\0';
    *result = NULL;
    switch (repeat) {
    case '?':
        if (fits(m, *s, *p, behind) && (*result = match(m, *s + 1, behind + 1)))
            return false;
        *p = behind + 1;
        return true;
    case '*':
        *result = match_most(m, *s, *p, behind);
        return false;
    case '+':
        *result = fits(m, *s, *p, behind) ? match_most(m, *s + 1, *p, behind) : NULL;
        return false;
    case '-':
        *result = match_fewest(m, *s, *p, behind);
        return false;
    default:
        if (!fits(m, *s, *p, behind))
            return false;
        ++*s;
        *p = behind;
        return true;
    }
}

/* The items that begin with '%' and are no classes; false: this is none of them. */
static bool step_special(struct matcher *m, const char **s, const char **p, const char **result,
                         bool *goes_on) {
    char letter = *p + 1 < m->pattern_end ? (*p)[1] : '\0';
    *goes_on = true;
    *result = NULL;
    if (letter == 'b') {
        *s = match_balanced(m, *s, *p + 2);
        *p += 4;
    } else if (letter == 'f') {
        const char *set = *p + 2;
        if (set >= m->pattern_end || *set != '[')
            luaL_error(m->lua, "missing '[' after '%%f' in pattern");
        const char *behind = item_end(m, set);
        if (!at_frontier(m, *s, set, behind))
            *s = NULL;
        *p = behind;
    } else if (isdigit((unsigned char)letter)) {
        *s = match_again(m, *s, letter);
        *p += 2;
    } else {
        return false;
    }
    *goes_on = *s != NULL;
    return true;
}

/* Where the match of p at s ends; NULL when there is none. */
static const char *match(struct matcher *m, const char *s, const char *p) {
    const char *result = NULL;
    bool goes_on = true;
    if (++m->depth > DEPTH_MAX)
        luaL_error(m->lua, "pattern too complex");
    while (goes_on) {
        if (p >= m->pattern_end) {
            result = s;
            break;
        }
        if (*p == '(') {
            bool is_place = p + 1 < m->pattern_end && p[1] == ')';
            result = open_capture(m, s, p + 1 + is_place, is_place ? CAPTURE_PLACE : CAPTURE_OPEN);
            break;
        }
        if (*p == ')') {
            result = close_capture(m, s, p + 1);
            break;
        }
        if (*p == '$' && p + 1 == m->pattern_end) {
            result = s == m->end ? s : NULL;
            break;
        }
        if (*p == '%' && step_special(m, &s, &p, &result, &goes_on))
            continue;
        goes_on = step(m, &s, &p, &result);
    }
    m->depth--;
    return result;
}

/* ---- captures out --- */

static void push_capture(const struct matcher *m, int which, const char *s, const char *end) {
    if (which >= m->count) {
        if (which != 0)
            luaL_error(m->lua, "invalid capture index");
        lua_pushlstring(m->lua, s, (size_t)(end - s));
        return;
    }
    ptrdiff_t length = m->captures[which].length;
    if (length == CAPTURE_OPEN)
        luaL_error(m->lua, "unfinished capture");
    if (length == CAPTURE_PLACE)
        lua_pushinteger(m->lua, m->captures[which].at - m->begin + 1);
    else
        lua_pushlstring(m->lua, m->captures[which].at, (size_t)length);
}

/* All of them; the whole when there is none and `s` is told. */
static int push_captures(const struct matcher *m, const char *s, const char *end) {
    int count = m->count == 0 && s ? 1 : m->count;
    luaL_checkstack(m->lua, count, "too many captures");
    for (int i = 0; i < count; i++)
        push_capture(m, i, s, end);
    return count;
}

static struct matcher matcher_of(lua_State *lua, const char *subject, size_t length, const char *pattern,
                                 size_t pattern_length) {
    assert(subject && pattern); /* Lua's strings are somewhere, empty ones too */
    return (struct matcher){
        .lua = lua, .begin = subject, .end = subject + length, .pattern_end = pattern + pattern_length};
}

static const char *try_at(struct matcher *m, const char *s, const char *pattern) {
    m->count = m->depth = 0;
    return match(m, s, pattern);
}

/* ---- string.find, string.match --- */

static const char *find_plain(lua_State *lua, const char *at, const char *end, const char *what,
                              size_t length) {
    if (length == 0)
        return at;
    for (; (size_t)(end - at) >= length; at++) {
        const char *first = memchr(at, what[0], (size_t)(end - at) - length + 1);
        if (!first)
            return NULL;
        script_machine_charge(lua, 1 + (uint64_t)(first - at) / 16 + length / 16);
        at = first;
        if (memcmp(at, what, length) == 0)
            return at;
    }
    return NULL;
}

static int find(lua_State *lua, bool is_find) {
    size_t length, pattern_length;
    const char *subject = luaL_checklstring(lua, 1, &length);
    const char *pattern = luaL_checklstring(lua, 2, &pattern_length);
    ptrdiff_t from = luaL_optinteger(lua, 3, 1);
    from = from < 0 ? from + (ptrdiff_t)length : from - 1;
    from = from < 0 ? 0 : from > (ptrdiff_t)length ? (ptrdiff_t)length : from;
    if (is_find && (lua_toboolean(lua, 4) || !strpbrk(pattern, "^$*+?.([%-"))) {
        const char *found = find_plain(lua, subject + from, subject + length, pattern, pattern_length);
        if (found) {
            lua_pushinteger(lua, found - subject + 1);
            lua_pushinteger(lua, found - subject + (ptrdiff_t)pattern_length);
            return 2;
        }
        lua_pushnil(lua);
        return 1;
    }
    struct matcher m = matcher_of(lua, subject, length, pattern, pattern_length);
    bool anchored = pattern_length > 0 && *pattern == '^';
    for (const char *s = subject + from; s <= m.end; s++) {
        const char *end = try_at(&m, s, pattern + anchored);
        if (end && is_find) {
            lua_pushinteger(lua, s - subject + 1);
            lua_pushinteger(lua, end - subject);
            return 2 + push_captures(&m, NULL, NULL);
        }
        if (end)
            return push_captures(&m, s, end);
        if (anchored)
            break;
    }
    lua_pushnil(lua);
    return 1;
}

static int pattern_find(lua_State *lua) {
    return find(lua, true);
}

static int pattern_match(lua_State *lua) {
    return find(lua, false);
}

/* ---- string.gmatch --- */

static int next_match(lua_State *lua) {
    size_t length, pattern_length;
    const char *subject = lua_tolstring(lua, lua_upvalueindex(1), &length);
    const char *pattern = lua_tolstring(lua, lua_upvalueindex(2), &pattern_length);
    struct matcher m = matcher_of(lua, subject, length, pattern, pattern_length);
    for (const char *s = subject + lua_tointeger(lua, lua_upvalueindex(3)); s <= m.end; s++) {
        const char *end = try_at(&m, s, pattern);
        if (!end)
            continue;
        lua_pushinteger(lua, end - subject + (end == s)); /* past an empty one */
        lua_replace(lua, lua_upvalueindex(3));
        return push_captures(&m, s, end);
    }
    return 0;
}

static int pattern_gmatch(lua_State *lua) {
    luaL_checkstring(lua, 1);
    luaL_checkstring(lua, 2);
    lua_settop(lua, 2);
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, next_match, 3);
    return 1;
}

/* ---- string.gsub --- */

static void add_text(const struct matcher *m, luaL_Buffer *out, const char *s, const char *end) {
    size_t length;
    const char *text = lua_tolstring(m->lua, 3, &length);
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '%') {
            luaL_addchar(out, text[i]);
        } else if (++i, i >= length || !isdigit((unsigned char)text[i])) {
            luaL_addchar(out, i < length ? text[i] : '\0');
        } else if (text[i] == '0') {
            luaL_addlstring(out, s, (size_t)(end - s));
        } else {
            push_capture(m, text[i] - '1', s, end);
            luaL_addvalue(out);
        }
    }
}

/* What stands in place of one match. */
static void add_replacement(const struct matcher *m, luaL_Buffer *out, const char *s, const char *end) {
    lua_State *lua = m->lua;
    switch (lua_type(lua, 3)) {
    case LUA_TFUNCTION:
        lua_pushvalue(lua, 3);
        lua_call(lua, push_captures(m, s, end), 1);
        break;
    case LUA_TTABLE:
        push_capture(m, 0, s, end);
        lua_gettable(lua, 3);
        break;
    default:
        add_text(m, out, s, end);
        return;
    }
    if (!lua_toboolean(lua, -1)) {
        lua_pop(lua, 1);
        lua_pushlstring(lua, s, (size_t)(end - s));
    } else if (!lua_isstring(lua, -1)) {
        luaL_error(lua, "invalid replacement value (a %s)", luaL_typename(lua, -1));
    }
    luaL_addvalue(out);
}

static int pattern_gsub(lua_State *lua) {
    size_t length, pattern_length;
    const char *subject = luaL_checklstring(lua, 1, &length), *s = subject;
    const char *pattern = luaL_checklstring(lua, 2, &pattern_length);
    int type = lua_type(lua, 3), count = 0, max = (int)luaL_optinteger(lua, 4, (lua_Integer)length + 1);
    bool anchored = pattern_length > 0 && *pattern == '^';
    luaL_argcheck(lua,
                  type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE,
                  3, "string/function/table expected");
    struct matcher m = matcher_of(lua, subject, length, pattern, pattern_length);
    luaL_Buffer out;
    luaL_buffinit(lua, &out);
    while (count < max) {
        const char *end = try_at(&m, s, pattern + anchored);
        if (end) {
            count++;
            add_replacement(&m, &out, s, end);
        }
        if (end && end > s)
            s = end;
        else if (s < m.end)
            luaL_addchar(&out, *s++);
        else
            break;
        if (anchored)
            break;
    }
    luaL_addlstring(&out, s, (size_t)(m.end - s));
    luaL_pushresult(&out);
    lua_pushinteger(lua, count);
    return 2;
}

void script_pattern_put(lua_State *lua) {
    static const luaL_Reg functions[] = {{"find", pattern_find},     {"match", pattern_match},
                                         {"gmatch", pattern_gmatch}, {"gfind", pattern_gmatch},
                                         {"gsub", pattern_gsub},     {NULL, NULL}};
    for (const luaL_Reg *function = functions; function->name; function++) {
        lua_pushcfunction(lua, function->func);
        lua_setfield(lua, -2, function->name);
    }
}
