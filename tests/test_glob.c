/* SPDX-License-Identifier: MIT */
/* Patterns: a table, and a naive twin that tries every way a star can take. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../src/data/glob.h"

static bool matches(const char *pattern, const char *text) {
    return glob_match(&(struct resp_arg){pattern, strlen(pattern)}, &(struct resp_arg){text, strlen(text)});
}

static void patterns_match_as_a_redis_user_expects(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
    } rows[] = {
        {"*", "anything", true},
        {"h?llo", "hello", true},
        {"h?llo", "hllo", false},
        {"h*llo", "heeeello", true},
        {"h*llo", "hllo", true},
        {"h[ae]llo", "hallo", true},
        {"h[ae]llo", "hillo", false},
        {"h[^e]llo", "hallo", true},
        {"h[^e]llo", "hello", false},
        {"h[a-b]llo", "hbllo", true},
        {"h[b-a]llo", "hallo", true},
        {"h[a-b]llo", "hcllo", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"a\\", "a\\", true},
        {"\\\\", "\\", true},
        {"[\\]]", "]", true},
        {"[\\^]", "^", true},
        {"[a", "a", true},
        {"[a", "b", false},
        {"[^", "x", true},
        {"[", "[", false},
        {"[]", "]", false},
        {"[a-]", "^", true},
        {"a*", "a", true},
        {"a**", "a", true},
        {"*a*b*c*", "xxaxxbxxcxx", true},
        {"*a*b*c*", "xxaxxcxxb", false},
        {"*ab", "aab", true},
        {"*aab", "aaab", true},
        {"", "", true},
        {"", "a", false},
        {"*", "", false},
        {"a", "A", false},
        {"user:*:name", "user:1000:name", true},
        {"[\x80-\x7f]", "a", true},
        {"[a-\xff]", "b", false},
        {"[\xe0-\xff]", "\xf0", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (matches(rows[i].pattern, rows[i].text) != rows[i].match)
            fail_msg("%s against %s", rows[i].pattern, rows[i].text);
}

static void a_zero_byte_is_a_byte_like_any_other(void **state) {
    (void)state;
    struct resp_arg text = {"a\0b", 3};
    assert_true(glob_match(&(struct resp_arg){"a\0*", 3}, &text));
    assert_true(glob_match(&(struct resp_arg){"a?b", 3}, &text));
    assert_false(glob_match(&(struct resp_arg){"a\0c", 3}, &text));
}

static void many_stars_do_not_multiply_the_work(void **state) {
    (void)state;
    char pattern[401], text[20001];
    for (size_t i = 0; i < 400; i += 2)
        memcpy(pattern + i, "a*", 2);
    memcpy(pattern + 398, "*b", 3);
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(matches(pattern, text)); /* trying every way would outlast the universe */
    text[sizeof text - 2] = 'b';
    assert_true(matches(pattern, text));
}

/* ---- the twin: one element, then the rest; a star takes nothing, or one more --- */

/* The bytes that a class takes, and where the pattern goes on. */
static const char *twin_class(const char *p, bool taken[256]) {
    bool inverted = *p == '^';
    memset(taken, 0, 256 * sizeof taken[0]);
    for (p += inverted; *p && *p != ']'; p++) {
        char low = *p, high = *p;
        if (p[0] == '\\' && p[1]) {
            low = high = *++p;
        } else if (p[1] == '-' && p[2]) {
            high = p[2];
            p += 2;
        }
        for (int c = -128; c < 128; c++)
            if ((low <= c && c <= high) || (high <= c && c <= low))
                taken[(unsigned char)c] = true;
    }
    for (int i = 0; i < 256; i++)
        taken[i] = taken[i] != inverted;
    return *p ? p + 1 : p;
}

static bool twin_rest(const char *p, const char *t) {
    if (*p == '\0')
        return *t == '\0';
    if (*p == '*')
        return twin_rest(p + 1, t) || (*t && twin_rest(p, t + 1));
    if (*t == '\0')
        return false;
    if (*p == '?')
        return twin_rest(p + 1, t + 1);
    if (*p == '[') {
        bool taken[256];
        p = twin_class(p + 1, taken);
        return taken[(unsigned char)*t] && twin_rest(p, t + 1);
    }
    if (*p == '\\' && p[1])
        p++;
    return *p == *t && twin_rest(p + 1, t + 1);
}

static bool twin(const char *p, const char *t) {
    return *t ? twin_rest(p, t) : *p == '\0';
}

static void random_text(uint64_t *seed, const char *alphabet, char *text, size_t max) {
    size_t letters = strlen(alphabet);
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    size_t length = (*seed >> 33) % max;
    for (size_t i = 0; i < length; i++) {
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        text[i] = alphabet[(*seed >> 33) % letters];
    }
    text[length] = '\0';
}

static void it_agrees_with_the_twin_that_tries_everything(void **state) {
    (void)state;
    uint64_t seed = 17;
    size_t matched = 0;
    for (int i = 0; i < 400000; i++) {
        char pattern[10], text[9];
        random_text(&seed, i % 2 ? "ab*?[]^-\\c" : "ab**?", pattern, sizeof pattern);
        random_text(&seed, "abc]^-\\", text, i % 3 ? 5 : sizeof text);
        bool want = twin(pattern, text);
        matched += want;
        if (matches(pattern, text) != want)
            fail_msg("%s against %s: the twin says %d", pattern, text, want);
    }
    assert_in_range(matched, 20000, 380000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_a_redis_user_expects),
        cmocka_unit_test(a_zero_byte_is_a_byte_like_any_other),
        cmocka_unit_test(many_stars_do_not_multiply_the_work),
        cmocka_unit_test(it_agrees_with_the_twin_that_tries_everything),
    };
    return cmocka_run_group_tests_name("glob", tests, NULL, NULL);
}
