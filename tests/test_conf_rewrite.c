/* SPDX-License-Identifier: MIT */
/* CONFIG REWRITE: what changes in the file, and what does not. */
#include "conf_fixture.h"

static const char *file_text(struct fixture *f) {
    FILE *file = fopen(f->path, "r");
    assert_non_null(file);
    size_t length = fread(f->seen, 1, sizeof f->seen - 1, file);
    f->seen[length] = '\0';
    fclose(file);
    return f->seen;
}

static void start(struct fixture *f, const char *text) {
    write_file(f->path, text);
    if (!conf_load(&f->conf, f->path, 0, NULL, f->why))
        fail_msg("%s", f->why);
}

static void set(struct fixture *f, const char *name, const char *value) {
    assert_int_equal(conf_set(&f->conf, name, value, f->why), CONF_SET_OK);
}

static void rewrite(struct fixture *f) {
    if (!conf_rewrite(&f->conf, f->why))
        fail_msg("%s", f->why);
}

static void a_file_that_says_what_holds_stays_as_it_is(void **state) {
    struct fixture *f = *state;
    static const char text[] =
        "# first\n\n  Timeout   5\nport 7000\nrequirepass \"a b\"\nmaxmemory 1gb\nsave 60 1";
    start(f, text);
    rewrite(f);
    assert_string_equal(file_text(f), text);
}

static void a_change_takes_the_place_of_the_last_line(void **state) {
    struct fixture *f = *state;
    start(f, "# head\ntimeout 1\n# between\ntimeout 2\nport 7000\nmaxmemory 1gb\n# tail\n");
    set(f, "timeout", "9");
    set(f, "maxmemory", "2gb");
    rewrite(f);
    assert_string_equal(file_text(f),
                        "# head\n# between\ntimeout 9\nport 7000\nmaxmemory 2147483648\n# tail\n");
}

static void what_has_no_line_comes_at_the_end(void **state) {
    struct fixture *f = *state;
    start(f, "port 7000");
    set(f, "slowlog-log-slower-than", "-1");
    set(f, "loglevel", "debug");
    rewrite(f);
    assert_string_equal(file_text(f), "port 7000\n\n# Written by CONFIG REWRITE\nloglevel debug\n"
                                      "slowlog-log-slower-than -1\n");
    set(f, "loglevel", "notice");
    rewrite(f);
    assert_string_equal(file_text(f), "port 7000\n\n# Written by CONFIG REWRITE\nloglevel notice\n"
                                      "slowlog-log-slower-than -1\n");
}

static void every_value_is_read_again_as_it_was(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"requirepass", "two words"},
        {"requirepass", "quote\"back\\slash'#"},
        {"requirepass", "tab\tnew\nline"},
        {"requirepass", ""},
        {"protected-mode", "no"},
        {"client-output-buffer-limit", "normal 1mb 1kb 60"},
        {"maxmemory", "100mb"},
        {"slowlog-log-slower-than", "0"},
        {"cluster-announce-ip", "10.0.0.1"},
    };
    start(f, "port 7000\nrequirepass first\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct conf again;
        set(f, cases[i].name, cases[i].value);
        rewrite(f);
        if (!conf_load(&again, f->path, 0, NULL, f->why))
            fail_msg("%s\n%s", f->why, file_text(f));
        for (size_t row = 0; row < conf_directive_count; row++) {
            char here[CONF_VALUE_MAX], there[CONF_VALUE_MAX];
            conf_value_get(&conf_directives[row], &f->conf, here);
            conf_value_get(&conf_directives[row], &again, there);
            assert_string_equal(here, there);
        }
    }
}

static void mode_and_neighbours_of_the_file_are_kept(void **state) {
    struct fixture *f = *state;
    struct stat status;
    char beside[160];
    start(f, "port 7000\n");
    assert_int_equal(chmod(f->path, 0640), 0);
    set(f, "timeout", "3");
    rewrite(f);
    assert_int_equal(stat(f->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    snprintf(beside, sizeof beside, "%s.rewrite", f->path);
    assert_int_not_equal(access(beside, F_OK), 0);
}

static void a_file_that_is_gone_or_broken_is_not_written(void **state) {
    struct fixture *f = *state;
    start(f, "port 7000\n");
    set(f, "timeout", "3");
    write_file(f->path, "port seven\n");
    assert_false(conf_rewrite(&f->conf, f->why));
    assert_string_equal(file_text(f), "port seven\n");
    assert_int_equal(unlink(f->path), 0);
    assert_false(conf_rewrite(&f->conf, f->why));
    assert_non_null(strstr(f->why, "cannot read "));
    assert_int_not_equal(access(f->path, F_OK), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_says_what_holds_stays_as_it_is), TEST(a_change_takes_the_place_of_the_last_line),
        TEST(what_has_no_line_comes_at_the_end),          TEST(every_value_is_read_again_as_it_was),
        TEST(mode_and_neighbours_of_the_file_are_kept),   TEST(a_file_that_is_gone_or_broken_is_not_written),
    };
    return cmocka_run_group_tests_name("conf_rewrite", tests, NULL, NULL);
}
