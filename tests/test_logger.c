/* SPDX-License-Identifier: MIT */
/* The log: its form, its levels, repeats, moved files, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../src/logger.h"

enum { FILE_BYTES_MAX = 1 << 20 };

struct fixture {
    char dir[64], path[96];
    char text[FILE_BYTES_MAX];
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->dir, "/tmp/redraft-logger-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/log", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    char moved[128];
    snprintf(moved, sizeof moved, "%s.1", f->path);
    unlink(f->path);
    unlink(moved);
    rmdir(f->dir);
    free(f);
    return 0;
}

static const char *content(struct fixture *f, const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t length = fread(f->text, 1, sizeof f->text - 1, file);
    f->text[length] = '\0';
    fclose(file);
    return f->text;
}

static size_t lines(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void a_line_has_the_form_that_redis_writes(void **state) {
    struct fixture *f = *state;
    struct logger *logger = logger_new(f->path, LOG_LEVEL_NOTICE);
    logger_set_role(logger, 'M');
    log_notice(logger, "leading term %d", 42);
    logger_free(logger);
    char pattern[200];
    snprintf(
        pattern, sizeof pattern,
        "^%d:M [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} \\* leading term 42\n$",
        (int)getpid());
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    assert_int_equal(regexec(&regex, content(f, f->path), 0, NULL, 0), 0);
    regfree(&regex);
}

static void a_level_below_the_threshold_is_not_written(void **state) {
    struct fixture *f = *state;
    struct logger *logger = logger_new(f->path, LOG_LEVEL_NOTICE);
    log_debug(logger, "one");
    log_verbose(logger, "two");
    log_notice(logger, "three");
    log_warning(logger, "four");
    logger_set_level(logger, LOG_LEVEL_DEBUG);
    log_debug(logger, "five");
    logger_set_level(logger, LOG_LEVEL_WARNING);
    log_notice(logger, "six");
    logger_free(logger);
    const char *text = content(f, f->path);
    assert_int_equal(lines(text), 3);
    assert_non_null(strstr(text, ":X "));
    assert_non_null(strstr(text, " * three\n"));
    assert_non_null(strstr(text, " # four\n"));
    assert_non_null(strstr(text, " . five\n"));
}

static void repeats_are_counted_and_the_count_comes_before_the_next_line(void **state) {
    struct fixture *f = *state;
    struct logger *logger = logger_new(f->path, LOG_LEVEL_NOTICE);
    for (int i = 0; i < 5; i++)
        log_notice(logger, "again");
    log_warning(logger, "again");
    log_notice(logger, "other");
    logger_free(logger);
    const char *text = content(f, f->path);
    assert_int_equal(lines(text), 4);
    const char *count = strstr(text, " * again (4 more within ");
    const char *warning = strstr(text, " # again\n");
    assert_non_null(count);
    assert_non_null(warning);
    assert_true(strstr(text, " * again\n") < count && count < warning &&
                warning < strstr(text, " * other\n"));
}

static void a_count_that_is_owed_is_written_at_the_end(void **state) {
    struct fixture *f = *state;
    struct logger *logger = logger_new(f->path, LOG_LEVEL_NOTICE);
    for (int i = 0; i < 3; i++)
        log_notice(logger, "again");
    logger_free(logger);
    const char *text = content(f, f->path);
    assert_int_equal(lines(text), 2);
    assert_non_null(strstr(text, "again (2 more within "));
}

static void the_same_line_after_more_than_a_second_is_written_again(void **state) {
    struct fixture *f = *state;
    struct logger *logger = logger_new(f->path, LOG_LEVEL_NOTICE);
    log_notice(logger, "slow");
    usleep(1100 * 1000);
    log_notice(logger, "slow");
    logger_free(logger);
    const char *text = content(f, f->path);
    assert_int_equal(lines(text), 2);
    assert_null(strstr(text, "more within"));
}

static void a_moved_file_is_left_and_a_new_one_begun(void **state) {
    struct fixture *f = *state;
    char moved[128];
    snprintf(moved, sizeof moved, "%s.1", f->path);
    struct logger *logger = logger_new(f->path, LOG_LEVEL_NOTICE);
    log_notice(logger, "before");
    assert_int_equal(rename(f->path, moved), 0);
    log_notice(logger, "after");
    logger_free(logger);
    assert_non_null(strstr(content(f, moved), "before\n"));
    assert_null(strstr(content(f, moved), "after\n"));
    assert_non_null(strstr(content(f, f->path), "after\n"));
}

static void an_existing_file_is_continued(void **state) {
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        struct logger *logger = logger_new(f->path, LOG_LEVEL_NOTICE);
        log_notice(logger, "run %d", i);
        logger_free(logger);
    }
    assert_int_equal(lines(content(f, f->path)), 2);
}

static void a_line_stays_one_line_whatever_is_in_it(void **state) {
    struct fixture *f = *state;
    struct logger *logger = logger_new(f->path, LOG_LEVEL_NOTICE);
    log_notice(logger, "user said %s", "a\r\n1:M forged\x1b[0m");
    logger_free(logger);
    const char *text = content(f, f->path);
    assert_int_equal(lines(text), 1);
    assert_non_null(strstr(text, "user said a? 1:M forged?[0m\n"));
}

static void an_overlong_line_is_cut_and_says_so(void **state) {
    struct fixture *f = *state;
    static char big[10000];
    memset(big, 'x', sizeof big - 1);
    struct logger *logger = logger_new(f->path, LOG_LEVEL_NOTICE);
    log_notice(logger, "%s", big);
    log_notice(logger, "%s", big);
    logger_free(logger);
    const char *text = content(f, f->path);
    assert_int_equal(lines(text), 2);
    assert_non_null(strstr(text, "xxx...\n"));
    assert_non_null(strstr(text, "(1 more within 0.0 s)\n"));
}

static void a_path_that_cannot_be_opened_gives_errno(void **state) {
    (void)state;
    assert_null(logger_new("/nonexistent/redraft.log", LOG_LEVEL_NOTICE));
    assert_int_equal(errno, ENOENT);
}

static void logging_to_nothing_does_nothing(void **state) {
    (void)state;
    log_warning(NULL, "nobody %d", 1);
    logger_set_level(NULL, LOG_LEVEL_DEBUG);
    logger_set_role(NULL, 'M');
    logger_free(NULL);
}

struct speaker {
    struct logger *logger;
    int number;
};

static void *speak(void *context) {
    struct speaker *speaker = context;
    for (int i = 0; i < 1000; i++)
        log_notice(speaker->logger, "speaker %d line %d end", speaker->number, i);
    return NULL;
}

static void lines_of_many_threads_never_mix(void **state) {
    struct fixture *f = *state;
    struct logger *logger = logger_new(f->path, LOG_LEVEL_NOTICE);
    struct speaker speakers[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        speakers[i] = (struct speaker){logger, i};
        assert_int_equal(pthread_create(&threads[i], NULL, speak, &speakers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    logger_free(logger);
    content(f, f->path);
    size_t whole = 0;
    char *rest = NULL;
    for (char *line = strtok_r(f->text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        int pid, number, at;
        char end[8] = "";
        const char *text = strstr(line, "speaker ");
        assert_non_null(text);
        assert_int_equal(sscanf(line, "%d:X ", &pid), 1);
        assert_int_equal(sscanf(text, "speaker %d line %d %7s", &number, &at, end), 3);
        assert_string_equal(end, "end");
        whole++;
    }
    assert_int_equal(whole, 4000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_the_form_that_redis_writes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_level_below_the_threshold_is_not_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repeats_are_counted_and_the_count_comes_before_the_next_line, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_count_that_is_owed_is_written_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_line_after_more_than_a_second_is_written_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_moved_file_is_left_and_a_new_one_begun, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_existing_file_is_continued, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_line_stays_one_line_whatever_is_in_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_overlong_line_is_cut_and_says_so, set_up, tear_down),
        cmocka_unit_test(a_path_that_cannot_be_opened_gives_errno),
        cmocka_unit_test(logging_to_nothing_does_nothing),
        cmocka_unit_test_setup_teardown(lines_of_many_threads_never_mix, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("logger", tests, NULL, NULL);
}
