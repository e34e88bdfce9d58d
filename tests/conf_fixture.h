/* SPDX-License-Identifier: MIT */
/* What the tests of the configuration share: a directory of their own, a configuration read from text, what was said about it. */
#ifndef CONF_FIXTURE_H
#define CONF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../src/conf.h"
#include "../src/conf_table.h"

struct fixture {
    char dir[64], path[128];
    struct conf conf;
    char why[CONF_WHY_MAX];
    char seen[1 << 16]; /* what the callbacks collected */
};

static inline int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->dir, "/tmp/redraft-conf-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/redraft.conf", f->dir);
    *state = f;
    return 0;
}

static inline int tear_down(void **state) {
    struct fixture *f = *state;
    char path[400];
    DIR *dir = opendir(f->dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", f->dir, entry->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(f->dir);
    free(f);
    return 0;
}

static inline void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static inline bool load_text(struct fixture *f, const char *text) {
    write_file(f->path, text);
    memset(f->why, 0, sizeof f->why);
    return conf_load(&f->conf, f->path, 0, NULL, f->why);
}

enum { ARGUMENTS_MAX = 24 };

/* The words of `line`, split at blanks, as the command line behind a file's text (NULL: no file). */
static inline bool load_arguments(struct fixture *f, const char *text, const char *line) {
    static char copy[1024];
    char *argv[ARGUMENTS_MAX], *rest = NULL;
    int argc = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    if (text != NULL)
        write_file(f->path, text);
    memset(f->why, 0, sizeof f->why);
    return conf_load(&f->conf, text != NULL ? f->path : NULL, argc, argv, f->why);
}

static inline void collect(void *context, const char *name, const char *value) {
    struct fixture *f = context;
    size_t length = strlen(f->seen);
    snprintf(f->seen + length, sizeof f->seen - length, "%s=%s\n", name, value);
}

static inline void collect_line(void *context, const char *text) {
    struct fixture *f = context;
    size_t length = strlen(f->seen);
    snprintf(f->seen + length, sizeof f->seen - length, "%s\n", text);
}

static inline const char *get(struct fixture *f, const char *pattern) {
    f->seen[0] = '\0';
    conf_get(&f->conf, &pattern, 1, collect, f);
    return f->seen;
}

static inline const char *warnings(struct fixture *f) {
    f->seen[0] = '\0';
    conf_warnings(&f->conf, collect_line, f);
    return f->seen;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
